//! OffsetFetch (9), versions 1 to 10: how far groups have read.
//!
//! - v2 null topics mean all, and an error of the whole group · v5 leader epochs · v7 `require_stable`
//!   (KIP-447) · v8 several groups (KIP-709) · v9 members of the `consumer` protocol, which are not served.
//! - v10 topics by id (KIP-848): an id that is nobody's gets 100; of all topics those are left out that are gone.

use rkafka_core::group::request::{FetchedOffset, FetchedTopic, OffsetFetchRequest as GroupFetch};
use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_core::image::Image;
use rkafka_wire::messages::offset_fetch_request::OffsetFetchRequestTopics;
use rkafka_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use rkafka_wire::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};

use super::{Call, group_code, text, topic_id, topic_name, uuid};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 10);

/// From here on one request asks for several groups.
const SEVERAL_GROUPS: i16 = 8;
/// From here on topics are named by their ids.
const TOPIC_IDS: i16 = 10;

pub(super) fn handle(call: Call, request: OffsetFetchRequest) -> Stage {
    let version = call.version();
    let image = call.broker.image();
    let asked = requests(version, &image, request);
    let submit = |(fetch, nobody): (GroupFetch, Vec<OffsetFetchResponseTopics>)| {
        let group_id = fetch.group_id.clone();
        let asked = fetch.topics.clone();
        let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::OffsetFetch(fetch));
        (group_id, asked, nobody, reply)
    };
    let replies: Vec<_> = asked.into_iter().map(submit).collect();
    call.later(async move {
        if version >= SEVERAL_GROUPS {
            let mut groups = Vec::new();
            for (group_id, _, nobody, reply) in replies {
                groups.push(group(version, &image, &group_id, offsets(reply.await), nobody));
            }
            return OffsetFetchResponse::default().with_groups(groups);
        }
        let mut groups = Vec::new();
        for (group_id, asked, _, reply) in replies {
            groups.push((group_id, asked, offsets(reply.await)));
        }
        match groups.pop() {
            Some((_, asked, result)) => single(version, asked, result),
            None => OffsetFetchResponse::default(),
        }
    })
}

type Asked = Option<Vec<(String, Vec<i32>)>>;

fn offsets(reply: GroupReply) -> Result<Vec<FetchedTopic>, GroupError> {
    match reply {
        GroupReply::OffsetFetch(result) => result,
        _ => Err(GroupError::UnknownServerError),
    }
}

/// What each group is asked for, and the answers for ids that are nobody's.
fn requests(
    version: i16,
    image: &Image,
    request: OffsetFetchRequest,
) -> Vec<(GroupFetch, Vec<OffsetFetchResponseTopics>)> {
    let require_stable = request.require_stable;
    if version < SEVERAL_GROUPS {
        let topics = request.topics.map(|topics| {
            topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect()
        });
        let group_id = request.group_id.0.to_string();
        return vec![(GroupFetch { group_id, topics, require_stable }, Vec::new())];
    }
    let groups = request.groups.into_iter().map(|group| {
        let mut nobody = Vec::new();
        let group_id = group.group_id.0.to_string();
        let topics = group.topics.map(|topics| {
            topics.into_iter().filter_map(|topic| named(version, image, topic, &mut nobody)).collect()
        });
        (GroupFetch { group_id, topics, require_stable }, nobody)
    });
    groups.collect()
}

/// A topic by its name, as groups know it; if its id is nobody's, the answer goes into `nobody`.
fn named(
    version: i16,
    image: &Image,
    topic: OffsetFetchRequestTopics,
    nobody: &mut Vec<OffsetFetchResponseTopics>,
) -> Option<(String, Vec<i32>)> {
    if version < TOPIC_IDS {
        return Some((topic.name.to_string(), topic.partition_indexes));
    }
    if let Some(found) = image.topics().by_id(topic_id(topic.topic_id)) {
        return Some((found.name.to_string(), topic.partition_indexes));
    }
    let partitions = topic.partition_indexes.into_iter().map(|index| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(StrBytes::default()))
            .with_error_code(ErrorCode::UnknownTopicId.code())
    });
    let answer = OffsetFetchResponseTopics::default().with_topic_id(topic.topic_id);
    nobody.push(answer.with_partitions(partitions.collect()));
    None
}

fn group(
    version: i16,
    image: &Image,
    group_id: &str,
    result: Result<Vec<FetchedTopic>, GroupError>,
    nobody: Vec<OffsetFetchResponseTopics>,
) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(GroupId(text(group_id)));
    let topics = match result {
        Ok(topics) => topics,
        Err(error) => return answer.with_error_code(group_code(Some(error))),
    };
    let mut answers = nobody;
    for topic in topics {
        let id = image.topics().by_name(&topic.topic).map(|topic| uuid(topic.id));
        if version >= TOPIC_IDS && id.is_none() {
            continue;
        }
        let partitions = topic.partitions.into_iter().map(|fetched| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(fetched.partition)
                .with_committed_offset(fetched.offset)
                .with_committed_leader_epoch(fetched.leader_epoch)
                .with_metadata(Some(text(&fetched.metadata)))
                .with_error_code(group_code(fetched.error))
        });
        answers.push(
            OffsetFetchResponseTopics::default()
                .with_name(topic_name(&topic.topic))
                .with_topic_id(id.unwrap_or_default())
                .with_partitions(partitions.collect()),
        );
    }
    answer.with_topics(answers)
}

fn single(version: i16, asked: Asked, result: Result<Vec<FetchedTopic>, GroupError>) -> OffsetFetchResponse {
    match result {
        Ok(topics) => OffsetFetchResponse::default().with_topics(topics.into_iter().map(topic).collect()),
        Err(error) if version >= 2 => OffsetFetchResponse::default().with_error_code(group_code(Some(error))),
        Err(error) => {
            // Version 1 has no error of the whole: every partition carries it.
            let failed = |index| FetchedOffset {
                partition: index,
                offset: -1,
                leader_epoch: -1,
                metadata: String::new(),
                error: Some(error),
            };
            let topics = asked.unwrap_or_default().into_iter().map(|(name, partitions)| {
                topic(FetchedTopic { topic: name, partitions: partitions.into_iter().map(failed).collect() })
            });
            OffsetFetchResponse::default().with_topics(topics.collect())
        }
    }
}

fn topic(topic: FetchedTopic) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|fetched| {
        let metadata: StrBytes = text(&fetched.metadata);
        OffsetFetchResponsePartition::default()
            .with_partition_index(fetched.partition)
            .with_committed_offset(fetched.offset)
            .with_committed_leader_epoch(fetched.leader_epoch)
            .with_metadata(Some(metadata))
            .with_error_code(group_code(fetched.error))
    });
    OffsetFetchResponseTopic::default()
        .with_name(topic_name(&topic.topic))
        .with_partitions(partitions.collect())
}
