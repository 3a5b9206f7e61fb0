//! Fetching ahead keeps within its memory.

use proptest::prelude::*;
use rkafka_record::{BatchBuilder, BatchOptions};

use super::*;
use crate::consumer::subscription::{Partition, Phase};

fn config() -> ConsumerConfig {
    let mut config = ConsumerConfig::new("a:1").unwrap();
    config.max_partition_fetch_bytes = 1000;
    config.fetch_max_bytes = 2500;
    config
}

fn tp(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

/// Partitions 0 to `count` at offset 0; even ones are led by node 0, odd ones by node 1.
fn subscriptions(count: i32) -> Subscriptions {
    let mut subscriptions = Subscriptions::default();
    subscriptions.set_assigned(&(0..count).map(tp).collect(), true);
    for index in 0..count {
        subscriptions.restart(&tp(index), Phase::Ready(0.into()));
    }
    subscriptions
}

fn leader(partition: &TopicPartition) -> Option<Leader> {
    Some(Leader { node: partition.partition % 2, epoch: Some(1), topic_id: Uuid::from_u128(1) })
}

/// One batch of `size` bytes and a bit, with one record.
fn records(offset: i64, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset: offset, ..Default::default() });
    builder.append(0, None, Some(&vec![b'x'; size]), &[]).unwrap();
    builder.build().unwrap()
}

fn one(index: i32, code: ErrorCode, records: Bytes) -> FetchedPartition {
    FetchedPartition {
        partition: tp(index),
        code,
        high_watermark: 10,
        last_stable_offset: 10,
        log_start_offset: 0,
        aborted: Vec::new(),
        preferred_replica: None,
        leader: None,
        records,
    }
}

fn fetched(partitions: Vec<FetchedPartition>) -> Fetched {
    Fetched { session_id: 5, code: ErrorCode::None, partitions }
}

/// Nodes and partitions with offsets that are asked for.
fn shown(plans: &[Plan]) -> Vec<(i32, Vec<(i32, i64)>)> {
    let partitions = |plan: &Plan| {
        plan.asked.partitions.iter().map(|(partition, want)| (partition.partition, want.offset)).collect()
    };
    plans.iter().map(|plan| (plan.node, partitions(plan))).collect()
}

#[test]
fn one_request_a_broker_and_room_for_records() {
    let now = Instant::now();
    let (mut ahead, mut subscriptions) = (Ahead::new(&config()), subscriptions(3));
    let plans = ahead.plan(now, &subscriptions, leader);
    assert_eq!(shown(&plans), [(0, vec![(0, 0), (2, 0)]), (1, vec![(1, 0)])]);
    assert_eq!(ahead.plan(now, &subscriptions, leader), [], "both are busy");
    let answer = fetched(vec![one(0, ErrorCode::None, records(0, 500))]);
    assert_eq!(ahead.answered(now, &mut subscriptions, &plans[0], answer), []);
    // Fetched ahead of the program, which has taken nothing yet.
    let plans = ahead.plan(now, &subscriptions, leader);
    assert_eq!(shown(&plans), [(0, vec![(0, 1)])], "only what has changed is named");
    let answer = fetched(vec![one(0, ErrorCode::None, records(1, 700))]);
    ahead.answered(now, &mut subscriptions, &plans[0], answer);
    assert_eq!(ahead.plan(now, &subscriptions, leader), [], "no room: the broker is not asked at all");
    let taken = ahead.take(&mut subscriptions, 1).unwrap();
    assert_eq!(taken.iter().map(|record| record.offset).collect::<Vec<_>>(), [0]);
    assert_eq!(subscriptions.get(&tp(0)).unwrap().position().map(|position| position.offset), Some(1));
    assert_eq!(shown(&ahead.plan(now, &subscriptions, leader)), [(0, vec![(0, 2)])]);
}

#[test]
fn all_memory_is_bounded() {
    let now = Instant::now();
    let (mut ahead, mut subscriptions) = (Ahead::new(&config()), subscriptions(6));
    let plans = ahead.plan(now, &subscriptions, leader);
    let all = [0, 2, 4].map(|index| one(index, ErrorCode::None, records(0, 900)));
    ahead.answered(now, &mut subscriptions, &plans[0], fetched(all.into()));
    let odd = [1, 3, 5].map(|index| one(index, ErrorCode::None, records(0, 900)));
    ahead.answered(now, &mut subscriptions, &plans[1], fetched(odd.into()));
    assert!(ahead.bytes() > 2500);
    assert_eq!(ahead.plan(now, &subscriptions, leader), []);
    assert_eq!(ahead.take(&mut subscriptions, 100).unwrap().len(), 6);
    assert_eq!(ahead.bytes(), 0);
    assert_eq!(ahead.plan(now, &subscriptions, leader).len(), 2);
}

#[test]
fn late_answers_after_a_seek() {
    let now = Instant::now();
    let (mut ahead, mut subscriptions) = (Ahead::new(&config()), subscriptions(1));
    let plans = ahead.plan(now, &subscriptions, leader);
    subscriptions.restart(&tp(0), Phase::Ready(7.into()));
    let answer = fetched(vec![one(0, ErrorCode::None, records(0, 10))]);
    ahead.answered(now, &mut subscriptions, &plans[0], answer);
    assert!(!ahead.has_records(&subscriptions));
    let plans = ahead.plan(now, &subscriptions, leader);
    assert_eq!(shown(&plans), [(0, vec![(0, 7)])]);
    // Fetched, and then sought elsewhere before the program took it.
    let answer = fetched(vec![one(0, ErrorCode::None, records(7, 10))]);
    ahead.answered(now, &mut subscriptions, &plans[0], answer);
    assert!(ahead.has_records(&subscriptions));
    subscriptions.restart(&tp(0), Phase::Ready(3.into()));
    assert!(!ahead.has_records(&subscriptions));
    assert_eq!(ahead.take(&mut subscriptions, 10).unwrap(), []);
    assert_eq!(ahead.bytes(), 0);
}

#[test]
fn paused_partitions_keep_what_was_fetched() {
    let now = Instant::now();
    let (mut ahead, mut subscriptions) = (Ahead::new(&config()), subscriptions(1));
    let plans = ahead.plan(now, &subscriptions, leader);
    let answer = fetched(vec![one(0, ErrorCode::None, records(0, 10))]);
    ahead.answered(now, &mut subscriptions, &plans[0], answer);
    subscriptions.get_mut(&tp(0)).unwrap().paused = true;
    assert!(!ahead.has_records(&subscriptions));
    assert_eq!(ahead.take(&mut subscriptions, 10).unwrap(), []);
    assert_eq!(ahead.plan(now, &subscriptions, leader), []);
    subscriptions.get_mut(&tp(0)).unwrap().paused = false;
    assert_eq!(ahead.take(&mut subscriptions, 10).unwrap().len(), 1);
}

#[test]
fn errors() {
    let now = Instant::now();
    let check = |code: ErrorCode, expected: &[Finding]| {
        let (mut ahead, mut subscriptions) = (Ahead::new(&config()), subscriptions(1));
        let plans = ahead.plan(now, &subscriptions, leader);
        let findings =
            ahead.answered(now, &mut subscriptions, &plans[0], fetched(vec![one(0, code, Bytes::new())]));
        assert_eq!(findings, expected, "{code:?}");
        assert_eq!(ahead.plan(now, &subscriptions, leader), [], "not at once again");
        let later = ahead.next_deadline(now).unwrap();
        assert_eq!(ahead.plan(later, &subscriptions, leader).len(), 1);
    };
    let stale = [Finding::StaleMetadata(tp(0), None)];
    check(ErrorCode::NotLeaderOrFollower, &stale);
    check(ErrorCode::FencedLeaderEpoch, &stale);
    check(ErrorCode::UnknownTopicOrPartition, &stale);
    check(ErrorCode::OffsetOutOfRange, &[Finding::OutOfRange(tp(0), 0)]);
    let code = ErrorCode::TopicAuthorizationFailed;
    check(code, &[Finding::Refused(tp(0), code)]);
}

#[test]
fn a_replica_close_by() {
    let now = Instant::now();
    let (mut ahead, mut subscriptions) = (Ahead::new(&config()), subscriptions(1));
    let plans = ahead.plan(now, &subscriptions, leader);
    let mut hint = one(0, ErrorCode::None, Bytes::new());
    hint.preferred_replica = Some(9);
    ahead.answered(now, &mut subscriptions, &plans[0], fetched(vec![hint]));
    let plans = ahead.plan(now, &subscriptions, leader);
    assert_eq!(plans[0].node, 9);
    // It lags behind: the leader decides.
    let behind = one(0, ErrorCode::OffsetOutOfRange, Bytes::new());
    assert_eq!(ahead.answered(now, &mut subscriptions, &plans[0], fetched(vec![behind])), []);
    let plans = ahead.plan(now, &subscriptions, leader);
    assert_eq!(plans[0].node, 0);
    // It is named again, and gone: the leader is asked after a pause, not the replica until its name wears out.
    let mut hint = one(0, ErrorCode::None, Bytes::new());
    hint.preferred_replica = Some(9);
    ahead.answered(now, &mut subscriptions, &plans[0], fetched(vec![hint]));
    let plans = ahead.plan(now, &subscriptions, leader);
    assert_eq!(plans[0].node, 9);
    ahead.unanswered(now, &mut subscriptions, &plans[0]);
    assert_eq!(ahead.plan(now, &subscriptions, leader), []);
    assert_eq!(ahead.plan(now + Duration::from_secs(1), &subscriptions, leader)[0].node, 0);
}

/// A log of batches with the offsets that compaction left in each.
type Log = Vec<Vec<i64>>;

fn log() -> impl Strategy<Value = Log> {
    // Gaps before each record and batch.
    prop::collection::vec(prop::collection::vec(0_i64..3, 1..6), 1..12).prop_map(|gaps| {
        let mut next = 0;
        let mut offset = |gap: i64| {
            next += gap + 1;
            next - 1
        };
        gaps.into_iter().map(|batch| batch.into_iter().map(&mut offset).collect()).collect()
    })
}

/// What a broker answers to a fetch from `from`: at most `count` whole batches from the one that holds it on.
fn stored(log: &Log, from: i64, count: usize) -> Bytes {
    let batches = log.iter().filter(|batch| batch.last().is_some_and(|last| *last >= from)).take(count);
    let encoded = batches.map(|offsets| {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset: offsets[0], ..Default::default() });
        for offset in offsets {
            builder.append_at(*offset, 0, None, Some(&[b'x'; 100]), &[]).unwrap();
        }
        builder.build().unwrap().to_vec()
    });
    encoded.collect::<Vec<_>>().concat().into()
}

#[derive(Debug, Clone)]
enum Step {
    Plan,
    /// Answers the oldest request with so many batches for each partition it asks for.
    Answer(usize),
    Refuse,
    Lose,
    Take(usize),
    Pause(i32, bool),
    Seek(i32, i64),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Plan),
        4 => (0_usize..4).prop_map(Step::Answer),
        1 => Just(Step::Refuse),
        1 => Just(Step::Lose),
        4 => (1_usize..9).prop_map(Step::Take),
        1 => (0_i32..3, any::<bool>()).prop_map(|(index, paused)| Step::Pause(index, paused)),
        1 => (0_i32..3, 0_i64..20).prop_map(|(index, offset)| Step::Seek(index, offset)),
        2 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 0..150)
}

struct World {
    now: Instant,
    log: Log,
    ahead: Ahead,
    subscriptions: Subscriptions,
    asked: VecDeque<Plan>,
    /// The next offset that each partition has to bring, at the least.
    next: BTreeMap<TopicPartition, i64>,
}

impl World {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Plan => self.asked.extend(self.ahead.plan(self.now, &self.subscriptions, leader)),
            Step::Answer(count) => {
                let Some(plan) = self.asked.pop_front() else { return };
                let partition = |(asked, (_, from)): (&TopicPartition, &(u64, Position))| {
                    one(asked.partition, ErrorCode::None, stored(&self.log, from.offset, count))
                };
                let answer = fetched(plan.editions.iter().map(partition).collect());
                self.ahead.answered(self.now, &mut self.subscriptions, &plan, answer);
            }
            Step::Refuse => {
                let Some(plan) = self.asked.pop_front() else { return };
                let refused = |asked: &TopicPartition| {
                    one(asked.partition, ErrorCode::NotLeaderOrFollower, Bytes::new())
                };
                let answer = fetched(plan.editions.keys().map(refused).collect());
                self.ahead.answered(self.now, &mut self.subscriptions, &plan, answer);
            }
            Step::Lose => {
                let Some(plan) = self.asked.pop_front() else { return };
                self.ahead.unanswered(self.now, &mut self.subscriptions, &plan);
            }
            Step::Take(limit) => self.take(limit),
            Step::Pause(index, paused) => self.subscriptions.get_mut(&tp(index)).unwrap().paused = paused,
            Step::Seek(index, offset) => {
                self.subscriptions.restart(&tp(index), Phase::Ready(offset.into()));
                self.next.insert(tp(index), offset);
            }
            Step::Wait => self.now += Duration::from_secs(1),
        }
    }

    /// Each partition goes on with the very next record of the log; positions stand right behind.
    fn take(&mut self, limit: usize) {
        let taken = self.ahead.take(&mut self.subscriptions, limit).unwrap();
        assert!(taken.len() <= limit);
        for record in taken {
            let next = self.next.get_mut(&record.topic_partition()).unwrap();
            let expected = self.log.iter().flatten().find(|offset| **offset >= *next);
            assert_eq!(Some(&record.offset), expected, "neither skipped nor repeated");
            assert!(!self.subscriptions.get(&record.topic_partition()).unwrap().paused);
            *next = record.offset + 1;
        }
        for (partition, next) in &self.next {
            let position = self.subscriptions.get(partition).and_then(Partition::position).unwrap();
            let unread = self.log.iter().flatten().find(|offset| **offset >= *next);
            assert!(position.offset >= *next && unread.is_none_or(|unread| position.offset <= *unread));
        }
        let held: usize = self.ahead.lines.values().map(|line| line.bytes).sum();
        assert_eq!(self.ahead.bytes(), held);
    }
}

proptest! {
    /// Whatever brokers answer and the program does, each partition brings every record from its position on
    /// once and in order; and when nothing disturbs any more, all are brought.
    #[test]
    fn positions_never_skip_or_repeat(log in log(), steps in steps()) {
        let next = (0..3).map(|index| (tp(index), 0)).collect();
        let mut world = World {
            now: Instant::now(),
            log,
            ahead: Ahead::new(&config()),
            subscriptions: subscriptions(3),
            asked: VecDeque::new(),
            next,
        };
        steps.iter().for_each(|step| world.step(step));
        (0..3).for_each(|index| world.step(&Step::Pause(index, false)));
        for _ in 0..40 {
            for step in [Step::Wait, Step::Plan, Step::Answer(2), Step::Answer(2), Step::Take(100)] {
                world.step(&step);
            }
        }
        let end = world.log.iter().flatten().last().map_or(0, |last| last + 1);
        for next in world.next.values() {
            prop_assert!(*next >= end, "{} of {}", next, end);
        }
    }
}
