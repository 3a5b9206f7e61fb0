//! IncrementalAlterConfigs (44), versions 0 to 1: change settings key by key (KIP-339).

use rkafka_core::controller::{AlterConfigs, AlterResource, ConfigChange, ConfigOperation, OpType};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::incremental_alter_configs_request::AlterConfigsResource;
use rkafka_wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use rkafka_wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use rkafka_wire::versions::Versions;

use super::alter_configs::TIMEOUT_MS;
use super::config_resource::{NoResource, number, resource};
use super::{Call, code_and_message, controlled, text};
use crate::errors::ToErrorCode;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 1);

pub(super) fn handle(call: Call, request: IncrementalAlterConfigsRequest) -> Stage {
    let mut answers = Vec::new();
    let mut resources = Vec::new();
    for altered in &request.resources {
        match alter_resource(altered) {
            Ok(altered) => resources.push(altered),
            Err(message) => answers.push(
                AlterConfigsResourceResponse::default()
                    .with_error_code(ErrorCode::InvalidRequest.code())
                    .with_error_message(Some(text(&message)))
                    .with_resource_type(altered.resource_type)
                    .with_resource_name(text(&altered.resource_name)),
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
        IncrementalAlterConfigsResponse::default().with_responses(answers)
    })
}

fn alter_resource(altered: &AlterConfigsResource) -> Result<AlterResource, String> {
    let resource =
        resource(altered.resource_type, &altered.resource_name).map_err(NoResource::message)?;
    let operations = altered.configs.iter().map(|config| {
        let op = match config.config_operation {
            0 => OpType::Set,
            1 => OpType::Delete,
            2 => OpType::Append,
            3 => OpType::Subtract,
            other => return Err(format!("Unknown operation type {other} for the key {}.", &*config.name)),
        };
        Ok(ConfigOperation {
            key: config.name.to_string(),
            op,
            value: config.value.as_ref().map(ToString::to_string),
        })
    });
    let change = ConfigChange::Increment(operations.collect::<Result<_, _>>()?);
    Ok(AlterResource { resource, change })
}
