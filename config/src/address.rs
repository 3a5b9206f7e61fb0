//! Listener endpoints, host and port pairs, and quorum voters as property files write them.

use std::fmt;

/// How a listener speaks (`listener.security.protocol.map`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL over plain TCP.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Reads Kafka's name of a protocol, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<SecurityProtocol> {
        [
            SecurityProtocol::Plaintext,
            SecurityProtocol::Ssl,
            SecurityProtocol::SaslPlaintext,
            SecurityProtocol::SaslSsl,
        ]
        .into_iter()
        .find(|protocol| protocol.name().eq_ignore_ascii_case(text))
    }

    /// Kafka's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }
}

/// One entry of `listeners` or `advertised.listeners`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The listener's name, in upper case.
    pub name: String,
    /// How it speaks.
    pub protocol: SecurityProtocol,
    /// The host; `None` binds all interfaces, and advertises this host's own name.
    pub host: Option<String>,
    /// The port; 0 binds any free one.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        if host.contains(':') {
            return write!(f, "{}://[{host}]:{}", self.name, self.port);
        }
        write!(f, "{}://{host}:{}", self.name, self.port)
    }
}

/// Where a node can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Host name or address, without the brackets of IPv6.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl HostPort {
    /// Reads `host:port` or `[v6]:port`; `default_port` stands in for a missing port, if given.
    ///
    /// # Errors
    /// What is wrong, as a phrase.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<HostPort, String> {
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match (port, default_port) {
            (Some(port), _) => {
                port.trim().parse().map_err(|_| format!("{text:?} has no port from 0 to 65535"))?
            }
            (None, Some(port)) => port,
            (None, None) => return Err(format!("{text:?} has no port")),
        };
        Ok(HostPort { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One entry of `controller.quorum.voters`: `id@host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Voter {
    /// Its `node.id`.
    pub id: i32,
    /// Its controller listener.
    pub address: HostPort,
}

impl Voter {
    /// Reads `id@host:port`.
    ///
    /// # Errors
    /// What is wrong, as a phrase.
    pub fn parse(text: &str) -> Result<Voter, String> {
        let (id, address) = text.split_once('@').ok_or_else(|| format!("{text:?} is not id@host:port"))?;
        let id = id.trim().parse().ok().filter(|id| *id >= 0);
        let id = id.ok_or_else(|| format!("{text:?} does not start with a node id"))?;
        Ok(Voter { id, address: HostPort::parse(address, None)? })
    }
}

/// What a node is for (`process.roles`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Stores and serves partitions.
    pub broker: bool,
    /// Votes in the metadata quorum.
    pub controller: bool,
}

/// Who keeps the cluster's metadata, in the words of the property file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// Nothing is said: this node alone.
    Alone,
    /// `zookeeper.connect`: the nodes at these addresses are the voters, in this order; a node finds itself
    /// among them by its host names. One address is a quorum of one.
    Addresses(Vec<HostPort>),
    /// `controller.quorum.voters`: a fixed set.
    Voters(Vec<Voter>),
    /// `controller.quorum.bootstrap.servers`: where to ask for the voters, which storage formatting wrote down.
    Bootstrap(Vec<HostPort>),
}
