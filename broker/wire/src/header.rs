//! The request header: v0 (never sent to rkafka), v1 with the client id, v2 with tagged fields (KIP-482).
//!
//! ```text
//! api_key i16 | api_version i16 | correlation_id i32 | client_id nullable string (i16 length, also in v2)
//! v2 only: tagged fields = unsigned varint count, then per field tag, size, bytes
//! ```
//! `kafka-protocol`'s own reader panics on frames below four bytes, so it is not used.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use crate::WireError;
use crate::varint::read_varint;
use crate::versions::decodable;

/// What every request begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which request.
    pub api_key: ApiKey,
    /// In which version; need not be one that is served.
    pub api_version: i16,
    /// Chosen by the client, sent back with the answer.
    pub correlation_id: i32,
    /// The client's name for itself. A slice of the frame: copy it to keep it beyond the request, or the
    /// whole frame stays in memory.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// Reads the header and leaves `frame` at the first byte of the body.
    ///
    /// An `ApiVersions` request of a version nobody knows yet is read as far as the correlation id, which
    /// every header has: it must be answered, not refused (KIP-511).
    ///
    /// # Errors
    /// A frame that ends early, an unknown key, a client id that is not UTF-8. The connection is to be
    /// closed.
    pub fn parse(frame: &mut Bytes) -> Result<RequestHeader, WireError> {
        let have = frame.len();
        if have < 8 {
            return Err(WireError::ShortHeader { what: "request header", have });
        }
        let (key, version, correlation_id) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
        let api_key = ApiKey::try_from(key).map_err(|()| WireError::UnknownApiKey { key, version })?;
        let mut header = RequestHeader { api_key, api_version: version, correlation_id, client_id: None };
        if api_key == ApiKey::ApiVersions && !decodable(api_key).contains(version) {
            frame.clear();
            return Ok(header);
        }
        header.client_id = read_client_id(frame, have)?;
        if api_key.request_header_version(version) >= 2 {
            let short = WireError::ShortHeader { what: "tagged fields of the header", have };
            skip_tagged_fields(frame).ok_or(short)?;
        }
        Ok(header)
    }
}

fn read_client_id(frame: &mut Bytes, have: usize) -> Result<Option<StrBytes>, WireError> {
    let short = WireError::ShortHeader { what: "client id", have };
    let length = frame.try_get_i16().map_err(|_| short.clone())?;
    if length == -1 {
        return Ok(None);
    }
    let length =
        usize::try_from(length).map_err(|_| WireError::BadHeader { what: "negative client id length" })?;
    if frame.len() < length {
        return Err(short);
    }
    let client_id = StrBytes::from_utf8(frame.split_to(length));
    client_id.map(Some).map_err(|_| WireError::BadHeader { what: "client id is not UTF-8" })
}

/// Skips the tagged fields of a header, of which none is defined so far; nothing if the frame ends within.
pub(crate) fn skip_tagged_fields(frame: &mut Bytes) -> Option<()> {
    for _ in 0..read_varint(frame)? {
        let _tag = read_varint(frame)?;
        let size = read_varint(frame)? as usize;
        if frame.len() < size {
            return None;
        }
        frame.advance(size);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, version, correlation id, client id, and the body that is left.
    type Read<'a> = (ApiKey, i16, i32, Option<&'a str>, &'a [u8]);

    fn check(frame: &[&[u8]], expect: Result<Read<'_>, &str>) {
        let mut frame = Bytes::from(frame.concat());
        let header = RequestHeader::parse(&mut frame);
        match (header, expect) {
            (Ok(header), Ok((key, version, correlation_id, client_id, body))) => {
                assert_eq!((header.api_key, header.api_version), (key, version));
                assert_eq!(header.correlation_id, correlation_id);
                assert_eq!(header.client_id.as_deref(), client_id);
                assert_eq!(frame, body);
            }
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (got, expected) => panic!("got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn versions_1_and_2() {
        let v1: &[u8] = &[0, 3, 0, 1, 0, 0, 0, 9, 0, 2, b'm', b'e'];
        check(&[v1, &[5, 6]], Ok((ApiKey::Metadata, 1, 9, Some("me"), &[5, 6])));
        check(&[&v1[..8], &[0xff, 0xff]], Ok((ApiKey::Metadata, 1, 9, None, &[])));
        let v2: &[u8] = &[0, 3, 0, 9, 0, 0, 0, 9, 0, 2, b'm', b'e'];
        check(&[v2, &[0, 5]], Ok((ApiKey::Metadata, 9, 9, Some("me"), &[5])));
        check(&[v2, &[2, 0, 1, 77, 9, 0, 5]], Ok((ApiKey::Metadata, 9, 9, Some("me"), &[5])));
    }

    #[test]
    fn frames_that_end_early() {
        for length in 0..8 {
            let text = format!("frame of {length} bytes ends within the request header");
            check(&[&[0; 8][..length]], Err(&text));
        }
        let v2: &[u8] = &[0, 3, 0, 9, 0, 0, 0, 9, 0, 2, b'm', b'e'];
        for length in 8..12 {
            let text = format!("frame of {length} bytes ends within the client id");
            check(&[&v2[..length]], Err(&text));
        }
        check(&[v2], Err("frame of 12 bytes ends within the tagged fields of the header"));
        check(&[v2, &[1, 0, 3, 1, 1]], Err("frame of 17 bytes ends within the tagged fields of the header"));
        check(
            &[v2, &[0xff, 0xff, 0xff, 0xff, 0x0f]],
            Err("frame of 17 bytes ends within the tagged fields of the header"),
        );
    }

    #[test]
    fn nonsense() {
        check(&[&[0, 99, 0, 1, 0, 0, 0, 9, 0, 0]], Err("unknown API key 99 (version 1)"));
        check(&[&[0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0]], Err("unknown API key -1 (version 1)"));
        check(&[&[0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0xfe]], Err("request header: negative client id length"));
        check(&[&[0, 3, 0, 1, 0, 0, 0, 9, 0, 1, 0xff]], Err("request header: client id is not UTF-8"));
    }

    #[test]
    fn api_versions_of_the_future_needs_no_more_than_a_correlation_id() {
        check(&[&[0, 18, 0, 99, 0, 0, 0, 9, 1, 2, 3]], Ok((ApiKey::ApiVersions, 99, 9, None, &[])));
        check(&[&[0, 18, 0xff, 0xff, 0, 0, 0, 9]], Ok((ApiKey::ApiVersions, -1, 9, None, &[])));
        check(&[&[0, 18, 0, 0, 0, 0, 0, 9, 0, 1, b'c']], Ok((ApiKey::ApiVersions, 0, 9, Some("c"), &[])));
    }
}
