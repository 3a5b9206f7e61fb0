//! The metadata image: everything the cluster has agreed on, as one immutable value.
//!
//! Every node holds one and swaps it whole when the quorum commits a batch. Clones share everything
//! (persistent maps, one `Arc` per topic), so readers keep an image as long as they like and a change copies
//! only what it touches. It is changed by [`MetadataRecord`]s alone, through [`Delta`].

mod apply;
mod brokers;
mod codec;
mod configs;
mod records;
mod snapshot;
mod topics;

use std::sync::Arc;

use imbl::OrdMap;

pub use apply::{ApplyError, Changes, Delta};
pub use brokers::{BrokerRegistration, Brokers, Endpoint, SecurityProtocol};
pub use codec::{CodecError, MetadataBatch};
pub use configs::{ConfigResource, ConfigValues, Configs, ResourceKind};
pub use records::{BrokerChange, MetadataRecord, PartitionChange};
pub use topics::{BrokerList, Partition, Topic, Topics};

/// The state of the cluster after [`Image::sequence`] records. Cheap to clone; never changed in place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Image {
    sequence: u64,
    cluster_id: Option<Arc<str>>,
    topics: Topics,
    brokers: Brokers,
    configs: Configs,
    features: OrdMap<Arc<str>, i16>,
    next_producer_id: i64,
}

impl Image {
    /// How many records made this image: the position in the one history all nodes share.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The cluster's id, once it was formed.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// Topics and their partitions.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Registered brokers, fenced ones included.
    #[must_use]
    pub fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    /// Dynamic configuration of every resource.
    #[must_use]
    pub fn configs(&self) -> &Configs {
        &self.configs
    }

    /// Finalized feature levels by name.
    pub fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.features.iter().map(|(name, level)| (name.as_ref(), *level))
    }

    /// The finalized level of one feature; 0 if it was never raised.
    #[must_use]
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The first producer id that no block handed out yet contains.
    #[must_use]
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Panics if the image contradicts itself. For tests and simulation, after every step.
    pub fn check_invariants(&self) {
        self.topics.check_invariants();
        assert!(self.next_producer_id >= 0, "producer ids start at 0");
    }
}

#[cfg(test)]
mod tests;
