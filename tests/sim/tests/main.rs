//! The seeds that every change must pass, exact replay, and the mutants that the simulator must catch.

#[cfg(rkafka_mutants)]
mod mutants;

use std::sync::atomic::{AtomicU64, Ordering};

use rkafka_sim::run;

/// How many seeds every change runs: about a minute on two cores without optimisation.
const SEEDS: u64 = 160;

/// Runs seeds below `count` on two threads; the first failure.
fn first_failure(count: u64) -> Option<String> {
    let next = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return None;
            }
            // A panic is a failure like any other: an assertion in a core.
            let outcome = std::panic::catch_unwind(|| run(seed, false));
            let failure = match outcome {
                Ok(outcome) => outcome.err(),
                Err(_) => Some(format!("seed {seed} panicked: cargo xtask sim --seed {seed} --trace")),
            };
            if failure.is_some() {
                next.store(count, Ordering::Relaxed);
                return failure;
            }
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.or(other.join().unwrap_or_else(|_| Some("a thread panicked".to_owned())))
    })
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(failure) = first_failure(SEEDS) {
        panic!("{failure}");
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 1_000..1_020 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}
