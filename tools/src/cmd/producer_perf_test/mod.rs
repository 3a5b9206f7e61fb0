//! `rkafka producer-perf-test`: how fast records are stored, as `kafka-producer-perf-test.sh` measures it.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and the settings they make |
//! | `payload.rs` | what the records hold |
//! | `stats.rs` | latencies and rates, and the lines that tell them |
//!
//! Differences from the stock tool, all intended: usage mistakes show a hint rather than the whole usage; a
//! failed record is told in one line; `--print-metrics` has nothing to print; transactions are refused.

mod options;
mod payload;
mod stats;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use rkafka_client::producer::{Delivery, Producer, Record};
use tokio::sync::mpsc;

use super::Invocation;
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::produce;
use crate::common::progress::Progress;
use options::Options;
use payload::Payloads;
use stats::Stats;

/// Records of one partition whose acknowledgement is waited for at a time.
const UNACKNOWLEDGED_MAX: usize = 1 << 20;

/// Shorter pauses than this are saved up: timers are no finer.
const PAUSE_MIN: Duration = Duration::from_millis(2);

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("producer-perf-test"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let mut payloads = options.payloads()?;
    let config = options.settings()?.producer()?;
    let patience = config.delivery_timeout() + config.max_block;
    produce::with_producer(config, async |producer| {
        let measured = measure(&producer, &options, &mut payloads).await;
        producer.close(patience).await;
        measured
    })
}

/// All that is measured, and what is left of it after the warm-up.
struct Measured {
    all: Stats,
    steady: Option<Stats>,
    /// The first record after the warm-up.
    steady_from: u64,
}

/// Sends all records, then waits for them; prints progress and the summary.
async fn measure(producer: &Producer, options: &Options, payloads: &mut Payloads) -> Result<(), Failure> {
    let count = options.num_records;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let all = Stats::new(count, options.interval(), options.warmup_records == 0);
    let measured = Measured { all, steady: None, steady_from: options.warmup_records };
    let measured = Arc::new(Mutex::new(measured));
    let mut waiting =
        Acknowledgements { measured: measured.clone(), partitions: HashMap::new(), tasks: Vec::new() };
    let topic = options.topic.clone();
    if options.warmup_records > 0 {
        let records = options.warmup_records;
        output::write(&format!(
            "Warmup first {records} records. Steady state results will print after the complete test summary.\n"
        ))?;
    }
    let mut pace = Pace::new(options.throughput);
    let progress = Progress::new(count, "records");
    for number in 0..count {
        progress.set(number);
        if options.warmup_records > 0 && number == options.warmup_records {
            output::write("In steady state.\n")?;
            let mut measured = lock(&measured);
            measured.all.is_quiet = true;
            measured.steady = Some(Stats::new(count - number, options.interval(), true));
        }
        let payload = payloads.next();
        let start = Instant::now();
        match producer.send(Record::to(&topic).value(payload)).await {
            Ok(delivery) => waiting.add(Sent { start, bytes: payload.len(), number, delivery }).await,
            Err(error) => eprintln!("{}: {error}", produce::exception(&error)),
        }
        tokio::select! {
            biased;
            () = pace.keep() => {}
            _ = &mut interrupt => break,
        }
    }
    producer.flush().await;
    waiting.finish().await;
    drop(progress);
    let measured = lock(&measured);
    output::write(&measured.all.summary(""))?;
    match &measured.steady {
        Some(steady) => output::write(&steady.summary(" steady state")),
        None => Ok(()),
    }
}

fn lock(measured: &Mutex<Measured>) -> std::sync::MutexGuard<'_, Measured> {
    measured.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A record that was sent.
struct Sent {
    start: Instant,
    bytes: usize,
    number: u64,
    delivery: Delivery,
}

/// Waits for acknowledgements, each partition's in order: so none is noticed late because of another
/// partition.
struct Acknowledgements {
    measured: Arc<Mutex<Measured>>,
    partitions: HashMap<i32, mpsc::Sender<Sent>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Acknowledgements {
    async fn add(&mut self, sent: Sent) {
        let (measured, tasks) = (&self.measured, &mut self.tasks);
        let queue = self.partitions.entry(sent.delivery.partition()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(UNACKNOWLEDGED_MAX);
            tasks.push(tokio::spawn(record_all(receiver, measured.clone())));
            sender
        });
        let _ = queue.send(sent).await;
    }

    async fn finish(self) {
        drop(self.partitions);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

async fn record_all(mut queue: mpsc::Receiver<Sent>, measured: Arc<Mutex<Measured>>) {
    while let Some(Sent { start, bytes, number, delivery }) = queue.recv().await {
        match delivery.await {
            Ok(_) => {
                let latency = start.elapsed();
                let mut measured = lock(&measured);
                let is_steady = number >= measured.steady_from;
                let steady = measured.steady.as_mut().filter(|_| is_steady);
                let steady_line = steady.and_then(|steady| steady.record(number, latency, bytes));
                let lines = [measured.all.record(number, latency, bytes), steady_line];
                drop(measured);
                for line in lines.into_iter().flatten() {
                    let _ = output::write(&line);
                }
            }
            Err(error) => eprintln!("{}: {error}", produce::exception(&error)),
        }
    }
}

/// Holds the rate of `--throughput`.
struct Pace {
    /// Records a second; none for no limit.
    rate: Option<f64>,
    start: Instant,
    sent: u64,
}

impl Pace {
    fn new(throughput: f64) -> Pace {
        Pace { rate: Some(throughput).filter(|rate| *rate > 0.0), start: Instant::now(), sent: 0 }
    }

    /// Waits until the next record is due.
    async fn keep(&mut self) {
        self.sent += 1;
        let Some(rate) = self.rate else { return };
        let due = Duration::from_secs_f64(self.sent as f64 / rate);
        let ahead = due.saturating_sub(self.start.elapsed());
        if ahead >= PAUSE_MIN {
            tokio::time::sleep(ahead).await;
        }
    }
}
