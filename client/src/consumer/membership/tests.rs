//! Members against a coordinator made of a few lines, with answers late, lost and refused at random.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rkafka_wire::ErrorCode;

use super::*;

fn config(kind: AssignorKind) -> ConsumerConfig {
    ConsumerConfig::new("a:1").unwrap().with_group_id("g").with_assignors([kind])
}

fn refusal(code: ErrorCode) -> ApiError {
    ApiError { code, message: code.message().to_owned() }
}

fn topics(count: u32) -> Topics {
    Topics { partitions: [("t".to_owned(), count)].into(), ..Topics::default() }
}

fn member(kind: AssignorKind, now: Instant) -> Membership {
    let mut member = Membership::new(&config(kind), now).unwrap();
    member.set_topics(["t".to_owned()].into());
    member
}

/// Runs a member alone through a join and returns what it was told.
fn join_alone(member: &mut Membership, now: Instant, generation: i32) -> Vec<Notice> {
    member.polled(now);
    let mut notices = tell(member);
    let Some(GroupRequest::Join(join)) = member.next_request(now) else { panic!("a join is due") };
    let answer = JoinAnswer {
        generation,
        protocol: join.protocols[0].0.to_owned(),
        leader: "m".into(),
        member_id: "m".into(),
        skip_assignment: false,
        members: vec![("m".into(), None, join.protocols[0].1.clone())],
    };
    assert_eq!(member.joined(now, join.identity.attempt, Ok(answer)), Answered::Fine);
    member.assign(&topics(4));
    let Some(GroupRequest::Sync(sync)) = member.next_request(now) else { panic!("a sync is due") };
    let blob = sync.assignments[0].1.clone();
    assert_eq!(member.synced(now, sync.identity.attempt, Ok(blob)), Answered::Fine);
    notices.extend(tell(member));
    notices
}

fn tell(member: &mut Membership) -> Vec<Notice> {
    let mut told = Vec::new();
    while let Some(notice) = member.notice().cloned() {
        member.noticed();
        told.push(notice);
    }
    told
}

fn all(count: i32) -> BTreeSet<TopicPartition> {
    (0..count).map(|index| TopicPartition::new("t", index)).collect()
}

#[test]
fn joins_beats_and_leaves() {
    let now = Instant::now();
    let mut member = member(AssignorKind::Range, now);
    assert_eq!(join_alone(&mut member, now, 1), [Notice::Assigned(all(4))]);
    assert!(member.is_stable());
    assert_eq!(member.next_request(now), None);
    let beat = member.next_deadline(now).unwrap();
    assert_eq!(beat, now + Duration::from_secs(3));
    assert!(matches!(member.next_request(beat), Some(GroupRequest::Heartbeat(_))));
    assert_eq!(member.next_request(beat + Duration::from_secs(10)), None, "one at a time");
    member.leave();
    assert!(
        matches!(member.next_request(beat), Some(GroupRequest::Leave(identity)) if identity.generation == 1)
    );
    assert_eq!(member.next_request(beat), None);
    assert_eq!(member.owned(), &BTreeSet::new());
}

#[test]
fn an_eager_member_gives_up_all_a_cooperative_one_nothing() {
    let now = Instant::now();
    for (kind, expected) in [
        (AssignorKind::Sticky, vec![Notice::Revoked(all(4)), Notice::Assigned(all(4))]),
        (AssignorKind::CooperativeSticky, vec![Notice::Assigned(BTreeSet::new())]),
    ] {
        let mut member = member(kind, now);
        join_alone(&mut member, now, 1);
        let later = now + Duration::from_secs(3);
        assert!(matches!(member.next_request(later), Some(GroupRequest::Heartbeat(_))));
        let attempt = member.identity().attempt;
        member.heartbeat_answered(later, attempt, Err(refusal(ErrorCode::RebalanceInProgress)));
        assert!(!member.is_stable());
        assert_eq!(member.next_request(later), None, "the program has to poll first");
        assert_eq!(join_alone(&mut member, later, 2), expected, "{kind:?}");
    }
}

#[test]
fn a_fenced_member_has_lost_its_partitions() {
    let now = Instant::now();
    for code in [ErrorCode::UnknownMemberId, ErrorCode::IllegalGeneration] {
        let mut member = member(AssignorKind::CooperativeSticky, now);
        join_alone(&mut member, now, 1);
        let attempt = member.identity().attempt;
        member.heartbeat_answered(now, attempt, Err(refusal(code)));
        // An answer of the generation before changes nothing any more.
        assert_eq!(member.heartbeat_answered(now, attempt, Err(refusal(code))), Answered::Fine);
        assert_eq!(member.identity().generation, -1);
        assert_eq!(member.identity().member_id.is_empty(), code == ErrorCode::UnknownMemberId);
        let later = now + Duration::from_secs(1);
        let told = join_alone(&mut member, later, 3);
        assert_eq!(told, [Notice::Lost(all(4)), Notice::Assigned(all(4))], "{code:?}");
    }
}

#[test]
fn a_program_that_does_not_poll() {
    let now = Instant::now();
    let mut member = member(AssignorKind::Range, now);
    join_alone(&mut member, now, 1);
    let late = now + Duration::from_secs(301);
    assert!(matches!(member.next_request(late), Some(GroupRequest::Leave(_))));
    assert_eq!(member.next_request(late), None);
    assert_eq!(member.next_deadline(late), None);
    let told = join_alone(&mut member, late, 2);
    assert_eq!(told, [Notice::Lost(all(4)), Notice::Assigned(all(4))]);
}

#[test]
fn a_static_member_falls_silent() {
    let now = Instant::now();
    let config = config(AssignorKind::Range).with_group_instance_id("one");
    let mut member = Membership::new(&config, now).unwrap();
    member.set_topics(["t".to_owned()].into());
    join_alone(&mut member, now, 1);
    let late = now + Duration::from_secs(301);
    assert_eq!(member.next_request(late), None);
    assert!(member.next_deadline(late).is_none_or(|at| at > late));
    member.leave();
    assert_eq!(member.next_request(late), None, "it may come back within the session timeout");
}

#[test]
fn a_member_id_is_required_first() {
    let now = Instant::now();
    let mut member = member(AssignorKind::Range, now);
    member.polled(now);
    let Some(GroupRequest::Join(join)) = member.next_request(now) else { panic!() };
    assert_eq!(join.identity.member_id, "");
    let refused = (refusal(ErrorCode::MemberIdRequired), "given".to_owned());
    member.joined(now, join.identity.attempt, Err(refused));
    let Some(GroupRequest::Join(join)) = member.next_request(now) else { panic!() };
    assert_eq!(join.identity.member_id, "given");
}

#[test]
fn what_no_retry_cures() {
    let now = Instant::now();
    let mut member = member(AssignorKind::Range, now);
    member.polled(now);
    let Some(GroupRequest::Join(join)) = member.next_request(now) else { panic!() };
    let refused = refusal(ErrorCode::InconsistentGroupProtocol);
    let answered = member.joined(now, join.identity.attempt, Err((refused.clone(), String::new())));
    assert_eq!(answered, Answered::Fatal(refused));
    assert_eq!(member.next_request(now + Duration::from_secs(9)), None);
}

#[test]
fn another_coordinator() {
    let now = Instant::now();
    let mut member = member(AssignorKind::Range, now);
    member.polled(now);
    let Some(GroupRequest::Join(join)) = member.next_request(now) else { panic!() };
    assert_eq!(member.unanswered(now, join.identity.attempt), Answered::CoordinatorLost);
    assert_eq!(member.next_request(now), None, "not at once");
    let later = member.next_deadline(now).unwrap();
    assert!(matches!(member.next_request(later), Some(GroupRequest::Join(_))));
}

/// A coordinator: it lets all present members join, then syncs them.
#[derive(Default)]
struct Coordinator {
    generation: i32,
    next_member: u32,
    members: BTreeSet<String>,
    joining: BTreeMap<usize, JoinRequest>,
    syncing: BTreeMap<usize, SyncRequest>,
    assignments: Option<BTreeMap<String, Bytes>>,
    is_rebalancing: bool,
}

struct World {
    now: Instant,
    members: Vec<Membership>,
    coordinator: Coordinator,
    ids: BTreeMap<usize, String>,
    /// Who may read what, by generation.
    readers: BTreeMap<(i32, TopicPartition), usize>,
}

impl World {
    fn new(kind: AssignorKind, count: usize) -> World {
        let now = Instant::now();
        let members = (0..count).map(|_| member(kind, now)).collect();
        let (coordinator, ids, readers) = Default::default();
        World { now, members, coordinator, ids, readers }
    }

    fn poll(&mut self, at: usize) {
        self.members[at].polled(self.now);
        tell(&mut self.members[at]);
        while let Some(request) = self.members[at].next_request(self.now) {
            match request {
                GroupRequest::Join(mut join) => {
                    if join.identity.member_id.is_empty() {
                        self.coordinator.next_member += 1;
                        join.identity.member_id = format!("m{}", self.coordinator.next_member);
                        self.ids.insert(at, join.identity.member_id.clone());
                    }
                    self.coordinator.members.insert(join.identity.member_id.clone());
                    self.coordinator.is_rebalancing = true;
                    self.coordinator.joining.insert(at, join);
                }
                GroupRequest::Sync(sync) => drop(self.coordinator.syncing.insert(at, sync)),
                GroupRequest::Heartbeat(identity) => self.beat(at, &identity),
                GroupRequest::Leave(identity) => {
                    self.coordinator.members.remove(&identity.member_id);
                    self.coordinator.is_rebalancing = true;
                }
            }
        }
    }

    fn beat(&mut self, at: usize, identity: &Identity) {
        let coordinator = &self.coordinator;
        let answer = if !coordinator.members.contains(&identity.member_id) {
            Err(refusal(ErrorCode::UnknownMemberId))
        } else if identity.generation != coordinator.generation {
            Err(refusal(ErrorCode::IllegalGeneration))
        } else if coordinator.is_rebalancing {
            Err(refusal(ErrorCode::RebalanceInProgress))
        } else {
            Ok(())
        };
        self.members[at].heartbeat_answered(self.now, identity.attempt, answer);
    }

    /// Ends the join phase once every member has come; ends the sync phase once the leader has.
    fn coordinate(&mut self) {
        let coordinator = &mut self.coordinator;
        let joined: BTreeSet<String> =
            coordinator.joining.values().map(|join| join.identity.member_id.clone()).collect();
        if coordinator.is_rebalancing && !joined.is_empty() && joined == coordinator.members {
            coordinator.is_rebalancing = false;
            coordinator.generation += 1;
            coordinator.assignments = None;
            for (at, sync) in std::mem::take(&mut coordinator.syncing) {
                let late = Err(refusal(ErrorCode::RebalanceInProgress));
                self.members[at].synced(self.now, sync.identity.attempt, late);
            }
            let joining = std::mem::take(&mut coordinator.joining);
            let leader = joining.values().next().map(|join| join.identity.member_id.clone()).unwrap();
            let subscriptions: Vec<_> = joining
                .values()
                .map(|join| (join.identity.member_id.clone(), None, join.protocols[0].1.clone()))
                .collect();
            for (at, join) in joining {
                let is_leader = join.identity.member_id == leader;
                let answer = JoinAnswer {
                    generation: coordinator.generation,
                    protocol: join.protocols[0].0.to_owned(),
                    leader: leader.clone(),
                    member_id: join.identity.member_id.clone(),
                    skip_assignment: false,
                    members: if is_leader { subscriptions.clone() } else { Vec::new() },
                };
                self.members[at].joined(self.now, join.identity.attempt, Ok(answer));
                self.members[at].assign(&topics(7));
            }
        }
        let syncing = &coordinator.syncing;
        if let Some(sync) = syncing.values().find(|sync| !sync.assignments.is_empty()) {
            coordinator.assignments = Some(sync.assignments.iter().cloned().collect());
        }
        let Some(assignments) = coordinator.assignments.clone() else { return };
        for (at, sync) in std::mem::take(&mut coordinator.syncing) {
            let blob = assignments.get(&sync.identity.member_id).cloned().unwrap_or_default();
            self.members[at].synced(self.now, sync.identity.attempt, Ok(blob));
            self.note_readers(at);
        }
    }

    /// In one generation a partition is given to one member only, whatever others still hold from before.
    fn note_readers(&mut self, at: usize) {
        let generation = self.members[at].identity().generation;
        for notice in &self.members[at].notices {
            let Notice::Assigned(added) = notice else { continue };
            for partition in added {
                let before = self.readers.insert((generation, partition.clone()), at);
                assert!(before.is_none_or(|before| before == at), "{partition} twice in {generation}");
            }
        }
    }

    fn expel(&mut self, at: usize) {
        if let Some(id) = self.ids.get(&at) {
            self.coordinator.members.remove(id);
            self.coordinator.joining.remove(&at);
            self.coordinator.syncing.remove(&at);
            self.coordinator.is_rebalancing = true;
            // What it waits for is never answered; the broken connection says so.
            let attempt = self.members[at].identity().attempt;
            self.members[at].unanswered(self.now, attempt);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Poll(usize),
    Coordinate,
    Wait,
    Expel(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_usize..3).prop_map(Step::Poll),
        4 => Just(Step::Coordinate),
        2 => Just(Step::Wait),
        1 => (0_usize..3).prop_map(Step::Expel),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    /// Whatever happens, no partition is given twice in a generation; and when it stops happening, all
    /// partitions have exactly one owner.
    #[test]
    fn one_owner_in_a_generation(steps in steps(), kind in prop::sample::select(&AssignorKind::ALL[..])) {
        let mut world = World::new(kind, 3);
        for step in steps {
            match step {
                Step::Poll(at) => world.poll(at),
                Step::Coordinate => world.coordinate(),
                Step::Wait => world.now += Duration::from_secs(4),
                Step::Expel(at) => world.expel(at),
            }
        }
        for _ in 0..60 {
            (0..3).for_each(|at| world.poll(at));
            world.coordinate();
            world.now += Duration::from_secs(4);
        }
        let mut owners: BTreeMap<TopicPartition, usize> = BTreeMap::new();
        for (at, member) in world.members.iter().enumerate() {
            prop_assert!(member.is_stable(), "member {} never settles: {:?}", at, member);
            for partition in member.owned() {
                prop_assert_eq!(owners.insert(partition.clone(), at), None, "{} has two owners", partition);
            }
        }
        prop_assert_eq!(owners.len(), 7);
    }
}
