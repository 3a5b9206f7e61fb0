//! The cluster as far as one consumer needs it: who leads which partition; pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::assignor::Topics;
use super::fetch::Leader;
use crate::metadata::{Metadata, PartitionMetadata};
use crate::topic_id::TopicId;
use crate::topic_partition::TopicPartition;

/// Leaders by partition, and when to ask anew.
#[derive(Debug, Default)]
pub(crate) struct View {
    leaders: BTreeMap<TopicPartition, Leader>,
    /// Topics by name: id and number of partitions.
    topics: BTreeMap<String, (TopicId, u32)>,
    /// Racks of the replicas of each partition, of topics with any.
    racks: BTreeMap<String, Vec<BTreeSet<String>>>,
    /// Topics that were asked about, with or without success.
    asked_about: BTreeSet<String>,
    answered_at: Option<Instant>,
    is_stale: bool,
    is_asked: bool,
}

impl View {
    /// Something was found to be otherwise: ask again soon.
    pub(crate) fn invalidate(&mut self) {
        self.is_stale = true;
    }

    /// When to ask about `topics` (all of them if `None`): in the past if it is due.
    pub(crate) fn due(
        &self,
        now: Instant,
        topics: Option<&BTreeSet<String>>,
        max_age: Duration,
        backoff: Duration,
    ) -> Option<Instant> {
        if self.is_asked {
            return None;
        }
        let Some(answered_at) = self.answered_at else { return Some(now) };
        if topics.is_some_and(|topics| !topics.is_subset(&self.asked_about)) {
            return Some(now);
        }
        let lacks = topics.is_some_and(|topics| topics.iter().any(|topic| !self.topics.contains_key(topic)));
        let soon = self.is_stale || lacks;
        Some(answered_at + if soon { backoff } else { max_age })
    }

    pub(crate) fn asked(&mut self) {
        self.is_asked = true;
    }

    /// No answer came.
    pub(crate) fn unanswered(&mut self, now: Instant) {
        self.is_asked = false;
        self.is_stale = true;
        self.answered_at = Some(now);
    }

    /// Takes over an answer about `topics`, or about all.
    pub(crate) fn answered(&mut self, now: Instant, topics: Option<&BTreeSet<String>>, metadata: &Metadata) {
        (self.is_asked, self.is_stale, self.answered_at) = (false, false, Some(now));
        self.asked_about = topics.cloned().unwrap_or_else(|| metadata.topics.keys().cloned().collect());
        let mut leaders = BTreeMap::new();
        for topic in metadata.topics.values() {
            let name = TopicPartition::new(topic.name.as_str(), 0).topic;
            for one in &topic.partitions {
                let partition = TopicPartition { topic: name.clone(), partition: one.index };
                match self.leader_of(&partition, topic.id, one) {
                    Some(leader) => drop(leaders.insert(partition, leader)),
                    None => self.is_stale = true,
                }
            }
        }
        self.leaders = leaders;
        let count = |partitions: usize| u32::try_from(partitions).unwrap_or(u32::MAX);
        let known = metadata.topics.values();
        self.topics = known.map(|one| (one.name.clone(), (one.id, count(one.partitions.len())))).collect();
        self.racks = racks_of(metadata);
    }

    /// The newer of what the answer says and what is known of this very topic: brokers learn of elections at
    /// different times (KIP-320).
    fn leader_of(&self, partition: &TopicPartition, id: TopicId, one: &PartitionMetadata) -> Option<Leader> {
        let told = one.leader.map(|node| Leader { node, epoch: one.leader_epoch, topic_id: id.uuid() });
        let known = self.leaders.get(partition).filter(|known| known.topic_id == id.uuid()).copied();
        match (told, known) {
            (Some(told), Some(known)) if known.epoch > told.epoch => Some(known),
            (told, _) => told,
        }
    }

    /// A broker named another leader (KIP-951); true if it is news.
    pub(crate) fn hint(&mut self, partition: &TopicPartition, node: i32, epoch: i32) -> bool {
        let Some(leader) = self.leaders.get_mut(partition) else { return false };
        let is_news = leader.epoch.is_none_or(|known| known < epoch);
        if is_news {
            (leader.node, leader.epoch) = (node, Some(epoch));
        }
        is_news
    }

    pub(crate) fn leader(&self, partition: &TopicPartition) -> Option<Leader> {
        self.leaders.get(partition).copied()
    }

    pub(crate) fn leaders(&self) -> impl Iterator<Item = (&TopicPartition, &Leader)> {
        self.leaders.iter()
    }

    /// Whether all these topics were asked about since they are of interest.
    pub(crate) fn was_asked_about(&self, topics: &BTreeSet<String>) -> bool {
        topics.is_subset(&self.asked_about)
    }

    /// The numbers of partitions of those of `topics` that exist, and the racks of their replicas.
    pub(crate) fn counts(&self, topics: &BTreeSet<String>) -> Topics {
        let known = topics.iter().filter_map(|topic| Some((topic.clone(), self.topics.get(topic)?.1)));
        let racks = topics.iter().filter_map(|topic| Some((topic.clone(), self.racks.get(topic)?.clone())));
        Topics { partitions: known.collect(), racks: racks.collect() }
    }
}

/// The racks of replicas on live brokers; nothing where brokers name none.
fn racks_of(metadata: &Metadata) -> BTreeMap<String, Vec<BTreeSet<String>>> {
    let rack = |id: &i32| metadata.brokers.get(id)?.rack.clone().filter(|rack| !rack.is_empty());
    let of_topic = |topic: &crate::metadata::TopicMetadata| {
        let partitions = topic.partitions.iter();
        let racks: Vec<BTreeSet<String>> =
            partitions.map(|one| one.replicas.iter().filter_map(rack).collect()).collect();
        racks.iter().any(|racks| !racks.is_empty()).then(|| (topic.name.clone(), racks))
    };
    metadata.topics.values().filter_map(of_topic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use crate::metadata::TopicMetadata;

    const AGE: Duration = Duration::from_secs(300);
    const BACKOFF: Duration = Duration::from_millis(100);

    fn metadata(leader: Option<i32>, epoch: i32) -> Metadata {
        let partition = PartitionMetadata {
            index: 0,
            error: ErrorCode::None,
            leader,
            leader_epoch: Some(epoch),
            replicas: vec![],
            isr: vec![],
            offline_replicas: vec![],
        };
        let topic = TopicMetadata {
            name: "t".into(),
            id: TopicId::from(uuid::Uuid::from_u128(1)),
            is_internal: false,
            partitions: vec![partition],
        };
        Metadata {
            cluster_id: None,
            controller: None,
            brokers: BTreeMap::new(),
            topics: [("t".to_owned(), topic)].into(),
            errors: BTreeMap::new(),
        }
    }

    #[test]
    fn when_to_ask() {
        let now = Instant::now();
        let topics = BTreeSet::from(["t".to_owned()]);
        let mut view = View::default();
        assert_eq!(view.due(now, Some(&topics), AGE, BACKOFF), Some(now));
        view.asked();
        assert_eq!(view.due(now, Some(&topics), AGE, BACKOFF), None);
        view.answered(now, Some(&topics), &metadata(Some(1), 3));
        assert_eq!(view.due(now, Some(&topics), AGE, BACKOFF), Some(now + AGE));
        let more = BTreeSet::from(["t".to_owned(), "u".to_owned()]);
        assert_eq!(view.due(now, Some(&more), AGE, BACKOFF), Some(now));
        view.answered(now, Some(&more), &metadata(Some(1), 3));
        assert_eq!(view.due(now, Some(&more), AGE, BACKOFF), Some(now + BACKOFF), "u is not there yet");
        view.answered(now, Some(&topics), &metadata(None, 4));
        assert_eq!(view.due(now, Some(&topics), AGE, BACKOFF), Some(now + BACKOFF), "no leader");
    }

    #[test]
    fn an_older_picture_does_not_bring_a_leader_back() {
        let now = Instant::now();
        let partition = TopicPartition::new("t", 0);
        let mut view = View::default();
        view.answered(now, None, &metadata(Some(1), 3));
        assert!(view.hint(&partition, 2, 4));
        assert!(!view.hint(&partition, 1, 3));
        view.answered(now, None, &metadata(Some(1), 3));
        assert_eq!(view.leader(&partition).map(|leader| leader.node), Some(2));
        view.answered(now, None, &metadata(Some(3), 5));
        assert_eq!(view.leader(&partition).map(|leader| leader.node), Some(3));
    }
}
