//! Topics for offsets and transactions, classic groups, producer ids.

use super::reasons;
use crate::key::{default, key_table};
use crate::range::Accepts;
use crate::value::List;

key_table! { OfBroker from super::replication::END;
    /// Longest time in ms that adding a partition to a transaction is tried again.
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS: i32 = "add.partitions.to.txn.retry.backoff.max.ms" =>
        default("100").at_least(0).high().since("4.0").ignored(reasons::TRANSACTIONS);

    /// Pause in ms before adding a partition to a transaction is tried again.
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS: i32 = "add.partitions.to.txn.retry.backoff.ms" =>
        default("20").at_least(1).high().since("4.0").ignored(reasons::TRANSACTIONS);

    /// Time in ms that a coordinator gathers writes; -1 follows the load.
    GROUP_COORDINATOR_APPEND_LINGER_MS: i32 = "group.coordinator.append.linger.ms" =>
        default("-1").at_least(-1).since("3.8");

    /// Threads for background work of coordinators.
    GROUP_COORDINATOR_BACKGROUND_THREADS: i32 = "group.coordinator.background.threads" =>
        default("2").at_least(1).high().since("4.3").ignored(reasons::THREADS);

    /// Largest buffer in bytes that a coordinator keeps for its next write.
    GROUP_COORDINATOR_CACHED_BUFFER_MAX_BYTES: i32 = "group.coordinator.cached.buffer.max.bytes" =>
        default("1048588").at_least(524288).cluster_wide().since("4.3").ignored(reasons::BUFFERS);

    /// Group protocols that are offered.
    GROUP_COORDINATOR_REBALANCE_PROTOCOLS: List = "group.coordinator.rebalance.protocols" =>
        default("classic,consumer,streams")
            .accepts(Accepts::SomeOf(&["consumer", "classic", "share", "streams"])).since("3.7")
            .ignored(reasons::PROTOCOLS);

    /// Threads of coordinators.
    GROUP_COORDINATOR_THREADS: i32 = "group.coordinator.threads" =>
        default("4").at_least(1).high().since("3.5").ignored(reasons::THREADS);

    /// Time in ms that an empty group waits for more members after the first.
    GROUP_INITIAL_REBALANCE_DELAY_MS: i32 = "group.initial.rebalance.delay.ms" => default("3000");

    /// Longest session time-out in ms that a member of a classic group may ask for.
    GROUP_MAX_SESSION_TIMEOUT_MS: i32 = "group.max.session.timeout.ms" => default("1800000");

    /// Most members of a classic group.
    GROUP_MAX_SIZE: i32 = "group.max.size" => default("2147483647").at_least(1);

    /// Shortest session time-out in ms that a member of a classic group may ask for.
    GROUP_MIN_SESSION_TIMEOUT_MS: i32 = "group.min.session.timeout.ms" => default("6000");

    /// Longest text in bytes that may go with a committed offset.
    OFFSET_METADATA_MAX_BYTES: i32 = "offset.metadata.max.bytes" => default("4096").high();

    /// Time in ms for a commit to reach the replicas of the offsets topic.
    OFFSETS_COMMIT_TIMEOUT_MS: i32 = "offsets.commit.timeout.ms" => default("5000").at_least(1).high();

    /// Bytes read at a time when a coordinator loads its partition.
    OFFSETS_LOAD_BUFFER_SIZE: i32 = "offsets.load.buffer.size" => default("5242880").at_least(1).high();

    /// Time in ms between checks for expired offsets.
    OFFSETS_RETENTION_CHECK_INTERVAL_MS: i64 = "offsets.retention.check.interval.ms" =>
        default("600000").at_least(1).high();

    /// Minutes that offsets are kept after their group became empty, or after the commit where there is no
    /// group.
    OFFSETS_RETENTION_MINUTES: i32 = "offsets.retention.minutes" => default("10080").at_least(1).high();

    /// Codec of the offsets topic by number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    OFFSETS_TOPIC_COMPRESSION_CODEC: i32 = "offsets.topic.compression.codec" => default("0").high();

    /// Partitions of the offsets topic; not to be changed later.
    OFFSETS_TOPIC_NUM_PARTITIONS: i32 = "offsets.topic.num.partitions" => default("50").at_least(1).high();

    /// Replicas of the offsets topic. It cannot be created before so many brokers are there.
    OFFSETS_TOPIC_REPLICATION_FACTOR: i16 = "offsets.topic.replication.factor" =>
        default("3").at_least(1).high();

    /// Segment size in bytes of the offsets topic.
    OFFSETS_TOPIC_SEGMENT_BYTES: i32 = "offsets.topic.segment.bytes" =>
        default("104857600").at_least(1).high();

    /// Time in ms between checks for idle producer ids.
    PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS: i32 = "producer.id.expiration.check.interval.ms" =>
        default("600000").at_least(1).low().since("3.4").unlisted();

    /// Time in ms after its last write at which a producer id is forgotten by a partition.
    PRODUCER_ID_EXPIRATION_MS: i32 = "producer.id.expiration.ms" =>
        default("86400000").at_least(1).low().cluster_wide().since("3.4");

    /// Time in ms between checks for transactions to abort.
    TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: i32 =
        "transaction.abort.timed.out.transaction.cleanup.interval.ms" =>
        default("10000").at_least(1).low().ignored(reasons::TRANSACTIONS);

    /// Longest time-out in ms that a transactional producer may ask for.
    TRANSACTION_MAX_TIMEOUT_MS: i32 = "transaction.max.timeout.ms" =>
        default("900000").at_least(1).high().ignored(reasons::TRANSACTIONS);

    /// Whether a partition checks with the coordinator that a transaction is open before it takes its
    /// records.
    TRANSACTION_PARTITION_VERIFICATION_ENABLE: bool = "transaction.partition.verification.enable" =>
        default("true").low().cluster_wide().since("3.6").ignored(reasons::TRANSACTIONS);

    /// Time in ms between checks for expired transactional ids.
    TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS: i32 =
        "transaction.remove.expired.transaction.cleanup.interval.ms" =>
        default("3600000").at_least(1).low().ignored(reasons::TRANSACTIONS);

    /// Bytes read at a time when a transaction coordinator loads its partition.
    TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE: i32 = "transaction.state.log.load.buffer.size" =>
        default("5242880").at_least(1).high().ignored(reasons::TRANSACTIONS);

    /// `min.insync.replicas` of the transactions topic.
    TRANSACTION_STATE_LOG_MIN_ISR: i32 = "transaction.state.log.min.isr" =>
        default("2").at_least(1).high().ignored(reasons::TRANSACTIONS);

    /// Partitions of the transactions topic; not to be changed later.
    TRANSACTION_STATE_LOG_NUM_PARTITIONS: i32 = "transaction.state.log.num.partitions" =>
        default("50").at_least(1).high().ignored(reasons::TRANSACTIONS);

    /// Replicas of the transactions topic.
    TRANSACTION_STATE_LOG_REPLICATION_FACTOR: i16 = "transaction.state.log.replication.factor" =>
        default("3").at_least(1).high().ignored(reasons::TRANSACTIONS);

    /// Segment size in bytes of the transactions topic.
    TRANSACTION_STATE_LOG_SEGMENT_BYTES: i32 = "transaction.state.log.segment.bytes" =>
        default("104857600").at_least(1).high().ignored(reasons::TRANSACTIONS);

    /// Whether producers may prepare transactions for an outside coordinator (KIP-939).
    TRANSACTION_TWO_PHASE_COMMIT_ENABLE: bool = "transaction.two.phase.commit.enable" =>
        default("false").low().since("4.1").ignored(reasons::TRANSACTIONS);

    /// Time in ms without use after which a transactional id is forgotten.
    TRANSACTIONAL_ID_EXPIRATION_MS: i32 = "transactional.id.expiration.ms" =>
        default("604800000").at_least(1).high().ignored(reasons::TRANSACTIONS);
}
