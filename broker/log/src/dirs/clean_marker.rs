//! `.kafka_cleanshutdown`: the last stop was orderly, so nothing is scanned at this start.
//!
//! The file is Apache Kafka's, its contents too. It goes, durably, before the first log is opened, not
//! earlier: a start that is refused (a wrong cluster id, a port that is taken) has written nothing and must
//! not cost a recovery of all logs.
//!
//! It names the epoch of the registration that ended with that stop (KIP-966): told at the next registration, it
//! says that nothing was lost in between.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::checkpoint::write_atomically;
use crate::disk::{Disk, read_file};
use crate::error::LogError;

const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// The largest marker that is read.
const BYTES_MAX: u64 = 4096;
/// The epoch where none is known.
pub(super) const NO_EPOCH: i64 = -1;

/// The marker of one log directory.
#[derive(Debug)]
pub(super) struct CleanMarker {
    path: PathBuf,
    /// What was found at the start.
    was_there: bool,
    /// The broker epoch it named.
    epoch: i64,
    is_there: Mutex<bool>,
}

impl CleanMarker {
    /// Looks for it.
    pub(super) fn find(disk: &dyn Disk, dir: &Path) -> Self {
        let path = dir.join(CLEAN_SHUTDOWN);
        let was_there = disk.stat(&path).is_ok();
        let contents = was_there.then(|| read_file(disk, &path, BYTES_MAX).ok()).flatten();
        let epoch = contents.and_then(|contents| broker_epoch(&contents)).unwrap_or(NO_EPOCH);
        Self { path, was_there, epoch, is_there: Mutex::new(was_there) }
    }

    /// That of a directory that cannot be read.
    pub(super) fn none(dir: &Path) -> Self {
        let path = dir.join(CLEAN_SHUTDOWN);
        Self { path, was_there: false, epoch: NO_EPOCH, is_there: Mutex::new(false) }
    }

    /// Whether the last stop was orderly.
    pub(super) fn was_there(&self) -> bool {
        self.was_there
    }

    /// The epoch of the registration that ended with the last stop; [`NO_EPOCH`] if that was not orderly, or the
    /// marker is older than such epochs.
    pub(super) fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Takes it away before something is written; whoever comes second waits until it is gone.
    pub(super) fn remove(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let mut is_there = self.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_there {
            disk.remove_file(&self.path).map_err(LogError::io("remove", &self.path))?;
            let dir = self.path.parent().unwrap_or(&self.path);
            disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
            *is_there = false;
        }
        Ok(())
    }

    /// Leaves it.
    pub(super) fn leave(&self, disk: &dyn Disk, broker_epoch: i64) -> Result<(), LogError> {
        let contents = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        write_atomically(disk, &self.path, contents.as_bytes())
    }
}

/// The epoch in a marker's contents, which is one flat JSON object.
fn broker_epoch(contents: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(contents).ok()?;
    let (_, value) = text.split_once("\"brokerEpoch\"")?;
    let value = value.trim_start().strip_prefix(':')?.trim_start();
    let end = value.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::broker_epoch;

    #[test]
    fn epochs_of_markers() {
        for (text, expected) in [
            ("{\"version\":0,\"brokerEpoch\":17}", Some(17)),
            ("{\"brokerEpoch\" : -1 , \"version\": 0}", Some(-1)),
            ("", None),
            ("{\"version\":0}", None),
            ("{\"brokerEpoch\":\"x\"}", None),
        ] {
            assert_eq!(broker_epoch(text.as_bytes()), expected, "{text}");
        }
    }
}
