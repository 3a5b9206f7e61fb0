//! Flushes that time asks for: `flush.ms`, and everything before a newly begun segment.
//!
//! Kafka looks at `flush.ms` only every `log.flush.scheduler.interval.ms`, which by default is never;
//! here it is looked at every second, or more often if that key says so. A rolled segment is flushed at once,
//! so that recovery after a crash never has more than one segment to read. `flush.messages` is the append's own
//! business.

use std::sync::Arc;
use std::time::Duration;

use rkafka_config::keys;
use tracing::error;

use super::{Background, blocking, period};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionError};

/// How often partitions are looked at, unless the configuration says more often.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(background: Background, broker: Arc<Broker>) {
    loop {
        let configured = period(broker.config.load().get(keys::LOG_FLUSH_SCHEDULER_INTERVAL_MS));
        if !background.pause(configured.min(INTERVAL)).await {
            return;
        }
        take_offline(&broker);
        for partition in broker.partitions.all() {
            let rolled = partition.take_rolled();
            let timed = partition.reader().config().flush_ms < i64::MAX;
            if !rolled && !timed {
                continue;
            }
            let now_ms = broker.clock.wall_ms();
            blocking(move || flush(&partition, rolled, now_ms)).await;
        }
    }
}

/// Partitions of a directory whose disk has failed are served no more.
fn take_offline(broker: &Broker) {
    for dir in broker.log_dirs.dirs().iter().filter(|dir| !dir.health().is_online()) {
        for partition in broker.partitions.all() {
            if partition.dir().parent() == Some(dir.path()) {
                partition.set_offline();
            }
        }
    }
}

fn flush(partition: &Partition, rolled: bool, now_ms: i64) {
    if let Err(error) = try_flush(partition, rolled, now_ms) {
        error!(topic = %partition.topic(), partition = partition.id().index, %error, "flush failed");
    }
}

/// The files are synced outside the lock: appends go on meanwhile.
fn try_flush(partition: &Partition, rolled: bool, now_ms: i64) -> Result<(), PartitionError> {
    let job = partition.with_log(|log| {
        let up_to = match (log.flush_due(now_ms), rolled) {
            (true, _) => log.log_end_offset(),
            (false, true) => log.view().active_base_offset(),
            (false, false) => return Ok::<_, PartitionError>(None),
        };
        Ok(log.prepare_flush(up_to))
    })?;
    let Some(job) = job else { return Ok(()) };
    let flushed = job.run()?;
    partition.with_log(|log| Ok::<_, PartitionError>(log.complete_flush(flushed, now_ms)))?;
    Ok(())
}
