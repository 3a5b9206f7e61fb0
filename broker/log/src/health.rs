//! Whether a log directory can still be trusted.
//!
//! A failed write or sync says that the disk has lost what was given to it; the kernel may even forget that
//! it did, so a second sync proves nothing. The first such failure takes the directory offline for good:
//! every log in it refuses to write until the broker is restarted (KIP-112). A full disk is no such failure.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::LogError;

/// State of one log directory, shared by all logs in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DirHealth {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    failure: OnceLock<String>,
}

impl DirHealth {
    /// A directory of which nothing bad is known.
    pub fn new(dir: &Path) -> Self {
        Self { inner: Arc::new(Inner { dir: dir.to_path_buf(), failure: OnceLock::new() }) }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The failure that took it offline.
    pub fn failure(&self) -> Option<&str> {
        self.inner.failure.get().map(String::as_str)
    }

    /// Whether it may be used.
    pub fn is_online(&self) -> bool {
        self.failure().is_none()
    }

    /// Refuses if the directory is offline.
    ///
    /// # Errors
    /// [`LogError::Offline`].
    pub fn check(&self) -> Result<(), LogError> {
        match self.failure() {
            None => Ok(()),
            Some(reason) => Err(LogError::Offline { dir: self.inner.dir.clone(), reason: reason.to_owned() }),
        }
    }

    /// Takes the directory offline; the first reason is kept.
    pub fn take_offline(&self, reason: &str) {
        if self.inner.failure.set(reason.to_owned()).is_ok() {
            tracing::error!(dir = %self.inner.dir.display(), reason, "log directory is offline now");
        }
    }

    /// Passes a result on; an I/O failure takes the directory offline, unless it is a full disk or this
    /// process's own want of descriptors or memory.
    pub(crate) fn watch<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error @ LogError::Io { .. }) = &result
            && !error.is_disk_full()
            && !error.is_exhaustion()
        {
            self.take_offline(&error.to_string());
        }
        result
    }

    /// Passes the result of a sync on; any failure takes the directory offline.
    pub(crate) fn watch_sync<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error) = &result {
            self.take_offline(&error.to_string());
        }
        result
    }
}
