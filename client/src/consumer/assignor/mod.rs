//! Who gets which partitions: the four assignors of the Java client, wire-compatible with them.
//!
//! The leader of a group runs the assignor that all members have in common; what members and leader exchange
//! are the blobs of `protocol.rs`. Everything here is pure and deterministic.

mod range;
mod round_robin;
mod sticky;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::protocol::{self, Subscription};
use crate::topic_partition::TopicPartition;

/// An assignor of the Java client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignorKind {
    /// `range`: of each topic a contiguous range for each member.
    Range,
    /// `roundrobin`: all partitions of all topics dealt out in turn.
    RoundRobin,
    /// `sticky`: balanced, and members keep what they had; all stop during a rebalance (KIP-54).
    Sticky,
    /// `cooperative-sticky`: as `sticky`, and only partitions that move stop (KIP-429).
    CooperativeSticky,
}

impl AssignorKind {
    /// Every assignor.
    pub const ALL: [AssignorKind; 4] = [
        AssignorKind::Range,
        AssignorKind::RoundRobin,
        AssignorKind::Sticky,
        AssignorKind::CooperativeSticky,
    ];

    /// The name by which members of a group agree on it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AssignorKind::Range => "range",
            AssignorKind::RoundRobin => "roundrobin",
            AssignorKind::Sticky => "sticky",
            AssignorKind::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The name of its Java class.
    #[must_use]
    pub fn java_class(self) -> &'static str {
        match self {
            AssignorKind::Range => "org.apache.kafka.clients.consumer.RangeAssignor",
            AssignorKind::RoundRobin => "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            AssignorKind::Sticky => "org.apache.kafka.clients.consumer.StickyAssignor",
            AssignorKind::CooperativeSticky => "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        }
    }

    /// The assignor that members call so.
    #[must_use]
    pub fn by_name(name: &str) -> Option<AssignorKind> {
        AssignorKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether members keep partitions during a rebalance (KIP-429).
    #[must_use]
    pub fn is_cooperative(self) -> bool {
        self == AssignorKind::CooperativeSticky
    }

    /// Reads `partition.assignment.strategy`: Java classes or names, separated by commas.
    pub(crate) fn parse_list(list: &str) -> Result<Vec<AssignorKind>, String> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let one = |name: &str| {
            let found =
                AssignorKind::ALL.into_iter().find(|kind| kind.name() == name || kind.java_class() == name);
            found.ok_or_else(|| {
                format!("no assignor '{name}': range, roundrobin, sticky and cooperative-sticky are there")
            })
        };
        names.map(one).collect()
    }

    /// What a member tells the leader beside its topics.
    pub(crate) fn user_data(self, owned: &BTreeSet<TopicPartition>, generation: i32) -> Option<Bytes> {
        match self {
            AssignorKind::Range | AssignorKind::RoundRobin => None,
            AssignorKind::Sticky if owned.is_empty() && generation < 0 => None,
            AssignorKind::Sticky => Some(protocol::encode_sticky_user_data(owned, generation)),
            AssignorKind::CooperativeSticky => Some(Bytes::copy_from_slice(&generation.to_be_bytes())),
        }
    }

    /// Deals out the partitions.
    pub(crate) fn assign(self, cluster: &Topics, members: &Members) -> Assignment {
        match self {
            AssignorKind::Range => range::assign(cluster, members),
            AssignorKind::RoundRobin => round_robin::assign(cluster, members),
            AssignorKind::Sticky => sticky::assign(cluster, members, sticky::owned_of_user_data),
            AssignorKind::CooperativeSticky => {
                let assignment = sticky::assign(cluster, members, sticky::owned_of_subscription);
                sticky::without_transfers(assignment, members)
            }
        }
    }
}

/// What there is to deal out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Topics {
    /// Numbers of partitions by topic.
    pub(crate) partitions: BTreeMap<String, u32>,
    /// By topic: the racks of each partition's replicas, in order. Topics without any are left out.
    pub(crate) racks: BTreeMap<String, Vec<BTreeSet<String>>>,
}

impl Topics {
    /// Without racks: what makes a leader assign anew when it changes, if the leader itself is in no rack.
    pub(crate) fn without_racks(self) -> Topics {
        Topics { racks: BTreeMap::new(), ..self }
    }
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<String>,
    pub(crate) subscription: Subscription,
}

/// Members by id.
pub(crate) type Members = BTreeMap<String, Member>;

/// Partitions by member.
pub(crate) type Assignment = BTreeMap<String, Vec<TopicPartition>>;

/// Members in the order in which range and round robin serve them: static ones by instance id first, then the
/// others by member id.
fn in_order<'a>(ids: impl IntoIterator<Item = &'a String>, members: &'a Members) -> Vec<&'a String> {
    let mut ids: Vec<&String> = ids.into_iter().collect();
    let key = |id: &&String| {
        let instance = members.get(*id).and_then(|member| member.instance_id.clone());
        (instance.is_none(), instance, (*id).clone())
    };
    ids.sort_by_cached_key(key);
    ids
}

#[cfg(test)]
mod tests;
