//! The core against a model of a cluster that loses connections, moves leaders, delays requests and refuses
//! batches: whatever happens, a partition holds what was acknowledged, once and in order.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use rkafka_record::{BatchRef, Codec, DecodeLimits};
use rkafka_wire::ErrorCode;

use super::*;
use crate::producer::delivery::Delivery;
use crate::producer::record::{Record, RecordMetadata};
use crate::producer::request::{Addressed, seal};

const NODES: usize = 3;
const PARTITIONS: usize = 3;

fn settings(seed: u64) -> Settings {
    Settings {
        batch_size: 200,
        linger_ms: 5,
        buffer_memory: 3000,
        max_request_size: 500,
        max_in_flight: 5,
        retries: u32::MAX,
        retry_backoff_ms: 10,
        retry_backoff_max_ms: 50,
        delivery_timeout_ms: 4000,
        availability_timeout_ms: 0,
        compression: Compression::default(),
        idempotent: true,
        partitioner: Partitioner::BuiltIn,
        ignore_keys: false,
        adaptive: true,
        seed,
    }
}

/// What a leader remembers of a producer, as Kafka's `ProducerStateEntry`.
#[derive(Clone, Default)]
struct Remembered {
    epoch: i16,
    last_sequence: i32,
    /// First and last sequence and base offset of the last five batches.
    window: VecDeque<(i32, i32, i64)>,
}

#[derive(Default)]
struct Log {
    values: Vec<u64>,
    producers: BTreeMap<i64, Remembered>,
    leader: usize,
    epoch: i32,
    /// Whether a producer that is not known may begin with any number, as since Kafka 2.4.
    is_lenient: bool,
}

/// A request on its way to a broker.
struct Wire {
    batches: Vec<Addressed>,
}

#[derive(Default)]
struct Connection {
    requests: VecDeque<Wire>,
    answers: VecDeque<Vec<(Sent, Outcome)>>,
}

#[derive(Clone, Copy)]
struct Faults {
    losses: bool,
    refusals: bool,
    forgetful: bool,
    /// Batches larger than this are refused.
    batch_size_max: usize,
    /// The epoch that producer ids come with.
    first_epoch: i16,
}

/// So few epochs are left that another producer id is needed soon.
const LAST_EPOCHS: i16 = i16::MAX - 3;

struct World {
    core: Core,
    random: fastrand::Rng,
    now_ms: u64,
    logs: Vec<Log>,
    connections: Vec<Option<Connection>>,
    /// Requests of lost connections that may still arrive.
    late: Vec<(usize, Wire)>,
    deliveries: Vec<(u64, Delivery)>,
    next_value: u64,
    faults: Faults,
}

impl World {
    fn new(settings: Settings, faults: Faults) -> World {
        let seed = settings.seed;
        let is_lenient = !faults.forgetful;
        let log = |at: usize| Log { leader: at % NODES, is_lenient, ..Log::default() };
        let mut world = World {
            core: Core::new(settings),
            random: fastrand::Rng::with_seed(seed),
            now_ms: 0,
            logs: (0..PARTITIONS).map(log).collect(),
            connections: (0..NODES).map(|_| None).collect(),
            late: Vec::new(),
            deliveries: Vec::new(),
            next_value: 0,
            faults,
        };
        world.tell_metadata();
        world
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.u32(..one_in) == 0
    }

    fn tell_metadata(&mut self) {
        let leaders = self.logs.iter().map(|log| (Some(log.leader as i32), log.epoch)).collect();
        self.core.metadata_is_fresh();
        self.core.update_topic(&TopicUpdate { name: "test", id: Uuid::from_u128(1), leaders });
    }

    /// Sends a record if there is room.
    fn send(&mut self) {
        if self.core.is_closed {
            return;
        }
        let value = self.next_value.to_string();
        let padding = "x".repeat(self.random.usize(..60));
        let headers = [rkafka_record::Header { key: padding.as_bytes(), value: None }];
        let mut record = Record::to("test").value(&value).headers(&headers);
        if self.random.bool() {
            record = record.partition(self.random.i32(0..PARTITIONS as i32));
        }
        match self.core.append(self.now_ms, self.now_ms as i64, &record) {
            Ok(Appended::Queued { delivery, .. }) => {
                self.deliveries.push((self.next_value, delivery));
                self.next_value += 1;
            }
            Ok(Appended::NeedsMemory(_)) => {}
            other => panic!("{other:?}"),
        }
        assert!(self.core.memory_used <= self.core.settings.buffer_memory, "buffer.memory is a bound");
    }

    /// What the sender does, without waiting for anything.
    fn work(&mut self) {
        loop {
            let work = self.core.poll(self.now_ms);
            self.tell();
            if work.needs_producer_id {
                let id = self.random.i64(1..1000);
                self.core.set_producer_id(id, self.faults.first_epoch);
            }
            if work.needs_metadata && self.chance(3) {
                self.tell_metadata();
            }
            for node in work.connect {
                self.connections[node as usize].get_or_insert_default();
                self.core.set_connected(node, true);
            }
            if work.requests.is_empty() {
                return;
            }
            for request in work.requests {
                assert!(request.batches.len() <= PARTITIONS);
                let sealed = request.batches.into_iter().map(seal);
                let batches = sealed.map(|(batch, error)| (batch, assert_eq!(error, None)).0).collect();
                let connection = self.connections[request.node as usize].as_mut().expect("connected");
                connection.requests.push_back(Wire { batches });
                assert!(connection.requests.len() + connection.answers.len() <= 5, "in flight");
            }
        }
    }

    fn tell(&mut self) {
        self.core.take_resolved().into_iter().for_each(Resolved::tell);
    }

    /// One thing happens somewhere.
    fn step(&mut self) {
        self.now_ms += self.random.u64(..8);
        let node = self.random.usize(..NODES);
        match self.random.u32(..100) {
            0..30 => self.send(),
            30..60 => self.arrive(node),
            60..90 => self.answer(node),
            90..93 if self.faults.losses => self.disconnect(node),
            93..95 if self.faults.losses => {
                let at = self.random.usize(..PARTITIONS);
                let log = &mut self.logs[at];
                (log.leader, log.epoch) = (node, log.epoch + 1);
            }
            95..97 if !self.late.is_empty() => {
                let (node, wire) = self.late.remove(0);
                let _ = self.process(node, &wire);
            }
            97 if self.faults.forgetful => {
                let at = self.random.usize(..PARTITIONS);
                self.logs[at].producers.clear();
            }
            _ => {}
        }
        self.work();
    }

    fn arrive(&mut self, node: usize) {
        let Some(wire) = self.connections[node].as_mut().and_then(|open| open.requests.pop_front()) else {
            return;
        };
        let answer = self.process(node, &wire);
        if let Some(connection) = &mut self.connections[node] {
            connection.answers.push_back(answer);
        }
    }

    fn answer(&mut self, node: usize) {
        let answer = self.connections[node].as_mut().and_then(|open| open.answers.pop_front());
        if let Some(answer) = answer {
            self.core.finish_request(self.now_ms, node as i32, answer);
            self.tell();
        }
    }

    /// The connection breaks: what was answered or not is lost, what was not read yet may be so later.
    fn disconnect(&mut self, node: usize) {
        let Some(connection) = self.connections[node].take() else { return };
        self.core.set_connected(node as i32, false);
        let lost =
            |sent: Sent| (sent, Outcome::Lost(ProduceError::Client(crate::error::ClientError::NoController)));
        for answer in connection.answers {
            let outcomes: Vec<_> = answer.into_iter().map(|(sent, _)| lost(sent)).collect();
            self.core.finish_request(self.now_ms, node as i32, outcomes);
        }
        let may_arrive = self.random.bool();
        for wire in connection.requests {
            let outcomes: Vec<_> = wire.batches.iter().map(|batch| lost(batch.sent.clone())).collect();
            self.core.finish_request(self.now_ms, node as i32, outcomes);
            if may_arrive {
                self.late.push((node, wire));
            }
        }
        self.tell();
    }

    fn process(&mut self, node: usize, wire: &Wire) -> Vec<(Sent, Outcome)> {
        let answers = wire.batches.iter().map(|batch| (batch.sent.clone(), self.store(node, batch)));
        answers.collect::<Vec<_>>()
    }

    /// A leader takes or refuses a batch by Kafka's rules.
    fn store(&mut self, node: usize, batch: &Addressed) -> Outcome {
        let refused = |code: ErrorCode, leader| {
            let error = ApiError { code, message: code.message().to_owned() };
            Outcome::Refused { error, log_start_offset: Some(0), leader }
        };
        let (before, after) = (self.chance(40), self.chance(40));
        let log = &mut self.logs[batch.partition as usize];
        if log.leader != node {
            let hint = LeaderHint { leader: log.leader as i32, epoch: log.epoch };
            return refused(ErrorCode::NotLeaderOrFollower, before.then_some(hint));
        }
        let bytes = batch.sent.bytes.as_ref().expect("sealed");
        if bytes.len() > self.faults.batch_size_max {
            return refused(ErrorCode::MessageTooLarge, None);
        }
        if self.faults.losses && before {
            return refused(ErrorCode::NotEnoughReplicas, None);
        }
        let view = BatchRef::parse(bytes).unwrap();
        view.check_crc().unwrap();
        // For what it holds, as brokers do: each copy of the batch is refused, whenever it comes.
        if self.faults.refusals && values(&view)[0].is_multiple_of(80) {
            return refused(ErrorCode::InvalidRecord, None);
        }
        let base_offset = match log.take(&view) {
            Ok(base_offset) => base_offset,
            Err(code) => return refused(code, None),
        };
        if self.faults.losses && after {
            return refused(ErrorCode::NotEnoughReplicasAfterAppend, None);
        }
        Outcome::Stored { base_offset: Some(base_offset), log_append_time_ms: None }
    }

    /// No more faults: everything gets its result.
    fn settle(&mut self) {
        self.faults = Faults { losses: false, refusals: false, forgetful: false, ..self.faults };
        self.core.close();
        for _ in 0..100_000 {
            self.step();
            self.tell_metadata();
            if self.core.poll(self.now_ms).is_finished {
                self.tell();
                assert_eq!(self.core.memory_used, 0);
                return;
            }
        }
        panic!("not everything got its result: {:?}", self.core);
    }

    fn results(&mut self) -> Vec<(u64, Result<RecordMetadata, ProduceError>)> {
        let mut context = Context::from_waker(Waker::noop());
        let deliveries = std::mem::take(&mut self.deliveries).into_iter();
        let polled = deliveries.map(|(value, delivery)| match pin!(delivery).poll(&mut context) {
            Poll::Ready(result) => (value, result),
            Poll::Pending => panic!("{value} has no result"),
        });
        polled.collect()
    }
}

impl Log {
    /// What `ProducerStateManager` and `UnifiedLog` do.
    fn take(&mut self, batch: &BatchRef<'_>) -> Result<i64, ErrorCode> {
        let base_offset = self.values.len() as i64;
        if batch.has_producer_id() {
            let (first, last) = (batch.base_sequence(), batch.last_sequence());
            match self.producers.get(&batch.producer_id()) {
                None if first != 0 && !self.is_lenient => return Err(ErrorCode::UnknownProducerId),
                None => {}
                Some(known) if batch.producer_epoch() < known.epoch => {
                    return Err(ErrorCode::InvalidProducerEpoch);
                }
                Some(known) if batch.producer_epoch() > known.epoch && first != 0 => {
                    return Err(ErrorCode::OutOfOrderSequenceNumber);
                }
                Some(known) if batch.producer_epoch() > known.epoch => {}
                Some(known) => {
                    let stored = known.window.iter().find(|entry| (entry.0, entry.1) == (first, last));
                    if let Some((.., base_offset)) = stored {
                        return Ok(*base_offset);
                    }
                    if first != rkafka_record::batch::increment_sequence(known.last_sequence, 1) {
                        return Err(ErrorCode::OutOfOrderSequenceNumber);
                    }
                }
            }
            let entry = self.producers.entry(batch.producer_id()).or_default();
            if entry.epoch != batch.producer_epoch() {
                *entry = Remembered { epoch: batch.producer_epoch(), ..Remembered::default() };
            }
            entry.last_sequence = last;
            entry.window.push_back((first, last, base_offset));
            if entry.window.len() > 5 {
                entry.window.pop_front();
            }
        }
        self.values.extend(values(batch));
        Ok(base_offset)
    }
}

/// What the records of a batch say.
fn values(batch: &BatchRef<'_>) -> Vec<u64> {
    let decoded = batch.decode(DecodeLimits::default()).unwrap();
    let values = decoded.records().map(|record| {
        let value = record.unwrap().value.unwrap();
        std::str::from_utf8(value).unwrap().parse().unwrap()
    });
    values.collect()
}

/// Runs a scenario to its end; gives how many records were stored and how many failed.
fn run(settings: Settings, faults: Faults, steps: usize) -> (usize, usize) {
    let is_exact = settings.idempotent && !faults.forgetful;
    let mut world = World::new(settings, faults);
    (0..steps).for_each(|_| world.step());
    world.settle();
    let mut counts = (0, 0);
    for (value, result) in world.results() {
        match result {
            Ok(stored) => {
                let log = &world.logs[stored.partition as usize].values;
                match stored.offset {
                    Some(offset) => assert_eq!(log[offset as usize], value),
                    None => assert!(log.contains(&value)),
                }
                counts.0 += 1;
            }
            Err(_) => counts.1 += 1,
        }
    }
    if is_exact {
        for log in &world.logs {
            // Rising without equals: in order and without duplicates, also of what failed.
            assert!(log.values.is_sorted_by(|a, b| a < b), "{:?}", log.values);
        }
    }
    counts
}

const NO_FAULTS: Faults =
    Faults { losses: false, refusals: false, forgetful: false, batch_size_max: usize::MAX, first_epoch: 0 };

proptest! {
    // A seed does not get simpler by getting smaller.
    #![proptest_config(ProptestConfig {
        cases: 64,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn once_and_in_order(seed: u64, refusals: bool, small: bool) {
        let batch_size_max = if small { 150 } else { usize::MAX };
        // After a refusal an earlier copy may still arrive; only the epochs of one producer id fence it.
        let first_epoch = if refusals { 0 } else { LAST_EPOCHS };
        let faults = Faults { losses: true, refusals, forgetful: false, batch_size_max, first_epoch };
        run(settings(seed), faults, 1500);
    }

    #[test]
    fn compressed_batches(seed: u64, small: bool) {
        let compression = Codec::Lz4.into();
        let batch_size_max = if small { 180 } else { usize::MAX };
        let faults = Faults { losses: true, refusals: false, forgetful: false, batch_size_max, first_epoch: 0 };
        run(Settings { compression, ..settings(seed) }, faults, 800);
    }

    /// What is acknowledged is stored, whatever brokers forget and whatever the settings.
    #[test]
    fn acknowledged_means_stored(seed: u64, idempotent: bool, retries in 0..3_u32) {
        let retries = if idempotent { u32::MAX } else { retries };
        let faults = Faults { losses: true, refusals: true, forgetful: true, batch_size_max: 150, first_epoch: LAST_EPOCHS };
        run(Settings { idempotent, retries, ..settings(seed) }, faults, 800);
    }

    /// Old batches expire while others go on. What arrives late is fenced by the epoch, as long as the
    /// producer id stays: with the next id nobody could.
    #[test]
    fn expiry_keeps_order(seed: u64) {
        let faults = Faults { losses: true, refusals: true, forgetful: false, batch_size_max: usize::MAX, first_epoch: 0 };
        run(Settings { delivery_timeout_ms: 150, ..settings(seed) }, faults, 1500);
    }

    #[test]
    fn one_request_in_flight_keeps_order_without_idempotence(seed: u64) {
        let settings = Settings { idempotent: false, max_in_flight: 1, ..settings(seed) };
        let (stored, failed) = run(settings, NO_FAULTS, 800);
        prop_assert!(stored > 0 && failed == 0);
    }
}

#[test]
fn nothing_fails_without_faults() {
    for seed in 0..20 {
        let (stored, failed) = run(settings(seed), NO_FAULTS, 1000);
        assert!(stored > 100 && failed == 0, "{stored} {failed}");
    }
}

/// An answer that names the new leader is followed at once (KIP-951); without a name the cluster is asked.
#[test]
fn a_named_leader_is_tried_at_once() {
    for hint in [Some(LeaderHint { leader: 1, epoch: 2 }), Some(LeaderHint { leader: 1, epoch: 0 }), None] {
        let mut core = Core::new(settings(1));
        let id = Uuid::nil();
        core.update_topic(&TopicUpdate { name: "t", id, leaders: vec![(Some(0), 1)] });
        core.set_producer_id(7, 0);
        (0..2).for_each(|node| core.set_connected(node, true));
        let appended = core.append(0, 0, &Record::to("t").value("x")).unwrap();
        assert!(matches!(appended, Appended::Queued { .. }));
        let mut work = core.poll(10);
        let request = work.requests.remove(0);
        assert_eq!(request.node, 0);
        let (sealed, _) = seal(request.batches.into_iter().next().unwrap());
        let error = ApiError { code: ErrorCode::NotLeaderOrFollower, message: String::new() };
        let refused = Outcome::Refused { error, log_start_offset: None, leader: hint };
        core.finish_request(11, 0, [(sealed.sent, refused)]);
        let work = core.poll(11);
        let is_newer = hint.is_some_and(|hint| hint.epoch > 1);
        assert_eq!(work.needs_metadata, !is_newer, "{hint:?}");
        let nodes: Vec<i32> = work.requests.iter().map(|request| request.node).collect();
        assert_eq!(nodes, if is_newer { vec![1] } else { vec![] }, "{hint:?}");
    }
}
