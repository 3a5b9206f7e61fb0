//! The world of one seed: hosts, network, clients and time, one event after the other.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rkafka_checker::History;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_log::disk::mem::SimRng;

use crate::client::{Consumer, Producer};
use crate::machines::Machine;
use crate::message::Message;
use crate::net::{Host, Network};
use crate::plan::{Plan, stream};
use crate::quorum::Quorum;
use crate::truth::Truth;

/// How often a process, the controller and the clients look at the time.
pub(crate) const TICK_MS: u64 = 10;
/// The operators' clock when the world begins.
pub(crate) const WALL_MS: i64 = 1_700_000_000_000;

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
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) truth: Truth,
    pub(crate) history: History,
    /// Partitions as the history numbers them.
    pub(crate) names: BTreeMap<PartitionId, u32>,
    pub(crate) lives: u64,
    pub(crate) next_producer: u32,
    pub(crate) faults_rng: SimRng,
    pub(crate) workload_rng: SimRng,
    pub(crate) images_sent: usize,
    /// Producers go on writing.
    pub(crate) writing: bool,
    /// Faults go on happening.
    pub(crate) faulty: bool,
    trace: bool,
    /// Depends on everything that happened.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    pub(crate) violation: Option<String>,
    /// The broker whose process took the present step.
    pub(crate) stepped: Option<i32>,
    /// How far image and yardstick were when all possible leaders were looked at.
    looked_at: (usize, u64),
}

impl World {
    /// The world of a plan, at its beginning.
    pub fn new(plan: Plan, trace: bool) -> Self {
        let seed = plan.seed;
        let quorum =
            Quorum::new(stream(seed, 2).next_u64(), plan.session_ms, plan.min_isr, plan.eligible_replicas);
        let machines = (0..plan.brokers).map(Machine::new).collect();
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
            stepped: None,
            looked_at: (0, 0),
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

    pub(crate) fn schedule(&mut self, in_ms: u64, event: Event) {
        let key = (self.now_ms + in_ms, self.next_event);
        self.next_event += 1;
        self.queue.insert(key, event);
    }

    pub(crate) fn schedule_at(&mut self, at_ms: u64, event: Event) {
        self.schedule(at_ms.saturating_sub(self.now_ms), event);
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>7} {}", self.now_ms, text());
        }
    }

    pub(crate) fn mix(&mut self, number: u64) {
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
            self.look_at_possible_leaders();
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
                    if !self.plan.directed {
                        self.quorum.balance(self.now_ms);
                    }
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

    /// Whoever may be elected next has everything that is committed, as far as it runs and the quorum knows of its
    /// present life: that is what ISR and eligible leader replicas are for.
    fn look_at_possible_leaders(&mut self) {
        let now = (self.quorum.history.len(), self.truth.risen());
        let all = now != self.looked_at;
        let stepped = self.stepped.take();
        if self.violation.is_some() || (!all && stepped.is_none()) {
            return;
        }
        self.looked_at = now;
        let image = self.quorum.image();
        for machine in &self.machines {
            let registered = image.brokers().get(BrokerId(machine.id)).map(|known| known.epoch);
            let process = machine.process.as_ref().filter(|process| Some(process.epoch) == registered);
            let Some(process) = process.filter(|_| all || stepped == Some(machine.id)) else { continue };
            for (id, replica) in process.replicas.iter().filter(|_| !machine.damaged) {
                let topic = image.topics().by_id(id.topic);
                let Some(state) = topic.and_then(|topic| topic.partition(id.index)) else { continue };
                let (end, committed) = (replica.log.log_end_offset(), self.truth.committed_end(*id));
                if end < committed && state.isr.iter().chain(state.elr()).any(|broker| *broker == process.id)
                {
                    self.violation = Some(format!(
                        "broker {} may lead {id} ({state:?}), ends at {end}, committed are {committed}",
                        machine.id
                    ));
                    return;
                }
            }
        }
    }

    /// A number that depends on all that was seen by anybody.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.hash, self.events).hash(&mut hasher);
        for event in &self.history.events {
            format!("{event:?}").hash(&mut hasher);
        }
        hasher.finish()
    }
}
