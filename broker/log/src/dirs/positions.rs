//! Where the logs stand, and keeping that in the checkpoints of their directories.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::LogDirs;
use super::checkpoints::{Checkpoint, set};
use crate::error::LogError;
use crate::partition_name::TopicPartition;

/// Where a log stands, for the checkpoints.
#[derive(Debug, Clone)]
pub struct LogPosition {
    /// The partition.
    pub partition: TopicPartition,
    /// The log directory it is in.
    pub dir: PathBuf,
    /// [`Log::recovery_point`](crate::Log::recovery_point).
    pub recovery_point: i64,
    /// [`Log::log_start_offset`](crate::Log::log_start_offset).
    pub log_start_offset: i64,
    /// [`Log::high_watermark`](crate::Log::high_watermark).
    pub high_watermark: i64,
}

impl LogDirs {
    /// Takes positions into the recovery point, log start and high watermark checkpoints and writes those
    /// that changed. Partitions that are not named keep theirs.
    ///
    /// `collect` looks at the logs: while it does, none of them is forgotten. It must leave out those that
    /// were handed to [`delete_log`](Self::delete_log) before.
    ///
    /// # Errors
    /// The disk's, of the first directory that failed; the others are written all the same. What was not
    /// written is tried again by the next call.
    pub fn write_checkpoints(&self, collect: impl FnOnce() -> Vec<LogPosition>) -> Result<(), LogError> {
        type OffsetOf = fn(&LogPosition) -> i64;
        let offset_of: [(Checkpoint, OffsetOf); 3] = [
            (Checkpoint::RecoveryPoint, |position| position.recovery_point),
            (Checkpoint::LogStart, |position| position.log_start_offset),
            (Checkpoint::HighWatermark, |position| position.high_watermark),
        ];
        let _collecting = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let positions = collect();
        let mut result = Ok(());
        for dir in self.dirs.iter().filter(|dir| dir.health.is_online()) {
            for (checkpoint, offset) in offset_of {
                let written = dir.checkpoints.change(&*self.disk, checkpoint, |all| {
                    let mut changed = false;
                    for position in positions.iter().filter(|position| position.dir == dir.path) {
                        let offset = offset(position);
                        // A log that starts at 0 needs no word about it, unless there is one.
                        let needed = checkpoint != Checkpoint::LogStart
                            || offset > 0
                            || all.contains_key(&position.partition);
                        changed |= needed && set(all, &position.partition, offset);
                    }
                    changed
                });
                result = result.and(dir.health.watch(written));
            }
        }
        result
    }

    /// Notes up to where the cleaner has compacted a partition's log in the directory `dir`.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_cleaner_checkpoint(
        &self,
        dir: &Path,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<(), LogError> {
        let dir = self.at(dir)?;
        let written =
            dir.checkpoints.change(&*self.disk, Checkpoint::Cleaner, |all| set(all, partition, offset));
        dir.health.watch(written)
    }

    /// Lowers the checkpointed recovery point of a partition in the directory `dir` to `offset` at most, and
    /// so what the cleaner is known to have seen. To be done *before* its log is truncated below
    /// [`Log::recovery_point`](crate::Log::recovery_point): else the checkpoint would say of what is appended
    /// afterwards that it was durable, and a crash would leave it unchecked.
    ///
    /// # Errors
    /// The disk's; then the log must not be truncated.
    pub fn lower_recovery_point(
        &self,
        dir: &Path,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<(), LogError> {
        let dir = self.at(dir)?;
        for checkpoint in [Checkpoint::Cleaner, Checkpoint::RecoveryPoint] {
            let written = dir.checkpoints.change(&*self.disk, checkpoint, |all| match all.get(partition) {
                Some(known) if *known > offset => set(all, partition, offset),
                _ => false,
            });
            dir.health.watch(written)?;
        }
        Ok(())
    }
}
