//! The life of one coordinator shard: load its partition's log, then serve; generate records, have them appended,
//! replay them, and hold the replies back until the records are committed.
//!
//! [`CoordinatorShard`] drives the pure [`GroupShard`](crate::group) and is itself driven by one task of the
//! broker: inputs in, [`Effects`] out.

use bytes::Bytes;
use thiserror::Error;

use crate::group::{GroupConfig, GroupError, GroupReply, GroupRequest, ReplyToken};
use crate::time::Now;

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

/// What a step wants done, in this order: send the replies, then append.
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

/// Where a shard is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    /// Not led here.
    Initial,
    /// Reading its log.
    Loading,
    /// Serving.
    Active,
    /// The log could not be read or written; waits to be loaded again.
    Failed,
}

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadProgress {
    /// The offset to read next.
    pub next_offset: i64,
    /// Records read so far.
    pub records: u64,
    /// Records of kinds this version does not know, skipped (KIP-915).
    pub skipped: u64,
}

/// Why the log of a shard cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// Batches were handed in while the shard was not loading.
    #[error("the shard is {state:?}, not loading: call start_loading first")]
    NotLoading {
        /// Where it is.
        state: ShardState,
    },
}

/// One coordinator shard: one partition of `__consumer_offsets` that this broker leads or led.
///
/// Owned by one task of the broker. Life: [`start_loading`](Self::start_loading) when leadership is won, then
/// [`load`](Self::load) with the partition's batches from the log start offset on, then
/// [`finish_loading`](Self::finish_loading); from then on every input gives [`Effects`];
/// [`resign`](Self::resign) when leadership is lost. After [`ShardState::Failed`] it must be loaded again.
#[derive(Debug)]
pub struct CoordinatorShard {
    state: ShardState,
}

impl CoordinatorShard {
    /// A shard that does not serve yet.
    #[must_use]
    pub fn new(_config: GroupConfig) -> Self {
        Self { state: ShardState::Initial }
    }

    /// Where the shard is in its life.
    #[must_use]
    pub fn state(&self) -> ShardState {
        self.state
    }

    /// Leadership was won: forget everything and begin to load. Returns refusals of what still waited.
    pub fn start_loading(&mut self) -> Effects {
        self.state = ShardState::Loading;
        Effects::default()
    }

    /// Replays whole record batches, in log order; `high_watermark` as known now.
    ///
    /// # Errors
    /// A damaged batch or record; the shard is [`ShardState::Failed`] then.
    pub fn load(&mut self, _batches: &[u8], _high_watermark: i64) -> Result<LoadProgress, LoadError> {
        match self.state {
            ShardState::Loading => Ok(LoadProgress::default()),
            state => Err(LoadError::NotLoading { state }),
        }
    }

    /// All of the log has been replayed: serve from now on.
    pub fn finish_loading(&mut self, _now: Now, _high_watermark: i64) -> Effects {
        self.state = ShardState::Active;
        Effects::default()
    }

    /// Takes a request. The answer comes in these or later effects, exactly once.
    pub fn handle(&mut self, _now: Now, token: ReplyToken, request: GroupRequest) -> Effects {
        let reply = request.refused(GroupError::NotCoordinator);
        drop(request);
        Effects { replies: vec![(token, reply)], append: None }
    }

    /// The outcome of the append that the last effects asked for: the batch's base offset, or why it failed.
    pub fn on_append(&mut self, _now: Now, _outcome: Result<i64, AppendFailure>) -> Effects {
        Effects::default()
    }

    /// The partition's high watermark has risen.
    pub fn on_high_watermark(&mut self, _now: Now, _high_watermark: i64) -> Effects {
        Effects::default()
    }

    /// When [`on_timer`](Self::on_timer) must be called next (monotonic milliseconds).
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// Handles what is due. Work may be left for the next call: ask [`next_deadline`](Self::next_deadline) again.
    pub fn on_timer(&mut self, _now: Now) -> Effects {
        Effects::default()
    }

    /// Partitions were deleted with their topics: their offsets go too.
    pub fn on_partitions_deleted(&mut self, _now: Now, _partitions: &[(String, i32)]) -> Effects {
        Effects::default()
    }

    /// Leadership was lost or the broker stops: all that waits is answered `NOT_COORDINATOR`.
    pub fn resign(&mut self) -> Effects {
        self.state = ShardState::Initial;
        Effects::default()
    }
}
