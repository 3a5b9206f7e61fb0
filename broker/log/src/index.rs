//! The offset index, `.index`: where in the `.log` file an offset is about to be found.
//!
//! ```text
//! int32 last offset of a batch, relative to the segment's base offset
//! int32 position of that batch in the .log file
//! ```
//! Sparse: one entry for about every `index.interval.bytes` of log. Both columns rise strictly. The first
//! batch has no entry, so a zero entry marks the unused end of a file.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::disk::Disk;
use crate::error::LogError;
use crate::index_file::IndexFile;

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 8;

/// A batch's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetPosition {
    /// Last offset of the batch.
    pub offset: i64,
    /// Where it begins in the `.log` file.
    pub position: u64,
}

/// Entry bytes, or `None` if the offset or position does not fit (the segment has to be rolled before).
pub(crate) fn encode(base_offset: i64, entry: OffsetPosition) -> Option<[u8; ENTRY_BYTES]> {
    let relative =
        u32::try_from(entry.offset.checked_sub(base_offset)?).ok().filter(|r| *r <= i32::MAX as u32)?;
    let position = u32::try_from(entry.position).ok().filter(|p| *p <= i32::MAX as u32)?;
    Some((u64::from(relative) << 32 | u64::from(position)).to_be_bytes())
}

fn decode(base_offset: i64, bytes: &[u8; ENTRY_BYTES]) -> OffsetPosition {
    let both = u64::from_be_bytes(*bytes);
    OffsetPosition { offset: base_offset.saturating_add((both >> 32) as i64), position: both & 0xffff_ffff }
}

fn is_zero(bytes: &[u8; ENTRY_BYTES]) -> bool {
    *bytes == [0; ENTRY_BYTES]
}

/// One segment's offset index. Readers and the writer share it through its lock, held for a look-up or an
/// append.
#[derive(Debug)]
pub(crate) struct OffsetIndex {
    base_offset: i64,
    file: RwLock<IndexFile<ENTRY_BYTES>>,
}

impl OffsetIndex {
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

    /// Opens the file for reading unless it is open; `false` if its entries cannot be those of a `.log` file
    /// of `log_size` bytes: then [`load_rebuilt`](Self::load_rebuilt) is due.
    pub(crate) fn load(&self, log_size: u64) -> Result<bool, LogError> {
        let mut file = self.write();
        if file.is_loaded() {
            return Ok(true);
        }
        file.load(is_zero, |entries| {
            let (first, last) = (entries.first(), entries.last());
            let in_log = last.is_none_or(|last| decode(0, last).position < log_size);
            let rising = match (first, last) {
                (Some(first), Some(last)) => {
                    entries.len() == 1 || decode(0, first).offset < decode(0, last).offset
                }
                _ => true,
            };
            in_log && rising
        })
    }

    pub(crate) fn load_rebuilt(&self, entries: Vec<u8>) {
        self.write().load_rebuilt(entries);
    }

    /// The last entry with an offset ≤ `offset`; the start of the segment if there is none.
    pub(crate) fn lookup(&self, offset: i64) -> OffsetPosition {
        self.floor(|entry| entry.offset <= offset)
    }

    /// The last entry with a position ≤ `position`; the start of the segment if there is none.
    pub(crate) fn lookup_position(&self, position: u64) -> OffsetPosition {
        self.floor(|entry| entry.position <= position)
    }

    fn floor(&self, belongs: impl Fn(OffsetPosition) -> bool) -> OffsetPosition {
        let file = self.read();
        let entries = file.entries();
        let behind = entries.partition_point(|entry| belongs(decode(self.base_offset, entry)));
        let found = behind.checked_sub(1).and_then(|index| entries.get(index));
        let start = OffsetPosition { offset: self.base_offset, position: 0 };
        found.map_or(start, |entry| decode(self.base_offset, entry))
    }

    pub(crate) fn len(&self) -> usize {
        self.read().entries().len()
    }

    /// Appends an entry behind the others.
    pub(crate) fn append(&self, entry: OffsetPosition) -> Result<(), LogError> {
        let mut file = self.write();
        let Some(bytes) = encode(self.base_offset, entry) else {
            debug_assert!(false, "{entry:?} does not fit into the index of segment {}", self.base_offset);
            return Ok(());
        };
        debug_assert!(
            file.entries().last().is_none_or(|last| {
                let last = decode(self.base_offset, last);
                last.offset < entry.offset && last.position < entry.position
            }),
            "index entries of segment {} must rise, {entry:?} does not",
            self.base_offset
        );
        file.append(&bytes)
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
    use proptest::prelude::*;

    use super::*;
    use crate::disk::OpenMode;
    use crate::disk::mem::SimDisk;

    const BASE: i64 = 1_000_000_000_000;

    fn index(disk: &SimDisk) -> OffsetIndex {
        let index = OffsetIndex::new(Arc::new(disk.clone()), "/1.index".into(), BASE);
        assert!(index.load(u64::MAX).expect("loads"), "sound");
        index
    }

    fn entries(spans: &[(u16, u16)]) -> Vec<OffsetPosition> {
        let mut entry = OffsetPosition { offset: BASE, position: 0 };
        let rise = |(offset, position): &(u16, u16)| {
            entry.offset += i64::from(*offset) + 1;
            entry.position += u64::from(*position) + 1;
            entry
        };
        spans.iter().map(rise).collect()
    }

    proptest! {
        #[test]
        fn look_ups_agree_with_a_walk(
            spans in prop::collection::vec((0..9_u16, 0..9_u16), 0..700),
            at in 0..4_000_u64,
        ) {
            let disk = SimDisk::new();
            let (index, entries) = (index(&disk), entries(&spans));
            for entry in &entries {
                index.append(*entry).expect("appends");
            }
            let start = OffsetPosition { offset: BASE, position: 0 };
            let offset = BASE + at as i64;
            let by_offset = entries.iter().rfind(|entry| entry.offset <= offset).copied().unwrap_or(start);
            let by_position = entries.iter().rfind(|entry| entry.position <= at).copied().unwrap_or(start);
            prop_assert_eq!(index.lookup(offset), by_offset);
            prop_assert_eq!(index.lookup_position(at), by_position);

            // Cut somewhere, sealed and read again it is the same.
            index.truncate_to(offset).expect("truncates");
            let kept: Vec<_> = entries.iter().filter(|entry| entry.offset < offset).copied().collect();
            prop_assert_eq!(index.len(), kept.len());
            index.seal().expect("seals");
            let again = self::index(&disk);
            prop_assert_eq!(again.len(), kept.len());
            prop_assert_eq!(again.lookup(i64::MAX), kept.last().copied().unwrap_or(start));
            let bytes = disk.contents("/1.index".as_ref()).expect("there");
            prop_assert_eq!(bytes.len(), kept.len() * ENTRY_BYTES);
        }
    }

    #[test]
    fn the_format_is_kafkas() {
        let entry = OffsetPosition { offset: BASE + 0x0102, position: 0x0304_0506 };
        assert_eq!(encode(BASE, entry), Some([0, 0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(encode(BASE, OffsetPosition { offset: BASE + (1 << 31), position: 1 }), None);
        assert_eq!(encode(BASE, OffsetPosition { offset: BASE - 1, position: 1 }), None);
        assert_eq!(encode(BASE, OffsetPosition { offset: BASE, position: 1 << 31 }), None);
    }

    #[test]
    fn a_zero_tail_is_not_read_and_goes_with_the_next_append() {
        let disk = SimDisk::new();
        let mut contents = [0, 0, 0, 9, 0, 0, 0, 7].to_vec();
        contents.resize(10 << 20, 0);
        let file = disk.open("/1.index".as_ref(), OpenMode::Create).expect("made");
        file.pwritev(&[std::io::IoSlice::new(&contents)], 0).expect("written");
        let index = index(&disk);
        assert_eq!((index.len(), index.lookup(BASE + 9).position), (1, 7));
        index.append(OffsetPosition { offset: BASE + 10, position: 8 }).expect("appends");
        assert_eq!(index.lookup(BASE + 10).position, 8);
        assert_eq!(disk.contents("/1.index".as_ref()).expect("there").len(), 4096);
    }

    #[test]
    fn entries_that_cannot_be_right_are_refused() {
        let refused = |contents: &[u8], log_size: u64| {
            let disk = SimDisk::new();
            let file = disk.open("/1.index".as_ref(), OpenMode::Create).expect("made");
            file.pwritev(&[std::io::IoSlice::new(contents)], 0).expect("written");
            let index = OffsetIndex::new(Arc::new(disk), "/1.index".into(), BASE);
            !index.load(log_size).expect("readable")
        };
        assert!(refused(&[0, 0, 0, 1, 0, 0, 0, 1, 0], 100), "odd size");
        assert!(refused(&[0, 0, 0, 1, 0, 0, 0, 100], 100), "position past the end");
        assert!(refused(&[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2], 100), "falling");
        assert!(!refused(&[0, 0, 0, 1, 0, 0, 0, 99], 100), "sound");
    }

    #[test]
    fn a_full_disk_leaves_the_entries_that_are_there() {
        let disk = SimDisk::new();
        let index = index(&disk);
        let some = entries(&vec![(0, 0); 513]);
        for entry in some.iter().take(512) {
            index.append(*entry).expect("appends");
        }
        disk.set_capacity(Some(4096));
        assert!(index.append(some[512]).expect_err("full").is_disk_full());
        assert_eq!((index.len(), index.lookup(i64::MAX)), (512, some[511]));
        disk.set_capacity(None);
        index.append(some[512]).expect("there is room again");
        assert_eq!(index.lookup(i64::MAX), some[512]);
    }
}
