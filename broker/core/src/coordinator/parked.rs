//! Completions that wait until the log is committed up to an offset, or their time is up.

use std::collections::BTreeMap;

use crate::group::Completion;
use crate::time::DeadlineQueue;

/// Where a completion waits: the offset the high watermark must reach, and its turn among those of that offset.
type Place = (i64, u64);

/// All that waits for the high watermark of one shard.
#[derive(Debug, Default)]
pub(super) struct Parked {
    completions: BTreeMap<Place, Completion>,
    deadlines: DeadlineQueue<Place>,
    next_turn: u64,
}

impl Parked {
    /// Parks until the high watermark is at least `offset`, at the longest until `deadline_ms`.
    pub(super) fn park(&mut self, offset: i64, deadline_ms: u64, completion: Completion) {
        let place = (offset, self.next_turn);
        self.next_turn += 1;
        self.completions.insert(place, completion);
        self.deadlines.schedule(place, deadline_ms);
    }

    /// Takes out the next one that the high watermark lets go, in order of offset.
    pub(super) fn pop_committed(&mut self, high_watermark: i64) -> Option<Completion> {
        let first = self.completions.first_entry()?;
        if first.key().0 > high_watermark {
            return None;
        }
        self.deadlines.cancel(first.key());
        Some(first.remove())
    }

    /// Takes out one whose time is up.
    pub(super) fn pop_expired(&mut self, mono_ms: u64) -> Option<Completion> {
        let place = self.deadlines.pop_due(mono_ms)?;
        self.completions.remove(&place)
    }

    /// Takes out the next one, whatever it waits for.
    pub(super) fn pop(&mut self) -> Option<Completion> {
        self.pop_committed(i64::MAX)
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.next_deadline()
    }

    /// Panics if a completion waits that should not, or a deadline is nobody's.
    pub(super) fn check_invariants(&self, high_watermark: i64) {
        assert_eq!(self.completions.len(), self.deadlines.len(), "deadlines of what is parked");
        if let Some(((offset, _), completion)) = self.completions.first_key_value() {
            assert!(*offset > high_watermark, "{completion:?} waits for {offset} at {high_watermark}");
        }
    }
}
