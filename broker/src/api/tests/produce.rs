//! Which batches are refused, with what, and that nothing else suffers from it.

use bytes::{Bytes, BytesMut};
use rkafka_record::{BatchBuilder, BatchOptions, BatchRef, Codec, Compression};
use rkafka_wire::messages::{InitProducerIdRequest, ProduceRequest};
use rkafka_wire::{ApiKey, ErrorCode, StrBytes};
use tokio::io::AsyncWriteExt;

use super::data::{fetch, produce, produced, values};
use crate::node::test_kit::{TestBroker, TestClient, batch};

/// A batch with these options of records with these keys, all at `time`.
fn keyed(options: BatchOptions, time: i64, keys: &[Option<&str>]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for key in keys {
        builder.append(time, key.map(str::as_bytes), Some(b"value"), &[]).expect("a small record");
    }
    builder.build().expect("a small batch")
}

fn two_records(options: BatchOptions) -> Bytes {
    keyed(options, 1, &[Some("a"), Some("b")])
}

/// The batch with `bytes` at `at`.
fn patched(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut patched = BytesMut::from(&batch[..]);
    patched[at..at + bytes.len()].copy_from_slice(bytes);
    patched.freeze()
}

const MAGIC_AT: usize = 16;
const CHECKSUM_AT: usize = 17;

async fn send(client: &mut TestClient, version: i16, topic: &str, records: Bytes) -> (ErrorCode, i64) {
    produced(&client.call(version, &produce(topic, -1, &[(0, records)])).await)[0]
}

#[tokio::test]
async fn what_is_not_one_good_batch_is_refused() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let good = two_records(BatchOptions::default());
    let cases = [
        ("no bytes", Bytes::new(), ErrorCode::InvalidRecord),
        ("half a header", good.slice(..30), ErrorCode::InvalidRecord),
        ("a batch cut short", good.slice(..good.len() - 1), ErrorCode::InvalidRecord),
        ("two batches", [&good[..], &good[..]].concat().into(), ErrorCode::InvalidRecord),
        ("magic 0", patched(&good, MAGIC_AT, &[0]), ErrorCode::InvalidRecord),
        ("magic 1", patched(&good, MAGIC_AT, &[1]), ErrorCode::InvalidRecord),
        ("magic 3", patched(&good, MAGIC_AT, &[3]), ErrorCode::CorruptMessage),
        ("a wrong checksum", patched(&good, CHECKSUM_AT, &[1, 2, 3, 4]), ErrorCode::CorruptMessage),
        ("base offset 5", patched(&good, 0, &5i64.to_be_bytes()), ErrorCode::InvalidRecord),
        (
            "a gap behind the last record",
            two_records(BatchOptions { last_offset: Some(7), ..BatchOptions::default() }),
            ErrorCode::InvalidRecord,
        ),
        (
            "control records",
            two_records(BatchOptions { control: true, ..BatchOptions::default() }),
            ErrorCode::InvalidRecord,
        ),
        (
            "a producer without a sequence",
            two_records(BatchOptions { producer_id: 1, producer_epoch: 0, ..BatchOptions::default() }),
            ErrorCode::InvalidRecord,
        ),
    ];
    for (label, records, expected) in cases {
        for version in [3, 9] {
            let answer = send(&mut client, version, "test", records.clone()).await;
            assert_eq!(answer, (expected, -1), "{label}, version {version}");
        }
    }
    assert_eq!(broker.partition("test", 0).view().log_end_offset, 0, "nothing was appended");
    broker.stop().await;
}

#[tokio::test]
async fn one_bad_partition_does_not_fail_the_others() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let mut client = broker.connect().await;
    for (version, offset) in [(3, 0), (8, 1), (12, 2)] {
        let batches = [(0, batch(&[b"a"])), (1, Bytes::new()), (9, batch(&[b"b"]))];
        let response = client.call(version, &produce("test", -1, &batches)).await;
        let expected = [
            (ErrorCode::None, offset),
            (ErrorCode::InvalidRecord, -1),
            (ErrorCode::UnknownTopicOrPartition, -1),
        ];
        assert_eq!(produced(&response), expected, "version {version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn acks_are_judged_after_the_partition_and_count_replicas_there_can_be() {
    let broker = TestBroker::start("").await;
    // One replica can be in sync: more cannot be asked for.
    broker.create_topic("test", 1, &[("min.insync.replicas", "2")]).await;
    let mut client = broker.connect().await;
    for (topic, acks, expected) in [
        ("test", 2, ErrorCode::InvalidRequiredAcks),
        ("test", -2, ErrorCode::InvalidRequiredAcks),
        ("missing", 2, ErrorCode::UnknownTopicOrPartition),
        ("test", -1, ErrorCode::None),
    ] {
        let response = client.call(9, &produce(topic, acks, &[(0, batch(&[b"a"]))])).await;
        assert_eq!(produced(&response)[0].0, expected, "{topic}, acks {acks}");
    }
    broker.stop().await;
}

/// Without transactions nobody would end what a transactional batch begins.
#[tokio::test]
async fn transactional_batches_are_refused_as_a_whole() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let mut client = broker.connect().await;
    let transactional = BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchOptions::default()
    };
    let batches = [(0, batch(&[b"a"])), (1, two_records(transactional))];
    let request = produce("test", -1, &batches);
    let named = |request: ProduceRequest| {
        request.with_transactional_id(Some(StrBytes::from_static_str("mine").into()))
    };
    for (request, expected) in [
        (request.clone(), ErrorCode::TransactionalIdAuthorizationFailed),
        (named(request), ErrorCode::InvalidTxnState),
    ] {
        let response = client.call(9, &request).await;
        assert_eq!(produced(&response), [(expected, -1), (expected, -1)]);
    }
    let view = broker.partition("test", 1).view();
    assert_eq!((view.log_end_offset, view.last_stable_offset), (0, 0));
    let plain = named(produce("test", -1, &[(0, batch(&[b"a"]))]));
    assert_eq!(produced(&client.call(9, &plain).await), [(ErrorCode::None, 0)], "the id alone opens nothing");
    broker.stop().await;
}

#[tokio::test]
async fn limits_of_the_topic_are_told_record_by_record() {
    let broker = TestBroker::start("").await;
    broker.create_topic("small", 1, &[("max.message.bytes", "100")]).await;
    let segment = [("segment.bytes", "1048576"), ("max.message.bytes", "2000000")];
    broker.create_topic("segment", 1, &segment).await;
    broker.create_topic("keys", 1, &[("cleanup.policy", "compact")]).await;
    broker.create_topic("times", 1, &[]).await;
    let mut client = broker.connect().await;
    let large = send(&mut client, 9, "small", batch(&[&[0; 100]])).await;
    assert_eq!(large, (ErrorCode::MessageTooLarge, -1));
    let larger = send(&mut client, 9, "segment", batch(&[&[0; 1_100_000]])).await;
    assert_eq!(larger, (ErrorCode::RecordListTooLarge, -1));

    let now = broker.broker().clock.wall_ms();
    let keyless = keyed(BatchOptions::default(), now, &[Some("a"), None, Some("c"), None]);
    let untimely = keyed(BatchOptions::default(), now + 2 * 3_600_000, &[Some("a")]);
    for (topic, records, expected, indexes) in [
        ("keys", keyless, ErrorCode::InvalidRecord, vec![1, 3]),
        ("times", untimely, ErrorCode::InvalidTimestamp, vec![0]),
    ] {
        for version in [7, 8, 12] {
            let response = client.call(version, &produce(topic, -1, &[(0, records.clone())])).await;
            assert_eq!(produced(&response), [(expected, -1)]);
            let partition = &response.responses[0].partition_responses[0];
            let told: Vec<_> = partition.record_errors.iter().map(|error| error.batch_index).collect();
            assert_eq!(told, if version >= 8 { indexes.clone() } else { vec![] }, "version {version}");
            let message = partition.error_message.as_deref().unwrap_or_default();
            assert_eq!(message.contains("One or more records have been rejected due to"), version >= 8);
            assert_eq!(partition.log_start_offset, 0, "Kafka has looked into the log by then");
        }
    }
    let timeless = keyed(BatchOptions::default(), -1, &[Some("a")]);
    assert_eq!(send(&mut client, 9, "times", timeless).await, (ErrorCode::None, 0));
    broker.stop().await;
}

#[tokio::test]
async fn the_brokers_clock_replaces_the_clients_where_the_topic_says_so() {
    let broker = TestBroker::start("").await;
    broker.create_topic("create", 1, &[]).await;
    broker.create_topic("append", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let mut client = broker.connect().await;
    let start = broker.broker().clock.wall_ms();
    for (topic, is_told) in [("create", false), ("append", true)] {
        let records = two_records(BatchOptions::default());
        let response = client.call(9, &produce(topic, -1, &[(0, records)])).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.log_start_offset), (0, 0));
        let told = partition.log_append_time_ms;
        assert!(if is_told { told >= start } else { told == -1 }, "{topic}: {told}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn codecs_stay_or_become_what_the_topic_says() {
    let broker = TestBroker::start("").await;
    broker.create_topic("producer", 1, &[]).await;
    broker.create_topic("zstd", 1, &[("compression.type", "zstd")]).await;
    let mut client = broker.connect().await;
    for (topic, sent, kept) in [
        ("producer", Codec::Gzip, Codec::Gzip),
        ("producer", Codec::Zstd, Codec::Zstd),
        ("zstd", Codec::None, Codec::Zstd),
        ("zstd", Codec::Snappy, Codec::Zstd),
    ] {
        let compression = Compression { codec: sent, level: None };
        let records = two_records(BatchOptions { compression, ..BatchOptions::default() });
        let (error, offset) = send(&mut client, 9, topic, records.clone()).await;
        assert_eq!(error, ErrorCode::None);
        let fetched = client.call(11, &fetch(topic, &[(0, offset)], 1, 1000)).await;
        assert_eq!(values(&fetched), ["value", "value"]);
        let bytes = fetched.responses[0].partitions[0].records.clone().unwrap_or_default();
        let stored = BatchRef::parse(&bytes).expect("a batch");
        assert_eq!(stored.codec(), kept);
        // Base offset and leader epoch lie before the checksum: as sent is as sent.
        assert_eq!(bytes[CHECKSUM_AT..] == records[CHECKSUM_AT..], sent == kept, "{sent:?} in {topic}");
    }
    let compression = Compression { codec: Codec::Zstd, level: None };
    let zstd = two_records(BatchOptions { compression, ..BatchOptions::default() });
    for (version, expected) in [(6, ErrorCode::UnsupportedCompressionType), (7, ErrorCode::None)] {
        assert_eq!(
            send(&mut client, version, "producer", zstd.clone()).await.0,
            expected,
            "version {version}"
        );
    }
    broker.stop().await;
}

#[tokio::test]
async fn internal_topics_are_written_by_administrators_only() {
    let broker = TestBroker::start("").await;
    broker.create_topic("__consumer_offsets", 1, &[]).await;
    let request = produce("__consumer_offsets", -1, &[(0, batch(&[b"a"]))]);
    for (client_id, expected) in
        [("anyone", ErrorCode::InvalidTopicException), ("__admin_client", ErrorCode::None)]
    {
        let mut client = broker.connect().await;
        let client_id = StrBytes::from_static_str(client_id);
        let frame = rkafka_wire::client::encode_request(9, 0, Some(&client_id), &request).expect("encodable");
        client.stream.write_all(&frame).await.expect("the connection is open");
        let response = client.receive::<ProduceRequest>(9).await.expect("an answer");
        assert_eq!(produced(&response)[0].0, expected, "{client_id:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_partition_that_moved_says_where_to() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    broker.partition("test", 0).follow(0);
    let mut client = broker.connect().await;
    for (version, leader, endpoints) in [(9, -1, 0), (10, 7, 1), (12, 7, 1)] {
        let response = client.call(version, &produce("test", 1, &[(0, batch(&[b"a"]))])).await;
        assert_eq!(produced(&response), [(ErrorCode::NotLeaderOrFollower, -1)]);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.current_leader.leader_id.0, leader, "version {version}");
        assert_eq!(response.node_endpoints.len(), endpoints, "version {version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn idempotent_batches_are_appended_once() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let init = InitProducerIdRequest::default().with_transactional_id(None);
    let producer_id = client.call(4, &init).await.producer_id.0;
    let of = |producer_epoch, base_sequence| {
        two_records(BatchOptions { producer_id, producer_epoch, base_sequence, ..BatchOptions::default() })
    };
    for (epoch, sequence, expected) in [
        (0, 0, (ErrorCode::None, 0)),
        (0, 2, (ErrorCode::None, 2)),
        (0, 0, (ErrorCode::None, 0)),
        (0, 6, (ErrorCode::OutOfOrderSequenceNumber, -1)),
        (0, 4, (ErrorCode::None, 4)),
        (1, 3, (ErrorCode::OutOfOrderSequenceNumber, -1)),
        (1, 0, (ErrorCode::None, 6)),
        (0, 6, (ErrorCode::InvalidProducerEpoch, -1)),
    ] {
        let answer = send(&mut client, 9, "test", of(epoch, sequence)).await;
        assert_eq!(answer, expected, "epoch {epoch}, sequence {sequence}");
    }
    let again = client.call(9, &produce("test", -1, &[(0, of(1, 0))])).await;
    let first_copy = &again.responses[0].partition_responses[0];
    assert_eq!((first_copy.base_offset, first_copy.log_append_time_ms), (6, 1), "with its timestamp");
    assert_eq!(broker.partition("test", 0).view().log_end_offset, 8);
    broker.stop().await;
}

#[tokio::test]
async fn half_a_producer_is_no_producer() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let none = InitProducerIdRequest::default().with_transactional_id(None);
    let empty = none.clone().with_transactional_id(Some(StrBytes::default().into()));
    let cases = [
        (0, none.clone(), ErrorCode::None),
        (0, empty, ErrorCode::InvalidRequest),
        (3, none.clone().with_producer_id(5.into()), ErrorCode::InvalidRequest),
        (3, none.clone().with_producer_epoch(5), ErrorCode::InvalidRequest),
        (3, none.with_producer_id(5.into()).with_producer_epoch(5), ErrorCode::None),
    ];
    for (version, request, expected) in cases {
        let response = client.call(version, &request).await;
        assert_eq!(
            ErrorCode::from(response.error_code),
            expected,
            "{:?} {request:?}",
            ApiKey::InitProducerId
        );
        let is_given = expected == ErrorCode::None;
        assert_eq!((response.producer_id.0 >= 0, response.producer_epoch >= 0), (is_given, is_given));
    }
    broker.stop().await;
}
