//! What a broker tells about itself: counters, gauges and times, named after Kafka's MBeans where those exist
//! (`kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec` is `kafka_server_brokertopicmetrics_bytesin_total`,
//! as users of the usual JMX exporter know it), read as Prometheus text over HTTP.
//!
//! Rates are left to the scraper, so a count is one addition. Without `metrics.http.address` nothing is
//! recorded: the handles are empty and no clock is read. A recorder belongs to one node, not to the process.

mod http;

use std::time::{Duration, Instant};

use metrics::{Counter, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};
use rkafka_wire::messages::ApiKey;

use crate::broker::Broker;
use crate::server::{Outcome, Stage};

pub use http::{HttpError, HttpPages};

/// Upper bounds of the buckets of request times, in milliseconds.
const TIME_BUCKETS_MS: [f64; 14] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0, 1000.0, 10_000.0];
/// API keys are small numbers without large gaps.
const API_KEYS: i16 = 128;
/// Ends of the names of histograms that get [`TIME_BUCKETS_MS`].
const TIME_SUFFIX: &str = "timems";

/// Handles of one node's metrics. Cheap to record into from anywhere, at any time.
pub struct Telemetry {
    /// Nothing is recorded without.
    recorder: Option<PrometheusRecorder>,
    requests: Vec<RequestMetrics>,
    /// Bytes and records produced and fetched.
    pub topics: TopicMetrics,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("recording", &self.recorder.is_some()).finish_non_exhaustive()
    }
}

/// `kafka.server:type=BrokerTopicMetrics`.
#[derive(Clone)]
pub struct TopicMetrics {
    /// Bytes of batches appended for clients.
    pub bytes_in: Counter,
    /// Bytes of batches sent to consumers.
    pub bytes_out: Counter,
    /// Records appended for clients.
    pub messages_in: Counter,
    /// Partitions of produce requests that were refused.
    pub failed_produce: Counter,
    /// Partitions of fetch requests that were refused.
    pub failed_fetch: Counter,
}

/// `kafka.network:type=RequestMetrics` of one API key.
#[derive(Clone)]
struct RequestMetrics {
    count: Counter,
    /// From the whole request being here to its answer being ready, waits included.
    total_time: Histogram,
}

impl RequestMetrics {
    fn ended(&self, since: Instant) {
        self.total_time.record(milliseconds(since.elapsed()));
    }
}

impl Telemetry {
    /// Nothing is recorded: every handle is empty.
    pub fn off() -> Self {
        Self { recorder: None, requests: Vec::new(), topics: TopicMetrics::new() }
    }

    /// Records everything.
    ///
    /// # Errors
    /// Never: the buckets are not empty.
    pub fn recording() -> Result<Self, BuildError> {
        let times = Matcher::Suffix(TIME_SUFFIX.to_owned());
        let recorder =
            PrometheusBuilder::new().set_buckets_for_metric(times, &TIME_BUCKETS_MS)?.build_recorder();
        let (requests, topics) = with_local_recorder(&recorder, || {
            let requests = (0..API_KEYS).map(RequestMetrics::of).collect();
            (requests, TopicMetrics::new())
        });
        Ok(Self { recorder: Some(recorder), requests, topics })
    }

    /// Runs stage 1 of a request and notes, now or when it is ready, how long its answer took.
    pub(crate) fn timed(&self, api_key: ApiKey, stage: impl FnOnce() -> Stage) -> Stage {
        let Some(request) = usize::try_from(api_key as i16).ok().and_then(|key| self.requests.get(key))
        else {
            return stage();
        };
        let since = Instant::now();
        request.count.increment(1);
        match stage() {
            Stage::Done(outcome) => {
                request.ended(since);
                Stage::Done(outcome)
            }
            Stage::Waiting(pending) => {
                let request = request.clone();
                Stage::Waiting(Box::pin(async move {
                    let outcome: Outcome = pending.await;
                    request.ended(since);
                    outcome
                }))
            }
        }
    }

    /// Everything as Prometheus text, gauges as they are now; nothing if nothing is recorded.
    fn render(&self, broker: Option<&Broker>) -> String {
        let Some(recorder) = &self.recorder else { return String::new() };
        if let Some(broker) = broker {
            with_local_recorder(recorder, || set_gauges(broker));
        }
        recorder.handle().render()
    }

    /// Moves recorded times into their buckets; they pile up until then.
    fn upkeep(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.handle().run_upkeep();
        }
    }
}

impl TopicMetrics {
    /// Empty handles, unless made under a recorder.
    fn new() -> Self {
        Self {
            bytes_in: counter!("kafka_server_brokertopicmetrics_bytesin_total"),
            bytes_out: counter!("kafka_server_brokertopicmetrics_bytesout_total"),
            messages_in: counter!("kafka_server_brokertopicmetrics_messagesin_total"),
            failed_produce: counter!("kafka_server_brokertopicmetrics_failedproducerequests_total"),
            failed_fetch: counter!("kafka_server_brokertopicmetrics_failedfetchrequests_total"),
        }
    }
}

impl RequestMetrics {
    fn of(api_key: i16) -> Self {
        let Ok(request) =
            ApiKey::try_from(api_key).map(|key| format!("{key:?}").trim_end_matches("Key").to_owned())
        else {
            return Self { count: Counter::noop(), total_time: Histogram::noop() };
        };
        Self {
            count: counter!("kafka_network_requestmetrics_requests_total", "request" => request.clone()),
            total_time: histogram!("kafka_network_requestmetrics_totaltimems", "request" => request),
        }
    }
}

/// Gauges are worked out when somebody looks.
fn set_gauges(broker: &Broker) {
    let image = broker.image();
    let (mut led, mut under_replicated, mut offline, mut partitions) = (0u32, 0u32, 0u32, 0u32);
    for topic in image.topics().iter() {
        for partition in &topic.partitions {
            partitions += 1;
            offline += u32::from(partition.leader.is_none());
            if partition.leader == Some(broker.id) {
                led += 1;
                under_replicated += u32::from(partition.isr.len() < partition.replicas.len());
            }
        }
    }
    gauge!("kafka_server_replicamanager_partitioncount").set(broker.partitions.len() as f64);
    gauge!("kafka_server_replicamanager_leadercount").set(led);
    gauge!("kafka_server_replicamanager_underreplicatedpartitions").set(under_replicated);
    gauge!("kafka_controller_kafkacontroller_globaltopiccount").set(image.topics().len() as f64);
    gauge!("kafka_controller_kafkacontroller_globalpartitioncount").set(partitions);
    gauge!("kafka_controller_kafkacontroller_offlinepartitionscount").set(offline);
    let dirs = broker.log_dirs.dirs();
    let offline_dirs = dirs.iter().filter(|dir| dir.health().check().is_err()).count();
    gauge!("kafka_log_logmanager_offlinelogdirectorycount").set(offline_dirs as f64);
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
