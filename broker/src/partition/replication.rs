//! Replication of one partition on this broker: counting followers' fetches as its leader, taking fetched
//! records as a follower. The decisions are `rkafka_core::replica`'s; here they meet the log, under its lock.

use bytes::Bytes;
use rkafka_core::ids::BrokerId;
use rkafka_core::image::Brokers;
use rkafka_core::replica::divergence::{Comparison, EpochEnd, Position, compare};
use rkafka_core::replica::follower::{FetchedPartition, FollowerStep, LogPosition, on_answer};
use rkafka_core::replica::leader::{FetchRefused, FollowerFetch, IsrProposal, LeaderState, ProposalAnswer};
use rkafka_core::session::PartitionFetch;
use rkafka_core::time::Now;
use rkafka_log::dirs::LogDirs;
use rkafka_log::{Log, TopicPartition};

use super::handle::{Partition, PartitionError, Role};
use super::waiters::Woken;

/// What a leader answered for one partition.
#[derive(Debug, Clone, Copy)]
pub struct FetchedRecords<'a> {
    /// What it was asked.
    pub asked: &'a PartitionFetch,
    /// Everything but the records.
    pub answer: &'a FetchedPartition,
    /// Whole batches, perhaps none.
    pub records: &'a Bytes,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The log is as the answer says: ask on.
    Done,
    /// Ask again after a while.
    BackOff,
}

fn end_of(log: &Log, epoch: i32) -> EpochEnd {
    let end = log.epochs().end_offset_for(epoch, log.log_end_offset());
    EpochEnd { epoch: end.epoch, end_offset: end.end_offset }
}

fn position_of(log: &Log) -> LogPosition {
    LogPosition {
        log_start_offset: log.log_start_offset(),
        log_end_offset: log.log_end_offset(),
        high_watermark: log.high_watermark(),
        last_epoch: log.epochs().latest_epoch().unwrap_or(-1),
    }
}

impl Partition {
    /// Where the log stands, while this broker follows.
    pub fn following_at(&self) -> Option<LogPosition> {
        let writer = self.writer.lock();
        let follows = matches!(self.role(), Role::Follower { .. });
        writer.log.as_ref().filter(|_| follows).map(position_of)
    }

    /// A follower fetches from this leader. Its position counts if it agrees with the log; the requests that can go
    /// on by that are woken. Returns the comparison, and an ISR to propose to the controller.
    ///
    /// # Errors
    /// This broker does not lead, or does not know the follower in its present life: it may ask again.
    pub fn fetched_by(
        &self,
        fetch: &FollowerFetch,
        asked: &PartitionFetch,
        now: Now,
    ) -> Result<(Comparison, Option<IsrProposal>), PartitionError> {
        let mut woken = Woken::default();
        let mut guard = self.writer.lock();
        let writer = &mut *guard;
        let (Some(log), Some(leader)) = (&writer.log, &mut writer.leader) else {
            return Err(PartitionError::NotLeader);
        };
        let position =
            Position { fetch_offset: asked.fetch_offset, last_fetched_epoch: asked.last_fetched_epoch };
        let mut comparison = compare(position, log.log_start_offset(), |epoch| end_of(log, epoch));
        let range = log.log_start_offset()..=log.log_end_offset();
        if comparison == Comparison::Agrees && !range.contains(&asked.fetch_offset) {
            comparison = Comparison::OutOfRange;
        }
        let counted = leader.on_fetch(fetch, &comparison, now.mono_ms);
        let effects = counted.map_err(|refused| match refused {
            FetchRefused::NotReplica(_) if asked.current_leader_epoch < 0 => PartitionError::NotLeader,
            FetchRefused::NotReplica(_) | FetchRefused::StaleBrokerEpoch { .. } => {
                PartitionError::UnknownLeaderEpoch
            }
        })?;
        writer.carry_out(&effects, &mut woken);
        drop(guard);
        woken.wake();
        Ok((comparison, effects.proposal))
    }

    /// The replica that consumers in `rack` should read from `offset` on, as the leader here sees it (KIP-392).
    pub fn preferred_read_replica(&self, rack: &str, offset: i64, brokers: &Brokers) -> Option<BrokerId> {
        self.writer.lock().leader.as_ref()?.preferred_read_replica(rack, offset, brokers)
    }

    /// Whether a follower of this leader is in sync.
    pub fn is_in_sync(&self, follower: BrokerId) -> bool {
        self.writer.lock().leader.as_ref().is_some_and(|leader| leader.isr().contains(&follower))
    }

    /// Looks for followers that have fallen behind; an ISR without them to propose.
    pub fn check_isr(&self, now: Now) -> Option<IsrProposal> {
        self.step_leader(|leader| leader.on_tick(now.mono_ms))
    }

    /// The controller answered a proposal; another one to send, if the answer asks for it.
    pub fn on_isr_answer(
        &self,
        proposal: &IsrProposal,
        answer: &ProposalAnswer,
        now: Now,
    ) -> Option<IsrProposal> {
        self.step_leader(|leader| leader.on_answer(proposal, answer, now.mono_ms))
    }

    fn step_leader(
        &self,
        step: impl FnOnce(&mut LeaderState) -> rkafka_core::replica::leader::LeaderEffects,
    ) -> Option<IsrProposal> {
        let mut woken = Woken::default();
        let mut writer = self.writer.lock();
        let effects = writer.leader.as_mut().map(step)?;
        writer.carry_out(&effects, &mut woken);
        drop(writer);
        woken.wake();
        effects.proposal
    }

    /// Does what a leader's answer says, if it is still the answer to this replica's question.
    ///
    /// # Errors
    /// The disk's, and batches that do not fit the log.
    pub fn take_fetched(
        &self,
        dirs: &LogDirs,
        fetched: FetchedRecords<'_>,
        now: Now,
    ) -> Result<Taken, PartitionError> {
        let FetchedRecords { asked, answer, records } = fetched;
        let mut guard = self.writer.lock();
        if self.role() != (Role::Follower { leader_epoch: asked.current_leader_epoch }) {
            return Ok(Taken::Done);
        }
        let log = guard.log.as_mut().ok_or(PartitionError::NotLeader)?;
        let step = on_answer(answer, asked, &position_of(log), |epoch| end_of(log, epoch));
        match step {
            FollowerStep::Append { high_watermark, log_start_offset } => {
                if !records.is_empty() {
                    log.append_follower(records, now.wall_ms)?;
                }
                log.update_high_watermark(high_watermark);
                log.advance_log_start(log_start_offset)?;
                let mut woken = Woken::default();
                guard.followed(records.len(), &mut woken);
                drop(guard);
                woken.wake();
            }
            FollowerStep::Truncate { offset, high_watermark } => {
                self.before_cutting(dirs, log, offset)?;
                log.truncate_to(offset)?.run(log.disk().as_ref())?;
                if let Some(high_watermark) = high_watermark {
                    log.update_high_watermark(high_watermark);
                }
            }
            FollowerStep::RestartAt { offset } => {
                self.before_cutting(dirs, log, offset)?;
                log.truncate_fully(offset)?.run(log.disk().as_ref())?;
            }
            FollowerStep::BackOff => return Ok(Taken::BackOff),
            FollowerStep::Ignore => {}
        }
        Ok(Taken::Done)
    }

    /// What is appended after a cut must not count as durable already.
    fn before_cutting(&self, dirs: &LogDirs, log: &Log, offset: i64) -> Result<(), PartitionError> {
        let name = TopicPartition { topic: self.topic().to_string(), partition: self.id().index };
        Ok(dirs.lower_recovery_point(log.health().dir(), &name, offset)?)
    }
}
