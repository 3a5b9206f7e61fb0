//! ApiVersions (18), versions 0 to 4: what this broker serves.
//!
//! - Every client's first request. A version that is not served is answered in the form of version 0 with
//!   error 35 before a handler is asked (KIP-511).
//! - v3 (KIP-511) carries the client's name and version, which must look like a name: 42 otherwise.
//! - v3 tells features (KIP-584); before v4 those whose lowest level is 0 are left out (KAFKA-17011).

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::api_versions_response::{FinalizedFeatureKey, SupportedFeatureKey};
use rkafka_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 4);

pub(super) fn handle(call: Call, request: ApiVersionsRequest) -> Stage {
    let named = call.version() >= 3;
    let valid = is_name(&request.client_software_name) && is_name(&request.client_software_version);
    if named && !valid {
        return call
            .answer(&ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code()));
    }
    let image = call.broker.image();
    let registration = image.brokers().get(call.broker.id);
    let supported = registration
        .iter()
        .flat_map(|broker| &broker.features)
        .filter(|(_, lowest, _)| call.version() >= 4 || *lowest > 0)
        .map(|(name, lowest, highest)| {
            SupportedFeatureKey::default()
                .with_name(text(name))
                .with_min_version(*lowest)
                .with_max_version(*highest)
        })
        .collect();
    let finalized = image
        .features()
        .map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(text(name))
                .with_min_version_level(level)
                .with_max_version_level(level)
        })
        .collect();
    let body = ApiVersionsResponse::default()
        .with_api_keys(call.served.advertised())
        .with_supported_features(supported)
        .with_finalized_features_epoch(i64::try_from(image.sequence()).unwrap_or(i64::MAX))
        .with_finalized_features(finalized);
    call.answer(&body)
}

/// Kafka's pattern `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_name(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_client_software() {
        for good in ["a", "apache-kafka-java", "4.3.1", "librdkafka"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
