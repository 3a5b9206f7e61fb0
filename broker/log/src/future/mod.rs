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
    NotYet(FutureLog),
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

    /// Remembers up to where the log in the directory `current` is compacted as copying begins: what is compacted later may have been copied
    /// before.
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
            return Ok(Finished::NotYet(self));
        }
        self.log.become_equal_to(current)?;
        let swapped = dirs.swap(&self.partition, &current.dir(), &self.log.dir(), &self.unique)?;
        // Producers whose batches were deleted or compacted away are known to the log alone.
        std::mem::swap(&mut self.log.producers, &mut current.producers);
        self.log.home.renamed(&swapped.live);
        // Readers that hold an older view still find its files.
        current.home.renamed(&swapped.deleted);
        self.log.shared = Arc::clone(&current.shared);
        self.log.publish();
        *current = self.log;
        swapped.durable?;
        Ok(Finished::Swapped(swapped.deleted))
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
