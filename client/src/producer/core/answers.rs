//! What answers, failures and lost connections mean for a batch.

use rkafka_wire::ErrorCode;

use super::batch::{Batch, Order, Payload, Stamp};
use super::{Core, Slot};
use crate::error::ApiError;
use crate::producer::delivery::Stored;
use crate::producer::error::ProduceError;
use bytes::Bytes;

/// What came of one batch of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is stored; the offset is absent if nobody says where.
    Stored { base_offset: Option<i64>, log_append_time_ms: Option<i64> },
    /// The broker refused it.
    Refused { error: ApiError, log_start_offset: Option<i64>, leader: Option<LeaderHint> },
    /// No answer came: whether it is stored is not known.
    Lost(ProduceError),
    /// It was never sent and cannot be.
    Unsendable(ProduceError),
}

/// Who leads a partition now, as a broker says that does not any more (KIP-951).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaderHint {
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
}

/// A batch that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) slot: Slot,
    pub(crate) order: Order,
    pub(crate) stamp: Option<Stamp>,
    /// As it was sent; absent if it could not be made.
    pub(crate) bytes: Option<Bytes>,
}

/// What to do with a batch that was refused.
enum Verdict {
    Retry,
    /// It is stored, nobody knows where.
    Duplicate,
    Fail,
}

impl Core {
    /// Takes the outcome of a request to `node`.
    pub(crate) fn finish_request(
        &mut self,
        now_ms: u64,
        node: i32,
        outcomes: impl IntoIterator<Item = (Sent, Outcome)>,
    ) {
        let node = self.nodes.entry(node).or_default();
        node.in_flight = node.in_flight.saturating_sub(1);
        for (sent, outcome) in outcomes {
            self.finish_batch(now_ms, sent, outcome);
        }
    }

    fn finish_batch(&mut self, now_ms: u64, sent: Sent, outcome: Outcome) {
        let slot = sent.slot;
        // One that expired meanwhile is settled.
        let Some(mut batch) = self.partition(slot).take_away(sent.order) else { return };
        if let Some(bytes) = sent.bytes {
            self.learn_compression(slot, &batch, bytes.len());
            self.counts.batches += 1;
            self.counts.batch_bytes += bytes.len() as u64;
            self.counts.uncompressed_bytes += batch.uncompressed_size as u64;
            batch.payload = Payload::Sealed(bytes);
        }
        match outcome {
            Outcome::Stored { base_offset, log_append_time_ms } => {
                self.acknowledge(slot, batch, sent.stamp, Stored { base_offset, log_append_time_ms });
            }
            Outcome::Refused { error, .. }
                if error.code == ErrorCode::MessageTooLarge && batch.record_count > 1 =>
            {
                self.split(slot, batch, &error);
            }
            Outcome::Refused { error, log_start_offset, leader } => {
                self.refused(now_ms, slot, batch, sent.stamp, error, log_start_offset, leader);
            }
            Outcome::Lost(error) => {
                self.metadata_is_stale = true;
                batch.may_be_stored = true;
                self.retry_or_fail(now_ms, slot, batch, error, false);
            }
            Outcome::Unsendable(error) => self.give_up(slot, batch, error, true),
        }
    }

    fn acknowledge(&mut self, slot: Slot, batch: Batch, sent: Option<Stamp>, stored: Stored) {
        let is_current = self.is_current(slot, &batch);
        if let (Some(stamp), Some(next), true) = (batch.stamp, batch.next_sequence(), is_current) {
            let last_sequence = rkafka_record::batch::increment_sequence(next, -1);
            self.partition(slot).sequences.acknowledge(last_sequence);
            if sent != Some(stamp) {
                // It was stored under its earlier number: the present one will never be there.
                self.require_epoch_bump(slot, batch.order);
            }
        }
        self.settle(batch, Ok(stored));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one answer")]
    fn refused(
        &mut self,
        now_ms: u64,
        slot: Slot,
        mut batch: Batch,
        sent: Option<Stamp>,
        error: ApiError,
        log_start_offset: Option<i64>,
        leader: Option<LeaderHint>,
    ) {
        if moves_leader(error.code) {
            self.learn_leader(slot, leader);
        }
        batch.may_be_stored |= stores_all_the_same(error.code);
        match self.verdict(slot, &batch, sent, error.code, log_start_offset) {
            Verdict::Retry => self.retry_or_fail(now_ms, slot, batch, error.into(), false),
            Verdict::Duplicate => {
                self.acknowledge(slot, batch, sent, Stored { base_offset: None, log_append_time_ms: None });
            }
            Verdict::Fail => self.give_up(slot, batch, error.into(), true),
        }
    }

    /// Believes a hint of a newer epoch; without one the cluster is asked.
    fn learn_leader(&mut self, slot: Slot, hint: Option<LeaderHint>) {
        let partition = self.partition(slot);
        match hint {
            Some(hint) if hint.epoch > partition.leader_epoch => {
                (partition.leader, partition.leader_epoch) = (Some(hint.leader), hint.epoch);
            }
            _ => self.metadata_is_stale = true,
        }
    }

    /// What a refusal means, by the rules of the Java client's `TransactionManager.canRetry`.
    fn verdict(
        &mut self,
        slot: Slot,
        batch: &Batch,
        sent: Option<Stamp>,
        code: ErrorCode,
        log_start_offset: Option<i64>,
    ) -> Verdict {
        let Some(stamp) = batch.stamp else {
            return if code.is_retriable() { Verdict::Retry } else { Verdict::Fail };
        };
        // The broker spoke of an earlier number of this batch.
        let is_renumbered = sent != Some(stamp);
        match code {
            ErrorCode::DuplicateSequenceNumber => Verdict::Duplicate,
            ErrorCode::UnknownProducerId => {
                if log_start_offset.is_some() && !is_renumbered {
                    self.require_epoch_bump(slot, batch.order);
                }
                Verdict::Retry
            }
            ErrorCode::OutOfOrderSequenceNumber => {
                let sequences = &self.partition(slot).sequences;
                let is_gap = match sequences.unresolved {
                    Some(unresolved) => unresolved == stamp.base_sequence,
                    None => sequences.is_next(stamp.base_sequence),
                };
                // Not next: those before it are still to come, and it then. One that may be stored keeps its number to
                // the end of its time: under another it could be there twice, once a copy is read that a broken
                // connection held, or where a restarted leader knows a producer's last batch only.
                if is_gap && !is_renumbered && !batch.may_be_stored {
                    self.require_epoch_bump(slot, batch.order);
                }
                Verdict::Retry
            }
            ErrorCode::InvalidProducerEpoch if is_renumbered => Verdict::Retry,
            code if code.is_retriable() => Verdict::Retry,
            _ => Verdict::Fail,
        }
    }

    /// Puts a batch back to be sent again if `retries` and `delivery.timeout.ms` allow it.
    fn retry_or_fail(
        &mut self,
        now_ms: u64,
        slot: Slot,
        mut batch: Batch,
        error: ProduceError,
        is_definite: bool,
    ) {
        let is_old = now_ms.saturating_sub(batch.created_ms) >= self.settings.delivery_timeout_ms;
        if is_old || batch.attempts >= self.settings.retries {
            self.give_up(slot, batch, error, is_definite);
            return;
        }
        tracing::debug!(order = ?batch.order, attempts = batch.attempts, %error, "a batch will be sent again");
        batch.retry_at_ms = now_ms.saturating_add(self.backoff_ms(batch.attempts));
        batch.attempts += 1;
        self.counts.records_retried += u64::from(batch.record_count.unsigned_abs());
        batch.last_error = Some(error);
        self.partition(slot).put_back(batch);
    }

    /// Doubles from `retry.backoff.ms` to `retry.backoff.max.ms`, give or take a fifth so that clients
    /// spread.
    fn backoff_ms(&mut self, attempts: u32) -> u64 {
        let doubled = self.settings.retry_backoff_ms.saturating_mul(1 << attempts.min(16));
        let backoff_ms = doubled.min(self.settings.retry_backoff_max_ms);
        (backoff_ms as f64 * (0.8 + 0.4 * self.random.f64())) as u64
    }

    /// Fails a batch. If it is known not to be stored, the sequence starts anew behind it; else what comes
    /// behind it waits until that is known.
    pub(super) fn give_up(&mut self, slot: Slot, batch: Batch, error: ProduceError, is_definite: bool) {
        if batch.stamp.is_some() {
            // An earlier try may have been stored although the last one was refused.
            if is_definite && batch.attempts == 0 {
                self.require_epoch_bump(slot, batch.order);
            } else {
                self.leave_unresolved(slot, &batch);
            }
        }
        self.settle(batch, Err(error));
    }

    /// Follows how well a topic's batches compress as the Java client does: quickly worse, slowly better.
    fn learn_compression(&mut self, slot: Slot, batch: &Batch, size: usize) {
        const BETTER_STEP: f64 = 0.005;
        const WORSE_STEP: f64 = 0.05;
        if !matches!(batch.payload, Payload::Away) || batch.attempts > 0 {
            return;
        }
        let estimate = &mut self.topics[slot.topic].compression_ratio;
        let observed = size as f64 / batch.uncompressed_size.max(1) as f64;
        *estimate = if observed > *estimate {
            (*estimate + WORSE_STEP).max(observed)
        } else {
            (*estimate - BETTER_STEP).max(observed)
        };
    }
}

/// Refusals of a leader that may have appended the batch.
fn stores_all_the_same(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotEnoughReplicasAfterAppend | ErrorCode::RequestTimedOut)
}

/// Errors after which somebody else has to be asked (`InvalidMetadataException` in Java).
fn moves_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::KafkaStorageError
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::ListenerNotFound
            | ErrorCode::NetworkException
    )
}
