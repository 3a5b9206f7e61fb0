//! Zig-zag variable length integers as record bodies use them: 7 bits a byte, least significant group first.

/// Longest encoding of a 32-bit value in bytes.
pub const VARINT_BYTES_MAX: usize = 5;
/// Longest encoding of a 64-bit value in bytes.
pub const VARLONG_BYTES_MAX: usize = 10;

/// Reads a 32-bit value; returns it with what follows, or `None` if it is cut or longer than five bytes.
#[inline]
#[must_use]
pub fn read_i32(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (raw, rest) = read_unsigned::<VARINT_BYTES_MAX>(bytes)?;
    let raw = raw as u32; // as Java does, bits beyond 32 in the fifth byte are dropped
    Some((((raw >> 1) as i32) ^ -((raw & 1) as i32), rest))
}

/// Reads a 64-bit value; returns it with what follows, or `None` if it is cut or longer than ten bytes.
#[inline]
#[must_use]
pub fn read_i64(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (raw, rest) = read_unsigned::<VARLONG_BYTES_MAX>(bytes)?;
    Some((((raw >> 1) as i64) ^ -((raw & 1) as i64), rest))
}

/// Almost all numbers in records have one or two bytes: these are read without a loop.
#[inline]
fn read_unsigned<const BYTES_MAX: usize>(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [first, rest @ ..] if *first < 0x80 => Some((u64::from(*first), rest)),
        [first, second, rest @ ..] if *second < 0x80 => {
            Some((u64::from(*first & 0x7f) | u64::from(*second) << 7, rest))
        }
        _ => read_long(bytes, BYTES_MAX),
    }
}

fn read_long(bytes: &[u8], bytes_max: usize) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(bytes_max).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// Appends a 32-bit value to `out`.
#[inline]
pub fn write_i32(value: i32, out: &mut Vec<u8>) {
    write_i64(i64::from(value), out); // zig-zag of a sign-extended value is the same number
}

/// Appends a 64-bit value to `out`.
#[inline]
pub fn write_i64(value: i64, out: &mut Vec<u8>) {
    let mut raw = zig_zag(value);
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Bytes that `value` takes when written.
#[inline]
#[must_use]
pub fn size_of(value: i64) -> usize {
    let bits = 64 - (zig_zag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[inline]
fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: i64, encoded: &[u8]) {
        let mut out = Vec::new();
        write_i64(value, &mut out);
        assert_eq!(out, encoded, "{value}");
        assert_eq!(size_of(value), encoded.len(), "{value}");
        assert_eq!(read_i64(&out), Some((value, &[][..])));
        if let Ok(small) = i32::try_from(value) {
            let mut out = Vec::new();
            write_i32(small, &mut out);
            assert_eq!(out, encoded, "{value}");
            assert_eq!(read_i32(&out), Some((small, &[][..])));
        }
    }

    #[test]
    fn encodings() {
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(63, &[0x7e]);
        check(-64, &[0x7f]);
        check(64, &[0x80, 0x01]);
        check(-65, &[0x81, 0x01]);
        check(8192, &[0x80, 0x80, 0x01]);
        check(i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]);
        check(i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]);
        check(i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        check(i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }

    #[test]
    fn cut_or_endless_is_refused() {
        assert_eq!(read_i32(&[]), None);
        assert_eq!(read_i32(&[0x80]), None);
        assert_eq!(read_i32(&[0x80; 5]), None);
        assert_eq!(read_i32(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(read_i64(&[0xff; 10]), None);
        assert_eq!(read_i64(&[0xff; 11]), None);
    }
}
