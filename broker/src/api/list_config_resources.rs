//! ListConfigResources (74), versions 0 to 1: what has a configuration (KIP-1000, KIP-1142).
//!
//! - v0 lists client metrics subscriptions; v1 any kinds, none meaning all.

use std::collections::BTreeSet;

use rkafka_core::image::{ConfigResource as Resource, Image, ResourceKind};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::list_config_resources_response::ConfigResource;
use rkafka_wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use rkafka_wire::versions::Versions;

use super::config_resource::{LISTED, number};
use super::{Call, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 1);

pub(super) fn handle(call: Call, request: ListConfigResourcesRequest) -> Stage {
    let wanted = match (call.version(), request.resource_types.as_slice()) {
        (0, _) => vec![number(ResourceKind::ClientMetrics)],
        (_, []) => LISTED.to_vec(),
        (_, types) => types.to_vec(),
    };
    if wanted.iter().any(|kind| !LISTED.contains(kind)) {
        let code = ErrorCode::UnsupportedVersion.code();
        return call.answer(&ListConfigResourcesResponse::default().with_error_code(code));
    }
    let resources = resources(&call.broker.image()).into_iter();
    let resources = resources.filter(|(kind, _)| wanted.contains(kind)).map(|(kind, name)| {
        ConfigResource::default().with_resource_type(kind).with_resource_name(text(&name))
    });
    call.answer(&ListConfigResourcesResponse::default().with_config_resources(resources.collect()))
}

/// All topics and brokers, whether or not they set anything, and everything else that does.
fn resources(image: &Image) -> BTreeSet<(i8, String)> {
    let topics = image.topics().iter().map(|topic| Resource::topic(&topic.name));
    let brokers = image.brokers().iter().map(|broker| Resource::broker(broker.id));
    let set = image.configs().iter().map(|(resource, _)| resource.clone());
    let all = topics.chain(brokers).chain(set).filter(|resource| !resource.name.is_empty());
    all.map(|resource| (number(resource.kind), resource.name)).collect()
}
