//! Features of the cluster, such as `metadata.version`: ApiVersions tells, UpdateFeatures changes them (KIP-584).

use std::collections::BTreeMap;

use rkafka_wire::messages::update_features_request::FeatureUpdateKey;
use rkafka_wire::messages::{ApiVersionsRequest, UpdateFeaturesRequest};

use super::{Admin, Each, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;

/// A range of versions of a feature, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureVersions {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

/// The features of a cluster by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// What the broker that was asked could do.
    pub supported: BTreeMap<String, FeatureVersions>,
    /// What the cluster has agreed on; `max` is the level in force.
    pub finalized: BTreeMap<String, FeatureVersions>,
    /// Rises with every agreement; absent if there is none.
    pub finalized_epoch: Option<i64>,
}

/// What a change of a feature's level may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeType {
    /// Raise it.
    Upgrade,
    /// Lower it as long as nothing is lost.
    SafeDowngrade,
    /// Lower it whatever is lost.
    UnsafeDowngrade,
}

/// A change of a feature's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The level to agree on; 0 removes the feature.
    pub level: i16,
    /// What the change may do.
    pub upgrade_type: UpgradeType,
}

impl Admin {
    /// The features that brokers support and that the cluster has agreed on; none from brokers before 2.4.
    ///
    /// # Errors
    /// No broker reachable.
    pub async fn describe_features(&self) -> Result<Features, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("rkafka"))
            .with_client_software_version(text(env!("CARGO_PKG_VERSION")));
        self.ask("describeFeatures", Route::Any, &request, |answer| {
            ApiError::check(answer.error_code, None)?;
            let supported = answer.supported_features.iter().map(|feature| {
                let versions = FeatureVersions { min: feature.min_version, max: feature.max_version };
                (feature.name.to_string(), versions)
            });
            let finalized = answer.finalized_features.iter().map(|feature| {
                let versions =
                    FeatureVersions { min: feature.min_version_level, max: feature.max_version_level };
                (feature.name.to_string(), versions)
            });
            Ok(Features {
                supported: supported.collect(),
                finalized: finalized.collect(),
                finalized_epoch: Some(answer.finalized_features_epoch).filter(|epoch| *epoch >= 0),
            })
        })
        .await
    }

    /// Changes the levels of features (since 2.7). Brokers since 4.0 change all of them or none, and say once why.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers without features; the controller's refusal of everything; in a
    /// cluster before 4.0, why one feature was not changed is its own error.
    pub async fn update_features(
        &self,
        updates: &BTreeMap<String, FeatureUpdate>,
        validate_only: bool,
    ) -> Result<Each<String, ()>, ClientError> {
        let attempt = |connection: Connection| async move {
            let version = connection.version::<UpdateFeaturesRequest>()?;
            if version == 0 && validate_only {
                let feature = "trying out an update of features".to_owned();
                return Err(ClientError::TooOld { address: connection.address().to_string(), feature });
            }
            let request = UpdateFeaturesRequest::default()
                .with_timeout_ms(self.timeout_ms())
                .with_feature_updates(updates.iter().map(|update| key(update, version)).collect())
                .with_validate_only(validate_only);
            let answer = connection.call(version, &request).await?;
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let results = updates.keys().map(|name| {
                let result = answer.results.iter().find(|result| result.feature.as_str() == name);
                let checked = result.map_or(Ok(()), |result| {
                    ApiError::check(result.error_code, result.error_message.as_deref())
                });
                (name.clone(), checked)
            });
            Ok(results.collect())
        };
        self.cluster.retry("updateFeatures", Route::Controller, attempt).await
    }
}

fn key((name, update): (&String, &FeatureUpdate), version: i16) -> FeatureUpdateKey {
    let key = FeatureUpdateKey::default().with_feature(text(name)).with_max_version_level(update.level);
    if version == 0 {
        return key.with_allow_downgrade(update.upgrade_type != UpgradeType::Upgrade);
    }
    key.with_upgrade_type(match update.upgrade_type {
        UpgradeType::Upgrade => 1,
        UpgradeType::SafeDowngrade => 2,
        UpgradeType::UnsafeDowngrade => 3,
    })
}
