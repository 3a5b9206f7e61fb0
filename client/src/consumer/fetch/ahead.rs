//! What to ask which broker next, and what its answers mean.
//!
//! One request a broker is under way while the program works through what came before. Memory is bounded: a
//! broker is not asked while one of its partitions has `max.partition.fetch.bytes` waiting for the program
//! (so an answer for the others is never waited for while that one has room again), nor any broker while
//! `fetch.max.bytes` wait in all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rkafka_record::BatchError;
use rkafka_wire::ErrorCode;
use uuid::Uuid;

use super::chunk::{Chunk, Reading, end_of};
use super::session::{Asked, Session, Want};
use crate::consumer::config::{ConsumerConfig, IsolationLevel};
use crate::consumer::offsets::Position;
use crate::consumer::record::ConsumerRecord;
use crate::consumer::subscription::{Phase, Subscriptions};
use crate::topic_partition::TopicPartition;

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) node: i32,
    pub(crate) epoch: Option<i32>,
    pub(crate) topic_id: Uuid,
}

/// A request to one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) node: i32,
    pub(crate) asked: Asked,
    /// What was asked for, by partition: edition and position.
    editions: BTreeMap<TopicPartition, (u64, Position)>,
}

/// An answer for one partition.
#[derive(Debug, Clone)]
pub(crate) struct FetchedPartition {
    pub(crate) partition: TopicPartition,
    pub(crate) code: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// Producer id and first offset.
    pub(crate) aborted: Vec<(i64, i64)>,
    pub(crate) preferred_replica: Option<i32>,
    /// A new leader and its epoch (KIP-951).
    pub(crate) leader: Option<(i32, i32)>,
    pub(crate) records: Bytes,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) session_id: i32,
    pub(crate) code: ErrorCode,
    pub(crate) partitions: Vec<FetchedPartition>,
}

/// What an answer means beyond records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The leader has moved, or the topic is not as metadata said.
    StaleMetadata(TopicPartition, Option<(i32, i32)>),
    /// The log does not reach to the position.
    OutOfRange(TopicPartition, i64),
    /// The broker refuses the partition for good.
    Refused(TopicPartition, ErrorCode),
}

#[derive(Debug)]
struct Line {
    edition: u64,
    /// Where the next fetch begins.
    next: Position,
    chunks: VecDeque<Chunk>,
    bytes: usize,
    not_before: Option<Instant>,
}

#[derive(Debug, Default)]
struct Node {
    session: Session,
    is_busy: bool,
}

/// Records fetched ahead. Owned by the consumer's state, under its lock.
#[derive(Debug)]
pub(crate) struct Ahead {
    nodes: BTreeMap<i32, Node>,
    lines: BTreeMap<TopicPartition, Line>,
    /// Partitions with records, next to be served first.
    turns: VecDeque<TopicPartition>,
    bytes: usize,
    /// What [`Subscriptions::changes`] was when void lines were last dropped.
    changes_seen: u64,
    bytes_max: usize,
    partition_bytes_max: i32,
    reading: Reading,
    retry_backoff: Duration,
    replica_age_max: Duration,
}

impl Ahead {
    pub(crate) fn new(config: &ConsumerConfig) -> Ahead {
        Ahead {
            nodes: BTreeMap::new(),
            lines: BTreeMap::new(),
            turns: VecDeque::new(),
            bytes: 0,
            changes_seen: 0,
            bytes_max: usize::try_from(config.fetch_max_bytes).unwrap_or_default().max(1),
            partition_bytes_max: config.max_partition_fetch_bytes,
            reading: Reading {
                check_crcs: config.check_crcs,
                committed_only: config.isolation_level == IsolationLevel::ReadCommitted,
            },
            retry_backoff: config.client.retry_backoff,
            replica_age_max: config.client.metadata_max_age,
        }
    }

    /// The requests that can be sent now.
    pub(crate) fn plan(
        &mut self,
        now: Instant,
        subscriptions: &Subscriptions,
        leader: impl Fn(&TopicPartition) -> Option<Leader>,
    ) -> Vec<Plan> {
        self.drop_void(subscriptions);
        if self.bytes >= self.bytes_max {
            return Vec::new();
        }
        let mut wanted: BTreeMap<i32, (BTreeMap<TopicPartition, Want>, BTreeMap<_, _>)> = BTreeMap::new();
        let mut full: BTreeSet<i32> = BTreeSet::new();
        for (partition, state) in subscriptions.iter().filter(|(_, state)| state.is_fetchable()) {
            let (Phase::Ready(position), Some(leader)) = (state.phase, leader(partition)) else { continue };
            let node = state.replica(now).unwrap_or(leader.node);
            if self.nodes.get(&node).is_some_and(|node| node.is_busy) {
                continue;
            }
            let line = self.lines.entry(partition.clone()).or_insert_with(|| Line {
                edition: state.edition,
                next: position,
                chunks: VecDeque::new(),
                bytes: 0,
                not_before: None,
            });
            if line.bytes > 0 && line.bytes >= usize::try_from(self.partition_bytes_max).unwrap_or_default() {
                full.insert(node);
            }
            if line.not_before.is_some_and(|at| now < at) {
                continue;
            }
            let (offset, bytes_max) = (line.next.offset, self.partition_bytes_max);
            let leader_epoch = leader.epoch.unwrap_or(-1);
            let want = Want { topic_id: leader.topic_id, offset, leader_epoch, bytes_max };
            let (wants, editions) = wanted.entry(node).or_default();
            wants.insert(partition.clone(), want);
            editions.insert(partition.clone(), (line.edition, line.next));
        }
        let mut plans = Vec::new();
        for (node, (wants, editions)) in wanted {
            let known = self.nodes.entry(node).or_default();
            if full.contains(&node) {
                continue;
            }
            known.is_busy = true;
            plans.push(Plan { node, asked: known.session.ask(wants), editions });
        }
        plans
    }

    /// Forgets what was fetched for editions that are over.
    fn drop_void(&mut self, subscriptions: &Subscriptions) {
        if self.changes_seen == subscriptions.changes() {
            return;
        }
        self.changes_seen = subscriptions.changes();
        let edition = |partition: &TopicPartition| subscriptions.get(partition).map(|state| state.edition);
        self.lines.retain(|partition, line| {
            let is_valid = edition(partition) == Some(line.edition);
            if !is_valid {
                self.bytes -= line.bytes;
            }
            is_valid
        });
        let lines = &self.lines;
        self.turns.retain(|partition| lines.contains_key(partition));
    }

    /// No answer came: the next fetch goes to the leader, whichever replica was nearest (KIP-392).
    pub(crate) fn unanswered(&mut self, now: Instant, subscriptions: &mut Subscriptions, plan: &Plan) {
        let node = self.nodes.entry(plan.node).or_default();
        node.is_busy = false;
        node.session.unanswered();
        for partition in plan.editions.keys() {
            if let Some(state) = subscriptions.get_mut(partition) {
                state.preferred_replica = None;
            }
            if let Some(line) = self.lines.get_mut(partition) {
                line.not_before = Some(now + self.retry_backoff);
            }
        }
    }

    /// Takes over an answer; what it means for others is returned.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        subscriptions: &mut Subscriptions,
        plan: &Plan,
        fetched: Fetched,
    ) -> Vec<Finding> {
        let node = self.nodes.entry(plan.node).or_default();
        node.is_busy = false;
        if !node.session.answered(fetched.session_id, fetched.code) {
            tracing::debug!(node = plan.node, code = fetched.code.name(), "the fetch session begins anew");
            return Vec::new();
        }
        self.drop_void(subscriptions);
        let mut findings = Vec::new();
        for one in fetched.partitions {
            let Some(&(edition, from)) = plan.editions.get(&one.partition) else { continue };
            let is_current = |line: &&mut Line| line.edition == edition && line.next == from;
            if self.lines.get_mut(&one.partition).filter(is_current).is_some() {
                findings.extend(self.partition_answered(now, subscriptions, from, one));
            }
        }
        findings
    }

    fn partition_answered(
        &mut self,
        now: Instant,
        subscriptions: &mut Subscriptions,
        from: Position,
        one: FetchedPartition,
    ) -> Option<Finding> {
        let state = subscriptions.get_mut(&one.partition)?;
        let line = self.lines.get_mut(&one.partition)?;
        line.not_before = (!one.code.is_none()).then_some(now + self.retry_backoff);
        match one.code {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange if state.preferred_replica.take().is_some() => {
                // A follower may lag behind or have less: the leader decides.
                line.not_before = None;
                return None;
            }
            ErrorCode::OffsetOutOfRange => return Some(Finding::OutOfRange(one.partition, from.offset)),
            code if code.is_retriable() => {
                state.preferred_replica = None;
                return Some(Finding::StaleMetadata(one.partition, one.leader));
            }
            code => return Some(Finding::Refused(one.partition, code)),
        }
        let known = |offset: i64| Some(offset).filter(|offset| *offset >= 0);
        state.high_watermark = known(one.high_watermark).or(state.high_watermark);
        state.last_stable_offset = known(one.last_stable_offset).or(state.last_stable_offset);
        state.log_start_offset = known(one.log_start_offset).or(state.log_start_offset);
        if let Some(replica) = one.preferred_replica {
            state.preferred_replica = Some((replica, now + self.replica_age_max));
        }
        if !one.records.is_empty() {
            // Without a whole batch the chunk fails when it is read, and the position stays.
            line.next = end_of(&one.records).unwrap_or(from);
            let chunk = Chunk::new(one.records, from, one.aborted);
            line.bytes += chunk.size();
            self.bytes += chunk.size();
            line.chunks.push_back(chunk);
            if !self.turns.contains(&one.partition) {
                self.turns.push_back(one.partition);
            }
        }
        None
    }

    /// Whether a partition that may be read has records.
    pub(crate) fn has_records(&self, subscriptions: &Subscriptions) -> bool {
        let may_be_read = |partition: &TopicPartition| {
            let state = subscriptions.get(partition);
            let line = self.lines.get(partition);
            state.zip(line).is_some_and(|(state, line)| state.is_fetchable() && state.edition == line.edition)
        };
        self.turns.iter().any(may_be_read)
    }

    /// Takes at most `limit` records, and moves the positions past them.
    ///
    /// # Errors
    /// A batch that cannot be read, with its partition and offset; records before it came with earlier calls.
    pub(crate) fn take(
        &mut self,
        subscriptions: &mut Subscriptions,
        limit: usize,
    ) -> Result<Vec<ConsumerRecord>, (TopicPartition, i64, BatchError)> {
        self.drop_void(subscriptions);
        let mut out = Vec::new();
        let mut waiting = VecDeque::new();
        while out.len() < limit {
            let Some(partition) = self.turns.pop_front() else { break };
            let state = subscriptions.get_mut(&partition).filter(|state| state.is_fetchable());
            let (Some(state), Some(line)) = (state, self.lines.get_mut(&partition)) else {
                waiting.push_back(partition);
                continue;
            };
            let Some(chunk) = line.chunks.front_mut() else { continue };
            match chunk.take(&partition, self.reading, limit - out.len(), &mut out) {
                Ok((position, has_ended)) => {
                    state.phase = Phase::Ready(position);
                    if has_ended {
                        let size = line.chunks.pop_front().map_or(0, |chunk| chunk.size());
                        line.bytes -= size;
                        self.bytes -= size;
                    }
                    match (line.chunks.is_empty(), has_ended) {
                        (true, _) => {}
                        (false, true) => self.turns.push_back(partition),
                        (false, false) => self.turns.push_front(partition),
                    }
                }
                Err((position, error)) => {
                    state.phase = Phase::Ready(position);
                    self.turns.push_back(partition.clone());
                    if out.is_empty() {
                        return Err((partition, position.offset, error));
                    }
                    break;
                }
            }
        }
        self.turns.extend(waiting);
        Ok(out)
    }

    /// When the next partition may be asked for again.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.lines.values().filter_map(|line| line.not_before).filter(|at| *at > now).min()
    }

    /// Bytes that wait for the program.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
