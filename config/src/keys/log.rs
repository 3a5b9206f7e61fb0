//! Data directories, segments, retention, compression and the cleaner.

use super::rules::GZIP_LEVEL;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfBroker from super::network::END;
    /// auto create topics enable.
    AUTO_CREATE_TOPICS_ENABLE: bool = "auto.create.topics.enable" => default("true").high();

    /// compression gzip level.
    COMPRESSION_GZIP_LEVEL: i32 = "compression.gzip.level" =>
        default("-1").accepts(GZIP_LEVEL).cluster_wide();

    /// compression lz4 level.
    COMPRESSION_LZ4_LEVEL: i32 = "compression.lz4.level" =>
        default("9").accepts(Accepts::Between(1, 17)).cluster_wide();

    /// compression type.
    COMPRESSION_TYPE: Text = "compression.type" =>
        default("producer").accepts(Accepts::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])).high().cluster_wide();

    /// compression zstd level.
    COMPRESSION_ZSTD_LEVEL: i32 = "compression.zstd.level" =>
        default("3").accepts(Accepts::Between(-131072, 22)).cluster_wide();

    /// cordoned log dirs.
    CORDONED_LOG_DIRS: List = "cordoned.log.dirs" =>
        default("").accepts(Accepts::Distinct { empty_allowed: true }).per_broker();

    /// delete topic enable.
    DELETE_TOPIC_ENABLE: bool = "delete.topic.enable" => default("true").high();

    /// log cleaner backoff ms.
    LOG_CLEANER_BACKOFF_MS: i64 = "log.cleaner.backoff.ms" => default("15000").at_least(0).cluster_wide();

    /// log cleaner dedupe buffer size.
    LOG_CLEANER_DEDUPE_BUFFER_SIZE: i64 = "log.cleaner.dedupe.buffer.size" =>
        default("134217728").cluster_wide();

    /// log cleaner delete retention ms.
    LOG_CLEANER_DELETE_RETENTION_MS: i64 = "log.cleaner.delete.retention.ms" =>
        default("86400000").at_least(0).cluster_wide();

    /// log cleaner enable.
    LOG_CLEANER_ENABLE: bool = "log.cleaner.enable" => default("true");

    /// log cleaner io buffer load factor.
    LOG_CLEANER_IO_BUFFER_LOAD_FACTOR: f64 = "log.cleaner.io.buffer.load.factor" =>
        default("0.9").cluster_wide();

    /// log cleaner io buffer size.
    LOG_CLEANER_IO_BUFFER_SIZE: i32 = "log.cleaner.io.buffer.size" =>
        default("524288").at_least(0).cluster_wide();

    /// log cleaner io max bytes per second.
    LOG_CLEANER_IO_MAX_BYTES_PER_SECOND: f64 = "log.cleaner.io.max.bytes.per.second" =>
        default("1.7976931348623157E308").cluster_wide();

    /// log cleaner max compaction lag ms.
    LOG_CLEANER_MAX_COMPACTION_LAG_MS: i64 = "log.cleaner.max.compaction.lag.ms" =>
        default("9223372036854775807").at_least(1).cluster_wide();

    /// log cleaner min cleanable ratio.
    LOG_CLEANER_MIN_CLEANABLE_RATIO: f64 = "log.cleaner.min.cleanable.ratio" =>
        default("0.5").accepts(Accepts::Between(0, 1)).cluster_wide();

    /// log cleaner min compaction lag ms.
    LOG_CLEANER_MIN_COMPACTION_LAG_MS: i64 = "log.cleaner.min.compaction.lag.ms" =>
        default("0").at_least(0).cluster_wide();

    /// log cleaner threads.
    LOG_CLEANER_THREADS: i32 = "log.cleaner.threads" => default("1").at_least(0).cluster_wide();

    /// log cleanup policy.
    LOG_CLEANUP_POLICY: List = "log.cleanup.policy" =>
        default("delete").accepts(Accepts::WordsOf(&["compact", "delete"])).cluster_wide();

    /// log dir.
    LOG_DIR: List = "log.dir" =>
        default("/tmp/kafka-logs").accepts(Accepts::Distinct { empty_allowed: false }).high();

    /// log dir failure timeout ms.
    LOG_DIR_FAILURE_TIMEOUT_MS: i64 = "log.dir.failure.timeout.ms" => default("30000").at_least(1).low();

    /// log dirs.
    LOG_DIRS: Option<List> = "log.dirs" => null().accepts(Accepts::Distinct { empty_allowed: false }).high();

    /// log flush interval messages.
    LOG_FLUSH_INTERVAL_MESSAGES: i64 = "log.flush.interval.messages" =>
        default("9223372036854775807").at_least(1).high().cluster_wide();

    /// log flush interval ms.
    LOG_FLUSH_INTERVAL_MS: Option<i64> = "log.flush.interval.ms" => null().high().cluster_wide();

    /// log flush offset checkpoint interval ms.
    LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS: i32 = "log.flush.offset.checkpoint.interval.ms" =>
        default("60000").at_least(0).high();

    /// log flush scheduler interval ms.
    LOG_FLUSH_SCHEDULER_INTERVAL_MS: i64 = "log.flush.scheduler.interval.ms" =>
        default("9223372036854775807").high();

    /// log flush start offset checkpoint interval ms.
    LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS: i32 = "log.flush.start.offset.checkpoint.interval.ms" =>
        default("60000").at_least(0).high();

    /// log index interval bytes.
    LOG_INDEX_INTERVAL_BYTES: i32 = "log.index.interval.bytes" => default("4096").at_least(0).cluster_wide();

    /// log index size max bytes.
    LOG_INDEX_SIZE_MAX_BYTES: i32 = "log.index.size.max.bytes" =>
        default("10485760").at_least(4).cluster_wide();

    /// log initial task delay ms.
    LOG_INITIAL_TASK_DELAY_MS: i64 = "log.initial.task.delay.ms" =>
        default("30000").at_least(0).low().unlisted();

    /// log message timestamp after max ms.
    LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS: i64 = "log.message.timestamp.after.max.ms" =>
        default("3600000").at_least(0).cluster_wide();

    /// log message timestamp before max ms.
    LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS: i64 = "log.message.timestamp.before.max.ms" =>
        default("9223372036854775807").at_least(0).cluster_wide();

    /// Older name of both `log.message.timestamp.before.max.ms` and `log.message.timestamp.after.max.ms`.
    LOG_MESSAGE_TIMESTAMP_DIFFERENCE_MAX_MS: Option<i64> = "log.message.timestamp.difference.max.ms" =>
        null().at_least(0).until("3.9");

    /// log message timestamp type.
    LOG_MESSAGE_TIMESTAMP_TYPE: Text = "log.message.timestamp.type" =>
        default("CreateTime").accepts(Accepts::OneOf(&["CreateTime", "LogAppendTime"])).cluster_wide();

    /// log preallocate.
    LOG_PREALLOCATE: bool = "log.preallocate" => default("false").cluster_wide();

    /// log retention bytes.
    LOG_RETENTION_BYTES: i64 = "log.retention.bytes" => default("-1").high().cluster_wide();

    /// log retention check interval ms.
    LOG_RETENTION_CHECK_INTERVAL_MS: i64 = "log.retention.check.interval.ms" => default("300000").at_least(1);

    /// log retention hours.
    LOG_RETENTION_HOURS: i32 = "log.retention.hours" => default("168").high();

    /// log retention minutes.
    LOG_RETENTION_MINUTES: Option<i32> = "log.retention.minutes" => null().high();

    /// log retention ms.
    LOG_RETENTION_MS: Option<i64> = "log.retention.ms" => null().high().cluster_wide();

    /// log roll hours.
    LOG_ROLL_HOURS: i32 = "log.roll.hours" => default("168").at_least(1).high();

    /// log roll jitter hours.
    LOG_ROLL_JITTER_HOURS: i32 = "log.roll.jitter.hours" => default("0").at_least(0).high();

    /// log roll jitter ms.
    LOG_ROLL_JITTER_MS: Option<i64> = "log.roll.jitter.ms" => null().high().cluster_wide();

    /// log roll ms.
    LOG_ROLL_MS: Option<i64> = "log.roll.ms" => null().high().cluster_wide();

    /// log segment bytes.
    LOG_SEGMENT_BYTES: i32 = "log.segment.bytes" =>
        default("1073741824").at_least(1048576).high().cluster_wide();

    /// log segment delete delay ms.
    LOG_SEGMENT_DELETE_DELAY_MS: i64 = "log.segment.delete.delay.ms" =>
        default("60000").at_least(0).high().cluster_wide();

    /// message max bytes.
    MESSAGE_MAX_BYTES: i32 = "message.max.bytes" => default("1048588").at_least(0).high().cluster_wide();

    /// min insync replicas.
    MIN_INSYNC_REPLICAS: i32 = "min.insync.replicas" => default("1").at_least(1).high().cluster_wide();

    /// num partitions.
    NUM_PARTITIONS: i32 = "num.partitions" => default("1").at_least(1);

    /// num recovery threads per data dir.
    NUM_RECOVERY_THREADS_PER_DATA_DIR: i32 = "num.recovery.threads.per.data.dir" =>
        default("2").at_least(1).high().cluster_wide();
}
