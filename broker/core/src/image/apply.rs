//! Applying records: the only way an image changes.
//!
//! Controller handlers *generate* records against a [`Delta`]'s image and never touch state themselves; the
//! same `replay` then runs on the controller before the commit and on every node after it.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::ids::{BrokerId, PartitionId, TopicId};

use super::{ConfigResource, Image, MetadataBatch, MetadataRecord, Partition, PartitionChange, Topic};

/// Why records do not fit the image. In a committed batch this means that a node has lost its history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The batch was generated from another image: its proposer was no longer the active controller.
    #[error(
        "metadata batch follows sequence {batch}, but this image is at {image}; the batch is not applied"
    )]
    OutOfSequence {
        /// The sequence the batch was made for.
        batch: u64,
        /// The sequence of the image.
        image: u64,
    },
    /// A record names a topic that is not there.
    #[error("metadata record names topic id {0}, which the image does not have")]
    UnknownTopic(TopicId),
    /// A record names a partition that is not there.
    #[error("metadata record changes partition {0}, which the image does not have")]
    UnknownPartition(PartitionId),
    /// A new partition is not the next of its topic.
    #[error("metadata record creates partition {partition}, but the next index of that topic is {next}")]
    PartitionOutOfOrder {
        /// The partition of the record.
        partition: PartitionId,
        /// The index that must come next.
        next: usize,
    },
    /// A topic of that name or id is there already.
    #[error("metadata record creates topic {name} ({id}), but that name or id is taken")]
    TopicTaken {
        /// The name.
        name: String,
        /// The id.
        id: TopicId,
    },
    /// A record changes a registration that has ended.
    #[error("metadata record names broker {id} at epoch {epoch}, which is not its registration")]
    UnknownBroker {
        /// The broker.
        id: BrokerId,
        /// The epoch of the record.
        epoch: i64,
    },
    /// The cluster already has another id.
    #[error("metadata record gives the cluster the id {new}, but it already is {old}")]
    ClusterIdTaken {
        /// The id it has.
        old: String,
        /// The id of the record.
        new: String,
    },
}

/// What a delta touched: the reconciler looks only there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Topics that were created, changed or removed.
    pub topics: BTreeSet<TopicId>,
    /// Brokers that were registered, changed or unregistered.
    pub brokers: BTreeSet<BrokerId>,
    /// Resources whose configuration changed.
    pub configs: BTreeSet<ConfigResource>,
}

/// An image in the making: a base and the records replayed on it.
#[derive(Debug, Clone)]
pub struct Delta {
    image: Image,
    changes: Changes,
}

impl Delta {
    /// A delta without changes.
    #[must_use]
    pub fn new(base: &Image) -> Self {
        Delta { image: base.clone(), changes: Changes::default() }
    }

    /// The image with all records replayed so far.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// What was touched so far.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The image and what differs from the base.
    #[must_use]
    pub fn finish(self) -> (Image, Changes) {
        (self.image, self.changes)
    }

    /// Replays records in order, up to the first that does not fit.
    pub fn replay_all(&mut self, records: &[MetadataRecord]) -> Result<(), ApplyError> {
        records.iter().try_for_each(|record| self.replay(record))
    }

    /// Replays one record; on an error nothing has changed.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::ClusterId { id } => self.cluster_id(id)?,
            MetadataRecord::Topic { name, id } => self.topic(name, *id)?,
            MetadataRecord::Partition { topic, index, partition } => {
                self.partition(PartitionId { topic: *topic, index: *index }, partition)?;
            }
            MetadataRecord::PartitionChange { topic, index, change } => {
                self.partition_change(PartitionId { topic: *topic, index: *index }, change)?;
            }
            MetadataRecord::RemoveTopic { id } => self.remove_topic(*id)?,
            MetadataRecord::Config { resource, key, value } => {
                match value {
                    Some(value) => self.image.configs.set(resource, key, value),
                    None => self.image.configs.delete(resource, key),
                }
                self.changes.configs.insert(resource.clone());
            }
            MetadataRecord::RegisterBroker { broker } => {
                self.changes.brokers.insert(broker.id);
                self.image.brokers.insert(broker.as_ref().clone());
            }
            MetadataRecord::UnregisterBroker { id, epoch } => {
                self.registration(*id, *epoch)?;
                self.image.brokers.remove(*id);
            }
            MetadataRecord::BrokerChange { id, epoch, change } => {
                let broker = self.registration(*id, *epoch)?;
                broker.fenced = change.fenced.unwrap_or(broker.fenced);
                let leaving = change.in_controlled_shutdown;
                broker.in_controlled_shutdown = leaving.unwrap_or(broker.in_controlled_shutdown);
            }
            MetadataRecord::Feature { name, level: 0 } => {
                self.image.features.remove(name.as_str());
            }
            MetadataRecord::Feature { name, level } => {
                self.image.features.insert(name.as_str().into(), *level);
            }
            MetadataRecord::ProducerIds { next, .. } => self.image.next_producer_id = *next,
        }
        self.image.sequence += 1;
        Ok(())
    }

    fn cluster_id(&mut self, id: &str) -> Result<(), ApplyError> {
        match self.image.cluster_id.as_deref() {
            Some(old) if old != id => {
                Err(ApplyError::ClusterIdTaken { old: old.to_owned(), new: id.to_owned() })
            }
            _ => {
                self.image.cluster_id = Some(id.into());
                Ok(())
            }
        }
    }

    fn topic(&mut self, name: &str, id: TopicId) -> Result<(), ApplyError> {
        if self.image.topics.by_name(name).is_some() || self.image.topics.by_id(id).is_some() {
            return Err(ApplyError::TopicTaken { name: name.to_owned(), id });
        }
        self.image.topics.insert(Topic { name: name.into(), id, partitions: Vec::new() });
        self.changes.topics.insert(id);
        Ok(())
    }

    fn partition(&mut self, id: PartitionId, partition: &Partition) -> Result<(), ApplyError> {
        let topic = self.image.topics.get_mut(id.topic).ok_or(ApplyError::UnknownTopic(id.topic))?;
        let next = topic.partitions.len();
        if usize::try_from(id.index) != Ok(next) {
            return Err(ApplyError::PartitionOutOfOrder { partition: id, next });
        }
        topic.partitions.push(partition.clone());
        self.changes.topics.insert(id.topic);
        Ok(())
    }

    fn partition_change(&mut self, id: PartitionId, change: &PartitionChange) -> Result<(), ApplyError> {
        let topic = self.image.topics.get_mut(id.topic).ok_or(ApplyError::UnknownTopic(id.topic))?;
        let index = usize::try_from(id.index).unwrap_or(usize::MAX);
        let partition = topic.partitions.get_mut(index).ok_or(ApplyError::UnknownPartition(id))?;
        change.apply_to(partition);
        self.changes.topics.insert(id.topic);
        Ok(())
    }

    fn remove_topic(&mut self, id: TopicId) -> Result<(), ApplyError> {
        let topic = self.image.topics.remove(id).ok_or(ApplyError::UnknownTopic(id))?;
        let resource = ConfigResource::topic(&topic.name);
        if self.image.configs.get(&resource).is_some() {
            self.image.configs.remove(&resource);
            self.changes.configs.insert(resource);
        }
        self.changes.topics.insert(id);
        Ok(())
    }

    fn registration(
        &mut self,
        id: BrokerId,
        epoch: i64,
    ) -> Result<&mut super::BrokerRegistration, ApplyError> {
        let unknown = ApplyError::UnknownBroker { id, epoch };
        if self.image.brokers.get(id).is_none_or(|broker| broker.epoch != epoch) {
            return Err(unknown);
        }
        self.changes.brokers.insert(id);
        self.image.brokers.get_mut(id).ok_or(unknown)
    }
}

impl PartitionChange {
    /// The partition after this change.
    pub(crate) fn apply_to(&self, partition: &mut Partition) {
        if let Some(replicas) = &self.replicas {
            partition.replicas.clone_from(replicas);
        }
        if let Some(isr) = &self.isr {
            partition.isr.clone_from(isr);
        }
        if let Some(leader) = self.leader {
            partition.leader = leader;
            partition.leader_epoch += 1;
        }
        partition.leader_recovering = self.leader_recovering.unwrap_or(partition.leader_recovering);
        if let Some(adding) = &self.adding {
            partition.set_adding_replicas(adding.clone());
        }
        if let Some(removing) = &self.removing {
            partition.set_removing_replicas(removing.clone());
        }
        if let Some(elr) = &self.elr {
            partition.set_elr(elr.clone());
        }
        if let Some(last_known_elr) = &self.last_known_elr {
            partition.set_last_known_elr(last_known_elr.clone());
        }
        partition.partition_epoch += 1;
    }
}

impl Image {
    /// This image with a committed batch applied, and what changed; refused unless the batch was made for
    /// exactly this image.
    pub fn apply(&self, batch: &MetadataBatch) -> Result<(Image, Changes), ApplyError> {
        if batch.previous_sequence != self.sequence {
            return Err(ApplyError::OutOfSequence { batch: batch.previous_sequence, image: self.sequence });
        }
        let mut delta = Delta::new(self);
        delta.replay_all(&batch.records)?;
        Ok(delta.finish())
    }

    /// The image whose snapshot `records` are, at `sequence`.
    pub fn from_snapshot(sequence: u64, records: &[MetadataRecord]) -> Result<Image, ApplyError> {
        let mut delta = Delta::new(&Image::default());
        delta.replay_all(records)?;
        let (mut image, _) = delta.finish();
        image.sequence = sequence;
        Ok(image)
    }
}
