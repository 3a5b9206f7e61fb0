//! Produce (0), versions 3 to 13: append one batch to each of some partitions.
//!
//! - All appends happen in stage 1, so batches of one connection enter the log in the order they were sent.
//! - acks=0 is never answered; an error closes the connection, which makes the client look for the leader.
//! - v7 zstd · v8 `record_errors` (KIP-467) · v10 the new leader with error 6 (KIP-951) · v13 topic ids.
//! - ApiVersions advertises 0 to 13 (KAFKA-18659); 0 to 2 are refused.
//! - Transactions are not served yet: transactional batches get 48; without a transactional id 53, as in
//!   Kafka.

use std::sync::Arc;
use std::time::Duration;

use rkafka_core::controller::is_internal_topic;
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{Image, Topic};
use rkafka_core::time::Now;
use rkafka_log::{AppendError, AppendOrigin, AppendOutcome, RecordError, RecordProblem, RefusedRecords};
use rkafka_record::{BatchError, BatchRef, Codec, Damage};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use rkafka_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use rkafka_wire::messages::{self, ProduceRequest, ProduceResponse, TopicName};
use rkafka_wire::versions::Versions;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use super::{Call, text, topic_id, topic_name};
use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::partition::{AppendRequest, Appended, CommitWait, Partition, PartitionError};
use crate::server::{CloseReason, Outcome, Stage};

pub(super) const VERSIONS: Versions = Versions::new(3, 13);

/// From here on zstd is allowed.
const ZSTD: i16 = 7;
/// From here on a partition that moved says where to (KIP-951).
const CURRENT_LEADER: i16 = 10;
/// From here on topics are named by id.
const TOPIC_IDS: i16 = 13;
/// A client of this name may write to internal topics: Kafka's own tools.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub(super) fn handle(call: Call, request: ProduceRequest) -> Stage {
    let image = call.broker.image();
    let mut produce = Produce {
        call: &call,
        image: &image,
        acks: request.acks,
        refused: refusal_of_transactions(&request),
        now: call.broker.clock.now(),
        uncommitted: Vec::new(),
    };
    let mut responses: Vec<_> = request.topic_data.into_iter().map(|topic| produce.topic(topic)).collect();
    if request.acks == 0 {
        return Stage::Done(unacknowledged(&responses));
    }
    disown_unless_leasing(&call.broker, &mut responses);
    let node_endpoints = produce.endpoints_of_new_leaders(&responses);
    let uncommitted = std::mem::take(&mut produce.uncommitted);
    let body = ProduceResponse::default().with_responses(responses).with_node_endpoints(node_endpoints);
    if uncommitted.is_empty() {
        return call.answer(&body);
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let broker = call.broker.clone();
    call.later(commit(broker, body, uncommitted, Instant::now() + timeout))
}

/// A batch that is appended but not committed.
struct Uncommitted {
    name: TopicName,
    topic_id: Uuid,
    index: i32,
    commit: CommitWait,
}

/// acks=-1: waits until all batches are on all in-sync replicas.
async fn commit(
    broker: Arc<Broker>,
    mut body: ProduceResponse,
    uncommitted: Vec<Uncommitted>,
    deadline: Instant,
) -> ProduceResponse {
    for topic in &mut body.responses {
        // The names are slices of the request's buffer, which must not live as long as this waits.
        topic.name = topic_name(&topic.name);
    }
    for Uncommitted { name, topic_id, index, commit } in uncommitted {
        let error = match tokio::time::timeout_at(deadline, commit.committed()).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.error_code(),
            Err(_) => ErrorCode::RequestTimedOut,
        };
        let topics = body.responses.iter_mut();
        let partitions = topics
            .filter(|topic| topic.topic_id == topic_id && topic.name == name)
            .flat_map(|topic| &mut topic.partition_responses);
        for partition in partitions.filter(|partition| partition.index == index) {
            partition.error_code = error.code();
        }
    }
    disown_unless_leasing(&broker, &mut body.responses);
    body
}

/// A broker whose lease has ended acknowledges nothing: another one may lead by now. It may have ended while the
/// batches were appended or waited to be committed (the process was stopped, or cut off from the controller).
fn disown_unless_leasing(broker: &Broker, responses: &mut [TopicProduceResponse]) {
    if broker.lease.holds(broker.clock.mono_ms()) {
        return;
    }
    let partitions = responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
    for partition in partitions.filter(|partition| partition.error_code == 0) {
        partition.error_code = ErrorCode::NotLeaderOrFollower.code();
        partition.base_offset = -1;
        partition.log_append_time_ms = -1;
    }
}

/// acks=0: nothing is said unless something failed, and then the connection ends.
fn unacknowledged(responses: &[TopicProduceResponse]) -> Outcome {
    let failed = responses.iter().find_map(|topic| {
        let failed = topic.partition_responses.iter().find(|partition| partition.error_code != 0)?;
        Some(format!("{}-{}: {}", *topic.name, failed.index, ErrorCode::from(failed.error_code)))
    });
    match failed {
        Some(what) => Outcome::Close(CloseReason::UnacknowledgedFailure(what)),
        None => Outcome::Silence,
    }
}

/// Why a partition's batch is refused: the code and what Kafka says with it.
struct Refusal {
    error: ErrorCode,
    message: Option<String>,
    records: Vec<BatchIndexAndErrorMessage>,
    /// -1 where Kafka has not looked into the log when it refuses.
    log_start_offset: i64,
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Refusal { error, message: None, records: Vec::new(), log_start_offset: -1 }
    }
}

impl Refusal {
    /// What the log of `partition` says against a batch.
    fn of_log(error: &PartitionError, partition: &Partition, place: &str) -> Self {
        let looked_into_log = match error {
            PartitionError::Append(AppendError::Batch(error)) => !matches!(
                error,
                BatchError::Incomplete { .. }
                    | BatchError::UnsupportedMagic { .. }
                    | BatchError::Corrupt(Damage::BatchLength { .. } | Damage::Crc { .. })
            ),
            PartitionError::Append(AppendError::InvalidRecords(_) | AppendError::Producer(_)) => true,
            _ => false,
        };
        let mut refusal = Refusal::from(error.error_code());
        if looked_into_log {
            refusal.log_start_offset = partition.view().log_start_offset;
        }
        match error {
            PartitionError::Append(AppendError::InvalidRecords(refused)) => {
                let messages = refused.named.iter().map(|error| (error.index, error_message(error, place)));
                let messages: Vec<_> = messages.collect();
                refusal.message = Some(message_of_batch(refused, &messages));
                refusal.records = messages.iter().map(|(index, message)| of_record(*index, message)).collect();
            }
            PartitionError::Append(error @ (AppendError::Batch(_) | AppendError::NotOneBatch { .. })) => {
                refusal.message = Some(error.to_string());
            }
            _ => {}
        }
        refusal
    }
}

/// Kafka's words for one refused record.
fn error_message(error: &RecordError, place: &str) -> String {
    match error.problem {
        RecordProblem::MissingKey => format!("{} in topic partition {place}", error.problem),
        RecordProblem::Timestamp { .. } => error.problem.to_string(),
    }
}

/// Kafka's words for a batch of which some records are refused.
fn message_of_batch(refused: &RefusedRecords, messages: &[(i32, String)]) -> String {
    if refused.any_untimely {
        return "One or more records have been rejected due to invalid timestamp".to_owned();
    }
    let first = messages.iter().take(3);
    let first: Vec<String> = first
        .map(|(index, message)| format!("RecordError(batchIndex={index}, message='{message}')"))
        .collect();
    format!(
        "One or more records have been rejected due to {} record errors in total, and only showing the first \
         three errors at most: [{}]",
        refused.total,
        first.join(", ")
    )
}

fn of_record(index: i32, message: &str) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(index)
        .with_batch_index_error_message(Some(text(message)))
}

/// One request being appended.
struct Produce<'a> {
    call: &'a Call,
    image: &'a Image,
    acks: i16,
    /// Why nothing of this request is appended.
    refused: Option<ErrorCode>,
    now: Now,
    uncommitted: Vec<Uncommitted>,
}

impl Produce<'_> {
    fn topic(&mut self, data: TopicProduceData) -> TopicProduceResponse {
        let topic = self.find(&data).cloned();
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for partition in &data.partition_data {
            partitions.push(match &topic {
                Ok(topic) => self.partition(topic, &data, partition),
                Err(error) => failed(partition.index, (*error).into()),
            });
        }
        TopicProduceResponse::default()
            .with_name(data.name)
            .with_topic_id(data.topic_id)
            .with_partition_responses(partitions)
    }

    fn find(&self, data: &TopicProduceData) -> Result<&Arc<Topic>, ErrorCode> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let (topics, by_id) = (self.image.topics(), self.call.version() >= TOPIC_IDS);
        let found = if by_id { topics.by_id(topic_id(data.topic_id)) } else { topics.by_name(&data.name) };
        let missing = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        found.ok_or(missing)
    }

    fn partition(
        &mut self,
        topic: &Topic,
        of: &TopicProduceData,
        data: &PartitionProduceData,
    ) -> PartitionProduceResponse {
        match self.append(topic, data) {
            Ok(Appended { outcome, commit }) => {
                self.count(data, &outcome);
                self.uncommitted.extend(commit.map(|commit| Uncommitted {
                    name: topic_name(&of.name),
                    topic_id: of.topic_id,
                    index: data.index,
                    commit,
                }));
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_base_offset(outcome.base_offset)
                    .with_log_append_time_ms(outcome.log_append_time_ms.unwrap_or(-1))
                    .with_log_start_offset(outcome.log_start_offset)
            }
            Err(refusal) => {
                self.call.broker.telemetry.topics.failed_produce.increment(1);
                let moved = refusal.error == ErrorCode::NotLeaderOrFollower;
                let mut response = failed(data.index, refusal);
                if moved && self.call.version() >= CURRENT_LEADER {
                    response.current_leader = self.current_leader(topic, data.index);
                }
                response
            }
        }
    }

    fn count(&self, data: &PartitionProduceData, outcome: &AppendOutcome) {
        if outcome.duplicate {
            return;
        }
        let topics = &self.call.broker.telemetry.topics;
        topics.bytes_in.increment(data.records.as_ref().map_or(0, |batch| batch.len() as u64));
        topics.messages_in.increment(outcome.last_offset.abs_diff(outcome.base_offset) + 1);
    }

    fn append(&self, topic: &Topic, data: &PartitionProduceData) -> Result<Appended, Refusal> {
        if topic.partition(data.index).is_none() {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        }
        let batch = data.records.as_deref().unwrap_or_default();
        if self.call.version() < ZSTD && is_zstd(batch) {
            return Err(ErrorCode::UnsupportedCompressionType.into());
        }
        if !matches!(self.acks, -1..=1) {
            return Err(ErrorCode::InvalidRequiredAcks.into());
        }
        if is_internal_topic(&topic.name) && self.call.client_id() != ADMIN_CLIENT_ID {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        let id = PartitionId { topic: topic.id, index: data.index };
        let partition = self.call.broker.partitions.get(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
        if !self.call.broker.lease.holds(self.now.mono_ms) {
            // The controller may have given this leadership away; it cannot say so as long as it is out of reach.
            return Err(ErrorCode::NotLeaderOrFollower.into());
        }
        let appended = partition.append(AppendRequest {
            batch,
            acks: self.acks,
            origin: AppendOrigin::Client,
            now: self.now,
        });
        appended.map_err(|error| {
            if error.error_code() == ErrorCode::KafkaStorageError {
                warn!(topic = %topic.name, partition = data.index, %error, "append failed");
            }
            Refusal::of_log(&error, &partition, &format!("{}-{}", topic.name, data.index))
        })
    }

    fn current_leader(&self, topic: &Topic, index: i32) -> LeaderIdAndEpoch {
        let partition = topic.partition(index);
        let leader = partition.and_then(|partition| partition.leader).unwrap_or(BrokerId(-1));
        let leader_epoch = partition.map_or(-1, |partition| partition.leader_epoch);
        LeaderIdAndEpoch::default()
            .with_leader_id(messages::BrokerId(leader.0))
            .with_leader_epoch(leader_epoch)
    }

    fn endpoints_of_new_leaders(&self, responses: &[TopicProduceResponse]) -> Vec<NodeEndpoint> {
        let mut leaders: Vec<i32> = responses
            .iter()
            .flat_map(|topic| &topic.partition_responses)
            .filter(|partition| partition.error_code == ErrorCode::NotLeaderOrFollower.code())
            .map(|partition| partition.current_leader.leader_id.0)
            .collect();
        leaders.sort_unstable();
        leaders.dedup();
        let endpoint = |id: i32| {
            let endpoint = Broker::endpoint(self.image, BrokerId(id), &self.call.connection.listener)?;
            Some(
                NodeEndpoint::default()
                    .with_node_id(messages::BrokerId(id))
                    .with_host(text(&endpoint.host))
                    .with_port(i32::from(endpoint.port)),
            )
        };
        leaders.into_iter().filter_map(endpoint).collect()
    }
}

fn failed(index: i32, refusal: Refusal) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(refusal.error.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(refusal.log_start_offset)
        .with_error_message(refusal.message.as_deref().map(text))
        .with_record_errors(refusal.records)
}

/// A transactional batch opens a transaction that nobody would end: the last stable offset would stay there.
fn refusal_of_transactions(request: &ProduceRequest) -> Option<ErrorCode> {
    let is_transactional = |data: &PartitionProduceData| {
        let batch = data.records.as_deref().unwrap_or_default();
        BatchRef::parse(batch).is_ok_and(|batch| batch.is_transactional())
    };
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.any(is_transactional).then_some(match request.transactional_id {
        Some(_) => ErrorCode::InvalidTxnState,
        None => ErrorCode::TransactionalIdAuthorizationFailed,
    })
}

fn is_zstd(batch: &[u8]) -> bool {
    BatchRef::parse(batch).is_ok_and(|batch| batch.codec() == Codec::Zstd)
}
