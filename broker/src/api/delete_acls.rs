//! DeleteAcls (31), versions 1 to 3: answered as Kafka does without an authorizer, with error 54 each.

use rkafka_wire::messages::delete_acls_response::DeleteAclsFilterResult;
use rkafka_wire::messages::{DeleteAclsRequest, DeleteAclsResponse};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};

use super::Call;
use super::describe_acls::NO_AUTHORIZER;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 3);

pub(super) fn handle(call: Call, request: DeleteAclsRequest) -> Stage {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(ErrorCode::SecurityDisabled.code())
        .with_error_message(Some(StrBytes::from_static_str(NO_AUTHORIZER)));
    let results = vec![refused; request.filters.len()];
    call.answer(&DeleteAclsResponse::default().with_filter_results(results))
}
