//! Transactions: all or nothing, and nothing of them before they are committed.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Facts, Kind, Outcome, Send, Value};

pub(crate) fn check(facts: &mut Facts<'_>) {
    aborted_reads(facts);
    precommitted_reads(facts);
    torn(facts);
    circular_reads(facts);
}

fn is_aborted(facts: &Facts<'_>, send: &Send) -> bool {
    let transaction = send.transaction.and_then(|id| facts.transactions.get(&id));
    transaction == Some(&Outcome::Failed)
}

/// A definite failure left nothing to read; nor did an aborted transaction, for those who read committed.
fn aborted_reads(facts: &mut Facts<'_>) {
    let mut found = BTreeSet::new();
    let mut look = |value: &Value, committed_only: bool, facts: &Facts<'_>| {
        let Some(send) = facts.sends.get(value) else { return };
        if send.outcome == Outcome::Failed || (committed_only && is_aborted(facts, send)) {
            found.insert(*value);
        }
    };
    for poll in facts.polls() {
        poll.records.iter().for_each(|(_, value)| look(value, poll.committed_only, facts));
    }
    for log in facts.logs.values() {
        log.iter().for_each(|(_, value)| look(value, true, facts));
    }
    for value in found {
        facts.report(Kind::AbortedRead, format!("{value} was read"));
    }
}

fn precommitted_reads(facts: &mut Facts<'_>) {
    let mut found = Vec::new();
    for poll in facts.polls().filter(|poll| poll.committed_only) {
        for (_, value) in &poll.records {
            let writer = facts.sends.get(value).and_then(|send| send.transaction);
            if writer.is_some() && writer == poll.transaction {
                found.push(format!("{value} was read within its own transaction"));
            }
        }
    }
    for evidence in found {
        facts.report(Kind::PrecommittedRead, evidence);
    }
}

/// Of a transaction's acknowledged sends either all are in the log or none.
fn torn(facts: &mut Facts<'_>) {
    let present: BTreeSet<Value> =
        facts.logs.values().flat_map(|log| log.iter().map(|(_, value)| *value)).collect();
    let mut parts: BTreeMap<u64, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for send in facts.sends.values() {
        let (Some(id), Outcome::Acknowledged(offset)) = (send.transaction, send.outcome) else { continue };
        let deleted = facts.deleted_below.get(&send.partition).copied().unwrap_or(0);
        if !facts.logs.contains_key(&send.partition) || offset.is_none_or(|offset| offset < deleted) {
            continue;
        }
        let (there, missing) = parts.entry(id).or_default();
        if present.contains(&send.value) { there.push(send.value) } else { missing.push(send.value) }
    }
    for (id, (there, missing)) in parts {
        if let (Some(there), Some(missing)) = (there.first(), missing.first()) {
            facts.report(
                Kind::TornTransaction,
                format!("of transaction {id} {there} is there, {missing} is not"),
            );
        }
    }
}

/// Transactions that read from one another in a circle: each must have been committed before the other.
fn circular_reads(facts: &mut Facts<'_>) {
    let mut reads_from: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for poll in facts.polls().filter(|poll| poll.committed_only) {
        let Some(reader) = poll.transaction else { continue };
        let writers = poll.records.iter().filter_map(|(_, value)| facts.sends.get(value)?.transaction);
        reads_from.entry(reader).or_default().extend(writers.filter(|writer| *writer != reader));
    }
    let mut reported = BTreeSet::new();
    for start in reads_from.keys() {
        let mut open = vec![*start];
        let mut reached = BTreeSet::new();
        while let Some(next) = open.pop() {
            for writer in reads_from.get(&next).into_iter().flatten() {
                if reached.insert(*writer) {
                    open.push(*writer);
                }
            }
        }
        if reached.contains(start) {
            reported.insert(*start);
        }
    }
    if let Some(first) = reported.first() {
        facts.report(Kind::CircularRead, format!("transactions {reported:?} read in a circle from {first}"));
    }
}
