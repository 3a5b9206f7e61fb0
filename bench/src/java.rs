//! The stock performance tools of Apache Kafka 4.3, with the options that their scripts give the JVM.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rkafka_tests::process::Process;
use rkafka_tests::stock::Stock;

use crate::broker::Broker;

/// The heap and collector of `kafka-run-class.sh`; the producer's tool sets a larger heap itself.
const TOOL_JVM: &[&str] = &["-Xmx512M", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];

const LIMIT: Duration = Duration::from_secs(600);

/// A way of producing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Produce<'a> {
    pub(crate) topic: &'a str,
    pub(crate) record_bytes: u64,
    pub(crate) records: u64,
    pub(crate) acks: &'a str,
    pub(crate) batch_bytes: u32,
    pub(crate) linger_ms: u32,
    /// Records a second, or as many as go.
    pub(crate) rate: Option<u32>,
    /// `compression.type`.
    pub(crate) compression: &'a str,
}

/// What the producer's tool says at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Produced {
    pub(crate) megabytes_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// Requests that the producer sent.
    pub(crate) requests: f64,
}

/// `ProducerPerformance`.
pub(crate) fn produce(bootstrap: &str, how: &Produce<'_>) -> Result<Produced> {
    let mut java = tool("org.apache.kafka.tools.ProducerPerformance");
    let rate = how.rate.map_or("-1".to_owned(), |rate| rate.to_string());
    java.args(["--topic", how.topic, "--throughput", &rate, "--print-metrics"]);
    java.args(["--num-records", &how.records.to_string(), "--record-size", &how.record_bytes.to_string()]);
    java.arg("--producer-props").arg(format!("bootstrap.servers={bootstrap}"));
    java.arg(format!("acks={}", how.acks)).arg("enable.idempotence=false");
    java.arg(format!("compression.type={}", how.compression));
    java.arg(format!("batch.size={}", how.batch_bytes)).arg(format!("linger.ms={}", how.linger_ms));
    let output = Process::run(java, "", LIMIT).success().stdout;
    let last = output.lines().rev().find(|line| line.contains("99.9th")).context("the tool's summary")?;
    // "… (45.67 MB/sec), 1.2 ms avg latency, 3.0 ms max latency, 1 ms 50th, 2 ms 95th, 3 ms 99th, 4 ms 99.9th."
    let before = |name: &str| -> Result<f64> {
        let words = last.split(name).next().unwrap_or_default().trim_end();
        let number = words.trim_end_matches(" ms").rsplit([' ', '(']).next().context("a number")?;
        Ok(number.parse()?)
    };
    let requests = output.lines().find(|line| line.contains("producer-metrics:request-total"));
    let requests = requests.and_then(|line| line.rsplit(':').next()?.trim().parse().ok()).unwrap_or(f64::NAN);
    Ok(Produced {
        megabytes_per_second: before(" MB/sec")?,
        p50_ms: before(" 50th")?,
        p99_ms: before(" 99th")?,
        p999_ms: before(" 99.9th")?,
        requests,
    })
}

/// `ConsumerPerformance` from the beginning of a topic.
pub(crate) fn consume(broker: &Broker, topic: &str, records: u64) -> Result<()> {
    let mut java = tool("org.apache.kafka.tools.ConsumerPerformance");
    java.args(["--bootstrap-server", &broker.bootstrap(), "--topic", topic, "--timeout", "60000"]);
    java.args(["--messages", &records.to_string()]);
    let _ = Process::run(java, "", LIMIT).success();
    Ok(())
}

/// `EndToEndLatency` with acks=all, one record at a time: p50, p99 and p99.9 in ms.
pub(crate) fn end_to_end(broker: &Broker, topic: &str, records: u64, record_bytes: u64) -> Result<[f64; 3]> {
    let mut java = tool("org.apache.kafka.tools.EndToEndLatency");
    java.args(["--bootstrap-server", &broker.bootstrap(), "--topic", topic, "--producer-acks", "all"]);
    java.args(["--num-records", &records.to_string(), "--record-size", &record_bytes.to_string()]);
    let output = Process::run(java, "", LIMIT).success().stdout;
    let line = output.lines().find(|line| line.contains("Percentiles")).context("percentiles")?;
    let percentile = |name: &str| -> Result<f64> {
        let value = line.split(name).nth(1).context("the percentile")?;
        let digits = |c: &char| c.is_ascii_digit() || *c == '.';
        let digits: String = value.chars().skip_while(|c| !digits(c)).take_while(digits).collect();
        Ok(digits.trim_end_matches('.').parse()?)
    };
    Ok([percentile("50th")?, percentile("99th")?, percentile("99.9th")?])
}

fn tool(main_class: &str) -> Command {
    Stock::Kafka43.java_with(TOOL_JVM, main_class)
}
