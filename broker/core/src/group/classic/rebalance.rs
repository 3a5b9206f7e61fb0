//! The rebalance: from the first reason for one to the next generation, and the timers that keep it from hanging.

use std::sync::Arc;

use bytes::Bytes;

use super::super::error::GroupError;
use super::super::request::JoinReply;
use super::super::{Step, TimerKey};
use super::{ClassicGroup, GroupState};

/// The wait of an empty group's first rebalance (KIP-134): it is prolonged as long as members come, up to the
/// rebalance timeout in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// The wait that is running.
    delay_ms: u64,
    /// What may be waited in all from its beginning on.
    remaining_ms: u64,
    pub(super) new_member_joined: bool,
}

impl ClassicGroup {
    pub(super) fn rebalance_or_complete_join(&mut self, step: &mut Step<'_>) {
        if self.state == GroupState::PreparingRebalance {
            self.maybe_complete_join_phase(step);
        } else {
            self.prepare_rebalance(step);
        }
    }

    pub(in crate::group) fn prepare_rebalance(&mut self, step: &mut Step<'_>) {
        if self.state == GroupState::CompletingRebalance {
            self.clear_assignments();
        }
        self.answer_all_syncs(step, Some(GroupError::RebalanceInProgress));
        self.pending_sync.clear();
        step.timers.cancel(&TimerKey::Sync(self.id.clone()));
        let is_initial = self.state == GroupState::Empty;
        self.transition_to(GroupState::PreparingRebalance, step.now.wall_ms);
        if is_initial {
            let delay_ms = u64::try_from(step.config.initial_rebalance_delay_ms).unwrap_or(0);
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms);
            self.initial_delay = Some(InitialDelay { delay_ms, remaining_ms, new_member_joined: false });
            step.schedule(TimerKey::Join(self.id.clone()), delay_ms);
        } else if self.has_all_members_joined() {
            self.complete_join_phase(step);
        } else {
            step.schedule(TimerKey::Join(self.id.clone()), self.rebalance_timeout_ms());
        }
    }

    /// Goes on to the next generation if everybody is there; the first rebalance waits for its time in any case.
    pub(super) fn maybe_complete_join_phase(&mut self, step: &mut Step<'_>) {
        if self.state == GroupState::PreparingRebalance
            && self.initial_delay.is_none()
            && self.has_all_members_joined()
        {
            self.complete_join_phase(step);
        }
    }

    /// The time to join is up.
    pub(in crate::group) fn on_join_timer(&mut self, step: &mut Step<'_>) {
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        match &mut self.initial_delay {
            Some(delay) if delay.new_member_joined && delay.remaining_ms > 0 => {
                let configured_ms = u64::try_from(step.config.initial_rebalance_delay_ms).unwrap_or(0);
                let next_ms = configured_ms.min(delay.remaining_ms);
                let remaining_ms = delay.remaining_ms.saturating_sub(delay.delay_ms);
                *delay = InitialDelay { delay_ms: next_ms, remaining_ms, new_member_joined: false };
                step.schedule(TimerKey::Join(self.id.clone()), next_ms);
            }
            _ => self.complete_join_phase(step),
        }
    }

    fn complete_join_phase(&mut self, step: &mut Step<'_>) {
        step.timers.cancel(&TimerKey::Join(self.id.clone()));
        self.expel_members_that_did_not_join(step);
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left and none of them came: their sessions decide.
            step.schedule(TimerKey::Join(self.id.clone()), self.rebalance_timeout_ms());
            return;
        }
        self.initial_delay = None;
        self.pending_sync.clear();
        self.generation_id = self.generation_id.checked_add(1).unwrap_or(0);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        if self.members.is_empty() {
            self.transition_to(GroupState::Empty, step.now.wall_ms);
            // If this is not stored, the last generation comes back with a reload and its members time out.
            step.output.records.push(self.metadata_record(|_| Bytes::new()));
        } else {
            self.transition_to(GroupState::CompletingRebalance, step.now.wall_ms);
            self.announce_generation(step);
        }
    }

    /// Static members stay until their session ends (KIP-345).
    fn expel_members_that_did_not_join(&mut self, step: &mut Step<'_>) {
        let absent = |member: &&super::Member| member.awaiting_join.is_none() && !member.is_static();
        let absent: Vec<_> = self.members.values().filter(absent).map(|member| member.id.clone()).collect();
        for member_id in absent {
            self.remove_and_answer(step, &member_id);
        }
    }

    /// Makes sure that the leader is a member that joined; false if nobody did.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |member: &super::Member| member.awaiting_join.is_some();
        let leader = self.leader.as_deref().and_then(|leader| self.members.get(leader));
        if leader.is_some_and(has_joined) {
            return true;
        }
        match self.members.values().find(|member| has_joined(member)) {
            Some(joined) => {
                self.leader = Some(joined.id.clone());
                true
            }
            None => false,
        }
    }

    fn announce_generation(&mut self, step: &mut Step<'_>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let reply = self.join_reply(&member_id);
            self.answer_join(step, &member_id, reply);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.reschedule_session(step, &member_id);
            self.pending_sync.insert(member_id);
        }
        step.schedule(TimerKey::Sync(self.id.clone()), self.rebalance_timeout_ms());
    }

    /// The time to ask for assignments is up: those that did not are expelled.
    pub(in crate::group) fn on_sync_timer(&mut self, step: &mut Step<'_>) {
        if !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        let silent = std::mem::take(&mut self.pending_sync);
        if silent.is_empty() {
            return;
        }
        for member_id in silent {
            self.remove_and_answer(step, &member_id);
        }
        self.prepare_rebalance(step);
    }

    /// A member (or an id given out) has been silent for its session timeout.
    pub(in crate::group) fn on_session_timer(&mut self, step: &mut Step<'_>, member_id: &str) {
        if self.members.get(member_id).is_some_and(super::Member::is_excused_from_heartbeats) {
            // Its session starts anew with the answer it waits for.
            return;
        }
        let was_member = self.members.contains_key(member_id);
        self.remove_and_answer(step, member_id);
        self.after_removal(step, was_member);
    }

    /// What the departure of members (or of pending ones only) leads to.
    pub(super) fn after_removal(&mut self, step: &mut Step<'_>, were_members: bool) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance if were_members => {
                self.prepare_rebalance(step);
            }
            GroupState::PreparingRebalance => self.maybe_complete_join_phase(step),
            _ => {}
        }
    }

    /// Takes a member or pending id out with its session; what it waits for is answered `UNKNOWN_MEMBER_ID`, so that
    /// a client that still lives joins again.
    pub(super) fn remove_and_answer(&mut self, step: &mut Step<'_>, member_id: &str) {
        self.answer_join(step, member_id, JoinReply::failed("", GroupError::UnknownMemberId));
        self.answer_sync(step, member_id, Err(GroupError::UnknownMemberId));
        step.cancel_session(&self.id, member_id);
        self.remove(member_id);
    }

    pub(super) fn reschedule_session(&self, step: &mut Step<'_>, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            let timeout_ms = u64::try_from(member.session_timeout_ms).unwrap_or(0);
            step.schedule_session(&self.id, &member.id, timeout_ms);
        }
    }

    /// After a reload: all sessions start anew, and a group that is too large now must shrink.
    pub(in crate::group) fn on_loaded(&mut self, step: &mut Step<'_>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in &member_ids {
            self.reschedule_session(step, member_id);
        }
        if self.members.len() > step.config.max_size {
            self.prepare_rebalance(step);
        }
    }

    /// The group goes away: all that waits in it is refused, its timers are cancelled.
    pub(in crate::group) fn dissolve(&mut self, step: &mut Step<'_>, error: GroupError) {
        let member_ids: Vec<Arc<str>> = self.member_ids().cloned().collect();
        for member_id in member_ids {
            self.answer_join(step, &member_id, JoinReply::failed(&*member_id, error));
            self.answer_sync(step, &member_id, Err(error));
            step.cancel_session(&self.id, &member_id);
        }
        step.timers.cancel(&TimerKey::Join(self.id.clone()));
        step.timers.cancel(&TimerKey::Sync(self.id.clone()));
    }
}
