//! Data directories, segments, retention, compression and the cleaner.

use super::reasons;
use super::rules::GZIP_LEVEL;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfBroker from super::network::END;
    /// Whether asking for a topic that does not exist creates it.
    AUTO_CREATE_TOPICS_ENABLE: bool = "auto.create.topics.enable" => default("true").high();

    /// Level of gzip where `compression.type` is `gzip`.
    COMPRESSION_GZIP_LEVEL: i32 = "compression.gzip.level" =>
        default("-1").accepts(GZIP_LEVEL).cluster_wide().since("3.8");

    /// Level of lz4 where `compression.type` is `lz4`.
    COMPRESSION_LZ4_LEVEL: i32 = "compression.lz4.level" =>
        default("9").accepts(Accepts::Between(1, 17)).cluster_wide().since("3.8");

    /// How batches are stored: `producer` keeps what the producer chose, the others compress anew.
    COMPRESSION_TYPE: Text = "compression.type" =>
        default("producer")
            .accepts(Accepts::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])).high()
            .cluster_wide();

    /// Level of zstd where `compression.type` is `zstd`.
    COMPRESSION_ZSTD_LEVEL: i32 = "compression.zstd.level" =>
        default("3").accepts(Accepts::Between(-131072, 22)).cluster_wide().since("3.8");

    /// Directories of `log.dirs` that get no new partitions; `*` for all.
    CORDONED_LOG_DIRS: List = "cordoned.log.dirs" =>
        default("").accepts(Accepts::AnyOf(&[])).per_broker().since("4.3");

    /// Whether topics can be deleted.
    DELETE_TOPIC_ENABLE: bool = "delete.topic.enable" => default("true").high();

    /// Pause in ms of a cleaner that finds nothing to do.
    LOG_CLEANER_BACKOFF_MS: i64 = "log.cleaner.backoff.ms" => default("15000").at_least(0).cluster_wide();

    /// Most bytes of memory for the keys of a compaction, all cleaner threads together.
    LOG_CLEANER_DEDUPE_BUFFER_SIZE: i64 = "log.cleaner.dedupe.buffer.size" =>
        default("134217728").cluster_wide();

    /// Time in ms that a tombstone stays in a compacted topic, so that late consumers see it.
    LOG_CLEANER_DELETE_RETENTION_MS: i64 = "log.cleaner.delete.retention.ms" =>
        default("86400000").at_least(0).cluster_wide();

    /// Whether compacted topics are compacted at all.
    LOG_CLEANER_ENABLE: bool = "log.cleaner.enable" => default("true");

    /// How full the cleaner's key table may get.
    LOG_CLEANER_IO_BUFFER_LOAD_FACTOR: f64 = "log.cleaner.io.buffer.load.factor" =>
        default("0.9").cluster_wide().ignored(reasons::CLEANER_BUFFERS);

    /// Bytes of the cleaner's read and write buffers.
    LOG_CLEANER_IO_BUFFER_SIZE: i32 = "log.cleaner.io.buffer.size" =>
        default("524288").at_least(0).cluster_wide().ignored(reasons::CLEANER_BUFFERS);

    /// Most bytes a second that the cleaner reads and writes.
    LOG_CLEANER_IO_MAX_BYTES_PER_SECOND: f64 = "log.cleaner.io.max.bytes.per.second" =>
        default("1.7976931348623157E308").cluster_wide();

    /// Time in ms after which a record must have been looked at by compaction.
    LOG_CLEANER_MAX_COMPACTION_LAG_MS: i64 = "log.cleaner.max.compaction.lag.ms" =>
        default("9223372036854775807").at_least(1).cluster_wide().since("2.3");

    /// Share of a log not yet compacted at which compacting it is worth while.
    LOG_CLEANER_MIN_CLEANABLE_RATIO: f64 = "log.cleaner.min.cleanable.ratio" =>
        default("0.5").accepts(Accepts::Between(0, 1)).cluster_wide();

    /// Time in ms that a record stays uncompacted at least.
    LOG_CLEANER_MIN_COMPACTION_LAG_MS: i64 = "log.cleaner.min.compaction.lag.ms" =>
        default("0").at_least(0).cluster_wide();

    /// How many logs are compacted at a time.
    LOG_CLEANER_THREADS: i32 = "log.cleaner.threads" => default("1").at_least(0).cluster_wide();

    /// What becomes of old segments: `delete` past retention, `compact` by key, or both.
    LOG_CLEANUP_POLICY: List = "log.cleanup.policy" =>
        default("delete").accepts(Accepts::AnyOf(&["compact", "delete"])).cluster_wide();

    /// Where data lies; used where `log.dirs` is unset.
    LOG_DIR: List = "log.dir" => default("/tmp/kafka-logs").accepts(Accepts::SomeOf(&[])).high();

    /// Time in ms for the controller to learn that a directory of leaders failed; past it the broker stops.
    LOG_DIR_FAILURE_TIMEOUT_MS: i64 = "log.dir.failure.timeout.ms" =>
        default("30000").at_least(1).low().since("3.8");

    /// Where data lies, a comma-separated list; new partitions go to the directory with the fewest.
    LOG_DIRS: Option<List> = "log.dirs" => null().accepts(Accepts::SomeOf(&[])).high();

    /// Records of a partition after which they are flushed to disk.
    LOG_FLUSH_INTERVAL_MESSAGES: i64 = "log.flush.interval.messages" =>
        default("9223372036854775807").at_least(1).high().cluster_wide();

    /// Time in ms after which records of a partition are flushed to disk; unset, that of
    /// `log.flush.scheduler.interval.ms`.
    LOG_FLUSH_INTERVAL_MS: Option<i64> = "log.flush.interval.ms" => null().high().cluster_wide();

    /// Time in ms between writes of the recovery points.
    LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS: i32 = "log.flush.offset.checkpoint.interval.ms" =>
        default("60000").at_least(0).high();

    /// Time in ms between checks which logs need flushing.
    LOG_FLUSH_SCHEDULER_INTERVAL_MS: i64 = "log.flush.scheduler.interval.ms" =>
        default("9223372036854775807").high();

    /// Time in ms between writes of the log start offsets.
    LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS: i32 = "log.flush.start.offset.checkpoint.interval.ms" =>
        default("60000").at_least(0).high();

    /// Bytes of records between two entries of the offset index.
    LOG_INDEX_INTERVAL_BYTES: i32 = "log.index.interval.bytes" => default("4096").at_least(0).cluster_wide();

    /// Largest offset index in bytes; a full one rolls the segment.
    LOG_INDEX_SIZE_MAX_BYTES: i32 = "log.index.size.max.bytes" =>
        default("10485760").at_least(4).cluster_wide();

    /// Time in ms after the start at which retention, flushing and compaction begin.
    LOG_INITIAL_TASK_DELAY_MS: i64 = "log.initial.task.delay.ms" =>
        default("30000").at_least(0).low().since("3.8").unlisted();

    /// How far in ms a record's timestamp may lie ahead of the broker's clock; applies to `CreateTime` alone.
    LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS: i64 = "log.message.timestamp.after.max.ms" =>
        default("3600000").at_least(0).cluster_wide().since("3.6");

    /// How far in ms a record's timestamp may lie behind the broker's clock; applies to `CreateTime` alone.
    LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS: i64 = "log.message.timestamp.before.max.ms" =>
        default("9223372036854775807").at_least(0).cluster_wide().since("3.6");

    /// Older name that stood for both `log.message.timestamp.before.max.ms` and
    /// `log.message.timestamp.after.max.ms`; used where those are not set.
    LOG_MESSAGE_TIMESTAMP_DIFFERENCE_MAX_MS: Option<i64> = "log.message.timestamp.difference.max.ms" =>
        null().at_least(0).until("3.9");

    /// Whose time a record carries: the producer's (`CreateTime`) or the broker's (`LogAppendTime`).
    LOG_MESSAGE_TIMESTAMP_TYPE: Text = "log.message.timestamp.type" =>
        default("CreateTime").accepts(Accepts::OneOf(&["CreateTime", "LogAppendTime"])).cluster_wide();

    /// Whether a new segment gets its whole size on disk at once.
    LOG_PREALLOCATE: bool = "log.preallocate" =>
        default("false").cluster_wide().ignored(reasons::PREALLOCATE);

    /// Bytes of a partition beyond which the oldest segments are deleted; -1 for no limit.
    LOG_RETENTION_BYTES: i64 = "log.retention.bytes" => default("-1").high().cluster_wide();

    /// Time in ms between checks for segments to delete.
    LOG_RETENTION_CHECK_INTERVAL_MS: i64 = "log.retention.check.interval.ms" => default("300000").at_least(1);

    /// Hours that records are kept; `log.retention.minutes` and `log.retention.ms` win over it.
    LOG_RETENTION_HOURS: i32 = "log.retention.hours" => default("168").high();

    /// Minutes that records are kept; `log.retention.ms` wins over it.
    LOG_RETENTION_MINUTES: Option<i32> = "log.retention.minutes" => null().high();

    /// Time in ms that records are kept; -1 for ever. Unset, `log.retention.minutes`, then
    /// `log.retention.hours`.
    LOG_RETENTION_MS: Option<i64> = "log.retention.ms" => null().high().cluster_wide();

    /// Hours after which a new segment is started; `log.roll.ms` wins over it.
    LOG_ROLL_HOURS: i32 = "log.roll.hours" => default("168").at_least(1).high();

    /// Hours by which the roll is at most hastened, at random, so that not all partitions roll at once;
    /// `log.roll.jitter.ms` wins over it.
    LOG_ROLL_JITTER_HOURS: i32 = "log.roll.jitter.hours" => default("0").at_least(0).high();

    /// Time in ms by which the roll is at most hastened, at random. Unset, `log.roll.jitter.hours`.
    LOG_ROLL_JITTER_MS: Option<i64> = "log.roll.jitter.ms" => null().high().cluster_wide();

    /// Time in ms after which a new segment is started. Unset, `log.roll.hours`.
    LOG_ROLL_MS: Option<i64> = "log.roll.ms" => null().high().cluster_wide();

    /// Largest segment file in bytes.
    LOG_SEGMENT_BYTES: i32 = "log.segment.bytes" =>
        default("1073741824").at_least(1048576).high().cluster_wide();

    /// Time in ms between a file's removal from the log and its deletion from disk.
    LOG_SEGMENT_DELETE_DELAY_MS: i64 = "log.segment.delete.delay.ms" =>
        default("60000").at_least(0).high().cluster_wide();

    /// Largest batch in bytes, compressed, that a topic takes.
    MESSAGE_MAX_BYTES: i32 = "message.max.bytes" => default("1048588").at_least(0).high().cluster_wide();

    /// Replicas in sync that a write with `acks=all` needs.
    MIN_INSYNC_REPLICAS: i32 = "min.insync.replicas" => default("1").at_least(1).high().cluster_wide();

    /// Partitions of a topic that is created without a number.
    NUM_PARTITIONS: i32 = "num.partitions" => default("1").at_least(1);

    /// Threads a directory for recovery at start and flushing at stop.
    NUM_RECOVERY_THREADS_PER_DATA_DIR: i32 = "num.recovery.threads.per.data.dir" =>
        default("2").at_least(1).high().cluster_wide();
}
