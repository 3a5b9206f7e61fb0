//! DescribeConfigs (32), versions 1 to 4: effective settings with their sources.
//!
//! - v1 synonyms and sources (KIP-226) · v3 types and documentation (KIP-569).
//! - A broker's settings are known to that broker alone: asked elsewhere, error 42.

use rkafka_core::controller::{ConfigEntry, ControllerError, DescribeConfigs, ErrorKind, describe_configs};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use rkafka_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use rkafka_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use rkafka_wire::versions::Versions;

use super::config_resource::{NoResource, resource};
use super::{Call, code_and_message, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 4);

pub(super) fn handle(call: Call, request: DescribeConfigsRequest) -> Stage {
    let (synonyms, documentation) = (request.include_synonyms, request.include_documentation);
    let results = request.resources.iter().map(|wanted| {
        let result = describe(&call, wanted);
        let (code, message) = code_and_message(&result);
        // Kafka says nothing, not null, of a success and of a topic that is not there.
        let has_words = code != 0 && code != ErrorCode::UnknownTopicOrPartition.code();
        let message = message.filter(|_| has_words).unwrap_or_default();
        let configs = result.unwrap_or_default();
        DescribeConfigsResult::default()
            .with_error_code(code)
            .with_error_message(Some(message))
            .with_resource_type(wanted.resource_type)
            .with_resource_name(wanted.resource_name.clone())
            .with_configs(configs.iter().map(|entry| answer(entry, synonyms, documentation)).collect())
    });
    call.answer(&DescribeConfigsResponse::default().with_results(results.collect()))
}

fn describe(call: &Call, wanted: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, ControllerError> {
    let resource = resource(wanted.resource_type, &wanted.resource_name)
        .map_err(|none| match none {
            NoResource::Logger => ControllerError::new(ErrorKind::InvalidRequest, none.message()),
            NoResource::Unknown(_) => ErrorKind::InvalidRequest.into(),
        })?;
    let keys = wanted.configuration_keys.as_ref();
    let request = DescribeConfigs {
        received_by: call.broker.id,
        resource,
        keys: keys.map(|keys| keys.iter().map(ToString::to_string).collect()),
    };
    call.broker.with_view(|view| describe_configs(view, &request))
}

fn answer(entry: &ConfigEntry, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.iter().filter(|_| synonyms).map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(text(&synonym.name))
            .with_value(synonym.value.as_deref().map(text))
            .with_source(synonym.source.wire_code())
    });
    DescribeConfigsResourceResult::default()
        .with_name(text(&entry.name))
        .with_value(entry.value.as_deref().map(text))
        .with_read_only(entry.is_read_only)
        .with_config_source(entry.source.wire_code())
        .with_is_sensitive(entry.is_sensitive)
        .with_synonyms(synonyms.collect())
        .with_config_type(entry.kind.map_or(0, rkafka_config::KeyType::wire_code))
        .with_documentation(entry.doc.filter(|_| documentation).map(text))
}
