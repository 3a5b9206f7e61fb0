//! `rkafka delete-records`: moves the start of partitions forward, as `kafka-delete-records.sh` of Kafka 4.3 does.
//!
//! One difference, intended: a partition that does not exist is told at once, not after a minute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Invocation;
use crate::common::connect::{self, BootstrapOptions};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};
use crate::common::partition_file;

const EXAMPLES: &str = "\
Examples:
  echo '{\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"offset\": 100}], \"version\": 1}' > offsets.json
  rkafka delete-records --bootstrap-server localhost:9092 --offset-json-file offsets.json";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: BootstrapOptions,
    /// REQUIRED: The JSON file with the first offset to keep of each partition; -1 keeps nothing.
    #[arg(long, value_name = "Offset json file path")]
    offset_json_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("delete-records"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(
        "This tool helps to delete records of the given partitions down to the specified offset.",
    )?;
    let options: Options = invocation.parse()?;
    options.connect.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let Some(file) = &options.offset_json_file else {
        let problem = "Missing required argument \"[offset-json-file]\"";
        return Err(Failure::usage(problem).or_hint(|| invocation.hint()));
    };
    let before = read(file).map_err(Failure::message)?;
    let config = options.connect.config("rkafka-delete-records")?;
    let results = connect::with_cluster(config, async |admin| Ok(admin.delete_records(&before).await?))
        .map_err(|problem| problem.told(|error| Failure::message(connect::described(error))))?;
    let mut rows = Rows::new(&["topic", "partition", "low_watermark", "error"]);
    let mut plain = "Executing records delete operation\nRecords delete operation completed:\n".to_owned();
    for ((topic, partition), result) in results {
        match result {
            Ok(low_watermark) => {
                plain.push_str(&format!("partition: {topic}-{partition}\tlow_watermark: {low_watermark}\n"));
                rows.push([json!(topic), json!(partition), json!(low_watermark), Value::Null]);
            }
            Err(error) => {
                let error = connect::described(&error.into());
                plain.push_str(&format!("partition: {topic}-{partition}\terror: {error}\n"));
                rows.push([json!(topic), json!(partition), Value::Null, json!(error)]);
            }
        }
    }
    output::print(options.output.output, &rows, || plain)
}

fn read(path: &Path) -> Result<BTreeMap<(String, i32), i64>, String> {
    let file = partition_file::read(path)?.ok_or("The input string is not a valid JSON")?;
    match file.get("version").map_or(Some(1), Value::as_i64) {
        Some(1) => {}
        _ => return Err(format!("Not supported version field value {}", file["version"])),
    }
    let mut named = Vec::new();
    let mut before = BTreeMap::new();
    for entry in partition_file::partitions(&file).ok_or("Missing partitions field")?? {
        let partition = (entry.text("topic")?, entry.partition()?);
        named.push(partition.clone());
        before.insert(partition, entry.number("offset")?);
    }
    let twice = partition_file::duplicates(&named);
    if !twice.is_empty() {
        return Err(format!("Offset json file contains duplicate topic partitions: {}", twice.join(",")));
    }
    Ok(before)
}
