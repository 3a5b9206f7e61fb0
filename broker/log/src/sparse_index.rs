//! A sparse index of one segment: what the offset index and the time index have in common.
//!
//! [`SparseIndex`] belongs to the segment and is shared by readers and the writer through its lock, held for
//! a look-up or an append. [`IndexAt`] is the index together with the name that its file has now; it has the
//! operations. What an entry is, [`Entry`] says; the look-ups of each index are in `index.rs` and
//! `time_index.rs`.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::LogError;
use crate::index_file::IndexFile;
use crate::place::Place;

/// An entry of `N` bytes. Entries are ordered by offset.
pub(crate) trait Entry<const N: usize>: fmt::Debug + Copy {
    /// The offset it leads to.
    fn offset(&self) -> i64;
    /// Its bytes, relative to the segment's base offset; `None` if it does not fit.
    fn encode(&self, base_offset: i64) -> Option<[u8; N]>;
    /// The entry of these bytes.
    fn decode(base_offset: i64, bytes: &[u8; N]) -> Self;
}

/// The entries of one index; see the module's documentation.
#[derive(Debug)]
pub(crate) struct SparseIndex<E, const N: usize> {
    file: RwLock<IndexFile<N>>,
    entry: PhantomData<E>,
}

impl<E, const N: usize> Default for SparseIndex<E, N> {
    fn default() -> Self {
        Self { file: RwLock::default(), entry: PhantomData }
    }
}

/// An index and where its file is.
#[derive(Debug)]
pub(crate) struct IndexAt<'a, E, const N: usize> {
    index: &'a SparseIndex<E, N>,
    pub(crate) base_offset: i64,
    place: Place<'a>,
}

impl<E: Entry<N>, const N: usize> SparseIndex<E, N> {
    pub(crate) fn at<'a>(&'a self, base_offset: i64, place: Place<'a>) -> IndexAt<'a, E, N> {
        IndexAt { index: self, base_offset, place }
    }

    fn read(&self) -> RwLockReadGuard<'_, IndexFile<N>> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, IndexFile<N>> {
        self.file.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether entries can be looked up without opening anything.
    pub(crate) fn is_loaded(&self) -> bool {
        self.read().is_loaded()
    }

    /// Uses entries made in memory instead of the file's.
    pub(crate) fn load_rebuilt(&self, entries: &[u8]) {
        self.write().load_rebuilt(entries);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    /// Closes what can be opened again.
    pub(crate) fn release(&self) {
        self.write().release();
    }
}

impl<E: Entry<N>, const N: usize> IndexAt<'_, E, N> {
    /// Opens the file for reading unless it is open; `false` if its entries cannot be right, or if it is
    /// missing and should not be: then [`SparseIndex::load_rebuilt`] is due. `sound` judges the first and the
    /// last entry and their number.
    pub(crate) fn load_if(
        &self,
        may_be_missing: bool,
        sound: impl FnOnce(E, E, usize) -> bool,
    ) -> Result<bool, LogError> {
        let decode = |bytes: &[u8; N]| E::decode(self.base_offset, bytes);
        let sound = |first: &[u8; N], last: &[u8; N], count| sound(decode(first), decode(last), count);
        self.index.write().load(self.place, may_be_missing, sound)
    }

    /// The last of the entries up to which `belongs` says yes.
    pub(crate) fn floor(&self, belongs: impl Fn(E) -> bool) -> Result<Option<E>, LogError> {
        let file = self.index.read();
        let belongs = |bytes: &[u8; N]| belongs(E::decode(self.base_offset, bytes));
        let behind = file.partition_point(self.place, belongs)?;
        let Some(index) = behind.checked_sub(1) else { return Ok(None) };
        Ok(file.get(self.place, index)?.map(|bytes| E::decode(self.base_offset, &bytes)))
    }

    /// Appends an entry if `follows` agrees to it behind the last one. One that does not fit is left out.
    pub(crate) fn append_if(
        &self,
        entry: E,
        follows: impl FnOnce(Option<E>) -> bool,
    ) -> Result<(), LogError> {
        let mut file = self.index.write();
        let last = match file.len().checked_sub(1) {
            Some(last) => file.get(self.place, last)?,
            None => None,
        };
        if !follows(last.map(|bytes| E::decode(self.base_offset, &bytes))) {
            return Ok(());
        }
        match entry.encode(self.base_offset) {
            Some(bytes) => file.append(self.place, &bytes),
            None => {
                debug_assert!(false, "{entry:?} does not fit into an index of segment {}", self.base_offset);
                Ok(())
            }
        }
    }

    /// Forgets entries of offsets ≥ `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<(), LogError> {
        let mut file = self.index.write();
        let belongs = |bytes: &[u8; N]| E::decode(self.base_offset, bytes).offset() < offset;
        let keep = file.partition_point(self.place, belongs)?;
        file.truncate(self.place, keep)
    }

    /// Makes `entries` the contents of the file and closes it.
    pub(crate) fn rewrite(&self, entries: &[u8]) -> Result<(), LogError> {
        self.index.write().rewrite(self.place, entries)
    }

    /// Removes all entries, making no file where there is none, and closes it.
    pub(crate) fn clear(&self) -> Result<(), LogError> {
        self.index.write().clear(self.place)
    }

    /// Removes the file and closes it.
    pub(crate) fn remove(&self) -> Result<(), LogError> {
        self.index.write().remove(self.place)
    }

    /// Brings the file to what the entries are, and closes it.
    pub(crate) fn seal(&self) -> Result<(), LogError> {
        self.index.write().seal(self.place)
    }
}
