//! Reads a partition of `__consumer_offsets` into a shard. Blocking: runs on the blocking pool.

use rkafka_core::coordinator::{CoordinatorShard, LoadError};
use rkafka_log::{ReadError, ReadLimits};
use tracing::info;

use crate::partition::Partition;

/// Bytes replayed at a time.
const STEP_BYTES: u64 = 1 << 20;

/// Why a shard could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadFailure {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Log(#[from] rkafka_log::LogError),
    #[error(transparent)]
    Shard(#[from] LoadError),
}

/// Replays the whole log, from the log start to the log end.
pub(super) fn load(shard: &mut CoordinatorShard, partition: &Partition) -> Result<(), LoadFailure> {
    let view = partition.view();
    let mut offset = view.log_start_offset;
    while offset < view.log_end_offset {
        let limits =
            ReadLimits { max_bytes: STEP_BYTES, upper_offset: view.log_end_offset, at_least_one_batch: true };
        let read = partition.reader().read(offset, limits)?;
        let Some(slice) = read.slice else { break };
        shard.load(&slice.bytes()?, view.high_watermark)?;
        offset = read.next_offset;
    }
    if view.log_end_offset > view.log_start_offset {
        let (partition, end) = (partition.id().index, view.log_end_offset);
        info!(partition, log_end_offset = end, "groups and offsets loaded");
    }
    Ok(())
}
