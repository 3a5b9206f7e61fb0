//! What is committed, as nobody in the cluster can know it: the yardstick of the invariants.
//!
//! Once any replica has raised its high watermark over a batch, that batch is committed for ever: whoever later
//! has, or believes to have, something committed at its offsets must have the same bytes, and whoever leads later
//! must have it at all. Each replica is checked as its high watermark rises, so a check costs what is new.

use std::collections::BTreeMap;

use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_log::{Log, ReadLimits};
use rkafka_record::{BatchRef, Batches, DecodeLimits};

use crate::client::{SHARED_KEY, values_of};
use crate::process::Stop;

/// One committed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Committed {
    last_offset: i64,
    leader_epoch: i32,
    crc: u32,
    /// A later record may take its place: it has the key that many share, in a compacted topic.
    replaceable: bool,
}

/// What is known of one partition.
#[derive(Debug, Clone, Default)]
struct PartitionTruth {
    batches: BTreeMap<i64, Committed>,
    /// The highest high watermark that anybody has had.
    end: i64,
    /// Who led in which epoch.
    leaders: BTreeMap<i32, BrokerId>,
    /// What was committed when the quorum chose the leader of an epoch.
    due: BTreeMap<i32, i64>,
    /// A replica began anew at its leader's log start.
    restarted: bool,
}

/// The yardstick. Its methods say what is wrong in words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    partitions: BTreeMap<PartitionId, PartitionTruth>,
    /// Counts how often anything was committed.
    risen: u64,
}

/// Reads the batches that begin at `from` or behind it and end below `to`.
fn batches(log: &Log, from: i64, to: i64) -> Result<Vec<(i64, Committed)>, Stop> {
    let compacted = log.config().cleanup_policy.compact;
    let (reader, mut offset, mut found) = (log.reader(), from.max(log.log_start_offset()), Vec::new());
    while offset < to {
        let limits = ReadLimits { max_bytes: 1 << 20, upper_offset: to, at_least_one_batch: true };
        let read = reader.read(offset, limits).map_err(|error| Stop::Disk(error.to_string()))?;
        let Some(slice) = read.slice else { break };
        for batch in Batches::new(&slice.bytes()?) {
            let batch = batch.map_err(|error| Stop::Violation(error.to_string()))?;
            let header = batch.header();
            if header.base_offset() >= from {
                let committed = Committed {
                    last_offset: header.last_offset(),
                    leader_epoch: header.partition_leader_epoch(),
                    crc: header.crc(),
                    replaceable: compacted && has_shared_key(&batch),
                };
                found.push((header.base_offset(), committed));
            }
        }
        offset = read.next_offset;
    }
    Ok(found)
}

fn has_shared_key(batch: &BatchRef<'_>) -> bool {
    let Ok(decoded) = batch.decode(DecodeLimits::default()) else { return false };
    decoded.records().flatten().any(|record| record.key == Some(SHARED_KEY))
}

impl Truth {
    /// Rises whenever anything is committed.
    pub(crate) fn risen(&self) -> u64 {
        self.risen
    }

    /// A replica's high watermark rose from `from` to where it is now.
    pub(crate) fn on_high_watermark(&mut self, id: PartitionId, from: i64, log: &Log) -> Result<(), Stop> {
        let truth = self.partitions.entry(id).or_default();
        for (base, batch) in batches(log, from, log.high_watermark())? {
            let known = *truth.batches.entry(base).or_insert(batch);
            if known != batch && !known.replaceable {
                let what = format!("{id} offset {base}: {batch:?} is committed here, {known:?} elsewhere");
                return Err(Stop::Violation(what));
            }
        }
        self.risen += u64::from(log.high_watermark() > truth.end);
        truth.end = truth.end.max(log.high_watermark());
        Ok(())
    }

    /// The quorum has chosen a leader for this epoch: it must have all that is committed now. What is committed
    /// later, it need not have: it may hear of its election when others have led after it.
    pub(crate) fn on_elected(&mut self, id: PartitionId, leader_epoch: i32) {
        let truth = self.partitions.entry(id).or_default();
        truth.due.entry(leader_epoch).or_insert(truth.end);
    }

    /// A replica begins to lead: it must have what is due, and be the only leader of its epoch.
    pub(crate) fn on_lead(
        &mut self,
        id: PartitionId,
        leader: BrokerId,
        leader_epoch: i32,
        log: &Log,
    ) -> Result<(), Stop> {
        let truth = self.partitions.entry(id).or_default();
        let first = *truth.leaders.entry(leader_epoch).or_insert(leader);
        if first != leader {
            let what = format!("{id} is led by {first} and by {leader} in epoch {leader_epoch}");
            return Err(Stop::Violation(what));
        }
        let due = truth.due.get(&leader_epoch).copied().unwrap_or(0);
        if log.log_end_offset() < due {
            let (end, committed) = (log.log_end_offset(), due);
            let what = format!("{leader} leads {id} from {end} on, but {committed} were committed");
            return Err(Stop::Violation(what));
        }
        let mine: BTreeMap<i64, Committed> = batches(log, log.log_start_offset(), due)?.into_iter().collect();
        let start = log.log_start_offset();
        for (base, committed) in truth.batches.range(start..due.max(start)) {
            // Compacted, it is gone, or a batch without records.
            if mine.get(base) != Some(committed) && !committed.replaceable {
                let own = mine.get(base);
                let what = format!("{leader} leads {id} with {own:?} at {base}, committed is {committed:?}");
                return Err(Stop::Violation(what));
            }
        }
        Ok(())
    }

    /// Everything below this offset is committed.
    pub(crate) fn committed_end(&self, id: PartitionId) -> i64 {
        self.partitions.get(&id).map_or(0, |truth| truth.end)
    }
}

impl Truth {
    /// A replica threw its log away and began at its leader's start: what it knew of producers is gone with it, as
    /// in Apache Kafka.
    pub(crate) fn on_restart(&mut self, id: PartitionId) {
        self.partitions.entry(id).or_default().restarted = true;
    }

    /// Whether producers of the partition may be forgotten: then a retry is not recognised for sure.
    pub(crate) fn may_forget_producers(&self, id: PartitionId) -> bool {
        self.partitions.get(&id).is_some_and(|truth| truth.restarted)
    }
}

/// All values of a log. Of a compacted one those only that no later one replaces: what else is left, differs from
/// replica to replica.
pub(crate) fn values(log: &Log) -> Result<Vec<(i64, rkafka_checker::Value)>, String> {
    let (reader, mut offset, mut found) = (log.reader(), log.log_start_offset(), Vec::new());
    while offset < log.log_end_offset() {
        let limits = ReadLimits { max_bytes: 1 << 20, upper_offset: i64::MAX, at_least_one_batch: true };
        let read = reader.read(offset, limits).map_err(|error| error.to_string())?;
        let Some(slice) = read.slice else { break };
        let bytes = slice.bytes().map_err(|error| error.to_string())?;
        let compacted = log.config().cleanup_policy.compact;
        found.extend(values_of(&bytes, offset, |key| !compacted || key != SHARED_KEY));
        offset = read.next_offset;
    }
    Ok(found)
}
