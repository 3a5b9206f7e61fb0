//! New batches: of clients, coordinators, control records, and what compaction leaves of old ones.
//!
//! Uncompressed output is byte for byte what Apache Kafka's builder writes for the same input.

use bytes::Bytes;
use thiserror::Error;

use crate::batch::{
    self, BatchHeader, HEADER_SIZE, LENGTH_OVERHEAD, MAGIC, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use crate::compression::{self, Compression, CompressionError};
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
    /// Encoded records, not compressed.
    records: Vec<u8>,
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
        Self {
            options,
            records: Vec::new(),
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
        let out = &mut self.records;
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
        HEADER_SIZE + self.records.len()
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
        compression::compress(self.options.compression, &self.records, out)?;
        let max_timestamp = match self.options.timestamp_type {
            TimestampType::CreateTime => self.max_timestamp,
            TimestampType::LogAppendTime => self.options.log_append_time_ms,
        };
        let computed = Computed {
            last_offset: self.options.last_offset.unwrap_or(self.next_offset - 1),
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp,
            record_count: self.record_count,
        };
        seal(&self.options, &computed, &mut out[start..])
    }
}

/// What compaction leaves of a batch that lost its last record but must keep its producer's sequence numbers: the
/// header with its offsets and producer, without codec, records or delete horizon.
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
