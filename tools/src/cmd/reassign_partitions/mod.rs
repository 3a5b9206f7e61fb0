//! `rkafka reassign-partitions`: moves replicas between brokers, as `kafka-reassign-partitions.sh` of Kafka 4.3 does.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and which go together |
//! | `plan.rs` | plans as JSON files |
//! | `placement.rs` | the plan that `--generate` suggests |
//! | `throttle.rs` | slowing a reassignment down, and taking that back |
//! | `wait.rs` | `--wait`: how far a reassignment is, until it is through |
//! | `directories.rs` | moves between the log directories of a broker |
//!
//! As with the stock tool, what goes wrong is told on standard output.

mod directories;
mod options;
mod placement;
mod plan;
mod throttle;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rkafka_client::{Admin, ErrorCode, Reassignment};

use self::options::{Action, Options};
use self::plan::{Plan, TopicPartition, shown};
use self::throttle::Moves;
use self::wait::Ended;
use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output;

use clap::Args;

const ABOUT: &str = "This tool helps to move topic partitions between replicas.";

/// Partitions in one answer of DescribeTopicPartitions.
const PARTITIONS_MAX: i32 = 2000;

const ALREADY_ONGOING: &str = "Cannot execute because there is an existing partition assignment.  Use --additional to \
                               override this and create a new partition assignment in addition to the existing one. \
                               The --additional flag can also be used to change the throttle by resubmitting the \
                               current reassignment.";

const VERIFY_PERIODICALLY: &str = "Warning: You must run --verify periodically, until the reassignment completes, to \
                                   ensure the throttle is removed.";

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("reassign-partitions"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(ABOUT)?;
    let options: Options = invocation.parse()?;
    let action = options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let servers = options.servers();
    let config = connect::client_config(
        servers.as_deref(),
        options.command_config.as_deref(),
        "reassign-partitions-tool",
    )?;
    let ended = connect::with_cluster(config, async |admin| {
        match action {
            Action::List => list(&admin).await?,
            Action::Verify => return verify(&admin, &options).await,
            Action::Generate => generate(&admin, &options).await?,
            Action::Execute => return execute(&admin, &options).await,
            Action::Cancel => cancel(&admin, &options).await?,
        }
        Ok(Ended::Through)
    })
    .map_err(|problem| problem.told(|error| said(format!("Error: {}", connect::described(error)))))?;
    match ended {
        Ended::Through => Ok(()),
        Ended::Interrupted(code) => std::process::exit(i32::from(code)),
    }
}

/// Ends the command with words on standard output.
fn said(words: impl AsRef<str>) -> Failure {
    // Nothing is left to say if standard output is gone.
    let _ = output::write(&format!("{}\n", words.as_ref()));
    Failure::Said
}

/// The same for what the stock tool throws.
fn error(words: impl AsRef<str>) -> Problem {
    said(format!("Error: {}", words.as_ref())).into()
}

fn text_of(file: Option<&Path>) -> Result<String, Problem> {
    plan::read(file.unwrap_or(Path::new(""))).map_err(error)
}

fn plan_of(options: &Options) -> Result<Plan, Problem> {
    let text = text_of(options.reassignment_json_file.as_deref())?;
    Plan::parse(&text).map_err(error)
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

async fn list(admin: &Admin) -> Result<(), Problem> {
    let ongoing = admin.list_reassignments().await?;
    let mut text = match ongoing.is_empty() {
        true => "No partition reassignments found.\n".to_owned(),
        false => "Current partition reassignments:\n".to_owned(),
    };
    for (partition, Reassignment { replicas, adding, removing }) in &ongoing {
        let part = |name: &str, ids: &[i32]| match ids {
            [] => String::new(),
            ids => format!(" {name}: {}.", joined(ids)),
        };
        let changes = part("adding", adding) + &part("removing", removing);
        text.push_str(&format!("{}: replicas: {}.{changes}\n", shown(partition), joined(replicas)));
    }
    Ok(output::write(&text)?)
}

async fn verify(admin: &Admin, options: &Options) -> Result<Ended, Problem> {
    let plan = plan_of(options)?;
    let planned = plan.by_partition();
    if options.wait
        && let Ended::Interrupted(code) = wait::until_through(admin, &planned).await?
    {
        return Ok(Ended::Interrupted(code));
    }
    let ongoing = admin.list_reassignments().await?;
    let settled: BTreeSet<String> = planned
        .keys()
        .filter(|partition| !ongoing.contains_key(partition))
        .map(|(topic, _)| topic.clone())
        .collect();
    let current = replicas_of_known(admin, settled).await?;
    let mut text = "Status of partition reassignment:\n".to_owned();
    for (partition, wanted) in &planned {
        let name = shown(partition);
        let line = if ongoing.contains_key(partition) {
            format!("Reassignment of partition {name} is still in progress.\n")
        } else {
            let replicas = current.get(partition).cloned().unwrap_or_default();
            if replicas == *wanted {
                format!("Reassignment of partition {name} is completed.\n")
            } else {
                format!(
                    "There is no active reassignment of partition {name}, but replica set is {} rather than {}.\n",
                    joined(&replicas),
                    joined(wanted)
                )
            }
        };
        text.push_str(&line);
    }
    output::write(&text)?;
    let moving = directories::verify(admin, &plan.directories).await?;
    if ongoing.is_empty() && !moving && !options.preserve_throttles {
        throttle::clear(admin, &planned, plan.topics()).await?;
    }
    Ok(Ended::Through)
}

async fn generate(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let text = text_of(options.topics_to_move_json_file.as_deref())?;
    let brokers = brokers_of(options.broker_list.as_deref().unwrap_or_default()).map_err(error)?;
    let topics = plan::parse_topics(&text).map_err(error)?;
    let current = replicas_of(admin, topics.into_iter().collect()).await?;
    let known = admin.describe_cluster().await?.brokers;
    let racks: Vec<placement::Broker> = known
        .values()
        .filter(|broker| brokers.contains(&broker.id))
        .map(|broker| (broker.id, broker.rack.clone().filter(|_| !options.disable_rack_aware)))
        .collect();
    let without = racks.iter().filter(|(_, rack)| rack.is_none()).count();
    if !options.disable_rack_aware && without != 0 && without != racks.len() {
        return Err(error(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica \
             assignment without rack information.",
        ));
    }
    let mut topics: BTreeMap<&str, Vec<&Vec<i32>>> = BTreeMap::new();
    for ((topic, _), replicas) in &current {
        topics.entry(topic).or_default().push(replicas);
    }
    let mut proposed = BTreeMap::new();
    for (topic, partitions) in topics {
        let replication_factor = partitions.first().map_or(0, |replicas| replicas.len());
        let start = fastrand::usize(..racks.len().max(1));
        let placed = placement::place(&racks, partitions.len(), replication_factor, start).map_err(error)?;
        proposed.extend((0..).zip(placed).map(|(index, replicas)| ((topic.to_owned(), index), replicas)));
    }
    let directories = directories::of(admin, &current).await?;
    output::write(&format!(
        "Current partition replica assignment\n{}\n\nProposed partition reassignment configuration\n{}\n",
        plan::to_json(&current, &directories),
        plan::to_json(&proposed, &BTreeMap::new())
    ))?;
    Ok(())
}

fn brokers_of(list: &str) -> Result<Vec<i32>, String> {
    let brokers = list.split(',').map(|id| id.parse().map_err(|_| format!("For input string: \"{id}\"")));
    let brokers: Vec<i32> = brokers.collect::<Result<_, _>>()?;
    let twice = plan::duplicates(brokers.iter().map(ToString::to_string));
    match twice.is_empty() {
        true => Ok(brokers),
        false => Err(format!("Broker list contains duplicate entries: [{}]", twice.join(", "))),
    }
}

async fn execute(admin: &Admin, options: &Options) -> Result<Ended, Problem> {
    let plan = plan_of(options)?;
    plan.check().map_err(error)?;
    let planned = plan.by_partition();
    let ongoing = admin.list_reassignments().await?;
    if !options.additional && !ongoing.is_empty() {
        return Err(said(ALREADY_ONGOING).into());
    }
    let known = admin.describe_cluster().await?.brokers;
    if let Some(unknown) = planned.values().flatten().find(|id| !known.contains_key(id)) {
        return Err(error(format!("Unknown broker id {unknown}")));
    }
    let mut current = replicas_of(admin, plan.topics()).await?;
    current.retain(|partition, _| planned.contains_key(partition));
    let missing = planned.keys().filter(|partition| !current.contains_key(partition)).map(shown);
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        let class = connect::java_exception(ErrorCode::UnknownTopicOrPartition);
        return Err(error(format!("{class}: Unable to find partition: {}", missing.join(", "))));
    }
    let directories = directories::of(admin, &current).await?;
    output::write(&format!(
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during \
         rollback\n",
        plan::to_json(&current, &directories)
    ))?;
    throttle_as_asked(admin, options, &plan, &Moves::of(&ongoing, &planned, &current)).await?;
    begin(admin, options, &planned, &current).await?;
    directories::execute(admin, plan.directories, options.timeout).await?;
    // Afterwards the throttles go, as the warning has it.
    if options.wait { verify(admin, options).await } else { Ok(Ended::Through) }
}

async fn throttle_as_asked(
    admin: &Admin,
    options: &Options,
    plan: &Plan,
    moves: &Moves,
) -> Result<(), Problem> {
    let rate = |option: Option<i64>| option.filter(|rate| *rate >= 0);
    let (between_brokers, within) = (rate(options.throttle), rate(options.replica_alter_log_dirs_throttle));
    if between_brokers.is_some() || within.is_some() {
        output::write(&format!("{VERIFY_PERIODICALLY}\n"))?;
    }
    if let Some(rate) = between_brokers {
        throttle::set(admin, moves, rate).await?;
    }
    if let Some(rate) = within {
        let brokers = plan.directories.keys().map(|(_, _, broker)| *broker).collect();
        throttle::set_for_directories(admin, brokers, rate).await?;
    }
    Ok(())
}

async fn begin(
    admin: &Admin,
    options: &Options,
    planned: &BTreeMap<TopicPartition, Vec<i32>>,
    current: &BTreeMap<TopicPartition, Vec<i32>>,
) -> Result<(), Problem> {
    let mut failed: BTreeMap<TopicPartition, String> = BTreeMap::new();
    if options.disallow_replication_factor_change {
        for (partition, wanted) in planned {
            let present = current.get(partition).map_or(0, Vec::len);
            if wanted.len() != present {
                let words = format!("The replication factor is changed from {present} to {}", wanted.len());
                failed.insert(partition.clone(), words);
            }
        }
    }
    let wanted = planned.iter().filter(|(partition, _)| !failed.contains_key(partition));
    let wanted = wanted.map(|(partition, replicas)| (partition.clone(), Some(replicas.clone()))).collect();
    for (partition, result) in admin.alter_reassignments(&wanted).await? {
        if let Err(error) = result {
            failed.insert(partition, error.message);
        }
    }
    if !failed.is_empty() {
        return Err(said(format!("Error reassigning partition(s):\n{}", lines(&failed))).into());
    }
    let names = joined(planned.keys().map(shown));
    let plural = plural(planned.len());
    output::write(&format!("Successfully started partition reassignment{plural} for {names}\n"))?;
    Ok(())
}

fn lines(failed: &BTreeMap<TopicPartition, String>) -> String {
    let lines = failed.iter().map(|(partition, error)| format!("{}: {error}", shown(partition)));
    lines.collect::<Vec<_>>().join("\n")
}

async fn cancel(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let plan = plan_of(options)?;
    let planned = plan.by_partition();
    let ongoing = admin.list_reassignments().await?;
    let wanted: BTreeMap<TopicPartition, Option<Vec<i32>>> = planned
        .keys()
        .filter(|partition| ongoing.contains_key(partition))
        .map(|p| (p.clone(), None))
        .collect();
    if wanted.is_empty() {
        output::write("None of the specified partition reassignments are active.\n")?;
    } else {
        let mut failed = BTreeMap::new();
        for (partition, result) in admin.alter_reassignments(&wanted).await? {
            if let Err(error) = result {
                failed.insert(partition, error.message);
            }
        }
        if !failed.is_empty() {
            let plural = plural(failed.len());
            let words = format!("Error cancelling partition reassignment{plural} for:\n{}", lines(&failed));
            return Err(said(words).into());
        }
        let names = joined(wanted.keys().map(shown));
        let plural = plural(wanted.len());
        output::write(&format!("Successfully cancelled partition reassignment{plural} for: {names}\n"))?;
    }
    directories::cancel(admin, &plan.directories, options.timeout).await?;
    if !options.preserve_throttles {
        throttle::clear(admin, &planned, plan.topics()).await?;
    }
    Ok(())
}

/// The replicas of all partitions of these topics.
async fn replicas_of(
    admin: &Admin,
    topics: BTreeSet<String>,
) -> Result<BTreeMap<TopicPartition, Vec<i32>>, Problem> {
    let topics: Vec<String> = topics.into_iter().collect();
    let mut found = BTreeMap::new();
    for (topic, described) in admin.describe_topics(&topics, PARTITIONS_MAX).await? {
        let described = described.map_err(|refused| match refused.code {
            ErrorCode::UnknownTopicOrPartition => {
                error(format!("{}: Topic {topic} not found.", connect::java_exception(refused.code)))
            }
            _ => refused.into(),
        })?;
        let partitions = described.partitions.into_iter();
        found.extend(partitions.map(|one| ((topic.clone(), one.index), one.replicas)));
    }
    Ok(found)
}

/// The same, but for topics that are not there.
async fn replicas_of_known(
    admin: &Admin,
    topics: BTreeSet<String>,
) -> Result<BTreeMap<TopicPartition, Vec<i32>>, Problem> {
    let topics: Vec<String> = topics.into_iter().collect();
    let mut found = BTreeMap::new();
    for (topic, described) in admin.describe_topics(&topics, PARTITIONS_MAX).await? {
        match described {
            Ok(described) => {
                let partitions = described.partitions.into_iter();
                found.extend(partitions.map(|one| ((topic.clone(), one.index), one.replicas)));
            }
            Err(refused) if refused.code == ErrorCode::UnknownTopicOrPartition => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Ok(found)
}
