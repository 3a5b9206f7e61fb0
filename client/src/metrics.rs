//! What a client did so far, by the metric names of the Java client.
//!
//! A snapshot holds totals and present values; rates are differences of totals over the reader's own time, and averages
//! are those since the client was made (Java's are over the last `metrics.sample.window.ms`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rkafka_wire::messages::ApiKey;

/// One figure of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The group, such as `producer-metrics`: the `type` of Java's MBeans.
    pub group: &'static str,
    /// The name, such as `record-send-total`.
    pub name: &'static str,
    /// What it is about, such as `client-id` or `topic` and `partition`.
    pub tags: Vec<(&'static str, String)>,
    /// The value; times are milliseconds, sizes bytes.
    pub value: f64,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<String> = self.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write!(f, "{}:{}:{{{}}} : {:.3}", self.group, self.name, tags.join(", "), self.value)
    }
}

/// Collects the metrics of one client, all with its `client-id`.
#[derive(Debug)]
pub(crate) struct Snapshot {
    client_id: String,
    metrics: Vec<Metric>,
}

impl Snapshot {
    pub(crate) fn new(client_id: &str) -> Snapshot {
        Snapshot { client_id: client_id.to_owned(), metrics: Vec::new() }
    }

    pub(crate) fn add(&mut self, group: &'static str, name: &'static str, value: f64) {
        self.add_about(group, name, Vec::new(), value);
    }

    /// A figure about a part of the client's work.
    pub(crate) fn add_about(
        &mut self,
        group: &'static str,
        name: &'static str,
        about: Vec<(&'static str, String)>,
        value: f64,
    ) {
        let mut tags = vec![("client-id", self.client_id.clone())];
        tags.extend(about);
        self.metrics.push(Metric { group, name, tags, value });
    }

    /// Average and maximum, where there is any.
    pub(crate) fn add_times(
        &mut self,
        group: &'static str,
        [average, maximum]: [&'static str; 2],
        meter: &ApiMeter,
    ) {
        let (count, total, longest) = meter.read();
        if count > 0 {
            self.add(group, average, total.as_secs_f64() * 1e3 / count as f64);
            self.add(group, maximum, longest.as_secs_f64() * 1e3);
        }
    }

    pub(crate) fn finish(self) -> Vec<Metric> {
        self.metrics
    }
}

/// Answers to one kind of request: how many, how long they took.
#[derive(Debug, Default)]
pub(crate) struct ApiMeter {
    answers: AtomicU64,
    micros: AtomicU64,
    longest_micros: AtomicU64,
}

impl ApiMeter {
    fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.longest_micros.fetch_max(micros, Ordering::Relaxed);
    }

    /// Answers, their times together, and the longest.
    fn read(&self) -> (u64, Duration, Duration) {
        let time = |micros: &AtomicU64| Duration::from_micros(micros.load(Ordering::Relaxed));
        (self.answers.load(Ordering::Relaxed), time(&self.micros), time(&self.longest_micros))
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

/// One more than the highest API key that is counted by itself; keys beyond share the last meter.
const APIS: usize = 96;

/// What goes over the connections of one client. Shared by them; every figure is an atomic of its own.
#[derive(Debug)]
pub(crate) struct NetMeter {
    apis: Box<[ApiMeter]>,
    all: ApiMeter,
    requests: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Default for NetMeter {
    fn default() -> NetMeter {
        NetMeter {
            apis: (0..APIS).map(|_| ApiMeter::default()).collect(),
            all: ApiMeter::default(),
            requests: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }
}

impl NetMeter {
    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request was answered after this time.
    pub(crate) fn answered(&self, key: i16, took: Duration) {
        let at = usize::try_from(key).unwrap_or(APIS).min(APIS - 1);
        self.apis[at].note(took);
        self.all.note(took);
    }

    pub(crate) fn of(&self, api: ApiKey) -> &ApiMeter {
        &self.apis[usize::try_from(api as i16).unwrap_or(APIS).min(APIS - 1)]
    }

    /// The figures that every client has.
    pub(crate) fn tell(&self, snapshot: &mut Snapshot, group: &'static str) {
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed) as f64;
        snapshot.add(group, "request-total", load(&self.requests));
        snapshot.add(group, "response-total", self.all.answers() as f64);
        snapshot.add(group, "outgoing-byte-total", load(&self.bytes_out));
        snapshot.add(group, "incoming-byte-total", load(&self.bytes_in));
        snapshot.add(group, "connection-creation-total", load(&self.opened));
        snapshot.add(group, "connection-close-total", load(&self.closed));
        snapshot.add(group, "connection-count", (load(&self.opened) - load(&self.closed)).max(0.0));
        snapshot.add_times(group, ["request-latency-avg", "request-latency-max"], &self.all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_their_names() {
        let meter = NetMeter::default();
        meter.opened();
        meter.sent();
        meter.answered(ApiKey::Fetch as i16, Duration::from_millis(2));
        meter.answered(ApiKey::Fetch as i16, Duration::from_millis(6));
        meter.answered(0x7261, Duration::from_millis(1));
        let mut snapshot = Snapshot::new("me");
        meter.tell(&mut snapshot, "consumer-metrics");
        let times = ["fetch-latency-avg", "fetch-latency-max"];
        snapshot.add_times("consumer-fetch-manager-metrics", times, meter.of(ApiKey::Fetch));
        snapshot.add_times("none", ["a", "b"], meter.of(ApiKey::Metadata));
        let metrics = snapshot.finish();
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
        assert_eq!(value("response-total"), Some(3.0));
        assert_eq!((value("fetch-latency-avg"), value("fetch-latency-max")), (Some(4.0), Some(6.0)));
        assert_eq!((value("connection-count"), value("a")), (Some(1.0), None));
        assert_eq!(metrics[0].to_string(), "consumer-metrics:request-total:{client-id=me} : 1.000");
    }
}
