//! Classic consumer groups and their offsets: the state machine of one partition of `__consumer_offsets`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings |
//! | [`error`] | why a request is refused |
//! | [`request`] | requests and replies, free of wire versions |
//! | [`records`] | what is stored, byte for byte as Kafka stores it |
//! | [`classic`] | one group: members, rebalance (KIP-62, 134, 345, 394, 814) |
//! | `member` | one member |
//! | `offsets` | the offsets of all groups, committed and not yet |
//! | `commit` | the requests about offsets, their expiry (KIP-211) |
//! | `view` | describe, list, delete groups |
//!
//! **Generate, then replay.** A step reads the state and gives records and replies; what is remembered across a
//! change of coordinator changes in `GroupShard::replay` alone, when the records are in the log. What is not
//! remembered (who is joining, who waits for an answer, sessions) changes in the step.

pub mod classic;
mod commit;
pub mod config;
pub mod error;
mod member;
mod offsets;
pub mod records;
pub mod request;
mod subscription;
mod view;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use classic::GroupState;
use classic::{ClassicGroup, StaticMemberReplacement};
pub use config::GroupConfig;
pub use error::GroupError;
use offsets::OffsetStore;
pub use records::CoordinatorRecord;
use records::OffsetKey;
pub use request::{GroupReply, GroupRequest, ReplyToken};
use request::{HeartbeatRequest, JoinRequest, LeaveRequest, SyncRequest};

use crate::time::{DeadlineQueue, Now};

/// The groups of one partition of `__consumer_offsets`.
///
/// Owned and driven by a [`CoordinatorShard`](crate::coordinator::CoordinatorShard), which has the records of each
/// [`Output`] appended, replays them, and runs the completions once they are committed.
#[derive(Debug, Clone)]
pub(crate) struct GroupShard {
    config: GroupConfig,
    groups: BTreeMap<Arc<str>, ClassicGroup>,
    offsets: OffsetStore,
    timers: DeadlineQueue<TimerKey>,
    high_watermark: i64,
    /// Since [`GroupShard::on_loaded`] records are this coordinator's own.
    is_serving: bool,
}

impl GroupShard {
    pub(crate) fn new(config: GroupConfig) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            offsets: OffsetStore::default(),
            timers: DeadlineQueue::default(),
            high_watermark: 0,
            is_serving: false,
        }
    }

    // ---- hard state ----

    /// Takes a record into what is remembered: while the log is loaded, and then each that was appended.
    pub(crate) fn replay(&mut self, position: RecordPosition, record: &CoordinatorRecord) {
        match record {
            CoordinatorRecord::OffsetCommit { key, value } => {
                self.replay_offset(position, key, value.as_ref());
            }
            CoordinatorRecord::GroupMetadata { group_id, value: Some(value) } => {
                let is_serving = self.is_serving;
                let group = self.group_or_new(group_id);
                group.note_record(position.offset);
                if is_serving { group.replay(value) } else { group.load(value) }
            }
            CoordinatorRecord::GroupMetadata { group_id, value: None } => self.remove_group(group_id),
        }
    }

    fn replay_offset(
        &mut self,
        position: RecordPosition,
        key: &OffsetKey,
        value: Option<&records::OffsetCommitValue>,
    ) {
        match self.groups.get_mut(&key.group_id) {
            Some(group) => group.note_record(position.offset),
            // Offsets of consumers that assign partitions themselves: the group has no record of its own.
            None if value.is_some() => self.group_or_new(&key.group_id).note_record(position.offset),
            None => {}
        }
        match (position.transaction, value) {
            (Some(producer_id), Some(value)) => {
                self.offsets.replay_transactional(position.offset, producer_id, key.clone(), value.clone());
            }
            (_, value) => self.offsets.replay(position.offset, key.clone(), value.cloned()),
        }
    }

    /// Takes in the end of a transaction, whose marker stands at `offset`.
    pub(crate) fn replay_transaction_end(&mut self, offset: i64, producer_id: i64, committed: bool) {
        self.offsets.replay_transaction_end(offset, producer_id, committed);
    }

    /// All below the high watermark is committed.
    pub(crate) fn on_high_watermark(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        self.offsets.commit_up_to(self.high_watermark);
    }

    fn group_or_new(&mut self, group_id: &Arc<str>) -> &mut ClassicGroup {
        let new = || ClassicGroup::new(group_id.clone(), None);
        self.groups.entry(group_id.clone()).or_insert_with(new)
    }

    fn remove_group(&mut self, group_id: &str) {
        let Some(group) = self.groups.remove(group_id) else { return };
        for member_id in group.member_ids() {
            let (group_id, member_id) = (group.id.clone(), member_id.clone());
            self.timers.cancel(&TimerKey::Session { group_id, member_id });
        }
        self.timers.cancel(&TimerKey::Join(group.id.clone()));
        self.timers.cancel(&TimerKey::Sync(group.id));
    }

    // ---- steps ----

    /// The log is loaded: members' sessions begin, and this coordinator serves.
    pub(crate) fn on_loaded(&mut self, now: Now) -> Output {
        self.is_serving = true;
        let mut output = Output::default();
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output: &mut output };
        step.schedule(TimerKey::Expiration, step.config.offsets_retention_check_interval_ms);
        for group in self.groups.values_mut() {
            group.on_loaded(&mut step);
        }
        output
    }

    /// Takes a request. Each is answered once: in this output, by one of its completions, or by a later step.
    pub(crate) fn step(&mut self, now: Now, token: ReplyToken, request: &GroupRequest) -> Output {
        let mut output = Output::default();
        let done = match request {
            GroupRequest::Join(join) => self.join(now, token, join, &mut output),
            GroupRequest::Sync(sync) => self.sync(now, token, sync, &mut output),
            GroupRequest::Heartbeat(heartbeat) => self.heartbeat(now, token, heartbeat, &mut output),
            GroupRequest::Leave(leave) => self.leave(now, token, leave, &mut output),
            GroupRequest::OffsetCommit(commit) => self.commit_offsets(now, token, commit, &mut output),
            GroupRequest::OffsetFetch(fetch) => {
                self.fetch_offsets(token, fetch, &mut output);
                Ok(())
            }
            GroupRequest::OffsetDelete(delete) => self.delete_offsets(token, delete, &mut output),
            GroupRequest::Describe(group_ids) => {
                let groups = group_ids.iter().map(|group_id| self.described(group_id)).collect();
                output.replies.push((token, GroupReply::Describe(groups)));
                Ok(())
            }
            GroupRequest::List(list) => {
                output.replies.push((token, GroupReply::List(Ok(self.listed(list)))));
                Ok(())
            }
            GroupRequest::Delete(group_ids) => {
                self.delete_groups(token, group_ids, &mut output);
                Ok(())
            }
        };
        if let Err(error) = done {
            output.replies.push((token, request.refused(error)));
        }
        output
    }

    fn join(
        &mut self,
        now: Now,
        token: ReplyToken,
        join: &JoinRequest,
        output: &mut Output,
    ) -> Result<(), GroupError> {
        require_group_id(&join.group_id)?;
        let session_bounds = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
        if !session_bounds.contains(&join.session_timeout_ms) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output };
        if let Some(group) = self.groups.get_mut(join.group_id.as_str()) {
            group.join(&mut step, token, join);
            return Ok(());
        }
        if !join.member_id.is_empty() {
            return Err(GroupError::UnknownMemberId);
        }
        let mut group = ClassicGroup::new(Arc::from(join.group_id.as_str()), Some(now.wall_ms));
        group.join(&mut step, token, join);
        if !group.is_abandoned() {
            // Without a record the group would be unknown to all but this coordinator's memory.
            output.records.push(group.creation_record());
            output.completions.push(Completion::GroupCreated { group_id: group.id.clone() });
            self.groups.insert(group.id.clone(), group);
        }
        Ok(())
    }

    fn sync(
        &mut self,
        now: Now,
        token: ReplyToken,
        sync: &SyncRequest,
        output: &mut Output,
    ) -> Result<(), GroupError> {
        require_group_id(&sync.group_id)?;
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output };
        let group = self.groups.get_mut(sync.group_id.as_str()).ok_or(GroupError::UnknownMemberId)?;
        group.sync(&mut step, token, sync);
        Ok(())
    }

    /// Heartbeats show nothing that is stored, so they wait for nothing.
    fn heartbeat(
        &mut self,
        now: Now,
        token: ReplyToken,
        heartbeat: &HeartbeatRequest,
        output: &mut Output,
    ) -> Result<(), GroupError> {
        require_group_id(&heartbeat.group_id)?;
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output };
        let group = self.groups.get(heartbeat.group_id.as_str()).ok_or(GroupError::UnknownMemberId)?;
        let reply = group.heartbeat(&mut step, heartbeat);
        output.replies.push((token, GroupReply::Heartbeat(reply)));
        Ok(())
    }

    fn leave(
        &mut self,
        now: Now,
        token: ReplyToken,
        leave: &LeaveRequest,
        output: &mut Output,
    ) -> Result<(), GroupError> {
        require_group_id(&leave.group_id)?;
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output };
        match self.groups.get_mut(leave.group_id.as_str()) {
            Some(group) => group.leave(&mut step, token, leave),
            None => output.replies.push((token, view::leave_of_unknown_group(leave))),
        }
        Ok(())
    }

    /// When [`on_timer`](Self::on_timer) has work (monotonic milliseconds).
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.timers.next_deadline()
    }

    /// Handles one deadline that has come, if there is one.
    pub(crate) fn on_timer(&mut self, now: Now) -> Option<Output> {
        let key = self.timers.pop_due(now.mono_ms)?;
        let mut output = Output::default();
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output: &mut output };
        match key {
            TimerKey::Session { group_id, member_id } => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.on_session_timer(&mut step, &member_id);
                }
            }
            TimerKey::Join(group_id) => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.on_join_timer(&mut step);
                }
            }
            TimerKey::Sync(group_id) => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.on_sync_timer(&mut step);
                }
            }
            TimerKey::Expiration => {
                step.schedule(TimerKey::Expiration, step.config.offsets_retention_check_interval_ms);
                output.may_be_split = true;
                self.expire(now, &mut output);
            }
        }
        Some(output)
    }

    /// Partitions were deleted with their topics.
    pub(crate) fn on_partitions_deleted(&self, partitions: &[(String, i32)]) -> Output {
        let mut output = Output { may_be_split: true, ..Output::default() };
        self.delete_partitions(partitions, &mut output);
        output
    }

    /// What the records of a completion came to: answers those who waited, or takes back what the step changed.
    pub(crate) fn complete(&mut self, now: Now, completion: Completion, outcome: Outcome) -> Output {
        let mut output = Output::default();
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output: &mut output };
        match completion {
            Completion::Reply { token, reply } => output.replies.push((token, outcome.applied_to(reply))),
            Completion::AssignmentStored { group_id, generation_id } => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.on_assignment_outcome(&mut step, generation_id, outcome);
                }
            }
            Completion::StaticMemberStored { group_id, replacement } => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.on_static_member_outcome(&mut step, &replacement, outcome);
                }
            }
            Completion::GroupCreated { group_id } => {
                if let (Outcome::NotAppended(error), Some(group)) = (outcome, self.groups.get_mut(&group_id))
                {
                    group.dissolve(&mut step, error);
                    self.remove_group(&group_id);
                }
            }
        }
        output
    }

    /// The shard is given up: all that waits in groups is refused.
    pub(crate) fn resign(&mut self, now: Now, error: GroupError) -> Vec<(ReplyToken, GroupReply)> {
        let mut output = Output::default();
        let mut step = Step { now, config: &self.config, timers: &mut self.timers, output: &mut output };
        for group in self.groups.values_mut() {
            group.dissolve(&mut step, error);
        }
        *self = Self::new(self.config.clone());
        output.replies
    }

    /// What a coordinator that loads the log now would know: the groups that are between rebalances, and all offsets.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> BTreeMap<String, CoordinatorRecord> {
        let groups = self.groups.values().filter_map(|group| Some((group.id.to_string(), group.stored()?)));
        let offsets = self.groups.keys().flat_map(|group_id| self.offsets.latest_of(group_id));
        let offsets = offsets.map(|(key, stored)| {
            let value = Some(stored.value.clone());
            (format!("{key:?}"), CoordinatorRecord::OffsetCommit { key, value })
        });
        groups.chain(offsets).collect()
    }

    /// Panics if the parts of the state contradict each other.
    pub(crate) fn check_invariants(&self) {
        self.groups.values().for_each(ClassicGroup::check_invariants);
        self.offsets.check_invariants();
        for group_id in self.offsets.group_ids() {
            assert!(self.groups.contains_key(group_id), "offsets of the unknown group {group_id}");
        }
    }
}

fn require_group_id(group_id: &str) -> Result<(), GroupError> {
    if group_id.is_empty() { Err(GroupError::InvalidGroupId) } else { Ok(()) }
}

/// What became of the records a completion waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They are committed.
    Committed,
    /// They were not appended.
    NotAppended(GroupError),
    /// They were appended but are not committed in time, and may yet be: only the answers are refusals.
    TimedOut(GroupError),
}

impl Outcome {
    fn applied_to(self, reply: GroupReply) -> GroupReply {
        match self {
            Self::Committed => reply,
            Self::NotAppended(error) | Self::TimedOut(error) => reply.into_refusal(error),
        }
    }
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    /// A member's session, or the life of an id given out.
    Session { group_id: Arc<str>, member_id: Arc<str> },
    /// The time for members to join.
    Join(Arc<str>),
    /// The time for members to ask for their assignment.
    Sync(Arc<str>),
    /// The next look for expired offsets.
    Expiration,
}

/// What a step wants done: send `replies`; append `records`, replay them, and when they (and the log up to
/// `wait_for_offset`) are committed, run `completions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Output {
    /// Answers that wait for nothing.
    pub(crate) replies: Vec<(ReplyToken, GroupReply)>,
    /// What to append.
    pub(crate) records: Vec<CoordinatorRecord>,
    /// Whether the records may be spread over several batches: each of them is right without the others.
    pub(crate) may_be_split: bool,
    /// What to do once the records are committed.
    pub(crate) completions: Vec<Completion>,
    /// The offset up to which the log must be committed besides: what the replies are based on.
    pub(crate) wait_for_offset: i64,
}

/// What follows a commit, or a failure, of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Completion {
    /// A reply that says that the records are committed.
    Reply { token: ReplyToken, reply: GroupReply },
    /// The members of the generation get their assignments.
    AssignmentStored { group_id: Arc<str>, generation_id: i32 },
    /// The static member's new self is told its generation.
    StaticMemberStored { group_id: Arc<str>, replacement: StaticMemberReplacement },
    /// Nothing, but if the record of a new group cannot be appended the group is no more.
    GroupCreated { group_id: Arc<str> },
}

/// Who wrote a record, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordPosition {
    /// The record's offset.
    pub(crate) offset: i64,
    /// The producer id of its transaction, if it is part of one.
    pub(crate) transaction: Option<i64>,
}

/// What one step works with, besides the group it is about.
struct Step<'a> {
    now: Now,
    config: &'a GroupConfig,
    timers: &'a mut DeadlineQueue<TimerKey>,
    output: &'a mut Output,
}

impl Step<'_> {
    fn schedule(&mut self, key: TimerKey, after_ms: u64) {
        self.timers.schedule(key, self.now.mono_ms.saturating_add(after_ms));
    }

    fn schedule_session(&mut self, group_id: &Arc<str>, member_id: &Arc<str>, timeout_ms: u64) {
        let key = TimerKey::Session { group_id: group_id.clone(), member_id: member_id.clone() };
        self.schedule(key, timeout_ms);
    }

    fn cancel_session(&mut self, group_id: &Arc<str>, member_id: &str) {
        let key = TimerKey::Session { group_id: group_id.clone(), member_id: Arc::from(member_id) };
        self.timers.cancel(&key);
    }
}
