//! `-s`: binary keys and values as numbers and text, by kcat's pack strings.
//!
//! Two differences from kcat 1.7, both intended: `<` does read little-endian numbers, and `s` shows all bytes, not only
//! those before the first zero.

use std::io::{self, Write};

/// A pack string that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pack(Vec<Token>);

/// One sign of a pack string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Blank,
    /// What follows is little-endian, or big-endian, as it is at the beginning.
    Little(bool),
    /// An integer of so many bytes, named by this letter.
    Integer {
        letter: char,
        bytes: usize,
        signed: bool,
    },
    Character,
    /// All that is left.
    Rest,
    /// Nothing may be left.
    End,
}

/// Why a message was not shown in full.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The output.
    Io(io::Error),
    /// Bytes that are not as the pack string has them.
    Unpack(String),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Io(error)
    }
}

impl Pack {
    /// Reads a pack string for `what`, the key or the value.
    ///
    /// # Errors
    /// An empty string, signs that are not there.
    pub(super) fn parse(what: &str, text: &str) -> Result<Pack, String> {
        if text.is_empty() {
            return Err(format!("{what} pack-format must not be empty"));
        }
        let token = |letter: char| {
            let integer = |bytes, signed| Token::Integer { letter, bytes, signed };
            Ok(match letter {
                ' ' => Token::Blank,
                '<' => Token::Little(true),
                '>' => Token::Little(false),
                'b' => integer(1, true),
                'B' => integer(1, false),
                'h' => integer(2, true),
                'H' => integer(2, false),
                'i' => integer(4, true),
                'I' => integer(4, false),
                'q' => integer(8, true),
                'Q' => integer(8, false),
                'c' => Token::Character,
                's' => Token::Rest,
                '$' => Token::End,
                other => return Err(format!("Invalid token '{other}' in {what} pack-format, see -s usage.")),
            })
        };
        text.chars().map(token).collect::<Result<_, _>>().map(Pack)
    }

    /// Shows `bytes`, which are `what`. Those behind the pack string's end are left out.
    ///
    /// # Errors
    /// Fewer bytes than the pack string names, or more if it has a `$`.
    pub(super) fn write(&self, what: &str, mut bytes: &[u8], out: &mut impl Write) -> Result<(), WriteError> {
        let mut little = false;
        let take = |letter: char, count: usize, rest: &mut &[u8]| match rest.split_at_checked(count) {
            Some((taken, behind)) => {
                *rest = behind;
                Ok(taken.to_vec())
            }
            None => Err(WriteError::Unpack(format!(
                "{what} truncated, expected {count} bytes to unpack {letter} but only {} bytes remaining",
                rest.len()
            ))),
        };
        for token in &self.0 {
            match *token {
                Token::Blank => out.write_all(b" ")?,
                Token::Little(is_little) => little = is_little,
                Token::Integer { letter, bytes: count, signed } => {
                    let mut taken = take(letter, count, &mut bytes)?;
                    if little {
                        taken.reverse();
                    }
                    write!(out, "{}", number(&taken, signed))?;
                }
                Token::Character => out.write_all(&take('c', 1, &mut bytes)?)?,
                Token::Rest => out.write_all(std::mem::take(&mut bytes))?,
                Token::End if bytes.is_empty() => {}
                Token::End => {
                    let left = bytes.len();
                    let problem = format!("expected {what} end-of-input, but {left} bytes remaining");
                    return Err(WriteError::Unpack(problem));
                }
            }
        }
        Ok(())
    }
}

/// The number of at most eight big-endian bytes.
fn number(bytes: &[u8], signed: bool) -> i128 {
    let negative = signed && bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |number, byte| (number << 8) | i128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pack: &str, bytes: &[u8]) -> Result<String, String> {
        let mut out = Vec::new();
        match Pack::parse("value", pack)?.write("value", bytes, &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(WriteError::Unpack(problem)) => Err(problem),
            Err(WriteError::Io(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn numbers_and_text() {
        let bytes = [0xFF, 0xFE, 0, 0, 0, 2, b'a', 0, b'b'];
        let check =
            |pack: &str, expected: &str| assert_eq!(shown(pack, &bytes).as_deref(), Ok(expected), "{pack}");
        check("b B", "-1 254");
        check("h", "-2");
        check("H i s$", "65534 2 a\0b");
        check("<h", "-257");
        check("<H >H I", "65279 0 155904");
        check("q", "-562949953265408");
        check("<Q", "27305271764254463");
        check("hic", "-22a");
        check("Hi", "655342");
    }

    #[test]
    fn too_few_and_too_many_bytes() {
        let check = |pack: &str, bytes: &[u8], expected: &str| {
            assert_eq!(shown(pack, bytes), Err(expected.to_owned()), "{pack}");
        };
        check("hi", b"ab", "value truncated, expected 4 bytes to unpack i but only 0 bytes remaining");
        check("c", b"", "value truncated, expected 1 bytes to unpack c but only 0 bytes remaining");
        check("B$", b"abc", "expected value end-of-input, but 2 bytes remaining");
        check("", b"", "value pack-format must not be empty");
        check("hx", b"", "Invalid token 'x' in value pack-format, see -s usage.");
    }
}
