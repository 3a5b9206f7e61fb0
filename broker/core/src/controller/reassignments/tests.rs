//! Reassignments: what begins, what completes, what is taken back.

use super::super::elections::ELIGIBLE_LEADER_REPLICAS;
use super::super::testing::Cluster;
use super::super::{AlterPartition, NewIsr, alter_partition};
use super::*;
use crate::image::PartitionChange;

/// Five brokers and a topic whose one partition has replicas 0, 1 and 2, all in sync, led by 0.
fn cluster(properties: &str) -> Cluster {
    let mut cluster = Cluster::new(5, properties);
    let mut topic = super::super::testing::topic("t", -1, -1);
    topic.assignments = vec![super::super::Assignment { partition: 0, brokers: brokers(&[0, 1, 2]) }];
    let request = super::super::CreateTopics { topics: vec![topic], validate_only: false };
    let outcome = cluster.create(&request);
    assert!(outcome.reply[0].result.is_ok(), "{outcome:?}");
    cluster.commit(&outcome.records);
    cluster
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

fn state(cluster: &Cluster) -> Partition {
    let topic = cluster.image.topics().by_name("t").expect("it was created");
    topic.partition(0).expect("the only one").clone()
}

fn try_reassign(
    cluster: &mut Cluster,
    replicas: Option<&[i32]>,
    allow_replication_factor_change: bool,
) -> Result<(), ControllerError> {
    let replicas = replicas.map(brokers);
    let partitions = vec![NewReassignment { topic: "t".to_owned(), partition: 0, replicas }];
    let request = AlterReassignments { partitions, allow_replication_factor_change };
    let outcome = alter_reassignments(&cluster.view(), &request);
    cluster.commit(&outcome.records);
    outcome.reply[0].result.clone()
}

fn reassign(cluster: &mut Cluster, replicas: &[i32]) {
    try_reassign(cluster, Some(replicas), true).expect("it can begin");
}

/// What the leader says once these are in sync.
fn in_sync(cluster: &mut Cluster, isr: &[i32]) {
    let partition = state(cluster);
    let topic = cluster.image.topics().by_name("t").expect("it was created").id;
    let leader = partition.leader.expect("somebody leads");
    let broker_epoch = cluster.image.brokers().get(leader).expect("registered").epoch;
    let new = NewIsr {
        partition: PartitionId { topic, index: 0 },
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        isr: isr.iter().map(|id| (BrokerId(*id), -1)).collect(),
        leader_recovering: false,
    };
    let request = AlterPartition { broker: leader, broker_epoch, partitions: vec![new] };
    let outcome = alter_partition(&cluster.view(), &request).expect("the leader may");
    cluster.commit(&outcome.records);
}

/// Replicas, ISR, adding, removing and leader of the partition.
#[track_caller]
fn check(cluster: &Cluster, expected: [&[i32]; 4], leader: i32) {
    let state = state(cluster);
    let lists = [&state.replicas[..], &state.isr[..], state.adding_replicas(), state.removing_replicas()];
    let lists: Vec<Vec<i32>> = lists.iter().map(|list| list.iter().map(|id| id.0).collect()).collect();
    assert_eq!(lists, expected.map(<[i32]>::to_vec));
    assert_eq!(state.leader, Some(BrokerId(leader)));
}

#[test]
fn added_replicas_must_be_in_sync_before_others_go() {
    let mut cluster = cluster("");
    reassign(&mut cluster, &[3, 4, 2]);
    check(&cluster, [&[3, 4, 2, 0, 1], &[0, 1, 2], &[3, 4], &[0, 1]], 0);
    let epoch = state(&cluster).leader_epoch;
    in_sync(&mut cluster, &[0, 1, 2, 3]);
    check(&cluster, [&[3, 4, 2, 0, 1], &[0, 1, 2, 3], &[3, 4], &[0, 1]], 0);
    in_sync(&mut cluster, &[0, 1, 2, 3, 4]);
    check(&cluster, [&[3, 4, 2], &[2, 3, 4], &[], &[]], 3);
    assert!(state(&cluster).leader_epoch > epoch, "another leader");
}

#[test]
fn replicas_that_only_go_or_change_places_do_so_at_once() {
    let mut cluster = cluster("");
    reassign(&mut cluster, &[1, 0, 2]);
    check(&cluster, [&[1, 0, 2], &[0, 1, 2], &[], &[]], 0);
    let epoch = state(&cluster).leader_epoch;
    reassign(&mut cluster, &[1, 0]);
    check(&cluster, [&[1, 0], &[0, 1], &[], &[]], 0);
    assert!(state(&cluster).leader_epoch > epoch, "the removed replica must not go on fetching");
    // Nothing to do is no error.
    reassign(&mut cluster, &[1, 0]);
    check(&cluster, [&[1, 0], &[0, 1], &[], &[]], 0);
}

#[test]
fn fewer_replicas_must_all_be_in_sync() {
    let mut cluster = cluster("");
    in_sync(&mut cluster, &[0, 1]);
    // Of the wanted only 1 is in sync: the ISR would shrink to it.
    reassign(&mut cluster, &[1, 2]);
    check(&cluster, [&[1, 2, 0], &[0, 1], &[], &[0]], 0);
    in_sync(&mut cluster, &[0, 1, 2]);
    check(&cluster, [&[1, 2], &[1, 2], &[], &[]], 1);
}

#[test]
fn cancelling_takes_back_what_was_added() {
    let mut cluster = cluster("");
    reassign(&mut cluster, &[3, 4]);
    in_sync(&mut cluster, &[0, 1, 2, 3]);
    try_reassign(&mut cluster, None, true).expect("something goes on");
    // The order is that of the reassignment, as with Kafka.
    check(&cluster, [&[0, 1, 2], &[0, 1, 2], &[], &[]], 0);
    let error = try_reassign(&mut cluster, None, true).expect_err("nothing goes on");
    assert_eq!(error.kind, ErrorKind::NoReassignmentInProgress);
    assert_eq!(error.message, "No partition reassignment is in progress.");
}

#[test]
fn a_second_reassignment_replaces_the_first() {
    let mut cluster = cluster("");
    reassign(&mut cluster, &[0, 1, 3]);
    check(&cluster, [&[0, 1, 3, 2], &[0, 1, 2], &[3], &[2]], 0);
    // 3 is wanted again and still not in sync.
    reassign(&mut cluster, &[0, 3, 4]);
    check(&cluster, [&[0, 3, 4, 1, 2], &[0, 1, 2], &[3, 4], &[1, 2]], 0);
    in_sync(&mut cluster, &[0, 1, 2, 4]);
    check(&cluster, [&[0, 3, 4, 1, 2], &[0, 1, 2, 4], &[3, 4], &[1, 2]], 0);
    in_sync(&mut cluster, &[0, 1, 2, 4, 3]);
    check(&cluster, [&[0, 3, 4], &[0, 4, 3], &[], &[]], 0);
}

#[test]
fn what_is_refused() {
    let mut cluster = cluster("");
    let mut refused = |replicas: Option<&[i32]>, change: bool| {
        let error = try_reassign(&mut cluster, replicas, change).expect_err("refused");
        (error.kind, error.message)
    };
    let assignment = ErrorKind::InvalidReplicaAssignment;
    let words = |text: &str| format!("The manual partition assignment includes {text}");
    assert_eq!(refused(Some(&[]), true), (assignment, words("an empty replica list.")));
    assert_eq!(
        refused(Some(&[0, 9]), true),
        (assignment, words("broker 9, but no such broker is registered."))
    );
    assert_eq!(refused(Some(&[0, 1, 0]), true), (assignment, words("the broker 0 more than once.")));
    assert_eq!(
        refused(Some(&[0, 1]), false),
        (ErrorKind::InvalidReplicationFactor, "The replication factor is changed from 3 to 2".to_owned())
    );
    let of = |topic: &str, partition, replicas| NewReassignment {
        topic: topic.to_owned(),
        partition,
        replicas: Some(brokers(replicas)),
    };
    let partitions = vec![of("u", 0, &[0]), of("t", 7, &[0]), of("t", 0, &[0, 1, 3]), of("t", 0, &[0])];
    let request = AlterReassignments { partitions, allow_replication_factor_change: true };
    let outcome = alter_reassignments(&cluster.view(), &request);
    let kinds: Vec<_> = outcome.reply.iter().map(|one| one.result.as_ref().err().map(|e| e.kind)).collect();
    let unknown = Some(ErrorKind::UnknownTopicOrPartition);
    assert_eq!(kinds, [unknown, unknown, None, Some(ErrorKind::InvalidRequest)]);
    assert_eq!(outcome.records.len(), 1);
}

#[test]
fn a_reassignment_that_replaces_another_keeps_the_size_that_one_goes_to() {
    let mut cluster = cluster("");
    reassign(&mut cluster, &[3, 4]);
    let error =
        try_reassign(&mut cluster, Some(&[0, 1, 2]), false).expect_err("it has three now, and will have two");
    assert_eq!(error.message, "The replication factor is changed from 2 to 3");
    try_reassign(&mut cluster, Some(&[0, 4]), false).expect("two, as it will have");
}

/// Added replicas alone are eligible (KIP-966), and nobody lives: to forget them would lose what they have.
#[test]
fn cancelling_does_not_forget_who_is_eligible() {
    for (eligible, allowed) in [(&[3, 4], false), (&[0, 3], true)] {
        let mut cluster = cluster("");
        let name = ELIGIBLE_LEADER_REPLICAS.to_owned();
        cluster.commit(&[MetadataRecord::Feature { name, level: 1 }]);
        reassign(&mut cluster, &[3, 4]);
        let change = PartitionChange {
            isr: Some(BrokerList::new()),
            elr: Some(eligible.iter().map(|id| BrokerId(*id)).collect()),
            leader: Some(None),
            ..PartitionChange::default()
        };
        let topic = cluster.image.topics().by_name("t").expect("it was created").id;
        cluster.commit(&[MetadataRecord::PartitionChange { topic, index: 0, change }]);
        let result = try_reassign(&mut cluster, None, true);
        assert_eq!(result.is_ok(), allowed, "{eligible:?}: {result:?}");
    }
}

#[test]
fn cancelling_loses_nothing_unless_the_topic_allows_it() {
    for (properties, allowed) in [("", false), ("unclean.leader.election.enable=true", true)] {
        let mut cluster = cluster(properties);
        reassign(&mut cluster, &[3, 4]);
        in_sync(&mut cluster, &[0, 3]);
        // The old leader dies: only an added replica has everything.
        let fence = crate::image::BrokerChange { fenced: Some(true), ..Default::default() };
        let mut records = vec![MetadataRecord::BrokerChange { id: BrokerId(0), epoch: 100, change: fence }];
        super::super::elections::without_broker(&cluster.view(), BrokerId(0), false, &mut records);
        cluster.commit(&records);
        assert_eq!(state(&cluster).leader, Some(BrokerId(3)));
        let result = try_reassign(&mut cluster, None, true);
        assert_eq!(result.is_ok(), allowed, "{result:?}");
        match result {
            Ok(()) => assert!(!state(&cluster).replicas.contains(&BrokerId(3))),
            Err(error) => assert!(error.message.contains("would require an unclean leader election")),
        }
    }
}
