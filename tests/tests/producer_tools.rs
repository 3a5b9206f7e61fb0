//! The commands that produce, and the stock ones with the same arguments: what they print, and what is
//! stored.

use std::process::Command;
use std::time::Duration;

use rkafka_tests::build;
use rkafka_tests::foreign;
use rkafka_tests::node::Node;
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::stock::{Stock, tool};

fn rkafka(args: &[&str], input: &str) -> Outcome {
    let mut command = Command::new(build::rkafka());
    command.args(args);
    Process::run(command, input, Duration::from_secs(60))
}

fn kcat(node: &Node, topic: &str, format: &str) -> String {
    let bootstrap = node.bootstrap();
    let args = ["-b", &bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format];
    foreign::kcat(&args, "").success().stdout
}

/// One command line of the console producer, run by the stock tool and by ours: the same is stored and
/// printed, with the same exit code. Of errors the first line counts: stock tools print a stack after it.
fn check_console(node: &Node, stock: Stock, name: &str, args: &[&str], input: &str) {
    let bootstrap = node.bootstrap();
    let (theirs, ours) = (format!("{name}-theirs"), format!("{name}-ours"));
    let to = |topic: &str| {
        let server = if stock == Stock::Kafka22 { "--broker-list" } else { "--bootstrap-server" };
        let mut all = vec![server.to_owned(), bootstrap.clone(), "--topic".to_owned(), topic.to_owned()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        all
    };
    let (to_theirs, to_ours) = (to(&theirs), to(&ours));
    let to_theirs: Vec<&str> = to_theirs.iter().map(String::as_str).collect();
    let expected = stock.run_with_input(tool::console_producer(stock), &to_theirs, input);
    let mut all = vec!["console-producer"];
    all.extend(to_ours.iter().map(String::as_str));
    let found = rkafka(&all, input);
    assert_eq!(found.status.code(), expected.status.code(), "{name}: {} {}", found.both(), expected.both());
    let first_error = |outcome: &Outcome| {
        let line = outcome.stderr.lines().find(|line| !line.starts_with('[')).unwrap_or_default().to_owned();
        line.trim_start_matches("org.apache.kafka.common.KafkaException: ").to_owned()
    };
    assert_eq!(first_error(&found), first_error(&expected), "{name}");
    if stock != Stock::Kafka22 {
        assert_eq!(found.stdout, expected.stdout, "{name}");
    }
    let format = "%K %k %S %s %h\n";
    assert_eq!(kcat(node, &ours, format), kcat(node, &theirs, format), "{name}");
}

#[test]
fn console_producer_as_that_of_4_3() {
    let node = Node::start(&[]);
    let lines = "订单信息!0\n\nk:v\r\nlast without end";
    check_console(&node, Stock::Kafka43, "plain", &[], lines);
    let keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:", "--sync"];
    check_console(&node, Stock::Kafka43, "keyed", &keyed, "k:v\n:w\nk:x:y\n");
    check_console(&node, Stock::Kafka43, "unkeyed", &keyed, "k:v\nnone\nk:w\n");
    let full = [
        "--property",
        "parse.key=true",
        "--property",
        "parse.headers=true",
        "--property",
        "null.marker=NIL",
        "--compression-codec",
        "zstd",
    ];
    check_console(&node, Stock::Kafka43, "full", &full, "h:v,i:w\tk\tv\nNIL\tNIL\tNIL\nh:NIL\tk\tv\n");
    check_console(&node, Stock::Kafka43, "unheaded", &full, "h:v\tk\tv\nbad\tk\tv\n");
}

#[test]
fn console_producer_as_that_of_2_2() {
    let node = Node::start(&[]);
    let keyed = ["--property", "parse.key=true", "--property", "ignore.error=true", "--compression-codec"];
    check_console(&node, Stock::Kafka22, "old", &keyed, "k\tv\nnone\n");
}

#[test]
fn console_producers_mistakes() {
    let check = |args: &[&str], expected: &str| {
        let outcome = rkafka(&[&["console-producer"], args].concat(), "x\n");
        assert_eq!(outcome.status.code(), Some(1), "{args:?}");
        assert_eq!(outcome.stderr.lines().next(), Some(expected), "{args:?}");
    };
    check(&["--broker-list", "localhost:1"], "Missing required argument \"[topic]\"");
    check(&["--topic", "t"], "Missing required argument \"[bootstrap-server]\"");
    let refused = "cannot reach a Kafka broker: 127.0.0.1:1: connection refused, nothing listens there";
    check(&["--topic", "t", "--bootstrap-server", "127.0.0.1:1"], refused);
    let codec = "compression.type=lzma: String must be one of: none, gzip, snappy, lz4, zstd";
    check(&["--topic", "t", "--bootstrap-server", "a:1", "--compression-codec", "lzma"], codec);
    check(
        &["--topic", "t", "--bootstrap-servr", "a:1"],
        "bootstrap-servr is not a recognized option (did you mean --bootstrap-server?)",
    );
}

#[test]
fn performance_test() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let args = ["producer-perf-test", "--topic", "perf", "--num-records", "20000", "--record-size", "100"];
    let more = [
        "--throughput",
        "-1",
        "--bootstrap-server",
        &bootstrap,
        "--command-property",
        "linger.ms=1",
        "acks=1",
    ];
    let outcome = rkafka(&[&args[..], &more].concat(), "").success();
    let line = outcome.stdout.lines().last().expect("a summary");
    assert!(line.starts_with("20000 records sent, ") && line.ends_with(" ms 99.9th."), "{line}");
    assert_eq!(kcat(&node, "perf", "%S\n").lines().filter(|size| *size == "100").count(), 20_000);
    let monotonic = ["producer-perf-test", "--topic", "numbers", "--num-records", "3", "--payload-monotonic"];
    let _ = rkafka(&[&monotonic[..], &more].concat(), "").success();
    assert_eq!(kcat(&node, "numbers", "%s "), "0 1 2 ");
}

#[test]
fn verifiable_producer() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let args = [
        "--topic",
        "verified",
        "--max-messages",
        "3",
        "--value-prefix",
        "7",
        "--bootstrap-server",
        &bootstrap,
    ];
    let outcome = rkafka(&[&["verifiable-producer"], &args[..]].concat(), "").success();
    // Times differ from run to run.
    let timeless = |line: &str| match line.split_once(",\"name\"") {
        Some((_, rest)) => rest.split(",\"avg_throughput\"").next().unwrap_or_default().to_owned(),
        None => line.to_owned(),
    };
    let stored = |number: i64| {
        format!(
            ":\"producer_send_success\",\"key\":null,\"value\":\"7.{number}\",\"offset\":{number},\"topic\":\"verified\",\
             \"partition\":0}}"
        )
    };
    let expected = [
        ":\"startup_complete\"}".to_owned(),
        stored(0),
        stored(1),
        stored(2),
        ":\"shutdown_complete\"}".to_owned(),
        ":\"tool_data\",\"sent\":3,\"acked\":3,\"target_throughput\":-1".to_owned(),
    ];
    assert_eq!(outcome.stdout.lines().map(timeless).collect::<Vec<_>>(), expected);
}
