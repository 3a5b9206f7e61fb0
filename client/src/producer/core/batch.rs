//! One batch of one partition, from its first record to its acknowledgement.

use std::sync::Arc;

use bytes::Bytes;
use rkafka_record::BatchBuilder;

use crate::producer::delivery::Completion;
use crate::producer::error::ProduceError;

/// The place of a batch among those of its producer: its number, and for a part of a split batch the number
/// of its first record in the whole one.
pub(crate) type Order = (u64, u32);

/// Whose batch it is: what brokers tell duplicates and gaps by (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) producer: ProducerId,
    pub(crate) base_sequence: i32,
}

/// The id that the cluster gave to a producer, and its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerId {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// The records of a batch.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Still being filled, or not yet sent.
    Open(Box<BatchBuilder>),
    /// As it was sent, with the stamp of that time.
    Sealed(Bytes),
    /// On its way: whoever sends it has it.
    Away,
}

/// A batch. Owned by the queue or by the list of what is on its way of one partition.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) order: Order,
    pub(crate) payload: Payload,
    pub(crate) record_count: i32,
    /// Bytes if it were not compressed.
    pub(crate) uncompressed_size: usize,
    /// Bytes of `buffer.memory` that it takes.
    pub(crate) charged: usize,
    pub(crate) created_ms: u64,
    /// Tries that failed.
    pub(crate) attempts: u32,
    /// A try of it ended without an answer that says it was not stored: a copy may be stored, or be read yet.
    pub(crate) may_be_stored: bool,
    /// When it may be sent again.
    pub(crate) retry_at_ms: u64,
    /// The leader's epoch when it was last sent: a newer leader is tried at once (KIP-951).
    pub(crate) sent_to_epoch: i32,
    pub(crate) stamp: Option<Stamp>,
    /// Why the last try failed.
    pub(crate) last_error: Option<ProduceError>,
    pub(crate) completion: Arc<Completion>,
}

impl Batch {
    /// Whether it takes records: never sent, and no part of a batch that was.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.payload, Payload::Open(_)) && self.stamp.is_none() && self.last_error.is_none()
    }

    /// Bytes it will take in a request; for one that is to be compressed, at most about so many.
    pub(crate) fn size(&self) -> usize {
        match &self.payload {
            Payload::Sealed(bytes) => bytes.len(),
            Payload::Open(_) | Payload::Away => self.uncompressed_size,
        }
    }

    /// The sequence number after its last record's.
    pub(crate) fn next_sequence(&self) -> Option<i32> {
        let stamp = self.stamp?;
        Some(rkafka_record::batch::increment_sequence(stamp.base_sequence, self.record_count))
    }
}
