//! `rkafka log-dirs`: what lies in the brokers' log directories, as `kafka-log-dirs.sh` of Kafka 4.3 prints it.
//!
//! One difference, intended: partitions are in order.

use std::collections::BTreeSet;

use clap::Args;
use rkafka_client::{Admin, LogDirDescription};
use serde_json::{Value, json};

use super::Invocation;
use crate::common::connect::{self, BootstrapOptions, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, Format, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka log-dirs --bootstrap-server localhost:9092 --describe --topic-list orders
  rkafka log-dirs --bootstrap-server localhost:9092 --describe --output table";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: BootstrapOptions,
    /// REQUIRED: Describe the log directories.
    #[arg(long, help_heading = "Action")]
    describe: bool,
    /// Topics, separated by commas; all if absent.
    #[arg(long, value_name = "Topic list", default_value = "", hide_default_value = true)]
    topic_list: String,
    /// Ids of brokers, separated by commas; all if absent.
    #[arg(long, value_name = "Broker list", default_value = "", hide_default_value = true)]
    broker_list: String,
    #[command(flatten)]
    output: OutputOptions,
}

/// The log directories of a broker.
type Described = (i32, Vec<LogDirDescription>);

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("log-dirs"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args("This tool helps to query log directory usage on the specified brokers.")?;
    let options: Options = invocation.parse()?;
    options.connect.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    if !options.describe {
        let problem = "Missing required argument \"[describe]\"";
        return Err(Failure::usage(problem).or_hint(|| invocation.hint()));
    }
    let topics: BTreeSet<&str> = options.topic_list.split(',').filter(|topic| !topic.is_empty()).collect();
    let mut brokers = BTreeSet::new();
    for id in options.broker_list.split(',').filter(|id| !id.is_empty()) {
        brokers
            .insert(id.parse::<i32>().map_err(|_| Failure::message(format!("For input string: \"{id}\"")))?);
    }
    let is_plain = options.output.output == Format::Plain;
    let mut described = connect::with_cluster(options.connect.config("log-dirs-tool")?, async |admin| {
        describe(&admin, brokers, is_plain).await
    })
    .map_err(|problem| problem.told(|error| Failure::message(connect::described(error))))?;
    for dir in described.iter_mut().flat_map(|(_, dirs)| dirs) {
        dir.replicas.retain(|replica| topics.is_empty() || topics.contains(replica.topic.as_str()));
    }
    output::print(options.output.output, &rows(&described), || {
        let ids: Vec<String> = described.iter().map(|(id, _)| id.to_string()).collect();
        let ids = ids.join(",");
        format!("Received log directory information from brokers {ids}\n{}\n", document(&described))
    })
}

async fn describe(admin: &Admin, wanted: BTreeSet<i32>, is_plain: bool) -> Result<Vec<Described>, Problem> {
    let present: BTreeSet<i32> = admin.describe_cluster().await?.brokers.into_keys().collect();
    let listed = |ids: &BTreeSet<i32>| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let absent: BTreeSet<i32> = wanted.difference(&present).copied().collect();
    if !absent.is_empty() {
        let (absent, present) = (listed(&absent), listed(&present));
        let problem = format!("The given brokers do not exist from --broker-list: {absent}.");
        return Err(Failure::message(format!("ERROR: {problem} Current existent brokers: {present}")).into());
    }
    if is_plain {
        output::write("Querying brokers for log directories information\n")?;
    }
    let mut described = Vec::new();
    for broker in if wanted.is_empty() { present } else { wanted } {
        described.push((broker, admin.describe_log_dirs(broker).await?));
    }
    Ok(described)
}

fn rows(described: &[Described]) -> Rows {
    let headings = &["broker", "log_dir", "topic", "partition", "size", "offset_lag", "is_future", "error"];
    let mut rows = Rows::new(headings);
    for (broker, dirs) in described {
        for dir in dirs {
            let (id, path) = (json!(broker), json!(dir.path));
            if let Some(error) = &dir.error {
                let nothing = Value::Null;
                let error = json!(connect::java_exception(error.code));
                rows.push([
                    id.clone(),
                    path.clone(),
                    nothing.clone(),
                    nothing.clone(),
                    nothing.clone(),
                    nothing.clone(),
                    nothing,
                    error,
                ]);
            }
            for replica in &dir.replicas {
                let (topic, partition) = (json!(replica.topic), json!(replica.partition));
                let (size, lag) = (json!(replica.size), json!(replica.offset_lag));
                let future = json!(replica.is_future);
                rows.push([id.clone(), path.clone(), topic, partition, size, lag, future, Value::Null]);
            }
        }
    }
    rows
}

/// The stock tool's JSON, in its order of fields.
fn document(described: &[Described]) -> String {
    let replicas = |dir: &LogDirDescription| {
        let one = dir.replicas.iter().map(|replica| {
            format!(
                "{{\"partition\":{},\"size\":{},\"offsetLag\":{},\"isFuture\":{}}}",
                json!(format!("{}-{}", replica.topic, replica.partition)),
                replica.size,
                replica.offset_lag,
                replica.is_future
            )
        });
        one.collect::<Vec<_>>().join(",")
    };
    let dirs = |dirs: &[LogDirDescription]| {
        let one = dirs.iter().map(|dir| {
            let error = json!(dir.error.as_ref().map(|error| connect::java_exception(error.code)));
            format!("{{\"partitions\":[{}],\"error\":{error},\"logDir\":{}}}", replicas(dir), json!(dir.path))
        });
        one.collect::<Vec<_>>().join(",")
    };
    let brokers =
        described.iter().map(|(id, found)| format!("{{\"broker\":{id},\"logDirs\":[{}]}}", dirs(found)));
    format!("{{\"brokers\":[{}],\"version\":1}}", brokers.collect::<Vec<_>>().join(","))
}
