//! Deliberate bugs in the replication and controller rules (`mutant!` in rkafka-core and rkafka-log, a few in the
//! simulator's own glue): each must make the scenario fail that tells of such a bug.
//!
//! ```text
//! RUSTFLAGS="--cfg rkafka_mutants" cargo test --target-dir target/mutants -p rkafka-sim mutants -- --nocapture
//! ```

use std::process::{Command, Stdio};

use rkafka_sim::{Scenario, scenarios};

/// Name, the row of the catalogue of known bugs that it is, and the scenario that catches it.
const MUTANTS: [(&str, &str, &str); 17] = [
    (
        "truncate-to-high-watermark",
        "1, KIP-101: a follower cuts to its high watermark, then leads",
        "follower_asks_before_it_cuts",
    ),
    ("compare-offsets-only", "2, KIP-279: divergence after two fast fail-overs", "two_fast_fail_overs"),
    (
        "high-watermark-of-diverging",
        "3, KAFKA-14704: the high watermark of an answer that says diverging",
        "no_high_watermark_from_who_parts",
    ),
    (
        "count-diverging-position",
        "4, KAFKA-13141: a diverging follower's position is counted",
        "two_fast_fail_overs",
    ),
    ("trust-unclean-replica", "6, KIP-966: one that lost its tail leads", "last_one_standing"),
    (
        "recover-last-leader",
        "6, KIP-966: the last leader is recovered, whatever became of its disk since",
        "last_one_eligible_is_recovered",
    ),
    (
        "skip-broker-epoch",
        "7, KIP-903: one with a wiped disk is counted under its old identity",
        "wiped_disk_under_an_old_identity",
    ),
    (
        "shrink-before-commit",
        "8, KIP-497: an ISR shrink counts before the controller has agreed",
        "shrink_waits_for_the_controller",
    ),
    (
        "accept-stale-partition-epoch",
        "9: a proposal made for an earlier state is taken",
        "stale_alteration_changes_nothing",
    ),
    (
        "forget-producers-on-truncation",
        "17: producers are lost with a truncation",
        "producer_is_known_after_a_truncation",
    ),
    (
        "acknowledge-duplicates-at-once",
        "18: a repeated batch is acknowledged before its first copy is committed",
        "repeated_batch_waits_for_its_first_copy",
    ),
    (
        "accept-sequence-gaps",
        "20: a later sequence is accepted after an earlier one failed",
        "no_gap_in_a_producers_sequence",
    ),
    ("refuse-after-append", "22: a definite error, yet it is written", "refused_is_not_written"),
    (
        "answer-before-commit",
        "33: a deposed controller answers what it cannot commit",
        "deposed_controller_promises_nothing",
    ),
    ("lost-wake-up", "39: a produce is not woken", "produce_is_answered_at_once"),
    ("acknowledge-when-fenced", "43: a fenced leader goes on acknowledging", "isolated_leader_falls_silent"),
    (
        "ignore-eligible-replicas",
        "KIP-966: a leader commits without replicas that the controller keeps eligible",
        "min_isr_is_raised_behind_the_leaders_back",
    ),
];

fn first_failure(name: &str) -> Option<String> {
    let known = scenarios().expect("they can be read");
    let scenario = known.iter().find(|scenario| scenario.name == name).expect("it is there");
    super::first_failure(&[scenario], |scenario: &&Scenario| scenario.run_all())
}

#[test]
fn every_mutant_is_caught() {
    if let Ok(chosen) = std::env::var("RKAFKA_MUTANT") {
        // This is the child: it passes if nothing was noticed.
        let mutant = MUTANTS.iter().find(|(mutant, ..)| *mutant == chosen).expect("it is in the list");
        if let Some(failure) = first_failure(mutant.2) {
            println!("    {failure}");
            std::process::exit(1);
        }
        return;
    }
    let mut survivors = Vec::new();
    for (mutant, story, by) in MUTANTS {
        assert_eq!(first_failure(by), None, "without a mutant {by} passes");
        let exe = std::env::current_exe().expect("this test binary");
        let mut child = Command::new(exe);
        child.args(["mutants::every_mutant_is_caught", "--exact", "--nocapture"]);
        child.env("RKAFKA_MUTANT", mutant).stderr(Stdio::null());
        let survived = child.status().expect("this test binary can be started").success();
        println!("{mutant} ({story}): {}", if survived { "SURVIVED" } else { "caught" });
        survivors.extend(survived.then_some(mutant));
    }
    assert!(survivors.is_empty(), "not caught: {survivors:?}");
}
