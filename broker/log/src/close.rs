//! Ends of a log: an orderly stop, and deletion.

use std::path::Path;

use crate::error::LogError;
use crate::log::Log;

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
        if (self.producers.is_empty() && self.snapshots.is_empty()) || self.snapshots.contains(end) {
            return Ok(());
        }
        self.snapshots.write(&*self.disk, &self.dir, &self.producers)?;
        self.unflushed.names += 1;
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        let stray = |offset: i64| offset != end && !bases.contains(&offset);
        self.snapshots.remove_if(&*self.disk, &self.dir, stray)?;
        Ok(())
    }

    /// The log's directory has been renamed (to be deleted, or after a move): it goes on under the new path.
    ///
    /// Files that are open stay open; others are found under the new path.
    pub(crate) fn set_dir(&mut self, dir: &Path) {
        self.dir = dir.to_path_buf();
        self.segments.iter().for_each(|segment| segment.set_dir(dir));
    }
}
