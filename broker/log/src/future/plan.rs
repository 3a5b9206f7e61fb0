//! What a copy must do next to become equal to its log. Pure.
//!
//! The log changes while it is copied: it is appended to, a leader change cuts its end, DeleteRecords and retention
//! cut its start. Leader epochs tell where the copy's history parts from the log's, as between a follower and its
//! leader (KIP-101, KIP-279): an offset of one epoch is one batch.

use crate::epoch::LeaderEpochs;

/// Bounds and leader epochs of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent<'a> {
    pub(super) log_start_offset: i64,
    pub(super) log_end_offset: i64,
    pub(super) epochs: &'a LeaderEpochs,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing of the copy is in the log any more: begin again where the log begins.
    StartAnew { offset: i64 },
    /// The log never had, or no longer has, what follows.
    Truncate { offset: i64 },
    /// Take what the log has behind the copy's end.
    Copy,
    /// Both end at the same offset.
    Nothing,
}

/// Compares a log with its copy.
pub(super) fn next_step(current: Extent<'_>, future: Extent<'_>) -> Step {
    let agreed = agreed_end(current, future);
    let apart = agreed < future.log_start_offset || future.log_start_offset > current.log_start_offset;
    if apart || future.log_end_offset < current.log_start_offset {
        return Step::StartAnew { offset: current.log_start_offset };
    }
    match (agreed < future.log_end_offset, future.log_end_offset < current.log_end_offset) {
        (true, _) => Step::Truncate { offset: agreed },
        (false, true) => Step::Copy,
        (false, false) => Step::Nothing,
    }
}

/// The offset below which both hold the same, as far as leader epochs tell.
fn agreed_end(current: Extent<'_>, future: Extent<'_>) -> i64 {
    let mut end = future.log_end_offset.min(current.log_end_offset);
    for reign in
        future.epochs.entries().iter().rev().filter(|reign| reign.start_offset < future.log_end_offset)
    {
        let known = current.epochs.end_offset_for(reign.epoch, current.log_end_offset);
        if known.epoch == reign.epoch {
            return end.min(known.end_offset);
        }
        // The log knows nothing of that leader.
        end = end.min(reign.start_offset);
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new();
        for (epoch, start_offset) in entries {
            epochs.assign(*epoch, *start_offset);
        }
        epochs
    }

    #[track_caller]
    fn check(current: (i64, i64, &[(i32, i64)]), future: (i64, i64, &[(i32, i64)]), expected: Step) {
        let (of_current, of_future) = (epochs(current.2), epochs(future.2));
        let current = Extent { log_start_offset: current.0, log_end_offset: current.1, epochs: &of_current };
        let future = Extent { log_start_offset: future.0, log_end_offset: future.1, epochs: &of_future };
        assert_eq!(next_step(current, future), expected, "{current:?} {future:?}");
    }

    #[test]
    fn steps() {
        check((0, 0, &[]), (0, 0, &[]), Step::Nothing);
        check((0, 9, &[(1, 0)]), (0, 0, &[]), Step::Copy);
        check((0, 9, &[(1, 0)]), (0, 9, &[(1, 0)]), Step::Nothing);
        // The start was cut behind the copy's end, or the copy begins too late.
        check((7, 9, &[(1, 7)]), (0, 5, &[(1, 0)]), Step::StartAnew { offset: 7 });
        check((0, 9, &[(1, 0)]), (3, 5, &[(1, 3)]), Step::StartAnew { offset: 0 });
        check((5, 9, &[(1, 5)]), (0, 5, &[(1, 0)]), Step::Copy);
        // The end was cut, and something else appended.
        check((0, 4, &[(1, 0)]), (0, 9, &[(1, 0)]), Step::Truncate { offset: 4 });
        check((0, 20, &[(1, 0), (3, 4)]), (0, 9, &[(1, 0)]), Step::Truncate { offset: 4 });
        check((0, 20, &[(1, 0), (3, 4)]), (0, 9, &[(1, 0), (2, 6)]), Step::Truncate { offset: 4 });
        check((0, 20, &[(3, 0)]), (0, 9, &[(1, 0), (2, 6)]), Step::Truncate { offset: 0 });
        check((0, 6, &[(1, 0)]), (0, 9, &[(1, 0), (2, 6)]), Step::Truncate { offset: 6 });
        // A leader that has written nothing yet.
        check((0, 9, &[(1, 0), (4, 9)]), (0, 9, &[(1, 0)]), Step::Nothing);
        // Batches without epochs.
        check((0, 4, &[]), (0, 9, &[]), Step::Truncate { offset: 4 });
    }

    /// The epoch of each offset from 0 on; leaders write in rising epochs.
    fn history(reigns: &[(i32, usize)]) -> Vec<i32> {
        let mut epoch = 0;
        let mut offsets = Vec::new();
        for (step, length) in reigns {
            epoch += step;
            offsets.extend(std::iter::repeat_n(epoch, *length));
        }
        offsets
    }

    fn epochs_of(offsets: &[i32], start: usize) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new();
        for (offset, epoch) in offsets.iter().enumerate() {
            epochs.assign(*epoch, offset as i64);
        }
        epochs.truncate_from_start(start as i64);
        epochs
    }

    proptest! {
        /// Where epochs mean what Kafka's protocol promises, steps lead to an equal copy and never keep what the log
        /// does not hold.
        #[test]
        fn what_is_kept_is_what_both_hold(
            common in prop::collection::vec((1..3, 1_usize..5), 0..4),
            ours in prop::collection::vec((1..3, 1_usize..5), 0..3),
            theirs in prop::collection::vec((1..3, 1_usize..5), 0..3),
            cuts in (0_usize..30, 0_usize..30),
        ) {
            let last: i32 = common.iter().map(|(step, _)| step).sum();
            // Two leaders never share an epoch.
            let branch = |reigns: &[(i32, usize)], odd: i32| -> Vec<i32> {
                let own = history(reigns).into_iter().map(|epoch| last + 2 * epoch + odd);
                history(&common).into_iter().chain(own).collect()
            };
            let (current, future) = (branch(&ours, 0), branch(&theirs, 1));
            let (from, start) = (cuts.0.min(future.len()), cuts.1.min(current.len()));
            let (of_current, of_future) = (epochs_of(&current, start), epochs_of(&future, from));
            let step = next_step(
                Extent { log_start_offset: start as i64, log_end_offset: current.len() as i64, epochs: &of_current },
                Extent { log_start_offset: from as i64, log_end_offset: future.len() as i64, epochs: &of_future },
            );
            let same = |upto: usize| current.get(start..upto.max(start)) == future.get(start..upto.max(start));
            match step {
                Step::StartAnew { offset } => prop_assert_eq!(offset, start as i64),
                Step::Truncate { offset } => {
                    let kept = usize::try_from(offset).expect("not negative");
                    prop_assert!(kept < future.len() && from <= start);
                    prop_assert!(same(kept), "{:?} {:?} {}", current, future, kept);
                }
                Step::Copy => prop_assert!(from <= start && same(future.len())),
                Step::Nothing => prop_assert!(from <= start && current.get(start..) == future.get(start..)),
            }
        }
    }
}
