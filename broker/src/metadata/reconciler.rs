//! Acts on images: opens, makes, leads, follows and deletes replicas, then lets the rest of the node see the image.
//!
//! Requests are answered from the image that was acted on, so a client that is told of a partition finds it.
//! Images that come while one is being worked on are taken together afterwards; nothing of them is lost
//! ([`ImageReceiver`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::controller::effective_broker_config;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{Changes, Image, Partition as PartitionState, ResourceKind, Topic};
use rkafka_core::reconcile::{Action, LogOnDisk, Replica, at_start, on_change};
use rkafka_log::dirs::{FoundFuture, FoundLog, LogDirs, OpenedLog, save_topic_id};
use rkafka_log::{Log, LogError, TopicPartition};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::clock::Clock;
use crate::partition::{Leadership, Partition, PartitionSettings, PartitionTable};
use crate::quorum::ImageReceiver;

/// What it works on. One task owns it; its slow parts run on blocking threads.
pub struct Reconciler {
    /// This broker.
    pub local: BrokerId,
    /// This life of it: it leads only what it was given under its own registration.
    pub incarnation: [u8; 16],
    /// Where logs are.
    pub dirs: Arc<LogDirs>,
    /// What it fills.
    pub partitions: Arc<PartitionTable>,
    /// Settings in force; replaced when a dynamic one changes.
    pub config: Arc<ArcSwap<BrokerConfig>>,
    /// Settings of the file alone, under the dynamic ones.
    pub file_config: Arc<BrokerConfig>,
    /// The clock.
    pub clock: Clock,
    /// Removals that wait for `file.delete.delay.ms`; what is left when the node stops, the next start removes.
    pub deletions: TaskTracker,
}

/// Settings of topics, computed once for all partitions of a topic.
type SettingsCache = BTreeMap<Arc<str>, Arc<PartitionSettings>>;

impl Reconciler {
    /// Brings this node to the newest image and goes on with every later one until the quorum stops. Returns, once
    /// the first image has been acted on, the images to serve from.
    ///
    /// # Errors
    /// None: a log that cannot be opened is offline and said so.
    pub async fn start(self, mut images: ImageReceiver) -> watch::Receiver<Arc<Image>> {
        let image = images.start();
        let reconciler = Arc::new(self);
        let (first, starting) = (Arc::clone(&image), Arc::clone(&reconciler));
        let left_over = blocking(move || starting.open_all(&first)).await;
        reconciler.remove_later(left_over);
        let (served, receiver) = watch::channel(image);
        tokio::spawn(async move {
            while let Some((image, changes)) = images.next().await {
                let old = Arc::clone(&served.borrow());
                let (new, working) = (Arc::clone(&image), Arc::clone(&reconciler));
                let deleted = blocking(move || working.apply(&old, &new, &changes)).await;
                served.send_replace(image);
                reconciler.remove_later(deleted);
            }
        });
        receiver
    }

    /// The first image: every log is opened, several at a time. Returns directories to be removed.
    fn open_all(&self, image: &Image) -> Vec<Deleted> {
        self.refresh_config(image);
        let found = self.dirs.find_logs();
        let on_disk: Vec<LogOnDisk> = found.iter().map(log_on_disk).collect();
        let actions = at_start(image, self.local, &on_disk);
        let by_name: BTreeMap<TopicPartition, &FoundLog> =
            found.iter().map(|log| (log.partition.clone(), log)).collect();
        let mut settings = SettingsCache::new();
        let mut opens = Vec::new();
        for action in &actions {
            if let Action::Open(replica) = action
                && let Some(log) = by_name.get(&partition_name(replica))
            {
                let settings = self.settings(&mut settings, &replica.topic, image);
                opens.push((replica, *log, settings));
            }
        }
        self.open_in_parallel(&opens);
        let some_offline = self.dirs.dirs().iter().any(|dir| !dir.health().is_online());
        for action in &actions {
            match action {
                Action::Open(_) => {}
                Action::Stray(log) => {
                    self.put_aside(&TopicPartition { topic: log.topic.to_string(), partition: log.index });
                }
                // The partition may well be on the directory that is offline: an empty log elsewhere would be served
                // in its place.
                Action::Create(replica) if some_offline => {
                    error!(partition = %replica, "not found while a log directory is offline; it is offline too");
                }
                Action::Create(replica) => {
                    self.create(replica, &self.settings(&mut settings, &replica.topic, image));
                }
                other => drop(self.act(other, image, &mut settings)),
            }
        }
        self.dirs.find_futures().into_iter().filter_map(|found| self.resume_move(found, image)).collect()
    }

    /// Goes on with a copy that an earlier run has begun, or throws it away if its partition is not here any more.
    fn resume_move(&self, found: FoundFuture, image: &Image) -> Option<Deleted> {
        let topic = image.topics().by_name(&found.partition.topic);
        let topic =
            topic.filter(|topic| found.topic_id.as_ref().is_none_or(|id| *id == topic.id.to_string()));
        let index = found.partition.partition;
        let id = topic.map(|topic| PartitionId { topic: topic.id, index });
        let state = topic.and_then(|topic| topic.partition(index));
        let is_here = state.is_some_and(|state| state.replicas.contains(&self.local));
        match id.and_then(|id| self.partitions.get(id)) {
            Some(partition) if partition.future().is_none() => {
                info!(partition = %found.partition, path = %found.path.display(), "a move goes on");
                partition.resume_move(found);
                None
            }
            // Its log may be in the directory that is offline.
            None if is_here => {
                self.dirs.leave_future(&found.path);
                None
            }
            _ => {
                let unique = Uuid::new_v4().as_u128();
                let deleted = self.dirs.delete_future(&found.partition, &found.path, unique);
                let failed = |error: &LogError| error!(%error, "a copy of a log cannot be deleted");
                Some(Deleted { path: deleted.inspect_err(failed).ok()?, delay: Duration::ZERO })
            }
        }
    }

    fn open_in_parallel(&self, opens: &[(&Replica, &FoundLog, Arc<PartitionSettings>)]) {
        let per_dir = self.config.load().get(keys::NUM_RECOVERY_THREADS_PER_DATA_DIR);
        let threads = usize::try_from(per_dir).unwrap_or(1).max(1) * self.dirs.dirs().len();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((replica, found, settings)) = opens.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.open(replica, found, settings);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(opens.len()) {
                scope.spawn(work);
            }
            work();
        });
    }

    fn open(&self, replica: &Replica, found: &FoundLog, settings: &PartitionSettings) {
        match self.dirs.open_log(found, Arc::clone(&settings.log), self.clock.wall_ms()) {
            Ok(OpenedLog { log, report }) => {
                report.notes.iter().for_each(|note| warn!(partition = %replica, "recovery: {note}"));
                if found.topic_id.is_none() {
                    let saved = save_topic_id(&**self.dirs.disk(), &log.dir(), &replica.id.topic.to_string());
                    saved.unwrap_or_else(
                        |error| error!(partition = %replica, %error, "no topic id was written"),
                    );
                }
                self.insert(replica, log, settings);
            }
            Err(error) => error!(partition = %replica, %error, "the log cannot be opened; it is offline"),
        }
    }

    fn put_aside(&self, name: &TopicPartition) {
        match self.dirs.set_stray(name, Uuid::new_v4().as_u128()) {
            Ok(Some(path)) => warn!(
                "the cluster knows no replica of {name} here; its log is kept as {} for you to look at and remove",
                path.display()
            ),
            Ok(None) => {}
            Err(error) => error!(partition = %name, %error, "a stray log cannot be put aside"),
        }
    }

    /// Carries out what differs between two images; returns directories to be removed after a while.
    fn apply(&self, old: &Image, new: &Image, changes: &Changes) -> Vec<Deleted> {
        let mut settings = SettingsCache::new();
        let broker_settings = changes.configs.iter().any(|resource| resource.kind == ResourceKind::Broker);
        if broker_settings {
            self.refresh_config(new);
        }
        let actions = on_change(old, new, changes, self.local);
        let deleted = actions.iter().flat_map(|action| self.act(action, new, &mut settings)).collect();
        if broker_settings {
            // A topic inherits what it does not set itself.
            new.topics().iter().for_each(|topic| self.configure(topic, new, &mut settings));
        }
        deleted
    }

    fn act(&self, action: &Action, image: &Image, settings: &mut SettingsCache) -> Vec<Deleted> {
        match action {
            Action::Create(replica) => {
                // What may be left of a namesake whose deletion failed must not come back as this one's records.
                self.put_aside(&partition_name(replica));
                self.create(replica, &self.settings(settings, &replica.topic, image));
            }
            Action::Lead { replica, state } => {
                let settings = self.settings(settings, &replica.topic, image);
                self.lead(replica.id, state, image, &settings);
            }
            Action::Follow { replica, state } => {
                if let Some(partition) = self.partitions.get(replica.id) {
                    partition.follow(state.leader_epoch);
                }
            }
            Action::Configure { topic } => self.configure(topic, image, settings),
            Action::Delete(replica) => return self.delete(replica),
            // Only at start.
            Action::Stray(_) | Action::Open(_) => {}
        }
        Vec::new()
    }

    fn create(&self, replica: &Replica, settings: &PartitionSettings) {
        let (name, id) = (partition_name(replica), replica.id.topic.to_string());
        match self.dirs.create_log(&name, &id, Arc::clone(&settings.log), self.clock.wall_ms()) {
            Ok(log) => self.insert(replica, log, settings),
            Err(error) => error!(partition = %replica, %error, "the log cannot be made; it is offline"),
        }
    }

    fn insert(&self, replica: &Replica, log: Log, settings: &PartitionSettings) {
        let partition = Partition::new(replica.id, Arc::clone(&replica.topic), log);
        partition.set_throttled(settings.throttled(replica.id.index));
        drop(self.partitions.insert(partition));
    }

    fn lead(&self, id: PartitionId, state: &PartitionState, image: &Image, settings: &PartitionSettings) {
        let Some(partition) = self.partitions.get(id) else { return };
        if image.brokers().get(self.local).is_none_or(|own| own.incarnation != self.incarnation) {
            // The leadership of a former life, whose disk may have been another one: registering ends it.
            return partition.follow(state.leader_epoch);
        }
        let leadership =
            Leadership { local: self.local, state, brokers: image.brokers(), settings: settings.replication };
        if let Err(error) = partition.lead(leadership, self.clock.now()) {
            error!(topic = %partition.topic(), partition = id.index, %error, "cannot lead; offline");
        }
    }

    /// New settings for the logs of a topic, and for those it leads.
    fn configure(&self, topic: &Topic, image: &Image, settings: &mut SettingsCache) {
        let settings = self.settings(settings, &topic.name, image);
        for (state, index) in topic.partitions.iter().zip(0..) {
            let id = PartitionId { topic: topic.id, index };
            let Some(partition) = self.partitions.get(id) else { continue };
            partition.set_config(Arc::clone(&settings.log));
            partition.set_throttled(settings.throttled(index));
            if state.leader == Some(self.local) {
                self.lead(id, state, image, &settings);
            }
        }
    }

    fn delete(&self, replica: &Replica) -> Vec<Deleted> {
        let (name, unique) = (partition_name(replica), Uuid::new_v4().as_u128());
        let partition = self.partitions.remove(replica.id);
        let log = partition.as_ref().and_then(|partition| partition.take_log());
        let copy = partition.map_or(Ok(None), |partition| partition.cancel_move(&self.dirs));
        let copy = copy.unwrap_or_else(|error| {
            error!(partition = %replica, %error, "the copy of the log cannot be deleted");
            None
        });
        let mut deleted: Vec<Deleted> =
            copy.into_iter().map(|path| Deleted { path, delay: Duration::ZERO }).collect();
        let delay_ms =
            log.as_ref().map_or(0, |log| u64::try_from(log.config().file_delete_delay_ms).unwrap_or(0));
        let renamed = match log {
            Some(log) => self.dirs.delete_log(&name, log, unique).map(Some),
            None => self.dirs.delete_unopened(&name, unique),
        };
        let delay = Duration::from_millis(delay_ms);
        match renamed {
            Ok(path) => deleted.extend(path.map(|path| Deleted { path, delay })),
            Err(error) => error!(partition = %replica, %error, "the log cannot be deleted"),
        }
        deleted
    }

    fn remove_later(&self, deleted: Vec<Deleted>) {
        for Deleted { path, delay } in deleted {
            let dirs = Arc::clone(&self.dirs);
            self.deletions.spawn(async move {
                tokio::time::sleep(delay).await;
                let removed: Result<(), LogError> = blocking(move || dirs.remove_deleted(&path)).await;
                removed.unwrap_or_else(|error| warn!(%error, "a deleted log is left for the next start"));
            });
        }
    }

    fn refresh_config(&self, image: &Image) {
        let (config, refused) = effective_broker_config(image, &self.file_config, self.local);
        for error in refused {
            warn!(%error, "a dynamic setting is not valid for this version and left out");
        }
        self.config.store(Arc::new(config));
        info!("settings are in force as of metadata sequence {}", image.sequence());
    }

    fn settings(&self, cache: &mut SettingsCache, topic: &Arc<str>, image: &Image) -> Arc<PartitionSettings> {
        let compute = || Arc::new(PartitionSettings::of(topic, image, &self.config.load(), self.local));
        Arc::clone(cache.entry(Arc::clone(topic)).or_insert_with(compute))
    }
}

/// A directory that is to be removed after a while: readers may still send from its files.
struct Deleted {
    path: PathBuf,
    delay: Duration,
}

fn partition_name(replica: &Replica) -> TopicPartition {
    TopicPartition { topic: replica.topic.to_string(), partition: replica.id.index }
}

fn log_on_disk(found: &FoundLog) -> LogOnDisk {
    LogOnDisk {
        topic: found.partition.topic.as_str().into(),
        index: found.partition.partition,
        topic_id: found.topic_id.as_ref().and_then(|id| id.parse().ok()),
    }
}

/// Runs file work off the async workers. A panic in it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
