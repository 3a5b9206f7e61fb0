//! What can go wrong, typed; the broker maps these to wire codes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rkafka_record::{BatchError, BuildError};
use thiserror::Error;

use crate::producer::ProducerError;

/// A log or its directory cannot do what was asked.
#[derive(Debug, Error)]
pub enum LogError {
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb: "write", "rename".
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The log directory was taken offline by an earlier failure; nothing is written there until a restart.
    #[error("log directory {dir} is offline: {reason}", dir = dir.display())]
    Offline {
        /// The directory.
        dir: PathBuf,
        /// The failure that took it offline.
        reason: String,
    },
    /// A file holds something it cannot hold, and it cannot be rebuilt from others.
    #[error("{path}: {problem}", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// Another broker (of any kind) uses the directory.
    #[error(
        "log directory {dir} is in use by another broker; stop it or choose another log.dirs",
        dir = dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory belongs to another cluster or node, or its identity cannot be read.
    #[error("{path}: {problem}", path = path.display())]
    Identity {
        /// `meta.properties` or `partition.metadata`.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// There is no online log directory to put a partition into.
    #[error("no log directory is online")]
    NoDirectory,
}

impl LogError {
    /// Makes an I/O error; for `map_err`. The path is copied only then.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io { action, path: path.to_path_buf(), source }
    }

    /// Whether the volume is full: nothing is broken, writing can go on once there is room.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    /// Whether this process (or the system) has run out of file descriptors or memory: nothing is wrong with
    /// the disk.
    pub(crate) fn is_exhaustion(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        let code = source.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
        matches!(code, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOMEM))
    }

    /// Whether a file was not there: a reader that lost a race with deletion looks again.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Records that made their batch unacceptable (`record_errors` of Produce v8+, KIP-467).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedRecords {
    /// How many there are.
    pub total: usize,
    /// The first of them, at most [`RefusedRecords::NAMED_MAX`].
    pub named: Vec<RecordError>,
    /// Whether the timestamp of any of them is out of range.
    pub any_untimely: bool,
}

impl RefusedRecords {
    /// Most records that are named of one batch: an answer must not grow with the client's mistakes.
    pub const NAMED_MAX: usize = 1000;

    pub(crate) fn note(&mut self, index: u32, problem: RecordProblem) {
        self.total += 1;
        self.any_untimely |= matches!(problem, RecordProblem::Timestamp { .. });
        if self.named.len() < Self::NAMED_MAX {
            self.named.push(RecordError { index: i32::try_from(index).unwrap_or(i32::MAX), problem });
        }
    }
}

impl fmt::Display for RefusedRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records are refused", self.total)?;
        match self.named.first() {
            Some(RecordError { index, problem }) => write!(f, ", the first is record {index}: {problem}"),
            None => Ok(()),
        }
    }
}

/// A record that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError {
    /// Position of the record in its batch, from 0.
    pub index: i32,
    /// Why.
    pub problem: RecordProblem,
}

/// Why a record is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordProblem {
    /// Without a key nothing can be compacted.
    #[error("Compacted topic cannot accept message without key")]
    MissingKey,
    /// Outside `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` around now (KIP-937).
    #[error(
        "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within \
         [{earliest}, {latest}]"
    )]
    Timestamp {
        /// Of the record, in milliseconds.
        timestamp: i64,
        /// Of the record, as the producer numbered it.
        offset: i64,
        /// The smallest timestamp that is accepted.
        earliest: i64,
        /// The largest timestamp that is accepted.
        latest: i64,
    },
}

/// Why a batch was not appended. The log is unchanged.
#[derive(Debug, Error)]
pub enum AppendError {
    /// Larger than `max.message.bytes` (wire code 10).
    #[error("the batch of {size} bytes is larger than the topic's max.message.bytes of {limit}")]
    TooLarge {
        /// Size of the whole batch in bytes.
        size: usize,
        /// `max.message.bytes`.
        limit: usize,
    },
    /// Larger than a whole segment (wire code 18).
    #[error("the batch of {size} bytes is larger than the topic's segment.bytes of {limit}")]
    LargerThanSegment {
        /// Size of all batches in bytes.
        size: usize,
        /// `segment.bytes`.
        limit: u64,
    },
    /// Not a batch, damaged, of an old format or with an unknown codec.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A produce request holds exactly one batch per partition (wire code 87).
    #[error("exactly one batch is accepted per partition, {trailing} bytes follow the first")]
    NotOneBatch {
        /// Bytes behind the first batch.
        trailing: usize,
    },
    /// Records break a rule (wire code 32 if any of them has a timestamp out of range, else 87).
    #[error("{0}")]
    InvalidRecords(RefusedRecords),
    /// The batch could not be compressed as the topic asks.
    #[error("cannot recompress the batch: {0}")]
    Recompress(#[from] BuildError),
    /// Idempotence, fencing or transaction state forbids it.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// A fetched batch does not continue this log (its offsets must rise and not be below the log end
    /// offset).
    #[error(
        "batch with offsets {base_offset} to {last_offset} does not continue the log, which ends at {expected}"
    )]
    UnexpectedOffset {
        /// First offset of the batch.
        base_offset: i64,
        /// Last offset of the batch.
        last_offset: i64,
        /// Smallest acceptable base offset.
        expected: i64,
    },
    /// The log's own trouble: disk full, directory offline (wire code 56).
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why nothing could be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The offset lies before the log start or after the log end (wire code 1).
    #[error("offset {offset} is outside the log, which holds {log_start_offset} up to {log_end_offset}")]
    OffsetOutOfRange {
        /// What was asked for.
        offset: i64,
        /// First offset of the log.
        log_start_offset: i64,
        /// Offset behind the last record.
        log_end_offset: i64,
    },
    /// A stored batch is damaged.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The disk's trouble.
    #[error(transparent)]
    Log(#[from] LogError),
}
