//! New batches: of clients, coordinators, control records, and what compaction leaves of old ones.
//!
//! Uncompressed output is byte for byte what Apache Kafka's builder writes for the same input.

use bytes::Bytes;
use thiserror::Error;

use crate::batch::{
    self, BatchHeader, BatchRef, HEADER_SIZE, LENGTH_OVERHEAD, MAGIC, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use crate::compression::{self, Codec, Compression, CompressionError};
use crate::crc;
use crate::limits::BATCH_SIZE_MAX;
use crate::record::{Header, Record};
use crate::varint;

/// Everything of a header that does not follow from the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Offset of the first record; a client's is 0.
    pub base_offset: i64,
    /// Epoch of the leader that writes it, -1 for a client.
    pub partition_leader_epoch: i32,
    /// Codec and level.
    pub compression: Compression,
    /// Who sets the timestamps.
    pub timestamp_type: TimestampType,
    /// Append time in milliseconds, taken as max timestamp if `timestamp_type` is LogAppendTime.
    pub log_append_time_ms: i64,
    /// Id of an idempotent or transactional producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub transactional: bool,
    /// Control records.
    pub control: bool,
    /// Last offset if it is not that of the last record: compaction keeps the range of the old batch.
    pub last_offset: Option<i64>,
    /// When tombstones and markers may go, in milliseconds (KIP-534); takes the place of the base timestamp.
    pub delete_horizon_ms: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            compression: Compression::default(),
            timestamp_type: TimestampType::CreateTime,
            log_append_time_ms: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
            last_offset: None,
            delete_horizon_ms: None,
        }
    }
}

impl BatchOptions {
    /// Options that rewrite `old` with fewer records: same offsets, producer, flags and codec. Set
    /// `delete_horizon_ms` to decide on one; an old one is kept.
    #[must_use]
    pub fn retaining(old: &BatchHeader<'_>) -> Self {
        Self {
            base_offset: old.base_offset(),
            partition_leader_epoch: old.partition_leader_epoch(),
            compression: old.codec().into(),
            timestamp_type: old.timestamp_type(),
            log_append_time_ms: old.max_timestamp(),
            producer_id: old.producer_id(),
            producer_epoch: old.producer_epoch(),
            base_sequence: old.base_sequence(),
            transactional: old.is_transactional(),
            control: old.is_control(),
            last_offset: Some(old.last_offset()),
            delete_horizon_ms: old.delete_horizon_ms(),
        }
    }
}

/// Why a batch cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Offsets must rise, from the base offset to at most 2^31 - 1 beyond it.
    #[error("offset {offset} cannot follow in a batch from {base_offset} whose next offset is {next_offset}")]
    Offset {
        /// The offset that was asked for.
        offset: i64,
        /// Base offset of the batch.
        base_offset: i64,
        /// Least offset that would do.
        next_offset: i64,
    },
    /// Sizes are signed 32-bit numbers.
    #[error("the batch would have {size} bytes, more than {BATCH_SIZE_MAX}: start another one earlier")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// A new batch has at least one record; use [`empty_batch`] for one that compaction emptied.
    #[error("a batch needs at least one record")]
    Empty,
    /// The codec failed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

/// Collects records and gives one batch. Owned by one task; nothing is shared.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the encoded records, not compressed: what is not to be compressed is finished
    /// where it lies.
    batch: Vec<u8>,
    record_count: i32,
    next_offset: i64,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    max_timestamp_offset: i64,
    /// Encoded headers of the record being added; kept for its room.
    headers: Vec<u8>,
}

impl BatchBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new(options: BatchOptions) -> Self {
        Self::with_capacity(options, HEADER_SIZE)
    }

    /// An empty builder with room for a batch of `capacity` bytes, header included, before it is compressed.
    #[must_use]
    pub fn with_capacity(options: BatchOptions, capacity: usize) -> Self {
        let mut batch = Vec::with_capacity(capacity.max(HEADER_SIZE));
        batch.resize(HEADER_SIZE, 0);
        Self {
            options,
            batch,
            record_count: 0,
            next_offset: options.base_offset,
            base_timestamp: options.delete_horizon_ms,
            max_timestamp: NO_TIMESTAMP,
            max_timestamp_offset: -1,
            headers: Vec::new(),
        }
    }

    /// Adds a record at the next offset, which is returned.
    ///
    /// # Errors
    /// [`BuildError::Offset`] after 2^31 offsets, [`BuildError::TooLarge`]; the record is then not added.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<i64, BuildError> {
        let offset = self.next_offset;
        self.append_at(offset, timestamp, key, value, headers)?;
        Ok(offset)
    }

    /// Adds a record at an offset of the caller's choice, larger than the last one.
    ///
    /// # Errors
    /// [`BuildError::Offset`], [`BuildError::TooLarge`]; the record is then not added.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        let mut encoded = std::mem::take(&mut self.headers);
        encoded.clear();
        for header in headers {
            write_nullable(Some(header.key), &mut encoded);
            write_nullable(header.value, &mut encoded);
        }
        let result = self.push(offset, timestamp, key, value, headers.len(), &encoded);
        self.headers = encoded;
        result
    }

    /// Adds a record of another batch with its offset, timestamp and headers: what compaction keeps.
    ///
    /// # Errors
    /// [`BuildError::Offset`], [`BuildError::TooLarge`]; the record is then not added.
    pub fn append_record(&mut self, record: &Record<'_>) -> Result<(), BuildError> {
        let Record { offset, timestamp, key, value, .. } = *record;
        self.push(offset, timestamp, key, value, record.header_count() as usize, record.header_bytes())
    }

    fn push(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header_count: usize,
        headers: &[u8],
    ) -> Result<(), BuildError> {
        let offset_delta = self.offset_delta(offset)?;
        let base_timestamp = self.base_timestamp.unwrap_or(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let length = 1
            + varint::size_of(timestamp_delta)
            + varint::size_of(i64::from(offset_delta))
            + size_of_nullable(key)
            + size_of_nullable(value)
            + varint::size_of(header_count as i64)
            + headers.len();
        self.check_size(length)?;
        let out = &mut self.batch;
        out.reserve(length + varint::VARINT_BYTES_MAX);
        varint::write_i64(length as i64, out);
        out.push(0);
        varint::write_i64(timestamp_delta, out);
        varint::write_i32(offset_delta, out);
        write_nullable(key, out);
        write_nullable(value, out);
        varint::write_i64(header_count as i64, out);
        out.extend_from_slice(headers);

        self.base_timestamp = Some(base_timestamp);
        self.record_count += 1;
        self.next_offset = offset + 1;
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.max_timestamp_offset = offset;
        }
        Ok(())
    }

    fn offset_delta(&self, offset: i64) -> Result<i32, BuildError> {
        let (base_offset, next_offset) = (self.options.base_offset, self.next_offset);
        let refused = BuildError::Offset { offset, base_offset, next_offset };
        if offset < next_offset || self.options.last_offset.is_some_and(|last_offset| offset > last_offset) {
            return Err(refused);
        }
        offset.checked_sub(base_offset).and_then(|delta| i32::try_from(delta).ok()).ok_or(refused)
    }

    fn check_size(&self, length: usize) -> Result<(), BuildError> {
        let size = self.uncompressed_size().saturating_add(length).saturating_add(varint::VARINT_BYTES_MAX);
        if size > BATCH_SIZE_MAX { Err(BuildError::TooLarge { size }) } else { Ok(()) }
    }

    /// Whether no record was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Records added so far.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// The offset that [`Self::append`] gives next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Bytes of the batch so far, header included, if it were not compressed.
    #[must_use]
    pub fn uncompressed_size(&self) -> usize {
        self.batch.len()
    }

    /// Largest timestamp added so far with the offset of its first record, if any is not negative.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<(i64, i64)> {
        (self.max_timestamp > NO_TIMESTAMP).then_some((self.max_timestamp, self.max_timestamp_offset))
    }

    /// The batch.
    ///
    /// # Errors
    /// [`BuildError::Empty`], [`BuildError::TooLarge`], [`BuildError::Compression`].
    pub fn build(&self) -> Result<Bytes, BuildError> {
        let mut out = Vec::with_capacity(self.uncompressed_size());
        self.build_into(&mut out)?;
        Ok(out.into())
    }

    /// Appends the batch to `out`.
    ///
    /// # Errors
    /// As [`Self::build`]; `out` is then as it was.
    pub fn build_into(&self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let start = out.len();
        let result = self.write(out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        if self.is_empty() {
            return Err(BuildError::Empty);
        }
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_SIZE]);
        compression::compress(self.options.compression, &self.batch[HEADER_SIZE..], out)?;
        seal(&self.options, &self.computed(), &mut out[start..])
    }

    /// The batch, finished where it lies unless it is to be compressed: records are not copied again.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn finish(mut self) -> Result<Bytes, BuildError> {
        if self.options.compression.codec != Codec::None {
            return self.build();
        }
        if self.is_empty() {
            return Err(BuildError::Empty);
        }
        let computed = self.computed();
        seal(&self.options, &computed, &mut self.batch)?;
        Ok(self.batch.into())
    }

    /// Sets whose batch it is: idempotent producers know their sequence number only when they send.
    pub fn set_producer(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) {
        self.options = BatchOptions { producer_id, producer_epoch, base_sequence, ..self.options };
    }

    fn computed(&self) -> Computed {
        let max_timestamp = match self.options.timestamp_type {
            TimestampType::CreateTime => self.max_timestamp,
            TimestampType::LogAppendTime => self.options.log_append_time_ms,
        };
        Computed {
            last_offset: self.options.last_offset.unwrap_or(self.next_offset - 1),
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp,
            record_count: self.record_count,
        }
    }
}

/// The same batch from another producer id, epoch and sequence number on: what an idempotent producer sends again
/// after it had to start its sequence anew (KIP-360).
#[must_use]
pub fn with_producer(old: &BatchRef<'_>, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Bytes {
    let mut header = *old.header_bytes();
    batch::put(&mut header, batch::PRODUCER_ID_AT, producer_id.to_be_bytes());
    batch::put(&mut header, batch::PRODUCER_EPOCH_AT, producer_epoch.to_be_bytes());
    batch::put(&mut header, batch::BASE_SEQUENCE_AT, base_sequence.to_be_bytes());
    let crc = crc::extend(crc::crc32c(&header[batch::ATTRIBUTES_AT..]), old.record_bytes());
    batch::put(&mut header, batch::CRC_AT, crc.to_be_bytes());
    [&header, old.record_bytes()].concat().into()
}

/// Most bytes that a record can take in a batch, before it is compressed.
#[must_use]
pub fn record_size_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> usize {
    let header = |header: &Header<'_>| size_of_nullable(Some(header.key)) + size_of_nullable(header.value);
    let headers_size = varint::size_of(headers.len() as i64) + headers.iter().map(header).sum::<usize>();
    RECORD_OVERHEAD_MAX + size_of_nullable(key) + size_of_nullable(value) + headers_size
}

/// Length, attributes, timestamp delta and offset delta at their longest.
const RECORD_OVERHEAD_MAX: usize =
    varint::VARINT_BYTES_MAX + 1 + varint::VARLONG_BYTES_MAX + varint::VARINT_BYTES_MAX;

/// What compaction leaves of a batch that lost its last record but must keep its producer's sequence numbers:
/// the header with its offsets and producer, without codec, records or delete horizon.
#[must_use]
pub fn empty_batch(old: &BatchHeader<'_>) -> [u8; HEADER_SIZE] {
    let options = BatchOptions {
        compression: Compression::default(),
        delete_horizon_ms: None,
        ..BatchOptions::retaining(old)
    };
    let computed = Computed {
        last_offset: old.last_offset(),
        base_timestamp: NO_TIMESTAMP,
        max_timestamp: old.max_timestamp(),
        record_count: 0,
    };
    let mut header = encode_header(&options, &computed, HEADER_SIZE, old.last_offset_delta());
    let crc = crc::crc32c(&header[batch::ATTRIBUTES_AT..]);
    batch::put(&mut header, batch::CRC_AT, crc.to_be_bytes());
    header
}

/// What of a header follows from the records.
struct Computed {
    last_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    record_count: i32,
}

/// Writes the header into the first bytes of `out`, which holds the records after it.
fn seal(options: &BatchOptions, computed: &Computed, out: &mut [u8]) -> Result<(), BuildError> {
    let size = out.len();
    if size > BATCH_SIZE_MAX {
        return Err(BuildError::TooLarge { size });
    }
    let BatchOptions { base_offset, .. } = *options;
    let last_offset = computed.last_offset;
    let refused = BuildError::Offset { offset: last_offset, base_offset, next_offset: base_offset };
    let last_offset_delta =
        last_offset.checked_sub(base_offset).and_then(|delta| i32::try_from(delta).ok()).ok_or(refused)?;
    let mut header = encode_header(options, computed, size, last_offset_delta);
    let (space, records) = out.split_at_mut(HEADER_SIZE);
    let crc = crc::extend(crc::crc32c(&header[batch::ATTRIBUTES_AT..]), records);
    batch::put(&mut header, batch::CRC_AT, crc.to_be_bytes());
    space.copy_from_slice(&header);
    Ok(())
}

fn encode_header(
    options: &BatchOptions,
    computed: &Computed,
    size: usize,
    last_offset_delta: i32,
) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    let h = &mut header;
    batch::put(h, batch::BASE_OFFSET_AT, options.base_offset.to_be_bytes());
    batch::put(h, batch::BATCH_LENGTH_AT, ((size - LENGTH_OVERHEAD) as i32).to_be_bytes());
    batch::put(h, batch::PARTITION_LEADER_EPOCH_AT, options.partition_leader_epoch.to_be_bytes());
    batch::put(h, batch::MAGIC_AT, MAGIC.to_be_bytes());
    batch::put(h, batch::ATTRIBUTES_AT, attributes(options).to_be_bytes());
    batch::put(h, batch::LAST_OFFSET_DELTA_AT, last_offset_delta.to_be_bytes());
    batch::put(h, batch::BASE_TIMESTAMP_AT, computed.base_timestamp.to_be_bytes());
    batch::put(h, batch::MAX_TIMESTAMP_AT, computed.max_timestamp.to_be_bytes());
    batch::put(h, batch::PRODUCER_ID_AT, options.producer_id.to_be_bytes());
    batch::put(h, batch::PRODUCER_EPOCH_AT, options.producer_epoch.to_be_bytes());
    batch::put(h, batch::BASE_SEQUENCE_AT, options.base_sequence.to_be_bytes());
    batch::put(h, batch::RECORD_COUNT_AT, computed.record_count.to_be_bytes());
    header
}

fn attributes(options: &BatchOptions) -> i16 {
    let flag = |set: bool, bit: i16| if set { bit } else { 0 };
    i16::from(options.compression.codec.id())
        | flag(options.timestamp_type == TimestampType::LogAppendTime, batch::TIMESTAMP_TYPE_BIT)
        | flag(options.transactional, batch::TRANSACTIONAL_BIT)
        | flag(options.control, batch::CONTROL_BIT)
        | flag(options.delete_horizon_ms.is_some(), batch::DELETE_HORIZON_BIT)
}

fn write_nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        None => varint::write_i32(-1, out),
        Some(bytes) => {
            varint::write_i64(bytes.len() as i64, out);
            out.extend_from_slice(bytes);
        }
    }
}

fn size_of_nullable(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size_of(bytes.len() as i64) + bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DecodeLimits;

    /// Offsets and timestamps of a built batch, after checking its CRC.
    fn records(bytes: &[u8]) -> Vec<(i64, i64)> {
        let batch = BatchRef::parse(bytes).unwrap();
        batch.check_crc().unwrap();
        let decoded = batch.decode(DecodeLimits::default()).unwrap();
        decoded.records().map(|record| record.map(|r| (r.offset, r.timestamp)).unwrap()).collect()
    }

    #[test]
    fn the_bytes_of_one_record() {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: 5,
            partition_leader_epoch: 2,
            producer_id: 9,
            producer_epoch: 1,
            base_sequence: 3,
            transactional: true,
            ..BatchOptions::default()
        });
        let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"h", value: None }];
        assert_eq!(builder.append(1000, None, Some(b"v"), &headers), Ok(5));
        let bytes = builder.build().unwrap();
        #[rustfmt::skip]
        let expected = [
            0, 0, 0, 0, 0, 0, 0, 5,   0, 0, 0, 64,   0, 0, 0, 2,   2,
            bytes[17], bytes[18], bytes[19], bytes[20], // CRC
            0, 0x10,   0, 0, 0, 0,   0, 0, 0, 0, 0, 0, 3, 0xe8,   0, 0, 0, 0, 0, 0, 3, 0xe8,
            0, 0, 0, 0, 0, 0, 0, 9,   0, 1,   0, 0, 0, 3,   0, 0, 0, 1,
            28, 0, 0, 0, 1, 2, b'v', 4, 2, b'h', 2, b'1', 2, b'h', 1,
        ];
        assert_eq!(bytes, expected.as_slice());
        BatchRef::parse(&bytes).unwrap().check_crc().unwrap();
    }

    #[test]
    fn offsets_must_rise_and_stay_in_reach() {
        let base_offset = 100;
        let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..BatchOptions::default() });
        let mut append = |offset| builder.append_at(offset, 0, None, None, &[]);
        let refused = |offset, next_offset| Err(BuildError::Offset { offset, base_offset, next_offset });
        assert_eq!(append(99), refused(99, 100));
        assert_eq!(append(103), Ok(()));
        assert_eq!(append(103), refused(103, 104));
        assert_eq!(append(100 + (1 << 31)), refused(100 + (1 << 31), 104));
        assert_eq!(append(99 + (1 << 31)), Ok(()));
        let bytes = builder.build().unwrap();
        assert_eq!(BatchRef::parse(&bytes).unwrap().last_offset_delta(), i32::MAX);
        assert_eq!(records(&bytes), [(103, 0), (99 + (1 << 31), 0)]);
    }

    #[test]
    fn an_empty_builder_gives_no_batch() {
        let mut out = vec![1, 2, 3];
        let builder = BatchBuilder::new(BatchOptions::default());
        assert_eq!(builder.build_into(&mut out), Err(BuildError::Empty));
        assert_eq!(out, [1, 2, 3]);
    }

    #[test]
    fn a_last_offset_below_the_base_is_refused() {
        let options = BatchOptions { base_offset: 10, last_offset: Some(9), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        let refused = BuildError::Offset { offset: 10, base_offset: 10, next_offset: 10 };
        assert_eq!(builder.append(0, None, None, &[]), Err(refused));
    }

    /// A batch as compaction finds it: five records from offset 20 of a transactional producer.
    fn old(timestamp_type: TimestampType, codec: Codec) -> Bytes {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: 20,
            partition_leader_epoch: 4,
            compression: codec.into(),
            timestamp_type,
            log_append_time_ms: 7777,
            producer_id: 11,
            producer_epoch: 2,
            base_sequence: i32::MAX - 2,
            transactional: true,
            ..BatchOptions::default()
        });
        for i in 0..5 {
            builder.append(1000 + i, Some(b"key"), None, &[Header { key: b"h", value: Some(b"x") }]).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn compaction_keeps_offsets_sequences_and_timestamps() {
        for codec in Codec::ALL {
            let old_bytes = old(TimestampType::CreateTime, codec);
            let old_batch = BatchRef::parse(&old_bytes).unwrap();
            let decoded = old_batch.decode(DecodeLimits::default()).unwrap();
            let mut builder = BatchBuilder::new(BatchOptions {
                delete_horizon_ms: Some(5_000_000),
                ..BatchOptions::retaining(&old_batch)
            });
            for record in decoded.records().map(Result::unwrap).filter(|record| record.offset % 2 == 1) {
                builder.append_record(&record).unwrap();
            }
            let bytes = builder.build().unwrap();
            let batch = BatchRef::parse(&bytes).unwrap();
            assert_eq!(
                records(&bytes),
                [(21, 1001), (23, 1003)],
                "timestamps are relative to the horizon now"
            );
            assert_eq!((batch.base_offset(), batch.last_offset(), batch.record_count()), (20, 24, 2));
            assert_eq!((batch.base_sequence(), batch.last_sequence()), (i32::MAX - 2, 1));
            assert_eq!(batch.delete_horizon_ms(), Some(5_000_000));
            assert_eq!((batch.max_timestamp(), batch.codec()), (1003, codec));
            assert_eq!(batch.partition_leader_epoch(), 4);
            assert!(batch.is_transactional());
            let kept = batch.decode(DecodeLimits::default()).unwrap();
            let headers: Vec<_> = kept.records().next().unwrap().unwrap().headers().collect();
            assert_eq!(headers, [Header { key: b"h", value: Some(b"x") }]);
        }
    }

    #[test]
    fn compaction_keeps_the_append_time() {
        let old_bytes = old(TimestampType::LogAppendTime, Codec::None);
        let old_batch = BatchRef::parse(&old_bytes).unwrap();
        assert_eq!(records(&old_bytes)[4], (24, 7777));
        let mut builder = BatchBuilder::new(BatchOptions::retaining(&old_batch));
        let decoded = old_batch.decode(DecodeLimits::default()).unwrap();
        builder.append_record(&decoded.records().last().unwrap().unwrap()).unwrap();
        assert_eq!(records(&builder.build().unwrap()), [(24, 7777)]);
    }

    #[test]
    fn an_emptied_batch_keeps_its_producer() {
        let old_bytes = old(TimestampType::CreateTime, Codec::Zstd);
        let old_batch = BatchRef::parse(&old_bytes).unwrap();
        let empty = empty_batch(&old_batch);
        let batch = BatchRef::parse(&empty).unwrap();
        assert_eq!(records(&empty), []);
        assert_eq!((batch.size(), batch.record_count(), batch.codec()), (HEADER_SIZE, 0, Codec::None));
        assert_eq!((batch.base_offset(), batch.last_offset()), (20, 24));
        assert_eq!((batch.base_sequence(), batch.last_sequence()), (i32::MAX - 2, 1));
        assert_eq!((batch.producer_id(), batch.producer_epoch()), (11, 2));
        assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (NO_TIMESTAMP, 1004));
        assert_eq!(batch.partition_leader_epoch(), 4);
        assert!(batch.is_transactional());
    }

    #[test]
    fn the_builder_says_what_it_holds() {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset: 3, ..BatchOptions::default() });
        assert!(builder.is_empty());
        assert_eq!((builder.max_timestamp(), builder.next_offset()), (None, 3));
        for timestamp in [5, 9, 9, 1] {
            builder.append(timestamp, None, Some(b"value"), &[]).unwrap();
        }
        assert_eq!((builder.max_timestamp(), builder.next_offset()), (Some((9, 4)), 7));
        assert_eq!(
            (builder.record_count(), builder.uncompressed_size()),
            (4, builder.build().unwrap().len())
        );
    }

    #[test]
    fn finishing_in_place_gives_the_same_bytes() {
        for codec in Codec::ALL {
            let options = BatchOptions { compression: codec.into(), ..BatchOptions::default() };
            let mut builder = BatchBuilder::with_capacity(options, 1000);
            assert_eq!(builder.clone().finish(), Err(BuildError::Empty), "{codec}");
            let headers = [Header { key: b"k", value: None }, Header { key: b"k", value: Some(b"v") }];
            builder.append(7, Some(b"key"), Some(&[1; 500]), &headers).unwrap();
            let first = builder.uncompressed_size();
            assert!(first <= HEADER_SIZE + record_size_max(Some(b"key"), Some(&[1; 500]), &headers));
            builder.append(-9, None, None, &[]).unwrap();
            builder.set_producer(3, 4, 5);
            assert_eq!(builder.build(), builder.finish(), "{codec}");
        }
    }

    #[test]
    fn another_producer() {
        let build = |id, epoch, sequence| {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.set_producer(id, epoch, sequence);
            builder.append(1, None, Some(b"value"), &[]).unwrap();
            builder.finish().unwrap()
        };
        let old = build(1, 2, 3);
        let new = with_producer(&BatchRef::parse(&old).unwrap(), 7, 8, 9);
        assert_eq!(new, build(7, 8, 9));
    }
}
