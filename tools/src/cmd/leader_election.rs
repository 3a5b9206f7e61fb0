//! `rkafka leader-election`: asks for elections, as `kafka-leader-election.sh` of Kafka 4.3 does.

use std::path::{Path, PathBuf};

use clap::Args;
use rkafka_client::{ClientError, ElectionType, ErrorCode};
use serde_json::{Value, json};

use super::Invocation;
use crate::common::connect;
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};
use crate::common::partition_file;

const EXAMPLES: &str = "\
Examples:
  rkafka leader-election --bootstrap-server localhost:9092 --election-type preferred --all-topic-partitions
  rkafka leader-election --bootstrap-server localhost:9092 --election-type unclean --topic orders --partition 0";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "host:port")]
    bootstrap_server: Option<String>,
    /// Property file with settings of the client.
    #[arg(long = "command-config", alias = "admin.config", value_name = "config file")]
    command_config: Option<PathBuf>,
    /// A JSON file with the partitions: {"partitions": [{"topic": "foo", "partition": 1}]}.
    #[arg(long, value_name = "Path to JSON file")]
    path_to_json_file: Option<PathBuf>,
    /// The topic to elect a leader for; needs --partition.
    #[arg(long, value_name = "topic name")]
    topic: Option<String>,
    /// The partition of --topic.
    #[arg(long, value_name = "partition id")]
    partition: Option<i32>,
    /// All partitions that need the election.
    #[arg(long)]
    all_topic_partitions: bool,
    /// REQUIRED: preferred (the first replica, if it is not the leader) or unclean (any live replica where there is
    /// no leader: records may be lost).
    #[arg(long, value_name = "election type")]
    election_type: Option<String>,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("leader-election"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(
        "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are preferred replicas and unclean replicas.",
    )?;
    let options: Options = invocation.parse()?;
    let election = options.check().map_err(Failure::message)?;
    let partitions = match (&options.path_to_json_file, &options.topic, options.partition) {
        (Some(file), ..) => Some(read(file).map_err(Failure::message)?),
        (None, Some(topic), Some(partition)) => Some(vec![(topic.clone(), partition)]),
        _ => None,
    };
    let (servers, file) = (options.bootstrap_server.as_deref(), options.command_config.as_deref());
    let config = connect::client_config(servers, file, "rkafka-leader-election")?;
    let results = connect::with_cluster(config, async |admin| {
        Ok(admin.elect_leaders(election, partitions.as_deref()).await?)
    })
    .map_err(|problem| problem.told(refused))?;

    let kind = if election == ElectionType::Unclean { "UNCLEAN" } else { "PREFERRED" };
    let (mut elected, mut needless, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = Rows::new(&["topic", "partition", "result", "error"]);
    for ((topic, partition), result) in results {
        let name = format!("{topic}-{partition}");
        let (result, error) = match result {
            Ok(()) => {
                elected.push(name);
                ("elected", Value::Null)
            }
            Err(error) if error.code == ErrorCode::ElectionNotNeeded => {
                needless.push(name);
                ("not needed", Value::Null)
            }
            Err(error) => {
                let error = connect::described(&error.into());
                failed.push(format!(
                    "Error completing leader election ({kind}) for partition: {name}: {error}\n"
                ));
                ("failed", json!(error))
            }
        };
        rows.push([json!(topic), json!(partition), json!(result), error]);
    }
    output::print(options.output.output, &rows, || {
        let mut text = String::new();
        for (names, said) in [
            (&elected, format!("Successfully completed leader election ({kind}) for partitions")),
            (&needless, "Valid replica already elected for partitions".to_owned()),
        ] {
            if !names.is_empty() {
                text.push_str(&format!("{said} {}\n", names.join(", ")));
            }
        }
        text + &failed.concat()
    })?;
    match failed.len() {
        0 => Ok(()),
        count => Err(Failure::message(format!("{count} replica(s) could not be elected"))),
    }
}

/// The stock tool tells two errors on standard output too.
fn refused(error: &ClientError) -> Failure {
    let words = match (error, error.code()) {
        (_, Some(ErrorCode::ClusterAuthorizationFailed)) => "Not authorized to perform leader election",
        (ClientError::Deadline { .. }, _) => "Timeout waiting for election results",
        _ => return Failure::message(connect::described(error)),
    };
    println!("{words}");
    Failure::message(words)
}

impl Options {
    fn check(&self) -> Result<ElectionType, String> {
        let mut missing = Vec::new();
        for (option, is_given) in [
            ("bootstrap-server", self.bootstrap_server.is_some()),
            ("election-type", self.election_type.is_some()),
        ] {
            if !is_given {
                missing.push(option);
            }
        }
        if !missing.is_empty() {
            return Err(format!("Missing required option(s): {}", missing.join(", ")));
        }
        let scopes = [self.topic.is_some(), self.all_topic_partitions, self.path_to_json_file.is_some()];
        if scopes.iter().filter(|is_given| **is_given).count() != 1 {
            let one = "One and only one of the following options is required";
            return Err(format!("{one}: topic, all-topic-partitions, path-to-json-file"));
        }
        if self.topic.is_some() && self.partition.is_none() {
            return Err("Missing required option(s): partition".to_owned());
        }
        if self.topic.is_none() && self.partition.is_some() {
            return Err("Option partition is only allowed if topic is used".to_owned());
        }
        let given = self.election_type.as_deref().unwrap_or_default();
        match given.to_ascii_lowercase().as_str() {
            "preferred" => Ok(ElectionType::Preferred),
            "unclean" => Ok(ElectionType::Unclean),
            _ => Err(format!("Cannot parse argument '{given}' of option election-type")),
        }
    }
}

fn read(path: &Path) -> Result<Vec<(String, i32)>, String> {
    let file = partition_file::read(path).map_err(|problem| format!("java.io.IOException: {problem}"))?;
    let file = file.ok_or("Replica election data is empty")?;
    let entries = partition_file::partitions(&file);
    let entries = entries.ok_or("Replica election data is missing \"partitions\" field")??;
    let partitions: Vec<(String, i32)> = entries
        .iter()
        .map(|entry| Ok((entry.text("topic")?, entry.partition()?)))
        .collect::<Result<_, String>>()?;
    let twice = partition_file::duplicates(&partitions);
    if !twice.is_empty() {
        return Err(format!("Replica election data contains duplicate partitions: [{}]", twice.join(", ")));
    }
    Ok(partitions)
}
