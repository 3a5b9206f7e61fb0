//! Which batches and records survive a pass, and in which form they are written.

use std::collections::BTreeMap;

use rkafka_record::builder::empty_batch;
use rkafka_record::{BatchBuilder, BatchError, BatchOptions, BatchRef, BuildError, DecodeLimits, Record};

use super::map::OffsetMap;
use super::transactions::Verdict;
use crate::producer::ProducerEntry;

/// The last batch of a producer, which must stay (without its records if need be): it tells sequence and
/// epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastOfProducer {
    /// Last offset of its last data batch; `None` if only a marker of it is known.
    data_offset: Option<i64>,
    producer_epoch: i16,
}

impl LastOfProducer {
    pub(super) fn of(entry: &ProducerEntry) -> Self {
        let data_offset = entry.last_batch().map(|batch| batch.last_offset);
        Self { data_offset, producer_epoch: entry.producer_epoch }
    }

    fn is(&self, batch: &BatchRef<'_>) -> bool {
        match self.data_offset {
            Some(offset) => batch.last_offset() == offset,
            None => batch.is_control() && batch.producer_epoch() == self.producer_epoch,
        }
    }
}

/// The rules of one pass.
#[derive(Debug)]
pub(super) struct Filter {
    /// When the pass began, milliseconds since 1970.
    pub(super) now_ms: i64,
    /// `delete.retention.ms`.
    pub(super) delete_retention_ms: i64,
    /// The batch that ends here is kept, so that a follower's log does not end earlier.
    pub(super) high_watermark: i64,
    /// Active producers.
    pub(super) last_batches: BTreeMap<i64, LastOfProducer>,
}

/// Why a batch could not be copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    /// It is damaged.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It cannot be written again.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl Filter {
    /// Appends to `out` what is left of `batch`; returns how many records. `must_stay` keeps it, without
    /// records if need be.
    pub(super) fn copy(
        &self,
        batch: &BatchRef<'_>,
        must_stay: bool,
        verdict: Verdict,
        map: &OffsetMap,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<u64, FilterError> {
        let discard = verdict == Verdict::Discard;
        let marker_may_go = discard && batch.is_control();
        let drop_records = if batch.is_control() {
            // As tombstones, markers stay until readers that are behind have had time to see them.
            discard && batch.delete_horizon_ms().is_some_and(|horizon_ms| horizon_ms <= self.now_ms)
        } else {
            discard
        };
        let kept = if drop_records { Kept::default() } else { self.records(batch, map, scratch)? };
        if kept.count == 0 {
            if must_stay || self.must_stay(batch) {
                out.extend_from_slice(&empty_batch(&batch.header()));
            }
            return Ok(0);
        }
        let sets_horizon = (kept.has_tombstones || marker_may_go) && batch.delete_horizon_ms().is_none();
        if kept.is_all && !sets_horizon {
            out.extend_from_slice(batch.bytes());
        } else {
            let new_horizon = sets_horizon.then(|| self.now_ms.saturating_add(self.delete_retention_ms));
            self.rebuild(batch, map, new_horizon, scratch, out)?;
        }
        Ok(kept.count)
    }

    fn must_stay(&self, batch: &BatchRef<'_>) -> bool {
        let is_last = self.last_batches.get(&batch.producer_id()).is_some_and(|last| last.is(batch));
        is_last || batch.next_offset() == self.high_watermark
    }

    /// Counts the records to keep.
    fn records(
        &self,
        batch: &BatchRef<'_>,
        map: &OffsetMap,
        scratch: &mut Vec<u8>,
    ) -> Result<Kept, FilterError> {
        let mut kept = Kept { is_all: true, ..Kept::default() };
        let decoded = batch.decode_with(DecodeLimits::default(), scratch)?;
        for record in decoded.records() {
            let record = record?;
            if self.keeps(batch, &record, map) {
                kept.count += 1;
                kept.has_tombstones |= record.value.is_none();
            } else {
                kept.is_all = false;
            }
        }
        Ok(kept)
    }

    fn keeps(&self, batch: &BatchRef<'_>, record: &Record<'_>, map: &OffsetMap) -> bool {
        if batch.is_control() || record.offset > map.latest_offset() {
            return true;
        }
        // A record without key should never have come into a compacted topic.
        let Some(key) = record.key else { return false };
        let is_latest = map.get(key).is_none_or(|latest| record.offset >= latest);
        let tombstone_stays = batch.delete_horizon_ms().is_none_or(|horizon_ms| self.now_ms < horizon_ms);
        is_latest && (record.value.is_some() || tombstone_stays)
    }

    fn rebuild(
        &self,
        batch: &BatchRef<'_>,
        map: &OffsetMap,
        new_horizon: Option<i64>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), FilterError> {
        let mut options = BatchOptions::retaining(&batch.header());
        options.delete_horizon_ms = new_horizon.or(options.delete_horizon_ms);
        let mut builder = BatchBuilder::new(options);
        let decoded = batch.decode_with(DecodeLimits::default(), scratch)?;
        for record in decoded.records() {
            let record = record?;
            if self.keeps(batch, &record, map) {
                builder.append_record(&record)?;
            }
        }
        Ok(builder.build_into(out)?)
    }
}

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    /// None was left out.
    is_all: bool,
    has_tombstones: bool,
}
