//! Options of `rkafka topics`, and which go together, in the stock tool's words and order.

use std::collections::BTreeMap;

use clap::Args;
use rkafka_config::{BrokerConfig, TopicConfig};

use super::TOOL;
use crate::common::connect::ConnectOptions;
use crate::common::failure::Failure;
use crate::common::output::OutputOptions;

const EXAMPLES: &str = "\
Examples:
  rkafka topics --bootstrap-server localhost:9092 --create --topic orders --partitions 3
  rkafka topics --bootstrap-server localhost:9092 --list
  rkafka topics --bootstrap-server localhost:9092 --describe --topic 'orders.*' --output table
  rkafka topics --bootstrap-server localhost:9092 --alter --topic orders --partitions 5
  rkafka topics --bootstrap-server localhost:9092 --delete --topic orders";

const USE_CONFIGS: &str = " (To alter topic configurations, the kafka-configs tool can be used.)";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) connect: ConnectOptions,
    /// Create a new topic.
    #[arg(long, help_heading = "Action")]
    create: bool,
    /// List all available topics.
    #[arg(long, help_heading = "Action")]
    list: bool,
    /// List details for the given topics.
    #[arg(long, help_heading = "Action")]
    describe: bool,
    /// Alter the number of partitions; with --zookeeper, also settings.
    #[arg(long, help_heading = "Action")]
    alter: bool,
    /// Delete a topic.
    #[arg(long, help_heading = "Action")]
    delete: bool,
    /// The topic to create, alter, describe or delete; a regular expression too, except with --create.
    #[arg(long, value_name = "topic")]
    pub(super) topic: Option<String>,
    /// The id of the topic to describe.
    #[arg(long, value_name = "topic-id")]
    pub(super) topic_id: Option<String>,
    /// A setting of the topic to create, such as retention.ms=3600000; may be repeated.
    #[arg(long, value_name = "name=value")]
    config: Vec<String>,
    /// A setting to remove (only with --zookeeper, as Kafka 2.2 has it); may be repeated.
    #[arg(long, value_name = "name")]
    pub(super) delete_config: Vec<String>,
    /// The number of partitions; the cluster's default with --create if absent. (WARNING: more partitions for a
    /// topic with keys change which partition a key goes to.)
    #[arg(long, value_name = "# of partitions")]
    pub(super) partitions: Option<i32>,
    /// The number of replicas of each partition; the cluster's default if absent.
    #[arg(long, value_name = "replication factor")]
    pub(super) replication_factor: Option<i32>,
    /// The brokers of each partition: the replicas of one joined by colons, partitions by commas.
    #[arg(long, value_name = "1:2,2:3,3:1")]
    replica_assignment: Option<String>,
    /// When describing, only show under-replicated partitions.
    #[arg(long)]
    pub(super) under_replicated_partitions: bool,
    /// When describing, only show partitions whose leader is not available.
    #[arg(long)]
    pub(super) unavailable_partitions: bool,
    /// When describing, only show partitions with fewer replicas in sync than the configured minimum.
    #[arg(long)]
    pub(super) under_min_isr_partitions: bool,
    /// When describing, only show partitions with just the configured minimum of replicas in sync.
    #[arg(long)]
    pub(super) at_min_isr_partitions: bool,
    /// When describing, only show topics with settings of their own.
    #[arg(long)]
    pub(super) topics_with_overrides: bool,
    /// When altering, describing or deleting, do nothing if the topic does not exist.
    #[arg(long)]
    pub(super) if_exists: bool,
    /// When creating, it is no error if the topic exists already.
    #[arg(long)]
    pub(super) if_not_exists: bool,
    /// Leave out internal topics when listing or describing.
    #[arg(long)]
    pub(super) exclude_internal: bool,
    /// The most partitions in one DescribeTopicPartitions answer.
    #[arg(long, value_name = "maximum number of partitions per response")]
    pub(super) partition_size_limit_per_response: Option<i32>,
    /// Accepted for old command lines: nothing is asked on the console.
    #[arg(long, hide = true)]
    force: bool,
    /// Accepted for command lines of Kafka 2.2: the controller places replicas, and knows the racks.
    #[arg(long, hide = true)]
    disable_rack_aware: bool,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    List,
    Describe,
    Alter,
    Delete,
}

impl Action {
    /// In the order in which the stock tool names them.
    const ALL: [Action; 5] = [Action::Alter, Action::Create, Action::Describe, Action::List, Action::Delete];

    fn option(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::List => "list",
            Action::Describe => "describe",
            Action::Alter => "alter",
            Action::Delete => "delete",
        }
    }
}

impl Options {
    fn has(&self, action: Action) -> bool {
        match action {
            Action::Create => self.create,
            Action::List => self.list,
            Action::Describe => self.describe,
            Action::Alter => self.alter,
            Action::Delete => self.delete,
        }
    }

    /// Finds the one action and refuses options that do not go with it.
    pub(super) fn action(&self) -> Result<Action, Failure> {
        let mut chosen = Action::ALL.into_iter().filter(|action| self.has(*action));
        let (Some(action), None) = (chosen.next(), chosen.next()) else {
            return Err(Failure::usage(
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
            ));
        };
        self.check_address()?;
        self.check_required(action)?;
        self.check_combinations(action)?;
        Ok(action)
    }

    fn check_address(&self) -> Result<(), Failure> {
        if !self.connect.is_addressed() {
            return Err(Failure::message("--bootstrap-server must be specified"));
        }
        if self.connect.bootstrap_server.is_some() && self.connect.zookeeper.is_some() {
            return Err(Failure::message("Only one of --bootstrap-server or --zookeeper must be specified"));
        }
        Ok(())
    }

    fn check_required(&self, action: Action) -> Result<(), Failure> {
        let missing = |option: &str| Err(Failure::usage(format!("Missing required argument \"[{option}]\"")));
        if action == Action::Describe && self.if_exists && self.topic.is_none() && self.topic_id.is_none() {
            return Err(Failure::usage("--topic or --topic-id is required to describe a topic"));
        }
        if !matches!(action, Action::List | Action::Describe) && self.topic.is_none() {
            return missing("topic");
        }
        if action != Action::Alter || self.alters_settings() {
            return Ok(());
        }
        if !self.config.is_empty() {
            let what = "Option combination \"[[bootstrap-server], [config]]\" can't be used with option";
            return Err(Failure::usage(format!("{what} \"[alter]\"{USE_CONFIGS}")));
        }
        if self.partitions.is_none() { missing("partitions") } else { Ok(()) }
    }

    /// Whether this is the old way to change settings: only where old command lines name ZooKeeper.
    pub(super) fn alters_settings(&self) -> bool {
        self.connect.zookeeper.is_some() && !(self.config.is_empty() && self.delete_config.is_empty())
    }

    fn check_combinations(&self, action: Action) -> Result<(), Failure> {
        let clash = |option: &str, with: &str| {
            Err(Failure::usage(format!("Option \"[{option}]\" can't be used with option \"[{with}]\"")))
        };
        let (alter, create, describe) = (Action::Alter, Action::Create, Action::Describe);
        let reports = [
            ("under-replicated-partitions", self.under_replicated_partitions),
            ("under-min-isr-partitions", self.under_min_isr_partitions),
            ("at-min-isr-partitions", self.at_min_isr_partitions),
            ("unavailable-partitions", self.unavailable_partitions),
        ];
        let given = [
            ("config", !self.config.is_empty(), vec![alter, create]),
            ("partitions", self.partitions.is_some(), vec![alter, create]),
            ("replication-factor", self.replication_factor.is_some(), vec![create]),
            ("replica-assignment", self.replica_assignment.is_some(), vec![alter, create]),
            (reports[0].0, reports[0].1, vec![describe]),
            (reports[1].0, reports[1].1, vec![describe]),
            (reports[2].0, reports[2].1, vec![describe]),
            (reports[3].0, reports[3].1, vec![describe]),
            ("topics-with-overrides", self.topics_with_overrides, vec![describe]),
            ("if-exists", self.if_exists, vec![alter, Action::Delete, describe]),
            ("if-not-exists", self.if_not_exists, vec![create]),
            ("exclude-internal", self.exclude_internal, vec![Action::List, describe]),
        ];
        for (option, is_given, allowed) in given {
            if is_given && !allowed.contains(&action) {
                return clash(option, action.option());
            }
        }
        if action == create && self.replica_assignment.is_some() {
            for (option, is_given) in [
                ("partitions", self.partitions.is_some()),
                ("replication-factor", self.replication_factor.is_some()),
            ] {
                if is_given {
                    return clash("replica-assignment", option);
                }
            }
        }
        match reports.iter().find(|(_, is_given)| *is_given && self.topics_with_overrides) {
            Some((report, _)) => clash(report, "topics-with-overrides"),
            None => Ok(()),
        }
    }

    /// `--config`, checked as far as names and values go without a broker.
    pub(super) fn settings(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut settings = BTreeMap::new();
        for text in &self.config {
            match text.split('=').map(str::trim).collect::<Vec<_>>().as_slice() {
                [name, value] => settings.insert((*name).to_owned(), (*value).to_owned()),
                _ => {
                    let form = "all configs to be added must be in the format \"key=val\".";
                    let message = format!("requirement failed: Invalid topic config: {form}");
                    return Err(TOOL.error("java.lang.IllegalArgumentException", message));
                }
            };
        }
        let invalid = "org.apache.kafka.common.errors.InvalidConfigurationException";
        TopicConfig::new(&settings, &BrokerConfig::default())
            .map_err(|error| TOOL.error(invalid, error.to_string()))?;
        Ok(settings)
    }

    /// `--replica-assignment`: the brokers of each partition.
    pub(super) fn assignments(&self) -> Result<Vec<Vec<i32>>, Failure> {
        let Some(text) = self.replica_assignment.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut assignments: Vec<Vec<i32>> = Vec::new();
        for partition in text.split(',') {
            let brokers = partition.split(':').map(|id| id.trim().parse::<i32>().map_err(|_| id.trim()));
            let brokers = brokers.collect::<Result<Vec<i32>, &str>>().map_err(|id| {
                TOOL.error("java.lang.NumberFormatException", format!("For input string: \"{id}\""))
            })?;
            let twice: Vec<String> = (1..brokers.len())
                .filter(|at| brokers[..*at].contains(&brokers[*at]))
                .map(|at| brokers[at].to_string())
                .collect();
            if !twice.is_empty() {
                let message = "Partition replica lists may not contain duplicate entries: ";
                let class = "org.apache.kafka.tools.AdminCommandFailedException";
                return Err(TOOL.error(class, format!("{message}{}", twice.join(","))));
            }
            if assignments.first().is_some_and(|first| first.len() != brokers.len()) {
                let message =
                    format!("Partition {} has different replication factor: {brokers:?}", assignments.len());
                return Err(TOOL.error("org.apache.kafka.tools.AdminOperationException", message));
            }
            assignments.push(brokers);
        }
        Ok(assignments)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::common::args;

    fn options(line: &str) -> Options {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let command = args::finish_definition(Options::augment_args(clap::Command::new("topics")));
        args::parse(&command, &words).unwrap()
    }

    fn message(failure: Failure) -> String {
        match failure {
            Failure::Usage { message, .. } | Failure::Message(message) => message,
            Failure::Execution(error) => error.message,
            other => panic!("{other:?}"),
        }
    }

    fn refused(line: &str, expected: &str) {
        let options = options(&format!("--bootstrap-server localhost:9092 {line}"));
        assert_eq!(message(options.action().unwrap_err()), expected, "{line}");
    }

    #[test]
    fn one_action() {
        let one =
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        refused("", one);
        refused("--list --describe", one);
        assert_eq!(message(options("--list").action().unwrap_err()), "--bootstrap-server must be specified");
        assert_eq!(options("--broker-list a:1 --list").action(), Ok(Action::List));
        assert_eq!(
            message(options("--list --bootstrap-server a:1 --zookeeper z:1").action().unwrap_err()),
            "Only one of --bootstrap-server or --zookeeper must be specified"
        );
    }

    #[test]
    fn what_goes_together() {
        refused("--create", "Missing required argument \"[topic]\"");
        refused("--delete", "Missing required argument \"[topic]\"");
        refused("--alter --topic t", "Missing required argument \"[partitions]\"");
        refused("--describe --if-exists", "--topic or --topic-id is required to describe a topic");
        refused(
            "--alter --topic t --config a=b",
            "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter \
             topic configurations, the kafka-configs tool can be used.)",
        );
        let clash = |line: &str, option: &str, with: &str| {
            refused(line, &format!("Option \"[{option}]\" can't be used with option \"[{with}]\""));
        };
        clash("--list --partitions 3", "partitions", "list");
        clash("--describe --config a=b", "config", "describe");
        clash("--alter --topic t --partitions 3 --replication-factor 2", "replication-factor", "alter");
        clash("--create --topic t --replica-assignment 1 --partitions 1", "replica-assignment", "partitions");
        clash(
            "--describe --under-min-isr-partitions --topics-with-overrides",
            "under-min-isr-partitions",
            "topics-with-overrides",
        );
        clash("--create --topic t --if-exists", "if-exists", "create");
        clash("--delete --topic t --if-not-exists", "if-not-exists", "delete");
        clash("--delete --topic t --exclude-internal", "exclude-internal", "delete");
    }

    #[test]
    fn the_old_way_to_change_settings() {
        let line = "--zookeeper hadoop01:2181 --alter --topic test --config flush.messages=1";
        assert_eq!(options(line).action(), Ok(Action::Alter));
        assert!(options(line).alters_settings());
        let line = "--zookeeper hadoop01:2181 --alter --topic test --delete-config flush.messages";
        assert_eq!(options(line).action(), Ok(Action::Alter));
        assert_eq!(
            message(options("--zookeeper z --alter --topic test").action().unwrap_err()),
            "Missing required argument \"[partitions]\""
        );
    }

    #[test]
    fn settings() {
        let read = |line: &str| options(line).settings().map_err(message);
        let settings = read("--config flush.messages=1 --config=retention.ms=5").unwrap();
        assert_eq!(
            settings.into_iter().collect::<Vec<_>>(),
            [("flush.messages".to_owned(), "1".to_owned()), ("retention.ms".to_owned(), "5".to_owned())]
        );
        assert_eq!(read("--config bla=1").unwrap_err(), "Unknown topic config name: bla");
        assert_eq!(
            read("--config retention.ms=x").unwrap_err(),
            "Invalid value x for configuration retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            read("--config retention.ms").unwrap_err(),
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\"."
        );
    }

    #[test]
    fn assignments() {
        let read =
            |text: &str| options(&format!("--replica-assignment {text}")).assignments().map_err(message);
        assert_eq!(read("1:2,2:3"), Ok(vec![vec![1, 2], vec![2, 3]]));
        assert_eq!(
            read("1:1,2:3").unwrap_err(),
            "Partition replica lists may not contain duplicate entries: 1"
        );
        assert_eq!(read("1:2,1").unwrap_err(), "Partition 1 has different replication factor: [1]");
        assert_eq!(read("1:x").unwrap_err(), "For input string: \"x\"");
    }
}
