//! Lines of bytes out of a pipe or connection, in memory bounded by the longest line allowed.

use std::io;

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is asked for at a time.
const READ: usize = 16 * 1024;

/// A line, or what there is of one.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamLine {
    /// A line without its end (`\n` or `\r\n`); also the last one, if it has no end.
    Whole(Bytes),
    /// So many bytes without an end that no more may be kept. What follows is their continuation.
    TooLong(Bytes),
}

/// The lines of a stream. [`StreamLines::next`] can be dropped at any time without losing bytes.
pub struct StreamLines<R> {
    input: R,
    held: BytesMut,
    searched: usize,
    most: usize,
    at_end: bool,
}

impl<R: AsyncRead + Unpin> StreamLines<R> {
    /// Lines of at most `most` bytes with their end.
    pub fn new(input: R, most: usize) -> StreamLines<R> {
        StreamLines { input, held: BytesMut::new(), searched: 0, most: most.max(1), at_end: false }
    }

    /// The next line, if it has been read already.
    pub fn ready(&mut self) -> Option<StreamLine> {
        let window = self.held.get(self.searched..).unwrap_or_default();
        let found = memchr(b'\n', window).map(|at| self.searched + at);
        match found {
            Some(end) if end < self.most => {
                self.searched = 0;
                let mut line = self.held.split_to(end + 1);
                line.truncate(if line.ends_with(b"\r\n") { end - 1 } else { end });
                Some(StreamLine::Whole(line.freeze()))
            }
            _ if self.held.len() >= self.most => {
                self.searched = 0;
                Some(StreamLine::TooLong(self.held.split_to(self.most).freeze()))
            }
            _ => {
                self.searched = self.held.len();
                None
            }
        }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// The stream's.
    pub async fn next(&mut self) -> io::Result<Option<StreamLine>> {
        loop {
            if let Some(line) = self.ready() {
                return Ok(Some(line));
            }
            if self.at_end {
                self.searched = 0;
                let rest = self.held.split();
                return Ok((!rest.is_empty()).then(|| StreamLine::Whole(rest.freeze())));
            }
            self.held.reserve(READ);
            self.at_end = self.input.read_buf(&mut self.held).await? == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_of_a_stream() {
        let text: &[u8] = b"one\r\ntwo\n\n0123456789\nlast";
        let mut lines = StreamLines::new(text, 8);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(match line {
                StreamLine::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                StreamLine::TooLong(line) => format!("{}…", String::from_utf8(line.to_vec()).unwrap()),
            });
        }
        assert_eq!(found, ["one", "two", "", "01234567…", "89", "last"]);
    }
}
