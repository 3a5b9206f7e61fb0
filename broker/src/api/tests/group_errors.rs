//! What versions of group requests make of the same refusal.

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::leave_group_request::MemberIdentity;
use rkafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use rkafka_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use rkafka_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use rkafka_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, SyncGroupRequest,
};

use crate::api::{text, topic_name};
use crate::node::test_kit::TestBroker;

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

async fn with_coordinator() -> TestBroker {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
    let mut client = broker.connect().await;
    assert_eq!(client.call(4, &request).await.coordinators[0].error_code, 0);
    broker
}

#[tokio::test]
async fn coordinators_are_found_for_groups_only() {
    let broker = with_coordinator().await;
    let offsets = broker.broker().image().topics().by_name("__consumer_offsets").cloned().expect("created");
    assert_eq!(offsets.partitions.len(), 50);
    let mut client = broker.connect().await;
    for (kind, expected) in [
        (0, ErrorCode::None),
        (1, ErrorCode::TransactionalIdAuthorizationFailed),
        (2, ErrorCode::InvalidRequest),
    ] {
        let request = FindCoordinatorRequest::default().with_key_type(kind);
        for version in 1..=3 {
            let response = client.call(version, &request.clone().with_key(text("x"))).await;
            assert_eq!(ErrorCode::from(response.error_code), expected, "kind {kind}, version {version}");
        }
        for version in 4..=6 {
            let keys = vec![text("x"), text("订单")];
            let response = client.call(version, &request.clone().with_coordinator_keys(keys)).await;
            let codes: Vec<_> =
                response.coordinators.iter().map(|found| ErrorCode::from(found.error_code)).collect();
            assert_eq!(codes, [expected; 2], "kind {kind}, version {version}");
        }
    }
    broker.stop().await;
}

#[tokio::test]
async fn joins_are_refused_before_a_group_is_made() {
    let broker = with_coordinator().await;
    let mut client = broker.connect().await;
    let join = |name: &str, member: &str, timeout| {
        JoinGroupRequest::default()
            .with_group_id(group(name))
            .with_member_id(text(member))
            .with_session_timeout_ms(timeout)
            .with_rebalance_timeout_ms(timeout)
            .with_protocol_type(text("consumer"))
    };
    for (request, expected) in [
        (join("", "", 10_000), ErrorCode::InvalidGroupId),
        (join("group", "", 5_999), ErrorCode::InvalidSessionTimeout),
        (join("group", "", 1_800_001), ErrorCode::InvalidSessionTimeout),
        (join("group", "nobody", 10_000), ErrorCode::UnknownMemberId),
        (join("group", "", 10_000), ErrorCode::InconsistentGroupProtocol),
    ] {
        for version in [0, 3, 4, 7, 9] {
            let response = client.call(version, &request).await;
            assert_eq!(ErrorCode::from(response.error_code), expected, "version {version}");
            assert_eq!(response.generation_id, -1);
        }
    }
    assert_eq!(client.call(4, &ListGroupsRequest::default()).await.groups, vec![]);
    broker.stop().await;
}

#[tokio::test]
async fn unknown_groups_are_told_as_the_version_can() {
    let broker = with_coordinator().await;
    let mut client = broker.connect().await;
    let describe = DescribeGroupsRequest::default().with_groups(vec![group("none")]);
    for version in 0..=6 {
        let described = client.call(version, &describe).await.groups.remove(0);
        let expected = if version >= 6 { ErrorCode::GroupIdNotFound } else { ErrorCode::None };
        assert_eq!((ErrorCode::from(described.error_code), &*described.group_state), (expected, "Dead"));
    }
    let heartbeat = HeartbeatRequest::default().with_group_id(group("none")).with_member_id(text("nobody"));
    let response = client.call(4, &heartbeat).await;
    assert_eq!(ErrorCode::from(response.error_code), ErrorCode::UnknownMemberId);
    for version in 0..=5 {
        let leave = LeaveGroupRequest::default().with_group_id(group("none"));
        let nobody = MemberIdentity::default().with_member_id(text("nobody"));
        let leave = match version {
            0..=2 => leave.with_member_id(text("nobody")),
            _ => leave.with_members(vec![nobody.clone(), nobody]),
        };
        let response = client.call(version, &leave).await;
        let of_members: Vec<_> =
            response.members.iter().map(|member| ErrorCode::from(member.error_code)).collect();
        match version {
            0..=2 => assert_eq!(ErrorCode::from(response.error_code), ErrorCode::UnknownMemberId),
            _ => assert_eq!(of_members, [ErrorCode::UnknownMemberId; 2], "version {version}"),
        }
    }
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("none")]);
    let deleted = client.call(2, &delete).await.results.remove(0);
    assert_eq!(ErrorCode::from(deleted.error_code), ErrorCode::GroupIdNotFound);
    broker.stop().await;
}

/// A partition that is not there has no offset to forget (KIP-496); from version 5 on a member that syncs says
/// which protocol it means (KIP-559).
#[tokio::test]
async fn absent_partitions_and_absent_protocols_are_told() {
    let broker = with_coordinator().await;
    let mut client = broker.connect().await;
    client.call(8, &commit("simple", -1, 1)).await;
    let topic = |name: &str, indexes: &[i32]| {
        let partition = |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
        let partitions = indexes.iter().map(partition).collect();
        OffsetDeleteRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    };
    let request = OffsetDeleteRequest::default()
        .with_group_id(group("simple"))
        .with_topics(vec![topic("test", &[0, 9]), topic("absent", &[0])]);
    let response = client.call(0, &request).await;
    let codes = response.topics.iter().flat_map(|topic| {
        let name = topic.name.0.as_str();
        topic.partitions.iter().map(move |partition| (name, partition.partition_index, partition.error_code))
    });
    let mut codes: Vec<_> = codes.collect();
    codes.sort_unstable();
    assert_eq!(codes, [("absent", 0, 3), ("test", 0, 0), ("test", 9, 3)]);
    let unknown = client.call(0, &request.with_group_id(group("none"))).await;
    assert_eq!((ErrorCode::from(unknown.error_code), unknown.topics), (ErrorCode::GroupIdNotFound, vec![]));

    let sync = SyncGroupRequest::default().with_group_id(group("simple")).with_member_id(text("nobody"));
    for (version, expected) in [(4, ErrorCode::UnknownMemberId), (5, ErrorCode::InconsistentGroupProtocol)] {
        let response = client.call(version, &sync).await;
        assert_eq!(ErrorCode::from(response.error_code), expected, "version {version}");
    }
    broker.stop().await;
}

fn commit(name: &str, generation: i32, metadata_bytes: usize) -> OffsetCommitRequest {
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(5)
            .with_committed_metadata(Some(text(&"m".repeat(if index == 0 { metadata_bytes } else { 1 }))))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("test"))
        .with_partitions(vec![partition(0), partition(1)]);
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![topic])
}

#[tokio::test]
async fn commits_without_a_group_are_taken_or_refused_by_version() {
    let broker = with_coordinator().await;
    let mut client = broker.connect().await;
    for version in 2..=9 {
        let codes = |response: rkafka_wire::messages::OffsetCommitResponse| {
            let partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
            partitions.map(|partition| ErrorCode::from(partition.error_code)).collect::<Vec<_>>()
        };
        let name = format!("simple-{version}");
        let none = ErrorCode::None;
        assert_eq!(codes(client.call(version, &commit(&name, -1, 4096)).await), [none; 2]);
        let long = codes(client.call(version, &commit(&name, -1, 4097)).await);
        assert_eq!(long, [ErrorCode::OffsetMetadataTooLarge, none], "version {version}");
        let absent = if version >= 9 { ErrorCode::GroupIdNotFound } else { ErrorCode::IllegalGeneration };
        assert_eq!(
            codes(client.call(version, &commit("absent", 3, 1)).await),
            [absent; 2],
            "version {version}"
        );
    }
    broker.stop().await;
}

#[tokio::test]
async fn offsets_are_fetched_for_one_group_or_for_several() {
    let broker = with_coordinator().await;
    let mut client = broker.connect().await;
    client.call(8, &commit("simple", -1, 1)).await;
    let topic = || {
        OffsetFetchRequestTopic::default().with_name(topic_name("test")).with_partition_indexes(vec![0, 9])
    };
    for version in 1..=7 {
        let request =
            OffsetFetchRequest::default().with_group_id(group("simple")).with_topics(Some(vec![topic()]));
        let response = client.call(version, &request).await;
        let found: Vec<_> = response.topics[0]
            .partitions
            .iter()
            .map(|partition| (partition.committed_offset, partition.error_code))
            .collect();
        assert_eq!(found, [(5, 0), (-1, 0)], "version {version}");
        if version >= 2 {
            let all = client.call(version, &request.with_topics(None)).await;
            assert_eq!(all.topics[0].partitions.len(), 2, "null means all");
        }
    }
    for version in 8..=9 {
        let of = |name| OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![of("simple"), of("none")]);
        let response = client.call(version, &request.with_require_stable(true)).await;
        let found: Vec<_> =
            response.groups.iter().map(|group| (group.error_code, group.topics.len())).collect();
        assert_eq!(found, [(0, 1), (0, 0)], "version {version}");
    }
    broker.stop().await;
}
