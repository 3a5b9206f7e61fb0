//! What the tests of this crate share: recorded frames, random numbers, random requests by schema.

use bytes::{BufMut, Bytes};

use crate::messages::ApiKey;
use crate::schema::{Element, Field, Kind, Schema};
use crate::varint::put_varint;
use crate::{FilePart, Part, RequestHeader, Response};

/// A frame recorded between a stock client and Apache Kafka 4.3.1, without size prefix.
pub(crate) struct Recorded {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) is_request: bool,
    pub(crate) frame: Bytes,
}

/// All recorded frames.
pub(crate) fn recorded_frames() -> Vec<Recorded> {
    let text = include_str!("../tests/fixtures/frames-kafka-4.3.1.txt");
    text.lines().filter(|line| !line.starts_with('#')).map(recorded_frame).collect()
}

fn recorded_frame(line: &str) -> Recorded {
    let words: Vec<&str> = line.split(' ').collect();
    let hex = words[3].as_bytes().chunks(2);
    let bytes = hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    Recorded {
        key: ApiKey::try_from(words[0].parse::<i16>().unwrap()).unwrap(),
        version: words[1].parse().unwrap(),
        is_request: words[2] == "request",
        frame: bytes.collect(),
    }
}

/// A header as a client would send it.
pub(crate) fn header(api_key: ApiKey, api_version: i16) -> RequestHeader {
    RequestHeader { api_key, api_version, correlation_id: 7, client_id: None }
}

/// The bytes of an answer whose file parts are bytes too.
pub(crate) fn contents<F: FilePart + AsRef<[u8]>>(response: Response<F>) -> Bytes {
    let mut bytes = Vec::with_capacity(response.size());
    for part in response.into_parts() {
        match part {
            Part::Bytes(part) => bytes.extend(part),
            Part::File(part) => bytes.extend(part.as_ref()),
        }
    }
    bytes.into()
}

/// A file part that is bytes, so that tests see them.
#[derive(Debug, Clone)]
pub(crate) struct BytesAsFile(pub(crate) Bytes);

impl FilePart for BytesAsFile {
    fn size(&self) -> usize {
        self.0.len()
    }
}

impl AsRef<[u8]> for BytesAsFile {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Every key that has a schema.
pub(crate) fn all_keys() -> impl Iterator<Item = ApiKey> {
    (0..200).filter_map(|key| ApiKey::try_from(key).ok()).filter(|key| crate::schema::of(*key).is_some())
}

/// Random numbers from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// The bytes of a random body of this shape.
pub(crate) fn random_body(schema: &Schema, version: i16, random: &mut Random) -> Vec<u8> {
    let flexible = version >= schema.flexible;
    let mut writer = RandomBody { body: Vec::new(), version, flexible, random };
    writer.structure(schema.fields);
    writer.body
}

struct RandomBody<'a> {
    body: Vec<u8>,
    version: i16,
    flexible: bool,
    random: &'a mut Random,
}

impl RandomBody<'_> {
    fn structure(&mut self, fields: &'static [Field]) {
        for field in fields {
            if field.tag.is_none() && field.exists_in(self.version) {
                self.field(field);
            }
        }
        if self.flexible {
            self.tagged_fields(fields);
        }
    }

    fn field(&mut self, field: &'static Field) {
        let null = self.version >= field.nullable && self.random.one_in(4);
        match field.kind {
            Kind::Fixed(size) => self.fixed(size),
            Kind::String => self.string(null),
            Kind::Bytes => {
                let length = self.random.below(40);
                self.length(length, null, 4);
                if !null {
                    let content = self.random.bytes(length);
                    self.body.extend(content);
                }
            }
            Kind::Array(element) => self.array(element, null),
            Kind::Structure(fields) => {
                if self.version >= field.nullable {
                    self.body.put_i8(if null { -1 } else { 1 });
                }
                if !null {
                    self.structure(fields);
                }
            }
        }
    }

    /// Numbers; a single byte may be a boolean, of which the decoder keeps only whether it is zero.
    fn fixed(&mut self, size: usize) {
        let content = if size == 1 { vec![self.random.below(2) as u8] } else { self.random.bytes(size) };
        self.body.extend(content);
    }

    fn string(&mut self, null: bool) {
        let length = self.random.below(12);
        self.length(length, null, 2);
        if !null {
            self.body.extend((0..length).map(|_| b'a' + self.random.below(26) as u8));
        }
    }

    fn array(&mut self, element: Element, null: bool) {
        let count = self.random.below(4);
        self.length(count, null, 4);
        for _ in 0..if null { 0 } else { count } {
            match element {
                Element::Fixed(size) => self.fixed(size),
                Element::String => self.string(false),
                Element::Structure { fields, .. } => self.structure(fields),
            }
        }
    }

    fn length(&mut self, length: usize, null: bool, width: usize) {
        match (self.flexible, width) {
            (true, _) => put_varint(&mut self.body, if null { 0 } else { length as u32 + 1 }),
            (false, 2) => self.body.put_i16(if null { -1 } else { length as i16 }),
            (false, _) => self.body.put_i32(if null { -1 } else { length as i32 }),
        }
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) {
        let defined: Vec<&Field> = fields
            .iter()
            .filter(|field| field.tag.is_some() && field.exists_in(self.version))
            .filter(|_| self.random.one_in(2))
            .collect();
        let unknown = if self.random.one_in(4) { self.random.below(14) } else { 0 };
        put_varint(&mut self.body, (defined.len() + unknown) as u32);
        for field in defined {
            let outer = std::mem::take(&mut self.body);
            self.field(field);
            let content = std::mem::replace(&mut self.body, outer);
            self.tagged_field(field.tag.unwrap(), &content);
        }
        for number in 0..unknown {
            let length = self.random.below(6);
            let content = self.random.bytes(length);
            self.tagged_field(1000 + number as u32, &content);
        }
    }

    fn tagged_field(&mut self, tag: u32, content: &[u8]) {
        put_varint(&mut self.body, tag);
        put_varint(&mut self.body, content.len() as u32);
        self.body.extend(content);
    }
}
