//! The transaction index, `.txnindex`: which transactions ended aborted in this segment.
//!
//! ```text
//! int16 version = 0
//! int64 producer id
//! int64 first offset of the transaction (perhaps in an earlier segment)
//! int64 last offset: that of the abort marker, always in this segment
//! int64 last stable offset when the marker was appended
//! ```
//! 34 bytes an entry, ordered by last offset. The file exists only if there is an entry. A reader that has
//! met a last stable offset at or above the end of what it reads needs no later entry (KIP-98).

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, OpenMode};
use crate::error::LogError;
use crate::place::Place;

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 34;
/// A segment cannot hold more aborted transactions than this: each needs a marker of at least 70 bytes of
/// log.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// One aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedEntry {
    /// Its producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of the abort marker.
    pub last_offset: i64,
    /// First offset that was still undecided after the marker.
    pub last_stable_offset: i64,
}

impl AbortedEntry {
    /// Bytes in the file.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        let (places, _) = bytes.split_at_mut(2).1.as_chunks_mut::<8>();
        for (place, field) in places.iter_mut().zip(fields) {
            *place = field.to_be_bytes();
        }
        bytes
    }

    /// An entry of the file; `None` if it has an unknown version or contradicts itself.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let (version, fields) = bytes.split_first_chunk::<2>()?;
        let &[producer_id, first_offset, last_offset, last_stable_offset] = fields.as_chunks::<8>().0 else {
            return None;
        };
        let entry = Self {
            producer_id: i64::from_be_bytes(producer_id),
            first_offset: i64::from_be_bytes(first_offset),
            last_offset: i64::from_be_bytes(last_offset),
            last_stable_offset: i64::from_be_bytes(last_stable_offset),
        };
        let sound = *version == [0, 0] && 0 <= entry.first_offset && entry.first_offset < entry.last_offset;
        (sound && entry.producer_id >= 0 && entry.last_stable_offset >= 0).then_some(entry)
    }
}

/// One segment's aborted transactions. The entries are kept in memory once asked for; there are few.
#[derive(Debug)]
pub(crate) struct TransactionIndex {
    /// `None` if there is a file and nobody asked yet.
    entries: Mutex<Option<Vec<AbortedEntry>>>,
}

/// It and where its file is.
#[derive(Debug)]
pub(crate) struct TransactionIndexAt<'a> {
    index: &'a TransactionIndex,
    base_offset: i64,
    place: Place<'a>,
}

impl TransactionIndex {
    /// The index of a segment; `exists` says whether there is a file: without one nothing is ever opened.
    pub(crate) fn new(exists: bool) -> Self {
        Self { entries: Mutex::new(if exists { None } else { Some(Vec::new()) }) }
    }

    pub(crate) fn at<'a>(&'a self, base_offset: i64, place: Place<'a>) -> TransactionIndexAt<'a> {
        TransactionIndexAt { index: self, base_offset, place }
    }

    fn entries(&self) -> MutexGuard<'_, Option<Vec<AbortedEntry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what can be read again.
    pub(crate) fn release(&self) {
        let mut entries = self.entries();
        if entries.as_ref().is_some_and(|entries| !entries.is_empty()) {
            *entries = None;
        }
    }
}

impl TransactionIndexAt<'_> {
    /// Runs `use_entries` on all entries, loading them first if need be.
    pub(crate) fn with_entries<T>(
        &self,
        use_entries: impl FnOnce(&[AbortedEntry]) -> T,
    ) -> Result<T, LogError> {
        let mut entries = self.index.entries();
        Ok(use_entries(self.load(&mut entries)?))
    }

    fn load<'e>(
        &self,
        entries: &'e mut Option<Vec<AbortedEntry>>,
    ) -> Result<&'e mut Vec<AbortedEntry>, LogError> {
        let loaded = match entries.take() {
            Some(loaded) => loaded,
            None => self.decode(&self.read()?).ok_or_else(|| LogError::Corrupt {
                path: self.place.path(),
                problem: "not a list of aborted transactions; delete it and restart to make it anew"
                    .to_owned(),
            })?,
        };
        Ok(entries.insert(loaded))
    }

    fn read(&self) -> Result<Vec<u8>, LogError> {
        let Some(file) = self.place.open_existing(OpenMode::Read)? else { return Ok(Vec::new()) };
        let len = file.len().map_err(self.place.failed("size"))?.min(FILE_BYTES_MAX);
        let mut contents = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = file.pread(&mut contents, 0).map_err(self.place.failed("read"))?;
        contents.truncate(read);
        Ok(contents)
    }

    fn decode(&self, contents: &[u8]) -> Option<Vec<AbortedEntry>> {
        let (chunks, rest) = contents.as_chunks::<ENTRY_BYTES>();
        let entries: Vec<_> = chunks.iter().map(AbortedEntry::decode).collect::<Option<_>>()?;
        let rising = entries.is_sorted_by(|a, b| a.last_offset < b.last_offset);
        let in_segment = entries.first().is_none_or(|first| first.last_offset >= self.base_offset);
        (rest.is_empty() && rising && in_segment).then_some(entries)
    }

    /// Appends an entry; the file is made by the first.
    pub(crate) fn append(&self, entry: AbortedEntry) -> Result<(), LogError> {
        let mut entries = self.index.entries();
        let known = self.load(&mut entries)?;
        let file = self.place.open(OpenMode::Create)?;
        let position = (known.len() * ENTRY_BYTES) as u64;
        file.pwritev(&[IoSlice::new(&entry.encode())], position).map_err(self.place.failed("write"))?;
        known.push(entry);
        Ok(())
    }

    /// Makes sure that there is space for so many more entries, so that a full disk is met before the markers
    /// are written.
    pub(crate) fn reserve(&self, more: usize) -> Result<(), LogError> {
        let mut entries = self.index.entries();
        let needed = self.load(&mut entries)?.len() + more;
        let file = self.place.open(OpenMode::Create)?;
        file.reserve((needed * ENTRY_BYTES) as u64).map_err(self.place.failed("reserve space for"))
    }

    /// Forgets transactions whose marker is at or above `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<(), LogError> {
        let mut entries = self.index.entries();
        let known = self.load(&mut entries)?;
        let keep = known.partition_point(|entry| entry.last_offset < offset);
        if keep < known.len() {
            known.truncate(keep);
            let file = self.place.open(OpenMode::ReadWrite)?;
            file.truncate((keep * ENTRY_BYTES) as u64).map_err(self.place.failed("cut"))?;
            // Once it is empty no later sync would touch it, and the entries could come back.
            file.sync_data().map_err(self.place.failed("sync"))?;
        }
        Ok(())
    }

    /// Replaces all entries; without any there is no file.
    pub(crate) fn rewrite(&self, new: Vec<AbortedEntry>) -> Result<(), LogError> {
        let mut entries = self.index.entries();
        if new.is_empty() {
            if entries.as_ref().is_none_or(|known| !known.is_empty()) {
                self.place.remove()?;
            }
        } else {
            let contents: Vec<u8> = new.iter().flat_map(AbortedEntry::encode).collect();
            // One that is right is left alone: there may be no room for another.
            if self.read()? != contents {
                let file = self.place.open(OpenMode::Truncate)?;
                file.pwritev(&[IoSlice::new(&contents)], 0).map_err(self.place.failed("write"))?;
            }
        }
        *entries = Some(new);
        Ok(())
    }

    /// Makes the entries durable.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        if self.index.entries().as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        self.place.sync()
    }
}

/// Syncs a file that may be missing.
pub(crate) fn sync_file(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    match disk.open(path, OpenMode::ReadWrite) {
        Ok(file) => file.sync_data().map_err(LogError::io("sync", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LogError::io("open", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::disk::mem::SimDisk;
    use crate::files::{FileKind, FileName};
    use crate::place::Home;

    const NAME: FileName =
        FileName { offset: 10, kind: FileKind::TransactionIndex, stage: crate::files::Stage::Live };

    struct Test {
        home: Arc<Home>,
        index: TransactionIndex,
    }

    impl Test {
        fn at(&self) -> TransactionIndexAt<'_> {
            self.index.at(10, self.home.file(NAME))
        }
    }

    fn path() -> PathBuf {
        NAME.path("/".as_ref())
    }

    fn entry(first_offset: i64, last_offset: i64) -> AbortedEntry {
        AbortedEntry { producer_id: 7, first_offset, last_offset, last_stable_offset: last_offset + 1 }
    }

    fn index(disk: &SimDisk, exists: bool) -> Test {
        Test { home: Home::new(Arc::new(disk.clone()), "/".as_ref()), index: TransactionIndex::new(exists) }
    }

    fn entries(index: &Test) -> Vec<AbortedEntry> {
        index.at().with_entries(<[AbortedEntry]>::to_vec).expect("reads")
    }

    #[test]
    fn entries_are_kept_in_kafkas_format() {
        let disk = SimDisk::new();
        let index = index(&disk, false);
        assert_eq!(entries(&index), []);
        assert!(disk.files().is_empty(), "no file without an entry");
        let some = [entry(3, 12), entry(11, 15), entry(13, 20)];
        for entry in some {
            index.at().append(entry).expect("appends");
        }
        let bytes = disk.contents(&path()).expect("there");
        assert_eq!(bytes.len(), 3 * ENTRY_BYTES);
        assert_eq!(bytes.get(..18), Some(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3][..]));
        index.at().truncate_to(15).expect("truncates");
        assert_eq!(entries(&self::index(&disk, true)), some.get(..1).unwrap_or_default());
        index.at().append(entry(13, 20)).expect("appends");
        assert_eq!(entries(&self::index(&disk, true)), [some[0], some[2]]);
        let two = vec![some[0], some[2]];
        disk.set_capacity(Some(0));
        index.at().rewrite(two).expect("nothing to write");
        index.at().rewrite(Vec::new()).expect("rewrites");
        assert!(disk.files().is_empty(), "no file without an entry");
    }

    #[test]
    fn damage_is_refused() {
        let refused = |bytes: &[u8]| {
            let disk = SimDisk::new();
            let file = disk.open(&path(), OpenMode::Create).expect("made");
            file.pwritev(&[IoSlice::new(bytes)], 0).expect("written");
            matches!(index(&disk, true).at().with_entries(|_| ()), Err(LogError::Corrupt { .. }))
        };
        let good = [entry(3, 12).encode(), entry(4, 15).encode()].concat();
        assert!(!refused(&good));
        assert!(refused(good.get(1..).unwrap_or_default()), "size");
        assert!(refused(&[&[0, 1], good.get(2..).unwrap_or_default()].concat()), "version");
        assert!(refused(&[entry(4, 15).encode(), entry(3, 12).encode()].concat()), "order");
        assert!(refused(&entry(3, 9).encode()), "marker below the segment");
        assert!(refused(&entry(13, 12).encode()), "ends before it begins");
    }
}
