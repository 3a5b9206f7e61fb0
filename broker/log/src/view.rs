//! What readers see of a log: one immutable picture, replaced as a whole after each change.

use std::sync::Arc;

use crate::epoch::{EpochEndOffset, LeaderEpochs};
use crate::error::ReadError;
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
    /// Everything below it is durable.
    pub recovery_point: i64,
    /// Leader epochs and where they begin.
    pub epochs: Arc<LeaderEpochs>,
    /// How often bytes had been taken away from the end of the log.
    pub(crate) cuts: u64,
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

    /// Refuses offsets outside the log.
    pub(crate) fn check_offset(&self, offset: i64) -> Result<(), ReadError> {
        let (log_start_offset, log_end_offset) = (self.log_start_offset, self.log_end_offset);
        if (log_start_offset..=log_end_offset).contains(&offset) {
            Ok(())
        } else {
            Err(ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset })
        }
    }

    /// The segment that holds `offset` (or the nearest before it) and those behind it, each with the bytes of
    /// it that belong to this picture.
    pub(crate) fn segments_from(&self, offset: i64) -> impl Iterator<Item = (&Arc<Segment>, u64)> {
        let last = self.segments.len().saturating_sub(1);
        let first =
            self.segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1);
        let size_of =
            move |index, segment: &Segment| if index == last { self.active_size } else { segment.size() };
        let segments = self.segments.iter().enumerate().skip(first);
        segments.map(move |(index, segment)| (segment, size_of(index, segment)))
    }

    /// Where the segment's offsets end: the next one's base offset, or the log end.
    pub(crate) fn end_offset_of(&self, segment: &Segment) -> i64 {
        let behind = self.segments.partition_point(|other| other.base_offset() <= segment.base_offset());
        self.segments.get(behind).map_or(self.log_end_offset, |next| next.base_offset())
    }
}
