//! OffsetForLeaderEpoch (23), versions 2 to 4: where a leader epoch ends (KIP-101, KIP-279, KIP-320).

use rkafka_core::ids::{PartitionId, TopicId};
use rkafka_core::image::Image;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use rkafka_wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use rkafka_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use rkafka_wire::versions::Versions;

use super::Call;
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(2, 4);

pub(super) fn handle(call: Call, request: OffsetForLeaderEpochRequest) -> Stage {
    let image = call.broker.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default()
                .with_partition(asked.partition)
                .with_leader_epoch(-1)
                .with_end_offset(-1);
            match end(&call.broker, &image, &topic.topic, asked) {
                Ok(end) => answer.with_leader_epoch(end.epoch).with_end_offset(end.end_offset),
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    call.answer(&OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

fn end(
    broker: &Broker,
    image: &Image,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<rkafka_log::epoch::EpochEndOffset, ErrorCode> {
    let topic = Broker::topic(image, topic, TopicId::ZERO).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    topic.partition(asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let id = PartitionId { topic: topic.id, index: asked.partition };
    let partition = broker.partitions.get(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
    partition.leader_epoch(asked.current_leader_epoch).map_err(|error| error.error_code())?;
    Ok(partition.view().end_offset_for_epoch(asked.leader_epoch))
}
