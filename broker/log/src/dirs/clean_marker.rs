//! `.kafka_cleanshutdown`: the last stop was orderly, so nothing is scanned at this start.
//!
//! The file is Apache Kafka's, its contents too. It goes, durably, before the first log is opened, not
//! earlier: a start that is refused (a wrong cluster id, a port that is taken) has written nothing and must
//! not cost a recovery of all logs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::checkpoint::write_atomically;
use crate::disk::Disk;
use crate::error::LogError;

const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const CONTENTS: &[u8] = b"{\"version\":0,\"brokerEpoch\":-1}";

/// The marker of one log directory.
#[derive(Debug)]
pub(super) struct CleanMarker {
    path: PathBuf,
    /// What was found at the start.
    was_there: bool,
    is_there: Mutex<bool>,
}

impl CleanMarker {
    /// Looks for it.
    pub(super) fn find(disk: &dyn Disk, dir: &Path) -> Self {
        let path = dir.join(CLEAN_SHUTDOWN);
        let was_there = disk.stat(&path).is_ok();
        Self { path, was_there, is_there: Mutex::new(was_there) }
    }

    /// That of a directory that cannot be read.
    pub(super) fn none(dir: &Path) -> Self {
        Self { path: dir.join(CLEAN_SHUTDOWN), was_there: false, is_there: Mutex::new(false) }
    }

    /// Whether the last stop was orderly.
    pub(super) fn was_there(&self) -> bool {
        self.was_there
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
    pub(super) fn leave(&self, disk: &dyn Disk) -> Result<(), LogError> {
        write_atomically(disk, &self.path, CONTENTS)
    }
}
