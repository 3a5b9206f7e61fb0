//! DescribeAcls (29), versions 1 to 3: answered as Kafka does without an authorizer, with error 54.

use rkafka_wire::messages::{DescribeAclsRequest, DescribeAclsResponse};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};

use super::Call;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 3);

/// Kafka's words.
pub(super) const NO_AUTHORIZER: &str = "No Authorizer is configured.";

pub(super) fn handle(call: Call, _request: DescribeAclsRequest) -> Stage {
    let body = DescribeAclsResponse::default()
        .with_error_code(ErrorCode::SecurityDisabled.code())
        .with_error_message(Some(StrBytes::from_static_str(NO_AUTHORIZER)));
    call.answer(&body)
}
