//! Tiered storage (KIP-405).

use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::Text;

key_table! { OfBroker from super::sasl::END;
    /// follower fetch last tiered offset enable.
    FOLLOWER_FETCH_LAST_TIERED_OFFSET_ENABLE: bool = "follower.fetch.last.tiered.offset.enable" =>
        default("false").cluster_wide();

    /// log local retention bytes.
    LOG_LOCAL_RETENTION_BYTES: i64 = "log.local.retention.bytes" => default("-2").at_least(-2).cluster_wide();

    /// log local retention ms.
    LOG_LOCAL_RETENTION_MS: i64 = "log.local.retention.ms" => default("-2").at_least(-2).cluster_wide();

    /// remote fetch max wait ms.
    REMOTE_FETCH_MAX_WAIT_MS: i32 = "remote.fetch.max.wait.ms" => default("500").at_least(1).cluster_wide();

    /// remote list offsets request timeout ms.
    REMOTE_LIST_OFFSETS_REQUEST_TIMEOUT_MS: i64 = "remote.list.offsets.request.timeout.ms" =>
        default("30000").at_least(1).cluster_wide();

    /// remote log index file cache total size bytes.
    REMOTE_LOG_INDEX_FILE_CACHE_TOTAL_SIZE_BYTES: i64 = "remote.log.index.file.cache.total.size.bytes" =>
        default("1073741824").at_least(1).low().cluster_wide();

    /// remote log index file cache ttl ms.
    REMOTE_LOG_INDEX_FILE_CACHE_TTL_MS: i64 = "remote.log.index.file.cache.ttl.ms" =>
        default("900000").at_least(-1).low().unlisted();

    /// remote log manager copier thread pool size.
    REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE: i32 = "remote.log.manager.copier.thread.pool.size" =>
        default("10").at_least(1).cluster_wide();

    /// remote log manager copy max bytes per second.
    REMOTE_LOG_MANAGER_COPY_MAX_BYTES_PER_SECOND: i64 = "remote.log.manager.copy.max.bytes.per.second" =>
        default("9223372036854775807").at_least(1).cluster_wide();

    /// remote log manager copy quota window num.
    REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_NUM: i32 = "remote.log.manager.copy.quota.window.num" =>
        default("11").at_least(1);

    /// remote log manager copy quota window size seconds.
    REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_SIZE_SECONDS: i32 = "remote.log.manager.copy.quota.window.size.seconds" =>
        default("1").at_least(1);

    /// remote log manager expiration thread pool size.
    REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE: i32 = "remote.log.manager.expiration.thread.pool.size" =>
        default("10").at_least(1).cluster_wide();

    /// remote log manager fetch max bytes per second.
    REMOTE_LOG_MANAGER_FETCH_MAX_BYTES_PER_SECOND: i64 = "remote.log.manager.fetch.max.bytes.per.second" =>
        default("9223372036854775807").at_least(1).cluster_wide();

    /// remote log manager fetch quota window num.
    REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_NUM: i32 = "remote.log.manager.fetch.quota.window.num" =>
        default("11").at_least(1);

    /// remote log manager fetch quota window size seconds.
    REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_SIZE_SECONDS: i32 = "remote.log.manager.fetch.quota.window.size.seconds" =>
        default("1").at_least(1);

    /// remote log manager follower thread pool size.
    REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE: i32 = "remote.log.manager.follower.thread.pool.size" =>
        default("2").at_least(1).cluster_wide();

    /// remote log manager task interval ms.
    REMOTE_LOG_MANAGER_TASK_INTERVAL_MS: i64 = "remote.log.manager.task.interval.ms" =>
        default("30000").at_least(1).low();

    /// remote log manager task retry backoff max ms.
    REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MAX_MS: i64 = "remote.log.manager.task.retry.backoff.max.ms" =>
        default("30000").at_least(1).low().unlisted();

    /// remote log manager task retry backoff ms.
    REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MS: i64 = "remote.log.manager.task.retry.backoff.ms" =>
        default("500").at_least(1).low().unlisted();

    /// remote log manager task retry jitter.
    REMOTE_LOG_MANAGER_TASK_RETRY_JITTER: f64 = "remote.log.manager.task.retry.jitter" =>
        default("0.2").low().unlisted();

    /// remote log manager thread pool size.
    REMOTE_LOG_MANAGER_THREAD_POOL_SIZE: i32 = "remote.log.manager.thread.pool.size" =>
        default("2").at_least(1);

    /// remote log metadata custom metadata max bytes.
    REMOTE_LOG_METADATA_CUSTOM_METADATA_MAX_BYTES: i32 = "remote.log.metadata.custom.metadata.max.bytes" =>
        default("128").at_least(0).low();

    /// remote log metadata manager class name.
    REMOTE_LOG_METADATA_MANAGER_CLASS_NAME: Text = "remote.log.metadata.manager.class.name" =>
        default("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager").accepts(Accepts::NonEmpty);

    /// remote log metadata manager class path.
    REMOTE_LOG_METADATA_MANAGER_CLASS_PATH: Option<Text> = "remote.log.metadata.manager.class.path" => null();

    /// remote log metadata manager impl prefix.
    REMOTE_LOG_METADATA_MANAGER_IMPL_PREFIX: Text = "remote.log.metadata.manager.impl.prefix" =>
        default("rlmm.config.").accepts(Accepts::NonEmpty);

    /// remote log metadata manager listener name.
    REMOTE_LOG_METADATA_MANAGER_LISTENER_NAME: Option<Text> = "remote.log.metadata.manager.listener.name" =>
        null().accepts(Accepts::NonEmpty);

    /// remote log reader max pending tasks.
    REMOTE_LOG_READER_MAX_PENDING_TASKS: i32 = "remote.log.reader.max.pending.tasks" =>
        default("100").at_least(1);

    /// remote log reader threads.
    REMOTE_LOG_READER_THREADS: i32 = "remote.log.reader.threads" => default("10").at_least(1).cluster_wide();

    /// remote log storage manager class name.
    REMOTE_LOG_STORAGE_MANAGER_CLASS_NAME: Option<Text> = "remote.log.storage.manager.class.name" =>
        null().accepts(Accepts::NonEmpty);

    /// remote log storage manager class path.
    REMOTE_LOG_STORAGE_MANAGER_CLASS_PATH: Option<Text> = "remote.log.storage.manager.class.path" => null();

    /// remote log storage manager impl prefix.
    REMOTE_LOG_STORAGE_MANAGER_IMPL_PREFIX: Text = "remote.log.storage.manager.impl.prefix" =>
        default("rsm.config.").accepts(Accepts::NonEmpty);

    /// remote log storage system enable.
    REMOTE_LOG_STORAGE_SYSTEM_ENABLE: bool = "remote.log.storage.system.enable" => default("false");
}
