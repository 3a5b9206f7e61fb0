//! The metadata quorum as brokers see it: one history, an active controller that may change at any moment, and
//! sometimes one that has been deposed and does not know.
//!
//! The controller's handlers are the real ones. A deposed controller answers what needs no commit from its old
//! image, and nothing else: what it proposes is never committed. (Heartbeats need a commit's proof in this
//! sense: answered from an old term they would let a broker believe in a session that the cluster has ended.)

use std::sync::Arc;

use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{
    AlterConfigs, AlterPartition, AlterReassignments, AlterResource, Assignment, ConfigChange,
    ConfigOperation, CreateTopics, DeleteTopics, Draws, ELIGIBLE_LEADER_REPLICAS, ElectLeaders, ElectionKind,
    ErrorKind, NewIsr, NewReassignment, NewTopic, OpType, Outcome, Sessions, TopicRef, View, alter_configs,
    alter_partition, alter_reassignments, balance_leaders, create_topics, delete_topics, elect_leaders,
    fence_expired, heartbeat, register_broker,
};
use rkafka_core::ids::{BrokerId, PartitionId, TopicId};
use rkafka_core::image::{Changes, ConfigResource, Delta, Image, MetadataRecord, PartitionChange, Topic};
use rkafka_core::replica::leader::{IsrProposal, ProposalAnswer};
use rkafka_log::disk::mem::SimRng;

use crate::message::{Body, Message};
use crate::mutant;
use crate::net::Host;
use crate::plan::TopicPlan;

/// The name of the simulated cluster.
pub(crate) const CLUSTER_ID: &str = "simulated-cluster";

/// The quorum and its active controller.
pub(crate) struct Quorum {
    /// Every image there was, with what changed on the way to it.
    pub(crate) history: Vec<(Image, Changes)>,
    sessions: Sessions,
    config: Arc<BrokerConfig>,
    session_ms: u64,
    rng: SimRng,
    /// No controller is active before.
    active_at_ms: u64,
    /// A deposed controller that still answers, with its image, until then.
    deposed: Option<(Image, u64)>,
    topics_created: u8,
    /// Who was fenced, and unfenced, when: (broker, fenced, milliseconds). A broker that leaves by its own wish is
    /// fenced while its session lasts, and if it does not hear of it, acknowledges up to its session's end.
    pub(crate) fencings: Vec<(BrokerId, bool, u64)>,
}

impl Quorum {
    /// A quorum that has just been formed.
    pub(crate) fn new(seed: u64, session_ms: u64, min_isr: usize, eligible_replicas: bool) -> Self {
        let text = format!("min.insync.replicas={min_isr}\nunclean.leader.election.enable=false\n");
        let file = Properties::parse("sim.properties", text.as_bytes()).expect("well formed");
        let (config, _) = BrokerConfig::from_properties(&file, &[]).expect("valid");
        let config = Arc::new(config);
        let image = Image::default();
        let sessions = Sessions::new(&View { image: &image, config: &config }, session_ms, 0);
        let mut quorum = Quorum {
            history: vec![(image, Changes::default())],
            sessions,
            config,
            session_ms,
            rng: SimRng::new(seed),
            active_at_ms: 0,
            deposed: None,
            topics_created: 0,
            fencings: Vec::new(),
        };
        let mut records = vec![MetadataRecord::ClusterId { id: CLUSTER_ID.to_owned() }];
        if eligible_replicas {
            records.push(MetadataRecord::Feature { name: ELIGIBLE_LEADER_REPLICAS.to_owned(), level: 1 });
        }
        quorum.commit(&records, 0);
        quorum
    }

    /// The newest image.
    pub(crate) fn image(&self) -> &Image {
        &self.history.last().expect("the first image is always there").0
    }

    /// What every node's configuration says.
    pub(crate) fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.config)
    }

    /// `min.insync.replicas` as it is in force for a topic.
    pub(crate) fn min_isr(&self, topic: &Topic) -> usize {
        View { image: self.image(), config: &self.config }.effective_min_isr(topic)
    }

    fn commit(&mut self, records: &[MetadataRecord], now_ms: u64) {
        self.commit_wish(records, now_ms, 0);
    }

    /// Commits what a broker asked for whose session lasts so much longer.
    fn commit_wish(&mut self, records: &[MetadataRecord], now_ms: u64, session_ms: u64) {
        if records.is_empty() {
            return;
        }
        let mut delta = Delta::new(self.image());
        delta.replay_all(records).expect("handlers give records that apply");
        let (image, changes) = delta.finish();
        image.check_invariants();
        self.check_epochs(&image);
        for record in records {
            match record {
                MetadataRecord::BrokerChange { id, change, .. } => {
                    let at_ms = |fenced: bool| now_ms + if fenced { session_ms } else { 0 };
                    self.fencings.extend(change.fenced.map(|fenced| (*id, fenced, at_ms(fenced))));
                }
                MetadataRecord::RegisterBroker { broker } => {
                    self.fencings.push((broker.id, broker.fenced, now_ms));
                }
                _ => {}
            }
        }
        self.history.push((image, changes));
    }

    fn check_epochs(&self, new: &Image) {
        for topic in self.image().topics().iter() {
            let Some(after) = new.topics().by_id(topic.id) else { continue };
            for (old, new) in topic.partitions.iter().zip(&after.partitions) {
                assert!(old.leader_epoch <= new.leader_epoch && old.partition_epoch <= new.partition_epoch);
                assert!(old.leader == new.leader || old.leader_epoch < new.leader_epoch, "{old:?} {new:?}");
            }
        }
    }

    /// Another controller becomes active after `gap_ms`; the old one goes on answering for `deposed_ms`.
    pub(crate) fn hand_over(&mut self, now_ms: u64, gap_ms: u64, deposed_ms: u64) {
        self.deposed = Some((self.image().clone(), now_ms + deposed_ms));
        self.active_at_ms = now_ms + gap_ms;
        let view = View { image: &self.history[self.history.len() - 1].0, config: &self.config };
        self.sessions = Sessions::new(&view, self.session_ms, self.active_at_ms);
    }

    /// Handles a request; `None` if it gets no answer.
    pub(crate) fn handle(&mut self, message: &Message, now_ms: u64) -> Option<Body> {
        self.deposed.take_if(|(_, until_ms)| *until_ms <= now_ms);
        if let Some((image, _)) = &self.deposed
            && self.rng.chance(1, 3)
        {
            return match &message.body {
                Body::AlterPartition { partition, proposal, broker_epoch } => {
                    let view = View { image, config: &self.config };
                    let (answer, records) = alter(&view, message.from, *partition, proposal, *broker_epoch);
                    let (partition, proposal) = (*partition, proposal.clone());
                    let may_answer = records.is_empty() || mutant("answer-before-commit");
                    may_answer.then_some(Body::Altered { partition, proposal, answer })
                }
                _ => None,
            };
        }
        if now_ms < self.active_at_ms {
            return None;
        }
        let image = self.image().clone();
        let view = View { image: &image, config: &self.config };
        let (records, body) = match &message.body {
            Body::Register(request) => match register_broker(&view, &mut self.sessions, request, now_ms) {
                Ok(Outcome { records, reply }) => (records, Body::Registered(Ok(reply))),
                Err(error) => (Vec::new(), Body::Registered(Err(error.kind))),
            },
            Body::Heartbeat { heartbeat: request, sent_ms } => {
                let reply = heartbeat(&view, &mut self.sessions, request, now_ms);
                let (records, reply) = match reply {
                    Ok(Outcome { records, reply }) => (records, Some(reply)),
                    Err(_) => (Vec::new(), None),
                };
                (records, Body::Heard { sent_ms: *sent_ms, reply })
            }
            Body::AlterPartition { partition, proposal, broker_epoch } => {
                let (answer, records) = alter(&view, message.from, *partition, proposal, *broker_epoch);
                (records, Body::Altered { partition: *partition, proposal: proposal.clone(), answer })
            }
            _ => return None,
        };
        let session_ms = match &message.body {
            Body::Heartbeat { heartbeat, .. } if heartbeat.want_shutdown => self.session_ms,
            _ => 0,
        };
        self.commit_wish(&records, now_ms, session_ms);
        Some(body)
    }

    /// Fences brokers that have been silent for a session.
    pub(crate) fn on_tick(&mut self, now_ms: u64) {
        while now_ms >= self.active_at_ms {
            let image = self.image().clone();
            let view = View { image: &image, config: &self.config };
            let Some(outcome) = fence_expired(&view, &mut self.sessions, now_ms) else { return };
            self.commit(&outcome.records, now_ms);
        }
    }

    /// The controller's own elections: preferred leaders where others lead.
    pub(crate) fn balance(&mut self, now_ms: u64) {
        if now_ms >= self.active_at_ms {
            let image = self.image().clone();
            let records = balance_leaders(&View { image: &image, config: &self.config }, 10);
            self.commit(&records, now_ms);
        }
    }

    /// An operator asks for the preferred leaders.
    pub(crate) fn elect_preferred(&mut self, now_ms: u64) {
        if now_ms >= self.active_at_ms {
            let image = self.image().clone();
            let request = ElectLeaders { kind: ElectionKind::Preferred, partitions: None };
            let outcome = elect_leaders(&View { image: &image, config: &self.config }, &request);
            self.commit(&outcome.records, now_ms);
        }
    }

    /// An operator hands the leadership to a member of the ISR that is live; says whether there was such a one.
    /// (Kafka's way is to assign the same replicas in another order and to elect the preferred one.)
    pub(crate) fn move_leader(&mut self, id: PartitionId, to: BrokerId, now_ms: u64) -> bool {
        let topic = self.image().topics().by_id(id.topic);
        let state = topic.and_then(|topic| topic.partition(id.index));
        let fits = state.is_some_and(|state| state.isr.contains(&to) && state.leader != Some(to));
        if now_ms < self.active_at_ms || !fits || !self.image().brokers().is_active(to) {
            return false;
        }
        let change = PartitionChange { leader: Some(Some(to)), ..PartitionChange::default() };
        let record = MetadataRecord::PartitionChange { topic: id.topic, index: id.index, change };
        self.commit(&[record], now_ms);
        true
    }

    /// An operator assigns a partition's replicas to other brokers, the preferred leader first, or, without any, takes
    /// back the reassignment that goes on (KIP-455); says whether that began.
    pub(crate) fn reassign(&mut self, id: PartitionId, target: &[BrokerId], now_ms: u64) -> bool {
        let image = self.image().clone();
        let Some(topic) = image.topics().by_id(id.topic).filter(|_| now_ms >= self.active_at_ms) else {
            return false;
        };
        let replicas = Some(target.to_vec()).filter(|target| !target.is_empty());
        let new = NewReassignment { topic: topic.name.to_string(), partition: id.index, replicas };
        let request = AlterReassignments { partitions: vec![new], allow_replication_factor_change: true };
        let outcome = alter_reassignments(&View { image: &image, config: &self.config }, &request);
        self.commit(&outcome.records, now_ms);
        outcome.reply.iter().all(|reply| reply.result.is_ok())
    }

    /// An operator changes `min.insync.replicas` of a topic.
    pub(crate) fn set_min_isr(&mut self, topic: &str, min_isr: usize, now_ms: u64) {
        if now_ms < self.active_at_ms {
            return;
        }
        let operation = ConfigOperation {
            key: "min.insync.replicas".to_owned(),
            op: OpType::Set,
            value: Some(min_isr.to_string()),
        };
        let change = ConfigChange::Increment(vec![operation]);
        let resources = vec![AlterResource { resource: ConfigResource::topic(topic), change }];
        let request = AlterConfigs { received_by: BrokerId(0), resources, validate_only: false };
        let image = self.image().clone();
        let outcome = alter_configs(&View { image: &image, config: &self.config }, &request);
        self.commit(&outcome.records, now_ms);
    }

    /// Makes a topic; says whether that worked.
    pub(crate) fn create_topic(&mut self, plan: &TopicPlan, now_ms: u64) -> bool {
        if now_ms < self.active_at_ms {
            return false;
        }
        let brokers: Vec<BrokerId> = plan.assignment.iter().map(|id| BrokerId(*id)).collect();
        let assigned = Assignment { partition: 0, brokers };
        let assignments: Vec<Assignment> =
            Some(assigned).filter(|assigned| !assigned.brokers.is_empty()).into_iter().collect();
        let compact = ("cleanup.policy".to_owned(), Some("compact".to_owned()));
        let topic = NewTopic {
            name: plan.name.clone(),
            partitions: if assignments.is_empty() { plan.partitions } else { -1 },
            replication_factor: plan.replicas,
            assignments,
            configs: plan.compacted.then_some(compact).into_iter().collect(),
        };
        let image = self.image().clone();
        self.topics_created += 1;
        let number = self.topics_created;
        let mut topic_id = || TopicId([number; 16]);
        let mut draws = Draws { topic_id: &mut topic_id, seed: self.rng.next_u64() };
        let request = CreateTopics { topics: vec![topic], validate_only: false };
        let view = View { image: &image, config: &self.config };
        let outcome = create_topics(&view, &request, &mut draws);
        self.commit(&outcome.records, now_ms);
        outcome.reply.iter().all(|result| result.result.is_ok())
    }

    /// Deletes a topic.
    pub(crate) fn delete_topic(&mut self, name: &str, now_ms: u64) -> bool {
        if now_ms < self.active_at_ms {
            return false;
        }
        let image = self.image().clone();
        let request = DeleteTopics { topics: vec![TopicRef::Name(name.to_owned())] };
        let outcome = delete_topics(&View { image: &image, config: &self.config }, &request);
        let deleted = outcome.map(|outcome| self.commit(&outcome.records, now_ms));
        deleted.is_ok()
    }
}

fn alter(
    view: &View<'_>,
    from: Host,
    partition: PartitionId,
    proposal: &IsrProposal,
    broker_epoch: i64,
) -> (ProposalAnswer, Vec<MetadataRecord>) {
    let Host::Broker(broker) = from else { return (ProposalAnswer::Unknown, Vec::new()) };
    let new_isr = NewIsr {
        partition,
        leader_epoch: proposal.leader_epoch,
        partition_epoch: proposal.partition_epoch,
        isr: proposal.isr.clone(),
        leader_recovering: false,
    };
    let request = AlterPartition { broker: BrokerId(broker), broker_epoch, partitions: vec![new_isr] };
    let Ok(outcome) = alter_partition(view, &request) else { return (ProposalAnswer::Unknown, Vec::new()) };
    let answer = match outcome.reply.into_iter().next().map(|reply| reply.result) {
        Some(Ok(state)) => ProposalAnswer::Committed(state),
        Some(Err(error)) if error.kind == ErrorKind::IneligibleReplica => ProposalAnswer::Ineligible,
        Some(Err(error)) if error.kind == ErrorKind::NotController => ProposalAnswer::Unknown,
        Some(Err(_)) => ProposalAnswer::Stale,
        None => ProposalAnswer::Unknown,
    };
    (answer, outcome.records)
}
