//! Runs one random script on a log and, beside it, on the model; notes which changes of the disk each step
//! made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rkafka_log::cleaner::{self, Cleaning, CleaningError, OffsetMap, Progress};
use rkafka_log::disk::Disk;
use rkafka_log::disk::mem::{Change, DiskState, SimDisk, SimRng};
use rkafka_log::producer::{AppendOrigin, Check, ProducerError};
use rkafka_log::{
    AppendContext, AppendError, CleanupPolicy, DeferredDeletion, Log, LogConfig, LogError, OpenOptions,
};
use rkafka_record::BatchRef;

use crate::batches::{Draft, draw, end_transaction};
use crate::compaction;
use crate::model::{Model, StoredBatch};
use crate::verify;

/// Where the log of all simulated scripts lies.
pub(crate) const DIR: &str = "/data/topic-0";

/// The log after one step.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    /// Changes of the disk made until the step returned.
    pub(crate) changes: usize,
    pub(crate) model: Model,
    pub(crate) what: String,
    /// The step threw the whole log away: of what was before nothing is promised while it runs.
    pub(crate) resets: bool,
}

/// A finished script.
pub(crate) struct Run {
    /// The disk before the first step.
    pub(crate) start: DiskState,
    pub(crate) changes: Vec<Change>,
    pub(crate) points: Vec<Point>,
    pub(crate) config: Arc<LogConfig>,
}

/// The log could not do a step; its own words.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) String);

impl From<AppendError> for Trouble {
    fn from(error: AppendError) -> Self {
        Self(error.to_string())
    }
}

impl From<CleaningError> for Trouble {
    fn from(error: CleaningError) -> Self {
        Self(error.to_string())
    }
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        Self(error.to_string())
    }
}

/// A log, its model and the random choices made so far.
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) log: Option<Log>,
    pub(crate) model: Model,
    pub(crate) rng: SimRng,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) now_ms: i64,
    /// The models since the last flush: a power cut may lead back to any of them.
    pub(crate) history: Vec<Model>,
    /// What the model will be if the step in progress succeeds.
    pub(crate) attempt: Model,
    /// The step in progress is an append: an error must leave the log as it was.
    pub(crate) is_append: bool,
    pub(crate) resets: bool,
    /// The step in progress swaps in a compacted group of a pass that read the keys up to this offset.
    pub(crate) swaps: Option<i64>,
    leader_epoch: i32,
    is_leader: bool,
    steps: usize,
    /// A compaction pass under way; its groups are swapped in between other steps.
    cleaning: Option<(Cleaning, OffsetMap, i64)>,
    cleaner_checkpoint: Option<i64>,
    /// Each third script commits, rolls, flushes and compacts in between, so that there is something to
    /// compact.
    compacts: bool,
}

/// An empty disk with the partition's directory.
pub(crate) fn new_disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir(Path::new(DIR)).expect("nothing fails here");
    for dir in ["/", "/data", DIR] {
        disk.sync_dir(Path::new(dir)).expect("nothing fails here");
    }
    disk
}

/// Small segments and indexes, so that a short script rolls often.
fn config_of(rng: &mut SimRng) -> LogConfig {
    LogConfig {
        segment_bytes: 8000 + rng.below(8000) as u64,
        segment_index_bytes: 96 + 12 * rng.below(100) as u64,
        index_interval_bytes: [0, 200, 1000][rng.below(3)],
        cleanup_policy: CleanupPolicy { compact: true, delete: true },
        retention_ms: -1,
        retention_bytes: [-1, -1, -1, 12_000, 6000, 0][rng.below(6)],
        delete_retention_ms: 2000,
        producer_id_expiration_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    }
}

pub(crate) fn open(disk: &SimDisk, config: &Arc<LogConfig>, options: OpenOptions) -> Result<Log, LogError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, &PathBuf::from(DIR), "topic-0", Arc::clone(config), options).map(|(log, _)| log)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = SimRng::new(seed);
        Self {
            disk: new_disk(),
            log: None,
            model: Model::default(),
            config: Arc::new(config_of(&mut rng)),
            rng,
            now_ms: 1_700_000_000_000,
            history: Vec::new(),
            attempt: Model::default(),
            is_append: false,
            leader_epoch: 0,
            is_leader: true,
            cleaning: None,
            cleaner_checkpoint: None,
            compacts: seed % 3 == 2,
            resets: false,
            swaps: None,
            steps: 0,
        }
    }

    /// Runs a script of `steps` steps on a disk where nothing fails.
    pub(crate) fn run(seed: u64, steps: usize) -> Run {
        let mut world = Self::new(seed);
        let start = world.disk.state();
        world.disk.start_recording();
        let mut points = Vec::with_capacity(steps + 1);
        for number in 0..=steps {
            let what =
                world.step().unwrap_or_else(|trouble| panic!("seed {seed} step {number}: {}", trouble.0));
            if let Err(problem) = verify::live(&mut world) {
                panic!("seed {seed} step {number} ({what}): {problem}");
            }
            let (changes, model, resets) = (world.disk.recorded(), world.model.clone(), world.resets);
            points.push(Point { changes, model, what, resets });
        }
        Run { start, changes: world.disk.take_recording(), points, config: world.config }
    }

    pub(crate) fn options(&self, clean_shutdown: bool) -> OpenOptions {
        OpenOptions {
            recovery_point: self.model.recovery_point,
            cleaned_to: 0,
            log_start_offset: self.model.log_start,
            clean_shutdown,
            now_ms: self.now_ms,
        }
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().expect("opened by the first step, and after each close")
    }

    /// One random step; says what it was. On an error the model stands where it stood before the step.
    pub(crate) fn step(&mut self) -> Result<String, Trouble> {
        self.now_ms += 1 + self.rng.below(500) as i64;
        self.disk.set_now_ms(self.now_ms);
        if self.model.flushed_by + 1 == self.steps {
            self.history.clear();
        }
        self.history.push(self.model.clone());
        (self.resets, self.swaps, self.is_append) = (false, None, false);
        self.attempt = self.model.clone();
        let number = self.steps;
        self.steps += 1;
        if self.log.is_none() {
            return self.reopen(false);
        }
        let cadence = if self.compacts { number % 10 } else { 0 };
        let choice = self.rng.below(100);
        let what = match if cadence < 5 { choice } else { 100 + cadence } {
            0..48 if self.is_leader => self.append_as_leader()?,
            0..48 => self.append_as_follower()?,
            48..52 => self.retry()?,
            52..64 => self.raise_high_watermark(),
            64..69 => self.flush(number)?,
            69..74 => self.roll()?,
            74..78 => self.truncate()?,
            78..82 => self.advance_log_start()?,
            82..83 => self.truncate_fully()?,
            83..86 => self.change_role()?,
            86..89 => self.apply_retention()?,
            89..97 | 109 => self.compact()?,
            105 | 106 => self.commit_all()?,
            107 => self.roll()?,
            108 => self.flush(number)?,
            _ => {
                self.close(number)?;
                self.reopen(true)?
            }
        };
        self.model.recovery_point = self.log().recovery_point();
        if std::env::var_os("RKAFKA_LOG_TRACE").is_some() {
            eprintln!("step {number}: {what}; log end {}", self.model.end);
        }
        Ok(what)
    }

    fn reopen(&mut self, clean: bool) -> Result<String, Trouble> {
        let log = open(&self.disk, &self.config, self.options(clean))?;
        // Checkpointed by the broker, not by the log.
        self.log = Some(log);
        self.cleaning = None;
        let high_watermark = self.model.high_watermark;
        self.log().update_high_watermark(high_watermark);
        self.model.producers.on_high_watermark(high_watermark);
        Ok(if clean { "close and open" } else { "open" }.to_owned())
    }

    fn close(&mut self, number: usize) -> Result<(), Trouble> {
        if let Some(log) = self.log.take() {
            log.close()?;
            (self.model.flushed, self.model.flushed_by) = (self.model.end, number);
            self.model.recovery_point = self.model.end;
        }
        Ok(())
    }

    fn append_as_leader(&mut self) -> Result<String, Trouble> {
        let draft = draw(&mut self.rng, &self.model.producers, 0, -1, self.now_ms);
        self.append_draft(&draft)
    }

    fn append_draft(&mut self, draft: &Draft) -> Result<String, Trouble> {
        let context = self.context(draft);
        let (base_offset, leader_epoch) = (self.model.end, self.leader_epoch);
        let batch = BatchRef::parse(&draft.bytes).expect("just built");
        let mut stored = batch.patched_header(base_offset, leader_epoch).to_vec();
        stored.extend_from_slice(batch.record_bytes());
        let stored = StoredBatch::new(Bytes::from(stored));
        let (facts, last_offset) = (stored.facts, stored.last_offset);
        self.attempt.push(stored);
        self.is_append = true;
        let outcome = self.log().append_leader(&draft.bytes, &context)?;
        assert_eq!((outcome.base_offset, outcome.last_offset), (base_offset, last_offset), "offsets");
        assert!(!outcome.duplicate, "{facts:?} is no duplicate");
        self.model = self.attempt.clone();
        Ok(format!("append {} at {base_offset}", draft.what))
    }

    fn context(&self, draft: &Draft) -> AppendContext {
        let origin = match draft.is_marker {
            true => AppendOrigin::TransactionMarker { transaction_version: 1 },
            false => AppendOrigin::Client,
        };
        AppendContext { leader_epoch: self.leader_epoch, origin, now_ms: self.now_ms, sole_replica: false }
    }

    /// One to three batches as a leader sent them, perhaps with a gap that its cleaner made.
    fn append_as_follower(&mut self) -> Result<String, Trouble> {
        let (mut model, mut bytes) = (self.model.clone(), Vec::new());
        for _ in 0..1 + self.rng.below(3) {
            let gap = if self.rng.chance(1, 10) { self.rng.below(5) as i64 } else { 0 };
            if self.rng.chance(1, 10) {
                self.leader_epoch += 1;
            }
            let base_offset = model.end + gap;
            let draft = draw(&mut self.rng, &model.producers, base_offset, self.leader_epoch, self.now_ms);
            bytes.extend_from_slice(&draft.bytes);
            model.push(StoredBatch::new(draft.bytes));
        }
        let what = format!("append fetched batches at {} to {}", self.model.end, model.end);
        (self.attempt, self.is_append) = (model, true);
        let now_ms = self.now_ms;
        self.log().append_follower(&bytes, now_ms)?;
        self.model = self.attempt.clone();
        Ok(what)
    }

    /// Of several fetched batches the first ones may have been appended before one was refused.
    pub(crate) fn note_partial_append(&mut self) {
        let end = self.log().log_end_offset();
        if end > self.model.end {
            let recovery_point = self.log().recovery_point();
            self.model = Model { recovery_point, ..self.attempt.cut(end) };
        }
    }

    /// A client repeats one of its last batches, or sends one that cannot be next.
    fn retry(&mut self) -> Result<String, Trouble> {
        let is_client_batch = |batch: &&Arc<StoredBatch>| {
            batch.facts.has_producer_id() && batch.facts.base_sequence >= 0 && batch.leader_epoch >= 0
        };
        let recent: Vec<_> =
            self.model.history.iter().rev().filter(is_client_batch).take(9).cloned().collect();
        let Some(batch) = recent.get(self.rng.below(recent.len())) else { return Ok("no retry".to_owned()) };
        let expected = self.model.producers.check(&batch.facts, AppendOrigin::Client);
        let last = self.model.producers.get(batch.facts.producer_id).and_then(|entry| entry.last_batch());
        let is_last = last.is_some_and(|last| last.last_offset == batch.last_offset);
        let header = batch.parse().patched_header(0, -1);
        let sent = [&header[..], batch.parse().record_bytes()].concat();
        let (leader_epoch, now_ms) = (self.leader_epoch, self.now_ms);
        let context =
            AppendContext { leader_epoch, origin: AppendOrigin::Client, now_ms, sole_replica: false };
        let found = self.log().append_leader(&sent, &context);
        match (expected, found) {
            (Ok(Check::Duplicate { base_offset, .. }), Ok(outcome)) => {
                assert!(outcome.duplicate && outcome.base_offset == base_offset, "{outcome:?}");
            }
            // A reload keeps only the last batch of each window (the snapshot has no more).
            (Ok(_), Err(AppendError::Producer(ProducerError::OutOfOrderSequence { .. }))) if !is_last => {}
            (Err(expected), Err(AppendError::Producer(found))) => assert_eq!(expected, found),
            (_, Err(error @ AppendError::Log(_))) => return Err(error.into()),
            (expected, found) => panic!("{:?}: expected {expected:?}, found {found:?}", batch.facts),
        }
        Ok(format!("retry of {}", batch.base_offset))
    }

    fn raise_high_watermark(&mut self) -> String {
        let room = (self.model.end - self.model.high_watermark) as usize;
        let offset = self.model.high_watermark + [room, self.rng.below(room + 1)][self.rng.below(2)] as i64;
        let moved = self.log().update_high_watermark(offset);
        assert!(
            moved || offset == self.model.high_watermark,
            "high watermark {offset} did not move anything"
        );
        self.model.high_watermark = offset;
        self.model.producers.on_high_watermark(offset);
        format!("high watermark {offset}")
    }

    /// Ends a transaction, and everything is committed.
    fn commit_all(&mut self) -> Result<String, Trouble> {
        let producer_id = 3 + (self.steps % 2) as i64;
        let marker = end_transaction(&mut self.rng, &self.model.producers, producer_id, self.now_ms);
        if let Some(marker) = marker.filter(|_| self.is_leader) {
            self.append_draft(&marker)?;
        }
        let end = self.model.end;
        self.log().update_high_watermark(end);
        self.model.high_watermark = end;
        self.model.producers.on_high_watermark(end);
        Ok(format!("all committed up to {end}"))
    }

    fn flush(&mut self, number: usize) -> Result<String, Trouble> {
        self.log().flush()?;
        (self.model.flushed, self.model.flushed_by) = (self.model.end, number);
        assert_eq!(self.log().recovery_point(), self.model.end, "recovery point after a flush");
        Ok("flush".to_owned())
    }

    fn roll(&mut self) -> Result<String, Trouble> {
        let now_ms = self.now_ms;
        self.log().roll(now_ms)?;
        Ok("roll".to_owned())
    }

    /// Ends of batches at or above the high watermark: where a follower can be told to cut.
    fn truncate(&mut self) -> Result<String, Trouble> {
        let floor = self.model.high_watermark.max(self.model.log_start);
        let first = self.model.batches.first().map(|batch| batch.base_offset);
        let first = first.filter(|offset| *offset == self.model.log_start);
        let ends = self.model.batches.iter().map(|batch| batch.last_offset + 1);
        let ends: Vec<_> = first.into_iter().chain(ends).filter(|end| *end >= floor).collect();
        let Some(at) = ends.get(self.rng.below(ends.len())).copied() else {
            return Ok("no truncation".to_owned());
        };
        self.attempt = self.model.cut(at);
        let removed = self.log().truncate_to(at)?;
        self.remove(removed)?;
        self.model = self.attempt.clone();
        self.is_leader = false;
        self.leader_epoch += 1;
        Ok(format!("truncate to {at}"))
    }

    /// Removes files taken out of the log, mostly; else the next start does.
    fn remove(&mut self, removed: DeferredDeletion) -> Result<(), Trouble> {
        if self.rng.chance(2, 3) { Ok(removed.run(&self.disk)?) } else { Ok(()) }
    }

    fn advance_log_start(&mut self) -> Result<String, Trouble> {
        let room = (self.model.high_watermark - self.model.log_start).max(0) as usize;
        let offset = self.model.log_start + self.rng.below(room + 1) as i64;
        self.attempt.log_start = offset;
        let moved = self.log().advance_log_start(offset)?;
        assert_eq!(moved, offset > self.model.log_start, "log start {offset}");
        self.model.log_start = offset;
        Ok(format!("log start {offset}"))
    }

    fn truncate_fully(&mut self) -> Result<String, Trouble> {
        let offset = self.model.end + self.rng.below(20) as i64 - 5;
        let offset = offset.max(self.model.log_start);
        let flushed_by = self.model.flushed_by;
        self.attempt = Model { flushed_by, flushed: 0, ..Model::empty_at(offset) };
        self.resets = true;
        let removed = self.log().truncate_fully(offset)?;
        self.remove(removed)?;
        self.model = self.attempt.clone();
        self.is_leader = false;
        self.leader_epoch += 1;
        Ok(format!("start anew at {offset}"))
    }

    fn apply_retention(&mut self) -> Result<String, Trouble> {
        let now_ms = self.now_ms;
        self.attempt.log_start = self.model.high_watermark;
        let removed = self.log().apply_retention(now_ms)?;
        let (view, old) = (self.log().view(), self.model.log_start);
        assert!(
            (old..=self.model.high_watermark).contains(&view.log_start_offset),
            "log start {}",
            view.log_start_offset
        );
        self.model.log_start = view.log_start_offset;
        self.remove(removed)?;
        Ok(format!("retention, log start {old} to {}", self.model.log_start))
    }

    /// Begins a pass, or swaps in the next group of the one under way.
    fn compact(&mut self) -> Result<String, Trouble> {
        let now_ms = self.now_ms;
        let Some((mut cleaning, map, end)) = self.cleaning.take() else {
            let (reader, recovery_point) = (self.log().reader(), self.log().recovery_point());
            let progress = Progress { recovery_point, cleaned_to: self.cleaner_checkpoint };
            let cleanable = cleaner::inspect(&reader, progress, now_ms)?;
            let mut cleaning = Cleaning::begin(self.log(), cleanable, now_ms);
            let mut map = OffsetMap::new(24 * (2 + self.rng.below(20)), 0.9, [7, 7]);
            let end = cleaning.read_keys(&mut map, &mut |_: u64| true)?;
            self.cleaning = Some((cleaning, map, end));
            let then = if self.compacts { self.compact()? } else { String::new() };
            return Ok(format!("{then} from {cleanable:?}"));
        };
        let Some(group) = cleaning.next_group(&map, &mut |_: u64| true)? else {
            self.cleaner_checkpoint = Some(end);
            return Ok(format!("compacted up to {end}"));
        };
        let segments = group.segments();
        self.swaps = Some(end);
        let swapped = group.swap_into(self.log())?;
        self.cleaning = Some((cleaning, map, end));
        let Some(removed) = swapped else {
            self.cleaning = None;
            return Ok("compaction met a changed log".to_owned());
        };
        // A failure that a test asked for may meet the first of these reads.
        let found = verify::read_all(self.log()).or_else(|_| verify::read_all(self.log()));
        let found = found.unwrap_or_else(|problem| panic!("after compaction: {problem}"));
        compaction::check(&self.model, &found, end, now_ms)
            .unwrap_or_else(|problem| panic!("compaction: {problem}"));
        self.model = self.model.with_batches(found);
        self.remove(removed)?;
        Ok(format!("compacted {segments:?} segments"))
    }

    fn change_role(&mut self) -> Result<String, Trouble> {
        self.is_leader = !self.is_leader;
        self.leader_epoch += 1;
        let epoch = self.leader_epoch;
        if self.is_leader {
            self.log().assign_epoch(epoch)?;
        }
        Ok(format!("{} of epoch {epoch}", if self.is_leader { "leader" } else { "follower" }))
    }
}
