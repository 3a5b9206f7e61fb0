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
