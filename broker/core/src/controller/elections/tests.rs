//! Who leads after an election, clean or not, and what clients are told.

use super::super::testing::{Cluster, broker};
use super::*;
use crate::image::{BrokerChange, ConfigResource};

fn list(ids: &[i32]) -> BrokerList {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

/// Topic `t` with one partition on brokers 0, 1, 2, led by 0, all in sync.
fn cluster(properties: &str) -> Cluster {
    let mut cluster = Cluster::new(3, properties).with_topic("t", 1, 3);
    let change = PartitionChange {
        replicas: Some(list(&[0, 1, 2])),
        isr: Some(list(&[0, 1, 2])),
        leader: Some(Some(BrokerId(0))),
        ..PartitionChange::default()
    };
    let topic = cluster.image.topics().by_name("t").expect("created").id;
    cluster.commit(&[MetadataRecord::PartitionChange { topic, index: 0, change }]);
    cluster
}

fn with_eligible_replicas(mut cluster: Cluster, min_isr: &str) -> Cluster {
    let name = ELIGIBLE_LEADER_REPLICAS.to_owned();
    cluster.commit(&[
        MetadataRecord::Feature { name, level: 1 },
        MetadataRecord::Config {
            resource: ConfigResource::topic("t"),
            key: "min.insync.replicas".to_owned(),
            value: Some(min_isr.to_owned()),
        },
    ]);
    cluster
}

fn state(cluster: &Cluster) -> Partition {
    cluster.image.topics().by_name("t").expect("created").partitions[0].clone()
}

/// `leader isr elr`, brokers by their ids.
fn shown(cluster: &Cluster) -> String {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(ToString::to_string).collect::<String>();
    let partition = state(cluster);
    let leader = partition.leader.map_or("none".to_owned(), |leader| leader.to_string());
    let mut text = format!("leader {leader} isr {} elr {}", ids(&partition.isr), ids(partition.elr()));
    if !partition.last_known_elr().is_empty() {
        text += &format!(" last {}", ids(partition.last_known_elr()));
    }
    if partition.leader_recovering {
        text += " recovering";
    }
    text
}

fn fence(cluster: &mut Cluster, id: i32, unclean: bool) {
    let broker = BrokerId(id);
    let mut records = Vec::new();
    without_broker(&cluster.view(), broker, unclean, &mut records);
    let epoch = cluster.image.brokers().get(broker).expect("registered").epoch;
    let change = BrokerChange { fenced: Some(true), ..BrokerChange::default() };
    records.push(MetadataRecord::BrokerChange { id: broker, epoch, change });
    cluster.commit(&records);
}

fn unfence(cluster: &mut Cluster, id: i32) {
    let broker = BrokerId(id);
    let epoch = cluster.image.brokers().get(broker).expect("registered").epoch;
    let change = BrokerChange { fenced: Some(false), ..BrokerChange::default() };
    let mut records = vec![MetadataRecord::BrokerChange { id: broker, epoch, change }];
    with_broker(&cluster.view(), broker, &mut records);
    cluster.commit(&records);
}

#[test]
fn the_next_in_sync_replica_leads() {
    let mut cluster = cluster("");
    let epoch = state(&cluster).leader_epoch;
    fence(&mut cluster, 1, false);
    assert_eq!(shown(&cluster), "leader 0 isr 02 elr ");
    assert_eq!(state(&cluster).leader_epoch, epoch, "the leader stays: no new epoch");
    fence(&mut cluster, 0, false);
    assert_eq!(shown(&cluster), "leader 2 isr 2 elr ");
    assert_eq!(state(&cluster).leader_epoch, epoch + 1);
}

#[test]
fn the_last_one_in_sync_is_waited_for() {
    let mut cluster = cluster("");
    for id in [0, 1, 2] {
        fence(&mut cluster, id, false);
    }
    assert_eq!(shown(&cluster), "leader none isr 2 elr ");
    unfence(&mut cluster, 0);
    assert_eq!(shown(&cluster), "leader none isr 2 elr ");
    unfence(&mut cluster, 2);
    assert_eq!(shown(&cluster), "leader 2 isr 2 elr ");
}

#[test]
fn an_unclean_election_takes_whoever_lives() {
    let mut cluster = cluster("unclean.leader.election.enable=true\n");
    for id in [0, 1, 2] {
        fence(&mut cluster, id, false);
    }
    unfence(&mut cluster, 1);
    assert_eq!(shown(&cluster), "leader 1 isr 1 elr  recovering");
}

#[test]
fn who_leaves_a_small_isr_stays_eligible() {
    let mut cluster = with_eligible_replicas(cluster(""), "2");
    fence(&mut cluster, 0, false);
    assert_eq!(shown(&cluster), "leader 1 isr 12 elr ");
    fence(&mut cluster, 1, false);
    assert_eq!(shown(&cluster), "leader 2 isr 2 elr 1");
    fence(&mut cluster, 2, false);
    assert_eq!(shown(&cluster), "leader none isr  elr 12 last 2");
    // Out of sync before the ISR fell below its minimum: it may lack committed records.
    unfence(&mut cluster, 0);
    assert_eq!(shown(&cluster), "leader none isr  elr 12 last 2");
    // Nothing was committed since it left: it has everything.
    unfence(&mut cluster, 1);
    assert_eq!(shown(&cluster), "leader 1 isr 1 elr 2");
}

#[test]
fn a_disk_that_lost_power_is_no_longer_eligible() {
    // Row 6 of the bug catalogue: the last replica standing loses its tail and then truncates the others.
    let mut cluster = with_eligible_replicas(cluster(""), "2");
    fence(&mut cluster, 0, false);
    fence(&mut cluster, 1, false);
    fence(&mut cluster, 2, true);
    assert_eq!(shown(&cluster), "leader none isr  elr 1 last 2");
    unfence(&mut cluster, 2);
    assert_eq!(shown(&cluster), "leader none isr  elr 1 last 2");
    unfence(&mut cluster, 1);
    assert_eq!(shown(&cluster), "leader 1 isr 1 elr ");
}

#[test]
fn with_nobody_eligible_the_last_leader_is_the_best_there_is() {
    let mut cluster = with_eligible_replicas(cluster(""), "1");
    fence(&mut cluster, 0, false);
    fence(&mut cluster, 1, false);
    fence(&mut cluster, 2, true);
    assert_eq!(shown(&cluster), "leader none isr  elr  last 2");
    unfence(&mut cluster, 1);
    assert_eq!(shown(&cluster), "leader none isr  elr  last 2");
    unfence(&mut cluster, 2);
    assert_eq!(shown(&cluster), "leader 2 isr 2 elr  recovering");
}

fn check_elect(
    cluster: &Cluster,
    kind: ElectionKind,
    index: i32,
    expected: Result<usize, (ErrorKind, &str)>,
) {
    let request = ElectLeaders { kind, partitions: Some(vec![("t".to_owned(), vec![index])]) };
    let outcome = elect_leaders(&cluster.view(), &request);
    let result = outcome.reply[0].result.as_ref();
    let result = result.map(|()| outcome.records.len()).map_err(|error| (error.kind, error.message.as_str()));
    assert_eq!(result, expected);
}

#[test]
fn leaders_are_elected_on_request() {
    let mut cluster = cluster("");
    let needless = "Leader election not needed for topic partition.";
    check_elect(&cluster, ElectionKind::Preferred, 0, Err((ErrorKind::ElectionNotNeeded, needless)));
    check_elect(&cluster, ElectionKind::Unclean, 0, Err((ErrorKind::ElectionNotNeeded, needless)));
    let unknown = (ErrorKind::UnknownTopicOrPartition, "No such partition as t-5");
    check_elect(&cluster, ElectionKind::Preferred, 5, Err(unknown));
    fence(&mut cluster, 0, false);
    let unavailable = "The preferred leader was not available.";
    let error = Err((ErrorKind::PreferredLeaderNotAvailable, unavailable));
    check_elect(&cluster, ElectionKind::Preferred, 0, error);
    unfence(&mut cluster, 0);
    // Live again, but not in sync.
    check_elect(&cluster, ElectionKind::Preferred, 0, error);
    fence(&mut cluster, 1, false);
    fence(&mut cluster, 2, false);
    assert_eq!(shown(&cluster), "leader none isr 2 elr ");
    check_elect(&cluster, ElectionKind::Unclean, 0, Ok(1));
    fence(&mut cluster, 0, false);
    let nobody = "Eligible topic partition leaders are not available.";
    check_elect(&cluster, ElectionKind::Unclean, 0, Err((ErrorKind::EligibleLeadersNotAvailable, nobody)));
}

#[test]
fn asked_for_all_only_what_changed_is_answered() {
    let cluster = cluster("").with_topic("other", 3, 1);
    let request = ElectLeaders { kind: ElectionKind::Preferred, partitions: None };
    let outcome = elect_leaders(&cluster.view(), &request);
    assert_eq!((outcome.records.len(), outcome.reply.len()), (0, 0));
    let request = ElectLeaders {
        kind: ElectionKind::Preferred,
        partitions: Some(vec![("missing".to_owned(), vec![0])]),
    };
    let reply = elect_leaders(&cluster.view(), &request).reply;
    assert_eq!(reply[0].result.as_ref().expect_err("refused").message, "No such topic as missing");
}

#[test]
fn preferred_leaders_come_back_by_themselves() {
    let mut cluster = cluster("");
    fence(&mut cluster, 0, false);
    unfence(&mut cluster, 0);
    let topic = cluster.image.topics().by_name("t").expect("created").id;
    let change = PartitionChange { isr: Some(list(&[1, 2, 0])), ..PartitionChange::default() };
    cluster.commit(&[MetadataRecord::PartitionChange { topic, index: 0, change }]);
    assert_eq!(balance_leaders(&cluster.view(), 0), []);
    assert_eq!(elect_unclean(&cluster.view(), 10), [], "somebody leads");
    let records = balance_leaders(&cluster.view(), 10);
    cluster.commit(&records);
    assert_eq!(shown(&cluster), "leader 0 isr 120 elr ");
    assert_eq!(balance_leaders(&cluster.view(), 10), []);
}

#[test]
fn an_operator_moves_leaderships_where_others_are_in_sync() {
    let mut cluster = cluster("").with_topic("alone", 3, 1);
    let led = |cluster: &Cluster| {
        let partitions = cluster.image.topics().iter().flat_map(|topic| &topic.partitions);
        partitions.filter(|partition| partition.leader == Some(BrokerId(0))).count()
    };
    let before = led(&cluster);
    let outcome = hand_over_leaderships(&cluster.view(), BrokerId(0));
    cluster.commit(&outcome.records);
    assert_eq!(outcome.reply, 1);
    assert_eq!(led(&cluster), before - 1, "those without another replica stay");
    assert_eq!(shown(&cluster), "leader 1 isr 012 elr ", "it stays in sync");
    assert_eq!(hand_over_leaderships(&cluster.view(), BrokerId(0)).records, []);
}

#[test]
fn one_that_leaves_gets_no_leadership() {
    let mut cluster = cluster("");
    let MetadataRecord::RegisterBroker { broker: mut leaving } = broker(1, None, false) else { return };
    leaving.in_controlled_shutdown = true;
    cluster.commit(&[MetadataRecord::RegisterBroker { broker: leaving }]);
    fence(&mut cluster, 0, false);
    assert_eq!(shown(&cluster), "leader 2 isr 12 elr ");
}

#[test]
fn the_last_one_eligible_is_recovered_not_the_last_leader() {
    // Seed 3046 of the simulator: the leader's disk is wiped while others are eligible, then those are killed.
    let mut cluster = with_eligible_replicas(cluster(""), "2");
    fence(&mut cluster, 0, false);
    fence(&mut cluster, 1, false);
    fence(&mut cluster, 2, true);
    assert_eq!(shown(&cluster), "leader none isr  elr 1 last 2");
    unfence(&mut cluster, 2);
    fence(&mut cluster, 1, true);
    assert_eq!(shown(&cluster), "leader none isr  elr  last 1");
    unfence(&mut cluster, 1);
    assert_eq!(shown(&cluster), "leader 1 isr 1 elr  recovering");
}
