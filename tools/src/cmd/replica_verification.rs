//! `rkafka replica-verification`: reads the replicas of partitions side by side and compares them batch by batch up to
//! the high watermark, as `kafka-replica-verification.sh` of Kafka 2.2 to 4.3 does.
//!
//! Differences from the stock tool, all intended: a replica that cannot be read is told with the reason (the stock
//! tool waits for it in silence); Ctrl-C ends with a last report; batches are what the checksum is of, as in Kafka
//! since message format 2.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Local;
use clap::Args;
use futures_util::future::join_all;
use regex::Regex;
use rkafka_client::net::Pool;
use rkafka_client::{Admin, ClientConfig, ClientError, ErrorCode, OffsetSpec};
use rkafka_record::batch::{BatchRef, Batches};
use rkafka_wire::StrBytes;
use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use rkafka_wire::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::consume::interrupted;
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::topic_pattern::topic_pattern;

const EXAMPLES: &str = "\
Examples:
  rkafka replica-verification --broker-list localhost:9092 --topics-include 'orders|payments'
  rkafka replica-verification --broker-list localhost:9092 --time -2 --report-interval-ms 5000";

/// The replica id of a debugging consumer, which followers answer too.
const DEBUGGING_CONSUMER: i32 = -2;
/// The last version of Fetch that names topics.
const LAST_WITH_NAMES: i16 = 12;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The list of hostname and port of the server to connect to.
    #[arg(long, value_name = "hostname:port,...,hostname:port")]
    broker_list: Option<String>,
    /// The same, by the name that other commands have for it.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// The fetch size of each request.
    #[arg(long, value_name = "bytes", default_value_t = 1_048_576)]
    fetch_size: i32,
    /// The max amount of time each fetch request waits.
    #[arg(long, value_name = "ms", default_value_t = 1000)]
    max_wait_ms: i32,
    /// List of topics to verify replica consistency.
    #[arg(long, value_name = "Java regex (String)", default_value = ".*", alias = "topic-white-list")]
    topics_include: String,
    /// Timestamp for getting the initial offsets.
    #[arg(long, value_name = "timestamp/-1(latest)/-2(earliest)", default_value_t = -1)]
    time: i64,
    /// The reporting interval.
    #[arg(long, value_name = "ms", default_value_t = 30_000)]
    report_interval_ms: u64,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("replica-verification"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args("Validate that all replicas for a set of topics have the same data.")?;
    let options: Options = invocation.parse()?;
    let Some(servers) = options.broker_list.as_ref().or(options.bootstrap_server.as_ref()) else {
        let problem = "Missing required argument \"[broker-list]\"";
        return Err(Failure::usage(problem).or_hint(|| invocation.hint()));
    };
    let pattern = topic_pattern(&options.topics_include).map_err(Failure::message)?;
    let config = connect::client_config(Some(servers), None, "rkafka-replica-verification")?;
    let pool = Pool::new(&config);
    let work = async |admin: Admin| {
        Verification::start(&admin, &options, &pattern, pool, &config).await?.run().await
    };
    connect::with_cluster(config.clone(), work)
        .map_err(|problem| problem.told(|error| Failure::message(connect::described(error))))
}

type TopicPartition = (String, i32);

/// What one replica answered.
#[derive(Debug, Clone)]
struct Fetched {
    high_watermark: i64,
    batches: Bytes,
}

/// The comparison under way.
struct Verification<'a> {
    options: &'a Options,
    pool: Pool,
    /// The brokers with a replica of each partition.
    replicas: BTreeMap<TopicPartition, Vec<i32>>,
    /// Up to where all replicas of a partition are the same.
    positions: BTreeMap<TopicPartition, i64>,
    /// Why a replica could not be read the last time.
    failures: BTreeMap<(TopicPartition, i32), String>,
    lag: Lag,
}

/// The partition with the most that is not compared yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lag {
    messages: i64,
    partition: Option<TopicPartition>,
    offset: i64,
}

const NO_LAG: Lag = Lag { messages: -1, partition: None, offset: -1 };

impl<'a> Verification<'a> {
    async fn start(
        admin: &Admin,
        options: &'a Options,
        pattern: &Regex,
        pool: Pool,
        config: &ClientConfig,
    ) -> Result<Verification<'a>, Problem> {
        let cluster = admin.describe_cluster().await?;
        pool.set_brokers(cluster.brokers.values());
        let topics = admin.list_topics().await?.into_iter().map(|topic| topic.name);
        let topics: Vec<String> = topics.filter(|topic| pattern.is_match(topic)).collect();
        if topics.is_empty() {
            let servers: Vec<String> = config.bootstrap_servers.iter().map(ToString::to_string).collect();
            let (given, servers) = (&options.topics_include, servers.join(","));
            return Err(Failure::message(format!(
                "No topics found: --topics-include {given} fits none at {servers}"
            ))
            .into());
        }
        let mut replicas = BTreeMap::new();
        for (topic, described) in admin.describe_topics(&topics, i32::MAX).await? {
            for partition in described?.partitions {
                replicas.insert((topic.clone(), partition.index), partition.replicas);
            }
        }
        let spec = match options.time {
            -1 => OffsetSpec::Latest,
            -2 => OffsetSpec::Earliest,
            time => OffsetSpec::ForTimestamp(time),
        };
        let wanted = replicas.keys().map(|partition| (partition.clone(), spec)).collect();
        let mut positions = BTreeMap::new();
        for (partition, listed) in admin.list_offsets(&wanted, false).await? {
            positions.insert(partition, listed?.offset.unwrap_or(0));
        }
        Ok(Verification { options, pool, replicas, positions, failures: BTreeMap::new(), lag: NO_LAG })
    }

    async fn run(mut self) -> Result<(), Problem> {
        say("verification process is started")?;
        let mut signal = std::pin::pin!(interrupted());
        let interval = Duration::from_millis(self.options.report_interval_ms);
        let mut reported = Instant::now();
        loop {
            let code = tokio::select! {
                fetched = self.fetch() => {
                    self.compare(fetched)?;
                    None
                }
                code = &mut signal => Some(code),
            };
            if code.is_some() || reported.elapsed() > interval {
                self.report()?;
                reported = Instant::now();
            }
            if let Some(code) = code {
                std::process::exit(i32::from(code));
            }
        }
    }

    fn report(&self) -> Result<(), Failure> {
        let Lag { messages, partition, offset } = &self.lag;
        let partition = partition.as_ref().map_or_else(|| "none".to_owned(), shown);
        let count = self.replicas.len();
        say(&format!(
            "max lag is {messages} for partition {partition} at offset {offset} among {count} partitions"
        ))
    }

    /// Asks every broker for its replicas of all partitions.
    async fn fetch(&self) -> Vec<(TopicPartition, i32, Result<Fetched, String>)> {
        let mut by_broker: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
        for (partition, brokers) in &self.replicas {
            for broker in brokers {
                by_broker.entry(*broker).or_default().push(partition.clone());
            }
        }
        let asked = by_broker.into_iter().map(|(broker, partitions)| async move {
            let answer = self.fetch_from(broker, &partitions).await;
            answers(broker, partitions, answer)
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn fetch_from(
        &self,
        broker: i32,
        partitions: &[TopicPartition],
    ) -> Result<FetchResponse, ClientError> {
        let connection = match self.pool.node(broker).await {
            Ok(connection) => connection,
            Err(error) => {
                // Not again at once.
                tokio::time::sleep(Duration::from_millis(
                    u64::try_from(self.options.max_wait_ms).unwrap_or(0),
                ))
                .await;
                return Err(error);
            }
        };
        let version = connection.version::<FetchRequest>()?.min(LAST_WITH_NAMES);
        let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
        for (topic, index) in partitions {
            let offset = self.positions.get(&(topic.clone(), *index)).copied().unwrap_or_default();
            let partition = FetchPartition::default()
                .with_partition(*index)
                .with_fetch_offset(offset)
                .with_partition_max_bytes(self.options.fetch_size);
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions): (&str, _)| {
            let name = TopicName(StrBytes::from_string(name.to_owned()));
            FetchTopic::default().with_topic(name).with_partitions(partitions)
        };
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(DEBUGGING_CONSUMER))
            .with_max_wait_ms(self.options.max_wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(i32::MAX)
            .with_session_epoch(-1)
            .with_topics(topics.into_iter().map(topic).collect());
        connection.call(version, &request).await
    }

    /// Compares what came, moves on where all replicas are the same, and tells where they are not.
    fn compare(
        &mut self,
        fetched: Vec<(TopicPartition, i32, Result<Fetched, String>)>,
    ) -> Result<(), Failure> {
        let mut by_partition: BTreeMap<TopicPartition, BTreeMap<i32, Fetched>> = BTreeMap::new();
        for (partition, broker, answer) in fetched {
            let key = (partition.clone(), broker);
            match answer {
                Ok(answer) => {
                    self.failures.remove(&key);
                    by_partition.entry(partition).or_default().insert(broker, answer);
                }
                Err(reason) => {
                    if self.failures.insert(key, reason.clone()).as_ref() != Some(&reason) {
                        say(&format!(
                            "partition {}: replica {broker} cannot be read: {reason}",
                            shown(&partition)
                        ))?;
                    }
                }
            }
        }
        self.lag = NO_LAG;
        for (partition, answers) in by_partition {
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            let is_complete = self.replicas.get(&partition).is_some_and(|all| all.len() == answers.len());
            let compared = if is_complete { compare(&answers) } else { Compared::default() };
            for finding in &compared.findings {
                say(&format!("partition {}{finding}", shown(&partition)))?;
            }
            if compared.is_diverged {
                return Err(Failure::Said);
            }
            *position = compared.next_offset.unwrap_or(*position);
            let high_watermark = answers.values().map(|answer| answer.high_watermark).max().unwrap_or(-1);
            let lag = high_watermark - *position;
            if lag > self.lag.messages {
                self.lag = Lag { messages: lag, partition: Some(partition), offset: *position };
            }
        }
        Ok(())
    }
}

/// The part of each partition in a broker's answer.
fn answers(
    broker: i32,
    partitions: Vec<TopicPartition>,
    answer: Result<FetchResponse, ClientError>,
) -> Vec<(TopicPartition, i32, Result<Fetched, String>)> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let failed = |partition| (partition, broker, Err(error.to_string()));
            return partitions.into_iter().map(failed).collect();
        }
    };
    let mut found = Vec::new();
    for topic in answer.responses {
        for partition in topic.partitions {
            let name = (topic.topic.to_string(), partition.partition_index);
            let fetched = match (partition.error_code, ErrorCode::from_code(partition.error_code)) {
                (0, _) => Ok(Fetched {
                    high_watermark: partition.high_watermark,
                    batches: partition.records.unwrap_or_default(),
                }),
                (_, Some(code)) => Err(code.name().to_owned()),
                (number, None) => Err(format!("error {number}")),
            };
            found.push((name, broker, fetched));
        }
    }
    found
}

/// What comparing the replicas of a partition gave.
#[derive(Debug, Default, PartialEq, Eq)]
struct Compared {
    /// Behind the last batch that all replicas have.
    next_offset: Option<i64>,
    /// What differs, in the stock tool's words.
    findings: Vec<String>,
    /// Their offsets differ: nothing behind can be compared.
    is_diverged: bool,
}

/// Goes through the batches of all replicas at the same time, up to the high watermark of each.
fn compare(answers: &BTreeMap<i32, Fetched>) -> Compared {
    let mut compared = Compared::default();
    let mut replicas: Vec<(i32, i64, Batches<'_>)> = answers
        .iter()
        .map(|(broker, answer)| (*broker, answer.high_watermark, Batches::new(&answer.batches)))
        .collect();
    loop {
        let mut first: Option<(i32, BatchRef<'_>)> = None;
        for (broker, high_watermark, batches) in &mut replicas {
            let Some(Ok(batch)) = batches.next() else { return compared };
            let header = batch.header();
            if header.last_offset() >= *high_watermark {
                return compared;
            }
            let Some((one, expected)) = &first else {
                first = Some((*broker, batch));
                continue;
            };
            let (offset, other) = (expected.header().last_offset(), header.last_offset());
            if offset != other {
                compared.is_diverged = true;
                let text = format!(
                    ": replica {one}'s offset {offset} doesn't match replica {broker}'s offset {other}"
                );
                compared.findings.push(text);
                return compared;
            }
            let (checksum, other) = (expected.header().crc(), header.crc());
            if checksum != other {
                compared.findings.push(format!(
                    " has unmatched checksum at offset {offset}; replica {one}'s checksum {checksum}; replica \
                     {broker}'s checksum {other}"
                ));
            }
        }
        match first {
            Some((_, batch)) => compared.next_offset = Some(batch.header().next_offset()),
            None => return compared,
        }
    }
}

fn shown((topic, partition): &TopicPartition) -> String {
    format!("{topic}-{partition}")
}

fn say(text: &str) -> Result<(), Failure> {
    output::write(&format!("{}: {text}\n", Local::now().format("%Y-%m-%d %H:%M:%S,%3f")))
}

#[cfg(test)]
mod tests {
    use rkafka_record::builder::{BatchBuilder, BatchOptions};

    use super::*;

    fn batch(offset: i64, value: &str) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset: offset, ..BatchOptions::default() });
        builder.append(1, None, Some(value.as_bytes()), &[]).unwrap();
        builder.finish().unwrap().to_vec()
    }

    fn check(replicas: &[(&[(i64, &str)], i64)], next_offset: Option<i64>, findings: &[&str]) -> Compared {
        let answer = |(batches, high_watermark): &(&[(i64, &str)], i64)| Fetched {
            high_watermark: *high_watermark,
            batches: batches
                .iter()
                .flat_map(|(offset, value)| batch(*offset, value))
                .collect::<Vec<_>>()
                .into(),
        };
        let answers = (1..).zip(replicas.iter().map(answer)).collect();
        let compared = compare(&answers);
        assert_eq!(compared.next_offset, next_offset);
        assert_eq!(compared.findings.len(), findings.len(), "{compared:?}");
        for (found, expected) in compared.findings.iter().zip(findings) {
            assert!(found.starts_with(expected), "{found}");
        }
        compared
    }

    #[test]
    fn up_to_what_all_have() {
        check(&[(&[(5, "a"), (6, "b")], 7), (&[(5, "a"), (6, "b")], 7)], Some(7), &[]);
        check(&[(&[(5, "a"), (6, "b")], 7), (&[(5, "a")], 7)], Some(6), &[]);
        check(&[(&[(5, "a"), (6, "b")], 6), (&[(5, "a"), (6, "x")], 6)], Some(6), &[]);
        check(&[(&[], 7), (&[(5, "a")], 7)], None, &[]);
        check(&[], None, &[]);
    }

    #[test]
    fn differences() {
        let unmatched = " has unmatched checksum at offset 5; replica 1's checksum ";
        check(&[(&[(5, "a"), (6, "b")], 7), (&[(5, "x"), (6, "b")], 7)], Some(7), &[unmatched]);
        let gap = ": replica 1's offset 6 doesn't match replica 2's offset 7";
        let compared = check(&[(&[(5, "a"), (6, "b")], 9), (&[(5, "a"), (7, "b")], 9)], Some(6), &[gap]);
        assert!(compared.is_diverged);
    }
}
