//! The Kafka sink: events become records. Several batches are on their way at a time; each is committed when all of
//! its records are acknowledged, in the order they were taken.
//!
//! The producer is idempotent and waits for all in-sync replicas unless `acks` is 0: what Flume's default of 1 would
//! lose with a leader, and what its repeated batches would duplicate, is neither lost nor duplicated here.

use std::{collections::VecDeque, sync::atomic::Ordering};

use rkafka_client::{
    ErrorCode,
    producer::{Delivery, Header, ProduceError, Producer, ProducerConfig, Record},
};

use super::{SinkCounters, SinkError};
use crate::{
    event::{Event, Text},
    event_format,
    plan::{Component, keys::sinks},
};

/// How many batches may be on their way.
const MOST_BATCHES: usize = 256;
/// How many bytes of bodies may be on their way: what the producer has in flight to a broker, and as much that waits for
/// it; a window that is larger makes nothing faster, it only takes memory and is sent again after a kill.
const LEAST_WINDOW: usize = 1024 * 1024;
const MOST_WINDOW: usize = 16 * 1024 * 1024;

/// Sends events to topics.
pub struct KafkaSink {
    name: String,
    config: ProducerConfig,
    /// Made at the first batch: a producer belongs to the runtime it is made in.
    producer: Option<Producer>,
    rules: Rules,
    on_their_way: VecDeque<Batch>,
    /// How many bytes of bodies may be on their way.
    window: usize,
    bytes_on_their_way: usize,
}

struct Batch {
    events: Vec<Event>,
    deliveries: VecDeque<Delivery>,
}

/// How an event becomes a record.
struct Rules {
    topic: Text,
    topic_header: Option<Text>,
    partition: Option<i32>,
    partition_header: Option<Text>,
    timestamp_header: Option<Text>,
    avro: bool,
    /// Event header → record header.
    headers: Vec<(Text, Text)>,
}

impl KafkaSink {
    /// The sink of checked properties.
    ///
    /// # Errors
    /// No servers are named, or the producer's settings cannot be used.
    pub fn new(component: &Component) -> Result<KafkaSink, SinkError> {
        let refuse = |reason: String| SinkError::Settings { sink: component.name.clone(), reason };
        let servers =
            component.text(&sinks::BOOTSTRAP_SERVERS).or_else(|| component.text(&sinks::BROKER_LIST));
        let servers = servers.ok_or_else(|| {
            refuse("kafka.bootstrap.servers must be set: host:port, separated by commas".to_owned())
        })?;
        let config = ProducerConfig::new(&servers).map_err(|problem| refuse(problem.to_string()))?;
        let config = producer_settings(component, config).map_err(refuse)?;
        let overridable = component.flag(&sinks::ALLOW_TOPIC_OVERRIDE);
        let topic = component.text(&sinks::TOPIC).or_else(|| component.text(&sinks::OLD_TOPIC));
        let rules = Rules {
            topic: topic.unwrap_or_else(|| "default-flume-topic".into()),
            topic_header: component.text(&sinks::TOPIC_HEADER).filter(|_| overridable),
            partition: component
                .integer(&sinks::DEFAULT_PARTITION)
                .and_then(|number| i32::try_from(number).ok()),
            partition_header: component.text(&sinks::PARTITION_HEADER),
            timestamp_header: component.text(&sinks::TIMESTAMP_HEADER),
            avro: component.flag(&sinks::USE_FLUME_EVENT_FORMAT),
            headers: component.open("header.").map(|(from, to, _)| (from.into(), to.into())).collect(),
        };
        Ok(KafkaSink {
            name: component.name.clone(),
            window: (2 * config.max_in_flight)
                .saturating_mul(config.batch_size)
                .clamp(LEAST_WINDOW, MOST_WINDOW),
            config,
            producer: None,
            rules,
            on_their_way: VecDeque::new(),
            bytes_on_their_way: 0,
        })
    }

    /// Where the cluster is and which topic events go to, for people.
    #[must_use]
    pub fn target(&self) -> (String, &str) {
        let servers =
            self.config.client.bootstrap_servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        (servers.join(","), &self.rules.topic)
    }

    /// Whether another batch may go on its way.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.on_their_way.len() < MOST_BATCHES && self.bytes_on_their_way < self.window
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.on_their_way.is_empty()
    }

    /// Sends a batch on its way.
    ///
    /// # Errors
    /// It cannot be sent; it is given back, and what was sent of it will be sent again.
    pub async fn send(
        &mut self,
        events: Vec<Event>,
        counters: &SinkCounters,
    ) -> Result<(), (Vec<Event>, SinkError)> {
        let producer = match &self.producer {
            Some(producer) => producer,
            None => match Producer::new(self.config.clone()) {
                Ok(producer) => self.producer.insert(producer),
                Err(error) => {
                    return Err((
                        events,
                        SinkError::Settings { sink: self.name.clone(), reason: error.to_string() },
                    ));
                }
            },
        };
        let mut deliveries = VecDeque::with_capacity(events.len());
        for event in &events {
            match send_event(producer, &self.rules, event).await {
                Ok(delivery) => deliveries.push_back(delivery),
                Err(error) if is_rejected(&error) => reject(&self.name, event, &error, counters),
                Err(error) => {
                    let count = events.len();
                    let reason = error.to_string();
                    return Err((
                        events,
                        SinkError::Delivery { sink: self.name.clone(), events: count, reason },
                    ));
                }
            }
        }
        self.bytes_on_their_way += super::bytes(&events);
        self.on_their_way.push_back(Batch { events, deliveries });
        // The producer's task was woken on this very thread and cannot run on another one before this gives way.
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Waits for the oldest batch. Stopping to wait loses nothing.
    ///
    /// # Errors
    /// It was not delivered and is given back, with all batches behind it, so that their order is kept.
    pub async fn arrived(&mut self, counters: &SinkCounters) -> Result<Vec<Event>, (Vec<Event>, SinkError)> {
        let failure = {
            let Some(batch) = self.on_their_way.front_mut() else { return Ok(Vec::new()) };
            loop {
                let Some(delivery) = batch.deliveries.front_mut() else { break None };
                let outcome = delivery.await;
                batch.deliveries.pop_front();
                match outcome {
                    Ok(_) => {}
                    Err(error) if is_rejected(&error) => {
                        tracing::error!(
                            sink = self.name,
                            "a record is refused for good and dropped: {error}"
                        );
                        counters.rejected.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => break Some(error),
                }
            }
        };
        match failure {
            None => {
                let events = self.on_their_way.pop_front().map(|batch| batch.events).unwrap_or_default();
                self.bytes_on_their_way -= super::bytes(&events);
                Ok(events)
            }
            Some(error) => {
                let events: Vec<Event> = self.on_their_way.drain(..).flat_map(|batch| batch.events).collect();
                self.bytes_on_their_way = 0;
                let reason = error.to_string();
                let error = SinkError::Delivery { sink: self.name.clone(), events: events.len(), reason };
                Err((events, error))
            }
        }
    }

    /// Waits until everything on its way has arrived, and closes the producer.
    pub async fn close(&mut self, patience: std::time::Duration) {
        if let Some(producer) = self.producer.take() {
            producer.close(patience).await;
        }
    }
}

/// Sends one event; `%{name}` in the topic stands for a header.
async fn send_event(producer: &Producer, rules: &Rules, event: &Event) -> Result<Delivery, ProduceError> {
    let header = |name: &Option<Text>| name.as_ref().and_then(|name| event.headers.get(name));
    let expanded;
    let topic = match header(&rules.topic_header) {
        Some(topic) => &**topic,
        None if rules.topic.contains("%{") => {
            expanded = expand(&rules.topic, event);
            &expanded
        }
        None => &*rules.topic,
    };
    let avro;
    let value: &[u8] = if rules.avro {
        avro = event_format::encode(event);
        &avro
    } else {
        &event.body
    };
    let headers: Vec<Header<'_>> = rules
        .headers
        .iter()
        .filter_map(|(from, to)| {
            Some(Header { key: to.as_bytes(), value: Some(event.headers.get(from)?.as_bytes()) })
        })
        .collect();
    let mut record = Record::to(topic).value(value).headers(&headers);
    if let Some(key) = event.headers.get("key") {
        record = record.key(&**key);
    }
    let partition = header(&rules.partition_header).and_then(|text| text.parse().ok()).or(rules.partition);
    if let Some(partition) = partition {
        record = record.partition(partition);
    }
    if let Some(timestamp) = header(&rules.timestamp_header).and_then(|text| text.parse().ok()) {
        record = record.timestamp_ms(timestamp);
    }
    producer.send(record).await
}

/// `%{name}` becomes the header's value, or nothing.
fn expand(topic: &str, event: &Event) -> String {
    let mut expanded = String::with_capacity(topic.len());
    let mut rest = topic;
    while let Some((before, (name, after))) =
        rest.split_once("%{").and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
    {
        expanded.push_str(before);
        expanded.push_str(event.headers.get(name).map_or("", |value| value));
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

/// Whether a record will never be taken: waiting would stop everything behind it for ever, as in Flume.
fn is_rejected(error: &ProduceError) -> bool {
    matches!(error, ProduceError::TooLarge { .. } | ProduceError::Negative { .. })
        || matches!(error.code(), Some(ErrorCode::MessageTooLarge | ErrorCode::InvalidRecord))
}

fn reject(sink: &str, event: &Event, error: &ProduceError, counters: &SinkCounters) {
    let beginning = String::from_utf8_lossy(&event.body[..event.body.len().min(64)]).into_owned();
    tracing::error!(sink, "an event is refused for good and dropped: {error} It begins with {beginning:?}");
    counters.rejected.fetch_add(1, Ordering::Relaxed);
}

/// `kafka.producer.*` over what the agent promises.
fn producer_settings(component: &Component, mut config: ProducerConfig) -> Result<ProducerConfig, String> {
    let name = &component.name;
    for (key, value, line) in component.open("kafka.producer.") {
        match key {
            "acks" if value == "0" => {
                tracing::warn!("sink {name}: acks = 0: records lost on the way are not noticed");
                config =
                    config.with_idempotence(false).with(key, value).map_err(|problem| problem.to_string())?;
            }
            "acks" if value == "1" => {
                tracing::info!(
                    "sink {name}: acks = 1 is raised to all, so that no acknowledged line is lost with a leader"
                );
            }
            "key.serializer" | "value.serializer" => {
                tracing::debug!("sink {name}: {key} has no effect: keys are strings, values bytes");
            }
            "bootstrap.servers" => tracing::warn!(
                "sink {name}: kafka.producer.{key} has no effect: kafka.bootstrap.servers counts"
            ),
            _ => {
                config = config
                    .with(key, value)
                    .map_err(|problem| format!("line {line}: kafka.producer.{key}: {problem}"))?;
            }
        }
    }
    config.validate().map_err(|problem| problem.to_string())?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Headers, plan::testing::sink};

    fn kafka(more: &str) -> Result<KafkaSink, String> {
        let settings = format!("type = org.apache.flume.sink.kafka.KafkaSink\nchannel = c1\n{more}");
        KafkaSink::new(&sink(&settings)).map_err(|error| error.to_string())
    }

    #[test]
    fn settings() {
        let sink =
            kafka("kafka.bootstrap.servers = h1:9092,h2:9093\nkafka.topic = test\nkafka.producer.acks = 1")
                .unwrap();
        assert_eq!(sink.target(), ("h1:9092,h2:9093".to_owned(), "test"));
        assert!(sink.config.is_idempotent());
        assert_eq!(kafka("brokerList = h:1\ntopic = old").unwrap().target(), ("h:1".to_owned(), "old"));
        assert!(kafka("kafka.topic = x").err().unwrap().contains("kafka.bootstrap.servers must be set"));
        let wrong = kafka("kafka.bootstrap.servers = h:1\nkafka.producer.linger.ms = soon").err().unwrap();
        assert!(wrong.contains("kafka.producer.linger.ms") && wrong.contains("soon"), "{wrong}");
    }

    #[test]
    fn topics_from_headers() {
        let event = Event { headers: Headers::from_iter([("dc", "east"), ("app", "web")]), ..Event::new("") };
        assert_eq!(expand("logs-%{dc}-%{app}%{none}-%{open", &event), "logs-east-web-%{open");
    }
}
