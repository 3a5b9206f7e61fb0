//! Log directories on the simulated disk.

use super::*;
use crate::append::AppendContext;
use crate::checkpoint::write_atomically;
use crate::disk::mem::{CallKind, Failure, SimDisk};
use crate::producer::AppendOrigin;
use rkafka_record::{BatchBuilder, BatchOptions};

const TOPIC_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

fn paths() -> Vec<PathBuf> {
    vec!["/a".into(), "/b".into()]
}

fn open(disk: &SimDisk) -> LogDirs {
    LogDirs::open(Arc::new(disk.clone()), &paths()).expect("both directories are fine")
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition { topic: "t".to_owned(), partition: index }
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig::default())
}

fn append(log: &mut Log) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(5, None, Some(b"value"), &[]).expect("fits");
    let batch = builder.build().expect("builds");
    let context =
        AppendContext { leader_epoch: 3, origin: AppendOrigin::Client, now_ms: 5, sole_replica: true };
    log.append_leader(&batch, &context).expect("appends");
}

fn position(log: &Log, partition: &TopicPartition) -> LogPosition {
    LogPosition {
        partition: partition.clone(),
        dir: log.dir().parent().expect("in a log directory").to_path_buf(),
        recovery_point: log.recovery_point(),
        log_start_offset: log.log_start_offset(),
        high_watermark: log.high_watermark(),
    }
}

#[test]
fn new_logs_go_where_the_fewest_are_and_are_found_again() {
    let disk = SimDisk::new();
    let mut dirs = open(&disk);
    dirs.claim("cluster", 1, || "dir".to_owned()).expect("ours");
    let mut logs: Vec<Log> = (0..4)
        .map(|index| dirs.create_log(&partition(index), TOPIC_ID, config(), 0).expect("room"))
        .collect();
    let in_a = logs.iter().filter(|log| log.dir().starts_with("/a")).count();
    assert_eq!(in_a, 2, "two in each");
    logs.iter_mut().for_each(append);
    let positions: Vec<_> =
        logs.iter().zip(0..).map(|(log, index)| position(log, &partition(index))).collect();
    logs.into_iter().for_each(|log| log.close().expect("closes"));
    dirs.write_checkpoints(|| positions).expect("written");
    dirs.mark_clean(7).expect("marked");
    drop(dirs);

    let dirs = open(&disk);
    assert_eq!(dirs.clean_broker_epoch(), 7);
    assert_eq!(dirs.dirs()[0].identity().and_then(|identity| identity.node_id), Some(1));
    let mut found = dirs.find_logs();
    found.sort_by_key(|log| log.partition.partition);
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|log| log.topic_id.as_deref() == Some(TOPIC_ID)));
    assert!(found.iter().all(|log| dirs.newest_epoch(log).expect("reads") == 3));
    let opened = dirs.open_log(&found[2], config(), 0).expect("opens");
    assert_eq!((opened.log.log_end_offset(), opened.log.high_watermark()), (1, 1));
    assert_eq!(opened.report.segments_scanned, 0, "an orderly stop needs no scan");
    drop(dirs);

    // The marker was taken away: a stop without it is not orderly.
    let dirs = open(&disk);
    let found = dirs.find_logs();
    let opened = dirs.open_log(&found[0], config(), 0).expect("opens");
    assert_eq!(opened.log.log_end_offset(), 1);
}

#[test]
fn a_deleted_log_frees_its_name_and_is_removed_at_the_next_start() {
    let disk = SimDisk::new();
    let dirs = open(&disk);
    let log = dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room");
    let renamed = dirs.delete_log(&partition(0), log, 7).expect("renamed");
    assert_eq!(dirs.find_logs().len(), 0);
    assert!(!disk.files().iter().any(|file| file.starts_with(&renamed)), "find_logs removes leftovers");
    drop(dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("the name is free"));
    assert_eq!(dirs.find_logs().len(), 1);
}

#[test]
fn strays_are_kept_and_not_found_again() {
    let disk = SimDisk::new();
    let dirs = open(&disk);
    drop(dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room"));
    let stray = dirs.set_stray(&partition(0), 1).expect("renamed").expect("was there");
    assert_eq!(dirs.set_stray(&partition(0), 2).expect("fine"), None, "it is gone from there");
    assert_eq!(dirs.find_logs(), []);
    assert!(disk.files().iter().any(|file| file.starts_with(&stray)), "kept for the operator");
}

#[test]
fn directories_of_others_are_refused() {
    let disk = SimDisk::new();
    let mut dirs = open(&disk);
    assert!(matches!(LogDirs::open(Arc::new(disk.clone()), &paths()), Err(LogError::Locked { .. })));
    dirs.claim("cluster", 1, || "dir".to_owned()).expect("ours");
    drop(dirs);
    let mut dirs = open(&disk);
    for (cluster, node, named) in [("other", 1, "cluster cluster"), ("cluster", 2, "node 1")] {
        let error = dirs.claim(cluster, node, || "dir".to_owned()).expect_err("refused").to_string();
        assert!(error.contains(named) && error.contains(META_PROPERTIES), "{error}");
    }
}

#[test]
fn checkpoints_keep_what_is_not_named_and_forget_what_is_deleted() {
    let disk = SimDisk::new();
    let dirs = open(&disk);
    let mut logs: Vec<Log> = (0..2)
        .map(|index| dirs.create_log(&partition(index), TOPIC_ID, config(), 0).expect("room"))
        .collect();
    logs.iter_mut().for_each(append);
    for log in &mut logs {
        log.flush().expect("flushes");
    }
    let first = position(&logs[0], &partition(0));
    let second = position(&logs[1], &partition(1));
    dirs.write_checkpoints(|| vec![first.clone()]).expect("written");
    dirs.write_checkpoints(|| vec![second.clone()]).expect("written");
    dirs.lower_recovery_point(&first.dir, &partition(0), 0).expect("lowered");
    let reopened = |disk: &SimDisk| {
        let dirs = open(disk);
        let dir_of = |path: &Path| dirs.dirs().iter().position(|dir| dir.path() == path).expect("there");
        let (a, b) = (&dirs.dirs()[dir_of(&first.dir)], &dirs.dirs()[dir_of(&second.dir)]);
        [Checkpoint::RecoveryPoint, Checkpoint::HighWatermark].map(|checkpoint| {
            (a.checkpointed(checkpoint, &partition(0)), b.checkpointed(checkpoint, &partition(1)))
        })
    };
    let log = logs.remove(0);
    let deleted = dirs.dirs().iter().position(|dir| dir.path() == first.dir).expect("there");
    assert_eq!(dirs.dirs()[deleted].checkpointed(Checkpoint::RecoveryPoint, &partition(0)), Some(0));
    dirs.delete_log(&partition(0), log, 1).expect("deleted");
    drop(dirs);
    assert_eq!(reopened(&disk), [(None, Some(1)), (None, Some(1))]);
}

#[test]
fn an_unreadable_checkpoint_is_no_reason_not_to_start() {
    let disk = SimDisk::new();
    drop(open(&disk));
    write_atomically(&disk, Path::new("/a/recovery-point-offset-checkpoint"), b"0\n7\nt 0").expect("fine");
    let dirs = open(&disk);
    assert!(dirs.dirs().iter().all(|dir| dir.health().is_online()));
    assert_eq!(dirs.dirs()[0].checkpointed(Checkpoint::RecoveryPoint, &partition(0)), None);
}

#[test]
fn a_partition_in_two_directories_is_refused() {
    let disk = SimDisk::new();
    drop(open(&disk));
    for dir in ["/a/t-0", "/b/t-0"] {
        disk.create_dir(Path::new(dir)).expect("fine");
    }
    let error = LogDirs::open(Arc::new(disk), &paths()).expect_err("refused").to_string();
    assert!(error.contains("/b/t-0") && error.contains("lies in /a too"), "{error}");
}

#[test]
fn a_log_that_cannot_be_opened_is_no_empty_one_and_leaves_no_clean_stop() {
    let disk = SimDisk::new();
    let dirs = open(&disk);
    drop(dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room"));
    let again = dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect_err("it is there").to_string();
    assert!(again.contains("t-0"), "{again}");
    let found = dirs.find_logs();
    disk.fail_nth(CallKind::Look, 1, Failure::Io);
    dirs.open_log(&found[0], config(), 0).expect_err("the disk fails");
    dirs.mark_clean(7).expect("the other directory");
    drop(dirs);
    let marked = disk.files().into_iter().filter(|file| file.ends_with(".kafka_cleanshutdown")).count();
    assert!(marked <= 1, "the directory of the failed log is not marked");
    assert_eq!(open(&disk).clean_broker_epoch(), -1, "one directory did not stop in order");
}

#[test]
fn logs_closed_without_syncs_are_durable_after_one_for_all() {
    let disk = SimDisk::new();
    disk.sync_dir(Path::new("/")).expect("fine");
    let dirs = open(&disk);
    disk.sync_dir(Path::new("/")).expect("fine");
    let mut logs: Vec<Log> = (0..4)
        .map(|index| dirs.create_log(&partition(index), TOPIC_ID, config(), 0).expect("room"))
        .collect();
    logs.iter_mut().for_each(append);
    let mut positions: Vec<_> =
        logs.iter().zip(0..).map(|(log, index)| position(log, &partition(index))).collect();
    positions.iter_mut().for_each(|position| position.recovery_point = 1);
    logs.into_iter().for_each(|log| log.close_unsynced().expect("closes"));
    dirs.sync().expect("synced");
    dirs.write_checkpoints(|| positions).expect("written");
    dirs.mark_clean(7).expect("marked");
    drop(dirs);
    disk.crash(crate::disk::mem::Crash::PowerCutAll, 3);
    let dirs = open(&disk);
    let found = dirs.find_logs();
    assert_eq!(found.len(), 4);
    for log in &found {
        let opened = dirs.open_log(log, config(), 0).expect("opens");
        assert_eq!((opened.log.log_end_offset(), opened.report.segments_scanned), (1, 0));
    }
}

#[test]
fn a_refused_start_leaves_the_mark_of_a_clean_stop() {
    let disk = SimDisk::new();
    let is_marked = || disk.files().iter().any(|file| file == Path::new("/a/.kafka_cleanshutdown"));
    let mut dirs = open(&disk);
    dirs.claim("cluster", 1, || "dir".to_owned()).expect("ours");
    drop(dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room"));
    dirs.mark_clean(7).expect("marked");
    drop(dirs);
    let mut dirs = open(&disk);
    dirs.claim("other", 1, || "dir".to_owned()).expect_err("refused");
    assert!(is_marked(), "nothing was written");
    drop(dirs);
    let dirs = open(&disk);
    let found = dirs.find_logs();
    let opened = dirs.open_log(&found[0], config(), 0).expect("opens");
    assert_eq!(opened.report.segments_scanned, 0);
    assert!(!is_marked(), "it goes before a log is opened");
}

#[test]
fn positions_of_a_namesake_are_forgotten_and_a_start_that_falls_to_zero_is_written() {
    let disk = SimDisk::new();
    let dirs = open(&disk);
    let log = dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room");
    let late = LogPosition { log_start_offset: 7, ..position(&log, &partition(0)) };
    dirs.delete_log(&partition(0), log, 1).expect("deleted");
    // Collected before the deletion, written after it.
    dirs.write_checkpoints(|| vec![late.clone()]).expect("written");
    let mut log = dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room");
    append(&mut log);
    let start = |dirs: &LogDirs| {
        let dir = dirs.dirs().iter().find(|dir| dir.path() == late.dir).expect("there");
        dir.checkpointed(Checkpoint::LogStart, &partition(0))
    };
    assert_eq!(start(&dirs), None);
    dirs.write_checkpoints(|| vec![late.clone()]).expect("written");
    assert_eq!(start(&dirs), Some(7));
    dirs.write_checkpoints(|| vec![position(&log, &partition(0))]).expect("written");
    assert_eq!(start(&dirs), Some(0), "the log was emptied and begins at 0 again");
}

#[test]
fn a_checkpoint_that_could_not_be_written_is_written_later() {
    let disk = SimDisk::new();
    let dirs = open(&disk);
    let log = dirs.create_log(&partition(0), TOPIC_ID, config(), 0).expect("room");
    let here = LogPosition { high_watermark: 9, ..position(&log, &partition(0)) };
    disk.set_capacity(Some(0));
    assert!(dirs.write_checkpoints(|| vec![here.clone()]).expect_err("full").is_disk_full());
    disk.set_capacity(None);
    dirs.write_checkpoints(Vec::new).expect("there is room again");
    drop((dirs, log));
    let dirs = open(&disk);
    let dir = dirs.dirs().iter().find(|dir| dir.path() == here.dir).expect("there");
    assert_eq!(dir.checkpointed(Checkpoint::HighWatermark, &partition(0)), Some(9));
}

#[test]
fn a_restart_with_idle_logs_costs_syncs_of_the_directories_only() {
    let disk = SimDisk::new();
    let names: Vec<_> = (0..40).map(partition).collect();
    let stop = |dirs: &LogDirs, logs: Vec<Log>| {
        let positions = logs.iter().zip(&names).map(|(log, name)| position(log, name)).collect();
        logs.into_iter().for_each(|log| log.close().expect("closes"));
        dirs.write_checkpoints(|| positions).expect("written");
        dirs.mark_clean(7).expect("marked");
    };
    let dirs = open(&disk);
    let make = |name| dirs.create_log(name, TOPIC_ID, config(), 0).expect("room");
    let mut logs: Vec<Log> = names.iter().map(make).collect();
    logs.iter_mut().for_each(append);
    stop(&dirs, logs);
    drop(dirs);
    let restart = |epoch| {
        let before = [CallKind::Sync, CallKind::Write, CallKind::Rename].map(|kind| disk.calls(kind));
        let dirs = open(&disk);
        let mut found = dirs.find_logs();
        found.sort_by_key(|log| log.partition.partition);
        let logs = found.iter().map(|log| dirs.open_log(log, config(), 0).expect("opens").log);
        let mut logs: Vec<Log> = logs.collect();
        logs.iter_mut().for_each(|log| log.assign_epoch(epoch).expect("noted"));
        stop(&dirs, logs);
        let after = [CallKind::Sync, CallKind::Write, CallKind::Rename].map(|kind| disk.calls(kind));
        [0, 1, 2].map(|kind| after[kind] - before[kind])
    };
    restart(4);
    let [syncs, writes, renames] = restart(5);
    assert!(syncs <= 8 && writes <= 4 && renames <= 4, "{syncs} syncs, {writes} writes, {renames} renames");
}

#[test]
fn the_directory_of_the_metadata_has_the_id_of_its_voter() {
    let disk = SimDisk::new();
    let id =
        |dirs: &LogDirs, at: usize| dirs.dirs()[at].identity().and_then(|known| known.directory_id.clone());
    let mut dirs = open(&disk);
    assert!(dirs.set_directory_id(Path::new("/a"), "first").expect("fine"));
    assert!(!dirs.set_directory_id(Path::new("/elsewhere"), "x").expect("fine"));
    dirs.claim("cluster", 1, || "drawn".to_owned()).expect("ours");
    assert_eq!((id(&dirs, 0).as_deref(), id(&dirs, 1).as_deref()), (Some("first"), Some("drawn")));
    drop(dirs);
    let mut dirs = open(&disk);
    assert_eq!(id(&dirs, 0).as_deref(), Some("first"));
    assert!(dirs.set_directory_id(Path::new("/a"), "second").expect("fine"));
    drop(dirs);
    assert_eq!(id(&open(&disk), 0).as_deref(), Some("second"), "written at once");
}
