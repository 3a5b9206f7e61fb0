//! `rkafka storage`: formats log directories and tells what they are, as `kafka-storage.sh` of Kafka 4.3 does.
//!
//! A broker formats its directories by itself at its first start; formatting them before gives the cluster an id of
//! one's own choice, and lets scripts written for Apache Kafka go on. `format.rs` and `info.rs` do the two.
//!
//! Differences from the stock tool, all intended: the records of Kafka's own bootstrap snapshot are neither written nor
//! listed; files without `process.roles` (Kafka 2.2) are served too; no SCRAM credentials and no other features than
//! those of 4.3 yet, and what asks for more is refused. Every node that `controller.quorum.bootstrap.servers` names votes
//! by itself once it has caught up, whatever it was formatted with.

mod format;
mod info;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use rkafka_config::NodeSettings;

use super::Invocation;
use super::server::settings;
use crate::common::failure::Failure;
use crate::common::output;

const EXAMPLES: &str = "\
Examples:
  rkafka storage random-uuid
  rkafka storage format --config config/server.properties --cluster-id $(rkafka storage random-uuid) --standalone
  rkafka storage format --config config/server.properties --cluster-id <id> \\
    --initial-controllers 1@host1:9093:<directory id>,2@host2:9093:<directory id>,3@host3:9093:<directory id>
  rkafka storage info --config config/server.properties";

const ACTIONS: [&str; 3] = ["info", "format", "random-uuid"];

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// What to do: info, format or random-uuid.
    #[arg(value_name = "info|format|random-uuid")]
    action: Option<String>,
    /// The broker's property file.
    #[arg(long, short, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// The id of the cluster.
    #[arg(long, short = 't', value_name = "CLUSTER_ID")]
    cluster_id: Option<String>,
    /// Leave directories that are formatted already as they are.
    #[arg(long, short = 'g')]
    ignore_formatted: bool,
    /// The release whose features the cluster begins with: 4.3.
    #[arg(long, short, value_name = "RELEASE_VERSION")]
    release_version: Option<String>,
    /// Not served yet: the level of a feature.
    #[arg(long, short, value_name = "FEATURE")]
    feature: Vec<String>,
    /// Not served yet: a SCRAM credential.
    #[arg(long, short = 'S', value_name = "ADD_SCRAM")]
    add_scram: Vec<String>,
    /// This node is the whole quorum.
    #[arg(long, short)]
    standalone: bool,
    /// The quorum, as id@host:port:directory for each of its nodes, separated by commas.
    #[arg(long, short = 'I', value_name = "INITIAL_CONTROLLERS")]
    initial_controllers: Option<String>,
    /// This node will join a quorum.
    #[arg(long, short = 'N')]
    no_initial_controllers: bool,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("storage"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let action = options.action().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    if action == "random-uuid" {
        return output::write(&format!("{}\n", random_id()));
    }
    let file = options.config.as_deref().unwrap_or(Path::new(""));
    let settings = settings::load(Some(file), &[])?;
    match action {
        "info" => info::info(settings.config.node()),
        _ => format::format(&options, settings.config.node()),
    }
}

impl Options {
    fn action(&self) -> Result<&str, Failure> {
        let action = match self.action.as_deref() {
            None => return Err(Failure::usage("too few arguments")),
            Some(action) if ACTIONS.contains(&action) => action,
            Some(other) => {
                let choices = ACTIONS.map(|action| format!("'{action}'")).join(", ");
                return Err(Failure::usage(format!("invalid choice: '{other}' (choose from {choices})")));
            }
        };
        if action != "random-uuid" && self.config.is_none() {
            return Err(Failure::usage("argument --config/-c is required"));
        }
        if action == "format" && self.cluster_id.is_none() {
            return Err(Failure::usage("argument --cluster-id/-t is required"));
        }
        let quorums = [
            ("--standalone/-s", self.standalone),
            ("--no-initial-controllers/-N", self.no_initial_controllers),
            ("--initial-controllers/-I", self.initial_controllers.is_some()),
        ];
        let mut given = quorums.iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option);
        match (given.next(), given.next()) {
            (Some(one), Some(other)) => {
                Err(Failure::usage(format!("argument {other}: not allowed with argument {one}")))
            }
            _ => Ok(action),
        }
    }
}

/// The log directories and that of the metadata, each once, in order.
fn directories(node: &NodeSettings) -> Vec<PathBuf> {
    let mut directories = node.log_dirs.clone();
    directories.push(node.metadata_log_dir.clone());
    directories.sort();
    directories.dedup();
    directories
}

/// A random id in Kafka's text form, which never begins with a dash.
fn random_id() -> String {
    loop {
        let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        if !id.starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids() {
        let id = random_id();
        assert_eq!(id.len(), 22, "{id}");
        assert_eq!(URL_SAFE_NO_PAD.decode(&id).map(|bytes| bytes.len()), Ok(16), "{id}");
        assert_ne!(id, random_id());
    }
}
