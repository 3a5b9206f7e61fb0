//! Kafka frames: what a broker reads from and writes to a socket, and the guards around decoding.
//!
//! ```text
//! frame.rs          4-byte size prefix, judged before anything is allocated
//! header.rs         request header v0, v1, v2
//! schema/           the shape of every request, one file a family
//! walk.rs           walks a request's body by its schema: bounds, and the memory decoding will take
//! apis.rs           the table: API key, request, response, schema
//! request.rs        checked body → typed request; records stay slices of the frame
//! versions.rs       which versions are served, and what ApiVersions says of it
//! response.rs       answer → ordered parts: encoded bytes and opaque file ranges
//! fetch.rs          Fetch answers, written without touching records
//! newer.rs          versions of Kafka 4.3 that kafka-protocol does not know
//! varint.rs         variable-length integers
//! client.rs         the other direction: requests out, answers in
//! produce.rs        Produce requests out, without copying records
//! fuzz.rs           entry points for fuzzers, and the seeded tests through them
//! error_code.rs     the protocol's error numbers
//! error.rs          what can be wrong with a frame
//! ```
//!
//! **Architecture invariants.** `kafka-protocol` never decodes a request that was not walked first: it
//! reserves memory for whatever length a peer claims (20 bytes are enough to abort the process).
//! Record bytes are neither copied nor looked at. No I/O, no async, no clock.

#![forbid(unsafe_code)]

mod apis;
pub mod client;
pub mod error;
pub mod error_code;
pub mod fetch;
pub mod frame;
pub mod fuzz;
pub mod header;
mod newer;
pub mod produce;
pub mod request;
pub mod response;
mod schema;
#[cfg(test)]
mod testing;
mod varint;
pub mod versions;
pub mod walk;

pub use error::WireError;
pub use error_code::ErrorCode;
pub use header::RequestHeader;
pub use request::{Checked, Limits, Request, check, decode};
pub use response::{FilePart, Part, Response};
pub use versions::{ServedApis, Support, Versions};

pub use kafka_protocol::messages::{self, ApiKey};
pub use kafka_protocol::protocol::StrBytes;
