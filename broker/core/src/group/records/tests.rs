//! The layouts against bytes that Apache Kafka 4.3's own classes wrote (`kafka_4_3.txt`).

use super::*;
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let line = include_str!("kafka_4_3.txt").lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    let hex = line.unwrap_or_else(|| panic!("no fixture {name}")).trim();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Decodes the fixtures as one record, checks it, and that encoding gives the same bytes if it is at the versions
/// this broker writes.
fn check(key: &str, value: Option<&str>, expected: &CoordinatorRecord, is_written: bool) {
    let (key_bytes, value_bytes) = (fixture(key), value.map(fixture));
    let decoded = CoordinatorRecord::decode(&key_bytes, value_bytes.as_deref()).unwrap();
    assert_eq!(decoded.as_ref(), Some(expected), "{key} {value:?}");
    let encoded = expected.encode().unwrap();
    assert_eq!(
        encoded == EncodedRecord { key: key_bytes, value: value_bytes },
        is_written,
        "{key} {value:?}"
    );
}

fn offset_key() -> OffsetKey {
    OffsetKey { group_id: "gruppe-é".into(), topic: "orders".into(), partition: 7 }
}

fn offset_value(version: i16) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: 1_234_567_890_123,
        leader_epoch: if version >= 3 { 5 } else { -1 },
        metadata: "m-中".into(),
        commit_timestamp_ms: 1_700_000_000_000,
        expire_timestamp_ms: if version == 1 { 1_800_000_000_000 } else { -1 },
        topic_id: if version >= 4 {
            TopicId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
        } else {
            TopicId::ZERO
        },
    }
}

fn group_value(version: i16) -> GroupMetadataValue {
    let member = |id: &str, instance: Option<&str>, subscription: &[u8], assignment: &[u8]| MemberMetadata {
        member_id: id.into(),
        group_instance_id: instance.filter(|_| version >= 3).map(Into::into),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: if version >= 1 { 300_000 } else { -1 },
        session_timeout_ms: 10_000,
        subscription: Bytes::copy_from_slice(subscription),
        assignment: Bytes::copy_from_slice(assignment),
    };
    GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        current_state_timestamp_ms: if version >= 2 { 1_700_000_000_000 } else { -1 },
        members: vec![member("m-1", None, &[1, 2, 3], &[4, 5]), member("m-2", Some("i"), &[], &[])],
    }
}

#[test]
fn offset_commits_of_every_version() {
    for version in 0..=4 {
        let expected =
            CoordinatorRecord::OffsetCommit { key: offset_key(), value: Some(offset_value(version)) };
        let value = format!("offset_value_{version}");
        check("offset_key_1", Some(&value), &expected, version == 1 || version == 4);
        check("offset_key_0", Some(&value), &expected, false);
    }
    check("offset_key_1", None, &CoordinatorRecord::OffsetCommit { key: offset_key(), value: None }, true);
}

#[test]
fn an_offset_without_topic_id_has_no_tag() {
    let value = OffsetCommitValue {
        offset: 1,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms: 2,
        expire_timestamp_ms: -1,
        topic_id: TopicId::ZERO,
    };
    let expected = CoordinatorRecord::OffsetCommit { key: offset_key(), value: Some(value) };
    check("offset_key_1", Some("offset_value_4_without_topic_id"), &expected, true);
}

#[test]
fn group_metadata_of_every_version() {
    let group_id: Arc<str> = "gruppe-é".into();
    for version in 0..=4 {
        let value = Some(group_value(version));
        let expected = CoordinatorRecord::GroupMetadata { group_id: group_id.clone(), value };
        check("group_key_2", Some(&format!("group_value_{version}")), &expected, version == 3);
        assert_eq!(
            group_value(version).encode_at(version).unwrap(),
            fixture(&format!("group_value_{version}"))
        );
    }
    let empty = GroupMetadataValue { current_state_timestamp_ms: 9, ..Default::default() };
    let expected = CoordinatorRecord::GroupMetadata { group_id: group_id.clone(), value: Some(empty) };
    check("group_key_2", Some("group_value_3_empty"), &expected, true);
    check("group_key_2", None, &CoordinatorRecord::GroupMetadata { group_id, value: None }, true);
}

#[test]
fn records_of_other_kinds_are_skipped() {
    let (key, value) = (fixture("consumer_group_key"), fixture("consumer_group_value"));
    assert_eq!(CoordinatorRecord::decode(&key, Some(&value)), Ok(None));
    assert_eq!(CoordinatorRecord::decode(&[0, 99, 1, 2, 3], None), Ok(None));
}

#[test]
fn a_value_of_a_newer_broker_is_refused() {
    let refused = CoordinatorRecord::decode(&fixture("group_key_2"), Some(&[0, 5, 0]));
    assert_eq!(refused, Err(RecordError::UnsupportedValueVersion { record: "GroupMetadata", version: 5 }));
}

#[test]
fn a_text_too_long_for_its_field_is_refused() {
    let key = OffsetKey { group_id: "g".repeat(32_768).into(), ..offset_key() };
    let refused = CoordinatorRecord::OffsetCommit { key, value: None }.encode();
    assert_eq!(refused, Err(RecordError::TooLong { field: "group", length: 32_768 }));
}

proptest! {
    /// No cut or flipped byte of a record makes the reader panic or believe a length.
    #[test]
    fn damaged_records_are_errors_or_records(name in 0usize..16, at in 0usize..400, byte: u8, cut: bool) {
        let line = include_str!("kafka_4_3.txt").lines().nth(name).unwrap();
        let (name, _) = line.split_once(' ').unwrap();
        let mut bytes = fixture(name);
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let outcomes = [
            CoordinatorRecord::decode(&bytes, None),
            CoordinatorRecord::decode(&fixture("offset_key_1"), Some(&bytes)),
            CoordinatorRecord::decode(&fixture("group_key_2"), Some(&bytes)),
        ];
        for record in outcomes.into_iter().flatten().flatten() {
            let encoded = record.encode().unwrap();
            prop_assert_eq!(CoordinatorRecord::decode(&encoded.key, encoded.value.as_deref()).unwrap(), Some(record));
        }
    }
}
