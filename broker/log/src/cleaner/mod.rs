//! Compaction: keeps the latest record of each key (`cleanup.policy=compact`), as Apache Kafka's
//! `LogCleaner`.
//!
//! ```text
//!  clean part            dirty part                 not to be cleaned
//! ├─────────────────────┼──────────────────────────┼────────────────────────┤
//! log start        first dirty offset      first uncleanable offset     log end
//! ```
//! A pass reads the keys of the dirty part into an [`OffsetMap`] as far as that has room, then copies all
//! sealed segments up to there, leaving out records with a later one of the same key. Copies replace their
//! originals group by group. Offsets are never changed; gaps are legal.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | what is to be cleaned and how urgently |
//! | `map.rs` | key → latest offset in bounded memory |
//! | `pass.rs` | one pass over a log: reading the keys, copying groups of segments |
//! | `filter.rs` | which batches and records are kept, and in which form |
//! | `transactions.rs` | markers and aborted data |
//!
//! How copies take the place of their originals so that a crash leaves the old ones or the new is told in
//! [`Log::replace_segments`](crate::Log::replace_segments).
//!
//! The log's lock is needed only for a moment at the start of a pass and to swap each group; everything else
//! works on sealed segments, which nobody writes. Nothing here knows threads or clocks: the broker's cleaner
//! calls it, paces it through [`Pace`] and keeps the `cleaner-offset-checkpoint`.

mod filter;
mod map;
mod pass;
#[cfg(test)]
mod tests;
mod transactions;

use std::sync::Arc;

use crate::error::{LogError, ReadError};
use crate::reader::LogReader;
use crate::segment::Segment;

pub use map::OffsetMap;
pub use pass::{CleanedGroup, Cleaning, CleaningCounts, CleaningError};

/// Limits the disk use of a pass (`log.cleaner.io.max.bytes.per.second`) and tells it to stop.
pub trait Pace {
    /// Called before so many bytes are read or written; may block. `false` ends the pass: the partition goes
    /// away, or the broker stops.
    fn spend(&mut self, bytes: u64) -> bool;
}

impl<F: FnMut(u64) -> bool> Pace for F {
    fn spend(&mut self, bytes: u64) -> bool {
        self(bytes)
    }
}

/// What of a log can be cleaned, and how much it needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleanable {
    /// First offset that no pass has seen. Goes into the checkpoint if it is not what was there.
    pub first_dirty_offset: i64,
    /// Base offset of the first segment that must be left alone: the active one, one that is too young, or
    /// one that holds the last stable offset or the recovery point.
    pub first_uncleanable_offset: i64,
    /// Bytes below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of the dirty part.
    pub cleanable_bytes: u64,
    /// A record has waited for longer than `max.compaction.lag.ms`.
    pub overdue: bool,
}

impl Cleanable {
    /// Dirty part of what would be read: the filthiest log is cleaned first.
    pub fn ratio(&self) -> f64 {
        match self.clean_bytes.saturating_add(self.cleanable_bytes) {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }

    /// Whether a pass is due, given `min.cleanable.dirty.ratio`.
    pub fn is_due(&self, min_cleanable_dirty_ratio: f64) -> bool {
        self.cleanable_bytes > 0 && (self.overdue || self.ratio() > min_cleanable_dirty_ratio)
    }
}

/// How far a log has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// [`Log::recovery_point`](crate::Log::recovery_point). Nothing behind it is cleaned: the snapshots that
    /// tell of its producers are not durable yet.
    pub recovery_point: i64,
    /// Where the last pass ended (`cleaner-offset-checkpoint`), if it is known.
    pub cleaned_to: Option<i64>,
}

/// Finds out what of a log can be cleaned.
///
/// # Errors
/// The disk's.
pub fn inspect(reader: &LogReader, progress: Progress, now_ms: i64) -> Result<Cleanable, LogError> {
    let (view, config) = (reader.view(), reader.config());
    // A checkpoint outside the log is from before a truncation or a deletion: everything counts as dirty.
    let inside =
        progress.cleaned_to.filter(|offset| (view.log_start_offset..=view.log_end_offset).contains(offset));
    let first_dirty_offset = inside.unwrap_or(view.log_start_offset);
    let sealed = view.segments.split_last().map_or(&[][..], |(_, sealed)| sealed);
    // Without the active segment, also where an offset lies in it.
    let sealed_from = |offset| sealed.get(floor(&view.segments, offset)..).unwrap_or_default();
    let dirty = sealed_from(first_dirty_offset);
    let mut limit = view.last_stable_offset.min(view.active_base_offset()).min(progress.recovery_point);
    if config.min_compaction_lag_ms > 0 {
        let too_young = first_younger(dirty, now_ms.saturating_sub(config.min_compaction_lag_ms))?;
        limit = limit.min(too_young.unwrap_or(i64::MAX));
    }
    let limit = limit.max(first_dirty_offset);
    let uncleanable = sealed_from(limit).first().map(|segment| segment.base_offset());
    let first_uncleanable_offset = uncleanable.unwrap_or(view.active_base_offset());
    let bytes = |segments: &[Arc<Segment>]| segments.iter().map(|segment| segment.size()).sum::<u64>();
    let below = |segments: &[Arc<Segment>]| {
        segments.partition_point(|segment| segment.base_offset() < first_uncleanable_offset)
    };
    let overdue = match config.max_compaction_lag_ms {
        i64::MAX => false,
        lag_ms => is_older(dirty, now_ms.saturating_sub(lag_ms.max(0)))?,
    };
    Ok(Cleanable {
        first_dirty_offset,
        first_uncleanable_offset,
        clean_bytes: bytes(sealed.get(..sealed.len() - dirty.len()).unwrap_or_default()),
        cleanable_bytes: bytes(dirty.get(..below(dirty)).unwrap_or_default()),
        overdue,
    })
}

/// Index of the segment that holds `offset`, or would.
fn floor(segments: &[Arc<Segment>], offset: i64) -> usize {
    segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
}

/// The segments from the one that holds `offset` on.
fn overlapping(segments: &[Arc<Segment>], offset: i64) -> &[Arc<Segment>] {
    segments.get(floor(segments, offset)..).unwrap_or_default()
}

/// Base offset of the first segment with a record later than `horizon_ms`.
fn first_younger(segments: &[Arc<Segment>], horizon_ms: i64) -> Result<Option<i64>, LogError> {
    for segment in segments {
        let largest =
            segment.indexed_largest_timestamp()?.map_or(segment.modified_ms(), |largest| largest.timestamp);
        if largest > horizon_ms {
            return Ok(Some(segment.base_offset()));
        }
    }
    Ok(None)
}

/// Whether a segment begins with a batch from before `horizon_ms`.
fn is_older(segments: &[Arc<Segment>], horizon_ms: i64) -> Result<bool, LogError> {
    for segment in segments {
        let first = match segment.headers(0, segment.size())?.next() {
            Err(ReadError::Log(error)) => return Err(error),
            // Damage is found by the pass, which names it.
            other => other.ok().flatten(),
        };
        if first.is_some_and(|batch| batch.max_timestamp > 0 && batch.max_timestamp < horizon_ms) {
            return Ok(true);
        }
    }
    Ok(false)
}
