//! Making appends durable, and the recovery point.
//!
//! A sync may take seconds, so it can run without the log's lock: [`Log::prepare_flush`] lists under the lock
//! what is to be synced, [`FlushJob::run`] syncs it, [`Log::complete_flush`] moves the recovery point under
//! the lock again. The recovery point moves after a successful sync only, and never over a truncation that
//! came between. A failed sync takes the log directory offline; it is never tried again, for the kernel may
//! have dropped the pages it could not write and would report success.

use std::path::PathBuf;
use std::sync::Arc;

use crate::epoch::LEADER_EPOCH_CHECKPOINT;
use crate::error::LogError;
use crate::health::DirHealth;
use crate::log::Log;
use crate::place::Home;
use crate::segment::Segment;
use crate::txn_index::sync_file;

/// What has been appended since the last flush.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unflushed {
    /// When everything was last durable, or the first append since then was made; wall time in milliseconds.
    pub(crate) since_ms: i64,
    /// Counts truncations: a flush that began before one says nothing about what came after.
    pub(crate) truncations: u64,
    /// Counts files made or renamed, and up to which of these the directory has been synced.
    pub(crate) names: u64,
    pub(crate) names_synced: u64,
    /// The log's directory itself has a name that is not durable yet.
    pub(crate) new_dir: bool,
}

impl Unflushed {
    /// A log just opened, with names that are not durable yet or without.
    pub(crate) fn new(now_ms: i64, new_names: bool, new_dir: bool) -> Self {
        Self { since_ms: now_ms, truncations: 0, names: u64::from(new_names), names_synced: 0, new_dir }
    }
}

/// Files to be synced. Holds no lock and may run on any thread.
#[derive(Debug)]
#[must_use = "nothing is durable before it has run"]
pub struct FlushJob {
    home: Arc<Home>,
    health: DirHealth,
    /// With a flag: is it sealed?
    segments: Vec<(Arc<Segment>, bool)>,
    snapshots: Vec<PathBuf>,
    sync_dir: bool,
    sync_parent: bool,
    names: u64,
    recovery_point: i64,
    /// Base offset of the segment that was active when the flush was prepared.
    active_base_offset: i64,
    truncations: u64,
}

/// A flush that has succeeded.
#[derive(Debug)]
#[must_use = "the recovery point moves only when this is handed to Log::complete_flush"]
pub struct Flushed {
    /// Of the log whose files were synced: another one may have taken its place.
    home: Arc<Home>,
    recovery_point: i64,
    /// Base offset of the segment that was active when the flush was prepared.
    active_base_offset: i64,
    truncations: u64,
    names: u64,
}

impl FlushJob {
    /// Syncs everything listed.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn run(self) -> Result<Flushed, LogError> {
        self.health.check()?;
        let synced = self.sync();
        self.health.watch_sync(synced)?;
        let Self { home, recovery_point, active_base_offset, truncations, names, .. } = self;
        Ok(Flushed { home, recovery_point, active_base_offset, truncations, names })
    }

    fn sync(&self) -> Result<(), LogError> {
        for (segment, sealed) in &self.segments {
            passing_over_deleted(segment.sync(*sealed))?;
        }
        for path in &self.snapshots {
            sync_file(&*self.home.disk, path)?;
        }
        if self.sync_dir {
            sync_file(&*self.home.disk, &self.home.dir().join(LEADER_EPOCH_CHECKPOINT))?;
            passing_over_deleted(mutant!("no-dir-sync", self.home.sync(), Ok(())))?;
        }
        match self.home.dir().parent().filter(|_| self.sync_parent) {
            Some(parent) => self.home.disk.sync_dir(parent).map_err(LogError::io("sync", parent)),
            None => Ok(()),
        }
    }
}

/// What was deleted since the job was made, a file or the whole partition, need not be durable; that it is
/// gone is no failure of the disk.
fn passing_over_deleted(synced: Result<(), LogError>) -> Result<(), LogError> {
    match synced {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

impl Log {
    /// Lists what has to be synced so that everything below `up_to` is durable; `None` if it already is.
    pub fn prepare_flush(&self, up_to: i64) -> Option<FlushJob> {
        let up_to = up_to.min(self.log_end_offset);
        let sync_dir = self.unflushed.names > self.unflushed.names_synced;
        if up_to <= self.recovery_point && !sync_dir {
            return None;
        }
        // The segment of the last durable record may have been sealed since: its indexes were not synced
        // before.
        let from = self.segment_index_of(self.recovery_point.saturating_sub(1));
        let last = self.segments.len().saturating_sub(1);
        let mut segments = Vec::new();
        let mut first = self.recovery_point;
        if up_to > self.recovery_point {
            let touched = self.segments.iter().enumerate().skip(from);
            let touched = touched.take_while(|(_, segment)| segment.base_offset() < up_to);
            segments.extend(touched.map(|(index, segment)| (Arc::clone(segment), index < last)));
            first = segments.first().map_or(first, |(segment, _)| segment.base_offset());
        }
        Some(FlushJob {
            home: Arc::clone(&self.home),
            health: self.health.clone(),
            snapshots: self.snapshots.paths(&self.home.dir(), first..=up_to),
            segments,
            sync_dir,
            sync_parent: sync_dir && self.unflushed.new_dir,
            names: self.unflushed.names,
            recovery_point: up_to,
            active_base_offset: self.active.segment().base_offset(),
            truncations: self.unflushed.truncations,
        })
    }

    /// Moves the recovery point to what has been made durable, unless the log was truncated meanwhile.
    /// Returns it.
    pub fn complete_flush(&mut self, flushed: Flushed, now_ms: i64) -> i64 {
        let Flushed { home, recovery_point, active_base_offset, truncations, names } = flushed;
        if !Arc::ptr_eq(&home, &self.home) {
            return self.recovery_point;
        }
        self.unflushed.names_synced = self.unflushed.names_synced.max(names);
        self.unflushed.new_dir = false;
        if truncations == self.unflushed.truncations {
            let mut recovery_point = recovery_point.min(self.log_end_offset);
            let begins_there = |segment: &Arc<Segment>| segment.base_offset().cmp(&recovery_point);
            if recovery_point > active_base_offset && self.segments.binary_search_by(begins_there).is_ok() {
                // Rolled meanwhile: recovery must begin with the sealed segment, whose indexes were not
                // synced.
                recovery_point -= 1;
            }
            self.recovery_point = self.recovery_point.max(recovery_point);
            self.unflushed.since_ms = now_ms;
            self.publish();
        }
        self.recovery_point
    }

    /// Makes everything durable and moves the recovery point.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.health.check()?;
        if let Some(job) = self.prepare_flush(self.log_end_offset) {
            let flushed = job.run()?;
            self.complete_flush(flushed, self.latest_ms);
        }
        Ok(())
    }

    /// Records appended since the recovery point.
    pub(crate) fn unflushed_records(&self) -> i64 {
        self.log_end_offset.saturating_sub(self.recovery_point)
    }

    /// Whether `flush.messages` or `flush.ms` ask for a flush now.
    pub fn flush_due(&self, now_ms: i64) -> bool {
        let records = self.unflushed_records();
        let waited_ms = now_ms.saturating_sub(self.unflushed.since_ms);
        records > 0 && (records >= self.config.flush_messages || waited_ms >= self.config.flush_ms)
    }

    /// Index of the segment that holds `offset`, or the nearest one before it.
    pub(crate) fn segment_index_of(&self, offset: i64) -> usize {
        self.segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::LogConfig;
    use crate::disk::mem::{CallKind, Crash, Failure};
    use crate::testing::{NOW_MS, TestLog, config, options};
    use crate::{LogError, OpenOptions};

    fn after_power_cut(test: TestLog) -> TestLog {
        test.disk.crash(Crash::PowerCutAll, 1);
        let recovery_point = test.log.recovery_point();
        test.reopened(OpenOptions { recovery_point, ..options() })
    }

    #[test]
    fn what_was_flushed_survives_a_power_cut_and_the_rest_need_not() {
        let mut test = TestLog::new(LogConfig { segment_bytes: 500, ..config() });
        test.append_plain(10, 100);
        test.log.flush().expect("flushes");
        assert_eq!(test.log.recovery_point(), 10);
        test.append_plain(5, 100);
        assert_eq!(test.log.recovery_point(), 10);
        let test = after_power_cut(test);
        assert_eq!(test.log.log_end_offset(), 10);
        assert_eq!(test.batches_from(0).len(), 10);
    }

    #[test]
    fn flush_messages_makes_appends_durable_before_they_return() {
        let mut test = TestLog::new(LogConfig { flush_messages: 3, ..config() });
        test.append_plain(2, 100);
        assert_eq!(test.log.recovery_point(), 0);
        test.append_plain(3, 100);
        assert_eq!(test.log.recovery_point(), 3);
        assert_eq!(after_power_cut(test).log.log_end_offset(), 3);
    }

    #[test]
    fn with_flush_messages_nothing_is_readable_before_it_is_durable() {
        let mut test = TestLog::new(LogConfig { flush_messages: 1, ..config() });
        test.append_plain(1, 100);
        test.disk.fail_nth(CallKind::Sync, 1, Failure::Io);
        let batch = crate::testing::batch(rkafka_record::BatchOptions::default(), &[(NOW_MS, None, "value")]);
        test.try_append(&batch, crate::AppendOrigin::Client).expect_err("the disk fails");
        let view = test.log.view();
        assert_eq!((view.high_watermark, view.log_end_offset), (1, 1));
        test.log.append_follower(&batch, NOW_MS).expect_err("offline");
        assert_eq!(test.log.view().log_end_offset, 1);
    }

    #[test]
    fn a_flush_is_due_by_time_only_if_there_is_something_to_flush() {
        let mut test = TestLog::new(LogConfig { flush_ms: 1000, ..config() });
        assert!(!test.log.flush_due(NOW_MS + 5000));
        test.append_plain(1, 10);
        assert!(!test.log.flush_due(NOW_MS + 999));
        assert!(test.log.flush_due(NOW_MS + 1000));
        let job = test.log.prepare_flush(i64::MAX).expect("something to sync");
        let flushed = job.run().expect("synced");
        assert_eq!(test.log.complete_flush(flushed, NOW_MS + 1000), 1);
        assert!(!test.log.flush_due(NOW_MS + 5000));
        assert!(test.log.prepare_flush(i64::MAX).is_none(), "nothing is left to sync");
    }

    #[test]
    fn a_background_flush_covers_what_was_there_when_it_began() {
        let mut test = TestLog::new(config());
        test.append_plain(3, 10);
        let job = test.log.prepare_flush(2).expect("something to sync");
        test.append_plain(3, 10);
        let flushed = job.run().expect("synced");
        assert_eq!(test.log.complete_flush(flushed, NOW_MS), 2);
        let job = test.log.prepare_flush(i64::MAX).expect("something to sync");
        let _ = test.log.truncate_to(4).expect("truncates");
        test.append_plain(4, 10);
        let flushed = job.run().expect("synced");
        assert_eq!(
            test.log.complete_flush(flushed, NOW_MS),
            2,
            "it knew nothing of what came after the truncation"
        );
    }

    #[test]
    fn a_flush_that_others_rolled_meanwhile_leaves_their_indexes_to_recovery() {
        for rolls in 1..4 {
            let mut test = TestLog::new(config());
            test.append_plain(3, 10);
            let job = test.log.prepare_flush(i64::MAX).expect("something to sync");
            for _ in 0..rolls {
                test.log.roll(NOW_MS).expect("rolls");
                test.append_plain(1, 10);
            }
            let flushed = job.run().expect("synced");
            assert_eq!(test.log.complete_flush(flushed, NOW_MS), 2, "{rolls} rolls");
        }
    }

    #[test]
    fn a_failed_sync_takes_the_directory_offline_and_is_not_tried_again() {
        let mut test = TestLog::new(config());
        test.append_plain(3, 10);
        test.disk.fail_nth(CallKind::Sync, 1, Failure::NoSpace);
        assert!(test.log.flush().is_err());
        let syncs = test.disk.calls(CallKind::Sync);
        assert!(matches!(test.log.flush(), Err(LogError::Offline { .. })));
        assert_eq!((test.disk.calls(CallKind::Sync), test.log.recovery_point()), (syncs, 0));
        assert_eq!(test.batches_from(0).len(), 3, "reads go on");
    }
}
