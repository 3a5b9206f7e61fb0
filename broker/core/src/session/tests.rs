//! Fetch sessions (KIP-227): an incremental fetch equals the full one.

use super::*;
use proptest::prelude::*;

const OLD: u64 = FetchSessions::EVICTION_MS + 1;

fn partition(topic: &str, partition: i32) -> FetchPartition {
    FetchPartition { topic: FetchTopic::Name(topic.into()), partition }
}

fn fetch_from(fetch_offset: i64) -> PartitionFetch {
    PartitionFetch {
        fetch_offset,
        max_bytes: 1 << 20,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
    }
}

fn request(session_id: i32, epoch: i32, partitions: &[(i32, i64)], forgotten: &[i32]) -> FetchRequest {
    FetchRequest {
        session_id,
        epoch,
        uses_topic_ids: false,
        from_follower: false,
        partitions: partitions.iter().map(|(p, offset)| (partition("t", *p), fetch_from(*offset))).collect(),
        forgotten: forgotten.iter().map(|p| partition("t", *p)).collect(),
    }
}

/// Nothing to read: high watermark 10, log start 0.
fn idle() -> PartitionOutcome {
    PartitionOutcome {
        has_records: false,
        high_watermark: 10,
        log_start_offset: 0,
        has_error: false,
        has_preferred_replica: false,
        has_diverging_epoch: false,
    }
}

/// Sends a full fetch of `count` partitions; the new session's id.
fn open(sessions: &mut FetchSessions, now_ms: u64, count: i32, from_follower: bool) -> i32 {
    let partitions: Vec<_> = (0..count).map(|p| (p, 0)).collect();
    let full = FetchRequest { from_follower, ..request(NO_SESSION, INITIAL_EPOCH, &partitions, &[]) };
    let context = sessions.begin(now_ms, full).unwrap();
    sessions.finish(now_ms, &context, &vec![idle(); partitions.len()], 7).session_id
}

/// Sends an incremental fetch with these outcomes by partition; the partitions in the answer, in order.
fn check(
    sessions: &mut FetchSessions,
    request: FetchRequest,
    outcome_of: impl Fn(i32) -> PartitionOutcome,
    expected_read: &[i32],
    expected_answered: &[i32],
) {
    let context = sessions.begin(0, request).unwrap();
    let read: Vec<i32> = context.partitions().iter().map(|(partition, _)| partition.partition).collect();
    assert_eq!(read, expected_read, "read");
    let outcomes: Vec<_> = read.iter().map(|partition| outcome_of(*partition)).collect();
    let answer = sessions.finish(0, &context, &outcomes, 7);
    assert_eq!(answer.error, None);
    let answered: Vec<i32> =
        read.iter().zip(&answer.included).filter(|(_, included)| **included).map(|(p, _)| *p).collect();
    assert_eq!(answered, expected_answered, "answered");
}

#[test]
fn only_news_are_answered() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 3, false);
    assert_eq!(id, 7);
    check(sessions, request(id, 1, &[], &[]), |_| idle(), &[0, 1, 2], &[]);
    let risen = |p| PartitionOutcome { high_watermark: if p == 1 { 11 } else { 10 }, ..idle() };
    check(sessions, request(id, 2, &[], &[]), risen, &[0, 1, 2], &[1]);
    check(sessions, request(id, 3, &[], &[]), risen, &[0, 1, 2], &[]);
    let started = |p| PartitionOutcome { log_start_offset: i64::from(p == 0), ..risen(p) };
    check(sessions, request(id, 4, &[], &[]), started, &[0, 1, 2], &[0]);
    let elsewhere = |p| PartitionOutcome { has_preferred_replica: p == 2, ..started(p) };
    check(sessions, request(id, 5, &[], &[]), elsewhere, &[0, 1, 2], &[2]);
    let parted = |p| PartitionOutcome { has_diverging_epoch: p == 1, ..started(p) };
    check(sessions, request(id, 6, &[], &[]), parted, &[0, 1, 2], &[1]);
}

#[test]
fn after_an_error_the_first_success_is_news() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 2, false);
    let failing = |p| PartitionOutcome { has_error: p == 0, ..idle() };
    check(sessions, request(id, 1, &[], &[]), failing, &[0, 1], &[0]);
    check(sessions, request(id, 2, &[], &[]), failing, &[0, 1], &[0]);
    check(sessions, request(id, 3, &[], &[]), |_| idle(), &[0, 1], &[0]);
    check(sessions, request(id, 4, &[], &[]), |_| idle(), &[0, 1], &[]);
}

#[test]
fn partitions_with_records_wait_at_the_end() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 4, false);
    let busy = |p| PartitionOutcome { has_records: p < 2, ..idle() };
    check(sessions, request(id, 1, &[], &[]), busy, &[0, 1, 2, 3], &[0, 1]);
    check(
        sessions,
        request(id, 2, &[], &[]),
        |p| PartitionOutcome { has_records: p == 2, ..idle() },
        &[2, 3, 0, 1],
        &[2],
    );
    check(sessions, request(id, 3, &[(9, 0)], &[3]), busy, &[0, 1, 2, 9], &[0, 1, 9]);
}

#[test]
fn requests_change_the_session() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 2, false);
    let context = sessions.begin(0, request(id, 1, &[(1, 44), (5, 55)], &[0])).unwrap();
    assert_eq!(
        context.partitions(),
        &[(partition("t", 1), fetch_from(44)), (partition("t", 5), fetch_from(55))]
    );
    // Nothing left: the session is closed.
    let context = sessions.begin(0, request(id, 2, &[], &[1, 5])).unwrap();
    assert_eq!(sessions.finish(0, &context, &[], 7).session_id, NO_SESSION);
    assert!(sessions.is_empty());
}

#[test]
fn wrong_sessions_are_refused() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 1, false);
    let refused = |sessions: &mut FetchSessions, request| sessions.begin(0, request).unwrap_err();
    assert_eq!(refused(sessions, request(id + 1, 1, &[], &[])), SessionError::FetchSessionIdNotFound);
    assert_eq!(refused(sessions, request(NO_SESSION, 5, &[], &[])), SessionError::FetchSessionIdNotFound);
    assert_eq!(refused(sessions, request(id, 2, &[], &[])), SessionError::InvalidFetchSessionEpoch);
    let with_ids = FetchRequest { uses_topic_ids: true, ..request(id, 1, &[], &[]) };
    assert_eq!(refused(sessions, with_ids), SessionError::FetchSessionTopicIdError);
    // None of this has moved the session; a full fetch closes it.
    check(sessions, request(id, 1, &[], &[]), |_| idle(), &[0], &[]);
    assert_eq!(sessions.begin(0, request(id, FINAL_EPOCH, &[(0, 0)], &[])).unwrap().partitions().len(), 1);
    assert_eq!(refused(sessions, request(id, 2, &[], &[])), SessionError::FetchSessionIdNotFound);
}

#[test]
fn an_answer_overtaken_by_another_request_is_an_error() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 1, false);
    let first = sessions.begin(0, request(id, 1, &[], &[])).unwrap();
    sessions.begin(0, request(id, 2, &[], &[])).unwrap();
    let answer = sessions.finish(0, &first, &[idle()], 7);
    assert_eq!(answer, FetchAnswer::moved_on(id));
    assert_eq!(sessions.throttled(&first), FetchAnswer::moved_on(id));
}

#[test]
fn a_throttled_answer_leaves_the_news_for_later() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let id = open(sessions, 0, 1, false);
    let context = sessions.begin(0, request(id, 1, &[], &[])).unwrap();
    let throttled = sessions.throttled(&context);
    assert_eq!(throttled, FetchAnswer { session_id: id, error: None, included: vec![false] });
    let risen = |_| PartitionOutcome { high_watermark: 11, ..idle() };
    check(sessions, request(id, 2, &[], &[]), risen, &[0], &[0]);
}

#[test]
fn a_partition_named_twice_is_read_once() {
    let sessions = &mut FetchSessions::new(10, FetchSessions::EVICTION_MS);
    let full = request(NO_SESSION, INITIAL_EPOCH, &[(0, 1), (1, 1), (0, 2)], &[]);
    let context = sessions.begin(0, full).unwrap();
    assert_eq!(
        context.partitions(),
        &[(partition("t", 0), fetch_from(2)), (partition("t", 1), fetch_from(1))]
    );
}

/// Fills two slots with these (size, follower), lets `age_ms` pass, asks for one more; which were evicted?
fn check_eviction(old: [(i32, bool); 2], age_ms: u64, new: (i32, bool), expected: Option<usize>) {
    let sessions = &mut FetchSessions::new(2, FetchSessions::EVICTION_MS);
    let ids = old.map(|(size, from_follower)| open(sessions, 0, size, from_follower));
    for id in ids {
        // Used lately, so that none is idle.
        sessions.begin(age_ms, request(id, 1, &[], &[])).unwrap();
    }
    let new_id = open(sessions, age_ms, new.0, new.1);
    assert_eq!(new_id != NO_SESSION, expected.is_some(), "{old:?} {new:?}");
    let evicted = ids.iter().position(|id| sessions.begin(age_ms, request(*id, 2, &[], &[])).is_err());
    assert_eq!(evicted, expected, "{old:?} {new:?}");
}

#[test]
fn eviction_prefers_idle_then_consumers_then_small() {
    // New sessions are not pushed out, but by followers.
    check_eviction([(1, false), (2, false)], 0, (9, false), None);
    check_eviction([(3, false), (2, false)], 0, (1, true), Some(1));
    check_eviction([(1, true), (2, true)], 0, (9, true), None);
    // Old ones give way to larger ones of their kind.
    check_eviction([(3, false), (2, false)], OLD, (9, false), Some(1));
    check_eviction([(3, false), (2, false)], OLD, (1, false), None);
    check_eviction([(1, true), (2, true)], OLD, (9, false), None);
    check_eviction([(1, true), (2, true)], OLD, (9, true), Some(0));
    // Idle ones give way to anything.
    let sessions = &mut FetchSessions::new(1, FetchSessions::EVICTION_MS);
    open(sessions, 0, 9, true);
    assert_ne!(open(sessions, OLD, 1, false), NO_SESSION);
    assert_eq!(sessions.partition_count(), 1);
    // No slots, no sessions.
    assert_eq!(open(&mut FetchSessions::new(0, 0), 0, 1, false), NO_SESSION);
}

/// A fetcher's view of a partition: what it was told last.
type View = BTreeMap<i32, PartitionOutcome>;

proptest! {
    /// However partitions are added, forgotten and change, a fetcher that merges what it hears knows as much as one
    /// that fetches in full each time.
    #[test]
    fn merged_answers_equal_full_ones(
        rounds in proptest::collection::vec(
            (proptest::collection::vec((0i32..6, 0i64..4, any::<bool>(), any::<bool>()), 0..4),
             proptest::collection::btree_set(0i32..6, 1..6), any::<bool>()),
            1..30,
        ),
    ) {
        let sessions = &mut FetchSessions::new(4, FetchSessions::EVICTION_MS);
        let mut truth: View = (0..6).map(|p| (p, idle())).collect();
        let (mut id, mut epoch) = (NO_SESSION, INITIAL_EPOCH);
        let mut wanted_before = BTreeSet::new();
        let mut view = View::new();
        for (changes, wanted, restarts) in rounds {
            for (p, value, has_error, has_records) in changes {
                let outcome = PartitionOutcome { high_watermark: value, has_error, has_records, ..idle() };
                truth.insert(p, outcome);
            }
            if restarts {
                epoch = INITIAL_EPOCH;
                view.clear();
                wanted_before.clear();
            }
            let added: Vec<_> = wanted.difference(&wanted_before).map(|p| (*p, 0)).collect();
            let forgotten: Vec<_> = wanted_before.difference(&wanted).copied().collect();
            let context = sessions.begin(0, request(id, epoch, &added, &forgotten)).unwrap();
            let read: BTreeSet<i32> = context.partitions().iter().map(|(p, _)| p.partition).collect();
            prop_assert_eq!(&read, &wanted);
            let outcomes: Vec<_> =
                context.partitions().iter().map(|(p, _)| truth[&p.partition]).collect();
            let answer = sessions.finish(0, &context, &outcomes, 3);
            prop_assert_eq!(answer.error, None);
            view.retain(|p, _| wanted.contains(p));
            for (((p, _), outcome), included) in context.partitions().iter().zip(&outcomes).zip(answer.included) {
                if included {
                    view.insert(p.partition, *outcome);
                } else {
                    prop_assert!(!outcome.has_records && !outcome.has_error);
                }
            }
            let expected: View = wanted.iter().map(|p| (*p, truth[p])).collect();
            let known = |view: &View| -> BTreeMap<i32, (i64, bool)> {
                view.iter().map(|(p, o)| (*p, (o.high_watermark, o.has_error))).collect()
            };
            prop_assert_eq!(known(&view), known(&expected));
            id = answer.session_id;
            epoch = next_epoch(epoch);
            wanted_before = wanted;
            prop_assert_eq!(sessions.len(), 1);
        }
    }
}
