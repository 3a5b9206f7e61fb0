//! `range`: topic by topic, members in order get contiguous ranges; the first ones get one more where it does
//! not come out even.

use std::collections::BTreeMap;

use super::{Assignment, Members, Topics, in_order};
use crate::topic_partition::TopicPartition;

pub(super) fn assign(cluster: &Topics, members: &Members) -> Assignment {
    let mut by_topic: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (id, member) in members {
        for topic in &member.subscription.topics {
            by_topic.entry(topic).or_default().push(id);
        }
    }
    let mut assignment: Assignment = members.keys().map(|id| (id.clone(), Vec::new())).collect();
    for (topic, ids) in by_topic {
        let Some(&count) = cluster.partitions.get(topic) else { continue };
        let ids = in_order(ids, members);
        let (each, extra) = (count as usize / ids.len(), count as usize % ids.len());
        let mut next = 0;
        let name = TopicPartition::new(topic, 0).topic;
        for (at, id) in ids.into_iter().enumerate() {
            let length = each + usize::from(at < extra);
            let range = (next..next + length).map(|index| TopicPartition {
                topic: name.clone(),
                partition: i32::try_from(index).unwrap_or(i32::MAX),
            });
            assignment.entry(id.clone()).or_default().extend(range);
            next += length;
        }
    }
    assignment
}
