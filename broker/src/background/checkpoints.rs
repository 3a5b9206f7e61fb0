//! The offset checkpoints of the log directories: recovery points, log start offsets, high watermarks.
//!
//! All three are looked at together, as often as the most frequent of
//! `replica.high.watermark.checkpoint.interval.ms`,
//! `log.flush.offset.checkpoint.interval.ms` and `log.flush.start.offset.checkpoint.interval.ms` says; a file
//! is written only if an offset in it changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rkafka_config::{BrokerConfig, keys};
use rkafka_core::ids::PartitionId;
use rkafka_log::dirs::{LogDir, LogPosition};
use rkafka_log::{LogError, TopicPartition};
use tracing::error;

use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::Partition;

/// Recovery point, log start offset, high watermark, and the directory whose checkpoints tell them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marks([i64; 3], Arc<PathBuf>);

impl Marks {
    fn of(partition: &Partition) -> Self {
        let view = partition.view();
        Self([view.recovery_point, view.log_start_offset, view.high_watermark], partition.dir())
    }
}

/// What was written last: of thousands of partitions few move between two looks.
type Written = HashMap<PartitionId, Marks>;

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    let mut written = Written::new();
    while background.pause(interval(&broker.config.load())).await {
        let (writing, known) = (broker.clone(), std::mem::take(&mut written));
        let Some(known) = blocking(move || write_changed(&writing, known)).await else { return };
        written = known;
    }
}

fn write_changed(broker: &Broker, mut written: Written) -> Written {
    let mut changed = Vec::new();
    let collect = || {
        for partition in broker.partitions.all() {
            let marks = Marks::of(&partition);
            if written.get(&partition.id()) != Some(&marks) {
                changed.push((partition, marks));
            }
        }
        changed.iter().map(|(partition, _)| position(partition)).collect()
    };
    if let Err(error) = broker.log_dirs.write_checkpoints(collect) {
        error!(%error, "checkpoints cannot be written");
        return written;
    }
    written.extend(changed.into_iter().map(|(partition, marks)| (partition.id(), marks)));
    if written.len() > broker.partitions.len() {
        written.retain(|id, _| broker.partitions.get(*id).is_some());
    }
    written
}

fn interval(config: &BrokerConfig) -> Duration {
    let recovery_points = i64::from(config.get(keys::LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS));
    let log_starts = i64::from(config.get(keys::LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS));
    let high_watermarks = config.get(keys::REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS);
    period(recovery_points.min(log_starts).min(high_watermarks))
}

/// Makes the position of a partition durable now.
///
/// # Errors
/// The disk's.
pub(crate) fn write_checkpoint(broker: &Broker, partition: &Arc<Partition>) -> Result<(), LogError> {
    // One that was deleted meanwhile must not leave its marks to the next of its name.
    let current = || broker.partitions.get(partition.id()).filter(|current| Arc::ptr_eq(current, partition));
    broker.log_dirs.write_checkpoints(|| current().iter().map(|partition| position(partition)).collect())
}

fn position(partition: &Partition) -> LogPosition {
    position_of(partition, partition.view().recovery_point)
}

/// Where a partition stands, if everything below `recovery_point` is durable.
pub(crate) fn position_of(partition: &Partition, recovery_point: i64) -> LogPosition {
    let view = partition.view();
    LogPosition {
        partition: name(partition),
        dir: parent(partition),
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
pub(super) fn parent(partition: &Partition) -> PathBuf {
    partition.dir().parent().unwrap_or(Path::new("")).to_path_buf()
}

/// How checkpoints name a partition.
pub(super) fn name(partition: &Partition) -> TopicPartition {
    TopicPartition { topic: partition.topic().to_string(), partition: partition.id().index }
}
