//! `-C` and `-G`: messages of a topic's partitions, or of topics as a member of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use regex::Regex;
use rkafka_client::{Consumer, ConsumerConfig, ConsumerError, ConsumerRecord, ErrorCode, TopicPartition};

use super::format::Format;
use super::pack::WriteError;
use crate::common::consume::interrupted;
use crate::common::failure::Failure;
use crate::common::similar::did_you_mean;

/// How long one poll waits before the ends of partitions are looked at.
const POLL: Duration = Duration::from_millis(100);
/// How long closing may take.
const CLOSE: Duration = Duration::from_secs(5);

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    End,
    /// What the group of the settings has committed.
    Stored,
    At(i64),
    FromEnd(i64),
    /// The first message that is no older, in milliseconds since 1970.
    Time(i64),
}

impl Start {
    pub(super) fn parse(text: &str) -> Option<Start> {
        Some(match text {
            "beginning" | "earliest" => Start::Beginning,
            "end" | "latest" => Start::End,
            "stored" => Start::Stored,
            _ => match (text.strip_prefix("s@"), text.parse::<i64>().ok()) {
                (Some(time), _) => Start::Time(time.parse().ok()?),
                (None, Some(offset)) if text.starts_with('-') => Start::FromEnd(offset.checked_neg()?),
                (None, offset) => Start::At(offset?),
            },
        })
    }
}

/// What is read, and how it is shown.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// One topic, or those of the group.
    pub(super) topics: Vec<String>,
    /// Names of the group's topics, if they are not listed.
    pub(super) pattern: Option<Regex>,
    pub(super) as_group: bool,
    pub(super) partition: Option<i32>,
    pub(super) start: Start,
    /// Messages that are no older are not shown.
    pub(super) stop_ms: Option<i64>,
    pub(super) count: Option<u64>,
    pub(super) exit_at_end: bool,
    pub(super) format: Format,
    /// What stands for null.
    pub(super) null: &'static str,
    pub(super) quiet: bool,
    pub(super) unbuffered: bool,
    /// Whether messages that cannot be unpacked are told and left out, instead of ending the command.
    pub(super) keep_going: bool,
}

/// Where partitions are.
#[derive(Debug, Default)]
struct Progress {
    leaders: BTreeMap<TopicPartition, i32>,
    /// The end of a partition when it was last reached.
    ends: BTreeMap<TopicPartition, i64>,
    /// Partitions that are read no further.
    stopped: BTreeSet<TopicPartition>,
    shown: u64,
}

pub(super) async fn consume(plan: Reading, config: ConsumerConfig) -> Result<(), Failure> {
    let mut signal = std::pin::pin!(interrupted());
    let read = async {
        let consumer = Consumer::connect(config).await.map_err(|error| failed(&error))?;
        let mut progress = Progress::default();
        if let Err(error) = begin(&consumer, &plan, &mut progress).await {
            return Err(unknown_topic(&consumer, &plan, &error).await);
        }
        let shown = show(&consumer, &plan, &mut progress).await;
        // What is not done in time is left to the session timeout.
        let _ = consumer.close(CLOSE).await;
        shown
    };
    // As with kcat, Ctrl-C is how one ends it: no mistake. What was read is written already.
    tokio::select! {
        done = read => done,
        _ = &mut signal => Ok(()),
    }
}

fn failed(error: &ConsumerError) -> Failure {
    Failure::message(format!("% ERROR: {error}"))
}

/// The failure, with the topic that may have been meant.
async fn unknown_topic(consumer: &Consumer, plan: &Reading, error: &ConsumerError) -> Failure {
    let is_unknown = error.code() == Some(ErrorCode::UnknownTopicOrPartition);
    let known = if is_unknown { consumer.list_topics().await.unwrap_or_default() } else { BTreeMap::new() };
    let topic = plan.topics.first().map_or("", String::as_str);
    let meant = did_you_mean(topic, known.keys().map(String::as_str));
    if meant.is_empty() { failed(error) } else { Failure::message(format!("% ERROR: {error} ({meant})")) }
}

async fn begin(consumer: &Consumer, plan: &Reading, progress: &mut Progress) -> Result<(), ConsumerError> {
    if plan.as_group {
        return match &plan.pattern {
            Some(pattern) => consumer.subscribe_pattern(pattern.clone()),
            None => consumer.subscribe(plan.topics.clone()),
        };
    }
    let topic = plan.topics.first().map_or("", String::as_str);
    let found = consumer.partitions_for(topic).await?;
    for partition in &found.partitions {
        if plan.partition.is_none_or(|wanted| wanted == partition.index) {
            let name = TopicPartition::new(topic, partition.index);
            progress.leaders.insert(name, partition.leader.unwrap_or(-1));
        }
    }
    let partitions: Vec<TopicPartition> = match plan.partition {
        Some(wanted) => vec![TopicPartition::new(topic, wanted)],
        None => progress.leaders.keys().cloned().collect(),
    };
    consumer.assign(partitions.clone())?;
    seek(consumer, plan, &partitions).await
}

async fn seek(
    consumer: &Consumer,
    plan: &Reading,
    partitions: &[TopicPartition],
) -> Result<(), ConsumerError> {
    match plan.start {
        Start::Beginning => consumer.seek_to_beginning(partitions),
        Start::End => consumer.seek_to_end(partitions),
        // Committed offsets are where an assigned partition begins by itself.
        Start::Stored => Ok(()),
        Start::At(offset) => partitions.iter().try_for_each(|partition| consumer.seek(partition, offset)),
        Start::FromEnd(count) => {
            let (first, ends) =
                (consumer.beginning_offsets(partitions).await?, consumer.end_offsets(partitions).await?);
            for (partition, end) in ends {
                let first = first.get(&partition).copied().unwrap_or_default();
                consumer.seek(&partition, end.saturating_sub(count).max(first))?;
            }
            Ok(())
        }
        Start::Time(ms) => {
            let times = partitions.iter().map(|partition| (partition.clone(), ms)).collect();
            for (partition, found) in consumer.offsets_for_times(&times).await? {
                match found {
                    Some(found) => consumer.seek(&partition, found.offset)?,
                    None => consumer.seek_to_end(&[partition])?,
                }
            }
            Ok(())
        }
    }
}

/// Shows messages until the end that was asked for.
async fn show(consumer: &Consumer, plan: &Reading, progress: &mut Progress) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    loop {
        let records = consumer.poll(POLL).await.map_err(|error| failed(&error))?;
        for record in records {
            let partition = record.topic_partition();
            if plan.stop_ms.is_some_and(|stop| record.timestamp >= stop) {
                let _ = consumer.pause(std::slice::from_ref(&partition));
                progress.stopped.insert(partition);
            }
            if progress.stopped.contains(&record.topic_partition()) {
                continue;
            }
            if !shown(plan, progress, &record, &mut out)? {
                return Ok(());
            }
            if plan.count.is_some_and(|count| progress.shown >= count) {
                return flushed(&mut out).map(|_| ());
            }
        }
        if !flushed(&mut out)? {
            return Ok(());
        }
        if at_ends(consumer, plan, progress).await {
            return Ok(());
        }
    }
}

/// Shows one message; false if nobody reads any more.
fn shown(
    plan: &Reading,
    progress: &mut Progress,
    record: &ConsumerRecord,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let leader = progress.leaders.get(&record.topic_partition()).copied().unwrap_or(-1);
    progress.shown += 1;
    match plan.format.write(record, plan.null, leader, out) {
        Ok(()) => is_read(if plan.unbuffered { out.flush() } else { Ok(()) }),
        Err(WriteError::Io(error)) => is_read(Err(error)),
        Err(WriteError::Unpack(problem)) => {
            let ConsumerRecord { topic, partition, offset, .. } = record;
            let words = format!(
                "% ERROR: Failed to format message in {topic} [{partition}] at offset {offset}: {problem}"
            );
            let is_read = flushed(out)?;
            if !plan.keep_going {
                return Err(Failure::message(words + ": terminating"));
            }
            eprintln!("{words}");
            Ok(is_read)
        }
    }
}

fn flushed(out: &mut impl Write) -> Result<bool, Failure> {
    is_read(out.flush())
}

fn is_read(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::message(format!("% ERROR: cannot write to standard output: {error}"))),
    }
}

/// Tells which partitions have come to their ends; whether that ends the command.
async fn at_ends(consumer: &Consumer, plan: &Reading, progress: &mut Progress) -> bool {
    let assigned = consumer.assignment();
    let mut reached = Vec::new();
    for partition in &assigned {
        if progress.stopped.contains(partition) || consumer.current_lag(partition) != Some(0) {
            continue;
        }
        let Ok(end) = consumer.position(partition).await else { continue };
        if progress.ends.insert(partition.clone(), end) != Some(end) {
            reached.push((partition, end));
        }
    }
    let is_done = |partition: &TopicPartition| {
        progress.stopped.contains(partition)
            || (plan.exit_at_end && consumer.current_lag(partition) == Some(0))
    };
    let all = !assigned.is_empty() && assigned.iter().all(is_done);
    for (number, (partition, end)) in reached.iter().enumerate() {
        let exiting = if plan.exit_at_end && all && number + 1 == reached.len() { ": exiting" } else { "" };
        if !plan.quiet {
            let TopicPartition { topic, partition } = partition;
            eprintln!("% Reached end of topic {topic} [{partition}] at offset {end}{exiting}");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        let check = |text: &str, expected: Option<Start>| assert_eq!(Start::parse(text), expected, "{text}");
        check("beginning", Some(Start::Beginning));
        check("end", Some(Start::End));
        check("stored", Some(Start::Stored));
        check("7", Some(Start::At(7)));
        check("-7", Some(Start::FromEnd(7)));
        check("s@1000", Some(Start::Time(1000)));
        for wrong in ["", "middle", "s@", "s@x", "-9223372036854775808"] {
            check(wrong, None);
        }
    }
}
