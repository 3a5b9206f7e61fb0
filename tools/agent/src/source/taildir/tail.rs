//! One growing file: its lines, with the position behind each batch.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use memchr::memchr;

use super::settings::Reading;
use crate::{
    event::{Event, Headers},
    receipt::Receipt,
    source::position::{HEAD, Identity, Position},
};

/// How much is read at a time, and what a batch of lines may have.
const READ: usize = 256 * 1024;

/// A file between being found and being gone. Used by the source's thread.
pub struct Tail {
    /// The source's number for it.
    pub number: u64,
    /// Where it is now.
    pub path: PathBuf,
    /// Whether a group still names it; one that was moved away is read to its end.
    pub named: bool,
    /// Which file it is.
    pub identity: Identity,
    /// Its length and time when it was last looked at.
    pub size: u64,
    /// When it was modified.
    pub modified: SystemTime,
    /// Batches that have not arrived.
    pub under_way: usize,
    /// The position behind the last event that has arrived.
    pub arrived: u64,
    /// When there was last something to read.
    pub active: Instant,
    /// Closed while nothing comes.
    file: Option<File>,
    headers: Headers,
    /// The position of `held[0]`.
    position: u64,
    /// Read, not given out.
    held: Vec<u8>,
    searched: usize,
}

impl Tail {
    /// A file to be read from `position` on.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn new(number: u64, path: PathBuf, file: File, position: u64, headers: Headers) -> io::Result<Tail> {
        let facts = file.metadata()?;
        Ok(Tail {
            number,
            path,
            named: true,
            identity: Identity::of(&file)?,
            size: facts.len(),
            modified: facts.modified()?,
            under_way: 0,
            arrived: position,
            active: Instant::now(),
            file: Some(file),
            headers,
            position,
            held: Vec::new(),
            searched: 0,
        })
    }

    /// Where reading stands: what is behind has been given out.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether a line without an end is held.
    #[must_use]
    pub fn has_unended(&self) -> bool {
        !self.held.is_empty() || self.position < self.size
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Gives its descriptor back until it grows.
    pub fn close(&mut self) {
        self.file = None;
        self.held = Vec::new();
        self.searched = 0;
    }

    /// Looks how long a file is that no group names any more.
    pub fn look_by_itself(&mut self) {
        if let Some(Ok(facts)) = self.file.as_ref().map(File::metadata) {
            self.size = facts.len();
        }
    }

    /// Takes up a file that was closed and has lost its name since: what was written into it before is not to be
    /// lost. Rotations keep files in their directory.
    pub fn search(&mut self) {
        let Some(Ok(entries)) = self.path.parent().map(std::fs::read_dir) else { return };
        let is_it = |entry: &std::fs::DirEntry| {
            let facts = entry.metadata().ok();
            facts.is_some_and(|facts| {
                (facts.dev(), facts.ino()) == (self.identity.device, self.identity.inode)
            })
        };
        let Some(entry) = entries.flatten().find(is_it) else { return };
        if let Ok(file) = File::open(entry.path())
            && self.is_same(&file).unwrap_or(false)
        {
            self.file = Some(file);
            self.active = Instant::now();
        }
    }

    /// Takes up a file that was closed.
    pub fn reopen(&mut self, file: File) {
        self.file = Some(file);
    }

    /// Whether what has been read is still there; a file that was emptied and written anew has another beginning.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_same(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.position && self.identity.is(file)?)
    }

    /// How far it has arrived.
    pub fn reached(&self, done: bool) -> Position {
        let file = self.path.to_string_lossy().into_owned();
        Position { file, identity: self.identity, offset: self.arrived, events: 0, lines: 0, done }
    }

    /// A beginning that has grown is looked at again, so that more of it tells files apart: as soon as it was read,
    /// for by the time it has arrived the file may have been emptied and written anew.
    fn know_more(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if self.identity.head < HEAD as u64 && self.position > self.identity.head && self.identity.is(file)? {
            self.identity = Identity::of(file)?;
        }
        Ok(())
    }

    /// The next lines, at most a batch; none if there is no whole one. `take_unended`: the last one even so.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next_batch(&mut self, rules: &Reading, take_unended: bool) -> io::Result<Vec<Event>> {
        let mut ends: Vec<(usize, usize)> = Vec::new();
        let mut from = 0;
        loop {
            while ends.len() < rules.batch {
                let Some(end) = self.line_end(from, rules.most) else { break };
                ends.push(end);
                from = end.1;
            }
            let full = ends.len() == rules.batch || from >= READ;
            if full || !self.fill()? {
                break;
            }
        }
        let rest = self.held.len() - from;
        if take_unended && ends.len() < rules.batch && rest > 0 {
            ends.push((self.held.len(), self.held.len()));
            from = self.held.len();
            self.searched = from;
        }
        if ends.is_empty() {
            return Ok(Vec::new());
        }
        let rest = self.held.split_off(from);
        self.searched = self.searched.saturating_sub(from).min(rest.len());
        let text = Bytes::from(std::mem::replace(&mut self.held, rest));
        let start = self.position;
        self.position += from as u64;
        self.know_more()?;
        Ok(self.events(&text, &ends, start, rules))
    }

    fn events(&self, text: &Bytes, ends: &[(usize, usize)], start: u64, rules: &Reading) -> Vec<Event> {
        let mut from = 0;
        let event = |&(end, next): &(usize, usize)| {
            let mut headers = self.headers.clone();
            if rules.byte_offset {
                headers.set("byteoffset".into(), (start + from as u64).to_string().into());
            }
            if let Some(name) = &rules.path_header {
                headers.set(name.clone(), self.path.to_string_lossy().into());
            }
            let body = text.slice(from..end);
            from = next;
            Event { headers, body, receipt: Receipt::none() }
        };
        ends.iter().map(event).collect()
    }

    /// Where the line that begins at `from` ends, and where the next begins; a CR before the LF goes, as in Flume.
    fn line_end(&mut self, from: usize, most: usize) -> Option<(usize, usize)> {
        let searched = self.searched.max(from);
        let window = self.held.get(searched..)?;
        match memchr(b'\n', window).map(|at| searched + at) {
            Some(end) if end - from <= most => {
                self.searched = end + 1;
                let carriage_return = end > from && self.held.get(end - 1) == Some(&b'\r');
                Some((end - usize::from(carriage_return), end + 1))
            }
            found => {
                self.searched = found.unwrap_or(self.held.len());
                let too_long = self.held.len() - from >= most;
                too_long.then(|| {
                    self.searched = from + most;
                    (from + most, from + most)
                })
            }
        }
    }

    /// Reads on, no further than it was looked at: an emptied file must not be taken for a longer one. Whether there
    /// was anything.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let before = self.held.len();
        let at = self.position + before as u64;
        let room = usize::try_from(self.size.saturating_sub(at)).unwrap_or(READ).min(READ);
        if room == 0 {
            return Ok(false);
        }
        self.held.resize(before + room, 0);
        let buffer = self.held.get_mut(before..).unwrap_or_default();
        let read = loop {
            match file.read_at(buffer, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.held.truncate(before + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn bodies(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| std::str::from_utf8(&event.body).unwrap()).collect()
    }

    #[test]
    fn lines_with_their_positions() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\r\ntwo\n\n0123456789\nunended").unwrap();
        let opened = File::open(file.path()).unwrap();
        let mut tail = Tail::new(0, file.path().to_owned(), opened, 0, Headers::default()).unwrap();
        let rules = Reading { batch: 3, most: 8, byte_offset: true, path_header: None };
        let first = tail.next_batch(&rules, false).unwrap();
        assert_eq!((bodies(&first), tail.position()), (vec!["one", "two", ""], 10));
        let offsets: Vec<_> =
            first.iter().map(|event| event.headers.get("byteoffset").unwrap().to_string()).collect();
        assert_eq!(offsets, ["0", "5", "9"]);
        assert_eq!(bodies(&tail.next_batch(&rules, false).unwrap()), ["01234567", "89"]);
        assert!(tail.next_batch(&rules, false).unwrap().is_empty());
        assert!(tail.has_unended());
        file.write_all(b" no more\nand").unwrap();
        tail.look_by_itself();
        assert_eq!(bodies(&tail.next_batch(&rules, false).unwrap()), ["unended ", "no more"]);
        assert_eq!(bodies(&tail.next_batch(&rules, true).unwrap()), ["and"]);
        assert_eq!(tail.position(), 40);
    }

    #[test]
    fn a_file_found_empty_and_emptied_again_is_another() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let opened = || File::open(file.path()).unwrap();
        let mut tail = Tail::new(0, file.path().to_owned(), opened(), 0, Headers::default()).unwrap();
        let looked = opened();
        file.write_all(b"one\ntwo\n").unwrap();
        tail.look_by_itself();
        let rules = Reading { batch: 3, most: 8, byte_offset: true, path_header: None };
        assert_eq!(bodies(&tail.next_batch(&rules, false).unwrap()), ["one", "two"]);
        assert!(tail.is_same(&looked).unwrap());
        // Emptied and written anew, to the same length, before the first lines have arrived.
        std::fs::write(file.path(), b"six\nten\n").unwrap();
        assert!(!tail.is_same(&looked).unwrap());
    }
}
