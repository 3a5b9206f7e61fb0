//! A node's listeners and what belongs to them. The quorum's are served first: nodes must be able to talk before
//! any of them has an image to serve clients from.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use rkafka_config::BrokerConfig;
use rkafka_wire::WireError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::listeners::connection_count;
use crate::api::{Dispatcher, served_apis};
use crate::broker::Broker;
use crate::coordinator::GroupCoordinators;
use crate::quorum::{PeerSession, Quorum};
use crate::server::listener::ServerShared;
use crate::server::{CloseReason, ConnectionInfo, Listener, MemoryBudget, Outcome, Service, Stage};

/// How long connections may take to end when the broker stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Listeners and connections of a node.
#[derive(Debug)]
pub(super) struct Serving {
    shared: ServerShared,
    addresses: Vec<(Arc<str>, SocketAddr)>,
    /// Serves clients, once there is a broker.
    clients: Arc<OnceLock<Dispatcher>>,
}

impl Serving {
    /// Nothing is accepted yet.
    pub(super) fn new(config: &BrokerConfig, budget: MemoryBudget) -> Self {
        let shared = ServerShared {
            budget,
            connections: Arc::new(connection_count(config)),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { shared, addresses: Vec::new(), clients: Arc::default() }
    }

    /// Accepts connections of other nodes; clients on these listeners are served once there is a broker. Those see
    /// brokers as listener `seen_as` does.
    pub(super) fn serve_nodes(
        &mut self,
        listeners: Vec<Listener>,
        quorum: &Arc<Quorum>,
        seen_as: Option<&Arc<str>>,
    ) {
        for listener in listeners {
            let (quorum, clients) = (quorum.clone(), self.clients.clone());
            let is_controller = seen_as.is_some();
            let seen_as = seen_as.cloned().unwrap_or_else(|| listener.name().clone());
            self.run(listener, move || NodeService {
                session: PeerSession::new(quorum.clone()),
                clients: clients.clone(),
                seen_as: seen_as.clone(),
                is_controller,
                info: None,
            });
        }
    }

    /// Accepts clients on all listeners.
    ///
    /// # Errors
    /// Never in a build whose tests pass ([`served_apis`]).
    pub(super) fn serve_clients(
        &mut self,
        broker: &Arc<Broker>,
        listeners: Vec<Listener>,
    ) -> Result<(), WireError> {
        let dispatcher =
            Dispatcher::new(broker.clone(), Arc::new(served_apis()?), self.shared.budget.clone());
        self.clients.get_or_init(|| dispatcher.clone());
        // Clients' listeners are named first.
        let for_nodes = std::mem::take(&mut self.addresses);
        for listener in listeners {
            let dispatcher = dispatcher.clone();
            self.run(listener, move || dispatcher.clone());
        }
        self.addresses.extend(for_nodes);
        self.shared.tasks.spawn(GroupCoordinators::watch(broker.clone(), self.shared.shutdown.clone()));
        Ok(())
    }

    fn run<S: Service>(&mut self, listener: Listener, service: impl Fn() -> S + Send + 'static) {
        self.addresses.push((listener.name().clone(), listener.address()));
        self.shared.tasks.spawn(listener.run(self.shared.clone(), service));
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

/// One connection on a listener of the quorum: another node, or a client.
struct NodeService {
    session: PeerSession,
    clients: Arc<OnceLock<Dispatcher>>,
    /// The listener whose endpoints clients on this connection are told.
    seen_as: Arc<str>,
    /// The listener is for the quorum alone.
    is_controller: bool,
    /// The connection as clients' requests see it, made with the first.
    info: Option<Arc<ConnectionInfo>>,
}

impl Service for NodeService {
    fn call(&mut self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> Stage {
        if PeerSession::is_peer_call(&frame) {
            return self.session.call(connection, frame);
        }
        let Some(mut dispatcher) = self.clients.get().cloned() else {
            // It goes to the next broker of its list meanwhile.
            let reason = "a client came before this node was ready".to_owned();
            return Stage::Done(Outcome::Close(CloseReason::Socket(reason)));
        };
        let (listener, is_controller) = (&self.seen_as, self.is_controller);
        let seen = || {
            let connection = (**connection).clone();
            Arc::new(ConnectionInfo { listener: listener.clone(), is_controller, ..connection })
        };
        let info = self.info.get_or_insert_with(seen);
        dispatcher.call(info, frame)
    }
}
