//! One broker's process: the pure cores and the real log, with as little glue as will hold them together.
//!
//! What the real shells do with locks, tasks and sockets is done here by plain calls, one event at a time. A
//! process acts on images only from the one on that has its own registration: before that it may be named a
//! leader under an earlier life, whose log it need not have any more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rkafka_checker::Value;
use rkafka_config::BrokerConfig;
use rkafka_core::controller::{Heartbeat, HeartbeatReply, View};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{Changes, ConfigResource, Image, Partition};
use rkafka_core::reconcile::{Action, LogOnDisk, Replica as ReplicaName, at_start, on_change};
use rkafka_core::replica::leader::{
    IsrProposal, LeaderEffects, LeaderState, LogBounds, ProposalAnswer, ReplicationSettings,
};
use rkafka_core::replica::lease::Lease;
use rkafka_core::session::FetchSessions;
use rkafka_core::time::Now;
use rkafka_log::dirs::{FoundLog, LogDirs};
use rkafka_log::disk::mem::SimDisk;
use rkafka_log::producer::ProducerError;
use rkafka_log::{
    AppendContext, AppendError, AppendOrigin, Log, LogConfig, LogError, ReadError, ReadLimits, TopicPartition,
};

use crate::following::Following;
use crate::message::{Body, ConsumeError, Consumed, Message, ProduceError};
use crate::mutant;
use crate::net::Host;
use crate::replica::Replica;
use crate::truth::Truth;

/// Why a process does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its disk failed: it ends, as a broker whose only log directory is offline does.
    Disk(String),
    /// An invariant does not hold: the run has failed.
    Violation(String),
}

impl From<LogError> for Stop {
    fn from(error: LogError) -> Self {
        Stop::Disk(error.to_string())
    }
}

/// A message to be sent; an answer goes back on the connection of its request.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// To whom.
    pub(crate) to: Host,
    /// The connection and the life of the asker, for an answer.
    pub(crate) answers: Option<(u64, u64)>,
    /// What.
    pub(crate) body: Body,
}

/// What surrounds one step.
pub(crate) struct Context<'a> {
    /// The instant, as this node's clocks have it.
    pub(crate) now: Now,
    /// The yardstick.
    pub(crate) truth: &'a mut Truth,
    /// What the step sends.
    pub(crate) out: Vec<Outgoing>,
}

impl Context<'_> {
    /// Sends a request.
    pub(crate) fn ask(&mut self, to: Host, body: Body) {
        self.out.push(Outgoing { to, answers: None, body });
    }

    /// Answers a message.
    pub(crate) fn answer(&mut self, message: &Message, body: Body) {
        let answers = Some((message.connection, message.life));
        self.out.push(Outgoing { to: message.from, answers, body });
    }
}

/// Times of one cluster, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// `broker.session.timeout.ms`.
    pub(crate) session_ms: u64,
    /// `replica.lag.time.max.ms`.
    pub(crate) lag_ms: u64,
}

/// A running broker.
pub(crate) struct Process {
    pub(crate) id: BrokerId,
    /// Counts the processes of the whole world.
    pub(crate) life: u64,
    pub(crate) disk: SimDisk,
    pub(crate) dirs: LogDirs,
    /// Its registration's epoch; -1 until the controller has answered.
    pub(crate) epoch: i64,
    /// It has seen its registration and acts on images.
    pub(crate) started: bool,
    pub(crate) image: Image,
    pub(crate) replicas: BTreeMap<PartitionId, Replica>,
    pub(crate) following: Following,
    pub(crate) sessions: FetchSessions,
    lease: Lease,
    /// Settings of the logs: of usual topics, and of compacted ones.
    log_configs: [Arc<LogConfig>; 2],
    config: Arc<BrokerConfig>,
    timing: Timing,
    /// It wants to stop in order.
    pub(crate) leaving: bool,
    /// The controller lets it stop.
    pub(crate) may_stop: bool,
    next_heartbeat_ms: u64,
    next_check_ms: u64,
    next_flush_ms: u64,
}

/// What a process is started with.
pub(crate) struct Start<'a> {
    /// Whose.
    pub(crate) id: BrokerId,
    /// Its life.
    pub(crate) life: u64,
    /// Its disk.
    pub(crate) disk: &'a SimDisk,
    /// An image, perhaps an old one.
    pub(crate) image: Image,
    /// Settings of the logs: of usual topics, and of compacted ones.
    pub(crate) log_configs: [Arc<LogConfig>; 2],
    /// Its configuration.
    pub(crate) config: Arc<BrokerConfig>,
    /// Times.
    pub(crate) timing: Timing,
}

impl Process {
    /// Opens the log directory.
    pub(crate) fn start(start: Start<'_>) -> Result<Self, Stop> {
        let dirs = LogDirs::open(Arc::new(start.disk.clone()), &[PathBuf::from("/data")])?;
        Ok(Process {
            id: start.id,
            life: start.life,
            disk: start.disk.clone(),
            dirs,
            epoch: -1,
            started: false,
            image: start.image,
            replicas: BTreeMap::new(),
            following: Following::default(),
            sessions: FetchSessions::new(1000, FetchSessions::EVICTION_MS),
            lease: Lease::none(),
            log_configs: start.log_configs,
            config: start.config,
            timing: start.timing,
            leaving: false,
            may_stop: false,
            next_heartbeat_ms: 0,
            next_check_ms: 0,
            next_flush_ms: start.life % 7 * 100,
        })
    }

    /// The controller has registered it. Its image may have the registration already.
    pub(crate) fn on_registered(&mut self, epoch: i64, context: &mut Context<'_>) -> Result<(), Stop> {
        self.epoch = epoch;
        self.start_if_registered(context)
    }

    /// A newer image.
    pub(crate) fn on_image(
        &mut self,
        image: &Image,
        changes: &Changes,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let old = std::mem::replace(&mut self.image, image.clone());
        if !self.started {
            return self.start_if_registered(context);
        }
        for action in on_change(&old, image, changes, self.id) {
            self.act(action, context)?;
        }
        Ok(())
    }

    fn start_if_registered(&mut self, context: &mut Context<'_>) -> Result<(), Stop> {
        let registered = self.image.brokers().get(self.id).map(|broker| broker.epoch);
        if self.started || self.epoch < 0 || registered != Some(self.epoch) {
            return Ok(());
        }
        self.started = true;
        let found = self.dirs.find_logs();
        let on_disk: Vec<LogOnDisk> = found.iter().map(log_on_disk).collect();
        let by_name: BTreeMap<TopicPartition, &FoundLog> =
            found.iter().map(|log| (log.partition.clone(), log)).collect();
        for action in at_start(&self.image, self.id, &on_disk) {
            match action {
                Action::Open(replica) => {
                    let name = name_of(&replica);
                    let Some(log) = by_name.get(&name) else { continue };
                    let config = self.log_config(&replica.topic);
                    let opened = self.dirs.open_log(log, config, context.now.wall_ms)?;
                    self.insert(replica.id, name, opened.log, context)?;
                }
                other => self.act(other, context)?,
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        id: PartitionId,
        name: TopicPartition,
        log: Log,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let mut replica = Replica::new(name, log);
        replica.verify(id, context)?;
        self.replicas.insert(id, replica);
        Ok(())
    }

    fn act(&mut self, action: Action, context: &mut Context<'_>) -> Result<(), Stop> {
        match action {
            Action::Stray(log) => {
                let name = TopicPartition { topic: log.topic.to_string(), partition: log.index };
                self.dirs.set_stray(&name, u128::from(context.now.mono_ms) << 32 | u128::from(self.life))?;
            }
            Action::Delete(replica) => self.delete(&replica, context)?,
            Action::Create(replica) => {
                let (name, topic) = (name_of(&replica), replica.id.topic.to_string());
                let config = self.log_config(&replica.topic);
                let log = self.dirs.create_log(&name, &topic, config, context.now.wall_ms)?;
                self.insert(replica.id, name, log, context)?;
            }
            Action::Lead { replica, state } => self.lead(replica.id, state, context)?,
            Action::Follow { replica, state } => self.follow(replica.id, state, context)?,
            Action::Configure { topic } => {
                for (state, index) in topic.partitions.iter().zip(0..) {
                    if state.leader == Some(self.id) {
                        self.lead(PartitionId { topic: topic.id, index }, state.clone(), context)?;
                    }
                }
            }
            Action::Open(_) => {}
        }
        Ok(())
    }

    fn delete(&mut self, replica: &ReplicaName, context: &mut Context<'_>) -> Result<(), Stop> {
        self.following.unfollow(replica.id);
        let Some(mut gone) = self.replicas.remove(&replica.id) else { return Ok(()) };
        gone.refuse_waiting(replica.id, context);
        let unique = u128::from(context.now.mono_ms) << 32 | u128::from(self.life);
        let path = self.dirs.delete_log(&gone.name, gone.log, unique)?;
        self.dirs.remove_deleted(&path)?;
        Ok(())
    }

    fn lead(&mut self, id: PartitionId, state: Partition, context: &mut Context<'_>) -> Result<(), Stop> {
        self.following.unfollow(id);
        let settings = self.settings(id);
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let now_ms = context.now.mono_ms;
        let effects = match &mut replica.leader {
            Some(leader) if leader.leader_epoch() == state.leader_epoch => {
                leader.on_image(&state, self.image.brokers(), now_ms)
            }
            _ => {
                replica.log.assign_epoch(state.leader_epoch)?;
                replica.refuse_waiting(id, context);
                context.truth.on_lead(id, self.id, state.leader_epoch, &replica.log)?;
                let bounds = LogBounds {
                    log_start_offset: replica.log.log_start_offset(),
                    high_watermark: replica.log.high_watermark(),
                    log_end_offset: replica.log.log_end_offset(),
                };
                let brokers = self.image.brokers();
                let (leader, effects) = LeaderState::new(self.id, &state, brokers, bounds, settings, now_ms);
                replica.leader = Some(leader);
                replica.proposed = None;
                effects
            }
        };
        replica.state = state;
        self.carry_out(id, effects, context)?;
        // As in the node, after the partition: an order that must not matter (KIP-966).
        let leader = self.replicas.get_mut(&id).and_then(|replica| replica.leader.as_mut());
        let effects = leader.map(|leader| leader.on_settings(settings, now_ms)).unwrap_or_default();
        self.carry_out(id, effects, context)
    }

    fn settings(&self, id: PartitionId) -> ReplicationSettings {
        let view = View { image: &self.image, config: &self.config };
        let topic = self.image.topics().by_id(id.topic);
        ReplicationSettings {
            min_insync_replicas: topic.map_or(1, |topic| view.effective_min_isr(topic)),
            lag_time_max_ms: self.timing.lag_ms,
        }
    }

    fn log_config(&self, topic: &str) -> Arc<LogConfig> {
        let policy = self.image.configs().value(&ConfigResource::topic(topic), "cleanup.policy");
        let [usual, compacted] = &self.log_configs;
        Arc::clone(if policy == Some("compact") { compacted } else { usual })
    }

    /// Panics if the state of a replica contradicts itself, or somebody waits who need not.
    pub(crate) fn check_invariants(&self) {
        for replica in self.replicas.values() {
            replica.leader.iter().for_each(LeaderState::check_invariants);
            replica.waits.check_invariants(replica.log.high_watermark());
        }
    }

    fn follow(&mut self, id: PartitionId, state: Partition, context: &mut Context<'_>) -> Result<(), Stop> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let news = replica.leader.is_some() || replica.state.leader_epoch != state.leader_epoch;
        replica.leader = None;
        replica.proposed = None;
        replica.refuse_waiting(id, context);
        let (leader, epoch) = (state.leader, state.leader_epoch);
        replica.state = state;
        if news {
            self.cut_at_start(id, context)?;
        }
        self.following.follow(id, leader, epoch);
        Ok(())
    }

    /// Does what a leader's step asks for.
    pub(crate) fn carry_out(
        &mut self,
        id: PartitionId,
        effects: LeaderEffects,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        if let Some(high_watermark) = effects.high_watermark {
            replica.log.update_high_watermark(high_watermark);
            replica.verify(id, context)?;
            let may_acknowledge = self.lease.holds(context.now.mono_ms);
            replica.answer_waiting(id, may_acknowledge, context);
        }
        if let Some(proposal) = effects.proposal {
            replica.proposed = Some((proposal.clone(), context.now.mono_ms));
            let body = Body::AlterPartition { partition: id, proposal, broker_epoch: self.epoch };
            context.ask(Host::Controller, body);
        }
        Ok(())
    }

    /// A message has come.
    pub(crate) fn on_message(&mut self, message: &Message, context: &mut Context<'_>) -> Result<(), Stop> {
        match &message.body {
            Body::Registered(Ok(epoch)) if self.epoch < 0 => self.on_registered(*epoch, context),
            Body::Heard { sent_ms, reply } => {
                self.on_heard(*sent_ms, *reply);
                Ok(())
            }
            Body::Altered { partition, proposal, answer } => {
                self.on_altered(*partition, proposal, answer, context)
            }
            Body::Fetch { broker_epoch, plan } => self.on_fetch(message, *broker_epoch, plan, context),
            Body::Fetched(fetched) => self.on_fetched(message, fetched.as_ref(), context),
            Body::Produce { partition, value, batch, acks } => {
                let result = self.produce(message, *partition, *value, batch, *acks, context);
                match result {
                    Ok(None) => Ok(()),
                    Ok(Some(result)) => {
                        let (partition, value, at_ms) = (*partition, *value, context.now.mono_ms);
                        context.answer(message, Body::Produced { partition, value, result, at_ms });
                        Ok(())
                    }
                    Err(stop) => Err(stop),
                }
            }
            Body::Consume { partition, offset, current_leader_epoch } => {
                let result = self.consume(*partition, *offset, *current_leader_epoch)?;
                let (partition, offset) = (*partition, *offset);
                context.answer(message, Body::Consumed { partition, offset, result });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_heard(&mut self, sent_ms: u64, reply: Option<HeartbeatReply>) {
        match reply {
            Some(reply) if reply.shut_down => self.may_stop = true,
            Some(reply) if reply.fenced => self.lease.end(),
            Some(_) => self.lease.renew(sent_ms, Duration::from_millis(self.timing.session_ms)),
            None => self.lease.end(),
        }
    }

    fn on_altered(
        &mut self,
        id: PartitionId,
        proposal: &IsrProposal,
        answer: &ProposalAnswer,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let Some(leader) = &mut replica.leader else { return Ok(()) };
        let effects = leader.on_answer(proposal, answer, context.now.mono_ms);
        if replica.proposed.as_ref().is_some_and(|(proposed, _)| proposed == proposal) {
            replica.proposed = None;
        }
        self.carry_out(id, effects, context)
    }

    fn produce(
        &mut self,
        message: &Message,
        id: PartitionId,
        value: Value,
        batch: &Bytes,
        acks: i16,
        context: &mut Context<'_>,
    ) -> Result<Option<Result<i64, ProduceError>>, Stop> {
        let may_act = self.lease.holds(context.now.mono_ms);
        let Some(replica) = self.replicas.get_mut(&id) else {
            return Ok(Some(Err(ProduceError::NotLeader)));
        };
        let Some(leader) = replica.leader.as_mut().filter(|_| may_act) else {
            return Ok(Some(Err(ProduceError::NotLeader)));
        };
        let refused = leader.check_append(acks).is_err();
        if refused && !mutant("refuse-after-append") {
            return Ok(Some(Err(ProduceError::NotEnoughReplicas)));
        }
        let append = AppendContext {
            leader_epoch: leader.leader_epoch(),
            origin: AppendOrigin::Client,
            now_ms: context.now.wall_ms,
            sole_replica: replica.state.replicas.len() == 1,
        };
        let outcome = match replica.log.append_leader(batch, &append) {
            Ok(outcome) => outcome,
            Err(AppendError::Producer(ProducerError::OutOfOrderSequence { found, expected, .. }))
                if found < expected =>
            {
                return Ok(Some(Err(ProduceError::OldSequence)));
            }
            Err(AppendError::Producer(_)) => return Ok(Some(Err(ProduceError::OutOfOrderSequence))),
            Err(AppendError::Log(error)) if !error.is_disk_full() => return Err(error.into()),
            Err(_) => return Ok(Some(Err(ProduceError::Storage))),
        };
        let end = replica.log.log_end_offset();
        let effects = match outcome.duplicate {
            true => LeaderEffects::default(),
            false => leader.on_append(end, context.now.mono_ms),
        };
        self.carry_out(id, effects, context)?;
        if refused {
            return Ok(Some(Err(ProduceError::NotEnoughReplicas)));
        }
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(None) };
        let awaited =
            replica.leader.as_ref().and_then(|leader| leader.awaits(outcome.last_offset, outcome.duplicate));
        match awaited.filter(|_| acks == -1) {
            None => Ok(Some(Ok(outcome.base_offset))),
            Some(required_offset) => {
                replica.wait(required_offset, outcome.base_offset, message, value);
                Ok(None)
            }
        }
    }

    fn consume(
        &self,
        id: PartitionId,
        offset: i64,
        current_leader_epoch: i32,
    ) -> Result<Result<Consumed, ConsumeError>, Stop> {
        let Some(replica) = self.replicas.get(&id) else { return Ok(Err(ConsumeError::NotLeader)) };
        let Some(leader) = &replica.leader else { return Ok(Err(ConsumeError::NotLeader)) };
        if leader.leader_epoch() != current_leader_epoch {
            return Ok(Err(ConsumeError::NotLeader));
        }
        let high_watermark = replica.log.high_watermark();
        let limits = ReadLimits { max_bytes: 4096, upper_offset: high_watermark, at_least_one_batch: true };
        let read = match replica.log.reader().read(offset, limits) {
            Ok(read) => read,
            Err(ReadError::OffsetOutOfRange { log_start_offset, .. }) => {
                return Ok(Err(ConsumeError::OutOfRange { log_start_offset }));
            }
            Err(error) => return Err(Stop::Disk(error.to_string())),
        };
        let records = read.slice.map(|slice| slice.bytes()).transpose()?.unwrap_or_default();
        let leader_epoch = leader.leader_epoch();
        Ok(Ok(Consumed { leader_epoch, high_watermark, records, next_offset: read.next_offset }))
    }

    /// Time has passed.
    pub(crate) fn on_tick(&mut self, context: &mut Context<'_>) -> Result<(), Stop> {
        let now_ms = context.now.mono_ms;
        if self.epoch >= 0 && now_ms >= self.next_heartbeat_ms {
            self.next_heartbeat_ms = now_ms + self.timing.session_ms / 4;
            let heartbeat = Heartbeat {
                broker: self.id,
                epoch: self.epoch,
                sequence: if self.started { self.image.sequence() } else { 0 },
                want_fence: false,
                want_shutdown: self.leaving,
            };
            context.ask(Host::Controller, Body::Heartbeat { heartbeat, sent_ms: now_ms });
        }
        if !self.started {
            return Ok(());
        }
        self.fetch_what_is_due(context);
        if now_ms >= self.next_check_ms {
            self.next_check_ms = now_ms + 50;
            self.check_leaders(context)?;
        }
        if now_ms >= self.next_flush_ms {
            self.next_flush_ms = now_ms + 700;
            self.flush()?;
        }
        Ok(())
    }

    fn check_leaders(&mut self, context: &mut Context<'_>) -> Result<(), Stop> {
        const ANSWER_MS: u64 = 400;
        let now_ms = context.now.mono_ms;
        let ids: Vec<PartitionId> = self.replicas.keys().copied().collect();
        for id in ids {
            let Some(replica) = self.replicas.get_mut(&id) else { continue };
            let Some(leader) = &mut replica.leader else { continue };
            let overdue = replica.proposed.take_if(|(_, sent_ms)| *sent_ms + ANSWER_MS <= now_ms);
            let effects = match overdue {
                Some((proposal, _)) => leader.on_answer(&proposal, &ProposalAnswer::Unknown, now_ms),
                None => leader.on_tick(now_ms),
            };
            self.carry_out(id, effects, context)?;
        }
        Ok(())
    }
}

fn name_of(replica: &ReplicaName) -> TopicPartition {
    TopicPartition { topic: replica.topic.to_string(), partition: replica.id.index }
}

fn log_on_disk(found: &FoundLog) -> LogOnDisk {
    LogOnDisk {
        topic: found.partition.topic.as_str().into(),
        index: found.partition.partition,
        topic_id: found.topic_id.as_ref().and_then(|id| id.parse().ok()),
    }
}
