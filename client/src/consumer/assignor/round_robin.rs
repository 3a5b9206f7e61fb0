//! `roundrobin`: all partitions in the order of topic and number, dealt to members in turn; a member that
//! does not subscribe to the topic is passed over.

use super::{Assignment, Members, Topics, in_order};
use crate::topic_partition::TopicPartition;

pub(super) fn assign(cluster: &Topics, members: &Members) -> Assignment {
    let mut assignment: Assignment = members.keys().map(|id| (id.clone(), Vec::new())).collect();
    let ids = in_order(members.keys(), members);
    let subscribes = |id: &String, topic: &String| {
        members.get(id).is_some_and(|member| member.subscription.topics.contains(topic))
    };
    let mut turn = 0;
    for (topic, &count) in &cluster.partitions {
        if !ids.iter().any(|id| subscribes(id, topic)) {
            continue;
        }
        let name = TopicPartition::new(topic.as_str(), 0).topic;
        for partition in 0..i32::try_from(count).unwrap_or(i32::MAX) {
            while !subscribes(ids[turn % ids.len()], topic) {
                turn += 1;
            }
            let id = ids[turn % ids.len()];
            assignment.entry(id.clone()).or_default().push(TopicPartition { topic: name.clone(), partition });
            turn += 1;
        }
    }
    assignment
}
