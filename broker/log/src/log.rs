//! [`Log`]: one partition's directory and its only writer.
//!
//! What it does is spread over files by task: `append.rs`, `truncate.rs`, `retention.rs`, `flush.rs`,
//! `recovery.rs`, `compaction.rs`, `close.rs`; here are its state, what it publishes, and rolling.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::checkpoint::{replace, write_atomically};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::epoch::{LEADER_EPOCH_CHECKPOINT, LeaderEpochs};
use crate::error::{LogError, ReadError};
use crate::files::Stage;
use crate::flush::Unflushed;
use crate::health::DirHealth;
use crate::place::Home;
use crate::producer::ProducerStates;
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::segment_writer::SegmentWriter;
use crate::snapshots::Snapshots;
use crate::txn_index::sync_file;
use crate::view::ReadView;

/// What the writer publishes for readers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) view: ArcSwap<ReadView>,
    pub(crate) config: ArcSwap<LogConfig>,
    /// Counts truncations, before anything is cut: a reader that finds another count than its view's does not
    /// believe what it found.
    cuts: AtomicU64,
}

impl Shared {
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Acquire)
    }

    pub(crate) fn announce_cut(&self) {
        self.cuts.fetch_add(1, Ordering::AcqRel);
    }
}

/// One partition's log.
///
/// Single writer: its owner keeps it behind a mutex and calls `&mut self` methods; each leaves the log
/// consistent and publishes what changed before it returns. Readers use [`Log::reader`] and never take that
/// mutex. After a failed write or sync the log directory is offline and every further change is refused
/// ([`LogError::Offline`]); a full disk refuses the one change and is forgotten.
#[derive(Debug)]
pub struct Log {
    pub(crate) home: Arc<Home>,
    pub(crate) name: String,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) health: DirHealth,
    pub(crate) shared: Arc<Shared>,
    /// By base offset, never empty; the last one is the active writer's.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    pub(crate) active: SegmentWriter,
    pub(crate) producers: ProducerStates,
    pub(crate) snapshots: Snapshots,
    pub(crate) epochs: Arc<LeaderEpochs>,
    /// `leader-epoch-checkpoint` differs, though not in what it says of the offsets inside the log: opening
    /// makes the same of it. Written before the next append.
    pub(crate) epochs_unwritten: bool,
    pub(crate) log_start_offset: i64,
    pub(crate) high_watermark: i64,
    pub(crate) log_end_offset: i64,
    /// Everything below it is durable.
    pub(crate) recovery_point: i64,
    pub(crate) unflushed: Unflushed,
    /// Latest wall time a caller passed in, milliseconds since 1970.
    pub(crate) latest_ms: i64,
}

/// The parts of a log that has been opened.
pub(crate) struct Opened {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) active: SegmentWriter,
    pub(crate) producers: ProducerStates,
    pub(crate) snapshots: Snapshots,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) epochs_unwritten: bool,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) recovery_point: i64,
    pub(crate) now_ms: i64,
    /// Files were made or removed.
    pub(crate) new_names: bool,
    /// So was the directory.
    pub(crate) new_dir: bool,
}

impl Log {
    pub(crate) fn assemble(
        home: Arc<Home>,
        name: &str,
        config: Arc<LogConfig>,
        health: DirHealth,
        opened: Opened,
    ) -> Self {
        let start = opened.log_start_offset;
        let segments: Arc<[Arc<Segment>]> = opened.segments.into();
        let epochs = Arc::new(opened.epochs);
        let view = ReadView {
            log_start_offset: start,
            high_watermark: start,
            last_stable_offset: start,
            log_end_offset: opened.log_end_offset,
            recovery_point: opened.recovery_point,
            cuts: 0,
            epochs: Arc::clone(&epochs),
            segments: Arc::clone(&segments),
            active_size: opened.active.size(),
        };
        let shared = Shared {
            view: ArcSwap::from_pointee(view),
            config: ArcSwap::new(Arc::clone(&config)),
            cuts: AtomicU64::new(0),
        };
        let log = Self {
            home,
            name: name.to_owned(),
            config,
            health,
            shared: Arc::new(shared),
            segments,
            active: opened.active,
            producers: opened.producers,
            snapshots: opened.snapshots,
            epochs,
            epochs_unwritten: opened.epochs_unwritten,
            log_start_offset: start,
            high_watermark: start,
            log_end_offset: opened.log_end_offset,
            recovery_point: opened.recovery_point,
            unflushed: Unflushed::new(opened.now_ms, opened.new_names, opened.new_dir),
            latest_ms: opened.now_ms,
        };
        log.publish();
        log
    }

    /// Topic and partition, `topic-0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The partition's directory.
    pub fn dir(&self) -> Arc<PathBuf> {
        self.home.dir()
    }

    /// The disk it lives on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.home.disk
    }

    /// State of the log directory it lies in.
    pub fn health(&self) -> &DirHealth {
        &self.health
    }

    /// Its settings.
    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// Replaces the settings; they count from the next call on.
    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.shared.config.store(Arc::clone(&config));
        self.config = config;
    }

    /// The current picture.
    pub fn view(&self) -> Arc<ReadView> {
        self.shared.view.load_full()
    }

    /// A handle for readers.
    pub fn reader(&self) -> LogReader {
        LogReader { shared: Arc::clone(&self.shared) }
    }

    /// Producers of this partition.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// Leader epochs of this partition.
    pub fn epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    /// First offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }

    /// Everything below it is committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Everything below it is decided.
    pub fn last_stable_offset(&self) -> i64 {
        let unstable = self.producers.first_unstable_offset().unwrap_or(i64::MAX);
        self.high_watermark.min(unstable.max(self.log_start_offset))
    }

    /// Everything below it is durable: goes into the recovery point checkpoint.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// Shows readers the log as it is now.
    pub(crate) fn publish(&self) {
        self.shared.view.store(Arc::new(ReadView {
            log_start_offset: self.log_start_offset,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset(),
            log_end_offset: self.log_end_offset,
            recovery_point: self.recovery_point,
            cuts: self.shared.cuts(),
            epochs: Arc::clone(&self.epochs),
            segments: Arc::clone(&self.segments),
            active_size: self.active.size(),
        }));
    }

    /// Raises the high watermark to `offset`, at most to the log end, never back. Returns whether it or the
    /// last stable offset moved.
    pub fn update_high_watermark(&mut self, offset: i64) -> bool {
        let before = (self.high_watermark, self.last_stable_offset());
        self.raise_high_watermark(offset);
        let moved = before != (self.high_watermark, self.last_stable_offset());
        if moved {
            self.publish();
        }
        moved
    }

    pub(crate) fn raise_high_watermark(&mut self, offset: i64) {
        let reached = offset.min(self.log_end_offset);
        if reached > self.high_watermark {
            self.high_watermark = reached;
            self.producers.on_high_watermark(reached);
        }
    }

    /// Notes that `leader_epoch` writes from the log end on; done when becoming leader, before the first
    /// append. Costs no file operation: until there is a batch of it nobody has to know of the epoch after a
    /// restart.
    ///
    /// # Errors
    /// [`LogError::Offline`].
    pub fn assign_epoch(&mut self, leader_epoch: i32) -> Result<(), LogError> {
        self.health.check()?;
        self.note_epoch(leader_epoch, self.log_end_offset);
        self.publish();
        Ok(())
    }

    /// Takes an epoch into the list, in memory.
    pub(crate) fn note_epoch(&mut self, leader_epoch: i32, start_offset: i64) {
        if leader_epoch < 0 || self.epochs.latest_epoch().is_some_and(|latest| latest >= leader_epoch) {
            return;
        }
        self.change_epochs(|epochs| epochs.assign(leader_epoch, start_offset));
    }

    /// Changes epochs in memory only, which is enough for what opening derives from the bounds of the log.
    pub(crate) fn change_epochs(&mut self, change: impl FnOnce(&mut LeaderEpochs) -> bool) {
        let mut epochs = LeaderEpochs::clone(&self.epochs);
        if change(&mut epochs) {
            self.epochs = Arc::new(epochs);
            self.epochs_unwritten = true;
        }
    }

    /// Brings the epochs to disk before batches of them. The file is synced by the next flush: a crash before
    /// that brings recovery to the batches that tell of the epoch.
    pub(crate) fn write_epochs(&mut self) -> Result<(), LogError> {
        if !self.epochs_unwritten {
            return Ok(());
        }
        let path = self.home.dir().join(LEADER_EPOCH_CHECKPOINT);
        // Compaction takes batches away that tell where an epoch began: then the file cannot be made anew.
        let sync_contents = self.config.cleanup_policy.compact;
        let written = replace(&*self.home.disk, &path, self.epochs.encode().as_bytes(), sync_contents);
        self.health.watch(written)?;
        self.unflushed.names += 1;
        self.epochs_unwritten = false;
        Ok(())
    }

    /// Takes epochs away as `remove` does; if it says that any went, makes that durable.
    pub(crate) fn remove_epochs(
        &mut self,
        remove: impl FnOnce(&mut LeaderEpochs) -> bool,
    ) -> Result<(), LogError> {
        let mut epochs = LeaderEpochs::clone(&self.epochs);
        if remove(&mut epochs) {
            let path = self.home.dir().join(LEADER_EPOCH_CHECKPOINT);
            let written = write_atomically(&*self.home.disk, &path, epochs.encode().as_bytes());
            self.health.watch(written)?;
            self.epochs = Arc::new(epochs);
            self.epochs_unwritten = false;
        }
        Ok(())
    }

    /// Begins a new segment at the log end, unless the active one is empty.
    ///
    /// # Errors
    /// The disk's.
    pub fn roll(&mut self, now_ms: i64) -> Result<(), LogError> {
        self.health.check()?;
        self.latest_ms = now_ms;
        if self.active.size() > 0 {
            self.roll_at(self.log_end_offset, now_ms)?;
            self.publish();
        }
        Ok(())
    }

    /// Begins a new segment at `base_offset`, at or behind the log end.
    pub(crate) fn roll_at(&mut self, base_offset: i64, now_ms: i64) -> Result<(), LogError> {
        self.finish_active(base_offset)?;
        self.begin_segment(base_offset, now_ms)
    }

    /// Seals the active segment and leaves what recovery needs to begin with the next one.
    pub(crate) fn finish_active(&mut self, base_offset: i64) -> Result<(), LogError> {
        debug_assert!(base_offset >= self.log_end_offset, "a new segment begins behind what is there");
        let sealed = self.active.seal();
        self.health.watch(sealed)?;
        // Recovery of the new segment begins with the producers below it.
        self.producers.advance_end_offset(base_offset);
        let snapshot = self.snapshots.write(&*self.home.disk, &self.home.dir(), &self.producers);
        self.health.watch(snapshot)?;
        if self.recovery_point >= base_offset {
            let synced = self.sync_sealed(base_offset);
            self.health.watch_sync(synced)?;
        }
        Ok(())
    }

    /// Makes the new segment and writes to it from now on.
    pub(crate) fn begin_segment(&mut self, base_offset: i64, now_ms: i64) -> Result<(), LogError> {
        let made = SegmentWriter::create(&self.home, base_offset, Stage::Live, now_ms);
        let writer = self.health.watch(made)?;
        let mut segments = self.segments.to_vec();
        segments.push(Arc::clone(writer.segment()));
        self.segments = segments.into();
        self.active = writer;
        self.producers.advance_end_offset(base_offset);
        self.log_end_offset = base_offset;
        self.unflushed.names += 1;
        Ok(())
    }

    /// Everything is durable already, so recovery would begin behind the segment just sealed: its indexes and
    /// the producers at its end must be durable before the next one exists.
    fn sync_sealed(&self, end_offset: i64) -> Result<(), LogError> {
        self.active.segment().sync(true)?;
        for path in self.snapshots.paths(&self.home.dir(), end_offset..=end_offset) {
            sync_file(&*self.home.disk, &path)?;
        }
        self.home.sync()
    }

    /// A part of `segment.jitter.ms` for the active segment: the same each time, different between
    /// partitions.
    pub(crate) fn jitter_ms(&self) -> i64 {
        let range = self.config.segment_jitter_ms.min(self.config.segment_ms);
        if range <= 0 {
            return 0;
        }
        let seed = self.active.segment().base_offset().to_be_bytes();
        let hash = rkafka_record::crc::extend(rkafka_record::crc::crc32c(self.name.as_bytes()), &seed);
        i64::from(hash) % range
    }

    /// Forgets producers idle for `producer.id.expiration.ms` (KIP-854). Returns how many.
    pub fn expire_producers(&mut self, now_ms: i64) -> usize {
        self.producers.expire(now_ms, self.config.producer_id_expiration_ms)
    }

    /// Closes files that nobody is using, to be opened again on the next use; called every minute or so. The
    /// active segment's go too if nothing was appended since the last call.
    ///
    /// # Errors
    /// The disk's.
    pub fn release_idle(&mut self) -> Result<(), LogError> {
        self.sealed_segments().iter().for_each(|segment| segment.release());
        let released = self.active.release_idle();
        match self.health.watch(released) {
            // What there is no room for stays in memory.
            Err(error) if error.is_disk_full() => Ok(()),
            other => other,
        }
    }

    /// What a failed look-up of the writer's own means.
    pub(crate) fn unreadable(&self, error: ReadError) -> LogError {
        match error {
            ReadError::Log(error) => error,
            other => LogError::Corrupt { path: self.home.dir().to_path_buf(), problem: other.to_string() },
        }
    }

    /// Panics if the parts of the log contradict each other; for tests and simulation after every step.
    pub fn check_invariants(&self) {
        let first = self.segments.first().expect("a log has a segment").base_offset();
        assert!(
            first <= self.log_start_offset,
            "log start {} below the first segment {first}",
            self.log_start_offset
        );
        assert!(self.log_start_offset <= self.high_watermark, "log start above the high watermark");
        assert!(self.high_watermark <= self.log_end_offset, "high watermark above the log end");
        assert!(self.recovery_point <= self.log_end_offset, "recovery point above the log end");
        assert!(
            self.segments.is_sorted_by(|a, b| a.base_offset() < b.base_offset()),
            "segments out of order"
        );
        let last = self.segments.last().expect("a log has a segment");
        assert!(Arc::ptr_eq(last, self.active.segment()), "the last segment is the active one");
        assert_eq!(self.producers.end_offset(), self.log_end_offset, "producers are not up to date");
        self.producers.check_invariants();
    }
}
