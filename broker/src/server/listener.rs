//! Accepts connections on one address and starts a task for each.
//!
//! Limits are Kafka's: `max.connections`, `max.connections.per.ip` with its overrides. A connection above
//! either is closed at once (Kafka lets one above `max.connections` wait in the backlog; a client that is
//! told goes to the next broker sooner).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::Service;
use super::connection::{ConnectionInfo, ConnectionLimits, serve};
use super::memory::MemoryBudget;
use super::pipeline::CloseReason;

/// How long accepting pauses when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One address to listen on, and what holds for its connections.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// The listener's name, as in `listeners`.
    pub name: Arc<str>,
    /// The address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// `socket.listen.backlog.size`.
    pub backlog: i32,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system, which adapts it.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system, which adapts it.
    pub receive_buffer_bytes: Option<usize>,
    /// Bounds of each connection.
    pub limits: ConnectionLimits,
}

/// How many connections there are and may be, over all listeners.
#[derive(Debug)]
pub struct ConnectionCount {
    open_by_address: Mutex<HashMap<IpAddr, usize>>,
    next_id: AtomicU64,
    connections_max: usize,
    per_address_max: usize,
    per_address_overrides: HashMap<IpAddr, usize>,
}

impl ConnectionCount {
    /// Limits as configured by `max.connections`, `max.connections.per.ip` and its overrides.
    pub fn new(
        connections_max: usize,
        per_address_max: usize,
        per_address_overrides: HashMap<IpAddr, usize>,
    ) -> Self {
        Self {
            open_by_address: Mutex::default(),
            next_id: AtomicU64::new(0),
            connections_max,
            per_address_max,
            per_address_overrides,
        }
    }

    /// Counts one more connection from `address`, or says which limit it meets.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Result<CountedConnection, &'static str> {
        let mut open = self.open_by_address.lock();
        if open.values().sum::<usize>() >= self.connections_max {
            return Err("max.connections");
        }
        let limit = self.per_address_overrides.get(&address).copied().unwrap_or(self.per_address_max);
        let here = open.get(&address).copied().unwrap_or(0);
        if here >= limit {
            return Err("max.connections.per.ip");
        }
        open.insert(address, here + 1);
        Ok(CountedConnection {
            count: self.clone(),
            address,
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.open_by_address.lock().values().sum()
    }
}

/// A connection that counts until it is dropped.
struct CountedConnection {
    count: Arc<ConnectionCount>,
    address: IpAddr,
    id: u64,
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut open = self.count.open_by_address.lock();
        if let Some(here) = open.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// A bound address that does not accept yet: binding fails early, serving begins when the node is ready.
#[derive(Debug)]
pub struct Listener {
    config: ListenerConfig,
    socket: TcpListener,
    address: SocketAddr,
}

/// What all connections of a node share.
#[derive(Debug, Clone)]
pub struct ServerShared {
    /// Memory for requests.
    pub budget: MemoryBudget,
    /// Limits on the number of connections.
    pub connections: Arc<ConnectionCount>,
    /// Ends listeners and connections.
    pub shutdown: CancellationToken,
    /// Knows when the last connection has ended.
    pub tasks: TaskTracker,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// As the system reports it; above all the address may be in use.
    pub fn bind(config: ListenerConfig) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(config.address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted broker must not wait for the connections of its former life to time out.
        socket.set_reuse_address(true)?;
        if config.address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        if let Some(bytes) = config.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&config.address.into())?;
        socket.listen(config.backlog)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self { config, socket, address })
    }

    /// The listener's name.
    pub fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    /// The address with the port that was really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until shutdown; `service` makes the service of each.
    pub async fn run<S: Service>(self, shared: ServerShared, service: impl Fn() -> S + Send + 'static) {
        let listener = &self.config.name;
        info!(%listener, address = %self.address, "listening");
        loop {
            let accepted = tokio::select! {
                biased;
                () = shared.shutdown.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.start(&shared, socket, peer, service()),
                Err(error) if is_of_one_connection(&error) => debug!(%listener, %error, "accept failed"),
                Err(error) => {
                    warn!(%listener, %error, "cannot accept connections, trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn start<S: Service>(&self, shared: &ServerShared, socket: TcpStream, peer: SocketAddr, service: S) {
        let listener = self.config.name.clone();
        let counted = match shared.connections.enter(peer.ip().to_canonical()) {
            Ok(counted) => counted,
            Err(limit) => {
                info!(%listener, %peer, limit, "connection refused: the limit is reached");
                return;
            }
        };
        if let Err(error) = self.tune(&socket) {
            debug!(%listener, %peer, %error, "cannot set socket options");
        }
        let info = Arc::new(ConnectionInfo { id: counted.id, listener, peer, is_controller: false });
        let serving = serve(
            socket,
            service,
            info.clone(),
            self.config.limits.clone(),
            shared.budget.clone(),
            shared.shutdown.clone(),
        );
        shared.tasks.spawn(async move {
            let _counted = counted;
            let reason = serving.await;
            log_end(&info, &reason);
        });
    }

    fn tune(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let socket = socket2::SockRef::from(socket);
        socket.set_keepalive(true)?;
        if let Some(bytes) = self.config.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        Ok(())
    }
}

/// Failures that say nothing about the listener: the client was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn log_end(info: &ConnectionInfo, reason: &CloseReason) {
    let (id, peer, listener) = (info.id, info.peer, &info.listener);
    match reason {
        CloseReason::BadRequest(_) | CloseReason::Stalled => {
            warn!(connection = id, %peer, %listener, %reason, "connection closed");
        }
        CloseReason::UnacknowledgedFailure(_) | CloseReason::Idle => {
            info!(connection = id, %peer, %listener, %reason, "connection closed");
        }
        CloseReason::EndOfStream | CloseReason::Socket(_) | CloseReason::Shutdown => {
            debug!(connection = id, %peer, %listener, %reason, "connection closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_by_address_until_they_end() {
        let one = IpAddr::from([10, 0, 0, 1]);
        let two = IpAddr::from([10, 0, 0, 2]);
        let count = Arc::new(ConnectionCount::new(3, 2, HashMap::from([(two, 1)])));
        let first = count.enter(one).expect("below all limits");
        let _second = count.enter(one).expect("below all limits");
        assert_eq!(count.enter(one).err(), Some("max.connections.per.ip"));
        let _third = count.enter(two).expect("its own limit is 1");
        assert_eq!(count.enter(IpAddr::from([10, 0, 0, 3])).err(), Some("max.connections"));
        drop(first);
        assert_eq!(count.open(), 2);
        assert_eq!(count.enter(two).err(), Some("max.connections.per.ip"));
        assert!(count.enter(one).is_ok());
    }
}
