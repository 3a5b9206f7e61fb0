//! Format strings and JSON, as kcat has them.

use std::io::{self, Write};

use rkafka_client::ConsumerRecord;
use rkafka_client::consumer::TimestampType;
use serde_json::Value;

use super::pack::{Pack, WriteError};

/// How messages are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// One object a line.
    Json,
    Parts(Vec<Part>),
}

/// A piece of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(Vec<u8>),
    Value,
    UnpackedValue(Pack),
    ValueLength,
    ValueLengthBytes,
    Key,
    UnpackedKey(Pack),
    KeyLength,
    Timestamp,
    Headers,
    Topic,
    Partition,
    Offset,
}

impl Format {
    /// Reads a format string.
    ///
    /// # Errors
    /// Tokens that are not there.
    pub(super) fn parse(text: &str) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (before, behind) = rest.split_at(at);
            push_text(&mut parts, before);
            let mut tokens = behind.chars();
            let token = tokens.nth(1);
            rest = tokens.as_str();
            parts.push(match token {
                Some('s') => Part::Value,
                Some('S') => Part::ValueLength,
                Some('R') => Part::ValueLengthBytes,
                Some('k') => Part::Key,
                Some('K') => Part::KeyLength,
                Some('T') => Part::Timestamp,
                Some('h') => Part::Headers,
                Some('t') => Part::Topic,
                Some('p') => Part::Partition,
                Some('o') => Part::Offset,
                Some('%') => Part::Text(b"%".to_vec()),
                other => {
                    let other = other.map(String::from).unwrap_or_default();
                    return Err(format!("-f {text}: there is no %{other}; %% is a percent sign"));
                }
            });
        }
        push_text(&mut parts, rest);
        Ok(Format::Parts(parts))
    }

    /// The value and the delimiter, before them the key if it has a delimiter.
    pub(super) fn lines(key_delimiter: Option<Vec<u8>>, delimiter: Vec<u8>) -> Format {
        let key = key_delimiter.into_iter().flat_map(|delimiter| [Part::Key, Part::Text(delimiter)]);
        Format::Parts(key.chain([Part::Value, Part::Text(delimiter)]).collect())
    }

    /// The same with binary keys and values unpacked; JSON has them as they are, as with kcat.
    pub(super) fn unpacking(self, key: Option<&Pack>, value: Option<&Pack>) -> Format {
        let Format::Parts(parts) = self else { return self };
        let unpacked = |part| match (part, key, value) {
            (Part::Key, Some(pack), _) => Part::UnpackedKey(pack.clone()),
            (Part::Value, _, Some(pack)) => Part::UnpackedValue(pack.clone()),
            (part, ..) => part,
        };
        Format::Parts(parts.into_iter().map(unpacked).collect())
    }

    /// Writes a message; `null` stands for keys and values that are none, `leader` is the broker it came from.
    pub(super) fn write(
        &self,
        record: &ConsumerRecord,
        null: &str,
        leader: i32,
        out: &mut impl Write,
    ) -> Result<(), WriteError> {
        let Format::Parts(parts) = self else { return Ok(writeln!(out, "{}", json(record, leader))?) };
        let length = |bytes: &Option<bytes::Bytes>| {
            bytes.as_ref().map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
        };
        for part in parts {
            match part {
                Part::Text(text) => out.write_all(text)?,
                Part::Value => out.write_all(record.value.as_deref().unwrap_or(null.as_bytes()))?,
                Part::Key => out.write_all(record.key.as_deref().unwrap_or(null.as_bytes()))?,
                Part::UnpackedValue(pack) => unpack(pack, "value", record.value.as_deref(), null, out)?,
                Part::UnpackedKey(pack) => unpack(pack, "key", record.key.as_deref(), null, out)?,
                Part::ValueLength => write!(out, "{}", length(&record.value))?,
                Part::ValueLengthBytes => out.write_all(&length(&record.value).to_be_bytes())?,
                Part::KeyLength => write!(out, "{}", length(&record.key))?,
                Part::Timestamp => write!(out, "{}", record.timestamp)?,
                Part::Headers => headers(record, out)?,
                Part::Topic => write!(out, "{}", record.topic)?,
                Part::Partition => write!(out, "{}", record.partition)?,
                Part::Offset => write!(out, "{}", record.offset)?,
            }
        }
        Ok(())
    }
}

fn unpack(
    pack: &Pack,
    what: &str,
    bytes: Option<&[u8]>,
    null: &str,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    match bytes {
        None => Ok(out.write_all(null.as_bytes())?),
        Some([]) => Ok(()),
        Some(bytes) => pack.write(what, bytes, out),
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(unescape(text)));
    }
}

fn headers(record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
    for (number, header) in record.headers.iter().enumerate() {
        out.write_all(if number > 0 { b"," } else { b"" })?;
        out.write_all(&header.key)?;
        out.write_all(b"=")?;
        out.write_all(header.value.as_deref().unwrap_or(b"NULL"))?;
    }
    Ok(())
}

/// The fields in kcat's order.
fn json(record: &ConsumerRecord, leader: i32) -> String {
    let text = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => Value::from(String::from_utf8_lossy(bytes)).to_string(),
        None => "null".to_owned(),
    };
    let mut fields = vec![
        format!("\"topic\":{}", text(Some(record.topic.as_bytes()))),
        format!("\"partition\":{}", record.partition),
        format!("\"offset\":{}", record.offset),
    ];
    if record.timestamp >= 0 {
        let kind = match record.timestamp_type {
            TimestampType::CreateTime => "create",
            TimestampType::LogAppendTime => "logappend",
        };
        fields.push(format!("\"tstype\":\"{kind}\",\"ts\":{}", record.timestamp));
    }
    fields.push(format!("\"broker\":{leader}"));
    if !record.headers.is_empty() {
        let pairs = record.headers.iter();
        let pairs: Vec<String> = pairs
            .map(|header| format!("{},{}", text(Some(&header.key)), text(header.value.as_deref())))
            .collect();
        fields.push(format!("\"headers\":[{}]", pairs.join(",")));
    }
    fields.push(format!("\"key\":{}", text(record.key.as_deref())));
    fields.push(format!("\"payload\":{}", text(record.value.as_deref())));
    format!("{{{}}}", fields.join(","))
}

/// `\n`, `\r`, `\t`, `\\` and `\xNN` as the bytes they stand for; everything else as it is.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(&rest.as_bytes()[..at]);
        let behind = &rest[at + 1..];
        let (byte, length) = match behind.chars().next() {
            Some('n') => (b'\n', 1),
            Some('r') => (b'\r', 1),
            Some('t') => (b'\t', 1),
            Some('\\') => (b'\\', 1),
            Some('x') => match behind.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => (byte, 3),
                None => (b'\\', 0),
            },
            _ => (b'\\', 0),
        };
        bytes.push(byte);
        rest = &behind[length..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rkafka_client::consumer::Header;

    use super::*;

    fn record() -> ConsumerRecord {
        let header = |key: &'static str, value| Header { key: Bytes::from_static(key.as_bytes()), value };
        ConsumerRecord {
            topic: "订单".into(),
            partition: 3,
            offset: 42,
            timestamp: 1000,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            key: None,
            value: Some("v\"".into()),
            headers: vec![header("a", Some("1".into())), header("b", None)],
        }
    }

    fn shown(format: &str, null: &str) -> String {
        let mut out = Vec::new();
        Format::parse(format).unwrap().write(&record(), null, 1, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tokens_of_kcat() {
        assert_eq!(shown("%t [%p] %o %T\\n", ""), "订单 [3] 42 1000\n");
        assert_eq!(shown("%k|%K|%s|%S|%h|%%|\\x41\\t", ""), "|-1|v\"|2|a=1,b=NULL|%|A\t");
        assert_eq!(shown("%k", "NULL"), "NULL");
        assert_eq!(shown("%R", ""), "\0\0\0\x02");
        assert!(Format::parse("%").is_err());
    }

    #[test]
    fn unpacked_keys_and_values() {
        let pack = |text| Pack::parse("value", text).unwrap();
        let mut out = Vec::new();
        let format = Format::parse("%k|%s").unwrap().unpacking(Some(&pack("h")), Some(&pack("b c")));
        format.write(&record(), "NULL", 1, &mut out).unwrap();
        assert_eq!(out, b"NULL|118 \"");
    }

    #[test]
    fn lines_and_json() {
        let mut out = Vec::new();
        Format::lines(Some(b":".to_vec()), b"\n".to_vec()).write(&record(), "", 1, &mut out).unwrap();
        assert_eq!(out, b":v\"\n");
        assert_eq!(
            json(&record(), 1),
            r#"{"topic":"订单","partition":3,"offset":42,"tstype":"create","ts":1000,"broker":1,"headers":["a","1","b",null],"key":null,"payload":"v\""}"#
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("a\\nb\\r\\t\\\\\\x00\\q\\xZZ\\"), b"a\nb\r\t\\\0\\q\\xZZ\\");
        assert_eq!(unescape("\\x订"), "\\x订".as_bytes());
    }
}
