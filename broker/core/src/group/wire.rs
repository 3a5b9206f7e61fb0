//! The primitive types of Kafka's messages, as far as the records of the offsets topic use them.
//!
//! Readers believe no length: each is checked against the bytes present before anything is made of it.

use super::records::RecordError;

/// Reads fields in turn from a slice.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(RecordError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(RecordError::Truncated { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16, RecordError> {
        Ok(i16::from_be_bytes(self.array(field)?))
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, RecordError> {
        Ok(i64::from_be_bytes(self.array(field)?))
    }

    fn unsigned_varint(&mut self, field: &'static str) -> Result<u32, RecordError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array(field)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::BadField { field, reason: "its length has more than five bytes" })
    }

    /// The length of a string, bytes or array: `None` for null. Compact lengths are one more than meant, 0 is null.
    fn length(
        &mut self,
        compact: bool,
        wide: bool,
        field: &'static str,
    ) -> Result<Option<usize>, RecordError> {
        let length = match (compact, wide) {
            (true, _) => i64::from(self.unsigned_varint(field)?) - 1,
            (false, true) => i64::from(self.i32(field)?),
            (false, false) => i64::from(self.i16(field)?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length)
                .map(Some)
                .map_err(|_| RecordError::BadField { field, reason: "its length is negative" }),
        }
    }

    pub(super) fn nullable_string_of(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<&'a str>, RecordError> {
        let Some(length) = self.length(compact, false, field)? else { return Ok(None) };
        let text = std::str::from_utf8(self.take(field, length)?);
        text.map(Some).map_err(|_| RecordError::BadField { field, reason: "it is not UTF-8" })
    }

    pub(super) fn string_of(&mut self, compact: bool, field: &'static str) -> Result<&'a str, RecordError> {
        self.nullable_string_of(compact, field)?.ok_or(RecordError::BadField { field, reason: "it is null" })
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<&'a str, RecordError> {
        self.string_of(false, field)
    }

    pub(super) fn bytes_of(&mut self, compact: bool, field: &'static str) -> Result<&'a [u8], RecordError> {
        let length = self.length(compact, true, field)?;
        self.take(field, length.ok_or(RecordError::BadField { field, reason: "it is null" })?)
    }

    pub(super) fn array_length_of(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<usize, RecordError> {
        self.length(compact, true, field)?.ok_or(RecordError::BadField { field, reason: "it is null" })
    }

    /// Hands each tagged field to `take`.
    pub(super) fn tagged_fields(
        &mut self,
        mut take: impl FnMut(u32, &'a [u8]) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        for _ in 0..self.unsigned_varint("tagged fields")? {
            let tag = self.unsigned_varint("tag")?;
            let length = self.unsigned_varint("tagged field")? as usize;
            take(tag, self.take("tagged field", length)?)?;
        }
        Ok(())
    }
}

/// Writes fields in turn.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_version(version: i16) -> Self {
        Self { bytes: version.to_be_bytes().to_vec() }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn nullable_string_of(
        &mut self,
        compact: bool,
        field: &'static str,
        text: Option<&str>,
    ) -> Result<(), RecordError> {
        let Some(text) = text else {
            if compact {
                self.unsigned_varint(0);
            } else {
                self.bytes.extend((-1i16).to_be_bytes());
            }
            return Ok(());
        };
        // Kafka refuses this length in compact strings too.
        let length =
            i16::try_from(text.len()).map_err(|_| RecordError::TooLong { field, length: text.len() })?;
        if compact {
            self.unsigned_varint(length as u32 + 1);
        } else {
            self.bytes.extend(length.to_be_bytes());
        }
        self.bytes.extend(text.as_bytes());
        Ok(())
    }

    pub(super) fn string_of(
        &mut self,
        compact: bool,
        field: &'static str,
        text: &str,
    ) -> Result<(), RecordError> {
        self.nullable_string_of(compact, field, Some(text))
    }

    pub(super) fn string(&mut self, field: &'static str, text: &str) -> Result<(), RecordError> {
        self.string_of(false, field, text)
    }

    pub(super) fn array_length_of(&mut self, compact: bool, length: usize) {
        if compact {
            self.unsigned_varint(length as u32 + 1);
        } else {
            self.i32(length as i32);
        }
    }

    pub(super) fn bytes_of(&mut self, compact: bool, bytes: &[u8]) {
        self.array_length_of(compact, bytes.len());
        self.bytes.extend(bytes);
    }

    pub(super) fn no_tagged_fields(&mut self) {
        self.unsigned_varint(0);
    }

    /// Writes the one tagged field a message has.
    pub(super) fn tagged_field(&mut self, tag: u32, bytes: &[u8]) {
        self.unsigned_varint(1);
        self.unsigned_varint(tag);
        self.unsigned_varint(bytes.len() as u32);
        self.bytes.extend(bytes);
    }
}
