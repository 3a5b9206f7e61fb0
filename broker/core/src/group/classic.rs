//! One classic group: its members, what they have in common, and where it is in its rebalance.
//!
//! ```text
//!            first join                 all joined or time is up            leader's assignment stored
//!   Empty ───────────────► Preparing ──────────────────────► Completing ──────────────────────► Stable
//!     ▲                    ▲   │  ▲                              │                                 │
//!     └────────────────────┼───┘  └──────────────────────────────┴─────────────────────────────────┘
//!       nobody joined      │                 a member joins, leaves, changes or dies
//! ```
//! What is stored is the group between rebalances ([`GroupMetadataValue`]); members that are joining, waiting
//! answers and the count of a generation not yet stored are lost when the coordinator moves, and the members join
//! again. The handlers stand in `join`, `rebalance` and `sync`.

mod join;
mod rebalance;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

pub(crate) use self::join::StaticMemberReplacement;
use self::rebalance::InitialDelay;
use super::error::GroupError;
use super::member::Member;
use super::records::{CoordinatorRecord, GroupMetadataValue};
use super::request::{DescribedGroup, JoinReply, ListedGroup, MemberProtocol};
use super::subscription::subscribed_topics;

/// The protocol type of consumers, whose metadata the coordinator understands.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Where a group is in its rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; there may be offsets.
    Empty,
    /// Waiting for members to join.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// All have what they need.
    Stable,
    /// There is no such group: shown, never stored.
    Dead,
}

impl GroupState {
    /// The name users see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A classic group. Owned by its shard; its methods are called with one step's [`super::Step`].
#[derive(Debug, Clone)]
pub(super) struct ClassicGroup {
    pub(super) id: Arc<str>,
    state: GroupState,
    /// When it got there (epoch milliseconds), `None` for groups stored by old brokers.
    state_timestamp_ms: Option<i64>,
    protocol_type: Option<String>,
    protocol_name: Option<String>,
    generation_id: i32,
    leader: Option<Arc<str>>,
    /// In the order of joining.
    members: IndexMap<Arc<str>, Member>,
    /// Instance id → member id.
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids given out with `MEMBER_ID_REQUIRED` and not used yet (KIP-394).
    pending_members: BTreeSet<Arc<str>>,
    /// Members of this generation that have not asked for their assignment yet.
    pending_sync: BTreeSet<Arc<str>>,
    /// How many members have a protocol.
    supporters: BTreeMap<String, usize>,
    awaiting_join_count: usize,
    /// The topics the members consume, if they are consumers that say so in a way we read.
    subscribed_topics: Option<BTreeSet<String>>,
    /// While the first rebalance of an empty group is being prepared.
    initial_delay: Option<InitialDelay>,
    /// The offset of the record that made the group known: it is shown once that is committed.
    created_at_offset: Option<i64>,
    /// One past the last record of this group and its offsets.
    pub(super) written_end_offset: i64,
}

impl ClassicGroup {
    /// An empty group that nobody has joined yet; `wall_ms` is not known for one that offsets alone made.
    pub(super) fn new(id: Arc<str>, wall_ms: Option<i64>) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            state_timestamp_ms: wall_ms,
            protocol_type: None,
            protocol_name: None,
            generation_id: 0,
            leader: None,
            members: IndexMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            supporters: BTreeMap::new(),
            awaiting_join_count: 0,
            subscribed_topics: None,
            initial_delay: None,
            created_at_offset: None,
            written_end_offset: 0,
        }
    }

    /// Becomes what is stored, while the log is loaded.
    pub(super) fn load(&mut self, value: &GroupMetadataValue) {
        let empty = Self::new(self.id.clone(), None);
        let (created_at_offset, written_end_offset) = (self.created_at_offset, self.written_end_offset);
        *self = Self { created_at_offset, written_end_offset, ..empty };
        self.replay(value);
    }

    /// Takes over what this coordinator itself has just had appended: nothing changes but the assignments and the
    /// state they bring about.
    pub(super) fn replay(&mut self, value: &GroupMetadataValue) {
        if self.state == GroupState::PreparingRebalance {
            // The record only makes the new group known.
            return;
        }
        self.generation_id = value.generation;
        self.protocol_type = Some(value.protocol_type.clone()).filter(|name| !name.is_empty());
        self.protocol_name.clone_from(&value.protocol);
        self.state_timestamp_ms = Some(value.current_state_timestamp_ms).filter(|timestamp| *timestamp != -1);
        let stays = |member: &Member| value.members.iter().any(|stored| *stored.member_id == *member.id);
        let gone: Vec<_> = self.members.values().filter(|m| !stays(m)).map(|m| m.id.clone()).collect();
        for member_id in gone {
            self.remove(&member_id);
        }
        for stored in &value.members {
            match self.members.get_mut(stored.member_id.as_str()) {
                Some(member) => member.assignment = stored.assignment.clone(),
                None => self.insert(Member::from_record(stored, value.protocol.as_deref())),
            }
        }
        self.leader = value.leader.as_deref().map(Arc::from);
        self.state = if self.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        self.subscribed_topics = self.compute_subscribed_topics();
    }

    /// Notes the offset of a record of this group.
    pub(super) fn note_record(&mut self, offset: i64) {
        self.created_at_offset.get_or_insert(offset);
        self.written_end_offset = offset + 1;
    }

    /// The record that stores the group with these assignments.
    fn metadata_record(&self, assignment_of: impl Fn(&Member) -> Bytes) -> CoordinatorRecord {
        let protocol = self.protocol_name.as_deref().unwrap_or("");
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation_id,
            protocol: self.protocol_name.clone(),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp_ms: self.state_timestamp_ms.unwrap_or(-1),
            members: self.members.values().map(|m| m.to_record(protocol, assignment_of(m))).collect(),
        };
        CoordinatorRecord::GroupMetadata { group_id: self.id.clone(), value: Some(value) }
    }

    /// The record that makes a group known that has no generation yet.
    pub(super) fn creation_record(&self) -> CoordinatorRecord {
        let value = GroupMetadataValue {
            current_state_timestamp_ms: self.state_timestamp_ms.unwrap_or(-1),
            ..GroupMetadataValue::default()
        };
        CoordinatorRecord::GroupMetadata { group_id: self.id.clone(), value: Some(value) }
    }

    fn transition_to(&mut self, state: GroupState, wall_ms: i64) {
        self.state = state;
        self.state_timestamp_ms = Some(wall_ms);
    }

    // ---- members ----

    fn insert(&mut self, member: Member) {
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        for protocol in member.protocols() {
            *self.supporters.entry(protocol.name.clone()).or_default() += 1;
        }
        self.pending_members.remove(&member.id);
        self.awaiting_join_count += usize::from(member.awaiting_join.is_some());
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member or a pending id out; its waiting answers are the caller's to give.
    fn remove(&mut self, member_id: &str) -> Option<Member> {
        self.pending_members.remove(member_id);
        self.pending_sync.remove(member_id);
        let member = self.members.shift_remove(member_id)?;
        self.forget_protocols(&member);
        self.awaiting_join_count -= usize::from(member.awaiting_join.is_some());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.leader.as_deref() == Some(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    fn forget_protocols(&mut self, member: &Member) {
        for protocol in member.protocols() {
            if let Some(count) = self.supporters.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supporters.remove(&protocol.name);
                }
            }
        }
    }

    fn update_protocols(&mut self, member_id: &str, change: impl FnOnce(&mut Member)) {
        let Some(mut member) = self.members.get(member_id).cloned() else { return };
        self.forget_protocols(&member);
        change(&mut member);
        for protocol in member.protocols() {
            *self.supporters.entry(protocol.name.clone()).or_default() += 1;
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Fails if the member is not in the group, or another one has its instance id.
    fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if **current != *member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join_count && self.pending_members.is_empty()
    }

    fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        u64::try_from(longest).unwrap_or(0)
    }

    // ---- protocols ----

    fn supports(&self, protocol_type: &str, protocols: &[MemberProtocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let is_common = |name: &str| self.supporters.get(name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| is_common(&protocol.name))
    }

    /// The protocol that most members would choose among those that all have; ties go to the first voted for.
    fn select_protocol(&self) -> Option<String> {
        let is_candidate = |name: &str| self.supporters.get(name) == Some(&self.members.len());
        let mut votes: IndexMap<&str, usize> = IndexMap::new();
        for member in self.members.values() {
            let choice = member.protocols().iter().find(|protocol| is_candidate(&protocol.name));
            if let Some(choice) = choice {
                *votes.entry(&choice.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.iter().find(|(_, count)| **count == most).map(|(name, _)| (*name).to_owned())
    }

    /// What the members consume: nothing known (`None`) unless they are consumers whose metadata can be read.
    fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer_group() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol_name.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscribed_topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }

    fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    // ---- what others ask ----

    pub(super) fn state(&self) -> GroupState {
        self.state
    }

    /// Empty with nobody about to join: may be deleted.
    pub(super) fn is_abandoned(&self) -> bool {
        self.state == GroupState::Empty && self.pending_members.is_empty()
    }

    pub(super) fn member_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.keys().chain(&self.pending_members)
    }

    /// Whether members consume the topic; consumers that cannot be read are taken to consume any.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    /// Whether the record that made the group known is below the high watermark.
    pub(super) fn is_visible(&self, high_watermark: i64) -> bool {
        self.created_at_offset.is_some_and(|offset| offset < high_watermark)
    }

    /// May this commit be taken? `generation_id` < 0 comes from consumers that assign partitions themselves.
    pub(super) fn validate_offset_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation_id: i32,
    ) -> Result<(), GroupError> {
        if generation_id < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation_id < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        self.validate_member(member_id, instance_id)?;
        if generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            // The member knows the new generation but not yet what it owns in it.
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    pub(super) fn validate_offset_delete(&self) -> Result<(), GroupError> {
        if self.state == GroupState::Empty || self.is_consumer_group() {
            Ok(())
        } else {
            Err(GroupError::NonEmptyGroup)
        }
    }

    /// From when on the retention of the group's offsets counts (KIP-211); `None` if none expire now.
    pub(super) fn expiration_base(&self) -> Option<ExpirationBase> {
        if self.protocol_type.is_none() {
            // Offsets of consumers that assign partitions themselves.
            return Some(ExpirationBase::Commit);
        }
        match self.state {
            GroupState::Empty => {
                Some(self.state_timestamp_ms.map_or(ExpirationBase::Commit, ExpirationBase::Since))
            }
            GroupState::Stable if self.subscribed_topics.is_some() => Some(ExpirationBase::Commit),
            _ => None,
        }
    }

    pub(super) fn described(&self) -> DescribedGroup {
        let protocol = self.protocol_name.as_deref().filter(|_| self.state == GroupState::Stable);
        DescribedGroup {
            error: None,
            group_id: self.id.to_string(),
            state: self.state.to_string(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.members.values().map(|member| member.described(protocol)).collect(),
        }
    }

    pub(super) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.to_string(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state.to_string(),
            group_type: "classic".to_owned(),
        }
    }

    /// The current generation as a member is told; the leader also hears of the others.
    fn join_reply(&self, member_id: &str) -> JoinReply {
        let protocol = self.protocol_name.as_deref().unwrap_or("");
        let members = if self.is_leader(member_id) {
            self.members.values().map(|member| member.joined(protocol)).collect()
        } else {
            Vec::new()
        };
        JoinReply {
            error: None,
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.as_deref().unwrap_or("").to_owned(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members,
        }
    }

    /// What is stored of the group when it is between rebalances, for comparison.
    #[cfg(test)]
    pub(super) fn stored(&self) -> Option<CoordinatorRecord> {
        matches!(self.state, GroupState::Empty | GroupState::Stable)
            .then(|| self.metadata_record(|member| member.assignment.clone()))
    }

    /// Panics if the parts of the group contradict each other.
    pub(super) fn check_invariants(&self) {
        let waiting = self.members.values().filter(|member| member.awaiting_join.is_some()).count();
        assert_eq!(waiting, self.awaiting_join_count, "{}: members waiting for the join", self.id);
        let statics = self.members.values().filter(|member| member.is_static()).count();
        assert_eq!(statics, self.static_members.len(), "{}: static members", self.id);
        for (instance_id, member_id) in &self.static_members {
            let member = self.members.get(member_id);
            assert_eq!(
                member.and_then(|member| member.instance_id.as_ref()),
                Some(instance_id),
                "{}",
                self.id
            );
        }
        for pending in &self.pending_members {
            assert!(!self.members.contains_key(pending), "{}: {pending} is pending and a member", self.id);
        }
        assert!(
            self.pending_sync.iter().all(|id| self.members.contains_key(id)),
            "{}: pending sync",
            self.id
        );
        let mut supporters: BTreeMap<String, usize> = BTreeMap::new();
        for protocol in self.members.values().flat_map(Member::protocols) {
            *supporters.entry(protocol.name.clone()).or_default() += 1;
        }
        assert_eq!(supporters, self.supporters, "{}: supporters of the protocols", self.id);
        match &self.leader {
            Some(leader) => assert!(self.members.contains_key(leader), "{}: leader {leader}", self.id),
            None => assert!(self.members.is_empty(), "{}: members without a leader", self.id),
        }
        if self.state == GroupState::Empty {
            assert!(self.members.is_empty(), "{}: members in state Empty", self.id);
        }
        if self.state != GroupState::PreparingRebalance {
            assert!(self.initial_delay.is_none(), "{}: initial delay in state {}", self.id, self.state);
        }
    }
}

/// From when on the retention of an offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpirationBase {
    /// Since it was committed.
    Commit,
    /// Since a point of time (epoch milliseconds).
    Since(i64),
}
