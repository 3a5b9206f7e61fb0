//! Versions of Kafka 4.3 that `kafka-protocol` (made from Kafka 4.1's schemas) does not know, where they
//! differ so little from the version before that they can be served all the same.
//!
//! - ListOffsets 11 (KIP-1023) allows one more special timestamp; its bytes are those of version 10.
//! - DescribeLogDirs 5 (KIP-1066) adds `is_cordoned` to each directory of the answer; the request is that
//!   of version 4. rkafka cordons no directory, so the answer always says no.
//!
//! - OffsetCommit 10 and OffsetFetch 10 (KIP-848) carry topic ids where version 9 has names. The decoded form has a
//!   field for them, and answers are written by `kafka-protocol`; only its requests end at 9.
//!
//! Not served, because they carry what the decoded form has no room for; the schemas end one version
//! earlier, and so do the ranges that clients are offered:
//!
//! - ShareFetch 2, ShareAcknowledge 2, DescribeShareGroupOffsets 1: share groups only.
//! - WriteTxnMarkers 2, BrokerHeartbeat 2, AddRaftVoter 1: between brokers only.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{ApiKey, DescribeLogDirsResponse, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use uuid::Uuid;

use crate::header::skip_tagged_fields;
use crate::response::{ResponseBody, words};
use crate::varint::{put_varint, read_varint};
use crate::{Request, WireError};

/// The version under which `kafka-protocol` knows the bytes of `version`.
pub(crate) fn known_version(key: ApiKey, version: i16) -> i16 {
    match (key, version) {
        (ApiKey::ListOffsets, 11) => 10,
        (ApiKey::DescribeLogDirs, 5) => 4,
        _ => version,
    }
}

/// Decodes a request that is written with topic ids and that `kafka-protocol` does not read; nothing for any other.
///
/// `body` was walked by its schema, so that its counts are those of bytes that are there.
pub(crate) fn decode_with_topic_ids(
    key: ApiKey,
    version: i16,
    body: &mut Bytes,
) -> Option<Result<Request, WireError>> {
    let decoded = match (key, version) {
        (ApiKey::OffsetCommit, 10) => offset_commit(body).map(Request::OffsetCommit),
        (ApiKey::OffsetFetch, 10) => offset_fetch(body).map(Request::OffsetFetch),
        _ => return None,
    };
    Some(decoded.map_err(|reason| WireError::Undecodable { key, version, reason }))
}

/// OffsetCommit 10.
fn offset_commit(body: &mut Bytes) -> Result<OffsetCommitRequest, String> {
    let mut request = OffsetCommitRequest::default();
    request.group_id = string(body)?.unwrap_or_default().into();
    request.generation_id_or_member_epoch = int32(body)?;
    request.member_id = string(body)?.unwrap_or_default();
    request.group_instance_id = string(body)?;
    for _ in 0..length(body)?.unwrap_or(0) {
        let mut topic = OffsetCommitRequestTopic::default().with_topic_id(id(body)?);
        for _ in 0..length(body)?.unwrap_or(0) {
            topic.partitions.push(OffsetCommitRequestPartition::decode(body, 9).map_err(words)?);
        }
        end(body)?;
        request.topics.push(topic);
    }
    end(body)?;
    Ok(request)
}

/// OffsetFetch 10.
fn offset_fetch(body: &mut Bytes) -> Result<OffsetFetchRequest, String> {
    let mut request = OffsetFetchRequest::default();
    for _ in 0..length(body)?.unwrap_or(0) {
        let mut group = OffsetFetchRequestGroup::default();
        group.group_id = string(body)?.unwrap_or_default().into();
        group.member_id = string(body)?;
        group.member_epoch = int32(body)?;
        group.topics = match length(body)? {
            None => None,
            Some(topics) => Some((0..topics).map(|_| fetched_topic(body)).collect::<Result<_, _>>()?),
        };
        end(body)?;
        request.groups.push(group);
    }
    request.require_stable = body.try_get_u8().map_err(words)? != 0;
    end(body)?;
    Ok(request)
}

fn fetched_topic(body: &mut Bytes) -> Result<OffsetFetchRequestTopics, String> {
    let mut topic = OffsetFetchRequestTopics::default().with_topic_id(id(body)?);
    for _ in 0..length(body)?.unwrap_or(0) {
        topic.partition_indexes.push(int32(body)?);
    }
    end(body)?;
    Ok(topic)
}

fn int32(body: &mut Bytes) -> Result<i32, String> {
    body.try_get_i32().map_err(words)
}

fn id(body: &mut Bytes) -> Result<Uuid, String> {
    body.try_get_u128().map(Uuid::from_u128).map_err(words)
}

/// A compact string, a slice of the frame; nothing if it is null.
fn string(body: &mut Bytes) -> Result<Option<StrBytes>, String> {
    let Some(length) = length(body)? else { return Ok(None) };
    if length > body.remaining() {
        return Err(ends_early(body));
    }
    StrBytes::try_from(body.split_to(length)).map(Some).map_err(words)
}

/// The length of a compact array or string; nothing if it is null.
fn length(body: &mut Bytes) -> Result<Option<usize>, String> {
    let length = read_varint(body).ok_or_else(|| ends_early(body))?;
    Ok(length.checked_sub(1).map(|length| length as usize))
}

/// The tagged fields at the end of a structure, of which none is known.
fn end(body: &mut Bytes) -> Result<(), String> {
    skip_tagged_fields(body).ok_or_else(|| ends_early(body))
}

fn ends_early(body: &Bytes) -> String {
    format!("the body ends early, {} bytes before something that is missing", body.remaining())
}

impl ResponseBody for DescribeLogDirsResponse {
    const KEY: ApiKey = ApiKey::DescribeLogDirs;

    fn size(&self, version: i16) -> Result<usize, String> {
        let cordoned_bytes = if version == 5 { self.results.len() } else { 0 };
        let size = self.compute_size(known_version(Self::KEY, version)).map_err(words)?;
        Ok(size + cordoned_bytes)
    }

    fn write(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
        if version != 5 {
            return self.encode(buffer, version).map_err(words);
        }
        buffer.put_i32(self.throttle_time_ms);
        buffer.put_i16(self.error_code);
        put_varint(buffer, u32::try_from(self.results.len() + 1).map_err(words)?);
        for directory in &self.results {
            // Version 4 of a directory ends with the empty list of tagged fields, a zero. Version 5 has the
            // flag before it: with one zero more the bytes are the same.
            debug_assert!(directory.unknown_tagged_fields.is_empty());
            directory.encode(buffer, 4).map_err(words)?;
            buffer.put_u8(0);
        }
        buffer.put_u8(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;

    use super::*;
    use crate::testing::{BytesAsFile, contents, header, recorded_frames};
    use crate::{RequestHeader, Response, StrBytes};

    /// What a stock consumer of Kafka 4.3 commits and asks for, as it was recorded.
    #[test]
    fn offsets_by_topic_id_are_those_of_stock_clients() {
        let (mut committed, mut asked) = (0, 0);
        for recorded in
            recorded_frames().into_iter().filter(|recorded| recorded.is_request && recorded.version == 10)
        {
            let mut body = recorded.frame;
            let header = RequestHeader::parse(&mut body).unwrap();
            let Some(request) = decode_with_topic_ids(header.api_key, header.api_version, &mut body) else {
                continue;
            };
            assert!(body.is_empty(), "{} bytes are left", body.len());
            let id = "751a79f7-bf22-47ca-8225-72ef548cca70".parse::<uuid::Uuid>().unwrap();
            match request.unwrap() {
                Request::OffsetCommit(commit) => {
                    assert!(commit.group_id.starts_with("g-new"), "{commit:?}");
                    let [topic] = &commit.topics[..] else { panic!("one topic: {commit:?}") };
                    assert_eq!(topic.topic_id, id);
                    let mut partitions: Vec<_> =
                        topic.partitions.iter().map(|partition| partition.partition_index).collect();
                    partitions.sort_unstable();
                    assert_eq!(partitions, [0, 1]);
                    assert!(
                        topic.partitions.iter().any(|partition| partition.committed_offset > 0),
                        "{topic:?}"
                    );
                    assert_eq!(topic.partitions[0].committed_metadata.as_deref(), Some(""));
                    committed += 1;
                }
                Request::OffsetFetch(fetch) => {
                    let [group] = &fetch.groups[..] else { panic!("one group: {fetch:?}") };
                    assert!(group.group_id.starts_with("g-new") && group.member_epoch == 2, "{group:?}");
                    let topics = group.topics.as_ref().unwrap();
                    let mut partitions = topics[0].partition_indexes.clone();
                    partitions.sort_unstable();
                    assert_eq!((topics[0].topic_id, partitions), (id, vec![0, 1]));
                    asked += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((committed, asked), (2, 2));
    }

    /// Version 5 written out by hand from the schema of Kafka 4.3.
    #[test]
    fn describe_log_dirs_5_has_the_cordoned_flag() {
        let directory = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_static_str("/a"))
            .with_total_bytes(3)
            .with_usable_bytes(2);
        let body = DescribeLogDirsResponse::default().with_throttle_time_ms(1).with_results(vec![directory]);
        let expected: &[&[u8]] = &[
            &[0, 0, 0, 37, 0, 0, 0, 7, 0], // size, correlation id, no header tags
            &[0, 0, 0, 1, 0, 0, 2],        // throttle time, error, one directory
            &[0, 0, 3, b'/', b'a', 1],     // error, path, no topics
            &[0, 0, 0, 0, 0, 0, 0, 3],     // total bytes
            &[0, 0, 0, 0, 0, 0, 0, 2],     // usable bytes
            &[0, 0, 0],                    // not cordoned, no tags, no tags
        ];
        let response: Response<BytesAsFile> =
            Response::new(&header(ApiKey::DescribeLogDirs, 5), &body).unwrap();
        assert_eq!(contents(response), Bytes::from(expected.concat()));
    }
}
