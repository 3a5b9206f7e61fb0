//! What operators see and do: describe, list and delete groups.

use std::sync::Arc;

use super::classic::GroupState;
use super::error::GroupError;
use super::records::CoordinatorRecord;
use super::request::{
    DescribedGroup, GroupReply, LeaveReply, LeaveRequest, LeftMember, ListRequest, ListedGroup, ReplyToken,
};
use super::{Completion, GroupShard, Output};

/// The only type of groups there is here.
const CLASSIC: &str = "classic";

impl GroupShard {
    /// Groups are shown once the record that made them is committed, with the state they are in now.
    pub(super) fn described(&self, group_id: &str) -> DescribedGroup {
        match self.groups.get(group_id).filter(|group| group.is_visible(self.high_watermark)) {
            Some(group) => group.described(),
            None => DescribedGroup {
                error: Some(GroupError::GroupIdNotFound),
                group_id: group_id.to_owned(),
                state: GroupState::Dead.to_string(),
                ..DescribedGroup::default()
            },
        }
    }

    pub(super) fn listed(&self, request: &ListRequest) -> Vec<ListedGroup> {
        let passes = |filter: &[String], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        if !passes(&request.types_filter, CLASSIC) {
            return Vec::new();
        }
        let groups = self.groups.values().filter(|group| group.is_visible(self.high_watermark));
        let wanted = groups.filter(|group| passes(&request.states_filter, group.state().name()));
        wanted.map(super::ClassicGroup::listed).collect()
    }

    /// Tombstones for empty groups and all their offsets. Each group has its own outcome.
    pub(super) fn delete_groups(&self, token: ReplyToken, group_ids: &[String], output: &mut Output) {
        let mut reply = Vec::with_capacity(group_ids.len());
        for group_id in group_ids {
            let outcome = match self.groups.get(group_id.as_str()) {
                None => Err(GroupError::GroupIdNotFound),
                Some(group) if group.state() != GroupState::Empty => Err(GroupError::NonEmptyGroup),
                Some(_) => Ok(()),
            };
            if outcome.is_ok() {
                self.delete_all_offsets(group_id, output);
                let group_id = Arc::from(group_id.as_str());
                output.records.push(CoordinatorRecord::GroupMetadata { group_id, value: None });
            }
            reply.push((group_id.clone(), outcome));
        }
        output.may_be_split = true;
        output.completions.push(Completion::Reply { token, reply: GroupReply::Delete(reply) });
    }
}

/// To a group nobody knows nobody belongs.
pub(super) fn leave_of_unknown_group(request: &LeaveRequest) -> GroupReply {
    let members = request.members.iter().map(|member| LeftMember {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error: Some(GroupError::UnknownMemberId),
    });
    GroupReply::Leave(LeaveReply { error: None, members: members.collect() })
}
