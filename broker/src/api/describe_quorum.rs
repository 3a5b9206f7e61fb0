//! DescribeQuorum (55), versions 0 to 2: who votes on the metadata, and how far they are (KIP-595, KIP-836).
//!
//! - Kafka's partition of the metadata is `__cluster_metadata`-0; anything else asked for is error 3.
//! - v2 directory ids and the nodes' listeners (KIP-853). What other nodes call theirs is not known here: all are shown
//!   as CONTROLLER.

use rkafka_wire::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use rkafka_wire::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use rkafka_wire::versions::Versions;
use rkafka_wire::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::{Call, text};
use crate::metadata_store::{QuorumNode, QuorumReplica, QuorumStatus};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

const METADATA_TOPIC: &str = "__cluster_metadata";
const CONTROLLER: &str = "CONTROLLER";

pub(super) fn handle(call: Call, request: DescribeQuorumRequest) -> Stage {
    let (status, version) = (call.broker.metadata.quorum_status(), call.version());
    call.later(async move { body(&status.await, request, version) })
}

fn body(status: &QuorumStatus, request: DescribeQuorumRequest, version: i16) -> DescribeQuorumResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            if *topic.topic_name.0 == *METADATA_TOPIC && partition.partition_index == 0 {
                return quorum(status, version);
            }
            let error = ErrorCode::UnknownTopicOrPartition;
            PartitionData::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_static_str(error.message())))
        });
        let partitions = partitions.collect();
        TopicData::default().with_topic_name(topic.topic_name).with_partitions(partitions)
    });
    let nodes = status.voters.iter().map(|voter| {
        let called = status.nodes.iter().filter(|node| node.id == voter.id);
        let listener = |node: &QuorumNode| {
            let (name, host) = (StrBytes::from_static_str(CONTROLLER), text(&node.host));
            Listener::default().with_name(name).with_host(host).with_port(node.port)
        };
        Node::default().with_node_id(BrokerId(voter.id)).with_listeners(called.map(listener).collect())
    });
    let nodes = if version >= 2 { nodes.collect() } else { Vec::new() };
    DescribeQuorumResponse::default().with_topics(topics.collect()).with_nodes(nodes)
}

fn quorum(status: &QuorumStatus, version: i16) -> PartitionData {
    let replicas = |of: &[QuorumReplica]| of.iter().map(|one| replica(one, version)).collect();
    PartitionData::default()
        .with_leader_id(BrokerId(status.leader.unwrap_or(-1)))
        .with_leader_epoch(status.leader_epoch)
        .with_high_watermark(status.high_watermark)
        .with_current_voters(replicas(&status.voters))
        .with_observers(replicas(&status.observers))
}

fn replica(replica: &QuorumReplica, version: i16) -> ReplicaState {
    let directory = if version >= 2 { Uuid::from_bytes(replica.directory) } else { Uuid::nil() };
    ReplicaState::default()
        .with_replica_id(BrokerId(replica.id))
        .with_replica_directory_id(directory)
        .with_log_end_offset(replica.log_end_offset)
        .with_last_fetch_timestamp(replica.last_fetch_ms)
        .with_last_caught_up_timestamp(replica.last_caught_up_ms)
}
