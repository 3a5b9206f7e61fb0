//! From sockets to requests and back.
//!
//! ```text
//! listener.rs     accepts connections, within the limits on their number
//! connection.rs   one task a connection: read → stage 1 → pipeline → write
//! frame.rs        cuts requests out of the byte stream; size and memory checked first
//! memory.rs       the budget for request bytes, shared by all connections
//! pipeline.rs     answers in the order of the requests
//! response.rs     answers as bytes and file ranges; one system call for all that is ready
//! transport.rs    TCP (sendmsg, sendfile) or a pipe in memory
//! ```
//!
//! **Architecture invariant:** nothing here knows a request type. What a request means is the [`Service`]'s
//! business; this folder only promises order, bounds and back-pressure.

use std::sync::Arc;

use bytes::Bytes;

pub mod connection;
mod frame;
pub mod listener;
pub mod memory;
pub mod pipeline;
pub mod response;
pub mod transport;

pub use connection::{ConnectionInfo, ConnectionLimits, serve};
pub use listener::{Listener, ListenerConfig};
pub use memory::{MemoryBudget, MemoryGrant};
pub use pipeline::{CloseReason, Outcome, Pending, Stage};
pub use response::{FileRange, Reply};
pub use transport::Transport;

/// What serves the requests of a connection. One value a connection: it may keep what it learns of the
/// client.
pub trait Service: Send + Unpin + 'static {
    /// Stage 1 of one request (the frame without its size): runs in arrival order and must not block.
    fn call(&mut self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> Stage;
}

#[cfg(test)]
mod tests;
