//! What the commands that produce share: settings in the stock tools' order of precedence, and the producer
//! itself.

use std::fmt::Display;
use std::future::Future;
use std::path::Path;

use rkafka_client::producer::{ProduceError, Producer, ProducerConfig};
use rkafka_client::{ClientError, ErrorCode};
use rkafka_config::Properties;

use super::connect;
use super::failure::Failure;
use super::profile;

/// Settings in order; a later one wins over an earlier one of the same name.
#[derive(Debug)]
pub(crate) struct Settings {
    pairs: Vec<(String, String)>,
}

impl Settings {
    /// Those of the profile in use.
    pub(crate) fn new() -> Settings {
        Settings { pairs: profile::settings().to_vec() }
    }

    /// Adds one.
    pub(crate) fn set(&mut self, key: &str, value: &dyn Display) {
        self.pairs.push((key.to_owned(), value.to_string()));
    }

    /// Adds one if the name has no value yet.
    pub(crate) fn set_default(&mut self, key: &str, value: &dyn Display) {
        if !self.has(key) {
            self.set(key, value);
        }
    }

    /// Adds those of a property file.
    pub(crate) fn read(&mut self, file: &Path) -> Result<(), Failure> {
        let properties = connect::read(file)?;
        self.pairs.extend(properties.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())));
        Ok(())
    }

    /// Adds those given as `key=value`.
    pub(crate) fn extend(&mut self, pairs: &[(String, String)]) {
        self.pairs.extend_from_slice(pairs);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name == key)
    }

    /// All of them; of a name that is there twice the later one counts.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.pairs
    }

    /// The producer's settings; says on standard error what there is to say about them.
    pub(crate) fn producer(self) -> Result<ProducerConfig, Failure> {
        let properties = Properties::from_pairs(self.pairs);
        let (config, remarks) = ProducerConfig::from_properties(&properties, None)
            .map_err(|problem| Failure::message(problem.to_string()))?;
        for remark in remarks {
            eprintln!("{remark}");
        }
        Ok(config)
    }
}

/// Connects and runs `work` to its end.
pub(crate) fn with_producer<T, F>(
    config: ProducerConfig,
    work: impl FnOnce(Producer) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::message(format!("cannot start: {error}")))?;
    let done = runtime.block_on(async {
        let producer = Producer::connect(config).await;
        work(producer.map_err(|error| Failure::message(error.to_string()))?).await
    });
    // A thread that reads standard input cannot be waited for.
    runtime.shutdown_background();
    done
}

/// The Java exception that stands for an error in the stock tools' output.
pub(crate) fn exception(error: &ProduceError) -> String {
    let simple = match error {
        ProduceError::Refused(refused) => return connect::java_exception(refused.code),
        ProduceError::Expired { .. } | ProduceError::NoTopic { .. } | ProduceError::NoPartition { .. } => {
            return connect::java_exception(ErrorCode::RequestTimedOut);
        }
        ProduceError::BufferFull { .. } => {
            return "org.apache.kafka.clients.producer.BufferExhaustedException".to_owned();
        }
        ProduceError::TooLarge { .. } => "RecordTooLargeException",
        ProduceError::Closed => return "java.lang.IllegalStateException".to_owned(),
        ProduceError::Client(ClientError::Unreachable(_)) => "TimeoutException",
        ProduceError::Client(ClientError::Connection(_)) => "DisconnectException",
        _ => return "org.apache.kafka.common.KafkaException".to_owned(),
    };
    format!("org.apache.kafka.common.errors.{simple}")
}
