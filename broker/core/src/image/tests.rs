//! Records against images: applying, snapshots, bytes, sharing.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ids::{BrokerId, TopicId};

/// What may happen to a cluster, so that any sequence of it gives records that apply.
#[derive(Debug, Clone)]
enum Step {
    Create { name: u8, partitions: u8 },
    Remove { nth: usize },
    Change { nth: usize, index: usize, change: PartitionChange },
    Config { resource: ConfigResource, key: String, value: Option<String> },
    Register { id: i32, fenced: bool },
    Unregister { nth: usize },
    Fence { nth: usize, change: BrokerChange },
    Feature { name: String, level: i16 },
    ProducerIds,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec![
        ResourceKind::Topic,
        ResourceKind::Broker,
        ResourceKind::Group,
        ResourceKind::ClientMetrics,
    ]);
    let resource = (kind, "[a-c]?").prop_map(|(kind, name)| ConfigResource { kind, name });
    let broker_change = (any::<Option<bool>>(), any::<Option<bool>>())
        .prop_map(|(fenced, in_controlled_shutdown)| BrokerChange { fenced, in_controlled_shutdown });
    prop_oneof![
        (any::<u8>(), 1u8..5).prop_map(|(name, partitions)| Step::Create { name, partitions }),
        any::<usize>().prop_map(|nth| Step::Remove { nth }),
        (any::<usize>(), any::<usize>(), partition_change()).prop_map(|(nth, index, change)| Step::Change {
            nth,
            index,
            change
        }),
        (resource, "[a-z.]{1,8}", any::<Option<String>>()).prop_map(|(resource, key, value)| Step::Config {
            resource,
            key,
            value
        }),
        (0i32..6, any::<bool>()).prop_map(|(id, fenced)| Step::Register { id, fenced }),
        any::<usize>().prop_map(|nth| Step::Unregister { nth }),
        (any::<usize>(), broker_change).prop_map(|(nth, change)| Step::Fence { nth, change }),
        ("[a-b]", 0i16..3).prop_map(|(name, level)| Step::Feature { name, level }),
        Just(Step::ProducerIds),
    ]
}

/// Changes that keep a partition of replicas 0, 1, 2 (and 3 in its ELR) consistent.
fn partition_change() -> impl Strategy<Value = PartitionChange> {
    let list = |ids: &'static [i32]| {
        let ids: Vec<BrokerId> = ids.iter().map(|id| BrokerId(*id)).collect();
        prop::option::of(prop::sample::subsequence(ids.clone(), 0..=ids.len()).prop_map(BrokerList::from_vec))
    };
    let isr = list(&[1, 2])
        .prop_map(|isr| isr.map(|isr| std::iter::once(BrokerId(0)).chain(isr).collect::<BrokerList>()));
    let leader = prop::option::of(prop::option::of(Just(BrokerId(0))));
    (isr, leader, any::<Option<bool>>(), list(&[1, 2]), list(&[9]), list(&[3]), list(&[3])).prop_map(
        |(isr, leader, leader_recovering, adding, removing, elr, last_known_elr)| PartitionChange {
            replicas: None,
            isr,
            leader,
            leader_recovering,
            adding,
            removing,
            elr,
            last_known_elr,
        },
    )
}

fn records(image: &Image, step: &Step, nth_step: usize) -> Vec<MetadataRecord> {
    let topic = |nth: usize| image.topics().iter().nth(nth % image.topics().len().max(1));
    let broker = |nth: usize| image.brokers().iter().nth(nth % image.brokers().iter().count().max(1));
    match step {
        Step::Create { name, partitions } => created(image, &format!("t.{name}"), *partitions, nth_step),
        Step::Remove { nth } => {
            topic(*nth).map(|topic| MetadataRecord::RemoveTopic { id: topic.id }).into_iter().collect()
        }
        Step::Change { nth, index, change } => topic(*nth)
            .map(|topic| MetadataRecord::PartitionChange {
                topic: topic.id,
                index: (*index % topic.partitions.len()) as i32,
                change: change.clone(),
            })
            .into_iter()
            .collect(),
        Step::Config { resource, key, value } => vec![MetadataRecord::Config {
            resource: resource.clone(),
            key: key.clone(),
            value: value.clone(),
        }],
        Step::Register { id, fenced } => vec![registered(*id, *fenced, image.sequence() as i64)],
        Step::Unregister { nth } => broker(*nth)
            .map(|broker| MetadataRecord::UnregisterBroker { id: broker.id, epoch: broker.epoch })
            .into_iter()
            .collect(),
        Step::Fence { nth, change } => broker(*nth)
            .map(|broker| MetadataRecord::BrokerChange {
                id: broker.id,
                epoch: broker.epoch,
                change: *change,
            })
            .into_iter()
            .collect(),
        Step::Feature { name, level } => vec![MetadataRecord::Feature { name: name.clone(), level: *level }],
        Step::ProducerIds => vec![MetadataRecord::ProducerIds {
            broker: BrokerId(1),
            broker_epoch: 2,
            next: image.next_producer_id() + 1000,
        }],
    }
}

fn created(image: &Image, name: &str, partitions: u8, nth_step: usize) -> Vec<MetadataRecord> {
    if image.topics().by_name(name).is_some() {
        return Vec::new();
    }
    let id = TopicId((nth_step as u128 + 1000).to_be_bytes());
    let replicas: BrokerList = (0..4).map(BrokerId).collect();
    let isr = BrokerList::from_slice(&[BrokerId(0), BrokerId(1)]);
    let partition = Partition::new(replicas, isr);
    let partitions = (0..i32::from(partitions)).map(|index| MetadataRecord::Partition {
        topic: id,
        index,
        partition: partition.clone(),
    });
    std::iter::once(MetadataRecord::Topic { name: name.to_owned(), id }).chain(partitions).collect()
}

fn registered(id: i32, fenced: bool, epoch: i64) -> MetadataRecord {
    let endpoint = Endpoint {
        listener: "PLAINTEXT".into(),
        host: "hadoop01".into(),
        port: 9092,
        security: SecurityProtocol::Plaintext,
    };
    MetadataRecord::RegisterBroker {
        broker: Box::new(BrokerRegistration {
            id: BrokerId(id),
            epoch,
            incarnation: [id as u8; 16],
            endpoints: vec![endpoint],
            rack: (id % 2 == 0).then(|| "r1".into()),
            features: vec![("metadata.version".into(), 1, 25)],
            fenced,
            in_controlled_shutdown: false,
        }),
    }
}

proptest! {
    /// Whatever happens: a batch and its bytes say the same, applying them gives a consistent image, old images
    /// stay as they were, and a snapshot of the image is the image.
    #[test]
    fn images_follow_their_records(steps in prop::collection::vec(step(), 1..40)) {
        let mut image = Image::default();
        for (nth, step) in steps.iter().enumerate() {
            let batch = MetadataBatch { previous_sequence: image.sequence(), records: records(&image, step, nth) };
            let decoded = MetadataBatch::decode(&batch.encode()).expect("own bytes decode");
            prop_assert_eq!(&decoded, &batch);
            let before: Vec<MetadataRecord> = image.to_records().collect();
            let (next, _) = image.apply(&decoded).expect("records apply");
            prop_assert_eq!(before, image.to_records().collect::<Vec<_>>(), "an image never changes");
            prop_assert_eq!(next.sequence(), image.sequence() + batch.records.len() as u64);
            next.check_invariants();
            image = next;
        }
        let records: Vec<MetadataRecord> = image.to_records().collect();
        prop_assert_eq!(Image::from_snapshot(image.sequence(), &records).expect("snapshot applies"), image);
    }

    /// One delta over many records gives what batch after batch gives, and names all that differs.
    #[test]
    fn a_delta_names_what_changed(steps in prop::collection::vec(step(), 1..30)) {
        let base = Image::default();
        let mut delta = Delta::new(&base);
        for (nth, step) in steps.iter().enumerate() {
            let records = records(delta.image(), step, nth);
            delta.replay_all(&records).expect("records apply");
        }
        let (image, changes) = delta.finish();
        for topic in image.topics().iter() {
            prop_assert!(changes.topics.contains(&topic.id));
        }
        for broker in image.brokers().iter() {
            prop_assert!(changes.brokers.contains(&broker.id));
        }
        for (resource, _) in image.configs().iter() {
            prop_assert!(changes.configs.contains(resource));
        }
    }

    /// No bytes panic or allocate beyond their size; what decodes encodes again.
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(batch) = MetadataBatch::decode(&bytes) {
            prop_assert_eq!(MetadataBatch::decode(&batch.encode()).expect("own bytes decode"), batch);
        }
    }

    /// One damaged byte never panics.
    #[test]
    fn a_damaged_batch_is_refused_or_differs(steps in prop::collection::vec(step(), 1..8), at in any::<usize>(), flip in 1u8..) {
        let mut image = Image::default();
        let mut all = Vec::new();
        for (nth, step) in steps.iter().enumerate() {
            let batch = MetadataBatch { previous_sequence: image.sequence(), records: records(&image, step, nth) };
            image = image.apply(&batch).expect("records apply").0;
            all.extend(batch.records);
        }
        let batch = MetadataBatch { previous_sequence: 0, records: all };
        let mut bytes = batch.encode();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        prop_assert_ne!(MetadataBatch::decode(&bytes).ok(), Some(batch));
    }
}

fn one_topic() -> Image {
    let records = created(&Image::default(), "orders", 2, 0);
    Image::default().apply(&MetadataBatch { previous_sequence: 0, records }).expect("records apply").0
}

#[test]
fn a_batch_made_for_another_image_is_refused() {
    let image = one_topic();
    let late = MetadataBatch { previous_sequence: 2, records: vec![registered(1, true, 5)] };
    let error = image.apply(&late).expect_err("another controller was faster");
    assert_eq!(error, ApplyError::OutOfSequence { batch: 2, image: 3 });
    let expected = "metadata batch follows sequence 2, but this image is at 3; the batch is not applied";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn records_that_do_not_fit_are_refused_and_change_nothing() {
    let image = one_topic();
    let id = image.topics().by_name("orders").expect("created").id;
    let stranger = TopicId([9; 16]);
    let partition = image.topics().by_name("orders").expect("created").partitions[0].clone();
    let misfits = [
        MetadataRecord::Topic { name: "orders".to_owned(), id: stranger },
        MetadataRecord::Topic { name: "other".to_owned(), id },
        MetadataRecord::Partition { topic: id, index: 3, partition: partition.clone() },
        MetadataRecord::Partition { topic: stranger, index: 0, partition },
        MetadataRecord::PartitionChange { topic: id, index: -1, change: PartitionChange::default() },
        MetadataRecord::RemoveTopic { id: stranger },
        MetadataRecord::UnregisterBroker { id: BrokerId(1), epoch: 4 },
    ];
    for record in misfits {
        let mut delta = Delta::new(&image);
        assert!(delta.replay(&record).is_err(), "{record:?}");
        assert_eq!(delta.image(), &image);
    }
}

#[test]
fn a_change_copies_only_its_topic() {
    let image = one_topic();
    let mut delta = Delta::new(&image);
    delta.replay_all(&created(&image, "payments", 1, 7)).expect("records apply");
    let (next, _) = delta.finish();
    let shared = |image: &Image| Arc::as_ptr(image.topics().by_name("orders").expect("created"));
    assert_eq!(shared(&image), shared(&next));
    assert!(image.topics().by_name("payments").is_none());
}

#[test]
fn a_topic_takes_its_configuration_with_it() {
    let image = one_topic();
    let resource = ConfigResource::topic("orders");
    let set = MetadataRecord::Config {
        resource: resource.clone(),
        key: "retention.ms".to_owned(),
        value: Some("1".to_owned()),
    };
    let id = image.topics().by_name("orders").expect("created").id;
    let mut delta = Delta::new(&image);
    delta.replay(&set).expect("applies");
    assert_eq!(delta.image().configs().value(&resource, "retention.ms"), Some("1"));
    delta.replay(&MetadataRecord::RemoveTopic { id }).expect("applies");
    assert!(delta.image().configs().get(&resource).is_none());
    assert!(delta.image().topics().by_id(id).is_none());
}

#[test]
fn names_that_differ_in_dots_and_underscores_collide() {
    let mut delta = Delta::new(&Image::default());
    delta.replay_all(&created(&Image::default(), "a.b_c", 1, 0)).expect("records apply");
    let topics = delta.image().topics();
    assert_eq!(topics.colliding_with("a_b.c"), Some("a.b_c"));
    assert_eq!(topics.colliding_with("a-b.c"), None);
}

#[test]
fn bytes_of_newer_versions_are_refused_by_name() {
    let batch = MetadataBatch {
        previous_sequence: 7,
        records: vec![MetadataRecord::Feature { name: "f".to_owned(), level: 1 }],
    };
    let good = batch.encode();
    let check = |at: usize, byte: u8, expected: &str| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(MetadataBatch::decode(&bytes).expect_err("refused").to_string(), expected);
    };
    let upgrade = "is unknown to this version; upgrade this node before it joins the cluster";
    check(0, 2, &format!("metadata batch format 2 {upgrade}"));
    check(13, 99, &format!("metadata record tag 99 {upgrade}"));
    check(14, 2, &format!("metadata record version 2 {upgrade}"));
    check(12, 2, "metadata of 26 bytes ends inside record tag");
    check(18, 6, "metadata of 6 bytes ends inside feature level");
    let longer = [good.as_slice(), &[0]].concat();
    let error = MetadataBatch::decode(&longer).expect_err("refused");
    assert_eq!(error.to_string(), "1 bytes are left over after metadata batch");
}

/// The bytes of every record, so that no later version changes what is in clusters' logs.
#[test]
fn the_bytes_are_as_they_always_were() {
    let batch = MetadataBatch {
        previous_sequence: 0x0102,
        records: vec![
            MetadataRecord::ClusterId { id: "c".to_owned() },
            MetadataRecord::BrokerChange {
                id: BrokerId(3),
                epoch: 4,
                change: BrokerChange { fenced: Some(true), in_controlled_shutdown: None },
            },
        ],
    };
    let expected = [
        &[1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 2][..],
        &[1, 1, 0, 0, 0, 5, 0, 0, 0, 1, b'c'],
        &[9, 1, 0, 0, 0, 15, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 1, 1, 0],
    ];
    assert_eq!(batch.encode(), expected.concat());
}

#[test]
fn a_partition_is_small() {
    assert!(size_of::<Partition>() <= 96, "{} bytes", size_of::<Partition>());
}
