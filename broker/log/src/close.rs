//! Ends of a log: an orderly stop, and deletion.

use crate::error::LogError;
use crate::log::Log;
use crate::producer::ProducerStates;

impl Log {
    /// Orderly end: everything durable, a producer snapshot at the log end, indexes cut to their entries, spare space
    /// given back. After all logs of a directory have been closed so, its clean shutdown marker may be written.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(mut self) -> Result<(), LogError> {
        self.health.check()?;
        // A segment that was not touched is as the last close or recovery left it.
        if self.active.is_open() {
            let sealed = self.active.seal();
            self.health.watch(sealed)?;
        }
        let snapshot = self.leave_snapshot();
        self.health.watch(snapshot)?;
        self.flush()
    }

    /// Leaves a snapshot at the log end and removes those that are of no use any more. Without producers and without
    /// an older snapshot the next start knows that there are none.
    fn leave_snapshot(&mut self) -> Result<(), LogError> {
        let end = self.log_end_offset;
        if self.producers.first_unstable_offset() != self.producers.first_undecided_offset() {
            return self.leave_older_snapshot();
        }
        if (self.producers.is_empty() && self.snapshots.is_empty()) || self.snapshots.contains(end) {
            return Ok(());
        }
        self.unflushed.names += 1;
        self.snapshots.write(&*self.disk, &self.dir, &self.producers)?;
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        let stray = |offset: i64| offset != end && !bases.contains(&offset);
        self.snapshots.remove_if(&*self.disk, &self.dir, stray)?;
        Ok(())
    }

    /// A transaction has ended above the high watermark, which a snapshot cannot say: the next start must read that
    /// from the log, or it would take the transaction's records for stable.
    fn leave_older_snapshot(&mut self) -> Result<(), LogError> {
        let high_watermark = self.high_watermark;
        self.unflushed.names += 1;
        self.snapshots.remove_if(&*self.disk, &self.dir, |offset| offset > high_watermark)?;
        if self.snapshots.is_empty() {
            // Every roll writes one, so nothing was rolled yet: there were no producers before the first segment.
            let first_base = self.segments.first().map_or(0, |first| first.base_offset());
            self.snapshots.write(&*self.disk, &self.dir, &ProducerStates::new(first_base))?;
        }
        Ok(())
    }
}
