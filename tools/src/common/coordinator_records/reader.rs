//! Reads fields by their table and writes them as JSON.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::Embedded;
use super::schema::{Field, Kind};

/// Bytes being read. A length never makes it reserve memory: elements are read one by one.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    embedded: Embedded,
    /// Whether the group being read is one of consumers: only then is it known what its members' bytes are.
    of_consumers: bool,
}

/// Where the bytes ended too early.
struct Ended;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, embedded: Embedded::Base64, of_consumers: false }
    }

    /// Shows the bytes of members in this form.
    pub(super) fn showing(self, embedded: Embedded) -> Reader<'a> {
        Reader { embedded, ..self }
    }

    pub(super) fn i16(&mut self) -> Result<i16, String> {
        Ok(i16::from_be_bytes(self.array().map_err(|Ended| "the bytes end inside the version".to_owned())?))
    }

    /// Reads an object of this version: the fields in order, then the tagged ones.
    pub(super) fn object(
        &mut self,
        fields: &[Field],
        version: i16,
        is_flexible: bool,
    ) -> Result<String, String> {
        let here = || fields.iter().filter(|field| field.versions.contains(&version));
        let mut texts: Vec<(&str, Option<String>)> = Vec::new();
        for field in here() {
            let text = match field.tag {
                None => Some(self.named(field, version, is_flexible)?),
                Some(_) => None,
            };
            if field.name == "protocolType" {
                self.of_consumers = text.as_deref() == Some("\"consumer\"");
            }
            texts.push((field.name, text));
        }
        if is_flexible {
            for (tag, bytes) in self.tags()? {
                let Some(field) = here().find(|field| field.tag == Some(tag)) else { continue };
                let text = Reader::new(bytes).named(field, version, is_flexible)?;
                texts.iter_mut().filter(|(name, _)| *name == field.name).for_each(|(_, place)| {
                    *place = Some(text.clone());
                });
            }
        }
        let pairs = texts.iter().filter_map(|(name, text)| Some(format!("\"{name}\":{}", text.as_ref()?)));
        Ok(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")))
    }

    fn named(&mut self, field: &Field, version: i16, is_flexible: bool) -> Result<String, String> {
        self.value(&field.kind, version, is_flexible)
            .map_err(|inner| inner.unwrap_or_else(|| format!("the bytes end inside {}", field.name)))
    }

    /// The value as JSON; the error is that of an inner field, if it was there.
    fn value(&mut self, kind: &Kind, version: i16, is_flexible: bool) -> Result<String, Option<String>> {
        let ended = |Ended| None;
        Ok(match kind {
            Kind::Int8 => i8::from_be_bytes(self.array().map_err(ended)?).to_string(),
            Kind::Int16 => i16::from_be_bytes(self.array().map_err(ended)?).to_string(),
            Kind::Int32 => i32::from_be_bytes(self.array().map_err(ended)?).to_string(),
            Kind::Int64 => i64::from_be_bytes(self.array().map_err(ended)?).to_string(),
            Kind::Uuid => quoted(&URL_SAFE_NO_PAD.encode(self.array::<16>().map_err(ended)?)),
            Kind::Text | Kind::NullableText => {
                let text = self.sized(2, is_flexible).map_err(ended)?;
                text.map_or_else(null, |text| quoted(&String::from_utf8_lossy(text)))
            }
            Kind::NullableBytes => {
                let bytes = self.sized(4, is_flexible).map_err(ended)?;
                bytes.map_or_else(null, |bytes| quoted(&STANDARD.encode(bytes)))
            }
            Kind::Subscription | Kind::Assignment => {
                let bytes = self.sized(4, is_flexible).map_err(ended)?.unwrap_or_default();
                let is_known = self.of_consumers && self.embedded == Embedded::Decoded;
                let known = if is_known { super::decode_embedded(kind, bytes) } else { None };
                known.unwrap_or_else(|| quoted(&STANDARD.encode(bytes)))
            }
            Kind::Array(element) | Kind::NullableArray(element) => {
                let Some(count) = self.length(4, is_flexible).map_err(ended)? else { return Ok(null()) };
                let mut elements = Vec::new();
                for _ in 0..count {
                    elements.push(self.value(element, version, is_flexible)?);
                }
                format!("[{}]", elements.join(","))
            }
            Kind::Object(fields) => self.object(fields, version, is_flexible)?,
        })
    }

    /// The tagged fields of an object (KIP-482).
    fn tags(&mut self) -> Result<Vec<(u32, &'a [u8])>, String> {
        let mut read = || -> Result<_, Ended> {
            let mut tags = Vec::new();
            for _ in 0..self.varint()? {
                let (tag, size) = (self.varint()?, self.varint()?);
                tags.push((tag, self.take(usize::try_from(size).map_err(|_| Ended)?)?));
            }
            Ok(tags)
        };
        read().map_err(|Ended| "the bytes end inside the tagged fields".to_owned())
    }

    /// Bytes with their length in front; none for a negative one.
    fn sized(&mut self, width: usize, is_flexible: bool) -> Result<Option<&'a [u8]>, Ended> {
        match self.length(width, is_flexible)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    fn length(&mut self, width: usize, is_flexible: bool) -> Result<Option<usize>, Ended> {
        let length = match (is_flexible, width) {
            (true, _) => i64::from(self.varint()?) - 1,
            (false, 2) => i64::from(i16::from_be_bytes(self.array()?)),
            (false, _) => i64::from(i32::from_be_bytes(self.array()?)),
        };
        Ok(usize::try_from(length).ok())
    }

    fn varint(&mut self) -> Result<u32, Ended> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Ended)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Ended> {
        let (bytes, rest) = self.bytes.split_first_chunk::<N>().ok_or(Ended)?;
        self.bytes = rest;
        Ok(*bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Ended> {
        let (bytes, rest) = self.bytes.split_at_checked(count).ok_or(Ended)?;
        self.bytes = rest;
        Ok(bytes)
    }
}

fn null() -> String {
    "null".to_owned()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
