//! `range`: topic by topic, members in order get contiguous ranges; the first ones get one more where it does
//! not come out even. Where members and replicas name racks that tell them apart, members first get partitions with a
//! replica in their own rack, as many as they would get anyway; topics with equal members and partitions stay
//! aligned for joins (KIP-881).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignment, Members, Topics, in_order};
use crate::topic_partition::TopicPartition;

pub(super) fn assign(cluster: &Topics, members: &Members) -> Assignment {
    let mut by_topic: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (id, member) in members {
        for topic in &member.subscription.topics {
            by_topic.entry(topic).or_default().push(id);
        }
    }
    let mut states = Vec::new();
    for (topic, ids) in by_topic {
        let Some(&count) = cluster.partitions.get(topic).filter(|count| **count > 0) else { continue };
        let racks = cluster.racks.get(topic).map_or(&[][..], Vec::as_slice);
        states.push(TopicState::new(topic, count as usize, racks, &in_order(ids, members), members));
    }
    let by_racks = states.iter().any(|state| state.needs_racks);
    if by_racks {
        for group in aligned(&states) {
            match group.as_slice() {
                [one] if states[*one].needs_racks => states[*one].assign_ranges(true),
                [_] => {}
                several => assign_aligned(&mut states, several),
            }
        }
    }
    let mut assignment: Assignment = members.keys().map(|id| (id.clone(), Vec::new())).collect();
    for state in &mut states {
        state.assign_ranges(false);
        for share in &state.shares {
            let partition = |index: &usize| TopicPartition {
                topic: state.topic.clone(),
                partition: i32::try_from(*index).unwrap_or(i32::MAX),
            };
            let mut partitions: Vec<TopicPartition> = share.partitions.iter().map(partition).collect();
            partitions.sort();
            assignment.entry(share.id.clone()).or_default().extend(partitions);
        }
    }
    assignment
}

/// Topics, by their places, with the same members and numbers of partitions.
fn aligned(states: &[TopicState<'_>]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(Vec<&String>, usize), Vec<usize>> = BTreeMap::new();
    for (at, state) in states.iter().enumerate() {
        let ids = state.shares.iter().map(|share| share.id).collect();
        groups.entry((ids, state.count)).or_default().push(at);
    }
    groups.into_values().collect()
}

/// Gives partitions of one number in all these topics to the first member with a replica of each in its rack.
fn assign_aligned(states: &mut [TopicState<'_>], topics: &[usize]) {
    let Some(first) = topics.first().map(|at| &states[*at]) else { return };
    let (members, count) = (first.shares.len(), first.count);
    for index in 0..count {
        let fits = |member: &usize| {
            topics.iter().all(|at| states[*at].matches(*member, index) && states[*at].room(*member) > 0)
        };
        if let Some(member) = (0..members).find(fits) {
            topics.iter().for_each(|at| states[*at].give(member, index));
        }
    }
}

/// What a member has of a topic so far.
struct Share<'a> {
    id: &'a String,
    rack: Option<&'a str>,
    partitions: Vec<usize>,
}

/// One topic while it is dealt out.
struct TopicState<'a> {
    topic: Arc<str>,
    count: usize,
    /// Racks of each partition's replicas; none if no racks are known.
    racks: &'a [BTreeSet<String>],
    needs_racks: bool,
    /// In the members' order.
    shares: Vec<Share<'a>>,
    free: BTreeSet<usize>,
    each: usize,
    /// How many members may still get one more than `each`.
    extra: usize,
}

impl<'a> TopicState<'a> {
    fn new(
        topic: &str,
        count: usize,
        racks: &'a [BTreeSet<String>],
        ids: &[&'a String],
        members: &'a Members,
    ) -> TopicState<'a> {
        let rack_of =
            |id: &String| members.get(id)?.subscription.rack.as_deref().filter(|rack| !rack.is_empty());
        let share = |id: &&'a String| Share { id, rack: rack_of(id), partitions: Vec::new() };
        let shares: Vec<Share<'a>> = ids.iter().map(share).collect();
        let all: BTreeSet<&String> = racks.iter().flatten().collect();
        let has_common =
            shares.iter().filter_map(|share| share.rack).any(|rack| all.iter().any(|one| *one == rack));
        // With a replica in every rack, everybody is near to everything.
        let differs = racks.iter().any(|racks| racks.len() != all.len());
        TopicState {
            topic: topic.into(),
            count,
            racks,
            needs_racks: has_common && differs,
            each: count / shares.len(),
            extra: count % shares.len(),
            shares,
            free: (0..count).collect(),
        }
    }

    /// Whether a replica of the partition is in the member's rack, or the member names none.
    fn matches(&self, member: usize, index: usize) -> bool {
        let Some(rack) = self.shares[member].rack else { return true };
        self.racks.get(index).is_some_and(|racks| racks.contains(rack))
    }

    /// How many more the member may get.
    fn room(&self, member: usize) -> usize {
        (self.each + usize::from(self.extra > 0)).saturating_sub(self.shares[member].partitions.len())
    }

    fn give(&mut self, member: usize, index: usize) {
        self.free.remove(&index);
        self.shares[member].partitions.push(index);
        if self.shares[member].partitions.len() > self.each {
            self.extra = self.extra.saturating_sub(1);
        }
    }

    /// Gives each member in turn the first free partitions, those near to it alone if `near`.
    fn assign_ranges(&mut self, near: bool) {
        for member in 0..self.shares.len() {
            let free = self.free.iter().copied();
            let fitting = free.filter(|index| !near || self.matches(member, *index));
            let range: Vec<usize> = fitting.take(self.room(member)).collect();
            range.into_iter().for_each(|index| self.give(member, index));
        }
    }
}
