//! Compaction: one partition at a time, the one that needs it most first.
//!
//! The pass itself is `rkafka_log::cleaner`'s; here is who is next, how fast
//! (`log.cleaner.io.max.bytes.per.second`),
//! and the `cleaner-offset-checkpoint`. Memory is one map of `log.cleaner.dedupe.buffer.size` at most, taken
//! as it is needed and given back after the pass.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rkafka_config::{BrokerConfig, keys};
use rkafka_core::ids::PartitionId;
use rkafka_log::cleaner::{Cleanable, Cleaning, CleaningError, OffsetMap, Progress, inspect};
use rkafka_log::dirs::Checkpoint;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::checkpoints::{dir_of, name, parent};
use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionError, Role};

/// Partitions that are passed over.
#[derive(Debug, Default)]
struct Skipped {
    /// They cannot be compacted until somebody has dealt with the damage; a restart tries them again.
    damaged: HashSet<PartitionId>,
    /// Their last pass failed (a full disk, no more file descriptors): tried again after the backoff.
    failed: HashSet<PartitionId>,
}

impl Skipped {
    fn contains(&self, id: PartitionId) -> bool {
        self.damaged.contains(&id) || self.failed.contains(&id)
    }

    fn note(&mut self, partition: &Partition, error: &PassError) {
        let (id, topic, index) = (partition.id(), partition.topic(), partition.id().index);
        if let PassError::Cleaning(CleaningError::Uncleanable { .. }) = error {
            error!(%topic, partition = index, %error, "compaction failed; not tried again before a restart");
            self.damaged.insert(id);
        } else {
            warn!(%topic, partition = index, %error, "compaction failed; it is tried again");
            self.failed.insert(id);
        }
    }
}

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    if !broker.config.load().get(keys::LOG_CLEANER_ENABLE) {
        return;
    }
    let mut skipped = Skipped::default();
    loop {
        let config = broker.config.load_full();
        let (cleaning, working) = (broker.clone(), background.clone());
        let known = std::mem::take(&mut skipped);
        let Some((worked, known)) = blocking(move || clean_next(&working, &cleaning, known)).await else {
            return;
        };
        skipped = known;
        let mut backoff = Duration::ZERO;
        if !worked {
            backoff = period(config.get(keys::LOG_CLEANER_BACKOFF_MS));
            skipped.failed.clear();
        }
        if !background.pause(backoff).await {
            return;
        }
    }
}

/// Cleans the partition that needs it most; whether there was one.
fn clean_next(background: &Background, broker: &Broker, mut skipped: Skipped) -> (bool, Skipped) {
    let now_ms = broker.clock.wall_ms();
    let Some((partition, cleanable)) = filthiest(broker, &skipped, now_ms) else {
        return (false, skipped);
    };
    match clean(background, broker, &partition, cleanable, now_ms) {
        Ok(()) | Err(PassError::Cleaning(CleaningError::Stopped)) => {}
        Err(error) => skipped.note(&partition, &error),
    }
    (true, skipped)
}

fn filthiest(broker: &Broker, passed_over: &Skipped, now_ms: i64) -> Option<(Arc<Partition>, Cleanable)> {
    let mut best: Option<(Arc<Partition>, Cleanable)> = None;
    for partition in broker.partitions.all() {
        let config = partition.reader().config();
        // While it moves, what is copied already would have to be compacted again.
        let moves = partition.future().is_some();
        let skipped = !config.cleanup_policy.compact || passed_over.contains(partition.id()) || moves;
        if skipped || partition.role() == Role::Offline {
            continue;
        }
        let cleaned_to = dir_of(broker, &partition)
            .and_then(|dir| dir.checkpointed(Checkpoint::Cleaner, &name(&partition)));
        let recovery_point = partition.view().recovery_point;
        let cleanable = match inspect(partition.reader(), Progress { recovery_point, cleaned_to }, now_ms) {
            Ok(cleanable) => cleanable,
            Err(error) => {
                debug!(topic = %partition.topic(), partition = partition.id().index, %error, "not inspected");
                continue;
            }
        };
        let filthier = best.as_ref().is_none_or(|(_, other)| cleanable.ratio() > other.ratio());
        if cleanable.is_due(config.min_cleanable_dirty_ratio) && filthier {
            best = Some((partition, cleanable));
        }
    }
    best
}

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Cleaning(#[from] CleaningError),
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error(transparent)]
    Log(#[from] rkafka_log::LogError),
}

/// One pass. The partition's lock is held only to begin and to swap each group of segments.
fn clean(
    background: &Background,
    broker: &Broker,
    partition: &Partition,
    cleanable: Cleanable,
    now_ms: i64,
) -> Result<(), PassError> {
    let config = broker.config.load();
    let mut pace = Pace::new(background, &config);
    let mut pace = |bytes| pace.spend(bytes);
    let mut map = offset_map(&config);
    let dir = partition.dir();
    let begin = |log: &mut rkafka_log::Log| Ok::<_, PartitionError>(Cleaning::begin(log, cleanable, now_ms));
    let mut pass = partition.with_log(begin)?;
    let next_dirty_offset = pass.read_keys(&mut map, &mut pace)?;
    while let Some(group) = pass.next_group(&map, &mut pace)? {
        if let Some(deletion) = partition.with_log(|log| group.swap_into(log))? {
            background.delete_later(broker.log_dirs.disk(), deletion);
        }
    }
    if !Arc::ptr_eq(&dir, &partition.dir()) {
        // It has moved: what is there now was copied before it was compacted.
        return Ok(());
    }
    broker.log_dirs.write_cleaner_checkpoint(&parent(partition), &name(partition), next_dirty_offset)?;
    let counts = pass.counts();
    info!(
        topic = %partition.topic(),
        partition = partition.id().index,
        keys = counts.keys,
        bytes_read = counts.bytes_read,
        bytes_written = counts.bytes_written,
        next_dirty_offset,
        "compacted"
    );
    Ok(())
}

fn offset_map(config: &BrokerConfig) -> OffsetMap {
    let bytes = usize::try_from(config.get(keys::LOG_CLEANER_DEDUPE_BUFFER_SIZE)).unwrap_or(usize::MAX);
    let (high, low) = Uuid::new_v4().as_u64_pair();
    OffsetMap::new(bytes, config.get(keys::LOG_CLEANER_IO_BUFFER_LOAD_FACTOR), [high, low])
}

/// Keeps the bytes per second below the limit, and ends the pass when the broker stops.
struct Pace<'a> {
    background: &'a Background,
    bytes_per_second: f64,
    begun: Instant,
    bytes: u64,
}

/// The longest the cleaner sleeps without looking whether it should stop.
const NAP_MAX: Duration = Duration::from_millis(100);

impl<'a> Pace<'a> {
    fn new(background: &'a Background, config: &BrokerConfig) -> Self {
        let bytes_per_second = config.get(keys::LOG_CLEANER_IO_MAX_BYTES_PER_SECOND).max(1.0);
        Self { background, bytes_per_second, begun: Instant::now(), bytes: 0 }
    }

    fn spend(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let due = Duration::try_from_secs_f64(self.bytes as f64 / self.bytes_per_second).unwrap_or_default();
        while !self.background.stop.is_cancelled() {
            let ahead = due.saturating_sub(self.begun.elapsed());
            if ahead.is_zero() {
                return true;
            }
            // On the blocking pool: nobody else's time.
            std::thread::sleep(ahead.min(NAP_MAX));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rkafka_core::ids::TopicId;
    use rkafka_log::disk::mem::SimDisk;
    use rkafka_log::{Log, LogConfig, LogError, OpenOptions};

    use super::*;

    fn partition(index: i32) -> Arc<Partition> {
        let options = OpenOptions {
            recovery_point: 0,
            cleaned_to: 0,
            log_start_offset: 0,
            clean_shutdown: false,
            now_ms: 0,
        };
        let (disk, config) = (Arc::new(SimDisk::new()), Arc::new(LogConfig::default()));
        let (log, _) = Log::open(disk, Path::new("/d/t-0"), "t-0", config, options).expect("an empty disk");
        Partition::new(PartitionId { topic: TopicId([1; 16]), index }, "t".into(), log)
    }

    #[test]
    fn only_damage_bars_a_partition_for_good() {
        let mut skipped = Skipped::default();
        let source = std::io::ErrorKind::StorageFull.into();
        let full = LogError::Io { action: "write", path: PathBuf::new(), source };
        skipped.note(&partition(0), &PassError::Cleaning(CleaningError::Log(full)));
        skipped.note(&partition(1), &PassError::Partition(PartitionError::NotLeader));
        let (path, problem) = (PathBuf::new(), "damage".to_owned());
        let damage = CleaningError::Uncleanable { path, base_offset: 0, problem };
        skipped.note(&partition(2), &PassError::Cleaning(damage));
        assert!((0..3).all(|index| skipped.contains(partition(index).id())));
        skipped.failed.clear();
        assert_eq!([0, 1, 2].map(|index| skipped.contains(partition(index).id())), [false, false, true]);
    }
}
