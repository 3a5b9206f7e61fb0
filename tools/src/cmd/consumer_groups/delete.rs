//! `--delete` and `--delete-offsets`.

use std::collections::BTreeMap;

use rkafka_client::{Admin, ApiError, ErrorCode};
use serde_json::{Value, json};

use super::options::Options;
use super::reset::{Named, named_partitions};
use super::wanted_groups;
use crate::common::connect::{self, Problem};
use crate::common::output::{self, Rows};

pub(super) async fn delete_groups(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let groups = wanted_groups(admin, options).await?;
    let results = admin.delete_groups(&groups).await?;
    let mut rows = Rows::new(&["group", "result", "error"]);
    let (mut deleted, mut failed) = (Vec::new(), String::new());
    for (group, result) in &results {
        let error = result.as_ref().err().map(|error| connect::described(&error.clone().into()));
        match &error {
            None => deleted.push(group.as_str()),
            Some(error) => {
                failed.push_str(&format!("* Group '{group}' could not be deleted due to: {error}\n"));
            }
        }
        let result = if error.is_none() { "deleted" } else { "failed" };
        rows.push([json!(group), json!(result), json!(error)]);
    }
    output::print(options.output.output, &rows, || {
        let quoted = deleted.iter().map(|group| format!("'{group}'")).collect::<Vec<_>>().join(", ");
        if failed.is_empty() {
            return format!("Deletion of requested consumer groups ({quoted}) was successful.\n");
        }
        let mut text = format!("\nError: Deletion of some consumer groups failed:\n{failed}");
        if !deleted.is_empty() {
            text.push_str(&format!("\nThese consumer groups were deleted successfully: {quoted}\n"));
        }
        text
    })?;
    Ok(())
}

/// What became of one partition's offset; -1 stands for a topic whose partitions are not known.
type Outcomes = BTreeMap<(String, i32), Result<(), ApiError>>;

pub(super) async fn delete_offsets(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let group = options.group.first().map(String::as_str).unwrap_or_default();
    let Named { partitions, unknown } = named_partitions(admin, &options.topic).await?;
    let mut outcomes = Outcomes::new();
    for (topic, error) in unknown {
        outcomes.insert((topic, -1), Err(error));
    }
    let mut refused = None;
    match admin.delete_group_offsets(group, &partitions).await {
        Ok(results) => outcomes.extend(results),
        Err(error) => match error.code() {
            Some(_) => {
                let code = error.code().unwrap_or(ErrorCode::UnknownServerError);
                let error = ApiError { code, message: code.message().to_owned() };
                let every = partitions.iter().map(|partition| (partition.clone(), Err(error.clone())));
                outcomes.extend(every);
                refused = Some(error);
            }
            None => return Err(error.into()),
        },
    }
    let partition_error = outcomes.iter().any(|((_, index), result)| *index >= 0 && result.is_err());
    let start = match &refused {
        Some(error) => format!("\nError: {}\n", error.message),
        None if partition_error => {
            "\nError: Encountered some partition-level error, see the follow-up details.\n".to_owned()
        }
        None => format!("Request succeeded for deleting offsets from group {group}.\n"),
    };
    print(options, &outcomes, &start)
}

fn print(options: &Options, outcomes: &Outcomes, start: &str) -> Result<(), Problem> {
    let mut rows = Rows::new(&["topic", "partition", "result", "error"]);
    let line =
        |topic: &str, partition: &str, status: &str| format!("\n{topic:<15} {partition:<10} {status:<15}");
    let mut text = format!("{start}{}", line("TOPIC", "PARTITION", "STATUS"));
    for ((topic, index), result) in outcomes {
        let partition = if *index < 0 { Value::Null } else { json!(index) };
        let shown = if *index < 0 { "-".to_owned() } else { index.to_string() };
        let error = result.as_ref().err().map(|error| connect::described(&error.clone().into()));
        let status = error.as_ref().map_or("Successful".to_owned(), |error| format!("Error: {error}"));
        text.push_str(&line(topic, &shown, &status));
        let result = if error.is_none() { "deleted" } else { "failed" };
        rows.push([json!(topic), partition, json!(result), json!(error)]);
    }
    output::print(options.output.output, &rows, || text + "\n")?;
    Ok(())
}
