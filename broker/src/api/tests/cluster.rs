//! What clients of a listener are told of the cluster.

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::update_features_request::FeatureUpdateKey;
use rkafka_wire::messages::{ApiVersionsRequest, MetadataRequest, UpdateFeaturesRequest};

use crate::api::{text, topic_name};
use crate::node::test_kit::TestBroker;

fn asking(name: &str) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(topic_name(name)))]))
}

/// Before version 4 a lowest level of 0 could not be read (KAFKA-17011).
#[tokio::test]
async fn features_that_can_be_off_are_hidden_from_old_clients() {
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("rkafka-test"))
        .with_client_software_version(text("1.0"));
    for (version, expected) in [(3, vec![]), (4, vec![("eligible.leader.replicas.version", 0, 1)])] {
        let response = client.call(version, &request).await;
        let supported: Vec<_> = response
            .supported_features
            .iter()
            .map(|feature| (feature.name.as_str(), feature.min_version, feature.max_version))
            .collect();
        assert_eq!(supported, expected, "version {version}");
        assert!(response.finalized_features_epoch >= 0);
    }
    broker.stop().await;
}

/// A listener that is bound but not told to clients: they learn that the leader cannot be reached this way.
#[tokio::test]
async fn brokers_are_shown_as_the_clients_listener_reaches_them() {
    let broker = TestBroker::start(
        "listeners=INNER://127.0.0.1:0,PLAINTEXT://127.0.0.1:0\n\
         advertised.listeners=PLAINTEXT://broker.example:19092\n\
         listener.security.protocol.map=INNER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n",
    )
    .await;
    broker.create_topic("test", 1, &[]).await;
    let mut inner = broker.connect().await;
    for (version, expected) in [(5, ErrorCode::LeaderNotAvailable), (6, ErrorCode::ListenerNotFound)] {
        let response = inner.call(version, &asking("test")).await;
        assert_eq!(response.brokers.len(), 0);
        let partition = &response.topics[0].partitions[0];
        let found = (ErrorCode::from(partition.error_code), partition.leader_id.0);
        assert_eq!(found, (expected, -1), "version {version}");
        assert_eq!(partition.offline_replicas.iter().map(|replica| replica.0).collect::<Vec<_>>(), [7]);
    }
    let mut outer = broker.connect_to(1).await;
    let response = outer.call(6, &asking("test")).await;
    assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("broker.example", 19092));
    assert_eq!(response.topics[0].partitions[0].leader_id.0, 7);
    broker.stop().await;
}

/// Nothing is kept in them yet, and they have settings of their own.
#[tokio::test]
async fn internal_topics_do_not_come_to_be_by_being_named() {
    let broker = TestBroker::start("offsets.topic.num.partitions=3\n").await;
    let mut client = broker.connect().await;
    for (name, expected) in [
        ("__transaction_state", (ErrorCode::UnknownTopicOrPartition, 0)),
        ("__share_group_state", (ErrorCode::UnknownTopicOrPartition, 0)),
        ("__consumer_offsets", (ErrorCode::None, 3)),
        ("plain", (ErrorCode::None, 1)),
    ] {
        let response = client.call(4, &asking(name)).await;
        let topic = &response.topics[0];
        assert_eq!((ErrorCode::from(topic.error_code), topic.partitions.len()), expected, "{name}");
        assert_eq!(topic.is_internal, name.starts_with("__"));
    }
    broker.stop().await;
}

#[tokio::test]
async fn features_are_set_and_removed() {
    const ELR: &str = "eligible.leader.replicas.version";
    let broker = TestBroker::start("").await;
    let mut client = broker.connect().await;
    let request = |level, upgrade_type| {
        let update = FeatureUpdateKey::default()
            .with_feature(text(ELR))
            .with_max_version_level(level)
            .with_upgrade_type(upgrade_type);
        UpdateFeaturesRequest::default().with_timeout_ms(10_000).with_feature_updates(vec![update])
    };
    let level = || broker.broker().image().feature_level(ELR);
    assert_eq!(client.call(2, &request(1, 1).with_validate_only(true)).await.error_code, 0);
    assert_eq!(level(), 0, "only tried");
    assert_eq!(client.call(2, &request(1, 1)).await.error_code, 0);
    assert_eq!(level(), 1);
    let invalid = ErrorCode::InvalidUpdateVersion.code();
    let each = client.call(1, &request(9, 1)).await;
    assert_eq!((each.error_code, each.results[0].error_code), (0, invalid));
    let whole = client.call(2, &request(0, 1)).await;
    assert_eq!(whole.error_code, invalid, "that would be a downgrade");
    assert!(whole.error_message.is_some_and(|text| text.contains("downgrade")));
    assert_eq!(client.call(2, &request(0, 2)).await.error_code, 0);
    assert_eq!(level(), 0);
    assert_eq!(client.call(2, &request(1, 7)).await.error_code, ErrorCode::InvalidRequest.code());
    broker.stop().await;
}
