//! SyncGroup, Heartbeat and LeaveGroup: what members do once they have joined.

use std::sync::Arc;

use bytes::Bytes;

use super::super::error::GroupError;
use super::super::request::{
    GroupReply, HeartbeatRequest, LeaveReply, LeaveRequest, LeavingMember, LeftMember, ReplyToken, SyncReply,
    SyncRequest,
};
use super::super::{Completion, Outcome, Step, TimerKey};
use super::{ClassicGroup, GroupState};

impl ClassicGroup {
    /// Handles a sync; the reply waits with the member until the leader's assignment is stored.
    pub(in crate::group) fn sync(&mut self, step: &mut Step<'_>, token: ReplyToken, request: &SyncRequest) {
        if let Err(error) = self.validate_sync(request) {
            step.output.replies.push((token, GroupReply::Sync(SyncReply::failed(error))));
            return;
        }
        self.pending_sync.remove(request.member_id.as_str());
        if self.pending_sync.is_empty() {
            step.timers.cancel(&TimerKey::Sync(self.id.clone()));
        }
        if self.state == GroupState::Stable {
            // The assignment may be appended and not committed: the reply waits for that.
            let reply = GroupReply::Sync(self.sync_reply(&request.member_id));
            step.output.completions.push(Completion::Reply { token, reply });
            step.output.wait_for_offset = step.output.wait_for_offset.max(self.written_end_offset);
            return;
        }
        self.answer_sync(step, &request.member_id, Err(GroupError::RebalanceInProgress));
        if let Some(member) = self.members.get_mut(request.member_id.as_str()) {
            member.awaiting_sync = Some(token);
        }
        if self.is_leader(&request.member_id) {
            self.store_assignment(step, &request.assignments);
        }
    }

    fn validate_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        if self.state == GroupState::Empty {
            return Err(GroupError::UnknownMemberId);
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, ours: &Option<String>| {
            asked.as_ref().zip(ours.as_ref()).is_some_and(|(asked, ours)| asked != ours)
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if self.state == GroupState::PreparingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Has the leader's assignment stored. Members it left out get an empty one.
    fn store_assignment(&self, step: &mut Step<'_>, assignments: &[(String, Bytes)]) {
        let assigned = |member_id: &str| {
            let found = assignments.iter().rev().find(|(id, _)| id == member_id);
            found.map(|(_, assignment)| Bytes::copy_from_slice(assignment)).unwrap_or_default()
        };
        step.output.records.push(self.metadata_record(|member| assigned(&member.id)));
        let (group_id, generation_id) = (self.id.clone(), self.generation_id);
        step.output.completions.push(Completion::AssignmentStored { group_id, generation_id });
    }

    /// The assignment is committed, or not: everyone who waits for it is told, unless a new rebalance has begun.
    pub(in crate::group) fn on_assignment_outcome(
        &mut self,
        step: &mut Step<'_>,
        generation_id: i32,
        outcome: Outcome,
    ) {
        if self.generation_id != generation_id {
            return;
        }
        match (outcome, self.state) {
            (Outcome::Committed, GroupState::Stable) => self.answer_all_syncs(step, None),
            (Outcome::TimedOut(error), GroupState::Stable) => self.answer_all_syncs(step, Some(error)),
            (Outcome::NotAppended(error), GroupState::CompletingRebalance) => {
                self.clear_assignments();
                self.answer_all_syncs(step, Some(error));
                self.prepare_rebalance(step);
            }
            _ => {}
        }
    }

    pub(super) fn clear_assignments(&mut self) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
    }

    /// Answers all who wait for their assignment, with it or with an error; their sessions start anew.
    pub(super) fn answer_all_syncs(&mut self, step: &mut Step<'_>, error: Option<GroupError>) {
        let waiting = self.members.values().filter(|member| member.awaiting_sync.is_some());
        let waiting: Vec<Arc<str>> = waiting.map(|member| member.id.clone()).collect();
        for member_id in waiting {
            let reply = match error {
                Some(error) => Err(error),
                None => Ok(self.sync_reply(&member_id)),
            };
            self.answer_sync(step, &member_id, reply);
            self.reschedule_session(step, &member_id);
        }
    }

    /// Answers the parked sync of a member, if there is one.
    pub(super) fn answer_sync(
        &mut self,
        step: &mut Step<'_>,
        member_id: &str,
        reply: Result<SyncReply, GroupError>,
    ) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(token) = member.awaiting_sync.take() {
            let reply = reply.unwrap_or_else(SyncReply::failed);
            step.output.replies.push((token, GroupReply::Sync(reply)));
        }
    }

    fn sync_reply(&self, member_id: &str) -> SyncReply {
        SyncReply {
            error: None,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: self
                .members
                .get(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }

    /// Handles a heartbeat.
    pub(in crate::group) fn heartbeat(
        &self,
        step: &mut Step<'_>,
        request: &HeartbeatRequest,
    ) -> Result<(), GroupError> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        self.reschedule_session(step, &request.member_id);
        match self.state {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A commit of a member is a sign of life.
    pub(in crate::group) fn on_commit(&self, step: &mut Step<'_>, member_id: &str) {
        if matches!(self.state, GroupState::Stable | GroupState::PreparingRebalance) {
            self.reschedule_session(step, member_id);
        }
    }

    /// Handles a leave of several members (KIP-345); one rebalance follows for all.
    pub(in crate::group) fn leave(&mut self, step: &mut Step<'_>, token: ReplyToken, request: &LeaveRequest) {
        let (mut reply, mut were_members) = (LeaveReply::default(), false);
        for leaving in &request.members {
            let outcome = self.leave_one(step, leaving);
            were_members |= outcome == Ok(true);
            reply.members.push(LeftMember {
                member_id: leaving.member_id.clone(),
                group_instance_id: leaving.group_instance_id.clone(),
                error: outcome.err(),
            });
        }
        self.after_removal(step, were_members);
        step.output.completions.push(Completion::Reply { token, reply: GroupReply::Leave(reply) });
    }

    /// Says whether the one who left was a member, rather than one about to join.
    fn leave_one(&mut self, step: &mut Step<'_>, leaving: &LeavingMember) -> Result<bool, GroupError> {
        let instance_id = leaving.group_instance_id.as_deref();
        let member_id: Arc<str> = if leaving.member_id.is_empty() {
            // An operator removes a static member, of which he knows the instance id only.
            let current = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
            current.cloned().ok_or(GroupError::UnknownMemberId)?
        } else {
            Arc::from(leaving.member_id.as_str())
        };
        if self.pending_members.contains(&member_id) {
            self.remove_and_answer(step, &member_id);
            return Ok(false);
        }
        self.validate_member(&member_id, instance_id)?;
        self.remove_and_answer(step, &member_id);
        Ok(true)
    }
}
