//! Topics: list, describe, create, delete, add partitions.

use std::collections::BTreeMap;

use rkafka_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use rkafka_wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use rkafka_wire::messages::delete_topics_request::DeleteTopicState;
use rkafka_wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use rkafka_wire::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use rkafka_wire::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeTopicPartitionsRequest,
};
use rkafka_wire::{ErrorCode, StrBytes};

use super::{Admin, Each};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::{Interest, PartitionMetadata, TopicMetadata, ids, topic_name};
use crate::net::Connection;
use crate::topic_id::TopicId;

/// A topic to create. Without partitions or replication factor the cluster's defaults hold (brokers before 2.4
/// need both).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: Option<i32>,
    /// How many replicas each.
    pub replication_factor: Option<i16>,
    /// The brokers of each partition, instead of the two numbers.
    pub assignments: Vec<Vec<i32>>,
    /// Settings that differ from the defaults.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the cluster's defaults.
    pub fn new(name: impl Into<String>) -> NewTopic {
        NewTopic {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: BTreeMap::new(),
        }
    }

    /// The same with this many partitions.
    #[must_use]
    pub fn with_partitions(mut self, partitions: i32) -> NewTopic {
        self.partitions = Some(partitions);
        self
    }

    /// The same with this many replicas of each partition.
    #[must_use]
    pub fn with_replication_factor(mut self, replication_factor: i16) -> NewTopic {
        self.replication_factor = Some(replication_factor);
        self
    }

    /// The same with a setting.
    #[must_use]
    pub fn with_config(mut self, name: impl Into<String>, value: impl Into<String>) -> NewTopic {
        self.configs.insert(name.into(), value.into());
        self
    }

    fn request(&self) -> CreatableTopic {
        let assignment = |(index, brokers): (usize, &Vec<i32>)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(i32::try_from(index).unwrap_or(i32::MAX))
                .with_broker_ids(brokers.iter().copied().map(BrokerId).collect())
        };
        let config = |(name, value): (&String, &String)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        CreatableTopic::default()
            .with_name(topic_name(&self.name))
            .with_num_partitions(self.partitions.unwrap_or(-1))
            .with_replication_factor(self.replication_factor.unwrap_or(-1))
            .with_assignments(self.assignments.iter().enumerate().map(assignment).collect())
            .with_configs(self.configs.iter().map(config).collect())
    }

    fn relies_on_defaults(&self) -> bool {
        self.assignments.is_empty() && (self.partitions.is_none() || self.replication_factor.is_none())
    }
}

/// What a created topic became; numbers are absent from brokers before 2.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; zero from brokers before 2.8.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: Option<i32>,
    /// How many replicas each has.
    pub replication_factor: Option<i16>,
}

/// A topic in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers before 2.8.
    pub id: TopicId,
    /// Whether it belongs to Kafka itself.
    pub is_internal: bool,
}

/// More partitions for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// How many it shall have altogether.
    pub total: i32,
    /// The brokers of each new partition; empty leaves it to the controller.
    pub assignments: Vec<Vec<i32>>,
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers before 2.8.
    pub id: TopicId,
    /// Whether it belongs to Kafka itself.
    pub is_internal: bool,
    /// Its partitions in order.
    pub partitions: Vec<PartitionInfo>,
}

/// A partition of a described topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub index: i32,
    /// The leader; absent while there is none.
    pub leader: Option<i32>,
    /// The leader's epoch; absent from brokers before 2.1.
    pub leader_epoch: Option<i32>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas in sync with the leader.
    pub isr: Vec<i32>,
    /// Eligible leader replicas (KIP-966); absent where the broker does not tell.
    pub elr: Option<Vec<i32>>,
    /// The last known eligible leader replicas; absent where the broker does not tell.
    pub last_known_elr: Option<Vec<i32>>,
}

impl From<&PartitionMetadata> for PartitionInfo {
    fn from(partition: &PartitionMetadata) -> PartitionInfo {
        PartitionInfo {
            index: partition.index,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            elr: None,
            last_known_elr: None,
        }
    }
}

impl From<&TopicMetadata> for TopicDescription {
    fn from(topic: &TopicMetadata) -> TopicDescription {
        TopicDescription {
            name: topic.name.clone(),
            id: topic.id,
            is_internal: topic.is_internal,
            partitions: topic.partitions.iter().map(PartitionInfo::from).collect(),
        }
    }
}

/// The first version of CreateTopics in which partitions and replicas may be left to the cluster (KIP-464).
const FIRST_WITH_DEFAULTS: i16 = 4;

/// The first version of DeleteTopics that takes ids as well as names.
const FIRST_WITH_TOPIC_STATES: i16 = 6;

impl Admin {
    /// All topics by name, internal ones included.
    ///
    /// # Errors
    /// No broker reachable, or no answer in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, ClientError> {
        let metadata = &self.cluster.metadata;
        let found = self.cluster.retry("listTopics", Route::Any, |_| metadata.fetch(Interest::All)).await?;
        let listing = |topic: &TopicMetadata| TopicListing {
            name: topic.name.clone(),
            id: topic.id,
            is_internal: topic.is_internal,
        };
        Ok(found.topics.values().map(listing).collect())
    }

    /// Creates topics; with `validate_only` only says whether they could be.
    ///
    /// # Errors
    /// The controller not reachable, or a broker too old for what is asked.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Each<String, CreatedTopic>, ClientError> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(NewTopic::request).collect())
            .with_timeout_ms(self.timeout_ms())
            .with_validate_only(validate_only);
        let needs_defaults = topics.iter().find(|topic| topic.relies_on_defaults());
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<CreateTopicsRequest>()?;
                if let Some(topic) = needs_defaults.filter(|_| version < FIRST_WITH_DEFAULTS) {
                    let feature =
                        format!("a default number of partitions or replicas (topic {})", topic.name);
                    return Err(ClientError::TooOld { address: connection.address().to_string(), feature });
                }
                let answer = connection.call(version, request).await?;
                let results = answer.topics.into_iter().map(|topic| {
                    let message = topic.error_message.as_deref();
                    let created = ApiError::check(topic.error_code, message).map(|()| CreatedTopic {
                        id: topic.topic_id.into(),
                        partitions: Some(topic.num_partitions).filter(|count| *count >= 0),
                        replication_factor: Some(topic.replication_factor).filter(|count| *count >= 0),
                    });
                    (topic.name.to_string(), created)
                });
                settled(results.collect())
            }
        };
        self.cluster.retry("createTopics", Route::Controller, attempt).await
    }

    /// Deletes topics by name.
    ///
    /// # Errors
    /// The controller not reachable.
    pub async fn delete_topics(&self, names: &[String]) -> Result<Each<String, ()>, ClientError> {
        let attempt = |connection: Connection| async move {
            let version = connection.version::<DeleteTopicsRequest>()?;
            let request = DeleteTopicsRequest::default().with_timeout_ms(self.timeout_ms());
            let names_wanted = names.iter().map(|name| topic_name(name));
            let request = if version >= FIRST_WITH_TOPIC_STATES {
                let state = |name| DeleteTopicState::default().with_name(Some(name));
                request.with_topics(names_wanted.map(state).collect())
            } else {
                request.with_topic_names(names_wanted.collect())
            };
            let answer = connection.call(version, &request).await?;
            let results = answer.responses.into_iter().map(|topic| {
                let result = ApiError::check(topic.error_code, topic.error_message.as_deref());
                (topic.name.map(|name| name.to_string()).unwrap_or_default(), result)
            });
            settled(results.collect())
        };
        self.cluster.retry("deleteTopics", Route::Controller, attempt).await
    }

    /// Adds partitions to topics.
    ///
    /// # Errors
    /// The controller not reachable.
    pub async fn create_partitions(
        &self,
        topics: &BTreeMap<String, NewPartitions>,
        validate_only: bool,
    ) -> Result<Each<String, ()>, ClientError> {
        let assignment = |brokers: &Vec<i32>| {
            let brokers = brokers.iter().copied().map(BrokerId).collect();
            CreatePartitionsAssignment::default().with_broker_ids(brokers)
        };
        let topic = |(name, new): (&String, &NewPartitions)| {
            let assignments: Vec<_> = new.assignments.iter().map(assignment).collect();
            CreatePartitionsTopic::default()
                .with_name(topic_name(name))
                .with_count(new.total)
                .with_assignments(Some(assignments).filter(|list| !list.is_empty()))
        };
        let request = CreatePartitionsRequest::default()
            .with_topics(topics.iter().map(topic).collect())
            .with_timeout_ms(self.timeout_ms())
            .with_validate_only(validate_only);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<CreatePartitionsRequest>()?;
                let answer = connection.call(version, request).await?;
                let results = answer.results.into_iter().map(|topic| {
                    let result = ApiError::check(topic.error_code, topic.error_message.as_deref());
                    (topic.name.to_string(), result)
                });
                settled(results.collect())
            }
        };
        self.cluster.retry("createPartitions", Route::Controller, attempt).await
    }

    /// Describes topics by name, `partitions_max` partitions an answer (Java's default is 2000). Asks Metadata
    /// where the broker has no DescribeTopicPartitions (before 3.8); eligible leader replicas are then absent.
    ///
    /// # Errors
    /// No broker reachable.
    pub async fn describe_topics(
        &self,
        names: &[String],
        partitions_max: i32,
    ) -> Result<Each<String, TopicDescription>, ClientError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = |connection: Connection| async move {
            match connection.version::<DescribeTopicPartitionsRequest>() {
                Ok(version) => describe_partitions(&connection, version, names, partitions_max).await,
                Err(_) => self.describe_by_metadata(Interest::Names(names)).await,
            }
        };
        let mut found = self.cluster.retry("describeTopics", Route::Any, attempt).await?;
        let place = |name: &String| names.iter().position(|asked| asked == name);
        found.sort_by_key(|(name, _)| place(name));
        Ok(found)
    }

    /// Describes topics by id (brokers since 2.8).
    ///
    /// # Errors
    /// No broker reachable, or a broker that does not know ids.
    pub async fn describe_topics_by_id(
        &self,
        topic_ids: &[TopicId],
    ) -> Result<Each<String, TopicDescription>, ClientError> {
        let attempt = |_| self.describe_by_metadata(Interest::Ids(topic_ids));
        self.cluster.retry("describeTopics", Route::Any, attempt).await
    }

    async fn describe_by_metadata(
        &self,
        interest: Interest<'_>,
    ) -> Result<Each<String, TopicDescription>, ClientError> {
        let metadata = self.cluster.metadata.fetch(interest).await?;
        let found =
            metadata.topics.values().map(|topic| (topic.name.clone(), Ok(TopicDescription::from(topic))));
        let failed = metadata.errors.iter().map(|(name, error)| (name.clone(), Err(error.clone())));
        Ok(found.chain(failed).collect())
    }
}

/// Asks for all partitions of the topics, as many answers as it takes.
async fn describe_partitions(
    connection: &Connection,
    version: i16,
    names: &[String],
    partitions_max: i32,
) -> Result<Each<String, TopicDescription>, ClientError> {
    // The cursor runs through the topics by name.
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut described: BTreeMap<String, Result<TopicDescription, ApiError>> = BTreeMap::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let from = cursor.as_ref().map(|cursor| cursor.topic_name.to_string()).unwrap_or_default();
        let rest = sorted.iter().filter(|name| name.as_str() >= from.as_str());
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(rest.map(|name| TopicRequest::default().with_name(topic_name(name))).collect())
            .with_response_partition_limit(partitions_max)
            .with_cursor(cursor.clone());
        let answer = connection.call(version, &request).await?;
        for topic in &answer.topics {
            add_description(&mut described, topic);
        }
        let Some(next) = answer.next_cursor else { return Ok(described.into_iter().collect()) };
        let next =
            Cursor::default().with_topic_name(next.topic_name).with_partition_index(next.partition_index);
        // A cursor that stands still would ask for ever.
        if cursor.as_ref() == Some(&next) {
            let about = format!("what follows {} of {}", next.partition_index, next.topic_name.as_str());
            return Err(ClientError::Incomplete { api: rkafka_wire::ApiKey::DescribeTopicPartitions, about });
        }
        cursor = Some(next);
    }
}

fn add_description(
    described: &mut BTreeMap<String, Result<TopicDescription, ApiError>>,
    topic: &DescribeTopicPartitionsResponseTopic,
) {
    let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
    if let Err(error) = ApiError::check(topic.error_code, None) {
        described.insert(name, Err(error));
        return;
    }
    let entry = described.entry(name.clone()).or_insert_with(|| {
        let (id, is_internal) = (topic.topic_id.into(), topic.is_internal);
        Ok(TopicDescription { name, id, is_internal, partitions: Vec::new() })
    });
    if let Ok(description) = entry {
        description.partitions.extend(topic.partitions.iter().map(partition_info));
        description.partitions.sort_by_key(|partition| partition.index);
    }
}

fn partition_info(partition: &DescribeTopicPartitionsResponsePartition) -> PartitionInfo {
    PartitionInfo {
        index: partition.partition_index,
        leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
        leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
        elr: partition.eligible_leader_replicas.as_deref().map(ids),
        last_known_elr: partition.last_known_elr.as_deref().map(ids),
    }
}

/// The results, unless one says that another broker is the controller: then nothing was done, and all is to be
/// sent there.
fn settled<T>(results: Each<String, T>) -> Result<Each<String, T>, ClientError> {
    let elsewhere = results.iter().find_map(|(_, result)| {
        result.as_ref().err().filter(|error| error.code == ErrorCode::NotController).cloned()
    });
    match elsewhere {
        Some(error) => Err(error.into()),
        None => Ok(results),
    }
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}
