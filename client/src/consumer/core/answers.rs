//! What answers mean.

use std::collections::BTreeSet;
use std::time::Instant;

use rkafka_wire::ErrorCode;

use super::{Answer, Core, Lookup, Told, is_lost, moves_coordinator, watched};
use crate::consumer::error::ConsumerError;
use crate::consumer::fetch::{Fetched, Finding, Plan};
use crate::consumer::membership::{Answered, Identity};
use crate::consumer::offsets::{OffsetAndMetadata, Position};
use crate::consumer::subscription::{Interest, Phase, ResetTo};
use crate::error::{ApiError, ClientError};
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

impl Core {
    /// Takes over an answer.
    pub(crate) fn answer(&mut self, now: Instant, answer: Answer) {
        match answer {
            Answer::Metadata(topics, Ok(metadata)) => self.metadata(now, topics.as_ref(), &metadata),
            Answer::Metadata(_, Err(error)) => {
                tracing::warn!(%error, "no metadata");
                self.view.unanswered(now);
            }
            Answer::Joined(attempt, Ok(answer)) => {
                self.group(|membership| membership.joined(now, attempt, answer));
            }
            Answer::Synced(attempt, Ok(answer)) => {
                self.counts.rebalances += u64::from(answer.is_ok());
                self.group(|membership| membership.synced(now, attempt, answer));
            }
            Answer::Heartbeat(attempt, Ok(answer)) => {
                self.group(|membership| membership.heartbeat_answered(now, attempt, answer));
            }
            Answer::Joined(attempt, Err(error))
            | Answer::Synced(attempt, Err(error))
            | Answer::Heartbeat(attempt, Err(error)) => {
                tracing::debug!(%error, "no answer from the coordinator");
                let refused = error_of_group(&error);
                self.group(|membership| {
                    // It is tried again all the same: permissions may be given later.
                    let answered = membership.unanswered(now, attempt);
                    refused.map_or(answered, Answered::Fatal)
                });
            }
            Answer::Left => {}
            Answer::Committed(asked, told) => self.committed(now, asked, told),
            Answer::Offsets(asked, told) => self.offsets(now, asked, told),
            Answer::Epochs(asked, told) => self.epochs(now, asked, told),
            Answer::Fetched(plan, Ok(fetched)) => self.fetched(now, &plan, fetched),
            Answer::Fetched(plan, Err(error)) => {
                tracing::debug!(node = plan.node, %error, "no answer to a fetch");
                self.ahead.unanswered(now, &mut self.subscriptions, &plan);
                self.view.invalidate();
            }
            Answer::Commit(identity, told) => self.background_commit(&identity, told),
        }
    }

    fn group(&mut self, answered: impl FnOnce(&mut crate::consumer::membership::Membership) -> Answered) {
        let Some(membership) = self.membership.as_mut() else { return };
        let answered = answered(membership);
        self.coordinator_lost |= is_lost(&answered);
        if let Answered::Fatal(error) = answered {
            let group = membership.group().to_owned();
            self.fail(ConsumerError::Group { group, error });
        }
    }

    fn metadata(&mut self, now: Instant, topics: Option<&BTreeSet<String>>, metadata: &Metadata) {
        self.view.answered(now, topics, metadata);
        for (topic, error) in &metadata.errors {
            if !error.code.is_retriable() {
                self.fail(ConsumerError::Client(error.clone().into()));
            } else {
                tracing::warn!(topic, code = error.code.name(), "no metadata of this topic yet");
            }
        }
        let leaders: Vec<_> = self.view.leaders().map(|(one, leader)| (one.clone(), leader.epoch)).collect();
        for (partition, epoch) in leaders {
            if let Some(epoch) = epoch {
                self.subscriptions.leader_epoch(&partition, epoch);
            }
        }
        if let Interest::Pattern(pattern) = &self.subscriptions.interest {
            let excludes = self.config.exclude_internal_topics;
            let matching = metadata.topics.values().filter(|topic| {
                let whole = pattern.find(&topic.name).is_some_and(|found| found.len() == topic.name.len());
                whole && !(excludes && topic.is_internal)
            });
            let matching: BTreeSet<String> = matching.map(|topic| topic.name.clone()).collect();
            if let Some(membership) = self.membership.as_mut() {
                membership.set_topics(matching);
            }
        }
        if let (Some(membership), Some(counts)) = (self.membership.as_mut(), &self.assigned_counts)
            && membership.is_leader()
            && membership.is_stable()
        {
            let known: BTreeSet<String> = counts.partitions.keys().cloned().collect();
            let subscribed = self.subscriptions_topics();
            let present = self.view.counts(&(&known | &subscribed));
            if watched(present, &self.config) != *counts
                && let Some(membership) = self.membership.as_mut()
            {
                membership.want("the numbers of partitions have changed");
            }
        }
    }

    fn subscriptions_topics(&self) -> BTreeSet<String> {
        match &self.subscriptions.interest {
            Interest::Topics(topics) => topics.clone(),
            _ => BTreeSet::new(),
        }
    }

    fn committed(
        &mut self,
        now: Instant,
        asked: Vec<(TopicPartition, u64)>,
        told: Result<Told<Option<OffsetAndMetadata>>, ClientError>,
    ) {
        let mut told = match told {
            Ok(told) => told,
            Err(error) => {
                tracing::debug!(%error, "no committed offsets");
                self.coordinator_lost |= error.code().is_none_or(moves_coordinator);
                if !error.is_retriable() && error.code().is_some() {
                    self.fail(ConsumerError::Client(error));
                }
                asked.iter().for_each(|(partition, edition)| self.later(now, partition, *edition));
                return;
            }
        };
        for (partition, edition) in asked {
            match told.remove(&partition) {
                Some(Ok(Some(committed))) => {
                    let Some(state) = self.subscriptions.answered(&partition, edition) else { continue };
                    let position =
                        Position { offset: committed.offset, leader_epoch: committed.leader_epoch };
                    state.phase = match position.leader_epoch {
                        Some(_) => Phase::Check(position),
                        None => Phase::Ready(position),
                    };
                }
                Some(Ok(None)) => {
                    if self.subscriptions.answered(&partition, edition).is_some() {
                        self.reset(now, &partition);
                    }
                }
                Some(Err(error)) => {
                    self.later(now, &partition, edition);
                    if !error.code.is_retriable() {
                        self.fail(error.into());
                    }
                }
                None => self.later(now, &partition, edition),
            }
        }
    }

    fn offsets(
        &mut self,
        now: Instant,
        asked: Vec<Lookup<ResetTo>>,
        told: Result<Told<Option<Position>>, ClientError>,
    ) {
        let mut told = told.unwrap_or_else(|error| {
            tracing::debug!(%error, "no offsets");
            Told::new()
        });
        for Lookup { partition, edition, what, leader } in asked {
            match told.remove(&partition) {
                Some(Ok(Some(position))) => {
                    let Some(state) = self.subscriptions.answered(&partition, edition) else { continue };
                    state.phase = Phase::Ready(position);
                    state.checked_epoch = leader.epoch;
                    tracing::info!(%partition, offset = position.offset, "the position was reset");
                }
                // No record is that young: what comes next is.
                Some(Ok(None)) => {
                    debug_assert!(matches!(what, ResetTo::Ago(_)));
                    if self.subscriptions.answered(&partition, edition).is_some() {
                        self.subscriptions.restart(&partition, Phase::Reset(ResetTo::Latest));
                    }
                }
                other => self.asked_in_vain(now, &partition, edition, other.and_then(Result::err)),
            }
        }
    }

    fn epochs(
        &mut self,
        now: Instant,
        asked: Vec<Lookup<Position>>,
        told: Result<Option<Told<Position>>, ClientError>,
    ) {
        let mut told = match told {
            Ok(told) => told,
            Err(error) => {
                tracing::debug!(%error, "no end offsets of leader epochs");
                Some(Told::new())
            }
        };
        for Lookup { partition, edition, what: position, leader } in asked {
            // A broker that cannot tell is believed.
            let end = match told.as_mut().map(|told| told.remove(&partition)) {
                None => Position { offset: i64::MAX, leader_epoch: position.leader_epoch },
                Some(Some(Ok(end))) => end,
                Some(other) => {
                    self.asked_in_vain(now, &partition, edition, other.and_then(Result::err));
                    continue;
                }
            };
            let Some(state) = self.subscriptions.answered(&partition, edition) else { continue };
            state.checked_epoch = leader.epoch;
            state.phase = Phase::Ready(position);
            let is_known = end.offset >= 0 && end.leader_epoch.is_some();
            if !is_known || end.offset < position.offset {
                self.truncated(&partition, position, is_known.then_some(end));
            }
        }
    }

    /// What was read up to `position` is not in the log any more: it was lost with a leader (KIP-320).
    fn truncated(&mut self, partition: &TopicPartition, position: Position, end: Option<Position>) {
        tracing::warn!(%partition, offset = position.offset, ?end, "the log was truncated below the position");
        match (self.reset_policy(), end) {
            (Some(_), Some(end)) => {
                let divergent = Position { offset: end.offset, leader_epoch: end.leader_epoch };
                self.subscriptions.restart(partition, Phase::Ready(divergent));
            }
            (Some(to), None) => drop(self.subscriptions.restart(partition, Phase::Reset(to))),
            (None, end) => {
                let (partition, offset) = (partition.clone(), position.offset);
                let divergent = end.map(|end| end.offset);
                self.fail(ConsumerError::LogTruncation { partition, offset, divergent });
            }
        }
    }

    /// The leader has moved, or refuses for good.
    fn asked_in_vain(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        edition: u64,
        error: Option<ApiError>,
    ) {
        self.view.invalidate();
        self.later(now, partition, edition);
        if let Some(error) = error.filter(|error| !error.code.is_retriable()) {
            self.fail(error.into());
        }
    }

    fn fetched(&mut self, now: Instant, plan: &Plan, fetched: Fetched) {
        for finding in self.ahead.answered(now, &mut self.subscriptions, plan, fetched) {
            match finding {
                Finding::StaleMetadata(partition, hint) => {
                    self.view.invalidate();
                    if let Some((node, epoch)) = hint
                        && self.view.hint(&partition, node, epoch)
                    {
                        self.subscriptions.leader_epoch(&partition, epoch);
                    }
                }
                Finding::OutOfRange(partition, offset) => match self.reset_policy() {
                    Some(to) => {
                        tracing::info!(%partition, offset, "the position is out of range");
                        self.subscriptions.restart(&partition, Phase::Reset(to));
                    }
                    None => self.fail(ConsumerError::OffsetOutOfRange { partition, offset }),
                },
                Finding::Refused(partition, code) => {
                    let message = format!("{partition}: {}", code.message());
                    self.fail(ApiError { code, message }.into());
                }
            }
        }
    }

    fn background_commit(&mut self, identity: &Identity, told: Result<Told<()>, ClientError>) {
        match told {
            Ok(told) => {
                for (partition, refused) in
                    told.into_iter().filter_map(|(one, told)| Some((one, told.err()?)))
                {
                    tracing::warn!(%partition, error = %refused, "an offset was not committed");
                    self.commit_refused(identity, refused.code);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "offsets were not committed");
                self.coordinator_lost = true;
            }
        }
    }

    /// What a refused commit says about the membership.
    pub(crate) fn commit_refused(&mut self, identity: &Identity, code: ErrorCode) {
        self.coordinator_lost |= moves_coordinator(code);
        let is_fenced = matches!(code, ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration);
        if let Some(membership) = self.membership.as_mut().filter(|_| is_fenced) {
            membership.fenced(identity.attempt, code);
        }
    }
}

/// A refusal of the search for the coordinator that no later try changes.
fn error_of_group(error: &ClientError) -> Option<ApiError> {
    match error {
        ClientError::Api(refused) if !refused.code.is_retriable() => Some(refused.clone()),
        _ => None,
    }
}
