//! What clients do: who they are, whom they ask, and what goes into the history.

use std::collections::BTreeMap;

use rkafka_checker::Event as Seen;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::Image;

use crate::client::{Consumer, Habits, Producer, Wishes};
use crate::machines::Machine;
use crate::message::Body;
use crate::net::Host;
use crate::process::Outgoing;
use crate::world::World;

impl World {
    pub(crate) fn add_clients(&mut self) {
        for topic in self.plan.topics.clone() {
            for index in 0..topic.partitions {
                let habits = if self.plan.directed { Habits::ALL.to_vec() } else { self.draw_habits() };
                for habits in habits {
                    let host = self.producers.len() as u32;
                    let mut producer = Producer::new(host, (topic.name.clone(), index), habits);
                    producer.quota = if self.plan.directed { 0 } else { u64::MAX };
                    self.producers.push(producer);
                }
                let host = 1000 + self.consumers.len() as u32;
                self.consumers.push(Consumer::new(host, (topic.name.clone(), index)));
            }
        }
    }

    pub(crate) fn draw_habits(&mut self) -> Vec<Habits> {
        let [idempotent, all, one] = Habits::ALL;
        let mut habits = vec![idempotent];
        for more in [all, one] {
            habits.extend(self.workload_rng.chance(1, 2).then_some(more));
        }
        habits
    }

    pub(crate) fn named(&mut self, partition: PartitionId) -> u32 {
        let next = self.names.len() as u32;
        *self.names.entry(partition).or_insert(next)
    }

    /// The partition's number in the history, if it has one.
    pub(crate) fn name_of(&self, partition: PartitionId) -> Option<u32> {
        self.names.get(&partition).copied()
    }

    /// The metadata that a client gets now: of any broker that it reaches.
    pub(crate) fn metadata(&mut self, client: u32) -> Option<Image> {
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

    pub(crate) fn clients(&mut self) {
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

    pub(crate) fn find(&self, (topic, index): &(String, i32)) -> Option<PartitionId> {
        let topic = self.quorum.image().topics().by_name(topic)?;
        topic.partition(*index).map(|_| PartitionId { topic: topic.id, index: *index })
    }

    pub(crate) fn create_missing_topics(&mut self) {
        for topic in self.plan.topics.clone() {
            let live = self.quorum.image().brokers().alive().count();
            let missing = self.quorum.image().topics().by_name(&topic.name).is_none();
            let needed = usize::try_from(topic.replicas).unwrap_or(topic.assignment.len());
            if missing && live >= needed {
                self.quorum.create_topic(&topic, self.now_ms);
            }
        }
    }

    pub(crate) fn fulfil(&mut self, client: u32, wishes: Wishes) {
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
                if from_ms < *at_ms {
                    found.push(Seen::Fenced { broker, from_ms: from_ms + 1, until_ms: *at_ms });
                }
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
