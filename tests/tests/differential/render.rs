//! Answers as text that two brokers can share: every field with its name, but for what must differ.
//!
//! The text comes from the answer's `Debug` form, read back into a tree. Ids, times and ports are replaced by
//! names; an id that shows up again gets the same name again, so that two answers must agree on which
//! members, topics or producers are the same. Lists whose order means nothing are sorted.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rkafka_record::{Batches, Codec, DecodeLimits};

/// An answer as a tree.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// A number, a string with its quotes, a bare word, a UUID.
    Leaf(String),
    List(Vec<Value>),
    Record(Vec<(String, Value)>),
}

/// Gives the same name to the same id; one for each broker and script.
#[derive(Default)]
pub(crate) struct Names {
    known: HashMap<(&'static str, String), usize>,
    counts: HashMap<&'static str, usize>,
}

impl Names {
    fn name(&mut self, kind: &'static str, value: &str) -> String {
        let counts = &mut self.counts;
        let number = *self.known.entry((kind, value.to_owned())).or_insert_with(|| {
            let count = counts.entry(kind).or_default();
            *count += 1;
            *count
        });
        format!("<{kind} {number}>")
    }

    /// Renders what `{:?}` printed: one field a line, indented.
    pub(crate) fn render(&mut self, debug: &str) -> String {
        let mut value = Parser { text: debug.as_bytes(), at: 0 }.value();
        self.mask("", &mut value);
        let mut text = String::new();
        write(&value, 0, &mut text);
        text
    }

    fn mask(&mut self, field: &str, value: &mut Value) {
        match value {
            Value::Leaf(leaf) => *leaf = self.mask_leaf(field, leaf),
            Value::List(values) => {
                // In the order of their fields, so that names are given in the same order on both sides.
                if !ORDERED.contains(&field) {
                    values.sort_by_cached_key(|value| self.sort_key(value));
                }
                values.iter_mut().for_each(|value| self.mask(field, value));
            }
            Value::Record(fields) => {
                fields.retain(|(name, _)| name != "unknown_tagged_fields");
                for (name, value) in fields {
                    match (name.as_str(), &value) {
                        ("records", Value::Leaf(leaf)) if leaf.starts_with("b\"") => {
                            *value = records(leaf);
                            self.mask("records", value);
                        }
                        _ => self.mask(name, value),
                    }
                }
            }
        }
    }

    /// Elements are sorted by what names them, by everything that is the same on both sides, and by the names
    /// that their ids have got already.
    fn sort_key(&self, value: &Value) -> (Vec<String>, String, Vec<usize>) {
        let Value::Record(fields) = value else { return (Vec::new(), format!("{value:?}"), Vec::new()) };
        let leaves = fields.iter().filter_map(|(name, value)| match value {
            Value::Leaf(leaf) => Some((name.as_str(), leaf)),
            _ => None,
        });
        let naming = leaves.clone().filter(|(name, _)| NAMING.contains(name)).map(|(_, leaf)| leaf.clone());
        let equal: Vec<_> = fields.iter().filter(|(name, _)| !MASKED.contains(&name.as_str())).collect();
        let known =
            leaves.filter(|(name, _)| MASKED.contains(name)).filter_map(|(_, leaf)| self.number(leaf));
        (naming.collect(), format!("{equal:?}"), known.collect())
    }

    /// The number of the id that `leaf` holds, if it was seen before.
    fn number(&self, leaf: &str) -> Option<usize> {
        let held = |((_, id), _): &(&(&'static str, String), &usize)| leaf.contains(id.as_str());
        self.known.iter().find(held).map(|(_, number)| *number)
    }

    fn mask_leaf(&mut self, field: &str, leaf: &str) -> String {
        let number: Option<i64> = leaf.parse().ok();
        match (field, number) {
            ("port", Some(0..)) => "<port>".to_owned(),
            ("session_id", Some(id)) if id != 0 => self.name("session", leaf),
            ("producer_id", Some(0..)) => self.name("producer", leaf),
            ("finalized_features_epoch", Some(0..)) => "<epoch>".to_owned(),
            ("total_bytes" | "usable_bytes", Some(0..)) => "<bytes>".to_owned(),
            ("cluster_id", None) if leaf != "None" => "<cluster>".to_owned(),
            ("log_dir", None) => "<path>".to_owned(),
            (_, Some(number)) if is_recent(number) => "<now>".to_owned(),
            _ => self.mask_uuids(leaf),
        }
    }

    /// Replaces each UUID within `text`, but not the zero one.
    fn mask_uuids(&mut self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        while let Some(at) = (0..rest.len()).find(|at| is_uuid(&rest.as_bytes()[*at..])) {
            let (before, from) = rest.split_at(at);
            masked.push_str(before);
            masked.push_str(&self.name("id", &from[..UUID_LENGTH]));
            rest = &from[UUID_LENGTH..];
        }
        masked + rest
    }
}

const UUID_LENGTH: usize = 36;

fn is_uuid(bytes: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..UUID_LENGTH) else { return false };
    let shape = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    shape && bytes.iter().any(|byte| !matches!(byte, b'0' | b'-'))
}

/// Lists whose order is part of the answer.
const ORDERED: [&str; 4] = ["api_keys", "records", "broker_ids", "replica_nodes"];

/// Whether this may be a time of the present; scripts use times far from it where they matter.
fn is_recent(number: i64) -> bool {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    (now - DAY_MS..now + DAY_MS).contains(&number)
}

/// Fields that differ from broker to broker, so that nothing can be sorted by them.
const MASKED: [&str; 3] = ["topic_id", "member_id", "producer_id"];

/// Fields by which an element of a list is found.
const NAMING: [&str; 8] = [
    "name",
    "topic",
    "resource_name",
    "group_id",
    "group_instance_id",
    "partition_index",
    "index",
    "partition",
];

/// The batches in a `Bytes` printed by `{:?}`.
fn records(leaf: &str) -> Value {
    let bytes = unescape(leaf);
    let mut batches = Vec::new();
    for batch in Batches::new(&bytes) {
        match batch {
            Ok(batch) => batches.push(render_batch(&batch)),
            Err(error) => batches.push(Value::Leaf(format!("damage: {error}"))),
        }
    }
    Value::List(batches)
}

fn render_batch(batch: &rkafka_record::BatchRef<'_>) -> Value {
    let field = |name: &str, value: i64| (name.to_owned(), Value::Leaf(value.to_string()));
    let mut fields = vec![
        field("base_offset", batch.base_offset()),
        ("size".to_owned(), Value::Leaf(size(batch))),
        field("partition_leader_epoch", batch.partition_leader_epoch().into()),
        field("attributes", batch.attributes().into()),
        field("last_offset_delta", batch.last_offset_delta().into()),
        field("base_timestamp", batch.base_timestamp()),
        field("max_timestamp", batch.max_timestamp()),
        field("producer_id", batch.producer_id()),
        field("producer_epoch", batch.producer_epoch().into()),
        field("base_sequence", batch.base_sequence().into()),
        ("checksum".to_owned(), Value::Leaf(format!("{:?}", batch.check_crc().is_ok()))),
    ];
    let content = match batch.decode(DecodeLimits::default()) {
        Err(error) => Value::Leaf(error.to_string()),
        Ok(decoded) => Value::List(decoded.records().map(|record| render_record(&record)).collect()),
    };
    fields.push(("content".to_owned(), content));
    Value::Record(fields)
}

/// What a codec makes of the same records differs from library to library.
fn size(batch: &rkafka_record::BatchRef<'_>) -> String {
    if batch.codec() == Codec::None { batch.size().to_string() } else { "<compressed>".to_owned() }
}

fn render_record<E: std::fmt::Display>(record: &Result<rkafka_record::Record<'_>, E>) -> Value {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes.escape_ascii().to_string());
    Value::Leaf(match record {
        Err(error) => error.to_string(),
        Ok(record) => format!(
            "{} at {}: {:?} = {:?} headers {:?}",
            record.offset,
            if is_recent(record.timestamp) { "<now>".to_owned() } else { record.timestamp.to_string() },
            text(record.key),
            text(record.value),
            record.headers().map(|header| (text(Some(header.key)), text(header.value))).collect::<Vec<_>>()
        ),
    })
}

/// The bytes of a literal such as `b"a\x00"`.
fn unescape(leaf: &str) -> Vec<u8> {
    let inner = leaf.trim_start_matches("b\"").trim_end_matches('"').as_bytes();
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < inner.len() {
        if inner[at] != b'\\' {
            bytes.push(inner[at]);
            at += 1;
            continue;
        }
        let (byte, length) = match inner[at + 1] {
            b'x' => {
                let digits = std::str::from_utf8(&inner[at + 2..at + 4]).expect("two digits");
                (u8::from_str_radix(digits, 16).expect("two digits"), 4)
            }
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'0' => (0, 2),
            other => (other, 2),
        };
        bytes.push(byte);
        at += length;
    }
    bytes
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Leaf(leaf) => text.push_str(&format!("{indent}{leaf}\n")),
        Value::List(values) => values.iter().for_each(|value| {
            text.push_str(&format!("{indent}-\n"));
            write(value, depth + 1, text);
        }),
        Value::Record(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Leaf(leaf) => text.push_str(&format!("{indent}{name}: {leaf}\n")),
                    Value::List(values) if values.iter().all(|value| matches!(value, Value::Leaf(_))) => {
                        let leaves: Vec<_> = values.iter().map(leaf).collect();
                        text.push_str(&format!("{indent}{name}: [{}]\n", leaves.join(", ")));
                    }
                    _ => {
                        text.push_str(&format!("{indent}{name}:\n"));
                        write(value, depth + 1, text);
                    }
                }
            }
        }
    }
}

fn leaf(value: &Value) -> &str {
    match value {
        Value::Leaf(leaf) => leaf,
        _ => "",
    }
}

/// Reads the output of a derived `Debug`.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Value {
        self.space();
        match self.peek() {
            b'[' => Value::List(self.values(b']')),
            // A map: its keys are of no interest, only unknown tagged fields are maps.
            b'{' => {
                self.fields();
                Value::List(Vec::new())
            }
            b'"' => Value::Leaf(self.quoted()),
            b'b' if self.text.get(self.at + 1) == Some(&b'"') => {
                self.at += 1;
                Value::Leaf(format!("b{}", self.quoted()))
            }
            _ => self.word_or_record(),
        }
    }

    fn word_or_record(&mut self) -> Value {
        let word = self.word();
        self.space();
        match self.peek() {
            b'{' => Value::Record(self.fields()),
            // `Some(…)` and newtypes are what they hold.
            b'(' => match self.values(b')') {
                mut one if one.len() == 1 => one.remove(0),
                several => Value::List(several),
            },
            _ => Value::Leaf(word),
        }
    }

    fn values(&mut self, end: u8) -> Vec<Value> {
        self.at += 1;
        let mut values = Vec::new();
        while !self.ends(end) {
            values.push(self.value());
        }
        values
    }

    fn fields(&mut self) -> Vec<(String, Value)> {
        self.at += 1;
        let mut fields = Vec::new();
        while !self.ends(b'}') {
            let name = self.word();
            self.at += 1;
            fields.push((name, self.value()));
        }
        fields
    }

    /// Skips a comma; whether `end` follows, which is then skipped too.
    fn ends(&mut self, end: u8) -> bool {
        self.space();
        if self.peek() == b',' {
            self.at += 1;
            self.space();
        }
        let ends = self.peek() == end;
        if ends {
            self.at += 1;
        }
        ends
    }

    fn word(&mut self) -> String {
        self.space();
        let start = self.at;
        while !matches!(self.peek(), b' ' | b',' | b':' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | 0) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    /// A string with its quotes and escapes.
    fn quoted(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn space(&mut self) {
        while self.peek() == b' ' {
            self.at += 1;
        }
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[allow(dead_code, reason = "read through Debug")]
    struct Outer {
        port: i32,
        topic_id: &'static str,
        parts: Vec<Inner>,
        missing: Option<i32>,
        unknown_tagged_fields: std::collections::BTreeMap<i32, i32>,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "read through Debug")]
    struct Inner {
        name: &'static str,
        leader: Option<i32>,
    }

    #[test]
    fn a_record_is_rendered_sorted_and_masked() {
        let id = "0a1b2c3d-0000-4000-8000-000000000001";
        let parts = vec![Inner { name: "b", leader: None }, Inner { name: "a\"", leader: Some(-1) }];
        let unknown_tagged_fields = [(1, 2)].into();
        let outer = Outer { port: 9092, topic_id: id, parts, missing: None, unknown_tagged_fields };
        let rendered = Names::default().render(&format!("{outer:?}"));
        let expected = "port: <port>\ntopic_id: \"<id 1>\"\nparts:\n  -\n    name: \"a\\\"\"\n    leader: -1\n  \
                        -\n    name: \"b\"\n    leader: None\nmissing: None\n";
        assert_eq!(rendered, expected);
    }

    #[test]
    fn bytes_are_read_back() {
        let bytes = bytes::Bytes::from_static(b"a\x00\n\"\\\xff");
        assert_eq!(unescape(&format!("{bytes:?}")), bytes);
    }
}
