//! `kafka-consumer-groups` of both generations, and the stock formatter of `__consumer_offsets`.

use rkafka_tests::java;
use rkafka_tests::node::Node;
use rkafka_tests::process::Outcome;
use rkafka_tests::stock::{Stock, tool};

use crate::orders;

/// A topic of 100 orders in one partition, all read and committed by the group `readers`.
fn node_with_group() -> Node {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let sent = java::run(Stock::Clients4, "OrderProducer", &[&bootstrap, "orders", "100"]).success();
    orders::check_complete(&orders::parse(&sent.stdout), 100);
    read(&node, 100);
    node
}

/// Reads so many orders as the group `readers`.
fn read(node: &Node, count: usize) {
    let bootstrap = node.bootstrap();
    let args = [&bootstrap, "orders", "readers", &count.to_string(), "auto.offset.reset=earliest"];
    let read = java::run(Stock::Clients4, "OrderConsumer", &args).success();
    assert_eq!(orders::parse(&read.stdout).len(), count);
}

fn groups(stock: Stock, node: &Node, args: &[&str]) -> Outcome {
    let bootstrap = node.bootstrap();
    stock.run(tool::consumer_groups(stock), &[&["--bootstrap-server", &bootstrap], args].concat())
}

/// Current offset, end offset and lag of the group's only partition.
fn progress(stock: Stock, node: &Node) -> Vec<i64> {
    let described = groups(stock, node, &["--describe", "--group", "readers"]).success();
    let row = described.stdout.lines().find(|line| line.contains("orders")).unwrap_or_default();
    let numbers: Vec<i64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.get(1..4).unwrap_or_else(|| panic!("no numbers in:\n{}", described.both())).to_vec()
}

fn check_tool(stock: Stock) {
    let node = node_with_group();
    let listed = groups(stock, &node, &["--list"]).success();
    assert!(listed.stdout.lines().any(|line| line.trim() == "readers"), "{}", listed.both());
    assert_eq!(progress(stock, &node), [100, 100, 0]);
    let state = groups(stock, &node, &["--describe", "--group", "readers", "--state"]).success();
    assert!(state.stdout.contains("Empty"), "{}", state.both());

    let reset = |how: &[&str]| {
        let args = ["--reset-offsets", "--group", "readers", "--topic", "orders"];
        groups(stock, &node, &[&args[..], how].concat()).success()
    };
    reset(&["--to-earliest", "--dry-run"]);
    assert_eq!(progress(stock, &node), [100, 100, 0], "a dry run changes nothing");
    reset(&["--to-earliest", "--execute"]);
    assert_eq!(progress(stock, &node), [0, 100, 100]);
    reset(&["--shift-by", "30", "--execute"]);
    assert_eq!(progress(stock, &node), [30, 100, 70]);
    reset(&["--to-datetime", "2000-01-01T00:00:00.000", "--execute"]);
    assert_eq!(progress(stock, &node), [0, 100, 100], "the first record after that time");
    reset(&["--to-offset", "40", "--execute"]);
    read(&node, 60);
    assert_eq!(progress(stock, &node), [100, 100, 0], "the group goes on where it was put");

    let deleted = groups(stock, &node, &["--delete", "--group", "readers"]).success();
    assert!(deleted.stdout.contains("was successful"), "{}", deleted.both());
    let listed = groups(stock, &node, &["--list"]).success();
    assert!(!listed.stdout.contains("readers"), "{}", listed.both());
    let again = groups(stock, &node, &["--delete", "--group", "readers"]);
    assert!(again.both().contains("GroupIdNotFoundException"), "{}", again.both());
}

#[test]
fn consumer_groups_2_2() {
    check_tool(Stock::Kafka22);
}

#[test]
fn consumer_groups_4_3() {
    check_tool(Stock::Kafka43);
}

/// Offsets of one topic are deleted, which 2.2 cannot do yet (KIP-496).
#[test]
fn delete_offsets() {
    let node = node_with_group();
    let args = ["--delete-offsets", "--group", "readers", "--topic", "orders"];
    let deleted = groups(Stock::Kafka43, &node, &args).success();
    assert!(deleted.stdout.contains("Successful"), "{}", deleted.both());
    read(&node, 100);
}

/// Only the formatter of 4.3: that of 2.2 knows no offset values of version 4, which 4.3 writes too.
#[test]
fn stock_formatter_prints_the_offsets_topic() {
    let stock = Stock::Kafka43;
    let node = node_with_group();
    let bootstrap = node.bootstrap();
    let formatter = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter";
    let args = ["--bootstrap-server", &bootstrap, "--topic", "__consumer_offsets", "--from-beginning"];
    // The timeout is how it ends, and is told as an error.
    let args = [&args[..], &["--formatter", formatter, "--timeout-ms", "8000"]].concat();
    let printed = stock.run(tool::console_consumer(stock), &args).both();
    let line = printed.lines().rfind(|line| line.contains(r#""group":"readers""#));
    let line = line.unwrap_or_else(|| panic!("no line of the group in:\n{printed}"));
    assert!(line.contains(r#""topic":"orders""#) && line.contains(r#""offset":100"#), "{line}");
}
