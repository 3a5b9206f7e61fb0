//! OffsetDelete (47), version 0: a group forgets offsets (KIP-496).

use rkafka_core::group::request::OffsetDeleteRequest as Delete;
use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_core::image::Image;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::offset_delete_request::OffsetDeleteRequestTopic;
use rkafka_wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use rkafka_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, topic_name};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: OffsetDeleteRequest) -> Stage {
    let image = call.broker.image();
    let mut unknown = Vec::new();
    let topics = request.topics.into_iter().filter_map(|topic| known(&image, topic, &mut unknown)).collect();
    let delete = Delete { group_id: request.group_id.0.to_string(), topics };
    let group_id = delete.group_id.clone();
    let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::OffsetDelete(delete));
    call.later(async move {
        let result = match reply.await {
            GroupReply::OffsetDelete(result) => result,
            _ => Err(GroupError::UnknownServerError),
        };
        let topics = match result {
            Ok(topics) => topics,
            Err(error) => return OffsetDeleteResponse::default().with_error_code(group_code(Some(error))),
        };
        let mut answers = unknown;
        for topic in topics {
            let partitions = topic.partitions.iter().map(|(index, error)| answer(*index, group_code(*error)));
            match answers.iter_mut().find(|answer| **answer.name == *topic.topic) {
                Some(answer) => answer.partitions.extend(partitions),
                None => answers.push(
                    OffsetDeleteResponseTopic::default()
                        .with_name(topic_name(&topic.topic))
                        .with_partitions(partitions.collect()),
                ),
            }
        }
        OffsetDeleteResponse::default().with_topics(answers)
    })
}

/// Leaves out the partitions that are not there and puts them into `unknown`.
fn known(
    image: &Image,
    topic: OffsetDeleteRequestTopic,
    unknown: &mut Vec<OffsetDeleteResponseTopic>,
) -> Option<(String, Vec<i32>)> {
    let found = image.topics().by_name(&topic.name);
    let there = |index: i32| found.is_some_and(|topic| topic.partition(index).is_some());
    let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
    let (known, missing): (Vec<i32>, Vec<i32>) = indexes.partition(|index| there(*index));
    let name = topic.name.to_string();
    if !missing.is_empty() {
        let code = ErrorCode::UnknownTopicOrPartition.code();
        let partitions = missing.into_iter().map(|index| answer(index, code)).collect();
        unknown.push(
            OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions),
        );
    }
    (!known.is_empty()).then_some((name, known))
}

fn answer(index: i32, code: i16) -> OffsetDeleteResponsePartition {
    OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
}
