//! The log directories of a broker: what lies in them, and moving replicas between them (KIP-113).

use std::collections::BTreeMap;

use rkafka_wire::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use rkafka_wire::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};

use super::leaders::TopicPartition;
use super::{Admin, Each, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
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

    /// Moves replicas of one broker to other log directories of it, given by their paths. The broker answers once it
    /// has begun; until a replica is there, [`Admin::describe_log_dirs`] shows it as a future one. A replica that
    /// the broker does not have yet is made in that directory when it comes.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers that cannot; why a replica is not moved is its own error
    /// (LOG_DIR_NOT_FOUND for an unknown or failed directory).
    pub async fn alter_replica_log_dirs(
        &self,
        broker: i32,
        paths: &BTreeMap<TopicPartition, String>,
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for ((topic, index), path) in paths {
            dirs.entry(path).or_default().entry(topic).or_default().push(*index);
        }
        let topic = |(name, partitions): (&str, Vec<i32>)| {
            AlterReplicaLogDirTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let dir = |(path, topics): (&str, BTreeMap<&str, Vec<i32>>)| {
            AlterReplicaLogDir::default()
                .with_path(text(path))
                .with_topics(topics.into_iter().map(topic).collect())
        };
        let request = AlterReplicaLogDirsRequest::default().with_dirs(dirs.into_iter().map(dir).collect());
        self.ask("alterReplicaLogDirs", Route::Node(broker), &request, |answer| {
            let mut results = Vec::new();
            for topic in &answer.results {
                results.extend(topic.partitions.iter().map(|one| {
                    let key = (topic.topic_name.to_string(), one.partition_index);
                    (key, ApiError::check(one.error_code, None))
                }));
            }
            results.sort_by(|one, other| one.0.cmp(&other.0));
            Ok(results)
        })
        .await
    }
}
