//! Both ends of replication between two processes: fetching as a follower, answering as a leader.

use std::collections::BTreeMap;

use bytes::Bytes;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::replica::divergence::{Comparison, EpochEnd, Position, compare};
use rkafka_core::replica::fetcher::{FetchPlan, Fetcher};
use rkafka_core::replica::follower::{
    FetchError, FetchedPartition, FollowerStep, LogPosition, on_answer, truncation_at_start,
};
use rkafka_core::replica::leader::FollowerFetch;
use rkafka_core::session::{FetchPartition, FetchRequest, FetchTopic, PartitionFetch, PartitionOutcome};
use rkafka_log::{AppendError, Log, ReadLimits};

use crate::message::{Body, Fetched, Message};
use crate::net::Host;
use crate::process::{Context, Process, Stop};
use crate::replica::Replica;

/// The fetchers of a process, by source.
#[derive(Debug, Default)]
pub(crate) struct Following {
    sources: BTreeMap<BrokerId, Source>,
}

#[derive(Debug)]
struct Source {
    fetcher: Fetcher,
    /// Counts requests given up: answers to those are not listened to.
    connection: u64,
    asked_at_ms: Option<u64>,
    next_ms: u64,
}

impl Following {
    /// Follows the partition's leader, if it has one.
    pub(crate) fn follow(&mut self, id: PartitionId, leader: Option<BrokerId>, epoch: i32) {
        for (source, known) in &mut self.sources {
            if Some(*source) != leader {
                known.fetcher.unfollow(id);
            }
        }
        if let Some(leader) = leader {
            let new = || Source {
                fetcher: Fetcher::new(leader, 1 << 20),
                connection: 0,
                asked_at_ms: None,
                next_ms: 0,
            };
            self.sources.entry(leader).or_insert_with(new).fetcher.follow(id, epoch);
        }
    }

    /// Follows it no more.
    pub(crate) fn unfollow(&mut self, id: PartitionId) {
        self.follow(id, None, 0);
    }

    /// The connection that requests to this host go over.
    pub(crate) fn connection(&self, to: Host) -> u64 {
        match to {
            Host::Broker(id) => self.sources.get(&BrokerId(id)).map_or(0, |source| source.connection),
            _ => 0,
        }
    }
}

fn position(log: &Log) -> LogPosition {
    LogPosition {
        log_start_offset: log.log_start_offset(),
        log_end_offset: log.log_end_offset(),
        high_watermark: log.high_watermark(),
        last_epoch: log.epochs().latest_epoch().unwrap_or(-1),
    }
}

fn end_of(log: &Log, epoch: i32) -> EpochEnd {
    let end = log.epochs().end_offset_for(epoch, log.log_end_offset());
    EpochEnd { epoch: end.epoch, end_offset: end.end_offset }
}

impl Process {
    /// A replica begins to follow another leader.
    pub(crate) fn cut_at_start(&mut self, id: PartitionId, context: &mut Context<'_>) -> Result<(), Stop> {
        let Some(replica) = self.replicas.get(&id) else { return Ok(()) };
        match truncation_at_start(&position(&replica.log)) {
            Some(offset) => self.truncate(id, offset, context),
            None => Ok(()),
        }
    }

    fn truncate(&mut self, id: PartitionId, offset: i64, context: &mut Context<'_>) -> Result<(), Stop> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let dir = replica.log.health().dir().to_path_buf();
        self.dirs.lower_recovery_point(&dir, &replica.name, offset)?;
        replica.log.truncate_to(offset)?.run(&self.disk)?;
        replica.verified = replica.verified.min(replica.log.log_end_offset());
        replica.verify(id, context)
    }

    /// Sends the fetches that are due.
    pub(crate) fn fetch_what_is_due(&mut self, context: &mut Context<'_>) {
        const ANSWER_MS: u64 = 500;
        let now_ms = context.now.mono_ms;
        let replicas = &self.replicas;
        for (id, source) in &mut self.following.sources {
            if source.asked_at_ms.is_some_and(|at_ms| at_ms + ANSWER_MS <= now_ms) {
                source.asked_at_ms = None;
                source.connection += 1;
                source.fetcher.reset();
            }
            if source.asked_at_ms.is_some() || source.next_ms > now_ms {
                continue;
            }
            let at = |id| replicas.get(&id).map(|replica: &Replica| position(&replica.log));
            if let Some(plan) = source.fetcher.plan(now_ms, at) {
                source.asked_at_ms = Some(now_ms);
                context.ask(Host::Broker(id.0), Body::Fetch { broker_epoch: self.epoch, plan });
            }
        }
    }

    /// A follower fetches from here.
    pub(crate) fn on_fetch(
        &mut self,
        message: &Message,
        broker_epoch: i64,
        plan: &FetchPlan,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let Host::Broker(follower) = message.from else { return Ok(()) };
        let named =
            |id: &PartitionId| FetchPartition { topic: FetchTopic::Id(id.topic), partition: id.index };
        let request = FetchRequest {
            session_id: plan.session_id,
            epoch: plan.session_epoch,
            uses_topic_ids: true,
            from_follower: true,
            partitions: plan.partitions.iter().map(|(id, fetch)| (named(id), *fetch)).collect(),
            forgotten: plan.forgotten.iter().map(named).collect(),
        };
        let now_ms = context.now.mono_ms;
        let Ok(session) = self.sessions.begin(now_ms, request) else {
            context.answer(message, Body::Fetched(None));
            return Ok(());
        };
        let (mut outcomes, mut answers) = (Vec::new(), Vec::new());
        for (asked, fetch) in session.partitions().to_vec() {
            let FetchTopic::Id(topic) = asked.topic else { continue };
            let id = PartitionId { topic, index: asked.partition };
            let fetching = (BrokerId(follower), broker_epoch);
            let (answer, records) = self.fetch_one(id, &fetch, fetching, context)?;
            outcomes.push(PartitionOutcome {
                has_records: !records.is_empty(),
                high_watermark: answer.high_watermark,
                log_start_offset: answer.log_start_offset,
                has_error: answer.error.is_some(),
                has_preferred_replica: false,
                has_diverging_epoch: answer.diverging.is_some(),
            });
            answers.push((id, answer, records));
        }
        let random = (now_ms as u32).wrapping_mul(31).wrapping_add(follower as u32);
        let decided = self.sessions.finish(now_ms, &session, &outcomes, random);
        let included = answers.into_iter().zip(decided.included).filter(|(_, included)| *included);
        let partitions = included.map(|(answer, _)| answer).collect();
        let body = match decided.error {
            Some(_) => Body::Fetched(None),
            None => Body::Fetched(Some(Fetched { session_id: decided.session_id, partitions })),
        };
        context.answer(message, body);
        Ok(())
    }

    fn fetch_one(
        &mut self,
        id: PartitionId,
        fetch: &PartitionFetch,
        (follower, broker_epoch): (BrokerId, i64),
        context: &mut Context<'_>,
    ) -> Result<(FetchedPartition, Bytes), Stop> {
        let failed = |error, log_start_offset| {
            let answer = FetchedPartition {
                error: Some(error),
                high_watermark: -1,
                log_start_offset,
                diverging: None,
            };
            Ok((answer, Bytes::new()))
        };
        let Some(replica) = self.replicas.get_mut(&id) else { return failed(FetchError::Other, -1) };
        let Some(leader) = &mut replica.leader else { return failed(FetchError::Moved, -1) };
        if leader.check_leader_epoch(Some(fetch.current_leader_epoch)).is_err() {
            return failed(FetchError::Moved, -1);
        }
        let log_start_offset = replica.log.log_start_offset();
        let asked =
            Position { fetch_offset: fetch.fetch_offset, last_fetched_epoch: fetch.last_fetched_epoch };
        let mut comparison = compare(asked, log_start_offset, |epoch| end_of(&replica.log, epoch));
        if !(log_start_offset..=replica.log.log_end_offset()).contains(&fetch.fetch_offset)
            && comparison == Comparison::Agrees
        {
            comparison = Comparison::OutOfRange;
        }
        let counted = FollowerFetch {
            broker: follower,
            broker_epoch,
            offset: fetch.fetch_offset,
            log_start_offset: fetch.log_start_offset,
        };
        let Ok(effects) = leader.on_fetch(&counted, &comparison, context.now.mono_ms) else {
            return failed(FetchError::Other, -1);
        };
        self.carry_out(id, effects, context)?;
        let Some(replica) = self.replicas.get(&id) else { return failed(FetchError::Other, -1) };
        let answer = |diverging| FetchedPartition {
            error: None,
            high_watermark: replica.log.high_watermark(),
            log_start_offset,
            diverging,
        };
        match comparison {
            Comparison::OutOfRange => failed(FetchError::OffsetOutOfRange, log_start_offset),
            Comparison::Diverges(end) => Ok((answer(Some(end)), Bytes::new())),
            Comparison::Agrees => {
                let limits = ReadLimits { max_bytes: 2048, upper_offset: i64::MAX, at_least_one_batch: true };
                let read = replica.log.reader().read(fetch.fetch_offset, limits);
                let read = read.map_err(|error| Stop::Disk(error.to_string()))?;
                let records = read.slice.map(|slice| slice.bytes()).transpose()?.unwrap_or_default();
                Ok((answer(None), records))
            }
        }
    }

    /// A leader answered a fetch.
    pub(crate) fn on_fetched(
        &mut self,
        message: &Message,
        fetched: Option<&Fetched>,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        const IDLE_MS: u64 = 40;
        let Host::Broker(leader) = message.from else { return Ok(()) };
        let Some(source) = self.following.sources.get_mut(&BrokerId(leader)) else { return Ok(()) };
        if source.asked_at_ms.is_none() || source.connection != message.connection {
            return Ok(());
        }
        source.asked_at_ms = None;
        let Some(Fetched { session_id, partitions }) = fetched else {
            source.fetcher.reset();
            return Ok(());
        };
        let mut asked = BTreeMap::new();
        for (id, ..) in partitions {
            asked.extend(source.fetcher.asked(*id).map(|fetch| (*id, *fetch)));
        }
        source.fetcher.on_answered(*session_id);
        let busy =
            partitions.iter().any(|(_, answer, records)| !records.is_empty() || answer.diverging.is_some());
        source.next_ms = context.now.mono_ms + if busy { 1 } else { IDLE_MS };
        for (id, answer, records) in partitions {
            if let Some(asked) = asked.get(id) {
                self.take_fetched(*id, BrokerId(leader), asked, answer, records, context)?;
            }
        }
        Ok(())
    }

    fn take_fetched(
        &mut self,
        id: PartitionId,
        source: BrokerId,
        asked: &PartitionFetch,
        answer: &FetchedPartition,
        records: &Bytes,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let current = replica.state.leader == Some(source)
            && replica.state.leader_epoch == asked.current_leader_epoch
            && replica.leader.is_none();
        if !current {
            return Ok(());
        }
        let step = on_answer(answer, asked, &position(&replica.log), |epoch| end_of(&replica.log, epoch));
        match step {
            FollowerStep::Append { high_watermark, log_start_offset } => {
                let good = replica.append_fetched(id, records, high_watermark, context)?
                    && replica.advance_start(log_start_offset)?;
                replica.verify(id, context)?;
                if !good {
                    self.back_off(id, source, context);
                }
            }
            FollowerStep::Truncate { offset, high_watermark } => {
                self.truncate(id, offset, context)?;
                if let (Some(high_watermark), Some(replica)) = (high_watermark, self.replicas.get_mut(&id)) {
                    replica.log.update_high_watermark(high_watermark);
                    replica.verify(id, context)?;
                }
            }
            FollowerStep::RestartAt { offset } => {
                let dir = replica.log.health().dir().to_path_buf();
                self.dirs.lower_recovery_point(&dir, &replica.name, offset)?;
                replica.log.truncate_fully(offset)?.run(&self.disk)?;
                replica.verified = offset;
                context.truth.on_restart(id);
            }
            FollowerStep::BackOff => self.back_off(id, source, context),
            FollowerStep::Ignore => {}
        }
        Ok(())
    }

    fn back_off(&mut self, id: PartitionId, source: BrokerId, context: &Context<'_>) {
        if let Some(source) = self.following.sources.get_mut(&source) {
            source.fetcher.back_off(id, context.now.mono_ms + 100);
        }
    }
}

impl Replica {
    /// Appends what was fetched; false if the disk is full or the records do not fit.
    fn append_fetched(
        &mut self,
        id: PartitionId,
        records: &Bytes,
        high_watermark: i64,
        context: &mut Context<'_>,
    ) -> Result<bool, Stop> {
        if !records.is_empty() {
            match self.log.append_follower(records, context.now.wall_ms) {
                Ok(_) => {}
                Err(AppendError::Log(error)) if error.is_disk_full() => return Ok(false),
                Err(AppendError::Log(error)) => return Err(error.into()),
                Err(error) => {
                    return Err(Stop::Violation(format!("{id}: a follower cannot append: {error}")));
                }
            }
        }
        self.log.update_high_watermark(high_watermark);
        Ok(true)
    }

    fn advance_start(&mut self, log_start_offset: i64) -> Result<bool, Stop> {
        match self.log.advance_log_start(log_start_offset) {
            Err(error) if error.is_disk_full() => Ok(false),
            other => Ok(other.map(|_| true)?),
        }
    }
}
