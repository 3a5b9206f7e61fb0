//! DeleteTopics (20), versions 1 to 6.
//!
//! - With `delete.topic.enable=false` error 73, before v3 42 · v5 error messages · v6 by id (KIP-516).
//! - The topic is gone for clients with the answer; its files go after `file.delete.delay.ms`.

use rkafka_core::controller::{ControllerError, DeleteTopicResult, DeleteTopics, ErrorKind, TopicRef};
use rkafka_wire::messages::delete_topics_response::DeletableTopicResult;
use rkafka_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled, topic_id, topic_name, uuid};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 6);

/// From here on error 73 is known.
const DELETION_DISABLED: i16 = 3;
/// From here on topics can be named by id.
const BY_ID: i16 = 6;

pub(super) fn handle(call: Call, request: DeleteTopicsRequest) -> Stage {
    let topics: Vec<TopicRef> = if call.version() >= BY_ID {
        let topics = request.topics.into_iter().map(|topic| match topic.name {
            Some(name) => TopicRef::Name(name.to_string()),
            None => TopicRef::Id(topic_id(topic.topic_id)),
        });
        topics.collect()
    } else {
        request.topic_names.into_iter().map(|name| TopicRef::Name(name.to_string())).collect()
    };
    let (broker, version) = (call.broker.clone(), call.version());
    call.later(async move {
        let results =
            match controlled(&broker, DeleteTopics { topics: topics.clone() }, request.timeout_ms).await {
                Ok(results) => results,
                Err(error) => {
                    let error = known_to(version, error);
                    let failed = topics.into_iter().map(|topic| match topic {
                        TopicRef::Name(name) => {
                            DeleteTopicResult { name: Some(name), id: None, result: Err(error.clone()) }
                        }
                        TopicRef::Id(id) => {
                            DeleteTopicResult { name: None, id: Some(id), result: Err(error.clone()) }
                        }
                    });
                    failed.collect()
                }
            };
        DeleteTopicsResponse::default().with_responses(results.iter().map(answer).collect())
    })
}

/// Versions that do not know that deletion can be switched off are told that the request is invalid.
fn known_to(version: i16, error: ControllerError) -> ControllerError {
    if version < DELETION_DISABLED && error.kind == ErrorKind::TopicDeletionDisabled {
        return ControllerError::new(
            ErrorKind::InvalidRequest,
            "This version does not support topic deletion.",
        );
    }
    error
}

fn answer(result: &DeleteTopicResult) -> DeletableTopicResult {
    let (code, message) = code_and_message(&result.result);
    DeletableTopicResult::default()
        .with_name(result.name.as_deref().map(topic_name))
        .with_topic_id(result.id.map(uuid).unwrap_or_default())
        .with_error_code(code)
        .with_error_message(message)
}
