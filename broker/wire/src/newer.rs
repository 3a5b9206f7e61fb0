//! Versions of Kafka 4.3 that `kafka-protocol` (made from Kafka 4.1's schemas) does not know, where they
//! differ so little from the version before that they can be served all the same.
//!
//! - ListOffsets 11 (KIP-1023) allows one more special timestamp; its bytes are those of version 10.
//! - DescribeLogDirs 5 (KIP-1066) adds `is_cordoned` to each directory of the answer; the request is that
//!   of version 4. rkafka cordons no directory, so the answer always says no.
//!
//! Not served, because they carry what the decoded form has no room for; the schemas end one version
//! earlier, and so do the ranges that clients are offered:
//!
//! - OffsetCommit 10 and OffsetFetch 10 (topic ids for names, KIP-848): clients use 9 where 10 is not
//!   offered.
//! - ShareFetch 2, ShareAcknowledge 2, DescribeShareGroupOffsets 1: share groups only.
//! - WriteTxnMarkers 2, BrokerHeartbeat 2, AddRaftVoter 1: between brokers only.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiKey, DescribeLogDirsResponse};
use kafka_protocol::protocol::Encodable;

use crate::response::{ResponseBody, words};
use crate::varint::put_varint;

/// The version under which `kafka-protocol` knows the bytes of `version`.
pub(crate) fn known_version(key: ApiKey, version: i16) -> i16 {
    match (key, version) {
        (ApiKey::ListOffsets, 11) => 10,
        (ApiKey::DescribeLogDirs, 5) => 4,
        _ => version,
    }
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
    use bytes::Bytes;
    use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;

    use super::*;
    use crate::Response;
    use crate::StrBytes;
    use crate::testing::{BytesAsFile, contents, header};

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
