//! Topics that come into being by being named: auto-creation, and the broker's own topics on first use.

use rkafka_config::{BrokerConfig, keys};
use rkafka_core::controller::{CreateTopics, ErrorKind, NewTopic};
use rkafka_core::image::Image;
use rkafka_wire::ErrorCode;
use tracing::{info, warn};

use crate::broker::Broker;
use crate::errors::ToErrorCode;

/// The topic that holds groups and their offsets.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// Creates the topics with the broker's defaults (or, for `__consumer_offsets`, with its own settings);
/// returns those that could not be created. One that exists by now counts as created.
pub(crate) async fn create(broker: &Broker, names: &[String]) -> Vec<(String, ErrorCode)> {
    let (image, config) = (broker.image(), broker.config.load_full());
    let topics = names.iter().map(|name| new_topic(name, &config, &image)).collect();
    let results = match broker.control(CreateTopics { topics, validate_only: false }).await {
        Ok(results) => results,
        Err(error) => {
            warn!(?names, %error, "topics cannot be created on first use");
            return names.iter().map(|name| (name.clone(), ErrorCode::UnknownTopicOrPartition)).collect();
        }
    };
    let mut failed = Vec::new();
    for result in results {
        match result.result {
            Ok(created) => {
                info!(topic = result.name, partitions = created.partitions, "topic created on first use");
            }
            Err(error) if error.kind == ErrorKind::TopicAlreadyExists => {}
            Err(error) => {
                warn!(topic = result.name, %error, "topic cannot be created on first use");
                failed.push((result.name, error.error_code()));
            }
        }
    }
    failed
}

fn new_topic(name: &str, config: &BrokerConfig, image: &Image) -> NewTopic {
    let mut topic = NewTopic {
        name: name.to_owned(),
        partitions: -1,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    if name == CONSUMER_OFFSETS {
        topic.partitions = config.get(keys::OFFSETS_TOPIC_NUM_PARTITIONS);
        topic.replication_factor = offsets_replication_factor(config, image);
        let own = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("segment.bytes", config.get(keys::OFFSETS_TOPIC_SEGMENT_BYTES).to_string()),
        ];
        topic.configs = own.into_iter().map(|(key, value)| (key.to_owned(), Some(value))).collect();
    }
    topic
}

/// `offsets.topic.replication.factor`. Its default of 3 is a wish: a cluster of fewer brokers, which nobody
/// configured otherwise, takes what it has. A value that was set is meant, and fails where it cannot be had.
fn offsets_replication_factor(config: &BrokerConfig, image: &Image) -> i16 {
    let wanted = config.get(keys::OFFSETS_TOPIC_REPLICATION_FACTOR);
    if config.setting(keys::OFFSETS_TOPIC_REPLICATION_FACTOR.name()).is_some() {
        return wanted;
    }
    let alive = i16::try_from(image.brokers().alive().count()).unwrap_or(i16::MAX);
    wanted.min(alive.max(1))
}
