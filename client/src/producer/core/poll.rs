//! What is to be sent now, and when to look again.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::batch::{Batch, Order, Payload, Stamp};
use super::{Core, Slot};
use crate::producer::error::ProduceError;

/// What the sender has to do.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Requests to send, at most one a broker; more may be ready at once.
    pub(crate) requests: Vec<NodeRequest>,
    /// Brokers to connect to.
    pub(crate) connect: Vec<i32>,
    /// Metadata is to be asked for.
    pub(crate) needs_metadata: bool,
    /// A producer id is to be asked for.
    pub(crate) needs_producer_id: bool,
    /// When to look again if nothing happens before.
    pub(crate) next_ms: Option<u64>,
    /// Closed, and nothing is left to do.
    pub(crate) is_finished: bool,
}

/// Batches for one broker, at most one a partition.
#[derive(Debug)]
pub(crate) struct NodeRequest {
    pub(crate) node: i32,
    pub(crate) batches: Vec<Outgoing>,
    size: usize,
}

/// A batch to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) slot: Slot,
    pub(crate) order: Order,
    pub(crate) topic: Arc<str>,
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) payload: Payload,
    pub(crate) stamp: Option<Stamp>,
}

/// Whether the first batch of a partition can be sent.
enum Readiness {
    Ready(i32),
    At(u64),
    /// Something else has to happen first.
    Blocked,
}

impl Core {
    /// Decides what to do at `now_ms`. To be called again after the requests are sent, until there are none.
    pub(crate) fn poll(&mut self, now_ms: u64) -> Work {
        self.expire(now_ms);
        self.resolve_sequences();
        self.bump_epoch_if_required();
        let mut work = Work::default();
        self.nodes.values_mut().for_each(|node| {
            if node.is_connected && node.in_flight < self.settings.max_in_flight {
                node.stuck_since_ms = None;
            }
        });
        let mut at = 0;
        while let Some(slot) = self.active.get(at).copied() {
            let partition = self.partition(slot);
            if partition.queue.is_empty() && partition.away.is_empty() {
                partition.is_active = false;
                self.active.swap_remove(at);
                continue;
            }
            at += 1;
            self.poll_partition(now_ms, slot, &mut work);
        }
        if !work.requests.is_empty() && !self.active.is_empty() {
            // Where a request was full, others come first the next time.
            self.active.rotate_left(1);
        }
        for request in &work.requests {
            self.nodes.entry(request.node).or_default().in_flight += 1;
        }
        work.needs_metadata |= self.metadata_is_stale;
        work.is_finished = self.is_closed && self.incomplete.is_empty();
        work
    }

    fn poll_partition(&mut self, now_ms: u64, slot: Slot, work: &mut Work) {
        let partition = self.partition(slot);
        let created =
            partition.away.iter().chain(partition.queue.front()).map(|batch| batch.created_ms).min();
        if let Some(created_ms) = created {
            soonest(&mut work.next_ms, created_ms.saturating_add(self.settings.delivery_timeout_ms));
        }
        match self.readiness(now_ms, slot, work) {
            Readiness::Ready(node) => self.take(now_ms, slot, node, work),
            Readiness::At(ms) => soonest(&mut work.next_ms, ms),
            Readiness::Blocked => {}
        }
    }

    fn readiness(&mut self, now_ms: u64, slot: Slot, work: &mut Work) -> Readiness {
        let partition = &self.topics[slot.topic].partitions[slot.partition];
        let Some(head) = partition.queue.front() else { return Readiness::Blocked };
        let Some(leader) = partition.leader else {
            work.needs_metadata = true;
            return Readiness::Blocked;
        };
        if self.settings.max_in_flight == 1 && !partition.away.is_empty() {
            return Readiness::Blocked;
        }
        let has_new_leader = partition.leader_epoch > head.sent_to_epoch;
        if head.attempts > 0 && now_ms < head.retry_at_ms && !has_new_leader {
            return Readiness::At(head.retry_at_ms);
        }
        let lingered_ms = head.created_ms.saturating_add(self.settings.linger_ms);
        let is_due = partition.queue.len() > 1
            || now_ms >= lingered_ms
            || self.memory_waiters > 0
            || self.flushes > 0
            || self.is_closed
            || self.is_full(slot, head);
        if !is_due {
            return Readiness::At(lingered_ms);
        }
        if self.settings.idempotent && !self.may_send(slot, work) {
            return Readiness::Blocked;
        }
        self.node_readiness(now_ms, slot, leader, work)
    }

    /// Whether the leader takes the first batch of the partition.
    fn node_readiness(&mut self, now_ms: u64, slot: Slot, leader: i32, work: &mut Work) -> Readiness {
        let max_in_flight = self.settings.max_in_flight;
        let node = self.nodes.entry(leader).or_default();
        if !node.is_connected {
            node.stuck_since_ms.get_or_insert(now_ms);
            if !work.connect.contains(&leader) {
                work.connect.push(leader);
            }
            return Readiness::Blocked;
        }
        if node.in_flight >= max_in_flight {
            node.stuck_since_ms.get_or_insert(now_ms);
            return Readiness::Blocked;
        }
        if now_ms < node.muted_until_ms {
            return Readiness::At(node.muted_until_ms);
        }
        let size = self.partition(slot).queue.front().map_or(0, Batch::size);
        let planned = work.requests.iter().find(|request| request.node == leader);
        match planned {
            Some(request) if request.size + size > self.settings.max_request_size => Readiness::Blocked,
            _ => Readiness::Ready(leader),
        }
    }

    /// Moves the first batch of a partition into the request to its leader.
    fn take(&mut self, now_ms: u64, slot: Slot, node: i32, work: &mut Work) {
        let producer = self.producer.filter(|_| self.settings.idempotent);
        let topic = &mut self.topics[slot.topic];
        let partition = &mut topic.partitions[slot.partition];
        let Some(mut batch) = partition.queue.pop_front() else { return };
        if let Some(producer) = producer {
            partition.stamp(&mut batch, producer);
        }
        batch.sent_to_epoch = partition.leader_epoch;
        if batch.attempts == 0 {
            let waited_ms = now_ms.saturating_sub(batch.created_ms);
            self.counts.queued += 1;
            self.counts.queued_ms += waited_ms;
            self.counts.queued_longest_ms = self.counts.queued_longest_ms.max(waited_ms);
        }
        let size = batch.size();
        let outgoing = Outgoing {
            slot,
            order: batch.order,
            topic: topic.name.clone(),
            topic_id: topic.id,
            partition: slot.partition as i32,
            payload: std::mem::replace(&mut batch.payload, Payload::Away),
            stamp: batch.stamp,
        };
        partition.away.push(batch);
        match work.requests.iter_mut().find(|request| request.node == node) {
            Some(request) => {
                request.batches.push(outgoing);
                request.size += size;
            }
            None => work.requests.push(NodeRequest { node, batches: vec![outgoing], size }),
        }
    }

    /// Fails what is older than `delivery.timeout.ms`, on its way or not.
    fn expire(&mut self, now_ms: u64) {
        let timeout_ms = self.settings.delivery_timeout_ms;
        let is_old = |batch: &Batch| now_ms.saturating_sub(batch.created_ms) >= timeout_ms;
        for at in 0..self.active.len() {
            let slot = self.active[at];
            let partition = self.partition(slot);
            let mut expired = Vec::new();
            while let Some(batch) = partition.queue.pop_front_if(|batch| is_old(batch)) {
                expired.push(batch);
            }
            expired.extend(partition.away.extract_if(.., |batch| is_old(batch)));
            expired.into_iter().for_each(|batch| self.expire_batch(now_ms, slot, batch));
        }
    }

    fn expire_batch(&mut self, now_ms: u64, slot: Slot, batch: Batch) {
        let topic = &self.topics[slot.topic];
        let error = ProduceError::Expired {
            topic: topic.name.to_string(),
            partition: slot.partition as i32,
            records: batch.record_count as u32,
            after: Duration::from_millis(now_ms - batch.created_ms),
            last: batch.last_error.clone().map(Box::new),
        };
        self.leave_unresolved(slot, &batch);
        self.settle(batch, Err(error));
    }
}

fn soonest(next_ms: &mut Option<u64>, ms: u64) {
    *next_ms = Some(next_ms.map_or(ms, |next| next.min(ms)));
}
