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
        partition.dir().parent() == Some(dir.path())
            && partition.role() != Role::Offline
            && wanted.as_ref().is_none_or(|wanted| {
                wanted
                    .get(&**partition.topic())
                    .is_some_and(|indexes| indexes.contains(&partition.id().index))
            })
    };
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in broker.partitions.all().iter().filter(|partition| is_wanted(partition)) {
        let size = i64::try_from(partition.view().size_bytes()).unwrap_or(i64::MAX);
        let entry = DescribeLogDirsPartition::default()
            .with_partition_index(partition.id().index)
            .with_partition_size(size);
        topics.entry(partition.topic().clone()).or_default().push(entry);
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
