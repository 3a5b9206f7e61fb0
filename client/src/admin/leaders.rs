//! Partitions by the brokers that lead them: for requests that only leaders answer.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_wire::ErrorCode;

use super::Admin;
use crate::error::{ApiError, ClientError};
use crate::metadata::Interest;

/// A partition by topic and number.
pub(super) type TopicPartition = (String, i32);

/// Partitions by the brokers that lead them.
#[derive(Debug, Default)]
pub(super) struct ByLeader {
    pub(super) leaders: BTreeMap<i32, BTreeSet<TopicPartition>>,
    /// Those that the cluster does not have.
    pub(super) unknown: Vec<TopicPartition>,
}

impl Admin {
    /// Asks who leads these partitions now.
    ///
    /// # Errors
    /// LEADER_NOT_AVAILABLE, to be tried again, while an election is under way.
    pub(super) async fn by_leader<'a>(
        &self,
        partitions: impl Iterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<ByLeader, ClientError> {
        let names: BTreeSet<String> = partitions.clone().map(|(topic, _)| topic.clone()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let metadata = self.cluster.metadata.fetch(Interest::Names(&names)).await?;
        let mut found = ByLeader::default();
        for partition in partitions {
            let topic = metadata.topics.get(&partition.0);
            let known = topic.and_then(|topic| topic.partitions.iter().find(|one| one.index == partition.1));
            match known.map(|known| known.leader) {
                Some(Some(leader)) => {
                    found.leaders.entry(leader).or_default().insert(partition.clone());
                }
                Some(None) => return Err(refusal(ErrorCode::LeaderNotAvailable).into()),
                None => found.unknown.push(partition.clone()),
            }
        }
        Ok(found)
    }
}

/// The client's own refusal, in the words that stock clients have for the code.
pub(super) fn refusal(code: ErrorCode) -> ApiError {
    ApiError { code, message: code.message().to_owned() }
}
