//! Calls from node to node: raft's own, joining, and requests on their way to the active controller.
//!
//! | file | what it does |
//! |---|---|
//! | `messages.rs` | the frames, and the messages that are not raft's |
//! | `encoding.rs` | raft's messages as bytes |
//! | `connection.rs` | one connection to another node, which is greeted first |
//! | `network.rs` | raft's calls over such connections |
//! | `session.rs` | the other end: one connection from another node |
//!
//! Frames are shaped like Kafka's requests, under an API key of our own, and are served by the listeners that are
//! there anyway: size limits, memory budget and order of answers are those of all requests. Every connection
//! begins with a greeting in which cluster id, node id and directory id are compared; nothing else is taken
//! before it.

mod connection;
mod encoding;
mod messages;
mod network;
mod session;

pub(crate) use connection::{CallError, Connection, Local};
pub(crate) use messages::{Greeting, Join, Kind, NodeAddress, Refusal, RefusalKind, from_json, to_json};
pub use messages::{Member, PEER_API_KEY};
pub(crate) use network::PeerNetwork;
pub use session::PeerSession;
