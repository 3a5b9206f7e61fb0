//! Brokers that register, beat, fall silent and come back: what the controller records.

use super::super::testing::{Cluster, broker};
use super::*;

const SESSION_MS: u64 = 9_000;

struct World {
    cluster: Cluster,
    sessions: Sessions,
    now_ms: u64,
}

impl World {
    fn new(brokers: i32) -> Self {
        let cluster = Cluster::new(brokers, "");
        let sessions = Sessions::new(&cluster.view(), SESSION_MS, 0);
        World { cluster, sessions, now_ms: 0 }
    }

    fn register(&mut self, id: i32, incarnation: u8, previous_epoch: i64) -> Result<i64, ControllerError> {
        let MetadataRecord::RegisterBroker { broker } = broker(id, None, false) else { unreachable!() };
        let broker = BrokerRegistration { incarnation: [incarnation; 16], ..*broker };
        let request = RegisterBroker { cluster_id: "test-cluster".to_owned(), broker, previous_epoch };
        let outcome = register_broker(&self.cluster.view(), &mut self.sessions, &request, self.now_ms)?;
        self.cluster.commit(&outcome.records);
        Ok(outcome.reply)
    }

    fn heartbeat(&mut self, id: i32, shape: impl FnOnce(&mut Heartbeat)) -> HeartbeatReply {
        let epoch = self.epoch(id);
        let sequence = self.cluster.image.sequence();
        let mut request =
            Heartbeat { broker: BrokerId(id), epoch, sequence, want_fence: false, want_shutdown: false };
        shape(&mut request);
        let outcome = heartbeat(&self.cluster.view(), &mut self.sessions, &request, self.now_ms);
        let outcome = outcome.expect("the epoch is right");
        self.cluster.commit(&outcome.records);
        outcome.reply
    }

    fn epoch(&self, id: i32) -> i64 {
        self.cluster.image.brokers().get(BrokerId(id)).expect("registered").epoch
    }

    fn is_fenced(&self, id: i32) -> bool {
        self.cluster.image.brokers().get(BrokerId(id)).expect("registered").fenced
    }
}

#[test]
fn a_new_broker_is_fenced_until_its_image_has_caught_up() {
    let mut world = World::new(0);
    let epoch = world.register(4, 1, -1).expect("registered");
    assert!(world.is_fenced(4));
    let reply = world.heartbeat(4, |request| request.sequence = epoch as u64);
    assert_eq!(reply, HeartbeatReply { caught_up: false, fenced: true, shut_down: false });
    let reply = world.heartbeat(4, |_| ());
    assert_eq!(reply, HeartbeatReply { caught_up: true, fenced: false, shut_down: false });
    assert!(!world.is_fenced(4));
}

#[test]
fn epochs_only_rise_and_the_same_incarnation_keeps_its_own() {
    let mut world = World::new(0);
    let first = world.register(1, 1, -1).expect("registered");
    let _ = world.heartbeat(1, |_| ());
    let amended = world.register(1, 1, -1).expect("a repeated request");
    assert_eq!(amended, first);
    assert!(!world.is_fenced(1), "nothing changed for it");
    world.now_ms += SESSION_MS + 1;
    let second = world.register(1, 2, -1).expect("its session is over");
    assert!(second > first);
    assert!(world.is_fenced(1));
    let _ = unregister_broker(&world.cluster.view(), BrokerId(1)).map(|o| world.cluster.commit(&o.records));
    assert!(world.register(1, 3, -1).expect("registered") > second);
}

#[test]
fn a_live_brokers_id_cannot_be_taken() {
    let mut world = World::new(1);
    let error = world.register(0, 77, -1).expect_err("broker 0 lives");
    assert_eq!(error.kind, ErrorKind::DuplicateBrokerRegistration);
    assert_eq!(error.message, "Another broker is registered with that broker id.");
}

#[test]
fn strangers_are_refused() {
    let mut world = World::new(1);
    let MetadataRecord::RegisterBroker { broker } = broker(5, None, false) else { unreachable!() };
    let mut request =
        RegisterBroker { cluster_id: "another".to_owned(), broker: *broker, previous_epoch: -1 };
    let refused = |world: &mut World, request: &RegisterBroker| {
        let error = register_broker(&world.cluster.view(), &mut world.sessions, request, 0);
        error.expect_err("refused").message
    };
    let message = "Expected cluster ID test-cluster, but got cluster ID another";
    assert_eq!(refused(&mut world, &request), message);
    "test-cluster".clone_into(&mut request.cluster_id);
    world.cluster.commit(&[MetadataRecord::Feature { name: "f".to_owned(), level: 3 }]);
    request.broker.features = vec![("f".into(), 1, 2)];
    let message = "Unable to register because the broker does not support finalized version 3 of f. The \
                   broker wants a version between 1 and 2, inclusive.";
    assert_eq!(refused(&mut world, &request), message);
    let stale =
        Heartbeat { broker: BrokerId(0), epoch: 3, sequence: 0, want_fence: false, want_shutdown: false };
    let error = heartbeat(&world.cluster.view(), &mut world.sessions, &stale, 0).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::StaleBrokerEpoch);
    let unknown = Heartbeat { broker: BrokerId(9), ..stale };
    let error = heartbeat(&world.cluster.view(), &mut world.sessions, &unknown, 0).expect_err("refused");
    assert_eq!(error.message, "No broker registration found for broker id 9");
}

#[test]
fn a_silent_broker_is_fenced_and_its_partitions_move() {
    let mut world = World::new(2);
    world.cluster = world.cluster.with_topic("t", 2, 2);
    world.now_ms = SESSION_MS;
    let _ = world.heartbeat(1, |_| ());
    assert!(fence_expired(&world.cluster.view(), &mut world.sessions, world.now_ms).is_none());
    assert_eq!(world.sessions.next_expiry(), Some(SESSION_MS + 1));
    world.now_ms = SESSION_MS + 1;
    let outcome = fence_expired(&world.cluster.view(), &mut world.sessions, world.now_ms);
    let outcome = outcome.expect("broker 0 was silent");
    assert_eq!(outcome.reply, BrokerId(0));
    world.cluster.commit(&outcome.records);
    assert!(world.is_fenced(0));
    for partition in &world.cluster.image.topics().by_name("t").expect("created").partitions {
        assert_eq!((partition.leader, &partition.isr[..]), (Some(BrokerId(1)), &[BrokerId(1)][..]));
    }
    assert!(fence_expired(&world.cluster.view(), &mut world.sessions, world.now_ms).is_none());
}

#[test]
fn a_controlled_shutdown_moves_leaders_first() {
    let mut world = World::new(2);
    world.cluster = world.cluster.with_topic("t", 2, 2);
    let shutdown = |request: &mut Heartbeat| request.want_shutdown = true;
    let _ = world.heartbeat(1, |_| ());
    let reply = world.heartbeat(0, shutdown);
    assert!(!reply.shut_down && !reply.fenced);
    for partition in &world.cluster.image.topics().by_name("t").expect("created").partitions {
        assert_eq!(partition.leader, Some(BrokerId(1)));
    }
    // Broker 1 has not seen yet that it leads.
    assert!(!world.heartbeat(0, shutdown).shut_down);
    let _ = world.heartbeat(1, |_| ());
    let reply = world.heartbeat(0, shutdown);
    assert!(reply.shut_down && reply.fenced);
    assert!(world.is_fenced(0));
}

#[test]
fn one_that_leads_nothing_may_go_at_once() {
    let mut world = World::new(1);
    let reply = world.heartbeat(0, |request| request.want_shutdown = true);
    assert!(reply.fenced && reply.shut_down);
}

#[test]
fn the_only_broker_may_stop_although_nobody_can_lead() {
    let mut world = World::new(1);
    world.cluster = world.cluster.with_topic("t", 1, 1);
    let shutdown = |request: &mut Heartbeat| request.want_shutdown = true;
    assert!(!world.heartbeat(0, shutdown).shut_down);
    assert!(world.heartbeat(0, shutdown).shut_down);
    let partition = &world.cluster.image.topics().by_name("t").expect("created").partitions[0];
    assert_eq!((partition.leader, &partition.isr[..]), (None, &[BrokerId(0)][..]));
    let clean = world.epoch(0);
    let _ = world.register(0, 9, clean).expect("back again");
    let _ = world.heartbeat(0, |_| ());
    let partition = &world.cluster.image.topics().by_name("t").expect("created").partitions[0];
    assert_eq!(partition.leader, Some(BrokerId(0)));
}

#[test]
fn only_a_registered_broker_can_be_unregistered() {
    let world = World::new(1);
    let error = unregister_broker(&world.cluster.view(), BrokerId(3)).expect_err("not there");
    assert_eq!(error.message, "Broker ID 3 is not currently registered");
    assert_eq!(error.kind, ErrorKind::BrokerIdNotRegistered);
}
