//! Deliberate bugs in the replication rules (`mutant!` in rkafka-core and rkafka-log): each must make a seed fail.
//!
//! ```text
//! RUSTFLAGS="--cfg rkafka_mutants" cargo test -p rkafka-sim --test main mutants -- --nocapture
//! ```

use std::process::{Command, Stdio};

/// Name, and the row of the catalogue of known bugs that it is.
const MUTANTS: [(&str, &str); 11] = [
    ("truncate-to-high-watermark", "KIP-101: a follower cuts to its high watermark, then leads"),
    ("compare-offsets-only", "KIP-279: divergence after two fast fail-overs"),
    ("high-watermark-of-diverging", "KAFKA-14704: the high watermark of an answer that says diverging"),
    ("count-diverging-position", "KAFKA-13141: a diverging follower's position is counted"),
    ("trust-unclean-replica", "KIP-966: one that lost its tail leads"),
    ("skip-broker-epoch", "KIP-903: one with a wiped disk is counted under its old identity"),
    ("shrink-before-commit", "KIP-497: an ISR shrink counts before the controller has agreed"),
    ("forget-producers-on-truncation", "producers are lost with a truncation"),
    ("acknowledge-duplicates-at-once", "a repeated batch is acknowledged before its first copy is committed"),
    ("accept-sequence-gaps", "a later sequence is accepted after an earlier one failed"),
    ("acknowledge-when-fenced", "a fenced leader goes on acknowledging"),
];

/// How many seeds a mutant may survive.
const SEEDS: u64 = 300;

#[test]
fn every_mutant_is_caught() {
    if let Ok(mutant) = std::env::var("RKAFKA_MUTANT") {
        // This is the child: it passes if nothing was noticed.
        if let Some(failure) = super::first_failure(SEEDS) {
            println!("{mutant}: {failure}");
            std::process::exit(1);
        }
        return;
    }
    let mut survivors = Vec::new();
    for (mutant, story) in MUTANTS {
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
