//! The consumer's core against a model: positions neither skip nor repeat.

use std::time::Duration;

use super::*;
use crate::metadata::{PartitionMetadata, TopicMetadata};
use crate::topic_id::TopicId;

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn metadata(leader: i32, leader_epoch: i32) -> Arc<Metadata> {
    let partition = PartitionMetadata {
        index: 0,
        error: ErrorCode::None,
        leader: Some(leader),
        leader_epoch: Some(leader_epoch),
        replicas: vec![],
        isr: vec![],
        offline_replicas: vec![],
    };
    let topic = TopicMetadata {
        name: "t".into(),
        id: TopicId::from(uuid::Uuid::from_u128(1)),
        is_internal: false,
        partitions: vec![partition],
    };
    Arc::new(Metadata {
        cluster_id: None,
        controller: None,
        brokers: BTreeMap::new(),
        topics: [("t".to_owned(), topic)].into(),
        errors: BTreeMap::new(),
    })
}

/// A consumer without a group that reads partition 0 and knows its leader.
fn core(reset: AutoOffsetReset, now: Instant) -> Core {
    let config = ConsumerConfig::new("a:1").unwrap().with_auto_offset_reset(reset);
    let mut core = Core::new(Arc::new(config), now);
    core.subscriptions.interest = Interest::Assigned;
    core.subscriptions.set_assigned(&[tp()].into(), true);
    know(&mut core, now, 1, 5);
    core
}

/// Answers the question about metadata that is due.
fn know(core: &mut Core, now: Instant, leader: i32, epoch: i32) -> Vec<Question> {
    let mut questions = core.step(now);
    let at = questions.iter().position(|question| matches!(question, Question::Metadata(_)));
    let Question::Metadata(topics) = questions.remove(at.expect("a question about metadata")) else {
        panic!()
    };
    core.answer(now, Answer::Metadata(topics, Ok(metadata(leader, epoch))));
    questions
}

fn phase(core: &Core) -> Phase {
    core.subscriptions.get(&tp()).unwrap().phase
}

/// A position read under epoch 5, and a leader of epoch 6: the question about its end.
fn checked(reset: AutoOffsetReset, now: Instant) -> (Core, Vec<Lookup<Position>>) {
    let mut core = core(reset, now);
    core.step(now);
    let position = Position { offset: 100, leader_epoch: Some(5) };
    core.subscriptions.restart(&tp(), Phase::Ready(position));
    core.subscriptions.leader_epoch(&tp(), 5);
    core.view.invalidate();
    let later = now + Duration::from_secs(1);
    know(&mut core, later, 2, 6);
    assert_eq!(phase(&core), Phase::Check(position));
    let questions = core.step(later);
    let lookups = questions.into_iter().find_map(|question| match question {
        Question::Epochs(2, lookups) => Some(lookups),
        _ => None,
    });
    core.errors.clear();
    (core, lookups.expect("the new leader is asked"))
}

fn end(offset: i64, epoch: Option<i32>) -> Option<Told<Position>> {
    Some([(tp(), Ok(Position { offset, leader_epoch: epoch }))].into())
}

#[test]
fn a_position_that_holds() {
    let now = Instant::now();
    for told in [end(100, Some(5)), end(150, Some(5)), None] {
        let (mut core, lookups) = checked(AutoOffsetReset::None, now);
        core.answer(now, Answer::Epochs(lookups, Ok(told)));
        assert_eq!(phase(&core), Phase::Ready(Position { offset: 100, leader_epoch: Some(5) }));
        assert_eq!(core.errors, []);
    }
}

/// KIP-320: what was read beyond offset 80 was lost with the old leader.
#[test]
fn a_truncated_log() {
    let now = Instant::now();
    let (mut core, lookups) = checked(AutoOffsetReset::Earliest, now);
    core.answer(now, Answer::Epochs(lookups, Ok(end(80, Some(4)))));
    assert_eq!(phase(&core), Phase::Ready(Position { offset: 80, leader_epoch: Some(4) }));

    let (mut core, lookups) = checked(AutoOffsetReset::Latest, now);
    core.answer(now, Answer::Epochs(lookups, Ok(end(-1, None))));
    assert_eq!(phase(&core), Phase::Reset(ResetTo::Latest));

    let (mut core, lookups) = checked(AutoOffsetReset::None, now);
    core.answer(now, Answer::Epochs(lookups, Ok(end(80, Some(4)))));
    let lost = ConsumerError::LogTruncation { partition: tp(), offset: 100, divergent: Some(80) };
    assert_eq!(core.errors, [lost]);
}

#[test]
fn where_a_partition_begins() {
    let now = Instant::now();
    let lookups = |questions: Vec<Question>| {
        questions.into_iter().find_map(|question| match question {
            Question::Offsets(1, lookups) => Some(lookups),
            _ => None,
        })
    };
    // No record is that young: at the end, then.
    let mut core = core(AutoOffsetReset::ByDuration(Duration::from_secs(60)), now);
    let asked = lookups(core.step(now)).expect("the leader is asked");
    assert_eq!(asked[0].what, ResetTo::Ago(Duration::from_secs(60)));
    core.answer(now, Answer::Offsets(asked, Ok([(tp(), Ok(None))].into())));
    let asked = lookups(core.step(now)).expect("the leader is asked again");
    assert_eq!(asked[0].what, ResetTo::Latest);
    // A broker that leads no more: another answer later.
    let code = ErrorCode::NotLeaderOrFollower;
    let refused = ApiError { code, message: String::new() };
    core.answer(now, Answer::Offsets(asked, Ok([(tp(), Err(refused))].into())));
    assert!(lookups(core.step(now)).is_none(), "not at once");
    let later = core.next_deadline(now).unwrap();
    let asked = lookups(core.step(later)).expect("and again");
    let position = Position { offset: 7, leader_epoch: Some(5) };
    core.answer(later, Answer::Offsets(asked, Ok([(tp(), Ok(Some(position)))].into())));
    assert_eq!(phase(&core), Phase::Ready(position));
    assert!(core.step(later).iter().any(|question| matches!(question, Question::Fetch(_))));
}
