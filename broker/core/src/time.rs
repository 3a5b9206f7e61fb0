//! Time as the pure machines know it: two clocks handed in with every step, and a queue of deadlines.
//!
//! Nothing here reads a clock. The caller takes one [`Now`] per step, so that a step sees one instant, tests choose
//! it, and a jump of the wall clock cannot expire a session: every deadline counts on the monotonic clock.

use std::collections::{BTreeMap, BTreeSet};

/// One instant, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; its zero means nothing. For deadlines and durations.
    pub mono_ms: u64,
    /// Milliseconds since the epoch, as the operator's clock has them; may jump. For what is stored or shown.
    pub wall_ms: i64,
}

/// Deadlines by key, at most one a key, handed out in order of time.
///
/// Owned by one state machine; ties are handed out in the order in which they were scheduled, so that a run is
/// decided by its inputs alone.
#[derive(Debug, Clone)]
pub struct DeadlineQueue<K> {
    by_time: BTreeSet<(u64, u64, K)>,
    by_key: BTreeMap<K, (u64, u64)>,
    next_sequence: u64,
}

impl<K: Ord + Clone> Default for DeadlineQueue<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new(), next_sequence: 0 }
    }
}

impl<K: Ord + Clone> DeadlineQueue<K> {
    /// Sets the deadline of `key` (monotonic milliseconds), in place of an earlier one.
    pub fn schedule(&mut self, key: K, deadline_ms: u64) {
        self.cancel(&key);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.by_time.insert((deadline_ms, sequence, key.clone()));
        self.by_key.insert(key, (deadline_ms, sequence));
    }

    /// Forgets the deadline of `key`; says whether there was one.
    pub fn cancel(&mut self, key: &K) -> bool {
        let Some((key, (deadline_ms, sequence))) = self.by_key.remove_entry(key) else { return false };
        self.by_time.remove(&(deadline_ms, sequence, key))
    }

    /// When `key` is due (monotonic milliseconds).
    #[must_use]
    pub fn deadline(&self, key: &K) -> Option<u64> {
        self.by_key.get(key).map(|(deadline_ms, _)| *deadline_ms)
    }

    /// The earliest deadline (monotonic milliseconds).
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.by_time.first().map(|(deadline_ms, ..)| *deadline_ms)
    }

    /// Takes out the earliest key whose deadline is at or before `mono_ms`.
    pub fn pop_due(&mut self, mono_ms: u64) -> Option<K> {
        if self.next_deadline()? > mono_ms {
            return None;
        }
        let (_, _, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many keys have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_come_in_the_order_of_scheduling() {
        let mut queue = DeadlineQueue::default();
        queue.schedule("z", 5);
        queue.schedule("a", 5);
        queue.schedule("m", 4);
        assert_eq!(queue.next_deadline(), Some(4));
        assert_eq!(queue.pop_due(3), None);
        let due: Vec<_> = std::iter::from_fn(|| queue.pop_due(5)).collect();
        assert_eq!(due, ["m", "z", "a"]);
        assert!(queue.is_empty());
    }

    proptest! {
        /// The queue gives what a plain map of key to deadline gives.
        #[test]
        fn equals_a_map(steps in proptest::collection::vec((0u8..3, 0u8..6, 0u64..50), 1..80)) {
            let mut queue = DeadlineQueue::default();
            let mut model = BTreeMap::new();
            for (step, key, time) in steps {
                match step {
                    0 => {
                        queue.schedule(key, time);
                        model.insert(key, time);
                    }
                    1 => prop_assert_eq!(queue.cancel(&key), model.remove(&key).is_some()),
                    _ => {
                        while let Some(due) = queue.pop_due(time) {
                            let deadline = model.remove(&due);
                            prop_assert!(deadline.is_some_and(|deadline| deadline <= time));
                        }
                        prop_assert!(model.values().all(|deadline| *deadline > time));
                    }
                }
                prop_assert_eq!(queue.next_deadline(), model.values().min().copied());
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.deadline(&key), model.get(&key).copied());
            }
        }
    }
}
