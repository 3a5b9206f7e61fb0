//! A broker that serves clients: its listeners and what belongs to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rkafka_wire::WireError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::listeners::connection_count;
use crate::api::{Dispatcher, served_apis};
use crate::broker::Broker;
use crate::coordinator::GroupCoordinators;
use crate::server::listener::ServerShared;
use crate::server::{Listener, MemoryBudget};

/// How long connections may take to end when the broker stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Listeners and connections of a running broker.
#[derive(Debug)]
pub(super) struct Serving {
    shared: ServerShared,
    addresses: Vec<(Arc<str>, SocketAddr)>,
}

impl Serving {
    /// Accepts connections on all listeners.
    ///
    /// # Errors
    /// Never in a build whose tests pass ([`served_apis`]).
    pub(super) fn start(
        broker: &Arc<Broker>,
        listeners: Vec<Listener>,
        budget: MemoryBudget,
    ) -> Result<Self, WireError> {
        let shared = ServerShared {
            budget: budget.clone(),
            connections: Arc::new(connection_count(&broker.config.load())),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let dispatcher = Dispatcher::new(broker.clone(), Arc::new(served_apis()?), budget);
        let addresses = listeners.iter().map(|listener| (listener.name().clone(), listener.address()));
        let addresses = addresses.collect();
        for listener in listeners {
            let dispatcher = dispatcher.clone();
            shared.tasks.spawn(listener.run(shared.clone(), move || dispatcher.clone()));
        }
        shared.tasks.spawn(GroupCoordinators::watch(broker.clone(), shared.shutdown.clone()));
        Ok(Self { shared, addresses })
    }

    /// Listener names and the addresses that were bound.
    pub(super) fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        &self.addresses
    }

    /// Stops accepting, ends all connections after what is owed to them, and waits for that.
    pub(super) async fn stop(&self) {
        self.shared.shutdown.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(DRAIN_MAX, self.shared.tasks.wait()).await.is_err() {
            warn!(connections = self.shared.connections.open(), "connections did not end in time");
        }
    }
}
