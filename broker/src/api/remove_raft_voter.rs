//! RemoveRaftVoter (81), version 0: a voter shall only follow from now on (KIP-853).

use rkafka_wire::messages::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use rkafka_wire::versions::Versions;

use super::{Call, code_and_message};
use crate::metadata_store::VoterChange;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 0);

pub(super) fn handle(call: Call, request: RemoveRaftVoterRequest) -> Stage {
    let RemoveRaftVoterRequest { voter_id, voter_directory_id, .. } = request;
    let change = VoterChange { votes: false, id: voter_id, directory: voter_directory_id.into_bytes() };
    let changed = call.broker.metadata.change_voters(change);
    call.later(async move {
        let (code, message) = code_and_message(&changed.await);
        RemoveRaftVoterResponse::default().with_error_code(code).with_error_message(message)
    })
}
