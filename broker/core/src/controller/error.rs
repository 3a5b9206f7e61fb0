//! What a handler refuses, and with which words.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why something was refused. One kind is one error code of the protocol; the broker does the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// No topic of that name, or no such partition (3).
    UnknownTopicOrPartition,
    /// The name can't be a topic's (17).
    InvalidTopic,
    /// The topic is there already (36).
    TopicAlreadyExists,
    /// A number of partitions that can't be (37).
    InvalidPartitions,
    /// A replication factor that can't be, or not now (38).
    InvalidReplicationFactor,
    /// A manual assignment that can't be (39).
    InvalidReplicaAssignment,
    /// A configuration that can't be (40).
    InvalidConfig,
    /// Another node seems to be the active controller (41).
    NotController,
    /// The request contradicts itself (42).
    InvalidRequest,
    /// The request goes past a limit of this cluster (44).
    PolicyViolation,
    /// `delete.topic.enable` is off (73).
    TopicDeletionDisabled,
    /// The sender knows an older leader epoch than the cluster (74).
    FencedLeaderEpoch,
    /// The registration the sender speaks for has ended (77).
    StaleBrokerEpoch,
    /// The preferred leader is not alive or not in sync (80).
    PreferredLeaderNotAvailable,
    /// No replica can be elected, not even uncleanly (83).
    EligibleLeadersNotAvailable,
    /// The partition already has the wanted leader (84).
    ElectionNotNeeded,
    /// There is no reassignment to cancel (85).
    NoReassignmentInProgress,
    /// A partition or feature version that has passed (95).
    InvalidUpdateVersion,
    /// No topic with that id (100).
    UnknownTopicId,
    /// Another live broker has that id (101).
    DuplicateBrokerRegistration,
    /// No broker with that id (102).
    BrokerIdNotRegistered,
    /// The sender belongs to another cluster (104).
    InconsistentClusterId,
    /// A proposed ISR holds a broker that may not be in it (107).
    IneligibleReplica,
    /// The change was made, and another broker leads now (108).
    NewLeaderElected,
    /// A resource that is not there (91).
    ResourceNotFound,
    /// What a broker offers does not fit the cluster (35).
    UnsupportedVersion,
    /// The change was not applied in the time the request gave it; it may still be (7).
    RequestTimedOut,
    /// A bug or an exhausted number space (-1).
    UnknownServerError,
}

impl ErrorKind {
    /// Kafka's text for the kind, used where there is nothing more to say.
    #[must_use]
    pub fn default_message(self) -> &'static str {
        match self {
            Self::UnknownTopicOrPartition => "This server does not host this topic-partition.",
            Self::InvalidTopic => "The request attempted to perform an operation on an invalid topic.",
            Self::TopicAlreadyExists => "Topic with this name already exists.",
            Self::InvalidPartitions => "Number of partitions is below 1.",
            Self::InvalidReplicationFactor => {
                "Replication factor is below 1 or larger than the number of available brokers."
            }
            Self::InvalidReplicaAssignment => "Replica assignment is invalid.",
            Self::InvalidConfig => "Configuration is invalid.",
            Self::NotController => "This is not the correct controller for this cluster.",
            Self::InvalidRequest => {
                "This most likely occurs because of a request being malformed by the client library or the \
                 message was sent to an incompatible broker. See the broker logs for more details."
            }
            Self::PolicyViolation => "Request parameters do not satisfy the configured policy.",
            Self::TopicDeletionDisabled => "Topic deletion is disabled.",
            Self::FencedLeaderEpoch => {
                "The leader epoch in the request is older than the epoch on the broker."
            }
            Self::StaleBrokerEpoch => "Broker epoch has changed.",
            Self::PreferredLeaderNotAvailable => "The preferred leader was not available.",
            Self::EligibleLeadersNotAvailable => "Eligible topic partition leaders are not available.",
            Self::ElectionNotNeeded => "Leader election not needed for topic partition.",
            Self::NoReassignmentInProgress => "No partition reassignment is in progress.",
            Self::InvalidUpdateVersion => "The given update version was invalid.",
            Self::UnknownTopicId => "This server does not host this topic ID.",
            Self::DuplicateBrokerRegistration => "This broker ID is already in use.",
            Self::BrokerIdNotRegistered => "The given broker ID was not registered.",
            Self::InconsistentClusterId => {
                "The clusterId in the request does not match that found on the server."
            }
            Self::IneligibleReplica => "The new ISR contains at least one ineligible replica.",
            Self::NewLeaderElected => {
                "The AlterPartition request successfully updated the partition state but the leader has \
                 changed."
            }
            Self::ResourceNotFound => "A request illegally referred to a resource that does not exist.",
            Self::UnsupportedVersion => "The version of API is not supported.",
            Self::RequestTimedOut => "The request timed out.",
            Self::UnknownServerError => {
                "The server experienced an unexpected error when processing the request."
            }
        }
    }
}

/// A refusal: the kind decides the code on the wire, the message is what the user reads.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ControllerError {
    /// What kind of refusal it is.
    pub kind: ErrorKind,
    /// What stock tools print.
    pub message: String,
}

impl ControllerError {
    /// A refusal with its own words.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        ControllerError { kind, message: message.to_string() }
    }
}

impl From<ErrorKind> for ControllerError {
    fn from(kind: ErrorKind) -> Self {
        ControllerError::new(kind, kind.default_message())
    }
}
