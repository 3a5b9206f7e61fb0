//! Unsigned variable-length integers of at most 32 bits, as compact lengths and tags are written (KIP-482):
//! seven bits a byte, the lowest first, the high bit set on all bytes but the last.

use bytes::{Buf, BufMut};

/// Reads one; nothing if the bytes end before it does, or if it has more than 32 bits.
pub(crate) fn read_varint(bytes: &mut impl Buf) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = bytes.try_get_u8().ok()?;
        if shift == 28 && byte > 0x0f {
            return None;
        }
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Writes one.
pub(crate) fn put_varint(buffer: &mut impl BufMut, mut value: u32) {
    while value >= 0x80 {
        buffer.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

/// Bytes [`put_varint`] writes.
pub(crate) fn varint_size(value: u32) -> usize {
    let bits = 32 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 21, (1 << 28) - 1, 1 << 28, u32::MAX] {
            let mut buffer = Vec::new();
            put_varint(&mut buffer, value);
            assert_eq!(buffer.len(), varint_size(value), "{value}");
            assert_eq!(read_varint(&mut &buffer[..]), Some(value));
            assert_eq!(read_varint(&mut &buffer[..buffer.len() - 1]), None);
        }
        assert_eq!(read_varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None, "33 bits");
        assert_eq!(read_varint(&mut &[0x80; 6][..]), None, "no end");
    }
}
