//! All partitions of which this broker has a replica.

use std::sync::Arc;

use dashmap::DashMap;
use rkafka_core::ids::PartitionId;

use super::handle::Partition;

/// Partitions by id. Look-ups lock one shard of the map for a moment, and never while a partition is used.
#[derive(Debug, Default)]
pub struct PartitionTable {
    partitions: DashMap<PartitionId, Arc<Partition>>,
}

impl PartitionTable {
    /// The partition, if a replica of it is here.
    pub fn get(&self, id: PartitionId) -> Option<Arc<Partition>> {
        self.partitions.get(&id).map(|partition| partition.value().clone())
    }

    /// Adds a partition; the one it replaces, if any, is returned.
    pub fn insert(&self, partition: Arc<Partition>) -> Option<Arc<Partition>> {
        self.partitions.insert(partition.id(), partition)
    }

    /// Takes a partition out.
    pub fn remove(&self, id: PartitionId) -> Option<Arc<Partition>> {
        self.partitions.remove(&id).map(|(_, partition)| partition)
    }

    /// All partitions at this moment, in no particular order.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.iter().map(|partition| partition.value().clone()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
}
