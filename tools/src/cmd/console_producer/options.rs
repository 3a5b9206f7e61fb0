//! Options of `rkafka console-producer`, and the settings they make.

use std::path::PathBuf;

use clap::Args;

use super::reader::ReaderOptions;
use crate::common::args::key_value;
use crate::common::connect;
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::produce::Settings;

const EXAMPLES: &str = "\
Examples:
  rkafka console-producer --bootstrap-server localhost:9092 --topic orders
  rkafka console-producer --bootstrap-server localhost:9092 --topic orders --reader-property parse.key=true \\
      --reader-property key.separator=: < orders.txt

Properties of the reader: parse.key=false parse.headers=false ignore.error=false key.separator=\\t
  headers.delimiter=\\t headers.separator=, headers.key.separator=: null.marker=";

/// Readers of lines that this stands for.
const LINE_READERS: &[&str] =
    &["org.apache.kafka.tools.LineMessageReader", "kafka.tools.ConsoleProducer$LineMessageReader"];

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// REQUIRED: The topic to produce to.
    #[arg(long, value_name = "topic")]
    pub(super) topic: Option<String>,
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// DEPRECATED: the older name of --bootstrap-server.
    #[arg(long, value_name = "broker-list", hide = true)]
    broker_list: Option<String>,
    /// Send one record after the other, each once the one before is stored.
    #[arg(long)]
    pub(super) sync: bool,
    /// Compress with none, gzip, snappy, lz4 or zstd; gzip if no codec is named.
    #[arg(long, value_name = "compression-codec", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,
    /// Bytes of a batch of one partition (batch.size). [default: 16384]
    #[arg(long, value_name = "size")]
    batch_size: Option<i64>,
    /// DEPRECATED: use --batch-size.
    #[arg(long, value_name = "memory in bytes per partition", hide = true)]
    max_partition_memory_bytes: Option<i64>,
    /// How often a record is sent again (retries). [default: 3]
    #[arg(long, value_name = "retries")]
    message_send_max_retries: Option<i64>,
    /// Pause before that, in ms (retry.backoff.ms). [default: 100]
    #[arg(long, value_name = "ms")]
    retry_backoff_ms: Option<i64>,
    /// How long a batch waits for more records, in ms (linger.ms). [default: 1000]
    #[arg(long, value_name = "timeout_ms")]
    timeout: Option<i64>,
    /// Copies that count as stored: 0, 1 or all (acks). [default: -1]
    #[arg(long, value_name = "request required acks")]
    request_required_acks: Option<String>,
    /// How long to wait for an answer, in ms (request.timeout.ms). [default: 1500]
    #[arg(long, value_name = "request timeout ms")]
    request_timeout_ms: Option<i64>,
    /// Age at which metadata is asked for again, in ms (metadata.max.age.ms). [default: 300000]
    #[arg(long, value_name = "metadata expiration interval")]
    metadata_expiry_ms: Option<i64>,
    /// How long to wait for the topic and for room, in ms (max.block.ms). [default: 60000]
    #[arg(long, value_name = "max block on send")]
    max_block_ms: Option<i64>,
    /// Bytes that may wait to be stored (buffer.memory). [default: 33554432]
    #[arg(long, value_name = "total memory in bytes")]
    max_memory_bytes: Option<i64>,
    /// Bytes of the socket's buffer (send.buffer.bytes). [default: 102400]
    #[arg(long, value_name = "size")]
    socket_buffer_size: Option<i64>,
    /// Property of the reader of lines, as key=value; may be repeated.
    #[arg(long, value_name = "prop", value_parser = key_value)]
    reader_property: Vec<(String, String)>,
    /// DEPRECATED: use --reader-property.
    #[arg(long, value_name = "prop", value_parser = lenient_key_value)]
    property: Vec<(String, String)>,
    /// Property file of the reader of lines; --reader-property wins over it.
    #[arg(long, value_name = "config file")]
    reader_config: Option<PathBuf>,
    /// The reader of lines; only the stock one is known.
    #[arg(long, value_name = "reader_class")]
    line_reader: Option<String>,
    /// Setting of the producer, as key=value; may be repeated.
    #[arg(long, value_name = "producer_prop", value_parser = key_value)]
    command_property: Vec<(String, String)>,
    /// DEPRECATED: use --command-property.
    #[arg(long, value_name = "producer_prop", value_parser = key_value)]
    producer_property: Vec<(String, String)>,
    /// Property file with settings of the producer; --command-property wins over it.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
    /// DEPRECATED: use --command-config.
    #[arg(long = "producer.config", value_name = "config file")]
    producer_config: Option<PathBuf>,
}

/// `key` alone is a key with an empty value, as the stock tool reads it.
fn lenient_key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Options {
    /// Checks what goes together and warns of what is old, as the stock tool does.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.topic.is_none() {
            return Err(Failure::usage("Missing required argument \"[topic]\""));
        }
        if self.bootstrap_server.is_none() && self.broker_list.is_none() {
            return Err(Failure::usage("Missing required argument \"[bootstrap-server]\""));
        }
        let class = self.line_reader.as_deref();
        if let Some(class) = class.filter(|class| !LINE_READERS.contains(class)) {
            let known = LINE_READERS[0];
            return Err(Failure::usage(format!(
                "--line-reader {class}: Java classes cannot be loaded here; only {known} is known"
            )));
        }
        let old_and_new = [
            ("reader-property", "property", self.reader_property.is_empty(), self.property.is_empty()),
            (
                "command-property",
                "producer-property",
                self.command_property.is_empty(),
                self.producer_property.is_empty(),
            ),
            (
                "command-config",
                "producer.config",
                self.command_config.is_none(),
                self.producer_config.is_none(),
            ),
        ];
        for (new, old, no_new, no_old) in old_and_new {
            if !no_new && !no_old {
                let text = format!("Options --{new} and --{old} cannot be specified together.");
                return Err(Failure::usage(text));
            }
            // Command lines of old tools are at home with the old names.
            if !no_old && self.broker_list.is_none() {
                let until = "is deprecated and will be removed in a future version.";
                output::write(&format!("Warning: --{old} {until} Use --{new} instead.\n"))?;
            }
        }
        if self.max_partition_memory_bytes.is_some() && self.broker_list.is_none() {
            let until = "is deprecated and will be removed in Apache Kafka 5.0.";
            let text = format!("Warning: --max-partition-memory-bytes {until} Use --batch-size instead.\n");
            output::write(&text)?;
        }
        Ok(())
    }

    /// The producer's settings: an option that was given wins over properties, they win over the options'
    /// defaults.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::new();
        for file in self.command_config.iter().chain(&self.producer_config) {
            settings.read(file)?;
        }
        settings.extend(&self.command_property);
        settings.extend(&self.producer_property);
        if let Some(servers) = self.bootstrap_server.as_ref().or(self.broker_list.as_ref()) {
            settings.set("bootstrap.servers", servers);
        }
        settings.set_default("client.id", &"console-producer");
        let texts = [
            ("compression.type", &self.compression_codec, "none"),
            ("acks", &self.request_required_acks, "-1"),
        ];
        for (key, given, default) in texts {
            match given {
                Some(value) => settings.set(key, value),
                None => settings.set_default(key, &default),
            }
        }
        let numbers = [
            ("linger.ms", self.timeout, 1000),
            ("retries", self.message_send_max_retries, 3),
            ("retry.backoff.ms", self.retry_backoff_ms, 100),
            ("request.timeout.ms", self.request_timeout_ms, 1500),
            ("metadata.max.age.ms", self.metadata_expiry_ms, 300_000),
            ("max.block.ms", self.max_block_ms, 60_000),
            ("buffer.memory", self.max_memory_bytes, 32 << 20),
            ("send.buffer.bytes", self.socket_buffer_size, 102_400),
            ("batch.size", self.max_partition_memory_bytes.or(self.batch_size), 16_384),
        ];
        for (key, given, default) in numbers {
            match given {
                Some(value) => settings.set(key, &value),
                None => settings.set_default(key, &default),
            }
        }
        Ok(settings)
    }

    /// How lines are read.
    pub(super) fn reader(&self) -> Result<ReaderOptions, Failure> {
        let mut pairs = Vec::new();
        if let Some(file) = &self.reader_config {
            let properties = connect::read(file)?;
            pairs.extend(properties.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())));
        }
        pairs.extend_from_slice(&self.property);
        pairs.extend_from_slice(&self.reader_property);
        ReaderOptions::new(&pairs).map_err(Failure::message)
    }
}
