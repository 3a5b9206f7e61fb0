//! A batch that is too large for the broker becomes several, which keep its numbers and its place.

use rkafka_record::{BatchBuilder, BatchOptions, BatchRef, DecodeLimits, Header};

use super::batch::{Batch, Payload, Stamp};
use super::{Core, Fate, Resolved, Slot};
use crate::error::ApiError;
use crate::producer::delivery::Completion;
use crate::producer::error::ProduceError;

impl Core {
    /// Puts halves of the batch, or parts of `batch.size` where those are smaller, in its place. Tries are
    /// not counted: it was refused before it could be stored.
    pub(super) fn split(&mut self, slot: Slot, batch: Batch, error: &ApiError) {
        let limit = (batch.uncompressed_size / 2).min(self.settings.batch_size).max(1);
        let builders = match self.builders(&batch, limit) {
            Ok(builders) => builders,
            Err(reason) => {
                tracing::warn!(%error, %reason, "a batch that is too large cannot be split");
                self.give_up(slot, batch, ProduceError::Batch(reason), true);
                return;
            }
        };
        self.counts.splits += 1;
        // It compressed worse than was thought.
        self.topics[slot.topic].compression_ratio = 1.0;
        let topic = self.topics[slot.topic].name.clone();
        let (number, base) = batch.order;
        let mut told = Vec::with_capacity(builders.len());
        let (mut first, mut stamp, mut charged) = (0, batch.stamp, batch.charged);
        let count = builders.len();
        for (at, builder) in builders.into_iter().enumerate() {
            let completion = Completion::new(topic.clone(), slot.partition as i32);
            told.push((first, completion.clone()));
            let is_last = at + 1 == count;
            let share = if is_last { charged } else { builder.uncompressed_size().min(charged) };
            charged -= share;
            let part = Batch {
                order: (number, base + first),
                record_count: builder.record_count(),
                uncompressed_size: builder.uncompressed_size(),
                payload: Payload::Open(Box::new(builder)),
                charged: share,
                created_ms: batch.created_ms,
                attempts: batch.attempts,
                may_be_stored: batch.may_be_stored,
                retry_at_ms: 0,
                sent_to_epoch: -1,
                stamp,
                last_error: Some(error.clone().into()),
                completion,
            };
            first += part.record_count as u32;
            stamp = part
                .next_sequence()
                .zip(stamp)
                .map(|(base_sequence, stamp)| Stamp { base_sequence, ..stamp });
            self.partition(slot).put_back(part);
        }
        if let Some(parts) = self.incomplete.get_mut(&number) {
            *parts += count as u32 - 1;
        }
        self.resolved.push(Resolved { completion: batch.completion, fate: Fate::Split(told) });
    }

    /// The records of a batch in several, none of more than `limit` bytes unless it has a single record.
    fn builders(&self, batch: &Batch, limit: usize) -> Result<Vec<BatchBuilder>, String> {
        let Payload::Sealed(bytes) = &batch.payload else { return Err("its bytes are gone".to_owned()) };
        let limits = DecodeLimits::bytes(batch.uncompressed_size);
        let decoded = BatchRef::parse(bytes).and_then(|batch| batch.decode(limits));
        let decoded = decoded.map_err(|error| error.to_string())?;
        let options = BatchOptions { compression: self.settings.compression, ..BatchOptions::default() };
        let mut builders: Vec<BatchBuilder> = Vec::new();
        let mut headers: Vec<Header<'_>> = Vec::new();
        for record in decoded.records() {
            let record = record.map_err(|error| error.to_string())?;
            headers.clear();
            headers.extend(record.headers());
            let size = rkafka_record::builder::record_size_max(record.key, record.value, &headers);
            let has_room = |builder: &BatchBuilder| builder.uncompressed_size() + size <= limit;
            if !builders.last().is_some_and(has_room) {
                builders.push(BatchBuilder::with_capacity(options, limit));
            }
            if let Some(builder) = builders.last_mut() {
                let appended = builder.append(record.timestamp, record.key, record.value, &headers);
                appended.map_err(|error| error.to_string())?;
            }
        }
        Ok(builders)
    }
}
