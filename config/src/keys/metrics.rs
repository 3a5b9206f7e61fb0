//! Metrics and their reporters.

use super::reasons;
use crate::key::{OWN, default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Text};

key_table! { OfBroker from super::tiered::END;
    /// Seconds between polls of the older metrics reporters.
    KAFKA_METRICS_POLLING_INTERVAL_SECS: i32 = "kafka.metrics.polling.interval.secs" =>
        default("10").at_least(1).low().ignored(reasons::JAVA);

    /// Java classes that report the older metrics.
    KAFKA_METRICS_REPORTERS: List = "kafka.metrics.reporters" =>
        default("").accepts(Accepts::AnyOf(&[])).low().ignored(reasons::JAVA);

    /// Java classes that report metrics. rkafka has an HTTP page of its own.
    METRIC_REPORTERS: List = "metric.reporters" =>
        default("org.apache.kafka.common.metrics.JmxReporter").accepts(Accepts::AnyOf(&[])).low()
            .cluster_wide().ignored(reasons::JAVA);

    /// Address (`host:port`) for pages over HTTP: `/metrics` in Prometheus's text format, `/healthz` and `/readyz`.
    /// Unset, there are none and nothing is recorded.
    METRICS_HTTP_ADDRESS: Option<Text> = "metrics.http.address" => null().low().since(OWN).unlisted();

    /// Samples that a metric is computed from.
    METRICS_NUM_SAMPLES: i32 = "metrics.num.samples" =>
        default("2").at_least(1).low().ignored(reasons::METRICS);

    /// Which metrics are recorded: INFO, DEBUG or TRACE.
    METRICS_RECORDING_LEVEL: Text = "metrics.recording.level" =>
        default("INFO").low().ignored(reasons::METRICS);

    /// Length in ms of a sample of a metric.
    METRICS_SAMPLE_WINDOW_MS: i64 = "metrics.sample.window.ms" =>
        default("30000").at_least(1).low().ignored(reasons::METRICS);

    /// Largest report of a client's metrics in bytes (KIP-714).
    TELEMETRY_MAX_BYTES: i32 = "telemetry.max.bytes" =>
        default("1048576").at_least(1).low().since("3.7").ignored(reasons::TELEMETRY);
}
