//! Changes of partitions: counts, in-sync replicas, epochs.

use super::super::testing::{Cluster, broker};
use super::*;

fn check_create(cluster: &mut Cluster, wanted: NewPartitions, expected: Result<usize, (ErrorKind, &str)>) {
    let name = wanted.topic.clone();
    let request = CreatePartitions { topics: vec![wanted], validate_only: false };
    let outcome = create_partitions(&cluster.view(), &request, 5);
    let result = outcome.reply[0].result.as_ref();
    let result = result.map_err(|error| (error.kind, error.message.as_str()));
    match expected {
        Ok(count) => {
            assert_eq!(result, Ok(&()));
            cluster.commit(&outcome.records);
            let topic = cluster.image.topics().by_name(&name).expect("there");
            assert_eq!(topic.partitions.len(), count);
        }
        Err(error) => {
            assert_eq!(outcome.records, []);
            assert_eq!(result, Err(error));
        }
    }
}

fn grow(topic: &str, count: i32) -> NewPartitions {
    NewPartitions { topic: topic.to_owned(), count, assignments: None }
}

fn grow_at(topic: &str, count: i32, assignments: &[&[i32]]) -> NewPartitions {
    let assignments = assignments.iter().map(|brokers| brokers.iter().map(|id| BrokerId(*id)).collect());
    NewPartitions { assignments: Some(assignments.collect()), ..grow(topic, count) }
}

#[test]
fn topics_only_grow() {
    let mut cluster = Cluster::new(2, "").with_topic("test", 3, 2);
    check_create(&mut cluster, grow("test", 5), Ok(5));
    let fewer = "The topic test currently has 5 partition(s); 3 would not be an increase.";
    check_create(&mut cluster, grow("test", 3), Err((ErrorKind::InvalidPartitions, fewer)));
    let negative = "The topic test currently has 5 partition(s); -1 would not be an increase.";
    check_create(&mut cluster, grow("test", -1), Err((ErrorKind::InvalidPartitions, negative)));
    let same = "Topic already has 5 partition(s).";
    check_create(&mut cluster, grow("test", 5), Err((ErrorKind::InvalidPartitions, same)));
    let unknown = "This server does not host this topic-partition.";
    check_create(&mut cluster, grow("none", 5), Err((ErrorKind::UnknownTopicOrPartition, unknown)));
    let many = "Excessively large number of partitions per request.";
    check_create(&mut cluster, grow("test", 20_000), Err((ErrorKind::PolicyViolation, many)));
}

#[test]
fn new_partitions_can_be_assigned() {
    let mut cluster = Cluster::new(2, "").with_topic("test", 1, 2);
    cluster.commit(&[broker(2, None, true)]);
    check_create(&mut cluster, grow_at("test", 3, &[&[1, 0], &[0, 2]]), Ok(3));
    let partitions = &cluster.image.topics().by_name("test").expect("there").partitions;
    assert_eq!((partitions[1].leader, partitions[2].leader), (Some(BrokerId(1)), Some(BrokerId(0))));
    assert_eq!(partitions[2].isr[..], [BrokerId(0)]);
    let refused = |message| Err((ErrorKind::InvalidReplicaAssignment, message));
    let few = "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.";
    check_create(&mut cluster, grow_at("test", 5, &[&[0, 1]]), refused(few));
    let narrow = "The manual partition assignment includes a partition with 1 replica(s), but this is not \
                  consistent with previous partitions, which have 2 replica(s).";
    check_create(&mut cluster, grow_at("test", 4, &[&[0]]), refused(narrow));
}

#[test]
fn a_topic_named_twice_is_refused_and_others_grow() {
    let cluster = Cluster::new(1, "").with_topic("a", 1, 1).with_topic("b", 1, 1);
    let topics = vec![grow("a", 2), grow("b", 2), grow("a", 3)];
    let request = CreatePartitions { topics, validate_only: false };
    let outcome = create_partitions(&cluster.view(), &request, u64::MAX);
    assert_eq!(outcome.reply.len(), 2);
    let error = outcome.reply[0].result.as_ref().expect_err("named twice");
    assert_eq!((outcome.reply[0].topic.as_str(), error.message.as_str()), ("a", "Duplicate topic name."));
    assert_eq!(outcome.reply[1].result, Ok(()));
    assert_eq!(outcome.records.len(), 1);
    let checked = CreatePartitions { validate_only: true, ..request };
    assert_eq!(create_partitions(&cluster.view(), &checked, 0).records, []);
}

/// A topic of one partition on brokers 0, 1, 2, of which `isr` are in sync; broker 0 leads.
fn partition(isr: &[i32]) -> (Cluster, PartitionId) {
    let cluster = Cluster::new(3, "");
    let mut cluster = cluster.with_topic("t", 1, 3);
    let id = cluster.image.topics().by_name("t").expect("created").id;
    let list = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<BrokerList>();
    let change = crate::image::PartitionChange {
        replicas: Some(list(&[0, 1, 2])),
        isr: Some(list(isr)),
        leader: Some(Some(BrokerId(0))),
        ..Default::default()
    };
    cluster.commit(&[MetadataRecord::PartitionChange { topic: id, index: 0, change }]);
    (cluster, PartitionId { topic: id, index: 0 })
}

fn alter(cluster: &Cluster, wanted: NewIsr) -> Outcome<Vec<AlterPartitionResult>> {
    let request = AlterPartition { broker: BrokerId(0), broker_epoch: 100, partitions: vec![wanted] };
    alter_partition(&cluster.view(), &request).expect("the sender is registered")
}

fn new_isr(partition: PartitionId, isr: &[(i32, i64)]) -> NewIsr {
    let isr = isr.iter().map(|(id, epoch)| (BrokerId(*id), *epoch)).collect();
    NewIsr { partition, leader_epoch: 1, partition_epoch: 1, isr, leader_recovering: false }
}

#[test]
fn a_leader_changes_its_isr() {
    let (mut cluster, id) = partition(&[0, 1]);
    let outcome = alter(&cluster, new_isr(id, &[(0, 100), (1, -1), (2, 102)]));
    let after = outcome.reply[0].result.as_ref().expect("changed");
    assert_eq!((after.isr.len(), after.leader_epoch, after.partition_epoch), (3, 1, 2));
    cluster.commit(&outcome.records);
    let topic = cluster.image.topics().by_id(id.topic).expect("there");
    assert_eq!(topic.partition(0), Some(after));
    let again = alter(&cluster, NewIsr { partition_epoch: 2, ..new_isr(id, &[(0, 100), (1, -1), (2, 102)]) });
    // What already is so gets a new epoch: it makes proposals stale that were sent before.
    let after = again.reply[0].result.as_ref().expect("changed");
    assert_eq!((again.records.len(), after.isr.len(), after.partition_epoch), (1, 3, 3));
}

#[test]
fn isr_changes_that_must_not_be_are_refused() {
    let (mut cluster, id) = partition(&[0, 1]);
    let good = new_isr(id, &[(0, 100), (1, 101)]);
    let check = |cluster: &Cluster, wanted: NewIsr, kind: ErrorKind| {
        let outcome = alter(cluster, wanted);
        assert_eq!(outcome.records, []);
        assert_eq!(outcome.reply[0].result.as_ref().expect_err("refused").kind, kind);
    };
    check(&cluster, NewIsr { leader_epoch: 2, ..good.clone() }, ErrorKind::NotController);
    check(&cluster, NewIsr { partition_epoch: 2, ..good.clone() }, ErrorKind::NotController);
    check(&cluster, NewIsr { leader_epoch: 0, ..good.clone() }, ErrorKind::FencedLeaderEpoch);
    check(&cluster, NewIsr { partition_epoch: 0, ..good.clone() }, ErrorKind::InvalidUpdateVersion);
    check(&cluster, NewIsr { leader_recovering: true, ..good.clone() }, ErrorKind::InvalidRequest);
    check(&cluster, new_isr(id, &[(1, 101)]), ErrorKind::InvalidRequest);
    check(&cluster, new_isr(id, &[(0, 100), (0, 100)]), ErrorKind::InvalidRequest);
    check(&cluster, new_isr(id, &[(0, 100), (7, -1)]), ErrorKind::InvalidRequest);
    // KIP-903: the broker is registered anew since it fetched.
    check(&cluster, new_isr(id, &[(0, 100), (2, 55)]), ErrorKind::IneligibleReplica);
    let elsewhere = PartitionId { index: 1, ..id };
    check(&cluster, NewIsr { partition: elsewhere, ..good.clone() }, ErrorKind::UnknownTopicOrPartition);
    cluster.commit(&[broker(2, None, true)]);
    check(&cluster, new_isr(id, &[(0, 100), (2, 102)]), ErrorKind::IneligibleReplica);
    let stale = AlterPartition { broker: BrokerId(0), broker_epoch: 9, partitions: vec![good.clone()] };
    let error = alter_partition(&cluster.view(), &stale).expect_err("an earlier life");
    assert_eq!(error.message, "Expected broker epoch 100, but got broker epoch 9");
    let follower = AlterPartition { broker: BrokerId(1), broker_epoch: 101, partitions: vec![good] };
    let outcome = alter_partition(&cluster.view(), &follower).expect("registered");
    let error = outcome.reply[0].result.as_ref().expect_err("does not lead");
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
}

#[test]
fn the_last_step_of_a_reassignment_moves_the_leader() {
    let (mut cluster, id) = partition(&[0, 1]);
    let list = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<BrokerList>();
    let change = crate::image::PartitionChange {
        adding: Some(list(&[2])),
        removing: Some(list(&[0])),
        ..Default::default()
    };
    cluster.commit(&[MetadataRecord::PartitionChange { topic: id.topic, index: 0, change }]);
    let wanted = NewIsr { partition_epoch: 2, ..new_isr(id, &[(0, 100), (1, 101), (2, 102)]) };
    let outcome = alter(&cluster, wanted);
    assert_eq!(outcome.reply[0].result, Err(ErrorKind::NewLeaderElected.into()));
    cluster.commit(&outcome.records);
    let after = cluster.image.topics().by_id(id.topic).and_then(|topic| topic.partition(0).cloned());
    let after = after.expect("there");
    assert_eq!((&after.replicas, &after.isr), (&list(&[1, 2]), &list(&[1, 2])));
    assert_eq!((after.leader, after.is_reassigning()), (Some(BrokerId(1)), false));
}
