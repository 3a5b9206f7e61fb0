//! News of changes in directories, from the file system where it gives any (inotify).

use std::{path::PathBuf, sync::Arc, time::Duration};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};

use super::Signal;

/// Where the file system reports changes, directories are still looked at this often.
pub const SAFETY_NET: Duration = Duration::from_secs(5);

/// Wakes a source when something changes in its directories, as long as the watcher lives; `None` where the file
/// system cannot tell: then the source looks by itself.
#[must_use]
pub fn watch(
    source: &str,
    directories: &[PathBuf],
    recursive: bool,
    signal: &Arc<Signal>,
) -> Option<RecommendedWatcher> {
    let waker = signal.clone();
    let wanted = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Create(_)
                | EventKind::Modify(_)
                | EventKind::Access(AccessKind::Close(AccessMode::Write))
        )
    };
    let changed = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| wanted(&event.kind)) {
            waker.raise();
        }
    };
    let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
    let watched = notify::recommended_watcher(changed).and_then(|mut watcher| {
        for directory in directories {
            watcher.watch(directory, mode)?;
        }
        Ok(watcher)
    });
    match watched {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(source, "no news of changes from the file system ({error}); looking now and then");
            None
        }
    }
}
