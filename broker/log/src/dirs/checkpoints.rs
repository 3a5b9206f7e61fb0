//! The offset checkpoints of one log directory, kept in memory too.

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
    all: Mutex<BTreeMap<Checkpoint, Contents>>,
}

/// One checkpoint.
#[derive(Debug, Default)]
struct Contents {
    offsets: Offsets,
    /// The file says something else: it could not be written.
    unwritten: bool,
}

/// Sets an offset; whether that changed anything.
pub(super) fn set(offsets: &mut Offsets, partition: &TopicPartition, offset: i64) -> bool {
    match offsets.get_mut(partition) {
        Some(known) => std::mem::replace(known, offset) != offset,
        None => offsets.insert(partition.clone(), offset).is_none(),
    }
}

impl Checkpoints {
    /// Reads what there is. An unreadable checkpoint is as good as none: more is then scanned, or found out
    /// anew.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, LogError> {
        let mut all = BTreeMap::new();
        for checkpoint in Checkpoint::ALL {
            let offsets = match read_offsets(disk, &dir.join(checkpoint.file_name())) {
                Err(error @ LogError::Corrupt { .. }) => {
                    tracing::error!(%error, "checkpoint is not used");
                    Offsets::new()
                }
                other => other?,
            };
            all.insert(checkpoint, Contents { offsets, unwritten: false });
        }
        Ok(Self { dir: dir.to_path_buf(), all: Mutex::new(all) })
    }

    /// Those of a directory that cannot be read.
    pub(super) fn none(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), all: Mutex::default() }
    }

    /// Removes a partition from all of them.
    pub(super) fn forget(&self, disk: &dyn Disk, partition: &TopicPartition) -> Result<(), LogError> {
        for checkpoint in Checkpoint::ALL {
            self.change(disk, checkpoint, |offsets| offsets.remove(partition).is_some())?;
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Checkpoint, Contents>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, checkpoint: Checkpoint, partition: &TopicPartition) -> Option<i64> {
        self.all().get(&checkpoint)?.offsets.get(partition).copied()
    }

    /// Changes a checkpoint; if `change` says that it is different then, writes it. If that fails the next
    /// change tries again.
    pub(super) fn change(
        &self,
        disk: &dyn Disk,
        checkpoint: Checkpoint,
        change: impl FnOnce(&mut Offsets) -> bool,
    ) -> Result<(), LogError> {
        let mut all = self.all();
        let contents = all.entry(checkpoint).or_default();
        contents.unwritten |= change(&mut contents.offsets);
        if contents.unwritten {
            write_offsets(disk, &self.dir.join(checkpoint.file_name()), &contents.offsets)?;
            contents.unwritten = false;
        }
        Ok(())
    }
}
