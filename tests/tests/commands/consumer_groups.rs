//! `consumer-groups`: groups with members, without, and that do not exist.

use std::process::Command;

use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::Process;
use rkafka_tests::wait;

use super::compare::{Part, Row, Sides, differs, same, sorted};

const ROWS: &[Row] = &[
    sorted("--bootstrap-server {broker} --list"),
    sorted("--bootstrap-server {broker} --list --state --type"),
    same("--bootstrap-server {broker} --list --state stable"),
    same("--bootstrap-server {broker} --list --state foo"),
    sorted("--bootstrap-server {broker} --list --type classic"),
    same("--bootstrap-server {broker} --list --type foo"),
    sorted("--bootstrap-server {broker} --describe --group live"),
    sorted("--bootstrap-server {broker} --describe --group live --verbose"),
    sorted("--bootstrap-server {broker} --describe --group live --members"),
    sorted("--bootstrap-server {broker} --describe --group live --members --verbose"),
    same("--bootstrap-server {broker} --describe --group live --state"),
    same("--bootstrap-server {broker} --describe --group live --state --verbose"),
    same("--bootstrap-server {broker} --describe --group live --state --members"),
    sorted("--bootstrap-server {broker} --describe --group live --offsets --timeout 9000"),
    same("--bootstrap-server {broker} --describe --all-groups --state"),
    sorted("--bootstrap-server {broker} --describe --group old"),
    same("--bootstrap-server {broker} --describe --group old --members"),
    same("--bootstrap-server {broker} --describe --group old --members --verbose"),
    same("--bootstrap-server {broker} --describe --group old --state"),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --describe --group nobody",
        "the error is told once, without a stack trace",
    ),
    same("--bootstrap-server {broker} --describe"),
    same("--bootstrap-server {broker} --list --describe"),
    same("--bootstrap-server {broker} --list --members"),
    same("--bootstrap-server {broker} --list --group a"),
    same("--bootstrap-server {broker} --delete"),
    same("--bootstrap-server {broker} --delete --group live"),
    same("--bootstrap-server {broker} --delete --group live --topic a"),
    same("--bootstrap-server {broker} --delete-offsets --group live"),
    same("--bootstrap-server {broker} --delete-offsets --group live --topic orders"),
    same("--bootstrap-server {broker} --delete-offsets --group nobody --topic orders"),
    same("--bootstrap-server {broker} --delete-offsets --group old --topic nope"),
    same("--bootstrap-server {broker}"),
    same("--bootstrap-server {broker} --foo"),
    same("--list"),
    same(""),
    same("--validate-regex foo.*"),
    same("--bootstrap-server {broker} --validate-regex foo.*"),
    differs(Part::Out, "--bootstrap-server {broker} --validate-regex foo(", "Rust's words for what is wrong"),
];

const RESETS: &[Row] = &[
    same("--bootstrap-server {broker} --reset-offsets --group live --topic orders --to-earliest --execute"),
    same(
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders --to-earliest --execute --dry-run",
    ),
    same("--bootstrap-server {broker} --reset-offsets --topic orders --to-earliest --execute"),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --to-latest --execute"),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders --execute"),
    sorted("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders --to-earliest"),
    sorted(
        "--bootstrap-server {broker} --reset-offsets --group g9 --group g8 --topic orders --to-latest --execute",
    ),
    sorted("--bootstrap-server {broker} --reset-offsets --group g9 --all-topics --to-earliest --execute"),
    same(
        "--bootstrap-server {broker} --reset-offsets --group g9 --all-topics --to-earliest --to-latest --execute",
    ),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --shift-by 5 --execute"),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --shift-by -50 --execute"),
    same("--bootstrap-server {broker} --reset-offsets --group g7 --topic orders:1 --shift-by 1 --execute"),
    sorted(
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:0,1 --to-offset 3 --execute",
    ),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --to-current --dry-run"),
    same(
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --to-datetime 2020-01-01T00:00:00.000 --dry-run",
    ),
    same(
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --to-datetime 2099-01-01T00:00:00.000+0800 --dry-run",
    ),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --to-datetime 2020-01-01 --dry-run",
        "the error is told once, without a stack trace",
    ),
    same(
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --by-duration PT1H --dry-run",
    ),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:1 --by-duration foo --dry-run",
        "the error is told once, without a stack trace",
    ),
    sorted("--bootstrap-server {broker} --reset-offsets --group g9 --from-file {files}/plan.csv --dry-run"),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --reset-offsets --group g9 --from-file {files}/nowhere.csv --dry-run",
        "the error is told once, without a stack trace",
    ),
    sorted(
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders --to-earliest --export --dry-run",
    ),
    sorted(
        "--bootstrap-server {broker} --reset-offsets --group g9 --group g8 --topic orders --to-earliest --export --dry-run",
    ),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:x --to-earliest --dry-run"),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic orders:7 --to-earliest --dry-run"),
    same("--bootstrap-server {broker} --reset-offsets --group g9 --topic nope --to-earliest --dry-run"),
    differs(
        Part::All,
        "--bootstrap-server {broker} --reset-offsets --group g9 --topic orders --to-offset x --dry-run",
        "a value that is no number is a mistake on the command line: standard error, exit code 1",
    ),
    sorted("--bootstrap-server {broker} --reset-offsets --all-groups --topic orders --to-latest --dry-run"),
    same("--bootstrap-server {broker} --delete-offsets --group g9 --topic orders:1"),
    sorted("--bootstrap-server {broker} --delete --group g9 --group nobody"),
    same("--bootstrap-server {broker} --delete --group g8"),
];

/// Two consumers, one of them static.
fn members(node: &Node) -> [Process; 2] {
    let bootstrap = node.bootstrap();
    let start = |settings: &[&str]| {
        let mut command = Command::new("kcat");
        command.args(["-C", "-b", &bootstrap, "-G", "live"]).args(settings).arg("orders");
        Process::start(command)
    };
    [start(&["-X", "client.id=one"]), start(&["-X", "client.id=two", "-X", "group.instance.id=static-1"])]
}

/// Whether the group has both members and an offset.
fn is_settled(node: &Node) -> bool {
    let bootstrap = node.bootstrap();
    let describe = |more: &[&str]| {
        let args = ["consumer-groups", "--bootstrap-server", &bootstrap, "--describe", "--group", "live"];
        rkafka(&[&args[..], more].concat()).stdout
    };
    let state = describe(&["--state"]);
    let is_stable = state.lines().any(|line| line.contains("Stable") && line.trim_end().ends_with('2'));
    is_stable && describe(&[]).lines().any(|line| line.contains("orders") && line.contains(" 5 "))
}

#[test]
fn consumer_groups() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    let mut running = Vec::new();
    for node in &nodes {
        let bootstrap = node.bootstrap();
        let create = ["--create", "--topic", "orders", "--partitions", "2"];
        let _ = rkafka(&[&["topics", "--bootstrap-server", &bootstrap], &create[..]].concat()).success();
        for partition in ["0", "1"] {
            let args = ["-P", "-b", &bootstrap, "-t", "orders", "-p", partition];
            let _ = kcat(&args, "1\n2\n3\n4\n5\n").success();
        }
        let reset =
            ["consumer-groups", "--bootstrap-server", &bootstrap, "--reset-offsets", "--topic", "orders"];
        let old = ["--group", "old", "--group", "live", "--to-offset", "5", "--execute"];
        let _ = rkafka(&[&reset[..], &old].concat()).success();
        std::fs::write(node.dir().join("plan.csv"), "orders,0,1\norders,1,2\n")
            .expect("a writable directory");
        running.push(members(node));
    }
    for node in &nodes {
        wait::until("two members and their offsets", || is_settled(node).then_some(()));
    }
    let mut sides = Sides::with_nodes(&nodes);
    sides.check("consumer-groups", ROWS);
    sides.check("consumer-groups", RESETS);
}
