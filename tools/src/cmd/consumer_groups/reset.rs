//! `--reset-offsets`: moves the offsets of groups without members.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_client::{Admin, ApiError, ErrorCode};
use serde_json::json;

use super::options::Options;
use super::{plan_file, say_error, scenario, told, wanted_groups};
use crate::common::connect::Problem;
use crate::common::failure::Failure;
use crate::common::output::{self, Format, Rows};
use crate::common::progress::Progress;

/// A partition by topic and number.
pub(super) type TopicPartition = (String, i32);
/// The new offsets of a group.
pub(super) type NewOffsets = BTreeMap<TopicPartition, i64>;

pub(super) async fn reset(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let groups = wanted_groups(admin, options).await?;
    let plan = match &options.from_file {
        Some(file) => Some(plan_file::read(file, &groups).map_err(|problem| told(&problem))?),
        None => None,
    };
    let mut results: BTreeMap<String, NewOffsets> = BTreeMap::new();
    let progress = (groups.len() > 1).then(|| Progress::new(groups.len() as u64, "groups"));
    for (number, group) in groups.iter().enumerate() {
        if let Some(progress) = &progress {
            progress.set(number as u64);
        }
        let new = match state(admin, group).await?.as_str() {
            "Empty" | "Dead" => {
                let partitions = partitions(admin, options, group).await?;
                let new = scenario::offsets(admin, options, group, &partitions, plan.as_ref()).await?;
                if options.execute {
                    set(admin, group, &new).await?;
                }
                new
            }
            state => {
                say_error(&format!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the current state is \
                     {state}."
                ))?;
                NewOffsets::new()
            }
        };
        results.insert(group.clone(), new);
    }
    drop(progress);
    print(options, &results)
}

/// The group's state; a group that does not exist can be given offsets.
async fn state(admin: &Admin, group: &str) -> Result<String, Problem> {
    let described = admin.describe_groups(&[group.to_owned()]).await?;
    match described.into_iter().next() {
        Some((_, Ok(group))) => Ok(group.state),
        Some((_, Err(error))) if error.code == ErrorCode::GroupIdNotFound => Ok("Dead".to_owned()),
        Some((_, Err(error))) => Err(error.into()),
        None => Ok("Dead".to_owned()),
    }
}

/// The partitions that `--topic` or `--all-topics` mean; with `--from-file` alone those of the file.
async fn partitions(
    admin: &Admin,
    options: &Options,
    group: &str,
) -> Result<BTreeSet<TopicPartition>, Problem> {
    if options.all_topics {
        return Ok(admin.group_offsets(group).await?.into_keys().collect());
    }
    if options.topic.is_empty() {
        if options.from_file.is_some() {
            return Ok(BTreeSet::new());
        }
        let problem = "One of the reset scopes should be defined: --all-topics, --topic.";
        return Err(Failure::usage(problem).into());
    }
    let Named { partitions, unknown } = named_partitions(admin, &options.topic).await?;
    if let Some((_, error)) = unknown.into_iter().next() {
        return Err(error.into());
    }
    check_existence(admin, &partitions).await?;
    Ok(partitions.into_iter().collect())
}

/// What `--topic` names.
pub(super) struct Named {
    pub(super) partitions: Vec<TopicPartition>,
    /// Topics whose partitions are not known, and why.
    pub(super) unknown: Vec<(String, ApiError)>,
}

/// Reads `topic` and `topic:0,1`.
pub(super) async fn named_partitions(admin: &Admin, topics: &[String]) -> Result<Named, Problem> {
    let mut named = Named { partitions: Vec::new(), unknown: Vec::new() };
    let mut whole = Vec::new();
    for text in topics {
        let Some((topic, rest)) = text.split_once(':') else {
            whole.push(text.clone());
            continue;
        };
        let numbers = rest.trim_end_matches(':');
        if numbers.is_empty() || numbers.contains(':') {
            let problem = format!("Invalid topic arg '{text}', expected topic name and partitions");
            return Err(Failure::usage(problem).into());
        }
        for number in numbers.split(',') {
            let index = number.parse().map_err(|_| {
                Failure::usage(format!("Invalid partition '{number}' specified in topic arg '{text}''"))
            })?;
            named.partitions.push((topic.to_owned(), index));
        }
    }
    for (topic, described) in admin.describe_topics(&whole, i32::MAX).await? {
        match described {
            Ok(found) => {
                named.partitions.extend(found.partitions.iter().map(|one| (topic.clone(), one.index)));
            }
            Err(error) => named.unknown.push((topic, error)),
        }
    }
    Ok(named)
}

async fn check_existence(admin: &Admin, partitions: &[TopicPartition]) -> Result<(), Problem> {
    let topics: BTreeSet<String> = partitions.iter().map(|(topic, _)| topic.clone()).collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let mut present = BTreeSet::new();
    for (topic, described) in admin.describe_topics(&topics, i32::MAX).await? {
        if let Ok(found) = described {
            present.extend(found.partitions.iter().map(|one| (topic.clone(), one.index)));
        }
    }
    let absent: Vec<String> = partitions
        .iter()
        .filter(|partition| !present.contains(*partition))
        .map(|(topic, index)| format!("{topic}-{index}"))
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    let message = format!("The partitions \"{}\" do not exist", absent.join(", "));
    Err(ApiError { code: ErrorCode::UnknownTopicOrPartition, message }.into())
}

async fn set(admin: &Admin, group: &str, new: &NewOffsets) -> Result<(), Problem> {
    if new.is_empty() {
        return Ok(());
    }
    for (_, result) in admin.alter_group_offsets(group, new).await? {
        result?;
    }
    Ok(())
}

fn print(options: &Options, results: &BTreeMap<String, NewOffsets>) -> Result<(), Problem> {
    if options.export && options.output.output == Format::Plain {
        let text = plan_file::write(results, options.group.len() == 1);
        return Ok(output::write(&format!("{text}\n"))?);
    }
    let mut rows = Rows::new(&["group", "topic", "partition", "new_offset"]);
    let all = || results.iter().flat_map(|(group, new)| new.iter().map(move |entry| (group, entry)));
    for (group, ((topic, partition), offset)) in all() {
        rows.push([json!(group), json!(topic), json!(partition), json!(offset)]);
    }
    output::print(options.output.output, &rows, || {
        let group_width = all().map(|(group, _)| group.chars().count()).fold(15, usize::max);
        let topic_width = all().map(|(_, ((topic, _), _))| topic.chars().count()).fold(15, usize::max);
        let line = |group: &str, topic: &str, partition: &str, offset: &str| {
            format!("\n{group:<group_width$} {topic:<topic_width$} {partition:<10} {offset}")
        };
        let mut text = line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
        for (group, ((topic, partition), offset)) in all() {
            text.push_str(&line(group, topic, &partition.to_string(), &offset.to_string()));
        }
        text + "\n"
    })?;
    Ok(())
}
