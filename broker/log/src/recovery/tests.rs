//! What opening a log does after each kind of stop.

use super::*;
use crate::testing::{NOW_MS, TestLog, batch, clean, config, from_producer, options};

const FIRST: &str = "00000000000000000000.log";

fn test_log() -> TestLog {
    let mut test = TestLog::new(LogConfig { index_interval_bytes: 200, segment_bytes: 2000, ..config() });
    for number in 0..20 {
        let options = from_producer(number % 2, number as i32 / 2, false);
        test.append(&batch(options, &[(NOW_MS + number, None, &"v".repeat(100))]));
    }
    assert_eq!(test.base_offsets(), [0, 11]);
    test
}

fn after(test: TestLog, options: OpenOptions, damage: impl FnOnce(&TestLog)) -> TestLog {
    damage(&test);
    test.reopened(options)
}

fn corrupt(test: &TestLog, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    test.disk.corrupt(&test.path(name), change).expect("there");
}

#[test]
fn after_a_kill_everything_is_there() {
    let test = test_log();
    let producers = test.log.producers().encode_snapshot();
    let test = test.reopened(options());
    assert_eq!((test.report.segments_scanned, test.report.bytes_truncated), (2, 0));
    assert_eq!((test.log.log_end_offset(), test.batches_from(0).len()), (20, 20));
    assert_eq!(test.log.producers().encode_snapshot(), producers);
    assert_eq!(test.log.recovery_point(), 0, "it moves with a sync only");
}

#[test]
fn after_a_kill_nothing_stays_reserved() {
    let test = test_log();
    let sizes = |test: &TestLog| {
        let size = |path: &std::path::PathBuf| test.disk.contents(path).map_or(0, |bytes| bytes.len() as u64);
        test.disk.files().iter().map(size).sum::<u64>()
    };
    assert!(test.disk.used_bytes() > sizes(&test) + 10_000);
    let test = test.reopened(options());
    assert_eq!(test.disk.used_bytes(), sizes(&test));
}

#[test]
fn only_segments_from_the_recovery_point_on_are_scanned() {
    let recovery_point = 15;
    let test = test_log().reopened(OpenOptions { recovery_point, ..options() });
    assert_eq!((test.report.segments_scanned, test.log.recovery_point()), (1, 15));
    let test = test.reopened(OpenOptions { recovery_point: 10, ..options() });
    assert_eq!(test.report.segments_scanned, 2);
    let test = test.reopened(OpenOptions { recovery_point: 1000, ..options() });
    assert_eq!((test.report.segments_scanned, test.log.recovery_point()), (1, 20));
}

#[test]
fn the_log_is_cut_at_the_first_damage_and_later_segments_go() {
    let size = test_log().log.segments[0].size() / 11;
    for broken_batch in 0..11_u64 {
        for place in [0, 8, 16, 20, 70, 160] {
            let test = after(test_log(), options(), |test| {
                corrupt(test, FIRST, |bytes| bytes[(broken_batch * size + place) as usize] ^= 0x40);
            });
            assert_eq!(test.log.log_end_offset(), broken_batch as i64, "byte {place}: {:?}", test.report);
            assert_eq!(test.batches_from(0).len() as u64, broken_batch);
            assert_eq!((test.report.segments_removed, test.base_offsets()), (1, vec![0]));
            assert_eq!(test.log.active.size(), broken_batch * size);
            test.log.check_invariants();
        }
    }
}

#[test]
fn a_torn_or_zero_tail_is_cut() {
    for tail in [1, 17, 60, 61, 100] {
        let test = after(test_log(), options(), |test| {
            corrupt(test, "00000000000000000011.log", |bytes| {
                let whole = bytes.clone();
                bytes.extend(&whole[..tail]);
            });
        });
        assert_eq!((test.log.log_end_offset(), test.report.bytes_truncated), (20, tail as u64));
        let test = after(test, options(), |test| {
            corrupt(test, "00000000000000000011.log", |bytes| bytes.resize(bytes.len() + 10 * tail, 0));
        });
        assert_eq!((test.log.log_end_offset(), test.report.bytes_truncated), (20, 10 * tail as u64));
    }
}

#[test]
fn a_batch_of_other_offsets_is_damage() {
    // A valid batch once more behind itself, as a recycled block could leave it.
    let test = after(test_log(), options(), |test| {
        corrupt(test, "00000000000000000011.log", |bytes| bytes.extend_from_within(..));
    });
    assert_eq!((test.log.log_end_offset(), test.batches_from(0).len()), (20, 20));
    assert!(test.report.notes.iter().any(|note| note.contains("offsets 11 to 11")), "{:?}", test.report);
}

#[test]
fn indexes_are_made_anew_and_equal_those_of_appending() {
    let mut test = test_log();
    test.log.roll(NOW_MS).expect("rolls");
    let names =
        ["00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000011.timeindex"];
    let read = |test: &TestLog| names.map(|name| test.disk.contents(&test.path(name)).expect("there"));
    let before = read(&test);
    assert!(before.iter().all(|bytes| bytes.len() > 12), "{before:?}");
    let test = after(test, options(), |test| {
        corrupt(test, names[0], |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0xff));
        test.disk.remove_file(&test.path(names[1])).expect("there");
    });
    assert_eq!(read(&test), before);
    // Also without a scan, if one is missing.
    let test = after(test, clean(), |test| test.disk.remove_file(&test.path(names[1])).expect("there"));
    assert_eq!((test.report.segments_scanned, test.report.indexes_rebuilt), (0, 1));
    assert_eq!(read(&test), before);
}

#[test]
fn a_log_opens_on_a_full_disk_and_is_whole() {
    let mut test = test_log();
    test.log.roll(NOW_MS).expect("rolls");
    for name in ["00000000000000000000.timeindex", "00000000000000000011.index"] {
        test.disk.remove_file(&test.path(name)).expect("there");
    }
    let producers = test.log.producers().encode_snapshot();
    test.disk.set_capacity(Some(0));
    let test = test.reopened(options());
    assert_eq!((test.log.log_end_offset(), test.batches_from(0).len()), (20, 20));
    assert_eq!(test.log.producers().encode_snapshot(), producers);
    let found = test.log.reader().offset_for_timestamp(NOW_MS + 13, 20).expect("looks up");
    assert_eq!(found.map(|found| found.offset), Some(13));
    test.disk.set_capacity(None);
    let test = test.reopened(options());
    assert_eq!((test.log.log_end_offset(), test.report.indexes_rebuilt), (20, 3));
    assert!(test.names().contains(&"00000000000000000011.index".to_owned()), "{:?}", test.names());
}

#[test]
fn gaps_below_what_is_known_to_be_durable_are_believed() {
    let check = |options: OpenOptions, end: i64| {
        let mut test = test_log();
        test.log.roll(NOW_MS).expect("rolls");
        test.append_plain(1, 10);
        // The last batch of the first segment goes, as Apache Kafka's cleaner takes it away.
        let test = after(test, options, |test| {
            corrupt(test, FIRST, |bytes| bytes.truncate(bytes.len() / 11 * 10));
        });
        assert_eq!(test.log.log_end_offset(), end, "{options:?}");
    };
    check(OpenOptions { recovery_point: 5, ..options() }, 10);
    check(OpenOptions { recovery_point: 11, ..options() }, 21);
    check(OpenOptions { recovery_point: -1, ..options() }, 21);
    check(OpenOptions { recovery_point: 5, cleaned_to: 11, ..options() }, 21);
    check(OpenOptions { recovery_point: 5, cleaned_to: 10, ..options() }, 10);
}

#[test]
fn an_orderly_stop_is_believed_only_if_the_tail_is_whole() {
    let test = after(test_log().restarted(), clean(), |test| {
        corrupt(test, "00000000000000000011.log", |bytes| bytes.truncate(bytes.len() - 1));
    });
    assert_eq!((test.log.log_end_offset(), test.report.segments_scanned), (19, 1));
    assert!(test.report.notes.iter().any(|note| note.contains("orderly stop")), "{:?}", test.report);
}

#[test]
fn a_damaged_or_missing_epoch_file_is_made_anew_from_the_batches() {
    for damage in [&b""[..], b"0\n1\n7", b"0\n1\n7 3\n", b"\xff"] {
        let test = after(test_log(), options(), |test| {
            corrupt(test, LEADER_EPOCH_CHECKPOINT, |bytes| *bytes = damage.to_vec());
        });
        let epochs: Vec<_> = test.log.epochs().entries().iter().map(|e| (e.epoch, e.start_offset)).collect();
        assert_eq!(epochs, [(1, 0)], "{damage:?}");
        let text = test.disk.contents(&test.path(LEADER_EPOCH_CHECKPOINT)).expect("there");
        assert_eq!(text, b"0\n1\n1 0\n");
        let test = after(test, clean(), |test| {
            test.disk.remove_file(&test.path(LEADER_EPOCH_CHECKPOINT)).expect("there");
        });
        assert_eq!(test.log.epochs().entries().len(), 1);
    }
}

#[test]
fn a_damaged_transaction_index_is_made_anew_even_after_an_orderly_stop() {
    let mut test = TestLog::new(config());
    test.append(&batch(from_producer(1, 0, true), &[(NOW_MS, None, "value")]));
    test.end_transaction(1, false);
    let name = "00000000000000000000.txnindex";
    let test = test.restarted();
    let before = test.disk.contents(&test.path(name)).expect("there");
    for options in [clean(), options()] {
        let test = after(TestLog::open(test.disk.clone(), config(), clean()), options, |test| {
            corrupt(test, name, |bytes| bytes[1] = 9);
        });
        assert_eq!(test.disk.contents(&test.path(name)).expect("there"), before);
        let aborted = test.log.reader().aborted_transactions(0, 1).expect("reads");
        assert_eq!(aborted.len(), 1);
    }
}

#[test]
fn snapshots_that_are_damaged_or_past_the_end_are_not_used() {
    let expected = test_log().log.producers().encode_snapshot();
    let test = after(test_log(), options(), |test| {
        corrupt(test, "00000000000000000011.snapshot", |bytes| bytes[20] ^= 1);
    });
    assert_eq!(test.log.producers().encode_snapshot(), expected);
    let test = after(test_log().restarted(), clean(), |test| {
        corrupt(test, "00000000000000000020.snapshot", |bytes| bytes.truncate(9));
    });
    assert_eq!(test.log.producers().encode_snapshot(), expected);
    assert!(!test.names().contains(&"00000000000000000020.snapshot".to_owned()), "{:?}", test.names());
    // Cut below a snapshot: it speaks of records that are gone.
    let test = after(test_log().restarted(), options(), |test| {
        corrupt(test, "00000000000000000011.log", |bytes| bytes.truncate(300));
    });
    assert_eq!(test.log.log_end_offset(), 12);
    assert_eq!(test.log.producers().end_offset(), 12);
    assert!(!test.names().contains(&"00000000000000000020.snapshot".to_owned()), "{:?}", test.names());
}

#[test]
fn a_log_start_past_the_end_begins_the_log_anew() {
    let test = test_log().reopened(OpenOptions { log_start_offset: 50, ..options() });
    let view = test.log.view();
    assert_eq!((view.log_start_offset, view.log_end_offset, view.leader_epoch()), (50, 50, -1));
    assert_eq!((test.base_offsets(), test.log.producers().len()), (vec![50], 0));
    let test = test_log().reopened(OpenOptions { log_start_offset: 13, ..options() });
    assert_eq!((test.log.log_start_offset(), test.log.log_end_offset()), (13, 20));
    assert_eq!(test.log.epochs().earliest().map(|entry| entry.start_offset), Some(13));
}

#[test]
fn an_empty_log_stays_where_it_was() {
    let test = TestLog::new(config());
    let test = test.restarted().reopened(options());
    assert_eq!(
        (test.log.log_end_offset(), test.report),
        (0, RecoveryReport { segments_scanned: 1, indexes_rebuilt: 1, ..RecoveryReport::default() })
    );
}
