//! The cluster itself: who is in it, and which partitions are being moved.

use std::collections::BTreeMap;

use rkafka_wire::messages::{DescribeClusterRequest, ListPartitionReassignmentsRequest};

use super::Admin;
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::{Interest, Metadata, broker, ids};
use crate::net::Connection;

/// A partition that is being moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// All replicas at present.
    pub replicas: Vec<i32>,
    /// Those that are being added.
    pub adding: Vec<i32>,
    /// Those that are being removed.
    pub removing: Vec<i32>,
}

impl Admin {
    /// The brokers, the controller and the cluster's id; no topics. Asks Metadata where the broker has no
    /// DescribeCluster (before 2.8).
    ///
    /// # Errors
    /// No broker reachable.
    pub async fn describe_cluster(&self) -> Result<Metadata, ClientError> {
        let attempt = |connection: Connection| async move {
            let Ok(version) = connection.version::<DescribeClusterRequest>() else {
                let metadata = self.cluster.metadata.fetch(Interest::Brokers).await?;
                return Ok(Metadata::clone(&metadata));
            };
            let answer = connection.call(version, &DescribeClusterRequest::default()).await?;
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let mut brokers = BTreeMap::new();
            for one in &answer.brokers {
                let mut found = broker(one.broker_id, &one.host, one.port, one.rack.as_ref())?;
                found.is_fenced = one.is_fenced;
                brokers.insert(found.id, found);
            }
            Ok(Metadata {
                cluster_id: Some(answer.cluster_id.to_string()),
                controller: Some(answer.controller_id.0).filter(|id| *id >= 0),
                brokers,
                topics: BTreeMap::new(),
                errors: BTreeMap::new(),
            })
        };
        self.cluster.retry("describeCluster", Route::Any, attempt).await
    }

    /// All partitions that are being moved, by topic and number.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers before 2.4; the controller not reachable.
    pub async fn list_reassignments(&self) -> Result<BTreeMap<(String, i32), Reassignment>, ClientError> {
        let request =
            ListPartitionReassignmentsRequest::default().with_timeout_ms(self.timeout_ms()).with_topics(None);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<ListPartitionReassignmentsRequest>()?;
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, answer.error_message.as_deref())?;
                let mut moving = BTreeMap::new();
                for topic in &answer.topics {
                    for partition in &topic.partitions {
                        let reassignment = Reassignment {
                            replicas: ids(&partition.replicas),
                            adding: ids(&partition.adding_replicas),
                            removing: ids(&partition.removing_replicas),
                        };
                        moving.insert((topic.name.to_string(), partition.partition_index), reassignment);
                    }
                }
                Ok(moving)
            }
        };
        self.cluster.retry("listPartitionReassignments", Route::Controller, attempt).await
    }
}
