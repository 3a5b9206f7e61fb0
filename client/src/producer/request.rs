//! Produce requests out, their answers in.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use rkafka_config::HostPort;
use rkafka_record::BatchRef;
use rkafka_record::builder::with_producer;
use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use rkafka_wire::messages::produce_response::PartitionProduceResponse;
use rkafka_wire::messages::{ApiKey, ProduceRequest, ProduceResponse};
use uuid::Uuid;

use super::core::{LeaderHint, Outcome, Outgoing, Payload, Sent, Stamp};
use super::error::ProduceError;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;

/// The first version that names topics by id.
const FIRST_WITH_TOPIC_IDS: i16 = 13;

/// A batch as it is sent, and where to.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) sent: Sent,
    pub(super) topic: std::sync::Arc<str>,
    pub(super) topic_id: Uuid,
    pub(super) partition: i32,
}

/// Closes a batch: compresses it and writes its header, or renumbers one that was sent before.
pub(super) fn seal(outgoing: Outgoing) -> (Addressed, Option<ProduceError>) {
    let Outgoing { slot, order, topic, topic_id, partition, payload, stamp } = outgoing;
    let (bytes, error) = match sealed(payload, stamp) {
        Ok(bytes) => (Some(bytes), None),
        Err(error) => (None, Some(error)),
    };
    (Addressed { sent: Sent { slot, order, stamp, bytes }, topic, topic_id, partition }, error)
}

fn sealed(payload: Payload, stamp: Option<Stamp>) -> Result<Bytes, ProduceError> {
    let broken = |reason: String| ProduceError::Batch(reason);
    match payload {
        Payload::Open(mut builder) => {
            if let Some(Stamp { producer, base_sequence }) = stamp {
                builder.set_producer(producer.id, producer.epoch, base_sequence);
            }
            builder.finish().map_err(|error| broken(error.to_string()))
        }
        Payload::Sealed(bytes) => {
            let Some(Stamp { producer, base_sequence }) = stamp else { return Ok(bytes) };
            let batch = BatchRef::parse(&bytes).map_err(|error| broken(error.to_string()))?;
            let same = (batch.producer_id(), batch.producer_epoch(), batch.base_sequence())
                == (producer.id, producer.epoch, base_sequence);
            if same {
                return Ok(bytes);
            }
            Ok(with_producer(&batch, producer.id, producer.epoch, base_sequence))
        }
        Payload::Away => Err(broken("it is on its way already".to_owned())),
    }
}

/// The version to use of those up to `newest`: topics without id can only be named.
pub(super) fn version(newest: i16, batches: &[Addressed]) -> i16 {
    let all_have_ids = batches.iter().all(|batch| !batch.topic_id.is_nil());
    if all_have_ids { newest } else { newest.min(FIRST_WITH_TOPIC_IDS - 1) }
}

/// One request with all these batches.
pub(super) fn request(acks: i16, timeout: Duration, batches: &[Addressed]) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for batch in batches {
        let place = *places.entry(&batch.topic).or_insert_with(|| {
            let data = TopicProduceData::default();
            topics.push(data.with_name(topic_name(&batch.topic)).with_topic_id(batch.topic_id));
            topics.len() - 1
        });
        let data = PartitionProduceData::default();
        let data = data.with_index(batch.partition).with_records(batch.sent.bytes.clone());
        topics[place].partition_data.push(data);
    }
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(topics)
}

/// What an answer says of each batch.
pub(super) fn outcomes(batches: Vec<Addressed>, answer: &ProduceResponse) -> Vec<(Sent, Outcome)> {
    let mut by_name = HashMap::new();
    let mut by_id = HashMap::new();
    for topic in &answer.responses {
        for partition in &topic.partition_responses {
            by_name.insert((&*topic.name.0, partition.index), partition);
            by_id.insert((topic.topic_id, partition.index), partition);
        }
    }
    let outcome = |batch: &Addressed| {
        let named = by_name.get(&(&*batch.topic, batch.partition));
        match named.or_else(|| by_id.get(&(batch.topic_id, batch.partition))) {
            Some(partition) => outcome_of(partition),
            None => Outcome::Lost(nothing_about(&batch.topic, batch.partition)),
        }
    };
    batches
        .into_iter()
        .map(|batch| {
            let outcome = outcome(&batch);
            (batch.sent, outcome)
        })
        .collect()
}

fn nothing_about(topic: &str, partition: i32) -> ProduceError {
    ClientError::Incomplete { api: ApiKey::Produce, about: format!("{topic}-{partition}") }.into()
}

fn outcome_of(answer: &PartitionProduceResponse) -> Outcome {
    let known = |number: i64| Some(number).filter(|number| *number >= 0);
    let record_error =
        answer.record_errors.first().and_then(|error| error.batch_index_error_message.as_ref());
    let message = answer.error_message.as_ref().or(record_error);
    match ApiError::check(answer.error_code, message.map(|text| &**text)) {
        Ok(()) => Outcome::Stored {
            base_offset: known(answer.base_offset),
            log_append_time_ms: known(answer.log_append_time_ms),
        },
        Err(error) => {
            let (leader, epoch) = (answer.current_leader.leader_id.0, answer.current_leader.leader_epoch);
            let leader = (leader >= 0).then_some(LeaderHint { leader, epoch });
            Outcome::Refused { error, log_start_offset: known(answer.log_start_offset), leader }
        }
    }
}

/// Brokers that an answer names besides new leaders (KIP-951).
pub(super) fn endpoints(answer: &ProduceResponse) -> impl Iterator<Item = (i32, HostPort)> {
    answer.node_endpoints.iter().filter_map(|endpoint| {
        let port = u16::try_from(endpoint.port).ok()?;
        Some((endpoint.node_id.0, HostPort { host: endpoint.host.to_string(), port }))
    })
}
