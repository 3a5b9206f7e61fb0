//! Avro container files (`deserializer = AVRO`): an event a datum, its body the datum as it stands in the file.
//!
//! The container is read here, block by block, so that a datum is a slice of its block: nothing is encoded anew (as
//! Flume does), and a block that has arrived is passed over by its length after a restart. Decoding is done to find
//! where a datum ends; logical types are left out of the schema for it, as values are of no interest.

use std::{
    io::{self, BufRead, BufReader, Read},
    str::FromStr,
};

use apache_avro::{Codec, Schema, rabin::Rabin, reader::datum::GenericDatumReader, types::Value};
use bytes::Bytes;

use crate::{event::Text, text::LineError};

/// A container begins so.
const MAGIC: &[u8] = b"Obj\x01";
/// The longest block; Java's writer begins a new one after 16 KiB.
const MOST_BLOCK: u64 = 256 * 1024 * 1024;

/// How an event tells its schema (`deserializer.schemaType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaHeader {
    /// By the schema's CRC-64-AVRO fingerprint.
    Hash,
    /// By the schema itself.
    Literal,
}

/// The datums of one file.
pub struct Datums {
    header: SchemaHeader,
    container: Option<Box<Container>>,
    /// How many were given out, those before a restart included.
    given: u64,
    /// How many bytes of the file were read for them.
    position: u64,
}

/// Some datums that follow one another.
pub struct Run {
    /// Their bytes.
    pub bodies: Vec<Bytes>,
    /// The header that all of them have.
    pub header: (Text, Text),
}

impl Datums {
    /// Goes on behind the first `given` datums; `position` is shown until something is read.
    #[must_use]
    pub fn new(header: SchemaHeader, given: u64, position: u64) -> Datums {
        Datums { header, container: None, given, position }
    }

    /// How many bytes of the file were read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The file has changed: it is opened anew, behind what was given out.
    pub fn read_on(&mut self) {
        self.container = None;
    }

    /// The next datums, at most so many and of one block; nothing at the end. `open` gives the file from its beginning.
    ///
    /// # Errors
    /// It cannot be read or is no container. Good datums before that have been given out.
    pub fn next(
        &mut self,
        most: usize,
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send>>,
    ) -> Result<Option<Run>, LineError> {
        let run = self.run(most, open);
        if run.is_err() {
            self.container = None;
        }
        run.map_err(|source| LineError::Read { position: self.position, source })
    }

    fn run(
        &mut self,
        most: usize,
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send>>,
    ) -> io::Result<Option<Run>> {
        let container = match &mut self.container {
            Some(container) => container,
            None => match Container::open(open()?, self.header, self.given)? {
                Some(container) => self.container.insert(Box::new(container)),
                None => return Ok(None),
            },
        };
        if container.left == 0 && !container.next_block()? {
            return Ok(None);
        }
        let bodies = container.cut(most)?;
        self.given += bodies.len() as u64;
        self.position = container.input.position;
        Ok(Some(Run { bodies, header: container.header.clone() }))
    }
}

/// An open container, between two datums.
struct Container {
    input: Counted,
    schema: Schema,
    codec: Codec,
    marker: [u8; 16],
    header: (Text, Text),
    /// What of a block is not given out, and how many datums that are.
    block: Bytes,
    left: u64,
}

impl Container {
    /// Reads the header and passes over the first `given` datums; nothing if the file is empty.
    fn open(input: Box<dyn Read + Send>, header: SchemaHeader, given: u64) -> io::Result<Option<Container>> {
        let mut input = Counted { input: BufReader::with_capacity(64 * 1024, input), position: 0 };
        if input.at_end()? {
            return Ok(None);
        }
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(bad("it is no Avro container file: it does not begin with Obj 1"));
        }
        let facts = value(&Schema::map(Schema::Bytes).build(), &mut input)?;
        let Value::Map(facts) = facts else { return Err(bad("its Avro header is damaged")) };
        let fact = |name: &str| match facts.get(name) {
            Some(Value::Bytes(bytes)) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let text = fact("avro.schema").ok_or_else(|| bad("its Avro header has no schema"))?;
        let codec = fact("avro.codec").unwrap_or("null");
        let codec = Codec::from_str(codec).map_err(|_| bad(format!("codec {codec:?} is not known")))?;
        let header = schema_header(header, text)?;
        let schema = parse(&without_logical_types(text)?)?;
        let mut marker = [0; 16];
        input.read_exact(&mut marker)?;
        let block = Bytes::new();
        let mut container = Container { input, schema, codec, marker, header, block, left: 0 };
        container.pass_over(given)?;
        Ok(Some(container))
    }

    fn pass_over(&mut self, mut given: u64) -> io::Result<()> {
        while given > 0 {
            let Some((count, length)) = self.block_head()? else {
                return Err(bad(format!("it ends {given} datums before what has been read of it before")));
            };
            if count <= given {
                io::copy(&mut (&mut self.input).take(length), &mut io::sink())?;
                self.check_marker()?;
                given -= count;
                continue;
            }
            self.load(count, length)?;
            let most = usize::try_from(given).unwrap_or(usize::MAX);
            given -= self.cut(most)?.len() as u64;
        }
        Ok(())
    }

    /// Reads the next block that has datums; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        while let Some((count, length)) = self.block_head()? {
            self.load(count, length)?;
            if self.left > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many datums the next block has, and how many bytes.
    fn block_head(&mut self) -> io::Result<Option<(u64, u64)>> {
        if self.input.at_end()? {
            return Ok(None);
        }
        let (count, length) = (long(&mut self.input)?, long(&mut self.input)?);
        match (u64::try_from(count), u64::try_from(length)) {
            (Ok(count), Ok(length)) if length <= MOST_BLOCK => Ok(Some((count, length))),
            _ => Err(bad(format!("a block of {count} datums in {length} bytes is damaged"))),
        }
    }

    fn load(&mut self, count: u64, length: u64) -> io::Result<()> {
        let mut block = Vec::new();
        if (&mut self.input).take(length).read_to_end(&mut block)? as u64 != length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within a block"));
        }
        self.check_marker()?;
        self.codec.decompress(&mut block).map_err(|error| bad(error.to_string()))?;
        (self.block, self.left) = (Bytes::from(block), count);
        Ok(())
    }

    fn check_marker(&mut self) -> io::Result<()> {
        let mut marker = [0; 16];
        self.input.read_exact(&mut marker)?;
        if marker == self.marker { Ok(()) } else { Err(bad("the mark behind a block is damaged")) }
    }

    /// Cuts the next datums off the block; an error only if the first is damaged.
    fn cut(&mut self, most: usize) -> io::Result<Vec<Bytes>> {
        let reader = GenericDatumReader::builder(&self.schema).build();
        let reader = reader.map_err(|error| bad(error.to_string()))?;
        let mut bodies = Vec::new();
        while self.left > 0 && bodies.len() < most {
            let mut rest: &[u8] = &self.block;
            let read = reader.read_value(&mut rest);
            let length = self.block.len() - rest.len();
            let problem = match read {
                Err(error) => Some(format!("a datum cannot be decoded: {error}")),
                // A damaged count would give such events for ever.
                Ok(_) if length == 0 => Some("a datum of no bytes".to_owned()),
                Ok(_) => None,
            };
            match problem {
                Some(_) if !bodies.is_empty() => return Ok(bodies),
                Some(problem) => return Err(bad(problem)),
                None => {}
            }
            bodies.push(self.block.split_to(length));
            self.left -= 1;
        }
        if self.left == 0 && !self.block.is_empty() && bodies.is_empty() {
            return Err(bad("a block has more bytes than its datums"));
        }
        Ok(bodies)
    }
}

/// The header that tells the schema.
fn schema_header(form: SchemaHeader, text: &str) -> io::Result<(Text, Text)> {
    Ok(match form {
        SchemaHeader::Literal => ("flume.avro.schema.literal".into(), text.into()),
        SchemaHeader::Hash => {
            // The canonical form has none; the library would leave them in.
            let fingerprint = parse(&without_logical_types(text)?)?.fingerprint::<Rabin>();
            let hexadecimal: String = fingerprint.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            ("flume.avro.schema.hash".into(), hexadecimal.into())
        }
    })
}

fn parse(text: &str) -> io::Result<Schema> {
    Schema::parse_str(text).map_err(|error| bad(format!("its Avro schema cannot be used: {error}")))
}

/// A string that says to be a UUID and is none is a string.
fn without_logical_types(text: &str) -> io::Result<String> {
    fn strip(json: &mut serde_json::Value) {
        match json {
            serde_json::Value::Array(parts) => parts.iter_mut().for_each(strip),
            serde_json::Value::Object(parts) => {
                parts.remove("logicalType");
                parts.iter_mut().filter(|(name, _)| *name != "default").for_each(|(_, part)| strip(part));
            }
            _ => {}
        }
    }
    let mut json: serde_json::Value = serde_json::from_str(text)?;
    strip(&mut json);
    Ok(json.to_string())
}

fn long(input: &mut Counted) -> io::Result<i64> {
    match value(&Schema::Long, input)? {
        Value::Long(number) => Ok(number),
        _ => Err(bad("a number is damaged")),
    }
}

fn value(schema: &Schema, input: &mut Counted) -> io::Result<Value> {
    let reader = GenericDatumReader::builder(schema).build();
    reader.and_then(|reader| reader.read_value(input)).map_err(|error| bad(error.to_string()))
}

fn bad(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

/// A reader that knows where it is.
struct Counted {
    input: BufReader<Box<dyn Read + Send>>,
    position: u64,
}

impl Counted {
    fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.input.fill_buf()?.is_empty())
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// See `fixtures/README.md`.
    const ORDERS: &[u8] = include_bytes!("../../../fixtures/orders.avro");
    const BODIES: &str = include_str!("../../../fixtures/orders.hex");

    fn hexadecimal(body: &[u8]) -> String {
        body.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is given out behind the first `given`, and how it ends.
    fn read(file: &[u8], given: u64, most: usize) -> (Vec<String>, Option<LineError>) {
        let mut datums = Datums::new(SchemaHeader::Hash, given, 0);
        let mut bodies = Vec::new();
        loop {
            let open = || Ok(Box::new(io::Cursor::new(file.to_vec())) as Box<dyn Read + Send>);
            match datums.next(most, open) {
                Ok(Some(run)) => {
                    assert_eq!(&*run.header.0, "flume.avro.schema.hash");
                    bodies.extend(run.bodies.iter().map(|body| hexadecimal(body)));
                }
                Ok(None) => return (bodies, None),
                Err(error) => return (bodies, Some(error)),
            }
        }
    }

    #[test]
    fn datums_of_another_writer_from_any_place_on() {
        let expected: Vec<&str> = BODIES.lines().collect();
        for given in 0..=expected.len() {
            for most in [1, 4, 100] {
                let (bodies, error) = read(ORDERS, given as u64, most);
                assert!(error.is_none(), "{error:?}");
                assert_eq!(bodies, expected[given..]);
            }
        }
        let (_, error) = read(ORDERS, 26, 4);
        assert!(error.unwrap().to_string().contains("ends 1 datums before what has been read"));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_gives_its_whole_blocks() {
        let expected: Vec<&str> = BODIES.lines().collect();
        assert!(read(&[], 0, 9).1.is_none(), "an empty file has no datums");
        let mut ends = 0;
        for length in 1..ORDERS.len() {
            let (bodies, error) = read(&ORDERS[..length], 0, 9);
            assert_eq!(bodies, expected[..bodies.len()]);
            ends += usize::from(error.is_none());
        }
        assert!((2..12).contains(&ends), "between blocks only: {ends}");
    }

    #[test]
    fn damage_is_noticed_or_changes_no_other_block() {
        for at in 0..ORDERS.len() {
            let mut damaged = ORDERS.to_vec();
            damaged[at] ^= 0x55;
            // Whatever comes of it, it ends.
            let (bodies, _) = read(&damaged, 0, 100);
            assert!(bodies.len() <= 100_000);
        }
        let mut damaged = ORDERS.to_vec();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let (bodies, error) = read(&damaged, 0, 100);
        assert_eq!(error.unwrap().to_string().split(": ").nth(1), Some("the mark behind a block is damaged"));
        assert!(bodies.len() < 25);
        let (_, error) = read(b"no Avro at all", 0, 1);
        assert!(error.unwrap().to_string().contains("does not begin with Obj 1"));
    }

    #[test]
    fn schemas_are_told_as_flume_tells_them() {
        // What Flume's logger sink printed for the `users.avro` of Apache Spark's examples.
        let users = r#"{"type": "record", "name": "User", "namespace": "example.avro", "fields": [
            {"type": "string", "name": "name"}, {"type": ["string", "null"], "name": "favorite_color"},
            {"type": {"items": "int", "type": "array"}, "name": "favorite_numbers"}]}"#;
        let (name, value) = schema_header(SchemaHeader::Hash, users).unwrap();
        assert_eq!((&*name, &*value), ("flume.avro.schema.hash", "613aba24037ec69a"));
        let (name, value) = schema_header(SchemaHeader::Literal, users).unwrap();
        assert_eq!((&*name, &*value), ("flume.avro.schema.literal", users));
        let mut datums = Datums::new(SchemaHeader::Hash, 0, 0);
        let run = datums.next(1, || Ok(Box::new(ORDERS))).unwrap().unwrap();
        assert_eq!(&*run.header.1, "1bc5524860e6822f");
    }
}
