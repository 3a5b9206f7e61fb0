//! Leaders: who may lead a partition next, and the record that says so.
//!
//! [`PartitionUpdate`] turns a wish about one partition (these replicas, this ISR, that kind of election) into
//! the one [`PartitionChange`] that keeps its rules: the leader is in the ISR; with eligible leader replicas
//! (KIP-966) who leaves an ISR that is too small stays eligible; an unclean leader starts an ISR of its own.

use crate::ids::{BrokerId, PartitionId};
use crate::image::{BrokerList, Image, MetadataRecord, Partition, PartitionChange, Topic};
use serde::{Deserialize, Serialize};

use super::{ControllerError, ErrorKind, Outcome, View};

/// The feature that switches eligible leader replicas on (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";

/// How far an election may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// Keep the leader if it may stay.
    Online,
    /// Prefer the first replica of the assignment.
    Preferred,
    /// Take any live replica if none in sync is left; may lose records.
    Unclean,
}

/// Whether a broker may lead; what is about to happen in the same batch is already taken into account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Electable<'a> {
    image: &'a Image,
    joining: Option<BrokerId>,
    leaving: Option<BrokerId>,
}

impl<'a> Electable<'a> {
    /// The live brokers of the image.
    pub(super) fn live(image: &'a Image) -> Self {
        Electable { image, joining: None, leaving: None }
    }

    /// The same, and the broker that is being unfenced.
    pub(super) fn joining(self, broker: BrokerId) -> Self {
        Electable { joining: Some(broker), ..self }
    }

    /// The same, without the broker that is being fenced.
    pub(super) fn leaving(self, broker: BrokerId) -> Self {
        Electable { leaving: Some(broker), ..self }
    }

    fn allows(&self, broker: BrokerId) -> bool {
        self.leaving != Some(broker)
            && (self.joining == Some(broker) || self.image.brokers().is_active(broker))
    }
}

/// A wish about one partition.
#[derive(Debug, Clone)]
pub(super) struct PartitionUpdate<'a> {
    partition: &'a Partition,
    electable: Electable<'a>,
    min_isr: usize,
    eligible_replicas: bool,
    /// How far an election may go, if one is needed.
    pub(super) election: Election,
    /// The ISR it shall have.
    pub(super) isr: BrokerList,
    /// The assignment it shall have.
    pub(super) replicas: BrokerList,
    /// Replicas being added.
    pub(super) adding: BrokerList,
    /// Replicas being removed.
    pub(super) removing: BrokerList,
    /// A broker whose disk can't be trusted to be complete: it leaves the ELR too.
    pub(super) unclean_shutdown: Option<BrokerId>,
    /// See [`Partition::leader_recovering`].
    pub(super) leader_recovering: bool,
}

/// Who was elected.
struct Elected {
    leader: Option<BrokerId>,
    unclean: bool,
}

impl<'a> PartitionUpdate<'a> {
    /// A wish for nothing but a live leader.
    pub(super) fn new(
        view: &View<'a>,
        topic: &Topic,
        partition: &'a Partition,
        electable: Electable<'a>,
    ) -> Self {
        PartitionUpdate {
            partition,
            electable,
            min_isr: view.effective_min_isr(topic),
            eligible_replicas: view.eligible_replicas_enabled(),
            election: if view.unclean_elections(&topic.name) { Election::Unclean } else { Election::Online },
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            adding: partition.adding_replicas().into(),
            removing: partition.removing_replicas().into(),
            unclean_shutdown: None,
            leader_recovering: partition.leader_recovering,
        }
    }

    /// The change that fulfils the wish; `None` if nothing changes.
    pub(super) fn build(mut self) -> Option<PartitionChange> {
        self.complete_reassignment();
        let mut elr = self.eligible();
        let elected = self.elect(&elr);
        let mut change = PartitionChange::default();
        if elected.leader != self.partition.leader {
            change.leader = Some(elected.leader);
            if let Some(leader) = elected.leader {
                if elected.unclean {
                    // Its log is now the truth, whatever the others have.
                    self.isr = BrokerList::from_slice(&[leader]);
                    self.leader_recovering = true;
                    elr.clear();
                } else if elr.contains(&leader) {
                    self.isr = BrokerList::from_slice(&[leader]);
                    elr.retain(|broker| *broker != leader);
                }
            }
        }
        if change.leader.is_none() && self.partition.replicas.iter().any(|old| !self.replicas.contains(old)) {
            // A removed replica must not go on fetching in this epoch.
            change.leader = Some(self.partition.leader);
        }
        if !self.isr.is_empty() || self.eligible_replicas {
            change.isr = changed(&self.isr, &self.partition.isr);
        }
        change.elr = changed(&elr, self.partition.elr());
        change.last_known_elr = self.last_known(&change, &elr);
        change.replicas = changed(&self.replicas, &self.partition.replicas);
        change.adding = changed(&self.adding, self.partition.adding_replicas());
        change.removing = changed(&self.removing, self.partition.removing_replicas());
        if self.leader_recovering != self.partition.leader_recovering {
            change.leader_recovering = Some(self.leader_recovering);
        }
        (change != PartitionChange::default()).then_some(change)
    }

    /// Ends a reassignment once all added replicas are in sync and some replica stays (KIP-455).
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let staying = |list: &BrokerList| -> BrokerList {
            list.iter().copied().filter(|broker| !self.removing.contains(broker)).collect()
        };
        let (replicas, isr) = (staying(&self.replicas), staying(&self.isr));
        let all_added = self.adding.iter().all(|broker| isr.contains(broker));
        // With fewer replicas than before all of them must be in sync: else the ISR might shrink for nothing.
        let all_stay = self.adding.len() >= self.removing.len() || replicas.iter().all(|id| isr.contains(id));
        if !replicas.is_empty() && !isr.is_empty() && all_added && all_stay {
            (self.replicas, self.isr) = (replicas, isr);
            self.adding.clear();
            self.removing.clear();
        }
    }

    /// Eligible leader replicas: those out of the ISR that have all that was ever committed, because the high
    /// watermark stands still while the ISR is below its minimum.
    fn eligible(&self) -> BrokerList {
        if !self.eligible_replicas || self.isr.len() >= self.min_isr {
            return BrokerList::new();
        }
        let mut eligible = BrokerList::new();
        for broker in self.partition.elr().iter().chain(&self.partition.isr) {
            let unclean = self.unclean_shutdown == Some(*broker);
            let out = !self.isr.contains(broker) && !mutant!("trust-unclean-replica", unclean, false);
            if out && !eligible.contains(broker) && self.replicas.contains(broker) {
                eligible.push(*broker);
            }
        }
        eligible
    }

    fn elect(&self, elr: &[BrokerId]) -> Elected {
        let in_sync = |broker: &BrokerId| {
            (self.isr.contains(broker) || (self.isr.is_empty() && elr.contains(broker)))
                && self.electable.allows(*broker)
        };
        let preferred = self.replicas.first().copied();
        let current = self.partition.leader;
        let order = if self.election == Election::Preferred { [preferred, current] } else { [current, None] };
        let clean = order.into_iter().flatten().find(in_sync);
        let clean = clean.or_else(|| self.replicas.iter().copied().find(in_sync));
        if let Some(leader) = clean {
            return Elected { leader: Some(leader), unclean: false };
        }
        let unclean = self.last_known_candidate(elr).or_else(|| {
            let any = self.replicas.iter().copied().find(|broker| self.electable.allows(*broker));
            any.filter(|_| self.election == Election::Unclean)
        });
        Elected { leader: unclean, unclean: unclean.is_some() }
    }

    /// Who shall lead when nobody in sync or eligible is left. It is the last leader, as in Kafka, unless others were
    /// still eligible then: the last of these to be struck off had everything when the last leader was not
    /// trusted any more. Its disk may have been lost meanwhile.
    fn recoverable(&self, elr: &[BrokerId]) -> Option<BrokerId> {
        let was_eligible = |broker: &BrokerId| self.partition.elr().contains(broker);
        let struck_off = self.unclean_shutdown.filter(was_eligible).filter(|_| elr.is_empty());
        let struck_off = struck_off.filter(|_| mutant!("recover-last-leader", true, false));
        self.partition.leader.or(struck_off).or_else(|| self.partition.last_known_elr().first().copied())
    }

    /// The same, if it is its turn and it lives.
    fn last_known_candidate(&self, elr: &[BrokerId]) -> Option<BrokerId> {
        let nobody_else = self.partition.leader.is_none() && elr.is_empty() && self.isr.is_empty();
        self.recoverable(elr).filter(|last| {
            self.eligible_replicas
                && nobody_else
                && self.replicas.contains(last)
                && self.electable.allows(*last)
        })
    }

    /// Remembers it while nobody leads and the ISR is empty, forgets it once somebody leads.
    fn last_known(&self, change: &PartitionChange, elr: &[BrokerId]) -> Option<BrokerList> {
        let known = self.partition.last_known_elr();
        if !self.eligible_replicas {
            return changed(&[], known);
        }
        match change.leader.unwrap_or(self.partition.leader) {
            Some(_) => changed(&[], known),
            None if self.isr.is_empty() => self.recoverable(elr).and_then(|last| changed(&[last], known)),
            None => None,
        }
    }
}

fn changed(new: &[BrokerId], old: &[BrokerId]) -> Option<BrokerList> {
    (new != old).then(|| BrokerList::from_slice(new))
}

/// Appends what follows for every partition from `broker` being fenced, shut down or unregistered: it leaves
/// ISRs and leads no more. After an unclean shutdown it leaves ELRs too.
pub(super) fn without_broker(
    view: &View<'_>,
    broker: BrokerId,
    unclean: bool,
    records: &mut Vec<MetadataRecord>,
) {
    let electable = Electable::live(view.image).leaving(broker);
    for_each_partition(view.image, |topic, id, partition| {
        let in_elr = unclean && partition.elr().contains(&broker);
        if !partition.isr.contains(&broker) && partition.leader != Some(broker) && !in_elr {
            return;
        }
        let mut update = PartitionUpdate::new(view, topic, partition, electable);
        update.isr.retain(|member| *member != broker);
        update.unclean_shutdown = unclean.then_some(broker);
        records.extend(update.build().map(|change| record(id, change)));
    });
}

/// Appends new leaders for leaderless partitions that `broker`, being unfenced, may lead.
pub(super) fn with_broker(view: &View<'_>, broker: BrokerId, records: &mut Vec<MetadataRecord>) {
    let electable = Electable::live(view.image).joining(broker);
    for_each_partition(view.image, |topic, id, partition| {
        if partition.leader.is_none() && partition.replicas.contains(&broker) {
            let update = PartitionUpdate::new(view, topic, partition, electable);
            records.extend(update.build().map(|change| record(id, change)));
        }
    });
}

/// Records that end eligibility where a lower `min.insync.replicas` lets the high watermark move on without the
/// eligible replicas. They must become true together with the setting; `view` has it already.
pub(super) fn after_min_isr_change(view: &View<'_>) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for_each_partition(view.image, |topic, id, partition| {
        if !partition.elr().is_empty() {
            let update = PartitionUpdate::new(view, topic, partition, Electable::live(view.image));
            records.extend(update.build().map(|change| record(id, change)));
        }
    });
    records
}

pub(super) fn for_each_partition(image: &Image, mut each: impl FnMut(&Topic, PartitionId, &Partition)) {
    for topic in image.topics().iter() {
        for (partition, index) in topic.partitions.iter().zip(0..) {
            each(topic, PartitionId { topic: topic.id, index }, partition);
        }
    }
}

pub(super) fn record(id: PartitionId, change: PartitionChange) -> MetadataRecord {
    MetadataRecord::PartitionChange { topic: id.topic, index: id.index, change }
}

/// ElectLeaders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectLeaders {
    /// Which kind.
    pub kind: ElectionKind,
    /// Topics and partitions; `None` for all of them.
    pub partitions: Option<Vec<(String, Vec<i32>)>>,
}

/// What ElectLeaders can ask for; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElectionKind {
    /// The preferred leader shall lead.
    Preferred = 0,
    /// Somebody shall lead, even if records are lost.
    Unclean = 1,
}

/// The answer for one partition of [`ElectLeaders`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionResult {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Whether a leader was elected.
    pub result: Result<(), ControllerError>,
}

/// Elects leaders. Asked for all partitions, those that need none are left out of the reply.
#[must_use]
pub fn elect_leaders(view: &View<'_>, request: &ElectLeaders) -> Outcome<Vec<ElectionResult>> {
    let mut records = Vec::new();
    let mut reply = Vec::new();
    if let Some(wanted) = &request.partitions {
        for (topic, partitions) in wanted {
            for &partition in partitions {
                let result = elect_leader(view, request.kind, topic, partition, &mut records);
                reply.push(ElectionResult { topic: topic.clone(), partition, result });
            }
        }
    } else {
        for topic in view.image.topics().iter() {
            for (partition, _) in (0..).zip(&topic.partitions) {
                let result = elect_leader(view, request.kind, &topic.name, partition, &mut records);
                if !matches!(&result, Err(error) if error.kind == ErrorKind::ElectionNotNeeded) {
                    reply.push(ElectionResult { topic: topic.name.to_string(), partition, result });
                }
            }
        }
    }
    Outcome { records, reply }
}

fn elect_leader(
    view: &View<'_>,
    kind: ElectionKind,
    name: &str,
    index: i32,
    records: &mut Vec<MetadataRecord>,
) -> Result<(), ControllerError> {
    let unknown = |message: String| ControllerError::new(ErrorKind::UnknownTopicOrPartition, message);
    let topic = view.image.topics().by_name(name);
    let topic = topic.ok_or_else(|| unknown(format!("No such topic as {name}")))?;
    let partition = topic.partition(index);
    let partition = partition.ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
    let (needed, election, unavailable) = match kind {
        ElectionKind::Preferred => (
            partition.leader != partition.preferred_leader(),
            Election::Preferred,
            ErrorKind::PreferredLeaderNotAvailable,
        ),
        ElectionKind::Unclean => {
            (partition.leader.is_none(), Election::Unclean, ErrorKind::EligibleLeadersNotAvailable)
        }
    };
    if !needed {
        return Err(ErrorKind::ElectionNotNeeded.into());
    }
    let mut update = PartitionUpdate::new(view, topic, partition, Electable::live(view.image));
    update.election = election;
    let change = update.build().ok_or(unavailable)?;
    records.push(record(PartitionId { topic: topic.id, index }, change));
    Ok(())
}

/// Gives the leaderships of a broker that goes on serving to others in sync, because an operator asks (a machine is to
/// be looked at). Where nobody else is in sync it goes on leading. The reply says how many moved.
#[must_use]
pub fn hand_over_leaderships(view: &View<'_>, broker: BrokerId) -> Outcome<usize> {
    let electable = Electable::live(view.image).leaving(broker);
    let mut records = Vec::new();
    for_each_partition(view.image, |topic, id, partition| {
        if partition.leader != Some(broker) {
            return;
        }
        let mut update = PartitionUpdate::new(view, topic, partition, electable);
        update.election = Election::Online;
        let change = update.build().filter(|change| matches!(change.leader, Some(Some(_))));
        records.extend(change.map(|change| record(id, change)));
    });
    let reply = records.len();
    Outcome { records, reply }
}

/// Elections the controller holds by itself, now and then: preferred leaders where another leads, and what
/// [`elect_unclean`] does. At most `limit` records.
#[must_use]
pub fn balance_leaders(view: &View<'_>, limit: usize) -> Vec<MetadataRecord> {
    elect_where(view, limit, |partition| match partition.leader {
        None => Some(Election::Online),
        leader => (leader != partition.preferred_leader()).then_some(Election::Preferred),
    })
}

/// Elects leaders where there is none: uncleanly where the topic allows it. At most `limit` records.
#[must_use]
pub fn elect_unclean(view: &View<'_>, limit: usize) -> Vec<MetadataRecord> {
    elect_where(view, limit, |partition| partition.leader.is_none().then_some(Election::Online))
}

/// Elections in all partitions that `election` names a kind for. [`Election::Online`] is what the topic allows.
fn elect_where(
    view: &View<'_>,
    limit: usize,
    election: impl Fn(&Partition) -> Option<Election>,
) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for_each_partition(view.image, |topic, id, partition| {
        let Some(election) = election(partition).filter(|_| records.len() < limit) else { return };
        let mut update = PartitionUpdate::new(view, topic, partition, Electable::live(view.image));
        if election == Election::Preferred {
            update.election = election;
        }
        records.extend(update.build().map(|change| record(id, change)));
    });
    records
}

#[cfg(test)]
mod tests;
