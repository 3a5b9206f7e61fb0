//! Group keys, set with `--entity-type groups`.

use super::rules::SHARE_OFFSET_RESET;
use crate::key::{default, key_table};
use crate::range::Accepts;
use crate::value::Text;

key_table! { OfGroup from 0;
    /// consumer assignment interval ms.
    CONSUMER_ASSIGNMENT_INTERVAL_MS: i32 = "consumer.assignment.interval.ms" =>
        default("1000").at_least(0).synonym("group.consumer.assignment.interval.ms");

    /// consumer heartbeat interval ms.
    CONSUMER_HEARTBEAT_INTERVAL_MS: i32 = "consumer.heartbeat.interval.ms" =>
        default("5000").at_least(1).synonym("group.consumer.heartbeat.interval.ms");

    /// consumer session timeout ms.
    CONSUMER_SESSION_TIMEOUT_MS: i32 = "consumer.session.timeout.ms" =>
        default("45000").at_least(1).synonym("group.consumer.session.timeout.ms");

    /// share assignment interval ms.
    SHARE_ASSIGNMENT_INTERVAL_MS: i32 = "share.assignment.interval.ms" =>
        default("1000").at_least(0).synonym("group.share.assignment.interval.ms");

    /// share auto offset reset.
    SHARE_AUTO_OFFSET_RESET: Text = "share.auto.offset.reset" =>
        default("latest").accepts(SHARE_OFFSET_RESET);

    /// share delivery count limit.
    SHARE_DELIVERY_COUNT_LIMIT: i32 = "share.delivery.count.limit" =>
        default("5").at_least(2).synonym("group.share.delivery.count.limit");

    /// share heartbeat interval ms.
    SHARE_HEARTBEAT_INTERVAL_MS: i32 = "share.heartbeat.interval.ms" =>
        default("5000").at_least(1).synonym("group.share.heartbeat.interval.ms");

    /// share isolation level.
    SHARE_ISOLATION_LEVEL: Text = "share.isolation.level" =>
        default("read_uncommitted").accepts(Accepts::OneOf(&["read_committed", "read_uncommitted"]));

    /// share partition max record locks.
    SHARE_PARTITION_MAX_RECORD_LOCKS: i32 = "share.partition.max.record.locks" =>
        default("2000").at_least(100).synonym("group.share.partition.max.record.locks");

    /// share record lock duration ms.
    SHARE_RECORD_LOCK_DURATION_MS: i32 = "share.record.lock.duration.ms" =>
        default("30000").at_least(1000).synonym("group.share.record.lock.duration.ms");

    /// share renew acknowledge enable.
    SHARE_RENEW_ACKNOWLEDGE_ENABLE: bool = "share.renew.acknowledge.enable" => default("true");

    /// share session timeout ms.
    SHARE_SESSION_TIMEOUT_MS: i32 = "share.session.timeout.ms" =>
        default("45000").at_least(1).synonym("group.share.session.timeout.ms");

    /// streams assignment interval ms.
    STREAMS_ASSIGNMENT_INTERVAL_MS: i32 = "streams.assignment.interval.ms" =>
        default("1000").at_least(0).synonym("group.streams.assignment.interval.ms");

    /// streams heartbeat interval ms.
    STREAMS_HEARTBEAT_INTERVAL_MS: i32 = "streams.heartbeat.interval.ms" =>
        default("5000").at_least(1).synonym("group.streams.heartbeat.interval.ms");

    /// streams initial rebalance delay ms.
    STREAMS_INITIAL_REBALANCE_DELAY_MS: i32 = "streams.initial.rebalance.delay.ms" =>
        default("3000").at_least(0).synonym("group.streams.initial.rebalance.delay.ms");

    /// streams num standby replicas.
    STREAMS_NUM_STANDBY_REPLICAS: i32 = "streams.num.standby.replicas" =>
        default("0").at_least(0).synonym("group.streams.num.standby.replicas");

    /// streams session timeout ms.
    STREAMS_SESSION_TIMEOUT_MS: i32 = "streams.session.timeout.ms" =>
        default("45000").at_least(1).synonym("group.streams.session.timeout.ms");
}
