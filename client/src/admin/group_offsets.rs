//! Committed offsets of groups: read, set and delete them.

use std::collections::BTreeMap;

use rkafka_wire::StrBytes;
use rkafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use rkafka_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use rkafka_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use rkafka_wire::messages::{ApiKey, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest};

use super::coordinator::Coordinated;
use super::groups::{group_id, incomplete};
use super::{Admin, Each};
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;

/// Later versions name topics by their ids alone.
const LAST_WITH_NAMES: i16 = 9;
/// The first version of OffsetFetch that takes several groups (KIP-709).
const FIRST_WITH_SEVERAL_GROUPS: i16 = 8;

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the leader that the last record read came from.
    pub leader_epoch: Option<i32>,
    /// The client's text.
    pub metadata: String,
}

/// A partition by topic and number.
type TopicPartition = (String, i32);

impl Admin {
    /// All offsets that a group committed. None if there is no such group.
    ///
    /// # Errors
    /// The coordinator cannot be reached, or refuses.
    pub async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let attempt = |connection: Connection, _| async move {
            let version = connection.version::<OffsetFetchRequest>()?.min(LAST_WITH_NAMES);
            let one = OffsetFetchRequestGroup::default()
                .with_group_id(group_id(group))
                .with_member_epoch(-1)
                .with_topics(None);
            let request = if version >= FIRST_WITH_SEVERAL_GROUPS {
                OffsetFetchRequest::default().with_groups(vec![one])
            } else {
                OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(None)
            };
            let answer = connection.call(version, &request).await?;
            let mut offsets = BTreeMap::new();
            let mut add = |topic: &str, index: i32, offset: i64, epoch: i32, metadata: Option<&StrBytes>| {
                let metadata = metadata.map(ToString::to_string).unwrap_or_default();
                let leader_epoch = Some(epoch).filter(|epoch| *epoch >= 0);
                if offset >= 0 {
                    let committed = CommittedOffset { offset, leader_epoch, metadata };
                    offsets.insert((topic.to_owned(), index), committed);
                }
            };
            if version < FIRST_WITH_SEVERAL_GROUPS {
                ApiError::check(answer.error_code, None)?;
                for topic in &answer.topics {
                    for one in &topic.partitions {
                        ApiError::check(one.error_code, None)?;
                        let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
                        add(&topic.name, one.partition_index, offset, epoch, one.metadata.as_ref());
                    }
                }
                return Ok(offsets);
            }
            let found = answer.groups.first().ok_or_else(|| incomplete(ApiKey::OffsetFetch, group))?;
            ApiError::check(found.error_code, None)?;
            for topic in &found.topics {
                for one in &topic.partitions {
                    ApiError::check(one.error_code, None)?;
                    let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
                    add(&topic.name, one.partition_index, offset, epoch, one.metadata.as_ref());
                }
            }
            Ok(offsets)
        };
        self.at_coordinator("groupOffsets", Coordinated::Group(group), attempt).await
    }

    /// Sets offsets of a group that has no members.
    ///
    /// # Errors
    /// The coordinator cannot be reached; why an offset was not set is its own error.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, index), offset) in offsets {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(*index)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(StrBytes::default()));
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions)| {
            OffsetCommitRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id_or_member_epoch(-1)
            .with_retention_time_ms(-1)
            .with_topics(topics.into_iter().map(topic).collect());
        let attempt = |connection: Connection, _| {
            let request = &request;
            async move {
                let version = connection.version::<OffsetCommitRequest>()?.min(LAST_WITH_NAMES);
                let answer = connection.call(version, request).await?;
                let mut results = Vec::new();
                for topic in &answer.topics {
                    for partition in &topic.partitions {
                        let key = (topic.name.to_string(), partition.partition_index);
                        results.push((key, retriable_ends(ApiError::check(partition.error_code, None))?));
                    }
                }
                Ok(results)
            }
        };
        self.at_coordinator("alterGroupOffsets", Coordinated::Group(group), attempt).await
    }

    /// Deletes offsets of a group (since 2.4, KIP-496).
    ///
    /// # Errors
    /// The coordinator cannot be reached, or the group does not exist; why an offset was not deleted is its own
    /// error.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, index) in partitions {
            let partition = OffsetDeleteRequestPartition::default().with_partition_index(*index);
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions)| {
            OffsetDeleteRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let request = OffsetDeleteRequest::default()
            .with_group_id(group_id(group))
            .with_topics(topics.into_iter().map(topic).collect());
        let attempt = |connection: Connection, _| {
            let request = &request;
            async move {
                let version = connection.version::<OffsetDeleteRequest>()?;
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, None)?;
                let mut results = Vec::new();
                for topic in &answer.topics {
                    for partition in &topic.partitions {
                        let key = (topic.name.to_string(), partition.partition_index);
                        results.push((key, ApiError::check(partition.error_code, None)));
                    }
                }
                Ok(results)
            }
        };
        self.at_coordinator("deleteGroupOffsets", Coordinated::Group(group), attempt).await
    }
}

/// An error that may pass ends the try, so that it is made again; another is the partition's own.
fn retriable_ends(result: Result<(), ApiError>) -> Result<Result<(), ApiError>, ClientError> {
    match result {
        Err(error) if error.code.is_retriable() => Err(error.into()),
        other => Ok(other),
    }
}
