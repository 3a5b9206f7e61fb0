//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs.

use rkafka_wire::messages::alter_configs_request as legacy;
use rkafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use rkafka_wire::messages::incremental_alter_configs_request as incremental;
use rkafka_wire::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
};

use super::check;
use super::requests::{make_topic, text};
use super::session::Session;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()))
}

fn describe(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default().with_resources(vec![resource(kind, name, keys)])
}

/// One change of a key.
fn change(name: &str, operation: i8, value: Option<&str>) -> incremental::AlterableConfig {
    incremental::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(text))
}

fn alter(kind: i8, name: &str, changes: Vec<incremental::AlterableConfig>) -> IncrementalAlterConfigsRequest {
    let resource = incremental::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

fn replace(kind: i8, name: &str, values: &[(&str, Option<&str>)]) -> AlterConfigsRequest {
    let config = |(name, value): &(&str, Option<&str>)| {
        legacy::AlterableConfig::default().with_name(text(name)).with_value(value.map(text))
    };
    let resource = legacy::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(values.iter().map(config).collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}

/// A key with the value to set, or none to unset it.
type Setting<'a> = (&'a str, Option<&'a str>);

/// Describes until the key has the value, since a change reaches the broker a moment after it is answered.
fn describe_settled(session: &mut Session, label: &str, kind: i8, name: &str, key: &str, value: &str) {
    let request = describe(kind, name, Some(&[key])).with_include_synonyms(true);
    session.settle(label, 4, &request, |answer| value_of(answer, key) == Some(value));
}

fn value_of<'a>(answer: &'a DescribeConfigsResponse, key: &str) -> Option<&'a str> {
    let found = answer.results.first()?.configs.iter().find(|config| &*config.name == key)?;
    found.value.as_ref().map(rkafka_wire::StrBytes::as_str)
}

#[test]
fn describe_topic_configs() {
    check("describe_topic_configs", |session| {
        make_topic(
            session,
            "configs-described",
            1,
            &[("retention.ms", "1234"), ("cleanup.policy", "compact")],
        );
        for version in 1..=4 {
            session.ask("all", version, &describe(TOPIC, "configs-described", None));
            let synonyms = describe(TOPIC, "configs-described", None).with_include_synonyms(true);
            session.ask("with synonyms", version, &synonyms);
            let keys: &[&str] = &["cleanup.policy", "retention.ms", "segment.bytes", "no.such.config"];
            session.ask("some", version, &describe(TOPIC, "configs-described", Some(keys)));
            session.ask("none", version, &describe(TOPIC, "configs-described", Some(&[])));
            session.ask("an absent topic", version, &describe(TOPIC, "configs-absent", None));
            session.ask("a bad name", version, &describe(TOPIC, "a b", None));
            session.ask("no name", version, &describe(TOPIC, "", None));
            for kind in [0, 1, 3, 99, -1] {
                session.ask(&format!("of type {kind}"), version, &describe(kind, "x", None));
            }
        }
    });
}

/// Documentation of the keys: its presence, since the words are each product's own.
#[test]
fn describe_documentation() {
    check("describe_documentation", |session| {
        make_topic(session, "configs-documented", 1, &[]);
        for (kind, name, keys) in [
            (TOPIC, "configs-documented", None),
            (BROKER, "1", Some(&["log.retention.hours", "num.network.threads"][..])),
        ] {
            let request = describe(kind, name, keys).with_include_documentation(true);
            for version in 3..=4 {
                let answer = session.arrange(version, &request);
                for config in &answer.results[0].configs {
                    let documented = config.documentation.as_ref().is_some_and(|text| !text.is_empty());
                    session.note(&format!("{}, version {version}", config.name.as_str()), documented);
                }
            }
        }
    });
}

const BROKER_KEYS: &[&str] = &[
    "advertised.listeners",
    "auto.create.topics.enable",
    "background.threads",
    "broker.id",
    "broker.rack",
    "compression.type",
    "connections.max.idle.ms",
    "default.replication.factor",
    "delete.topic.enable",
    "fetch.max.bytes",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "group.min.session.timeout.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.threads",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.message.timestamp.type",
    "log.retention.bytes",
    "log.retention.hours",
    "log.retention.minutes",
    "log.retention.ms",
    "log.roll.hours",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connections",
    "max.connections.per.ip",
    "message.max.bytes",
    "min.insync.replicas",
    "num.io.threads",
    "num.network.threads",
    "num.partitions",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "offsets.retention.minutes",
    "offsets.topic.num.partitions",
    "producer.id.expiration.ms",
    "queued.max.requests",
    "request.timeout.ms",
    "socket.receive.buffer.bytes",
    "socket.request.max.bytes",
    "ssl.keystore.password",
    "transaction.max.timeout.ms",
    "transactional.id.expiration.ms",
    "unclean.leader.election.enable",
];

#[test]
fn describe_broker_configs() {
    check("describe_broker_configs", |session| {
        for version in 1..=4 {
            let some = BROKER_KEYS.iter().filter(|key| **key != "advertised.listeners").copied();
            let some: Vec<&str> = some.collect();
            let request = describe(BROKER, "1", Some(&some)).with_include_synonyms(version % 2 == 0);
            session.ask("some", version, &request);
            session.ask("unknown keys", version, &describe(BROKER, "1", Some(&["no.such.config"])));
            session.ask("another broker", version, &describe(BROKER, "2", Some(&["num.io.threads"])));
            session.ask("no number", version, &describe(BROKER, "one", Some(&["num.io.threads"])));
            session.ask("the default of all brokers", version, &describe(BROKER, "", None));
        }
    });
}

#[test]
fn alter_topic_configs() {
    check("alter_topic_configs", |session| {
        let name = "configs-altered";
        make_topic(session, name, 1, &[("retention.ms", "1234")]);
        for version in 0..=1 {
            let bytes = format!("{}", 2_000_000 + i32::from(version));
            let set = alter(TOPIC, name, vec![change("segment.bytes", SET, Some(&bytes))]);
            session.ask("set", version, &set);
            describe_settled(session, "after set", TOPIC, name, "segment.bytes", &bytes);
            session.ask(
                "append",
                version,
                &alter(TOPIC, name, vec![change("cleanup.policy", APPEND, Some("compact"))]),
            );
            describe_settled(session, "after append", TOPIC, name, "cleanup.policy", "delete,compact");
            session.ask(
                "append again",
                version,
                &alter(TOPIC, name, vec![change("cleanup.policy", APPEND, Some("compact"))]),
            );
            describe_settled(session, "after append again", TOPIC, name, "cleanup.policy", "delete,compact");
            session.ask(
                "subtract",
                version,
                &alter(TOPIC, name, vec![change("cleanup.policy", SUBTRACT, Some("delete"))]),
            );
            describe_settled(session, "after subtract", TOPIC, name, "cleanup.policy", "compact");
            session.ask("delete", version, &alter(TOPIC, name, vec![change("cleanup.policy", DELETE, None)]));
            describe_settled(session, "after delete", TOPIC, name, "cleanup.policy", "delete");
            session.ask(
                "delete what is not set",
                version,
                &alter(TOPIC, name, vec![change("flush.ms", DELETE, None)]),
            );
            session.ask("nothing", version, &alter(TOPIC, name, vec![]));
            let dry = alter(TOPIC, name, vec![change("retention.ms", SET, Some("77"))]);
            session.ask("validated only", version, &dry.with_validate_only(true));
            describe_settled(session, "after validation", TOPIC, name, "retention.ms", "1234");
        }
    });
}

#[test]
fn alter_topic_configs_badly() {
    check("alter_topic_configs_badly", |session| {
        let name = "configs-altered-badly";
        make_topic(session, name, 1, &[]);
        let cases: [(&str, Vec<incremental::AlterableConfig>); 16] = [
            ("null", vec![change("retention.ms", SET, None)]),
            ("no number", vec![change("retention.ms", SET, Some("x"))]),
            ("out of range", vec![change("retention.ms", SET, Some("-2"))]),
            ("an unknown key", vec![change("no.such.config", SET, Some("1"))]),
            ("an unknown key deleted", vec![change("no.such.config", DELETE, None)]),
            ("an empty key", vec![change("", SET, Some("1"))]),
            (
                "one key twice",
                vec![change("retention.ms", SET, Some("1")), change("retention.ms", SET, Some("2"))],
            ),
            (
                "one key set and deleted",
                vec![change("retention.ms", SET, Some("1")), change("retention.ms", DELETE, None)],
            ),
            ("append to what is no list", vec![change("retention.ms", APPEND, Some("1"))]),
            ("subtract from what is no list", vec![change("retention.ms", SUBTRACT, Some("1"))]),
            ("append rubbish", vec![change("cleanup.policy", APPEND, Some("rubbish"))]),
            ("append nothing", vec![change("cleanup.policy", APPEND, None)]),
            ("subtract all", vec![change("cleanup.policy", SUBTRACT, Some("delete"))]),
            ("an unknown operation", vec![change("retention.ms", 7, Some("1"))]),
            ("a negative operation", vec![change("retention.ms", -1, Some("1"))]),
            (
                "a good one and a bad one",
                vec![change("retention.ms", SET, Some("5")), change("segment.ms", SET, Some("x"))],
            ),
        ];
        for (label, changes) in cases {
            for version in 0..=1 {
                session.ask(label, version, &alter(TOPIC, name, changes.clone()));
            }
        }
        let good = || vec![change("retention.ms", SET, Some("5"))];
        for version in 0..=1 {
            session.ask("an absent topic", version, &alter(TOPIC, "configs-absent", good()));
            session.ask("a bad name", version, &alter(TOPIC, "a b", good()));
            session.ask("no name", version, &alter(TOPIC, "", good()));
            for kind in [0, 1, 99] {
                session.ask(&format!("of type {kind}"), version, &alter(kind, "x", good()));
            }
            let mut twice = alter(TOPIC, name, good());
            twice.resources.extend(alter(TOPIC, name, good()).resources);
            session.ask("one resource twice", version, &twice);
            session.ask("no resource", version, &IncrementalAlterConfigsRequest::default());
            let mut mixed = alter(TOPIC, name, good());
            mixed.resources.extend(alter(TOPIC, "configs-absent", good()).resources);
            session.ask("a good resource and a bad one", version, &mixed.with_validate_only(true));
        }
        describe_settled(session, "nothing of it remains", TOPIC, name, "retention.ms", "604800000");
    });
}

#[test]
fn replace_topic_configs() {
    check("replace_topic_configs", |session| {
        let name = "configs-replaced";
        make_topic(session, name, 1, &[("retention.ms", "1234"), ("flush.ms", "9")]);
        for version in 0..=2 {
            let value = format!("{}", 4000 + i32::from(version));
            session.ask("replace", version, &replace(TOPIC, name, &[("retention.ms", Some(&value))]));
            describe_settled(session, "replaced", TOPIC, name, "retention.ms", &value);
            describe_settled(session, "gone", TOPIC, name, "flush.ms", "9223372036854775807");
            let cases: [(&str, &[Setting]); 4] = [
                ("null", &[("retention.ms", None)]),
                ("no number", &[("retention.ms", Some("x"))]),
                ("an unknown key", &[("no.such.config", Some("1"))]),
                ("one key twice", &[("retention.ms", Some("1")), ("retention.ms", Some("2"))]),
            ];
            for (label, values) in cases {
                session.ask(label, version, &replace(TOPIC, name, values).with_validate_only(true));
            }
            session.ask(
                "an absent topic",
                version,
                &replace(TOPIC, "configs-absent", &[("flush.ms", Some("1"))]),
            );
            session.ask("of type 99", version, &replace(99, name, &[("flush.ms", Some("1"))]));
        }
        session.ask("with nothing", 2, &replace(TOPIC, name, &[]));
        describe_settled(session, "nothing left", TOPIC, name, "retention.ms", "604800000");
    });
}

#[test]
fn alter_broker_configs() {
    check("alter_broker_configs", |session| {
        let cases: [(&str, &str, &str, &str); 11] = [
            ("of this broker", "1", "log.cleaner.threads", "2"),
            ("default of all", "", "log.retention.ms", "777777777"),
            ("read only", "1", "broker.id", "2"),
            ("read only, of all", "", "log.dirs", "/x"),
            ("of one broker only", "", "listeners", "PLAINTEXT://:1"),
            ("no number", "1", "num.io.threads", "x"),
            ("out of range", "1", "num.io.threads", "0"),
            ("an unknown key", "1", "no.such.config", "1"),
            ("an unknown broker", "7", "num.io.threads", "2"),
            ("no broker", "x", "num.io.threads", "2"),
            ("far too many", "1", "num.io.threads", "1000"),
        ];
        for (label, broker, key, value) in cases {
            let request = alter(BROKER, broker, vec![change(key, SET, Some(value))]);
            session.ask(label, 1, &request.with_validate_only(true));
        }
        session.ask(
            "default",
            1,
            &alter(BROKER, "", vec![change("message.max.bytes", SET, Some("2000000"))]),
        );
        describe_settled(session, "default seen", BROKER, "1", "message.max.bytes", "2000000");
        session.ask("own", 1, &alter(BROKER, "1", vec![change("message.max.bytes", SET, Some("3000000"))]));
        describe_settled(session, "own seen", BROKER, "1", "message.max.bytes", "3000000");
        session.ask("described default", 4, &describe(BROKER, "", Some(&["message.max.bytes"])));
        make_topic(session, "configs-inherits", 1, &[]);
        describe_settled(session, "inherited", TOPIC, "configs-inherits", "max.message.bytes", "3000000");
        session.ask("own deleted", 1, &alter(BROKER, "1", vec![change("message.max.bytes", DELETE, None)]));
        describe_settled(session, "default again", BROKER, "1", "message.max.bytes", "2000000");
        session.ask(
            "default deleted",
            1,
            &alter(BROKER, "", vec![change("message.max.bytes", DELETE, None)]),
        );
        describe_settled(session, "as at the start", BROKER, "1", "message.max.bytes", "1048588");
    });
}
