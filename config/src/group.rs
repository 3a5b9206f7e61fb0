//! The settings of one group: its own over the broker's over the defaults. Classic groups have none of their own;
//! the keys belong to the newer protocols (KIP-848, KIP-932, KIP-1071).

use std::collections::BTreeMap;

use crate::broker::{BrokerConfig, value_of};
use crate::describe::{ConfigEntry, ConfigSource, Synonym};
use crate::error::{InvalidConfig, parse_all};
use crate::key::{BrokerKey, GroupKey, KeyDef, Scope};
use crate::keys::{self, group};
use crate::value::{Typed, Value};

/// A group key and the broker keys that bound what a group may set.
struct Bound {
    key: GroupKey<i32>,
    min: Option<BrokerKey<i32>>,
    max: Option<BrokerKey<i32>>,
}

impl Bound {
    const fn between(key: GroupKey<i32>, min: BrokerKey<i32>, max: BrokerKey<i32>) -> Bound {
        Bound { key, min: Some(min), max: Some(max) }
    }
}

/// In the order in which Kafka checks them.
const BOUNDS: [Bound; 12] = [
    Bound::between(
        group::CONSUMER_HEARTBEAT_INTERVAL_MS,
        keys::GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
        keys::GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS,
    ),
    Bound::between(
        group::CONSUMER_SESSION_TIMEOUT_MS,
        keys::GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS,
        keys::GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS,
    ),
    Bound::between(
        group::CONSUMER_ASSIGNMENT_INTERVAL_MS,
        keys::GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS,
        keys::GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS,
    ),
    Bound::between(
        group::SHARE_HEARTBEAT_INTERVAL_MS,
        keys::GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS,
        keys::GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS,
    ),
    Bound::between(
        group::SHARE_SESSION_TIMEOUT_MS,
        keys::GROUP_SHARE_MIN_SESSION_TIMEOUT_MS,
        keys::GROUP_SHARE_MAX_SESSION_TIMEOUT_MS,
    ),
    Bound::between(
        group::SHARE_RECORD_LOCK_DURATION_MS,
        keys::GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS,
        keys::GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS,
    ),
    Bound::between(
        group::SHARE_DELIVERY_COUNT_LIMIT,
        keys::GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT,
        keys::GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT,
    ),
    Bound::between(
        group::SHARE_PARTITION_MAX_RECORD_LOCKS,
        keys::GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS,
        keys::GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS,
    ),
    Bound::between(
        group::SHARE_ASSIGNMENT_INTERVAL_MS,
        keys::GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS,
        keys::GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS,
    ),
    Bound::between(
        group::STREAMS_HEARTBEAT_INTERVAL_MS,
        keys::GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS,
        keys::GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS,
    ),
    Bound::between(
        group::STREAMS_SESSION_TIMEOUT_MS,
        keys::GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS,
        keys::GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS,
    ),
    Bound {
        key: group::STREAMS_NUM_STANDBY_REPLICAS,
        min: None,
        max: Some(keys::GROUP_STREAMS_MAX_STANDBY_REPLICAS),
    },
];

/// A member must get a chance to send a heartbeat before its session ends.
const SESSIONS: [(GroupKey<i32>, GroupKey<i32>); 3] = [
    (group::CONSUMER_SESSION_TIMEOUT_MS, group::CONSUMER_HEARTBEAT_INTERVAL_MS),
    (group::SHARE_SESSION_TIMEOUT_MS, group::SHARE_HEARTBEAT_INTERVAL_MS),
    (group::STREAMS_SESSION_TIMEOUT_MS, group::STREAMS_HEARTBEAT_INTERVAL_MS),
];

/// All settings of a group, each with its source. Immutable.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    overrides: BTreeMap<String, String>,
    values: Vec<Value>,
    broker: BrokerConfig,
}

impl GroupConfig {
    /// Lays a group's own settings over the broker's.
    ///
    /// # Errors
    /// Kafka's error for the first unknown name, else the first bad value, else one outside the broker's bounds.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(
        overrides: impl IntoIterator<Item = (K, V)>,
        broker: &BrokerConfig,
    ) -> Result<GroupConfig, InvalidConfig> {
        let overrides: BTreeMap<String, String> =
            overrides.into_iter().map(|(k, v)| (k.as_ref().to_owned(), v.as_ref().to_owned())).collect();
        let own = parse_all(Scope::Group, &overrides)?;
        let mut values: Vec<Value> = keys::group_keys().map(|def| broker.inherited(def)).collect();
        for (def, value) in own {
            values[def.slot] = value;
        }
        let config = GroupConfig { overrides, values, broker: broker.clone() };
        config.check_bounds()?;
        Ok(config)
    }

    /// The value in force.
    #[must_use]
    pub fn get<T: Typed>(&self, key: GroupKey<T>) -> T::Out<'_> {
        value_of(&self.values, key)
    }

    /// What the group itself sets.
    #[must_use]
    pub fn overrides(&self) -> &BTreeMap<String, String> {
        &self.overrides
    }

    /// DescribeConfigs of this group: all keys, by name.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigEntry> {
        let mut entries: Vec<ConfigEntry> = keys::group_keys().map(|def| self.entry(def)).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        entries
    }

    fn entry(&self, def: &KeyDef) -> ConfigEntry {
        let value = self.values[def.slot].to_text();
        let synonym = |value, source| Synonym { name: def.name.to_owned(), value, source };
        let own = self.overrides.contains_key(def.name).then(|| synonym(value.clone(), ConfigSource::Group));
        let inherited = match def.broker_synonym {
            Some(name) => self.broker.layers().synonyms(name, def.is_sensitive()),
            None => vec![synonym(def.default_value().to_text(), ConfigSource::Default)],
        };
        ConfigEntry::known(def, value, false, own.into_iter().chain(inherited).collect())
    }

    /// `GroupConfig.validateValues` of Kafka. The broker's own default need not lie within the bounds.
    fn check_bounds(&self) -> Result<(), InvalidConfig> {
        let conflict = |key: GroupKey<i32>, relation: &str, other: &str| {
            Err(InvalidConfig::Conflict(format!("{} must be {relation} {other}", key.name())))
        };
        for Bound { key, min, max } in BOUNDS {
            if !self.overrides.contains_key(key.name()) {
                continue;
            }
            let value = self.get(key);
            if let Some(min) = min.filter(|min| value < self.broker.get(*min)) {
                return conflict(key, "greater than or equal to", min.name());
            }
            if let Some(max) = max.filter(|max| value > self.broker.get(*max)) {
                return conflict(key, "less than or equal to", max.name());
            }
        }
        for (session, heartbeat) in SESSIONS {
            if self.get(session) <= self.get(heartbeat) {
                return conflict(session, "greater than", heartbeat.name());
            }
        }
        Ok(())
    }
}
