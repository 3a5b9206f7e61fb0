//! Every version of every request is answered in a form that its client can read.

use kafka_protocol::protocol::Request;
use rkafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use rkafka_wire::messages::elect_leaders_request::TopicPartitions;
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use rkafka_wire::messages::*;

use crate::api::{served_apis, text, topic_name};
use crate::node::test_kit::{TestBroker, TestClient};

/// Sends `request`, as `fill` completes it for each version, in all versions that are served.
async fn check<R: Request + Default>(client: &mut TestClient, fill: impl Fn(i16, R) -> R) {
    let key = ApiKey::try_from(R::KEY).expect("a known key");
    let versions = served_apis().expect("known ranges").versions(key).expect("served");
    for version in versions.min..=versions.max.min(R::VERSIONS.max) {
        client.send(version, &fill(version, R::default())).await;
        assert!(client.receive::<R>(version).await.is_some(), "{key:?} {version} was not answered");
    }
}

async fn check_default<R: Request + Default>(client: &mut TestClient) {
    check::<R>(client, |_, request| request).await;
}

#[tokio::test]
async fn empty_requests_are_answered() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let client = &mut client;
    check::<ProduceRequest>(client, |_, request| request.with_acks(1)).await;
    check_default::<FetchRequest>(client).await;
    check_default::<MetadataRequest>(client).await;
    check_default::<OffsetCommitRequest>(client).await;
    check_default::<JoinGroupRequest>(client).await;
    check_default::<HeartbeatRequest>(client).await;
    check_default::<LeaveGroupRequest>(client).await;
    check_default::<SyncGroupRequest>(client).await;
    check_default::<ListGroupsRequest>(client).await;
    check_default::<ApiVersionsRequest>(client).await;
    check_default::<CreateTopicsRequest>(client).await;
    check_default::<DeleteTopicsRequest>(client).await;
    check_default::<DeleteRecordsRequest>(client).await;
    check::<InitProducerIdRequest>(client, |_, request| request.with_transactional_id(None)).await;
    check_default::<OffsetForLeaderEpochRequest>(client).await;
    check::<DescribeAclsRequest>(client, |_, request| request.with_pattern_type_filter(3)).await;
    check_default::<CreateAclsRequest>(client).await;
    check_default::<DeleteAclsRequest>(client).await;
    check_default::<AlterConfigsRequest>(client).await;
    check_default::<DescribeLogDirsRequest>(client).await;
    check_default::<CreatePartitionsRequest>(client).await;
    check_default::<DeleteGroupsRequest>(client).await;
    check_default::<IncrementalAlterConfigsRequest>(client).await;
    check_default::<AlterPartitionReassignmentsRequest>(client).await;
    check_default::<ListPartitionReassignmentsRequest>(client).await;
    check_default::<UpdateFeaturesRequest>(client).await;
    check_default::<UnregisterBrokerRequest>(client).await;
    check_default::<OffsetDeleteRequest>(client).await;
    check_default::<DescribeQuorumRequest>(client).await;
    check_default::<DescribeClusterRequest>(client).await;
    check_default::<DescribeProducersRequest>(client).await;
    check_default::<ListConfigResourcesRequest>(client).await;
    check_default::<DescribeTopicPartitionsRequest>(client).await;
    broker.stop().await;
}

#[tokio::test]
async fn requests_with_content_are_answered() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let client = &mut client;
    check::<ListOffsetsRequest>(client, |_, request| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let topic =
            ListOffsetsTopic::default().with_name(topic_name("test")).with_partitions(vec![partition]);
        request.with_topics(vec![topic])
    })
    .await;
    check::<FindCoordinatorRequest>(client, |version, request| match version {
        0..=3 => request.with_key(text("group")),
        _ => request.with_coordinator_keys(vec![text("group"), text("other")]),
    })
    .await;
    check::<OffsetFetchRequest>(client, |version, request| {
        let group = GroupId(text("group"));
        let topic =
            OffsetFetchRequestTopic::default().with_name(topic_name("test")).with_partition_indexes(vec![0]);
        match version {
            0..=7 => request.with_group_id(group).with_topics(Some(vec![topic])),
            _ => {
                let group = OffsetFetchRequestGroup::default().with_group_id(group).with_topics(None);
                request.with_groups(vec![group])
            }
        }
    })
    .await;
    check::<DescribeGroupsRequest>(client, |_, request| request.with_groups(vec![GroupId(text("group"))]))
        .await;
    check::<DescribeConfigsRequest>(client, |version, request| {
        let resource = |kind, name| {
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let resources = vec![resource(2, "test"), resource(4, "7"), resource(4, ""), resource(99, "")];
        request.with_resources(resources).with_include_synonyms(true).with_include_documentation(version >= 3)
    })
    .await;
    check::<ElectLeadersRequest>(client, |_, request| {
        let topic = TopicPartitions::default().with_topic(topic_name("test")).with_partitions(vec![0, 9]);
        request.with_topic_partitions(Some(vec![topic])).with_timeout_ms(1000)
    })
    .await;
    broker.stop().await;
}
