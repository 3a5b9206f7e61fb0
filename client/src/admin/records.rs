//! DeleteRecords: moves the start of partitions forward.

use std::collections::BTreeMap;

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::DeleteRecordsRequest;
use rkafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};

use super::leaders::{TopicPartition, refusal};
use super::{Admin, Each};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;

impl Admin {
    /// Deletes the records before these offsets (-1: all that are committed) and says where each log starts now.
    ///
    /// # Errors
    /// A leader that does not answer in time; why a partition's records were not deleted is its own error.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, i64>,
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        let attempt = |_| async move {
            let found = self.by_leader(before.keys()).await?;
            let unknown = |partition| (partition, Err(refusal(ErrorCode::UnknownTopicOrPartition)));
            let mut results: Vec<_> = found.unknown.into_iter().map(unknown).collect();
            for (leader, partitions) in found.leaders {
                let connection = self.cluster.connection(Route::Node(leader)).await?;
                let wanted = before.iter().filter(|(key, _)| partitions.contains(key));
                let wanted: BTreeMap<&TopicPartition, i64> =
                    wanted.map(|(key, offset)| (key, *offset)).collect();
                results.extend(delete_at(&connection, &wanted, self.timeout_ms()).await?);
            }
            results.sort_by(|one, other| one.0.cmp(&other.0));
            Ok(results)
        };
        self.cluster.retry("deleteRecords", Route::Any, attempt).await
    }
}

async fn delete_at(
    connection: &Connection,
    wanted: &BTreeMap<&TopicPartition, i64>,
    timeout_ms: i32,
) -> Result<Each<TopicPartition, i64>, ClientError> {
    let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
    for ((topic, index), offset) in wanted {
        let partition = DeleteRecordsPartition::default().with_partition_index(*index).with_offset(*offset);
        topics.entry(topic).or_default().push(partition);
    }
    let topic = |(name, partitions)| {
        DeleteRecordsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    };
    let request = DeleteRecordsRequest::default()
        .with_timeout_ms(timeout_ms)
        .with_topics(topics.into_iter().map(topic).collect());
    let version = connection.version::<DeleteRecordsRequest>()?;
    let answer = connection.call(version, &request).await?;
    let mut results = Vec::new();
    for topic in &answer.topics {
        for one in &topic.partitions {
            let key = (topic.name.to_string(), one.partition_index);
            match ApiError::check(one.error_code, None) {
                Err(error) if error.code == ErrorCode::NotLeaderOrFollower => return Err(error.into()),
                checked => results.push((key, checked.map(|()| one.low_watermark))),
            }
        }
    }
    Ok(results)
}
