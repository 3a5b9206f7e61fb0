//! Sending records: batched, compressed, in order, and without duplicates.
//!
//! ```no_run
//! use rkafka_client::producer::{Producer, ProducerConfig, Record};
//!
//! # async fn example() -> Result<(), rkafka_client::producer::ProduceError> {
//! let producer = Producer::connect(ProducerConfig::new("localhost:9092")?).await?;
//! let delivery = producer.send(Record::to("orders").key("42").value("订单信息")).await?;
//! // Other records can be sent meanwhile; batches fill up behind the scenes.
//! let stored = delivery.await?;
//! println!("partition {} offset {:?}", stored.partition, stored.offset);
//! producer.close(std::time::Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `config.rs` | the settings, by their Java names |
//! | `record.rs`, `delivery.rs`, `error.rs` | what is sent, what came of it, and why not |
//! | `partitioner.rs` | which partition |
//! | `core/` | batches, retries, sequences: pure |
//! | `metrics.rs` | what it did so far |
//! | `request.rs`, `sender.rs` | requests and answers; the task that carries them |

mod config;
mod core;
mod delivery;
mod error;
mod metrics;
mod partitioner;
mod record;
mod request;
mod sender;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use config::{Acks, Partitioner, ProducerConfig};
pub use delivery::Delivery;
pub use error::ProduceError;
pub use partitioner::{murmur2, partition_of_key};
pub use record::{Header, Record, RecordMetadata};
pub use rkafka_record::{Codec, Compression};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::core::{Appended, Core, Settings};
use crate::cluster::Cluster;
use crate::error::ClientError;

/// An async producer; clones share its batches and connections. All methods can be called from any number of
/// tasks.
///
/// Records of one partition are stored in the order in which `send` was called, by default also when requests
/// have to be repeated. Dropping the last clone closes the producer: what was sent is still delivered as long
/// as the runtime runs; [`Producer::close`] waits for it.
#[derive(Debug, Clone)]
pub struct Producer {
    shared: Arc<Shared>,
    /// Closes the producer with the last clone.
    _open: Arc<Open>,
}

#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.with_core(|core, _| core.close());
        self.0.wake.notify_one();
    }
}

/// What callers and the sender share. The core's lock is held for one record or one decision, never across an
/// await.
struct Shared {
    config: ProducerConfig,
    cluster: Cluster,
    core: Mutex<Core>,
    started: Instant,
    /// Wakes the sender.
    wake: Notify,
    /// Wakes callers that wait for a topic: metadata came, or could not be had.
    metadata_seen: watch::Sender<u64>,
    /// Wakes callers that wait for batches to get their results, or for the room they leave.
    progress: Notify,
    /// Callers that wait for room come in one by one, in the order in which they began to wait.
    turnstile: tokio::sync::Mutex<()>,
    /// Why the cluster could not be asked the last time.
    last_failure: Mutex<Option<ClientError>>,
    /// The sender has ended.
    finished: CancellationToken,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Shared {
    /// Milliseconds since the producer was made.
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Runs `work` under the lock, then tells the results that it led to.
    fn with_core<T>(&self, work: impl FnOnce(&mut Core, u64) -> T) -> T {
        let now_ms = self.now_ms();
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut core, now_ms);
        let resolved = core.take_resolved();
        drop(core);
        if !resolved.is_empty() {
            resolved.into_iter().for_each(core::Resolved::tell);
            self.progress.notify_waiters();
        }
        done
    }

    fn topics_of_interest(&self) -> Vec<String> {
        let max_idle_ms = self.config.metadata_max_idle.as_millis() as u64;
        self.with_core(|core, now_ms| core.topics_of_interest(now_ms, max_idle_ms))
    }

    fn metadata_max_age_ms(&self) -> u64 {
        self.config.client.metadata_max_age.as_millis() as u64
    }

    fn note_failure(&self, error: ClientError) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn last_failure(&self) -> Option<ClientError> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Producer {
    /// A producer that looks for the cluster when there is something to send. To be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn new(config: ProducerConfig) -> Result<Producer, ProduceError> {
        config.validate()?;
        let cluster = Cluster::unconnected(config.client.clone());
        Ok(Producer::start(config, cluster))
    }

    /// A producer of a cluster that was found.
    ///
    /// # Errors
    /// Settings that contradict each other; [`ClientError::Unreachable`] with the reason for each address.
    pub async fn connect(config: ProducerConfig) -> Result<Producer, ProduceError> {
        config.validate()?;
        let cluster = Cluster::connect(config.client.clone()).await?;
        Ok(Producer::start(config, cluster))
    }

    fn start(config: ProducerConfig, cluster: Cluster) -> Producer {
        let span = tracing::debug_span!("producer", client_id = %config.client.client_id);
        let core = Mutex::new(Core::new(Settings::from(&config)));
        let shared = Arc::new(Shared {
            config,
            cluster,
            core,
            started: Instant::now(),
            wake: Notify::new(),
            metadata_seen: watch::Sender::new(0),
            progress: Notify::new(),
            turnstile: tokio::sync::Mutex::new(()),
            last_failure: Mutex::new(None),
            finished: CancellationToken::new(),
        });
        tokio::spawn(sender::Sender::new(shared.clone()).run().instrument(span));
        Producer { _open: Arc::new(Open(shared.clone())), shared }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ProducerConfig {
        &self.shared.config
    }

    /// Puts a record into the batch of its partition; the result is its acknowledgement, to wait for.
    ///
    /// Waits as long as the topic is not known or `buffer.memory` is full, at most `max.block.ms`. A caller
    /// that stops waiting (drops the future) has sent nothing.
    ///
    /// # Errors
    /// The topic is not there or may not be written to, the record is too large, there is no room, or the
    /// producer is closed.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, ProduceError> {
        let timestamp_ms = timestamp(&record)?;
        match self.append(timestamp_ms, &record)? {
            Appended::Queued { delivery, .. } => Ok(delivery),
            Appended::NeedsMetadata | Appended::NeedsMemory(_) => {
                self.send_patiently(timestamp_ms, &record).await
            }
        }
    }

    fn append(&self, timestamp_ms: i64, record: &Record<'_>) -> Result<Appended, ProduceError> {
        let appended = self.shared.with_core(|core, now_ms| core.append(now_ms, timestamp_ms, record));
        if let Ok(Appended::Queued { wakes_sender: true, .. }) = &appended {
            self.shared.wake.notify_one();
        }
        appended
    }

    async fn send_patiently(&self, timestamp_ms: i64, record: &Record<'_>) -> Result<Delivery, ProduceError> {
        let deadline = Instant::now() + self.shared.config.max_block;
        loop {
            let mut metadata_seen = self.shared.metadata_seen.subscribe();
            match self.append(timestamp_ms, record)? {
                Appended::Queued { delivery, .. } => return Ok(delivery),
                Appended::NeedsMetadata => {
                    self.shared.with_core(|core, _| core.need_metadata());
                    self.shared.wake.notify_one();
                    if timeout_at(deadline, metadata_seen.changed()).await.is_err() {
                        return Err(self.not_found(record));
                    }
                }
                Appended::NeedsMemory(size) => {
                    let waited = timeout_at(deadline, self.send_with_room(timestamp_ms, record)).await;
                    match waited {
                        Ok(Some(done)) => return done,
                        Ok(None) => {}
                        Err(_) => return Err(self.buffer_full(size)),
                    }
                }
            }
        }
    }

    /// Waits for room and takes it; nothing if the record needs something else meanwhile.
    async fn send_with_room(
        &self,
        timestamp_ms: i64,
        record: &Record<'_>,
    ) -> Option<Result<Delivery, ProduceError>> {
        let waiting = Waiting::new(&self.shared, Core::wait_for_memory, Core::end_wait_for_memory);
        self.shared.wake.notify_one();
        let _turn = self.shared.turnstile.lock().await;
        loop {
            let progress = self.shared.progress.notified();
            match self.append(timestamp_ms, record) {
                Ok(Appended::Queued { delivery, .. }) => return Some(Ok(delivery)),
                Ok(Appended::NeedsMetadata) => return None,
                Ok(Appended::NeedsMemory(_)) => progress.await,
                Err(error) => {
                    drop(waiting);
                    return Some(Err(error));
                }
            }
        }
    }

    /// Why a topic or partition could not be used within `max.block.ms`.
    fn not_found(&self, record: &Record<'_>) -> ProduceError {
        let after = self.shared.config.max_block;
        let topic = record.topic.to_owned();
        let (error, count) = self.shared.with_core(|core, _| {
            let (error, count) = core.topic_state(record.topic);
            (error.cloned(), count)
        });
        match record.partition {
            Some(partition) if count > 0 => ProduceError::NoPartition { topic, partition, count, after },
            _ => {
                let said = error.map(|error| Box::new(error.into()));
                let last = said.or_else(|| sender::in_vain(self.shared.last_failure()));
                ProduceError::NoTopic { topic, after, last }
            }
        }
    }

    fn buffer_full(&self, size: usize) -> ProduceError {
        let config = &self.shared.config;
        ProduceError::BufferFull { size, total: config.buffer_memory, after: config.max_block }
    }

    /// Sends everything at once and waits until everything sent before has its result, whatever that is.
    pub async fn flush(&self) {
        let mut target = 0;
        let _flushing = Waiting::new(&self.shared, |core| target = core.begin_flush(), Core::end_flush);
        self.shared.wake.notify_one();
        loop {
            let progress = self.shared.progress.notified();
            if self.shared.with_core(|core, _| core.is_flushed(target)) {
                return;
            }
            progress.await;
        }
    }

    /// Takes no more records and waits, at most `patience`, until everything has its result. What has none by
    /// then fails with [`ProduceError::ClosedForcefully`]. True if nothing had to.
    pub async fn close(&self, patience: Duration) -> bool {
        self.shared.with_core(|core, _| core.close());
        self.shared.wake.notify_one();
        let in_time = timeout(patience, self.shared.finished.cancelled()).await.is_ok();
        if !in_time {
            self.shared.with_core(|core, _| core.abort(&ProduceError::ClosedForcefully));
            self.shared.wake.notify_one();
        }
        in_time
    }
}

/// A caller counted among those who wait, until it is dropped: also when its future is.
struct Waiting<'a, E: FnMut(&mut Core)> {
    shared: &'a Shared,
    end: E,
}

impl<'a, E: FnMut(&mut Core)> Waiting<'a, E> {
    fn new(shared: &'a Shared, begin: impl FnOnce(&mut Core), end: E) -> Waiting<'a, E> {
        shared.with_core(|core, _| begin(core));
        Waiting { shared, end }
    }
}

impl<E: FnMut(&mut Core)> Drop for Waiting<'_, E> {
    fn drop(&mut self) {
        self.shared.with_core(|core, _| (self.end)(core));
    }
}

/// The record's timestamp, or the time.
fn timestamp(record: &Record<'_>) -> Result<i64, ProduceError> {
    match record.timestamp_ms {
        Some(value) if value < 0 => Err(ProduceError::Negative { what: "timestamp", value }),
        Some(timestamp_ms) => Ok(timestamp_ms),
        None => {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
        }
    }
}
