//! How a command reaches the cluster: `--bootstrap-server`, the older `--broker-list` and `--zookeeper`, and
//! `--command-config`.

use std::future::Future;
use std::path::{Path, PathBuf};

use clap::Args;
use rkafka_client::{Admin, ApiError, ClientConfig, ClientError, ErrorCode};
use rkafka_config::Properties;

use super::failure::{ExecutionError, Failure};
use super::profile;

/// Where rkafka and Kafka listen unless told otherwise.
const DEFAULT_PORT: u16 = 9092;

/// The setting that names them.
const SERVERS: &str = "bootstrap.servers";

/// Options of commands that talk to brokers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConnectOptions {
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "server to connect to")]
    pub(crate) bootstrap_server: Option<String>,
    /// DEPRECATED: the older name of --bootstrap-server.
    #[arg(long, value_name = "broker-list", hide = true)]
    pub(crate) broker_list: Option<String>,
    /// DEPRECATED: the address of the metadata quorum, where old command lines name ZooKeeper.
    #[arg(long, value_name = "hosts")]
    pub(crate) zookeeper: Option<String>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "command config property file")]
    pub(crate) command_config: Option<PathBuf>,
}

impl ConnectOptions {
    /// Whether the cluster's address was given in either of its forms.
    pub(crate) fn is_addressed(&self) -> bool {
        self.bootstrap_server.is_some() || self.broker_list.is_some() || self.zookeeper.is_some()
    }

    /// The client's settings; says on standard error what there is to say about them.
    pub(crate) fn config(&self, client_id: &str) -> Result<ClientConfig, Failure> {
        let servers = match (&self.bootstrap_server, &self.broker_list, &self.zookeeper) {
            (Some(servers), ..) | (None, Some(servers), _) => Some(servers.clone()),
            (None, None, Some(hosts)) => Some(quorum_addresses(hosts)),
            (None, None, None) => None,
        };
        client_config(servers.as_deref(), self.command_config.as_deref(), client_id)
    }
}

/// Options of commands that reach the cluster by `--bootstrap-server` alone.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BootstrapOptions {
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "server to connect to")]
    pub(crate) bootstrap_server: Option<String>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "command config property file")]
    pub(crate) command_config: Option<PathBuf>,
}

impl BootstrapOptions {
    /// Refuses a command line without the cluster's address.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.bootstrap_server {
            Some(_) => Ok(()),
            None => Err(Failure::usage("Missing required argument \"[bootstrap-server]\"")),
        }
    }

    /// The client's settings; says on standard error what there is to say about them.
    pub(crate) fn config(&self, client_id: &str) -> Result<ClientConfig, Failure> {
        client_config(self.bootstrap_server.as_deref(), self.command_config.as_deref(), client_id)
    }
}

/// Options of rkafka's own commands for operators: without an address they turn to the node of this host.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OperatorOptions {
    /// The brokers to connect to, as in host1:9092,host2:9092; localhost:9092 without.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
}

impl OperatorOptions {
    /// The client's settings; says on standard error what there is to say about them.
    pub(crate) fn config(&self, client_id: &str) -> Result<ClientConfig, Failure> {
        let file = self.command_config.as_deref();
        let local = format!("localhost:{DEFAULT_PORT}");
        let servers = match &self.bootstrap_server {
            Some(servers) => Some(servers.as_str()),
            None if profile::settings().iter().any(|(key, _)| key == SERVERS) => None,
            None if file.map(read).transpose()?.is_some_and(|given| given.get(SERVERS).is_some()) => None,
            None => Some(local.as_str()),
        };
        client_config(servers, file, client_id)
    }
}

/// The client's settings of a file, if there is one, and of the command line.
pub(crate) fn client_config(
    servers: Option<&str>,
    file: Option<&Path>,
    client_id: &str,
) -> Result<ClientConfig, Failure> {
    let properties = match file {
        Some(file) => read(file)?,
        None => Properties::default(),
    };
    let properties = match profile::settings() {
        [] => properties,
        profile => {
            let given = properties.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone()));
            Properties::from_pairs(profile.iter().cloned().chain(given))
        }
    };
    let (mut config, remarks) = ClientConfig::from_properties(&properties, servers)
        .map_err(|problem| Failure::message(problem.to_string()))?;
    for remark in remarks {
        eprintln!("{remark}");
    }
    if properties.get("client.id").is_none() {
        client_id.clone_into(&mut config.client_id);
    }
    Ok(config)
}

/// `--zookeeper host:2181/chroot` → addresses to try: the quorum's own, where the node answers clients too, then the
/// same hosts on the usual port of brokers.
pub(crate) fn quorum_addresses(hosts: &str) -> String {
    let hosts = hosts.split_once('/').map_or(hosts, |(hosts, _chroot)| hosts);
    let hosts: Vec<&str> = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    let with_port =
        |host: &&str| if host.contains(':') { (*host).to_owned() } else { format!("{host}:2181") };
    let on_brokers_port = |host: &&str| {
        let name = host.rsplit_once(':').map_or(*host, |(name, _port)| name);
        format!("{name}:{DEFAULT_PORT}")
    };
    let addresses: Vec<String> =
        hosts.iter().map(with_port).chain(hosts.iter().map(on_brokers_port)).collect();
    addresses.join(",")
}

/// Reads a property file.
pub(crate) fn read(file: &Path) -> Result<Properties, Failure> {
    let name = file.display().to_string();
    let bytes =
        std::fs::read(file).map_err(|error| Failure::message(format!("cannot read {name}: {error}")))?;
    Properties::parse(&name, &bytes).map_err(|error| Failure::message(error.to_string()))
}

/// Whose errors are reported: the stock tool that a command stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// What the error line calls it, as in `topic command`.
    pub(crate) what: &'static str,
    /// The stock tool's Java class.
    pub(crate) class: &'static str,
}

impl Tool {
    /// A failure in the stock tool's form, of an error that the tool itself found.
    pub(crate) fn error(self, class: &str, message: impl Into<String>) -> Failure {
        let (class, message) = (class.to_owned(), message.into());
        let (what, logger, hint) = (self.what, self.class, String::new());
        Failure::Execution(ExecutionError { what, logger, class, message, hint })
    }

    /// A failure in the stock tool's form, of an error that the client met.
    pub(crate) fn client_error(self, error: &ClientError) -> Failure {
        self.error(&exception_of(error), error.to_string())
    }

    /// A failure in the stock tool's form, of a broker's refusal.
    pub(crate) fn api_error(self, error: &ApiError) -> Failure {
        self.error(&java_exception(error.code), &error.message)
    }
}

/// The Java exception that stands for an error in the stock tools' texts.
fn exception_of(error: &ClientError) -> String {
    let class = match error {
        ClientError::Api(error) => return java_exception(error.code),
        ClientError::Deadline { .. } | ClientError::Unreachable(_) => "TimeoutException",
        ClientError::Unsupported { .. } | ClientError::TooOld { .. } => "UnsupportedVersionException",
        ClientError::Connection(_) => "DisconnectException",
        _ => "KafkaException",
    };
    format!("org.apache.kafka.common.errors.{class}")
}

/// An error as stock tools print a Java exception: its class and its text.
pub(crate) fn described(error: &ClientError) -> String {
    format!("{}: {error}", exception_of(error))
}

/// The Java exception that stands for a code in the stock tools' logs.
pub(crate) fn java_exception(code: ErrorCode) -> String {
    let simple = match code {
        ErrorCode::TopicAlreadyExists => "TopicExistsException".to_owned(),
        ErrorCode::InvalidConfig => "InvalidConfigurationException".to_owned(),
        ErrorCode::RequestTimedOut => "TimeoutException".to_owned(),
        ErrorCode::UnknownServerError => "UnknownServerException".to_owned(),
        ErrorCode::InvalidTopicException => "InvalidTopicException".to_owned(),
        ErrorCode::CorruptMessage => "CorruptRecordException".to_owned(),
        ErrorCode::NonEmptyGroup => "GroupNotEmptyException".to_owned(),
        ErrorCode::MessageTooLarge => "RecordTooLargeException".to_owned(),
        ErrorCode::RecordListTooLarge => "RecordBatchTooLargeException".to_owned(),
        other => {
            // `GroupAuthorizationException` of GROUP_AUTHORIZATION_FAILED.
            let name = other.name().strip_suffix("_FAILED").unwrap_or(other.name());
            let words = name.split('_').map(|word| {
                let (first, rest) = word.split_at(word.len().min(1));
                format!("{first}{}", rest.to_lowercase())
            });
            format!("{}Exception", words.collect::<String>())
        }
    };
    format!("org.apache.kafka.common.errors.{simple}")
}

/// Why work at the cluster stopped; each command has its own words for what the client met.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The client or a broker.
    Client(ClientError),
    /// The command itself.
    Command(Failure),
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Problem {
        Problem::Client(error)
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        Problem::Client(error.into())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::Command(failure)
    }
}

impl Problem {
    /// The failure, with `words` for what the client met.
    pub(crate) fn told(self, words: impl FnOnce(&ClientError) -> Failure) -> Failure {
        match self {
            Problem::Client(error) => words(&error),
            Problem::Command(failure) => failure,
        }
    }
}

/// Connects and runs `work` to its end, on one thread: commands start fast.
pub(crate) fn with_cluster<T, F>(config: ClientConfig, work: impl FnOnce(Admin) -> F) -> Result<T, Problem>
where
    F: Future<Output = Result<T, Problem>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::message(format!("cannot start: {error}")))?;
    runtime.block_on(async { work(Admin::connect(config).await?).await })
}

/// As [`with_cluster`], for the tools that tell every error in the same form.
pub(crate) fn with_admin<T, F>(
    tool: Tool,
    config: ClientConfig,
    work: impl FnOnce(Admin) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    with_cluster(config, async |admin| Ok(work(admin).await?))
        .map_err(|problem| problem.told(|error| tool.client_error(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zookeepers_addresses() {
        assert_eq!(quorum_addresses("hadoop01:2181"), "hadoop01:2181,hadoop01:9092");
        assert_eq!(quorum_addresses("a:2181,b/kafka"), "a:2181,b:2181,a:9092,b:9092");
    }

    #[test]
    fn operators_turn_to_this_host_unless_told_otherwise() {
        let servers =
            |options: &OperatorOptions| options.config("me").unwrap().bootstrap_servers[0].to_string();
        let mut options = OperatorOptions::default();
        assert_eq!(servers(&options), "localhost:9092");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "client.id=x\n").unwrap();
        options.command_config = Some(file.path().to_owned());
        assert_eq!(servers(&options), "localhost:9092");
        std::fs::write(file.path(), "bootstrap.servers=a:1\n").unwrap();
        assert_eq!(servers(&options), "a:1");
        options.bootstrap_server = Some("b:2".into());
        assert_eq!(servers(&options), "b:2");
    }

    #[test]
    fn names_of_exceptions() {
        let check = |code, expected: &str| {
            assert_eq!(java_exception(code), format!("org.apache.kafka.common.errors.{expected}"));
        };
        check(ErrorCode::TopicAlreadyExists, "TopicExistsException");
        check(ErrorCode::InvalidReplicationFactor, "InvalidReplicationFactorException");
        check(ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException");
        check(ErrorCode::ClusterAuthorizationFailed, "ClusterAuthorizationException");
        check(ErrorCode::InvalidConfig, "InvalidConfigurationException");
    }

    #[test]
    fn which_address_counts() {
        let servers = |options: &ConnectOptions| {
            let config = options.config("me").unwrap();
            assert_eq!(config.client_id, "me");
            config.bootstrap_servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        let mut options = ConnectOptions { zookeeper: Some("z".into()), ..ConnectOptions::default() };
        assert_eq!(servers(&options), "z:2181,z:9092");
        options.broker_list = Some("b:1".into());
        assert_eq!(servers(&options), "b:1");
        options.bootstrap_server = Some("s:1,t:2".into());
        assert_eq!(servers(&options), "s:1,t:2");
        options.command_config = Some("/nowhere/x".into());
        let failure = options.config("me").unwrap_err();
        assert_eq!(
            failure,
            Failure::message("cannot read /nowhere/x: No such file or directory (os error 2)")
        );
    }
}
