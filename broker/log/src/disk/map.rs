//! File ranges as memory: the only `unsafe` code of the log.
//!
//! What makes it sound, and who guarantees it:
//! * A read map may be longer than its file (so that one map serves a growing segment); the part past the end
//!   is never turned into a reference: `ReadMap::slice` is given ranges below the file's size only
//!   ([`super::real`] checks).
//! * A file is never cut below a slice that is alive: [`super::real::RealFile`] counts the maps and refuses.
//! * Bytes below a segment's size never change: segments are appended to, not overwritten.
//! * An index map is owned by one lock; writers have `&mut`, readers `&`. Its pages are allocated before it
//!   is handed out, so a full disk shows as an error here and not as SIGBUS at the first store.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw};

use super::IndexMap;

/// A read-only map from the start of a file, perhaps reaching past its end.
#[derive(Debug)]
pub(super) struct ReadMap {
    map: MmapRaw,
    /// Counts the maps of one file that are alive; see [`super::real::RealFile`].
    _alive: Arc<()>,
}

impl ReadMap {
    /// Maps the first `len` bytes; `alive` is held as long as the map.
    pub(super) fn new(file: &File, len: u64, alive: Arc<()>) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let map = MmapOptions::new().len(len).map_raw_read_only(file)?;
        Ok(Self { map, _alive: alive })
    }

    /// Mapped length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// The bytes of `range`, which the caller has checked to lie within the file; `None` if it is not mapped.
    pub(super) fn slice(self: &Arc<Self>, range: Range<u64>) -> Option<Bytes> {
        let start = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        if start > end || end > self.map.len() {
            return None;
        }
        Some(Bytes::from_owner(MapSlice { map: Arc::clone(self), start, len: end - start }))
    }
}

/// Owner behind the `Bytes` handed out; keeps the whole map alive.
struct MapSlice {
    map: Arc<ReadMap>,
    start: usize,
    len: usize,
}

impl AsRef<[u8]> for MapSlice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start + len` is within the map (`ReadMap::slice`) and was within the file when the slice
        // was made. The file is not cut while a map of it is alive, and its bytes below its size are never
        // overwritten, so the memory is readable and unchanging for as long as `self.map` lives, which
        // `&self` outlasts not.
        unsafe { std::slice::from_raw_parts(self.map.map.as_ptr().add(self.start), self.len) }
    }
}

/// A writable map of an index file whose blocks are allocated.
#[derive(Debug)]
pub(super) struct WritableMap {
    map: MmapMut,
}

impl WritableMap {
    /// Maps the first `len` bytes of `file`, all of them allocated by the caller.
    pub(super) fn new(file: &File, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        // SAFETY: the file belongs to this process (the log directory is locked), is `len` bytes long, and is
        // cut only behind the bytes that the owner of this map still touches (contract of `IndexMap`). All
        // access goes through `&self`/`&mut self` of this one map.
        let map = unsafe { MmapOptions::new().len(len).map_mut(file)? };
        match map.advise(Advice::PopulateWrite) {
            // Kernels before 5.14 don't know the advice; the blocks are allocated all the same.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            other => other?,
        }
        Ok(Self { map })
    }
}

impl IndexMap for WritableMap {
    fn bytes(&self) -> &[u8] {
        &self.map
    }

    fn write(&mut self, position: usize, bytes: &[u8]) -> io::Result<()> {
        let place = position.checked_add(bytes.len()).and_then(|end| self.map.get_mut(position..end));
        place.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.map.flush()
    }
}
