//! One replica in a process: its log, what it leads, and the produces that wait on it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rkafka_checker::Value;
use rkafka_core::ids::PartitionId;
use rkafka_core::image::Partition;
use rkafka_core::replica::leader::{IsrProposal, LeaderState};
use rkafka_core::replica::purgatory::{ProduceWaits, Token};
use rkafka_log::dirs::LogPosition;
use rkafka_log::{Log, TopicPartition};

use crate::message::{Body, Message, ProduceError};
use crate::net::Host;
use crate::process::{Context, Outgoing, Stop};

/// A produce that waits for the high watermark.
#[derive(Debug)]
struct Waiting {
    base_offset: i64,
    to: Host,
    answers: (u64, u64),
    value: Value,
}

/// A replica in a process.
pub(crate) struct Replica {
    pub(crate) log: Log,
    pub(crate) name: TopicPartition,
    pub(crate) leader: Option<LeaderState>,
    /// The partition as the image has it.
    pub(crate) state: Partition,
    pub(crate) waits: ProduceWaits,
    waiting: BTreeMap<Token, Waiting>,
    next_token: u64,
    /// Committed up to here, as the yardstick has been told.
    pub(crate) verified: i64,
    /// A proposal that was sent, and when.
    pub(crate) proposed: Option<(IsrProposal, u64)>,
}

impl Replica {
    /// A replica that neither leads nor follows yet.
    pub(crate) fn new(name: TopicPartition, log: Log) -> Self {
        Replica {
            verified: log.log_start_offset(),
            log,
            name,
            leader: None,
            state: Partition::default(),
            waits: ProduceWaits::default(),
            waiting: BTreeMap::new(),
            next_token: 0,
            proposed: None,
        }
    }

    /// Tells the yardstick what has come below the high watermark.
    pub(crate) fn verify(&mut self, id: PartitionId, context: &mut Context<'_>) -> Result<(), Stop> {
        if self.log.high_watermark() > self.verified {
            context.truth.on_high_watermark(id, self.verified, &self.log)?;
            self.verified = self.log.high_watermark();
        }
        Ok(())
    }

    /// The produce in `message` waits until the high watermark is at `required_offset`.
    pub(crate) fn wait(&mut self, required_offset: i64, base_offset: i64, message: &Message, value: Value) {
        let token = Token(self.next_token);
        self.next_token += 1;
        let answers = (message.connection, message.life);
        self.waiting.insert(token, Waiting { base_offset, to: message.from, answers, value });
        self.waits.wait(required_offset, token);
    }

    /// Answers those that the high watermark has passed.
    pub(crate) fn answer_waiting(
        &mut self,
        id: PartitionId,
        may_acknowledge: bool,
        context: &mut Context<'_>,
    ) {
        let enough = self.leader.as_ref().is_some_and(|leader| leader.check_committed().is_ok());
        for token in self.waits.complete(self.log.high_watermark()) {
            let Some(waiting) = self.waiting.remove(&token) else { continue };
            let result = match (may_acknowledge, enough) {
                (true, true) => Ok(waiting.base_offset),
                (true, false) => Err(ProduceError::NotEnoughReplicasAfterAppend),
                (false, _) => Err(ProduceError::NotLeader),
            };
            waiting.answer(id, result, context);
        }
    }

    /// This replica leads no more, or in another epoch.
    pub(crate) fn refuse_waiting(&mut self, id: PartitionId, context: &mut Context<'_>) {
        for token in self.waits.clear() {
            if let Some(waiting) = self.waiting.remove(&token) {
                waiting.answer(id, Err(ProduceError::NotLeader), context);
            }
        }
    }

    /// Where its log stands, for the checkpoints.
    pub(crate) fn position(&self) -> LogPosition {
        LogPosition {
            partition: self.name.clone(),
            dir: PathBuf::from("/data"),
            recovery_point: self.log.recovery_point(),
            log_start_offset: self.log.log_start_offset(),
            high_watermark: self.log.high_watermark(),
        }
    }
}

impl Waiting {
    fn answer(self, partition: PartitionId, result: Result<i64, ProduceError>, context: &mut Context<'_>) {
        let at_ms = context.now.mono_ms;
        let body = Body::Produced { partition, value: self.value, result, at_ms };
        context.out.push(Outgoing { to: self.to, answers: Some(self.answers), body });
    }
}
