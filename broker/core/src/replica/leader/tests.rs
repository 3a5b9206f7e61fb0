//! Stories of one leader as text, and a random walk against a model that knows every replica's log.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::image::{BrokerRegistration, Delta, Image, MetadataRecord};

const LAG_MS: u64 = 100;

/// A leader (broker 1) with what surrounds it: the image it sees, a clock, the controller's partition.
struct World {
    now_ms: u64,
    image: Image,
    committed: Partition,
    leader: LeaderState,
    proposal: Option<IsrProposal>,
}

fn brokers(text: &str) -> BrokerList {
    text.split(',').map(|id| BrokerId(id.parse().expect("a number"))).collect()
}

fn registration(id: BrokerId, epoch: i64, fenced: bool) -> MetadataRecord {
    MetadataRecord::RegisterBroker {
        broker: Box::new(BrokerRegistration {
            id,
            epoch,
            incarnation: [0; 16],
            endpoints: Vec::new(),
            rack: None,
            features: Vec::new(),
            fenced,
            in_controlled_shutdown: false,
        }),
    }
}

/// `key=value` of a command.
fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

impl World {
    /// `lead replicas=1,2 isr=1,2 min=2 end=10 hw=5`
    fn new(words: &[&str]) -> (Self, LeaderEffects) {
        let replicas = brokers(option(words, "replicas").unwrap_or("1"));
        let isr = option(words, "isr").map_or_else(|| replicas.clone(), brokers);
        let committed = Partition::new(replicas.clone(), isr);
        let mut delta = Delta::new(&Image::default());
        for id in &replicas {
            delta.replay(&registration(*id, 10 * i64::from(id.0), false)).expect("applies");
        }
        let image = delta.finish().0;
        let at = |key| option(words, key).map_or(0, number);
        let log = LogBounds { log_start_offset: 0, high_watermark: at("hw"), log_end_offset: at("end") };
        let settings = ReplicationSettings {
            min_insync_replicas: option(words, "min").map_or(1, number) as usize,
            lag_time_max_ms: LAG_MS,
        };
        let now_ms = 1_000;
        let (leader, effects) =
            LeaderState::new(BrokerId(1), &committed, image.brokers(), log, settings, now_ms);
        (World { now_ms, image, committed, leader, proposal: None }, effects)
    }

    fn step(&mut self, command: &str) -> Result<LeaderEffects, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let now_ms = self.now_ms;
        let effects = match words.as_slice() {
            ["append", count] => self.leader.on_append(self.leader.log_end_offset + number(count), now_ms),
            ["fetch", broker, offset, rest @ ..] => {
                let broker = brokers(broker)[0];
                let broker_epoch = option(rest, "epoch").map_or(10 * i64::from(broker.0), number);
                let offset = number(offset);
                let fetch = FollowerFetch { broker, broker_epoch, offset, log_start_offset: 0 };
                self.leader.on_follower_fetch(&fetch, now_ms).map_err(|error| error.to_string())?
            }
            ["wait", ms] => {
                self.now_ms += number(ms) as u64;
                self.leader.on_tick(self.now_ms)
            }
            ["commit"] => {
                let proposal = self.proposal.take().expect("something was proposed");
                self.committed.isr = proposal.isr.iter().map(|(member, _)| *member).collect();
                self.committed.partition_epoch += 1;
                let answer = ProposalAnswer::Committed(self.committed.clone());
                self.leader.on_answer(&proposal, &answer, now_ms)
            }
            ["answer", answer] => {
                let proposal = self.proposal.clone().expect("something was proposed");
                let answer = match *answer {
                    "ineligible" => ProposalAnswer::Ineligible,
                    "stale" => ProposalAnswer::Stale,
                    _ => ProposalAnswer::Unknown,
                };
                self.leader.on_answer(&proposal, &answer, now_ms)
            }
            ["broker", id, rest @ ..] => {
                let epoch = option(rest, "epoch").map_or(10 * number(id), number);
                self.register(brokers(id)[0], epoch, rest.contains(&"fenced"))
            }
            ["image", rest @ ..] => self.image(rest),
            ["old-image", isr] => {
                let mut old = self.committed.clone();
                old.isr = brokers(isr);
                old.partition_epoch -= 1;
                self.leader.on_image(&old, self.image.brokers(), now_ms)
            }
            ["min", min] => {
                let settings = ReplicationSettings {
                    min_insync_replicas: number(min) as usize,
                    lag_time_max_ms: LAG_MS,
                };
                self.leader.on_settings(settings, now_ms)
            }
            ["produce", acks] => {
                let acks = number(acks) as i16;
                self.leader.check_append(acks).map_err(|error| error.to_string())?;
                LeaderEffects::default()
            }
            _ => panic!("unknown command {command}"),
        };
        Ok(effects)
    }

    fn register(&mut self, id: BrokerId, epoch: i64, fenced: bool) -> LeaderEffects {
        let mut delta = Delta::new(&self.image);
        delta.replay(&registration(id, epoch, fenced)).expect("applies");
        self.image = delta.finish().0;
        self.leader.on_image(&self.committed, self.image.brokers(), self.now_ms)
    }

    /// The controller changes the partition by itself.
    fn image(&mut self, words: &[&str]) -> LeaderEffects {
        if let Some(isr) = option(words, "isr") {
            self.committed.isr = brokers(isr);
        }
        if let Some(replicas) = option(words, "replicas") {
            self.committed.replicas = brokers(replicas);
        }
        self.committed.leader_epoch += i32::from(words.contains(&"new-epoch"));
        self.committed.partition_epoch += 1;
        self.leader.on_image(&self.committed, self.image.brokers(), self.now_ms)
    }
}

/// Runs a story: each line is a command; below it stands what the leader wants done. `status` shows the state.
fn check(story: &str, expected: &Expect) {
    let mut world: Option<World> = None;
    let mut transcript = String::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        transcript += &format!("> {line}\n");
        let words: Vec<&str> = line.split_whitespace().collect();
        let effects = match (words.as_slice(), world.as_mut()) {
            (["lead", rest @ ..], _) => {
                let (new, effects) = World::new(rest);
                world = Some(new);
                Ok(effects)
            }
            (["status"], Some(world)) => {
                transcript += &status(&world.leader);
                continue;
            }
            (_, Some(world)) => world.step(line),
            (_, None) => panic!("a story begins with `lead`"),
        };
        let world = world.as_mut().expect("set above");
        world.leader.check_invariants();
        match effects {
            Ok(effects) => transcript += &shown(world, effects),
            Err(error) => transcript += &format!("  refused: {error}\n"),
        }
    }
    expected.assert_eq(&transcript);
}

fn shown(world: &mut World, effects: LeaderEffects) -> String {
    let mut text = String::new();
    if let Some(high_watermark) = effects.high_watermark {
        text += &format!("  high watermark {high_watermark}\n");
    }
    if let Some(proposal) = effects.proposal {
        let isr: Vec<String> = proposal.isr.iter().map(|(id, epoch)| format!("{id}@{epoch}")).collect();
        let (leader_epoch, partition_epoch) = (proposal.leader_epoch, proposal.partition_epoch);
        text += &format!("  propose isr {} in epoch {leader_epoch}.{partition_epoch}\n", isr.join(" "));
        world.proposal = Some(proposal);
    }
    text
}

fn status(leader: &LeaderState) -> String {
    let state = match &leader.isr_state {
        IsrState::Committed => "committed".to_owned(),
        IsrState::PendingExpand { joining, .. } => format!("{joining} joining"),
        IsrState::PendingShrink { .. } => "shrinking".to_owned(),
    };
    let isr: Vec<String> = leader.isr.iter().map(ToString::to_string).collect();
    format!(
        "  epoch {}.{} isr {} ({state}) high watermark {} of {}{}\n",
        leader.leader_epoch,
        leader.partition_epoch,
        isr.join(","),
        leader.high_watermark,
        leader.log_end_offset,
        if leader.is_high_watermark_lagging() { ", lagging" } else { "" },
    )
}

#[test]
fn alone_all_that_is_written_is_committed() {
    check(
        "lead replicas=1
         append 3
         produce -1
         append 1
         status",
        &expect![[r#"
            > lead replicas=1
            > append 3
              high watermark 3
            > produce -1
            > append 1
              high watermark 4
            > status
              epoch 0.0 isr 1 (committed) high watermark 4 of 4
        "#]],
    );
}

#[test]
fn the_high_watermark_is_the_slowest_member() {
    check(
        "lead replicas=1,2,3
         append 10
         fetch 2 10
         fetch 3 4
         fetch 3 4
         fetch 3 10",
        &expect![[r#"
            > lead replicas=1,2,3
            > append 10
            > fetch 2 10
            > fetch 3 4
              high watermark 4
            > fetch 3 4
            > fetch 3 10
              high watermark 10
        "#]],
    );
}

#[test]
fn a_new_leader_starts_at_the_high_watermark_it_knew() {
    // KIP-207: until the members have fetched, the watermark is from the time of the leader before.
    check(
        "lead replicas=1,2 end=10 hw=6
         status
         fetch 2 8
         status
         fetch 2 10
         status",
        &expect![[r#"
            > lead replicas=1,2 end=10 hw=6
            > status
              epoch 0.0 isr 1,2 (committed) high watermark 6 of 10, lagging
            > fetch 2 8
              high watermark 8
            > status
              epoch 0.0 isr 1,2 (committed) high watermark 8 of 10, lagging
            > fetch 2 10
              high watermark 10
            > status
              epoch 0.0 isr 1,2 (committed) high watermark 10 of 10
        "#]],
    );
}

#[test]
fn a_shrink_counts_only_once_the_controller_has_committed_it() {
    // Row 8 of the bug catalogue: an acknowledgement with too few copies.
    check(
        "lead replicas=1,2
         fetch 2 0
         append 5
         wait 101
         append 1
         answer unknown
         wait 500
         commit
         status",
        &expect![[r#"
            > lead replicas=1,2
            > fetch 2 0
            > append 5
            > wait 101
              propose isr 1@10 in epoch 0.0
            > append 1
            > answer unknown
              propose isr 1@10 in epoch 0.0
            > wait 500
            > commit
              high watermark 6
            > status
              epoch 0.1 isr 1 (committed) high watermark 6 of 6
        "#]],
    );
}

#[test]
fn an_expansion_counts_at_once() {
    check(
        "lead replicas=1,2 isr=1 end=5 hw=5
         fetch 2 3
         fetch 2 5
         append 5
         status
         commit
         fetch 2 10
         status",
        &expect![[r#"
            > lead replicas=1,2 isr=1 end=5 hw=5
            > fetch 2 3
            > fetch 2 5
              propose isr 1@10 2@20 in epoch 0.0
            > append 5
            > status
              epoch 0.0 isr 1 (2 joining) high watermark 5 of 10
            > commit
            > fetch 2 10
              high watermark 10
            > status
              epoch 0.1 isr 1,2 (committed) high watermark 10 of 10
        "#]],
    );
}

#[test]
fn who_joins_has_reached_this_epoch() {
    // At the high watermark, yet behind the start of the leader epoch: it may still have to truncate.
    check(
        "lead replicas=1,2,3 isr=1,3 end=10 hw=4
         fetch 2 4
         fetch 2 9
         fetch 2 10",
        &expect![[r#"
            > lead replicas=1,2,3 isr=1,3 end=10 hw=4
            > fetch 2 4
            > fetch 2 9
            > fetch 2 10
              propose isr 1@10 3@-1 2@20 in epoch 0.0
        "#]],
    );
}

#[test]
fn a_fetch_of_an_earlier_life_does_not_count() {
    // KIP-903, row 7: the broker came back with an empty disk while its old fetch was under way.
    check(
        "lead replicas=1,2 isr=1 end=5 hw=5
         broker 2 epoch=99
         fetch 2 5
         fetch 2 0 epoch=99
         fetch 2 5 epoch=99
         broker 2 epoch=99 fenced
         answer ineligible
         fetch 2 5 epoch=99",
        &expect![[r#"
            > lead replicas=1,2 isr=1 end=5 hw=5
            > broker 2 epoch=99
            > fetch 2 5
              refused: broker 2 fetches under broker epoch 20, but is registered with 99
            > fetch 2 0 epoch=99
            > fetch 2 5 epoch=99
              propose isr 1@10 2@99 in epoch 0.0
            > broker 2 epoch=99 fenced
            > answer ineligible
            > fetch 2 5 epoch=99
        "#]],
    );
}

#[test]
fn a_position_counts_only_for_the_registration_it_was_told_under() {
    // The broker came back under a new registration: what it had says nothing. One whose registration this
    // leader has not seen yet must wait for the image, too.
    check(
        "lead replicas=1,2 isr=1 end=5 hw=5
         fetch 2 5
         broker 2 epoch=99
         answer ineligible
         append 1
         fetch 2 6 epoch=120
         broker 2 epoch=120
         fetch 2 6 epoch=120",
        &expect![[r#"
            > lead replicas=1,2 isr=1 end=5 hw=5
            > fetch 2 5
              propose isr 1@10 2@20 in epoch 0.0
            > broker 2 epoch=99
            > answer ineligible
            > append 1
              high watermark 6
            > fetch 2 6 epoch=120
            > broker 2 epoch=120
            > fetch 2 6 epoch=120
              propose isr 1@10 2@120 in epoch 0.0
        "#]],
    );
}

#[test]
fn nothing_is_committed_below_the_min_isr() {
    // KIP-966: what the last one standing writes alone must not become visible.
    check(
        "lead replicas=1,2,3 isr=1,2 min=2
         fetch 2 0
         append 5
         image isr=1
         append 1
         produce -1
         produce 1
         fetch 2 6
         commit
         produce -1
         status",
        &expect![[r#"
            > lead replicas=1,2,3 isr=1,2 min=2
            > fetch 2 0
            > append 5
            > image isr=1
            > append 1
            > produce -1
              refused: The size of the current ISR 1 is insufficient to satisfy the min.isr requirement of 2 for this partition
            > produce 1
            > fetch 2 6
              propose isr 1@10 2@20 in epoch 0.1
            > commit
              high watermark 6
            > produce -1
            > status
              epoch 0.2 isr 1,2 (committed) high watermark 6 of 6
        "#]],
    );
}

#[test]
fn more_replicas_than_there_are_cannot_be_asked_for() {
    check(
        "lead replicas=1,2 min=3
         append 1
         fetch 2 1
         produce -1
         min 2
         image isr=1
         broker 2 fenced
         append 1
         min 1",
        &expect![[r#"
            > lead replicas=1,2 min=3
            > append 1
            > fetch 2 1
              high watermark 1
            > produce -1
            > min 2
            > image isr=1
            > broker 2 fenced
            > append 1
            > min 1
              high watermark 2
        "#]],
    );
}

#[test]
fn one_that_is_about_to_join_holds_the_watermark_back() {
    // Out of the ISR but caught up: a busy leader waits for it, or it would never reach the watermark.
    check(
        "lead replicas=1,2 isr=1
         fetch 2 0
         answer ineligible
         append 5
         fetch 2 3
         fetch 2 5
         append 5
         wait 101
         append 1",
        &expect![[r#"
            > lead replicas=1,2 isr=1
            > fetch 2 0
              propose isr 1@10 2@20 in epoch 0.0
            > answer ineligible
            > append 5
            > fetch 2 3
              high watermark 3
              propose isr 1@10 2@20 in epoch 0.0
            > fetch 2 5
              high watermark 5
            > append 5
            > wait 101
            > append 1
        "#]],
    );
}

#[test]
fn a_fenced_broker_does_not_hold_the_watermark_back() {
    // Row 10, KAFKA-15021: caught up a moment ago, but it may not join.
    check(
        "lead replicas=1,2 isr=1
         fetch 2 0
         broker 2 fenced
         answer ineligible
         append 5",
        &expect![[r#"
            > lead replicas=1,2 isr=1
            > fetch 2 0
              propose isr 1@10 2@20 in epoch 0.0
            > broker 2 fenced
            > answer ineligible
            > append 5
              high watermark 5
        "#]],
    );
}

#[test]
fn an_old_image_does_not_undo_an_answer() {
    // Row 9: the answer came first, then the image from before it; it even looks like what is asked for later.
    check(
        "lead replicas=1,2 isr=1
         fetch 2 0
         commit
         old-image 1
         append 1
         status
         wait 101
         old-image 1
         status",
        &expect![[r#"
            > lead replicas=1,2 isr=1
            > fetch 2 0
              propose isr 1@10 2@20 in epoch 0.0
            > commit
            > old-image 1
            > append 1
            > status
              epoch 0.1 isr 1,2 (committed) high watermark 0 of 1
            > wait 101
              propose isr 1@10 in epoch 0.1
            > old-image 1
            > status
              epoch 0.1 isr 1,2 (shrinking) high watermark 0 of 1
        "#]],
    );
}

#[test]
fn a_stale_answer_keeps_the_pending_state_until_the_image_comes() {
    check(
        "lead replicas=1,2,3 isr=1,2,3
         fetch 2 0
         append 5
         fetch 2 5
         wait 101
         fetch 2 5
         wait 50
         answer stale
         append 1
         status
         image isr=1,2
         fetch 2 6
         status",
        &expect![[r#"
            > lead replicas=1,2,3 isr=1,2,3
            > fetch 2 0
            > append 5
            > fetch 2 5
            > wait 101
              propose isr 1@10 2@20 in epoch 0.0
            > fetch 2 5
            > wait 50
            > answer stale
            > append 1
            > status
              epoch 0.0 isr 1,2,3 (shrinking) high watermark 0 of 6
            > image isr=1,2
              high watermark 5
            > fetch 2 6
              high watermark 6
            > status
              epoch 0.1 isr 1,2 (committed) high watermark 6 of 6
        "#]],
    );
}

#[test]
fn a_new_epoch_of_the_same_leader_starts_at_its_end() {
    check(
        "lead replicas=1,2 isr=1 end=3 hw=3
         append 4
         image new-epoch
         fetch 2 6
         fetch 2 7
         status",
        &expect![[r#"
            > lead replicas=1,2 isr=1 end=3 hw=3
            > append 4
              high watermark 7
            > image new-epoch
            > fetch 2 6
            > fetch 2 7
              propose isr 1@10 2@20 in epoch 1.1
            > status
              epoch 1.1 isr 1 (2 joining) high watermark 7 of 7
        "#]],
    );
}

#[test]
fn a_member_of_a_busy_partition_counts_as_caught_up() {
    // It never reaches the end, but always what the end was at its last fetch.
    check(
        "lead replicas=1,2
         append 10
         fetch 2 0
         append 10
         wait 40
         fetch 2 10
         append 10
         wait 40
         fetch 2 20
         append 10
         wait 40
         status",
        &expect![[r#"
            > lead replicas=1,2
            > append 10
            > fetch 2 0
            > append 10
            > wait 40
            > fetch 2 10
              high watermark 10
            > append 10
            > wait 40
            > fetch 2 20
              high watermark 20
            > append 10
            > wait 40
            > status
              epoch 0.0 isr 1,2 (committed) high watermark 20 of 40
        "#]],
    );
}

#[test]
fn replicas_come_and_go_with_a_reassignment() {
    check(
        "lead replicas=1,2
         append 4
         fetch 2 4
         broker 3
         image replicas=1,2,3
         fetch 3 4
         fetch 4 0
         image replicas=1,3 isr=1
         fetch 2 4
         append 1
         fetch 3 5",
        &expect![[r#"
            > lead replicas=1,2
            > append 4
            > fetch 2 4
              high watermark 4
            > broker 3
            > image replicas=1,2,3
            > fetch 3 4
              propose isr 1@10 2@20 3@30 in epoch 0.1
            > fetch 4 0
              refused: broker 4 is not a replica of this partition in this leader epoch
            > image replicas=1,3 isr=1
            > fetch 2 4
              refused: broker 2 is not a replica of this partition in this leader epoch
            > append 1
            > fetch 3 5
              high watermark 5
              propose isr 1@10 3@30 in epoch 0.2
        "#]],
    );
}

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
fn produces_that_the_isr_left_behind_are_told_so() {
    let (mut world, _) = World::new(&["replicas=1,2", "min=2"]);
    assert_eq!(world.leader.check_committed(), Ok(()));
    let _ = world.image(&["isr=1"]);
    let error = NotEnoughReplicas { in_sync: 1, min_isr: 2 };
    assert_eq!(world.leader.check_committed(), Err(error));
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

/// One event of the random walk. Followers here have real logs: `truth[i]` is broker `i + 2`'s end offset.
#[derive(Debug, Clone)]
enum Event {
    Append(u8),
    Fetch { follower: usize, advance: u8 },
    Wait(u64),
    Answer(u8),
    Fence { follower: usize, fenced: bool },
    ControllerShrinks(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u8..5).prop_map(Event::Append),
        8 => (0usize..2, 0u8..6).prop_map(|(follower, advance)| Event::Fetch { follower, advance }),
        2 => (0u64..150).prop_map(Event::Wait),
        3 => (0u8..4).prop_map(Event::Answer),
        1 => (0usize..2, any::<bool>()).prop_map(|(follower, fenced)| Event::Fence { follower, fenced }),
        1 => (0usize..2).prop_map(Event::ControllerShrinks),
    ]
}

proptest! {
    /// However fetches, time, answers and fencing interleave: the watermark never goes back, and at the moment
    /// it moves every member the controller has committed, or may have committed, has the record.
    #[test]
    fn what_is_committed_is_on_every_member(min in 1usize..4, events in prop::collection::vec(event(), 1..120)) {
        let (mut world, _) = World::new(&["replicas=1,2,3", &format!("min={min}")]);
        let mut truth = [0i64; 2];
        let mut watermark = 0;
        for event in events {
            let effects = step(&mut world, &mut truth, &event);
            world.leader.check_invariants();
            if let Some(moved) = effects.high_watermark {
                prop_assert!(moved > watermark, "only forward");
                prop_assert_eq!(moved, world.leader.high_watermark());
                watermark = moved;
                prop_assert!(world.leader.isr().len() >= min, "not below the min ISR");
                // The controller's ISR is what a next leader would be elected from.
                for member in world.committed.isr.iter().filter(|member| member.0 != 1) {
                    let end = truth[member.0 as usize - 2];
                    prop_assert!(end >= moved, "{} has {end}, committed is {moved}", member);
                }
            }
            if let Some(proposal) = effects.proposal {
                world.proposal = Some(proposal);
            }
        }
    }
}

fn step(world: &mut World, truth: &mut [i64; 2], event: &Event) -> LeaderEffects {
    let command = match event {
        Event::Append(count) => format!("append {count}"),
        Event::Fetch { follower, advance } => {
            truth[*follower] = (truth[*follower] + i64::from(*advance)).min(world.leader.log_end_offset);
            format!("fetch {} {}", follower + 2, truth[*follower])
        }
        Event::Wait(ms) => format!("wait {ms}"),
        Event::Answer(kind) => return answer(world, *kind),
        Event::Fence { follower, fenced } => {
            format!("broker {} {}", follower + 2, if *fenced { "fenced" } else { "" })
        }
        Event::ControllerShrinks(follower) => {
            let left: Vec<String> = world.committed.isr.iter().map(ToString::to_string).collect();
            let left: Vec<String> = left.into_iter().filter(|id| *id != (follower + 2).to_string()).collect();
            format!("image isr={}", left.join(","))
        }
    };
    world.step(&command).expect("all are replicas, under their own epochs")
}

/// The controller takes a proposal if it is of its epoch and all members are live, as `alter_partition` does;
/// its answer may get lost. What was answered is not under way any more.
fn answer(world: &mut World, kind: u8) -> LeaderEffects {
    let Some(proposal) = world.proposal.clone() else { return LeaderEffects::default() };
    let live = proposal.isr.iter().all(|(id, _)| world.image.brokers().is_active(*id));
    let current = proposal.partition_epoch == world.committed.partition_epoch;
    let answer = match (kind, current, live) {
        (0, ..) => ProposalAnswer::Unknown,
        (_, false, _) => ProposalAnswer::Stale,
        (_, true, false) => ProposalAnswer::Ineligible,
        (_, true, true) => {
            world.committed.isr = proposal.isr.iter().map(|(id, _)| *id).collect();
            world.committed.partition_epoch += 1;
            if kind == 1 {
                ProposalAnswer::Unknown
            } else {
                ProposalAnswer::Committed(world.committed.clone())
            }
        }
    };
    if answer != ProposalAnswer::Unknown {
        world.proposal = None;
    }
    world.leader.on_answer(&proposal, &answer, world.now_ms)
}

#[test]
fn an_expansion_of_which_copies_are_about_is_withdrawn_before_it_is_forgotten() {
    check(
        "lead replicas=1,2,3 isr=1,2 end=5
         fetch 2 5
         fetch 3 5
         answer unknown
         append 1
         fetch 2 6
         answer ineligible
         answer ineligible
         image isr=1,2",
        &expect![[r#"
            > lead replicas=1,2,3 isr=1,2 end=5
            > fetch 2 5
              high watermark 5
            > fetch 3 5
              propose isr 1@10 2@20 3@30 in epoch 0.0
            > answer unknown
              propose isr 1@10 2@20 3@30 in epoch 0.0
            > append 1
            > fetch 2 6
            > answer ineligible
              propose isr 1@10 2@20 in epoch 0.0
            > answer ineligible
            > image isr=1,2
        "#]],
    );
}

#[test]
fn a_diverging_position_does_not_count() {
    use crate::replica::divergence::EpochEnd;
    let (mut world, _) = World::new(&["replicas=1,2", "isr=1,2", "end=5"]);
    let fetch = FollowerFetch { broker: BrokerId(2), broker_epoch: 20, offset: 5, log_start_offset: 0 };
    let diverges = Comparison::Diverges(EpochEnd { epoch: 0, end_offset: 3 });
    let effects = world.leader.on_fetch(&fetch, &diverges, 1_000).expect("a replica");
    assert_eq!((effects, world.leader.high_watermark()), (LeaderEffects::default(), 0));
    let effects = world.leader.on_fetch(&fetch, &Comparison::Agrees, 1_000).expect("a replica");
    assert_eq!(effects.high_watermark, Some(5));
    let stranger = FollowerFetch { broker: BrokerId(9), ..fetch };
    assert!(world.leader.on_fetch(&stranger, &diverges, 1_000).is_err());
}

#[test]
fn a_repeated_batch_waits_as_its_first_copy() {
    let (world, _) = World::new(&["replicas=1,2", "isr=1,2", "end=5", "hw=3"]);
    assert_eq!(world.leader.awaits(3, true), Some(4));
    assert_eq!(world.leader.awaits(3, false), Some(4));
    assert_eq!(world.leader.awaits(2, true), None);
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
