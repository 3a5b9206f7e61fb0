//! Fetch (1), versions 4 to 18: whole batches from some partitions, as soon as there are enough.
//!
//! - Long poll without polling: the request registers with its partitions and is woken by the append that
//!   completes `min_bytes`; a timer only ends it after `max_wait_ms`.
//! - Records leave as ranges of segment files; this code never touches them.
//! - The first non-empty partition gives at least one batch, whatever the limits (KIP-74).
//! - v7 sessions (KIP-227) · v9 leader epochs (KIP-320) · v12 diverging epochs · v13 topic ids (KIP-516) ·
//!   v16 the new leader's address with errors 6 and 74 (KIP-951).
//! - Look-ups in sealed segments, and whatever the page cache does not hold, run on the blocking pool: a
//!   consumer far behind must not stall anyone's appends.
//! - Followers (replica id ≥ 0) read up to the log's end; their positions move the high watermark and the ISR.
//!   One that is out of range is told the log start with the error, which spares it a ListOffsets.
//! - Consumers in another rack are sent to a follower in theirs, which serves them up to its own high watermark
//!   (KIP-392, `replica.selector.class`); replicas that a reassignment throttles wait their turn (`replicas.rs`).

mod records;
mod replicas;

use std::sync::Arc;
use std::time::Duration;

use rkafka_config::keys;
use rkafka_core::ids::{BrokerId, PartitionId, TopicId};
use rkafka_core::image::{Image, Topic};
use rkafka_core::session::{
    FetchContext, FetchPartition, FetchRequest as SessionRequest, FetchTopic, PartitionFetch,
    PartitionOutcome,
};
use rkafka_log::{FileSlice, ReadSlice, ReadView};
use rkafka_wire::fetch::{
    AbortedTransaction, CurrentLeader, EpochEnd, FetchAnswer, FetchedPartition, FetchedTopic,
};
use rkafka_wire::messages::fetch_response::NodeEndpoint;
use rkafka_wire::messages::{self, FetchRequest};
use rkafka_wire::versions::Versions;
use rkafka_wire::ErrorCode;
use tokio::time::Instant;
use tracing::warn;

use super::{Call, encoded, isolation, text, topic_id, topic_name, uuid};
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::partition::{FetchPlace, FetchWait, Isolation, Partition, PartitionError, Role, WaitingFetch};
use crate::server::{CloseReason, FileRange, Outcome, Stage};
use records::records;
use replicas::Consumer;

pub(super) const VERSIONS: Versions = Versions::new(4, 18);

/// From here on topics are named by id.
const TOPIC_IDS: i16 = 13;
/// From here on a partition that moved says where to (KIP-951).
const CURRENT_LEADER: i16 = 16;
/// The replica id of a consumer.
const CONSUMER: i32 = -1;
/// The replica id of a debugging consumer, which may read uncommitted records.
const DEBUGGING_CONSUMER: i32 = -2;

pub(super) fn handle(call: Call, request: FetchRequest) -> Stage {
    let wait_max = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait_max;
    let config = call.broker.config.load();
    let bytes_max = request.max_bytes.clamp(0, config.get(keys::FETCH_MAX_BYTES));
    drop(config);
    let replica_id = replica_id(&call, &request);
    let isolation = match (replica_id, isolation(request.isolation_level)) {
        (_, Err(error)) => return Stage::Done(refused_each(&call, request, error)),
        (DEBUGGING_CONSUMER, _) => Isolation::LogEnd,
        (0.., _) => Isolation::LogEnd,
        (_, Ok(isolation)) => isolation,
    };
    let limits = Limits {
        bytes_max: u64::try_from(bytes_max).unwrap_or(0),
        bytes_min: u64::try_from(request.min_bytes).unwrap_or(0),
        isolation,
        consumer: Consumer::of(&call, &request),
        follower: (replica_id >= 0).then_some((BrokerId(replica_id), replica_epoch(&call, &request))),
    };
    let image = call.broker.image();
    let session = session_request(&image, call.version(), replica_id, request);
    let now_ms = call.broker.clock.mono_ms();
    let context = match call.broker.fetch_sessions.lock().begin(now_ms, session) {
        Ok(context) => context,
        Err(error) => return Stage::Done(refused(&call, error.error_code())),
    };
    let mut fetch = Fetch { call, context, limits };
    if !fetch.is_cold(&image) {
        let reading = fetch.read_all(&image);
        if !reading.is_enough(&fetch.limits) && !wait_max.is_zero() {
            fetch.call.release_frame();
            return Stage::Waiting(Box::pin(fetch.wait(reading, deadline)));
        }
        if reading.slices().all(FileSlice::is_cached) {
            return Stage::Done(fetch.answer(&image, reading));
        }
        // Not read since the start.
    }
    fetch.call.release_frame();
    Stage::Waiting(Box::pin(fetch.wait_cold(deadline)))
}

/// The replica id moved into a structure with version 15 (KIP-903).
fn replica_id(call: &Call, request: &FetchRequest) -> i32 {
    if call.version() >= 15 { request.replica_state.replica_id.0 } else { request.replica_id.0 }
}

/// The epoch of a follower's registration (KIP-903); -1 if the request has none.
fn replica_epoch(call: &Call, request: &FetchRequest) -> i64 {
    if call.version() >= 15 { request.replica_state.replica_epoch } else { -1 }
}

/// The request as sessions see it.
fn session_request(image: &Image, version: i16, replica_id: i32, request: FetchRequest) -> SessionRequest {
    let uses_topic_ids = version >= TOPIC_IDS;
    let topic_of = |name: &str, id| match uses_topic_ids {
        true => FetchTopic::Id(topic_id(id)),
        false => FetchTopic::Name(
            image.topics().by_name(name).map_or_else(|| Arc::from(name), |topic| topic.name.clone()),
        ),
    };
    let mut partitions = Vec::new();
    for topic in request.topics {
        let name = topic_of(&topic.topic, topic.topic_id);
        partitions.extend(topic.partitions.into_iter().map(|asked| {
            let fetch = PartitionFetch {
                fetch_offset: asked.fetch_offset,
                max_bytes: asked.partition_max_bytes,
                // Any negative epoch is one that was not given.
                current_leader_epoch: asked.current_leader_epoch.max(-1),
                last_fetched_epoch: asked.last_fetched_epoch,
                log_start_offset: asked.log_start_offset,
            };
            (FetchPartition { topic: name.clone(), partition: asked.partition }, fetch)
        }));
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let name = topic_of(&topic.topic, topic.topic_id);
        let gone = topic.partitions.into_iter();
        forgotten.extend(gone.map(|partition| FetchPartition { topic: name.clone(), partition }));
    }
    SessionRequest {
        session_id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids,
        from_follower: replica_id > CONSUMER,
        partitions,
        forgotten,
    }
}

/// What bounds one fetch.
#[derive(Debug, Clone)]
struct Limits {
    bytes_max: u64,
    bytes_min: u64,
    isolation: Isolation,
    /// Where a consumer may read.
    consumer: Consumer,
    /// The follower that asks, and its broker epoch.
    follower: Option<(BrokerId, i64)>,
}

/// What reading one partition gave.
enum Outcomes {
    Read(Read),
    Failed(ErrorCode),
}

struct Read {
    partition: Arc<Partition>,
    /// What this broker was for it.
    role: Role,
    slice: ReadSlice,
    aborted: Option<Vec<AbortedTransaction>>,
    diverging: Option<EpochEnd>,
    /// The replica that the consumer should read instead (KIP-392).
    preferred: Option<BrokerId>,
}

impl Read {
    /// An answer that has no records.
    fn nothing(partition: Arc<Partition>, role: Role, fetch_offset: i64) -> Self {
        let slice = no_records(partition.view(), fetch_offset);
        Read { partition, role, slice, aborted: None, diverging: None, preferred: None }
    }
}

/// What reading all partitions gave.
struct Reading {
    outcomes: Vec<Outcomes>,
    bytes: u64,
    /// Something that is told at once: an error, a divergence, records of a sealed segment.
    urgent: bool,
}

impl Reading {
    fn slices(&self) -> impl Iterator<Item = &FileSlice> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            Outcomes::Read(read) => read.slice.slice.as_ref(),
            Outcomes::Failed(_) => None,
        })
    }

    fn is_enough(&self, limits: &Limits) -> bool {
        self.urgent || self.outcomes.is_empty() || self.bytes >= limits.bytes_min
    }
}

/// A fetch under way.
struct Fetch {
    call: Call,
    context: FetchContext,
    limits: Limits,
}

impl Fetch {
    /// Waits until there is enough, or until the deadline.
    async fn wait(self, mut reading: Reading, deadline: Instant) -> Outcome {
        loop {
            if reading.is_enough(&self.limits) || Instant::now() >= deadline {
                return self.answer(&self.call.broker.image(), reading);
            }
            let missing = self.limits.bytes_min - reading.bytes;
            if let Some(waiting) = Waiting::register(&reading, self.limits.isolation, missing) {
                tokio::select! {
                    biased;
                    () = waiting.wait.woken() => {}
                    () = tokio::time::sleep_until(deadline) => {}
                }
            }
            reading = self.read_all(&self.call.broker.image());
        }
    }

    /// Reads on the blocking pool, then goes on as any other fetch.
    async fn wait_cold(self, deadline: Instant) -> Outcome {
        let image = self.call.broker.image();
        let reading = tokio::task::spawn_blocking(move || {
            let reading = self.read_all(&image);
            // `sendfile` must not wait for the disk on an async worker. From the page cache nothing is copied.
            reading.slices().for_each(FileSlice::warm_up);
            (self, reading)
        });
        match reading.await {
            Ok((fetch, reading)) => fetch.wait(reading, deadline).await,
            // The runtime is being torn down.
            Err(_) => Outcome::Close(CloseReason::Shutdown),
        }
    }

    /// Whether any partition is to be read from a segment that is no longer written.
    fn is_cold(&self, image: &Image) -> bool {
        self.context.partitions().iter().any(|(asked, fetch)| {
            self.partition(image, asked).is_ok_and(|(_, partition)| {
                let view = partition.view();
                let readable = view.log_start_offset..view.active_base_offset();
                readable.contains(&fetch.fetch_offset)
            })
        })
    }

    fn read_all(&self, image: &Image) -> Reading {
        let asked = self.context.partitions();
        let mut reading = Reading { outcomes: Vec::with_capacity(asked.len()), bytes: 0, urgent: false };
        for (asked, fetch) in asked {
            let outcome = match self.read(image, asked, fetch, reading.bytes) {
                Ok(read) => {
                    let bytes = read.slice.slice.as_ref().map_or(0, FileSlice::len);
                    reading.bytes += bytes;
                    reading.urgent |= read.diverging.is_some()
                        || read.preferred.is_some()
                        || (bytes > 0 && read.slice.from_sealed_segment);
                    Outcomes::Read(read)
                }
                Err(error) => {
                    reading.urgent = true;
                    Outcomes::Failed(error)
                }
            };
            reading.outcomes.push(outcome);
        }
        reading
    }

    fn read(
        &self,
        image: &Image,
        asked: &FetchPartition,
        fetch: &PartitionFetch,
        bytes_read: u64,
    ) -> Result<Read, ErrorCode> {
        let (_, partition) = self.partition(image, asked)?;
        let code = |error: PartitionError| {
            let code = error.error_code();
            if code == ErrorCode::KafkaStorageError {
                warn!(topic = %partition.topic(), partition = asked.partition, %error, "fetch failed");
            }
            // Versions that do not know the storage error are told to look for another leader.
            if code == ErrorCode::KafkaStorageError && self.call.version() <= 5 {
                return ErrorCode::NotLeaderOrFollower;
            }
            code
        };
        let role = self.role_for(&partition, fetch).map_err(code)?;
        if let Some(follower) = self.limits.follower {
            self.count_follower(&partition, follower, fetch).map_err(code)?;
        }
        if let Some(diverging) = diverging_epoch(&partition, fetch)? {
            let nothing = Read::nothing(partition, role, fetch.fetch_offset);
            return Ok(Read { diverging: Some(diverging), ..nothing });
        }
        if let Some(preferred) = self.preferred_replica(image, &partition, role, fetch.fetch_offset) {
            let nothing = Read::nothing(partition, role, fetch.fetch_offset);
            return Ok(Read { preferred: Some(preferred), ..nothing });
        }
        let left = self.limits.bytes_max.saturating_sub(bytes_read);
        let max_bytes = u64::try_from(fetch.max_bytes).unwrap_or(0).min(left);
        // KIP-74: the first partition that has anything gives a batch; afterwards only what fits.
        let at_least_one = bytes_read == 0 && fetch.max_bytes >= 0;
        let slice = partition
            .read(fetch.fetch_offset, max_bytes, at_least_one, self.limits.isolation)
            .map_err(code)?;
        // A follower that is slowed down has been told that it diverges, or is out of range, like any other.
        if self.limits.follower.is_some_and(|follower| self.must_wait_its_turn(&partition, follower.0)) {
            return Ok(Read::nothing(partition, role, fetch.fetch_offset));
        }
        let aborted = match self.limits.isolation {
            Isolation::LastStable => Some(aborted(&partition, fetch.fetch_offset, &slice).map_err(code)?),
            Isolation::LogEnd | Isolation::HighWatermark => None,
        };
        Ok(Read { partition, role, slice, aborted, diverging: None, preferred: None })
    }

    fn partition<'a>(
        &self,
        image: &'a Image,
        asked: &FetchPartition,
    ) -> Result<(&'a Arc<Topic>, Arc<Partition>), ErrorCode> {
        let topic = match &asked.topic {
            FetchTopic::Name(name) => {
                image.topics().by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)?
            }
            FetchTopic::Id(id) => image.topics().by_id(*id).ok_or(ErrorCode::UnknownTopicId)?,
        };
        topic.partition(asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let id = PartitionId { topic: topic.id, index: asked.partition };
        let partition = self.call.broker.partitions.get(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
        Ok((topic, partition))
    }

    fn answer(&self, image: &Image, reading: Reading) -> Outcome {
        let outcomes: Vec<PartitionOutcome> = reading.outcomes.iter().map(partition_outcome).collect();
        let (broker, now_ms) = (&self.call.broker, self.call.broker.clock.mono_ms());
        let random = uuid::Uuid::new_v4().as_fields().0;
        let decided = broker.fetch_sessions.lock().finish(now_ms, &self.context, &outcomes, random);
        if let Some(error) = decided.error {
            return refused(&self.call, error.error_code());
        }
        broker.telemetry.topics.bytes_out.increment(reading.bytes);
        self.count_throttled(&reading);
        let mut body = FetchAnswer {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: decided.session_id,
            topics: Vec::new(),
            node_endpoints: Vec::new(),
        };
        let asked = self.context.partitions().iter().map(|(asked, _)| asked);
        let mut last: Option<&FetchTopic> = None;
        for ((asked, outcome), included) in asked.zip(reading.outcomes).zip(decided.included) {
            if !included {
                continue;
            }
            if last != Some(&asked.topic) {
                body.topics.push(answer_topic(image, &asked.topic));
                last = Some(&asked.topic);
            }
            let partition = self.answer_partition(image, asked, outcome, &mut body.node_endpoints);
            if let Some(topic) = body.topics.last_mut() {
                topic.partitions.push(partition);
            }
        }
        encoded(&self.call.header, body.encode(&self.call.header))
    }

    fn answer_partition(
        &self,
        image: &Image,
        asked: &FetchPartition,
        outcome: Outcomes,
        endpoints: &mut Vec<NodeEndpoint>,
    ) -> FetchedPartition<Box<dyn FileRange>> {
        match outcome {
            Outcomes::Read(read) => FetchedPartition {
                index: asked.partition,
                error: ErrorCode::None,
                high_watermark: read.slice.view.high_watermark,
                last_stable_offset: read.slice.view.last_stable_offset,
                log_start_offset: read.slice.view.log_start_offset,
                aborted_transactions: read.aborted,
                preferred_read_replica: read.preferred.map_or(-1, |preferred| preferred.0),
                diverging_epoch: read.diverging,
                current_leader: None,
                records: records(read.slice.slice),
            },
            Outcomes::Failed(error) => {
                self.call.broker.telemetry.topics.failed_fetch.increment(1);
                let mut failed = FetchedPartition::failed(asked.partition, error);
                // Kafka has no list where it looked into the partition, and an empty one where there is none.
                let is_unknown = matches!(error, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId);
                failed.aborted_transactions = is_unknown.then(Vec::new);
                if error == ErrorCode::OffsetOutOfRange && self.limits.follower.is_some() {
                    let found = self.partition(image, asked).ok();
                    failed.log_start_offset = found.map_or(-1, |(_, found)| found.view().log_start_offset);
                }
                let moved = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
                if moved && self.call.version() >= CURRENT_LEADER {
                    failed.current_leader = current_leader(image, asked);
                    let leader = failed.current_leader.map_or(-1, |leader| leader.leader_id);
                    add_endpoint(image, BrokerId(leader), &self.call.connection.listener, endpoints);
                }
                failed
            }
        }
    }
}

/// A fetch that is registered with its partitions; leaves them all when dropped.
struct Waiting {
    wait: Arc<FetchWait>,
    places: Vec<(Arc<Partition>, FetchPlace)>,
}

impl Waiting {
    /// Registers with every partition that was read; nothing if one of them has moved on since.
    fn register(reading: &Reading, isolation: Isolation, bytes_missing: u64) -> Option<Self> {
        let partitions = reading.outcomes.len();
        let mut waiting = Waiting { wait: FetchWait::new(), places: Vec::with_capacity(partitions) };
        for outcome in &reading.outcomes {
            let Outcomes::Read(read) = outcome else { continue };
            let seen = isolation.upper_offset(&read.slice.view);
            let fetch = WaitingFetch { wait: &waiting.wait, isolation, bytes_missing, partitions };
            let place = read.partition.wait_for_bytes(&fetch, seen, read.role)?;
            waiting.places.push((read.partition.clone(), place));
        }
        Some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for (partition, place) in &self.places {
            partition.leave(*place);
        }
    }
}

/// Where the fetcher's log departs from this one, if it does (KIP-595). An epoch that this log cannot place,
/// and an offset below its start, are out of range.
fn diverging_epoch(partition: &Partition, fetch: &PartitionFetch) -> Result<Option<EpochEnd>, ErrorCode> {
    if fetch.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let view = partition.view();
    let end = view.end_offset_for_epoch(fetch.last_fetched_epoch);
    if end.end_offset < 0 || end.epoch < 0 || fetch.fetch_offset < view.log_start_offset {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = end.epoch < fetch.last_fetched_epoch || end.end_offset < fetch.fetch_offset;
    Ok(diverges.then_some(EpochEnd { epoch: end.epoch, end_offset: end.end_offset }))
}

fn no_records(view: Arc<ReadView>, next_offset: i64) -> ReadSlice {
    ReadSlice { slice: None, next_offset, from_sealed_segment: false, view }
}

fn aborted(
    partition: &Partition,
    fetch_offset: i64,
    slice: &ReadSlice,
) -> Result<Vec<AbortedTransaction>, PartitionError> {
    let found = partition.reader().aborted_transactions(fetch_offset, slice.next_offset)?;
    let entry = |transaction: rkafka_log::AbortedTransaction| AbortedTransaction {
        producer_id: transaction.producer_id,
        first_offset: transaction.first_offset,
    };
    Ok(found.into_iter().map(entry).collect())
}

fn partition_outcome(outcome: &Outcomes) -> PartitionOutcome {
    match outcome {
        Outcomes::Read(read) => PartitionOutcome {
            has_records: read.slice.slice.as_ref().is_some_and(|slice| !slice.is_empty()),
            high_watermark: read.slice.view.high_watermark,
            log_start_offset: read.slice.view.log_start_offset,
            has_error: false,
            has_preferred_replica: read.preferred.is_some(),
            has_diverging_epoch: read.diverging.is_some(),
        },
        Outcomes::Failed(_) => PartitionOutcome {
            has_records: false,
            high_watermark: -1,
            log_start_offset: -1,
            has_error: true,
            has_preferred_replica: false,
            has_diverging_epoch: false,
        },
    }
}

fn answer_topic(image: &Image, topic: &FetchTopic) -> FetchedTopic<Box<dyn FileRange>> {
    let (name, id) = match topic {
        FetchTopic::Name(name) => (name.as_ref(), TopicId::ZERO),
        FetchTopic::Id(id) => (image.topics().by_id(*id).map_or("", |topic| topic.name.as_ref()), *id),
    };
    FetchedTopic { name: topic_name(name), topic_id: uuid(id), partitions: Vec::new() }
}

fn current_leader(image: &Image, asked: &FetchPartition) -> Option<CurrentLeader> {
    let topic = match &asked.topic {
        FetchTopic::Name(name) => image.topics().by_name(name),
        FetchTopic::Id(id) => image.topics().by_id(*id),
    };
    let partition = topic?.partition(asked.partition)?;
    Some(CurrentLeader {
        leader_id: partition.leader.map_or(-1, |leader| leader.0),
        leader_epoch: partition.leader_epoch,
    })
}

fn add_endpoint(image: &Image, leader: BrokerId, listener: &str, endpoints: &mut Vec<NodeEndpoint>) {
    if endpoints.iter().any(|known| known.node_id.0 == leader.0) {
        return;
    }
    if let Some(endpoint) = Broker::endpoint(image, leader, listener) {
        endpoints.push(
            NodeEndpoint::default()
                .with_node_id(messages::BrokerId(leader.0))
                .with_host(text(&endpoint.host))
                .with_port(i32::from(endpoint.port)),
        );
    }
}

/// An answer to the whole request: sessions fail as a whole.
fn refused(call: &Call, error: ErrorCode) -> Outcome {
    let body: FetchAnswer<Box<dyn FileRange>> = FetchAnswer {
        throttle_time_ms: 0,
        error,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    };
    encoded(&call.header, body.encode(&call.header))
}

/// An answer to a request that cannot be served as it stands: the whole of it fails, and each partition in
/// versions before topic ids.
fn refused_each(call: &Call, request: FetchRequest, error: ErrorCode) -> Outcome {
    let by_name = request.topics.into_iter().filter(|_| call.version() < TOPIC_IDS);
    let topics = by_name.map(|topic| FetchedTopic {
        name: topic.topic,
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(|asked| FetchedPartition::failed(asked.partition, error)).collect(),
    });
    let topics: Vec<FetchedTopic<Box<dyn FileRange>>> = topics.collect();
    let answer = FetchAnswer { throttle_time_ms: 0, error, session_id: 0, topics, node_endpoints: Vec::new() };
    encoded(&call.header, answer.encode(&call.header))
}
