//! Producer ids of idempotent producers, from blocks that the controller hands out (KIP-730).
//!
//! An id is never given twice: a block that was begun before a restart is lost, not reused.

use parking_lot::Mutex;
use rkafka_core::controller::{ControllerError, ErrorKind, PRODUCER_ID_BLOCK, ProducerIdBlock};
use rkafka_core::ids::BrokerId;
use tokio::sync::Mutex as AsyncMutex;

use crate::metadata_store::{AllocateProducerIds, MetadataStore, call};

/// The block in use. Any number of requests may ask at once; one of them fetches the next block for all.
#[derive(Debug, Default)]
pub struct ProducerIds {
    /// The next free id and the end of the block.
    block: Mutex<(i64, i64)>,
    /// Held by the one that fetches a block.
    fetching: AsyncMutex<()>,
}

impl ProducerIds {
    /// An id of the block in use, if there is one left.
    pub(crate) fn try_next(&self) -> Option<i64> {
        let mut block = self.block.lock();
        let (next, end) = *block;
        (next < end).then(|| {
            block.0 += 1;
            next
        })
    }

    /// A new id; asks the controller for a block when there is none left.
    ///
    /// # Errors
    /// The controller's refusal.
    pub(crate) async fn next(
        &self,
        metadata: &dyn MetadataStore,
        broker: BrokerId,
    ) -> Result<i64, ControllerError> {
        if let Some(id) = self.try_next() {
            return Ok(id);
        }
        let _fetching = self.fetching.lock().await;
        loop {
            // Another one may have fetched it while this one waited.
            if let Some(id) = self.try_next() {
                return Ok(id);
            }
            let registration = metadata.image().brokers().get(broker).cloned();
            let broker_epoch = registration.map(|registration| registration.epoch).ok_or_else(|| {
                ControllerError::new(ErrorKind::BrokerIdNotRegistered, "this broker is not registered yet")
            })?;
            let ProducerIdBlock { first } =
                call(metadata, AllocateProducerIds { broker, broker_epoch }).await?;
            *self.block.lock() = (first, first + PRODUCER_ID_BLOCK);
        }
    }
}
