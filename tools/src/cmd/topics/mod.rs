//! `rkafka topics`: create, list, describe, alter and delete topics, as `kafka-topics.sh` of Kafka 4.3 does, and as
//! that of 2.2 where its `--zookeeper` is given.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and which go together |
//! | `filter.rs` | `--topic` as a regular expression |
//! | `change.rs` | create, alter, delete |
//! | `describe.rs` | describe, with its filters |
//!
//! Differences from the stock tool, all intended: topics are listed and described by name; a usage mistake shows a
//! hint rather than the whole help; `--help` ends with 0; stray words are refused.

mod change;
mod describe;
mod filter;
mod options;

use clap::Args;
use rkafka_client::{Admin, TopicListing};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, Tool};
use crate::common::failure::Failure;
use crate::common::output::{self, Rows};
use crate::common::similar::did_you_mean;
use filter::TopicFilter;
use options::{Action, Options};

/// The stock tool this stands for.
const TOOL: Tool = Tool { what: "topic command", class: "org.apache.kafka.tools.TopicCommand" };

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("topics"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.args.is_empty() {
        return Err(
            Failure::usage("Create, delete, describe, or change a topic.").or_hint(|| invocation.hint())
        );
    }
    let options: Options = invocation.parse()?;
    let action = options.action().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    match action {
        Action::Create => change::create(&options),
        Action::Alter => change::alter(&options),
        Action::Delete => change::delete(&options),
        Action::Describe => describe::describe(&options),
        Action::List => list(&options),
    }
}

fn list(options: &Options) -> Result<(), Failure> {
    let found = connect::with_admin(TOOL, options.connect.config("rkafka-topics")?, async |admin| {
        matching(&admin, options, options.topic.as_deref()).await
    })?;
    let mut rows = Rows::new(&["topic", "topic_id", "internal"]);
    for topic in &found {
        let id = (!topic.id.is_zero()).then(|| topic.id.to_string());
        rows.push([json!(topic.name), json!(id), json!(topic.is_internal)]);
    }
    let names: Vec<&str> = found.iter().map(|topic| topic.name.as_str()).collect();
    output::print(options.output.output, &rows, || names.join("\n") + "\n")
}

/// The topics that the expression and `--exclude-internal` leave.
async fn matching(
    admin: &Admin,
    options: &Options,
    topic: Option<&str>,
) -> Result<Vec<TopicListing>, Failure> {
    let filter = TopicFilter::new(topic, options.exclude_internal)?;
    let topics = admin.list_topics().await.map_err(|error| TOOL.client_error(&error))?;
    Ok(topics.into_iter().filter(|topic| filter.allows(topic)).collect())
}

/// The names of the topics that `--topic` means; none is an error unless `--if-exists`.
async fn existing(admin: &Admin, options: &Options) -> Result<Vec<String>, Failure> {
    let found: Vec<String> = matching(admin, options, options.topic.as_deref())
        .await?
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    match options.topic.as_deref().filter(|topic| !topic.is_empty()) {
        Some(topic) if found.is_empty() && !options.if_exists => {
            let known = matching(admin, options, None).await?;
            let names = known.iter().map(|topic| topic.name.as_str());
            Err(absent("Topic", topic).or_hint(|| did_you_mean(topic, names)))
        }
        _ => Ok(found),
    }
}

fn absent(what: &str, name: &str) -> Failure {
    TOOL.error("java.lang.IllegalArgumentException", format!("{what} '{name}' does not exist as expected"))
}
