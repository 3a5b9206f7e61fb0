//! The offset checkpoints of one log directory, kept in memory as they were last written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::checkpoint::{
    CLEANER_CHECKPOINT, HIGH_WATERMARK_CHECKPOINT, LOG_START_CHECKPOINT, Offsets, RECOVERY_POINT_CHECKPOINT,
    read_offsets, write_offsets,
};
use crate::disk::Disk;
use crate::error::LogError;
use crate::partition_name::TopicPartition;

/// Which checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checkpoint {
    /// Everything below it is durable.
    RecoveryPoint,
    /// Log start offsets.
    LogStart,
    /// High watermarks.
    HighWatermark,
    /// Up to where the cleaner has been.
    Cleaner,
}

impl Checkpoint {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RecoveryPoint, Self::LogStart, Self::HighWatermark, Self::Cleaner];

    /// Name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => RECOVERY_POINT_CHECKPOINT,
            Self::LogStart => LOG_START_CHECKPOINT,
            Self::HighWatermark => HIGH_WATERMARK_CHECKPOINT,
            Self::Cleaner => CLEANER_CHECKPOINT,
        }
    }
}

/// Checkpoints of one directory. One lock; it is held while a file is written, so that files are written in
/// order.
#[derive(Debug)]
pub(super) struct Checkpoints {
    dir: PathBuf,
    offsets: Mutex<BTreeMap<Checkpoint, Offsets>>,
}

impl Checkpoints {
    /// Reads what there is. An unreadable checkpoint is as good as none: more is then scanned, or found out
    /// anew.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, LogError> {
        let mut offsets = BTreeMap::new();
        for checkpoint in Checkpoint::ALL {
            let read = match read_offsets(disk, &dir.join(checkpoint.file_name())) {
                Err(error @ LogError::Corrupt { .. }) => {
                    tracing::error!(%error, "checkpoint is not used");
                    Offsets::new()
                }
                other => other?,
            };
            offsets.insert(checkpoint, read);
        }
        Ok(Self { dir: dir.to_path_buf(), offsets: Mutex::new(offsets) })
    }

    /// Those of a directory that cannot be read.
    pub(super) fn none(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), offsets: Mutex::default() }
    }

    /// Removes a partition from all of them.
    pub(super) fn forget(&self, disk: &dyn Disk, partition: &TopicPartition) -> Result<(), LogError> {
        for checkpoint in Checkpoint::ALL {
            self.change(disk, checkpoint, |all| {
                all.remove(partition);
            })?;
        }
        Ok(())
    }

    fn offsets(&self) -> MutexGuard<'_, BTreeMap<Checkpoint, Offsets>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, checkpoint: Checkpoint, partition: &TopicPartition) -> Option<i64> {
        self.offsets().get(&checkpoint)?.get(partition).copied()
    }

    /// Changes a checkpoint; if it is then different, writes it. On an error it counts as unchanged.
    pub(super) fn change(
        &self,
        disk: &dyn Disk,
        checkpoint: Checkpoint,
        change: impl FnOnce(&mut Offsets),
    ) -> Result<(), LogError> {
        let mut offsets = self.offsets();
        let current = offsets.entry(checkpoint).or_default();
        let mut changed = current.clone();
        change(&mut changed);
        if changed != *current {
            write_offsets(disk, &self.dir.join(checkpoint.file_name()), &changed)?;
            *current = changed;
        }
        Ok(())
    }
}
