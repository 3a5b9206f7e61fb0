//! A record batch of message format 2 where it lies: a view of bytes, never a copy.
//!
//! ```text
//!  byte  0 ┌──────────────────────────────┐
//!          │ base offset              i64 │ outside the CRC: the leader assigns it
//!        8 ├──────────────────────────────┤
//!          │ batch length             i32 │ bytes after this field (size - 12)
//!       12 ├──────────────────────────────┤
//!          │ partition leader epoch   i32 │ outside the CRC: the leader assigns it
//!       16 ├──────────────────────────────┤
//!          │ magic = 2                 i8 │
//!       17 ├──────────────────────────────┤
//!          │ CRC-32C                  u32 │ of everything below
//!       21 ├──────────────────────────────┤
//!          │ attributes               i16 │ bits 0-2 codec, 3 timestamp type, 4 transactional,
//!          │                              │ 5 control, 6 delete horizon
//!       23 ├──────────────────────────────┤
//!          │ last offset delta        i32 │ kept by compaction, so also of a record that is gone
//!       27 ├──────────────────────────────┤
//!          │ base timestamp           i64 │ milliseconds; with bit 6 the delete horizon (KIP-534)
//!       35 ├──────────────────────────────┤
//!          │ max timestamp            i64 │ with bit 3 the time of the append
//!       43 ├──────────────────────────────┤
//!          │ producer id              i64 │ -1: none
//!       51 ├──────────────────────────────┤
//!          │ producer epoch           i16 │
//!       53 ├──────────────────────────────┤
//!          │ base sequence            i32 │ -1: none
//!       57 ├──────────────────────────────┤
//!          │ record count             i32 │ 0 after compaction took the last record
//!       61 ├──────────────────────────────┤
//!          │ records …                    │ compressed as one piece if a codec is set
//!          └──────────────────────────────┘
//! ```
//! All numbers are big-endian.

use std::ops::Deref;

use crate::compression::Codec;
use crate::crc;
use crate::error::{BatchError, Damage};
use crate::legacy;

/// Bytes of a header, before the records.
pub const HEADER_SIZE: usize = 61;
/// Bytes before those which the length field counts: base offset and the length itself.
pub const LENGTH_OVERHEAD: usize = 12;
/// The message format of this crate.
pub const MAGIC: i8 = 2;

/// The absent producer id.
pub const NO_PRODUCER_ID: i64 = -1;
/// The absent producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The absent sequence number.
pub const NO_SEQUENCE: i32 = -1;
/// The absent timestamp.
pub const NO_TIMESTAMP: i64 = -1;
/// The absent partition leader epoch.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

pub(crate) const BASE_OFFSET_AT: usize = 0;
pub(crate) const BATCH_LENGTH_AT: usize = 8;
pub(crate) const PARTITION_LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
pub(crate) const PRODUCER_ID_AT: usize = 43;
pub(crate) const PRODUCER_EPOCH_AT: usize = 51;
pub(crate) const BASE_SEQUENCE_AT: usize = 53;
pub(crate) const RECORD_COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0b0000_0111;
pub(crate) const TIMESTAMP_TYPE_BIT: i16 = 0b0000_1000;
pub(crate) const TRANSACTIONAL_BIT: i16 = 0b0001_0000;
pub(crate) const CONTROL_BIT: i16 = 0b0010_0000;
pub(crate) const DELETE_HORIZON_BIT: i16 = 0b0100_0000;

/// Least length field of format 2.
const BATCH_LENGTH_MIN: i32 = (HEADER_SIZE - LENGTH_OVERHEAD) as i32;

/// Who set the timestamps of a batch (KIP-32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer did: each record has its own.
    #[default]
    CreateTime,
    /// The leader did, at append: the batch's max timestamp is that of all its records.
    LogAppendTime,
}

/// The 61 header bytes of a batch, checked to be consistent in themselves. The records need not be there: a
/// reader of a segment can load headers alone.
#[derive(Clone, Copy)]
pub struct BatchHeader<'a> {
    bytes: &'a [u8; HEADER_SIZE],
    codec: Codec,
}

/// One whole batch in a byte slice: header and records. Its CRC is checked only by [`BatchRef::check_crc`].
#[derive(Clone, Copy)]
pub struct BatchRef<'a> {
    header: BatchHeader<'a>,
    bytes: &'a [u8],
}

impl<'a> BatchHeader<'a> {
    /// Views the header at the start of `buf`; whatever follows is not looked at.
    ///
    /// # Errors
    /// [`BatchError::Incomplete`] if fewer than 61 bytes are there; [`BatchError::UnsupportedMagic`],
    /// [`BatchError::UnknownCodec`] or [`BatchError::Corrupt`] if the header cannot be one of format 2.
    #[inline]
    pub fn parse(buf: &'a [u8]) -> Result<Self, BatchError> {
        if let Some(start) = buf.first_chunk::<{ MAGIC_AT + 1 }>() {
            check_start(start)?;
        }
        let Some(bytes) = buf.first_chunk::<HEADER_SIZE>() else {
            return Err(BatchError::Incomplete { need: needed(buf), have: buf.len() });
        };
        let id = (i16_at(bytes, ATTRIBUTES_AT) & CODEC_MASK) as u8;
        let codec = Codec::from_id(id).ok_or(BatchError::UnknownCodec { id })?;
        let header = Self { bytes, codec };
        header.check_counts()?;
        Ok(header)
    }

    fn check_counts(&self) -> Result<(), Damage> {
        let (base_offset, last_offset_delta) = (self.base_offset(), self.last_offset_delta());
        if base_offset < 0
            || last_offset_delta < 0
            || base_offset > i64::MAX - i64::from(last_offset_delta) - 1
        {
            return Err(Damage::Offsets { base_offset, last_offset_delta });
        }
        let record_count = self.record_count();
        if record_count < 0 || i64::from(record_count) > i64::from(last_offset_delta) + 1 {
            return Err(Damage::RecordCount { record_count, last_offset_delta });
        }
        Ok(())
    }

    /// Bytes of the whole batch, header included.
    #[inline]
    #[must_use]
    pub fn size(&self) -> usize {
        self.batch_length() as usize + LENGTH_OVERHEAD
    }

    /// The header as it lies.
    #[inline]
    #[must_use]
    pub fn header_bytes(&self) -> &'a [u8; HEADER_SIZE] {
        self.bytes
    }

    /// The length field: bytes after itself, at least 49.
    #[inline]
    #[must_use]
    pub fn batch_length(&self) -> i32 {
        i32_at(self.bytes, BATCH_LENGTH_AT)
    }

    /// Offset of the first record (or where it was before compaction).
    #[inline]
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        i64_at(self.bytes, BASE_OFFSET_AT)
    }

    /// Offset of the last record (or where it was before compaction).
    #[inline]
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset() + i64::from(self.last_offset_delta())
    }

    /// The offset after the last one.
    #[inline]
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// Epoch of the leader that appended the batch; -1 if none did yet.
    #[inline]
    #[must_use]
    pub fn partition_leader_epoch(&self) -> i32 {
        i32_at(self.bytes, PARTITION_LEADER_EPOCH_AT)
    }

    /// The stored CRC-32C, unchecked.
    #[inline]
    #[must_use]
    pub fn crc(&self) -> u32 {
        i32_at(self.bytes, CRC_AT) as u32
    }

    /// The attribute bits.
    #[inline]
    #[must_use]
    pub fn attributes(&self) -> i16 {
        i16_at(self.bytes, ATTRIBUTES_AT)
    }

    /// Last offset minus base offset.
    #[inline]
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32_at(self.bytes, LAST_OFFSET_DELTA_AT)
    }

    /// What record timestamps are relative to, in milliseconds: the first record's timestamp or the delete
    /// horizon.
    #[inline]
    #[must_use]
    pub fn base_timestamp(&self) -> i64 {
        i64_at(self.bytes, BASE_TIMESTAMP_AT)
    }

    /// Largest timestamp in milliseconds as the header says.
    #[inline]
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        i64_at(self.bytes, MAX_TIMESTAMP_AT)
    }

    /// Id of the producer, -1 if it is neither idempotent nor transactional.
    #[inline]
    #[must_use]
    pub fn producer_id(&self) -> i64 {
        i64_at(self.bytes, PRODUCER_ID_AT)
    }

    /// Epoch of the producer, -1 if there is none.
    #[inline]
    #[must_use]
    pub fn producer_epoch(&self) -> i16 {
        i16_at(self.bytes, PRODUCER_EPOCH_AT)
    }

    /// Sequence number of the first record, -1 if there is none.
    #[inline]
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        i32_at(self.bytes, BASE_SEQUENCE_AT)
    }

    /// Sequence number of the last record, -1 if there is none. Sequences go from `i32::MAX` on to 0.
    #[inline]
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            NO_SEQUENCE => NO_SEQUENCE,
            base_sequence => increment_sequence(base_sequence, self.last_offset_delta()),
        }
    }

    /// Number of records that are there, 0 to last offset delta + 1.
    #[inline]
    #[must_use]
    pub fn record_count(&self) -> i32 {
        i32_at(self.bytes, RECORD_COUNT_AT)
    }

    /// Holds control records (transaction markers), which consumers never see.
    #[inline]
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL_BIT != 0
    }

    /// Part of a transaction.
    #[inline]
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL_BIT != 0
    }

    /// From an idempotent or transactional producer.
    #[inline]
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id() > NO_PRODUCER_ID
    }

    /// How the records are compressed.
    #[inline]
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Who set the timestamps.
    #[inline]
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes() & TIMESTAMP_TYPE_BIT {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// When tombstones and markers of this batch may go, in milliseconds, if compaction has decided
    /// (KIP-534).
    #[inline]
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes() & DELETE_HORIZON_BIT != 0).then(|| self.base_timestamp())
    }

    /// The header with the offset and epoch a leader assigns. Both are outside the CRC: it stays valid.
    #[inline]
    #[must_use]
    pub fn patched_header(&self, base_offset: i64, partition_leader_epoch: i32) -> [u8; HEADER_SIZE] {
        let mut header = *self.bytes;
        put(&mut header, BASE_OFFSET_AT, base_offset.to_be_bytes());
        put(&mut header, PARTITION_LEADER_EPOCH_AT, partition_leader_epoch.to_be_bytes());
        header
    }

    /// [`Self::patched_header`], and the timestamp type and max timestamp replaced and the CRC brought in
    /// line. The records are not read; a CRC that was wrong before stays wrong.
    #[must_use]
    pub fn patched_header_with_timestamp(
        &self,
        base_offset: i64,
        partition_leader_epoch: i32,
        timestamp_type: TimestampType,
        max_timestamp: i64,
    ) -> [u8; HEADER_SIZE] {
        let mut header = self.patched_header(base_offset, partition_leader_epoch);
        let attributes = match timestamp_type {
            TimestampType::CreateTime => self.attributes() & !TIMESTAMP_TYPE_BIT,
            TimestampType::LogAppendTime => self.attributes() | TIMESTAMP_TYPE_BIT,
        };
        put(&mut header, ATTRIBUTES_AT, attributes.to_be_bytes());
        put(&mut header, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
        let records_len = self.size() - HEADER_SIZE;
        let (old, new) = (&self.bytes[ATTRIBUTES_AT..], &header[ATTRIBUTES_AT..]);
        let crc = crc::replace_prefix(self.crc(), old, new, records_len);
        put(&mut header, CRC_AT, crc.to_be_bytes());
        header
    }

    /// [`Self::patched_header_with_timestamp`] for a topic with `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub fn patched_header_log_append_time(
        &self,
        base_offset: i64,
        partition_leader_epoch: i32,
        log_append_time_ms: i64,
    ) -> [u8; HEADER_SIZE] {
        let timestamp_type = TimestampType::LogAppendTime;
        self.patched_header_with_timestamp(
            base_offset,
            partition_leader_epoch,
            timestamp_type,
            log_append_time_ms,
        )
    }
}

impl std::fmt::Debug for BatchHeader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchHeader")
            .field("base_offset", &self.base_offset())
            .field("last_offset_delta", &self.last_offset_delta())
            .field("size", &self.size())
            .field("partition_leader_epoch", &self.partition_leader_epoch())
            .field("attributes", &self.attributes())
            .field("base_timestamp", &self.base_timestamp())
            .field("max_timestamp", &self.max_timestamp())
            .field("producer_id", &self.producer_id())
            .field("producer_epoch", &self.producer_epoch())
            .field("base_sequence", &self.base_sequence())
            .field("record_count", &self.record_count())
            .finish()
    }
}

impl<'a> BatchRef<'a> {
    /// Views the first batch of `buf`; what follows it is not looked at.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`], and [`BatchError::Incomplete`] if the records are not all there.
    #[inline]
    pub fn parse(buf: &'a [u8]) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(buf)?;
        match buf.get(..header.size()) {
            Some(bytes) => Ok(Self { header, bytes }),
            None => Err(BatchError::Incomplete { need: header.size(), have: buf.len() }),
        }
    }

    /// The whole batch as it lies.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header alone.
    #[inline]
    #[must_use]
    pub fn header(&self) -> BatchHeader<'a> {
        self.header
    }

    /// The records as they lie: compressed if [`BatchHeader::codec`] says so.
    #[inline]
    #[must_use]
    pub fn record_bytes(&self) -> &'a [u8] {
        &self.bytes[HEADER_SIZE..]
    }

    /// Compares the stored CRC-32C with that of the bytes.
    ///
    /// # Errors
    /// [`Damage::Crc`] as [`BatchError::Corrupt`].
    #[inline]
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), crc::crc32c(&self.bytes[ATTRIBUTES_AT..]));
        if stored == computed { Ok(()) } else { Err(Damage::Crc { stored, computed }.into()) }
    }
}

impl<'a> Deref for BatchRef<'a> {
    type Target = BatchHeader<'a>;

    #[inline]
    fn deref(&self) -> &BatchHeader<'a> {
        &self.header
    }
}

impl std::fmt::Debug for BatchRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.header.fmt(f)
    }
}

/// The batches of a slice, one after the other. Ends at the end of the slice, or after the first error.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    buf: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Batches from the start of `buf`.
    #[must_use]
    pub fn new(buf: &'a [u8]) -> Self {
        Self { buf, position: 0, failed: false }
    }

    /// Bytes of the whole batches handed out so far: where the next one starts, or where the damage is.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchRef<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.buf.get(self.position..).filter(|rest| !rest.is_empty() && !self.failed)?;
        let batch = BatchRef::parse(rest);
        match &batch {
            Ok(batch) => self.position += batch.size(),
            Err(_) => self.failed = true,
        }
        Some(batch)
    }
}

impl std::iter::FusedIterator for Batches<'_> {}

/// The sequence number `increment` after `sequence`; `i32::MAX` is followed by 0.
#[inline]
#[must_use]
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    ((i64::from(sequence) + i64::from(increment)) & i64::from(i32::MAX)) as i32
}

/// Checks magic and length, which decide whether the other fields mean anything.
#[inline]
fn check_start(start: &[u8; MAGIC_AT + 1]) -> Result<(), BatchError> {
    let batch_length = i32_at(start, BATCH_LENGTH_AT);
    let magic = start[MAGIC_AT] as i8;
    if magic != MAGIC {
        return Err(legacy::refuse(magic, batch_length));
    }
    if batch_length < BATCH_LENGTH_MIN {
        return Err(Damage::BatchLength { batch_length, minimum: BATCH_LENGTH_MIN }.into());
    }
    Ok(())
}

/// Bytes needed from the start of `buf`, whose start is sound as far as it goes.
#[cold]
fn needed(buf: &[u8]) -> usize {
    match buf.first_chunk::<{ MAGIC_AT + 1 }>() {
        Some(start) => i32_at(start, BATCH_LENGTH_AT) as usize + LENGTH_OVERHEAD,
        None => HEADER_SIZE,
    }
}

// The offsets below are the constants above: always inside the array, so the compiler drops the checks.

#[inline(always)]
fn array_at<const N: usize, const M: usize>(bytes: &[u8; N], at: usize) -> [u8; M] {
    let mut out = [0; M];
    out.copy_from_slice(&bytes[at..at + M]);
    out
}

#[inline(always)]
fn i64_at<const N: usize>(bytes: &[u8; N], at: usize) -> i64 {
    i64::from_be_bytes(array_at(bytes, at))
}

#[inline(always)]
fn i32_at<const N: usize>(bytes: &[u8; N], at: usize) -> i32 {
    i32::from_be_bytes(array_at(bytes, at))
}

#[inline(always)]
fn i16_at<const N: usize>(bytes: &[u8; N], at: usize) -> i16 {
    i16::from_be_bytes(array_at(bytes, at))
}

#[inline(always)]
pub(crate) fn put<const M: usize>(header: &mut [u8; HEADER_SIZE], at: usize, value: [u8; M]) {
    header[at..at + M].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{BatchBuilder, BatchOptions};
    use crate::error::ErrorKind;

    /// A batch of two records from offset 10.
    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset: 10, ..BatchOptions::default() });
        builder.append(1000, None, Some(b"a"), &[]).unwrap();
        builder.append(1005, Some(b"k"), Some(b"b"), &[]).unwrap();
        builder.build().unwrap().to_vec()
    }

    fn check_refused<const M: usize>(at: usize, value: [u8; M], expected: &BatchError) {
        let mut bytes = batch();
        bytes[at..at + M].copy_from_slice(&value);
        assert_eq!(&BatchRef::parse(&bytes).unwrap_err(), expected);
    }

    #[test]
    fn inconsistent_headers_are_refused() {
        let offsets =
            |base_offset, last_offset_delta| Damage::Offsets { base_offset, last_offset_delta }.into();
        check_refused(BASE_OFFSET_AT, (-1_i64).to_be_bytes(), &offsets(-1, 1));
        check_refused(BASE_OFFSET_AT, (i64::MAX - 1).to_be_bytes(), &offsets(i64::MAX - 1, 1));
        check_refused(LAST_OFFSET_DELTA_AT, (-1_i32).to_be_bytes(), &offsets(10, -1));
        let counts = |record_count| Damage::RecordCount { record_count, last_offset_delta: 1 }.into();
        check_refused(RECORD_COUNT_AT, 3_i32.to_be_bytes(), &counts(3));
        check_refused(RECORD_COUNT_AT, (-1_i32).to_be_bytes(), &counts(-1));
        check_refused(RECORD_COUNT_AT, i32::MAX.to_be_bytes(), &counts(i32::MAX));
        check_refused(ATTRIBUTES_AT, 5_i16.to_be_bytes(), &BatchError::UnknownCodec { id: 5 });
        check_refused(ATTRIBUTES_AT, 7_i16.to_be_bytes(), &BatchError::UnknownCodec { id: 7 });
    }

    #[test]
    fn the_largest_offsets_are_accepted() {
        let mut bytes = batch();
        bytes[..8].copy_from_slice(&(i64::MAX - 2).to_be_bytes());
        let batch = BatchRef::parse(&bytes).unwrap();
        assert_eq!((batch.last_offset(), batch.next_offset()), (i64::MAX - 1, i64::MAX));
    }

    #[test]
    fn a_cut_batch_says_how_much_it_needs() {
        let bytes = batch();
        for have in 0..bytes.len() {
            // Before the length and the magic can be read, the header is all that is known to be needed.
            let need = if have <= MAGIC_AT { HEADER_SIZE } else { bytes.len() };
            let error = BatchRef::parse(&bytes[..have]).unwrap_err();
            assert_eq!(error, BatchError::Incomplete { need, have });
            assert_eq!(error.kind(), ErrorKind::Incomplete);
        }
        assert!(BatchHeader::parse(&bytes[..HEADER_SIZE]).is_ok(), "a header alone is enough for its view");
    }

    #[test]
    fn sequences_wrap() {
        for (sequence, increment, expected) in [
            (0, 0, 0),
            (5, 3, 8),
            (i32::MAX, 0, i32::MAX),
            (i32::MAX, 1, 0),
            (i32::MAX - 1, 4, 2),
            (i32::MAX, i32::MAX, i32::MAX - 1),
        ] {
            assert_eq!(increment_sequence(sequence, increment), expected, "{sequence} + {increment}");
        }
    }

    #[test]
    fn batches_end_at_the_first_damage() {
        let one = batch();
        let mut two = one.clone();
        two[BATCH_LENGTH_AT] = 0xff;
        let buf = [one.as_slice(), &one, &two, &one].concat();
        let mut batches = Batches::new(&buf);
        assert_eq!(batches.next().unwrap().unwrap().bytes(), one);
        assert_eq!(batches.next().unwrap().unwrap().bytes(), one);
        assert_eq!(batches.next().unwrap().unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(batches.next().is_none());
        assert_eq!(batches.position(), 2 * one.len());
    }

    #[test]
    fn a_wrong_crc_is_found_and_survives_patching() {
        let mut bytes = batch();
        *bytes.last_mut().unwrap() ^= 1;
        let damaged = BatchRef::parse(&bytes).unwrap();
        assert!(matches!(damaged.check_crc(), Err(BatchError::Corrupt(Damage::Crc { .. }))));
        let header = damaged.patched_header_log_append_time(7, 3, 9999);
        let patched = [header.as_slice(), damaged.record_bytes()].concat();
        assert!(BatchRef::parse(&patched).unwrap().check_crc().is_err(), "patching must not launder damage");
    }
}
