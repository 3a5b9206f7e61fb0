//! The consumer's figures, by the names of the Java client.

use std::time::Instant;

use rkafka_wire::messages::ApiKey;

use super::{Consumer, IsolationLevel};
use crate::metrics::{Metric, Snapshot};

const GROUP: &str = "consumer-metrics";
const FETCHES: &str = "consumer-fetch-manager-metrics";
const COORDINATOR: &str = "consumer-coordinator-metrics";

/// What a program took so far; kept by the core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    /// Bytes of fetched batches whose records were all taken.
    pub(crate) bytes: u64,
    pub(crate) rebalances: u64,
    pub(crate) last_poll: Option<Instant>,
}

impl Consumer {
    /// What it did so far, by the names of Java's `consumer-metrics`, `consumer-fetch-manager-metrics` and
    /// `consumer-coordinator-metrics`: totals, present values, and averages since it was made. The lag of each assigned
    /// partition is among them once something was fetched from it.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let core = self.shared.core();
        let mut snapshot = Snapshot::new(&core.config.client.client_id);
        let counts = core.counts;
        snapshot.add(FETCHES, "records-consumed-total", counts.records as f64);
        snapshot.add(FETCHES, "bytes-consumed-total", counts.bytes as f64);
        snapshot.add(COORDINATOR, "rebalance-total", counts.rebalances as f64);
        snapshot.add(COORDINATOR, "assigned-partitions", core.subscriptions.iter().count() as f64);
        if let Some(at) = counts.last_poll {
            snapshot.add(GROUP, "last-poll-seconds-ago", at.elapsed().as_secs_f64().floor());
        }
        let committed_only = core.config.isolation_level == IsolationLevel::ReadCommitted;
        let mut largest: Option<i64> = None;
        for (partition, state) in core.subscriptions.iter() {
            let end = if committed_only { state.last_stable_offset } else { state.high_watermark };
            let about = || {
                vec![("topic", partition.topic.to_string()), ("partition", partition.partition.to_string())]
            };
            // -1 is the leader, as in Java.
            let replica = state.replica(Instant::now()).unwrap_or(-1);
            snapshot.add_about(FETCHES, "preferred-read-replica", about(), f64::from(replica));
            let Some(lag) = end.zip(state.position()).map(|(end, at)| (end - at.offset).max(0)) else {
                continue;
            };
            largest = largest.max(Some(lag));
            snapshot.add_about(FETCHES, "records-lag", about(), lag as f64);
        }
        drop(core);
        if let Some(lag) = largest {
            snapshot.add(FETCHES, "records-lag-max", lag as f64);
        }
        let meter = self.shared.remote.cluster.pool.meter();
        let total = |api| meter.of(api).answers() as f64;
        snapshot.add(FETCHES, "fetch-total", total(ApiKey::Fetch));
        snapshot.add(COORDINATOR, "commit-total", total(ApiKey::OffsetCommit));
        snapshot.add(COORDINATOR, "heartbeat-total", total(ApiKey::Heartbeat));
        snapshot.add(COORDINATOR, "join-total", total(ApiKey::JoinGroup));
        snapshot.add(COORDINATOR, "sync-total", total(ApiKey::SyncGroup));
        for (group, names, api) in [
            (FETCHES, ["fetch-latency-avg", "fetch-latency-max"], ApiKey::Fetch),
            (COORDINATOR, ["commit-latency-avg", "commit-latency-max"], ApiKey::OffsetCommit),
            (COORDINATOR, ["join-time-avg", "join-time-max"], ApiKey::JoinGroup),
            (COORDINATOR, ["sync-time-avg", "sync-time-max"], ApiKey::SyncGroup),
        ] {
            snapshot.add_times(group, names, meter.of(api));
        }
        meter.tell(&mut snapshot, GROUP);
        snapshot.finish()
    }
}
