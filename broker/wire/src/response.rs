//! Answers as an ordered list of parts: bytes that were encoded here, and file ranges that the broker
//! sends straight from the page cache. The size of the whole is known, and written, before the first part.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Encodable;
use smallvec::{SmallVec, smallvec};

use crate::apis::for_each_api;
use crate::frame::SIZE_PREFIX_BYTES;
use crate::newer::known_version;
use crate::versions::ServedApis;
use crate::{ErrorCode, RequestHeader, WireError};

/// A range of a file, or whatever else the broker can send without this crate seeing its bytes.
pub trait FilePart {
    /// How many bytes will be sent.
    fn size(&self) -> usize;
}

/// For answers without file parts.
impl FilePart for std::convert::Infallible {
    fn size(&self) -> usize {
        match *self {}
    }
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<F> {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes elsewhere.
    File(F),
}

impl<F: FilePart> Part<F> {
    /// How many bytes this piece puts on the wire.
    pub fn size(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::File(file) => file.size(),
        }
    }
}

/// The pieces of an answer in order.
pub type Parts<F> = SmallVec<[Part<F>; 2]>;

/// A whole answer, size prefix included.
#[derive(Debug, Clone)]
pub struct Response<F> {
    parts: Parts<F>,
    size: usize,
}

impl<F: FilePart> Response<F> {
    /// Encodes `body` as the answer to the request that began with `header`.
    ///
    /// # Errors
    /// [`WireError::Unencodable`] if `body` has values that the version cannot carry.
    pub fn new<B: ResponseBody>(header: &RequestHeader, body: &B) -> Result<Response<F>, WireError> {
        debug_assert_eq!(header.api_key, B::KEY);
        Response::encode(header, header.api_version, body)
    }

    /// An answer of `parts` that are `size` bytes together, size prefix included.
    pub(crate) fn from_parts(parts: Parts<F>, size: usize) -> Response<F> {
        debug_assert_eq!(parts.iter().map(Part::size).sum::<usize>(), size);
        Response { parts, size }
    }

    fn encode<B: ResponseBody>(
        header: &RequestHeader,
        version: i16,
        body: &B,
    ) -> Result<Response<F>, WireError> {
        let unencodable = |reason| WireError::Unencodable { key: B::KEY, version, reason };
        let tagged = B::KEY.response_header_version(version) >= 1;
        let size = 4 + usize::from(tagged) + body.size(version).map_err(unencodable)?;
        let mut buffer = BytesMut::with_capacity(SIZE_PREFIX_BYTES + size);
        buffer.put_i32(i32::try_from(size).map_err(|_| unencodable(format!("{size} bytes")))?);
        buffer.put_i32(header.correlation_id);
        if tagged {
            buffer.put_u8(0);
        }
        body.write(&mut buffer, version).map_err(unencodable)?;
        debug_assert_eq!(buffer.len(), SIZE_PREFIX_BYTES + size);
        let size = buffer.len();
        Ok(Response::from_parts(smallvec![Part::Bytes(buffer.freeze())], size))
    }

    /// Bytes on the wire, size prefix included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The pieces, to be sent in this order.
    pub fn into_parts(self) -> Parts<F> {
        self.parts
    }
}

/// The answer to an `ApiVersions` request of a version that is not served: error 35 in the form of
/// version 0, with the one entry that tells the client which versions it may use (KIP-511).
///
/// # Errors
/// None in practice: the answer is always encodable.
pub fn unsupported_api_versions<F: FilePart>(
    header: &RequestHeader,
    served: &ServedApis,
) -> Result<Response<F>, WireError> {
    let mut entries = served.advertised();
    entries.retain(|entry| entry.api_key == ApiKey::ApiVersions as i16);
    let body = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(entries);
    Response::encode(header, 0, &body)
}

/// A response of `kafka-protocol` that can be written as an answer.
pub trait ResponseBody {
    /// The API it answers.
    const KEY: ApiKey;

    /// Bytes that [`ResponseBody::write`] will write.
    ///
    /// # Errors
    /// A value that this version cannot carry, in the encoder's words.
    fn size(&self, version: i16) -> Result<usize, String>;

    /// Writes the body.
    ///
    /// # Errors
    /// A value that this version cannot carry, in the encoder's words.
    fn write(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String>;
}

/// An error of `kafka-protocol` with its causes, as text: its type is of no use to anybody.
pub(crate) fn words(error: impl std::fmt::Display) -> String {
    format!("{error:#}")
}

macro_rules! response_bodies {
    ($($name:ident: $request:ident => $response:ident,)*) => {
        $(response_body!($name $response);)*
    };
}

macro_rules! response_body {
    // Written by hand in newer.rs.
    (DescribeLogDirs $response:ident) => {};
    ($name:ident $response:ident) => {
        impl ResponseBody for $response {
            const KEY: ApiKey = ApiKey::$name;

            fn size(&self, version: i16) -> Result<usize, String> {
                self.compute_size(known_version(Self::KEY, version)).map_err(words)
            }

            fn write(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
                self.encode(buffer, known_version(Self::KEY, version)).map_err(words)
            }
        }
    };
}
for_each_api!(response_bodies);

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::protocol::Decodable;

    use super::*;
    use crate::testing::{BytesAsFile, Recorded, contents, header, recorded_frames};
    use crate::versions::{Versions, decodable};

    /// Kafka's own answers, decoded and written again: the same bytes behind the right header and size.
    fn check_recorded(recorded: &Recorded) {
        let (key, version) = (recorded.key, recorded.version);
        let mut body = recorded.frame.clone();
        let mut header = header(key, version);
        header.correlation_id = body.get_i32();
        if key.response_header_version(version) == 1 {
            assert_eq!(body.get_u8(), 0);
        }
        macro_rules! by_key {
            ($($name:ident: $request:ident => $response:ident,)*) => {
                match key {
                    $(ApiKey::$name => {
                        let decoded = $response::decode(&mut body, known_version(key, version)).unwrap();
                        Response::<BytesAsFile>::new(&header, &decoded).unwrap()
                    })*
                    other => panic!("{other:?} is not in the table of APIs"),
                }
            };
        }
        let response = for_each_api!(by_key);
        let size = recorded.frame.len();
        assert_eq!(response.size(), SIZE_PREFIX_BYTES + size);
        let expected = [&(size as u32).to_be_bytes()[..], &recorded.frame].concat();
        assert_eq!(contents(response), expected, "{key:?} {version}");
    }

    #[test]
    fn recorded_answers_are_written_as_kafka_wrote_them() {
        let mut checked = 0;
        for recorded in recorded_frames().iter().filter(|recorded| !recorded.is_request) {
            if decodable(recorded.key).contains(recorded.version) {
                check_recorded(recorded);
                checked += 1;
            }
        }
        assert!(checked >= 120, "only {checked} answers");
    }

    #[test]
    fn api_versions_of_the_future_is_answered_in_version_0() {
        let served = ServedApis::new([
            (ApiKey::ApiVersions, Versions::new(0, 4)),
            (ApiKey::Metadata, Versions::new(0, 13)),
        ]);
        let response =
            unsupported_api_versions::<BytesAsFile>(&header(ApiKey::ApiVersions, 99), &served.unwrap());
        let expected = [
            &[0, 0, 0, 16, 0, 0, 0, 7][..], // size, correlation id: header version 0
            &[0, 35],                       // UNSUPPORTED_VERSION
            &[0, 0, 0, 1, 0, 18, 0, 0, 0, 4],
        ];
        assert_eq!(contents(response.unwrap()), expected.concat());
    }

    #[test]
    fn a_value_the_version_lacks_is_an_error() {
        let body = InitProducerIdResponse::default();
        let error = Response::<BytesAsFile>::new(&header(ApiKey::InitProducerId, 99), &body).unwrap_err();
        assert!(matches!(error, WireError::Unencodable { version: 99, .. }), "{error}");
    }
}
