//! The table against what Apache Kafka itself says: `golden/` was written down from Kafka 4.3.1 (its config
//! definitions, and DescribeConfigs answers and refusals of a running node) and from the definitions of Kafka
//! 2.2.0. Every difference that is meant stands here with its reason.

use std::collections::BTreeMap;

use rkafka_config::{
    BrokerConfig, ConfigEntry, ConfigSource, Default, DynamicLayer, GroupConfig, InvalidConfig, KeyDef,
    KeyType, OWN, Properties, Scope, TopicConfig, Value, keys,
};

const KEYS_4_3: &str = include_str!("golden/keys-4.3.1.tsv");
const KEYS_2_2: &str = include_str!("golden/keys-2.2.0.tsv");
const DESCRIBE: &str = include_str!("golden/describe-4.3.1.tsv");
const REFUSALS: &str = include_str!("golden/refusals-4.3.1.tsv");

/// Rows of a golden file, without its heading.
fn rows(golden: &str) -> impl Iterator<Item = Vec<&str>> {
    golden.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn scope(name: &str) -> Scope {
    match name {
        "broker" => Scope::Broker,
        "topic" => Scope::Topic,
        "group" => Scope::Group,
        other => panic!("unknown scope {other}"),
    }
}

fn known(scope_name: &str, name: &str) -> &'static KeyDef {
    keys::lookup(scope(scope_name), name).unwrap_or_else(|| panic!("{scope_name} key {name} is missing"))
}

/// A default as Kafka's definition prints it.
fn default_text(def: &KeyDef) -> String {
    match def.default_value() {
        Value::Null => "<null>".to_owned(),
        value => value.to_string(),
    }
}

#[test]
fn every_key_of_kafka_4_3_is_here_as_kafka_defines_it() {
    // Kafka has no default for these: it does not start without them. rkafka does, so they are null.
    const NOT_REQUIRED_HERE: [&str; 3] = ["controller.listener.names", "node.id", "process.roles"];
    let mut seen = 0;
    for row in rows(KEYS_4_3) {
        let [scope_name, name, kind, default, importance, mode, listed] = row[..] else {
            panic!("row {row:?}")
        };
        let def = known(scope_name, name);
        let expected_default = if NOT_REQUIRED_HERE.contains(&name) { "<null>" } else { default };
        assert_eq!(def.kind.name(), kind, "type of {name}");
        assert_eq!(default_text(def), expected_default, "default of {name}");
        assert_eq!(def.importance.name().to_uppercase(), importance, "importance of {name}");
        assert_eq!(def.is_listed(), listed == "listed", "listing of {name}");
        if mode != "-" {
            assert_eq!(def.update.name(), mode, "update mode of {name}");
        }
        seen += 1;
    }
    let current = [Scope::Broker, Scope::Topic, Scope::Group].map(|scope| {
        keys::of_scope(scope).iter().filter(|def| def.until.is_none() && def.since != OWN).count()
    });
    // `zookeeper.connect` and the other retired keys say until when they were Kafka's.
    assert_eq!(seen, current.iter().sum::<usize>(), "keys that Kafka 4.3 does not have need `until`");
}

#[test]
fn every_key_of_kafka_2_2_is_known_with_its_type() {
    // Types that later lines changed; both read the same texts.
    const CHANGED: [&str; 5] =
        ["advertised.listeners", "listeners", "log.dir", "log.dirs", "ssl.principal.mapping.rules"];
    for row in rows(KEYS_2_2) {
        let [scope_name, name, kind] = row[..] else { panic!("row {row:?}") };
        let def = known(scope_name, name);
        if !CHANGED.contains(&name) {
            assert_eq!(def.kind.name(), kind, "type of {name}");
        }
    }
}

#[test]
fn every_default_is_valid_and_every_synonym_exists() {
    for def in [Scope::Broker, Scope::Topic, Scope::Group].into_iter().flat_map(keys::of_scope) {
        if let Default::Text(text) = def.default {
            assert_eq!(def.parse(text).map(|value| value.to_string()), Ok(default_text(def)), "{}", def.name);
        }
        assert!(def.doc().ends_with('.') && def.doc().len() > 10, "doc of {}: {:?}", def.name, def.doc());
        if let Some(synonym) = def.broker_synonym {
            known("broker", synonym);
        }
    }
}

/// The node that the golden answers were taken from.
fn golden_broker() -> BrokerConfig {
    let file = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:39093\n\
                listeners=PLAINTEXT://127.0.0.1:39092,CONTROLLER://127.0.0.1:39093\n\
                controller.listener.names=CONTROLLER\nlog.dirs=/var/lib/kafka\n\
                offsets.topic.replication.factor=1\nlog.roll.hours=100\nlog.retention.minutes=5000\n\
                my.plugin.key=x\nssl.keystore.password=abc\n";
    let file = Properties::parse("server.properties", file.as_bytes()).expect("well-formed");
    let (broker, notices) = BrokerConfig::from_properties(&file, &[]).expect("valid");
    assert_eq!(notices.len(), 2, "{notices:?}");
    broker
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn golden_broker_after_updates() -> BrokerConfig {
    let defaults = [
        ("log.retention.ms", "7777777"),
        ("message.max.bytes", "2000000"),
        ("my.other", "1"),
        ("min.insync.replicas", "1"),
    ];
    let own = [
        ("message.max.bytes", "3000000"),
        ("log.roll.ms", "88888888"),
        ("leader.replication.throttled.rate", "1000"),
    ];
    let (broker, refused) = golden_broker().with_dynamic(DynamicLayer::ClusterDefault, settings(&defaults));
    assert_eq!(refused, []);
    let (broker, refused) = broker.with_dynamic(DynamicLayer::ThisBroker, settings(&own));
    assert_eq!(refused, []);
    broker
}

/// An entry as the golden file has it.
fn line(resource: &str, entry: &ConfigEntry) -> String {
    let source = |source: ConfigSource| match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER",
        ConfigSource::StaticBroker => "STATIC_BROKER",
        ConfigSource::Default => "DEFAULT",
        ConfigSource::Group => "DYNAMIC_GROUP",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS",
    };
    let shown = |value: &Option<String>| value.clone().unwrap_or("null".to_owned());
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|one| format!("{}:{}={}", source(one.source), one.name, shown(&one.value)))
        .collect();
    [
        resource,
        &entry.name,
        &shown(&entry.value),
        &format!("{}_CONFIG", source(entry.source)),
        entry.kind.map_or("UNKNOWN", KeyType::name),
        if entry.is_read_only { "ro" } else { "rw" },
        if entry.is_sensitive { "secret" } else { "" },
        &synonyms.join(" "),
    ]
    .join("\t")
}

fn check_describe(resource: &str, entries: &[ConfigEntry]) {
    let expected: Vec<String> =
        rows(DESCRIBE).filter(|row| row[0] == resource).map(|row| row.join("\t")).collect();
    let actual: Vec<String> = entries.iter().map(|entry| line(resource, entry)).collect();
    assert!(!expected.is_empty());
    for (actual, expected) in actual.iter().zip(&expected) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.len(), expected.len(), "{resource}");
}

#[test]
fn describe_configs_answers_as_kafka_does() {
    let before = golden_broker()
        .with_dynamic(DynamicLayer::ClusterDefault, settings(&[("min.insync.replicas", "1")]))
        .0;
    let own =
        [("retention.ms", "1000"), ("cleanup.policy", " compact , delete "), ("compression.type", "zstd")];
    check_describe("TOPIC/t1", &TopicConfig::new(own, &before).expect("valid").describe());

    let after = golden_broker_after_updates();
    let nothing: [(&str, &str); 0] = [];
    check_describe("TOPIC/t0", &TopicConfig::new(nothing, &after).expect("valid").describe());
    check_describe("BROKER/1", &after.describe());
    check_describe("BROKER/", &after.describe_cluster_default());
    let own = [("consumer.session.timeout.ms", "50000")];
    check_describe("GROUP/g", &GroupConfig::new(own, &after).expect("valid").describe());
}

/// Why rkafka answers otherwise than Kafka 4.3.1, if it is meant to.
fn intended_difference(name: &str, value: &str) -> Option<&'static str> {
    match (name, value) {
        (
            "message.format.version"
            | "message.downconversion.enable"
            | "message.timestamp.difference.max.ms",
            _,
        ) => Some("topics of 2.2 bring them along; the first two have no effect, the third has"),
        ("min.cleanable.dirty.ratio", "NaN") => Some("no ratio"),
        ("retention.ms", "１２") => Some("digits are ASCII digits"),
        ("num.io.threads", "1") | ("log.cleaner.threads", "9") => Some("threads change without steps"),
        ("principal.builder.class" | "metric.reporters", "x.Y" | "x") => Some("no Java class is loaded"),
        ("min.insync.replicas", "2") => {
            Some("depends on a feature of the cluster, which the controller knows")
        }
        ("listeners", _) => Some("a changed listener waits for a restart"),
        _ => None,
    }
}

#[test]
fn refusals_have_kafkas_words() {
    for row in rows(REFUSALS) {
        let [what, name, value, expected] = row[..] else { panic!("row {row:?}") };
        let after = golden_broker_after_updates();
        let change = |layer: DynamicLayer| {
            let mut next = after.dynamic_settings(layer).clone();
            next.insert(name.to_owned(), value.to_owned());
            after.validate_dynamic(layer, &next)
        };
        let verdict: Result<(), InvalidConfig> = match what {
            "topic" => TopicConfig::new([(name, value)], &after).map(drop),
            "group" => GroupConfig::new([(name, value)], &after).map(drop),
            "broker" => change(DynamicLayer::ThisBroker),
            "default" => change(DynamicLayer::ClusterDefault),
            other => panic!("unknown resource {other}"),
        };
        let actual = verdict.map_or_else(|error| error.to_string(), |()| "OK".to_owned());
        match intended_difference(name, value) {
            None => assert_eq!(actual, expected, "{what} {name}={value}"),
            Some(_) if what == "default" => {}
            Some(reason) => assert_ne!(actual, expected, "{what} {name}={value} no longer differs: {reason}"),
        }
    }
}
