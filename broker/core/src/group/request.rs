//! What is asked of a group coordinator and what it answers, free of wire versions.
//!
//! The broker turns frames into these and back. Where a behaviour hangs on the request's version, the field says
//! what it means rather than the number.

use bytes::Bytes;

use super::error::GroupError;
use crate::ids::TopicId;

/// Names one waiting answer. The caller chooses it; it comes back once, with the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// A request to the shard that owns the group (or all the named groups).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRequest {
    /// Enter the group or take part in its rebalance.
    Join(JoinRequest),
    /// Fetch the assignment; from the leader, hand it in.
    Sync(SyncRequest),
    /// Stay a member.
    Heartbeat(HeartbeatRequest),
    /// Remove members.
    Leave(LeaveRequest),
    /// Store offsets.
    OffsetCommit(OffsetCommitRequest),
    /// Read offsets of one group.
    OffsetFetch(OffsetFetchRequest),
    /// Remove offsets of one group.
    OffsetDelete(OffsetDeleteRequest),
    /// Show groups of this shard.
    Describe(Vec<String>),
    /// List the groups of this shard.
    List(ListRequest),
    /// Remove empty groups of this shard with their offsets.
    Delete(Vec<String>),
}

/// JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinRequest {
    /// The group.
    pub group_id: String,
    /// The member's id, or empty if it has none yet.
    pub member_id: String,
    /// The id of a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// The client id of the request's header.
    pub client_id: String,
    /// The client's address as Kafka shows it: a slash and the address.
    pub client_host: String,
    /// After how long without a heartbeat the member is removed.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for the member; at version 0 the session timeout.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: String,
    /// What the member can use, in its order of preference.
    pub protocols: Vec<MemberProtocol>,
    /// Version 4 and above: a dynamic member must join a second time with the id it is given (KIP-394).
    pub requires_known_member_id: bool,
    /// Version 9 and above: the leader may be told to skip the assignment (KIP-814).
    pub supports_skipping_assignment: bool,
    /// A random UUID as text, the end of the member id if one has to be made.
    pub fresh_uuid: String,
}

/// One assignor's name with the member's metadata for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberProtocol {
    /// The name, as `range`.
    pub name: String,
    /// For consumers the subscription; opaque to the coordinator but for the topic names.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncRequest {
    /// The group.
    pub group_id: String,
    /// The generation of the join reply.
    pub generation_id: i32,
    /// The member.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
    /// The protocol type, from version 5 on.
    pub protocol_type: Option<String>,
    /// The protocol name, from version 5 on.
    pub protocol_name: Option<String>,
    /// From the leader: member id and its assignment.
    pub assignments: Vec<(String, Bytes)>,
}

/// Heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The member's generation.
    pub generation_id: i32,
    /// The member.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
}

/// LeaveGroup; below version 3 with one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaveRequest {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One member that leaves or is removed by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeavingMember {
    /// The member id, or empty when the static member is named by its instance id alone.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
}

/// OffsetCommit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group_id: String,
    /// The member's generation; negative for a consumer that does not use group management.
    pub generation_id: i32,
    /// The member, or empty.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
    /// Versions 2 to 4: keep the offsets this long; -1 or absent for the broker's retention.
    pub retention_time_ms: Option<i64>,
    /// Version 9 and above: an unknown group is answered `GROUP_ID_NOT_FOUND`.
    pub reports_group_id_not_found: bool,
    /// The offsets.
    pub topics: Vec<OffsetCommitTopic>,
}

/// The offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitTopic {
    /// The name.
    pub topic: String,
    /// The id, or [`TopicId::ZERO`] if the caller knows none.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// The offset of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetCommitPartition {
    /// The partition's index.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// Free text; a null of the wire is empty.
    pub metadata: String,
}

/// OffsetFetch of one group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group_id: String,
    /// Topics and partitions; `None` for all the group has.
    pub topics: Option<Vec<(String, Vec<i32>)>>,
    /// Do not answer offsets that a transaction may still take back (KIP-447).
    pub require_stable: bool,
}

/// OffsetDelete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group_id: String,
    /// Topics and partitions.
    pub topics: Vec<(String, Vec<i32>)>,
}

/// ListGroups. Empty filters let everything pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRequest {
    /// State names, in any case (version 4, KIP-518).
    pub states_filter: Vec<String>,
    /// Type names, in any case (version 5, KIP-848).
    pub types_filter: Vec<String>,
}

/// The answer to the request of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupReply {
    /// To [`GroupRequest::Join`].
    Join(JoinReply),
    /// To [`GroupRequest::Sync`].
    Sync(SyncReply),
    /// To [`GroupRequest::Heartbeat`].
    Heartbeat(Result<(), GroupError>),
    /// To [`GroupRequest::Leave`].
    Leave(LeaveReply),
    /// To [`GroupRequest::OffsetCommit`].
    OffsetCommit(Vec<TopicErrors>),
    /// To [`GroupRequest::OffsetFetch`].
    OffsetFetch(Result<Vec<FetchedTopic>, GroupError>),
    /// To [`GroupRequest::OffsetDelete`].
    OffsetDelete(Result<Vec<TopicErrors>, GroupError>),
    /// To [`GroupRequest::Describe`], one entry a group asked for.
    Describe(Vec<DescribedGroup>),
    /// To [`GroupRequest::List`].
    List(Result<Vec<ListedGroup>, GroupError>),
    /// To [`GroupRequest::Delete`], one entry a group asked for.
    Delete(Vec<(String, Result<(), GroupError>)>),
}

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinReply {
    /// `None` if the member is in.
    pub error: Option<GroupError>,
    /// The generation, -1 with an error.
    pub generation_id: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol_name: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// The leader need not compute an assignment (KIP-814).
    pub skip_assignment: bool,
    /// The member's id; with `MEMBER_ID_REQUIRED` the one to join with.
    pub member_id: String,
    /// For the leader: all members with their metadata for the protocol chosen.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
    /// Its metadata for the protocol chosen.
    pub metadata: Bytes,
}

/// The answer to a sync.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncReply {
    /// `None` if `assignment` holds.
    pub error: Option<GroupError>,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol_name: Option<String>,
    /// The member's assignment.
    pub assignment: Bytes,
}

/// The answer to a leave; below version 3 the member's error is the answer's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaveReply {
    /// An error of the whole request.
    pub error: Option<GroupError>,
    /// The members in the order of the request.
    pub members: Vec<LeftMember>,
}

/// What became of one leaving member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftMember {
    /// As in the request.
    pub member_id: String,
    /// As in the request.
    pub group_instance_id: Option<String>,
    /// Why it was not removed.
    pub error: Option<GroupError>,
}

/// One outcome a partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicErrors {
    /// The topic's name.
    pub topic: String,
    /// Partition index and its error, in the order of the request.
    pub partitions: Vec<(i32, Option<GroupError>)>,
}

/// The offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchedTopic {
    /// The topic's name.
    pub topic: String,
    /// Its partitions.
    pub partitions: Vec<FetchedOffset>,
}

/// The offset of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The partition's index.
    pub partition: i32,
    /// The committed offset, -1 for none.
    pub offset: i64,
    /// The leader epoch committed with it, -1 for none.
    pub leader_epoch: i32,
    /// The text committed with it.
    pub metadata: String,
    /// `UNSTABLE_OFFSET_COMMIT` where a transaction is open.
    pub error: Option<GroupError>,
}

/// One group as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescribedGroup {
    /// `GROUP_ID_NOT_FOUND` for an unknown group, which versions below 6 show as state `Dead` without an error.
    pub error: Option<GroupError>,
    /// The group.
    pub group_id: String,
    /// The state's name.
    pub state: String,
    /// The protocol type, or empty.
    pub protocol_type: String,
    /// The protocol chosen, if the group is stable.
    pub protocol: String,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// One member as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescribedMember {
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
    /// The client id.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// The metadata for the protocol chosen, if the group is stable.
    pub metadata: Bytes,
    /// The assignment.
    pub assignment: Bytes,
}

/// One group as ListGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedGroup {
    /// The group.
    pub group_id: String,
    /// The protocol type, or empty.
    pub protocol_type: String,
    /// The state's name.
    pub state: String,
    /// The type's name, always `classic`.
    pub group_type: String,
}

impl JoinReply {
    /// A refusal.
    #[must_use]
    pub fn failed(member_id: impl Into<String>, error: GroupError) -> Self {
        Self { error: Some(error), generation_id: -1, member_id: member_id.into(), ..Self::default() }
    }
}

impl SyncReply {
    /// A refusal.
    #[must_use]
    pub fn failed(error: GroupError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

impl GroupRequest {
    /// The refusal of this whole request.
    #[must_use]
    pub fn refused(&self, error: GroupError) -> GroupReply {
        match self {
            Self::Join(join) => GroupReply::Join(JoinReply::failed(join.member_id.clone(), error)),
            Self::Sync(_) => GroupReply::Sync(SyncReply::failed(error)),
            Self::Heartbeat(_) => GroupReply::Heartbeat(Err(error)),
            Self::Leave(_) => GroupReply::Leave(LeaveReply { error: Some(error), members: Vec::new() }),
            Self::OffsetCommit(commit) => {
                GroupReply::OffsetCommit(commit.topics.iter().map(|topic| topic.refused(error)).collect())
            }
            Self::OffsetFetch(_) => GroupReply::OffsetFetch(Err(error)),
            Self::OffsetDelete(_) => GroupReply::OffsetDelete(Err(error)),
            Self::Describe(group_ids) => {
                GroupReply::Describe(group_ids.iter().map(|id| DescribedGroup::failed(id, error)).collect())
            }
            Self::List(_) => GroupReply::List(Err(error)),
            Self::Delete(group_ids) => {
                GroupReply::Delete(group_ids.iter().map(|id| (id.clone(), Err(error))).collect())
            }
        }
    }
}

impl OffsetCommitTopic {
    fn refused(&self, error: GroupError) -> TopicErrors {
        let partitions = self.partitions.iter().map(|partition| (partition.partition, Some(error))).collect();
        TopicErrors { topic: self.topic.clone(), partitions }
    }
}

impl DescribedGroup {
    fn failed(group_id: &str, error: GroupError) -> Self {
        Self { error: Some(error), group_id: group_id.to_owned(), ..Self::default() }
    }
}

impl GroupReply {
    /// This reply turned into a refusal: the write it waited for failed.
    #[must_use]
    pub fn into_refusal(self, error: GroupError) -> Self {
        match self {
            Self::Join(reply) => Self::Join(JoinReply::failed(reply.member_id, error)),
            Self::Sync(_) => Self::Sync(SyncReply::failed(error)),
            Self::Heartbeat(_) => Self::Heartbeat(Err(error)),
            Self::Leave(_) => Self::Leave(LeaveReply { error: Some(error), members: Vec::new() }),
            Self::OffsetCommit(mut topics) => {
                for (_, outcome) in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    *outcome = Some(error);
                }
                Self::OffsetCommit(topics)
            }
            Self::OffsetFetch(_) => Self::OffsetFetch(Err(error)),
            Self::OffsetDelete(_) => Self::OffsetDelete(Err(error)),
            Self::Describe(groups) => Self::Describe(
                groups.iter().map(|group| DescribedGroup::failed(&group.group_id, error)).collect(),
            ),
            Self::List(_) => Self::List(Err(error)),
            Self::Delete(groups) => {
                Self::Delete(groups.into_iter().map(|(id, _)| (id, Err(error))).collect())
            }
        }
    }
}
