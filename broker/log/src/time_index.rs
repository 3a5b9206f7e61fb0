//! The time index, `.timeindex`: up to which offset no later timestamp occurs.
//!
//! ```text
//! int64 largest timestamp of the segment up to here, milliseconds since 1970
//! int32 last offset of the first batch that has it, relative to the segment's base offset
//! ```
//! Written together with the offset index whenever the largest timestamp has grown, and once more when the
//! segment is sealed or closed, so that the last entry holds the largest timestamp of the segment: retention
//! by time asks for it.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::disk::Disk;
use crate::error::LogError;
use crate::index_file::IndexFile;

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

pub(crate) fn encode(base_offset: i64, entry: LargestTimestamp) -> Option<[u8; ENTRY_BYTES]> {
    let relative = i32::try_from(entry.offset.checked_sub(base_offset)?).ok().filter(|r| *r >= 0)?;
    let mut bytes = [0; ENTRY_BYTES];
    let (timestamp_bytes, offset_bytes) = bytes.split_first_chunk_mut::<8>()?;
    *timestamp_bytes = entry.timestamp.to_be_bytes();
    offset_bytes.copy_from_slice(&relative.to_be_bytes());
    Some(bytes)
}

fn decode(base_offset: i64, bytes: &[u8; ENTRY_BYTES]) -> LargestTimestamp {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    LargestTimestamp {
        timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        offset: base_offset.saturating_add(i64::from(u32::from_be_bytes([i, j, k, l]))),
    }
}

fn is_zero(bytes: &[u8; ENTRY_BYTES]) -> bool {
    *bytes == [0; ENTRY_BYTES]
}

/// One segment's time index; shared like [`crate::index::OffsetIndex`].
#[derive(Debug)]
pub(crate) struct TimeIndex {
    base_offset: i64,
    file: RwLock<IndexFile<ENTRY_BYTES>>,
}

impl TimeIndex {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, base_offset: i64) -> Self {
        Self { base_offset, file: RwLock::new(IndexFile::new(disk, path)) }
    }

    fn read(&self) -> RwLockReadGuard<'_, IndexFile<ENTRY_BYTES>> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, IndexFile<ENTRY_BYTES>> {
        self.file.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.read().is_loaded()
    }

    /// Opens the file for reading unless it is open; `false` if its entries cannot be right.
    pub(crate) fn load(&self) -> Result<bool, LogError> {
        let mut file = self.write();
        if file.is_loaded() {
            return Ok(true);
        }
        file.load(is_zero, |entries| match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => {
                let (first, last) = (decode(0, first), decode(0, last));
                first.timestamp <= last.timestamp && first.offset <= last.offset
            }
            _ => true,
        })
    }

    pub(crate) fn load_rebuilt(&self, entries: Vec<u8>) {
        self.write().load_rebuilt(entries);
    }

    /// The last entry with a timestamp < `timestamp`: everything up to its offset is older. The start of the
    /// segment if there is none.
    pub(crate) fn lookup_before(&self, timestamp: i64) -> LargestTimestamp {
        self.floor(|entry| entry.timestamp < timestamp).unwrap_or(self.none())
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<LargestTimestamp> {
        self.floor(|_| true)
    }

    fn none(&self) -> LargestTimestamp {
        LargestTimestamp { timestamp: -1, offset: self.base_offset }
    }

    fn floor(&self, belongs: impl Fn(LargestTimestamp) -> bool) -> Option<LargestTimestamp> {
        let file = self.read();
        let entries = file.entries();
        let behind = entries.partition_point(|entry| belongs(decode(self.base_offset, entry)));
        let found = behind.checked_sub(1).and_then(|index| entries.get(index));
        found.map(|entry| decode(self.base_offset, entry))
    }

    pub(crate) fn len(&self) -> usize {
        self.read().entries().len()
    }

    /// Appends an entry if its timestamp is larger than the last one's.
    pub(crate) fn maybe_append(&self, entry: LargestTimestamp) -> Result<(), LogError> {
        let mut file = self.write();
        let last = file.entries().last().map_or(self.none(), |last| decode(self.base_offset, last));
        if entry.timestamp <= last.timestamp {
            return Ok(());
        }
        debug_assert!(entry.offset >= last.offset, "time index entry {entry:?} behind {last:?}");
        match encode(self.base_offset, entry) {
            Some(bytes) => file.append(&bytes),
            None => Ok(()),
        }
    }

    /// Forgets entries of offsets ≥ `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<(), LogError> {
        let mut file = self.write();
        let keep = file.entries().partition_point(|entry| decode(self.base_offset, entry).offset < offset);
        file.truncate(keep)
    }

    pub(crate) fn rewrite(&self, entries: &[u8]) -> Result<(), LogError> {
        self.write().rewrite(entries)
    }

    pub(crate) fn clear(&self) -> Result<(), LogError> {
        self.write().clear()
    }

    pub(crate) fn seal(&self) -> Result<(), LogError> {
        self.write().seal()
    }

    pub(crate) fn release(&self) {
        self.write().release();
    }

    pub(crate) fn set_path(&self, path: PathBuf) {
        self.write().set_path(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::mem::SimDisk;

    fn index(disk: &SimDisk) -> TimeIndex {
        let index = TimeIndex::new(Arc::new(disk.clone()), "/1.timeindex".into(), 100);
        assert!(index.load().expect("loads"), "sound");
        index
    }

    #[test]
    fn only_larger_timestamps_are_kept() {
        let disk = SimDisk::new();
        let index = index(&disk);
        for (timestamp, offset) in [(-1, 100), (5, 103), (5, 110), (9, 120), (9, 121), (12, 130)] {
            index.maybe_append(LargestTimestamp { timestamp, offset }).expect("appends");
        }
        let expected =
            [(5, 103), (9, 120), (12, 130)].map(|(timestamp, offset)| LargestTimestamp { timestamp, offset });
        let before = |timestamp| index.lookup_before(timestamp);
        assert_eq!(index.last(), Some(expected[2]));
        assert_eq!((before(5), before(6)), (LargestTimestamp { timestamp: -1, offset: 100 }, expected[0]));
        assert_eq!((before(12), before(i64::MAX)), (expected[1], expected[2]));
        index.truncate_to(130).expect("truncates");
        assert_eq!((index.len(), index.last()), (2, Some(expected[1])));
        index.seal().expect("seals");
        let bytes = disk.contents("/1.timeindex".as_ref()).expect("there");
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 20]);
        assert_eq!(self::index(&disk).last(), Some(expected[1]));
    }
}
