//! Index entries of a segment made from its batches, one after another: while it is recovered, or in memory
//! when an index file is unusable. The same entries as appending makes.

use crate::index::OffsetPosition;
use crate::scan::BatchPlace;
use crate::sparse_index::Entry;
use crate::time_index::LargestTimestamp;

/// Collects the entries of both sparse indexes.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    base_offset: i64,
    interval_bytes: u64,
    bytes_since_entry: u64,
    largest: LargestTimestamp,
    last_time_entry: LargestTimestamp,
    offsets: Vec<u8>,
    times: Vec<u8>,
}

impl IndexBuilder {
    pub(crate) fn new(base_offset: i64, interval_bytes: u64) -> Self {
        let none = LargestTimestamp { timestamp: -1, offset: base_offset };
        Self {
            base_offset,
            interval_bytes,
            bytes_since_entry: 0,
            largest: none,
            last_time_entry: none,
            offsets: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Takes in the next batch.
    pub(crate) fn add(&mut self, place: &BatchPlace) {
        if place.max_timestamp > self.largest.timestamp {
            self.largest = LargestTimestamp { timestamp: place.max_timestamp, offset: place.last_offset };
        }
        if self.bytes_since_entry > self.interval_bytes {
            let entry = OffsetPosition { offset: place.last_offset, position: place.position };
            self.offsets.extend(entry.encode(self.base_offset).into_iter().flatten());
            self.add_time_entry();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += place.size;
    }

    fn add_time_entry(&mut self) {
        if self.largest.timestamp > self.last_time_entry.timestamp {
            self.times.extend(self.largest.encode(self.base_offset).into_iter().flatten());
            self.last_time_entry = self.largest;
        }
    }

    /// Contents of the offset index and of the time index, whose last entry has the segment's largest
    /// timestamp.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.add_time_entry();
        (self.offsets, self.times)
    }
}
