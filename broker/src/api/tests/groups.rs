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
