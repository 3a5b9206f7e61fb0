//! Many partitions, in topics of 5,000 at most (Kafka refuses more than 10,000 in one request): creating them, what they cost idle, a clean restart, a restart after kill -9 while written.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::broker::{Broker, Product};
use crate::load::{self, Load};
use crate::measure::{cpu, maps, memory};
use crate::report::Report;

/// Partitions of one topic.
const TOPIC_PARTITIONS: u32 = 5000;
/// Partitions written at one time, each on a connection of its own.
const CONNECTIONS: u32 = 16;
/// How long an idle broker is watched.
const IDLE: Duration = Duration::from_secs(10);

/// The topics that `partitions` partitions are spread over, and how many each has.
fn topics(partitions: u32) -> impl Iterator<Item = (String, u32)> {
    let firsts = (0..partitions).step_by(TOPIC_PARTITIONS as usize);
    firsts.map(move |first| (format!("many-{first}"), TOPIC_PARTITIONS.min(partitions - first)))
}

/// Measures `partitions` partitions, `rounds` times; saved as `many-<partitions>` in `folder`.
pub(crate) fn run(partitions: u32, rounds: usize, products: &[Product], folder: &Path) -> Result<()> {
    let mut report = Report::new(rounds, 0);
    for _ in 0..rounds {
        for product in products {
            round(*product, partitions, &mut report)?;
        }
        report.save(folder, &format!("many-{partitions}"))?;
    }
    println!("{}", report.markdown());
    Ok(())
}

fn round(product: Product, partitions: u32, report: &mut Report) -> Result<()> {
    let mut note = |scenario: &str, unit, value| report.add(product, scenario, unit, value);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut broker = Broker::started(product)?;
    let empty = memory(broker.pid()?)?;
    let begin = Instant::now();
    for (topic, count) in topics(partitions) {
        broker.create_topic(&topic, count)?;
    }
    note("create, until all are led", "ms", ms(begin.elapsed()));
    settle(&broker)?;
    let before = cpu(broker.pid()?)?;
    std::thread::sleep(IDLE);
    note("idle with them", "% of a core", percent(cpu(broker.pid()?)? - before));
    let idle = memory(broker.pid()?)?;
    note("idle with them", "anonymous MB", idle.anonymous as f64 / 1e6);
    note("idle with them", "resident MB", idle.resident as f64 / 1e6);
    let more = idle.anonymous.saturating_sub(empty.anonymous) as f64;
    note("idle with them", "anonymous KiB/partition", more / 1024.0 / f64::from(partitions));
    note("idle with them", "maps", maps(broker.pid()?)? as f64);
    write_to_all(&broker, partitions)?;
    let written = memory(broker.pid()?)?;
    note("after writing to all", "anonymous MB", written.anonymous as f64 / 1e6);
    note("after writing to all", "maps", maps(broker.pid()?)? as f64);
    note("clean stop", "ms", ms(broker.stop()?));
    restart(&mut broker, partitions, "start after a clean stop", &mut note)?;
    write_to_all(&broker, partitions)?;
    broker.kill()?;
    restart(&mut broker, partitions, "start after kill -9", &mut note)?;
    let memory = memory(broker.pid()?)?;
    note("after the restart", "anonymous MB", memory.anonymous as f64 / 1e6);
    Ok(())
}

fn restart(
    broker: &mut Broker,
    partitions: u32,
    name: &str,
    note: &mut impl FnMut(&str, &'static str, f64),
) -> Result<()> {
    let begin = Instant::now();
    let first = broker.start()?;
    for (topic, count) in topics(partitions) {
        broker.wait_until_led(&topic, count)?;
    }
    note(&format!("{name}, to the first answer"), "ms", first.as_secs_f64() * 1e3);
    note(&format!("{name}, until all are led"), "ms", begin.elapsed().as_secs_f64() * 1e3);
    note(&format!("{name}, until all are led"), "CPU-s", cpu(broker.pid()?)?.as_secs_f64());
    Ok(())
}

/// Three batches of ten records into every partition.
fn write_to_all(broker: &Broker, partitions: u32) -> Result<()> {
    for (topic, count) in topics(partitions) {
        for first_partition in (0..count).step_by(CONNECTIONS as usize) {
            let connections = CONNECTIONS.min(count - first_partition);
            let load = Load {
                topic: &topic,
                first_partition,
                partitions: connections,
                connections,
                in_flight: 3,
                requests: 3 * u64::from(connections),
                records: 10,
                record_bytes: 100,
                acks: 1,
            };
            load::produce(broker, &load)?;
        }
    }
    Ok(())
}

/// Waits until what creation left to do in the background is done.
fn settle(broker: &Broker) -> Result<()> {
    let mut before = cpu(broker.pid()?)?;
    for _ in 0..30 {
        std::thread::sleep(Duration::from_secs(1));
        let now = cpu(broker.pid()?)?;
        if now - before < Duration::from_millis(30) {
            return Ok(());
        }
        before = now;
    }
    Ok(())
}

fn percent(used: Duration) -> f64 {
    used.as_secs_f64() / IDLE.as_secs_f64() * 100.0
}
