//! Where offsets are reset to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Local, Utc};
use rkafka_client::{Admin, OffsetSpec};

use super::options::Options;
use super::plan_file::Plan;
use super::reset::{NewOffsets, TopicPartition};
use super::{say_error, told};
use crate::common::connect::Problem;
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::times::{duration_ms, timestamp_ms};

/// The new offsets of a group.
pub(super) async fn offsets(
    admin: &Admin,
    options: &Options,
    group: &str,
    partitions: &BTreeSet<TopicPartition>,
    plan: Option<&Plan>,
) -> Result<NewOffsets, Problem> {
    let constant = |offset: i64| partitions.iter().map(|partition| (partition.clone(), offset)).collect();
    if let Some(offset) = options.to_offset {
        return within_log(admin, constant(offset)).await;
    }
    if options.to_earliest {
        return all(admin, partitions, OffsetSpec::Earliest).await;
    }
    if options.to_latest {
        return all(admin, partitions, OffsetSpec::Latest).await;
    }
    if let Some(distance) = options.shift_by {
        let shifted = shifted(admin, group, partitions, distance).await?;
        return within_log(admin, shifted).await;
    }
    if let Some(text) = &options.to_datetime {
        return at_time(admin, partitions, timestamp_ms(text).map_err(|problem| told(&problem))?).await;
    }
    if let Some(text) = &options.by_duration {
        let ago = duration_ms(text).map_err(|problem| told(&problem))?;
        return at_time(admin, partitions, Utc::now().timestamp_millis().saturating_sub(ago)).await;
    }
    if let Some(plan) = plan {
        let Some(planned) = plan.get(group) else {
            say_error(&format!("No reset plan for group {group} found"))?;
            return Ok(NewOffsets::new());
        };
        return within_log(admin, planned.clone()).await;
    }
    if options.to_current {
        return current(admin, group, partitions).await;
    }
    Err(Failure::usage(
        "Option '[reset-offsets]' requires one of the following scenarios: [[to-offset], [to-earliest], [to-current], \
         [to-latest], [by-duration], [to-datetime], [from-file], [shift-by]]",
    )
    .into())
}

async fn all(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    spec: OffsetSpec,
) -> Result<NewOffsets, Problem> {
    let mut found = NewOffsets::new();
    let wanted: BTreeMap<_, _> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    if wanted.is_empty() {
        return Ok(found);
    }
    for (partition, listed) in admin.list_offsets(&wanted, false).await? {
        if let Some(offset) = listed?.offset {
            found.insert(partition, offset);
        }
    }
    Ok(found)
}

async fn at_time(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    timestamp_ms: i64,
) -> Result<NewOffsets, Problem> {
    let mut found = all(admin, partitions, OffsetSpec::ForTimestamp(timestamp_ms)).await?;
    let later: BTreeSet<TopicPartition> =
        partitions.iter().filter(|partition| !found.contains_key(*partition)).cloned().collect();
    for (topic, index) in &later {
        output::write(&format!(
            "\nWarn: Partition {index} from topic {topic} is empty. Falling back to latest known offset.\n"
        ))?;
    }
    found.extend(all(admin, &later, OffsetSpec::Latest).await?);
    Ok(found)
}

async fn shifted(
    admin: &Admin,
    group: &str,
    partitions: &BTreeSet<TopicPartition>,
    distance: i64,
) -> Result<NewOffsets, Problem> {
    let committed = admin.group_offsets(group).await?;
    let mut wanted = NewOffsets::new();
    for partition in partitions {
        let Some(present) = committed.get(partition) else {
            let (topic, index) = partition;
            let problem = "since there is no current committed offset";
            return Err(Failure::usage(format!(
                "Cannot shift offset for partition {topic}-{index} {problem}"
            ))
            .into());
        };
        wanted.insert(partition.clone(), present.offset.saturating_add(distance));
    }
    Ok(wanted)
}

/// Offsets as they are; the end where there is none yet.
async fn current(
    admin: &Admin,
    group: &str,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<NewOffsets, Problem> {
    let committed = admin.group_offsets(group).await?;
    let (known, unknown): (BTreeSet<_>, BTreeSet<_>) =
        partitions.iter().cloned().partition(|partition| committed.contains_key(partition));
    let mut offsets = all(admin, &unknown, OffsetSpec::Latest).await?;
    for partition in known {
        if let Some(present) = committed.get(&partition) {
            offsets.insert(partition, present.offset);
        }
    }
    Ok(offsets)
}

/// Moves what is outside a log to its nearer end, and says so.
async fn within_log(admin: &Admin, wanted: NewOffsets) -> Result<NewOffsets, Problem> {
    let partitions: BTreeSet<TopicPartition> = wanted.keys().cloned().collect();
    let first = all(admin, &partitions, OffsetSpec::Earliest).await?;
    let end = all(admin, &partitions, OffsetSpec::Latest).await?;
    let mut offsets = NewOffsets::new();
    for (partition, offset) in wanted {
        let warn = |how: &str, bound: i64| {
            let time = Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
            let (topic, index) = &partition;
            eprintln!(
                "[{time}] WARN New offset ({offset}) is {how} offset for topic partition {topic}-{index}. Value will be \
                 set to {bound} (org.apache.kafka.tools.OffsetsUtils)"
            );
            bound
        };
        let new = match (first.get(&partition), end.get(&partition)) {
            (_, Some(end)) if offset > *end => warn("higher than latest", *end),
            (Some(first), _) if offset < *first => warn("lower than earliest", *first),
            _ => offset,
        };
        offsets.insert(partition, new);
    }
    Ok(offsets)
}
