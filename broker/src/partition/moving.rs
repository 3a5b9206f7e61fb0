//! The move of a partition's log to another log directory of this broker (KIP-113): who may work on the copy, and what
//! others see of it.
//!
//! The copy itself is `rkafka_log::future`'s. Its lock is held while a piece is copied; the partition's own is
//! entered within it, and only to finish. So nobody who reads or appends waits for copying.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rkafka_log::dirs::{FoundFuture, LogDirs};
use rkafka_log::future::{Finished, Stepped};
use rkafka_log::{FutureError, FutureLog, LogError, LogReader, TopicPartition};
use tracing::{error, warn};
use uuid::Uuid;

use super::handle::{Partition, PartitionError, Role};

/// A replica that is being made to replace the one in another directory, as anyone may see it.
#[derive(Debug)]
pub struct FutureReplica {
    path: PathBuf,
    /// `None` until what an earlier run left is opened.
    reader: Option<LogReader>,
}

impl FutureReplica {
    /// The log directory it is in.
    pub fn log_dir(&self) -> Option<&Path> {
        self.path.parent()
    }

    /// How much has been copied.
    pub fn size_bytes(&self) -> u64 {
        self.reader.as_ref().map_or(0, |reader| reader.view().size_bytes())
    }

    /// Up to where.
    pub fn log_end_offset(&self) -> i64 {
        self.reader.as_ref().map_or(0, |reader| reader.view().log_end_offset)
    }
}

/// The copy and who works on it.
#[derive(Debug)]
enum Copy {
    /// What an earlier run left.
    Found(FoundFuture),
    Open(Box<FutureLog>),
}

impl Copy {
    fn path(&self) -> PathBuf {
        match self {
            Copy::Found(found) => found.path.clone(),
            Copy::Open(future) => future.dir().to_path_buf(),
        }
    }
}

/// The move of one partition, if there is one.
#[derive(Debug, Default)]
pub(super) struct Moving {
    /// Whoever copies, finishes or deletes holds this.
    copy: Mutex<Option<Copy>>,
    /// Set while there is a copy.
    shown: ArcSwapOption<FutureReplica>,
}

/// What a step of a move did.
#[derive(Debug, PartialEq, Eq)]
pub enum MoveStep {
    /// Copied so many bytes; there is more to do.
    Copied(u64),
    /// Not finished although nothing was left to copy: try again in a moment.
    NotYet,
    /// A volume is full: try again after a while.
    Full,
    /// The log is where it was to go; this is the directory it was in, to be removed after a while.
    Done(PathBuf),
    /// The move was cancelled.
    Gone,
}

/// Why a move was given up.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The copy's or the log's trouble.
    #[error(transparent)]
    Copy(#[from] FutureError),
    /// The partition's.
    #[error(transparent)]
    Partition(#[from] PartitionError),
}

impl From<LogError> for MoveError {
    fn from(error: LogError) -> Self {
        MoveError::Copy(error.into())
    }
}

impl Partition {
    /// Its replica in another directory that is to replace the one here.
    pub fn future(&self) -> Option<Arc<FutureReplica>> {
        self.moving.shown.load_full()
    }

    fn name(&self) -> TopicPartition {
        TopicPartition { topic: self.topic().to_string(), partition: self.id().index }
    }

    fn show(&self, path: PathBuf, reader: Option<LogReader>) {
        self.moving.shown.store(Some(Arc::new(FutureReplica { path, reader })));
    }

    /// Begins to move to the log directory `target`; nothing if there is a copy already.
    ///
    /// # Errors
    /// The partition is not here any more; the disk's.
    pub fn begin_move(&self, dirs: &LogDirs, target: usize, now_ms: i64) -> Result<(), PartitionError> {
        let mut copy = self.moving.copy.lock();
        // Deleting takes the log first and then the copy.
        if self.writer.lock().log.is_none() {
            return Err(PartitionError::NotLeader);
        }
        if copy.is_some() {
            return Ok(());
        }
        let (topic_id, unique) = (self.id().topic.to_string(), Uuid::new_v4().as_u128());
        let config = self.reader().config();
        let mut future = dirs.begin_future(&self.name(), &topic_id, target, unique, config, now_ms)?;
        future.note_cleaned(dirs, &self.dir());
        self.show(future.dir().to_path_buf(), Some(future.reader()));
        *copy = Some(Copy::Open(Box::new(future)));
        Ok(())
    }

    /// Goes on with a copy that an earlier run left.
    pub fn resume_move(&self, found: FoundFuture) {
        let mut copy = self.moving.copy.lock();
        self.show(found.path.clone(), None);
        *copy = Some(Copy::Found(found));
    }

    /// Ends a move and renames the copy; its directory is to be removed. Nothing if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn cancel_move(&self, dirs: &LogDirs) -> Result<Option<PathBuf>, LogError> {
        let mut slot = self.moving.copy.lock();
        let Some(copy) = slot.take() else { return Ok(None) };
        self.moving.shown.store(None);
        let path = copy.path();
        drop(copy);
        dirs.delete_future(&self.name(), &path, Uuid::new_v4().as_u128()).map(Some)
    }

    /// Leaves the copy, if there is one, to the next start.
    ///
    /// # Errors
    /// The disk's.
    pub fn close_move(&self, dirs: &LogDirs) -> Result<(), LogError> {
        let mut slot = self.moving.copy.lock();
        let Some(copy) = slot.take() else { return Ok(()) };
        self.moving.shown.store(None);
        let path = copy.path();
        match copy {
            Copy::Open(future) => future.close().inspect_err(|_| dirs.leave_future(&path)),
            Copy::Found(_) => {
                dirs.leave_future(&path);
                Ok(())
            }
        }
    }

    /// Copies at most `max_bytes` (one batch at least), or finishes.
    ///
    /// # Errors
    /// The disk's. The move is given up then; the next start goes on with it.
    pub fn step_move(&self, dirs: &LogDirs, max_bytes: u64, now_ms: i64) -> Result<MoveStep, MoveError> {
        let mut slot = self.moving.copy.lock();
        let Some(mut copy) = slot.take() else { return Ok(MoveStep::Gone) };
        let path = copy.path();
        match self.work_on(&mut copy, dirs, max_bytes, now_ms) {
            Ok(Some(MoveStep::Copied(bytes))) => {
                *slot = Some(copy);
                return Ok(MoveStep::Copied(bytes));
            }
            Err(MoveError::Copy(error)) if error.is_disk_full() => {
                warn!(%error, "the copy of a log waits for room");
                *slot = Some(copy);
                return Ok(MoveStep::Full);
            }
            Ok(_) => {}
            Err(error) => return Err(self.give_up(dirs, &path, error)),
        }
        let Copy::Open(future) = copy else { return Ok(MoveStep::Gone) };
        match self.finish_move(*future, dirs, now_ms) {
            Ok(Finished::NotYet(future)) => {
                *slot = Some(Copy::Open(future));
                Ok(MoveStep::NotYet)
            }
            Ok(Finished::Swapped(deleted)) => {
                self.moving.shown.store(None);
                if let Err(error) = dirs.forget_moved(&self.name(), &deleted) {
                    error!(%error, "checkpoints still tell of a log that was moved away");
                }
                Ok(MoveStep::Done(deleted))
            }
            Err(error) => Err(self.give_up(dirs, &path, error)),
        }
    }

    /// Nothing comes back once the copy has caught up and is durable.
    fn work_on(
        &self,
        copy: &mut Copy,
        dirs: &LogDirs,
        max_bytes: u64,
        now_ms: i64,
    ) -> Result<Option<MoveStep>, MoveError> {
        if self.role() == Role::Offline {
            return Err(PartitionError::Offline.into());
        }
        if let Copy::Found(found) = copy {
            let future = dirs.open_future(found, self.reader().config(), now_ms)?;
            self.show(future.dir().to_path_buf(), Some(future.reader()));
            *copy = Copy::Open(Box::new(future));
        }
        let Copy::Open(future) = copy else { return Ok(None) };
        match future.step(dirs, self.reader(), max_bytes, now_ms)? {
            Stepped::Copied(bytes) => Ok(Some(MoveStep::Copied(bytes))),
            Stepped::CaughtUp => {
                future.announce(dirs)?;
                Ok(None)
            }
        }
    }

    fn finish_move(&self, future: FutureLog, dirs: &LogDirs, now_ms: i64) -> Result<Finished, MoveError> {
        let mut writer = self.writer.lock();
        let log = writer.log.as_mut().ok_or(PartitionError::NotLeader)?;
        let finished = future.finish(dirs, log, now_ms);
        self.dir.store(log.dir());
        Ok(finished?)
    }

    fn give_up(&self, dirs: &LogDirs, path: &Path, error: MoveError) -> MoveError {
        self.moving.shown.store(None);
        dirs.leave_future(path);
        error
    }
}
