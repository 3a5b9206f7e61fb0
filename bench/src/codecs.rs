//! Compression: batches stored as they were sent, and batches that the broker decompresses and compresses anew
//! since the topic's `compression.type` says so.

use anyhow::Result;

use crate::Note;
use crate::broker::{Broker, Product};
use crate::java::{self, Produce};
use crate::measure::{MemoryPeak, cpu};

const RECORD_BYTES: u64 = 1024;

/// What the producer sends, and what the topic keeps.
const CASES: [(&str, &str); 9] = [
    ("none", "producer"),
    ("gzip", "producer"),
    ("snappy", "producer"),
    ("lz4", "producer"),
    ("zstd", "producer"),
    ("none", "lz4"),
    ("none", "zstd"),
    ("none", "gzip"),
    ("lz4", "zstd"),
];

/// One round of one product; figures are for a GB of what the producer was given.
pub(crate) fn round(product: Product, megabytes: u64, note: &mut Note<'_>) -> Result<()> {
    let broker = Broker::started(product)?;
    produce(&broker, "warm", 100, "lz4", "zstd")?;
    for (sent, kept) in CASES {
        let name = match kept {
            "producer" => format!("produce, {sent} as sent"),
            _ => format!("produce, {sent} recompressed to {kept}"),
        };
        let peak = MemoryPeak::watch(broker.pid()?);
        let before = cpu(broker.pid()?)?;
        let gigabytes = produce(&broker, &format!("{sent}-{kept}"), megabytes, sent, kept)?;
        let spent = cpu(broker.pid()?)? - before;
        note(&name, "broker CPU-s/GB", spent.as_secs_f64() / gigabytes);
        note(&name, "most anonymous MB", peak.end() as f64 / 1e6);
    }
    Ok(())
}

/// Gigabytes that the producer was given.
fn produce(broker: &Broker, topic: &str, megabytes: u64, sent: &str, kept: &str) -> Result<f64> {
    broker.create_topic(topic, 1)?;
    broker.configure(topic, &format!("compression.type={kept}"))?;
    let records = megabytes * 1_000_000 / RECORD_BYTES;
    let how = Produce {
        topic,
        record_bytes: RECORD_BYTES,
        records,
        acks: "1",
        batch_bytes: 262_144,
        linger_ms: 5,
        rate: None,
        compression: sent,
    };
    let _ = java::produce(&broker.bootstrap(), &how)?;
    Ok((records * RECORD_BYTES) as f64 / 1e9)
}
