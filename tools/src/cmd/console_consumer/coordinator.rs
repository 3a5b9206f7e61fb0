//! Records of `__consumer_offsets` as JSON, as the formatters of Kafka 4.3 show them, one a line.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rkafka_client::ConsumerRecord;
use rkafka_core::group::records::{
    CoordinatorRecord, GroupMetadataValue, MemberMetadata, OffsetCommitValue, OffsetKey,
};

use super::format::FormatError;

/// Which records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Offsets,
    Groups,
}

pub(super) fn write(
    record: &ConsumerRecord,
    wanted: Wanted,
    out: &mut impl Write,
) -> Result<(), FormatError> {
    let Some(key) = record.key.as_deref() else { return Ok(()) };
    let decoded = CoordinatorRecord::decode(key, record.value.as_deref());
    let decoded = decoded.map_err(|error| FormatError::Message(error.to_string()))?;
    let version = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| i16::from_be_bytes(*bytes));
    let value_version = record.value.as_deref().map_or(0, version);
    let (key_json, value_json) = match (decoded, wanted) {
        (Some(CoordinatorRecord::OffsetCommit { key, value }), Wanted::Offsets) => {
            (offset_key(&key), value.map(|value| offset_value(&value, value_version)))
        }
        (Some(CoordinatorRecord::GroupMetadata { group_id, value }), Wanted::Groups) => {
            let key = format!("{{\"group\":{}}}", quoted(&group_id));
            (key, value.map(|value| group_value(&value, value_version)))
        }
        _ => return Ok(()),
    };
    let value_json = value_json.map(|data| format!("{{\"version\":{value_version},\"data\":{data}}}"));
    let value_json = value_json.unwrap_or_else(|| "null".to_owned());
    let key_version = version(key);
    Ok(writeln!(out, "{{\"key\":{{\"type\":{key_version},\"data\":{key_json}}},\"value\":{value_json}}}")?)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn nullable(text: Option<&String>) -> String {
    text.map_or_else(|| "null".to_owned(), |text| quoted(text))
}

fn offset_key(key: &OffsetKey) -> String {
    let (group, topic) = (quoted(&key.group_id), quoted(&key.topic));
    format!("{{\"group\":{group},\"topic\":{topic},\"partition\":{}}}", key.partition)
}

/// Each version of the value has its own fields (KIP-211, KIP-320, KIP-516).
fn offset_value(value: &OffsetCommitValue, version: i16) -> String {
    let mut fields = vec![format!("\"offset\":{}", value.offset)];
    if version >= 3 {
        fields.push(format!("\"leaderEpoch\":{}", value.leader_epoch));
    }
    fields.push(format!("\"metadata\":{}", quoted(&value.metadata)));
    fields.push(format!("\"commitTimestamp\":{}", value.commit_timestamp_ms));
    if version == 1 {
        fields.push(format!("\"expireTimestamp\":{}", value.expire_timestamp_ms));
    }
    if version >= 4 && value.topic_id.0 != [0; 16] {
        fields.push(format!("\"topicId\":\"{}\"", URL_SAFE_NO_PAD.encode(value.topic_id.0)));
    }
    format!("{{{}}}", fields.join(","))
}

/// Subscriptions and assignments are blobs of the members' own.
fn group_value(value: &GroupMetadataValue, version: i16) -> String {
    let mut fields = vec![
        format!("\"protocolType\":{}", quoted(&value.protocol_type)),
        format!("\"generation\":{}", value.generation),
        format!("\"protocol\":{}", nullable(value.protocol.as_ref())),
        format!("\"leader\":{}", nullable(value.leader.as_ref())),
    ];
    if version >= 2 {
        fields.push(format!("\"currentStateTimestamp\":{}", value.current_state_timestamp_ms));
    }
    let members: Vec<String> = value.members.iter().map(|member| group_member(member, version)).collect();
    fields.push(format!("\"members\":[{}]", members.join(",")));
    format!("{{{}}}", fields.join(","))
}

fn group_member(member: &MemberMetadata, version: i16) -> String {
    let mut fields = vec![format!("\"memberId\":{}", quoted(&member.member_id))];
    if version >= 3 {
        fields.push(format!("\"groupInstanceId\":{}", nullable(member.group_instance_id.as_ref())));
    }
    fields.push(format!("\"clientId\":{}", quoted(&member.client_id)));
    fields.push(format!("\"clientHost\":{}", quoted(&member.client_host)));
    if version >= 1 {
        fields.push(format!("\"rebalanceTimeout\":{}", member.rebalance_timeout_ms));
    }
    fields.push(format!("\"sessionTimeout\":{}", member.session_timeout_ms));
    fields.push(format!("\"subscription\":\"{}\"", STANDARD.encode(&member.subscription)));
    fields.push(format!("\"assignment\":\"{}\"", STANDARD.encode(&member.assignment)));
    format!("{{{}}}", fields.join(","))
}
