//! The task of one shard.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rkafka_core::coordinator::{AppendBatch, CoordinatorShard, Effects, ShardState};
use rkafka_core::group::{GroupConfig, GroupError, GroupReply, GroupRequest, ReplyToken};
use rkafka_core::replica::lease::Lease;
use rkafka_core::time::Now;
use rkafka_log::AppendOrigin;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::loader;
use crate::clock::Clock;
use crate::errors::coordinator_append_failure;
use crate::partition::{
    AppendRequest, FetchPlace, FetchWait, Isolation, Partition, PartitionError, Role, WaitingFetch,
};

/// How long a shard that failed waits before it loads again.
const RELOAD_AFTER: Duration = Duration::from_secs(1);

/// What a shard is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A request, and where its reply goes.
    Request { request: GroupRequest, reply: oneshot::Sender<GroupReply> },
    /// Partitions were deleted with their topics.
    PartitionsDeleted(Arc<[(String, i32)]>),
}

/// One shard, its partition and its queue. Everything happens in one task, one input after the other.
pub(super) struct ShardTask {
    shard: Box<CoordinatorShard>,
    partition: Arc<Partition>,
    clock: Clock,
    /// Without it nothing is promised to anyone: another broker may coordinate these groups by now.
    lease: Arc<Lease>,
    queue: mpsc::Receiver<Message>,
    replies: HashMap<ReplyToken, oneshot::Sender<GroupReply>>,
    next_token: u64,
    /// Set once the log was read.
    loaded: Arc<AtomicBool>,
}

/// What made the task go on.
enum Input {
    Message(Box<Message>),
    Timer,
    /// The high watermark moved, or leadership changed.
    Partition,
    End,
}

impl ShardTask {
    pub(super) fn new(
        config: GroupConfig,
        partition: Arc<Partition>,
        clock: Clock,
        lease: Arc<Lease>,
        queue: mpsc::Receiver<Message>,
        loaded: Arc<AtomicBool>,
    ) -> Self {
        let shard = Box::new(CoordinatorShard::new(config));
        Self { shard, partition, clock, lease, queue, replies: HashMap::new(), next_token: 0, loaded }
    }

    /// Loads and serves until leadership is lost or the broker stops; then answers whoever still waits.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let index = self.partition.id().index;
        while let Role::Leader { leader_epoch } = self.partition.role() {
            if !self.load().await {
                return;
            }
            if self.shard.state() == ShardState::Active {
                self.serve(leader_epoch, &shutdown).await;
            }
            if shutdown.is_cancelled() || self.partition.role() != (Role::Leader { leader_epoch }) {
                break;
            }
            warn!(partition = index, "the group coordinator's shard failed and is loaded again");
            tokio::time::sleep(RELOAD_AFTER).await;
        }
        let effects = self.shard.resign();
        self.send_replies(effects.replies);
        self.queue.close();
        while let Some(message) = self.queue.recv().await {
            if let Message::Request { request, reply } = message {
                let _ = reply.send(request.refused(GroupError::NotCoordinator));
            }
        }
        info!(partition = index, "groups of this partition are no longer coordinated here");
    }

    /// Loads the shard on the blocking pool. False if the runtime is being torn down.
    async fn load(&mut self) -> bool {
        let effects = self.shard.start_loading();
        self.send_replies(effects.replies);
        let placeholder = Box::new(CoordinatorShard::new(GroupConfig::default()));
        let mut shard = std::mem::replace(&mut self.shard, placeholder);
        let partition = self.partition.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let result = loader::load(&mut shard, &partition);
            (shard, result)
        });
        let Ok((shard, result)) = loading.await else { return false };
        self.shard = shard;
        match result {
            Ok(()) => {
                let high_watermark = self.partition.view().high_watermark;
                let effects = self.shard.finish_loading(self.clock.now(), high_watermark);
                self.carry_out(effects);
                self.loaded.store(true, Ordering::Release);
            }
            Err(error) => {
                let partition = self.partition.id().index;
                error!(partition, %error, "groups and offsets cannot be loaded");
            }
        }
        true
    }

    async fn serve(&mut self, leader_epoch: i32, shutdown: &CancellationToken) {
        while self.shard.state() == ShardState::Active {
            let input = self.next_input(leader_epoch, shutdown).await;
            let now = self.clock.now();
            let effects = match input {
                Input::Message(message) => self.take(*message, now),
                Input::Timer => self.shard.on_timer(now),
                Input::Partition
                    if self.partition.role() == (Role::Leader { leader_epoch })
                        && self.lease.holds(now.mono_ms) =>
                {
                    self.shard.on_high_watermark(now, self.partition.view().high_watermark)
                }
                Input::Partition | Input::End => return,
            };
            self.carry_out(effects);
        }
    }

    fn take(&mut self, message: Message, now: Now) -> Effects {
        match message {
            Message::Request { request, reply } => {
                let token = ReplyToken(self.next_token);
                self.next_token += 1;
                self.replies.insert(token, reply);
                self.shard.handle(now, token, &request)
            }
            Message::PartitionsDeleted(partitions) => self.shard.on_partitions_deleted(now, &partitions),
        }
    }

    /// Waits for a request, the next deadline, or the partition.
    async fn next_input(&mut self, leader_epoch: i32, shutdown: &CancellationToken) -> Input {
        let deadline = self.shard.next_deadline();
        let role = Role::Leader { leader_epoch };
        let view = self.partition.view();
        // While records are uncommitted every step of the high watermark counts; otherwise only a change of
        // role.
        let bytes_missing = if view.high_watermark < view.log_end_offset { 1 } else { u64::MAX };
        let wait = FetchWait::new();
        let fetch =
            WaitingFetch { wait: &wait, isolation: Isolation::HighWatermark, bytes_missing, partitions: 1 };
        let Some(place) = self.partition.wait_for_bytes(&fetch, view.high_watermark, role) else {
            return Input::Partition;
        };
        let _registered = Registered { partition: &self.partition, place };
        let timer = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(self.clock.instant(deadline)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Input::End,
            () = wait.woken() => Input::Partition,
            () = timer => Input::Timer,
            message = self.queue.recv() => {
                message.map_or(Input::End, |message| Input::Message(Box::new(message)))
            }
        }
    }

    /// Sends replies and appends, until nothing is left to do.
    fn carry_out(&mut self, mut effects: Effects) {
        loop {
            self.send_replies(std::mem::take(&mut effects.replies));
            let Some(batch) = effects.append.take() else { return };
            effects = self.append(&batch);
        }
    }

    fn append(&mut self, batch: &AppendBatch) -> Effects {
        let now = self.clock.now();
        let request = AppendRequest {
            batch: &batch.bytes,
            // Replies wait for the high watermark by themselves; this only asks for enough replicas.
            acks: -1,
            origin: AppendOrigin::Coordinator,
            now,
        };
        let appended = match self.lease.holds(now.mono_ms) {
            true => self.partition.append(request),
            false => Err(PartitionError::NotLeader),
        };
        let outcome = match appended {
            Ok(appended) => Ok(appended.outcome.base_offset),
            Err(error) => {
                warn!(partition = self.partition.id().index, %error, "the group coordinator cannot write");
                Err(coordinator_append_failure(&error))
            }
        };
        let mut effects = self.shard.on_append(now, outcome);
        if effects.append.is_none() {
            let high_watermark = self.partition.view().high_watermark;
            let committed = self.shard.on_high_watermark(now, high_watermark);
            effects.replies.extend(committed.replies);
            effects.append = committed.append;
        }
        effects
    }

    fn send_replies(&mut self, replies: Vec<(ReplyToken, GroupReply)>) {
        for (token, reply) in replies {
            if let Some(waiting) = self.replies.remove(&token) {
                // The client may be gone; the group knows by its session.
                let _ = waiting.send(reply);
            }
        }
    }
}

/// A place among the partition's waits, left when dropped.
struct Registered<'a> {
    partition: &'a Partition,
    place: FetchPlace,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.partition.leave(self.place);
    }
}
