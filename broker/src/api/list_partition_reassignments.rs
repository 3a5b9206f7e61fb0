//! ListPartitionReassignments (46), version 0: partitions whose replicas are being moved (KIP-455).

use rkafka_core::image::{Partition, Topic};
use rkafka_wire::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use rkafka_wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, brokers, topic_name};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: ListPartitionReassignmentsRequest) -> Stage {
    let image = call.broker.image();
    let topics: Vec<_> = match request.topics {
        None => image.topics().iter().filter_map(|topic| ongoing(topic, None)).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|wanted| {
                ongoing(image.topics().by_name(&wanted.name)?, Some(&wanted.partition_indexes))
            })
            .collect(),
    };
    let answer = ListPartitionReassignmentsResponse::default();
    call.answer(&answer.with_error_message(None).with_topics(topics))
}

fn ongoing(topic: &Topic, wanted: Option<&[i32]>) -> Option<OngoingTopicReassignment> {
    let is_wanted = |index: i32| wanted.is_none_or(|wanted| wanted.contains(&index));
    let moving = |(partition, index): (&Partition, i32)| {
        (partition.is_reassigning() && is_wanted(index)).then(|| {
            OngoingPartitionReassignment::default()
                .with_partition_index(index)
                .with_replicas(brokers(&partition.replicas))
                .with_adding_replicas(brokers(partition.adding_replicas()))
                .with_removing_replicas(brokers(partition.removing_replicas()))
        })
    };
    let partitions: Vec<_> = topic.partitions.iter().zip(0..).filter_map(moving).collect();
    (!partitions.is_empty()).then(|| {
        OngoingTopicReassignment::default().with_name(topic_name(&topic.name)).with_partitions(partitions)
    })
}
