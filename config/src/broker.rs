//! The settings of one node: file and command line, then what was set at run time on top.
//!
//! A [`BrokerConfig`] never changes: a dynamic update (KIP-226) makes a new one. It is cheap to clone and free of
//! locks; who holds the current one decides how to publish it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address::Quorum;
use crate::describe::{ConfigEntry, ConfigSource};
use crate::error::{ConfigError, ConfigErrors, InvalidConfig, Origin};
use crate::key::{BrokerKey, KeyDef, Scope, UpdateMode};
use crate::keys;
use crate::layers::{self, DynamicLayer, Layer, Layers};
use crate::node::{Fault, NodeSettings, Settings, contradictions};
use crate::notice::{Notice, Notices};
use crate::properties::Properties;
use crate::suggest;
use crate::value::{Typed, Value};

/// All settings of a node, each with its source. Immutable; clones share.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layers: Layers,
    /// Values in force by slot.
    values: Vec<Value>,
    /// What a topic without settings of its own has, by topic slot; shared by all of them.
    topic_values: Arc<[Value]>,
    node: NodeSettings,
}

impl std::default::Default for BrokerConfig {
    fn default() -> Self {
        let nothing = Properties::default();
        BrokerConfig::from_properties(&nothing, &[]).expect("the table's defaults are valid").0
    }
}

impl BrokerConfig {
    /// Reads a property file and the `--override key=value` pairs of the command line, which win over it.
    /// Gives the settings and what there is to say about the file although it is good.
    ///
    /// # Errors
    /// Every value that is not of its key's type or range, and every combination that cannot work.
    pub fn from_properties(
        file: &Properties,
        overrides: &[(String, String)],
    ) -> Result<(BrokerConfig, Notices), ConfigErrors> {
        let origins = origins(file, overrides);
        let settings = origins.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect();
        let layers = Layers { file: settings, ..Layers::default() }.with_id_synonyms();
        let at = |key: &str| origins.get(key).map_or(Origin::Default, |(_, origin)| origin.clone());
        let mut errors = Vec::new();
        for (key, (value, origin)) in &origins {
            errors.extend(check_static(key, value, origin));
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let values = resolve(&layers);
        let node = NodeSettings::resolve(&layers, &values).map_err(|faults| {
            let locate = |fault: Fault| ConfigError { origin: at(fault.key), ..fault.into_error(&layers) };
            ConfigErrors(faults.into_iter().map(locate).collect())
        })?;
        let broker = BrokerConfig::assemble(layers, values, node);
        let notices = notices(file, &origins, &broker);
        Ok((broker, notices))
    }

    fn assemble(layers: Layers, values: Vec<Value>, node: NodeSettings) -> BrokerConfig {
        let inherited = |def: &KeyDef| inherited(def, &layers, &values);
        let topic_values = keys::topic_keys().map(inherited).collect();
        BrokerConfig { inner: Arc::new(Inner { layers, values, topic_values, node }) }
    }

    /// The value in force.
    #[must_use]
    pub fn get<T: Typed>(&self, key: BrokerKey<T>) -> T::Out<'_> {
        value_of(&self.inner.values, key)
    }

    /// What the node is and where it listens, worked out of several keys.
    #[must_use]
    pub fn node(&self) -> &NodeSettings {
        &self.inner.node
    }

    /// `max.connections.per.ip.overrides`: limits for single addresses or host names.
    pub fn max_connections_per_ip_overrides(&self) -> impl Iterator<Item = (&str, i32)> {
        let pairs = self.get(keys::MAX_CONNECTIONS_PER_IP_OVERRIDES).split(',');
        pairs.filter_map(|pair| {
            pair.rsplit_once(':').and_then(|(host, limit)| Some((host.trim(), limit.trim().parse().ok()?)))
        })
    }

    /// The text set for a name in the strongest layer that has it: for names outside the table, such as those
    /// with a listener's prefix or those of plug-ins.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.inner.layers.setting(name)
    }

    /// The settings with one dynamic layer replaced by `settings`, and the settings that were left out because
    /// they are not valid (the quorum checked them when they were made; an older node may know less).
    #[must_use]
    pub fn with_dynamic(
        &self,
        layer: DynamicLayer,
        settings: BTreeMap<String, String>,
    ) -> (BrokerConfig, Vec<InvalidConfig>) {
        let mut refused = Vec::new();
        let mut kept = Layer::new();
        for (name, text) in settings {
            match check_dynamic(&name, &text) {
                Ok(()) => drop(kept.insert(name, text)),
                Err(error) => refused.push(error),
            }
        }
        let layers = self.inner.layers.clone().with(layer, kept);
        let values = resolve(&layers);
        // What a node is does not change while it runs; only listeners could, and those wait for a restart.
        let node = self.inner.node.clone();
        (BrokerConfig::assemble(layers, values, node), refused)
    }

    /// Checks settings that are to become one dynamic layer (AlterConfigs, IncrementalAlterConfigs).
    ///
    /// # Errors
    /// Kafka's error: keys that need a restart, keys that make sense for one broker alone, or a bad value.
    pub fn validate_dynamic(
        &self,
        layer: DynamicLayer,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), InvalidConfig> {
        refuse(settings, "Cannot update these configs dynamically", |name| {
            keys::lookup(Scope::Broker, name).is_some_and(|def| def.update == UpdateMode::ReadOnly)
        })?;
        refuse(
            settings,
            "These security configs can be dynamically updated only per-listener using the listener prefix",
            |name| layers::PER_LISTENER_ONLY.contains(&name),
        )?;
        settings.iter().try_for_each(|(name, text)| check_dynamic(name, text))?;
        if layer == DynamicLayer::ClusterDefault {
            let what = "Cannot update these configs at default cluster level, broker id must be specified";
            refuse(settings, what, per_broker_only)?;
        }
        self.check_together(layer, settings)
    }

    /// Checks the settings that would then be in force on this broker for contradictions.
    fn check_together(&self, layer: DynamicLayer, settings: &Layer) -> Result<(), InvalidConfig> {
        let layers = self.inner.layers.clone().with(layer, settings.clone());
        let values = resolve(&layers);
        let settings = Settings::new(&layers, &values);
        let fault =
            contradictions(settings).into_iter().next().or_else(|| self.node().cordoned_fault(settings));
        match fault {
            // Kafka lets its language's `require` speak.
            Some(fault) => Err(InvalidConfig::Conflict(format!("requirement failed: {}", fault.reason))),
            None => Ok(()),
        }
    }

    /// DescribeConfigs of this broker: all keys of Kafka's newest line, and whatever else is set, by name.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigEntry> {
        let Layers { this_broker, cluster_default, file } = &self.inner.layers;
        let set = [this_broker, cluster_default, file]
            .into_iter()
            .flat_map(|layer| layer.keys().map(String::as_str));
        let listed = keys::broker_keys().filter(|def| def.is_listed()).map(|def| def.name);
        let names: std::collections::BTreeSet<&str> = set.chain(listed).collect();
        names.into_iter().map(|name| self.describe_name(name)).collect()
    }

    /// DescribeConfigs of the cluster default (the broker resource without a name): what is set there.
    #[must_use]
    pub fn describe_cluster_default(&self) -> Vec<ConfigEntry> {
        let layer = &self.inner.layers.cluster_default;
        let entry = |(name, text): (&String, &String)| {
            let mut entry = self.describe_name(name);
            entry.value = (!entry.is_sensitive).then(|| text.clone());
            entry.synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
            entry.source = entry.synonyms.first().map_or(ConfigSource::Default, |head| head.source);
            entry
        };
        layer.iter().map(entry).collect()
    }

    /// The dynamic settings of a layer as they were made.
    #[must_use]
    pub fn dynamic_settings(&self, layer: DynamicLayer) -> &BTreeMap<String, String> {
        match layer {
            DynamicLayer::ThisBroker => &self.inner.layers.this_broker,
            DynamicLayer::ClusterDefault => &self.inner.layers.cluster_default,
        }
    }

    fn describe_name(&self, name: &str) -> ConfigEntry {
        let base = layers::listener_override(name).unwrap_or(name);
        let Some(def) = keys::lookup(Scope::Broker, base) else {
            // Without a type it could be a secret: the value is withheld, as Kafka does.
            let synonyms = self.inner.layers.synonyms(name, true);
            return ConfigEntry {
                name: name.to_owned(),
                value: None,
                source: synonyms.first().map_or(ConfigSource::Default, |head| head.source),
                is_sensitive: true,
                is_read_only: true,
                kind: None,
                doc: None,
                synonyms,
            };
        };
        let value = if def.is_sensitive() {
            None
        } else if base == name {
            self.inner.values[def.slot].to_text()
        } else {
            self.setting(name).map(str::to_owned)
        };
        let synonyms = self.inner.layers.synonyms(name, def.is_sensitive());
        let read_only = base != name || def.update == UpdateMode::ReadOnly;
        ConfigEntry { name: name.to_owned(), ..ConfigEntry::known(def, value, read_only, synonyms) }
    }

    /// What a topic or group without a setting of its own has.
    pub(crate) fn inherited(&self, def: &KeyDef) -> Value {
        inherited(def, &self.inner.layers, &self.inner.values)
    }

    /// What a topic without settings of its own has, by slot.
    pub(crate) fn topic_values(&self) -> &Arc<[Value]> {
        &self.inner.topic_values
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.inner.layers
    }

    fn settings(&self) -> Settings<'_> {
        Settings::new(&self.inner.layers, &self.inner.values)
    }

    /// How long segments are kept: `log.retention.ms`, else `.minutes`, else `.hours`; -1 for ever.
    #[must_use]
    pub fn log_retention_ms(&self) -> i64 {
        self.settings().fallback_ms(keys::LOG_RETENTION_MS).max(-1)
    }

    /// Age at which a segment is rolled: `log.roll.ms`, else `log.roll.hours`.
    #[must_use]
    pub fn log_roll_ms(&self) -> i64 {
        self.settings().fallback_ms(keys::LOG_ROLL_MS)
    }

    /// Largest random reduction of the roll age: `log.roll.jitter.ms`, else `log.roll.jitter.hours`.
    #[must_use]
    pub fn log_roll_jitter_ms(&self) -> i64 {
        self.settings().fallback_ms(keys::LOG_ROLL_JITTER_MS)
    }

    /// Longest time that appended records stay unflushed: `log.flush.interval.ms`, else the scheduler's interval.
    #[must_use]
    pub fn log_flush_interval_ms(&self) -> i64 {
        self.settings().fallback_ms(keys::LOG_FLUSH_INTERVAL_MS)
    }
}

/// The default of a topic or group key: its broker key's value in its own unit, else the table's.
fn inherited(def: &KeyDef, layers: &Layers, values: &[Value]) -> Value {
    let synonym = def.broker_synonym.and_then(|name| keys::lookup(Scope::Broker, name));
    match synonym.map(|synonym| layers::effective(layers, values, synonym)) {
        None | Some(Value::Null) => def.default_value(),
        Some(value) => value,
    }
}

/// Takes a handle's value out of a scope's values.
pub(crate) fn value_of<S, T: Typed>(values: &[Value], key: crate::key::Key<S, T>) -> T::Out<'_> {
    T::from_value(&values[key.def().slot]).expect("a handle's type is its key's type")
}

/// The values in force by slot: the strongest layer's, else the default.
fn resolve(layers: &Layers) -> Vec<Value> {
    let value = |def: &KeyDef| match layers.setting_in_force(def.name) {
        // Every layer was checked before it was laid on.
        Some(text) => def.parse(text).unwrap_or_else(|_| def.default_value()),
        None => def.default_value(),
    };
    keys::broker_keys().map(value).collect()
}

/// The last setting of each key, and where it stands.
fn origins(file: &Properties, overrides: &[(String, String)]) -> BTreeMap<String, (String, Origin)> {
    let mut origins = BTreeMap::new();
    for entry in file.entries() {
        let origin = Origin::Line { file: file.source().to_owned(), line: entry.line };
        origins.insert(entry.key.clone(), (entry.value.clone(), origin));
    }
    for (key, value) in overrides {
        origins.insert(key.clone(), (value.clone(), Origin::Override));
    }
    origins
}

fn check_static(key: &str, value: &str, origin: &Origin) -> Option<ConfigError> {
    let def = keys::lookup(Scope::Broker, layers::listener_override(key).unwrap_or(key))?;
    let error = def.parse(value).err()?;
    let reason = match error {
        InvalidConfig::BadValue { reason, .. } => reason,
        other => other.to_string(),
    };
    Some(ConfigError {
        origin: origin.clone(),
        key: key.to_owned(),
        value: if def.is_sensitive() { "[hidden]".to_owned() } else { value.to_owned() },
        reason,
        accepted: def.accepted(),
    })
}

fn check_dynamic(name: &str, text: &str) -> Result<(), InvalidConfig> {
    match keys::lookup(Scope::Broker, layers::listener_override(name).unwrap_or(name)) {
        Some(def) => def.parse(text).map(drop),
        // Names outside the table may be a plug-in's; Kafka takes them too.
        None => Ok(()),
    }
}

fn per_broker_only(name: &str) -> bool {
    match layers::listener_override(name) {
        Some(base) => !layers::CLUSTER_LEVEL_LISTENER_KEYS.contains(&base),
        None => keys::lookup(Scope::Broker, name).is_some_and(|def| def.update == UpdateMode::PerBroker),
    }
}

/// Kafka's answer naming all settings that `is_refused` picks, `what: [a, b]`.
fn refuse(
    settings: &BTreeMap<String, String>,
    what: &str,
    is_refused: impl Fn(&str) -> bool,
) -> Result<(), InvalidConfig> {
    let names: Vec<&str> = settings.keys().map(String::as_str).filter(|name| is_refused(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(InvalidConfig::Conflict(format!("{what}: [{}]", names.join(", "))))
}

fn notices(
    file: &Properties,
    origins: &BTreeMap<String, (String, Origin)>,
    broker: &BrokerConfig,
) -> Notices {
    let mut notices: Notices = file
        .duplicates()
        .map(|entry| Notice::Duplicate {
            origin: Origin::Line { file: file.source().to_owned(), line: entry.line },
            key: entry.key.clone(),
        })
        .collect();
    let mut ignored = Vec::new();
    for (key, (_, origin)) in origins {
        match keys::lookup(Scope::Broker, layers::listener_override(key).unwrap_or(key)) {
            Some(def) if !def.is_served() => ignored.push(def.name),
            Some(_) => {}
            None => notices.push(Notice::Unknown {
                origin: origin.clone(),
                key: key.clone(),
                nearest: suggest::nearest(key, keys::broker_keys().map(|def| def.name)),
            }),
        }
    }
    if !ignored.is_empty() {
        ignored.sort_unstable();
        ignored.dedup();
        notices.push(Notice::Ignored(ignored));
    }
    notices.extend(advice(broker).map(Notice::Advice));
    notices
}

/// Settings that do less than their owner may think.
fn advice(broker: &BrokerConfig) -> impl Iterator<Item = String> {
    let authorizer = broker.get(keys::AUTHORIZER_CLASS_NAME);
    let unprotected = (!authorizer.is_empty()).then(|| {
        format!(
            "authorizer.class.name={authorizer}: authorization is not served yet, everybody may do everything"
        )
    });
    let has_quorum = !matches!(broker.node().quorum, Quorum::Alone | Quorum::Addresses(_));
    let unused = (has_quorum && broker.get(keys::ZOOKEEPER_CONNECT).is_some())
        .then(|| "zookeeper.connect is not used: controller.quorum.* says where the quorum is".to_owned());
    unprotected.into_iter().chain(unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, overrides: &[(&str, &str)]) -> Result<(BrokerConfig, Vec<String>), String> {
        let file = Properties::parse("server.properties", text.as_bytes()).expect("well-formed");
        let overrides: Vec<(String, String)> =
            overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        match BrokerConfig::from_properties(&file, &overrides) {
            Ok((broker, notices)) => Ok((broker, notices.iter().map(ToString::to_string).collect())),
            Err(errors) => Err(errors.to_string()),
        }
    }

    fn broker(text: &str) -> BrokerConfig {
        read(text, &[]).unwrap_or_else(|errors| panic!("{errors}")).0
    }

    #[test]
    fn overrides_win_over_the_file_and_the_file_over_defaults() {
        let (broker, notices) =
            read("num.partitions=2\nmessage.max.bytes=5", &[("num.partitions", "3")]).expect("valid");
        assert_eq!(notices, Vec::<String>::new());
        assert_eq!(broker.get(keys::NUM_PARTITIONS), 3);
        assert_eq!(broker.get(keys::MESSAGE_MAX_BYTES), 5);
        assert_eq!(broker.get(keys::DEFAULT_REPLICATION_FACTOR), 1);
        assert_eq!(broker.get(keys::BROKER_RACK), None);
    }

    #[test]
    fn every_bad_value_is_named_with_its_place_and_range() {
        let errors = read("\nnum.partitions=0\nlog.retention.hours=x\nssl.key.password=p", &[("port", "y")]);
        assert_eq!(
            errors.expect_err("refused"),
            "server.properties:3: log.retention.hours=x: Not a number of type INT (accepted: a 32-bit integer)\n\
             server.properties:2: num.partitions=0: Value must be at least 1 (accepted: a 32-bit integer, at least 1)\n\
             --override: port=y: Not a number of type INT (accepted: a 32-bit integer)"
        );
        // Also without effect, a value must be one.
        let errors = read("ssl.client.auth=perhaps", &[]);
        assert!(
            errors.expect_err("refused").contains("(accepted: a text, one of required, requested, none)")
        );
    }

    #[test]
    fn settings_that_promise_too_much_are_said() {
        let text = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nzookeeper.connect=z\n\
                    controller.quorum.voters=1@a:1\nnode.id=1\n";
        let expected = [
            "ignored: authorizer.class.name",
            "authorizer.class.name=kafka.security.authorizer.AclAuthorizer: authorization is not served yet, \
             everybody may do everything",
            "zookeeper.connect is not used: controller.quorum.* says where the quorum is",
        ];
        assert_eq!(read(text, &[]).expect("valid").1, expected);
    }

    #[test]
    fn odd_entries_are_said_and_do_not_stop_the_start() {
        let text = "log.dris=/x\nnum.partitions=1\nnum.partitions=2\nnum.io.threads=4\nmy.plugin=1\n\
                    listener.name.out.ssl.key.password=x\n";
        assert_eq!(
            read(text, &[]).expect("valid").1,
            [
                "server.properties:2: num.partitions is set again further down, which counts",
                "server.properties:1: unknown key log.dris (did you mean log.dirs?)",
                "server.properties:5: unknown key my.plugin",
                "ignored: num.io.threads, ssl.key.password",
            ]
        );
    }

    #[test]
    fn limits_for_single_addresses_are_read_and_checked() {
        let key = "max.connections.per.ip.overrides";
        let limits = broker(&format!("{key}=10.0.0.1:5, host:7,::1:9"));
        let limits: Vec<(&str, i32)> = limits.max_connections_per_ip_overrides().collect();
        assert_eq!(limits, [("10.0.0.1", 5), ("host", 7), ("::1", 9)]);
        let error = read(&format!("{key}=host"), &[]).expect_err("refused");
        let reason = "\"host\" is not host:count (accepted: a text, host:count,…)";
        assert_eq!(error, format!("server.properties:1: {key}=host: {reason}"));
    }

    #[test]
    fn times_fall_back_from_finer_to_coarser_keys() {
        assert_eq!(broker("").log_retention_ms(), 7 * 24 * 3_600_000);
        assert_eq!(broker("log.retention.hours=2").log_retention_ms(), 7_200_000);
        assert_eq!(broker("log.retention.hours=2\nlog.retention.minutes=3").log_retention_ms(), 180_000);
        assert_eq!(broker("log.retention.ms=4\nlog.retention.minutes=3").log_retention_ms(), 4);
        assert_eq!(broker("log.retention.hours=-1").log_retention_ms(), -1);
        assert_eq!(broker("log.retention.hours=2147483647").log_retention_ms(), 2_147_483_647 * 3_600_000);
        assert_eq!(broker("log.roll.hours=1").log_roll_ms(), 3_600_000);
        assert_eq!(broker("log.roll.jitter.hours=1\nlog.roll.jitter.ms=9").log_roll_jitter_ms(), 9);
        assert_eq!(broker("log.flush.scheduler.interval.ms=5").log_flush_interval_ms(), 5);
        assert_eq!(broker("").log_flush_interval_ms(), i64::MAX);
    }

    #[test]
    fn dynamic_layers_lie_over_the_file_and_leave_it_again() {
        let settings = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let base = broker("log.retention.hours=2\nmessage.max.bytes=5");
        let (all, _) = base.with_dynamic(DynamicLayer::ClusterDefault, settings("message.max.bytes", "6"));
        let (own, _) = all.with_dynamic(DynamicLayer::ThisBroker, settings("message.max.bytes", "7"));
        let back = own.with_dynamic(DynamicLayer::ThisBroker, BTreeMap::new()).0;
        let values = [&base, &all, &own, &back].map(|broker| broker.get(keys::MESSAGE_MAX_BYTES));
        assert_eq!(values, [5, 6, 7, 6]);
        let (kept, refused) = base.with_dynamic(DynamicLayer::ThisBroker, settings("message.max.bytes", "x"));
        assert_eq!(kept.get(keys::MESSAGE_MAX_BYTES), 5);
        assert_eq!(refused.len(), 1);
        let (retention, _) =
            base.with_dynamic(DynamicLayer::ClusterDefault, settings("log.retention.ms", "9"));
        assert_eq!(retention.log_retention_ms(), 9);
    }
}
