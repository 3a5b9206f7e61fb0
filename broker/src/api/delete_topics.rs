//! DeleteTopics (20), versions 1 to 6.
//!
//! - With `delete.topic.enable=false` error 73, before v3 42 · v5 error messages · v6 by id (KIP-516);
//!   a name together with an id is refused.
//! - The topic is gone for clients with the answer; its files go after `file.delete.delay.ms`.

use rkafka_core::controller::{ControllerError, DeleteTopicResult, DeleteTopics, ErrorKind, TopicRef};
use rkafka_wire::messages::delete_topics_request::DeleteTopicState;
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
    let (topics, mut contradictory) = if call.version() >= BY_ID {
        by_name_or_id(request.topics)
    } else {
        let names = request.topic_names.into_iter();
        (names.map(|name| TopicRef::Name(name.to_string())).collect(), Vec::new())
    };
    let (broker, version) = (call.broker.clone(), call.version());
    call.later(async move {
        let results =
            match controlled(&broker, DeleteTopics { topics: topics.clone() }, request.timeout_ms).await {
                Ok(results) => results,
                Err(error) => {
                    let error = known_to(version, error);
                    let asked = topics.into_iter().map(|topic| match topic {
                        TopicRef::Name(name) => (Some(name), None),
                        TopicRef::Id(id) => (None, Some(id)),
                    });
                    let refused = contradictory.drain(..).map(|refused| (refused.name, refused.id));
                    let failed = asked.chain(refused);
                    let failed =
                        failed.map(|(name, id)| DeleteTopicResult { name, id, result: Err(error.clone()) });
                    failed.collect()
                }
            };
        let responses = results.iter().chain(&contradictory).map(answer).collect();
        DeleteTopicsResponse::default().with_responses(responses)
    })
}

/// What is asked for, and those that say both or neither of what names a topic.
fn by_name_or_id(topics: Vec<DeleteTopicState>) -> (Vec<TopicRef>, Vec<DeleteTopicResult>) {
    let (mut asked, mut contradictory) = (Vec::new(), Vec::new());
    let refused = |name, id, message: &str| {
        let result = Err(ControllerError::new(ErrorKind::InvalidRequest, message));
        DeleteTopicResult { name, id, result }
    };
    for topic in topics {
        let name = topic.name.map(|name| name.to_string());
        let id = (!topic.topic_id.is_nil()).then(|| topic_id(topic.topic_id));
        match (name, id) {
            (Some(name), None) => asked.push(TopicRef::Name(name)),
            (None, Some(id)) => asked.push(TopicRef::Id(id)),
            (None, None) => {
                contradictory.push(refused(None, None, "Neither topic name nor id were specified."));
            }
            (name, id) => {
                let message = "You may not specify both topic name and topic id.";
                contradictory.push(refused(name, id, message));
            }
        }
    }
    (asked, contradictory)
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
