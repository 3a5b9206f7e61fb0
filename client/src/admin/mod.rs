//! Administration: topics, configurations, offsets, the cluster.
//!
//! | file | requests |
//! |---|---|
//! | `topics.rs` | Metadata, DescribeTopicPartitions, CreateTopics, DeleteTopics, CreatePartitions |
//! | `quotas.rs` | DescribeClientQuotas, AlterClientQuotas |
//! | `scram.rs` | DescribeUserScramCredentials, AlterUserScramCredentials |
//! | `configs.rs` | DescribeConfigs, IncrementalAlterConfigs, AlterConfigs, ListConfigResources |
//! | `offsets.rs` | ListOffsets |
//! | `records.rs` | DeleteRecords |
//! | `groups.rs` | ListGroups, DescribeGroups, ConsumerGroupDescribe, DeleteGroups, LeaveGroup |
//! | `group_offsets.rs` | OffsetFetch, OffsetCommit, OffsetDelete |
//! | `cluster.rs` | DescribeCluster |
//! | `reassignments.rs` | AlterPartitionReassignments, ListPartitionReassignments |
//! | `features.rs` | ApiVersions (for the features), UpdateFeatures |
//! | `acls.rs` | DescribeAcls, CreateAcls, DeleteAcls |
//! | `tokens.rs` | CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken, DescribeDelegationToken |
//! | `producers.rs` | DescribeProducers |
//! | `transactions.rs` | ListTransactions, DescribeTransactions, InitProducerId (to fence), WriteTxnMarkers |
//! | `coordinator.rs`, `leaders.rs` | FindCoordinator, Metadata: whom to ask |
//! | `brokers.rs` | ApiVersions, UnregisterBroker |
//! | `elections.rs` | ElectLeaders |
//! | `log_dirs.rs` | DescribeLogDirs, AlterReplicaLogDirs |
//! | `quorum.rs` | DescribeQuorum, AddRaftVoter, RemoveRaftVoter |
//!
//! A call for several things answers for each of them by itself: one topic's error does not hide another's success.

mod acls;
mod brokers;
mod cluster;
mod configs;
mod coordinator;
mod elections;
mod features;
mod group_offsets;
mod groups;
mod leaders;
mod log_dirs;
mod offsets;
mod producers;
mod quorum;
mod quotas;
mod reassignments;
mod records;
mod scram;
mod tokens;
mod topics;
mod transactions;

use std::sync::Arc;

use kafka_protocol::protocol::Request;
use rkafka_wire::{ErrorCode, StrBytes};

pub use acls::{
    AccessControl, AclBinding, AclFilter, AclOperation, AclPermission, AclResourceKind, DeletedAcls,
    PatternType, ResourcePattern,
};
pub use brokers::{KnownApi, ServedApi};
pub use configs::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigResult, ConfigSource, ConfigSynonym, ResourceKind,
};
pub use elections::ElectionType;
pub use features::{FeatureUpdate, FeatureVersions, Features, UpgradeType};
pub use group_offsets::CommittedOffset;
pub use groups::{GroupDescription, GroupEpochs, GroupListing, GroupMember};
pub use log_dirs::{LogDirDescription, LogDirReplica};
pub use offsets::{ListedOffset, OffsetSpec};
pub use producers::ProducerState;
pub use quorum::{QuorumEndpoint, QuorumInfo, QuorumReplica};
pub use quotas::{QuotaEntity, QuotaFilter, QuotaMatch, Quotas};
pub use reassignments::Reassignment;
pub use scram::{ParseScramMechanismError, ScramAlteration, ScramCredential, ScramMechanism};
pub use tokens::{DelegationToken, NewDelegationToken, Principal};
pub use topics::{CreatedTopic, NewPartitions, NewTopic, PartitionInfo, TopicDescription, TopicListing};
pub use transactions::{HangingTransaction, TransactionDescription, TransactionFilter, TransactionListing};

use crate::cluster::{Cluster, Route};
use crate::config::ClientConfig;
use crate::error::{ApiError, ClientError};
use crate::metadata::Metadata;
use crate::metrics::{Metric, Snapshot};
use crate::net::Connection;

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

    /// What it did so far, by the names of Java's `admin-client-metrics`.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let mut snapshot = Snapshot::new(&self.cluster.config.client_id);
        self.cluster.pool.meter().tell(&mut snapshot, "admin-client-metrics");
        snapshot.finish()
    }

    /// `request.timeout.ms` as requests carry it.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.cluster.config.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
    /// Sends a request in the newest version that both sides know and reads its answer, again as long as that fails
    /// in a way that may pass.
    async fn ask<R: Request, T>(
        &self,
        what: &'static str,
        route: Route,
        request: &R,
        read: impl Fn(R::Response) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let attempt = |connection: Connection| {
            let read = &read;
            async move {
                let version = connection.version::<R>()?;
                read(connection.call(version, request).await?)
            }
        };
        self.cluster.retry(what, route, attempt).await
    }
}

/// A text as the wire has it.
fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// NOT_CONTROLLER, said of one of several things, is about all of them: the call is to be made again.
fn unless_moved<K, T>(results: Each<K, T>) -> Result<Each<K, T>, ClientError> {
    let moved = results.iter().find_map(|(_, result)| match result {
        Err(error) if error.code == ErrorCode::NotController => Some(error.clone()),
        _ => None,
    });
    moved.map_or(Ok(results), |error| Err(error.into()))
}
