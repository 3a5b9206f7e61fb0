//! The producer's brain: pure, without sockets, clocks or tasks. Time comes in as milliseconds of a monotonic
//! clock, batches go out to whoever sends them, answers come back.
//!
//! | file | what it does |
//! |---|---|
//! | `append.rs` | records into batches: partition, room in the batch, room in `buffer.memory` |
//! | `poll.rs` | what is to be sent now, and when to look again |
//! | `answers.rs` | what answers, failures and lost connections mean for a batch |
//! | `idempotence.rs` | producer id, epochs, and how a sequence with a gap starts anew |
//! | `split.rs` | a batch that is too large for the broker becomes several |
//! | `partition.rs`, `batch.rs` | the state of a partition and of a batch |
//!
//! The rules are those of the Java client (`RecordAccumulator`, `Sender`, `TransactionManager`). Where it
//! knows only that a batch failed, this knows whether the batch may have been stored, and waits for the
//! outcome of those behind it before it gives out the same numbers again.

mod answers;
mod append;
mod batch;
mod idempotence;
mod partition;
mod poll;
mod split;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rkafka_record::Compression;
use uuid::Uuid;

use super::config::{Partitioner, ProducerConfig};
use super::delivery::{Completion, Stored};
use super::error::ProduceError;
use super::metrics::{Counts, Gauges};
use super::partitioner::Sticky;
use crate::error::ApiError;

pub(crate) use answers::{LeaderHint, Outcome, Sent};
pub(crate) use append::Appended;
pub(crate) use batch::{Payload, ProducerId, Stamp};
pub(crate) use poll::{NodeRequest, Outgoing, Work};

use partition::Partition;

/// What the core needs of the settings; times in milliseconds, sizes in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) batch_size: usize,
    pub(crate) linger_ms: u64,
    pub(crate) buffer_memory: usize,
    pub(crate) max_request_size: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) retries: u32,
    pub(crate) retry_backoff_ms: u64,
    pub(crate) retry_backoff_max_ms: u64,
    pub(crate) delivery_timeout_ms: u64,
    pub(crate) availability_timeout_ms: u64,
    pub(crate) compression: Compression,
    pub(crate) idempotent: bool,
    pub(crate) partitioner: Partitioner,
    pub(crate) ignore_keys: bool,
    pub(crate) adaptive: bool,
    /// Of everything that is left to chance.
    pub(crate) seed: u64,
}

impl From<&ProducerConfig> for Settings {
    fn from(config: &ProducerConfig) -> Settings {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Settings {
            batch_size: config.batch_size,
            linger_ms: ms(config.linger),
            buffer_memory: config.buffer_memory,
            max_request_size: config.max_request_size,
            max_in_flight: config.max_in_flight,
            retries: config.client.retries,
            retry_backoff_ms: ms(config.client.retry_backoff),
            retry_backoff_max_ms: ms(config.client.retry_backoff_max),
            delivery_timeout_ms: ms(config.delivery_timeout()),
            availability_timeout_ms: ms(config.availability_timeout),
            compression: config.compression,
            idempotent: config.is_idempotent(),
            partitioner: config.partitioner,
            ignore_keys: config.ignore_keys,
            adaptive: config.adaptive_partitioning,
            seed: fastrand::u64(..),
        }
    }
}

/// Which partition, by its place in the core's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    topic: usize,
    partition: usize,
}

/// The state of a producer. One lock around it; nothing here waits.
#[derive(Debug)]
pub(crate) struct Core {
    settings: Settings,
    random: fastrand::Rng,
    topics: Vec<Topic>,
    topics_by_name: HashMap<Arc<str>, usize>,
    nodes: HashMap<i32, Node>,
    /// Partitions with batches.
    active: Vec<Slot>,
    /// The id of an idempotent producer, once the cluster gave one.
    producer: Option<ProducerId>,
    memory_used: usize,
    /// Callers that wait for room: then batches do not linger.
    memory_waiters: usize,
    next_batch: u64,
    /// Batches that have no result yet, by number, with how many parts each has.
    incomplete: BTreeMap<u64, u32>,
    /// Callers that wait for everything to be sent.
    flushes: usize,
    /// No more records are taken.
    is_closed: bool,
    /// Why nothing can be sent any more.
    fatal: Option<ProduceError>,
    /// A leader is unknown or not the leader any more.
    metadata_is_stale: bool,
    /// Results to be told; outside the lock, because those who wait are woken by that.
    resolved: Vec<Resolved>,
    counts: Counts,
}

/// A batch whose fate is known.
#[derive(Debug)]
pub(crate) struct Resolved {
    completion: Arc<Completion>,
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    Settled(Result<Stored, ProduceError>),
    Split(Vec<(u32, Arc<Completion>)>),
}

impl Resolved {
    /// Tells those who wait for it.
    pub(crate) fn tell(self) {
        match self.fate {
            Fate::Settled(result) => self.completion.resolve(result),
            Fate::Split(parts) => self.completion.split(parts),
        }
    }
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    id: Uuid,
    partitions: Vec<Partition>,
    /// Why it cannot be used, in the cluster's words; unknown topics may come to be.
    error: Option<ApiError>,
    sticky: Sticky,
    /// For the round-robin partitioner.
    next_partition: usize,
    /// Compressed bytes a byte, as estimated from earlier batches.
    compression_ratio: f64,
    last_used_ms: u64,
}

/// A broker as the sender sees it.
#[derive(Debug, Default)]
struct Node {
    is_connected: bool,
    in_flight: usize,
    /// Asked to be left alone until then (KIP-219).
    muted_until_ms: u64,
    /// Since when batches wait that it cannot take.
    stuck_since_ms: Option<u64>,
}

/// A topic as the cluster describes it.
#[derive(Debug, Clone)]
pub(crate) struct TopicUpdate<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: Uuid,
    /// Leader and leader epoch of each partition, in order from 0.
    pub(crate) leaders: Vec<(Option<i32>, i32)>,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Core {
        Core {
            random: fastrand::Rng::with_seed(settings.seed),
            settings,
            topics: Vec::new(),
            topics_by_name: HashMap::new(),
            nodes: HashMap::new(),
            active: Vec::new(),
            producer: None,
            memory_used: 0,
            memory_waiters: 0,
            next_batch: 0,
            incomplete: BTreeMap::new(),
            flushes: 0,
            is_closed: false,
            fatal: None,
            metadata_is_stale: false,
            resolved: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Topics to ask the cluster about: those that records were sent to within `max_idle_ms`.
    pub(crate) fn topics_of_interest(&self, now_ms: u64, max_idle_ms: u64) -> Vec<String> {
        let fresh = |topic: &&Topic| {
            now_ms.saturating_sub(topic.last_used_ms) <= max_idle_ms
                || topic.partitions.iter().any(|partition| partition.is_active)
        };
        self.topics.iter().filter(fresh).map(|topic| topic.name.to_string()).collect()
    }

    /// Takes over what the cluster says of a topic. Leaders of older epochs than known are not believed:
    /// answers may come from brokers that lag behind.
    pub(crate) fn update_topic(&mut self, update: &TopicUpdate<'_>) {
        let at = self.topic_slot(update.name, 0);
        let topic = &mut self.topics[at];
        topic.error = None;
        let is_new = topic.id != update.id;
        topic.id = update.id;
        if topic.partitions.len() != update.leaders.len() {
            topic.sticky.forget();
        }
        if topic.partitions.len() < update.leaders.len() {
            topic.partitions.resize_with(update.leaders.len(), Partition::default);
        }
        for (index, (leader, epoch)) in update.leaders.iter().enumerate() {
            let partition = &mut topic.partitions[index];
            if is_new || *epoch < 0 || *epoch >= partition.leader_epoch {
                (partition.leader, partition.leader_epoch) = (*leader, *epoch);
            }
            if leader.is_none() && partition.is_active {
                self.metadata_is_stale = true;
            }
        }
    }

    /// Notes why a topic cannot be described.
    pub(crate) fn topic_failed(&mut self, name: &str, error: ApiError) {
        let at = self.topic_slot(name, 0);
        let topic = &mut self.topics[at];
        // A topic that is gone at one broker may be there at the next; its batches wait.
        if topic.partitions.is_empty() || !error.code.is_retriable() {
            topic.error = Some(error);
        }
    }

    /// What the cluster said against a topic, and how many partitions it has.
    pub(crate) fn topic_state(&self, name: &str) -> (Option<&ApiError>, usize) {
        let topic = self.topics_by_name.get(name).and_then(|at| self.topics.get(*at));
        topic.map_or((None, 0), |topic| (topic.error.as_ref(), topic.partitions.len()))
    }

    /// A caller waits for a topic.
    pub(crate) fn need_metadata(&mut self) {
        self.metadata_is_stale = true;
    }

    /// The metadata that was asked for has come.
    pub(crate) fn metadata_is_fresh(&mut self) {
        self.metadata_is_stale = false;
    }

    fn topic_slot(&mut self, name: &str, now_ms: u64) -> usize {
        if let Some(at) = self.topics_by_name.get(name) {
            return *at;
        }
        let name: Arc<str> = name.into();
        self.topics_by_name.insert(name.clone(), self.topics.len());
        self.topics.push(Topic {
            name,
            id: Uuid::nil(),
            partitions: Vec::new(),
            error: None,
            sticky: Sticky::default(),
            next_partition: self.random.usize(..=i32::MAX as usize),
            compression_ratio: 1.0,
            last_used_ms: now_ms,
        });
        self.topics.len() - 1
    }

    /// A connection to the broker is there or gone.
    pub(crate) fn set_connected(&mut self, node: i32, is_connected: bool) {
        self.nodes.entry(node).or_default().is_connected = is_connected;
    }

    /// Leaves a broker alone until then, as its quota demands.
    pub(crate) fn mute(&mut self, node: i32, until_ms: u64) {
        self.nodes.entry(node).or_default().muted_until_ms = until_ms;
    }

    /// Begins to send everything that waits now; the number is what [`Core::is_flushed`] asks for.
    pub(crate) fn begin_flush(&mut self) -> u64 {
        self.flushes += 1;
        self.next_batch
    }

    /// Whether everything before that number has its result.
    pub(crate) fn is_flushed(&self, number: u64) -> bool {
        self.incomplete.first_key_value().is_none_or(|(first, _)| *first >= number)
    }

    pub(crate) fn end_flush(&mut self) {
        self.flushes -= 1;
    }

    pub(crate) fn wait_for_memory(&mut self) {
        self.memory_waiters += 1;
    }

    pub(crate) fn end_wait_for_memory(&mut self) {
        self.memory_waiters -= 1;
    }

    /// Takes no more records.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Fails everything that has no result yet.
    pub(crate) fn abort(&mut self, error: &ProduceError) {
        for slot in std::mem::take(&mut self.active) {
            let partition = self.partition(slot);
            partition.is_active = false;
            let mut batches = std::mem::take(&mut partition.away);
            batches.extend(std::mem::take(&mut partition.queue));
            for batch in batches {
                self.settle(batch, Err(error.clone()));
            }
        }
    }

    /// Nothing can be sent any more: everything fails, now and from now on.
    pub(crate) fn fail(&mut self, error: ProduceError) {
        self.abort(&error);
        self.fatal = Some(error);
    }

    /// Results to be told once the lock is released.
    pub(crate) fn take_resolved(&mut self) -> Vec<Resolved> {
        std::mem::take(&mut self.resolved)
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// What is held at present.
    pub(crate) fn gauges(&self) -> Gauges {
        let in_flight = self.nodes.values().map(|node| node.in_flight).sum();
        Gauges { memory_used: self.memory_used, memory_waiters: self.memory_waiters, in_flight }
    }

    fn partition(&mut self, slot: Slot) -> &mut Partition {
        &mut self.topics[slot.topic].partitions[slot.partition]
    }

    /// Notes the final result of a batch and gives its memory back.
    fn settle(&mut self, batch: batch::Batch, result: Result<Stored, ProduceError>) {
        debug_assert!(self.memory_used >= batch.charged);
        self.memory_used -= batch.charged;
        let records = u64::from(batch.record_count.unsigned_abs());
        match &result {
            Ok(_) => self.counts.records_sent += records,
            Err(_) => self.counts.records_failed += records,
        }
        self.resolved.push(Resolved { completion: batch.completion, fate: Fate::Settled(result) });
        let (number, _) = batch.order;
        if let Some(parts) = self.incomplete.get_mut(&number) {
            *parts -= 1;
            if *parts == 0 {
                self.incomplete.remove(&number);
            }
        }
    }
}
