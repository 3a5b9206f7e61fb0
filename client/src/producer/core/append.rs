//! Records into batches.

use rkafka_record::builder::record_size_max;
use rkafka_record::{BatchBuilder, BatchOptions, Codec, HEADER_SIZE};

use super::batch::{Batch, Payload};
use super::{Core, Slot};
use crate::producer::config::Partitioner;
use crate::producer::delivery::{Completion, Delivery};
use crate::producer::error::ProduceError;
use crate::producer::partitioner::{by_load, partition_of_key};
use crate::producer::record::Record;

/// What came of a record.
#[derive(Debug)]
pub(crate) enum Appended {
    /// It waits in a batch.
    Queued {
        /// Its result to come.
        delivery: Delivery,
        /// Whether the sender has to look: a batch is new or full.
        wakes_sender: bool,
    },
    /// The topic, or the partition that was named, is not known (yet).
    NeedsMetadata,
    /// `buffer.memory` has no room for so many bytes at present.
    NeedsMemory(usize),
}

/// How far a batch may miss its estimated size, as in the Java client.
const ESTIMATE_TOLERANCE: f64 = 1.05;

impl Core {
    /// Puts a record into the batch of its partition.
    pub(crate) fn append(
        &mut self,
        now_ms: u64,
        timestamp_ms: i64,
        record: &Record<'_>,
    ) -> Result<Appended, ProduceError> {
        if let Some(fatal) = &self.fatal {
            return Err(fatal.clone());
        }
        if self.is_closed {
            return Err(ProduceError::Closed);
        }
        let size = record_size_max(record.key, record.value, record.headers);
        self.check_size(HEADER_SIZE + size)?;
        let at = self.topic_slot(record.topic, now_ms);
        let topic = &mut self.topics[at];
        topic.last_used_ms = now_ms;
        if let Some(error) = topic.error.as_ref().filter(|error| !error.code.is_retriable()) {
            return Err(error.clone().into());
        }
        let Some((partition, is_sticky)) = self.choose(now_ms, at, record)? else {
            return Ok(Appended::NeedsMetadata);
        };
        let mut slot = Slot { topic: at, partition };
        let mut is_new = !self.make_room(slot, size);
        if is_new && is_sticky && self.topics[at].sticky.has_enough(self.settings.batch_size) {
            slot.partition = self.choose_by_load(now_ms, at);
            self.topics[at].sticky.choose(slot.partition);
            is_new = !self.make_room(slot, size);
        }
        if is_new {
            let needed = self.settings.batch_size.min(self.settings.buffer_memory).max(HEADER_SIZE + size);
            if self.memory_used + needed > self.settings.buffer_memory {
                return Ok(Appended::NeedsMemory(needed));
            }
            self.open_batch(now_ms, slot, needed);
        }
        let (delivery, is_full, appended_bytes) = self.push(slot, timestamp_ms, record)?;
        if is_sticky {
            let batch_size = self.settings.batch_size.max(1);
            self.topics[at].sticky.produced(appended_bytes, batch_size, is_full);
        }
        Ok(Appended::Queued { delivery, wakes_sender: is_new || is_full })
    }

    fn check_size(&self, size: usize) -> Result<(), ProduceError> {
        let limits = [
            (self.settings.max_request_size, "max.request.size"),
            (self.settings.buffer_memory, "buffer.memory"),
        ];
        match limits.into_iter().find(|(limit, _)| size > *limit) {
            Some((limit, setting)) => Err(ProduceError::TooLarge { size, limit, setting }),
            None => Ok(()),
        }
    }

    /// The partition of a record, and whether it is the sticky one.
    fn choose(
        &mut self,
        now_ms: u64,
        at: usize,
        record: &Record<'_>,
    ) -> Result<Option<(usize, bool)>, ProduceError> {
        let topic = &mut self.topics[at];
        let count = topic.partitions.len();
        if let Some(partition) = record.partition {
            let what = "partition";
            let index = usize::try_from(partition)
                .map_err(|_| ProduceError::Negative { what, value: partition.into() })?;
            return Ok((index < count).then_some((index, false)));
        }
        if count == 0 {
            return Ok(None);
        }
        if self.settings.partitioner == Partitioner::RoundRobin {
            topic.next_partition = topic.next_partition.wrapping_add(1);
            return Ok(Some((self.round_robin(at), false)));
        }
        if let Some(key) = record.key.filter(|_| !self.settings.ignore_keys) {
            return Ok(Some((partition_of_key(key, count), false)));
        }
        let chosen = match self.topics[at].sticky.chosen() {
            Some(chosen) => chosen,
            None => {
                let chosen = self.choose_by_load(now_ms, at);
                self.topics[at].sticky.choose(chosen);
                chosen
            }
        };
        Ok(Some((chosen, true)))
    }

    /// The next partition in turn that has a leader, or just the next one.
    fn round_robin(&self, at: usize) -> usize {
        let topic = &self.topics[at];
        let count = topic.partitions.len();
        let led: Vec<usize> = (0..count).filter(|index| topic.partitions[*index].leader.is_some()).collect();
        match led.len() {
            0 => topic.next_partition % count,
            available => led[topic.next_partition % available],
        }
    }

    /// A partition for the next keyless records.
    fn choose_by_load(&mut self, now_ms: u64, at: usize) -> usize {
        let timeout_ms = self.settings.availability_timeout_ms;
        let is_stuck = |leader: &i32| {
            let since = self.nodes.get(leader).and_then(|node| node.stuck_since_ms);
            timeout_ms > 0 && since.is_some_and(|since| now_ms.saturating_sub(since) > timeout_ms)
        };
        let topic = &self.topics[at];
        let waiting = |length: usize| if self.settings.adaptive { length } else { 0 };
        let queues = |usable: &dyn Fn(Option<i32>) -> bool| -> Vec<(usize, usize)> {
            let partitions = topic.partitions.iter().enumerate();
            let usable = partitions.filter(|(_, partition)| usable(partition.leader));
            usable.map(|(index, partition)| (index, waiting(partition.queue.len()))).collect()
        };
        let mut candidates = queues(&|leader| leader.is_some_and(|leader| !is_stuck(&leader)));
        if candidates.is_empty() {
            candidates = queues(&|leader| leader.is_some());
        }
        if candidates.is_empty() {
            candidates = queues(&|_| true);
        }
        by_load(&candidates, &mut self.random)
    }

    /// Whether the last batch of the partition takes a record of `size` bytes; it is charged with what it
    /// grows by.
    fn make_room(&mut self, slot: Slot, size: usize) -> bool {
        let batch_size = self.settings.batch_size;
        let free = self.settings.buffer_memory - self.memory_used;
        let is_compressed = self.settings.compression.codec != Codec::None;
        let topic = &mut self.topics[slot.topic];
        let ratio = if is_compressed { topic.compression_ratio * ESTIMATE_TOLERANCE } else { 1.0 };
        let Some(batch) = topic.partitions[slot.partition].queue.back_mut().filter(|batch| batch.is_open())
        else {
            return false;
        };
        let grown = batch.uncompressed_size + size;
        if estimated(batch.uncompressed_size, ratio) + size > batch_size {
            return false;
        }
        if grown > batch.charged {
            let more = batch_size.max(grown - batch.charged);
            if more > free {
                return false;
            }
            batch.charged += more;
            self.memory_used += more;
        }
        true
    }

    fn open_batch(&mut self, now_ms: u64, slot: Slot, charged: usize) {
        let options = BatchOptions { compression: self.settings.compression, ..BatchOptions::default() };
        let builder = BatchBuilder::with_capacity(options, charged);
        let topic = &mut self.topics[slot.topic];
        let partition = &mut topic.partitions[slot.partition];
        // Kafka numbers partitions with 31 bits.
        let completion = Completion::new(topic.name.clone(), slot.partition as i32);
        partition.queue.push_back(Batch {
            order: (self.next_batch, 0),
            uncompressed_size: builder.uncompressed_size(),
            payload: Payload::Open(Box::new(builder)),
            record_count: 0,
            charged,
            created_ms: now_ms,
            attempts: 0,
            may_be_stored: false,
            retry_at_ms: 0,
            sent_to_epoch: -1,
            stamp: None,
            last_error: None,
            completion,
        });
        self.memory_used += charged;
        self.incomplete.insert(self.next_batch, 1);
        self.next_batch += 1;
        if !std::mem::replace(&mut partition.is_active, true) {
            self.active.push(slot);
        }
    }

    /// Adds a record to the last batch, which has room for it. Gives its result to come, whether the batch is
    /// full, and the bytes it took.
    fn push(
        &mut self,
        slot: Slot,
        timestamp_ms: i64,
        record: &Record<'_>,
    ) -> Result<(Delivery, bool, usize), ProduceError> {
        let batch_size = self.settings.batch_size;
        let is_compressed = self.settings.compression.codec != Codec::None;
        let topic = &mut self.topics[slot.topic];
        let ratio = if is_compressed { topic.compression_ratio * ESTIMATE_TOLERANCE } else { 1.0 };
        let missing = || ProduceError::Batch("no open batch".to_owned());
        let batch = topic.partitions[slot.partition].queue.back_mut().ok_or_else(missing)?;
        let Payload::Open(builder) = &mut batch.payload else { return Err(missing()) };
        builder
            .append(timestamp_ms, record.key, record.value, record.headers)
            .map_err(|error| ProduceError::Batch(error.to_string()))?;
        let appended_bytes = builder.uncompressed_size() - batch.uncompressed_size;
        batch.uncompressed_size = builder.uncompressed_size();
        let index = batch.record_count as u32;
        batch.record_count = builder.record_count();
        let is_full = estimated(batch.uncompressed_size, ratio) >= batch_size;
        Ok((batch.completion.delivery(index, timestamp_ms), is_full, appended_bytes))
    }

    /// Whether the batch will take no more records.
    pub(super) fn is_full(&self, slot: Slot, batch: &Batch) -> bool {
        let is_compressed = self.settings.compression.codec != Codec::None;
        let ratio = self.topics[slot.topic].compression_ratio * ESTIMATE_TOLERANCE;
        let ratio = if is_compressed { ratio } else { 1.0 };
        !batch.is_open() || estimated(batch.uncompressed_size, ratio) >= self.settings.batch_size
    }
}

fn estimated(uncompressed_size: usize, ratio: f64) -> usize {
    HEADER_SIZE + ((uncompressed_size - HEADER_SIZE) as f64 * ratio) as usize
}
