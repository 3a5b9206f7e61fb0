//! Work that no client waits for: flushes, checkpoints, retention, compaction.
//!
//! ```text
//! flush.rs        flush.ms, and segments that were rolled
//! checkpoints.rs  recovery points, log starts, high watermarks
//! retention.rs    old segments, idle producers, files nobody uses
//! cleaner.rs      compaction
//! moves.rs        replicas that move to another log directory
//! ```
//! Each is one task that works on one partition at a time, on the blocking pool, so that together they never
//! take more than a few threads and one request of the disk each. Offsets of groups expire in their
//! coordinators.

mod checkpoints;
mod cleaner;
mod flush;
mod moves;
mod retention;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rkafka_log::DeferredDeletion;
use rkafka_log::disk::Disk;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::broker::Broker;
use crate::replication;

pub use moves::Moves;

pub(crate) use checkpoints::{position_of, write_checkpoint};

/// All background work of a broker.
#[derive(Debug, Clone)]
pub struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Background {
    /// Starts everything.
    pub fn start(broker: &Arc<Broker>) -> Self {
        let background = Self { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        replication::start(broker, &background.tasks, &background.stop);
        background.tasks.spawn(flush::run(background.clone(), broker.clone()));
        background.tasks.spawn(checkpoints::run(background.clone(), broker.clone()));
        background.tasks.spawn(retention::run(background.clone(), broker.clone()));
        background.tasks.spawn(cleaner::run(background.clone(), broker.clone()));
        moves::start(&background, broker);
        background
    }

    /// Stops everything and waits for what is under way.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits; false if it is time to stop.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// Removes a deleted log's directory after a while.
    fn remove_later(&self, broker: &Arc<Broker>, path: PathBuf, delay_ms: i64) {
        let (background, broker) = (self.clone(), broker.clone());
        self.tasks.spawn(async move {
            if background.pause(Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0))).await {
                blocking(move || {
                    let removed = broker.log_dirs.remove_deleted(&path);
                    removed.unwrap_or_else(|error| warn!(%error, "a deleted log is left for the next start"));
                })
                .await;
            }
        });
    }

    /// Removes files once their readers have had the time to finish. What is left when the broker stops, the
    /// next start removes.
    fn delete_later(&self, disk: &Arc<dyn Disk>, deletion: DeferredDeletion) {
        if deletion.is_empty() {
            return;
        }
        let (background, disk) = (self.clone(), disk.clone());
        self.tasks.spawn(async move {
            let delay_ms = u64::try_from(deletion.delay_ms()).unwrap_or(0);
            if !background.pause(Duration::from_millis(delay_ms)).await {
                return;
            }
            blocking(move || {
                if let Err(error) = deletion.run(disk.as_ref()) {
                    warn!(%error, "files of a deleted segment cannot be removed");
                }
            })
            .await;
        });
    }
}

/// Runs on the blocking pool; nothing comes back if the runtime is being torn down.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// A period of the configuration, at least a moment.
fn period(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(1).clamp(1, PERIOD_MAX_MS))
}

/// A year: longer pauses cannot be told from it, and this one can be added to any clock.
const PERIOD_MAX_MS: u64 = 365 * 24 * 3_600_000;
