//! OffsetFetch (9), versions 1 to 9: how far groups have read.
//!
//! - v2 null topics mean all, and an error of the whole group · v5 leader epochs · v7 `require_stable`
//!   (KIP-447) · v8 several groups (KIP-709) · v9 members of the `consumer` protocol, which are not served.
//! - v10 (topic ids) is not offered; clients then use 9.

use rkafka_core::group::request::{FetchedOffset, FetchedTopic, OffsetFetchRequest as GroupFetch};
use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_wire::StrBytes;
use rkafka_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use rkafka_wire::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, text, topic_name};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 9);

/// From here on one request asks for several groups.
const SEVERAL_GROUPS: i16 = 8;

pub(super) fn handle(call: Call, request: OffsetFetchRequest) -> Stage {
    let version = call.version();
    let asked = requests(version, request);
    let submit = |fetch: GroupFetch| {
        let group_id = fetch.group_id.clone();
        let asked = fetch.topics.clone();
        let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::OffsetFetch(fetch));
        (group_id, asked, reply)
    };
    let replies: Vec<_> = asked.into_iter().map(submit).collect();
    call.later(async move {
        let mut groups = Vec::new();
        for (group_id, asked, reply) in replies {
            let result = match reply.await {
                GroupReply::OffsetFetch(result) => result,
                _ => Err(GroupError::UnknownServerError),
            };
            groups.push((group_id, asked, result));
        }
        if version >= SEVERAL_GROUPS {
            let groups = groups.into_iter().map(|(id, _, result)| group(&id, result)).collect();
            return OffsetFetchResponse::default().with_groups(groups);
        }
        match groups.pop() {
            Some((_, asked, result)) => single(version, asked, result),
            None => OffsetFetchResponse::default(),
        }
    })
}

type Asked = Option<Vec<(String, Vec<i32>)>>;

fn requests(version: i16, request: OffsetFetchRequest) -> Vec<GroupFetch> {
    let require_stable = request.require_stable;
    if version < SEVERAL_GROUPS {
        let topics = request.topics.map(|topics| {
            topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect()
        });
        return vec![GroupFetch { group_id: request.group_id.0.to_string(), topics, require_stable }];
    }
    let groups = request.groups.into_iter().map(|group| GroupFetch {
        group_id: group.group_id.0.to_string(),
        topics: group.topics.map(|topics| {
            topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect()
        }),
        require_stable,
    });
    groups.collect()
}

fn group(group_id: &str, result: Result<Vec<FetchedTopic>, GroupError>) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(GroupId(text(group_id)));
    let topics = match result {
        Ok(topics) => topics,
        Err(error) => return answer.with_error_code(group_code(Some(error))),
    };
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|fetched| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(fetched.partition)
                .with_committed_offset(fetched.offset)
                .with_committed_leader_epoch(fetched.leader_epoch)
                .with_metadata(Some(text(&fetched.metadata)))
                .with_error_code(group_code(fetched.error))
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic_name(&topic.topic))
            .with_partitions(partitions.collect())
    });
    answer.with_topics(topics.collect())
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
