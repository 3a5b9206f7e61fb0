//! This node's place in the quorum, worked out of its configuration: who is listed, which of them it is, and where
//! other nodes reach it.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};

use rkafka_config::{BrokerConfig, HostPort, Quorum as Configured, keys};
use rkafka_core::ids::BrokerId;

use super::listeners::own_host;
use crate::quorum::{Listed, Plan};

/// Where calls of other nodes come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Door {
    /// Nowhere: a quorum of one that nobody joins.
    None,
    /// At a port of the quorum's own (`zookeeper.connect`); on all interfaces unless the list gives an address.
    Own {
        /// The address of the list.
        host: Option<IpAddr>,
        /// The port of the list.
        port: u16,
    },
    /// At the listeners of `controller.listener.names`.
    Controller,
    /// At the listener that brokers use among themselves: a node without a vote.
    InterBroker,
}

/// The place of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// It is the only voter.
    pub(super) alone: bool,
    /// The list, and which entry of it this node is.
    pub(super) plan: Plan,
    /// Where it is called.
    pub(super) door: Door,
}

/// A list of the quorum that does not fit this node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={value}: {reason}")]
pub struct PlaceError {
    /// The key.
    key: &'static str,
    /// Its value.
    value: String,
    /// What is wrong, and the way out.
    reason: String,
}

/// Works out the place of node `id`.
///
/// # Errors
/// A list that names this node twice or, where it must vote, not at all.
pub(super) fn place(config: &BrokerConfig, id: BrokerId) -> Result<Place, PlaceError> {
    let node = config.node();
    let roles_set = config.setting(keys::PROCESS_ROLES.name()).is_some();
    let has_door = node.listeners.controller().next().is_some();
    match &node.quorum {
        Configured::Alone => Ok(Place::alone(if has_door { Door::Controller } else { Door::None })),
        Configured::Addresses(addresses) if addresses.len() <= 1 => Ok(Place::alone(Door::None)),
        Configured::Addresses(addresses) => {
            let listed: Vec<Listed> = addresses.iter().map(|address| listed(None, address)).collect();
            if roles_set && !node.roles.controller {
                return Ok(Place { alone: false, plan: Plan { listed, own: None }, door: Door::InterBroker });
            }
            let own = own_address(config, &listed)?;
            let door = Door::Own { host: listed[own].host.parse().ok(), port: listed[own].port };
            Ok(Place { alone: false, plan: Plan { listed, own: Some(own) }, door })
        }
        Configured::Voters(voters) => {
            let mut voters = voters.clone();
            // All nodes must agree on who comes first.
            voters.sort_by_key(|voter| voter.id);
            let listed: Vec<Listed> =
                voters.iter().map(|voter| listed(u64::try_from(voter.id).ok(), &voter.address)).collect();
            let own = voters.iter().position(|voter| voter.id == id.0).filter(|_| node.roles.controller);
            Ok(Place::modern(listed, own))
        }
        Configured::Bootstrap(addresses) => {
            let listed: Vec<Listed> = addresses.iter().map(|address| listed(None, address)).collect();
            let ports: Vec<u16> = node.listeners.controller().map(|endpoint| endpoint.port).collect();
            let is_own = |listed: &Listed| ports.contains(&listed.port) && is_local(&listed.host);
            let own = listed.iter().position(is_own).filter(|_| node.roles.controller);
            Ok(Place::modern(listed, own))
        }
    }
}

fn listed(id: Option<u64>, address: &HostPort) -> Listed {
    Listed { id, host: address.host.clone(), port: address.port }
}

impl Place {
    fn alone(door: Door) -> Place {
        Place { alone: true, plan: Plan { listed: Vec::new(), own: None }, door }
    }

    fn modern(listed: Vec<Listed>, own: Option<usize>) -> Place {
        let alone = own.is_some() && listed.len() == 1;
        let door = if own.is_some() { Door::Controller } else { Door::InterBroker };
        Place { alone, plan: Plan { listed, own }, door }
    }
}

/// Which address of `zookeeper.connect` is this node's.
fn own_address(config: &BrokerConfig, listed: &[Listed]) -> Result<usize, PlaceError> {
    let fault = |reason: String| PlaceError {
        key: keys::ZOOKEEPER_CONNECT.name(),
        value: config.setting(keys::ZOOKEEPER_CONNECT.name()).unwrap_or_default().to_owned(),
        reason,
    };
    if let Some(twice) = listed.iter().find(|one| listed.iter().filter(|other| other == one).count() > 1) {
        return Err(fault(format!("{}:{} stands twice", twice.host, twice.port)));
    }
    let local: Vec<usize> = (0..listed.len()).filter(|at| is_local(&listed[*at].host)).collect();
    // Several nodes of one machine tell themselves apart by the address they listen on.
    let endpoints = config.node().listeners.bound.iter().chain(&config.node().listeners.advertised);
    let hosts: Vec<&str> = endpoints.filter_map(|endpoint| endpoint.host.as_deref()).collect();
    let named: Vec<usize> =
        local.iter().copied().filter(|at| hosts.contains(&listed[*at].host.as_str())).collect();
    match (local.as_slice(), named.as_slice()) {
        ([own], _) | (_, [own]) => Ok(*own),
        ([], _) => Err(fault(format!(
            "none of these addresses is this host's ({}); rkafka keeps the cluster's metadata at them itself, so each \
             node must find its own among them. Name this host, or set process.roles=broker if the node shall only \
             follow",
            own_host()
        ))),
        _ => {
            let names: Vec<String> =
                local.iter().map(|at| format!("{}:{}", listed[*at].host, listed[*at].port)).collect();
            Err(fault(format!(
                "{} are all this host, which must stand in the list once. For several nodes on one machine set \
                 listeners=PLAINTEXT://<one of these hosts>:<port>, or use controller.quorum.voters",
                names.join(" and ")
            )))
        }
    }
}

/// Whether the host is this machine: its own name, or one of its addresses.
fn is_local(host: &str) -> bool {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if host.eq_ignore_ascii_case(&name) {
        return true;
    }
    let addresses = (host, 0).to_socket_addrs().into_iter().flatten();
    // Only an address of this machine can be bound.
    addresses.into_iter().any(|address: SocketAddr| TcpListener::bind(address).is_ok())
}

#[cfg(test)]
mod tests {
    use rkafka_config::Properties;

    use super::*;

    fn config(text: &str) -> BrokerConfig {
        let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
        BrokerConfig::from_properties(&file, &[]).expect("valid").0
    }

    fn own(text: &str) -> Result<Option<usize>, String> {
        let config = config(text);
        let id = BrokerId(config.node().id.unwrap_or(0));
        place(&config, id).map(|place| place.plan.own).map_err(|error| error.to_string())
    }

    #[test]
    fn the_tutorials_list() {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // 198.51.100.0/24 is for documentation: nobody's address (RFC 5737).
        let text =
            format!("broker.id=0\nzookeeper.connect=198.51.100.1:2181,{name}:2181,198.51.100.2:2181/kafka\n");
        assert_eq!(own(&text), Ok(Some(1)));
        let place = place(&config(&text), BrokerId(0)).expect("one address is this host's");
        assert_eq!(place.door, Door::Own { host: None, port: 2181 });
        assert_eq!(place.plan.listed.len(), 3);
        assert!(!place.alone);
    }

    #[test]
    fn one_address_or_none_is_a_quorum_of_one() {
        for text in ["", "zookeeper.connect=elsewhere:2181\n", "zookeeper.connect=\n"] {
            let place = place(&config(&format!("broker.id=0\n{text}")), BrokerId(0)).expect("always fits");
            assert!(place.alone && place.door == Door::None, "{text}");
        }
    }

    #[test]
    fn lists_that_do_not_fit() {
        let check = |list: &str, more: &str, expected: &str| {
            let error = own(&format!("broker.id=0\nzookeeper.connect={list}\n{more}")).expect_err(list);
            assert!(error.contains(expected), "{list}: {error}");
            assert!(error.starts_with(&format!("zookeeper.connect={list}: ")), "{error}");
        };
        check("198.51.100.1:2181,198.51.100.2:2181", "", "none of these addresses is this host's");
        check("127.0.0.1:2181,127.0.0.2:2181", "", "are all this host");
        check("127.0.0.1:2181,198.51.100.2:2181,127.0.0.1:2181", "", "127.0.0.1:2181 stands twice");
    }

    #[test]
    fn nodes_of_one_machine_are_told_apart_by_their_listener() {
        let list = "broker.id=0\nzookeeper.connect=127.0.0.1:2181,127.0.0.2:2181,127.0.0.3:2181\n";
        assert_eq!(own(&format!("{list}listeners=PLAINTEXT://127.0.0.2:9092\n")), Ok(Some(1)));
        assert_eq!(
            own(&format!("{list}process.roles=broker\nlisteners=PLAINTEXT://127.0.0.9:1\n")),
            Ok(None)
        );
    }

    #[test]
    fn modern_keys() {
        let controller = "process.roles=broker,controller\ncontroller.listener.names=C\n\
                          listeners=PLAINTEXT://127.0.0.1:1,C://127.0.0.1:2\n";
        let voters = "controller.quorum.voters=3@127.0.0.1:4,1@127.0.0.1:2\n";
        let both = place(&config(&format!("node.id=1\n{controller}{voters}")), BrokerId(1)).expect("fits");
        assert_eq!((both.plan.own, both.door, both.alone), (Some(0), Door::Controller, false));
        let ids: Vec<_> = both.plan.listed.iter().map(|listed| listed.id).collect();
        assert_eq!(ids, [Some(1), Some(3)], "all nodes agree on the first");
        let servers = "controller.quorum.bootstrap.servers=127.0.0.1:2\n";
        let alone = place(&config(&format!("node.id=1\n{controller}{servers}")), BrokerId(1)).expect("fits");
        assert!(alone.alone && alone.door == Door::Controller);
        let broker = "process.roles=broker\nnode.id=5\ncontroller.listener.names=C\n";
        let follower = place(&config(&format!("{broker}{servers}")), BrokerId(5)).expect("fits");
        assert_eq!((follower.plan.own, follower.door, follower.alone), (None, Door::InterBroker, false));
    }
}
