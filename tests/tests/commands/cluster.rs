//! `get-offsets`, `delete-records`, `log-dirs`, `broker-api-versions`, `cluster`, `leader-election`, `groups` and
//! `topics`.

use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};

use super::compare::{Part, Row, Sides, differs, same, sorted};

const GET_OFFSETS: &[Row] = &[
    same("--bootstrap-server {broker}"),
    same("--bootstrap-server {broker} --topic orders"),
    same("--bootstrap-server {broker} --topic orders --time earliest"),
    same("--bootstrap-server {broker} --topic orders --time -3"),
    same("--bootstrap-server {broker} --topic orders --time 99999999999999"),
    same("--bootstrap-server {broker} --topic orders --time 5 --partitions 1"),
    same("--bootstrap-server {broker} --topic orders --time foo"),
    same("--bootstrap-server {broker} --topic nope"),
    same("--bootstrap-server {broker} --topic-partitions orders:0-1,nope"),
    same("--bootstrap-server {broker} --topic-partitions orders:1-,orders:-1"),
    same("--bootstrap-server {broker} --topic orders --partitions 0,x"),
    same("--bootstrap-server {broker} --topic orders --topic-partitions orders"),
    same("--bootstrap-server {broker} --exclude-internal-topics"),
    same("--bootstrap-server {broker} --topic orders --time latest-tiered"),
    differs(
        Part::All,
        "--bootstrap-server {broker} --topic orders --time earliest-pending-upload",
        "rkafka's client does not know version 11 of ListOffsets yet, and says that the version is not supported",
    ),
    same("--topic orders"),
    same("--foo"),
    same(""),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --topic-partitions orders:a",
        "the Java class of the error is left out",
    ),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --topic or[",
        "it says what is wrong with the expression",
    ),
];

const DELETE_RECORDS: &[Row] = &[
    same("--bootstrap-server {broker} --offset-json-file {files}/some.json"),
    differs(
        Part::Err,
        "--bootstrap-server {broker} --offset-json-file {files}/far.json",
        "Java's client logs the error as well",
    ),
    same("--bootstrap-server {broker} --offset-json-file {files}/twice.json"),
    same("--bootstrap-server {broker} --offset-json-file {files}/cut.json"),
    same("--bootstrap-server {broker} --offset-json-file {files}/incomplete.json"),
    same("--bootstrap-server {broker} --offset-json-file {files}/empty.json"),
    same("--bootstrap-server {broker} --offset-json-file {files}/nowhere.json"),
    same("--bootstrap-server {broker}"),
    same(""),
];

const LOG_DIRS: &[Row] = &[
    same("--bootstrap-server {broker} --describe --topic-list orders --broker-list 1"),
    same("--bootstrap-server {broker} --describe --topic-list orders --broker-list 1,2"),
    same("--bootstrap-server {broker} --describe --topic-list nope"),
    same("--bootstrap-server {broker} --describe --broker-list x"),
    same("--bootstrap-server {broker}"),
    same(""),
];

const CLUSTER: &[Row] = &[
    same("cluster-id --bootstrap-server {broker}"),
    differs(
        Part::Err,
        "unregister --bootstrap-server {broker} --id 7",
        "a line of the stock client's log comes before the same words",
    ),
    same("list-endpoints --bootstrap-server {broker}"),
    same("list-endpoints --bootstrap-server {broker} --include-fenced-brokers"),
];

const LEADER_ELECTION: &[Row] = &[
    same("--bootstrap-server {broker} --election-type preferred --all-topic-partitions"),
    same("--bootstrap-server {broker} --election-type preferred --topic orders --partition 0"),
    same("--bootstrap-server {broker} --election-type unclean --topic orders --partition 0"),
    same("--bootstrap-server {broker} --election-type preferred --topic orders"),
    same("--bootstrap-server {broker} --election-type preferred --topic orders --partition 9"),
    same("--bootstrap-server {broker} --election-type foo --all-topic-partitions"),
    same("--bootstrap-server {broker} --path-to-json-file {files}/one.json --election-type PREFERRED"),
    same("--bootstrap-server {broker} --path-to-json-file {files}/empty.json --election-type PREFERRED"),
    same("--bootstrap-server {broker} --path-to-json-file {files}/nowhere.json --election-type PREFERRED"),
    same("--bootstrap-server {broker} --election-type PREFERRED"),
    same("--bootstrap-server {broker}"),
    same(
        "--bootstrap-server {broker} --all-topic-partitions --topic a --partition 1 --election-type PREFERRED",
    ),
    same("--all-topic-partitions --election-type PREFERRED"),
];

const GROUPS: &[Row] = &[
    sorted("--bootstrap-server {broker} --list"),
    same("--bootstrap-server {broker} --list --group-type classic"),
    same("--bootstrap-server {broker} --list --consumer"),
    same("--bootstrap-server {broker} --list --share"),
    same("--bootstrap-server {broker} --list --streams"),
    same("--bootstrap-server {broker} --list --protocol consumer"),
    same("--bootstrap-server {broker} --list --group-type foo"),
    same("--bootstrap-server {broker} --list --group-type consumer --consumer"),
    same("--bootstrap-server {broker}"),
    same("--list"),
];

const TOPICS: &[Row] = &[
    same("--bootstrap-server {broker} --list"),
    same("--bootstrap-server {broker} --create --topic a.b --partitions 2"),
    same("--bootstrap-server {broker} --create --topic a.b"),
    same("--bootstrap-server {broker} --create --topic a.b --if-not-exists"),
    same("--bootstrap-server {broker} --alter --topic a.b --partitions 1"),
    same("--bootstrap-server {broker} --alter --topic nope --partitions 1"),
    same("--bootstrap-server {broker} --delete --topic nope"),
    same("--bootstrap-server {broker} --delete --topic a.b"),
    same("--bootstrap-server {broker} --delete"),
    same("--bootstrap-server {broker} --list --describe"),
    same("--list"),
];

const FILES: &[(&str, &str)] = &[
    ("some.json", r#"{"partitions":[{"topic":"orders","partition":1,"offset":3}],"version":1}"#),
    ("far.json", r#"{"partitions":[{"topic":"orders","partition":1,"offset":999}]}"#),
    (
        "twice.json",
        r#"{"partitions":[{"topic":"orders","partition":1,"offset":3},{"topic":"orders","partition":1,"offset":4}]}"#,
    ),
    ("cut.json", r#"{"partitions":[{"topic":"#),
    ("incomplete.json", r#"{"partitions":[{"topic":"orders","partition":1}],"version":1}"#),
    ("empty.json", r#"{"version":1}"#),
    ("one.json", r#"{"partitions":[{"topic":"orders","partition":1}]}"#),
];

fn prepare(node: &Node) {
    let bootstrap = node.bootstrap();
    let args =
        ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", "orders", "--partitions", "2"];
    let _ = rkafka(&args).success();
    let _ = kcat(&["-P", "-b", &bootstrap, "-t", "orders", "-p", "1"], "1\n2\n3\n4\n5\n").success();
    let reset =
        ["consumer-groups", "--bootstrap-server", &bootstrap, "--reset-offsets", "--group", "readers"];
    let _ = rkafka(&[&reset[..], &["--topic", "orders", "--to-latest", "--execute"]].concat()).success();
    for (name, text) in FILES {
        std::fs::write(node.dir().join(name), text).expect("a writable directory");
    }
}

#[test]
fn offsets_records_elections_and_the_cluster() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    nodes.iter().for_each(prepare);
    let mut sides = Sides::with_nodes(&nodes);
    sides.check("get-offsets", GET_OFFSETS);
    sides.check("delete-records", DELETE_RECORDS);
    sides.check("log-dirs", LOG_DIRS);
    sides.check("cluster", CLUSTER);
    sides.check("leader-election", LEADER_ELECTION);
    sides.check("groups", GROUPS);
    sides.check("topics", TOPICS);
    let rows = [
        differs(Part::Out, "--bootstrap-server {broker}", "usable is what rkafka's own client knows"),
        same(""),
    ];
    sides.check("broker-api-versions", &rows);
}
