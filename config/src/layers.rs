//! The layers a broker's settings come from, and Kafka's fall-back rules between keys.

use std::collections::BTreeMap;

use crate::describe::{ConfigSource, Synonym};
use crate::key::{Default, KeyDef, Scope};
use crate::keys;
use crate::value::Value;

/// Names and texts as somebody set them.
pub(crate) type Layer = BTreeMap<String, String>;

/// Keys that answer for one another, the strongest first, with the milliseconds in one unit of each.
const FALLBACKS: [&[(&str, i64)]; 6] = [
    &[("log.roll.ms", 1), ("log.roll.hours", HOUR_MS)],
    &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS)],
    &[("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", HOUR_MS)],
    &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)],
    // Before 3.6 one key bounded both sides (KIP-937).
    &[("log.message.timestamp.before.max.ms", 1), ("log.message.timestamp.difference.max.ms", 1)],
    &[("log.message.timestamp.after.max.ms", 1), ("log.message.timestamp.difference.max.ms", 1)],
];

const HOUR_MS: i64 = 3_600_000;

/// Keys that at run time can be set for a listener only, by its prefix.
pub(crate) const PER_LISTENER_ONLY: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Keys that can be set for a listener of all brokers at once.
pub(crate) const CLUSTER_LEVEL_LISTENER_KEYS: [&str; 3] =
    ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Keys that Kafka gives per SASL mechanism as well: `listener.name.LISTENER.MECHANISM.KEY`.
const MECHANISM_KEYS: [&str; 5] = [
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

/// The key that `listener.name.LISTENER.KEY` sets for one listener; `None` for other names.
pub(crate) fn listener_override(name: &str) -> Option<&str> {
    let (_, base) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(MECHANISM_KEYS.into_iter().find(|key| base.ends_with(key)).unwrap_or(base))
}

/// The chain that a key heads or stands in.
fn chain(name: &str) -> Option<&'static [(&'static str, i64)]> {
    FALLBACKS.into_iter().find(|chain| chain.iter().any(|(member, _)| *member == name))
}

/// The names DescribeConfigs looks at for a broker key, the strongest first.
fn synonym_names(name: &str) -> Vec<&str> {
    let is_shown =
        name.starts_with("log.roll") || name.starts_with("log.retention") || name == "log.flush.interval.ms";
    match (chain(name).filter(|_| is_shown), listener_override(name)) {
        (Some(chain), _) => chain.iter().map(|(name, _)| *name).collect(),
        (None, Some(base)) => vec![name, base],
        (None, None) => vec![name],
    }
}

/// The value in force of a key, with what it falls back to: first what somebody set, then defaults, each in
/// the chain's order and in milliseconds.
pub(crate) fn effective(layers: &Layers, values: &[Value], def: &KeyDef) -> Value {
    let Some(chain) = chain(def.name).filter(|chain| chain[0].0 == def.name) else {
        return values[def.slot].clone();
    };
    let scaled = |(name, unit_ms): &(&str, i64)| {
        let value = match values[keys::lookup(Scope::Broker, name)?.slot] {
            Value::Int(value) => i64::from(value),
            Value::Long(value) => value,
            _ => return None,
        };
        Some(Value::Long(if value < 0 { -1 } else { value.saturating_mul(*unit_ms) }))
    };
    let is_set = |(name, _): &&(&str, i64)| layers.setting(name).is_some();
    let set = chain.iter().filter(is_set).find_map(scaled);
    set.or_else(|| chain.iter().find_map(scaled)).unwrap_or(Value::Null)
}

/// Whom a run-time setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicLayer {
    /// This broker alone.
    ThisBroker,
    /// All brokers that have no setting of their own.
    ClusterDefault,
}

/// All settings of one broker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// Set at run time for this broker.
    pub(crate) this_broker: Layer,
    /// Set at run time for all brokers.
    pub(crate) cluster_default: Layer,
    /// From the property file and the command line.
    pub(crate) file: Layer,
}

impl Layers {
    /// `broker.id` and `node.id` stand for one another where only one is set.
    pub(crate) fn with_id_synonyms(mut self) -> Layers {
        for (from, to) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
            if let (Some(id), None) = (self.file.get(from), self.file.get(to)) {
                let id = id.clone();
                self.file.insert(to.to_owned(), id);
            }
        }
        self
    }

    /// The layers with one of the dynamic ones replaced.
    pub(crate) fn with(mut self, layer: DynamicLayer, settings: Layer) -> Layers {
        match layer {
            DynamicLayer::ThisBroker => self.this_broker = settings,
            DynamicLayer::ClusterDefault => self.cluster_default = settings,
        }
        self
    }

    /// The strongest setting of exactly this name.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        [&self.this_broker, &self.cluster_default, &self.file]
            .into_iter()
            .find_map(|layer| layer.get(name))
            .map(String::as_str)
    }

    /// The strongest setting of this name, unless a stronger layer sets another key of its chain: a dynamic
    /// `log.retention.ms` makes a file's `log.retention.hours` void.
    pub(crate) fn setting_in_force(&self, name: &str) -> Option<&str> {
        let chain = chain(name).unwrap_or_default();
        for layer in [&self.this_broker, &self.cluster_default, &self.file] {
            if let Some(text) = layer.get(name) {
                return Some(text);
            }
            if chain.iter().any(|(member, _)| layer.contains_key(*member)) {
                return None;
            }
        }
        None
    }

    /// The chain that DescribeConfigs shows: every layer's settings of the key and of what it falls back to.
    /// Starts at the first setting of the key itself, as Kafka does (ConfigHelper.configSynonyms).
    pub(crate) fn synonyms(&self, name: &str, is_sensitive: bool) -> Vec<Synonym> {
        let names = synonym_names(name);
        let layers = [
            (&self.this_broker, ConfigSource::DynamicBroker),
            (&self.cluster_default, ConfigSource::DynamicDefaultBroker),
            (&self.file, ConfigSource::StaticBroker),
        ];
        let set = layers.into_iter().flat_map(|(layer, source)| {
            names.iter().filter_map(move |name| Some((*name, layer.get(*name)?.clone(), source)))
        });
        let defaults = names.iter().filter_map(|name| match keys::lookup(Scope::Broker, name)? {
            def if def.is_run_time_only() => None,
            KeyDef { default: Default::Text(text), .. } => {
                Some((*name, (*text).to_owned(), ConfigSource::Default))
            }
            _ => None,
        });
        set.chain(defaults)
            .skip_while(|(found, _, _)| *found != name)
            .map(|(name, value, source)| Synonym {
                name: name.to_owned(),
                value: (!is_sensitive).then_some(value),
                source,
            })
            .collect()
    }
}
