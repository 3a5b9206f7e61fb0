//! Metrics and their reporters.

use crate::key::{default, key_table};
use crate::value::{List, Text};

key_table! { OfBroker from super::tiered::END;
    /// kafka metrics polling interval secs.
    KAFKA_METRICS_POLLING_INTERVAL_SECS: i32 = "kafka.metrics.polling.interval.secs" =>
        default("10").at_least(1).low();

    /// kafka metrics reporters.
    KAFKA_METRICS_REPORTERS: List = "kafka.metrics.reporters" => default("").low();

    /// metric reporters.
    METRIC_REPORTERS: List = "metric.reporters" =>
        default("org.apache.kafka.common.metrics.JmxReporter").low().cluster_wide();

    /// metrics num samples.
    METRICS_NUM_SAMPLES: i32 = "metrics.num.samples" => default("2").at_least(1).low();

    /// metrics recording level.
    METRICS_RECORDING_LEVEL: Text = "metrics.recording.level" => default("INFO").low();

    /// metrics sample window ms.
    METRICS_SAMPLE_WINDOW_MS: i64 = "metrics.sample.window.ms" => default("30000").at_least(1).low();

    /// telemetry max bytes.
    TELEMETRY_MAX_BYTES: i32 = "telemetry.max.bytes" => default("1048576").at_least(1).low();
}
