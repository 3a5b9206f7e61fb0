//! The settings of a client, by the names of the Java client: a `client.properties` written for it works here.

use std::time::Duration;

use rkafka_config::{HostPort, Properties, nearest};

use crate::error::ConfigProblem;
use crate::security::SecurityOptions;

/// Settings of the connection and of retries, common to admin, producer and consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// `bootstrap.servers`: where to look for the cluster.
    pub bootstrap_servers: Vec<HostPort>,
    /// `client.id`: how brokers name this client in logs and quotas.
    pub client_id: String,
    /// `request.timeout.ms`: how long to wait for one answer.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long a call may take with all its retries.
    pub default_api_timeout: Duration,
    /// `retries`: how often a call is tried again within that time.
    pub retries: u32,
    /// `retry.backoff.ms`: the first pause between tries; it doubles.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: the longest pause.
    pub retry_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`: how long to try to connect to one address. Java waits 10 s; here it
    /// is 3 s, so that a wrong address is told while one still looks.
    pub connect_timeout: Duration,
    /// `metadata.max.age.ms`: how long cached metadata counts as fresh.
    pub metadata_max_age: Duration,
    /// The largest answer that is accepted, in bytes.
    pub response_bytes_max: usize,
    /// `security.protocol`, `sasl.*` and `ssl.*`: read, and refused unless they mean plain text.
    pub security: SecurityOptions,
}

/// Known names that take effect here.
const SERVED: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "default.api.timeout.ms",
    "metadata.max.age.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.jaas.config",
    "sasl.mechanism",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "ssl.keystore.location",
    "ssl.truststore.location",
];

/// Names of the Java clients that are accepted without effect.
const ACCEPTED: &[&str] = &[
    "auto.include.jmx.reporter",
    "bootstrap.controllers",
    "client.dns.lookup",
    "connections.max.idle.ms",
    "enable.metrics.push",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "security.providers",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
];

impl ClientConfig {
    /// The defaults with these `host:port` addresses, separated by commas.
    ///
    /// # Errors
    /// A list that is empty or holds something other than `host:port`.
    pub fn new(bootstrap_servers: &str) -> Result<ClientConfig, ConfigProblem> {
        let mut config = ClientConfig::unaddressed();
        config.bootstrap_servers = addresses(bootstrap_servers).map_err(|reason| {
            let (key, value) = ("bootstrap.servers".to_owned(), bootstrap_servers.to_owned());
            ConfigProblem { place: String::new(), key, value, reason }
        })?;
        Ok(config)
    }

    pub(crate) fn unaddressed() -> ClientConfig {
        ClientConfig {
            bootstrap_servers: Vec::new(),
            client_id: "rkafka-client".to_owned(),
            request_timeout: Duration::from_secs(30),
            default_api_timeout: Duration::from_secs(60),
            retries: u32::MAX,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(3),
            metadata_max_age: Duration::from_secs(300),
            response_bytes_max: 128 << 20,
            security: SecurityOptions::default(),
        }
    }

    /// Reads a property file; `bootstrap_servers` of the command line wins over the file's. The second result is
    /// what there is to say about names that nobody knows.
    ///
    /// # Errors
    /// The first value that is not of its type or not supported.
    pub fn from_properties(
        properties: &Properties,
        bootstrap_servers: Option<&str>,
    ) -> Result<(ClientConfig, Vec<String>), ConfigProblem> {
        ClientConfig::read(properties, bootstrap_servers, &[], |_, _| Ok(false))
    }

    /// [`ClientConfig::from_properties`] for a client with settings of its own: `own` is offered every name and value
    /// first and says whether it took it; `own_names` are what misspelt names are compared with.
    pub(crate) fn read(
        properties: &Properties,
        bootstrap_servers: Option<&str>,
        own_names: &[&str],
        mut own: impl FnMut(&str, &str) -> Result<bool, String>,
    ) -> Result<(ClientConfig, Vec<String>), ConfigProblem> {
        let mut config = ClientConfig::unaddressed();
        let mut remarks = Vec::new();
        for entry in properties.entries() {
            let place = match (properties.source(), entry.line) {
                ("", _) => String::new(),
                (file, line) => format!("{file}:{line}: "),
            };
            let (key, value) = (entry.key.as_str(), entry.value.trim());
            let taken =
                own(key, value).and_then(|taken| if taken { Ok(true) } else { config.set(key, value) });
            match taken {
                Ok(true) => {}
                Ok(false) => remarks.extend(unknown(key, own_names).map(|text| format!("{place}{text}"))),
                Err(reason) => {
                    let (key, value) = (entry.key.clone(), entry.value.clone());
                    return Err(ConfigProblem { place, key, value, reason });
                }
            }
        }
        if let Some(servers) = bootstrap_servers {
            config.bootstrap_servers = ClientConfig::new(servers)?.bootstrap_servers;
        }
        if config.bootstrap_servers.is_empty() {
            let reason = "no address given; an example: localhost:9092".to_owned();
            let key = "bootstrap.servers".to_owned();
            return Err(ConfigProblem { place: String::new(), key, value: String::new(), reason });
        }
        Ok((config, remarks))
    }

    /// Whether connections can be made so: settings of a program are not read, and may be anything.
    pub(crate) fn check(&self) -> Result<(), ConfigProblem> {
        self.security.check().map_err(|reason| {
            let (key, value) = ("security.protocol".to_owned(), self.security.protocol.to_string());
            ConfigProblem { place: String::new(), key, value, reason }
        })
    }

    /// Sets one value by its Java name; the result is what there is to say about a name that nobody knows.
    pub(crate) fn set_by_name(&mut self, key: &str, value: &str) -> Result<Option<String>, String> {
        Ok(if self.set(key, value)? { None } else { unknown(key, &[]) })
    }

    /// Sets one value; false for names without effect.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "bootstrap.servers" => self.bootstrap_servers = addresses(value)?,
            "client.id" => value.clone_into(&mut self.client_id),
            "request.timeout.ms" => self.request_timeout = millis(value)?,
            "default.api.timeout.ms" => self.default_api_timeout = millis(value)?,
            "retries" => {
                self.retries = value.parse().map_err(|_| "a number from 0 to 4294967295 is expected")?;
            }
            "retry.backoff.ms" => self.retry_backoff = millis(value)?,
            "retry.backoff.max.ms" => self.retry_backoff_max = millis(value)?,
            "socket.connection.setup.timeout.ms" => self.connect_timeout = millis(value)?,
            "metadata.max.age.ms" => self.metadata_max_age = millis(value)?,
            _ => {
                let is_known = self.security.set(key, value)?;
                self.security.check()?;
                return Ok(is_known);
            }
        }
        Ok(true)
    }
}

fn addresses(list: &str) -> Result<Vec<HostPort>, String> {
    let texts = list.split(',').map(str::trim).filter(|text| !text.is_empty());
    // A listener's name before the address (PLAINTEXT://host:port) is what people paste from logs.
    let bare = texts.map(|text| text.split_once("://").map_or(text, |(_, address)| address));
    let parsed: Vec<HostPort> = bare.map(|text| HostPort::parse(text, None)).collect::<Result<_, _>>()?;
    match parsed.iter().find(|address| address.host.is_empty() || address.port == 0) {
        Some(address) => Err(format!("'{address}' is no host:port to connect to")),
        None if parsed.is_empty() => Err("no address given; an example: localhost:9092".to_owned()),
        None => Ok(parsed),
    }
}

pub(crate) fn millis(text: &str) -> Result<Duration, String> {
    let number =
        text.parse::<u32>().map_err(|_| "milliseconds from 0 to 4294967295 are expected".to_owned())?;
    Ok(Duration::from_millis(number.into()))
}

/// What to say of a name without effect; nothing for those of the Java clients.
fn unknown(key: &str, own_names: &[&str]) -> Option<String> {
    if ACCEPTED.contains(&key) {
        return None;
    }
    match nearest(key, SERVED.iter().chain(own_names).copied()) {
        Some(meant) => Some(format!("unknown key {key} (did you mean {meant}?)")),
        None => Some(format!("unknown key {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, servers: Option<&str>) -> Result<(ClientConfig, Vec<String>), String> {
        let properties = Properties::parse("c.properties", text.as_bytes()).unwrap();
        ClientConfig::from_properties(&properties, servers).map_err(|problem| problem.to_string())
    }

    #[test]
    fn java_names() {
        let text = "bootstrap.servers=a:1, [::1]:2\nclient.id=me\nrequest.timeout.ms=5000\n\
                    sasl.mechanism=PLAIN\nconnections.max.idle.ms=1\nsecurity.protocol=PLAINTEXT\n";
        let (config, remarks) = read(text, None).unwrap();
        let texts: Vec<String> = config.bootstrap_servers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a:1", "[::1]:2"]);
        assert_eq!(config.client_id, "me");
        assert_eq!(config.request_timeout, Duration::from_secs(5));
        assert_eq!(remarks, [] as [&str; 0]);
        let (config, _) = read(text, Some("PLAINTEXT://c:3")).unwrap();
        assert_eq!(config.bootstrap_servers, [HostPort { host: "c".into(), port: 3 }]);
    }

    #[test]
    fn remarks_and_problems() {
        let (_, remarks) = read("bootstrap.server=a:1\nwhat=ever\n", Some("a:1")).unwrap();
        assert_eq!(
            remarks,
            [
                "c.properties:1: unknown key bootstrap.server (did you mean bootstrap.servers?)",
                "c.properties:2: unknown key what"
            ]
        );
        let problem = |text: &str| read(text, None).unwrap_err();
        assert_eq!(
            problem("\nretry.backoff.ms=fast"),
            "c.properties:2: retry.backoff.ms=fast: milliseconds from 0 to 4294967295 are expected"
        );
        assert_eq!(
            problem("security.protocol=SSL"),
            "c.properties:1: security.protocol=SSL: only PLAINTEXT is supported by this client so far"
        );
        assert_eq!(problem(""), "bootstrap.servers=: no address given; an example: localhost:9092");
        let new = |list| ClientConfig::new(list).unwrap_err().to_string();
        assert_eq!(new("a"), "bootstrap.servers=a: \"a\" has no port");
        assert_eq!(new(":9092"), "bootstrap.servers=:9092: ':9092' is no host:port to connect to");
        assert_eq!(new("a:x"), "bootstrap.servers=a:x: \"a:x\" has no port from 0 to 65535");
    }
}
