//! Topics for offsets and transactions, classic groups, producer ids.

use crate::key::{default, key_table};
use crate::range::Accepts;
use crate::value::List;

key_table! { OfBroker from super::replication::END;
    /// add partitions to txn retry backoff max ms.
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS: i32 = "add.partitions.to.txn.retry.backoff.max.ms" =>
        default("100").at_least(0).high();

    /// add partitions to txn retry backoff ms.
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS: i32 = "add.partitions.to.txn.retry.backoff.ms" =>
        default("20").at_least(1).high();

    /// group coordinator append linger ms.
    GROUP_COORDINATOR_APPEND_LINGER_MS: i32 = "group.coordinator.append.linger.ms" =>
        default("-1").at_least(-1);

    /// group coordinator background threads.
    GROUP_COORDINATOR_BACKGROUND_THREADS: i32 = "group.coordinator.background.threads" =>
        default("2").at_least(1).high();

    /// group coordinator cached buffer max bytes.
    GROUP_COORDINATOR_CACHED_BUFFER_MAX_BYTES: i32 = "group.coordinator.cached.buffer.max.bytes" =>
        default("1048588").at_least(524288).cluster_wide();

    /// group coordinator rebalance protocols.
    GROUP_COORDINATOR_REBALANCE_PROTOCOLS: List = "group.coordinator.rebalance.protocols" =>
        default("classic,consumer,streams").accepts(Accepts::WordsOf(&["consumer", "classic", "share", "streams"]));

    /// group coordinator threads.
    GROUP_COORDINATOR_THREADS: i32 = "group.coordinator.threads" => default("4").at_least(1).high();

    /// group initial rebalance delay ms.
    GROUP_INITIAL_REBALANCE_DELAY_MS: i32 = "group.initial.rebalance.delay.ms" => default("3000");

    /// group max session timeout ms.
    GROUP_MAX_SESSION_TIMEOUT_MS: i32 = "group.max.session.timeout.ms" => default("1800000");

    /// group max size.
    GROUP_MAX_SIZE: i32 = "group.max.size" => default("2147483647").at_least(1);

    /// group min session timeout ms.
    GROUP_MIN_SESSION_TIMEOUT_MS: i32 = "group.min.session.timeout.ms" => default("6000");

    /// offset metadata max bytes.
    OFFSET_METADATA_MAX_BYTES: i32 = "offset.metadata.max.bytes" => default("4096").high();

    /// offsets commit timeout ms.
    OFFSETS_COMMIT_TIMEOUT_MS: i32 = "offsets.commit.timeout.ms" => default("5000").at_least(1).high();

    /// offsets load buffer size.
    OFFSETS_LOAD_BUFFER_SIZE: i32 = "offsets.load.buffer.size" => default("5242880").at_least(1).high();

    /// offsets retention check interval ms.
    OFFSETS_RETENTION_CHECK_INTERVAL_MS: i64 = "offsets.retention.check.interval.ms" =>
        default("600000").at_least(1).high();

    /// offsets retention minutes.
    OFFSETS_RETENTION_MINUTES: i32 = "offsets.retention.minutes" => default("10080").at_least(1).high();

    /// offsets topic compression codec.
    OFFSETS_TOPIC_COMPRESSION_CODEC: i32 = "offsets.topic.compression.codec" => default("0").high();

    /// offsets topic num partitions.
    OFFSETS_TOPIC_NUM_PARTITIONS: i32 = "offsets.topic.num.partitions" => default("50").at_least(1).high();

    /// offsets topic replication factor.
    OFFSETS_TOPIC_REPLICATION_FACTOR: i16 = "offsets.topic.replication.factor" =>
        default("3").at_least(1).high();

    /// offsets topic segment bytes.
    OFFSETS_TOPIC_SEGMENT_BYTES: i32 = "offsets.topic.segment.bytes" =>
        default("104857600").at_least(1).high();

    /// producer id expiration check interval ms.
    PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS: i32 = "producer.id.expiration.check.interval.ms" =>
        default("600000").at_least(1).low().unlisted();

    /// producer id expiration ms.
    PRODUCER_ID_EXPIRATION_MS: i32 = "producer.id.expiration.ms" =>
        default("86400000").at_least(1).low().cluster_wide();

    /// transaction abort timed out transaction cleanup interval ms.
    TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: i32 = "transaction.abort.timed.out.transaction.cleanup.interval.ms" =>
        default("10000").at_least(1).low();

    /// transaction max timeout ms.
    TRANSACTION_MAX_TIMEOUT_MS: i32 = "transaction.max.timeout.ms" => default("900000").at_least(1).high();

    /// transaction partition verification enable.
    TRANSACTION_PARTITION_VERIFICATION_ENABLE: bool = "transaction.partition.verification.enable" =>
        default("true").low().cluster_wide();

    /// transaction remove expired transaction cleanup interval ms.
    TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS: i32 = "transaction.remove.expired.transaction.cleanup.interval.ms" =>
        default("3600000").at_least(1).low();

    /// transaction state log load buffer size.
    TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE: i32 = "transaction.state.log.load.buffer.size" =>
        default("5242880").at_least(1).high();

    /// transaction state log min isr.
    TRANSACTION_STATE_LOG_MIN_ISR: i32 = "transaction.state.log.min.isr" => default("2").at_least(1).high();

    /// transaction state log num partitions.
    TRANSACTION_STATE_LOG_NUM_PARTITIONS: i32 = "transaction.state.log.num.partitions" =>
        default("50").at_least(1).high();

    /// transaction state log replication factor.
    TRANSACTION_STATE_LOG_REPLICATION_FACTOR: i16 = "transaction.state.log.replication.factor" =>
        default("3").at_least(1).high();

    /// transaction state log segment bytes.
    TRANSACTION_STATE_LOG_SEGMENT_BYTES: i32 = "transaction.state.log.segment.bytes" =>
        default("104857600").at_least(1).high();

    /// transaction two phase commit enable.
    TRANSACTION_TWO_PHASE_COMMIT_ENABLE: bool = "transaction.two.phase.commit.enable" =>
        default("false").low();

    /// transactional id expiration ms.
    TRANSACTIONAL_ID_EXPIRATION_MS: i32 = "transactional.id.expiration.ms" =>
        default("604800000").at_least(1).high();
}
