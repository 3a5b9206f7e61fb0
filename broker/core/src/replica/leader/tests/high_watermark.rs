//! Up to where records are committed, and what producers are told of it.

use expect_test::expect;

use super::*;

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
fn produces_that_the_isr_left_behind_are_told_so() {
    let (mut world, _) = World::new(&["replicas=1,2", "min=2"]);
    assert_eq!(world.leader.check_committed(), Ok(()));
    let _ = world.image(&["isr=1"]);
    let error = NotEnoughReplicas { in_sync: 1, min_isr: 2 };
    assert_eq!(world.leader.check_committed(), Err(error));
}

#[test]
fn a_repeated_batch_waits_as_its_first_copy() {
    let (world, _) = World::new(&["replicas=1,2", "isr=1,2", "end=5", "hw=3"]);
    assert_eq!(world.leader.awaits(3, true), Some(4));
    assert_eq!(world.leader.awaits(3, false), Some(4));
    assert_eq!(world.leader.awaits(2, true), None);
}

#[test]
fn eligible_replicas_hold_the_watermark_back_before_the_setting_is_known() {
    // KIP-966: `min.insync.replicas` was raised to 2, then 2 left the ISR and stays eligible. The answer to the
    // leader's proposal comes before the image with the setting; nothing may be committed without 2.
    check(
        "lead replicas=1,2 min=1
         append 1
         fetch 2 1
         wait 101
         image isr=1 elr=2
         append 1
         produce -1
         status
         min 2
         append 1
         fetch 2 3
         image isr=1,2 elr=none
         fetch 2 3
         status",
        &expect![[r#"
            > lead replicas=1,2 min=1
            > append 1
            > fetch 2 1
              high watermark 1
            > wait 101
            > image isr=1 elr=2
            > append 1
            > produce -1
              refused: The size of the current ISR 1 is insufficient to satisfy the min.isr requirement of 2 for this partition
            > status
              epoch 0.1 isr 1 (committed) high watermark 1 of 2
            > min 2
            > append 1
            > fetch 2 3
              propose isr 1@10 2@20 in epoch 0.1
            > image isr=1,2 elr=none
              high watermark 3
            > fetch 2 3
            > status
              epoch 0.2 isr 1,2 (committed) high watermark 3 of 3
        "#]],
    );
}
