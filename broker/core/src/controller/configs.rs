//! Dynamic configuration: AlterConfigs, IncrementalAlterConfigs (KIP-339) and DescribeConfigs.
//!
//! A resource changes as a whole or not at all, and its new configuration is judged as a whole: two keys that
//! contradict each other are refused however they came together.

use std::collections::BTreeSet;

use rkafka_config::keys::lookup;
use rkafka_config::{
    BrokerConfig, ConfigEntry, Default as KeyDefault, DynamicLayer, GroupConfig, InvalidConfig, KeyType,
    Scope, TopicConfig,
};
use serde::{Deserialize, Serialize};

use crate::ids::BrokerId;
use crate::image::{ConfigResource, ConfigValues, Delta, Image, MetadataRecord, ResourceKind};

use super::client_metrics;
use super::elections::after_min_isr_change;
use super::names::validate_topic_name;
use super::{ControllerError, ErrorKind, Outcome, View};

/// The key that decides how many replicas commit; of topics and brokers alike.
pub(super) const MIN_ISR: &str = "min.insync.replicas";

/// Longest value, as in Kafka.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

/// AlterConfigs and IncrementalAlterConfigs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterConfigs {
    /// The broker the client sent it to: only that one's own configuration may be altered through it.
    pub received_by: BrokerId,
    /// The resources, each atomic.
    pub resources: Vec<AlterResource>,
    /// Check only.
    pub validate_only: bool,
}

/// What shall become of one resource's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterResource {
    /// The resource.
    pub resource: ConfigResource,
    /// The change.
    pub change: ConfigChange,
}

/// A change of one resource's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigChange {
    /// AlterConfigs: these values and no others.
    Replace(Vec<(String, Option<String>)>),
    /// IncrementalAlterConfigs: key by key.
    Increment(Vec<ConfigOperation>),
}

/// One step of an incremental change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigOperation {
    /// The key.
    pub key: String,
    /// What to do with it.
    pub op: OpType,
    /// The value; only [`OpType::Delete`] does without.
    pub value: Option<String>,
}

/// What IncrementalAlterConfigs can do with a key; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpType {
    /// Give it this value.
    Set = 0,
    /// Back to what it inherits.
    Delete = 1,
    /// Add to a list what it does not have yet.
    Append = 2,
    /// Take out of a list.
    Subtract = 3,
}

/// The answer for one resource of [`AlterConfigs`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterConfigsResult {
    /// The resource.
    pub resource: ConfigResource,
    /// Whether it was, or would be, changed.
    pub result: Result<(), ControllerError>,
}

/// Alters configurations.
#[must_use]
pub fn alter_configs(view: &View<'_>, request: &AlterConfigs) -> Outcome<Vec<AlterConfigsResult>> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&ConfigResource> = request
        .resources
        .iter()
        .map(|altered| &altered.resource)
        .filter(|resource| !seen.insert(*resource))
        .collect();
    let mut records = Vec::new();
    let mut reply = Vec::new();
    for AlterResource { resource, change } in &request.resources {
        let result = if twice.contains(resource) {
            Err(ControllerError::new(ErrorKind::InvalidRequest, "Each resource must appear at most once."))
        } else {
            alter_resource(view, request.received_by, resource, change).map(|changes| records.extend(changes))
        };
        reply.push(AlterConfigsResult { resource: resource.clone(), result });
    }
    if request.validate_only {
        records.clear();
    }
    records.extend(eligibility_ended(view, &records));
    Outcome { records, reply }
}

/// What must come with a change of `min.insync.replicas` (KIP-966).
fn eligibility_ended(view: &View<'_>, records: &[MetadataRecord]) -> Vec<MetadataRecord> {
    let sets_min_isr =
        |record: &MetadataRecord| matches!(record, MetadataRecord::Config { key, .. } if key == MIN_ISR);
    if !view.eligible_replicas_enabled() || !records.iter().any(sets_min_isr) {
        return Vec::new();
    }
    let mut delta = Delta::new(view.image);
    // Settings of resources always apply.
    let applied = delta.replay_all(records);
    debug_assert_eq!(applied, Ok(()));
    after_min_isr_change(&View { image: delta.image(), ..*view })
}

fn alter_resource(
    view: &View<'_>,
    received_by: BrokerId,
    resource: &ConfigResource,
    change: &ConfigChange,
) -> Result<Vec<MetadataRecord>, ControllerError> {
    check_request(change)?;
    if resource.kind == ResourceKind::Broker && !resource.name.is_empty() {
        check_broker_name(received_by, &resource.name)?;
    }
    let nothing = ConfigValues::new();
    let old = view.image.configs().get(resource).map_or(&nothing, AsRef::as_ref);
    let new = match change {
        ConfigChange::Replace(values) => {
            values.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
        }
        ConfigChange::Increment(operations) => {
            let mut values = old.clone();
            for operation in operations {
                apply(resource.kind, &mut values, operation)?;
            }
            values
        }
    };
    check_sizes(&new)?;
    if resource.kind == ResourceKind::Broker && view.eligible_replicas_enabled() {
        check_min_isr(resource, old, &new)?;
    }
    validate(view, resource, &new)?;
    Ok(difference(resource, old, &new))
}

/// What is wrong with a change whatever it is about.
fn check_request(change: &ConfigChange) -> Result<(), ControllerError> {
    let refuse = |message: String| Err(ControllerError::new(ErrorKind::InvalidRequest, message));
    let keys: Vec<(&str, bool)> = match change {
        ConfigChange::Replace(values) => {
            values.iter().map(|(key, value)| (key.as_str(), value.is_none())).collect()
        }
        ConfigChange::Increment(operations) => operations
            .iter()
            .map(|operation| {
                let missing = operation.value.is_none() && operation.op != OpType::Delete;
                (operation.key.as_str(), missing)
            })
            .collect(),
    };
    let distinct: BTreeSet<&str> = keys.iter().map(|(key, _)| *key).collect();
    if distinct.len() != keys.len() {
        return refuse("Error due to duplicate config keys".to_owned());
    }
    let nulls: Vec<&str> = keys.iter().filter(|(_, missing)| *missing).map(|(key, _)| *key).collect();
    if nulls.is_empty() {
        return Ok(());
    }
    refuse(format!("Null value not supported for : {}", nulls.join(", ")))
}

fn check_sizes(values: &ConfigValues) -> Result<(), ControllerError> {
    if values.values().all(|value| value.len() <= VALUE_BYTES_MAX) {
        return Ok(());
    }
    let message = format!(
        "The configuration value cannot be added because it exceeds the maximum value size of \
         {VALUE_BYTES_MAX} bytes."
    );
    Err(ControllerError::new(ErrorKind::InvalidConfig, message))
}

/// With eligible leader replicas `min.insync.replicas` is one number for the whole cluster (KIP-966).
fn check_min_isr(
    resource: &ConfigResource,
    old: &ConfigValues,
    new: &ConfigValues,
) -> Result<(), ControllerError> {
    let (old, new) = (old.get(MIN_ISR), new.get(MIN_ISR));
    let message = if !resource.name.is_empty() && old != new {
        format!("Broker-level {MIN_ISR} cannot be altered while ELR is enabled.")
    } else if resource.name.is_empty() && old.is_some() && new.is_none() {
        format!("Cluster-level {MIN_ISR} cannot be removed while ELR is enabled.")
    } else {
        return Ok(());
    };
    Err(ControllerError::new(ErrorKind::InvalidConfig, message))
}

fn check_broker_name(node: BrokerId, name: &str) -> Result<(), ControllerError> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == node.0 => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {node}, but received {name}"),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    };
    Err(ControllerError::new(ErrorKind::InvalidRequest, message))
}

fn apply(
    kind: ResourceKind,
    values: &mut ConfigValues,
    operation: &ConfigOperation,
) -> Result<(), ControllerError> {
    let ConfigOperation { key, op, value } = operation;
    let value = value.as_deref().unwrap_or_default();
    match op {
        OpType::Set => {
            values.insert(key.clone(), value.to_owned());
        }
        OpType::Delete => {
            values.remove(key);
        }
        OpType::Append | OpType::Subtract => {
            let default = list_default(kind, key).ok_or_else(|| not_a_list(kind, key, *op))?;
            let present = values.get(key).map_or(default, String::as_str);
            let mut parts: Vec<&str> = present.split(',').filter(|part| !part.is_empty()).collect();
            for part in value.split(',') {
                let at = parts.iter().position(|present| *present == part);
                match (op, at) {
                    (OpType::Append, None) => parts.push(part),
                    (OpType::Subtract, Some(at)) => drop(parts.remove(at)),
                    _ => {}
                }
            }
            let joined = parts.join(",");
            values.insert(key.clone(), joined);
        }
    }
    Ok(())
}

/// Brokers check their own settings before the controller does, with other words.
fn not_a_list(kind: ResourceKind, key: &str, op: OpType) -> ControllerError {
    let (upper, lower) = if op == OpType::Append { ("APPEND", "append") } else { ("SUBTRACT", "subtract") };
    let message = if kind == ResourceKind::Broker {
        format!("Config value {lower} is not allowed for config key: {key}")
    } else {
        format!("Can't {upper} to key {key} because its type is not LIST.")
    };
    ControllerError::new(ErrorKind::InvalidConfig, message)
}

/// The default of a key whose values are lists; `None` for other keys.
fn list_default(kind: ResourceKind, key: &str) -> Option<&'static str> {
    let scope = match kind {
        ResourceKind::Topic => Scope::Topic,
        ResourceKind::Broker => Scope::Broker,
        ResourceKind::Group => Scope::Group,
        ResourceKind::ClientMetrics => return client_metrics::is_list(key).then_some(""),
    };
    let def = lookup(scope, key).filter(|def| def.kind == KeyType::List)?;
    match def.default {
        KeyDefault::Text(text) => Some(text),
        KeyDefault::Null => Some(""),
    }
}

fn validate(
    view: &View<'_>,
    resource: &ConfigResource,
    values: &ConfigValues,
) -> Result<(), ControllerError> {
    match resource.kind {
        ResourceKind::Topic => {
            if resource.name.is_empty() {
                let message = "Default topic resources are not allowed.";
                return Err(ControllerError::new(ErrorKind::InvalidRequest, message));
            }
            validate_topic_name(&resource.name)?;
            validate_topic(view, values)?;
            let topic = view.image.topics().by_name(&resource.name);
            topic.map(drop).ok_or_else(|| {
                let message = format!("The topic '{}' does not exist.", resource.name);
                ControllerError::new(ErrorKind::UnknownTopicOrPartition, message)
            })
        }
        ResourceKind::Broker => {
            let whole_cluster = resource.name.is_empty();
            let layer = if whole_cluster { DynamicLayer::ClusterDefault } else { DynamicLayer::ThisBroker };
            // Kafka answers INVALID_REQUEST here, not INVALID_CONFIG (KAFKA-13609).
            let refused = |error: InvalidConfig| ControllerError::new(ErrorKind::InvalidRequest, error);
            view.config.validate_dynamic(layer, values).map_err(refused)
        }
        ResourceKind::Group => {
            if resource.name.is_empty() {
                let message = "Default group resources are not allowed.";
                return Err(ControllerError::new(ErrorKind::InvalidRequest, message));
            }
            GroupConfig::new(values, view.config).map(drop).map_err(invalid_config)
        }
        ResourceKind::ClientMetrics => client_metrics::validate(&resource.name, values),
    }
}

fn invalid_config(error: InvalidConfig) -> ControllerError {
    ControllerError::new(ErrorKind::InvalidConfig, error)
}

/// Checks all of a topic's overrides.
pub(super) fn validate_topic(view: &View<'_>, values: &ConfigValues) -> Result<(), ControllerError> {
    TopicConfig::new(values, view.config).map(drop).map_err(invalid_config)
}

/// Records from the old to the new values. A broker's are written even when they are the same: setting a
/// password file's name again makes brokers read the file again (KAFKA-14136).
fn difference(resource: &ConfigResource, old: &ConfigValues, new: &ConfigValues) -> Vec<MetadataRecord> {
    let record = |key: &String, value: Option<&String>| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: value.cloned(),
    };
    let always = resource.kind == ResourceKind::Broker;
    let set = new.iter().filter(|(key, value)| always || old.get(*key) != Some(*value));
    let deleted = old.keys().filter(|key| !new.contains_key(*key));
    set.map(|(key, value)| record(key, Some(value))).chain(deleted.map(|key| record(key, None))).collect()
}

/// The configuration of one node with what was set at run time laid over it, and the settings that were left
/// out because this version does not take them. What [`View::config`] and every consumer of settings must use;
/// to be made anew when an image changes the broker's resource or the cluster default.
#[must_use]
pub fn effective_broker_config(
    image: &Image,
    from_file: &BrokerConfig,
    node: BrokerId,
) -> (BrokerConfig, Vec<InvalidConfig>) {
    let defaults = stored(image, &ConfigResource::cluster_default());
    let (config, mut refused) = from_file.with_dynamic(DynamicLayer::ClusterDefault, defaults);
    let (config, more) =
        config.with_dynamic(DynamicLayer::ThisBroker, stored(image, &ConfigResource::broker(node)));
    refused.extend(more);
    (config, refused)
}

/// DescribeConfigs of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeConfigs {
    /// The broker the client asked: it knows only its own static configuration.
    pub received_by: BrokerId,
    /// The resource.
    pub resource: ConfigResource,
    /// The keys; none or an empty list for all.
    pub keys: Option<Vec<String>>,
}

/// The effective configuration of a resource, by key. `view.config` must be that of the asked broker.
pub fn describe_configs(
    view: &View<'_>,
    request: &DescribeConfigs,
) -> Result<Vec<ConfigEntry>, ControllerError> {
    let ConfigResource { kind, name } = &request.resource;
    let mut entries = match kind {
        ResourceKind::Topic => {
            validate_topic_name(name)?;
            view.image.topics().by_name(name).ok_or(ErrorKind::UnknownTopicOrPartition)?;
            describe_topic(view, &stored(view.image, &request.resource))
        }
        ResourceKind::Broker if name.is_empty() => view.config.describe_cluster_default(),
        ResourceKind::Broker => {
            check_described_broker(request.received_by, name)?;
            view.config.describe()
        }
        ResourceKind::Group => {
            if name.is_empty() {
                let message = "Group name must not be empty";
                return Err(ControllerError::new(ErrorKind::InvalidRequest, message));
            }
            let values = stored(view.image, &request.resource);
            GroupConfig::new(values, view.config).map_err(invalid_config)?.describe()
        }
        ResourceKind::ClientMetrics => {
            if name.is_empty() {
                let message = "Client metrics subscription name must not be empty";
                return Err(ControllerError::new(ErrorKind::InvalidRequest, message));
            }
            client_metrics::describe(&stored(view.image, &request.resource))
        }
    };
    if let Some(keys) = request.keys.as_ref().filter(|keys| !keys.is_empty()) {
        entries.retain(|entry| keys.contains(&entry.name));
    }
    Ok(entries)
}

fn check_described_broker(node: BrokerId, name: &str) -> Result<(), ControllerError> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == node.0 => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {node} or empty string, but received {name}"),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(ControllerError::new(ErrorKind::InvalidRequest, message))
}

fn stored(image: &Image, resource: &ConfigResource) -> ConfigValues {
    image.configs().get(resource).map(|values| values.as_ref().clone()).unwrap_or_default()
}

/// A topic's effective configuration with these overrides.
pub(super) fn describe_topic(view: &View<'_>, values: &ConfigValues) -> Vec<ConfigEntry> {
    TopicConfig::from_stored(values, view.config).0.describe()
}

#[cfg(test)]
mod tests;
