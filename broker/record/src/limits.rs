//! Every bound of this crate in one place.

/// How much one batch may grow when it is decompressed. The caller decides, because only it knows its memory
/// budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most bytes that the records of one batch may have after decompression.
    pub max_decompressed_bytes: usize,
}

impl DecodeLimits {
    /// Limits that allow `bytes` of decompressed records for one batch.
    #[must_use]
    pub const fn bytes(bytes: usize) -> Self {
        Self { max_decompressed_bytes: bytes }
    }
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self::bytes(DECOMPRESSED_BYTES_DEFAULT)
    }
}

/// Default of [`DecodeLimits`]: 100 times Kafka's default `max.message.bytes`, beyond what honest data
/// reaches.
pub const DECOMPRESSED_BYTES_DEFAULT: usize = 100 * 1024 * 1024;

/// Largest batch in bytes, header included: sizes are signed 32-bit numbers on the wire and on disk.
pub const BATCH_SIZE_MAX: usize = i32::MAX as usize;

/// Uncompressed bytes in one snappy block: the block size of Java's `SnappyOutputStream`.
pub const SNAPPY_BLOCK_SIZE: usize = 32 * 1024;

/// A snappy element of three bytes yields at most 64 bytes; no honest block grows more than this many times.
pub const SNAPPY_EXPANSION_MAX: usize = 22;

/// Bytes of decompressed records that are in memory at a time while a leader walks through them.
pub const STREAM_WINDOW: usize = 32 * 1024;

/// First step in which decompressed output grows; each later step at most doubles what has really been
/// produced.
pub const DECOMPRESS_STEP: usize = 64 * 1024;

const _: () = assert!(SNAPPY_EXPANSION_MAX * 3 >= 64);
const _: () = assert!(DECOMPRESSED_BYTES_DEFAULT < BATCH_SIZE_MAX);
