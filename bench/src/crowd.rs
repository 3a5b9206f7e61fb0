//! Many clients that want little: 1,000 connections, idle and at one record a second each, and a group of 200
//! members ([`crate::group`]).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Note;
use crate::broker::{Broker, Product};
use crate::group::{self, MEMBERS};
use crate::load::{self, Load};
use crate::measure::{cpu, memory};

/// Connections; between them they send as many records a second.
const CONNECTIONS: u32 = 1000;
/// How long connections are watched, idle and at work.
const WATCHED: Duration = Duration::from_secs(10);
/// `group.initial.rebalance.delay.ms` of the groups, its default: all members come within it.
const INITIAL_DELAY: Duration = Duration::from_secs(3);
/// Commits of each member, one at a time.
const COMMITS: u32 = 500;

/// One round of one product.
pub(crate) fn round(product: Product, note: &mut Note<'_>) -> Result<()> {
    let delay = INITIAL_DELAY.as_millis().to_string();
    let mut broker = Broker::prepare(product, &[("group.initial.rebalance.delay.ms", &delay)])?;
    let _ = broker.start()?;
    connections(&broker, note)?;
    members(&broker, note)
}

/// 1,000 connections: what they cost when nobody sends, and at one record a second each.
fn connections(broker: &Broker, note: &mut Note<'_>) -> Result<()> {
    let load = Load {
        topic: "paced",
        first_partition: 0,
        partitions: 1,
        connections: 1,
        in_flight: 5,
        requests: 30_000,
        records: 1,
        record_bytes: 100,
        acks: 1,
    };
    broker.create_topic(load.topic, load.partitions)?;
    load::produce(broker, &load)?;
    std::thread::sleep(Duration::from_secs(2));
    let pid = broker.pid()?;
    let without = memory(pid)?;
    let request = load::request(&load, 0, &load::batch(1, load.record_bytes));
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(broker.bootstrap())?;
        stream.set_nodelay(true)?;
        exchange(&mut stream, &request)?;
        streams.push(stream);
    }
    let name = "1,000 connections, idle";
    let before = cpu(pid)?;
    std::thread::sleep(WATCHED);
    note(name, "% of a core", percent(cpu(pid)? - before));
    let more = |now: u64, then: u64| now.saturating_sub(then) as f64;
    let with = memory(pid)?;
    note(name, "anonymous MB", with.anonymous as f64 / 1e6);
    let each = more(with.anonymous, without.anonymous) / 1024.0 / f64::from(CONNECTIONS);
    note(name, "anonymous KiB more for each", each);
    let name = "1,000 connections, one 100 B record a second each";
    let (begin, before) = (Instant::now(), cpu(pid)?);
    let (mut sent, mut latencies) = (0, Vec::new());
    while begin.elapsed() < WATCHED {
        let due = begin + Duration::from_secs(1) * sent / CONNECTIONS;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Some(stream) = streams.get_mut((sent % CONNECTIONS) as usize) {
            exchange(stream, &request)?;
        }
        sent += 1;
        latencies.push(due.elapsed().as_secs_f64() * 1e3);
    }
    note(name, "% of a core", percent(cpu(pid)? - before));
    note(name, "anonymous MB", memory(pid)?.anonymous as f64 / 1e6);
    latencies.sort_by(f64::total_cmp);
    let percentile = |per_mille: usize| latencies.get(latencies.len() * per_mille / 1000);
    note(name, "p50 ms", percentile(500).copied().unwrap_or(f64::NAN));
    note(name, "p99 ms", percentile(990).copied().unwrap_or(f64::NAN));
    Ok(())
}

/// One request and its answer.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<()> {
    stream.write_all(request)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer)?;
    ensure!(answer.len() > 8, "an answer of {} bytes", answer.len());
    Ok(())
}

/// A group of 200 members: forms, forms anew, commits. Another one goes before it and warms the broker up.
fn members(broker: &Broker, note: &mut Note<'_>) -> Result<()> {
    group::run(broker, "warm", COMMITS)?;
    let seen = group::run(broker, "measured", COMMITS)?;
    let name = format!("group of {MEMBERS} members");
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    note(&format!("{name}, new, until stable"), "ms", ms(seen.formed));
    // Members came during the first delay, so there is a second (`InitialDelayedJoin`), with both products.
    let less = seen.formed.saturating_sub(2 * INITIAL_DELAY);
    note(&format!("{name}, new, until stable"), "ms, less the initial delays", ms(less));
    note(&format!("{name}, all rejoin at once, until stable"), "ms", ms(seen.formed_anew));
    let commits = f64::from(COMMITS) * MEMBERS as f64;
    let name = format!("{name}, each commits an offset at a time");
    note(&name, "commits/s", commits / seen.committing.as_secs_f64());
    note(&name, "commits per broker CPU-s", commits / seen.committing_cpu.as_secs_f64());
    Ok(())
}

fn percent(used: Duration) -> f64 {
    used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0
}
