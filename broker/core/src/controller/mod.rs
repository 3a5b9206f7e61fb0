//! The controller: what may be changed about the cluster.
//!
//! Each handler looks at a [`View`] (the committed image with the changes in flight replayed on it) and
//! answers with metadata records and a reply. Handlers change nothing themselves: the records are replayed
//! once the quorum has them, and only then is the reply sent. What must be told apart on the wire is told
//! apart by [`ErrorKind`]; texts are the ones stock tools print.
//!
//! | module | requests |
//! |---|---|
//! | `topics` | CreateTopics, DeleteTopics |
//! | `partitions` | CreatePartitions, AlterPartition |
//! | `reassignments` | AlterPartitionReassignments |
//! | `elections` | ElectLeaders; who leads after a broker came or went |
//! | `placement` | where replicas of new partitions go |
//! | `configs` | AlterConfigs, IncrementalAlterConfigs, DescribeConfigs |
//! | `brokers` | registration, heartbeats, fencing |
//! | `producer_ids` | AllocateProducerIds |
//! | `features` | UpdateFeatures |

mod brokers;
mod client_metrics;
mod configs;
mod elections;
mod error;
mod features;
mod names;
mod partitions;
mod placement;
mod producer_ids;
mod reassignments;
mod topics;

#[cfg(test)]
pub(crate) mod testing;

pub use brokers::{
    Heartbeat, HeartbeatReply, RegisterBroker, Sessions, fence_expired, heartbeat, register_broker,
    unregister_broker,
};
pub use configs::{
    AlterConfigs, AlterConfigsResult, AlterResource, ConfigChange, ConfigOperation, DescribeConfigs, OpType,
    alter_configs, describe_configs, effective_broker_config,
};
pub use elections::{
    ELIGIBLE_LEADER_REPLICAS, ElectLeaders, ElectionKind, ElectionResult, balance_leaders, elect_leaders,
    elect_unclean, hand_over_leaderships,
};
pub use error::{ControllerError, ErrorKind};
pub use features::{FeatureUpdate, SupportedFeature, UpdateKind, update_features};
pub use names::{is_internal_topic, validate_topic_name};
pub use partitions::{
    AlterPartition, AlterPartitionResult, CreatePartitions, CreatePartitionsResult, NewIsr, NewPartitions,
    alter_partition, create_partitions,
};
pub use producer_ids::{PRODUCER_ID_BLOCK, ProducerIdBlock, allocate_producer_ids};
pub use reassignments::{AlterReassignments, NewReassignment, ReassignmentResult, alter_reassignments};
pub use rkafka_config::ConfigEntry;
pub use topics::{
    Assignment, CreateTopicResult, CreateTopics, CreatedTopic, DeleteTopicResult, DeleteTopics, Draws,
    NewTopic, PARTITIONS_PER_REQUEST_MAX, TopicRef, create_topics, delete_topics, fill_configs,
};

use rkafka_config::{BrokerConfig, keys};

use crate::image::{ConfigResource, Image, MetadataRecord, Topic};

/// What a handler answers: records to commit together, and the reply to send once they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<R> {
    /// The records; empty if nothing changes.
    pub records: Vec<MetadataRecord>,
    /// The reply.
    pub reply: R,
}

/// What a handler decides on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The committed image, with the changes in flight replayed on it ([`crate::image::Delta::image`]).
    pub image: &'a Image,
    /// The configuration of this node, dynamic layers included: where a topic inherits from.
    pub config: &'a BrokerConfig,
}

impl View<'_> {
    fn default_partitions(&self) -> i32 {
        self.config.get(keys::NUM_PARTITIONS)
    }

    fn default_replication_factor(&self) -> i32 {
        self.config.get(keys::DEFAULT_REPLICATION_FACTOR)
    }

    fn topic_deletion_enabled(&self) -> bool {
        self.config.get(keys::DELETE_TOPIC_ENABLE)
    }

    /// Whether eligible leader replicas are kept (KIP-966).
    fn eligible_replicas_enabled(&self) -> bool {
        self.image.feature_level(ELIGIBLE_LEADER_REPLICAS) > 0
    }

    /// How many replicas must be in sync for a write to count, never more than the topic has.
    #[must_use]
    pub fn effective_min_isr(&self, topic: &Topic) -> usize {
        let key = keys::topic::MIN_INSYNC_REPLICAS.name();
        let own = self.topic_setting(&topic.name, key);
        let min = own.unwrap_or_else(|| self.min_isr_of_cluster());
        let replicas = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
        usize::try_from(min).unwrap_or(1).min(replicas)
    }

    /// `min.insync.replicas` of topics that don't set it. With eligible leader replicas it is the cluster's, in
    /// the image: all nodes must go by the same number, or one would commit what another thinks it can't.
    fn min_isr_of_cluster(&self) -> i32 {
        let key = keys::MIN_INSYNC_REPLICAS.name();
        let resource = ConfigResource::cluster_default();
        let dynamic = self.image.configs().value(&resource, key).filter(|_| self.eligible_replicas_enabled());
        let dynamic = dynamic.and_then(|text| text.trim().parse().ok());
        dynamic.unwrap_or_else(|| self.config.get(keys::MIN_INSYNC_REPLICAS))
    }

    fn unclean_elections(&self, topic: &str) -> bool {
        let own = self.topic_setting(topic, keys::topic::UNCLEAN_LEADER_ELECTION_ENABLE.name());
        own.unwrap_or_else(|| self.config.get(keys::UNCLEAN_LEADER_ELECTION_ENABLE))
    }

    /// A value the topic sets itself. Settings are validated when they are made; one that a later version
    /// refuses counts as not set.
    fn topic_setting<T: std::str::FromStr>(&self, topic: &str, key: &str) -> Option<T> {
        self.image.configs().value(&ConfigResource::topic(topic), key)?.trim().parse().ok()
    }
}
