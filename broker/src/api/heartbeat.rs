//! Heartbeat (12), versions 0 to 4: a member of a classic group is alive.
//!
//! - v3 static members (KIP-345).

use rkafka_core::group::request::HeartbeatRequest as Heartbeat;
use rkafka_core::group::{GroupReply, GroupRequest};
use rkafka_wire::messages::{HeartbeatRequest, HeartbeatResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 4);

pub(super) fn handle(call: Call, request: HeartbeatRequest) -> Stage {
    let heartbeat = Heartbeat {
        group_id: request.group_id.0.to_string(),
        generation_id: request.generation_id,
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
    };
    let group_id = heartbeat.group_id.clone();
    let reply = call.broker.groups.submit(&call.broker, &group_id, GroupRequest::Heartbeat(heartbeat));
    call.later(async move {
        let code = match reply.await {
            GroupReply::Heartbeat(result) => group_code(result.err()),
            _ => -1,
        };
        HeartbeatResponse::default().with_error_code(code)
    })
}
