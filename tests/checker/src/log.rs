//! What the log holds, against what producers were told.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Event, Facts, Kind, Outcome, Partition, Send, Value};

pub(crate) fn check(facts: &mut Facts<'_>) {
    one_value_per_offset(facts);
    acknowledged_are_there(facts);
    no_value_twice(facts);
    nothing_invented(facts);
    order_of_sends(facts);
    fenced_brokers_are_silent(facts);
}

/// Every (partition, offset) that anybody was told of, with its value.
fn sightings<'a>(facts: &Facts<'a>) -> Vec<(Partition, i64, Value)> {
    let mut seen = Vec::new();
    for event in &facts.history.events {
        match event {
            Event::Send(Send {
                partition,
                value,
                outcome: Outcome::Acknowledged(Some(offset)),
                promise,
                ..
            }) if promise.durable => {
                seen.push((*partition, *offset, *value));
            }
            Event::Poll(poll) => {
                seen.extend(poll.records.iter().map(|(offset, value)| (poll.partition, *offset, *value)));
            }
            Event::ReadBack { partition, records } => {
                seen.extend(records.iter().map(|(offset, value)| (*partition, *offset, *value)));
            }
            _ => {}
        }
    }
    seen
}

fn one_value_per_offset(facts: &mut Facts<'_>) {
    let mut known = BTreeMap::new();
    let mut reported = BTreeSet::new();
    for (partition, offset, value) in sightings(facts) {
        let first = *known.entry((partition, offset)).or_insert(value);
        if first != value && reported.insert((partition, offset)) {
            let evidence = format!("partition {partition} offset {offset} holds {first} and {value}");
            facts.report(Kind::InconsistentOffsets, evidence);
        }
    }
}

fn acknowledged_are_there(facts: &mut Facts<'_>) {
    let sends: Vec<&Send> = facts.sends.values().copied().collect();
    let present: BTreeSet<(Partition, Value)> = facts
        .logs
        .iter()
        .flat_map(|(partition, log)| log.iter().map(|(_, value)| (*partition, *value)))
        .collect();
    for send in sends {
        let Outcome::Acknowledged(offset) = send.outcome else { continue };
        let aborted = send
            .transaction
            .is_some_and(|id| !matches!(facts.transactions.get(&id), Some(Outcome::Acknowledged(_))));
        let Some(log) = facts.logs.get(&send.partition) else { continue };
        if !send.promise.durable || aborted || present.contains(&(send.partition, send.value)) {
            continue;
        }
        let deleted = facts.deleted_below.get(&send.partition).copied().unwrap_or(0);
        if offset.is_some_and(|offset| offset < deleted) || (offset.is_none() && deleted > 0) {
            continue;
        }
        let last = log.last().map_or(-1, |(offset, _)| *offset);
        let kind = if offset.is_some_and(|offset| offset > last) { Kind::Unseen } else { Kind::LostWrite };
        let (value, partition) = (send.value, send.partition);
        let evidence =
            format!("{value}, acknowledged at {offset:?} in partition {partition}, ends at {last}");
        facts.report(kind, evidence);
    }
}

fn no_value_twice(facts: &mut Facts<'_>) {
    let mut places: BTreeMap<Value, (Partition, i64)> = BTreeMap::new();
    for (partition, offset, value) in sightings(facts) {
        let idempotent = facts.sends.get(&value).is_some_and(|send| send.promise.idempotent);
        let first = *places.entry(value).or_insert((partition, offset));
        if idempotent && first != (partition, offset) {
            facts.report(Kind::Duplicate, format!("{value} at {first:?} and at {:?}", (partition, offset)));
        }
    }
}

fn nothing_invented(facts: &mut Facts<'_>) {
    for (partition, offset, value) in sightings(facts) {
        if facts.sends.get(&value).is_none_or(|send| send.partition != partition) {
            facts.report(Kind::Invented, format!("{value} at {offset} of partition {partition}"));
        }
    }
}

/// Offsets of a producer's acknowledged sends rise if one began after the other had ended; those of an
/// idempotent producer rise in the log in the order of sending, however many were under way.
fn order_of_sends(facts: &mut Facts<'_>) {
    let mut by_producer: BTreeMap<(u32, Partition), Vec<&Send>> = BTreeMap::new();
    for send in facts.sends.values() {
        by_producer.entry((send.value.producer, send.partition)).or_default().push(send);
    }
    let acknowledged = |send: &&Send| match send.outcome {
        Outcome::Acknowledged(Some(offset)) if send.promise.durable => Some(offset),
        _ => None,
    };
    let mut found = Vec::new();
    for sends in by_producer.values() {
        let mut last: Option<(&Send, i64)> = None;
        for send in sends {
            let Some(offset) = acknowledged(send) else { continue };
            if let Some((earlier, before)) = last
                && earlier.completed_ms < send.invoked_ms
                && offset <= before
            {
                let (first, second) = (earlier.value, send.value);
                found.push((
                    Kind::NonmonotonicSend,
                    format!("{first} at {before}, then {second} at {offset}"),
                ));
            }
            last = Some((send, offset));
        }
    }
    for (partition, log) in &facts.logs {
        let mut latest: BTreeMap<u32, Value> = BTreeMap::new();
        for (offset, value) in *log {
            let idempotent = facts.sends.get(value).is_some_and(|send| send.promise.idempotent);
            if let Some(before) = latest.insert(value.producer, *value)
                && idempotent
                && before > *value
            {
                let evidence = format!("{value} at {offset} of partition {partition}, behind {before}");
                found.push((Kind::InternalNonmonotonicSend, evidence));
            }
        }
    }
    for (kind, evidence) in found {
        facts.report(kind, evidence);
    }
}

fn fenced_brokers_are_silent(facts: &mut Facts<'_>) {
    let mut found = Vec::new();
    for event in &facts.history.events {
        let Event::Fenced { broker, from_ms, until_ms } = event else { continue };
        for send in facts.sends.values() {
            if let Some((by, at_ms)) = send.acknowledged_by
                && by == *broker
                && (*from_ms..*until_ms).contains(&at_ms)
            {
                found.push(format!("broker {broker} acknowledged {} at {at_ms} ms", send.value));
            }
        }
    }
    for evidence in found {
        facts.report(Kind::AcknowledgedByFenced, evidence);
    }
}
