//! A first start on data that another broker left: reads what its files say and commits it.

use std::path::Path;

use rkafka_core::adopt::{FoundLog, StockSettings, adopt};
use rkafka_core::ids::{BrokerId, TopicId};
use rkafka_core::image::MetadataBatch;
use rkafka_log::dirs::LogDirs;
use rkafka_log::disk::{Disk, read_file};
use uuid::Uuid;

use crate::quorum::{Quorum, QuorumError};

/// Apache Kafka's own metadata log.
const STOCK_METADATA: &str = "__cluster_metadata-0";

/// The largest file of it that is read: Kafka snapshots its metadata long before.
const STOCK_FILE_BYTES_MAX: u64 = 1 << 30;

/// If the cluster has no topics and logs lie in the directories, makes their topics known. Returns how many logs.
///
/// # Errors
/// [`QuorumError`].
pub async fn adopt_logs(quorum: &Quorum, dirs: &LogDirs, local: BrokerId) -> Result<usize, QuorumError> {
    let image = quorum.image();
    if !image.topics().is_empty() {
        return Ok(0);
    }
    let found = dirs.find_logs();
    if found.is_empty() {
        return Ok(0);
    }
    let logs: Vec<FoundLog> = found
        .into_iter()
        .map(|log| FoundLog {
            leader_epoch: dirs.newest_epoch(&log).unwrap_or_else(|error| {
                tracing::warn!(%error, "the leader epoch of a log is not known");
                -1
            }),
            topic: log.partition.topic.into(),
            index: log.partition.partition,
            topic_id: log.topic_id.and_then(|id| id.parse().ok()),
        })
        .collect();
    let mut settings = StockSettings::default();
    for dir in dirs.dirs() {
        read_stock_metadata(&**dirs.disk(), &dir.path().join(STOCK_METADATA), &mut settings);
    }
    let records = adopt(&logs, &settings, local, &mut random_topic_id);
    quorum.propose(MetadataBatch { previous_sequence: image.sequence(), records }).await?;
    Ok(logs.len())
}

/// The newest snapshot and the segments behind it, in the order of their offsets.
fn read_stock_metadata(disk: &dyn Disk, dir: &Path, settings: &mut StockSettings) {
    let Ok(entries) = disk.list(dir) else { return };
    let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    names.sort();
    let snapshot = names.iter().rev().find(|name| name.ends_with(".checkpoint"));
    let segments = names.iter().filter(|name| name.ends_with(".log"));
    for name in snapshot.into_iter().chain(segments) {
        match read_file(disk, &dir.join(name), STOCK_FILE_BYTES_MAX) {
            Ok(bytes) => settings.replay(&bytes),
            Err(error) => {
                let path = dir.join(name);
                tracing::warn!("{}: {error}; topic settings in it are not taken over", path.display());
            }
        }
    }
}

fn random_topic_id() -> TopicId {
    loop {
        if let Some(id) = TopicId::from_random(*Uuid::new_v4().as_bytes()) {
            return id;
        }
    }
}
