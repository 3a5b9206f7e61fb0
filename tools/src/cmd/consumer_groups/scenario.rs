//! Where offsets are reset to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Local, NaiveDateTime, Utc};
use rkafka_client::{Admin, OffsetSpec};

use super::options::Options;
use super::plan_file::Plan;
use super::reset::{NewOffsets, TopicPartition};
use super::{say_error, told};
use crate::common::connect::Problem;
use crate::common::failure::Failure;
use crate::common::output;

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

/// A time as Kafka's tools take it: `2026-01-31T23:59:59.999`, UTC unless `Z`, `+0800` or `+08:00` follows.
fn timestamp_ms(text: &str) -> Result<i64, String> {
    let exception = "java.text.ParseException";
    let Some((_, time)) = text.split_once('T') else {
        let problem = "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format";
        return Err(format!("{exception}: {problem}"));
    };
    let unparseable = || format!("{exception}: Unparseable date: \"{text}\"");
    if time.contains(['+', '-', 'Z']) {
        let normal = text.replace('Z', "+0000");
        let parsed = DateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f%z");
        return parsed.map(|time| time.timestamp_millis()).map_err(|_| unparseable());
    }
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    parsed.map(|time| time.and_utc().timestamp_millis()).map_err(|_| unparseable())
}

/// A duration of ISO 8601, days to seconds: `P1DT2H3M4.5S`; `-` in front of it or of a number turns it round.
fn duration_ms(text: &str) -> Result<i64, String> {
    parse_duration(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn parse_duration(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix(['-', '+']) {
        Some(rest) => (if upper.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, upper.as_str()),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    let mut seconds = 0.0;
    let mut parts = 0;
    for (mut text, units) in
        [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])]
    {
        for (unit, worth) in units {
            if let Some((number, behind)) = text.split_once(*unit) {
                let number: f64 = number.parse().ok()?;
                if *unit != 'S' && number.fract() != 0.0 {
                    return None;
                }
                seconds += number * worth;
                parts += 1;
                text = behind;
            }
        }
        if !text.is_empty() {
            return None;
        }
    }
    // Milliseconds of any duration that fits Kafka's timestamps are exact in 53 bits.
    (parts > 0).then_some((sign * seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(timestamp_ms("1970-01-01T00:00:01.500"), Ok(1500));
        assert_eq!(timestamp_ms("1970-01-01T00:00:01"), Ok(1000));
        assert_eq!(timestamp_ms("1970-01-01T08:00:00.000+0800"), Ok(0));
        assert_eq!(timestamp_ms("1970-01-01T08:00:00.000+08:00"), Ok(0));
        assert_eq!(timestamp_ms("1970-01-01T00:00:00.001Z"), Ok(1));
        assert_eq!(
            timestamp_ms("1970-01-01").unwrap_err(),
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
        );
        assert_eq!(
            timestamp_ms("1970-01-01Tnoon").unwrap_err(),
            "java.text.ParseException: Unparseable date: \"1970-01-01Tnoon\""
        );
    }

    #[test]
    fn durations() {
        let check = |text: &str, ms: i64| assert_eq!(duration_ms(text), Ok(ms), "{text}");
        check("PT1H", 3_600_000);
        check("P1D", 86_400_000);
        check("P1DT2H3M4.5S", 93_784_500);
        check("pt0s", 0);
        check("-PT5M", -300_000);
        check("PT-5M", -300_000);
        for wrong in ["", "P", "PT", "1H", "P1H", "PT1.5H", "PT1S1M", "foo"] {
            assert_eq!(duration_ms(wrong).unwrap_err(), "Text cannot be parsed to a Duration", "{wrong}");
        }
    }
}
