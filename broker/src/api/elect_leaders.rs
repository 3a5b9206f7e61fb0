//! ElectLeaders (43), versions 0 to 2: preferred (v0) or unclean (v1) elections (KIP-183, KIP-460).

use rkafka_core::controller::{ElectLeaders, ElectionKind, ElectionResult};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use rkafka_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled, topic_name};
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

pub(super) fn handle(call: Call, request: ElectLeadersRequest) -> Stage {
    let kind = match (call.version(), request.election_type) {
        (0, _) | (_, 0) => ElectionKind::Preferred,
        (_, 1) => ElectionKind::Unclean,
        _ => {
            let code = ErrorCode::InvalidRequest.code();
            return call.answer(&ElectLeadersResponse::default().with_error_code(code));
        }
    };
    let partitions: Option<Vec<(String, Vec<i32>)>> = request
        .topic_partitions
        .map(|topics| topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect());
    let (broker, version) = (call.broker.clone(), call.version());
    call.later(async move {
        let asked = partitions.clone();
        match controlled(&broker, ElectLeaders { kind, partitions }, request.timeout_ms).await {
            Ok(results) => ElectLeadersResponse::default().with_replica_election_results(by_topic(&results)),
            // Version 0 has no error of the whole.
            Err(error) if version == 0 => {
                let failed = |(topic, partitions): (String, Vec<i32>)| {
                    let error = error.clone();
                    let result = move |partition| ElectionResult {
                        topic: topic.clone(),
                        partition,
                        result: Err(error.clone()),
                    };
                    partitions.into_iter().map(result)
                };
                let results: Vec<_> = asked.into_iter().flatten().flat_map(failed).collect();
                ElectLeadersResponse::default().with_replica_election_results(by_topic(&results))
            }
            Err(error) => ElectLeadersResponse::default().with_error_code(error.error_code().code()),
        }
    })
}

fn by_topic(results: &[ElectionResult]) -> Vec<ReplicaElectionResult> {
    let mut topics: Vec<ReplicaElectionResult> = Vec::new();
    for result in results {
        let (code, message) = code_and_message(&result.result);
        let partition = PartitionResult::default()
            .with_partition_id(result.partition)
            .with_error_code(code)
            .with_error_message(message);
        match topics.iter_mut().find(|topic| **topic.topic == *result.topic) {
            Some(topic) => topic.partition_result.push(partition),
            None => topics.push(
                ReplicaElectionResult::default()
                    .with_topic(topic_name(&result.topic))
                    .with_partition_result(vec![partition]),
            ),
        }
    }
    topics
}
