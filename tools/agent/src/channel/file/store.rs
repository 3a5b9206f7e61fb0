//! A file channel without its waiting: events in a segment log, and how far they have been delivered.
//!
//! A put is one record batch (more if it is large), an event one record. Events are given out in the order of their
//! offsets; each take has a receipt of its own ledger, and what has been delivered without a gap is written to the
//! checkpoint. After a kill reading begins there: nothing is lost, and what was on its way is given out once more.
//! No thread, no clock and no file operation but through [`Disk`]: the crash tests stop at every one.

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use rkafka_log::{
    AppendContext, AppendError, AppendOrigin, FlushJob, Flushed, Log, LogConfig, LogError, LogReader,
    OpenOptions, ReadError, ReadLimits,
    disk::{Disk, DiskFile, FileLock},
};
use rkafka_record::{BatchBuilder, BatchOptions, Batches, Codec, DecodeLimits, Header};

use super::{
    checkpoint::{Checkpoint, Progress},
    settings::Settings,
};
use crate::{
    channel::ChannelError,
    event::{Event, Headers, Text},
    receipt::{Ledger, Receipt},
};

/// The directory of the log in one of `dataDirs`: as a partition's, so that the stock dump tool reads it.
const LOG: &str = "events-0";
/// The file whose lock keeps a second channel out, as in Flume.
const LOCK: &str = "in_use.lock";
/// A put of more than this many bytes becomes several record batches.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// How much is read ahead at a time.
const READ_BYTES: u64 = 1024 * 1024;

/// Events on disk. Behind the channel's lock; only [`FlushJob::run`] happens outside it.
pub struct Store {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    log: Log,
    reader: LogReader,
    checkpoint: Checkpoint,
    backup: Option<Checkpoint>,
    /// Takes in order, with the offset behind each.
    ledger: Ledger,
    marks: VecDeque<i64>,
    settled: u64,
    /// Every event below it has been delivered.
    delivered: i64,
    /// Came back undelivered; next to be given out, with their receipts.
    returned: VecDeque<Event>,
    /// Read ahead, never given out; the last of them is the event before `next`.
    ready: VecDeque<Event>,
    next: i64,
    _locks: Vec<Box<dyn FileLock>>,
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An event is larger than a file may be.
    #[error("an event of {bytes} bytes cannot be kept: {reason}")]
    Event {
        /// Its size.
        bytes: usize,
        /// Why not.
        reason: String,
    },
    /// The log's.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Store {
    /// Opens what is in the channel's directories, making them if need be.
    ///
    /// # Errors
    /// Another channel has them, or the disk's.
    pub fn open(disk: Arc<dyn Disk>, settings: &Settings, now_ms: i64) -> Result<Store, ChannelError> {
        let refuse = |directory: &PathBuf, reason: String| ChannelError::Directory {
            channel: settings.name.clone(),
            directory: directory.clone(),
            reason,
        };
        let mut locks = Vec::new();
        for directory in [&settings.checkpoint].into_iter().chain(&settings.backup).chain(&settings.data) {
            disk.create_dir(directory)
                .map_err(|error| refuse(directory, format!("it cannot be made: {error}")))?;
            let lock = disk.lock(&directory.join(LOCK)).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => {
                    refuse(directory, "another channel uses it; each needs directories of its own".to_owned())
                }
                _ => refuse(directory, format!("it cannot be locked: {error}")),
            })?;
            locks.push(lock);
        }
        let open = |directory: &PathBuf| {
            Checkpoint::open(&*disk, directory).map_err(|error| refuse(directory, error.to_string()))
        };
        let checkpoint = open(&settings.checkpoint)?;
        let backup = settings.backup.as_ref().map(open).transpose()?;
        let home = home(&*disk, &settings.data);
        let directory = home.join(LOG);
        warn_of_flume(&*disk, &settings.data);
        let known = checkpoint.found().or_else(|| backup.as_ref().and_then(Checkpoint::found));
        let progress = known.unwrap_or_default();
        let options = OpenOptions {
            recovery_point: progress.recovery_point,
            cleaned_to: 0,
            log_start_offset: progress.delivered,
            clean_shutdown: false,
            now_ms,
        };
        let config = Arc::new(log_config(settings));
        let (mut log, report) = Log::open(disk.clone(), &directory, LOG, config, options)
            .map_err(|error| ChannelError::Log { channel: settings.name.clone(), error })?;
        for note in &report.notes {
            tracing::warn!("channel {}: {note}", settings.name);
        }
        let _ = log.update_high_watermark(log.log_end_offset());
        let delivered = progress.delivered.max(log.log_start_offset());
        if known.is_none() && log.log_end_offset() > delivered {
            tracing::warn!(
                "channel {}: its checkpoint is lost: all its events are given out again",
                settings.name
            );
        }
        Ok(Store {
            disk,
            directory: home,
            reader: log.reader(),
            log,
            checkpoint,
            backup,
            ledger: Ledger::new(|| ()),
            marks: VecDeque::new(),
            settled: 0,
            delivered,
            returned: VecDeque::new(),
            ready: VecDeque::new(),
            next: delivered,
            _locks: locks,
        })
    }

    /// How many events it holds, those on their way included.
    #[must_use]
    pub fn held(&self) -> usize {
        usize::try_from(self.log.log_end_offset() - self.delivered).unwrap_or(0)
    }

    /// Bytes that are free on the log's volume.
    ///
    /// # Errors
    /// The disk's.
    pub fn free_bytes(&self) -> io::Result<u64> {
        self.disk.space(&self.directory).map(|space| space.usable_bytes)
    }

    /// Writes a batch. It is safe from a kill then, and from a power cut once what [`Store::prepare_sync`] lists has
    /// been synced.
    ///
    /// # Errors
    /// Nothing was written, or, of a batch of many megabytes, a part: it may stand there twice then.
    pub fn append(&mut self, events: &[Event], now_ms: i64) -> Result<(), WriteError> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for event in events {
            let headers: Vec<Header<'_>> = event
                .headers
                .iter()
                .map(|(name, value)| Header { key: name.as_bytes(), value: Some(value.as_bytes()) })
                .collect();
            let full = builder.uncompressed_size().saturating_add(event.body.len()) > self.batch_bytes();
            if full && !builder.is_empty() {
                self.write(
                    std::mem::replace(&mut builder, BatchBuilder::new(BatchOptions::default())),
                    now_ms,
                )?;
            }
            builder
                .append(now_ms, None, Some(&event.body), &headers)
                .map_err(|error| WriteError::Event { bytes: event.body.len(), reason: error.to_string() })?;
        }
        if builder.is_empty() { Ok(()) } else { self.write(builder, now_ms) }
    }

    /// Half a file at most, so that headers and lengths always fit in.
    fn batch_bytes(&self) -> usize {
        let file = usize::try_from(self.log.config().segment_bytes).unwrap_or(usize::MAX);
        BATCH_BYTES.min(file / 2)
    }

    fn write(&mut self, builder: BatchBuilder, now_ms: i64) -> Result<(), WriteError> {
        let batch = builder.finish().map_err(AppendError::from)?;
        let context =
            AppendContext { leader_epoch: 0, origin: AppendOrigin::Coordinator, now_ms, sole_replica: true };
        self.log.append_leader(&batch, &context)?;
        Ok(())
    }

    /// What must be synced for all puts so far; `None` if nothing must.
    pub fn prepare_sync(&self) -> Option<FlushJob> {
        self.log.prepare_flush(self.log.log_end_offset())
    }

    /// A sync has succeeded.
    pub fn synced(&mut self, flushed: Flushed, now_ms: i64) {
        let _ = self.log.complete_flush(flushed, now_ms);
    }

    /// Takes up to `most` events, in order. None if there are none.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn take(&mut self, most: usize) -> Result<Vec<Event>, ReadError> {
        let mut taken: Vec<Event> = self.returned.drain(..self.returned.len().min(most)).collect();
        if taken.len() < most && self.ready.is_empty() {
            self.read_ahead()?;
        }
        let fresh = self.ready.len().min(most - taken.len());
        if fresh > 0 {
            let receipt = self.ledger.open(fresh);
            self.marks.push_back(self.next - (self.ready.len() - fresh) as i64);
            taken.extend(self.ready.drain(..fresh).map(|event| Event { receipt: receipt.clone(), ..event }));
        }
        Ok(taken)
    }

    /// Fills `ready` with what follows.
    fn read_ahead(&mut self) -> Result<(), ReadError> {
        let end = self.log.log_end_offset();
        if self.next >= end {
            return Ok(());
        }
        let limits = ReadLimits { max_bytes: READ_BYTES, upper_offset: end, at_least_one_batch: true };
        let read = self.reader.read(self.next, limits)?;
        let Some(slice) = read.slice else { return Ok(()) };
        let bytes = slice.bytes()?;
        for batch in Batches::new(&bytes) {
            let batch = batch?;
            let plain = batch.codec() == Codec::None;
            let decoded = batch.decode(DecodeLimits::default())?;
            for record in decoded.records() {
                let record = record?;
                if record.offset < self.next {
                    continue;
                }
                let body = record.value.unwrap_or_default();
                let text = |bytes: &[u8]| Text::from(String::from_utf8_lossy(bytes));
                let headers: Headers = record
                    .headers()
                    .map(|header| (text(header.key), text(header.value.unwrap_or_default())))
                    .collect();
                let body = if plain { bytes.slice_ref(body) } else { Bytes::copy_from_slice(body) };
                self.ready.push_back(Event { headers, body, receipt: Receipt::none() });
                self.next = record.offset + 1;
            }
        }
        Ok(())
    }

    /// Events came back undelivered: they are the next to be taken.
    pub fn give_back(&mut self, events: Vec<Event>) {
        for event in events.into_iter().rev() {
            self.returned.push_front(event);
        }
    }

    /// Notes what has been delivered; whether that is more than before.
    ///
    /// # Errors
    /// The disk's: after a kill these events would be given out again.
    pub fn settle(&mut self) -> io::Result<bool> {
        let completed = self.ledger.completed();
        let before = self.delivered;
        while self.settled < completed {
            self.settled += 1;
            self.delivered = self.marks.pop_front().unwrap_or(self.delivered);
        }
        if self.delivered == before {
            return Ok(false);
        }
        self.checkpoint.write(self.progress())?;
        Ok(true)
    }

    fn progress(&self) -> Progress {
        Progress { delivered: self.delivered, recovery_point: self.log.recovery_point() }
    }

    /// The checkpoint's file, for syncing it.
    #[must_use]
    pub fn checkpoint_file(&self) -> Arc<dyn DiskFile> {
        self.checkpoint.file().clone()
    }

    /// Writes and syncs the checkpoint, then deletes files all of whose events have been delivered.
    ///
    /// # Errors
    /// The disk's; nothing is lost by it.
    pub fn clean(&mut self, now_ms: i64) -> Result<(), LogError> {
        let progress = self.progress();
        for checkpoint in [&mut self.checkpoint].into_iter().chain(&mut self.backup) {
            let written = checkpoint.write(progress).and_then(|()| checkpoint.file().sync_data());
            written.map_err(|source| LogError::Io {
                action: "write",
                path: self.directory.clone(),
                source,
            })?;
        }
        if self.delivered == self.log.log_end_offset() {
            self.log.roll(now_ms)?;
        }
        let _ = self.log.advance_log_start(self.delivered)?;
        self.log.apply_retention(now_ms)?.run(&*self.disk)
    }

    /// Closes the log: all of it is on disk then.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(mut self, checkpoint: bool, now_ms: i64) -> Result<(), LogError> {
        self.log.flush()?;
        if checkpoint {
            self.clean(now_ms)?;
        }
        self.log.close()
    }
}

fn log_config(settings: &Settings) -> LogConfig {
    LogConfig {
        segment_bytes: settings.file_bytes,
        // Files begin when the last is full or delivered, not by the clock.
        segment_ms: i64::MAX,
        retention_ms: -1,
        file_delete_delay_ms: 0,
        max_message_bytes: i32::MAX as usize,
        ..LogConfig::default()
    }
}

/// The directory that has the log; of none has it, the one with the most room.
fn home(disk: &dyn Disk, directories: &[PathBuf]) -> PathBuf {
    let has_log = |directory: &&PathBuf| disk.list(&directory.join(LOG)).is_ok();
    let room = |directory: &&PathBuf| disk.space(directory).map_or(0, |space| space.usable_bytes);
    let found = directories.iter().find(has_log).or_else(|| directories.iter().rev().max_by_key(room));
    found.cloned().unwrap_or_default()
}

/// What Flume's own file channel left cannot be read here, and must not be taken for delivered.
fn warn_of_flume(disk: &dyn Disk, directories: &[PathBuf]) {
    for directory in directories {
        let entries = disk.list(directory).unwrap_or_default();
        let of_flume = |name: &str| {
            name.strip_prefix("log-").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if entries.iter().any(|entry| of_flume(&entry.name)) {
            tracing::warn!(
                "{} holds files of Apache Flume's channel, which are not read here: let Flume deliver them first",
                directory.display()
            );
        }
    }
}

#[cfg(test)]
mod tests;
