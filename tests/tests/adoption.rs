//! A data directory made by Apache Kafka 4.3, opened by rkafka: the same records, settings and groups.

use rkafka_tests::foreign;
use rkafka_tests::java;
use rkafka_tests::node::Node;
use rkafka_tests::stock::{Stock, tool};

use crate::orders;

/// Everything of `topic` as kcat prints it.
fn read_all(node: &Node, topic: &str) -> Vec<String> {
    let bootstrap = node.bootstrap();
    let format = "%p %o %T %k %h %s\n";
    let args = ["-b", &bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format];
    let mut lines: Vec<String> =
        foreign::kcat(&args, "").success().stdout.lines().map(str::to_owned).collect();
    // Partitions come in any order, their records do not.
    lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    lines
}

fn fill(node: &Node) {
    let bootstrap = node.bootstrap();
    let args = ["--bootstrap-server", &bootstrap, "--create", "--topic", "kept", "--partitions", "3"];
    let args =
        [&args[..], &["--config", "retention.ms=123456789", "--config", "segment.bytes=1048576"]].concat();
    let _ = Stock::Kafka43.run(tool::topics(Stock::Kafka43), &args).success();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let compression = format!("compression.type={codec}");
        let args = [&bootstrap, "kept", "5000", &compression, "enable.idempotence=true", "retries=9"];
        let _ = java::run(Stock::Clients4, "OrderProducer", &args).success();
    }
    let input: String = (0..50).map(|i| format!("key{i}:value{i}\n")).collect();
    let args = ["-b", &bootstrap, "-P", "-t", "keyed", "-K:", "-H", "name=value"];
    let _ = foreign::kcat(&args, &input).success();
    let args = [&bootstrap, "kept", "readers", "10000", "auto.offset.reset=earliest", "max.poll.records=100"];
    let _ = java::run(Stock::Clients4, "OrderConsumer", &args).success();
}

fn check(end: impl FnOnce(&mut Node)) {
    let mut apache = Node::start_apache(&[]);
    fill(&apache);
    let (kept, keyed) = (read_all(&apache, "kept"), read_all(&apache, "keyed"));
    assert_eq!((kept.len(), keyed.len()), (25_000, 50));
    let describe = |node: &Node| {
        let bootstrap = node.bootstrap();
        let args = ["--bootstrap-server", &bootstrap, "--describe", "--topic", "kept"];
        let described = Stock::Kafka43.run(tool::topics(Stock::Kafka43), &args).success().stdout;
        // Settings come in any order.
        let mut words: Vec<String> = described.split([' ', '\t', '\n', ',']).map(str::to_owned).collect();
        words.sort();
        words
    };
    let progress = |node: &Node| {
        let bootstrap = node.bootstrap();
        let args = ["--bootstrap-server", &bootstrap, "--describe", "--group", "readers"];
        let described = Stock::Kafka43.run(tool::consumer_groups(Stock::Kafka43), &args).success().stdout;
        let mut rows: Vec<String> =
            described.lines().filter(|line| line.contains("kept")).map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let (topic, group) = (describe(&apache), progress(&apache));
    assert!(topic.contains(&"retention.ms=123456789".to_owned()) && group.len() == 3, "{topic:?}\n{group:?}");
    end(&mut apache);

    let mut node = Node::start_in(apache.into_dir(), &[]);
    assert_eq!(read_all(&node, "kept"), kept);
    assert_eq!(read_all(&node, "keyed"), keyed);
    assert_eq!(describe(&node), topic, "id, settings and partitions");
    assert_eq!(progress(&node), group);

    // It goes on from there: new records, and the group reads just the rest.
    let bootstrap = node.bootstrap();
    let more = java::run(Stock::Kafka22, "OrderProducer", &[&bootstrap, "kept", "30"]).success();
    assert_eq!(orders::parse(&more.stdout).len(), 30);
    let args = [&bootstrap, "kept", "readers", "15000", "max.poll.records=100"];
    let rest = java::run(Stock::Clients4, "OrderConsumer", &args).success();
    assert!(orders::parse(&rest.stdout).len() >= 15_000);
    let _ = node.stop();
    node.restart();
    let again = read_all(&node, "kept");
    assert_eq!(again.len(), 25_030);
}

#[test]
fn after_a_clean_stop() {
    check(|apache| {
        let _ = apache.stop();
    });
}

#[test]
fn after_a_kill() {
    check(Node::kill);
}
