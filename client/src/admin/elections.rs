//! ElectLeaders: asks for the election of partitions' leaders.

use std::collections::BTreeMap;

use rkafka_wire::messages::ElectLeadersRequest;
use rkafka_wire::messages::elect_leaders_request::TopicPartitions;

use super::{Admin, Each};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;

/// Whom to elect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of the replicas, if it is in sync.
    Preferred,
    /// Any live replica if none is in sync: records may be lost (since 2.4).
    Unclean,
}

impl Admin {
    /// Elects the leaders of these partitions, or of all that need it. Of all, only those that took part are in the
    /// answer.
    ///
    /// # Errors
    /// The controller cannot be reached, or refuses as a whole; why a leader was not elected is its own error
    /// (ELECTION_NOT_NEEDED if it is the leader already).
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[(String, i32)]>,
    ) -> Result<Each<(String, i32), ()>, ClientError> {
        let wanted = partitions.map(|partitions| {
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for (topic, index) in partitions {
                topics.entry(topic).or_default().push(*index);
            }
            let topic = |(name, partitions)| {
                TopicPartitions::default().with_topic(topic_name(name)).with_partitions(partitions)
            };
            topics.into_iter().map(topic).collect()
        });
        let request = ElectLeadersRequest::default()
            .with_election_type(if election == ElectionType::Unclean { 1 } else { 0 })
            .with_topic_partitions(wanted)
            .with_timeout_ms(self.timeout_ms());
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<ElectLeadersRequest>()?;
                if version == 0 && election == ElectionType::Unclean {
                    let address = connection.address().to_string();
                    return Err(ClientError::TooOld { address, feature: "unclean elections".to_owned() });
                }
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, None)?;
                let mut results = Vec::new();
                for topic in &answer.replica_election_results {
                    for one in &topic.partition_result {
                        let key = (topic.topic.to_string(), one.partition_id);
                        results.push((key, ApiError::check(one.error_code, one.error_message.as_deref())));
                    }
                }
                results.sort_by(|one, other| one.0.cmp(&other.0));
                Ok(results)
            }
        };
        self.cluster.retry("electLeaders", Route::Controller, attempt).await
    }
}
