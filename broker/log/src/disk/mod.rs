//! The door to the disk: every file operation of the log goes through [`Disk`] and [`DiskFile`].
//!
//! Why a trait: the crash tests replace the disk by one that stops at each call, tears writes and forgets
//! what was not synced ([`mem`]). [`real`] is the operating system's file system. A disk that cannot be read is
//! an error, never a signal: what is mapped ([`DiskFile::map`]) is brought in before it is handed out.
//!
//! What callers may rely on:
//! * A file's size is its write position: [`DiskFile::reserve`] takes space without changing the size.
//! * Bytes written by [`DiskFile::pwritev`] are seen at once by `pread` and by `sendfile`.
//! * Nothing is durable before `sync_data` (contents and size) and `sync_dir` (names) have returned.
//! * After a failed sync nothing may be believed about what was pending; a caller never retries one.
//! * A full disk is an error ([`io::ErrorKind::StorageFull`]).

mod map;
pub mod mem;
pub mod real;

use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; writing to it is an error.
    Read,
    /// The file must exist.
    ReadWrite,
    /// Made if missing, kept if there.
    Create,
    /// Made if missing, emptied if there.
    Truncate,
}

/// What a directory lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryEntry {
    /// Name without path. Names that are not UTF-8 are left out of listings: the log never makes any.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Size and age of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Size in bytes.
    pub len: u64,
    /// Last modification, milliseconds since 1970.
    pub modified_ms: i64,
}

/// Space of the volume that holds a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the volume in bytes.
    pub total_bytes: u64,
    /// Bytes an ordinary process may still use.
    pub usable_bytes: u64,
}

/// A file system. Object safe; shared as `Arc<dyn Disk>` by everything that touches log directories.
///
/// All paths are taken as given (absolute, or relative to the process). Errors are the operating system's.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens or makes a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Size and age; [`io::ErrorKind::NotFound`] if there is no such file.
    fn stat(&self, path: &Path) -> io::Result<FileStat>;
    /// Entries of a directory in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirectoryEntry>>;
    /// Makes a directory and those above it; fine if it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file or directory, replacing a file that has the new name. Durable after
    /// [`sync_dir`](Self::sync_dir) of the directory above.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open handles of it stay usable.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything below a directory durable, contents and names: for thousands of files at once. A disk
    /// that can does it by one call.
    fn sync_tree(&self, dir: &Path) -> io::Result<()> {
        for entry in self.list(dir)? {
            let path = dir.join(entry.name);
            if entry.is_dir {
                self.sync_tree(&path)?;
            } else {
                self.open(&path, OpenMode::Read)?.sync_data()?;
            }
        }
        self.sync_dir(dir)
    }
    /// Takes the exclusive lock of a file (made if missing) until the guard is dropped or the process ends;
    /// [`io::ErrorKind::WouldBlock`] if another holder has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>>;
    /// Space of the volume a directory is on.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// Keeps a file locked while it lives.
pub trait FileLock: fmt::Debug + Send + Sync {}

/// An open file. Positioned operations only, so that it can be shared by readers and the one writer.
#[expect(clippy::len_without_is_empty, reason = "a size on disk, not a container")]
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes all `parts` one after another from `position` on. On an error some of them may have been
    /// written.
    fn pwritev(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Fills `buffer` from `position` on; returns fewer bytes only at the end of the file.
    fn pread(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Current size in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Allocates space for the first `bytes` bytes without changing the size. Fine where the file system
    /// cannot. [`io::ErrorKind::StorageFull`] says that nothing was taken or that it was only partly taken.
    fn reserve(&self, bytes: u64) -> io::Result<()>;
    /// Gives back space reserved past the size.
    fn release_reserve(&self) -> io::Result<()>;
    /// Sets the size.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes contents and size durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Whether the byte at `position` can be read without waiting for the disk, as far as that can be told.
    fn is_cached(&self, position: u64) -> bool;
    /// The bytes of `range` without copying them, where that pays and works; `None` otherwise, and callers read.
    /// `holder` is this very file: what is mapped keeps it, so that it is not cut meanwhile. Only for bytes that
    /// are never overwritten.
    fn map(&self, holder: &Arc<dyn DiskFile>, range: &Range<u64>) -> Option<Bytes>;
    /// For `sendfile`; `None` if there is no file behind it.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// Whole contents of a small file.
///
/// # Errors
/// The operating system's, and [`io::ErrorKind::InvalidData`] if the file is larger than `limit_bytes`.
pub fn read_file(disk: &dyn Disk, path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > limit_bytes {
        let problem = format!("{} has {len} bytes, more than {limit_bytes} are not believed", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let mut contents = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = file.pread(&mut contents, 0)?;
    contents.truncate(read);
    Ok(contents)
}
