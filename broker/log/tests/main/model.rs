//! What a log must hold: the list of batches that were accepted, as plain values.

use std::sync::Arc;

use bytes::Bytes;
use rkafka_log::epoch::LeaderEpochs;
use rkafka_log::producer::{BatchKind, ProducerBatch, ProducerStates};
use rkafka_record::{BatchRef, Batches};

/// One batch as it must stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) bytes: Bytes,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) max_timestamp: i64,
    pub(crate) facts: ProducerBatch,
}

impl StoredBatch {
    pub(crate) fn new(bytes: Bytes) -> Self {
        let batch =
            BatchRef::parse(&bytes).expect("a batch of the test's own making or read through the log");
        let (base_offset, last_offset) = (batch.base_offset(), batch.last_offset());
        let (leader_epoch, max_timestamp) = (batch.partition_leader_epoch(), batch.max_timestamp());
        let facts = ProducerBatch::new(&batch, base_offset);
        Self { bytes, base_offset, last_offset, leader_epoch, max_timestamp, facts }
    }

    pub(crate) fn parse(&self) -> BatchRef<'_> {
        BatchRef::parse(&self.bytes).expect("checked when made")
    }
}

/// Splits read bytes into batches; all must be whole and sound.
pub(crate) fn split(bytes: &Bytes) -> Result<Vec<StoredBatch>, String> {
    let mut found = Vec::new();
    let mut position = 0;
    for batch in Batches::new(bytes) {
        let batch = batch.map_err(|error| format!("unreadable batch at byte {position}: {error}"))?;
        batch.check_crc().map_err(|error| format!("batch at offset {}: {error}", batch.base_offset()))?;
        found.push(StoredBatch::new(bytes.slice(position..position + batch.size())));
        position += batch.size();
    }
    Ok(found)
}

/// A transaction that was aborted, as the model knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Aborted {
    pub(crate) first_offset: i64,
    pub(crate) marker_offset: i64,
    pub(crate) producer_id: i64,
}

/// The log after some step. Batches below the log start are included: they tell what may be remembered of
/// producers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// As they stand in the files: compaction changes them.
    pub(crate) batches: Vec<Arc<StoredBatch>>,
    /// As they were appended.
    pub(crate) history: Vec<Arc<StoredBatch>>,
    pub(crate) log_start: i64,
    pub(crate) end: i64,
    pub(crate) high_watermark: i64,
    pub(crate) recovery_point: i64,
    /// Everything below it has been flushed by a call that returned.
    pub(crate) flushed: i64,
    /// Number of the step that flushed last: a power cut leads back to it or to a later one.
    pub(crate) flushed_by: usize,
    /// All of it, from the first batch on.
    pub(crate) producers: ProducerStates,
    pub(crate) aborted: Vec<Aborted>,
    /// Some batches have been compacted.
    pub(crate) is_compacted: bool,
}

impl Model {
    pub(crate) fn push(&mut self, batch: StoredBatch) {
        let ended = self.producers.update(&batch.facts);
        if let Some(ended) = ended.filter(|transaction| transaction.aborted) {
            self.aborted.push(Aborted {
                first_offset: ended.first_offset,
                marker_offset: ended.last_offset,
                producer_id: ended.producer_id,
            });
        }
        self.end = batch.last_offset + 1;
        let batch = Arc::new(batch);
        self.history.push(Arc::clone(&batch));
        self.batches.push(batch);
    }

    /// The same log cut at `end`, replayed from its first batch.
    pub(crate) fn cut(&self, end: i64) -> Self {
        let mut cut = Self {
            log_start: self.log_start.min(end),
            high_watermark: self.high_watermark.min(end),
            recovery_point: self.recovery_point.min(end),
            flushed: self.flushed.min(end),
            flushed_by: self.flushed_by,
            is_compacted: self.is_compacted,
            ..Self::default()
        };
        for batch in self.history.iter().take_while(|batch| batch.last_offset < end) {
            cut.push(StoredBatch::clone(batch));
        }
        if self.is_compacted {
            let kept = self.batches.iter().take_while(|batch| batch.last_offset < end);
            cut.batches = kept.cloned().collect();
        }
        cut.end = end;
        cut.producers.on_high_watermark(cut.high_watermark);
        cut
    }

    /// Nothing but a place to go on.
    pub(crate) fn empty_at(offset: i64) -> Self {
        Self {
            log_start: offset,
            end: offset,
            high_watermark: offset,
            recovery_point: offset,
            producers: ProducerStates::new(offset),
            ..Self::default()
        }
    }

    /// Batches with an offset at or behind `from`.
    pub(crate) fn visible(&self, from: i64) -> &[Arc<StoredBatch>] {
        let hidden = self.batches.partition_point(|batch| batch.last_offset < from);
        &self.batches[hidden..]
    }

    /// Leader epochs of all batches.
    pub(crate) fn epochs(&self) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new();
        for batch in self.history.iter().filter(|batch| batch.leader_epoch >= 0) {
            epochs.assign(batch.leader_epoch, batch.base_offset);
        }
        epochs
    }

    /// The same log with other batches from the log start on.
    pub(crate) fn with_batches(&self, found: Vec<StoredBatch>) -> Self {
        let hidden = self.batches.len() - self.visible(self.log_start).len();
        let mut model = Self { is_compacted: true, ..self.clone() };
        model.batches.truncate(hidden);
        model.batches.extend(found.into_iter().map(Arc::new));
        model
    }

    /// Aborted transactions that a reader of everything from `log_start` on must know.
    pub(crate) fn aborted_since(&self, log_start: i64) -> Vec<Aborted> {
        let mut found: Vec<_> =
            self.aborted.iter().copied().filter(|txn| txn.marker_offset >= log_start).collect();
        found.sort();
        found
    }

    /// The last stable offset, found by looking at every batch.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let mut open = std::collections::BTreeMap::new();
        let mut unstable = self.high_watermark;
        for batch in &self.history {
            let facts = &batch.facts;
            match facts.kind {
                BatchKind::Data if facts.is_transactional => {
                    open.entry(facts.producer_id).or_insert(batch.base_offset);
                }
                BatchKind::EndTransaction(_) => {
                    let first_offset = open.remove(&facts.producer_id);
                    if batch.base_offset >= self.high_watermark {
                        unstable = unstable.min(first_offset.unwrap_or(unstable));
                    }
                }
                _ => {}
            }
        }
        open.into_values().fold(unstable, i64::min).max(self.log_start)
    }
}
