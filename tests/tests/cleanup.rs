//! Retention and compaction as stock clients see them.

use std::collections::BTreeMap;

use rkafka_tests::foreign;
use rkafka_tests::node::Node;
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::wait;

/// Cleans up as often as it can.
const EAGER: [(&str, &str); 5] = [
    ("log.retention.check.interval.ms", "200"),
    ("log.initial.task.delay.ms", "0"),
    ("log.cleaner.backoff.ms", "200"),
    ("log.cleaner.min.cleanable.ratio", "0.01"),
    ("log.segment.delete.delay.ms", "0"),
];

fn create(node: &Node, topic: &str, configs: &[&str]) {
    let bootstrap = node.bootstrap();
    let mut args = vec!["--bootstrap-server", &bootstrap, "--create", "--topic", topic];
    for config in configs {
        args.extend(["--config", config]);
    }
    let _ = Stock::Kafka43.run(tool::topics(Stock::Kafka43), &args).success();
}

/// The offset of the first (`-2`) or next (`-1`) record.
fn offset(stock: Stock, node: &Node, topic: &str, time: &str) -> i64 {
    let bootstrap = node.bootstrap();
    let servers = if stock == Stock::Kafka22 { "--broker-list" } else { "--bootstrap-server" };
    let args = [servers, &bootstrap, "--topic", topic, "--time", time];
    let printed = stock.run(tool::get_offsets(stock), &args).success();
    let last = printed.stdout.trim().rsplit(':').next().and_then(|number| number.parse().ok());
    last.unwrap_or_else(|| panic!("no offset in:\n{}", printed.both()))
}

fn read(node: &Node, topic: &str) -> Vec<(String, String)> {
    let bootstrap = node.bootstrap();
    let args = ["-b", &bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%k:%s\n"];
    let pair = |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.to_owned()));
    foreign::kcat(&args, "").success().stdout.lines().filter_map(pair).collect()
}

fn write(node: &Node, topic: &str, records: &str) {
    let _ = foreign::kcat(&["-b", &node.bootstrap(), "-P", "-t", topic, "-K:", "-Z"], records).success();
}

#[test]
fn records_are_retained_for_a_time() {
    let node = Node::start(&EAGER);
    create(&node, "brief", &["retention.ms=1500", "file.delete.delay.ms=0"]);
    write(&node, "brief", &(0..100).map(|i| format!("k{i}:v{i}\n")).collect::<String>());
    wait::until("the records to expire", || {
        (offset(Stock::Kafka43, &node, "brief", "-2") == 100).then_some(())
    });
    assert_eq!(offset(Stock::Kafka22, &node, "brief", "-2"), 100);
    assert_eq!(offset(Stock::Kafka43, &node, "brief", "-1"), 100, "offsets go on");
    assert_eq!(read(&node, "brief"), []);
    let log = node.data().join("brief-0/00000000000000000000.log");
    wait::until("the file to be deleted", || (!log.exists()).then_some(()));
}

#[test]
fn records_are_retained_up_to_a_size() {
    let node = Node::start(&EAGER);
    create(
        &node,
        "small",
        &["retention.bytes=2000000", "segment.bytes=1048576", "compression.type=producer"],
    );
    let value = "x".repeat(10_000);
    write(&node, "small", &(0..800).map(|i| format!("{i}:{value}\n")).collect::<String>());
    let start = wait::until("old segments to be deleted", || {
        Some(offset(Stock::Kafka43, &node, "small", "-2")).filter(|start| *start > 450)
    });
    let left = read(&node, "small");
    assert!(left.len() >= 200, "two megabytes are kept: {} records from {start}", left.len());
    assert_eq!(left.last().map(|(key, _)| key.as_str()), Some("799"));
}

#[test]
fn compaction_keeps_the_newest_value_of_a_key() {
    let node = Node::start(&EAGER);
    let configs = [
        "cleanup.policy=compact",
        "segment.ms=500",
        "delete.retention.ms=0",
        "min.cleanable.dirty.ratio=0.01",
    ];
    create(&node, "compacted", &configs);
    let rounds = |from: usize| -> String {
        (from..from + 50).flat_map(|round| (0..20).map(move |key| format!("key{key}:{round}\n"))).collect()
    };
    write(&node, "compacted", &rounds(0));
    // An empty value is a tombstone.
    write(&node, "compacted", "key3:\nkey4:\n");
    let expected: BTreeMap<String, String> = (0..20)
        .filter(|key| ![3, 4].contains(key))
        .map(|key| (format!("key{key}"), "49".to_owned()))
        .collect();
    wait::until("the log to be compacted", || {
        // A record now and then rolls the active segment, which is never compacted.
        write(&node, "compacted", "roll:now\n");
        let records = read(&node, "compacted");
        let kept: Vec<_> = records.iter().filter(|(key, _)| key != "roll").cloned().collect();
        (kept.len() == expected.len()).then(|| assert_eq!(BTreeMap::from_iter(kept), expected))
    });
    assert!(offset(Stock::Kafka43, &node, "compacted", "-1") > 1002, "offsets stay as they were");
}
