//! SyncGroup (14), versions 0 to 5: the leader hands in the assignment, everyone fetches their own.
//!
//! - v3 static members (KIP-345) · v5 the protocol is compared (KIP-559).

use rkafka_core::group::request::SyncRequest;
use rkafka_core::group::{GroupReply, GroupRequest};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::{SyncGroupRequest, SyncGroupResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 5);

/// From here on a member has to say which protocol it means.
const PROTOCOL_COMPARED: i16 = 5;

pub(super) fn handle(call: Call, request: SyncGroupRequest) -> Stage {
    let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version() >= PROTOCOL_COMPARED && !says_protocol {
        let code = ErrorCode::InconsistentGroupProtocol.code();
        return call.answer(&SyncGroupResponse::default().with_error_code(code));
    }
    let assignments = request.assignments.into_iter().map(|assigned| {
        // A copy: the assignment is kept as long as the generation, the request's buffer must not be.
        (assigned.member_id.to_string(), bytes::Bytes::copy_from_slice(&assigned.assignment))
    });
    let sync = SyncRequest {
        group_id: request.group_id.0.to_string(),
        generation_id: request.generation_id,
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        protocol_type: request.protocol_type.map(|name| name.to_string()),
        protocol_name: request.protocol_name.map(|name| name.to_string()),
        assignments: assignments.collect(),
    };
    let group_id = sync.group_id.clone();
    let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::Sync(sync));
    call.later(async move {
        match reply.await {
            GroupReply::Sync(reply) => SyncGroupResponse::default()
                .with_error_code(group_code(reply.error))
                .with_protocol_type(reply.protocol_type.as_deref().map(text))
                .with_protocol_name(reply.protocol_name.as_deref().map(text))
                .with_assignment(reply.assignment),
            _ => SyncGroupResponse::default().with_error_code(-1),
        }
    })
}
