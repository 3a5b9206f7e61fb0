//! DescribeProducers: who writes to partitions (KIP-664).

use std::collections::{BTreeMap, BTreeSet};

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::DescribeProducersRequest;
use rkafka_wire::messages::describe_producers_request::TopicRequest;

use super::leaders::{TopicPartition, refusal};
use super::{Admin, Each};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;

/// What a partition knows of an idempotent or transactional producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The sequence number of its last record; absent if none is kept.
    pub last_sequence: Option<i32>,
    /// When it wrote last, milliseconds since 1970; absent if unknown.
    pub last_timestamp_ms: Option<i64>,
    /// The epoch of the coordinator that last ended a transaction of it.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins, if it has one.
    pub transaction_start_offset: Option<i64>,
}

impl Admin {
    /// The producers that these partitions know, as their leaders see them, or as `broker` does (since 2.8).
    ///
    /// # Errors
    /// A leader that does not answer, or is too old; why a partition tells nothing is its own error.
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
        broker: Option<i32>,
    ) -> Result<Each<TopicPartition, Vec<ProducerState>>, ClientError> {
        let attempt = |_| async move {
            let mut results = Vec::new();
            let by_broker = match broker {
                Some(broker) => BTreeMap::from([(broker, partitions.iter().cloned().collect())]),
                None => {
                    let found = self.by_leader(partitions.iter()).await?;
                    let unknown = |one| (one, Err(refusal(ErrorCode::UnknownTopicOrPartition)));
                    results.extend(found.unknown.into_iter().map(unknown));
                    found.leaders
                }
            };
            for (broker, partitions) in by_broker {
                let connection = self.cluster.connection(Route::Node(broker)).await?;
                results.extend(describe_at(&connection, &partitions).await?);
            }
            results.sort_by(|one, other| one.0.cmp(&other.0));
            Ok(results)
        };
        self.cluster.retry("describeProducers", Route::Any, attempt).await
    }
}

async fn describe_at(
    connection: &Connection,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<Each<TopicPartition, Vec<ProducerState>>, ClientError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, index) in partitions {
        topics.entry(topic).or_default().push(*index);
    }
    let topic =
        |(name, indexes)| TopicRequest::default().with_name(topic_name(name)).with_partition_indexes(indexes);
    let request = DescribeProducersRequest::default().with_topics(topics.into_iter().map(topic).collect());
    let version = connection.version::<DescribeProducersRequest>()?;
    let answer = connection.call(version, &request).await?;
    let mut results = Vec::new();
    for topic in &answer.topics {
        for one in &topic.partitions {
            let key = (topic.name.to_string(), one.partition_index);
            let state =
                |state: &rkafka_wire::messages::describe_producers_response::ProducerState| ProducerState {
                    producer_id: state.producer_id.0,
                    producer_epoch: state.producer_epoch,
                    last_sequence: Some(state.last_sequence).filter(|sequence| *sequence >= 0),
                    last_timestamp_ms: Some(state.last_timestamp).filter(|timestamp| *timestamp >= 0),
                    coordinator_epoch: Some(state.coordinator_epoch).filter(|epoch| *epoch >= 0),
                    transaction_start_offset: Some(state.current_txn_start_offset)
                        .filter(|offset| *offset >= 0),
                };
            match ApiError::check(one.error_code, one.error_message.as_deref()) {
                Err(error) if error.code == ErrorCode::NotLeaderOrFollower => return Err(error.into()),
                checked => {
                    results.push((key, checked.map(|()| one.active_producers.iter().map(state).collect())));
                }
            }
        }
    }
    Ok(results)
}
