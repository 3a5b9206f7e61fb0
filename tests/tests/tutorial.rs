//! The commands of the tutorial, in its order, with the stock tools of both generations and with ours.

use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::wait;

/// Whose `kafka-topics` runs.
#[derive(Clone, Copy, Debug)]
enum Tools {
    Stock(Stock),
    Ours,
}

impl Tools {
    fn topics(self, args: &[&str]) -> Outcome {
        match self {
            Self::Stock(stock) => stock.run(tool::topics(stock), args),
            Self::Ours => rkafka(&[&["topics"], args].concat()),
        }
    }
}

fn check_topics(tools: Tools) {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let topics = |args: &[&str]| tools.topics(&[&["--bootstrap-server", &bootstrap], args].concat());

    let too_many = topics(&["--create", "--replication-factor", "2", "--partitions", "3", "--topic", "test"]);
    // Intended difference: the tutorial's text (Kafka 2.2 with ZooKeeper) instead of KRaft's.
    let text = if node.is_apache() {
        "Unable to replicate the partition 2 time(s)"
    } else {
        "Replication factor: 2 larger than available brokers: 1."
    };
    assert!(too_many.both().contains(text), "{}", too_many.both());
    let created =
        topics(&["--create", "--replication-factor", "1", "--partitions", "3", "--topic", "test"]).success();
    if !matches!(tools, Tools::Stock(Stock::Kafka22)) {
        // 2.2.0 prints nothing when it creates through a broker.
        assert_eq!(created.stdout.trim(), "Created topic test.");
    }
    let listed = topics(&["--list"]).success();
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), ["test"]);

    let described = topics(&["--describe", "--topic", "test"]).success();
    let lines: Vec<&str> = described.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "a summary and a line for each partition:\n{}", described.stdout);
    assert!(lines[0].contains("PartitionCount:") && lines[0].contains("3"), "{}", lines[0]);
    for (index, line) in lines[1..].iter().enumerate() {
        let squeezed: String = line.split_whitespace().collect();
        let start = format!("Topic:testPartition:{index}Leader:1Replicas:1Isr:1");
        assert!(squeezed.starts_with(&start), "{line}");
    }

    let _ = topics(&["--alter", "--topic", "test", "--partitions", "5"]).success();
    let described = topics(&["--describe", "--topic", "test"]).success();
    assert_eq!(described.stdout.lines().count(), 6);
    let fewer = topics(&["--alter", "--topic", "test", "--partitions", "2"]);
    assert!(
        fewer.both().contains("The topic test currently has 5 partition(s); 2 would not be an increase."),
        "{}",
        fewer.both()
    );

    let _ = topics(&["--delete", "--topic", "test"]).success();
    wait::until("the topic to be gone", || {
        topics(&["--list"]).success().stdout.trim().is_empty().then_some(())
    });
}

#[test]
fn topics_with_stock_2_2_tools() {
    check_topics(Tools::Stock(Stock::Kafka22));
}

#[test]
fn topics_with_stock_4_3_tools() {
    check_topics(Tools::Stock(Stock::Kafka43));
}

#[test]
fn topics_with_our_tools() {
    check_topics(Tools::Ours);
}

fn check_console(stock: Stock) {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let option = if stock == Stock::Kafka22 { "--broker-list" } else { "--bootstrap-server" };
    let input = "你好,世界\n订单信息!1\nplain\n";
    let produced =
        stock.run_with_input(tool::console_producer(stock), &[option, &bootstrap, "--topic", "test"], input);
    let _ = produced.success();

    let mut consumer = stock.java(tool::console_consumer(stock));
    consumer.args(["--bootstrap-server", &bootstrap, "--topic", "test", "--from-beginning"]);
    let consumer = Process::start(consumer);
    wait::until("three lines", || (consumer.stdout().lines().count() >= 3).then_some(()));
    assert_eq!(consumer.stdout(), input, "Chinese text byte for byte");
    // As Ctrl-C does; where SIGINT is ignored from outside (a job in the background), a JVM ignores it too.
    consumer.signal(rustix::process::Signal::TERM);
    let ended = consumer.finish(wait::PATIENCE);
    assert!(ended.both().contains("Processed a total of 3 messages"), "{}", ended.both());

    // The group of the console consumer is seen by the stock group tool.
    let args = ["--bootstrap-server", &bootstrap, "--topic", "test", "--group", "g", "--from-beginning"];
    let args = [&args[..], &["--max-messages", "3"]].concat();
    let _ = stock.run(tool::console_consumer(stock), &args).success();
    let args = ["--bootstrap-server", &bootstrap, "--describe", "--group", "g"];
    let described = stock.run(tool::consumer_groups(stock), &args).success();
    let row = described.stdout.lines().find(|line| line.contains("test")).unwrap_or_default();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert!(
        words.windows(3).any(|three| three == ["3", "3", "0"]),
        "offset, end and lag:\n{}",
        described.both()
    );
}

#[test]
fn console_tools_2_2() {
    check_console(Stock::Kafka22);
}

#[test]
fn console_tools_4_3() {
    check_console(Stock::Kafka43);
}
