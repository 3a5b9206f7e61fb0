//! A member of a consumer group by the classic protocol: pure, time passed in.
//!
//! ```text
//!   Out ──► Preparing ──► Joining ──► Leading ──► Syncing ──► Stable
//!              ▲          (request)   (leader:    (request)      │
//!              │                       assign)                   │
//!              └── a rebalance is due: subscription, heartbeat ◄─┘
//! ```
//! The program takes part where it polls: what it has to give up, has lost or was given are [`Notice`]s, and
//! the next step waits until it has been told. With only cooperative assignors (KIP-429) a member keeps what
//! nobody else gets. Answers carry the attempt they belong to; those of an earlier one are dropped.

mod answers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::assignor::{AssignorKind, Member, Members, Topics};
use super::config::ConsumerConfig;
use super::protocol::{self, Subscription};
use crate::error::ApiError;
use crate::topic_partition::TopicPartition;

pub(crate) use answers::JoinAnswer;

/// What the program is to be told, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// These partitions are about to be given up: offsets can still be committed.
    Revoked(BTreeSet<TopicPartition>),
    /// These partitions are somebody else's by now.
    Lost(BTreeSet<TopicPartition>),
    /// These partitions came.
    Assigned(BTreeSet<TopicPartition>),
}

/// A request to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupRequest {
    Join(JoinRequest),
    Sync(SyncRequest),
    Heartbeat(Identity),
    Leave(Identity),
}

/// Who the member is to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) attempt: u64,
    pub(crate) group: String,
    /// Empty until the coordinator has given one.
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    /// -1 outside a generation.
    pub(crate) generation: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRequest {
    pub(crate) identity: Identity,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// Assignors with the subscription in each one's words, best first.
    pub(crate) protocols: Vec<(&'static str, Bytes)>,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncRequest {
    pub(crate) identity: Identity,
    pub(crate) protocol: &'static str,
    /// Partitions by member, from the leader only.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// In no group.
    Out,
    /// A rebalance is due; the program's poll begins it.
    Preparing,
    Joining,
    /// The leader knows all members and has to deal out partitions.
    Leading(Members),
    Syncing(Vec<(String, Bytes)>),
    Stable,
}

/// Whether a request is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    Idle,
    Asked,
}

/// The settings that matter to a member.
#[derive(Debug, Clone)]
struct Settings {
    group: String,
    instance_id: Option<String>,
    assignors: Vec<AssignorKind>,
    session_timeout: Duration,
    heartbeat_interval: Duration,
    max_poll_interval: Duration,
    retry_backoff: Duration,
    rack: Option<String>,
}

/// One member. Owned by the consumer's state, under its lock; the background task sends its requests.
#[derive(Debug)]
pub(crate) struct Membership {
    settings: Settings,
    state: State,
    flight: Flight,
    /// Grows whenever answers that are under way become void.
    attempt: u64,
    member_id: String,
    generation: i32,
    assignor: Option<AssignorKind>,
    is_leader: bool,
    owned: BTreeSet<TopicPartition>,
    /// What the sticky assignor is told: also what an eager rebalance has given up.
    last_assignment: BTreeSet<TopicPartition>,
    /// Why to join again.
    rejoin: Option<String>,
    /// The generation was lost: what is owned may be somebody else's.
    is_lost: bool,
    /// What leaving costs a round trip.
    leaving: Option<Identity>,
    notices: VecDeque<Notice>,
    topics: BTreeSet<String>,
    /// The topics that the last join was asked for.
    joined_topics: BTreeSet<String>,
    last_poll: Instant,
    last_heartbeat: Instant,
    heartbeat_asked: Option<Instant>,
    not_before: Option<Instant>,
}

impl Membership {
    /// A member of the group of `config`, if there is one.
    pub(crate) fn new(config: &ConsumerConfig, now: Instant) -> Option<Membership> {
        let settings = Settings {
            group: config.group_id.clone()?,
            instance_id: config.group_instance_id.clone(),
            assignors: config.assignors.clone(),
            session_timeout: config.session_timeout,
            heartbeat_interval: config.heartbeat_interval,
            max_poll_interval: config.max_poll_interval,
            retry_backoff: config.client.retry_backoff,
            rack: Some(config.client_rack.clone()).filter(|rack| !rack.is_empty()),
        };
        Some(Membership {
            settings,
            state: State::Out,
            flight: Flight::Idle,
            attempt: 0,
            member_id: String::new(),
            generation: -1,
            assignor: None,
            is_leader: false,
            owned: BTreeSet::new(),
            last_assignment: BTreeSet::new(),
            rejoin: None,
            is_lost: false,
            leaving: None,
            notices: VecDeque::new(),
            topics: BTreeSet::new(),
            joined_topics: BTreeSet::new(),
            last_poll: now,
            last_heartbeat: now,
            heartbeat_asked: None,
            not_before: None,
        })
    }

    pub(crate) fn group(&self) -> &str {
        &self.settings.group
    }

    /// Who this is at present.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            attempt: self.attempt,
            group: self.settings.group.clone(),
            member_id: self.member_id.clone(),
            instance_id: self.settings.instance_id.clone(),
            generation: self.generation,
        }
    }

    pub(crate) fn owned(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    /// Part of a generation and nothing due.
    pub(crate) fn is_stable(&self) -> bool {
        self.state == State::Stable && self.rejoin.is_none()
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader
    }

    fn is_cooperative(&self) -> bool {
        self.settings.assignors.iter().all(|kind| kind.is_cooperative())
    }

    /// Takes over which topics to join for; joins again if they changed.
    pub(crate) fn set_topics(&mut self, topics: BTreeSet<String>) {
        if self.topics != topics {
            self.topics = topics;
            self.want("the subscription has changed");
        }
    }

    /// A rebalance is due.
    pub(crate) fn want(&mut self, reason: &str) {
        self.rejoin.get_or_insert_with(|| reason.to_owned());
    }

    /// The program polls: begins a rebalance that is due; true if one began.
    pub(crate) fn polled(&mut self, now: Instant) -> bool {
        self.last_poll = now;
        if !self.notices.is_empty() || (self.rejoin.is_none() && !self.is_lost) {
            return false;
        }
        match self.state {
            State::Out | State::Stable | State::Preparing => {}
            // What is under way takes the newest subscription with it, or ends in another rebalance.
            State::Joining | State::Leading(_) | State::Syncing(_) => return false,
        }
        self.state = State::Preparing;
        let gone = if self.is_lost || !self.is_cooperative() {
            self.owned.clone()
        } else {
            let stays = |partition: &&TopicPartition| self.topics.contains(&*partition.topic);
            self.owned.iter().filter(|partition| !stays(partition)).cloned().collect()
        };
        if gone.is_empty() {
            self.join();
        } else if self.is_lost {
            self.notices.push_back(Notice::Lost(gone));
        } else {
            self.notices.push_back(Notice::Revoked(gone));
        }
        true
    }

    fn join(&mut self) {
        self.is_lost = false;
        self.attempt += 1;
        self.flight = Flight::Idle;
        self.heartbeat_asked = None;
        self.state = State::Joining;
    }

    /// What the program is to be told next.
    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.notices.front()
    }

    /// The program was told.
    pub(crate) fn noticed(&mut self) {
        let Some(notice) = self.notices.pop_front() else { return };
        if let Notice::Revoked(gone) | Notice::Lost(gone) = notice {
            self.owned.retain(|partition| !gone.contains(partition));
        }
        if self.state == State::Preparing && self.notices.is_empty() {
            self.join();
        }
    }

    /// The next request to the coordinator, if one is due.
    pub(crate) fn next_request(&mut self, now: Instant) -> Option<GroupRequest> {
        if let Some(identity) = self.leaving.take() {
            return Some(GroupRequest::Leave(identity));
        }
        if self.state != State::Out && now.duration_since(self.last_poll) > self.settings.max_poll_interval {
            return self.stalled();
        }
        if self.flight == Flight::Asked || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        match &self.state {
            State::Joining => {
                self.flight = Flight::Asked;
                self.joined_topics.clone_from(&self.topics);
                Some(GroupRequest::Join(self.join_request()))
            }
            State::Syncing(assignments) => {
                self.flight = Flight::Asked;
                let protocol = self.assignor.map_or("", AssignorKind::name);
                let assignments = assignments.clone();
                Some(GroupRequest::Sync(SyncRequest { identity: self.identity(), protocol, assignments }))
            }
            State::Stable | State::Preparing if self.generation >= 0 => self.heartbeat(now),
            State::Out | State::Preparing | State::Leading(_) | State::Stable => None,
        }
    }

    fn heartbeat(&mut self, now: Instant) -> Option<GroupRequest> {
        if self.heartbeat_asked.is_some() || now < self.last_heartbeat + self.settings.heartbeat_interval {
            return None;
        }
        self.heartbeat_asked = Some(now);
        Some(GroupRequest::Heartbeat(self.identity()))
    }

    /// The program has not polled for `max.poll.interval.ms`: a dynamic member leaves, a static one falls
    /// silent and is missed after its session timeout.
    fn stalled(&mut self) -> Option<GroupRequest> {
        let identity = self.identity();
        let is_static = identity.instance_id.is_some();
        if is_static || identity.member_id.is_empty() {
            return None;
        }
        tracing::warn!(
            group = self.settings.group,
            "the program has not polled for longer than max.poll.interval.ms; this member leaves the group"
        );
        self.lose();
        self.want("the program polls again");
        self.state = State::Out;
        Some(GroupRequest::Leave(identity))
    }

    fn join_request(&self) -> JoinRequest {
        let topics: Vec<String> = self.topics.iter().cloned().collect();
        let protocol = |kind: &AssignorKind| {
            let told = if *kind == AssignorKind::Sticky { &self.last_assignment } else { &self.owned };
            let subscription = Subscription {
                topics: topics.clone(),
                user_data: kind.user_data(told, self.generation),
                owned: self.owned.iter().cloned().collect(),
                generation: Some(self.generation),
                rack: self.settings.rack.clone(),
            };
            (kind.name(), subscription.encode())
        };
        JoinRequest {
            identity: self.identity(),
            session_timeout: self.settings.session_timeout,
            rebalance_timeout: self.settings.max_poll_interval,
            protocols: self.settings.assignors.iter().map(protocol).collect(),
            reason: self.rejoin.clone().unwrap_or_default(),
        }
    }

    /// All topics of all members, while the leader has to deal out their partitions.
    pub(crate) fn topics_to_assign(&self) -> Option<BTreeSet<String>> {
        let State::Leading(members) = &self.state else { return None };
        Some(members.values().flat_map(|member| member.subscription.topics.iter().cloned()).collect())
    }

    /// The leader deals out the partitions of `topics`.
    pub(crate) fn assign(&mut self, topics: &Topics) {
        let State::Leading(members) = &self.state else { return };
        let Some(kind) = self.assignor else { return };
        let assignment = kind.assign(topics, members);
        debug_assert!(is_disjoint(&assignment), "one owner for each partition");
        let encoded = |(member, partitions): (String, Vec<TopicPartition>)| {
            (member, protocol::encode_assignment(&partitions))
        };
        self.state = State::Syncing(assignment.into_iter().map(encoded).collect());
        self.flight = Flight::Idle;
    }

    /// The generation is over for this member.
    fn lose(&mut self) {
        self.generation = -1;
        self.member_id.clear();
        self.attempt += 1;
        self.flight = Flight::Idle;
        self.heartbeat_asked = None;
        self.is_lost = true;
        self.is_leader = false;
        self.notices.retain(|notice| matches!(notice, Notice::Lost(_)));
    }

    /// Leaves for good: static members only fall silent, so that they may come back (KIP-345).
    pub(crate) fn leave(&mut self) {
        let identity = self.identity();
        let is_member = !identity.member_id.is_empty() && identity.instance_id.is_none();
        self.lose();
        self.is_lost = false;
        self.rejoin = None;
        self.notices.clear();
        self.owned.clear();
        self.last_assignment.clear();
        self.topics.clear();
        self.state = State::Out;
        self.leaving = is_member.then_some(identity);
    }

    /// Takes over telling the coordinator, for a shell that ends.
    pub(crate) fn take_leave(&mut self) -> Option<Identity> {
        self.leaving.take()
    }

    /// When to look again at the latest; always later than `now`.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if self.state == State::Out {
            return None;
        }
        let beats = matches!(self.state, State::Stable | State::Preparing) && self.heartbeat_asked.is_none();
        let heartbeat = beats.then_some(self.last_heartbeat + self.settings.heartbeat_interval);
        let stalled = self.last_poll + self.settings.max_poll_interval + Duration::from_millis(1);
        let deadlines = [heartbeat, self.not_before, Some(stalled)];
        deadlines.into_iter().flatten().filter(|at| *at > now).min()
    }

    fn pause(&mut self, now: Instant) {
        self.not_before = Some(now + self.settings.retry_backoff);
    }

    fn fatal(&mut self, error: &ApiError) -> Answered {
        self.lose();
        self.state = State::Out;
        self.rejoin = None;
        Answered::Fatal(error.clone())
    }
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The machine goes on.
    Fine,
    /// Another broker is the coordinator by now.
    CoordinatorLost,
    /// The group does not take this member.
    Fatal(ApiError),
}

fn is_disjoint(assignment: &BTreeMap<String, Vec<TopicPartition>>) -> bool {
    let mut seen = BTreeSet::new();
    assignment.values().flatten().all(|partition| seen.insert(partition))
}

/// Members as the leader was told them.
fn members_of(answer: &JoinAnswer) -> Option<Members> {
    let member = |(id, instance_id, blob): &(String, Option<String>, Bytes)| {
        let subscription = Subscription::decode(blob.clone())?;
        Some((id.clone(), Member { instance_id: instance_id.clone(), subscription }))
    };
    answer.members.iter().map(member).collect()
}

#[cfg(test)]
mod tests;
