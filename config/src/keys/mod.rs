//! The one table of all keys, by audience, and look-ups in it.

pub(crate) mod reasons;
mod rules;

mod coordinator;
pub mod group;
mod group_protocols;
mod log;
mod metrics;
mod network;
mod node;
mod replication;
mod retired;
mod sasl;
mod tiered;
mod tls;
pub mod topic;

use std::sync::LazyLock;

pub use coordinator::*;
pub use group_protocols::*;
pub use log::*;
pub use metrics::*;
pub use network::*;
pub use node::*;
pub use replication::*;
pub use retired::*;
pub use sasl::*;
pub use tiered::*;
pub use tls::*;

use crate::key::{KeyDef, Scope};

/// Tables of the broker scope in slot order, each with its audience.
static BROKER_TABLES: [(&str, &[KeyDef]); 11] = [
    ("the node and its quorum", &node::DEFS),
    ("listeners, connections and requests", &network::DEFS),
    ("logs", &log::DEFS),
    ("replication and quotas", &replication::DEFS),
    ("offsets, classic groups and transactions", &coordinator::DEFS),
    ("newer group protocols", &group_protocols::DEFS),
    ("TLS and authorization", &tls::DEFS),
    ("SASL and delegation tokens", &sasl::DEFS),
    ("tiered storage", &tiered::DEFS),
    ("metrics", &metrics::DEFS),
    ("keys of older lines", &retired::DEFS),
];

/// The broker keys by audience, in slot order: a title and its keys.
pub(crate) fn broker_tables() -> impl Iterator<Item = (&'static str, &'static [KeyDef])> {
    BROKER_TABLES.iter().copied()
}

/// All broker keys in slot order.
pub fn broker_keys() -> impl Iterator<Item = &'static KeyDef> {
    broker_tables().flat_map(|(_, table)| table)
}

/// All topic keys in slot order.
pub fn topic_keys() -> impl Iterator<Item = &'static KeyDef> {
    topic::DEFS.iter()
}

/// All group keys in slot order.
pub fn group_keys() -> impl Iterator<Item = &'static KeyDef> {
    group::DEFS.iter()
}

/// All keys of a scope in slot order.
#[must_use]
pub fn of_scope(scope: Scope) -> &'static [&'static KeyDef] {
    static BROKER: LazyLock<Vec<&'static KeyDef>> = LazyLock::new(|| broker_keys().collect());
    static TOPIC: LazyLock<Vec<&'static KeyDef>> = LazyLock::new(|| topic_keys().collect());
    static GROUP: LazyLock<Vec<&'static KeyDef>> = LazyLock::new(|| group_keys().collect());
    // A slot is a position in its scope's slice; every reader of values relies on it.
    debug_assert_eq!((BROKER.len(), TOPIC.len(), GROUP.len()), (retired::END, topic::END, group::END));
    match scope {
        Scope::Broker => &BROKER,
        Scope::Topic => &TOPIC,
        Scope::Group => &GROUP,
    }
}

/// The key of this name in a scope.
#[must_use]
pub fn lookup(scope: Scope, name: &str) -> Option<&'static KeyDef> {
    static BY_NAME: LazyLock<[Vec<&'static KeyDef>; 3]> = LazyLock::new(|| {
        [Scope::Broker, Scope::Topic, Scope::Group].map(|scope| {
            let mut sorted = of_scope(scope).to_vec();
            sorted.sort_by_key(|def| def.name);
            sorted
        })
    });
    let sorted = &BY_NAME[scope as usize];
    sorted.binary_search_by_key(&name, |def| def.name).ok().map(|at| sorted[at])
}
