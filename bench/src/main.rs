//! Benchmarks of whole brokers: rkafka and Apache Kafka in turn, in one run, with the same stock clients.
//!
//! `cargo run --release -p rkafka-bench -- race` prints a table of ratios. Absolute figures of a shared machine
//! mean little; ratios of one run and CPU-seconds of the broker process mean most.

mod measure;
mod race;
mod report;

use clap::{Parser, Subcommand};

/// Benchmarks of rkafka against Apache Kafka.
#[derive(Parser)]
#[command(name = "rkafka-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Produce, consume and end-to-end latency with the stock Java tools; start-up and memory.
    Race {
        /// Megabytes written by each produce run.
        #[arg(long, default_value_t = 200)]
        megabytes: u64,
        /// Only scenarios whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Runs of each scenario; the median is reported.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::Race { megabytes, only, runs } => race::run(megabytes, &only, runs),
    }
}
