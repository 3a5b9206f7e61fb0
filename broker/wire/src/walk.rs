//! The guard before decoding: walks a request's body by its schema and finds each length backed by bytes.
//!
//! `kafka-protocol` reserves memory for as many elements as an array claims to have before it reads the
//! first one, so 20 bytes can make it abort the process. What passes this walk it reads at the same
//! boundaries, and the vectors it will reserve are counted: the two-byte topic of a Metadata request
//! becomes 72 bytes. Strings and records are slices of the frame and cost nothing.
//!
//! The walk is linear in the body, skips strings, bytes and arrays of fixed-size elements in one step, and
//! recurses only as deep as the schema is written.

use kafka_protocol::messages::ApiKey;

use crate::WireError;
use crate::error::Fault;
use crate::schema::{self, Element, Field, Kind, Schema};

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// Bytes of the body that belong to the request. What follows is ignored, as Kafka ignores it.
    pub consumed: usize,
    /// Bytes the decoded request will take apart from the frame and the request itself: an upper bound.
    pub memory_estimate: usize,
}

/// Walks the body of a `key` request of `version`. Decoding may take `memory_max` bytes.
///
/// # Errors
/// A version without a schema, a body of another shape, or too much memory.
pub fn walk(key: ApiKey, version: i16, body: &[u8], memory_max: usize) -> Result<Walk, WireError> {
    let Some(schema) = schema::of(key) else {
        return Err(WireError::UnknownApiKey { key: key as i16, version });
    };
    if !schema.versions.contains(version) {
        let (min, max) = (schema.versions.min, schema.versions.max);
        return Err(WireError::UnsupportedVersion { key, version, min, max });
    }
    let mut walker = Walker::new(schema, version, body, memory_max);
    match walker.structure(schema.fields) {
        Ok(()) => Ok(Walk { consumed: walker.at, memory_estimate: walker.memory }),
        Err(stop) => Err(walker.explain(key, stop)),
    }
}

/// Bytes that the first unknown tagged fields of a structure cost, and each further five: a leaf of a
/// `BTreeMap<i32, Bytes>` (11 entries of 36 bytes and a header, at least five of them used), and its share
/// of the inner nodes.
const TAG_LEAF_BYTES: usize = 512;

/// Why a walk ended early.
#[derive(Clone, Copy)]
enum Stop {
    Fault(Fault),
    Memory,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

struct Walker<'a> {
    body: &'a [u8],
    /// Everything before is walked.
    at: usize,
    version: i16,
    flexible: bool,
    memory: usize,
    memory_max: usize,
    /// The field being walked, for the error text.
    field: &'static str,
}

impl<'a> Walker<'a> {
    fn new(schema: &Schema, version: i16, body: &'a [u8], memory_max: usize) -> Walker<'a> {
        let flexible = version >= schema.flexible;
        Walker { body, at: 0, version, flexible, memory: 0, memory_max, field: "" }
    }

    fn explain(&self, key: ApiKey, stop: Stop) -> WireError {
        let (version, field, at) = (self.version, self.field, self.at);
        match stop {
            Stop::Fault(fault) => WireError::Malformed { key, version, field, at, fault },
            Stop::Memory => {
                let (estimate, limit) = (self.memory, self.memory_max);
                WireError::TooMuchMemory { key, version, estimate, limit }
            }
        }
    }

    fn left(&self) -> usize {
        self.body.len() - self.at
    }

    fn structure(&mut self, fields: &'static [Field]) -> Result<(), Stop> {
        for field in fields {
            if field.tag.is_none() && field.exists_in(self.version) {
                self.field(field)?;
            }
        }
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    fn field(&mut self, field: &'static Field) -> Result<(), Stop> {
        self.field = field.name;
        let nullable = self.version >= field.nullable;
        match field.kind {
            Kind::Fixed(size) => Ok(self.skip(size)?),
            Kind::String => Ok(self.string(nullable)?),
            Kind::Bytes => Ok(self.bytes(nullable)?),
            Kind::Array(element) => self.array(element, nullable),
            Kind::Structure(fields) if nullable => match self.take()? {
                1 => self.structure(fields),
                0xff => Ok(()),
                other => Err(Fault::Presence(other).into()),
            },
            Kind::Structure(fields) => self.structure(fields),
        }
    }

    fn array(&mut self, element: Element, nullable: bool) -> Result<(), Stop> {
        let Some(count) = self.length(LengthPrefix::Int32, nullable)? else { return Ok(()) };
        // No element takes less than a byte, so this bounds `count` before anything is multiplied by it.
        if count > self.left() {
            return Err(Fault::TooManyElements { count, have: self.left() }.into());
        }
        self.reserve(count.saturating_mul(element.decoded_bytes()))?;
        match element {
            Element::Fixed(size) => self.skip(count.saturating_mul(size))?,
            Element::String => {
                for _ in 0..count {
                    self.string(false)?;
                }
            }
            Element::Structure { fields, .. } => {
                for _ in 0..count {
                    self.structure(fields)?;
                }
            }
        }
        Ok(())
    }

    /// The tagged fields at the end of a structure (KIP-482): a count, then tag, size and content each.
    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), Stop> {
        self.field = "tagged fields";
        let count = self.varint()?;
        let mut unknown = 0;
        for _ in 0..count {
            let (tag, size) = (self.varint()?, self.varint()? as usize);
            if size > self.left() {
                return Err(Fault::Short { need: size, have: self.left() }.into());
            }
            match fields.iter().find(|field| field.tag == Some(tag)) {
                Some(field) => self.tagged_field(field, tag, size)?,
                None => {
                    self.skip(size)?;
                    if unknown % 5 == 0 {
                        self.reserve(TAG_LEAF_BYTES)?;
                    }
                    unknown += 1;
                }
            }
        }
        Ok(())
    }

    /// A defined tagged field: its content must end where its size says, for the decoder goes by content.
    fn tagged_field(&mut self, field: &'static Field, tag: u32, size: usize) -> Result<(), Stop> {
        if !field.exists_in(self.version) {
            return Err(Fault::TagVersion(tag).into());
        }
        let start = self.at;
        self.field(field)?;
        let used = self.at - start;
        if used == size { Ok(()) } else { Err(Fault::TagSize { tag, size, used }.into()) }
    }

    fn string(&mut self, nullable: bool) -> Result<(), Fault> {
        let length = self.length(LengthPrefix::Int16, nullable)?;
        self.skip(length.unwrap_or(0))
    }

    fn bytes(&mut self, nullable: bool) -> Result<(), Fault> {
        let length = self.length(LengthPrefix::Int32, nullable)?;
        self.skip(length.unwrap_or(0))
    }

    /// A length or count; nothing if it says null.
    fn length(&mut self, prefix: LengthPrefix, nullable: bool) -> Result<Option<usize>, Fault> {
        let length = match prefix {
            _ if self.flexible => i64::from(self.varint()?) - 1,
            LengthPrefix::Int16 => i64::from(i16::from_be_bytes(self.take_array()?)),
            LengthPrefix::Int32 => i64::from(i32::from_be_bytes(self.take_array()?)),
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 && nullable => Ok(None),
            Err(_) if length == -1 => Err(Fault::Null),
            Err(_) => Err(Fault::NegativeLength(length)),
        }
    }

    fn varint(&mut self) -> Result<u32, Fault> {
        let first = self.take()?;
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let byte = self.take()?;
            if shift == 28 && byte > 0x0f {
                return Err(Fault::Varint);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Varint)
    }

    fn take(&mut self) -> Result<u8, Fault> {
        self.take_array::<1>().map(|[byte]| byte)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let short = Fault::Short { need: N, have: self.left() };
        let array = self.body.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(short)?;
        self.at += N;
        Ok(*array)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Fault> {
        if bytes > self.left() {
            return Err(Fault::Short { need: bytes, have: self.left() });
        }
        self.at += bytes;
        Ok(())
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), Stop> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.memory_max { Err(Stop::Memory) } else { Ok(()) }
    }
}

/// How a length is written before KIP-482.
#[derive(Clone, Copy)]
enum LengthPrefix {
    Int16,
    Int32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, all_keys, header, random_body, recorded_frames};
    use crate::{Limits, RequestHeader, check};

    #[test]
    fn recorded_requests_end_where_their_frames_end() {
        let mut walked = 0;
        for recorded in recorded_frames().into_iter().filter(|recorded| recorded.is_request) {
            let (key, version) = (recorded.key, recorded.version);
            if !schema::of(key).unwrap().versions.contains(version) {
                continue; // ShareFetch 2 and its like, see newer.rs
            }
            // The frames are recorded with their headers, keyed by what a proxy read from them.
            let mut body = recorded.frame.clone();
            let header = RequestHeader::parse(&mut body).unwrap();
            assert_eq!((header.api_key, header.api_version), (key, version));
            let walk = walk(key, version, &body, usize::MAX).unwrap();
            assert_eq!(walk.consumed, body.len(), "{key:?} {version}");
            let checked = check(&header, body, &Limits::default()).unwrap();
            checked.decode().unwrap_or_else(|error| panic!("{error}"));
            walked += 1;
        }
        assert!(walked >= 140, "only {walked} frames");
    }

    /// Random requests of every key and version: `kafka-protocol` reads them to the same end, and what it
    /// writes of them walks to the end again.
    #[test]
    fn agrees_with_kafka_protocol() {
        for key in all_keys() {
            let schema = schema::of(key).unwrap();
            for version in schema.versions.min..=schema.versions.max {
                for seed in 0..50 {
                    let body = random_body(schema, version, &mut Random(seed));
                    let walk = walk(key, version, &body, usize::MAX)
                        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                    assert_eq!(walk.consumed, body.len(), "{key:?} {version} seed {seed}");
                    crate::request::assert_same_end(&header(key, version), &body);
                }
            }
        }
    }

    fn refused(key: ApiKey, version: i16, body: &[u8], expect: &str) {
        let error = walk(key, version, body, 1 << 20).unwrap_err().to_string();
        assert_eq!(error, expect);
    }

    #[test]
    fn lengths_without_bytes() {
        refused(
            ApiKey::Metadata,
            0,
            &[0x7f, 0xff, 0xff, 0xff],
            "Metadata version 0: field topics at byte 4 of the body: 2147483647 elements announced, 0 \
             bytes left",
        );
        refused(
            ApiKey::Metadata,
            9,
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            "Metadata version 9: field topics at byte 5 of the body: 4294967294 elements announced, 0 \
             bytes left",
        );
        refused(
            ApiKey::Metadata,
            9,
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
            "Metadata version 9: field topics at byte 5 of the body: variable-length integer beyond 32 bits",
        );
        refused(
            ApiKey::Metadata,
            0,
            &[0, 0, 0, 1, 0, 9, b'a'],
            "Metadata version 0: field name at byte 6 of the body: 9 bytes needed, 1 left",
        );
        refused(
            ApiKey::Metadata,
            0,
            &[0xff, 0xff, 0xff, 0xff],
            "Metadata version 0: field topics at byte 4 of the body: null is not allowed",
        );
        refused(
            ApiKey::Metadata,
            1,
            &[0xff, 0xff, 0xff, 0xfe],
            "Metadata version 1: field topics at byte 4 of the body: negative length -2",
        );
        refused(ApiKey::Metadata, 99, &[], "Metadata version 99 is not supported, only 0 to 13");
    }

    #[test]
    fn tagged_fields_are_taken_at_their_word() {
        // ReplicaState of Fetch 18, tag 1: 4 + 8 bytes and an empty list of tags make 13.
        let mut body = vec![0; 4 * 3 + 1 + 4 * 2];
        body.extend([1, 1, 1]); // no topics, no forgotten topics, empty rack
        let with_tag = |size: u8| [&body[..], &[1, 1, size], &[0; 20]].concat();
        assert_eq!(walk(ApiKey::Fetch, 18, &with_tag(13), 0).unwrap().consumed, body.len() + 3 + 13);
        refused(
            ApiKey::Fetch,
            18,
            &with_tag(14),
            "Fetch version 18: field tagged fields at byte 40 of the body: tagged field 1 of 14 bytes \
             holds 13",
        );
        refused(
            ApiKey::Fetch,
            12,
            &[&[0; 4], &with_tag(13)[..]].concat(),
            "Fetch version 12: field tagged fields at byte 31 of the body: tagged field 1 does not \
             exist in this version",
        );
    }

    #[test]
    fn memory_is_counted_by_element() {
        // 1,000 topics of two bytes each (an empty compact name would be one byte and the tags one more).
        let mut body = vec![0xe9, 0x07];
        body.extend([1, 0].repeat(1000));
        body.extend([0, 0, 0, 0]);
        let topic = size_of::<crate::messages::metadata_request::MetadataRequestTopic>();
        let walked = walk(ApiKey::Metadata, 9, &body, 1 << 20).unwrap();
        assert_eq!(walked, Walk { consumed: body.len(), memory_estimate: 1000 * topic });
        let error = walk(ApiKey::Metadata, 9, &body, 1000).unwrap_err();
        let (key, version, estimate) = (ApiKey::Metadata, 9, 1000 * topic);
        assert_eq!(error, WireError::TooMuchMemory { key, version, estimate, limit: 1000 });
    }
}
