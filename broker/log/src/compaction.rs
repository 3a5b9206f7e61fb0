//! Replacing segments by compacted ones; what to keep is decided in [`crate::cleaner`].
//!
//! The steps, each durable before the next begins, so that a crash at any point leaves the old segments or
//! the new ones ([`crate::leftovers`]): the new files lose `.cleaned` for `.swap`; the old files get
//! `.deleted`; the new files lose `.swap`.

use std::sync::Arc;

use crate::deletion::DeferredDeletion;
use crate::error::LogError;
use crate::files::Stage;
use crate::log::Log;
use crate::segment::Segment;

impl Log {
    /// Segments that are not written any more, by base offset.
    pub fn sealed_segments(&self) -> &[Arc<Segment>] {
        self.segments.split_last().map_or(&[], |(_, sealed)| sealed)
    }

    /// Puts `new` (stage `.cleaned`, sealed and synced, by base offset, at least one) in the place of `old`,
    /// which must be neighbours in the log. Returns `None`, with the new files to be removed by the caller,
    /// if the old ones are not all in the log any more (retention or truncation came between).
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn replace_segments(
        &mut self,
        old: &[Arc<Segment>],
        new: &[Arc<Segment>],
    ) -> Result<Option<DeferredDeletion>, LogError> {
        self.health.check()?;
        let Some(first) = self.position_of(old) else { return Ok(None) };
        let behind = first + old.len();
        let replaced = self.replace(old, new, first, behind);
        self.health.watch(replaced)?;
        Ok(Some(self.deferred_deletion(old)))
    }

    /// Where `old` stands among the sealed segments, if all of it still does.
    fn position_of(&self, old: &[Arc<Segment>]) -> Option<usize> {
        let sealed = self.sealed_segments();
        let first = sealed.iter().position(|segment| Arc::ptr_eq(segment, old.first().unwrap_or(segment)))?;
        let there = sealed.get(first..first + old.len())?;
        let all = there.iter().zip(old).all(|(a, b)| Arc::ptr_eq(a, b));
        (all && !old.is_empty()).then_some(first)
    }

    fn replace(
        &mut self,
        old: &[Arc<Segment>],
        new: &[Arc<Segment>],
        first: usize,
        behind: usize,
    ) -> Result<(), LogError> {
        // Highest first: while one is still `.cleaned`, those above it count as unfinished.
        for segment in new.iter().rev() {
            segment.set_stage(Stage::Swap)?;
        }
        self.sync_names()?;
        let kept =
            |range: std::ops::Range<usize>| self.segments.get(range).unwrap_or_default().iter().cloned();
        let segments = kept(0..first).chain(new.iter().cloned()).chain(kept(behind..self.segments.len()));
        self.segments = segments.collect::<Vec<_>>().into();
        self.publish();
        for segment in old {
            segment.set_stage(Stage::Deleted)?;
        }
        self.sync_names()?;
        for segment in new {
            segment.set_stage(Stage::Live)?;
        }
        let gone = |offset| {
            let has =
                |segments: &[Arc<Segment>]| segments.iter().any(|segment| segment.base_offset() == offset);
            has(old) && !has(new)
        };
        self.snapshots.remove_if(&*self.home.disk, &self.home.dir(), gone)?;
        self.sync_names()
    }

    fn sync_names(&self) -> Result<(), LogError> {
        mutant!("no-dir-sync", self.home.sync(), Ok(()))
    }
}
