//! An image as records, so that a snapshot has the same format, and the same reader, as the log.

use super::{Image, MetadataRecord, Topic};

impl Image {
    /// Records that, replayed on an empty image, give this one (but for its sequence, which the snapshot
    /// carries beside them).
    pub fn to_records(&self) -> impl Iterator<Item = MetadataRecord> {
        let cluster_id = self.cluster_id.iter().map(|id| MetadataRecord::ClusterId { id: id.to_string() });
        let features =
            self.features().map(|(name, level)| MetadataRecord::Feature { name: name.to_owned(), level });
        let brokers = self
            .brokers
            .iter()
            .map(|broker| MetadataRecord::RegisterBroker { broker: Box::new(broker.as_ref().clone()) });
        let configs = self.configs.iter().flat_map(|(resource, values)| {
            values.iter().map(|(key, value)| MetadataRecord::Config {
                resource: resource.clone(),
                key: key.clone(),
                value: Some(value.clone()),
            })
        });
        let producer_ids = (self.next_producer_id > 0).then_some(MetadataRecord::ProducerIds {
            broker: crate::ids::BrokerId(-1),
            broker_epoch: -1,
            next: self.next_producer_id,
        });
        cluster_id
            .chain(features)
            .chain(brokers)
            .chain(self.topics.iter().flat_map(|topic| topic_records(topic)))
            .chain(configs)
            .chain(producer_ids)
    }
}

fn topic_records(topic: &Topic) -> impl Iterator<Item = MetadataRecord> {
    let id = topic.id;
    let partitions = topic.partitions.iter().zip(0..).map(move |(partition, index)| {
        MetadataRecord::Partition { topic: id, index, partition: partition.clone() }
    });
    std::iter::once(MetadataRecord::Topic { name: topic.name.to_string(), id }).chain(partitions)
}
