//! Whole lives of a node.

use std::path::Path;

use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::ids::BrokerId;
use rkafka_log::AppendOrigin;

use super::start;
use super::test_kit::{TestBroker, batch};
use crate::partition::AppendRequest;

fn append(broker: &TestBroker, value: &[u8]) -> i64 {
    let request = AppendRequest {
        batch: &batch(&[value]),
        acks: -1,
        origin: AppendOrigin::Client,
        now: broker.broker().clock.now(),
    };
    let appended = broker.partition("test", 0).append(request).expect("a good batch");
    assert!(appended.commit.is_none(), "the only replica has it");
    appended.outcome.base_offset
}

fn marker(dir: &Path) -> bool {
    dir.join("logs/.kafka_cleanshutdown").exists()
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[("retention.ms", "86400000")]).await;
    let cluster_id = broker.broker().image().cluster_id().map(str::to_owned);
    assert_eq!(append(&broker, b"a"), 0);
    let registered = broker.broker().image().brokers().get(BrokerId(7)).expect("registered").epoch;
    let dir = broker.stop().await;
    assert!(marker(dir.path()), "a clean stop leaves its marker");
    let epoch = std::fs::read_to_string(dir.path().join("logs/.kafka_cleanshutdown")).expect("it is there");
    assert_eq!(epoch, format!("{{\"version\":0,\"brokerEpoch\":{registered}}}"), "of the life that ended");

    let broker = TestBroker::start_in(dir, "").await;
    assert_eq!(broker.broker().image().cluster_id().map(str::to_owned), cluster_id);
    let view = broker.partition("test", 0).view();
    assert_eq!((view.log_start_offset, view.high_watermark, view.log_end_offset), (0, 1, 1));
    assert_eq!(broker.partition("test", 0).reader().config().retention_ms, 86_400_000);
    assert_eq!(append(&broker, b"b"), 1);
    broker.stop().await;
}

#[tokio::test]
async fn a_second_broker_on_the_same_directory_is_refused() {
    let broker = TestBroker::start("").await;
    let dir = broker.stop().await;
    let broker = TestBroker::start_in(dir, "").await;
    let taken = broker.broker().log_dirs.dirs()[0].path().display().to_string();
    let text = format!("node.id=7\nlog.dirs={taken}\nlisteners=PLAINTEXT://127.0.0.1:0\n");
    let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
    let config = BrokerConfig::from_properties(&file, &[]).expect("valid").0;
    let error = start(config).await.expect_err("the directory is in use");
    assert!(error.to_string().contains("in use by another broker"), "{error}");
    broker.stop().await;
}
