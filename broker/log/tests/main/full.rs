//! A real disk that fills up: appends are refused, reads go on, a killed log opens, and appends go on once
//! there is room again.
//!
//! The disk is a tmpfs of 16 MiB in a mount namespace of its own, so it takes root (or CAP_SYS_ADMIN) and
//! `unshare` and `mount` (util-linux). The work is done by a child, this test binary again, because a wrong
//! access to a full disk ends a process by SIGBUS: the parent sees how it ended.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rkafka_log::disk::Disk;
use rkafka_log::disk::mem::SimRng;
use rkafka_log::disk::real::RealDisk;
use rkafka_log::{AppendError, Log, LogConfig, OpenOptions};

use crate::batches::draw;
use crate::model::{Model, StoredBatch};
use crate::verify::{fingerprint, is_cut_of, memory};

const DIRECTORY: &str = "RKAFKA_LOG_FULL_DIRECTORY";
const ROUND: &str = "RKAFKA_LOG_FULL_ROUND";
const CHILD: &str = "full::child_that_fills_the_disk";
const NOW_MS: i64 = 1_700_000_000_000;

#[test]
fn a_full_disk_refuses_appends_and_nothing_else() {
    let exe = std::env::current_exe().expect("this test binary");
    for round in 0..3 {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let script = "mount -t tmpfs -o size=16m tmpfs \"$0\" || exit 77; exec \"$@\"";
        let output = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .arg(directory.path())
            .arg(&exe)
            .args([CHILD, "--exact", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .env(ROUND, round.to_string())
            .output()
            .expect("unshare (util-linux) is needed to mount a small disk");
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.code() != Some(77) && !said.contains("unshare: unshare failed"),
            "run this test as root or with CAP_SYS_ADMIN: it mounts a tmpfs of 16 MiB in its own namespace\n{said}"
        );
        assert_eq!(output.status.signal(), None, "round {round} was ended by a signal\n{said}");
        assert!(output.status.success() && said.contains("filled, freed, went on"), "round {round}\n{said}");
    }
}

fn open(directory: &Path, round: u64, recovery_point: i64) -> Log {
    let config = LogConfig {
        // Segments that are large, middling and small against the disk.
        segment_bytes: [64 << 20, 3 << 20, 200_000][round as usize % 3],
        segment_index_bytes: [1 << 20, 100_000, 4096][round as usize % 3],
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = OpenOptions {
        recovery_point,
        cleaned_to: 0,
        log_start_offset: 0,
        clean_shutdown: false,
        now_ms: NOW_MS,
    };
    let opened = Log::open(disk, &directory.join("topic-0"), "topic-0", Arc::new(config), options);
    opened.expect("opens, whether there is room or not").0
}

/// Appends until the disk is full.
fn fill(log: &mut Log, model: &mut Model, rng: &mut SimRng) -> AppendError {
    loop {
        let batch = StoredBatch::new(draw(rng, &model.producers, model.end, 0, NOW_MS).bytes);
        match log.append_follower(&batch.bytes, NOW_MS) {
            Ok(_) => model.push(batch),
            Err(error) => return error,
        }
    }
}

fn compare(log: &Log, model: &Model) {
    let found = fingerprint(log).expect("reads go on");
    assert_eq!(found.end, model.end, "log end offset");
    is_cut_of(&found, model).expect("the log as it was");
    memory(log, model).expect("producers as they were");
}

/// Does nothing unless a parent gave it a small disk: then it fills that.
#[test]
fn child_that_fills_the_disk() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let round: u64 = std::env::var(ROUND).expect("set with the directory").parse().expect("a number");
    let mut rng = SimRng::new(round);
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).expect("room for the ballast");
    let mut log = open(&directory, round, 0);
    let mut model = Model::default();
    let error = fill(&mut log, &mut model, &mut rng);
    assert!(matches!(&error, AppendError::Log(error) if error.is_disk_full()), "refused with {error}");
    assert!(
        log.health().is_online(),
        "a full disk is no broken disk: {:?} after {error:?}",
        log.health().failure()
    );
    compare(&log, &model);
    for _ in 0..20 {
        let again = fill(&mut log, &mut model, &mut rng);
        assert!(matches!(&again, AppendError::Log(error) if error.is_disk_full()), "refused with {again}");
    }
    compare(&log, &model);
    drop(log);
    let mut log = open(&directory, round, 0);
    compare(&log, &model);
    // Until the disk is as full as before: the kill has given back what was reserved.
    fill(&mut log, &mut model, &mut rng);
    compare(&log, &model);
    std::fs::remove_file(&ballast).expect("the ballast goes");
    let end = model.end;
    for _ in 0..200 {
        let batch = StoredBatch::new(draw(&mut rng, &model.producers, model.end, 0, NOW_MS).bytes);
        log.append_follower(&batch.bytes, NOW_MS).expect("there is room again");
        model.push(batch);
    }
    assert!(model.end > end, "went on");
    compare(&log, &model);
    drop(log);
    compare(&open(&directory, round, 0), &model);
    println!("filled, freed, went on");
}
