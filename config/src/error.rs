//! What can be wrong with a setting: of a topic, group or running broker ([`InvalidConfig`], with Kafka's own
//! texts, since clients print them), and of a property file ([`ConfigError`], with file, line and range).

use std::collections::BTreeMap;
use std::fmt;

use crate::key::{KeyDef, Scope};
use crate::keys;
use crate::range::Refusal;
use crate::value::Value;

/// A refused setting; `Display` is the text that Kafka answers: with wire code INVALID_CONFIG for topics and
/// groups, INVALID_REQUEST for brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidConfig {
    /// There is no such key for this kind of resource.
    UnknownKey {
        /// The kind of resource.
        scope: Scope,
        /// The name as given.
        name: String,
    },
    /// The value is not of the key's type or outside its range.
    BadValue {
        /// The key.
        name: String,
        /// The value, as Kafka shows it in this case.
        value: String,
        /// Kafka's reason.
        reason: String,
    },
    /// Settings that do not go together, or a list that is wrong as a whole; the full text.
    Conflict(String),
}

impl InvalidConfig {
    pub(crate) fn refused(name: &str, refusal: Refusal) -> InvalidConfig {
        match refusal {
            Refusal::Value(value, reason) => InvalidConfig::BadValue { name: name.to_owned(), value, reason },
            Refusal::List(what) => InvalidConfig::Conflict(format!("Configuration '{name}' {what}")),
        }
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidConfig::UnknownKey { scope: Scope::Topic, name } => {
                write!(f, "Unknown topic config name: {name}")
            }
            InvalidConfig::UnknownKey { scope: Scope::Group, name } => {
                write!(f, "Unknown group config name: {name}")
            }
            InvalidConfig::UnknownKey { scope: Scope::Broker, name } => {
                write!(f, "Unknown broker config name: {name}")
            }
            InvalidConfig::BadValue { name, value, reason } => {
                write!(f, "Invalid value {value} for configuration {name}: {reason}")
            }
            InvalidConfig::Conflict(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for InvalidConfig {}

/// Reads the settings of a topic or group. As in Kafka an unknown name is refused before any bad value.
pub(crate) fn parse_all(
    scope: Scope,
    settings: &BTreeMap<String, String>,
) -> Result<Vec<(&'static KeyDef, Value)>, InvalidConfig> {
    let known = |(name, text): (&String, _)| match keys::lookup(scope, name) {
        Some(def) => Ok((def, text)),
        None => Err(InvalidConfig::UnknownKey { scope, name: name.clone() }),
    };
    let known = settings.iter().map(known).collect::<Result<Vec<(_, &String)>, _>>()?;
    known.into_iter().map(|(def, text)| Ok((def, def.parse(text)?))).collect()
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Line of a file, counted from 1.
    Line {
        /// The file as the user named it.
        file: String,
        /// The line where the entry starts.
        line: usize,
    },
    /// An override on the command line.
    Override,
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line { file, line } => write!(f, "{file}:{line}"),
            Origin::Override => f.write_str("--override"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A start that cannot go on: what is wrong in the properties, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where the setting stands.
    pub origin: Origin,
    /// Its key.
    pub key: String,
    /// Its value, `[hidden]` for passwords.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What is accepted instead; may be empty when the reason says it.
    pub accepted: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}={}: {}", self.origin, self.key, self.value, self.reason)?;
        if !self.accepted.is_empty() {
            write!(f, " (accepted: {})", self.accepted)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong in the properties of one start, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
