//! The group coordinator's shell: one task for each partition of `__consumer_offsets` that this broker leads.
//!
//! ```text
//! mod.rs      finds (or starts) the shard of a group and puts the request into its queue
//! shard.rs    the task: requests, timers and commits in; appends and replies out
//! loader.rs   reads the partition's log into a shard, off the async workers
//! ```
//! What a group does is decided by `rkafka_core::coordinator`; everything here only carries it.

mod loader;
mod shard;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use dashmap::{DashMap, Entry};
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::coordinator::partition_for;
use rkafka_core::group::{GroupConfig, GroupError, GroupReply, GroupRequest};
use rkafka_core::ids::PartitionId;
use rkafka_core::image::{Image, Topic};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::internal_topics::CONSUMER_OFFSETS;
use crate::partition::{Partition, Role};
use shard::{Message, ShardTask};

/// Requests that may wait in front of one shard; more are told to try again.
const QUEUE_MAX: usize = 1024;
/// A log up to this size is loaded while requests wait for it; those of a larger one are told that it loads.
const QUICK_LOAD_BYTES: u64 = 4 << 20;
/// Deleted topics are looked for no more often than this.
const DELETION_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// All shards of this broker. Requests find theirs without a global lock.
#[derive(Debug)]
pub struct GroupCoordinators {
    shards: DashMap<PartitionId, Shard>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// The way to one shard.
#[derive(Debug, Clone)]
struct Shard {
    queue: mpsc::Sender<Message>,
    /// Whether the log was read; until then requests wait in the queue.
    loaded: Arc<AtomicBool>,
}

/// A reply that is on its way, or there already.
pub(crate) enum PendingReply {
    Ready(Option<GroupReply>),
    Waiting(oneshot::Receiver<GroupReply>),
}

impl Future for PendingReply {
    type Output = GroupReply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<GroupReply> {
        // A shard answers everything it was sent; if its task was lost, so are the answers.
        let lost = GroupReply::Heartbeat(Err(GroupError::UnknownServerError));
        match self.get_mut() {
            PendingReply::Ready(reply) => Poll::Ready(reply.take().unwrap_or(lost)),
            PendingReply::Waiting(receiver) => Pin::new(receiver).poll(cx).map(|reply| reply.unwrap_or(lost)),
        }
    }
}

impl GroupCoordinators {
    /// Coordinators without shards; those end when `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { shards: DashMap::new(), tasks: TaskTracker::new(), shutdown }
    }

    /// Hands a request to the shard of its group, in the order of the calls.
    pub(crate) fn submit(&self, broker: &Arc<Broker>, group: &str, request: GroupRequest) -> PendingReply {
        let image = broker.image();
        let Some(topic) = image.topics().by_name(CONSUMER_OFFSETS) else {
            return refuse(&request, GroupError::CoordinatorNotAvailable);
        };
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        self.submit_to(broker, topic, partition_for(group, partitions), request)
    }

    /// Hands a request to every shard that this broker should have by the image.
    pub(crate) fn submit_to_all(&self, broker: &Arc<Broker>, request: &GroupRequest) -> Vec<PendingReply> {
        let image = broker.image();
        let Some(topic) = image.topics().by_name(CONSUMER_OFFSETS) else { return Vec::new() };
        led_partitions(broker, topic)
            .map(|index| self.submit_to(broker, topic, index, request.clone()))
            .collect()
    }

    fn submit_to(
        &self,
        broker: &Arc<Broker>,
        topic: &Topic,
        index: i32,
        request: GroupRequest,
    ) -> PendingReply {
        let id = PartitionId { topic: topic.id, index };
        let partition = broker.partitions.get(id).filter(|partition| leads(partition));
        let Some(partition) = partition else { return refuse(&request, GroupError::NotCoordinator) };
        let shard = self.shard(broker, &partition);
        if !shard.loaded.load(Ordering::Acquire) && partition.view().size_bytes() > QUICK_LOAD_BYTES {
            return refuse(&request, GroupError::CoordinatorLoadInProgress);
        }
        let (reply, receiver) = oneshot::channel();
        match shard.queue.try_send(Message::Request { request, reply }) {
            Ok(()) => PendingReply::Waiting(receiver),
            Err(mpsc::error::TrySendError::Full(Message::Request { request, .. })) => {
                refuse(&request, GroupError::CoordinatorLoadInProgress)
            }
            Err(mpsc::error::TrySendError::Closed(Message::Request { request, .. })) => {
                refuse(&request, GroupError::NotCoordinator)
            }
            Err(_) => PendingReply::Ready(None),
        }
    }

    /// A partition's shard, which is started if there is none.
    fn shard(&self, broker: &Arc<Broker>, partition: &Arc<Partition>) -> Shard {
        if let Some(shard) = self.shards.get(&partition.id())
            && !shard.queue.is_closed()
        {
            return shard.clone();
        }
        match self.shards.entry(partition.id()) {
            Entry::Occupied(entry) if !entry.get().queue.is_closed() => entry.get().clone(),
            entry => entry.insert(self.start(broker, partition)).clone(),
        }
    }

    fn start(&self, broker: &Broker, partition: &Arc<Partition>) -> Shard {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let shard = Shard { queue, loaded: Arc::default() };
        let config = group_config(&broker.config.load());
        let (lease, loaded) = (broker.lease.clone(), shard.loaded.clone());
        let task = ShardTask::new(config, partition.clone(), broker.clock, lease, receiver, loaded);
        self.tasks.spawn(task.run(self.shutdown.clone()));
        shard
    }

    /// Starts the shards of all partitions led here that hold something: members and offsets expire by timers
    /// of their shards, whether or not anyone asks. Tells shards about deleted topics. Ends with `stop`.
    pub(crate) async fn watch(broker: Arc<Broker>, stop: CancellationToken) {
        let mut images = broker.metadata.images();
        let mut before = broker.image();
        let groups = &broker.groups;
        loop {
            let image = broker.image();
            groups.start_led(&broker, &image);
            let deleted = deleted_partitions(&before, &image);
            if !deleted.is_empty() {
                groups.partitions_deleted(&deleted).await;
            }
            before = image;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = images.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(DELETION_CHECK_INTERVAL) => {}
            }
        }
    }

    fn start_led(&self, broker: &Arc<Broker>, image: &Image) {
        let Some(topic) = image.topics().by_name(CONSUMER_OFFSETS) else { return };
        for index in led_partitions(broker, topic) {
            let partition = broker.partitions.get(PartitionId { topic: topic.id, index });
            if let Some(partition) = partition.filter(|partition| leads(partition)) {
                let view = partition.view();
                if view.log_end_offset > view.log_start_offset {
                    self.shard(broker, &partition);
                }
            }
        }
    }

    async fn partitions_deleted(&self, deleted: &Arc<[(String, i32)]>) {
        let queues: Vec<_> = self.shards.iter().map(|entry| entry.value().queue.clone()).collect();
        for queue in queues {
            // A closed shard has nothing to forget.
            let _ = queue.send(Message::PartitionsDeleted(deleted.clone())).await;
        }
    }

    /// Ends all shards; every request they hold is answered.
    pub async fn shutdown(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn refuse(request: &GroupRequest, error: GroupError) -> PendingReply {
    PendingReply::Ready(Some(request.refused(error)))
}

fn leads(partition: &Partition) -> bool {
    matches!(partition.role(), Role::Leader { .. })
}

fn led_partitions(broker: &Broker, topic: &Topic) -> impl Iterator<Item = i32> {
    let local = broker.id;
    let led = topic.partitions.iter().zip(0..).filter(move |(partition, _)| partition.leader == Some(local));
    led.map(|(_, index)| index)
}

fn deleted_partitions(before: &Image, now: &Image) -> Arc<[(String, i32)]> {
    let kept: BTreeSet<_> = now.topics().iter().map(|topic| topic.id).collect();
    let deleted = before.topics().iter().filter(|topic| !kept.contains(&topic.id));
    let partitions = deleted.flat_map(|topic| {
        let indexes = 0..i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        indexes.map(|index| (topic.name.to_string(), index))
    });
    partitions.collect()
}

/// The settings that groups work with.
fn group_config(config: &BrokerConfig) -> GroupConfig {
    let minutes = i64::from(config.get(keys::OFFSETS_RETENTION_MINUTES));
    GroupConfig {
        min_session_timeout_ms: config.get(keys::GROUP_MIN_SESSION_TIMEOUT_MS),
        max_session_timeout_ms: config.get(keys::GROUP_MAX_SESSION_TIMEOUT_MS),
        initial_rebalance_delay_ms: config.get(keys::GROUP_INITIAL_REBALANCE_DELAY_MS),
        max_size: usize::try_from(config.get(keys::GROUP_MAX_SIZE)).unwrap_or(usize::MAX),
        offset_metadata_max_bytes: usize::try_from(config.get(keys::OFFSET_METADATA_MAX_BYTES))
            .unwrap_or(usize::MAX),
        offsets_retention_ms: minutes.saturating_mul(60_000),
        offsets_retention_check_interval_ms: u64::try_from(
            config.get(keys::OFFSETS_RETENTION_CHECK_INTERVAL_MS),
        )
        .unwrap_or(u64::MAX),
        commit_timeout_ms: u64::try_from(config.get(keys::OFFSETS_COMMIT_TIMEOUT_MS)).unwrap_or(u64::MAX),
        ..GroupConfig::default()
    }
}
