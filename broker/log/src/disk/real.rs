//! The operating system's file system behind [`Disk`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;
use smallvec::SmallVec;

use super::map::{ReadMap, WritableMap};
use super::{Disk, DiskFile, DirectoryEntry, FileLock, FileStat, IndexMap, OpenMode, Space};

/// Linux takes at most this many parts in one `pwritev`.
const MAX_PARTS: usize = 1024;
/// Read maps grow in these steps, so that a growing segment is not mapped anew for each read of its tail.
const MAP_STEP_BYTES: u64 = 64 << 20;

/// The operating system's file system. Has no state of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::Create => options.write(true).create(true).truncate(false),
            OpenMode::Truncate => options.write(true).create(true).truncate(true),
        };
        Ok(Arc::new(RealFile::new(options.open(path)?)))
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let metadata = fs::metadata(path)?;
        let age = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(FileStat { len: metadata.len(), modified_ms: i64::try_from(age.as_millis()).unwrap_or(i64::MAX) })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirectoryEntry { name, is_dir: entry.file_type()?.is_dir() });
            }
        }
        Ok(entries)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // flock keeps out other holders in this process and others; the record lock keeps out a stock broker, which
        // asks for that kind only.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::ACCESS) => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other.map(|()| Box::new(LockedFile { _file: file }))?),
        }
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let volume = rustix::fs::statvfs(dir)?;
        Ok(Space {
            total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
            usable_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
        })
    }
}

/// Closing the file gives the lock back.
#[derive(Debug)]
struct LockedFile {
    _file: File,
}

impl FileLock for LockedFile {}

/// An open file and the one read map kept for it.
#[derive(Debug)]
pub struct RealFile {
    file: File,
    /// The newest read map; older ones live on in the slices that were handed out.
    read_map: Mutex<Option<Arc<ReadMap>>>,
    /// Held once here and once by every read map of this file that is alive.
    maps_alive: Arc<()>,
}

impl RealFile {
    fn new(file: File) -> Self {
        Self { file, read_map: Mutex::new(None), maps_alive: Arc::new(()) }
    }

    fn read_map(&self) -> MutexGuard<'_, Option<Arc<ReadMap>>> {
        self.read_map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the file at least `len` bytes long, with blocks behind all of them.
    fn allocate(&self, len: u64) -> io::Result<()> {
        match retry(|| rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len)) {
            Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => self.write_zeros(len),
            other => other,
        }
    }

    /// Allocation for file systems without `fallocate`.
    fn write_zeros(&self, len: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut position = DiskFile::len(self)?;
        while position < len {
            let step = usize::try_from(len - position).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.file.write_all_at(ZEROS.get(..step).unwrap_or(&ZEROS), position)?;
            position += step as u64;
        }
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn pwritev(&self, parts: &[IoSlice<'_>], mut position: u64) -> io::Result<()> {
        let mut copies: SmallVec<[IoSlice<'_>; 4]> = SmallVec::from_slice(parts);
        let mut rest = copies.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let window = rest.get(..MAX_PARTS).unwrap_or(rest);
            let written = retry(|| rustix::io::pwritev(&self.file, window, position))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            position += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn pread(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        match retry(|| rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes)) {
            Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => Ok(()),
            other => other,
        }
    }

    fn release_reserve(&self) -> io::Result<()> {
        // Setting the size it has frees the blocks behind it and touches no byte that a map shows.
        self.file.set_len(DiskFile::len(self)?)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.release_maps();
        let read_map = self.read_map();
        if len < DiskFile::len(self)? && Arc::strong_count(&self.maps_alive) > 1 {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let result = self.file.set_len(len);
        drop(read_map);
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn map(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut read_map = self.read_map();
        // Under the lock, so that `truncate` cannot come between the check and the slice.
        if range.start > range.end || range.end > DiskFile::len(self)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let map = match read_map.take() {
            Some(map) if map.len() >= range.end => map,
            _ => {
                let len = range.end.next_multiple_of(MAP_STEP_BYTES);
                Arc::new(ReadMap::new(&self.file, len, Arc::clone(&self.maps_alive))?)
            }
        };
        let slice = map.slice(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        *read_map = Some(map);
        Ok(slice)
    }

    fn release_maps(&self) -> bool {
        let mut read_map = self.read_map();
        if read_map.as_ref().is_some_and(|map| Arc::strong_count(map) == 1) {
            *read_map = None;
        }
        Arc::strong_count(&self.maps_alive) == 1
    }

    fn map_index(&self, len: u64) -> io::Result<Box<dyn IndexMap>> {
        self.allocate(len)?;
        Ok(Box::new(WritableMap::new(&self.file, len)?))
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// Repeats a call that a signal interrupted.
fn retry<T>(call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}
