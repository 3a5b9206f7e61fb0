//! Runs seeds of the simulator: `cargo xtask sim`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

/// Runs clusters of the pure cores and the real log under seeds; `--seed N --trace` shows one again.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// The first of many seeds.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Run seeds for so many minutes, however many they are.
    #[arg(long)]
    minutes: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (from, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.from, if arguments.minutes.is_some() { u64::MAX } else { arguments.seeds }),
    };
    let end = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let (mut ran, mut failed) = (0, 0);
    for seed in (from..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        if end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        ran += 1;
        match rkafka_sim::run(seed, arguments.trace) {
            Ok(report) if count == 1 => println!("seed {seed}: {report:?}"),
            Ok(_) => {}
            Err(error) => {
                failed += 1;
                println!("{error}");
            }
        }
    }
    println!("{ran} seeds, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
