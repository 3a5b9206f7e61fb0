//! Replicas that move between the log directories of this broker (KIP-113): who is next, and how fast.
//!
//! `num.replica.alter.log.dirs.threads` moves go on at a time (by default one a directory), each a piece at a time on
//! the blocking pool, all in turn; together they copy no more than
//! `replica.alter.log.dirs.io.max.bytes.per.second`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::throttle::{RateLimit, UNLIMITED};
use tokio::sync::Notify;
use tracing::{error, info};

use super::{Background, blocking};
use crate::broker::Broker;
use crate::partition::{MoveStep, Partition};

/// Bytes copied before the next move has its turn.
const PIECE_BYTES: u64 = 1 << 20;
/// How long a worker waits for the rate, or for a partition that goes on too fast.
const MOMENT: Duration = Duration::from_millis(20);
/// How long a worker waits on a full disk.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// Moves that are going on.
#[derive(Debug, Default)]
pub struct Moves {
    /// Each partition with a copy is here once, or in the hands of a worker.
    waiting: Mutex<VecDeque<Arc<Partition>>>,
    added: Notify,
    limit: Mutex<RateLimit>,
    requests: Mutex<()>,
}

impl Moves {
    /// The partition has a copy to be worked on.
    pub fn add(&self, partition: Arc<Partition>) {
        let mut waiting = self.waiting.lock();
        // A move that was cancelled and begun anew.
        if !waiting.iter().any(|other| Arc::ptr_eq(other, &partition)) {
            waiting.push_back(partition);
            drop(waiting);
            self.added.notify_one();
        }
    }

    /// Moves are begun and cancelled by one request at a time.
    pub fn one_request(&self) -> MutexGuard<'_, ()> {
        self.requests.lock()
    }

    async fn next(&self) -> Arc<Partition> {
        loop {
            let next = self.waiting.lock().pop_front();
            match next {
                Some(partition) => return partition,
                None => self.added.notified().await,
            }
        }
    }
}

/// Starts the workers and hands them what an earlier run left.
pub(super) fn start(background: &Background, broker: &Arc<Broker>) {
    let unfinished = broker.partitions.all().into_iter().filter(|partition| partition.future().is_some());
    unfinished.for_each(|partition| broker.moves.add(partition));
    let directories = broker.log_dirs.dirs().len();
    let configured = broker.config.load().get(keys::NUM_REPLICA_ALTER_LOG_DIRS_THREADS);
    let workers = configured.map_or(directories, |threads| usize::try_from(threads).unwrap_or(1).max(1));
    // More than one directory can take is of no use.
    let workers = if directories > 1 { workers } else { 0 };
    for _ in 0..workers {
        background.tasks.spawn(run(background.clone(), broker.clone()));
    }
}

async fn run(background: Background, broker: Arc<Broker>) {
    loop {
        let partition = tokio::select! {
            biased;
            () = background.stop.cancelled() => return,
            partition = broker.moves.next() => partition,
        };
        while is_spent(&broker) {
            if !background.pause(MOMENT).await {
                return;
            }
        }
        let pause = step(&background, &broker, partition).await;
        if !pause.is_zero() && !background.pause(pause).await {
            return;
        }
    }
}

/// One piece of one move; how long to wait then.
async fn step(background: &Background, broker: &Arc<Broker>, partition: Arc<Partition>) -> Duration {
    let (working, moving) = (broker.clone(), partition.clone());
    let piece = PIECE_BYTES.min(rate(&broker.config.load()).max(1));
    let work = move || moving.step_move(&working.log_dirs, piece, working.clock.wall_ms());
    let Some(stepped) = blocking(work).await else { return MOMENT };
    let (topic, index) = (partition.topic().clone(), partition.id().index);
    let pause = match stepped {
        Ok(MoveStep::Copied(bytes)) => {
            let (rate, now_ms) = (rate(&broker.config.load()), broker.clock.now().mono_ms);
            broker.moves.limit.lock().record(rate, bytes, now_ms);
            Duration::ZERO
        }
        Ok(MoveStep::NotYet) => MOMENT,
        Ok(MoveStep::Full) => FULL_PAUSE,
        Ok(MoveStep::Done(deleted)) => {
            info!(%topic, partition = index, dir = %partition.dir().display(), "the log has moved");
            let delay_ms = partition.reader().config().file_delete_delay_ms;
            background.remove_later(broker, deleted, delay_ms);
            return Duration::ZERO;
        }
        Ok(MoveStep::Gone) => return Duration::ZERO,
        Err(error) => {
            error!(%topic, partition = index, %error, "a move is given up until the next start");
            return Duration::ZERO;
        }
    };
    broker.moves.add(partition);
    pause
}

fn rate(config: &BrokerConfig) -> u64 {
    u64::try_from(config.get(keys::REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND)).unwrap_or(UNLIMITED)
}

fn is_spent(broker: &Broker) -> bool {
    let rate = rate(&broker.config.load());
    broker.moves.limit.lock().is_spent(rate, broker.clock.now().mono_ms)
}
