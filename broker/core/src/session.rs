//! Fetch sessions (KIP-227): what a fetcher asked for before, so that it need not say it again, and what it was
//! told, so that it need not hear it again.
//!
//! A fetch is two calls around the reading: [`FetchSessions::begin`] merges the request with the session and says
//! which partitions to read; [`FetchSessions::finish`] says which of them the answer must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
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
    /// No session, and none wanted.
    Sessionless,
    /// A session is to be made of what is answered.
    Full { uses_topic_ids: bool, from_follower: bool },
    /// The session, at the epoch of the next request.
    Incremental { session_id: i32, next_epoch: i32 },
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
    sessions: BTreeMap<i32, Session>,
}

/// One fetcher's session.
#[derive(Debug)]
struct Session {
    /// The epoch the next request must have.
    epoch: i32,
    uses_topic_ids: bool,
    /// A follower's session: a consumer's new one cannot push it out.
    is_privileged: bool,
    created_ms: u64,
    last_used_ms: u64,
    /// In the order of reading.
    partitions: IndexMap<FetchPartition, CachedPartition>,
    /// Counts the answers.
    answers: u64,
}

/// What the fetcher asked for and was told last.
#[derive(Debug)]
struct CachedPartition {
    fetch: PartitionFetch,
    high_watermark: i64,
    log_start_offset: i64,
    /// The last answer in which it had records.
    returned_in: u64,
}

impl CachedPartition {
    fn new(fetch: PartitionFetch, outcome: &PartitionOutcome) -> Self {
        let mut cached = Self { fetch, high_watermark: -1, log_start_offset: -1, returned_in: 0 };
        cached.note(outcome);
        cached
    }

    /// Whether the outcome is news to the fetcher.
    fn must_answer(&self, outcome: &PartitionOutcome) -> bool {
        outcome.has_records
            || outcome.has_error
            || outcome.has_preferred_replica
            || outcome.has_diverging_epoch
            || outcome.high_watermark != self.high_watermark
            || outcome.log_start_offset != self.log_start_offset
    }

    /// Remembers what the fetcher is told. After an error the high watermark is forgotten, so that the first success
    /// is news even if nothing has changed.
    fn note(&mut self, outcome: &PartitionOutcome) {
        self.high_watermark = if outcome.has_error { -1 } else { outcome.high_watermark };
        self.log_start_offset = outcome.log_start_offset;
    }
}

/// The epoch after this one: 0 and -1 mean other things.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

impl FetchSessions {
    /// Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`.
    pub const EVICTION_MS: u64 = 120_000;

    /// At most `slots` sessions (`max.incremental.fetch.session.cache.slots`), evictable after `eviction_ms`.
    #[must_use]
    pub fn new(slots: usize, eviction_ms: u64) -> Self {
        Self { slots, eviction_ms, sessions: BTreeMap::new() }
    }

    /// Merges a request with its session. `now_ms` is monotonic, here and in [`finish`](Self::finish).
    ///
    /// # Errors
    /// The session is unknown, at another epoch, or of the other way of naming topics.
    pub fn begin(&mut self, now_ms: u64, request: FetchRequest) -> Result<FetchContext, SessionError> {
        let FetchRequest { session_id, epoch, uses_topic_ids, from_follower, partitions, forgotten } =
            request;
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            // A full fetch ends the session that it names.
            self.sessions.remove(&session_id);
            let kind = match epoch {
                FINAL_EPOCH => ContextKind::Sessionless,
                _ => ContextKind::Full { uses_topic_ids, from_follower },
            };
            return Ok(FetchContext { kind, partitions: without_duplicates(partitions) });
        }
        let session = self.sessions.get_mut(&session_id).ok_or(SessionError::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(SessionError::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(SessionError::FetchSessionTopicIdError);
        }
        session.update(&partitions, &forgotten);
        if session.partitions.is_empty() {
            self.sessions.remove(&session_id);
            let partitions = without_duplicates(partitions);
            return Ok(FetchContext { kind: ContextKind::Sessionless, partitions });
        }
        session.last_used_ms = now_ms;
        session.epoch = next_epoch(epoch);
        let kind = ContextKind::Incremental { session_id, next_epoch: session.epoch };
        let partitions =
            session.partitions.iter().map(|(partition, cached)| (partition.clone(), cached.fetch));
        Ok(FetchContext { kind, partitions: partitions.collect() })
    }

    /// Decides what the answer holds and remembers it. `outcomes` stand in the order of the context's partitions;
    /// `random` is any number, used if a session is made.
    ///
    /// Must not be called for an answer that holds nothing because of a quota: the fetcher hears nothing then. See
    /// [`throttled`](Self::throttled).
    pub fn finish(
        &mut self,
        now_ms: u64,
        context: &FetchContext,
        outcomes: &[PartitionOutcome],
        random: u32,
    ) -> FetchAnswer {
        let all = || vec![true; outcomes.len()];
        match context.kind {
            ContextKind::Sessionless => FetchAnswer { session_id: NO_SESSION, error: None, included: all() },
            ContextKind::Full { uses_topic_ids, from_follower } => {
                let new = NewSession { now_ms, uses_topic_ids, from_follower, random };
                let session_id = self.create(&new, context, outcomes);
                FetchAnswer { session_id, error: None, included: all() }
            }
            ContextKind::Incremental { session_id, next_epoch } => {
                let Some(session) = self.sessions.get_mut(&session_id) else {
                    // Evicted while its partitions were read: the next request will hear of it.
                    return FetchAnswer { session_id, error: None, included: all() };
                };
                if session.epoch != next_epoch {
                    return FetchAnswer::moved_on(session_id);
                }
                FetchAnswer { session_id, error: None, included: session.answer(context, outcomes) }
            }
        }
    }

    /// The answer without partitions to a fetcher over its quota; its session stays as it is.
    #[must_use]
    pub fn throttled(&self, context: &FetchContext) -> FetchAnswer {
        let included = vec![false; context.partitions.len()];
        match context.kind {
            ContextKind::Incremental { session_id, next_epoch } => match self.sessions.get(&session_id) {
                Some(session) if session.epoch != next_epoch => FetchAnswer::moved_on(session_id),
                _ => FetchAnswer { session_id, error: None, included },
            },
            _ => FetchAnswer { session_id: NO_SESSION, error: None, included },
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many partitions all sessions have together.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.sessions.values().map(|session| session.partitions.len()).sum()
    }

    fn create(&mut self, new: &NewSession, context: &FetchContext, outcomes: &[PartitionOutcome]) -> i32 {
        let size = context.partitions.len();
        let has_room = self.sessions.len() < self.slots;
        if size == 0 || !(has_room || self.evict(new.now_ms, new.from_follower, size)) {
            return NO_SESSION;
        }
        let cached =
            context.partitions.iter().zip(outcomes).map(|((partition, fetch), outcome)| {
                (partition.clone(), CachedPartition::new(*fetch, outcome))
            });
        let session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids: new.uses_topic_ids,
            is_privileged: new.from_follower,
            created_ms: new.now_ms,
            last_used_ms: new.now_ms,
            partitions: cached.collect(),
            answers: 0,
        };
        let mut session_id = (new.random & i32::MAX as u32) as i32;
        while session_id == NO_SESSION || self.sessions.contains_key(&session_id) {
            session_id = session_id.checked_add(1).unwrap_or(1);
        }
        self.sessions.insert(session_id, session);
        session_id
    }

    /// Makes room for a session of `size` partitions if it is worth more than another: that one has been idle for
    /// long, or the new one is a follower's and it is a consumer's, or it is smaller and not new.
    fn evict(&mut self, now_ms: u64, is_privileged: bool, size: usize) -> bool {
        let age = |since_ms: u64| now_ms.saturating_sub(since_ms);
        let idlest = self.sessions.iter().min_by_key(|(id, session)| (session.last_used_ms, **id));
        let victim = match idlest {
            Some((id, session)) if age(session.last_used_ms) > self.eviction_ms => Some(*id),
            _ => {
                let evictable = self.sessions.iter().filter(|(_, session)| {
                    age(session.created_ms) > self.eviction_ms || (is_privileged && !session.is_privileged)
                });
                let worth = |session: &Session| (session.is_privileged, session.partitions.len());
                let least = evictable.min_by_key(|(id, session)| (worth(session), **id));
                least.filter(|(_, session)| worth(session) <= (is_privileged, size)).map(|(id, _)| *id)
            }
        };
        victim.is_some_and(|id| self.sessions.remove(&id).is_some())
    }
}

/// What a session is made with.
struct NewSession {
    now_ms: u64,
    uses_topic_ids: bool,
    from_follower: bool,
    random: u32,
}

impl Session {
    fn update(&mut self, partitions: &[(FetchPartition, PartitionFetch)], forgotten: &[FetchPartition]) {
        for (partition, fetch) in partitions {
            match self.partitions.get_mut(partition) {
                Some(cached) => cached.fetch = *fetch,
                None => {
                    let cached = CachedPartition {
                        fetch: *fetch,
                        high_watermark: -1,
                        log_start_offset: -1,
                        returned_in: self.answers,
                    };
                    self.partitions.insert(partition.clone(), cached);
                }
            }
        }
        if !forgotten.is_empty() {
            let gone: BTreeSet<&FetchPartition> = forgotten.iter().collect();
            self.partitions.retain(|partition, _| !gone.contains(partition));
        }
    }

    /// Says which partitions are news, and lets those that had records wait at the end next time, so that a few
    /// busy ones at the front do not use up the bytes of every answer.
    fn answer(&mut self, context: &FetchContext, outcomes: &[PartitionOutcome]) -> Vec<bool> {
        self.answers += 1;
        let mut has_records = false;
        let mut included = Vec::with_capacity(outcomes.len());
        for ((partition, _), outcome) in context.partitions.iter().zip(outcomes) {
            let Some(cached) = self.partitions.get_mut(partition) else {
                included.push(true);
                continue;
            };
            included.push(cached.must_answer(outcome));
            cached.note(outcome);
            if outcome.has_records {
                cached.returned_in = self.answers;
                has_records = true;
            }
        }
        if has_records {
            self.partitions.sort_by(|_, one, _, other| one.returned_in.cmp(&other.returned_in));
        }
        included
    }
}

impl FetchAnswer {
    /// Another request of the session came in between.
    fn moved_on(session_id: i32) -> Self {
        let error = Some(SessionError::InvalidFetchSessionEpoch);
        Self { session_id, error, included: Vec::new() }
    }
}

/// Each partition once, with what was asked last.
fn without_duplicates(
    partitions: Vec<(FetchPartition, PartitionFetch)>,
) -> Vec<(FetchPartition, PartitionFetch)> {
    partitions.into_iter().collect::<IndexMap<_, _>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
