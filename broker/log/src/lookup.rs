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
    /// A transaction is listed in the segment that holds its abort marker, which may be a later one than its
    /// records.
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

    /// The first record with a timestamp ≥ `timestamp_ms`, at or above the log start and below
    /// `upper_offset`.
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

    /// The first record with the largest timestamp of the log (ListOffsets -3, KIP-734), whatever is
    /// committed.
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
    let older = segment.time_index().lookup_before(timestamp_ms)?;
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

#[cfg(test)]
mod tests {
    use rkafka_record::{BatchOptions, Codec, Compression};

    use crate::testing::{NOW_MS, TestLog, batch, config, from_producer};

    fn with_times(times: &[&[i64]]) -> TestLog {
        let mut test = TestLog::new(crate::LogConfig { index_interval_bytes: 0, ..config() });
        for (number, times) in times.iter().enumerate() {
            if number % 3 == 2 {
                test.log.roll(NOW_MS).expect("rolls");
            }
            let records: Vec<_> = times.iter().map(|time| (*time, None, "value")).collect();
            let codec = if number % 2 == 0 { Codec::None } else { Codec::Lz4 };
            let compression = Compression { codec, ..Compression::default() };
            test.append(&batch(BatchOptions { compression, ..BatchOptions::default() }, &records));
        }
        test
    }

    #[test]
    fn the_first_record_at_or_after_a_time_is_found() {
        // Offsets         0   1   2     3   4     5     6   7   8     9
        let times: [&[i64]; 5] = [&[10, 30, 20], &[15, 40], &[35], &[50, 45, 60], &[55]];
        let flat: Vec<i64> = times.concat();
        let check = |test: &TestLog| {
            for time in 0..62 {
                let expected = flat.iter().position(|t| *t >= time).map(|at| (at as i64, flat[at]));
                let found = test.log.reader().offset_for_timestamp(time, 10).expect("looks up");
                assert_eq!(found.map(|found| (found.offset, found.timestamp)), expected, "time {time}");
                assert!(found.is_none_or(|found| found.leader_epoch == 1));
            }
            let max = test.log.reader().max_timestamp().expect("looks up").expect("there are records");
            assert_eq!((max.offset, max.timestamp), (8, 60));
        };
        let test = with_times(&times);
        check(&test);
        let mut test = test.restarted();
        check(&test);
        let beyond =
            |upper_offset| test.log.reader().offset_for_timestamp(36, upper_offset).expect("looks up");
        assert_eq!((beyond(4), beyond(5).map(|found| found.offset)), (None, Some(4)));
        test.log.advance_log_start(5).expect("moves");
        let found = test.log.reader().offset_for_timestamp(36, 10).expect("looks up");
        assert_eq!(found.map(|found| found.offset), Some(6), "not below the log start");
    }

    #[test]
    fn a_log_without_timestamps_has_none_to_be_found() {
        let test = with_times(&[&[-1], &[-1, -1]]);
        assert_eq!(test.log.reader().max_timestamp().expect("looks up"), None);
        assert_eq!(test.log.reader().offset_for_timestamp(0, 10).expect("looks up"), None);
        let empty = with_times(&[]);
        assert_eq!(empty.log.reader().max_timestamp().expect("looks up"), None);
        assert_eq!(empty.log.reader().offset_for_timestamp(0, 10).expect("looks up"), None);
    }

    #[test]
    fn aborted_transactions_are_found_whose_marker_lies_in_a_later_segment() {
        let mut test = TestLog::new(config());
        let record = [(NOW_MS, None, "value")];
        test.append(&batch(from_producer(1, 0, true), &record)); // 0
        test.append(&batch(from_producer(2, 0, true), &record)); // 1
        assert_eq!(test.log.last_stable_offset(), 0);
        test.log.roll(NOW_MS).expect("rolls");
        test.append(&batch(from_producer(3, 0, true), &record)); // 2
        assert_eq!(test.end_transaction(2, false), 3);
        assert_eq!(test.end_transaction(3, true), 4);
        test.log.roll(NOW_MS).expect("rolls");
        assert_eq!(test.end_transaction(1, false), 5);
        test.append(&batch(from_producer(2, 1, true), &record)); // 6
        assert_eq!(test.end_transaction(2, false), 7);
        assert_eq!(test.log.last_stable_offset(), 8);
        let check = |test: &TestLog| {
            let aborted = |start, upper| -> Vec<(i64, i64)> {
                let found = test.log.reader().aborted_transactions(start, upper).expect("looks up");
                found.iter().map(|found| (found.first_offset, found.producer_id)).collect()
            };
            assert_eq!(aborted(0, 8), [(0, 1), (1, 2), (6, 2)]);
            assert_eq!(aborted(0, 1), [(0, 1)]);
            assert_eq!(aborted(2, 3), [(0, 1), (1, 2)], "both are open at 2");
            assert_eq!(aborted(4, 6), [(0, 1)]);
            assert_eq!(aborted(6, 8), [(6, 2)]);
            assert_eq!(aborted(8, 8), []);
        };
        check(&test);
        let test = test.restarted();
        check(&test);
        let disk = test.disk.clone();
        let config = crate::LogConfig::clone(test.log.config());
        drop(test);
        check(&TestLog::open(disk, config, crate::testing::options()));
    }
}
