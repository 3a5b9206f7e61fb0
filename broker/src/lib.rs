//! The broker: tokio shells around the log, the brains and the quorum.
//!
//! | module | what it does |
//! |---|---|
//! | [`server`] | sockets: connections, frames, ordered answers |
//! | [`api`] | requests: one API key, one file |
//! | [`background`] | flushes, checkpoints, retention, compaction |
//! | [`broker`] | what all requests of a broker share |
//! | [`partition`] | partitions of this broker: append, read, wait |
//! | [`coordinator`] | group coordinators: a task for each partition of `__consumer_offsets` led here |
//! | [`metadata_store`] | the door to the metadata quorum |
//! | [`metadata`] | making this node's partitions what the image says |
//! | [`controller`] | the active controller: its queue and its commits |
//! | [`quorum`] | openraft on our own log |
//! | [`replication`] | fetching what others lead; in-sync replicas brought to the controller |
//! | [`producer_ids`] | ids of idempotent producers |
//! | [`node`] | a node: starts and stops everything |
//! | [`clock`] | the one real clock |
//! | [`telemetry`] | metrics, health and readiness over HTTP |
//! | `internal_topics` | topics that come into being by being named |
//! | `errors` | which failure becomes which code on the wire |

pub mod api;
pub mod background;
pub mod broker;
pub mod clock;
pub mod controller;
pub mod coordinator;
mod errors;
mod internal_topics;
pub mod metadata;
pub mod metadata_store;
pub mod node;
pub mod partition;
pub mod producer_ids;
pub mod quorum;
pub mod replication;
pub mod server;
pub mod telemetry;
