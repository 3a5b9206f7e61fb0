//! InitProducerId (22), versions 0 to 5: an id for an idempotent producer (KIP-98).
//!
//! - Without a transactional id: always a new id at epoch 0. An empty transactional id is refused (42).
//! - v3 an id and an epoch (KIP-360), with which only a transactional producer goes on: both or neither,
//!   else 42.
//! - With a transactional id: transactions are not served yet; 15 makes the client look for a coordinator, and
//!   FindCoordinator tells it there is none.

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use rkafka_wire::versions::Versions;

use super::Call;
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 5);

pub(super) fn handle(call: Call, request: InitProducerIdRequest) -> Stage {
    if (request.producer_id.0 == -1) != (request.producer_epoch == -1) {
        return call.answer(&failed(ErrorCode::InvalidRequest));
    }
    match request.transactional_id.as_ref().map(|id| &*id.0) {
        None => {}
        Some("") => return call.answer(&failed(ErrorCode::InvalidRequest)),
        Some(_) => return call.answer(&failed(ErrorCode::CoordinatorNotAvailable)),
    }
    if let Some(id) = call.broker.producer_ids.try_next() {
        return call.answer(&granted(id));
    }
    let broker = call.broker.clone();
    call.later(async move {
        match broker.producer_ids.next(broker.metadata.as_ref(), broker.id).await {
            Ok(id) => granted(id),
            Err(error) => failed(error.error_code()),
        }
    })
}

fn granted(id: i64) -> InitProducerIdResponse {
    InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0)
}

fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
