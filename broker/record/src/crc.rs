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
/// CRCs are linear: a change of the prefix changes the result by the CRC of the difference, moved over the
/// length of what follows. So a stored CRC that was wrong stays wrong: a patch never makes damaged records
/// look sound.
#[must_use]
pub fn replace_prefix(crc: u32, old_prefix: &[u8], new_prefix: &[u8], rest_len: usize) -> u32 {
    debug_assert_eq!(old_prefix.len(), new_prefix.len(), "a patch keeps the length");
    crc ^ over_zeros(crc32c(old_prefix) ^ crc32c(new_prefix), rest_len)
}

// A CRC is a polynomial over GF(2) modulo the generator, its lowest power in the highest bit. `len` zero
// bytes after it multiply it by x^(8 * len). The crate's `crc32c_combine` does the same with matrices and
// takes 20 µs for 16 KiB of rest, far longer than reading them; this takes 0.5 µs.

/// The generator polynomial without its highest power.
const GENERATOR: u32 = 0x82f6_3b78;

/// x^(8 * 2^i) at index i.
const ZERO_BYTES: [u32; usize::BITS as usize] = {
    let mut powers = [0; usize::BITS as usize];
    powers[0] = 1 << (31 - 8);
    let mut i = 1;
    while i < powers.len() {
        powers[i] = multiply(powers[i - 1], powers[i - 1]);
        i += 1;
    }
    powers
};

fn over_zeros(mut crc: u32, len: usize) -> u32 {
    for (bit, power) in ZERO_BYTES.iter().enumerate().take((usize::BITS - len.leading_zeros()) as usize) {
        if len >> bit & 1 == 1 {
            crc = multiply(crc, *power);
        }
    }
    crc
}

const fn multiply(mut a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    while a != 0 {
        if a >> 31 == 1 {
            product ^= b;
        }
        a <<= 1;
        b = (b >> 1) ^ if b & 1 == 1 { GENERATOR } else { 0 };
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_replaced_prefix_gives_the_crc_of_the_whole() {
        let rest: Vec<u8> = (0..100_003_u32).map(|i| (i * 7 % 251) as u8).collect();
        for rest_len in [0, 1, 2, 61, 1000, 65_536, rest.len()] {
            let rest = &rest[..rest_len];
            let old = extend(crc32c(b"old prefix"), rest);
            let new = extend(crc32c(b"new prefix"), rest);
            assert_eq!(replace_prefix(old, b"old prefix", b"new prefix", rest_len), new, "{rest_len}");
        }
    }
}
