//! The whole consumer without its sockets: what to ask now, and what answers mean. Pure, time passed in.
//!
//! The background task calls [`Core::step`] whenever something has changed and sends the questions; answers
//! come back through [`Core::answer`]. The program's poll takes records and notices from it. All of it is
//! under one short lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rkafka_wire::ErrorCode;

use super::assignor::Topics;
use super::config::{AutoOffsetReset, ConsumerConfig};
use super::error::ConsumerError;
use super::fetch::{Ahead, Fetched, Leader, Plan};
use super::membership::{Answered, GroupRequest, Identity, JoinAnswer, Membership, Notice};
use super::metrics::Counts;
use super::offsets::{OffsetAndMetadata, Position};
use super::subscription::{Interest, Partition, Phase, ResetTo, Subscriptions};
use super::view::View;
use crate::error::{ApiError, ClientError};
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What to look up for a partition: its edition, where, and the leader it is asked of.
#[derive(Debug, Clone)]
pub(crate) struct Lookup<T> {
    pub(crate) partition: TopicPartition,
    pub(crate) edition: u64,
    pub(crate) what: T,
    pub(crate) leader: Leader,
}

/// A request to be sent.
#[derive(Debug)]
pub(crate) enum Question {
    /// About these topics, or all.
    Metadata(Option<BTreeSet<String>>),
    Group(GroupRequest),
    Committed(Vec<(TopicPartition, u64)>),
    Offsets(i32, Vec<Lookup<ResetTo>>),
    Epochs(i32, Vec<Lookup<Position>>),
    Fetch(Plan),
    Commit(Identity, Offsets),
}

/// An answer about a partition.
pub(crate) type Told<T> = BTreeMap<TopicPartition, Result<T, ApiError>>;

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    Metadata(Option<BTreeSet<String>>, Result<Arc<Metadata>, ClientError>),
    Joined(u64, Result<Result<JoinAnswer, (ApiError, String)>, ClientError>),
    Synced(u64, Result<Result<Bytes, ApiError>, ClientError>),
    Heartbeat(u64, Result<Result<(), ApiError>, ClientError>),
    Left,
    Committed(Vec<(TopicPartition, u64)>, Result<Told<Option<OffsetAndMetadata>>, ClientError>),
    Offsets(Vec<Lookup<ResetTo>>, Result<Told<Option<Position>>, ClientError>),
    /// End offset of the position's epoch at the leader; nothing where the broker cannot tell.
    Epochs(Vec<Lookup<Position>>, Result<Option<Told<Position>>, ClientError>),
    Fetched(Plan, Result<Fetched, ClientError>),
    Commit(Identity, Result<Told<()>, ClientError>),
}

/// See the module. `coordinator_lost` is read and reset by the shell.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Arc<ConsumerConfig>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) membership: Option<Membership>,
    pub(crate) ahead: Ahead,
    view: View,
    /// What the next poll fails with.
    pub(crate) errors: VecDeque<ConsumerError>,
    /// Commits that nobody waits for.
    commits: Vec<Offsets>,
    next_auto_commit: Instant,
    /// What the leader's assignment was made of.
    assigned_counts: Option<Topics>,
    pub(crate) coordinator_lost: bool,
    pub(crate) counts: Counts,
}

impl Core {
    pub(crate) fn new(config: Arc<ConsumerConfig>, now: Instant) -> Core {
        Core {
            subscriptions: Subscriptions::default(),
            membership: Membership::new(&config, now),
            ahead: Ahead::new(&config),
            view: View::default(),
            errors: VecDeque::new(),
            commits: Vec::new(),
            next_auto_commit: now + config.auto_commit_interval,
            assigned_counts: None,
            coordinator_lost: false,
            counts: Counts::default(),
            config,
        }
    }

    /// The topics that metadata is needed of; all for a pattern.
    fn topics_of_interest(&self) -> Option<BTreeSet<String>> {
        if matches!(self.subscriptions.interest, Interest::Pattern(_)) {
            return None;
        }
        let mut topics = BTreeSet::new();
        let mut last = None;
        for (partition, _) in self.subscriptions.iter() {
            // Partitions of a topic stand together.
            if last != Some(&partition.topic) {
                last = Some(&partition.topic);
                topics.insert(partition.topic.to_string());
            }
        }
        if let Interest::Topics(subscribed) = &self.subscriptions.interest {
            topics.extend(subscribed.iter().cloned());
        }
        if let Some(membership) = &self.membership {
            topics.extend(membership.topics_to_assign().unwrap_or_default());
            if membership.is_leader() {
                topics
                    .extend(self.assigned_counts.iter().flat_map(|counts| counts.partitions.keys().cloned()));
            }
        }
        Some(topics)
    }

    /// What can be asked now.
    pub(crate) fn step(&mut self, now: Instant) -> Vec<Question> {
        let mut questions = Vec::new();
        self.ask_metadata(now, &mut questions);
        self.ask_group(now, &mut questions);
        self.ask_positions(now, &mut questions);
        let view = &self.view;
        let plans = self.ahead.plan(now, &self.subscriptions, |partition| view.leader(partition));
        questions.extend(plans.into_iter().map(Question::Fetch));
        questions
    }

    fn ask_metadata(&mut self, now: Instant, questions: &mut Vec<Question>) {
        let topics = self.topics_of_interest();
        if topics.as_ref().is_some_and(BTreeSet::is_empty) {
            return;
        }
        let client = &self.config.client;
        let due = self.view.due(now, topics.as_ref(), client.metadata_max_age, client.retry_backoff);
        if due.is_some_and(|at| at <= now) {
            self.view.asked();
            questions.push(Question::Metadata(topics));
        }
    }

    fn ask_group(&mut self, now: Instant, questions: &mut Vec<Question>) {
        let Some(membership) = &mut self.membership else { return };
        if let Some(topics) = membership.topics_to_assign()
            && self.view.was_asked_about(&topics)
        {
            let counts = self.view.counts(&topics);
            membership.assign(&counts);
            self.assigned_counts = Some(watched(counts, &self.config));
        }
        while let Some(request) = membership.next_request(now) {
            questions.push(Question::Group(request));
        }
        let identity = membership.identity();
        let commits = self.commits.drain(..);
        questions.extend(commits.map(|offsets| Question::Commit(identity.clone(), offsets)));
    }

    fn ask_positions(&mut self, now: Instant, questions: &mut Vec<Question>) {
        let unknown = self.subscriptions.take_unknown(now);
        if self.membership.is_none() {
            unknown.iter().for_each(|(partition, _)| self.reset(now, partition));
        } else if !unknown.is_empty() {
            questions.push(Question::Committed(unknown));
        }
        let resets = self.subscriptions.take_resets(now);
        let resets = self.by_leader(resets);
        questions.extend(resets.into_iter().map(|(node, lookups)| Question::Offsets(node, lookups)));
        let checks = self.subscriptions.take_checks(now);
        let checks = self.by_leader(checks);
        questions.extend(checks.into_iter().map(|(node, lookups)| Question::Epochs(node, lookups)));
    }

    fn by_leader<T>(&mut self, wanted: Vec<(TopicPartition, u64, T)>) -> BTreeMap<i32, Vec<Lookup<T>>> {
        let mut by_leader: BTreeMap<i32, Vec<Lookup<T>>> = BTreeMap::new();
        for (partition, edition, what) in wanted {
            match self.view.leader(&partition) {
                Some(leader) => {
                    let lookup = Lookup { partition, edition, what, leader };
                    by_leader.entry(leader.node).or_default().push(lookup);
                }
                None => {
                    // The next metadata will tell; it is asked for no more often than `retry.backoff.ms`.
                    self.view.invalidate();
                    self.subscriptions.answered(&partition, edition);
                }
            }
        }
        by_leader
    }

    /// Asks about the partition again after `retry.backoff.ms`.
    fn later(&mut self, now: Instant, partition: &TopicPartition, edition: u64) {
        if let Some(state) = self.subscriptions.answered(partition, edition) {
            state.not_before = Some(now + self.config.client.retry_backoff);
        }
    }

    /// Without a position: as `auto.offset.reset` says.
    fn reset(&mut self, now: Instant, partition: &TopicPartition) {
        match self.reset_policy() {
            Some(to) => drop(self.subscriptions.restart(partition, Phase::Reset(to))),
            None => {
                let at = now + self.config.client.retry_backoff;
                if let Some(state) = self.subscriptions.get_mut(partition) {
                    (state.asking, state.not_before) = (false, Some(at));
                }
                self.fail(ConsumerError::NoOffset(vec![partition.clone()]));
            }
        }
    }

    fn reset_policy(&self) -> Option<ResetTo> {
        match self.config.auto_offset_reset {
            AutoOffsetReset::Earliest => Some(ResetTo::Earliest),
            AutoOffsetReset::Latest => Some(ResetTo::Latest),
            AutoOffsetReset::ByDuration(ago) => Some(ResetTo::Ago(ago)),
            AutoOffsetReset::None => None,
        }
    }

    /// The next poll fails with this; each error waits once.
    fn fail(&mut self, error: ConsumerError) {
        if let (Some(ConsumerError::NoOffset(known)), ConsumerError::NoOffset(more)) =
            (self.errors.back_mut(), &error)
        {
            known.extend(more.iter().filter(|one| !known.contains(one)).cloned().collect::<Vec<_>>());
        } else if !self.errors.contains(&error) {
            self.errors.push_back(error);
        }
    }

    /// When to step again at the latest; always later than `now`.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let topics = self.topics_of_interest();
        let client = &self.config.client;
        let metadata = if topics.as_ref().is_some_and(BTreeSet::is_empty) {
            None
        } else {
            self.view.due(now, topics.as_ref(), client.metadata_max_age, client.retry_backoff)
        };
        let group = self.membership.as_ref().and_then(|membership| membership.next_deadline(now));
        let deadlines =
            [metadata, group, self.subscriptions.next_deadline(now), self.ahead.next_deadline(now)];
        deadlines.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// The program polls; true if the background has something to do.
    pub(crate) fn polled(&mut self, now: Instant) -> bool {
        self.counts.last_poll = Some(now);
        let mut is_news = false;
        let is_by_group = self.subscriptions.is_by_group();
        if let Some(membership) = self.membership.as_mut().filter(|_| is_by_group) {
            is_news |= membership.polled(now);
        }
        if self.config.enable_auto_commit && self.membership.is_some() && now >= self.next_auto_commit {
            self.next_auto_commit = now + self.config.auto_commit_interval;
            let consumed = self.subscriptions.consumed();
            if !consumed.is_empty() {
                self.commits.push(consumed);
                is_news = true;
            }
        }
        is_news
    }

    /// Subscribes; what another subscription has assigned stays until the group decides.
    pub(crate) fn subscribe(&mut self, interest: Interest) {
        if matches!(interest, Interest::Pattern(_)) {
            self.view.invalidate();
        }
        self.subscriptions.interest = interest;
    }

    /// Gives up everything and leaves the group.
    pub(crate) fn leave(&mut self) {
        self.subscriptions.interest = Interest::Nothing;
        self.subscriptions.set_assigned(&BTreeSet::new(), true);
        self.assigned_counts = None;
        if let Some(membership) = self.membership.as_mut() {
            membership.leave();
        }
    }

    /// Commits that were not sent yet.
    pub(crate) fn take_commits(&mut self) -> Vec<Offsets> {
        std::mem::take(&mut self.commits)
    }

    /// Commits without anybody waiting for it.
    pub(crate) fn commit_later(&mut self, offsets: Offsets) {
        self.commits.push(offsets);
    }

    /// What the program is to be told next; new partitions are assigned first, so that it can seek in them.
    pub(crate) fn notice(&mut self) -> Option<Notice> {
        let membership = self.membership.as_ref()?;
        let notice = membership.notice()?.clone();
        if matches!(notice, Notice::Assigned(_)) {
            let owned = membership.owned().clone();
            self.subscriptions.set_assigned(&owned, false);
        }
        Some(notice)
    }

    /// The program was told.
    pub(crate) fn noticed(&mut self, notice: &Notice) {
        let Some(membership) = self.membership.as_mut() else { return };
        if membership.notice() != Some(notice) {
            return;
        }
        membership.noticed();
        match notice {
            Notice::Revoked(gone) | Notice::Lost(gone) => self.subscriptions.remove(gone),
            Notice::Assigned(_) => self.subscriptions.announce(),
        }
    }
}

mod answers;

/// What makes a leader assign anew when it changes: replicas that move to other racks only if it is in a rack itself,
/// as Java's (KIP-881).
fn watched(topics: Topics, config: &ConsumerConfig) -> Topics {
    if config.client_rack.is_empty() { topics.without_racks() } else { topics }
}

/// Whether a partition still has to find its position.
pub(crate) fn is_seeking(state: &Partition) -> bool {
    !matches!(state.phase, Phase::Ready(_))
}

/// The code of the errors that mean that another broker coordinates the group.
pub(crate) fn moves_coordinator(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable)
}

/// What a group's answer means to the shell.
fn is_lost(answered: &Answered) -> bool {
    matches!(answered, Answered::CoordinatorLost)
}

#[cfg(test)]
mod tests;
