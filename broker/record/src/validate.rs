//! What a leader checks in a batch that a client produced, before it becomes part of the log.
//!
//! The header is checked always; the records only where something needs them (a compacted topic, timestamp
//! bounds, a different codec). Offsets of a client's batch are dense from 0: compaction's gaps are not
//! allowed here.

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
    /// Largest timestamp in milliseconds, -1 if none is larger: what the leader stores as max timestamp.
    pub max_timestamp: i64,
    /// Offset delta of the first record with that timestamp, if any is larger than -1.
    pub max_timestamp_offset_delta: Option<i32>,
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

/// Checks every record of a client's batch, whose header is sound, and shows each to `visit` with its
/// position: that is where a caller collects null keys or timestamps out of bounds, to answer them one by one
/// (KIP-467).
///
/// # Errors
/// [`BatchError::Corrupt`] for malformed records, a wrong count or bytes left over; [`BatchError::Invalid`]
/// for offset deltas with gaps or out of order.
pub fn client_records<'b>(
    batch: &'b DecodedBatch<'_>,
    mut visit: impl FnMut(u32, &Record<'b>),
) -> Result<RecordsSummary, BatchError> {
    let mut summary = RecordsSummary {
        record_count: 0,
        null_keys: 0,
        max_timestamp: NO_TIMESTAMP,
        max_timestamp_offset_delta: None,
    };
    for record in batch.records() {
        let record = record?;
        let (index, offset_delta) = (summary.record_count, record.offset_delta);
        if i64::from(offset_delta) != i64::from(index) {
            return Err(Violation::OffsetDelta { index, offset_delta }.into());
        }
        if record.timestamp > summary.max_timestamp {
            summary.max_timestamp = record.timestamp;
            summary.max_timestamp_offset_delta = Some(offset_delta);
        }
        summary.null_keys += u32::from(record.key.is_none());
        summary.record_count += 1;
        visit(index, &record);
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchRef;
    use crate::builder::{BatchBuilder, BatchOptions};
    use crate::error::Damage;
    use crate::limits::DecodeLimits;

    fn build(options: BatchOptions, offsets_and_timestamps: &[(i64, i64)]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(options);
        for &(offset, timestamp) in offsets_and_timestamps {
            let key = (offset % 2 == 0).then_some(b"key".as_slice());
            builder.append_at(offset, timestamp, key, Some(b"value"), &[]).unwrap();
        }
        builder.build().unwrap().to_vec()
    }

    fn check_header(options: BatchOptions, offsets: &[i64], expected: Result<(), Violation>) {
        let records: Vec<_> = offsets.iter().map(|&offset| (offset, 0)).collect();
        let bytes = build(options, &records);
        let batch = BatchRef::parse(&bytes).unwrap();
        assert_eq!(client_header(&batch), expected.map_err(BatchError::from));
    }

    #[test]
    fn headers_of_clients() {
        let plain = BatchOptions::default();
        check_header(plain, &[0, 1, 2], Ok(()));
        check_header(
            BatchOptions { base_offset: 1, ..plain },
            &[1],
            Err(Violation::BaseOffset { base_offset: 1 }),
        );
        check_header(plain, &[0, 2], Err(Violation::RecordCount { record_count: 2, last_offset_delta: 2 }));
        check_header(
            BatchOptions { last_offset: Some(5), ..plain },
            &[0],
            Err(Violation::RecordCount { record_count: 1, last_offset_delta: 5 }),
        );
        check_header(BatchOptions { control: true, ..plain }, &[0], Err(Violation::ControlBatch));
        let idempotent = BatchOptions { producer_id: 7, producer_epoch: 0, base_sequence: 0, ..plain };
        check_header(idempotent, &[0], Ok(()));
        check_header(
            BatchOptions { base_sequence: -1, ..idempotent },
            &[0],
            Err(Violation::Sequence { producer_id: 7, base_sequence: -1 }),
        );
        let append_time = BatchOptions { timestamp_type: TimestampType::LogAppendTime, ..plain };
        check_header(append_time, &[0], Err(Violation::LogAppendTime));
        assert_eq!(Violation::LogAppendTime.kind(), ErrorKind::InvalidTimestamp);
        assert_eq!(Violation::ControlBatch.kind(), ErrorKind::InvalidRecord);
    }

    #[test]
    fn records_are_summed_up_and_shown() {
        let bytes = build(BatchOptions::default(), &[(0, 50), (1, 90), (2, -1), (3, 90)]);
        let decoded = BatchRef::parse(&bytes).unwrap().decode(DecodeLimits::default()).unwrap();
        let mut shown = Vec::new();
        let summary =
            client_records(&decoded, |index, record| shown.push((index, record.timestamp))).unwrap();
        assert_eq!(shown, [(0, 50), (1, 90), (2, -1), (3, 90)]);
        let expected = RecordsSummary {
            record_count: 4,
            null_keys: 2,
            max_timestamp: 90,
            max_timestamp_offset_delta: Some(1),
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn records_without_timestamps_have_no_maximum() {
        let bytes = build(BatchOptions::default(), &[(0, -1), (1, -1)]);
        let decoded = BatchRef::parse(&bytes).unwrap().decode(DecodeLimits::default()).unwrap();
        let summary = client_records(&decoded, |_, _| {}).unwrap();
        assert_eq!((summary.max_timestamp, summary.max_timestamp_offset_delta), (NO_TIMESTAMP, None));
    }

    /// Changes one byte of the records of a batch of three, and expects an error.
    fn check_records(change: impl FnOnce(&mut Vec<u8>), expected: &BatchError) {
        let mut bytes = build(BatchOptions::default(), &[(0, 0), (1, 0), (2, 0)]);
        change(&mut bytes);
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let decoded = BatchRef::parse(&bytes).unwrap().decode(DecodeLimits::default()).unwrap();
        assert_eq!(&client_records(&decoded, |_, _| {}).unwrap_err(), expected);
    }

    #[test]
    fn bad_records_are_refused() {
        // The first record: length at 61, attributes, timestamp delta, offset delta at 64, key length at 65.
        let delta = |index, offset_delta| Violation::OffsetDelta { index, offset_delta }.into();
        check_records(|bytes| bytes[64] = 2, &delta(0, 1));
        check_records(|bytes| bytes[64] = 4, &delta(0, 2));
        let damage = |index, field| Damage::Record { index, field }.into();
        check_records(|bytes| bytes[64] = 6, &damage(0, "offset delta"));
        check_records(|bytes| bytes[64] = 1, &damage(0, "offset delta"));
        check_records(|bytes| bytes[61] = 1, &damage(0, "length"));
        check_records(|bytes| bytes[61] = 0, &damage(0, "attributes"));
        check_records(|bytes| bytes[65] = 0x7e, &damage(0, "key"));
        check_records(|bytes| *bytes.last_mut().unwrap() = 2, &damage(2, "header key"));
        check_records(|bytes| *bytes.last_mut().unwrap() = 1, &damage(2, "header count"));
        // The last record starts at 88.
        let left_over = damage(2, "length: bytes left over after the headers");
        check_records(|bytes| (bytes[88] += 2, bytes.push(0)).1, &left_over);
        check_records(|bytes| bytes.push(0), &Damage::LeftOver { bytes: 1 }.into());
        check_records(
            |bytes| bytes.truncate(61),
            &Damage::MissingRecords { found: 0, record_count: 3 }.into(),
        );
        check_records(|bytes| bytes.truncate(bytes.len() - 1), &damage(2, "length"));
    }
}
