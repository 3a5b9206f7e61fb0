//! `rkafka consumer-groups`: list, describe and delete groups, reset and delete their offsets; as
//! `kafka-consumer-groups.sh` of Kafka 4.3 does.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and which go together |
//! | `list.rs` | list |
//! | `describe.rs` `tables.rs` | describe: what is asked for, and its lines |
//! | `reset.rs` `scenario.rs` `plan_file.rs` | reset offsets: for which partitions, to which offset, from which file |
//! | `delete.rs` | delete groups, delete offsets |
//!
//! As with the stock tool, an error at the cluster is told on standard output and ends with code 0. Differences, all
//! intended: groups and partitions are in order; an error has no stack trace; regular expressions are checked as Rust
//! has them.

mod delete;
mod describe;
mod list;
mod options;
mod plan_file;
mod reset;
mod scenario;
mod tables;

use std::time::Duration;

use clap::Args;
use rkafka_client::{Admin, ClientError};

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output;
use options::{Action, Options};

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("consumer-groups"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(
        "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, \
                     or reset consumer group offsets.",
    )?;
    let options: Options = invocation.parse()?;
    let action = options.action().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    if let (Action::ValidateRegex, Some(pattern)) = (action, &options.validate_regex) {
        return validate_regex(pattern);
    }
    let mut config = options.connect.config("rkafka-consumer-groups")?;
    if let Some(timeout) = options.timeout {
        config.default_api_timeout = Duration::from_millis(timeout.into());
    }
    let done = connect::with_cluster(config, async |admin| match action {
        Action::List => list::list(&admin, &options).await,
        Action::Describe => describe::describe(&admin, &options).await,
        Action::Delete => delete::delete_groups(&admin, &options).await,
        Action::DeleteOffsets => delete::delete_offsets(&admin, &options).await,
        Action::ResetOffsets => reset::reset(&admin, &options).await,
        Action::ValidateRegex => Ok(()),
    });
    match done {
        Ok(()) => Ok(()),
        Err(Problem::Client(error)) => failed(&error),
        Err(Problem::Command(failure)) => Err(failure.or_hint(|| invocation.hint())),
    }
}

/// Tells what the client met: an unreachable cluster is a failure; an answer of the cluster, as with the stock tool,
/// is not.
fn failed(error: &ClientError) -> Result<(), Failure> {
    let described = connect::described(error);
    if let ClientError::Unreachable(_) = error {
        let failure = format!("Error: Executing consumer group command failed due to {described}");
        return Err(Failure::message(failure));
    }
    eprintln!("{described}");
    say_error(&format!("Executing consumer group command failed due to {error}"))
}

/// The form in which the stock tool tells errors of the cluster.
fn say_error(text: &str) -> Result<(), Failure> {
    output::write(&format!("\nError: {text}\n"))
}

/// An error that ends the command as the stock tool ends it: told on standard output, with code 0.
fn told(problem: &str) -> Problem {
    let text = format!("\nError: Executing consumer group command failed due to {problem}\n");
    Failure::Print(text).into()
}

fn validate_regex(pattern: &str) -> Result<(), Failure> {
    match regex::Regex::new(pattern) {
        Ok(_) => output::write(&format!("The regular expression `{pattern}` is valid.\n")),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            output::write(&format!("The regular expression `{pattern}` is invalid: {reason}.\n"))
        }
    }
}

/// The groups that the command line means.
async fn wanted_groups(admin: &Admin, options: &Options) -> Result<Vec<String>, Problem> {
    if !options.all_groups {
        let mut groups = options.group.clone();
        groups.sort();
        groups.dedup();
        return Ok(groups);
    }
    let groups = admin.list_groups(&[], &[]).await?;
    Ok(groups.into_iter().filter(list::is_of_consumers).map(|group| group.id).collect())
}
