//! Producer ids: handed to brokers in blocks, so that InitProducerId needs no round trip to the controller
//! (KIP-730).

use crate::ids::BrokerId;
use crate::image::MetadataRecord;
use serde::{Deserialize, Serialize};

use super::brokers::check_epoch;
use super::{ControllerError, ErrorKind, Outcome, View};

/// How many producer ids a block has, as in Kafka.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

/// The ids from `first`, [`PRODUCER_ID_BLOCK`] of them: no other broker will ever get them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerIdBlock {
    /// The first id of the block.
    pub first: i64,
}

/// AllocateProducerIds.
pub fn allocate_producer_ids(
    view: &View<'_>,
    broker: BrokerId,
    broker_epoch: i64,
) -> Result<Outcome<ProducerIdBlock>, ControllerError> {
    check_epoch(view, broker, broker_epoch)?;
    let first = view.image.next_producer_id();
    let next = first.checked_add(PRODUCER_ID_BLOCK).ok_or_else(|| {
        let message = "Exhausted all producerIds as the next block's end producerId has exceeded the int64 \
                       type limit";
        ControllerError::new(ErrorKind::UnknownServerError, message)
    })?;
    let records = vec![MetadataRecord::ProducerIds { broker, broker_epoch, next }];
    Ok(Outcome { records, reply: ProducerIdBlock { first } })
}

#[cfg(test)]
mod tests;
