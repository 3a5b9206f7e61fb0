//! The world of one seed: hosts, network, clients and time, one event after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use rkafka_checker::{Event as Seen, History};
use rkafka_core::controller::RegisterBroker;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{BrokerRegistration, Image};
use rkafka_core::time::Now;
use rkafka_log::LogConfig;
use rkafka_log::disk::mem::{Crash, SimDisk, SimRng};

use crate::client::{Consumer, Habits, Producer, Wishes};
use crate::message::{Body, Message};
use crate::net::{Host, Network};
use crate::plan::{Plan, stream};
use crate::process::{Context, Outgoing, Process, Start, Stop, Timing};
use crate::quorum::{CLUSTER_ID, Quorum};
use crate::truth::Truth;

/// How often a process, the controller and the clients look at the time.
const TICK_MS: u64 = 10;
/// The operators' clock when the world begins.
const WALL_MS: i64 = 1_700_000_000_000;

/// A machine that a broker runs on.
pub(crate) struct Machine {
    pub(crate) id: i32,
    pub(crate) disk: SimDisk,
    pub(crate) process: Option<Process>,
    pub(crate) paused_until_ms: u64,
    pub(crate) wall_offset_ms: i64,
    /// The epoch under which it last stopped cleanly, -1 if it did not.
    pub(crate) clean_epoch: i64,
    /// Its disk has lost something since its last registration.
    pub(crate) damaged: bool,
    /// Images reach it so much later.
    pub(crate) image_delay_ms: u64,
    /// The newest image it was sent.
    image_index: usize,
}

/// What happens next.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Deliver(Box<Message>),
    Tick {
        broker: i32,
        life: u64,
    },
    Image {
        broker: i32,
        life: u64,
        index: usize,
    },
    Start {
        broker: i32,
    },
    ControllerTick,
    ClientTick,
    Fault,
    /// A fault that lasts ends.
    Calm(Calm),
}

/// What ends with a lasting fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Calm {
    Network,
    Slow(Host),
    Disk(i32),
    Images(i32),
}

/// Everything there is.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now_ms: u64,
    queue: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub(crate) network: Network,
    pub(crate) quorum: Quorum,
    pub(crate) machines: Vec<Machine>,
    pub(crate) producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    pub(crate) truth: Truth,
    pub(crate) history: History,
    /// Partitions as the history numbers them.
    names: BTreeMap<PartitionId, u32>,
    lives: u64,
    pub(crate) next_producer: u32,
    pub(crate) faults_rng: SimRng,
    workload_rng: SimRng,
    images_sent: usize,
    /// Producers go on writing.
    pub(crate) writing: bool,
    /// Faults go on happening.
    pub(crate) faulty: bool,
    trace: bool,
    /// Depends on everything that happened.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    violation: Option<String>,
}

impl World {
    /// The world of a plan, at its beginning.
    pub fn new(plan: Plan, trace: bool) -> Self {
        let seed = plan.seed;
        let quorum =
            Quorum::new(stream(seed, 2).next_u64(), plan.session_ms, plan.min_isr, plan.eligible_replicas);
        let machine = |id| Machine {
            id,
            disk: SimDisk::new(),
            process: None,
            paused_until_ms: 0,
            wall_offset_ms: 0,
            clean_epoch: -1,
            damaged: false,
            image_delay_ms: 0,
            image_index: 0,
        };
        let machines = (0..plan.brokers).map(machine).collect();
        let mut world = World {
            now_ms: 0,
            queue: BTreeMap::new(),
            next_event: 0,
            network: Network::new(stream(seed, 3).next_u64()),
            quorum,
            machines,
            producers: Vec::new(),
            consumers: Vec::new(),
            truth: Truth::default(),
            history: History::default(),
            names: BTreeMap::new(),
            lives: 0,
            next_producer: 0,
            faults_rng: stream(seed, 4),
            workload_rng: stream(seed, 5),
            images_sent: 0,
            writing: true,
            faulty: false,
            trace,
            hash: 0,
            events: 0,
            violation: None,
            plan,
        };
        for broker in 0..world.plan.brokers {
            world.schedule(u64::from(broker.unsigned_abs()), Event::Start { broker });
        }
        world.schedule(1, Event::ControllerTick);
        world.schedule(2, Event::ClientTick);
        world.add_clients();
        world
    }

    fn add_clients(&mut self) {
        for topic in self.plan.topics.clone() {
            for index in 0..topic.partitions {
                for habits in self.draw_habits() {
                    let host = self.producers.len() as u32;
                    self.producers.push(Producer::new(host, (topic.name.clone(), index), habits));
                }
                let host = 1000 + self.consumers.len() as u32;
                self.consumers.push(Consumer::new(host, (topic.name.clone(), index)));
            }
        }
    }

    fn draw_habits(&mut self) -> Vec<Habits> {
        let idempotent = Habits { acks: -1, idempotent: true };
        let mut habits = vec![idempotent];
        if self.workload_rng.chance(1, 2) {
            habits.push(Habits { acks: -1, idempotent: false });
        }
        if self.workload_rng.chance(1, 2) {
            habits.push(Habits { acks: 1, idempotent: false });
        }
        habits
    }

    pub(crate) fn schedule(&mut self, in_ms: u64, event: Event) {
        let key = (self.now_ms + in_ms, self.next_event);
        self.next_event += 1;
        self.queue.insert(key, event);
    }

    fn schedule_at(&mut self, at_ms: u64, event: Event) {
        self.schedule(at_ms.saturating_sub(self.now_ms), event);
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>7} {}", self.now_ms, text());
        }
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    /// Runs up to that instant, or to the first broken invariant.
    pub fn run_until(&mut self, until_ms: u64) -> Result<(), String> {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until_ms {
                break;
            }
            let ((at_ms, order), event) = entry.remove_entry();
            self.now_ms = at_ms;
            self.events += 1;
            self.mix(at_ms);
            self.mix(order);
            self.step(event);
            self.send_images();
            if let Some(violation) = self.violation.take() {
                return Err(format!("at {at_ms} ms: {violation}"));
            }
        }
        self.now_ms = until_ms;
        Ok(())
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Deliver(message) => self.deliver(message),
            Event::Tick { broker, life } => self.tick(broker, life),
            Event::Image { broker, life, index } => self.image(broker, life, index),
            Event::Start { broker } => self.start(broker),
            Event::ControllerTick => {
                self.quorum.on_tick(self.now_ms);
                if self.now_ms % 2_000 < TICK_MS {
                    self.quorum.balance(self.now_ms);
                    self.network.forget_before(self.now_ms);
                }
                self.schedule(TICK_MS, Event::ControllerTick);
            }
            Event::ClientTick => {
                self.clients();
                self.schedule(TICK_MS, Event::ClientTick);
            }
            Event::Fault => self.fault(),
            Event::Calm(calm) => self.calm(calm),
        }
    }

    pub(crate) fn machine(&mut self, broker: i32) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.id == broker)
    }

    // --- brokers ---

    fn start(&mut self, broker: i32) {
        self.lives += 1;
        let (life, image) = (self.lives, self.quorum.image().clone());
        let index = self.quorum.history.len() - 1;
        let timing = Timing { session_ms: self.plan.session_ms, lag_ms: self.plan.lag_ms };
        let log_config = Arc::new(self.log_config());
        let min_isr = self.plan.min_isr;
        let Some(machine) = self.machine(broker).filter(|machine| machine.process.is_none()) else { return };
        machine.image_index = index;
        let started = Process::start(Start {
            id: BrokerId(broker),
            life,
            disk: &machine.disk,
            image,
            log_config,
            min_isr,
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

    fn log_config(&self) -> LogConfig {
        LogConfig {
            segment_bytes: 4096,
            index_interval_bytes: 256,
            segment_ms: i64::MAX,
            retention_ms: -1,
            flush_messages: if self.plan.sync_each { 1 } else { i64::MAX },
            timestamp_after_max_ms: i64::MAX,
            producer_id_expiration_ms: i64::MAX,
            ..LogConfig::default()
        }
    }

    fn register(&mut self, broker: i32) {
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
            previous_epoch: machine.clean_epoch,
        };
        let ask = Outgoing { to: Host::Controller, answers: None, body: Body::Register(Box::new(request)) };
        self.send(Host::Broker(broker), vec![ask]);
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
            machine.clean_epoch = -1;
        }
    }

    fn tick(&mut self, broker: i32, life: u64) {
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
    fn stop(&mut self, broker: i32) {
        let Some(machine) = self.machine(broker) else { return };
        let Some(process) = machine.process.take() else { return };
        let epoch = process.epoch;
        let closed = process.close();
        machine.disk.crash(Crash::Kill { eighths: 8 }, 0);
        machine.clean_epoch = if closed.is_ok() { epoch } else { -1 };
        self.say(|| format!("broker {broker} stops in order"));
        self.schedule(200, Event::Start { broker });
    }

    fn image(&mut self, broker: i32, life: u64, index: usize) {
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
    fn send_images(&mut self) {
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
    fn describe_image(&self) -> String {
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

    // --- messages ---

    fn send(&mut self, from: Host, out: Vec<Outgoing>) {
        for Outgoing { to, answers, body } in out {
            let (connection, life) = answers.unwrap_or_else(|| self.connection_of(from, to));
            let is_answer = body.is_answer();
            let message = Message { from, to, connection, life, body };
            if matches!(message.body, Body::AlterPartition { .. })
                && let Some(at_ms) = self.network.duplicate(self.now_ms)
            {
                self.schedule_at(at_ms, Event::Deliver(Box::new(message.clone())));
            }
            if let Some(at_ms) = self.network.arrival(self.now_ms, from, to, connection, is_answer) {
                self.schedule_at(at_ms, Event::Deliver(Box::new(message)));
            }
        }
    }

    /// The connection a request goes over, and the life of the process that sends it.
    fn connection_of(&self, from: Host, to: Host) -> (u64, u64) {
        match from {
            Host::Broker(id) => {
                let machine = self.machines.iter().find(|machine| machine.id == id);
                let process = machine.and_then(|machine| machine.process.as_ref());
                process.map_or((0, 0), |process| (process.following.connection(to), process.life))
            }
            Host::Client(id) => {
                let producer = self.producers.iter().find(|producer| producer.host == id);
                let consumer = self.consumers.iter().find(|consumer| consumer.host == id);
                let connection = producer.map(|producer| producer.connection);
                (connection.or(consumer.map(|consumer| consumer.connection)).unwrap_or(0), 0)
            }
            Host::Controller => (0, 0),
        }
    }

    fn deliver(&mut self, message: Box<Message>) {
        match message.to {
            Host::Controller => {
                if let Some(body) = self.quorum.handle(&message, self.now_ms) {
                    if let (Body::Registered(Ok(_)), Host::Broker(broker)) = (&body, message.from)
                        && let Some(machine) = self.machine(broker)
                    {
                        machine.damaged = false;
                    }
                    let answers = Some((message.connection, message.life));
                    self.send(Host::Controller, vec![Outgoing { to: message.from, answers, body }]);
                }
            }
            Host::Broker(broker) => {
                let Some(machine) = self.machine(broker) else { return };
                let Some(process) = &machine.process else { return };
                let of_this_life = !message.body.is_answer() || message.life == process.life;
                let paused_until_ms = machine.paused_until_ms;
                if paused_until_ms > self.now_ms {
                    self.schedule_at(paused_until_ms, Event::Deliver(message));
                } else if of_this_life {
                    self.say(|| format!("{:?} → {broker}: {:?}", message.from, message.body));
                    self.with_process(broker, |process, context| process.on_message(&message, context));
                }
            }
            Host::Client(client) => self.deliver_to_client(client, &message),
        }
    }

    fn deliver_to_client(&mut self, client: u32, message: &Message) {
        let (now_ms, Host::Broker(broker)) = (self.now_ms, message.from) else { return };
        self.say(|| format!("{broker} → client {client}: {:?}", message.body));
        let wishes = match &message.body {
            Body::Produced { partition, value, result, at_ms } => {
                let may_forget =
                    self.truth.may_forget_producers(*partition) || !self.leads(broker, *partition);
                let named = self.named(*partition);
                let producer = self.producers.iter_mut().find(|producer| producer.host == client);
                let Some(producer) = producer.filter(|known| known.connection == message.connection) else {
                    return;
                };
                producer.on_produced((broker, *at_ms), *value, *result, named, now_ms, may_forget)
            }
            Body::Consumed { partition, offset, result } => {
                let (named, end) = (self.named(*partition), self.truth.committed_end(*partition));
                let consumer = self.consumers.iter_mut().find(|consumer| consumer.host == client);
                let Some(consumer) = consumer.filter(|known| known.connection == message.connection) else {
                    return;
                };
                consumer.on_consumed(*offset, result, named, now_ms, end)
            }
            _ => return,
        };
        self.fulfil(client, wishes);
    }

    /// Whether the broker leads the partition, as the quorum has it and as it has it itself.
    fn leads(&self, broker: i32, id: PartitionId) -> bool {
        let topic = self.quorum.image().topics().by_id(id.topic);
        let state = topic.and_then(|topic| topic.partition(id.index));
        let machine = self.machines.iter().find(|machine| machine.id == broker);
        let replica = machine.and_then(|machine| machine.process.as_ref()?.replicas.get(&id));
        state.zip(replica).is_some_and(|(state, replica)| {
            state.leader == Some(BrokerId(broker)) && state.leader_epoch == replica.state.leader_epoch
        })
    }

    // --- clients ---

    pub(crate) fn named(&mut self, partition: PartitionId) -> u32 {
        let next = self.names.len() as u32;
        *self.names.entry(partition).or_insert(next)
    }

    /// The partition's number in the history, if it has one.
    pub(crate) fn name_of(&self, partition: PartitionId) -> Option<u32> {
        self.names.get(&partition).copied()
    }

    /// The metadata that a client gets now: of any broker that it reaches.
    fn metadata(&mut self, client: u32) -> Option<Image> {
        let host = Host::Client(client);
        let reachable: Vec<&Machine> = self
            .machines
            .iter()
            .filter(|machine| {
                let broker = Host::Broker(machine.id);
                machine.process.as_ref().is_some_and(|process| process.started)
                    && machine.paused_until_ms <= self.now_ms
                    && self.network.reaches(host, broker)
                    && self.network.reaches(broker, host)
            })
            .collect();
        let chosen = reachable.get(self.workload_rng.below(reachable.len()))?;
        chosen.process.as_ref().map(|process| process.image.clone())
    }

    fn clients(&mut self) {
        self.create_missing_topics();
        for place in 0..self.producers.len() {
            let host = self.producers[place].host;
            let image = self.metadata(host);
            let target = self.producers[place].target.clone();
            let partition = self.find(&target);
            if let Some(id) = partition.filter(|_| partition != self.producers[place].partition()) {
                self.begin_producer(place, id);
            }
            let Some(id) = self.producers[place].partition() else { continue };
            let named = self.named(id);
            let (now_ms, writing) = (self.now_ms, self.writing);
            let rng = &mut self.workload_rng;
            let wishes = self.producers[place].on_tick(now_ms, writing, image.as_ref(), named, rng);
            self.fulfil(host, wishes);
        }
        for place in 0..self.consumers.len() {
            let host = self.consumers[place].host;
            let partition = self.find(&self.consumers[place].target.clone());
            if let Some(id) = partition.filter(|_| partition != self.consumers[place].partition()) {
                self.consumers[place].begin(id);
            }
            let image = self.metadata(host);
            if let Some((broker, body)) = self.consumers[place].on_tick(self.now_ms, image.as_ref()) {
                let wishes = Wishes { messages: vec![(broker, body)], ..Wishes::default() };
                self.fulfil(host, wishes);
            }
        }
    }

    pub(crate) fn begin_producer(&mut self, place: usize, id: PartitionId) {
        let now_ms = self.now_ms;
        let old = self.producers[place].partition().unwrap_or(id);
        let old = self.named(old);
        self.next_producer += 1;
        let number = self.next_producer;
        let events = self.producers[place].begin(number, id, old, now_ms);
        self.history.events.extend(events);
    }

    fn find(&self, (topic, index): &(String, i32)) -> Option<PartitionId> {
        let topic = self.quorum.image().topics().by_name(topic)?;
        topic.partition(*index).map(|_| PartitionId { topic: topic.id, index: *index })
    }

    fn create_missing_topics(&mut self) {
        for topic in self.plan.topics.clone() {
            let live = self.quorum.image().brokers().alive().count();
            let missing = self.quorum.image().topics().by_name(&topic.name).is_none();
            if missing && live >= usize::try_from(topic.replicas).unwrap_or(1) {
                self.quorum.create_topic(&topic.name, topic.partitions, topic.replicas, self.now_ms);
            }
        }
    }

    fn fulfil(&mut self, client: u32, wishes: Wishes) {
        self.history.events.extend(wishes.events);
        self.violation = self.violation.take().or(wishes.violation);
        let send =
            |(broker, body): (BrokerId, Body)| Outgoing { to: Host::Broker(broker.0), answers: None, body };
        self.send(Host::Client(client), wishes.messages.into_iter().map(send).collect());
    }

    /// Who was fenced when, for the history.
    pub(crate) fn fencings(&self) -> Vec<Seen> {
        let mut since: BTreeMap<BrokerId, u64> = BTreeMap::new();
        let mut found = Vec::new();
        for (broker, fenced, at_ms) in &self.quorum.fencings {
            if *fenced {
                since.entry(*broker).or_insert(*at_ms);
            } else if let Some(from_ms) = since.remove(broker) {
                let broker = broker.0.unsigned_abs();
                found.push(Seen::Fenced { broker, from_ms: from_ms + 1, until_ms: *at_ms });
            }
        }
        let open = since.into_iter();
        found.extend(open.map(|(broker, from_ms)| Seen::Fenced {
            broker: broker.0.unsigned_abs(),
            from_ms: from_ms + 1,
            until_ms: u64::MAX,
        }));
        found
    }
}

/// A disk whose process has ended.
fn machine_crash(machines: &mut [Machine], broker: i32) {
    if let Some(machine) = machines.iter_mut().find(|machine| machine.id == broker) {
        machine.process = None;
        machine.disk.crash(Crash::Kill { eighths: 8 }, 0);
    }
}
