//! What a leader checks in a batch that a client produced, before it becomes part of the log.
//!
//! The header is checked always; the records only where something needs them (a compacted topic, timestamp bounds, a
//! different codec). Offsets of a client's batch are dense from 0: compaction's gaps are not allowed here.

use thiserror::Error;

use crate::batch::{BatchHeader, NO_TIMESTAMP, TimestampType};
use crate::error::{BatchError, ErrorKind};
use crate::record::{DecodedBatch, Record};

/// A rule that a client's batch breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// Clients number their records from 0; the leader assigns offsets.
    #[error("base offset of a produced batch must be 0, not {base_offset}")]
    BaseOffset {
        /// Base offset of the header.
        base_offset: i64,
    },
    /// A batch without records, or with gaps.
    #[error("{record_count} records cannot have the last offset delta {last_offset_delta}")]
    RecordCount {
        /// Record count of the header.
        record_count: i32,
        /// Last offset delta of the header.
        last_offset_delta: i32,
    },
    /// Control records are the coordinator's.
    #[error("clients must not write control batches")]
    ControlBatch,
    /// A producer id without a sequence number.
    #[error("base sequence {base_sequence} of producer id {producer_id} must not be negative")]
    Sequence {
        /// Producer id of the header.
        producer_id: i64,
        /// Base sequence of the header.
        base_sequence: i32,
    },
    /// Only the leader sets append times.
    #[error("clients must not send batches with timestamp type LogAppendTime")]
    LogAppendTime,
    /// Records must be numbered 0, 1, 2, …
    #[error("record {index} has the offset delta {offset_delta}")]
    OffsetDelta {
        /// Position of the record in the batch, from 0.
        index: u32,
        /// Its offset delta.
        offset_delta: i32,
    },
}

impl Violation {
    /// The class of this violation.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LogAppendTime => ErrorKind::InvalidTimestamp,
            Self::BaseOffset { .. }
            | Self::RecordCount { .. }
            | Self::ControlBatch
            | Self::Sequence { .. }
            | Self::OffsetDelta { .. } => ErrorKind::InvalidRecord,
        }
    }
}

/// What the records of a client's batch add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSummary {
    /// Records seen, equal to the header's count.
    pub record_count: u32,
    /// Records without a key: a compacted topic refuses them.
    pub null_keys: u32,
    /// Largest timestamp in milliseconds, -1 if none is larger.
    pub max_timestamp: i64,
    /// Offset delta of the first record with that timestamp; the last record's if there is none.
    pub max_timestamp_offset_delta: i32,
}

/// Checks the header of a client's batch.
///
/// # Errors
/// The first [`Violation`], as [`BatchError::Invalid`].
pub fn client_header(header: &BatchHeader<'_>) -> Result<(), BatchError> {
    let (base_offset, base_sequence) = (header.base_offset(), header.base_sequence());
    if base_offset != 0 {
        return Err(Violation::BaseOffset { base_offset }.into());
    }
    let (record_count, last_offset_delta) = (header.record_count(), header.last_offset_delta());
    if record_count <= 0 || i64::from(record_count) != i64::from(last_offset_delta) + 1 {
        return Err(Violation::RecordCount { record_count, last_offset_delta }.into());
    }
    if header.is_control() {
        return Err(Violation::ControlBatch.into());
    }
    if header.has_producer_id() && base_sequence < 0 {
        return Err(Violation::Sequence { producer_id: header.producer_id(), base_sequence }.into());
    }
    if header.timestamp_type() == TimestampType::LogAppendTime {
        return Err(Violation::LogAppendTime.into());
    }
    Ok(())
}

/// Checks every record of a client's batch, whose header is sound, and shows each to `visit` with its position: that
/// is where a caller collects null keys or timestamps out of bounds, to answer them one by one (KIP-467).
///
/// # Errors
/// [`BatchError::Corrupt`] for malformed records, a wrong count or bytes left over; [`BatchError::Invalid`] for
/// offset deltas with gaps or out of order.
pub fn client_records<'b>(
    batch: &'b DecodedBatch<'_>,
    mut visit: impl FnMut(u32, &Record<'b>),
) -> Result<RecordsSummary, BatchError> {
    let mut summary = RecordsSummary {
        record_count: 0,
        null_keys: 0,
        max_timestamp: NO_TIMESTAMP,
        max_timestamp_offset_delta: batch.header().last_offset_delta(),
    };
    for record in batch.records() {
        let record = record?;
        let (index, offset_delta) = (summary.record_count, record.offset_delta);
        if i64::from(offset_delta) != i64::from(index) {
            return Err(Violation::OffsetDelta { index, offset_delta }.into());
        }
        if record.timestamp > summary.max_timestamp {
            summary.max_timestamp = record.timestamp;
            summary.max_timestamp_offset_delta = offset_delta;
        }
        summary.null_keys += u32::from(record.key.is_none());
        summary.record_count += 1;
        visit(index, &record);
    }
    Ok(summary)
}
