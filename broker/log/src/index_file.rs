//! What both sparse indexes share: a file of entries of one size, mapped for writing while its segment is
//! active and for reading, on first use, once it is sealed.
//!
//! A live index file is longer than its entries (it is allocated ahead, in doubling steps, so that a full
//! disk shows as an error); behind them it is zero. Sealing cuts it to its entries, as Kafka does. The files
//! carry no checksum: they can be made anew from the `.log` file, and readers check where an entry leads
//! them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, IndexMap, OpenMode};
use crate::error::LogError;

/// First allocation of a live index.
const FIRST_ALLOCATION_BYTES: u64 = 4096;

/// Entries of `N` bytes. Not synchronised: the index around it holds it in a lock.
#[derive(Debug)]
pub(crate) struct IndexFile<const N: usize> {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing is open.
    Closed,
    /// Sealed, or not yet written since the start; all bytes are entries.
    Read(Bytes),
    /// The active segment's; only the first `entries` count.
    Write { map: Box<dyn IndexMap>, entries: usize },
}

impl<const N: usize> IndexFile<N> {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path, state: State::Closed }
    }

    /// The file has been renamed.
    pub(crate) fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Whether entries can be read without opening anything.
    pub(crate) fn is_loaded(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Opens for reading unless something is open. A missing file reads as empty. `sound` judges the entries
    /// (zero tail already cut off); if it refuses, or the size is odd, the result is `false` and nothing is
    /// kept.
    pub(crate) fn load(
        &mut self,
        is_zero: fn(&[u8; N]) -> bool,
        sound: impl FnOnce(&[[u8; N]]) -> bool,
    ) -> Result<bool, LogError> {
        let bytes = match self.disk.open(&self.path, OpenMode::Read) {
            Ok(file) => {
                let len = file.len().map_err(LogError::io("size", &self.path))?;
                file.map(0..len).map_err(LogError::io("map", &self.path))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
            Err(error) => return Err(LogError::io("open", &self.path)(error)),
        };
        let (entries, rest) = bytes.as_chunks::<N>();
        // A file that was live when the process was killed ends in zeros.
        let filled = entries.partition_point(|entry| !is_zero(entry));
        let filled_entries = entries.get(..filled).unwrap_or_default();
        if !rest.is_empty() || !sound(filled_entries) {
            return Ok(false);
        }
        self.state = State::Read(bytes.slice(..filled * N));
        Ok(true)
    }

    /// Uses entries made in memory instead of the file's.
    pub(crate) fn load_rebuilt(&mut self, entries: Vec<u8>) {
        self.state = State::Read(entries.into());
    }

    /// The entries; empty while nothing is open.
    pub(crate) fn entries(&self) -> &[[u8; N]] {
        let (bytes, count) = match &self.state {
            State::Closed => (&[][..], 0),
            State::Read(bytes) => (&bytes[..], bytes.len() / N),
            State::Write { map, entries } => (map.bytes(), *entries),
        };
        bytes.as_chunks::<N>().0.get(..count).unwrap_or_default()
    }

    /// Opens for writing behind the entries there are, with room for more; [`load`](Self::load) comes first.
    /// On an error everything is as it was.
    fn open_for_writing(&mut self, room_for: usize) -> Result<(), LogError> {
        let entries = self.entries().len();
        let needed = ((entries + room_for) * N) as u64;
        if matches!(&self.state, State::Write { map, .. } if map.bytes().len() as u64 >= needed) {
            return Ok(());
        }
        let allocation = needed.next_power_of_two().max(FIRST_ALLOCATION_BYTES);
        let file = self.disk.open(&self.path, OpenMode::Create).map_err(LogError::io("open", &self.path))?;
        if !matches!(self.state, State::Write { .. }) {
            // A mapped file must not be cut, so the entries are kept in memory of our own.
            self.state = State::Read(Bytes::copy_from_slice(self.entries().as_flattened()));
            // Whatever follows the entries (a zero tail, a stock broker's allocation) goes.
            file.truncate((entries * N) as u64).map_err(LogError::io("cut", &self.path))?;
        }
        let mut map = file.map_index(allocation).map_err(LogError::io("allocate", &self.path))?;
        let kept = self.entries().as_flattened();
        if map.bytes().get(..kept.len()) != Some(kept) {
            map.write(0, kept).map_err(LogError::io("write", &self.path))?;
        }
        self.state = State::Write { map, entries };
        Ok(())
    }

    /// Appends an entry.
    pub(crate) fn append(&mut self, entry: &[u8; N]) -> Result<(), LogError> {
        self.open_for_writing(1)?;
        if let State::Write { map, entries } = &mut self.state {
            map.write(*entries * N, entry).map_err(LogError::io("write", &self.path))?;
            *entries += 1;
        }
        Ok(())
    }

    /// Keeps the first `keep` entries and zeroes the others.
    pub(crate) fn truncate(&mut self, keep: usize) -> Result<(), LogError> {
        if keep >= self.entries().len() {
            return Ok(());
        }
        self.open_for_writing(0)?;
        if let State::Write { map, entries } = &mut self.state {
            let zeros = vec![0; (*entries - keep) * N];
            map.write(keep * N, &zeros).map_err(LogError::io("write", &self.path))?;
            *entries = keep;
        }
        Ok(())
    }

    /// Cuts a live file to its entries and closes it. Makes the file if there is none: a stock broker misses
    /// it.
    pub(crate) fn seal(&mut self) -> Result<(), LogError> {
        let entries = self.entries().len();
        let file = self.disk.open(&self.path, OpenMode::Create).map_err(LogError::io("open", &self.path))?;
        if matches!(self.state, State::Write { .. }) {
            // Unmapped first: then nobody touches the part that is cut off.
            self.state = State::Closed;
            file.truncate((entries * N) as u64).map_err(LogError::io("cut", &self.path))?;
        }
        Ok(())
    }

    /// Closes what was opened for reading.
    pub(crate) fn release(&mut self) {
        if matches!(self.state, State::Read(_)) {
            self.state = State::Closed;
        }
    }

    /// Replaces the file's contents and closes it.
    pub(crate) fn rewrite(&mut self, entries: &[u8]) -> Result<(), LogError> {
        self.state = State::Closed;
        let file =
            self.disk.open(&self.path, OpenMode::Truncate).map_err(LogError::io("open", &self.path))?;
        file.pwritev(&[io::IoSlice::new(entries)], 0).map_err(LogError::io("write", &self.path))
    }

    /// Removes all entries, making no file where there is none, and closes it.
    pub(crate) fn clear(&mut self) -> Result<(), LogError> {
        self.state = State::Closed;
        match self.disk.open(&self.path, OpenMode::ReadWrite) {
            Ok(file) => file.truncate(0).map_err(LogError::io("cut", &self.path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LogError::io("open", &self.path)(error)),
        }
    }
}
