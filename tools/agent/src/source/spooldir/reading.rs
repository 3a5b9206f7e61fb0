//! One file being read: batches of events with the position behind each.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use super::{
    datums::Datums,
    input::{self, Compression},
    settings::{FileHeaders, Reading, Settings, Unit},
};
use crate::{
    event::{Event, Headers},
    receipt::Receipt,
    source::position::{Identity, Position, Reached},
    text::{LineError, Lines, lines::LineRules},
};

/// A file that has been left alone this long is complete: its last line is taken without an end, and it is finished.
/// Before, somebody may be writing into it; what is finished too early would be lost.
const SETTLED: Duration = Duration::from_secs(1);
/// A batch is closed early at this many bytes of text, so that memory does not depend on the lines' lengths.
const BATCH_BYTES: usize = 1024 * 1024;

/// A file between being picked up and being finished.
pub struct SpoolFile {
    /// Its path when it was picked up.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// Its length in bytes when it was last looked at.
    pub size: u64,
    /// Events read so far, those of earlier runs included.
    pub events: u64,
    modified: SystemTime,
    /// Modified without having grown since.
    touched: bool,
    file: File,
    text: Text,
    rules: Reading,
    headers: Headers,
    /// Whether the file has given anything, an empty event included.
    begun: bool,
}

enum Text {
    Lines(Lines<Box<dyn Read + Send>>),
    Blob { input: Box<dyn Read + Send>, position: u64 },
    Datums { datums: Datums, compression: Compression },
}

/// What reading on gave.
#[derive(Debug)]
pub enum Step {
    /// Events and the position behind them.
    Events(Vec<Event>, u64),
    /// The end, for now.
    End,
    /// The last line has no end yet and may be growing: try again a little later.
    Unended(Duration),
}

/// Whether a file is still what was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing has changed: it is finished.
    Unchanged,
    /// Nothing has changed, but it was written to a moment ago: there may be more to come.
    Fresh,
    /// It has grown: there is more to read.
    Grown,
    /// Something was changed in it that has been read already.
    Rewritten(String),
    /// Its name is gone or belongs to another file.
    Gone,
}

impl SpoolFile {
    /// Opens a file, at `position` if some of it has arrived before.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn open(
        path: &Path,
        file: File,
        position: Option<&Position>,
        settings: &Settings,
    ) -> io::Result<SpoolFile> {
        let facts = file.metadata()?;
        let rules = settings.reading;
        let compression = if rules.decompress { Compression::of(&file)? } else { Compression::None };
        let (offset, events) = position.map_or((0, 0), |position| (position.offset, position.events));
        let before = position.map_or(0, |position| position.lines);
        let text = match rules.unit {
            Unit::Datum { schema } => {
                Text::Datums { datums: Datums::new(schema, events, offset), compression }
            }
            Unit::Blob { .. } => {
                Text::Blob { input: input::open(&file, compression, offset)?, position: offset }
            }
            Unit::Line { most, strip_carriage_return, .. } => {
                let charset = match rules.charset {
                    Some(charset) => charset,
                    None => input::detect(&file, compression)?,
                };
                let rules =
                    LineRules { charset, policy: rules.policy, max_units: most, strip_carriage_return };
                Text::Lines(Lines::new(input::open(&file, compression, offset)?, offset, before, rules))
            }
        };
        Ok(SpoolFile {
            path: path.to_owned(),
            identity: Identity::of(&file)?,
            size: facts.len(),
            events,
            modified: facts.modified()?,
            touched: false,
            headers: headers(path, &settings.headers),
            file,
            text,
            rules,
            begun: position.is_some(),
        })
    }

    /// Reads the next batch.
    ///
    /// # Errors
    /// The file cannot be read, or has bytes that are no text; good lines before them have been given out.
    pub fn step(&mut self, now: SystemTime) -> Result<Step, LineError> {
        let step = match self.rules.unit {
            Unit::Line { .. } => self.step_lines(now),
            Unit::Blob { most } => self.step_blob(most),
            Unit::Datum { .. } => self.step_datums(),
        }?;
        let is_empty = matches!(step, Step::End) && !self.begun && self.size == 0;
        if is_empty && self.is_fresh(now) {
            // Made a moment ago by somebody who is about to write into it.
            return Ok(Step::Unended(SETTLED));
        }
        // An empty event would be no datum.
        let makes_event = self.rules.empty_file_event && !matches!(self.rules.unit, Unit::Datum { .. });
        if is_empty && makes_event {
            self.begun = true;
            self.events += 1;
            return Ok(Step::Events(vec![self.event(Bytes::new())], 0));
        }
        if let Step::Events(events, _) = &step {
            self.begun = true;
            self.events += events.len() as u64;
        }
        Ok(step)
    }

    fn step_lines(&mut self, now: SystemTime) -> Result<Step, LineError> {
        let (Text::Lines(lines), Unit::Line { truncate, strip_byte_order_mark, skip_empty, .. }) =
            (&mut self.text, self.rules.unit)
        else {
            return Ok(Step::End);
        };
        // The age of what is in the file now; a clock that was set back makes it old enough.
        let age = now.duration_since(self.modified).unwrap_or(SETTLED);
        let mut text = String::new();
        let mut ends = Vec::with_capacity(self.rules.batch);
        let mut failed = None;
        let before = lines.position();
        while ends.len() < self.rules.batch && text.len() < BATCH_BYTES {
            let from = text.len();
            let continues = lines.in_long_line();
            match lines.next_into(&mut text, age >= SETTLED) {
                Ok(Some(_)) => {
                    if strip_byte_order_mark && before == 0 && from == 0 && text.starts_with('\u{feff}') {
                        text.drain(from..from + '\u{feff}'.len_utf8());
                    }
                    let dropped = (truncate && continues) || (skip_empty && text.len() == from);
                    if dropped {
                        text.truncate(from);
                    } else {
                        ends.push(text.len());
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let position = lines.position();
        let unended = lines.has_unended();
        // Good lines before a bad one first; it is met again at the next step.
        if let Some(error) = failed
            && ends.is_empty()
        {
            return Err(error);
        }
        if !ends.is_empty() || position > before {
            return Ok(Step::Events(self.split(text, &ends), position));
        }
        Ok(if unended { Step::Unended(SETTLED.saturating_sub(age)) } else { Step::End })
    }

    /// One allocation holds the texts of a batch.
    fn split(&self, text: String, ends: &[usize]) -> Vec<Event> {
        let text = Bytes::from(text);
        let mut from = 0;
        let cut = |end: &usize| {
            let body = text.slice(from..*end);
            from = *end;
            self.event(body)
        };
        ends.iter().map(cut).collect()
    }

    fn step_blob(&mut self, most: usize) -> Result<Step, LineError> {
        let Text::Blob { input, position } = &mut self.text else { return Ok(Step::End) };
        let mut body = Vec::new();
        let read = input.by_ref().take(most as u64).read_to_end(&mut body);
        let read = read.map_err(|source| LineError::Read { position: *position, source })?;
        if read == 0 {
            return Ok(Step::End);
        }
        *position += read as u64;
        let end = *position;
        Ok(Step::Events(vec![self.event(body.into())], end))
    }

    fn step_datums(&mut self) -> Result<Step, LineError> {
        let Text::Datums { datums, compression } = &mut self.text else { return Ok(Step::End) };
        let Some(run) = datums.next(self.rules.batch, || input::open(&self.file, *compression, 0))? else {
            return Ok(Step::End);
        };
        let position = datums.position();
        let (name, schema) = run.header;
        let mut headers = self.headers.clone();
        headers.set(name, schema);
        let event = |body| Event { headers: headers.clone(), body, receipt: Receipt::none() };
        Ok(Step::Events(run.bodies.into_iter().map(event).collect(), position))
    }

    fn event(&self, body: Bytes) -> Event {
        Event { headers: self.headers.clone(), body, receipt: Receipt::none() }
    }

    /// Where reading stands, in bytes of the text.
    #[must_use]
    pub fn position(&self) -> u64 {
        match &self.text {
            Text::Lines(lines) => lines.position(),
            Text::Blob { position, .. } => *position,
            Text::Datums { datums, .. } => datums.position(),
        }
    }

    /// Looks whether the file is what it was when it was picked up, and notes how long it is now.
    pub fn look(&mut self, now: SystemTime) -> Fate {
        use std::os::unix::fs::MetadataExt;
        let Ok(named) = std::fs::metadata(&self.path) else { return Fate::Gone };
        if (named.dev(), named.ino()) != (self.identity.device, self.identity.inode) {
            return Fate::Gone;
        }
        let (modified, size) = (named.modified().unwrap_or(self.modified), named.len());
        let before = std::mem::replace(&mut self.size, size);
        // Copying with times kept sets the time back when all is written; that changes nothing.
        self.touched |= std::mem::replace(&mut self.modified, modified) < modified;
        if size < before {
            return Fate::Rewritten(format!("it was cut from {before} to {size} bytes while it was read"));
        }
        match self.identity.is(&self.file) {
            Ok(true) => {}
            Ok(false) => return Fate::Rewritten("its beginning was changed while it was read".to_owned()),
            Err(error) => return Fate::Rewritten(format!("it cannot be read again: {error}")),
        }
        if size > before {
            self.touched = false;
            return Fate::Grown;
        }
        // A write sets the time first and the length a moment later: what looks touched may be growing.
        match (self.is_fresh(now), self.touched) {
            (true, _) => Fate::Fresh,
            (false, true) => Fate::Rewritten("it was modified while it was read".to_owned()),
            (false, false) => Fate::Unchanged,
        }
    }

    /// Whether it was modified so lately that it may still be being written.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age < SETTLED)
    }

    /// How far it has been read.
    #[must_use]
    pub fn reached(&self) -> Reached {
        let lines = if let Text::Lines(lines) = &self.text { lines.count() } else { 0 };
        Reached { offset: self.position(), events: self.events, lines }
    }

    /// What is to be kept when it has arrived so far.
    #[must_use]
    pub fn arrived_at(&self, reached: Reached, done: bool) -> Position {
        let file = self.path.to_string_lossy().into_owned();
        let Reached { offset, events, lines } = reached;
        Position { file, identity: self.identity, offset, events, lines, done }
    }

    /// Goes on behind what was the end.
    pub fn read_on(&mut self) {
        match &mut self.text {
            Text::Lines(lines) => lines.read_on(),
            Text::Datums { datums, .. } => datums.read_on(),
            Text::Blob { .. } => {}
        }
    }

    /// Looks at the file's length and time again while its last line is waited for.
    pub fn refresh(&mut self) {
        if let Ok(facts) = self.file.metadata() {
            self.size = facts.len().max(self.size);
            self.modified = facts.modified().unwrap_or(self.modified);
        }
        self.read_on();
    }
}

fn headers(path: &Path, names: &FileHeaders) -> Headers {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let basename = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = names.path.iter().map(|name| (name.clone(), absolute.to_string_lossy().into_owned()));
    path.chain(names.basename.iter().map(|name| (name.clone(), basename.clone()))).collect()
}
