//! AlterReplicaLogDirs (34), versions 1 to 2: replicas of this broker move to other log directories of it (KIP-113).
//!
//! - Answered once the move has begun; the current directory cancels one that goes on.
//! - A directory that is not configured → 57, one that is offline → 56, any of them while a new copy would have to be
//!   made → 56. A partition that is not here → 9, one that does not exist → 3; its directory is remembered for when it
//!   comes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rkafka_core::ids::{PartitionId, TopicId};
use rkafka_core::image::Image;
use rkafka_log::TopicPartition;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use rkafka_wire::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use rkafka_wire::versions::Versions;
use tracing::{info, warn};

use super::{Call, topic_name};
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::partition::{Partition, PartitionError, Role};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 2);

/// Directories by topic and partition; of one named twice the last counts.
type Wanted = BTreeMap<String, BTreeMap<i32, String>>;

pub(super) fn handle(call: Call, request: AlterReplicaLogDirsRequest) -> Stage {
    let mut wanted = Wanted::new();
    for dir in request.dirs {
        for topic in dir.topics {
            let partitions = wanted.entry(topic.name.to_string()).or_default();
            partitions.extend(topic.partitions.into_iter().map(|index| (index, dir.path.to_string())));
        }
    }
    let broker = call.broker.clone();
    call.later(async move {
        let work = move || alter_all(&broker, &broker.image(), wanted);
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    })
}

fn alter_all(broker: &Broker, image: &Image, wanted: Wanted) -> AlterReplicaLogDirsResponse {
    let _alone = broker.moves.one_request();
    let results = wanted.into_iter().map(|(topic, partitions)| {
        let results = partitions.into_iter().map(|(partition, path)| {
            let name = TopicPartition { topic: topic.clone(), partition };
            let altered = alter(broker, image, &name, &path);
            let code = altered.err().unwrap_or(ErrorCode::None);
            if code != ErrorCode::None {
                warn!(partition = %name, path, ?code, "the replica is not moved");
            }
            AlterReplicaLogDirPartitionResult::default()
                .with_partition_index(partition)
                .with_error_code(code.code())
        });
        let results = results.collect();
        AlterReplicaLogDirTopicResult::default().with_topic_name(topic_name(&topic)).with_partitions(results)
    });
    AlterReplicaLogDirsResponse::default().with_results(results.collect())
}

fn alter(broker: &Broker, image: &Image, name: &TopicPartition, path: &str) -> Result<(), ErrorCode> {
    let dirs = &broker.log_dirs;
    if name.future_dir_name(0).is_none() {
        return Err(ErrorCode::InvalidTopicException);
    }
    let target = index_of(broker, path).ok_or(ErrorCode::LogDirNotFound)?;
    let is_online = |index: usize| dirs.dirs().get(index).is_some_and(|dir| dir.health().is_online());
    if !is_online(target) {
        return Err(ErrorCode::KafkaStorageError);
    }
    let Some(partition) = find(broker, image, name) else {
        let remembered = dirs.prefer(name, target);
        info!(partition = %name, path, remembered, "the partition is not here yet");
        let exists = Broker::topic(image, &name.topic, TopicId::ZERO)
            .is_some_and(|topic| topic.partition(name.partition).is_some());
        return Err(match exists {
            true => ErrorCode::ReplicaNotAvailable,
            false => ErrorCode::UnknownTopicOrPartition,
        });
    };
    if partition.role() == Role::Offline {
        return Err(ErrorCode::KafkaStorageError);
    }
    let order = Order::new(target, dir_of(broker, &partition), future_dir_of(broker, &partition));
    if order.cancel && let Some(deleted) = partition.cancel_move(dirs).map_err(|error| error.error_code())? {
        // On the blocking pool, and nobody reads from it.
        dirs.remove_deleted(&deleted).unwrap_or_else(|error| warn!(%error, "a copy is left for the next start"));
    }
    if order.begin {
        // The copy of an earlier move may lie in a directory that is not there now.
        if !(0..dirs.dirs().len()).all(is_online) {
            return Err(ErrorCode::KafkaStorageError);
        }
        partition.begin_move(dirs, target, broker.clock.wall_ms()).map_err(|error| match error {
            PartitionError::NotLeader => ErrorCode::ReplicaNotAvailable,
            other => other.error_code(),
        })?;
        info!(partition = %name, path, "the log moves");
        broker.moves.add(partition);
    }
    Ok(())
}

/// What a request for a directory means for a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    /// A copy in another directory goes.
    cancel: bool,
    /// A copy is begun.
    begin: bool,
}

impl Order {
    fn new(target: usize, current: Option<usize>, future: Option<usize>) -> Self {
        let cancel = future.is_some_and(|future| future != target);
        Order { cancel, begin: current != Some(target) && (future.is_none() || cancel) }
    }
}

/// The directory by the name that the configuration or DescribeLogDirs gives it, or by its absolute one.
fn index_of(broker: &Broker, path: &str) -> Option<usize> {
    let path = Path::new(path);
    let is_it = |dir: &Path| dir == path || std::path::absolute(dir).is_ok_and(|absolute| absolute == path);
    broker.log_dirs.dirs().iter().position(|dir| is_it(dir.path()))
}

fn dir_of(broker: &Broker, partition: &Partition) -> Option<usize> {
    broker.log_dirs.index_of(partition.dir().parent()?)
}

fn future_dir_of(broker: &Broker, partition: &Partition) -> Option<usize> {
    broker.log_dirs.index_of(partition.future()?.log_dir()?)
}

fn find(broker: &Broker, image: &Image, name: &TopicPartition) -> Option<Arc<Partition>> {
    let topic = Broker::topic(image, &name.topic, TopicId::ZERO)?;
    broker.partitions.get(PartitionId { topic: topic.id, index: name.partition })
}

#[cfg(test)]
mod tests {
    use super::Order;

    #[test]
    fn orders() {
        let check = |target, current, future, cancel, begin| {
            assert_eq!(Order::new(target, Some(current), future), Order { cancel, begin }, "{future:?}");
        };
        check(0, 0, None, false, false);
        check(1, 0, None, false, true);
        check(1, 0, Some(1), false, false);
        // To where it is: what goes on is cancelled.
        check(0, 0, Some(1), true, false);
        // Elsewhere.
        check(2, 0, Some(1), true, true);
    }
}
