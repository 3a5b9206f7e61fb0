//! Groups: list, describe and delete them.

use rkafka_wire::messages::consumer_group_describe_response as modern;
use rkafka_wire::messages::describe_groups_response as classic;
use rkafka_wire::messages::leave_group_request::MemberIdentity;
use rkafka_wire::messages::{
    ApiKey, ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId,
    LeaveGroupRequest, ListGroupsRequest,
};
use rkafka_wire::{ErrorCode, StrBytes};

use super::coordinator::{Coordinated, per_thing};
use super::{Admin, Each, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::Broker;
use crate::net::Connection;

/// The first version of LeaveGroup that names members by instance ids, several at once (KIP-345).
const FIRST_WITH_SEVERAL_MEMBERS: i16 = 3;

/// A group as ListGroups tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub id: String,
    /// Its protocol's type: `consumer` for consumers, empty for offsets without members.
    pub protocol_type: String,
    /// Its state, such as `Stable`; absent from brokers before 2.6.
    pub state: Option<String>,
    /// Its type, such as `classic`; absent from brokers before 3.8.
    pub group_type: Option<String>,
}

/// A group of consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub id: String,
    /// Its state, such as `Stable` or `Empty`.
    pub state: String,
    /// Its protocol's type: `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor in use; empty while there is none.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: Broker,
    /// The epochs of a group of the protocol of KIP-848.
    pub epochs: Option<GroupEpochs>,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// The epochs of a group of the protocol of KIP-848.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEpochs {
    /// Rises with every change of members or subscriptions.
    pub group: i32,
    /// The group's epoch that the target assignment was made for.
    pub assignment: i32,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// The instance id of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Its address.
    pub host: String,
    /// Its epoch, in a group of the protocol of KIP-848.
    pub epoch: Option<i32>,
    /// The partitions it has, in order.
    pub assignment: Vec<(String, i32)>,
    /// The partitions it shall have, in a group of the protocol of KIP-848.
    pub target: Option<Vec<(String, i32)>>,
}

impl Admin {
    /// All groups, of all brokers, by id. Filters that are empty let everything pass; brokers before 2.6 know no
    /// states and those before 3.8 no types.
    ///
    /// # Errors
    /// A broker that does not answer, or that is too old for the filter.
    pub async fn list_groups(
        &self,
        states: &[String],
        types: &[String],
    ) -> Result<Vec<GroupListing>, ClientError> {
        let words = |list: &[String]| list.iter().cloned().map(StrBytes::from_string).collect::<Vec<_>>();
        let request =
            ListGroupsRequest::default().with_states_filter(words(states)).with_types_filter(words(types));
        let metadata = self.cluster.metadata.brokers().await?;
        let mut found = Vec::new();
        for broker in metadata.brokers.keys() {
            let attempt = |connection: Connection| {
                let request = &request;
                async move {
                    let version = connection.version::<ListGroupsRequest>()?;
                    for (is_empty, first, feature) in
                        [(states.is_empty(), 4, "states of groups"), (types.is_empty(), 5, "types of groups")]
                    {
                        if !is_empty && version < first {
                            let address = connection.address().to_string();
                            return Err(ClientError::TooOld { address, feature: feature.to_owned() });
                        }
                    }
                    let answer = connection.call(version, request).await?;
                    ApiError::check(answer.error_code, None)?;
                    Ok(answer.groups)
                }
            };
            let groups = self.cluster.retry("listGroups", Route::Node(*broker), attempt).await?;
            let some = |text: StrBytes| Some(text.to_string()).filter(|text| !text.is_empty());
            found.extend(groups.into_iter().map(|group| GroupListing {
                id: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                state: some(group.group_state),
                group_type: some(group.group_type),
            }));
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.dedup_by(|one, other| one.id == other.id);
        Ok(found)
    }

    /// Describes groups of consumers, of either protocol.
    ///
    /// # Errors
    /// A coordinator that cannot be reached. A group that does not exist is its own error; brokers before 4.0 say
    /// that it is `Dead` instead.
    pub async fn describe_groups(
        &self,
        ids: &[String],
    ) -> Result<Each<String, GroupDescription>, ClientError> {
        let mut results = Vec::new();
        for id in ids {
            let described = self
                .at_coordinator(
                    "describeGroups",
                    Coordinated::Group(id),
                    |connection, coordinator| async move {
                        let broker = self.broker(coordinator).await?;
                        describe(&connection, id, broker).await
                    },
                )
                .await;
            results.push((id.clone(), per_thing(described)?));
        }
        Ok(results)
    }

    /// Deletes groups without members, with their offsets.
    ///
    /// # Errors
    /// A coordinator that cannot be reached; why a group was not deleted is its own error.
    pub async fn delete_groups(&self, ids: &[String]) -> Result<Each<String, ()>, ClientError> {
        let mut results = Vec::new();
        for id in ids {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(id)]);
            let attempt = |connection: Connection, _| {
                let request = &request;
                async move {
                    let version = connection.version::<DeleteGroupsRequest>()?;
                    let answer = connection.call(version, request).await?;
                    let result =
                        answer.results.first().ok_or_else(|| incomplete(ApiKey::DeleteGroups, id))?;
                    Ok(ApiError::check(result.error_code, None)?)
                }
            };
            let deleted = self.at_coordinator("deleteGroups", Coordinated::Group(id), attempt).await;
            results.push((id.clone(), per_thing(deleted)?));
        }
        Ok(results)
    }

    /// Removes members from a group: static ones by their instance ids (KIP-345), or all if none are named. Those
    /// that are alive join again.
    ///
    /// # Errors
    /// The coordinator cannot be reached, or refuses; an older broker than 2.4; why a member was not removed is its
    /// own error.
    pub async fn remove_group_members(
        &self,
        group: &str,
        instance_ids: Option<&[String]>,
        reason: &str,
    ) -> Result<Each<String, ()>, ClientError> {
        let identity = |member_id: &str, instance_id: Option<&String>| {
            MemberIdentity::default()
                .with_member_id(text(member_id))
                .with_group_instance_id(instance_id.map(|id| text(id)))
                .with_reason(Some(text(reason)))
        };
        let members: Vec<MemberIdentity> = match instance_ids {
            Some(ids) => ids.iter().map(|id| identity("", Some(id))).collect(),
            None => {
                let described = self.describe_groups(&[group.to_owned()]).await?;
                let Some((_, described)) = described.into_iter().next() else { return Ok(Vec::new()) };
                let member = |member: &GroupMember| match &member.instance_id {
                    Some(instance_id) => identity("", Some(instance_id)),
                    None => identity(&member.id, None),
                };
                described?.members.iter().map(member).collect()
            }
        };
        let request = LeaveGroupRequest::default().with_group_id(group_id(group)).with_members(members);
        let leave = |connection: Connection, _| {
            let request = &request;
            async move {
                let version = connection.version::<LeaveGroupRequest>()?;
                if version < FIRST_WITH_SEVERAL_MEMBERS {
                    let feature = "removing members of a group".to_owned();
                    return Err(ClientError::TooOld { address: connection.address().to_string(), feature });
                }
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, None)?;
                let results = answer.members.iter().map(|member| {
                    let id = member.group_instance_id.as_ref().unwrap_or(&member.member_id);
                    (id.to_string(), ApiError::check(member.error_code, None))
                });
                Ok(results.collect())
            }
        };
        self.at_coordinator("removeMembersFromConsumerGroup", Coordinated::Group(group), leave).await
    }

    async fn broker(&self, id: i32) -> Result<Broker, ClientError> {
        let metadata = self.cluster.metadata.brokers().await?;
        metadata.brokers.get(&id).cloned().ok_or(ClientError::NoSuchBroker(id))
    }
}

pub(super) fn group_id(id: &str) -> GroupId {
    GroupId(StrBytes::from_string(id.to_owned()))
}

pub(super) fn incomplete(api: ApiKey, group: &str) -> ClientError {
    ClientError::Incomplete { api, about: format!("group {group}") }
}

/// Asks as for a group of KIP-848 first, as Java's AdminClient does; the broker says if it is another.
async fn describe(
    connection: &Connection,
    id: &str,
    coordinator: Broker,
) -> Result<GroupDescription, ClientError> {
    if let Ok(version) = connection.version::<ConsumerGroupDescribeRequest>() {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(id)]);
        let answer = connection.call(version, &request).await?;
        let group = answer.groups.into_iter().next();
        let group = group.ok_or_else(|| incomplete(ApiKey::ConsumerGroupDescribe, id))?;
        match ApiError::check(group.error_code, group.error_message.as_deref()) {
            Ok(()) => return Ok(of_modern(group, coordinator)),
            Err(error)
                if matches!(error.code, ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let version = connection.version::<DescribeGroupsRequest>()?;
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(id)]);
    let answer = connection.call(version, &request).await?;
    let group = answer.groups.into_iter().next().ok_or_else(|| incomplete(ApiKey::DescribeGroups, id))?;
    ApiError::check(group.error_code, group.error_message.as_deref())?;
    Ok(of_classic(group, coordinator))
}

fn of_classic(group: classic::DescribedGroup, coordinator: Broker) -> GroupDescription {
    let is_of_consumers = group.protocol_type.is_empty() || group.protocol_type.as_str() == "consumer";
    let member = |member: classic::DescribedGroupMember| GroupMember {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: None,
        assignment: if is_of_consumers { assigned(&member.member_assignment) } else { Vec::new() },
        target: None,
    };
    GroupDescription {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        assignor: group.protocol_data.to_string(),
        coordinator,
        epochs: None,
        members: group.members.into_iter().map(member).collect(),
    }
}

fn of_modern(group: modern::DescribedGroup, coordinator: Broker) -> GroupDescription {
    let partitions = |assignment: modern::Assignment| {
        let of_topic = |topic: &modern::TopicPartitions| {
            let name = topic.topic_name.to_string();
            topic.partitions.iter().map(move |index| (name.clone(), *index)).collect::<Vec<_>>()
        };
        let mut partitions: Vec<_> = assignment.topic_partitions.iter().flat_map(of_topic).collect();
        partitions.sort();
        partitions
    };
    let member = |member: modern::Member| GroupMember {
        id: member.member_id.to_string(),
        instance_id: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: Some(member.member_epoch),
        assignment: partitions(member.assignment),
        target: Some(partitions(member.target_assignment)),
    };
    GroupDescription {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name.to_string(),
        coordinator,
        epochs: Some(GroupEpochs { group: group.group_epoch, assignment: group.assignment_epoch }),
        members: group.members.into_iter().map(member).collect(),
    }
}

/// The partitions in the bytes of a `ConsumerProtocolAssignment`, in order; none if they are something else.
fn assigned(bytes: &[u8]) -> Vec<(String, i32)> {
    let mut partitions = read_assignment(bytes).unwrap_or_default();
    partitions.sort();
    partitions
}

/// ```text
/// int16 version | int32 topics, each: int16 length, name, int32 partitions, int32 each | …
/// ```
fn read_assignment(mut bytes: &[u8]) -> Option<Vec<(String, i32)>> {
    let mut partitions = Vec::new();
    take::<2>(&mut bytes)?;
    for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
        let length = usize::try_from(i16::from_be_bytes(take(&mut bytes)?)).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let name = String::from_utf8_lossy(name).into_owned();
        for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
            partitions.push((name.clone(), i32::from_be_bytes(take(&mut bytes)?)));
        }
    }
    Some(partitions)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        let bytes =
            b"\0\x01\0\0\0\x02\0\x01t\0\0\0\x02\0\0\0\x03\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";
        let expected = [("a".to_owned(), 0), ("t".to_owned(), 1), ("t".to_owned(), 3)];
        assert_eq!(assigned(bytes), expected);
        assert_eq!(assigned(b""), []);
        assert_eq!(assigned(&bytes[..20]), [], "cut off");
        assert_eq!(assigned(b"\0\0\x7f\xff\xff\xff"), [], "a count that nothing stands behind");
    }
}
