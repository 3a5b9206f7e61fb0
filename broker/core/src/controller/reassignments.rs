//! AlterPartitionReassignments: replicas move to other brokers (KIP-455).
//!
//! A reassignment is part of the partition: `replicas` holds the old and the new ones together, `adding` and
//! `removing` say which are which. Followers see themselves among the replicas and begin to fetch; when the leader
//! has taken all that are added into the ISR, the same batch that says so ends the reassignment
//! ([`PartitionUpdate`]). Nothing else is remembered, so a new controller needs to be told nothing.

use std::collections::BTreeSet;

use crate::ids::{BrokerId, PartitionId};
use crate::image::{BrokerList, MetadataRecord, Partition, Topic};
use serde::{Deserialize, Serialize};

use super::elections::{Electable, PartitionUpdate, record};
use super::partitions::check_assignment;
use super::{ControllerError, ErrorKind, Outcome, View};

/// AlterPartitionReassignments: each partition stands or falls on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterReassignments {
    /// The partitions.
    pub partitions: Vec<NewReassignment>,
    /// Whether a partition may get more or fewer replicas than it has (KIP-860).
    pub allow_replication_factor_change: bool,
}

/// Where the replicas of one partition shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReassignment {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The replicas, the preferred leader first; `None` cancels the reassignment that is going on.
    pub replicas: Option<Vec<BrokerId>>,
}

/// The answer for one partition of [`AlterReassignments`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReassignmentResult {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Whether the reassignment began, or was cancelled.
    pub result: Result<(), ControllerError>,
}

/// Begins and cancels reassignments.
#[must_use]
pub fn alter_reassignments(
    view: &View<'_>,
    request: &AlterReassignments,
) -> Outcome<Vec<ReassignmentResult>> {
    let (mut records, mut reply, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for wanted in &request.partitions {
        let result = match seen.insert((&wanted.topic, wanted.partition)) {
            true => reassign(view, wanted, request.allow_replication_factor_change),
            // The second would be decided on a state that the first is about to change.
            false => Err(ControllerError::new(
                ErrorKind::InvalidRequest,
                format!("{}-{} is named more than once.", wanted.topic, wanted.partition),
            )),
        };
        let result = result.map(|record| records.extend(record));
        reply.push(ReassignmentResult { topic: wanted.topic.clone(), partition: wanted.partition, result });
    }
    Outcome { records, reply }
}

fn reassign(
    view: &View<'_>,
    wanted: &NewReassignment,
    allow_replication_factor_change: bool,
) -> Result<Option<MetadataRecord>, ControllerError> {
    let NewReassignment { topic: name, partition: index, replicas } = wanted;
    let unknown = |message: String| ControllerError::new(ErrorKind::UnknownTopicOrPartition, message);
    let topic = view.image.topics().by_name(name);
    let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let partition = topic.partition(*index);
    let partition = partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
    let update = match replicas {
        Some(replicas) => {
            check_assignment(view, replicas)?;
            if !allow_replication_factor_change {
                check_replication_factor(partition, replicas.len())?;
            }
            begin(view, topic, partition, replicas)
        }
        None => cancel(view, topic, *index, partition)?,
    };
    let id = PartitionId { topic: topic.id, index: *index };
    Ok(update.build().map(|change| record(id, change)))
}

/// Without the replicas that a reassignment going on is adding.
fn original(partition: &Partition) -> BrokerList {
    let adding = partition.adding_replicas();
    partition.replicas.iter().copied().filter(|broker| !adding.contains(broker)).collect()
}

/// How many replicas there are, or will be once a reassignment that goes on is through, is not changed (KIP-860).
fn check_replication_factor(partition: &Partition, wanted: usize) -> Result<(), ControllerError> {
    let removing = partition.removing_replicas();
    let current = partition.replicas.iter().filter(|broker| !removing.contains(broker)).count();
    if current == wanted {
        return Ok(());
    }
    let message = format!("The replication factor is changed from {current} to {wanted}");
    Err(ControllerError::new(ErrorKind::InvalidReplicationFactor, message))
}

fn begin<'a>(
    view: &View<'a>,
    topic: &Topic,
    partition: &'a Partition,
    wanted: &[BrokerId],
) -> PartitionUpdate<'a> {
    let difference = |of: &[BrokerId], without: &[BrokerId]| {
        let mut left: BrokerList = of.iter().copied().filter(|broker| !without.contains(broker)).collect();
        left.sort_unstable();
        left
    };
    let mut update = PartitionUpdate::new(view, topic, partition, Electable::live(view.image));
    update.removing = difference(&partition.replicas, wanted);
    update.adding = difference(wanted, &partition.replicas);
    // What an earlier reassignment was adding and this one still wants is not in sync by being wanted twice.
    let still_adding = partition.adding_replicas().iter().copied();
    update.adding.extend(still_adding.filter(|broker| wanted.contains(broker)));
    update.adding.sort_unstable();
    update.replicas = wanted.iter().chain(&update.removing).copied().collect();
    update
}

fn cancel<'a>(
    view: &View<'a>,
    topic: &Topic,
    index: i32,
    partition: &'a Partition,
) -> Result<PartitionUpdate<'a>, ControllerError> {
    if !partition.is_reassigning() {
        return Err(ErrorKind::NoReassignmentInProgress.into());
    }
    let mut update = PartitionUpdate::new(view, topic, partition, Electable::live(view.image));
    update.replicas = original(partition);
    update.adding.clear();
    update.removing.clear();
    update.isr.retain(|member| update.replicas.contains(member));
    // Who has everything: the ISR, else those eligible (KIP-966), else who led last.
    let whole = [&partition.isr[..], partition.elr(), partition.last_known_elr()];
    let whole = whole.into_iter().find(|members| !members.is_empty()).unwrap_or_default();
    if !whole.is_empty() && !whole.iter().any(|member| update.replicas.contains(member)) {
        if !view.unclean_elections(&topic.name) {
            let message = format!(
                "Unable to revert partition assignment for {}:{index} because it would require an unclean leader \
                 election.",
                topic.name
            );
            return Err(ControllerError::new(ErrorKind::InvalidReplicaAssignment, message));
        }
        // Everyone who has everything was being added: the election takes one of the others, as it has been allowed to.
        update.isr = update.replicas.iter().copied().take(1).collect();
    }
    Ok(update)
}

#[cfg(test)]
mod tests;
