//! The broker: tokio shells around the log, the brains and the quorum.
//!
//! | module | what it does |
//! |---|---|
//! | [`server`] | sockets: connections, frames, ordered answers |
//! | [`partition`] | partitions of this broker: append, read, wait |
//! | [`metadata_store`] | the door to the metadata quorum |
//! | [`controller`] | the active controller: its queue and its commits |
//! | [`quorum`] | openraft on our own log |
//! | [`clock`] | the one real clock |
//! | `errors` | which failure becomes which code on the wire |

pub mod clock;
pub mod controller;
mod errors;
pub mod metadata_store;
pub mod partition;
pub mod quorum;
pub mod server;
