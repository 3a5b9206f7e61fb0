//! The chaos suite: clusters of processes under faults. A few minutes of it belong to every test run; `cargo xtask chaos`
//! runs more seeds. What a run found once stands here as a case of its own.

use rkafka_tests::chaos::{Plan, run};

/// Runs a plan, and sees that it was not idle.
fn check(plan: &Plan) {
    let report = run(plan);
    println!("{}: {report}", plan.name);
    assert!(report.acknowledged > 100, "{report}");
}

#[test]
fn a_seed_on_three_nodes() {
    check(&Plan::of_seed(21, 3, 25));
}

#[test]
fn a_seed_on_five_nodes() {
    check(&Plan::of_seed(2, 5, 20));
}

/// Each node once, the leader and the controller among them, by kill -9, by freezing and by a cut.
#[test]
fn leader_and_controller() {
    check(&Plan {
        java: true,
        ..Plan::directed(
            "leader_and_controller",
            3,
            "+500 kill leader
             +1500 start-all
             +2500 freeze leader
             +4000 thaw
             +1000 kill controller
             +1500 start-all
             +2000 isolate controller
             +4000 mend
             +1000 cut-clients leader
             +1500 mend",
        )
    });
}

/// Rolling restart, then everybody dies at once, twice in a row.
#[test]
fn rolling_restart_and_power_cut() {
    check(&Plan::directed(
        "rolling_restart_and_power_cut",
        3,
        "+200 roll
         +500 power-cut
         +200 start-all
         +4000 power-cut
         +0 start-all",
    ));
}

/// Every node loses its disk, one after the other: what was acknowledged is on the others by then, and a node without
/// its disk neither counts as in sync nor votes before it has everything again (KIP-966, KIP-853).
#[test]
fn every_disk_is_lost_once() {
    check(&Plan::directed(
        "every_disk_is_lost_once",
        3,
        "min-insync-replicas 1
         +300 wipe 0
         +0 wipe 1
         +0 wipe 2
         +0 kill leader
         +500 start-all",
    ));
}

/// Found by seed 21: a voter whose disk was full for a moment, so that it could not write its vote, stayed out of the
/// quorum until it was restarted. The quorum is without its leader while node 2's disk is full.
#[test]
fn a_vote_on_a_full_disk() {
    check(&Plan::directed(
        "a_vote_on_a_full_disk",
        3,
        "+500 fill 2
         +500 kill 0
         +3000 start 0
         +200 kill 1
         +3000 free 2
         +500 start 1",
    ));
}

/// A full disk, clocks that jump, and frames that stop in their middle.
#[test]
fn disk_clock_and_network() {
    check(&Plan::directed(
        "disk_clock_and_network",
        3,
        "+300 clock 0 3600
         +500 clock 1 -86400
         +500 fill 2
         +2000 free 2
         +500 stall 0
         +2500 smooth 0
         +300 sever 1
         +1500 smooth 1
         +300 delay 2 100
         +1500 lossy 0 15
         +2500 clock 0 0",
    ));
}
