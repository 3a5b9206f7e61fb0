//! OffsetCommit, OffsetFetch and OffsetDelete, and the end of offsets by age or with their topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::classic::ExpirationBase;
use super::error::GroupError;
use super::offsets::StoredOffset;
use super::records::{CoordinatorRecord, OffsetCommitValue, OffsetKey};
use super::request::{
    FetchedOffset, FetchedTopic, GroupReply, OffsetCommitPartition, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, ReplyToken, TopicErrors,
};
use super::{Completion, GroupShard, Output, Step, require_group_id};
use crate::time::Now;

/// What a retention or leader epoch of the wire means by -1.
const UNSET: i64 = -1;

impl GroupShard {
    pub(super) fn commit_offsets(
        &mut self,
        now: Now,
        token: ReplyToken,
        request: &OffsetCommitRequest,
        output: &mut Output,
    ) -> Result<(), GroupError> {
        let group = self.groups.get(request.group_id.as_str());
        match group {
            // A consumer that assigns partitions itself: the group comes to be with its first offset.
            None if request.generation_id < 0 => {}
            None if request.reports_group_id_not_found => return Err(GroupError::GroupIdNotFound),
            None => return Err(GroupError::IllegalGeneration),
            Some(group) => {
                let instance_id = request.group_instance_id.as_deref();
                group.validate_offset_commit(&request.member_id, instance_id, request.generation_id)?;
                let mut step = Step { now, config: &self.config, timers: &mut self.timers, output };
                group.on_commit(&mut step, &request.member_id);
            }
        }
        let group_id = group.map_or_else(|| Arc::from(request.group_id.as_str()), |group| group.id.clone());
        let retention = request.retention_time_ms.filter(|retention| *retention != UNSET);
        let expires = retention.map_or(UNSET, |retention_ms| now.wall_ms.saturating_add(retention_ms));
        let mut reply = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.topic.as_str());
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let error = self.is_too_long(partition).then_some(GroupError::OffsetMetadataTooLarge);
                partitions.push((partition.partition, error));
                if error.is_some() {
                    continue;
                }
                let key = OffsetKey {
                    group_id: group_id.clone(),
                    topic: name.clone(),
                    partition: partition.partition,
                };
                let value = Some(OffsetCommitValue {
                    offset: partition.offset,
                    leader_epoch: partition.leader_epoch,
                    metadata: partition.metadata.as_str().into(),
                    commit_timestamp_ms: now.wall_ms,
                    expire_timestamp_ms: expires,
                    topic_id: topic.topic_id,
                });
                output.records.push(CoordinatorRecord::OffsetCommit { key, value });
            }
            reply.push(TopicErrors { topic: topic.topic.clone(), partitions });
        }
        output.completions.push(Completion::Reply { token, reply: GroupReply::OffsetCommit(reply) });
        Ok(())
    }

    /// Java counts UTF-16 units.
    fn is_too_long(&self, partition: &OffsetCommitPartition) -> bool {
        let limit = self.config.offset_metadata_max_bytes;
        partition.metadata.len() > limit && partition.metadata.encode_utf16().count() > limit
    }

    /// Committed offsets are answered at once; stable ones when all that is appended for the group is committed.
    pub(super) fn fetch_offsets(&self, token: ReplyToken, request: &OffsetFetchRequest, output: &mut Output) {
        let group_id = request.group_id.as_str();
        let topics = match &request.topics {
            Some(topics) => topics
                .iter()
                .map(|(topic, partitions)| self.fetched_topic(request, topic, partitions))
                .collect(),
            None => self.all_fetched_topics(request),
        };
        let reply = GroupReply::OffsetFetch(Ok(topics));
        if request.require_stable {
            output.completions.push(Completion::Reply { token, reply });
            output.wait_for_offset = self.groups.get(group_id).map_or(0, |group| group.written_end_offset);
        } else {
            output.replies.push((token, reply));
        }
    }

    fn fetched_topic(&self, request: &OffsetFetchRequest, topic: &str, partitions: &[i32]) -> FetchedTopic {
        let fetched = |partition: &i32| self.fetched_offset(request, topic, *partition);
        FetchedTopic { topic: topic.to_owned(), partitions: partitions.iter().map(fetched).collect() }
    }

    fn all_fetched_topics(&self, request: &OffsetFetchRequest) -> Vec<FetchedTopic> {
        let mut topics: Vec<FetchedTopic> = Vec::new();
        for (topic, partition) in self.offsets.partitions_of(&request.group_id) {
            if self.offsets.shown(&request.group_id, topic, partition, request.require_stable).is_none() {
                continue;
            }
            let fetched = self.fetched_offset(request, topic, partition);
            match topics.last_mut() {
                Some(last) if *last.topic == **topic => last.partitions.push(fetched),
                _ => topics.push(FetchedTopic { topic: topic.to_string(), partitions: vec![fetched] }),
            }
        }
        topics
    }

    fn fetched_offset(&self, request: &OffsetFetchRequest, topic: &str, partition: i32) -> FetchedOffset {
        let (group_id, stable) = (request.group_id.as_str(), request.require_stable);
        let none =
            FetchedOffset { partition, offset: -1, leader_epoch: -1, metadata: String::new(), error: None };
        if stable && self.offsets.is_in_transaction(group_id, topic, partition) {
            return FetchedOffset { error: Some(GroupError::UnstableOffsetCommit), ..none };
        }
        match self.offsets.shown(group_id, topic, partition, stable) {
            Some(StoredOffset { value, .. }) => FetchedOffset {
                offset: value.offset,
                leader_epoch: value.leader_epoch,
                metadata: value.metadata.to_string(),
                ..none
            },
            None => none,
        }
    }

    pub(super) fn delete_offsets(
        &self,
        token: ReplyToken,
        request: &OffsetDeleteRequest,
        output: &mut Output,
    ) -> Result<(), GroupError> {
        require_group_id(&request.group_id)?;
        let group = self.groups.get(request.group_id.as_str()).ok_or(GroupError::GroupIdNotFound)?;
        group.validate_offset_delete()?;
        let mut reply = Vec::with_capacity(request.topics.len());
        for (topic, partitions) in &request.topics {
            let error = group.is_subscribed_to(topic).then_some(GroupError::GroupSubscribedToTopic);
            if error.is_none() {
                let known =
                    partitions.iter().filter(|partition| self.has_offset(&group.id, topic, **partition));
                output.records.extend(known.map(|partition| {
                    tombstone(OffsetKey {
                        group_id: group.id.clone(),
                        topic: Arc::from(topic.as_str()),
                        partition: *partition,
                    })
                }));
            }
            let partitions = partitions.iter().map(|partition| (*partition, error)).collect();
            reply.push(TopicErrors { topic: topic.clone(), partitions });
        }
        output.wait_for_offset = group.written_end_offset;
        output.completions.push(Completion::Reply { token, reply: GroupReply::OffsetDelete(Ok(reply)) });
        Ok(())
    }

    fn has_offset(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        self.offsets.latest(group_id, topic, partition).is_some()
            || self.offsets.is_in_transaction(group_id, topic, partition)
    }

    /// Tombstones for all offsets of a group, those of open transactions too.
    pub(super) fn delete_all_offsets(&self, group_id: &str, output: &mut Output) {
        let mut keys: BTreeSet<OffsetKey> = self.offsets.latest_of(group_id).map(|(key, _)| key).collect();
        keys.extend(self.offsets.transactional_of(group_id));
        output.records.extend(keys.into_iter().map(tombstone));
    }

    /// Tombstones for offsets past their retention, and for groups that have neither members nor offsets (KIP-211).
    pub(super) fn expire(&self, now: Now, output: &mut Output) {
        for group in self.groups.values() {
            let Some(base) = group.expiration_base() else { continue };
            let mut is_anything_left = self.offsets.has_open_transactions(&group.id);
            for (key, stored) in self.offsets.latest_of(&group.id) {
                let is_expired = !group.is_subscribed_to(&key.topic)
                    && !self.offsets.is_in_transaction(&group.id, &key.topic, key.partition)
                    && self.is_expired(now, base, &stored.value);
                if is_expired {
                    output.records.push(tombstone(key));
                } else {
                    is_anything_left = true;
                }
            }
            if !is_anything_left && group.is_abandoned() {
                let group_id = group.id.clone();
                output.records.push(CoordinatorRecord::GroupMetadata { group_id, value: None });
            }
        }
    }

    fn is_expired(&self, now: Now, base: ExpirationBase, value: &OffsetCommitValue) -> bool {
        if value.expire_timestamp_ms != UNSET {
            return now.wall_ms >= value.expire_timestamp_ms;
        }
        let since = match base {
            ExpirationBase::Commit => value.commit_timestamp_ms,
            ExpirationBase::Since(timestamp_ms) => timestamp_ms,
        };
        now.wall_ms.saturating_sub(since) >= self.config.offsets_retention_ms
    }

    /// Tombstones for the offsets of partitions that were deleted.
    pub(super) fn delete_partitions(&self, partitions: &[(String, i32)], output: &mut Output) {
        let deleted: BTreeSet<(&str, i32)> =
            partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        let group_ids: BTreeSet<&Arc<str>> = self.offsets.group_ids().collect();
        for group_id in group_ids {
            let mut keys: BTreeSet<OffsetKey> =
                self.offsets.latest_of(group_id).map(|(key, _)| key).collect();
            keys.extend(self.offsets.transactional_of(group_id));
            let gone = keys.into_iter().filter(|key| deleted.contains(&(&*key.topic, key.partition)));
            output.records.extend(gone.map(tombstone));
        }
    }
}

fn tombstone(key: OffsetKey) -> CoordinatorRecord {
    CoordinatorRecord::OffsetCommit { key, value: None }
}
