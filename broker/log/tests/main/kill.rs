//! A real process on a real disk, ended by a real kill -9: what it said was appended must be there
//! afterwards.
//!
//! The child is this test binary, running [`child_that_appends_until_it_is_killed`] with a directory in its
//! environment. It prints the log end offset after each append. Which batch stands at an offset follows from
//! the seed and the log before it alone, so the parent knows what to expect without being told. The next
//! child goes on with what the last one left, so recovery itself is killed too.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rkafka_log::disk::Disk;
use rkafka_log::disk::mem::SimRng;
use rkafka_log::disk::real::RealDisk;
use rkafka_log::{Log, LogConfig, OpenOptions};

use crate::batches::draw;
use crate::model::{Model, StoredBatch};
use crate::verify::{fingerprint, is_cut_of, memory};

const KILLS: usize = 300;
const KILLS_PER_DIRECTORY: usize = 10;
const LIVES_MAX_MS: usize = 60;
const DIRECTORY: &str = "RKAFKA_LOG_KILL_DIRECTORY";
const SEED: &str = "RKAFKA_LOG_KILL_SEED";
const CHILD: &str = "kill::child_that_appends_until_it_is_killed";
/// Timestamps are made from offsets, so that they do not depend on when a child lived.
const NOW_MS: i64 = 1_700_000_000_000;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut rng = SimRng::new(9);
    let (mut kills, mut acknowledged) = (0, 0);
    while kills < KILLS {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let seed = rng.next_u64();
        let mut model = Model::default();
        for _ in 0..KILLS_PER_DIRECTORY {
            let lives = Duration::from_millis(rng.below(LIVES_MAX_MS + 1) as u64);
            let said = kill_after(directory.path(), seed, lives);
            acknowledged += usize::from(said > model.end);
            check(directory.path(), seed, said, &mut model)
                .unwrap_or_else(|problem| panic!("kill {kills} after {lives:?} (seed {seed}): {problem}"));
            kills += 1;
        }
    }
    println!("{kills} processes killed, {acknowledged} of them after an append");
    assert!(acknowledged > KILLS / 3, "only {acknowledged} of {kills} children lived to append anything");
}

/// Starts a child, kills it, and returns the last log end offset it printed.
fn kill_after(directory: &Path, seed: u64, lives: Duration) -> i64 {
    let exe = std::env::current_exe().expect("this test binary");
    let mut child = Command::new(exe)
        .args([CHILD, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test binary can be started");
    let (born, mut said) = (Instant::now(), 0);
    let out = child.stdout.take().expect("piped");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(lives.saturating_sub(born.elapsed()));
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    });
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        // A line may share its start with what the test harness prints.
        if let Some(end) = line.split("end ").nth(1).and_then(|end| end.strip_suffix('.')?.parse().ok()) {
            said = end;
        }
    }
    killer.join().expect("the child was killed");
    said
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 40_000,
        segment_index_bytes: 480,
        index_interval_bytes: 500,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    })
}

fn open(directory: &Path) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = OpenOptions {
        recovery_point: 0,
        cleaned_to: 0,
        log_start_offset: 0,
        clean_shutdown: false,
        now_ms: NOW_MS,
    };
    let (log, _) = Log::open(disk, &partition(directory), "topic-0", config(), options).expect("recovery");
    log
}

fn partition(directory: &Path) -> PathBuf {
    directory.join("topic-0")
}

/// The batch that stands at the end of a log.
fn next(seed: u64, end: i64, producers: &rkafka_log::producer::ProducerStates) -> StoredBatch {
    let mut rng = SimRng::new(seed ^ end as u64);
    StoredBatch::new(draw(&mut rng, producers, end, 0, NOW_MS + end).bytes)
}

fn check(directory: &Path, seed: u64, said: i64, model: &mut Model) -> Result<(), String> {
    let log = open(directory);
    let found = fingerprint(&log)?;
    if found.end < said {
        return Err(format!("the log ends at {}, but {said} was acknowledged", found.end));
    }
    *model = model.cut(found.end.min(model.end));
    while model.end < found.end {
        let batch = next(seed, model.end, &model.producers);
        model.push(batch);
    }
    is_cut_of(&found, model)?;
    memory(&log, model)
}

/// Does nothing unless a parent gave it a directory: then it appends there until it is killed.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let seed: u64 = std::env::var(SEED).expect("set with the directory").parse().expect("a number");
    let mut log = open(Path::new(&directory));
    let mut out = std::io::stdout();
    let mut say = |end: i64| out.write_all(format!("end {end}.\n").as_bytes()).expect("the parent listens");
    say(log.view().log_end_offset);
    let mut count = 0_u64;
    loop {
        let end = log.view().log_end_offset;
        let batch = next(seed, end, log.producers());
        log.append_follower(&batch.bytes, NOW_MS + end).expect("append");
        say(log.view().log_end_offset);
        count += 1;
        if count.is_multiple_of(50) {
            log.flush().expect("flush");
        }
    }
}
