//! Moving partitions between brokers: AlterPartitionReassignments and ListPartitionReassignments (KIP-455).

use std::collections::BTreeMap;

use rkafka_wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use rkafka_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use rkafka_wire::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest,
};

use super::leaders::TopicPartition;
use super::{Admin, Each, unless_moved};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::{ids, topic_name};

/// A partition that is being moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// All replicas at present.
    pub replicas: Vec<i32>,
    /// Those that are being added.
    pub adding: Vec<i32>,
    /// Those that are being removed.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Moves partitions to these replicas, the preferred leader first; without replicas, stops what moves it. The
    /// controller answers once it has begun: [`Admin::list_reassignments`] shows what is still under way.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers before 2.4 and from those that cannot move partitions; why one was
    /// not moved is its own error (NO_REASSIGNMENT_IN_PROGRESS if there is nothing to stop).
    pub async fn alter_reassignments(
        &self,
        replicas: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for ((topic, index), replicas) in replicas {
            let brokers = replicas.as_ref().map(|ids| ids.iter().copied().map(BrokerId).collect());
            let partition =
                ReassignablePartition::default().with_partition_index(*index).with_replicas(brokers);
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions)| {
            ReassignableTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(topics.into_iter().map(topic).collect());
        self.ask("alterPartitionReassignments", Route::Controller, &request, |answer| {
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let mut results = Vec::new();
            for topic in &answer.responses {
                for one in &topic.partitions {
                    let key = (topic.name.to_string(), one.partition_index);
                    results.push((key, ApiError::check(one.error_code, one.error_message.as_deref())));
                }
            }
            results.sort_by(|one, other| one.0.cmp(&other.0));
            unless_moved(results)
        })
        .await
    }

    /// All partitions that are being moved, by topic and number.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers before 2.4; the controller not reachable.
    pub async fn list_reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>, ClientError> {
        self.reassignments(None).await
    }

    /// Those of these partitions that are being moved.
    ///
    /// # Errors
    /// As [`Admin::list_reassignments`].
    pub async fn list_reassignments_of(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Reassignment>, ClientError> {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, index) in partitions {
            topics.entry(topic).or_default().push(*index);
        }
        let topic = |(name, indexes)| {
            ListPartitionReassignmentsTopics::default()
                .with_name(topic_name(name))
                .with_partition_indexes(indexes)
        };
        self.reassignments(Some(topics.into_iter().map(topic).collect())).await
    }

    async fn reassignments(
        &self,
        topics: Option<Vec<ListPartitionReassignmentsTopics>>,
    ) -> Result<BTreeMap<TopicPartition, Reassignment>, ClientError> {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(topics);
        self.ask("listPartitionReassignments", Route::Controller, &request, |answer| {
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let mut moving = BTreeMap::new();
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    let reassignment = Reassignment {
                        replicas: ids(&partition.replicas),
                        adding: ids(&partition.adding_replicas),
                        removing: ids(&partition.removing_replicas),
                    };
                    moving.insert((topic.name.to_string(), partition.partition_index), reassignment);
                }
            }
            Ok(moving)
        })
        .await
    }
}
