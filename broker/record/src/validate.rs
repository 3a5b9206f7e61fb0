//! What a leader checks in a batch that a client produced, before it becomes part of the log.
//!
//! Header and records are checked always, since consumers would stop for good at a record they cannot read:
//! uncompressed ones where they lie, others while they are decompressed. Offsets of a client's batch are dense
//! from 0: compaction's gaps are not allowed here.

use thiserror::Error;

use crate::batch::{BatchHeader, BatchRef, NO_TIMESTAMP, TimestampType};
use crate::compression::Codec;
use crate::error::{BatchError, ErrorKind};
use crate::limits::DecodeLimits;
use crate::record::DecodedBatch;
use crate::stream::{self, RecordOutline};

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
/// (KIP-467). Returns the largest timestamp in milliseconds, -1 if none is larger: what a leader stores as max
/// timestamp. Records are not copied; compressed ones pass through a window of
/// [`STREAM_WINDOW`](crate::limits::STREAM_WINDOW) bytes.
///
/// # Errors
/// [`BatchError::Corrupt`] for malformed records, a wrong count or bytes left over; [`BatchError::Invalid`]
/// for offset deltas with gaps or out of order; [`BatchError::Compression`] for what cannot be decompressed
/// within `limits`.
pub fn client_records(
    batch: &BatchRef<'_>,
    limits: DecodeLimits,
    visit: impl FnMut(u32, RecordOutline),
) -> Result<i64, BatchError> {
    let mut checks = Checks { max_timestamp: NO_TIMESTAMP, visit };
    match batch.codec() {
        Codec::None => {
            stream::walk(&batch.header(), batch.record_bytes(), |index, record| checks.take(index, record))
        }
        _ => stream::walk_compressed(batch, limits, |index, record| checks.take(index, record)),
    }?;
    Ok(checks.max_timestamp)
}

/// [`client_records`] for a batch that is decompressed already.
///
/// # Errors
/// As there, but for decompression.
pub fn decoded_client_records(
    batch: &DecodedBatch<'_>,
    visit: impl FnMut(u32, RecordOutline),
) -> Result<i64, BatchError> {
    let mut checks = Checks { max_timestamp: NO_TIMESTAMP, visit };
    stream::walk(&batch.header(), batch.uncompressed(), |index, record| checks.take(index, record))?;
    Ok(checks.max_timestamp)
}

/// What is looked at in every record.
struct Checks<V> {
    max_timestamp: i64,
    visit: V,
}

impl<V: FnMut(u32, RecordOutline)> Checks<V> {
    #[inline]
    fn take(&mut self, index: u32, record: RecordOutline) -> Result<(), Violation> {
        let offset_delta = record.offset_delta;
        if i64::from(offset_delta) != i64::from(index) {
            return Err(Violation::OffsetDelta { index, offset_delta });
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        (self.visit)(index, record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::HEADER_SIZE;
    use crate::builder::{BatchBuilder, BatchOptions};
    use crate::compression::{CompressionError, compress};
    use crate::error::Damage;
    use crate::limits::STREAM_WINDOW;
    use crate::record::Header;

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

    /// The batch with its records compressed, whatever they are.
    fn compressed(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        let mut compressed = bytes[..HEADER_SIZE].to_vec();
        compress(codec.into(), &bytes[HEADER_SIZE..], &mut compressed).unwrap();
        compressed[22] = codec.id();
        with_length(compressed)
    }

    fn with_length(mut bytes: Vec<u8>) -> Vec<u8> {
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Index, timestamp, and whether there is a key.
    type Shown = (u32, i64, bool);

    fn walk(bytes: &[u8], max_bytes: usize) -> Result<(i64, Vec<Shown>), BatchError> {
        let mut shown = Vec::new();
        let batch = BatchRef::parse(bytes).unwrap();
        let visit = |index, record: RecordOutline| shown.push((index, record.timestamp, record.has_key));
        let max_timestamp = client_records(&batch, DecodeLimits::bytes(max_bytes), visit)?;
        Ok((max_timestamp, shown))
    }

    #[test]
    fn records_are_shown_and_their_largest_timestamp_is_found() {
        let bytes = build(BatchOptions::default(), &[(0, 50), (1, 90), (2, -1), (3, 90)]);
        for codec in Codec::ALL {
            let shown = vec![(0, 50, true), (1, 90, false), (2, -1, true), (3, 90, false)];
            assert_eq!(walk(&compressed(codec, &bytes), 1 << 20), Ok((90, shown)), "{codec}");
        }
        let timeless = build(BatchOptions::default(), &[(0, -1), (1, -1)]);
        assert_eq!(walk(&timeless, 1 << 20).map(|(max_timestamp, _)| max_timestamp), Ok(NO_TIMESTAMP));
    }

    /// Records, keys, values and headers that lie across the ends of windows, and ones larger than a window.
    #[test]
    fn records_of_any_size_pass_through_the_window() {
        let sizes = [0, 1, 100, STREAM_WINDOW - 70, STREAM_WINDOW, 3 * STREAM_WINDOW + 5, 10, 0, 7];
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for (time, size) in (0..).zip(sizes.into_iter().cycle().take(100)) {
            let text: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251) as u8).collect();
            let header = Header { key: &text[..size / 3], value: (size % 2 == 0).then_some(&text[..]) };
            builder.append(time, (size > 0).then_some(&text[..]), Some(&text), &[header]).unwrap();
        }
        let bytes = builder.build().unwrap();
        let content = bytes.len() - HEADER_SIZE;
        let plain = walk(&bytes, content).unwrap();
        assert_eq!((plain.0, plain.1.len()), (99, 100));
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let packed = compressed(codec, &bytes);
            assert_eq!(walk(&packed, content).as_ref(), Ok(&plain), "{codec}");
            let max_output = content - 1;
            let too_large = CompressionError::TooLarge { codec, max_output };
            assert_eq!(walk(&packed, max_output), Err(too_large.into()), "{codec}");
        }
    }

    /// Changes the records of a batch of three, and expects an error; the same of compressed ones, which may
    /// notice it at another field.
    fn check_damaged(change: impl FnOnce(&mut Vec<u8>), expected: &BatchError) {
        let mut bytes = build(BatchOptions::default(), &[(0, 0), (1, 0), (2, 0)]);
        change(&mut bytes);
        let bytes = with_length(bytes);
        assert_eq!(&walk(&bytes, 1 << 20).unwrap_err(), expected);
        let record = |error: &BatchError| match error {
            BatchError::Corrupt(Damage::Record { index, .. }) => Err(*index),
            other => Ok(other.clone()),
        };
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let found = walk(&compressed(codec, &bytes), 1 << 20).unwrap_err();
            assert_eq!(record(&found), record(expected), "{codec}: {found}");
        }
    }

    #[test]
    fn bad_records_are_refused() {
        // The first record: length at 61, attributes, timestamp delta, offset delta at 64, key length at 65.
        let delta = |index, offset_delta| Violation::OffsetDelta { index, offset_delta }.into();
        check_damaged(|bytes| bytes[64] = 2, &delta(0, 1));
        check_damaged(|bytes| bytes[64] = 4, &delta(0, 2));
        let damage = |index, field| Damage::Record { index, field }.into();
        check_damaged(|bytes| bytes[64] = 6, &damage(0, "offset delta"));
        check_damaged(|bytes| bytes[64] = 1, &damage(0, "offset delta"));
        check_damaged(|bytes| bytes[61] = 1, &damage(0, "length"));
        check_damaged(|bytes| bytes[61] = 0, &damage(0, "attributes"));
        check_damaged(|bytes| bytes[65] = 0x7e, &damage(0, "key"));
        check_damaged(|bytes| *bytes.last_mut().unwrap() = 2, &damage(2, "header key"));
        check_damaged(|bytes| *bytes.last_mut().unwrap() = 1, &damage(2, "header count"));
        // The last record starts at 88.
        let left_over = damage(2, "length: bytes left over after the headers");
        check_damaged(|bytes| (bytes[88] += 2, bytes.push(0)).1, &left_over);
        check_damaged(|bytes| bytes.push(0), &Damage::LeftOver { bytes: 1 }.into());
        let missing = Damage::MissingRecords { found: 0, record_count: 3 };
        check_damaged(|bytes| bytes.truncate(61), &missing.into());
        check_damaged(|bytes| bytes.truncate(bytes.len() - 1), &damage(2, "length"));
    }

    #[test]
    fn what_cannot_be_decompressed_is_invalid() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let mut bytes = build(BatchOptions::default(), &[(0, 0)]);
            bytes[22] = codec.id();
            let error = walk(&bytes, 1 << 20).unwrap_err();
            assert!(matches!(error, BatchError::Compression(CompressionError::Malformed { .. })), "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidRecord);
        }
    }
}
