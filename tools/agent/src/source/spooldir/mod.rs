//! The spooling-directory source: files put into a directory become events, each file once.
//!
//! One thread lists, reads, and hands batches on. A file is *read*, then its batches *arrive* (their receipts come
//! back in the ledger's order), then it is *finished*; the next file is read while earlier ones are arriving.
//! Positions move with arrivals only, so that nothing is lost whatever is killed.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the properties |
//! | [`directory`] | which files there are, and which is next |
//! | [`input`] | compressed files, finding the character set |
//! | [`reading`] | one file's batches |
//! | [`datums`] | Avro container files |
//! | [`finish`] | renaming, deleting, marking, setting aside |
//! | [`progress`] | what is shown of it |

pub mod datums;
pub mod directory;
pub mod finish;
pub mod input;
pub mod progress;
pub mod reading;
pub mod settings;

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::position::{PositionFile, Positions, Reached};
use directory::Candidate;
use finish::Reason;
use progress::Progress;
use reading::{Fate, SpoolFile, Step};
use settings::{Order, Settings};

use super::{
    Output, Signal,
    output::Stopped,
    watch::{SAFETY_NET, watch},
};
use crate::{
    plan::Component,
    receipt::Ledger,
    text::{DecodeErrorPolicy, LineError},
};

/// The most files that have been read and wait for their batches to arrive, or to be left alone for a moment.
const MOST_ARRIVING: usize = 512;
/// How long a stopping source waits for what is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a source cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The directory cannot be used.
    #[error("source {source_name}: spoolDir {}: {reason}", .directory.display())]
    Directory {
        /// The source.
        source_name: String,
        /// The directory.
        directory: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Positions cannot be kept.
    #[error("source {source_name}: cannot keep positions in {}: {error}", .tracker.display())]
    Positions {
        /// The source.
        source_name: String,
        /// The directory for them.
        tracker: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A bad file, with `errorPolicy = halt`.
    #[error("source {source_name} stops (errorPolicy = halt): {}: {reason}", .file.display())]
    Halted {
        /// The source.
        source_name: String,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A batch under way: which file it is of and how far the file has arrived with it.
struct Mark {
    file: u64,
    reached: Reached,
}

/// A file that was picked up.
struct Begun {
    number: u64,
    file: SpoolFile,
    /// Batches that have not arrived.
    under_way: usize,
    /// Read to its end, or as far as it goes.
    read: bool,
    /// Why it is to be set aside once all before has arrived.
    bad: Option<String>,
    /// Where its events have arrived.
    arrived: Reached,
}

/// One source. Runs on a thread of its own.
pub struct SpoolSource {
    settings: Settings,
    output: Output,
    signal: Arc<Signal>,
    positions: Box<dyn Positions>,
    ledger: Ledger,
    settled: u64,
    marks: VecDeque<Mark>,
    begun: VecDeque<Begun>,
    listing: VecDeque<Candidate>,
    next_number: u64,
    /// Files that could not be set aside: not tried again until they change.
    avoided: Vec<Candidate>,
    progress: Arc<Progress>,
    /// Ends when every file there is has been finished.
    once: bool,
    watching: bool,
}

impl SpoolSource {
    /// Checks the directory as Flume does, and opens what is kept in it.
    ///
    /// # Errors
    /// The directory is not there, or cannot be written in where the settings need that.
    pub fn open(
        source: &Component,
        output: Output,
        signal: Arc<Signal>,
        progress: Arc<Progress>,
        once: bool,
    ) -> Result<SpoolSource, SpoolError> {
        let settings = Settings::new(source);
        probe(&settings)?;
        let positions = PositionFile::open(&settings.tracker).map_err(|error| SpoolError::Positions {
            source_name: settings.name.clone(),
            tracker: settings.tracker.clone(),
            error,
        })?;
        let waker = signal.clone();
        Ok(SpoolSource {
            output,
            positions: Box::new(positions),
            ledger: Ledger::new(move || waker.raise()),
            signal,
            settled: 0,
            marks: VecDeque::new(),
            begun: VecDeque::new(),
            listing: VecDeque::new(),
            next_number: 0,
            avoided: Vec::new(),
            progress,
            once,
            watching: false,
            settings,
        })
    }

    /// Reads until it is to stop, or, with `once`, until everything has arrived.
    ///
    /// # Errors
    /// Positions cannot be kept, or a file is bad and the settings say to stop then.
    pub fn run(mut self) -> Result<(), SpoolError> {
        let directory = std::slice::from_ref(&self.settings.directory);
        let recursive = self.settings.choice.recursive;
        let watcher = watch(&self.settings.name, directory, recursive, &self.signal);
        self.watching = watcher.is_some();
        while !self.signal.stopping() {
            self.settle()?;
            match self.read_some() {
                Ok(Turn::Busy) => {}
                Ok(Turn::Idle(wait)) => {
                    if self.once && self.begun.is_empty() && self.listing.is_empty() {
                        break;
                    }
                    // A file that is complete but for a moment's rest is finished soon, without anybody's notice.
                    let wait =
                        if self.begun.is_empty() { wait } else { wait.min(Duration::from_millis(100)) };
                    self.signal.wait(Instant::now() + wait);
                }
                Err(Stopped) => break,
            }
        }
        self.drain()
    }

    /// Waits for what is under way, so that a restart repeats as little as possible.
    fn drain(&mut self) -> Result<(), SpoolError> {
        let deadline = Instant::now() + PATIENCE;
        // First what has arrived already: nobody would wake this thread for it.
        self.settle()?;
        while self.begun.iter().any(|begun| begun.under_way > 0) && Instant::now() < deadline {
            self.signal.wait(deadline);
            self.settle()?;
        }
        self.positions.sync().map_err(|error| self.cannot_keep(error))
    }

    /// One batch, or the next file, or nothing to do for a while.
    fn read_some(&mut self) -> Result<Turn, Stopped> {
        let Some(at) = self.begun.iter().position(|begun| !begun.read) else {
            return Ok(self.pick_up());
        };
        let now = SystemTime::now();
        let begun = &mut self.begun[at];
        match begun.file.step(now) {
            Ok(Step::Events(events, offset)) => {
                begun.under_way += 1;
                let (number, reached) = (begun.number, begun.file.reached());
                debug_assert!(
                    events.is_empty() || reached.offset == offset,
                    "the position behind the events"
                );
                self.progress.read(number, offset, reached.events);
                self.hand_on(number, reached, events)?;
                Ok(Turn::Busy)
            }
            Ok(Step::End) => {
                begun.read = true;
                Ok(Turn::Busy)
            }
            Ok(Step::Unended(wait)) => {
                begun.file.refresh();
                Ok(Turn::Idle(wait.clamp(Duration::from_millis(10), Duration::from_secs(1))))
            }
            // A compressed file that is still being copied looks broken: begin again where it stands.
            Err(LineError::Read { .. }) if begun.file.is_fresh(now) => {
                self.reopen(at);
                Ok(Turn::Idle(Duration::from_millis(200)))
            }
            Err(error) => {
                begun.read = true;
                begun.bad = Some(error.to_string());
                Ok(Turn::Busy)
            }
        }
    }

    fn hand_on(
        &mut self,
        file: u64,
        reached: Reached,
        mut events: Vec<crate::event::Event>,
    ) -> Result<(), Stopped> {
        let receipt = self.ledger.open(events.len());
        self.marks.push_back(Mark { file, reached });
        if events.is_empty() {
            return Ok(());
        }
        for event in &mut events {
            event.receipt = receipt.clone();
        }
        self.output.put(events)
    }

    fn reopen(&mut self, at: usize) {
        let begun = &mut self.begun[at];
        let position = begun.file.arrived_at(begun.file.reached(), false);
        let again = File::open(&begun.file.path)
            .and_then(|file| SpoolFile::open(&begun.file.path, file, Some(&position), &self.settings));
        match again {
            Ok(file) => begun.file = file,
            Err(error) => {
                begun.read = true;
                begun.bad = Some(format!("it cannot be read on: {error}"));
            }
        }
    }

    /// Picks up the next file.
    fn pick_up(&mut self) -> Turn {
        let idle =
            if self.watching { SAFETY_NET.max(self.settings.poll_delay) } else { self.settings.poll_delay };
        if self.begun.len() >= MOST_ARRIVING {
            return Turn::Idle(idle);
        }
        // The youngest may have changed since; the oldest has not, whatever has come.
        if self.listing.is_empty() || self.settings.choice.order == Order::Youngest {
            self.list();
        }
        let Some(candidate) = self.listing.pop_front() else { return Turn::Idle(idle) };
        let opened = File::open(&candidate.path).and_then(|file| {
            let position = self.positions.find(&file);
            SpoolFile::open(&candidate.path, file, position.as_ref(), &self.settings)
        });
        match opened {
            Ok(file) => self.begin(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(
                    source = self.settings.name,
                    "{} has vanished before it was read",
                    candidate.path.display()
                );
            }
            Err(error) => self.reject(&candidate, &format!("it cannot be opened: {error}")),
        }
        Turn::Busy
    }

    fn begin(&mut self, file: SpoolFile) {
        let number = self.next_number;
        self.next_number += 1;
        let arrived = file.reached();
        let offset = arrived.offset;
        if offset > 0 {
            tracing::info!(source = self.settings.name, "{}: going on at byte {offset}", file.path.display());
        }
        self.progress.begin(number, &file.path, file.size, offset);
        self.begun.push_back(Begun { number, file, under_way: 0, read: false, bad: None, arrived });
    }

    fn list(&mut self) {
        let settings = &self.settings;
        match directory::list(&settings.directory, &settings.choice, |path| finish::is_marked(settings, path))
        {
            Ok(found) => {
                let begun = &self.begun;
                let known = |file: &Candidate| begun.iter().any(|other| other.file.path == file.path);
                let avoided = &self.avoided;
                self.listing =
                    found.into_iter().filter(|file| !known(file) && !avoided.contains(file)).collect();
            }
            Err(error) => {
                tracing::error!(
                    source = settings.name,
                    "cannot read {}: {error}",
                    settings.directory.display()
                );
            }
        }
        self.progress.waiting(self.listing.iter().map(|file| file.size));
    }

    /// Notes what has arrived, and does with files that have arrived whole what is to be done.
    fn settle(&mut self) -> Result<(), SpoolError> {
        let completed = self.ledger.completed();
        let mut moved: Vec<u64> = Vec::new();
        while self.settled < completed {
            self.settled += 1;
            let Some(mark) = self.marks.pop_front() else { break };
            if let Some(begun) = self.begun.iter_mut().find(|begun| begun.number == mark.file) {
                begun.under_way -= 1;
                begun.arrived = mark.reached;
                if !moved.contains(&mark.file) {
                    moved.push(mark.file);
                }
            }
        }
        let noted: Vec<_> = self
            .begun
            .iter()
            .filter(|begun| moved.contains(&begun.number))
            .map(|begun| begun.file.arrived_at(begun.arrived, false))
            .collect();
        if !noted.is_empty() {
            self.positions.note(&noted).map_err(|error| self.cannot_keep(error))?;
        }
        self.finish_arrived()
    }

    fn finish_arrived(&mut self) -> Result<(), SpoolError> {
        let now = SystemTime::now();
        let mut at = 0;
        while at < self.begun.len() {
            if !self.begun[at].read || self.begun[at].under_way > 0 {
                at += 1;
                continue;
            }
            let begun = &mut self.begun[at];
            let fate = if begun.bad.is_some() { Fate::Unchanged } else { begun.file.look(now) };
            match (begun.bad.take(), fate) {
                (None, Fate::Grown) => {
                    begun.read = false;
                    begun.file.read_on();
                    at += 1;
                    continue;
                }
                (None, Fate::Fresh) => at += 1,
                (Some(reason), _) | (None, Fate::Rewritten(reason)) => self.end_badly(at, &reason)?,
                (None, Fate::Unchanged) => self.end_well(at)?,
                (None, Fate::Gone) => {
                    let path = self.begun[at].file.path.display().to_string();
                    tracing::warn!(
                        source = self.settings.name,
                        "{path} was taken away while it was read; all read of it has arrived"
                    );
                    self.forget(at)?;
                }
            }
        }
        Ok(())
    }

    fn end_well(&mut self, at: usize) -> Result<(), SpoolError> {
        let file = &self.begun[at].file;
        match finish::finish(&self.settings, &file.path) {
            Ok(renamed) => {
                let to = renamed.map(|path| format!(" -> {}", path.display())).unwrap_or_default();
                tracing::info!(
                    source = self.settings.name,
                    "{}{to}: {} events",
                    file.path.display(),
                    file.events
                );
                self.progress.finished(self.begun[at].number, true);
                self.forget(at)
            }
            Err(error) => {
                // Its position stays known: nothing of it is read again when this is put right.
                let text = format!("all of it has arrived, but it cannot be finished: {error}");
                self.avoid(&file.path.clone(), &text);
                self.progress.finished(self.begun[at].number, false);
                self.begun.remove(at);
                Ok(())
            }
        }
    }

    fn end_badly(&mut self, at: usize, reason: &str) -> Result<(), SpoolError> {
        let begun = &self.begun[at];
        let path = begun.file.path.clone();
        self.output.counters.read_failures.fetch_add(1, Ordering::Relaxed);
        self.progress.finished(begun.number, false);
        if self.settings.halt_on_error {
            let source_name = self.settings.name.clone();
            return Err(SpoolError::Halted { source_name, file: path, reason: reason.to_owned() });
        }
        let Reached { offset, events, .. } = begun.arrived;
        self.set_aside(&path, reason, offset, events);
        self.forget(at)
    }

    /// A file that could not even be opened.
    fn reject(&mut self, candidate: &Candidate, reason: &str) {
        self.output.counters.read_failures.fetch_add(1, Ordering::Relaxed);
        self.progress.rejected();
        self.set_aside(&candidate.path, reason, 0, 0);
    }

    fn set_aside(&mut self, path: &Path, reason: &str, sent_up_to: u64, events_sent: u64) {
        let policy = match self.settings.reading.policy {
            DecodeErrorPolicy::Fail => "FAIL",
            DecodeErrorPolicy::Replace => "REPLACE",
            DecodeErrorPolicy::Ignore => "IGNORE",
        };
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let file = path.display().to_string();
        let why = Reason { file, reason: reason.to_owned(), policy, sent_up_to, events_sent, time_ms };
        match finish::set_aside(path, &why) {
            Ok(aside) => tracing::error!(
                source = self.settings.name,
                "{}: {reason}; {events_sent} events of it were sent; it lies in {} now",
                path.display(),
                aside.display()
            ),
            Err(error) => self.avoid(path, &format!("{reason}; it cannot be set aside either: {error}")),
        }
    }

    /// Leaves a file alone until it changes.
    fn avoid(&mut self, path: &Path, reason: &str) {
        tracing::error!(
            source = self.settings.name,
            "{}: {reason}; it is left alone until it changes",
            path.display()
        );
        if let Ok(facts) = fs::metadata(path) {
            let modified = facts.modified().unwrap_or(UNIX_EPOCH);
            self.avoided.push(Candidate { path: path.to_owned(), modified, size: facts.len() });
        }
    }

    /// Drops a file and its position.
    fn forget(&mut self, at: usize) -> Result<(), SpoolError> {
        if let Some(begun) = self.begun.remove(at) {
            self.positions
                .note(&[begun.file.arrived_at(begun.arrived, true)])
                .map_err(|error| self.cannot_keep(error))?;
        }
        Ok(())
    }

    fn cannot_keep(&self, error: io::Error) -> SpoolError {
        SpoolError::Positions {
            source_name: self.settings.name.clone(),
            tracker: self.settings.tracker.clone(),
            error,
        }
    }
}

/// What a turn of the loop came to.
enum Turn {
    Busy,
    /// Nothing to do until something happens or this much time has passed.
    Idle(Duration),
}

/// As Flume: the directory must be there, and writable unless files in it are left alone.
fn probe(settings: &Settings) -> Result<(), SpoolError> {
    let unusable = |reason: String| SpoolError::Directory {
        source_name: settings.name.clone(),
        directory: settings.directory.clone(),
        reason,
    };
    match fs::metadata(&settings.directory) {
        Ok(facts) if facts.is_dir() => {}
        Ok(_) => return Err(unusable("it is no directory".to_owned())),
        Err(error) => return Err(unusable(format!("{error}; make it, or correct the path"))),
    }
    fs::read_dir(&settings.directory).map_err(|error| unusable(format!("it cannot be read: {error}")))?;
    if settings.finish == settings::Finish::Mark {
        return Ok(());
    }
    tempfile::Builder::new()
        .prefix("flume-spooldir-perm-check-")
        .suffix(".canary")
        .tempfile_in(&settings.directory)
        .map(drop)
        .map_err(|error| {
            unusable(format!("files cannot be made in it ({error}); give write permission, or set trackingPolicy = tracker_dir"))
        })
}

#[cfg(test)]
mod tests;
