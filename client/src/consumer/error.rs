//! What a consumer can fail with, beside what any client can.

use std::collections::BTreeMap;
use std::time::Duration;

use rkafka_wire::ErrorCode;

use crate::error::{ApiError, ClientError, ConfigProblem};
use crate::topic_partition::TopicPartition;

/// Any failure of a consumer's call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// What can befall any client: connections, refusals, settings.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The call needs a group and the settings have none.
    #[error("to use the group management or offset commit APIs, you must provide a valid group.id")]
    NoGroup,
    /// Neither topics nor partitions are subscribed to.
    #[error("Consumer is not subscribed to any topics or assigned any partitions")]
    NotSubscribed,
    /// Topics, a pattern and a manual assignment exclude each other.
    #[error("Subscription to topics, partitions and pattern are mutually exclusive")]
    MixedSubscription,
    /// The partition is not among the assigned ones.
    #[error("No current assignment for partition {0}")]
    NotAssigned(TopicPartition),
    /// Offsets begin at 0.
    #[error("seek offset must not be a negative number: {0}")]
    NegativeOffset(i64),
    /// Another call of [`poll`](super::Consumer::poll) is running.
    #[error("the consumer is being polled already; a rebalance listener must not poll")]
    PollIsRunning,
    /// No committed offset, and `auto.offset.reset=none`.
    #[error("Undefined offset with no reset policy for partitions: [{}]", joined(.0))]
    NoOffset(Vec<TopicPartition>),
    /// The position is not in the log any more, or not yet, and `auto.offset.reset=none`.
    #[error("Fetch position {offset} is out of range for partition {partition}")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: i64,
    },
    /// What was read before the position was lost with a leader (KIP-320), and `auto.offset.reset=none`.
    #[error(
        "Truncated partition {partition} at offset {offset}; the first offset known to diverge is \
             {divergent:?}"
    )]
    LogTruncation {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: i64,
        /// The first offset that differs, if the leader knows.
        divergent: Option<i64>,
    },
    /// The group has moved on without this member, so its offsets cannot be committed.
    #[error(
        "Offset commit cannot be completed since the consumer is not part of an active group for auto partition \
         assignment; it is likely that the consumer was kicked out of the group."
    )]
    CommitFailed,
    /// The group rebalances; poll, then commit again.
    #[error(
        "Offset commit cannot be completed since the consumer is undergoing a rebalance for auto partition \
         assignment. You can try completing the rebalance by calling poll() and then retry the operation."
    )]
    RebalanceInProgress,
    /// The group refuses this member for good.
    #[error("group '{group}': {error}")]
    Group {
        /// The group.
        group: String,
        /// The coordinator's words.
        error: ApiError,
    },
    /// A batch that cannot be read.
    #[error(
        "Error deserializing or reading records of partition {partition} at offset {offset}: {reason}. \
             If needed, please seek past the record to continue consumption."
    )]
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// Where the batch begins, or the position.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// Some partitions refused their offset.
    #[error("offsets were not committed: {}", refusals(.0))]
    CommitRefused(BTreeMap<TopicPartition, ApiError>),
    /// The call did not end within its time.
    #[error("Timeout of {}ms expired before {what}", after.as_millis())]
    Timeout {
        /// What was awaited.
        what: String,
        /// The time it had.
        after: Duration,
    },
    /// The consumer is closed.
    #[error("This consumer has already been closed.")]
    Closed,
}

impl From<ConfigProblem> for ConsumerError {
    fn from(problem: ConfigProblem) -> ConsumerError {
        ConsumerError::Client(problem.into())
    }
}

impl From<ApiError> for ConsumerError {
    fn from(error: ApiError) -> ConsumerError {
        ConsumerError::Client(error.into())
    }
}

impl ConsumerError {
    /// The broker's error code, if the broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ConsumerError::Client(error) => error.code(),
            ConsumerError::Group { error, .. } => Some(error.code),
            _ => None,
        }
    }
}

fn joined(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn refusals(refused: &BTreeMap<TopicPartition, ApiError>) -> String {
    let texts = refused.iter().map(|(partition, error)| format!("{partition}: {error}"));
    texts.collect::<Vec<_>>().join("; ")
}
