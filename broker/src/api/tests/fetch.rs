//! What a fetch may see, how much of it, and what sessions leave out.

use rkafka_log::AppendOrigin;
use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use rkafka_wire::messages::{BrokerId, FetchRequest, FetchResponse};
use uuid::Uuid;

use super::data::{fetch, values};
use crate::api::uuid;
use crate::node::test_kit::{TestBroker, batch};
use crate::partition::AppendRequest;

/// Appends past the protocol.
fn append(broker: &TestBroker, index: i32, batch: &[u8], origin: AppendOrigin) {
    let request = AppendRequest { batch, acks: 1, origin, now: broker.broker().clock.now() };
    broker.partition("test", index).append(request).expect("a good batch");
}

/// Error and bytes of each partition, in the order of the answer.
fn sizes(response: &FetchResponse) -> Vec<(i32, ErrorCode, usize)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let size = |records: &Option<bytes::Bytes>| records.as_ref().map_or(0, bytes::Bytes::len);
    partitions.map(|found| (found.partition_index, found.error_code.into(), size(&found.records))).collect()
}

#[tokio::test]
async fn offsets_and_epochs_are_checked() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    append(&broker, 0, &batch(&[b"a"]), AppendOrigin::Client);
    let mut client = broker.connect().await;
    let cases = [
        // Offset, current leader epoch, last fetched epoch.
        (0, -1, -1, ErrorCode::None),
        (1, -1, -1, ErrorCode::None),
        (2, -1, -1, ErrorCode::OffsetOutOfRange),
        (-1, -1, -1, ErrorCode::OffsetOutOfRange),
        (0, 0, 0, ErrorCode::None),
        (0, 1, -1, ErrorCode::UnknownLeaderEpoch),
        (0, -2, -2, ErrorCode::None),
        (0, i32::MIN, -1, ErrorCode::None),
        (0, -1, 7, ErrorCode::OffsetOutOfRange),
    ];
    for (offset, leader_epoch, fetched_epoch, expected) in cases {
        let mut request = fetch("test", &[(0, offset)], 0, 0);
        let asked = &mut request.topics[0].partitions[0];
        (asked.current_leader_epoch, asked.last_fetched_epoch) = (leader_epoch, fetched_epoch);
        let response = client.call(12, &request).await;
        let (_, error, bytes) = sizes(&response)[0];
        assert_eq!(error, expected, "{offset} {leader_epoch} {fetched_epoch}");
        assert_eq!(bytes > 0, offset == 0 && expected == ErrorCode::None);
        assert_eq!(response.responses[0].partitions[0].aborted_transactions, None);
    }
    // The fetcher has more of epoch 0 than there is: it learns where to cut instead of being out of range.
    let mut request = fetch("test", &[(0, 5)], 1, 60_000);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let response = client.call(12, &request).await;
    let found = &response.responses[0].partitions[0];
    assert_eq!((found.error_code, found.high_watermark), (0, 1));
    assert_eq!((found.diverging_epoch.epoch, found.diverging_epoch.end_offset), (0, 1));
    assert!(found.records.as_ref().is_none_or(bytes::Bytes::is_empty));
    broker.stop().await;
}

#[tokio::test]
async fn limits_hold_but_for_the_first_batch() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 3, &[]).await;
    let record = batch(&[&[b'x'; 500]]);
    for index in [0, 1] {
        append(&broker, index, &record, AppendOrigin::Client);
        append(&broker, index, &record, AppendOrigin::Client);
    }
    let size = record.len();
    let mut client = broker.connect().await;
    let cases = [
        // Bytes of each partition, bytes in all; what the partitions give.
        (1 << 20, 1 << 20, [2 * size, 2 * size]),
        (size, 1 << 20, [size, size]),
        (1, 1 << 20, [size, 0]),
        (0, 1 << 20, [size, 0]),
        (1 << 20, 0, [size, 0]),
        (1 << 20, size, [size, 0]),
        (1 << 20, 3 * size, [2 * size, size]),
    ];
    for (partition_bytes, bytes, expected) in cases {
        // Partition 2 is empty: the first that has something counts as the first.
        let mut request = fetch("test", &[(2, 0), (1, 0), (0, 0)], 0, 0);
        request.max_bytes = i32::try_from(bytes).expect("small");
        for asked in &mut request.topics[0].partitions {
            asked.partition_max_bytes = i32::try_from(partition_bytes).expect("small");
        }
        let found = sizes(&client.call(11, &request).await);
        let expected =
            [(2, ErrorCode::None, 0), (1, ErrorCode::None, expected[0]), (0, ErrorCode::None, expected[1])];
        assert_eq!(found, expected, "{partition_bytes} bytes a partition, {bytes} in all");
    }
    broker.stop().await;
}

#[tokio::test]
async fn the_brokers_own_limit_counts_too() {
    let broker = TestBroker::start("fetch.max.bytes=1024\n").await;
    broker.create_topic("test", 1, &[]).await;
    let record = batch(&[&[b'x'; 500]]);
    for _ in 0..3 {
        append(&broker, 0, &record, AppendOrigin::Client);
    }
    let mut client = broker.connect().await;
    let found = client.call(11, &fetch("test", &[(0, 0)], 0, 0)).await;
    assert_eq!(sizes(&found), [(0, ErrorCode::None, record.len())]);
    broker.stop().await;
}

/// A transaction over two segments, aborted in the second one, and one that is open.
#[tokio::test]
async fn read_committed_stops_at_open_transactions_and_names_aborted_ones() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[("segment.bytes", "1048576")]).await;
    let of = |producer_id, base_sequence, value: &[u8]| {
        let options = BatchOptions {
            producer_id,
            producer_epoch: 0,
            base_sequence,
            transactional: true,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(1, None, Some(value), &[]).expect("a record");
        builder.build().expect("a batch")
    };
    let marker = AppendOrigin::TransactionMarker { transaction_version: 1 };
    let end = |producer_id, committed| {
        let end = EndTransactionMarker { committed, coordinator_epoch: 0 };
        end.batch(producer_id, 0, 1).expect("a marker")
    };
    let mut client = broker.connect().await;
    let committed = |offset| fetch("test", &[(0, offset)], 0, 0).with_isolation_level(1);

    append(&broker, 0, &of(10, 0, &[b'x'; 700_000]), AppendOrigin::Client);
    append(&broker, 0, &of(10, 1, &[b'x'; 700_000]), AppendOrigin::Client);
    let open = client.call(11, &committed(0)).await;
    let found = &open.responses[0].partitions[0];
    assert_eq!((found.high_watermark, found.last_stable_offset), (2, 0));
    assert_eq!(sizes(&open), [(0, ErrorCode::None, 0)]);
    assert_eq!(found.aborted_transactions.as_ref().map(Vec::len), Some(0));

    append(&broker, 0, &end(10, false), marker);
    append(&broker, 0, &of(11, 0, b"kept"), AppendOrigin::Client);
    append(&broker, 0, &end(11, true), marker);
    append(&broker, 0, &of(12, 0, b"open"), AppendOrigin::Client);
    assert!(
        broker.partition("test", 0).view().active_base_offset() > 0,
        "the marker lies in a later segment"
    );
    for offset in [0, 1, 2] {
        let response = client.call(11, &committed(offset)).await;
        let found = &response.responses[0].partitions[0];
        assert_eq!((found.high_watermark, found.last_stable_offset), (6, 5));
        let aborted = found.aborted_transactions.as_deref().unwrap_or_default();
        let aborted: Vec<_> =
            aborted.iter().map(|aborted| (aborted.producer_id.0, aborted.first_offset)).collect();
        assert_eq!(aborted, [(10, 0)], "from {offset}");
    }
    let response = client.call(11, &committed(3)).await;
    assert_eq!(response.responses[0].partitions[0].aborted_transactions.as_ref().map(Vec::len), Some(0));
    assert_eq!(values(&response)[0], "kept");
    let uncommitted = client.call(11, &fetch("test", &[(0, 5)], 0, 0)).await;
    assert_eq!(values(&uncommitted), ["open"]);
    assert_eq!(uncommitted.responses[0].partitions[0].aborted_transactions, None);
    broker.stop().await;
}

#[tokio::test]
async fn only_consumers_are_served() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    append(&broker, 0, &batch(&[b"a"]), AppendOrigin::Client);
    let mut client = broker.connect().await;
    for (replica, expected) in
        [(-1, ErrorCode::None), (-2, ErrorCode::None), (1, ErrorCode::NotLeaderOrFollower)]
    {
        let request = fetch("test", &[(0, 0)], 0, 0).with_replica_id(BrokerId(replica));
        assert_eq!(sizes(&client.call(11, &request).await)[0].1, expected, "replica {replica}");
    }
    broker.stop().await;
}

/// No error of the whole before version 7, no partitions from version 13 on.
#[tokio::test]
async fn unknown_isolation_levels_are_refused_as_the_version_can() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let id = broker.broker().image().topics().by_name("test").map(|topic| uuid(topic.id)).expect("there");
    append(&broker, 0, &batch(&[b"a"]), AppendOrigin::Client);
    let mut client = broker.connect().await;
    for (version, of_whole, partitions) in [(4, 0, 1), (7, 42, 1), (12, 42, 1), (13, 42, 0), (18, 42, 0)] {
        let request = if version >= 13 { by_id(id, 0) } else { fetch("test", &[(0, 0)], 0, 0) };
        let response = client.call(version, &request.with_isolation_level(2)).await;
        assert_eq!(response.error_code, of_whole, "version {version}");
        assert_eq!(
            sizes(&response),
            vec![(0, ErrorCode::InvalidRequest, 0); partitions],
            "version {version}"
        );
    }
    broker.stop().await;
}

fn by_id(id: Uuid, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic_id(id).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_state(ReplicaState::default().with_replica_id(BrokerId(-1)))
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

#[tokio::test]
async fn a_partition_that_moved_says_where_to() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let id = broker.broker().image().topics().by_name("test").map(|topic| uuid(topic.id)).expect("there");
    let mut client = broker.connect().await;
    let unknown = client.call(16, &by_id(Uuid::from_u128(5), 0)).await;
    assert_eq!(sizes(&unknown), [(0, ErrorCode::UnknownTopicId, 0)]);
    // Another broker has led since. (One that asks without an epoch may read here: KIP-392.)
    broker.partition("test", 0).follow(1);
    let mut request = by_id(id, 0);
    request.topics[0].partitions[0].current_leader_epoch = 0;
    for (version, leader, endpoints) in [(15, -1, 0), (16, 7, 1), (18, 7, 1)] {
        let response = client.call(version, &request).await;
        assert_eq!(sizes(&response), [(0, ErrorCode::FencedLeaderEpoch, 0)]);
        let partition = &response.responses[0].partitions[0];
        assert_eq!(partition.current_leader.leader_id.0, leader, "version {version}");
        assert_eq!(response.node_endpoints.len(), endpoints, "version {version}");
    }
    broker.stop().await;
}

/// KIP-227 from the first fetch to the last.
#[tokio::test]
async fn sessions_leave_out_what_is_known() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let id = broker.broker().image().topics().by_name("test").map(|topic| uuid(topic.id)).expect("there");
    append(&broker, 0, &batch(&[b"a"]), AppendOrigin::Client);
    let mut client = broker.connect().await;
    let none = FetchRequest::default().with_replica_id(BrokerId(-1)).with_max_bytes(1 << 20);
    let full = fetch("test", &[(0, 0), (1, 0)], 0, 0).with_session_epoch(0);
    let made = client.call(11, &full).await;
    assert_eq!(sizes(&made).len(), 2);
    let session = |epoch| none.clone().with_session_id(made.session_id).with_session_epoch(epoch);
    let record = client.call(11, &session(1)).await;
    assert_eq!(sizes(&record).iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [0], "records are news");
    let past = session(2).with_topics(fetch("test", &[(0, 1)], 0, 0).topics);
    assert_eq!(sizes(&client.call(11, &past).await), []);
    append(&broker, 1, &batch(&[b"b"]), AppendOrigin::Client);
    assert_eq!(values(&client.call(11, &session(3)).await), ["b"]);
    let cases = [
        (session(3), ErrorCode::InvalidFetchSessionEpoch),
        (session(1).with_session_id(made.session_id ^ 1), ErrorCode::FetchSessionIdNotFound),
    ];
    for (request, expected) in cases {
        let response = client.call(11, &request).await;
        assert_eq!((ErrorCode::from(response.error_code), response.responses.len()), (expected, 0));
    }
    let mixed = by_id(id, 0).with_session_id(made.session_id).with_session_epoch(4);
    let response = client.call(13, &mixed).await;
    assert_eq!(ErrorCode::from(response.error_code), ErrorCode::FetchSessionTopicIdError);
    let closed = client.call(11, &session(-1)).await;
    assert_eq!((closed.error_code, closed.session_id), (0, 0));
    let gone = client.call(11, &session(4)).await;
    assert_eq!(ErrorCode::from(gone.error_code), ErrorCode::FetchSessionIdNotFound);
    broker.stop().await;
}
