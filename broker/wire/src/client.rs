//! The other direction: requests that rkafka sends, and the answers to them.
//!
//! Answers are decoded without a walk: a broker asks only brokers of its own cluster, a program asks a
//! broker that it was configured with. The frame's size is bounded by the caller through
//! [`crate::frame::frame_size`].

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, Request, StrBytes};

use crate::frame::SIZE_PREFIX_BYTES;
use crate::header::skip_tagged_fields;
use crate::response::words;
use crate::versions::decodable;
use crate::{ErrorCode, WireError};

/// Encodes a request, size prefix and header included.
///
/// # Errors
/// [`WireError::Unencodable`] if `body` has values that `version` cannot carry.
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&StrBytes>,
    body: &R,
) -> Result<Bytes, WireError> {
    let key = api_key::<R>(version)?;
    let unencodable = |reason| WireError::Unencodable { key, version, reason };
    let flexible = key.request_header_version(version) >= 2;
    let body_size = body.compute_size(version).map_err(|error| unencodable(words(error)))?;
    let client_size = client_id.map_or(0, |id| id.len());
    let size = HEADER_BYTES + client_size + usize::from(flexible) + body_size;
    let mut buffer = BytesMut::with_capacity(SIZE_PREFIX_BYTES + size);
    buffer.put_i32(i32::try_from(size).map_err(|_| unencodable(format!("{size} bytes")))?);
    put_header(&mut buffer, key, version, correlation_id, client_id).map_err(unencodable)?;
    body.encode(&mut buffer, version).map_err(|error| unencodable(words(error)))?;
    debug_assert_eq!(buffer.len(), SIZE_PREFIX_BYTES + size);
    Ok(buffer.freeze())
}

/// Writes a request's header; the error is for people.
pub(crate) fn put_header(
    buffer: &mut BytesMut,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: Option<&StrBytes>,
) -> Result<(), String> {
    let client_bytes = client_id.map_or(&[][..], |id| id.as_bytes());
    let client_length = i16::try_from(client_bytes.len()).map_err(words)?;
    buffer.put_i16(key as i16);
    buffer.put_i16(version);
    buffer.put_i32(correlation_id);
    buffer.put_i16(if client_id.is_some() { client_length } else { -1 });
    buffer.put_slice(client_bytes);
    if key.request_header_version(version) >= 2 {
        buffer.put_u8(0);
    }
    Ok(())
}

/// Bytes of a request header without client id and tags.
const HEADER_BYTES: usize = 2 + 2 + 4 + 2;

/// The correlation id of an answer, which tells to which request it belongs: the first thing in a frame
/// without its size prefix.
///
/// # Errors
/// [`WireError::ShortHeader`] for a frame of less than four bytes.
pub fn correlation_id(frame: &[u8]) -> Result<i32, WireError> {
    let short = WireError::ShortHeader { what: "response header", have: frame.len() };
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)).ok_or(short)
}

/// Decodes the answer to a request `R` of `version` from a frame without its size prefix. Strings and
/// records are slices of the frame.
///
/// # Errors
/// A frame that ends early or is not such an answer.
pub fn decode_response<R: Request>(version: i16, mut frame: Bytes) -> Result<R::Response, WireError> {
    let key = api_key::<R>(version)?;
    let short = WireError::ShortHeader { what: "response header", have: frame.len() };
    frame.try_get_i32().map_err(|_| short.clone())?;
    if key.response_header_version(version) >= 1 {
        skip_tagged_fields(&mut frame).ok_or(short)?;
    }
    let body = R::Response::decode(&mut frame, version);
    body.map_err(|error| WireError::Undecodable { key, version, reason: words(error) })
}

/// Decodes the answer to an `ApiVersions` request of `version`. A broker that does not know that version
/// answers in version 0 (KIP-511): then the error code is 35, and the request is to be sent again in the
/// highest version the answer names, or 0.
///
/// # Errors
/// As [`decode_response`].
pub fn decode_api_versions(version: i16, frame: Bytes) -> Result<ApiVersionsResponse, WireError> {
    let unsupported = ErrorCode::UnsupportedVersion.code().to_be_bytes();
    let is_fallback = frame.get(4..6) == Some(&unsupported);
    decode_response::<ApiVersionsRequest>(if is_fallback { 0 } else { version }, frame)
}

/// The highest version of the request `R` that this crate writes and a broker with this answer serves.
pub fn best_version<R: Request>(answer: &ApiVersionsResponse) -> Option<i16> {
    let known = decodable(ApiKey::try_from(R::KEY).ok()?);
    let (min, max) = (known.min.max(R::VERSIONS.min), known.max.min(R::VERSIONS.max));
    let theirs = answer.api_keys.iter().find(|entry| entry.api_key == R::KEY)?;
    let best = max.min(theirs.max_version);
    (best >= min && best >= theirs.min_version).then_some(best)
}

fn api_key<R: Request>(version: i16) -> Result<ApiKey, WireError> {
    ApiKey::try_from(R::KEY).map_err(|()| WireError::UnknownApiKey { key: R::KEY, version })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    use kafka_protocol::messages::{InitProducerIdRequest, MetadataRequest, MetadataResponse};

    use super::*;
    use crate::testing::{BytesAsFile, contents, recorded_frames};
    use crate::{Limits, RequestHeader, Response, decode};

    /// A request is sent and read by the broker's side, which answers; the answer is read.
    fn round_trip<R>(version: i16, request: &R, answer: &R::Response) -> crate::Request
    where
        R: Request,
        R::Response: crate::response::ResponseBody + PartialEq + std::fmt::Debug,
    {
        let client_id = StrBytes::from_static_str("me");
        let mut frame = encode_request(version, 5, Some(&client_id), request).unwrap();
        let size = frame.get_u32() as usize;
        assert_eq!(size, frame.len());
        let header = RequestHeader::parse(&mut frame).unwrap();
        assert_eq!((header.api_key as i16, header.api_version, header.correlation_id), (R::KEY, version, 5));
        assert_eq!(header.client_id, Some(client_id));
        let response = contents(Response::<BytesAsFile>::new(&header, answer).unwrap());
        let frame_in = response.slice(SIZE_PREFIX_BYTES..);
        assert_eq!(correlation_id(&frame_in).unwrap(), 5);
        assert_eq!(&decode_response::<R>(version, frame_in).unwrap(), answer);
        decode(&header, frame, &Limits::default()).unwrap()
    }

    #[test]
    fn there_and_back() {
        for version in 4..=13 {
            let request = MetadataRequest::default();
            let answer = MetadataResponse::default().with_controller_id(3.into());
            assert_eq!(round_trip(version, &request, &answer), crate::Request::Metadata(request));
        }
        for version in 0..=4 {
            let request = ApiVersionsRequest::default();
            let answer = ApiVersionsResponse::default();
            assert_eq!(round_trip(version, &request, &answer), crate::Request::ApiVersions(request));
        }
    }

    #[test]
    fn kafkas_answers_are_read() {
        let metadata =
            |recorded: &crate::testing::Recorded| recorded.key == ApiKey::Metadata && !recorded.is_request;
        for recorded in recorded_frames().into_iter().filter(metadata) {
            let answer = decode_response::<MetadataRequest>(recorded.version, recorded.frame).unwrap();
            assert!(!answer.brokers.is_empty());
        }
    }

    #[test]
    fn answers_that_end_early() {
        for frame in [&[][..], &[0, 0, 0], &[0, 0, 0, 1], &[0, 0, 0, 1, 5], &[0, 0, 0, 1, 1, 1, 9, 9]] {
            let error = decode_response::<MetadataRequest>(13, Bytes::copy_from_slice(frame)).unwrap_err();
            assert!(matches!(error, WireError::ShortHeader { .. }), "{error}");
        }
    }

    #[test]
    fn api_versions_answered_in_version_0() {
        let fallback = [&[0, 0, 0, 1, 0, 35, 0, 0, 0, 1][..], &[0, 18, 0, 0, 0, 4]].concat();
        let answer = decode_api_versions(5, Bytes::from(fallback)).unwrap();
        assert_eq!(answer.error_code, 35);
        assert_eq!(best_version::<ApiVersionsRequest>(&answer), Some(4));
    }

    #[test]
    fn best_versions() {
        let best = |min, max| {
            let metadata = ApiVersion::default().with_api_key(3).with_min_version(min).with_max_version(max);
            best_version::<MetadataRequest>(&ApiVersionsResponse::default().with_api_keys(vec![metadata]))
        };
        assert_eq!(best(0, 99), Some(13));
        assert_eq!(best(0, 7), Some(7));
        assert_eq!(best(14, 15), None);
        let entry = ApiVersion::default().with_api_key(22).with_min_version(0).with_max_version(6);
        let answer = ApiVersionsResponse::default().with_api_keys(vec![entry]);
        assert_eq!(best_version::<InitProducerIdRequest>(&answer), Some(5), "6 is not Kafka 4.3's");
        assert_eq!(best_version::<MetadataRequest>(&answer), None, "not served at all");
    }
}
