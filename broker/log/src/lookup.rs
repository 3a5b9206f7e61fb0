//! Look-ups that are not reads of batches: by timestamp (ListOffsets), aborted transactions (Fetch).

use rkafka_record::DecodeLimits;

use crate::error::ReadError;
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::view::ReadView;

/// An aborted transaction that a `read_committed` consumer must skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
    /// Leader epoch of its batch, -1 if unknown.
    pub leader_epoch: i32,
}

impl LogReader {
    /// Aborted transactions that overlap `[start_offset, upper_offset)`, by first offset (KIP-98).
    ///
    /// A transaction is listed in the segment that holds its abort marker, which may be a later one than its records.
    ///
    /// # Errors
    /// The disk's.
    pub fn aborted_transactions(
        &self,
        start_offset: i64,
        upper_offset: i64,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        self.with_view(|view| {
            let mut aborted = Vec::new();
            for (segment, _) in view.segments_from(start_offset) {
                let complete = segment.transactions().with_entries(|entries| {
                    for entry in entries {
                        if entry.last_offset >= start_offset && entry.first_offset < upper_offset {
                            let (producer_id, first_offset) = (entry.producer_id, entry.first_offset);
                            aborted.push(AbortedTransaction { producer_id, first_offset });
                        }
                        if entry.last_stable_offset >= upper_offset {
                            return true;
                        }
                    }
                    false
                })?;
                if complete {
                    break;
                }
            }
            aborted.sort_by_key(|transaction| transaction.first_offset);
            Ok(aborted)
        })
    }

    /// The first record with a timestamp ≥ `timestamp_ms`, at or above the log start and below `upper_offset`.
    ///
    /// # Errors
    /// The disk's, or damage in a stored batch.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
        upper_offset: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        self.with_view(|view| {
            for (segment, end) in view.segments_from(view.log_start_offset) {
                if segment.base_offset() >= upper_offset {
                    break;
                }
                let is_active = segment.base_offset() == view.active_base_offset();
                let newest = if is_active { None } else { segment.indexed_largest_timestamp()? };
                if newest.is_some_and(|newest| newest.timestamp < timestamp_ms) {
                    continue;
                }
                let found = first_at_or_after(view, segment, end, timestamp_ms)?;
                if let Some(found) = found {
                    return Ok(Some(found).filter(|found| found.offset < upper_offset));
                }
            }
            Ok(None)
        })
    }

    /// The first record with the largest timestamp of the log (ListOffsets -3, KIP-734), whatever is committed.
    ///
    /// # Errors
    /// The disk's, or damage in a stored batch.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        self.with_view(|view| {
            let mut best: Option<(i64, &Segment, u64)> = None;
            for (segment, end) in view.segments_from(view.log_start_offset) {
                let largest = segment.largest_timestamp(end)?.map_or(-1, |largest| largest.timestamp);
                if largest > best.map_or(-1, |(timestamp, _, _)| timestamp) {
                    best = Some((largest, segment, end));
                }
            }
            match best {
                Some((timestamp, segment, end)) => first_at_or_after(view, segment, end, timestamp),
                None => Ok(None),
            }
        })
    }
}

/// The first record of a segment, at or above the log start, with a timestamp ≥ `timestamp_ms`.
fn first_at_or_after(
    view: &ReadView,
    segment: &Segment,
    end: u64,
    timestamp_ms: i64,
) -> Result<Option<TimestampOffset>, ReadError> {
    segment.load_indexes()?;
    let older = segment.time_index().lookup_before(timestamp_ms);
    let from = older.offset.max(view.log_start_offset);
    let Some(first) = segment.locate(from, end)? else { return Ok(None) };
    let mut headers = segment.headers(first.position, end)?;
    while let Some(place) = headers.next()? {
        if place.max_timestamp < timestamp_ms {
            continue;
        }
        let mut batches = segment.batches(place.position, end)?;
        let Some((_, batch)) = batches.next()? else { return Ok(None) };
        batch.check_crc()?;
        let decoded = batch.decode(DecodeLimits::default())?;
        for record in decoded.records() {
            let record = record?;
            if record.timestamp >= timestamp_ms && record.offset >= view.log_start_offset {
                let (timestamp, offset) = (record.timestamp, record.offset);
                return Ok(Some(TimestampOffset { timestamp, offset, leader_epoch: place.leader_epoch }));
            }
        }
    }
    Ok(None)
}
