//! What has become old: segments past retention, idle producers, open files that nobody uses.
//!
//! Retention every `log.retention.check.interval.ms`; files are closed after a minute or two without use.
//! Partition by partition, some at a time on a blocking thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rkafka_config::keys;
use rkafka_log::{DeferredDeletion, Log};
use tracing::error;

use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionError};

/// How often files that nobody uses are closed, unless retention is looked at more often.
const RELEASE_INTERVAL: Duration = Duration::from_secs(60);
/// Partitions for which one blocking thread is asked for.
const PARTITIONS_AT_ONCE: usize = 64;

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    let mut checked = Instant::now();
    loop {
        let interval = period(broker.config.load().get(keys::LOG_RETENTION_CHECK_INTERVAL_MS));
        let left = interval.saturating_sub(checked.elapsed());
        if !background.pause(left.min(RELEASE_INTERVAL)).await {
            return;
        }
        let retention_is_due = checked.elapsed() >= interval;
        if retention_is_due {
            checked = Instant::now();
        }
        for partitions in broker.partitions.all().chunks(PARTITIONS_AT_ONCE) {
            let (partitions, now_ms) = (partitions.to_vec(), broker.clock.wall_ms());
            let (background, disk) = (background.clone(), broker.log_dirs.disk().clone());
            blocking(move || {
                for partition in partitions.iter().take_while(|_| !background.stop.is_cancelled()) {
                    if retention_is_due && let Some(deletion) = apply(partition, now_ms) {
                        background.delete_later(&disk, deletion);
                    }
                    release(partition);
                }
            })
            .await;
        }
    }
}

fn apply(partition: &Partition, now_ms: i64) -> Option<DeferredDeletion> {
    let applied = partition.with_log(|log| {
        log.expire_producers(now_ms);
        log.apply_retention(now_ms)
    });
    applied.inspect_err(|error| report(partition, error, "retention failed")).ok()
}

fn release(partition: &Partition) {
    if let Err(error) = partition.with_log(Log::release_idle) {
        report(partition, &error, "idle files cannot be closed");
    }
}

fn report(partition: &Partition, error: &PartitionError, what: &str) {
    // One that was closed or deleted meanwhile has nothing old.
    if !matches!(error, PartitionError::NotLeader) {
        error!(topic = %partition.topic(), partition = partition.id().index, %error, "{what}");
    }
}
