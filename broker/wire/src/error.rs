//! What can be wrong with bytes that a peer sent, or with an answer that shall be sent.
//!
//! None of these is answered with an error code: as in Kafka, the connection is closed
//! (`ApiVersions` of an unknown version excepted, see `versions.rs`). The text goes to the log.

use kafka_protocol::messages::ApiKey;

/// Why a frame was refused, or why an answer could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The size prefix is negative or above the limit.
    #[error("frame of {size} bytes refused, allowed are 0 to {limit}{hint}")]
    FrameSize {
        /// What the prefix says, in bytes.
        size: i32,
        /// The most that is accepted, in bytes.
        limit: usize,
        /// What the peer seems to speak instead of Kafka's protocol; may be empty.
        hint: &'static str,
    },
    /// The frame ends within its header.
    #[error("frame of {have} bytes ends within the {what}")]
    ShortHeader {
        /// The part of the header that is cut.
        what: &'static str,
        /// The length of the frame in bytes.
        have: usize,
    },
    /// The header holds something other than it should.
    #[error("request header: {what}")]
    BadHeader {
        /// What is wrong.
        what: &'static str,
    },
    /// No such API key.
    #[error("unknown API key {key} (version {version})")]
    UnknownApiKey {
        /// The key as sent.
        key: i16,
        /// The version as sent.
        version: i16,
    },
    /// The key is known, but not in this version.
    #[error("{key:?} version {version} is not supported, only {min} to {max}")]
    UnsupportedVersion {
        /// The API.
        key: ApiKey,
        /// The version as sent.
        version: i16,
        /// The lowest supported version.
        min: i16,
        /// The highest supported version.
        max: i16,
    },
    /// The body does not have the shape of this request.
    #[error("{key:?} version {version}: field {field} at byte {at} of the body: {fault}")]
    Malformed {
        /// The API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// The field as Kafka's schema names it.
        field: &'static str,
        /// Offset in the body.
        at: usize,
        /// What is wrong there.
        fault: Fault,
    },
    /// The body of a request other than Produce is larger than such requests may be.
    #[error("{key:?} version {version}: body of {size} bytes refused, allowed are {limit}")]
    BodyTooLarge {
        /// The API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// Bytes of the body.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Decoding would take more memory than is allowed.
    #[error("{key:?} version {version}: decoding would take {estimate} bytes, allowed are {limit}")]
    TooMuchMemory {
        /// The API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// Bytes that decoding would take at least.
        estimate: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The body has the right shape but a value that cannot be decoded, such as a string that is not UTF-8.
    #[error("{key:?} version {version}: {reason}")]
    Undecodable {
        /// The API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// The decoder's words.
        reason: String,
    },
    /// A message of ours cannot be written in this version: a fault of the caller, not of the peer.
    #[error("{key:?} version {version} cannot be written: {reason}")]
    Unencodable {
        /// The API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// The encoder's words.
        reason: String,
    },
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The body ends within the field.
    #[error("{need} bytes needed, {have} left")]
    Short {
        /// Bytes the field needs at least.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// A length below -1, or -1 where null is not allowed.
    #[error("negative length {0}")]
    NegativeLength(i64),
    /// Null where the schema does not allow it.
    #[error("null is not allowed")]
    Null,
    /// A variable-length integer longer than five bytes or beyond 32 bits.
    #[error("variable-length integer beyond 32 bits")]
    Varint,
    /// An array longer than the bytes left could hold.
    #[error("{count} elements announced, {have} bytes left")]
    TooManyElements {
        /// Elements announced.
        count: usize,
        /// Bytes left.
        have: usize,
    },
    /// A tagged field whose content does not end where its size says.
    #[error("tagged field {tag} of {size} bytes holds {used}")]
    TagSize {
        /// The tag.
        tag: u32,
        /// Its announced size in bytes.
        size: usize,
        /// Bytes its content has.
        used: usize,
    },
    /// A tagged field that this version does not have.
    #[error("tagged field {0} does not exist in this version")]
    TagVersion(u32),
    /// The byte before a nullable structure is neither -1 nor 1.
    #[error("{0:#04x} stands where -1 (null) or 1 (present) should")]
    Presence(u8),
}
