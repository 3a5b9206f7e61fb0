//! Groups from the first FindCoordinator to the last LeaveGroup.

use bytes::Bytes;
use rkafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use rkafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use rkafka_wire::messages::offset_fetch_request::OffsetFetchRequestTopic;
use rkafka_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use rkafka_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};
use rkafka_wire::{ErrorCode, StrBytes};

use crate::api::{text, topic_name};
use crate::node::test_kit::{TestBroker, TestClient};

const GROUP: &str = "订单-group";

fn group() -> GroupId {
    GroupId(text(GROUP))
}

async fn find_coordinator(client: &mut TestClient) {
    let request = FindCoordinatorRequest::default().with_key(text(GROUP));
    let response = client.call(2, &request).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(response.node_id.0, 7);
    assert_eq!(&*response.host, "127.0.0.1");
}

async fn join(client: &mut TestClient, member_id: &str) -> JoinGroupResponse {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"subscription"));
    let request = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    client.call(5, &request).await
}

/// Enters the group alone and takes the assignment `all`; the member id.
async fn enter(client: &mut TestClient) -> StrBytes {
    find_coordinator(client).await;
    let refused = join(client, "").await;
    assert_eq!(ErrorCode::from(refused.error_code), ErrorCode::MemberIdRequired);
    let joined = join(client, &refused.member_id).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.members.len(), 1);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![assignment]);
    let synced = client.call(3, &sync).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    joined.member_id
}

fn commit(member_id: &StrBytes, offset: i64) -> OffsetCommitRequest {
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("where I was")))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("test"))
        .with_partitions(vec![partition(0), partition(5)]);
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(1)
        .with_member_id(member_id.clone())
        .with_topics(vec![topic])
}

async fn fetch_offset(client: &mut TestClient) -> i64 {
    let topic =
        OffsetFetchRequestTopic::default().with_name(topic_name("test")).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
    let response = client.call(5, &request).await;
    assert_eq!(response.error_code, 0);
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    partition.committed_offset
}

/// OffsetCommit 10 and OffsetFetch 10, written by hand: topics by id, one of them nobody's.
#[tokio::test]
async fn offsets_are_committed_and_fetched_by_topic_id() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let member_id = enter(&mut client).await;
    let id = broker.broker().image().topics().by_name("test").expect("created").id.0;
    let nobody = [9; 16];
    let string = |text: &str| [&[text.len() as u8 + 1][..], text.as_bytes()].concat();

    let partition = |index: u8, offset: u8| {
        let offset = [0, 0, 0, 0, 0, 0, 0, offset];
        [&[0, 0, 0, index][..], &offset, &[0, 0, 0, 0], &string("here"), &[0]].concat()
    };
    let commit = [
        &string(GROUP)[..],
        &[0, 0, 0, 1],
        &string(&member_id),
        &[0, 3], // no instance id, two topics
        &id,
        &[3],
        &partition(0, 42),
        &partition(5, 1),
        &[0],
        &nobody,
        &[2],
        &partition(0, 7),
        &[0, 0],
    ];
    client.send_body::<OffsetCommitRequest>(10, &commit.concat()).await;
    let committed = client.receive::<OffsetCommitRequest>(10).await.expect("an answer");
    let mut codes: Vec<_> = (committed.topics.iter())
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id.into_bytes(), partition)))
        .map(|(id, partition)| (id, partition.partition_index, ErrorCode::from(partition.error_code)))
        .collect();
    codes.sort_unstable_by_key(|(id, index, _)| (*id == nobody, *index));
    let expected = [
        (id, 0, ErrorCode::None),
        (id, 5, ErrorCode::UnknownTopicOrPartition),
        (nobody, 0, ErrorCode::UnknownTopicId),
    ];
    assert_eq!(codes, expected);

    let asked = |topics: &[&[u8]]| {
        let member = [&[0][..], &[0xff; 4]].concat(); // no member id, epoch -1
        [&[2][..], &string(GROUP), &member, &topics.concat(), &[0, 0, 0]].concat()
    };
    let topic = |id: &[u8; 16]| [&id[..], &[2, 0, 0, 0, 0, 0]].concat();
    for (topics, expected) in [
        (asked(&[&[3], &topic(&id), &topic(&nobody)]), vec![(id, 42, 0), (nobody, -1, 100)]),
        (asked(&[&[0]]), vec![(id, 42, 0)]),
    ] {
        client.send_body::<OffsetFetchRequest>(10, &topics).await;
        let fetched = client.receive::<OffsetFetchRequest>(10).await.expect("an answer");
        assert_eq!((fetched.groups.len(), fetched.groups[0].error_code), (1, 0));
        let mut found: Vec<_> = (fetched.groups[0].topics.iter())
            .map(|topic| (topic.topic_id.into_bytes(), &topic.partitions[0]))
            .map(|(id, partition)| (id, partition.committed_offset, partition.error_code))
            .collect();
        found.sort_unstable_by_key(|(id, ..)| *id == nobody);
        assert_eq!(found, expected);
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_group_lives_and_its_offsets_outlive_it() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let member_id = enter(&mut client).await;
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(member_id.clone());
    assert_eq!(client.call(3, &heartbeat).await.error_code, 0);

    assert_eq!(fetch_offset(&mut client).await, -1);
    let committed = client.call(6, &commit(&member_id, 42)).await;
    let codes: Vec<_> = committed
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|partition| (partition.partition_index, ErrorCode::from(partition.error_code)))
        .collect();
    assert_eq!(codes, [(5, ErrorCode::UnknownTopicOrPartition), (0, ErrorCode::None)]);
    assert_eq!(fetch_offset(&mut client).await, 42);

    let describe = DescribeGroupsRequest::default().with_groups(vec![group()]);
    let described = client.call(5, &describe).await.groups.remove(0);
    assert_eq!((&*described.group_state, described.members.len()), ("Stable", 1));
    assert_eq!(&*described.members[0].client_host, "/127.0.0.1");

    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    let refused = client.call(1, &delete).await.results.remove(0);
    assert_eq!(ErrorCode::from(refused.error_code), ErrorCode::NonEmptyGroup);

    let leave = LeaveGroupRequest::default().with_group_id(group()).with_member_id(member_id);
    assert_eq!(client.call(2, &leave).await.error_code, 0);
    let listed = client.call(4, &ListGroupsRequest::default()).await.groups;
    assert_eq!(listed.len(), 1);
    assert_eq!((&*listed[0].group_id.0, &*listed[0].group_state), (GROUP, "Empty"));
    assert_eq!(fetch_offset(&mut client).await, 42);

    assert_eq!(client.call(1, &delete).await.results[0].error_code, 0);
    assert_eq!(fetch_offset(&mut client).await, -1);
    broker.stop().await;
}

#[tokio::test]
async fn pipelined_commits_are_stored_in_order() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let member_id = enter(&mut client).await;
    for offset in 0..20 {
        client.send(6, &commit(&member_id, offset)).await;
    }
    for _ in 0..20 {
        client.receive::<OffsetCommitRequest>(6).await.expect("an answer each");
    }
    assert_eq!(fetch_offset(&mut client).await, 19);
    broker.stop().await;
}
