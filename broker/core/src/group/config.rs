//! The settings a group coordinator works with, taken from the broker's configuration by the caller.

use rkafka_record::Compression;

/// Settings of all groups of a broker. The defaults are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: the most members of one group.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`: the longest text with an offset, in UTF-16 units as Java counts.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes` in milliseconds (KIP-211).
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: u64,
    /// `offsets.commit.timeout.ms`: how long a reply waits for its records to be committed.
    pub commit_timeout_ms: u64,
    /// `max.message.bytes` of the offsets topic: the largest batch to append.
    pub max_batch_bytes: usize,
    /// `offsets.topic.compression.codec`.
    pub compression: Compression,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            commit_timeout_ms: 5_000,
            max_batch_bytes: 1_048_588,
            compression: Compression::default(),
        }
    }
}
