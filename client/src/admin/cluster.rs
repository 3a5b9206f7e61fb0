//! The cluster itself: who is in it.

use std::collections::BTreeMap;

use rkafka_wire::messages::DescribeClusterRequest;

use super::Admin;
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::{Interest, Metadata, broker};
use crate::net::Connection;

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
}
