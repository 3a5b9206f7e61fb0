//! The task that carries batches to brokers. It decides nothing: it asks the core what to do, does it, and
//! tells the core what came of it. Connecting, asking for metadata and waiting for answers go on side by
//! side.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};

use super::Shared;
use super::config::Acks;
use super::core::{Core, NodeRequest, Outcome, Sent, TopicUpdate, Work};
use super::error::ProduceError;
use super::request::{self, Addressed};
use crate::error::{ApiError, ClientError};
use crate::metadata::{Interest, Metadata};
use crate::net::Connection;

/// How long a task without anything to do sleeps at most.
const IDLE_MS: u64 = 60_000;

/// The sender's own state. It runs as one task until the producer is closed and everything has its result.
pub(super) struct Sender {
    shared: Arc<Shared>,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    links: HashMap<i32, Link>,
    metadata: Inquiry,
    producer_id: Inquiry,
    metadata_due_ms: u64,
}

/// Something that was waited for.
enum Event {
    Answered { node: i32, batches: Vec<Addressed>, answer: Result<ProduceResponse, ClientError> },
    Connected { node: i32, connection: Result<Connection, ClientError> },
    Metadata(Result<Arc<Metadata>, ClientError>),
    ProducerId(Result<(i64, i16), ClientError>),
}

/// The connection to one broker.
#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    connecting: Inquiry,
}

/// Something that is asked for once at a time, with growing pauses after failures.
#[derive(Default)]
struct Inquiry {
    is_running: bool,
    failures: u32,
    not_before_ms: u64,
}

impl Inquiry {
    /// Whether to ask now; if it has to wait, `next_ms` is brought forward to that time.
    fn starts(&mut self, now_ms: u64, next_ms: &mut u64) -> bool {
        if self.is_running {
            return false;
        }
        if now_ms < self.not_before_ms {
            *next_ms = (*next_ms).min(self.not_before_ms);
            return false;
        }
        self.is_running = true;
        true
    }

    /// Notes how it ended; the next may start after a pause.
    fn ended(&mut self, shared: &Shared, succeeded: bool) {
        self.is_running = false;
        self.failures = if succeeded { 0 } else { self.failures.saturating_add(1) };
        let config = &shared.config.client;
        let doubled = config.retry_backoff.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let pause = doubled.min(config.retry_backoff_max).mul_f64(0.8 + 0.4 * fastrand::f64());
        self.not_before_ms = shared.now_ms() + pause.as_millis() as u64;
    }
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>) -> Sender {
        Sender {
            shared,
            events: FuturesUnordered::new(),
            links: HashMap::new(),
            metadata: Inquiry::default(),
            producer_id: Inquiry::default(),
            metadata_due_ms: 0,
        }
    }

    /// Works until the producer is closed and nothing is left to send.
    pub(super) async fn run(mut self) {
        loop {
            self.forget_closed_links();
            let work = loop {
                let mut work = self.shared.with_core(Core::poll);
                if work.requests.is_empty() {
                    break work;
                }
                for request in work.requests.drain(..) {
                    self.send(request).await;
                }
            };
            if work.is_finished {
                break;
            }
            let next_ms = self.start_inquiries(&work);
            let pause = Duration::from_millis(next_ms.saturating_sub(self.shared.now_ms()));
            tokio::select! {
                Some(event) = self.events.next() => self.handle(event),
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.shared.finished.cancel();
    }

    /// Brokers close idle connections; what is sent on one would be lost and tried again.
    fn forget_closed_links(&mut self) {
        for (node, link) in &mut self.links {
            if link.connection.as_ref().is_some_and(|connection| !connection.is_open()) {
                link.connection = None;
                self.shared.with_core(|core, _| core.set_connected(*node, false));
            }
        }
    }

    /// Asks for what is needed; gives the time to wake up at.
    fn start_inquiries(&mut self, work: &Work) -> u64 {
        let now_ms = self.shared.now_ms();
        let mut next_ms = work.next_ms.unwrap_or(u64::MAX).min(now_ms + IDLE_MS);
        for node in work.connect.iter().copied() {
            if self.links.entry(node).or_default().connecting.starts(now_ms, &mut next_ms) {
                let shared = self.shared.clone();
                let connect = async move {
                    Event::Connected { node, connection: shared.cluster.pool.node(node).await }
                };
                self.events.push(Box::pin(connect));
            }
        }
        next_ms = next_ms.min(self.metadata_due_ms.max(now_ms));
        let is_due = work.needs_metadata || now_ms >= self.metadata_due_ms;
        if is_due && self.metadata.starts(now_ms, &mut next_ms) {
            self.events.push(Box::pin(ask_metadata(self.shared.clone())));
        }
        if work.needs_producer_id && self.producer_id.starts(now_ms, &mut next_ms) {
            let shared = self.shared.clone();
            self.events.push(Box::pin(async move { Event::ProducerId(ask_producer_id(&shared).await) }));
        }
        if self.metadata.is_running && next_ms <= now_ms {
            // Due, but being asked for: its answer wakes this task.
            next_ms = work.next_ms.unwrap_or(u64::MAX).min(now_ms + IDLE_MS);
        }
        next_ms
    }

    /// Sends one request and leaves its answer to be waited for.
    async fn send(&mut self, request: NodeRequest) {
        let node = request.node;
        let mut batches = Vec::with_capacity(request.batches.len());
        let mut unsendable = Vec::new();
        for (batch, error) in request.batches.into_iter().map(request::seal) {
            match error {
                None => batches.push(batch),
                Some(error) => unsendable.push((batch.sent, Outcome::Unsendable(error))),
            }
        }
        let sent = match self.links.get(&node).and_then(|link| link.connection.clone()) {
            Some(connection) if !batches.is_empty() => self.transmit(&connection, node, &mut batches).await,
            _ => Ok(()),
        };
        let error = sent.err().unwrap_or(ClientError::NoSuchBroker(node));
        if !batches.is_empty() || !unsendable.is_empty() {
            // What is left was not sent.
            let lost = batches.into_iter().map(|batch| (batch.sent, Outcome::Lost(error.clone().into())));
            self.finish(node, lost.chain(unsendable).collect());
        }
    }

    /// Puts the batches on the connection; takes those that were.
    async fn transmit(
        &mut self,
        connection: &Connection,
        node: i32,
        batches: &mut Vec<Addressed>,
    ) -> Result<(), ClientError> {
        let config = &self.shared.config;
        let version = request::version(connection.version::<ProduceRequest>()?, batches);
        let body = request::request(config.acks.code(), config.client.request_timeout, batches);
        if config.acks == Acks::None {
            connection.send_produce(version, &body).await?;
            let stored = || Outcome::Stored { base_offset: None, log_append_time_ms: None };
            let outcomes = std::mem::take(batches).into_iter().map(|batch| (batch.sent, stored())).collect();
            self.finish(node, outcomes);
            return Ok(());
        }
        let answer = connection.submit_produce(version, &body).await?;
        let batches = std::mem::take(batches);
        self.events
            .push(Box::pin(async move { Event::Answered { node, batches, answer: answer.wait().await } }));
        Ok(())
    }

    fn finish(&self, node: i32, outcomes: Vec<(Sent, Outcome)>) {
        self.shared.with_core(|core, now_ms| core.finish_request(now_ms, node, outcomes));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Answered { node, batches, answer: Ok(answer) } => {
                for (id, address) in request::endpoints(&answer) {
                    self.shared.cluster.pool.set_broker(id, &address);
                }
                let throttle_ms = u64::try_from(answer.throttle_time_ms).unwrap_or_default();
                let outcomes = request::outcomes(batches, &answer);
                self.shared.with_core(|core, now_ms| {
                    core.mute(node, now_ms + throttle_ms);
                    core.finish_request(now_ms, node, outcomes);
                });
            }
            Event::Answered { node, batches, answer: Err(error) } => {
                tracing::debug!(node, %error, "a produce request failed");
                let lost = |batch: Addressed| (batch.sent, Outcome::Lost(error.clone().into()));
                self.finish(node, batches.into_iter().map(lost).collect());
            }
            Event::Connected { node, connection } => self.connected(node, connection),
            Event::Metadata(metadata) => self.learn(metadata),
            Event::ProducerId(answer) => self.take_producer_id(answer),
        }
    }

    fn connected(&mut self, node: i32, connection: Result<Connection, ClientError>) {
        let link = self.links.entry(node).or_default();
        link.connecting.ended(&self.shared, connection.is_ok());
        match connection {
            Ok(connection) => {
                link.connection = Some(connection);
                self.shared.with_core(|core, _| core.set_connected(node, true));
            }
            Err(error) => {
                tracing::warn!(node, %error, "cannot connect");
                self.shared.note_failure(error);
                // The broker may have moved.
                self.shared.with_core(|core, _| core.need_metadata());
            }
        }
    }

    fn learn(&mut self, metadata: Result<Arc<Metadata>, ClientError>) {
        self.metadata.ended(&self.shared, metadata.is_ok());
        match metadata {
            Ok(metadata) => {
                self.metadata_due_ms = self.shared.now_ms() + self.shared.metadata_max_age_ms();
                self.shared.learn(&metadata);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot ask for metadata");
                self.shared.note_failure(error);
            }
        }
        self.shared.metadata_seen.send_modify(|seen| *seen += 1);
    }

    fn take_producer_id(&mut self, answer: Result<(i64, i16), ClientError>) {
        self.producer_id.ended(&self.shared, answer.is_ok());
        match answer {
            Ok((id, epoch)) => {
                tracing::debug!(id, epoch, "got a producer id");
                self.shared.with_core(|core, _| core.set_producer_id(id, epoch));
            }
            Err(error) if is_transient(&error) => {
                tracing::warn!(%error, "cannot get a producer id yet");
                self.shared.note_failure(error);
            }
            Err(error) => {
                tracing::error!(%error, "no producer id: an idempotent producer cannot work without");
                self.shared.with_core(|core, _| core.fail(error.into()));
            }
        }
    }
}

/// Whether another broker, or the same one later, may answer otherwise.
fn is_transient(error: &ClientError) -> bool {
    error.is_retriable() || matches!(error, ClientError::Unreachable(_))
}

async fn ask_metadata(shared: Arc<Shared>) -> Event {
    let topics = shared.topics_of_interest();
    let interest =
        if topics.is_empty() { Interest::Brokers } else { Interest::NamesOrCreate(topics.as_slice()) };
    Event::Metadata(shared.cluster.metadata.fetch(interest).await)
}

async fn ask_producer_id(shared: &Shared) -> Result<(i64, i16), ClientError> {
    let connection = shared.cluster.pool.any().await?;
    let version = connection.version::<InitProducerIdRequest>()?;
    let body = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let answer = connection.call(version, &body).await?;
    ApiError::check(answer.error_code, None)?;
    Ok((answer.producer_id.0, answer.producer_epoch))
}

impl Shared {
    /// Hands what the cluster says to the core.
    fn learn(&self, metadata: &Metadata) {
        self.with_core(|core, _| {
            core.metadata_is_fresh();
            for topic in metadata.topics.values() {
                let count = topic.partitions.last().map_or(0, |last| last.index + 1);
                let mut leaders = vec![(None, -1); usize::try_from(count).unwrap_or_default()];
                for partition in &topic.partitions {
                    let usable = matches!(partition.error, ErrorCode::None | ErrorCode::ReplicaNotAvailable);
                    let at = usize::try_from(partition.index).ok().and_then(|at| leaders.get_mut(at));
                    if let (Some(at), true) = (at, usable) {
                        *at = (partition.leader, partition.leader_epoch.unwrap_or(-1));
                    }
                }
                core.update_topic(&TopicUpdate { name: &topic.name, id: topic.id.uuid(), leaders });
            }
            for (name, error) in &metadata.errors {
                core.topic_failed(name, error.clone());
            }
        });
    }
}

/// What a caller that waited in vain is told.
pub(super) fn in_vain(failure: Option<ClientError>) -> Option<Box<ProduceError>> {
    failure.map(|failure| Box::new(failure.into()))
}
