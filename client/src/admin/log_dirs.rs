//! DescribeLogDirs: what lies in the log directories of a broker.

use rkafka_wire::messages::DescribeLogDirsRequest;

use super::Admin;
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirDescription {
    /// Its path at the broker.
    pub path: String,
    /// Why it is offline, if it is.
    pub error: Option<ApiError>,
    /// The replicas in it, by topic and partition.
    pub replicas: Vec<LogDirReplica>,
    /// The size of its file system in bytes; absent from brokers before 3.3.
    pub total_bytes: Option<i64>,
    /// What is free of it in bytes; absent from brokers before 3.3.
    pub usable_bytes: Option<i64>,
}

/// A replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Bytes of its segments.
    pub size: i64,
    /// How far it is behind: the high watermark less its end, or, of a future replica, the end of the current one
    /// less its own.
    pub offset_lag: i64,
    /// Whether it is being made here to replace the one in another directory.
    pub is_future: bool,
}

impl Admin {
    /// The log directories of one broker.
    ///
    /// # Errors
    /// The broker does not answer, or refuses as a whole.
    pub async fn describe_log_dirs(&self, broker: i32) -> Result<Vec<LogDirDescription>, ClientError> {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<DescribeLogDirsRequest>()?;
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, None)?;
                Ok(answer.results)
            }
        };
        let dirs = self.cluster.retry("describeLogDirs", Route::Node(broker), attempt).await?;
        let described = dirs.into_iter().map(|dir| {
            let mut replicas = Vec::new();
            for topic in &dir.topics {
                replicas.extend(topic.partitions.iter().map(|one| LogDirReplica {
                    topic: topic.name.to_string(),
                    partition: one.partition_index,
                    size: one.partition_size,
                    offset_lag: one.offset_lag,
                    is_future: one.is_future_key,
                }));
            }
            replicas.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
            LogDirDescription {
                path: dir.log_dir.to_string(),
                error: ApiError::check(dir.error_code, None).err(),
                replicas,
                total_bytes: Some(dir.total_bytes).filter(|bytes| *bytes >= 0),
                usable_bytes: Some(dir.usable_bytes).filter(|bytes| *bytes >= 0),
            }
        });
        Ok(described.collect())
    }
}
