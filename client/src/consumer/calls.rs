//! The calls of [`Consumer`] beside polling.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use regex::Regex;
use rkafka_wire::ErrorCode;

use super::core::is_seeking;
use super::error::ConsumerError;
use super::membership::{Identity, Membership, Notice};
use super::offsets::{OffsetAndMetadata, OffsetAndTimestamp, Position};
use super::remote_group::refusal_of_member;
use super::subscription::{Interest, Phase, ResetTo};
use super::{Consumer, RebalanceListener};
use crate::admin::{Admin, OffsetSpec};
use crate::error::ApiError;
use crate::metadata::{Interest as MetadataInterest, TopicMetadata};
use crate::topic_partition::TopicPartition;

/// Subscriptions and assignments.
impl Consumer {
    /// Shares these topics with the other members of the group; replaces an earlier list. An empty list is
    /// [`Consumer::unsubscribe`] without waiting.
    ///
    /// # Errors
    /// Without `group.id`, or while a pattern or a manual assignment is in use.
    pub fn subscribe<T: Into<String>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ConsumerError> {
        self.subscribe_to(Interest::Topics(topics.into_iter().map(Into::into).collect()), None)
    }

    /// [`Consumer::subscribe`] with a listener for rebalances; it replaces an earlier one.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`], and [`ConsumerError::PollIsRunning`] while a poll runs.
    pub fn subscribe_with<T: Into<String>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        listener: impl RebalanceListener,
    ) -> Result<(), ConsumerError> {
        let topics = topics.into_iter().map(Into::into).collect();
        self.subscribe_to(Interest::Topics(topics), Some(Box::new(listener)))
    }

    /// Shares the topics whose whole name matches, also those that are created later (they are noticed within
    /// `metadata.max.age.ms`).
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_pattern(&self, pattern: Regex) -> Result<(), ConsumerError> {
        self.subscribe_to(Interest::Pattern(pattern), None)
    }

    /// [`Consumer::subscribe_pattern`] with a listener for rebalances.
    ///
    /// # Errors
    /// As [`Consumer::subscribe_with`].
    pub fn subscribe_pattern_with(
        &self,
        pattern: Regex,
        listener: impl RebalanceListener,
    ) -> Result<(), ConsumerError> {
        self.subscribe_to(Interest::Pattern(pattern), Some(Box::new(listener)))
    }

    fn subscribe_to(
        &self,
        interest: Interest,
        listener: Option<Box<dyn RebalanceListener>>,
    ) -> Result<(), ConsumerError> {
        if let Some(listener) = listener {
            *self.polling.try_lock().map_err(|_| ConsumerError::PollIsRunning)? = Some(listener);
        }
        let mut core = self.shared.core();
        let core = &mut *core;
        let Some(membership) = core.membership.as_mut() else { return Err(ConsumerError::NoGroup) };
        let is_mixed = match (&core.subscriptions.interest, &interest) {
            (Interest::Nothing, _)
            | (Interest::Topics(_), Interest::Topics(_))
            | (Interest::Pattern(_), Interest::Pattern(_)) => false,
            (Interest::Assigned | Interest::Topics(_) | Interest::Pattern(_), _) => true,
        };
        if is_mixed {
            return Err(ConsumerError::MixedSubscription);
        }
        match &interest {
            Interest::Topics(topics) if topics.is_empty() => {
                core.leave();
                self.shared.wake.notify_one();
                return Ok(());
            }
            Interest::Topics(topics) => membership.set_topics(topics.clone()),
            // The topics are known with the next metadata.
            _ => {}
        }
        core.subscribe(interest);
        self.shared.wake.notify_one();
        // A poll that waits takes part with the new subscription.
        self.shared.progress.notify_waiters();
        Ok(())
    }

    /// Gives up all partitions, leaves the group and forgets the listener after it was told. With
    /// `enable.auto.commit` positions are committed first.
    ///
    /// # Errors
    /// [`ConsumerError::PollIsRunning`] while a poll runs.
    pub async fn unsubscribe(&self) -> Result<(), ConsumerError> {
        let mut listener = self.polling.try_lock().map_err(|_| ConsumerError::PollIsRunning)?;
        let (gone, commits) = {
            let mut core = self.shared.core();
            let gone = core.subscriptions.is_by_group().then(|| core.subscriptions.assigned());
            (gone, core.take_commits())
        };
        for offsets in commits {
            if let Err(error) = self.commit_offsets(&offsets).await {
                tracing::warn!(%error, "offsets were not committed");
            }
        }
        match gone.filter(|gone| !gone.is_empty()) {
            Some(gone) => self.tell(&mut listener, &Notice::Revoked(gone)).await,
            None => self.commit_automatically().await,
        }
        *listener = None;
        let left = {
            let mut core = self.shared.core();
            core.leave();
            core.membership.as_mut().and_then(Membership::take_leave)
        };
        self.shared.wake.notify_one();
        if let Some(identity) = left
            && let Err(error) = self.shared.remote.leave(&identity).await
        {
            tracing::debug!(%error, "the group was left without an answer");
        }
        Ok(())
    }

    /// Reads exactly these partitions, without the group's sharing; positions of partitions that stay are
    /// kept. Offsets can still be committed if there is a `group.id`.
    ///
    /// # Errors
    /// While topics or a pattern are subscribed to.
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<(), ConsumerError> {
        let wanted: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        let mut core = self.shared.core();
        if core.subscriptions.is_by_group() {
            return Err(ConsumerError::MixedSubscription);
        }
        core.subscriptions.set_assigned(&wanted, true);
        core.subscriptions.interest = if wanted.is_empty() { Interest::Nothing } else { Interest::Assigned };
        self.shared.wake.notify_one();
        Ok(())
    }

    /// The partitions that are read at present.
    #[must_use]
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.core().subscriptions.assigned()
    }

    /// The topics subscribed to by name.
    #[must_use]
    pub fn subscription(&self) -> BTreeSet<String> {
        match &self.shared.core().subscriptions.interest {
            Interest::Topics(topics) => topics.clone(),
            Interest::Nothing | Interest::Pattern(_) | Interest::Assigned => BTreeSet::new(),
        }
    }
}

/// Positions.
impl Consumer {
    /// The next poll reads from `offset` on.
    ///
    /// # Errors
    /// A negative offset, or a partition that is not assigned.
    pub fn seek(&self, partition: &TopicPartition, offset: i64) -> Result<(), ConsumerError> {
        self.seek_to(partition, offset.into())
    }

    /// [`Consumer::seek`] with the leader epoch of the record before, so that a truncated log is noticed
    /// (KIP-320).
    ///
    /// # Errors
    /// As [`Consumer::seek`].
    pub fn seek_to(&self, partition: &TopicPartition, position: Position) -> Result<(), ConsumerError> {
        if position.offset < 0 {
            return Err(ConsumerError::NegativeOffset(position.offset));
        }
        let is_checked = position.leader_epoch.is_none();
        self.restart(partition, if is_checked { Phase::Ready(position) } else { Phase::Check(position) })
    }

    /// The next poll reads these partitions, or all if there are none, from their first record on.
    ///
    /// # Errors
    /// A partition that is not assigned.
    pub fn seek_to_beginning(&self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.seek_all(partitions, ResetTo::Earliest)
    }

    /// The next poll reads these partitions, or all if there are none, from their end on.
    ///
    /// # Errors
    /// A partition that is not assigned.
    pub fn seek_to_end(&self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.seek_all(partitions, ResetTo::Latest)
    }

    fn seek_all(&self, partitions: &[TopicPartition], to: ResetTo) -> Result<(), ConsumerError> {
        let assigned = self.assignment();
        let all = if partitions.is_empty() { assigned.iter().collect() } else { Vec::from_iter(partitions) };
        all.into_iter().try_for_each(|partition| self.restart(partition, Phase::Reset(to)))
    }

    fn restart(&self, partition: &TopicPartition, phase: Phase) -> Result<(), ConsumerError> {
        if !self.shared.core().subscriptions.restart(partition, phase) {
            return Err(ConsumerError::NotAssigned(partition.clone()));
        }
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Polls bring no records of these partitions until [`Consumer::resume`]; what was fetched already is
    /// kept.
    ///
    /// # Errors
    /// A partition that is not assigned.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.set_paused(partitions, true)
    }

    /// Polls bring records of these partitions again.
    ///
    /// # Errors
    /// A partition that is not assigned.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.set_paused(partitions, false)
    }

    fn set_paused(&self, partitions: &[TopicPartition], paused: bool) -> Result<(), ConsumerError> {
        let mut core = self.shared.core();
        for partition in partitions {
            let state = core.subscriptions.get_mut(partition);
            state.ok_or_else(|| ConsumerError::NotAssigned(partition.clone()))?.paused = paused;
        }
        self.shared.wake.notify_one();
        Ok(())
    }

    /// The paused ones among the assigned partitions.
    #[must_use]
    pub fn paused(&self) -> BTreeSet<TopicPartition> {
        let core = self.shared.core();
        let paused = core.subscriptions.iter().filter(|(_, state)| state.paused);
        paused.map(|(partition, _)| partition.clone()).collect()
    }

    /// The offset of the next record that a poll brings of this partition; looked up if it is not known yet.
    ///
    /// # Errors
    /// A partition that is not assigned; [`ConsumerError::Timeout`] after `default.api.timeout.ms`; what the
    /// search met.
    pub async fn position(&self, partition: &TopicPartition) -> Result<i64, ConsumerError> {
        let what = format!("the position for partition {partition} could be determined");
        self.within(what, async {
            loop {
                let mut progress = pin!(self.shared.progress.notified());
                progress.as_mut().enable();
                {
                    let mut core = self.shared.core();
                    let state = core.subscriptions.get(partition);
                    let state = state.ok_or_else(|| ConsumerError::NotAssigned(partition.clone()))?;
                    if let Some(position) = state.position().filter(|_| !is_seeking(state)) {
                        return Ok(position.offset);
                    }
                    if let Some(error) = core.errors.pop_front() {
                        return Err(error);
                    }
                }
                self.shared.wake.notify_one();
                progress.await;
            }
        })
        .await
    }

    /// How many records are between the position and the end, as the last fetch told; the end is the last
    /// stable offset for read_committed. Absent until something was fetched.
    #[must_use]
    pub fn current_lag(&self, partition: &TopicPartition) -> Option<i64> {
        let core = self.shared.core();
        let state = core.subscriptions.get(partition)?;
        let committed_only = core.config.isolation_level == super::IsolationLevel::ReadCommitted;
        let end = if committed_only { state.last_stable_offset } else { state.high_watermark };
        Some((end? - state.position()?.offset).max(0))
    }
}

/// Commits.
impl Consumer {
    /// Commits the positions of all assigned partitions and waits until it is done; passing errors are
    /// retried within
    /// `default.api.timeout.ms`.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`]; [`ConsumerError::CommitFailed`] if the group moved on without this member;
    /// [`ConsumerError::RebalanceInProgress`]; [`ConsumerError::CommitRefused`].
    pub async fn commit(&self) -> Result<(), ConsumerError> {
        let consumed = self.shared.core().subscriptions.consumed();
        self.commit_offsets(&consumed).await
    }

    /// [`Consumer::commit`] of these offsets: each is that of the next record to read.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(
        &self,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), ConsumerError> {
        if self.shared.core().membership.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        if offsets.is_empty() {
            return Ok(());
        }
        self.within("offsets could be committed".to_owned(), async {
            loop {
                if let Some(result) = self.try_commit(offsets).await {
                    return result;
                }
                tokio::time::sleep(self.shared.remote.config.client.retry_backoff).await;
            }
        })
        .await
    }

    /// Commits the positions of all assigned partitions without waiting; what goes wrong is only logged, and
    /// a later commit makes up for it.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`].
    pub fn commit_async(&self) -> Result<(), ConsumerError> {
        let consumed = self.shared.core().subscriptions.consumed();
        self.commit_offsets_async(consumed)
    }

    /// [`Consumer::commit_async`] of these offsets.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`].
    pub fn commit_offsets_async(
        &self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), ConsumerError> {
        let mut core = self.shared.core();
        if core.membership.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        if !offsets.is_empty() {
            core.commit_later(offsets);
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    /// One try; nothing if it is to be tried again.
    async fn try_commit(
        &self,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Option<Result<(), ConsumerError>> {
        let (identity, is_by_group) = {
            let core = self.shared.core();
            (core.membership.as_ref()?.identity(), core.subscriptions.is_by_group())
        };
        if is_by_group && identity.generation < 0 {
            return Some(Err(ConsumerError::CommitFailed));
        }
        let told = match self.shared.remote.commit(&identity, offsets).await {
            Ok(told) => told,
            Err(error) if error.is_retriable() => {
                self.shared.remote.lost.set();
                return None;
            }
            Err(error) => return Some(Err(error.into())),
        };
        if let Some(refused) = refusal_of_member(&told) {
            return self.member_refused(&identity, is_by_group, refused);
        }
        let refused = told.into_iter().filter_map(|(partition, told)| Some((partition, told.err()?)));
        let refused: BTreeMap<TopicPartition, ApiError> = refused.collect();
        Some(if refused.is_empty() { Ok(()) } else { Err(ConsumerError::CommitRefused(refused)) })
    }

    fn member_refused(
        &self,
        identity: &Identity,
        is_by_group: bool,
        refused: &ApiError,
    ) -> Option<Result<(), ConsumerError>> {
        let mut core = self.shared.core();
        core.commit_refused(identity, refused.code);
        self.shared.wake.notify_one();
        match refused.code {
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration if is_by_group => {
                Some(Err(ConsumerError::CommitFailed))
            }
            ErrorCode::RebalanceInProgress => Some(Err(ConsumerError::RebalanceInProgress)),
            code if code.is_retriable() => {
                self.shared.remote.lost.set();
                None
            }
            _ => {
                let (group, error) = (identity.group.clone(), refused.clone());
                Some(Err(ConsumerError::Group { group, error }))
            }
        }
    }

    /// What the group has committed for these partitions; none where nothing is.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`]; [`ConsumerError::Timeout`]; a refusal.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, ConsumerError> {
        if self.shared.core().membership.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        self.within("the last committed offset for partitions could be determined".to_owned(), async {
            loop {
                let told = self.shared.remote.committed(partitions).await;
                let whole = told.and_then(|told| {
                    let one = |(partition, told): (_, Result<_, ApiError>)| Ok((partition, told?));
                    told.into_iter()
                        .map(one)
                        .collect::<Result<BTreeMap<_, _>, ApiError>>()
                        .map_err(Into::into)
                });
                match whole {
                    Ok(committed) => return Ok(committed),
                    Err(error) if error.is_retriable() => self.shared.remote.lost.set(),
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(self.shared.remote.config.client.retry_backoff).await;
            }
        })
        .await
    }
}

/// Questions about the cluster.
impl Consumer {
    /// The first offset of each of these partitions.
    ///
    /// # Errors
    /// A partition that does not exist, or a leader that does not answer in time.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        let all = partitions.iter().map(|partition| (partition.clone(), OffsetSpec::Earliest));
        let found = self.list_offsets(all).await?;
        Ok(found.into_iter().filter_map(|(partition, found)| Some((partition, found?.offset))).collect())
    }

    /// The offset that the next record of each of these partitions gets; the last stable offset for
    /// read_committed.
    ///
    /// # Errors
    /// As [`Consumer::beginning_offsets`].
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        let all = partitions.iter().map(|partition| (partition.clone(), OffsetSpec::Latest));
        let found = self.list_offsets(all).await?;
        Ok(found.into_iter().filter_map(|(partition, found)| Some((partition, found?.offset))).collect())
    }

    /// The first record at or after a time, in milliseconds since 1970, for each of these partitions; none if
    /// no record is that young.
    ///
    /// # Errors
    /// As [`Consumer::beginning_offsets`].
    pub async fn offsets_for_times(
        &self,
        times: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, ConsumerError> {
        let spec =
            |(partition, ms): (&TopicPartition, &i64)| (partition.clone(), OffsetSpec::ForTimestamp(*ms));
        self.list_offsets(times.iter().map(spec)).await
    }

    async fn list_offsets(
        &self,
        wanted: impl Iterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, ConsumerError> {
        let committed_only = self.shared.remote.config.isolation_level.wire() == 1;
        let key = |partition: TopicPartition| (partition.topic.to_string(), partition.partition);
        let wanted = wanted.map(|(partition, spec)| (key(partition), spec)).collect();
        let admin = Admin::of(self.shared.remote.cluster.clone());
        let mut offsets = BTreeMap::new();
        for ((topic, partition), listed) in admin.list_offsets(&wanted, committed_only).await? {
            let listed = listed?;
            let found = listed.offset.map(|offset| OffsetAndTimestamp {
                offset,
                timestamp: listed.timestamp_ms.unwrap_or(-1),
                leader_epoch: listed.leader_epoch,
            });
            offsets.insert(TopicPartition::new(topic, partition), found);
        }
        Ok(offsets)
    }

    /// The topic's partitions.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION, or no broker reachable.
    pub async fn partitions_for(&self, topic: &str) -> Result<TopicMetadata, ConsumerError> {
        let names = [topic.to_owned()];
        let metadata = self.shared.remote.cluster.metadata.fetch(MetadataInterest::Names(&names)).await?;
        match (metadata.topics.get(topic), metadata.errors.get(topic)) {
            (Some(found), _) => Ok(found.clone()),
            (None, Some(error)) => Err(error.clone().into()),
            (None, None) => Err(unknown_topic().into()),
        }
    }

    /// All topics.
    ///
    /// # Errors
    /// No broker reachable.
    pub async fn list_topics(&self) -> Result<BTreeMap<String, TopicMetadata>, ConsumerError> {
        let metadata = self.shared.remote.cluster.metadata.fetch(MetadataInterest::All).await?;
        Ok(metadata.topics.clone())
    }

    /// The group's generation and the member's id, as producers of transactions need them (KIP-447).
    #[must_use]
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        let core = self.shared.core();
        let identity = core.membership.as_ref()?.identity();
        Some(ConsumerGroupMetadata {
            group_id: identity.group,
            generation: identity.generation,
            member_id: identity.member_id,
            group_instance_id: identity.instance_id,
        })
    }

    /// Runs a call within `default.api.timeout.ms`.
    async fn within<T>(
        &self,
        what: String,
        call: impl Future<Output = Result<T, ConsumerError>>,
    ) -> Result<T, ConsumerError> {
        let after: Duration = self.shared.remote.config.client.default_api_timeout;
        tokio::time::timeout(after, call)
            .await
            .unwrap_or_else(|_| Err(ConsumerError::Timeout { what, after }))
    }
}

/// Who a member is within its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// `group.id`.
    pub group_id: String,
    /// The generation; -1 outside one.
    pub generation: i32,
    /// The id that the coordinator gave; empty outside a generation.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
}

fn unknown_topic() -> ApiError {
    let code = ErrorCode::UnknownTopicOrPartition;
    ApiError { code, message: code.message().to_owned() }
}
