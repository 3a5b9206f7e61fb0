//! Produce and Fetch.

use std::time::Duration;

use bytes::Bytes;
use rkafka_record::Batches;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use rkafka_wire::messages::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse};
use tokio::time::Instant;

use crate::api::topic_name;
use crate::node::test_kit::{TestBroker, batch};

pub(super) fn produce(topic: &str, acks: i16, batches: &[(i32, Bytes)]) -> ProduceRequest {
    let partitions = batches.iter().map(|(index, batch)| {
        PartitionProduceData::default().with_index(*index).with_records(Some(batch.clone()))
    });
    let data =
        TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(partitions.collect());
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(vec![data])
}

pub(super) fn fetch(
    topic: &str,
    partitions: &[(i32, i64)],
    min_bytes: i32,
    max_wait_ms: i32,
) -> FetchRequest {
    let partitions = partitions.iter().map(|(index, offset)| {
        FetchPartition::default()
            .with_partition(*index)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
    });
    let topics = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(partitions.collect());
    FetchRequest::default()
        .with_min_bytes(min_bytes)
        .with_max_wait_ms(max_wait_ms)
        .with_max_bytes(10 << 20)
        .with_topics(vec![topics])
}

/// Error and base offset of each partition of the only topic.
pub(super) fn produced(response: &ProduceResponse) -> Vec<(ErrorCode, i64)> {
    let partitions = &response.responses[0].partition_responses;
    partitions.iter().map(|partition| (partition.error_code.into(), partition.base_offset)).collect()
}

/// Values of all records of the answer, in order.
pub(super) fn values(response: &FetchResponse) -> Vec<String> {
    let mut values = Vec::new();
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        assert_eq!(partition.error_code, 0);
        for batch in Batches::new(partition.records.as_deref().unwrap_or_default()) {
            let batch = batch.expect("a sound batch");
            batch.check_crc().expect("the CRC still holds");
            let decoded = batch.decode(Default::default()).expect("small records");
            for record in decoded.records() {
                let record = record.expect("a sound record");
                values.push(String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
            }
        }
    }
    values
}

#[tokio::test]
async fn what_is_produced_is_fetched() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let mut client = broker.connect().await;
    for (version, offset) in [(3, 0), (7, 2), (9, 4), (12, 6)] {
        let request = produce("test", -1, &[(0, batch(&[b"a", b"b"])), (1, batch(&["订单".as_bytes()]))]);
        let response = client.call(version, &request).await;
        let expected = [(ErrorCode::None, offset), (ErrorCode::None, offset / 2)];
        assert_eq!(produced(&response), expected, "version {version}");
    }
    for version in [4, 7, 11, 12] {
        let request = fetch("test", &[(0, 6), (1, 3)], 1, 1000);
        let response = client.call(version, &request).await;
        assert_eq!(values(&response), ["a", "b", "订单"], "version {version}");
        assert_eq!(response.responses[0].partitions[0].high_watermark, 8);
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_with_the_append_it_waits_for() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let (mut consumer, mut producer) = (broker.connect().await, broker.connect().await);
    let start = Instant::now();
    consumer.send(12, &fetch("test", &[(0, 0), (1, 0)], 1, 60_000)).await;
    // Another request behind the long poll waits for its turn, but is served meanwhile.
    consumer.send(12, &produce("test", 1, &[(0, batch(&[b"x"]))])).await;
    let response = consumer.receive::<FetchRequest>(12).await.expect("woken by its own append");
    assert_eq!(values(&response), ["x"]);
    consumer.receive::<ProduceRequest>(12).await.expect("then its turn comes");

    consumer.send(12, &fetch("test", &[(0, 1), (1, 0)], 200, 60_000)).await;
    for index in 0..3 {
        let response = producer.call(9, &produce("test", 1, &[(1, batch(&[&[b'0' + index; 20]]))])).await;
        assert_eq!(produced(&response)[0].0, ErrorCode::None);
    }
    let response = consumer.receive::<FetchRequest>(12).await.expect("woken once 200 bytes are there");
    assert!(values(&response).len() >= 2, "one batch has less than 200 bytes");
    assert!(start.elapsed() < Duration::from_secs(30));
    broker.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_in_time_without_data() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let start = Instant::now();
    let response = client.call(12, &fetch("test", &[(0, 0)], 1, 100)).await;
    assert!(values(&response).is_empty());
    assert!(start.elapsed() >= Duration::from_millis(100));
    broker.stop().await;
}

#[tokio::test]
async fn errors_of_produce_are_those_of_kafka() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let good = batch(&[b"a"]);
    let mut corrupt = good.to_vec();
    let last = corrupt.len() - 1;
    corrupt[last] ^= 1;
    let two = [good.to_vec(), good.to_vec()].concat();
    let cases: [(&str, i16, i32, Bytes, ErrorCode); 7] = [
        ("test", 1, 0, good.clone(), ErrorCode::None),
        ("test", 2, 0, good.clone(), ErrorCode::InvalidRequiredAcks),
        ("missing", 1, 0, good.clone(), ErrorCode::UnknownTopicOrPartition),
        ("test", 1, 1, good.clone(), ErrorCode::UnknownTopicOrPartition),
        ("test", 1, 0, corrupt.into(), ErrorCode::CorruptMessage),
        ("test", 1, 0, two.into(), ErrorCode::InvalidRecord),
        ("test", 1, 0, batch(&[&[0; 2_000_000]]), ErrorCode::MessageTooLarge),
    ];
    for (topic, acks, index, records, expected) in cases {
        let response = client.call(9, &produce(topic, acks, &[(index, records)])).await;
        let (error, base_offset) = produced(&response)[0];
        assert_eq!(error, expected);
        assert_eq!(base_offset, if expected == ErrorCode::None { 0 } else { -1 });
    }
    assert_eq!(broker.partition("test", 0).view().log_end_offset, 1, "only the good batch is in the log");
    broker.stop().await;
}

#[tokio::test]
async fn acks_0_is_silent_and_closes_on_an_error() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    client.send(7, &produce("test", 0, &[(0, batch(&[b"a"]))])).await;
    client.expect_no_answer();
    let response = client.call(7, &produce("test", 1, &[(0, batch(&[b"b"]))])).await;
    assert_eq!(produced(&response), [(ErrorCode::None, 1)], "the silent one came first");
    client.send(7, &produce("missing", 0, &[(0, batch(&[b"c"]))])).await;
    assert!(client.receive::<ProduceRequest>(7).await.is_none(), "the connection is closed");
    broker.stop().await;
}
