//! `rkafka verifiable-producer`: sends numbers and reports on each as one line of JSON, as
//! `kafka-verifiable-producer.sh` does for system tests.
//!
//! Differences from the stock tool, all intended: usage mistakes show a hint rather than the whole usage;
//! brokers that cannot be reached are named at once.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use rkafka_client::producer::{Delivery, ProduceError, Producer, Record};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Invocation;
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::produce::{self, Settings};

const EXAMPLES: &str = "\
Example:
  rkafka verifiable-producer --bootstrap-server localhost:9092 --topic test --max-messages 1000 --throughput 100";

/// Records whose acknowledgement is waited for at a time.
const UNACKNOWLEDGED_MAX: usize = 1 << 16;

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The topic to produce to.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "servers")]
    bootstrap_server: Option<String>,
    /// DEPRECATED: the older name of --bootstrap-server.
    #[arg(long, value_name = "broker-list", hide = true)]
    broker_list: Option<String>,
    /// How many messages; -1 to go on until the process is told to end.
    #[arg(long, value_name = "max-messages", default_value_t = -1)]
    max_messages: i64,
    /// Messages a second at most; -1 for no limit.
    #[arg(long, value_name = "throughput", default_value_t = -1)]
    throughput: i64,
    /// Copies that count as stored: 0, 1 or -1 (all).
    #[arg(long, value_name = "acks", default_value_t = -1)]
    acks: i32,
    /// Property file with settings of the producer; options win over it.
    #[arg(long, value_name = "config-file")]
    command_config: Option<PathBuf>,
    /// DEPRECATED: use --command-config.
    #[arg(long = "producer.config", value_name = "config-file")]
    producer_config: Option<PathBuf>,
    /// Timestamp of the first message, in ms since the epoch; time goes on from there.
    #[arg(long, value_name = "create-time", default_value_t = -1)]
    message_create_time: i64,
    /// Number that stands before each value, with a dot.
    #[arg(long, value_name = "value-prefix")]
    value_prefix: Option<i32>,
    /// Keys from 0 up to this number, then again from 0.
    #[arg(long, value_name = "repeating-keys")]
    repeating_keys: Option<u64>,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("verifiable-producer"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let missing = |text: &str| Failure::usage(text).or_hint(|| invocation.hint());
    let Some(topic) = options.topic.clone() else { return Err(missing("argument --topic is required")) };
    let servers = options.bootstrap_server.as_ref().or(options.broker_list.as_ref());
    let Some(servers) = servers else {
        return Err(missing("one of the arguments --bootstrap-server is required"));
    };
    let mut settings = Settings::new();
    for file in options.command_config.iter().chain(&options.producer_config) {
        settings.read(file)?;
    }
    settings.set("bootstrap.servers", servers);
    settings.set("acks", &options.acks);
    // What fails is to be seen, not tried again.
    settings.set("retries", &0);
    let config = settings.producer()?;
    let patience = config.delivery_timeout() + config.max_block;
    produce::with_producer(config, async |producer| {
        let start = Instant::now();
        event("startup_complete", &[])?;
        let (sent, acknowledged) = send_numbers(&producer, &topic, &options).await?;
        producer.close(patience).await;
        event("shutdown_complete", &[])?;
        let seconds = start.elapsed().as_millis() as f64 / 1000.0;
        let average = if seconds > 0.0 { acknowledged as f64 / seconds } else { 0.0 };
        event(
            "tool_data",
            &[
                ("sent", json!(sent)),
                ("acked", json!(acknowledged)),
                ("target_throughput", json!(options.throughput)),
                ("avg_throughput", json!(average)),
            ],
        )
    })
}

/// A message as it is reported.
struct Message {
    key: Option<String>,
    value: String,
}

/// Sends until there were enough or the process is told to end; gives how many were sent and acknowledged.
async fn send_numbers(producer: &Producer, topic: &str, options: &Options) -> Result<(u64, u64), Failure> {
    let (unacknowledged, acknowledgements) = mpsc::channel(UNACKNOWLEDGED_MAX);
    let reporter = tokio::spawn(report_all(topic.to_owned(), acknowledgements));
    let limit = u64::try_from(options.max_messages).unwrap_or(u64::MAX);
    let start = Instant::now();
    let mut end = std::pin::pin!(told_to_end());
    let mut sent = 0;
    while sent < limit {
        let message = message(sent, options);
        let mut record = Record::to(topic).value(&message.value);
        if let Some(key) = &message.key {
            record = record.key(key);
        }
        if options.message_create_time >= 0 {
            let since = i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX);
            record = record.timestamp_ms(options.message_create_time.saturating_add(since));
        }
        sent += 1;
        tokio::select! {
            biased;
            () = &mut end => break,
            result = producer.send(record) => {
                let _ = unacknowledged.send((message, result)).await;
            }
        }
        if options.throughput > 0 {
            let due = Duration::from_secs_f64(sent as f64 / options.throughput as f64);
            tokio::select! {
                () = &mut end => break,
                () = tokio::time::sleep(due.saturating_sub(start.elapsed())) => {}
            }
        }
    }
    drop(unacknowledged);
    producer.flush().await;
    let acknowledged = reporter.await.map_err(|error| Failure::message(error.to_string()))??;
    Ok((sent, acknowledged))
}

/// SIGINT, or SIGTERM as the stock tool's shutdown hook.
async fn told_to_end() {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

fn message(number: u64, options: &Options) -> Message {
    let value = match options.value_prefix {
        Some(prefix) => format!("{prefix}.{number}"),
        None => number.to_string(),
    };
    let key = options.repeating_keys.filter(|keys| *keys > 0).map(|keys| (number % keys).to_string());
    Message { key, value }
}

type Sent = (Message, Result<Delivery, ProduceError>);

async fn report_all(topic: String, mut acknowledgements: mpsc::Receiver<Sent>) -> Result<u64, Failure> {
    let mut acknowledged = 0;
    while let Some((Message { key, value }, delivery)) = acknowledgements.recv().await {
        let result = match delivery {
            Ok(delivery) => delivery.await,
            Err(error) => Err(error),
        };
        let (key, value) = (("key", json!(key)), ("value", json!(value)));
        match result {
            Ok(stored) => {
                acknowledged += 1;
                let offset = ("offset", json!(stored.offset.unwrap_or(-1)));
                let partition = ("partition", json!(stored.partition));
                event("producer_send_success", &[key, value, offset, ("topic", json!(topic)), partition])?;
            }
            Err(error) => {
                let exception = ("exception", json!(format!("class {}", produce::exception(&error))));
                let message = ("message", json!(error.to_string()));
                event("producer_send_error", &[exception, message, ("topic", json!(topic)), key, value])?;
            }
        }
    }
    Ok(acknowledged)
}

/// Prints one line; fields stand in the order of the stock tool.
fn event(name: &str, fields: &[(&str, Value)]) -> Result<(), Failure> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    output::write(&line(since_epoch.as_millis(), name, fields))
}

fn line(timestamp_ms: u128, name: &str, fields: &[(&str, Value)]) -> String {
    let fields: String = fields.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect();
    format!("{{\"timestamp\":{timestamp_ms},\"name\":\"{name}\"{fields}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_stock_tool() {
        let fields = [("key", json!(None::<&str>)), ("value", json!("5.1")), ("offset", json!(0))];
        assert_eq!(
            line(1_795_453_006_431, "producer_send_success", &fields),
            "{\"timestamp\":1795453006431,\"name\":\"producer_send_success\",\"key\":null,\"value\":\"5.1\",\
             \"offset\":0}\n"
        );
    }

    #[test]
    fn messages() {
        let options = Options { value_prefix: Some(5), repeating_keys: Some(3), ..Options::default() };
        let fourth = message(4, &options);
        assert_eq!((fourth.key.as_deref(), fourth.value.as_str()), (Some("1"), "5.4"));
        assert_eq!(message(4, &Options::default()).value, "4");
    }
}
