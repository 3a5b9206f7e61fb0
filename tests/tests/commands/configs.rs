//! `configs`, and what `topics` shows of them.

use rkafka_tests::node::{Node, rkafka};

use super::compare::{Part, Row, Sides, differs, same, sorted};

const ROWS: &[Row] = &[
    same("--bootstrap-server {broker} --describe --entity-type topics --entity-name orders"),
    same(
        "--bootstrap-server {broker} --alter --topic orders --add-config retention.ms=5000,cleanup.policy=[compact,delete]",
    ),
    sorted("--bootstrap-server {broker} --describe --entity-type topics"),
    same("--bootstrap-server {broker} --describe --topic orders --all"),
    same("--bootstrap-server {broker} --alter --topic orders --delete-config retention.ms"),
    same("--bootstrap-server {broker} --alter --topic orders --delete-config retention.ms,foo"),
    same("--bootstrap-server {broker} --alter --topic orders --add-config-file {files}/add.properties"),
    same("--bootstrap-server {broker} --describe --topic orders"),
    same("--bootstrap-server {broker} --alter --topic orders --add-config foo=1"),
    same("--bootstrap-server {broker} --alter --topic orders --add-config retention.ms=x"),
    same("--bootstrap-server {broker} --alter --topic orders --add-config retention.ms"),
    same("--bootstrap-server {broker} --alter --topic orders --add-config a#=b"),
    same("--bootstrap-server {broker} --alter --topic nope --add-config retention.ms=1"),
    same("--bootstrap-server {broker} --alter --topic orders"),
    same("--bootstrap-server {broker} --describe --topic nope"),
    same("--bootstrap-server {broker} --describe --topic a#b"),
    same("--bootstrap-server {broker} --describe --entity-type brokers"),
    same("--bootstrap-server {broker} --alter --broker-defaults --add-config log.retention.ms=77777"),
    same("--bootstrap-server {broker} --describe --broker-defaults"),
    same("--bootstrap-server {broker} --alter --broker 1 --add-config log.retention.ms=66666"),
    same("--bootstrap-server {broker} --describe --broker 1"),
    same("--bootstrap-server {broker} --describe --entity-type brokers --entity-name 1 --all"),
    same("--bootstrap-server {broker} --alter --broker 1 --delete-config log.retention.ms"),
    same("--bootstrap-server {broker} --describe --broker 7"),
    same("--bootstrap-server {broker} --alter --broker 1 --add-config num.partitions=4"),
    same(
        "--bootstrap-server {broker} --alter --entity-type brokers --entity-default --delete-config log.retention.ms",
    ),
    same("--bootstrap-server {broker} --describe --entity-type broker-loggers --entity-name 1"),
    same("--bootstrap-server {broker} --describe --entity-type broker-loggers"),
    same("--bootstrap-server {broker} --describe --entity-type groups"),
    same("--bootstrap-server {broker} --alter --group g --add-config consumer.session.timeout.ms=50000"),
    same("--bootstrap-server {broker} --describe --entity-type groups"),
    same("--bootstrap-server {broker} --describe --group nobody"),
    same(
        "--bootstrap-server {broker} --alter --client-metrics m --add-config interval.ms=1000,metrics=[a.b,c]",
    ),
    same("--bootstrap-server {broker} --describe --entity-type client-metrics"),
    same("--bootstrap-server {broker} --describe --client-metrics n"),
    same("--bootstrap-server {broker} --describe --entity-type foo"),
    same("--bootstrap-server {broker} --describe"),
    same("--bootstrap-server {broker} --describe --alter"),
    same("--bootstrap-server {broker}"),
    same("--describe --entity-type topics"),
    same(""),
    same("--topic"),
    same("--bootstrap-server {broker} --alter --entity-type topics --add-config a=b"),
    same("--bootstrap-server {broker} --alter --entity-type topics --entity-default --add-config a=b"),
    same("--bootstrap-server {broker} --describe --entity-type topics --entity-name a --entity-name b"),
    same("--bootstrap-server {broker} --describe --entity-type topics --entity-default"),
    same("--bootstrap-server {broker} --describe --entity-type topics --topic a"),
    same("--bootstrap-server {broker} --describe --topic a --broker 1"),
    same("--bootstrap-server {broker} --describe --topic orders --add-config a=b"),
    same("--bootstrap-server {broker} --describe --topic orders --bogus"),
    same("--bootstrap-server {broker} --describe --broker x"),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --alter --topic orders --add-config-file {files}/nowhere",
        "the file that cannot be read is named",
    ),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --describe --entity-type users",
        "the broker serves no quotas: the stock tool ends with a stack trace, ours says so in a line",
    ),
];

#[test]
fn configs() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    for node in &nodes {
        let bootstrap = node.bootstrap();
        let args = ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", "orders"];
        let _ = rkafka(&args).success();
        std::fs::write(node.dir().join("add.properties"), "flush.messages=7\nsegment.bytes = 2000000\n")
            .expect("a writable directory");
    }
    Sides::with_nodes(&nodes).check("configs", ROWS);
}

/// On brokers that serve quotas and SCRAM credentials.
const QUOTAS: &[Row] = &[
    same("--bootstrap-server {broker} --describe --entity-type users"),
    same(
        "--bootstrap-server {broker} --alter --user alice --add-config producer_byte_rate=1024,consumer_byte_rate=1e7",
    ),
    same("--bootstrap-server {broker} --alter --user alice --client c --add-config request_percentage=12.5"),
    same("--bootstrap-server {broker} --alter --user-defaults --add-config producer_byte_rate=1"),
    same(
        "--bootstrap-server {broker} --alter --client-defaults --add-config controller_mutation_rate=0.0001",
    ),
    same(
        "--bootstrap-server {broker} --alter --entity-type users --entity-name bob --entity-type clients --entity-default --add-config consumer_byte_rate=7",
    ),
    same("--bootstrap-server {broker} --alter --ip 127.0.0.1 --add-config connection_creation_rate=3"),
    same("--bootstrap-server {broker} --alter --ip-defaults --add-config connection_creation_rate=4"),
    sorted("--bootstrap-server {broker} --describe --entity-type users"),
    sorted("--bootstrap-server {broker} --describe --user alice"),
    sorted("--bootstrap-server {broker} --describe --user-defaults"),
    sorted("--bootstrap-server {broker} --describe --user alice --client c"),
    sorted("--bootstrap-server {broker} --describe --entity-type users --entity-type clients"),
    sorted("--bootstrap-server {broker} --describe --entity-type clients --entity-default"),
    sorted("--bootstrap-server {broker} --describe --entity-type ips"),
    sorted("--bootstrap-server {broker} --describe --ip 127.0.0.1"),
    same("--bootstrap-server {broker} --describe --ip not.a.host.invalid"),
    same("--bootstrap-server {broker} --alter --user alice --delete-config producer_byte_rate"),
    same("--bootstrap-server {broker} --alter --user alice --delete-config producer_byte_rate"),
    same("--bootstrap-server {broker} --alter --user alice --add-config producer_byte_rate=fast"),
    same("--bootstrap-server {broker} --alter --ip 127.0.0.1 --add-config producer_byte_rate=1"),
    same("--bootstrap-server {broker} --alter --entity-type users --add-config producer_byte_rate=1"),
    same(
        "--bootstrap-server {broker} --alter --entity-type users --entity-type clients --entity-name a --add-config producer_byte_rate=1",
    ),
    same(
        "--bootstrap-server {broker} --alter --user alice --add-config SCRAM-SHA-256=[iterations=8192,password=p]",
    ),
    same("--bootstrap-server {broker} --alter --user alice --add-config SCRAM-SHA-512=[password=p]"),
    same(
        "--bootstrap-server {broker} --alter --user alice --add-config SCRAM-SHA-512=[iterations=1,password=p]",
    ),
    sorted("--bootstrap-server {broker} --describe --user alice"),
    sorted("--bootstrap-server {broker} --describe --entity-type users"),
    same("--bootstrap-server {broker} --alter --user alice --delete-config SCRAM-SHA-256"),
    same("--bootstrap-server {broker} --alter --user-defaults --add-config SCRAM-SHA-512=[password=p]"),
    same(
        "--bootstrap-server {broker} --alter --user alice --add-config SCRAM-SHA-512=[password=p],producer_byte_rate=1",
    ),
    sorted("--bootstrap-server {broker} --describe --user alice"),
];

#[test]
fn quotas_and_credentials() {
    let nodes = [(); 2].map(|()| Node::start_apache(&[]));
    Sides::with_nodes(&nodes).check("configs", QUOTAS);
}

/// The words of 2.2 where its `--zookeeper` is given, which Kafka 4 has not any more.
#[test]
fn configs_as_2_2() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let run = |args: &[&str]| rkafka(&[&["configs", "--zookeeper", &bootstrap], args].concat()).success();
    let args = ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", "orders"];
    let _ = rkafka(&args).success();
    let topic = ["--entity-type", "topics", "--entity-name", "orders"];
    let altered = run(&[&["--alter", "--add-config", "retention.ms=5000"], &topic[..]].concat());
    assert_eq!(altered.stdout, "Completed Updating config for entity: topic 'orders'.\n");
    let described = run(&[&["--describe"], &topic[..]].concat());
    assert_eq!(described.stdout, "Configs for topic 'orders' are retention.ms=5000\n");
}
