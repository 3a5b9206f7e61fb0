//! Taking records away: from the end (a follower whose history parted from its leader's), from the start
//! (DeleteRecords, retention, the leader's log start on a follower).
//!
//! What was truncated must never come back, neither from a later crash nor through state derived from it. So
//! the order is: producer snapshots past the new end are removed and that is made durable; later segments go,
//! newest first; the last one is cut and synced; epochs past the end go. Only then can anything new be
//! appended.
//!
//! The recovery point falls with the log end. Whoever keeps it in a checkpoint writes the lower one *before*
//! truncating below it (see [`crate::dirs`]): a checkpoint ahead of the log would let later appends go
//! unchecked after a crash.

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
    /// Removes everything from `offset` on; a batch that spans it goes as a whole. Nothing happens if the log
    /// ends there or before, except that epochs that begin at its end are forgotten. The high watermark falls
    /// to the new log end if it was above.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn truncate_to(&mut self, offset: i64) -> Result<DeferredDeletion, LogError> {
        self.health.check()?;
        if offset >= self.log_end_offset {
            let log_end_offset = self.log_end_offset;
            self.change_epochs(|epochs| epochs.truncate_from_end(log_end_offset));
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
        self.remove_epochs(|epochs| epochs.truncate_from_end(log_end_offset))?;
        self.high_watermark = self.high_watermark.min(log_end_offset);
        self.producers.on_high_watermark(self.high_watermark);
        self.publish();
        Ok(self.deferred_deletion(&removed))
    }

    /// Cuts the files. Returns the segments that were taken out and the new log end.
    fn cut_end(&mut self, offset: i64) -> Result<(Vec<Arc<Segment>>, i64), LogError> {
        self.shared.announce_cut();
        self.unflushed.truncations += 1;
        self.unflushed.names += 1;
        self.recovery_point = self.recovery_point.min(offset);
        if self.snapshots.remove_if(&*self.home.disk, &self.home.dir(), |snapshot| snapshot > offset)? {
            self.home.sync()?;
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
            mutant!("no-dir-sync", self.home.sync(), Ok(()))?;
        }
        let end = self.active.truncate_to(offset, self.latest_ms)?;
        // Where compaction left a gap the log ends before it: the next segment must begin where the batches
        // end. Only the log start never falls on its own.
        self.log_end_offset = end.max(self.log_start_offset.min(offset));
        self.recovery_point = self.recovery_point.min(self.log_end_offset);
        Ok((removed, self.log_end_offset))
    }

    /// Builds the producers as of the log end from the newest snapshot below it.
    fn reload_producers(&mut self, had_producers: bool) -> Result<(), LogError> {
        let end = self.log_end_offset;
        // Truncating cannot bring producers into a log that had none.
        let mut states = ProducerStates::new(end);
        if mutant!("forget-producers-on-truncation", had_producers, false) {
            let start = self.segments.first().map_or(end, |first| first.base_offset());
            let expiration_ms = self.config.producer_id_expiration_ms;
            // From below the high watermark, to learn of transactions that ended above it.
            let known = end.min(self.high_watermark);
            let loaded = self.snapshots.load(
                &*self.home.disk,
                &self.home.dir(),
                start,
                known,
                self.latest_ms,
                expiration_ms,
            );
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
        self.remove_epochs(|epochs| {
            epochs.clear();
            true
        })?;
        self.publish();
        Ok(self.deferred_deletion(&removed))
    }

    fn restart_at(&mut self, start_offset: i64, removed: &[Arc<Segment>]) -> Result<(), LogError> {
        self.shared.announce_cut();
        self.unflushed.truncations += 1;
        self.unflushed.names += 1;
        self.recovery_point = self.recovery_point.min(start_offset);
        self.snapshots.remove_if(&*self.home.disk, &self.home.dir(), |_| true)?;
        for segment in removed.iter().rev() {
            segment.set_stage(Stage::Deleted)?;
            self.home.sync()?;
        }
        let writer = SegmentWriter::create(&self.home, start_offset, Stage::Live, self.latest_ms)?;
        self.home.sync()?;
        self.segments = [Arc::clone(writer.segment())].into();
        self.active = writer;
        self.producers.reset(start_offset);
        self.log_start_offset = start_offset;
        self.log_end_offset = start_offset;
        self.high_watermark = start_offset;
        Ok(())
    }

    /// Moves the log start offset up to `offset`; a follower's may pass its high watermark, which then moves
    /// along. Whole segments below it are deleted by the next [`apply_retention`](Self::apply_retention).
    /// Returns whether it moved.
    ///
    /// An offset behind the log end is left to [`truncate_fully`](Self::truncate_fully).
    ///
    /// # Errors
    /// [`LogError::Offline`].
    pub fn advance_log_start(&mut self, offset: i64) -> Result<bool, LogError> {
        self.health.check()?;
        let offset = offset.min(self.log_end_offset);
        if offset <= self.log_start_offset {
            return Ok(false);
        }
        self.raise_log_start(offset);
        self.publish();
        Ok(true)
    }

    /// Writes nothing: deleting must work on a full disk, and opening derives the epochs from the log start.
    pub(crate) fn raise_log_start(&mut self, offset: i64) {
        self.change_epochs(|epochs| epochs.truncate_from_start(offset));
        self.log_start_offset = offset;
        self.high_watermark = self.high_watermark.max(offset);
        self.producers.on_log_start_offset(offset);
    }

    pub(crate) fn deferred_deletion(&self, removed: &[Arc<Segment>]) -> DeferredDeletion {
        let files = removed.iter().flat_map(|segment| segment.paths()).collect();
        DeferredDeletion::new(files, self.config.file_delete_delay_ms)
    }
}

#[cfg(test)]
mod tests {
    use rkafka_record::BatchOptions;

    use crate::config::LogConfig;
    use crate::testing::{NOW_MS, TestLog, batch, config, from_producer, options};

    /// Batches 0-2, 3-5, … of epochs 1, 2, …, two to a segment, by an idempotent producer.
    fn six_batches() -> TestLog {
        let mut test = TestLog::new(LogConfig { index_interval_bytes: 0, ..config() });
        for number in 0..6 {
            if number > 0 && number % 2 == 0 {
                test.log.roll(NOW_MS).expect("rolls");
            }
            let options = BatchOptions {
                base_offset: 3 * number,
                partition_leader_epoch: number as i32 + 1,
                ..from_producer(5, 3 * number as i32, false)
            };
            let records = [(NOW_MS + number, None, "value"); 3];
            test.log.append_follower(&batch(options, &records), NOW_MS).expect("appends");
        }
        assert_eq!(test.base_offsets(), [0, 6, 12]);
        test
    }

    /// What is left after truncating to `offset`, at once and after a kill.
    fn check(offset: i64, end: i64, segments: &[i64]) {
        let mut test = six_batches();
        let deletion = test.log.truncate_to(offset).expect("truncates");
        let state = |test: &TestLog| {
            test.log.check_invariants();
            let sequence = test.log.producers().get(5).map(crate::producer::ProducerEntry::last_sequence);
            let epoch = test.log.epochs().latest_epoch();
            (
                test.log.log_end_offset(),
                test.base_offsets(),
                test.batches_from(0).len() as i64,
                sequence,
                epoch,
            )
        };
        let last_epoch = (end > 0).then(|| (end as i32 + 2) / 3);
        let expected = (end, segments.to_vec(), end / 3, (end > 0).then(|| end as i32 - 1), last_epoch);
        assert_eq!(state(&test), expected, "to {offset}");
        deletion.run(&test.disk).expect("removes");
        let recovered = test.reopened(options());
        assert_eq!(state(&recovered), expected, "to {offset}, then killed");
        assert_eq!(recovered.report.bytes_truncated, 0);
    }

    #[test]
    fn batches_from_the_offset_on_are_gone_with_all_that_they_left() {
        check(18, 18, &[0, 6, 12]);
        check(15, 15, &[0, 6, 12]);
        check(12, 12, &[0, 6, 12]);
        check(9, 9, &[0, 6]);
        check(6, 6, &[0, 6]);
        check(3, 3, &[0]);
        check(0, 0, &[0]);
    }

    #[test]
    fn a_batch_that_spans_the_offset_goes_as_a_whole() {
        check(17, 15, &[0, 6, 12]);
        check(13, 12, &[0, 6, 12]);
        check(4, 3, &[0]);
        check(1, 0, &[0]);
    }

    #[test]
    fn truncated_records_never_come_back() {
        let mut test = six_batches();
        let _ = test.log.truncate_to(6).expect("truncates");
        test.append(&batch(BatchOptions::default(), &[(NOW_MS, None, "new")]));
        let test = test.reopened(options());
        assert_eq!(test.batches_from(0), [(0, 2), (3, 5), (6, 6)]);
        let entries: Vec<_> = test.log.epochs().entries().iter().map(|e| (e.epoch, e.start_offset)).collect();
        assert_eq!(entries, [(1, 0), (2, 3)], "the leader's epoch was not newer");
    }

    #[test]
    fn a_segment_that_is_being_sent_is_truncated_by_a_copy_and_readers_keep_the_old_bytes() {
        let mut test = six_batches();
        let limits =
            crate::ReadLimits { max_bytes: 1 << 20, upper_offset: i64::MAX, at_least_one_batch: true };
        let held = test.log.reader().read(12, limits).expect("reads").slice.expect("batches");
        let _ = test.log.truncate_to(15).expect("truncates");
        assert_eq!(crate::testing::offsets(&held.bytes().expect("reads")), [(12, 14), (15, 17)]);
        assert_eq!(test.batches_from(9), [(9, 11), (12, 14)]);
        test.append(&batch(from_producer(5, 15, false), &[(NOW_MS, None, "new")]));
        assert_eq!(test.batches_from(12), [(12, 14), (15, 15)]);
        assert_eq!(crate::testing::offsets(&held.bytes().expect("reads")), [(12, 14), (15, 17)]);
        assert!(!test.names().iter().any(|name| name.ends_with(".tmp")), "{:?}", test.names());
    }

    #[test]
    fn a_log_cut_inside_a_gap_ends_where_its_batches_do() {
        let mut test = six_batches();
        let options = BatchOptions { partition_leader_epoch: 7, ..from_producer(5, 18, false) };
        // As a leader sends them that has compacted 18 to 99 away.
        let options = BatchOptions { base_offset: 100, ..options };
        test.log.append_follower(&batch(options, &[(NOW_MS, None, "value")]), NOW_MS).expect("appends");
        let _ = test.log.truncate_to(50).expect("truncates");
        assert_eq!(test.log.log_end_offset(), 18);
        test.log.roll(NOW_MS).expect("rolls");
        test.append_plain(1, 10);
        let test = test.reopened(crate::testing::options());
        assert_eq!((test.log.log_end_offset(), test.report.segments_removed), (19, 0));
    }

    #[test]
    fn what_was_found_in_a_log_cut_meanwhile_is_not_believed() {
        let test = std::cell::RefCell::new(six_batches());
        let reader = test.borrow().log.reader();
        // Cut, and written anew, between loading the view and looking at the file.
        let read = reader.read_below(13, 1 << 20, true, |view| {
            let mut test = test.borrow_mut();
            if test.log.log_end_offset() == view.log_end_offset {
                let _ = test.log.truncate_to(12).expect("truncates");
                test.append_plain(6, 100);
            }
            i64::MAX
        });
        assert!(read.expect("in range").slice.is_none());
    }

    #[test]
    fn truncating_moves_marks_down() {
        let mut test = six_batches();
        test.log.update_high_watermark(18);
        test.log.flush().expect("flushes");
        assert_eq!(test.log.recovery_point(), 18);
        let _ = test.log.truncate_to(9).expect("truncates");
        assert_eq!((test.log.high_watermark(), test.log.recovery_point()), (9, 9));
        assert_eq!(test.log.view().high_watermark, 9);
    }

    #[test]
    fn everything_can_go_and_the_log_begins_elsewhere() {
        for start in [0, 4, 18, 1000] {
            let mut test = six_batches();
            test.log.truncate_fully(start).expect("truncates").run(&test.disk).expect("removes");
            let check = |test: &TestLog| {
                test.log.check_invariants();
                let view = test.log.view();
                assert_eq!(
                    (view.log_start_offset, view.high_watermark, view.log_end_offset),
                    (start, start, start)
                );
                assert_eq!((test.base_offsets(), view.leader_epoch()), (vec![start], -1));
                assert!(test.log.producers().is_empty());
            };
            check(&test);
            let mut test = test.reopened(options());
            check(&test);
            test.append_plain(1, 10);
            assert_eq!(test.batches_from(start), [(start, start)]);
        }
    }

    #[test]
    fn epochs_without_a_record_are_forgotten_by_truncating_to_the_end() {
        let mut test = six_batches();
        test.log.assign_epoch(9).expect("assigned");
        assert_eq!(test.log.view().leader_epoch(), 9);
        let _ = test.log.truncate_to(18).expect("nothing to truncate");
        assert_eq!(test.log.view().leader_epoch(), 6);
        assert_eq!(test.log.view().end_offset_for_epoch(5).end_offset, 15);
    }
}
