//! What is sent, and what is known of it once it is stored.

use std::sync::Arc;

pub use rkafka_record::Header;

/// A record to be sent. Everything is borrowed: [`Producer::send`](super::Producer::send) copies it into its
/// batch.
///
/// ```
/// use rkafka_client::producer::{Header, Record};
///
/// let headers = [Header { key: b"source", value: Some(b"web") }];
/// let record = Record::to("orders").key("42").value("订单信息").headers(&headers);
/// assert_eq!(record.key, Some(b"42".as_slice()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; the partitioner chooses one if it is absent.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch, not negative; the time of sending if it is absent.
    pub timestamp_ms: Option<i64>,
    /// The key: records of one key go to one partition.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone in compacted topics.
    pub value: Option<&'a [u8]>,
    /// Headers (KIP-82) in order; a key may be there several times.
    pub headers: &'a [Header<'a>],
}

impl<'a> Record<'a> {
    /// A record for `topic`, without key and value yet.
    #[must_use]
    pub fn to(topic: &'a str) -> Record<'a> {
        Record { topic, partition: None, timestamp_ms: None, key: None, value: None, headers: &[] }
    }

    /// With this key.
    #[must_use]
    pub fn key<K: AsRef<[u8]> + ?Sized>(self, key: &'a K) -> Record<'a> {
        Record { key: Some(key.as_ref()), ..self }
    }

    /// With this value.
    #[must_use]
    pub fn value<V: AsRef<[u8]> + ?Sized>(self, value: &'a V) -> Record<'a> {
        Record { value: Some(value.as_ref()), ..self }
    }

    /// With these headers.
    #[must_use]
    pub fn headers(self, headers: &'a [Header<'a>]) -> Record<'a> {
        Record { headers, ..self }
    }

    /// For this partition.
    #[must_use]
    pub fn partition(self, partition: i32) -> Record<'a> {
        Record { partition: Some(partition), ..self }
    }

    /// With this timestamp, in milliseconds since the epoch.
    #[must_use]
    pub fn timestamp_ms(self, timestamp_ms: i64) -> Record<'a> {
        Record { timestamp_ms: Some(timestamp_ms), ..self }
    }
}

/// Where a record is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset; unknown with `acks=0`, and if an earlier try had stored it so long ago that the broker has
    /// forgotten where.
    pub offset: Option<i64>,
    /// Its timestamp in milliseconds: the one it was sent with, or the broker's if the topic says so.
    pub timestamp_ms: i64,
}
