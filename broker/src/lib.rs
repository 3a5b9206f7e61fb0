//! The broker: tokio shells around the log, the brains and the quorum.
//!
//! | module | what it does |
//! |---|---|
//! | [`server`] | sockets: connections, frames, ordered answers |

pub mod server;
