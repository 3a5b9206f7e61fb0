//! The controller: what may be changed about the cluster.
//!
//! Each handler looks at an image (the committed one with the changes in flight replayed on it) and answers
//! with metadata records and a reply. Handlers change nothing themselves: the records are replayed once the
//! quorum has them, and only then is the reply sent. What must be told apart on the wire is told apart by
//! [`ErrorKind`]; texts are the ones stock tools print.

mod error;
pub mod topics;

pub use error::{ControllerError, ErrorKind};

/// What a handler answers: records to commit together, and the reply to send once they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<R> {
    /// The records; empty if nothing changes.
    pub records: Vec<crate::image::MetadataRecord>,
    /// The reply.
    pub reply: R,
}

/// Most metadata records one request may cause, as in Kafka: more is a policy violation.
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;
