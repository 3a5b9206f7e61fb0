//! Topics and partitions of the image.
//!
//! A topic is one `Arc`: a change copies that topic and shares all others. Partitions are small (under 100
//! bytes each for up to four replicas), so that 100,000 of them fit in about 10 MB.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::ids::{BrokerId, TopicId};

/// A list of brokers; up to four need no allocation.
pub type BrokerList = SmallVec<[BrokerId; 4]>;

/// What the cluster has agreed on about one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The assignment; the first is the preferred leader.
    pub replicas: BrokerList,
    /// In-sync replicas, a subset of `replicas`. Empty only while leaderless under KIP-966.
    pub isr: BrokerList,
    /// The leader, if any replica may lead.
    pub leader: Option<BrokerId>,
    /// Rises with every change of leader.
    pub leader_epoch: i32,
    /// Rises with every change of this partition.
    pub partition_epoch: i32,
    /// The leader came from an unclean election and has not yet said that its log is in order.
    pub leader_recovering: bool,
    /// What most partitions don't have.
    uncommon: Option<Box<Uncommon>>,
}

/// Lists that are empty but for reassignments (KIP-455) and eligible leader replicas (KIP-966).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Uncommon {
    adding: BrokerList,
    removing: BrokerList,
    elr: BrokerList,
    last_known_elr: BrokerList,
}

/// A broker list of [`Uncommon`], by name.
macro_rules! uncommon_list {
    ($get:ident, $set:ident, $field:ident, $doc:literal) => {
        #[doc = $doc]
        #[must_use]
        pub fn $get(&self) -> &[BrokerId] {
            self.uncommon.as_deref().map_or(&[], |uncommon| &uncommon.$field)
        }

        #[doc = concat!("Replaces: ", $doc)]
        pub fn $set(&mut self, brokers: BrokerList) {
            if self.uncommon.is_some() || !brokers.is_empty() {
                self.uncommon.get_or_insert_default().$field = brokers;
            }
            if self.uncommon.as_deref() == Some(&Uncommon::default()) {
                self.uncommon = None;
            }
        }
    };
}

impl Partition {
    /// A new partition: the first live replica leads.
    #[must_use]
    pub fn new(replicas: BrokerList, isr: BrokerList) -> Self {
        let leader = isr.first().copied();
        Partition { replicas, isr, leader, ..Partition::default() }
    }

    uncommon_list!(adding_replicas, set_adding_replicas, adding, "Replicas a reassignment is adding.");
    uncommon_list!(
        removing_replicas,
        set_removing_replicas,
        removing,
        "Replicas a reassignment is removing."
    );
    uncommon_list!(
        elr,
        set_elr,
        elr,
        "Eligible leader replicas (KIP-966): out of the ISR, yet with all committed data."
    );
    uncommon_list!(
        last_known_elr,
        set_last_known_elr,
        last_known_elr,
        "Replicas that left the ELR by an unclean shutdown."
    );

    /// Whether a reassignment is going on.
    #[must_use]
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas().is_empty() || !self.removing_replicas().is_empty()
    }

    /// The first replica of the assignment.
    #[must_use]
    pub fn preferred_leader(&self) -> Option<BrokerId> {
        self.replicas.first().copied()
    }

    pub(super) fn check_invariants(&self) {
        assert!(!self.replicas.is_empty(), "a partition has a replica");
        for list in [&self.isr[..], self.elr(), self.last_known_elr(), self.adding_replicas()] {
            assert!(list.iter().all(|broker| self.replicas.contains(broker)), "{self:?}");
        }
        assert!(self.elr().iter().all(|broker| !self.isr.contains(broker)), "{self:?}");
        assert!(self.leader.is_none_or(|leader| self.isr.contains(&leader)), "{self:?}");
    }
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The name.
    pub name: Arc<str>,
    /// The id; another topic of the same name later has another.
    pub id: TopicId,
    /// The partitions, by index.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// One partition, if `index` is one of this topic's.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// All topics, by name and by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topics {
    by_name: OrdMap<Arc<str>, Arc<Topic>>,
    names: OrdMap<TopicId, Arc<str>>,
    /// Name with every `.` as `_` → the topic that has it: metrics can't tell such names apart.
    collisions: OrdMap<Arc<str>, Arc<str>>,
}

impl Topics {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The topic of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic with that id.
    #[must_use]
    pub fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_name.get(self.names.get(&id)?)
    }

    /// All topics in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// The topic whose name differs from `name` at most in `.` and `_`.
    #[must_use]
    pub fn colliding_with(&self, name: &str) -> Option<&str> {
        self.collisions.get(name.replace('.', "_").as_str()).map(AsRef::as_ref)
    }

    pub(super) fn insert(&mut self, topic: Topic) {
        let name = Arc::clone(&topic.name);
        self.names.insert(topic.id, Arc::clone(&name));
        if name.contains(['.', '_']) {
            self.collisions.insert(name.replace('.', "_").into(), Arc::clone(&name));
        }
        self.by_name.insert(name, Arc::new(topic));
    }

    pub(super) fn get_mut(&mut self, id: TopicId) -> Option<&mut Topic> {
        let topic = self.by_name.get_mut(self.names.get(&id)?)?;
        Some(Arc::make_mut(topic))
    }

    pub(super) fn remove(&mut self, id: TopicId) -> Option<Arc<Topic>> {
        let name = self.names.remove(&id)?;
        if name.contains(['.', '_']) {
            self.collisions.remove(name.replace('.', "_").as_str());
        }
        self.by_name.remove(&name)
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.names.len(), self.by_name.len(), "names and ids are one to one");
        for (name, topic) in &self.by_name {
            assert_eq!(self.names.get(&topic.id), Some(name));
            topic.partitions.iter().for_each(Partition::check_invariants);
        }
    }
}
