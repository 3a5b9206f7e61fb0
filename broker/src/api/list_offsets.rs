//! ListOffsets (2), versions 1 to 11: the offset of a time, or of one of the special places.
//!
//! - -1 latest (high watermark; last stable offset for read_committed) · -2 earliest · -3 the largest
//!   timestamp (v7, KIP-734) · -4 earliest on local disk (v8) · -5 latest tiered (v9) · -6 earliest not yet
//!   tiered (v11).
//! - Nothing is tiered here: -4 and -6 are the log start, -5 is "none".
//! - v4 leader epochs (KIP-320): the epoch is answered, and an outdated one is refused.
//! - Times are looked up on the blocking pool: that reads batches.

use std::collections::HashSet;
use std::sync::Arc;

use rkafka_core::ids::{PartitionId, TopicId};
use rkafka_core::image::Image;
use rkafka_log::TimestampOffset;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::list_offsets_request::ListOffsetsPartition;
use rkafka_wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use rkafka_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, isolation};
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::partition::{Isolation, PartitionError};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 11);

/// From here on answers carry a leader epoch.
const LEADER_EPOCHS: i16 = 4;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(super) fn handle(call: Call, request: ListOffsetsRequest) -> Stage {
    let image = call.broker.image();
    let by_time =
        |partition: &ListOffsetsPartition| partition.timestamp >= 0 || partition.timestamp == MAX_TIMESTAMP;
    if !request.topics.iter().flat_map(|topic| &topic.partitions).any(by_time) {
        return call.answer(&look_up(&call.broker, &image, call.version(), request));
    }
    let (broker, version) = (call.broker.clone(), call.version());
    call.later(async move {
        let work = move || look_up(&broker, &image, version, request);
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    })
}

fn look_up(
    broker: &Arc<Broker>,
    image: &Image,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let isolation = isolation(request.isolation_level);
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            if !seen.insert((topic.name.clone(), partition.partition_index)) {
                twice.insert((topic.name.clone(), partition.partition_index));
            }
        }
    }
    let mut refused = HashSet::new();
    let topics = request.topics.into_iter().map(|topic| {
        let answered_once = topic.partitions.iter().filter(|asked| {
            let key = (topic.name.clone(), asked.partition_index);
            !twice.contains(&key) || refused.insert(key)
        });
        let partitions = answered_once.map(|asked| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_timestamp(-1)
                .with_offset(-1)
                .with_leader_epoch(-1);
            if twice.contains(&(topic.name.clone(), asked.partition_index)) {
                return answer.with_error_code(ErrorCode::InvalidRequest.code());
            }
            let found = isolation
                .and_then(|isolation| offset(broker, image, version, isolation, &topic.name, asked));
            match found {
                Ok(Found { offset, timestamp, leader_epoch }) => {
                    let leader_epoch = if version >= LEADER_EPOCHS { leader_epoch } else { -1 };
                    answer.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(leader_epoch)
                }
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

struct Found {
    offset: i64,
    timestamp: i64,
    leader_epoch: i32,
}

fn offset(
    broker: &Broker,
    image: &Image,
    version: i16,
    isolation: Isolation,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> Result<Found, ErrorCode> {
    let topic = Broker::topic(image, topic, TopicId::ZERO).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    topic.partition(asked.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let id = PartitionId { topic: topic.id, index: asked.partition_index };
    let partition = broker.partitions.get(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
    let code = |error: PartitionError| error.error_code();
    let leader_epoch = partition.leader_epoch(asked.current_leader_epoch).map_err(code)?;
    let view = partition.view();
    let upper_offset = isolation.upper_offset(&view);
    let at = |offset: i64, epoch: i32| Found { offset, timestamp: -1, leader_epoch: epoch };
    let start_epoch = || view.epochs.epoch_for_offset(view.log_start_offset).unwrap_or(leader_epoch);
    // KIP-207: until this leader has committed something of its own, the end it knows could go back.
    let lagging = || partition.is_high_watermark_lagging();
    let unavailable =
        if version >= 5 { ErrorCode::OffsetNotAvailable } else { ErrorCode::LeaderNotAvailable };
    let found = |found: Option<TimestampOffset>| match found {
        Some(TimestampOffset { offset, timestamp, leader_epoch }) if offset < upper_offset => {
            Ok(Found { offset, timestamp, leader_epoch })
        }
        _ if lagging() => Err(unavailable),
        _ => Ok(at(-1, -1)),
    };
    match asked.timestamp {
        LATEST if lagging() => Err(unavailable),
        LATEST => Ok(at(upper_offset, leader_epoch)),
        EARLIEST => Ok(at(view.log_start_offset, start_epoch())),
        MAX_TIMESTAMP if version >= 7 => {
            found(partition.reader().max_timestamp().map_err(|error| error.error_code())?)
        }
        EARLIEST_LOCAL if version >= 8 => Ok(at(view.log_start_offset, start_epoch())),
        LATEST_TIERED if version >= 9 => Ok(at(-1, -1)),
        EARLIEST_PENDING_UPLOAD if version >= 11 => Ok(at(view.log_start_offset, start_epoch())),
        time if time >= 0 => {
            let result = partition.reader().offset_for_timestamp(time, upper_offset);
            found(result.map_err(|error| error.error_code())?)
        }
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}
