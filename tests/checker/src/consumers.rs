//! What consumers saw, against the log and against what they saw before.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Event, Facts, Kind, Outcome, Partition, Poll};

pub(crate) fn check(facts: &mut Facts<'_>) {
    polls(facts);
    high_watermarks(facts);
    committed_offsets(facts);
}

fn polls(facts: &mut Facts<'_>) {
    let offsets: BTreeMap<Partition, BTreeSet<i64>> = facts
        .logs
        .iter()
        .map(|(partition, log)| (*partition, log.iter().map(|(offset, _)| *offset).collect()))
        .collect();
    let skipped = |partition: &Partition, from: i64, to: i64| {
        offsets.get(partition).and_then(|known| known.range(from + 1..to.max(from + 1)).next().copied())
    };
    let mut last: BTreeMap<(u32, Partition), i64> = BTreeMap::new();
    let mut found = Vec::new();
    for event in &facts.history.events {
        let poll = match event {
            Event::Reset { consumer, partition } => {
                last.remove(&(*consumer, *partition));
                continue;
            }
            Event::Poll(poll) => poll,
            _ => continue,
        };
        let Poll { consumer, partition, records, .. } = poll;
        let mut before = last.get(&(*consumer, *partition)).copied();
        let mut internal = false;
        for (offset, value) in records {
            if let Some(before) = before {
                let (back, skip) = match internal {
                    false => (Kind::NonmonotonicPoll, Kind::PollSkip),
                    true => (Kind::InternalNonmonotonicPoll, Kind::InternalPollSkip),
                };
                let what =
                    format!("consumer {consumer} partition {partition}: {before}, then {offset} ({value})");
                if *offset <= before {
                    found.push((back, what));
                } else if let Some(missing) = skipped(partition, before, *offset) {
                    found.push((skip, format!("{what}, without {missing}")));
                }
            }
            (before, internal) = (Some(*offset), true);
        }
        if let Some(before) = before {
            last.insert((*consumer, *partition), before);
        }
    }
    for (kind, evidence) in found {
        facts.report(kind, evidence);
    }
}

fn high_watermarks(facts: &mut Facts<'_>) {
    let mut last: BTreeMap<(u32, Partition), (i32, i64)> = BTreeMap::new();
    let mut found = Vec::new();
    for poll in facts.polls() {
        let Some((epoch, offset)) = poll.high_watermark else { continue };
        let key = (poll.consumer, poll.partition);
        if let Some((before_epoch, before)) = last.insert(key, (epoch, offset))
            && before_epoch == epoch
            && offset < before
        {
            found.push(format!("consumer and partition {key:?}: {before}, then {offset} in epoch {epoch}"));
        }
    }
    for evidence in found {
        facts.report(Kind::HighWatermarkRegress, evidence);
    }
}

/// A group is told of its last acknowledged commit, or of a later one of unknown outcome.
fn committed_offsets(facts: &mut Facts<'_>) {
    let mut possible: BTreeMap<(u32, Partition), Vec<i64>> = BTreeMap::new();
    let mut found = Vec::new();
    for event in &facts.history.events {
        match event {
            Event::CommitOffset { group, partition, offset, outcome } => {
                let possible = possible.entry((*group, *partition)).or_insert_with(|| vec![-1]);
                match outcome {
                    Outcome::Acknowledged(_) => *possible = vec![*offset],
                    Outcome::Unknown => possible.push(*offset),
                    Outcome::Failed => {}
                }
            }
            Event::FetchOffset { group, partition, offset } => {
                let possible = possible.entry((*group, *partition)).or_insert_with(|| vec![-1]);
                if !possible.contains(offset) {
                    found.push(format!(
                        "group {group} partition {partition}: told {offset}, possible are {possible:?}"
                    ));
                }
            }
            _ => {}
        }
    }
    for evidence in found {
        facts.report(Kind::OffsetCommitRegress, evidence);
    }
}
