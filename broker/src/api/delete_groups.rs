//! DeleteGroups (42), versions 0 to 2: empty groups go, with their offsets.

use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_wire::messages::delete_groups_response::DeletableGroupResult;
use rkafka_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

pub(super) fn handle(call: Call, request: DeleteGroupsRequest) -> Stage {
    let mut names: Vec<String> = request.groups_names.iter().map(|group| group.0.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    let replies: Vec<_> = names
        .into_iter()
        .map(|group| {
            let delete = GroupRequest::Delete(vec![group.clone()]);
            let reply = call.broker.groups.submit(&call.broker, &group, delete);
            (group, reply)
        })
        .collect();
    call.later(async move {
        let mut results = Vec::new();
        for (group, reply) in replies {
            let error = match reply.await {
                GroupReply::Delete(mut deleted) => deleted.pop().and_then(|(_, result)| result.err()),
                _ => Some(GroupError::UnknownServerError),
            };
            results.push(
                DeletableGroupResult::default()
                    .with_group_id(GroupId(text(&group)))
                    .with_error_code(group_code(error)),
            );
        }
        DeleteGroupsResponse::default().with_results(results)
    })
}
