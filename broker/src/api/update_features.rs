//! UpdateFeatures (57), versions 0 to 2: sets levels of features that the whole cluster goes by (KIP-584, KIP-1022).
//!
//! - All of the updates or none. v0 may only say that a downgrade is allowed; v1 says which kind, and may only
//!   check · v2 answers for the request as a whole, before each feature has its own result.

use rkafka_core::controller::{ControllerError, ErrorKind, FeatureUpdate, UpdateKind};
use rkafka_wire::messages::update_features_request::FeatureUpdateKey;
use rkafka_wire::messages::update_features_response::UpdatableFeatureResult;
use rkafka_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use rkafka_wire::versions::Versions;

use super::{Call, controlled, text};
use crate::errors::ToErrorCode;
use crate::metadata_store::UpdateFeatures;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

pub(super) fn handle(call: Call, request: UpdateFeaturesRequest) -> Stage {
    let version = call.version();
    let names: Vec<String> = request.feature_updates.iter().map(|one| one.feature.to_string()).collect();
    let updates: Result<Vec<FeatureUpdate>, ControllerError> =
        request.feature_updates.iter().map(|one| update(one, version)).collect();
    let broker = call.broker.clone();
    call.later(async move {
        let result = match updates {
            Ok(updates) => {
                let wanted = UpdateFeatures { updates, validate_only: version >= 1 && request.validate_only };
                controlled(&broker, wanted, request.timeout_ms).await
            }
            Err(error) => Err(error),
        };
        answer(names, &result, version)
    })
}

fn update(wanted: &FeatureUpdateKey, version: i16) -> Result<FeatureUpdate, ControllerError> {
    let kind = match (version, wanted.upgrade_type) {
        (0, _) if wanted.allow_downgrade => UpdateKind::SafeDowngrade,
        (0, _) | (_, 1) => UpdateKind::Upgrade,
        (_, 2) => UpdateKind::SafeDowngrade,
        (_, 3) => UpdateKind::UnsafeDowngrade,
        (_, other) => {
            let message = format!("The controller does not support the given upgrade type {other}.");
            return Err(ControllerError::new(ErrorKind::InvalidRequest, message));
        }
    };
    Ok(FeatureUpdate { name: wanted.feature.to_string(), level: wanted.max_version_level, kind })
}

fn answer(names: Vec<String>, result: &Result<(), ControllerError>, version: i16) -> UpdateFeaturesResponse {
    let (code, message) = match result {
        Ok(()) => (0, None),
        Err(error) => (error.error_code().code(), Some(text(&error.message))),
    };
    let answer = UpdateFeaturesResponse::default().with_error_code(code).with_error_message(message.clone());
    if version >= 2 {
        return answer;
    }
    // Versions that answer for each feature say there why none was changed.
    let each = names.iter().map(|name| {
        UpdatableFeatureResult::default()
            .with_feature(text(name))
            .with_error_code(code)
            .with_error_message(message.clone())
    });
    UpdateFeaturesResponse::default().with_error_message(None).with_results(each.collect())
}
