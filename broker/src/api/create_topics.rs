//! CreateTopics (19), versions 2 to 7.
//!
//! - v4 -1 takes the broker's defaults (KIP-464) · v5 the effective configuration in the answer (KIP-525) ·
//!   v7 topic ids.
//! - Answered once the topics are in this node's image and their partitions here are ready, or with 7 after
//!   the request's time.

use rkafka_core::controller::{
    Assignment, ConfigEntry, ControllerError, CreateTopicResult, CreateTopics, NewTopic,
};
use rkafka_core::ids::BrokerId;
use rkafka_wire::messages::create_topics_request::CreatableTopic;
use rkafka_wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use rkafka_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled, text, topic_name, uuid};
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(2, 7);

pub(super) fn handle(call: Call, request: CreateTopicsRequest) -> Stage {
    let broker = call.broker.clone();
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let create = CreateTopics {
        topics: request.topics.into_iter().map(new_topic).collect(),
        validate_only: request.validate_only,
    };
    call.later(async move {
        let topics = match controlled(&broker, create, request.timeout_ms).await {
            Ok(results) => results.into_iter().map(answer).collect(),
            Err(error) => names.iter().map(|name| failed(name, &error)).collect(),
        };
        CreateTopicsResponse::default().with_topics(topics)
    })
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let assignments = topic.assignments.into_iter().map(|assigned| Assignment {
        partition: assigned.partition_index,
        brokers: assigned.broker_ids.iter().map(|id| BrokerId(id.0)).collect(),
    });
    let configs = topic.configs.into_iter();
    NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: configs
            .map(|config| (config.name.to_string(), config.value.map(|value| value.to_string())))
            .collect(),
    }
}

fn answer(result: CreateTopicResult) -> CreatableTopicResult {
    let created = match result.result {
        Ok(created) => created,
        Err(error) => return failed(&result.name, &error),
    };
    CreatableTopicResult::default()
        .with_name(topic_name(&result.name))
        .with_topic_id(uuid(created.id))
        .with_error_message(None)
        .with_num_partitions(created.partitions)
        .with_replication_factor(created.replication_factor)
        .with_configs(Some(created.configs.iter().map(config).collect()))
}

fn failed(name: &str, error: &ControllerError) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic_name(name))
        .with_error_code(error.error_code().code())
        .with_error_message(code_and_message::<()>(&Err(error.clone())).1)
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(Some(Vec::new()))
}

fn config(entry: &ConfigEntry) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(text(&entry.name))
        .with_value(entry.value.as_deref().map(text))
        .with_read_only(entry.is_read_only)
        .with_config_source(entry.source.wire_code())
        .with_is_sensitive(entry.is_sensitive)
}
