//! Every configuration key of rkafka, once: name, type, default, range, doc, scope, update mode. Parsing of
//! property files, validation, DescribeConfigs and the reference page all come from this one table.
//!
//! The crate depends on nothing but the standard library and does no input or output: callers read the files.
//!
//! | module | what it is |
//! |---|---|
//! | [`keys`] | the table itself, a file an audience, with a typed handle a key |
//! | `key`, `value`, `range` | what a table entry consists of |
//! | `properties` | Java property files with line numbers |
//! | `broker`, `node`, `listeners`, `address` | the settings of one node and what follows from them |
//! | `layers` | the order in which settings win, and Kafka's fall-backs between keys |
//! | `topic`, `group` | the settings of one topic or group over the broker's |
//! | `describe` | what DescribeConfigs shows |
//! | `error`, `notice`, `suggest` | what is said about bad, odd and misspelt settings |
//! | `reference`, [`shipped`] | the documentation page and the property files of the archive |

mod address;
mod broker;
mod describe;
mod error;
mod group;
mod key;
pub mod keys;
mod layers;
mod listeners;
mod node;
mod notice;
mod properties;
mod range;
mod reference;
pub mod shipped;
mod suggest;
mod topic;
mod value;

pub use address::{Endpoint, HostPort, Quorum, Roles, SecurityProtocol, Voter};
pub use broker::BrokerConfig;
pub use describe::{ConfigEntry, ConfigSource, Synonym};
pub use error::{ConfigError, ConfigErrors, InvalidConfig, Origin};
pub use group::GroupConfig;
pub use key::{
    BrokerKey, Default, GroupKey, Importance, Key, KeyDef, OWN, OfBroker, OfGroup, OfTopic, Scope,
    ScopeMarker, Standing, TopicKey, UpdateMode,
};
pub use layers::DynamicLayer;
pub use listeners::Listeners;
pub use node::NodeSettings;
pub use notice::{Notice, Notices};
pub use properties::{Entry, Properties, PropertiesError};
pub use range::Accepts;
pub use reference::reference_page;
pub use suggest::nearest;
pub use topic::{CleanupPolicy, Compression, TimestampType, TopicConfig};
pub use value::{Class, KeyType, List, Password, Secret, Text, Typed, Value};
