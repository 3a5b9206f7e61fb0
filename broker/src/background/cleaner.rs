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
use tracing::{debug, error, info};
use uuid::Uuid;

use super::checkpoints::{dir_of, name, parent};
use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionError, Role};

/// Partitions that cannot be compacted until somebody has dealt with the damage; a restart tries them again.
type Uncleanable = HashSet<PartitionId>;

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    if !broker.config.load().get(keys::LOG_CLEANER_ENABLE) {
        return;
    }
    let mut uncleanable = Uncleanable::new();
    loop {
        let config = broker.config.load_full();
        let (cleaning, working) = (broker.clone(), background.clone());
        let known = std::mem::take(&mut uncleanable);
        let Some((worked, known)) = blocking(move || clean_next(&working, &cleaning, known)).await else {
            return;
        };
        uncleanable = known;
        let backoff = if worked { Duration::ZERO } else { period(config.get(keys::LOG_CLEANER_BACKOFF_MS)) };
        if !background.pause(backoff).await {
            return;
        }
    }
}

/// Cleans the partition that needs it most; whether there was one.
fn clean_next(background: &Background, broker: &Broker, mut uncleanable: Uncleanable) -> (bool, Uncleanable) {
    let now_ms = broker.clock.wall_ms();
    let Some((partition, cleanable)) = filthiest(broker, &uncleanable, now_ms) else {
        return (false, uncleanable);
    };
    let (topic, index) = (partition.topic(), partition.id().index);
    match clean(background, broker, &partition, cleanable, now_ms) {
        Ok(()) | Err(PassError::Cleaning(CleaningError::Stopped)) => {}
        Err(error) => {
            error!(%topic, partition = index, %error, "compaction failed; not tried again before a restart");
            uncleanable.insert(partition.id());
        }
    }
    (true, uncleanable)
}

fn filthiest(broker: &Broker, uncleanable: &Uncleanable, now_ms: i64) -> Option<(Arc<Partition>, Cleanable)> {
    let mut best: Option<(Arc<Partition>, Cleanable)> = None;
    for partition in broker.partitions.all() {
        let config = partition.reader().config();
        let skipped = !config.cleanup_policy.compact || uncleanable.contains(&partition.id());
        if skipped || partition.role() == Role::Offline {
            continue;
        }
        let cleaned_to = dir_of(broker, &partition)
            .and_then(|dir| dir.checkpointed(Checkpoint::Cleaner, &name(&partition)));
        let recovery_point = partition.with_log(|log| Ok::<_, PartitionError>(log.recovery_point()));
        let Ok(recovery_point) = recovery_point else { continue };
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
    let begin = |log: &mut rkafka_log::Log| Ok::<_, PartitionError>(Cleaning::begin(log, cleanable, now_ms));
    let mut pass = partition.with_log(begin)?;
    let next_dirty_offset = pass.read_keys(&mut map, &mut pace)?;
    while let Some(group) = pass.next_group(&map, &mut pace)? {
        if let Some(deletion) = partition.with_log(|log| group.swap_into(log))? {
            background.delete_later(broker.log_dirs.disk(), deletion);
        }
    }
    broker.log_dirs.write_cleaner_checkpoint(parent(partition), &name(partition), next_dirty_offset)?;
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
