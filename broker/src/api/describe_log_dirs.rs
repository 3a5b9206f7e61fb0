//! DescribeLogDirs (35), versions 1 to 5: what lies where, and how large it is (KIP-113).
//!
//! - v4 total and usable bytes of the volume (KIP-827) · v5 cordoned directories (KIP-1066; none here).

use std::collections::BTreeMap;
use std::sync::Arc;

use rkafka_log::dirs::LogDir;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use rkafka_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use rkafka_wire::versions::Versions;

use super::{Call, text, topic_name};
use crate::broker::Broker;
use crate::partition::{Partition, Role};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(1, 5);

/// Topic and its partitions that are asked for; `None` for all.
type Wanted = Option<BTreeMap<String, Vec<i32>>>;

pub(super) fn handle(call: Call, request: DescribeLogDirsRequest) -> Stage {
    let wanted: Wanted = request
        .topics
        .map(|topics| topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect());
    let broker = call.broker.clone();
    call.later(async move {
        let work = move || {
            let results = broker.log_dirs.dirs().iter().map(|dir| describe(&broker, dir, &wanted)).collect();
            DescribeLogDirsResponse::default().with_results(results)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    })
}

fn describe(broker: &Broker, dir: &LogDir, wanted: &Wanted) -> DescribeLogDirsResult {
    let answer = DescribeLogDirsResult::default()
        .with_log_dir(text(&dir.path().display().to_string()))
        .with_total_bytes(-1)
        .with_usable_bytes(-1);
    let space = broker.log_dirs.space(dir).ok().filter(|_| dir.health().is_online());
    let Some(space) = space else { return answer.with_error_code(ErrorCode::KafkaStorageError.code()) };
    let is_wanted = |partition: &Arc<Partition>| {
        partition.role() != Role::Offline
            && wanted.as_ref().is_none_or(|wanted| {
                wanted
                    .get(&**partition.topic())
                    .is_some_and(|indexes| indexes.contains(&partition.id().index))
            })
    };
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in broker.partitions.all().iter().filter(|partition| is_wanted(partition)) {
        for replica in replicas_in(dir, partition) {
            topics.entry(partition.topic().clone()).or_default().push(replica);
        }
    }
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic::default().with_name(topic_name(&name)).with_partitions(partitions)
    });
    answer
        .with_topics(topics.collect())
        .with_total_bytes(i64::try_from(space.total_bytes).unwrap_or(i64::MAX))
        .with_usable_bytes(i64::try_from(space.usable_bytes).unwrap_or(i64::MAX))
}

/// The log, or its copy that is being made there.
fn replicas_in(dir: &LogDir, partition: &Partition) -> Vec<DescribeLogDirsPartition> {
    let bytes = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let entry = DescribeLogDirsPartition::default().with_partition_index(partition.id().index);
    let view = partition.view();
    let mut replicas = Vec::new();
    if partition.dir().parent() == Some(dir.path()) {
        replicas.push(entry.clone().with_partition_size(bytes(view.size_bytes())));
    }
    if let Some(future) = partition.future().filter(|future| future.log_dir() == Some(dir.path())) {
        let lag = (view.log_end_offset - future.log_end_offset()).max(0);
        let size = bytes(future.size_bytes());
        replicas.push(entry.with_partition_size(size).with_offset_lag(lag).with_is_future_key(true));
    }
    replicas
}
