//! Resources of configuration requests: the protocol's type numbers and ours.

use rkafka_core::image::{ConfigResource, ResourceKind};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// The resource, or what Kafka says of one it cannot configure.
pub(super) fn resource(number: i8, name: &str) -> Result<ConfigResource, String> {
    let kind = match number {
        TOPIC => ResourceKind::Topic,
        BROKER => ResourceKind::Broker,
        CLIENT_METRICS => ResourceKind::ClientMetrics,
        GROUP => ResourceKind::Group,
        BROKER_LOGGER => return Err("Log levels are set with the environment variable RUST_LOG.".to_owned()),
        _ => return Err(format!("Unsupported resource type {number}.")),
    };
    Ok(ConfigResource { kind, name: name.to_owned() })
}

/// The protocol's number of a kind.
pub(super) fn number(kind: ResourceKind) -> i8 {
    match kind {
        ResourceKind::Topic => TOPIC,
        ResourceKind::Broker => BROKER,
        ResourceKind::ClientMetrics => CLIENT_METRICS,
        ResourceKind::Group => GROUP,
    }
}

/// All kinds that can be listed.
pub(super) const LISTED: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
