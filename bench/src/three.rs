//! The race of three nodes: replication factor 3, `min.insync.replicas=2`, acks=all, clients and all nodes on one
//! machine. Each round runs every part on rkafka and then on Apache Kafka.
//!
//! Loads are the hand-written one, one connection to the leader of each partition: it costs the same next to nothing
//! with both products, so that two cores are left to three brokers. Failures are watched through a whole client
//! ([`crate::gap`]), since repeating what failed is a client's work.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bare;
use crate::broker::{Broker, PATIENCE, Product};
use crate::cluster::Cluster;
use crate::gap::Watch;
use crate::java::{self, Produce};
use crate::load::{self, Load};
use crate::measure::MemoryPeak;
use crate::report::Report;

/// Partitions of the topics that are loaded: two led by each node.
const PARTITIONS: u32 = 6;
/// Partitions of the topic that makes nodes heavy.
const MANY: u32 = 1000;
/// Acknowledgements after which a failure is over.
const AFTERWARDS: usize = 400;
/// Requests a second whose latency is measured.
const RATE: u32 = 500;

/// What is run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Written by each load.
    pub(crate) megabytes: u64,
    /// Rounds, each on both products.
    pub(crate) rounds: usize,
    /// Only parts whose name contains this: load, failover, catch-up, many.
    pub(crate) only: String,
    /// Adds to the figures that are saved.
    pub(crate) add: bool,
}

/// Runs the plan; saved as `cluster` in `folder` after every part.
pub(crate) fn run(plan: &Plan, folder: &Path) -> Result<()> {
    let mut report = if plan.add {
        Report::continued(folder, "cluster", plan.rounds, plan.megabytes)?
    } else {
        Report::new(plan.rounds, plan.megabytes)
    };
    for round in 1..=plan.rounds {
        for product in Product::BOTH {
            eprintln!("round {round} of {}, {product:?}", plan.rounds);
            Round { plan, product, report: &mut report }.run()?;
            report.save(folder, "cluster")?;
        }
    }
    println!("{}", report.markdown());
    Ok(())
}

/// One product's part of a round.
struct Round<'a> {
    plan: &'a Plan,
    product: Product,
    report: &'a mut Report,
}

impl Round<'_> {
    fn run(&mut self) -> Result<()> {
        let mut cluster = Cluster::prepare(self.product)?;
        let begin = cluster.launch()?;
        let formed = cluster.wait_until_answering(begin)?;
        self.ms("three empty nodes, until all answer", formed);
        cluster.create_topic("load", PARTITIONS)?;
        self.ms("three empty nodes, until a first topic is in sync", begin.elapsed());
        std::thread::sleep(Duration::from_secs(2));
        self.memory("three idle nodes", &cluster)?;
        self.warm_up(&cluster)?;
        if self.plan.wants("load") {
            self.loads(&cluster)?;
        }
        if self.plan.wants("failover") {
            self.kill_leader(&mut cluster)?;
            self.restart_leader(&mut cluster)?;
            self.kill_controller(&mut cluster)?;
        }
        if self.plan.wants("catch-up") {
            self.catch_up(&mut cluster)?;
        }
        if self.plan.wants("many") {
            self.many(&mut cluster)?;
        }
        Ok(())
    }

    fn note(&mut self, scenario: &str, unit: &str, value: f64) {
        eprintln!("  {scenario}: {value:.3} {unit}");
        self.report.add(self.product, scenario, unit, value);
    }

    fn ms(&mut self, scenario: &str, time: Duration) {
        self.note(scenario, "ms", time.as_secs_f64() * 1e3);
    }

    fn memory(&mut self, scenario: &str, cluster: &Cluster) -> Result<()> {
        let [anonymous, resident] = cluster.memory()?;
        self.note(scenario, "anonymous MB, all nodes", anonymous);
        self.note(scenario, "resident MB, all nodes", resident);
        Ok(())
    }

    /// Gives just-in-time compilers the chance they have in a cluster that has been up for a while.
    fn warm_up(&self, cluster: &Cluster) -> Result<()> {
        load::produce(cluster, &native("load", 1, 100, 20_000))?;
        load::produce(cluster, &native("load", 16, 1000, 10_000))?;
        Ok(())
    }

    fn loads(&mut self, cluster: &Cluster) -> Result<()> {
        let peaks = cluster.nodes.iter().map(|node| Ok(MemoryPeak::watch(node.pid()?)));
        let peaks = peaks.collect::<Result<Vec<_>>>()?;
        for (name, records) in [("16 KiB", 16), ("256 KiB", 256)] {
            let requests = self.plan.megabytes * 1000 / u64::from(records);
            let name = format!("native produce, {name} batches, {PARTITIONS} connections");
            let before = cluster.cpu()?;
            let achieved = load::produce(cluster, &native("load", records, 1000, requests))?;
            let spent = (cluster.cpu()? - before).as_secs_f64();
            self.note(&name, "CPU-s/GB, all nodes", spent / achieved.gigabytes());
            self.note(&name, "MB/s", achieved.gigabytes() * 1e3 / achieved.time.as_secs_f64());
        }
        self.java(cluster, "Java produce, 16 KiB batches, 1,000 B", self.plan.megabytes * 1000, None)?;
        self.java(cluster, "Java produce, 5,000 records/s of 1,000 B", 50_000, Some(5000))?;
        let name = format!("native produce, one 100 B record, {RATE} a second");
        let sorted = load::paced(cluster, "load", RATE, 10 * RATE)?;
        self.percentiles(&name, &sorted);
        let most: u64 = peaks.into_iter().map(MemoryPeak::end).sum();
        self.note("under load, most", "anonymous MB, all nodes", most as f64 / 1e6);
        Ok(())
    }

    fn java(&mut self, cluster: &Cluster, name: &str, records: u64, rate: Option<u32>) -> Result<()> {
        let how = Produce {
            topic: "load",
            record_bytes: 1000,
            records,
            acks: "all",
            batch_bytes: 16_384,
            linger_ms: if rate.is_some() { 0 } else { 1 },
            rate,
            compression: "none",
        };
        let before = cluster.cpu()?;
        let produced = java::produce(&cluster.bootstrap(), &how)?;
        let spent = (cluster.cpu()? - before).as_secs_f64();
        self.note(name, "CPU-s/GB, all nodes", spent / (records as f64 / 1e6));
        self.note(name, "MB/s", produced.megabytes_per_second);
        self.note(name, "p50 ms", produced.p50_ms);
        self.note(name, "p99 ms", produced.p99_ms);
        Ok(())
    }

    fn percentiles(&mut self, name: &str, sorted: &[f64]) {
        for (unit, per_mille) in [("p50 ms", 500), ("p99 ms", 990), ("p99.9 ms", 999)] {
            let value = sorted.get(sorted.len() * per_mille / 1000).copied().unwrap_or(f64::NAN);
            self.note(name, unit, value);
        }
    }

    /// `kill -9` of a partition's leader that is not the active controller.
    fn kill_leader(&mut self, cluster: &mut Cluster) -> Result<()> {
        let (leader, watch) = self.watch_another(cluster, "kill-leader")?;
        self.node(cluster, leader)?.kill()?;
        self.gap("kill -9 of a leader", watch)?;
        self.bring_back(cluster, leader, "kill-leader")
    }

    /// A leader is stopped as operators do it, and started again.
    fn restart_leader(&mut self, cluster: &mut Cluster) -> Result<()> {
        let (leader, watch) = self.watch_another(cluster, "restart")?;
        let stopped = self.node(cluster, leader)?.stop()?;
        self.ms("clean restart of a leader: stop", stopped);
        self.bring_back(cluster, leader, "restart")?;
        self.gap("clean restart of a leader", watch)
    }

    /// `kill -9` of the active controller, beside a producer whose leader lives on.
    fn kill_controller(&mut self, cluster: &mut Cluster) -> Result<()> {
        let (_, watch) = self.watch_another(cluster, "kill-controller")?;
        let controller = cluster.controller()?;
        let begin = Instant::now();
        self.node(cluster, controller)?.kill()?;
        let mut attempt = 0;
        while !cluster.can_change_metadata(&format!("change-{attempt}"))? && begin.elapsed() < PATIENCE {
            attempt += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ms("kill -9 of the active controller: until metadata can be changed", begin.elapsed());
        self.gap("kill -9 of the active controller, leader elsewhere", watch)?;
        self.bring_back(cluster, controller, "kill-controller")
    }

    /// A producer to a new topic's partition that is not led by the active controller, and its leader.
    fn watch_another(&self, cluster: &Cluster, topic: &str) -> Result<(i32, Watch)> {
        eprintln!("  {topic}");
        cluster.create_topic(topic, 3)?;
        let controller = cluster.controller()?;
        let leaders = cluster.leaders(topic)?;
        let other = (0..).zip(&leaders).find(|(_, leader)| **leader != controller);
        let (partition, leader) = other.context("a partition that the controller does not lead")?;
        Ok((*leader, Watch::start(&cluster.bootstrap(), topic, partition)?))
    }

    fn gap(&mut self, name: &str, watch: Watch) -> Result<()> {
        watch.wait_for(AFTERWARDS, PATIENCE);
        let gap = watch.end()?;
        self.ms(&format!("{name}: longest gap of a producer"), gap.longest);
        self.note(&format!("{name}: errors that reached the producer"), "records", gap.errors.len() as f64);
        if let Some(error) = gap.errors.first() {
            eprintln!("  the first error: {error}");
        }
        Ok(())
    }

    fn node<'c>(&self, cluster: &'c mut Cluster, id: i32) -> Result<&'c mut Broker> {
        let at = usize::try_from(id - 1)?;
        cluster.nodes.get_mut(at).with_context(|| format!("node {id}"))
    }

    fn bring_back(&self, cluster: &mut Cluster, id: i32, topic: &str) -> Result<()> {
        self.node(cluster, id)?.start()?;
        cluster.wait_until_in_sync(topic, 3)?;
        cluster.wait_until_in_sync("load", PARTITIONS)
    }

    /// A follower comes back without its disk while a producer goes on.
    fn catch_up(&mut self, cluster: &mut Cluster) -> Result<()> {
        load::produce(cluster, &native("load", 256, 1000, self.plan.megabytes * 1000 / 256))?;
        cluster.create_topic("beside", 1)?;
        let leader = cluster.leaders("beside")?.first().copied().context("a leader")?;
        let controller = cluster.controller()?;
        let follower = (1..).find(|id| ![leader, controller].contains(id)).context("a third node")?;
        let quiet = load::paced(cluster, "beside", RATE, 5 * RATE)?;
        self.percentiles("one 100 B record, 500 a second, before the catch-up", &quiet);
        self.node(cluster, follower)?.stop()?;
        self.node(cluster, follower)?.wipe()?;
        cluster.wait_until_without("load", PARTITIONS, follower)?;
        let files = segments(&cluster.node(leader).context("the leader")?.data())?;
        let copies = cluster.node(follower).context("the follower")?.data();
        let before = cluster.cpu()?;
        let begin = self.node(cluster, follower)?.launch()?;
        let (caught_up, beside) = std::thread::scope(|scope| {
            let cluster = &*cluster;
            let beside = scope.spawn(|| load::paced(cluster, "beside", RATE, 5 * RATE));
            let caught_up = cluster.wait_until_in_sync("load", PARTITIONS).map(|()| begin.elapsed());
            let caught_up = caught_up.and_then(|time| Ok((time, size(&segments(&copies)?))));
            (caught_up, beside.join().unwrap_or_else(|_| Ok(Vec::new())))
        });
        let ((caught_up, copied), beside) = (caught_up?, beside?);
        self.node(cluster, follower)?.wait_until_answering(begin)?;
        cluster.wait_until_in_sync("beside", 1)?;
        let spent = (cluster.cpu()? - before).as_secs_f64();
        let name = "a wiped follower, from its start until in sync";
        self.ms(name, caught_up);
        let bytes = size(&files) as f64;
        self.note(name, "its bytes by the leader's", copied as f64 / bytes);
        self.note(name, "MB/s", copied as f64 / 1e6 / caught_up.as_secs_f64());
        self.note(name, "CPU-s/GB, all nodes", spent / (bytes / 1e9));
        self.percentiles("one 100 B record, 500 a second, beside the catch-up", &beside);
        let bare = bare::copy_rate(&files, &cluster.any()?.data().join("bare"))?;
        self.note("bare copy of the same files over loopback", "MB/s", bare);
        Ok(())
    }

    /// 1,000 partitions on each node: memory, a start of all nodes, a node killed.
    fn many(&mut self, cluster: &mut Cluster) -> Result<()> {
        let begin = Instant::now();
        cluster.create_topic("many", MANY)?;
        self.ms("create 1,000 partitions, until in sync", begin.elapsed());
        std::thread::sleep(Duration::from_secs(5));
        self.memory("1,000 partitions on each node", cluster)?;
        let before = cluster.cpu()?;
        std::thread::sleep(Duration::from_secs(5));
        let used = (cluster.cpu()? - before).as_secs_f64() / 5.0 * 100.0;
        self.note("1,000 partitions on each node, idle", "% of a core, all nodes", used);
        cluster.stop()?;
        let begin = cluster.launch()?;
        let answering = cluster.wait_until_answering(begin)?;
        self.ms("start of three nodes with 1,000 partitions, until all answer", answering);
        cluster.wait_until_led("many", MANY)?;
        self.ms("start of three nodes with 1,000 partitions, until all are led", begin.elapsed());
        load::produce(cluster, &native("load", 1, 100, u64::from(PARTITIONS)))?;
        self.ms("start of three nodes with 1,000 partitions, until acks=all is answered", begin.elapsed());
        cluster.wait_until_in_sync("many", MANY)?;
        let controller = cluster.controller()?;
        let leaders = cluster.leaders("many")?;
        let other = leaders.into_iter().find(|leader| *leader != controller);
        let other = other.context("a partition that the controller does not lead")?;
        self.node(cluster, other)?.kill()?;
        let begin = Instant::now();
        cluster.wait_until_led("many", MANY)?;
        self.ms("kill -9 of a node with 1,000 partitions, until all are led", begin.elapsed());
        Ok(())
    }
}

impl Plan {
    fn wants(&self, part: &str) -> bool {
        part.contains(&self.only)
    }
}

/// Five requests in flight on one connection for each partition, acks=all.
fn native(topic: &str, records: u32, record_bytes: usize, requests: u64) -> Load<'_> {
    Load {
        topic,
        first_partition: 0,
        partitions: PARTITIONS,
        connections: PARTITIONS,
        in_flight: 5,
        requests,
        records,
        record_bytes,
        acks: -1,
    }
}

/// The segments of the loaded topic in a log directory.
fn segments(data: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        for entry in std::fs::read_dir(data.join(format!("load-{partition}")))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Bytes in all files that are there.
fn size(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
