//! The newer group protocols: consumer, share and streams (KIP-848, KIP-932, KIP-1071).

use crate::key::{default, key_table};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfBroker from super::coordinator::END;
    /// group consumer assignment interval ms.
    GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.assignment.interval.ms" =>
        default("1000").at_least(0).cluster_wide();

    /// group consumer assignors.
    GROUP_CONSUMER_ASSIGNORS: List = "group.consumer.assignors" => default("uniform,range");

    /// group consumer heartbeat interval ms.
    GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.heartbeat.interval.ms" =>
        default("5000").at_least(1);

    /// group consumer max assignment interval ms.
    GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.max.assignment.interval.ms" =>
        default("15000").at_least(0);

    /// group consumer max heartbeat interval ms.
    GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.max.heartbeat.interval.ms" =>
        default("15000").at_least(1);

    /// group consumer max session timeout ms.
    GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS: i32 = "group.consumer.max.session.timeout.ms" =>
        default("60000").at_least(1);

    /// group consumer max size.
    GROUP_CONSUMER_MAX_SIZE: i32 = "group.consumer.max.size" => default("2147483647").at_least(1);

    /// group consumer migration policy.
    GROUP_CONSUMER_MIGRATION_POLICY: Text = "group.consumer.migration.policy" =>
        default("bidirectional").accepts(Accepts::OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]));

    /// group consumer min assignment interval ms.
    GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.min.assignment.interval.ms" =>
        default("0").at_least(0);

    /// group consumer min heartbeat interval ms.
    GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.min.heartbeat.interval.ms" =>
        default("5000").at_least(1);

    /// group consumer min session timeout ms.
    GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS: i32 = "group.consumer.min.session.timeout.ms" =>
        default("45000").at_least(1);

    /// group consumer regex refresh interval ms.
    GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS: i32 = "group.consumer.regex.refresh.interval.ms" =>
        default("600000").at_least(10000).unlisted();

    /// group consumer session timeout ms.
    GROUP_CONSUMER_SESSION_TIMEOUT_MS: i32 = "group.consumer.session.timeout.ms" =>
        default("45000").at_least(1);

    /// group share assignment interval ms.
    GROUP_SHARE_ASSIGNMENT_INTERVAL_MS: i32 = "group.share.assignment.interval.ms" =>
        default("1000").at_least(0).cluster_wide();

    /// group share assignors.
    GROUP_SHARE_ASSIGNORS: List = "group.share.assignors" => default("simple");

    /// group share delivery count limit.
    GROUP_SHARE_DELIVERY_COUNT_LIMIT: i32 = "group.share.delivery.count.limit" =>
        default("5").accepts(Accepts::Between(2, 10));

    /// group share heartbeat interval ms.
    GROUP_SHARE_HEARTBEAT_INTERVAL_MS: i32 = "group.share.heartbeat.interval.ms" =>
        default("5000").at_least(1);

    /// group share initialize retry interval ms.
    GROUP_SHARE_INITIALIZE_RETRY_INTERVAL_MS: i32 = "group.share.initialize.retry.interval.ms" =>
        default("30000").at_least(1).low().unlisted();

    /// group share max assignment interval ms.
    GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.share.max.assignment.interval.ms" =>
        default("15000").at_least(0);

    /// group share max delivery count limit.
    GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT: i32 = "group.share.max.delivery.count.limit" =>
        default("10").accepts(Accepts::Between(5, 25));

    /// group share max heartbeat interval ms.
    GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.share.max.heartbeat.interval.ms" =>
        default("15000").at_least(1);

    /// group share max partition max record locks.
    GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS: i32 = "group.share.max.partition.max.record.locks" =>
        default("4000").accepts(Accepts::Between(2000, 10000));

    /// group share max record lock duration ms.
    GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS: i32 = "group.share.max.record.lock.duration.ms" =>
        default("60000").accepts(Accepts::Between(30000, 3600000));

    /// group share max session timeout ms.
    GROUP_SHARE_MAX_SESSION_TIMEOUT_MS: i32 = "group.share.max.session.timeout.ms" =>
        default("60000").at_least(1);

    /// group share max share sessions.
    GROUP_SHARE_MAX_SHARE_SESSIONS: i32 = "group.share.max.share.sessions" => default("2000").at_least(1);

    /// group share max size.
    GROUP_SHARE_MAX_SIZE: i32 = "group.share.max.size" => default("200").accepts(Accepts::Between(1, 1000));

    /// group share min assignment interval ms.
    GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.share.min.assignment.interval.ms" =>
        default("0").at_least(0);

    /// group share min delivery count limit.
    GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT: i32 = "group.share.min.delivery.count.limit" =>
        default("2").accepts(Accepts::Between(2, 5));

    /// group share min heartbeat interval ms.
    GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.share.min.heartbeat.interval.ms" =>
        default("5000").at_least(1);

    /// group share min partition max record locks.
    GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS: i32 = "group.share.min.partition.max.record.locks" =>
        default("100").accepts(Accepts::Between(100, 2000));

    /// group share min record lock duration ms.
    GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS: i32 = "group.share.min.record.lock.duration.ms" =>
        default("15000").accepts(Accepts::Between(1000, 30000));

    /// group share min session timeout ms.
    GROUP_SHARE_MIN_SESSION_TIMEOUT_MS: i32 = "group.share.min.session.timeout.ms" =>
        default("45000").at_least(1);

    /// group share partition max record locks.
    GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS: i32 = "group.share.partition.max.record.locks" =>
        default("2000").accepts(Accepts::Between(100, 10000));

    /// group share persister class name.
    GROUP_SHARE_PERSISTER_CLASS_NAME: Text = "group.share.persister.class.name" =>
        default("org.apache.kafka.server.share.persister.DefaultStatePersister").unlisted();

    /// group share record lock duration ms.
    GROUP_SHARE_RECORD_LOCK_DURATION_MS: i32 = "group.share.record.lock.duration.ms" =>
        default("30000").accepts(Accepts::Between(1000, 3600000));

    /// group share session timeout ms.
    GROUP_SHARE_SESSION_TIMEOUT_MS: i32 = "group.share.session.timeout.ms" => default("45000").at_least(1);

    /// group streams assignment interval ms.
    GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS: i32 = "group.streams.assignment.interval.ms" =>
        default("1000").at_least(0).cluster_wide();

    /// group streams heartbeat interval ms.
    GROUP_STREAMS_HEARTBEAT_INTERVAL_MS: i32 = "group.streams.heartbeat.interval.ms" =>
        default("5000").at_least(1);

    /// group streams initial rebalance delay ms.
    GROUP_STREAMS_INITIAL_REBALANCE_DELAY_MS: i32 = "group.streams.initial.rebalance.delay.ms" =>
        default("3000").at_least(0);

    /// group streams max assignment interval ms.
    GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.streams.max.assignment.interval.ms" =>
        default("15000").at_least(0);

    /// group streams max heartbeat interval ms.
    GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.streams.max.heartbeat.interval.ms" =>
        default("15000").at_least(1);

    /// group streams max session timeout ms.
    GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS: i32 = "group.streams.max.session.timeout.ms" =>
        default("60000").at_least(1);

    /// group streams max size.
    GROUP_STREAMS_MAX_SIZE: i32 = "group.streams.max.size" => default("2147483647").at_least(1);

    /// group streams max standby replicas.
    GROUP_STREAMS_MAX_STANDBY_REPLICAS: i32 = "group.streams.max.standby.replicas" =>
        default("2").at_least(0);

    /// group streams min assignment interval ms.
    GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.streams.min.assignment.interval.ms" =>
        default("0").at_least(0);

    /// group streams min heartbeat interval ms.
    GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.streams.min.heartbeat.interval.ms" =>
        default("5000").at_least(1);

    /// group streams min session timeout ms.
    GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS: i32 = "group.streams.min.session.timeout.ms" =>
        default("45000").at_least(1);

    /// group streams num standby replicas.
    GROUP_STREAMS_NUM_STANDBY_REPLICAS: i32 = "group.streams.num.standby.replicas" =>
        default("0").at_least(0);

    /// group streams session timeout ms.
    GROUP_STREAMS_SESSION_TIMEOUT_MS: i32 = "group.streams.session.timeout.ms" =>
        default("45000").at_least(1);

    /// share coordinator append linger ms.
    SHARE_COORDINATOR_APPEND_LINGER_MS: i32 = "share.coordinator.append.linger.ms" =>
        default("-1").at_least(-1);

    /// share coordinator cached buffer max bytes.
    SHARE_COORDINATOR_CACHED_BUFFER_MAX_BYTES: i32 = "share.coordinator.cached.buffer.max.bytes" =>
        default("1048588").at_least(524288).cluster_wide();

    /// share coordinator cold partition snapshot interval ms.
    SHARE_COORDINATOR_COLD_PARTITION_SNAPSHOT_INTERVAL_MS: i32 = "share.coordinator.cold.partition.snapshot.interval.ms" =>
        default("300000").at_least(1).low().unlisted();

    /// share coordinator load buffer size.
    SHARE_COORDINATOR_LOAD_BUFFER_SIZE: i32 = "share.coordinator.load.buffer.size" =>
        default("5242880").at_least(1).high();

    /// share coordinator snapshot update records per snapshot.
    SHARE_COORDINATOR_SNAPSHOT_UPDATE_RECORDS_PER_SNAPSHOT: i32 = "share.coordinator.snapshot.update.records.per.snapshot" =>
        default("500").accepts(Accepts::Between(0, 500));

    /// share coordinator state topic compression codec.
    SHARE_COORDINATOR_STATE_TOPIC_COMPRESSION_CODEC: i32 = "share.coordinator.state.topic.compression.codec" =>
        default("0").high();

    /// share coordinator state topic min isr.
    SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: i16 = "share.coordinator.state.topic.min.isr" =>
        default("2").at_least(1).high();

    /// share coordinator state topic num partitions.
    SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS: i32 = "share.coordinator.state.topic.num.partitions" =>
        default("50").at_least(1).high();

    /// share coordinator state topic prune interval ms.
    SHARE_COORDINATOR_STATE_TOPIC_PRUNE_INTERVAL_MS: i32 = "share.coordinator.state.topic.prune.interval.ms" =>
        default("300000").at_least(1).low().unlisted();

    /// share coordinator state topic replication factor.
    SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: i16 = "share.coordinator.state.topic.replication.factor" =>
        default("3").at_least(1).high();

    /// share coordinator state topic segment bytes.
    SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES: i32 = "share.coordinator.state.topic.segment.bytes" =>
        default("104857600").at_least(1).high();

    /// share coordinator threads.
    SHARE_COORDINATOR_THREADS: i32 = "share.coordinator.threads" => default("1").at_least(1);

    /// share coordinator write timeout ms.
    SHARE_COORDINATOR_WRITE_TIMEOUT_MS: i32 = "share.coordinator.write.timeout.ms" =>
        default("5000").at_least(1).high();

    /// share fetch purgatory purge interval requests.
    SHARE_FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "share.fetch.purgatory.purge.interval.requests" =>
        default("1000");
}
