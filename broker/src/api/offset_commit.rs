//! OffsetCommit (8), versions 2 to 10: a group stores how far it has read.
//!
//! - v2 to v4 a retention time · v6 leader epochs (KIP-320) · v7 static members · v9 error 69 for unknown
//!   groups · v10 topics by id (KIP-848), in the answer too.
//! - A topic or partition that is not there gets error 3 and is not stored; an id that is nobody's gets 100.

use rkafka_core::group::request::{
    OffsetCommitPartition, OffsetCommitRequest as Commit, OffsetCommitTopic, TopicErrors,
};
use rkafka_core::group::{GroupReply, GroupRequest};
use rkafka_core::image::Image;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::offset_commit_request::OffsetCommitRequestTopic;
use rkafka_wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use rkafka_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};
use rkafka_wire::versions::Versions;
use uuid::Uuid;

use super::{Call, group_code, topic_id, topic_name, uuid};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(2, 10);

/// From here on topics are named by their ids.
const TOPIC_IDS: i16 = 10;

pub(super) fn handle(call: Call, request: OffsetCommitRequest) -> Stage {
    let version = call.version();
    let image = call.broker.image();
    let mut unknown = Vec::new();
    let topics: Vec<_> =
        request.topics.into_iter().filter_map(|topic| known(&image, version, topic, &mut unknown)).collect();
    let empty = topics.is_empty();
    let commit = Commit {
        group_id: request.group_id.0.to_string(),
        generation_id: request.generation_id_or_member_epoch,
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        retention_time_ms: (version <= 4).then_some(request.retention_time_ms),
        reports_group_id_not_found: version >= 9,
        topics,
    };
    if empty {
        return call.answer(&body(unknown));
    }
    let group_id = commit.group_id.clone();
    let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::OffsetCommit(commit));
    call.later(async move {
        let mut topics = unknown;
        match reply.await {
            GroupReply::OffsetCommit(stored) => {
                stored.iter().for_each(|topic| merge(&image, &mut topics, topic));
            }
            _ => topics.clear(),
        }
        body(topics)
    })
}

/// Leaves out the partitions that are not there and puts them into `unknown`.
fn known(
    image: &Image,
    version: i16,
    topic: OffsetCommitRequestTopic,
    unknown: &mut Vec<OffsetCommitResponseTopic>,
) -> Option<OffsetCommitTopic> {
    let by_id = version >= TOPIC_IDS;
    let found = match by_id {
        true => image.topics().by_id(topic_id(topic.topic_id)),
        false => image.topics().by_name(&topic.name),
    };
    let there = |index: i32| found.is_some_and(|topic| topic.partition(index).is_some());
    let (known, missing): (Vec<_>, Vec<_>) =
        topic.partitions.into_iter().partition(|partition| there(partition.partition_index));
    if !missing.is_empty() {
        let code = match by_id && found.is_none() {
            true => ErrorCode::UnknownTopicId.code(),
            false => ErrorCode::UnknownTopicOrPartition.code(),
        };
        let partitions = missing.iter().map(|partition| answer(partition.partition_index, code)).collect();
        let name = found.map_or(topic.name.clone(), |found| topic_name(&found.name));
        let missing = OffsetCommitResponseTopic::default().with_name(name).with_topic_id(topic.topic_id);
        unknown.push(missing.with_partitions(partitions));
    }
    let partitions: Vec<_> = known
        .into_iter()
        .map(|partition| OffsetCommitPartition {
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.map_or_else(String::new, |text| text.to_string()),
        })
        .collect();
    let found = found?;
    (!partitions.is_empty()).then(|| OffsetCommitTopic {
        topic: found.name.to_string(),
        topic_id: found.id,
        partitions,
    })
}

fn answer(index: i32, code: i16) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
}

fn merge(image: &Image, topics: &mut Vec<OffsetCommitResponseTopic>, stored: &TopicErrors) {
    let partitions = stored.partitions.iter().map(|(index, error)| answer(*index, group_code(*error)));
    match topics.iter_mut().find(|topic| **topic.name == *stored.topic) {
        Some(topic) => topic.partitions.extend(partitions),
        None => topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic_name(&stored.topic))
                .with_topic_id(image.topics().by_name(&stored.topic).map_or(Uuid::nil(), |topic| uuid(topic.id)))
                .with_partitions(partitions.collect()),
        ),
    }
}

fn body(topics: Vec<OffsetCommitResponseTopic>) -> OffsetCommitResponse {
    OffsetCommitResponse::default().with_topics(topics)
}
