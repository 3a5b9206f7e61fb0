//! Tiered storage (KIP-405).

use super::reasons;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::Text;

key_table! { OfBroker from super::sasl::END;
    /// Whether a new follower starts at the end of what is tiered.
    FOLLOWER_FETCH_LAST_TIERED_OFFSET_ENABLE: bool = "follower.fetch.last.tiered.offset.enable" =>
        default("false").cluster_wide().since("4.3").ignored(reasons::TIERED);

    /// Bytes of a tiered partition kept on the broker; -2 takes the partition's own limit.
    LOG_LOCAL_RETENTION_BYTES: i64 = "log.local.retention.bytes" =>
        default("-2").at_least(-2).cluster_wide().since("3.6").ignored(reasons::TIERED);

    /// Time in ms that tiered segments stay on the broker; -2 takes the topic's own limit.
    LOG_LOCAL_RETENTION_MS: i64 = "log.local.retention.ms" =>
        default("-2").at_least(-2).cluster_wide().since("3.6").ignored(reasons::TIERED);

    /// Time in ms that a fetch waits for tiered storage.
    REMOTE_FETCH_MAX_WAIT_MS: i32 = "remote.fetch.max.wait.ms" =>
        default("500").at_least(1).cluster_wide().since("3.8").ignored(reasons::TIERED);

    /// Time in ms that a look-up of an offset waits for tiered storage.
    REMOTE_LIST_OFFSETS_REQUEST_TIMEOUT_MS: i64 = "remote.list.offsets.request.timeout.ms" =>
        default("30000").at_least(1).cluster_wide().since("4.0").ignored(reasons::TIERED);

    /// Bytes on disk for indexes fetched from tiered storage.
    REMOTE_LOG_INDEX_FILE_CACHE_TOTAL_SIZE_BYTES: i64 = "remote.log.index.file.cache.total.size.bytes" =>
        default("1073741824").at_least(1).low().cluster_wide().since("3.0").ignored(reasons::TIERED);

    /// Time in ms after which unused indexes are dropped; -1 for never.
    REMOTE_LOG_INDEX_FILE_CACHE_TTL_MS: i64 = "remote.log.index.file.cache.ttl.ms" =>
        default("900000").at_least(-1).low().since("4.3").unlisted().ignored(reasons::TIERED);

    /// Threads that copy segments.
    REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE: i32 = "remote.log.manager.copier.thread.pool.size" =>
        default("10").at_least(1).cluster_wide().since("3.8").ignored(reasons::TIERED);

    /// Most bytes a second copied to tiered storage.
    REMOTE_LOG_MANAGER_COPY_MAX_BYTES_PER_SECOND: i64 = "remote.log.manager.copy.max.bytes.per.second" =>
        default("9223372036854775807").at_least(1).cluster_wide().since("3.8").ignored(reasons::TIERED);

    /// Windows that the rate of copying is averaged over.
    REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_NUM: i32 = "remote.log.manager.copy.quota.window.num" =>
        default("11").at_least(1).since("3.8").ignored(reasons::TIERED);

    /// Length in seconds of such a window.
    REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_SIZE_SECONDS: i32 =
        "remote.log.manager.copy.quota.window.size.seconds" =>
        default("1").at_least(1).since("3.8").ignored(reasons::TIERED);

    /// Threads that delete expired segments.
    REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE: i32 = "remote.log.manager.expiration.thread.pool.size" =>
        default("10").at_least(1).cluster_wide().since("3.8").ignored(reasons::TIERED);

    /// Most bytes a second fetched from tiered storage.
    REMOTE_LOG_MANAGER_FETCH_MAX_BYTES_PER_SECOND: i64 = "remote.log.manager.fetch.max.bytes.per.second" =>
        default("9223372036854775807").at_least(1).cluster_wide().since("3.8").ignored(reasons::TIERED);

    /// Windows that the rate of fetching is averaged over.
    REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_NUM: i32 = "remote.log.manager.fetch.quota.window.num" =>
        default("11").at_least(1).since("3.8").ignored(reasons::TIERED);

    /// Length in seconds of such a window.
    REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_SIZE_SECONDS: i32 =
        "remote.log.manager.fetch.quota.window.size.seconds" =>
        default("1").at_least(1).since("3.8").ignored(reasons::TIERED);

    /// Threads for partitions that this broker follows.
    REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE: i32 = "remote.log.manager.follower.thread.pool.size" =>
        default("2").at_least(1).cluster_wide().since("4.2").ignored(reasons::TIERED);

    /// Time in ms between rounds of copying and deleting.
    REMOTE_LOG_MANAGER_TASK_INTERVAL_MS: i64 = "remote.log.manager.task.interval.ms" =>
        default("30000").at_least(1).low().since("3.0").ignored(reasons::TIERED);

    /// Longest pause in ms after a failed round.
    REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MAX_MS: i64 = "remote.log.manager.task.retry.backoff.max.ms" =>
        default("30000").at_least(1).low().since("3.0").unlisted().ignored(reasons::TIERED);

    /// First pause in ms after a failed round.
    REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MS: i64 = "remote.log.manager.task.retry.backoff.ms" =>
        default("500").at_least(1).low().since("3.0").unlisted().ignored(reasons::TIERED);

    /// Share of such a pause that is left to chance.
    REMOTE_LOG_MANAGER_TASK_RETRY_JITTER: f64 = "remote.log.manager.task.retry.jitter" =>
        default("0.2").low().since("3.0").unlisted().ignored(reasons::TIERED);

    /// Threads of older lines for copying and deleting.
    REMOTE_LOG_MANAGER_THREAD_POOL_SIZE: i32 = "remote.log.manager.thread.pool.size" =>
        default("2").at_least(1).since("3.0").ignored(reasons::TIERED);

    /// Most bytes of a storage's own notes on a segment.
    REMOTE_LOG_METADATA_CUSTOM_METADATA_MAX_BYTES: i32 = "remote.log.metadata.custom.metadata.max.bytes" =>
        default("128").at_least(0).low().since("3.6").ignored(reasons::TIERED);

    /// Java class that keeps the list of tiered segments.
    REMOTE_LOG_METADATA_MANAGER_CLASS_NAME: Text = "remote.log.metadata.manager.class.name" =>
        default("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager")
            .accepts(Accepts::NonEmpty).since("3.0").ignored(reasons::TIERED);

    /// Where that class lies.
    REMOTE_LOG_METADATA_MANAGER_CLASS_PATH: Option<Text> = "remote.log.metadata.manager.class.path" =>
        null().since("3.0").ignored(reasons::TIERED);

    /// Prefix of that class's settings.
    REMOTE_LOG_METADATA_MANAGER_IMPL_PREFIX: Text = "remote.log.metadata.manager.impl.prefix" =>
        default("rlmm.config.").accepts(Accepts::NonEmpty).since("3.0").ignored(reasons::TIERED);

    /// Listener that class connects to.
    REMOTE_LOG_METADATA_MANAGER_LISTENER_NAME: Option<Text> = "remote.log.metadata.manager.listener.name" =>
        null().accepts(Accepts::NonEmpty).since("3.0").ignored(reasons::TIERED);

    /// Most reads of tiered storage in the queue.
    REMOTE_LOG_READER_MAX_PENDING_TASKS: i32 = "remote.log.reader.max.pending.tasks" =>
        default("100").at_least(1).since("3.0").ignored(reasons::TIERED);

    /// Threads that read tiered storage.
    REMOTE_LOG_READER_THREADS: i32 = "remote.log.reader.threads" =>
        default("10").at_least(1).cluster_wide().since("3.0").ignored(reasons::TIERED);

    /// Java class of the storage.
    REMOTE_LOG_STORAGE_MANAGER_CLASS_NAME: Option<Text> = "remote.log.storage.manager.class.name" =>
        null().accepts(Accepts::NonEmpty).since("3.0").ignored(reasons::TIERED);

    /// Where that class lies.
    REMOTE_LOG_STORAGE_MANAGER_CLASS_PATH: Option<Text> = "remote.log.storage.manager.class.path" =>
        null().since("3.0").ignored(reasons::TIERED);

    /// Prefix of that class's settings.
    REMOTE_LOG_STORAGE_MANAGER_IMPL_PREFIX: Text = "remote.log.storage.manager.impl.prefix" =>
        default("rsm.config.").accepts(Accepts::NonEmpty).since("3.0").ignored(reasons::TIERED);

    /// Whether the broker has tiered storage.
    REMOTE_LOG_STORAGE_SYSTEM_ENABLE: bool = "remote.log.storage.system.enable" =>
        default("false").since("3.0").ignored(reasons::TIERED);
}
