//! A consumer far behind: what it reads has left the page cache, while a producer writes to another topic. What
//! counts is how much later the producer's answers come.

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};

use crate::Note;
use crate::broker::{Broker, Product};
use crate::load::{self, Load};
use crate::measure::cpu;

/// Requests of one record a second, acks=all, and how many.
const RATE: u32 = 500;
const REQUESTS: u32 = 5000;

/// One round of one product.
pub(crate) fn round(product: Product, megabytes: u64, note: &mut Note<'_>) -> Result<()> {
    let broker = Broker::started(product)?;
    broker.create_topic("cold", 1)?;
    broker.create_topic("paced", 1)?;
    let load = Load {
        topic: "cold",
        first_partition: 0,
        partitions: 1,
        connections: 1,
        in_flight: 5,
        requests: megabytes * 1_000_000 / 16_000,
        records: 15,
        record_bytes: 1024,
        acks: 1,
    };
    let bytes = load::produce(&broker, &load)?.bytes;
    let _ = load::paced(&broker, "paced", 5000, 20_000)?;
    let alone = load::paced(&broker, "paced", RATE, REQUESTS)?;
    let before = cpu(broker.pid()?)?;
    let done = AtomicBool::new(false);
    let (read, beside) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_cold(&broker, bytes, &done));
        let beside = load::paced(&broker, "paced", RATE, REQUESTS);
        done.store(true, Ordering::Relaxed);
        (reading.join(), beside)
    });
    let (beside, read) = (beside?, read.ok().context("the reader did not panic")??);
    let spent = cpu(broker.pid()?)? - before;
    let name = "paced produce, 500 a second, acks=all";
    for (unit, per_mille) in [("p50 ms", 500), ("p99 ms", 990), ("p99.9 ms", 999)] {
        let of = |sorted: &[f64]| sorted.get(sorted.len() * per_mille / 1000).copied().unwrap_or(f64::NAN);
        note(name, unit, of(&alone));
        note(&format!("{name}, beside a cold reader"), unit, of(&beside));
        note(
            &format!("{name}, raised by the cold reader"),
            &unit.replace("ms", "times"),
            of(&beside) / of(&alone),
        );
    }
    let name = "reading from the disk beside it";
    note(name, "MB/s", read.bytes as f64 / 1e6 / read.seconds);
    note(name, "broker CPU-s/GB, the produce included", spent.as_secs_f64() / (read.bytes as f64 / 1e9));
    Ok(())
}

/// What was read from the disk.
struct Read {
    bytes: u64,
    seconds: f64,
}

/// Reads the topic again and again, each time from the disk, until the producer is done.
fn read_cold(broker: &Broker, bytes: u64, done: &AtomicBool) -> Result<Read> {
    let mut read = Read { bytes: 0, seconds: 0.0 };
    while !done.load(Ordering::Relaxed) {
        forget(broker)?;
        let achieved = load::fetch(broker, "cold", bytes, 1 << 20)?;
        read.bytes += achieved.bytes;
        read.seconds += achieved.time.as_secs_f64();
    }
    Ok(read)
}

/// Takes the topic's segments out of the page cache.
fn forget(broker: &Broker) -> Result<()> {
    let mut segments = 0;
    for entry in fs::read_dir(broker.data().join("cold-0"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let file = File::open(path)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
            segments += 1;
        }
    }
    ensure!(segments > 0, "the topic has no segments");
    Ok(())
}
