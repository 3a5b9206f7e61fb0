//! The settings of one log, as its topic has them. Plain values; the broker replaces the whole when a config
//! changes.

use rkafka_record::{Compression, TimestampType};

/// `index.interval.bytes` unless configured.
pub(crate) const INDEX_INTERVAL_BYTES_DEFAULT: u64 = 4096;

/// `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Keep the latest value of each key.
    pub compact: bool,
    /// Delete old segments by time and size.
    pub delete: bool,
}

/// Settings of one log. Defaults are Apache Kafka 4.x's.
///
/// Times are in milliseconds, sizes in bytes; -1 means "no limit" where the config key allows it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment that would exceed it is rolled first.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment whose first record is older is rolled.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: random part of it taken off `segment.ms` per segment.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: bound of each index file; a full index rolls the segment.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: one index entry per so many bytes of log.
    pub index_interval_bytes: u64,
    /// `flush.messages`: sync after so many records.
    pub flush_messages: i64,
    /// `flush.ms`: sync when the oldest unsynced append is so old.
    pub flush_ms: i64,
    /// `retention.ms`, -1 for ever.
    pub retention_ms: i64,
    /// `retention.bytes`, -1 unbounded.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: how long a deleted segment's files stay for readers that hold them.
    pub file_delete_delay_ms: i64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `delete.retention.ms`: how long tombstones and transaction markers outlive their first cleaning.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: records younger than this are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: records older than this are due for compaction.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `max.message.bytes`: largest batch.
    pub max_message_bytes: usize,
    /// `compression.type` with its level; `None` is `producer`: keep what the client sent.
    pub compression: Option<Compression>,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `producer.id.expiration.ms` (a broker setting).
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * HOUR_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: INDEX_INTERVAL_BYTES_DEFAULT,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_ms: 7 * 24 * HOUR_MS,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            cleanup_policy: CleanupPolicy { compact: false, delete: true },
            delete_retention_ms: 24 * HOUR_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            max_message_bytes: 1_048_588,
            compression: None,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: HOUR_MS,
            producer_id_expiration_ms: 24 * HOUR_MS,
        }
    }
}
