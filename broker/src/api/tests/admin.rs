//! Metadata, topics and configurations, and what a stranger on the port meets.

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use rkafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use rkafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use rkafka_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::{
    ApiKey, ApiVersionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::api::{served_apis, text, topic_name};
use crate::node::test_kit::{TestBroker, TestClient, batch};
use crate::partition::AppendRequest;

#[test]
fn every_served_version_can_be_decoded() {
    let served = served_apis().expect("no range exceeds what the wire crate knows");
    let advertised = served.advertised();
    let of = |key: ApiKey| advertised.iter().find(|entry| entry.api_key == key as i16);
    let produce = of(ApiKey::Produce).expect("served");
    assert_eq!((produce.min_version, produce.max_version), (0, 13), "librdkafka needs the minimum of 0");
    assert_eq!(of(ApiKey::Fetch).map(|entry| entry.min_version), Some(4));
    for absent in [ApiKey::AddPartitionsToTxn, ApiKey::ConsumerGroupHeartbeat, ApiKey::ShareFetch] {
        assert!(of(absent).is_none(), "{absent:?} is not served");
    }
}

#[tokio::test]
async fn api_versions_answers_what_it_does_not_know() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    // Version 99, as KIP-511 has it: error 35 in the form of version 0.
    client.stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 0, 0xff, 0xff]).await.expect("open");
    let size = client.stream.read_u32().await.expect("an answer");
    let mut answer = vec![0; size as usize];
    client.stream.read_exact(&mut answer).await.expect("the whole answer");
    assert_eq!(answer[..10], [0, 0, 0, 0, 0, 35, 0, 0, 0, 1]);
    let mut client = broker.connect().await;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("rkafka-test"))
        .with_client_software_version(text("1.0"));
    let response = client.call(4, &request).await;
    assert_eq!(response.error_code, 0);
    assert!(response.api_keys.len() > 30);
    let mut client = broker.connect().await;
    let response = client.call(3, &request.with_client_software_name(text("not a name"))).await;
    assert_eq!(ErrorCode::from(response.error_code), ErrorCode::InvalidRequest);
    broker.stop().await;
}

#[tokio::test]
async fn strangers_are_cut_off_and_disturb_nobody() {
    let broker = TestBroker::start("socket.request.max.bytes=100000\n").await;
    broker.create_topic("test", 1, &[]).await;
    let mut good = broker.connect().await;
    let frames: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0, 0, 0, 2, 0, 0],
        // An unknown key; a known key in a version that is not served.
        &[0, 0, 0, 10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff],
        // Metadata v0 with 2^31-1 topics in no bytes.
        &[0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
    ];
    for frame in frames {
        let mut stranger = broker.connect().await;
        stranger.stream.write_all(frame).await.expect("the connection was open");
        let mut rest = Vec::new();
        // Closed without an answer; a reset is a close as well.
        let _ = stranger.stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{frame:?} was answered");
        let metadata = good.call(1, &MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.topics.len(), 1);
    }
    broker.stop().await;
}

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

#[tokio::test]
async fn naming_a_topic_creates_it_and_illegal_names_are_refused() {
    let broker = TestBroker::start("num.partitions=3\n").await;
    let mut client = broker.connect().await;
    let request = MetadataRequest::default()
        .with_topics(Some(vec![named("new"), named("not a name")]))
        .with_allow_auto_topic_creation(true);
    for version in [4, 9, 12] {
        let response = client.call(version, &request).await;
        assert_eq!(response.brokers.len(), 1);
        assert_eq!(response.controller_id.0, 7);
        let topics: Vec<_> = response
            .topics
            .iter()
            .map(|topic| (ErrorCode::from(topic.error_code), topic.partitions.len()))
            .collect();
        assert_eq!(topics, [(ErrorCode::None, 3), (ErrorCode::InvalidTopicException, 0)]);
        assert!(response.topics[0].partitions.iter().all(|partition| partition.leader_id.0 == 7));
    }
    let none = MetadataRequest::default().with_topics(Some(vec![named("other")]));
    let response = client.call(4, &none.with_allow_auto_topic_creation(false)).await;
    assert_eq!(ErrorCode::from(response.topics[0].error_code), ErrorCode::UnknownTopicOrPartition);
    broker.stop().await;
}

async fn describe(client: &mut TestClient, topic: &str, key: &str) -> (Option<String>, i8) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = client.call(4, &request).await.results.remove(0);
    assert_eq!(result.error_code, 0);
    let entry = &result.configs[0];
    (entry.value.as_ref().map(ToString::to_string), entry.config_source)
}

#[tokio::test]
async fn topics_and_their_configs_live_and_die() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let config =
        CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("1000")));
    let topic = CreatableTopic::default()
        .with_name(topic_name("test"))
        .with_num_partitions(2)
        .with_replication_factor(1)
        .with_configs(vec![config]);
    let too_many = CreatableTopic::default()
        .with_name(topic_name("wide"))
        .with_num_partitions(1)
        .with_replication_factor(2);
    let create = CreateTopicsRequest::default().with_topics(vec![topic, too_many]).with_timeout_ms(5000);
    let created = client.call(7, &create).await.topics;
    let codes: Vec<_> = created.iter().map(|topic| ErrorCode::from(topic.error_code)).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::InvalidReplicationFactor]);
    assert_eq!(describe(&mut client, "test", "retention.ms").await, (Some("1000".to_owned()), 1));

    let change =
        AlterableConfig::default().with_name(text("retention.ms")).with_config_operation(1).with_value(None);
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("test"))
        .with_configs(vec![change]);
    let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(1, &alter).await.responses[0].error_code, 0);
    assert_eq!(describe(&mut client, "test", "retention.ms").await, (Some("604800000".to_owned()), 5));

    let delete =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("test")]).with_timeout_ms(5000);
    assert_eq!(client.call(3, &delete).await.responses[0].error_code, 0);
    let again = client.call(3, &delete).await;
    assert_eq!(ErrorCode::from(again.responses[0].error_code), ErrorCode::UnknownTopicOrPartition);
    broker.stop().await;
}

#[tokio::test]
async fn offsets_are_listed_and_records_deleted() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let partition = broker.partition("test", 0);
    for value in [b"a", b"b", b"c"] {
        let append = AppendRequest {
            batch: &batch(&[value]),
            acks: 1,
            origin: rkafka_log::AppendOrigin::Client,
            now: broker.broker().clock.now(),
        };
        partition.append(append).expect("a good batch");
    }
    let mut client = broker.connect().await;
    let list = |timestamp| {
        let partition =
            ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(timestamp);
        let topic =
            ListOffsetsTopic::default().with_name(topic_name("test")).with_partitions(vec![partition]);
        ListOffsetsRequest::default().with_topics(vec![topic])
    };
    let cases =
        [(-1, 0, 3), (-2, 0, 0), (-3, 0, 2), (0, 0, 0), (i64::MAX, 0, -1), (-5, 0, -1), (-99, 35, -1)];
    for (timestamp, error, offset) in cases {
        let response = client.call(10, &list(timestamp)).await;
        let partition = &response.topics[0].partitions[0];
        let found = (partition.error_code, partition.offset);
        // Of equal timestamps the first is meant.
        assert!(found == (error, offset) || timestamp == -3, "{timestamp}: {found:?}");
    }
    let delete = |offset| {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let topic =
            DeleteRecordsTopic::default().with_name(topic_name("test")).with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![topic])
    };
    for (offset, error, low_watermark) in [(2, 0, 2), (-1, 0, 3), (9, 1, -1)] {
        let response = client.call(1, &delete(offset)).await;
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.error_code, partition.low_watermark), (error, low_watermark));
    }
    assert_eq!(client.call(10, &list(-2)).await.topics[0].partitions[0].offset, 3);
    broker.stop().await;
}

#[tokio::test]
async fn idempotent_producers_get_ids_that_never_repeat() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..1010 {
        let response = client.call(4, &InitProducerIdRequest::default().with_transactional_id(None)).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(ids.insert(response.producer_id.0), "{} was given before", response.producer_id.0);
    }
    broker.stop().await;
}

#[tokio::test]
async fn the_cluster_describes_itself() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let response = client.call(1, &DescribeClusterRequest::default().with_endpoint_type(1)).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(Some(&*response.cluster_id), broker.broker().image().cluster_id());
    assert_eq!(response.brokers.len(), 1);
    let response = client.call(1, &DescribeClusterRequest::default().with_endpoint_type(2)).await;
    assert_eq!(ErrorCode::from(response.error_code), ErrorCode::MismatchedEndpointType);
    broker.stop().await;
}
