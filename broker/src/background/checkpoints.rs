//! The offset checkpoints of the log directories: recovery points, log start offsets, high watermarks.
//!
//! All three are looked at together, as often as the most frequent of
//! `replica.high.watermark.checkpoint.interval.ms`,
//! `log.flush.offset.checkpoint.interval.ms` and `log.flush.start.offset.checkpoint.interval.ms` says; a file
//! is written only if an offset in it changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rkafka_config::{BrokerConfig, keys};
use rkafka_log::dirs::{LogDir, LogPosition};
use rkafka_log::{LogError, TopicPartition};
use tracing::error;

use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionError};

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    while background.pause(interval(&broker.config.load())).await {
        let writing = broker.clone();
        blocking(move || {
            if let Err(error) = write_checkpoints(&writing, &writing.partitions.all()) {
                error!(%error, "checkpoints cannot be written");
            }
        })
        .await;
    }
}

fn interval(config: &BrokerConfig) -> Duration {
    let recovery_points = i64::from(config.get(keys::LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS));
    let log_starts = i64::from(config.get(keys::LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS));
    let high_watermarks = config.get(keys::REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS);
    period(recovery_points.min(log_starts).min(high_watermarks))
}

/// Makes the positions of some partitions durable now.
///
/// # Errors
/// The disk's.
pub(crate) fn write_checkpoints(broker: &Broker, partitions: &[Arc<Partition>]) -> Result<(), LogError> {
    let positions: Vec<_> = partitions.iter().filter_map(|partition| position(partition)).collect();
    broker.log_dirs.write_checkpoints(&positions)
}

/// Nothing for a partition whose log was closed.
fn position(partition: &Partition) -> Option<LogPosition> {
    let recovery_point = partition.with_log(|log| Ok::<_, PartitionError>(log.recovery_point())).ok()?;
    Some(position_of(partition, recovery_point))
}

/// Where a partition stands, if everything below `recovery_point` is durable.
pub(crate) fn position_of(partition: &Partition, recovery_point: i64) -> LogPosition {
    let view = partition.view();
    LogPosition {
        partition: name(partition),
        dir: parent(partition).to_path_buf(),
        recovery_point,
        log_start_offset: view.log_start_offset,
        high_watermark: view.high_watermark,
    }
}

/// The log directory a partition lies in.
pub(super) fn dir_of<'a>(broker: &'a Broker, partition: &Partition) -> Option<&'a LogDir> {
    broker.log_dirs.dirs().iter().find(|dir| dir.path() == parent(partition))
}

/// Its path.
pub(super) fn parent(partition: &Partition) -> &Path {
    partition.dir().parent().unwrap_or(Path::new(""))
}

/// How checkpoints name a partition.
pub(super) fn name(partition: &Partition) -> TopicPartition {
    TopicPartition { topic: partition.topic().to_string(), partition: partition.id().index }
}
