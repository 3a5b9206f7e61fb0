//! `--create`, `--alter`, `--delete`.

use std::collections::BTreeMap;

use rkafka_client::{Admin, AlterConfigOp, ApiError, ConfigResource, ErrorCode, NewPartitions, NewTopic};
use serde_json::json;

use super::options::Options;
use super::{TOOL, existing};
use crate::common::connect;
use crate::common::failure::Failure;
use crate::common::output::{self, Format, Rows};

const COLLISION_WARNING: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or \
                                 underscore ('_') could collide. To avoid issues it is best to use either, but not \
                                 both.";

const SETTINGS_WARNING: &str = "\
WARNING: Altering topic configuration from this script has been deprecated and may be removed in future releases.
         Going forward, please use kafka-configs.sh for this functionality";

const PARTITIONS_WARNING: &str = "WARNING: If partitions are increased for a topic that has a key, the partition logic \
                                  or ordering of the messages will be affected";

pub(super) fn create(options: &Options) -> Result<(), Failure> {
    let topic = new_topic(options)?;
    let config = options.connect.config("rkafka-topics")?;
    if options.output.output == Format::Plain && topic.name.contains(['.', '_']) {
        println!("{COLLISION_WARNING}");
    }
    let is_new = connect::with_admin(TOOL, config, async |admin| {
        let created = admin.create_topics(std::slice::from_ref(&topic), false).await;
        let created = created.map_err(|error| TOOL.client_error(&error))?;
        match created.into_iter().next() {
            Some((_, Err(error))) if error.code == ErrorCode::TopicAlreadyExists && options.if_not_exists => {
                Ok(false)
            }
            Some((_, Err(error))) => Err(TOOL.api_error(&error)),
            _ => Ok(true),
        }
    })?;
    let result = if is_new { "created" } else { "exists" };
    report(options, &[(topic.name.clone(), result)], || {
        if is_new { format!("Created topic {}.\n", topic.name) } else { String::new() }
    })
}

fn new_topic(options: &Options) -> Result<NewTopic, Failure> {
    let invalid = |message: String| TOOL.error("java.lang.IllegalArgumentException", message);
    let name = options.topic.clone().unwrap_or_default();
    let (assignments, configs) = (options.assignments()?, options.settings()?);
    let too_many = || invalid(format!("The replication factor must be between 1 and {} inclusive", i16::MAX));
    let replication_factor = match options.replication_factor.map(i16::try_from) {
        Some(Ok(factor)) if factor >= 1 => Some(factor),
        Some(_) => return Err(too_many()),
        None => None,
    };
    if options.partitions.is_some_and(|partitions| partitions < 1) {
        return Err(invalid("The partitions must be greater than 0".to_owned()));
    }
    Ok(NewTopic { name, partitions: options.partitions, replication_factor, assignments, configs })
}

pub(super) fn alter(options: &Options) -> Result<(), Failure> {
    let (settings, assignments) = (options.settings()?, options.assignments()?);
    let config = options.connect.config("rkafka-topics")?;
    let topics = connect::with_admin(TOOL, config, async |admin| {
        let topics = existing(&admin, options).await?;
        if options.alters_settings() {
            alter_settings(&admin, options, &topics, &settings).await?;
        }
        if let Some(total) = options.partitions.filter(|_| !topics.is_empty()) {
            add_partitions(&admin, &topics, total, &assignments).await?;
        }
        Ok(topics)
    })?;
    let altered: Vec<(String, &str)> = topics.iter().map(|topic| (topic.clone(), "altered")).collect();
    report(options, &altered, || said_of_alteration(options, &topics))
}

/// What stock tools print: nothing since 4.0, these lines before.
fn said_of_alteration(options: &Options, topics: &[String]) -> String {
    if options.connect.zookeeper.is_none() {
        return String::new();
    }
    let mut said = String::new();
    for topic in topics {
        if options.alters_settings() {
            said.push_str(&format!("{SETTINGS_WARNING}\nUpdated config for topic {topic}.\n"));
        }
        if options.partitions.is_some() {
            said.push_str(&format!("{PARTITIONS_WARNING}\nAdding partitions succeeded!\n"));
        }
    }
    said
}

async fn alter_settings(
    admin: &Admin,
    options: &Options,
    topics: &[String],
    settings: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let set = settings.iter().map(|(name, value)| (name.clone(), AlterConfigOp::Set(value.clone())));
    let delete = options.delete_config.iter().map(|name| (name.trim().to_owned(), AlterConfigOp::Delete));
    let changes: BTreeMap<String, AlterConfigOp> = set.chain(delete).collect();
    for topic in topics {
        let altered = admin.incremental_alter_configs(&ConfigResource::topic(topic), &changes, false).await;
        altered.map_err(|error| TOOL.client_error(&error))?.map_err(|error| TOOL.api_error(&error))?;
    }
    Ok(())
}

async fn add_partitions(
    admin: &Admin,
    topics: &[String],
    total: i32,
    assignments: &[Vec<i32>],
) -> Result<(), Failure> {
    let mut present = BTreeMap::new();
    if !assignments.is_empty() {
        // The list on the command line begins with the partitions that exist.
        for (name, described) in
            admin.describe_topics(topics, i32::MAX).await.map_err(|e| TOOL.client_error(&e))?
        {
            present.insert(name, described.map_err(|error| TOOL.api_error(&error))?.partitions.len());
        }
    }
    let new = |topic: &String| {
        let known = present.get(topic).copied().unwrap_or_default();
        (
            topic.clone(),
            NewPartitions { total, assignments: assignments.iter().skip(known).cloned().collect() },
        )
    };
    let wanted = topics.iter().map(new).collect();
    let results = admin.create_partitions(&wanted, false).await.map_err(|error| TOOL.client_error(&error))?;
    first_error(results)
}

pub(super) fn delete(options: &Options) -> Result<(), Failure> {
    let config = options.connect.config("rkafka-topics")?;
    let topics = connect::with_admin(TOOL, config, async |admin| {
        let topics = existing(&admin, options).await?;
        if !topics.is_empty() {
            let results = admin.delete_topics(&topics).await.map_err(|error| TOOL.client_error(&error))?;
            first_error(results)?;
        }
        Ok(topics)
    })?;
    let deleted: Vec<(String, &str)> = topics.into_iter().map(|topic| (topic, "deleted")).collect();
    report(options, &deleted, String::new)
}

fn first_error(results: Vec<(String, Result<(), ApiError>)>) -> Result<(), Failure> {
    results.into_iter().try_for_each(|(_, result)| result.map_err(|error| TOOL.api_error(&error)))
}

/// Prints what became of each topic.
fn report(options: &Options, done: &[(String, &str)], plain: impl FnOnce() -> String) -> Result<(), Failure> {
    let mut rows = Rows::new(&["topic", "result"]);
    for (topic, result) in done {
        rows.push([json!(topic), json!(result)]);
    }
    output::print(options.output.output, &rows, plain)
}
