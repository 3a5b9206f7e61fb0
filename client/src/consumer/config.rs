//! The settings of a consumer, by the names and defaults of the Java client.

use std::time::Duration;

use rkafka_config::Properties;

use super::assignor::AssignorKind;
use crate::config::{ClientConfig, millis};
use crate::error::ConfigProblem;

/// `isolation.level`: which records of transactions are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All records below the high watermark.
    #[default]
    ReadUncommitted,
    /// Records of committed transactions, and none after the first open one.
    ReadCommitted,
}

impl IsolationLevel {
    /// As requests carry it.
    pub(crate) fn wire(self) -> i8 {
        i8::from(self == IsolationLevel::ReadCommitted)
    }
}

/// `auto.offset.reset`: where to begin without a committed offset, or when the position is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoOffsetReset {
    /// At the first record.
    Earliest,
    /// At records that are yet to come.
    #[default]
    Latest,
    /// Nowhere: [`poll`](super::Consumer::poll) fails.
    None,
    /// At the first record that is no older than this (KIP-1106).
    ByDuration(Duration),
}

/// Settings of a consumer. Fields are the Java client's, with its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// Connection and retries.
    pub client: ClientConfig,
    /// `group.id`: the group whose members share the partitions and whose offsets are committed.
    pub group_id: Option<String>,
    /// `group.instance.id`: makes this a static member (KIP-345), which a restart does not cost its
    /// partitions.
    pub group_instance_id: Option<String>,
    /// `partition.assignment.strategy`: how the group may share partitions, best first.
    pub assignors: Vec<AssignorKind>,
    /// `session.timeout.ms`: a member that is silent for so long is taken for dead.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`: how often a member shows that it lives; at most a third of the session
    /// timeout.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: a member that does not poll for so long gives up its partitions.
    pub max_poll_interval: Duration,
    /// `max.poll.records`: the most records of one poll.
    pub max_poll_records: usize,
    /// `enable.auto.commit`: whether positions are committed while polling.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`: how often.
    pub auto_commit_interval: Duration,
    /// `auto.offset.reset`.
    pub auto_offset_reset: AutoOffsetReset,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `fetch.min.bytes`: how much a broker gathers before it answers.
    pub fetch_min_bytes: i32,
    /// `fetch.max.wait.ms`: how long it waits for that.
    pub fetch_max_wait: Duration,
    /// `fetch.max.bytes`: the most bytes of one answer, and of all records fetched ahead of the program.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`: the same for one partition.
    pub max_partition_fetch_bytes: i32,
    /// `check.crcs`: whether batches are checked for damage.
    pub check_crcs: bool,
    /// `client.rack`: lets brokers name a replica close by (KIP-392).
    pub client_rack: String,
    /// `exclude.internal.topics`: whether a pattern leaves out topics such as `__consumer_offsets`.
    pub exclude_internal_topics: bool,
    /// `allow.auto.create.topics`: whether asking for an unknown topic may create it.
    pub allow_auto_create_topics: bool,
}

/// Names that take effect here, beside those of [`ClientConfig`].
const SERVED: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "client.rack",
    "enable.auto.commit",
    "exclude.internal.topics",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "partition.assignment.strategy",
    "session.timeout.ms",
];

/// Names of the Java consumer without a meaning here.
const ACCEPTED: &[&str] = &[
    "group.remote.assignor",
    "interceptor.classes",
    "key.deserializer",
    "share.acknowledgement.mode",
    "value.deserializer",
];

impl ConsumerConfig {
    /// The defaults with these `host:port` addresses, separated by commas.
    ///
    /// # Errors
    /// A list that is empty or holds something other than `host:port`.
    pub fn new(bootstrap_servers: &str) -> Result<ConsumerConfig, ConfigProblem> {
        Ok(ConsumerConfig::from(ClientConfig::new(bootstrap_servers)?))
    }

    /// Reads a property file as the Java consumer does; `bootstrap_servers` of the command line wins over the
    /// file's. The second result is what there is to say about names that nobody knows.
    ///
    /// # Errors
    /// The first value that is not of its type, not supported, or in contradiction to another.
    pub fn from_properties(
        properties: &Properties,
        bootstrap_servers: Option<&str>,
    ) -> Result<(ConsumerConfig, Vec<String>), ConfigProblem> {
        let mut config = ConsumerConfig::from(ClientConfig::unaddressed());
        let own = |key: &str, value: &str| {
            let is_own = SERVED.contains(&key) || ACCEPTED.contains(&key);
            if is_own { config.set(key, value).map(|()| true) } else { Ok(false) }
        };
        let (client, remarks) = ClientConfig::read(properties, bootstrap_servers, SERVED, own)?;
        config.client = ConsumerConfig::from(client).client;
        config.check()?;
        Ok((config, remarks))
    }

    /// Sets one value by its Java name.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "group.id" => self.group_id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            "group.instance.id" => {
                self.group_instance_id = Some(value.to_owned()).filter(|id| !id.is_empty());
            }
            "group.protocol" if value.eq_ignore_ascii_case("classic") => {}
            "group.protocol" => {
                return Err("only the classic protocol is supported by this client so far".to_owned());
            }
            "partition.assignment.strategy" => self.assignors = AssignorKind::parse_list(value)?,
            "session.timeout.ms" => self.session_timeout = millis(value)?,
            "heartbeat.interval.ms" => self.heartbeat_interval = millis(value)?,
            "max.poll.interval.ms" => self.max_poll_interval = millis(value)?,
            "max.poll.records" => self.max_poll_records = number(value, 1)? as usize,
            "enable.auto.commit" => self.enable_auto_commit = boolean(value)?,
            "auto.commit.interval.ms" => self.auto_commit_interval = millis(value)?,
            "auto.offset.reset" => self.auto_offset_reset = reset(value)?,
            "isolation.level" => {
                self.isolation_level = match value.to_ascii_lowercase().as_str() {
                    "read_committed" => IsolationLevel::ReadCommitted,
                    "read_uncommitted" => IsolationLevel::ReadUncommitted,
                    _ => return Err("read_committed or read_uncommitted is expected".to_owned()),
                }
            }
            "fetch.min.bytes" => self.fetch_min_bytes = number(value, 0)?,
            "fetch.max.wait.ms" => self.fetch_max_wait = millis(value)?,
            "fetch.max.bytes" => self.fetch_max_bytes = number(value, 0)?,
            "max.partition.fetch.bytes" => self.max_partition_fetch_bytes = number(value, 0)?,
            "check.crcs" => self.check_crcs = boolean(value)?,
            "client.rack" => value.clone_into(&mut self.client_rack),
            "exclude.internal.topics" => self.exclude_internal_topics = boolean(value)?,
            "allow.auto.create.topics" => self.allow_auto_create_topics = boolean(value)?,
            _ => {}
        }
        Ok(())
    }

    /// What single values cannot show.
    ///
    /// # Errors
    /// Two values that contradict each other.
    pub(crate) fn check(&self) -> Result<(), ConfigProblem> {
        let problem = |key: &str, value: String, reason: &str| {
            let (key, reason) = (key.to_owned(), reason.to_owned());
            Err(ConfigProblem { place: String::new(), key, value, reason })
        };
        if self.heartbeat_interval >= self.session_timeout {
            let value = self.heartbeat_interval.as_millis().to_string();
            return problem("heartbeat.interval.ms", value, "it has to be less than session.timeout.ms");
        }
        if self.assignors.is_empty() {
            let reason = "at least one assignor is needed, such as range";
            return problem("partition.assignment.strategy", String::new(), reason);
        }
        if self.max_poll_records == 0 {
            return problem("max.poll.records", "0".to_owned(), "a number from 1 is expected");
        }
        if self.fetch_max_wait >= self.client.request_timeout {
            let value = self.fetch_max_wait.as_millis().to_string();
            return problem("fetch.max.wait.ms", value, "it has to be less than request.timeout.ms");
        }
        Ok(())
    }

    /// The same with this value, by the setting's Java name.
    ///
    /// # Errors
    /// A name that nobody knows, or a value that is not of its type.
    pub fn with(mut self, key: &str, value: &str) -> Result<ConsumerConfig, ConfigProblem> {
        let taken = match SERVED.contains(&key) || ACCEPTED.contains(&key) {
            true => self.set(key, value).map(|()| None),
            false => self.client.set_by_name(key, value),
        };
        let Some(reason) = taken.unwrap_or_else(Some) else { return Ok(self) };
        Err(ConfigProblem { place: String::new(), key: key.to_owned(), value: value.to_owned(), reason })
    }

    /// The same with this group.
    #[must_use]
    pub fn with_group_id(mut self, group: impl Into<String>) -> ConsumerConfig {
        self.group_id = Some(group.into()).filter(|id| !id.is_empty());
        self
    }

    /// The same as a static member (KIP-345).
    #[must_use]
    pub fn with_group_instance_id(mut self, instance: impl Into<String>) -> ConsumerConfig {
        self.group_instance_id = Some(instance.into()).filter(|id| !id.is_empty());
        self
    }

    /// The same with these assignors, best first.
    #[must_use]
    pub fn with_assignors(mut self, assignors: impl IntoIterator<Item = AssignorKind>) -> ConsumerConfig {
        self.assignors = assignors.into_iter().collect();
        self
    }

    /// The same with another beginning.
    #[must_use]
    pub fn with_auto_offset_reset(mut self, reset: AutoOffsetReset) -> ConsumerConfig {
        self.auto_offset_reset = reset;
        self
    }

    /// The same with or without commits while polling.
    #[must_use]
    pub fn with_auto_commit(mut self, enabled: bool) -> ConsumerConfig {
        self.enable_auto_commit = enabled;
        self
    }

    /// The same with this isolation level.
    #[must_use]
    pub fn with_isolation_level(mut self, level: IsolationLevel) -> ConsumerConfig {
        self.isolation_level = level;
        self
    }
}

impl From<ClientConfig> for ConsumerConfig {
    fn from(mut client: ClientConfig) -> ConsumerConfig {
        if client.client_id == "rkafka-client" {
            "rkafka-consumer".clone_into(&mut client.client_id);
        }
        ConsumerConfig {
            client,
            group_id: None,
            group_instance_id: None,
            assignors: vec![AssignorKind::Range, AssignorKind::CooperativeSticky],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            enable_auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            auto_offset_reset: AutoOffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            fetch_max_bytes: 50 << 20,
            max_partition_fetch_bytes: 1 << 20,
            check_crcs: true,
            client_rack: String::new(),
            exclude_internal_topics: true,
            allow_auto_create_topics: true,
        }
    }
}

fn reset(value: &str) -> Result<AutoOffsetReset, String> {
    let lower = value.to_ascii_lowercase();
    match lower.as_str() {
        "earliest" => Ok(AutoOffsetReset::Earliest),
        "latest" => Ok(AutoOffsetReset::Latest),
        "none" => Ok(AutoOffsetReset::None),
        _ => {
            lower.strip_prefix("by_duration:").and_then(iso_duration).map(AutoOffsetReset::ByDuration).ok_or(
                "earliest, latest, none or by_duration:<ISO-8601 duration such as PT1H> is expected"
                    .to_owned(),
            )
        }
    }
}

/// `PnDTnHnMn.nS` as Java's `Duration.parse` reads it, without signs; the text is in lower case.
fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('p')?;
    let (days, time) = text.split_once('t').map_or((text, None), |(days, time)| (days, Some(time)));
    let mut seconds = 0.0;
    let mut parts = 0;
    for (part, units) in [(days, &[('d', 86_400.0)][..]), (time.unwrap_or(""), TIME_UNITS)] {
        let mut rest = part;
        for &(letter, unit) in units {
            if let Some((amount, after)) = rest.split_once(letter) {
                seconds += amount.parse::<f64>().ok().filter(|amount| *amount >= 0.0)? * unit;
                (rest, parts) = (after, parts + 1);
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| parts > 0)
}

const TIME_UNITS: &[(char, f64)] = &[('h', 3600.0), ('m', 60.0), ('s', 1.0)];

fn number(text: &str, least: i32) -> Result<i32, String> {
    let number = text.parse::<i32>().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("a number from {least} to {} is expected", i32::MAX))
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(ConsumerConfig, Vec<String>), String> {
        let properties = Properties::parse("c.properties", text.as_bytes()).unwrap();
        ConsumerConfig::from_properties(&properties, Some("a:1")).map_err(|problem| problem.to_string())
    }

    #[test]
    fn single_values() {
        let config = ConsumerConfig::new("a:1").unwrap();
        let config = config.with("client.rack", "r1").unwrap().with("client.id", "me").unwrap();
        assert_eq!((config.client_rack.as_str(), config.client.client_id.as_str()), ("r1", "me"));
        let problem = |key, value| config.clone().with(key, value).unwrap_err().to_string();
        assert_eq!(
            problem("client.rak", "r"),
            "client.rak=r: unknown key client.rak (did you mean client.id?)"
        );
        assert_eq!(problem("check.crcs", "maybe"), "check.crcs=maybe: true or false is expected");
    }

    #[test]
    fn java_names() {
        let (config, remarks) = read(
            "group.id=g\nauto.offset.reset=EARLIEST\nenable.auto.commit=false\nisolation.level=read_committed\n\
             partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor, \
             org.apache.kafka.clients.consumer.RangeAssignor\n\
             key.deserializer=org.apache.kafka.common.serialization.StringDeserializer\nmax.poll.records=7\n\
             request.timeout.ms=5000\ngroup.idd=1\n",
        )
        .unwrap();
        assert_eq!(config.group_id.as_deref(), Some("g"));
        assert_eq!(config.auto_offset_reset, AutoOffsetReset::Earliest);
        assert!(!config.enable_auto_commit);
        assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
        assert_eq!(config.assignors, [AssignorKind::CooperativeSticky, AssignorKind::Range]);
        assert_eq!((config.max_poll_records, config.client.request_timeout.as_secs()), (7, 5));
        assert_eq!(remarks, ["c.properties:9: unknown key group.idd (did you mean group.id?)"]);
    }

    #[test]
    fn durations() {
        let check = |text: &str, seconds: Option<f64>| {
            assert_eq!(iso_duration(text), seconds.map(Duration::from_secs_f64), "{text}");
        };
        check("pt1h", Some(3600.0));
        check("p1dt2m0.5s", Some(86_520.5));
        check("p2d", Some(172_800.0));
        for wrong in ["", "p", "pt", "1h", "pt1x", "pt1", "ptxs", "pt-1s", "pt1s1h"] {
            check(wrong, None);
        }
    }

    #[test]
    fn problems() {
        let check = |text: &str, expected: &str| assert_eq!(read(text).unwrap_err(), expected);
        check(
            "auto.offset.reset=middle",
            "c.properties:1: auto.offset.reset=middle: earliest, latest, none or by_duration:<ISO-8601 duration \
             such as PT1H> is expected",
        );
        check(
            "group.protocol=consumer",
            "c.properties:1: group.protocol=consumer: only the classic protocol is supported by this client so far",
        );
        check(
            "session.timeout.ms=3000",
            "heartbeat.interval.ms=3000: it has to be less than session.timeout.ms",
        );
        check(
            "max.poll.records=0",
            "c.properties:1: max.poll.records=0: a number from 1 to 2147483647 is expected",
        );
        check(
            "partition.assignment.strategy=best",
            "c.properties:1: partition.assignment.strategy=best: no assignor 'best': range, roundrobin, sticky and \
             cooperative-sticky are there",
        );
    }
}
