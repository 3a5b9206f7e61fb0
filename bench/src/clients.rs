//! rkafka's Rust client beside librdkafka: records a CPU-second of the client's process, produced and consumed, in
//! turn against the same broker. Wall time depends on the broker and the machine; CPU-seconds tell what a program
//! pays for its client.
//!
//! Each load is a process of its own: this program again ([`own_load`]), and `bench/clients/rdkafka.c`, built here with
//! the system's librdkafka. Both have the same settings. Every record is acknowledged (acks=all, idempotent) and read
//! back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rkafka_client::producer::{Producer, ProducerConfig, Record};
use rkafka_client::{Admin, ClientConfig, Consumer, ConsumerConfig, NewTopic, TopicPartition};
use rkafka_tests::build;
use rustix::process::Pid;

use crate::broker::{Broker, Product};
use crate::report::Report;

/// Partitions of each topic.
const PARTITIONS: i32 = 3;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) product: Product,
    pub(crate) rounds: usize,
    /// Bytes written by each produce run.
    pub(crate) megabytes: u64,
    /// `batch.size` of both producers.
    pub(crate) batch_bytes: usize,
    /// A command run beside each of our loads, `{}` in it being its process id.
    pub(crate) beside: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Rkafka,
    Librdkafka,
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Client::Rkafka => "rkafka-client",
            Client::Librdkafka => "librdkafka",
        }
    }

    /// Whose column of the report it is.
    fn column(self) -> Product {
        match self {
            Client::Rkafka => Product::Rkafka,
            Client::Librdkafka => Product::Apache,
        }
    }
}

/// One load: what, on which topic, how much.
struct Load<'a> {
    what: &'a str,
    topic: &'a str,
    records: u64,
    bytes: usize,
    settings: Vec<String>,
}

/// Runs everything and prints a table, saved as `clients` in `folder`.
pub(crate) fn run(plan: &Plan, folder: &Path) -> Result<()> {
    let librdkafka = build_librdkafka_load()?;
    let broker = Broker::started(plan.product)?;
    let mut report = Report::of_clients(&librdkafka_version()?, plan.rounds, plan.megabytes);
    for round in 0..plan.rounds {
        for bytes in [100, 1024] {
            let records = plan.megabytes * 1_000_000 / bytes as u64;
            // Who goes first changes with the rounds.
            let mut order = [Client::Rkafka, Client::Librdkafka];
            order.rotate_left(round % 2);
            for client in order {
                let topic = format!("{}-{bytes}-{round}", client.name());
                create_topic(&broker, &topic)?;
                for what in ["produce", "consume"] {
                    let settings = settings(what, plan);
                    let load = Load { what, topic: &topic, records, bytes, settings };
                    let used = run_load(client, &librdkafka, &broker, &load, plan.beside.as_deref())?;
                    let rate = records as f64 / used.as_secs_f64();
                    println!("{what}, {bytes} B, {}: {rate:.0} records a CPU-second", client.name());
                    report.add(client.column(), &format!("{what}, {bytes} B"), "records/CPU-s", rate.round());
                }
            }
        }
        report.save(folder, "clients")?;
    }
    println!("\n{}", report.markdown());
    Ok(())
}

fn librdkafka_version() -> Result<String> {
    let output = Command::new("pkg-config").args(["--modversion", "rdkafka"]).output();
    let output = output.context("pkg-config is needed: apt-get install -y pkg-config")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn settings(what: &str, plan: &Plan) -> Vec<String> {
    let list: &[String] = &if what == "produce" {
        vec![
            "acks=all".to_owned(),
            "enable.idempotence=true".to_owned(),
            "linger.ms=5".to_owned(),
            format!("batch.size={}", plan.batch_bytes),
        ]
    } else {
        vec!["group.id=bench".to_owned(), "enable.auto.commit=false".to_owned(), "check.crcs=true".to_owned()]
    };
    list.to_vec()
}

/// CPU time of one load's process, user and system.
fn run_load(
    client: Client,
    librdkafka: &Path,
    broker: &Broker,
    load: &Load<'_>,
    beside: Option<&str>,
) -> Result<Duration> {
    let mut command = match client {
        Client::Rkafka => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("client-load");
            command
        }
        Client::Librdkafka => Command::new(librdkafka),
    };
    command.args([load.what, &broker.bootstrap(), load.topic, &PARTITIONS.to_string()]);
    command.args([load.records.to_string(), load.bytes.to_string()]).args(&load.settings);
    let before = children_cpu();
    let mut child = command.spawn()?;
    let profiler = beside.filter(|_| client == Client::Rkafka).map(|command| {
        let command = command.replace("{}", &Pid::from_child(&child).as_raw_nonzero().to_string());
        Command::new("sh").arg("-c").arg(format!("exec {command}")).spawn()
    });
    let status = child.wait()?;
    let used = children_cpu() - before;
    if let Some(profiler) = profiler {
        let _ = profiler?.wait()?;
    }
    ensure!(status.success(), "{} {} ended with {status}", client.name(), load.what);
    Ok(used)
}

/// CPU time of all children that have ended and were waited for.
fn children_cpu() -> Duration {
    let Ok(usage) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN) else {
        return Duration::ZERO;
    };
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec().unsigned_abs())
            + Duration::from_micros(value.tv_usec().unsigned_abs())
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn create_topic(broker: &Broker, topic: &str) -> Result<()> {
    let create = async {
        let admin = Admin::connect(ClientConfig::new(&broker.bootstrap())?).await?;
        for (_, created) in
            admin.create_topics(&[NewTopic::new(topic).with_partitions(PARTITIONS)], false).await?
        {
            created?;
        }
        anyhow::Ok(())
    };
    runtime()?.block_on(create)?;
    broker.wait_until_led(topic, PARTITIONS.unsigned_abs())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Builds `bench/clients/rdkafka.c` into the build directory.
fn build_librdkafka_load() -> Result<PathBuf> {
    let program = build::target().join("rdkafka-load");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-Wall", "-o"]).arg(&program).arg(build::root().join("bench/clients/rdkafka.c"));
    let status = cc.arg("-lrdkafka").status().context("a C compiler is needed: apt-get install -y gcc")?;
    ensure!(status.success(), "librdkafka's headers are needed: apt-get install -y librdkafka-dev");
    Ok(program)
}

/// What a child of this program does: `produce|consume <bootstrap> <topic> <partitions> <records> <record bytes>
/// [key=value …]`.
pub(crate) fn own_load(arguments: &[String]) -> Result<()> {
    let [what, bootstrap, topic, partitions, records, bytes, settings @ ..] = arguments else {
        bail!("produce|consume bootstrap topic partitions records bytes [key=value …]");
    };
    let settings: Vec<(&str, &str)> = settings.iter().filter_map(|one| one.split_once('=')).collect();
    let (records, bytes): (u64, usize) = (records.parse()?, bytes.parse()?);
    runtime()?.block_on(async {
        if what == "produce" {
            return produce(bootstrap, topic, records, bytes, &settings).await;
        }
        consume(bootstrap, topic, partitions.parse()?, records, bytes, &settings).await
    })
}

async fn produce(
    bootstrap: &str,
    topic: &str,
    records: u64,
    bytes: usize,
    settings: &[(&str, &str)],
) -> Result<()> {
    let mut config = ProducerConfig::new(bootstrap)?;
    for (key, value) in settings {
        config = config.with(key, value)?;
    }
    let producer = Producer::connect(config).await?;
    let payload: Vec<u8> = (0..bytes).map(|at| b'a' + (at % 26) as u8).collect();
    // The last delivery of each batch tells of all of it: those before are kept until then.
    let mut deliveries = std::collections::VecDeque::new();
    for _ in 0..records {
        deliveries.push_back(producer.send(Record::to(topic).value(&payload)).await?);
        while deliveries.front().is_some_and(rkafka_client::producer::Delivery::is_done) {
            if let Some(done) = deliveries.pop_front() {
                let _ = done.await?;
            }
        }
    }
    producer.flush().await;
    for delivery in deliveries {
        let _ = delivery.await?;
    }
    ensure!(producer.close(Duration::from_secs(60)).await, "the producer did not close");
    Ok(())
}

async fn consume(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    records: u64,
    bytes: usize,
    settings: &[(&str, &str)],
) -> Result<()> {
    let mut config = ConsumerConfig::new(bootstrap)?;
    for (key, value) in settings {
        config = config.with(key, value)?;
    }
    let consumer = Consumer::connect(config).await?;
    let all: Vec<TopicPartition> = (0..partitions).map(|index| TopicPartition::new(topic, index)).collect();
    consumer.assign(all)?;
    consumer.seek_to_beginning(&[])?;
    let (mut read, mut total) = (0, 0);
    let begin = Instant::now();
    while read < records {
        ensure!(begin.elapsed() < Duration::from_secs(600), "{read} of {records} records came");
        for record in consumer.poll(Duration::from_secs(1)).await? {
            read += 1;
            total += record.value.map_or(0, |value| value.len());
        }
    }
    ensure!(read == records && total as u64 == records * bytes as u64, "{read} records of {total} bytes");
    consumer.close(Duration::from_secs(10)).await?;
    Ok(())
}
