//! `sticky` and `cooperative-sticky` (KIP-54, KIP-429): loads that differ by as little as subscriptions
//! allow, and members keep what they had.
//!
//! First everybody keeps what it owned in the newest generation and still subscribes to; then what nobody has
//! goes to the least loaded of those who may have it; then partitions move from a loaded member to one with
//! at least two fewer until no such pair is left.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignment, Member, Members, Topics};
use crate::consumer::protocol;
use crate::topic_partition::TopicPartition;

/// What a member says it owned, and in which generation.
pub(super) struct Owned {
    partitions: Vec<TopicPartition>,
    generation: i32,
}

/// `sticky` members tell it in their user data.
pub(super) fn owned_of_user_data(member: &Member) -> Owned {
    let user_data = member.subscription.user_data.as_ref();
    let decoded = user_data.and_then(protocol::decode_sticky_user_data);
    let (partitions, generation) = decoded.unwrap_or_default();
    Owned { partitions, generation: generation.unwrap_or(-1) }
}

/// `cooperative-sticky` members tell it in their subscription, the generation since version 2 (KIP-792) and
/// before that in the user data.
pub(super) fn owned_of_subscription(member: &Member) -> Owned {
    let subscription = &member.subscription;
    let from_user_data = || {
        let bytes = subscription.user_data.as_ref()?.first_chunk::<4>()?;
        Some(i32::from_be_bytes(*bytes))
    };
    let generation = subscription.generation.filter(|generation| *generation >= 0).or_else(from_user_data);
    Owned { partitions: subscription.owned.clone(), generation: generation.unwrap_or(-1) }
}

/// Everything the work needs, by member.
struct Plan<'a> {
    members: &'a Members,
    held: BTreeMap<&'a str, BTreeSet<TopicPartition>>,
    /// Who subscribes to a topic.
    eligible: BTreeMap<&'a str, Vec<&'a str>>,
}

pub(super) fn assign(cluster: &Topics, members: &Members, owned_of: fn(&Member) -> Owned) -> Assignment {
    let mut eligible: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, member) in members {
        for topic in member.subscription.topics.iter().filter(|topic| cluster.partitions.contains_key(*topic))
        {
            eligible.entry(topic).or_default().push(id);
        }
    }
    let held = members.keys().map(|id| (id.as_str(), BTreeSet::new())).collect();
    let mut plan = Plan { members, held, eligible };
    let mut free = plan.all_partitions(cluster);
    plan.keep(&mut free, owned_of);
    plan.deal(free);
    plan.level();
    let lists = plan.held.into_iter().map(|(id, held)| (id.to_owned(), held.into_iter().collect()));
    lists.collect()
}

impl<'a> Plan<'a> {
    fn all_partitions(&self, cluster: &Topics) -> BTreeSet<TopicPartition> {
        let mut all = BTreeSet::new();
        for topic in self.eligible.keys() {
            let name = TopicPartition::new(*topic, 0).topic;
            let count = cluster.partitions.get(*topic).copied().unwrap_or_default();
            all.extend(
                (0..i32::try_from(count).unwrap_or(i32::MAX))
                    .map(|partition| TopicPartition { topic: name.clone(), partition }),
            );
        }
        all
    }

    /// Members keep what they owned and still subscribe to.
    fn keep(&mut self, free: &mut BTreeSet<TopicPartition>, owned_of: fn(&Member) -> Owned) {
        for (partition, (_, owner)) in claims(self.members, owned_of) {
            let Some(owner) = owner.filter(|_| free.contains(&partition)) else { continue };
            let member = self.members.get(owner);
            let still = member
                .is_some_and(|one| one.subscription.topics.iter().any(|topic| **topic == *partition.topic));
            if let Some(held) = self.held.get_mut(owner).filter(|_| still) {
                free.remove(&partition);
                held.insert(partition);
            }
        }
    }

    fn load(&self, id: &str) -> usize {
        self.held.get(id).map_or(0, BTreeSet::len)
    }

    fn candidates(&self, partition: &TopicPartition) -> &[&'a str] {
        self.eligible.get(&*partition.topic).map_or(&[], Vec::as_slice)
    }

    /// Free partitions go to the least loaded; those that few may have go first.
    fn deal(&mut self, free: BTreeSet<TopicPartition>) {
        let mut free: Vec<TopicPartition> = free.into_iter().collect();
        free.sort_by_key(|partition| self.candidates(partition).len());
        for partition in free {
            let least = self.candidates(&partition).iter().copied().min_by_key(|id| (self.load(id), *id));
            if let Some(held) = least.and_then(|id| self.held.get_mut(id)) {
                held.insert(partition);
            }
        }
    }

    /// Moves partitions down until no move makes a difference of loads smaller. Each move lowers the sum of
    /// squared loads, so this ends.
    fn level(&mut self) {
        while let Some((from, to, partition)) = self.next_move() {
            if let Some(held) = self.held.get_mut(from) {
                held.remove(&partition);
            }
            if let Some(held) = self.held.get_mut(to) {
                held.insert(partition);
            }
        }
    }

    fn next_move(&self) -> Option<(&'a str, &'a str, TopicPartition)> {
        let mut loaded: Vec<(&'a str, usize)> =
            self.held.iter().map(|(id, held)| (*id, held.len())).collect();
        loaded.sort_by_key(|(id, load)| (std::cmp::Reverse(*load), *id));
        for (from, load) in loaded {
            let held = self.held.get(from)?;
            let mut best: Option<(usize, &'a str, &TopicPartition)> = None;
            for partition in held {
                for to in self.candidates(partition) {
                    let other = self.load(to);
                    if other + 2 <= load && best.is_none_or(|(least, ..)| other < least) {
                        best = Some((other, to, partition));
                    }
                }
            }
            if let Some((_, to, partition)) = best {
                return Some((from, to, partition.clone()));
            }
        }
        None
    }
}

/// Who had what. Where two claim a partition, the newer generation has it, and within one generation nobody:
/// both may still be at it.
fn claims(
    members: &Members,
    owned_of: fn(&Member) -> Owned,
) -> BTreeMap<TopicPartition, (i32, Option<&str>)> {
    let mut claims: BTreeMap<TopicPartition, (i32, Option<&str>)> = BTreeMap::new();
    for (id, member) in members {
        let Owned { partitions, generation } = owned_of(member);
        for partition in partitions {
            let claim = claims.entry(partition).or_insert((generation, Some(id)));
            if claim.0 < generation {
                *claim = (generation, Some(id));
            } else if claim.0 == generation && claim.1 != Some(id) {
                claim.1 = None;
            }
        }
    }
    claims
}

/// Takes out what another member still owns: that one gives it up first, and the next rebalance hands it over
/// (KIP-429).
pub(super) fn without_transfers(mut assignment: Assignment, members: &Members) -> Assignment {
    let claims = claims(members, owned_of_subscription);
    for (id, partitions) in &mut assignment {
        partitions.retain(|partition| claims.get(partition).is_none_or(|(_, owner)| *owner == Some(id)));
    }
    assignment
}
