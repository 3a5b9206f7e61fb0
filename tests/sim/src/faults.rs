//! Faults, and what keeps them survivable.
//!
//! The atlas: a disk may lose something only while the promise of P1 still holds, that is, while of every
//! partition somebody whose disk is whole stays in the ISR or among the eligible leaders. While a damaged
//! broker has not registered again, nobody else is killed: whoever restarts after a kill counts as damaged, too.

use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::Partition;
use rkafka_log::disk::mem::{CallKind, Crash, Failure, SimDisk};

use crate::net::Host;
use crate::plan::Fault;
use crate::world::{Calm, Event, World};

impl World {
    /// The faulty phase begins.
    pub(crate) fn begin_faults(&mut self) {
        self.faulty = !self.plan.faults.is_empty();
        if self.faulty {
            self.schedule(1, Event::Fault);
        }
    }

    /// All faults end; who is down is started.
    pub(crate) fn heal(&mut self) {
        self.faulty = false;
        self.network.weather = crate::net::Weather::default();
        self.network.unblock_all();
        self.network.slow_ms.clear();
        for machine in &mut self.machines {
            machine.disk.set_capacity(None);
            machine.paused_until_ms = machine.paused_until_ms.min(self.now_ms);
            machine.image_delay_ms = 0;
        }
        for broker in 0..self.plan.brokers {
            self.schedule(1, Event::Start { broker });
        }
    }

    pub(crate) fn fault(&mut self) {
        if !self.faulty {
            return;
        }
        let total: usize = self.plan.faults.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.faults_rng.below(total);
        let chosen = self.plan.faults.iter().find(|(_, weight)| {
            let here = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            here
        });
        if let Some((fault, _)) = chosen.copied() {
            let broker = self.faults_rng.below(self.machines.len()) as i32;
            self.say(|| format!("--- {fault:?}, broker {broker} if it is one's"));
            self.inject(fault, broker);
        }
        let in_ms = 1 + self.faults_rng.next_u64() % (2 * self.plan.fault_interval_ms);
        self.schedule(in_ms, Event::Fault);
    }

    fn draw(&mut self, below_ms: u64) -> u64 {
        self.faults_rng.next_u64() % below_ms.max(1)
    }

    fn inject(&mut self, fault: Fault, broker: i32) {
        match fault {
            Fault::LoseRequests
            | Fault::LoseAnswers
            | Fault::Delay
            | Fault::Stall
            | Fault::Duplicate
            | Fault::SlowNode => self.bad_weather(fault, broker),
            Fault::CutSymmetric
            | Fault::CutOneWay
            | Fault::CutBridge
            | Fault::CutClient
            | Fault::CutController => self.cut(fault, broker),
            Fault::Kill | Fault::KillAll | Fault::Pause | Fault::Restart if self.is_somebody_damaged() => {}
            Fault::Kill => {
                let down_ms = 50 + self.draw(2 * self.plan.session_ms);
                self.crash(broker, Crash::Kill { eighths: 8 }, down_ms);
            }
            Fault::KillAll => self.crash_all(|_| Crash::Kill { eighths: 8 }),
            Fault::PowerCut => {
                if self.plan.sync_each && !self.is_somebody_damaged() || self.may_damage(broker) {
                    let crash = self.draw_crash();
                    let down_ms = 50 + self.draw(2 * self.plan.session_ms);
                    self.damage(broker, !self.plan.sync_each);
                    self.crash(broker, crash, down_ms);
                }
            }
            Fault::PowerCutAll => {
                if self.plan.sync_each && !self.is_somebody_damaged() {
                    let crash = self.draw_crash();
                    self.crash_all(|_| crash);
                }
            }
            Fault::Wipe => {
                if self.may_damage(broker) {
                    self.damage(broker, true);
                    let down_ms = 50 + self.draw(self.plan.session_ms);
                    self.crash(broker, Crash::Kill { eighths: 8 }, down_ms);
                    if let Some(machine) = self.machine(broker) {
                        machine.disk = SimDisk::new();
                    }
                }
            }
            Fault::Pause => {
                let until_ms = self.now_ms + self.draw(3 * self.plan.session_ms);
                if let Some(machine) = self.machine(broker) {
                    machine.paused_until_ms = until_ms;
                }
            }
            Fault::Restart => {
                self.with_process(broker, |process, _| {
                    process.leaving = true;
                    Ok(())
                });
            }
            Fault::WallJump => {
                const DAY_MS: i64 = 86_400_000;
                let far = [1_000, 60_000, 3_600_000, DAY_MS][self.faults_rng.below(4)];
                let by_ms = if self.faults_rng.chance(1, 2) { far } else { -far };
                if let Some(machine) = self.machine(broker) {
                    machine.wall_offset_ms = by_ms;
                }
            }
            Fault::DiskFull | Fault::WriteError | Fault::SyncError => self.disk_fault(fault, broker),
            Fault::HandOver => {
                let (gap_ms, deposed_ms) = (self.draw(800), self.draw(2_000));
                self.quorum.hand_over(self.now_ms, gap_ms, deposed_ms);
            }
            Fault::LateImages => {
                let delay_ms = self.draw(2_500);
                if let Some(machine) = self.machine(broker) {
                    machine.image_delay_ms = delay_ms;
                }
                let lasts_ms = 500 + self.draw(3_000);
                self.schedule(lasts_ms, Event::Calm(Calm::Images(broker)));
            }
            Fault::ElectPreferred => self.quorum.elect_preferred(self.now_ms),
            Fault::Recreate => {
                if self.faults_rng.chance(1, 3) {
                    let topic = self.faults_rng.below(self.plan.topics.len());
                    let name = self.plan.topics[topic].name.clone();
                    self.quorum.delete_topic(&name, self.now_ms);
                }
            }
            Fault::DeleteRecords => self.delete_records(broker),
            Fault::Roll => {
                self.with_process(broker, |process, context| process.roll(context.now.wall_ms));
            }
            Fault::ClientCrash => {
                let place = self.faults_rng.below(self.producers.len());
                if let Some(id) = self.producers[place].partition() {
                    self.begin_producer(place, id);
                }
            }
        }
    }

    fn bad_weather(&mut self, fault: Fault, broker: i32) {
        let rate = [5, 30, 150][self.faults_rng.below(3)];
        let delay_max_ms = 1 + self.draw(1_000);
        let slow_ms = 20 + self.draw(150);
        let lasts_ms = 300 + self.draw(4_000);
        let weather = &mut self.network.weather;
        match fault {
            Fault::LoseRequests => weather.lose_request = rate,
            Fault::LoseAnswers => weather.lose_answer = rate,
            Fault::Delay => (weather.delay, weather.delay_max_ms) = (rate, delay_max_ms),
            Fault::Stall => weather.stall = rate / 5,
            Fault::Duplicate => weather.duplicate = 300,
            _ => {
                let host = Host::Broker(broker);
                self.network.slow_ms.insert(host, slow_ms);
                return self.schedule(lasts_ms, Event::Calm(Calm::Slow(host)));
            }
        }
        self.schedule(lasts_ms, Event::Calm(Calm::Network));
    }

    fn cut(&mut self, fault: Fault, broker: i32) {
        let me = Host::Broker(broker);
        let other = Host::Broker(self.faults_rng.below(self.machines.len()) as i32);
        let client = Host::Client(self.faults_rng.below(self.producers.len()) as u32);
        let (inwards, outwards) = match fault {
            Fault::CutOneWay => {
                let inwards = self.faults_rng.chance(1, 2);
                (inwards, !inwards)
            }
            _ => (true, true),
        };
        let peers: Vec<Host> = match fault {
            Fault::CutBridge => vec![other],
            Fault::CutClient => vec![client],
            Fault::CutController => vec![Host::Controller],
            _ => {
                let brokers = (0..self.plan.brokers).map(Host::Broker);
                let clients = (0..self.producers.len() as u32).map(Host::Client);
                let with_clients = self.faults_rng.chance(1, 2);
                let clients = clients.filter(move |_| with_clients);
                brokers.chain(clients).chain([Host::Controller]).filter(|peer| *peer != me).collect()
            }
        };
        for peer in peers {
            if inwards {
                self.network.block(peer, me);
            }
            if outwards {
                self.network.block(me, peer);
            }
        }
        let lasts_ms = 200 + self.draw(3 * self.plan.session_ms);
        self.schedule(lasts_ms, Event::Calm(Calm::Network));
    }

    pub(crate) fn calm(&mut self, calm: Calm) {
        match calm {
            Calm::Network => {
                self.network.weather = crate::net::Weather::default();
                self.network.unblock_all();
            }
            Calm::Slow(host) => drop(self.network.slow_ms.remove(&host)),
            Calm::Disk(broker) => {
                if let Some(machine) = self.machine(broker) {
                    machine.disk.set_capacity(None);
                }
            }
            Calm::Images(broker) => {
                if let Some(machine) = self.machine(broker) {
                    machine.image_delay_ms = 0;
                }
            }
        }
    }

    fn crash(&mut self, broker: i32, crash: Crash, down_ms: u64) {
        self.kill(broker, crash);
        self.schedule(down_ms, Event::Start { broker });
    }

    fn crash_all(&mut self, crash: impl Fn(i32) -> Crash) {
        for broker in 0..self.plan.brokers {
            let down_ms = 20 + self.draw(3 * self.plan.session_ms);
            self.crash(broker, crash(broker), down_ms);
        }
    }

    fn draw_crash(&mut self) -> Crash {
        let crashes = [Crash::PowerCutAll, Crash::PowerCut, Crash::Torn, Crash::ZeroTail, Crash::Garbage];
        crashes[self.faults_rng.below(crashes.len())]
    }

    fn disk_fault(&mut self, fault: Fault, broker: i32) {
        let nth = 1 + self.draw(5);
        let lasts_ms = 300 + self.draw(3_000);
        match fault {
            Fault::DiskFull => {
                if let Some(machine) = self.machine(broker) {
                    machine.disk.set_capacity(Some(0));
                }
                self.schedule(lasts_ms, Event::Calm(Calm::Disk(broker)));
            }
            Fault::WriteError if self.is_somebody_damaged() => {}
            Fault::WriteError => {
                if let Some(machine) = self.machine(broker) {
                    machine.disk.fail_nth(CallKind::Write, nth, Failure::Io);
                }
            }
            _ => {
                if self.may_damage(broker) {
                    self.damage(broker, true);
                    if let Some(machine) = self.machine(broker) {
                        machine.disk.fail_nth(CallKind::Sync, nth, Failure::Io);
                    }
                }
            }
        }
    }

    fn delete_records(&mut self, broker: i32) {
        let leads: Vec<PartitionId> = self
            .quorum
            .image()
            .topics()
            .iter()
            .flat_map(|topic| {
                let led = topic.partitions.iter().zip(0..);
                let led = led.filter(|(state, _)| state.leader == Some(BrokerId(broker)));
                led.map(|(_, index)| PartitionId { topic: topic.id, index })
            })
            .collect();
        let Some(id) = leads.get(self.faults_rng.below(leads.len())).copied() else { return };
        let end = self.truth.committed_end(id);
        let below = (self.faults_rng.next_u64() % (end as u64 + 1)) as i64;
        let deleted = self.with_process(broker, |process, _| process.delete_records(id, below)).flatten();
        if let Some(below) = deleted {
            let partition = self.named(id);
            self.history.events.push(rkafka_checker::Event::Deleted { partition, below });
        }
    }

    fn is_somebody_damaged(&self) -> bool {
        self.machines.iter().any(|machine| machine.damaged)
    }

    fn damage(&mut self, broker: i32, damaged: bool) {
        if let Some(machine) = self.machine(broker) {
            machine.damaged |= damaged;
        }
    }

    /// Whether this broker's disk may lose something.
    fn may_damage(&self, broker: i32) -> bool {
        if !self.plan.eligible_replicas || self.is_somebody_damaged() {
            return false;
        }
        let topics = self.quorum.image().topics();
        topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|state| !state.replicas.contains(&BrokerId(broker)) || self.is_safe_without(broker, state))
    }

    fn is_safe_without(&self, broker: i32, state: &Partition) -> bool {
        let min_isr = self.plan.min_isr.min(state.replicas.len());
        let stays = |holder: &BrokerId| {
            let machine = self.machines.iter().find(|machine| machine.id == holder.0);
            let epoch = self.quorum.image().brokers().get(*holder).map(|known| known.epoch);
            let process = machine.and_then(|machine| machine.process.as_ref());
            holder.0 != broker
                && process.is_some_and(|process| Some(process.epoch) == epoch && !process.leaving)
        };
        min_isr > 1 && state.isr.iter().chain(state.elr()).any(stays)
    }
}
