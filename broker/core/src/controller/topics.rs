//! Creating and deleting topics (CreateTopics, DeleteTopics).

use std::collections::{BTreeMap, BTreeSet};

use rkafka_config::ConfigEntry;
use serde::{Deserialize, Serialize};

use crate::ids::{BrokerId, TopicId};
use crate::image::{ConfigResource, ConfigValues, Delta, Image, MetadataRecord, Partition};

use super::configs::{describe_topic, validate_topic};
use super::names::{CLUSTER_METADATA_TOPIC, validate_topic_name};
use super::partitions::{assigned_partition, placed_partitions};
use super::{ControllerError, ErrorKind, Outcome, View};

/// Most partitions that one request may create, as in Kafka.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// CreateTopics: each topic stands or falls on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTopics {
    /// The topics, in the order of the request.
    pub topics: Vec<NewTopic>,
    /// Check only; answer as if they had been created.
    pub validate_only: bool,
}

/// One topic to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; -1 for `num.partitions`, and with an assignment.
    pub partitions: i32,
    /// How many replicas of each; -1 for `default.replication.factor`, and with an assignment.
    pub replication_factor: i16,
    /// Where the replicas go, if the caller wants to say.
    pub assignments: Vec<Assignment>,
    /// Overrides of the broker's configuration; a value must be given (the protocol allows null).
    pub configs: Vec<(String, Option<String>)>,
}

/// A manual assignment of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The partition.
    pub partition: i32,
    /// Its replicas, the preferred leader first.
    pub brokers: Vec<BrokerId>,
}

/// The answer for one topic of [`CreateTopics`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateTopicResult {
    /// The name, as asked.
    pub name: String,
    /// What was, or would be, created.
    pub result: Result<CreatedTopic, ControllerError>,
}

/// A topic that was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
    /// Its effective configuration, by key. Not sent between nodes: the one that asked fills it in
    /// ([`fill_configs`]).
    #[serde(skip)]
    pub configs: Vec<ConfigEntry>,
}

/// What a handler must draw by chance and so is given: a source of topic ids that no topic has had, and a
/// seed for the placement of replicas.
pub struct Draws<'a> {
    /// Gives another topic id at each call.
    pub topic_id: &'a mut dyn FnMut() -> TopicId,
    /// Any number; another one at each request.
    pub seed: u64,
}

/// Creates topics.
#[must_use]
pub fn create_topics(
    view: &View<'_>,
    request: &CreateTopics,
    draws: &mut Draws<'_>,
) -> Outcome<Vec<CreateTopicResult>> {
    let duplicates = duplicates(request.topics.iter().map(|topic| topic.name.as_str()));
    let wanted = || request.topics.iter().filter(|topic| !duplicates.contains(topic.name.as_str()));
    let partitions: usize = wanted().map(|topic| requested_partitions(view, topic)).sum();
    let mut delta = Delta::new(view.image);
    let mut records = Vec::new();
    let mut reply = Vec::new();
    for topic in wanted() {
        let result = if partitions > PARTITIONS_PER_REQUEST_MAX {
            Err(too_many_partitions())
        } else {
            // The topics before this one count as created: two names that collide can't come in together.
            let before = View { image: delta.image(), ..*view };
            create_topic(&before, topic, draws)
        };
        let result = result.and_then(|(created, new_records)| {
            replay(&mut delta, &new_records)?;
            records.extend(new_records);
            Ok(created)
        });
        reply.push(CreateTopicResult { name: topic.name.clone(), result });
    }
    reply.extend(duplicates.into_iter().map(|name| CreateTopicResult {
        name: name.to_owned(),
        result: Err(ControllerError::new(ErrorKind::InvalidRequest, "Duplicate topic name.")),
    }));
    if request.validate_only {
        records.clear();
    }
    Outcome { records, reply }
}

/// Fills in what another node's answer to `request` leaves out: the effective settings of the topics.
pub fn fill_configs(view: &View<'_>, request: &CreateTopics, answer: &mut [CreateTopicResult]) {
    for result in answer {
        let Ok(created) = &mut result.result else { continue };
        let topic = request.topics.iter().find(|topic| topic.name == result.name);
        let configs = topic.and_then(|topic| new_configs(view, topic).ok());
        created.configs = configs.map(|configs| describe_topic(view, &configs)).unwrap_or_default();
    }
}

fn replay(delta: &mut Delta, records: &[MetadataRecord]) -> Result<(), ControllerError> {
    // Fails only if the source of ids gave one that a topic has.
    delta.replay_all(records).map_err(|error| ControllerError::new(ErrorKind::UnknownServerError, error))
}

fn duplicates<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

fn requested_partitions(view: &View<'_>, topic: &NewTopic) -> usize {
    let count = match topic.partitions {
        _ if !topic.assignments.is_empty() => return topic.assignments.len(),
        -1 => view.default_partitions(),
        count => count,
    };
    usize::try_from(count).unwrap_or(0)
}

pub(super) fn too_many_partitions() -> ControllerError {
    ControllerError::new(ErrorKind::PolicyViolation, "Excessively large number of partitions per request.")
}

fn create_topic(
    view: &View<'_>,
    topic: &NewTopic,
    draws: &mut Draws<'_>,
) -> Result<(CreatedTopic, Vec<MetadataRecord>), ControllerError> {
    check_name(view.image, &topic.name)?;
    let configs = new_configs(view, topic)?;
    let partitions = if topic.assignments.is_empty() {
        draws.seed = draws.seed.wrapping_add(1);
        counted_partitions(view, topic, draws.seed)?
    } else {
        assigned_partitions(view, topic)?
    };
    let id = (draws.topic_id)();
    let replication_factor = partitions.first().map_or(0, |partition| partition.replicas.len());
    let created = CreatedTopic {
        id,
        partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replication_factor).unwrap_or(i16::MAX),
        configs: described_as_asked(view, &configs),
    };
    let resource = ConfigResource::topic(&topic.name);
    let mut records = vec![MetadataRecord::Topic { name: topic.name.clone(), id }];
    records.extend(configs.into_iter().map(|(key, value)| MetadataRecord::Config {
        resource: resource.clone(),
        key,
        value: Some(value),
    }));
    let partitions = partitions.into_iter().zip(0..);
    records.extend(partitions.map(|(partition, index)| MetadataRecord::Partition {
        topic: id,
        index,
        partition,
    }));
    Ok((created, records))
}

fn check_name(image: &Image, name: &str) -> Result<(), ControllerError> {
    if name == CLUSTER_METADATA_TOPIC {
        return Err(ControllerError::new(
            ErrorKind::InvalidRequest,
            format!("Creation of internal topic {name} is prohibited."),
        ));
    }
    if image.topics().by_name(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(ControllerError::new(ErrorKind::TopicAlreadyExists, message));
    }
    validate_topic_name(name)?;
    match image.topics().colliding_with(name) {
        Some(other) => Err(ControllerError::new(
            ErrorKind::InvalidTopic,
            format!("Topic '{name}' collides with existing topic: {other}"),
        )),
        None => Ok(()),
    }
}

/// The settings of a new topic. Unlike DescribeConfigs, the answer repeats the topic's own to the letter.
fn described_as_asked(view: &View<'_>, configs: &ConfigValues) -> Vec<ConfigEntry> {
    let mut entries = describe_topic(view, configs);
    for entry in &mut entries {
        if let Some(own) = configs.get(&entry.name) {
            entry.value = Some(own.clone());
        }
    }
    entries
}

fn new_configs(view: &View<'_>, topic: &NewTopic) -> Result<ConfigValues, ControllerError> {
    let nulls: Vec<&str> =
        topic.configs.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect();
    if !nulls.is_empty() {
        return Err(ControllerError::new(
            ErrorKind::InvalidConfig,
            format!("Null value not supported for topic configs: {}", nulls.join(",")),
        ));
    }
    let configs: ConfigValues =
        topic.configs.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    validate_topic(view, &configs)?;
    Ok(configs)
}

fn assigned_partitions(view: &View<'_>, topic: &NewTopic) -> Result<Vec<Partition>, ControllerError> {
    let refuse = |kind, message: &str| Err(ControllerError::new(kind, message));
    if topic.replication_factor != -1 {
        return refuse(
            ErrorKind::InvalidRequest,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        );
    }
    if topic.partitions != -1 {
        return refuse(
            ErrorKind::InvalidRequest,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        );
    }
    let mut partitions = BTreeMap::new();
    let mut replication_factor = None;
    for Assignment { partition, brokers } in &topic.assignments {
        let index = usize::try_from(*partition).unwrap_or(usize::MAX);
        if partitions.contains_key(&index) {
            let message = format!("Found multiple manual partition assignments for partition {partition}");
            return refuse(ErrorKind::InvalidReplicaAssignment, &message);
        }
        partitions.insert(index, assigned_partition(view, brokers, index, replication_factor)?);
        replication_factor = Some(brokers.len());
    }
    if !partitions.keys().copied().eq(0..partitions.len()) {
        return refuse(
            ErrorKind::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        );
    }
    Ok(partitions.into_values().collect())
}

fn counted_partitions(
    view: &View<'_>,
    topic: &NewTopic,
    seed: u64,
) -> Result<Vec<Partition>, ControllerError> {
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        return Err(ControllerError::new(
            ErrorKind::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ));
    }
    if topic.partitions < -1 || topic.partitions == 0 {
        return Err(ControllerError::new(
            ErrorKind::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ));
    }
    let replication_factor = match topic.replication_factor {
        -1 => view.default_replication_factor(),
        number => i32::from(number),
    };
    placed_partitions(view, requested_partitions(view, topic), replication_factor, seed).map_err(|reason| {
        ControllerError::new(ErrorKind::InvalidReplicationFactor, reason.text(replication_factor))
    })
}

/// DeleteTopics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTopics {
    /// Which topics.
    pub topics: Vec<TopicRef>,
}

/// A topic, by name or by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// The answer for one topic of [`DeleteTopics`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTopicResult {
    /// The name; unknown if an id was given that no topic has.
    pub name: Option<String>,
    /// The id; unknown if a name was given that no topic has.
    pub id: Option<TopicId>,
    /// Whether it is deleted.
    pub result: Result<(), ControllerError>,
}

/// Deletes topics; refused as a whole if `delete.topic.enable` is off.
pub fn delete_topics(
    view: &View<'_>,
    request: &DeleteTopics,
) -> Result<Outcome<Vec<DeleteTopicResult>>, ControllerError> {
    if !view.topic_deletion_enabled() {
        return Err(ErrorKind::TopicDeletionDisabled.into());
    }
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&TopicRef> = request.topics.iter().filter(|topic| !seen.insert(*topic)).collect();
    let mut records = Vec::new();
    let mut reply = Vec::new();
    let named_both_ways = named_both_ways(view, request, &twice);
    for topic in request.topics.iter().filter(|topic| !twice.contains(topic)) {
        let result = find_to_delete(view, topic);
        let both_ways = result.id.is_some_and(|id| named_both_ways.contains(&id));
        if both_ways {
            // What is meant is not clear, so the topic stays; it is answered once, with its name.
            reply.extend(matches!(topic, TopicRef::Name(_)).then(|| {
                let message = "The provided topic name maps to an ID that was already supplied.";
                let refused = ControllerError::new(ErrorKind::InvalidRequest, message);
                DeleteTopicResult { result: Err(refused), ..result }
            }));
            continue;
        }
        if result.result.is_ok() {
            records.extend(result.id.map(|id| MetadataRecord::RemoveTopic { id }));
        }
        reply.push(result);
    }
    reply.extend(twice.into_iter().map(|topic| {
        let (name, id, message) = match topic {
            TopicRef::Name(name) => (Some(name.clone()), None, "Duplicate topic name."),
            TopicRef::Id(id) => (None, Some(*id), "Duplicate topic id."),
        };
        DeleteTopicResult { name, id, result: Err(ControllerError::new(ErrorKind::InvalidRequest, message)) }
    }));
    Ok(Outcome { records, reply })
}

/// Topics that are given by their name and by their id too.
fn named_both_ways(
    view: &View<'_>,
    request: &DeleteTopics,
    twice: &BTreeSet<&TopicRef>,
) -> BTreeSet<TopicId> {
    let topics = view.image.topics();
    let named = request.topics.iter().filter_map(|topic| match topic {
        TopicRef::Name(name) if !twice.contains(topic) => topics.by_name(name).map(|topic| topic.id),
        TopicRef::Name(_) | TopicRef::Id(_) => None,
    });
    let named: BTreeSet<TopicId> = named.collect();
    let by_id = request.topics.iter().filter_map(|topic| match topic {
        TopicRef::Id(id) if named.contains(id) => Some(*id),
        TopicRef::Id(_) | TopicRef::Name(_) => None,
    });
    by_id.collect()
}

/// The topic, or why there is nothing to delete.
fn find_to_delete(view: &View<'_>, topic: &TopicRef) -> DeleteTopicResult {
    let topics = view.image.topics();
    let (found, missing) = match topic {
        TopicRef::Name(name) => (
            topics.by_name(name),
            DeleteTopicResult {
                name: Some(name.clone()),
                id: None,
                result: Err(ErrorKind::UnknownTopicOrPartition.into()),
            },
        ),
        TopicRef::Id(id) => (
            topics.by_id(*id),
            DeleteTopicResult { name: None, id: Some(*id), result: Err(ErrorKind::UnknownTopicId.into()) },
        ),
    };
    found.map_or(missing, |found| DeleteTopicResult {
        name: Some(found.name.to_string()),
        id: Some(found.id),
        result: Ok(()),
    })
}

#[cfg(test)]
mod tests;
