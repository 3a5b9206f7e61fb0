//! ListGroups (16), versions 0 to 5: the groups this broker coordinates.
//!
//! - v4 filter by state (KIP-518) · v5 filter by type (KIP-848).

use rkafka_core::group::request::{ListRequest, ListedGroup as Listed};
use rkafka_core::group::{GroupError, GroupReply, GroupRequest};
use rkafka_wire::messages::list_groups_response::ListedGroup;
use rkafka_wire::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, group_code, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 5);

pub(super) fn handle(call: Call, request: ListGroupsRequest) -> Stage {
    let filter = ListRequest {
        states_filter: request.states_filter.iter().map(ToString::to_string).collect(),
        types_filter: request.types_filter.iter().map(ToString::to_string).collect(),
    };
    let replies = call.broker.groups.submit_to_all(&call.broker, &GroupRequest::List(filter));
    call.later(async move {
        let mut groups = Vec::new();
        let mut failure: Option<GroupError> = None;
        for reply in replies {
            match reply.await {
                GroupReply::List(Ok(listed)) => groups.extend(listed),
                GroupReply::List(Err(error)) => failure = failure.or(Some(error)),
                _ => failure = Some(GroupError::UnknownServerError),
            }
        }
        // A shard that is just being lost has groups that another broker lists.
        let failure = failure.filter(|error| *error != GroupError::NotCoordinator);
        ListGroupsResponse::default()
            .with_error_code(group_code(failure))
            .with_groups(groups.into_iter().map(|group| listed(&group)).collect())
    })
}

fn listed(group: &Listed) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(text(&group.group_id)))
        .with_protocol_type(text(&group.protocol_type))
        .with_group_state(text(&group.state))
        .with_group_type(text(&group.group_type))
}
