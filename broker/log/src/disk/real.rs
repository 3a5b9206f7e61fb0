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
use super::{DirectoryEntry, Disk, DiskFile, FileLock, FileStat, IndexMap, OpenMode, Space};

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
            Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
                self.write_zeros(len)
            }
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
    fn maps_show_what_was_written_and_outlive_the_file() {
        let dir = temp_dir();
        let file = file(&dir, "f");
        file.pwritev(&[IoSlice::new(b"0123456789")], 0).expect("written");
        let first = file.map(2..5).expect("mapped");
        file.pwritev(&[IoSlice::new(b"abc")], 10).expect("written");
        let second = file.map(8..13).expect("the growing file is mapped ahead");
        assert_eq!((&first[..], &second[..]), (&b"234"[..], &b"89abc"[..]));
        let beyond = file.map(8..14).expect_err("past the end");
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(file.map(13..13).expect("nothing"), Bytes::new());
        RealDisk.remove_file(&dir.path().join("f")).expect("removed");
        drop(file);
        assert_eq!((&first[..], &second[..]), (&b"234"[..], &b"89abc"[..]));
    }

    #[test]
    fn a_mapped_file_is_not_cut() {
        let dir = temp_dir();
        let file = file(&dir, "f");
        file.pwritev(&[IoSlice::new(&[1; 10_000])], 0).expect("written");
        let map = file.map(9_000..10_000).expect("mapped");
        assert!(!file.release_maps());
        let refused = file.truncate(10).expect_err("a map is alive");
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(map[999], 1);
        file.truncate(20_000).expect("growing is harmless");
        drop(map);
        file.truncate(10).expect("nobody holds a map");
        assert!(file.release_maps());
        assert_eq!(file.len().expect("size"), 10);
    }

    #[test]
    fn index_maps_grow_and_keep_what_was_there() {
        let dir = temp_dir();
        let file = file(&dir, "i");
        let mut map = file.map_index(4096).expect("mapped");
        assert_eq!((file.len().expect("size"), map.bytes().len()), (4096, 4096));
        map.write(4090, b"abcdef").expect("fits");
        assert!(map.write(4091, b"abcdef").is_err(), "out of bounds");
        map.sync().expect("synced");
        let grown = file.map_index(8192).expect("mapped");
        assert_eq!(grown.bytes().get(4090..4097), Some(&b"abcdef\0"[..]));
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
