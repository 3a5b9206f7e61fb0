//! The Kafka source: records of topics become events. A group's offsets move when the events have arrived: in a file
//! channel, or through a memory channel where they were to go.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use regex::Regex;
use rkafka_client::{Consumer, ConsumerConfig, ConsumerRecord, TopicPartition};
use rkafka_config::Properties;
use tokio::{sync::Notify, time::Instant};

use super::{Output, Signal, SourceError};
use crate::{
    event::{Event, Text},
    event_format,
    plan::{Component, keys::streams as keys},
    receipt::Ledger,
};

/// How long a stopping source waits for what is under way, for its last commit, and for leaving the group.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one poll of the consumer waits; polling often is what keeps a member in its group.
const POLL: Duration = Duration::from_secs(1);

/// Where a group's members go on.
type Offsets = BTreeMap<TopicPartition, i64>;

/// Which topics.
enum Topics {
    Named(Vec<String>),
    Matching(Regex),
}

/// How a record becomes an event.
struct Rules {
    avro: bool,
    topic_header: Option<Text>,
    timestamp_header: Option<Text>,
    /// Event header ← record header.
    headers: Vec<(Text, String)>,
}

/// One source. Runs on a thread of its own.
pub struct KafkaSource {
    name: String,
    config: ConsumerConfig,
    topics: Topics,
    rules: Rules,
    batch: usize,
    duration: Duration,
    backoff: (Duration, Duration),
    output: Output,
    signal: Arc<Signal>,
    once: bool,
}

impl KafkaSource {
    /// The source of checked properties.
    ///
    /// # Errors
    /// No topics are named, or the consumer's settings cannot be used.
    pub fn new(
        component: &Component,
        output: Output,
        signal: Arc<Signal>,
        once: bool,
    ) -> Result<KafkaSource, SourceError> {
        let refuse = |reason: String| SourceError::new(&component.name, reason);
        let time = |key| Duration::from_millis(component.integer(key).unwrap_or_default().unsigned_abs());
        let topic_header = component.text(&keys::SOURCE_TOPIC_HEADER);
        let rules = Rules {
            avro: component.flag(&keys::SOURCE_EVENT_FORMAT),
            topic_header: topic_header.filter(|_| component.flag(&keys::SET_TOPIC_HEADER)),
            timestamp_header: component.text(&keys::SOURCE_TIMESTAMP_HEADER),
            headers: component.open("header.").map(|(to, from, _)| (to.into(), from.to_owned())).collect(),
        };
        Ok(KafkaSource {
            name: component.name.clone(),
            config: consumer_settings(component).map_err(refuse)?,
            topics: topics(component).map_err(refuse)?,
            rules,
            batch: component.count(&keys::SOURCE_BATCH_SIZE).max(1),
            duration: time(&keys::BATCH_DURATION),
            backoff: (time(&keys::BACKOFF_SLEEP_INCREMENT), time(&keys::MAX_BACKOFF_SLEEP)),
            output,
            signal,
            once,
        })
    }

    /// Reads until it is to stop; with `once`, up to the ends that the topics had at the beginning.
    ///
    /// # Errors
    /// The topics cannot be subscribed to.
    pub fn run(self) -> Result<(), SourceError> {
        let runtime = self.output.runtime().clone();
        let Some(consumer) = runtime.block_on(self.connect()) else { return Ok(()) };
        let subscribed = match &self.topics {
            Topics::Named(topics) => consumer.subscribe(topics.clone()),
            Topics::Matching(pattern) => consumer.subscribe_pattern(pattern.clone()),
        };
        subscribed.map_err(|error| SourceError::new(&self.name, error))?;
        let progress = Arc::new(Notify::new());
        let waker = progress.clone();
        let mut reading = Reading {
            source: &self,
            consumer,
            ledger: Ledger::new(move || waker.notify_one()),
            progress,
            settled: 0,
            under_way: VecDeque::new(),
            unsent: 0,
            ends: None,
        };
        reading.run();
        runtime.block_on(reading.end());
        Ok(())
    }

    /// `None`: it is to stop.
    async fn connect(&self) -> Option<Consumer> {
        let (more, most) = self.backoff;
        let mut pause = Duration::ZERO;
        loop {
            let connected = tokio::select! {
                () = self.signal.stopped() => return None,
                connected = Consumer::connect(self.config.clone()) => connected,
            };
            match connected {
                Ok(consumer) => return Some(consumer),
                Err(error) => {
                    pause = (pause + more.max(Duration::from_millis(10))).min(most);
                    tracing::warn!(source = self.name, "{error}; trying again in {pause:?}");
                    let _ = tokio::time::timeout(pause, self.signal.stopped()).await;
                }
            }
        }
    }
}

/// A consumer at work, with what is under way.
struct Reading<'a> {
    source: &'a KafkaSource,
    consumer: Consumer,
    ledger: Ledger,
    /// A batch has arrived.
    progress: Arc<Notify>,
    settled: u64,
    /// Where each batch under way ends.
    under_way: VecDeque<Offsets>,
    /// Batches that no channel took before the source had to stop.
    unsent: usize,
    /// With `once`: where to stop.
    ends: Option<Offsets>,
}

impl Reading<'_> {
    fn run(&mut self) {
        let source = self.source;
        let runtime = source.output.runtime().clone();
        let mut pause = Duration::ZERO;
        while !source.signal.stopping() {
            let gathered = runtime.block_on(self.gather());
            let records = match gathered {
                Ok(records) => {
                    pause = Duration::ZERO;
                    records
                }
                Err(problem) => {
                    let (more, most) = source.backoff;
                    pause = (pause + more.max(Duration::from_millis(10))).min(most);
                    source.output.counters.read_failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    tracing::error!(source = source.name, "{problem}; going on in {pause:?}");
                    let rest = async { tokio::time::timeout(pause, source.signal.stopped()).await };
                    let _ = runtime.block_on(rest);
                    continue;
                }
            };
            if !records.is_empty() && !self.pass_on(records) {
                self.unsent += 1;
                return;
            }
            if source.once && self.under_way.is_empty() && runtime.block_on(self.is_at_end()) {
                return;
            }
        }
    }

    /// Records up to a full batch, or what came in `batchDurationMillis`. Commits what arrives meanwhile.
    async fn gather(&mut self) -> Result<Vec<ConsumerRecord>, String> {
        let mut records: Vec<ConsumerRecord> = Vec::new();
        let deadline = Instant::now() + self.source.duration.max(Duration::from_millis(1));
        while records.len() < self.source.batch && !self.source.signal.stopping() {
            let wait = deadline.saturating_duration_since(Instant::now()).min(POLL);
            if wait.is_zero() {
                break;
            }
            tokio::select! {
                biased;
                () = self.source.signal.stopped() => break,
                () = self.progress.notified() => self.settle()?,
                polled = self.consumer.poll(wait) => match polled {
                    Ok(polled) => records.extend(polled),
                    Err(error) if records.is_empty() => return Err(error.to_string()),
                    // It comes again; what is there goes first.
                    Err(error) => {
                        tracing::warn!(source = self.source.name, "{error}");
                        break;
                    }
                },
            }
        }
        self.settle()?;
        Ok(records)
    }

    /// Hands records on, a batch at a time; false if the source is to stop.
    fn pass_on(&mut self, records: Vec<ConsumerRecord>) -> bool {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let some: Vec<ConsumerRecord> = records.by_ref().take(self.source.batch).collect();
            let ends = some.iter().map(|record| (record.topic_partition(), record.offset + 1)).collect();
            let receipt = self.ledger.open(some.len());
            self.under_way.push_back(ends);
            let event = |record| Event { receipt: receipt.clone(), ..self.source.rules.event(record) };
            if self.source.output.put(some.into_iter().map(event).collect()).is_err() {
                return false;
            }
        }
        true
    }

    /// Commits the offsets behind what has arrived; without waiting, in order.
    fn settle(&mut self) -> Result<(), String> {
        let mut arrived = self.take_arrived();
        // What was given up in a rebalance is others' to commit.
        let assigned = self.consumer.assignment();
        arrived.retain(|partition, _| assigned.contains(partition));
        if arrived.is_empty() {
            return Ok(());
        }
        let offsets = arrived.into_iter().map(|(partition, offset)| (partition, offset.into())).collect();
        self.consumer.commit_offsets_async(offsets).map_err(|error| error.to_string())
    }

    fn take_arrived(&mut self) -> Offsets {
        let completed = self.ledger.completed();
        let mut arrived = Offsets::new();
        while self.settled < completed {
            self.settled += 1;
            arrived.extend(self.under_way.pop_front().unwrap_or_default());
        }
        arrived
    }

    async fn is_at_end(&mut self) -> bool {
        let assigned: Vec<TopicPartition> = self.consumer.assignment().into_iter().collect();
        if assigned.is_empty() {
            return false;
        }
        if self.ends.is_none() {
            self.ends = self.consumer.end_offsets(&assigned).await.ok();
        }
        let Some(ends) = &self.ends else { return false };
        for partition in &assigned {
            let position = self.consumer.position(partition).await.unwrap_or(0);
            if ends.get(partition).is_none_or(|end| position < *end) {
                return false;
            }
        }
        true
    }

    /// Waits for what is under way, commits it and leaves the group.
    async fn end(mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = self.take_arrived();
        while self.ledger.open_batches() > self.unsent {
            if tokio::time::timeout_at(deadline, self.progress.notified()).await.is_err() {
                break;
            }
            last.extend(self.take_arrived());
        }
        last.extend(self.take_arrived());
        let assigned = self.consumer.assignment();
        last.retain(|partition, _| assigned.contains(partition));
        let offsets = last.into_iter().map(|(partition, offset)| (partition, offset.into())).collect();
        let name = &self.source.name;
        if let Err(error) = self.consumer.commit_offsets(&offsets).await {
            tracing::warn!(
                source = name,
                "the last offsets are not committed and will be read again: {error}"
            );
        }
        if let Err(error) = self.consumer.close(PATIENCE).await {
            tracing::warn!(source = name, "{error}");
        }
    }
}

impl Rules {
    /// Headers as Flume sets them; those of an event in Flume's format stay.
    fn event(&self, record: ConsumerRecord) -> Event {
        let value = record.value.unwrap_or_default();
        let mut event = if self.avro {
            event_format::decode(value.clone()).unwrap_or_else(|| {
                let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
                tracing::warn!("{topic}-{partition}@{offset} is no AvroFlumeEvent: its bytes are passed on");
                Event::new(value)
            })
        } else {
            Event::new(value)
        };
        let mut set = |name: &str, value: &str| {
            if event.headers.get(name).is_none() {
                event.headers.set(name.into(), value.into());
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        set("timestamp", &now.as_millis().to_string());
        if let Some(header) = &self.topic_header {
            set(header, &record.topic);
        }
        set("partition", &record.partition.to_string());
        set("offset", &record.offset.to_string());
        if let Some(header) = &self.timestamp_header {
            set(header, &record.timestamp.to_string());
        }
        if let Some(key) = &record.key {
            set("key", &String::from_utf8_lossy(key));
        }
        for (to, from) in &self.headers {
            let found = record.headers.iter().find(|header| header.key == from.as_bytes());
            if let Some(value) = found.and_then(|header| header.value.as_ref()) {
                set(to, &String::from_utf8_lossy(value));
            }
        }
        event
    }
}

fn topics(component: &Component) -> Result<Topics, String> {
    if let Some(pattern) = component.text(&keys::TOPICS_REGEX) {
        // The consumer wants a match of the whole name, as Java's.
        let pattern = Regex::new(&pattern).map_err(|error| format!("kafka.topics.regex: {error}"))?;
        return Ok(Topics::Matching(pattern));
    }
    let named = component.text(&keys::TOPICS).or_else(|| component.text(&keys::OLD_SOURCE_TOPIC));
    let named = named.ok_or("kafka.topics or kafka.topics.regex must be set: the topics to read")?;
    let names = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(Topics::Named(names.map(str::to_owned).collect()))
}

/// `kafka.consumer.*` under what the source promises.
fn consumer_settings(component: &Component) -> Result<ConsumerConfig, String> {
    let name = &component.name;
    let servers = component.text(&keys::SOURCE_SERVERS).unwrap_or_default();
    let group = if component.is_set(&keys::GROUP_ID) { None } else { component.text(&keys::OLD_GROUP_ID) };
    let group = group.or_else(|| component.text(&keys::GROUP_ID)).unwrap_or_default();
    let mut settings = vec![("group.id".to_owned(), group.to_string())];
    for (key, value, _) in component.open("kafka.consumer.") {
        match key {
            "group.id" | "key.deserializer" | "value.deserializer" => {}
            "bootstrap.servers" | "enable.auto.commit" | "auto.commit.interval.ms" => tracing::warn!(
                "source {name}: kafka.consumer.{key} has no effect: offsets are committed when events have arrived"
            ),
            _ => settings.push((key.to_owned(), value.to_owned())),
        }
    }
    let properties = Properties::from_pairs(settings);
    let (config, remarks) = ConsumerConfig::from_properties(&properties, Some(&servers))
        .map_err(|problem| problem.to_string())?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    Ok(config.with_auto_commit(false))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rkafka_client::consumer::{Header, TimestampType};

    use super::*;
    use crate::{event::Headers, plan::testing::source};

    fn record(value: impl Into<Bytes>) -> ConsumerRecord {
        ConsumerRecord {
            topic: "orders".into(),
            partition: 3,
            offset: 42,
            timestamp: 5,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            key: Some(Bytes::from_static(b"k")),
            value: Some(value.into()),
            headers: vec![Header {
                key: Bytes::from_static(b"trace"),
                value: Some(Bytes::from_static(b"7")),
            }],
        }
    }

    fn rules() -> Rules {
        Rules {
            avro: false,
            topic_header: Some("topic".into()),
            timestamp_header: Some("written".into()),
            headers: vec![("id".into(), "trace".to_owned())],
        }
    }

    #[test]
    fn records_become_events_with_headers() {
        let event = rules().event(record("body"));
        let expected = [
            ("topic", "orders"),
            ("partition", "3"),
            ("offset", "42"),
            ("written", "5"),
            ("key", "k"),
            ("id", "7"),
        ];
        for (name, value) in expected {
            assert_eq!(event.headers.get(name).map(|text| &**text), Some(value), "{name}");
        }
        assert!(event.headers.get("timestamp").is_some() && event.body == "body");
    }

    #[test]
    fn events_in_flumes_format_keep_their_headers() {
        let inner =
            Event { headers: Headers::from_iter([("topic", "first"), ("a", "1")]), ..Event::new("x") };
        let event = Rules { avro: true, ..rules() }.event(record(event_format::encode(&inner)));
        assert_eq!(
            (event.headers.get("topic").unwrap(), event.headers.get("a").unwrap()),
            (&"first".into(), &"1".into())
        );
        assert_eq!(event.body, "x");
        let other = Rules { avro: true, ..rules() }.event(record("no avro at all"));
        assert_eq!(other.body, "no avro at all");
    }

    #[test]
    fn settings() {
        let kafka = |more: &str| {
            source(&format!(
                "type = org.apache.flume.source.kafka.KafkaSource\nchannels = c1\nbatchSize = 10\n\
                 kafka.bootstrap.servers = h:1\n{more}"
            ))
        };
        assert!(topics(&kafka("")).err().unwrap().contains("kafka.topics.regex"));
        assert!(
            matches!(topics(&kafka("kafka.topics = a, b")).unwrap(), Topics::Named(names) if names == ["a", "b"])
        );
        assert!(matches!(topics(&kafka("kafka.topics.regex = a.*")).unwrap(), Topics::Matching(_)));
        let config = consumer_settings(&kafka("kafka.consumer.max.poll.records = 7")).unwrap();
        assert_eq!((config.group_id.as_deref(), config.max_poll_records), (Some("flume"), 7));
        assert!(!config.enable_auto_commit);
        let older = consumer_settings(&kafka("groupId = old")).unwrap();
        assert_eq!(older.group_id.as_deref(), Some("old"));
        let wrong = consumer_settings(&kafka("kafka.consumer.fetch.max.wait.ms = soon")).err().unwrap();
        assert!(wrong.contains("fetch.max.wait.ms"), "{wrong}");
    }
}
