//! What readers see of a log: one immutable picture, replaced as a whole after each change.

use std::sync::Arc;

use crate::epoch::{EpochEndOffset, LeaderEpochs};
use crate::segment::Segment;

/// A consistent picture of a log. Everything it names has been written before it was published.
///
/// `log_start_offset ≤ last_stable_offset ≤ high_watermark ≤ log_end_offset`.
#[derive(Debug, Clone)]
pub struct ReadView {
    /// First offset that may be read.
    pub log_start_offset: i64,
    /// Everything below it is committed.
    pub high_watermark: i64,
    /// Everything below it is decided: committed, and of no open transaction.
    pub last_stable_offset: i64,
    /// Offset that the next record will get.
    pub log_end_offset: i64,
    /// Leader epochs and where they begin.
    pub epochs: Arc<LeaderEpochs>,
    /// Segments by base offset, never empty; the last one is active.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    /// Bytes of the active segment that belong to this picture.
    pub(crate) active_size: u64,
}

impl ReadView {
    /// Newest leader epoch, -1 if none.
    pub fn leader_epoch(&self) -> i32 {
        self.epochs.latest_epoch().unwrap_or(crate::epoch::UNDEFINED_EPOCH)
    }

    /// Where `epoch` ends in this log (OffsetForLeaderEpoch, KIP-279).
    pub fn end_offset_for_epoch(&self, epoch: i32) -> EpochEndOffset {
        self.epochs.end_offset_for(epoch, self.log_end_offset)
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        let sealed = self.segments.split_last().map_or(&[][..], |(_, sealed)| sealed);
        sealed.iter().map(|segment| segment.size()).sum::<u64>() + self.active_size
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Base offset of the active segment: reads below it never wait for more data (`fetch.min.bytes`).
    pub fn active_base_offset(&self) -> i64 {
        self.segments.last().map_or(self.log_end_offset, |active| active.base_offset())
    }
}
