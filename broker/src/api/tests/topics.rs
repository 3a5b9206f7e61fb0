//! Topics as Metadata and the administrative requests show and change them, version by version.

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::create_partitions_request::CreatePartitionsTopic;
use rkafka_wire::messages::create_topics_request::CreatableTopic;
use rkafka_wire::messages::delete_topics_request::DeleteTopicState;
use rkafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use rkafka_wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use rkafka_wire::messages::elect_leaders_request::TopicPartitions;
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    DescribeTopicPartitionsRequest, ElectLeadersRequest, MetadataRequest, MetadataResponse,
};
use uuid::Uuid;

use crate::api::{authorized_operations, text, topic_name, uuid};
use crate::node::test_kit::TestBroker;

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

fn by_id(id: Uuid) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(None).with_topic_id(id)
}

fn asking(topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest::default().with_topics(Some(topics))
}

/// Error and name of each topic.
fn shown(response: &MetadataResponse) -> Vec<(ErrorCode, Option<String>)> {
    let name = |name: &rkafka_wire::messages::TopicName| name.0.to_string();
    response.topics.iter().map(|topic| (topic.error_code.into(), topic.name.as_ref().map(name))).collect()
}

fn there(name: &str) -> (ErrorCode, Option<String>) {
    (ErrorCode::None, Some(name.to_owned()))
}

#[tokio::test]
async fn metadata_shows_what_was_asked_for() {
    let broker = TestBroker::start("auto.create.topics.enable=false\n").await;
    broker.create_topic("one", 1, &[]).await;
    broker.create_topic("two", 2, &[]).await;
    broker.create_topic("__consumer_offsets", 1, &[]).await;
    let id = broker.broker().image().topics().by_name("one").map(|topic| uuid(topic.id)).expect("there");
    let mut client = broker.connect().await;
    // Version 0 has no null: an empty list means all.
    let all = client.call(0, &asking(vec![])).await;
    assert_eq!(shown(&all).len(), 3);
    assert_eq!(client.call(1, &asking(vec![])).await.topics, vec![]);
    let all = client.call(1, &MetadataRequest::default().with_topics(None)).await;
    let internal: Vec<_> = all.topics.iter().filter(|topic| topic.is_internal).collect();
    assert_eq!((all.topics.len(), internal.len()), (3, 1));

    let twice = client.call(9, &asking(vec![named("two"), named("missing"), named("two")])).await;
    let missing = (ErrorCode::UnknownTopicOrPartition, Some("missing".to_owned()));
    assert_eq!(shown(&twice), [there("two"), missing]);
    assert_eq!(twice.cluster_authorized_operations, authorized_operations::NOT_ASKED);
    assert_eq!(twice.topics[0].topic_authorized_operations, authorized_operations::NOT_ASKED);

    for version in [12, 13] {
        let response =
            client.call(version, &asking(vec![by_id(id), by_id(Uuid::from_u128(5)), named("two")])).await;
        assert_eq!(shown(&response), [there("one"), (ErrorCode::UnknownTopicId, None)], "version {version}");
        assert_eq!(response.topics[0].topic_id, id);
    }
    for version in [10, 11] {
        let refused = client.call(version, &asking(vec![by_id(id), named("two")])).await;
        let expected = |name: &str| (ErrorCode::InvalidRequest, Some(name.to_owned()));
        assert_eq!(shown(&refused), [expected(""), expected("two")], "version {version}");
        assert_eq!((refused.brokers.len(), refused.controller_id.0), (0, -1));
    }
    broker.stop().await;
}

#[tokio::test]
async fn versions_of_metadata_differ_only_where_they_should() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 2, &[]).await;
    let mut client = broker.connect().await;
    for version in 0..=13 {
        let response = client.call(version, &asking(vec![named("test")])).await;
        assert_eq!(shown(&response), [there("test")], "version {version}");
        let leaders: Vec<_> =
            response.topics[0].partitions.iter().map(|partition| partition.leader_id.0).collect();
        assert_eq!(leaders, [7, 7]);
        assert_eq!(response.topics[0].topic_id.is_nil(), version < 10, "version {version}");
        assert_eq!(response.topics[0].partitions[0].leader_epoch, if version >= 7 { 0 } else { -1 });
    }
    broker.stop().await;
}

#[tokio::test]
async fn topics_come_grow_and_go_in_every_version() {
    let broker = TestBroker::start("num.partitions=3\n").await;
    let mut client = broker.connect().await;
    let creatable = |name: &str, partitions| {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
    };
    for version in 2..=7 {
        let name = format!("created-{version}");
        let topics = vec![
            creatable(&name, -1),
            creatable("a b", 1),
            creatable("none", 0),
            creatable("x", 1),
            creatable("x", 1),
        ];
        let request = CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000);
        for (validate_only, expected) in
            [(true, ErrorCode::None), (false, ErrorCode::None), (false, ErrorCode::TopicAlreadyExists)]
        {
            let response = client.call(version, &request.clone().with_validate_only(validate_only)).await;
            let code = |name: &str| {
                let found = response.topics.iter().find(|topic| *topic.name.0 == *name).expect("answered");
                ErrorCode::from(found.error_code)
            };
            assert_eq!(code(&name), expected, "version {version}, validate_only {validate_only}");
            assert_eq!(code("a b"), ErrorCode::InvalidTopicException);
            assert_eq!(code("none"), ErrorCode::InvalidPartitions);
            assert_eq!(code("x"), ErrorCode::InvalidRequest);
            let created = response.topics.iter().find(|topic| *topic.name.0 == *name).expect("answered");
            if expected == ErrorCode::None {
                assert_eq!(created.num_partitions, if version >= 5 { 3 } else { -1 });
                let configs = created.configs.as_ref().map_or(0, Vec::len);
                assert_eq!(configs > 0, version >= 5, "version {version}");
                assert_eq!(created.topic_id.is_nil(), version < 7);
            }
        }
    }
    for version in 0..=3 {
        let grown =
            |count| CreatePartitionsTopic::default().with_name(topic_name("created-2")).with_count(count);
        let count = 4 + i32::from(version);
        for (count, expected) in [(count, ErrorCode::None), (count, ErrorCode::InvalidPartitions)] {
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![grown(count).with_assignments(None)])
                .with_timeout_ms(30_000);
            let response = client.call(version, &request).await;
            assert_eq!(ErrorCode::from(response.results[0].error_code), expected, "to {count}");
        }
    }
    for version in 1..=6 {
        let name = topic_name(&format!("created-{version}"));
        let request = match version {
            6 => {
                let topic = DeleteTopicState::default().with_name(Some(name.clone()));
                DeleteTopicsRequest::default().with_topics(vec![topic])
            }
            _ => DeleteTopicsRequest::default().with_topic_names(vec![name.clone()]),
        };
        let response = client.call(version, &request.with_timeout_ms(30_000)).await;
        let expected = if version == 1 { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::None };
        assert_eq!(ErrorCode::from(response.responses[0].error_code), expected, "version {version}");
    }
    broker.stop().await;
}

/// A request that contradicts itself deletes nothing.
#[tokio::test]
async fn a_topic_named_twice_over_stays() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    let id = broker.broker().image().topics().by_name("test").map(|topic| uuid(topic.id)).expect("there");
    let state = |name: Option<&str>, id| {
        DeleteTopicState::default().with_name(name.map(topic_name)).with_topic_id(id)
    };
    let mut client = broker.connect().await;
    let invalid = ErrorCode::InvalidRequest;
    for (topics, expected, message) in [
        (vec![state(Some("test"), id)], invalid, "You may not specify both topic name and topic id."),
        (vec![state(None, Uuid::nil())], invalid, "Neither topic name nor id were specified."),
        (
            vec![state(Some("test"), Uuid::nil()), state(None, id)],
            invalid,
            "The provided topic name maps to an ID that was already supplied.",
        ),
        (
            vec![state(None, Uuid::from_u128(5))],
            ErrorCode::UnknownTopicId,
            "This server does not host this topic ID.",
        ),
    ] {
        let request = DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000);
        let mut response = client.call(6, &request).await;
        assert_eq!(response.responses.len(), 1, "{message}");
        let answer = response.responses.remove(0);
        assert_eq!(ErrorCode::from(answer.error_code), expected, "{message}");
        assert_eq!(answer.error_message.as_deref(), Some(message));
    }
    assert!(broker.broker().image().topics().by_name("test").is_some());
    let both = vec![state(Some("test"), id), state(Some("test"), Uuid::nil())];
    let request = DeleteTopicsRequest::default().with_topics(both).with_timeout_ms(30_000);
    let codes: Vec<_> = client.call(6, &request).await.responses.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [0, invalid.code()]);
    broker.stop().await;
}

#[tokio::test]
async fn deletion_that_is_switched_off_is_told_as_the_version_can() {
    let broker = TestBroker::start("delete.topic.enable=false\n").await;
    broker.create_topic("test", 1, &[]).await;
    let mut client = broker.connect().await;
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("test")]);
    for (version, expected) in [(2, ErrorCode::InvalidRequest), (3, ErrorCode::TopicDeletionDisabled)] {
        let response = client.call(version, &request).await;
        assert_eq!(ErrorCode::from(response.responses[0].error_code), expected, "version {version}");
    }
    broker.stop().await;
}

/// Also a topic of which nothing was elected is answered.
#[tokio::test]
async fn elections_are_answered_topic_by_topic() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[]).await;
    broker.create_topic("other", 1, &[]).await;
    let mut client = broker.connect().await;
    let named = |partitions: Vec<i32>| {
        let topic = TopicPartitions::default().with_topic(topic_name("test")).with_partitions(partitions);
        ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic])).with_timeout_ms(30_000)
    };
    let all = ElectLeadersRequest::default().with_topic_partitions(None).with_timeout_ms(30_000);
    let invalid = ErrorCode::InvalidRequest.code();
    for (request, code, expected) in [
        (all, 0, vec![("other", vec![]), ("test", vec![])]),
        (named(vec![]), 0, vec![("test", vec![])]),
        (named(vec![0]), 0, vec![("test", vec![ErrorCode::ElectionNotNeeded.code()])]),
        (named(vec![0]).with_election_type(7), invalid, vec![("test", vec![invalid])]),
    ] {
        let response = client.call(2, &request).await;
        let results = response.replica_election_results.iter().map(|topic| {
            let codes = topic.partition_result.iter().map(|partition| partition.error_code).collect();
            (topic.topic.0.as_str(), codes)
        });
        let mut results: Vec<(&str, Vec<i16>)> = results.collect();
        results.sort_unstable();
        assert_eq!((response.error_code, results), (code, expected), "{request:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn partitions_are_described_page_by_page() {
    let broker = TestBroker::start("max.request.partition.size.limit=3\n").await;
    broker.create_topic("a", 3, &[]).await;
    broker.create_topic("b", 2, &[]).await;
    let mut client = broker.connect().await;
    let request = |limit| {
        let topic = |name| TopicRequest::default().with_name(topic_name(name));
        DescribeTopicPartitionsRequest::default()
            .with_topics(vec![topic("b"), topic("a")])
            .with_response_partition_limit(limit)
    };
    let at = |topic: &str, index| {
        Some(Cursor::default().with_topic_name(topic_name(topic)).with_partition_index(index))
    };
    let cases = [
        (2, None, vec![("a", 2)], Some(("a", 2))),
        (2, at("a", 2), vec![("a", 1), ("b", 1)], Some(("b", 1))),
        (2, at("b", 1), vec![("b", 1)], None),
        // At least one and at most what the broker allows.
        (0, None, vec![("a", 1)], Some(("a", 1))),
        (2000, None, vec![("a", 3)], Some(("b", 0))),
    ];
    for (limit, cursor, topics, next) in cases {
        let response = client.call(0, &request(limit).with_cursor(cursor)).await;
        let found: Vec<_> = response
            .topics
            .iter()
            .map(|topic| (topic.name.as_ref().map_or("", |name| name.as_str()), topic.partitions.len()))
            .collect();
        assert_eq!(found, topics, "limit {limit}");
        let cursor = response.next_cursor.as_ref();
        assert_eq!(
            cursor.map(|next| (next.topic_name.as_str(), next.partition_index)),
            next,
            "limit {limit}"
        );
    }
    for cursor in [at("a", -1), at("c", 0), at("", 0)] {
        let response = client.call(0, &request(2).with_cursor(cursor)).await;
        let codes: Vec<_> = response.topics.iter().map(|topic| ErrorCode::from(topic.error_code)).collect();
        assert_eq!(codes, [ErrorCode::InvalidRequest; 2]);
    }
    broker.stop().await;
}

#[tokio::test]
async fn configs_are_described_by_the_broker_that_has_them() {
    let broker = TestBroker::start("").await;
    broker.create_topic("test", 1, &[("retention.ms", "1000")]).await;
    let mut client = broker.connect().await;
    let cases = [
        (2, "test", ErrorCode::None),
        (2, "missing", ErrorCode::UnknownTopicOrPartition),
        (4, "7", ErrorCode::None),
        (4, "", ErrorCode::None),
        (4, "8", ErrorCode::InvalidRequest),
        (4, "x", ErrorCode::InvalidRequest),
        (99, "x", ErrorCode::InvalidRequest),
    ];
    for (kind, name, expected) in cases {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request =
            DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
        for version in 1..=4 {
            let response = client.call(version, &request).await;
            assert_eq!(ErrorCode::from(response.results[0].error_code), expected, "{kind} {name:?}");
        }
    }
    let some = |keys: Option<Vec<&str>>| {
        let keys = keys.map(|keys| keys.into_iter().map(text).collect());
        let resource = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("test"))
            .with_configuration_keys(keys);
        DescribeConfigsRequest::default().with_resources(vec![resource])
    };
    let one = client.call(4, &some(Some(vec!["retention.ms"]))).await.results.remove(0).configs;
    assert_eq!(
        (one.len(), one[0].config_source, one[0].synonyms.len()),
        (1, 1, 0),
        "synonyms only on request"
    );
    for keys in [None, Some(vec![])] {
        let all = client.call(4, &some(keys)).await.results.remove(0).configs;
        assert!(all.len() > 20, "{} keys", all.len());
    }
    broker.stop().await;
}
