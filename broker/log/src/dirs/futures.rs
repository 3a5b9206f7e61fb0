//! Copies of logs that move to another log directory (KIP-113): their directories, and how one takes its log's place.
//!
//! ```text
//! /a/topic-0                      /b/topic-0.<unique>-future     copying
//! /a/topic-0.<unique>-delete      /b/topic-0.<unique>-future     the log is put aside: the move is decided
//! /a/topic-0.<unique>-delete      /b/topic-0                     done
//! ```
//! Apache Kafka gives the copy its name first: a crash leaves two logs of one name, and its next start refuses both.
//! Here the log goes first, under the copy's own unique number. A copy whose log was put aside under that number
//! is whole and durable; the next start gives it the name. Before that point the copy is only a copy. As every name is
//! durable before the next one changes, it does not matter that the directories may be on two disks.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::checkpoints::Checkpoint;
use super::{LogDir, LogDirs, LogPosition, load_topic_id, save_topic_id};
use crate::config::LogConfig;
use crate::error::LogError;
use crate::future::FutureLog;
use crate::log::Log;
use crate::partition_name::{DirectoryKind, TopicPartition};
use crate::recovery::OpenOptions;

/// Most partitions whose directories are remembered before they exist.
const PREFERRED_MAX: usize = 100_000;

/// A copy that an earlier run of the broker left unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFuture {
    /// Its partition, by the directory's name.
    pub partition: TopicPartition,
    /// Index of the log directory.
    pub dir: usize,
    /// The topic's id as `partition.metadata` has it.
    pub topic_id: Option<String>,
    /// Its own directory.
    pub path: PathBuf,
    unique: String,
}

/// The directories of a log and its copy, before and after the copy takes the log's place.
pub(crate) struct Swap {
    /// The log.
    pub(crate) current: PathBuf,
    /// What it is put aside as.
    pub(crate) deleted: PathBuf,
    /// The copy.
    pub(crate) future: PathBuf,
    /// What it is then.
    pub(crate) live: PathBuf,
}

impl LogDirs {
    /// Index of the directory at `path`.
    #[must_use]
    pub fn index_of(&self, path: &Path) -> Option<usize> {
        self.dirs.iter().position(|dir| dir.path == path)
    }

    /// Remembers that a partition that does not exist yet is to be made in directory `dir`. Whether there was room to
    /// remember it.
    pub fn prefer(&self, partition: &TopicPartition, dir: usize) -> bool {
        let mut preferred = self.preferred.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = preferred.len() < PREFERRED_MAX || preferred.contains_key(partition);
        if fits {
            preferred.insert(partition.clone(), dir);
        }
        fits
    }

    pub(super) fn take_preferred(&self, partition: &TopicPartition) -> Option<&LogDir> {
        let dir = self.preferred.lock().unwrap_or_else(PoisonError::into_inner).remove(partition)?;
        self.dirs.get(dir).filter(|dir| dir.health.is_online())
    }

    /// A copy at `path` is left alone as it is: no stop of its directory is clean, for the next start must look at it.
    pub fn leave_future(&self, path: &Path) {
        if let Ok(dir) = self.dir_above(path) {
            dir.unopened.store(true, Ordering::Relaxed);
        }
    }

    /// Copies that lie in the directories, in the order of `log.dirs`.
    ///
    /// # Errors
    /// None: a directory that cannot be read is taken offline, a copy that cannot be told is left alone.
    pub fn find_futures(&self) -> Vec<FoundFuture> {
        let mut found = Vec::new();
        for (index, dir) in self.dirs.iter().enumerate() {
            for (partition, unique, path) in self.marked(dir, DirectoryKind::Future) {
                match load_topic_id(&*self.disk, &path) {
                    Ok(topic_id) => found.push(FoundFuture { partition, dir: index, topic_id, path, unique }),
                    Err(error) => tracing::error!(%error, "a copy of a log is left alone"),
                }
            }
        }
        found
    }

    /// Directories of one kind, with their unique parts.
    fn marked(&self, dir: &LogDir, wanted: DirectoryKind) -> Vec<(TopicPartition, String, PathBuf)> {
        if !dir.health.is_online() {
            return Vec::new();
        }
        let entries = self.disk.list(&dir.path).map_err(LogError::io("list", &dir.path));
        let entries = dir.health.watch(entries).unwrap_or_default();
        let matching = entries.into_iter().filter_map(|entry| {
            let (partition, kind, unique) = TopicPartition::parse_marked(&entry.name)?;
            let is_it = kind == wanted && entry.is_dir;
            is_it.then(|| (partition, unique.unwrap_or_default().to_owned(), dir.path.join(&entry.name)))
        });
        matching.collect()
    }

    /// Gives their names to copies whose logs were put aside for them.
    pub(super) fn complete_swaps(&self) {
        let aside = |dir| self.marked(dir, DirectoryKind::Deleted).into_iter();
        let aside: Vec<_> = self.dirs.iter().flat_map(aside).collect();
        for dir in &self.dirs {
            for (partition, unique, path) in self.marked(dir, DirectoryKind::Future) {
                let is_its = |(of, number, _): &(TopicPartition, String, PathBuf)| {
                    *number == unique && *of == partition
                };
                if !aside.iter().any(is_its) || self.find_named(&partition).is_some() {
                    continue;
                }
                let named = self.rename_in(dir, &path, &dir.path.join(partition.dir_name()));
                match named.and_then(|()| self.sync_names(dir)) {
                    Ok(()) => tracing::info!(%partition, dir = %dir.path.display(), "a move is completed"),
                    Err(error) => tracing::error!(%error, "a move cannot be completed"),
                }
            }
        }
    }

    /// Makes an empty copy in directory `dir`. `unique` tells it apart from others.
    ///
    /// # Errors
    /// [`LogError::Identity`] if the name would be too long; [`LogError::NoDirectory`]; the disk's.
    pub fn begin_future(
        &self,
        partition: &TopicPartition,
        topic_id: &str,
        dir: usize,
        unique: u128,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<FutureLog, LogError> {
        let target = self.dirs.get(dir).ok_or(LogError::NoDirectory)?;
        let Some(name) = partition.future_dir_name(unique) else {
            let problem =
                "its name is too long for that of a copy; such a partition cannot be moved".to_owned();
            return Err(LogError::Identity { path: target.path.join(partition.dir_name()), problem });
        };
        let path = target.path.join(&name);
        let found = FoundFuture {
            partition: partition.clone(),
            dir,
            topic_id: Some(topic_id.to_owned()),
            path,
            unique: crate::partition_name::unique_text(unique),
        };
        // Whatever they may still say of an earlier copy.
        target.health.watch(self.forget(target, partition))?;
        let future = self.open_future(&found, config, now_ms)?;
        target.health.watch(save_topic_id(&*self.disk, &found.path, topic_id))?;
        Ok(future)
    }

    /// Opens a copy that [`find_futures`](Self::find_futures) found; after a crash all of it is read.
    ///
    /// # Errors
    /// The disk's; [`LogError::Offline`].
    pub fn open_future(
        &self,
        found: &FoundFuture,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<FutureLog, LogError> {
        let dir = self.dirs.get(found.dir).ok_or(LogError::NoDirectory)?;
        dir.health.check()?;
        dir.health.watch(dir.marker.remove(&*self.disk))?;
        let options = OpenOptions {
            // Known, though it is 0: whatever is missing between segments is lost.
            recovery_point: dir.checkpointed(Checkpoint::RecoveryPoint, &found.partition).unwrap_or(0),
            cleaned_to: dir.checkpointed(Checkpoint::Cleaner, &found.partition).unwrap_or(0),
            log_start_offset: dir.checkpointed(Checkpoint::LogStart, &found.partition).unwrap_or(0),
            clean_shutdown: dir.marker.was_there(),
            now_ms,
        };
        let (disk, name) = (Arc::clone(&self.disk), found.partition.to_string());
        let (log, _) = Log::open_in(disk, &found.path, &name, config, options, dir.health.clone())?;
        // Written again just before the copy takes its place; until then it may be cut.
        dir.health.watch(self.forget(dir, &found.partition))?;
        Ok(FutureLog::new(log, found.partition.clone(), found.unique.clone()))
    }

    /// Renames the directory of a copy that is not wanted any more, to be removed by
    /// [`remove_deleted`](Self::remove_deleted). `unique` must not be the copy's own.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete_future(
        &self,
        partition: &TopicPartition,
        path: &Path,
        unique: u128,
    ) -> Result<PathBuf, LogError> {
        let dir = self.dir_above(path)?;
        let to = dir.path.join(partition.deleted_dir_name(unique));
        self.rename_in(dir, path, &to)?;
        self.sync_names(dir)?;
        // Nor do its offsets mean anything; the log itself is in another directory.
        dir.health.watch(self.forget(dir, partition))?;
        Ok(to)
    }

    /// Where a copy that is about to take its log's place stands, durably.
    pub(crate) fn announce_future(
        &self,
        position: LogPosition,
        cleaned_to: Option<i64>,
    ) -> Result<(), LogError> {
        if let Some(cleaned_to) = cleaned_to {
            self.write_cleaner_checkpoint(&position.dir, &position.partition, cleaned_to)?;
        }
        self.write_checkpoints(|| vec![position])
    }

    /// Takes back what [`announce_future`](Self::announce_future) wrote: to be done before the copy is cut.
    pub(crate) fn withdraw_future(&self, path: &Path, partition: &TopicPartition) -> Result<(), LogError> {
        let dir = self.dir_above(path)?;
        dir.health.watch(self.forget(dir, partition))
    }

    /// What a copy and its log will be called.
    pub(crate) fn plan_swap(
        &self,
        partition: &TopicPartition,
        current: &Path,
        future: &Path,
        unique: &str,
    ) -> Result<Swap, LogError> {
        let (source, target) = (self.dir_above(current)?, self.dir_above(future)?);
        let number = u128::from_str_radix(unique, 16).map_err(|_| LogError::Identity {
            path: future.to_path_buf(),
            problem: "its name has no number; remove it, and have the partition moved again".to_owned(),
        })?;
        Ok(Swap {
            current: current.to_path_buf(),
            deleted: source.path.join(partition.deleted_dir_name(number)),
            future: future.to_path_buf(),
            live: target.path.join(partition.dir_name()),
        })
    }

    /// Puts the log aside and gives its name to the copy, both durably. The copy must be durable and announced.
    /// Within is whether the copy's new name is durable; if not, its directory is offline.
    ///
    /// # Errors
    /// The disk's. Then the log has its name, or its directory is offline.
    pub(crate) fn swap(&self, swap: &Swap) -> Result<Result<(), LogError>, LogError> {
        let (source, target) = (self.dir_above(&swap.current)?, self.dir_above(&swap.future)?);
        self.rename_in(source, &swap.current, &swap.deleted)?;
        // From here on the copy is the log.
        self.sync_names(source)?;
        if let Err(error) = self.rename_in(target, &swap.future, &swap.live) {
            let back = self.rename_in(source, &swap.deleted, &swap.current);
            let back = back.and_then(|()| self.sync_names(source));
            // Nothing may be written to what the next start takes for deleted.
            back.inspect_err(|error| source.health.take_offline(&error.to_string()))?;
            return Err(error);
        }
        let durable = self.sync_names(target);
        let fewer = |logs: usize| Some(logs.saturating_sub(1));
        let _ = source.logs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        target.logs.fetch_add(1, Ordering::Relaxed);
        Ok(durable)
    }

    /// What the checkpoints of the directory above `deleted` say of a log that was moved away from there is of no
    /// use any more. Not while the log's lock is held: whoever writes checkpoints looks at logs.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget_moved(&self, partition: &TopicPartition, deleted: &Path) -> Result<(), LogError> {
        let dir = self.dir_above(deleted)?;
        dir.health.watch(self.forget(dir, partition))
    }

    /// Up to where the cleaner has been in the log at `path`.
    pub(crate) fn cleaned_to(&self, partition: &TopicPartition, path: &Path) -> Option<i64> {
        self.dir_above(path).ok()?.checkpointed(Checkpoint::Cleaner, partition)
    }

    fn dir_above(&self, path: &Path) -> Result<&LogDir, LogError> {
        let dir = self.dirs.iter().find(|dir| path.parent() == Some(&*dir.path));
        dir.ok_or(LogError::NoDirectory)
    }

    fn rename_in(&self, dir: &LogDir, from: &Path, to: &Path) -> Result<(), LogError> {
        dir.health.watch(self.disk.rename(from, to).map_err(LogError::io("rename", from)))
    }

    fn sync_names(&self, dir: &LogDir) -> Result<(), LogError> {
        dir.health.watch_sync(self.disk.sync_dir(&dir.path).map_err(LogError::io("sync", &dir.path)))
    }
}
