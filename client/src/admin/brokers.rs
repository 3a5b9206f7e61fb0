//! Single brokers: which requests they serve; forgetting one that is gone.

use rkafka_wire::messages::{ApiKey, ApiVersionsRequest, BrokerId, UnregisterBrokerRequest};
use rkafka_wire::{StrBytes, versions};

use super::Admin;
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;

/// A request that a broker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedApi {
    /// Its key.
    pub key: i16,
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

/// Requests that brokers and controllers send each other, which clients do not.
const INTERNAL: [i16; 17] = [4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 93];

/// Requests of streams groups (KIP-1071), which there are no messages for here.
const NAMES_ALONE: [(i16, &str); 2] = [(88, "StreamsGroupHeartbeat"), (89, "StreamsGroupDescribe")];

/// A request that clients send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownApi {
    /// Its key.
    pub key: i16,
    /// Its name, such as `ListOffsets`.
    pub name: String,
    /// The versions that this client knows; none if it knows the name alone.
    pub versions: Option<(i16, i16)>,
}

impl KnownApi {
    /// Every request that clients of Kafka 4.3 send, by key.
    #[must_use]
    pub fn all() -> Vec<KnownApi> {
        let known = (0..=i16::from(i8::MAX)).filter(|key| !INTERNAL.contains(key)).filter_map(|key| {
            if let Some((_, name)) = NAMES_ALONE.iter().find(|(known, _)| *known == key) {
                return Some(KnownApi { key, name: (*name).to_owned(), versions: None });
            }
            let api = ApiKey::try_from(key).ok()?;
            let (checked, written) = (versions::decodable(api), api.valid_versions());
            let (min, max) = (checked.min.max(written.min), checked.max.min(written.max));
            let versions = (min <= max).then_some((min, max));
            Some(KnownApi { key, name: format!("{api:?}"), versions })
        });
        known.collect()
    }
}

impl Admin {
    /// The requests that a broker serves, by key.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn api_versions(&self, broker: i32) -> Result<Vec<ServedApi>, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("rkafka"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<ApiVersionsRequest>()?;
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, None)?;
                let served = |api: &rkafka_wire::messages::api_versions_response::ApiVersion| ServedApi {
                    key: api.api_key,
                    min: api.min_version,
                    max: api.max_version,
                };
                let mut apis: Vec<_> = answer.api_keys.iter().map(served).collect();
                apis.sort_by_key(|api| api.key);
                Ok(apis)
            }
        };
        self.cluster.retry("apiVersions", Route::Node(broker), attempt).await
    }

    /// Makes the cluster forget a broker that is gone for good (since 2.8, KRaft).
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from clusters that cannot; a broker that is not known or still alive.
    pub async fn unregister_broker(&self, broker: i32) -> Result<(), ClientError> {
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker));
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<UnregisterBrokerRequest>()?;
                let answer = connection.call(version, request).await?;
                Ok(ApiError::check(answer.error_code, answer.error_message.as_deref())?)
            }
        };
        self.cluster.retry("unregisterBroker", Route::Controller, attempt).await
    }
}
