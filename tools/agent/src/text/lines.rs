//! Lines out of a reader, each with the byte position behind it, in memory bounded by the longest line allowed.
//!
//! A line ends with `\n`; the `\r` of `\r\n` stays in it unless told otherwise, as with Flume's line deserializer. A
//! line of more than `max_units` UTF-16 code units (what Java counts as characters) comes out in pieces, which never
//! cut a character in two. In every character set but UTF-16 no byte 0x0A is part of another character, so that bytes
//! are split first and decoded after.

use std::io::{self, Read};

use memchr::memchr;

use super::{Charset, DecodeErrorPolicy, Malformed};

/// How much is asked of the reader at a time.
const READ: usize = 256 * 1024;

/// What the deserializer's properties say.
#[derive(Debug, Clone, Copy)]
pub struct LineRules {
    /// How bytes are read.
    pub charset: Charset,
    /// What happens to malformed bytes.
    pub policy: DecodeErrorPolicy,
    /// The most UTF-16 code units an event may have; at least 2.
    pub max_units: usize,
    /// Whether a `\r` before the line end is dropped.
    pub strip_carriage_return: bool,
}

/// What came out: the text is appended to the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The byte position behind it, its line end included.
    pub end: u64,
    /// Whether a line end closed it; false for a piece of a too-long line and for the last of a file.
    pub ended: bool,
    /// Whether it is a piece of a line that was too long (the last piece too).
    pub piece: bool,
}

/// Why no line came out.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The reader failed.
    #[error("cannot read on at byte {position}: {source}")]
    Read {
        /// Where.
        position: u64,
        /// Why.
        source: io::Error,
    },
    /// Bytes that are no text, with the policy `FAIL`.
    #[error("line {line} has bytes at position {position} that are no {charset} text ({bytes})")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// The position of the first of them.
        position: u64,
        /// The bytes in hexadecimal.
        bytes: String,
        /// The character set.
        charset: String,
    },
}

/// The lines of a reader.
pub struct Lines<R> {
    input: R,
    rules: LineRules,
    buffer: Vec<u8>,
    /// What of `buffer` is not yet given out.
    start: usize,
    /// How far `buffer[start..]` has been searched for a line end.
    searched: usize,
    /// The position of `buffer[start]`.
    position: u64,
    /// Lines begun of which something was given out.
    line: u64,
    in_long_line: bool,
    at_end: bool,
}

impl<R: Read> Lines<R> {
    /// Reads on from `position`, where `input` stands, with so many lines `before` it.
    pub fn new(input: R, position: u64, before: u64, rules: LineRules) -> Lines<R> {
        debug_assert!(rules.max_units >= 2, "a surrogate pair must fit");
        Lines {
            input,
            rules,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            position,
            line: before,
            in_long_line: false,
            at_end: false,
        }
    }

    /// The position behind what was given out.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many lines something was given out of, those before the beginning included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.line
    }

    /// Whether bytes without a line end are held, with the reader at its end: what a writer may still be writing.
    #[must_use]
    pub fn has_unended(&self) -> bool {
        self.at_end && self.start < self.buffer.len()
    }

    /// Whether what comes next continues a line that was too long.
    #[must_use]
    pub fn in_long_line(&self) -> bool {
        self.in_long_line
    }

    /// Asks the reader again although it had come to its end: the file has grown.
    pub fn read_on(&mut self) {
        self.at_end = false;
    }

    /// Appends the next line to `text`. At the end of the reader a line without an end comes out only if
    /// `take_unended`; `None` means there is nothing more.
    ///
    /// # Errors
    /// See [`LineError`]. After malformed bytes nothing of their line has been given out.
    pub fn next_into(&mut self, text: &mut String, take_unended: bool) -> Result<Option<Line>, LineError> {
        let window = self.rules.max_units.saturating_mul(4);
        loop {
            if let Some(end) = self.find_line_end() {
                let line_end = self.rules.charset.line_end().len();
                return self.give(end, line_end, text).map(Some);
            }
            let held = self.buffer.len() - self.start;
            if held >= window {
                return self.give(held, 0, text).map(Some);
            }
            if self.at_end {
                if held == 0 || !take_unended {
                    return Ok(None);
                }
                return self.give(held, 0, text).map(Some);
            }
            self.fill()?;
        }
    }

    /// Gives out a line of `length` bytes with `line_end` bytes behind it, or, if it is too long, its first piece.
    fn give(&mut self, length: usize, line_end: usize, text: &mut String) -> Result<Line, LineError> {
        let LineRules { charset, policy, max_units, strip_carriage_return } = self.rules;
        let bytes = &self.buffer[self.start..self.start + length];
        let ended = line_end > 0;
        // No character set has more units than bytes, so that most lines need no count.
        let take = if length > max_units { charset.prefix_of_units(bytes, max_units) } else { length };
        let whole = take == length && (ended || self.at_end);
        let from = text.len();
        if let Err(Malformed { at, length }) = charset.decode(&bytes[..take], policy, text) {
            text.truncate(from);
            return Err(self.malformed(at, length));
        }
        if strip_carriage_return && whole && ended && text[from..].ends_with('\r') {
            text.pop();
        }
        if !self.in_long_line {
            self.line += 1;
        }
        let consumed = if whole { take + line_end } else { take };
        self.start += consumed;
        self.searched = 0;
        self.position += consumed as u64;
        let piece = self.in_long_line || !whole;
        self.in_long_line = !whole;
        Ok(Line { end: self.position, ended: whole && ended, piece })
    }

    fn malformed(&self, at: usize, length: usize) -> LineError {
        let bytes = &self.buffer[self.start + at..(self.start + at + length).min(self.buffer.len())];
        let hexadecimal: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        LineError::Malformed {
            line: if self.in_long_line { self.line } else { self.line + 1 },
            position: self.position + at as u64,
            bytes: hexadecimal.join(" "),
            charset: self.rules.charset.to_string(),
        }
    }

    fn find_line_end(&mut self) -> Option<usize> {
        let held = &self.buffer[self.start..];
        let (unit, line_end) = (self.rules.charset.unit(), self.rules.charset.line_end());
        let mut at = self.searched;
        while let Some(found) = memchr(b'\n', &held[at..]) {
            let found = at + found;
            if unit == 1 {
                return Some(found);
            }
            // UTF-16: only a whole, aligned unit is a line end.
            let aligned = found - found % unit;
            if held.get(aligned..aligned + unit) == Some(line_end) {
                return Some(aligned);
            }
            at = found + 1;
        }
        self.searched = held.len() - held.len() % unit;
        None
    }

    fn fill(&mut self) -> Result<(), LineError> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let before = self.buffer.len();
        self.buffer.resize(before + READ, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(read) => {
                self.at_end = read == 0;
                Ok(())
            }
            Err(source) => Err(LineError::Read {
                position: self.position + (self.buffer.len() - self.start) as u64,
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few bytes at a time, to find what depends on where reads end.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn rules(charset: &str, max_units: usize) -> LineRules {
        LineRules {
            charset: Charset::by_name(charset).unwrap(),
            policy: DecodeErrorPolicy::Fail,
            max_units,
            strip_carriage_return: false,
        }
    }

    fn all(bytes: &[u8], step: usize, rules: LineRules) -> Result<Vec<(String, Line)>, LineError> {
        let mut lines = Lines::new(Drip(bytes, step), 0, 0, rules);
        let mut found = Vec::new();
        let mut text = String::new();
        while let Some(line) = lines.next_into(&mut text, true)? {
            found.push((std::mem::take(&mut text), line));
        }
        Ok(found)
    }

    #[track_caller]
    fn check(bytes: &[u8], rules: LineRules, expected: &[(&str, u64)]) {
        for step in [1, 3, READ] {
            let found = all(bytes, step, rules).unwrap();
            let found: Vec<_> = found.iter().map(|(text, line)| (text.as_str(), line.end)).collect();
            assert_eq!(found, expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn ends_of_lines() {
        check(b"a\n\nb\r\nlast", rules("UTF-8", 10), &[("a", 2), ("", 3), ("b\r", 6), ("last", 10)]);
        check(b"", rules("UTF-8", 10), &[]);
        let strip = LineRules { strip_carriage_return: true, ..rules("UTF-8", 10) };
        check(b"a\r\n\r\nb\r", strip, &[("a", 3), ("", 5), ("b\r", 7)]);
    }

    #[test]
    fn chinese_text() {
        check(b"\xD6\xD0\xCE\xC4\n\xB9\xFA\n", rules("GBK", 10), &[("中文", 5), ("国", 8)]);
        // U+0A00 and U+000A differ only in the order of their bytes.
        check(b"\x0A\x00\x00\x0A\x4E\x2D", rules("UTF-16BE", 10), &[("\u{A00}", 4), ("中", 6)]);
        check(b"\x00\x0A\x0A\x00\x2D\x4E", rules("UTF-16LE", 10), &[("\u{A00}", 4), ("中", 6)]);
    }

    #[test]
    fn long_lines_come_in_pieces() {
        check(b"abcdefg\nx", rules("UTF-8", 3), &[("abc", 3), ("def", 6), ("g", 8), ("x", 9)]);
        // Exactly as long as allowed: Flume adds an empty event here, of which nobody has any use.
        check(b"abc\nx\n", rules("UTF-8", 3), &[("abc", 4), ("x", 6)]);
        check("a😀b\n".as_bytes(), rules("UTF-8", 2), &[("a", 1), ("😀", 5), ("b", 7)]);
        check(b"\xD6\xD0\xCE\xC4\xB9\xFA\n", rules("GBK", 2), &[("中文", 4), ("国", 7)]);
    }

    #[test]
    fn pieces_are_marked() {
        let found = all(b"abcd\nx\n", 1, rules("UTF-8", 3)).unwrap();
        let marks: Vec<_> = found.iter().map(|(_, line)| (line.piece, line.ended)).collect();
        assert_eq!(marks, [(true, false), (true, true), (false, true)]);
    }

    #[test]
    fn malformed_bytes_are_named_and_good_lines_before_them_come_out() {
        let mut lines = Lines::new(&b"good\nb\xB0\n"[..], 100, 7, rules("GBK", 10));
        let mut text = String::new();
        assert_eq!(lines.next_into(&mut text, true).unwrap().unwrap().end, 105);
        for _ in 0..2 {
            let error = lines.next_into(&mut text, true).unwrap_err();
            assert_eq!(error.to_string(), "line 9 has bytes at position 106 that are no GBK text (B0)");
        }
        assert_eq!((text.as_str(), lines.position()), ("good", 105));
    }

    #[test]
    fn an_unended_line_waits_for_the_rest() {
        let mut lines = Lines::new(Drip(b"a\nhal", 5), 0, 0, rules("UTF-8", 10));
        let mut text = String::new();
        lines.next_into(&mut text, false).unwrap().unwrap();
        assert_eq!(lines.next_into(&mut text, false).unwrap(), None);
        assert!(lines.has_unended());
        lines.input = Drip(b"f\n", 5);
        lines.read_on();
        text.clear();
        lines.next_into(&mut text, false).unwrap().unwrap();
        assert_eq!((text.as_str(), lines.position()), ("half", 7));
    }

    proptest! {
        /// Whatever the reads and lengths, the pieces put together are the text, and positions are where they end.
        #[test]
        fn nothing_is_lost(lines in prop::collection::vec("[a-z中😀]{0,12}", 0..8), step in 1usize..9, max in 2usize..7) {
            let whole = lines.join("\n");
            let found = all(whole.as_bytes(), step, rules("UTF-8", max)).unwrap();
            let mut rebuilt = String::new();
            for (text, line) in &found {
                rebuilt.push_str(text);
                prop_assert!(text.encode_utf16().count() <= max);
                if line.ended {
                    rebuilt.push('\n');
                }
                prop_assert_eq!(rebuilt.len() as u64, line.end);
            }
            prop_assert_eq!(rebuilt, whole);
        }
    }
}
