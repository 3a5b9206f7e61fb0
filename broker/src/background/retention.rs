//! What has become old: segments past retention, idle producers, open files and maps that nobody uses.
//!
//! Every `log.retention.check.interval.ms`, partition by partition.

use std::sync::Arc;

use rkafka_config::keys;
use rkafka_log::LogError;
use tracing::error;

use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::Partition;

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    while background.pause(period(broker.config.load().get(keys::LOG_RETENTION_CHECK_INTERVAL_MS))).await {
        for partition in broker.partitions.all() {
            if background.stop.is_cancelled() {
                return;
            }
            let now_ms = broker.clock.wall_ms();
            let (background, disk) = (background.clone(), broker.log_dirs.disk().clone());
            blocking(move || match apply(&partition, now_ms) {
                Ok(deletion) => background.delete_later(&disk, deletion),
                Err(error) => {
                    let (topic, partition) = (partition.topic(), partition.id().index);
                    error!(%topic, partition, %error, "retention failed");
                }
            })
            .await;
        }
    }
}

fn apply(
    partition: &Partition,
    now_ms: i64,
) -> Result<rkafka_log::DeferredDeletion, crate::partition::PartitionError> {
    partition.with_log(|log| {
        log.expire_producers(now_ms);
        let deletion = log.apply_retention(now_ms)?;
        log.release_idle();
        Ok::<_, LogError>(deletion)
    })
}
