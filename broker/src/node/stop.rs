//! Stopping a node in order, so that the next start has nothing to recover.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rkafka_log::LogError;
use rkafka_log::dirs::{LogDirs, LogPosition};
use tracing::{error, info, warn};

use super::Node;
use crate::background::position_of;
use crate::partition::Partition;

/// How long the controller and the quorum may take to end.
const CONTROLLER_MAX: Duration = Duration::from_secs(5);
/// How long another voter may take to lead the quorum instead.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);
/// Logs closed at one time: closing waits for the disk, not for a processor.
const CLOSERS: usize = 8;
/// So many logs are synced one by one; syncing a whole volume also waits for what others wrote to it.
const SYNCED_ALONE: usize = 64;

impl Node {
    /// Gives its leaderships to others, if there are any; ends connections after what is owed to them, then groups,
    /// background work and the controller; closes all logs; leaves checkpoints and the clean shutdown marker.
    pub async fn shutdown(self) {
        let Node { broker, serving, background, membership, controller, log_dirs, pages, .. } = self;
        pages.stopping();
        let broker_epoch = match membership {
            Some(membership) => membership.leave().await,
            None => -1,
        };
        controller.quorum().hand_over(HAND_OVER_MAX).await;
        serving.stop().await;
        broker.groups.shutdown().await;
        background.stop().await;
        let partitions = broker.partitions.all();
        let mut served = broker.metadata.images();
        drop((broker, serving));
        match tokio::time::timeout(CONTROLLER_MAX, controller.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the controller did not end in order"),
            Err(_) => warn!("the controller did not end in time"),
        }
        // Its end is that of the reconciler, which holds the log directories and their locks.
        let reconciled = async { while served.changed().await.is_ok() {} };
        if tokio::time::timeout(CONTROLLER_MAX, reconciled).await.is_err() {
            warn!("the reconciler did not end in time");
        }
        let closing =
            tokio::task::spawn_blocking(move || close_all(&log_dirs, &partitions, broker_epoch)).await;
        match closing {
            Ok(Ok(closed)) => info!(partitions = closed, "stopped"),
            Ok(Err(error)) => error!(%error, "stopped, but not cleanly: the next start recovers"),
            Err(error) => error!(%error, "stopped, but not cleanly: the next start recovers"),
        }
    }
}

/// Closes every log; only if all are closed, the directories are marked as clean. Logs that are durable
/// already cost no sync; of the others few are synced one by one, many by one call for each volume.
fn close_all(
    log_dirs: &LogDirs,
    partitions: &[Arc<Partition>],
    broker_epoch: i64,
) -> Result<usize, LogError> {
    let is_unsynced = |partition: &&Arc<Partition>| {
        let view = partition.view();
        view.recovery_point < view.log_end_offset
    };
    let together = partitions.iter().filter(is_unsynced).count() > SYNCED_ALONE;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut closed = Vec::new();
        while let Some(partition) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = partition.close_move(log_dirs) {
                warn!(%error, "an unfinished copy is looked at by the next start");
            }
            closed.push(close(partition, together));
        }
        closed
    };
    let results: Vec<Result<Option<LogPosition>, LogError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLOSERS.min(partitions.len())).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    if together {
        // Before anything says that the logs are durable.
        log_dirs.sync()?;
    }
    let total = results.len();
    let mut positions = Vec::with_capacity(total);
    let mut failure = None;
    for result in results {
        match result {
            Ok(position) => positions.extend(position),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    log_dirs.write_checkpoints(|| positions)?;
    match failure {
        Some(error) => Err(error),
        // A thread that was lost has left its logs open.
        None if total < partitions.len() => Ok(total),
        None => log_dirs.mark_clean(broker_epoch).map(|()| total),
    }
}

/// Closes one log; where it stands then. Nothing for one that was closed before.
fn close(partition: &Partition, sync_together: bool) -> Result<Option<LogPosition>, LogError> {
    let Some(log) = partition.take_log() else { return Ok(None) };
    let position = position_of(partition, log.log_end_offset());
    match sync_together {
        true => log.close_unsynced()?,
        false => log.close()?,
    }
    Ok(Some(position))
}
