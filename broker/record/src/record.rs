//! Records of a batch: decompressed as one piece, then read one by one without a copy or an allocation.
//!
//! ```text
//!  length            varint   bytes after this field
//!  attributes        i8       unused
//!  timestamp delta   varlong  to the base timestamp
//!  offset delta      varint   to the base offset
//!  key length        varint   negative: no key
//!  key
//!  value length      varint   negative: no value (a tombstone)
//!  value
//!  header count      varint
//!  headers           (key length varint, key, value length varint (negative: none), value) …
//! ```

use std::borrow::Cow;

use crate::batch::{BatchHeader, BatchRef, TimestampType};
use crate::compression::{self, Codec};
use crate::error::{BatchError, Damage};
use crate::limits::DecodeLimits;
use crate::varint;

/// One record. Everything is borrowed from the decoded batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the partition: base offset + delta.
    pub offset: i64,
    /// Offset relative to the base offset, as it was written.
    pub offset_delta: i32,
    /// Milliseconds since the epoch: base timestamp + delta, or the batch's append time (KIP-32).
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone for compaction.
    pub value: Option<&'a [u8]>,
    header_count: u32,
    /// Encoded headers, walked through once when the record was read.
    header_bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The headers in the order they were written; a key may be there several times.
    #[inline]
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers { remaining: self.header_count, bytes: self.header_bytes }
    }

    /// How many headers there are.
    #[inline]
    #[must_use]
    pub fn header_count(&self) -> u32 {
        self.header_count
    }

    /// The headers as they are encoded, without their count.
    #[inline]
    pub(crate) fn header_bytes(&self) -> &'a [u8] {
        self.header_bytes
    }
}

/// A record header (KIP-82).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key: UTF-8 by convention, not checked.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

/// Iterator over the headers of a record.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    remaining: u32,
    bytes: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let mut reader = FieldReader { bytes: self.bytes };
        let header = reader.header().ok()?;
        self.bytes = reader.bytes;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// A batch whose records can be read: those of an uncompressed batch where they lie, others decompressed.
#[derive(Clone, Debug)]
pub struct DecodedBatch<'a> {
    header: BatchHeader<'a>,
    records: Cow<'a, [u8]>,
}

impl<'a> BatchRef<'a> {
    /// Makes the records readable; an uncompressed batch is not copied.
    ///
    /// # Errors
    /// [`BatchError::Compression`] if they cannot be decompressed within `limits`.
    pub fn decode(&self, limits: DecodeLimits) -> Result<DecodedBatch<'a>, BatchError> {
        let records = match self.codec() {
            Codec::None => Cow::Borrowed(self.record_bytes()),
            codec => {
                let max_output = limits.max_decompressed_bytes;
                Cow::Owned(compression::decompress(codec, self.record_bytes(), max_output)?)
            }
        };
        Ok(DecodedBatch { header: self.header(), records })
    }

    /// [`Self::decode`] that decompresses into `scratch`: for loops over many batches.
    ///
    /// # Errors
    /// [`BatchError::Compression`] if they cannot be decompressed within `limits`.
    pub fn decode_with<'b>(
        &self,
        limits: DecodeLimits,
        scratch: &'b mut Vec<u8>,
    ) -> Result<DecodedBatch<'b>, BatchError>
    where
        'a: 'b,
    {
        let records: &'b [u8] = match self.codec() {
            Codec::None => self.record_bytes(),
            codec => {
                let max_output = limits.max_decompressed_bytes;
                compression::decompress_into(codec, self.record_bytes(), max_output, scratch)?;
                scratch
            }
        };
        Ok(DecodedBatch { header: self.header(), records: Cow::Borrowed(records) })
    }
}

impl BatchHeader<'_> {
    /// The records of this batch in `uncompressed`: its record bytes, decompressed if it has a codec. For readers
    /// that keep those bytes themselves.
    #[inline]
    #[must_use]
    pub fn records<'b>(&self, uncompressed: &'b [u8]) -> Records<'b> {
        Records::new(*self, uncompressed)
    }
}

impl<'a> DecodedBatch<'a> {
    /// The header of the batch.
    #[inline]
    #[must_use]
    pub fn header(&self) -> BatchHeader<'a> {
        self.header
    }

    /// Bytes of all records, decompressed.
    #[inline]
    #[must_use]
    pub fn uncompressed_bytes(&self) -> usize {
        self.records.len()
    }

    /// All records, decompressed.
    #[inline]
    pub(crate) fn uncompressed(&self) -> &[u8] {
        &self.records
    }

    /// The records in order. Ends after the first error; a count that does not fit the bytes is one.
    #[inline]
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::new(self.header, &self.records)
    }
}

/// Iterator over the records of a batch.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    base_offset: i64,
    last_offset_delta: i32,
    base_timestamp: i64,
    log_append_time: Option<i64>,
    record_count: i32,
    index: u32,
    bytes: &'a [u8],
    ended: bool,
}

impl<'a> Records<'a> {
    fn new(header: BatchHeader<'_>, bytes: &'a [u8]) -> Self {
        let log_append = header.timestamp_type() == TimestampType::LogAppendTime;
        Self {
            base_offset: header.base_offset(),
            last_offset_delta: header.last_offset_delta(),
            base_timestamp: header.base_timestamp(),
            log_append_time: log_append.then(|| header.max_timestamp()),
            record_count: header.record_count(),
            index: 0,
            bytes,
            ended: false,
        }
    }

    /// The record at the front, whose bytes are then taken off.
    #[inline]
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        let (length, rest) = varint::read_i32(self.bytes).ok_or("length")?;
        let length = usize::try_from(length).map_err(|_| "length")?;
        let (body, rest) = rest.split_at_checked(length).ok_or("length")?;
        self.bytes = rest;
        let mut reader = FieldReader { bytes: body };
        reader.skip_attributes()?;
        let timestamp_delta = reader.varlong("timestamp delta")?;
        let offset_delta = reader.varint("offset delta")?;
        if !(0..=self.last_offset_delta).contains(&offset_delta) {
            return Err("offset delta");
        }
        let key = reader.nullable("key")?;
        let value = reader.nullable("value")?;
        let header_count = u32::try_from(reader.varint("header count")?).map_err(|_| "header count")?;
        let header_bytes = reader.bytes;
        for _ in 0..header_count {
            reader.header()?;
        }
        if !reader.bytes.is_empty() {
            return Err("length: bytes left over after the headers");
        }
        let timestamp = self.log_append_time.unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta));
        let offset = self.base_offset + i64::from(offset_delta);
        Ok(Record { offset, offset_delta, timestamp, key, value, header_count, header_bytes })
    }

    /// What is wrong once the declared number of records was read, or the bytes have run out before.
    #[cold]
    fn end(&self) -> Option<Damage> {
        let record_count = self.record_count;
        if i64::from(self.index) < i64::from(record_count) {
            return Some(Damage::MissingRecords { found: self.index, record_count });
        }
        (!self.bytes.is_empty()).then_some(Damage::LeftOver { bytes: self.bytes.len() })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.bytes.is_empty() || i64::from(self.index) >= i64::from(self.record_count) {
            self.ended = true;
            return self.end().map(|damage| Err(damage.into()));
        }
        let record = self.read();
        let index = self.index;
        self.index += 1;
        self.ended = record.is_err();
        Some(record.map_err(|field| Damage::Record { index, field }.into()))
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Takes fields off the front of a record body; an error is the name of the field that is malformed.
struct FieldReader<'a> {
    bytes: &'a [u8],
}

impl<'a> FieldReader<'a> {
    #[inline]
    fn skip_attributes(&mut self) -> Result<(), &'static str> {
        self.bytes = self.bytes.get(1..).ok_or("attributes")?;
        Ok(())
    }

    #[inline]
    fn varint(&mut self, field: &'static str) -> Result<i32, &'static str> {
        let (value, rest) = varint::read_i32(self.bytes).ok_or(field)?;
        self.bytes = rest;
        Ok(value)
    }

    #[inline]
    fn varlong(&mut self, field: &'static str) -> Result<i64, &'static str> {
        let (value, rest) = varint::read_i64(self.bytes).ok_or(field)?;
        self.bytes = rest;
        Ok(value)
    }

    /// A length and that many bytes; any negative length means none, as in Kafka's own reader.
    #[inline]
    fn nullable(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, &'static str> {
        let Ok(length) = usize::try_from(self.varint(field)?) else { return Ok(None) };
        let (value, rest) = self.bytes.split_at_checked(length).ok_or(field)?;
        self.bytes = rest;
        Ok(Some(value))
    }

    #[inline]
    fn header(&mut self) -> Result<Header<'a>, &'static str> {
        let key = self.nullable("header key")?.ok_or("header key")?;
        let value = self.nullable("header value")?;
        Ok(Header { key, value })
    }
}
