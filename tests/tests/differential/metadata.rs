//! Metadata, DescribeCluster and DescribeTopicPartitions.

use rkafka_wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::{DescribeClusterRequest, DescribeTopicPartitionsRequest, MetadataRequest};
use uuid::Uuid;

use super::check;
use super::requests::{creatable, create, make_topic, metadata, ready, topic};

#[test]
fn metadata_by_name() {
    check("metadata_by_name", |session| {
        make_topic(session, "metadata-by-name", 3, &[]);
        make_topic(session, "metadata-by-name-2", 1, &[]);
        for version in 0..=13 {
            let names = ["metadata-by-name-2", "metadata-by-name", "metadata-absent", "metadata-by-name"];
            let creates = version < 4;
            // Before version 4 every question creates what is missing.
            let names = if creates { &names[..2] } else { &names };
            let request = metadata(names).with_allow_auto_topic_creation(creates);
            session.ask("three topics, one twice", version, &request);
            session.ask("no topics", version.max(4), &metadata(&[]));
        }
        for version in 4..=13 {
            for name in ["", ".", "..", "a b", "a/b", "ä", &"n".repeat(249), &"n".repeat(250)] {
                session.ask(&format!("the name {name:?}"), version, &metadata(&[name]));
            }
        }
        for version in 8..=10 {
            let request = metadata(&["metadata-by-name"])
                .with_include_cluster_authorized_operations(true)
                .with_include_topic_authorized_operations(true);
            session.ask("authorized operations", version, &request);
        }
        let request = metadata(&["metadata-by-name"]).with_include_topic_authorized_operations(true);
        session.ask("authorized operations", 13, &request);
    });
}

#[test]
fn metadata_by_id() {
    check("metadata_by_id", |session| {
        let id = make_topic(session, "metadata-by-id", 2, &[]);
        let by_id = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(id);
        let request = |topics| {
            MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(false)
        };
        for version in 10..=13 {
            session.ask("an id", version, &request(vec![by_id(id)]));
            session.ask("an unknown id", version, &request(vec![by_id(Uuid::from_u128(7))]));
            session.ask("two ids", version, &request(vec![by_id(id), by_id(Uuid::from_u128(8))]));
            session.ask("the zero id", version, &request(vec![by_id(Uuid::nil())]));
            let named = MetadataRequestTopic::default().with_name(Some(topic("metadata-by-id")));
            session.ask("an id and a name", version, &request(vec![by_id(id), named.clone()]));
            session.ask("both of one", version, &request(vec![named.with_topic_id(id)]));
        }
    });
}

/// All topics: which ones is a matter of the other scripts, so only the head of the answer is compared.
#[test]
fn metadata_of_everything() {
    check("metadata_of_everything", |session| {
        make_topic(session, "metadata-everything", 2, &[]);
        for version in 0..=13 {
            let all = MetadataRequest::default().with_topics((version == 0).then(Vec::new));
            let mut answer = session.arrange(version, &all);
            answer.topics.retain(|found| {
                found.name.as_ref().is_some_and(|name| name.0.starts_with("metadata-everything"))
            });
            session.note(&format!("all topics, version {version}"), answer);
        }
    });
}

#[test]
fn metadata_creates_topics() {
    check("metadata_creates_topics", |session| {
        for version in [0, 3, 4, 8, 11, 13] {
            let name = format!("metadata-created-{version}");
            let request = metadata(&[&name]).with_allow_auto_topic_creation(true);
            session.ask("created on demand", version, &request);
            session.settle("created", version, &request, |answer| ready(answer, 1));
        }
        make_topic(session, "metadata.collides", 1, &[]);
        for name in ["", ".", "..", "a b", "metadata_collides"] {
            let request = metadata(&[name]).with_allow_auto_topic_creation(true);
            session.ask(&format!("not created: {name:?}"), 12, &request);
        }
        session.ask("not created", 12, &metadata(&["metadata_collides"]));
    });
}

#[test]
fn describe_cluster() {
    check("describe_cluster", |session| {
        for version in 0..=2 {
            session.ask("plain", version, &DescribeClusterRequest::default());
            let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
            session.ask("authorized operations", version, &request);
        }
        for version in 1..=2 {
            for endpoint_type in [0, 2, 3] {
                let request = DescribeClusterRequest::default().with_endpoint_type(endpoint_type);
                session.ask(&format!("endpoints of type {endpoint_type}"), version, &request);
            }
        }
        session.ask(
            "fenced ones too",
            2,
            &DescribeClusterRequest::default().with_include_fenced_brokers(true),
        );
    });
}

#[test]
fn describe_topic_partitions() {
    check("describe_topic_partitions", |session| {
        make_topic(session, "describe-parts-a", 3, &[]);
        make_topic(session, "describe-parts-b", 2, &[]);
        session.arrange(7, &create(vec![creatable("describe-parts-b", 2, &[])]));
        let request = |names: &[&str], limit| {
            let named = |name: &&str| TopicRequest::default().with_name(topic(name));
            DescribeTopicPartitionsRequest::default()
                .with_topics(names.iter().map(named).collect())
                .with_response_partition_limit(limit)
        };
        let both = ["describe-parts-b", "describe-parts-a"];
        session.ask("both", 0, &request(&both, 2000));
        session.ask("one twice", 0, &request(&[both[0], both[0]], 2000));
        session.ask("one is absent", 0, &request(&[both[0], "describe-parts-absent"], 2000));
        session.ask("a bad name", 0, &request(&["a b"], 2000));
        for limit in [-1, 0, 1, 2, 3, 4, 5, 3000] {
            session.ask(&format!("at most {limit}"), 0, &request(&both, limit));
        }
        for (name, index) in [
            ("describe-parts-a", 1),
            ("describe-parts-a", 3),
            ("describe-parts-aa", 5),
            ("describe-parts-b", 0),
        ] {
            let cursor = Cursor::default().with_topic_name(topic(name)).with_partition_index(index);
            let from = request(&both, 2).with_cursor(Some(cursor));
            session.ask(&format!("from {name} {index}"), 0, &from);
        }
        let negative = Cursor::default().with_topic_name(topic(both[0])).with_partition_index(-1);
        session.ask("from a negative index", 0, &request(&both, 2).with_cursor(Some(negative)));
        let empty = Cursor::default().with_topic_name(topic("")).with_partition_index(0);
        session.ask("from no name", 0, &request(&both, 2).with_cursor(Some(empty)));
    });
}
