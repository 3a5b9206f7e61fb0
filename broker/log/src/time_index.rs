//! The time index, `.timeindex`: up to which offset no later timestamp occurs.
//!
//! ```text
//! int64 largest timestamp of the segment up to here, milliseconds since 1970
//! int32 last offset of the first batch that has it, relative to the segment's base offset
//! ```
//! Written together with the offset index whenever the largest timestamp has grown, and once more when the
//! segment is sealed or closed, so that the last entry holds the largest timestamp of the segment: retention
//! by time asks for it.

use crate::error::LogError;
use crate::sparse_index::{Entry, IndexAt, SparseIndex};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 12;

/// The largest timestamp so far and the last offset of the batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargestTimestamp {
    /// Milliseconds since 1970, -1 for none.
    pub timestamp: i64,
    /// Last offset of the first batch with it.
    pub offset: i64,
}

impl Entry<ENTRY_BYTES> for LargestTimestamp {
    fn offset(&self) -> i64 {
        self.offset
    }

    fn encode(&self, base_offset: i64) -> Option<[u8; ENTRY_BYTES]> {
        let relative = i32::try_from(self.offset.checked_sub(base_offset)?).ok().filter(|r| *r >= 0)?;
        let mut bytes = [0; ENTRY_BYTES];
        let (timestamp_bytes, offset_bytes) = bytes.split_first_chunk_mut::<8>()?;
        *timestamp_bytes = self.timestamp.to_be_bytes();
        offset_bytes.copy_from_slice(&relative.to_be_bytes());
        Some(bytes)
    }

    fn decode(base_offset: i64, bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        Self {
            timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            offset: base_offset.saturating_add(i64::from(u32::from_be_bytes([i, j, k, l]))),
        }
    }
}

/// One segment's time index.
pub(crate) type TimeIndex = SparseIndex<LargestTimestamp, ENTRY_BYTES>;
/// It and where its file is.
pub(crate) type TimeIndexAt<'a> = IndexAt<'a, LargestTimestamp, ENTRY_BYTES>;

impl TimeIndexAt<'_> {
    /// Opens the file for reading unless it is open; `false` if it is missing and should not be, or its
    /// entries cannot be right.
    pub(crate) fn load(&self, may_be_missing: bool) -> Result<bool, LogError> {
        self.load_if(may_be_missing, |first, last, _| {
            first.timestamp <= last.timestamp && first.offset <= last.offset
        })
    }

    /// The last entry with a timestamp < `timestamp`: everything up to its offset is older. The start of the
    /// segment if there is none.
    pub(crate) fn lookup_before(&self, timestamp: i64) -> Result<LargestTimestamp, LogError> {
        let none = LargestTimestamp { timestamp: -1, offset: self.base_offset };
        Ok(self.floor(|entry| entry.timestamp < timestamp)?.unwrap_or(none))
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Result<Option<LargestTimestamp>, LogError> {
        self.floor(|_| true)
    }

    /// Appends an entry if its timestamp is larger than the last one's.
    pub(crate) fn maybe_append(&self, entry: LargestTimestamp) -> Result<(), LogError> {
        self.append_if(entry, |last| {
            let is_larger = entry.timestamp > last.map_or(-1, |last| last.timestamp);
            let is_behind = entry.offset >= last.map_or(self.base_offset, |last| last.offset);
            debug_assert!(!is_larger || is_behind, "time index entry {entry:?} behind {last:?}");
            is_larger
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::mem::SimDisk;
    use crate::files::{FileKind, FileName};
    use crate::place::Home;

    #[test]
    fn only_larger_timestamps_are_kept() {
        let disk = SimDisk::new();
        let home = Home::new(Arc::new(disk.clone()), "/".as_ref());
        let name = FileName::live(100, FileKind::TimeIndex);
        let (index, again) = (TimeIndex::default(), TimeIndex::default());
        let at = index.at(100, home.file(name));
        assert!(at.load(true).expect("loads"), "a missing one is empty");
        for (timestamp, offset) in [(-1, 100), (5, 103), (5, 110), (9, 120), (9, 121), (12, 130)] {
            at.maybe_append(LargestTimestamp { timestamp, offset }).expect("appends");
        }
        let expected =
            [(5, 103), (9, 120), (12, 130)].map(|(timestamp, offset)| LargestTimestamp { timestamp, offset });
        let before = |timestamp| at.lookup_before(timestamp).expect("looks up");
        assert_eq!(at.last().expect("looks up"), Some(expected[2]));
        assert_eq!((before(5), before(6)), (LargestTimestamp { timestamp: -1, offset: 100 }, expected[0]));
        assert_eq!((before(12), before(i64::MAX)), (expected[1], expected[2]));
        at.truncate_to(130).expect("truncates");
        assert_eq!((index.len(), at.last().expect("looks up")), (2, Some(expected[1])));
        at.seal().expect("seals");
        let bytes = disk.contents(&name.path("/".as_ref())).expect("there");
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 20]);
        let at = again.at(100, home.file(name));
        assert!(at.load(false).expect("loads"), "sound");
        assert_eq!(at.last().expect("looks up"), Some(expected[1]));
    }
}
