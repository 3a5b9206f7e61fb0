//! The metadata quorum (DescribeQuorum, KIP-595 and KIP-836) and its voters (KIP-853).

use rkafka_wire::StrBytes;
use rkafka_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use rkafka_wire::messages::describe_quorum_response::{Node, ReplicaState};
use rkafka_wire::messages::{
    AddRaftVoterRequest, ApiKey, DescribeQuorumRequest, RemoveRaftVoterRequest, TopicName,
};

use super::Admin;
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;
use crate::topic_id::TopicId;

/// The state of the metadata quorum as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumInfo {
    /// The active controller; -1 if there is none now.
    pub leader: i32,
    /// Its term.
    pub leader_epoch: i32,
    /// Everything below it is committed.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<QuorumReplica>,
    /// Who only follows.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters are called; empty from brokers before 3.9.
    pub endpoints: Vec<QuorumEndpoint>,
}

/// A listener of a voter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumEndpoint {
    /// The node.
    pub id: i32,
    /// The listener's name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// One member of the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its node id.
    pub id: i32,
    /// The directory of its log (KIP-853); zero if the broker does not say.
    pub directory: TopicId,
    /// How far its log is known to go.
    pub log_end_offset: i64,
    /// When it last fetched or acknowledged, milliseconds since 1970; -1 if unknown.
    pub last_fetch_ms: i64,
    /// When it last had everything, milliseconds since 1970; -1 if unknown.
    pub last_caught_up_ms: i64,
}

impl Admin {
    /// The state of the metadata quorum.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers that keep their metadata in ZooKeeper; no broker reachable.
    pub async fn describe_quorum(&self) -> Result<QuorumInfo, ClientError> {
        let topic = TopicData::default()
            .with_topic_name(TopicName(StrBytes::from_static_str("__cluster_metadata")))
            .with_partitions(vec![PartitionData::default()]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<DescribeQuorumRequest>()?;
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, answer.error_message.as_deref())?;
                let partition = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
                let about = || "the metadata partition".to_owned();
                let partition = partition
                    .ok_or_else(|| ClientError::Incomplete { api: ApiKey::DescribeQuorum, about: about() })?;
                ApiError::check(partition.error_code, partition.error_message.as_deref())?;
                Ok(QuorumInfo {
                    leader: partition.leader_id.0,
                    leader_epoch: partition.leader_epoch,
                    high_watermark: partition.high_watermark,
                    voters: partition.current_voters.iter().map(replica).collect(),
                    observers: partition.observers.iter().map(replica).collect(),
                    endpoints: answer.nodes.iter().flat_map(endpoints).collect(),
                })
            }
        };
        self.cluster.retry("describeMetadataQuorum", Route::Any, attempt).await
    }

    /// Makes a member that follows the quorum vote.
    ///
    /// # Errors
    /// The controller's refusal: it is a voter already, or does not follow with that directory.
    pub async fn add_voter(&self, id: i32, directory: TopicId) -> Result<(), ClientError> {
        let request = AddRaftVoterRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_voter_id(id)
            .with_voter_directory_id(directory.uuid());
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<AddRaftVoterRequest>()?;
                let answer = connection.call(version, request).await?;
                Ok(ApiError::check(answer.error_code, answer.error_message.as_deref())?)
            }
        };
        self.cluster.retry("addRaftVoter", Route::Any, attempt).await
    }

    /// Takes the vote from a member; it goes on following.
    ///
    /// # Errors
    /// The controller's refusal: no such voter.
    pub async fn remove_voter(&self, id: i32, directory: TopicId) -> Result<(), ClientError> {
        let request =
            RemoveRaftVoterRequest::default().with_voter_id(id).with_voter_directory_id(directory.uuid());
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<RemoveRaftVoterRequest>()?;
                let answer = connection.call(version, request).await?;
                Ok(ApiError::check(answer.error_code, answer.error_message.as_deref())?)
            }
        };
        self.cluster.retry("removeRaftVoter", Route::Any, attempt).await
    }
}

fn endpoints(node: &Node) -> impl Iterator<Item = QuorumEndpoint> {
    node.listeners.iter().map(|listener| QuorumEndpoint {
        id: node.node_id.0,
        name: listener.name.to_string(),
        host: listener.host.to_string(),
        port: listener.port,
    })
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: state.replica_id.0,
        directory: TopicId::from(state.replica_directory_id),
        log_end_offset: state.log_end_offset,
        last_fetch_ms: state.last_fetch_timestamp,
        last_caught_up_ms: state.last_caught_up_timestamp,
    }
}
