//! `rkafka e2e-latency`: how long a message takes from the producer to the consumer, one at a time, as
//! `kafka-e2e-latency.sh` of Kafka 4.3 measures it; by names or by position, as before 4.2.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rkafka_client::producer::{Acks, Header, Producer, ProducerConfig, Record};
use rkafka_client::{
    Admin, Consumer, ConsumerConfig, ConsumerError, ConsumerRecords, ErrorCode, NewTopic, TopicPartition,
};
use rkafka_config::Properties;

use super::Invocation;
use crate::common::connect::Tool;
use crate::common::consume::{self, block_on, interrupted};
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::profile;
use crate::common::progress::Progress;

const TOOL: Tool =
    Tool { what: "end to end latency command", class: "org.apache.kafka.tools.EndToEndLatency" };

const EXAMPLES: &str = "\
Examples:
  rkafka e2e-latency --bootstrap-server localhost:9092 --topic latency --num-records 10000 --producer-acks 1 \
--record-size 100
  rkafka e2e-latency localhost:9092 latency 10000 all 100";

/// How long one message may take.
const POLL: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The Kafka broker list string in the form HOST1:PORT1,HOST2:PORT2.
    #[arg(long, value_name = "bootstrap-server")]
    bootstrap_server: Option<String>,
    /// REQUIRED: The topic to use for the test.
    #[arg(long, value_name = "topic-name")]
    topic: Option<String>,
    /// REQUIRED: The number of messages to send.
    #[arg(long, value_name = "count")]
    num_records: Option<usize>,
    /// REQUIRED: Producer acknowledgements. Must be '1' or 'all'.
    #[arg(long, value_name = "producer-acks")]
    producer_acks: Option<String>,
    /// REQUIRED: The size of each message payload in bytes.
    #[arg(long, value_name = "bytes")]
    record_size: Option<usize>,
    /// The size of the message key in bytes. If 0, messages are sent without a key.
    #[arg(long, value_name = "bytes", default_value = "0")]
    record_key_size: usize,
    /// The number of headers to include in each message.
    #[arg(long, value_name = "count", default_value = "0")]
    num_headers: usize,
    /// The size of the message header key in bytes. Used together with record-header-size.
    #[arg(long, value_name = "bytes", default_value = "0")]
    record_header_key_size: usize,
    /// The size of message header value in bytes. Use -1 for null header value.
    #[arg(long, value_name = "bytes", default_value = "0")]
    record_header_size: i64,
    /// A property file for the producer, the consumer and the admin client.
    #[arg(long, value_name = "config-file")]
    command_config: Option<PathBuf>,
    /// DEPRECATED: bootstrap-server topic num-records producer-acks record-size [command-config].
    #[arg(value_name = "positional", hide = true)]
    positional: Vec<String>,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("e2e-latency"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let plan = options.plan().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    match block_on(measure(&plan))? {
        None => Ok(()),
        Some(code) => std::process::exit(i32::from(code)),
    }
}

/// Everything, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    servers: String,
    topic: String,
    count: usize,
    acks: Acks,
    size: usize,
    key_size: usize,
    headers: usize,
    header_key_size: usize,
    header_size: Option<usize>,
    config: Option<PathBuf>,
}

impl Options {
    fn plan(&self) -> Result<Plan, Failure> {
        let named = self.with_positional()?;
        let missing = |name: &str| Failure::usage(format!("Missing required argument \"[{name}]\""));
        let acks = match named.producer_acks.as_deref().ok_or_else(|| missing("producer-acks"))? {
            "1" => Acks::Leader,
            "all" => Acks::All,
            _ => {
                let message = "Latency testing requires synchronous acknowledgement. Please use '1' or 'all' for \
                               --producer-acks.";
                return Err(Failure::usage(message));
            }
        };
        Ok(Plan {
            servers: named.bootstrap_server.ok_or_else(|| missing("bootstrap-server"))?,
            topic: named.topic.ok_or_else(|| missing("topic"))?,
            count: named.num_records.filter(|count| *count > 0).ok_or_else(|| missing("num-records"))?,
            acks,
            size: named.record_size.ok_or_else(|| missing("record-size"))?,
            key_size: named.record_key_size,
            headers: named.num_headers,
            header_key_size: named.record_header_key_size,
            header_size: usize::try_from(named.record_header_size).ok(),
            config: named.command_config,
        })
    }

    fn with_positional(&self) -> Result<Options, Failure> {
        let mut named = self.clone();
        let given = std::mem::take(&mut named.positional);
        if given.is_empty() {
            return Ok(named);
        }
        let number = |text: &str| {
            text.parse().map_err(|_| Failure::usage(format!("'{text}' is no number of records or bytes")))
        };
        match given.as_slice() {
            [servers, topic, count, acks, size, rest @ ..] if rest.len() <= 1 => {
                named.bootstrap_server = Some(servers.clone());
                named.topic = Some(topic.clone());
                named.num_records = Some(number(count)?);
                named.producer_acks = Some(acks.clone());
                named.record_size = Some(number(size)?);
                named.command_config = rest.first().filter(|file| !file.trim().is_empty()).map(PathBuf::from);
                Ok(named)
            }
            _ => Err(Failure::usage(format!(
                "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: \
                 bootstrap-server topic num-records producer-acks record-size [optional] command-config",
                given.len()
            ))),
        }
    }
}

impl Plan {
    fn properties(&self, own: &[(&str, &str)]) -> Result<Properties, Failure> {
        let mut pairs = profile::settings().to_vec();
        if let Some(file) = &self.config {
            let read = consume::read(file)?;
            pairs.extend(read.entries().iter().map(|one| (one.key.clone(), one.value.clone())));
        }
        pairs.extend(own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Ok(Properties::from_pairs(pairs))
    }
}

fn problem(problem: &impl ToString) -> Failure {
    Failure::message(problem.to_string())
}

fn failed(error: &ConsumerError) -> Failure {
    consume::failure(TOOL, error)
}

/// Measures; the exit code if a signal ended it early, after the results so far.
async fn measure(plan: &Plan) -> Result<Option<u8>, Failure> {
    let servers = Some(plan.servers.as_str());
    let own = [("auto.offset.reset", "latest"), ("enable.auto.commit", "false"), ("fetch.max.wait.ms", "0")];
    let config = ConsumerConfig::from_properties(&plan.properties(&own)?, servers);
    let (config, _) = config.map_err(|error| problem(&error))?;
    let client = config.client.clone();
    let consumer = Consumer::connect(config).await.map_err(|error| failed(&error))?;
    let topics = consumer.list_topics().await.map_err(|error| failed(&error))?;
    if !topics.contains_key(&plan.topic) {
        create_topic(plan, client).await?;
    }
    begin(&consumer, plan).await.map_err(|error| failed(&error))?;
    let config = ProducerConfig::from_properties(&plan.properties(&[("linger.ms", "0")])?, servers);
    let (config, _) = config.map_err(|error| problem(&error))?;
    let producer = Producer::connect(config.with_acks(plan.acks)).await.map_err(|error| problem(&error))?;
    let mut latencies = Vec::with_capacity(plan.count);
    let progress = Progress::new(plan.count as u64, "messages");
    let mut signal = std::pin::pin!(interrupted());
    let mut ended_by = None;
    for at in 0..plan.count {
        progress.set(at as u64);
        let elapsed = tokio::select! {
            elapsed = one(plan, &producer, &consumer) => elapsed?,
            code = &mut signal => {
                ended_by = Some(code);
                break;
            }
        };
        if at % 1000 == 0 {
            output::write(&format!("{at}\t{}\n", elapsed.as_nanos() as f64 / 1e6))?;
        }
        latencies.push(elapsed);
    }
    drop(progress);
    producer.close(Duration::from_secs(5)).await;
    if !latencies.is_empty() {
        output::write(&results(&mut latencies))?;
    }
    Ok(ended_by)
}

async fn create_topic(plan: &Plan, client: rkafka_client::ClientConfig) -> Result<(), Failure> {
    output::write(&format!(
        "Topic \"{}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1\n",
        plan.topic
    ))?;
    let admin = Admin::connect(client).await.map_err(|error| TOOL.client_error(&error))?;
    let topic = NewTopic::new(plan.topic.as_str()).with_partitions(1).with_replication_factor(1);
    let created = admin.create_topics(&[topic], false).await.map_err(|error| TOOL.client_error(&error))?;
    for (_, created) in created {
        created.map_err(|error| TOOL.api_error(&error))?;
    }
    Ok(())
}

/// Stands at the end of every partition; the topic may take a moment to be known everywhere.
async fn begin(consumer: &Consumer, plan: &Plan) -> Result<(), ConsumerError> {
    let deadline = Instant::now() + POLL;
    let topic = loop {
        match consumer.partitions_for(&plan.topic).await {
            Err(error) if error.code().is_some_and(ErrorCode::is_retriable) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            found => break found?,
        }
    };
    let of = |index| TopicPartition::new(plan.topic.as_str(), index);
    let partitions: Vec<TopicPartition> = topic.partitions.iter().map(|one| of(one.index)).collect();
    consumer.assign(partitions.clone())?;
    consumer.seek_to_end(&[])?;
    for partition in &partitions {
        consumer.position(partition).await?;
    }
    Ok(())
}

/// Sends one message and reads it back.
async fn one(plan: &Plan, producer: &Producer, consumer: &Consumer) -> Result<Duration, Failure> {
    let letters = |length: usize| vec![b'A' + fastrand::u8(..26); length];
    let (key, value) = (letters(plan.key_size), letters(plan.size));
    let header_key = letters(plan.header_key_size);
    let header_value = plan.header_size.map(letters);
    let header = Header { key: &header_key, value: header_value.as_deref() };
    let headers = vec![header; plan.headers];
    let mut record = Record::to(&plan.topic).value(&value).headers(&headers);
    if !key.is_empty() {
        record = record.key(&key);
    }
    let start = Instant::now();
    let delivery = producer.send(record).await.map_err(|error| problem(&error))?;
    delivery.await.map_err(|error| problem(&error))?;
    let polled = consumer.poll(POLL).await.map_err(|error| failed(&error))?;
    let elapsed = start.elapsed();
    check(&polled, &value)?;
    Ok(elapsed)
}

fn check(polled: &ConsumerRecords, sent: &[u8]) -> Result<(), Failure> {
    let Some(first) = polled.iter().next() else {
        let message = format!("poll() timed out before finding a result (timeout:[{}ms])", POLL.as_millis());
        return Err(Failure::message(message));
    };
    if first.value.as_deref() != Some(sent) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (read, sent) = (text(first.value.as_deref().unwrap_or_default()), text(sent));
        return Err(Failure::message(format!(
            "The message value read [{read}] did not match the message value sent [{sent}]"
        )));
    }
    match polled.len() {
        1 => Ok(()),
        count => Err(Failure::message(format!(
            "Only one result was expected during this test. We found [{count}]"
        ))),
    }
}

fn results(latencies: &mut [Duration]) -> String {
    let total: Duration = latencies.iter().sum();
    let average = total.as_nanos() as f64 / latencies.len() as f64 / 1e6;
    latencies.sort();
    let at =
        |share: f64| latencies.get((latencies.len() as f64 * share) as usize).map_or(0, Duration::as_millis);
    format!(
        "Avg latency: {average:.4} ms\nPercentiles: 50th = {}, 99th = {}, 99.9th = {}\n",
        at(0.5),
        at(0.99),
        at(0.999)
    )
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        let command = Options::augment_args(clap::Command::new("e2e-latency"));
        let words = ["e2e-latency"].into_iter().chain(line.split_whitespace());
        let options = Options::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap();
        options.plan().map_err(|failure| match failure {
            Failure::Usage { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn by_name_and_by_position() {
        let named = "--bootstrap-server a:1 --topic t --num-records 10 --producer-acks all --record-size 100";
        assert_eq!(plan(named), plan("a:1 t 10 all 100"));
        assert_eq!(plan(named).unwrap().acks, Acks::All);
        assert_eq!(plan("a:1 t 10 all 100 f").unwrap().config, Some("f".into()));
        assert!(plan("a:1 t").unwrap_err().starts_with("Invalid number of arguments. Expected 5 or 6"));
        assert_eq!(plan("").unwrap_err(), "Missing required argument \"[producer-acks]\"");
        assert!(plan("a:1 t 10 0 100").unwrap_err().starts_with("Latency testing requires synchronous"));
    }

    #[test]
    fn percentiles() {
        let mut latencies: Vec<Duration> = (1..=1000).rev().map(Duration::from_millis).collect();
        assert_eq!(
            results(&mut latencies),
            "Avg latency: 500.5000 ms\nPercentiles: 50th = 501, 99th = 991, 99.9th = 1000\n"
        );
    }
}
