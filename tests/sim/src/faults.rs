//! Faults, and what keeps them survivable.
//!
//! The atlas: a disk may lose something only while the promise of P1 still holds. Of every partition somebody whose
//! disk is whole stays in the ISR or among the eligible leaders, and fewer replicas than `min.insync.replicas` are
//! damaged, or down and not registered again: whoever restarts after a kill counts as damaged, too. That is as much
//! as KIP-966 promises: an ISR of dead brokers that are not fenced yet looks large enough to let others go.

use std::path::PathBuf;

use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_log::disk::mem::{CallKind, Crash, Failure, SimDisk, SimRng};

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
            machine.disk.forget_faults();
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
            Fault::Kill | Fault::Pause | Fault::Restart if !self.may_kill(broker) => {}
            Fault::KillAll if self.is_somebody_damaged() => {}
            Fault::Kill => {
                let down_ms = 50 + self.draw(2 * self.plan.session_ms);
                self.crash(broker, Crash::Kill { eighths: 8 }, down_ms);
            }
            Fault::KillAll => self.crash_all(|_| Crash::Kill { eighths: 8 }),
            Fault::PowerCut => {
                if self.plan.sync_each && !self.is_somebody_damaged() || self.may_damage(&[broker]) {
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
            Fault::PowerCutTwo => {
                let both = [broker, (broker + 1) % self.plan.brokers];
                if self.may_damage(&both) {
                    for broker in both {
                        let crash = self.draw_crash();
                        let down_ms = 50 + self.draw(2 * self.plan.session_ms);
                        self.damage(broker, true);
                        self.crash(broker, crash, down_ms);
                    }
                }
            }
            Fault::Wipe => {
                if self.may_damage(&[broker]) {
                    self.replace_disk(broker, SimDisk::new());
                }
            }
            Fault::OldDisk => self.old_disk(broker),
            Fault::BitRot => self.rot(broker),
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
            Fault::DiskFull | Fault::WriteError | Fault::ReadError | Fault::SyncError => {
                self.disk_fault(fault, broker);
            }
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
            Fault::MoveLeader => {
                if let Some(id) = self.draw_partition() {
                    self.quorum.move_leader(id, BrokerId(broker), self.now_ms);
                }
            }
            Fault::ChangeMinIsr => {
                let topic = self.faults_rng.below(self.plan.topics.len());
                let min_isr = 1 + self.faults_rng.below(3);
                if !self.is_somebody_damaged() {
                    let name = self.plan.topics[topic].name.clone();
                    self.quorum.set_min_isr(&name, min_isr, self.now_ms);
                }
            }
            Fault::Reassign => self.reassign(),
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
            Fault::Compact => {
                self.with_process(broker, |process, context| process.compact(context.now.wall_ms));
            }
            Fault::Retain => self.retain(broker),
            Fault::ClientCrash => {
                let place = self.faults_rng.below(self.producers.len());
                if let Some(id) = self.producers[place].partition() {
                    self.begin_producer(place, id);
                }
            }
        }
    }

    /// The broker is killed and finds another disk when it comes back.
    fn replace_disk(&mut self, broker: i32, disk: SimDisk) {
        self.damage(broker, true);
        let down_ms = 50 + self.draw(self.plan.session_ms);
        self.crash(broker, Crash::Kill { eighths: 8 }, down_ms);
        if let Some(machine) = self.machine(broker) {
            machine.disk = disk;
        }
    }

    /// Makes a copy of the disk, or puts the copy in its place if there is one.
    fn old_disk(&mut self, broker: i32) {
        let may = self.may_damage(&[broker]);
        let Some(machine) = self.machine(broker) else { return };
        match machine.copy.take() {
            None => machine.copy = Some(machine.disk.state()),
            Some(copy) if may => self.replace_disk(broker, SimDisk::from_state(copy)),
            copy => machine.copy = copy,
        }
    }

    fn rot(&mut self, broker: i32) {
        if !self.may_damage(&[broker]) {
            return;
        }
        let mut rng = SimRng::new(self.faults_rng.next_u64());
        let place = self.with_process(broker, |process, _| Ok(process.rottable(&mut rng))).flatten();
        let Some((path, position)) = place else { return };
        self.damage(broker, true);
        let down_ms = 50 + self.draw(self.plan.session_ms);
        self.crash(broker, Crash::Kill { eighths: 8 }, down_ms);
        self.corrupt(broker, &(path, position));
    }

    /// Another byte stands in that place of a file.
    pub(crate) fn corrupt(&mut self, broker: i32, (path, position): &(PathBuf, u64)) {
        let Some(machine) = self.machine(broker) else { return };
        let rotten = machine.disk.corrupt(path, |bytes| {
            if let Some(byte) = usize::try_from(*position).ok().and_then(|position| bytes.get_mut(position)) {
                *byte ^= 1 << (position % 8);
            }
        });
        debug_assert!(rotten.is_ok(), "{} is there", path.display());
        machine.damaged = true;
    }

    pub(crate) fn retain(&mut self, broker: i32) {
        let starts = self.with_process(broker, |process, context| process.retain(context.now.wall_ms));
        for (id, below) in starts.unwrap_or_default() {
            let partition = self.named(id);
            self.history.events.push(rkafka_checker::Event::Deleted { partition, below });
        }
    }

    /// As many replicas as before, or one more or less, on brokers drawn anew; sometimes back to where they were.
    fn reassign(&mut self) {
        let Some(id) = self.draw_partition().filter(|_| !self.is_somebody_damaged()) else { return };
        let topic = self.quorum.image().topics().by_id(id.topic);
        let now = topic.and_then(|topic| topic.partition(id.index)).map_or(1, |state| state.replicas.len());
        let wanted = (now + self.faults_rng.below(3)).saturating_sub(1).max(1);
        let mut left: Vec<BrokerId> = (0..self.plan.brokers).map(BrokerId).collect();
        let mut target = Vec::new();
        while target.len() < wanted && !left.is_empty() {
            target.push(left.swap_remove(self.faults_rng.below(left.len())));
        }
        if self.faults_rng.chance(1, 5) {
            target.clear();
        }
        self.quorum.reassign(id, &target, self.now_ms);
    }

    fn draw_partition(&mut self) -> Option<PartitionId> {
        let all = self.all_partitions();
        all.get(self.faults_rng.below(all.len())).map(|(id, _)| *id)
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
            Fault::WriteError | Fault::ReadError if self.is_somebody_damaged() => {}
            Fault::WriteError | Fault::ReadError => {
                let kind = if fault == Fault::ReadError { CallKind::Read } else { CallKind::Write };
                if let Some(machine) = self.machine(broker) {
                    machine.disk.fail_nth(kind, nth, Failure::Io);
                }
            }
            _ => {
                if self.may_damage(&[broker]) {
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

    /// Whether the disks of these brokers may lose something.
    fn may_damage(&self, brokers: &[i32]) -> bool {
        self.plan.eligible_replicas && !self.is_somebody_damaged() && self.is_survivable(brokers)
    }

    /// Whether this broker may end without an orderly stop.
    fn may_kill(&self, broker: i32) -> bool {
        !self.is_somebody_damaged() || self.is_survivable(&[broker])
    }

    /// Whether of all partitions of these brokers fewer replicas than `min.insync.replicas` may have lost something
    /// then, and somebody who goes on has everything.
    fn is_survivable(&self, brokers: &[i32]) -> bool {
        self.quorum.image().topics().iter().all(|topic| {
            let min_isr = self.quorum.min_isr(topic);
            topic.partitions.iter().all(|state| {
                let concerned = state.replicas.iter().any(|broker| brokers.contains(&broker.0));
                let losers = state.replicas.iter().filter(|broker| !self.stays(**broker, brokers)).count();
                let mut holders = state.isr.iter().chain(state.elr());
                !concerned || (losers < min_isr && holders.any(|holder| self.stays(*holder, brokers)))
            })
        })
    }

    /// Whether the broker is none of these, whole, and about to go on.
    fn stays(&self, broker: BrokerId, without: &[i32]) -> bool {
        let epoch = self.quorum.image().brokers().get(broker).map(|known| known.epoch);
        let machine = self.machines.iter().find(|machine| machine.id == broker.0);
        let whole = machine.filter(|machine| !machine.damaged && !machine.disk.has_faults());
        let process = whole.and_then(|machine| machine.process.as_ref());
        !without.contains(&broker.0)
            && process.is_some_and(|process| Some(process.epoch) == epoch && !process.leaving)
    }
}
