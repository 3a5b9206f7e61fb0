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
        let (min, max) = (schema.versions.0.min, schema.versions.0.max);
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
