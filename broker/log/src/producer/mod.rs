//! What a partition remembers of its producers: idempotence (KIP-98), fencing, open transactions.
//!
//! [`ProducerStates`] is a pure in-memory machine: [`check`](ProducerStates::check) judges a batch that is
//! about to be written, [`update`](ProducerStates::update) takes in a batch that has been written (by a
//! client, by replication or while the log is scanned on start). It touches no file and reads no clock. Its
//! persistent form is the `<offset>.snapshot` file beside the segments, whose bytes are made and read in
//! [`snapshot`].
//!
//! Two things are derived from it for the whole log: duplicates are answered with the offset of the first
//! copy, and the last stable offset is held down by
//! [`first_unstable_offset`](ProducerStates::first_unstable_offset).

mod batch;
mod entry;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rkafka_record::control::EndTransactionMarker;

pub use batch::{AppendOrigin, BatchKind, ProducerBatch};
pub use entry::{BatchMetadata, ProducerEntry, WINDOW};
pub use snapshot::SnapshotError;

/// "No producer": the id in batches of producers that are neither idempotent nor transactional.
pub const NO_PRODUCER_ID: i64 = -1;
/// "No sequence": batches of coordinators and control batches carry it.
pub const NO_SEQUENCE: i32 = -1;
/// "No producer epoch": the epoch of an entry that has seen no batch yet.
pub const NO_PRODUCER_EPOCH: i16 = -1;

/// What [`ProducerStates::check`] found when it found no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The batch is new: write it, then call [`ProducerStates::update`].
    Accept,
    /// The very batch (same epoch, first and last sequence) is in the log already: write nothing and answer
    /// with the offsets of the first copy, once that copy is committed.
    Duplicate {
        /// Offset of the first record of the copy in the log.
        base_offset: i64,
        /// Offset of the last record of the copy in the log.
        last_offset: i64,
        /// Largest timestamp of the copy in the log, milliseconds since 1970.
        timestamp: i64,
    },
}

/// Why a batch must not be appended. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The batch does not continue where the producer's last one ended (wire code 45).
    #[error(
        "out of order sequence number for producer {producer_id} at epoch {producer_epoch}: the batch \
         begins at {found}, the log expects {expected}"
    )]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Epoch in the batch.
        producer_epoch: i16,
        /// First sequence in the batch.
        found: i32,
        /// The only first sequence that would be accepted.
        expected: i32,
    },
    /// A newer instance of the producer has written already (wire code 47).
    #[error(
        "producer {producer_id} writes with epoch {found}, but epoch {current} has been seen: a newer \
         instance took over"
    )]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// Epoch in the batch.
        found: i16,
        /// Largest epoch the log knows.
        current: i16,
    },
    /// A plain batch came while the producer's transaction is open (wire code 48).
    #[error(
        "producer {producer_id} sent a non-transactional batch while its transaction that began at offset \
         {transaction_first_offset} is open"
    )]
    InvalidTransactionState {
        /// The producer.
        producer_id: i64,
        /// Where the open transaction began.
        transaction_first_offset: i64,
    },
    /// The marker was sent by a transaction coordinator that has been replaced (wire code 52).
    #[error(
        "end transaction marker for producer {producer_id} from coordinator epoch {found}, but epoch \
         {current} has been seen"
    )]
    CoordinatorFenced {
        /// The producer.
        producer_id: i64,
        /// Coordinator epoch in the marker.
        found: i32,
        /// Largest coordinator epoch the log knows for this producer.
        current: i32,
    },
}

/// A transaction that its marker has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// Offset of the transaction's first record in this partition.
    pub first_offset: i64,
    /// Offset of the marker.
    pub last_offset: i64,
    /// Whether it was aborted; only then does it go into the transaction index.
    pub aborted: bool,
    /// First offset of the earliest other open transaction, or the offset after the marker: what the
    /// transaction index stores so that a reader knows when it has collected enough.
    pub last_stable_offset: i64,
}

/// A transaction whose end is in the log, but perhaps not yet below the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unreplicated {
    first_offset: i64,
    marker_offset: i64,
}

/// All producers of one partition, as of [`end_offset`](Self::end_offset).
///
/// Owned by the partition's `Log` and changed only by its single writer; not shared, not locked. The maps are
/// ordered, so that equal states give equal snapshot bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerStates {
    /// By producer id.
    producers: BTreeMap<i64, ProducerEntry>,
    /// Open transactions: first offset → producer id.
    ongoing: BTreeMap<i64, i64>,
    /// Ended transactions whose marker is at or above the high watermark, by first offset.
    unreplicated: BTreeMap<i64, Unreplicated>,
    /// The state covers all batches below this offset.
    end_offset: i64,
}

impl ProducerStates {
    /// No producers; all batches from `end_offset` on are still to be taken in.
    pub fn new(end_offset: i64) -> Self {
        Self { end_offset, ..Self::default() }
    }

    /// The state of a snapshot file named `end_offset`: the entries not expired by `now_ms`
    /// (see [`expire`](Self::expire)).
    pub fn from_snapshot(
        entries: Vec<ProducerEntry>,
        end_offset: i64,
        now_ms: i64,
        expiration_ms: i64,
    ) -> Self {
        let mut states = Self::new(end_offset);
        for entry in entries {
            if !entry.is_expired(now_ms, expiration_ms) {
                states.insert(entry);
            }
        }
        states
    }

    fn insert(&mut self, entry: ProducerEntry) {
        if let Some(first_offset) = entry.transaction_first_offset {
            self.ongoing.insert(first_offset, entry.producer_id);
        }
        self.producers.insert(entry.producer_id, entry);
    }

    /// Judges a batch that is about to be appended by a leader. Changes nothing.
    ///
    /// Duplicates are looked for before sequence and epoch (a retry of an accepted batch must get its first
    /// answer). Replication is never judged: the leader did it. See [`AppendOrigin`] for what is checked for
    /// whom.
    ///
    /// # Errors
    /// [`ProducerError`] when the batch must be refused.
    pub fn check(&self, batch: &ProducerBatch, origin: AppendOrigin) -> Result<Check, ProducerError> {
        let Some(entry) = self.producers.get(&batch.producer_id) else { return Ok(Check::Accept) };
        if batch.producer_id == NO_PRODUCER_ID || origin == AppendOrigin::Replication {
            return Ok(Check::Accept);
        }
        if let BatchKind::EndTransaction(marker) = batch.kind {
            entry.check_marker(batch.producer_epoch, marker, origin)?;
            return Ok(Check::Accept);
        }
        if origin == AppendOrigin::Client
            && let Some(first_copy) = entry.duplicate_of(batch)
        {
            return Ok(Check::Duplicate {
                base_offset: first_copy.base_offset(),
                last_offset: first_copy.last_offset,
                timestamp: first_copy.timestamp,
            });
        }
        let judged = entry.check_data(batch, origin);
        mutant!("accept-sequence-gaps", judged, Ok(()))?;
        Ok(Check::Accept)
    }

    /// Takes in a batch that stands in the log, with the offsets it has there. Returns the transaction it
    /// ended.
    ///
    /// Never refuses: what stands in the log is the truth, also on a follower that missed earlier state.
    /// Batches without a producer id only move [`end_offset`](Self::end_offset).
    pub fn update(&mut self, batch: &ProducerBatch) -> Option<CompletedTransaction> {
        debug_assert!(batch.last_offset >= batch.base_offset, "batch ends before it begins");
        self.end_offset = self.end_offset.max(batch.last_offset.saturating_add(1));
        if batch.producer_id == NO_PRODUCER_ID {
            return None;
        }
        match batch.kind {
            BatchKind::Data => {
                self.update_data(batch);
                None
            }
            BatchKind::EndTransaction(marker) => self.update_marker(batch, marker),
            // The cleaner emptied it: its transaction is gone from the log altogether.
            BatchKind::OtherControl => None,
        }
    }

    fn update_data(&mut self, batch: &ProducerBatch) {
        let entry =
            self.producers.entry(batch.producer_id).or_insert_with(|| ProducerEntry::new(batch.producer_id));
        entry.push(batch);
        if batch.is_transactional && entry.transaction_first_offset.is_none() {
            entry.transaction_first_offset = Some(batch.base_offset);
            self.ongoing.insert(batch.base_offset, batch.producer_id);
        }
    }

    fn update_marker(
        &mut self,
        batch: &ProducerBatch,
        marker: EndTransactionMarker,
    ) -> Option<CompletedTransaction> {
        let entry =
            self.producers.entry(batch.producer_id).or_insert_with(|| ProducerEntry::new(batch.producer_id));
        let first_offset =
            entry.end_transaction(batch.producer_epoch, marker.coordinator_epoch, batch.timestamp)?;
        self.ongoing.remove(&first_offset);
        let marker_offset = batch.base_offset;
        self.unreplicated.insert(first_offset, Unreplicated { first_offset, marker_offset });
        let next_open = self.ongoing.first_key_value().map(|(offset, _)| *offset);
        Some(CompletedTransaction {
            producer_id: batch.producer_id,
            first_offset,
            last_offset: marker_offset,
            aborted: !marker.committed,
            last_stable_offset: next_open.unwrap_or_else(|| marker_offset.saturating_add(1)),
        })
    }

    /// First offset that is undecided (its transaction is open) or decided by a marker not yet below the high
    /// watermark; `None` if all is stable. The last stable offset is the smaller of this and the high
    /// watermark.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let undecided = self.first_undecided_offset();
        let unreplicated = self.unreplicated.first_key_value().map(|(offset, _)| *offset);
        match (undecided, unreplicated) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// First offset of the earliest open transaction, whatever has been replicated. The cleaner stops here.
    pub fn first_undecided_offset(&self) -> Option<i64> {
        self.ongoing.first_key_value().map(|(offset, _)| *offset)
    }

    /// The high watermark rose: transactions whose marker lies below it hold down nothing any more.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.unreplicated.retain(|_, transaction| transaction.marker_offset >= high_watermark);
    }

    /// The log start offset rose. Producers are kept (they expire by time only, KIP-854).
    pub fn on_log_start_offset(&mut self, log_start_offset: i64) {
        self.on_high_watermark(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
    }

    /// Forgets everything; the log restarts at `offset`.
    pub fn reset(&mut self, offset: i64) {
        *self = Self::new(offset);
    }

    /// Forgets producers idle for `expiration_ms` (`producer.id.expiration.ms`) that have no open transaction
    /// (KIP-854). Returns how many.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, entry| !entry.is_expired(now_ms, expiration_ms));
        before - self.producers.len()
    }

    /// The state covers all batches below this offset: a snapshot taken now is named by it.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Says that the log holds nothing more of interest below `offset` (a gap left by compaction, or batches
    /// without producer).
    pub fn advance_end_offset(&mut self, offset: i64) {
        self.end_offset = self.end_offset.max(offset);
    }

    /// One producer's entry.
    pub fn get(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// All entries, by producer id.
    pub fn iter(&self) -> impl Iterator<Item = &ProducerEntry> {
        self.producers.values()
    }

    /// How many producers are known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Bytes of the snapshot file named [`end_offset`](Self::end_offset).
    pub fn encode_snapshot(&self) -> Vec<u8> {
        snapshot::encode(self.producers.values())
    }

    /// Panics if the parts contradict each other; for tests and simulation after every step.
    pub fn check_invariants(&self) {
        for (id, entry) in &self.producers {
            assert_eq!(*id, entry.producer_id, "entry filed under another producer");
            entry.check_invariants();
            if let Some(first_offset) = entry.transaction_first_offset {
                assert_eq!(
                    self.ongoing.get(&first_offset),
                    Some(id),
                    "open transaction of {id} is not listed"
                );
            }
        }
        for (first_offset, id) in &self.ongoing {
            let open = self.producers.get(id).and_then(|entry| entry.transaction_first_offset);
            assert_eq!(open, Some(*first_offset), "listed transaction of {id} is not open");
            assert!(*first_offset < self.end_offset, "transaction begins past the end");
        }
        for transaction in self.unreplicated.values() {
            assert!(transaction.first_offset <= transaction.marker_offset, "marker before its transaction");
        }
    }
}
