//! CRC-32C (Castagnoli) of a batch: it covers everything from the attributes to the end.

/// CRC-32C of `bytes`, by the CPU's instruction where there is one.
#[inline]
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// CRC-32C of `bytes` that follow what gave `crc`.
#[inline]
#[must_use]
pub fn extend(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// The CRC-32C of `new_prefix + rest`, given that of `old_prefix + rest`, without reading `rest`.
///
/// CRCs are linear: changing the prefix changes the result by the CRC of the difference, moved over the length of
/// what follows. So a stored CRC that was wrong stays wrong: a patch never makes damaged records look sound.
#[must_use]
pub fn replace_prefix(crc: u32, old_prefix: &[u8], new_prefix: &[u8], rest_len: usize) -> u32 {
    debug_assert_eq!(old_prefix.len(), new_prefix.len(), "a patch keeps the length");
    crc32c::crc32c_combine(crc32c(old_prefix) ^ crc32c(new_prefix), crc, rest_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn extends_and_replaces() {
        let rest = vec![7_u8; 1000];
        for rest_len in [0, 1, 61, 1000] {
            let rest = &rest[..rest_len];
            let old = extend(crc32c(b"old prefix"), rest);
            let new = crc32c(&[b"new prefix", rest].concat());
            assert_eq!(replace_prefix(old, b"old prefix", b"new prefix", rest_len), new);
        }
    }
}
