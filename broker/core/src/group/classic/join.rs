//! JoinGroup: who is let in, under which id, and whether that calls for a rebalance.

use std::sync::Arc;

use super::super::error::GroupError;
use super::super::member::{Member, own_protocols};
use super::super::request::{GroupReply, JoinReply, JoinRequest, MemberProtocol, ReplyToken};
use super::super::{Completion, Outcome, Step};
use super::{ClassicGroup, GroupState};

/// How long a member that joins for the first time may wait for the rebalance: it cannot send heartbeats yet, and a
/// client that has given up cannot be told from one that waits.
const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 5 * 60 * 1000;

/// What it takes to undo the replacement of a static member whose record could not be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaticMemberReplacement {
    old_id: Arc<str>,
    old_protocols: Vec<MemberProtocol>,
    old_rebalance_timeout_ms: i32,
    old_session_timeout_ms: i32,
    new_id: Arc<str>,
    /// Who led before: below version 9 the new leader is not told that it leads, lest it assign anew.
    leader_before: String,
    may_skip_assignment: bool,
}

impl ClassicGroup {
    /// Handles a join; the reply may be parked with the member until the rebalance is complete.
    pub(in crate::group) fn join(&mut self, step: &mut Step<'_>, token: ReplyToken, request: &JoinRequest) {
        let member_id = request.member_id.as_str();
        if !self.has_room_for(member_id, step.config.max_size) {
            self.remove_and_answer(step, member_id);
            step.reply_join(token, JoinReply::failed("", GroupError::GroupMaxSizeReached));
            self.maybe_complete_join_phase(step);
        } else if !self.supports(&request.protocol_type, &request.protocols) {
            step.reply_join(token, JoinReply::failed(member_id, GroupError::InconsistentGroupProtocol));
        } else if member_id.is_empty() {
            self.join_new(step, token, request);
        } else {
            self.join_existing(step, token, request);
        }
    }

    /// While members join, those that wait are counted rather than all, so that the last to come are the ones to go
    /// when `group.max.size` was lowered.
    fn has_room_for(&self, member_id: &str, max_size: usize) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some())
                    || self.awaiting_join_count < max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.members.len() < max_size
            }
        }
    }

    fn join_new(&mut self, step: &mut Step<'_>, token: ReplyToken, request: &JoinRequest) {
        let begin = request.group_instance_id.as_deref().unwrap_or(&request.client_id);
        let new_id: Arc<str> = format!("{begin}-{}", request.fresh_uuid).into();
        if let Some(instance_id) = &request.group_instance_id {
            match self.static_members.get(instance_id.as_str()).cloned() {
                Some(old_id) => self.replace_static_member(step, token, request, &old_id, &new_id),
                None => self.add_member(step, token, request, &new_id),
            }
        } else if request.requires_known_member_id {
            // KIP-394: without the second join a client that lost the reply would leave a ghost behind.
            self.pending_members.insert(new_id.clone());
            let session_timeout_ms = u64::try_from(request.session_timeout_ms).unwrap_or(0);
            step.schedule_session(&self.id, &new_id, session_timeout_ms);
            step.reply_join(token, JoinReply::failed(&*new_id, GroupError::MemberIdRequired));
        } else {
            self.add_member(step, token, request, &new_id);
        }
    }

    fn join_existing(&mut self, step: &mut Step<'_>, token: ReplyToken, request: &JoinRequest) {
        let member_id = request.member_id.as_str();
        if request.group_instance_id.is_none()
            && let Some(pending) = self.pending_members.get(member_id).cloned()
        {
            return self.add_member(step, token, request, &pending);
        }
        if let Err(error) = self.validate_member(member_id, request.group_instance_id.as_deref()) {
            return step.reply_join(token, JoinReply::failed(member_id, error));
        }
        let is_unchanged = self
            .members
            .get(member_id)
            .is_some_and(|member| member.matches(&own_protocols(&request.protocols)));
        match self.state {
            // Perhaps the reply to the first join was lost.
            GroupState::CompletingRebalance if is_unchanged => {
                step.reply_join(token, self.join_reply(member_id));
            }
            // The leader asks for a rebalance by joining again, as when topics changed; a follower just looks.
            GroupState::Stable if is_unchanged && !self.is_leader(member_id) => {
                step.reply_join(token, self.join_reply(member_id));
            }
            GroupState::PreparingRebalance | GroupState::CompletingRebalance | GroupState::Stable => {
                self.set_awaiting_join(step, member_id, token);
                let protocols = own_protocols(&request.protocols);
                let (rebalance_ms, session_ms) = (request.rebalance_timeout_ms, request.session_timeout_ms);
                self.update_protocols(member_id, |member| member.update(protocols, rebalance_ms, session_ms));
                self.rebalance_or_complete_join(step);
            }
            GroupState::Empty | GroupState::Dead => {
                step.reply_join(token, JoinReply::failed(member_id, GroupError::UnknownMemberId));
            }
        }
    }

    fn add_member(&mut self, step: &mut Step<'_>, token: ReplyToken, request: &JoinRequest, id: &Arc<str>) {
        let mut member = Member::new(id.clone(), request);
        member.awaiting_join = Some(token);
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(delay) = &mut self.initial_delay {
            delay.new_member_joined = true;
        }
        self.insert(member);
        step.schedule_session(&self.id, id, NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.rebalance_or_complete_join(step);
    }

    /// Parks the reply; a reply still parked from an earlier try of the member is given up.
    pub(super) fn set_awaiting_join(&mut self, step: &mut Step<'_>, member_id: &str, token: ReplyToken) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        match member.awaiting_join.replace(token) {
            Some(earlier) => {
                step.reply_join(earlier, JoinReply::failed(member_id, GroupError::RebalanceInProgress));
            }
            None => self.awaiting_join_count += 1,
        }
    }

    /// Answers the parked join of a member, if there is one.
    pub(super) fn answer_join(&mut self, step: &mut Step<'_>, member_id: &str, reply: JoinReply) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(token) = member.awaiting_join.take() {
            self.awaiting_join_count -= 1;
            step.reply_join(token, reply);
        }
    }

    // ---- static members (KIP-345) ----

    /// A static member came back without its id: it takes over the place of its old self, which is fenced.
    fn replace_static_member(
        &mut self,
        step: &mut Step<'_>,
        token: ReplyToken,
        request: &JoinRequest,
        old_id: &Arc<str>,
        new_id: &Arc<str>,
    ) {
        let leader_before = self.leader.as_deref().unwrap_or("").to_owned();
        self.answer_join(step, old_id, JoinReply::failed(&**old_id, GroupError::FencedInstanceId));
        self.answer_sync(step, old_id, Err(GroupError::FencedInstanceId));
        step.cancel_session(&self.id, old_id);
        let Some(old) = self.rename_static_member(old_id, new_id) else { return };
        let replacement = StaticMemberReplacement {
            old_id: old_id.clone(),
            old_protocols: old.protocols().to_vec(),
            old_rebalance_timeout_ms: old.rebalance_timeout_ms,
            old_session_timeout_ms: old.session_timeout_ms,
            new_id: new_id.clone(),
            leader_before,
            may_skip_assignment: request.supports_skipping_assignment,
        };
        let protocols = own_protocols(&request.protocols);
        let (rebalance_ms, session_ms) = (request.rebalance_timeout_ms, request.session_timeout_ms);
        self.update_protocols(new_id, |member| member.update(protocols, rebalance_ms, session_ms));
        self.reschedule_session(step, new_id);
        self.set_awaiting_join(step, new_id, token);
        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol_name => {
                // Nothing changes for the others: store the new id, keep generation and assignment.
                step.output.records.push(self.metadata_record(|member| member.assignment.clone()));
                let group_id = self.id.clone();
                step.output.completions.push(Completion::StaticMemberStored { group_id, replacement });
            }
            // The leader may have been told of the old id, so it has to be told anew.
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(step),
            _ => self.maybe_complete_join_phase(step),
        }
    }

    /// Gives a static member another id, in the same place; returns what it was before.
    fn rename_static_member(&mut self, old_id: &str, new_id: &Arc<str>) -> Option<Member> {
        let was_leader = self.is_leader(old_id);
        let place = self.members.get_index_of(old_id)?;
        let old = self.remove(old_id)?;
        let mut new = old.clone();
        new.id = new_id.clone();
        new.is_new = false;
        self.insert(new);
        self.members.move_index(self.members.len() - 1, place);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        Some(old)
    }

    /// The record of the replacement is committed, or not.
    pub(in crate::group) fn on_static_member_outcome(
        &mut self,
        step: &mut Step<'_>,
        replacement: &StaticMemberReplacement,
        outcome: Outcome,
    ) {
        match outcome {
            // Otherwise a rebalance has begun and will answer.
            Outcome::Committed if self.state == GroupState::Stable => {
                let reply = self.replacement_reply(replacement);
                self.answer_join(step, &replacement.new_id, reply);
            }
            Outcome::Committed => {}
            Outcome::TimedOut(error) => self.refuse_replacement(step, replacement, error),
            Outcome::NotAppended(error) => {
                self.refuse_replacement(step, replacement, error);
                self.undo_replacement(step, replacement);
            }
        }
    }

    fn replacement_reply(&self, replacement: &StaticMemberReplacement) -> JoinReply {
        let reply = self.join_reply(&replacement.new_id);
        if replacement.may_skip_assignment {
            // KIP-814: the leader is told that it leads and whom, but not to assign.
            JoinReply { skip_assignment: self.is_leader(&replacement.new_id), ..reply }
        } else {
            JoinReply { leader: replacement.leader_before.clone(), members: Vec::new(), ..reply }
        }
    }

    fn refuse_replacement(
        &mut self,
        step: &mut Step<'_>,
        replacement: &StaticMemberReplacement,
        error: GroupError,
    ) {
        let reply = JoinReply {
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: replacement.leader_before.clone(),
            ..JoinReply::failed("", error)
        };
        self.answer_join(step, &replacement.new_id, reply);
    }

    /// The old member is back.
    fn undo_replacement(&mut self, step: &mut Step<'_>, replacement: &StaticMemberReplacement) {
        let old = replacement;
        self.update_protocols(&old.new_id, |member| {
            let (rebalance_ms, session_ms) = (old.old_rebalance_timeout_ms, old.old_session_timeout_ms);
            member.update(old.old_protocols.clone(), rebalance_ms, session_ms);
        });
        step.cancel_session(&self.id, &old.new_id);
        self.rename_static_member(&old.new_id, &old.old_id);
        self.reschedule_session(step, &old.old_id);
    }
}

impl Step<'_> {
    pub(super) fn reply_join(&mut self, token: ReplyToken, reply: JoinReply) {
        self.output.replies.push((token, GroupReply::Join(reply)));
    }
}
