//! Fetch sessions (KIP-227): what a fetcher asked for before, so that it need not say it again, and what it was
//! told, so that it need not hear it again.
//!
//! A fetch is two calls around the reading: [`FetchSessions::begin`] merges the request with the session and says
//! which partitions to read; [`FetchSessions::finish`] says which of them the answer must hold.

use std::sync::Arc;

use thiserror::Error;

use crate::ids::TopicId;

/// The id that means "no session".
pub const NO_SESSION: i32 = 0;
/// The epoch of a full fetch that would like a session.
pub const INITIAL_EPOCH: i32 = 0;
/// The epoch of a full fetch without a session.
pub const FINAL_EPOCH: i32 = -1;

/// Why a fetch is refused as a whole, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The session is unknown, perhaps evicted (70).
    #[error("the fetch session is not found")]
    FetchSessionIdNotFound,
    /// The epoch is not the next one (71).
    #[error("the fetch session epoch is not the expected one")]
    InvalidFetchSessionEpoch,
    /// The session was made with topic names and the request has ids, or the other way round (106).
    #[error("the fetch session mixes topic ids and names")]
    FetchSessionTopicIdError,
}

/// How a fetch names a topic: by name below version 13, by id from then on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchTopic {
    /// By name.
    Name(Arc<str>),
    /// By id (KIP-516).
    Id(TopicId),
}

/// One partition of a fetch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchPartition {
    /// The topic.
    pub topic: FetchTopic,
    /// The partition's index.
    pub partition: i32,
}

/// What is asked of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionFetch {
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The most bytes of this partition.
    pub max_bytes: i32,
    /// The leader epoch the fetcher knows, -1 for none.
    pub current_leader_epoch: i32,
    /// The epoch of the last record the fetcher has, -1 for none.
    pub last_fetched_epoch: i32,
    /// A follower's log start offset, -1 from consumers.
    pub log_start_offset: i64,
}

/// A fetch request as far as sessions care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// The session, or [`NO_SESSION`].
    pub session_id: i32,
    /// The epoch.
    pub epoch: i32,
    /// From version 13 on topics are named by id.
    pub uses_topic_ids: bool,
    /// The fetcher is a follower: its session is privileged.
    pub from_follower: bool,
    /// Partitions to add, change or (without a session) read.
    pub partitions: Vec<(FetchPartition, PartitionFetch)>,
    /// Partitions to take out of the session.
    pub forgotten: Vec<FetchPartition>,
}

/// What to read, and what `finish` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchContext {
    kind: ContextKind,
    partitions: Vec<(FetchPartition, PartitionFetch)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContextKind {
    Sessionless,
}

impl FetchContext {
    /// The partitions to read, in this order.
    #[must_use]
    pub fn partitions(&self) -> &[(FetchPartition, PartitionFetch)] {
        &self.partitions
    }
}

/// What reading one partition gave, as far as sessions care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionOutcome {
    /// Records are in the answer.
    pub has_records: bool,
    /// The high watermark, or -1.
    pub high_watermark: i64,
    /// The log start offset, or -1.
    pub log_start_offset: i64,
    /// The partition has an error code.
    pub has_error: bool,
    /// The answer sends the fetcher to another replica (KIP-392).
    pub has_preferred_replica: bool,
    /// The answer tells where the logs part (KIP-595).
    pub has_diverging_epoch: bool,
}

/// What the answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The session id of the answer.
    pub session_id: i32,
    /// An error of the whole answer, which then has no partitions.
    pub error: Option<SessionError>,
    /// Whether the partition at the same index of the context belongs in the answer.
    pub included: Vec<bool>,
}

/// The fetch sessions of one broker (or of one shard of its connections).
///
/// Owned by the broker behind a mutex that is never held while partitions are read.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    eviction_ms: u64,
}

impl FetchSessions {
    /// Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`.
    pub const EVICTION_MS: u64 = 120_000;

    /// At most `slots` sessions (`max.incremental.fetch.session.cache.slots`), evictable after `eviction_ms`.
    #[must_use]
    pub fn new(slots: usize, eviction_ms: u64) -> Self {
        Self { slots, eviction_ms }
    }

    /// Merges a request with its session.
    ///
    /// # Errors
    /// The session is unknown, at another epoch, or of the other way of naming topics.
    pub fn begin(&mut self, _now_ms: u64, request: FetchRequest) -> Result<FetchContext, SessionError> {
        if request.session_id != NO_SESSION && request.epoch > INITIAL_EPOCH {
            return Err(SessionError::FetchSessionIdNotFound);
        }
        Ok(FetchContext { kind: ContextKind::Sessionless, partitions: request.partitions })
    }

    /// Decides what the answer holds and remembers it. `outcomes` stand in the order of the context's partitions;
    /// `random` is any number, used if a session is made.
    pub fn finish(
        &mut self,
        _now_ms: u64,
        context: &FetchContext,
        outcomes: &[PartitionOutcome],
        _random: u32,
    ) -> FetchAnswer {
        match context.kind {
            ContextKind::Sessionless => {
                FetchAnswer { session_id: NO_SESSION, error: None, included: vec![true; outcomes.len()] }
            }
        }
    }

    /// How many sessions there may be, and after how many idle milliseconds one may be evicted.
    #[must_use]
    pub fn limits(&self) -> (usize, u64) {
        (self.slots, self.eviction_ms)
    }
}
