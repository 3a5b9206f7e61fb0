//! The scenarios and seeds that every change must pass, exact replay, and the mutants that these must catch.

#[cfg(rkafka_mutants)]
mod mutants;

use std::sync::atomic::{AtomicUsize, Ordering};

use rkafka_sim::{KnownSeed, Scenario, known_seeds, run, scenarios};

/// How many seeds every change runs without optimisation; CI runs thousands with it (`cargo xtask sim`).
const SEEDS: u64 = 160;

/// Runs all jobs on two threads; the first failure.
fn first_failure<J: Sync>(jobs: &[J], job: impl Fn(&J) -> Result<(), String> + Sync) -> Option<String> {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let this = jobs.get(next.fetch_add(1, Ordering::Relaxed))?;
            if let Err(failure) = job(this) {
                next.store(jobs.len(), Ordering::Relaxed);
                return Some(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.or(other.join().unwrap_or_else(|_| Some("a thread panicked".to_owned())))
    })
}

#[track_caller]
fn check<J: Sync>(jobs: &[J], job: impl Fn(&J) -> Result<(), String> + Sync) {
    if let Some(failure) = first_failure(jobs, job) {
        panic!("{failure}");
    }
}

#[test]
fn every_scenario_ends_well() {
    let all = scenarios().expect("they can be read");
    assert!(all.len() >= 30, "only {} scenarios", all.len());
    check(&all, Scenario::run_all);
}

#[test]
fn seeds_that_once_failed_do_not() {
    let all = known_seeds().expect("they can be read");
    check(&all, |known: &KnownSeed| known.run().map(drop));
}

#[test]
fn no_seed_breaks_a_promise() {
    let seeds: Vec<u64> = (0..SEEDS).collect();
    check(&seeds, |seed| run(*seed, false).map(drop));
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    let seeds: Vec<u64> = (1_000..1_020).collect();
    check(&seeds, |seed| match (run(*seed, false)?, run(*seed, false)?) {
        (first, second) if first == second => Ok(()),
        (first, second) => Err(format!("seed {seed}: {first:?}, then {second:?}")),
    });
}

#[test]
fn seeds_and_scenarios_are_runs_of_their_own() {
    let (one, other) = (run(1, false).expect("passes"), run(2, false).expect("passes"));
    assert_ne!(one.hash, other.hash);
    let quiet = Scenario::parse("quiet", "cluster\nwrite all 5\nuntil acknowledged 5").expect("parses");
    let (one, other) = (quiet.run(1, false).expect("passes"), quiet.run(2, false).expect("passes"));
    assert_ne!(one.hash, other.hash);
    assert_eq!(quiet.run(1, false).expect("passes"), one);
}

#[test]
fn scenarios_that_are_wrong_say_where() {
    #[track_caller]
    fn check(script: &str, expected: &str) {
        let outcome = Scenario::parse("wrong", script).and_then(|scenario| scenario.run(0, false).map(drop));
        let error = outcome.expect_err(script);
        assert!(error.contains(expected), "{script}: {error}");
    }
    check("wait 5", "must begin with `cluster`");
    check("cluster\nend", "line 2: nothing is repeated");
    check("cluster size=3", "a cluster has no `size`");
    check("cluster\ndance 3", "line 2, `dance 3`: no such command");
    check("cluster\nexpect rain", "line 2, `expect rain`: no such condition");
    check("cluster\nexpect leader 2", "line 2, `expect leader 2`: it is not so");
    check("cluster\nuntil acknowledged 1", "it is not so after 20000 ms");
    check("cluster\nwait soon", "`soon` is not a number");
}
