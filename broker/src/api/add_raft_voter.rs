//! AddRaftVoter (80), version 0: a member that follows the quorum shall vote (KIP-853).
//!
//! - The member must follow already, with the directory id that is given; its listeners are those it joined with,
//!   so the ones of the request are not looked at.

use rkafka_wire::messages::{AddRaftVoterRequest, AddRaftVoterResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message};
use crate::metadata_store::VoterChange;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: AddRaftVoterRequest) -> Stage {
    let AddRaftVoterRequest { voter_id, voter_directory_id, .. } = request;
    let change = VoterChange { votes: true, id: voter_id, directory: voter_directory_id.into_bytes() };
    let changed = call.broker.metadata.change_voters(change);
    call.later(async move {
        let (code, message) = code_and_message(&changed.await);
        AddRaftVoterResponse::default().with_error_code(code).with_error_message(message)
    })
}
