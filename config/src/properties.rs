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

/// Resolves `\t \n \r \f \uXXXX`; any other escaped character is itself. The error is the malformed escape.
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
