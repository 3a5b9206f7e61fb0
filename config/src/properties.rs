//! Java `.properties` files: the format of `java.util.Properties.load`, with the line of every entry.
//!
//! Differences from Java: text is read as UTF-8 and, line by line where it is not, as ISO-8859-1 (Java 8 reads
//! the latter, most editors write the former); a malformed `\u` escape is an error with its line, as in Java.

use std::fmt;

/// One `key=value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped; trailing blanks are part of it, as in Java.
    pub value: String,
    /// The line where the entry starts, from 1.
    pub line: usize,
}

/// A parsed file: its entries in order, duplicates included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    source: String,
    entries: Vec<Entry>,
}

/// A file that is not in the properties format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertiesError {
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The escape that is malformed.
    pub escape: String,
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PropertiesError { file, line, escape } = self;
        write!(f, "{file}:{line}: malformed escape {escape:?}: \\u takes four hexadecimal digits")
    }
}

impl std::error::Error for PropertiesError {}

impl Properties {
    /// Parses the bytes of a file; `source` is its name for messages.
    ///
    /// # Errors
    /// A `\u` that four hexadecimal digits do not follow.
    pub fn parse(source: &str, bytes: &[u8]) -> Result<Properties, PropertiesError> {
        let mut entries = Vec::new();
        for (line, text) in logical_lines(bytes) {
            let malformed = |escape: String| PropertiesError { file: source.to_owned(), line, escape };
            let (key, value) = split_entry(&text);
            entries.push(Entry {
                key: unescape(key).map_err(malformed)?,
                value: unescape(value).map_err(malformed)?,
                line,
            });
        }
        Ok(Properties { source: source.to_owned(), entries })
    }

    /// Makes properties that stand in no file.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Properties {
        let entry = |(key, value): (K, V)| Entry { key: key.into(), value: value.into(), line: 0 };
        Properties { source: String::new(), entries: pairs.into_iter().map(entry).collect() }
    }

    /// The file's name as given to [`Properties::parse`].
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// All entries in order, duplicates included.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The value of a key; the last one where it stands twice.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// Entries that a later one of the same key replaces.
    pub fn duplicates(&self) -> impl Iterator<Item = &Entry> {
        let later = |at: usize, key: &str| self.entries.iter().skip(at + 1).any(|other| other.key == key);
        self.entries
            .iter()
            .enumerate()
            .filter(move |(at, entry)| later(*at, &entry.key))
            .map(|(_, entry)| entry)
    }
}

/// Lines with comments and blank lines left out and continuations joined, each with the number of its first.
fn logical_lines(bytes: &[u8]) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in natural_lines(bytes).into_iter().enumerate() {
        let text = line.trim_start_matches([' ', '\t', '\x0c']);
        let (first, mut joined) = match open.take() {
            Some(open) => open,
            None if text.is_empty() || text.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        // An odd number of backslashes at the end escapes the line's end.
        let continues = text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        joined.push_str(if continues { &text[..text.len() - 1] } else { text });
        if continues {
            open = Some((first, joined));
        } else {
            lines.push((first, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Splits at `\n`, `\r` and `\r\n`, drops a byte order mark, and decodes each line.
fn natural_lines(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let (line, tail) = rest.split_at(end);
        lines.push(decode(line));
        rest = tail.strip_prefix(b"\r\n").unwrap_or(tail.get(1..).unwrap_or_default());
    }
    lines.push(decode(rest));
    lines
}

fn decode(line: &[u8]) -> String {
    match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => line.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Splits at the first unescaped `=`, `:` or blank; blanks around the separator are dropped.
fn split_entry(text: &str) -> (&str, &str) {
    const BLANKS: [char; 3] = [' ', '\t', '\x0c'];
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let separates = !escaped && (BLANKS.contains(c) || matches!(c, '=' | ':'));
        escaped = !escaped && *c == '\\';
        separates
    });
    let (key, rest) = text.split_at(end.map_or(text.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(BLANKS);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(BLANKS))
}

/// Resolves `\t`, `\n`, `\r`, `\f` and `\u` with four digits; any other escaped character is itself. The error is the malformed escape.
fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                None => break,
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let well_formed =
                        digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| well_formed);
                    units.push(unit.ok_or_else(|| format!("\\u{digits}"))?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(other) => other,
            },
            plain => plain,
        };
        units.extend_from_slice(c.encode_utf16(&mut buffer));
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &[u8], expected: &[(&str, &str, usize)]) {
        let properties = Properties::parse("test.properties", text).expect("well-formed");
        let entries: Vec<(&str, &str, usize)> = properties
            .entries()
            .iter()
            .map(|entry| (entry.key.as_str(), entry.value.as_str(), entry.line))
            .collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn separators_and_blanks_are_javas() {
        check(
            b"a=1\n b : 2\n\tc 3\nd\ne =\nf= g = h \n",
            &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "", 4), ("e", "", 5), ("f", "g = h ", 6)],
        );
    }

    #[test]
    fn comments_and_empty_lines_count_but_say_nothing() {
        check(b"# one\n\n  ! two\r\na=1#2\r\rb=2", &[("a", "1#2", 4), ("b", "2", 6)]);
    }

    #[test]
    fn a_backslash_goes_on_in_the_next_line() {
        check(
            b"hosts=one,\\\n   two,\\\n\tthree\nx=\\\\\ny=1\\",
            &[("hosts", "one,two,three", 1), ("x", "\\", 4), ("y", "1", 5)],
        );
        // Within a continuation a comment sign is text, as in Java.
        check(b"a=1\\\n#2\n", &[("a", "1#2", 1)]);
    }

    #[test]
    fn escapes_are_resolved_in_keys_and_values() {
        check(b"a\\=b\\ c=\\t\\u4e2d\\u6587\\q", &[("a=b c", "\t\u{4e2d}\u{6587}q", 1)]);
        check(b"pair=\\ud83d\\ude00", &[("pair", "\u{1f600}", 1)]);
    }

    #[test]
    fn text_is_utf_8_or_line_by_line_latin_1() {
        check("\u{feff}名=值\n".as_bytes(), &[("名", "值", 1)]);
        check(b"a=caf\xe9\nb=\xe4\xb8\xad", &[("a", "café", 1), ("b", "中", 2)]);
    }

    #[test]
    fn a_malformed_escape_is_named_with_its_line() {
        for (text, escape) in
            [("a=1\nb=\\u12g4", "\\u12g4"), ("\nb=\\u12", "\\u12"), ("\nb=\\u+123", "\\u+123")]
        {
            let error = Properties::parse("x.properties", text.as_bytes()).expect_err("malformed");
            assert_eq!((error.line, error.escape.as_str()), (2, escape));
        }
    }

    #[test]
    fn the_last_of_several_counts() {
        let properties = Properties::parse("", b"a=1\nb=2\na=3\na=4").expect("well-formed");
        assert_eq!(properties.get("a"), Some("4"));
        assert_eq!(properties.get("c"), None);
        let duplicates: Vec<usize> = properties.duplicates().map(|entry| entry.line).collect();
        assert_eq!(duplicates, [1, 3]);
    }

    /// Writes an entry so that it reads back as itself, whatever is in it.
    fn escaped(text: &str) -> String {
        text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Properties::parse("", &bytes);
        }

        #[test]
        fn any_key_and_value_survive_escaping(key in "\\PC{1,20}", value in any::<String>()) {
            let text = format!("{}={}\n", escaped(&key), escaped(&value));
            let properties = Properties::parse("", text.as_bytes()).expect("well-formed");
            prop_assert_eq!(properties.get(&key), Some(value.as_str()));
        }

        #[test]
        fn java_like_soup_keeps_its_line_numbers(text in "[ab=: \\\\#!\n\r\t]{0,60}") {
            let lines = natural_lines(text.as_bytes()).len();
            if let Ok(properties) = Properties::parse("", text.as_bytes()) {
                let numbers: Vec<usize> = properties.entries().iter().map(|entry| entry.line).collect();
                prop_assert!(numbers.is_sorted_by(|one, next| one < next));
                prop_assert!(numbers.iter().all(|line| (1..=lines).contains(line)));
            }
        }
    }
}
