//! From the bytes of a request to its typed form, past the guard.
//!
//! Two steps, because the memory a request will take is drawn from a budget in between:
//! [`check`] walks the body by its schema, [`Checked::decode`] lets `kafka-protocol` have it.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;

use crate::apis::for_each_api;
use crate::newer::{decode_with_topic_ids, known_version};
use crate::response::words;
use crate::walk::{Walk, walk};
use crate::{RequestHeader, WireError};

/// What a caller grants one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a body, Produce excepted (its frame is bounded by `socket.request.max.bytes`).
    pub body_bytes_max: usize,
    /// Most bytes of memory the decoded request may take apart from the frame itself.
    pub decoded_bytes_max: usize,
}

impl Default for Limits {
    /// 8 MiB of body, 64 MiB decoded.
    fn default() -> Limits {
        Limits { body_bytes_max: 8 << 20, decoded_bytes_max: 64 << 20 }
    }
}

/// A body that was walked and is safe to decode.
#[derive(Debug)]
pub struct Checked {
    key: ApiKey,
    version: i16,
    body: Bytes,
    walk: Walk,
}

/// Walks `body`, the rest of the frame after `header`.
///
/// # Errors
/// A version that is not known, a body of another shape, or more memory than `limits` allow.
pub fn check(header: &RequestHeader, body: Bytes, limits: &Limits) -> Result<Checked, WireError> {
    let (key, version) = (header.api_key, header.api_version);
    if key != ApiKey::Produce && body.len() > limits.body_bytes_max {
        let (size, limit) = (body.len(), limits.body_bytes_max);
        return Err(WireError::BodyTooLarge { key, version, size, limit });
    }
    let walk = walk(key, version, &body, limits.decoded_bytes_max)?;
    Ok(Checked { key, version, body, walk })
}

/// [`check`] and [`Checked::decode`] in one.
///
/// # Errors
/// As both.
pub fn decode(header: &RequestHeader, body: Bytes, limits: &Limits) -> Result<Request, WireError> {
    check(header, body, limits)?.decode()
}

impl Checked {
    /// Bytes that the decoded request will take apart from the frame itself: vectors and maps by their
    /// element count and size. An upper bound.
    pub fn memory_estimate(&self) -> usize {
        self.walk.memory_estimate
    }
}

fn decode_body<T: Decodable>(key: ApiKey, version: i16, mut body: Bytes) -> Result<T, WireError> {
    let decoded = T::decode(&mut body, known_version(key, version));
    decoded.map_err(|error| WireError::Undecodable { key, version, reason: words(error) })
}

macro_rules! request_enum {
    ($($name:ident: $request:ident => $response:ident,)*) => {
        /// A decoded request. Strings and records are slices of the frame.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("The body of a `", stringify!($name), "` request.")] $name($request),)*
        }

        impl Checked {
            /// Decodes the body. Copies no string and no record.
            ///
            /// # Errors
            /// [`WireError::Undecodable`] for values that the walk does not judge, such as strings that are
            /// not UTF-8.
            pub fn decode(self) -> Result<Request, WireError> {
                let Checked { key, version, mut body, .. } = self;
                if let Some(request) = decode_with_topic_ids(key, version, &mut body) {
                    return request;
                }
                match key {
                    $(ApiKey::$name => Ok(Request::$name(decode_body(key, version, body)?)),)*
                    _ => Err(WireError::UnknownApiKey { key: key as i16, version }),
                }
            }
        }
    };
}
for_each_api!(request_enum);

/// Decodes `body`, finds the decoder at its end, and the walk at the end of what the decoder writes back.
#[cfg(test)]
pub(crate) fn assert_same_end(header: &RequestHeader, body: &[u8]) {
    use kafka_protocol::protocol::Encodable;
    let mut rest = Bytes::copy_from_slice(body);
    if let Some(request) = decode_with_topic_ids(header.api_key, header.api_version, &mut rest) {
        request.unwrap();
        assert!(rest.is_empty(), "{header:?}: {} bytes left", rest.len());
        return;
    }
    macro_rules! by_key {
        ($($name:ident: $request:ident => $response:ident,)*) => {
            match header.api_key {
                $(ApiKey::$name => {
                    let version = known_version(header.api_key, header.api_version);
                    let mut rest = Bytes::copy_from_slice(body);
                    let request = $request::decode(&mut rest, version).unwrap();
                    assert!(rest.is_empty(), "{header:?}: {} bytes left", rest.len());
                    let mut again = Vec::new();
                    request.encode(&mut again, version).unwrap();
                    let walked = walk(header.api_key, header.api_version, &again, usize::MAX).unwrap();
                    assert_eq!(walked.consumed, again.len());
                    assert_eq!($request::decode(&mut Bytes::from(again), version).unwrap(), request);
                })*
                other => panic!("{other:?} is not in the table of APIs"),
            }
        };
    }
    for_each_api!(by_key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{all_keys, header, recorded_frames};

    #[test]
    fn records_are_slices_of_the_frame() {
        let produce =
            |recorded: &crate::testing::Recorded| recorded.key == ApiKey::Produce && recorded.is_request;
        for recorded in recorded_frames().into_iter().filter(produce) {
            let mut body = recorded.frame.clone();
            let header = RequestHeader::parse(&mut body).unwrap();
            let Request::Produce(request) = decode(&header, body, &Limits::default()).unwrap() else {
                panic!("not a Produce request");
            };
            for partition in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
                let records = partition.records.as_ref().unwrap();
                assert!(!records.is_empty());
                let (frame, slice) = (recorded.frame.as_ptr_range(), records.as_ptr_range());
                assert!(frame.start <= slice.start && slice.end <= frame.end, "records were copied");
            }
        }
    }

    #[test]
    fn every_key_with_a_schema_is_in_the_table() {
        for key in all_keys() {
            let version = crate::versions::decodable(key).min;
            let error = check(&header(key, version), Bytes::new(), &Limits::default()).map(|_| ());
            assert!(!matches!(error, Err(WireError::UnknownApiKey { .. })), "{key:?}");
        }
        assert_eq!(all_keys().count(), 75);
    }

    #[test]
    fn only_produce_may_be_large() {
        let limits = Limits { body_bytes_max: 100, ..Limits::default() };
        let large = || Bytes::from(vec![0; 101]);
        let error = check(&header(ApiKey::Metadata, 0), large(), &limits).unwrap_err();
        assert_eq!(error.to_string(), "Metadata version 0: body of 101 bytes refused, allowed are 100");
        check(&header(ApiKey::Produce, 3), large(), &limits).unwrap();
    }

    #[test]
    fn what_follows_the_last_field_is_ignored() {
        let body = Bytes::from_static(&[0, 0, 0, 0, 1, 2, 3]);
        let request = decode(&header(ApiKey::Metadata, 0), body, &Limits::default()).unwrap();
        assert!(matches!(request, Request::Metadata(request) if request.topics == Some(Vec::new())));
    }

    #[test]
    fn strings_must_be_utf8() {
        let body = Bytes::from_static(&[0, 0, 0, 1, 0, 1, 0xff]);
        let error = decode(&header(ApiKey::Metadata, 0), body, &Limits::default()).unwrap_err();
        assert!(matches!(error, WireError::Undecodable { .. }), "{error}");
    }
}
