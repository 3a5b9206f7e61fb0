//! The tools of Kafka 2.2: every option of theirs is known, and where the output of 4.3 is the same, so is ours. What
//! differs is what 4.x changed; its words count (docs/commands.md has the list).

use std::collections::BTreeSet;

use regex::Regex;
use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};

use super::compare::{Part, Row, Sides, differs, same};

const COMMANDS: [&str; 14] = [
    "broker-api-versions",
    "configs",
    "console-consumer",
    "console-producer",
    "consumer-groups",
    "consumer-perf-test",
    "delete-records",
    "dump-log",
    "get-offsets",
    "log-dirs",
    "reassign-partitions",
    "replica-verification",
    "streams-application-reset",
    "topics",
];

#[test]
fn every_option_is_known() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    let mut sides = Sides::as_2_2(&nodes);
    let option = Regex::new(r"(?m)^(?:\* )?--([a-z][a-z.-]+)").expect("a sound pattern");
    let mut unknown = Vec::new();
    let mut count = 0;
    for command in COMMANDS {
        let help = sides.stock_help(command);
        let options: BTreeSet<&str> = option
            .captures_iter(&help)
            .filter_map(|found| found.get(1))
            .map(|found| found.as_str())
            .collect();
        count += options.len();
        for option in options.into_iter().filter(|option| *option != "help") {
            // The option stands alone: whatever else is missing, the option itself must be known.
            let told = rkafka(&[command, &format!("--{option}")]).stderr;
            if told.contains("is not a recognized option") {
                unknown.push(format!("{command} --{option}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(count > 150, "only {count} options were found in the help of 2.2");
}

const TOPICS: &[Row] = &[
    differs(
        Part::Out,
        "--bootstrap-server {broker} --create --topic a --partitions 2 --replication-factor 1",
        "4.x says what was made",
    ),
    differs(
        Part::All,
        "--bootstrap-server {broker} --create --topic a --partitions 2 --replication-factor 1",
        "4.x leaves the check to the broker, and tells its words",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --create --topic b --replica-assignment 1,1",
        "4.x says what was made",
    ),
    same("--bootstrap-server {broker} --list"),
    same("--bootstrap-server {broker} --list --topic a|b --exclude-internal"),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --describe --topic a",
        "4.x shows ids and eligible leader replicas",
    ),
    same("--bootstrap-server {broker} --describe --under-replicated-partitions"),
    same("--bootstrap-server {broker} --describe --unavailable-partitions"),
    same("--bootstrap-server {broker} --describe --topics-with-overrides"),
    differs(
        Part::All,
        "--bootstrap-server {broker} --describe --topic nope",
        "4.x ends with 1 for a topic that is not there",
    ),
    same("--bootstrap-server {broker} --alter --topic a --partitions 3"),
    differs(
        Part::All,
        "--bootstrap-server {broker} --alter --topic a --partitions 1",
        "4.x tells the broker's words without the exception's class",
    ),
    same("--bootstrap-server {broker} --delete --topic a"),
    differs(Part::All, "--bootstrap-server {broker} --delete --topic nope", "4.x names the topic"),
    same("--bootstrap-server {broker} --create"),
    same("--bootstrap-server {broker} --list --describe"),
    same("--bootstrap-server {broker} --list --bogus"),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --create --topic c --partitions x",
        "4.x takes the cluster's replication factor where none is given, and looks at the number",
    ),
    differs(Part::Err, "--list", "4.x knows no ZooKeeper"),
    same(""),
];

const GROUPS: &[Row] = &[
    same("--bootstrap-server {broker} --list"),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --describe --group g",
        "4.x takes several groups and shows which one",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --describe --group g --members",
        "4.x takes several groups and shows which one",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --describe --group g --members --verbose",
        "4.x takes several groups and shows which one",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --describe --group g --state",
        "4.x takes several groups and shows which one",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --describe --group nobody",
        "4.x tells the broker's words",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --reset-offsets --group g --topic orders --to-offset 2 --dry-run",
        "4.x takes several groups and shows which one",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --reset-offsets --group g --topic orders:0 --shift-by -1 --execute",
        "4.x takes several groups and shows which one",
    ),
    same("--bootstrap-server {broker} --reset-offsets --group g --all-topics --to-latest --export --dry-run"),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --reset-offsets --group g --topic orders",
        "4.x says when the way without --dry-run ends",
    ),
    differs(
        Part::Out,
        "--bootstrap-server {broker} --delete --group nobody",
        "4.x has an empty line and no ExecutionException before the reason",
    ),
    same("--bootstrap-server {broker} --delete --group g"),
    same("--bootstrap-server {broker} --list --bogus"),
    differs(Part::Err, "--bootstrap-server {broker} --describe", "4.x takes --all-groups, too"),
    same("--list"),
    same(""),
];

const OFFSETS: &[Row] = &[
    same("--broker-list {broker} --topic orders"),
    same("--broker-list {broker} --topic orders --time -2"),
    same("--broker-list {broker} --topic orders --time -1 --offsets 1 --max-wait-ms 1000"),
    same("--broker-list {broker} --topic orders --time 0 --partitions 0"),
    differs(
        Part::Err,
        "--broker-list {broker} --topic orders --partitions 7",
        "4.x has one text for everything that fits no partition",
    ),
    differs(
        Part::Err,
        "--broker-list {broker} --topic nope",
        "4.x has one text for everything that fits no partition",
    ),
    differs(Part::All, "--broker-list {broker}", "4.x shows all topics without --topic"),
    differs(Part::Err, "--topic orders", "4.x names --bootstrap-server"),
];

const OTHERS: &[(&str, &[Row])] = &[
    (
        "delete-records",
        &[
            same("--bootstrap-server {broker} --offset-json-file {files}/offsets.json"),
            same("--bootstrap-server {broker}"),
        ],
    ),
    (
        "log-dirs",
        &[
            differs(
                Part::Out,
                "--bootstrap-server {broker} --describe --topic-list orders",
                "4.x writes the fields of the JSON in another order",
            ),
            differs(
                Part::All,
                "--bootstrap-server {broker} --describe --broker-list 7",
                "4.x names the brokers that are not there at once; 2.2 waits for them",
            ),
        ],
    ),
    (
        "configs",
        &[
            differs(
                Part::Out,
                "--bootstrap-server {broker} --entity-type brokers --entity-default --alter --add-config log.retention.ms=77777",
                "4.x writes the sentence anew",
            ),
            differs(
                Part::Out,
                "--bootstrap-server {broker} --entity-type brokers --entity-default --describe",
                "4.x writes the sentence anew",
            ),
            differs(
                Part::Out,
                "--bootstrap-server {broker} --entity-type brokers --entity-name 1 --alter --add-config log.retention.ms=66666",
                "4.x writes the sentence anew",
            ),
            differs(
                Part::Out,
                "--bootstrap-server {broker} --entity-type brokers --entity-name 1 --describe",
                "4.x says that these are the dynamic ones",
            ),
            differs(
                Part::Out,
                "--bootstrap-server {broker} --entity-type brokers --entity-name 1 --alter --delete-config log.retention.ms",
                "4.x writes the sentence anew",
            ),
        ],
    ),
    (
        "broker-api-versions",
        &[differs(Part::Out, "--bootstrap-server {broker}", "4.x names requests that 2.2 does not know")],
    ),
];

/// Brokers with a topic of five messages and a group that has read three of them.
fn nodes() -> [Node; 2] {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    for node in &nodes {
        let bootstrap = node.bootstrap();
        let server = ["--bootstrap-server", &bootstrap];
        let _ = rkafka(&[&["topics"], &server[..], &["--create", "--topic", "orders"]].concat()).success();
        let _ = kcat(&["-P", "-b", &bootstrap, "-t", "orders"], "a\nb\nc\nd\ne\n").success();
        let reset = ["--reset-offsets", "--group", "g", "--topic", "orders", "--to-offset", "3", "--execute"];
        let _ = rkafka(&[&["consumer-groups"], &server[..], &reset].concat()).success();
        let json = r#"{"partitions": [{"topic": "orders", "partition": 0, "offset": 1}], "version": 1}"#;
        std::fs::write(node.dir().join("offsets.json"), json).expect("a writable directory");
    }
    nodes
}

#[test]
fn topics() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    Sides::as_2_2(&nodes).check("topics", TOPICS);
}

#[test]
fn groups_and_offsets() {
    let nodes = nodes();
    let mut sides = Sides::as_2_2(&nodes);
    sides.check("get-offsets", OFFSETS);
    sides.check("consumer-groups", GROUPS);
}

#[test]
fn others() {
    let nodes = nodes();
    let mut sides = Sides::as_2_2(&nodes);
    for (command, rows) in OTHERS {
        sides.check(command, rows);
    }
}
