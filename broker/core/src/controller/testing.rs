//! Images for the tests of handlers.

use rkafka_config::{BrokerConfig, Properties};

use crate::ids::{BrokerId, TopicId};
use crate::image::{BrokerRegistration, Delta, Image, MetadataRecord};

use super::{CreateTopics, Draws, NewTopic, View, create_topics};

/// A cluster whose committed state handlers are asked about.
pub(crate) struct Cluster {
    pub(crate) image: Image,
    pub(crate) config: BrokerConfig,
    ids: u8,
}

impl Cluster {
    /// Live brokers `0..brokers`, configured by lines of a property file.
    pub(crate) fn new(brokers: i32, properties: &str) -> Self {
        let file =
            Properties::parse("test.properties", properties.as_bytes()).expect("properties are well formed");
        let (config, _) = BrokerConfig::from_properties(&file, &[]).expect("properties are valid");
        let mut cluster = Cluster { image: Image::default(), config, ids: 0 };
        cluster.commit(&[MetadataRecord::ClusterId { id: "test-cluster".to_owned() }]);
        for id in 0..brokers {
            cluster.commit(&[broker(id, None, false)]);
        }
        cluster
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { image: &self.image, config: &self.config }
    }

    pub(crate) fn commit(&mut self, records: &[MetadataRecord]) {
        let mut delta = Delta::new(&self.image);
        delta.replay_all(records).expect("handlers give records that apply");
        self.image = delta.finish().0;
        self.image.check_invariants();
    }

    /// Creates the topic with stock defaults and commits it.
    pub(crate) fn with_topic(mut self, name: &str, partitions: i32, replication_factor: i16) -> Self {
        let request =
            CreateTopics { topics: vec![topic(name, partitions, replication_factor)], validate_only: false };
        let outcome = self.create(&request);
        for result in &outcome.reply {
            assert!(result.result.is_ok(), "{result:?}");
        }
        self.commit(&outcome.records);
        self
    }

    pub(crate) fn create(&mut self, request: &CreateTopics) -> super::Outcome<Vec<super::CreateTopicResult>> {
        let ids = &mut self.ids;
        let mut topic_id = || {
            *ids += 1;
            TopicId([*ids; 16])
        };
        let view = View { image: &self.image, config: &self.config };
        create_topics(&view, request, &mut Draws { topic_id: &mut topic_id, seed: 7 })
    }
}

/// A topic to be created by counts, without settings.
pub(crate) fn topic(name: &str, partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

/// A registration with an epoch of its own.
pub(crate) fn broker(id: i32, rack: Option<&str>, fenced: bool) -> MetadataRecord {
    MetadataRecord::RegisterBroker {
        broker: Box::new(BrokerRegistration {
            id: BrokerId(id),
            epoch: i64::from(id) + 100,
            incarnation: [id as u8; 16],
            endpoints: Vec::new(),
            rack: rack.map(Into::into),
            features: Vec::new(),
            fenced,
            in_controlled_shutdown: false,
        }),
    }
}
