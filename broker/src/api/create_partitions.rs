//! CreatePartitions (37), versions 0 to 3: a topic gets more partitions (KIP-195).

use rkafka_core::controller::{CreatePartitions, CreatePartitionsResult, NewPartitions};
use rkafka_core::ids::BrokerId;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use rkafka_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled, topic_name};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 3);

pub(super) fn handle(call: Call, request: CreatePartitionsRequest) -> Stage {
    let topics: Vec<NewPartitions> = request
        .topics
        .into_iter()
        .map(|topic| NewPartitions {
            topic: topic.name.to_string(),
            count: topic.count,
            assignments: topic.assignments.map(|assignments| {
                let brokers = |ids: Vec<_>| {
                    ids.iter().map(|id: &rkafka_wire::messages::BrokerId| BrokerId(id.0)).collect()
                };
                assignments.into_iter().map(|assigned| brokers(assigned.broker_ids)).collect()
            }),
        })
        .collect();
    let names: Vec<String> = topics.iter().map(|topic| topic.topic.clone()).collect();
    let create = CreatePartitions { topics, validate_only: request.validate_only };
    let broker = call.broker.clone();
    call.later(async move {
        let results = controlled(&broker, create, request.timeout_ms).await.unwrap_or_else(|error| {
            let failed = |topic| CreatePartitionsResult { topic, result: Err(error.clone()) };
            names.into_iter().map(failed).collect()
        });
        let answers = results.iter().map(|result| {
            let (code, message) = code_and_message(&result.result);
            // Kafka has no words for a topic that is not there.
            let is_unknown = code == ErrorCode::UnknownTopicOrPartition.code();
            CreatePartitionsTopicResult::default()
                .with_name(topic_name(&result.topic))
                .with_error_code(code)
                .with_error_message(message.filter(|_| !is_unknown))
        });
        CreatePartitionsResponse::default().with_results(answers.collect())
    })
}
