//! Pages over HTTP: what requests leave behind in them, and what probes see.

use std::net::SocketAddr;

use rkafka_wire::messages::ApiVersionsRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::data::{fetch, produce};
use crate::node::test_kit::{TestBroker, batch};

/// Status line and body of a page.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("the pages are there");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a small request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// The value of a metric, labels included in its name.
fn value(page: &str, metric: &str) -> Option<f64> {
    let of = |line: &str| line.strip_prefix(metric)?.trim().parse().ok();
    page.lines().find_map(of)
}

#[tokio::test]
async fn requests_are_counted_and_timed() {
    let test = TestBroker::start("metrics.http.address=127.0.0.1:0").await;
    test.create_topic("orders", 3, &[]).await;
    let mut client = test.connect().await;
    let records = batch(&[b"a", b"b"]);
    let size = records.len();
    client.call(9, &produce("orders", 1, &[(0, records.clone()), (7, records)])).await;
    client.call(11, &fetch("orders", &[(0, 0)], 1, 0)).await;
    let page = get(test.http_address().expect("it is configured"), "/metrics").await.1;
    let expect =
        |metric: &str, expected: f64| assert_eq!(value(&page, metric), Some(expected), "{metric} in\n{page}");
    expect("kafka_server_brokertopicmetrics_bytesin_total", size as f64);
    expect("kafka_server_brokertopicmetrics_bytesout_total", size as f64);
    expect("kafka_server_brokertopicmetrics_messagesin_total", 2.0);
    expect("kafka_server_brokertopicmetrics_failedproducerequests_total", 1.0);
    expect("kafka_network_requestmetrics_requests_total{request=\"Produce\"}", 1.0);
    expect("kafka_network_requestmetrics_totaltimems_count{request=\"Fetch\"}", 1.0);
    expect("kafka_server_replicamanager_partitioncount", 3.0);
    expect("kafka_server_replicamanager_leadercount", 3.0);
    expect("kafka_log_logmanager_offlinelogdirectorycount", 0.0);
}

#[tokio::test]
async fn probes_see_a_broker_that_is_ready() {
    let test = TestBroker::start("metrics.http.address=127.0.0.1:0").await;
    let address = test.http_address().expect("it is configured");
    for (path, status, body) in [
        ("/healthz", "HTTP/1.1 200 OK", "ok\n"),
        ("/readyz", "HTTP/1.1 200 OK", "ready\n"),
        ("/", "HTTP/1.1 404 Not Found", "/metrics, /healthz or /readyz\n"),
    ] {
        assert_eq!(get(address, path).await, (status.to_owned(), body.to_owned()), "{path}");
    }
    test.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "the pages end with the node");
}

#[tokio::test]
async fn without_an_address_there_is_nothing() {
    let test = TestBroker::start("").await;
    let mut client = test.connect().await;
    client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(test.http_address(), None);
}
