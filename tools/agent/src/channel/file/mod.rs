//! The file channel: events wait on disk, in a segment log such as a partition has.
//!
//! A put returns when its events are synced, and its source is told then: what is in the channel survives every kill
//! and power cut, with sources that cannot be asked again (`exec`, `netcat`) too. Flume keeps a log of puts and takes
//! that is replayed with the queue in memory; here the log *is* the queue, and memory holds a megabyte of it.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the properties |
//! | [`store`] | what is on disk, without waiting |
//! | [`checkpoint`] | how far events have been delivered |

pub mod checkpoint;
pub mod settings;
pub mod store;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use rkafka_log::disk::{Disk, real::RealDisk};
use tokio::{sync::Notify, time::Instant};

pub use settings::Settings;
use store::Store;

use super::{ChannelCounters, ChannelError, Refused};
use crate::{event::Event, receipt};

/// How long a taker waits when events cannot be read.
const REST: Duration = Duration::from_secs(1);

/// Events on disk between any number of sources and sinks.
pub struct FileChannel {
    settings: Settings,
    /// `None` once it is shut.
    store: Arc<Mutex<Option<Store>>>,
    /// Somebody put events in.
    filled: Notify,
    /// Events have been delivered.
    drained: Notify,
    closed: AtomicBool,
    /// Closed, and what is left is not given out any more.
    ended: AtomicBool,
    counters: ChannelCounters,
    /// Asks the thread that syncs the checkpoint to do so; one request waits at most.
    syncing: Mutex<Option<SyncSender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl FileChannel {
    /// Opens the channel's directories, with what an earlier run left in them.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn open(settings: &Settings) -> Result<FileChannel, ChannelError> {
        FileChannel::open_on(Arc::new(RealDisk), settings)
    }

    fn open_on(disk: Arc<dyn Disk>, settings: &Settings) -> Result<FileChannel, ChannelError> {
        let store = Store::open(disk, settings, now_ms())?;
        if store.held() > 0 {
            tracing::info!("channel {}: {} events wait from an earlier run", settings.name, store.held());
        }
        let store = Arc::new(Mutex::new(Some(store)));
        let (syncing, requests) = sync_channel(1);
        let keeper = Keeper { settings: settings.clone(), store: store.clone() };
        let spawned = std::thread::Builder::new()
            .name(format!("channel-{}", settings.name))
            .spawn(move || keeper.run(&requests));
        let thread = spawned.map_err(|error| ChannelError::Directory {
            channel: settings.name.clone(),
            directory: settings.checkpoint.clone(),
            reason: format!("no thread to look after it: {error}"),
        })?;
        Ok(FileChannel {
            settings: settings.clone(),
            store,
            filled: Notify::new(),
            drained: Notify::new(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            counters: ChannelCounters::default(),
            syncing: Mutex::new(Some(syncing)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Its name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What it has seen.
    #[must_use]
    pub fn counters(&self) -> &ChannelCounters {
        &self.counters
    }

    /// How many events may be in it.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.settings.capacity
    }

    /// How many events are in it, those on their way included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.lock().as_ref().map_or(0, Store::held)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a batch on disk, waiting for room up to the keep-alive time, and tells its source.
    ///
    /// # Errors
    /// There is no room, or it cannot be written; the batch comes back.
    pub async fn put(&self, batch: Vec<Event>) -> Result<(), Refused> {
        self.counters.put_attempts.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let deadline = Instant::now() + self.settings.keep_alive;
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            match self.try_put(&batch) {
                Ok(true) => break,
                Ok(false) => {}
                Err(reason) => {
                    self.counters.errors.fetch_add(1, Ordering::Relaxed);
                    return Err(Refused { channel: self.settings.name.clone(), reason, batch });
                }
            }
            if tokio::time::timeout_at(deadline, drained).await.is_err() {
                return Err(Refused::full(&self.settings.name, self.settings.keep_alive, batch));
            }
        }
        receipt::acknowledge(&batch);
        self.counters.puts.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.filled.notify_waiters();
        Ok(())
    }

    /// Whether there was room; else why it cannot be written.
    fn try_put(&self, batch: &[Event]) -> Result<bool, String> {
        let job = {
            let mut store = self.store.lock();
            let Some(store) = store.as_mut() else { return Err("is closed".to_owned()) };
            // One batch fits into an empty channel whatever its size.
            if store.held() > 0 && store.held() + batch.len() > self.settings.capacity {
                return Ok(false);
            }
            let free = store.free_bytes().map_err(|error| format!("cannot look for free space: {error}"))?;
            if free < self.settings.free_bytes {
                let needed = self.settings.free_bytes;
                return Err(format!(
                    "takes nothing: {free} bytes are free, minimumRequiredSpace is {needed}"
                ));
            }
            store.append(batch, now_ms()).map_err(|error| format!("cannot write: {error}"))?;
            if self.settings.sync_interval.is_some() {
                return Ok(true);
            }
            store.prepare_sync()
        };
        // Without the lock: takers go on, and puts of several sources are synced together by the disk.
        if let Some(job) = job {
            let flushed = job.run().map_err(|error| format!("cannot sync: {error}"))?;
            if let Some(store) = self.store.lock().as_mut() {
                store.synced(flushed, now_ms());
            }
        }
        Ok(true)
    }

    /// Takes up to `most` events, waiting for the first; none once the channel is closed.
    pub async fn take(&self, most: usize) -> Vec<Event> {
        let most = most.min(self.settings.transaction);
        loop {
            let filled = self.filled.notified();
            tokio::pin!(filled);
            filled.as_mut().enable();
            if self.ended.load(Ordering::Acquire) {
                return Vec::new();
            }
            let taken = self.store.lock().as_mut().map_or_else(|| Ok(Vec::new()), |store| store.take(most));
            match taken {
                Ok(taken) if !taken.is_empty() => {
                    self.counters.take_attempts.fetch_add(taken.len() as u64, Ordering::Relaxed);
                    return taken;
                }
                Ok(_) if self.closed.load(Ordering::Acquire) => return Vec::new(),
                Ok(_) => filled.await,
                Err(error) => {
                    self.counters.errors.fetch_add(1, Ordering::Relaxed);
                    tracing::error!("channel {}: events cannot be read: {error}", self.settings.name);
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// What was taken has been delivered: noted on disk before this returns, synced soon after.
    pub fn commit(&self, events: &[Event]) {
        self.counters.takes.fetch_add(events.len() as u64, Ordering::Relaxed);
        receipt::acknowledge(events);
        let settled = self.store.lock().as_mut().map_or(Ok(false), Store::settle);
        match settled {
            Ok(true) => {
                self.drained.notify_waiters();
                if let Some(syncing) = &*self.syncing.lock() {
                    // Full: a sync is about to begin that will see this too.
                    let _ = syncing.try_send(());
                }
            }
            Ok(false) => {}
            Err(error) => {
                self.counters.errors.fetch_add(1, Ordering::Relaxed);
                tracing::error!("channel {}: the checkpoint cannot be written: {error}", self.settings.name);
            }
        }
    }

    /// What was taken could not be delivered: it is the next to be taken.
    pub fn roll_back(&self, events: Vec<Event>) {
        if let Some(store) = self.store.lock().as_mut() {
            store.give_back(events);
        }
        self.filled.notify_waiters();
    }

    /// No more will be put; what there is is given out only with `drain`.
    pub fn close(&self, drain: bool) {
        self.closed.store(true, Ordering::Release);
        self.ended.store(!drain, Ordering::Release);
        self.filled.notify_waiters();
    }

    /// Closes the files. What has not been delivered stays for the next run.
    pub fn shut(&self) {
        self.close(false);
        *self.syncing.lock() = None;
        if let Some(thread) = self.thread.lock().take() {
            // It ends with the sender's end; it says itself what went wrong.
            let _ = thread.join();
        }
        let Some(store) = self.store.lock().take() else { return };
        if let Err(error) = store.close(self.settings.checkpoint_on_close, now_ms()) {
            tracing::error!("channel {}: it cannot be closed properly: {error}", self.settings.name);
        }
    }
}

impl Drop for FileChannel {
    fn drop(&mut self) {
        self.shut();
    }
}

/// The channel's thread: syncs the checkpoint when something was delivered, and puts where they are synced
/// together; deletes delivered files every checkpoint interval.
struct Keeper {
    settings: Settings,
    store: Arc<Mutex<Option<Store>>>,
}

impl Keeper {
    fn run(&self, requests: &Receiver<()>) {
        let tick = self.settings.sync_interval.map_or(self.settings.checkpoint_interval, |interval| {
            interval.min(self.settings.checkpoint_interval)
        });
        let mut cleaned = std::time::Instant::now();
        loop {
            let asked = match requests.recv_timeout(tick) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = self.sync(asked) {
                tracing::error!("channel {}: {error}", self.settings.name);
            }
            if cleaned.elapsed() >= self.settings.checkpoint_interval {
                cleaned = std::time::Instant::now();
                let done = self.store.lock().as_mut().map_or(Ok(()), |store| store.clean(now_ms()));
                if let Err(error) = done {
                    tracing::error!("channel {}: {error}", self.settings.name);
                }
            }
        }
    }

    /// Syncs outside the lock.
    fn sync(&self, checkpoint: bool) -> Result<(), rkafka_log::LogError> {
        let (file, job) = {
            let store = self.store.lock();
            let Some(store) = store.as_ref() else { return Ok(()) };
            let job = self.settings.sync_interval.and_then(|_| store.prepare_sync());
            (checkpoint.then(|| store.checkpoint_file()), job)
        };
        if let Some(job) = job {
            let flushed = job.run()?;
            if let Some(store) = self.store.lock().as_mut() {
                store.synced(flushed, now_ms());
            }
        }
        if let Some(Err(source)) = file.map(|file| file.sync_data()) {
            let path = self.settings.checkpoint.clone();
            return Err(rkafka_log::LogError::Io { action: "sync", path, source });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
