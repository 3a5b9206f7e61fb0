//! More partitions for a topic (CreatePartitions), and the ISR as its leader sees it (AlterPartition).

use std::collections::BTreeSet;

use crate::ids::{BrokerId, PartitionId};
use crate::image::{BrokerList, MetadataRecord, Partition, PartitionChange, Topic};
use serde::{Deserialize, Serialize};

use super::brokers::check_epoch;
use super::elections::{Electable, PartitionUpdate, record};
use super::placement::{PlacementError, place};
use super::topics::{PARTITIONS_PER_REQUEST_MAX, too_many_partitions};
use super::{ControllerError, ErrorKind, Outcome, View};

/// CreatePartitions: each topic stands or falls on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePartitions {
    /// The topics.
    pub topics: Vec<NewPartitions>,
    /// Check only.
    pub validate_only: bool,
}

/// How many partitions a topic shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPartitions {
    /// The topic's name.
    pub topic: String,
    /// How many it shall have in all.
    pub count: i32,
    /// The replicas of each new one, in order, if the caller wants to say.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// The answer for one topic of [`CreatePartitions`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePartitionsResult {
    /// The topic's name.
    pub topic: String,
    /// Whether it has, or would have, that many.
    pub result: Result<(), ControllerError>,
}

/// Adds partitions. `seed` decides where replicas go, if nobody says.
#[must_use]
pub fn create_partitions(
    view: &View<'_>,
    request: &CreatePartitions,
    seed: u64,
) -> Outcome<Vec<CreatePartitionsResult>> {
    let mut records = Vec::new();
    let mut reply = Vec::new();
    let mut seen = BTreeSet::new();
    let mut duplicates = BTreeSet::new();
    for topic in &request.topics {
        if !seen.insert(&topic.topic) {
            duplicates.insert(&topic.topic);
        }
    }
    for name in &duplicates {
        let result = Err(ControllerError::new(ErrorKind::InvalidRequest, "Duplicate topic name."));
        reply.push(CreatePartitionsResult { topic: (*name).clone(), result });
    }
    for (wanted, nth) in request.topics.iter().zip(0..) {
        if duplicates.contains(&wanted.topic) {
            continue;
        }
        let result = new_partitions(view, wanted, records.len(), seed.wrapping_add(nth));
        let result = result.map(|partitions| records.extend(partitions));
        reply.push(CreatePartitionsResult { topic: wanted.topic.clone(), result });
    }
    if request.validate_only {
        records.clear();
    }
    Outcome { records, reply }
}

fn new_partitions(
    view: &View<'_>,
    wanted: &NewPartitions,
    before: usize,
    seed: u64,
) -> Result<Vec<MetadataRecord>, ControllerError> {
    let topic = view.image.topics().by_name(&wanted.topic).ok_or(ErrorKind::UnknownTopicOrPartition)?;
    let present = topic.partitions.len();
    let additional = additional_partitions(topic, wanted)?;
    if before + additional > PARTITIONS_PER_REQUEST_MAX {
        return Err(too_many_partitions());
    }
    let replication_factor = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
    let mut partitions = Vec::with_capacity(additional);
    if let Some(assignments) = &wanted.assignments {
        if assignments.len() != additional {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were \
                 specified.",
                assignments.len()
            );
            return Err(ControllerError::new(ErrorKind::InvalidReplicaAssignment, message));
        }
        for (replicas, index) in assignments.iter().zip(present..) {
            partitions.push(assigned_partition(view, replicas, index, Some(replication_factor))?);
        }
    } else {
        let replication_factor = i32::try_from(replication_factor).unwrap_or(i32::MAX);
        partitions = placed_partitions(view, additional, replication_factor, seed).map_err(|reason| {
            ControllerError::new(ErrorKind::InvalidReplicationFactor, reason.text(replication_factor))
        })?;
    }
    let index = (0..).skip(present);
    Ok(partitions
        .into_iter()
        .zip(index)
        .map(|(partition, index)| MetadataRecord::Partition { topic: topic.id, index, partition })
        .collect())
}

fn additional_partitions(topic: &Topic, wanted: &NewPartitions) -> Result<usize, ControllerError> {
    let present = topic.partitions.len();
    let count = usize::try_from(wanted.count).unwrap_or(0);
    let message = if count == present {
        format!("Topic already has {present} partition(s).")
    } else if count < present {
        format!(
            "The topic {} currently has {present} partition(s); {} would not be an increase.",
            wanted.topic, wanted.count
        )
    } else {
        return Ok(count - present);
    };
    Err(ControllerError::new(ErrorKind::InvalidPartitions, message))
}

/// Whether replicas that somebody chose are registered brokers, each once.
pub(super) fn check_assignment(view: &View<'_>, replicas: &[BrokerId]) -> Result<(), ControllerError> {
    let refuse = |message: String| Err(ControllerError::new(ErrorKind::InvalidReplicaAssignment, message));
    if replicas.is_empty() {
        return refuse("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    for (position, broker) in sorted.iter().enumerate() {
        if view.image.brokers().get(*broker).is_none() {
            return refuse(format!(
                "The manual partition assignment includes broker {broker}, but no such broker is registered."
            ));
        }
        if position > 0 && sorted.get(position - 1) == Some(broker) {
            return refuse(format!(
                "The manual partition assignment includes the broker {broker} more than once."
            ));
        }
    }
    Ok(())
}

/// A partition whose replicas somebody chose. `replication_factor` is that of its topic's other partitions.
pub(super) fn assigned_partition(
    view: &View<'_>,
    replicas: &[BrokerId],
    index: usize,
    replication_factor: Option<usize>,
) -> Result<Partition, ControllerError> {
    check_assignment(view, replicas)?;
    let refuse = |message: String| Err(ControllerError::new(ErrorKind::InvalidReplicaAssignment, message));
    if let Some(expected) = replication_factor.filter(|expected| *expected != replicas.len()) {
        return refuse(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not \
             consistent with previous partitions, which have {expected} replica(s).",
            replicas.len()
        ));
    }
    let replicas = BrokerList::from_slice(replicas);
    let isr = live(view, &replicas);
    if isr.is_empty() {
        return refuse(format!(
            "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
             controlled shutdown."
        ));
    }
    Ok(Partition::new(replicas, isr))
}

/// Why no partition could be placed.
pub(super) enum NoPlace {
    /// The brokers don't allow it.
    Placement(PlacementError),
    /// The chosen brokers are all on their way out.
    AllLeaving,
}

impl NoPlace {
    /// Kafka's text, but for too few brokers: there the words of Kafka 2.2, which name both numbers and which
    /// every tutorial shows.
    pub(super) fn text(&self, replication_factor: i32) -> String {
        let reason = match self {
            NoPlace::Placement(PlacementError::TooFewBrokers { brokers, .. }) => {
                return format!(
                    "Replication factor: {replication_factor} larger than available brokers: {brokers}."
                );
            }
            NoPlace::Placement(PlacementError::NotPositive(number)) => {
                format!("Invalid replication factor {number}: the replication factor must be positive.")
            }
            NoPlace::Placement(PlacementError::AllFenced) => "All brokers are currently fenced.".to_owned(),
            NoPlace::AllLeaving => "All brokers are currently fenced or in controlled shutdown.".to_owned(),
        };
        format!("Unable to replicate the partition {replication_factor} time(s): {reason}")
    }
}

/// Partitions whose replicas the controller chooses.
pub(super) fn placed_partitions(
    view: &View<'_>,
    count: usize,
    replication_factor: i32,
    seed: u64,
) -> Result<Vec<Partition>, NoPlace> {
    let assignments = place(view.image, count, replication_factor, seed).map_err(NoPlace::Placement)?;
    let partitions = assignments.into_iter().map(|replicas| {
        let isr = live(view, &replicas);
        if isr.is_empty() { Err(NoPlace::AllLeaving) } else { Ok(Partition::new(replicas, isr)) }
    });
    partitions.collect()
}

fn live(view: &View<'_>, replicas: &[BrokerId]) -> BrokerList {
    replicas.iter().copied().filter(|broker| view.image.brokers().is_active(*broker)).collect()
}

/// AlterPartition: what a leader says about the ISRs of its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartition {
    /// The leader.
    pub broker: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: i64,
    /// The partitions.
    pub partitions: Vec<NewIsr>,
}

/// The ISR one partition shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIsr {
    /// The partition.
    pub partition: PartitionId,
    /// The leader epoch the sender leads in.
    pub leader_epoch: i32,
    /// The partition epoch the sender knows.
    pub partition_epoch: i32,
    /// The brokers, each with the epoch of its registration as the leader knows it (KIP-903); -1 skips that
    /// check.
    pub isr: Vec<(BrokerId, i64)>,
    /// See [`Partition::leader_recovering`].
    pub leader_recovering: bool,
}

/// The answer for one partition of [`AlterPartition`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartitionResult {
    /// The partition.
    pub partition: PartitionId,
    /// Its state after the change.
    pub result: Result<Partition, ControllerError>,
}

/// Takes ISR changes from leaders.
pub fn alter_partition(
    view: &View<'_>,
    request: &AlterPartition,
) -> Result<Outcome<Vec<AlterPartitionResult>>, ControllerError> {
    check_epoch(view, request.broker, request.broker_epoch)?;
    let mut records = Vec::new();
    let mut reply = Vec::new();
    for wanted in &request.partitions {
        let result = alter_isr(view, request.broker, wanted, &mut records);
        reply.push(AlterPartitionResult { partition: wanted.partition, result });
    }
    Ok(Outcome { records, reply })
}

fn alter_isr(
    view: &View<'_>,
    sender: BrokerId,
    wanted: &NewIsr,
    records: &mut Vec<MetadataRecord>,
) -> Result<Partition, ControllerError> {
    let topic = view.image.topics().by_id(wanted.partition.topic).ok_or(ErrorKind::UnknownTopicId)?;
    let partition = topic.partition(wanted.partition.index).ok_or(ErrorKind::UnknownTopicOrPartition)?;
    check_alteration(view, sender, partition, wanted)?;
    let mut update = PartitionUpdate::new(view, topic, partition, Electable::live(view.image));
    update.isr = wanted.isr.iter().map(|(broker, _)| *broker).collect();
    update.leader_recovering = wanted.leader_recovering;
    let mut after = partition.clone();
    // What already is so is written all the same: with the new partition epoch, every proposal that the leader sent
    // before this one has become stale. Leaders withdraw an expansion of unknown fate in that way.
    let unchanged = || PartitionChange { isr: Some(partition.isr.clone()), ..PartitionChange::default() };
    let change = update.build().unwrap_or_else(unchanged);
    change.apply_to(&mut after);
    records.push(record(wanted.partition, change));
    if after.leader != Some(sender) {
        // The change completed a reassignment away from the sender: it must look at the image first.
        return Err(ErrorKind::NewLeaderElected.into());
    }
    Ok(after)
}

fn check_alteration(
    view: &View<'_>,
    sender: BrokerId,
    partition: &Partition,
    wanted: &NewIsr,
) -> Result<(), ControllerError> {
    if wanted.leader_epoch > partition.leader_epoch || wanted.partition_epoch > partition.partition_epoch {
        // The leader has seen more than this controller has: another one must be active.
        return Err(ErrorKind::NotController.into());
    }
    if wanted.leader_epoch < partition.leader_epoch {
        return Err(ErrorKind::FencedLeaderEpoch.into());
    }
    if partition.leader != Some(sender) {
        return Err(ErrorKind::InvalidRequest.into());
    }
    if mutant!("accept-stale-partition-epoch", wanted.partition_epoch < partition.partition_epoch, false) {
        return Err(ErrorKind::InvalidUpdateVersion.into());
    }
    let members: BTreeSet<BrokerId> = wanted.isr.iter().map(|(broker, _)| *broker).collect();
    let valid = members.len() == wanted.isr.len()
        && members.contains(&sender)
        && members.iter().all(|broker| partition.replicas.contains(broker));
    let recovery_valid = !wanted.leader_recovering || (partition.leader_recovering && wanted.isr.len() == 1);
    if !valid || !recovery_valid {
        return Err(ErrorKind::InvalidRequest.into());
    }
    let eligible = |(broker, epoch): &(BrokerId, i64)| {
        let registration = view.image.brokers().get(*broker);
        let same = |known: i64| *epoch == -1 || mutant!("skip-broker-epoch", *epoch == known, true);
        registration.is_some_and(|known| known.is_active() && same(known.epoch))
    };
    if wanted.isr.iter().all(eligible) { Ok(()) } else { Err(ErrorKind::IneligibleReplica.into()) }
}

#[cfg(test)]
mod tests;
