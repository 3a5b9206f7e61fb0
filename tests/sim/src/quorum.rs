//! The metadata quorum as brokers see it: one history, an active controller that may change at any moment, and
//! sometimes one that has been deposed and does not know.
//!
//! The controller's handlers are the real ones. A deposed controller answers what needs no commit from its old
//! image, and nothing else: what it proposes is never committed. (Heartbeats need a commit's proof in this
//! sense: answered from an old term they would let a broker believe in a session that the cluster has ended.)

use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{
    AlterPartition, CreateTopics, DeleteTopics, Draws, ELIGIBLE_LEADER_REPLICAS, ElectLeaders, ElectionKind,
    ErrorKind, NewIsr, NewTopic, Outcome, Sessions, TopicRef, View, alter_partition, balance_leaders,
    create_topics, delete_topics, elect_leaders, fence_expired, heartbeat, register_broker,
};
use rkafka_core::ids::{BrokerId, PartitionId, TopicId};
use rkafka_core::image::{Changes, Delta, Image, MetadataRecord};
use rkafka_core::replica::leader::{IsrProposal, ProposalAnswer};
use rkafka_log::disk::mem::SimRng;

use crate::message::{Body, Message};
use crate::net::Host;

/// The name of the simulated cluster.
pub(crate) const CLUSTER_ID: &str = "simulated-cluster";

/// The quorum and its active controller.
pub(crate) struct Quorum {
    /// Every image there was, with what changed on the way to it.
    pub(crate) history: Vec<(Image, Changes)>,
    sessions: Sessions,
    config: BrokerConfig,
    session_ms: u64,
    rng: SimRng,
    /// No controller is active before.
    active_at_ms: u64,
    /// A deposed controller that still answers, with its image, until then.
    deposed: Option<(Image, u64)>,
    topics_created: u8,
    /// Who was fenced, and unfenced, when: (broker, fenced, milliseconds).
    pub(crate) fencings: Vec<(BrokerId, bool, u64)>,
}

impl Quorum {
    /// A quorum that has just been formed.
    pub(crate) fn new(seed: u64, session_ms: u64, min_isr: usize, eligible_replicas: bool) -> Self {
        let text = format!("min.insync.replicas={min_isr}\nunclean.leader.election.enable=false\n");
        let file = Properties::parse("sim.properties", text.as_bytes()).expect("well formed");
        let (config, _) = BrokerConfig::from_properties(&file, &[]).expect("valid");
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

    fn commit(&mut self, records: &[MetadataRecord], now_ms: u64) {
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
                    self.fencings.extend(change.fenced.map(|fenced| (*id, fenced, now_ms)));
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
                    records.is_empty().then_some(Body::Altered { partition, proposal, answer })
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
        self.commit(&records, now_ms);
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

    /// Makes a topic; says whether that worked.
    pub(crate) fn create_topic(&mut self, name: &str, partitions: i32, replicas: i16, now_ms: u64) -> bool {
        if now_ms < self.active_at_ms {
            return false;
        }
        let topic = NewTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: replicas,
            assignments: Vec::new(),
            configs: Vec::new(),
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
