//! Open files and locks of a [`SimDisk`].

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;

use super::state::Inode;
use super::{CallKind, Inner, SimDisk};
use crate::disk::{DiskFile, FileLock};

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

impl Drop for SimFile {
    fn drop(&mut self) {
        self.inner().open_files -= 1;
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
        self.writable()?.resize(self.inode, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner().sync_data(self.inode)
    }

    fn is_cached(&self, _: u64) -> bool {
        true
    }

    fn map(&self, _: &Arc<dyn DiskFile>, _: &Range<u64>) -> Option<Bytes> {
        None
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
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
