//! CreateAcls (30), versions 1 to 3: answered as Kafka does without an authorizer, with error 54 each.

use rkafka_wire::messages::create_acls_response::AclCreationResult;
use rkafka_wire::messages::{CreateAclsRequest, CreateAclsResponse};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};

use super::Call;
use super::describe_acls::NO_AUTHORIZER;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 3);

pub(super) fn handle(call: Call, request: CreateAclsRequest) -> Stage {
    let refused = AclCreationResult::default()
        .with_error_code(ErrorCode::SecurityDisabled.code())
        .with_error_message(Some(StrBytes::from_static_str(NO_AUTHORIZER)));
    let results = vec![refused; request.creations.len()];
    call.answer(&CreateAclsResponse::default().with_results(results))
}
