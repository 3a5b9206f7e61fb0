//! A consumer group in a chaos run: it commits after every poll, leaves and comes back, and asks where it was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rkafka_checker::{Event, Outcome};
use rkafka_client::{AutoOffsetReset, Consumer, ConsumerConfig};
use tokio::sync::watch;

use super::workload::{Ends, Shared, TOPIC, number};

/// Commits of one member before it leaves.
const LIFE: usize = 20;
/// How long one call may take before its outcome counts as unknown.
const CALL_MAX: Duration = Duration::from_secs(20);

/// Members of groups, one after the other, until `ends` is known. Once the outcome of a commit is unknown the group is
/// left for good: the commit may still be under way, and could take effect after a later one.
pub(super) async fn share(shared: Arc<Shared>, ends: watch::Receiver<Option<Ends>>) {
    let mut group = 0;
    while ends.borrow().is_none() {
        let config = ConsumerConfig::from(shared.client())
            .with_group_id(format!("group-{group}"))
            .with_auto_offset_reset(AutoOffsetReset::Earliest)
            .with_auto_commit(false);
        let Ok(consumer) = Consumer::connect(config).await else { continue };
        let sure = live(&shared, group, &consumer, &ends).await;
        // A close that fails is made up for by the session timeout.
        let _ = consumer.close(CALL_MAX).await;
        group += u32::from(!sure);
    }
}

/// One member's life; whether the outcome of all its commits is known.
async fn live(
    shared: &Shared,
    group: u32,
    consumer: &Consumer,
    ends: &watch::Receiver<Option<Ends>>,
) -> bool {
    let partitions = shared.topic_partitions();
    if consumer.subscribe([TOPIC]).is_err() {
        return false;
    }
    let asked = tokio::time::timeout(CALL_MAX, consumer.committed(&partitions)).await;
    // Brokers that cannot be reached say nothing.
    let Ok(Ok(committed)) = asked else { return true };
    for (partition, committed) in committed {
        let (offset, partition) =
            (committed.map_or(-1, |committed| committed.offset), number(partition.partition));
        shared.record(Event::FetchOffset { group, partition, offset });
    }
    let mut commits = 0;
    while commits < LIFE && ends.borrow().is_none() {
        let Ok(records) = consumer.poll(Duration::from_millis(200)).await else { return true };
        if records.is_empty() {
            continue;
        }
        let mut positions: BTreeMap<u32, i64> = BTreeMap::new();
        for record in &records {
            positions.insert(number(record.partition), record.offset + 1);
        }
        let committed = tokio::time::timeout(CALL_MAX, consumer.commit()).await;
        let known = matches!(committed, Ok(Ok(())));
        let outcome = if known { Outcome::Acknowledged(None) } else { Outcome::Unknown };
        for (partition, offset) in positions {
            shared.record(Event::CommitOffset { group, partition, offset, outcome });
        }
        if !known {
            return false;
        }
        commits += 1;
    }
    true
}
