//! FindCoordinator (10), versions 0 to 6: which broker coordinates a group.
//!
//! - v4 asks for several keys at once (KIP-699). Key type 0 is a group; transactions (1) and share groups (2)
//!   are not served yet and get 53, which every client takes as final, and 42.
//! - `__consumer_offsets` is created by the first request and waited for; Kafka answers 15 meanwhile.

use std::sync::Arc;

use rkafka_core::coordinator::partition_for;
use rkafka_core::image::Image;
use rkafka_wire::messages::find_coordinator_response::Coordinator;
use rkafka_wire::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};

use super::{Call, text};
use crate::broker::Broker;
use crate::internal_topics::{self, CONSUMER_OFFSETS};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 6);

/// From here on an error has a message.
const MESSAGES: i16 = 1;
/// From here on one request asks for several keys.
const BATCHED: i16 = 4;
/// What a transactional producer is told.
const NO_TRANSACTIONS: &str =
    "Transactions are not served by this broker: use a producer without transactional.id.";
const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;

pub(super) fn handle(call: Call, request: FindCoordinatorRequest) -> Stage {
    let version = call.version();
    let keys = if version >= BATCHED { request.coordinator_keys } else { vec![request.key] };
    let (broker, listener) = (call.broker.clone(), call.connection.listener.clone());
    let image = broker.image();
    if request.key_type != KEY_TYPE_GROUP || image.topics().by_name(CONSUMER_OFFSETS).is_some() {
        return call.answer(&body(&image, &listener, version, request.key_type, keys));
    }
    call.later(async move {
        internal_topics::create(&broker, &[CONSUMER_OFFSETS.to_owned()]).await;
        body(&broker.image(), &listener, version, request.key_type, keys)
    })
}

fn body(
    image: &Image,
    listener: &Arc<str>,
    version: i16,
    key_type: i8,
    keys: Vec<StrBytes>,
) -> FindCoordinatorResponse {
    let mut found: Vec<_> = keys.into_iter().map(|key| find(image, listener, key_type, key)).collect();
    if version >= BATCHED {
        return FindCoordinatorResponse::default().with_coordinators(found);
    }
    let only = found.pop().unwrap_or_default();
    FindCoordinatorResponse::default()
        .with_error_code(only.error_code)
        .with_error_message(if only.error_code == 0 { no_error(version) } else { only.error_message })
        .with_node_id(only.node_id)
        .with_host(only.host)
        .with_port(only.port)
}

/// What Kafka says where nothing failed: the name of its error 0.
fn no_error(version: i16) -> Option<StrBytes> {
    (version >= MESSAGES).then(|| StrBytes::from_static_str("NONE"))
}

fn find(image: &Image, listener: &str, key_type: i8, key: StrBytes) -> Coordinator {
    let endpoint = match key_type {
        KEY_TYPE_GROUP => {
            coordinator(image, listener, &key).map_err(|error| (error, error.message()))
        }
        KEY_TYPE_TRANSACTION => Err((ErrorCode::TransactionalIdAuthorizationFailed, NO_TRANSACTIONS)),
        _ => Err((ErrorCode::InvalidRequest, ErrorCode::InvalidRequest.message())),
    };
    match endpoint {
        Ok((node_id, host, port)) => Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(node_id))
            .with_host(host)
            .with_port(port),
        Err((error, message)) => Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(message))),
    }
}

fn coordinator(image: &Image, listener: &str, group: &str) -> Result<(i32, StrBytes, i32), ErrorCode> {
    let unavailable = ErrorCode::CoordinatorNotAvailable;
    let topic = image.topics().by_name(CONSUMER_OFFSETS).ok_or(unavailable)?;
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let partition = topic.partition(partition_for(group, partitions)).ok_or(unavailable)?;
    let leader = partition.leader.ok_or(unavailable)?;
    let endpoint = Broker::endpoint(image, leader, listener).ok_or(unavailable)?;
    Ok((leader.0, text(&endpoint.host), i32::from(endpoint.port)))
}
