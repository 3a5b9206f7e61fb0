//! Records of an answer, where they lie: in a segment's file.

use std::os::fd::BorrowedFd;

use rkafka_log::FileSlice;
use rkafka_wire::Part;
use smallvec::{SmallVec, smallvec};

use crate::server::FileRange;

/// The part of an answer that a partition's records are.
pub(super) fn records(slice: Option<FileSlice>) -> SmallVec<[Part<Box<dyn FileRange>>; 1]> {
    match slice {
        Some(slice) if !slice.is_empty() => {
            smallvec![Part::File(Box::new(Records(slice)) as Box<dyn FileRange>)]
        }
        _ => SmallVec::new(),
    }
}

/// Records where they lie.
struct Records(FileSlice);

impl FileRange for Records {
    fn length(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }

    fn descriptor(&self) -> Option<(BorrowedFd<'_>, u64)> {
        self.0.fd().map(|descriptor| (descriptor, self.0.position()))
    }

    fn read_at(&self, skip: usize, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(into, skip as u64).map_err(std::io::Error::other)
    }
}
