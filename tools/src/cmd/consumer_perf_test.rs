//! `rkafka consumer-perf-test`: how fast messages are read, in the lines of `kafka-consumer-perf-test.sh` of
//! Kafka 4.3.
//!
//! The first of the settings that options and file have in common wins, as in the stock tool.
//! `--print-metrics` and
//! `--socket-buffer-size` are accepted without effect.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Local};
use clap::Args;
use futures_util::future::BoxFuture;
use regex::Regex;
use rkafka_client::{Consumer, ConsumerError, RebalanceListener, TopicPartition};

use super::Invocation;
use crate::common::connect::Tool;
use crate::common::consume::{self, ConsumerOptions, block_on, interrupted};
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::progress::Progress;

const TOOL: Tool =
    Tool { what: "consumer performance command", class: "org.apache.kafka.tools.ConsumerPerformance" };

const EXAMPLES: &str = "\
Examples:
  rkafka consumer-perf-test --bootstrap-server localhost:9092 --topic orders --num-records 1000000
  rkafka consumer-perf-test --bootstrap-server localhost:9092 --topic orders --messages 1000000 --show-detailed-stats";

const MEBIBYTE: f64 = 1024.0 * 1024.0;

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    consumer: ConsumerOptions,
    /// DEPRECATED: the older name of --bootstrap-server.
    #[arg(long, value_name = "broker-list", hide = true)]
    broker_list: Option<String>,
    /// The topic to consume from.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// Regular expression specifying list of topics to include for consumption.
    #[arg(long, value_name = "Java regex (String)")]
    include: Option<String>,
    /// REQUIRED: The number of records to consume.
    #[arg(long, value_name = "count")]
    num_records: Option<u64>,
    /// (DEPRECATED) The older name of --num-records.
    #[arg(long, value_name = "count")]
    messages: Option<u64>,
    /// The group id to consume on; a new one if absent.
    #[arg(long, value_name = "gid")]
    group: Option<String>,
    /// The maximum amount of data to fetch from a single partition per request.
    #[arg(long, value_name = "size", default_value = "1048576")]
    fetch_size: u32,
    /// If the consumer does not already have an established offset to consume from, start with the latest
    /// record present in the log rather than the earliest record.
    #[arg(long)]
    from_latest: bool,
    /// Accepted without effect: the size of the tcp RECV size.
    #[arg(long, value_name = "size")]
    socket_buffer_size: Option<u32>,
    /// Accepted without effect: threads of tools before 3.0.
    #[arg(long, value_name = "count", hide = true)]
    threads: Option<u32>,
    /// Accepted without effect: threads of tools before 3.0.
    #[arg(long, value_name = "count", hide = true)]
    num_fetch_threads: Option<u32>,
    /// Accepted without effect: print out the metrics.
    #[arg(long)]
    print_metrics: bool,
    /// If set, stats are reported for each reporting interval as configured by reporting-interval.
    #[arg(long)]
    show_detailed_stats: bool,
    /// If set, skips printing the header for the stats.
    #[arg(long)]
    hide_header: bool,
    /// Interval in milliseconds at which to print progress info.
    #[arg(long, value_name = "interval_ms", default_value = "5000")]
    reporting_interval: u64,
    /// The maximum allowed time in milliseconds between returned records.
    #[arg(long, value_name = "milliseconds", default_value = "10000")]
    timeout: u64,
    /// The date format of the time fields, as java.text.SimpleDateFormat has it: y, M, d, H, m, s, S and
    /// quoted text.
    #[arg(long, value_name = "date format", default_value = "yyyy-MM-dd HH:mm:ss:SSS")]
    date_format: String,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("consumer-perf-test"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let mut options: Options = invocation.parse()?;
    options.consumer.bootstrap_server =
        options.consumer.bootstrap_server.take().or(options.broker_list.take());
    let wanted = options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    block_on(measure(&options, wanted))
}

impl Options {
    /// How many records are wanted.
    fn check(&self) -> Result<u64, Failure> {
        if self.num_records.is_some() == self.messages.is_some() {
            let message = "Exactly one of the following arguments is required: [num-records], [messages]";
            return Err(Failure::usage(message));
        }
        if self.consumer.bootstrap_server.is_none() {
            return Err(Failure::usage("Missing required argument \"[bootstrap-server]\""));
        }
        if self.topic.is_some() == self.include.is_some() {
            let message = "Exactly one of the following arguments is required: [topic], [include]";
            return Err(Failure::usage(message));
        }
        Ok(self.num_records.or(self.messages).unwrap_or_default())
    }

    fn properties(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut properties = self.consumer.properties()?;
        let mut set = |key: &str, value: String| properties.push((key.to_owned(), value));
        let group = || format!("perf-consumer-{}", fastrand::u32(..100_000));
        set("group.id", self.group.clone().unwrap_or_else(group));
        set("max.partition.fetch.bytes", self.fetch_size.to_string());
        set("auto.offset.reset", if self.from_latest { "latest" } else { "earliest" }.to_owned());
        set("check.crcs", "false".to_owned());
        if consume::value(&properties, "client.id").is_none() {
            properties.push(("client.id".to_owned(), "perf-consumer-client".to_owned()));
        }
        Ok(properties)
    }
}

/// How long the consumer was without partitions.
#[derive(Debug)]
struct Joining {
    since: Instant,
    owned: BTreeSet<TopicPartition>,
    total: Duration,
    /// Since the last report.
    round: Duration,
}

struct Listener(Arc<Mutex<Joining>>);

fn lock(joining: &Mutex<Joining>) -> MutexGuard<'_, Joining> {
    joining.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RebalanceListener for Listener {
    fn partitions_revoked<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let mut joining = lock(&self.0);
        joining.owned.retain(|partition| !partitions.contains(partition));
        if joining.owned.is_empty() {
            joining.since = Instant::now();
        }
        Box::pin(std::future::ready(()))
    }

    fn partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let mut joining = lock(&self.0);
        if joining.owned.is_empty() {
            let elapsed = joining.since.elapsed();
            joining.total += elapsed;
            joining.round += elapsed;
        }
        joining.owned.extend(partitions.iter().cloned());
        Box::pin(std::future::ready(()))
    }
}

/// What was read so far.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    records: u64,
    bytes: u64,
}

async fn measure(options: &Options, wanted: u64) -> Result<(), Failure> {
    let config = options.consumer.config(options.properties()?)?;
    if !options.hide_header {
        output::write(header(options.show_detailed_stats))?;
    }
    let failed = |error: ConsumerError| consume::failure(TOOL, &error);
    let consumer = Consumer::connect(config).await.map_err(failed)?;
    let (start, start_time) = (Instant::now(), Local::now());
    let (owned, total, round) = Default::default();
    let joining = Arc::new(Mutex::new(Joining { since: start, owned, total, round }));
    let listener = Listener(joining.clone());
    match (&options.topic, &options.include) {
        (Some(topic), _) => consumer.subscribe_with([topic.clone()], listener).map_err(failed)?,
        (None, pattern) => {
            let pattern = pattern.as_deref().unwrap_or_default();
            let wrong = |error| Failure::usage(format!("'{pattern}' is no regular expression: {error}"));
            let pattern = Regex::new(pattern).map_err(wrong)?;
            consumer.subscribe_pattern_with(pattern, listener).map_err(failed)?;
        }
    }
    let mut count = Count::default();
    let interrupted = tokio::select! {
        read = read(options, wanted, &consumer, &joining, &mut count) => { read?; None }
        code = interrupted() => Some(code),
    };
    let (elapsed, end_time) = (start.elapsed(), Local::now());
    let _ = consumer.close(Duration::from_secs(5)).await;
    if count.records < wanted && interrupted.is_none() {
        output::write(&format!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use \
             the --timeout option to increase the timeout.\n",
            options.timeout
        ))?;
    }
    if !options.show_detailed_stats {
        let format = &options.date_format;
        let times = format!("{}, {}", shown_time(start_time, format), shown_time(end_time, format));
        output::write(&total_line(&times, count, elapsed, lock(&joining).total))?;
    }
    if let Some(code) = interrupted {
        std::process::exit(i32::from(code));
    }
    Ok(())
}

async fn read(
    options: &Options,
    wanted: u64,
    consumer: &Consumer,
    joining: &Mutex<Joining>,
    count: &mut Count,
) -> Result<(), Failure> {
    let timeout = Duration::from_millis(options.timeout);
    let interval = Duration::from_millis(options.reporting_interval);
    let (mut last_read, mut reported_at, mut reported) = (Instant::now(), Instant::now(), Count::default());
    let progress = Progress::new(wanted, "records");
    while count.records < wanted && last_read.elapsed() <= timeout {
        let polled = consumer.poll(Duration::from_millis(100)).await;
        let polled = polled.map_err(|error| consume::failure(TOOL, &error))?;
        let now = Instant::now();
        if !polled.is_empty() {
            last_read = now;
        }
        count.records += polled.len() as u64;
        progress.set(count.records);
        count.bytes += polled.iter().map(|record| record.size() as u64).sum::<u64>();
        let elapsed = now - reported_at;
        if !polled.is_empty() && elapsed >= interval {
            let round = std::mem::take(&mut lock(joining).round);
            if options.show_detailed_stats {
                let time = shown_time(Local::now(), &options.date_format);
                output::write(&progress_line(&time, *count, reported, elapsed, round))?;
            }
            (reported_at, reported) = (now, *count);
        }
    }
    Ok(())
}

fn header(detailed: bool) -> &'static str {
    if detailed {
        "time, threadId, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
         fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n"
    } else {
        "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
         fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n"
    }
}

fn total_line(times: &str, count: Count, elapsed: Duration, joined: Duration) -> String {
    let (megabytes, records) = (count.bytes as f64 / MEBIBYTE, count.records as f64);
    let fetching = elapsed.saturating_sub(joined);
    let (seconds, fetch_seconds) = (elapsed.as_secs_f64(), fetching.as_secs_f64());
    format!(
        "{times}, {megabytes:.4}, {:.4}, {}, {:.4}, {}, {}, {:.4}, {:.4}\n",
        megabytes / seconds,
        count.records,
        records / seconds,
        joined.as_millis(),
        fetching.as_millis(),
        megabytes / fetch_seconds,
        records / fetch_seconds,
    )
}

fn progress_line(time: &str, count: Count, before: Count, elapsed: Duration, joined: Duration) -> String {
    let megabytes = (count.bytes - before.bytes) as f64 / MEBIBYTE;
    let records = (count.records - before.records) as f64;
    let fetching = elapsed.saturating_sub(joined);
    let per_second = |amount: f64| if fetching.is_zero() { 0.0 } else { amount / fetching.as_secs_f64() };
    format!(
        "{time}, 0, {:.4}, {:.4}, {}, {:.4}, {}, {}, {:.4}, {:.4}\n",
        count.bytes as f64 / MEBIBYTE,
        megabytes / elapsed.as_secs_f64(),
        count.records,
        records / elapsed.as_secs_f64(),
        joined.as_millis(),
        fetching.as_millis(),
        per_second(megabytes),
        per_second(records),
    )
}

/// The time in a format of Java's SimpleDateFormat; letters without a meaning here stand for themselves.
fn shown_time(time: DateTime<Local>, format: &str) -> String {
    let mut shown = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let quoted = rest[1..].split_once('\'').unwrap_or((&rest[1..], ""));
            shown.push_str(if quoted.0.is_empty() { "'" } else { quoted.0 });
            rest = quoted.1;
            continue;
        }
        let length = rest.len() - rest.trim_start_matches(first).len();
        let field = match first {
            'y' if length == 2 => "%y",
            'y' => "%Y",
            'M' => "%m",
            'd' => "%d",
            'H' => "%H",
            'm' => "%M",
            's' => "%S",
            'S' => "%3f",
            _ => "",
        };
        if field.is_empty() {
            shown.push_str(&rest[..length]);
        } else {
            shown.push_str(&time.format(field).to_string());
        }
        rest = &rest[length..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn lines_are_the_stock_ones() {
        let count = Count { records: 2000, bytes: 3 * 1024 * 1024 };
        let (elapsed, joined) = (Duration::from_secs(2), Duration::from_millis(500));
        assert_eq!(
            total_line("a, b", count, elapsed, joined),
            "a, b, 3.0000, 1.5000, 2000, 1000.0000, 500, 1500, 2.0000, 1333.3333\n"
        );
        let before = Count { records: 1000, bytes: 1024 * 1024 };
        assert_eq!(
            progress_line("t", count, before, elapsed, joined),
            "t, 0, 3.0000, 1.0000, 2000, 500.0000, 500, 1500, 1.3333, 666.6667\n"
        );
    }

    #[test]
    fn times() {
        let time = Local.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap() + Duration::from_millis(6);
        assert_eq!(shown_time(time, "yyyy-MM-dd HH:mm:ss:SSS"), "2026-01-02 03:04:05:006");
        assert_eq!(shown_time(time, "yy/MM'T'''HH"), "26/01T'03");
        assert_eq!(shown_time(time, "订单 'unclosed"), "订单 unclosed");
    }
}
