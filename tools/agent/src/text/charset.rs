//! Character sets by Java's names, decoded with Flume's policies for malformed bytes.

use encoding_rs::{DecoderResult, Encoding};

use super::java_gbk::{self, Step};

/// How the bytes of a file are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// GBK as Java has it; also for GB2312, a part of it.
    JavaGbk,
    /// ISO-8859-1: every byte is the character of its number. (The WHATWG takes this name for windows-1252.)
    Latin1,
    /// US-ASCII: bytes above 127 are malformed.
    Ascii,
    /// UTF-16, big-endian or little-endian.
    Utf16 {
        /// Whether the higher byte comes first.
        big_endian: bool,
    },
    /// Any other that `encoding_rs` has.
    Other(&'static Encoding),
}

/// `decodeErrorPolicy`: what to do with bytes that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecodeErrorPolicy {
    /// The file is set aside at the first of them.
    #[default]
    Fail,
    /// Each becomes U+FFFD.
    Replace,
    /// They are left out.
    Ignore,
}

/// Bytes that are no text, with the policy `FAIL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// Where they begin, from the start of the bytes given.
    pub at: usize,
    /// How many they are.
    pub length: usize,
}

/// A character set's name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown character set {name:?}: names are as in Java, for example UTF-8, GBK, GB18030, Big5, Shift_JIS, \
         UTF-16LE, ISO-8859-1, or auto"
)]
pub struct UnknownCharset {
    /// The name as given.
    pub name: String,
}

impl Charset {
    /// The character set of a name, in any case. Java's names and the WHATWG's labels.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn by_name(name: &str) -> Result<Charset, UnknownCharset> {
        let unknown = || UnknownCharset { name: name.to_owned() };
        Ok(match name.trim().to_ascii_uppercase().replace('_', "-").as_str() {
            "UTF-8" | "UTF8" => Charset::Utf8,
            "GBK" | "CP936" | "WINDOWS-936" | "MS936" | "GB2312" | "EUC-CN" | "GB-2312-80" => {
                Charset::JavaGbk
            }
            "WHATWG-GBK" => Charset::Other(encoding_rs::GBK),
            "ISO-8859-1" | "ISO8859-1" | "LATIN1" | "L1" | "8859-1" => Charset::Latin1,
            "US-ASCII" | "ASCII" | "ISO646-US" => Charset::Ascii,
            "UTF-16BE" | "UTF-16" => Charset::Utf16 { big_endian: true },
            "UTF-16LE" => Charset::Utf16 { big_endian: false },
            _ => Charset::Other(Encoding::for_label(name.trim().as_bytes()).ok_or_else(unknown)?),
        })
    }

    /// Bytes a code unit takes: where a line end may stand.
    #[must_use]
    pub fn unit(&self) -> usize {
        if matches!(self, Charset::Utf16 { .. }) { 2 } else { 1 }
    }

    /// The line end's bytes.
    #[must_use]
    pub fn line_end(&self) -> &'static [u8] {
        match self {
            Charset::Utf16 { big_endian: true } => b"\0\n",
            Charset::Utf16 { big_endian: false } => b"\n\0",
            _ => b"\n",
        }
    }

    /// Appends the text of `bytes`. Nothing of a multi-byte character may be missing at either end.
    ///
    /// # Errors
    /// Malformed bytes, with [`DecodeErrorPolicy::Fail`]; `text` then ends before them.
    pub fn decode(
        &self,
        bytes: &[u8],
        policy: DecodeErrorPolicy,
        text: &mut String,
    ) -> Result<(), Malformed> {
        match self {
            Charset::Utf8 => decode_utf8(bytes, policy, text),
            Charset::JavaGbk => decode_steps(bytes, policy, text, java_gbk::step),
            Charset::Latin1 => {
                text.push_str(&encoding_rs::mem::decode_latin1(bytes));
                Ok(())
            }
            Charset::Ascii => decode_steps(bytes, policy, text, |bytes| match bytes[0] {
                byte if byte.is_ascii() => Step::Char(char::from(byte), 1),
                _ => Step::Malformed(1),
            }),
            Charset::Utf16 { big_endian: true } => {
                decode_encoding(encoding_rs::UTF_16BE, bytes, policy, text)
            }
            Charset::Utf16 { big_endian: false } => {
                decode_encoding(encoding_rs::UTF_16LE, bytes, policy, text)
            }
            Charset::Other(encoding) => decode_encoding(encoding, bytes, policy, text),
        }
    }

    /// Where the longest beginning of `bytes` ends that has at most `units` UTF-16 code units, never inside a
    /// character. What is malformed counts as one.
    #[must_use]
    pub fn prefix_of_units(&self, bytes: &[u8], units: usize) -> usize {
        let mut at = 0;
        let mut used = 0;
        while at < bytes.len() {
            let (length, width) = self.character(&bytes[at..]);
            if used + width > units {
                break;
            }
            used += width;
            at += length;
        }
        at
    }

    /// The length in bytes and in UTF-16 units of what stands at the start of non-empty bytes.
    fn character(&self, bytes: &[u8]) -> (usize, usize) {
        match self {
            Charset::Latin1 | Charset::Ascii => (1, 1),
            Charset::JavaGbk => match java_gbk::step(bytes) {
                Step::Char(_, length) | Step::Malformed(length) => (length, 1),
            },
            Charset::Utf16 { big_endian } => {
                let high = if *big_endian { bytes[0] } else { bytes.get(1).copied().unwrap_or_default() };
                if matches!(high, 0xD8..=0xDB) && bytes.len() >= 4 { (4, 2) } else { (bytes.len().min(2), 1) }
            }
            Charset::Utf8 => {
                // A character has four bytes at most.
                let window = &bytes[..bytes.len().min(4)];
                match window
                    .utf8_chunks()
                    .next()
                    .map(|chunk| (chunk.valid().chars().next(), chunk.invalid().len()))
                {
                    Some((Some(first), _)) => (first.len_utf8(), first.len_utf16()),
                    Some((None, invalid)) => (invalid.max(1), 1),
                    None => (1, 1),
                }
            }
            Charset::Other(encoding) => character_of(encoding, bytes),
        }
    }
}

impl std::fmt::Display for Charset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Charset::Utf8 => "UTF-8",
            Charset::JavaGbk => "GBK",
            Charset::Latin1 => "ISO-8859-1",
            Charset::Ascii => "US-ASCII",
            Charset::Utf16 { big_endian: true } => "UTF-16BE",
            Charset::Utf16 { big_endian: false } => "UTF-16LE",
            Charset::Other(encoding) => encoding.name(),
        })
    }
}

/// Feeds bytes one by one until something comes out. Slow, and only for lines that are too long.
fn character_of(encoding: &'static Encoding, bytes: &[u8]) -> (usize, usize) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut out = [0; 8];
    for (at, byte) in bytes.iter().enumerate() {
        let last = at + 1 == bytes.len();
        let (_, _, written, _) = decoder.decode_to_utf16(&[*byte], &mut out, last);
        if written > 0 {
            // Malformed bytes may give more at once; they have to fit into any event.
            return (at + 1, written.min(2));
        }
    }
    (bytes.len(), 1)
}

fn decode_utf8(bytes: &[u8], policy: DecodeErrorPolicy, text: &mut String) -> Result<(), Malformed> {
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            malformed(at, chunk.invalid().len(), policy, text)?;
            at += chunk.invalid().len();
        }
    }
    Ok(())
}

fn decode_steps(
    bytes: &[u8],
    policy: DecodeErrorPolicy,
    text: &mut String,
    step: impl Fn(&[u8]) -> Step,
) -> Result<(), Malformed> {
    text.reserve(bytes.len() + bytes.len() / 2);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let ascii = encoding_rs::Encoding::ascii_valid_up_to(rest);
        if ascii > 0 {
            text.push_str(std::str::from_utf8(&rest[..ascii]).unwrap_or_default());
            at += ascii;
            continue;
        }
        match step(rest) {
            Step::Char(character, length) => {
                text.push(character);
                at += length;
            }
            Step::Malformed(length) => {
                malformed(at, length, policy, text)?;
                at += length;
            }
        }
    }
    Ok(())
}

fn decode_encoding(
    encoding: &'static Encoding,
    bytes: &[u8],
    policy: DecodeErrorPolicy,
    text: &mut String,
) -> Result<(), Malformed> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        text.reserve(
            decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(rest.len() * 3 + 4),
        );
        let (result, read) = decoder.decode_to_string_without_replacement(rest, text, true);
        at += read;
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => text.reserve(rest.len() + 16),
            DecoderResult::Malformed(length, after) => {
                let from = at.saturating_sub(usize::from(length) + usize::from(after));
                malformed(from, usize::from(length), policy, text)?;
            }
        }
    }
}

fn malformed(
    at: usize,
    length: usize,
    policy: DecodeErrorPolicy,
    text: &mut String,
) -> Result<(), Malformed> {
    match policy {
        DecodeErrorPolicy::Fail => Err(Malformed { at, length }),
        DecodeErrorPolicy::Replace => {
            text.push('\u{FFFD}');
            Ok(())
        }
        DecodeErrorPolicy::Ignore => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(name: &str, bytes: &[u8], policy: DecodeErrorPolicy) -> Result<String, Malformed> {
        let mut text = String::new();
        Charset::by_name(name).unwrap().decode(bytes, policy, &mut text).map(|()| text)
    }

    #[track_caller]
    fn check(name: &str, bytes: &[u8], replaced: &str, ignored: &str, failed: Option<(usize, usize)>) {
        assert_eq!(decode(name, bytes, DecodeErrorPolicy::Replace).unwrap(), replaced);
        assert_eq!(decode(name, bytes, DecodeErrorPolicy::Ignore).unwrap(), ignored);
        let failure = decode(name, bytes, DecodeErrorPolicy::Fail).err().map(|bad| (bad.at, bad.length));
        assert_eq!(failure, failed);
    }

    #[test]
    fn the_three_policies() {
        check("GBK", b"a\xD6\xD0\xB0", "a中\u{FFFD}", "a中", Some((3, 1)));
        check("utf8", b"a\xE4\xB8\xADb\xFFc\xE4\xB8", "a中b\u{FFFD}c\u{FFFD}", "a中bc", Some((5, 1)));
        check("US-ASCII", b"a\x80b", "a\u{FFFD}b", "ab", Some((1, 1)));
        check("Shift_JIS", b"\x82\xA0\xFFz", "あ\u{FFFD}z", "あz", Some((2, 1)));
        check("UTF-16LE", b"a\0\0\xD8b\0", "a\u{FFFD}b", "ab", Some((2, 2)));
    }

    #[test]
    fn names_are_javas() {
        check("cp936", b"\xD6\xD0", "中", "中", None);
        check("windows-936", b"\xD6\xD0", "中", "中", None);
        check("GB18030", b"\x94\x39\xFC\x36", "😀", "😀", None);
        check("iso-8859-1", b"\x80\xE9", "\u{80}é", "\u{80}é", None);
        check("Big5", b"\xA4\xA4", "中", "中", None);
        check("UTF-16", b"\x4E\x2D", "中", "中", None);
        assert_eq!(Charset::by_name("GBX").unwrap_err().name, "GBX");
    }

    #[test]
    fn a_prefix_ends_between_characters() {
        let cases: [(&str, &[u8], usize, usize); 7] = [
            ("UTF-8", "中文a".as_bytes(), 2, 6),
            ("UTF-8", "a😀b".as_bytes(), 2, 1),
            ("UTF-8", "a😀b".as_bytes(), 3, 5),
            ("GBK", b"\xD6\xD0\xCE\xC4", 1, 2),
            ("UTF-16LE", b"a\0\x3D\xD8\x00\xDE", 2, 2),
            ("GB18030", b"\x94\x39\xFC\x36a", 2, 4),
            ("Shift_JIS", b"\x82\xA0\x82\xA2", 1, 2),
        ];
        for (name, bytes, units, expected) in cases {
            assert_eq!(Charset::by_name(name).unwrap().prefix_of_units(bytes, units), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_stop_a_decoder_and_prefixes_add_up(
            bytes in prop::collection::vec(any::<u8>(), 0..60), units in 1usize..9,
            name in prop::sample::select(vec!["UTF-8", "GBK", "GB18030", "Big5", "Shift_JIS", "UTF-16BE", "EUC-KR"]),
        ) {
            let charset = Charset::by_name(name).unwrap();
            let mut text = String::new();
            charset.decode(&bytes, DecodeErrorPolicy::Replace, &mut text).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let end = charset.prefix_of_units(rest, units + 1);
                prop_assert!(end > 0 && end <= rest.len());
                rest = &rest[end..];
            }
        }
    }
}
