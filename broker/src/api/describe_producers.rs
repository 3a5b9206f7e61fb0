//! DescribeProducers (61), version 0: idempotent producers a partition remembers (KIP-664).

use rkafka_core::controller::validate_topic_name;
use rkafka_core::ids::PartitionId;
use rkafka_core::image::Image;
use rkafka_log::producer::ProducerEntry;
use rkafka_wire::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use rkafka_wire::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};

use super::{Call, text};
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::partition::PartitionError;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: DescribeProducersRequest) -> Stage {
    let image = call.broker.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let answer = PartitionResponse::default().with_partition_index(*index);
            match producers(&call.broker, &image, &topic.name, *index) {
                Ok(producers) => answer.with_active_producers(producers),
                Err((error, message)) => answer.with_error_code(error.code()).with_error_message(message),
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    call.answer(&DescribeProducersResponse::default().with_topics(topics.collect()))
}

/// The code and what Kafka says with it.
type Refusal = (ErrorCode, Option<StrBytes>);

fn told(code: ErrorCode) -> Refusal {
    (code, Some(StrBytes::from_static_str(code.message())))
}

fn producers(
    broker: &Broker,
    image: &Image,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerState>, Refusal> {
    let Some(found) = image.topics().by_name(topic) else {
        validate_topic_name(topic).map_err(|error| (error.error_code(), Some(text(&error.message))))?;
        return Err(told(ErrorCode::UnknownTopicOrPartition));
    };
    // Kafka has no words for a partition that is not there.
    found.partition(index).ok_or((ErrorCode::UnknownTopicOrPartition, None))?;
    let id = PartitionId { topic: found.id, index };
    let partition = broker.partitions.get(id).ok_or_else(|| told(ErrorCode::NotLeaderOrFollower))?;
    let code = |error: PartitionError| told(error.error_code());
    partition.leader_epoch(-1).map_err(code)?;
    let list = partition.with_log(|log| Ok::<_, PartitionError>(log.producers().iter().map(state).collect()));
    list.map_err(code)
}

fn state(producer: &ProducerEntry) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(i32::from(producer.producer_epoch))
        .with_last_sequence(producer.last_sequence())
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction_first_offset.unwrap_or(-1))
}
