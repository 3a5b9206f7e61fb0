//! `rkafka get-offsets`: offsets of partitions by time, as `kafka-get-offsets.sh` of Kafka 4.3 prints them.

use std::collections::BTreeMap;

use clap::Args;
use regex::Regex;
use rkafka_client::{Admin, ListedOffset, OffsetSpec};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, BootstrapOptions, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};
use crate::common::topic_pattern::{INTERNAL, topic_pattern};

const EXAMPLES: &str = "\
Examples:
  rkafka get-offsets --bootstrap-server localhost:9092 --topic orders
  rkafka get-offsets --bootstrap-server localhost:9092 --topic 'orders.*' --time earliest
  rkafka get-offsets --bootstrap-server localhost:9092 --topic-partitions orders:0-2,payments";

/// Partitions in one DescribeTopicPartitions answer.
const PARTITIONS_PER_ANSWER: i32 = 2000;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: BootstrapOptions,
    /// DEPRECATED: the older name of --bootstrap-server.
    #[arg(long, hide = true, value_name = "HOST1:PORT1,...,HOST3:PORT3")]
    broker_list: Option<String>,
    /// Patterns of partitions, separated by commas: a regular expression for the topic, then after a colon a number,
    /// a range as 0-3 (3 not included), 5- or -3, or nothing for all.
    #[arg(long, value_name = "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3")]
    topic_partitions: Option<String>,
    /// The topic, or a regular expression for topics. All topics if absent.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// Numbers of partitions, separated by commas. All if absent.
    #[arg(long, value_name = "partition ids")]
    partitions: Option<String>,
    /// Which offset: latest, earliest, max-timestamp, earliest-local, latest-tiered, earliest-pending-upload, or that
    /// of the first record at or after a time in milliseconds since 1970.
    #[arg(long, value_name = "<timestamp> / -1 or latest / -2 or earliest / ...", default_value = "latest")]
    time: String,
    /// Accepted for command lines of Kafka 2.2: one offset is what brokers have told since then.
    #[arg(long, hide = true, value_name = "count")]
    offsets: Option<i32>,
    /// Accepted for command lines of Kafka 2.2.
    #[arg(long, hide = true, value_name = "ms")]
    max_wait_ms: Option<i32>,
    /// Leave out internal topics.
    #[arg(long)]
    exclude_internal_topics: bool,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("get-offsets"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args("An interactive shell for getting topic-partition offsets.")?;
    let mut options: Options = invocation.parse().map_err(|failure| match failure {
        Failure::Usage { message, hint } => Failure::Usage { message: occurred(&message), hint },
        other => other,
    })?;
    options.connect.bootstrap_server = options.connect.bootstrap_server.or(options.broker_list.take());
    options.connect.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let (rules, spec) = plan(&options).map_err(|problem| Failure::message(occurred(&problem)))?;
    let found = connect::with_cluster(options.connect.config("GetOffsetShell")?, async |admin| {
        fetch(&admin, &options, &rules, spec).await
    })
    .map_err(|problem| problem.told(|error| Failure::message(occurred(&connect::described(error)))))?;

    let mut rows = Rows::new(&["topic", "partition", "offset"]);
    let mut plain = String::new();
    for ((topic, partition), offset) in found {
        rows.push([json!(topic), json!(partition), json!(offset)]);
        plain.push_str(&format!("{topic}:{partition}:{offset}\n"));
    }
    output::print(options.output.output, &rows, || plain)
}

fn occurred(problem: &str) -> String {
    format!("Error occurred: {problem}")
}

fn plan(options: &Options) -> Result<(Vec<Rule>, OffsetSpec), String> {
    let patterns = &options.topic_partitions;
    if patterns.is_some() && (options.topic.is_some() || options.partitions.is_some()) {
        return Err("--topic-partitions cannot be used with --topic or --partitions".to_owned());
    }
    let spec = offset_spec(&options.time)?;
    let rules = match patterns {
        Some(patterns) => patterns.split(',').map(Rule::parse).collect::<Result<_, _>>()?,
        None => vec![Rule::new(options.topic.as_deref(), options.partitions.as_deref())?],
    };
    Ok((rules, spec))
}

fn offset_spec(time: &str) -> Result<OffsetSpec, String> {
    Ok(match time {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        other => OffsetSpec::ForTimestamp(other.parse().map_err(|_| {
            format!(
                "Malformed time argument {other}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 \
                 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format \
                 timestamp"
            )
        })?),
    })
}

/// Partitions that one pattern means.
#[derive(Debug)]
struct Rule {
    topic: Regex,
    partitions: Partitions,
}

#[derive(Debug, PartialEq, Eq)]
enum Partitions {
    These(Vec<i32>),
    /// The upper bound is not included.
    Between(i32, i32),
}

impl Rule {
    fn new(topic: Option<&str>, partitions: Option<&str>) -> Result<Rule, String> {
        let numbers = |text: &str| text.split(',').map(str::parse).collect::<Result<Vec<i32>, _>>();
        let partitions = match partitions {
            Some(text) => Partitions::These(numbers(text).map_err(|_| {
                format!("--partitions expects a comma separated list of numeric partition ids, but received: {text}")
            })?),
            None => Partitions::Between(0, i32::MAX),
        };
        Ok(Rule { topic: topic_pattern(topic.unwrap_or(".*"))?, partitions })
    }

    /// Reads `topic`, `topic:1`, `topic:0-3`, `topic:5-`, `topic:-3` or `:1`.
    fn parse(text: &str) -> Result<Rule, String> {
        let invalid = || format!("Invalid rule specification: {text}");
        let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
        let number = |digits: &str, absent: i32| match digits {
            "" => Ok(absent),
            digits => digits.parse::<i32>().map_err(|_| invalid()),
        };
        let partitions = match partitions.split_once('-') {
            Some((from, to)) => Partitions::Between(number(from, 0)?, number(to, i32::MAX)?),
            None if partitions.is_empty() => Partitions::Between(0, i32::MAX),
            None => Partitions::These(vec![number(partitions, 0)?]),
        };
        Ok(Rule { topic: topic_pattern(if topic.is_empty() { ".*" } else { topic })?, partitions })
    }

    fn allows(&self, topic: &str, partition: i32) -> bool {
        let fits = match &self.partitions {
            Partitions::These(numbers) => numbers.contains(&partition),
            Partitions::Between(from, to) => (*from..*to).contains(&partition),
        };
        fits && self.topic.is_match(topic)
    }
}

/// The offsets found, in the order of the partitions' names: `t-10` comes before `t-2`.
async fn fetch(
    admin: &Admin,
    options: &Options,
    rules: &[Rule],
    spec: OffsetSpec,
) -> Result<Vec<((String, i32), i64)>, Problem> {
    let topics = admin.list_topics().await?;
    let names: Vec<String> = topics
        .into_iter()
        .filter(|topic| {
            let is_internal = topic.is_internal || INTERNAL.contains(&topic.name.as_str());
            !(options.exclude_internal_topics && is_internal)
        })
        .map(|topic| topic.name)
        .filter(|name| rules.iter().any(|rule| rule.topic.is_match(name)))
        .collect();
    let mut wanted = BTreeMap::new();
    for (name, described) in admin.describe_topics(&names, PARTITIONS_PER_ANSWER).await? {
        for partition in described?.partitions {
            if rules.iter().any(|rule| rule.allows(&name, partition.index)) {
                wanted.insert((name.clone(), partition.index), spec);
            }
        }
    }
    if wanted.is_empty() {
        let problem = "Could not match any topic-partitions with the specified filters";
        return Err(Failure::message(occurred(problem)).into());
    }
    let mut found = Vec::new();
    for ((topic, partition), listed) in admin.list_offsets(&wanted, false).await? {
        match listed {
            Ok(ListedOffset { offset: Some(offset), .. }) => found.push(((topic, partition), offset)),
            Ok(ListedOffset { offset: None, .. }) => {}
            Err(error) => {
                let error = connect::described(&error.into());
                eprintln!(
                    "Skip getting offsets for topic-partition {topic}-{partition} due to error: {error}"
                );
            }
        }
    }
    found.sort_by_key(|((topic, partition), _)| format!("{topic}-{partition}"));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let allowed = |rule: &str| {
            let rule = Rule::parse(rule).unwrap();
            let all = ["a", "b"].into_iter().flat_map(|topic| (0..4).map(move |index| (topic, index)));
            let names = all.filter(|(topic, index)| rule.allows(topic, *index));
            names.map(|(topic, index)| format!("{topic}{index}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(allowed("a"), "a0 a1 a2 a3");
        assert_eq!(allowed("a:"), "a0 a1 a2 a3");
        assert_eq!(allowed("b:2"), "b2");
        assert_eq!(allowed(":1-3"), "a1 a2 b1 b2");
        assert_eq!(allowed(".*:-1"), "a0 b0");
        assert_eq!(allowed("[b]:3-"), "b3");
        assert_eq!(Rule::parse("a:x").unwrap_err(), "Invalid rule specification: a:x");
        assert_eq!(Rule::parse("a:1:2").unwrap_err(), "Invalid rule specification: a:1:2");
    }

    #[test]
    fn times() {
        assert_eq!(offset_spec("-3"), Ok(OffsetSpec::MaxTimestamp));
        assert_eq!(offset_spec("1700000000000"), Ok(OffsetSpec::ForTimestamp(1_700_000_000_000)));
        assert!(offset_spec("now").unwrap_err().starts_with("Malformed time argument now."));
    }
}
