//! The leader's view of its partition: how far each follower is, who is in sync, what is committed.
//!
//! The rules are Kafka's (`Partition.scala`; KIP-497, 841, 903, 966):
//! - The **high watermark** is the least log end offset over the *maximal* ISR: the committed ISR and whoever is
//!   being added to it. A follower out of the ISR that is caught up and may join holds it back too, or it could
//!   never catch up with a busy leader. It stands still while fewer replicas are in sync than
//!   `min.insync.replicas` asks for, and never goes back within a leader epoch. Where the controller keeps eligible
//!   leader replicas (KIP-966), too few are in sync by *its* setting, of which this leader may not have heard yet.
//! - The **ISR** is the controller's. The leader proposes changes, one at a time; an expansion counts at once
//!   (it only makes the high watermark stricter), a shrink only once the controller has committed it.
//! - A follower joins when it has reached the high watermark and the start of this leader epoch, its broker is
//!   live, and it fetches under the broker epoch of its present registration.

mod types;

use crate::ids::BrokerId;
use crate::image::{BrokerList, Brokers, Partition};

use super::divergence::Comparison;

pub use types::{
    EpochMismatch, FetchRefused, FollowerFetch, IsrProposal, LeaderEffects, LogBounds, NotEnoughReplicas,
    ProposalAnswer, ReplicationSettings,
};

/// Another replica, as this leader knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Follower {
    id: BrokerId,
    /// Its log end offset; `None` until it fetches in this leadership.
    log_end_offset: Option<i64>,
    log_start_offset: i64,
    /// The broker epoch of its last fetch.
    broker_epoch: Option<i64>,
    /// The epoch of its registration while it is neither fenced nor leaving.
    active_epoch: Option<i64>,
    /// The last instant at which it had all that the leader had (monotonic milliseconds).
    caught_up_ms: Option<u64>,
    last_fetch_ms: u64,
    /// The leader's log end offset at its last fetch.
    leader_end_at_last_fetch: i64,
}

impl Follower {
    fn new(id: BrokerId) -> Self {
        Follower {
            id,
            log_end_offset: None,
            log_start_offset: -1,
            broker_epoch: None,
            active_epoch: None,
            caught_up_ms: None,
            last_fetch_ms: 0,
            leader_end_at_last_fetch: i64::MAX,
        }
    }

    fn is_caught_up(&self, leader_end_offset: i64, now_ms: u64, lag_time_max_ms: u64) -> bool {
        let recently = |caught_up_ms: u64| now_ms.saturating_sub(caught_up_ms) <= lag_time_max_ms;
        self.log_end_offset == Some(leader_end_offset) || self.caught_up_ms.is_some_and(recently)
    }

    /// Live, and fetching under its present registration.
    fn may_join(&self) -> bool {
        match (self.broker_epoch, self.active_epoch) {
            (Some(fetched), Some(active)) => {
                fetched == -1 || mutant!("skip-broker-epoch", fetched == active, true)
            }
            _ => false,
        }
    }
}

/// A change of the ISR that the controller has not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum IsrState {
    /// Nothing is under way.
    Committed,
    /// One replica shall join. `resent`: more than one copy of the proposal is about. `withdrawing`: the proposal is
    /// the committed ISR; what was proposed before it counts until the controller has taken it.
    PendingExpand { joining: BrokerId, proposal: IsrProposal, resent: bool, withdrawing: bool },
    /// Replicas shall leave.
    PendingShrink { proposal: IsrProposal },
}

/// Leader state of one partition. Owned by the partition, used under its lock; all times are monotonic
/// milliseconds.
#[derive(Debug, Clone)]
pub struct LeaderState {
    local: BrokerId,
    local_epoch: i64,
    leader_epoch: i32,
    partition_epoch: i32,
    /// The log end offset when this leader epoch began.
    epoch_start_offset: i64,
    /// The ISR the controller has committed.
    isr: BrokerList,
    /// Beside it the controller has committed eligible leader replicas.
    has_eligible_replicas: bool,
    isr_state: IsrState,
    followers: Vec<Follower>,
    log_start_offset: i64,
    log_end_offset: i64,
    high_watermark: i64,
    settings: ReplicationSettings,
}

impl LeaderState {
    /// Begins to lead `partition`, whose log stands at `log`.
    pub fn new(
        local: BrokerId,
        partition: &Partition,
        brokers: &Brokers,
        log: LogBounds,
        settings: ReplicationSettings,
        now_ms: u64,
    ) -> (Self, LeaderEffects) {
        let mut leader = LeaderState {
            local,
            local_epoch: -1,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            epoch_start_offset: log.log_end_offset,
            isr: BrokerList::new(),
            has_eligible_replicas: false,
            isr_state: IsrState::Committed,
            followers: Vec::new(),
            log_start_offset: log.log_start_offset,
            log_end_offset: log.log_end_offset,
            high_watermark: log.high_watermark.min(log.log_end_offset).max(log.log_start_offset),
            settings,
        };
        leader.take_partition(partition, now_ms);
        leader.take_brokers(brokers);
        let effects = leader.effects(now_ms, None);
        (leader, effects)
    }

    /// The epoch this leader leads in.
    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The partition epoch of the committed ISR.
    #[must_use]
    pub fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    /// Records below this offset are committed.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The ISR the controller has committed.
    #[must_use]
    pub fn isr(&self) -> &[BrokerId] {
        &self.isr
    }

    /// The high watermark is still from before this leader's time: a consumer that is told of it could see the
    /// end of the log go back (KIP-207, OFFSET_NOT_AVAILABLE).
    #[must_use]
    pub fn is_high_watermark_lagging(&self) -> bool {
        self.high_watermark < self.epoch_start_offset
    }

    /// How many replicas must be in sync: what the topic asks for, but never more than it has replicas. Eligible
    /// leader replicas prove that the controller goes by a higher number than this leader has heard of: they were
    /// promised that nothing is committed without them.
    #[must_use]
    pub fn effective_min_isr(&self) -> usize {
        let configured = self.settings.min_insync_replicas.min(self.followers.len() + 1);
        match mutant!("ignore-eligible-replicas", self.has_eligible_replicas, false) {
            true => configured.max(self.isr.len() + 1),
            false => configured,
        }
    }

    /// Whether fewer replicas are in sync than must be.
    #[must_use]
    pub fn is_under_min_isr(&self) -> bool {
        self.isr.len() < self.effective_min_isr()
    }

    /// Checks the leader epoch of a request; without one (`None`) any leader will do.
    pub fn check_leader_epoch(&self, requested: Option<i32>) -> Result<(), EpochMismatch> {
        let current = self.leader_epoch;
        match requested {
            Some(requested) if requested < current => Err(EpochMismatch::Fenced { requested, current }),
            Some(requested) if requested > current => Err(EpochMismatch::Unknown { requested, current }),
            _ => Ok(()),
        }
    }

    /// Whether a produce request with `acks` may be appended now.
    pub fn check_append(&self, acks: i16) -> Result<(), NotEnoughReplicas> {
        if acks == -1 && self.is_under_min_isr() {
            return Err(NotEnoughReplicas { in_sync: self.isr.len(), min_isr: self.effective_min_isr() });
        }
        Ok(())
    }

    /// Whether produces that the high watermark has passed are good. If not, they are on fewer replicas than
    /// asked for (NOT_ENOUGH_REPLICAS_AFTER_APPEND): the ISR shrank after the append.
    pub fn check_committed(&self) -> Result<(), NotEnoughReplicas> {
        let (in_sync, min_isr) = (self.maximal_isr_len(), self.effective_min_isr());
        if in_sync < min_isr { Err(NotEnoughReplicas { in_sync, min_isr }) } else { Ok(()) }
    }

    /// Up to which offset the high watermark must be before a produce with acks=-1 is acknowledged; `None` if it is
    /// there. A repeated batch waits for its first copy as that did (Redpanda #3039).
    #[must_use]
    pub fn awaits(&self, last_offset: i64, duplicate: bool) -> Option<i64> {
        let required = last_offset.saturating_add(1);
        let done = mutant!("acknowledge-duplicates-at-once", false, duplicate);
        debug_assert!(!duplicate || last_offset < self.log_end_offset, "the first copy is in the log");
        (required > self.high_watermark && !done).then_some(required)
    }

    /// The replica that consumers in `rack` should read from (KIP-392): the leader if it is there, otherwise the most
    /// caught-up in-sync follower of that rack that has `offset`. `None` if there is none.
    #[must_use]
    pub fn preferred_read_replica(&self, rack: &str, offset: i64, brokers: &Brokers) -> Option<BrokerId> {
        let is_near = |id: BrokerId| {
            let broker = brokers.get(id).filter(|broker| broker.is_active());
            broker.is_some_and(|broker| broker.rack.as_deref() == Some(rack))
        };
        if is_near(self.local) {
            return Some(self.local);
        }
        let holds = |follower: &&Follower| {
            let end = follower.log_end_offset.unwrap_or(-1);
            self.isr.contains(&follower.id)
                && is_near(follower.id)
                && (follower.log_start_offset..=end).contains(&offset)
        };
        let nearest = self.followers.iter().filter(holds);
        nearest.max_by_key(|follower| (follower.log_end_offset, std::cmp::Reverse(follower.id))).map(|f| f.id)
    }

    /// The least log start offset over live replicas: records below it are gone everywhere (DeleteRecords).
    #[must_use]
    pub fn low_watermark(&self) -> i64 {
        let live = self.followers.iter().filter(|follower| follower.active_epoch.is_some());
        live.map(|follower| follower.log_start_offset).fold(self.log_start_offset, i64::min)
    }

    /// The local log was appended to and now ends at `log_end_offset`.
    pub fn on_append(&mut self, log_end_offset: i64, now_ms: u64) -> LeaderEffects {
        debug_assert!(log_end_offset >= self.log_end_offset, "a leader's log only grows");
        self.log_end_offset = log_end_offset;
        self.effects(now_ms, None)
    }

    /// The local log now starts at `log_start_offset` (retention, DeleteRecords).
    pub fn on_log_start_advanced(&mut self, log_start_offset: i64) {
        debug_assert!(log_start_offset <= self.high_watermark, "only committed records are deleted");
        self.log_start_offset = self.log_start_offset.max(log_start_offset);
    }

    /// `min.insync.replicas` or `replica.lag.time.max.ms` changed.
    pub fn on_settings(&mut self, settings: ReplicationSettings, now_ms: u64) -> LeaderEffects {
        self.settings = settings;
        self.effects(now_ms, None)
    }

    /// A follower fetched; `comparison` is what its position is to this log. Only one that agrees is counted.
    ///
    /// # Errors
    /// The fetch does not count and must not be answered with records.
    pub fn on_fetch(
        &mut self,
        fetch: &FollowerFetch,
        comparison: &Comparison,
        now_ms: u64,
    ) -> Result<LeaderEffects, FetchRefused> {
        self.check_fetch(fetch)?;
        if mutant!("count-diverging-position", *comparison != Comparison::Agrees, false) {
            return Ok(LeaderEffects::default());
        }
        self.on_follower_fetch(fetch, now_ms)
    }

    fn check_fetch(&self, fetch: &FollowerFetch) -> Result<(), FetchRefused> {
        let follower = self.followers.iter().find(|follower| follower.id == fetch.broker);
        let follower = follower.ok_or(FetchRefused::NotReplica(fetch.broker))?;
        if let Some(registered) = follower.active_epoch
            && fetch.broker_epoch != -1
            && fetch.broker_epoch < registered
        {
            let (broker, epoch) = (fetch.broker, fetch.broker_epoch);
            return Err(FetchRefused::StaleBrokerEpoch { broker, epoch, registered });
        }
        Ok(())
    }

    /// A follower fetched, at a position that agrees with this log.
    ///
    /// # Errors
    /// As [`on_fetch`](Self::on_fetch).
    pub fn on_follower_fetch(
        &mut self,
        fetch: &FollowerFetch,
        now_ms: u64,
    ) -> Result<LeaderEffects, FetchRefused> {
        self.check_fetch(fetch)?;
        let leader_end = self.log_end_offset;
        let follower = self.followers.iter_mut().find(|follower| follower.id == fetch.broker);
        let follower = follower.ok_or(FetchRefused::NotReplica(fetch.broker))?;
        let fetch_offset = fetch.offset.min(leader_end);
        if fetch.offset >= leader_end {
            follower.caught_up_ms = Some(now_ms);
        } else if fetch.offset >= follower.leader_end_at_last_fetch {
            // It has reached what the leader had at its last fetch: at that instant it was caught up. Without
            // this rule a follower of a busy partition would never count as caught up.
            follower.caught_up_ms = follower.caught_up_ms.max(Some(follower.last_fetch_ms));
        }
        follower.log_end_offset = Some(fetch_offset);
        follower.log_start_offset = fetch.log_start_offset;
        follower.broker_epoch = Some(fetch.broker_epoch);
        follower.last_fetch_ms = now_ms;
        follower.leader_end_at_last_fetch = leader_end;
        let proposal = self.propose_expansion(fetch.broker);
        Ok(self.effects(now_ms, proposal))
    }

    /// Time passed: proposes to drop members that have not been caught up for `replica.lag.time.max.ms`. Called
    /// at least every half of that.
    pub fn on_tick(&mut self, now_ms: u64) -> LeaderEffects {
        if self.isr_state != IsrState::Committed {
            return LeaderEffects::default();
        }
        let lag_time_max_ms = self.settings.lag_time_max_ms;
        let lagging = |member: &BrokerId| {
            let follower = self.followers.iter().find(|follower| follower.id == *member);
            let caught_up = follower
                .is_some_and(|follower| follower.is_caught_up(self.log_end_offset, now_ms, lag_time_max_ms));
            *member != self.local && !caught_up
        };
        let staying: BrokerList = self.isr.iter().copied().filter(|member| !lagging(member)).collect();
        if staying.len() == self.isr.len() {
            return LeaderEffects::default();
        }
        let proposal = self.proposal(&staying);
        self.isr_state = IsrState::PendingShrink { proposal: proposal.clone() };
        LeaderEffects { proposal: Some(proposal), ..LeaderEffects::default() }
    }

    /// The controller answered `proposal`. One that is no longer pending is ignored.
    pub fn on_answer(
        &mut self,
        proposal: &IsrProposal,
        answer: &ProposalAnswer,
        now_ms: u64,
    ) -> LeaderEffects {
        let pending = match &self.isr_state {
            IsrState::Committed => None,
            IsrState::PendingExpand { proposal, .. } | IsrState::PendingShrink { proposal } => Some(proposal),
        };
        if pending != Some(proposal) {
            return LeaderEffects::default();
        }
        match answer {
            ProposalAnswer::Committed(partition) => {
                self.adopt(partition, now_ms);
                self.effects(now_ms, None)
            }
            ProposalAnswer::Ineligible => self.on_ineligible(now_ms),
            // The pending state is kept: for all this leader knows the change was made.
            ProposalAnswer::Stale => LeaderEffects::default(),
            ProposalAnswer::Unknown => {
                if let IsrState::PendingExpand { resent, .. } = &mut self.isr_state {
                    *resent = true;
                }
                LeaderEffects { proposal: Some(proposal.clone()), ..LeaderEffects::default() }
            }
        }
    }

    /// The replica may not join. A shrink that may still come true only leaves the high watermark too strict; an
    /// expansion that may must first be made impossible.
    fn on_ineligible(&mut self, now_ms: u64) -> LeaderEffects {
        match &self.isr_state {
            // A member was fenced meanwhile: the image that says so ends the pending state.
            IsrState::PendingExpand { withdrawing: true, .. } => LeaderEffects::default(),
            IsrState::PendingExpand { joining, resent: true, .. } => {
                let joining = *joining;
                let proposal = self.proposal(&self.isr);
                self.isr_state = IsrState::PendingExpand {
                    joining,
                    proposal: proposal.clone(),
                    resent: false,
                    withdrawing: true,
                };
                LeaderEffects { proposal: Some(proposal), ..LeaderEffects::default() }
            }
            _ => {
                self.isr_state = IsrState::Committed;
                self.effects(now_ms, None)
            }
        }
    }

    /// A new image, in which this broker still leads the partition.
    pub fn on_image(&mut self, partition: &Partition, brokers: &Brokers, now_ms: u64) -> LeaderEffects {
        debug_assert_eq!(partition.leader, Some(self.local), "another leader ends this state");
        self.adopt(partition, now_ms);
        // After the replicas: those that came with this image have a registration, too.
        self.take_brokers(brokers);
        self.effects(now_ms, None)
    }

    /// Takes what the controller committed, unless something newer is known: an image may come later than the
    /// answer that was made after it.
    fn adopt(&mut self, partition: &Partition, now_ms: u64) {
        let newer = partition.partition_epoch > self.partition_epoch;
        // The same epoch answers a proposal that asked for what already was; an image of that epoch says nothing
        // about a proposal made since.
        let confirms = partition.partition_epoch == self.partition_epoch && self.is_as_asked(partition);
        if partition.leader == Some(self.local) && (newer || confirms) {
            self.take_partition(partition, now_ms);
        }
    }

    fn is_as_asked(&self, partition: &Partition) -> bool {
        // A withdrawal is confirmed by a newer epoch only.
        let (IsrState::PendingExpand { proposal, withdrawing: false, .. }
        | IsrState::PendingShrink { proposal }) = &self.isr_state
        else {
            return false;
        };
        proposal.isr.len() == partition.isr.len()
            && proposal.isr.iter().all(|(member, _)| partition.isr.contains(member))
    }

    fn take_partition(&mut self, partition: &Partition, now_ms: u64) {
        let new_epoch = partition.leader_epoch > self.leader_epoch;
        if new_epoch {
            self.leader_epoch = partition.leader_epoch;
            self.epoch_start_offset = self.log_end_offset;
        }
        self.partition_epoch = partition.partition_epoch;
        self.isr.clone_from(&partition.isr);
        self.has_eligible_replicas = !partition.elr().is_empty();
        self.isr_state = IsrState::Committed;
        self.followers.retain(|follower| partition.replicas.contains(&follower.id));
        let local = self.local;
        for &id in partition.replicas.iter().filter(|id| **id != local) {
            if !self.followers.iter().any(|follower| follower.id == id) {
                let mut follower = Follower::new(id);
                // A member gets the benefit of the doubt until it had time to fetch.
                follower.caught_up_ms = partition.isr.contains(&id).then_some(now_ms);
                self.followers.push(follower);
            }
        }
        if new_epoch {
            self.reset_times(now_ms);
        }
    }

    /// In a new epoch of the same leader a member's clock starts again, others must prove themselves anew.
    fn reset_times(&mut self, now_ms: u64) {
        for follower in &mut self.followers {
            let member = self.isr.contains(&follower.id);
            follower.caught_up_ms = member.then_some(now_ms);
            follower.last_fetch_ms = if member { now_ms } else { 0 };
            follower.leader_end_at_last_fetch = self.log_end_offset;
        }
    }

    fn take_brokers(&mut self, brokers: &Brokers) {
        self.local_epoch = brokers.get(self.local).map_or(-1, |broker| broker.epoch);
        for follower in &mut self.followers {
            let broker = brokers.get(follower.id).filter(|broker| broker.is_active());
            follower.active_epoch = broker.map(|broker| broker.epoch);
        }
    }

    fn propose_expansion(&mut self, joining: BrokerId) -> Option<IsrProposal> {
        let follower = self.followers.iter().find(|follower| follower.id == joining)?;
        let reached = self.high_watermark.max(self.epoch_start_offset);
        let in_sync = follower.log_end_offset.is_some_and(|end| end >= reached);
        let idle = self.isr_state == IsrState::Committed && !self.isr.contains(&joining);
        if !idle || !in_sync || !follower.may_join() {
            return None;
        }
        let mut isr = self.isr.clone();
        isr.push(joining);
        let proposal = self.proposal(&isr);
        self.isr_state = IsrState::PendingExpand {
            joining,
            proposal: proposal.clone(),
            resent: false,
            withdrawing: false,
        };
        Some(proposal)
    }

    fn proposal(&self, isr: &[BrokerId]) -> IsrProposal {
        let epoch = |member: BrokerId| {
            if member == self.local {
                return self.local_epoch;
            }
            let follower = self.followers.iter().find(|follower| follower.id == member);
            follower.and_then(|follower| follower.broker_epoch).unwrap_or(-1)
        };
        IsrProposal {
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            isr: isr.iter().map(|member| (*member, epoch(*member))).collect(),
        }
    }

    /// Whether a follower counts for the high watermark as a member (KIP-497: the maximal ISR).
    fn in_maximal_isr(&self, id: BrokerId) -> bool {
        let joins = matches!(&self.isr_state, IsrState::PendingExpand { joining, .. } if *joining == id);
        let is_member = self.isr.contains(&id);
        joins
            || mutant!(
                "shrink-before-commit",
                is_member,
                match &self.isr_state {
                    IsrState::PendingShrink { proposal } =>
                        proposal.isr.iter().any(|(member, _)| *member == id),
                    _ => is_member,
                }
            )
    }

    fn maximal_isr_len(&self) -> usize {
        self.isr.len() + usize::from(matches!(self.isr_state, IsrState::PendingExpand { .. }))
    }

    /// Moves the high watermark if it may move.
    fn effects(&mut self, now_ms: u64, proposal: Option<IsrProposal>) -> LeaderEffects {
        if self.is_under_min_isr() {
            return LeaderEffects { high_watermark: None, proposal };
        }
        let counts = |follower: &&Follower| {
            let lag_time_max_ms = self.settings.lag_time_max_ms;
            self.in_maximal_isr(follower.id)
                || (follower.may_join()
                    && follower.is_caught_up(self.log_end_offset, now_ms, lag_time_max_ms))
        };
        let ends = self.followers.iter().filter(counts).map(|follower| follower.log_end_offset.unwrap_or(-1));
        let committed = ends.fold(self.log_end_offset, i64::min);
        let moved = committed > self.high_watermark;
        if moved {
            self.high_watermark = committed;
        }
        LeaderEffects { high_watermark: moved.then_some(committed), proposal }
    }

    /// Panics if the state contradicts itself. For tests and simulation, after every step.
    pub fn check_invariants(&self) {
        assert!(self.isr.contains(&self.local), "the leader is in its ISR");
        assert!(self.log_start_offset <= self.high_watermark, "{self:?}");
        assert!(self.high_watermark <= self.log_end_offset, "{self:?}");
        assert!(self.epoch_start_offset <= self.log_end_offset, "{self:?}");
        for member in self.isr.iter().filter(|member| **member != self.local) {
            assert!(self.followers.iter().any(|follower| follower.id == *member), "{self:?}");
        }
        if let IsrState::PendingExpand { joining, .. } = &self.isr_state {
            assert!(!self.isr.contains(joining), "{self:?}");
        }
    }
}

#[cfg(test)]
mod tests;
