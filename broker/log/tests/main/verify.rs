//! Compares a log with the model: what it reads, what it remembers, what its index files say.

use std::sync::Arc;

use rkafka_log::disk::mem::{SimDisk, SimRng};
use rkafka_log::epoch::LeaderEpochs;
use rkafka_log::producer::{ProducerEntry, ProducerStates};
use rkafka_log::{Log, LogConfig, OpenOptions, ReadLimits};
use rkafka_record::DecodeLimits;

use crate::batches::draw;
use crate::index_files::index_files;
use crate::model::{Aborted, Model, StoredBatch, split};
use crate::world::{World, open};

/// What may be found after a crash.
pub(crate) struct Expected<'a> {
    /// The log as it was, at one of these moments, cut at a batch.
    pub(crate) candidates: Vec<&'a Model>,
    /// Batches below this offset have been promised.
    pub(crate) least_end: i64,
    /// The largest log start offset that anyone has asked for.
    pub(crate) log_start_max: i64,
    /// The log was being thrown away: what is left may end where it was never meant to. Of a compacted log it
    /// then does not tell all about its producers: later batches, gone now, told it.
    pub(crate) is_reset: bool,
}

/// What recovery made of a disk; equal for equal logs.
#[derive(Debug, PartialEq)]
pub(crate) struct Recovered {
    pub(crate) log_start: i64,
    pub(crate) end: i64,
    pub(crate) batches: Vec<StoredBatch>,
    epochs: Vec<(i32, i64)>,
    producers: Vec<u8>,
}

/// How closely to look; the costly looks are for some images only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    pub(crate) indexes: bool,
    pub(crate) twice: bool,
    pub(crate) goes_on: bool,
}

/// Everything the log holds from its start on.
pub(crate) fn read_all(log: &Log) -> Result<Vec<StoredBatch>, String> {
    let reader = log.reader();
    let view = reader.view();
    let (mut offset, mut found) = (view.log_start_offset, Vec::new());
    while offset < view.log_end_offset {
        let limits =
            ReadLimits { max_bytes: 1 << 20, upper_offset: view.log_end_offset, at_least_one_batch: true };
        let read = reader.read(offset, limits).map_err(|error| format!("read at {offset}: {error}"))?;
        let Some(slice) = read.slice else { break };
        let bytes = slice.bytes().map_err(|error| format!("read at {offset}: {error}"))?;
        found.extend(split(&bytes)?);
        if read.next_offset <= offset {
            return Err(format!("read at {offset} does not get further"));
        }
        offset = read.next_offset;
    }
    Ok(found)
}

/// Compares the log of a running script with its model.
pub(crate) fn live(world: &mut World) -> Result<(), String> {
    let log = world.log.as_ref().ok_or("not open")?;
    log.check_invariants();
    let (view, model) = (log.view(), &world.model);
    let found = (view.log_start_offset, view.high_watermark, view.log_end_offset);
    let expected = (model.log_start, model.high_watermark.max(model.log_start), model.end);
    if found != expected {
        return Err(format!("log start, high watermark, log end are {found:?}, expected {expected:?}"));
    }
    let (found, expected) = (view.last_stable_offset, model.last_stable_offset());
    if found != expected {
        return Err(format!("last stable offset is {found}, expected {expected}"));
    }
    if world.rng.chance(1, 4) {
        let found = read_all(log)?;
        compare_batches(&found, model.visible(model.log_start))?;
        if found.len() != model.visible(model.log_start).len() {
            return Err(format!("only {} batches can be read", found.len()));
        }
        memory(log, model)?;
        look_ups(log, model, &mut world.rng)?;
        index_files(&world.disk)?;
    }
    Ok(())
}

fn compare_batches(found: &[StoredBatch], expected: &[Arc<StoredBatch>]) -> Result<(), String> {
    for (index, batch) in found.iter().enumerate() {
        match expected.get(index) {
            Some(expected) if expected.bytes == batch.bytes => {}
            Some(expected) => {
                let (found, expected) = (batch.parse(), expected.parse());
                return Err(format!("batch {index} is {found:?}, expected {expected:?}"));
            }
            None => return Err(format!("unknown batch {:?}", batch.parse())),
        }
    }
    Ok(())
}

/// Opens what a crash left and checks all of it.
pub(crate) fn recover(
    disk: &SimDisk,
    config: &Arc<LogConfig>,
    options: OpenOptions,
    expected: &Expected<'_>,
    depth: Depth,
    rng: &mut SimRng,
) -> Result<(), String> {
    let log = open(disk, config, options).map_err(|error| format!("recovery failed: {error}"))?;
    let first = fingerprint(&log)?;
    let log_start = first.log_start;
    if log_start < options.log_start_offset
        || log_start > expected.log_start_max.max(options.log_start_offset)
    {
        return Err(format!("log start offset {log_start} was never asked for"));
    }
    let model = choose(&log, &first, expected)?;
    if depth.indexes {
        look_ups(&log, &model, rng)?;
        index_files(disk)?;
    }
    if depth.goes_on && !expected.is_reset {
        return goes_on(log, disk, config, options, model);
    }
    if depth.twice {
        drop(log);
        let log = open(disk, config, options).map_err(|error| format!("second recovery failed: {error}"))?;
        let second = fingerprint(&log)?;
        if first != second {
            return Err(format!("recovered {first:?}, then {second:?}"));
        }
    }
    Ok(())
}

pub(crate) fn fingerprint(log: &Log) -> Result<Recovered, String> {
    let (view, batches) = (log.view(), read_all(log)?);
    // One that begins at the log end has no batches: whether it is remembered does not matter.
    let epochs = view.epochs.entries().iter().filter(|entry| entry.start_offset < view.log_end_offset);
    let epochs = epochs.map(|entry| (entry.epoch, entry.start_offset)).collect();
    let producers = log.producers().encode_snapshot();
    Ok(Recovered { log_start: view.log_start_offset, end: view.log_end_offset, batches, epochs, producers })
}

/// The moment whose log, cut where the one found ends, is the one found.
pub(crate) fn choose(log: &Log, found: &Recovered, expected: &Expected<'_>) -> Result<Model, String> {
    if found.end < expected.least_end {
        let (end, least) = (found.end, expected.least_end);
        return Err(format!("the log ends at {end}, but everything below {least} was promised"));
    }
    // Where the batches fit, what is remembered tells more.
    let (mut other_batches, mut other_memory) = (None, None);
    for candidate in expected.candidates.iter().rev() {
        if let Err(problem) = is_cut_of(found, candidate) {
            other_batches.get_or_insert(problem);
            continue;
        }
        let mut model = candidate.cut(found.end);
        model.log_start = expected.log_start_max.min(found.end);
        match memory(log, &model) {
            Ok(()) => return Ok(model),
            Err(_) if expected.is_reset && model.is_compacted => return Ok(model),
            Err(problem) => other_memory.get_or_insert(problem),
        };
    }
    Err(other_memory.or(other_batches).unwrap_or_default())
}

pub(crate) fn is_cut_of(found: &Recovered, model: &Model) -> Result<(), String> {
    let visible = model.visible(found.log_start);
    compare_batches(&found.batches, visible)?;
    let begin = found.batches.last().map_or(found.log_start, |last| last.last_offset + 1);
    let next = visible.get(found.batches.len()).map_or(model.end, |next| next.base_offset);
    if found.end < begin || found.end > next.max(begin) {
        return Err(format!("the log ends at {}, expected {begin} to {next}", found.end));
    }
    Ok(())
}

/// Producers, leader epochs and aborted transactions must equal a replay of the batches.
pub(crate) fn memory(log: &Log, model: &Model) -> Result<(), String> {
    let view = log.view();
    let (log_start, end) = (view.log_start_offset, view.log_end_offset);
    // Where the first one begins is not told by the batches: they may begin behind the log start, and a
    // higher log start may have been asked for and not confirmed.
    let first = model.visible(log_start).first().map_or(end, |first| first.base_offset);
    let floor = model.log_start.max(log_start).max(first);
    let inside = |epochs: &LeaderEpochs| -> Vec<_> {
        let mut epochs = epochs.clone();
        epochs.truncate_from_start(floor);
        epochs.truncate_from_end(end);
        // A leader that wrote nothing may be remembered or not.
        let wrote = |epoch| model.history.iter().any(|batch| batch.leader_epoch == epoch);
        let entries = epochs.entries().iter().filter(|entry| wrote(entry.epoch));
        entries.map(|entry| (entry.epoch, entry.start_offset)).collect()
    };
    let (found, expected) = (inside(&view.epochs), inside(&model.epochs()));
    if found != expected {
        return Err(format!("leader epochs are {found:?}, expected {expected:?}"));
    }
    producers(log.producers(), model, log_start)?;
    aborted(log, model, log_start, end)
}

fn producers(found: &ProducerStates, model: &Model, log_start: i64) -> Result<(), String> {
    let first_seen = |id| model.visible(log_start).iter().find(|batch| batch.facts.producer_id == id);
    for expected in model.producers.iter() {
        match found.get(expected.producer_id) {
            Some(found) if is_same_producer(found, expected, model, log_start) => {}
            // Its batches are deleted; whether it is remembered depends on what a snapshot kept.
            None if first_seen(expected.producer_id).is_none() => {}
            found => return Err(format!("producer is {found:?}, expected {expected:?}")),
        }
    }
    match found.iter().find(|entry| model.producers.get(entry.producer_id).is_none()) {
        Some(unknown) => Err(format!("unknown producer {unknown:?}")),
        None => Ok(()),
    }
}

/// Older batches of the window may be forgotten, and so may be what was deleted from the start of the log; of
/// compacted batches only the last one of each producer tells.
fn is_same_producer(found: &ProducerEntry, expected: &ProducerEntry, model: &Model, log_start: i64) -> bool {
    let places = |entry: &ProducerEntry| -> Vec<_> {
        entry.batches().iter().map(|batch| (batch.first_sequence(), batch.last_offset)).collect()
    };
    let window_is_same = if model.is_compacted {
        places(found).iter().all(|place| places(expected).contains(place))
    } else {
        places(expected).ends_with(&places(found))
    };
    let last_is_there = expected.last_batch().is_none_or(|last| last.last_offset < log_start)
        || found.last_batch().map(|batch| batch.last_offset)
            == expected.last_batch().map(|batch| batch.last_offset);
    let transaction_is_same = found.transaction_first_offset == expected.transaction_first_offset
        || expected.transaction_first_offset.is_some_and(|offset| offset < log_start);
    // Its last marker may be deleted, or compacted away.
    let coordinator_is_same = found.coordinator_epoch == expected.coordinator_epoch
        || (found.coordinator_epoch == -1 && (model.is_compacted || log_start > 0));
    found.producer_epoch == expected.producer_epoch
        && coordinator_is_same
        && (found.last_timestamp == expected.last_timestamp || model.is_compacted)
        && window_is_same
        && last_is_there
        && transaction_is_same
}

fn aborted(log: &Log, model: &Model, log_start: i64, end: i64) -> Result<(), String> {
    let found = log.reader().aborted_transactions(log_start, end).map_err(|error| error.to_string())?;
    let mut found: Vec<_> =
        found.iter().map(|txn| (txn.first_offset.max(log_start), txn.producer_id)).collect();
    found.sort_unstable();
    // Where it is seen to begin if what came before is deleted; `None` if nothing of it is left.
    let first_left = |txn: &Aborted| {
        let mut inside = model.visible(log_start.max(txn.first_offset)).iter();
        let is_part = |batch: &&Arc<StoredBatch>| {
            batch.facts.producer_id == txn.producer_id && batch.base_offset < txn.marker_offset
        };
        inside.find(is_part).map(|batch| batch.base_offset.max(log_start))
    };
    let mut rest = found.clone();
    for txn in model.aborted_since(log_start) {
        let left = first_left(&txn);
        let begin = txn.first_offset.max(log_start)..=left.unwrap_or(txn.marker_offset);
        let is_it = |found: &(i64, i64)| found.1 == txn.producer_id && begin.contains(&found.0);
        if let Some(index) = rest.iter().position(is_it) {
            rest.swap_remove(index);
        } else if left.is_some() {
            return Err(format!("aborted transactions are {found:?}, {txn:?} is missing"));
        }
    }
    match rest.first() {
        Some(unknown) => Err(format!("transaction {unknown:?} was not aborted")),
        None => Ok(()),
    }
}

/// A read at any offset begins with the batch that holds it, and times are found as by looking at every
/// record.
fn look_ups(log: &Log, model: &Model, rng: &mut SimRng) -> Result<(), String> {
    let (reader, view) = (log.reader(), log.view());
    let (log_start, end) = (view.log_start_offset, view.log_end_offset);
    let visible = model.visible(log_start);
    let visible = &visible[..visible.partition_point(|batch| batch.last_offset < end)];
    for batch in visible {
        let span = (batch.last_offset - batch.base_offset + 1) as usize;
        let offset = (batch.base_offset + rng.below(span) as i64).max(log_start);
        let limits = ReadLimits { max_bytes: 1, upper_offset: end, at_least_one_batch: true };
        let read = reader.read(offset, limits).map_err(|error| format!("read at {offset}: {error}"))?;
        let bytes = read.slice.map(|slice| slice.bytes().map_err(|error| error.to_string())).transpose()?;
        if bytes.as_ref() != Some(&batch.bytes) {
            return Err(format!(
                "a read of one byte at {offset} does not return the batch {:?}",
                batch.parse()
            ));
        }
    }
    let Some(batch) = visible.get(rng.below(visible.len())) else { return Ok(()) };
    let wanted = batch.max_timestamp + rng.below(3) as i64 - 1;
    let found =
        reader.offset_for_timestamp(wanted, end).map_err(|error| format!("time {wanted}: {error}"))?;
    let found = found.map(|found| (found.offset, found.timestamp, found.leader_epoch));
    let expected = first_at(visible, log_start, wanted);
    if found != expected {
        return Err(format!("timestamp {wanted} is found at {found:?}, expected {expected:?}"));
    }
    Ok(())
}

fn first_at(batches: &[Arc<StoredBatch>], log_start: i64, wanted: i64) -> Option<(i64, i64, i32)> {
    for batch in batches.iter().filter(|batch| batch.max_timestamp >= wanted) {
        let decoded = batch.parse().decode(DecodeLimits::default()).expect("built by the test");
        let mut records = decoded.records().map(|record| record.expect("built by the test"));
        if let Some(record) = records.find(|r| r.timestamp >= wanted && r.offset >= log_start) {
            return Some((record.offset, record.timestamp, batch.leader_epoch));
        }
    }
    None
}

/// After recovery the log must take new batches and keep them over one more kill.
fn goes_on(
    mut log: Log,
    disk: &SimDisk,
    config: &Arc<LogConfig>,
    options: OpenOptions,
    mut model: Model,
) -> Result<(), String> {
    let mut rng = SimRng::new(model.end as u64);
    // What is deleted from the start of the log may be forgotten.
    model.producers = log.producers().clone();
    for _ in 0..3 {
        let base_offset = log.view().log_end_offset;
        let draft = draw(&mut rng, log.producers(), base_offset, 1_000_000, options.now_ms);
        log.append_follower(&draft.bytes, options.now_ms).map_err(|error| format!("append: {error}"))?;
        model.push(StoredBatch::new(draft.bytes));
    }
    drop(log);
    let log = open(disk, config, options).map_err(|error| format!("second recovery failed: {error}"))?;
    let found = fingerprint(&log)?;
    if found.end != model.end {
        return Err(format!("went on to {}, then recovered to {}", model.end, found.end));
    }
    is_cut_of(&found, &model)?;
    memory(&log, &model)
}
