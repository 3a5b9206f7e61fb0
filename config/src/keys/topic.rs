//! Topic keys. Most take their default from a broker key, their synonym.

use super::reasons;
use super::rules::{FOLLOWER_THROTTLED_REPLICAS, GZIP_LEVEL, LEADER_THROTTLED_REPLICAS, RELEASE};
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfTopic from 0;
    /// What becomes of old segments: `delete` past retention, `compact` keeps the last record of each key;
    /// both together, or none.
    CLEANUP_POLICY: List = "cleanup.policy" =>
        default("delete").accepts(Accepts::AnyOf(&["compact", "delete"])).synonym("log.cleanup.policy");

    /// Level of gzip where `compression.type` is `gzip`; -1 for the library's default.
    COMPRESSION_GZIP_LEVEL: i32 = "compression.gzip.level" =>
        default("-1").accepts(GZIP_LEVEL).since("3.8").synonym("compression.gzip.level");

    /// Level of lz4 where `compression.type` is `lz4`.
    COMPRESSION_LZ4_LEVEL: i32 = "compression.lz4.level" =>
        default("9").accepts(Accepts::Between(1, 17)).since("3.8").synonym("compression.lz4.level");

    /// How batches are stored: `producer` keeps what the producer chose, the others compress anew.
    COMPRESSION_TYPE: Text = "compression.type" =>
        default("producer")
            .accepts(Accepts::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]))
            .synonym("compression.type");

    /// Level of zstd where `compression.type` is `zstd`.
    COMPRESSION_ZSTD_LEVEL: i32 = "compression.zstd.level" =>
        default("3").accepts(Accepts::Between(-131072, 22)).since("3.8").synonym("compression.zstd.level");

    /// Time in ms that a tombstone stays after compaction, so that a consumer that reads from the start in
    /// less sees every deletion.
    DELETE_RETENTION_MS: i64 = "delete.retention.ms" =>
        default("86400000").at_least(0).synonym("log.cleaner.delete.retention.ms");

    /// Time in ms between a file's removal from the log and its deletion from disk.
    FILE_DELETE_DELAY_MS: i64 = "file.delete.delay.ms" =>
        default("60000").at_least(0).synonym("log.segment.delete.delay.ms");

    /// Records after which they are flushed to disk; 1 flushes each. Replication is the better protection.
    FLUSH_MESSAGES: i64 = "flush.messages" =>
        default("9223372036854775807").at_least(1).synonym("log.flush.interval.messages");

    /// Time in ms after which records are flushed to disk. Replication is the better protection.
    FLUSH_MS: i64 = "flush.ms" => default("9223372036854775807").at_least(0).synonym("log.flush.interval.ms");

    /// Replicas whose fetching is throttled, as `partition:broker,…`, or `*`.
    FOLLOWER_REPLICATION_THROTTLED_REPLICAS: List = "follower.replication.throttled.replicas" =>
        default("").accepts(FOLLOWER_THROTTLED_REPLICAS);

    /// Bytes of records between two entries of the offset index.
    INDEX_INTERVAL_BYTES: i32 = "index.interval.bytes" =>
        default("4096").at_least(0).synonym("log.index.interval.bytes");

    /// Segment size without a lower bound; for tests.
    INTERNAL_SEGMENT_BYTES: Option<i32> = "internal.segment.bytes" => null().since("4.1").unlisted();

    /// Replicas whose leaders are throttled, as `partition:broker,…`, or `*`.
    LEADER_REPLICATION_THROTTLED_REPLICAS: List = "leader.replication.throttled.replicas" =>
        default("").accepts(LEADER_THROTTLED_REPLICAS);

    /// Bytes kept on the broker where segments also go to tiered storage; -2 takes `retention.bytes`.
    LOCAL_RETENTION_BYTES: i64 = "local.retention.bytes" =>
        default("-2").at_least(-2).since("3.0").synonym("log.local.retention.bytes").ignored(reasons::TIERED);

    /// Time in ms that segments stay on the broker where they also go to tiered storage; -2 takes
    /// `retention.ms`.
    LOCAL_RETENTION_MS: i64 = "local.retention.ms" =>
        default("-2").at_least(-2).since("3.0").synonym("log.local.retention.ms").ignored(reasons::TIERED);

    /// Time in ms after which a record must have been looked at by compaction.
    MAX_COMPACTION_LAG_MS: i64 = "max.compaction.lag.ms" =>
        default("9223372036854775807").at_least(1).since("2.3").synonym("log.cleaner.max.compaction.lag.ms");

    /// Largest batch in bytes, after compression.
    MAX_MESSAGE_BYTES: i32 = "max.message.bytes" =>
        default("1048588").at_least(0).synonym("message.max.bytes");

    /// How far in ms a record's timestamp may lie ahead of the broker's clock; applies to `CreateTime` alone.
    MESSAGE_TIMESTAMP_AFTER_MAX_MS: i64 = "message.timestamp.after.max.ms" =>
        default("3600000").at_least(0).since("3.6").synonym("log.message.timestamp.after.max.ms");

    /// How far in ms a record's timestamp may lie behind the broker's clock; applies to `CreateTime` alone.
    MESSAGE_TIMESTAMP_BEFORE_MAX_MS: i64 = "message.timestamp.before.max.ms" =>
        default("9223372036854775807").at_least(0).since("3.6")
            .synonym("log.message.timestamp.before.max.ms");

    /// Whose time a record carries: the producer's (`CreateTime`) or the broker's (`LogAppendTime`).
    MESSAGE_TIMESTAMP_TYPE: Text = "message.timestamp.type" =>
        default("CreateTime").accepts(Accepts::OneOf(&["CreateTime", "LogAppendTime"]))
            .synonym("log.message.timestamp.type");

    /// Share of the log not yet compacted at which compacting it is worth while.
    MIN_CLEANABLE_DIRTY_RATIO: f64 = "min.cleanable.dirty.ratio" =>
        default("0.5").accepts(Accepts::Between(0, 1)).synonym("log.cleaner.min.cleanable.ratio");

    /// Time in ms that a record stays uncompacted at least.
    MIN_COMPACTION_LAG_MS: i64 = "min.compaction.lag.ms" =>
        default("0").at_least(0).synonym("log.cleaner.min.compaction.lag.ms");

    /// Replicas in sync that a write with `acks=all` needs.
    MIN_INSYNC_REPLICAS: i32 = "min.insync.replicas" =>
        default("1").at_least(1).synonym("min.insync.replicas");

    /// Whether a new segment gets its whole size on disk at once.
    PREALLOCATE: bool = "preallocate" =>
        default("false").synonym("log.preallocate").ignored(reasons::PREALLOCATE);

    /// Whether nothing more is copied to tiered storage.
    REMOTE_LOG_COPY_DISABLE: bool = "remote.log.copy.disable" =>
        default("false").since("3.9").ignored(reasons::TIERED);

    /// Whether turning tiered storage off deletes what it holds.
    REMOTE_LOG_DELETE_ON_DISABLE: bool = "remote.log.delete.on.disable" =>
        default("false").since("3.9").ignored(reasons::TIERED);

    /// Whether segments go to tiered storage; `true` is refused.
    REMOTE_STORAGE_ENABLE: bool = "remote.storage.enable" =>
        default("false").since("3.0").ignored(reasons::TIERED);

    /// Bytes of a partition beyond which the oldest segments are deleted; -1 for no limit.
    RETENTION_BYTES: i64 = "retention.bytes" => default("-1").synonym("log.retention.bytes");

    /// Time in ms that records are kept; -1 for ever.
    RETENTION_MS: i64 = "retention.ms" => default("604800000").at_least(-1).synonym("log.retention.ms");

    /// Largest segment file in bytes.
    SEGMENT_BYTES: i32 = "segment.bytes" =>
        default("1073741824").at_least(1048576).synonym("log.segment.bytes");

    /// Largest offset index in bytes; a full one rolls the segment.
    SEGMENT_INDEX_BYTES: i32 = "segment.index.bytes" =>
        default("10485760").at_least(4).synonym("log.index.size.max.bytes");

    /// Time in ms by which the roll is at most hastened, at random, so that not all partitions roll at once.
    SEGMENT_JITTER_MS: i64 = "segment.jitter.ms" => default("0").at_least(0).synonym("log.roll.jitter.ms");

    /// Time in ms after which a new segment is started even if it is not full.
    SEGMENT_MS: i64 = "segment.ms" => default("604800000").at_least(1).synonym("log.roll.ms");

    /// Whether a replica that is not in sync may become leader when no other is left, losing records.
    UNCLEAN_LEADER_ELECTION_ENABLE: bool = "unclean.leader.election.enable" =>
        default("false").synonym("unclean.leader.election.enable");

    /// Whether batches are converted for clients older than Kafka 0.11.
    MESSAGE_DOWNCONVERSION_ENABLE: bool = "message.downconversion.enable" =>
        default("true").low().until("3.9").synonym("log.message.downconversion.enable")
            .ignored(reasons::FORMATS);

    /// Format of stored batches; rkafka knows the one of Kafka 0.11 and later.
    MESSAGE_FORMAT_VERSION: Text = "message.format.version" =>
        default("3.0-IV1").accepts(RELEASE).until("3.9").synonym("log.message.format.version")
            .ignored(reasons::FORMATS);

    /// Older name that stood for both `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`;
    /// used where those are not set.
    MESSAGE_TIMESTAMP_DIFFERENCE_MAX_MS: Option<i64> = "message.timestamp.difference.max.ms" =>
        null().at_least(0).until("3.9").synonym("log.message.timestamp.difference.max.ms");
}
