//! Compaction of a keyed topic: written with the cleaner off, then compacted in one go.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Note;
use crate::broker::{Broker, PATIENCE, Product};
use crate::load::{self, Load};
use crate::measure::{MemoryPeak, cpu, written};

const TOPIC: &str = "keyed";
const RECORD_BYTES: usize = 1000;
/// Records of a batch: about 16 KiB.
const RECORDS: u32 = 16;
/// A key comes this many times.
const REPEATED: u64 = 5;

/// One round of one product.
pub(crate) fn round(product: Product, megabytes: u64, note: &mut Note<'_>) -> Result<()> {
    let broker = Broker::started(product)?;
    broker.create_topic(TOPIC, 1)?;
    broker.configure(TOPIC, "segment.bytes=268435456")?;
    let requests = megabytes * 1_000_000 / (RECORD_BYTES as u64 * u64::from(RECORDS));
    let keys = requests * u64::from(RECORDS) / REPEATED;
    let load = Load {
        topic: TOPIC,
        first_partition: 0,
        partitions: 1,
        connections: 1,
        in_flight: 5,
        requests,
        records: RECORDS,
        record_bytes: RECORD_BYTES,
        acks: 1,
    };
    let bytes = load::produce_keyed(&broker, &load, keys)?.bytes;
    let folder = broker.data().join(format!("{TOPIC}-0"));
    let name = "compaction, each key five times";
    note(name, "MB before", size(&folder)? as f64 / 1e6);
    let pid = broker.pid()?;
    let (peak, begin, before, disk) = (MemoryPeak::watch(pid), Instant::now(), cpu(pid)?, written(pid)?);
    broker.configure(TOPIC, "cleanup.policy=compact,min.cleanable.dirty.ratio=0.01")?;
    let active = active_segment(&folder)?;
    while cleaned_up_to(&broker.data())? < active {
        if begin.elapsed() > PATIENCE {
            bail!("the topic was not compacted");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (time, spent, gigabytes) = (begin.elapsed(), cpu(pid)? - before, bytes as f64 / 1e9);
    note(name, "seconds, up to 15 of them waiting for the cleaner's turn", time.as_secs_f64());
    note(name, "broker CPU-s/GB", spent.as_secs_f64() / gigabytes);
    note(name, "most anonymous MB", peak.end() as f64 / 1e6);
    note(name, "written to disk, bytes/byte", (written(pid)? - disk) as f64 / bytes as f64);
    wait_until_removed(&folder)?;
    note(name, "MB after", size(&folder)? as f64 / 1e6);
    Ok(())
}

/// Bytes of the segments.
fn size(folder: &Path) -> Result<u64> {
    Ok(segments(folder)?.iter().map(|(_, bytes)| bytes).sum())
}

/// The offset at which the last segment begins.
fn active_segment(folder: &Path) -> Result<i64> {
    segments(folder)?.iter().map(|(base, _)| *base).max().context("a segment")
}

/// Base offsets and lengths.
fn segments(folder: &Path) -> Result<Vec<(i64, u64)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(base) = name.strip_suffix(".log") {
            segments.push((base.parse()?, entry.metadata()?.len()));
        }
    }
    Ok(segments)
}

/// What the cleaner has noted for the topic in its checkpoint, the same file with both products.
fn cleaned_up_to(data: &Path) -> Result<i64> {
    let text = fs::read_to_string(data.join("cleaner-offset-checkpoint")).unwrap_or_default();
    let of_topic = |line: &str| line.strip_prefix(&format!("{TOPIC} 0 ")).map(str::to_owned);
    Ok(text.lines().find_map(of_topic).map_or(Ok(-1), |offset| offset.parse())?)
}

/// Files that were replaced are removed a minute later.
fn wait_until_removed(folder: &Path) -> Result<()> {
    let begin = Instant::now();
    let is_old = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".deleted");
    while fs::read_dir(folder)?.flatten().any(|entry| is_old(&entry)) {
        if begin.elapsed() > PATIENCE {
            bail!("replaced segments were not removed");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
