//! Open files, maps and locks of a [`SimDisk`].

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;

use super::state::{Change, Inode};
use super::{CallKind, Inner, SimDisk};
use crate::disk::{DiskFile, FileLock, IndexMap};

/// An open file of a [`SimDisk`]; stays usable when its name is gone.
#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) inode: Inode,
    pub(super) writable: bool,
}

impl SimFile {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.disk.lock_inner()
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, Inner>> {
        if self.writable { Ok(self.inner()) } else { Err(io::Error::from(io::ErrorKind::PermissionDenied)) }
    }
}

impl DiskFile for SimFile {
    fn pwritev(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.writable()?.write(self.inode, position, &bytes)
    }

    fn pread(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut inner = self.inner();
        inner.call(CallKind::Read)?;
        let contents = &inner.file(self.inode)?.current;
        let rest =
            usize::try_from(position).ok().and_then(|position| contents.get(position..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        let mut inner = self.inner();
        inner.call(CallKind::Look)?;
        Ok(inner.file(self.inode)?.current.len() as u64)
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let mut inner = self.writable()?;
        inner.call(CallKind::Reserve)?;
        inner.check_room(self.inode, bytes)?;
        let file = inner.file(self.inode)?;
        file.reserved = file.reserved.max(bytes);
        Ok(())
    }

    fn release_reserve(&self) -> io::Result<()> {
        self.writable()?.file(self.inode)?.reserved = 0;
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut inner = self.writable()?;
        if inner.is_mapped(self.inode) && len < inner.file(self.inode)?.current.len() as u64 {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "a map of the file is alive"));
        }
        inner.resize(self.inode, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner().sync_data(self.inode)
    }

    fn map(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut inner = self.inner();
        inner.call(CallKind::Read)?;
        let contents = inner.file(self.inode)?.current.clone();
        let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        if bounds.and_then(|(start, end)| contents.get(start..end)).is_none() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let alive = inner.maps.entry(self.inode).or_default().clone();
        let (start, end) = bounds.unwrap_or_default();
        Ok(Bytes::from_owner(SimMap { contents, range: start..end, _alive: alive }))
    }

    fn release_maps(&self) -> bool {
        !self.inner().is_mapped(self.inode)
    }

    fn map_index(&self, len: u64) -> io::Result<Box<dyn IndexMap>> {
        let mut inner = self.writable()?;
        if inner.file(self.inode)?.current.len() as u64 <= len {
            inner.resize(self.inode, len)?;
        }
        let mut bytes = inner.file(self.inode)?.current.to_vec();
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(Box::new(SimIndexMap { disk: self.disk.clone(), inode: self.inode, bytes }))
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The bytes of a file at the moment it was mapped. Nobody writes below the size of a file that is mapped, so
/// the difference to a real map is not seen.
struct SimMap {
    contents: Arc<Vec<u8>>,
    range: Range<usize>,
    _alive: Arc<()>,
}

impl AsRef<[u8]> for SimMap {
    fn as_ref(&self) -> &[u8] {
        self.contents.get(self.range.clone()).unwrap_or_default()
    }
}

#[derive(Debug)]
struct SimIndexMap {
    disk: SimDisk,
    inode: Inode,
    bytes: Vec<u8>,
}

impl IndexMap for SimIndexMap {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn write(&mut self, position: usize, bytes: &[u8]) -> io::Result<()> {
        let place = self.bytes.get_mut(position..position.saturating_add(bytes.len()));
        let place = place.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        // A store to memory cannot fail, so it counts as no call.
        place.copy_from_slice(bytes);
        let change = Change::Write { inode: self.inode, position: position as u64, bytes: bytes.into() };
        self.disk.lock_inner().change(change);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.lock_inner().sync_data(self.inode)
    }
}

#[derive(Debug)]
pub(super) struct SimLock {
    pub(super) disk: SimDisk,
    pub(super) path: PathBuf,
}

impl FileLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock_inner().locks.retain(|locked| *locked != self.path);
    }
}
