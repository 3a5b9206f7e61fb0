//! Deleting old segments: by age, by size, and those below the log start offset.
//!
//! A segment is as old as its largest record timestamp (its file's modification time if its records have
//! none), so a record dated into the future keeps its segment. Segments go from the oldest on, whole, and
//! never above the high watermark. The active segment may go too: the log is rolled first.

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
    /// Deletes the segments that the settings no longer keep. With `cleanup.policy=compact` alone only those
    /// below the log start offset go.
    ///
    /// # Errors
    /// The disk's.
    pub fn apply_retention(&mut self, now_ms: i64) -> Result<DeferredDeletion, LogError> {
        self.health.check()?;
        self.latest_ms = now_ms;
        let mut going = self.count_below_log_start()?;
        if self.config.cleanup_policy.delete {
            going = going.max(self.count_too_much()?).max(self.count_too_old(now_ms)?);
        }
        self.delete_oldest(going, now_ms)
    }

    /// Deletes the segments below the log start offset and no others.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn delete_below_log_start(&mut self, now_ms: i64) -> Result<DeferredDeletion, LogError> {
        self.health.check()?;
        let going = self.count_below_log_start()?;
        self.delete_oldest(going, now_ms)
    }

    fn count_below_log_start(&self) -> Result<usize, LogError> {
        let log_start_offset = self.log_start_offset;
        self.count_oldest(|candidate| Ok(!candidate.is_active && candidate.end_offset <= log_start_offset))
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
            let is_uncommitted =
                mutant!("retention-of-active", candidate.end_offset > self.high_watermark, false);
            if is_uncommitted || is_empty_active || !goes(&candidate)? {
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
            self.roll_out(now_ms)?;
        }
        let all = Arc::clone(&self.segments);
        let Some((removed, kept)) = all.split_at_checked(count) else {
            return Ok(DeferredDeletion::default());
        };
        let new_start = kept.first().map_or(self.log_end_offset, |first| first.base_offset());
        if new_start > self.log_start_offset {
            self.raise_log_start(new_start);
        }
        self.segments = kept.into();
        self.publish();
        let renamed = self.set_deleted(removed, new_start);
        self.health.watch(renamed)?;
        Ok(self.deferred_deletion(removed))
    }

    /// Begins a new segment because the active one goes. On a full disk, which this is to give room to, what
    /// sealing would write of the old one is left out; producers with nothing but deleted records may then
    /// be forgotten by a kill.
    fn roll_out(&mut self, now_ms: i64) -> Result<(), LogError> {
        let end = self.log_end_offset;
        match self.finish_active(end) {
            Err(error) if error.is_disk_full() => {
                tracing::warn!(%error, log = self.name, "a segment is deleted without being sealed");
            }
            other => other?,
        }
        self.begin_segment(end, now_ms)
    }

    /// Renames the files of segments no longer in the log, oldest first, and removes their snapshots.
    fn set_deleted(&mut self, removed: &[Arc<Segment>], new_start: i64) -> Result<(), LogError> {
        for segment in removed {
            segment.set_stage(Stage::Deleted)?;
        }
        self.snapshots.remove_if(&*self.home.disk, &self.home.dir(), |offset| offset < new_start)?;
        self.home.sync()
    }
}

#[cfg(test)]
mod tests {
    use rkafka_record::BatchOptions;

    use crate::config::{CleanupPolicy, LogConfig};
    use crate::testing::{NOW_MS, TestLog, batch, config};

    /// Segments of one batch each with these timestamps; the last one is active.
    fn segments_at(times: &[i64], config: LogConfig) -> TestLog {
        let mut test = TestLog::new(config);
        for (number, time) in times.iter().enumerate() {
            if number > 0 {
                test.log.roll(NOW_MS).expect("rolls");
            }
            test.append(&batch(
                BatchOptions::default(),
                &[(*time, Some("k"), "value"), (*time - 5, Some("k"), "older")],
            ));
        }
        test
    }

    fn retain(test: &mut TestLog, now_ms: i64) -> Vec<i64> {
        let deletion = test.log.apply_retention(now_ms).expect("deletes");
        assert!(deletion.files().iter().all(|path| path.to_string_lossy().ends_with(".deleted")));
        deletion.run(&test.disk).expect("removes");
        test.log.check_invariants();
        assert_eq!(test.log.view().log_start_offset, test.log.log_start_offset());
        assert!(!test.names().iter().any(|name| name.ends_with(".deleted")), "{:?}", test.names());
        test.base_offsets()
    }

    fn by_time(retention_ms: i64) -> LogConfig {
        LogConfig { retention_ms, ..config() }
    }

    #[test]
    fn segments_go_when_their_newest_record_is_too_old() {
        let mut test = segments_at(&[100, 200, 300], by_time(1000));
        assert_eq!(retain(&mut test, 1100), [0, 2, 4]);
        assert_eq!(retain(&mut test, 1101), [2, 4]);
        let mut test = test.restarted();
        assert_eq!(test.log.log_start_offset(), 2);
        assert_eq!(retain(&mut test, 1201), [2, 4], "nothing is known to be committed");
        test.log.update_high_watermark(6);
        assert_eq!(retain(&mut test, 1200), [2, 4]);
        assert_eq!(retain(&mut test, 1201), [4]);
    }

    #[test]
    fn the_active_segment_is_rolled_and_goes_too() {
        let mut test = segments_at(&[100, 200], by_time(1000));
        assert_eq!(retain(&mut test, 5000), [4]);
        assert_eq!((test.log.log_start_offset(), test.log.log_end_offset()), (4, 4));
        assert_eq!(retain(&mut test, 9000), [4], "an empty one stays");
        let test = test.reopened(crate::testing::options());
        assert_eq!((test.log.log_start_offset(), test.log.log_end_offset()), (4, 4));
    }

    #[test]
    fn deleting_works_on_a_full_disk() {
        for (times, left) in [(&[100, 200, 300][..], 6), (&[100], 2)] {
            let mut test = segments_at(times, by_time(1000));
            // A leader change, and an epoch that is not in the file.
            test.log.assign_epoch(8).expect("noted");
            test.disk.set_capacity(Some(0));
            assert!(test.log.advance_log_start(1).expect("DeleteRecords"));
            assert_eq!(retain(&mut test, 5000), [left]);
            assert!(test.log.health().is_online());
            test.disk.set_capacity(None);
            test.append_plain(1, 10);
            let test = test.reopened(crate::testing::options());
            assert_eq!((test.log.log_start_offset(), test.log.log_end_offset()), (left, left + 1));
        }
    }

    #[test]
    fn a_record_dated_into_the_future_keeps_its_segment_and_those_behind() {
        let config = LogConfig { timestamp_after_max_ms: i64::MAX, ..by_time(1000) };
        let mut test = segments_at(&[100, i64::MAX / 2, 300], config);
        assert_eq!(retain(&mut test, 50_000), [2, 4]);
    }

    #[test]
    fn without_timestamps_the_files_age_counts() {
        let mut test = segments_at(&[-1, -1], by_time(1000));
        assert_eq!(retain(&mut test, NOW_MS + 1000), [0, 2]);
        assert_eq!(retain(&mut test, NOW_MS + 1001), [4]);
    }

    #[test]
    fn the_oldest_go_while_the_rest_is_large_enough() {
        let test = segments_at(&[1, 2, 3, 4], config());
        let size = test.log.view().size_bytes() / 4;
        for (limit, expected) in [
            (4 * size, vec![0, 2, 4, 6]),
            (3 * size + 1, vec![0, 2, 4, 6]),
            (3 * size, vec![2, 4, 6]),
            (size, vec![6]),
            (0, vec![8]),
        ] {
            let retention_bytes = i64::try_from(limit).expect("small");
            let mut test =
                segments_at(&[1, 2, 3, 4], LogConfig { retention_bytes, retention_ms: -1, ..config() });
            assert_eq!(retain(&mut test, NOW_MS), expected, "{limit}");
        }
    }

    #[test]
    fn nothing_above_the_high_watermark_goes() {
        let mut test = TestLog::new(by_time(1000));
        for (base_offset, time) in [(0, 1), (1, 2), (2, 3)] {
            test.log.roll(NOW_MS).expect("rolls");
            let options = BatchOptions { base_offset, partition_leader_epoch: 0, ..BatchOptions::default() };
            test.log.append_follower(&batch(options, &[(time, None, "value")]), NOW_MS).expect("appends");
        }
        assert_eq!(retain(&mut test, NOW_MS), [0, 1, 2]);
        test.log.update_high_watermark(2);
        assert_eq!(retain(&mut test, NOW_MS), [2]);
    }

    #[test]
    fn below_the_log_start_segments_go_whatever_the_policy() {
        let policy = CleanupPolicy { compact: true, delete: false };
        let mut test =
            segments_at(&[1, 2, 3], LogConfig { cleanup_policy: policy, retention_ms: 0, ..config() });
        assert_eq!(retain(&mut test, NOW_MS), [0, 2, 4]);
        assert!(test.log.advance_log_start(3).expect("moves"));
        assert_eq!(retain(&mut test, NOW_MS), [2, 4]);
        assert!(!test.log.advance_log_start(3).expect("there already"));
        assert_eq!(test.batches_from(3), [(2, 3), (4, 5)]);
        assert!(test.log.advance_log_start(100).expect("moves"));
        assert_eq!((test.log.log_start_offset(), retain(&mut test, NOW_MS)), (6, vec![4]));
    }
}
