//! Nothing acknowledged is lost by a restart or a kill -9, and stock tools read the files that stay behind.

use rkafka_tests::foreign;
use rkafka_tests::java;
use rkafka_tests::node::Node;
use rkafka_tests::stock::{Stock, tool};

use crate::orders;

/// Reads everything of `topic` with kcat.
fn read_all(node: &Node, topic: &str) -> Vec<orders::Order> {
    let bootstrap = node.bootstrap();
    let args = ["-b", &bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %s\n"];
    orders::parse(&foreign::kcat(&args, "").success().stdout)
}

fn check_end(end: impl Fn(&mut Node)) {
    let mut node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let sent = java::run(Stock::Clients4, "OrderProducer", &[&bootstrap, "test", "1000"]).success();
    orders::check_complete(&orders::parse(&sent.stdout), 1000);
    let args = [&bootstrap, "test", "test", "600", "auto.offset.reset=earliest", "max.poll.records=600"];
    let first = java::run(Stock::Clients4, "OrderConsumer", &args).success();
    let first = orders::parse(&first.stdout);

    end(&mut node);
    node.restart();

    orders::check_complete(&read_all(&node, "test"), 1000);
    let left = (1000 - first.len()).to_string();
    if left != "0" {
        let args = [&bootstrap, "test", "test", &left, "auto.offset.reset=earliest"];
        let rest = java::run(Stock::Clients4, "OrderConsumer", &args).success();
        let all = [first, orders::parse(&rest.stdout)].concat();
        orders::check_complete(&all, 1000);
    }
    // The node writes on where it stopped.
    let more = java::run(Stock::Kafka22, "OrderProducer", &[&bootstrap, "test", "5"]).success();
    assert_eq!(orders::parse(&more.stdout)[0].offset, 1000);
}

#[test]
fn clean_restart() {
    check_end(|node| {
        let _ = node.stop();
    });
}

#[test]
fn kill_9() {
    check_end(Node::kill);
}

/// `DumpLogSegments` of both generations checks every batch and index of ours without a complaint.
#[test]
fn stock_dump_tool_reads_our_segments() {
    let mut node = Node::start(&[("log.segment.bytes", "1048576"), ("log.index.interval.bytes", "512")]);
    let bootstrap = node.bootstrap();
    for (client, codec, count) in [
        (Stock::Clients4, "none", "60000"),
        (Stock::Kafka22, "gzip", "1000"),
        (Stock::Clients4, "zstd", "1000"),
    ] {
        let compression = format!("compression.type={codec}");
        let args = [&bootstrap, "test", count, &compression, "batch.size=1000"];
        let _ = java::run(client, "OrderProducer", &args).success();
        if codec == "gzip" {
            // Files that recovery made anew are checked too.
            node.kill();
            node.restart();
        }
    }
    let _ = node.stop();
    let folder = node.data().join("test-0");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the partition has a folder")
        .map(|entry| entry.expect("readable").path().display().to_string())
        .filter(|path| [".log", ".index", ".timeindex", ".snapshot"].iter().any(|kind| path.ends_with(kind)))
        .collect();
    files.sort();
    assert!(files.len() > 6, "several segments: {files:?}");
    let files = files.join(",");
    let complaints =
        ["Mismatches", "non-consecutive", "isvalid: false", "xception", "Found timestamp mismatch"];
    for stock in [Stock::Kafka22, Stock::Kafka43] {
        // 2.2 compares index entries (the last offset of a batch) with the first offset at their position and
        // so finds fault even with the indexes of Apache Kafka 4.3; it gets the others, and all for the sanity check.
        let all = |file: &&str| stock != Stock::Kafka22 || !file.ends_with(".index");
        let comparable = files.split(',').filter(all).collect::<Vec<_>>().join(",");
        let checked = stock.run(tool::dump_log(stock), &["--files", &comparable]).success();
        for complaint in complaints {
            assert!(!checked.both().contains(complaint), "{complaint} in:\n{}", checked.both());
        }
        let sanity = stock.run(tool::dump_log(stock), &["--files", &files, "--index-sanity-check"]).success();
        assert!(!sanity.both().contains("xception"), "{}", sanity.both());
        let logs = files.split(',').filter(|file| file.ends_with(".log")).collect::<Vec<_>>().join(",");
        let printed = stock.run(tool::dump_log(stock), &["--files", &logs, "--print-data-log"]).success();
        assert!(printed.stdout.contains("订单信息!59999"), "the text is readable");
        assert!(!printed.both().contains("isvalid: false"), "every checksum holds");
    }
}
