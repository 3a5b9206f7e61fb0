//! Where a log's files are: its directory, and a file of one segment under the name that it has now.
//!
//! All segments of a log share one [`Home`]: with hundreds of thousands of segments, paths of their own would
//! be most of their memory. A path is put together only to open a file, or for an error.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::LogError;
use crate::files::FileName;

/// A log's directory and the disk it is on.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) disk: Arc<dyn Disk>,
    /// Another one once the log has taken the place of the one it was copied from, or lost its place to its copy.
    dir: ArcSwap<PathBuf>,
    /// The one that it is just being renamed to.
    next: ArcSwapOption<PathBuf>,
}

impl Home {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Arc<Self> {
        let dir = ArcSwap::from_pointee(dir.to_path_buf());
        Arc::new(Self { disk, dir, next: ArcSwapOption::empty() })
    }

    pub(crate) fn dir(&self) -> Arc<PathBuf> {
        self.dir.load_full()
    }

    /// The directory is about to be renamed. Readers hold no lock: they find its files under either name from now on.
    pub(crate) fn moves_to(&self, dir: &Path) {
        self.next.store(Some(Arc::new(dir.to_path_buf())));
    }

    /// The directory was renamed, or, if it is the same, was not.
    pub(crate) fn renamed(&self, dir: &Path) {
        self.dir.store(Arc::new(dir.to_path_buf()));
        self.next.store(None);
    }

    fn open(&self, name: FileName, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let dir = self.dir();
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match self.disk.open(&name.path(&dir), mode) {
            Err(error) if is_missing(&error) => {
                let next = self.next.load_full();
                let found = next.as_ref().map(|next| self.disk.open(&name.path(next), mode));
                if let Some(Ok(file)) = found {
                    return Ok(file);
                }
                // Renamed, or renamed back, in between.
                let now = self.dir();
                let is_same = next.is_none() && Arc::ptr_eq(&now, &dir);
                if is_same { Err(error) } else { self.disk.open(&name.path(&now), mode) }
            }
            other => other,
        }
    }

    pub(crate) fn file(&self, name: FileName) -> Place<'_> {
        Place { home: self, name }
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        let dir = self.dir();
        self.disk.sync_dir(&dir).map_err(LogError::io("sync", &dir))
    }
}

/// A file of a segment, there or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    home: &'a Home,
    name: FileName,
}

impl Place<'_> {
    pub(crate) fn path(&self) -> PathBuf {
        self.name.path(&self.home.dir())
    }

    /// Makes an I/O error; for `map_err`.
    pub(crate) fn failed(self, action: &'static str) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io { action, path: self.path(), source }
    }

    pub(crate) fn open(&self, mode: OpenMode) -> Result<Arc<dyn DiskFile>, LogError> {
        self.home.open(self.name, mode).map_err(self.failed("open"))
    }

    /// Opens the file if there is one.
    pub(crate) fn open_existing(&self, mode: OpenMode) -> Result<Option<Arc<dyn DiskFile>>, LogError> {
        match self.home.open(self.name, mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(self.failed("open")),
        }
    }

    /// Makes the contents durable, if there is such a file.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        match self.open_existing(OpenMode::ReadWrite)? {
            Some(file) => file.sync_data().map_err(self.failed("sync")),
            None => Ok(()),
        }
    }

    /// Removes the file, if there is one.
    pub(crate) fn remove(&self) -> Result<(), LogError> {
        match self.home.disk.remove_file(&self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(self.failed("remove")),
        }
    }
}
