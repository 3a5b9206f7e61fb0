//! From the batches of the offsets topic back to what a shard remembers.

use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchError, BatchRef, Batches, DecodeLimits};
use thiserror::Error;

use super::ShardState;
use crate::group::records::RecordError;
use crate::group::{CoordinatorRecord, GroupShard, RecordPosition};

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadProgress {
    /// The offset to read next.
    pub next_offset: i64,
    /// Records replayed so far.
    pub records: u64,
    /// Records of kinds this version does not know, skipped (KIP-915).
    pub skipped: u64,
}

/// Why the log of a shard cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// Batches were handed in while the shard was not loading.
    #[error("the shard is {state:?}, not loading: call start_loading first")]
    NotLoading {
        /// Where it is.
        state: ShardState,
    },
    /// A batch is damaged or incomplete.
    #[error("the batch after offset {offset} of the offsets topic cannot be read")]
    Batch {
        /// The offset that was to be read next.
        offset: i64,
        /// What is wrong with it.
        source: BatchError,
    },
    /// A record is damaged or of a newer broker.
    #[error("the record at offset {offset} of the offsets topic cannot be read")]
    Record {
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        source: RecordError,
    },
    /// A record has no key, which nothing but a key can identify.
    #[error("the record at offset {offset} of the offsets topic has no key")]
    MissingKey {
        /// Its offset.
        offset: i64,
    },
}

/// Replays whole batches in log order. One loader a load.
#[derive(Debug, Default)]
pub(super) struct Loader {
    progress: LoadProgress,
    /// Kept for its room: decompressed records.
    scratch: Vec<u8>,
}

impl Loader {
    pub(super) fn load(
        &mut self,
        batches: &[u8],
        groups: &mut GroupShard,
    ) -> Result<LoadProgress, LoadError> {
        for batch in Batches::new(batches) {
            let offset = self.progress.next_offset;
            let failed = |source| LoadError::Batch { offset, source };
            let batch = batch.map_err(failed)?;
            batch.check_crc().map_err(failed)?;
            self.load_batch(&batch, groups)?;
            self.progress.next_offset = batch.next_offset();
        }
        Ok(self.progress)
    }

    fn load_batch(&mut self, batch: &BatchRef<'_>, groups: &mut GroupShard) -> Result<(), LoadError> {
        let failed = |source| LoadError::Batch { offset: batch.base_offset(), source };
        if batch.is_control() {
            if let Some(marker) = EndTransactionMarker::from_batch(batch).map_err(failed)? {
                groups.replay_transaction_end(batch.base_offset(), batch.producer_id(), marker.committed);
            }
            return Ok(());
        }
        let transaction = batch.is_transactional().then(|| batch.producer_id());
        let decoded = batch.decode_with(DecodeLimits::default(), &mut self.scratch).map_err(failed)?;
        for record in decoded.records() {
            let record = record.map_err(failed)?;
            let offset = record.offset;
            let key = record.key.ok_or(LoadError::MissingKey { offset })?;
            let decoded = CoordinatorRecord::decode(key, record.value);
            match decoded.map_err(|source| LoadError::Record { offset, source })? {
                Some(record) => {
                    groups.replay(RecordPosition { offset, transaction }, &record);
                    self.progress.records += 1;
                }
                None => self.progress.skipped += 1,
            }
        }
        Ok(())
    }
}
