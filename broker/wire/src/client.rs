//! The other direction: requests that rkafka sends, and the answers to them.
//!
//! Answers are decoded without a walk: a broker asks only brokers of its own cluster, a program asks a
//! broker that it was configured with. The frame's size is bounded by the caller through
//! [`crate::frame::frame_size`].

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Request, StrBytes};

use crate::WireError;
use crate::frame::SIZE_PREFIX_BYTES;
use crate::varint::read_varint;

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
    let unencodable = |reason: String| WireError::Unencodable { key, version, reason };
    let client_length = client_id.map_or(Ok(-1), |id| i16::try_from(id.len()));
    let client_length = client_length.map_err(|_| unencodable("client id too long".to_owned()))?;
    let flexible = key.request_header_version(version) >= 2;
    let body_size = body.compute_size(version).map_err(|error| unencodable(format!("{error:#}")))?;
    let size = 10 + client_id.map_or(0, |id| id.len()) + usize::from(flexible) + body_size;
    let mut buffer = BytesMut::with_capacity(SIZE_PREFIX_BYTES + size);
    buffer.put_i32(i32::try_from(size).map_err(|_| unencodable("over 2 GiB".to_owned()))?);
    buffer.put_i16(R::KEY);
    buffer.put_i16(version);
    buffer.put_i32(correlation_id);
    buffer.put_i16(client_length);
    buffer.put_slice(client_id.map_or(&[][..], |id| id.as_bytes()));
    if flexible {
        buffer.put_u8(0);
    }
    body.encode(&mut buffer, version).map_err(|error| unencodable(format!("{error:#}")))?;
    debug_assert_eq!(buffer.len(), SIZE_PREFIX_BYTES + size);
    Ok(buffer.freeze())
}

/// Decodes the answer to a request `R` of `version` from a frame without its size prefix: the correlation
/// id and the body. Strings and records are slices of the frame.
///
/// # Errors
/// A frame that ends early or is not such an answer.
pub fn decode_response<R: Request>(version: i16, mut frame: Bytes) -> Result<(i32, R::Response), WireError> {
    let key = api_key::<R>(version)?;
    let short = WireError::ShortHeader { what: "response header", have: frame.len() };
    let correlation_id = frame.try_get_i32().map_err(|_| short.clone())?;
    if key.response_header_version(version) >= 1 {
        for _ in 0..read_varint(&mut frame).ok_or_else(|| short.clone())? {
            let _tag = read_varint(&mut frame).ok_or_else(|| short.clone())?;
            let size = read_varint(&mut frame).ok_or_else(|| short.clone())? as usize;
            if frame.len() < size {
                return Err(short);
            }
            frame.advance(size);
        }
    }
    let body = R::Response::decode(&mut frame, version).map_err(|error| WireError::Undecodable {
        key,
        version,
        reason: format!("{error:#}"),
    })?;
    Ok((correlation_id, body))
}

fn api_key<R: Request>(version: i16) -> Result<ApiKey, WireError> {
    ApiKey::try_from(R::KEY).map_err(|()| WireError::UnknownApiKey { key: R::KEY, version })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
    };

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
        let (correlation_id, body) = decode_response::<R>(version, response.slice(4..)).unwrap();
        assert_eq!((correlation_id, &body), (5, answer));
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
            let (_, answer) = decode_response::<MetadataRequest>(recorded.version, recorded.frame).unwrap();
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
}
