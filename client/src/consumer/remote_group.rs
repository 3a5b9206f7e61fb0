//! The requests to the coordinator of the group.

use std::collections::BTreeMap;

use bytes::Bytes;
use rkafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use rkafka_wire::messages::leave_group_request::MemberIdentity;
use rkafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use rkafka_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use rkafka_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use rkafka_wire::messages::{
    ApiKey, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};
use rkafka_wire::{ErrorCode, StrBytes};

use super::core::{Offsets, Told};
use super::membership::{Identity, JoinAnswer, JoinRequest, SyncRequest};
use super::offsets::OffsetAndMetadata;
use super::remote::{Remote, incomplete, wire_millis};
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;
use crate::topic_partition::TopicPartition;

/// Since version 10 topics go by their ids here, which a group's topics need not have.
const LAST_OFFSETS_WITH_NAMES: i16 = 9;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

impl Remote {
    /// The connection to the coordinator, looked for if it is not known.
    pub(crate) async fn coordinator(&self) -> Result<Connection, ClientError> {
        let mut slot = self.coordinator.lock().await;
        if self.lost.take() {
            *slot = None;
        }
        if let Some(open) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(open.clone());
        }
        let node = self.find_coordinator().await?;
        let connection = self.cluster.pool.own(node).await?;
        Ok(slot.insert(connection).clone())
    }

    async fn find_coordinator(&self) -> Result<i32, ClientError> {
        let group = self.config.group_id.clone().unwrap_or_default();
        let connection = self.cluster.pool.any().await?;
        let version = connection.version::<FindCoordinatorRequest>()?;
        let request = if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text(&group)])
        } else {
            FindCoordinatorRequest::default().with_key(text(&group))
        };
        let answer = connection.call(version, &request).await?;
        let (code, message, node, host, port) = if version >= 4 {
            let first = answer.coordinators.first();
            let found = first.ok_or_else(|| incomplete(ApiKey::FindCoordinator, format!("'{group}'")))?;
            (found.error_code, found.error_message.clone(), found.node_id, &found.host, found.port)
        } else {
            (answer.error_code, answer.error_message.clone(), answer.node_id, &answer.host, answer.port)
        };
        ApiError::check(code, message.as_deref())?;
        if let Ok(port) = u16::try_from(port) {
            let address = rkafka_config::HostPort { host: host.to_string(), port };
            self.cluster.pool.set_broker(node.0, &address);
        }
        Ok(node.0)
    }

    pub(crate) async fn join(
        &self,
        join: &JoinRequest,
    ) -> Result<Result<JoinAnswer, (ApiError, String)>, ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version::<JoinGroupRequest>()?;
        let identity = &join.identity;
        let protocol = |(name, metadata): &(&'static str, Bytes)| {
            let name = StrBytes::from_static_str(name);
            JoinGroupRequestProtocol::default().with_name(name).with_metadata(metadata.clone())
        };
        let mut request = JoinGroupRequest::default()
            .with_group_id(group_id(&identity.group))
            .with_session_timeout_ms(wire_millis(join.session_timeout))
            .with_rebalance_timeout_ms(wire_millis(join.rebalance_timeout))
            .with_member_id(text(&identity.member_id))
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(join.protocols.iter().map(protocol).collect());
        if version >= 5 {
            request = request.with_group_instance_id(identity.instance_id.as_deref().map(text));
        }
        if version >= 8 {
            request = request.with_reason(Some(text(&join.reason)));
        }
        let answer = connection.call_holding(version, &request, join.rebalance_timeout).await?;
        if let Err(error) = ApiError::check(answer.error_code, None) {
            return Ok(Err((error, answer.member_id.to_string())));
        }
        let members = answer.members.iter().map(|member| {
            let instance = member.group_instance_id.as_ref().map(ToString::to_string);
            (member.member_id.to_string(), instance, member.metadata.clone())
        });
        Ok(Ok(JoinAnswer {
            generation: answer.generation_id,
            protocol: answer.protocol_name.as_deref().unwrap_or_default().to_owned(),
            leader: answer.leader.to_string(),
            member_id: answer.member_id.to_string(),
            skip_assignment: answer.skip_assignment,
            members: members.collect(),
        }))
    }

    pub(crate) async fn sync(&self, sync: &SyncRequest) -> Result<Result<Bytes, ApiError>, ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version::<SyncGroupRequest>()?;
        let identity = &sync.identity;
        let assignment = |(member, blob): &(String, Bytes)| {
            SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(blob.clone())
        };
        let mut request = SyncGroupRequest::default()
            .with_group_id(group_id(&identity.group))
            .with_generation_id(identity.generation)
            .with_member_id(text(&identity.member_id))
            .with_assignments(sync.assignments.iter().map(assignment).collect());
        if version >= 3 {
            request = request.with_group_instance_id(identity.instance_id.as_deref().map(text));
        }
        if version >= 5 {
            request = request
                .with_protocol_type(Some(StrBytes::from_static_str("consumer")))
                .with_protocol_name(Some(StrBytes::from_static_str(sync.protocol)));
        }
        let answer = connection.call_holding(version, &request, self.config.max_poll_interval).await?;
        Ok(ApiError::check(answer.error_code, None).map(|()| answer.assignment.clone()))
    }

    pub(crate) async fn heartbeat(&self, identity: &Identity) -> Result<Result<(), ApiError>, ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version::<HeartbeatRequest>()?;
        let mut request = HeartbeatRequest::default()
            .with_group_id(group_id(&identity.group))
            .with_generation_id(identity.generation)
            .with_member_id(text(&identity.member_id));
        if version >= 3 {
            request = request.with_group_instance_id(identity.instance_id.as_deref().map(text));
        }
        let answer = connection.call(version, &request).await?;
        Ok(ApiError::check(answer.error_code, None))
    }

    /// Leaves the group; what goes wrong does not matter, the session timeout does the rest.
    pub(crate) async fn leave(&self, identity: &Identity) -> Result<(), ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version::<LeaveGroupRequest>()?;
        let request = LeaveGroupRequest::default().with_group_id(group_id(&identity.group));
        let member_id = text(&identity.member_id);
        let request = if version >= 3 {
            let mut member = MemberIdentity::default().with_member_id(member_id);
            if version >= 5 {
                member = member.with_reason(Some(StrBytes::from_static_str("the consumer is being closed")));
            }
            request.with_members(vec![member])
        } else {
            request.with_member_id(member_id)
        };
        let answer = connection.call(version, &request).await?;
        Ok(ApiError::check(answer.error_code, None)?)
    }

    /// Commits offsets; the refusal of each partition by itself.
    pub(crate) async fn commit(
        &self,
        identity: &Identity,
        offsets: &Offsets,
    ) -> Result<Told<()>, ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version::<OffsetCommitRequest>()?.min(LAST_OFFSETS_WITH_NAMES);
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, offset) in offsets {
            let mut one = OffsetCommitRequestPartition::default()
                .with_partition_index(partition.partition)
                .with_committed_offset(offset.offset)
                .with_committed_metadata(Some(text(&offset.metadata)));
            if version >= 6 {
                one = one.with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1));
            }
            topics.entry(&partition.topic).or_default().push(one);
        }
        let topic = |(name, partitions)| {
            OffsetCommitRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let mut request = OffsetCommitRequest::default()
            .with_group_id(group_id(&identity.group))
            .with_generation_id_or_member_epoch(identity.generation)
            .with_member_id(text(&identity.member_id))
            .with_topics(topics.into_iter().map(topic).collect());
        if version >= 7 {
            request = request.with_group_instance_id(identity.instance_id.as_deref().map(text));
        }
        let answer = connection.call(version, &request).await?;
        let mut told = Told::new();
        for topic in &answer.topics {
            for one in &topic.partitions {
                let partition = TopicPartition::new(&**topic.name, one.partition_index);
                told.insert(partition, ApiError::check(one.error_code, None));
            }
        }
        Ok(told)
    }

    /// The committed offsets of partitions; none where nothing is committed.
    pub(crate) async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Told<Option<OffsetAndMetadata>>, ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version::<OffsetFetchRequest>()?.min(LAST_OFFSETS_WITH_NAMES);
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            topics.entry(&partition.topic).or_default().push(partition.partition);
        }
        let group = group_id(self.config.group_id.as_deref().unwrap_or_default());
        let mut request = OffsetFetchRequest::default();
        if version >= 8 {
            let topic = |(name, indexes)| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic_name(name))
                    .with_partition_indexes(indexes)
            };
            let topics = topics.into_iter().map(topic).collect();
            let group = OffsetFetchRequestGroup::default().with_group_id(group).with_topics(Some(topics));
            request = request.with_groups(vec![group]);
        } else {
            let topic = |(name, indexes)| {
                OffsetFetchRequestTopic::default().with_name(topic_name(name)).with_partition_indexes(indexes)
            };
            request = request.with_group_id(group).with_topics(Some(topics.into_iter().map(topic).collect()));
        }
        if version >= 7 {
            request = request.with_require_stable(true);
        }
        let answer = connection.call(version, &request).await?;
        committed_of(version, &answer)
    }
}

fn committed_of(
    version: i16,
    answer: &OffsetFetchResponse,
) -> Result<Told<Option<OffsetAndMetadata>>, ClientError> {
    let mut told = Told::new();
    let mut note = |topic: &str, index, code, offset: i64, epoch: i32, metadata: Option<&StrBytes>| {
        let committed = (offset >= 0).then(|| OffsetAndMetadata {
            offset,
            leader_epoch: Some(epoch).filter(|epoch| *epoch >= 0),
            metadata: metadata.map(ToString::to_string).unwrap_or_default(),
        });
        told.insert(TopicPartition::new(topic, index), ApiError::check(code, None).map(|()| committed));
    };
    if version >= 8 {
        for group in &answer.groups {
            ApiError::check(group.error_code, None)?;
            for topic in &group.topics {
                for one in &topic.partitions {
                    let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
                    let metadata = one.metadata.as_ref();
                    note(&topic.name, one.partition_index, one.error_code, offset, epoch, metadata);
                }
            }
        }
    } else {
        ApiError::check(answer.error_code, None)?;
        for topic in &answer.topics {
            for one in &topic.partitions {
                let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
                let metadata = one.metadata.as_ref();
                note(&topic.name, one.partition_index, one.error_code, offset, epoch, metadata);
            }
        }
    }
    Ok(told)
}

/// The first refusal that speaks of the member or the coordinator rather than of a partition.
pub(super) fn refusal_of_member(told: &Told<()>) -> Option<&ApiError> {
    let concerns_member = |error: &&ApiError| {
        matches!(
            error.code,
            ErrorCode::UnknownMemberId
                | ErrorCode::IllegalGeneration
                | ErrorCode::FencedInstanceId
                | ErrorCode::RebalanceInProgress
                | ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::CoordinatorLoadInProgress
        )
    };
    told.values().filter_map(|told| told.as_ref().err()).find(concerns_member)
}
