//! Producer id, epoch and sequences: what keeps retries from writing twice or out of order (KIP-98, KIP-360).
//!
//! A partition's sequence starts anew, under the next epoch, when a batch is known not to be stored and never
//! will be (the numbers behind it would leave a gap), and when the broker has lost what it knew of the
//! producer. The epoch is raised here, without asking: brokers take a higher one whose sequence begins at 0.

use super::batch::{Batch, Order, Payload, ProducerId};
use super::poll::Work;
use super::{Core, Slot};

/// How many batches of a producer a broker knows again when they come twice. More without an answer are never
/// out, whatever `max.in.flight.requests.per.connection` says of each of several leaders.
const REMEMBERED_BATCHES: usize = 5;

impl Core {
    /// The id that the cluster gave.
    pub(crate) fn set_producer_id(&mut self, id: i64, epoch: i16) {
        self.producer = Some(ProducerId { id, epoch });
    }

    /// Whether the first batch of a partition may get its sequence number, or be sent again with it.
    pub(super) fn may_send(&self, slot: Slot, work: &mut Work) -> bool {
        let Some(producer) = self.producer else {
            work.needs_producer_id = true;
            return false;
        };
        let partition = &self.topics[slot.topic].partitions[slot.partition];
        let Some(head) = partition.queue.front() else { return false };
        if partition.sequences.gap.is_some_and(|gap| head.order >= gap) {
            return false;
        }
        if matches!(head.payload, Payload::Open(_)) && partition.sent_count() >= REMEMBERED_BATCHES {
            return false;
        }
        // A leader that does not know the producer takes any number for its first: nothing may overtake that
        // one.
        if partition.sequences.last_acknowledged.is_none() && !partition.away.is_empty() {
            return false;
        }
        if head.stamp.is_some() {
            // What is sent again is sent one by one in order: the broker refuses what comes before its turn.
            return !partition.is_earlier_away(head.order);
        }
        let is_stale = partition.sequences.producer.is_some_and(|stamped| stamped != producer);
        !(partition.sequences.unresolved.is_some() || is_stale && partition.has_outstanding())
    }

    /// The numbers of this partition have to start anew from this batch on.
    pub(super) fn require_epoch_bump(&mut self, slot: Slot, from: Order) {
        let gap = &mut self.partition(slot).sequences.gap;
        *gap = Some(gap.map_or(from, |gap| gap.min(from)));
    }

    /// Notes that nobody knows whether this batch was stored.
    pub(super) fn leave_unresolved(&mut self, slot: Slot, batch: &Batch) {
        if let Some(next) = batch.next_sequence().filter(|_| self.is_current(slot, batch)) {
            self.partition(slot).sequences.unresolved = Some(next);
        }
    }

    /// Whether the batch's number is of its partition's present sequence.
    pub(super) fn is_current(&self, slot: Slot, batch: &Batch) -> bool {
        let sequences = &self.topics[slot.topic].partitions[slot.partition].sequences;
        batch.stamp.is_some_and(|stamp| Some(stamp.producer) == sequences.producer)
    }

    /// Once nothing is outstanding, whatever became of a batch shows: if the last number was acknowledged, it
    /// was stored.
    pub(super) fn resolve_sequences(&mut self) {
        for at in 0..self.active.len() {
            let slot = self.active[at];
            let partition = self.partition(slot);
            if partition.sequences.unresolved.is_some() && !partition.has_outstanding() {
                partition.sequences.unresolved = None;
                if !partition.sequences.is_next(partition.sequences.next) {
                    // Nothing is outstanding: only new batches need new numbers.
                    self.require_epoch_bump(slot, (0, 0));
                }
            }
        }
    }

    /// Raises the epoch where there is a gap that nothing outstanding comes before, and numbers what is
    /// outstanding behind it anew.
    pub(super) fn bump_epoch_if_required(&mut self) {
        let has_gap = |slot: &Slot| {
            let partition = &self.topics[slot.topic].partitions[slot.partition];
            partition.sequences.gap.is_some_and(|gap| !partition.is_earlier_outstanding(gap))
        };
        let with_gap: Vec<Slot> = self.active.iter().copied().filter(has_gap).collect();
        let (Some(ProducerId { id, epoch }), false) = (self.producer, with_gap.is_empty()) else { return };
        let Some(epoch) = epoch.checked_add(1) else {
            // The epochs of this id are used up: another id is asked for, then this goes on.
            self.producer = None;
            return;
        };
        let producer = ProducerId { id, epoch };
        self.producer = Some(producer);
        tracing::debug!(id, epoch, "the sequence of a partition starts anew under the next epoch");
        for slot in with_gap {
            self.partition(slot).restart_sequences(producer);
        }
    }
}
