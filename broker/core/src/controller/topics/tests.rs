//! Topics made and deleted: what is refused with which words, and what is recorded.

use proptest::prelude::*;

use super::super::testing::{Cluster, broker, topic};
use super::*;

fn check_refused(cluster: &mut Cluster, topic: NewTopic, kind: ErrorKind, message: &str) {
    let outcome = cluster.create(&CreateTopics { topics: vec![topic], validate_only: false });
    assert_eq!(outcome.records, []);
    let error = outcome.reply[0].result.as_ref().expect_err("refused");
    assert_eq!((error.kind, error.message.as_str()), (kind, message));
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> NewTopic {
    let assignments = assignments
        .iter()
        .map(|(partition, brokers)| Assignment {
            partition: *partition,
            brokers: brokers.iter().map(|id| BrokerId(*id)).collect(),
        })
        .collect();
    NewTopic { assignments, ..topic(name, -1, -1) }
}

fn configured(name: &str, configs: &[(&str, Option<&str>)]) -> NewTopic {
    let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
    NewTopic { configs, ..topic(name, 1, 1) }
}

#[test]
fn a_topic_gets_its_partitions_leaders_and_configuration() {
    let mut cluster = Cluster::new(3, "");
    let wanted = NewTopic {
        configs: vec![("retention.ms".to_owned(), Some("1000".to_owned()))],
        ..topic("orders", 4, 3)
    };
    let outcome = cluster.create(&CreateTopics { topics: vec![wanted], validate_only: false });
    let created = outcome.reply[0].result.as_ref().expect("created");
    assert_eq!((created.partitions, created.replication_factor), (4, 3));
    let retention = created.configs.iter().find(|entry| entry.name == "retention.ms").expect("described");
    assert_eq!(retention.value.as_deref(), Some("1000"));
    cluster.commit(&outcome.records);
    let topic = cluster.image.topics().by_name("orders").expect("created");
    assert_eq!(topic.id, created.id);
    for partition in &topic.partitions {
        assert_eq!(partition.isr, partition.replicas);
        assert_eq!(partition.leader, partition.preferred_leader());
        assert_eq!((partition.leader_epoch, partition.partition_epoch), (0, 0));
    }
    let stored = cluster.image.configs().value(&ConfigResource::topic("orders"), "retention.ms");
    assert_eq!(stored, Some("1000"));
}

#[test]
fn minus_one_takes_the_brokers_defaults() {
    let mut cluster = Cluster::new(3, "num.partitions=5\ndefault.replication.factor=2\n");
    let outcome = cluster.create(&CreateTopics { topics: vec![topic("t", -1, -1)], validate_only: false });
    let created = outcome.reply[0].result.as_ref().expect("created");
    assert_eq!((created.partitions, created.replication_factor), (5, 2));
}

#[test]
fn validation_alone_leaves_no_records() {
    let mut cluster = Cluster::new(1, "");
    let outcome = cluster.create(&CreateTopics { topics: vec![topic("t", 2, 1)], validate_only: true });
    assert!(outcome.reply[0].result.is_ok());
    assert_eq!(outcome.records, []);
}

#[test]
fn names_that_are_taken_or_collide_are_refused() {
    let mut cluster = Cluster::new(1, "").with_topic("a.b", 1, 1);
    let exists = "Topic 'a.b' already exists.";
    check_refused(&mut cluster, topic("a.b", 1, 1), ErrorKind::TopicAlreadyExists, exists);
    let collides = "Topic 'a_b' collides with existing topic: a.b";
    check_refused(&mut cluster, topic("a_b", 1, 1), ErrorKind::InvalidTopic, collides);
    let invalid = "Topic name is invalid: '..' is not allowed";
    check_refused(&mut cluster, topic("..", 1, 1), ErrorKind::InvalidTopic, invalid);
    let internal = "Creation of internal topic __cluster_metadata is prohibited.";
    check_refused(&mut cluster, topic("__cluster_metadata", 1, 1), ErrorKind::InvalidRequest, internal);
}

#[test]
fn two_names_of_one_request_may_not_collide_either() {
    let mut cluster = Cluster::new(1, "");
    let topics = vec![topic("x.y", 1, 1), topic("x_y", 1, 1), topic("z", 1, 1), topic("z", 2, 1)];
    let outcome = cluster.create(&CreateTopics { topics, validate_only: false });
    let reply: Vec<(&str, Option<String>)> = outcome
        .reply
        .iter()
        .map(|result| (result.name.as_str(), result.result.as_ref().err().map(ToString::to_string)))
        .collect();
    let expected = [
        ("x.y", None),
        ("x_y", Some("Topic 'x_y' collides with existing topic: x.y".to_owned())),
        ("z", Some("Duplicate topic name.".to_owned())),
    ];
    assert_eq!(reply, expected);
    cluster.commit(&outcome.records);
    assert_eq!(cluster.image.topics().len(), 1);
}

#[test]
fn impossible_counts_are_refused() {
    let mut cluster = Cluster::new(1, "");
    let partitions = "Number of partitions was set to an invalid non-positive value.";
    check_refused(&mut cluster, topic("t", 0, 1), ErrorKind::InvalidPartitions, partitions);
    check_refused(&mut cluster, topic("t", -2, 1), ErrorKind::InvalidPartitions, partitions);
    let factor = "Replication factor must be larger than 0, or -1 to use the default value.";
    check_refused(&mut cluster, topic("t", 1, 0), ErrorKind::InvalidReplicationFactor, factor);
    let larger = "Replication factor: 2 larger than available brokers: 1.";
    check_refused(&mut cluster, topic("t", 3, 2), ErrorKind::InvalidReplicationFactor, larger);
    let many = "Excessively large number of partitions per request.";
    check_refused(&mut cluster, topic("t", 10_001, 1), ErrorKind::PolicyViolation, many);
    check_refused(&mut cluster, topic("t", i32::MAX, 1), ErrorKind::PolicyViolation, many);
}

#[test]
fn without_a_live_broker_nothing_is_created() {
    let mut cluster = Cluster::new(1, "");
    cluster.commit(&[broker(0, None, true)]);
    let fenced = "Unable to replicate the partition 1 time(s): All brokers are currently fenced.";
    check_refused(&mut cluster, topic("t", 1, 1), ErrorKind::InvalidReplicationFactor, fenced);
}

#[test]
fn manual_assignments_are_checked() {
    let mut cluster = Cluster::new(2, "");
    cluster.commit(&[broker(2, None, true)]);
    let refused = ErrorKind::InvalidReplicaAssignment;
    let mut check = |assignments: &[(i32, &[i32])], message: &str| {
        check_refused(&mut cluster, assigned("t", assignments), refused, message);
    };
    check(&[(0, &[])], "The manual partition assignment includes an empty replica list.");
    check(
        &[(0, &[7])],
        "The manual partition assignment includes broker 7, but no such broker is registered.",
    );
    check(&[(0, &[1, 1])], "The manual partition assignment includes the broker 1 more than once.");
    check(
        &[(0, &[0, 1]), (1, &[1])],
        "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent \
         with previous partitions, which have 2 replica(s).",
    );
    check(&[(0, &[0]), (2, &[1])], "partitions should be a consecutive 0-based integer sequence");
    check(&[(-1, &[0])], "partitions should be a consecutive 0-based integer sequence");
    check(&[(0, &[0]), (0, &[1])], "Found multiple manual partition assignments for partition 0");
    check(
        &[(0, &[2])],
        "All brokers specified in the manual partition assignment for partition 0 are fenced or in \
         controlled shutdown.",
    );
    let both = NewTopic { replication_factor: 1, ..assigned("t", &[(0, &[0])]) };
    let message = "A manual partition assignment was specified, but replication factor was not set to -1.";
    check_refused(&mut cluster, both, ErrorKind::InvalidRequest, message);
    let both = NewTopic { partitions: 1, ..assigned("t", &[(0, &[0])]) };
    let message = "A manual partition assignment was specified, but numPartitions was not set to -1.";
    check_refused(&mut cluster, both, ErrorKind::InvalidRequest, message);
}

#[test]
fn an_assignment_keeps_its_order_and_only_the_live_are_in_sync() {
    let mut cluster = Cluster::new(2, "");
    cluster.commit(&[broker(2, None, true)]);
    let request =
        CreateTopics { topics: vec![assigned("t", &[(1, &[1, 0]), (0, &[2, 1])])], validate_only: false };
    let outcome = cluster.create(&request);
    cluster.commit(&outcome.records);
    let partitions = &cluster.image.topics().by_name("t").expect("created").partitions;
    assert_eq!(partitions[0].replicas[..], [BrokerId(2), BrokerId(1)]);
    assert_eq!((partitions[0].leader, &partitions[0].isr[..]), (Some(BrokerId(1)), &[BrokerId(1)][..]));
    assert_eq!(partitions[1].leader, Some(BrokerId(1)));
}

#[test]
fn configurations_are_checked_with_stock_words() {
    let mut cluster = Cluster::new(1, "");
    let mut check = |configs: &[(&str, Option<&str>)], message: &str| {
        check_refused(&mut cluster, configured("t", configs), ErrorKind::InvalidConfig, message);
    };
    check(&[("no.such.key", Some("1"))], "Unknown topic config name: no.such.key");
    check(
        &[("retention.ms", None), ("segment.ms", None)],
        "Null value not supported for topic configs: retention.ms,segment.ms",
    );
    check(
        &[("min.insync.replicas", Some("0"))],
        "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1",
    );
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let cluster = ["a", "b", "c", "d", "e"]
        .iter()
        .fold(Cluster::new(1, ""), |cluster, name| cluster.with_topic(name, 1, 1));
    let id = |name: &str| cluster.image.topics().by_name(name).expect("created").id;
    let stranger = TopicId([99; 16]);
    let name = |name: &str| TopicRef::Name(name.to_owned());
    let topics = vec![
        name("a"),
        TopicRef::Id(id("b")),
        name("b"),
        name("missing"),
        TopicRef::Id(stranger),
        name("c"),
        name("c"),
        TopicRef::Id(id("c")),
        TopicRef::Id(id("d")),
        TopicRef::Id(id("d")),
        name("d"),
        TopicRef::Id(id("e")),
    ];
    let outcome = delete_topics(&cluster.view(), &DeleteTopics { topics }).expect("deletion is enabled");
    let removed = ["a", "c", "e"].map(|name| MetadataRecord::RemoveTopic { id: id(name) });
    assert_eq!(outcome.records, removed);
    let reply: Vec<(Option<&str>, Option<TopicId>, Option<&str>)> = outcome
        .reply
        .iter()
        .map(|topic| {
            let message = topic.result.as_ref().err().map(|error| error.message.as_str());
            (topic.name.as_deref(), topic.id, message)
        })
        .collect();
    let both_ways = "The provided topic name maps to an ID that was already supplied.";
    let expected = [
        (Some("a"), Some(id("a")), None),
        (Some("b"), Some(id("b")), Some(both_ways)),
        (Some("missing"), None, Some("This server does not host this topic-partition.")),
        (None, Some(stranger), Some("This server does not host this topic ID.")),
        (Some("c"), Some(id("c")), None),
        (Some("d"), Some(id("d")), Some(both_ways)),
        (Some("e"), Some(id("e")), None),
        (Some("c"), None, Some("Duplicate topic name.")),
        (None, Some(id("d")), Some("Duplicate topic id.")),
    ];
    assert_eq!(reply, expected);
}

#[test]
fn deletion_can_be_switched_off() {
    let cluster = Cluster::new(1, "delete.topic.enable=false\n").with_topic("a", 1, 1);
    let request = DeleteTopics { topics: vec![TopicRef::Name("a".to_owned())] };
    let error = delete_topics(&cluster.view(), &request).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::TopicDeletionDisabled);
    assert_eq!(error.message, "Topic deletion is disabled.");
}

proptest! {
    /// Any request is answered topic by topic, and its records apply.
    #[test]
    fn any_request_gives_records_that_apply(
        topics in prop::collection::vec(
            ("[a-c._]{0,3}", -2i32..6, -2i16..4, prop::collection::vec((-1i32..3, prop::collection::vec(0i32..4, 0..3)), 0..3)),
            0..6,
        ),
        validate_only in any::<bool>(),
    ) {
        let mut cluster = Cluster::new(3, "").with_topic("a", 1, 1);
        let names: BTreeSet<String> = topics.iter().map(|(name, ..)| name.clone()).collect();
        let topics: Vec<NewTopic> = topics
            .into_iter()
            .map(|(name, partitions, replication_factor, assignments)| NewTopic {
                assignments: assignments
                    .into_iter()
                    .map(|(partition, brokers)| Assignment {
                        partition,
                        brokers: brokers.into_iter().map(BrokerId).collect(),
                    })
                    .collect(),
                ..topic(&name, partitions, replication_factor)
            })
            .collect();
        let outcome = cluster.create(&CreateTopics { topics, validate_only });
        let answered: BTreeSet<String> = outcome.reply.iter().map(|result| result.name.clone()).collect();
        prop_assert_eq!(answered, names);
        let created = outcome.reply.iter().filter(|result| result.result.is_ok()).count();
        cluster.commit(&outcome.records);
        let expected = if validate_only { 1 } else { 1 + created };
        prop_assert_eq!(cluster.image.topics().len(), expected);
    }
}
