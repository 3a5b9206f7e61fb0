//! Group keys, set with `--entity-type groups`.

use super::reasons;
use super::rules::SHARE_OFFSET_RESET;
use crate::key::{default, key_table};
use crate::range::Accepts;
use crate::value::Text;

key_table! { OfGroup from 0;
    /// Time in ms between two computations of the group's assignment.
    CONSUMER_ASSIGNMENT_INTERVAL_MS: i32 = "consumer.assignment.interval.ms" =>
        default("1000").at_least(0).since("4.3").synonym("group.consumer.assignment.interval.ms")
            .ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms between heartbeats that members are told.
    CONSUMER_HEARTBEAT_INTERVAL_MS: i32 = "consumer.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("4.0").synonym("group.consumer.heartbeat.interval.ms")
            .ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms without a heartbeat after which a member is removed.
    CONSUMER_SESSION_TIMEOUT_MS: i32 = "consumer.session.timeout.ms" =>
        default("45000").at_least(1).since("4.0").synonym("group.consumer.session.timeout.ms")
            .ignored(reasons::CONSUMER_PROTOCOL);

    /// Time in ms between two computations of the group's assignment.
    SHARE_ASSIGNMENT_INTERVAL_MS: i32 = "share.assignment.interval.ms" =>
        default("1000").at_least(0).since("4.3").synonym("group.share.assignment.interval.ms")
            .ignored(reasons::SHARE);

    /// Where the group starts in a partition it has not read: `latest`, `earliest` or
    /// `by_duration:PnDTnHnMn.nS` ago.
    SHARE_AUTO_OFFSET_RESET: Text = "share.auto.offset.reset" =>
        default("latest").accepts(SHARE_OFFSET_RESET).since("4.0").ignored(reasons::SHARE);

    /// Times that a record is delivered before it is given up.
    SHARE_DELIVERY_COUNT_LIMIT: i32 = "share.delivery.count.limit" =>
        default("5").at_least(2).since("4.3").synonym("group.share.delivery.count.limit")
            .ignored(reasons::SHARE);

    /// Time in ms between heartbeats that members are told.
    SHARE_HEARTBEAT_INTERVAL_MS: i32 = "share.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("4.0").synonym("group.share.heartbeat.interval.ms")
            .ignored(reasons::SHARE);

    /// Whether records of open or aborted transactions are delivered.
    SHARE_ISOLATION_LEVEL: Text = "share.isolation.level" =>
        default("read_uncommitted").accepts(Accepts::OneOf(&["read_committed", "read_uncommitted"]))
            .since("4.1").ignored(reasons::SHARE);

    /// Most records of a partition that are out for delivery at a time.
    SHARE_PARTITION_MAX_RECORD_LOCKS: i32 = "share.partition.max.record.locks" =>
        default("2000").at_least(100).since("4.3").synonym("group.share.partition.max.record.locks")
            .ignored(reasons::SHARE);

    /// Time in ms that a delivered record is held for its consumer.
    SHARE_RECORD_LOCK_DURATION_MS: i32 = "share.record.lock.duration.ms" =>
        default("30000").at_least(1000).since("4.0").synonym("group.share.record.lock.duration.ms")
            .ignored(reasons::SHARE);

    /// Whether a consumer may prolong its hold of a record.
    SHARE_RENEW_ACKNOWLEDGE_ENABLE: bool = "share.renew.acknowledge.enable" =>
        default("true").since("4.3").ignored(reasons::SHARE);

    /// Time in ms without a heartbeat after which a member is removed.
    SHARE_SESSION_TIMEOUT_MS: i32 = "share.session.timeout.ms" =>
        default("45000").at_least(1).since("4.0").synonym("group.share.session.timeout.ms")
            .ignored(reasons::SHARE);

    /// Time in ms between two computations of the group's assignment.
    STREAMS_ASSIGNMENT_INTERVAL_MS: i32 = "streams.assignment.interval.ms" =>
        default("1000").at_least(0).since("4.3").synonym("group.streams.assignment.interval.ms")
            .ignored(reasons::STREAMS);

    /// Time in ms between heartbeats that members are told.
    STREAMS_HEARTBEAT_INTERVAL_MS: i32 = "streams.heartbeat.interval.ms" =>
        default("5000").at_least(1).since("4.1").synonym("group.streams.heartbeat.interval.ms")
            .ignored(reasons::STREAMS);

    /// Time in ms that an empty group waits for more members after the first.
    STREAMS_INITIAL_REBALANCE_DELAY_MS: i32 = "streams.initial.rebalance.delay.ms" =>
        default("3000").at_least(0).since("4.2").synonym("group.streams.initial.rebalance.delay.ms")
            .ignored(reasons::STREAMS);

    /// Standby copies of each task.
    STREAMS_NUM_STANDBY_REPLICAS: i32 = "streams.num.standby.replicas" =>
        default("0").at_least(0).since("4.1").synonym("group.streams.num.standby.replicas")
            .ignored(reasons::STREAMS);

    /// Time in ms without a heartbeat after which a member is removed.
    STREAMS_SESSION_TIMEOUT_MS: i32 = "streams.session.timeout.ms" =>
        default("45000").at_least(1).since("4.1").synonym("group.streams.session.timeout.ms")
            .ignored(reasons::STREAMS);
}
