//! Hosts and the brokers' processes on them: starting, registering, running a step, dying, images.

use std::sync::Arc;

use rkafka_core::controller::{Heartbeat, RegisterBroker};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::BrokerRegistration;
use rkafka_core::time::Now;
use rkafka_log::disk::mem::{Crash, DiskState, SimDisk};
use rkafka_log::{CleanupPolicy, LogConfig};

use crate::message::Body;
use crate::net::Host;
use crate::process::{Context, Outgoing, Process, Start, Stop, Timing};
use crate::quorum::CLUSTER_ID;
use crate::world::{Event, TICK_MS, WALL_MS, World};

/// A machine that a broker runs on.
pub(crate) struct Machine {
    pub(crate) id: i32,
    pub(crate) disk: SimDisk,
    pub(crate) process: Option<Process>,
    pub(crate) paused_until_ms: u64,
    pub(crate) wall_offset_ms: i64,
    /// Its disk has lost something since its last registration.
    pub(crate) damaged: bool,
    /// Images reach it so much later.
    pub(crate) image_delay_ms: u64,
    /// The newest image it was sent.
    image_index: usize,
    /// A copy of its disk that somebody has made.
    pub(crate) copy: Option<DiskState>,
}

impl Machine {
    /// A machine with an empty disk.
    pub(crate) fn new(id: i32) -> Self {
        Machine {
            id,
            disk: SimDisk::new(),
            process: None,
            paused_until_ms: 0,
            wall_offset_ms: 0,
            damaged: false,
            image_delay_ms: 0,
            image_index: 0,
            copy: None,
        }
    }
}

impl World {
    pub(crate) fn start(&mut self, broker: i32) {
        self.lives += 1;
        let (life, image) = (self.lives, self.quorum.image().clone());
        let index = self.quorum.history.len() - 1;
        let timing = Timing { session_ms: self.plan.session_ms, lag_ms: self.plan.lag_ms };
        let log_configs = self.log_configs();
        let config = self.quorum.config();
        let Some(machine) = self.machine(broker).filter(|machine| machine.process.is_none()) else { return };
        machine.image_index = index;
        let started = Process::start(Start {
            id: BrokerId(broker),
            life,
            disk: &machine.disk,
            image,
            log_configs,
            config,
            timing,
        });
        match started {
            Ok(process) => {
                machine.process = Some(process);
                self.say(|| format!("broker {broker} starts, life {life}"));
                self.register(broker);
                self.schedule(TICK_MS, Event::Tick { broker, life });
            }
            Err(stop) => {
                self.say(|| format!("broker {broker} cannot start: {stop:?}"));
                machine_crash(&mut self.machines, broker);
                self.schedule(400, Event::Start { broker });
            }
        }
    }

    /// Settings of the logs: of usual topics, and of compacted ones.
    fn log_configs(&self) -> [Arc<LogConfig>; 2] {
        let usual = LogConfig {
            segment_bytes: 4096,
            index_interval_bytes: 256,
            segment_ms: i64::MAX,
            retention_ms: -1,
            flush_messages: if self.plan.sync_each { 1 } else { i64::MAX },
            timestamp_after_max_ms: i64::MAX,
            producer_id_expiration_ms: i64::MAX,
            ..LogConfig::default()
        };
        let cleanup_policy = CleanupPolicy { compact: true, delete: false };
        let compacted = LogConfig { cleanup_policy, ..usual.clone() };
        [Arc::new(LogConfig { retention_bytes: 10_000, ..usual }), Arc::new(compacted)]
    }

    pub(crate) fn register(&mut self, broker: i32) {
        let Some(machine) = self.machines.iter().find(|machine| machine.id == broker) else { return };
        let Some(process) = &machine.process else { return };
        let mut incarnation = [0; 16];
        incarnation[..8].copy_from_slice(&process.life.to_be_bytes());
        let registration = BrokerRegistration {
            id: BrokerId(broker),
            epoch: -1,
            incarnation,
            endpoints: Vec::new(),
            rack: None,
            features: vec![(rkafka_core::controller::ELIGIBLE_LEADER_REPLICAS.into(), 0, 1)],
            fenced: true,
            in_controlled_shutdown: false,
        };
        let request = RegisterBroker {
            cluster_id: CLUSTER_ID.to_owned(),
            broker: registration,
            previous_epoch: process.dirs.clean_broker_epoch(),
        };
        // A registration that counts as alive is its own, from before a restart: it ends that first, as the node does.
        let former = self.quorum.image().brokers().get(process.id);
        let former = former.filter(|former| !former.fenced && former.incarnation != incarnation);
        let heartbeat = former.map(|former| Heartbeat {
            broker: former.id,
            epoch: former.epoch,
            sequence: 0,
            want_fence: true,
            want_shutdown: false,
        });
        let fence = heartbeat.map(|heartbeat| Body::Heartbeat { heartbeat, sent_ms: self.now_ms });
        let bodies = fence.into_iter().chain([Body::Register(Box::new(request))]);
        let asks = bodies.map(|body| Outgoing { to: Host::Controller, answers: None, body }).collect();
        self.send(Host::Broker(broker), asks);
    }

    /// Runs a step of a broker's process and sends what it wants sent.
    pub(crate) fn with_process<R>(
        &mut self,
        broker: i32,
        step: impl FnOnce(&mut Process, &mut Context<'_>) -> Result<R, Stop>,
    ) -> Option<R> {
        let now_ms = self.now_ms;
        let truth = &mut self.truth;
        let machine = self.machines.iter_mut().find(|machine| machine.id == broker)?;
        let process = machine.process.as_mut()?;
        let wall_ms = WALL_MS + now_ms as i64 + machine.wall_offset_ms;
        let mut context = Context { now: Now { mono_ms: now_ms, wall_ms }, truth, out: Vec::new() };
        let result = step(process, &mut context);
        let out = context.out;
        if result.is_ok() {
            process.check_invariants();
        }
        self.stepped = Some(broker);
        self.send(Host::Broker(broker), out);
        match result {
            Ok(value) => Some(value),
            Err(Stop::Disk(reason)) => {
                self.say(|| format!("broker {broker} ends: {reason}"));
                self.kill(broker, Crash::Kill { eighths: 8 });
                self.schedule(300, Event::Start { broker });
                None
            }
            Err(Stop::Violation(what)) => {
                self.violation = Some(format!("broker {broker}: {what}"));
                None
            }
        }
    }

    /// The process of a broker is gone at once.
    pub(crate) fn kill(&mut self, broker: i32, crash: Crash) {
        let seed = self.faults_rng.next_u64();
        if let Some(machine) = self.machine(broker) {
            machine.process = None;
            machine.disk.crash(crash, seed);
            machine.paused_until_ms = 0;
        }
    }

    pub(crate) fn tick(&mut self, broker: i32, life: u64) {
        let Some(machine) = self.machines.iter().find(|machine| machine.id == broker) else { return };
        let Some(process) = machine.process.as_ref().filter(|process| process.life == life) else { return };
        if machine.paused_until_ms > self.now_ms {
            return self.schedule_at(machine.paused_until_ms, Event::Tick { broker, life });
        }
        if process.epoch < 0 && self.now_ms % 500 < TICK_MS {
            self.register(broker);
        }
        self.with_process(broker, Process::on_tick);
        let stops = self.machines.iter().find(|machine| machine.id == broker);
        if stops.and_then(|machine| machine.process.as_ref()).is_some_and(|process| process.may_stop) {
            self.stop(broker);
        }
        self.schedule(TICK_MS, Event::Tick { broker, life });
    }

    /// The end of a controlled shutdown.
    pub(crate) fn stop(&mut self, broker: i32) {
        let Some(machine) = self.machine(broker) else { return };
        let Some(process) = machine.process.take() else { return };
        let closed = process.close();
        machine.disk.crash(Crash::Kill { eighths: 8 }, 0);
        debug_assert!(!matches!(closed, Err(Stop::Violation(_))), "closing checks nothing");
        self.say(|| format!("broker {broker} stops in order"));
        self.schedule(200, Event::Start { broker });
    }

    pub(crate) fn image(&mut self, broker: i32, life: u64, index: usize) {
        let Some(machine) = self.machine(broker) else { return };
        if machine.process.as_ref().is_none_or(|process| process.life != life) {
            return;
        }
        let (paused_until_ms, known) = (machine.paused_until_ms, machine.image_index);
        if paused_until_ms > self.now_ms {
            return self.schedule_at(paused_until_ms, Event::Image { broker, life, index });
        }
        if !self.network.reaches(Host::Controller, Host::Broker(broker)) {
            return self.schedule(200, Event::Image { broker, life, index });
        }
        for next in known + 1..=index {
            let Some((image, changes)) = self.quorum.history.get(next).cloned() else { break };
            self.with_process(broker, |process, context| process.on_image(&image, &changes, context));
            match self.machine(broker) {
                Some(machine) if machine.process.is_some() => machine.image_index = next,
                _ => break,
            }
        }
    }

    /// Images that were committed since the last event set out to the brokers.
    pub(crate) fn send_images(&mut self) {
        let newest = self.quorum.history.len() - 1;
        if newest == self.images_sent {
            return;
        }
        debug_assert!(newest > self.images_sent, "the history only grows");
        self.images_sent = newest;
        self.say(|| format!("image {newest}: {}", self.describe_image()));
        self.mix(self.quorum.image().sequence());
        for topic in self.quorum.image().topics().iter() {
            for (state, index) in topic.partitions.iter().zip(0..) {
                self.truth.on_elected(PartitionId { topic: topic.id, index }, state.leader_epoch);
            }
        }
        let targets: Vec<(i32, u64, u64)> = self
            .machines
            .iter()
            .filter_map(|machine| Some((machine.id, machine.process.as_ref()?.life, machine.image_delay_ms)))
            .collect();
        for (broker, life, delay_ms) in targets {
            let delay_ms = 1 + delay_ms + self.faults_rng.next_u64() % 5;
            self.schedule(delay_ms, Event::Image { broker, life, index: newest });
        }
    }

    /// Who leads what, for traces.
    pub(crate) fn describe_image(&self) -> String {
        let image = self.quorum.image();
        let brokers = image.brokers().iter().map(|broker| {
            let state = if broker.fenced { "fenced" } else { "live" };
            format!("{}@{} {state}", broker.id, broker.epoch)
        });
        let mut parts: Vec<String> = brokers.collect();
        for topic in image.topics().iter() {
            for (state, index) in topic.partitions.iter().zip(0..) {
                let ids =
                    |list: &[BrokerId]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let leader = state.leader.map_or("none".to_owned(), |leader| leader.to_string());
                parts.push(format!(
                    "{}-{index}: leader {leader}@{}.{} isr {} elr {} last {}",
                    topic.name,
                    state.leader_epoch,
                    state.partition_epoch,
                    ids(&state.isr),
                    ids(state.elr()),
                    ids(state.last_known_elr()),
                ));
            }
        }
        parts.join(" · ")
    }
}

/// A disk whose process has ended.
fn machine_crash(machines: &mut [Machine], broker: i32) {
    if let Some(machine) = machines.iter_mut().find(|machine| machine.id == broker) {
        machine.process = None;
        machine.disk.crash(Crash::Kill { eighths: 8 }, 0);
    }
}
