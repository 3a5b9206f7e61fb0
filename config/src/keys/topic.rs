//! Topic keys. Most take their default from a broker key, their synonym.

use super::rules::{FOLLOWER_THROTTLED_REPLICAS, GZIP_LEVEL, LEADER_THROTTLED_REPLICAS, RELEASE};
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfTopic from 0;
    /// cleanup policy.
    CLEANUP_POLICY: List = "cleanup.policy" =>
        default("delete").accepts(Accepts::WordsOf(&["compact", "delete"])).synonym("log.cleanup.policy");

    /// compression gzip level.
    COMPRESSION_GZIP_LEVEL: i32 = "compression.gzip.level" =>
        default("-1").accepts(GZIP_LEVEL).synonym("compression.gzip.level");

    /// compression lz4 level.
    COMPRESSION_LZ4_LEVEL: i32 = "compression.lz4.level" =>
        default("9").accepts(Accepts::Between(1, 17)).synonym("compression.lz4.level");

    /// compression type.
    COMPRESSION_TYPE: Text = "compression.type" =>
        default("producer").accepts(Accepts::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])).synonym("compression.type");

    /// compression zstd level.
    COMPRESSION_ZSTD_LEVEL: i32 = "compression.zstd.level" =>
        default("3").accepts(Accepts::Between(-131072, 22)).synonym("compression.zstd.level");

    /// delete retention ms.
    DELETE_RETENTION_MS: i64 = "delete.retention.ms" =>
        default("86400000").at_least(0).synonym("log.cleaner.delete.retention.ms");

    /// file delete delay ms.
    FILE_DELETE_DELAY_MS: i64 = "file.delete.delay.ms" =>
        default("60000").at_least(0).synonym("log.segment.delete.delay.ms");

    /// flush messages.
    FLUSH_MESSAGES: i64 = "flush.messages" =>
        default("9223372036854775807").at_least(1).synonym("log.flush.interval.messages");

    /// flush ms.
    FLUSH_MS: i64 = "flush.ms" => default("9223372036854775807").at_least(0).synonym("log.flush.interval.ms");

    /// follower replication throttled replicas.
    FOLLOWER_REPLICATION_THROTTLED_REPLICAS: List = "follower.replication.throttled.replicas" =>
        default("").accepts(FOLLOWER_THROTTLED_REPLICAS);

    /// index interval bytes.
    INDEX_INTERVAL_BYTES: i32 = "index.interval.bytes" =>
        default("4096").at_least(0).synonym("log.index.interval.bytes");

    /// internal segment bytes.
    INTERNAL_SEGMENT_BYTES: Option<i32> = "internal.segment.bytes" => null().unlisted();

    /// leader replication throttled replicas.
    LEADER_REPLICATION_THROTTLED_REPLICAS: List = "leader.replication.throttled.replicas" =>
        default("").accepts(LEADER_THROTTLED_REPLICAS);

    /// local retention bytes.
    LOCAL_RETENTION_BYTES: i64 = "local.retention.bytes" =>
        default("-2").at_least(-2).synonym("log.local.retention.bytes");

    /// local retention ms.
    LOCAL_RETENTION_MS: i64 = "local.retention.ms" =>
        default("-2").at_least(-2).synonym("log.local.retention.ms");

    /// max compaction lag ms.
    MAX_COMPACTION_LAG_MS: i64 = "max.compaction.lag.ms" =>
        default("9223372036854775807").at_least(1).synonym("log.cleaner.max.compaction.lag.ms");

    /// max message bytes.
    MAX_MESSAGE_BYTES: i32 = "max.message.bytes" =>
        default("1048588").at_least(0).synonym("message.max.bytes");

    /// message timestamp after max ms.
    MESSAGE_TIMESTAMP_AFTER_MAX_MS: i64 = "message.timestamp.after.max.ms" =>
        default("3600000").at_least(0).synonym("log.message.timestamp.after.max.ms");

    /// message timestamp before max ms.
    MESSAGE_TIMESTAMP_BEFORE_MAX_MS: i64 = "message.timestamp.before.max.ms" =>
        default("9223372036854775807").at_least(0).synonym("log.message.timestamp.before.max.ms");

    /// message timestamp type.
    MESSAGE_TIMESTAMP_TYPE: Text = "message.timestamp.type" =>
        default("CreateTime").accepts(Accepts::OneOf(&["CreateTime", "LogAppendTime"])).synonym("log.message.timestamp.type");

    /// min cleanable dirty ratio.
    MIN_CLEANABLE_DIRTY_RATIO: f64 = "min.cleanable.dirty.ratio" =>
        default("0.5").accepts(Accepts::Between(0, 1)).synonym("log.cleaner.min.cleanable.ratio");

    /// min compaction lag ms.
    MIN_COMPACTION_LAG_MS: i64 = "min.compaction.lag.ms" =>
        default("0").at_least(0).synonym("log.cleaner.min.compaction.lag.ms");

    /// min insync replicas.
    MIN_INSYNC_REPLICAS: i32 = "min.insync.replicas" =>
        default("1").at_least(1).synonym("min.insync.replicas");

    /// preallocate.
    PREALLOCATE: bool = "preallocate" => default("false").synonym("log.preallocate");

    /// remote log copy disable.
    REMOTE_LOG_COPY_DISABLE: bool = "remote.log.copy.disable" => default("false");

    /// remote log delete on disable.
    REMOTE_LOG_DELETE_ON_DISABLE: bool = "remote.log.delete.on.disable" => default("false");

    /// remote storage enable.
    REMOTE_STORAGE_ENABLE: bool = "remote.storage.enable" => default("false");

    /// retention bytes.
    RETENTION_BYTES: i64 = "retention.bytes" => default("-1").synonym("log.retention.bytes");

    /// retention ms.
    RETENTION_MS: i64 = "retention.ms" => default("604800000").at_least(-1).synonym("log.retention.ms");

    /// segment bytes.
    SEGMENT_BYTES: i32 = "segment.bytes" =>
        default("1073741824").at_least(1048576).synonym("log.segment.bytes");

    /// segment index bytes.
    SEGMENT_INDEX_BYTES: i32 = "segment.index.bytes" =>
        default("10485760").at_least(4).synonym("log.index.size.max.bytes");

    /// segment jitter ms.
    SEGMENT_JITTER_MS: i64 = "segment.jitter.ms" => default("0").at_least(0).synonym("log.roll.jitter.ms");

    /// segment ms.
    SEGMENT_MS: i64 = "segment.ms" => default("604800000").at_least(1).synonym("log.roll.ms");

    /// unclean leader election enable.
    UNCLEAN_LEADER_ELECTION_ENABLE: bool = "unclean.leader.election.enable" =>
        default("false").synonym("unclean.leader.election.enable");

    /// message downconversion enable.
    MESSAGE_DOWNCONVERSION_ENABLE: bool = "message.downconversion.enable" =>
        default("true").low().until("3.9").synonym("log.message.downconversion.enable");

    /// message format version.
    MESSAGE_FORMAT_VERSION: Text = "message.format.version" =>
        default("3.0-IV1").accepts(RELEASE).until("3.9").synonym("log.message.format.version");

    /// message timestamp difference max ms.
    MESSAGE_TIMESTAMP_DIFFERENCE_MAX_MS: i64 = "message.timestamp.difference.max.ms" =>
        default("9223372036854775807").at_least(0).until("3.9").synonym("log.message.timestamp.difference.max.ms");
}
