//! Feature levels of the cluster (UpdateFeatures, KIP-584).

use crate::image::{ConfigResource, Image, MetadataRecord, ResourceKind};
use serde::{Deserialize, Serialize};

use super::configs::MIN_ISR;
use super::elections::{ELIGIBLE_LEADER_REPLICAS, for_each_partition};
use super::{ControllerError, ErrorKind, Outcome, View};

/// A feature this version knows, and the levels at which it can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The name.
    pub name: &'static str,
    /// The lowest level; 0 is "off".
    pub lowest: i16,
    /// The highest level.
    pub highest: i16,
}

/// One feature to be set to a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: String,
    /// The level wanted; 0 switches it off.
    pub level: i16,
    /// Which way it may go.
    pub kind: UpdateKind,
}

/// Which way a feature's level may go; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateKind {
    /// Up.
    Upgrade = 1,
    /// Down, if nothing is lost by it.
    SafeDowngrade = 2,
    /// Down, whatever is lost.
    UnsafeDowngrade = 3,
}

/// UpdateFeatures: all of the updates or none.
pub fn update_features(
    view: &View<'_>,
    supported: &[SupportedFeature],
    updates: &[FeatureUpdate],
    validate_only: bool,
) -> Result<Outcome<()>, ControllerError> {
    let mut records = Vec::new();
    for update in updates {
        check(view, supported, update).map_err(|reason| {
            let FeatureUpdate { name, level, .. } = update;
            let message = format!("Invalid update version {level} for feature {name}. {reason}");
            ControllerError::new(ErrorKind::InvalidUpdateVersion, message)
        })?;
        let current = view.image.feature_level(&update.name);
        if current != update.level {
            records.push(MetadataRecord::Feature { name: update.name.clone(), level: update.level });
        }
        if update.name == ELIGIBLE_LEADER_REPLICAS && current == 0 && update.level > 0 {
            records.extend(one_min_isr(view));
        }
    }
    if validate_only {
        records.clear();
    }
    Ok(Outcome { records, reply: () })
}

/// Makes `min.insync.replicas` one number for the whole cluster before eligible leader replicas rely on it
/// (KIP-966).
fn one_min_isr(view: &View<'_>) -> Vec<MetadataRecord> {
    let cluster = ConfigResource::cluster_default();
    let record = |resource: &ConfigResource, value: Option<String>| MetadataRecord::Config {
        resource: resource.clone(),
        key: MIN_ISR.to_owned(),
        value,
    };
    let set = |resource: &ConfigResource| view.image.configs().value(resource, MIN_ISR).is_some();
    let missing = (!set(&cluster)).then(|| record(&cluster, Some(view.min_isr_of_cluster().to_string())));
    let of_one_broker = view.image.configs().iter().map(|(resource, _)| resource).filter(|resource| {
        resource.kind == ResourceKind::Broker && !resource.name.is_empty() && set(resource)
    });
    missing.into_iter().chain(of_one_broker.map(|resource| record(resource, None))).collect()
}

fn check(view: &View<'_>, supported: &[SupportedFeature], update: &FeatureUpdate) -> Result<(), String> {
    if update.level < 0 {
        return Err("A feature version cannot be less than 0.".to_owned());
    }
    let known = supported.iter().find(|feature| feature.name == update.name);
    let (lowest, highest) = known.map_or((0, 0), |feature| (feature.lowest, feature.highest));
    supports("Local controller", lowest, highest, update.level)?;
    for broker in view.image.brokers().iter() {
        let offered = broker.features.iter().find(|(name, ..)| **name == *update.name);
        let (lowest, highest) = offered.map_or((0, 0), |(_, lowest, highest)| (*lowest, *highest));
        supports(&format!("Broker {}", broker.id), lowest, highest, update.level)?;
    }
    let current = view.image.feature_level(&update.name);
    match update.kind {
        UpdateKind::Upgrade if update.level < current => Err("Can't downgrade the version of this feature \
                                                              without setting the upgrade type to either safe \
                                                              or unsafe downgrade."
            .to_owned()),
        UpdateKind::SafeDowngrade | UpdateKind::UnsafeDowngrade if update.level > current => {
            Err("Can't downgrade to a newer version.".to_owned())
        }
        UpdateKind::SafeDowngrade if update.name == ELIGIBLE_LEADER_REPLICAS && update.level == 0 => {
            nobody_waits_for_eligible(view.image)
        }
        UpdateKind::Upgrade | UpdateKind::SafeDowngrade | UpdateKind::UnsafeDowngrade => Ok(()),
    }
}

/// Who was eligible is forgotten with the feature: a partition that has nobody in sync could then be led again by an
/// unclean election only.
fn nobody_waits_for_eligible(image: &Image) -> Result<(), String> {
    let (mut waiting, mut first) = (0, None);
    for_each_partition(image, |topic, id, partition| {
        let depends = !partition.elr().is_empty() || !partition.last_known_elr().is_empty();
        if partition.isr.is_empty() && depends {
            waiting += 1;
            first.get_or_insert_with(|| format!("{}-{}", topic.name, id.index));
        }
    });
    match first {
        None => Ok(()),
        Some(first) => Err(format!(
            "{waiting} partition(s), such as {first}, have no replica in sync and wait for one that was eligible to \
             lead, which would be forgotten. Start the brokers that hold them, or use an unsafe downgrade."
        )),
    }
}

fn supports(who: &str, lowest: i16, highest: i16, level: i16) -> Result<(), String> {
    if (lowest..=highest).contains(&level) {
        return Ok(());
    }
    Err(if highest == 0 {
        format!("{who} does not support this feature.")
    } else {
        format!("{who} only supports versions {lowest}-{highest}")
    })
}

#[cfg(test)]
mod tests;
