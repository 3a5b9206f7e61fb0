//! One fetcher: all partitions that this broker follows from one leader broker, in one fetch session (KIP-227).
//!
//! It plans what the next request asks for and keeps the session's numbers; what is done with the answer's
//! partitions is [`super::follower`]'s. One request is under way at a time. Positions are read from the logs
//! when a request is planned, never remembered: a log that was cut meanwhile is asked for from its new end, with
//! the epoch it then ends with (KAFKA-15510).

use std::collections::BTreeMap;

use crate::ids::{BrokerId, PartitionId};
use crate::session::{FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION, PartitionFetch};

use super::follower::LogPosition;

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPlan {
    /// The session, or 0.
    pub session_id: i32,
    /// Its epoch: 0 opens one.
    pub session_epoch: i32,
    /// Partitions that are new to the session or whose position changed.
    pub partitions: Vec<(PartitionId, PartitionFetch)>,
    /// Partitions that leave the session.
    pub forgotten: Vec<PartitionId>,
}

/// One partition that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Followed {
    leader_epoch: i32,
    /// Not asked for before (monotonic milliseconds).
    retry_at_ms: u64,
}

/// The fetcher of one source broker. Owned by one task; a new registration of the source is a new fetcher.
#[derive(Debug, Clone)]
pub struct Fetcher {
    source: BrokerId,
    /// The most bytes of one partition (`replica.fetch.max.bytes`).
    max_bytes: i32,
    followed: BTreeMap<PartitionId, Followed>,
    session_id: i32,
    session_epoch: i32,
    /// What the session asks for, as the source knows it.
    in_session: BTreeMap<PartitionId, PartitionFetch>,
}

impl Fetcher {
    /// A fetcher without partitions.
    #[must_use]
    pub fn new(source: BrokerId, max_bytes: i32) -> Self {
        Fetcher {
            source,
            max_bytes,
            followed: BTreeMap::new(),
            session_id: NO_SESSION,
            session_epoch: INITIAL_EPOCH,
            in_session: BTreeMap::new(),
        }
    }

    /// From whom it fetches.
    #[must_use]
    pub fn source(&self) -> BrokerId {
        self.source
    }

    /// Follows the partition in this leader epoch from now on.
    pub fn follow(&mut self, partition: PartitionId, leader_epoch: i32) {
        let same = self.followed.get(&partition).is_some_and(|known| known.leader_epoch == leader_epoch);
        if !same {
            self.followed.insert(partition, Followed { leader_epoch, retry_at_ms: 0 });
        }
    }

    /// Follows it no more.
    pub fn unfollow(&mut self, partition: PartitionId) {
        self.followed.remove(&partition);
    }

    /// In which leader epoch a partition is followed here.
    #[must_use]
    pub fn leader_epoch(&self, partition: PartitionId) -> Option<i32> {
        self.followed.get(&partition).map(|followed| followed.leader_epoch)
    }

    /// The partitions followed here.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.followed.keys().copied()
    }

    /// Whether nothing is followed here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.followed.is_empty()
    }

    /// The next request. `position` is where a partition's log stands; a partition without one (its disk failed) is
    /// left out. `None` if there is nothing to ask for now.
    pub fn plan(
        &mut self,
        now_ms: u64,
        position: impl Fn(PartitionId) -> Option<LogPosition>,
    ) -> Option<FetchPlan> {
        let mut wanted = BTreeMap::new();
        for (id, followed) in &self.followed {
            if followed.retry_at_ms <= now_ms
                && let Some(position) = position(*id)
            {
                wanted.insert(*id, position.fetch(followed.leader_epoch, self.max_bytes));
            }
        }
        if wanted.is_empty() {
            // The session stays as it is for when there is something to ask: a new one each time (all are throttled, or
            // back off) would push out those of others at the source.
            return None;
        }
        if self.session_epoch == INITIAL_EPOCH {
            self.in_session.clear();
        }
        let news = wanted.iter().filter(|(id, fetch)| self.in_session.get(id) != Some(fetch));
        let partitions: Vec<_> = news.map(|(id, fetch)| (*id, *fetch)).collect();
        let gone = self.in_session.keys().filter(|id| !wanted.contains_key(id));
        let forgotten: Vec<_> = gone.copied().collect();
        self.in_session = wanted;
        Some(FetchPlan {
            session_id: self.session_id,
            session_epoch: self.session_epoch,
            partitions,
            forgotten,
        })
    }

    /// When a partition that backed off may be asked for again (monotonic milliseconds), if any has.
    #[must_use]
    pub fn next_retry(&self, now_ms: u64) -> Option<u64> {
        let later = self.followed.values().map(|followed| followed.retry_at_ms);
        later.filter(|at_ms| *at_ms > now_ms).min()
    }

    /// What was asked for a partition in the request under way.
    #[must_use]
    pub fn asked(&self, partition: PartitionId) -> Option<&PartitionFetch> {
        self.in_session.get(&partition)
    }

    /// The source answered, in this session (0: it keeps none).
    pub fn on_answered(&mut self, session_id: i32) {
        if session_id == NO_SESSION {
            self.reset();
            return;
        }
        self.session_id = session_id;
        self.session_epoch = match self.session_epoch {
            i32::MAX | FINAL_EPOCH => 1,
            epoch => epoch + 1,
        };
    }

    /// No answer came, or the session is not known there: the next request opens another.
    pub fn reset(&mut self) {
        self.session_id = NO_SESSION;
        self.session_epoch = INITIAL_EPOCH;
        self.in_session.clear();
    }

    /// The partition is not asked for before `at_ms`.
    pub fn back_off(&mut self, partition: PartitionId, at_ms: u64) {
        if let Some(followed) = self.followed.get_mut(&partition) {
            followed.retry_at_ms = at_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TopicId;

    fn partition(index: i32) -> PartitionId {
        PartitionId { topic: TopicId([7; 16]), index }
    }

    fn at(end: i64) -> LogPosition {
        LogPosition { log_start_offset: 0, log_end_offset: end, high_watermark: 0, last_epoch: 1 }
    }

    /// Three partitions in a session of which the source has answered the first request.
    fn fetcher() -> Fetcher {
        let mut fetcher = Fetcher::new(BrokerId(2), 100);
        (0..3).for_each(|index| fetcher.follow(partition(index), 4));
        let plan = fetcher.plan(0, |_| Some(at(5))).expect("three partitions");
        assert_eq!((plan.session_id, plan.session_epoch, plan.partitions.len()), (0, 0, 3));
        assert_eq!(plan.partitions[0].1, at(5).fetch(4, 100));
        fetcher.on_answered(77);
        fetcher
    }

    #[test]
    fn only_positions_that_changed_are_sent_in_a_session() {
        let mut fetcher = fetcher();
        let moved = |id: PartitionId| Some(at(if id.index == 1 { 8 } else { 5 }));
        let plan = fetcher.plan(0, moved).expect("three partitions");
        assert_eq!((plan.session_id, plan.session_epoch), (77, 1));
        assert_eq!(plan.partitions, [(partition(1), at(8).fetch(4, 100))]);
        fetcher.on_answered(77);
        let plan = fetcher.plan(0, moved).expect("three partitions");
        assert_eq!((plan.session_epoch, plan.partitions.len(), plan.forgotten.len()), (2, 0, 0));
    }

    #[test]
    fn a_new_leader_epoch_is_news() {
        let mut fetcher = fetcher();
        fetcher.follow(partition(2), 4);
        fetcher.follow(partition(0), 6);
        let plan = fetcher.plan(0, |_| Some(at(5))).expect("three partitions");
        assert_eq!(plan.partitions, [(partition(0), at(5).fetch(6, 100))]);
    }

    #[test]
    fn partitions_leave_the_session_and_come_back() {
        let mut fetcher = fetcher();
        fetcher.unfollow(partition(0));
        fetcher.back_off(partition(1), 50);
        let plan = fetcher.plan(49, |_| Some(at(5))).expect("one partition");
        assert_eq!(plan.forgotten, [partition(0), partition(1)]);
        assert_eq!(fetcher.next_retry(49), Some(50));
        fetcher.on_answered(77);
        let plan = fetcher.plan(50, |_| Some(at(5))).expect("two partitions");
        assert_eq!((plan.partitions.len(), plan.forgotten.len()), (1, 0));
        assert_eq!(plan.partitions[0].0, partition(1));
    }

    #[test]
    fn without_an_answer_everything_is_asked_again() {
        for failed in [true, false] {
            let mut fetcher = fetcher();
            drop(fetcher.plan(0, |_| Some(at(6))));
            if failed {
                fetcher.reset();
            } else {
                fetcher.on_answered(NO_SESSION);
            }
            let plan = fetcher.plan(0, |_| Some(at(6))).expect("three partitions");
            assert_eq!((plan.session_id, plan.session_epoch, plan.partitions.len()), (0, 0, 3));
        }
    }

    #[test]
    fn a_session_outlasts_a_time_in_which_nothing_may_be_asked() {
        let mut fetcher = fetcher();
        for _ in 0..3 {
            assert_eq!(fetcher.plan(0, |_| None), None, "all are throttled");
        }
        let plan = fetcher.plan(0, |id| (id.index < 2).then(|| at(5))).expect("two partitions");
        assert_eq!((plan.session_id, plan.session_epoch), (77, 1));
        assert_eq!((plan.partitions, plan.forgotten), (Vec::new(), vec![partition(2)]));
    }

    #[test]
    fn nothing_to_follow_is_nothing_to_ask() {
        let mut fetcher = fetcher();
        assert_eq!(fetcher.plan(0, |_| None), None);
        (0..3).for_each(|index| fetcher.unfollow(partition(index)));
        assert!(fetcher.is_empty());
        assert_eq!(fetcher.plan(0, |_| Some(at(5))), None);
    }
}
