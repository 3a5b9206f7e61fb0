//! Options of `rkafka console-consumer`, and which go together, in the stock tool's words and order.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use regex::Regex;
use rkafka_client::ConsumerConfig;

use super::format::Formatter;
use crate::common::args::key_value;
use crate::common::consume::{ConsumerOptions, read, value};
use crate::common::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  rkafka console-consumer --bootstrap-server localhost:9092 --topic orders --from-beginning
  rkafka console-consumer --bootstrap-server localhost:9092 --topic orders --group billing
  rkafka console-consumer --bootstrap-server localhost:9092 --topic orders --partition 0 --offset 42 --max-messages 1
  rkafka console-consumer --bootstrap-server localhost:9092 --include 'orders.*' --formatter-property print.key=true";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) consumer: ConsumerOptions,
    /// The topic to consume from.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// Regular expression specifying list of topics to include for consumption.
    #[arg(long, value_name = "Java regex (String)")]
    include: Option<String>,
    /// DEPRECATED: the older name of --include.
    #[arg(long, value_name = "Java regex (String)", hide = true)]
    whitelist: Option<String>,
    /// The partition to consume from. Consumption starts from the end of the partition unless '--offset' is
    /// specified.
    #[arg(long, value_name = "partition")]
    partition: Option<i32>,
    /// The offset to consume from (a non-negative number), or 'earliest' which means from beginning, or
    /// 'latest' which means from end (default: latest).
    #[arg(long, value_name = "consume offset")]
    offset: Option<String>,
    /// If the consumer does not already have an established offset to consume from, start with the earliest
    /// message present in the log rather than the latest message.
    #[arg(long)]
    from_beginning: bool,
    /// The consumer group id of the consumer.
    #[arg(long, value_name = "consumer group id")]
    group: Option<String>,
    /// The maximum number of messages to consume before exiting. If not set, consumption is continual.
    #[arg(long, value_name = "num_messages")]
    max_messages: Option<i32>,
    /// If specified, exit if no message is available for consumption for the specified interval.
    #[arg(long, value_name = "timeout_ms")]
    timeout_ms: Option<i64>,
    /// How messages are shown: default, logging, no-op, checksum, offsets, group-metadata,
    /// transaction-log, or the name of a stock class.
    #[arg(long, value_name = "class")]
    formatter: Option<String>,
    /// Settings of the formatter in the form key=value: print.timestamp, print.key, print.offset,
    /// print.epoch, print.partition, print.headers, print.value (true or false), key.separator,
    /// line.separator, headers.separator, null.literal, key.deserializer, value.deserializer,
    /// headers.deserializer.
    #[arg(long, value_name = "prop")]
    formatter_property: Vec<String>,
    /// (DEPRECATED) The older name of --formatter-property.
    #[arg(long, value_name = "prop")]
    property: Vec<String>,
    /// Config properties file to initialize the message formatter. Note that --formatter-property takes
    /// precedence.
    #[arg(long, value_name = "config file")]
    formatter_config: Option<PathBuf>,
    /// The name of the class to use for deserializing keys.
    #[arg(long, value_name = "deserializer for keys")]
    key_deserializer: Option<String>,
    /// The name of the class to use for deserializing values.
    #[arg(long, value_name = "deserializer for values")]
    value_deserializer: Option<String>,
    /// Set to read_committed in order to filter out transactional messages which are not committed. Set to
    /// read_uncommitted to read all messages. (default: read_uncommitted)
    #[arg(long, value_name = "level")]
    isolation_level: Option<String>,
    /// If there is an error when processing a message, skip it instead of halt.
    #[arg(long)]
    pub(super) skip_message_on_error: bool,
    /// Log lifecycle events of the consumer in addition to logging consumed messages. (This is specific for
    /// system tests.)
    #[arg(long)]
    pub(super) enable_systest_events: bool,
}

/// Where one partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Earliest,
    Latest,
    At(i64),
}

/// What is read.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Topic(String),
    Pattern(Regex),
    Partition(String, i32, Start),
}

/// Everything, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: ConsumerConfig,
    pub(super) source: Source,
    pub(super) formatter: Formatter,
    /// The most messages; all if absent.
    pub(super) max_messages: Option<u64>,
    pub(super) timeout: Option<Duration>,
}

impl Options {
    /// Checks everything before anything is done.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let source = self.source()?;
        if self.consumer.bootstrap_server.is_none() {
            return Err(Failure::usage("Missing required argument \"[bootstrap-server]\""));
        }
        let properties = self.consumer_properties()?;
        let config = self.consumer.config(properties)?;
        let formatter = Formatter::new(self.formatter.as_deref(), &self.formatter_properties()?)?;
        Ok(Plan {
            config,
            source,
            formatter,
            max_messages: self.max_messages.and_then(|count| u64::try_from(count).ok()),
            timeout: self.timeout_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
        })
    }

    fn source(&self) -> Result<Source, Failure> {
        let pattern = self.include.as_deref().or(self.whitelist.as_deref());
        let (topic, pattern) = match (&self.topic, pattern) {
            (Some(topic), None) => (Some(topic.clone()), None),
            (None, Some(pattern)) => (None, Some(pattern)),
            _ => {
                let message = "Exactly one of the following arguments is required: [topic], [include]";
                return Err(Failure::usage(message));
            }
        };
        if self.partition.is_none() && self.offset.is_some() {
            return Err(Failure::usage("The partition is required when offset is specified."));
        }
        if let Some(partition) = self.partition {
            let required = || Failure::usage("The topic is required when partition is specified.");
            let topic = topic.ok_or_else(required)?;
            if self.from_beginning && self.offset.is_some() {
                let message = "Options from-beginning and offset cannot be specified together.";
                return Err(Failure::usage(message));
            }
            return Ok(Source::Partition(topic, partition, self.start()?));
        }
        match (topic, pattern) {
            (Some(topic), _) => Ok(Source::Topic(topic)),
            (None, pattern) => {
                let pattern = pattern.unwrap_or_default();
                let wrong = |error| Failure::usage(format!("'{pattern}' is no regular expression: {error}"));
                Ok(Source::Pattern(Regex::new(pattern).map_err(wrong)?))
            }
        }
    }

    fn start(&self) -> Result<Start, Failure> {
        let Some(text) = &self.offset else {
            return Ok(if self.from_beginning { Start::Earliest } else { Start::Latest });
        };
        match text.to_lowercase().as_str() {
            "earliest" => Ok(Start::Earliest),
            "latest" => Ok(Start::Latest),
            number => number.parse().ok().filter(|offset| *offset >= 0).map(Start::At).ok_or_else(|| {
                Failure::usage(format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                     non-negative long."
                ))
            }),
        }
    }

    fn consumer_properties(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut properties = self.consumer.properties()?;
        let mut set = |key: &str, value: &str| properties.push((key.to_owned(), value.to_owned()));
        if let Some(level) = &self.isolation_level {
            set("isolation.level", level);
        }
        self.check_group(&properties)?;
        let mut set = |key: &str, value: &str| properties.push((key.to_owned(), value.to_owned()));
        if let Some(group) = &self.group {
            set("group.id", group);
        }
        self.set_reset(&mut properties)?;
        if value(&properties, "client.id").is_none() {
            properties.push(("client.id".to_owned(), "console-consumer".to_owned()));
        }
        if value(&properties, "group.id").is_none() {
            let group = format!("console-consumer-{}", fastrand::u32(..100_000));
            properties.push(("group.id".to_owned(), group));
            if value(&properties, "enable.auto.commit").is_none() {
                properties.push(("enable.auto.commit".to_owned(), "false".to_owned()));
            }
        }
        Ok(properties)
    }

    fn check_group(&self, properties: &[(String, String)]) -> Result<(), Failure> {
        let given = properties.iter().filter(|(key, _)| key == "group.id").map(|(_, value)| value);
        let groups: BTreeSet<&String> = given.chain(&self.group).collect();
        if groups.len() > 1 {
            let listed: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
            return Err(Failure::usage(format!(
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or \
                 via '--consumer.config') do not match. Detected group ids: {}",
                listed.join(", ")
            )));
        }
        if !groups.is_empty() && self.partition.is_some() {
            return Err(Failure::usage("Options group and partition cannot be specified together."));
        }
        Ok(())
    }

    fn set_reset(&self, properties: &mut Vec<(String, String)>) -> Result<(), Failure> {
        match value(properties, "auto.offset.reset") {
            Some(reset) if self.from_beginning && reset != "earliest" => Err(Failure::message(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one \
                 option"
            ))),
            Some(_) => Ok(()),
            None => {
                let reset = if self.from_beginning { "earliest" } else { "latest" };
                properties.push(("auto.offset.reset".to_owned(), reset.to_owned()));
                Ok(())
            }
        }
    }

    fn formatter_properties(&self) -> Result<Vec<(String, String)>, Failure> {
        if !self.property.is_empty() && !self.formatter_property.is_empty() {
            return Err(Failure::usage(
                "Options --property and --formatter-property cannot be specified together.",
            ));
        }
        let mut properties = Vec::new();
        if let Some(file) = &self.formatter_config {
            properties.extend(read(file)?.entries().iter().map(|one| (one.key.clone(), one.value.clone())));
        }
        for (key, class) in
            [("key.deserializer", &self.key_deserializer), ("value.deserializer", &self.value_deserializer)]
        {
            properties.extend(class.iter().map(|class| (key.to_owned(), class.clone())));
        }
        for text in self.property.iter().chain(&self.formatter_property) {
            properties.push(key_value(text).map_err(Failure::usage)?);
        }
        Ok(properties)
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::common::args::finish_definition;

    fn plan(line: &str) -> Result<Plan, String> {
        let command = finish_definition(Options::augment_args(clap::Command::new("console-consumer")));
        let matches =
            command.try_get_matches_from(["console-consumer"].into_iter().chain(line.split_whitespace()));
        let options = Options::from_arg_matches(&matches.unwrap()).unwrap();
        options.plan().map_err(|failure| match failure {
            Failure::Usage { message, .. } | Failure::Message(message) => message,
            other => panic!("{other:?}"),
        })
    }

    fn refused(line: &str, expected: &str) {
        assert_eq!(plan(line).unwrap_err(), expected, "{line}");
    }

    #[test]
    fn what_goes_together() {
        let one_of = "Exactly one of the following arguments is required: [topic], [include]";
        refused("", one_of);
        refused("--topic a --include b --bootstrap-server a:1", one_of);
        refused("--topic a", "Missing required argument \"[bootstrap-server]\"");
        refused("--topic a --offset 3", "The partition is required when offset is specified.");
        refused("--include a --partition 3", "The topic is required when partition is specified.");
        refused(
            "--topic a --partition 3 --offset 1 --from-beginning",
            "Options from-beginning and offset cannot be specified together.",
        );
        refused(
            "--topic a --partition 3 --offset -7",
            "The provided offset value '-7' is incorrect. Valid values are 'earliest', 'latest', or a non-negative \
             long.",
        );
        refused(
            "--topic a --bootstrap-server a:1 --partition 3 --group g",
            "Options group and partition cannot be specified together.",
        );
        refused(
            "--topic a --bootstrap-server a:1 --group g --consumer-property group.id=h",
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: 'g', 'h'",
        );
        refused(
            "--topic a --bootstrap-server a:1 --from-beginning --consumer-property auto.offset.reset=latest",
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest', please remove one option",
        );
        refused(
            "--topic a --bootstrap-server a:1 --property print.key=true --formatter-property print.value=true",
            "Options --property and --formatter-property cannot be specified together.",
        );
    }

    #[test]
    fn groups_and_commits() {
        let config = plan("--topic a --bootstrap-server a:1").unwrap().config;
        assert!(config.group_id.unwrap().starts_with("console-consumer-"));
        assert!(!config.enable_auto_commit, "nobody comes back to a group that was made up");
        assert_eq!(config.client.client_id, "console-consumer");
        let plan =
            plan("--whitelist a.* --bootstrap-server a:1 --group g --timeout-ms 5 --max-messages 3").unwrap();
        assert!(plan.config.enable_auto_commit);
        assert_eq!(plan.config.group_id.as_deref(), Some("g"));
        assert_eq!((plan.timeout, plan.max_messages), (Some(Duration::from_millis(5)), Some(3)));
        assert!(matches!(plan.source, Source::Pattern(pattern) if pattern.as_str() == "a.*"));
    }
}
