//! What can be wrong with a batch, and how serious that is.

use thiserror::Error;

use crate::compression::CompressionError;

/// Why bytes are not a usable record batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The buffer ends before the batch does; `need` is the whole batch once its length is known, else the
    /// header.
    #[error("the batch needs {need} bytes, {have} are there")]
    Incomplete {
        /// Bytes from the start of the batch that are needed.
        need: usize,
        /// Bytes from the start of the batch that are there.
        have: usize,
    },
    /// Another message format than 2. Formats 0 and 1 ended with Kafka 4.0 (KIP-724).
    #[error("message format {magic} is not supported, only format 2 is: use a client of Kafka 0.11 or later")]
    UnsupportedMagic {
        /// The magic byte that was found.
        magic: i8,
    },
    /// The attributes name a codec that does not exist.
    #[error("compression codec {id} is unknown: known are 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd")]
    UnknownCodec {
        /// The low three bits of the attributes.
        id: u8,
    },
    /// The bytes contradict themselves: damage on the way or on disk.
    #[error("corrupt batch: {0}")]
    Corrupt(#[from] Damage),
    /// A sound batch that a client must not send.
    #[error("invalid record batch: {0}")]
    Invalid(#[from] crate::validate::Violation),
    /// The records cannot be decompressed.
    #[error("records of the batch: {0}")]
    Compression(#[from] CompressionError),
}

/// The contradiction found in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// The length field is less than a header needs.
    #[error("batch length {batch_length} is below the minimum of {minimum}")]
    BatchLength {
        /// The length field: bytes after itself.
        batch_length: i32,
        /// Least that makes sense.
        minimum: i32,
    },
    /// The stored CRC-32C is not that of the bytes.
    #[error("stored CRC-32C {stored:#010x} differs from the computed {computed:#010x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A base offset below zero or so large that the last offset overflows.
    #[error("base offset {base_offset} with last offset delta {last_offset_delta} is out of range")]
    Offsets {
        /// Base offset of the header.
        base_offset: i64,
        /// Last offset delta of the header.
        last_offset_delta: i32,
    },
    /// A negative number of records, or more records than offsets.
    #[error("record count {record_count} does not fit last offset delta {last_offset_delta}")]
    RecordCount {
        /// Record count of the header.
        record_count: i32,
        /// Last offset delta of the header.
        last_offset_delta: i32,
    },
    /// A varint is too long or runs past the end of its record.
    #[error("record {index}: malformed {field}")]
    Record {
        /// Position of the record in the batch, from 0.
        index: u32,
        /// The field that is damaged.
        field: &'static str,
    },
    /// The records end before the header's count is reached.
    #[error("{found} records found, {record_count} declared")]
    MissingRecords {
        /// Records that are there.
        found: u32,
        /// Record count of the header.
        record_count: i32,
    },
    /// Bytes are left after the last record.
    #[error("{bytes} bytes left over after the last record")]
    LeftOver {
        /// How many, as far as they were decompressed.
        bytes: usize,
    },
}

/// What an error means for whoever answers for it: the broker chooses the wire code by this, along the lines
/// of Apache Kafka's exceptions. (In recovery every error but `TooLarge` means damage.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// More bytes could complete the batch.
    Incomplete,
    /// Bytes changed on the way, which sending again may cure: CORRUPT_MESSAGE.
    Corrupt,
    /// A batch that its sender made wrong, which sending again cannot cure: INVALID_RECORD.
    InvalidRecord,
    /// A timestamp type only the broker may set: INVALID_TIMESTAMP.
    InvalidTimestamp,
    /// Message format 0 or 1: UNSUPPORTED_FOR_MESSAGE_FORMAT or INVALID_RECORD, by request version.
    UnsupportedMagic,
    /// UNSUPPORTED_COMPRESSION_TYPE.
    UnsupportedCompression,
    /// Decompression passed the caller's limit.
    TooLarge,
}

impl BatchError {
    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Incomplete { .. } => ErrorKind::Incomplete,
            Self::UnsupportedMagic { magic: 0 | 1 } => ErrorKind::UnsupportedMagic,
            Self::UnknownCodec { .. } => ErrorKind::UnsupportedCompression,
            Self::Invalid(violation) => violation.kind(),
            Self::Corrupt(
                Damage::Offsets { .. }
                | Damage::RecordCount { .. }
                | Damage::Record { .. }
                | Damage::MissingRecords { .. }
                | Damage::LeftOver { .. },
            )
            // The CRC was checked before anything was decompressed: it was sent like this.
            | Self::Compression(CompressionError::Malformed { .. }) => ErrorKind::InvalidRecord,
            Self::Compression(CompressionError::TooLarge { .. }) => ErrorKind::TooLarge,
            Self::UnsupportedMagic { .. }
            | Self::Corrupt(Damage::BatchLength { .. } | Damage::Crc { .. })
            | Self::Compression(CompressionError::Encoder { .. }) => ErrorKind::Corrupt,
        }
    }
}
