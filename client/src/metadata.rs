//! Brokers, topics and leaders as the cluster last told them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rkafka_config::HostPort;
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use rkafka_wire::messages::{ApiKey, BrokerId, MetadataRequest, MetadataResponse, TopicName};
use rkafka_wire::{ErrorCode, StrBytes};

use crate::error::{ApiError, ClientError};
use crate::net::{Connection, Pool};
use crate::topic_id::TopicId;

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where it says that it can be reached.
    pub address: HostPort,
    /// Its rack, if it has one.
    pub rack: Option<String>,
    /// Registered but not serving (only DescribeCluster with fenced brokers tells).
    pub is_fenced: bool,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its number.
    pub index: i32,
    /// The error of this partition, such as LEADER_NOT_AVAILABLE.
    pub error: ErrorCode,
    /// The leader; absent while there is none.
    pub leader: Option<i32>,
    /// The leader's epoch; absent from brokers before 2.1.
    pub leader_epoch: Option<i32>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas in sync with the leader.
    pub isr: Vec<i32>,
    /// Replicas on failed directories or dead brokers.
    pub offline_replicas: Vec<i32>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers before 2.8.
    pub id: TopicId,
    /// Whether it belongs to Kafka itself, such as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its partitions in order.
    pub partitions: Vec<PartitionMetadata>,
}

/// A picture of the cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker that takes requests for the controller.
    pub controller: Option<i32>,
    /// The live brokers.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for and exist.
    pub topics: BTreeMap<String, TopicMetadata>,
    /// Why other topics that were asked for are not among them, by name or id.
    pub errors: BTreeMap<String, ApiError>,
}

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest<'a> {
    /// Brokers only.
    Brokers,
    /// Every topic.
    All,
    /// These topics; they are not created by asking.
    Names(&'a [String]),
    /// These topics; brokers with `auto.create.topics.enable` create those that are missing.
    NamesOrCreate(&'a [String]),
    /// The topics of these ids (since 2.8).
    Ids(&'a [TopicId]),
}

/// The cached picture, refreshed on demand. Readers share it without waiting for a refresh in progress.
#[derive(Debug)]
pub struct MetadataCache {
    pool: Arc<Pool>,
    max_age: Duration,
    current: RwLock<Option<(Instant, Arc<Metadata>)>>,
}

impl MetadataCache {
    /// An empty cache that asks through `pool`.
    #[must_use]
    pub fn new(pool: Arc<Pool>, max_age: Duration) -> MetadataCache {
        MetadataCache { pool, max_age, current: RwLock::default() }
    }

    /// The brokers and controller, asked for if unknown or older than `metadata.max.age.ms`.
    ///
    /// # Errors
    /// As [`MetadataCache::fetch`].
    pub async fn brokers(&self) -> Result<Arc<Metadata>, ClientError> {
        let cached = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        match cached {
            Some((at, metadata)) if at.elapsed() < self.max_age => Ok(metadata),
            _ => self.fetch(Interest::Brokers).await,
        }
    }

    /// Forgets what is cached: the next question goes to the cluster.
    pub fn invalidate(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Asks the cluster, remembers the answer and lets the pool know where the brokers are.
    ///
    /// # Errors
    /// No broker reachable, or an answer that cannot be read.
    pub async fn fetch(&self, interest: Interest<'_>) -> Result<Arc<Metadata>, ClientError> {
        let connection = self.pool.any().await?;
        let answer = ask(&connection, interest).await?;
        let metadata = Arc::new(Metadata::from_answer(&answer)?);
        self.pool.set_brokers(metadata.brokers.values());
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }
}

async fn ask(connection: &Connection, interest: Interest<'_>) -> Result<MetadataResponse, ClientError> {
    let version = connection.version::<MetadataRequest>()?;
    if matches!(interest, Interest::Ids(_)) && version < FIRST_WITH_TOPIC_IDS {
        let address = connection.address().to_string();
        return Err(ClientError::Unsupported { api: ApiKey::Metadata, address });
    }
    let by_name = |name: &String| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let by_id = |id: &TopicId| MetadataRequestTopic::default().with_topic_id(id.uuid()).with_name(None);
    let topics = match interest {
        Interest::Brokers => Some(Vec::new()),
        Interest::All => None,
        Interest::Names(names) | Interest::NamesOrCreate(names) => Some(names.iter().map(by_name).collect()),
        Interest::Ids(ids) => Some(ids.iter().map(by_id).collect()),
    };
    // Version 3 and older create topics by asking for them, whatever is said.
    let creates = version < 4 || matches!(interest, Interest::NamesOrCreate(_));
    let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(creates);
    connection.call(version, &request).await
}

/// The first version of Metadata that finds topics by id.
const FIRST_WITH_TOPIC_IDS: i16 = 12;

/// A topic's name as the wire has it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Numbers of brokers.
pub(crate) fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|id| id.0).collect()
}

/// Brokers as most answers have them.
pub(crate) fn broker(
    id: BrokerId,
    host: &str,
    port: i32,
    rack: Option<&StrBytes>,
) -> Result<Broker, ClientError> {
    let port = u16::try_from(port).map_err(|_| ClientError::Incomplete {
        api: ApiKey::Metadata,
        about: format!("the port of broker {} (it says {port})", id.0),
    })?;
    let rack = rack.map(ToString::to_string);
    Ok(Broker { id: id.0, address: HostPort { host: host.to_owned(), port }, rack, is_fenced: false })
}

impl Metadata {
    fn from_answer(answer: &MetadataResponse) -> Result<Metadata, ClientError> {
        ApiError::check(answer.error_code, None)?;
        let mut metadata = Metadata {
            cluster_id: answer.cluster_id.as_ref().map(ToString::to_string),
            controller: Some(answer.controller_id.0).filter(|id| *id >= 0),
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            errors: BTreeMap::new(),
        };
        for one in &answer.brokers {
            let broker = broker(one.node_id, &one.host, one.port, one.rack.as_ref())?;
            metadata.brokers.insert(broker.id, broker);
        }
        for topic in &answer.topics {
            let name = topic.name.as_ref().map(|name| name.to_string()).filter(|name| !name.is_empty());
            match (ApiError::check(topic.error_code, None), name) {
                (Ok(()), Some(name)) => {
                    metadata.topics.insert(name.clone(), TopicMetadata::from_answer(name, topic));
                }
                (Err(error), name) => {
                    let key = name.unwrap_or_else(|| TopicId::from(topic.topic_id).to_string());
                    metadata.errors.insert(key, error);
                }
                (Ok(()), None) => {}
            }
        }
        Ok(metadata)
    }
}

impl TopicMetadata {
    fn from_answer(name: String, topic: &MetadataResponseTopic) -> TopicMetadata {
        let mut partitions: Vec<_> = topic.partitions.iter().map(PartitionMetadata::from_answer).collect();
        partitions.sort_by_key(|partition| partition.index);
        TopicMetadata { name, id: topic.topic_id.into(), is_internal: topic.is_internal, partitions }
    }
}

impl PartitionMetadata {
    fn from_answer(partition: &MetadataResponsePartition) -> PartitionMetadata {
        PartitionMetadata {
            index: partition.partition_index,
            error: ErrorCode::from_code(partition.error_code).unwrap_or(ErrorCode::UnknownServerError),
            leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
            leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
            replicas: ids(&partition.replica_nodes),
            isr: ids(&partition.isr_nodes),
            offline_replicas: ids(&partition.offline_replicas),
        }
    }
}
