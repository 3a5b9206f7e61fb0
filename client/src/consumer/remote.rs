//! The requests of a consumer, and their answers in its own terms. No state but the connection to the
//! coordinator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use rkafka_wire::messages::fetch_response::PartitionData;
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use rkafka_wire::messages::{
    ApiKey, BrokerId, FetchRequest, FetchResponse, ListOffsetsRequest, OffsetForLeaderEpochRequest,
};
use rkafka_wire::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::config::ConsumerConfig;
use super::core::{Lookup, Told};
use super::fetch::{Asked, Fetched, FetchedPartition};
use super::offsets::{OffsetAndTimestamp, Position};
use super::subscription::ResetTo;
use super::task::Lost;
use crate::cluster::{Cluster, Route};
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;
use crate::topic_partition::TopicPartition;

/// The way to the brokers.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) config: Arc<ConsumerConfig>,
    /// The lock is held while the coordinator is looked for, so that callers share the search.
    pub(super) coordinator: tokio::sync::Mutex<Option<Connection>>,
    /// The coordinator is another broker by now, or none.
    pub(super) lost: Lost,
}

/// The latest version of Fetch and others with topic names instead of ids.
const LAST_FETCH_WITH_NAMES: i16 = 12;
/// Since this version anybody who may read a topic may ask for its epochs.
const FIRST_EPOCHS_FOR_CONSUMERS: i16 = 3;

/// Groups things of partitions by topic.
fn by_topic<T>(things: impl IntoIterator<Item = (TopicPartition, T)>) -> BTreeMap<String, Vec<(i32, T)>> {
    let mut topics: BTreeMap<String, Vec<(i32, T)>> = BTreeMap::new();
    for (partition, thing) in things {
        topics.entry(partition.topic.to_string()).or_default().push((partition.partition, thing));
    }
    topics
}

/// Milliseconds as requests carry them.
pub(super) fn wire_millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Now, in milliseconds since 1970.
fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn timestamp(to: ResetTo) -> i64 {
    match to {
        ResetTo::Earliest => -2,
        ResetTo::Latest => -1,
        ResetTo::Ago(ago) => {
            let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
            wall_clock_ms().saturating_sub(ago).max(0)
        }
    }
}

impl Remote {
    pub(crate) fn new(cluster: Arc<Cluster>, config: Arc<ConsumerConfig>) -> Remote {
        Remote { cluster, config, coordinator: tokio::sync::Mutex::default(), lost: Lost::default() }
    }

    /// Offsets to begin at, from one leader.
    pub(crate) async fn offsets(
        &self,
        node: i32,
        lookups: &[Lookup<ResetTo>],
    ) -> Result<Told<Option<Position>>, ClientError> {
        let wanted = lookups
            .iter()
            .map(|one| (one.partition.clone(), (timestamp(one.what), one.leader.epoch.unwrap_or(-1))));
        let told = self.list_offsets(node, wanted.collect()).await?;
        let position = |found: OffsetAndTimestamp| {
            let position = Position { offset: found.offset, leader_epoch: found.leader_epoch };
            Some(position).filter(|position| position.offset >= 0)
        };
        Ok(told.into_iter().map(|(partition, told)| (partition, told.map(position))).collect())
    }

    /// ListOffsets to one leader: timestamp (-1 latest, -2 earliest) and leader epoch by partition. Offset -1
    /// is none.
    pub(crate) async fn list_offsets(
        &self,
        node: i32,
        wanted: BTreeMap<TopicPartition, (i64, i32)>,
    ) -> Result<Told<OffsetAndTimestamp>, ClientError> {
        let connection = self.cluster.connection(Route::Node(node)).await?;
        let version = connection.version::<ListOffsetsRequest>()?;
        let partition = |(index, (timestamp, epoch))| {
            let one = ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
            if version >= 4 { one.with_current_leader_epoch(epoch) } else { one }
        };
        let topic = |(name, partitions): (String, Vec<_>)| {
            ListOffsetsTopic::default()
                .with_name(topic_name(&name))
                .with_partitions(partitions.into_iter().map(partition).collect())
        };
        let isolation_level = if version >= 2 { self.config.isolation_level.wire() } else { 0 };
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation_level)
            .with_timeout_ms(wire_millis(self.config.client.request_timeout))
            .with_topics(by_topic(wanted).into_iter().map(topic).collect());
        let answer = connection.call(version, &request).await?;
        let mut told = Told::new();
        for topic in &answer.topics {
            for one in &topic.partitions {
                let partition = TopicPartition::new(&**topic.name, one.partition_index);
                let found = OffsetAndTimestamp {
                    offset: one.offset,
                    timestamp: one.timestamp,
                    leader_epoch: Some(one.leader_epoch).filter(|epoch| *epoch >= 0),
                };
                told.insert(partition, ApiError::check(one.error_code, None).map(|()| found));
            }
        }
        Ok(told)
    }

    /// Where the epochs of positions end at their leader (KIP-320); nothing where the broker does not tell
    /// consumers.
    pub(crate) async fn epochs(
        &self,
        node: i32,
        lookups: &[Lookup<Position>],
    ) -> Result<Option<Told<Position>>, ClientError> {
        let connection = self.cluster.connection(Route::Node(node)).await?;
        let version = match connection.version::<OffsetForLeaderEpochRequest>() {
            Ok(version) if version >= FIRST_EPOCHS_FOR_CONSUMERS => version,
            _ => return Ok(None),
        };
        let wanted = lookups.iter().map(|one| (one.partition.clone(), (one.what, one.leader.epoch)));
        let partition = |(index, (position, current)): (i32, (Position, Option<i32>))| {
            OffsetForLeaderPartition::default()
                .with_partition(index)
                .with_current_leader_epoch(current.unwrap_or(-1))
                .with_leader_epoch(position.leader_epoch.unwrap_or(-1))
        };
        let topic = |(name, partitions): (String, Vec<_>)| {
            OffsetForLeaderTopic::default()
                .with_topic(topic_name(&name))
                .with_partitions(partitions.into_iter().map(partition).collect())
        };
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(by_topic(wanted).into_iter().map(topic).collect());
        let answer = connection.call(version, &request).await?;
        let mut told = Told::new();
        for topic in &answer.topics {
            for one in &topic.partitions {
                let partition = TopicPartition::new(&**topic.topic, one.partition);
                let leader_epoch = Some(one.leader_epoch).filter(|epoch| *epoch >= 0);
                let end = Position { offset: one.end_offset, leader_epoch };
                told.insert(partition, ApiError::check(one.error_code, None).map(|()| end));
            }
        }
        Ok(Some(told))
    }

    /// One fetch from one broker.
    pub(crate) async fn fetch(&self, node: i32, asked: &Asked) -> Result<Fetched, ClientError> {
        let connection = self.cluster.connection(Route::Node(node)).await?;
        let newest = connection.version::<FetchRequest>()?;
        let version = if asked.has_ids { newest } else { newest.min(LAST_FETCH_WITH_NAMES) };
        let request = self.fetch_request(version, asked);
        let answer = connection.call(version, &request).await?;
        Ok(self.fetched(&answer, asked))
    }

    fn fetch_request(&self, version: i16, asked: &Asked) -> FetchRequest {
        let config = &self.config;
        let with_ids = version > LAST_FETCH_WITH_NAMES;
        let mut topics: BTreeMap<(String, Uuid), Vec<FetchPartition>> = BTreeMap::new();
        for (partition, want) in &asked.partitions {
            let one = FetchPartition::default()
                .with_partition(partition.partition)
                .with_current_leader_epoch(if version >= 9 { want.leader_epoch } else { -1 })
                .with_fetch_offset(want.offset)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(want.bytes_max);
            topics.entry((partition.topic.to_string(), want.topic_id)).or_default().push(one);
        }
        let topic = |((name, id), partitions): ((String, Uuid), Vec<FetchPartition>)| {
            let topic = FetchTopic::default().with_partitions(partitions);
            if with_ids { topic.with_topic_id(id) } else { topic.with_topic(topic_name(&name)) }
        };
        let mut forgotten: BTreeMap<(String, Uuid), Vec<i32>> = BTreeMap::new();
        for (partition, id) in &asked.forgotten {
            forgotten.entry((partition.topic.to_string(), *id)).or_default().push(partition.partition);
        }
        let forget = |((name, id), partitions): ((String, Uuid), Vec<i32>)| {
            let topic = ForgottenTopic::default().with_partitions(partitions);
            if with_ids { topic.with_topic_id(id) } else { topic.with_topic(topic_name(&name)) }
        };
        let mut request = FetchRequest::default()
            .with_max_wait_ms(wire_millis(config.fetch_max_wait))
            .with_min_bytes(config.fetch_min_bytes)
            .with_max_bytes(config.fetch_max_bytes)
            .with_isolation_level(config.isolation_level.wire())
            .with_topics(topics.into_iter().map(topic).collect());
        if version >= 7 {
            request = request
                .with_session_id(asked.session_id)
                .with_session_epoch(asked.session_epoch)
                .with_forgotten_topics_data(forgotten.into_iter().map(forget).collect());
        }
        if version >= 11 {
            request = request.with_rack_id(StrBytes::from_string(config.client_rack.clone()));
        }
        request
    }

    fn fetched(&self, answer: &FetchResponse, asked: &Asked) -> Fetched {
        for endpoint in &answer.node_endpoints {
            if let Ok(port) = u16::try_from(endpoint.port) {
                let address = rkafka_config::HostPort { host: endpoint.host.to_string(), port };
                self.cluster.pool.set_broker(endpoint.node_id.0, &address);
            }
        }
        let code = ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError);
        let mut partitions = Vec::new();
        for topic in &answer.responses {
            let name: Arc<str> = if topic.topic_id.is_nil() {
                (&**topic.topic).into()
            } else {
                match asked.name_of(topic.topic_id) {
                    Some(name) => name,
                    None => continue,
                }
            };
            for one in &topic.partitions {
                let partition = TopicPartition { topic: name.clone(), partition: one.partition_index };
                partitions.push(fetched_partition(partition, one));
            }
        }
        Fetched { session_id: answer.session_id, code, partitions }
    }
}

fn fetched_partition(partition: TopicPartition, one: &PartitionData) -> FetchedPartition {
    let aborted = one.aborted_transactions.iter().flatten();
    let leader = &one.current_leader;
    FetchedPartition {
        partition,
        code: ErrorCode::from_code(one.error_code).unwrap_or(ErrorCode::UnknownServerError),
        high_watermark: one.high_watermark,
        last_stable_offset: one.last_stable_offset,
        log_start_offset: one.log_start_offset,
        aborted: aborted.map(|one| (one.producer_id.0, one.first_offset)).collect(),
        preferred_replica: Some(one.preferred_read_replica.0).filter(|id| *id >= 0),
        leader: (leader.leader_id.0 >= 0).then_some((leader.leader_id.0, leader.leader_epoch)),
        records: one.records.clone().unwrap_or_default(),
    }
}

/// An answer that leaves out what was asked for.
pub(super) fn incomplete(api: ApiKey, about: String) -> ClientError {
    ClientError::Incomplete { api, about }
}
