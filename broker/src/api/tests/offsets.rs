//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords: their special cases.

use rkafka_log::AppendOrigin;
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use rkafka_wire::messages::{DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};

use crate::api::topic_name;
use crate::node::test_kit::{TestBroker, TestClient, batch};
use crate::partition::AppendRequest;

fn append(broker: &TestBroker, topic: &str, batch: &[u8]) {
    let now = broker.broker().clock.now();
    let request = AppendRequest { batch, acks: 1, origin: AppendOrigin::Client, now };
    broker.partition(topic, 0).append(request).expect("a good batch");
}

fn list(partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partitions = partitions.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default()
            .with_partition_index(*index)
            .with_current_leader_epoch(-1)
            .with_timestamp(*timestamp)
    });
    let topic =
        ListOffsetsTopic::default().with_name(topic_name("test")).with_partitions(partitions.collect());
    ListOffsetsRequest::default().with_topics(vec![topic])
}

async fn offset_of(client: &mut TestClient, version: i16, timestamp: i64) -> (ErrorCode, i64) {
    let response = client.call(version, &list(&[(0, timestamp)])).await;
    let found = &response.topics[0].partitions[0];
    (found.error_code.into(), found.offset)
}

#[tokio::test]
async fn special_places_exist_from_their_version_on() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    append(&broker, "test", &batch(&[b"a", b"b"]));
    let mut client = broker.connect().await;
    let none = (ErrorCode::UnsupportedVersion, -1);
    let cases = [
        (-1, 1, (ErrorCode::None, 2)),
        (-2, 1, (ErrorCode::None, 0)),
        (-3, 6, none),
        (-3, 7, (ErrorCode::None, 0)),
        (-4, 7, none),
        (-4, 8, (ErrorCode::None, 0)),
        (-5, 8, none),
        (-5, 9, (ErrorCode::None, -1)),
        (-6, 10, none),
        (-7, 10, none),
    ];
    for (timestamp, version, expected) in cases {
        let found = offset_of(&mut client, version, timestamp).await;
        assert_eq!(found, expected, "{timestamp}, version {version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn times_epochs_and_repetitions_are_judged_by_partition() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    for time in [100, 300, 200] {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(time, None, Some(b"value"), &[]).expect("a record");
        append(&broker, "test", &builder.build().expect("a batch"));
    }
    let mut client = broker.connect().await;
    for (time, offset) in [(0, 0), (100, 0), (101, 1), (250, 1), (300, 1), (301, -1)] {
        assert_eq!(offset_of(&mut client, 4, time).await, (ErrorCode::None, offset), "time {time}");
    }
    let response = client.call(4, &list(&[(0, -1), (1, -1), (0, -2), (9, -1)])).await;
    let codes: Vec<_> = response.topics[0]
        .partitions
        .iter()
        .map(|found| (found.partition_index, ErrorCode::from(found.error_code)))
        .collect();
    let expected =
        [(0, ErrorCode::InvalidRequest), (1, ErrorCode::None), (9, ErrorCode::UnknownTopicOrPartition)];
    assert_eq!(codes, expected);
    let strange = client.call(4, &list(&[(0, -1)]).with_isolation_level(5)).await;
    assert_eq!(ErrorCode::from(strange.topics[0].partitions[0].error_code), ErrorCode::InvalidRequest);
    for (version, leader_epoch) in [(3, -1), (4, 0)] {
        let response = client.call(version, &list(&[(0, -1)])).await;
        assert_eq!(response.topics[0].partitions[0].leader_epoch, leader_epoch, "version {version}");
    }
    for (epoch, expected) in [(0, ErrorCode::None), (1, ErrorCode::UnknownLeaderEpoch)] {
        let mut request = list(&[(0, -1)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let response = client.call(4, &request).await;
        assert_eq!(ErrorCode::from(response.topics[0].partitions[0].error_code), expected);
    }
    broker.stop().await;
}

#[tokio::test]
async fn epochs_end_where_the_log_says() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    append(&broker, "test", &batch(&[b"a", b"b"]));
    let mut client = broker.connect().await;
    for (index, current, asked, expected) in [
        (0, -1, 0, (ErrorCode::None, 0, 2)),
        (0, 0, 0, (ErrorCode::None, 0, 2)),
        (0, -1, 7, (ErrorCode::None, -1, -1)),
        (0, -1, -1, (ErrorCode::None, -1, -1)),
        (0, 5, 0, (ErrorCode::UnknownLeaderEpoch, -1, -1)),
        (9, -1, 0, (ErrorCode::UnknownTopicOrPartition, -1, -1)),
    ] {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(current)
            .with_leader_epoch(asked);
        let topic =
            OffsetForLeaderTopic::default().with_topic(topic_name("test")).with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        for version in 2..=4 {
            let response = client.call(version, &request).await;
            let end = &response.topics[0].partitions[0];
            let found = (ErrorCode::from(end.error_code), end.leader_epoch, end.end_offset);
            assert_eq!(found, expected, "epoch {asked} of partition {index}, version {version}");
        }
    }
    broker.stop().await;
}

async fn delete(client: &mut TestClient, topic: &str, offset: i64) -> (ErrorCode, i64) {
    let partition = DeleteRecordsPartition::default().with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    let response = client.call(2, &request).await;
    let deleted = &response.topics[0].partitions[0];
    (deleted.error_code.into(), deleted.low_watermark)
}

#[tokio::test]
async fn what_was_deleted_stays_deleted() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    broker.create_topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    broker.create_topic("both", 1, &[("cleanup.policy", "compact,delete")]).await;
    broker.create_topic("__consumer_offsets", 1, &[("cleanup.policy", "compact")]).await;
    append(&broker, "test", &batch(&[b"a", b"b", b"c"]));
    let mut client = broker.connect().await;
    for (topic, offset, expected) in [
        ("test", 4, (ErrorCode::OffsetOutOfRange, -1)),
        ("test", -2, (ErrorCode::OffsetOutOfRange, -1)),
        ("test", 2, (ErrorCode::None, 2)),
        ("test", 1, (ErrorCode::None, 2)),
        ("compacted", 0, (ErrorCode::PolicyViolation, -1)),
        ("both", 0, (ErrorCode::None, 0)),
        ("__consumer_offsets", 0, (ErrorCode::InvalidTopicException, -1)),
        ("missing", 0, (ErrorCode::UnknownTopicOrPartition, -1)),
    ] {
        assert_eq!(delete(&mut client, topic, offset).await, expected, "{topic} below {offset}");
    }
    let dir = broker.stop().await;
    let broker = TestBroker::start_in(dir, "").await;
    let mut client = broker.connect().await;
    assert_eq!(offset_of(&mut client, 7, -2).await, (ErrorCode::None, 2), "after a restart");
    assert_eq!(delete(&mut client, "test", -1).await, (ErrorCode::None, 3));
    broker.stop().await;
}
