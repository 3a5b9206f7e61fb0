//! `rkafka features`: levels of what the whole cluster has agreed on, as `kafka-features.sh` of Kafka 4.3 shows and
//! changes them (KIP-584).
//!
//! Differences, all intended: `--release-version` knows 4.3 alone, whose features rkafka has; `version-mapping` and
//! `feature-dependencies`, which tell of Kafka's own releases, are not there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rkafka_client::admin::{FeatureUpdate, FeatureVersions, Features, UpgradeType};
use rkafka_client::{Admin, ClientError};
use serde_json::{Value, json};

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka features --bootstrap-server localhost:9092 describe
  rkafka features --bootstrap-server localhost:9092 upgrade --feature eligible.leader.replicas.version=1
  rkafka features --bootstrap-server localhost:9092 disable --feature eligible.leader.replicas.version --dry-run";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "BOOTSTRAP_SERVER")]
    bootstrap_server: Option<String>,
    /// The controllers to connect to instead.
    #[arg(long, value_name = "BOOTSTRAP_CONTROLLER")]
    bootstrap_controller: Option<String>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "COMMAND_CONFIG")]
    command_config: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Describes the current active feature flags.
    Describe,
    /// Upgrade one or more feature flags.
    Upgrade {
        /// A feature to raise, as in `metadata.version=5`.
        #[arg(long, value_name = "FEATURE")]
        feature: Vec<String>,
        /// The release whose levels all features shall have: 4.3.
        #[arg(long, value_name = "RELEASE_VERSION")]
        release_version: Option<String>,
        /// Validate this upgrade, but do not perform it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Downgrade one or more feature flags.
    Downgrade {
        /// A feature to lower, as in `metadata.version=5`.
        #[arg(long, value_name = "FEATURE")]
        feature: Vec<String>,
        /// Even if something may be lost for good.
        #[arg(long, name = "unsafe")]
        is_unsafe: bool,
        /// Validate this downgrade, but do not perform it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Disable one or more feature flags. This is the same as downgrading the version to zero.
    Disable {
        /// A feature to switch off.
        #[arg(long, value_name = "FEATURE")]
        feature: Vec<String>,
        /// Even if something may be lost for good.
        #[arg(long, name = "unsafe")]
        is_unsafe: bool,
        /// Validate this change, but do not perform it.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The release whose features rkafka has.
const RELEASES: [&str; 2] = ["4.3", "4.3-IV0"];

/// Names of the levels of `metadata.version`, from 7 on.
const METADATA_VERSIONS: [&str; 24] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0",
    "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2",
    "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
];

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("features"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let usage = |words: &str| Err(Failure::usage(words).or_hint(|| invocation.hint()));
    let servers = match (&options.bootstrap_server, &options.bootstrap_controller) {
        (Some(_), Some(_)) => {
            return usage("argument --bootstrap-controller: not allowed with argument --bootstrap-server");
        }
        (None, None) => {
            return usage("one of the arguments --bootstrap-server --bootstrap-controller is required");
        }
        (servers, controllers) => servers.as_deref().or(controllers.as_deref()),
    };
    let Some(action) = options.action else { return usage("too few arguments") };
    let config = connect::client_config(servers, options.command_config.as_deref(), "rkafka-features")?;
    let changes = match &action {
        Action::Describe => None,
        changing => Some(Changes::of(changing).map_err(Failure::message)?),
    };
    connect::with_cluster(config, async |admin| match changes {
        None => describe(&admin, &options.output).await,
        Some(changes) => changes.make(&admin).await,
    })
    .map_err(|problem| problem.told(|error| Failure::message(error.to_string())))
}

async fn describe(admin: &Admin, options: &OutputOptions) -> Result<(), Problem> {
    let Features { supported, finalized, finalized_epoch } = admin.describe_features().await?;
    let headings = &["feature", "supported_min", "supported_max", "finalized", "epoch"];
    let (mut rows, mut text) = (Rows::new(headings), String::new());
    let epoch = finalized_epoch.map_or("-".to_owned(), |epoch| epoch.to_string());
    for (feature, FeatureVersions { min, max }) in supported {
        let level = finalized.get(&feature).map_or(0, |known| known.max);
        let [low, high, current] = [min, max, level].map(|level| shown(&feature, level));
        text.push_str(&format!(
            "Feature: {feature:<40}  SupportedMinVersion: {low:<15}  SupportedMaxVersion: {high:<15}  \
             FinalizedVersionLevel: {current:<15}  Epoch: {epoch}\n"
        ));
        let epoch = finalized_epoch.map_or(Value::Null, |epoch| json!(epoch));
        rows.push([json!(feature), json!(low), json!(high), json!(current), epoch]);
    }
    Ok(output::print(options.output, &rows, || text)?)
}

fn shown(feature: &str, level: i16) -> String {
    let mut named = (7..).zip(METADATA_VERSIONS).filter(|_| feature == "metadata.version");
    let named = named.find(|(known, _)| *known == level);
    named.map_or_else(|| level.to_string(), |(_, name)| name.to_owned())
}

/// Levels to be set together.
#[derive(Debug, PartialEq, Eq)]
struct Changes {
    /// What is said of a change that was made, and what of one that could be.
    words: [&'static str; 2],
    updates: BTreeMap<String, FeatureUpdate>,
    dry_run: bool,
}

impl Changes {
    fn of(action: &Action) -> Result<Changes, String> {
        let lowering = |with_loss: bool| match with_loss {
            true => UpgradeType::UnsafeDowngrade,
            false => UpgradeType::SafeDowngrade,
        };
        let (words, given, upgrade_type, dry_run) = match action {
            Action::Describe => (["", ""], Vec::new(), UpgradeType::Upgrade, false),
            Action::Upgrade { feature, release_version, dry_run } => {
                let given = match release_version {
                    Some(release) => of_release(release, feature)?,
                    None => parsed(feature)?,
                };
                (["upgraded", "upgrade"], given, UpgradeType::Upgrade, *dry_run)
            }
            Action::Downgrade { feature, is_unsafe, dry_run } => {
                (["downgraded", "downgrade"], parsed(feature)?, lowering(*is_unsafe), *dry_run)
            }
            Action::Disable { feature, is_unsafe, dry_run } => {
                let given = feature.iter().map(|name| (name.clone(), 0)).collect();
                (["disabled", "disable"], given, lowering(*is_unsafe), *dry_run)
            }
        };
        if given.is_empty() {
            return Err(format!("You must specify at least one feature to {}", words[1]));
        }
        let mut updates = BTreeMap::new();
        for (name, level) in given {
            if updates.insert(name.clone(), FeatureUpdate { level, upgrade_type }).is_some() {
                return Err(format!("Feature {name} was specified more than once."));
            }
        }
        Ok(Changes { words, updates, dry_run })
    }

    /// Makes them, or tries whether they could be made; each is told by itself.
    async fn make(self, admin: &Admin) -> Result<(), Problem> {
        let Changes { words: [done, verb], updates, dry_run } = self;
        let results = match admin.update_features(&updates, dry_run).await {
            Ok(results) => results,
            // The whole request was refused: each of its features was.
            Err(ClientError::Api(error)) => {
                updates.keys().map(|name| (name.clone(), Err(error.clone()))).collect()
            }
            Err(error) => return Err(error.into()),
        };
        let (mut text, mut failed) = (String::new(), 0);
        for (name, result) in &results {
            let level = updates.get(name).map_or(0, |update| update.level);
            let (can, was) = if dry_run { ("can be", "Can not") } else { ("was", "Could not") };
            let to = if verb == "disable" { String::new() } else { format!(" to {level}") };
            text.push_str(&match result {
                Ok(()) => format!("{name} {can} {done}{to}.\n"),
                Err(error) => format!("{was} {verb} {name}{to}. {}\n", error.message),
            });
            failed += usize::from(result.is_err());
        }
        output::write(&text)?;
        match failed {
            0 => Ok(()),
            failed => {
                let words = format!("{failed} out of {} operation(s) failed.", results.len());
                Err(Failure::message(words).into())
            }
        }
    }
}

fn of_release(release: &str, features: &[String]) -> Result<Vec<(String, i16)>, String> {
    if !features.is_empty() {
        return Err("Can not specify `release-version` with other feature flags.".to_owned());
    }
    match RELEASES.contains(&release) {
        true => Ok(vec![("eligible.leader.replicas.version".to_owned(), 1)]),
        false => {
            Err(format!("Unknown metadata.version {release}. Supported metadata.version are {}", RELEASES[1]))
        }
    }
}

fn parsed(features: &[String]) -> Result<Vec<(String, i16)>, String> {
    features.iter().map(|feature| name_and_level(feature)).collect()
}

fn name_and_level(text: &str) -> Result<(String, i16), String> {
    let fault = |why: String| format!("Can't parse feature=level string {text}: {why}");
    let (name, level) = text.split_once('=').ok_or_else(|| fault("equals sign not found.".to_owned()))?;
    let parsed = level.trim().parse();
    let parsed = parsed.map_err(|_| fault(format!("unable to parse {} as a short.", level.trim())))?;
    Ok((name.trim().to_owned(), parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_on_the_command_line() {
        assert_eq!(name_and_level("a.b = 3"), Ok(("a.b".to_owned(), 3)));
        for (text, why) in [("a", "equals sign not found."), ("a=x", "unable to parse x as a short.")] {
            assert_eq!(name_and_level(text), Err(format!("Can't parse feature=level string {text}: {why}")));
        }
        let twice = Action::Upgrade {
            feature: vec!["a=1".to_owned(), "a=2".to_owned()],
            release_version: None,
            dry_run: false,
        };
        assert_eq!(Changes::of(&twice), Err("Feature a was specified more than once.".to_owned()));
    }

    #[test]
    fn names_of_metadata_versions() {
        assert_eq!(shown("metadata.version", 25), "4.0-IV3");
        assert_eq!(shown("group.version", 25), "25");
    }
}
