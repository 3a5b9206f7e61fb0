//! `rkafka console-consumer` and its relatives: the same command lines as the stock tools', on the same
//! broker.
//!
//! Compared are standard output, the exit code and the lines of standard error that a script could look at.
//! Intended differences are listed at the head of each command's `mod.rs`.

use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::wait::{self, PATIENCE};
use rustix::process::Signal;

fn node_with_orders() -> Node {
    let node = Node::start(&[]);
    let args = ["topics", "--bootstrap-server", &node.bootstrap(), "--create", "--topic", "orders"];
    let _ = rkafka(&args).success();
    let lines: String = (0..5).map(|number| format!("k{number}:订单信息!{number}\n")).collect();
    let args =
        ["-P", "-b", &node.bootstrap(), "-t", "orders", "-p", "0", "-K", ":", "-H", "来源=店", "-H", "n=1"];
    let _ = kcat(&args, &lines).success();
    node
}

/// What of standard error counts: how many messages, and the first line of a mistake in the options.
fn told(outcome: &Outcome) -> Vec<String> {
    let counts = outcome.stderr.lines().filter(|line| line.starts_with("Processed a total of"));
    let mistake = outcome.stderr.lines().next().filter(|_| !outcome.status.success());
    counts.chain(mistake).map(str::to_owned).collect()
}

/// Standard output without what the stock tool says of its own options.
fn shown(outcome: &Outcome) -> Vec<&str> {
    let is_advice =
        |line: &&str| line.contains("is deprecated and will be removed") || line.contains("(KIP-848)");
    outcome.stdout.lines().filter(|line| !is_advice(line)).collect()
}

#[test]
fn command_lines_of_the_stock_console_consumer() {
    let node = node_with_orders();
    let bootstrap = node.bootstrap();
    let from = ["--bootstrap-server", &bootstrap, "--topic", "orders", "--from-beginning"];
    let all = "--max-messages 5 --property print.key=true --property print.headers=true --property print.timestamp=true \
               --property print.partition=true --property print.offset=true";
    let table = [
        ("--max-messages 3", &from[..]),
        (all, &from[..]),
        (
            "--max-messages 2 --property print.key=true --property key.separator=| --property print.value=false",
            &from[..],
        ),
        ("--max-messages 1 --partition 0 --offset 3", &from[..4]),
        ("--max-messages 5 --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter", &from[..]),
        ("--timeout-ms 3000 --partition 0 --offset latest", &from[..4]),
        ("--offset 3", &from[..4]),
        ("--include x", &from[..]),
        ("--partition 0 --offset 1", &from[..]),
        ("--partition 0 --offset middle", &from[..4]),
        ("--partition 0 --group g", &from[..4]),
        ("--consumer-property group.id=a --group b", &from[..4]),
        ("--bogus", &from[..]),
    ];
    for (line, first) in table {
        let args: Vec<&str> = first.iter().copied().chain(line.split_whitespace()).collect();
        let stock = Stock::Kafka43.run(tool::console_consumer(Stock::Kafka43), &args);
        let ours = rkafka(&[&["console-consumer"][..], &args].concat());
        assert_eq!(shown(&ours), shown(&stock), "{line}\n{}\n{}", ours.stderr, stock.stderr);
        assert_eq!(ours.status.code(), stock.status.code(), "{line}\n{}\n{}", ours.stderr, stock.stderr);
        assert_eq!(told(&ours), told(&stock), "{line}");
    }
}

/// What is committed is what was shown, and the formatter of `__consumer_offsets` tells it as Kafka's does.
#[test]
fn commits_and_their_records() {
    let node = node_with_orders();
    let bootstrap = node.bootstrap();
    let from =
        ["console-consumer", "--bootstrap-server", &bootstrap, "--topic", "orders", "--from-beginning"];
    let three = [&from[..], &["--group", "g", "--max-messages", "3"]].concat();
    let first = rkafka(&three).success();
    assert_eq!(first.stdout.lines().collect::<Vec<_>>(), ["订单信息!0", "订单信息!1", "订单信息!2"]);
    let rest = rkafka(&[&from[..], &["--group", "g", "--max-messages", "2"]].concat()).success();
    assert_eq!(rest.stdout.lines().collect::<Vec<_>>(), ["订单信息!3", "订单信息!4"]);

    let args = ["--bootstrap-server", &bootstrap, "--topic", "__consumer_offsets", "--from-beginning"];
    let formatter = ["--formatter", "org.apache.kafka.tools.consumer.OffsetsMessageFormatter"];
    let args = [&args[..], &formatter, &["--timeout-ms", "10000"]].concat();
    let stock = Stock::Kafka43.run(tool::console_consumer(Stock::Kafka43), &args);
    let ours = rkafka(&[&["console-consumer"][..], &args].concat());
    let mut theirs: Vec<String> =
        shown(&stock).concat().replace("}{", "}\n{").lines().map(str::to_owned).collect();
    let mut ours: Vec<String> = ours.stdout.lines().map(str::to_owned).collect();
    theirs.sort();
    ours.sort();
    assert!(
        ours.iter().any(|line| line.contains("\"group\":\"g\"") && line.contains("\"offset\":5")),
        "{ours:?}"
    );
    assert_eq!(ours, theirs);
}

/// Ctrl-C ends it with the summary.
#[test]
fn an_interrupt() {
    let node = node_with_orders();
    let mut command = std::process::Command::new(rkafka_tests::build::rkafka());
    command.args(["console-consumer", "--bootstrap-server", &node.bootstrap(), "--topic", "orders"]);
    command.args(["--from-beginning", "--enable-systest-events"]);
    let process = Process::start(command);
    wait::until("five messages", || (process.stdout().lines().count() == 5).then_some(()));
    process.signal(Signal::INT);
    let outcome = process.finish(PATIENCE);
    assert_eq!(outcome.status.code(), Some(130));
    assert_eq!(outcome.stderr.lines().last(), Some("Processed a total of 5 messages"));
    assert_eq!(outcome.stdout.lines().last(), Some("shutdown_complete"));
}

#[test]
fn nobody_there() {
    let args = ["console-consumer", "--bootstrap-server", "127.0.0.1:1", "--topic", "orders"];
    let outcome = rkafka(&args);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.both().contains("127.0.0.1:1: connection refused"), "{}", outcome.both());
}

#[test]
fn measures_and_events() {
    let node = node_with_orders();
    let bootstrap = node.bootstrap();
    let args = ["--bootstrap-server", &bootstrap, "--topic", "orders"];
    let perf = [&["consumer-perf-test"][..], &args, &["--num-records", "5"]].concat();
    let outcome = rkafka(&perf).success();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg"));
    let fields: Vec<&str> = lines[1].split(", ").collect();
    assert_eq!((fields.len(), fields[4]), (10, "5"), "{}", lines[1]);

    let verifiable = ["verifiable-consumer", "--bootstrap-server", &bootstrap, "--topic", "orders"];
    let verifiable = [&verifiable[..], &["--group-id", "v", "--max-messages", "5", "--verbose"]].concat();
    let outcome = rkafka(&verifiable).success();
    let name = |line: &str| line.split("\"name\":\"").nth(1)?.split('"').next().map(str::to_owned);
    let mut names: Vec<String> = outcome.stdout.lines().filter_map(name).collect();
    names.dedup();
    let expected = [
        "startup_complete",
        "partitions_assigned",
        "record_data",
        "records_consumed",
        "offsets_committed",
        "partitions_revoked",
        "shutdown_complete",
    ];
    assert_eq!(names, expected, "{}", outcome.stdout);

    let latency = ["e2e-latency", &bootstrap, "latency", "20", "all", "100"];
    let outcome = rkafka(&latency).success();
    assert!(outcome.stdout.contains("Topic \"latency\" does not exist."), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\nAvg latency: ") && outcome.stdout.contains("\nPercentiles: 50th = "));
}
