//! The log directories of a node (`log.dirs`): locking them, what lies in them, where new logs go,
//! checkpoints.
//!
//! Files of a log directory, all of them Apache Kafka's:
//! ```text
//! .lock                              taken while a broker runs
//! .kafka_cleanshutdown               the last stop was orderly: nothing is scanned at the next start
//! meta.properties                    whose directory it is (identity.rs)
//! recovery-point-offset-checkpoint   below it everything is durable
//! log-start-offset-checkpoint        where logs begin, if moved
//! replication-offset-checkpoint      high watermarks
//! <topic>-<partition>/               a log; with a suffix: deleted, being moved, or not known to the cluster
//! ```
//! Copies of logs that move from one directory to another are `futures.rs`'s.
//!
//! One failed directory does not stop the others (KIP-112): its logs are offline.

mod checkpoints;
mod clean_marker;
mod futures;
mod identity;
mod positions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::checkpoint::read_text;
use crate::config::LogConfig;
use crate::disk::{Disk, FileLock, Space};
use crate::epoch::{LEADER_EPOCH_CHECKPOINT, LeaderEpochs, UNDEFINED_EPOCH};
use crate::error::LogError;
use crate::health::DirHealth;
use crate::log::Log;
use crate::partition_name::{DirectoryKind, TopicPartition};
use crate::recovery::{OpenOptions, RecoveryReport};

pub use checkpoints::Checkpoint;
use checkpoints::Checkpoints;
use clean_marker::CleanMarker;
pub use futures::FoundFuture;
pub use identity::{DirIdentity, META_PROPERTIES, PARTITION_METADATA, load_topic_id, save_topic_id};
pub use positions::LogPosition;

const LOCK: &str = ".lock";

/// One log directory.
#[derive(Debug)]
pub struct LogDir {
    path: PathBuf,
    health: DirHealth,
    identity: Option<DirIdentity>,
    marker: CleanMarker,
    checkpoints: Checkpoints,
    /// Logs that live here, for placement.
    logs: AtomicUsize,
    /// A log here could not be opened, so whatever it needs is still to be done: no stop is clean.
    unopened: AtomicBool,
    _lock: Option<Box<dyn FileLock>>,
}

impl LogDir {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can be used, shared with all logs in it.
    pub fn health(&self) -> &DirHealth {
        &self.health
    }

    /// What `meta.properties` said; `None` if there was no such file.
    pub fn identity(&self) -> Option<&DirIdentity> {
        self.identity.as_ref()
    }

    /// What a checkpoint last said of a partition.
    pub fn checkpointed(&self, checkpoint: Checkpoint, partition: &TopicPartition) -> Option<i64> {
        self.checkpoints.get(checkpoint, partition)
    }
}

/// A log that was found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLog {
    /// Its partition, by the directory's name.
    pub partition: TopicPartition,
    /// Index of the log directory.
    pub dir: usize,
    /// The topic's id as `partition.metadata` has it.
    pub topic_id: Option<String>,
}

/// A log and what its checkpoints and its recovery said.
#[derive(Debug)]
pub struct OpenedLog {
    /// The log; its high watermark is the checkpointed one.
    pub log: Log,
    /// What recovery did.
    pub report: RecoveryReport,
}

/// All log directories of a node.
#[derive(Debug)]
pub struct LogDirs {
    disk: Arc<dyn Disk>,
    dirs: Vec<LogDir>,
    /// Held while positions are collected and written, and while a log's are forgotten: those of a log that
    /// is gone must not meet a later one of its name.
    positions: Mutex<()>,
    /// Directories (by index) that were asked for partitions that do not exist yet.
    preferred: Mutex<BTreeMap<TopicPartition, usize>>,
}

impl LogDirs {
    /// Makes, locks and reads the directories. One whose disk fails is offline; it is an error only if none
    /// is left. Clean shutdown markers stay until the first log is opened.
    ///
    /// # Errors
    /// [`LogError::Locked`] if another broker has one of them; [`LogError::Identity`] if one cannot be told
    /// whose it is, or a partition lies in two; [`LogError::NoDirectory`], or the failure of the only
    /// directory.
    pub fn open(disk: Arc<dyn Disk>, paths: &[PathBuf]) -> Result<Self, LogError> {
        let mut dirs = Vec::new();
        let mut first_failure = None;
        for path in paths {
            match open_dir(&*disk, path) {
                Ok(dir) => dirs.push(dir),
                Err(error @ (LogError::Locked { .. } | LogError::Identity { .. })) => return Err(error),
                Err(error) => {
                    dirs.push(failed_dir(path, &error.to_string()));
                    first_failure.get_or_insert(error);
                }
            }
        }
        if !dirs.iter().any(|dir| dir.health.is_online()) {
            return Err(first_failure.unwrap_or(LogError::NoDirectory));
        }
        let opened = Self { disk, dirs, positions: Mutex::new(()), preferred: Mutex::default() };
        opened.refuse_doubles()?;
        opened.complete_swaps();
        Ok(opened)
    }

    /// Which of two logs of one partition is the right one, nobody can tell but the operator.
    fn refuse_doubles(&self) -> Result<(), LogError> {
        let mut seen = BTreeMap::new();
        for dir in self.dirs.iter().filter(|dir| dir.health.is_online()) {
            let entries = self.disk.list(&dir.path).map_err(LogError::io("list", &dir.path));
            for entry in dir.health.watch(entries).unwrap_or_default() {
                let Some((partition, DirectoryKind::Live)) = TopicPartition::parse_dir(&entry.name) else {
                    continue;
                };
                if let Some(other) = seen.insert(partition, &dir.path) {
                    let problem =
                        format!("the partition lies in {} too; remove one of both", other.display());
                    return Err(LogError::Identity { path: dir.path.join(entry.name), problem });
                }
            }
        }
        Ok(())
    }

    /// The directories, in the order of `log.dirs`.
    pub fn dirs(&self) -> &[LogDir] {
        &self.dirs
    }

    /// The disk they are on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Space of the volume that directory `dir` is on.
    ///
    /// # Errors
    /// The disk's.
    pub fn space(&self, dir: &LogDir) -> Result<Space, LogError> {
        self.disk.space(&dir.path).map_err(LogError::io("ask for the space of", &dir.path))
    }

    /// Writes `meta.properties` where it is missing or lacks an id. `directory_id` draws a new id.
    ///
    /// # Errors
    /// [`LogError::Identity`] if a directory belongs to another cluster or node; the disk's.
    pub fn claim(
        &mut self,
        cluster_id: &str,
        node_id: i32,
        mut directory_id: impl FnMut() -> String,
    ) -> Result<(), LogError> {
        for dir in self.dirs.iter_mut().filter(|dir| dir.health.is_online()) {
            let found = dir.identity.clone().unwrap_or_default();
            let refuse = |what: &str, found: &str, own: &str| LogError::Identity {
                path: dir.path.join(META_PROPERTIES),
                problem: format!(
                    "the directory belongs to {what} {found}, but this node is configured for {own}; correct the \
                     configuration, or use another directory"
                ),
            };
            if let Some(other) = found.cluster_id.as_deref().filter(|id| *id != cluster_id) {
                return Err(refuse("cluster", other, cluster_id));
            }
            if let Some(other) = found.node_id.filter(|id| *id != node_id) {
                return Err(refuse("node", &other.to_string(), &node_id.to_string()));
            }
            let claimed = DirIdentity {
                cluster_id: Some(cluster_id.to_owned()),
                node_id: Some(node_id),
                directory_id: Some(found.directory_id.clone().unwrap_or_else(&mut directory_id)),
            };
            if dir.identity.as_ref() != Some(&claimed) {
                dir.health.watch(claimed.save(&*self.disk, &dir.path))?;
                dir.identity = Some(claimed);
            }
        }
        Ok(())
    }

    /// Gives the directory at `path` an id in place of the one that `meta.properties` has; where that has nothing else
    /// yet, [`claim`](Self::claim) writes it. Whether `path` is one of the directories.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_directory_id(&mut self, path: &Path, directory_id: &str) -> Result<bool, LogError> {
        let Some(dir) = self.dirs.iter_mut().find(|dir| dir.path == path) else { return Ok(false) };
        let found = dir.identity.clone();
        if found.as_ref().and_then(|found| found.directory_id.as_deref()) == Some(directory_id) {
            return Ok(true);
        }
        let named =
            DirIdentity { directory_id: Some(directory_id.to_owned()), ..found.clone().unwrap_or_default() };
        if found.is_some() && dir.health.is_online() {
            dir.health.watch(named.save(&*self.disk, &dir.path))?;
        }
        dir.identity = Some(named);
        Ok(true)
    }

    /// Logs that lie in the directories. Leftovers of deletions are removed on the way; logs being moved and
    /// strays are left alone.
    ///
    /// # Errors
    /// None: a directory that cannot be read is taken offline.
    pub fn find_logs(&self) -> Vec<FoundLog> {
        let mut found = Vec::new();
        for (index, dir) in self.dirs.iter().enumerate().filter(|(_, dir)| dir.health.is_online()) {
            match self.find_in(index, dir) {
                Ok(logs) => {
                    dir.logs.store(logs.len(), Ordering::Relaxed);
                    found.extend(logs);
                }
                Err(error) => dir.health.take_offline(&error.to_string()),
            }
        }
        found
    }

    fn find_in(&self, index: usize, dir: &LogDir) -> Result<Vec<FoundLog>, LogError> {
        let mut found = Vec::new();
        let all_online = self.dirs.iter().all(|dir| dir.health.is_online());
        for entry in self.disk.list(&dir.path).map_err(LogError::io("list", &dir.path))? {
            if !entry.is_dir || is_metadata_log(&entry.name) {
                continue;
            }
            let path = dir.path.join(&entry.name);
            match TopicPartition::parse_dir(&entry.name) {
                Some((partition, DirectoryKind::Live)) => match self.look_at(index, partition, &path) {
                    Ok(log) => found.push(log),
                    // One log that cannot be told is offline; the others are not to blame.
                    Err(error) => {
                        tracing::error!(%error, "a log is left alone");
                        dir.unopened.store(true, Ordering::Relaxed);
                    }
                },
                // It may be what a copy on a disk that is not there was to replace.
                Some((_, DirectoryKind::Deleted)) if !all_online => {}
                Some((_, DirectoryKind::Deleted)) => {
                    let removed = remove_tree(&*self.disk, &path);
                    removed.unwrap_or_else(|error| tracing::warn!(%error, "a deleted log is still there"));
                }
                Some((_, DirectoryKind::Future | DirectoryKind::Stray)) | None => {}
            }
        }
        Ok(found)
    }

    fn look_at(&self, dir: usize, partition: TopicPartition, path: &Path) -> Result<FoundLog, LogError> {
        let topic_id = load_topic_id(&*self.disk, path)?;
        Ok(FoundLog { partition, dir, topic_id })
    }

    /// Newest leader epoch that a found log's checkpoint tells of, -1 if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn newest_epoch(&self, found: &FoundLog) -> Result<i32, LogError> {
        let dir = self.dirs.get(found.dir).ok_or(LogError::NoDirectory)?;
        newest_epoch(&*self.disk, &dir.path.join(found.partition.dir_name()))
    }

    /// Opens a log that [`find_logs`](Self::find_logs) found, with what the checkpoints say of it.
    ///
    /// # Errors
    /// The disk's; [`LogError::Offline`].
    pub fn open_log(
        &self,
        found: &FoundLog,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<OpenedLog, LogError> {
        let dir = self.dirs.get(found.dir).ok_or(LogError::NoDirectory)?;
        let options = OpenOptions {
            recovery_point: dir.checkpointed(Checkpoint::RecoveryPoint, &found.partition).unwrap_or(-1),
            cleaned_to: dir.checkpointed(Checkpoint::Cleaner, &found.partition).unwrap_or(0),
            log_start_offset: dir.checkpointed(Checkpoint::LogStart, &found.partition).unwrap_or(0),
            clean_shutdown: dir.marker.was_there(),
            now_ms,
        };
        let opened = self.open_in(dir, &found.partition, config, options);
        let mut opened = opened.inspect_err(|_| dir.unopened.store(true, Ordering::Relaxed))?;
        if let Some(high_watermark) = dir.checkpointed(Checkpoint::HighWatermark, &found.partition) {
            opened.log.update_high_watermark(high_watermark);
        }
        Ok(opened)
    }

    /// Makes an empty log in the directory that was asked for ([`prefer`](Self::prefer)), else in the online one that
    /// has the fewest, as Kafka does.
    ///
    /// # Errors
    /// [`LogError::Identity`] if a directory of that name is there; [`LogError::NoDirectory`]; the disk's.
    pub fn create_log(
        &self,
        partition: &TopicPartition,
        topic_id: &str,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Log, LogError> {
        if let Some(path) = self.find_named(partition) {
            let problem = "a log is there already; it is not taken for the new one".to_owned();
            return Err(LogError::Identity { path, problem });
        }
        let online = self.dirs.iter().filter(|dir| dir.health.is_online());
        let fewest = || online.min_by_key(|dir| dir.logs.load(Ordering::Relaxed));
        let dir = self.take_preferred(partition).or_else(fewest).ok_or(LogError::NoDirectory)?;
        // Whatever they may still say of a namesake.
        dir.health.watch(self.forget(dir, partition))?;
        let clean_shutdown = dir.marker.was_there();
        let options =
            OpenOptions { recovery_point: -1, cleaned_to: 0, log_start_offset: 0, clean_shutdown, now_ms };
        let path = dir.path.join(partition.dir_name());
        let opened = self.open_in(dir, partition, config, options)?;
        dir.health.watch(save_topic_id(&*self.disk, &path, topic_id))?;
        dir.logs.fetch_add(1, Ordering::Relaxed);
        Ok(opened.log)
    }

    fn open_in(
        &self,
        dir: &LogDir,
        partition: &TopicPartition,
        config: Arc<LogConfig>,
        options: OpenOptions,
    ) -> Result<OpenedLog, LogError> {
        dir.health.check()?;
        dir.health.watch(dir.marker.remove(&*self.disk))?;
        let path = dir.path.join(partition.dir_name());
        let name = partition.to_string();
        let (log, report) =
            Log::open_in(Arc::clone(&self.disk), &path, &name, config, options, dir.health.clone())?;
        Ok(OpenedLog { log, report })
    }

    /// Renames a log's directory so that its name is free at once and the next start removes it, should this
    /// one not come to it. `unique` tells apart several deletions of one name. The files are removed by
    /// [`remove_deleted`](Self::remove_deleted) after `file.delete.delay.ms`.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete_log(
        &self,
        partition: &TopicPartition,
        log: Log,
        unique: u128,
    ) -> Result<PathBuf, LogError> {
        let from = log.dir().to_path_buf();
        // Readers that still send from it hold its files, not its name.
        drop(log);
        self.rename_log(partition, &from, partition.deleted_dir_name(unique))
    }

    /// [`delete_log`](Self::delete_log) for a log that could not be opened; nothing if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete_unopened(
        &self,
        partition: &TopicPartition,
        unique: u128,
    ) -> Result<Option<PathBuf>, LogError> {
        let Some(from) = self.find_named(partition) else { return Ok(None) };
        self.rename_log(partition, &from, partition.deleted_dir_name(unique)).map(Some)
    }

    /// Puts aside a log that the cluster does not know to belong here; it is kept for the operator. Nothing
    /// if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_stray(&self, partition: &TopicPartition, unique: u128) -> Result<Option<PathBuf>, LogError> {
        let Some(from) = self.find_named(partition) else { return Ok(None) };
        self.rename_log(partition, &from, format!("{partition}.{unique:032x}-stray")).map(Some)
    }

    /// The directory of a partition, open or not.
    fn find_named(&self, partition: &TopicPartition) -> Option<PathBuf> {
        let online = self.dirs.iter().filter(|dir| dir.health.is_online());
        online.map(|dir| dir.path.join(partition.dir_name())).find(|path| self.disk.stat(path).is_ok())
    }

    fn rename_log(&self, partition: &TopicPartition, from: &Path, name: String) -> Result<PathBuf, LogError> {
        let to = from.with_file_name(name);
        let dir = self.dirs.iter().find(|dir| from.starts_with(&dir.path)).ok_or(LogError::NoDirectory)?;
        let renamed = self.disk.rename(from, &to).map_err(LogError::io("rename", from));
        dir.health.watch(renamed)?;
        let synced = self.disk.sync_dir(&dir.path).map_err(LogError::io("sync", &dir.path));
        dir.health.watch_sync(synced)?;
        // Placement counts what lives here; a count that was never right must not wrap.
        let fewer = |logs: usize| Some(logs.saturating_sub(1));
        let _ = dir.logs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        // Its offsets mean nothing for a later partition of the same name.
        dir.health.watch(self.forget(dir, partition))?;
        Ok(to)
    }

    fn forget(&self, dir: &LogDir, partition: &TopicPartition) -> Result<(), LogError> {
        let _collecting = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        dir.checkpoints.forget(&*self.disk, partition)
    }

    /// Removes a directory that [`delete_log`](Self::delete_log) renamed.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_deleted(&self, path: &Path) -> Result<(), LogError> {
        remove_tree(&*self.disk, path)
    }

    fn at(&self, path: &Path) -> Result<&LogDir, LogError> {
        let dir = self.dirs.iter().find(|dir| dir.path == path).ok_or(LogError::NoDirectory)?;
        dir.health.check()?;
        Ok(dir)
    }

    /// Makes everything in every online directory durable: after [`Log::close_unsynced`] of all logs.
    ///
    /// # Errors
    /// The disk's, of the first directory that failed; it is offline then.
    pub fn sync(&self) -> Result<(), LogError> {
        let mut result = Ok(());
        for dir in self.dirs.iter().filter(|dir| dir.health.is_online()) {
            let synced = self.disk.sync_tree(&dir.path).map_err(LogError::io("sync", &dir.path));
            result = result.and(dir.health.watch_sync(synced));
        }
        result
    }

    /// The epoch of the broker's registration that ended with the last stop, if that was an orderly one in all
    /// directories; -1 otherwise (KIP-966).
    #[must_use]
    pub fn clean_broker_epoch(&self) -> i64 {
        let mut epochs = self.dirs.iter().map(|dir| dir.marker.epoch());
        let first = epochs.next().unwrap_or(clean_marker::NO_EPOCH);
        if epochs.all(|epoch| epoch == first) { first } else { clean_marker::NO_EPOCH }
    }

    /// Leaves the clean shutdown markers, with the epoch of the registration that ends (-1 for none); to be called
    /// when every log is closed and the checkpoints are written. A directory with a log that could not be opened
    /// gets none: the next start must look at that log.
    ///
    /// # Errors
    /// The disk's.
    pub fn mark_clean(&self, broker_epoch: i64) -> Result<(), LogError> {
        let all_opened = |dir: &&LogDir| !dir.unopened.load(Ordering::Relaxed);
        for dir in self.dirs.iter().filter(|dir| dir.health.is_online()).filter(all_opened) {
            dir.marker.leave(&*self.disk, broker_epoch)?;
        }
        Ok(())
    }
}

fn open_dir(disk: &dyn Disk, path: &Path) -> Result<LogDir, LogError> {
    make_dir(disk, path)?;
    let lock = match disk.lock(&path.join(LOCK)) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(LogError::Locked { dir: path.to_path_buf() });
        }
        other => other.map_err(LogError::io("lock", path))?,
    };
    Ok(LogDir {
        path: path.to_path_buf(),
        health: DirHealth::new(path),
        identity: DirIdentity::load(disk, path)?,
        marker: CleanMarker::find(disk, path),
        checkpoints: Checkpoints::read(disk, path)?,
        logs: AtomicUsize::new(0),
        unopened: AtomicBool::new(false),
        _lock: Some(lock),
    })
}

/// Makes the directory and whatever is missing above it, each with a durable name: a power cut must not take away
/// the directory that synced logs lie in.
fn make_dir(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| disk.stat(above).is_err()).collect();
    disk.create_dir(path).map_err(LogError::io("make", path))?;
    for above in missing.iter().filter_map(|made| made.parent()) {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        disk.sync_dir(above).map_err(LogError::io("sync", above))?;
    }
    Ok(())
}

fn failed_dir(path: &Path, reason: &str) -> LogDir {
    let health = DirHealth::new(path);
    health.take_offline(reason);
    LogDir {
        path: path.to_path_buf(),
        health,
        identity: None,
        marker: CleanMarker::none(path),
        checkpoints: Checkpoints::none(path),
        logs: AtomicUsize::new(0),
        unopened: AtomicBool::new(false),
        _lock: None,
    }
}

/// Logs of a metadata quorum are no partitions: rkafka's own, and Kafka's.
fn is_metadata_log(name: &str) -> bool {
    name.starts_with("__rkafka_metadata-") || name.starts_with("__cluster_metadata-")
}

fn newest_epoch(disk: &dyn Disk, partition_dir: &Path) -> Result<i32, LogError> {
    let text =
        read_text(disk, &partition_dir.join(LEADER_EPOCH_CHECKPOINT)).or_else(|error| match error {
            // A damaged file is opening's to deal with.
            LogError::Corrupt { .. } => Ok(None),
            other => Err(other),
        })?;
    let epochs = text.and_then(|text| LeaderEpochs::decode(text.as_bytes()).ok());
    Ok(epochs.and_then(|epochs| epochs.latest_epoch()).unwrap_or(UNDEFINED_EPOCH))
}

/// Removes a directory of files.
fn remove_tree(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(LogError::io("list", dir))?,
    };
    for entry in entries {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            remove_tree(disk, &path)?;
        } else {
            disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
    }
    disk.remove_dir(dir).map_err(LogError::io("remove", dir))
}

#[cfg(test)]
mod tests;
