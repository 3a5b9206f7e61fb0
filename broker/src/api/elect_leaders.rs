//! ElectLeaders (43), versions 0 to 2: preferred (v0) or unclean (v1) elections (KIP-183, KIP-460).

use rkafka_core::controller::{ControllerError, ElectLeaders, ElectionKind, ElectionResult, ErrorKind};
use rkafka_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use rkafka_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled, topic_name};
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

pub(super) fn handle(call: Call, request: ElectLeadersRequest) -> Stage {
    let partitions: Option<Partitions> = request
        .topic_partitions
        .map(|topics| topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect());
    let kind = match (call.version(), request.election_type) {
        (0, _) | (_, 0) => ElectionKind::Preferred,
        (_, 1) => ElectionKind::Unclean,
        (_, other) => {
            let message = format!("Unknown election type {other}");
            let error = ControllerError::new(ErrorKind::InvalidRequest, message);
            return call.answer(&refused(partitions, &error));
        }
    };
    // Every topic is answered, also one of which no partition needed an election.
    let topics: Vec<String> = match &partitions {
        Some(asked) => asked.iter().map(|(topic, _)| topic.clone()).collect(),
        None => call.broker.image().topics().iter().map(|topic| topic.name.to_string()).collect(),
    };
    let broker = call.broker.clone();
    call.later(async move {
        let asked = partitions.clone();
        match controlled(&broker, ElectLeaders { kind, partitions }, request.timeout_ms).await {
            Ok(results) => {
                let results = by_topic(topics, &results);
                ElectLeadersResponse::default().with_replica_election_results(results)
            }
            Err(error) => refused(asked, &error),
        }
    })
}

/// Topics with some of their partitions.
type Partitions = Vec<(String, Vec<i32>)>;

/// An answer to the whole request; each partition carries the error too, since version 0 has no other place
/// for it.
fn refused(asked: Option<Partitions>, error: &ControllerError) -> ElectLeadersResponse {
    let failed = |(topic, partitions): (String, Vec<i32>)| {
        let result =
            move |partition| ElectionResult { topic: topic.clone(), partition, result: Err(error.clone()) };
        partitions.into_iter().map(result)
    };
    let results: Vec<_> = asked.into_iter().flatten().flat_map(failed).collect();
    ElectLeadersResponse::default()
        .with_error_code(error.error_code().code())
        .with_replica_election_results(by_topic(Vec::new(), &results))
}

fn by_topic(topics: Vec<String>, results: &[ElectionResult]) -> Vec<ReplicaElectionResult> {
    let empty = |name: &String| ReplicaElectionResult::default().with_topic(topic_name(name));
    let mut topics: Vec<ReplicaElectionResult> = topics.iter().map(empty).collect();
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
