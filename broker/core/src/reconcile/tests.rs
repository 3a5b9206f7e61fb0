//! From one image to the next: what a broker has to do with its replicas.

use proptest::prelude::*;

use super::*;
use crate::image::{BrokerList, ConfigResource, Delta, MetadataRecord, PartitionChange};

const LOCAL: BrokerId = BrokerId(1);

fn topic_records(name: &str, id: u8, assignments: &[&[i32]]) -> Vec<MetadataRecord> {
    let topic = TopicId([id; 16]);
    let mut records = vec![MetadataRecord::Topic { name: name.to_owned(), id: topic }];
    for (assignment, index) in assignments.iter().zip(0..) {
        let replicas: BrokerList = assignment.iter().map(|id| BrokerId(*id)).collect();
        let partition = Partition::new(replicas.clone(), replicas);
        records.push(MetadataRecord::Partition { topic, index, partition });
    }
    records
}

fn image(records: &[MetadataRecord]) -> Image {
    change(&Image::default(), records).0
}

fn change(image: &Image, records: &[MetadataRecord]) -> (Image, Changes) {
    let mut delta = Delta::new(image);
    delta.replay_all(records).expect("records apply");
    delta.finish()
}

fn shown(actions: &[Action]) -> Vec<String> {
    let show = |action: &Action| match action {
        Action::Stray(log) => format!("stray {}-{}", log.topic, log.index),
        Action::Delete(replica) => format!("delete {replica} of {}", &replica.id.topic.to_string()[..4]),
        Action::Create(replica) => format!("create {replica}"),
        Action::Open(replica) => format!("open {replica}"),
        Action::Lead { replica, state } => format!("lead {replica} epoch {}", state.leader_epoch),
        Action::Follow { replica, state } => {
            format!("follow {replica} leader {:?}", state.leader.map(|leader| leader.0))
        }
        Action::Configure { topic } => format!("configure {}", topic.name),
    };
    actions.iter().map(show).collect()
}

fn check_change(before: &[MetadataRecord], records: &[MetadataRecord], expected: &[&str]) {
    let old = image(before);
    let (new, changes) = change(&old, records);
    assert_eq!(shown(&on_change(&old, &new, &changes, LOCAL)), expected);
}

fn on_disk(name: &str, index: i32, id: Option<u8>) -> LogOnDisk {
    LogOnDisk { topic: name.into(), index, topic_id: id.map(|id| TopicId([id; 16])) }
}

#[test]
fn a_new_topic_is_created_then_led_or_followed() {
    check_change(
        &[],
        &topic_records("t", 7, &[&[1, 2], &[2, 1], &[2, 3]]),
        &["create t-0", "lead t-0 epoch 0", "create t-1", "follow t-1 leader Some(2)"],
    );
}

#[test]
fn a_topic_created_again_under_its_name_first_loses_its_old_log() {
    let old = topic_records("t", 7, &[&[1]]);
    let mut records = vec![MetadataRecord::RemoveTopic { id: TopicId([7; 16]) }];
    // The new id sorts before the old one: order must not depend on it.
    records.extend(topic_records("t", 3, &[&[1]]));
    check_change(&old, &records, &["delete t-0 of BwcH", "create t-0", "lead t-0 epoch 0"]);
}

#[test]
fn only_what_changed_for_this_broker_is_touched() {
    let mut before = topic_records("a", 1, &[&[1, 2], &[1, 2]]);
    before.extend(topic_records("b", 2, &[&[1, 2]]));
    let leader_moves = MetadataRecord::PartitionChange {
        topic: TopicId([1; 16]),
        index: 1,
        change: PartitionChange { leader: Some(Some(BrokerId(2))), ..PartitionChange::default() },
    };
    check_change(&before, &[leader_moves], &["follow a-1 leader Some(2)"]);
    let leaves = MetadataRecord::PartitionChange {
        topic: TopicId([2; 16]),
        index: 0,
        change: PartitionChange {
            replicas: Some(BrokerList::from_slice(&[BrokerId(2)])),
            isr: Some(BrokerList::from_slice(&[BrokerId(2)])),
            leader: Some(Some(BrokerId(2))),
            ..PartitionChange::default()
        },
    };
    check_change(&before, &[leaves], &["delete b-0 of AgIC"]);
    let configured = MetadataRecord::Config {
        resource: ConfigResource::topic("b"),
        key: "retention.ms".to_owned(),
        value: Some("1".to_owned()),
    };
    check_change(&before, &[configured], &["configure b"]);
}

#[test]
fn leaders_hear_of_brokers_that_change() {
    let mut before = topic_records("t", 1, &[&[1, 2], &[1, 3]]);
    before.push(crate::controller::testing::broker(2, None, false));
    let fenced = crate::controller::testing::broker(2, None, true);
    check_change(&before, &[fenced], &["lead t-0 epoch 0"]);
}

/// Found by the simulator: a broker was unfenced by the batch that also moved another partition of the topic.
#[test]
fn leaders_hear_of_brokers_although_another_partition_of_the_topic_changed() {
    let mut before = topic_records("t", 1, &[&[1, 2], &[1, 2]]);
    before.push(crate::controller::testing::broker(2, None, true));
    let leader_moves = MetadataRecord::PartitionChange {
        topic: TopicId([1; 16]),
        index: 1,
        change: PartitionChange { leader: Some(Some(BrokerId(2))), ..PartitionChange::default() },
    };
    let unfenced = crate::controller::testing::broker(2, None, false);
    check_change(&before, &[unfenced, leader_moves], &["follow t-1 leader Some(2)", "lead t-0 epoch 0"]);
}

#[test]
fn at_start_logs_without_a_place_are_strays() {
    let mut records = topic_records("t", 1, &[&[1], &[2], &[1]]);
    records.extend(topic_records("old", 2, &[&[1]]));
    let image = image(&records);
    let logs = [
        on_disk("t", 0, Some(1)),
        on_disk("t", 0, Some(1)),
        on_disk("t", 1, Some(1)),
        on_disk("t", 2, Some(9)),
        on_disk("gone", 0, Some(4)),
        on_disk("old", 0, None),
    ];
    let expected = [
        "stray t-0",
        "stray t-1",
        "stray t-2",
        "stray gone-0",
        "open old-0",
        "lead old-0 epoch 0",
        "open t-0",
        "lead t-0 epoch 0",
        "create t-2",
        "lead t-2 epoch 0",
    ];
    assert_eq!(shown(&at_start(&image, LOCAL, &logs)), expected);
}

proptest! {
    /// Walking image by image leaves a broker with the same replicas as starting at the last one.
    #[test]
    fn steps_and_a_fresh_start_agree(
        steps in prop::collection::vec((0u8..4, prop::collection::vec(prop::sample::subsequence(vec![1, 2, 3], 1..=3), 1..4)), 1..12)
    ) {
        let mut current = Image::default();
        let mut held: std::collections::BTreeSet<PartitionId> = std::collections::BTreeSet::new();
        for (nth, (name, assignments)) in (1u8..).zip(&steps) {
            let name = format!("t{name}");
            let mut records = Vec::new();
            if let Some(topic) = current.topics().by_name(&name) {
                records.push(MetadataRecord::RemoveTopic { id: topic.id });
            }
            // Every other step only deletes.
            if nth % 2 == 1 || records.is_empty() {
                let assignments: Vec<&[i32]> = assignments.iter().map(Vec::as_slice).collect();
                records.extend(topic_records(&name, nth, &assignments));
            }
            let (new, changes) = change(&current, &records);
            for action in on_change(&current, &new, &changes, LOCAL) {
                match action {
                    Action::Delete(replica) => prop_assert!(held.remove(&replica.id)),
                    Action::Create(replica) => prop_assert!(held.insert(replica.id)),
                    Action::Lead { replica, .. } | Action::Follow { replica, .. } => {
                        prop_assert!(held.contains(&replica.id));
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            current = new;
        }
        let wanted: std::collections::BTreeSet<PartitionId> = at_start(&current, LOCAL, &[])
            .into_iter()
            .filter_map(|action| match action {
                Action::Create(replica) => Some(replica.id),
                _ => None,
            })
            .collect();
        prop_assert_eq!(held, wanted);
    }
}
