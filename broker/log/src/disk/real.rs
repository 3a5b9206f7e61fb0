//! The operating system's file system behind [`Disk`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::{Errno, ReadWriteFlags};
use smallvec::SmallVec;

use super::map::{WORTH_MAPPING_BYTES, map};
use super::{DirectoryEntry, Disk, DiskFile, FileLock, FileStat, OpenMode, Space};

/// Linux takes at most this many parts in one `pwritev`.
const MAX_PARTS: usize = 1024;

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
        Ok(Arc::new(RealFile { file: options.open(path)? }))
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

    fn sync_tree(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(dir)?)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // flock keeps out other holders in this process and others; the record lock keeps out a stock broker,
        // which asks for that kind only.
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

/// An open file.
#[derive(Debug)]
pub struct RealFile {
    file: File,
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
        // Setting the size it has frees the blocks behind it.
        self.file.set_len(DiskFile::len(self)?)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn is_cached(&self, position: u64) -> bool {
        let mut byte = [0];
        let mut buffers = [IoSliceMut::new(&mut byte)];
        // A file system that cannot tell (EOPNOTSUPP) mostly has no slow disk behind it.
        let read = rustix::io::preadv2(&self.file, &mut buffers, position, ReadWriteFlags::NOWAIT);
        !matches!(read, Err(Errno::AGAIN))
    }

    fn map(&self, holder: &Arc<dyn DiskFile>, range: &Range<u64>) -> Option<Bytes> {
        let worth_it = range.end.checked_sub(range.start).is_some_and(|length| length >= WORTH_MAPPING_BYTES);
        // Whatever stands against it, reading works too, or says why not.
        if worth_it { map(&self.file, holder, range).ok() } else { None }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// Repeats a call that a signal interrupted.
fn retry<T>(call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir, name: &str) -> Arc<dyn DiskFile> {
        RealDisk.open(&dir.path().join(name), OpenMode::Create).expect("made")
    }

    fn temp_dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("temp dir")
    }

    #[test]
    fn parts_are_written_one_after_another_however_many() {
        let dir = temp_dir();
        let file = file(&dir, "f");
        let bytes: Vec<u8> = (0..3 * MAX_PARTS).map(|index| (index % 251) as u8).collect();
        let parts: Vec<_> = bytes.chunks(1).map(IoSlice::new).collect();
        file.pwritev(&parts, 7).expect("written");
        file.pwritev(&[], 0).expect("nothing to do");
        file.pwritev(&[IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"er.")], 0).expect("written");
        let mut found = vec![0; bytes.len() + 100];
        assert_eq!(file.pread(&mut found, 0).expect("read"), bytes.len() + 7);
        assert_eq!(found.get(..7), Some(&b"header."[..]));
        assert_eq!(found.get(7..7 + bytes.len()), Some(&bytes[..]));
    }

    #[test]
    fn reserved_space_does_not_show_in_the_size_and_can_be_given_back() {
        let dir = temp_dir();
        let file = file(&dir, "f");
        file.pwritev(&[IoSlice::new(b"some")], 0).expect("written");
        let blocks = || {
            use std::os::unix::fs::MetadataExt;
            fs::metadata(dir.path().join("f")).expect("there").blocks()
        };
        file.reserve(8 << 20).expect("room");
        assert_eq!(file.len().expect("size"), 4);
        assert!(blocks() * 512 >= 8 << 20, "{} blocks", blocks());
        file.release_reserve().expect("given back");
        assert_eq!(file.len().expect("size"), 4);
        assert!(blocks() * 512 < 1 << 20, "{} blocks", blocks());
    }

    #[test]
    fn what_was_just_written_is_cached_and_outlives_its_name() {
        let dir = temp_dir();
        let file = file(&dir, "f");
        file.pwritev(&[IoSlice::new(b"0123456789")], 0).expect("written");
        assert!(file.is_cached(5));
        RealDisk.remove_file(&dir.path().join("f")).expect("removed");
        let mut found = [0; 3];
        assert_eq!(file.pread(&mut found, 2).expect("read"), 3);
        assert_eq!(&found, b"234");
    }

    #[test]
    fn a_lock_has_one_holder() {
        let dir = temp_dir();
        let path = dir.path().join(".lock");
        let held = RealDisk.lock(&path).expect("free");
        let refused = RealDisk.lock(&path).expect_err("held");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        RealDisk.lock(&path).expect("free again");
    }

    #[test]
    fn directories() {
        let dir = temp_dir();
        let deep = dir.path().join("a/b");
        RealDisk.create_dir(&deep).expect("made");
        RealDisk.create_dir(&deep).expect("there");
        drop(RealDisk.open(&deep.join("f"), OpenMode::Create).expect("made"));
        RealDisk.rename(&deep.join("f"), &deep.join("g")).expect("renamed");
        RealDisk.sync_dir(&deep).expect("synced");
        RealDisk.sync_tree(dir.path()).expect("synced");
        assert_eq!(
            RealDisk.list(&deep).expect("listed"),
            [DirectoryEntry { name: "g".to_owned(), is_dir: false }]
        );
        assert_eq!(RealDisk.stat(&deep.join("f")).expect_err("renamed").kind(), io::ErrorKind::NotFound);
        assert!(RealDisk.remove_dir(&deep).is_err(), "not empty");
        let space = RealDisk.space(&deep).expect("space");
        assert!(0 < space.usable_bytes && space.usable_bytes <= space.total_bytes, "{space:?}");
    }
}
