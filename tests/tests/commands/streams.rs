//! `streams-application-reset` and `replica-verification`.

use std::process::Command;

use rkafka_tests::build;
use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::Process;
use rkafka_tests::wait::{self, PATIENCE};
use rustix::process::Signal;

use super::compare::{Row, Sides, same, sorted};

const RESETS: &[Row] = &[
    same("--bootstrap-server {broker} --application-id shop"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics orders --dry-run"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics orders --to-offset 2"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics orders --shift-by 1"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics orders --shift-by -9"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics orders --to-latest"),
    sorted(
        "--bootstrap-server {broker} --application-id shop --input-topics orders --to-datetime 2000-01-01T00:00:00.000",
    ),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics orders --by-duration PT0S"),
    sorted(
        "--bootstrap-server {broker} --application-id shop --input-topics orders --from-file {files}/plan.csv",
    ),
    sorted("--bootstrap-server {broker} --application-id shop --intermediate-topics orders"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics nope,orders"),
    sorted("--bootstrap-server {broker} --application-id shop --input-topics nope"),
    same("--bootstrap-server {broker} --application-id shop --internal-topics orders"),
    same("--bootstrap-server {broker} --application-id store --dry-run"),
    same("--bootstrap-server {broker} --application-id store --internal-topics store-a-changelog"),
    same("--bootstrap-server {broker} --application-id store"),
    same("--bootstrap-server {broker} --application-id shop --to-earliest --to-latest"),
    same("--bootstrap-server {broker}"),
    same("--bootstrap-server {broker} --bogus"),
];

#[test]
fn resets_of_streams_applications() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    for node in &nodes {
        let bootstrap = node.bootstrap();
        for topic in ["orders", "store-a-changelog", "store-b-repartition", "store-orders"] {
            let args = ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", topic];
            let _ = rkafka(&args).success();
        }
        let _ = kcat(&["-P", "-b", &bootstrap, "-t", "orders"], "a\nb\nc\nd\n").success();
        std::fs::write(node.dir().join("plan.csv"), "orders,0,3\n").expect("a writable directory");
    }
    Sides::with_nodes(&nodes).check("streams-application-reset", RESETS);
    for node in &nodes {
        let listed = rkafka(&["topics", "--bootstrap-server", &node.bootstrap(), "--list"]).success();
        assert_eq!(listed.stdout, "__consumer_offsets\norders\nstore-orders\n");
        let args =
            ["consumer-groups", "--bootstrap-server", &node.bootstrap(), "--describe", "--group", "shop"];
        let described = rkafka(&args).success();
        // What the last reset that was carried out left: to the start.
        let line =
            described.stdout.lines().find(|line| line.contains("orders")).unwrap_or_default().to_owned();
        assert!(line.split_whitespace().any(|word| word == "0"), "{line}");
    }
}

/// It goes through what is there and says so at the end, which Ctrl-C asks for.
#[test]
fn replicas_are_compared() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let args = ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", "orders"];
    let _ = rkafka(&args).success();
    let _ = kcat(&["-P", "-b", &bootstrap, "-t", "orders"], "a\nb\nc\nd\n").success();
    let mut command = Command::new(build::rkafka());
    command.args(["replica-verification", "--broker-list", &bootstrap, "--topics-include", "orders"]);
    command.args(["--time", "-2", "--max-wait-ms", "10", "--report-interval-ms", "50"]);
    let process = Process::start(command);
    let report = "max lag is 0 for partition orders-0 at offset 4 among 1 partitions";
    wait::until("all is compared", || process.stdout().contains(report).then_some(()));
    process.signal(Signal::INT);
    let outcome = process.finish(PATIENCE);
    assert_eq!(outcome.status.code(), Some(130));
    assert!(
        outcome.stdout.lines().next().is_some_and(|line| line.ends_with(": verification process is started"))
    );
    assert!(outcome.stdout.lines().last().is_some_and(|line| line.ends_with(report)), "{}", outcome.stdout);
    let none = rkafka(&["replica-verification", "--broker-list", &bootstrap, "--topics-include", "nope"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        none.stderr.starts_with("No topics found: --topics-include nope fits none at "),
        "{}",
        none.stderr
    );
}
