//! Deleting old segments: by age, by size, and those below the log start offset.
//!
//! A segment is as old as its largest record timestamp (its file's modification time if its records have none), so a
//! record dated into the future keeps its segment. Segments go from the oldest on, whole, and never above the high
//! watermark. The active segment may go too: the log is rolled first.

use std::sync::Arc;

use crate::deletion::DeferredDeletion;
use crate::error::LogError;
use crate::files::Stage;
use crate::log::Log;
use crate::segment::Segment;

/// A segment that may have to go, and where the next one begins.
struct Candidate<'a> {
    segment: &'a Segment,
    size: u64,
    /// Base offset of the next segment, or the log end.
    end_offset: i64,
    is_active: bool,
}

impl Log {
    /// Deletes the segments that the settings no longer keep. With `cleanup.policy=compact` alone only those below
    /// the log start offset go.
    ///
    /// # Errors
    /// The disk's.
    pub fn apply_retention(&mut self, now_ms: i64) -> Result<DeferredDeletion, LogError> {
        self.health.check()?;
        self.latest_ms = now_ms;
        let log_start_offset = self.log_start_offset;
        let mut going = self.count_oldest(|candidate| {
            Ok(!candidate.is_active && candidate.end_offset <= log_start_offset)
        })?;
        if self.config.cleanup_policy.delete {
            going = going.max(self.count_too_much()?).max(self.count_too_old(now_ms)?);
        }
        self.delete_oldest(going, now_ms)
    }

    /// How many of the oldest segments `goes` selects, ending with the first it doesn't, never above the high
    /// watermark and never an empty active segment.
    fn count_oldest(
        &self,
        mut goes: impl FnMut(&Candidate<'_>) -> Result<bool, LogError>,
    ) -> Result<usize, LogError> {
        let mut count = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(index + 1);
            let candidate = Candidate {
                segment,
                size: segment.size(),
                end_offset: next.map_or(self.log_end_offset, |next| next.base_offset()),
                is_active: next.is_none(),
            };
            let is_empty_active = candidate.is_active && candidate.size == 0;
            if candidate.end_offset > self.high_watermark || is_empty_active || !goes(&candidate)? {
                break;
            }
            count = index + 1;
        }
        Ok(count)
    }

    /// `retention.bytes`: as many as go without falling below it.
    fn count_too_much(&self) -> Result<usize, LogError> {
        let Ok(limit) = u64::try_from(self.config.retention_bytes) else { return Ok(0) };
        let total: u64 = self.segments.iter().map(|segment| segment.size()).sum();
        let mut excess = total.saturating_sub(limit);
        self.count_oldest(|candidate| {
            let goes = excess > 0 && excess >= candidate.size;
            excess = excess.saturating_sub(candidate.size);
            Ok(goes)
        })
    }

    /// `retention.ms`.
    fn count_too_old(&self, now_ms: i64) -> Result<usize, LogError> {
        let retention_ms = self.config.retention_ms;
        if retention_ms < 0 {
            return Ok(0);
        }
        self.count_oldest(|candidate| {
            let newest_ms = self.newest_timestamp(candidate)?;
            Ok(now_ms.saturating_sub(newest_ms) > retention_ms)
        })
    }

    fn newest_timestamp(&self, candidate: &Candidate<'_>) -> Result<i64, LogError> {
        let segment = candidate.segment;
        let largest = if candidate.is_active {
            self.active.largest_timestamp()?
        } else {
            segment.indexed_largest_timestamp()?
        };
        let timestamp = largest.map(|largest| largest.timestamp).filter(|timestamp| *timestamp >= 0);
        Ok(timestamp.unwrap_or_else(|| segment.modified_ms()))
    }

    /// Takes the oldest `count` segments out of the log.
    fn delete_oldest(&mut self, count: usize, now_ms: i64) -> Result<DeferredDeletion, LogError> {
        if count == 0 {
            return Ok(DeferredDeletion::default());
        }
        if count == self.segments.len() {
            self.roll_at(self.log_end_offset, now_ms)?;
        }
        let all = Arc::clone(&self.segments);
        let Some((removed, kept)) = all.split_at_checked(count) else { return Ok(DeferredDeletion::default()) };
        let new_start = kept.first().map_or(self.log_end_offset, |first| first.base_offset());
        if new_start > self.log_start_offset {
            self.raise_log_start(new_start)?;
        }
        self.segments = kept.into();
        self.publish();
        let renamed = self.set_deleted(removed, new_start);
        self.health.watch(renamed)?;
        Ok(self.deferred_deletion(removed))
    }

    /// Renames the files of segments no longer in the log, oldest first, and removes their snapshots.
    fn set_deleted(&mut self, removed: &[Arc<Segment>], new_start: i64) -> Result<(), LogError> {
        for segment in removed {
            segment.set_stage(Stage::Deleted)?;
        }
        self.snapshots.remove_if(&*self.disk, &self.dir, |offset| offset < new_start)?;
        self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))
    }
}
