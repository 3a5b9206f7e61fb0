//! The scenarios: each runs on rkafka and on Apache Kafka in turn (A B A B …), so that a drifting machine hits both.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rkafka_tests::node::Node;
use rkafka_tests::process::Process;
use rkafka_tests::stock::{Stock, tool};

use crate::measure::{cpu, median, memory};
use crate::report::{self, Row};

const LIMIT: Duration = Duration::from_secs(600);

/// A way of producing.
struct Produce {
    record_bytes: u64,
    partitions: u32,
    acks: &'static str,
    batch_bytes: u32,
    linger_ms: u32,
}

impl Produce {
    fn name(&self) -> String {
        let Self { record_bytes, partitions, acks, batch_bytes, .. } = self;
        format!(
            "produce {record_bytes} B, {partitions} partitions, acks={acks}, {} KiB batches",
            batch_bytes / 1024
        )
    }
}

/// Runs the scenarios whose names contain `only` and prints the table.
pub(crate) fn run(megabytes: u64, only: &str, runs: usize) -> Result<()> {
    let mut rows = Vec::new();
    if "start".contains(only) {
        rows.extend(start(runs)?);
    }
    for produce in scenarios() {
        if produce.name().contains(only) {
            eprintln!("{} …", produce.name());
            rows.extend(produce_and_consume(&produce, megabytes, runs)?);
        }
    }
    if "latency".contains(only) {
        rows.extend(latency(runs)?);
    }
    report::print(&rows);
    Ok(())
}

fn scenarios() -> Vec<Produce> {
    let mut scenarios = Vec::new();
    for (batch_bytes, linger_ms) in [(16_384, 1), (262_144, 5)] {
        for record_bytes in [100, 1024] {
            for (partitions, acks) in [(1, "1"), (1, "all"), (12, "1"), (12, "all")] {
                scenarios.push(Produce { record_bytes, partitions, acks, batch_bytes, linger_ms });
            }
        }
    }
    scenarios
}

/// Alternates the two products; figures of one run each, turned into medians.
fn alternate<const N: usize>(
    runs: usize,
    mut one: impl FnMut(&mut Node) -> Result<[f64; N]>,
) -> Result<([f64; N], [f64; N])> {
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        for (index, figures) in figures.iter_mut().enumerate() {
            let mut node = if index == 0 { Node::start(&[]) } else { Node::start_apache(&[]) };
            figures.push(one(&mut node)?);
        }
    }
    let medians = figures
        .map(|runs| std::array::from_fn(|which| median(runs.iter().map(|figures| figures[which]).collect())));
    let [rkafka, apache] = medians;
    Ok((rkafka, apache))
}

fn produce_and_consume(produce: &Produce, megabytes: u64, runs: usize) -> Result<Vec<Row>> {
    let records = megabytes * 1_000_000 / produce.record_bytes;
    let gigabytes = megabytes as f64 / 1000.0;
    let (rkafka, apache) = alternate(runs, |node| {
        create_topic(node, produce.partitions);
        let pid = node.process().pid();
        let before = cpu(pid)?;
        let rate = run_producer(node, produce, records)?;
        let produced = cpu(pid)?;
        run_consumer(node, records)?;
        let consumed = cpu(pid)?;
        let used = memory(pid)?;
        Ok([
            (produced - before).as_secs_f64() / gigabytes,
            rate,
            (consumed - produced).as_secs_f64() / gigabytes,
            used.anonymous as f64 / 1e6,
            used.resident as f64 / 1e6,
        ])
    })?;
    let names = [
        (produce.name(), "broker CPU-s/GB"),
        (produce.name(), "MB/s"),
        (format!("… then consume, {} B", produce.record_bytes), "broker CPU-s/GB"),
        ("… then memory".to_owned(), "anonymous MB"),
        ("… then memory".to_owned(), "resident MB"),
    ];
    let rows = names.into_iter().zip(rkafka.into_iter().zip(apache));
    Ok(rows.map(|((scenario, unit), (rkafka, apache))| Row { scenario, unit, rkafka, apache }).collect())
}

fn create_topic(node: &Node, partitions: u32) {
    let partitions = partitions.to_string();
    let args =
        ["--bootstrap-server", &node.bootstrap(), "--create", "--topic", "race", "--partitions", &partitions];
    let _ = Stock::Kafka43.run(tool::topics(Stock::Kafka43), &args).success();
}

/// Megabytes a second, as the tool reports them.
fn run_producer(node: &Node, produce: &Produce, records: u64) -> Result<f64> {
    let mut java = Stock::Kafka43.java("org.apache.kafka.tools.ProducerPerformance");
    java.args(["--topic", "race", "--throughput", "-1"]);
    java.args(["--num-records", &records.to_string(), "--record-size", &produce.record_bytes.to_string()]);
    java.arg("--producer-props").arg(format!("bootstrap.servers={}", node.bootstrap()));
    java.arg(format!("acks={}", produce.acks)).arg("enable.idempotence=false");
    java.arg(format!("batch.size={}", produce.batch_bytes)).arg(format!("linger.ms={}", produce.linger_ms));
    let output = Process::run(java, "", LIMIT).success().stdout;
    let last =
        output.lines().rev().find(|line| line.contains("MB/sec")).context("the tool prints a summary")?;
    let rate = last.split('(').nth(1).and_then(|rest| rest.split_whitespace().next()).context("MB/sec")?;
    Ok(rate.parse()?)
}

fn run_consumer(node: &Node, records: u64) -> Result<()> {
    let mut java = Stock::Kafka43.java("org.apache.kafka.tools.ConsumerPerformance");
    java.args(["--bootstrap-server", &node.bootstrap(), "--topic", "race", "--timeout", "60000"]);
    java.args(["--messages", &records.to_string()]);
    let _ = Process::run(java, "", LIMIT).success();
    Ok(())
}

/// End-to-end latency, acks=all, 100 B, one record at a time.
fn latency(runs: usize) -> Result<Vec<Row>> {
    let (rkafka, apache) = alternate(runs, |node| {
        create_topic(node, 1);
        let mut java = Stock::Kafka43.java("org.apache.kafka.tools.EndToEndLatency");
        java.args(["--bootstrap-server", &node.bootstrap(), "--topic", "race", "--num-records", "10000"]);
        java.args(["--producer-acks", "all", "--record-size", "100"]);
        let output = Process::run(java, "", LIMIT).success().stdout;
        let percentile = |name: &str| -> Result<f64> {
            let line = output.lines().find(|line| line.contains("Percentiles")).context("percentiles")?;
            let value = line.split(name).nth(1).context("the percentile")?;
            let digits: String =
                value.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            Ok(digits.parse()?)
        };
        let average = output.lines().find(|line| line.contains("Avg latency")).context("the average")?;
        let average = average.split_whitespace().nth(2).context("a number")?.parse()?;
        Ok([average, percentile("50th = ")?, percentile("99th = ")?])
    })?;
    let units = ["average ms", "p50 ms", "p99 ms"];
    let rows = units.into_iter().zip(rkafka.into_iter().zip(apache));
    let scenario = "end to end, 100 B, acks=all";
    Ok(rows
        .map(|(unit, (rkafka, apache))| Row { scenario: scenario.to_owned(), unit, rkafka, apache })
        .collect())
}

/// From exec to the first accepted connection on empty data, and memory when idle.
fn start(runs: usize) -> Result<Vec<Row>> {
    let (rkafka, apache) = alternate(runs, |node| {
        let pid = node.process().pid();
        let idle = memory(pid)?;
        node.stop();
        let begin = Instant::now();
        node.restart();
        let address = node.bootstrap();
        TcpStream::connect(&address).with_context(|| address.clone())?;
        let restart = begin.elapsed();
        Ok([restart.as_secs_f64() * 1000.0, idle.anonymous as f64 / 1e6, idle.resident as f64 / 1e6])
    })?;
    let names = [("start", "ms"), ("idle", "anonymous MB"), ("idle", "resident MB")];
    let rows = names.into_iter().zip(rkafka.into_iter().zip(apache));
    Ok(rows
        .map(|((scenario, unit), (rkafka, apache))| Row {
            scenario: scenario.to_owned(),
            unit,
            rkafka,
            apache,
        })
        .collect())
}
