//! Resources of configuration requests: the protocol's type numbers and ours.

use rkafka_core::image::{ConfigResource, ResourceKind};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// A resource that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoResource {
    /// Log levels are not changed while the broker runs.
    Logger,
    /// A type without a meaning.
    Unknown(i8),
}

impl NoResource {
    /// What is said to who wants to change it.
    pub(super) fn message(self) -> String {
        match self {
            NoResource::Logger => {
                "Log levels are set with the environment variable RKAFKA_LOG when the broker starts."
                    .to_owned()
            }
            NoResource::Unknown(number) => format!("Unknown resource type {number}"),
        }
    }
}

/// The resource.
pub(super) fn resource(number: i8, name: &str) -> Result<ConfigResource, NoResource> {
    let kind = match number {
        TOPIC => ResourceKind::Topic,
        BROKER => ResourceKind::Broker,
        CLIENT_METRICS => ResourceKind::ClientMetrics,
        GROUP => ResourceKind::Group,
        BROKER_LOGGER => return Err(NoResource::Logger),
        _ => return Err(NoResource::Unknown(number)),
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
