//! One partition of this broker.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rkafka_core::ids::PartitionId;
use rkafka_log::{
    AppendContext, AppendError, AppendOrigin, AppendOutcome, Log, LogConfig, LogError, LogReader, ReadError,
    ReadLimits, ReadSlice, ReadView,
};

use super::waiters::{FetchWait, FetchWaits, Woken};

/// What this broker is for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Clients write and read here.
    Leader {
        /// The epoch of this leadership.
        leader_epoch: i32,
        /// How many replicas are in sync, this one included.
        isr_size: usize,
        /// How many must be for acks=-1: `min.insync.replicas`, but no more than there are replicas.
        isr_size_min: usize,
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
}

/// An append as the caller wants it.
#[derive(Debug, Clone, Copy)]
pub struct AppendRequest<'a> {
    /// One whole record batch.
    pub batch: &'a [u8],
    /// The batch must be on all in-sync replicas (acks=-1), and there must be enough of them.
    pub all_replicas: bool,
    /// Who writes.
    pub origin: AppendOrigin,
    /// Wall time, milliseconds since 1970.
    pub now_ms: i64,
}

/// An append that went well.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    /// What the log did.
    pub outcome: AppendOutcome,
    /// Whether the batch is committed already; with the only in-sync replica here it always is.
    pub committed: bool,
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
    /// acks=-1, and fewer replicas are in sync than `min.insync.replicas`.
    #[error("fewer replicas are in sync than min.insync.replicas")]
    NotEnoughReplicas,
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

/// What the lock guards.
#[derive(Debug)]
struct Writer {
    /// `None` once the partition was closed or deleted.
    log: Option<Log>,
    waits: FetchWaits,
}

/// A replica on this broker: its log behind one short lock, readers beside it.
///
/// Shared by connections, coordinators and background work. Appends and role changes take the lock; reads load
/// the role and the log's view and take none.
#[derive(Debug)]
pub struct Partition {
    id: PartitionId,
    topic: Arc<str>,
    reader: LogReader,
    /// Replaced under the lock only.
    role: ArcSwap<Role>,
    writer: Mutex<Writer>,
}

impl Partition {
    /// A replica whose role is still to be told ([`Partition::set_role`]).
    pub fn new(id: PartitionId, topic: Arc<str>, log: Log) -> Arc<Self> {
        Arc::new(Self {
            id,
            topic,
            reader: log.reader(),
            role: ArcSwap::from_pointee(Role::Follower { leader_epoch: -1 }),
            writer: Mutex::new(Writer { log: Some(log), waits: FetchWaits::default() }),
        })
    }

    /// Topic id and partition number.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
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
    pub fn role(&self) -> Arc<Role> {
        self.role.load_full()
    }

    /// The leader epoch, if this broker leads and the caller's epoch (-1 for none) is the same.
    pub fn leader_epoch(&self, current_leader_epoch: i32) -> Result<i32, PartitionError> {
        match **self.role.load() {
            Role::Leader { leader_epoch, .. } => {
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

    /// Changes the role; a new leadership notes its epoch in the log first. All waiting fetches look again.
    ///
    /// # Errors
    /// The disk's; the partition is offline then.
    pub fn set_role(&self, role: Role) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        let mut result = Ok(());
        let mut role = role;
        if let (Role::Leader { leader_epoch, isr_size, .. }, Some(log)) = (&role, &mut writer.log) {
            result = become_leader(log, *leader_epoch, *isr_size);
            if result.is_err() {
                role = Role::Offline;
            }
        }
        let changed = *self.role.swap(Arc::new(role.clone())) != role;
        let woken = if changed { writer.waits.take_all() } else { Woken::new() };
        drop(writer);
        wake(woken);
        result
    }

    /// Appends one batch as leader and wakes the fetches that have enough now.
    ///
    /// # Errors
    /// [`PartitionError`]; nothing was appended then.
    pub fn append(&self, request: AppendRequest<'_>) -> Result<Appended, PartitionError> {
        let mut writer = self.writer.lock();
        let Role::Leader { leader_epoch, isr_size, isr_size_min } = **self.role.load() else {
            drop(writer);
            return Err(self.leader_epoch(-1).err().unwrap_or(PartitionError::NotLeader));
        };
        if request.all_replicas && isr_size < isr_size_min {
            return Err(PartitionError::NotEnoughReplicas);
        }
        let Writer { log, waits } = &mut *writer;
        let log = log.as_mut().ok_or(PartitionError::NotLeader)?;
        let context = AppendContext {
            leader_epoch,
            origin: request.origin,
            now_ms: request.now_ms,
            sole_replica: isr_size == 1,
        };
        let outcome = log.append_leader(request.batch, &context)?;
        let committed = self.reader.view().high_watermark > outcome.last_offset;
        let woken = if outcome.duplicate { Woken::new() } else { waits.arrived(request.batch.len()) };
        drop(writer);
        wake(woken);
        Ok(Appended { outcome, committed })
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
        let upper_offset = isolation.upper_offset(&self.reader.view());
        Ok(self.reader.read(offset, ReadLimits { max_bytes, upper_offset, at_least_one_batch })?)
    }

    /// Registers a fetch that saw the log up to `seen` (the bound of its isolation, as it was read), unless
    /// there is more by now. Whether it waits.
    pub fn register_wait(&self, wait: &Arc<FetchWait>, isolation: Isolation, seen: i64, epoch: i32) -> bool {
        let mut writer = self.writer.lock();
        let same_leader =
            matches!(**self.role.load(), Role::Leader { leader_epoch, .. } if leader_epoch == epoch);
        let waits = same_leader && isolation.upper_offset(&self.reader.view()) == seen;
        if waits {
            writer.waits.register(wait.clone());
        }
        waits
    }

    /// The fetch does not wait any more.
    pub fn deregister_wait(&self, wait: &Arc<FetchWait>) {
        self.writer.lock().waits.deregister(wait);
    }

    /// Runs `work` on the log under the lock; afterwards fetches that could see more now are woken.
    ///
    /// # Errors
    /// Those of `work`; [`PartitionError::NotLeader`] if the log was closed.
    pub fn with_log<R, E>(&self, work: impl FnOnce(&mut Log) -> Result<R, E>) -> Result<R, PartitionError>
    where
        PartitionError: From<E>,
    {
        let mut writer = self.writer.lock();
        let before = self.reader.view().high_watermark;
        let log = writer.log.as_mut().ok_or(PartitionError::NotLeader)?;
        let result = work(log);
        let woken =
            if self.reader.view().high_watermark == before { Woken::new() } else { writer.waits.take_all() };
        drop(writer);
        wake(woken);
        Ok(result?)
    }

    /// Replaces the topic's settings.
    pub fn set_config(&self, config: Arc<LogConfig>) {
        if let Some(log) = &mut self.writer.lock().log {
            log.set_config(config);
        }
    }

    /// Takes the log out to be closed or deleted; the partition answers that it is not here any more.
    pub fn take_log(&self) -> Option<Log> {
        let mut writer = self.writer.lock();
        let leader_epoch = match **self.role.load() {
            Role::Leader { leader_epoch, .. } | Role::Follower { leader_epoch } => leader_epoch,
            Role::Offline => -1,
        };
        self.role.store(Arc::new(Role::Follower { leader_epoch }));
        let log = writer.log.take();
        let woken = writer.waits.take_all();
        drop(writer);
        wake(woken);
        log
    }

    /// The log directory failed: nothing is read or written any more.
    pub fn set_offline(&self) {
        let mut writer = self.writer.lock();
        self.role.store(Arc::new(Role::Offline));
        let woken = writer.waits.take_all();
        drop(writer);
        wake(woken);
    }
}

fn become_leader(log: &mut Log, leader_epoch: i32, isr_size: usize) -> Result<(), LogError> {
    if log.view().leader_epoch() < leader_epoch {
        log.assign_epoch(leader_epoch)?;
    }
    if isr_size == 1 {
        // Nobody else is in sync: all that is here is committed.
        log.update_high_watermark(log.view().log_end_offset);
    }
    Ok(())
}

fn check_epoch(requested: i32, current: i32) -> Result<(), PartitionError> {
    match requested {
        -1 => Ok(()),
        epoch if epoch < current => Err(PartitionError::FencedLeaderEpoch),
        epoch if epoch > current => Err(PartitionError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

fn wake(woken: Woken) {
    for wait in woken {
        wait.wake();
    }
}
