//! What both sparse indexes are kept in: entries of one size, in a file and, while the segment is written,
//! the newest of them in memory.
//!
//! Appending goes to memory; a page of entries at a time goes to the file, and the rest when the segment is
//! sealed. So a live index file lacks its newest entries, which is fine: after a crash the indexes of the
//! segments that were written are made anew from their `.log` files. A full disk leaves the entries in memory
//! until there is room. Small files are read whole, of large ones a look-up reads the entries it compares:
//! nothing is mapped, so an unreadable disk is an error and not a signal.
//!
//! The files carry no checksum; readers check where an entry leads them. Files of Apache Kafka that were not
//! closed in order end in zeros.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::{DiskFile, OpenMode};
use crate::error::LogError;
use crate::place::Place;

/// Entries go to the file in pieces of about this size; a file up to it is kept in memory whole.
const PAGE_BYTES: usize = 4096;

/// Entries of `N` bytes. Not synchronised: the index around it holds it in a lock.
#[derive(Debug, Default)]
pub(crate) struct IndexFile<const N: usize> {
    /// `None` while nothing is open.
    loaded: Option<Entries<N>>,
}

#[derive(Debug)]
struct Entries<const N: usize> {
    /// The file, if entries of it are to be read from there.
    file: Option<Arc<dyn DiskFile>>,
    /// How many are.
    in_file: usize,
    /// Those behind them.
    in_memory: Vec<[u8; N]>,
    /// All can be had again, from the file or from the segment: what is in memory may be dropped.
    replaceable: bool,
}

impl<const N: usize> Entries<N> {
    fn in_memory(entries: Vec<[u8; N]>, replaceable: bool) -> Self {
        Self { file: None, in_file: 0, in_memory: entries, replaceable }
    }

    fn len(&self) -> usize {
        self.in_file + self.in_memory.len()
    }

    fn get(&self, place: Place<'_>, index: usize) -> Result<Option<[u8; N]>, LogError> {
        if let Some(behind) = index.checked_sub(self.in_file) {
            return Ok(self.in_memory.get(behind).copied());
        }
        let Some(file) = &self.file else { return Ok(None) };
        read_entry(&**file, index).map(Some).map_err(place.failed("read"))
    }

    /// Writes what is in memory behind what is in the file.
    fn write(&mut self, place: Place<'_>) -> Result<Arc<dyn DiskFile>, LogError> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => place.open(OpenMode::Create)?,
        };
        let bytes = self.in_memory.as_flattened();
        file.pwritev(&[IoSlice::new(bytes)], (self.in_file * N) as u64).map_err(place.failed("write"))?;
        Ok(file)
    }
}

fn read_entry<const N: usize>(file: &dyn DiskFile, index: usize) -> io::Result<[u8; N]> {
    let mut entry = [0; N];
    match file.pread(&mut entry, (index * N) as u64)? {
        read if read == N => Ok(entry),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// How many of `0..len` come before the first that `belongs` refuses, if it refuses all behind that one.
fn partition_point(
    len: usize,
    mut belongs: impl FnMut(usize) -> Result<bool, LogError>,
) -> Result<usize, LogError> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if belongs(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl<const N: usize> IndexFile<N> {
    /// Whether entries can be read without opening anything.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// Opens for reading unless something is open. A missing file reads as empty if it `may_be_missing`.
    /// `sound` judges the first and the last entry (zero tail already cut off) and their number; if it
    /// refuses, or the size is odd, the result is `false` and nothing is kept.
    pub(crate) fn load(
        &mut self,
        place: Place<'_>,
        may_be_missing: bool,
        sound: impl FnOnce(&[u8; N], &[u8; N], usize) -> bool,
    ) -> Result<bool, LogError> {
        if self.is_loaded() {
            return Ok(true);
        }
        let Some(file) = place.open_existing(OpenMode::ReadWrite)? else {
            if may_be_missing {
                self.loaded = Some(Entries::in_memory(Vec::new(), true));
            }
            return Ok(may_be_missing);
        };
        let len = usize::try_from(file.len().map_err(place.failed("size"))?).unwrap_or(usize::MAX);
        if !len.is_multiple_of(N) {
            return Ok(false);
        }
        // A file that was live when a stock broker was killed ends in zeros.
        let is_filled = |index| {
            let entry = read_entry::<N>(&*file, index).map_err(place.failed("read"))?;
            Ok(entry != [0; N])
        };
        let count = len / N;
        let is_full = count == 0 || is_filled(count - 1)?;
        let filled = if is_full { count } else { partition_point(count, is_filled)? };
        let entries = if filled * N <= PAGE_BYTES {
            let mut small = vec![[0; N]; filled];
            let read = file.pread(small.as_flattened_mut(), 0).map_err(place.failed("read"))?;
            small.truncate(read / N);
            Entries::in_memory(small, true)
        } else {
            Entries { file: Some(file), in_file: filled, in_memory: Vec::new(), replaceable: true }
        };
        let last = entries.len().saturating_sub(1);
        if let (Some(first), Some(last)) = (entries.get(place, 0)?, entries.get(place, last)?)
            && !sound(&first, &last, entries.len())
        {
            return Ok(false);
        }
        self.loaded = Some(entries);
        Ok(true)
    }

    /// Uses entries made in memory instead of the file's.
    pub(crate) fn load_rebuilt(&mut self, bytes: &[u8]) {
        self.loaded = Some(Entries::in_memory(bytes.as_chunks::<N>().0.to_vec(), true));
    }

    /// How many entries there are; none while nothing is open.
    pub(crate) fn len(&self) -> usize {
        self.loaded.as_ref().map_or(0, Entries::len)
    }

    /// An entry, if there are so many.
    pub(crate) fn get(&self, place: Place<'_>, index: usize) -> Result<Option<[u8; N]>, LogError> {
        self.loaded.as_ref().map_or(Ok(None), |entries| entries.get(place, index))
    }

    /// How many entries come before the first that `belongs` refuses.
    pub(crate) fn partition_point(
        &self,
        place: Place<'_>,
        belongs: impl Fn(&[u8; N]) -> bool,
    ) -> Result<usize, LogError> {
        let Some(entries) = &self.loaded else { return Ok(0) };
        // Most look-ups are near the end.
        if entries.in_file == 0 || entries.in_memory.first().is_some_and(&belongs) {
            return Ok(entries.in_file + entries.in_memory.partition_point(belongs));
        }
        let belongs = |index| Ok(entries.get(place, index)?.is_some_and(|entry| belongs(&entry)));
        partition_point(entries.in_file, belongs)
    }

    /// Appends an entry; [`load`](Self::load) comes first. If a page is full and cannot be written, that is
    /// an error, but the entry is there: it is tried again with the next page.
    pub(crate) fn append(&mut self, place: Place<'_>, entry: &[u8; N]) -> Result<(), LogError> {
        let entries = self.loaded.get_or_insert_with(|| Entries::in_memory(Vec::new(), false));
        entries.in_memory.push(*entry);
        entries.replaceable = false;
        if !entries.in_memory.len().is_multiple_of(PAGE_BYTES / N) {
            return Ok(());
        }
        entries.file = Some(entries.write(place)?);
        entries.in_file += entries.in_memory.len();
        entries.in_memory.clear();
        Ok(())
    }

    /// Keeps the first `keep` entries, in the file too.
    pub(crate) fn truncate(&mut self, place: Place<'_>, keep: usize) -> Result<(), LogError> {
        let Some(entries) = self.loaded.as_mut().filter(|entries| keep < entries.len()) else {
            return Ok(());
        };
        if let Some(file) = place.open_existing(OpenMode::ReadWrite)? {
            let len = file.len().map_err(place.failed("size"))?;
            file.truncate(len.min((keep * N) as u64)).map_err(place.failed("cut"))?;
        }
        entries.in_memory.truncate(keep.saturating_sub(entries.in_file));
        entries.in_file = entries.in_file.min(keep);
        Ok(())
    }

    /// Brings the file to what the entries are, and closes it. Makes it if there is none: a stock broker
    /// misses it. On an error the entries stay as they are.
    pub(crate) fn seal(&mut self, place: Place<'_>) -> Result<(), LogError> {
        match &mut self.loaded {
            Some(entries) if !entries.replaceable => {
                let file = entries.write(place)?;
                file.truncate((entries.len() * N) as u64).map_err(place.failed("cut"))?;
            }
            _ => drop(place.open(OpenMode::Create)?),
        }
        self.loaded = None;
        Ok(())
    }

    /// Closes what can be opened again.
    pub(crate) fn release(&mut self) {
        if self.loaded.as_ref().is_some_and(|entries| entries.replaceable) {
            self.loaded = None;
        }
    }

    /// Makes `bytes` the file's contents and closes it. A file that holds them already is left alone.
    pub(crate) fn rewrite(&mut self, place: Place<'_>, bytes: &[u8]) -> Result<(), LogError> {
        self.loaded = None;
        let Some(file) = place.open_existing(OpenMode::ReadWrite)? else { return self.make(place, bytes) };
        let len = file.len().map_err(place.failed("size"))?;
        let mut found = vec![0; bytes.len()];
        let is_same = len == bytes.len() as u64
            && file.pread(&mut found, 0).map_err(place.failed("read"))? == found.len()
            && found == bytes;
        if is_same { Ok(()) } else { self.make(place, bytes) }
    }

    fn make(&self, place: Place<'_>, bytes: &[u8]) -> Result<(), LogError> {
        let file = place.open(OpenMode::Truncate)?;
        file.pwritev(&[IoSlice::new(bytes)], 0).map_err(place.failed("write"))
    }

    /// Removes all entries, making no file where there is none, and closes it.
    pub(crate) fn clear(&mut self, place: Place<'_>) -> Result<(), LogError> {
        self.loaded = None;
        match place.open_existing(OpenMode::ReadWrite)? {
            Some(file) => file.truncate(0).map_err(place.failed("cut")),
            None => Ok(()),
        }
    }

    /// Removes the file and closes it.
    pub(crate) fn remove(&mut self, place: Place<'_>) -> Result<(), LogError> {
        self.loaded = None;
        place.remove()
    }
}
