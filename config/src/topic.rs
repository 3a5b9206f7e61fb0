//! The settings of one topic: its own over the broker's over the defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::{BrokerConfig, value_of};
use crate::describe::{ConfigEntry, ConfigSource, Synonym};
use crate::error::{InvalidConfig, parse_all};
use crate::key::{KeyDef, Scope, TopicKey};
use crate::keys;
use crate::value::{Typed, Value};

/// What becomes of old segments (`cleanup.policy`); neither keeps them for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CleanupPolicy {
    /// Keep the last record of each key.
    pub compact: bool,
    /// Remove segments past retention.
    pub delete: bool,
}

/// Which timestamp records carry (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's at append.
    LogAppendTime,
}

/// How the broker stores batches (`compression.type` with its level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As the producer sent them.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// gzip; level 1 to 9, or -1 for the library's default.
    Gzip(i32),
    /// Snappy.
    Snappy,
    /// lz4; level 1 to 17.
    Lz4(i32),
    /// zstd; level -131072 to 22.
    Zstd(i32),
}

/// All settings of a topic, each with its source. Immutable.
#[derive(Debug, Clone)]
pub struct TopicConfig {
    /// What the topic itself sets, as texts.
    overrides: BTreeMap<String, String>,
    /// Values in force by slot; the broker's own where the topic sets nothing.
    values: Arc<[Value]>,
    broker: BrokerConfig,
}

impl TopicConfig {
    /// Lays a topic's own settings over the broker's.
    ///
    /// # Errors
    /// Kafka's error for the first unknown name, else the first bad value, else a bad combination.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(
        overrides: impl IntoIterator<Item = (K, V)>,
        broker: &BrokerConfig,
    ) -> Result<TopicConfig, InvalidConfig> {
        let overrides: BTreeMap<String, String> =
            overrides.into_iter().map(|(k, v)| (k.as_ref().to_owned(), v.as_ref().to_owned())).collect();
        let own = parse_all(Scope::Topic, &overrides)?;
        let config = TopicConfig::laid_over(broker, overrides, own);
        config.check_combinations()?;
        Ok(config)
    }

    /// Like [`TopicConfig::new`] for settings that were stored earlier: what is no longer valid is left out and
    /// named, so that one of them cannot take a topic away.
    pub fn from_stored<K: AsRef<str>, V: AsRef<str>>(
        overrides: impl IntoIterator<Item = (K, V)>,
        broker: &BrokerConfig,
    ) -> (TopicConfig, Vec<InvalidConfig>) {
        let (mut kept, mut own, mut refused) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (name, text) in overrides {
            let (name, text) = (name.as_ref().to_owned(), text.as_ref().to_owned());
            match keys::lookup(Scope::Topic, &name).map(|def| (def, def.parse(&text))) {
                Some((def, Ok(value))) => {
                    own.push((def, value));
                    kept.insert(name, text);
                }
                Some((_, Err(error))) => refused.push(error),
                None => refused.push(InvalidConfig::UnknownKey { scope: Scope::Topic, name }),
            }
        }
        (TopicConfig::laid_over(broker, kept, own), refused)
    }

    fn laid_over(
        broker: &BrokerConfig,
        overrides: BTreeMap<String, String>,
        own: Vec<(&'static KeyDef, Value)>,
    ) -> TopicConfig {
        let mut values = broker.topic_values().clone();
        if !own.is_empty() {
            let slots = Arc::make_mut(&mut values);
            for (def, value) in own {
                slots[def.slot] = value;
            }
            spread_timestamp_difference(&overrides, slots);
        }
        TopicConfig { overrides, values, broker: broker.clone() }
    }

    /// The same topic on a broker whose own settings changed.
    #[must_use]
    pub fn on_broker(&self, broker: &BrokerConfig) -> TopicConfig {
        TopicConfig::from_stored(&self.overrides, broker).0
    }

    /// The value in force.
    #[must_use]
    pub fn get<T: Typed>(&self, key: TopicKey<T>) -> T::Out<'_> {
        value_of(&self.values, key)
    }

    /// What the topic itself sets.
    #[must_use]
    pub fn overrides(&self) -> &BTreeMap<String, String> {
        &self.overrides
    }

    /// `cleanup.policy`.
    #[must_use]
    pub fn cleanup_policy(&self) -> CleanupPolicy {
        let words = self.get(keys::topic::CLEANUP_POLICY);
        CleanupPolicy {
            compact: words.iter().any(|word| word == "compact"),
            delete: words.iter().any(|word| word == "delete"),
        }
    }

    /// `message.timestamp.type`.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.get(keys::topic::MESSAGE_TIMESTAMP_TYPE) {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }

    /// `compression.type` with the level of the codec.
    #[must_use]
    pub fn compression(&self) -> Compression {
        match self.get(keys::topic::COMPRESSION_TYPE) {
            "uncompressed" => Compression::Uncompressed,
            "gzip" => Compression::Gzip(self.get(keys::topic::COMPRESSION_GZIP_LEVEL)),
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4(self.get(keys::topic::COMPRESSION_LZ4_LEVEL)),
            "zstd" => Compression::Zstd(self.get(keys::topic::COMPRESSION_ZSTD_LEVEL)),
            _ => Compression::Producer,
        }
    }

    /// Largest size of a segment in bytes: `segment.bytes`, or what a test set below its minimum.
    #[must_use]
    pub fn segment_bytes(&self) -> i32 {
        self.get(keys::topic::INTERNAL_SEGMENT_BYTES).unwrap_or_else(|| self.get(keys::topic::SEGMENT_BYTES))
    }

    /// Age at which a segment is rolled: `segment.ms`, less where compaction must get at its records sooner.
    #[must_use]
    pub fn segment_ms_max(&self) -> i64 {
        let segment_ms = self.get(keys::topic::SEGMENT_MS);
        if self.cleanup_policy().compact {
            return segment_ms.min(self.get(keys::topic::MAX_COMPACTION_LAG_MS));
        }
        segment_ms
    }

    /// DescribeConfigs of this topic: all keys of Kafka's newest line, and whatever else is set, by name.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigEntry> {
        let is_shown = |def: &&KeyDef| def.is_listed() || self.overrides.contains_key(def.name);
        let mut entries: Vec<ConfigEntry> =
            keys::topic_keys().filter(is_shown).map(|def| self.entry(def)).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        entries
    }

    fn entry(&self, def: &KeyDef) -> ConfigEntry {
        let value = self.values[def.slot].to_text();
        let own = self.overrides.contains_key(def.name).then(|| Synonym {
            name: def.name.to_owned(),
            value: value.clone(),
            source: ConfigSource::Topic,
        });
        let inherited =
            def.broker_synonym.map(|name| self.broker.layers().synonyms(name, def.is_sensitive()));
        let synonyms = own.into_iter().chain(inherited.unwrap_or_default()).collect();
        ConfigEntry::known(def, value, false, synonyms)
    }

    /// Settings that are each valid and cannot work together (LogConfig.validateValues).
    fn check_combinations(&self) -> Result<(), InvalidConfig> {
        let min = self.get(keys::topic::MIN_COMPACTION_LAG_MS);
        let max = self.get(keys::topic::MAX_COMPACTION_LAG_MS);
        if min > max {
            return Err(InvalidConfig::Conflict(format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            )));
        }
        if self.get(keys::topic::REMOTE_STORAGE_ENABLE) {
            return Err(InvalidConfig::Conflict(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote \
                 log storage."
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// Before 3.6 one key bounded timestamps on both sides (KIP-937): it still does where the newer are unset.
fn spread_timestamp_difference(overrides: &BTreeMap<String, String>, slots: &mut [Value]) {
    let older = keys::topic::MESSAGE_TIMESTAMP_DIFFERENCE_MAX_MS;
    let newer = [keys::topic::MESSAGE_TIMESTAMP_BEFORE_MAX_MS, keys::topic::MESSAGE_TIMESTAMP_AFTER_MAX_MS];
    if !overrides.contains_key(older.name()) {
        return;
    }
    for key in newer.into_iter().filter(|key| !overrides.contains_key(key.name())) {
        slots[key.def().slot] = slots[older.def().slot].clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DynamicLayer, Properties};

    fn broker(text: &str) -> BrokerConfig {
        let file = Properties::parse("f", text.as_bytes()).expect("well-formed");
        BrokerConfig::from_properties(&file, &[]).unwrap_or_else(|errors| panic!("{errors}")).0
    }

    fn topic(overrides: &[(&str, &str)], broker: &BrokerConfig) -> TopicConfig {
        TopicConfig::new(overrides.iter().copied(), broker).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_topic_takes_the_brokers_values_in_its_own_units() {
        let broker =
            broker("log.retention.minutes=3\nlog.roll.hours=1\nmessage.max.bytes=77\nmin.insync.replicas=2");
        let plain = topic(&[], &broker);
        assert_eq!(plain.get(keys::topic::RETENTION_MS), 180_000);
        assert_eq!(plain.get(keys::topic::SEGMENT_MS), 3_600_000);
        assert_eq!(plain.get(keys::topic::MAX_MESSAGE_BYTES), 77);
        assert_eq!(plain.get(keys::topic::MIN_INSYNC_REPLICAS), 2);
        let own = topic(&[("retention.ms", "5"), ("min.insync.replicas", "1")], &broker);
        assert_eq!((own.get(keys::topic::RETENTION_MS), own.get(keys::topic::MIN_INSYNC_REPLICAS)), (5, 1));
        let changed = BTreeMap::from([("message.max.bytes".to_owned(), "88".to_owned())]);
        let changed = broker.with_dynamic(DynamicLayer::ThisBroker, changed).0;
        assert_eq!(own.on_broker(&changed).get(keys::topic::MAX_MESSAGE_BYTES), 88);
    }

    #[test]
    fn words_become_types() {
        let broker = BrokerConfig::default();
        let plain = topic(&[], &broker);
        assert_eq!(plain.cleanup_policy(), CleanupPolicy { compact: false, delete: true });
        assert_eq!(
            (plain.compression(), plain.timestamp_type()),
            (Compression::Producer, TimestampType::CreateTime)
        );
        let set =
            [("cleanup.policy", "compact"), ("compression.type", "zstd"), ("compression.zstd.level", "-5")];
        let set = topic(&set, &broker);
        assert_eq!(set.cleanup_policy(), CleanupPolicy { compact: true, delete: false });
        assert_eq!(set.compression(), Compression::Zstd(-5));
        assert_eq!(
            topic(&[("message.timestamp.type", "LogAppendTime")], &broker).timestamp_type(),
            TimestampType::LogAppendTime
        );
        assert_eq!(topic(&[("internal.segment.bytes", "100")], &broker).segment_bytes(), 100);
    }

    #[test]
    fn compaction_may_hasten_the_roll() {
        let broker = BrokerConfig::default();
        let lag = ("max.compaction.lag.ms", "1000");
        assert_eq!(topic(&[lag, ("cleanup.policy", "compact")], &broker).segment_ms_max(), 1000);
        assert_eq!(topic(&[lag], &broker).segment_ms_max(), 7 * 24 * 3_600_000);
    }

    #[test]
    fn the_older_timestamp_key_bounds_both_sides_unless_the_newer_are_set() {
        let bounds = |topic: &TopicConfig| {
            let before = topic.get(keys::topic::MESSAGE_TIMESTAMP_BEFORE_MAX_MS);
            (before, topic.get(keys::topic::MESSAGE_TIMESTAMP_AFTER_MAX_MS))
        };
        let plain = BrokerConfig::default();
        assert_eq!(bounds(&topic(&[], &plain)), (i64::MAX, 3_600_000));
        let old = ("message.timestamp.difference.max.ms", "7");
        assert_eq!(bounds(&topic(&[old], &plain)), (7, 7));
        assert_eq!(bounds(&topic(&[old, ("message.timestamp.before.max.ms", "9")], &plain)), (9, 7));
        let old_broker = broker("log.message.timestamp.difference.max.ms=8");
        assert_eq!(bounds(&topic(&[], &old_broker)), (8, 8));
        let newer_broker =
            broker("log.message.timestamp.difference.max.ms=8\nlog.message.timestamp.after.max.ms=3");
        assert_eq!(bounds(&topic(&[], &newer_broker)), (8, 3));
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused() {
        let lags = [("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "4")];
        let error = TopicConfig::new(lags, &BrokerConfig::default()).expect_err("refused").to_string();
        assert_eq!(
            error,
            "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)"
        );
    }

    #[test]
    fn stored_settings_that_became_invalid_are_left_out() {
        let stored = [("retention.ms", "x"), ("gone.key", "1"), ("segment.bytes", "2097152")];
        let (config, refused) = TopicConfig::from_stored(stored, &BrokerConfig::default());
        assert_eq!(config.get(keys::topic::SEGMENT_BYTES), 2_097_152);
        assert_eq!(config.overrides().len(), 1);
        let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
        let bad_value = "Invalid value x for configuration retention.ms: Not a number of type LONG";
        assert_eq!(refused, [bad_value, "Unknown topic config name: gone.key"]);
    }
}
