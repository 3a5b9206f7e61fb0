//! Deliberate bugs in the log (`src/mutants.rs`): each must make a test of this level fail.

use std::process::{Command, Stdio};

const MUTANTS: [&str; 6] = [
    "skip-crc",
    "skip-zero-tail-stop",
    "index-before-log",
    "no-dir-sync",
    "publish-before-write",
    "retention-of-active",
];

/// The tests that a mutant has to fail one of.
const TESTS: [&str; 3] = [
    "faults::the_nth_failure_of_any_call_loses_and_invents_nothing",
    "flips::a_flipped_bit_never_gives_a_wrong_log",
    "images::every_crash_of_random_scripts_is_recovered",
];

#[test]
fn every_mutant_is_caught() {
    for test in TESTS {
        assert!(passes(test, "none"), "{test} must pass where nothing is wrong");
    }
    let mut survivors = Vec::new();
    for mutant in MUTANTS {
        let caught = TESTS.into_iter().find(|test| !passes(test, mutant));
        println!("{mutant}: {}", caught.map_or("survived".to_owned(), |test| format!("caught by {test}")));
        if caught.is_none() {
            survivors.push(mutant);
        }
    }
    assert!(survivors.is_empty(), "not caught by any test: {survivors:?}");
}

fn passes(test: &str, mutant: &str) -> bool {
    let exe = std::env::current_exe().expect("this test binary");
    let mut run = Command::new(exe);
    run.args([test, "--exact"]).env("RKAFKA_MUTANT", mutant).stdout(Stdio::null()).stderr(Stdio::null());
    run.status().expect("this test binary can be started").success()
}
