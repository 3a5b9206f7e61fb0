//! [`Log`]: one partition's directory and its only writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::LogConfig;
use crate::disk::Disk;
use crate::epoch::LeaderEpochs;
use crate::error::{AppendError, LogError};
use crate::producer::{AppendOrigin, ProducerStates};
use crate::reader::LogReader;
use crate::view::ReadView;

/// What the writer publishes for readers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) view: ArcSwap<ReadView>,
    pub(crate) config: ArcSwap<LogConfig>,
}

/// What is known about a log before it is opened; comes from the checkpoints of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Everything below it was durable when the checkpoint was written.
    pub recovery_point: i64,
    /// Log start offset set by DeleteRecords or retention; 0 if none is known.
    pub log_start_offset: i64,
    /// The last stop was orderly: nothing is scanned.
    pub clean_shutdown: bool,
    /// Wall time, milliseconds since 1970.
    pub now_ms: i64,
}

/// What opening had to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments whose batches were read and checked.
    pub segments_scanned: usize,
    /// Bytes cut off behind the first damage.
    pub bytes_truncated: u64,
    /// Segments removed because they lay behind the first damage.
    pub segments_removed: usize,
    /// Index files made anew.
    pub indexes_rebuilt: usize,
    /// Why something was cut or rebuilt, one line each, for the operator's log.
    pub notes: Vec<String>,
}

/// The circumstances of an append by a leader.
#[derive(Debug, Clone, Copy)]
pub struct AppendContext {
    /// Epoch of the leader that appends.
    pub leader_epoch: i32,
    /// Who writes: decides what is checked.
    pub origin: AppendOrigin,
    /// Wall time, milliseconds since 1970.
    pub now_ms: i64,
    /// This replica is the only one: the high watermark moves with the append.
    pub sole_replica: bool,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendOutcome {
    /// Offset of the first record. Of a duplicate: that of the first copy.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time given to all records if the topic uses LogAppendTime.
    pub log_append_time_ms: Option<i64>,
    /// Log start offset at that moment.
    pub log_start_offset: i64,
    /// The batch was in the log already; nothing was written. Answer once the copy is committed.
    pub duplicate: bool,
    /// A new segment was begun: older ones are to be flushed in the background.
    pub rolled: bool,
}

/// One partition's log. Single writer: its owner keeps it behind a mutex; readers use [`Log::reader`].
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: String,
    shared: Arc<Shared>,
    producers: ProducerStates,
    recovery_point: i64,
}

impl Log {
    /// Opens the log in `dir` (made if missing), recovering what a crash left.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        config: Arc<LogConfig>,
        options: OpenOptions,
    ) -> Result<(Log, RecoveryReport), LogError> {
        let start = options.log_start_offset;
        let view = ReadView {
            log_start_offset: start,
            high_watermark: start,
            last_stable_offset: start,
            log_end_offset: start,
            epochs: Arc::new(LeaderEpochs::new()),
            segments: Arc::new([]),
            active_size: 0,
        };
        let shared = Arc::new(Shared { view: ArcSwap::from_pointee(view), config: ArcSwap::new(config) });
        let log = Log {
            disk,
            dir: dir.to_path_buf(),
            name: name.to_owned(),
            shared,
            producers: ProducerStates::new(start),
            recovery_point: options.recovery_point,
        };
        Ok((log, RecoveryReport::default()))
    }

    /// Topic and partition, `topic-0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The partition's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The disk it lives on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
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

    /// Everything below it is durable.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// Replaces the settings.
    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.shared.config.store(config);
    }

    /// Appends one batch as leader: checks it, assigns offsets, writes it, publishes it.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then unchanged.
    pub fn append_leader(&mut self, batch: &[u8], context: &AppendContext) -> Result<AppendOutcome, AppendError> {
        let _ = context;
        Err(AppendError::NotOneBatch { trailing: batch.len() })
    }

    /// Appends batches fetched from the leader, with offsets and epochs as they are.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then unchanged.
    pub fn append_follower(&mut self, batches: &[u8], now_ms: i64) -> Result<AppendOutcome, AppendError> {
        let _ = now_ms;
        Err(AppendError::NotOneBatch { trailing: batches.len() })
    }

    /// Raises the high watermark (never past the log end, never back). Returns whether it or the last stable offset
    /// moved.
    pub fn update_high_watermark(&mut self, offset: i64) -> bool {
        let _ = offset;
        false
    }

    /// Notes that `leader_epoch` writes from the log end on (becoming leader).
    ///
    /// # Errors
    /// The disk's.
    pub fn assign_epoch(&mut self, leader_epoch: i32) -> Result<(), LogError> {
        let _ = leader_epoch;
        Ok(())
    }

    /// Removes everything from `offset` on (a follower that diverged).
    ///
    /// # Errors
    /// The disk's.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), LogError> {
        let _ = offset;
        Ok(())
    }

    /// Removes everything; the log goes on at `start_offset`.
    ///
    /// # Errors
    /// The disk's.
    pub fn truncate_fully(&mut self, start_offset: i64) -> Result<(), LogError> {
        let _ = start_offset;
        Ok(())
    }

    /// Moves the log start offset (DeleteRecords, retention, leader's log start on a follower). Returns whether it
    /// moved.
    ///
    /// # Errors
    /// The disk's.
    pub fn advance_log_start(&mut self, offset: i64) -> Result<bool, LogError> {
        let _ = offset;
        Ok(false)
    }

    /// Begins a new segment at the log end, unless the active one is empty.
    ///
    /// # Errors
    /// The disk's.
    pub fn roll(&mut self, now_ms: i64) -> Result<(), LogError> {
        let _ = now_ms;
        Ok(())
    }

    /// Makes everything durable and moves the recovery point.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn flush(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    /// Orderly end: flush, producer snapshot, spare space given back.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(self) -> Result<(), LogError> {
        Ok(())
    }
}
