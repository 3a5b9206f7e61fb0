//! DescribeGroups (15), versions 0 to 6: state, protocol and members of classic groups.
//!
//! - v3 authorized operations · v4 static members · v6 error 69 for an unknown group; before, it is shown as
//!   `Dead`.

use rkafka_core::group::request::DescribedGroup as Described;
use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use rkafka_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use rkafka_wire::versions::Versions;

use super::{Call, authorized_operations, group_code, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 6);

pub(super) fn handle(call: Call, request: DescribeGroupsRequest) -> Stage {
    let version = call.version();
    let operations =
        authorized_operations::asked(request.include_authorized_operations, authorized_operations::GROUP);
    let replies: Vec<_> = request
        .groups
        .into_iter()
        .map(|group| {
            let group = group.0.to_string();
            let describe = GroupRequest::Describe(vec![group.clone()]);
            (group.clone(), call.broker.groups.submit(&call.broker, &group, describe))
        })
        .collect();
    call.later(async move {
        let mut groups = Vec::new();
        for (group_id, reply) in replies {
            let described = match reply.await {
                GroupReply::Describe(mut described) => described.pop().unwrap_or_default(),
                _ => Described {
                    error: Some(GroupError::UnknownServerError),
                    group_id,
                    ..Described::default()
                },
            };
            groups.push(body(version, described, operations));
        }
        DescribeGroupsResponse::default().with_groups(groups)
    })
}

fn body(version: i16, group: Described, operations: i32) -> DescribedGroup {
    let answer = DescribedGroup::default()
        .with_group_id(GroupId(text(&group.group_id)))
        .with_authorized_operations(operations);
    match group.error {
        Some(GroupError::GroupIdNotFound) if version < 6 => return answer.with_group_state(text("Dead")),
        Some(error @ GroupError::GroupIdNotFound) => {
            let message = format!("Group {} not found.", group.group_id);
            return answer
                .with_error_code(group_code(Some(error)))
                .with_error_message(Some(text(&message)))
                .with_group_state(text("Dead"));
        }
        Some(error) => return answer.with_error_code(group_code(Some(error))),
        None => {}
    }
    let members = group.members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(member.group_instance_id.as_deref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    answer
        .with_group_state(text(&group.state))
        .with_protocol_type(text(&group.protocol_type))
        .with_protocol_data(text(&group.protocol))
        .with_members(members.collect())
}
