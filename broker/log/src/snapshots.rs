//! Which `.snapshot` files a partition has, and writing and reading them.
//!
//! One is written at each roll, named by the new segment's base offset, and one at an orderly close, named by
//! the log end. Recovery and truncation begin with the newest that is not past where they begin and read the
//! batches behind it. A damaged one is removed: an older one and more batches do the same.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, OpenMode, read_file};
use crate::error::LogError;
use crate::files::{FileKind, FileName};
use crate::producer::{ProducerStates, snapshot};

/// Largest snapshot that is believed: about a million producers.
const SNAPSHOT_BYTES_MAX: u64 = 64 << 20;

/// Offsets of the snapshot files in one partition's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshots {
    offsets: BTreeSet<i64>,
}

fn path(dir: &Path, offset: i64) -> PathBuf {
    FileName::live(offset, FileKind::Snapshot).path(dir)
}

impl Snapshots {
    pub(crate) fn new(offsets: impl IntoIterator<Item = i64>) -> Self {
        Self { offsets: offsets.into_iter().collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.offsets.contains(&offset)
    }

    /// Writes the states, named by their end offset. Not synced: a flush does that.
    pub(crate) fn write(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        states: &ProducerStates,
    ) -> Result<(), LogError> {
        let path = path(dir, states.end_offset());
        let file = disk.open(&path, OpenMode::Truncate).map_err(LogError::io("make", &path))?;
        if let Err(error) = file.pwritev(&[IoSlice::new(&states.encode_snapshot())], 0) {
            // Half of it would be taken for damage. Best effort: what is left is dealt with as such.
            let _ = self.remove(disk, dir, states.end_offset());
            return Err(LogError::io("write", &path)(error));
        }
        self.offsets.insert(states.end_offset());
        Ok(())
    }

    /// The states of the newest snapshot at or below `offset` that can be read, or none as of `start` if
    /// there is no such snapshot above it. Snapshots that cannot be read are removed.
    pub(crate) fn load(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        start: i64,
        offset: i64,
        now_ms: i64,
        expiration_ms: i64,
    ) -> Result<ProducerStates, LogError> {
        // One from before the first batch there is does not know what its producers wrote since.
        while let Some(&newest) = self.offsets.range(start.min(offset)..=offset).next_back() {
            let path = path(dir, newest);
            let contents = match read_file(disk, &path, SNAPSHOT_BYTES_MAX) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) =>
                {
                    None
                }
                other => Some(other.map_err(LogError::io("read", &path))?),
            };
            match contents.as_deref().map(snapshot::decode) {
                Some(Ok(entries)) => {
                    return Ok(ProducerStates::from_snapshot(entries, newest, now_ms, expiration_ms));
                }
                Some(Err(error)) => {
                    tracing::warn!(path = %path.display(), %error, "unusable producer snapshot");
                }
                None => tracing::warn!(path = %path.display(), "unreadable producer snapshot"),
            }
            self.remove(disk, dir, newest)?;
        }
        Ok(ProducerStates::new(start))
    }

    fn remove(&mut self, disk: &dyn Disk, dir: &Path, offset: i64) -> Result<(), LogError> {
        let path = path(dir, offset);
        match disk.remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(LogError::io("remove", &path))?,
        }
        self.offsets.remove(&offset);
        Ok(())
    }

    /// Removes the snapshots for which `goes` says so. Returns whether there were any.
    pub(crate) fn remove_if(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        goes: impl Fn(i64) -> bool,
    ) -> Result<bool, LogError> {
        let going: Vec<i64> = self.offsets.iter().copied().filter(|offset| goes(*offset)).collect();
        for offset in &going {
            self.remove(disk, dir, *offset)?;
        }
        Ok(!going.is_empty())
    }

    /// Paths of the snapshots in an offset range, for a flush.
    pub(crate) fn paths(&self, dir: &Path, offsets: std::ops::RangeInclusive<i64>) -> Vec<PathBuf> {
        if offsets.is_empty() {
            return Vec::new();
        }
        self.offsets.range(offsets).map(|offset| path(dir, *offset)).collect()
    }
}
