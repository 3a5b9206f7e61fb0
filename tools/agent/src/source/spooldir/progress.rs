//! What is shown of a spooling directory: the files being read, those waiting and those done.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use parking_lot::Mutex;

/// A source's progress, written by its thread and read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    files: Vec<FileProgress>,
    waiting_files: usize,
    waiting_bytes: u64,
    totals: Totals,
}

/// One file being read or arriving.
#[derive(Debug, Clone)]
pub struct FileProgress {
    /// The source's number for it.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// How far it has been read; in a compressed file this is in bytes of the text.
    pub offset: u64,
    /// Where reading began in this run.
    pub from: u64,
    /// Events so far.
    pub events: u64,
    /// When it was picked up.
    pub since: Instant,
}

/// What a source has done in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files finished.
    pub finished: u64,
    /// Files set aside.
    pub failed: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Events of files that are done.
    pub events: u64,
}

impl Progress {
    pub(super) fn begin(&self, number: u64, path: &Path, size: u64, offset: u64) {
        let mut state = self.state.lock();
        state.waiting_files = state.waiting_files.saturating_sub(1);
        state.waiting_bytes = state.waiting_bytes.saturating_sub(size);
        let since = Instant::now();
        let path = path.to_owned();
        state.files.push(FileProgress { number, path, size, offset, from: offset, events: 0, since });
    }

    pub(super) fn read(&self, number: u64, offset: u64, events: u64) {
        let mut state = self.state.lock();
        let Some(file) = state.files.iter_mut().find(|file| file.number == number) else { return };
        let more = offset - file.offset;
        (file.offset, file.events) = (offset, events);
        state.totals.bytes += more;
    }

    pub(super) fn finished(&self, number: u64, well: bool) {
        let mut state = self.state.lock();
        if let Some(at) = state.files.iter().position(|file| file.number == number) {
            state.totals.events += state.files.remove(at).events;
        }
        if well {
            state.totals.finished += 1;
        } else {
            state.totals.failed += 1;
        }
    }

    pub(super) fn rejected(&self) {
        self.state.lock().totals.failed += 1;
    }

    pub(super) fn waiting(&self, sizes: impl Iterator<Item = u64>) {
        let (files, bytes) = sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size));
        let mut state = self.state.lock();
        (state.waiting_files, state.waiting_bytes) = (files, bytes);
    }

    /// The files being read or arriving.
    #[must_use]
    pub fn files(&self) -> Vec<FileProgress> {
        self.state.lock().files.clone()
    }

    /// How many files wait to be read, and how many bytes they have.
    #[must_use]
    pub fn lag(&self) -> (usize, u64) {
        let state = self.state.lock();
        (state.waiting_files, state.waiting_bytes)
    }

    /// What has been done in this run.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.state.lock().totals
    }
}
