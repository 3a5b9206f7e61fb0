//! The 4-byte size prefix of every frame, judged before a byte is allocated for the frame.

use crate::WireError;

/// Bytes of the size prefix.
pub const SIZE_PREFIX_BYTES: usize = 4;

/// The length of the frame that follows `prefix`, in bytes without the prefix.
///
/// `limit` is `socket.request.max.bytes` for a broker, the response limit for a client.
///
/// # Errors
/// [`WireError::FrameSize`] if the size is negative or above `limit`.
pub fn frame_size(prefix: [u8; SIZE_PREFIX_BYTES], limit: usize) -> Result<usize, WireError> {
    let size = i32::from_be_bytes(prefix);
    match usize::try_from(size) {
        Ok(bytes) if bytes <= limit => Ok(bytes),
        _ => Err(WireError::FrameSize { size, limit, hint: other_protocol(prefix) }),
    }
}

/// Names the protocol whose first bytes were taken for a size: the log should say what is wrong, not that
/// somebody wants to send 369 MB.
fn other_protocol(prefix: [u8; SIZE_PREFIX_BYTES]) -> &'static str {
    match &prefix {
        [0x16, 0x03, ..] => " (the peer speaks TLS to a plaintext listener)",
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" => " (the peer speaks HTTP)",
        b"SSH-" => " (the peer speaks SSH)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: [u8; 4], expect: Result<usize, &str>) {
        match (frame_size(prefix, 1000), expect) {
            (Ok(size), Ok(expected)) => assert_eq!(size, expected),
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (got, expected) => panic!("{prefix:?} gave {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn sizes() {
        check([0, 0, 0, 0], Ok(0));
        check(1000i32.to_be_bytes(), Ok(1000));
        check(1001i32.to_be_bytes(), Err("frame of 1001 bytes refused, allowed are 0 to 1000"));
        check((-1i32).to_be_bytes(), Err("frame of -1 bytes refused, allowed are 0 to 1000"));
        check(
            369_295_616i32.to_be_bytes(),
            Err("frame of 369295616 bytes refused, allowed are 0 to 1000 (the peer speaks TLS to a \
                 plaintext listener)"),
        );
        check(
            1_195_725_856i32.to_be_bytes(),
            Err("frame of 1195725856 bytes refused, allowed are 0 to 1000 (the peer speaks HTTP)"),
        );
    }
}
