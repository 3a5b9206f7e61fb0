//! Files taken out of a log, to be removed later.
//!
//! Readers may be sending from them, so they stay for `file.delete.delay.ms` under the suffix `.deleted`. The
//! log has no clock and no thread: whoever made it give up the files is handed this list and runs it when it
//! is due. If the broker stops before, the next start removes them.

use std::io;
use std::path::PathBuf;

use crate::disk::Disk;
use crate::error::LogError;

/// Files to be removed after a while.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "the files stay on disk until this is run"]
pub struct DeferredDeletion {
    files: Vec<PathBuf>,
    delay_ms: i64,
}

impl DeferredDeletion {
    pub(crate) fn new(files: Vec<PathBuf>, delay_ms: i64) -> Self {
        Self { files, delay_ms }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How long to wait before [`run`](Self::run), in milliseconds.
    pub fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// Files that will be removed.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Adds another deletion; both wait for the longer delay.
    pub fn merge(&mut self, other: DeferredDeletion) {
        self.files.extend(other.files);
        self.delay_ms = self.delay_ms.max(other.delay_ms);
    }

    /// Removes the files; those that are gone already are fine.
    ///
    /// # Errors
    /// The disk's, of the first file that could not be removed; the others are tried all the same.
    pub fn run(self, disk: &dyn Disk) -> Result<(), LogError> {
        let mut result = Ok(());
        for path in self.files {
            match disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    result = result.and(Err(LogError::io("remove", &path)(error)));
                }
                _ => {}
            }
        }
        result
    }
}
