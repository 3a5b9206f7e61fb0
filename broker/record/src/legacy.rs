//! Message formats 0 and 1, which Kafka 4.0 gave up (KIP-724). They are recognised only to be named in an error.

use crate::batch::{BATCH_LENGTH_AT, MAGIC_AT};

/// The message format at the start of `buf` if it is 0 or 1 with a possible length, else `None`.
///
/// Length and magic are at the same place in all formats, so this needs 17 bytes.
#[must_use]
pub fn magic(buf: &[u8]) -> Option<i8> {
    let magic = *buf.get(MAGIC_AT)? as i8;
    let length = i32::from_be_bytes(*buf.get(BATCH_LENGTH_AT..)?.first_chunk()?);
    // Format 0 adds 14 bytes around an empty message, format 1 a timestamp more.
    let length_min = match magic {
        0 => 14,
        1 => 22,
        _ => return None,
    };
    (length >= length_min).then_some(magic)
}
