//! The few facts of a record batch that producer state needs.

use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchRef, DecodeLimits};

use super::{NO_PRODUCER_ID, NO_SEQUENCE};

/// Who writes a batch: how much of it is checked (Kafka's `AppendOrigin`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A Produce request: duplicates, epoch, sequence, transaction state.
    Client,
    /// The group coordinator of this broker: it has no sequences, so only the epoch and the transaction
    /// state.
    Coordinator,
    /// A transaction coordinator's WriteTxnMarkers: epochs by the rules of its `transaction.version`
    /// (KIP-890).
    TransactionMarker {
        /// The finalized feature level the marker was made under: 2 and above bump the epoch with every
        /// marker.
        transaction_version: i16,
    },
    /// Fetched from the leader or found in the log: nothing is checked, the leader did it.
    Replication,
}

/// What a batch means to producer state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Records of the producer (perhaps none, if the cleaner emptied the batch).
    Data,
    /// An end transaction marker.
    EndTransaction(EndTransactionMarker),
    /// Any other control batch, and markers emptied by the cleaner.
    OtherControl,
}

/// Producer-related header fields of one batch. On a leader the offsets are the ones about to be assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerBatch {
    /// -1 for none.
    pub producer_id: i64,
    /// -1 for none.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 for none.
    pub base_sequence: i32,
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Largest timestamp, milliseconds since 1970.
    pub timestamp: i64,
    /// The transactional attribute.
    pub is_transactional: bool,
    /// Data or which control batch.
    pub kind: BatchKind,
}

impl ProducerBatch {
    /// What `batch` says, standing at `base_offset` (on a leader the one it is about to get). Its CRC must
    /// have been checked. The records are looked at only if it is a control batch.
    pub fn new(batch: &BatchRef<'_>, base_offset: i64) -> Self {
        Self {
            producer_id: batch.producer_id().max(NO_PRODUCER_ID),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            base_offset,
            last_offset: base_offset.saturating_add(i64::from(batch.last_offset_delta())),
            timestamp: batch.max_timestamp(),
            is_transactional: batch.is_transactional(),
            kind: if batch.is_control() { control_kind(batch) } else { BatchKind::Data },
        }
    }

    /// Sequence of the last record; sequences wrap from 2³¹-1 to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        sequence_after(self.base_sequence, self.offset_delta())
    }

    /// Last offset relative to the first.
    pub fn offset_delta(&self) -> i32 {
        i32::try_from(self.last_offset.saturating_sub(self.base_offset)).unwrap_or(i32::MAX)
    }

    /// Whether an idempotent or transactional producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id != NO_PRODUCER_ID
    }
}

/// The sequence `steps` after `sequence`; after 2³¹-1 comes 0.
pub(super) fn sequence_after(sequence: i32, steps: i32) -> i32 {
    wrapped(i64::from(sequence) + i64::from(steps))
}

/// The sequence `steps` before `sequence`; before 0 comes 2³¹-1.
pub(super) fn sequence_before(sequence: i32, steps: i32) -> i32 {
    wrapped(i64::from(sequence) - i64::from(steps))
}

fn wrapped(sequence: i64) -> i32 {
    let wrapped = sequence.rem_euclid(i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).unwrap_or(i32::MAX)
}

/// Which control batch. One whose marker cannot be read (a version to come) is taken for another kind, as a
/// reader would.
fn control_kind(batch: &BatchRef<'_>) -> BatchKind {
    let Ok(decoded) = batch.decode(DecodeLimits::default()) else { return BatchKind::OtherControl };
    let marker = match decoded.records().next() {
        Some(Ok(record)) => record.key.zip(record.value),
        _ => None,
    };
    marker
        .and_then(|(key, value)| EndTransactionMarker::from_record(key, value))
        .map_or(BatchKind::OtherControl, BatchKind::EndTransaction)
}
