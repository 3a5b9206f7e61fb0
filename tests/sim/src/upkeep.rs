//! What a broker does to its logs beside serving them: flushing, closing, rolling, deleting, compacting.

use std::path::PathBuf;

use rkafka_core::ids::PartitionId;
use rkafka_log::ReadLimits;
use rkafka_log::cleaner::{Cleaning, CleaningError, OffsetMap, Progress, inspect};
use rkafka_log::dirs::Checkpoint;
use rkafka_log::disk::mem::SimRng;

use crate::process::{Process, Stop};
use crate::replica::Replica;

impl Process {
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        let mut positions = Vec::new();
        for replica in self.replicas.values_mut() {
            match replica.log.flush() {
                Err(error) if error.is_disk_full() => {}
                other => other?,
            }
            positions.push(replica.position());
        }
        match self.dirs.write_checkpoints(|| positions) {
            Err(error) if error.is_disk_full() => Ok(()),
            other => Ok(other?),
        }
    }

    /// An orderly end. The next life may say that it stopped cleanly.
    pub(crate) fn close(self) -> Result<(), Stop> {
        let mut positions = Vec::new();
        for replica in self.replicas.into_values() {
            let mut position = replica.position();
            let end = replica.log.log_end_offset();
            replica.log.close()?;
            position.recovery_point = end;
            positions.push(position);
        }
        self.dirs.write_checkpoints(|| positions)?;
        self.dirs.mark_clean(self.epoch)?;
        Ok(())
    }

    /// Deletes records of a partition that is led here: DeleteRecords. Returns the new log start.
    pub(crate) fn delete_records(&mut self, id: PartitionId, below: i64) -> Result<Option<i64>, Stop> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(None) };
        let Some(leader) = &mut replica.leader else { return Ok(None) };
        let below = below.min(replica.log.high_watermark());
        match replica.log.advance_log_start(below) {
            Err(error) if error.is_disk_full() => return Ok(None),
            other => other?,
        };
        leader.on_log_start_advanced(replica.log.log_start_offset());
        Ok(Some(replica.log.log_start_offset()))
    }

    /// Begins a new segment in each log.
    pub(crate) fn roll(&mut self, wall_ms: i64) -> Result<(), Stop> {
        for replica in self.replicas.values_mut() {
            match replica.log.roll(wall_ms) {
                Err(error) if error.is_disk_full() => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Applies the retention of each log, on leaders and followers alike. Where each log starts then.
    pub(crate) fn retain(&mut self, wall_ms: i64) -> Result<Vec<(PartitionId, i64)>, Stop> {
        let mut starts = Vec::new();
        for (id, replica) in &mut self.replicas {
            match replica.log.apply_retention(wall_ms).and_then(|deletion| deletion.run(&self.disk)) {
                Err(error) if error.is_disk_full() => {}
                other => other?,
            }
            if let Some(leader) = &mut replica.leader {
                leader.on_log_start_advanced(replica.log.log_start_offset());
            }
            starts.push((*id, replica.log.log_start_offset()));
        }
        Ok(starts)
    }

    /// One pass of the cleaner over each compacted log.
    pub(crate) fn compact(&mut self, wall_ms: i64) -> Result<(), Stop> {
        for replica in self.replicas.values_mut() {
            if !replica.log.config().cleanup_policy.compact {
                continue;
            }
            let dir = replica.log.health().dir().to_path_buf();
            let known = self.dirs.dirs().first();
            let cleaned_to = known.and_then(|dir| dir.checkpointed(Checkpoint::Cleaner, &replica.name));
            match clean(replica, cleaned_to, wall_ms, &self.disk) {
                Ok(next) => match self.dirs.write_cleaner_checkpoint(&dir, &replica.name, next) {
                    Err(error) if error.is_disk_full() => {}
                    other => other?,
                },
                Err(CleaningError::Log(error)) if error.is_disk_full() => {}
                Err(CleaningError::Log(error)) => return Err(error.into()),
                Err(error) => return Err(Stop::Violation(error.to_string())),
            }
        }
        Ok(())
    }

    /// A byte that may rot: of a batch that recovery will look at, being behind the recovery point. Only bytes
    /// that the batch's checksum covers; the others are the log's own crash tests'.
    pub(crate) fn rottable(&self, rng: &mut SimRng) -> Option<(PathBuf, u64)> {
        const BEFORE_CHECKSUMMED: u64 = 21;
        let unsynced = |replica: &&Replica| replica.log.recovery_point() < replica.log.log_end_offset();
        let all: Vec<&Replica> = self.replicas.values().filter(unsynced).collect();
        let log = &all.get(rng.below(all.len()))?.log;
        let from = log.recovery_point().max(log.log_start_offset());
        let limits = ReadLimits { max_bytes: 1, upper_offset: i64::MAX, at_least_one_batch: true };
        let slice = log.reader().read(from, limits).ok()?.slice?;
        let sealed = log.sealed_segments().iter().map(|segment| segment.base_offset());
        let bases = sealed.chain([log.view().active_base_offset()]);
        let base = bases.filter(|base| *base <= from).max()?;
        let covered = slice.len().checked_sub(BEFORE_CHECKSUMMED)?.max(1);
        let position = slice.position() + BEFORE_CHECKSUMMED + rng.next_u64() % covered;
        Some((log.dir().join(format!("{base:020}.log")), position))
    }
}

/// One pass over one log; up to where it is clean then.
fn clean(
    replica: &mut Replica,
    cleaned_to: Option<i64>,
    wall_ms: i64,
    disk: &dyn rkafka_log::disk::Disk,
) -> Result<i64, CleaningError> {
    let progress = Progress { recovery_point: replica.log.recovery_point(), cleaned_to };
    let cleanable = inspect(&replica.log.reader(), progress, wall_ms)?;
    if cleanable.cleanable_bytes == 0 {
        return Ok(cleanable.first_dirty_offset);
    }
    let (mut map, mut pace) = (OffsetMap::new(64 << 10, 0.9, [1, 2]), |_: u64| true);
    let mut pass = Cleaning::begin(&replica.log, cleanable, wall_ms);
    let next_dirty_offset = pass.read_keys(&mut map, &mut pace)?;
    while let Some(group) = pass.next_group(&map, &mut pace)? {
        if let Some(deletion) = group.swap_into(&mut replica.log)? {
            deletion.run(disk)?;
        }
    }
    Ok(next_dirty_offset)
}
