//! Clients of a chaos run, and what they were told: producers of several kinds, consumers, and watchers of the high
//! watermark. Every value is written once: `producer.sequence` and some padding.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rkafka_checker::{Event, History, Outcome, Poll, Promise, Send, Value};
use rkafka_client::TopicPartition;
use rkafka_client::producer::{Acks, Codec, Producer, ProducerConfig, Record};
use rkafka_client::{
    Admin, AutoOffsetReset, ClientConfig, Consumer, ConsumerConfig, IsolationLevel, OffsetSpec,
};
use tokio::sync::{Semaphore, watch};

/// The topic that everything is written to.
pub const TOPIC: &str = "chaos";

/// Records of one producer that may be under way.
const UNDER_WAY_MAX: u32 = 64;
/// The pause of a producer between bursts.
const PAUSE: Duration = Duration::from_millis(30);
/// After so many records a producer of kind [`Kind::Reborn`] is dropped, and another one takes over.
const LIFE: u64 = 150;

/// What a producer is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// acks=all, idempotent; tries for two minutes.
    Patient,
    /// acks=all, idempotent, compressed; gives up after four seconds, and goes on with the next record.
    Impatient,
    /// acks=all without idempotence.
    Plain,
    /// acks=1.
    LeaderOnly,
    /// acks=all, idempotent, dropped with records under way every now and then.
    Reborn,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [Kind::Patient, Kind::Impatient, Kind::Plain, Kind::LeaderOnly, Kind::Reborn];

    fn promise(self) -> Promise {
        let durable = self != Kind::LeaderOnly;
        Promise { durable, idempotent: durable && self != Kind::Plain }
    }

    fn config(self, client: ClientConfig) -> ProducerConfig {
        let config = ProducerConfig::over(client);
        match self {
            Kind::Patient | Kind::Reborn => config,
            Kind::Impatient => {
                let mut config = config.with_compression(Codec::Lz4);
                config.client.request_timeout = Duration::from_secs(2);
                config.with_delivery_timeout(Duration::from_secs(4))
            }
            Kind::Plain => config.with_idempotence(false),
            Kind::LeaderOnly => config.with_acks(Acks::Leader),
        }
    }
}

/// What all clients of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    bootstrap: String,
    /// Partitions of [`TOPIC`].
    pub(super) partitions: i32,
    started: Instant,
    history: Mutex<History>,
    /// What went wrong that is no anomaly of the history.
    findings: Mutex<Vec<String>>,
    /// Producers begin nothing new.
    stop: AtomicBool,
    next_producer: AtomicU32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Nothing has happened yet.
    #[must_use]
    pub(super) fn new(bootstrap: String, partitions: i32) -> Arc<Self> {
        Arc::new(Self {
            bootstrap,
            partitions,
            started: Instant::now(),
            history: Mutex::default(),
            findings: Mutex::default(),
            stop: AtomicBool::new(false),
            next_producer: AtomicU32::new(1),
        })
    }

    /// Settings of a client of the cluster.
    ///
    /// # Panics
    /// Never: the addresses are well formed.
    #[must_use]
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new(&self.bootstrap).expect("addresses");
        client.request_timeout = Duration::from_secs(10);
        client
    }

    /// Adds an event.
    pub(super) fn record(&self, event: Event) {
        lock(&self.history).events.push(event);
    }

    /// Notes something that must not be.
    pub(super) fn found(&self, what: String) {
        lock(&self.findings).push(what);
    }

    /// What was found so far.
    #[must_use]
    pub(super) fn take_findings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.findings))
    }

    /// What happened so far.
    #[must_use]
    pub(super) fn history(&self) -> History {
        lock(&self.history).clone()
    }

    /// Acknowledged records with acks=all, by producer and partition.
    #[must_use]
    pub(super) fn acknowledged(&self) -> BTreeMap<(u32, u32), usize> {
        let mut counts = BTreeMap::new();
        for event in &lock(&self.history).events {
            if let Event::Send(send) = event
                && send.promise.durable
                && matches!(send.outcome, Outcome::Acknowledged(_))
            {
                *counts.entry((send.value.producer, send.partition)).or_insert(0) += 1;
            }
        }
        counts
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A number that no other producer has.
    #[must_use]
    pub(super) fn new_producer(&self) -> u32 {
        self.next_producer.fetch_add(1, Ordering::Relaxed)
    }

    /// Producers begin nothing new from now on.
    pub(super) fn stop_producers(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The partitions, by name and number.
    #[must_use]
    pub(super) fn topic_partitions(&self) -> Vec<TopicPartition> {
        (0..self.partitions).map(|partition| TopicPartition::new(TOPIC, partition)).collect()
    }
}

/// The partition as histories number it.
pub(super) fn number(partition: i32) -> u32 {
    u32::try_from(partition).unwrap_or(u32::MAX)
}

/// A value as it is written.
#[must_use]
pub(super) fn text_of(value: Value) -> String {
    let padding = usize::try_from(value.sequence.wrapping_mul(2_654_435_761) % 300).unwrap_or(0);
    format!("{value} {:.<padding$}", "")
}

/// The value that was written so.
#[must_use]
pub(super) fn value_of(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    let (producer, sequence) = text.split_whitespace().next()?.split_once('.')?;
    Some(Value { producer: producer.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// Produces until it is told to stop, and ends when the fate of every record is known.
pub(super) async fn produce(shared: Arc<Shared>, kind: Kind) {
    while !shared.stopped() {
        match Producer::connect(kind.config(shared.client())).await {
            Ok(producer) => live(&shared, kind, producer).await,
            // Nobody could be reached: tried again until somebody can.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// One producer's life.
async fn live(shared: &Arc<Shared>, kind: Kind, producer: Producer) {
    let number_of_own = shared.new_producer();
    let room = Arc::new(Semaphore::new(UNDER_WAY_MAX as usize));
    let mut random = fastrand::Rng::with_seed(u64::from(number_of_own));
    for sequence in 0.. {
        if shared.stopped() || (kind == Kind::Reborn && sequence == LIFE) {
            break;
        }
        // The load's own rhythm: without gaps every batch would be full.
        if random.u8(..10) == 0 {
            tokio::time::sleep(PAUSE * random.u32(1..10)).await;
        }
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let value = Value { producer: number_of_own, sequence };
        let (shared, partition) = (shared.clone(), random.i32(0..shared.partitions));
        let begun = begin(&shared, &producer, value, partition).await;
        tokio::spawn(async move {
            finish(&shared, begun, kind.promise()).await;
            drop(permit);
        });
    }
    if kind == Kind::Reborn {
        // With records under way: their outcome becomes unknown.
        let _ = producer.close(Duration::ZERO).await;
    }
    // Every record has given its room back.
    let _ = room.acquire_many(UNDER_WAY_MAX).await;
}

/// A record that the producer has taken, or refused.
struct Begun {
    value: Value,
    partition: i32,
    invoked_ms: u64,
    delivery: Option<rkafka_client::producer::Delivery>,
}

async fn begin(shared: &Shared, producer: &Producer, value: Value, partition: i32) -> Begun {
    let invoked_ms = shared.now_ms();
    let text = text_of(value);
    let sent = producer.send(Record::to(TOPIC).partition(partition).value(&text)).await;
    // One that is refused was never sent.
    Begun { value, partition, invoked_ms, delivery: sent.ok() }
}

async fn finish(shared: &Shared, begun: Begun, promise: Promise) -> bool {
    let outcome = match begun.delivery {
        None => Outcome::Failed,
        Some(delivery) => match delivery.await {
            Ok(stored) => Outcome::Acknowledged(stored.offset),
            // A try before the one that failed may have been stored.
            Err(_) => Outcome::Unknown,
        },
    };
    shared.record(Event::Send(Send {
        partition: number(begun.partition),
        value: begun.value,
        promise,
        transaction: None,
        invoked_ms: begun.invoked_ms,
        completed_ms: shared.now_ms(),
        acknowledged_by: None,
        outcome,
    }));
    matches!(outcome, Outcome::Acknowledged(_))
}

/// Writes one record to each partition with acks=all; the partitions that did not take it.
pub(super) async fn write_to_each(shared: Arc<Shared>) -> Vec<i32> {
    let mut refused = Vec::new();
    let producer = match Producer::connect(Kind::Patient.config(shared.client())).await {
        Ok(producer) => producer,
        Err(error) => {
            shared.found(format!("no producer can connect after everything was healed: {error}"));
            return (0..shared.partitions).collect();
        }
    };
    let own = shared.new_producer();
    for (partition, sequence) in (0..shared.partitions).zip(0..) {
        let begun = begin(&shared, &producer, Value { producer: own, sequence }, partition).await;
        if !finish(&shared, begun, Kind::Patient.promise()).await {
            refused.push(partition);
        }
    }
    refused
}

/// Where the partitions end, once no more is written.
pub(super) type Ends = BTreeMap<i32, i64>;

/// Reads all partitions from their first records on until `ends` is known and reached. Every error is a finding: what
/// passes by itself, the client does not tell.
pub(super) async fn consume(
    shared: Arc<Shared>,
    id: u32,
    isolation: IsolationLevel,
    ends: watch::Receiver<Option<Ends>>,
) {
    let mut config = ConsumerConfig::from(shared.client())
        .with_auto_offset_reset(AutoOffsetReset::None)
        .with_isolation_level(isolation);
    config.fetch_max_wait = Duration::from_millis(100);
    let consumer = loop {
        match Consumer::connect(config.clone()).await {
            Ok(consumer) => break consumer,
            // As above.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    let partitions = shared.topic_partitions();
    let started = consumer
        .assign(partitions.clone())
        .and_then(|()| partitions.iter().try_for_each(|partition| consumer.seek(partition, 0)));
    if let Err(error) = started {
        return shared.found(format!("consumer {id}: {error}"));
    }
    let mut positions: BTreeMap<i32, i64> = (0..shared.partitions).map(|partition| (partition, 0)).collect();
    let reached = |positions: &BTreeMap<i32, i64>| {
        ends.borrow().as_ref().is_some_and(|ends| ends.iter().all(|(at, end)| positions[at] >= *end))
    };
    while !reached(&positions) {
        let records = match consumer.poll(Duration::from_millis(200)).await {
            Ok(records) => records,
            Err(error) => return shared.found(format!("consumer {id} at {positions:?}: {error}")),
        };
        let mut polled: BTreeMap<i32, Vec<(i64, Value)>> = BTreeMap::new();
        for record in &records {
            match record.value.as_deref().and_then(value_of) {
                Some(value) => polled.entry(record.partition).or_default().push((record.offset, value)),
                None => {
                    shared
                        .found(format!("consumer {id}: no value at {}-{}", record.partition, record.offset));
                }
            }
            positions.insert(record.partition, record.offset + 1);
        }
        for (partition, records) in polled {
            let partition = number(partition);
            let (committed_only, high_watermark) = (isolation == IsolationLevel::ReadCommitted, None);
            let poll =
                Poll { consumer: id, partition, records, committed_only, transaction: None, high_watermark };
            shared.record(Event::Poll(poll));
        }
    }
}

/// Asks for the high watermarks until `ends` is known. Since a new leader does not tell it before it has reached what
/// was committed before (KIP-207), it never goes back, except in answers of a leader that does not know that it is
/// deposed, which name an older epoch.
pub(super) async fn watch_high_watermarks(shared: Arc<Shared>, id: u32, ends: watch::Receiver<Option<Ends>>) {
    let mut client = shared.client();
    client.request_timeout = Duration::from_secs(1);
    client.default_api_timeout = Duration::from_secs(2);
    let wanted: BTreeMap<_, _> =
        (0..shared.partitions).map(|partition| ((TOPIC.to_owned(), partition), OffsetSpec::Latest)).collect();
    let mut epochs: BTreeMap<i32, i32> = BTreeMap::new();
    while ends.borrow().is_none() {
        tokio::time::sleep(PAUSE).await;
        let Ok(admin) = Admin::connect(client.clone()).await else { continue };
        while ends.borrow().is_none() {
            let Ok(listed) = admin.list_offsets(&wanted, false).await else { break };
            for ((_, partition), result) in listed {
                let Ok(listed) = result else { continue };
                let (Some(offset), Some(epoch)) = (listed.offset, listed.leader_epoch) else { continue };
                let known = epochs.entry(partition).or_insert(epoch);
                if epoch < *known {
                    continue;
                }
                *known = epoch;
                shared.record(Event::Poll(Poll {
                    consumer: id,
                    partition: number(partition),
                    records: Vec::new(),
                    committed_only: false,
                    transaction: None,
                    // One epoch for all: it must not go back across them either.
                    high_watermark: Some((0, offset)),
                }));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Where the partitions end now.
///
/// # Errors
/// A partition whose leader does not say, in words.
pub(super) async fn ends_of(shared: Arc<Shared>) -> Result<Ends, String> {
    let admin = Admin::connect(shared.client()).await.map_err(|error| error.to_string())?;
    let wanted =
        (0..shared.partitions).map(|partition| ((TOPIC.to_owned(), partition), OffsetSpec::Latest)).collect();
    let listed = admin.list_offsets(&wanted, false).await.map_err(|error| error.to_string())?;
    let end = |((_, partition), result): ((String, i32), Result<rkafka_client::ListedOffset, _>)| {
        let listed = result.map_err(|error: rkafka_client::ApiError| format!("{partition}: {error}"))?;
        Ok((partition, listed.offset.unwrap_or(0)))
    };
    listed.into_iter().map(end).collect()
}

/// Reads every partition from its first record to `ends`, as somebody does who comes afterwards.
pub(super) async fn read_back(shared: Arc<Shared>, ends: Ends) {
    let (sender, receiver) = watch::channel(Some(ends));
    let fresh = Shared::new(shared.bootstrap.clone(), shared.partitions);
    consume(fresh.clone(), 0, IsolationLevel::ReadUncommitted, receiver).await;
    drop(sender);
    fresh.take_findings().into_iter().for_each(|finding| shared.found(format!("reading back: {finding}")));
    let mut logs: BTreeMap<u32, Vec<(i64, Value)>> =
        (0..shared.partitions).map(|partition| (number(partition), Vec::new())).collect();
    for event in fresh.history().events {
        if let Event::Poll(poll) = event {
            logs.entry(poll.partition).or_default().extend(poll.records);
        }
    }
    for (partition, records) in logs {
        shared.record(Event::ReadBack { partition, records });
    }
}
