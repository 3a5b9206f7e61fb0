//! What else a leader is asked: epochs of requests, the low watermark, the nearest replica.

use super::*;

#[test]
fn leader_epochs_of_requests_are_checked() {
    let (world, _) = World::new(&["replicas=1"]);
    let leader = LeaderState { leader_epoch: 5, ..world.leader };
    assert_eq!(leader.check_leader_epoch(None), Ok(()));
    assert_eq!(leader.check_leader_epoch(Some(5)), Ok(()));
    let (current, fenced, unknown) =
        (5, leader.check_leader_epoch(Some(4)), leader.check_leader_epoch(Some(6)));
    assert_eq!(fenced, Err(EpochMismatch::Fenced { requested: 4, current }));
    assert_eq!(unknown, Err(EpochMismatch::Unknown { requested: 6, current }));
}

#[test]
fn records_are_gone_once_no_live_replica_has_them() {
    let (mut world, _) = World::new(&["replicas=1,2,3", "end=9"]);
    for (broker, log_start_offset) in [(2, 4), (3, 2)] {
        let broker = BrokerId(broker);
        let fetch = FollowerFetch { broker, broker_epoch: -1, offset: 9, log_start_offset };
        let _ = world.leader.on_follower_fetch(&fetch, world.now_ms).expect("a replica");
    }
    world.leader.on_log_start_advanced(6);
    assert_eq!(world.leader.low_watermark(), 2);
    let _ = world.register(BrokerId(3), 30, true);
    assert_eq!(world.leader.low_watermark(), 4);
}

#[test]
fn consumers_are_sent_to_the_nearest_in_sync_replica() {
    let (mut world, _) = World::new(&["replicas=1,2,3", "isr=1,2", "end=5"]);
    for (id, rack) in [(1, "a"), (2, "b"), (3, "c")] {
        let mut broker = world.image.brokers().get(BrokerId(id)).expect("there").as_ref().clone();
        broker.rack = Some(rack.into());
        let mut delta = Delta::new(&world.image);
        delta.replay(&MetadataRecord::RegisterBroker { broker: Box::new(broker) }).expect("applies");
        world.image = delta.finish().0;
    }
    for fetch in ["fetch 2 4", "fetch 3 4"] {
        let _ = world.step(fetch).expect("a replica");
    }
    let nearest = |rack, offset| world.leader.preferred_read_replica(rack, offset, world.image.brokers());
    assert_eq!(nearest("a", 4), Some(BrokerId(1)));
    assert_eq!(nearest("b", 4), Some(BrokerId(2)));
    assert_eq!(nearest("b", 5), None, "it does not have that offset");
    assert_eq!(nearest("c", 4), None, "it is not in sync");
    assert_eq!(nearest("d", 4), None);
}
