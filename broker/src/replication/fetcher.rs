//! The fetcher of one source broker: asks, takes what comes, asks again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::ids::{BrokerId, PartitionId, TopicId};
use rkafka_core::image::Image;
use rkafka_core::replica::divergence::EpochEnd;
use rkafka_core::replica::fetcher::{FetchPlan, Fetcher};
use rkafka_core::replica::follower::{FetchError, FetchedPartition};
use rkafka_core::session::PartitionFetch;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use rkafka_wire::messages::fetch_response::PartitionData;
use rkafka_wire::messages::{self, FetchRequest, FetchResponse};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::Followed;
use super::connection::{Connection, FetchFailure};
use crate::broker::Broker;
use crate::partition::{FetchedRecords, Partition, Taken};

/// What is allowed on top of `replica.fetch.response.max.bytes` for one large batch and the numbers around it.
const ANSWER_SLACK_BYTES: usize = 128 << 20;

/// Settings of one round.
struct Settings {
    wait_max: Duration,
    back_off: Duration,
    bytes_min: i32,
    bytes_max: i32,
    partition_bytes_max: i32,
    socket_timeout: Duration,
    listener: String,
}

impl Settings {
    fn of(config: &BrokerConfig) -> Self {
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Settings {
            wait_max: millis(config.get(keys::REPLICA_FETCH_WAIT_MAX_MS)),
            back_off: millis(config.get(keys::REPLICA_FETCH_BACKOFF_MS)).min(Duration::from_millis(200)),
            bytes_min: config.get(keys::REPLICA_FETCH_MIN_BYTES),
            bytes_max: config.get(keys::REPLICA_FETCH_RESPONSE_MAX_BYTES),
            partition_bytes_max: config.get(keys::REPLICA_FETCH_MAX_BYTES),
            socket_timeout: millis(config.get(keys::REPLICA_SOCKET_TIMEOUT_MS)),
            listener: config.node().listeners.inter_broker_name.clone(),
        }
    }
}

/// Fetches from `source` what it is told to follow, until `stop`.
pub(super) async fn run(
    broker: Arc<Broker>,
    source: BrokerId,
    mut followed: watch::Receiver<Followed>,
    stop: CancellationToken,
) {
    let settings = Settings::of(&broker.config.load());
    let machine = Fetcher::new(source, settings.partition_bytes_max);
    let mut task = FetchTask { broker, settings, machine, connection: None, unreachable: false };
    loop {
        task.take_followed(&followed.borrow_and_update().clone());
        let mut gone = false;
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = followed.changed() => gone = changed.is_err(),
            () = task.round() => {}
        }
        if gone {
            return;
        }
        // A round that was left for news may have left a request without its answer, and closed its connection.
        if task.connection.is_none() {
            task.machine.reset();
        }
    }
}

struct FetchTask {
    broker: Arc<Broker>,
    settings: Settings,
    machine: Fetcher,
    connection: Option<Connection>,
    /// The last attempt failed: said once.
    unreachable: bool,
}

impl FetchTask {
    fn take_followed(&mut self, followed: &BTreeMap<PartitionId, i32>) {
        let gone: Vec<PartitionId> =
            self.machine.partitions().filter(|id| !followed.contains_key(id)).collect();
        gone.into_iter().for_each(|id| self.machine.unfollow(id));
        followed.iter().for_each(|(id, epoch)| self.machine.follow(*id, *epoch));
    }

    /// One request and its answer, or a wait until there is something to ask.
    async fn round(&mut self) {
        let (now_ms, partitions) = (self.broker.clock.mono_ms(), Arc::clone(&self.broker.partitions));
        let throttle = Throttle::now(&self.broker);
        let plan = self.machine.plan(now_ms, |id| {
            let partition = partitions.get(id)?;
            if throttle.holds_back(&partition) { None } else { partition.following_at() }
        });
        let Some(plan) = plan else {
            let wait = match self.machine.next_retry(now_ms) {
                Some(at_ms) => Duration::from_millis(at_ms - now_ms),
                None => self.settings.back_off,
            };
            return tokio::time::sleep(wait).await;
        };
        match self.exchange(&plan).await {
            Ok((answer, connection)) => {
                self.connection = Some(connection);
                if std::mem::take(&mut self.unreachable) {
                    info!(source = %self.machine.source(), "replication goes on");
                }
                self.take_answer(answer).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unreachable, true) {
                    warn!(source = %self.machine.source(), %error, "cannot fetch from the leader; trying again");
                }
                self.machine.reset();
                tokio::time::sleep(self.settings.back_off).await;
            }
        }
    }

    /// The connection is given back with the answer: if this is abandoned on the way, it is closed.
    async fn exchange(&mut self, plan: &FetchPlan) -> Result<(FetchResponse, Connection), FetchFailure> {
        let request = self.request(plan);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let limit = self.settings.socket_timeout + self.settings.wait_max;
        let answer = connection.fetch(&request, limit).await?;
        Ok((answer, connection))
    }

    async fn connect(&self) -> Result<Connection, FetchFailure> {
        let image = self.broker.image();
        let source = image.brokers().get(self.machine.source());
        let endpoint = source.and_then(|source| source.endpoint(&self.settings.listener));
        let missing = || {
            std::io::Error::new(
                std::io::ErrorKind::NotFound,
                format!("the broker has no listener {}", self.settings.listener),
            )
        };
        let client_id = format!("broker-{}-fetcher", self.broker.id);
        let bytes_max = usize::try_from(self.settings.bytes_max).unwrap_or(0) + ANSWER_SLACK_BYTES;
        Connection::open(endpoint.ok_or_else(missing)?, &client_id, bytes_max).await
    }

    fn request(&self, plan: &FetchPlan) -> FetchRequest {
        let image = self.broker.image();
        let epoch = image.brokers().get(self.broker.id).map_or(-1, |known| known.epoch);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (id, fetch) in &plan.partitions {
            let topic_id = Uuid::from_bytes(id.topic.0);
            if topics.last().is_none_or(|topic| topic.topic_id != topic_id) {
                topics.push(FetchTopic::default().with_topic_id(topic_id));
            }
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(asked(id.index, fetch));
            }
        }
        let mut forgotten: Vec<ForgottenTopic> = Vec::new();
        for id in &plan.forgotten {
            let topic_id = Uuid::from_bytes(id.topic.0);
            forgotten.push(ForgottenTopic::default().with_topic_id(topic_id).with_partitions(vec![id.index]));
        }
        let state = ReplicaState::default()
            .with_replica_id(messages::BrokerId(self.broker.id.0))
            .with_replica_epoch(epoch);
        FetchRequest::default()
            .with_replica_state(state)
            .with_max_wait_ms(i32::try_from(self.settings.wait_max.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(self.settings.bytes_min)
            .with_max_bytes(self.settings.bytes_max)
            .with_session_id(plan.session_id)
            .with_session_epoch(plan.session_epoch)
            .with_topics(topics)
            .with_forgotten_topics_data(forgotten)
    }

    async fn take_answer(&mut self, answer: FetchResponse) {
        if answer.error_code != 0 {
            debug!(source = %self.machine.source(), code = answer.error_code, "the fetch session is opened anew");
            return self.machine.reset();
        }
        let mut fetched = Vec::new();
        for topic in answer.responses {
            let topic_id = TopicId(topic.topic_id.into_bytes());
            for data in topic.partitions {
                let id = PartitionId { topic: topic_id, index: data.partition_index };
                fetched.extend(self.machine.asked(id).map(|asked| (id, *asked, data)));
            }
        }
        self.machine.on_answered(answer.session_id);
        let broker = Arc::clone(&self.broker);
        // Appending may have to wait for the disk.
        let taken = tokio::task::spawn_blocking(move || take_all(&broker, fetched)).await;
        let retry_at_ms = self.broker.clock.mono_ms() + self.settings.back_off.as_millis() as u64;
        for id in taken.unwrap_or_default() {
            self.machine.back_off(id, retry_at_ms);
        }
    }
}

/// Which followers fetch nothing for now: those that are throttled and not in sync, while this second's bytes are
/// spent (`follower.replication.throttled.*`).
struct Throttle {
    local: BrokerId,
    image: Arc<Image>,
    is_spent: bool,
}

impl Throttle {
    fn now(broker: &Broker) -> Self {
        let is_spent = broker.throttles.follower_is_spent(&broker.config.load(), broker.clock.mono_ms());
        Throttle { local: broker.id, image: broker.image(), is_spent }
    }

    fn holds_back(&self, partition: &Partition) -> bool {
        let id = partition.id();
        let in_sync = || {
            let topic = self.image.topics().by_id(id.topic);
            let state = topic.and_then(|topic| topic.partition(id.index));
            state.is_some_and(|state| state.isr.contains(&self.local))
        };
        self.is_spent && partition.throttled().as_follower && !in_sync()
    }
}

/// Takes what was fetched; the partitions that are to be asked for later.
fn take_all(broker: &Broker, fetched: Vec<(PartitionId, PartitionFetch, PartitionData)>) -> Vec<PartitionId> {
    let mut later = Vec::new();
    for (id, asked, data) in fetched {
        let Some(partition) = broker.partitions.get(id) else { continue };
        let answer = answered(&data);
        let records = data.records.unwrap_or_else(Bytes::new);
        if partition.throttled().as_follower {
            let (bytes, now_ms) = (records.len() as u64, broker.clock.mono_ms());
            broker.throttles.follower_fetched(&broker.config.load(), bytes, now_ms);
        }
        let fetched = FetchedRecords { asked: &asked, answer: &answer, records: &records };
        match partition.take_fetched(&broker.log_dirs, fetched, broker.clock.now()) {
            Ok(Taken::Done) => {}
            Ok(Taken::BackOff) => later.push(id),
            Err(error) => {
                warn!(partition = %id, topic = %partition.topic(), %error, "fetched records cannot be taken");
                later.push(id);
            }
        }
    }
    later
}

fn asked(index: i32, fetch: &PartitionFetch) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_current_leader_epoch(fetch.current_leader_epoch)
        .with_fetch_offset(fetch.fetch_offset)
        .with_last_fetched_epoch(fetch.last_fetched_epoch)
        .with_log_start_offset(fetch.log_start_offset)
        .with_partition_max_bytes(fetch.max_bytes)
}

fn answered(data: &PartitionData) -> FetchedPartition {
    let error = match data.error_code {
        0 => None,
        code if code == ErrorCode::OffsetOutOfRange.code() => Some(FetchError::OffsetOutOfRange),
        code if code == ErrorCode::NotLeaderOrFollower.code()
            || code == ErrorCode::FencedLeaderEpoch.code() =>
        {
            Some(FetchError::Moved)
        }
        _ => Some(FetchError::Other),
    };
    let diverging = &data.diverging_epoch;
    FetchedPartition {
        error,
        high_watermark: data.high_watermark,
        log_start_offset: data.log_start_offset,
        diverging: (diverging.epoch >= 0)
            .then_some(EpochEnd { epoch: diverging.epoch, end_offset: diverging.end_offset }),
    }
}
