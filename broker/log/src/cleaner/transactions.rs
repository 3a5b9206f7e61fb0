//! Which transactions the cleaner is in the middle of as it walks up the log (Kafka's
//! `CleanedTransactionMetadata`).
//!
//! Records of aborted transactions go at once. A marker goes (after its delete horizon) when nothing of its
//! transaction is left; until then readers need it to tell that the transaction ended.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_record::BatchRef;

use crate::producer::{BatchKind, ProducerBatch};
use crate::txn_index::AbortedEntry;

/// State of one walk over batches in offset order.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted ones whose first record is still ahead, by first offset and producer.
    ahead: BTreeMap<(i64, i64), AbortedEntry>,
    /// Aborted ones under way, by producer.
    aborted: BTreeMap<i64, UnderWay>,
    /// Producers with records of a committed transaction under way.
    committed: BTreeSet<i64>,
}

#[derive(Debug)]
struct UnderWay {
    entry: AbortedEntry,
    /// A batch of it was met, which readers must still know to skip.
    has_batches: bool,
}

/// What to do with a batch as far as transactions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Part of no transaction, or of a committed one, or a marker that is needed.
    Keep,
    /// A marker that is needed, of an aborted transaction: belongs into the transaction index of the copy.
    KeepAborted(AbortedEntry),
    /// Data of an aborted transaction, or a marker of which no data is left.
    Discard,
}

impl Transactions {
    /// Adds transactions that overlap the segment walked next.
    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = AbortedEntry>) {
        for entry in entries {
            let known = self.aborted.get(&entry.producer_id).is_some_and(|known| known.entry == entry);
            if !known {
                self.ahead.insert((entry.first_offset, entry.producer_id), entry);
            }
        }
    }

    /// Takes in the next batch.
    pub(super) fn on_batch(&mut self, batch: &BatchRef<'_>) -> Verdict {
        self.reach(batch.last_offset());
        let facts = ProducerBatch::new(batch, batch.base_offset());
        match facts.kind {
            BatchKind::Data if facts.is_transactional => self.on_data(facts.producer_id),
            BatchKind::Data => Verdict::Keep,
            BatchKind::EndTransaction(marker) if marker.committed => {
                if self.committed.remove(&facts.producer_id) { Verdict::Keep } else { Verdict::Discard }
            }
            BatchKind::EndTransaction(_) => match self.aborted.remove(&facts.producer_id) {
                Some(UnderWay { entry, has_batches: true }) => Verdict::KeepAborted(entry),
                _ => Verdict::Discard,
            },
            // A marker emptied by an earlier pass can go; other control batches are none of ours.
            BatchKind::OtherControl if batch.record_count() == 0 => Verdict::Discard,
            BatchKind::OtherControl => Verdict::Keep,
        }
    }

    fn on_data(&mut self, producer_id: i64) -> Verdict {
        match self.aborted.get_mut(&producer_id) {
            Some(under_way) => {
                under_way.has_batches = true;
                Verdict::Discard
            }
            None => {
                self.committed.insert(producer_id);
                Verdict::Keep
            }
        }
    }

    /// Transactions that began up to `offset` are under way.
    fn reach(&mut self, offset: i64) {
        while let Some(next) = self.ahead.first_entry().filter(|next| next.key().0 <= offset) {
            let entry = next.remove();
            self.aborted.entry(entry.producer_id).or_insert(UnderWay { entry, has_batches: false });
        }
    }
}
