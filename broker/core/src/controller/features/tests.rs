//! Feature levels: which updates are taken.

use super::super::testing::{Cluster, broker};
use super::*;
use crate::ids::BrokerId;
use crate::image::{BrokerList, PartitionChange};

const SUPPORTED: [SupportedFeature; 1] = [SupportedFeature { name: "f", lowest: 1, highest: 3 }];

fn check(cluster: &Cluster, name: &str, level: i16, kind: UpdateKind, expected: Result<usize, &str>) {
    let update = FeatureUpdate { name: name.to_owned(), level, kind };
    let result = update_features(&cluster.view(), &SUPPORTED, &[update], false);
    let result = result.map(|outcome| outcome.records.len()).map_err(|error| {
        assert_eq!(error.kind, ErrorKind::InvalidUpdateVersion);
        error.message
    });
    assert_eq!(result.as_ref().map_err(String::as_str), expected.as_ref().map_err(|text| *text));
}

#[test]
fn features_move_where_everybody_can_follow() {
    let mut cluster = Cluster::new(0, "");
    let MetadataRecord::RegisterBroker { broker: mut registration } = broker(1, None, false) else { return };
    registration.features = vec![("f".into(), 1, 2)];
    cluster.commit(&[MetadataRecord::RegisterBroker { broker: registration }]);
    let prefix = |level| format!("Invalid update version {level} for feature f. ");
    check(&cluster, "f", 2, UpdateKind::Upgrade, Ok(1));
    let message = prefix(3) + "Broker 1 only supports versions 1-2";
    check(&cluster, "f", 3, UpdateKind::Upgrade, Err(&message));
    let message = prefix(4) + "Local controller only supports versions 1-3";
    check(&cluster, "f", 4, UpdateKind::Upgrade, Err(&message));
    let message = prefix(-1) + "A feature version cannot be less than 0.";
    check(&cluster, "f", -1, UpdateKind::Upgrade, Err(&message));
    let message =
        "Invalid update version 1 for feature g. Local controller does not support this feature.".to_owned();
    check(&cluster, "g", 1, UpdateKind::Upgrade, Err(&message));
    cluster.commit(&[MetadataRecord::Feature { name: "f".to_owned(), level: 2 }]);
    check(&cluster, "f", 2, UpdateKind::Upgrade, Ok(0));
    check(&cluster, "f", 1, UpdateKind::SafeDowngrade, Ok(1));
    let message = prefix(1)
        + "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
           unsafe downgrade.";
    check(&cluster, "f", 1, UpdateKind::Upgrade, Err(&message));
}

#[test]
fn eligible_replicas_come_with_one_min_isr_for_all() {
    let mut cluster = Cluster::new(0, "min.insync.replicas=2\n");
    let own = ConfigResource { kind: ResourceKind::Broker, name: "1".to_owned() };
    let set = |resource: &ConfigResource, value: Option<&str>| MetadataRecord::Config {
        resource: resource.clone(),
        key: MIN_ISR.to_owned(),
        value: value.map(str::to_owned),
    };
    cluster.commit(&[set(&own, Some("3"))]);
    let name = ELIGIBLE_LEADER_REPLICAS;
    let supported = [SupportedFeature { name, lowest: 0, highest: 1 }];
    let update = FeatureUpdate { name: name.to_owned(), level: 1, kind: UpdateKind::Upgrade };
    let outcome = update_features(&cluster.view(), &supported, &[update], false).expect("supported");
    let feature = MetadataRecord::Feature { name: name.to_owned(), level: 1 };
    let cluster_default = set(&ConfigResource::cluster_default(), Some("2"));
    assert_eq!(outcome.records, [feature, cluster_default, set(&own, None)]);
}

#[test]
fn eligible_replicas_are_not_switched_off_while_a_partition_waits_for_them() {
    let mut cluster = Cluster::new(2, "").with_topic("t", 1, 2);
    let name = ELIGIBLE_LEADER_REPLICAS;
    let update = |kind| {
        let supported = [SupportedFeature { name, lowest: 0, highest: 1 }];
        let update = FeatureUpdate { name: name.to_owned(), level: 0, kind };
        move |cluster: &Cluster| update_features(&cluster.view(), &supported, &[update], false)
    };
    cluster.commit(&[MetadataRecord::Feature { name: name.to_owned(), level: 1 }]);
    assert_eq!(update(UpdateKind::SafeDowngrade)(&cluster).expect("nobody waits").records.len(), 1);
    let topic = cluster.image.topics().by_name("t").expect("it was created").id;
    let change = PartitionChange {
        isr: Some(BrokerList::new()),
        elr: Some([BrokerId(1)].into_iter().collect()),
        leader: Some(None),
        ..PartitionChange::default()
    };
    cluster.commit(&[MetadataRecord::PartitionChange { topic, index: 0, change }]);
    let refused = update(UpdateKind::SafeDowngrade)(&cluster).expect_err("it would forget broker 1");
    assert_eq!(refused.kind, ErrorKind::InvalidUpdateVersion);
    assert!(refused.message.contains("1 partition(s), such as t-0,"), "{}", refused.message);
    assert_eq!(update(UpdateKind::UnsafeDowngrade)(&cluster).expect("it was meant").records.len(), 1);
}
