//! From the bytes of a request to its typed form, past the guard.
//!
//! Two steps, because the memory a request will take is drawn from a budget in between:
//! [`check`] walks the body by its schema, [`Checked::decode`] lets `kafka-protocol` have it.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;

use crate::apis::for_each_api;
use crate::newer::known_version;
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
    T::decode(&mut body, known_version(key, version)).map_err(|error| {
        let reason = format!("{error:#}");
        WireError::Undecodable { key, version, reason }
    })
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
                let Checked { key, version, body, .. } = self;
                match key {
                    $(ApiKey::$name => Ok(Request::$name(decode_body(key, version, body)?)),)*
                    _ => Err(WireError::UnknownApiKey { key: key as i16, version }),
                }
            }
        }
    };
}
for_each_api!(request_enum);
