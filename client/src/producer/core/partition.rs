//! One partition: batches that wait, batches on their way, and the sequence numbers of an idempotent
//! producer.

use std::collections::VecDeque;

use super::batch::{Batch, Order, Payload, ProducerId, Stamp};

/// Batches of one partition in order. Owned by the core.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    /// The broker that leads it, as far as is known.
    pub(crate) leader: Option<i32>,
    /// The leader's epoch, -1 if brokers do not tell.
    pub(crate) leader_epoch: i32,
    /// Waiting: first those that are to be sent again, in order, then new ones; only the last may be open.
    pub(crate) queue: VecDeque<Batch>,
    /// Sent and not answered.
    pub(crate) away: Vec<Batch>,
    pub(crate) sequences: Sequences,
    /// Whether it stands in the core's list of partitions with batches.
    pub(crate) is_active: bool,
}

/// What an idempotent producer knows of a partition's sequence (KIP-98, KIP-360).
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    /// The id and epoch that the numbers belong to.
    pub(crate) producer: Option<ProducerId>,
    pub(crate) next: i32,
    pub(crate) last_acknowledged: Option<i32>,
    /// The number after a batch whose fate is not known: no new batch gets one until it is.
    pub(crate) unresolved: Option<i32>,
    /// There is a gap at this batch: it and those behind it need numbers of a new epoch. Those before it keep
    /// theirs: they may be stored, and the broker knows them by it.
    pub(crate) gap: Option<Order>,
}

impl Sequences {
    /// Whether `sequence` is the one after what was acknowledged last.
    pub(crate) fn is_next(&self, sequence: i32) -> bool {
        match self.last_acknowledged {
            Some(last) => rkafka_record::batch::increment_sequence(last, 1) == sequence,
            None => sequence == 0,
        }
    }

    pub(crate) fn acknowledge(&mut self, last_sequence: i32) {
        // The difference tells which is newer across the wrap from i32::MAX to 0.
        let is_newer = self.last_acknowledged.is_none_or(|last| last_sequence.wrapping_sub(last) << 1 > 0);
        if is_newer {
            self.last_acknowledged = Some(last_sequence);
        }
    }

    /// Starts anew at 0.
    pub(crate) fn start(&mut self, producer: ProducerId) {
        *self = Sequences { producer: Some(producer), ..Sequences::default() };
    }
}

impl Partition {
    /// Whether a batch with a sequence number has no final answer yet.
    pub(crate) fn has_outstanding(&self) -> bool {
        !self.away.is_empty() || self.queue.front().is_some_and(|batch| batch.stamp.is_some())
    }

    /// Batches that were sent and have no final answer: they may be stored.
    pub(crate) fn sent_count(&self) -> usize {
        let stamped = self.queue.iter().take_while(|batch| batch.stamp.is_some());
        self.away.len() + stamped.filter(|batch| matches!(batch.payload, Payload::Sealed(_))).count()
    }

    /// Whether a batch before this one has no final answer yet.
    pub(crate) fn is_earlier_outstanding(&self, order: Order) -> bool {
        let is_earlier = |batch: &Batch| batch.stamp.is_some() && batch.order < order;
        self.is_earlier_away(order) || self.queue.front().is_some_and(is_earlier)
    }

    /// Whether a batch before this one is still on its way.
    pub(crate) fn is_earlier_away(&self, order: Order) -> bool {
        self.away.iter().any(|batch| batch.order < order)
    }

    /// Puts a batch back among those that wait, in order.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        let at = self.queue.partition_point(|waiting| waiting.order < batch.order);
        self.queue.insert(at, batch);
    }

    /// Takes a batch from those on their way; nothing if it is settled already.
    pub(crate) fn take_away(&mut self, order: Order) -> Option<Batch> {
        let at = self.away.iter().position(|batch| batch.order == order)?;
        Some(self.away.swap_remove(at))
    }

    /// Gives the batch about to be sent its sequence number, if it has none.
    pub(crate) fn stamp(&mut self, batch: &mut Batch, producer: ProducerId) {
        if batch.stamp.is_some() {
            return;
        }
        if self.sequences.producer != Some(producer) {
            debug_assert!(!self.has_outstanding(), "what is outstanding keeps its epoch");
            self.sequences.start(producer);
        }
        batch.stamp = Some(Stamp { producer, base_sequence: self.sequences.next });
        self.sequences.next =
            rkafka_record::batch::increment_sequence(self.sequences.next, batch.record_count);
    }

    /// Numbers everything outstanding anew from 0 under a new epoch.
    pub(crate) fn restart_sequences(&mut self, producer: ProducerId) {
        self.sequences.start(producer);
        let mut outstanding: Vec<&mut Batch> = self.away.iter_mut().collect();
        outstanding.extend(self.queue.iter_mut().filter(|batch| batch.stamp.is_some()));
        outstanding.sort_by_key(|batch| batch.order);
        for batch in outstanding {
            batch.stamp = Some(Stamp { producer, base_sequence: self.sequences.next });
            self.sequences.next =
                rkafka_record::batch::increment_sequence(self.sequences.next, batch.record_count);
        }
    }
}
