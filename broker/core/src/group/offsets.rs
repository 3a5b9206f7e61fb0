//! The offsets groups have committed, and those that transactions may yet commit.
//!
//! An entry is changed when its record is appended, but is shown only once that record is committed (below the high
//! watermark): a fetch that does not ask for stable offsets is answered at once with what is committed, even while
//! replicas lag.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::records::{OffsetCommitValue, OffsetKey};

/// An offset with the place of its record in the log. Of two values of a key the later record wins, so that a
/// transaction that ends late does not bring back an older offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredOffset {
    pub(super) record_offset: i64,
    pub(super) value: OffsetCommitValue,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    /// What is committed.
    committed: Option<StoredOffset>,
    /// What is appended but not committed: the offset of the latest record, and its value (`None` for a tombstone).
    pending: Option<(i64, Option<StoredOffset>)>,
}

impl Entry {
    fn latest(&self) -> Option<&StoredOffset> {
        match &self.pending {
            Some((_, value)) => value.as_ref(),
            None => self.committed.as_ref(),
        }
    }
}

type Partitions = BTreeMap<i32, Entry>;
type Topics = BTreeMap<Arc<str>, Partitions>;

/// A change that waits for the high watermark.
#[derive(Debug, Clone)]
struct Uncommitted {
    record_offset: i64,
    key: OffsetKey,
    value: Option<StoredOffset>,
}

/// All offsets of one shard. Changed by `replay_*` and [`commit_up_to`](Self::commit_up_to) only.
#[derive(Debug, Clone, Default)]
pub(super) struct OffsetStore {
    groups: BTreeMap<Arc<str>, Topics>,
    uncommitted: VecDeque<Uncommitted>,
    high_watermark: i64,
    /// Offsets of open transactions by producer id: moved over when the transaction commits (KIP-98).
    transactions: BTreeMap<i64, BTreeMap<OffsetKey, StoredOffset>>,
    /// The producers that have open transactions in a group.
    open_transactions: BTreeMap<Arc<str>, BTreeSet<i64>>,
}

impl OffsetStore {
    /// Replays an offset, or its removal, that is not part of a transaction.
    pub(super) fn replay(&mut self, record_offset: i64, key: OffsetKey, value: Option<OffsetCommitValue>) {
        if value.is_none() {
            self.forget_transactional(&key);
        }
        let value = value.map(|value| StoredOffset { record_offset, value });
        self.put(record_offset, key, value);
    }

    /// Replays an offset that is part of an open transaction.
    pub(super) fn replay_transactional(
        &mut self,
        record_offset: i64,
        producer_id: i64,
        key: OffsetKey,
        value: OffsetCommitValue,
    ) {
        self.open_transactions.entry(key.group_id.clone()).or_default().insert(producer_id);
        let offsets = self.transactions.entry(producer_id).or_default();
        offsets.insert(key, StoredOffset { record_offset, value });
    }

    /// Replays the end of a producer's transaction; its marker stands at `record_offset`.
    pub(super) fn replay_transaction_end(&mut self, record_offset: i64, producer_id: i64, committed: bool) {
        let Some(offsets) = self.transactions.remove(&producer_id) else { return };
        self.open_transactions.retain(|_, producers| {
            producers.remove(&producer_id);
            !producers.is_empty()
        });
        if !committed {
            return;
        }
        for (key, value) in offsets {
            let newer = self.latest(&key.group_id, &key.topic, key.partition);
            if newer.is_none_or(|newer| newer.record_offset < value.record_offset) {
                self.put(record_offset, key, Some(value));
            }
        }
    }

    fn put(&mut self, record_offset: i64, key: OffsetKey, value: Option<StoredOffset>) {
        if record_offset < self.high_watermark {
            self.commit(&key, value, record_offset);
            return;
        }
        let entry = self.entry(&key);
        entry.pending = Some((record_offset, value.clone()));
        self.uncommitted.push_back(Uncommitted { record_offset, key, value });
    }

    fn entry(&mut self, key: &OffsetKey) -> &mut Entry {
        let topics = self.groups.entry(key.group_id.clone()).or_default();
        topics.entry(key.topic.clone()).or_default().entry(key.partition).or_default()
    }

    fn commit(&mut self, key: &OffsetKey, value: Option<StoredOffset>, record_offset: i64) {
        let entry = self.entry(key);
        entry.committed = value;
        if entry.pending.as_ref().is_some_and(|(pending, _)| *pending <= record_offset) {
            entry.pending = None;
        }
        if entry.committed.is_none() && entry.pending.is_none() {
            self.remove_entry(key);
        }
    }

    fn remove_entry(&mut self, key: &OffsetKey) {
        let Some(topics) = self.groups.get_mut(&key.group_id) else { return };
        if let Some(partitions) = topics.get_mut(&key.topic) {
            partitions.remove(&key.partition);
            if partitions.is_empty() {
                topics.remove(&key.topic);
            }
        }
        if topics.is_empty() {
            self.groups.remove(&key.group_id);
        }
    }

    /// A removal reaches into open transactions too: they must not bring the offset back.
    fn forget_transactional(&mut self, key: &OffsetKey) {
        let Some(producers) = self.open_transactions.get(&key.group_id) else { return };
        for producer_id in producers {
            if let Some(offsets) = self.transactions.get_mut(producer_id) {
                offsets.remove(key);
            }
        }
    }

    /// What was appended below the high watermark is committed.
    pub(super) fn commit_up_to(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        while let Some(first) = self.uncommitted.pop_front_if(|first| first.record_offset < high_watermark) {
            self.commit(&first.key, first.value, first.record_offset);
        }
    }

    /// The latest value appended, committed or not.
    pub(super) fn latest(&self, group_id: &str, topic: &str, partition: i32) -> Option<&StoredOffset> {
        self.groups.get(group_id)?.get(topic)?.get(&partition)?.latest()
    }

    /// The value to show: the committed one, or for `stable` reads the latest.
    pub(super) fn shown(
        &self,
        group_id: &str,
        topic: &str,
        partition: i32,
        stable: bool,
    ) -> Option<&StoredOffset> {
        let entry = self.groups.get(group_id)?.get(topic)?.get(&partition)?;
        if stable { entry.latest() } else { entry.committed.as_ref() }
    }

    /// All partitions of a group that have an entry.
    pub(super) fn partitions_of(&self, group_id: &str) -> impl Iterator<Item = (&Arc<str>, i32)> {
        let topics = self.groups.get(group_id).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| partitions.keys().map(move |partition| (topic, *partition)))
    }

    /// The partitions of a group with their latest values.
    pub(super) fn latest_of(&self, group_id: &str) -> impl Iterator<Item = (OffsetKey, &StoredOffset)> {
        let topics = self.groups.get_key_value(group_id).into_iter();
        topics.flat_map(|(group_id, topics)| {
            topics.iter().flat_map(move |(topic, partitions)| {
                partitions.iter().filter_map(move |(partition, entry)| {
                    let key = || OffsetKey {
                        group_id: group_id.clone(),
                        topic: topic.clone(),
                        partition: *partition,
                    };
                    entry.latest().map(|value| (key(), value))
                })
            })
        })
    }

    /// The partitions of a group that open transactions will set.
    pub(super) fn transactional_of(&self, group_id: &str) -> BTreeSet<OffsetKey> {
        let producers = self.open_transactions.get(group_id).into_iter().flatten();
        let offsets = producers.filter_map(|producer_id| self.transactions.get(producer_id));
        offsets.flat_map(BTreeMap::keys).filter(|key| *key.group_id == *group_id).cloned().collect()
    }

    /// Whether an open transaction will set this offset.
    pub(super) fn is_in_transaction(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        let Some((group_id, producers)) = self.open_transactions.get_key_value(group_id) else {
            return false;
        };
        let key = OffsetKey { group_id: group_id.clone(), topic: Arc::from(topic), partition };
        producers
            .iter()
            .any(|producer| self.transactions.get(producer).is_some_and(|offsets| offsets.contains_key(&key)))
    }

    /// Whether transactions are open in the group.
    pub(super) fn has_open_transactions(&self, group_id: &str) -> bool {
        self.open_transactions.contains_key(group_id)
    }

    /// The groups that have offsets or open transactions.
    pub(super) fn group_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.keys().chain(self.open_transactions.keys())
    }

    /// Panics if the parts contradict each other.
    pub(super) fn check_invariants(&self) {
        let pending = self.groups.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        let pending = pending.filter(|entry| entry.pending.is_some()).count();
        let keys: BTreeSet<_> = self.uncommitted.iter().map(|change| &change.key).collect();
        assert_eq!(pending, keys.len(), "offsets that wait for the high watermark");
        let mut last = i64::MIN;
        for change in &self.uncommitted {
            assert!(change.record_offset >= last, "uncommitted offsets out of order");
            assert!(change.record_offset >= self.high_watermark, "an uncommitted offset is committed");
            last = change.record_offset;
        }
        for producers in self.open_transactions.values() {
            assert!(producers.iter().all(|producer| self.transactions.contains_key(producer)));
        }
    }
}
