//! A topic's configuration as its logs and its leaders need it.

use std::sync::Arc;

use rkafka_config::keys::{self, topic};
use rkafka_config::{
    BrokerConfig, Compression as ConfiguredCompression, TimestampType as ConfiguredType, TopicConfig,
};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::{ConfigResource, Image};
use rkafka_core::replica::leader::ReplicationSettings;
use rkafka_core::throttle::ThrottledReplicas;
use rkafka_log::{CleanupPolicy, LogConfig};
use rkafka_record::{Codec, Compression, TimestampType};
use tracing::warn;

use super::Throttled;

/// Everything a partition of one topic must know of configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionSettings {
    /// For the logs, which share it.
    pub log: Arc<LogConfig>,
    /// For the leader.
    pub replication: ReplicationSettings,
    /// Leaders on this broker that are throttled (`leader.replication.throttled.replicas`).
    pub throttled_leaders: ThrottledReplicas,
    /// Followers on this broker that are (`follower.replication.throttled.replicas`).
    pub throttled_followers: ThrottledReplicas,
}

impl PartitionSettings {
    /// The settings of a topic: its own over the broker's over the defaults. What this version does not take
    /// any more is left out, and said.
    pub fn of(topic: &str, image: &Image, broker: &BrokerConfig, local: BrokerId) -> Self {
        let own = image.configs().get(&ConfigResource::topic(topic));
        let own = own.iter().flat_map(|values| values.iter());
        let (config, refused) = TopicConfig::from_stored(own, broker);
        for error in refused {
            warn!(topic, %error, "a setting of the topic is not valid and left out");
        }
        let min_insync_replicas = usize::try_from(config.get(topic::MIN_INSYNC_REPLICAS)).unwrap_or(1);
        let lag_time_max_ms = u64::try_from(broker.get(keys::REPLICA_LAG_TIME_MAX_MS)).unwrap_or(u64::MAX);
        let throttled = |list: &[String]| ThrottledReplicas::parse(list.iter().map(String::as_str), local.0);
        PartitionSettings {
            throttled_leaders: throttled(config.get(topic::LEADER_REPLICATION_THROTTLED_REPLICAS)),
            throttled_followers: throttled(config.get(topic::FOLLOWER_REPLICATION_THROTTLED_REPLICAS)),
            log: Arc::new(log_config(&config, broker)),
            replication: ReplicationSettings { min_insync_replicas, lag_time_max_ms },
        }
    }
}

impl PartitionSettings {
    /// Whether a throttle slows the replica of that partition here down.
    #[must_use]
    pub fn throttled(&self, partition: i32) -> Throttled {
        Throttled {
            as_leader: self.throttled_leaders.contains(partition),
            as_follower: self.throttled_followers.contains(partition),
        }
    }
}

fn log_config(topic: &TopicConfig, broker: &BrokerConfig) -> LogConfig {
    let policy = topic.cleanup_policy();
    let bytes = |value: i32| u64::try_from(value).unwrap_or(0);
    LogConfig {
        segment_bytes: bytes(topic.segment_bytes()),
        segment_ms: topic.segment_ms_max(),
        segment_jitter_ms: topic.get(topic::SEGMENT_JITTER_MS),
        segment_index_bytes: bytes(topic.get(topic::SEGMENT_INDEX_BYTES)),
        index_interval_bytes: bytes(topic.get(topic::INDEX_INTERVAL_BYTES)),
        flush_messages: topic.get(topic::FLUSH_MESSAGES),
        flush_ms: topic.get(topic::FLUSH_MS),
        retention_ms: topic.get(topic::RETENTION_MS),
        retention_bytes: topic.get(topic::RETENTION_BYTES),
        file_delete_delay_ms: topic.get(topic::FILE_DELETE_DELAY_MS),
        cleanup_policy: CleanupPolicy { compact: policy.compact, delete: policy.delete },
        delete_retention_ms: topic.get(topic::DELETE_RETENTION_MS),
        min_compaction_lag_ms: topic.get(topic::MIN_COMPACTION_LAG_MS),
        max_compaction_lag_ms: topic.get(topic::MAX_COMPACTION_LAG_MS),
        min_cleanable_dirty_ratio: topic.get(topic::MIN_CLEANABLE_DIRTY_RATIO),
        max_message_bytes: usize::try_from(topic.get(topic::MAX_MESSAGE_BYTES)).unwrap_or(0),
        compression: compression(topic.compression()),
        timestamp_type: match topic.timestamp_type() {
            ConfiguredType::CreateTime => TimestampType::CreateTime,
            ConfiguredType::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: topic.get(topic::MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
        timestamp_after_max_ms: topic.get(topic::MESSAGE_TIMESTAMP_AFTER_MAX_MS),
        producer_id_expiration_ms: i64::from(broker.get(keys::PRODUCER_ID_EXPIRATION_MS)),
    }
}

/// `None` keeps what the producer sent.
fn compression(configured: ConfiguredCompression) -> Option<Compression> {
    let (codec, level) = match configured {
        ConfiguredCompression::Producer => return None,
        ConfiguredCompression::Uncompressed => (Codec::None, None),
        ConfiguredCompression::Gzip(level) => (Codec::Gzip, Some(level)),
        ConfiguredCompression::Snappy => (Codec::Snappy, None),
        ConfiguredCompression::Lz4(level) => (Codec::Lz4, Some(level)),
        ConfiguredCompression::Zstd(level) => (Codec::Zstd, Some(level)),
    };
    // -1 is Kafka's "the codec's own default", except with zstd, where it is a level.
    let level = level.filter(|level| codec == Codec::Zstd || *level > 0);
    Some(Compression { codec, level })
}
