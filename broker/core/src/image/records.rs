//! Metadata records: the facts the quorum agrees on, one after the other.
//!
//! They state what *is*, never what to do, so that nodes of different versions reach the same image. Their
//! bytes are in `codec.rs`.

use crate::ids::{BrokerId, TopicId};

use super::{BrokerList, BrokerRegistration, ConfigResource, Partition};

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataRecord {
    /// The cluster has this id. First record of a history.
    ClusterId {
        /// The id, as `rkafka-storage random-uuid` prints.
        id: String,
    },
    /// A topic exists. Its partitions follow.
    Topic {
        /// The name.
        name: String,
        /// The id.
        id: TopicId,
    },
    /// A partition exists, with this state.
    Partition {
        /// The topic.
        topic: TopicId,
        /// The number in its topic; partitions of a topic come in order.
        index: i32,
        /// Its state.
        partition: Partition,
    },
    /// Parts of a partition's state changed. Its partition epoch rises by one.
    PartitionChange {
        /// The topic.
        topic: TopicId,
        /// The number in its topic.
        index: i32,
        /// What changed.
        change: PartitionChange,
    },
    /// A topic is gone, with its partitions and its configuration.
    RemoveTopic {
        /// The id.
        id: TopicId,
    },
    /// A key of a resource has this value, or, with none, is no longer set.
    Config {
        /// The resource.
        resource: ConfigResource,
        /// The key.
        key: String,
        /// The value.
        value: Option<String>,
    },
    /// A broker registered; replaces an earlier registration.
    RegisterBroker {
        /// The registration.
        broker: Box<BrokerRegistration>,
    },
    /// A broker is no longer part of the cluster.
    UnregisterBroker {
        /// The id.
        id: BrokerId,
        /// The epoch of the registration that ends.
        epoch: i64,
    },
    /// A registered broker was fenced, unfenced, or began to leave.
    BrokerChange {
        /// The id.
        id: BrokerId,
        /// The epoch of the registration that changes.
        epoch: i64,
        /// What changed.
        change: BrokerChange,
    },
    /// A feature is finalized at a level; 0 removes it.
    Feature {
        /// The feature.
        name: String,
        /// The level.
        level: i16,
    },
    /// Producer ids below `next` are handed out.
    ProducerIds {
        /// The broker that got the block.
        broker: BrokerId,
        /// Its epoch.
        broker_epoch: i64,
        /// The first id of the next block.
        next: i64,
    },
}

/// What changed of a partition; `None` leaves a field as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionChange {
    /// The assignment.
    pub replicas: Option<BrokerList>,
    /// The in-sync replicas.
    pub isr: Option<BrokerList>,
    /// The leader; `Some(None)` says that there is none. Naming one, even the same, bumps the leader epoch.
    pub leader: Option<Option<BrokerId>>,
    /// See [`Partition::leader_recovering`].
    pub leader_recovering: Option<bool>,
    /// Replicas being added.
    pub adding: Option<BrokerList>,
    /// Replicas being removed.
    pub removing: Option<BrokerList>,
    /// Eligible leader replicas.
    pub elr: Option<BrokerList>,
    /// Last known ELR.
    pub last_known_elr: Option<BrokerList>,
}

/// What changed of a broker; `None` leaves a field as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerChange {
    /// Fenced or not.
    pub fenced: Option<bool>,
    /// Leaving or not.
    pub in_controlled_shutdown: Option<bool>,
}
