//! AlterConfigs (33), versions 0 to 2: the given settings replace all dynamic ones of a resource.
//!
//! - Deprecated in favour of IncrementalAlterConfigs; what 2.2's tools use.

use rkafka_core::controller::{AlterConfigs, AlterResource, ConfigChange};
use rkafka_wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use rkafka_wire::messages::{AlterConfigsRequest, AlterConfigsResponse};
use rkafka_wire::versions::Versions;

use super::config_resource::{number, resource};
use super::{Call, code_and_message, controlled, text};
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

/// How long a change may take: this request has no time of its own.
pub(super) const TIMEOUT_MS: i32 = 30_000;

pub(super) fn handle(call: Call, request: AlterConfigsRequest) -> Stage {
    let mut answers = Vec::new();
    let mut resources = Vec::new();
    for altered in request.resources {
        match resource(altered.resource_type, &altered.resource_name) {
            Ok(resource) => {
                let values = altered.configs.into_iter();
                let values =
                    values.map(|set| (set.name.to_string(), set.value.map(|value| value.to_string())));
                resources.push(AlterResource { resource, change: ConfigChange::Replace(values.collect()) });
            }
            Err(none) => answers.push(
                AlterConfigsResourceResponse::default()
                    .with_error_code(rkafka_wire::ErrorCode::InvalidRequest.code())
                    .with_error_message(Some(text(&none.message())))
                    .with_resource_type(altered.resource_type)
                    .with_resource_name(altered.resource_name),
            ),
        }
    }
    let asked: Vec<_> = resources.iter().map(|altered| altered.resource.clone()).collect();
    let broker = call.broker.clone();
    let alter = AlterConfigs { received_by: broker.id, resources, validate_only: request.validate_only };
    call.later(async move {
        let results = match controlled(&broker, alter, TIMEOUT_MS).await {
            Ok(results) => results
                .into_iter()
                .map(|result| (result.resource, code_and_message(&result.result)))
                .collect::<Vec<_>>(),
            Err(error) => asked
                .into_iter()
                .map(|resource| (resource, (error.error_code().code(), Some(text(&error.message)))))
                .collect(),
        };
        answers.extend(results.into_iter().map(|(resource, (code, message))| {
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(number(resource.kind))
                .with_resource_name(text(&resource.name))
        }));
        AlterConfigsResponse::default().with_responses(answers)
    })
}
