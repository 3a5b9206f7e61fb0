//! What commands that consume share: settings from options and files, and a runtime that notices Ctrl-C.

use std::future::Future;
use std::path::{Path, PathBuf};

use rkafka_client::{ConsumerConfig, ConsumerError};
use rkafka_config::Properties;

use super::args::key_value;
use super::connect::Tool;
use super::failure::Failure;
use super::profile;

/// Settings of the consumer by file and on the command line, under their old and new names.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ConsumerOptions {
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "server to connect to")]
    pub(crate) bootstrap_server: Option<String>,
    /// Consumer config properties file. Note that --command-property takes precedence over this config.
    #[arg(long, value_name = "config file")]
    pub(crate) command_config: Option<PathBuf>,
    /// (DEPRECATED) The older name of --command-config.
    #[arg(long = "consumer.config", value_name = "config file")]
    pub(crate) consumer_config: Option<PathBuf>,
    /// Consumer config properties in the form key=value.
    #[arg(long, value_name = "consumer_prop")]
    pub(crate) command_property: Vec<String>,
    /// (DEPRECATED) The older name of --command-property.
    #[arg(long, value_name = "consumer_prop")]
    pub(crate) consumer_property: Vec<String>,
}

impl ConsumerOptions {
    /// The settings that were given, the profile's first and the command line's last, so that they win.
    pub(crate) fn properties(&self) -> Result<Vec<(String, String)>, Failure> {
        if !self.consumer_property.is_empty() && !self.command_property.is_empty() {
            return Err(Failure::usage(
                "Options --consumer-property and --command-property cannot be specified together.",
            ));
        }
        if self.consumer_config.is_some() && self.command_config.is_some() {
            return Err(Failure::usage(
                "Options --consumer.config and --command-config cannot be specified together.",
            ));
        }
        let mut properties = profile::settings().to_vec();
        if let Some(file) = self.command_config.as_deref().or(self.consumer_config.as_deref()) {
            properties.extend(read(file)?.entries().iter().map(|one| (one.key.clone(), one.value.clone())));
        }
        for text in self.command_property.iter().chain(&self.consumer_property) {
            properties.push(key_value(text).map_err(Failure::usage)?);
        }
        Ok(properties)
    }

    /// The consumer's settings; says on standard error what there is to say about them.
    pub(crate) fn config(&self, properties: Vec<(String, String)>) -> Result<ConsumerConfig, Failure> {
        let properties = Properties::from_pairs(properties);
        let servers = self.bootstrap_server.as_deref();
        let (config, remarks) = ConsumerConfig::from_properties(&properties, servers)
            .map_err(|problem| Failure::message(problem.to_string()))?;
        remarks.iter().for_each(|remark| eprintln!("{remark}"));
        Ok(config)
    }
}

/// Reads a property file.
pub(crate) fn read(file: &Path) -> Result<Properties, Failure> {
    let name = file.display().to_string();
    let bytes =
        std::fs::read(file).map_err(|error| Failure::message(format!("cannot read {name}: {error}")))?;
    Properties::parse(&name, &bytes).map_err(|error| Failure::message(error.to_string()))
}

/// The value of a setting among others; the last one counts.
pub(crate) fn value<'a>(properties: &'a [(String, String)], key: &str) -> Option<&'a str> {
    properties.iter().rev().find(|(one, _)| one == key).map(|(_, value)| value.as_str())
}

/// A consumer's failure in the stock tool's form.
pub(crate) fn failure(tool: Tool, error: &ConsumerError) -> Failure {
    match error {
        ConsumerError::Client(error) => tool.client_error(error),
        ConsumerError::Group { error, .. } => tool.api_error(error),
        other => tool.error("org.apache.kafka.common.KafkaException", other.to_string()),
    }
}

/// Runs `work` to its end on one thread: commands start fast.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::message(format!("cannot start: {error}")))?.block_on(work)
}

/// Ends when the user (Ctrl-C) or the system (SIGTERM) wants the command to; with the exit code that shells
/// expect.
pub(crate) async fn interrupted() -> u8 {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => 130,
        _ = terminate.recv() => 143,
    }
}
