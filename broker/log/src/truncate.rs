//! Taking records away: from the end (a follower whose history parted from its leader's), from the start
//! (DeleteRecords, retention, the leader's log start on a follower).
//!
//! What was truncated must never come back, neither from a later crash nor through state derived from it. So the order
//! is: producer snapshots past the new end are removed and that is made durable; later segments go, newest first; the
//! last one is cut and synced; epochs past the end go. Only then can anything new be appended.
//!
//! The recovery point falls with the log end. Whoever keeps it in a checkpoint writes the lower one *before* truncating
//! below it (see [`crate::dirs`]): a checkpoint ahead of the log would let later appends go unchecked after a crash.

use std::sync::Arc;

use crate::deletion::DeferredDeletion;
use crate::error::LogError;
use crate::files::Stage;
use crate::log::Log;
use crate::producer::ProducerStates;
use crate::replay::replay_producers;
use crate::segment::Segment;
use crate::segment_writer::SegmentWriter;

impl Log {
    /// Removes everything from `offset` on; a batch that spans it goes as a whole. Nothing happens if the log ends
    /// there or before, except that epochs that begin at its end are forgotten. The high watermark falls to the new
    /// log end if it was above.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn truncate_to(&mut self, offset: i64) -> Result<DeferredDeletion, LogError> {
        self.health.check()?;
        if offset >= self.log_end_offset {
            let log_end_offset = self.log_end_offset;
            self.change_epochs(|epochs| epochs.truncate_from_end(log_end_offset))?;
            self.publish();
            return Ok(DeferredDeletion::default());
        }
        let first_base = self.segments.first().map_or(0, |first| first.base_offset());
        if offset < first_base {
            return self.truncate_fully(offset);
        }
        let had_producers = !self.producers.is_empty();
        let truncated = self.cut_end(offset);
        let (removed, log_end_offset) = self.health.watch_sync(truncated)?;
        self.log_start_offset = self.log_start_offset.min(log_end_offset);
        self.reload_producers(had_producers)?;
        self.change_epochs(|epochs| epochs.truncate_from_end(log_end_offset))?;
        self.high_watermark = self.high_watermark.min(log_end_offset);
        self.producers.on_high_watermark(self.high_watermark);
        self.publish();
        Ok(self.deferred_deletion(&removed))
    }

    /// Cuts the files. Returns the segments that were taken out and the new log end.
    fn cut_end(&mut self, offset: i64) -> Result<(Vec<Arc<Segment>>, i64), LogError> {
        self.unflushed.truncations += 1;
        self.unflushed.names += 1;
        self.recovery_point = self.recovery_point.min(offset);
        if self.snapshots.remove_if(&*self.disk, &self.dir, |snapshot| snapshot > offset)? {
            self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        }
        let mut segments = self.segments.to_vec();
        let mut removed = Vec::new();
        while segments.len() > 1 && segments.last().is_some_and(|last| last.base_offset() > offset) {
            removed.extend(segments.pop());
        }
        if let (false, Some(last)) = (removed.is_empty(), segments.last()) {
            let writer = SegmentWriter::resume(Arc::clone(last), self.latest_ms);
            self.active = writer;
            self.segments = segments.into();
        }
        for segment in &removed {
            // One by one and newest first: a crash leaves a log without a gap.
            segment.set_stage(Stage::Deleted)?;
            self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        }
        self.log_end_offset = self.active.truncate_to(offset, self.latest_ms)?;
        self.recovery_point = self.recovery_point.min(self.log_end_offset);
        Ok((removed, self.log_end_offset))
    }

    /// Builds the producers as of the log end from the newest snapshot below it.
    fn reload_producers(&mut self, had_producers: bool) -> Result<(), LogError> {
        let end = self.log_end_offset;
        // Truncating cannot bring producers into a log that had none.
        let mut states = ProducerStates::new(end);
        if had_producers {
            let start = self.segments.first().map_or(end, |first| first.base_offset());
            let expiration_ms = self.config.producer_id_expiration_ms;
            // From below the high watermark, to learn of transactions that ended above it.
            let known = end.min(self.high_watermark);
            let loaded = self.snapshots.load(&*self.disk, &self.dir, start, known, self.latest_ms, expiration_ms);
            states = self.health.watch(loaded)?;
            replay_producers(&self.segments, &mut states, end).map_err(|error| self.unreadable(error))?;
        }
        self.producers = states;
        Ok(())
    }

    /// Removes everything; the log goes on, empty, at `start_offset`.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn truncate_fully(&mut self, start_offset: i64) -> Result<DeferredDeletion, LogError> {
        self.health.check()?;
        let removed = self.segments.to_vec();
        let emptied = self.restart_at(start_offset, &removed);
        self.health.watch_sync(emptied)?;
        self.change_epochs(|epochs| {
            epochs.clear();
            true
        })?;
        self.publish();
        Ok(self.deferred_deletion(&removed))
    }

    fn restart_at(&mut self, start_offset: i64, removed: &[Arc<Segment>]) -> Result<(), LogError> {
        self.unflushed.truncations += 1;
        self.unflushed.names += 1;
        self.recovery_point = self.recovery_point.min(start_offset);
        self.snapshots.remove_if(&*self.disk, &self.dir, |_| true)?;
        for segment in removed.iter().rev() {
            segment.set_stage(Stage::Deleted)?;
            self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        }
        let writer = SegmentWriter::create(&self.disk, &self.dir, start_offset, Stage::Live, self.latest_ms)?;
        self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        self.segments = [Arc::clone(writer.segment())].into();
        self.active = writer;
        self.producers.reset(start_offset);
        self.log_start_offset = start_offset;
        self.log_end_offset = start_offset;
        self.high_watermark = start_offset;
        Ok(())
    }

    /// Moves the log start offset up to `offset`; a follower's may pass its high watermark, which then moves along.
    /// Whole segments below it are deleted by the next [`apply_retention`](Self::apply_retention). Returns whether it
    /// moved.
    ///
    /// An offset behind the log end is left to [`truncate_fully`](Self::truncate_fully).
    ///
    /// # Errors
    /// The disk's.
    pub fn advance_log_start(&mut self, offset: i64) -> Result<bool, LogError> {
        self.health.check()?;
        let offset = offset.min(self.log_end_offset);
        if offset <= self.log_start_offset {
            return Ok(false);
        }
        self.raise_log_start(offset)?;
        self.publish();
        Ok(true)
    }

    pub(crate) fn raise_log_start(&mut self, offset: i64) -> Result<(), LogError> {
        self.change_epochs(|epochs| epochs.truncate_from_start(offset))?;
        self.log_start_offset = offset;
        self.high_watermark = self.high_watermark.max(offset);
        self.producers.on_log_start_offset(offset);
        Ok(())
    }

    pub(crate) fn deferred_deletion(&self, removed: &[Arc<Segment>]) -> DeferredDeletion {
        let files = removed.iter().flat_map(|segment| segment.paths()).collect();
        DeferredDeletion::new(files, self.config.file_delete_delay_ms)
    }
}
