//! What DescribeConfigs shows of a key: value, source, and the chain of synonyms it was chosen from.

use crate::key::KeyDef;
use crate::value::KeyType;

/// Where a value comes from; the numbers are those of the DescribeConfigs response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic = 1,
    /// Set at run time for this broker.
    DynamicBroker = 2,
    /// Set at run time for all brokers.
    DynamicDefaultBroker = 3,
    /// From the property file or the command line.
    StaticBroker = 4,
    /// Nobody set it.
    Default = 5,
    /// Set for the client metrics subscription.
    ClientMetrics = 7,
    /// Set for the group.
    Group = 8,
}

impl ConfigSource {
    /// The code of this source in a DescribeConfigs response.
    #[must_use]
    pub fn wire_code(self) -> i8 {
        self as i8
    }
}

/// One candidate of the chain a value is chosen from, strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    /// The candidate's key: the key itself or one it falls back to.
    pub name: String,
    /// Its value as it was set; `None` for passwords.
    pub value: Option<String>,
    /// Where it was set.
    pub source: ConfigSource,
}

/// One key of a DescribeConfigs answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value in force; `None` for null and for what must not be shown.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether the value is withheld.
    pub is_sensitive: bool,
    /// Whether it can only be changed by a restart.
    pub is_read_only: bool,
    /// Its type; `None` for names outside the table (wire code 0).
    pub kind: Option<KeyType>,
    /// What it does; `None` for names outside the table.
    pub doc: Option<&'static str>,
    /// The chain, strongest first; the answer has it only when asked for synonyms.
    pub synonyms: Vec<Synonym>,
}

impl ConfigEntry {
    /// An entry of a known key: sensitive values are withheld, the source is that of the chain's head.
    pub(crate) fn known(
        def: &KeyDef,
        value: Option<String>,
        is_read_only: bool,
        synonyms: Vec<Synonym>,
    ) -> Self {
        ConfigEntry {
            name: def.name.to_owned(),
            value,
            source: synonyms.first().map_or(ConfigSource::Default, |head| head.source),
            is_sensitive: def.is_sensitive(),
            is_read_only,
            kind: Some(def.kind),
            doc: Some(def.doc()),
            synonyms,
        }
    }
}
