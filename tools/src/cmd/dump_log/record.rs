//! One record's line.

use rkafka_record::control::{ControlType, EndTransactionMarker};
use rkafka_record::{BatchHeader, Record, batch};

use super::metadata;
use super::segment::timestamp_type;
use crate::common::coordinator_records::{self, Decoded, Embedded, Topic};

/// How keys and values are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    /// As the text they are.
    Text,
    /// As records of a coordinator.
    Coordinator(Topic),
    /// As entries of rkafka's metadata log.
    Metadata,
}

/// Offset, time, sizes and the keys of the headers; the meaning of a control record.
pub(super) fn sizes(batch: &BatchHeader<'_>, record: &Record<'_>) -> String {
    let sequence = match batch.base_sequence() {
        none @ ..0 => none,
        base => batch::increment_sequence(base, record.offset_delta),
    };
    let size =
        |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    let headers: Vec<_> = record.headers().map(|header| String::from_utf8_lossy(header.key)).collect();
    let mut line = format!(
        "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
        record.offset,
        timestamp_type(batch),
        record.timestamp,
        size(record.key),
        size(record.value),
        headers.join(","),
    );
    if batch.is_control() {
        line.push_str(&control(record));
    }
    line
}

fn control(record: &Record<'_>) -> String {
    let key = record.key.unwrap_or_default();
    if let Some(marker) = EndTransactionMarker::from_record(key, record.value.unwrap_or_default()) {
        let kind = if marker.committed { "COMMIT" } else { "ABORT" };
        return format!(" endTxnMarker: {kind} coordinatorEpoch: {}", marker.coordinator_epoch);
    }
    match ControlType::from_key(key) {
        Some(ControlType::LeaderChange) => " controlType: LEADER_CHANGE(2)".to_owned(),
        Some(other) => format!(" controlType: UNKNOWN({})", other.id()),
        None => " controlType: UNKNOWN(-1)".to_owned(),
    }
}

/// Key and value, each if there is one.
pub(super) fn contents(decoder: Decoder, record: &Record<'_>, prefix: &str) -> String {
    let (key, value) = match decoder {
        Decoder::Text => (record.key.map(text), record.value.map(text)),
        Decoder::Coordinator(topic) => coordinators(topic, record),
        Decoder::Metadata => (None, record.value.map(metadata::describe)),
    };
    let mut line = String::new();
    for (name, text) in [("key", key), ("payload", value)] {
        if let Some(text) = text {
            line.push_str(if line.is_empty() { prefix } else { " " });
            line.push_str(&format!("{name}: {text}"));
        }
    }
    line
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn coordinators(topic: Topic, record: &Record<'_>) -> (Option<String>, Option<String>) {
    let offset = record.offset;
    let Some(key) = record.key else {
        return (Some(format!("Error at offset {offset}, skipping. The record has no key")), None);
    };
    match coordinator_records::decode(topic, key, record.value, Embedded::Decoded) {
        Ok(Decoded::Record { type_id, key, value }) => {
            let value = match value {
                Some((version, json)) => format!("{{\"version\":\"{version}\",\"data\":{json}}}"),
                None => "<DELETE>".to_owned(),
            };
            (Some(format!("{{\"type\":\"{type_id}\",\"data\":{key}}}")), Some(value))
        }
        Ok(Decoded::UnknownType(id)) => {
            (Some(format!("Unknown record type {id} at offset {offset}, skipping.")), None)
        }
        Err(problem) => (Some(format!("Error at offset {offset}, skipping. {problem}")), None),
    }
}
