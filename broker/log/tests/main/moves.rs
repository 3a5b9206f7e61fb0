//! A log that moves between two log directories, crashed at every change of the disk in every way.
//!
//! Whatever the move had come to: the next start finds the log once, with what was promised; an unfinished copy
//! is finished then, and leaves the same log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rkafka_log::dirs::{LogDirs, LogPosition};
use rkafka_log::disk::mem::{Change, Crash, DiskState, SimDisk, SimRng};
use rkafka_log::future::{Finished, Stepped};
use rkafka_log::{FutureLog, Log, LogConfig, TopicPartition};

use crate::batches::draw;
use crate::images::crashes;
use crate::model::{Model, StoredBatch};
use crate::reproduce::Place;
use crate::verify::{Expected, Recovered, choose, fingerprint, memory, read_all};

const SCRIPTS: u64 = 14;
const STEPS: usize = 70;
/// So often must a copy have taken its log's place, or the scripts show little.
const SWAPS_MIN: u64 = 50;
const RECOVERIES_MIN: u64 = 100_000;
const NOW_MS: i64 = 1_700_000_000_000;
const TOPIC_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
const TEST: &str = "every_crash_of_a_move_leaves_one_whole_log";

fn partition() -> TopicPartition {
    TopicPartition { topic: "topic".to_owned(), partition: 0 }
}

fn open_dirs(disk: &SimDisk) -> Result<LogDirs, String> {
    let paths: [PathBuf; 2] = ["/a".into(), "/b".into()];
    LogDirs::open(Arc::new(disk.clone()), &paths).map_err(|error| format!("directories: {error}"))
}

fn config(rng: &mut SimRng) -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 4000 + rng.below(8000) as u64,
        segment_index_bytes: 96 + 12 * rng.below(100) as u64,
        index_interval_bytes: [0, 200, 1000][rng.below(3)],
        retention_ms: -1,
        producer_id_expiration_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    })
}

/// The log after one step.
struct Point {
    changes: usize,
    model: Model,
    what: String,
    resets: bool,
}

struct Script {
    dirs: LogDirs,
    log: Log,
    future: Option<FutureLog>,
    model: Model,
    rng: SimRng,
    epoch: i32,
    number: usize,
    swaps: u64,
    resets: bool,
}

impl Script {
    fn checkpoint(&self) {
        let position = LogPosition {
            partition: partition(),
            dir: self.log.health().dir().to_path_buf(),
            recovery_point: self.log.recovery_point(),
            log_start_offset: self.log.log_start_offset(),
            high_watermark: self.log.high_watermark(),
        };
        self.dirs.write_checkpoints(|| vec![position]).expect("nothing fails here");
    }

    fn step(&mut self) -> String {
        self.resets = false;
        let end = self.model.end;
        match self.rng.below(100) {
            0..35 => {
                for _ in 0..1 + self.rng.below(4) {
                    self.append();
                }
                format!("append from {end}")
            }
            35..42 => {
                let offset = self.model.high_watermark.max(self.model.log_start);
                let offset = offset + self.rng.below((end - offset) as usize + 1) as i64;
                self.log.update_high_watermark(offset);
                self.model.high_watermark = self.model.high_watermark.max(offset);
                format!("high watermark {offset}")
            }
            42..47 => {
                self.log.flush().expect("flushes");
                (self.model.flushed, self.model.flushed_by) = (end, self.number);
                self.checkpoint();
                "flush".to_owned()
            }
            47..54 => self.cut_end(),
            54..59 => self.cut_start(),
            59..60 => self.start_anew(),
            60..62 if self.future.is_some() => self.cancel(),
            60..97 => self.advance_move(),
            _ => self.restart(),
        }
    }

    fn append(&mut self) {
        let draft = draw(&mut self.rng, &self.model.producers, self.model.end, self.epoch, NOW_MS);
        self.log.append_follower(&draft.bytes, NOW_MS).expect("appends");
        self.model.push(StoredBatch::new(draft.bytes));
    }

    fn lower(&self, offset: i64) {
        let dir = self.log.health().dir();
        self.dirs.lower_recovery_point(dir, &partition(), offset).expect("nothing fails here");
    }

    fn cut_end(&mut self) -> String {
        let floor = self.model.high_watermark.max(self.model.log_start);
        let ends = self.model.batches.iter().map(|batch| batch.last_offset + 1);
        let ends: Vec<_> = ends.filter(|end| *end >= floor).collect();
        let Some(at) = ends.get(self.rng.below(ends.len())).copied() else { return "no cut".to_owned() };
        self.lower(at);
        self.log.truncate_to(at).expect("cuts").run(self.log.disk().as_ref()).expect("removes");
        self.model = self.model.cut(at);
        self.epoch += 1;
        format!("truncate to {at}")
    }

    fn cut_start(&mut self) -> String {
        let room = (self.model.high_watermark - self.model.log_start).max(0) as usize;
        let offset = self.model.log_start + self.rng.below(room + 1) as i64;
        self.log.advance_log_start(offset).expect("moves");
        self.model.log_start = offset;
        self.checkpoint();
        format!("log start {offset}")
    }

    fn start_anew(&mut self) -> String {
        let offset = (self.model.end + self.rng.below(20) as i64 - 5).max(self.model.log_start);
        self.lower(offset);
        self.log.truncate_fully(offset).expect("cuts").run(self.log.disk().as_ref()).expect("removes");
        self.model = Model { flushed_by: self.model.flushed_by, flushed: 0, ..Model::empty_at(offset) };
        self.epoch += 1;
        self.resets = true;
        format!("start anew at {offset}")
    }

    fn cancel(&mut self) -> String {
        let Some(future) = self.future.take() else { return String::new() };
        let path = future.dir();
        drop(future);
        let unique = u128::from(self.rng.next_u64());
        let deleted = self.dirs.delete_future(&partition(), &path, unique).expect("renames");
        if self.rng.chance(1, 2) {
            self.dirs.remove_deleted(&deleted).expect("removes");
        }
        "cancel".to_owned()
    }

    /// Begins a move, copies a piece, or finishes.
    fn advance_move(&mut self) -> String {
        let Some(mut future) = self.future.take() else {
            let target = usize::from(self.log.dir().starts_with("/a"));
            let (unique, config) = (u128::from(self.rng.next_u64()), Arc::clone(self.log.config()));
            let begun = self.dirs.begin_future(&partition(), TOPIC_ID, target, unique, config, NOW_MS);
            self.future = Some(begun.expect("begins"));
            return "begin".to_owned();
        };
        let max_bytes = 1 + self.rng.below(3000) as u64;
        let stepped = future.step(&self.dirs, &self.log.reader(), max_bytes, NOW_MS).expect("copies");
        if stepped != Stepped::CaughtUp && self.rng.chance(2, 3) {
            self.future = Some(future);
            return format!("{stepped:?}");
        }
        future.announce(&self.dirs).expect("flushes");
        if self.rng.chance(1, 3) {
            // The log goes on, or loses its end, in between.
            if self.rng.chance(1, 2) {
                self.append();
            } else {
                let _ = self.cut_end();
            }
        }
        match future.finish(&self.dirs, &mut self.log, NOW_MS).expect("finishes") {
            Finished::NotYet(future) => {
                self.future = Some(*future);
                "not yet".to_owned()
            }
            Finished::Swapped(deleted) => {
                self.swaps += 1;
                self.dirs.forget_moved(&partition(), &deleted).expect("forgets");
                (self.model.flushed, self.model.flushed_by) = (self.model.end, self.number);
                if self.rng.chance(1, 2) {
                    self.dirs.remove_deleted(&deleted).expect("removes");
                }
                "swapped".to_owned()
            }
        }
    }

    /// Opens everything again without an orderly end.
    fn restart(&mut self) -> String {
        let disk = self.log.disk().clone();
        self.future = None;
        let config = Arc::clone(self.log.config());
        let found = self.dirs.find_logs();
        let reopened = self.dirs.open_log(&found[0], Arc::clone(&config), NOW_MS).expect("opens");
        self.log = reopened.log;
        self.log.update_high_watermark(self.model.high_watermark);
        for found in self.dirs.find_futures() {
            self.future = Some(self.dirs.open_future(&found, Arc::clone(&config), NOW_MS).expect("opens"));
        }
        drop(disk);
        self.epoch += 1;
        "restart".to_owned()
    }

    fn check(&self) -> Result<(), String> {
        self.log.check_invariants();
        let view = self.log.view();
        let found = (view.log_start_offset, view.log_end_offset);
        if found != (self.model.log_start, self.model.end) {
            return Err(format!("{found:?}, expected {:?}", (self.model.log_start, self.model.end)));
        }
        let batches = read_all(&self.log)?;
        let expected = self.model.visible(self.model.log_start);
        if !batches.iter().eq(expected.iter().map(|batch| &**batch)) {
            return Err(format!("{} batches are not the {} expected", batches.len(), expected.len()));
        }
        memory(&self.log, &self.model)
    }
}

struct Run {
    start: DiskState,
    changes: Vec<Change>,
    points: Vec<Point>,
    config: Arc<LogConfig>,
    swaps: u64,
}

fn run(seed: u64) -> Run {
    let mut rng = SimRng::new(seed);
    let config = config(&mut rng);
    let disk = SimDisk::new();
    let dirs = open_dirs(&disk).expect("an empty disk");
    let start = disk.state();
    disk.start_recording();
    let log = dirs.create_log(&partition(), TOPIC_ID, Arc::clone(&config), NOW_MS).expect("room");
    let (model, swaps) = (Model::default(), 0);
    let mut script =
        Script { dirs, log, future: None, model, rng, epoch: 1, number: 0, swaps, resets: false };
    script.checkpoint();
    let first =
        Point { changes: disk.recorded(), model: Model::default(), what: "make".into(), resets: false };
    let mut points = vec![first];
    for number in 1..=STEPS {
        script.number = number;
        let what = script.step();
        script.check().unwrap_or_else(|problem| panic!("seed {seed} step {number} ({what}): {problem}"));
        let (changes, model, resets) = (disk.recorded(), script.model.clone(), script.resets);
        points.push(Point { changes, model, what, resets });
    }
    let swaps = script.swaps;
    Run { start, changes: disk.take_recording(), points, config, swaps }
}

impl Run {
    fn crash_all(&self, seed: u64, only: Option<&Place>) -> u64 {
        let (mut state, mut recoveries) = (self.start.clone(), 0);
        for at in 0..=self.changes.len() {
            let in_flight = self.changes.get(at);
            let images = crashes(in_flight, at).into_iter().enumerate();
            for (image, crash) in images.filter(|_| only.is_none_or(|place| place.change == at)) {
                let place = Place { seed, change: at, image };
                if only.is_some_and(|only| only.image != image) {
                    continue;
                }
                let mut rng = SimRng::new(place.mixed());
                let crashed = state.crashed(crash, in_flight, rng.next_u64());
                recoveries += self.recover(at, crash, &crashed, &mut rng).unwrap_or_else(|problem| {
                    let step = self.points.partition_point(|point| point.changes <= at);
                    let what = self.points.get(step).map_or("the end", |point| &point.what);
                    let reproduce = place.reproduce("moves", TEST);
                    panic!(
                        "{problem}\n  crash {crash:?} in step {step} ({what}), change {at}\n  {reproduce}"
                    );
                });
            }
            in_flight.into_iter().for_each(|change| state.apply(change));
        }
        recoveries
    }

    fn recover(&self, at: usize, crash: Crash, image: &DiskState, rng: &mut SimRng) -> Result<u64, String> {
        let step = self.points.partition_point(|point| point.changes <= at);
        let nothing = Model::default();
        let before = step.checked_sub(1).map_or(&nothing, |before| &self.points[before].model);
        let after = self.points.get(step);
        let after_model = after.map_or(before, |point| &point.model);
        let killed = matches!(crash, Crash::Kill { .. });
        let from =
            if killed { step.saturating_sub(1) } else { before.flushed_by.min(step.saturating_sub(1)) };
        let mut candidates = vec![&nothing];
        candidates.extend(self.points[from..step].iter().map(|point| &point.model));
        candidates.push(after_model);
        let is_reset = after.is_some_and(|point| point.resets);
        let least_end = match (killed, is_reset) {
            (_, true) => 0,
            (true, false) => before.end.min(after_model.end),
            (false, false) => before.flushed.min(after_model.flushed),
        };
        let log_start_max = before.log_start.max(after_model.log_start);
        let expected = Expected { candidates, least_end, log_start_max, is_reset };

        let disk = SimDisk::from_state(image.clone());
        disk.start_recording();
        let dirs = open_dirs(&disk)?;
        let found = dirs.find_logs();
        let [only] = &found[..] else {
            // Names of a new log become durable with its first flush.
            let may_be_none = step == 0 || (!killed && before.flushed == 0);
            let fine = found.is_empty() && may_be_none;
            return if fine { Ok(1) } else { Err(format!("{} logs are found", found.len())) };
        };
        let opened =
            dirs.open_log(only, Arc::clone(&self.config), NOW_MS).map_err(|error| error.to_string())?;
        let mut log = opened.log;
        let print = fingerprint(&log)?;
        if print.log_start < before.log_start.min(after_model.log_start) && !is_reset {
            return Err(format!("the log starts at {}", print.log_start));
        }
        choose(&log, &print, &expected)?;
        let futures = dirs.find_futures();
        if futures.len() > 1 {
            return Err(format!("{} copies are found", futures.len()));
        }
        let changes = disk.take_recording();
        if rng.chance(1, 4)
            && let Some(found) = futures.first()
        {
            let mut future = dirs.open_future(found, Arc::clone(&self.config), NOW_MS);
            while let Ok(copy) = future {
                future = finish(&dirs, copy, &mut log)?;
            }
        }
        let dir = log.dir();
        drop((log, dirs));
        same_again(&disk, &self.config, &print, Some(&dir))?;
        let mut recoveries = 1;
        if rng.chance(1, 30) {
            let mut state = image.clone();
            for change in &changes {
                let crashed = state.crashed(Crash::PowerCutAll, Some(change), rng.next_u64());
                same_again(&SimDisk::from_state(crashed), &self.config, &print, None)?;
                state.apply(change);
                recoveries += 1;
            }
        }
        Ok(recoveries)
    }
}

/// Copies until the copy is the log; then there is none any more, which is an error.
fn finish(
    dirs: &LogDirs,
    mut copy: FutureLog,
    log: &mut Log,
) -> Result<Result<FutureLog, rkafka_log::LogError>, String> {
    while copy.step(dirs, &log.reader(), 2000, NOW_MS).map_err(|error| error.to_string())?
        != Stepped::CaughtUp
    {}
    copy.announce(dirs).map_err(|error| error.to_string())?;
    match copy.finish(dirs, log, NOW_MS).map_err(|error| error.to_string())? {
        Finished::NotYet(copy) => Ok(Ok(*copy)),
        Finished::Swapped(_) => Ok(Err(rkafka_log::LogError::NoDirectory)),
    }
}

/// What was recovered is still there after another kill.
fn same_again(
    disk: &SimDisk,
    config: &Arc<LogConfig>,
    print: &Recovered,
    dir: Option<&PathBuf>,
) -> Result<(), String> {
    let dirs = open_dirs(disk)?;
    let found = dirs.find_logs();
    let [only] = &found[..] else { return Err(format!("then {} logs are found", found.len())) };
    let opened = dirs.open_log(only, Arc::clone(config), NOW_MS).map_err(|error| error.to_string())?;
    if dir.is_some_and(|dir| opened.log.dir().as_path() != dir) {
        return Err(format!("then it lies in {}", opened.log.dir().display()));
    }
    let second = fingerprint(&opened.log)?;
    let told = |one: &Recovered| (one.log_start, one.end, one.batches.len());
    let same = told(print) == told(&second) && print.batches == second.batches;
    if same { Ok(()) } else { Err(format!("recovered {:?}, then {:?}", told(print), told(&second))) }
}

#[test]
fn every_crash_of_a_move_leaves_one_whole_log() {
    if let Some(place) = Place::from_env("moves") {
        let _ = run(place.seed).crash_all(place.seed, Some(&place));
        return;
    }
    let (next, recoveries, swaps) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SCRIPTS {
                break;
            }
            let run = run(seed);
            swaps.fetch_add(run.swaps, Ordering::Relaxed);
            recoveries.fetch_add(run.crash_all(seed, None), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let (recoveries, swaps) = (recoveries.into_inner(), swaps.into_inner());
    println!("{recoveries} recoveries from crashes of {SCRIPTS} scripts with {swaps} moves");
    assert!(swaps >= SWAPS_MIN, "only {swaps} moves were finished");
    assert!(recoveries >= RECOVERIES_MIN, "only {recoveries} recoveries, {RECOVERIES_MIN} are wanted");
}
