//! Parts of files as memory, for those who must look at many records (a coordinator that loads, a follower that
//! catches up, the metadata log): the page cache's own pages instead of a copy. The only `unsafe` code of the log.
//!
//! What makes it sound, and who guarantees it:
//! * Only ranges below the file's size are mapped, and the bytes there never change: segments are appended to, not
//!   overwritten.
//! * A file that somebody reads is never cut: whoever cuts one looks for other holders of its [`DiskFile`] first, and
//!   every map holds it (see `truncate.rs`).
//! * All pages are brought in by one call before the memory is handed out, so that a disk that cannot be read shows
//!   as an error there, and not as SIGBUS at the first access.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Advice, MmapOptions, MmapRaw};

use super::DiskFile;

/// Smaller ranges are read: making a map and taking it down again costs more than copying so little.
pub(super) const WORTH_MAPPING_BYTES: u64 = 64 << 10;

/// A mapped range; keeps its file.
struct Mapped {
    map: MmapRaw,
    _file: Arc<dyn DiskFile>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the whole map lay below the file's size when it was made (`map`), the file is not cut while it is
        // held, and bytes below its size are never overwritten: readable and unchanging as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }
}

/// Maps `range` of `file`, which `holder` keeps from being cut.
///
/// # Errors
/// The range does not lie within the file or is small, the disk cannot be read, there are too many maps, or the
/// kernel (before 5.14) cannot bring pages in by a call.
pub(super) fn map(file: &File, holder: &Arc<dyn DiskFile>, range: &Range<u64>) -> io::Result<Bytes> {
    if range.end > file.metadata()?.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length =
        usize::try_from(range.end - range.start).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let map = MmapOptions::new().offset(range.start).len(length).map_raw_read_only(file)?;
    map.advise(Advice::PopulateRead)?;
    Ok(Bytes::from_owner(Mapped { map, _file: Arc::clone(holder) }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::real::RealDisk;
    use super::super::{Disk, OpenMode};
    use super::*;

    fn file(dir: &Path, length: usize) -> Arc<dyn DiskFile> {
        let contents: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        std::fs::write(dir.join("f"), contents).expect("a writable directory");
        RealDisk.open(&dir.join("f"), OpenMode::ReadWrite).expect("it is there")
    }

    #[test]
    fn a_range_is_mapped_from_any_position() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = file(dir.path(), 200_000);
        let mapped = file.map(&file, &(4_097..150_001)).expect("large enough");
        let mut read = vec![0; mapped.len()];
        assert_eq!(file.pread(&mut read, 4_097).expect("readable"), mapped.len());
        assert_eq!(mapped, read);
    }

    #[test]
    fn what_is_mapped_holds_its_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = file(dir.path(), 100_000);
        let mapped = file.map(&file, &(0..100_000)).expect("large enough");
        let part = mapped.slice(10..20);
        drop(mapped);
        assert_eq!(Arc::strong_count(&file), 2, "whoever wants to cut the file sees that it is in use");
        drop(part);
        assert_eq!(Arc::strong_count(&file), 1);
    }

    #[test]
    fn small_ranges_and_ranges_past_the_end_are_left_to_reading() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = file(dir.path(), 100_000);
        assert_eq!(file.map(&file, &(0..1_000)), None);
        assert_eq!(file.map(&file, &(0..100_001)), None);
    }
}
