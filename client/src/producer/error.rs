//! Why a record was not stored, as far as is known.

use std::time::Duration;

use rkafka_wire::ErrorCode;

use crate::error::{ApiError, ClientError, ConfigProblem};

/// Why a record cannot be sent or is not known to be stored. The texts are those of the Java client where it
/// has one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// The broker refused it.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// `delivery.timeout.ms` passed; whether it is stored is unknown if it was sent.
    #[error(
        "Expiring {records} record(s) for {topic}-{partition}:{} ms has passed since batch creation{}",
        after.as_millis(), because(last.as_deref())
    )]
    Expired {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How many records the batch had.
        records: u32,
        /// The age of the batch.
        after: Duration,
        /// How the last try ended, if there was one.
        last: Option<Box<ProduceError>>,
    },
    /// It is larger than a setting of the producer allows.
    #[error(
        "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the \
         {setting} configuration."
    )]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
        /// `max.request.size` or `buffer.memory`.
        setting: &'static str,
    },
    /// The topic was not found within `max.block.ms`.
    #[error("Topic {topic} not present in metadata after {} ms.{}", after.as_millis(), because(last.as_deref()))]
    NoTopic {
        /// The topic.
        topic: String,
        /// `max.block.ms`.
        after: Duration,
        /// What the cluster said of it, or why it could not be asked.
        last: Option<Box<ProduceError>>,
    },
    /// The topic had no such partition within `max.block.ms`.
    #[error(
        "Partition {partition} of topic {topic} with partition count {count} is not present in metadata after {} \
         ms.", after.as_millis()
    )]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition that was asked for.
        partition: i32,
        /// How many it has.
        count: usize,
        /// `max.block.ms`.
        after: Duration,
    },
    /// `buffer.memory` was full for `max.block.ms`.
    #[error(
        "Failed to allocate {size} bytes within the configured max blocking time {} ms. Total memory: {total} bytes.",
        after.as_millis()
    )]
    BufferFull {
        /// Bytes asked for.
        size: usize,
        /// `buffer.memory`.
        total: usize,
        /// `max.block.ms`.
        after: Duration,
    },
    /// A timestamp before the epoch, or a negative partition.
    #[error("Invalid {what}: {value}. It should always be non-negative or absent.")]
    Negative {
        /// Which of them.
        what: &'static str,
        /// The value.
        value: i64,
    },
    /// The producer was closed.
    #[error("Cannot perform operation after producer has been closed")]
    Closed,
    /// `close` did not wait any longer for it.
    #[error("Producer is closed forcefully.")]
    ClosedForcefully,
    /// Its batch cannot be made.
    #[error("the batch cannot be made: {0}")]
    Batch(String),
    /// No connection, no answer, or none that can be read.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ProduceError {
    /// The broker's error code, if the broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ProduceError::Refused(error) => Some(error.code),
            ProduceError::Client(error) => error.code(),
            _ => None,
        }
    }
}

impl From<ConfigProblem> for ProduceError {
    fn from(problem: ConfigProblem) -> ProduceError {
        ProduceError::Client(problem.into())
    }
}

fn because(last: Option<&ProduceError>) -> String {
    last.map_or_else(String::new, |last| format!(" (the last try: {last})"))
}
