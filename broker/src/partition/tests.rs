//! Who may write, who waits, and who is woken by what.

use std::path::Path;
use std::sync::Arc;

use rkafka_core::ids::{BrokerId, PartitionId, TopicId};
use rkafka_core::image::{self, Brokers};
use rkafka_core::replica::leader::ReplicationSettings;
use rkafka_core::time::Now;
use rkafka_log::disk::mem::SimDisk;
use rkafka_log::{AppendOrigin, Log, LogConfig, OpenOptions};
use rkafka_record::{BatchBuilder, BatchOptions};

use super::*;

const LOCAL: BrokerId = BrokerId(1);
const NOW: Now = Now { mono_ms: 1, wall_ms: 1_700_000_000_000 };

fn partition() -> Arc<Partition> {
    let options = OpenOptions {
        recovery_point: 0,
        cleaned_to: 0,
        log_start_offset: 0,
        clean_shutdown: false,
        now_ms: 0,
    };
    let config = Arc::new(LogConfig::default());
    let (log, _) = Log::open(Arc::new(SimDisk::new()), Path::new("/logs/test-0"), "test-0", config, options)
        .expect("an empty disk");
    Partition::new(PartitionId { topic: TopicId([1; 16]), index: 0 }, "test".into(), log)
}

/// Leads in `leader_epoch` with these replicas, all of them in sync.
fn lead(partition: &Partition, replicas: &[i32], leader_epoch: i32, min_insync_replicas: usize) {
    let replicas: image::BrokerList = replicas.iter().copied().map(BrokerId).collect();
    let mut state = image::Partition::new(replicas.clone(), replicas);
    state.leader_epoch = leader_epoch;
    let settings = ReplicationSettings { min_insync_replicas, lag_time_max_ms: 30_000 };
    let brokers = Brokers::default();
    let leadership = Leadership { local: LOCAL, state: &state, brokers: &brokers, settings };
    partition.lead(leadership, NOW).expect("the disk works");
}

fn append(partition: &Arc<Partition>, acks: i16, value_bytes: usize) -> Result<Appended, PartitionError> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NOW.wall_ms, None, Some(&vec![7; value_bytes]), &[]).expect("a small record");
    let batch = builder.build().expect("a small batch");
    partition.append(AppendRequest { batch: &batch, acks, origin: AppendOrigin::Client, now: NOW })
}

/// Waits for `bytes` more than is there now.
fn wait(partition: &Partition, isolation: Isolation, bytes: u64) -> (Arc<FetchWait>, Option<FetchPlace>) {
    let wait = FetchWait::new();
    let fetch = WaitingFetch { wait: &wait, isolation, bytes_missing: bytes, partitions: 1 };
    let place = partition.wait_for_bytes(
        &fetch,
        isolation.upper_offset(&partition.view()),
        Role::Leader { leader_epoch: 0 },
    );
    (wait, place)
}

fn is_woken(wait: &Arc<FetchWait>) -> bool {
    let mut woken = std::pin::pin!(wait.woken());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    woken.as_mut().poll(&mut cx).is_ready()
}

#[test]
fn an_append_wakes_the_fetches_that_have_enough_and_no_others() {
    let partition = partition();
    lead(&partition, &[1], 0, 1);
    let (few, _) = wait(&partition, Isolation::HighWatermark, 1);
    let (many, _) = wait(&partition, Isolation::LastStable, 400);
    let (gone, place) = wait(&partition, Isolation::HighWatermark, 1);
    partition.leave(place.expect("it waits"));
    append(&partition, 1, 100).expect("the leader appends");
    assert!(is_woken(&few));
    assert!(!is_woken(&many) && !is_woken(&gone));
    append(&partition, 1, 400).expect("the leader appends");
    assert!(is_woken(&many));
    assert_eq!(partition.waiting(), 0);
}

#[test]
fn a_fetch_does_not_wait_for_what_came_since_it_read() {
    let partition = partition();
    lead(&partition, &[1], 0, 1);
    let seen = partition.view().high_watermark;
    append(&partition, 1, 10).expect("the leader appends");
    let wait = FetchWait::new();
    let fetch =
        WaitingFetch { wait: &wait, isolation: Isolation::HighWatermark, bytes_missing: 1, partitions: 1 };
    assert!(partition.wait_for_bytes(&fetch, seen, Role::Leader { leader_epoch: 0 }).is_none());
    assert!(
        partition.wait_for_bytes(&fetch, seen + 1, Role::Leader { leader_epoch: 5 }).is_none(),
        "another leader epoch"
    );
}

#[test]
fn only_a_leader_appends_and_epochs_are_compared() {
    let partition = partition();
    assert!(matches!(append(&partition, 1, 1), Err(PartitionError::NotLeader)));
    lead(&partition, &[1], 4, 1);
    assert!(matches!(partition.leader_epoch(3), Err(PartitionError::FencedLeaderEpoch)));
    assert!(matches!(partition.leader_epoch(5), Err(PartitionError::UnknownLeaderEpoch)));
    assert_eq!(partition.leader_epoch(-1).ok(), Some(4));
    append(&partition, 1, 1).expect("it leads now");
    partition.set_offline();
    assert!(matches!(append(&partition, 1, 1), Err(PartitionError::Offline)));
}

#[test]
fn a_change_of_hands_wakes_everyone() {
    let partition = partition();
    lead(&partition, &[1], 0, 1);
    let (fetch, _) = wait(&partition, Isolation::HighWatermark, u64::MAX);
    lead(&partition, &[1], 0, 1);
    assert!(!is_woken(&fetch), "the same leadership again changes nothing");
    partition.follow(1);
    assert!(is_woken(&fetch));
    assert_eq!(partition.waiting(), 0);
}

#[tokio::test]
async fn acks_all_waits_for_the_other_replicas() {
    let partition = partition();
    lead(&partition, &[1, 2], 0, 2);
    let consumer = wait(&partition, Isolation::HighWatermark, 1).0;
    let appended = append(&partition, -1, 10).expect("two replicas are in sync");
    assert!(!is_woken(&consumer), "nothing is committed yet");
    let commit = appended.commit.expect("the other replica does not have it");
    assert_eq!(partition.waiting(), 2);
    partition.follow(1);
    assert!(matches!(commit.committed().await, Err(PartitionError::NotLeader)));

    let abandoned = {
        lead(&partition, &[1, 2], 2, 2);
        append(&partition, -1, 10).expect("two replicas are in sync")
    };
    assert_eq!(partition.waiting(), 1);
    drop(abandoned);
    assert_eq!(partition.waiting(), 0, "who gives up leaves nothing behind");
}

#[test]
fn a_closed_log_is_not_written() {
    let partition = partition();
    lead(&partition, &[1], 0, 1);
    append(&partition, 1, 1).expect("the leader appends");
    partition.take_log().expect("open until now").close().expect("the disk works");
    assert!(matches!(append(&partition, 1, 1), Err(PartitionError::NotLeader)));
    assert!(partition.take_log().is_none());
}
