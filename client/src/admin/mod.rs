//! Administration: topics, configurations, offsets, the cluster.
//!
//! | file | requests |
//! |---|---|
//! | `topics.rs` | Metadata, DescribeTopicPartitions, CreateTopics, DeleteTopics, CreatePartitions |
//! | `configs.rs` | DescribeConfigs, IncrementalAlterConfigs, AlterConfigs, ListConfigResources |
//! | `offsets.rs` | ListOffsets |
//! | `records.rs` | DeleteRecords |
//! | `groups.rs` | ListGroups, DescribeGroups, ConsumerGroupDescribe, DeleteGroups |
//! | `group_offsets.rs` | OffsetFetch, OffsetCommit, OffsetDelete |
//! | `cluster.rs` | DescribeCluster, ListPartitionReassignments |
//! | `brokers.rs` | ApiVersions, UnregisterBroker |
//! | `elections.rs` | ElectLeaders |
//! | `log_dirs.rs` | DescribeLogDirs |
//! | `quorum.rs` | DescribeQuorum, AddRaftVoter, RemoveRaftVoter |
//!
//! A call for several things answers for each of them by itself: one topic's error does not hide another's success.

mod brokers;
mod cluster;
mod configs;
mod elections;
mod group_offsets;
mod groups;
mod log_dirs;
mod offsets;
mod quorum;
mod records;
mod topics;

use std::sync::Arc;

pub use brokers::{KnownApi, ServedApi};
pub use cluster::Reassignment;
pub use configs::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigResult, ConfigSource, ConfigSynonym, ResourceKind,
};
pub use elections::ElectionType;
pub use group_offsets::CommittedOffset;
pub use groups::{GroupDescription, GroupEpochs, GroupListing, GroupMember};
pub use log_dirs::{LogDirDescription, LogDirReplica};
pub use offsets::{ListedOffset, OffsetSpec};
pub use quorum::{QuorumInfo, QuorumReplica};
pub use topics::{CreatedTopic, NewPartitions, NewTopic, PartitionInfo, TopicDescription, TopicListing};

use crate::cluster::Cluster;
use crate::config::ClientConfig;
use crate::error::{ApiError, ClientError};
use crate::metadata::Metadata;

/// What one of several things came to, in the order in which they were asked for.
pub type Each<K, T> = Vec<(K, Result<T, ApiError>)>;

/// The administration client; clones share its connections.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Arc<Cluster>,
}

impl Admin {
    /// Finds the cluster by the bootstrap list.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] with the reason for each address.
    pub async fn connect(config: ClientConfig) -> Result<Admin, ClientError> {
        Ok(Admin { cluster: Arc::new(Cluster::connect(config).await?) })
    }

    /// An administration client on the connections of another client.
    pub(crate) fn of(cluster: Arc<Cluster>) -> Admin {
        Admin { cluster }
    }

    /// The brokers and the controller, from the cache.
    ///
    /// # Errors
    /// No broker reachable.
    pub async fn metadata(&self) -> Result<Arc<Metadata>, ClientError> {
        self.cluster.metadata.brokers().await
    }

    /// `request.timeout.ms` as requests carry it.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.cluster.config.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}
