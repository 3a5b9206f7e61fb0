//! Whether one log is a compaction of another: nothing invented, nothing moved, the latest record of each key
//! kept.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_record::DecodeLimits;

use crate::model::{Model, StoredBatch};

/// What tells one record from another.
type Content = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

fn records(batches: &[impl std::ops::Deref<Target = StoredBatch>]) -> BTreeMap<i64, (Content, bool, i64)> {
    let mut found = BTreeMap::new();
    for batch in batches {
        let parsed = batch.parse();
        let decoded = parsed.decode(DecodeLimits::default()).expect("batches of the test's own making");
        for record in decoded.records() {
            let record = record.expect("batches of the test's own making");
            let content =
                (record.timestamp, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            found.insert(record.offset, (content, parsed.is_control(), batch.facts.producer_id));
        }
    }
    found
}

/// Checks `found`, read after a group was swapped in, against the log before. No record at or behind `end`
/// may go.
pub(crate) fn check(before: &Model, found: &[StoredBatch], end: i64, now_ms: i64) -> Result<(), String> {
    let old = before.visible(before.log_start);
    for batch in found {
        let original = old.iter().find(|old| old.base_offset == batch.base_offset);
        let original = original.ok_or_else(|| format!("invented batch {:?}", batch.parse()))?;
        let header = |batch: &StoredBatch| {
            (batch.last_offset, batch.leader_epoch, batch.facts.producer_id, batch.facts.base_sequence)
        };
        if header(original) != header(batch) {
            return Err(format!("{:?} became {:?}", original.parse(), batch.parse()));
        }
    }
    let found: Vec<&StoredBatch> = found.iter().collect();
    let (old_records, new_records) = (records(old), records(&found));
    for (offset, new) in &new_records {
        if old_records.get(offset) != Some(new) {
            return Err(format!("record {offset} was {:?}, is {new:?}", old_records.get(offset)));
        }
    }
    let aborted: BTreeSet<i64> =
        old_records.iter().filter(|(o, r)| is_aborted(before, **o, r.2)).map(|(o, _)| *o).collect();
    let is_lost = |(offset, (_, is_control, _)): &(&i64, &(Content, bool, i64))| {
        !is_control && !aborted.contains(offset) && !new_records.contains_key(offset)
    };
    if let Some((lost, _)) = old_records.range(end..).find(is_lost) {
        return Err(format!("record {lost} is gone, but keys were read up to {end} only"));
    }
    let mut latest: BTreeMap<&Vec<u8>, i64> = BTreeMap::new();
    for (offset, ((_, key, _), is_control, _)) in &old_records {
        if let Some(key) = key.as_ref().filter(|_| !is_control && !aborted.contains(offset)) {
            latest.insert(key, *offset);
        }
    }
    for (key, offset) in latest {
        let kept = new_records.contains_key(&offset);
        let is_tombstone = old_records.get(&offset).is_some_and(|((_, _, value), _, _)| value.is_none());
        let may_go = is_tombstone && horizon_has_passed(before, offset, now_ms);
        if !(kept || may_go) {
            return Err(format!(
                "the latest record of {:?}, at {offset}, is gone",
                String::from_utf8_lossy(key)
            ));
        }
    }
    Ok(())
}

fn is_aborted(before: &Model, offset: i64, producer_id: i64) -> bool {
    before.aborted.iter().any(|transaction| {
        transaction.producer_id == producer_id
            && (transaction.first_offset..transaction.marker_offset).contains(&offset)
    })
}

fn horizon_has_passed(before: &Model, offset: i64, now_ms: i64) -> bool {
    let batch = before.batches.iter().find(|batch| (batch.base_offset..=batch.last_offset).contains(&offset));
    batch.and_then(|batch| batch.parse().delete_horizon_ms()).is_some_and(|horizon_ms| horizon_ms <= now_ms)
}
