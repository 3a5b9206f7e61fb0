//! Who is in sync: joining, leaving, and what becomes of proposals on the way.

use expect_test::expect;

use super::*;

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
