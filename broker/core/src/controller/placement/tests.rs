//! Where replicas go: spread over brokers and racks.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::testing::{Cluster, broker};
use super::*;

fn cluster(brokers: &[(i32, Option<&str>, bool)]) -> Image {
    let mut cluster = Cluster::new(0, "");
    for (id, rack, fenced) in brokers {
        cluster.commit(&[broker(*id, *rack, *fenced)]);
    }
    cluster.image
}

fn leaders(placed: &[BrokerList]) -> Vec<usize> {
    let mut count = vec![0; 16];
    placed.iter().for_each(|replicas| count[replicas[0].0 as usize] += 1);
    count
}

#[test]
fn what_cannot_be_placed_is_said() {
    let image = cluster(&[(0, None, false), (1, None, true)]);
    assert_eq!(place(&image, 1, 0, 1), Err(PlacementError::NotPositive(0)));
    let error = PlacementError::TooFewBrokers { replication_factor: 3, brokers: 2 };
    assert_eq!(place(&image, 1, 3, 1), Err(error));
    let fenced = cluster(&[(0, None, true)]);
    assert_eq!(place(&fenced, 1, 1, 1), Err(PlacementError::AllFenced));
    assert_eq!(place(&cluster(&[]), 1, 1, 1), Err(PlacementError::AllFenced));
}

#[test]
fn a_fenced_broker_follows_but_never_leads() {
    let image = cluster(&[(0, None, true), (1, None, false), (2, None, true)]);
    for replicas in place(&image, 20, 3, 3).expect("three brokers") {
        assert_eq!(replicas[0], BrokerId(1));
        assert_eq!(replicas.len(), 3);
    }
}

#[test]
fn replicas_lie_in_different_racks() {
    let image = cluster(&[
        (0, Some("a"), false),
        (1, Some("a"), false),
        (2, Some("b"), false),
        (3, Some("b"), false),
        (4, Some("c"), false),
        (5, Some("c"), false),
    ]);
    for seed in 0..50 {
        let placed = place(&image, 12, 3, seed).expect("six brokers");
        for replicas in &placed {
            let racks: BTreeSet<i32> = replicas.iter().map(|broker| broker.0 / 2).collect();
            assert_eq!(racks.len(), 3, "{replicas:?}");
        }
    }
}

#[test]
fn leaders_are_spread_evenly() {
    let image = cluster(&(0..4).map(|id| (id, None, false)).collect::<Vec<_>>());
    for seed in 0..50 {
        let placed = place(&image, 4, 2, seed).expect("four brokers");
        assert_eq!(leaders(&placed)[..4], [1, 1, 1, 1]);
    }
}

proptest! {
    #[test]
    fn replicas_are_distinct_and_a_seed_decides(
        brokers in prop::collection::vec((prop::option::of(0u8..3), any::<bool>()), 1..9),
        partitions in 0usize..40,
        replication_factor in 1i32..9,
        seed: u64,
    ) {
        let names = ["a", "b", "c"];
        let brokers: Vec<_> = (0..)
            .zip(&brokers)
            .map(|(id, (rack, fenced))| (id, rack.map(|rack| names[usize::from(rack)]), *fenced))
            .collect();
        let image = cluster(&brokers);
        let placed = place(&image, partitions, replication_factor, seed);
        prop_assert_eq!(&placed, &place(&image, partitions, replication_factor, seed));
        let Ok(placed) = placed else { return Ok(()) };
        prop_assert_eq!(placed.len(), partitions);
        let live = brokers.iter().filter(|(_, _, fenced)| !fenced).count();
        for replicas in &placed {
            prop_assert_eq!(replicas.len(), replication_factor as usize);
            let distinct: BTreeSet<_> = replicas.iter().collect();
            prop_assert_eq!(distinct.len(), replicas.len());
            prop_assert!(!brokers[replicas[0].0 as usize].2, "a fenced broker would lead");
            let fenced = replicas.iter().filter(|broker| brokers[broker.0 as usize].2).count();
            prop_assert!(fenced == 0 || replicas.len() > 1 || live == 0);
        }
    }
}
