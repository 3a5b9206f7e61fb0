//! What a follower does with the answer to its fetch of one partition.
//!
//! Pure decisions; the log itself is the shell's. The order matters and is the one of [`FollowerStep`]: a log
//! that diverges is cut and nothing else is taken from that answer, above all no high watermark
//! (KAFKA-14704); records are appended before the high watermark moves, and it never passes the log's end.

use crate::session::PartitionFetch;

use super::divergence::{EpochEnd, truncation_offset};

/// Where a replica's log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// The first offset.
    pub log_start_offset: i64,
    /// The next offset.
    pub log_end_offset: i64,
    /// What is known to be committed.
    pub high_watermark: i64,
    /// The newest leader epoch in the log, even of one without a record; -1 if none.
    pub last_epoch: i32,
}

impl LogPosition {
    /// What to ask the leader of `leader_epoch` for.
    #[must_use]
    pub fn fetch(&self, leader_epoch: i32, max_bytes: i32) -> PartitionFetch {
        PartitionFetch {
            fetch_offset: self.log_end_offset,
            max_bytes,
            current_leader_epoch: leader_epoch,
            last_fetched_epoch: self.last_epoch,
            log_start_offset: self.log_start_offset,
        }
    }
}

/// Why a leader gave no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchError {
    /// The offset lies outside the leader's log (1).
    OffsetOutOfRange,
    /// The leader knows a newer leader epoch (74), or leads no more (6): the next image tells who does.
    Moved,
    /// Anything else: the leader has not seen the image yet (75, 3, 100), or its disk fails (56).
    Other,
}

/// One partition of a fetch's answer, without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchedPartition {
    /// What went wrong.
    pub error: Option<FetchError>,
    /// The leader's high watermark; -1 if it does not say.
    pub high_watermark: i64,
    /// The leader's log start offset; -1 if it does not say. An rkafka leader says it even if the offset is out
    /// of range, which spares a ListOffsets.
    pub log_start_offset: i64,
    /// Where the logs part, if they do.
    pub diverging: Option<EpochEnd>,
}

/// What to do with the local log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowerStep {
    /// Append the records, if there are any; then raise the high watermark and the log start offset to these, each
    /// to the log end at most.
    Append {
        /// The leader's high watermark.
        high_watermark: i64,
        /// The leader's log start offset.
        log_start_offset: i64,
    },
    /// Cut the log to end at this offset and fetch again.
    Truncate {
        /// The new log end.
        offset: i64,
        /// The high watermark to take from this answer: none, if the answer is not to be trusted with one.
        high_watermark: Option<i64>,
    },
    /// Throw the log away and begin at this offset: the leader has nothing older.
    RestartAt {
        /// The new log start and end.
        offset: i64,
    },
    /// Ask again after a while.
    BackOff,
    /// The answer is to a question that is no longer asked.
    Ignore,
}

/// Decides on the answer to `asked`. `log` is where the log stands now, `end_of` where an epoch ends in it.
pub fn on_answer(
    answer: &FetchedPartition,
    asked: &PartitionFetch,
    log: &LogPosition,
    end_of: impl FnOnce(i32) -> EpochEnd,
) -> FollowerStep {
    if asked.fetch_offset != log.log_end_offset || asked.last_fetched_epoch != log.last_epoch {
        return FollowerStep::Ignore;
    }
    match answer.error {
        None => {}
        Some(FetchError::OffsetOutOfRange) => return out_of_range(answer, log),
        Some(FetchError::Moved | FetchError::Other) => return FollowerStep::BackOff,
    }
    if let Some(leader) = answer.diverging {
        let offset = truncation_offset(leader, log.log_end_offset, end_of);
        let high_watermark = mutant!("high-watermark-of-diverging", None, Some(answer.high_watermark));
        return FollowerStep::Truncate { offset, high_watermark };
    }
    FollowerStep::Append { high_watermark: answer.high_watermark, log_start_offset: answer.log_start_offset }
}

/// The leader has deleted what this log ends with, or this log is empty and was at a place of its own.
fn out_of_range(answer: &FetchedPartition, log: &LogPosition) -> FollowerStep {
    let leader_start = answer.log_start_offset;
    let behind = log.log_end_offset < leader_start;
    let empty = log.log_start_offset == log.log_end_offset;
    if leader_start >= 0 && (behind || empty) {
        return FollowerStep::RestartAt { offset: leader_start };
    }
    FollowerStep::BackOff
}

/// Where a replica that begins to follow cuts its log before its first fetch: nowhere. Its tail may be
/// committed; only the new leader can tell (KIP-101).
#[must_use]
pub fn truncation_at_start(log: &LogPosition) -> Option<i64> {
    mutant!("truncate-to-high-watermark", None::<i64>, Some(log.high_watermark))
        .filter(|offset| *offset < log.log_end_offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogPosition =
        LogPosition { log_start_offset: 2, log_end_offset: 10, high_watermark: 8, last_epoch: 3 };

    fn answer() -> FetchedPartition {
        FetchedPartition { error: None, high_watermark: 9, log_start_offset: 4, diverging: None }
    }

    #[track_caller]
    fn check(answer: &FetchedPartition, log: &LogPosition, expected: FollowerStep) {
        let own = |epoch| match epoch {
            3 => EpochEnd { epoch: 3, end_offset: log.log_end_offset },
            2 => EpochEnd { epoch: 1, end_offset: 7 },
            _ => EpochEnd { epoch: -1, end_offset: -1 },
        };
        assert_eq!(on_answer(answer, &log.fetch(5, 1), log, own), expected);
    }

    #[test]
    fn records_come_with_high_watermark_and_log_start() {
        let expected = FollowerStep::Append { high_watermark: 9, log_start_offset: 4 };
        check(&answer(), &LOG, expected);
    }

    #[test]
    fn a_diverging_log_is_cut_and_takes_no_high_watermark() {
        let diverging = |epoch, end_offset| FetchedPartition {
            diverging: Some(EpochEnd { epoch, end_offset }),
            ..answer()
        };
        let cut = |offset| FollowerStep::Truncate { offset, high_watermark: None };
        check(&diverging(3, 6), &LOG, cut(6));
        check(&diverging(2, 9), &LOG, cut(7));
        check(&diverging(9, 1), &LOG, cut(1));
    }

    #[test]
    fn a_log_that_the_leader_has_deleted_begins_anew() {
        let out =
            FetchedPartition { error: Some(FetchError::OffsetOutOfRange), log_start_offset: 12, ..answer() };
        check(&out, &LOG, FollowerStep::RestartAt { offset: 12 });
        let same = FetchedPartition { log_start_offset: 5, ..out };
        check(&same, &LOG, FollowerStep::BackOff);
        let empty = LogPosition { log_start_offset: 10, last_epoch: -1, ..LOG };
        check(&same, &empty, FollowerStep::RestartAt { offset: 5 });
        check(&FetchedPartition { log_start_offset: -1, ..out }, &empty, FollowerStep::BackOff);
    }

    #[test]
    fn other_errors_are_waited_out() {
        for error in [FetchError::Moved, FetchError::Other] {
            check(&FetchedPartition { error: Some(error), ..answer() }, &LOG, FollowerStep::BackOff);
        }
    }

    #[test]
    fn answers_to_earlier_positions_are_ignored() {
        let asked = LogPosition { log_end_offset: 9, ..LOG }.fetch(5, 1);
        let none = |_| EpochEnd { epoch: -1, end_offset: -1 };
        assert_eq!(on_answer(&answer(), &asked, &LOG, none), FollowerStep::Ignore);
        let asked = LogPosition { last_epoch: 2, ..LOG }.fetch(5, 1);
        assert_eq!(on_answer(&answer(), &asked, &LOG, none), FollowerStep::Ignore);
    }

    #[test]
    fn nothing_is_cut_before_the_leader_was_asked() {
        assert_eq!(truncation_at_start(&LOG), None);
    }
}
