//! One segment: a `.log` file, its indexes and its base offset.

use std::sync::atomic::{AtomicU64, Ordering};

/// A segment as readers see it.
#[derive(Debug)]
pub struct Segment {
    base_offset: i64,
    size: AtomicU64,
}

impl Segment {
    /// Offset that names its files; no record in it is below.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Bytes of its `.log` file.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
}
