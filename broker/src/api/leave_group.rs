//! LeaveGroup (13), versions 0 to 5: members go, or an operator removes them.
//!
//! - Below v3 one member, whose error is that of the answer; from v3 on a list (KIP-345) · v5 reason.

use rkafka_core::group::request::{LeaveReply, LeaveRequest, LeavingMember};
use rkafka_core::group::{GroupReply, GroupRequest};
use rkafka_wire::messages::leave_group_response::MemberResponse;
use rkafka_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 5);

/// From here on several members leave with one request.
const SEVERAL: i16 = 3;

pub(super) fn handle(call: Call, request: LeaveGroupRequest) -> Stage {
    let version = call.version();
    let members = if version >= SEVERAL {
        let leaving = request.members.into_iter().map(|member| LeavingMember {
            member_id: member.member_id.to_string(),
            group_instance_id: member.group_instance_id.map(|id| id.to_string()),
        });
        leaving.collect()
    } else {
        vec![LeavingMember { member_id: request.member_id.to_string(), group_instance_id: None }]
    };
    let leave = LeaveRequest { group_id: request.group_id.0.to_string(), members };
    let group_id = leave.group_id.clone();
    let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::Leave(leave));
    call.later(async move {
        match reply.await {
            GroupReply::Leave(reply) => body(version, reply),
            _ => LeaveGroupResponse::default().with_error_code(-1),
        }
    })
}

fn body(version: i16, reply: LeaveReply) -> LeaveGroupResponse {
    if version < SEVERAL {
        let of_member = reply.members.first().and_then(|member| member.error);
        return LeaveGroupResponse::default().with_error_code(group_code(reply.error.or(of_member)));
    }
    let members = reply.members.into_iter().map(|member| {
        MemberResponse::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(member.group_instance_id.as_deref().map(text))
            .with_error_code(group_code(member.error))
    });
    LeaveGroupResponse::default().with_error_code(group_code(reply.error)).with_members(members.collect())
}
