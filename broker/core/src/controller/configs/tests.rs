//! Changes of settings: what is refused with which words, and what is recorded.

use rkafka_config::ConfigSource;

use super::super::testing::Cluster;
use super::*;

const NODE: BrokerId = BrokerId(0);

fn alter(
    cluster: &Cluster,
    resource: ConfigResource,
    change: ConfigChange,
) -> Outcome<Vec<AlterConfigsResult>> {
    let resources = vec![AlterResource { resource, change }];
    alter_configs(&cluster.view(), &AlterConfigs { received_by: NODE, resources, validate_only: false })
}

fn step(key: &str, op: OpType, value: Option<&str>) -> ConfigOperation {
    ConfigOperation { key: key.to_owned(), op, value: value.map(str::to_owned) }
}

fn set(key: &str, value: &str) -> ConfigChange {
    ConfigChange::Increment(vec![step(key, OpType::Set, Some(value))])
}

fn check_refused(
    cluster: &Cluster,
    resource: ConfigResource,
    change: ConfigChange,
    expected: (ErrorKind, &str),
) {
    let outcome = alter(cluster, resource, change);
    assert_eq!(outcome.records, []);
    let error = outcome.reply[0].result.as_ref().expect_err("refused");
    assert_eq!((error.kind, error.message.as_str()), expected);
}

fn commit(cluster: &mut Cluster, resource: ConfigResource, change: ConfigChange) {
    let outcome = alter(cluster, resource, change);
    assert_eq!(outcome.reply[0].result, Ok(()));
    cluster.commit(&outcome.records);
}

fn topic() -> ConfigResource {
    ConfigResource::topic("t")
}

fn values(cluster: &Cluster, resource: &ConfigResource) -> Vec<String> {
    let values = cluster.image.configs().get(resource);
    values.into_iter().flat_map(|values| values.iter()).map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn an_increment_changes_only_its_keys() {
    let mut cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    commit(&mut cluster, topic(), set("retention.ms", "5"));
    commit(&mut cluster, topic(), set("flush.messages", "1"));
    assert_eq!(values(&cluster, &topic()), ["flush.messages=1", "retention.ms=5"]);
    let delete = ConfigChange::Increment(vec![step("flush.messages", OpType::Delete, None)]);
    commit(&mut cluster, topic(), delete.clone());
    assert_eq!(values(&cluster, &topic()), ["retention.ms=5"]);
    assert_eq!(alter(&cluster, topic(), delete).records, [], "deleting what is not set is nothing");
    assert_eq!(alter(&cluster, topic(), set("retention.ms", "5")).records, [], "nor is the same value");
}

#[test]
fn a_replacement_drops_what_it_does_not_name() {
    let mut cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    commit(&mut cluster, topic(), set("retention.ms", "5"));
    let change = ConfigChange::Replace(vec![("segment.ms".to_owned(), Some("9".to_owned()))]);
    commit(&mut cluster, topic(), change);
    assert_eq!(values(&cluster, &topic()), ["segment.ms=9"]);
    commit(&mut cluster, topic(), ConfigChange::Replace(Vec::new()));
    assert_eq!(values(&cluster, &topic()), Vec::<String>::new());
}

#[test]
fn lists_grow_and_shrink() {
    let mut cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    let change = |op, value| ConfigChange::Increment(vec![step("cleanup.policy", op, Some(value))]);
    // Starts from the default, `delete`.
    commit(&mut cluster, topic(), change(OpType::Append, "compact,delete"));
    assert_eq!(values(&cluster, &topic()), ["cleanup.policy=delete,compact"]);
    commit(&mut cluster, topic(), change(OpType::Subtract, "delete"));
    assert_eq!(values(&cluster, &topic()), ["cleanup.policy=compact"]);
    let append = ConfigChange::Increment(vec![step("retention.ms", OpType::Append, Some("1"))]);
    let message = "Can't APPEND to key retention.ms because its type is not LIST.";
    check_refused(&cluster, topic(), append, (ErrorKind::InvalidConfig, message));
    let subtract = ConfigChange::Increment(vec![step("nonsense", OpType::Subtract, Some("1"))]);
    let message = "Can't SUBTRACT to key nonsense because its type is not LIST.";
    check_refused(&cluster, topic(), subtract, (ErrorKind::InvalidConfig, message));
}

#[test]
fn a_resource_changes_as_a_whole_or_not_at_all() {
    let cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    let change = ConfigChange::Increment(vec![
        step("retention.ms", OpType::Set, Some("1")),
        step("no.such.key", OpType::Set, Some("1")),
    ]);
    let message = "Unknown topic config name: no.such.key";
    check_refused(&cluster, topic(), change, (ErrorKind::InvalidConfig, message));
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    let invalid = |message| (ErrorKind::InvalidRequest, message);
    let twice = ConfigChange::Increment(vec![
        step("retention.ms", OpType::Set, Some("1")),
        step("retention.ms", OpType::Delete, None),
    ]);
    check_refused(&cluster, topic(), twice, invalid("Error due to duplicate config keys"));
    let null = ConfigChange::Increment(vec![step("retention.ms", OpType::Set, None)]);
    check_refused(&cluster, topic(), null, invalid("Null value not supported for : retention.ms"));
    let null = ConfigChange::Replace(vec![("retention.ms".to_owned(), None)]);
    check_refused(&cluster, topic(), null, invalid("Null value not supported for : retention.ms"));
    let missing = (ErrorKind::UnknownTopicOrPartition, "The topic 'u' does not exist.");
    check_refused(&cluster, ConfigResource::topic("u"), set("retention.ms", "1"), missing);
    let unnamed = invalid("Default topic resources are not allowed.");
    check_refused(&cluster, ConfigResource::topic(""), set("retention.ms", "1"), unnamed);
    let resource = AlterResource { resource: topic(), change: set("retention.ms", "1") };
    let request =
        AlterConfigs { received_by: NODE, resources: vec![resource.clone(), resource], validate_only: false };
    let outcome = alter_configs(&cluster.view(), &request);
    assert_eq!((outcome.records.len(), outcome.reply.len()), (0, 2));
    let error = outcome.reply[1].result.as_ref().expect_err("refused");
    assert_eq!(error.message, "Each resource must appear at most once.");
}

#[test]
fn validation_alone_changes_nothing() {
    let cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    let request = AlterConfigs {
        received_by: NODE,
        resources: vec![AlterResource { resource: topic(), change: set("retention.ms", "1") }],
        validate_only: true,
    };
    let outcome = alter_configs(&cluster.view(), &request);
    assert_eq!((outcome.reply[0].result.clone(), outcome.records.len()), (Ok(()), 0));
}

#[test]
fn a_brokers_keys_are_altered_through_itself() {
    let mut cluster = Cluster::new(2, "");
    let invalid = |message| (ErrorKind::InvalidRequest, message);
    let other = ConfigResource::broker(BrokerId(1));
    let message = "Unexpected broker id, expected 0, but received 1";
    check_refused(&cluster, other, set("log.cleaner.threads", "2"), invalid(message));
    let nonsense = ConfigResource { kind: ResourceKind::Broker, name: "x".to_owned() };
    let message = "Node id must be an integer, but it is: x";
    check_refused(&cluster, nonsense, set("log.cleaner.threads", "2"), invalid(message));
    let own = ConfigResource::broker(NODE);
    commit(&mut cluster, own.clone(), set("log.cleaner.threads", "2"));
    // Written again: brokers are to look at it anew (KAFKA-14136).
    assert_eq!(alter(&cluster, own.clone(), set("log.cleaner.threads", "2")).records.len(), 1);
    commit(&mut cluster, ConfigResource::cluster_default(), set("log.cleaner.threads", "3"));
    let append = ConfigChange::Increment(vec![step("log.cleaner.threads", OpType::Append, Some("1"))]);
    let message = "Config value append is not allowed for config key: log.cleaner.threads";
    check_refused(&cluster, own.clone(), append, (ErrorKind::InvalidConfig, message));
    let outcome = alter(&cluster, own, set("broker.id", "7"));
    let error = outcome.reply[0].result.as_ref().expect_err("needs a restart");
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.starts_with("Cannot update these configs dynamically"), "{error}");
}

#[test]
fn a_brokers_own_setting_wins_over_the_clusters() {
    let mut cluster = Cluster::new(2, "log.cleaner.threads=4\n");
    let threads = |cluster: &Cluster, node| {
        let (config, refused) = effective_broker_config(&cluster.image, &cluster.config, BrokerId(node));
        assert_eq!(refused, []);
        let entries = config.describe();
        let entry = entries.iter().find(|entry| entry.name == "log.cleaner.threads").expect("listed");
        (entry.value.clone().expect("set"), entry.source)
    };
    assert_eq!(threads(&cluster, 0), ("4".to_owned(), ConfigSource::StaticBroker));
    commit(&mut cluster, ConfigResource::cluster_default(), set("log.cleaner.threads", "3"));
    commit(&mut cluster, ConfigResource::broker(NODE), set("log.cleaner.threads", "2"));
    assert_eq!(threads(&cluster, 0), ("2".to_owned(), ConfigSource::DynamicBroker));
    assert_eq!(threads(&cluster, 1), ("3".to_owned(), ConfigSource::DynamicDefaultBroker));
}

#[test]
fn with_eligible_replicas_the_min_isr_is_the_clusters() {
    let mut cluster = Cluster::new(1, "");
    let feature =
        MetadataRecord::Feature { name: super::super::ELIGIBLE_LEADER_REPLICAS.to_owned(), level: 1 };
    cluster.commit(&[feature]);
    let invalid = |message| (ErrorKind::InvalidConfig, message);
    let message = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
    check_refused(&cluster, ConfigResource::broker(NODE), set(MIN_ISR, "2"), invalid(message));
    commit(&mut cluster, ConfigResource::cluster_default(), set(MIN_ISR, "2"));
    let message = "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.";
    let delete = ConfigChange::Increment(vec![step(MIN_ISR, OpType::Delete, None)]);
    check_refused(&cluster, ConfigResource::cluster_default(), delete, invalid(message));
}

#[test]
fn a_lower_min_isr_ends_eligibility_in_the_same_batch() {
    // With one replica enough, the leader commits what the eligible ones lack.
    let min_isr_of = |resource: &ConfigResource| {
        let mut cluster = Cluster::new(2, "min.insync.replicas=2\n").with_topic("t", 1, 2);
        let name = super::super::ELIGIBLE_LEADER_REPLICAS.to_owned();
        let topic = cluster.image.topics().by_name("t").expect("created").clone();
        let leader = topic.partitions[0].leader.expect("led");
        let other = *topic.partitions[0].replicas.iter().find(|id| **id != leader).expect("two replicas");
        let change = crate::image::PartitionChange {
            isr: Some([leader].into_iter().collect()),
            elr: Some([other].into_iter().collect()),
            ..Default::default()
        };
        let change = MetadataRecord::PartitionChange { topic: topic.id, index: 0, change };
        cluster.commit(&[MetadataRecord::Feature { name, level: 1 }, change]);
        let elr =
            |cluster: &Cluster| cluster.image.topics().by_name("t").expect("there").partitions[0].elr().len();
        commit(&mut cluster, resource.clone(), set(MIN_ISR, "3"));
        assert_eq!(elr(&cluster), 1, "a higher one is no danger");
        commit(&mut cluster, resource.clone(), set(MIN_ISR, "1"));
        assert_eq!(elr(&cluster), 0);
    };
    min_isr_of(&topic());
    min_isr_of(&ConfigResource::cluster_default());
}

#[test]
fn overlong_values_are_refused() {
    let cluster = Cluster::new(1, "").with_topic("t", 1, 1);
    let message =
        "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.";
    let value = "1".repeat(32_768);
    check_refused(&cluster, topic(), set("retention.ms", &value), (ErrorKind::InvalidConfig, message));
}

#[test]
fn groups_and_client_metrics_have_configurations() {
    let mut cluster = Cluster::new(1, "");
    let group = |name: &str| ConfigResource { kind: ResourceKind::Group, name: name.to_owned() };
    commit(&mut cluster, group("g"), set("consumer.session.timeout.ms", "50000"));
    let message = "Default group resources are not allowed.";
    check_refused(&cluster, group(""), set("a", "1"), (ErrorKind::InvalidRequest, message));
    let unknown = alter(&cluster, group("g"), set("no.such.key", "1"));
    assert_eq!(unknown.reply[0].result.as_ref().expect_err("refused").kind, ErrorKind::InvalidConfig);
    let metrics = |name: &str| ConfigResource { kind: ResourceKind::ClientMetrics, name: name.to_owned() };
    commit(&mut cluster, metrics("m"), set("interval.ms", "1000"));
    commit(&mut cluster, metrics("m"), set("match", "client_id=a.*,client_software_name=java"));
    let invalid = |message| (ErrorKind::InvalidRequest, message);
    let message = "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)";
    check_refused(&cluster, metrics("m"), set("interval.ms", "99"), invalid(message));
    let message = "Unknown client metrics configuration: interval";
    check_refused(&cluster, metrics("m"), set("interval", "1"), invalid(message));
    let message = "Illegal client matching pattern: color=red";
    check_refused(&cluster, metrics("m"), set("match", "color=red"), (ErrorKind::InvalidConfig, message));
    check_refused(&cluster, metrics(""), set("match", ""), invalid("Subscription name can't be empty"));
    let described = describe(&cluster, metrics("m"), None).expect("described");
    assert_eq!(described.len(), 2);
    assert_eq!(described[0].source, ConfigSource::ClientMetrics);
    let described = describe(&cluster, group("g"), Some(&["consumer.session.timeout.ms"]));
    let described = described.expect("described");
    assert_eq!((described.len(), described[0].source), (1, ConfigSource::Group));
}

fn describe(
    cluster: &Cluster,
    resource: ConfigResource,
    keys: Option<&[&str]>,
) -> Result<Vec<ConfigEntry>, ControllerError> {
    let keys = keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
    describe_configs(&cluster.view(), &DescribeConfigs { received_by: NODE, resource, keys })
}

#[test]
fn a_topic_is_described_with_its_own_values_over_the_brokers() {
    let mut cluster = Cluster::new(1, "log.segment.bytes=1234567\n").with_topic("t", 1, 1);
    commit(&mut cluster, topic(), set("retention.ms", "5"));
    let entries = describe(&cluster, topic(), None).expect("described");
    let find = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name).expect("listed");
        (entry.value.as_deref(), entry.source)
    };
    assert_eq!(find("retention.ms"), (Some("5"), ConfigSource::Topic));
    assert_eq!(find("segment.bytes"), (Some("1234567"), ConfigSource::StaticBroker));
    assert_eq!(find("cleanup.policy"), (Some("delete"), ConfigSource::Default));
    let one = describe(&cluster, topic(), Some(&["segment.bytes", "nonsense"])).expect("described");
    assert_eq!(one.len(), 1);
    let all = describe(&cluster, topic(), Some(&[])).expect("described");
    assert_eq!(all, entries, "an empty list asks for all");
}

#[test]
fn what_cannot_be_described_is_said() {
    let cluster = Cluster::new(1, "");
    let check = |resource: ConfigResource, kind: ErrorKind, message: &str| {
        let error = describe(&cluster, resource, None).expect_err("refused");
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    };
    let named = |kind, name: &str| ConfigResource { kind, name: name.to_owned() };
    let unknown = "This server does not host this topic-partition.";
    check(ConfigResource::topic("u"), ErrorKind::UnknownTopicOrPartition, unknown);
    let invalid = ErrorKind::InvalidRequest;
    let other = "Unexpected broker id, expected 0 or empty string, but received 4";
    check(ConfigResource::broker(BrokerId(4)), invalid, other);
    check(named(ResourceKind::Broker, "x"), invalid, "Broker id must be an integer, but it is: x");
    check(named(ResourceKind::Group, ""), invalid, "Group name must not be empty");
    let metrics = "Client metrics subscription name must not be empty";
    check(named(ResourceKind::ClientMetrics, ""), invalid, metrics);
    assert!(describe(&cluster, ConfigResource::broker(NODE), None).is_ok_and(|all| all.len() > 100));
    assert_eq!(describe(&cluster, ConfigResource::cluster_default(), None), Ok(Vec::new()));
}
