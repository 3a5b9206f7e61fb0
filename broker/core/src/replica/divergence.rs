//! Where two logs of one partition part: the leader's question and the follower's cure (KIP-101, 279, 595).
//!
//! A follower says with every fetch which epoch its last record has. A leader that knows of another end for
//! that epoch answers with the *diverging epoch* and no records; the follower cuts its log and asks again,
//! until both agree. Logs are never cut to a high watermark: it lags behind what has been acknowledged.

/// An epoch and the offset behind its last record in somebody's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch known that is not above the one asked for; -1 if none.
    pub epoch: i32,
    /// Where it ends; -1 if it is not known.
    pub end_offset: i64,
}

/// What a leader finds when it compares a follower's position with its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The follower's log is a prefix of the leader's.
    Agrees,
    /// It is not: the follower must cut its log by this.
    Diverges(EpochEnd),
    /// The leader has no record of that time any more, or never had (OFFSET_OUT_OF_RANGE).
    OutOfRange,
}

/// A fetcher's position as the leader compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The next offset it wants.
    pub fetch_offset: i64,
    /// The epoch of its last record; -1 if it has none or does not say.
    pub last_fetched_epoch: i32,
}

/// Compares a fetcher's position with a log that starts at `log_start_offset`; `end_of` answers where an epoch
/// ends in that log, as [`EpochEnd`] says.
pub fn compare(
    position: Position,
    log_start_offset: i64,
    end_of: impl FnOnce(i32) -> EpochEnd,
) -> Comparison {
    let Position { fetch_offset, last_fetched_epoch } = position;
    if last_fetched_epoch < 0 {
        return Comparison::Agrees;
    }
    let end = end_of(last_fetched_epoch);
    if end.end_offset < 0 || end.epoch < 0 || fetch_offset < log_start_offset {
        return Comparison::OutOfRange;
    }
    let other_epoch = mutant!("compare-offsets-only", end.epoch < last_fetched_epoch, false);
    if other_epoch || end.end_offset < fetch_offset { Comparison::Diverges(end) } else { Comparison::Agrees }
}

/// To which offset a follower whose log ends at `log_end_offset` cuts it, told by the leader that the logs part
/// at `leader`; `end_of` answers for the follower's own log.
///
/// If the follower does not know the leader's epoch, an older one of its own decides, and the next fetch shows
/// whether that was enough.
pub fn truncation_offset(leader: EpochEnd, log_end_offset: i64, end_of: impl FnOnce(i32) -> EpochEnd) -> i64 {
    let own = end_of(leader.epoch);
    let end = if own.end_offset < 0 || leader.epoch < 0 {
        leader.end_offset
    } else if own.epoch == leader.epoch {
        own.end_offset.min(leader.end_offset)
    } else {
        own.end_offset
    };
    end.min(log_end_offset).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log as (epoch, start offset) pairs and its end.
    fn end_of<'a>(epochs: &'a [(i32, i64)], log_end: i64) -> impl Fn(i32) -> EpochEnd + 'a {
        move |asked| {
            let Some((latest, _)) = epochs.last() else { return EpochEnd { epoch: -1, end_offset: -1 } };
            if asked == *latest {
                return EpochEnd { epoch: asked, end_offset: log_end };
            }
            match epochs.iter().position(|(epoch, _)| *epoch > asked) {
                None => EpochEnd { epoch: -1, end_offset: -1 },
                Some(0) => EpochEnd { epoch: asked, end_offset: epochs[0].1 },
                Some(next) => EpochEnd { epoch: epochs[next - 1].0, end_offset: epochs[next].1 },
            }
        }
    }

    type Log<'a> = (&'a [(i32, i64)], i64);

    /// Fetches and cuts until both agree; where the follower's log ends then.
    fn converge((leader, leader_end): Log<'_>, (follower, mut end): Log<'_>) -> i64 {
        let mut epochs = follower.to_vec();
        for _ in 0..10 {
            let last_fetched_epoch = epochs.last().map_or(-1, |(epoch, _)| *epoch);
            let position = Position { fetch_offset: end, last_fetched_epoch };
            match compare(position, 0, end_of(leader, leader_end)) {
                Comparison::Agrees => return end,
                Comparison::OutOfRange => panic!("{position:?} is not out of range"),
                Comparison::Diverges(parting) => {
                    end = truncation_offset(parting, end, end_of(&epochs, end));
                    epochs.retain(|(_, start)| *start < end);
                }
            }
        }
        panic!("the logs never agree");
    }

    #[test]
    fn logs_that_agree_are_not_cut() {
        assert_eq!(converge((&[(0, 0), (2, 5)], 9), (&[(0, 0), (2, 5)], 7)), 7);
        assert_eq!(converge((&[(0, 0), (2, 5)], 9), (&[(0, 0)], 3)), 3);
        assert_eq!(converge((&[(3, 0)], 0), (&[], 0)), 0);
    }

    #[test]
    fn a_tail_that_the_leader_does_not_have_is_cut_off() {
        assert_eq!(converge((&[(0, 0), (2, 5)], 9), (&[(0, 0)], 8)), 5);
        assert_eq!(converge((&[(0, 0), (2, 5)], 9), (&[(0, 0), (1, 5)], 8)), 5);
        assert_eq!(converge((&[(0, 0), (2, 5)], 9), (&[(0, 0), (1, 3)], 8)), 3);
        assert_eq!(converge((&[(4, 0)], 2), (&[(0, 0), (1, 3)], 8)), 0);
    }

    #[test]
    fn two_fast_fail_overs_do_not_hide_a_divergence() {
        // KIP-279: both have offset 1, of different epochs; the leader has never heard of epoch 1.
        assert_eq!(converge((&[(0, 0), (2, 1)], 3), (&[(0, 0), (1, 1)], 2)), 1);
        // Several rounds: epochs alternate.
        assert_eq!(converge((&[(0, 0), (2, 4), (4, 8)], 9), (&[(0, 0), (1, 2), (3, 6)], 9)), 2);
    }

    #[test]
    fn an_epoch_without_a_record_is_forgotten() {
        assert_eq!(converge((&[(0, 0), (6, 5)], 5), (&[(0, 0), (5, 5)], 5)), 5);
    }

    #[test]
    fn what_the_leader_has_deleted_is_out_of_range() {
        let end = |_| EpochEnd { epoch: 1, end_offset: 20 };
        let position = Position { fetch_offset: 4, last_fetched_epoch: 1 };
        assert_eq!(compare(position, 5, end), Comparison::OutOfRange);
        assert_eq!(compare(position, 4, end), Comparison::Agrees);
        let unknown = |_| EpochEnd { epoch: -1, end_offset: -1 };
        assert_eq!(compare(position, 0, unknown), Comparison::OutOfRange);
        let silent = Position { last_fetched_epoch: -1, ..position };
        assert_eq!(compare(silent, 0, unknown), Comparison::Agrees);
    }
}
