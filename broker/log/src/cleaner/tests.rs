//! Passes over small logs on a simulated disk: what is kept, when tombstones and markers go, what stops a
//! pass.

use std::collections::BTreeMap;
use std::path::Path;

use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchOptions, Codec, DecodeLimits};

use super::*;
use crate::disk::Disk;
use crate::disk::mem::{CallKind, Failure, SimDisk};
use crate::{Log, LogConfig, OpenOptions, ReadLimits};

const NOW_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 24 * 3_600_000;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 4000,
        delete_retention_ms: DAY_MS,
        segment_ms: i64::MAX,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    }
}

fn new_log(config: LogConfig) -> (SimDisk, Log) {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("/d/t-0")).unwrap();
    let log = open(&disk, config);
    (disk, log)
}

fn open(disk: &SimDisk, config: LogConfig) -> Log {
    let options = OpenOptions {
        recovery_point: 0,
        cleaned_to: 0,
        log_start_offset: 0,
        clean_shutdown: false,
        now_ms: NOW_MS,
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, Path::new("/d/t-0"), "t-0", Arc::new(config), options).unwrap().0
}

/// A record: key, value (none is a tombstone).
type KeyValue<'a> = (&'a str, Option<&'a str>);

fn append(log: &mut Log, options: BatchOptions, records: &[KeyValue<'_>]) -> i64 {
    let base_offset = log.log_end_offset();
    let options = BatchOptions { base_offset, partition_leader_epoch: 0, ..options };
    let mut builder = BatchBuilder::new(options);
    for (key, value) in records {
        builder.append(NOW_MS, Some(key.as_bytes()), value.map(str::as_bytes), &[]).unwrap();
    }
    log.append_follower(&builder.build().unwrap(), NOW_MS).unwrap();
    log.update_high_watermark(log.log_end_offset());
    base_offset
}

fn plain(log: &mut Log, records: &[KeyValue<'_>]) -> i64 {
    append(log, BatchOptions::default(), records)
}

fn in_transaction(producer_id: i64, base_sequence: i32) -> BatchOptions {
    BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence,
        transactional: true,
        ..BatchOptions::default()
    }
}

fn end_transaction(log: &mut Log, producer_id: i64, committed: bool) -> i64 {
    let base_offset = log.log_end_offset();
    let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
    let options = BatchOptions {
        base_offset,
        partition_leader_epoch: 0,
        control: true,
        ..in_transaction(producer_id, -1)
    };
    let mut builder = BatchBuilder::new(options);
    builder.append(NOW_MS, Some(&marker.control_type().key()), Some(&marker.value()), &[]).unwrap();
    log.append_follower(&builder.build().unwrap(), NOW_MS).unwrap();
    log.update_high_watermark(log.log_end_offset());
    base_offset
}

/// What can be cleaned, everything being durable.
fn look(log: &Log, cleaned_to: Option<i64>, now_ms: i64) -> Result<Cleanable, LogError> {
    let progress = Progress { recovery_point: log.log_end_offset(), cleaned_to };
    inspect(&log.reader(), progress, now_ms)
}

/// One whole pass; returns where the next one begins.
fn clean(log: &mut Log, checkpoint: Option<i64>, now_ms: i64) -> i64 {
    let cleanable = look(log, checkpoint, now_ms).unwrap();
    let mut map = OffsetMap::new(1 << 20, 0.9, [3, 4]);
    clean_with(log, cleanable, now_ms, &mut map)
}

fn clean_with(log: &mut Log, cleanable: Cleanable, now_ms: i64, map: &mut OffsetMap) -> i64 {
    let mut pace = |_: u64| true;
    let mut cleaning = Cleaning::begin(log, cleanable, now_ms);
    let end = cleaning.read_keys(map, &mut pace).unwrap();
    while let Some(group) = cleaning.next_group(map, &mut pace).unwrap() {
        let deletion = group.swap_into(log).unwrap().expect("nobody else changes this log");
        deletion.run(&**log.disk()).unwrap();
        log.check_invariants();
    }
    end
}

/// Batches as (base offset, last offset, records as text), from the log start on.
fn contents(log: &Log) -> Vec<(i64, i64, String)> {
    let (reader, mut offset, mut found) = (log.reader(), log.log_start_offset(), Vec::new());
    while offset < log.log_end_offset() {
        let limits = ReadLimits { max_bytes: 1 << 20, upper_offset: i64::MAX, at_least_one_batch: true };
        let read = reader.read(offset, limits).unwrap();
        let Some(slice) = read.slice else { break };
        for batch in rkafka_record::Batches::new(&slice.bytes().unwrap()) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            let decoded = batch.decode(DecodeLimits::default()).unwrap();
            let text =
                |bytes: Option<&[u8]>| bytes.map_or("-".into(), |b| String::from_utf8_lossy(b).into_owned());
            let record = |record: rkafka_record::Record<'_>| match batch.is_control() {
                true => format!("{}:marker", record.offset),
                false => format!("{}:{}={}", record.offset, text(record.key), text(record.value)),
            };
            let records: Vec<_> = decoded.records().map(|r| record(r.unwrap())).collect();
            found.push((batch.base_offset(), batch.last_offset(), records.join(" ")));
        }
        offset = read.next_offset;
    }
    found
}

fn records(log: &Log) -> String {
    let found: Vec<_> = contents(log).into_iter().map(|(_, _, records)| records).collect();
    found.join(" | ")
}

#[test]
fn the_latest_record_of_each_key_stays_at_its_offset() {
    let (disk, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]);
    let zipped = BatchOptions { compression: Codec::Lz4.into(), ..BatchOptions::default() };
    append(&mut log, zipped, &[("a", Some("2")), ("d", Some("1"))]);
    log.roll(NOW_MS).unwrap();
    plain(&mut log, &[("a", Some("3")), ("b", Some("2"))]);
    log.roll(NOW_MS).unwrap();
    plain(&mut log, &[("c", Some("2"))]);
    assert_eq!(clean(&mut log, None, NOW_MS), 7);
    let expected = [
        (0, 2, "2:c=1".to_owned()),
        (3, 4, "4:d=1".to_owned()),
        (5, 6, "5:a=3 6:b=2".to_owned()),
        (7, 7, "7:c=2".to_owned()),
    ];
    assert_eq!(contents(&log), expected, "the active segment is not cleaned, nor does it count");
    assert_eq!(log.view().segment_count(), 2, "small segments are merged");
    drop(log);
    assert_eq!(contents(&open(&disk, config())), expected);
}

#[test]
fn the_next_pass_goes_on_where_the_last_one_ended() {
    let (_, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
    log.roll(NOW_MS).unwrap();
    let checkpoint = clean(&mut log, None, NOW_MS);
    assert_eq!(checkpoint, 2);
    plain(&mut log, &[("b", Some("2"))]);
    let cleanable = look(&log, Some(checkpoint), NOW_MS).unwrap();
    assert_eq!(
        (cleanable.first_dirty_offset, cleanable.cleanable_bytes, cleanable.is_due(0.0)),
        (2, 0, false)
    );
    log.roll(NOW_MS).unwrap();
    let cleanable = look(&log, Some(checkpoint), NOW_MS).unwrap();
    assert!(cleanable.is_due(0.4) && !cleanable.is_due(0.6), "ratio {}", cleanable.ratio());
    assert_eq!(clean(&mut log, Some(checkpoint), NOW_MS), 3);
    assert_eq!(records(&log), "0:a=1 | 2:b=2");
    for outside in [Some(-5), Some(400), None] {
        assert_eq!(look(&log, outside, NOW_MS).unwrap().first_dirty_offset, 0);
    }
}

#[test]
fn a_tombstone_goes_after_its_delete_horizon() {
    let (_, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
    plain(&mut log, &[("a", None), ("c", Some("1"))]);
    log.roll(NOW_MS).unwrap();
    clean(&mut log, None, NOW_MS);
    assert_eq!(records(&log), "1:b=1 | 2:a=- 3:c=1", "the tombstone hides the value, and stays for readers");
    let timestamps = log.reader().offset_for_timestamp(NOW_MS, i64::MAX).unwrap();
    assert_eq!(timestamps.map(|found| found.offset), Some(1), "record times are as they were");
    clean(&mut log, None, NOW_MS + DAY_MS - 1);
    assert_eq!(records(&log), "1:b=1 | 2:a=- 3:c=1");
    clean(&mut log, None, NOW_MS + DAY_MS);
    assert_eq!(records(&log), "1:b=1 | 3:c=1");
}

#[test]
fn aborted_records_go_at_once_and_markers_when_nothing_is_left_to_mark() {
    let (_, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("0"))]);
    append(&mut log, in_transaction(1, 0), &[("a", Some("aborted"))]);
    append(&mut log, in_transaction(2, 0), &[("b", Some("committed"))]);
    end_transaction(&mut log, 1, false);
    end_transaction(&mut log, 2, true);
    // So that the batches above are not the last ones of their producers.
    append(&mut log, in_transaction(1, 1), &[("x", Some("1"))]);
    end_transaction(&mut log, 1, true);
    append(&mut log, in_transaction(2, 1), &[("x", Some("2"))]);
    end_transaction(&mut log, 2, true);
    log.roll(NOW_MS).unwrap();
    let aborted = |log: &Log| log.reader().aborted_transactions(0, i64::MAX).unwrap().len();
    clean(&mut log, None, NOW_MS);
    let first = "0:a=0 | 2:b=committed | 3:marker | 4:marker |  | 6:marker | 7:x=2 | 8:marker";
    assert_eq!((records(&log).as_str(), aborted(&log)), (first, 1), "one marker is still needed");
    clean(&mut log, None, NOW_MS + 1);
    assert_eq!((records(&log).as_str(), aborted(&log)), (first, 0), "now it gets its delete horizon");
    clean(&mut log, None, NOW_MS + 1 + DAY_MS);
    // Marker 6 stays with the emptied batch 5, which must stay for its producer.
    assert_eq!(records(&log), "0:a=0 | 2:b=committed | 4:marker |  | 6:marker | 7:x=2 | 8:marker");
}

#[test]
fn a_producers_last_batch_stays_without_its_records() {
    let (disk, mut log) = new_log(config());
    let idempotent =
        BatchOptions { producer_id: 7, producer_epoch: 2, base_sequence: 40, ..BatchOptions::default() };
    append(&mut log, idempotent, &[("a", Some("1")), ("a", Some("2"))]);
    plain(&mut log, &[("a", Some("3"))]);
    log.roll(NOW_MS).unwrap();
    clean(&mut log, None, NOW_MS);
    assert_eq!(contents(&log).first(), Some(&(0, 1, String::new())));
    let before: Vec<_> = log.producers().iter().cloned().collect();
    drop(log);
    // Without snapshots the batches must tell the same.
    for path in disk.files().iter().filter(|path| path.extension().is_some_and(|e| e == "snapshot")) {
        disk.remove_file(path).unwrap();
    }
    let after: Vec<_> = open(&disk, config()).producers().iter().cloned().collect();
    assert_eq!(after, before);
}

#[test]
fn nothing_undecided_or_too_young_is_cleaned() {
    let (_, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1"))]);
    log.roll(NOW_MS).unwrap();
    append(&mut log, in_transaction(1, 0), &[("a", Some("open"))]);
    log.roll(NOW_MS).unwrap();
    plain(&mut log, &[("a", Some("2"))]);
    log.roll(NOW_MS).unwrap();
    let cleanable = look(&log, None, NOW_MS).unwrap();
    assert_eq!(cleanable.first_uncleanable_offset, 1, "the open transaction's segment");
    clean(&mut log, None, NOW_MS);
    assert_eq!(records(&log), "0:a=1 | 1:a=open | 2:a=2");
    end_transaction(&mut log, 1, true);
    let uncleanable = |log: &mut Log, lag_ms, now_ms| {
        log.set_config(Arc::new(LogConfig { min_compaction_lag_ms: lag_ms, ..config() }));
        look(log, None, now_ms).unwrap().first_uncleanable_offset
    };
    assert_eq!(uncleanable(&mut log, 0, NOW_MS), 3, "up to the active segment");
    assert_eq!(uncleanable(&mut log, 1000, NOW_MS + 999), 0, "all records are younger than the lag");
    assert_eq!(uncleanable(&mut log, 1000, NOW_MS + 1000), 3);
    let progress = Progress { recovery_point: 2, cleaned_to: None };
    let cleanable = inspect(&log.reader(), progress, NOW_MS + 1000).unwrap();
    assert_eq!(cleanable.first_uncleanable_offset, 2, "what is not durable is not cleaned");
    log.set_config(Arc::new(LogConfig { max_compaction_lag_ms: 1000, ..config() }));
    assert!(!look(&log, None, NOW_MS + 1000).unwrap().overdue);
    assert!(look(&log, None, NOW_MS + 1001).unwrap().overdue);
}

#[test]
fn a_full_map_cleans_as_far_as_it_can() {
    let (_, mut log) = new_log(config());
    for round in 0..3 {
        for key in ["a", "b", "c", "d"] {
            plain(&mut log, &[(key, Some(["x", "y", "z"][round]))]);
        }
        log.roll(NOW_MS).unwrap();
    }
    let mut map = OffsetMap::new(3 * 24, 0.9, [0, 0]);
    let (mut checkpoint, mut passes) = (None, 0);
    while checkpoint.is_none_or(|offset| offset < 12) {
        let cleanable = look(&log, checkpoint, NOW_MS).unwrap();
        let end = clean_with(&mut log, cleanable, NOW_MS, &mut map);
        assert!(end > checkpoint.unwrap_or(-1), "no progress from {checkpoint:?}");
        checkpoint = Some(end);
        passes += 1;
    }
    assert!(passes > 3, "{passes} passes");
    assert_eq!(records(&log), "8:a=z | 9:b=z | 10:c=z | 11:d=z");
}

#[test]
fn a_stopped_pass_leaves_the_log_and_no_files() {
    let (disk, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1"))]);
    plain(&mut log, &[("a", Some("2"))]);
    log.roll(NOW_MS).unwrap();
    let before = disk.files();
    let cleanable = look(&log, None, NOW_MS).unwrap();
    for allowed in 0..5 {
        let mut map = OffsetMap::new(1 << 10, 0.9, [0, 0]);
        let mut left = allowed;
        let mut pace = |_: u64| {
            left -= 1;
            left >= 0
        };
        let mut cleaning = Cleaning::begin(&log, cleanable, NOW_MS);
        let stopped = match cleaning.read_keys(&mut map, &mut pace) {
            Err(error) => Err(error),
            Ok(_) => cleaning.next_group(&map, &mut pace).map(|_| ()),
        };
        assert!(matches!(stopped, Err(CleaningError::Stopped)), "{allowed}: {stopped:?}");
        assert_eq!(disk.files(), before);
    }
    clean(&mut log, None, NOW_MS);
    assert_eq!(records(&log), "1:a=2");
}

#[test]
fn a_pass_that_fails_leaves_the_log_and_no_files_and_can_be_tried_again() {
    for (kind, failure) in [(CallKind::Sync, Failure::Io), (CallKind::Write, Failure::NoSpace)] {
        let mut failed = 0;
        for call in 1..20 {
            let (disk, mut log) = new_log(config());
            plain(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
            plain(&mut log, &[("a", Some("2"))]);
            log.roll(NOW_MS).unwrap();
            let cleanable = look(&log, None, NOW_MS).unwrap();
            let mut map = OffsetMap::new(1 << 10, 0.9, [0, 0]);
            let mut pass = Cleaning::begin(&log, cleanable, NOW_MS);
            pass.read_keys(&mut map, &mut |_: u64| true).unwrap();
            disk.fail_nth(kind, call, failure);
            let Err(error) = pass.next_group(&map, &mut |_: u64| true) else { break };
            failed += 1;
            assert!(matches!(error, CleaningError::Log(_)), "{error}");
            assert!(disk.files().iter().all(|path| !path.to_string_lossy().ends_with(".cleaned")));
            assert_eq!(clean(&mut log, None, NOW_MS), 3);
            assert_eq!(records(&log).matches("a=").count(), 1);
        }
        assert!(failed > 0, "{kind:?} failed {failed} times");
    }
}

#[test]
fn copies_of_segments_that_have_gone_are_thrown_away() {
    let (disk, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1"))]);
    plain(&mut log, &[("a", Some("2"))]);
    log.roll(NOW_MS).unwrap();
    plain(&mut log, &[("b", Some("1"))]);
    let cleanable = look(&log, None, NOW_MS).unwrap();
    let mut map = OffsetMap::new(1 << 10, 0.9, [0, 0]);
    let mut cleaning = Cleaning::begin(&log, cleanable, NOW_MS);
    cleaning.read_keys(&mut map, &mut |_: u64| true).unwrap();
    let group = cleaning.next_group(&map, &mut |_: u64| true).unwrap().expect("something to clean");
    let _ = log.truncate_fully(50).unwrap();
    assert_eq!(group.swap_into(&mut log).unwrap(), None);
    assert!(disk.files().iter().all(|path| !path.to_string_lossy().ends_with(".cleaned")));
    assert_eq!(contents(&log), []);
}

#[test]
fn damage_is_named_and_never_copied() {
    let (disk, mut log) = new_log(config());
    plain(&mut log, &[("a", Some("1"))]);
    plain(&mut log, &[("a", Some("2"))]);
    log.roll(NOW_MS).unwrap();
    let path = Path::new("/d/t-0/00000000000000000000.log");
    disk.corrupt(path, |bytes| *bytes.last_mut().unwrap() ^= 1).unwrap();
    let cleanable = look(&log, None, NOW_MS).unwrap();
    let mut map = OffsetMap::new(1 << 10, 0.9, [0, 0]);
    let error = Cleaning::begin(&log, cleanable, NOW_MS).read_keys(&mut map, &mut |_: u64| true).unwrap_err();
    assert!(matches!(&error, CleaningError::Uncleanable { base_offset: 1, .. }), "{error}");
    assert!(error.to_string().contains("00000000000000000000.log"), "{error}");
}

#[test]
fn random_logs_keep_the_latest_value_of_every_key() {
    for seed in 0..40 {
        let mut rng = crate::disk::mem::SimRng::new(seed);
        let (disk, mut log) = new_log(LogConfig { segment_bytes: 600 + rng.below(3000) as u64, ..config() });
        let (mut latest, mut checkpoint) = (BTreeMap::new(), None);
        for step in 0..120 {
            let codec = [Codec::None, Codec::Zstd][rng.below(2)];
            let options = BatchOptions { compression: codec.into(), ..BatchOptions::default() };
            let keys: Vec<_> = (0..1 + rng.below(4)).map(|_| format!("k{}", rng.below(12))).collect();
            let value = format!("{step} {}", "v".repeat(rng.below(60)));
            let batch: Vec<KeyValue<'_>> =
                keys.iter().map(|key| (key.as_str(), Some(value.as_str()))).collect();
            append(&mut log, options, &batch);
            latest.extend(keys.iter().map(|key| (key.clone(), value.clone())));
            if rng.chance(1, 15) {
                let mut map = OffsetMap::new(24 * (2 + rng.below(30)), 0.9, [seed, 1]);
                let cleanable = look(&log, checkpoint, NOW_MS).unwrap();
                checkpoint = Some(clean_with(&mut log, cleanable, NOW_MS, &mut map));
            }
        }
        let check = |log: &Log| {
            let mut found = BTreeMap::new();
            for record in records(log).split(['|', ':']).flat_map(|part| part.split_once('=')) {
                let value = record.1.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
                found.insert(record.0.to_owned(), value.to_owned());
            }
            let latest: BTreeMap<_, _> =
                latest.iter().map(|(k, v)| (k.clone(), v.trim_end().to_owned())).collect();
            assert_eq!(found, latest, "seed {seed}");
        };
        check(&log);
        let end = log.log_end_offset();
        drop(log);
        let log = open(&disk, config());
        check(&log);
        assert_eq!(log.log_end_offset(), end);
    }
}
