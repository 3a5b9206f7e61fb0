//! One node: what it is made of, and in which order it starts and stops.
//!
//! ```text
//! place.rs       this node's place in the quorum, by its configuration
//! start.rs       sockets → log directories → quorum → image → logs → register → unfence → accept
//! membership.rs  registration and heartbeats
//! stop.rs        leave → drain → close logs → checkpoints → clean shutdown marker
//! limits.rs      open files
//! listeners.rs   configured listeners, bound; what others are told of them
//! serving.rs     connections of a running broker
//! ```

#[cfg(test)]
mod cluster_tests;
mod limits;
mod listeners;
mod membership;
mod place;
mod serving;
mod start;
mod stop;
#[cfg(test)]
pub(crate) mod test_kit;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use rkafka_core::ids::BrokerId;
use rkafka_log::dirs::LogDirs;

use crate::background::Background;
use crate::broker::Broker;
use crate::controller::ControllerHandle;
use crate::telemetry::HttpPages;
use membership::Membership;
use serving::Serving;

pub use listeners::ListenerError;
pub use place::PlaceError;
pub use start::{StartError, start};

/// A running node. [`Node::shutdown`] ends it in order; dropping it leaves the log directories as a crash
/// would.
pub struct Node {
    pub(crate) broker: Arc<Broker>,
    cluster_id: String,
    serving: Serving,
    background: Background,
    /// Nothing on a node that only votes.
    membership: Option<Membership>,
    controller: ControllerHandle,
    log_dirs: Arc<LogDirs>,
    pages: HttpPages,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Listener names and the addresses that were really bound.
    pub fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        self.serving.addresses()
    }

    /// Where `/metrics`, `/healthz` and `/readyz` are served, if they are.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.pages.address()
    }

    /// This node's id.
    pub fn id(&self) -> BrokerId {
        self.broker.id
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }
}
