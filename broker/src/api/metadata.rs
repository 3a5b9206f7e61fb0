//! Metadata (3), versions 0 to 13: who leads what, and where brokers are reached.
//!
//! - v0: an empty list means all topics; v1+: null means all, empty means none.
//! - v4 `allow_auto_topic_creation` · v10 topic ids · v12 look-up by id (null name) · v13 top-level error.
//! - Differs from Kafka: an auto-created topic is waited for and answered whole; Kafka answers error 3
//!   meanwhile and clients ask again.
//! - Brokers are shown with the endpoints of the listener the request came in on; fenced ones are not shown.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rkafka_config::keys;
use rkafka_core::controller::{is_internal_topic, validate_topic_name};
use rkafka_core::ids::{BrokerId, TopicId};
use rkafka_core::image::{Image, Partition, Topic};
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use rkafka_wire::messages::{self, MetadataRequest, MetadataResponse};
use rkafka_wire::versions::Versions;

use super::{Call, authorized_operations, brokers, text, topic_id, topic_name, uuid};
use crate::broker::Broker;
use crate::internal_topics;
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 13);

/// From here on topics can be named by id.
const BY_ID: i16 = 12;
/// How long a request waits for topics it created by naming them.
const CREATION_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) fn handle(call: Call, mut request: MetadataRequest) -> Stage {
    if let Some(topics) = &mut request.topics {
        if call.version() < BY_ID && topics.iter().any(|topic| topic.name.is_none() || has_id(topic)) {
            return call.answer(&refused(topics));
        }
        make_distinct(topics);
    }
    let image = call.broker.image();
    let missing = topics_to_create(&call, &image, &request);
    let answer = Answer {
        version: call.version(),
        listener: call.connection.listener.clone(),
        controller: call.broker.metadata.controller().unwrap_or(call.broker.id),
        cluster_operations: request.include_cluster_authorized_operations,
        topic_operations: request.include_topic_authorized_operations,
    };
    let wanted = request.topics;
    if missing.is_empty() {
        return call.answer(&answer.body(&image, wanted.as_deref()));
    }
    let broker = call.broker.clone();
    call.later(async move {
        let creation = internal_topics::create(&broker, &missing);
        let failures = tokio::time::timeout(CREATION_WAIT_MAX, creation).await.unwrap_or_default();
        let mut body = answer.body(&broker.image(), wanted.as_deref());
        for topic in &mut body.topics {
            let failure =
                failures.iter().find(|(name, _)| topic.name.as_ref().is_some_and(|own| *own.0 == **name));
            if let (Some((_, error)), true) = (failure, topic.error_code != 0) {
                topic.error_code = error.code();
            }
        }
        body
    })
}

fn has_id(topic: &MetadataRequestTopic) -> bool {
    !topic.topic_id.is_nil()
}

/// Each topic once. Where any id is given, topics without one are not looked at, nor are names.
fn make_distinct(topics: &mut Vec<MetadataRequestTopic>) {
    if topics.iter().any(has_id) {
        topics.retain(has_id);
        topics.iter_mut().for_each(|topic| topic.name = None);
    }
    let mut seen = HashSet::new();
    topics.retain(|topic| seen.insert((topic.topic_id, topic.name.clone())));
}

/// An answer to the whole request: error 42 for each of its topics.
fn refused(topics: &[MetadataRequestTopic]) -> MetadataResponse {
    let topics = topics.iter().map(|topic| {
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
            .with_topic_authorized_operations(authorized_operations::NOT_ASKED)
    });
    MetadataResponse::default()
        .with_controller_id(messages::BrokerId(-1))
        .with_topics(topics.collect())
        .with_cluster_authorized_operations(authorized_operations::NOT_ASKED)
}

/// Named topics that are not there, may be created and have a legal name. Of the broker's own topics only that
/// of the groups: what is kept in the others is not served yet.
fn topics_to_create(call: &Call, image: &Image, request: &MetadataRequest) -> Vec<String> {
    let allowed = call.version() < 4 || request.allow_auto_topic_creation;
    if !allowed || !call.broker.config.load().get(keys::AUTO_CREATE_TOPICS_ENABLE) {
        return Vec::new();
    }
    let names = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
    let mut missing: Vec<String> = names
        .filter(|name| image.topics().by_name(name).is_none() && validate_topic_name(name).is_ok())
        .filter(|name| ***name == *internal_topics::CONSUMER_OFFSETS || !is_internal_topic(name))
        .map(ToString::to_string)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// What shapes an answer besides the image.
struct Answer {
    version: i16,
    listener: Arc<str>,
    controller: BrokerId,
    cluster_operations: bool,
    topic_operations: bool,
}

impl Answer {
    fn body(&self, image: &Image, wanted: Option<&[MetadataRequestTopic]>) -> MetadataResponse {
        let topics = match wanted {
            Some([]) if self.version == 0 => self.all(image),
            None => self.all(image),
            Some(wanted) => wanted.iter().map(|topic| self.one(image, topic)).collect(),
        };
        let shown = |broker: &Arc<rkafka_core::image::BrokerRegistration>| {
            let endpoint = broker.endpoint(&self.listener)?;
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(messages::BrokerId(broker.id.0))
                    .with_host(text(&endpoint.host))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(broker.rack.as_deref().map(text)),
            )
        };
        let cluster_operations =
            authorized_operations::asked(self.cluster_operations, authorized_operations::CLUSTER);
        MetadataResponse::default()
            .with_brokers(image.brokers().alive().filter_map(shown).collect())
            .with_cluster_id(image.cluster_id().map(text))
            .with_controller_id(messages::BrokerId(self.controller.0))
            .with_topics(topics)
            .with_cluster_authorized_operations(cluster_operations)
    }

    fn all(&self, image: &Image) -> Vec<MetadataResponseTopic> {
        image.topics().iter().map(|topic| self.topic(image, topic)).collect()
    }

    fn one(&self, image: &Image, wanted: &MetadataRequestTopic) -> MetadataResponseTopic {
        let id = topic_id(wanted.topic_id);
        let (found, missing) = match &wanted.name {
            Some(name) => (Broker::topic(image, name, TopicId::ZERO), missing_by_name(name)),
            None => (image.topics().by_id(id), ErrorCode::UnknownTopicId),
        };
        match found {
            Some(topic) => self.topic(image, topic),
            None => MetadataResponseTopic::default()
                .with_error_code(missing.code())
                .with_name(wanted.name.clone())
                .with_topic_id(wanted.topic_id)
                .with_is_internal(wanted.name.as_ref().is_some_and(|name| is_internal_topic(name)))
                .with_topic_authorized_operations(authorized_operations::NOT_ASKED),
        }
    }

    fn topic(&self, image: &Image, topic: &Topic) -> MetadataResponseTopic {
        let partitions = topic.partitions.iter().zip(0..);
        let partitions =
            partitions.map(|(partition, index)| self.partition(image, index, partition)).collect();
        let operations = authorized_operations::asked(self.topic_operations, authorized_operations::TOPIC);
        MetadataResponseTopic::default()
            .with_name(Some(topic_name(&topic.name)))
            .with_topic_id(uuid(topic.id))
            .with_is_internal(is_internal_topic(&topic.name))
            .with_partitions(partitions)
            .with_topic_authorized_operations(operations)
    }

    fn partition(&self, image: &Image, index: i32, partition: &Partition) -> MetadataResponsePartition {
        let leader =
            partition.leader.filter(|leader| image.brokers().get(*leader).is_some_and(|b| !b.fenced));
        let error = match leader {
            None => ErrorCode::LeaderNotAvailable,
            Some(leader) if Broker::endpoint(image, leader, &self.listener).is_some() => ErrorCode::None,
            Some(_) if self.version <= 5 => ErrorCode::LeaderNotAvailable,
            Some(_) => ErrorCode::ListenerNotFound,
        };
        let leader = if error == ErrorCode::None { leader } else { None };
        let offline: Vec<BrokerId> = partition
            .replicas
            .iter()
            .copied()
            .filter(|replica| Broker::endpoint(image, *replica, &self.listener).is_none())
            .collect();
        MetadataResponsePartition::default()
            .with_error_code(error.code())
            .with_partition_index(index)
            .with_leader_id(messages::BrokerId(leader.map_or(-1, |leader| leader.0)))
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(brokers(&partition.replicas))
            .with_isr_nodes(brokers(&partition.isr))
            .with_offline_replicas(brokers(&offline))
    }
}

fn missing_by_name(name: &str) -> ErrorCode {
    match validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}
