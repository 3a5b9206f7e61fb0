//! Throttles of a reassignment: which replicas are slowed down, on which brokers, and taking that back.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_client::{Admin, AlterConfigOp, ConfigResource, Reassignment};

use super::plan::TopicPartition;
use crate::common::connect::Problem;
use crate::common::output;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIR_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// From where to where the replicas of one partition are copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// All that moves once a plan is carried out, by topic and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Moves(BTreeMap<String, BTreeMap<i32, Move>>);

impl Moves {
    /// What is going on, and what a plan adds to it.
    pub(super) fn of(
        ongoing: &BTreeMap<TopicPartition, Reassignment>,
        planned: &BTreeMap<TopicPartition, Vec<i32>>,
        current: &BTreeMap<TopicPartition, Vec<i32>>,
    ) -> Moves {
        let mut moves = Moves::default();
        for ((topic, partition), reassignment) in ongoing {
            let destinations: BTreeSet<i32> = reassignment.adding.iter().copied().collect();
            let sources = reassignment.replicas.iter().copied().filter(|id| !destinations.contains(id));
            let one = Move { sources: sources.collect(), destinations };
            moves.0.entry(topic.clone()).or_default().insert(*partition, one);
        }
        for (key, wanted) in planned {
            let one = moves.0.entry(key.0.clone()).or_default().entry(key.1).or_default();
            if one.sources.is_empty() {
                one.sources = current.get(key).into_iter().flatten().copied().collect();
            }
            one.destinations = wanted.iter().copied().filter(|id| !one.sources.contains(id)).collect();
        }
        moves
    }

    /// The lists of throttled replicas of each topic: those of leaders, those of followers.
    fn lists(&self) -> BTreeMap<&str, (String, String)> {
        let list = |partitions: &BTreeMap<i32, Move>, of: fn(&Move) -> &BTreeSet<i32>| {
            // In the order of their texts, as the stock tool sets them.
            let entries: BTreeSet<String> = partitions
                .iter()
                .flat_map(|(partition, one)| {
                    of(one).iter().map(move |broker| format!("{partition}:{broker}"))
                })
                .collect();
            entries.into_iter().collect::<Vec<_>>().join(",")
        };
        let lists = self.0.iter().map(|(topic, partitions)| {
            let leaders = list(partitions, |one| &one.sources);
            (topic.as_str(), (leaders, list(partitions, |one| &one.destinations)))
        });
        lists.collect()
    }

    /// All brokers that send or fetch.
    fn brokers(&self) -> BTreeSet<i32> {
        let moves = self.0.values().flat_map(BTreeMap::values);
        moves.flat_map(|one| one.sources.iter().chain(&one.destinations).copied()).collect()
    }
}

/// Slows the copying of replicas down to `rate` bytes a second.
pub(super) async fn set(admin: &Admin, moves: &Moves, rate: i64) -> Result<(), Problem> {
    let set = |key: &str, value: String| (key.to_owned(), AlterConfigOp::Set(value));
    let topics = moves.lists().into_iter().map(|(topic, (leaders, followers))| {
        let changes = BTreeMap::from([set(LEADER_REPLICAS, leaders), set(FOLLOWER_REPLICAS, followers)]);
        (ConfigResource::topic(topic), changes)
    });
    alter(admin, topics.collect()).await?;
    let rates = || BTreeMap::from([set(LEADER_RATE, rate.to_string()), set(FOLLOWER_RATE, rate.to_string())]);
    let brokers = moves.brokers().into_iter().map(|id| (ConfigResource::broker(id), rates()));
    alter(admin, brokers.collect()).await?;
    output::write(&format!("The inter-broker throttle limit was set to {rate} B/s\n"))?;
    Ok(())
}

/// Slows moves between directories down.
pub(super) async fn set_for_directories(
    admin: &Admin,
    brokers: BTreeSet<i32>,
    rate: i64,
) -> Result<(), Problem> {
    let change = || BTreeMap::from([(LOG_DIR_RATE.to_owned(), AlterConfigOp::Set(rate.to_string()))]);
    let brokers = brokers.into_iter().map(|id| (ConfigResource::broker(id), change()));
    alter(admin, brokers.collect()).await?;
    output::write(&format!("The replica-alter-dir throttle limit was set to {rate} B/s\n"))?;
    Ok(())
}

/// Takes back all throttles of these topics, and of all brokers: which of them were involved, nobody remembers.
pub(super) async fn clear(
    admin: &Admin,
    planned: &BTreeMap<TopicPartition, Vec<i32>>,
    topics: BTreeSet<String>,
) -> Result<(), Problem> {
    let mut brokers: BTreeSet<i32> = admin.describe_cluster().await?.brokers.into_keys().collect();
    brokers.extend(planned.values().flatten().copied());
    let several = |count: usize| if count == 1 { "" } else { "s" };
    let ids = brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let plural = several(brokers.len());
    output::write(&format!("Clearing broker-level throttles on broker{plural} {ids}\n"))?;
    let delete = |keys: &[&str]| -> BTreeMap<String, AlterConfigOp> {
        keys.iter().map(|key| ((*key).to_owned(), AlterConfigOp::Delete)).collect()
    };
    let rates = [LEADER_RATE, FOLLOWER_RATE, LOG_DIR_RATE];
    alter(admin, brokers.into_iter().map(|id| (ConfigResource::broker(id), delete(&rates))).collect())
        .await?;
    let plural = several(topics.len());
    let names = topics.iter().cloned().collect::<Vec<_>>().join(",");
    output::write(&format!("Clearing topic-level throttles on topic{plural} {names}\n"))?;
    let lists = [LEADER_REPLICAS, FOLLOWER_REPLICAS];
    alter(admin, topics.iter().map(|topic| (ConfigResource::topic(topic), delete(&lists))).collect()).await
}

/// Changes of one resource.
type Changes = (ConfigResource, BTreeMap<String, AlterConfigOp>);

async fn alter(admin: &Admin, changes: Vec<Changes>) -> Result<(), Problem> {
    for (resource, changes) in changes {
        admin.incremental_alter_configs(&resource, &changes, false).await??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> TopicPartition {
        ("t".to_owned(), index)
    }

    #[test]
    fn leaders_send_from_where_it_is_and_followers_fetch_to_where_it_is_not() {
        let planned = BTreeMap::from([(partition(0), vec![2, 3]), (partition(11), vec![1])]);
        let current = BTreeMap::from([(partition(0), vec![1, 2]), (partition(11), vec![1])]);
        let moves = Moves::of(&BTreeMap::new(), &planned, &current);
        assert_eq!(moves.lists(), BTreeMap::from([("t", ("0:1,0:2,11:1".to_owned(), "0:3".to_owned()))]));
        assert_eq!(moves.brokers(), BTreeSet::from([1, 2, 3]));
    }

    #[test]
    fn sources_of_what_goes_on_are_those_it_began_with() {
        let ongoing = Reassignment { replicas: vec![3, 1, 2], adding: vec![3], removing: vec![1] };
        let planned = BTreeMap::from([(partition(0), vec![3, 4])]);
        let current = BTreeMap::from([(partition(0), vec![3, 1, 2])]);
        let moves = Moves::of(&BTreeMap::from([(partition(0), ongoing)]), &planned, &current);
        assert_eq!(moves.lists(), BTreeMap::from([("t", ("0:1,0:2".to_owned(), "0:3,0:4".to_owned()))]));
    }
}
