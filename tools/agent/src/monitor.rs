//! Counters over HTTP: `/metrics` as Flume's JSON (every value a string), `/metrics/prometheus`, and `/health`.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    agent::RunningSource,
    channel::Channel,
    sink::SinkCounters,
    source::{SourceCounters, spooldir::progress::Progress},
};

/// Connections served at a time.
const MOST_CONNECTIONS: usize = 16;
/// A client that has not sent a request after this long is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is counted in a running agent.
pub struct Monitor {
    started_ms: u128,
    sources: Vec<(String, Arc<SourceCounters>, Arc<Progress>)>,
    channels: Vec<Arc<Channel>>,
    sinks: Vec<(String, Arc<SinkCounters>)>,
}

type Component = BTreeMap<&'static str, String>;

impl Monitor {
    /// The counters of these parts.
    #[must_use]
    pub fn new(
        sources: &[RunningSource],
        channels: &[Arc<Channel>],
        sinks: &[(String, Arc<SinkCounters>)],
    ) -> Monitor {
        let source =
            |source: &RunningSource| (source.name.clone(), source.counters.clone(), source.progress.clone());
        Monitor {
            started_ms: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            sources: sources.iter().map(source).collect(),
            channels: channels.to_vec(),
            sinks: sinks.to_vec(),
        }
    }

    /// Every component with its counters, by Flume's names.
    fn components(&self) -> BTreeMap<String, Component> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
        let common = |kind: &str| -> Component {
            [
                ("Type", kind.to_owned()),
                ("StartTime", self.started_ms.to_string()),
                ("StopTime", "0".to_owned()),
            ]
            .into()
        };
        let mut all = BTreeMap::new();
        for (name, counters, progress) in &self.sources {
            let mut source = common("SOURCE");
            let (files, bytes) = progress.lag();
            let totals = progress.totals();
            source.extend([
                ("EventReceivedCount", count(&counters.received)),
                ("EventAcceptedCount", count(&counters.accepted)),
                ("AppendReceivedCount", "0".to_owned()),
                ("AppendAcceptedCount", "0".to_owned()),
                ("AppendBatchReceivedCount", count(&counters.batches_received)),
                ("AppendBatchAcceptedCount", count(&counters.batches_accepted)),
                ("OpenConnectionCount", "0".to_owned()),
                ("EventReadFail", count(&counters.read_failures)),
                ("ChannelWriteFail", count(&counters.channel_full)),
                ("GenericProcessingFail", "0".to_owned()),
                ("FilesWaiting", files.to_string()),
                ("BytesWaiting", bytes.to_string()),
                ("FilesFinished", totals.finished.to_string()),
                ("FilesFailed", totals.failed.to_string()),
            ]);
            all.insert(format!("SOURCE.{name}"), source);
        }
        for channel in &self.channels {
            let (size, capacity) = (channel.len(), channel.capacity());
            let counters = channel.counters();
            let mut values = common("CHANNEL");
            values.extend([
                ("ChannelSize", size.to_string()),
                ("ChannelCapacity", capacity.to_string()),
                ("ChannelFillPercentage", (size as f64 * 100.0 / capacity.max(1) as f64).to_string()),
                ("EventPutAttemptCount", count(&counters.put_attempts)),
                ("EventPutSuccessCount", count(&counters.puts)),
                ("EventTakeAttemptCount", count(&counters.take_attempts)),
                ("EventTakeSuccessCount", count(&counters.takes)),
            ]);
            if matches!(**channel, Channel::File(_)) {
                let errors = counters.errors.load(Ordering::Relaxed);
                values.extend([
                    ("Open", "1".to_owned()),
                    ("Unhealthy", u8::from(errors > 0).to_string()),
                    ("EventPutErrorCount", errors.to_string()),
                ]);
            }
            all.insert(format!("CHANNEL.{}", channel.name()), values);
        }
        for (name, counters) in &self.sinks {
            let mut sink = common("SINK");
            sink.extend([
                ("EventDrainAttemptCount", count(&counters.attempts)),
                ("EventDrainSuccessCount", count(&counters.delivered)),
                ("BatchCompleteCount", count(&counters.complete_batches)),
                ("BatchUnderflowCount", count(&counters.underflow_batches)),
                ("BatchEmptyCount", "0".to_owned()),
                ("ConnectionCreatedCount", "0".to_owned()),
                ("ConnectionClosedCount", "0".to_owned()),
                ("ConnectionFailedCount", "0".to_owned()),
                ("RollbackCount", count(&counters.rollbacks)),
                ("EventWriteFail", count(&counters.rejected)),
            ]);
            all.insert(format!("SINK.{name}"), sink);
        }
        all
    }

    /// Flume's JSON.
    fn json(&self) -> String {
        serde_json::to_string(&self.components()).unwrap_or_default()
    }

    /// The same numbers for Prometheus: `flume_source_event_received_count{name="r1"} 5`.
    fn prometheus(&self) -> String {
        let mut text = String::new();
        for (component, values) in self.components() {
            let Some((kind, name)) = component.split_once('.') else { continue };
            for (key, value) in values.iter().filter(|(key, _)| **key != "Type") {
                let metric = format!("flume_{}_{}", kind.to_lowercase(), snake_case(key));
                text.push_str(&format!("{metric}{{name={name:?}}} {value}\n"));
            }
        }
        text
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let page = |status: StatusCode, kind: &'static str, text: String| {
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        };
        match (method.as_str(), path) {
            // As Flume's server.
            ("TRACE" | "OPTIONS", _) => page(StatusCode::FORBIDDEN, "text/plain", String::new()),
            (_, "/metrics") => page(StatusCode::OK, "application/json;charset=UTF-8", self.json()),
            (_, "/metrics/prometheus") => {
                page(StatusCode::OK, "text/plain; version=0.0.4", self.prometheus())
            }
            (_, "/health") => page(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            (_, "/") => {
                let text = "For Flume metrics please click <a href = \"./metrics\"> here</a>.";
                page(StatusCode::OK, "text/html", text.to_owned())
            }
            _ => page(
                StatusCode::NOT_FOUND,
                "text/plain",
                "there are /metrics, /metrics/prometheus and /health\n".to_owned(),
            ),
        }
    }

    /// Serves the pages until the task is dropped; gives the address that was bound.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn serve(
        self: Arc<Monitor>,
        address: SocketAddr,
    ) -> io::Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((bound, tokio::spawn(self.accept(listener))))
    }

    async fn accept(self: Arc<Monitor>, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let monitor = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = monitor.answer(request.method(), request.uri().path());
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
                // A client that goes away is no failure.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
                drop(place);
            });
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, character) in name.char_indices() {
        if character.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::channel::{MemoryChannel, memory::Limits};

    fn monitor() -> Arc<Monitor> {
        let limits = Limits { events: 100, bytes: 1_000, keep_alive: Duration::ZERO };
        let channel = Arc::new(Channel::Memory(MemoryChannel::new("c1", limits)));
        let sink = SinkCounters::default();
        sink.delivered.store(7, Ordering::Relaxed);
        Arc::new(Monitor {
            started_ms: 5,
            sources: vec![("r1".to_owned(), Arc::default(), Arc::default())],
            channels: vec![channel],
            sinks: vec![("k1".to_owned(), Arc::new(sink))],
        })
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn pages() {
        let (address, _task) = monitor().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let json = get(address, "/metrics").await;
        let (head, body) = json.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["SINK.k1"]["EventDrainSuccessCount"], "7");
        assert_eq!(body["CHANNEL.c1"]["ChannelCapacity"], "100");
        assert_eq!(body["SOURCE.r1"]["Type"], "SOURCE");
        let prometheus = get(address, "/metrics/prometheus").await;
        assert!(prometheus.contains("flume_sink_event_drain_success_count{name=\"k1\"} 7\n"), "{prometheus}");
        assert!(get(address, "/other").await.starts_with("HTTP/1.1 404"));
        assert!(get(address, "/health").await.ends_with("ok\n"));
    }
}
