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

/// Reads a record of `topic`.
///
/// # Errors
/// What is wrong with the bytes, in words.
pub(crate) fn decode(topic: Topic, key: &[u8], value: Option<&[u8]>) -> Result<Decoded, String> {
    let mut key = Reader::new(key);
    let type_id = key.i16()?;
    let Some(record) = topic.record(type_id) else { return Ok(Decoded::UnknownType(type_id)) };
    let key = key.object(record.key, 0, false)?;
    let value = match value {
        Some(value) => Some(read_value(record, value)?),
        None => None,
    };
    Ok(Decoded::Record { type_id, key, value })
}

fn read_value(record: &RecordType, value: &[u8]) -> Result<(i16, String), String> {
    let mut value = Reader::new(value);
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
fn embedded(kind: &Kind, bytes: &[u8]) -> Option<String> {
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
        match decode(topic, key, Some(value)).unwrap() {
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
        let deleted = decode(Topic::ConsumerOffsets, b"\0\x02\0\x01g", None).unwrap();
        let key = r#"{"group":"g"}"#.to_owned();
        assert_eq!(deleted, Decoded::Record { type_id: 2, key, value: None });
        assert_eq!(decode(Topic::ConsumerOffsets, b"\0\x63", None), Ok(Decoded::UnknownType(99)));
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
        let error = decode(Topic::ConsumerOffsets, b"\0\x01\0\x7fg", None).unwrap_err();
        assert_eq!(error, "the bytes end inside group");
        let huge = [b"\0\0".as_slice(), &[0; 17], b"\x7f\xff\xff\xff"].concat();
        let error = decode(Topic::TransactionState, b"\0\0\0\0", Some(&huge)).unwrap_err();
        assert_eq!(error, "the bytes end inside partitionIds");
        let newer = decode(Topic::ConsumerOffsets, OFFSET_KEY, Some(b"\0\x09")).unwrap_err();
        assert_eq!(newer, "Can't read version 9 of OffsetCommitValue: 0 to 4 are known");
    }
}
