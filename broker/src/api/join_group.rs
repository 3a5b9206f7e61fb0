//! JoinGroup (11), versions 0 to 9: enter a group or take part in its rebalance.
//!
//! - v1 rebalance timeout · v4 a first join is answered 79 with an id to join with (KIP-394) · v5 static
//!   members (KIP-345) · v7 protocol type in the answer · v8 reason · v9 `skip_assignment` (KIP-814).

use rkafka_core::group::request::{JoinReply, JoinRequest, MemberProtocol};
use rkafka_core::group::{GroupReply, GroupRequest};
use rkafka_wire::messages::join_group_response::JoinGroupResponseMember;
use rkafka_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use rkafka_wire::versions::Versions;
use uuid::Uuid;

use super::{Call, group_code, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 9);

pub(super) fn handle(call: Call, request: JoinGroupRequest) -> Stage {
    let version = call.version();
    let protocols = request.protocols.into_iter().map(|protocol| MemberProtocol {
        name: protocol.name.to_string(),
        // A copy: the metadata is kept as long as the member is, the request's buffer must not be.
        metadata: bytes::Bytes::copy_from_slice(&protocol.metadata),
    });
    let join = JoinRequest {
        group_id: request.group_id.0.to_string(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        client_id: call.client_id().to_owned(),
        client_host: format!("/{}", call.connection.peer.ip().to_canonical()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if version == 0 {
            request.session_timeout_ms
        } else {
            request.rebalance_timeout_ms
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols.collect(),
        requires_known_member_id: version >= 4,
        supports_skipping_assignment: version >= 9,
        fresh_uuid: Uuid::new_v4().to_string(),
    };
    let group_id = join.group_id.clone();
    let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::Join(join));
    call.later(async move {
        match reply.await {
            GroupReply::Join(reply) => body(version, reply),
            _ => JoinGroupResponse::default().with_error_code(-1),
        }
    })
}

fn body(version: i16, reply: JoinReply) -> JoinGroupResponse {
    // Before v7 the name of the protocol could not be null.
    let protocol_name = match reply.protocol_name {
        None if version < 7 => Some(text("")),
        name => name.as_deref().map(text),
    };
    let member = |member: rkafka_core::group::request::JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(member.group_instance_id.as_deref().map(text))
            .with_metadata(member.metadata)
    };
    JoinGroupResponse::default()
        .with_error_code(group_code(reply.error))
        .with_generation_id(reply.generation_id)
        .with_protocol_type(reply.protocol_type.as_deref().map(text))
        .with_protocol_name(protocol_name)
        .with_leader(text(&reply.leader))
        .with_skip_assignment(reply.skip_assignment)
        .with_member_id(text(&reply.member_id))
        .with_members(reply.members.into_iter().map(member).collect())
}
