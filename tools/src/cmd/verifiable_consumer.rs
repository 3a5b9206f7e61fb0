//! `rkafka verifiable-consumer`: reads a topic and tells what happens as JSON, one event a line, as
//! `kafka-verifiable-consumer.sh` of Kafka 4.3 does.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use futures_util::future::BoxFuture;
use rkafka_client::{
    Consumer, ConsumerError, ConsumerRecord, OffsetAndMetadata, RebalanceListener, TopicPartition,
};
use serde_json::Value;

use super::Invocation;
use crate::common::connect::Tool;
use crate::common::consume::{self, ConsumerOptions, block_on, interrupted};
use crate::common::failure::Failure;
use crate::common::output;

const TOOL: Tool =
    Tool { what: "verifiable consumer command", class: "org.apache.kafka.tools.VerifiableConsumer" };

const EXAMPLES: &str = "\
Examples:
  rkafka verifiable-consumer --bootstrap-server localhost:9092 --topic orders --group-id check --max-messages 100";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    consumer: ConsumerOptions,
    /// DEPRECATED: the older name of --bootstrap-server.
    #[arg(long, value_name = "HOST1:PORT1[,HOST2:PORT2[...]]", hide = true)]
    broker_list: Option<String>,
    /// Consumes messages from this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// The group id of the consumer group.
    #[arg(long, value_name = "GROUP_ID")]
    group_id: Option<String>,
    /// Group protocol (only classic so far).
    #[arg(long, value_name = "GROUP_PROTOCOL")]
    group_protocol: Option<String>,
    /// Accepted without effect: only used with the group protocol CONSUMER.
    #[arg(long, value_name = "GROUP_REMOTE_ASSIGNOR")]
    group_remote_assignor: Option<String>,
    /// A unique identifier of the consumer instance.
    #[arg(long, value_name = "GROUP_INSTANCE_ID")]
    group_instance_id: Option<String>,
    /// Consume this many messages. If -1, the consumer will consume until the process is killed externally.
    #[arg(long, value_name = "MAX-MESSAGES", default_value = "-1")]
    max_messages: i64,
    /// Set the consumer's session timeout.
    #[arg(long, value_name = "TIMEOUT_MS")]
    session_timeout: Option<u32>,
    /// Enable to log individual consumed records.
    #[arg(long)]
    verbose: bool,
    /// Enable offset auto-commit on consumer.
    #[arg(long)]
    enable_autocommit: bool,
    /// Set reset policy (must be either 'earliest', 'latest', or 'none').
    #[arg(long, value_name = "RESET_POLICY", default_value = "earliest")]
    reset_policy: String,
    /// Set assignment strategy (e.g. org.apache.kafka.clients.consumer.RoundRobinAssignor).
    #[arg(
        long,
        value_name = "ASSIGNMENT_STRATEGY",
        default_value = "org.apache.kafka.clients.consumer.RangeAssignor"
    )]
    assignment_strategy: String,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("verifiable-consumer"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let mut options: Options = invocation.parse()?;
    options.consumer.bootstrap_server =
        options.consumer.bootstrap_server.take().or(options.broker_list.take());
    for (name, is_given) in [
        ("topic", options.topic.is_some()),
        ("group-id", options.group_id.is_some()),
        ("bootstrap-server", options.consumer.bootstrap_server.is_some()),
    ] {
        if !is_given {
            let missing = Failure::usage(format!("argument --{name} is required"));
            return Err(missing.or_hint(|| invocation.hint()));
        }
    }
    block_on(consume_all(&options))
}

impl Options {
    fn properties(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut properties = self.consumer.properties()?;
        let mut set = |key: &str, value: &str| properties.push((key.to_owned(), value.to_owned()));
        set("group.id", self.group_id.as_deref().unwrap_or_default());
        set("enable.auto.commit", if self.enable_autocommit { "true" } else { "false" });
        set("auto.offset.reset", &self.reset_policy);
        set("partition.assignment.strategy", &self.assignment_strategy);
        if let Some(protocol) = &self.group_protocol {
            set("group.protocol", protocol);
        }
        if let Some(instance) =
            self.group_instance_id.as_deref().filter(|id| !id.eq_ignore_ascii_case("none"))
        {
            set("group.instance.id", instance);
        }
        if let Some(timeout) = self.session_timeout {
            set("session.timeout.ms", &timeout.to_string());
        }
        Ok(properties)
    }
}

/// One event: `timestamp` and `name` first.
fn event(name: &str, fields: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let more = if fields.is_empty() { "" } else { "," };
    format!("{{\"timestamp\":{},\"name\":\"{name}\"{more}{fields}}}\n", since.as_millis())
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn partition_json(partition: &TopicPartition, fields: &str) -> String {
    format!("{{\"topic\":{},\"partition\":{}{fields}}}", quoted(&partition.topic), partition.partition)
}

fn partitions_json(partitions: &[TopicPartition]) -> String {
    let listed: Vec<String> = partitions.iter().map(|partition| partition_json(partition, "")).collect();
    format!("\"partitions\":[{}]", listed.join(","))
}

/// Tells of rebalances.
struct Listener;

impl RebalanceListener for Listener {
    fn partitions_revoked<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        // A reader that went away is noticed with the next event.
        let _ = output::write(&event("partitions_revoked", &partitions_json(partitions)));
        Box::pin(std::future::ready(()))
    }

    fn partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let _ = output::write(&event("partitions_assigned", &partitions_json(partitions)));
        Box::pin(std::future::ready(()))
    }
}

async fn consume_all(options: &Options) -> Result<(), Failure> {
    let config = options.consumer.config(options.properties()?)?;
    let failed = |error: ConsumerError| consume::failure(TOOL, &error);
    let consumer = Consumer::connect(config).await.map_err(failed)?;
    output::write(&event("startup_complete", ""))?;
    let topic = options.topic.clone().unwrap_or_default();
    consumer.subscribe_with([topic], Listener).map_err(failed)?;
    let (ended, code) = tokio::select! {
        ended = read(options, &consumer) => (ended, None),
        code = interrupted() => (Ok(()), Some(code)),
    };
    let _ = consumer.close(Duration::from_secs(5)).await;
    output::write(&event("shutdown_complete", ""))?;
    if let Some(code) = code {
        std::process::exit(i32::from(code));
    }
    ended
}

async fn read(options: &Options, consumer: &Consumer) -> Result<(), Failure> {
    let mut left = u64::try_from(options.max_messages).unwrap_or(u64::MAX);
    while left > 0 {
        let polled = consumer.poll(Duration::from_secs(3600)).await;
        let polled = polled.map_err(|error| consume::failure(TOOL, &error))?;
        let count = polled.len();
        let mut by_partition: BTreeMap<TopicPartition, Vec<ConsumerRecord>> = BTreeMap::new();
        for record in polled {
            by_partition.entry(record.topic_partition()).or_default().push(record);
        }
        let (mut summaries, mut offsets) = (Vec::new(), BTreeMap::new());
        for (partition, mut records) in by_partition {
            records.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
            let (first, last) = (first.offset, last.offset);
            left -= records.len() as u64;
            let fields = format!(",\"count\":{},\"minOffset\":{first},\"maxOffset\":{last}", records.len());
            summaries.push(partition_json(&partition, &fields));
            if options.verbose {
                records.iter().try_for_each(|record| output::write(&record_event(record)))?;
            }
            offsets.insert(partition, OffsetAndMetadata::from(last + 1));
        }
        let fields = format!("\"count\":{count},\"partitions\":[{}]", summaries.join(","));
        output::write(&event("records_consumed", &fields))?;
        if !options.enable_autocommit {
            commit(consumer, &offsets).await?;
        }
    }
    Ok(())
}

fn record_event(record: &ConsumerRecord) -> String {
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or_else(|| "null".to_owned(), |bytes| quoted(&String::from_utf8_lossy(bytes)))
    };
    let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
    let topic = quoted(&record.topic);
    let (partition, offset) = (record.partition, record.offset);
    let fields = format!(
        "\"key\":{key},\"value\":{value},\"topic\":{topic},\"partition\":{partition},\"offset\":{offset}"
    );
    event("record_data", &fields)
}

async fn commit(
    consumer: &Consumer,
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> Result<(), Failure> {
    let committed = consumer.commit_offsets(offsets).await;
    let one = |(partition, offset): (&TopicPartition, &OffsetAndMetadata)| {
        partition_json(partition, &format!(",\"offset\":{}", offset.offset))
    };
    let listed: Vec<String> = offsets.iter().map(one).collect();
    let error = committed.as_ref().err().map(|error| format!("\"error\":{},", quoted(&error.to_string())));
    let (error, success) = (error.unwrap_or_default(), committed.is_ok());
    let fields = format!("\"offsets\":[{}],{error}\"success\":{success}", listed.join(","));
    output::write(&event("offsets_committed", &fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the time, which is the first field.
    fn shown(event: &str) -> &str {
        event.split_once(',').unwrap().1.trim_end()
    }

    #[test]
    fn events_are_the_stock_ones() {
        assert_eq!(shown(&event("startup_complete", "")), "\"name\":\"startup_complete\"}");
        let partitions = [TopicPartition::new("t", 0), TopicPartition::new("订单", 1)];
        assert_eq!(
            shown(&event("partitions_assigned", &partitions_json(&partitions))),
            "\"name\":\"partitions_assigned\",\"partitions\":[{\"topic\":\"t\",\"partition\":0},{\"topic\":\"订单\",\
             \"partition\":1}]}"
        );
        assert!(serde_json::from_str::<Value>(&event("x", "\"y\":1")).is_ok());
    }
}
