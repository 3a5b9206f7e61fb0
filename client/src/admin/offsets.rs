//! Offsets of partitions by time.

use std::collections::BTreeMap;

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::{ApiKey, BrokerId, ListOffsetsRequest};

use super::leaders::{TopicPartition, refusal};
use super::{Admin, Each};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first.
    Earliest,
    /// The one the next record gets.
    Latest,
    /// That of the first record at or after this time, in milliseconds since 1970.
    ForTimestamp(i64),
    /// That of the record with the greatest timestamp (since 3.0).
    MaxTimestamp,
    /// The first on local disk rather than in tiered storage (since 3.4).
    EarliestLocal,
    /// The last in tiered storage (since 3.9).
    LatestTiered,
    /// The first that is not in tiered storage yet (since 4.2).
    EarliestPendingUpload,
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::EarliestPendingUpload => -6,
            OffsetSpec::ForTimestamp(timestamp_ms) => timestamp_ms,
        }
    }
}

/// An offset that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; absent if no record is that young.
    pub offset: Option<i64>,
    /// The record's timestamp, where it was looked for by time.
    pub timestamp_ms: Option<i64>,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: Option<i32>,
}

impl Admin {
    /// Finds offsets; with `committed_only`, transactions that are still open do not count.
    ///
    /// # Errors
    /// A leader that does not answer in time.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        committed_only: bool,
    ) -> Result<Each<TopicPartition, ListedOffset>, ClientError> {
        let attempt = |_| async move {
            let found = self.by_leader(wanted.keys()).await?;
            let unknown = |partition| (partition, Err(refusal(ErrorCode::UnknownTopicOrPartition)));
            let mut results: Vec<_> = found.unknown.into_iter().map(unknown).collect();
            for (leader, partitions) in found.leaders {
                let connection = self.cluster.connection(Route::Node(leader)).await?;
                let group: BTreeMap<&TopicPartition, OffsetSpec> = wanted
                    .iter()
                    .filter(|(key, _)| partitions.contains(key))
                    .map(|(key, spec)| (key, *spec))
                    .collect();
                results.extend(ask(&connection, &group, committed_only, self.timeout_ms()).await?);
            }
            results.sort_by(|one, other| one.0.cmp(&other.0));
            Ok(results)
        };
        self.cluster.retry("listOffsets", Route::Any, attempt).await
    }
}

async fn ask(
    connection: &Connection,
    wanted: &BTreeMap<&TopicPartition, OffsetSpec>,
    committed_only: bool,
    timeout_ms: i32,
) -> Result<Each<TopicPartition, ListedOffset>, ClientError> {
    let version = connection.version::<ListOffsetsRequest>()?;
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for ((topic, index), spec) in wanted {
        let partition =
            ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(spec.timestamp());
        topics.entry(topic).or_default().push(partition);
    }
    let topic = |(name, partitions)| {
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    };
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(if version >= 2 { i8::from(committed_only) } else { 0 })
        .with_topics(topics.into_iter().map(topic).collect())
        // Only versions since 10 carry it; the others ignore it.
        .with_timeout_ms(timeout_ms);
    let answer = connection.call(version, &request).await?;
    let mut results = Vec::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            let key = (topic.name.to_string(), partition.partition_index);
            let checked = ApiError::check(partition.error_code, None);
            if let Err(error) = checked.as_ref().map_err(Clone::clone)
                && error.code.is_retriable()
                && error.code != ErrorCode::UnknownTopicOrPartition
            {
                return Err(error.into());
            }
            let listed = checked.map(|()| ListedOffset {
                offset: Some(partition.offset).filter(|offset| *offset >= 0),
                timestamp_ms: Some(partition.timestamp).filter(|timestamp| *timestamp >= 0),
                leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
            });
            results.push((key, listed));
        }
    }
    if results.len() < wanted.len() {
        let about = format!("{} of {} partitions", wanted.len() - results.len(), wanted.len());
        return Err(ClientError::Incomplete { api: ApiKey::ListOffsets, about });
    }
    Ok(results)
}
