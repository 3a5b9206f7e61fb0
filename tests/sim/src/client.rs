//! Clients: producers and consumers of one partition each, with the habits of the stock ones.
//!
//! A producer keeps up to five batches under way on one connection. When anything goes wrong it opens another
//! connection, looks up the leader again and sends everything that was not acknowledged once more, in order;
//! what it had sent before may still arrive. A producer without idempotence tries once: what it is not told of
//! has an unknown fate.

use std::collections::VecDeque;

use bytes::Bytes;
use rkafka_checker::{Event, Outcome, Partition, Poll, Promise, Send, Value};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::Image;
use rkafka_log::disk::mem::SimRng;
use rkafka_record::{BatchBuilder, BatchOptions, Batches, DecodeLimits, Record};

use crate::message::{Body, ConsumeError, Consumed, ProduceError};

/// The key of all records that nobody was promised to find again: those written with acks=1. Every other record has
/// a key of its own.
pub(crate) const SHARED_KEY: &[u8] = b"shared";

/// What a producer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Habits {
    /// acks: 1, or -1 for all.
    pub(crate) acks: i16,
    /// Whether repeated batches are recognised; only with acks=-1.
    pub(crate) idempotent: bool,
}

impl Habits {
    /// Idempotent; acks=all without idempotence; acks=1.
    pub(crate) const ALL: [Habits; 3] = [
        Habits { acks: -1, idempotent: true },
        Habits { acks: -1, idempotent: false },
        Habits { acks: 1, idempotent: false },
    ];
}

#[derive(Debug)]
struct InFlight {
    value: Value,
    batch: Bytes,
    invoked_ms: u64,
    /// It is under way on the present connection.
    sent: bool,
}

/// A producer of one partition.
#[derive(Debug)]
pub(crate) struct Producer {
    /// Its host.
    pub(crate) host: u32,
    /// The topic's name and the partition's number.
    pub(crate) target: (String, i32),
    habits: Habits,
    /// The partition as it was when this producer's present instance began.
    partition: Option<PartitionId>,
    /// Numbers the instances of all producers: the producer id and the name of its values.
    number: u32,
    next_sequence: u64,
    in_flight: VecDeque<InFlight>,
    /// Something was acknowledged: more than one may be under way.
    begun: bool,
    /// The connection it sends on.
    pub(crate) connection: u64,
    leader: Option<BrokerId>,
    retry_at_ms: u64,
    heard_ms: u64,
    next_value_ms: u64,
    /// How many values more it writes.
    pub(crate) quota: u64,
}

/// What a client wants done.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Messages to brokers.
    pub(crate) messages: Vec<(BrokerId, Body)>,
    /// For the history.
    pub(crate) events: Vec<Event>,
    /// What must not be.
    pub(crate) violation: Option<String>,
}

impl Producer {
    /// A producer that has not begun.
    pub(crate) fn new(host: u32, target: (String, i32), habits: Habits) -> Self {
        Producer {
            host,
            target,
            habits,
            partition: None,
            number: 0,
            next_sequence: 0,
            in_flight: VecDeque::new(),
            begun: false,
            connection: 0,
            leader: None,
            retry_at_ms: 0,
            heard_ms: 0,
            next_value_ms: 0,
            quota: u64::MAX,
        }
    }

    /// The partition it writes to, once it has begun.
    pub(crate) fn partition(&self) -> Option<PartitionId> {
        self.partition
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Forgets everything, as a crash does, and begins as another one.
    pub(crate) fn begin(
        &mut self,
        number: u32,
        partition: PartitionId,
        named: Partition,
        now_ms: u64,
    ) -> Vec<Event> {
        let events = self.give_up(named, now_ms);
        self.partition = Some(partition);
        (self.number, self.next_sequence, self.begun) = (number, 0, false);
        events
    }

    fn give_up(&mut self, named: Partition, now_ms: u64) -> Vec<Event> {
        self.connection += 1;
        self.leader = None;
        let gone = std::mem::take(&mut self.in_flight);
        gone.into_iter().map(|sent| self.ended(&sent, Outcome::Unknown, named, None, now_ms)).collect()
    }

    fn ended(
        &self,
        sent: &InFlight,
        outcome: Outcome,
        partition: Partition,
        acknowledged_by: Option<(u32, u64)>,
        now_ms: u64,
    ) -> Event {
        Event::Send(Send {
            partition,
            value: sent.value,
            promise: Promise { durable: self.habits.acks == -1, idempotent: self.habits.idempotent },
            transaction: None,
            invoked_ms: sent.invoked_ms,
            completed_ms: now_ms,
            acknowledged_by,
            outcome,
        })
    }

    /// Time has passed. `image` is what the client learns if it asks for metadata now.
    pub(crate) fn on_tick(
        &mut self,
        now_ms: u64,
        writes: bool,
        image: Option<&Image>,
        named: Partition,
        rng: &mut SimRng,
    ) -> Wishes {
        const REQUEST_MS: u64 = 900;
        let mut wishes = Wishes::default();
        let Some(partition) = self.partition else { return wishes };
        if !self.in_flight.is_empty() && now_ms > self.heard_ms + REQUEST_MS && now_ms >= self.retry_at_ms {
            self.fail(now_ms, named, &mut wishes);
        }
        if now_ms < self.retry_at_ms {
            return wishes;
        }
        if self.leader.is_none() {
            let topic = image.and_then(|image| image.topics().by_id(partition.topic));
            self.leader = topic.and_then(|topic| topic.partition(partition.index)?.leader);
            if self.leader.is_none() {
                self.retry_at_ms = now_ms + 50;
                return wishes;
            }
        }
        let window = if self.begun { 5 } else { 1 };
        let oldest = self.in_flight.front().map_or(self.next_sequence, |sent| sent.value.sequence);
        let room = self.quota > 0 && self.next_sequence - oldest < window;
        if writes && now_ms >= self.next_value_ms && room {
            self.quota -= 1;
            self.next_value_ms = now_ms + rng.next_u64() % 60;
            self.in_flight.push_back(self.new_value(now_ms));
            self.next_sequence += 1;
        }
        if let Some(leader) = self.leader {
            if self.in_flight.iter().all(|sent| !sent.sent) {
                self.heard_ms = now_ms;
            }
            for sent in self.in_flight.iter_mut().filter(|sent| !sent.sent) {
                sent.sent = true;
                let (value, batch, acks) = (sent.value, sent.batch.clone(), self.habits.acks);
                wishes.messages.push((leader, Body::Produce { partition, value, batch, acks }));
            }
        }
        wishes
    }

    fn new_value(&self, now_ms: u64) -> InFlight {
        let value = Value { producer: self.number, sequence: self.next_sequence };
        let mut options = BatchOptions::default();
        if self.habits.idempotent {
            options.producer_id = i64::from(self.number);
            options.producer_epoch = 0;
            options.base_sequence = self.next_sequence as i32;
        }
        let mut batch = BatchBuilder::new(options);
        let text = format!("{}.{}", value.producer, value.sequence);
        let key = if self.habits.acks == 1 { SHARED_KEY } else { text.as_bytes() };
        let added = batch.append(1_700_000_000_000, Some(key), Some(text.as_bytes()), &[]);
        let built = added.and_then(|_| batch.build()).expect("one small record");
        InFlight { value, batch: built, invoked_ms: now_ms, sent: false }
    }

    /// Another connection; everything again, or given up without idempotence.
    fn fail(&mut self, now_ms: u64, named: Partition, wishes: &mut Wishes) {
        (self.retry_at_ms, self.heard_ms) = (now_ms + 60, now_ms);
        if self.habits.idempotent {
            self.connection += 1;
            self.leader = None;
            self.in_flight.iter_mut().for_each(|sent| sent.sent = false);
        } else {
            wishes.events.extend(self.give_up(named, now_ms));
        }
    }

    /// A broker answered on the present connection. `may_forget`: producers of the partition may be unknown to a
    /// new leader.
    pub(crate) fn on_produced(
        &mut self,
        (broker, at_ms): (i32, u64),
        value: Value,
        result: Result<i64, ProduceError>,
        named: Partition,
        now_ms: u64,
        may_forget: bool,
    ) -> Wishes {
        let mut wishes = Wishes::default();
        let Some(place) = self.in_flight.iter().position(|sent| sent.value == value) else { return wishes };
        self.heard_ms = now_ms;
        let acknowledged_by = u32::try_from(broker).ok().map(|broker| (broker, at_ms));
        match result {
            Ok(offset) => {
                self.begun = true;
                if let Some(sent) = self.in_flight.remove(place) {
                    let outcome = Outcome::Acknowledged(Some(offset));
                    wishes.events.push(self.ended(&sent, outcome, named, acknowledged_by, now_ms));
                }
            }
            Err(ProduceError::NotEnoughReplicas | ProduceError::Storage) if !self.habits.idempotent => {
                if let Some(sent) = self.in_flight.remove(place) {
                    wishes.events.push(self.ended(&sent, Outcome::Failed, named, None, now_ms));
                }
                self.fail(now_ms, named, &mut wishes);
            }
            Err(ProduceError::OldSequence) if place == 0 => {
                if let Some(sent) = self.in_flight.remove(place) {
                    wishes.events.push(self.ended(&sent, Outcome::Unknown, named, None, now_ms));
                }
            }
            Err(ProduceError::OutOfOrderSequence) if place == 0 && self.begun && !may_forget => {
                wishes.violation =
                    Some(format!("{value}: out of order, although all before it were acknowledged"));
            }
            Err(_) => self.fail(now_ms, named, &mut wishes),
        }
        wishes
    }
}

/// A consumer of one partition.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// Its host.
    pub(crate) host: u32,
    /// The topic's name and the partition's number.
    pub(crate) target: (String, i32),
    partition: Option<PartitionId>,
    position: i64,
    /// The connection it fetches on.
    pub(crate) connection: u64,
    leader: Option<BrokerId>,
    /// The newest leader epoch it has heard of. Older metadata is not believed, and the leader is asked for this
    /// epoch: a leader that woke up and does not know it is deposed would call offsets beyond its own log out of
    /// range, and its consumer would begin anew (KIP-320).
    leader_epoch: i32,
    asked_ms: Option<u64>,
    next_ms: u64,
}

impl Consumer {
    /// A consumer that has not begun.
    pub(crate) fn new(host: u32, target: (String, i32)) -> Self {
        Consumer {
            host,
            target,
            partition: None,
            position: 0,
            connection: 0,
            leader: None,
            leader_epoch: -1,
            asked_ms: None,
            next_ms: 0,
        }
    }

    /// The partition it reads.
    pub(crate) fn partition(&self) -> Option<PartitionId> {
        self.partition
    }

    /// Reads this partition from the start.
    pub(crate) fn begin(&mut self, partition: PartitionId) {
        self.partition = Some(partition);
        (self.position, self.leader_epoch) = (0, -1);
        self.give_up(0);
    }

    fn give_up(&mut self, next_ms: u64) {
        self.connection += 1;
        (self.leader, self.asked_ms, self.next_ms) = (None, None, next_ms);
    }

    /// Time has passed.
    pub(crate) fn on_tick(&mut self, now_ms: u64, image: Option<&Image>) -> Option<(BrokerId, Body)> {
        let partition = self.partition?;
        if self.asked_ms.is_some_and(|asked_ms| asked_ms + 700 < now_ms) {
            self.give_up(now_ms);
        }
        if self.asked_ms.is_some() || now_ms < self.next_ms {
            return None;
        }
        if self.leader.is_none() {
            let topic = image?.topics().by_id(partition.topic)?;
            let state = topic.partition(partition.index)?;
            if state.leader_epoch < self.leader_epoch {
                return None;
            }
            (self.leader, self.leader_epoch) = (state.leader, state.leader_epoch);
        }
        let leader = self.leader?;
        self.asked_ms = Some(now_ms);
        let current_leader_epoch = self.leader_epoch;
        Some((leader, Body::Consume { partition, offset: self.position, current_leader_epoch }))
    }

    /// A broker answered on the present connection. `committed_end`: so far is committed for sure.
    pub(crate) fn on_consumed(
        &mut self,
        offset: i64,
        result: &Result<Consumed, ConsumeError>,
        named: Partition,
        now_ms: u64,
        committed_end: i64,
    ) -> Wishes {
        let mut wishes = Wishes::default();
        if offset != self.position || self.asked_ms.is_none() {
            return wishes;
        }
        self.asked_ms = None;
        match result {
            Ok(consumed) => {
                let records = values(&consumed.records, self.position);
                self.next_ms = now_ms + if records.is_empty() { 60 } else { 5 };
                self.position = self.position.max(consumed.next_offset);
                wishes.events.push(Event::Poll(Poll {
                    consumer: self.host,
                    partition: named,
                    records,
                    committed_only: false,
                    transaction: None,
                    high_watermark: Some((consumed.leader_epoch, consumed.high_watermark)),
                }));
                if self.position > committed_end {
                    let position = self.position;
                    wishes.violation =
                        Some(format!("a consumer is at {position}, committed are {committed_end}"));
                }
            }
            Err(ConsumeError::OutOfRange { log_start_offset }) if *log_start_offset > self.position => {
                self.position = *log_start_offset;
                wishes.events.push(Event::Reset { consumer: self.host, partition: named });
                self.next_ms = now_ms;
            }
            Err(ConsumeError::OutOfRange { log_start_offset }) => {
                let position = self.position;
                wishes.violation = Some(format!(
                    "a consumer at {position} is out of range, the log starts at {log_start_offset}"
                ));
            }
            Err(ConsumeError::NotLeader) => self.give_up(now_ms + 50),
        }
        wishes
    }
}

/// The values of whole batches, from an offset on.
pub(crate) fn values(batches: &[u8], from: i64) -> Vec<(i64, Value)> {
    values_of(batches, from, |_| true)
}

/// The same, of records with a wanted key.
pub(crate) fn values_of(batches: &[u8], from: i64, wanted: impl Fn(&[u8]) -> bool) -> Vec<(i64, Value)> {
    let mut found = Vec::new();
    for batch in Batches::new(batches).flatten() {
        let Ok(decoded) = batch.decode(DecodeLimits::default()) else { continue };
        let here = |record: &Record<'_>| record.offset >= from && wanted(record.key.unwrap_or_default());
        for record in decoded.records().flatten().filter(here) {
            let text = record.value.and_then(|value| std::str::from_utf8(value).ok());
            let parts = text.and_then(|text| text.split_once('.'));
            if let Some((Ok(producer), Ok(sequence))) = parts.map(|(a, b)| (a.parse(), b.parse())) {
                found.push((record.offset, Value { producer, sequence }));
            }
        }
    }
    found
}
