//! The configuration of groups (KIP-848, KIP-932): which keys there are and what a group has in force.

use rkafka_config::keys::{group_keys, lookup};
use rkafka_config::{
    BrokerConfig, ConfigEntry, ConfigSource, Default as KeyDefault, InvalidConfig, KeyDef, Scope, Synonym,
    parse_value,
};

use crate::image::ConfigValues;

/// Checks all settings of one group, each for itself.
pub(super) fn validate(values: &ConfigValues) -> Result<(), InvalidConfig> {
    for (key, value) in values {
        let unknown = || InvalidConfig::UnknownKey { scope: Scope::Group, name: key.clone() };
        parse_value(lookup(Scope::Group, key).ok_or_else(unknown)?, value)?;
    }
    Ok(())
}

/// What a group has in force: its own settings over the broker's.
pub(super) fn describe(broker: &BrokerConfig, values: &ConfigValues) -> Vec<ConfigEntry> {
    let mut entries: Vec<ConfigEntry> = group_keys().map(|def| entry(def, broker, values)).collect();
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    entries
}

fn entry(def: &KeyDef, broker: &BrokerConfig, values: &ConfigValues) -> ConfigEntry {
    let candidate =
        |value: &str, source| Synonym { name: def.name.to_owned(), value: Some(value.to_owned()), source };
    let own = values.get(def.name).map(|value| candidate(value, ConfigSource::Group));
    let inherited = def.broker_synonym.and_then(|name| broker.setting(name));
    let default = match def.default {
        KeyDefault::Text(text) => Some(text),
        KeyDefault::Null => None,
    };
    let inherited = inherited.or(default).map(|value| candidate(value, ConfigSource::Default));
    let synonyms: Vec<Synonym> = own.into_iter().chain(inherited).collect();
    let head = synonyms.first();
    ConfigEntry {
        name: def.name.to_owned(),
        value: head.and_then(|head| head.value.clone()),
        source: head.map_or(ConfigSource::Default, |head| head.source),
        is_sensitive: def.is_sensitive(),
        is_read_only: false,
        kind: Some(def.kind),
        doc: Some(def.doc()),
        synonyms,
    }
}
