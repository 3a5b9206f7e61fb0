//! The door to the cluster's metadata: the image this node holds, and requests to the active controller.
//!
//! API handlers, coordinators and the node know the quorum through this trait alone. Its implementation
//! (openraft under `quorum/`, the controller task, the publisher of images) forwards a request to the active
//! controller wherever that is, and answers once the change is applied to the image *of this node*: a client
//! that is told "created" must find its topic with the next request.

use std::pin::Pin;
use std::sync::Arc;

use rkafka_core::controller::{
    AlterConfigs, AlterConfigsResult, AlterPartition, AlterPartitionResult, AlterReassignments,
    ControllerError, CreatePartitions, CreatePartitionsResult, CreateTopicResult, CreateTopics,
    DeleteTopicResult, DeleteTopics, ElectLeaders, ElectionResult, ErrorKind, FeatureUpdate, Heartbeat,
    HeartbeatReply, ProducerIdBlock, ReassignmentResult, RegisterBroker,
};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::Image;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// AllocateProducerIds: a block of producer ids for this broker (KIP-730).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocateProducerIds {
    /// The broker.
    pub broker: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: i64,
}

/// UnregisterBroker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnregisterBroker {
    /// The broker to forget.
    pub broker: BrokerId,
}

/// An operator wants another broker to lead what this one leads; it goes on serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOverLeaderships {
    /// The broker that leads now.
    pub broker: BrokerId,
}

/// UpdateFeatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateFeatures {
    /// All of them or none.
    pub updates: Vec<FeatureUpdate>,
    /// Check only.
    pub validate_only: bool,
}

/// A request to the controller that knows the type of its reply.
pub trait ControllerCall: Into<ControllerRequest> {
    /// What the controller answers.
    type Reply;

    /// The reply, if it is one to this kind of request.
    fn reply(reply: ControllerReply) -> Option<Self::Reply>;
}

macro_rules! controller_calls {
    ($($name:ident => $reply:ty, $doc:literal;)*) => {
        /// What the controller can be asked for.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum ControllerRequest {
            $(#[doc = $doc] $name($name),)*
        }

        /// The reply to the request of the same name.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum ControllerReply {
            $(#[doc = $doc] $name($reply),)*
        }

        $(
            impl From<$name> for ControllerRequest {
                fn from(request: $name) -> Self {
                    ControllerRequest::$name(request)
                }
            }

            impl ControllerCall for $name {
                type Reply = $reply;

                fn reply(reply: ControllerReply) -> Option<$reply> {
                    match reply {
                        ControllerReply::$name(reply) => Some(reply),
                        _ => None,
                    }
                }
            }
        )*
    };
}

controller_calls! {
    CreateTopics => Vec<CreateTopicResult>, "Create topics.";
    DeleteTopics => Vec<DeleteTopicResult>, "Delete topics.";
    CreatePartitions => Vec<CreatePartitionsResult>, "Add partitions to topics.";
    AlterConfigs => Vec<AlterConfigsResult>, "Change dynamic configuration.";
    ElectLeaders => Vec<ElectionResult>, "Elect leaders of partitions.";
    AlterReassignments => Vec<ReassignmentResult>, "Move replicas to other brokers, or cancel that.";
    AlterPartition => Vec<AlterPartitionResult>, "Change the in-sync replicas of partitions.";
    RegisterBroker => i64, "Register a broker; the reply is its epoch.";
    UnregisterBroker => (), "Forget a broker.";
    HandOverLeaderships => usize, "Let others lead what a broker leads; the reply is how many moved.";
    Heartbeat => HeartbeatReply, "A broker is alive.";
    AllocateProducerIds => ProducerIdBlock, "Give a broker a block of producer ids.";
    UpdateFeatures => (), "Set feature levels.";
}

/// A reply that is on its way.
pub type PendingReply = Pin<Box<dyn Future<Output = Result<ControllerReply, ControllerError>> + Send>>;

/// One voter or observer of the quorum, as DescribeQuorum shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumReplica {
    /// The node.
    pub id: i32,
    /// The directory of its quorum log (KIP-853); zero if unknown.
    pub directory: [u8; 16],
    /// How far its log is known to go.
    pub log_end_offset: i64,
    /// When it last fetched or acknowledged, milliseconds since 1970; -1 if unknown.
    pub last_fetch_ms: i64,
    /// When it last had everything, milliseconds since 1970; -1 if unknown.
    pub last_caught_up_ms: i64,
}

/// The state of the quorum, as DescribeQuorum shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumStatus {
    /// The active controller.
    pub leader: Option<i32>,
    /// Its term.
    pub leader_epoch: i32,
    /// Everything below it is committed.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<QuorumReplica>,
    /// Who only follows.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters are called.
    #[serde(default)]
    pub nodes: Vec<QuorumNode>,
}

/// Where a voter's quorum listener is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumNode {
    /// The node.
    pub id: i32,
    /// Its host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// An operator's change of the quorum's voters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoterChange {
    /// Whether the node shall vote from now on, or shall not any more.
    pub votes: bool,
    /// The node.
    pub id: i32,
    /// The directory of its quorum log.
    pub directory: [u8; 16],
}

/// The metadata as one node sees it.
pub trait MetadataStore: Send + Sync + 'static {
    /// The newest image. Lock-free; called for every request.
    fn image(&self) -> Arc<Image>;

    /// Images as they come; the receiver may skip some and always sees the newest.
    fn images(&self) -> watch::Receiver<Arc<Image>>;

    /// The active controller, if one is known.
    fn controller(&self) -> Option<BrokerId>;

    /// The state of the quorum as its leader sees it; what this node knows if the leader cannot be asked.
    fn quorum_status(&self) -> Pin<Box<dyn Future<Output = QuorumStatus> + Send>>;

    /// Has an operator's change of the voters carried out (KIP-853).
    fn change_voters(
        &self,
        change: VoterChange,
    ) -> Pin<Box<dyn Future<Output = Result<(), ControllerError>> + Send>>;

    /// Sends a request to the active controller. The reply comes when the change is in the image of this node
    /// *and* this node's partitions are as that image says, so that the client's next request finds them.
    fn submit(&self, request: ControllerRequest) -> PendingReply;
}

/// Sends a request and waits for its reply.
///
/// # Errors
/// The controller's refusal, or that there is no controller now.
pub async fn call<C: ControllerCall>(
    store: &dyn MetadataStore,
    request: C,
) -> Result<C::Reply, ControllerError> {
    let reply = store.submit(request.into()).await?;
    C::reply(reply).ok_or_else(|| {
        ControllerError::new(ErrorKind::UnknownServerError, "the controller answered another request")
    })
}
