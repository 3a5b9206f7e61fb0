//! One partition of this broker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{self, Brokers};
use rkafka_core::replica::leader::{LeaderEffects, LeaderState, LogBounds, ReplicationSettings};
use rkafka_core::replica::purgatory::{Bound, FetchWaits, Token};
use rkafka_core::time::Now;
use rkafka_log::{
    AppendContext, AppendError, AppendOrigin, AppendOutcome, Log, LogConfig, LogError, LogReader, ReadError,
    ReadSlice, ReadView, ValidBatch,
};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::moving::Moving;
use super::waiters::{Committed, FetchPlace, FetchWait, Waiters, Woken};

/// What this broker is for a partition, as anyone may read it without the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Clients write and read here.
    Leader {
        /// The epoch of this leadership.
        leader_epoch: i32,
    },
    /// Another broker leads, or none does.
    Follower {
        /// The newest epoch heard of.
        leader_epoch: i32,
    },
    /// The log directory failed.
    Offline,
}

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Everything written: replicas.
    LogEnd,
    /// Everything committed: `read_uncommitted` consumers.
    HighWatermark,
    /// Everything committed and decided: `read_committed` consumers.
    LastStable,
}

impl Isolation {
    /// The bound in a view.
    pub fn upper_offset(self, view: &ReadView) -> i64 {
        match self {
            Isolation::LogEnd => view.log_end_offset,
            Isolation::HighWatermark => view.high_watermark,
            Isolation::LastStable => view.last_stable_offset,
        }
    }

    fn bound(self) -> Bound {
        match self {
            Isolation::LogEnd => Bound::LogEnd,
            Isolation::HighWatermark => Bound::HighWatermark,
            Isolation::LastStable => Bound::LastStableOffset,
        }
    }
}

/// An append as the caller wants it.
#[derive(Debug, Clone, Copy)]
pub struct AppendRequest<'a> {
    /// One whole record batch.
    pub batch: &'a [u8],
    /// 0, 1, or -1 for all in-sync replicas, of which there must be enough.
    pub acks: i16,
    /// Who writes.
    pub origin: AppendOrigin,
    /// The instant.
    pub now: Now,
}

/// An append that went well.
#[derive(Debug)]
pub struct Appended {
    /// What the log did.
    pub outcome: AppendOutcome,
    /// With acks=-1: what to wait for before it is acknowledged; nothing if it is committed already.
    pub commit: Option<CommitWait>,
}

/// A batch that is appended and not committed yet.
#[derive(Debug)]
pub struct CommitWait {
    partition: Arc<Partition>,
    required_offset: i64,
    token: Token,
    committed: oneshot::Receiver<Committed>,
}

impl CommitWait {
    /// Ends when the high watermark has passed the batch, or this broker no longer leads.
    ///
    /// # Errors
    /// The batch is on fewer replicas than `min.insync.replicas` asks for, or its fate is another leader's.
    pub async fn committed(mut self) -> Result<(), PartitionError> {
        (&mut self.committed).await.unwrap_or(Err(PartitionError::NotLeader))
    }
}

impl Drop for CommitWait {
    fn drop(&mut self) {
        self.partition.writer.lock().waiters.give_up_commit(self.required_offset, self.token);
    }
}

/// Why a partition does not do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// Another broker leads.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// The caller knows an older leader epoch than this broker (KIP-320).
    #[error("the leader epoch of the request is older than the partition's")]
    FencedLeaderEpoch,
    /// The caller knows a newer leader epoch than this broker (KIP-320).
    #[error("the leader epoch of the request is newer than the partition's")]
    UnknownLeaderEpoch,
    /// acks=-1, and fewer replicas are in sync than `min.insync.replicas`; nothing was appended.
    #[error("fewer replicas are in sync than min.insync.replicas")]
    NotEnoughReplicas,
    /// acks=-1, and replicas left the ISR after the append: the batch is there, on too few of them.
    #[error("the batch is on fewer replicas than min.insync.replicas")]
    NotEnoughReplicasAfterAppend,
    /// The log directory failed.
    #[error("the partition's log directory is offline")]
    Offline,
    /// The log refuses the batch.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log cannot be read there.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log's own trouble.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a leadership needs to know besides the partition's state.
#[derive(Debug, Clone, Copy)]
pub struct Leadership<'a> {
    /// This broker.
    pub local: BrokerId,
    /// The partition as the image has it.
    pub state: &'a image::Partition,
    /// All brokers of that image.
    pub brokers: &'a Brokers,
    /// Settings that decide about commits.
    pub settings: ReplicationSettings,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once the partition was closed or deleted.
    pub(super) log: Option<Log>,
    /// While this broker leads.
    pub(super) leader: Option<LeaderState>,
    /// There is no other replica: what is appended is committed.
    sole_replica: bool,
    waiters: Waiters,
}

/// A replica on this broker: its log behind one short lock, readers beside it.
///
/// Shared by connections, coordinators and background work. Appends and role changes take the lock; reads
/// load the role and the log's view and take none.
#[derive(Debug)]
pub struct Partition {
    id: PartitionId,
    topic: Arc<str>,
    /// Replaced under the lock only.
    pub(super) dir: ArcSwap<PathBuf>,
    reader: LogReader,
    /// Replaced under the lock only.
    role: ArcSwap<Role>,
    /// A segment was begun and the one before is not flushed yet.
    rolled: AtomicBool,
    throttled: AtomicThrottled,
    pub(super) moving: Moving,
    pub(super) writer: Mutex<Writer>,
}

impl Partition {
    /// A replica whose role is still to be told ([`Partition::lead`], [`Partition::follow`]).
    pub fn new(id: PartitionId, topic: Arc<str>, log: Log) -> Arc<Self> {
        let (dir, reader) = (ArcSwap::new(log.dir()), log.reader());
        let role = ArcSwap::from_pointee(Role::Follower { leader_epoch: -1 });
        let waiters = Waiters::default();
        let writer = Mutex::new(Writer { log: Some(log), leader: None, sole_replica: false, waiters });
        let (rolled, throttled) = (AtomicBool::new(false), AtomicThrottled::default());
        let moving = Moving::default();
        Arc::new(Self { id, topic, dir, reader, role, rolled, throttled, moving, writer })
    }

    /// Topic id and partition number.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition's directory.
    pub fn dir(&self) -> Arc<PathBuf> {
        self.dir.load_full()
    }

    /// What readers see now.
    pub fn view(&self) -> Arc<ReadView> {
        self.reader.view()
    }

    /// Reads of the log that ask neither for role nor epoch.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// What this broker is for the partition now.
    pub fn role(&self) -> Role {
        **self.role.load()
    }

    /// The leader epoch, if this broker leads and the caller's epoch (-1 for none) is the same.
    ///
    /// # Errors
    /// This broker does not lead, or not in that epoch.
    pub fn leader_epoch(&self, current_leader_epoch: i32) -> Result<i32, PartitionError> {
        match self.role() {
            Role::Leader { leader_epoch } => {
                check_epoch(current_leader_epoch, leader_epoch)?;
                Ok(leader_epoch)
            }
            Role::Follower { leader_epoch } => {
                check_epoch(current_leader_epoch, leader_epoch)?;
                Err(PartitionError::NotLeader)
            }
            Role::Offline => Err(PartitionError::Offline),
        }
    }

    /// What this broker serves a reader with that epoch (-1 for none) as: the leader, or, if the reader takes that, a
    /// follower (KIP-392).
    ///
    /// # Errors
    /// As [`leader_epoch`](Self::leader_epoch).
    pub fn serving_role(
        &self,
        current_leader_epoch: i32,
        reads_followers: bool,
    ) -> Result<Role, PartitionError> {
        let role = self.role();
        match role {
            Role::Follower { leader_epoch } if reads_followers && leader_epoch >= 0 => {
                check_epoch(current_leader_epoch, leader_epoch).map(|()| role)
            }
            _ => self.leader_epoch(current_leader_epoch).map(|_| role),
        }
    }

    /// Whether a throttle slows this replica down.
    pub fn throttled(&self) -> Throttled {
        Throttled {
            as_leader: self.throttled.as_leader.load(Ordering::Relaxed),
            as_follower: self.throttled.as_follower.load(Ordering::Relaxed),
        }
    }

    /// Replaces what [`throttled`](Self::throttled) says.
    pub fn set_throttled(&self, throttled: Throttled) {
        self.throttled.as_leader.store(throttled.as_leader, Ordering::Relaxed);
        self.throttled.as_follower.store(throttled.as_follower, Ordering::Relaxed);
    }

    /// Whether the high watermark may still be from before this leader's time (KIP-207).
    pub fn is_high_watermark_lagging(&self) -> bool {
        self.writer.lock().leader.as_ref().is_some_and(LeaderState::is_high_watermark_lagging)
    }

    /// Leads from now on, or goes on leading with a new state. A new epoch is noted in the log first.
    ///
    /// # Errors
    /// The disk's; the partition is offline then.
    pub fn lead(&self, leadership: Leadership<'_>, now: Now) -> Result<(), PartitionError> {
        let mut woken = Woken::default();
        let mut writer = self.writer.lock();
        let result = writer.lead(&leadership, now, &mut woken);
        let epoch = leadership.state.leader_epoch;
        let role = match &result {
            Ok(()) => Role::Leader { leader_epoch: epoch },
            Err(_) => Role::Offline,
        };
        self.change_role(&mut writer, role, &mut woken);
        drop(writer);
        woken.wake();
        result
    }

    /// Follows another leader of that epoch, or waits for one.
    pub fn follow(&self, leader_epoch: i32) {
        self.stop_leading(Role::Follower { leader_epoch });
    }

    /// The log directory failed: nothing is read or written any more.
    pub fn set_offline(&self) {
        self.stop_leading(Role::Offline);
    }

    fn stop_leading(&self, role: Role) {
        let mut woken = Woken::default();
        let mut writer = self.writer.lock();
        writer.leader = None;
        self.change_role(&mut writer, role, &mut woken);
        drop(writer);
        woken.wake();
    }

    /// All that wait look again, unless nothing changed for them.
    fn change_role(&self, writer: &mut Writer, role: Role, woken: &mut Woken) {
        if *self.role.swap(Arc::new(role)) != role {
            writer.waiters.release_all(woken);
        }
    }

    /// Appends one batch as leader and wakes the requests that can go on now.
    ///
    /// # Errors
    /// [`PartitionError`]; nothing was appended then.
    pub fn append(self: &Arc<Self>, request: AppendRequest<'_>) -> Result<Appended, PartitionError> {
        let config = self.reader.config();
        let valid = ValidBatch::check(request.batch, &config, request.origin, request.now.wall_ms)?;
        if config.flush_messages == i64::MAX {
            return self.append_valid(&request, &valid);
        }
        // The append may have to wait for the disk.
        blocking(|| self.append_valid(&request, &valid))
    }

    fn append_valid(
        self: &Arc<Self>,
        request: &AppendRequest<'_>,
        valid: &ValidBatch<'_>,
    ) -> Result<Appended, PartitionError> {
        let mut woken = Woken::default();
        let mut writer = self.writer.lock();
        if writer.leader.is_none() {
            drop(writer);
            return Err(self.leader_epoch(-1).err().unwrap_or(PartitionError::NotLeader));
        }
        let outcome = writer.append(request, valid, &mut woken)?;
        let required_offset = outcome.last_offset + 1;
        let commit = if request.acks == -1 && self.reader.view().high_watermark < required_offset {
            let (token, committed) = writer.waiters.wait_for_commit(required_offset);
            Some(CommitWait { partition: self.clone(), required_offset, token, committed })
        } else {
            None
        };
        drop(writer);
        woken.wake();
        if outcome.rolled {
            self.rolled.store(true, Ordering::Relaxed);
        }
        Ok(Appended { outcome, commit })
    }

    /// Whether a segment was begun since the last call: the ones before are to be flushed.
    pub fn take_rolled(&self) -> bool {
        self.rolled.load(Ordering::Relaxed) && self.rolled.swap(false, Ordering::Relaxed)
    }

    /// Whole batches from `offset` on that the reader may see.
    ///
    /// # Errors
    /// The offset is outside the log, or the disk fails.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: u64,
        at_least_one_batch: bool,
        isolation: Isolation,
    ) -> Result<ReadSlice, PartitionError> {
        let bound = |view: &ReadView| isolation.upper_offset(view);
        Ok(self.reader.read_below(offset, max_bytes, at_least_one_batch, bound)?)
    }

    /// Registers a fetch that saw the log up to `seen` (the bound of its isolation, as it was read) while this broker
    /// was `role`, unless there is more by now. It is woken by its share of `bytes` over `partitions`.
    pub fn wait_for_bytes(&self, fetch: &WaitingFetch<'_>, seen: i64, role: Role) -> Option<FetchPlace> {
        let mut writer = self.writer.lock();
        let unchanged = self.role() == role && fetch.isolation.upper_offset(&self.reader.view()) == seen;
        let share = FetchWaits::share(fetch.bytes_missing, fetch.partitions);
        unchanged.then(|| writer.waiters.wait_for_bytes(fetch.wait, fetch.isolation.bound(), share))
    }

    /// The fetch does not wait any more.
    pub fn leave(&self, place: FetchPlace) {
        self.writer.lock().waiters.leave(place);
    }

    /// Runs `work` on the log under the lock; afterwards requests that can go on are woken.
    ///
    /// # Errors
    /// Those of `work`; [`PartitionError::NotLeader`] if the log was closed.
    pub fn with_log<R, E>(&self, work: impl FnOnce(&mut Log) -> Result<R, E>) -> Result<R, PartitionError>
    where
        PartitionError: From<E>,
    {
        let mut woken = Woken::default();
        let mut writer = self.writer.lock();
        let result = work(writer.log.as_mut().ok_or(PartitionError::NotLeader)?);
        let view = self.reader.view();
        if let Some(leader) = &mut writer.leader {
            leader.on_log_start_advanced(view.log_start_offset);
        }
        writer.settle(&view, &mut woken);
        drop(writer);
        woken.wake();
        Ok(result?)
    }

    /// How many requests wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.writer.lock().waiters.len()
    }

    /// Replaces the topic's settings.
    pub fn set_config(&self, config: Arc<LogConfig>) {
        if let Some(log) = &mut self.writer.lock().log {
            log.set_config(config);
        }
    }

    /// Takes the log out to be closed or deleted; the partition answers that it is not here any more.
    pub fn take_log(&self) -> Option<Log> {
        let leader_epoch = match self.role() {
            Role::Leader { leader_epoch } | Role::Follower { leader_epoch } => leader_epoch,
            Role::Offline => -1,
        };
        self.follow(leader_epoch);
        self.writer.lock().log.take()
    }
}

/// Whether a throttle of a reassignment slows a replica down, in either part (KIP-73).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttled {
    /// As a leader, towards followers that are not in sync.
    pub as_leader: bool,
    /// As a follower that is not in sync.
    pub as_follower: bool,
}

/// [`Throttled`], as anyone may read it.
#[derive(Debug, Default)]
struct AtomicThrottled {
    as_leader: AtomicBool,
    as_follower: AtomicBool,
}

/// A fetch that is about to wait for some partitions.
#[derive(Debug, Clone, Copy)]
pub struct WaitingFetch<'a> {
    /// What is woken.
    pub wait: &'a Arc<FetchWait>,
    /// What it may see.
    pub isolation: Isolation,
    /// How much it misses over all its partitions.
    pub bytes_missing: u64,
    /// How many partitions these are.
    pub partitions: usize,
}

impl Writer {
    fn lead(
        &mut self,
        leadership: &Leadership<'_>,
        now: Now,
        woken: &mut Woken,
    ) -> Result<(), PartitionError> {
        let Leadership { local, state, brokers, settings } = *leadership;
        let log = self.log.as_mut().ok_or(PartitionError::NotLeader)?;
        self.sole_replica = state.replicas.len() == 1;
        let effects = match &mut self.leader {
            Some(leader) if leader.leader_epoch() == state.leader_epoch => {
                let effects = leader.on_image(state, brokers, now.mono_ms);
                self.carry_out(&effects, woken);
                let leader = self.leader.as_mut().ok_or(PartitionError::NotLeader)?;
                leader.on_settings(settings, now.mono_ms)
            }
            _ => {
                log.assign_epoch(state.leader_epoch)?;
                let view = log.view();
                let bounds = LogBounds {
                    log_start_offset: view.log_start_offset,
                    high_watermark: view.high_watermark,
                    log_end_offset: view.log_end_offset,
                };
                let (leader, effects) =
                    LeaderState::new(local, state, brokers, bounds, settings, now.mono_ms);
                self.leader = Some(leader);
                effects
            }
        };
        self.carry_out(&effects, woken);
        Ok(())
    }

    fn append(
        &mut self,
        request: &AppendRequest<'_>,
        valid: &ValidBatch<'_>,
        woken: &mut Woken,
    ) -> Result<AppendOutcome, PartitionError> {
        let (Some(log), Some(leader)) = (&mut self.log, &mut self.leader) else {
            return Err(PartitionError::NotLeader);
        };
        leader.check_append(request.acks).map_err(|_| PartitionError::NotEnoughReplicas)?;
        let context = AppendContext {
            leader_epoch: leader.leader_epoch(),
            origin: request.origin,
            now_ms: request.now.wall_ms,
            sole_replica: self.sole_replica,
        };
        let outcome = log.append_validated(valid, &context)?;
        if outcome.duplicate {
            return Ok(outcome);
        }
        let view = log.view();
        let effects = leader.on_append(view.log_end_offset, request.now.mono_ms);
        self.waiters.appended(&view, request.batch.len(), woken);
        self.carry_out(&effects, woken);
        Ok(outcome)
    }

    /// Publishes what the leader decided and lets go on who can. Proposals of another ISR are the caller's to send.
    pub(super) fn carry_out(&mut self, effects: &LeaderEffects, woken: &mut Woken) {
        let (Some(high_watermark), Some(log)) = (effects.high_watermark, &mut self.log) else { return };
        log.update_high_watermark(high_watermark);
        let view = log.view();
        self.settle(&view, woken);
    }

    /// Records of `bytes` were taken from the leader: consumers that read here go on.
    pub(super) fn followed(&mut self, bytes: usize, woken: &mut Woken) {
        let Some(log) = &self.log else { return };
        let view = log.view();
        if bytes > 0 {
            self.waiters.appended(&view, bytes, woken);
        }
        self.settle(&view, woken);
    }

    fn settle(&mut self, view: &ReadView, woken: &mut Woken) {
        let leader = &self.leader;
        let committed = || match leader.as_ref().map(LeaderState::check_committed) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(PartitionError::NotEnoughReplicasAfterAppend),
            None => Err(PartitionError::NotLeader),
        };
        self.waiters.advanced(view, committed, woken);
    }
}

/// Runs work that may wait for the disk: other tasks of this worker are moved elsewhere meanwhile. On a
/// runtime of one thread (tests) it just runs.
fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn check_epoch(requested: i32, current: i32) -> Result<(), PartitionError> {
    match requested {
        -1 => Ok(()),
        epoch if epoch < current => Err(PartitionError::FencedLeaderEpoch),
        epoch if epoch > current => Err(PartitionError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
