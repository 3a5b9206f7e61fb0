//! A random walk against a model that knows every replica's log.

use proptest::prelude::*;

use super::*;

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
