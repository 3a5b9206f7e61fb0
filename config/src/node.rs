//! What a node is: its id, roles, quorum, directories and listeners, worked out of several keys with the
//! fall-backs of old and new Kafka lines.

use std::path::{Path, PathBuf};

use crate::address::{HostPort, Quorum, Roles, Voter};
use crate::broker::value_of;
use crate::error::{ConfigError, Origin};
use crate::key::BrokerKey;
use crate::keys;
use crate::layers::{self, Layers};
use crate::listeners::Listeners;
use crate::value::{Typed, Value};

/// Where ZooKeeper listens when `zookeeper.connect` names no port.
const ZOOKEEPER_PORT: u16 = 2181;

/// What a node is and where it listens. Fixed for the life of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSettings {
    /// `node.id` or `broker.id`; `None` takes the id of `meta.properties`, or makes one.
    pub id: Option<i32>,
    /// `process.roles`; without it a broker that votes.
    pub roles: Roles,
    /// Who keeps the metadata.
    pub quorum: Quorum,
    /// `log.dirs`, else `log.dir`; at least one.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`, else the first of [`NodeSettings::log_dirs`].
    pub metadata_log_dir: PathBuf,
    /// Where the node listens and what it tells others.
    pub listeners: Listeners,
}

/// A setting that cannot work, before its place is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(key: &'static str, reason: impl Into<String>) -> Fault {
        Fault { key, reason: reason.into() }
    }

    /// The error of a start, its place still to be filled in.
    pub(crate) fn into_error(self, layers: &Layers) -> ConfigError {
        let Fault { key, reason } = self;
        let value = layers.setting(key).unwrap_or_default().to_owned();
        ConfigError { origin: Origin::Default, key: key.to_owned(), value, reason, accepted: String::new() }
    }
}

/// The settings under resolution: what the files say, and the values.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    layers: &'a Layers,
    values: &'a [Value],
}

impl<'a> Settings<'a> {
    pub(crate) fn new(layers: &'a Layers, values: &'a [Value]) -> Settings<'a> {
        Settings { layers, values }
    }

    pub(crate) fn get<T: Typed>(self, key: BrokerKey<T>) -> T::Out<'a> {
        value_of(self.values, key)
    }

    pub(crate) fn is_set<T>(self, key: BrokerKey<T>) -> bool {
        self.layers.setting(key.name()).is_some()
    }

    /// A time that several keys of different units can give (`log.retention.ms`, `.minutes`, `.hours`).
    pub(crate) fn fallback_ms(self, key: BrokerKey<Option<i64>>) -> i64 {
        match layers::effective(self.layers, self.values, key.def()) {
            Value::Long(ms) => ms,
            _ => i64::MAX,
        }
    }
}

impl NodeSettings {
    pub(crate) fn resolve(layers: &Layers, values: &[Value]) -> Result<NodeSettings, Vec<Fault>> {
        let settings = Settings::new(layers, values);
        let mut faults = Vec::new();
        let id = keep(&mut faults, node_id(settings));
        let quorum = keep(&mut faults, quorum(settings));
        let listeners = keep(&mut faults, Listeners::resolve(settings));
        let roles = roles(settings);
        faults.extend(contradictions(settings));
        let (Some(id), Some(quorum), Some(listeners), true) = (id, quorum, listeners, faults.is_empty())
        else {
            return Err(faults);
        };
        let dirs = settings.get(keys::LOG_DIRS).unwrap_or_else(|| settings.get(keys::LOG_DIR));
        let log_dirs: Vec<PathBuf> = dirs.iter().map(PathBuf::from).collect();
        let metadata_log_dir = match (settings.get(keys::METADATA_LOG_DIR), log_dirs.first()) {
            (Some(dir), _) => PathBuf::from(dir),
            (None, Some(first)) => first.clone(),
            (None, None) => {
                return Err(vec![Fault::new("log.dirs", "At least one log directory must be defined")]);
            }
        };
        let node = NodeSettings { id, roles, quorum, log_dirs, metadata_log_dir, listeners };
        let faults = node.disagreements(settings);
        if faults.is_empty() { Ok(node) } else { Err(faults) }
    }

    /// `cordoned.log.dirs` names directories of `log.dirs`, or `*` alone.
    pub(crate) fn cordoned_fault(&self, settings: Settings<'_>) -> Option<Fault> {
        let key = keys::CORDONED_LOG_DIRS.name();
        let dirs = settings.get(keys::CORDONED_LOG_DIRS);
        if dirs.iter().any(|dir| dir == "*") {
            let reason = "When cordoned.log.dirs is set to *, it must not contain other values";
            return (dirs.len() > 1).then(|| Fault::new(key, reason));
        }
        let is_unknown = |dir: &&String| !self.log_dirs.iter().any(|known| known == Path::new(dir));
        let unknown: Vec<&str> = dirs.iter().filter(is_unknown).map(String::as_str).collect();
        let names = unknown.join(", ");
        let reason =
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries :";
        (!unknown.is_empty()).then(|| Fault::new(key, format!("{reason} {names}")))
    }

    /// Roles, voters and listeners that contradict one another (`KafkaConfig.validateValues`).
    fn disagreements(&self, settings: Settings<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(self.cordoned_fault(settings));
        if !settings.is_set(keys::PROCESS_ROLES) {
            return faults;
        }
        let is_voter = match (&self.quorum, self.id) {
            (Quorum::Voters(voters), Some(id)) => Some(voters.iter().any(|voter| voter.id == id)),
            _ => None,
        };
        match (self.roles, is_voter) {
            (Roles { controller: true, .. }, Some(false)) => faults.push(Fault::new(
                "controller.quorum.voters",
                "process.roles has the controller role: this node's id must be among the voters",
            )),
            (Roles { controller: false, .. }, Some(true)) => faults.push(Fault::new(
                "controller.quorum.voters",
                "process.roles has only the broker role: this node's id must not be among the voters",
            )),
            _ => {}
        }
        if !self.roles.controller && self.quorum == Quorum::Alone {
            faults.push(Fault::new(
                "process.roles",
                "a broker without the controller role needs controller.quorum.bootstrap.servers or \
                 controller.quorum.voters to say where the controllers are",
            ));
        }
        faults.extend(self.listeners.role_faults(self.roles, &self.quorum));
        faults
    }
}

/// Keeps a result's value, or notes its fault.
fn keep<T>(faults: &mut Vec<Fault>, result: Result<T, Fault>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

fn node_id(settings: Settings<'_>) -> Result<Option<i32>, Fault> {
    let node_id = settings.get(keys::NODE_ID);
    let broker_id = settings.get(keys::BROKER_ID);
    match node_id {
        Some(id) if broker_id >= 0 && broker_id != id => Err(Fault::new(
            "node.id",
            format!("node.id and broker.id are the same thing, but broker.id={broker_id}"),
        )),
        Some(id) if id >= 0 => Ok(Some(id)),
        _ => Ok(Some(broker_id).filter(|id| *id >= 0)),
    }
}

fn roles(settings: Settings<'_>) -> Roles {
    match settings.get(keys::PROCESS_ROLES) {
        Some(roles) if !roles.is_empty() => Roles {
            broker: roles.iter().any(|role| role == "broker"),
            controller: roles.iter().any(|role| role == "controller"),
        },
        _ => Roles { broker: true, controller: true },
    }
}

/// The modern keys where they are set, then ZooKeeper's.
fn quorum(settings: Settings<'_>) -> Result<Quorum, Fault> {
    let voters = settings.get(keys::CONTROLLER_QUORUM_VOTERS);
    if !voters.is_empty() {
        let voters = voters.iter().map(|text| Voter::parse(text)).collect::<Result<Vec<_>, _>>();
        let voters = voters.map_err(|reason| Fault::new("controller.quorum.voters", reason))?;
        if let Some(twice) =
            voters.iter().find(|one| voters.iter().filter(|other| other.id == one.id).count() > 1)
        {
            return Err(Fault::new("controller.quorum.voters", format!("id {} stands twice", twice.id)));
        }
        return Ok(Quorum::Voters(voters));
    }
    let servers = settings.get(keys::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS);
    if !servers.is_empty() {
        let servers = servers.iter().map(|text| HostPort::parse(text, None)).collect::<Result<Vec<_>, _>>();
        let servers = servers.map_err(|reason| Fault::new("controller.quorum.bootstrap.servers", reason))?;
        return Ok(Quorum::Bootstrap(servers));
    }
    let connect = settings.get(keys::ZOOKEEPER_CONNECT).unwrap_or_default();
    // A chroot (`host:2181/kafka`) has no meaning here.
    let hosts = connect.split_once('/').map_or(connect, |(hosts, _)| hosts);
    let hosts: Vec<&str> = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    if hosts.is_empty() {
        return Ok(Quorum::Alone);
    }
    let addresses =
        hosts.iter().map(|host| HostPort::parse(host, Some(ZOOKEEPER_PORT))).collect::<Result<_, _>>();
    addresses.map(Quorum::Addresses).map_err(|reason| Fault::new("zookeeper.connect", reason))
}

/// Values of several keys that Kafka refuses together, in its words: `KafkaConfig.validateValues`, which holds at
/// start and for every dynamic change.
pub(crate) fn contradictions(settings: Settings<'_>) -> Vec<Fault> {
    let retention_ms = settings.fallback_ms(keys::LOG_RETENTION_MS);
    let queued_bytes = settings.get(keys::QUEUED_MAX_REQUEST_BYTES);
    let fetch_wait_ms = settings.get(keys::REPLICA_FETCH_WAIT_MAX_MS);
    let heartbeat_ms = i64::from(settings.get(keys::BROKER_HEARTBEAT_INTERVAL_MS));
    let session_ms = i64::from(settings.get(keys::BROKER_SESSION_TIMEOUT_MS));
    let cleaner_threads = i64::from(settings.get(keys::LOG_CLEANER_THREADS)).max(1);
    let rules = [
        (
            settings.fallback_ms(keys::LOG_ROLL_MS) >= 1,
            "log.roll.ms",
            "log.roll.ms must be greater than or equal to 1",
        ),
        (
            settings.fallback_ms(keys::LOG_ROLL_JITTER_MS) >= 0,
            "log.roll.jitter.ms",
            "log.roll.jitter.ms must be greater than or equal to 0",
        ),
        (
            retention_ms != 0,
            "log.retention.ms",
            "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        ),
        (
            settings.get(keys::LOG_CLEANER_DEDUPE_BUFFER_SIZE) / cleaner_threads > 1024 * 1024,
            "log.cleaner.dedupe.buffer.size",
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        ),
        (
            queued_bytes <= 0 || queued_bytes >= i64::from(settings.get(keys::SOCKET_REQUEST_MAX_BYTES)),
            "queued.max.request.bytes",
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
        (
            fetch_wait_ms <= settings.get(keys::REPLICA_SOCKET_TIMEOUT_MS),
            "replica.socket.timeout.ms",
            "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent \
             unnecessary socket timeouts",
        ),
        (
            i64::from(fetch_wait_ms) <= settings.get(keys::REPLICA_LAG_TIME_MAX_MS),
            "replica.fetch.wait.max.ms",
            "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to \
             prevent frequent changes in ISR",
        ),
        (
            heartbeat_ms.saturating_mul(2) <= session_ms,
            "broker.heartbeat.interval.ms",
            "broker.heartbeat.interval.ms must be less than or equal to half of the broker.session.timeout.ms",
        ),
    ];
    rules.into_iter().filter(|(holds, ..)| !holds).map(|(_, key, text)| Fault::new(key, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrokerConfig, Properties};

    fn read(text: &str) -> Result<NodeSettings, String> {
        let file = Properties::parse("f", text.as_bytes()).expect("well-formed");
        match BrokerConfig::from_properties(&file, &[]) {
            Ok((broker, _)) => Ok(broker.node().clone()),
            Err(errors) => Err(errors.to_string()),
        }
    }

    fn node(text: &str) -> NodeSettings {
        read(text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn check_refused(text: &str, expected: &str) {
        assert_eq!(read(text).expect_err("refused"), expected);
    }

    #[test]
    fn an_empty_file_is_a_lone_broker_on_9092() {
        let node = node("");
        assert_eq!((node.id, &node.quorum), (None, &Quorum::Alone));
        assert_eq!(node.roles, Roles { broker: true, controller: true });
        assert_eq!(node.log_dirs, [PathBuf::from("/tmp/kafka-logs")]);
        assert_eq!(node.metadata_log_dir, PathBuf::from("/tmp/kafka-logs"));
        assert_eq!(node.listeners.bound[0].to_string(), "PLAINTEXT://:9092");
        assert_eq!(node.listeners.inter_broker_name, "PLAINTEXT");
    }

    #[test]
    fn both_names_of_the_id_count_and_must_agree() {
        assert_eq!(node("broker.id=3").id, Some(3));
        assert_eq!(node("node.id=4").id, Some(4));
        assert_eq!(node("broker.id=-1").id, None);
        check_refused(
            "broker.id=1\nnode.id=2",
            "f:2: node.id=2: node.id and broker.id are the same thing, but broker.id=1",
        );
    }

    #[test]
    fn directories_come_from_the_plural_then_the_singular() {
        let dirs = |text| node(text).log_dirs;
        assert_eq!(dirs("log.dir=/a"), [PathBuf::from("/a")]);
        assert_eq!(dirs("log.dir=/a\nlog.dirs=/b, /c,/b"), [PathBuf::from("/b"), PathBuf::from("/c")]);
        assert_eq!(node("log.dirs=/b\nmetadata.log.dir=/m").metadata_log_dir, PathBuf::from("/m"));
    }

    #[test]
    fn the_modern_quorum_keys_win_over_zookeepers() {
        let quorum = |text: &str| node(&format!("{text}\nzookeeper.connect=z:1")).quorum;
        let at = |host: &str, port| HostPort { host: host.to_owned(), port };
        assert_eq!(quorum(""), Quorum::Addresses(vec![at("z", 1)]));
        let servers = "controller.quorum.bootstrap.servers=a:9093,[::1]:9093";
        assert_eq!(quorum(servers), Quorum::Bootstrap(vec![at("a", 9093), at("::1", 9093)]));
        let voters = Quorum::Voters(vec![Voter { id: 7, address: at("b", 9093) }]);
        assert_eq!(quorum(&format!("{servers}\ncontroller.quorum.voters=7@b:9093")), voters);
        assert_eq!(
            node("zookeeper.connect=a,b:1/kafka").quorum,
            Quorum::Addresses(vec![at("a", 2181), at("b", 1)])
        );
        assert_eq!(node("zookeeper.connect=").quorum, Quorum::Alone);
    }

    #[test]
    fn bad_voters_are_named() {
        check_refused(
            "controller.quorum.voters=x",
            "f:1: controller.quorum.voters=x: \"x\" is not id@host:port",
        );
        check_refused(
            "controller.quorum.voters=1@a:1,1@b:1",
            "f:1: controller.quorum.voters=1@a:1,1@b:1: id 1 stands twice",
        );
    }

    #[test]
    fn roles_and_voters_must_agree() {
        let base =
            "process.roles=controller\nlisteners=CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n";
        assert!(!node(&format!("{base}node.id=1\ncontroller.quorum.voters=1@a:9093")).roles.broker);
        check_refused(
            &format!("{base}node.id=2\ncontroller.quorum.voters=1@a:9093"),
            "f:5: controller.quorum.voters=1@a:9093: process.roles has the controller role: this node's id must be \
             among the voters",
        );
        check_refused(
            "process.roles=broker\nnode.id=1",
            "f:1: process.roles=broker: a broker without the controller role needs \
             controller.quorum.bootstrap.servers or controller.quorum.voters to say where the controllers are",
        );
    }

    #[test]
    fn values_that_contradict_one_another_stop_the_start() {
        check_refused(
            "log.roll.hours=5\nlog.roll.ms=0",
            "f:2: log.roll.ms=0: log.roll.ms must be greater than or equal to 1",
        );
        check_refused(
            "queued.max.request.bytes=5",
            "f:1: queued.max.request.bytes=5: queued.max.request.bytes must be larger or equal to \
             socket.request.max.bytes",
        );
        check_refused(
            "log.dirs=/a\ncordoned.log.dirs=/b",
            "f:2: cordoned.log.dirs=/b: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. \
             Missing entries : /b",
        );
    }
}
