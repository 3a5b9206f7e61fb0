//! Appending: the only place where batches get into a log.
//!
//! A leader assigns offsets by copying the 61 header bytes with base offset and leader epoch replaced (both
//! lie outside the CRC) and hands that header and the rest of the client's own buffer to one `pwritev`.
//! Order: checks → roll → epoch file → write → indexes, producer states → flush, if `flush.messages` asks for
//! one → view. Nothing is published before it is written, or durable where that was asked for, and a failure
//! up to and including the write leaves the log as it was.

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
    /// The time given to all records if the topic uses LogAppendTime. Of a duplicate, the largest timestamp
    /// of the first copy, whoever set it.
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
    /// Appends one batch as leader: [`ValidBatch::check`] and [`append_validated`](Self::append_validated) in
    /// one.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then unchanged.
    pub fn append_leader(
        &mut self,
        batch: &[u8],
        context: &AppendContext,
    ) -> Result<AppendOutcome, AppendError> {
        let valid = ValidBatch::check(batch, &self.config, context.origin, context.now_ms)?;
        self.append_validated(&valid, context)
    }

    /// Appends a checked batch as leader: judges its producer, assigns offsets, writes it, publishes it. With
    /// `flush.messages` reached it is durable when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then unchanged. Only if the flush fails the batch may be there all the
    /// same; the log directory is offline then.
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
        if let Some(duplicate) = self.judge_producer(&incoming, valid.origin())? {
            return Ok(duplicate);
        }
        let rolled = self.roll_if_needed(&place, context.now_ms)?;
        let header = valid.header(&batch, place.base_offset, context.leader_epoch);
        let records = batch.bytes().get(HEADER_SIZE..).unwrap_or_default();
        mutant!("publish-before-write", {
            self.log_end_offset = place.last_offset + 1;
            self.publish();
        });
        self.write(&[IoSlice::new(&header), IoSlice::new(records)], &[incoming], context.now_ms)?;
        // Before anybody can read it: what a consumer has seen must not be gone after a power cut.
        self.flush_if_due()?;
        if context.sole_replica {
            self.raise_high_watermark(self.log_end_offset);
        }
        self.publish();
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
    ) -> Result<Option<AppendOutcome>, AppendError> {
        if !incoming.producer.has_producer_id() {
            return Ok(None);
        }
        Ok(match self.producers.check(&incoming.producer, origin)? {
            Check::Accept => None,
            Check::Duplicate { base_offset, last_offset, timestamp } => Some(AppendOutcome {
                base_offset,
                last_offset,
                log_append_time_ms: Some(timestamp),
                log_start_offset: self.log_start_offset,
                duplicate: true,
                rolled: false,
            }),
        })
    }

    /// Appends batches fetched from the leader, with offsets and epochs as they are. Each CRC is checked: the
    /// bytes came over the network. Bytes of an incomplete last batch are left out. An empty log that begins inside
    /// the first batch takes it whole.
    ///
    /// # Errors
    /// [`AppendError`]; the batches before the one that is refused may have been appended, the log is
    /// consistent.
    pub fn append_follower(&mut self, batches: &[u8], now_ms: i64) -> Result<AppendOutcome, AppendError> {
        self.health.check()?;
        self.latest_ms = now_ms;
        let log_start_offset = self.log_start_offset;
        self.begin_with_first(batches)?;
        let base_offset = self.log_end_offset;
        let incoming = self.check_fetched(batches)?;
        let appended = self.append_checked(&incoming, batches, now_ms);
        if (self.log_start_offset + 1..=self.log_end_offset).contains(&log_start_offset) {
            self.raise_log_start(log_start_offset);
        }
        self.flush_if_due()?;
        // Also what came before the batch that was refused.
        self.publish();
        let rolled = appended?;
        Ok(AppendOutcome {
            base_offset: incoming.first().map_or(base_offset, |first| first.place.base_offset),
            last_offset: self.log_end_offset.saturating_sub(1),
            log_append_time_ms: None,
            log_start_offset: self.log_start_offset,
            duplicate: false,
            rolled,
        })
    }

    /// DeleteRecords lets a log begin inside a batch, so a copy begins anew inside that batch too, and yet must
    /// take all of it.
    fn begin_with_first(&mut self, batches: &[u8]) -> Result<(), AppendError> {
        let start = self.log_start_offset;
        let is_empty = self.active.size() == 0 && self.segments.len() == 1 && start == self.log_end_offset;
        let first = is_empty.then(|| Batches::new(batches).next()).flatten();
        let Some(Ok(first)) = first.filter(|first| {
            first.as_ref().is_ok_and(|first| first.base_offset() < start && start <= first.last_offset())
        }) else {
            return Ok(());
        };
        first.check_crc()?;
        Ok(self.truncate_fully(first.base_offset())?.run(&*self.home.disk)?)
    }

    /// Returns whether a new segment was begun.
    fn append_checked(
        &mut self,
        incoming: &[Incoming],
        batches: &[u8],
        now_ms: i64,
    ) -> Result<bool, LogError> {
        let (mut rest, mut rolled) = (incoming, false);
        while let Some(first) = rest.first() {
            rolled |= self.roll_if_needed(&first.place, now_ms)?;
            let count = self.fitting(rest);
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            self.append_fetched(now, batches, now_ms)?;
            rest = later;
        }
        Ok(rolled)
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

    /// How many of the first batches go into the active segment (one that has just been checked for rolling:
    /// at least one does), by size and by offset.
    fn fitting(&self, incoming: &[Incoming]) -> usize {
        let start = incoming.first().map_or(0, |first| first.place.position);
        let room = self.config.segment_bytes.saturating_sub(self.active.size());
        let offset_limit = self.active.segment().base_offset().saturating_add(i64::from(i32::MAX));
        let fits = |place: &BatchPlace| place.end() - start <= room && place.last_offset <= offset_limit;
        incoming.iter().take_while(|next| fits(&next.place)).count().max(1)
    }

    fn append_fetched(&mut self, incoming: &[Incoming], bytes: &[u8], now_ms: i64) -> Result<(), LogError> {
        let (Some(first), Some(last)) = (incoming.first(), incoming.last()) else { return Ok(()) };
        let start = first.place.position;
        let range =
            usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(last.place.end()).unwrap_or(0);
        let part = bytes.get(range).unwrap_or_default();
        self.write(&[IoSlice::new(part)], incoming, now_ms)
    }

    /// Begins a new segment if the batch must not go into the active one.
    fn roll_if_needed(&mut self, place: &BatchPlace, now_ms: i64) -> Result<bool, LogError> {
        let jitter_ms = self.jitter_ms();
        let must_roll = self.active.must_roll(&self.config, jitter_ms, place, now_ms);
        if !self.health.watch(must_roll)? {
            return Ok(false);
        }
        // A leader's cleaner may have left a gap before the batch. It goes inside the segment if it can:
        // recovery takes one between segments for a loss.
        let reaches = place.last_offset.saturating_sub(self.log_end_offset) <= i64::from(i32::MAX);
        let base_offset = if reaches { self.log_end_offset } else { place.base_offset };
        self.roll_at(base_offset, now_ms)?;
        self.publish();
        Ok(true)
    }

    /// Notes the epochs of `incoming` and writes its bytes; if they cannot be written the epochs are as
    /// before.
    fn write(&mut self, parts: &[IoSlice<'_>], incoming: &[Incoming], now_ms: i64) -> Result<(), LogError> {
        let epochs = Arc::clone(&self.epochs);
        for next in incoming {
            self.note_epoch(next.place.leader_epoch, next.place.base_offset);
        }
        let written = self.write_epochs().and_then(|()| self.write_batches(parts, incoming, now_ms));
        if written.is_err() && !Arc::ptr_eq(&epochs, &self.epochs) {
            // Should the file tell of them: opening drops epochs that begin at the log end.
            self.epochs = epochs;
            self.epochs_unwritten = true;
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
        let places =
            incoming.iter().map(|next| BatchPlace { position: next.place.position - start, ..next.place });
        let places: smallvec::SmallVec<[BatchPlace; 1]> = places.collect();
        let is_abort =
            |next: &&Incoming| matches!(next.producer.kind, BatchKind::EndTransaction(end) if !end.committed);
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

    /// Notes an aborted transaction in the active segment's transaction index. Readers of committed data
    /// depend on it and the marker is in the log already, so a failure takes the directory offline (space was
    /// reserved before).
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

#[cfg(test)]
mod tests {
    use rkafka_record::{BatchBuilder, BatchOptions, BatchRef};

    use super::*;
    use crate::config::LogConfig;
    use crate::disk::mem::{CallKind, Failure};
    use crate::testing::{DIR, NOW_MS, TestLog, batch, config, from_producer, options};

    fn one(value: &str) -> Vec<u8> {
        batch(BatchOptions::default(), &[(NOW_MS, None, value)])
    }

    #[test]
    fn a_copy_that_begins_inside_a_batch_takes_it_whole() {
        let mut test = TestLog::new(config());
        let _ = test.log.truncate_fully(7).expect("begins anew");
        test.log.append_follower(&fetched(5, 2, 4), NOW_MS).expect("appends");
        test.log.check_invariants();
        assert_eq!((test.log.log_start_offset(), test.log.log_end_offset()), (7, 9));
        assert_eq!(test.batches_from(7), [(5, 8)]);
        // Only if there is nothing yet.
        let refused = test.log.append_follower(&fetched(8, 2, 4), NOW_MS).expect_err("refused");
        assert!(matches!(refused, AppendError::UnexpectedOffset { .. }), "{refused}");
        let test = test.reopened(crate::OpenOptions { log_start_offset: 7, ..options() });
        assert_eq!((test.log.log_start_offset(), test.log.log_end_offset()), (7, 9));
    }

    fn fetched(base_offset: i64, epoch: i32, records: usize) -> Vec<u8> {
        let options = BatchOptions { base_offset, partition_leader_epoch: epoch, ..BatchOptions::default() };
        batch(options, &vec![(NOW_MS, None, "value"); records])
    }

    #[test]
    fn a_batch_is_written_by_one_call_and_is_the_clients_but_for_its_header() {
        let mut test = TestLog::new(config());
        test.append(&one("first"));
        let before = test.disk.calls(CallKind::Write);
        let sent = batch(BatchOptions::default(), &[(NOW_MS, None, "a"), (NOW_MS, None, "b")]);
        let outcome = test.append(&sent);
        assert_eq!(test.disk.calls(CallKind::Write) - before, 1);
        assert_eq!((outcome.base_offset, outcome.last_offset, outcome.duplicate), (1, 2, false));
        let stored = test.disk.contents(&test.path("00000000000000000000.log")).expect("there");
        let stored = stored.get(one("first").len()..).unwrap_or_default();
        assert_eq!(
            stored.get(17..),
            sent.get(17..),
            "behind offset, length, epoch and magic nothing changes"
        );
        let header = BatchRef::parse(stored).expect("a batch");
        assert_eq!((header.base_offset(), header.partition_leader_epoch()), (1, 1));
    }

    #[test]
    fn a_repeated_batch_is_answered_with_its_first_offsets() {
        let mut test = TestLog::new(config());
        let sent =
            |sequence| batch(from_producer(9, sequence, false), &[(NOW_MS, None, "a"), (NOW_MS, None, "b")]);
        for (sequence, offset) in [(0, 0), (2, 2), (4, 4)] {
            assert_eq!(test.append(&sent(sequence)).base_offset, offset);
        }
        let again = test.append(&sent(2));
        assert_eq!((again.base_offset, again.last_offset, again.duplicate), (2, 3, true));
        assert_eq!(again.log_append_time_ms, Some(NOW_MS), "the first copy's, as Kafka tells it");
        assert_eq!(test.log.log_end_offset(), 6);
        assert!(matches!(test.try_append(&sent(8), AppendOrigin::Client), Err(AppendError::Producer(_))));
        assert_eq!(test.log.log_end_offset(), 6);
    }

    #[test]
    fn segments_are_rolled_by_size() {
        let size = one("value").len() as u64;
        let mut test = TestLog::new(LogConfig { segment_bytes: 3 * size, ..config() });
        let rolled: Vec<bool> = (0..7).map(|_| test.append(&one("value")).rolled).collect();
        assert_eq!(rolled, [false, false, false, true, false, false, true]);
        assert_eq!(test.base_offsets(), [0, 3, 6]);
        assert!(test.names().contains(&"00000000000000000003.snapshot".to_owned()), "{:?}", test.names());
    }

    #[test]
    fn segments_are_rolled_by_the_time_between_records_and_by_the_clock_without_timestamps() {
        let at = |time| batch(BatchOptions::default(), &[(time, None, "value")]);
        let mut test = TestLog::new(LogConfig { segment_ms: 1000, ..config() });
        for time in [5000, 6000, 1, 6001, 7001, 7002] {
            test.append(&at(time));
        }
        assert_eq!(test.base_offsets(), [0, 3, 5]);

        let mut test = TestLog::new(LogConfig { segment_ms: 1000, ..config() });
        for now_ms in [NOW_MS, NOW_MS + 1000, NOW_MS + 1001, NOW_MS + 1002] {
            let context =
                AppendContext { leader_epoch: 0, origin: AppendOrigin::Client, now_ms, sole_replica: true };
            test.log.append_leader(&at(-1), &context).expect("appends");
        }
        assert_eq!(test.base_offsets(), [0, 2]);
    }

    #[test]
    fn jitter_rolls_earlier_and_differs_between_segments() {
        let config = LogConfig { segment_ms: 1000, segment_jitter_ms: 900, ..config() };
        let mut test = TestLog::new(config);
        let mut seen = Vec::new();
        for _ in 0..5 {
            let jitter = test.log.jitter_ms();
            assert!((0..900).contains(&jitter), "{jitter}");
            seen.push(jitter);
            test.append(&one("value"));
            test.log.roll(NOW_MS).expect("rolls");
        }
        seen.dedup();
        assert!(seen.len() > 1, "{seen:?}");
    }

    #[test]
    fn a_full_index_rolls_the_segment() {
        // Room for four entries of each index; the fourth time entry is for sealing.
        let config = LogConfig { segment_index_bytes: 48, index_interval_bytes: 0, ..config() };
        let mut test = TestLog::new(config);
        test.append_plain(30, 10);
        let sealed = test.log.segments.split_last().map(|(_, sealed)| sealed).unwrap_or_default();
        assert!(sealed.len() > 3, "{:?}", test.base_offsets());
        for segment in sealed {
            segment.load_indexes().expect("loads");
            let (offsets, times) = segment.index_lens();
            assert!(offsets * 8 <= 48 && times * 12 <= 48);
            assert!(offsets >= 3, "not before it is full");
        }
    }

    #[test]
    fn offsets_too_far_from_the_base_begin_a_new_segment() {
        let mut test = TestLog::new(config());
        test.log.append_follower(&fetched(5, 0, 1), NOW_MS).expect("appends");
        let far = i64::from(i32::MAX);
        test.log.append_follower(&fetched(far, 0, 1), NOW_MS).expect("appends");
        assert_eq!(test.base_offsets(), [0], "still representable");
        test.log.append_follower(&fetched(far + 1, 0, 1), NOW_MS).expect("appends");
        assert_eq!(test.base_offsets(), [0, far + 1]);
        test.log.append_follower(&fetched(3 * far, 0, 1), NOW_MS).expect("appends");
        assert_eq!(test.base_offsets(), [0, far + 1, 3 * far]);
        assert_eq!(test.batches_from(0), [(5, 5), (far, far), (far + 1, far + 1), (3 * far, 3 * far)]);
    }

    #[test]
    fn a_follower_takes_offsets_and_epochs_as_they_are() {
        let mut test = TestLog::new(LogConfig { segment_bytes: 300, ..config() });
        let batches =
            [fetched(0, 1, 2), fetched(2, 1, 1), fetched(5, 3, 4), fetched(9, 4, 1), fetched(10, 4, 2)]
                .concat();
        let with_part = [batches.clone(), fetched(12, 4, 1).split_at(40).0.to_vec()].concat();
        let outcome = test.log.append_follower(&with_part, NOW_MS).expect("appends");
        assert_eq!((outcome.base_offset, outcome.last_offset, outcome.rolled), (0, 11, true));
        assert_eq!(test.batches_from(0), [(0, 1), (2, 2), (5, 8), (9, 9), (10, 11)]);
        let epochs: Vec<_> = test.log.epochs().entries().iter().map(|e| (e.epoch, e.start_offset)).collect();
        assert_eq!(epochs, [(1, 0), (3, 5), (4, 9)]);
        assert!(test.log.segments.iter().all(|segment| segment.size() <= 300));
        let stale = test.log.append_follower(&fetched(11, 4, 1), NOW_MS).expect_err("known already");
        assert!(
            matches!(stale, AppendError::UnexpectedOffset { base_offset: 11, expected: 12, .. }),
            "{stale}"
        );
        let mut damaged = fetched(12, 4, 1);
        damaged[70] ^= 1;
        assert!(test.log.append_follower(&damaged, NOW_MS).is_err());
        assert_eq!(test.log.log_end_offset(), 12);
    }

    #[test]
    fn the_high_watermark_moves_with_the_only_replica_or_when_told() {
        let mut test = TestLog::new(config());
        test.append(&one("value"));
        assert_eq!((test.log.high_watermark(), test.log.view().high_watermark), (1, 1));
        let context = AppendContext {
            leader_epoch: 1,
            origin: AppendOrigin::Client,
            now_ms: NOW_MS,
            sole_replica: false,
        };
        test.log.append_leader(&one("value"), &context).expect("appends");
        assert_eq!((test.log.high_watermark(), test.log.view().log_end_offset), (1, 2));
        assert!(test.log.update_high_watermark(100), "as far as the log goes");
        assert!(!test.log.update_high_watermark(1), "never back");
        assert_eq!((test.log.view().high_watermark, test.log.view().last_stable_offset), (2, 2));
    }

    #[test]
    fn an_open_transaction_holds_down_the_stable_offset_until_its_marker_is_committed() {
        let mut test = TestLog::new(config());
        let context = AppendContext {
            leader_epoch: 1,
            origin: AppendOrigin::Client,
            now_ms: NOW_MS,
            sole_replica: false,
        };
        test.append(&one("value"));
        let sent = batch(from_producer(1, 0, true), &[(NOW_MS, None, "value")]);
        test.log.append_leader(&sent, &context).expect("appends");
        test.log.update_high_watermark(2);
        assert_eq!(test.log.view().last_stable_offset, 1);
        let marker = rkafka_record::control::EndTransactionMarker { committed: true, coordinator_epoch: 0 };
        let marker = marker.batch(1, 0, NOW_MS).expect("builds");
        let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
        test.log.append_leader(&marker, &AppendContext { origin, ..context }).expect("appends");
        assert_eq!(test.log.view().last_stable_offset, 1, "the marker could still be truncated");
        assert!(test.log.update_high_watermark(3));
        assert_eq!(test.log.view().last_stable_offset, 3);
    }

    #[test]
    fn a_full_disk_refuses_a_batch_and_is_forgotten() {
        let mut test = TestLog::new(config());
        test.append_plain(3, 100);
        let failures = [
            (CallKind::Reserve, Failure::NoSpace),
            (CallKind::Write, Failure::NoSpace),
            (CallKind::Write, Failure::ShortWrite),
        ];
        for (kind, failure) in failures {
            let large = one(&"v".repeat(100_000));
            // The second attempt takes exactly what is needed, so both must fail.
            test.disk.fail_nth(kind, 1, failure);
            test.disk.fail_nth(kind, 2, failure);
            let end = test.log.log_end_offset();
            match test.try_append(&large, AppendOrigin::Client) {
                Err(AppendError::Log(error)) => assert!(error.is_disk_full(), "{error}"),
                Ok(_) => assert_eq!(kind, CallKind::Reserve, "only reserving is tried twice"),
                Err(other) => panic!("{other}"),
            }
            while test.disk.has_faults() {
                let _ = test.try_append(&one(&"v".repeat(100_000)), AppendOrigin::Client);
            }
            assert!(test.log.health().is_online());
            test.append_plain(1, 100);
            let spans = test.batches_from(0);
            assert_eq!(spans.len() as i64, test.log.log_end_offset(), "from {end}: {spans:?}");
        }
        let test = test.reopened(options());
        assert_eq!(test.report.bytes_truncated, 0, "no part of a refused batch is left");
    }

    #[test]
    fn a_failed_write_takes_the_directory_offline_and_reads_go_on() {
        let mut test = TestLog::new(config());
        test.append_plain(3, 100);
        test.disk.fail_nth(CallKind::Write, 1, Failure::Io);
        assert!(matches!(
            test.try_append(&one("value"), AppendOrigin::Client),
            Err(AppendError::Log(LogError::Io { .. }))
        ));
        let refused = test.try_append(&one("value"), AppendOrigin::Client).expect_err("offline");
        assert!(matches!(refused, AppendError::Log(LogError::Offline { .. })), "{refused}");
        assert!(refused.to_string().contains(DIR), "{refused}");
        assert_eq!(test.batches_from(0), [(0, 0), (1, 1), (2, 2)]);
        assert!(
            test.log.flush().is_err() && test.log.roll(NOW_MS).is_err() && test.log.truncate_to(1).is_err()
        );
    }

    #[test]
    fn records_of_any_offset_delta_keep_their_place() {
        let mut test = TestLog::new(config());
        let mut builder =
            BatchBuilder::new(BatchOptions { last_offset: Some(99), ..BatchOptions::default() });
        builder.append_at(40, NOW_MS, None, Some(b"compacted"), &[]).expect("fits");
        test.log.append_follower(&builder.build().expect("builds"), NOW_MS).expect("appends");
        assert_eq!((test.log.log_end_offset(), test.batches_from(50)), (100, vec![(0, 99)]));
    }
}
