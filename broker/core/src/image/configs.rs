//! Dynamic configuration of the image: what AlterConfigs has set, per resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// What a configuration belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResourceKind {
    /// A topic, by name.
    Topic,
    /// A broker by its id in decimal, or all brokers by the empty name.
    Broker,
    /// A group, by its id.
    Group,
    /// A client metrics subscription (KIP-714), by name.
    ClientMetrics,
}

/// One thing that has a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name; empty means "the default of all brokers" for [`ResourceKind::Broker`].
    pub name: String,
}

impl ConfigResource {
    /// The topic of that name.
    #[must_use]
    pub fn topic(name: &str) -> Self {
        ConfigResource { kind: ResourceKind::Topic, name: name.to_owned() }
    }

    /// The broker of that id.
    #[must_use]
    pub fn broker(id: crate::ids::BrokerId) -> Self {
        ConfigResource { kind: ResourceKind::Broker, name: id.to_string() }
    }

    /// The dynamic defaults of all brokers.
    #[must_use]
    pub fn cluster_default() -> Self {
        ConfigResource { kind: ResourceKind::Broker, name: String::new() }
    }
}

/// Key → value of one resource.
pub type ConfigValues = BTreeMap<String, String>;

/// The dynamic configuration of all resources that have any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configs {
    by_resource: OrdMap<ConfigResource, Arc<ConfigValues>>,
}

impl Configs {
    /// What was set for one resource; `None` if nothing is.
    #[must_use]
    pub fn get(&self, resource: &ConfigResource) -> Option<&Arc<ConfigValues>> {
        self.by_resource.get(resource)
    }

    /// One value of one resource.
    #[must_use]
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.get(resource)?.get(key).map(String::as_str)
    }

    /// All resources that have a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<ConfigValues>)> {
        self.by_resource.iter()
    }

    pub(super) fn set(&mut self, resource: &ConfigResource, key: &str, value: &str) {
        let values = self.by_resource.entry(resource.clone()).or_default();
        Arc::make_mut(values).insert(key.to_owned(), value.to_owned());
    }

    pub(super) fn delete(&mut self, resource: &ConfigResource, key: &str) {
        let Some(values) = self.by_resource.get_mut(resource) else { return };
        Arc::make_mut(values).remove(key);
        if values.is_empty() {
            self.by_resource.remove(resource);
        }
    }

    pub(super) fn remove(&mut self, resource: &ConfigResource) {
        self.by_resource.remove(resource);
    }
}
