//! The life of one coordinator shard: load its partition's log, then serve; generate records, have them appended,
//! replay them, and hold the replies back until the records are committed.
//!
//! [`CoordinatorShard`] drives the pure [`GroupShard`](crate::group) and is itself driven by one task of the
//! broker: inputs in, [`Effects`] out.

//!
//! | module | what it does |
//! |---|---|
//! | `shard` | the life of a shard |
//! | `loader` | the log's batches back into records |
//! | `writer` | records into batches |
//! | `parked` | what waits for the high watermark |

mod loader;
mod parked;
mod shard;
mod writer;

use bytes::Bytes;
use thiserror::Error;

pub use self::loader::{LoadError, LoadProgress};
pub use self::shard::{CoordinatorShard, ShardState};
use crate::group::{GroupError, GroupReply, ReplyToken};

/// The partition of `__consumer_offsets` that holds the group: the id's `String.hashCode` as Java has it (over
/// UTF-16 units), made positive, modulo the number of partitions.
///
/// Kafka's `Utils.abs` maps the one number without a positive counterpart to 0.
#[must_use]
pub fn partition_for(group_id: &str, partition_count: i32) -> i32 {
    let hash =
        group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partition_count.max(1)
}

/// What an input leads to: send the replies; then append, and hand in the outcome before any other input.
#[derive(Debug, Default)]
#[must_use]
pub struct Effects {
    /// Answers that may leave now.
    pub replies: Vec<(ReplyToken, GroupReply)>,
    /// A batch to append to the shard's partition with acks = -1, whose outcome must be handed to
    /// [`CoordinatorShard::on_append`] before any other input.
    pub append: Option<AppendBatch>,
}

/// One record batch, encoded, with base offset 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendBatch {
    /// The bytes of the batch.
    pub bytes: Bytes,
    /// How many records it has.
    pub record_count: i64,
}

/// Why an append failed, as far as the coordinator cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AppendFailure {
    /// The partition is not here (3).
    #[error("the partition is unknown")]
    UnknownTopicOrPartition,
    /// Too few replicas are in sync (19); nothing was written.
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// This broker does not lead the partition (6).
    #[error("this broker does not lead the partition")]
    NotLeaderOrFollower,
    /// The disk failed (56); whether anything was written is unknown.
    #[error("the disk failed")]
    StorageError,
    /// The batch is larger than the partition takes (10).
    #[error("the batch is too large")]
    MessageTooLarge,
    /// Anything else (-1); whether anything was written is unknown.
    #[error("an unexpected error")]
    Other,
}

impl AppendFailure {
    /// What those who wait for the records are told, as Kafka has it.
    fn as_group_error(self) -> GroupError {
        match self {
            Self::UnknownTopicOrPartition | Self::NotEnoughReplicas => GroupError::CoordinatorNotAvailable,
            Self::NotLeaderOrFollower | Self::StorageError => GroupError::NotCoordinator,
            Self::MessageTooLarge | Self::Other => GroupError::UnknownServerError,
        }
    }

    /// Whether it is certain that nothing was written, so that the shard still is what its log says.
    fn is_certain(self) -> bool {
        match self {
            Self::UnknownTopicOrPartition
            | Self::NotEnoughReplicas
            | Self::NotLeaderOrFollower
            | Self::MessageTooLarge => true,
            Self::StorageError | Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests;
