//! OffsetDelete (47), version 0: a group forgets offsets (KIP-496).

use rkafka_core::group::request::OffsetDeleteRequest as Delete;
use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use rkafka_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, topic_name};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: OffsetDeleteRequest) -> Stage {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        (topic.name.to_string(), partitions)
    });
    let delete = Delete { group_id: request.group_id.0.to_string(), topics: topics.collect() };
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
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|(index, error)| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(*index)
                    .with_error_code(group_code(*error))
            });
            OffsetDeleteResponseTopic::default()
                .with_name(topic_name(&topic.topic))
                .with_partitions(partitions.collect())
        });
        OffsetDeleteResponse::default().with_topics(topics.collect())
    })
}
