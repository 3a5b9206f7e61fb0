//! One producer: its epoch, the window of its last batches, its open transaction.

use rkafka_record::control::EndTransactionMarker;

use super::batch::{AppendOrigin, ProducerBatch, sequence_after, sequence_before};
use super::{NO_PRODUCER_EPOCH, NO_SEQUENCE, ProducerError};

/// How many batches are remembered: as many as an idempotent client may have in flight
/// (`max.in.flight.requests.per.connection` ≤ 5).
pub const WINDOW: usize = 5;

/// What is remembered of one written batch. Sequences and offsets run in parallel inside a batch, also after
/// compaction (it keeps base offset and last offset delta), so the first ones follow from the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchMetadata {
    /// Sequence of the last record, -1 for none.
    pub last_sequence: i32,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Last minus first offset.
    pub offset_delta: i32,
    /// Largest timestamp, milliseconds since 1970.
    pub timestamp: i64,
}

impl BatchMetadata {
    /// Offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.last_offset.saturating_sub(i64::from(self.offset_delta))
    }

    /// Sequence of the first record.
    pub fn first_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }
}

/// State of one producer in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer.
    pub producer_id: i64,
    /// Largest epoch seen; -1 before the first batch.
    pub producer_epoch: i16,
    /// Epoch of the transaction coordinator that wrote the last marker; -1 before the first.
    pub coordinator_epoch: i32,
    /// Timestamp of the last batch or marker, milliseconds since 1970; expiry counts from it.
    pub last_timestamp: i64,
    /// First offset of the open transaction.
    pub transaction_first_offset: Option<i64>,
    /// The last batches of this epoch, oldest first; only `count` of them are filled.
    window: [BatchMetadata; WINDOW],
    count: u8,
}

impl ProducerEntry {
    /// A producer of which nothing has been seen.
    pub fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            producer_epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            transaction_first_offset: None,
            window: [BatchMetadata::default(); WINDOW],
            count: 0,
        }
    }

    /// The last batches of the current epoch, oldest first, at most [`WINDOW`].
    pub fn batches(&self) -> &[BatchMetadata] {
        self.window.get(..usize::from(self.count)).unwrap_or(&self.window)
    }

    /// The last batch of the current epoch.
    pub fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches().last()
    }

    /// Sequence of the last record of the current epoch, -1 if none is known.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// Whether it has been idle for `expiration_ms` with no transaction open (KIP-854).
    pub fn is_expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        self.transaction_first_offset.is_none() && now_ms.saturating_sub(self.last_timestamp) >= expiration_ms
    }

    /// The remembered batch that `batch` repeats: same epoch, first and last sequence.
    pub(super) fn duplicate_of(&self, batch: &ProducerBatch) -> Option<&BatchMetadata> {
        if batch.producer_epoch != self.producer_epoch || batch.base_sequence == NO_SEQUENCE {
            return None;
        }
        let last_sequence = batch.last_sequence();
        self.batches().iter().find(|known| {
            known.last_sequence == last_sequence && known.first_sequence() == batch.base_sequence
        })
    }

    /// Checks epoch, sequence (clients only) and transaction state of a data batch.
    pub(super) fn check_data(
        &self,
        batch: &ProducerBatch,
        origin: AppendOrigin,
    ) -> Result<(), ProducerError> {
        if batch.producer_epoch < self.producer_epoch {
            return Err(self.stale_epoch(batch.producer_epoch));
        }
        if origin == AppendOrigin::Client {
            self.check_sequence(batch)?;
        }
        match self.transaction_first_offset {
            Some(transaction_first_offset) if !batch.is_transactional => {
                let producer_id = self.producer_id;
                Err(ProducerError::InvalidTransactionState { producer_id, transaction_first_offset })
            }
            _ => Ok(()),
        }
    }

    /// A new epoch begins at sequence 0, an old one goes on after its last sequence. An entry that has seen
    /// no data accepts any sequence: its records may have been deleted (KIP-360).
    fn check_sequence(&self, batch: &ProducerBatch) -> Result<(), ProducerError> {
        let expected = if self.producer_epoch == NO_PRODUCER_EPOCH {
            return Ok(());
        } else if batch.producer_epoch != self.producer_epoch {
            0
        } else {
            // Only a marker has been seen in this epoch: its first batch has sequence 0 (-1 + 1).
            self.last_batch().map_or(0, |last| sequence_after(last.last_sequence, 1))
        };
        if batch.base_sequence == expected {
            return Ok(());
        }
        Err(ProducerError::OutOfOrderSequence {
            producer_id: self.producer_id,
            producer_epoch: batch.producer_epoch,
            found: batch.base_sequence,
            expected,
        })
    }

    /// Checks both epochs of an end transaction marker. From `transaction.version` 2 on each marker carries a
    /// bumped epoch, so an equal one is stale, unless no transaction is open: then it is a retry, which does
    /// no harm (KAFKA-19999).
    pub(super) fn check_marker(
        &self,
        producer_epoch: i16,
        marker: EndTransactionMarker,
        origin: AppendOrigin,
    ) -> Result<(), ProducerError> {
        let bumps = match origin {
            AppendOrigin::TransactionMarker { transaction_version } => transaction_version >= 2,
            AppendOrigin::Client | AppendOrigin::Coordinator | AppendOrigin::Replication => false,
        };
        let equal_is_stale = bumps && self.transaction_first_offset.is_some();
        if producer_epoch < self.producer_epoch || (equal_is_stale && producer_epoch == self.producer_epoch) {
            return Err(self.stale_epoch(producer_epoch));
        }
        if marker.coordinator_epoch < self.coordinator_epoch {
            return Err(ProducerError::CoordinatorFenced {
                producer_id: self.producer_id,
                found: marker.coordinator_epoch,
                current: self.coordinator_epoch,
            });
        }
        Ok(())
    }

    fn stale_epoch(&self, found: i16) -> ProducerError {
        let (producer_id, current) = (self.producer_id, self.producer_epoch);
        ProducerError::InvalidProducerEpoch { producer_id, found, current }
    }

    /// Takes in a written data batch.
    pub(super) fn push(&mut self, batch: &ProducerBatch) {
        self.push_metadata(
            batch.producer_epoch,
            BatchMetadata {
                last_sequence: batch.last_sequence(),
                last_offset: batch.last_offset,
                offset_delta: batch.offset_delta(),
                timestamp: batch.timestamp,
            },
        );
    }

    /// Takes in a written batch of `producer_epoch`; a change of epoch empties the window.
    pub(super) fn push_metadata(&mut self, producer_epoch: i16, batch: BatchMetadata) {
        self.set_epoch(producer_epoch);
        if usize::from(self.count) == WINDOW {
            self.window.rotate_left(1);
            self.count -= 1;
        }
        if let Some(free) = self.window.get_mut(usize::from(self.count)) {
            *free = batch;
            self.count += 1;
        }
        self.last_timestamp = batch.timestamp;
    }

    fn set_epoch(&mut self, producer_epoch: i16) {
        if self.producer_epoch != producer_epoch {
            self.producer_epoch = producer_epoch;
            self.window = [BatchMetadata::default(); WINDOW];
            self.count = 0;
        }
    }

    /// Takes in a written marker; returns where the transaction it ended began.
    pub(super) fn end_transaction(
        &mut self,
        producer_epoch: i16,
        coordinator_epoch: i32,
        timestamp: i64,
    ) -> Option<i64> {
        self.set_epoch(producer_epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.last_timestamp = timestamp;
        self.transaction_first_offset.take()
    }

    pub(super) fn check_invariants(&self) {
        assert!(usize::from(self.count) <= WINDOW, "window overflows");
        for pair in self.batches().windows(2) {
            if let [earlier, later] = pair {
                assert!(
                    earlier.last_offset < later.last_offset,
                    "window of {} out of order",
                    self.producer_id
                );
            }
        }
    }
}
