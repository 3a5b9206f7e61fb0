//! The thread that owns the quorum log's files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use openraft::storage::IOFlushed;
use rkafka_core::ids::TopicId;
use rkafka_log::disk::Disk;
use rkafka_log::{AppendError, CleanupPolicy, Log, LogConfig, LogError, OpenOptions, ReadLimits};
use rkafka_record::Batches;
use tokio::sync::watch;
use uuid::Uuid;

use super::codec::{decode_entry, encode_entry};
use super::log_store::Shared;
use super::state_file::{QuorumState, StateFile};
use super::types::{Entry, Metadata};

/// Commands that may wait for the disk; raft itself has few in flight, so a full queue means a dead disk.
const QUEUE_MAX: usize = 4096;

/// Segments are small: the log is cut by snapshots, and whole segments only are given back.
const SEGMENT_BYTES: u64 = 16 << 20;

/// How soon to try again while the disk is full.
const FULL_RETRY: Duration = Duration::from_millis(100);

/// What the writer is asked to do, in this order; `done` is told once it is durable.
pub(crate) enum Command {
    /// Add entries at the end.
    Append { entries: Vec<Entry>, done: IOFlushed<Metadata> },
    /// Replace the state file.
    Save { state: QuorumState, done: IOFlushed<Metadata> },
    /// Remove entries from `index` on.
    TruncateTo { index: u64, done: IOFlushed<Metadata> },
    /// Forget entries below `index`; `state` already names the last of them.
    PurgeTo { state: QuorumState, index: u64, done: IOFlushed<Metadata> },
}

/// The way to the writer. It ends, with everything asked of it done, when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct WriterHandle(SyncSender<Command>);

impl WriterHandle {
    /// Queues a command.
    pub(crate) fn send(&self, command: Command) -> io::Result<()> {
        self.0.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => io::Error::other("the quorum log's disk does not keep up"),
            TrySendError::Disconnected(_) => io::Error::other("the quorum log's writer has ended"),
        })
    }
}

/// The wall clock in milliseconds since 1970, for record timestamps; nothing depends on them.
pub type WallClock = fn() -> i64;

/// A new id for a directory, whose text no command line takes for an option.
fn draw_directory() -> Uuid {
    loop {
        if let Some(TopicId(bytes)) = TopicId::from_random(*Uuid::new_v4().as_bytes()) {
            return Uuid::from_bytes(bytes);
        }
    }
}

/// The writer's thread, to be waited for.
#[derive(Debug)]
pub(crate) struct WriterThread {
    thread: JoinHandle<()>,
    ending: Arc<AtomicBool>,
    waiting: watch::Receiver<bool>,
}

impl WriterThread {
    /// From now on a full disk is an error, not something to wait for.
    pub(crate) fn end_soon(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it waits for room on its disk; closed when it ends.
    pub(crate) fn waiting(&self) -> watch::Receiver<bool> {
        self.waiting.clone()
    }

    /// Waits for its end; false if it panicked.
    pub(crate) fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

/// The files and what they hold.
struct Writer {
    log: Log,
    state: StateFile,
    clock: WallClock,
    room: Room,
}

/// Patience with a full disk. Raft gives its node up at the first error of its log, for good; but a full disk is nothing
/// broken. Waiting is silence: nothing is acknowledged, no vote given, and all goes on once there is room.
struct Room {
    ending: Arc<AtomicBool>,
    waiting: watch::Sender<bool>,
}

impl Room {
    /// Does `work`, again and again while the disk is full.
    fn wait_for<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut said = false;
        loop {
            match work() {
                Err(error) if is_full(&error) && !self.ending.load(Ordering::Relaxed) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::error!(%error, "the quorum log's disk is full; waiting for room");
                        self.waiting.send_replace(true);
                    }
                    std::thread::sleep(FULL_RETRY);
                }
                result => {
                    if said {
                        self.waiting.send_replace(false);
                    }
                    if said && result.is_ok() {
                        tracing::info!("the quorum log's disk has room again");
                    }
                    return result;
                }
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Opens the quorum log in `dir` and starts its thread.
///
/// # Errors
/// The disk's, or a damaged file that must not be guessed at.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    clock: WallClock,
) -> io::Result<(Shared, WriterHandle, WriterThread)> {
    disk.create_dir(dir)?;
    if let Some(above) = dir.parent() {
        // A vote in a directory whose own name is lost would be forgotten.
        disk.sync_dir(above)?;
    }
    let state_file = StateFile::new(Arc::clone(&disk), dir);
    let mut state = state_file.load()?;
    if state.directory.is_nil() {
        state.directory = draw_directory();
        state_file.save(&state)?;
    }
    let start = state.purged.map_or(0, |(_, index)| index + 1);
    let options = OpenOptions {
        // Entries are few and precious: all of them are checked at every start.
        recovery_point: offset(start)?,
        cleaned_to: 0,
        log_start_offset: offset(start)?,
        clean_shutdown: false,
        now_ms: clock(),
    };
    let config = LogConfig {
        segment_bytes: SEGMENT_BYTES,
        retention_ms: -1,
        max_message_bytes: usize::MAX,
        cleanup_policy: CleanupPolicy { compact: false, delete: true },
        ..LogConfig::default()
    };
    let (mut log, report) = Log::open(disk, dir, "metadata", Arc::new(config), options).map_err(other)?;
    report.notes.iter().for_each(|note| tracing::warn!("quorum log: {note}"));
    if log.view().log_end_offset < offset(start)? {
        // A snapshot from another node went past the end of this log.
        log.truncate_fully(offset(start)?).and_then(|files| files.run(&**log.disk())).map_err(other)?;
    }
    let entries = read_entries(&log)?;
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let ending = Arc::new(AtomicBool::new(false));
    let (sets_waiting, waiting) = watch::channel(false);
    let room = Room { ending: Arc::clone(&ending), waiting: sets_waiting };
    let mut writer = Writer { log, state: state_file, clock, room };
    let thread =
        std::thread::Builder::new().name("quorum-log".to_owned()).spawn(move || writer.run(&receiver))?;
    Ok((Shared { entries, state }, WriterHandle(sender), WriterThread { thread, ending, waiting }))
}

fn read_entries(log: &Log) -> io::Result<BTreeMap<u64, Entry>> {
    let reader = log.reader();
    let view = reader.view();
    let mut entries = BTreeMap::new();
    let mut next = view.log_start_offset;
    while next < view.log_end_offset {
        let limits =
            ReadLimits { max_bytes: 1 << 20, upper_offset: view.log_end_offset, at_least_one_batch: true };
        let read = reader.read(next, limits).map_err(|error| io::Error::other(error.to_string()))?;
        let Some(slice) = read.slice else { break };
        for batch in Batches::new(&slice.bytes().map_err(other)?) {
            let entry =
                batch.map_err(Into::into).and_then(|batch| decode_entry(&batch)).map_err(|error| {
                    let problem = format!("{}: offset {next}: {error}", log.dir().display());
                    io::Error::new(io::ErrorKind::InvalidData, problem)
                })?;
            entries.insert(entry.log_id.index, entry);
        }
        next = read.next_offset;
    }
    Ok(entries)
}

impl Writer {
    /// Serves commands until every handle is gone. Appends that wait together are synced together.
    fn run(&mut self, commands: &Receiver<Command>) {
        let mut unsynced = Vec::new();
        while let Ok(first) = commands.recv() {
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Append { entries, done } => match self.append(&entries) {
                        Ok(()) => unsynced.push(done),
                        Err(error) => done.io_completed(Err(error)),
                    },
                    other => {
                        self.sync(&mut unsynced);
                        self.carry_out(other);
                    }
                }
                next = commands.try_recv().ok();
            }
            self.sync(&mut unsynced);
        }
    }

    fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            let now_ms = (self.clock)();
            let bytes = encode_entry(entry, now_ms).map_err(|error| io::Error::other(error.to_string()))?;
            self.room
                .wait_for(|| self.log.append_follower(&bytes, now_ms).map(drop).map_err(append_error))?;
        }
        Ok(())
    }

    fn sync(&mut self, unsynced: &mut Vec<IOFlushed<Metadata>>) {
        if unsynced.is_empty() {
            return;
        }
        let failure = self.log.flush().err().map(|error| error.to_string());
        for done in unsynced.drain(..) {
            done.io_completed(failure.clone().map_or(Ok(()), |reason| Err(io::Error::other(reason))));
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Append { done, .. } => {
                done.io_completed(Err(io::Error::other("appends are handled by the queue")));
            }
            Command::Save { state, done } => {
                done.io_completed(self.room.wait_for(|| self.state.save(&state)));
            }
            Command::TruncateTo { index, done } => done.io_completed(self.truncate_to(index)),
            Command::PurgeTo { state, index, done } => done.io_completed(self.purge_to(&state, index)),
        }
    }

    fn truncate_to(&mut self, index: u64) -> io::Result<()> {
        let index = offset(index)?;
        self.room.wait_for(|| {
            let files = self.log.truncate_to(index).map_err(other)?;
            files.run(&**self.log.disk()).and_then(|()| self.log.flush()).map_err(other)
        })
    }

    fn purge_to(&mut self, state: &QuorumState, index: u64) -> io::Result<()> {
        // The state first: a log that still holds purged entries is harmless, a hole would not be.
        self.room.wait_for(|| self.state.save(state))?;
        let index = offset(index)?;
        let files = if self.log.log_end_offset() < index {
            self.log.truncate_fully(index)
        } else {
            self.log.update_high_watermark(index);
            self.log.advance_log_start(index).and_then(|_| self.log.apply_retention((self.clock)()))
        };
        // Nobody else reads these files: they need not stay for a while.
        files.and_then(|files| files.run(&**self.log.disk())).map_err(other)
    }
}

fn offset(index: u64) -> io::Result<i64> {
    i64::try_from(index).map_err(|_| io::Error::other("raft index beyond 2^63"))
}

fn other(error: LogError) -> io::Error {
    match error.is_disk_full() {
        true => io::Error::new(io::ErrorKind::StorageFull, error),
        false => io::Error::other(error),
    }
}

fn append_error(error: AppendError) -> io::Error {
    match error {
        AppendError::Log(error) => other(error),
        error => io::Error::other(error.to_string()),
    }
}
