//! Records of `__consumer_offsets` and `__transaction_state` as JSON, as the formatters of Kafka 4.3 show them, one
//! a line.

use std::io::Write;

use rkafka_client::ConsumerRecord;

use super::format::FormatError;
use crate::common::coordinator_records::{Decoded, Embedded, Topic, decode};

/// Which records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Offsets,
    Groups,
    Transactions,
}

impl Wanted {
    fn topic(self) -> Topic {
        match self {
            Wanted::Offsets | Wanted::Groups => Topic::ConsumerOffsets,
            Wanted::Transactions => Topic::TransactionState,
        }
    }

    /// Whether keys of this version are wanted.
    fn shows(self, type_id: i16) -> bool {
        match self {
            Wanted::Offsets => matches!(type_id, 0 | 1),
            Wanted::Groups => type_id == 2,
            Wanted::Transactions => type_id == 0,
        }
    }
}

pub(super) fn write(
    record: &ConsumerRecord,
    wanted: Wanted,
    out: &mut impl Write,
) -> Result<(), FormatError> {
    let Some(key) = record.key.as_deref() else { return Ok(()) };
    let decoded = decode(wanted.topic(), key, record.value.as_deref(), Embedded::Base64);
    let (type_id, key, value) = match decoded.map_err(FormatError::Message)? {
        Decoded::Record { type_id, key, value } if wanted.shows(type_id) => (type_id, key, value),
        _ => return Ok(()),
    };
    let value = value.map(|(version, data)| format!("{{\"version\":{version},\"data\":{data}}}"));
    let value = value.as_deref().unwrap_or("null");
    Ok(writeln!(out, "{{\"key\":{{\"type\":{type_id},\"data\":{key}}},\"value\":{value}}}")?)
}
