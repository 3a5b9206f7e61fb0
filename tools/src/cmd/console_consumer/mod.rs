//! `rkafka console-consumer`: shows messages, as `kafka-console-consumer.sh` of Kafka 4.3 does, and as that
//! of 2.2 where its options are given.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and which go together |
//! | `format.rs` | the formatters |
//! | `coordinator.rs` | records of `__consumer_offsets` and `__transaction_state` as JSON |
//!
//! Differences from the stock tool, all intended: brokers that cannot be reached end it within seconds with
//! the reason; records of `__consumer_offsets` and `__transaction_state` are shown one a line; `print.epoch` shows the epoch, which the
//! stock tool drops on the way; the logging formatter's lines are on standard error; deprecated options are
//! not complained about.

mod coordinator;
mod format;
mod options;

use std::io::{BufWriter, Write};
use std::time::Duration;

use chrono::Local;
use clap::Args;
use rkafka_client::{Consumer, ConsumerError, ConsumerRecord, ErrorCode, TopicPartition};

use super::Invocation;
use crate::common::connect::Tool;
use crate::common::consume::{self, block_on, interrupted};
use crate::common::failure::Failure;
use crate::common::similar::did_you_mean;
use format::{FormatError, Formatter};
use options::{Options, Plan, Source, Start};

const TOOL: Tool =
    Tool { what: "console consumer command", class: "org.apache.kafka.tools.consumer.ConsoleConsumer" };

/// How long closing may take.
const CLOSE: Duration = Duration::from_secs(5);
/// How long one poll waits when there is no limit.
const POLL: Duration = Duration::from_secs(3600);

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("console-consumer"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let plan = options.plan().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    block_on(consume(&options, plan))
}

/// How reading ended.
enum Ended {
    /// All messages, no more in time, or nobody reads the output.
    Done,
    /// By a signal; with this exit code.
    Interrupted(u8),
    Failed(Failure),
}

async fn consume(options: &Options, plan: Plan) -> Result<(), Failure> {
    let connect = async {
        let connected = Consumer::connect(plan.config.clone()).await;
        let consumer = connected.map_err(|error| consume::failure(TOOL, &error))?;
        warn_of_unknown_topic(&consumer, &plan.source).await;
        begin(&consumer, &plan.source).map_err(|error| consume::failure(TOOL, &error))?;
        Ok(consumer)
    };
    let mut count = 0;
    let mut signal = std::pin::pin!(interrupted());
    let connected = tokio::select! {
        connected = connect => connected,
        code = &mut signal => {
            end(options, count, &Ended::Interrupted(code));
            return Ok(());
        }
    };
    let consumer = connected?;
    let mut last = None;
    let ended = tokio::select! {
        ended = show(&consumer, options, &plan, &mut count, &mut last) => ended,
        code = &mut signal => Ended::Interrupted(code),
    };
    if let Some(unread) = last {
        go_back(&consumer, unread);
    }
    // What is not done in time is left to the session timeout.
    let _ = consumer.close(CLOSE).await;
    end(options, count, &ended);
    match ended {
        Ended::Failed(failure) => Err(failure),
        Ended::Done | Ended::Interrupted(_) => Ok(()),
    }
}

fn end(options: &Options, count: u64, ended: &Ended) {
    eprintln!("Processed a total of {count} messages");
    if options.enable_systest_events {
        println!("shutdown_complete");
    }
    if let Ended::Interrupted(code) = ended {
        std::process::exit(i32::from(*code));
    }
}

/// A topic may be made later: that it is not there yet is said, and waited for.
async fn warn_of_unknown_topic(consumer: &Consumer, source: &Source) {
    let (Source::Topic(topic) | Source::Partition(topic, ..)) = source else { return };
    let Err(error) = consumer.partitions_for(topic).await else { return };
    if error.code() != Some(ErrorCode::UnknownTopicOrPartition) {
        return;
    }
    let known = consumer.list_topics().await.unwrap_or_default();
    let meant = did_you_mean(topic, known.keys().map(String::as_str));
    let meant = if meant.is_empty() { meant } else { format!(" ({meant})") };
    let time = Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
    eprintln!("[{time}] WARN There is no topic '{topic}' yet{meant} ({})", TOOL.class);
}

fn begin(consumer: &Consumer, source: &Source) -> Result<(), ConsumerError> {
    match source {
        Source::Topic(topic) => consumer.subscribe([topic.clone()]),
        Source::Pattern(pattern) => consumer.subscribe_pattern(pattern.clone()),
        Source::Partition(topic, partition, start) => {
            let partition = TopicPartition::new(topic.as_str(), *partition);
            consumer.assign([partition.clone()])?;
            match start {
                Start::Earliest => consumer.seek_to_beginning(&[partition]),
                Start::Latest => consumer.seek_to_end(&[partition]),
                Start::At(offset) => consumer.seek(&partition, *offset),
            }
        }
    }
}

/// Shows messages until the end; `unread` holds polled messages that were not shown.
async fn show(
    consumer: &Consumer,
    options: &Options,
    plan: &Plan,
    count: &mut u64,
    unread: &mut Option<Vec<ConsumerRecord>>,
) -> Ended {
    let mut out = BufWriter::new(std::io::stdout());
    let is_full = |count: u64| plan.max_messages.is_some_and(|max| count >= max);
    while !is_full(*count) {
        let polled = match consumer.poll(plan.timeout.unwrap_or(POLL)).await {
            Ok(polled) => polled,
            Err(error) => {
                log_error("Error processing message, terminating consumer process: ", &error.to_string());
                return Ended::Done;
            }
        };
        if polled.is_empty() && plan.timeout.is_some() {
            log_error(
                "Error processing message, terminating consumer process: ",
                "org.apache.kafka.common.errors.TimeoutException",
            );
            return Ended::Done;
        }
        let mut records = polled.into_iter();
        while !is_full(*count) {
            let Some(record) = records.next() else { break };
            *count += 1;
            let failed = match show_one(&plan.formatter, &record, &mut out, options) {
                Ok(()) => continue,
                Err(ended) => ended,
            };
            let _ = out.flush();
            *unread = Some(records.collect());
            return failed;
        }
        if out.flush().is_err() {
            return nobody_reads();
        }
        *unread = Some(records.collect());
    }
    Ended::Done
}

fn show_one(
    formatter: &Formatter,
    record: &ConsumerRecord,
    out: &mut impl Write,
    options: &Options,
) -> Result<(), Ended> {
    match formatter.write(record, out) {
        Ok(()) => Ok(()),
        Err(FormatError::Output) => Err(nobody_reads()),
        Err(FormatError::Message(reason)) if options.skip_message_on_error => {
            log_error("Error processing message, skipping this message: ", &reason);
            Ok(())
        }
        Err(FormatError::Message(reason)) => {
            log_error("Unknown error when running consumer: ", &reason);
            Err(Ended::Failed(Failure::Said))
        }
    }
}

fn nobody_reads() -> Ended {
    eprintln!("Unable to write to standard out, closing consumer.");
    Ended::Done
}

/// As log4j writes it for the stock tool.
fn log_error(what: &str, reason: &str) {
    let time = Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
    eprintln!("[{time}] ERROR {what} ({})\n{reason}", TOOL.class);
}

/// Messages that were polled and not shown are not to be committed.
fn go_back(consumer: &Consumer, unread: Vec<ConsumerRecord>) {
    let mut seen = std::collections::BTreeSet::new();
    for record in unread {
        let partition = record.topic_partition();
        if seen.insert(partition.clone()) {
            // Not assigned any more: then nothing of it is committed either.
            let _ = consumer.seek(&partition, record.offset);
        }
    }
}
