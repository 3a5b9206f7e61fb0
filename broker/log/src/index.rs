//! The offset index, `.index`: where in the `.log` file an offset is about to be found.
//!
//! ```text
//! int32 last offset of a batch, relative to the segment's base offset
//! int32 position of that batch in the .log file
//! ```
//! Sparse: one entry for about every `index.interval.bytes` of log. Both columns rise strictly. The first
//! batch has no entry, so a zero entry marks the unused end of a file.

use crate::error::LogError;
use crate::sparse_index::{Entry, IndexAt, SparseIndex};

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

impl Entry<ENTRY_BYTES> for OffsetPosition {
    fn offset(&self) -> i64 {
        self.offset
    }

    /// `None` if the offset or position does not fit (the segment has to be rolled before).
    fn encode(&self, base_offset: i64) -> Option<[u8; ENTRY_BYTES]> {
        let relative =
            u32::try_from(self.offset.checked_sub(base_offset)?).ok().filter(|r| *r <= i32::MAX as u32)?;
        let position = u32::try_from(self.position).ok().filter(|p| *p <= i32::MAX as u32)?;
        Some((u64::from(relative) << 32 | u64::from(position)).to_be_bytes())
    }

    fn decode(base_offset: i64, bytes: &[u8; ENTRY_BYTES]) -> Self {
        let both = u64::from_be_bytes(*bytes);
        let offset = base_offset.saturating_add((both >> 32) as i64);
        Self { offset, position: both & 0xffff_ffff }
    }
}

/// One segment's offset index.
pub(crate) type OffsetIndex = SparseIndex<OffsetPosition, ENTRY_BYTES>;
/// It and where its file is.
pub(crate) type OffsetIndexAt<'a> = IndexAt<'a, OffsetPosition, ENTRY_BYTES>;

impl OffsetIndexAt<'_> {
    /// Opens the file for reading unless it is open; `false` if it is missing and should not be, or its
    /// entries cannot be those of a `.log` file of `log_size` bytes.
    pub(crate) fn load(&self, log_size: u64, may_be_missing: bool) -> Result<bool, LogError> {
        self.load_if(may_be_missing, |first, last, count| {
            last.position < log_size && (count == 1 || first.offset < last.offset)
        })
    }

    /// The last entry with an offset ≤ `offset`; the start of the segment if there is none.
    pub(crate) fn lookup(&self, offset: i64) -> Result<OffsetPosition, LogError> {
        Ok(self.floor(|entry| entry.offset <= offset)?.unwrap_or(self.start()))
    }

    /// The last entry with a position ≤ `position`; the start of the segment if there is none.
    pub(crate) fn lookup_position(&self, position: u64) -> Result<OffsetPosition, LogError> {
        Ok(self.floor(|entry| entry.position <= position)?.unwrap_or(self.start()))
    }

    fn start(&self) -> OffsetPosition {
        OffsetPosition { offset: self.base_offset, position: 0 }
    }

    /// Appends an entry behind the others.
    pub(crate) fn append(&self, entry: OffsetPosition) -> Result<(), LogError> {
        self.append_if(entry, |last| {
            debug_assert!(
                last.is_none_or(|last| last.offset < entry.offset && last.position < entry.position),
                "index entries of segment {} must rise, {entry:?} does not",
                self.base_offset
            );
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::disk::mem::SimDisk;
    use crate::disk::{Disk, OpenMode};
    use crate::files::{FileKind, FileName};
    use crate::place::Home;

    const BASE: i64 = 1_000_000_000_000;

    struct Test {
        home: Arc<Home>,
        index: OffsetIndex,
    }

    impl Test {
        fn new(disk: &SimDisk) -> Self {
            Self { home: Home::new(Arc::new(disk.clone()), "/".as_ref()), index: OffsetIndex::default() }
        }

        fn at(&self) -> OffsetIndexAt<'_> {
            let name = FileName::live(BASE, FileKind::OffsetIndex);
            self.index.at(BASE, self.home.file(name))
        }

        fn lookup(&self, offset: i64) -> OffsetPosition {
            self.at().lookup(offset).expect("looks up")
        }
    }

    fn index(disk: &SimDisk) -> Test {
        let test = Test::new(disk);
        assert!(test.at().load(u64::MAX, true).expect("loads"), "sound");
        test
    }

    fn put(disk: &SimDisk, contents: &[u8]) {
        let file = disk.open(&path(), OpenMode::Create).expect("made");
        file.pwritev(&[std::io::IoSlice::new(contents)], 0).expect("written");
    }

    fn path() -> std::path::PathBuf {
        FileName::live(BASE, FileKind::OffsetIndex).path("/".as_ref())
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
            spans in prop::collection::vec((0..9_u16, 0..9_u16), 0..1800),
            at in 0..9_000_u64,
        ) {
            let disk = SimDisk::new();
            let (index, entries) = (index(&disk), entries(&spans));
            for entry in &entries {
                index.at().append(*entry).expect("appends");
            }
            let start = OffsetPosition { offset: BASE, position: 0 };
            let offset = BASE + at as i64;
            let by_offset = entries.iter().rfind(|entry| entry.offset <= offset).copied().unwrap_or(start);
            let by_position = entries.iter().rfind(|entry| entry.position <= at).copied().unwrap_or(start);
            prop_assert_eq!(index.lookup(offset), by_offset);
            prop_assert_eq!(index.at().lookup_position(at).expect("looks up"), by_position);

            // Cut somewhere, sealed and read again it is the same.
            index.at().truncate_to(offset).expect("truncates");
            let kept: Vec<_> = entries.iter().filter(|entry| entry.offset < offset).copied().collect();
            prop_assert_eq!(index.index.len(), kept.len());
            index.index.release();
            prop_assert_eq!(index.lookup(i64::MAX), kept.last().copied().unwrap_or(start));
            index.at().seal().expect("seals");
            let again = self::index(&disk);
            prop_assert_eq!(again.index.len(), kept.len());
            prop_assert_eq!(again.lookup(offset), kept.last().copied().unwrap_or(start));
            prop_assert_eq!(again.lookup(i64::MAX), kept.last().copied().unwrap_or(start));
            let bytes = disk.contents(&path()).expect("there");
            prop_assert_eq!(bytes.len(), kept.len() * ENTRY_BYTES);
        }
    }

    #[test]
    fn the_format_is_kafkas() {
        let entry = OffsetPosition { offset: BASE + 0x0102, position: 0x0304_0506 };
        let encode = |offset, position| OffsetPosition { offset, position }.encode(BASE);
        assert_eq!(entry.encode(BASE), Some([0, 0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(OffsetPosition::decode(BASE, &[0, 0, 1, 2, 3, 4, 5, 6]), entry);
        assert_eq!(encode(BASE + (1 << 31), 1), None);
        assert_eq!(encode(BASE - 1, 1), None);
        assert_eq!(encode(BASE, 1 << 31), None);
    }

    #[test]
    fn a_zero_tail_is_not_read_and_goes_when_more_was_appended() {
        for filled in [1, 2000_u32] {
            let disk = SimDisk::new();
            let entries = (1..=filled).flat_map(|index| [index.to_be_bytes(), index.to_be_bytes()]);
            let mut contents: Vec<u8> = entries.flatten().collect();
            contents.resize(1 << 20, 0);
            put(&disk, &contents);
            let index = index(&disk);
            assert_eq!(
                (index.index.len(), index.lookup(i64::MAX).position),
                (filled as usize, u64::from(filled))
            );
            let next = OffsetPosition { offset: BASE + 5000, position: 5000 };
            index.at().append(next).expect("appends");
            assert_eq!(index.lookup(BASE + 5000), next);
            index.at().seal().expect("seals");
            assert_eq!(disk.contents(&path()).expect("there").len(), (filled as usize + 1) * ENTRY_BYTES);
        }
    }

    #[test]
    fn entries_that_cannot_be_right_are_refused() {
        let refused = |contents: &[u8], log_size: u64| {
            let disk = SimDisk::new();
            put(&disk, contents);
            !Test::new(&disk).at().load(log_size, true).expect("readable")
        };
        assert!(refused(&[0, 0, 0, 1, 0, 0, 0, 1, 0], 100), "odd size");
        assert!(refused(&[0, 0, 0, 1, 0, 0, 0, 100], 100), "position past the end");
        assert!(refused(&[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2], 100), "falling");
        assert!(!refused(&[0, 0, 0, 1, 0, 0, 0, 99], 100), "sound");
        let missing = Test::new(&SimDisk::new());
        assert!(!missing.at().load(100, false).expect("readable"), "missing");
    }

    #[test]
    fn a_full_disk_loses_no_entry() {
        let disk = SimDisk::new();
        let index = index(&disk);
        let some = entries(&vec![(0, 0); 1600]);
        disk.set_capacity(Some(4096));
        let full =
            some.iter().filter(|entry| index.at().append(**entry).is_err_and(|error| error.is_disk_full()));
        assert_eq!(full.count(), 2, "the second and the third page");
        assert_eq!((index.index.len(), index.lookup(i64::MAX)), (1600, some[1599]));
        assert!(index.at().seal().expect_err("full").is_disk_full());
        assert_eq!(index.lookup(BASE + 900).position, 900);
        disk.set_capacity(None);
        index.at().seal().expect("there is room again");
        assert_eq!(self::index(&disk).lookup(i64::MAX), some[1599]);
    }

    #[test]
    fn a_file_that_is_right_is_not_written_again() {
        let disk = SimDisk::new();
        let index = index(&disk);
        index.at().rewrite(&[0, 0, 0, 1, 0, 0, 0, 1]).expect("written");
        disk.set_capacity(Some(0));
        index.at().rewrite(&[0, 0, 0, 1, 0, 0, 0, 1]).expect("there already");
        let other = index.at().rewrite(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
        assert!(other.expect_err("full").is_disk_full());
    }
}
