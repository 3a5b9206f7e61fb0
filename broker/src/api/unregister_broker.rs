//! UnregisterBroker (64), version 0: a broker that is gone for good is forgotten.

use rkafka_core::ids::BrokerId;
use rkafka_wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message, controlled};
use crate::metadata_store::UnregisterBroker;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

/// The request has no time limit of its own: the usual one.
const TIMEOUT_MS: i32 = -1;

pub(super) fn handle(call: Call, request: UnregisterBrokerRequest) -> Stage {
    let broker = call.broker.clone();
    call.later(async move {
        let forget = UnregisterBroker { broker: BrokerId(request.broker_id.0) };
        let (code, message) = code_and_message(&controlled(&broker, forget, TIMEOUT_MS).await);
        UnregisterBrokerResponse::default().with_error_code(code).with_error_message(message)
    })
}
