//! `--wait`: shows on a terminal how far a reassignment is, until it is through. The stock tool has to be called again
//! and again instead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rkafka_client::{Admin, Reassignment};

use super::plan::TopicPartition;
use super::plural;
use crate::common::connect::Problem;
use crate::common::consume::interrupted;
use crate::common::output;
use crate::common::progress::Progress;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing of the plan moves any more.
    Through,
    /// By Ctrl-C or SIGTERM, with this exit code; the reassignment goes on.
    Interrupted(u8),
}

/// Sizes in bytes of replicas, by partition and broker.
type Sizes = BTreeMap<(TopicPartition, i32), u64>;

/// Waits until no partition of the plan is being reassigned.
pub(super) async fn until_through(
    admin: &Admin,
    planned: &BTreeMap<TopicPartition, Vec<i32>>,
) -> Result<Ended, Problem> {
    let mut signal = std::pin::pin!(interrupted());
    let mut left = moving(admin, planned).await?;
    let all = left.clone();
    let progress = Progress::of_bytes(1);
    while !left.is_empty() {
        let look = async {
            let Copied { bytes, of } = copied(&all, &left, &sizes(admin, &all).await?);
            progress.set_total(of.max(1));
            progress.set(bytes);
            progress.note(format!("{} of {} partitions moved", all.len() - left.len(), all.len()));
            tokio::time::sleep(LOOK_EVERY).await;
            moving(admin, planned).await
        };
        left = tokio::select! {
            // Signals first: they are listened for before anything is shown.
            biased;
            code = &mut signal => {
                let (count, plural) = (left.len(), plural(left.len()));
                output::write(&format!(
                    "The reassignment of {count} partition{plural} goes on; --verify tells how far it is.\n"
                ))?;
                return Ok(Ended::Interrupted(code));
            }
            left = look => left?,
        };
    }
    Ok(Ended::Through)
}

async fn moving(
    admin: &Admin,
    planned: &BTreeMap<TopicPartition, Vec<i32>>,
) -> Result<BTreeMap<TopicPartition, Reassignment>, Problem> {
    let mut ongoing = admin.list_reassignments().await?;
    ongoing.retain(|partition, _| planned.contains_key(partition));
    Ok(ongoing)
}

/// The sizes of all replicas of what moves; a broker that does not answer counts as one without any.
async fn sizes(admin: &Admin, moving: &BTreeMap<TopicPartition, Reassignment>) -> Result<Sizes, Problem> {
    let brokers: BTreeSet<i32> = moving.values().flat_map(|one| one.replicas.iter().copied()).collect();
    let mut sizes = Sizes::new();
    for broker in brokers {
        for directory in admin.describe_log_dirs(broker).await.unwrap_or_default() {
            for found in directory.replicas.into_iter().filter(|found| !found.is_future) {
                let partition = (found.topic, found.partition);
                if moving.contains_key(&partition) {
                    sizes.insert((partition, broker), u64::try_from(found.size).unwrap_or(0));
                }
            }
        }
    }
    Ok(sizes)
}

/// How much of what is to be copied is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Copied {
    bytes: u64,
    of: u64,
}

/// What was copied so far of everything that moved in the beginning; partitions that are not `left` count in full.
fn copied(
    all: &BTreeMap<TopicPartition, Reassignment>,
    left: &BTreeMap<TopicPartition, Reassignment>,
    sizes: &Sizes,
) -> Copied {
    let mut sum = Copied { bytes: 0, of: 0 };
    for (partition, Reassignment { replicas, adding, .. }) in all {
        let size = |broker: &i32| sizes.get(&(partition.clone(), *broker)).copied().unwrap_or(0);
        let whole = replicas.iter().map(size).max().unwrap_or(0);
        for broker in adding {
            sum.of += whole;
            sum.bytes += if left.contains_key(partition) { size(broker) } else { whole };
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_new_replicas_count() {
        let partition = |index| ("t".to_owned(), index);
        let moves = Reassignment { replicas: vec![1, 2, 3], adding: vec![3], removing: vec![1] };
        let all = BTreeMap::from([(partition(0), moves.clone()), (partition(1), moves.clone())]);
        let sizes = BTreeMap::from([
            ((partition(0), 1), 100),
            ((partition(0), 3), 40),
            ((partition(1), 1), 10),
            ((partition(1), 3), 0),
        ]);
        assert_eq!(copied(&all, &all, &sizes), Copied { bytes: 40, of: 110 });
        let left = BTreeMap::from([(partition(0), moves)]);
        assert_eq!(copied(&all, &left, &sizes), Copied { bytes: 50, of: 110 });
        assert_eq!(copied(&all, &left, &Sizes::new()), Copied { bytes: 0, of: 0 });
    }
}
