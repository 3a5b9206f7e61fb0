//! Short forms of requests that many scripts send.

use kafka_protocol::protocol::StrBytes;
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use rkafka_wire::messages::{
    BrokerId, CreateTopicsRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest,
    TopicName,
};
use uuid::Uuid;

use bytes::Bytes;

use super::session::Session;

/// A time of no importance, far from the present.
pub(crate) const THEN_MS: i64 = 1_500_000_000_000;

/// A string.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The name of a topic.
pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A topic to be created with a replication factor of 1.
pub(crate) fn creatable(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect())
}

/// A request to create `topics`.
pub(crate) fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

/// Creates a topic, waits until it is served, and returns its id.
pub(crate) fn make_topic(
    session: &mut Session,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Uuid {
    let created = session.arrange(7, &create(vec![creatable(name, partitions, configs)]));
    assert_eq!(created.topics[0].error_code, 0, "creating {name}: {created:?}");
    // A broker tells of a topic a moment before it serves it: its logs say when that is so.
    let partition = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
    let logs = ListOffsetsTopic::default().with_name(topic(name));
    let logs = logs.with_partitions((0..partitions).map(partition).collect());
    let ends = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![logs]);
    rkafka_tests::wait::until("the topic to be served", || {
        let found = session.arrange(5, &ends);
        found.topics[0].partitions.iter().all(|partition| partition.error_code == 0).then_some(())
    });
    created.topics[0].topic_id
}

/// Whether each topic of the answer has so many partitions with a leader.
pub(crate) fn ready(metadata: &MetadataResponse, partitions: i32) -> bool {
    metadata.topics.iter().all(|topic| {
        topic.error_code == 0
            && topic.partitions.len() == partitions as usize
            && topic.partitions.iter().all(|partition| partition.leader_id.0 >= 0)
    })
}

/// Asks for these topics without creating them.
pub(crate) fn metadata(names: &[&str]) -> MetadataRequest {
    let named = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(named).collect()))
        .with_allow_auto_topic_creation(false)
}

/// A batch of records `(key, value)`, all of the time [`THEN_MS`].
pub(crate) fn batch(options: BatchOptions, records: &[(Option<&str>, Option<&str>)]) -> Bytes {
    batch_at(options, THEN_MS, records)
}

/// [`batch`] with another time of the first record; each following one is a millisecond younger.
pub(crate) fn batch_at(
    options: BatchOptions,
    timestamp: i64,
    records: &[(Option<&str>, Option<&str>)],
) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (index, (key, value)) in records.iter().enumerate() {
        let bytes = |text: &Option<&str>| text.map(|text| text.as_bytes().to_vec());
        builder
            .append(timestamp + index as i64, bytes(key).as_deref(), bytes(value).as_deref(), &[])
            .expect("a small record");
    }
    builder.build().expect("a batch with records")
}

/// Options of an idempotent producer.
pub(crate) fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32) -> BatchOptions {
    BatchOptions { producer_id, producer_epoch, base_sequence, ..BatchOptions::default() }
}

/// Writes `records` to one partition, by name.
pub(crate) fn produce(name: &str, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    produce_several(acks, vec![(name, vec![(partition, records)])])
}

/// Writes to several partitions, by name.
pub(crate) fn produce_several(acks: i16, topics: Vec<(&str, Vec<(i32, Bytes)>)>) -> ProduceRequest {
    let partition =
        |(index, records)| PartitionProduceData::default().with_index(index).with_records(Some(records));
    let topics = topics.into_iter().map(|(name, partitions)| {
        TopicProduceData::default()
            .with_name(topic(name))
            .with_partition_data(partitions.into_iter().map(partition).collect())
    });
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(topics.collect())
}

/// Writes plain records that a script reads later.
pub(crate) fn fill(session: &mut Session, name: &str, partition: i32, values: &[&str]) {
    for value in values {
        let records = batch(BatchOptions::default(), &[(Some("key"), Some(value))]);
        let answer = session.arrange(9, &produce(name, partition, -1, records));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "{answer:?}");
    }
}
