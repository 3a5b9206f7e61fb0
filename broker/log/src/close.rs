//! Ends of a log: an orderly stop, and deletion.

use crate::error::LogError;
use crate::log::Log;
use crate::producer::ProducerStates;

impl Log {
    /// Orderly end: everything durable, a producer snapshot at the log end, indexes cut to their entries,
    /// spare space given back. After all logs of a directory have been closed so, its clean shutdown marker
    /// may be written.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(mut self) -> Result<(), LogError> {
        self.finish()?;
        self.flush()
    }

    /// [`close`](Self::close) without making anything durable: for a node that closes thousands of logs and
    /// then calls [`LogDirs::sync`](crate::dirs::LogDirs::sync) once. Only after that the recovery point is
    /// the log end, and the clean shutdown marker may be written.
    ///
    /// # Errors
    /// The disk's.
    pub fn close_unsynced(mut self) -> Result<(), LogError> {
        self.finish()
    }

    /// Writes what an orderly end leaves.
    fn finish(&mut self) -> Result<(), LogError> {
        self.health.check()?;
        // A segment that was not touched is as the last close or recovery left it.
        if self.active.is_open() {
            let sealed = self.active.seal();
            self.health.watch(sealed)?;
        }
        let snapshot = self.leave_snapshot();
        self.health.watch(snapshot)
    }

    /// Leaves a snapshot at the log end and removes those that are of no use any more. Without producers and
    /// without an older snapshot the next start knows that there are none.
    fn leave_snapshot(&mut self) -> Result<(), LogError> {
        let end = self.log_end_offset;
        if self.producers.first_unstable_offset() != self.producers.first_undecided_offset() {
            return self.leave_older_snapshot();
        }
        if (self.producers.is_empty() && self.snapshots.is_empty()) || self.snapshots.contains(end) {
            return Ok(());
        }
        self.unflushed.names += 1;
        self.snapshots.write(&*self.home.disk, &self.home.dir(), &self.producers)?;
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        let stray = |offset: i64| offset != end && !bases.contains(&offset);
        self.snapshots.remove_if(&*self.home.disk, &self.home.dir(), stray)?;
        Ok(())
    }

    /// A transaction has ended above the high watermark, which a snapshot cannot say: the next start must
    /// read that from the log, or it would take the transaction's records for stable.
    fn leave_older_snapshot(&mut self) -> Result<(), LogError> {
        let high_watermark = self.high_watermark;
        self.unflushed.names += 1;
        self.snapshots.remove_if(&*self.home.disk, &self.home.dir(), |offset| offset > high_watermark)?;
        if self.snapshots.is_empty() {
            // Every roll writes one, so nothing was rolled yet: there were no producers before the first
            // segment.
            let first_base = self.segments.first().map_or(0, |first| first.base_offset());
            self.snapshots.write(&*self.home.disk, &self.home.dir(), &ProducerStates::new(first_base))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rkafka_record::BatchOptions;

    use crate::config::LogConfig;
    use crate::disk::mem::CallKind;
    use crate::testing::{NOW_MS, TestLog, batch, config, from_producer};

    #[test]
    fn after_an_orderly_stop_nothing_is_scanned_and_everything_is_known() {
        let mut test = TestLog::new(LogConfig { segment_bytes: 3000, index_interval_bytes: 200, ..config() });
        for number in 0..40 {
            test.append(&batch(
                from_producer(number % 3, number as i32 / 3, false),
                &[(NOW_MS, None, &"v".repeat(100))],
            ));
        }
        let (producers, spans) = (test.log.producers().encode_snapshot(), test.batches_from(0));
        let mut test = test.restarted();
        assert_eq!(test.report, crate::RecoveryReport::default());
        assert_eq!(test.log.producers().encode_snapshot(), producers);
        assert_eq!((test.batches_from(0), test.log.log_end_offset()), (spans, 40));
        assert_eq!(test.log.recovery_point(), 40);
        test.append_plain(40, 100);
        let test = test.restarted();
        assert_eq!(test.batches_from(0).len(), 80);
    }

    #[test]
    fn files_are_left_without_spare_space() {
        let mut test = TestLog::new(LogConfig { index_interval_bytes: 200, ..config() });
        test.append_plain(40, 100);
        let size = test.log.view().size_bytes();
        let disk = test.disk.clone();
        let path = |name: &str| std::path::Path::new(crate::testing::DIR).join(name);
        test.log.close().expect("closes");
        let size_of = |name: &str| disk.contents(&path(name)).expect("there").len() as u64;
        assert_eq!(size_of("00000000000000000000.log"), size);
        let (index, times) =
            (size_of("00000000000000000000.index"), size_of("00000000000000000000.timeindex"));
        assert!((1..320).contains(&index) && index % 8 == 0, "{index}");
        // Each index entry came with a time entry, and the last batch's time was added.
        assert_eq!(times / 12, index / 8 + 1);
    }

    #[test]
    fn a_log_that_was_not_touched_costs_next_to_nothing() {
        let mut test = TestLog::new(config());
        test.append(&batch(BatchOptions::default(), &[(NOW_MS, None, "value")]));
        let disk = test.disk.clone();
        let test = test.restarted();
        let calls = |kind| disk.calls(kind);
        let before = CallKind::ALL.map(calls);
        let test = test.restarted();
        let spent: Vec<_> =
            CallKind::ALL.iter().zip(before).map(|(kind, before)| (*kind, calls(*kind) - before)).collect();
        let total: u64 = spent.iter().map(|(_, calls)| calls).sum();
        assert!(total <= 12, "{spent:?}");
        assert!(spent.contains(&(CallKind::Write, 0)), "{spent:?}");
        drop(test);
    }

    #[test]
    fn leading_and_restarting_an_idle_log_costs_no_write() {
        let mut test = TestLog::new(config());
        test.append_plain(3, 10);
        let disk = test.disk.clone();
        let mut test = test.restarted();
        let calls = || [CallKind::Write, CallKind::Sync, CallKind::Rename].map(|kind| disk.calls(kind));
        let before = calls();
        for epoch in 2..5 {
            test.log.assign_epoch(epoch).expect("noted");
            test.log.assign_epoch(epoch + 10).expect("noted");
            test = test.restarted();
            assert_eq!(test.log.view().leader_epoch(), 1, "nobody wrote in a later one");
        }
        assert_eq!(calls(), before);
        test.log.assign_epoch(7).expect("noted");
        assert_eq!(test.log.view().leader_epoch(), 7);
        let batch = batch(
            BatchOptions { base_offset: 3, partition_leader_epoch: 7, ..Default::default() },
            &[(NOW_MS, None, "value")],
        );
        test.log.append_follower(&batch, NOW_MS).expect("appends");
        let test = test.restarted();
        let epochs: Vec<_> = test.log.epochs().entries().iter().map(|e| (e.epoch, e.start_offset)).collect();
        assert_eq!(epochs, [(1, 0), (7, 3)]);
    }
}
