//! Where a node listens and what it tells others: `listeners`, `advertised.listeners`, the protocol map, and the
//! host and port keys of Kafka 2.2.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::address::{Endpoint, HostPort, Quorum, Roles, SecurityProtocol};
use crate::keys;
use crate::node::{Fault, Settings};

/// The endpoints of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// Everything that is bound, clients' and controllers' listeners alike.
    pub bound: Vec<Endpoint>,
    /// What clients and other brokers are told; a host of `None` stands for this host's own name, a port of 0
    /// for the port that was bound.
    pub advertised: Vec<Endpoint>,
    /// `controller.listener.names` in upper case: the listeners that the quorum uses.
    pub controller_names: Vec<String>,
    /// The listener that brokers use among themselves.
    pub inter_broker_name: String,
}

impl Listeners {
    /// The listeners that clients and brokers connect to.
    pub fn broker(&self) -> impl Iterator<Item = &Endpoint> {
        self.bound.iter().filter(|endpoint| !self.controller_names.contains(&endpoint.name))
    }

    /// The listeners that the quorum uses.
    pub fn controller(&self) -> impl Iterator<Item = &Endpoint> {
        self.bound.iter().filter(|endpoint| self.controller_names.contains(&endpoint.name))
    }

    pub(crate) fn resolve(settings: Settings<'_>) -> Result<Listeners, Fault> {
        let names = settings.get(keys::CONTROLLER_LISTENER_NAMES).unwrap_or_default();
        let controller_names: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
        let protocols = protocol_map(settings, &controller_names)?;
        let bound = bound(settings, &protocols)?;
        let advertised = advertised(settings, &bound, &controller_names, &protocols)?;
        let inter_broker_name = inter_broker_name(settings)?;
        Ok(Listeners { bound, advertised, controller_names, inter_broker_name })
    }

    /// Listeners that do not fit the roles, where the roles were set.
    pub(crate) fn role_faults(&self, roles: Roles, quorum: &Quorum) -> Vec<Fault> {
        let mut faults = Vec::new();
        let names = "controller.listener.names";
        if roles.controller && *quorum != Quorum::Alone {
            let is_bound = |name: &&String| self.bound.iter().any(|endpoint| endpoint.name == **name);
            if self.controller().next().is_none() {
                faults.push(Fault::new(
                    names,
                    "the controller role needs one of the listeners to be named here",
                ));
            } else if let Some(name) = self.controller_names.iter().find(|name| !is_bound(name)) {
                faults.push(Fault::new(names, format!("{name} is not one of listeners")));
            }
        }
        if !roles.controller && self.controller().next().is_some() {
            faults.push(Fault::new(
                names,
                "a node without the controller role cannot bind a controller listener",
            ));
        }
        if !roles.broker && self.broker().next().is_some() {
            faults.push(Fault::new(
                "listeners",
                "a node without the broker role binds controller listeners alone",
            ));
        }
        if roles.broker {
            faults.extend(self.broker_faults());
        }
        faults
    }

    fn broker_faults(&self) -> Option<Fault> {
        if self.advertised.is_empty() {
            return Some(Fault::new(
                "listeners",
                "a broker needs a listener besides controller.listener.names",
            ));
        }
        if !self.advertised.iter().any(|endpoint| endpoint.name == self.inter_broker_name) {
            let names: Vec<&str> = self.advertised.iter().map(|endpoint| endpoint.name.as_str()).collect();
            let reason =
                format!("{} is not advertised; advertised are {}", self.inter_broker_name, names.join(", "));
            return Some(Fault::new("inter.broker.listener.name", reason));
        }
        None
    }
}

/// Listener name to protocol. Controller listeners are plain unless the map was written by hand.
fn protocol_map(
    settings: Settings<'_>,
    controller_names: &[String],
) -> Result<BTreeMap<String, SecurityProtocol>, Fault> {
    let key = keys::LISTENER_SECURITY_PROTOCOL_MAP;
    let mut map = BTreeMap::new();
    for pair in settings.get(key).split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, protocol) = pair
            .rsplit_once(':')
            .ok_or_else(|| Fault::new(key.name(), format!("{pair:?} is not listener:protocol")))?;
        let protocol = SecurityProtocol::parse(protocol.trim()).ok_or_else(|| {
            Fault::new(key.name(), format!("{protocol:?} is not PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"))
        })?;
        map.insert(name.trim().to_uppercase(), protocol);
    }
    if !settings.is_set(key) {
        for name in controller_names {
            map.entry(name.clone()).or_insert(SecurityProtocol::Plaintext);
        }
    }
    Ok(map)
}

fn bound(
    settings: Settings<'_>,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Endpoint>, Fault> {
    let key = keys::LISTENERS;
    if !settings.is_set(key) && (settings.is_set(keys::PORT) || settings.is_set(keys::HOST_NAME)) {
        let host = Some(settings.get(keys::HOST_NAME)).filter(|host| !host.is_empty()).map(str::to_owned);
        let port = port(keys::PORT.name(), settings.get(keys::PORT))?;
        return Ok(vec![plain(host, port)]);
    }
    let endpoints = endpoints(key.name(), settings.get(key), protocols)?;
    for (at, one) in endpoints.iter().enumerate() {
        if endpoints
            .iter()
            .skip(at + 1)
            .any(|other| one.port == other.port && one.port != 0 && !may_share(one, other))
        {
            return Err(Fault::new(key.name(), format!("port {} stands twice", one.port)));
        }
        if one.protocol != SecurityProtocol::Plaintext {
            let reason =
                format!("{} uses {}, which rkafka does not serve yet", one.name, one.protocol.name());
            return Err(Fault::new(key.name(), reason));
        }
    }
    Ok(endpoints)
}

/// Two listeners may have one port if one is IPv4 and the other IPv6 (KIP-797).
fn may_share(one: &Endpoint, other: &Endpoint) -> bool {
    let is_v4 = |endpoint: &Endpoint| {
        endpoint.host.as_deref().and_then(|host| host.parse::<IpAddr>().ok()).map(|address| address.is_ipv4())
    };
    matches!((is_v4(one), is_v4(other)), (Some(one), Some(other)) if one != other)
}

/// `advertised.listeners`, else the host and port keys of 2.2, else what is bound; without controllers' listeners.
fn advertised(
    settings: Settings<'_>,
    bound: &[Endpoint],
    controller_names: &[String],
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Endpoint>, Fault> {
    let key = keys::ADVERTISED_LISTENERS;
    let is_broker = |endpoint: &Endpoint| !controller_names.contains(&endpoint.name);
    let bound_to_all = |host: &String| host == "0.0.0.0" || host == "::";
    if let Some(listeners) = settings.get(key) {
        let mut advertised = endpoints(key.name(), listeners, protocols)?;
        advertised.retain(is_broker);
        if let Some(endpoint) =
            advertised.iter().find(|endpoint| endpoint.host.as_ref().is_some_and(bound_to_all))
        {
            let reason = format!("{endpoint} cannot be reached: name a host that clients can connect to");
            return Err(Fault::new(key.name(), reason));
        }
        if let Some(endpoint) =
            advertised.iter().find(|one| !bound.iter().any(|other| other.name == one.name))
        {
            return Err(Fault::new(key.name(), format!("{} is not one of listeners", endpoint.name)));
        }
        return Ok(advertised);
    }
    let mut advertised: Vec<Endpoint> =
        bound.iter().filter(|endpoint| is_broker(endpoint)).cloned().collect();
    let host = settings.get(keys::ADVERTISED_HOST_NAME).map(str::to_owned);
    let port = settings.get(keys::ADVERTISED_PORT).map(|number| port(keys::ADVERTISED_PORT.name(), number));
    let port = port.transpose()?;
    for endpoint in &mut advertised {
        let own = endpoint.host.take().filter(|host| !bound_to_all(host));
        endpoint.host = host.clone().or(own);
        endpoint.port = port.unwrap_or(endpoint.port);
    }
    Ok(advertised)
}

fn inter_broker_name(settings: Settings<'_>) -> Result<String, Fault> {
    let key = keys::INTER_BROKER_LISTENER_NAME;
    match settings.get(key) {
        Some(_) if settings.is_set(keys::SECURITY_INTER_BROKER_PROTOCOL) => {
            Err(Fault::new(key.name(), "cannot be set together with security.inter.broker.protocol"))
        }
        Some(name) => Ok(name.to_uppercase()),
        None => Ok(settings.get(keys::SECURITY_INTER_BROKER_PROTOCOL).to_owned()),
    }
}

/// Reads `NAME://host:port` entries.
fn endpoints(
    key: &'static str,
    entries: &[String],
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Endpoint>, Fault> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for entry in entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty()) {
        let malformed = || Fault::new(key, format!("{entry:?} is not NAME://host:port"));
        let (name, address) = entry.split_once("://").ok_or_else(malformed)?;
        let address = HostPort::parse(address, None).map_err(|reason| Fault::new(key, reason))?;
        let name = name.to_uppercase();
        let protocol = *protocols.get(&name).ok_or_else(|| {
            Fault::new(key, format!("listener {name} has no protocol in listener.security.protocol.map"))
        })?;
        if endpoints.iter().any(|other| other.name == name) {
            return Err(Fault::new(key, format!("listener {name} stands twice")));
        }
        let host = Some(address.host).filter(|host| !host.is_empty());
        endpoints.push(Endpoint { name, protocol, host, port: address.port });
    }
    Ok(endpoints)
}

fn plain(host: Option<String>, port: u16) -> Endpoint {
    Endpoint { name: "PLAINTEXT".to_owned(), protocol: SecurityProtocol::Plaintext, host, port }
}

fn port(key: &'static str, number: i32) -> Result<u16, Fault> {
    u16::try_from(number).map_err(|_| Fault::new(key, "is not a port from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrokerConfig, Properties};

    fn read(text: &str) -> Result<Listeners, String> {
        let file = Properties::parse("f", text.as_bytes()).expect("well-formed");
        match BrokerConfig::from_properties(&file, &[]) {
            Ok((broker, _)) => Ok(broker.node().listeners.clone()),
            Err(errors) => Err(errors.0.into_iter().map(|error| error.reason).collect::<Vec<_>>().join("; ")),
        }
    }

    /// The bound and the advertised listeners, or why they are refused.
    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        let show =
            |endpoints: &[Endpoint]| endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let actual = read(text).map(|listeners| (show(&listeners.bound), show(&listeners.advertised)));
        let actual =
            actual.as_ref().map(|(bound, told)| (bound.as_str(), told.as_str())).map_err(String::as_str);
        assert_eq!(actual, expected, "{text}");
    }

    #[test]
    fn the_keys_of_2_2_work_where_listeners_is_unset() {
        check("port=9000", Ok(("PLAINTEXT://:9000", "PLAINTEXT://:9000")));
        check("host.name=h", Ok(("PLAINTEXT://h:9092", "PLAINTEXT://h:9092")));
        check("host.name=h\nport=1\nlisteners=PLAINTEXT://:2", Ok(("PLAINTEXT://:2", "PLAINTEXT://:2")));
        check("advertised.host.name=h\nadvertised.port=5", Ok(("PLAINTEXT://:9092", "PLAINTEXT://h:5")));
        check("port=70000", Err("is not a port from 0 to 65535"));
    }

    #[test]
    fn what_is_bound_to_all_is_told_as_the_hosts_name() {
        check("listeners=PLAINTEXT://0.0.0.0:1", Ok(("PLAINTEXT://0.0.0.0:1", "PLAINTEXT://:1")));
        check(
            "listeners=PLAINTEXT://:1\nadvertised.listeners=PLAINTEXT://0.0.0.0:1",
            Err("PLAINTEXT://0.0.0.0:1 cannot be reached: name a host that clients can connect to"),
        );
        check(
            "listeners=PLAINTEXT://[::]:1\nadvertised.listeners=plaintext://[fe80::1]:2",
            Ok(("PLAINTEXT://[::]:1", "PLAINTEXT://[fe80::1]:2")),
        );
    }

    #[test]
    fn named_listeners_take_their_protocol_from_the_map() {
        let map = "listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT,SAFE:SSL";
        let named = "listeners=IN://:1,OUT://:2\ninter.broker.listener.name=in";
        check(&format!("{map}\n{named}"), Ok(("IN://:1,OUT://:2", "IN://:1,OUT://:2")));
        check(named, Err("listener IN has no protocol in listener.security.protocol.map"));
        check(&format!("{map}\nlisteners=SAFE://:1"), Err("SAFE uses SSL, which rkafka does not serve yet"));
        check("listener.security.protocol.map=IN", Err("\"IN\" is not listener:protocol"));
    }

    #[test]
    fn listeners_that_clash_are_refused() {
        check("listeners=PLAINTEXT://:1,PLAINTEXT://:2", Err("listener PLAINTEXT stands twice"));
        let map = "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\ninter.broker.listener.name=A\n";
        check(&format!("{map}listeners=A://:1,B://h:1"), Err("port 1 stands twice"));
        let both = "A://127.0.0.1:1,B://[::1]:1";
        check(&format!("{map}listeners={both}"), Ok((both, both)));
        check(&format!("{map}listeners=A://:0,B://:0"), Ok(("A://:0,B://:0", "A://:0,B://:0")));
        check("listeners=PLAINTEXT:9092", Err("\"PLAINTEXT:9092\" is not NAME://host:port"));
        check("listeners=PLAINTEXT://h", Err("\"h\" has no port"));
        check("listeners=PLAINTEXT://h:x", Err("\"h:x\" has no port from 0 to 65535"));
    }

    #[test]
    fn controller_listeners_are_not_told_to_clients() {
        let text = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@h:2\n\
                    listeners=PLAINTEXT://h:1,CONTROLLER://h:2\n";
        let names = "controller.listener.names=CONTROLLER\n";
        let bound = "PLAINTEXT://h:1,CONTROLLER://h:2";
        check(&format!("{text}{names}"), Ok((bound, "PLAINTEXT://h:1")));
        let told = "advertised.listeners=PLAINTEXT://x:1,CONTROLLER://x:2";
        check(&format!("{text}{names}{told}"), Ok((bound, "PLAINTEXT://x:1")));
        let other = "controller.listener.names=CONTROLLER,OTHER";
        check(&format!("{text}{other}"), Err("OTHER is not one of listeners"));
    }

    #[test]
    fn roles_and_listeners_must_agree() {
        let servers =
            "node.id=1\ncontroller.quorum.bootstrap.servers=h:2\ncontroller.listener.names=CONTROLLER\n";
        check(
            &format!("{servers}process.roles=broker\nlisteners=PLAINTEXT://:1,CONTROLLER://:2"),
            Err("a node without the controller role cannot bind a controller listener"),
        );
        check(
            &format!("{servers}process.roles=controller\nlisteners=PLAINTEXT://:1,CONTROLLER://:2"),
            Err("a node without the broker role binds controller listeners alone"),
        );
        check(
            &format!("{servers}process.roles=broker,controller\nlisteners=CONTROLLER://:2"),
            Err("a broker needs a listener besides controller.listener.names"),
        );
        check(
            &format!("{servers}process.roles=broker\nlisteners=PLAINTEXT://:1\ninter.broker.listener.name=X"),
            Err("X is not advertised; advertised are PLAINTEXT"),
        );
    }
}
