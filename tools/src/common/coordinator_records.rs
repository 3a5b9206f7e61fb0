//! Records of coordinators' topics (`__consumer_offsets`, `__transaction_state`) as the JSON that stock tools print.
//!
//! A record is described by a table of its fields, as Kafka's own message definitions do; one reader serves them
//! all. The bytes come from files and brokers and may be anything: every length is checked against what is left.

mod reader;
mod schema;

pub(crate) use schema::Topic;

use reader::Reader;
use schema::{Kind, RecordType};

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A record of a known type.
    Record {
        /// The number of its type, as the key's version has it.
        type_id: i16,
        /// The key's fields as JSON.
        key: String,
        /// The value's version and fields as JSON; none if the record deletes the key.
        value: Option<(i16, String)>,
    },
    /// A type that this topic has not, or not yet.
    UnknownType(i16),
}

/// How the bytes are shown that members of groups put into their group's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embedded {
    /// As objects, if the group is one of consumers: `kafka-dump-log.sh`.
    Decoded,
    /// In base64: the formatters of the console consumer.
    Base64,
}

/// Reads a record of `topic`.
///
/// # Errors
/// What is wrong with the bytes, in words.
pub(crate) fn decode(
    topic: Topic,
    key: &[u8],
    value: Option<&[u8]>,
    embedded: Embedded,
) -> Result<Decoded, String> {
    let mut key = Reader::new(key);
    let type_id = key.i16()?;
    let Some(record) = topic.record(type_id) else { return Ok(Decoded::UnknownType(type_id)) };
    let key = key.object(record.key, 0, false)?;
    let value = match value {
        Some(value) => Some(read_value(record, value, embedded)?),
        None => None,
    };
    Ok(Decoded::Record { type_id, key, value })
}

fn read_value(record: &RecordType, value: &[u8], embedded: Embedded) -> Result<(i16, String), String> {
    let mut value = Reader::new(value).showing(embedded);
    let version = value.i16()?;
    if version < 0 || version > record.last_value_version {
        let (name, last) = (record.name, record.last_value_version);
        return Err(format!("Can't read version {version} of {name}: 0 to {last} are known"));
    }
    let is_flexible = version >= record.first_flexible_value_version;
    Ok((version, value.object(record.value, version, is_flexible)?))
}

/// A member's subscription or assignment, which the classic protocol carries as bytes with a version of their own;
/// the bytes themselves if they are of another protocol.
fn decode_embedded(kind: &Kind, bytes: &[u8]) -> Option<String> {
    let (fields, last_version) = match kind {
        Kind::Subscription => (schema::SUBSCRIPTION, 3),
        Kind::Assignment => (schema::ASSIGNMENT, 3),
        _ => return None,
    };
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok().filter(|version| *version >= 0)?;
    reader.object(fields, version.min(last_version), false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of an offset: group `g`, topic `t`, partition 7.
    const OFFSET_KEY: &[u8] = b"\0\x01\0\x01g\0\x01t\0\0\0\x07";

    fn json(topic: Topic, key: &[u8], value: &[u8]) -> (String, Option<(i16, String)>) {
        match decode(topic, key, Some(value), Embedded::Decoded).unwrap() {
            Decoded::Record { key, value, .. } => (key, value),
            Decoded::UnknownType(id) => panic!("type {id}"),
        }
    }

    #[test]
    fn offsets_of_all_versions() {
        let check = |value: &[u8], version: i16, expected: &str| {
            let (key, decoded) = json(Topic::ConsumerOffsets, OFFSET_KEY, value);
            assert_eq!(key, r#"{"group":"g","topic":"t","partition":7}"#);
            assert_eq!(decoded, Some((version, expected.to_owned())));
        };
        let offset = 5_i64.to_be_bytes();
        let time = 9_i64.to_be_bytes();
        let v1 = [b"\0\x01".as_slice(), &offset, b"\0\x01m", &time, &time].concat();
        check(&v1, 1, r#"{"offset":5,"metadata":"m","commitTimestamp":9,"expireTimestamp":9}"#);
        let v3 = [b"\0\x03".as_slice(), &offset, b"\xff\xff\xff\xff\0\0", &time].concat();
        check(&v3, 3, r#"{"offset":5,"leaderEpoch":-1,"metadata":"","commitTimestamp":9}"#);
        let v4 = [b"\0\x04".as_slice(), &offset, b"\0\0\0\x02\x02m", &time, b"\x01\0\x10", &[1; 16]].concat();
        check(
            &v4,
            4,
            r#"{"offset":5,"leaderEpoch":2,"metadata":"m","commitTimestamp":9,"topicId":"AQEBAQEBAQEBAQEBAQEBAQ"}"#,
        );
    }

    #[test]
    fn tombstones_and_unknown_types() {
        let deleted = decode(Topic::ConsumerOffsets, b"\0\x02\0\x01g", None, Embedded::Base64).unwrap();
        let key = r#"{"group":"g"}"#.to_owned();
        assert_eq!(deleted, Decoded::Record { type_id: 2, key, value: None });
        let unknown = decode(Topic::ConsumerOffsets, b"\0\x63", None, Embedded::Base64);
        assert_eq!(unknown, Ok(Decoded::UnknownType(99)));
    }

    #[test]
    fn transactions() {
        let value = [
            b"\0\0".as_slice(),
            &7_i64.to_be_bytes(),
            b"\0\x01\0\0\xea\x60\x04\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02",
            &8_i64.to_be_bytes(),
            &9_i64.to_be_bytes(),
        ]
        .concat();
        let (key, value) = json(Topic::TransactionState, b"\0\0\0\x02id", &value);
        assert_eq!(key, r#"{"transactionalId":"id"}"#);
        let expected = r#"{"producerId":7,"producerEpoch":1,"transactionTimeoutMs":60000,"transactionStatus":4,"transactionPartitions":[{"topic":"t","partitionIds":[2]}],"transactionLastUpdateTimestampMs":8,"transactionStartTimestampMs":9}"#;
        assert_eq!(value, Some((0, expected.to_owned())));
    }

    #[test]
    fn damaged_bytes_are_told() {
        let error = decode(Topic::ConsumerOffsets, b"\0\x01\0\x7fg", None, Embedded::Base64).unwrap_err();
        assert_eq!(error, "the bytes end inside group");
        let huge = [b"\0\0".as_slice(), &[0; 17], b"\x7f\xff\xff\xff"].concat();
        let error = decode(Topic::TransactionState, b"\0\0\0\0", Some(&huge), Embedded::Base64).unwrap_err();
        assert_eq!(error, "the bytes end inside partitionIds");
        let newer =
            decode(Topic::ConsumerOffsets, OFFSET_KEY, Some(b"\0\x09"), Embedded::Base64).unwrap_err();
        assert_eq!(newer, "Can't read version 9 of OffsetCommitValue: 0 to 4 are known");
    }

    #[test]
    fn subscriptions_of_members() {
        let subscription = b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff";
        let text = |text: &str| [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
        let blob = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
        let group = |protocol_type: &str| {
            [
                b"\0\0".as_slice(),
                &text(protocol_type),
                b"\0\0\0\x01\xff\xff\xff\xff\0\0\0\x01",
                &[text("m"), text("c"), text("/h")].concat(),
                b"\0\0\0\x09",
                &[blob(subscription), blob(b"")].concat(),
            ]
            .concat()
        };
        let check = |protocol_type: &str, embedded: Embedded, expected: &str| {
            let value = group(protocol_type);
            let decoded = decode(Topic::ConsumerOffsets, b"\0\x02\0\x01g", Some(&value), embedded).unwrap();
            let Decoded::Record { value: Some((0, json)), .. } = decoded else { panic!("{decoded:?}") };
            assert!(json.contains(expected), "{json}");
        };
        let base64 = r#""subscription":"AAAAAAABAAF0/////w==""#;
        check("consumer", Embedded::Decoded, r#""subscription":{"topics":["t"],"userData":null}"#);
        check("consumer", Embedded::Base64, base64);
        check("connect", Embedded::Decoded, base64);
    }
}
