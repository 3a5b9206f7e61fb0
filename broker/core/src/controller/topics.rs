//! Creating and deleting topics (CreateTopics, DeleteTopics).

use crate::ids::{BrokerId, TopicId};

use super::ControllerError;

/// CreateTopics: each topic stands or falls on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateTopics {
    /// The topics, in the order of the request.
    pub topics: Vec<NewTopic>,
    /// Check only; answer as if they had been created.
    pub validate_only: bool,
}

/// One topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: i32,
    /// Its replicas, the preferred leader first.
    pub brokers: Vec<BrokerId>,
}

/// The answer for one topic of [`CreateTopics`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopicResult {
    /// The name, as asked.
    pub name: String,
    /// What was, or would be, created.
    pub result: Result<CreatedTopic, ControllerError>,
}

/// A topic that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
}

/// DeleteTopics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteTopics {
    /// Which topics.
    pub topics: Vec<TopicRef>,
}

/// A topic, by name or by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// The answer for one topic of [`DeleteTopics`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTopicResult {
    /// The name; unknown if an id was given that no topic has.
    pub name: Option<String>,
    /// The id; unknown if a name was given that no topic has.
    pub id: Option<TopicId>,
    /// Whether it is deleted.
    pub result: Result<(), ControllerError>,
}
