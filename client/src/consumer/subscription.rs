//! What is subscribed to, what is assigned, and how far each partition is: pure, time passed in.
//!
//! ```text
//!             committed offset            no committed offset
//!  Unknown ───────────────────► Check ◄──────────────┐
//!     │                           │ leader epoch fits │ offset found
//!     └──► Reset(where) ──────────┼───────────────────┘
//!             ▲                   ▼
//!             └─ out of range ─ Ready ──► Check (new leader epoch, KIP-320)
//! ```
//! Positions move only while `Ready`. Every assignment, seek and reset gives the partition a new *edition*;
//! answers to questions that were asked for an older edition are dropped, so a late answer never moves a
//! position.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use regex::Regex;

use super::offsets::{OffsetAndMetadata, Position};
use crate::topic_partition::TopicPartition;

/// How partitions come to the consumer.
#[derive(Debug, Clone, Default)]
pub(crate) enum Interest {
    /// Not at all.
    #[default]
    Nothing,
    /// From the group, of these topics.
    Topics(BTreeSet<String>),
    /// From the group, of topics whose whole name matches.
    Pattern(Regex),
    /// As the program says.
    Assigned,
}

/// Where to look for a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResetTo {
    Earliest,
    Latest,
    /// The first record at or after the time so long ago.
    Ago(Duration),
}

/// How far the search for a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The committed offset has to be looked up.
    Unknown,
    /// An offset has to be looked up at the leader.
    Reset(ResetTo),
    /// The leader has to confirm that the position still continues what was read (KIP-320).
    Check(Position),
    /// Records can be fetched from here.
    Ready(Position),
}

/// A partition and how far it is.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub(crate) phase: Phase,
    pub(crate) paused: bool,
    /// The rebalance listener was told, if there is one.
    pub(crate) announced: bool,
    /// Grows with every assignment, seek and reset.
    pub(crate) edition: u64,
    /// A question about the position is under way.
    pub(crate) asking: bool,
    /// Not to be asked about before.
    pub(crate) not_before: Option<Instant>,
    /// The leader epoch that the position was last checked against.
    pub(crate) checked_epoch: Option<i32>,
    /// A replica close by that the leader named, until when (KIP-392).
    pub(crate) preferred_replica: Option<(i32, Instant)>,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) last_stable_offset: Option<i64>,
    pub(crate) log_start_offset: Option<i64>,
}

impl Partition {
    fn new(edition: u64, phase: Phase) -> Partition {
        Partition {
            phase,
            paused: false,
            announced: false,
            edition,
            asking: false,
            not_before: None,
            checked_epoch: None,
            preferred_replica: None,
            high_watermark: None,
            last_stable_offset: None,
            log_start_offset: None,
        }
    }

    /// The position, checked or not.
    pub(crate) fn position(&self) -> Option<Position> {
        match self.phase {
            Phase::Ready(position) | Phase::Check(position) => Some(position),
            Phase::Unknown | Phase::Reset(_) => None,
        }
    }

    /// Whether records may be fetched.
    pub(crate) fn is_fetchable(&self) -> bool {
        matches!(self.phase, Phase::Ready(_)) && !self.paused && self.announced
    }

    fn may_ask(&self, now: Instant) -> bool {
        !self.asking && self.not_before.is_none_or(|at| at <= now)
    }

    /// The replica to read from instead of the leader.
    pub(crate) fn replica(&self, now: Instant) -> Option<i32> {
        self.preferred_replica.filter(|(_, until)| now < *until).map(|(replica, _)| replica)
    }
}

/// The assigned partitions. Owned by the consumer's state, under its lock.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) interest: Interest,
    partitions: BTreeMap<TopicPartition, Partition>,
    editions: u64,
    changes: u64,
}

impl Subscriptions {
    /// Grows whenever a partition comes, goes or gets a new edition.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.partitions.get(partition)
    }

    pub(crate) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        self.partitions.get_mut(partition)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Partition)> {
        self.partitions.iter()
    }

    pub(crate) fn assigned(&self) -> BTreeSet<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Whether partitions come from the group.
    pub(crate) fn is_by_group(&self) -> bool {
        matches!(self.interest, Interest::Topics(_) | Interest::Pattern(_))
    }

    /// Takes over which partitions are assigned; those that stay keep their positions. `announced` tells
    /// whether new ones may be fetched without a listener's leave.
    pub(crate) fn set_assigned(&mut self, wanted: &BTreeSet<TopicPartition>, announced: bool) {
        self.changes += 1;
        self.partitions.retain(|partition, _| wanted.contains(partition));
        for partition in wanted {
            if !self.partitions.contains_key(partition) {
                self.editions += 1;
                let mut state = Partition::new(self.editions, Phase::Unknown);
                state.announced = announced;
                self.partitions.insert(partition.clone(), state);
            }
        }
    }

    /// The partitions may be fetched now.
    pub(crate) fn announce(&mut self) {
        self.partitions.values_mut().for_each(|partition| partition.announced = true);
    }

    pub(crate) fn remove(&mut self, gone: &BTreeSet<TopicPartition>) {
        self.changes += 1;
        self.partitions.retain(|partition, _| !gone.contains(partition));
    }

    /// Moves the position; what was fetched or asked for before is void. False if it is not assigned.
    pub(crate) fn restart(&mut self, partition: &TopicPartition, phase: Phase) -> bool {
        let Some(state) = self.partitions.get_mut(partition) else { return false };
        self.editions += 1;
        self.changes += 1;
        state.edition = self.editions;
        state.phase = phase;
        state.asking = false;
        state.not_before = None;
        state.preferred_replica = None;
        state.checked_epoch = None;
        true
    }

    /// Partitions that wait for the committed offset, marked as being asked about.
    pub(crate) fn take_unknown(&mut self, now: Instant) -> Vec<(TopicPartition, u64)> {
        self.take(now, |phase| (phase == Phase::Unknown).then_some(()))
            .into_iter()
            .map(|(p, e, ())| (p, e))
            .collect()
    }

    /// Partitions that wait for an offset of their leader, marked as being asked about.
    pub(crate) fn take_resets(&mut self, now: Instant) -> Vec<(TopicPartition, u64, ResetTo)> {
        self.take(now, |phase| match phase {
            Phase::Reset(to) => Some(to),
            _ => None,
        })
    }

    /// Partitions whose position has to be checked, marked as being asked about.
    pub(crate) fn take_checks(&mut self, now: Instant) -> Vec<(TopicPartition, u64, Position)> {
        self.take(now, |phase| match phase {
            Phase::Check(position) => Some(position),
            _ => None,
        })
    }

    fn take<T>(
        &mut self,
        now: Instant,
        wanted: impl Fn(Phase) -> Option<T>,
    ) -> Vec<(TopicPartition, u64, T)> {
        let due = self.partitions.iter_mut().filter(|(_, state)| state.may_ask(now));
        due.filter_map(|(partition, state)| {
            let what = wanted(state.phase)?;
            state.asking = true;
            Some((partition.clone(), state.edition, what))
        })
        .collect()
    }

    /// The state, if it is still the edition that was asked about; it is not being asked about any more.
    pub(crate) fn answered(&mut self, partition: &TopicPartition, edition: u64) -> Option<&mut Partition> {
        let state = self.partitions.get_mut(partition).filter(|state| state.edition == edition)?;
        state.asking = false;
        Some(state)
    }

    /// When the next partition may be asked about that must not be asked about yet.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.partitions.values().filter_map(|state| state.not_before).filter(|at| *at > now).min()
    }

    /// A leader of this epoch leads the partition now: positions of older epochs are to be checked (KIP-320).
    pub(crate) fn leader_epoch(&mut self, partition: &TopicPartition, epoch: i32) {
        let Some(state) = self.partitions.get_mut(partition) else { return };
        let Phase::Ready(position) = state.phase else { return };
        if position.leader_epoch.is_some() && state.checked_epoch.is_some_and(|checked| checked < epoch) {
            state.phase = Phase::Check(position);
        }
        if state.checked_epoch.is_none_or(|checked| checked < epoch) {
            state.checked_epoch = Some(epoch);
        }
    }

    /// What a commit of all positions holds.
    pub(crate) fn consumed(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let committed = |(partition, state): (&TopicPartition, &Partition)| {
            let position = state.position()?;
            let leader_epoch = position.leader_epoch;
            let offset = OffsetAndMetadata { offset: position.offset, leader_epoch, metadata: String::new() };
            Some((partition.clone(), offset))
        };
        self.partitions.iter().filter_map(committed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tp(index: i32) -> TopicPartition {
        TopicPartition::new("订单", index)
    }

    fn assigned(count: i32) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_assigned(&(0..count).map(tp).collect(), true);
        subscriptions
    }

    #[test]
    fn partitions_that_stay_keep_their_positions() {
        let mut subscriptions = assigned(2);
        subscriptions.restart(&tp(1), Phase::Ready(7.into()));
        subscriptions.set_assigned(&[tp(1), tp(2)].into(), false);
        assert_eq!(subscriptions.assigned(), [tp(1), tp(2)].into());
        assert_eq!(subscriptions.get(&tp(1)).unwrap().position(), Some(7.into()));
        assert!(subscriptions.get(&tp(1)).unwrap().is_fetchable());
        subscriptions.restart(&tp(2), Phase::Ready(0.into()));
        assert!(!subscriptions.get(&tp(2)).unwrap().is_fetchable(), "the listener was not told yet");
        subscriptions.announce();
        assert!(subscriptions.get(&tp(2)).unwrap().is_fetchable());
    }

    #[test]
    fn late_answers_move_nothing() {
        let mut subscriptions = assigned(1);
        let now = Instant::now();
        let asked = subscriptions.take_unknown(now);
        assert_eq!(asked.len(), 1);
        assert_eq!(subscriptions.take_unknown(now), [], "asked once at a time");
        subscriptions.restart(&tp(0), Phase::Reset(ResetTo::Earliest));
        assert!(subscriptions.answered(&tp(0), asked[0].1).is_none());
        // Taken away and given back, too.
        let resets = subscriptions.take_resets(now);
        subscriptions.set_assigned(&BTreeSet::new(), true);
        subscriptions.set_assigned(&[tp(0)].into(), true);
        assert!(subscriptions.answered(&tp(0), resets[0].1).is_none());
    }

    #[test]
    fn a_new_leader_epoch_is_checked_once() {
        let mut subscriptions = assigned(1);
        let position = Position { offset: 5, leader_epoch: Some(1) };
        subscriptions.restart(&tp(0), Phase::Ready(position));
        subscriptions.leader_epoch(&tp(0), 1);
        assert_eq!(subscriptions.get(&tp(0)).unwrap().phase, Phase::Ready(position));
        subscriptions.leader_epoch(&tp(0), 2);
        assert_eq!(subscriptions.get(&tp(0)).unwrap().phase, Phase::Check(position));
        let checks = subscriptions.take_checks(Instant::now());
        subscriptions.answered(&tp(0), checks[0].1).unwrap().phase = Phase::Ready(position);
        subscriptions.leader_epoch(&tp(0), 2);
        subscriptions.leader_epoch(&tp(0), 1);
        assert_eq!(subscriptions.get(&tp(0)).unwrap().phase, Phase::Ready(position));
    }

    #[test]
    fn pauses_between_questions() {
        let mut subscriptions = assigned(1);
        let now = Instant::now();
        let later = now + Duration::from_millis(100);
        subscriptions.get_mut(&tp(0)).unwrap().not_before = Some(later);
        assert_eq!(subscriptions.take_unknown(now), []);
        assert_eq!(subscriptions.next_deadline(now), Some(later));
        assert_eq!(subscriptions.take_unknown(later).len(), 1);
    }
}
