//! The `TAILDIR` source: files that grow, such as logs, become events line by line.
//!
//! One thread looks at the directories, reads what has come, and hands it on; positions move when events have
//! arrived. A file is known by device, inode and its beginning: a rotated one is read to its end under whatever name
//! (Flume reads one that is renamed within its group again, and forgets the end of one that is moved away), and one
//! that was emptied in its place is read from its beginning.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the properties |
//! | [`tail`] | one file's lines |
//! | [`position_json`] | Flume's position file |

pub mod position_json;
pub mod settings;
pub mod tail;

use std::{
    collections::VecDeque,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, UNIX_EPOCH},
};

use position_json::Entry;
use settings::Settings;
use tail::Tail;

use super::{
    Output, Signal, SourceError,
    output::Stopped,
    position::{PositionFile, Positions},
    watch::{SAFETY_NET, watch},
};
use crate::{plan::Component, receipt::Ledger};

/// The least time between two looks at the directories.
const LOOK_AT_MOST: Duration = Duration::from_millis(20);
/// Idle files beyond so many open ones are closed. One that is open can be read to its end wherever it is moved.
const MOST_OPEN: usize = 512;
/// Batches that may be under way.
const MOST_UNDER_WAY: usize = 1_024;
/// How long a stopping source waits for what is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A batch under way: which file it is of and how far the file has arrived with it.
struct Mark {
    tail: u64,
    position: u64,
}

/// One source. Runs on a thread of its own.
pub struct TailSource {
    settings: Settings,
    output: Output,
    signal: Arc<Signal>,
    positions: Box<dyn Positions>,
    /// What Flume's file said, for files that nothing else is known of.
    of_flume: Vec<Entry>,
    ledger: Ledger,
    settled: u64,
    marks: VecDeque<Mark>,
    tails: Vec<Tail>,
    next_number: u64,
    /// Positions have moved since Flume's file was written.
    unwritten: bool,
    written: Instant,
    once: bool,
    most_open: usize,
}

impl TailSource {
    /// Reads the positions.
    ///
    /// # Errors
    /// A group has no files or a bad pattern, or positions cannot be kept.
    pub fn open(
        component: &Component,
        output: Output,
        signal: Arc<Signal>,
        once: bool,
    ) -> Result<TailSource, SourceError> {
        let refuse = |reason: String| SourceError::new(&component.name, reason);
        let settings = Settings::new(component).map_err(refuse)?;
        let file = &settings.position_file;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let positions = PositionFile::open_at(folder, &format!("{name}.rkafka"), &format!("{name}.lock"))
            .map_err(|error| refuse(format!("cannot keep positions in {}: {error}", file.display())))?;
        let waker = signal.clone();
        Ok(TailSource {
            of_flume: position_json::read(file),
            output,
            positions: Box::new(positions),
            ledger: Ledger::new(move || waker.raise()),
            signal,
            settled: 0,
            marks: VecDeque::new(),
            tails: Vec::new(),
            next_number: 0,
            unwritten: false,
            written: Instant::now(),
            once,
            most_open: MOST_OPEN,
            settings,
        })
    }

    /// Reads until it is to stop, or, with `once`, until all there is has arrived.
    ///
    /// # Errors
    /// Positions cannot be kept.
    pub fn run(mut self) -> Result<(), SourceError> {
        let directories: Vec<PathBuf> =
            self.settings.groups.iter().map(|group| group.directory.clone()).collect();
        let watcher = watch(&self.settings.name, &directories, false, &self.signal);
        let mut looked = None::<Instant>;
        let mut changed = true;
        let mut pause = Duration::ZERO;
        while !self.signal.stopping() {
            self.settle()?;
            if changed && looked.is_none_or(|at| at.elapsed() >= LOOK_AT_MOST) {
                self.look()?;
                (looked, changed) = (Some(Instant::now()), false);
            }
            match self.read_round() {
                Ok(true) => {
                    (pause, changed) = (Duration::ZERO, true);
                    continue;
                }
                Ok(false) => {}
                Err(Stopped) => break,
            }
            if self.once && self.ledger.open_batches() == 0 && !self.take_last_lines()? {
                break;
            }
            self.close_idle()?;
            self.write_for_flume(false);
            let (more, most) = self.settings.backoff;
            pause = (pause + more.max(Duration::from_millis(10))).min(most.max(Duration::from_millis(10)));
            let wait = match (&watcher, changed) {
                (_, true) => LOOK_AT_MOST,
                (Some(_), false) => SAFETY_NET,
                (None, false) => pause,
            };
            let due = if self.unwritten { self.settings.write_interval } else { wait };
            let idle = self.settings.idle_timeout.max(LOOK_AT_MOST);
            self.signal.wait(Instant::now() + wait.min(due).min(idle));
            changed = true;
        }
        self.drain()
    }

    /// Waits for what is under way, so that a restart repeats as little as possible.
    fn drain(&mut self) -> Result<(), SourceError> {
        let deadline = Instant::now() + PATIENCE;
        // First what has arrived already: nobody would wake this thread for it.
        self.settle()?;
        while self.tails.iter().any(|tail| tail.under_way > 0) && Instant::now() < deadline {
            self.signal.wait(deadline);
            self.settle()?;
        }
        self.write_for_flume(true);
        self.positions.sync().map_err(|error| self.cannot_keep(&error))
    }

    /// Looks which files there are, what they are called now, and whether they have grown.
    fn look(&mut self) -> Result<(), SourceError> {
        self.tails.iter_mut().for_each(|tail| tail.named = false);
        for group in 0..self.settings.groups.len() {
            for (path, facts) in self.list(group) {
                let place = (facts.dev(), facts.ino());
                let same = |tail: &Tail| (tail.identity.device, tail.identity.inode) == place;
                match self.tails.iter().position(same) {
                    Some(at) => self.look_again(at, path, &facts, group)?,
                    None => self.begin(path, group),
                }
            }
        }
        for tail in self.tails.iter_mut().filter(|tail| !tail.named) {
            if !tail.is_open() {
                tail.search();
            }
            tail.look_by_itself();
        }
        Ok(())
    }

    /// The files of a group, oldest first, as Flume reads them.
    fn list(&self, group: usize) -> Vec<(PathBuf, Metadata)> {
        let Some(group) = self.settings.groups.get(group) else { return Vec::new() };
        let entries = match fs::read_dir(&group.directory) {
            Ok(entries) => entries,
            Err(error) => {
                let directory = group.directory.display();
                tracing::warn!(source = self.settings.name, "{directory} cannot be read: {error}");
                return Vec::new();
            }
        };
        let matching = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let matches = name.to_str().is_some_and(|name| group.pattern.is_match(name).unwrap_or(false));
            // Following links, as Flume.
            let facts = if matches { fs::metadata(entry.path()).ok() } else { None };
            facts.filter(Metadata::is_file).map(|facts| (entry.path(), facts))
        };
        let mut found: Vec<_> = entries.flatten().filter_map(matching).collect();
        found.sort_by_key(|(path, facts)| (facts.modified().unwrap_or(UNIX_EPOCH), path.clone()));
        found
    }

    fn look_again(
        &mut self,
        at: usize,
        path: PathBuf,
        facts: &Metadata,
        group: usize,
    ) -> Result<(), SourceError> {
        let tail = &mut self.tails[at];
        let modified = facts.modified().unwrap_or(UNIX_EPOCH);
        let changed = facts.len() != tail.size || modified != tail.modified;
        tail.named = true;
        if tail.path != path {
            tracing::info!("{} is called {} now", tail.path.display(), path.display());
            tail.path = path;
        }
        if !changed {
            return Ok(());
        }
        let Ok(file) = File::open(&tail.path) else { return Ok(()) };
        if tail.is_same(&file).unwrap_or(true) {
            (tail.size, tail.modified) = (facts.len(), modified);
            if !tail.is_open() {
                tail.reopen(file);
            }
            return Ok(());
        }
        tracing::info!("{} was emptied and is read from its beginning", tail.path.display());
        let path = tail.path.clone();
        self.tails.remove(at);
        self.add(path, file, 0, group);
        if let Some(tail) = self.tails.last_mut() {
            // After a kill the old position would be taken for one of the new contents.
            let position = tail.reached(false);
            self.positions.note(&[position]).map_err(|error| self.cannot_keep(&error))?;
        }
        Ok(())
    }

    fn begin(&mut self, path: PathBuf, group: usize) {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                self.output.counters.read_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(source = self.settings.name, "{} cannot be read: {error}", path.display());
                return;
            }
        };
        let length = file.metadata().map_or(0, |facts| facts.len());
        let known = self.positions.find(&file).map(|position| position.offset);
        let position = known
            .or_else(|| self.position_of_flume(&path, &file))
            .filter(|position| *position <= length)
            .unwrap_or(if self.settings.skip_to_end { length } else { 0 });
        self.add(path, file, position, group);
    }

    fn position_of_flume(&self, path: &Path, file: &File) -> Option<u64> {
        let inode = file.metadata().ok()?.ino();
        let path = path.to_string_lossy();
        self.of_flume.iter().find(|entry| entry.inode == inode && entry.file == path).map(|entry| entry.pos)
    }

    fn add(&mut self, path: PathBuf, file: File, position: u64, group: usize) {
        let headers = self.settings.groups.get(group).map(|group| group.headers.clone()).unwrap_or_default();
        let name = path.display().to_string();
        match Tail::new(self.next_number, path, file, position, headers) {
            Ok(tail) => {
                tracing::info!(source = self.settings.name, "{name}: reading from byte {position}");
                self.next_number += 1;
                self.tails.push(tail);
                self.unwritten = true;
            }
            Err(error) => tracing::error!(source = self.settings.name, "{name} cannot be read: {error}"),
        }
    }

    /// A turn for each file; whether there was anything.
    fn read_round(&mut self) -> Result<bool, Stopped> {
        let mut any = false;
        for at in 0..self.tails.len() {
            let mut batches = 0;
            while batches < self.settings.batches
                && self.marks.len() < MOST_UNDER_WAY
                && !self.signal.stopping()
                && self.read_one(at, false)?
            {
                any = true;
                batches += 1;
            }
        }
        Ok(any)
    }

    /// A batch of one file, if there is one.
    fn read_one(&mut self, at: usize, take_unended: bool) -> Result<bool, Stopped> {
        let tail = &mut self.tails[at];
        if !tail.is_open() {
            return Ok(false);
        }
        let mut events = match tail.next_batch(&self.settings.reading, take_unended) {
            Ok(events) => events,
            Err(error) => {
                self.output.counters.read_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!("{} cannot be read on: {error}", tail.path.display());
                tail.close();
                return Ok(false);
            }
        };
        if events.is_empty() {
            return Ok(false);
        }
        tail.active = Instant::now();
        tail.under_way += 1;
        self.marks.push_back(Mark { tail: tail.number, position: tail.position() });
        let receipt = self.ledger.open(events.len());
        for event in &mut events {
            event.receipt = receipt.clone();
        }
        self.output.put(events)?;
        Ok(true)
    }

    /// With `once` nothing more will come: lines without an end are complete. Whether there was one.
    fn take_last_lines(&mut self) -> Result<bool, SourceError> {
        let mut any = false;
        for at in 0..self.tails.len() {
            any |= self.read_one(at, true).unwrap_or(false);
        }
        self.settle()?;
        Ok(any)
    }

    /// Takes the last line of files that have been left alone, and closes them if many are open; forgets those that
    /// are gone.
    fn close_idle(&mut self) -> Result<(), SourceError> {
        let mut open = self.tails.iter().filter(|tail| tail.is_open()).count();
        let mut at = 0;
        while at < self.tails.len() {
            let tail = &self.tails[at];
            if tail.active.elapsed() < self.settings.idle_timeout || tail.under_way > 0 {
                at += 1;
                continue;
            }
            if tail.is_open() && tail.has_unended() && self.read_one(at, true).unwrap_or(false) {
                at += 1;
                continue;
            }
            let tail = &mut self.tails[at];
            if tail.named {
                if tail.is_open() && open > self.most_open {
                    tail.close();
                    open -= 1;
                }
                at += 1;
                continue;
            }
            tracing::info!("{} has been read to its end and was moved away", tail.path.display());
            self.tails.remove(at);
            self.unwritten = true;
        }
        Ok(())
    }

    /// Notes what has arrived.
    fn settle(&mut self) -> Result<(), SourceError> {
        let completed = self.ledger.completed();
        let mut moved: Vec<u64> = Vec::new();
        while self.settled < completed {
            self.settled += 1;
            let Some(mark) = self.marks.pop_front() else { break };
            // None: the file was emptied meanwhile.
            let Some(tail) = self.tails.iter_mut().find(|tail| tail.number == mark.tail) else { continue };
            tail.under_way -= 1;
            tail.arrived = mark.position;
            if !moved.contains(&mark.tail) {
                moved.push(mark.tail);
            }
        }
        let noted: Vec<_> = self
            .tails
            .iter_mut()
            .filter(|tail| moved.contains(&tail.number))
            .map(|tail| tail.reached(false))
            .collect();
        if !noted.is_empty() {
            self.unwritten = true;
            self.positions.note(&noted).map_err(|error| self.cannot_keep(&error))?;
        }
        Ok(())
    }

    fn write_for_flume(&mut self, now: bool) {
        if !self.unwritten || !(now || self.written.elapsed() >= self.settings.write_interval) {
            return;
        }
        let entry = |tail: &Tail| Entry {
            inode: tail.identity.inode,
            pos: tail.arrived,
            file: tail.path.to_string_lossy().into_owned(),
        };
        let entries: Vec<Entry> = self.tails.iter().filter(|tail| tail.named).map(entry).collect();
        let file = &self.settings.position_file;
        if let Err(error) = position_json::write(file, &entries) {
            tracing::warn!(source = self.settings.name, "{} cannot be written: {error}", file.display());
        }
        self.unwritten = false;
        self.written = Instant::now();
    }

    fn cannot_keep(&self, error: &io::Error) -> SourceError {
        let file = self.settings.position_file.display();
        SourceError::new(&self.settings.name, format!("cannot keep positions beside {file}: {error}"))
    }
}

#[cfg(test)]
mod tests;
