//! The race: each round runs every scenario on rkafka and then on Apache Kafka (A B A B …), so that a machine that
//! drifts hits both. Within a round a broker runs once, warmed up first, and each scenario has a topic of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bare;
use crate::broker::{Broker, Product};
use crate::java::{self, Produce};
use crate::load::{self, Load};
use crate::measure::{MemoryPeak, cpu, memory, written};
use crate::report::Report;

/// Requests before anything is measured, of one record and of 16 KiB each: thousands of calls are what the second
/// compiler of a JVM waits for.
const WARM_REQUESTS: u64 = 20_000;
/// Fetches of the same data, each beside a bare loop over it.
const FETCHES: u32 = 5;

/// How much is run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Written by each produce run of the Java tool.
    pub(crate) megabytes: u64,
    /// Rounds, each on both products.
    pub(crate) rounds: usize,
    /// Only scenarios whose name contains this.
    pub(crate) only: String,
}

impl Plan {
    fn wants(&self, scenario: &str) -> bool {
        scenario.contains(&self.only)
    }
}

/// A way of producing with the Java tool.
struct Java {
    record_bytes: u64,
    partitions: u32,
    acks: &'static str,
    batch_bytes: u32,
    linger_ms: u32,
}

impl Java {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (batch_bytes, linger_ms) in [(16_384, 1), (262_144, 5)] {
            for record_bytes in [1024, 100] {
                for (partitions, acks) in [(1, "1"), (1, "all"), (12, "1"), (12, "all")] {
                    all.push(Self { record_bytes, partitions, acks, batch_bytes, linger_ms });
                }
            }
        }
        all
    }

    fn name(&self) -> String {
        let Self { record_bytes, partitions, acks, batch_bytes, .. } = self;
        let plural = if *partitions == 1 { "" } else { "s" };
        let kib = batch_bytes / 1024;
        format!("produce, {kib} KiB batches, {record_bytes} B, {partitions} partition{plural}, acks={acks}")
    }
}

/// Runs the plan; the report is saved as `race` in `folder` after every round.
pub(crate) fn run(plan: &Plan, folder: &Path) -> Result<()> {
    let mut report = Report::new(plan.rounds, plan.megabytes);
    for round in 1..=plan.rounds {
        for product in Product::BOTH {
            eprintln!("round {round} of {}, {product:?}", plan.rounds);
            Round { plan, report: &mut report, product }.run()?;
            report.save(folder, "race")?;
        }
    }
    println!("{}", report.markdown());
    Ok(())
}

/// One product's part of a round.
struct Round<'a> {
    plan: &'a Plan,
    report: &'a mut Report,
    product: Product,
}

impl Round<'_> {
    fn run(&mut self) -> Result<()> {
        let mut broker = Broker::prepare(self.product, &[])?;
        let started = broker.start()?;
        self.note("start, empty, to the first answer", "ms", started.as_secs_f64() * 1e3);
        self.note("start, empty, to the first answer", "CPU-s", cpu(broker.pid()?)?.as_secs_f64());
        std::thread::sleep(Duration::from_secs(2));
        let idle = memory(broker.pid()?)?;
        self.note("idle", "anonymous MB", idle.anonymous as f64 / 1e6);
        self.note("idle", "resident MB", idle.resident as f64 / 1e6);
        self.warm_up(&broker)?;
        let peak = MemoryPeak::watch(broker.pid()?);
        for java in Java::all() {
            if self.plan.wants(&java.name()) {
                self.java(&broker, &java)?;
            }
        }
        self.native(&broker)?;
        self.latency(&broker)?;
        self.note("under load, most", "anonymous MB", peak.end() as f64 / 1e6);
        self.note("under load, most", "resident MB", memory(broker.pid()?)?.peak as f64 / 1e6);
        let stopped = broker.stop()?;
        self.note("stop", "ms", stopped.as_secs_f64() * 1e3);
        Ok(())
    }

    fn note(&mut self, scenario: &str, unit: &'static str, value: f64) {
        self.report.add(self.product, scenario, unit, value);
    }

    /// Gives a just-in-time compiler the chance it has in a broker that has been up for a while.
    fn warm_up(&self, broker: &Broker) -> Result<()> {
        broker.create_topic("warm", 12)?;
        let small = Load { connections: 12, partitions: 12, ..load("warm", 1024, 1024, WARM_REQUESTS) };
        load::produce(broker, &small)?;
        let bytes = load::produce(broker, &load("warm", 16_384, 1024, WARM_REQUESTS))?.bytes;
        for _ in 0..3 {
            load::fetch(broker, "warm", bytes, 1 << 20)?;
            load::fetch(broker, "warm", bytes / 8, 1 << 16)?;
        }
        Ok(())
    }

    /// Produces with the Java tool, then reads it all with Java's and with librdkafka's consumer.
    fn java(&mut self, broker: &Broker, java: &Java) -> Result<()> {
        let name = java.name();
        eprintln!("  {name}");
        let topic = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        broker.create_topic(&topic, java.partitions)?;
        let records = self.plan.megabytes * 1_000_000 / java.record_bytes;
        let gigabytes = (records * java.record_bytes) as f64 / 1e9;
        let pid = broker.pid()?;
        let (before, disk) = (cpu(pid)?, written(pid)?);
        let how = Produce {
            topic: &topic,
            record_bytes: java.record_bytes,
            records,
            acks: java.acks,
            batch_bytes: java.batch_bytes,
            linger_ms: java.linger_ms,
            rate: None,
            compression: "none",
        };
        let produced = java::produce(&broker.bootstrap(), &how)?;
        let spent = (cpu(pid)? - before).as_secs_f64();
        self.note(&name, "broker CPU-s/GB", spent / gigabytes);
        self.note(&name, "MB/s", produced.megabytes_per_second);
        self.note(&name, "requests", produced.requests);
        self.note(&name, "broker CPU-µs/request", spent * 1e6 / produced.requests);
        self.note(&name, "written to disk, bytes/byte", (written(pid)? - disk) as f64 / gigabytes / 1e9);
        if java.acks == "1" {
            self.consume(broker, java, &topic, records, gigabytes)?;
        }
        Ok(())
    }

    fn consume(
        &mut self,
        broker: &Broker,
        java: &Java,
        topic: &str,
        records: u64,
        gigabytes: f64,
    ) -> Result<()> {
        let of = java.name().replacen("produce", "", 1).replace(", acks=1", "");
        let pid = broker.pid()?;
        let before = cpu(pid)?;
        java::consume(broker, topic, records)?;
        let spent = (cpu(pid)? - before).as_secs_f64();
        self.note(&format!("consume, Java{of}"), "broker CPU-s/GB", spent / gigabytes);
        let before = cpu(pid)?;
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", &broker.bootstrap(), "-C", "-t", topic, "-o", "beginning", "-e", "-q"]);
        let status = kcat.stdout(Stdio::null()).status().context("kcat: apt-get install -y kcat")?;
        ensure!(status.success(), "kcat ended with {status}");
        let spent = (cpu(pid)? - before).as_secs_f64();
        self.note(&format!("consume, librdkafka{of}"), "broker CPU-s/GB", spent / gigabytes);
        Ok(())
    }

    /// The load of our own, whose clients cost next to nothing: the broker is the bottleneck.
    fn native(&mut self, broker: &Broker) -> Result<()> {
        let cases = [
            ("native produce, 16 KiB batches, 1 connection", load("n16", 16_384, 1024, 20_000)),
            ("native produce, 256 KiB batches, 1 connection", load("n256", 262_144, 1024, 2000)),
            (
                "native produce, batches of one 100 B record, 64 connections",
                Load { connections: 64, partitions: 12, ..load("n1", 100, 100, 100_000) },
            ),
        ];
        for (name, load) in cases {
            if !self.plan.wants(name) {
                continue;
            }
            eprintln!("  {name}");
            broker.create_topic(load.topic, load.partitions)?;
            let before = cpu(broker.pid()?)?;
            let achieved = load::produce(broker, &load)?;
            let spent = (cpu(broker.pid()?)? - before).as_secs_f64();
            let seconds = achieved.time.as_secs_f64();
            self.note(name, "broker CPU-s/GB", spent / achieved.gigabytes());
            self.note(name, "MB/s", achieved.gigabytes() * 1e3 / seconds);
            self.note(name, "requests/s", achieved.requests as f64 / seconds);
            self.note(name, "requests per broker CPU-s", achieved.requests as f64 / spent);
        }
        self.native_fetch(broker)
    }

    /// The whole of one partition, a MiB at a time, and the same with a bare `sendfile`.
    fn native_fetch(&mut self, broker: &Broker) -> Result<()> {
        let name = "native fetch, 1 MiB answers";
        if !self.plan.wants(name) {
            return Ok(());
        }
        eprintln!("  {name}");
        broker.create_topic("source", 1)?;
        let achieved = load::produce(broker, &load("source", 16_384, 1024, 20_000))?;
        let bytes = achieved.bytes;
        let segment = broker.data().join("source-0/00000000000000000000.log");
        let (mut spent, mut bare) = (0.0, 0.0);
        for _ in 0..FETCHES {
            let before = cpu(broker.pid()?)?;
            load::fetch(broker, "source", bytes, 1 << 20)?;
            spent += (cpu(broker.pid()?)? - before).as_secs_f64();
            bare += bare::source_cost(&segment, 1 << 20)?;
        }
        let (spent, bare) = (spent / achieved.gigabytes() / f64::from(FETCHES), bare / f64::from(FETCHES));
        self.note(name, "broker CPU-s/GB", spent);
        self.note(name, "… by a bare sendfile loop's beside it", spent / bare);
        let into = broker.data().join("bare");
        for frame_bytes in [16_384, 262_144] {
            let name = format!("bare read, CRC, write loop, {} KiB frames", frame_bytes / 1024);
            self.note(&name, "CPU-s/GB", bare::sink_cost(&into, 400_000_000, frame_bytes, 5)?);
            std::fs::remove_file(&into)?;
        }
        Ok(())
    }

    fn latency(&mut self, broker: &Broker) -> Result<()> {
        let name = "native produce, one 100 B record, 500 a second, acks=all";
        if self.plan.wants(name) {
            eprintln!("  {name}");
            broker.create_topic("paced", 1)?;
            let sorted = load::paced(broker, "paced", 500, 5000)?;
            for (unit, per_mille) in [("p50 ms", 500), ("p99 ms", 990), ("p99.9 ms", 999)] {
                self.note(
                    name,
                    unit,
                    sorted.get(sorted.len() * per_mille / 1000).copied().unwrap_or(f64::NAN),
                );
            }
        }
        let name = "end to end, one 100 B record at a time, acks=all";
        if self.plan.wants(name) {
            eprintln!("  {name}");
            broker.create_topic("latency", 1)?;
            let [p50, p99, p999] = java::end_to_end(broker, "latency", 10_000, 100)?;
            self.note(name, "p50 ms", p50);
            self.note(name, "p99 ms", p99);
            self.note(name, "p99.9 ms", p999);
        }
        let name = "produce to acknowledgement, 5,000 records/s of 100 B, acks=all";
        if self.plan.wants(name) {
            eprintln!("  {name}");
            broker.create_topic("rate", 1)?;
            let how = Produce {
                topic: "rate",
                record_bytes: 100,
                records: 50_000,
                acks: "all",
                batch_bytes: 16_384,
                linger_ms: 0,
                rate: Some(5000),
                compression: "none",
            };
            let before = cpu(broker.pid()?)?;
            let produced = java::produce(&broker.bootstrap(), &how)?;
            let spent = cpu(broker.pid()?)? - before;
            self.note(name, "p50 ms", produced.p50_ms);
            self.note(name, "p99 ms", produced.p99_ms);
            self.note(name, "p99.9 ms", produced.p999_ms);
            self.note(name, "broker CPU-s for 10 s", spent.as_secs_f64());
        }
        Ok(())
    }
}

/// One connection with five requests in flight, as a Java producer has.
fn load(topic: &str, batch_bytes: usize, record_bytes: usize, requests: u64) -> Load<'_> {
    let records = u32::try_from((batch_bytes / (record_bytes + 10)).max(1)).unwrap_or(1);
    Load {
        topic,
        first_partition: 0,
        partitions: 1,
        connections: 1,
        in_flight: 5,
        requests,
        records,
        record_bytes,
        acks: 1,
    }
}
