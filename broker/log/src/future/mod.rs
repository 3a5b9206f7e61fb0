//! [`FutureLog`]: the copy of a log in another log directory, on its way to take the log's place (KIP-113).
//!
//! ```text
//! step      copies a piece, or cuts what the log no longer has; without the log's lock
//! announce  once it has caught up: everything durable, and said so in the checkpoints
//! finish    under the lock: the last records, then the names change places (dirs/futures.rs)
//! ```
//! What to do next is decided in `plan.rs`. Readers notice nothing: the copy goes on with the log's own views.

mod plan;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dirs::{LogDirs, LogPosition};
use crate::error::{AppendError, LogError, ReadError};
use crate::log::Log;
use crate::partition_name::TopicPartition;
use crate::reader::{LogReader, ReadLimits};
use crate::view::ReadView;
use plan::{Extent, Step, next_step};

/// Most bytes that are copied while the log's lock is held.
const LAST_BYTES_MAX: u64 = 1 << 20;

/// Why a copy cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FutureError {
    /// Either log's trouble.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read is not what a log holds.
    #[error("the log cannot be copied: {0}")]
    Append(#[from] AppendError),
}

impl FutureError {
    /// Whether a volume is full: it can be tried again.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Log(error) | Self::Read(ReadError::Log(error)) | Self::Append(AppendError::Log(error)) => {
                error.is_disk_full()
            }
            Self::Read(_) | Self::Append(_) => false,
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// Copied so many bytes, or cut the copy (none): there is more to do.
    Copied(u64),
    /// There was nothing to copy.
    CaughtUp,
}

/// How an attempt to finish ended.
#[derive(Debug)]
pub enum Finished {
    /// The copy is the log now; this is the directory of what it replaced, to be removed after a while.
    Swapped(PathBuf),
    /// The log went on too fast, or was cut: more steps are needed.
    NotYet(Box<FutureLog>),
}

/// The copy of one log. One owner copies, finishes or deletes it; nobody else appends to it.
#[derive(Debug)]
pub struct FutureLog {
    log: Log,
    partition: TopicPartition,
    unique: String,
    /// The log start offset that the checkpoints of its directory tell, once they tell of it at all.
    announced: Option<i64>,
    /// Up to where the log was compacted when copying began.
    cleaned_to: Option<i64>,
}

impl FutureLog {
    pub(crate) fn new(log: Log, partition: TopicPartition, unique: String) -> Self {
        Self { log, partition, unique, announced: None, cleaned_to: None }
    }

    /// What it holds.
    pub fn reader(&self) -> LogReader {
        self.log.reader()
    }

    /// Its directory.
    pub fn dir(&self) -> Arc<PathBuf> {
        self.log.dir()
    }

    /// Copies at most `max_bytes` (one batch at least), or does what must be done before.
    ///
    /// # Errors
    /// [`FutureError`]; the copy may be tried again after a full disk.
    pub fn step(
        &mut self,
        dirs: &LogDirs,
        current: &LogReader,
        max_bytes: u64,
        now_ms: i64,
    ) -> Result<Stepped, FutureError> {
        let (view, config) = (current.view(), current.config());
        if !Arc::ptr_eq(self.log.config(), &config) {
            self.log.set_config(config);
        }
        let step = self.next_step(&view);
        if let Step::StartAnew { offset } | Step::Truncate { offset } = step {
            self.withdraw(dirs)?;
            let removed = match step {
                Step::StartAnew { .. } => self.log.truncate_fully(offset)?,
                _ => self.log.truncate_to(offset)?,
            };
            removed.run(self.log.disk().as_ref())?;
            return Ok(Stepped::Copied(0));
        }
        let copied = self.copy(current, max_bytes, now_ms)?;
        self.follow_bounds(&view, now_ms)?;
        Ok(if copied == 0 { Stepped::CaughtUp } else { Stepped::Copied(copied) })
    }

    fn next_step(&self, current: &ReadView) -> Step {
        next_step(
            Extent {
                log_start_offset: current.log_start_offset,
                log_end_offset: current.log_end_offset,
                epochs: &current.epochs,
            },
            Extent {
                log_start_offset: self.log.log_start_offset(),
                log_end_offset: self.log.log_end_offset(),
                epochs: self.log.epochs(),
            },
        )
    }

    fn copy(&mut self, current: &LogReader, max_bytes: u64, now_ms: i64) -> Result<u64, FutureError> {
        let start = self.log.log_end_offset();
        if start >= current.view().log_end_offset {
            return Ok(0);
        }
        let limits = ReadLimits { max_bytes, upper_offset: i64::MAX, at_least_one_batch: true };
        let read = match current.read(start, limits) {
            // Cut meanwhile, at either end.
            Err(ReadError::OffsetOutOfRange { .. }) => return Ok(0),
            other => other?,
        };
        let Some(slice) = read.slice else { return Ok(0) };
        self.log.append_follower(&slice.bytes()?, now_ms)?;
        Ok(slice.len())
    }

    /// Log start and high watermark follow the log's; segments below the start go.
    fn follow_bounds(&mut self, current: &ReadView, now_ms: i64) -> Result<(), LogError> {
        self.log.update_high_watermark(current.high_watermark);
        if self.log.advance_log_start(current.log_start_offset)? {
            self.log.delete_below_log_start(now_ms)?.run(self.log.disk().as_ref())?;
        }
        Ok(())
    }

    /// Remembers up to where the log in the directory `current` is compacted as copying begins: what is compacted
    /// later may have been copied before.
    pub fn note_cleaned(&mut self, dirs: &LogDirs, current: &Path) {
        self.cleaned_to = dirs.cleaned_to(&self.partition, current);
    }

    /// Makes the copy durable and its checkpoints tell of it, so that little is left to be done under the log's lock.
    ///
    /// # Errors
    /// The disk's.
    pub fn announce(&mut self, dirs: &LogDirs) -> Result<(), LogError> {
        self.log.flush()?;
        let start = self.log.log_start_offset();
        if self.announced != Some(start) {
            let position = LogPosition {
                partition: self.partition.clone(),
                dir: self.log.health().dir().to_path_buf(),
                recovery_point: self.log.recovery_point(),
                log_start_offset: start,
                high_watermark: self.log.high_watermark(),
            };
            dirs.announce_future(position, self.cleaned_to)?;
            self.announced = Some(start);
        }
        Ok(())
    }

    fn withdraw(&mut self, dirs: &LogDirs) -> Result<(), LogError> {
        if self.announced.is_some() {
            dirs.withdraw_future(&self.log.dir(), &self.partition)?;
            self.announced = None;
        }
        Ok(())
    }

    /// Copies what is left and takes the log's place; `current` is the copy then. To be called under the log's lock,
    /// after [`announce`](Self::announce).
    ///
    /// # Errors
    /// [`FutureError`]; the log is as before, or its directory is offline. The copy's directory stays, for the
    /// next start to go on with.
    pub fn finish(mut self, dirs: &LogDirs, current: &mut Log, now_ms: i64) -> Result<Finished, FutureError> {
        current.health.check()?;
        if !self.take_rest(current, now_ms)? || self.announced != Some(current.log_start_offset) {
            return Ok(Finished::NotYet(Box::new(self)));
        }
        self.log.become_equal_to(current)?;
        let (log_home, home) = (Arc::clone(&current.home), Arc::clone(&self.log.home));
        let swap = dirs.plan_swap(&self.partition, &log_home.dir(), &home.dir(), &self.unique)?;
        log_home.moves_to(&swap.deleted);
        home.moves_to(&swap.live);
        let swapped = dirs.swap(&swap);
        if swapped.is_err() {
            log_home.renamed(&swap.current);
            home.renamed(&swap.future);
        }
        let durable = swapped?;
        // Readers that hold an older view still find its files.
        log_home.renamed(&swap.deleted);
        home.renamed(&swap.live);
        // Producers whose batches were deleted or compacted away are known to the log alone.
        std::mem::swap(&mut self.log.producers, &mut current.producers);
        self.log.shared = Arc::clone(&current.shared);
        self.log.publish();
        *current = self.log;
        durable?;
        Ok(Finished::Swapped(swap.deleted))
    }

    /// Whether the copy ends where the log does now.
    fn take_rest(&mut self, current: &Log, now_ms: i64) -> Result<bool, FutureError> {
        let (reader, view) = (current.reader(), current.view());
        let mut room = LAST_BYTES_MAX;
        loop {
            match self.next_step(&view) {
                Step::Nothing => break,
                Step::Copy if room > 0 => {}
                _ => return Ok(false),
            }
            match self.copy(&reader, room, now_ms)? {
                // Compaction left nothing of the last offsets.
                0 => self.log.skip_to(view.log_end_offset, now_ms)?,
                copied => room = room.saturating_sub(copied),
            }
        }
        self.follow_bounds(&view, now_ms)?;
        Ok(self.log.log_start_offset() == view.log_start_offset)
    }

    /// An orderly end: the next start goes on without looking at what has been copied.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(self) -> Result<(), LogError> {
        self.log.close()
    }
}

impl Log {
    /// Ends at `offset` without a batch before it.
    fn skip_to(&mut self, offset: i64, now_ms: i64) -> Result<(), LogError> {
        self.health.check()?;
        self.roll_at(offset, now_ms)?;
        self.publish();
        Ok(())
    }

    /// Takes over what the batches alone do not tell, and makes everything durable.
    fn become_equal_to(&mut self, other: &Log) -> Result<(), LogError> {
        debug_assert_eq!(self.log_end_offset, other.log_end_offset, "both hold the same batches");
        self.config = Arc::clone(&other.config);
        self.high_watermark = other.high_watermark;
        self.latest_ms = other.latest_ms;
        if self.epochs != other.epochs {
            self.epochs = Arc::clone(&other.epochs);
            self.epochs_unwritten = true;
        }
        self.write_epochs()?;
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use rkafka_record::BatchOptions;

    use super::*;
    use crate::OpenOptions;
    use crate::config::LogConfig;
    use crate::disk::Disk;
    use crate::disk::mem::{CallKind, Failure, SimDisk};
    use crate::testing::{NOW_MS, TestLog, batch, config};

    struct World {
        disk: SimDisk,
        dirs: LogDirs,
        log: Log,
    }

    fn partition() -> TopicPartition {
        TopicPartition { topic: "t".to_owned(), partition: 0 }
    }

    impl World {
        fn new() -> Self {
            let disk = SimDisk::new();
            let paths = ["/a".into(), "/b".into()];
            let dirs = LogDirs::open(Arc::new(disk.clone()), &paths).expect("an empty disk");
            let config = Arc::new(LogConfig { segment_bytes: 500, ..config() });
            let log = dirs.create_log(&partition(), "id", config, NOW_MS).expect("room");
            Self { disk, dirs, log }
        }

        fn append(&mut self, count: usize) {
            for _ in 0..count {
                let base_offset = self.log.log_end_offset();
                let options = BatchOptions { base_offset, partition_leader_epoch: 1, ..Default::default() };
                let bytes = batch(options, &[(NOW_MS, None, &"v".repeat(100))]);
                self.log.append_follower(&bytes, NOW_MS).expect("appends");
            }
        }

        fn begin(&self) -> FutureLog {
            let config = Arc::clone(self.log.config());
            self.dirs.begin_future(&partition(), "id", 1, 7, config, NOW_MS).expect("room")
        }

        fn copy(&self, future: &mut FutureLog) {
            let step = |future: &mut FutureLog| future.step(&self.dirs, &self.log.reader(), 300, NOW_MS);
            while step(future).expect("copies") != Stepped::CaughtUp {}
            future.announce(&self.dirs).expect("flushes");
        }

        fn finish(&mut self, future: FutureLog) -> Result<Finished, FutureError> {
            future.finish(&self.dirs, &mut self.log, NOW_MS)
        }
    }

    fn read_all(reader: &LogReader) -> i64 {
        let (mut offset, end) = (0, reader.view().log_end_offset);
        let limits = ReadLimits { max_bytes: 1, upper_offset: i64::MAX, at_least_one_batch: true };
        while offset < end {
            let read = reader.read(offset, limits).expect("reads");
            read.slice.expect("a batch").bytes().expect("reads");
            offset = read.next_offset;
        }
        offset
    }

    #[test]
    fn readers_go_on_with_the_copy() {
        let mut world = World::new();
        world.append(20);
        let reader = world.log.reader();
        let mut future = world.begin();
        world.copy(&mut future);
        world.append(3);
        assert!(matches!(world.finish(future), Ok(Finished::Swapped(_))));
        assert!(world.log.dir().starts_with("/b"));
        world.append(2);
        assert_eq!((read_all(&reader), reader.view().log_end_offset), (25, 25));
    }

    /// A log is read without its lock, so a file may be opened just when its directory gets another name.
    #[test]
    fn files_are_found_while_their_directory_is_renamed() {
        let mut test = TestLog::new(LogConfig { segment_bytes: 500, ..config() });
        test.append_plain(20, 100);
        let test = test.reopened(OpenOptions { recovery_point: 20, ..crate::testing::options() });
        let (home, reader) = (Arc::clone(&test.log.home), test.log.reader());
        let (from, to) = (Path::new(crate::testing::DIR), Path::new("/d/t-0.07-delete"));
        home.moves_to(to);
        assert_eq!(read_all(&reader), 20);
        test.log.segments.iter().for_each(|segment| segment.release());
        test.disk.rename(from, to).expect("renames");
        assert_eq!(read_all(&reader), 20);
        home.renamed(to);
        test.log.segments.iter().for_each(|segment| segment.release());
        assert_eq!(read_all(&reader), 20);
    }

    #[test]
    fn a_gap_that_compaction_left_at_the_end_is_copied() {
        let mut world = World::new();
        world.append(5);
        world.log.skip_to(9, NOW_MS).expect("rolls");
        let mut future = world.begin();
        world.copy(&mut future);
        assert!(matches!(world.finish(future), Ok(Finished::Swapped(_))));
        assert_eq!(world.log.log_end_offset(), 9);
        world.append(1);
        world.log.check_invariants();
    }

    #[test]
    fn a_copy_must_be_announced_as_it_is() {
        let mut world = World::new();
        world.append(5);
        world.log.update_high_watermark(5);
        let mut future = world.begin();
        world.copy(&mut future);
        world.log.advance_log_start(2).expect("moves");
        let Ok(Finished::NotYet(mut future)) = world.finish(future) else {
            panic!("its start is not durable")
        };
        world.copy(&mut future);
        assert!(matches!(world.finish(*future), Ok(Finished::Swapped(_))));
        assert_eq!(world.log.log_start_offset(), 2);
    }

    /// The copy cannot get its name: the log keeps its own, and goes on.
    #[test]
    fn a_swap_that_fails_half_way_is_taken_back() {
        let mut world = World::new();
        world.append(5);
        let mut future = world.begin();
        world.copy(&mut future);
        world.disk.fail_nth(CallKind::Rename, 2, Failure::Io);
        let error = world.finish(future).expect_err("a failure").to_string();
        assert!(error.contains("rename"), "{error}");
        assert!(world.log.dir().starts_with("/a") && world.log.health().is_online());
        world.append(2);
        assert_eq!(read_all(&world.log.reader()), 7);
        let World { disk, dirs, log } = world;
        drop((dirs, log));
        let dirs = LogDirs::open(Arc::new(disk), &["/a".into(), "/b".into()]).expect("opens");
        let found = dirs.find_logs();
        assert_eq!((found.len(), found[0].dir, dirs.find_futures().len()), (1, 0, 1));
    }
}
