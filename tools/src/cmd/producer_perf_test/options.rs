//! Options of `rkafka producer-perf-test`, and the settings they make.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::payload::Payloads;
use crate::common::args::key_value;
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::produce::Settings;

const EXAMPLES: &str = "\
Examples:
  rkafka producer-perf-test --bootstrap-server localhost:9092 --topic test --num-records 1000000 --record-size 100 \\
      --throughput -1
  rkafka producer-perf-test --bootstrap-server localhost:9092 --topic test --num-records 60000 --record-size 1024 \\
      --throughput 1000 --command-property linger.ms=10 batch.size=65536";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The brokers to connect to; wins over bootstrap.servers of the properties.
    #[arg(long, value_name = "servers")]
    bootstrap_server: Option<String>,
    /// REQUIRED: The topic to produce to.
    #[arg(long, value_name = "topic", required = true)]
    pub(super) topic: String,
    /// REQUIRED: How many records to produce.
    #[arg(long, value_name = "num-records", required = true)]
    pub(super) num_records: u64,
    /// REQUIRED: Records a second at most; -1 for no limit.
    #[arg(long, value_name = "throughput", required = true)]
    pub(super) throughput: f64,
    /// Bytes of a record. One of --record-size, --payload-file and --payload-monotonic is needed.
    #[arg(long, value_name = "record-size")]
    record_size: Option<usize>,
    /// File whose lines are the records, chosen at random.
    #[arg(long, value_name = "payload-file")]
    payload_file: Option<PathBuf>,
    /// What separates the records of the file.
    #[arg(long, value_name = "payload-delimiter", default_value = "\\n")]
    payload_delimiter: String,
    /// Records are growing numbers.
    #[arg(long)]
    payload_monotonic: bool,
    /// Settings of the producer, as key=value key=value …
    #[arg(long, value_name = "prop-name=prop-value", value_parser = key_value, num_args = 1..)]
    command_property: Vec<(String, String)>,
    /// DEPRECATED: use --command-property.
    #[arg(long, value_name = "prop-name=prop-value", value_parser = key_value, num_args = 1..)]
    producer_props: Vec<(String, String)>,
    /// Property file with settings of the producer.
    #[arg(long, value_name = "config-file")]
    command_config: Option<PathBuf>,
    /// DEPRECATED: use --command-config.
    #[arg(long = "producer.config", value_name = "config-file")]
    producer_config: Option<PathBuf>,
    /// Accepted; there are no metrics to print yet.
    #[arg(long)]
    print_metrics: bool,
    /// Not served yet: transactions.
    #[arg(long, value_name = "transactional-id")]
    transactional_id: Option<String>,
    /// Not served yet: transactions.
    #[arg(long, value_name = "transaction-duration")]
    transaction_duration_ms: Option<i64>,
    /// Records at the beginning that the last line leaves out.
    #[arg(long, value_name = "warmup-records", default_value_t = 0)]
    pub(super) warmup_records: u64,
    /// Time between lines about the progress, in ms.
    #[arg(long, value_name = "interval-ms", default_value_t = 5000)]
    reporting_interval: u64,
}

impl Options {
    /// Checks what goes together, in the stock tool's words.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let kinds = [self.record_size.is_some(), self.payload_file.is_some(), self.payload_monotonic];
        let usage = |text: &str| Err(Failure::usage(text));
        match kinds.iter().filter(|given| **given).count() {
            0 => {
                return usage(
                    "one of the arguments --record-size --payload-file --payload-monotonic is required",
                );
            }
            1 => {}
            _ => {
                return usage("only one of --record-size, --payload-file and --payload-monotonic is allowed");
            }
        }
        if self.num_records == 0 {
            return usage("--num-records should be greater than zero.");
        }
        if self.record_size == Some(0) {
            return usage("--record-size should be greater than zero.");
        }
        if self.warmup_records >= self.num_records {
            return usage(
                "The value for --warmup-records must be strictly fewer than the number of records in the test, \
                 --num-records.",
            );
        }
        if self.transactional_id.is_some() || self.transaction_duration_ms.is_some() {
            return usage("transactions are not served by this client so far");
        }
        let files = self.command_config.is_some() || self.producer_config.is_some();
        let properties = !self.command_property.is_empty() || !self.producer_props.is_empty();
        if self.bootstrap_server.is_none() && !properties && !files {
            return usage(
                "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or \
                 --command-config must be specified.",
            );
        }
        Ok(())
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.reporting_interval)
    }

    pub(super) fn payloads(&self) -> Result<Payloads, Failure> {
        match (&self.payload_file, self.record_size) {
            (Some(file), _) => Payloads::of_file(file, &self.payload_delimiter),
            (None, Some(size)) => Ok(Payloads::random(size)),
            (None, None) => Ok(Payloads::monotonic()),
        }
    }

    /// The producer's settings; warns of what is old, as the stock tool does.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let old = [
            (!self.producer_props.is_empty(), "producer-props", "command-property"),
            (self.producer_config.is_some(), "producer.config", "command-config"),
        ];
        for (_, old, new) in old.into_iter().filter(|(given, ..)| *given) {
            let until = "has been deprecated and will be removed in a future version.";
            output::write(&format!("Option --{old} {until} Use --{new} instead.\n"))?;
        }
        let mut settings = Settings::new();
        for file in self.command_config.iter().chain(&self.producer_config) {
            settings.read(file)?;
        }
        settings.extend(&self.producer_props);
        settings.extend(&self.command_property);
        if let Some(servers) = &self.bootstrap_server {
            settings.set("bootstrap.servers", servers);
        }
        settings.set_default("client.id", &"perf-producer-client");
        if self.print_metrics {
            eprintln!("--print-metrics: there are no metrics to print yet");
        }
        Ok(settings)
    }
}
