//! AlterPartitionReassignments (45), versions 0 and 1: replicas move to other brokers (KIP-455).
//!
//! - v1 may forbid that the number of replicas changes (KIP-860); before, it may change.

use rkafka_core::controller::{AlterReassignments, NewReassignment, ReassignmentResult};
use rkafka_core::ids::BrokerId;
use rkafka_wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use rkafka_wire::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled, text, topic_name};
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 1);

pub(super) fn handle(call: Call, request: AlterPartitionReassignmentsRequest) -> Stage {
    let timeout_ms = request.timeout_ms;
    let allow_replication_factor_change = call.version() < 1 || request.allow_replication_factor_change;
    let mut partitions = Vec::new();
    for topic in &request.topics {
        partitions.extend(topic.partitions.iter().map(|partition| NewReassignment {
            topic: topic.name.to_string(),
            partition: partition.partition_index,
            replicas: partition.replicas.as_ref().map(|ids| ids.iter().map(|id| BrokerId(id.0)).collect()),
        }));
    }
    let broker = call.broker.clone();
    call.later(async move {
        let wanted = AlterReassignments { partitions, allow_replication_factor_change };
        let answer = AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(allow_replication_factor_change);
        match controlled(&broker, wanted, timeout_ms).await {
            Ok(results) => answer.with_error_message(None).with_responses(by_topic(&results)),
            Err(error) => answer
                .with_error_code(error.error_code().code())
                .with_error_message(Some(text(&error.message))),
        }
    })
}

fn by_topic(results: &[ReassignmentResult]) -> Vec<ReassignableTopicResponse> {
    let mut topics: Vec<ReassignableTopicResponse> = Vec::new();
    for result in results {
        let (code, message) = code_and_message(&result.result);
        let partition = ReassignablePartitionResponse::default()
            .with_partition_index(result.partition)
            .with_error_code(code)
            .with_error_message(message);
        match topics.iter_mut().find(|topic| **topic.name == *result.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(
                ReassignableTopicResponse::default()
                    .with_name(topic_name(&result.topic))
                    .with_partitions(vec![partition]),
            ),
        }
    }
    topics
}
