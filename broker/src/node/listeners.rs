//! The node's listeners: what the configuration says, bound to sockets, and what others are told.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rkafka_config::{BrokerConfig, Endpoint, SecurityProtocol, keys};
use rkafka_core::image;

use super::place::Door;
use crate::server::listener::ConnectionCount;
use crate::server::memory::default_budget;
use crate::server::{ConnectionLimits, Listener, ListenerConfig, MemoryBudget};

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The name of the host is not known here.
    #[error("listener {listener}: the host {host} cannot be resolved ({source}); check listeners")]
    Resolve {
        /// The listener.
        listener: String,
        /// The host of `listeners`.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The address cannot be bound.
    #[error("listener {listener}: cannot listen on {address}: {source}{hint}")]
    Bind {
        /// The listener.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// TLS and SASL are not there yet.
    #[error("listener {listener}: {protocol} is not served by this version; use PLAINTEXT")]
    Protocol {
        /// The listener.
        listener: String,
        /// Its protocol.
        protocol: &'static str,
    },
}

/// Binds all listeners for clients; connections are accepted later.
///
/// # Errors
/// The first listener that cannot be had.
pub(super) fn bind(config: &BrokerConfig) -> Result<Vec<Listener>, ListenerError> {
    config.node().listeners.broker().map(|endpoint| bind_one(config, endpoint, PORT_TAKEN)).collect()
}

/// Binds what other nodes call, where that is not a listener for clients.
///
/// # Errors
/// The first listener that cannot be had.
pub(super) fn bind_for_nodes(config: &BrokerConfig, door: &Door) -> Result<Vec<Listener>, ListenerError> {
    match door {
        Door::None | Door::InterBroker => Ok(Vec::new()),
        Door::Controller => config
            .node()
            .listeners
            .controller()
            .map(|endpoint| bind_one(config, endpoint, PORT_TAKEN))
            .collect(),
        Door::Own { host, port } => {
            let endpoint = Endpoint {
                name: QUORUM_LISTENER.to_owned(),
                protocol: SecurityProtocol::Plaintext,
                host: host.map(|address| address.to_string()),
                port: *port,
            };
            Ok(vec![bind_one(config, &endpoint, QUORUM_PORT_TAKEN)?])
        }
    }
}

/// The name of the listener at this node's address of `zookeeper.connect`, in messages.
const QUORUM_LISTENER: &str = "QUORUM";

const PORT_TAKEN: &str = "; another program uses the port: stop it, or set another port in listeners";
const QUORUM_PORT_TAKEN: &str = "; another program uses the port, perhaps a ZooKeeper: rkafka needs none and keeps the \
     cluster's metadata at this address of zookeeper.connect itself. Stop it, or name another port in zookeeper.connect";

fn bind_one(
    config: &BrokerConfig,
    endpoint: &Endpoint,
    taken: &'static str,
) -> Result<Listener, ListenerError> {
    let listener = endpoint.name.clone();
    if endpoint.protocol != SecurityProtocol::Plaintext {
        return Err(ListenerError::Protocol { listener, protocol: endpoint.protocol.name() });
    }
    let address = resolve(endpoint)?;
    let bind = |address| {
        Listener::bind(ListenerConfig {
            name: endpoint.name.as_str().into(),
            address,
            backlog: config.get(keys::SOCKET_LISTEN_BACKLOG_SIZE),
            send_buffer_bytes: chosen_bytes(config, keys::SOCKET_SEND_BUFFER_BYTES),
            receive_buffer_bytes: chosen_bytes(config, keys::SOCKET_RECEIVE_BUFFER_BYTES),
            limits: connection_limits(config),
        })
    };
    // All interfaces means IPv6 and IPv4 in one socket, where the system has IPv6.
    let bound = match bind(address) {
        Err(error) if endpoint.host.is_none() && error.raw_os_error() == Some(NO_IPV6) => {
            bind(SocketAddr::from(([0, 0, 0, 0], endpoint.port)))
        }
        bound => bound,
    };
    bound.map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => taken,
            io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
            io::ErrorKind::AddrNotAvailable => "; the host in listeners is no address of this machine",
            _ => "",
        };
        ListenerError::Bind { listener, address, source, hint }
    })
}

/// `EAFNOSUPPORT`.
const NO_IPV6: i32 = 97;

fn resolve(endpoint: &Endpoint) -> Result<SocketAddr, ListenerError> {
    let Some(host) = &endpoint.host else {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, endpoint.port)));
    };
    let failed =
        |source| ListenerError::Resolve { listener: endpoint.name.clone(), host: host.clone(), source };
    let mut addresses = (host.as_str(), endpoint.port).to_socket_addrs().map_err(failed)?;
    addresses.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// A buffer size that was set on purpose; otherwise the system's own, which adapts to the connection.
fn chosen_bytes(config: &BrokerConfig, key: rkafka_config::BrokerKey<i32>) -> Option<usize> {
    config.setting(key.name())?;
    usize::try_from(config.get(key)).ok()
}

fn connection_limits(config: &BrokerConfig) -> ConnectionLimits {
    let idle_ms = u64::try_from(config.get(keys::CONNECTIONS_MAX_IDLE_MS)).unwrap_or(FOREVER_MS);
    ConnectionLimits {
        request_bytes_max: request_bytes_max(config),
        idle_max: Duration::from_millis(idle_ms.min(FOREVER_MS)),
        requests_in_flight_max: ConnectionLimits::REQUESTS_IN_FLIGHT_MAX,
        queued_bytes_max: ConnectionLimits::QUEUED_BYTES_MAX,
    }
}

/// A hundred years: what a negative `connections.max.idle.ms` means, and still an instant that can be
/// computed.
const FOREVER_MS: u64 = 100 * 365 * 24 * 3_600_000;

fn request_bytes_max(config: &BrokerConfig) -> usize {
    usize::try_from(config.get(keys::SOCKET_REQUEST_MAX_BYTES)).unwrap_or(0)
}

/// The memory for requests: `queued.max.request.bytes`, or enough for two of the largest.
pub(super) fn memory_budget(config: &BrokerConfig) -> MemoryBudget {
    let configured =
        usize::try_from(config.get(keys::QUEUED_MAX_REQUEST_BYTES)).ok().filter(|bytes| *bytes > 0);
    MemoryBudget::new(configured.unwrap_or_else(|| default_budget(request_bytes_max(config))))
}

/// The limits on the number of connections.
pub(super) fn connection_count(config: &BrokerConfig) -> ConnectionCount {
    let limit = |value: i32| usize::try_from(value).unwrap_or(0);
    let overrides = config.get(keys::MAX_CONNECTIONS_PER_IP_OVERRIDES);
    let overrides: HashMap<IpAddr, usize> = overrides.split(',').flat_map(override_of).collect();
    ConnectionCount::new(
        limit(config.get(keys::MAX_CONNECTIONS)),
        limit(config.get(keys::MAX_CONNECTIONS_PER_IP)),
        overrides,
    )
}

/// `host:count`, for every address the host has.
fn override_of(text: &str) -> Vec<(IpAddr, usize)> {
    let Some((host, count)) = text.trim().rsplit_once(':') else { return Vec::new() };
    let Ok(count) = count.trim().parse() else { return Vec::new() };
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, 0).to_socket_addrs().into_iter().flatten();
    addresses.map(|address| (address.ip().to_canonical(), count)).collect()
}

/// What others are told: `advertised.listeners`, with this host's name and the ports that were bound where
/// the configuration leaves them open.
pub(super) fn advertised(config: &BrokerConfig, bound: &[Listener]) -> Vec<image::Endpoint> {
    let endpoints = config.node().listeners.advertised.iter();
    let told = endpoints.map(|endpoint| {
        let bound_port = bound.iter().find(|listener| **listener.name() == *endpoint.name);
        let port = match endpoint.port {
            0 => bound_port.map_or(0, |listener| listener.address().port()),
            port => port,
        };
        image::Endpoint {
            listener: endpoint.name.as_str().into(),
            host: endpoint.host.as_deref().map_or_else(own_host, Arc::from),
            port,
            security: image::SecurityProtocol::Plaintext,
        }
    });
    told.collect()
}

/// This host's name, if it leads back here; otherwise `localhost`, which at least clients on this machine
/// reach.
pub(super) fn own_host() -> Arc<str> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let resolves = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some());
    if resolves { name.into() } else { "localhost".into() }
}

#[cfg(test)]
mod tests {
    use rkafka_config::Properties;

    use super::*;

    fn config(text: &str) -> BrokerConfig {
        let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
        BrokerConfig::from_properties(&file, &[]).expect("valid").0
    }

    #[tokio::test]
    async fn the_bound_port_is_what_others_are_told() {
        let config = config(
            "listeners=PLAINTEXT://127.0.0.1:0,OTHER://:0\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\n",
        );
        let bound = bind(&config).expect("free ports");
        let told = advertised(&config, &bound);
        assert_eq!(told.len(), 2);
        for (listener, endpoint) in bound.iter().zip(&told) {
            assert_eq!(listener.name(), &endpoint.listener);
            assert_eq!(listener.address().port(), endpoint.port);
            assert_ne!(endpoint.port, 0);
        }
        assert_eq!(&*told[0].host, "127.0.0.1");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_says_what_to_do() {
        let first = bind(&config("listeners=PLAINTEXT://127.0.0.1:0\n")).expect("a free port");
        let port = first[0].address().port();
        let error = bind(&config(&format!("listeners=PLAINTEXT://127.0.0.1:{port}\n"))).expect_err("taken");
        assert!(error.to_string().contains("another program uses the port"), "{error}");
    }

    #[test]
    fn overrides_of_connection_limits() {
        assert_eq!(override_of("127.0.0.1:5"), [(IpAddr::from([127, 0, 0, 1]), 5)]);
        assert_eq!(override_of(" [::1]:7"), [(IpAddr::from(Ipv6Addr::LOCALHOST), 7)]);
        assert!(override_of("nonsense").is_empty());
    }
}
