//! Message formats 0 and 1, which Kafka 4.0 gave up (KIP-724). They are recognised only to be named in an
//! error.
//!
//! Offset, length and magic are at the same place in all formats, so the start of a message set of old
//! clients reads like the start of a batch.

use crate::error::{BatchError, Damage};

/// The error for a batch of another format than 2. Zeroed space looks like format 0 with an impossible
/// length, and must not be taken for an old message.
#[cold]
pub(crate) fn refuse(magic: i8, batch_length: i32) -> BatchError {
    // CRC, magic, attributes, key and value length of an empty message; format 1 adds a timestamp.
    let minimum = match magic {
        0 => 14,
        1 => 22,
        _ => return BatchError::UnsupportedMagic { magic },
    };
    if batch_length < minimum {
        return Damage::BatchLength { batch_length, minimum }.into();
    }
    BatchError::UnsupportedMagic { magic }
}

#[cfg(test)]
mod tests {
    use crate::batch::BatchRef;
    use crate::error::{BatchError, Damage, ErrorKind};

    fn check(magic: i8, batch_length: i32, expected: &BatchError, kind: ErrorKind) {
        let mut buf = [0; 100];
        buf[8..12].copy_from_slice(&batch_length.to_be_bytes());
        buf[16] = magic as u8;
        let error = BatchRef::parse(&buf).unwrap_err();
        assert_eq!(&error, expected);
        assert_eq!(error.kind(), kind, "{error}");
    }

    #[test]
    fn old_formats_are_named() {
        check(0, 14, &BatchError::UnsupportedMagic { magic: 0 }, ErrorKind::UnsupportedMagic);
        check(1, 22, &BatchError::UnsupportedMagic { magic: 1 }, ErrorKind::UnsupportedMagic);
        check(3, 88, &BatchError::UnsupportedMagic { magic: 3 }, ErrorKind::Corrupt);
        check(-1, 88, &BatchError::UnsupportedMagic { magic: -1 }, ErrorKind::Corrupt);
    }

    #[test]
    fn impossible_lengths_are_damage() {
        let damage = |batch_length, minimum| Damage::BatchLength { batch_length, minimum }.into();
        check(0, 0, &damage(0, 14), ErrorKind::Corrupt);
        check(1, 21, &damage(21, 22), ErrorKind::Corrupt);
        check(2, 48, &damage(48, 49), ErrorKind::Corrupt);
        check(2, -1, &damage(-1, 49), ErrorKind::Corrupt);
        check(2, i32::MIN, &damage(i32::MIN, 49), ErrorKind::Corrupt);
    }
}
