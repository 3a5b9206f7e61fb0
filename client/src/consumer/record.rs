//! What a poll brings: records whose keys and values are slices of the answer they came in.

use std::sync::Arc;

use bytes::Bytes;
use rkafka_record::TimestampType;

use crate::topic_partition::TopicPartition;

/// A record header (KIP-82).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The key: UTF-8 by convention, not checked.
    pub key: Bytes,
    /// The value, if there is one.
    pub value: Option<Bytes>,
}

/// One record. Keys, values and headers share the memory of the fetched (or decompressed) batch: a program
/// that keeps a few records of many for long should copy them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 if the record has none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The epoch of the leader that appended the record; absent from brokers that do not tell.
    pub leader_epoch: Option<i32>,
    /// The key, if there is one.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers in the order they were written; a key may be there several times.
    pub headers: Vec<Header>,
}

impl ConsumerRecord {
    /// The partition that the record is of.
    #[must_use]
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }

    /// Bytes of key and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// The records of one poll, in order within each partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerRecords {
    pub(crate) records: Vec<ConsumerRecord>,
}

impl ConsumerRecords {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, partition by partition.
    pub fn iter(&self) -> std::slice::Iter<'_, ConsumerRecord> {
        self.records.iter()
    }
}

impl IntoIterator for ConsumerRecords {
    type Item = ConsumerRecord;
    type IntoIter = std::vec::IntoIter<ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConsumerRecords {
    type Item = &'a ConsumerRecord;
    type IntoIter = std::slice::Iter<'a, ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
