//! Moves of replicas between the log directories of one broker (KIP-113).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rkafka_client::{Admin, ErrorCode};

use super::plan::{Replica, TopicPartition};
use super::{error, plural, said};
use crate::common::connect::Problem;
use crate::common::output;

/// How long to wait for the beginning of moves unless told otherwise, in milliseconds.
const TIMEOUT_MS: i64 = 10_000;
/// Between two attempts: a replica that is just being made on its broker can be moved a little later.
const RETRY: Duration = Duration::from_millis(100);

/// Where a replica is, and where it is moving to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    current: Option<String>,
    future: Option<String>,
}

/// The directories of the replicas of these partitions, as far as their brokers tell.
pub(super) async fn of(
    admin: &Admin,
    replicas: &BTreeMap<TopicPartition, Vec<i32>>,
) -> Result<BTreeMap<Replica, String>, Problem> {
    let wanted = replicas.iter().flat_map(|((topic, partition), brokers)| {
        brokers.iter().map(move |broker| (topic.clone(), *partition, *broker))
    });
    let places = places(admin, wanted.collect()).await?;
    Ok(places.into_iter().filter_map(|(replica, place)| Some((replica, place.current?))).collect())
}

async fn places(admin: &Admin, replicas: BTreeSet<Replica>) -> Result<BTreeMap<Replica, Place>, Problem> {
    let alive = if replicas.is_empty() { BTreeMap::new() } else { admin.describe_cluster().await?.brokers };
    let brokers: BTreeSet<i32> = replicas.iter().map(|(_, _, broker)| *broker).collect();
    let mut places = BTreeMap::new();
    for broker in brokers.into_iter().filter(|broker| alive.contains_key(broker)) {
        for directory in admin.describe_log_dirs(broker).await? {
            for found in directory.replicas {
                let replica = (found.topic, found.partition, broker);
                if !replicas.contains(&replica) {
                    continue;
                }
                let place: &mut Place = places.entry(replica).or_default();
                let side = if found.is_future { &mut place.future } else { &mut place.current };
                *side = Some(directory.path.clone());
            }
        }
    }
    Ok(places)
}

/// Tells how far moves are; whether any is still going on.
pub(super) async fn verify(admin: &Admin, wanted: &BTreeMap<Replica, String>) -> Result<bool, Problem> {
    let places = places(admin, wanted.keys().cloned().collect()).await?;
    let (mut lines, mut moving) = (Vec::new(), false);
    for (replica, target) in wanted {
        let (topic, partition, broker) = replica;
        let place = places.get(replica).cloned().unwrap_or_default();
        let name = format!("{topic}-{partition}");
        lines.push(match (place.current, place.future) {
            (None, None) => format!(
                "Partition {name} cannot be found in any live log directory on broker {broker}."
            ),
            (_, Some(future)) => {
                moving = true;
                match future == *target {
                    true => format!("Reassignment of replica {name}-{broker} is still in progress."),
                    false => format!(
                        "Partition {name} on broker {broker} is being moved to log dir {future} instead of {target}."
                    ),
                }
            }
            (Some(current), None) if current == *target => {
                format!("Reassignment of replica {name}-{broker} completed successfully.")
            }
            (Some(current), None) => format!(
                "Partition {name} on broker {broker} is not being moved from log dir {current} to {target}."
            ),
        });
    }
    output::write(&format!("{}\n", lines.join("\n")))?;
    Ok(moving)
}

/// Begins moves, for as long as their replicas are about to come into being.
pub(super) async fn execute(
    admin: &Admin,
    mut wanted: BTreeMap<Replica, String>,
    timeout_ms: Option<i64>,
) -> Result<(), Problem> {
    let limit = Duration::from_millis(u64::try_from(timeout_ms.unwrap_or(TIMEOUT_MS)).unwrap_or(0));
    let started = Instant::now();
    while !wanted.is_empty() {
        for replica in begin(admin, &wanted).await? {
            let Some(target) = wanted.remove(&replica) else { continue };
            let (topic, partition, broker) = replica;
            output::write(&format!(
                "Successfully started moving log directory to {target} for replica {topic}-{partition} with broker \
                 {broker} \n"
            ))?;
        }
        if wanted.is_empty() {
            break;
        }
        if started.elapsed() >= limit {
            let names: Vec<String> = wanted
                .keys()
                .map(|(topic, partition, broker)| format!("{topic}-{partition}-{broker}"))
                .collect();
            let plural = plural(names.len());
            let names = names.join(",");
            let words = format!("Timed out before log directory move{plural} could be started for: {names}");
            return Err(said(words).into());
        }
        tokio::time::sleep(RETRY).await;
    }
    Ok(())
}

/// The replicas whose moves have begun.
async fn begin(admin: &Admin, wanted: &BTreeMap<Replica, String>) -> Result<Vec<Replica>, Problem> {
    let mut by_broker: BTreeMap<i32, BTreeMap<TopicPartition, String>> = BTreeMap::new();
    for ((topic, partition, broker), target) in wanted {
        by_broker.entry(*broker).or_default().insert((topic.clone(), *partition), target.clone());
    }
    let mut begun = Vec::new();
    for (broker, targets) in by_broker {
        for ((topic, partition), result) in admin.alter_replica_log_dirs(broker, &targets).await? {
            match result {
                Ok(()) => begun.push((topic, partition, broker)),
                Err(refused) if refused.code == ErrorCode::ReplicaNotAvailable => {}
                Err(_) => return Err(error(format!("Failed to alter dir for {topic}-{partition}-{broker}"))),
            }
        }
    }
    Ok(begun)
}

/// Takes moves back that are going on.
pub(super) async fn cancel(
    admin: &Admin,
    planned: &BTreeMap<Replica, String>,
    timeout_ms: Option<i64>,
) -> Result<(), Problem> {
    let places = places(admin, planned.keys().cloned().collect()).await?;
    let moving = places.into_iter().filter_map(|(replica, place)| {
        place.future?;
        Some((replica, place.current?))
    });
    let back: BTreeMap<Replica, String> = moving.collect();
    if back.is_empty() {
        return Ok(output::write("None of the specified partition moves are active.")?);
    }
    execute(admin, back, timeout_ms).await
}
