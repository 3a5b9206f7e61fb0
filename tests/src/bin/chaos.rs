//! Runs seeds of the chaos suite: `cargo xtask chaos`.

use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rkafka_tests::chaos::{Plan, run};

/// Hurts clusters of processes as seeds say, and judges what clients saw. Needs root, nftables and libfaketime.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed only; with --minutes, begin with it.
    #[arg(long)]
    seed: Option<u64>,
    /// Run seeds one after the other for so long.
    #[arg(long)]
    minutes: Option<u64>,
    /// How many nodes; three and five by turns if it is not said.
    #[arg(long)]
    nodes: Option<usize>,
    /// How long the faults of a seed last.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Run this file's schedule instead of a seed's.
    #[arg(long)]
    schedule: Option<PathBuf>,
    /// A producer of the Java client works, too.
    #[arg(long)]
    java: bool,
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        let nodes = self.nodes.unwrap_or(if seed % 4 == 3 { 5 } else { 3 });
        let plan = match &self.schedule {
            None => Plan::of_seed(seed, nodes, self.seconds),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                let again = format!("cargo xtask chaos --schedule {} --nodes {nodes}", file.display());
                Plan { again, ..Plan::directed("schedule", nodes, &text) }
            }
        };
        Plan { java: self.java, ..plan }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let end = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let (mut ran, mut failed) = (0, Vec::new());
    for seed in arguments.seed.unwrap_or(0).. {
        if ran > 0 && end.is_none_or(|end| Instant::now() >= end) {
            break;
        }
        ran += 1;
        let plan = arguments.plan(seed);
        match catch_unwind(|| run(&plan)) {
            Ok(report) => println!("{}: {report}", plan.name),
            // The panic has said why.
            Err(_) => failed.push(plan.name),
        }
    }
    println!("{ran} runs, {} failed {}", failed.len(), failed.join(" "));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
