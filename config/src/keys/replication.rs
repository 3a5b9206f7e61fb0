//! Replication, fetching, leadership and quota windows.

use crate::key::{default, key_table, null};
use crate::value::Text;

key_table! { OfBroker from super::log::END;
    /// alter log dirs replication quota window num.
    ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM: i32 = "alter.log.dirs.replication.quota.window.num" =>
        default("11").at_least(1).low();

    /// alter log dirs replication quota window size seconds.
    ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS: i32 = "alter.log.dirs.replication.quota.window.size.seconds" =>
        default("1").at_least(1).low();

    /// auto leader rebalance enable.
    AUTO_LEADER_REBALANCE_ENABLE: bool = "auto.leader.rebalance.enable" => default("true").high();

    /// default replication factor.
    DEFAULT_REPLICATION_FACTOR: i32 = "default.replication.factor" => default("1");

    /// delete records purgatory purge interval requests.
    DELETE_RECORDS_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "delete.records.purgatory.purge.interval.requests" =>
        default("1");

    /// fetch purgatory purge interval requests.
    FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "fetch.purgatory.purge.interval.requests" =>
        default("1000");

    /// follower replication throttled rate.
    FOLLOWER_REPLICATION_THROTTLED_RATE: i64 = "follower.replication.throttled.rate" =>
        default("9223372036854775807").at_least(0).cluster_wide().unlisted();

    /// leader imbalance check interval seconds.
    LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS: i64 = "leader.imbalance.check.interval.seconds" =>
        default("300").at_least(1).high();

    /// leader replication throttled rate.
    LEADER_REPLICATION_THROTTLED_RATE: i64 = "leader.replication.throttled.rate" =>
        default("9223372036854775807").at_least(0).cluster_wide().unlisted();

    /// num replica alter log dirs threads.
    NUM_REPLICA_ALTER_LOG_DIRS_THREADS: Option<i32> = "num.replica.alter.log.dirs.threads" => null().high();

    /// num replica fetchers.
    NUM_REPLICA_FETCHERS: i32 = "num.replica.fetchers" => default("1").at_least(1).high().cluster_wide();

    /// producer purgatory purge interval requests.
    PRODUCER_PURGATORY_PURGE_INTERVAL_REQUESTS: i32 = "producer.purgatory.purge.interval.requests" =>
        default("1000");

    /// quota window num.
    QUOTA_WINDOW_NUM: i32 = "quota.window.num" => default("11").at_least(1).low();

    /// quota window size seconds.
    QUOTA_WINDOW_SIZE_SECONDS: i32 = "quota.window.size.seconds" => default("1").at_least(1).low();

    /// replica alter log dirs io max bytes per second.
    REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND: i64 = "replica.alter.log.dirs.io.max.bytes.per.second" =>
        default("9223372036854775807").at_least(0).cluster_wide().unlisted();

    /// replica fetch backoff ms.
    REPLICA_FETCH_BACKOFF_MS: i32 = "replica.fetch.backoff.ms" => default("1000").at_least(0);

    /// replica fetch max bytes.
    REPLICA_FETCH_MAX_BYTES: i32 = "replica.fetch.max.bytes" => default("1048576").at_least(0);

    /// replica fetch min bytes.
    REPLICA_FETCH_MIN_BYTES: i32 = "replica.fetch.min.bytes" => default("1").high();

    /// replica fetch response max bytes.
    REPLICA_FETCH_RESPONSE_MAX_BYTES: i32 = "replica.fetch.response.max.bytes" =>
        default("10485760").at_least(0);

    /// replica fetch wait max ms.
    REPLICA_FETCH_WAIT_MAX_MS: i32 = "replica.fetch.wait.max.ms" => default("500").high();

    /// replica high watermark checkpoint interval ms.
    REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS: i64 = "replica.high.watermark.checkpoint.interval.ms" =>
        default("5000").high();

    /// replica lag time max ms.
    REPLICA_LAG_TIME_MAX_MS: i64 = "replica.lag.time.max.ms" => default("30000").high();

    /// replica selector class.
    REPLICA_SELECTOR_CLASS: Option<Text> = "replica.selector.class" => null();

    /// replica socket receive buffer bytes.
    REPLICA_SOCKET_RECEIVE_BUFFER_BYTES: i32 = "replica.socket.receive.buffer.bytes" =>
        default("65536").high();

    /// replica socket timeout ms.
    REPLICA_SOCKET_TIMEOUT_MS: i32 = "replica.socket.timeout.ms" => default("30000").high();

    /// replication quota window num.
    REPLICATION_QUOTA_WINDOW_NUM: i32 = "replication.quota.window.num" => default("11").at_least(1).low();

    /// replication quota window size seconds.
    REPLICATION_QUOTA_WINDOW_SIZE_SECONDS: i32 = "replication.quota.window.size.seconds" =>
        default("1").at_least(1).low();

    /// unclean leader election enable.
    UNCLEAN_LEADER_ELECTION_ENABLE: bool = "unclean.leader.election.enable" =>
        default("false").high().cluster_wide();

    /// unclean leader election interval ms.
    UNCLEAN_LEADER_ELECTION_INTERVAL_MS: i64 = "unclean.leader.election.interval.ms" =>
        default("300000").at_least(1).unlisted();
}
