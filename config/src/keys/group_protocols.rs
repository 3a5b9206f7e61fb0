//! The newer group protocols: consumer, share and streams (KIP-848, KIP-932, KIP-1071).

use super::reasons;
use crate::key::{default, key_table};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfBroker from super::coordinator::END;
    /// Time in ms between two computations of a group's assignment.
    GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.assignment.interval.ms" =>
        default("1000").at_least(0).cluster_wide().since("4.3").ignored(reasons::CONSUMER_PROTOCOL);

    /// Assignors of the `consumer` protocol, the first being the default.
    GROUP_CONSUMER_ASSIGNORS: List = "group.consumer.assignors" =>
        default("uniform,range").accepts(Accepts::SomeOf(&[])).since("3.5")
            .ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms between heartbeats that members are told.
    GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Largest `consumer.assignment.interval.ms` that a group may set.
    GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.max.assignment.interval.ms" =>
        default("15000").at_least(0).since("4.3").ignored(reasons::CONSUMER_PROTOCOL);

    /// Largest `consumer.heartbeat.interval.ms` that a group may set.
    GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.max.heartbeat.interval.ms" =>
        default("15000").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Largest `consumer.session.timeout.ms` that a group may set.
    GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS: i32 = "group.consumer.max.session.timeout.ms" =>
        default("60000").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Most members of a group.
    GROUP_CONSUMER_MAX_SIZE: i32 = "group.consumer.max.size" =>
        default("2147483647").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Whether groups change between the `classic` and `consumer` protocols by themselves.
    GROUP_CONSUMER_MIGRATION_POLICY: Text = "group.consumer.migration.policy" =>
        default("bidirectional")
            .accepts(Accepts::OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]))
            .since("3.8").ignored(reasons::CONSUMER_PROTOCOL);

    /// Smallest `consumer.assignment.interval.ms` that a group may set.
    GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.min.assignment.interval.ms" =>
        default("0").at_least(0).since("4.3").ignored(reasons::CONSUMER_PROTOCOL);

    /// Smallest `consumer.heartbeat.interval.ms` that a group may set.
    GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.min.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Smallest `consumer.session.timeout.ms` that a group may set.
    GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS: i32 = "group.consumer.min.session.timeout.ms" =>
        default("45000").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms between evaluations of subscribed patterns.
    GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS: i32 = "group.consumer.regex.refresh.interval.ms" =>
        default("600000").at_least(10000).since("4.1").unlisted().ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms without a heartbeat after which a member is removed.
    GROUP_CONSUMER_SESSION_TIMEOUT_MS: i32 = "group.consumer.session.timeout.ms" =>
        default("45000").at_least(1).since("3.5").ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms between two computations of a group's assignment.
    GROUP_SHARE_ASSIGNMENT_INTERVAL_MS: i32 = "group.share.assignment.interval.ms" =>
        default("1000").at_least(0).cluster_wide().since("4.3").ignored(reasons::SHARE);

    /// Assignors of share groups.
    GROUP_SHARE_ASSIGNORS: List = "group.share.assignors" =>
        default("simple").accepts(Accepts::SomeOf(&[])).since("4.1").ignored(reasons::SHARE);

    /// Times that a record is delivered before it is given up.
    GROUP_SHARE_DELIVERY_COUNT_LIMIT: i32 = "group.share.delivery.count.limit" =>
        default("5").accepts(Accepts::Between(2, 10)).since("3.9").ignored(reasons::SHARE);

    /// Time in ms between heartbeats that members are told.
    GROUP_SHARE_HEARTBEAT_INTERVAL_MS: i32 = "group.share.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("3.9").ignored(reasons::SHARE);

    /// Time in ms before a failed initialisation of a share partition is tried again.
    GROUP_SHARE_INITIALIZE_RETRY_INTERVAL_MS: i32 = "group.share.initialize.retry.interval.ms" =>
        default("30000").at_least(1).low().since("4.2").unlisted().ignored(reasons::SHARE);

    /// Largest `share.assignment.interval.ms` that a group may set.
    GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.share.max.assignment.interval.ms" =>
        default("15000").at_least(0).since("4.3").ignored(reasons::SHARE);

    /// Largest `share.delivery.count.limit` that a group may set.
    GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT: i32 = "group.share.max.delivery.count.limit" =>
        default("10").accepts(Accepts::Between(5, 25)).since("4.3").ignored(reasons::SHARE);

    /// Largest `share.heartbeat.interval.ms` that a group may set.
    GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.share.max.heartbeat.interval.ms" =>
        default("15000").at_least(1).since("3.9").ignored(reasons::SHARE);

    /// Largest `share.partition.max.record.locks` that a group may set.
    GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS: i32 = "group.share.max.partition.max.record.locks" =>
        default("4000").accepts(Accepts::Between(2000, 10000)).since("4.3").ignored(reasons::SHARE);

    /// Largest `share.record.lock.duration.ms` that a group may set.
    GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS: i32 = "group.share.max.record.lock.duration.ms" =>
        default("60000").accepts(Accepts::Between(30000, 3600000)).since("3.9").ignored(reasons::SHARE);

    /// Largest `share.session.timeout.ms` that a group may set.
    GROUP_SHARE_MAX_SESSION_TIMEOUT_MS: i32 = "group.share.max.session.timeout.ms" =>
        default("60000").at_least(1).since("3.9").ignored(reasons::SHARE);

    /// Most share sessions of the broker.
    GROUP_SHARE_MAX_SHARE_SESSIONS: i32 = "group.share.max.share.sessions" =>
        default("2000").at_least(1).since("4.1").ignored(reasons::SHARE);

    /// Most members of a share group.
    GROUP_SHARE_MAX_SIZE: i32 = "group.share.max.size" =>
        default("200").accepts(Accepts::Between(1, 1000)).since("3.9").ignored(reasons::SHARE);

    /// Smallest `share.assignment.interval.ms` that a group may set.
    GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.share.min.assignment.interval.ms" =>
        default("0").at_least(0).since("4.3").ignored(reasons::SHARE);

    /// Smallest `share.delivery.count.limit` that a group may set.
    GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT: i32 = "group.share.min.delivery.count.limit" =>
        default("2").accepts(Accepts::Between(2, 5)).since("4.3").ignored(reasons::SHARE);

    /// Smallest `share.heartbeat.interval.ms` that a group may set.
    GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.share.min.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("3.9").ignored(reasons::SHARE);

    /// Smallest `share.partition.max.record.locks` that a group may set.
    GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS: i32 = "group.share.min.partition.max.record.locks" =>
        default("100").accepts(Accepts::Between(100, 2000)).since("4.3").ignored(reasons::SHARE);

    /// Smallest `share.record.lock.duration.ms` that a group may set.
    GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS: i32 = "group.share.min.record.lock.duration.ms" =>
        default("15000").accepts(Accepts::Between(1000, 30000)).since("3.9").ignored(reasons::SHARE);

    /// Smallest `share.session.timeout.ms` that a group may set.
    GROUP_SHARE_MIN_SESSION_TIMEOUT_MS: i32 = "group.share.min.session.timeout.ms" =>
        default("45000").at_least(1).since("3.9").ignored(reasons::SHARE);

    /// Most records of a partition that are out for delivery at a time.
    GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS: i32 = "group.share.partition.max.record.locks" =>
        default("2000").accepts(Accepts::Between(100, 10000)).since("3.9").ignored(reasons::SHARE);

    /// Java class that stores the state of share groups.
    GROUP_SHARE_PERSISTER_CLASS_NAME: Text = "group.share.persister.class.name" =>
        default("org.apache.kafka.server.share.persister.DefaultStatePersister").since("4.0").unlisted()
            .ignored(reasons::JAVA);

    /// Time in ms that a delivered record is held for its consumer.
    GROUP_SHARE_RECORD_LOCK_DURATION_MS: i32 = "group.share.record.lock.duration.ms" =>
        default("30000").accepts(Accepts::Between(1000, 3600000)).since("3.9").ignored(reasons::SHARE);

    /// Time in ms without a heartbeat after which a member is removed.
    GROUP_SHARE_SESSION_TIMEOUT_MS: i32 = "group.share.session.timeout.ms" =>
        default("45000").at_least(1).since("3.9").ignored(reasons::SHARE);

    /// Time in ms between two computations of a group's assignment.
    GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS: i32 = "group.streams.assignment.interval.ms" =>
        default("1000").at_least(0).cluster_wide().since("4.3").ignored(reasons::STREAMS);

    /// Time in ms between heartbeats that members are told.
    GROUP_STREAMS_HEARTBEAT_INTERVAL_MS: i32 = "group.streams.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Time in ms that an empty group waits for more members after the first.
    GROUP_STREAMS_INITIAL_REBALANCE_DELAY_MS: i32 = "group.streams.initial.rebalance.delay.ms" =>
        default("3000").at_least(0).since("4.2").ignored(reasons::STREAMS);

    /// Largest `streams.assignment.interval.ms` that a group may set.
    GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.streams.max.assignment.interval.ms" =>
        default("15000").at_least(0).since("4.3").ignored(reasons::STREAMS);

    /// Largest `streams.heartbeat.interval.ms` that a group may set.
    GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.streams.max.heartbeat.interval.ms" =>
        default("15000").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Largest `streams.session.timeout.ms` that a group may set.
    GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS: i32 = "group.streams.max.session.timeout.ms" =>
        default("60000").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Most members of a group.
    GROUP_STREAMS_MAX_SIZE: i32 = "group.streams.max.size" =>
        default("2147483647").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Largest `streams.num.standby.replicas` that a group may set.
    GROUP_STREAMS_MAX_STANDBY_REPLICAS: i32 = "group.streams.max.standby.replicas" =>
        default("2").at_least(0).since("4.1").ignored(reasons::STREAMS);

    /// Smallest `streams.assignment.interval.ms` that a group may set.
    GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.streams.min.assignment.interval.ms" =>
        default("0").at_least(0).since("4.3").ignored(reasons::STREAMS);

    /// Smallest `streams.heartbeat.interval.ms` that a group may set.
    GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.streams.min.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Smallest `streams.session.timeout.ms` that a group may set.
    GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS: i32 = "group.streams.min.session.timeout.ms" =>
        default("45000").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Standby copies of each task.
    GROUP_STREAMS_NUM_STANDBY_REPLICAS: i32 = "group.streams.num.standby.replicas" =>
        default("0").at_least(0).since("4.1").ignored(reasons::STREAMS);

    /// Time in ms without a heartbeat after which a member is removed.
    GROUP_STREAMS_SESSION_TIMEOUT_MS: i32 = "group.streams.session.timeout.ms" =>
        default("45000").at_least(1).since("4.1").ignored(reasons::STREAMS);

    /// Time in ms that a share coordinator gathers writes; -1 follows the load.
    SHARE_COORDINATOR_APPEND_LINGER_MS: i32 = "share.coordinator.append.linger.ms" =>
        default("-1").at_least(-1).since("4.0").ignored(reasons::SHARE);

    /// Largest buffer in bytes that a share coordinator keeps for its next write.
    SHARE_COORDINATOR_CACHED_BUFFER_MAX_BYTES: i32 = "share.coordinator.cached.buffer.max.bytes" =>
        default("1048588").at_least(524288).cluster_wide().since("4.3").ignored(reasons::SHARE);

    /// Time in ms after which the state of an idle share partition is written anew.
    SHARE_COORDINATOR_COLD_PARTITION_SNAPSHOT_INTERVAL_MS: i32 =
        "share.coordinator.cold.partition.snapshot.interval.ms" =>
        default("300000").at_least(1).low().since("4.1").unlisted().ignored(reasons::SHARE);

    /// Bytes read at a time when a share coordinator loads its partition.
    SHARE_COORDINATOR_LOAD_BUFFER_SIZE: i32 = "share.coordinator.load.buffer.size" =>
        default("5242880").at_least(1).high().since("4.0").ignored(reasons::SHARE);

    /// Changes of a share partition between two full records of its state.
    SHARE_COORDINATOR_SNAPSHOT_UPDATE_RECORDS_PER_SNAPSHOT: i32 =
        "share.coordinator.snapshot.update.records.per.snapshot" =>
        default("500").accepts(Accepts::Between(0, 500)).since("4.0").ignored(reasons::SHARE);

    /// Codec of the share state topic by number.
    SHARE_COORDINATOR_STATE_TOPIC_COMPRESSION_CODEC: i32 =
        "share.coordinator.state.topic.compression.codec" =>
        default("0").high().since("4.0").ignored(reasons::SHARE);

    /// `min.insync.replicas` of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: i16 = "share.coordinator.state.topic.min.isr" =>
        default("2").at_least(1).high().since("4.0").ignored(reasons::SHARE);

    /// Partitions of the share state topic; not to be changed later.
    SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS: i32 = "share.coordinator.state.topic.num.partitions" =>
        default("50").at_least(1).high().since("4.0").ignored(reasons::SHARE);

    /// Time in ms between removals of state that is no longer needed.
    SHARE_COORDINATOR_STATE_TOPIC_PRUNE_INTERVAL_MS: i32 =
        "share.coordinator.state.topic.prune.interval.ms" =>
        default("300000").at_least(1).low().since("4.0").unlisted().ignored(reasons::SHARE);

    /// Replicas of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: i16 =
        "share.coordinator.state.topic.replication.factor" =>
        default("3").at_least(1).high().since("4.0").ignored(reasons::SHARE);

    /// Segment size in bytes of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES: i32 = "share.coordinator.state.topic.segment.bytes" =>
        default("104857600").at_least(1).high().since("4.0").ignored(reasons::SHARE);

    /// Threads of share coordinators.
    SHARE_COORDINATOR_THREADS: i32 = "share.coordinator.threads" =>
        default("1").at_least(1).since("4.0").ignored(reasons::SHARE);

    /// Time in ms for a write to reach the replicas of the share state topic.
    SHARE_COORDINATOR_WRITE_TIMEOUT_MS: i32 = "share.coordinator.write.timeout.ms" =>
        default("5000").at_least(1).high().since("4.0").ignored(reasons::SHARE);

    /// Finished waits of share fetches at which they are cleared away.
    SHARE_FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "share.fetch.purgatory.purge.interval.requests" =>
        default("1000").since("4.0").ignored(reasons::SHARE);
}
