//! CreateTopics, DeleteTopics, CreatePartitions, ElectLeaders and reassignments.

use rkafka_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use rkafka_wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use rkafka_wire::messages::delete_topics_request::DeleteTopicState;
use rkafka_wire::messages::elect_leaders_request::TopicPartitions;
use rkafka_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use rkafka_wire::messages::{
    BrokerId, CreatePartitionsRequest, DeleteTopicsRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest,
};
use uuid::Uuid;

use super::check;
use super::requests::{creatable, create, make_topic, metadata, ready, text, topic};
use super::session::Session;

/// A topic of 4.3 answered in old versions may not ask for the defaults of -1 (KIP-464).
fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(index, brokers): &(i32, &[i32])| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().copied().map(BrokerId).collect())
    };
    creatable(name, -1, &[])
        .with_replication_factor(-1)
        .with_assignments(assignments.iter().map(assignment).collect())
}

#[test]
fn create_topics() {
    check("create_topics", |session| {
        for version in 2..=7 {
            let name = |what: &str| format!("create-{version}-{what}");
            session.ask("plain", version, &create(vec![creatable(&name("plain"), 3, &[])]));
            session.ask("again", version, &create(vec![creatable(&name("plain"), 3, &[])]));
            session.ask("no topics", version, &create(vec![]));
            let several = vec![creatable(&name("one"), 1, &[]), creatable(&name("two"), 2, &[])];
            session.ask("two", version, &create(several));
            let defaults = creatable(&name("defaults"), -1, &[]).with_replication_factor(-1);
            session.ask("defaults", version, &create(vec![defaults]));
            let configs =
                [("cleanup.policy", "compact"), ("retention.ms", "1000"), ("min.insync.replicas", "2")];
            session.ask("with configs", version, &create(vec![creatable(&name("configs"), 1, &configs)]));
            session.ask(
                "assigned",
                version,
                &create(vec![assigned(&name("assigned"), &[(0, &[1]), (1, &[1])])]),
            );
            let twice = vec![creatable(&name("twice"), 1, &[]), creatable(&name("twice"), 2, &[])];
            session.ask("one name twice", version, &create(twice));
            let mixed = vec![creatable(&name("good"), 1, &[]), creatable(&name("bad"), 0, &[])];
            session.ask("a good one and a bad one", version, &create(mixed));
            let dry = create(vec![creatable(&name("dry"), 1, &[]), creatable(&name("plain"), 1, &[])]);
            session.ask("validated only", version, &dry.with_validate_only(true));
            let names = ["plain", "one", "two", "defaults", "configs", "assigned"].map(name);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            session.settle("all of them", 12, &metadata(&names), |answer| {
                answer.topics.iter().all(|topic| topic.error_code == 0)
            });
            session.ask("not created", 12, &metadata(&[&name("dry"), &name("bad"), &name("twice")]));
        }
    });
}

#[test]
fn create_topics_with_bad_names() {
    check("create_topics_with_bad_names", |session| {
        let long = "n".repeat(250);
        let longest = "m".repeat(249);
        make_topic(session, "create.collides_here", 1, &[]);
        let names = [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ä",
            "主题",
            "a:b",
            "a\0b",
            &long,
            &longest,
            "create_collides.here",
            "create_collides_here",
            "create.collides.here",
            "__consumer_offsets",
            "__transaction_state",
            "__cluster_metadata",
            "-",
            "_",
            "...",
        ];
        for version in [2, 5, 7] {
            for name in names {
                let dry = create(vec![creatable(name, 1, &[])]).with_validate_only(true);
                session.ask(&format!("the name {name:?}"), version, &dry);
            }
        }
    });
}

fn ask_to_create(session: &mut Session, label: &str, topic: &CreatableTopic) {
    for version in [2, 4, 7] {
        let request = create(vec![topic.clone()]).with_validate_only(true);
        session.ask(label, version, &request);
    }
}

#[test]
fn create_topics_with_bad_counts() {
    check("create_topics_with_bad_counts", |session| {
        for partitions in [0, -1, -2, i32::MIN, 9_999, 10_000, 10_001, 1_000_000] {
            let topic = creatable("create-counts", partitions, &[]);
            ask_to_create(session, &format!("{partitions} partitions"), &topic);
        }
        for factor in [0, -2, 2, 3, i16::MAX] {
            let topic = creatable("create-counts", 1, &[]).with_replication_factor(factor);
            ask_to_create(session, &format!("replication factor {factor}"), &topic);
        }
        let both = creatable("create-counts", 0, &[]).with_replication_factor(0);
        ask_to_create(session, "both zero", &both);
    });
}

/// The brokers of one partition.
type Replicas<'a> = (i32, &'a [i32]);

#[test]
fn create_topics_with_bad_assignments() {
    check("create_topics_with_bad_assignments", |session| {
        let cases: [(&str, &[Replicas]); 10] = [
            ("from 1", &[(1, &[1])]),
            ("a gap", &[(0, &[1]), (2, &[1])]),
            ("negative", &[(-1, &[1])]),
            ("one twice", &[(0, &[1]), (0, &[1])]),
            ("no replicas", &[(0, &[])]),
            ("one broker twice", &[(0, &[1, 1])]),
            ("an unknown broker", &[(0, &[9])]),
            ("an unknown second broker", &[(0, &[1, 9])]),
            ("a negative broker", &[(0, &[-1])]),
            ("unequal factors", &[(0, &[1]), (1, &[1, 9])]),
        ];
        for (label, assignments) in cases {
            ask_to_create(session, label, &assigned("create-assigned", assignments));
        }
        let good: &[(i32, &[i32])] = &[(0, &[1])];
        let counted = assigned("create-assigned", good).with_num_partitions(1);
        ask_to_create(session, "with a partition count", &counted);
        let factored = assigned("create-assigned", good).with_replication_factor(1);
        ask_to_create(session, "with a replication factor", &factored);
        ask_to_create(session, "in another order", &assigned("create-assigned", &[(1, &[1]), (0, &[1])]));
    });
}

#[test]
fn create_topics_with_bad_configs() {
    check("create_topics_with_bad_configs", |session| {
        let cases = [
            ("no.such.config", "1"),
            ("", ""),
            ("cleanup.policy", "shred"),
            ("cleanup.policy", ""),
            ("cleanup.policy", "compact,shred"),
            ("cleanup.policy", "compact, delete"),
            ("retention.ms", "never"),
            ("retention.ms", "-2"),
            ("retention.ms", "-1"),
            ("retention.ms", "9223372036854775808"),
            ("retention.bytes", "-5"),
            ("segment.bytes", "13"),
            ("segment.bytes", "1048575"),
            ("segment.bytes", "2147483648"),
            ("segment.ms", "0"),
            ("min.insync.replicas", "0"),
            ("min.insync.replicas", "1.5"),
            ("compression.type", "rar"),
            ("compression.type", "GZIP"),
            ("compression.gzip.level", "10"),
            ("compression.lz4.level", "0"),
            ("compression.zstd.level", "23"),
            ("message.timestamp.type", "Never"),
            ("max.message.bytes", "-1"),
            ("unclean.leader.election.enable", "perhaps"),
            ("min.cleanable.dirty.ratio", "1.1"),
            ("min.cleanable.dirty.ratio", "x"),
            ("index.interval.bytes", "-1"),
            ("max.compaction.lag.ms", "0"),
            ("preallocate", "1"),
            ("flush.messages", "0"),
            ("remote.storage.enable", "true"),
            ("follower.replication.throttled.replicas", "x"),
            ("follower.replication.throttled.replicas", "0:1"),
            ("local.retention.ms", "-3"),
        ];
        for (name, value) in cases {
            ask_to_create(
                session,
                &format!("{name}={value}"),
                &creatable("create-configs", 1, &[(name, value)]),
            );
        }
        let null = CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(None);
        ask_to_create(session, "null", &creatable("create-configs", 1, &[]).with_configs(vec![null]));
        let twice = [("retention.ms", "1"), ("retention.ms", "2")];
        ask_to_create(session, "one key twice", &creatable("create-configs", 1, &twice));
        let together = [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")];
        ask_to_create(session, "lags that cross", &creatable("create-configs", 1, &together));
        let two = [("retention.ms", "x"), ("segment.ms", "y")];
        ask_to_create(session, "two bad ones", &creatable("create-configs", 1, &two));
        // The last ones, since only one of the two brokers makes up an id.
        let of_kafka_2_2 = [
            ("message.format.version", "2.2"),
            ("message.timestamp.difference.max.ms", "1"),
            ("message.downconversion.enable", "true"),
        ];
        for old in of_kafka_2_2 {
            let label = format!("{}={}", old.0, old.1);
            ask_to_create(session, &label, &creatable("create-configs", 1, &[old]));
        }
    });
}

#[test]
fn delete_topics() {
    check("delete_topics", |session| {
        let by_name = |names: &[&str]| {
            let names = names.iter().map(|name| topic(name)).collect();
            DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(30_000)
        };
        for version in 1..=5 {
            let name = format!("delete-{version}");
            make_topic(session, &name, 1, &[]);
            session.ask("one and an absent one", version, &by_name(&[&name, "delete-absent"]));
            session.settle("gone", 12, &metadata(&[&name]), |answer| answer.topics[0].error_code != 0);
            session.ask("again", version, &by_name(&[&name]));
            session.ask("one twice", version, &by_name(&["delete-absent", "delete-absent"]));
            session.ask("a bad name", version, &by_name(&["a b"]));
            session.ask("nothing", version, &by_name(&[]));
        }
    });
}

#[test]
fn delete_topics_by_id() {
    check("delete_topics_by_id", |session| {
        let first = make_topic(session, "delete-by-id", 1, &[]);
        make_topic(session, "delete-by-name", 1, &[]);
        let named = |name: &str| DeleteTopicState::default().with_name(Some(topic(name)));
        let by_id = |id| DeleteTopicState::default().with_name(None).with_topic_id(id);
        let request = |topics| DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000);
        session.ask("an unknown id", 6, &request(vec![by_id(Uuid::from_u128(9))]));
        session.ask("the zero id", 6, &request(vec![by_id(Uuid::nil())]));
        session.ask("id and name", 6, &request(vec![named("delete-by-id").with_topic_id(first)]));
        session.ask("one twice", 6, &request(vec![by_id(first), by_id(first)]));
        session.ask("by name and by id", 6, &request(vec![named("delete-by-id"), by_id(first)]));
        session.ask("an absent name", 6, &request(vec![named("delete-absent")]));
        make_topic(session, "delete-by-id-2", 1, &[]);
        let id = make_topic(session, "delete-by-id-3", 1, &[]);
        session.ask("one of each", 6, &request(vec![named("delete-by-name"), by_id(id)]));
        session.settle("gone", 12, &metadata(&["delete-by-name", "delete-by-id-3"]), |answer| {
            answer.topics.iter().all(|topic| topic.error_code != 0)
        });
        let again = make_topic(session, "delete-by-name", 2, &[]);
        session.note("a topic made anew has another id", again != first);
    });
}

#[test]
fn create_partitions() {
    check("create_partitions", |session| {
        make_topic(session, "grow", 2, &[]);
        make_topic(session, "grow-2", 2, &[]);
        let grown = |name: &str, count, assignments: Option<&[&[i32]]>| {
            let assignment = |brokers: &&[i32]| {
                let brokers = brokers.iter().copied().map(BrokerId).collect();
                CreatePartitionsAssignment::default().with_broker_ids(brokers)
            };
            CreatePartitionsTopic::default()
                .with_name(topic(name))
                .with_count(count)
                .with_assignments(assignments.map(|list| list.iter().map(assignment).collect()))
        };
        let request = |topics, dry| {
            CreatePartitionsRequest::default()
                .with_topics(topics)
                .with_timeout_ms(30_000)
                .with_validate_only(dry)
        };
        for version in 0..=3 {
            for count in [-1, 0, 1, 2, 10_001, 20_000] {
                session.ask(
                    &format!("to {count}"),
                    version,
                    &request(vec![grown("grow", count, None)], true),
                );
            }
            let cases: [(&str, i32, &[&[i32]]); 7] = [
                ("too few assignments", 4, &[&[1]]),
                ("too many assignments", 3, &[&[1], &[1]]),
                ("an unknown broker", 3, &[&[9]]),
                ("no broker", 3, &[&[]]),
                ("one broker twice", 3, &[&[1, 1]]),
                ("another replication factor", 3, &[&[1, 9]]),
                ("no assignments", 3, &[]),
            ];
            for (label, count, assignments) in cases {
                let topics = vec![grown("grow", count, Some(assignments))];
                session.ask(label, version, &request(topics, true));
            }
            session.ask("an absent topic", version, &request(vec![grown("grow-absent", 3, None)], true));
            session.ask("a bad name", version, &request(vec![grown("a b", 3, None)], true));
            let twice = vec![grown("grow", 3, None), grown("grow", 4, None)];
            session.ask("one twice", version, &request(twice, true));
            session.ask("validated only", version, &request(vec![grown("grow", 8, None)], true));
            let count = 3 + i32::from(version);
            let topics = vec![grown("grow", count, None), grown("grow-2", count, Some(&[&[1]]))];
            session.ask("both", version, &request(topics, false));
            session.settle("grown", 12, &metadata(&["grow", "grow-2"]), |answer| ready(answer, count));
        }
    });
}

#[test]
fn elect_leaders() {
    check("elect_leaders", |session| {
        make_topic(session, "elect", 2, &[]);
        let request = |name: &str, partitions: Vec<i32>, kind| {
            let partitions = TopicPartitions::default().with_topic(topic(name)).with_partitions(partitions);
            ElectLeadersRequest::default()
                .with_topic_partitions(Some(vec![partitions]))
                .with_election_type(kind)
                .with_timeout_ms(30_000)
        };
        for version in 0..=2 {
            session.ask("preferred", version, &request("elect", vec![0, 1], 0));
            session.ask("a missing partition", version, &request("elect", vec![0, 7], 0));
            session.ask("a missing topic", version, &request("elect-absent", vec![0], 0));
            session.ask("no partition", version, &request("elect", vec![], 0));
        }
        for version in 1..=2 {
            session.ask("unclean", version, &request("elect", vec![0], 1));
            session.ask("of an unknown kind", version, &request("elect", vec![0], 7));
        }
        // All partitions: which ones there are is a matter of the other scripts.
        let all = ElectLeadersRequest::default().with_topic_partitions(None).with_timeout_ms(30_000);
        let mut answer = session.arrange(2, &all);
        answer.replica_election_results.retain(|result| result.topic.0.as_str() == "elect");
        session.note("all", answer);
    });
}

#[test]
fn partition_reassignments() {
    check("partition_reassignments", |session| {
        make_topic(session, "reassign", 2, &[]);
        let list =
            |topics| ListPartitionReassignmentsRequest::default().with_topics(topics).with_timeout_ms(30_000);
        let named = |name: &str, partitions| {
            ListPartitionReassignmentsTopics::default()
                .with_name(topic(name))
                .with_partition_indexes(partitions)
        };
        session.ask("all", 0, &list(None));
        session.ask("none", 0, &list(Some(vec![])));
        session.ask("a topic", 0, &list(Some(vec![named("reassign", vec![0, 1])])));
        session.ask("a missing partition", 0, &list(Some(vec![named("reassign", vec![9])])));
        session.ask("a missing topic", 0, &list(Some(vec![named("reassign-absent", vec![0])])));
    });
}
