//! DescribeTopicPartitions (75), version 0: partitions of topics, page by page (KIP-966).
//!
//! - Topics in the order of their names; a page has at most `response_partition_limit` partitions (and the
//!   broker's own `max.request.partition.size.limit`),
//!   and a cursor to the first one that is left.
//! - A cursor to a topic that is not asked for, or below partition 0: error 42 for all topics.

use std::collections::BTreeSet;

use rkafka_config::keys;
use rkafka_core::controller::is_internal_topic;
use rkafka_core::ids::BrokerId;
use rkafka_core::image::{Image, Partition, Topic};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use rkafka_wire::messages::{self, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, authorized_operations, brokers, topic_name, uuid};
use crate::broker::Broker;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: DescribeTopicPartitionsRequest) -> Stage {
    let image = call.broker.image();
    let (first_topic, first_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), usize::try_from(cursor.partition_index)),
        None => (String::new(), Ok(0)),
    };
    let Ok(first_partition) = first_partition else { return call.answer(&refused(&request)) };
    let is_asked_for = request.topics.iter().any(|topic| **topic.name == *first_topic);
    if request.cursor.is_some() && !request.topics.is_empty() && !is_asked_for {
        return call.answer(&refused(&request));
    }
    let mut names: Vec<String> = match request.topics.is_empty() {
        true => image.topics().iter().map(|topic| topic.name.to_string()).collect(),
        false => request.topics.iter().map(|topic| topic.name.to_string()).collect(),
    };
    names.retain(|name| *name >= first_topic);
    names.sort_unstable();
    names.dedup();
    let most = call.broker.config.load().get(keys::MAX_REQUEST_PARTITION_SIZE_LIMIT);
    let mut left = usize::try_from(request.response_partition_limit.min(most)).unwrap_or(0).max(1);
    let mut topics = Vec::new();
    let mut next_cursor = None;
    for name in names {
        let Some(topic) = image.topics().by_name(&name) else {
            topics.push(missing(&name));
            continue;
        };
        let from = if name == first_topic { first_partition } else { 0 };
        if left == 0 {
            next_cursor = Some(cursor(&name, from));
            break;
        }
        let here = topic.partitions.len().saturating_sub(from).min(left);
        topics.push(describe(&image, &call.connection.listener, topic, from, here));
        left -= here;
        if from + here < topic.partitions.len() {
            next_cursor = Some(cursor(&name, from + here));
            break;
        }
    }
    let body = DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next_cursor);
    call.answer(&body)
}

/// An answer to the whole request: error 42 for each of its topics.
fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let names: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    let topics = names.into_iter().map(|name| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_name(Some(topic_name(name)))
            .with_topic_authorized_operations(authorized_operations::NOT_ASKED)
    });
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

fn cursor(topic: &str, partition: usize) -> Cursor {
    let partition = i32::try_from(partition).unwrap_or(i32::MAX);
    Cursor::default().with_topic_name(topic_name(topic)).with_partition_index(partition)
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = match rkafka_core::controller::validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(topic_name(name)))
        .with_is_internal(is_internal_topic(name))
        .with_topic_authorized_operations(authorized_operations::TOPIC)
}

fn describe(
    image: &Image,
    listener: &str,
    topic: &Topic,
    from: usize,
    count: usize,
) -> DescribeTopicPartitionsResponseTopic {
    let partitions = topic.partitions.iter().zip(0..).skip(from).take(count);
    let partitions =
        partitions.map(|(partition, index)| describe_partition(image, listener, index, partition));
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(uuid(topic.id))
        .with_is_internal(is_internal_topic(&topic.name))
        .with_partitions(partitions.collect())
        // Kafka answers the operations here whether or not they were asked for.
        .with_topic_authorized_operations(authorized_operations::TOPIC)
}

fn describe_partition(
    image: &Image,
    listener: &str,
    index: i32,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let reachable = |broker: BrokerId| Broker::endpoint(image, broker, listener).is_some();
    let leader = partition.leader.filter(|leader| reachable(*leader));
    let error = match (partition.leader, leader) {
        (_, Some(_)) => ErrorCode::None,
        (None, None) => ErrorCode::LeaderNotAvailable,
        (Some(_), None) => ErrorCode::ListenerNotFound,
    };
    let offline: Vec<BrokerId> =
        partition.replicas.iter().copied().filter(|replica| !reachable(*replica)).collect();
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(error.code())
        .with_partition_index(index)
        .with_leader_id(messages::BrokerId(leader.map_or(-1, |leader| leader.0)))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(brokers(&partition.replicas))
        .with_isr_nodes(brokers(&partition.isr))
        .with_eligible_leader_replicas(Some(brokers(partition.elr())))
        .with_last_known_elr(Some(brokers(partition.last_known_elr())))
        .with_offline_replicas(brokers(&offline))
}
