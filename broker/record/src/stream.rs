//! Records of a client's batch, walked without looking at what they hold: a leader only has to know that they
//! are sound. Nothing is copied or allocated for a record.
//!
//! Uncompressed ones are walked where they lie. Compressed ones are walked while they are decompressed: only a
//! window of them is in memory at any time, however far the batch grows.

use std::io::Read;

use crate::batch::{BatchHeader, BatchRef};
use crate::compression::{self, Codec, CompressionError};
use crate::error::{BatchError, Damage};
use crate::limits::{DecodeLimits, STREAM_WINDOW};
use crate::validate::Violation;
use crate::varint::{self, VARINT_BYTES_MAX, VARLONG_BYTES_MAX};

/// What a leader looks at in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOutline {
    /// Offset relative to the base offset, as it was written.
    pub offset_delta: i32,
    /// Milliseconds since the epoch: base timestamp + delta.
    pub timestamp: i64,
    /// Whether it has a key.
    pub has_key: bool,
}

/// What a record says of itself, relative to its batch.
struct Deltas {
    timestamp: i64,
    offset: i32,
    has_key: bool,
}

/// What the header says of all records.
struct Frame {
    base_timestamp: i64,
    last_offset_delta: i32,
    record_count: u32,
}

impl Frame {
    fn new(header: &BatchHeader<'_>) -> Self {
        Self {
            base_timestamp: header.base_timestamp(),
            last_offset_delta: header.last_offset_delta(),
            record_count: u32::try_from(header.record_count()).unwrap_or(0),
        }
    }

    #[inline]
    fn outline(&self, deltas: &Deltas) -> Result<RecordOutline, &'static str> {
        if deltas.offset < 0 || deltas.offset > self.last_offset_delta {
            return Err("offset delta");
        }
        let timestamp = self.base_timestamp.wrapping_add(deltas.timestamp);
        Ok(RecordOutline { offset_delta: deltas.offset, timestamp, has_key: deltas.has_key })
    }

    #[cold]
    fn missing(&self, found: u32) -> BatchError {
        let record_count = i32::try_from(self.record_count).unwrap_or(i32::MAX);
        Damage::MissingRecords { found, record_count }.into()
    }
}

#[cold]
fn damaged(index: u32, field: &'static str) -> BatchError {
    Damage::Record { index, field }.into()
}

fn none_left_over(rest: &[u8]) -> Result<(), BatchError> {
    if rest.is_empty() { Ok(()) } else { Err(Damage::LeftOver { bytes: rest.len() }.into()) }
}

/// Walks through uncompressed records, the hottest loop of a produce. Ends at the first error; a count that
/// does not fit the bytes is one.
#[inline]
pub(crate) fn walk(
    header: &BatchHeader<'_>,
    records: &[u8],
    mut visit: impl FnMut(u32, RecordOutline) -> Result<(), Violation>,
) -> Result<(), BatchError> {
    let frame = Frame::new(header);
    let mut rest = records;
    for index in 0..frame.record_count {
        if rest.is_empty() {
            return Err(frame.missing(index));
        }
        let (body, after) = split_record(rest).ok_or_else(|| damaged(index, "length"))?;
        let outline = deltas(body).and_then(|deltas| frame.outline(&deltas));
        visit(index, outline.map_err(|field| damaged(index, field))?)?;
        rest = after;
    }
    none_left_over(rest)
}

/// The body of the record at the front, and what follows it.
#[inline]
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint::read_i32(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// [`walk`] through compressed records; a content beyond `limits` is an error too.
pub(crate) fn walk_compressed(
    batch: &BatchRef<'_>,
    limits: DecodeLimits,
    mut visit: impl FnMut(u32, RecordOutline) -> Result<(), Violation>,
) -> Result<(), BatchError> {
    let frame = Frame::new(&batch.header());
    let mut window = Window::new(batch.codec(), batch.record_bytes(), limits)?;
    for index in 0..frame.record_count {
        if window.fill(1)?.is_empty() {
            return Err(frame.missing(index));
        }
        let outline = frame.outline(&next_deltas(&mut window, index)?);
        visit(index, outline.map_err(|field| damaged(index, field))?)?;
    }
    none_left_over(window.fill(1)?)
}

fn next_deltas(window: &mut Window<'_>, index: u32) -> Result<Deltas, BatchError> {
    let front = window.fill(VARINT_BYTES_MAX)?;
    let (length, rest) = varint::read_i32(front).ok_or_else(|| damaged(index, "length"))?;
    let length_bytes = front.len() - rest.len();
    let length = usize::try_from(length).map_err(|_| damaged(index, "length"))?;
    window.start += length_bytes;
    if length > STREAM_WINDOW {
        return Body { window, index, left: length }.deltas();
    }
    let body = window.fill(length)?.get(..length).ok_or_else(|| damaged(index, "length"))?;
    let deltas = deltas(body).map_err(|field| damaged(index, field))?;
    window.start += length;
    Ok(deltas)
}

/// Reads a record whose bytes after the length are all of `body`; an error is the name of the field that is
/// malformed. Positions instead of slices keep it at a few instructions a field.
#[inline]
fn deltas(body: &[u8]) -> Result<Deltas, &'static str> {
    if body.is_empty() {
        return Err("attributes");
    }
    let mut fields = Fields { bytes: body, at: 1 };
    let timestamp = fields.varlong("timestamp delta")?;
    let offset = fields.varint("offset delta")?;
    let has_key = fields.skip_nullable("key")?;
    fields.skip_nullable("value")?;
    let header_count = fields.varint("header count")?;
    if header_count != 0 {
        fields.skip_headers(header_count)?;
    }
    if fields.at != body.len() {
        return Err("length: bytes left over after the headers");
    }
    Ok(Deltas { timestamp, offset, has_key })
}

/// A position in the body of a record.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    #[inline]
    fn varint(&mut self, field: &'static str) -> Result<i32, &'static str> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(i32::from(byte >> 1) ^ -i32::from(byte & 1))
            }
            _ => self.number(field, varint::read_i32),
        }
    }

    #[inline]
    fn varlong(&mut self, field: &'static str) -> Result<i64, &'static str> {
        self.number(field, varint::read_i64)
    }

    #[inline]
    fn number<N>(
        &mut self,
        field: &'static str,
        decode: impl Fn(&[u8]) -> Option<(N, &[u8])>,
    ) -> Result<N, &'static str> {
        let bytes = self.bytes.get(self.at..).ok_or(field)?;
        let (value, rest) = decode(bytes).ok_or(field)?;
        self.at = self.bytes.len() - rest.len();
        Ok(value)
    }

    /// A length and that many bytes; whether there were any to skip, not none.
    #[inline]
    fn skip_nullable(&mut self, field: &'static str) -> Result<bool, &'static str> {
        let Ok(length) = usize::try_from(self.varint(field)?) else { return Ok(false) };
        if length > self.bytes.len() - self.at {
            return Err(field);
        }
        self.at += length;
        Ok(true)
    }

    fn skip_headers(&mut self, count: i32) -> Result<(), &'static str> {
        for _ in 0..u32::try_from(count).map_err(|_| "header count")? {
            if !self.skip_nullable("header key")? {
                return Err("header key");
            }
            self.skip_nullable("header value")?;
        }
        Ok(())
    }
}

/// What is left of a record that is larger than the window.
struct Body<'w, 'a> {
    window: &'w mut Window<'a>,
    index: u32,
    /// Bytes of the record that were not read yet.
    left: usize,
}

impl Body<'_, '_> {
    fn deltas(mut self) -> Result<Deltas, BatchError> {
        self.skip(1, "attributes")?;
        let timestamp = self.varlong("timestamp delta")?;
        let offset = self.varint("offset delta")?;
        let has_key = self.skip_nullable("key")?;
        self.skip_nullable("value")?;
        let header_count = self.varint("header count")?;
        for _ in 0..u32::try_from(header_count).map_err(|_| self.damaged("header count"))? {
            if !self.skip_nullable("header key")? {
                return Err(self.damaged("header key"));
            }
            self.skip_nullable("header value")?;
        }
        if self.left > 0 {
            return Err(self.damaged("length: bytes left over after the headers"));
        }
        Ok(Deltas { timestamp, offset, has_key })
    }

    fn damaged(&self, field: &'static str) -> BatchError {
        damaged(self.index, field)
    }

    /// Takes a number off the front, which `decode` finds in at most `bytes_max` bytes.
    fn number<N>(
        &mut self,
        field: &'static str,
        bytes_max: usize,
        decode: impl Fn(&[u8]) -> Option<(N, &[u8])>,
    ) -> Result<N, BatchError> {
        let bytes = self.window.fill(bytes_max)?;
        let bytes = &bytes[..bytes.len().min(self.left)];
        let Some((value, rest)) = decode(bytes) else { return Err(self.damaged(field)) };
        let length = bytes.len() - rest.len();
        self.left -= length;
        self.window.start += length;
        Ok(value)
    }

    fn varint(&mut self, field: &'static str) -> Result<i32, BatchError> {
        self.number(field, VARINT_BYTES_MAX, varint::read_i32)
    }

    fn varlong(&mut self, field: &'static str) -> Result<i64, BatchError> {
        self.number(field, VARLONG_BYTES_MAX, varint::read_i64)
    }

    /// A length and that many bytes; whether there were any to skip, not none.
    fn skip_nullable(&mut self, field: &'static str) -> Result<bool, BatchError> {
        let Ok(length) = usize::try_from(self.varint(field)?) else { return Ok(false) };
        self.skip(length, field)?;
        Ok(true)
    }

    fn skip(&mut self, length: usize, field: &'static str) -> Result<(), BatchError> {
        let Some(left) = self.left.checked_sub(length) else { return Err(self.damaged(field)) };
        self.left = left;
        if self.window.skip(length)? { Ok(()) } else { Err(self.damaged(field)) }
    }
}

/// The part of the content that is in memory.
struct Window<'a> {
    /// Where more comes from, and nothing once it has run dry.
    source: Option<Box<dyn Read + 'a>>,
    codec: Codec,
    /// What of it counts lies from `start` on.
    buffer: Vec<u8>,
    start: usize,
    limits: DecodeLimits,
    unpacked: usize,
}

impl<'a> Window<'a> {
    fn new(codec: Codec, input: &'a [u8], limits: DecodeLimits) -> Result<Self, CompressionError> {
        let source = Some(compression::reader(codec, input, limits.max_decompressed_bytes)?);
        let buffer = Vec::with_capacity(STREAM_WINDOW);
        Ok(Self { source, codec, buffer, start: 0, limits, unpacked: 0 })
    }

    #[inline]
    fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The content from here on: at least `wanted` bytes (no more than a window holds), unless it ends before.
    #[inline]
    fn fill(&mut self, wanted: usize) -> Result<&[u8], CompressionError> {
        if self.len() < wanted && self.source.is_some() {
            self.refill()?;
        }
        Ok(&self.buffer[self.start..])
    }

    /// Fills the window, as far as there is anything to fill it with.
    #[cold]
    fn refill(&mut self) -> Result<(), CompressionError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let Some(source) = &mut self.source else { return Ok(()) };
        let room = STREAM_WINDOW - self.buffer.len();
        let read = source.take(room as u64).read_to_end(&mut self.buffer);
        let read = read.map_err(|error| compression::read_error(self.codec, error))?;
        if read < room {
            self.source = None;
        }
        self.unpacked += read;
        let max_output = self.limits.max_decompressed_bytes;
        if self.unpacked > max_output {
            return Err(CompressionError::TooLarge { codec: self.codec, max_output });
        }
        Ok(())
    }

    /// Passes over `length` bytes; whether there were as many.
    fn skip(&mut self, length: usize) -> Result<bool, CompressionError> {
        let mut left = length;
        loop {
            let step = left.min(self.len());
            self.start += step;
            left -= step;
            if left == 0 {
                return Ok(true);
            }
            if self.fill(1)?.is_empty() {
                return Ok(false);
            }
        }
    }
}
