//! DeleteRecords (21), versions 0 to 2: everything below an offset goes (KIP-107).
//!
//! - -1 means the high watermark; above it is error 1. Topics that are only compacted refuse with 44,
//!   internal ones with 17.
//! - The log start survives a restart; runs on the blocking pool, because it may remove segments.

use std::sync::Arc;

use rkafka_core::controller::is_internal_topic;
use rkafka_core::ids::{PartitionId, TopicId};
use rkafka_core::image::Image;
use rkafka_log::LogError;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use rkafka_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use rkafka_wire::versions::Versions;
use tracing::warn;

use super::{Call, topic_name};
use crate::background::write_checkpoint;
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::partition::{Partition, PartitionError};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

/// "The high watermark", as an offset.
const HIGH_WATERMARK: i64 = -1;

pub(super) fn handle(call: Call, request: DeleteRecordsRequest) -> Stage {
    let broker = call.broker.clone();
    let topics: Vec<(String, Vec<(i32, i64)>)> = request
        .topics
        .into_iter()
        .map(|topic| {
            let partitions = topic.partitions.into_iter();
            let partitions = partitions.map(|partition| (partition.partition_index, partition.offset));
            (topic.name.to_string(), partitions.collect())
        })
        .collect();
    call.later(async move {
        let work = move || delete_all(&broker, &broker.image(), topics);
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    })
}

fn delete_all(
    broker: &Broker,
    image: &Image,
    topics: Vec<(String, Vec<(i32, i64)>)>,
) -> DeleteRecordsResponse {
    let topics = topics.into_iter().map(|(name, partitions)| {
        let results = partitions.into_iter().map(|(index, offset)| {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(index);
            match find(broker, image, &name, index).and_then(|partition| delete(broker, &partition, offset)) {
                Ok(low_watermark) => answer.with_low_watermark(low_watermark),
                Err(error) => answer.with_low_watermark(-1).with_error_code(error.code()),
            }
        });
        let results = results.collect();
        DeleteRecordsTopicResult::default().with_name(topic_name(&name)).with_partitions(results)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn find(broker: &Broker, image: &Image, name: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
    if is_internal_topic(name) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let topic = Broker::topic(image, name, TopicId::ZERO).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let id = PartitionId { topic: topic.id, index };
    broker.partitions.get(id).ok_or(ErrorCode::NotLeaderOrFollower)
}

/// Returns the log start offset afterwards: without followers, the low watermark.
fn delete(broker: &Broker, partition: &Arc<Partition>, offset: i64) -> Result<i64, ErrorCode> {
    partition.leader_epoch(-1).map_err(|error| error.error_code())?;
    let deleted = partition.with_log(|log| {
        let policy = log.config().cleanup_policy;
        if policy.compact && !policy.delete {
            return Ok::<_, PartitionError>(Err(ErrorCode::PolicyViolation));
        }
        let high_watermark = log.view().high_watermark;
        let offset = if offset == HIGH_WATERMARK { high_watermark } else { offset };
        if !(0..=high_watermark).contains(&offset) {
            return Ok(Err(ErrorCode::OffsetOutOfRange));
        }
        log.advance_log_start(offset).map_err(|error: LogError| PartitionError::from(error))?;
        Ok(Ok(log.view().log_start_offset))
    });
    let low_watermark = deleted.map_err(|error| error.error_code())??;
    match write_checkpoint(broker, partition) {
        // Deleting is what makes room: the log start is written once there is some.
        Err(error) if error.is_disk_full() => warn!(%error, "a log start offset is not durable yet"),
        other => other.map_err(|error| error.error_code())?,
    }
    Ok(low_watermark)
}
