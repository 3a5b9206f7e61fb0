//! What this broker must do so that its partitions are as the image says.
//!
//! A pure comparison: an image and what lies on this broker's disks at start ([`at_start`]), one image and the
//! next from then on ([`on_change`]). The actions come in an order in which they can be carried out one after
//! the other; what goes away comes first, so that a topic created again under an old name never meets the old
//! log. Partitions are told apart by topic id (KIP-516), never by name alone.

use std::fmt;
use std::sync::Arc;

use crate::ids::{BrokerId, PartitionId, TopicId};
use crate::image::{Changes, Image, Partition, ResourceKind, Topic};

/// A partition of which this broker has, or shall have, a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The partition.
    pub id: PartitionId,
    /// The topic's name; the log's directory is named after it.
    pub topic: Arc<str>,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.id.index)
    }
}

/// A log found in a log directory at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOnDisk {
    /// The topic's name, from the directory's.
    pub topic: Arc<str>,
    /// The partition's number, from the directory's name.
    pub index: i32,
    /// The topic's id from `partition.metadata`; directories of Kafka before 2.8 have none.
    pub topic_id: Option<TopicId>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put aside a log that no partition of this broker is: its topic was deleted, created anew or assigned
    /// elsewhere while this broker was down.
    Stray(LogOnDisk),
    /// Stop serving the replica and delete its log.
    Delete(Replica),
    /// Make an empty log.
    Create(Replica),
    /// Open the log that is there, and give it its topic's id if it has none.
    Open(Replica),
    /// Lead from now on, or go on leading with this state ([`crate::replica::leader::LeaderState::on_image`]).
    Lead {
        /// The replica.
        replica: Replica,
        /// The partition as the image has it.
        state: Partition,
    },
    /// Follow the leader of this state, or wait for one if it has none.
    Follow {
        /// The replica.
        replica: Replica,
        /// The partition as the image has it.
        state: Partition,
    },
    /// The topic's own configuration changed.
    Configure {
        /// The topic.
        topic: Arc<Topic>,
    },
}

/// What to do at start, when all log directories have been listed. The image must have caught up with the
/// quorum: an old one would make logs of newer topics look like strays.
#[must_use]
pub fn at_start(image: &Image, local: BrokerId, logs: &[LogOnDisk]) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut present = std::collections::BTreeSet::new();
    for log in logs {
        match owner(image, local, log) {
            // A second directory for the same partition: the first keeps the name.
            Some(id) if present.insert(id) => {}
            _ => actions.push(Action::Stray(log.clone())),
        }
    }
    for topic in image.topics().iter() {
        for (replica, state) in replicas(topic, local) {
            let on_disk = present.contains(&replica.id);
            let action = if on_disk { Action::Open } else { Action::Create };
            actions.push(action(replica.clone()));
            actions.push(serve(replica, state, local));
        }
    }
    actions
}

/// The partition whose replica on this broker the log is.
fn owner(image: &Image, local: BrokerId, log: &LogOnDisk) -> Option<PartitionId> {
    let topic = image.topics().by_name(&log.topic)?;
    let partition = topic.partition(log.index)?;
    let same_topic = log.topic_id.is_none_or(|id| id == topic.id);
    let assigned = partition.replicas.contains(&local);
    (same_topic && assigned).then_some(PartitionId { topic: topic.id, index: log.index })
}

/// What to do now that `new` follows `old`; `changes` are what was touched in between.
#[must_use]
pub fn on_change(old: &Image, new: &Image, changes: &Changes, local: BrokerId) -> Vec<Action> {
    let mut gone = Vec::new();
    let mut actions = Vec::new();
    for id in &changes.topics {
        let (before, after) = (old.topics().by_id(*id), new.topics().by_id(*id));
        for (replica, _) in before.into_iter().flat_map(|topic| replicas(topic, local)) {
            let kept = after.and_then(|topic| state_of(topic, &replica, local)).is_some();
            if !kept {
                gone.push(Action::Delete(replica));
            }
        }
        for (replica, state) in after.into_iter().flat_map(|topic| replicas(topic, local)) {
            match before.and_then(|topic| state_of(topic, &replica, local)) {
                Some(same) if same == state => continue,
                Some(_) => {}
                None => actions.push(Action::Create(replica.clone())),
            }
            actions.push(serve(replica, state, local));
        }
    }
    actions.extend(peers_changed(old, new, changes, local));
    for resource in changes.configs.iter().filter(|resource| resource.kind == ResourceKind::Topic) {
        let topic = new.topics().by_name(&resource.name).map(Arc::clone);
        actions.extend(topic.map(|topic| Action::Configure { topic }));
    }
    gone.extend(actions);
    gone
}

/// Partitions led here one of whose replicas is on a broker that came, went or was fenced, and one led
/// elsewhere whose leader can now be reached at another address: their machines must know. Partitions that
/// changed themselves have been told already; others of the same topic have not.
fn peers_changed(old: &Image, new: &Image, changes: &Changes, local: BrokerId) -> Vec<Action> {
    if changes.brokers.is_empty() {
        return Vec::new();
    }
    let touched = |state: &Partition| state.replicas.iter().any(|broker| changes.brokers.contains(broker));
    let unchanged = |replica: &Replica, state: &Partition| {
        let before = old.topics().by_id(replica.id.topic);
        !changes.topics.contains(&replica.id.topic)
            || before.and_then(|topic| state_of(topic, replica, local)) == Some(state)
    };
    let all = new.topics().iter().flat_map(|topic| replicas(topic, local));
    all.filter(|(replica, state)| touched(state) && unchanged(replica, state))
        .map(|(replica, state)| serve(replica, state, local))
        .collect()
}

fn serve(replica: Replica, state: &Partition, local: BrokerId) -> Action {
    let leads = state.leader == Some(local);
    let state = state.clone();
    if leads { Action::Lead { replica, state } } else { Action::Follow { replica, state } }
}

/// The partitions of a topic that have a replica on `local`.
fn replicas(topic: &Topic, local: BrokerId) -> impl Iterator<Item = (Replica, &Partition)> {
    let states = (0..).zip(&topic.partitions).filter(move |(_, state)| state.replicas.contains(&local));
    states.map(move |(index, state)| {
        let id = PartitionId { topic: topic.id, index };
        (Replica { id, topic: Arc::clone(&topic.name) }, state)
    })
}

/// The state of the replica's partition, if the topic still has it on `local`.
fn state_of<'a>(topic: &'a Topic, replica: &Replica, local: BrokerId) -> Option<&'a Partition> {
    topic.partition(replica.id.index).filter(|state| state.replicas.contains(&local))
}

#[cfg(test)]
mod tests;
