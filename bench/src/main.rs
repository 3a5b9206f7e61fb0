//! Benchmarks of whole brokers: rkafka and Apache Kafka in turn, in one run, with the same clients.
//!
//! `cargo run --release -p rkafka-bench -- race` prints a table of ratios and saves it under `docs/benchmarks`.
//! Absolute figures of a shared machine mean little; ratios of one round and CPU-seconds of the broker process
//! mean most. docs/benchmarks/README.md says how to read them.

mod bare;
mod broker;
mod clients;
mod cluster;
mod codecs;
mod cold;
mod compaction;
mod crowd;
mod flume;
mod gap;
mod group;
mod java;
mod load;
mod many;
mod measure;
mod plot;
mod race;
mod report;
mod startup;
mod three;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::broker::{Broker, Product};
use crate::report::Report;

/// Benchmarks of rkafka against Apache Kafka.
#[derive(Parser)]
#[command(name = "rkafka-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

/// How often something is measured, and where its figures go.
#[derive(clap::Args)]
struct Rounds {
    /// Rounds; each runs both products.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Adds to the figures that are saved, where one run of all rounds would take too long.
    #[arg(long)]
    add: bool,
    /// Where the figures are saved.
    #[arg(long, default_value = "docs/benchmarks")]
    save: PathBuf,
}

impl Rounds {
    /// Runs `round` with both products in turn, as often as wanted; saves the figures as `name`.
    fn run(
        &self,
        name: &str,
        megabytes: u64,
        round: impl Fn(Product, &mut Note<'_>) -> Result<()>,
    ) -> Result<()> {
        let Self { rounds, add, save } = self;
        let mut report = match add {
            true => Report::continued(save, name, *rounds, megabytes)?,
            false => Report::new(*rounds, megabytes),
        };
        for _ in 0..*rounds {
            for product in Product::BOTH {
                eprintln!("{product:?}");
                round(product, &mut |scenario, unit, value| {
                    eprintln!("  {scenario}: {value:.3} {unit}");
                    report.add(product, scenario, unit, value);
                })?;
            }
            report.save(save, name)?;
        }
        println!("{}", report.markdown());
        Ok(())
    }
}

/// Notes a figure: the scenario, the unit, the value.
type Note<'a> = dyn FnMut(&str, &str, f64) + 'a;

#[derive(Subcommand)]
enum What {
    /// Start, memory, produce, consume and latency, with stock clients and a load of our own.
    Race {
        /// Megabytes written by each produce run of the Java tool.
        #[arg(long, default_value_t = 200)]
        megabytes: u64,
        /// Only scenarios whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Rounds; each runs both products.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Where the figures are saved.
        #[arg(long, default_value = "docs/benchmarks")]
        save: PathBuf,
    },
    /// Many partitions: create, idle cost, restarts.
    Many {
        /// How many.
        #[arg(long, default_value_t = 2000)]
        partitions: u32,
        /// Rounds.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Leaves Apache Kafka out.
        #[arg(long)]
        alone: bool,
        /// Where the figures are saved.
        #[arg(long, default_value = "docs/benchmarks")]
        save: PathBuf,
    },
    /// Three nodes, replication factor 3, acks=all: load, failures, catch-up, 1,000 partitions.
    Cluster {
        /// Megabytes written by each load.
        #[arg(long, default_value_t = 200)]
        megabytes: u64,
        /// Rounds; each runs both products.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Only parts whose name contains this: load, failover, catch-up, many.
        #[arg(long, default_value = "")]
        only: String,
        /// Adds to the figures that are saved, where one run of all rounds would take too long.
        #[arg(long)]
        add: bool,
        /// Where the figures are saved.
        #[arg(long, default_value = "docs/benchmarks")]
        save: PathBuf,
    },
    /// Many clients that want little: 1,000 connections at a record a second each, a group of 200 members.
    Crowd(Rounds),
    /// Compression codecs: passed through as sent, and recompressed by the broker.
    Codecs {
        /// Megabytes written with each codec.
        #[arg(long, default_value_t = 200)]
        megabytes: u64,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// Compaction of a keyed topic.
    Compaction {
        /// Megabytes of the topic.
        #[arg(long, default_value_t = 5000)]
        megabytes: u64,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// A consumer that reads a topic from the disk while another topic is written.
    Cold {
        /// Megabytes of the topic that is read.
        #[arg(long, default_value_t = 2000)]
        megabytes: u64,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// The ingest agent and Apache Flume: a file of GBK lines through the tutorial's agent file, and a tuned one.
    Flume {
        /// Megabytes of the file.
        #[arg(long, default_value_t = 50)]
        megabytes: u64,
        /// Rounds; each runs both products.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Only settings whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Where the figures are saved.
        #[arg(long, default_value = "docs/benchmarks")]
        save: PathBuf,
    },
    /// Produces with the native load to a broker of its own, for profilers.
    Load {
        /// `rkafka` or `apache`.
        #[arg(long, default_value = "rkafka")]
        product: String,
        /// Connections.
        #[arg(long, default_value_t = 1)]
        connections: u32,
        /// Requests in all.
        #[arg(long, default_value_t = 100_000)]
        requests: u64,
        /// Records in a batch.
        #[arg(long, default_value_t = 16)]
        records: u32,
        /// Bytes of a record.
        #[arg(long, default_value_t = 1000)]
        record_bytes: usize,
        /// Requests on their way at one time.
        #[arg(long, default_value_t = 5)]
        in_flight: u32,
        /// Then fetches everything this many times.
        #[arg(long, default_value_t = 0)]
        fetches: u32,
        /// Settings of the broker, as `key=value`.
        #[arg(long)]
        set: Vec<String>,
        /// A command run beside the load, `{}` in it being the broker's process id (`perf record -p {}`); it
        /// gets SIGINT afterwards.
        #[arg(long)]
        beside: Option<String>,
    },
    /// rkafka's client beside librdkafka: records a CPU-second of the client.
    Clients {
        /// Whose broker both talk to: `rkafka` or `apache`.
        #[arg(long, default_value = "rkafka")]
        product: String,
        /// Rounds; each runs both clients.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Megabytes written by each produce run.
        #[arg(long, default_value_t = 200)]
        megabytes: u64,
        /// `batch.size` of both producers.
        #[arg(long, default_value_t = 16_384)]
        batch_bytes: usize,
        /// A command run beside each load of rkafka's client, `{}` in it being its process id.
        #[arg(long)]
        beside: Option<String>,
        /// Where the figures are saved.
        #[arg(long, default_value = "docs/benchmarks")]
        save: PathBuf,
    },
    /// From exec to the first byte sent, of some commands, beside the stock tools.
    Startup {
        /// Rounds; each runs every command and its stock tool.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
        /// Where the figures are saved.
        #[arg(long, default_value = "docs/benchmarks")]
        save: PathBuf,
    },
    /// One load of rkafka's client; started by `clients`.
    #[command(hide = true)]
    ClientLoad {
        /// What to do, where, how much, and settings.
        arguments: Vec<String>,
    },
    /// The least a produce or a fetch can cost; started by the race.
    #[command(hide = true)]
    Bare {
        /// `sink` or `source`.
        what: String,
        /// The file written or read.
        file: PathBuf,
        /// Bytes of a frame.
        frame_bytes: Option<usize>,
    },
}

fn main() -> Result<()> {
    raise_limit_of_files()?;
    match Cli::parse().what {
        What::Race { megabytes, only, rounds, save } => {
            race::run(&race::Plan { megabytes, rounds, only }, &save)
        }
        What::Many { partitions, rounds, alone, save } => {
            let products = if alone { &[Product::Rkafka][..] } else { &Product::BOTH };
            many::run(partitions, rounds, products, &save)
        }
        What::Cluster { megabytes, rounds, only, add, save } => {
            three::run(&three::Plan { megabytes, rounds, only, add }, &save)
        }
        What::Crowd(rounds) => rounds.run("crowd", 0, crowd::round),
        What::Codecs { megabytes, rounds } => {
            rounds.run("codecs", megabytes, |product, note| codecs::round(product, megabytes, note))
        }
        What::Compaction { megabytes, rounds } => {
            rounds.run("compaction", megabytes, |product, note| compaction::round(product, megabytes, note))
        }
        What::Cold { megabytes, rounds } => {
            rounds.run("cold", megabytes, |product, note| cold::round(product, megabytes, note))
        }
        What::Flume { megabytes, rounds, only, save } => flume::run(megabytes, rounds, &only, &save),
        What::Load {
            product,
            connections,
            requests,
            records,
            record_bytes,
            in_flight,
            fetches,
            set,
            beside,
        } => {
            let product = if product == "apache" { Product::Apache } else { Product::Rkafka };
            let load = load::Load {
                topic: "load",
                first_partition: 0,
                partitions: 1,
                connections,
                in_flight,
                requests,
                records,
                record_bytes,
                acks: 1,
            };
            let set: Vec<(&str, &str)> = set.iter().filter_map(|setting| setting.split_once('=')).collect();
            let mut broker = Broker::prepare(product, &set)?;
            let _ = broker.start()?;
            profile(&broker, &load, fetches, beside.as_deref())
        }
        What::Clients { product, rounds, megabytes, batch_bytes, beside, save } => {
            let product = if product == "apache" { Product::Apache } else { Product::Rkafka };
            clients::run(&clients::Plan { product, rounds, megabytes, batch_bytes, beside }, &save)
        }
        What::Startup { rounds, save } => startup::run(rounds, &save),
        What::ClientLoad { arguments } => clients::own_load(&arguments),
        What::Bare { what, file, frame_bytes } => match what.as_str() {
            "sink" => bare::sink(&file, frame_bytes.unwrap_or(16_384)),
            _ => bare::source(&file),
        },
    }
}

/// As many open files as the system allows, for this program's connections and for the brokers it starts.
fn raise_limit_of_files() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// One load with nothing but its cost told, and a profiler beside it if wanted.
fn profile(broker: &Broker, load: &load::Load<'_>, fetches: u32, beside: Option<&str>) -> Result<()> {
    broker.create_topic(load.topic, load.partitions)?;
    let pid = broker.pid()?;
    let profiler = beside.map(|command| {
        let command = command.replace("{}", &pid.as_raw_nonzero().to_string());
        std::process::Command::new("sh").arg("-c").arg(format!("exec {command}")).spawn()
    });
    let profiler = profiler.transpose()?;
    let before = measure::cpu(pid)?;
    let achieved = load::produce(broker, load)?;
    let produced = measure::cpu(pid)?;
    for _ in 0..fetches {
        load::fetch(broker, load.topic, achieved.bytes, 1 << 20)?;
    }
    let fetched = measure::cpu(pid)?;
    if let Some(mut profiler) = profiler {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&profiler),
            rustix::process::Signal::INT,
        )?;
        let _ = profiler.wait()?;
    }
    let produce = (produced - before).as_secs_f64();
    println!(
        "{} requests, {:.3} GB in {:?}: {:.3} CPU-s/GB, {:.1} CPU-µs a request; {:.3} CPU-s/GB fetched",
        achieved.requests,
        achieved.gigabytes(),
        achieved.time,
        produce / achieved.gigabytes(),
        produce * 1e6 / achieved.requests as f64,
        (fetched - produced).as_secs_f64() / achieved.gigabytes() / f64::from(fetches.max(1)),
    );
    Ok(())
}
