//! The producer's figures, by the names of the Java client.

use rkafka_wire::messages::ApiKey;

use super::Producer;
use crate::metrics::{Metric, Snapshot};

const GROUP: &str = "producer-metrics";

/// What happened to records and batches; kept by the core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Records that were stored (or, with `acks=0`, sent).
    pub(crate) records_sent: u64,
    /// Records that failed for good.
    pub(crate) records_failed: u64,
    /// Records of batches that were put back to be sent again.
    pub(crate) records_retried: u64,
    /// Batches that were sent, repetitions included, and their bytes as sent and uncompressed.
    pub(crate) batches: u64,
    pub(crate) batch_bytes: u64,
    pub(crate) uncompressed_bytes: u64,
    /// Batches that were too large and split.
    pub(crate) splits: u64,
    /// How long batches waited before they were first sent.
    pub(crate) queued: u64,
    pub(crate) queued_ms: u64,
    pub(crate) queued_longest_ms: u64,
}

/// What the core holds at present.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    pub(crate) memory_used: usize,
    pub(crate) memory_waiters: usize,
    pub(crate) in_flight: usize,
}

impl Producer {
    /// What it did so far, by the names of Java's `producer-metrics`: totals, present values, and averages since it was
    /// made.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let shared = &self.shared;
        let (counts, gauges) = shared.with_core(|core, _| (core.counts(), core.gauges()));
        let mut snapshot = Snapshot::new(&shared.config.client.client_id);
        let mut add = |name, value: f64| snapshot.add(GROUP, name, value);
        add("record-send-total", counts.records_sent as f64);
        add("record-error-total", counts.records_failed as f64);
        add("record-retry-total", counts.records_retried as f64);
        add("batch-split-total", counts.splits as f64);
        add("requests-in-flight", gauges.in_flight as f64);
        add("waiting-threads", gauges.memory_waiters as f64);
        add("buffer-total-bytes", shared.config.buffer_memory as f64);
        let free = shared.config.buffer_memory.saturating_sub(gauges.memory_used);
        add("buffer-available-bytes", free as f64);
        if counts.batches > 0 {
            add("batch-size-avg", counts.batch_bytes as f64 / counts.batches as f64);
            let ratio = counts.batch_bytes as f64 / counts.uncompressed_bytes.max(1) as f64;
            add("compression-rate-avg", ratio);
        }
        if counts.queued > 0 {
            add("record-queue-time-avg", counts.queued_ms as f64 / counts.queued as f64);
            add("record-queue-time-max", counts.queued_longest_ms as f64);
        }
        let meter = shared.cluster.pool.meter();
        let produced = meter.of(ApiKey::Produce).answers();
        if produced > 0 {
            add("records-per-request-avg", counts.records_sent as f64 / produced as f64);
        }
        meter.tell(&mut snapshot, GROUP);
        snapshot.finish()
    }
}
