//! Replication, fetching, leadership and quota windows.

use super::reasons;
use crate::key::{default, key_table, null};
use crate::value::Text;

key_table! { OfBroker from super::log::END;
    /// Windows that the rate of moves between directories is averaged over.
    ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM: i32 = "alter.log.dirs.replication.quota.window.num" =>
        default("11").at_least(1).low().ignored(reasons::QUOTA);

    /// Length in seconds of such a window.
    ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS: i32 =
        "alter.log.dirs.replication.quota.window.size.seconds" =>
        default("1").at_least(1).low().ignored(reasons::QUOTA);

    /// Whether leaderships go back to the preferred replicas by themselves.
    AUTO_LEADER_REBALANCE_ENABLE: bool = "auto.leader.rebalance.enable" => default("true").high();

    /// Replicas of a topic that is created without a number.
    DEFAULT_REPLICATION_FACTOR: i32 = "default.replication.factor" => default("1");

    /// Finished waits of DeleteRecords at which they are cleared away.
    DELETE_RECORDS_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 =
        "delete.records.purgatory.purge.interval.requests" =>
        default("1").ignored(reasons::PURGATORY);

    /// Finished waits of fetches at which they are cleared away.
    FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "fetch.purgatory.purge.interval.requests" =>
        default("1000").ignored(reasons::PURGATORY);

    /// Most bytes a second that this broker's followers fetch for throttled replicas.
    FOLLOWER_REPLICATION_THROTTLED_RATE: i64 = "follower.replication.throttled.rate" =>
        default("9223372036854775807").at_least(0).cluster_wide().unlisted();

    /// Seconds between checks for leaderships to give back.
    LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS: i64 = "leader.imbalance.check.interval.seconds" =>
        default("300").at_least(1).high();

    /// Most bytes a second that this broker's leaders send to throttled replicas.
    LEADER_REPLICATION_THROTTLED_RATE: i64 = "leader.replication.throttled.rate" =>
        default("9223372036854775807").at_least(0).cluster_wide().unlisted();

    /// Moves of replicas between directories that go on at the same time; unset, one a directory.
    NUM_REPLICA_ALTER_LOG_DIRS_THREADS: Option<i32> = "num.replica.alter.log.dirs.threads" =>
        null().high();

    /// Connections of a follower to each leader's broker.
    NUM_REPLICA_FETCHERS: i32 = "num.replica.fetchers" =>
        default("1").at_least(1).high().cluster_wide().ignored(reasons::THREADS);

    /// Finished waits of produces at which they are cleared away.
    PRODUCER_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "producer.purgatory.purge.interval.requests" =>
        default("1000").ignored(reasons::PURGATORY);

    /// Windows that client quotas are averaged over.
    QUOTA_WINDOW_NUM: i32 = "quota.window.num" => default("11").at_least(1).low().ignored(reasons::QUOTA);

    /// Length in seconds of a window for client quotas.
    QUOTA_WINDOW_SIZE_SECONDS: i32 = "quota.window.size.seconds" =>
        default("1").at_least(1).low().ignored(reasons::QUOTA);

    /// Most bytes a second for moving replicas between directories of this broker.
    REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND: i64 = "replica.alter.log.dirs.io.max.bytes.per.second" =>
        default("9223372036854775807").at_least(0).cluster_wide().unlisted();

    /// Pause in ms of a follower after a failed fetch.
    REPLICA_FETCH_BACKOFF_MS: i32 = "replica.fetch.backoff.ms" => default("1000").at_least(0);

    /// Bytes a follower asks for of each partition; a larger first batch still comes.
    REPLICA_FETCH_MAX_BYTES: i32 = "replica.fetch.max.bytes" => default("1048576").at_least(0);

    /// Bytes that a leader gathers for a follower before it answers.
    REPLICA_FETCH_MIN_BYTES: i32 = "replica.fetch.min.bytes" => default("1").high();

    /// Bytes a follower asks for in one fetch.
    REPLICA_FETCH_RESPONSE_MAX_BYTES: i32 = "replica.fetch.response.max.bytes" =>
        default("10485760").at_least(0);

    /// Time in ms that a follower's fetch waits for data at most.
    REPLICA_FETCH_WAIT_MAX_MS: i32 = "replica.fetch.wait.max.ms" => default("500").high();

    /// Time in ms between writes of the high watermarks.
    REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS: i64 = "replica.high.watermark.checkpoint.interval.ms" =>
        default("5000").high();

    /// Time in ms without catching up after which a follower leaves the in-sync replicas.
    REPLICA_LAG_TIME_MAX_MS: i64 = "replica.lag.time.max.ms" => default("30000").high();

    /// Java class that picks the replica a consumer reads from. Without it that is the leader; with Kafka's
    /// `RackAwareReplicaSelector` the nearest replica in the consumer's `client.rack`. Others are not served.
    REPLICA_SELECTOR_CLASS: Option<Text> = "replica.selector.class" => null().since("2.4");

    /// SO_RCVBUF of a follower's connection in bytes.
    REPLICA_SOCKET_RECEIVE_BUFFER_BYTES: i32 = "replica.socket.receive.buffer.bytes" =>
        default("65536").high();

    /// Time in ms that a follower's request may take.
    REPLICA_SOCKET_TIMEOUT_MS: i32 = "replica.socket.timeout.ms" => default("30000").high();

    /// Windows that replication quotas are averaged over.
    REPLICATION_QUOTA_WINDOW_NUM: i32 = "replication.quota.window.num" =>
        default("11").at_least(1).low().ignored(reasons::QUOTA);

    /// Length in seconds of a window for replication quotas.
    REPLICATION_QUOTA_WINDOW_SIZE_SECONDS: i32 = "replication.quota.window.size.seconds" =>
        default("1").at_least(1).low().ignored(reasons::QUOTA);

    /// Whether a replica that is not in sync may become leader when no other is left, losing records.
    UNCLEAN_LEADER_ELECTION_ENABLE: bool = "unclean.leader.election.enable" =>
        default("false").high().cluster_wide();

    /// Time in ms between checks for partitions that an unclean election would bring back.
    UNCLEAN_LEADER_ELECTION_INTERVAL_MS: i64 = "unclean.leader.election.interval.ms" =>
        default("300000").at_least(1).since("3.9").unlisted();
}
