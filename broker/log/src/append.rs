//! Appending: the only place where batches get into a log.
//!
//! A leader assigns offsets by copying the 61 header bytes with base offset and leader epoch replaced (both lie outside
//! the CRC) and hands that header and the rest of the client's own buffer to one `pwritev`. Order: checks → roll →
//! epoch file → write → indexes, producer states → view. Nothing is published before it is written, and a failure up
//! to and including the write leaves the log as it was.

use std::io::IoSlice;
use std::sync::Arc;

use rkafka_record::{Batches, HEADER_SIZE};

use crate::error::{AppendError, LogError};
use crate::log::Log;
use crate::producer::{AppendOrigin, BatchKind, Check, CompletedTransaction, ProducerBatch};
use crate::scan::BatchPlace;
use crate::txn_index::AbortedEntry;
use crate::validate::ValidBatch;

/// The circumstances of an append by a leader.
#[derive(Debug, Clone, Copy)]
pub struct AppendContext {
    /// Epoch of the leader that appends.
    pub leader_epoch: i32,
    /// Who writes: decides what is checked.
    pub origin: AppendOrigin,
    /// Wall time, milliseconds since 1970.
    pub now_ms: i64,
    /// This replica is the only one: the high watermark moves with the append.
    pub sole_replica: bool,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendOutcome {
    /// Offset of the first record. Of a duplicate: that of the first copy.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time given to all records if the topic uses LogAppendTime; of a duplicate, the first copy's.
    pub log_append_time_ms: Option<i64>,
    /// Log start offset at that moment.
    pub log_start_offset: i64,
    /// The batch was in the log already; nothing was written. Answer once the copy is committed.
    pub duplicate: bool,
    /// A new segment was begun: older ones are to be flushed in the background.
    pub rolled: bool,
}

/// A batch of which everything is known but that is not yet in the log.
struct Incoming {
    /// Position relative to the bytes it came in.
    place: BatchPlace,
    producer: ProducerBatch,
}

impl Log {
    /// Appends one batch as leader: [`ValidBatch::check`] and [`append_validated`](Self::append_validated) in one.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then unchanged.
    pub fn append_leader(&mut self, batch: &[u8], context: &AppendContext) -> Result<AppendOutcome, AppendError> {
        let valid = ValidBatch::check(batch, &self.config, context.origin, context.now_ms)?;
        self.append_validated(&valid, context)
    }

    /// Appends a checked batch as leader: judges its producer, assigns offsets, writes it, publishes it. With
    /// `flush.messages` reached it is durable when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then unchanged. Only if the flush fails the batch may be there all the same; the
    /// log directory is offline then.
    pub fn append_validated(
        &mut self,
        valid: &ValidBatch<'_>,
        context: &AppendContext,
    ) -> Result<AppendOutcome, AppendError> {
        self.health.check()?;
        self.latest_ms = context.now_ms;
        let batch = valid.batch()?;
        let log_append_time_ms = valid.log_append_time_ms();
        let mut place = BatchPlace::new(0, &batch);
        place.max_timestamp = log_append_time_ms.unwrap_or(place.max_timestamp);
        place.leader_epoch = context.leader_epoch;
        place.base_offset = self.log_end_offset;
        place.last_offset = place.base_offset.saturating_add(i64::from(batch.last_offset_delta()));
        let incoming = Incoming { place, producer: valid.producer_batch(place.base_offset) };
        if let Some(duplicate) = self.judge_producer(&incoming, valid.origin(), log_append_time_ms)? {
            return Ok(duplicate);
        }
        let rolled = self.roll_if_needed(&place, context.now_ms)?;
        let header = valid.header(&batch, place.base_offset, context.leader_epoch);
        let records = batch.bytes().get(HEADER_SIZE..).unwrap_or_default();
        self.write(&[IoSlice::new(&header), IoSlice::new(records)], &[incoming], context.now_ms)?;
        if context.sole_replica {
            self.raise_high_watermark(self.log_end_offset);
        }
        self.publish();
        self.flush_if_due()?;
        Ok(AppendOutcome {
            base_offset: place.base_offset,
            last_offset: place.last_offset,
            log_append_time_ms,
            log_start_offset: self.log_start_offset,
            duplicate: false,
            rolled,
        })
    }

    /// Refuses what the producer must not write; answers a repeated batch with the offsets of its first copy.
    fn judge_producer(
        &self,
        incoming: &Incoming,
        origin: AppendOrigin,
        log_append_time_ms: Option<i64>,
    ) -> Result<Option<AppendOutcome>, AppendError> {
        if !incoming.producer.has_producer_id() {
            return Ok(None);
        }
        Ok(match self.producers.check(&incoming.producer, origin)? {
            Check::Accept => None,
            Check::Duplicate { base_offset, last_offset, timestamp } => Some(AppendOutcome {
                base_offset,
                last_offset,
                log_append_time_ms: log_append_time_ms.map(|_| timestamp),
                log_start_offset: self.log_start_offset,
                duplicate: true,
                rolled: false,
            }),
        })
    }

    /// Appends batches fetched from the leader, with offsets and epochs as they are. Each CRC is checked: the bytes
    /// came over the network. Bytes of an incomplete last batch are left out.
    ///
    /// # Errors
    /// [`AppendError`]; the batches before the one that is refused may have been appended, the log is consistent.
    pub fn append_follower(&mut self, batches: &[u8], now_ms: i64) -> Result<AppendOutcome, AppendError> {
        self.health.check()?;
        self.latest_ms = now_ms;
        let base_offset = self.log_end_offset;
        let mut rolled = false;
        let incoming = self.check_fetched(batches)?;
        let mut rest = &incoming[..];
        while let Some(first) = rest.first() {
            rolled |= self.roll_if_needed(&first.place, now_ms)?;
            let count = self.fitting(rest);
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            self.append_fetched(now, batches, now_ms)?;
            rest = later;
        }
        self.publish();
        self.flush_if_due()?;
        Ok(AppendOutcome {
            base_offset: incoming.first().map_or(base_offset, |first| first.place.base_offset),
            last_offset: self.log_end_offset.saturating_sub(1),
            log_append_time_ms: None,
            log_start_offset: self.log_start_offset,
            duplicate: false,
            rolled,
        })
    }

    fn check_fetched(&self, bytes: &[u8]) -> Result<Vec<Incoming>, AppendError> {
        let mut incoming = Vec::new();
        let (mut expected, mut position) = (self.log_end_offset, 0);
        for batch in Batches::new(bytes) {
            let batch = match batch {
                Err(rkafka_record::BatchError::Incomplete { .. }) if position > 0 => break,
                other => other?,
            };
            batch.check_crc()?;
            let place = BatchPlace::new(position, &batch);
            if place.base_offset < expected {
                let BatchPlace { base_offset, last_offset, .. } = place;
                return Err(AppendError::UnexpectedOffset { base_offset, last_offset, expected });
            }
            expected = place.last_offset.saturating_add(1);
            position = place.end();
            incoming.push(Incoming { place, producer: ProducerBatch::new(&batch, place.base_offset) });
        }
        Ok(incoming)
    }

    /// How many of the first batches go into the active segment (one that has just been checked for rolling: at least
    /// one does), by size and by offset.
    fn fitting(&self, incoming: &[Incoming]) -> usize {
        let start = incoming.first().map_or(0, |first| first.place.position);
        let room = self.config.segment_bytes.saturating_sub(self.active.size());
        let offset_limit = self.active.segment().base_offset().saturating_add(i64::from(i32::MAX));
        let fits = |place: &BatchPlace| place.end() - start <= room && place.last_offset <= offset_limit;
        incoming.iter().take_while(|next| fits(&next.place)).count().max(1)
    }

    fn append_fetched(&mut self, incoming: &[Incoming], bytes: &[u8], now_ms: i64) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (incoming.first(), incoming.last()) else { return Ok(()) };
        let start = first.place.position;
        let range = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(last.place.end()).unwrap_or(0);
        let part = bytes.get(range).unwrap_or_default();
        self.write(&[IoSlice::new(part)], incoming, now_ms)?;
        Ok(())
    }

    /// Begins a new segment if the batch must not go into the active one.
    fn roll_if_needed(&mut self, place: &BatchPlace, now_ms: i64) -> Result<bool, LogError> {
        let jitter_ms = self.jitter_ms();
        let must_roll = self.active.must_roll(&self.config, jitter_ms, place, now_ms);
        if !self.health.watch(must_roll)? {
            return Ok(false);
        }
        // A leader's cleaner may have left a gap before the batch. It goes inside the segment if it can: recovery takes
        // one between segments for a loss.
        let reaches = place.last_offset.saturating_sub(self.log_end_offset) <= i64::from(i32::MAX);
        let base_offset = if reaches { self.log_end_offset } else { place.base_offset };
        self.roll_at(base_offset, now_ms)?;
        self.publish();
        Ok(true)
    }

    /// Notes the epochs of `incoming` and writes its bytes; if they cannot be written the epochs are as before.
    fn write(&mut self, parts: &[IoSlice<'_>], incoming: &[Incoming], now_ms: i64) -> Result<(), LogError> {
        let epochs = Arc::clone(&self.epochs);
        let mut noted = incoming.iter().map(|next| (next.place.leader_epoch, next.place.base_offset));
        let written = noted.try_for_each(|(epoch, start_offset)| self.note_epoch(epoch, start_offset));
        let written = written.and_then(|()| self.write_batches(parts, incoming, now_ms));
        if written.is_err() && !Arc::ptr_eq(&epochs, &self.epochs) {
            // Best effort: recovery compares the file with the batches.
            let _ = self.change_epochs(|changed| {
                changed.clone_from(&epochs);
                true
            });
            self.epochs = epochs;
        }
        written
    }

    /// Writes the bytes of `incoming` and takes them into everything that is derived from them.
    fn write_batches(
        &mut self,
        parts: &[IoSlice<'_>],
        incoming: &[Incoming],
        now_ms: i64,
    ) -> Result<(), LogError> {
        let start = incoming.first().map_or(0, |first| first.place.position);
        let places = incoming.iter().map(|next| BatchPlace { position: next.place.position - start, ..next.place });
        let places: smallvec::SmallVec<[BatchPlace; 1]> = places.collect();
        let is_abort = |next: &&Incoming| matches!(next.producer.kind, BatchKind::EndTransaction(end) if !end.committed);
        let aborts = incoming.iter().filter(is_abort).count();
        if aborts > 0 {
            let reserved = self.active.segment().transactions().reserve(aborts);
            self.health.watch(reserved)?;
        }
        let written = self.active.append(parts, &places, self.config.index_interval_bytes, now_ms);
        self.health.watch(written)?;
        for next in incoming {
            self.log_end_offset = next.place.last_offset.saturating_add(1);
            match self.producers.update(&next.producer) {
                Some(completed) if completed.aborted => self.index_aborted(&completed)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes an aborted transaction in the active segment's transaction index. Readers of committed data depend on
    /// it and the marker is in the log already, so a failure takes the directory offline (space was reserved before).
    fn index_aborted(&mut self, completed: &CompletedTransaction) -> Result<(), LogError> {
        let entry = aborted_entry(completed);
        let appended = self.active.segment().transactions().append(entry);
        self.health.watch_sync(appended)
    }

    fn flush_if_due(&mut self) -> Result<(), LogError> {
        if self.unflushed_records() >= self.config.flush_messages { self.flush() } else { Ok(()) }
    }
}

/// The transaction index entry of an aborted transaction.
pub(crate) fn aborted_entry(completed: &CompletedTransaction) -> AbortedEntry {
    AbortedEntry {
        producer_id: completed.producer_id,
        first_offset: completed.first_offset,
        last_offset: completed.last_offset,
        last_stable_offset: completed.last_stable_offset,
    }
}
