//! Lines into records: `[headers⇥][key⇥]value`, as the stock `LineMessageReader` reads them. Bytes that are
//! no UTF-8 are kept as they are.

use rkafka_client::producer::Header;

/// Properties of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReaderOptions {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    null_marker: Option<String>,
}

/// The parts of one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Vec<Header<'a>>,
}

impl ReaderOptions {
    /// Reads the properties; the last of a name counts, unknown names are ignored as the stock tool does.
    pub(super) fn new(pairs: &[(String, String)]) -> Result<ReaderOptions, String> {
        let get =
            |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let flag = |name| get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text = |name, default: &str| get(name).unwrap_or(default).to_owned();
        let options = ReaderOptions {
            parse_key: flag("parse.key"),
            parse_headers: flag("parse.headers"),
            ignore_error: flag("ignore.error"),
            key_separator: text("key.separator", "\t"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            null_marker: get("null.marker").map(str::to_owned),
        };
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<(), String> {
        let delimiter = ("headers.delimiter", &self.headers_delimiter);
        let separator = ("headers.separator", &self.headers_separator);
        let key_separator = ("headers.key.separator", &self.headers_key_separator);
        let mut pairs = vec![(delimiter, separator), (delimiter, key_separator), (separator, key_separator)];
        if let Some(marker) = &self.null_marker {
            let marker = ("null.marker", marker);
            pairs.push((marker, ("key.separator", &self.key_separator)));
            pairs.extend([(marker, separator), (marker, delimiter), (marker, key_separator)]);
        }
        match pairs.iter().find(|((_, one), (_, other))| one == other) {
            Some(((one, _), (other, _))) => Err(format!("{one} and {other} may not be equal")),
            None => Ok(()),
        }
    }

    /// Takes a line apart; `number` counts from 1.
    pub(super) fn parse<'a>(&self, line: &'a [u8], number: u64) -> Result<Parsed<'a>, String> {
        let shown = || String::from_utf8_lossy(line).into_owned();
        let missing = |what: &str| format!("No {what} found on line number {number}: '{}'", shown());
        let mut rest = line;
        let mut headers = None;
        if self.parse_headers {
            match split_once(rest, self.headers_delimiter.as_bytes()) {
                Some((before, after)) => (headers, rest) = (Some(before), after),
                None if self.ignore_error => {}
                None => return Err(missing("headers delimiter")),
            }
        }
        let mut key = None;
        if self.parse_key {
            match split_once(rest, self.key_separator.as_bytes()) {
                Some((before, after)) => (key, rest) = (Some(before), after),
                None if self.ignore_error => {}
                None => return Err(missing("key separator")),
            }
        }
        let headers = match headers.and_then(|headers| self.unless_null(headers)) {
            Some(headers) => self.split_headers(headers, number)?,
            None => Vec::new(),
        };
        let key = key.and_then(|key| self.unless_null(key));
        Ok(Parsed { key, value: self.unless_null(rest), headers })
    }

    fn unless_null<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let is_null = self.null_marker.as_ref().is_some_and(|marker| marker.as_bytes() == text);
        (!is_null).then_some(text)
    }

    fn split_headers<'a>(&self, headers: &'a [u8], number: u64) -> Result<Vec<Header<'a>>, String> {
        let mut pairs = Vec::new();
        let mut rest = Some(headers);
        while let Some(text) = rest {
            let (pair, after) = match split_once(text, self.headers_separator.as_bytes()) {
                Some((pair, after)) => (pair, Some(after)),
                None => (text, None),
            };
            rest = after;
            match split_once(pair, self.headers_key_separator.as_bytes()) {
                Some((key, value)) => {
                    if self.unless_null(key).is_none() {
                        let marker = String::from_utf8_lossy(key);
                        return Err(format!(
                            "Header keys should not be equal to the null marker '{marker}' as they can't be null"
                        ));
                    }
                    pairs.push(Header { key, value: self.unless_null(value) });
                }
                None if self.ignore_error => pairs.push(Header { key: pair, value: None }),
                None => {
                    let pair = String::from_utf8_lossy(pair);
                    return Err(format!(
                        "No header key separator found in pair '{pair}' on line number {number}"
                    ));
                }
            }
        }
        Ok(pairs)
    }
}

/// What stands before and after the first `separator`; an empty one is found at once, as in Java.
fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = match separator.len() {
        0 => 0,
        length => text.windows(length).position(|window| window == separator)?,
    };
    Some((&text[..at], &text[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[&str]) -> Result<ReaderOptions, String> {
        let pair = |text: &&str| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        ReaderOptions::new(&pairs.iter().filter_map(pair).collect::<Vec<_>>())
    }

    fn check(pairs: &[&str], line: &str, expected: Result<(Option<&str>, Option<&str>, &str), &str>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let options = options(pairs).unwrap();
        let parsed = options.parse(line.as_bytes(), 7).map(|parsed| {
            let header = |header: &Header<'_>| {
                format!("{}={}", text(header.key), header.value.map_or("NULL".into(), text))
            };
            let headers: Vec<String> = parsed.headers.iter().map(header).collect();
            (parsed.key.map(text), parsed.value.map(text), headers.join(" "))
        });
        let expected = expected.map(|(key, value, headers)| {
            (key.map(str::to_owned), value.map(str::to_owned), headers.to_owned())
        });
        assert_eq!(parsed, expected.map_err(str::to_owned), "{pairs:?} {line}");
    }

    #[test]
    fn lines_as_the_stock_tool_reads_them() {
        check(&[], "k\tv", Ok((None, Some("k\tv"), "")));
        check(&["parse.key=true"], "k\tv\tw", Ok((Some("k"), Some("v\tw"), "")));
        check(&["parse.key=TRUE", "key.separator=::"], "k::", Ok((Some("k"), Some(""), "")));
        check(&["parse.key=true"], "v", Err("No key separator found on line number 7: 'v'"));
        check(&["parse.key=true", "ignore.error=true"], "v", Ok((None, Some("v"), "")));
        let both = ["parse.key=true", "parse.headers=true"];
        check(&both, "h1:v1,h2:v:2\tk\tv", Ok((Some("k"), Some("v"), "h1=v1 h2=v:2")));
        let error = "No header key separator found in pair 'bad' on line number 7";
        check(&both, "h:v,bad\tk\tv", Err(error));
        check(&both, "k", Err("No headers delimiter found on line number 7: 'k'"));
        check(&["parse.headers=true", "ignore.error=true"], "bad\tv", Ok((None, Some("v"), "bad=NULL")));
        let nulls = ["parse.key=true", "parse.headers=true", "null.marker=NIL"];
        check(&nulls, "NIL\tNIL\tNIL", Ok((None, None, "")));
        check(&nulls, "h:NIL\tk\tv", Ok((Some("k"), Some("v"), "h=NULL")));
        let error = "Header keys should not be equal to the null marker 'NIL' as they can't be null";
        check(&nulls, "NIL:v\tk\tv", Err(error));
        let bytes = options(&[]).unwrap();
        assert_eq!(bytes.parse(b"\xff", 1).unwrap().value, Some(b"\xff".as_slice()), "bytes are kept");
    }

    #[test]
    fn separators_that_cannot_be_told_apart() {
        let refused = |pair| options(&[pair]).unwrap_err();
        assert_eq!(
            refused("headers.separator=:"),
            "headers.separator and headers.key.separator may not be equal"
        );
        assert_eq!(
            refused("headers.delimiter=,"),
            "headers.delimiter and headers.separator may not be equal"
        );
        assert_eq!(refused("null.marker=\t"), "null.marker and key.separator may not be equal");
    }
}
