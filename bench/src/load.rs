//! A native load of our own: connections that send ready-made produce requests as fast as answers allow, or fetch
//! from the beginning to the end. Requests are written by hand from the protocol's description, so that neither
//! product's code takes part; one request costs this side next to nothing.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::broker::Broker;

/// `UNKNOWN_TOPIC_OR_PARTITION`, `NOT_LEADER_OR_FOLLOWER` and, after a start, `NOT_ENOUGH_REPLICAS`, as they stand
/// in an answer.
const NOT_YET: [&[u8]; 3] = [&[0, 3], &[0, 6], &[0, 19]];
/// How long a new topic may not be there yet.
const NOT_YET_MAX: Duration = Duration::from_secs(30);

/// What is produced, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) topic: &'a str,
    pub(crate) first_partition: u32,
    /// Each connection writes to one partition: the first and its own number modulo this.
    pub(crate) partitions: u32,
    pub(crate) connections: u32,
    /// Requests of a connection on their way at one time.
    pub(crate) in_flight: u32,
    pub(crate) requests: u64,
    pub(crate) records: u32,
    pub(crate) record_bytes: usize,
    pub(crate) acks: i16,
}

/// Who leads the partitions that a load writes to.
pub(crate) trait Leaders: Sync {
    /// `host:port` of the leader of a partition.
    fn leader(&self, topic: &str, partition: u32) -> Result<String>;
}

impl Leaders for Broker {
    fn leader(&self, _topic: &str, _partition: u32) -> Result<String> {
        Ok(self.bootstrap())
    }
}

/// What a load achieved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Achieved {
    pub(crate) requests: u64,
    /// Bytes of batches.
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

impl Achieved {
    pub(crate) fn gigabytes(&self) -> f64 {
        self.bytes as f64 / 1e9
    }
}

/// Produces; every answer is checked.
pub(crate) fn produce(brokers: &impl Leaders, load: &Load<'_>) -> Result<Achieved> {
    let batch = batch(load.records, load.record_bytes);
    let share = load.requests / u64::from(load.connections);
    let begin = Instant::now();
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections)
            .map(|connection| {
                let partition = load.first_partition + connection % load.partitions;
                let request = request(load, partition, &batch);
                scope.spawn(move || {
                    let address = brokers.leader(load.topic, partition)?;
                    send_all(&address, load, share, |_| Cow::Borrowed(request.as_slice()))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok(()))).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let requests = share * u64::from(load.connections);
    Ok(Achieved { requests, bytes: requests * batch.len() as u64, time: begin.elapsed() })
}

/// The same on one connection, with keys: 0 to `keys`, again and again.
pub(crate) fn produce_keyed(brokers: &impl Leaders, load: &Load<'_>, keys: u64) -> Result<Achieved> {
    let begin = Instant::now();
    let (records, mut bytes) = (u64::from(load.records), 0);
    let address = brokers.leader(load.topic, load.first_partition)?;
    send_all(&address, load, load.requests, |number| {
        let key = |record| format!("{:012}", (number * records + u64::from(record)) % keys);
        let batch = batch_of(load.records, load.record_bytes, |record| Some(key(record)));
        bytes += batch.len() as u64;
        Cow::Owned(request(load, load.first_partition, &batch))
    })?;
    Ok(Achieved { requests: load.requests, bytes, time: begin.elapsed() })
}

/// Sends what `request` gives for each number.
fn send_all<'a>(
    address: &str,
    load: &Load<'_>,
    requests: u64,
    mut request: impl FnMut(u64) -> Cow<'a, [u8]>,
) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let error_at = 4 + 4 + 2 + load.topic.len() + 4 + 4;
    let (mut sent, mut answered) = (0, 0);
    let mut answer = Vec::new();
    let begin = Instant::now();
    while answered < requests {
        // One at a time until the first is taken: a topic may be led and its leader not know it yet.
        let in_flight = if answered == 0 { 1 } else { u64::from(load.in_flight) };
        while sent < requests && sent - answered < in_flight {
            stream.write_all(&request(sent))?;
            sent += 1;
        }
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        answer.resize(u32::from_be_bytes(size) as usize, 0);
        stream.read_exact(&mut answer)?;
        let error = answer.get(error_at..error_at + 2).context("an answer of the expected shape")?;
        if answered == 0 && NOT_YET.contains(&error) && begin.elapsed() < NOT_YET_MAX {
            std::thread::sleep(Duration::from_millis(10));
            sent -= 1;
            continue;
        }
        ensure!(error == [0, 0], "the broker answered error {error:?}");
        answered += 1;
    }
    Ok(())
}

/// One request of one record at a time, due `rate` times a second; how long after it was due each was answered, in
/// milliseconds and in order of size. A broker that stalls makes the requests behind it late too, and that counts.
pub(crate) fn paced(brokers: &impl Leaders, topic: &str, rate: u32, requests: u32) -> Result<Vec<f64>> {
    let load = Load {
        topic,
        first_partition: 0,
        partitions: 1,
        connections: 1,
        in_flight: 1,
        requests: 1,
        records: 1,
        record_bytes: 100,
        acks: -1,
    };
    produce(brokers, &load)?;
    let request = request(&load, 0, &batch(1, load.record_bytes));
    let mut stream = TcpStream::connect(brokers.leader(topic, 0)?)?;
    stream.set_nodelay(true)?;
    let (begin, mut answer) = (Instant::now(), Vec::new());
    let mut latencies = Vec::new();
    for number in 0..requests {
        let due = begin + Duration::from_secs(1) * number / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&request)?;
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        answer.resize(u32::from_be_bytes(size) as usize, 0);
        stream.read_exact(&mut answer)?;
        latencies.push(due.elapsed().as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

/// Fetches a partition once from offset 0 on until `bytes` have come, `max_bytes` an answer, and throws it away.
pub(crate) fn fetch(broker: &Broker, topic: &str, bytes: u64, max_bytes: i32) -> Result<Achieved> {
    let mut stream = TcpStream::connect(broker.bootstrap())?;
    stream.set_nodelay(true)?;
    let begin = Instant::now();
    let (mut received, mut requests, mut offset) = (0u64, 0, 0i64);
    let mut answer = Vec::new();
    while received < bytes {
        stream.write_all(&fetch_request(topic, offset, max_bytes))?;
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        answer.resize(u32::from_be_bytes(size) as usize, 0);
        stream.read_exact(&mut answer)?;
        requests += 1;
        // correlation id, throttle time, one topic, its name, one partition: index, error, high watermark, last
        // stable offset, aborted transactions (null or none), then the records.
        let error = 4 + 4 + 4 + 2 + topic.len() + 4 + 4;
        let records = error + 2 + 8 + 8 + 4 + 4;
        ensure!(answer.get(error..error + 2) == Some(&[0, 0][..]), "the broker refused a fetch");
        let records = answer.get(records..).context("an answer of the expected shape")?;
        ensure!(!records.is_empty(), "the topic ended at offset {offset}, after {received} bytes");
        received += records.len() as u64;
        offset = next_offset(records).context("a whole batch")?;
    }
    Ok(Achieved { requests, bytes: received, time: begin.elapsed() })
}

/// The offset behind the last whole batch.
fn next_offset(mut records: &[u8]) -> Option<i64> {
    let mut next = None;
    loop {
        let base = records.get(..8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
        let length = records.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let delta = records.get(23..27).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
        let (Some(base), Some(length), Some(delta)) = (base, length, delta) else { return next };
        let Some(rest) = records.get(12 + length as usize..) else { return next };
        next = Some(base + i64::from(delta) + 1);
        records = rest;
    }
}

/// A Fetch request of version 4 (no sessions), its size first.
fn fetch_request(topic: &str, offset: i64, max_bytes: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1i32).to_be_bytes());
    body.extend(500i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(max_bytes.to_be_bytes());
    body.push(0);
    body.extend(1i32.to_be_bytes());
    string(&mut body, topic);
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(max_bytes.to_be_bytes());
    framed(1, 4, &body)
}

/// A Produce request of version 7 for one partition, its size first.
pub(crate) fn request(load: &Load<'_>, partition: u32, batch: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(batch.len() + 64);
    body.extend((-1i16).to_be_bytes());
    body.extend(load.acks.to_be_bytes());
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    string(&mut body, load.topic);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(u32::try_from(batch.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend(batch);
    framed(0, 7, &body)
}

fn framed(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + 18);
    frame.extend(u32::try_from(body.len() + 14).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(0i32.to_be_bytes());
    string(&mut frame, "load");
    frame.extend(body);
    frame
}

fn string(into: &mut Vec<u8>, text: &str) {
    into.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    into.extend(text.as_bytes());
}

/// A record batch (magic 2) of `records` equal records without keys.
pub(crate) fn batch(records: u32, record_bytes: usize) -> Vec<u8> {
    batch_of(records, record_bytes, |_| None)
}

/// The same with a key for each record.
fn batch_of(records: u32, record_bytes: usize, key: impl Fn(u32) -> Option<String>) -> Vec<u8> {
    let now = chrono::Utc::now().timestamp_millis();
    let mut body = Vec::new();
    body.extend(0i16.to_be_bytes());
    body.extend((records - 1).to_be_bytes());
    body.extend(now.to_be_bytes());
    body.extend(now.to_be_bytes());
    body.extend((-1i64).to_be_bytes());
    body.extend((-1i16).to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    body.extend(records.to_be_bytes());
    for offset_delta in 0..records {
        let mut record = vec![0, 0];
        varint(&mut record, i64::from(offset_delta));
        match key(offset_delta) {
            None => varint(&mut record, -1),
            Some(key) => {
                varint(&mut record, key.len() as i64);
                record.extend(key.as_bytes());
            }
        }
        varint(&mut record, record_bytes as i64);
        record.extend((0..record_bytes).map(|at| b'a' + (at % 23) as u8));
        record.push(0);
        varint(&mut body, record.len() as i64);
        body.append(&mut record);
    }
    let mut batch = Vec::with_capacity(body.len() + 21);
    batch.extend(0i64.to_be_bytes());
    batch.extend(u32::try_from(body.len() + 9).unwrap_or(u32::MAX).to_be_bytes());
    batch.extend((-1i32).to_be_bytes());
    batch.push(2);
    batch.extend(crc32c::crc32c(&body).to_be_bytes());
    batch.append(&mut body);
    batch
}

/// A zigzag varint.
fn varint(into: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        into.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}
