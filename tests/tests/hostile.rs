//! Bad input: whatever one connection sends, the node lives, its memory stays within bounds, and another
//! client is served as if nothing happened. These are demands of our own: some of it ends Apache Kafka 4.3
//! (large frames that never come exhaust its heap) or leaves its clients without an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::Request;
use rkafka_record::{BatchBuilder, BatchOptions, Codec, Compression};
use rkafka_tests::node::{Node, apache_is_tested};
use rkafka_tests::wire::{Answer, Connection, frame};
use rkafka_wire::client;
use rkafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use rkafka_wire::messages::{ApiVersionsRequest, FetchRequest, GroupId, JoinGroupRequest, ProduceRequest};

use crate::differential::fetch::fetch;
use crate::differential::requests::{batch, fill, make_topic, produce, text};
use crate::differential::session::Session;

const MIB: u64 = 1 << 20;

/// How much anonymous memory the node may take on top of what it has when it idles, for input that it has
/// no reason to keep: read buffers, and what the allocator does not give back.
const GROWTH_MAX: u64 = 16 * MIB;

/// The longest that a bystander's request may take, several of them in flight on two slow cores.
const BYSTANDER_PATIENCE: Duration = Duration::from_secs(5);

/// Runs `attack` against a fresh node.
fn check(growth_max: u64, attack: impl FnOnce(&str)) {
    check_with(&[], growth_max, attack);
}

fn check_with(settings: &[(&str, &str)], growth_max: u64, attack: impl FnOnce(&str)) {
    let mut node = Node::start(settings);
    let bootstrap = node.bootstrap();
    make_topic(&mut Session::new(bootstrap.clone()), "bystander", 1, &[]);
    let bystander = Bystander::start(bootstrap.clone());
    let watch = MemoryWatch::start(&mut node);
    attack(&bootstrap);
    let (rounds, slowest) = bystander.stop();
    let growth = watch.stop();
    println!("{rounds} rounds, the slowest {slowest:?}; memory grew by {} KiB", growth / 1024);
    assert!(node.process().is_running(), "the node ended:\n{}", node.process().stderr());
    assert!(rounds > 0, "the bystander was never served");
    assert!(slowest < BYSTANDER_PATIENCE, "the bystander waited {slowest:?}");
    let stderr = node.process().stderr();
    assert!(!stderr.contains("panicked"), "{stderr}");
    // A JVM takes its heap as it likes.
    if !node.is_apache() {
        assert!(growth <= growth_max, "grew by {} MiB, {} allowed", growth / MIB, growth_max / MIB);
    }
}

/// A client that goes on writing and reading meanwhile.
struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Duration)>,
}

impl Bystander {
    fn start(bootstrap: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut connection = Connection::open(&bootstrap);
            let (mut rounds, mut slowest) = (0, Duration::ZERO);
            // One round more after the end: damage may show only then.
            let mut last = false;
            while !last {
                last = stopped.load(Ordering::Relaxed);
                let start = Instant::now();
                round(&mut connection, rounds);
                slowest = slowest.max(start.elapsed());
                rounds += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            (rounds as usize, slowest)
        });
        Self { stop, thread }
    }

    /// Rounds done, and the time of the slowest one.
    fn stop(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the bystander is served")
    }
}

/// Writes a record and reads it back.
fn round(connection: &mut Connection, offset: i64) {
    let records = batch(BatchOptions::default(), &[(Some("key"), Some("value"))]);
    let written = connection.ask(9, &produce("bystander", 0, -1, records)).expect("written");
    let written = &written.responses[0].partition_responses[0];
    assert_eq!((written.error_code, written.base_offset), (0, offset));
    let read = connection.ask(11, &fetch("bystander", 0, offset)).expect("read");
    let read = &read.responses[0].partitions[0];
    assert_eq!((read.error_code, read.high_watermark), (0, offset + 1));
    assert!(read.records.as_ref().is_some_and(|records| !records.is_empty()));
}

/// Samples the node's anonymous memory.
struct MemoryWatch {
    stop: Arc<AtomicBool>,
    before: u64,
    thread: JoinHandle<u64>,
}

impl MemoryWatch {
    fn start(node: &mut Node) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let pid = node.process().pid();
        let sample = move || rkafka_tests::process::anonymous_memory(pid).unwrap_or(0);
        let before = sample();
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while !stopped.load(Ordering::Relaxed) {
                most = most.max(sample());
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        Self { stop, before, thread }
    }

    /// The most that it had grown by.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a thread that only reads").saturating_sub(self.before)
    }
}

/// xorshift64*: the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Sends `bytes` on a connection of their own and waits until it is closed or something comes back.
fn throw(bootstrap: &str, bytes: &[u8]) -> Answer<Bytes> {
    let mut connection = Connection::open(bootstrap);
    let _ = connection.send(bytes);
    connection.finish_sending();
    connection.receive(Duration::from_secs(10))
}

fn is_closed<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Answer::Closed)
}

#[test]
fn random_bytes() {
    check(GROWTH_MAX, |bootstrap| {
        let mut random = Random(1);
        for _ in 0..400 {
            let length = random.below(4096);
            let mut bytes = random.bytes(length);
            // Half of them with a size that is right, some with a header that is known.
            if let (true, Some(size)) = (random.below(2) == 0, bytes.first_chunk_mut::<4>()) {
                *size = (length as u32 - 4).to_be_bytes();
                if let (true, Some(header)) = (random.below(2) == 0, bytes.get_mut(4..8)) {
                    header.copy_from_slice(&[0, random.below(80) as u8, 0, random.below(14) as u8]);
                }
            }
            throw(bootstrap, &bytes);
        }
    });
}

#[test]
fn frames_that_end_early() {
    check(GROWTH_MAX, |bootstrap| {
        let records = batch(BatchOptions::default(), &[(Some("key"), Some("value"))]);
        let whole = client::encode_request(9, 1, Some(&text("me")), &produce("bystander", 0, 1, records));
        let whole = whole.expect("a good request");
        for length in 0..whole.len() {
            let answer = throw(bootstrap, &whole[..length]);
            assert!(is_closed(&answer), "{length} of {} bytes: {answer:?}", whole.len());
        }
        // The same with a size that claims to be right.
        for length in 4..whole.len() - 4 {
            let mut cut = whole[..length].to_vec();
            cut[..4].copy_from_slice(&(length as u32 - 4).to_be_bytes());
            throw(bootstrap, &cut);
        }
    });
}

/// The node serves many requests one after another, all sent after what came before: it has had its turns to take
/// that in.
fn take_turns(bootstrap: &str) {
    let mut connection = Connection::open(bootstrap);
    for _ in 0..2_000 {
        let answer = connection.ask(0, &ApiVersionsRequest::default());
        assert!(matches!(answer, Answer::Decoded(_)), "{answer:?}");
    }
}

/// Sizes that no frame may have end the connection at once, without anything being reserved for them.
#[test]
fn frame_sizes_out_of_range() {
    check(GROWTH_MAX, |bootstrap| {
        for size in [-1, i32::MIN, i32::MAX, 100 * (1 << 20) + 1] {
            let answer = throw(bootstrap, &size.to_be_bytes());
            assert!(is_closed(&answer), "size {size}: {answer:?}");
        }
        let greetings: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            // The beginning of a TLS 1.3 ClientHello.
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ];
        for greeting in greetings {
            let answer = throw(bootstrap, greeting);
            assert!(is_closed(&answer), "{}: {answer:?}", greeting.escape_ascii());
        }
    });
}

/// Large sizes within the limit are believed, but memory comes only with the bytes.
#[test]
fn large_frames_that_never_come() {
    check(GROWTH_MAX, |bootstrap| {
        let announced: Vec<Connection> = (0..100)
            .map(|_| {
                let mut connection = Connection::open(bootstrap);
                assert!(connection.send(&(100i32 << 20).to_be_bytes()));
                assert!(connection.send(&[0, 0, 0, 9, 0, 0, 0, 1, 0, 2]));
                connection
            })
            .collect();
        take_turns(bootstrap);
        drop(announced);
    });
}

/// Every request in every version with arrays and strings of 2^31 - 1 elements at every place.
#[test]
fn lengths_of_two_gibi() {
    check(GROWTH_MAX, |bootstrap| {
        let served = Connection::open(bootstrap)
            .ask_api_versions(4, &named_client())
            .expect("an answer to ApiVersions");
        for api in &served.api_keys {
            let Ok(key) = ApiKey::try_from(api.api_key) else { continue };
            // Its whole body is a broker's id: the node does as it is told, and takes itself out of the cluster.
            if key == ApiKey::UnregisterBroker {
                continue;
            }
            for version in api.min_version..=api.max_version {
                let flexible = key.request_header_version(version) >= 2;
                // Each its own bytes, so that a key served some day does not change those of the others.
                let mut random = Random(1 + api.api_key as u64 * 100 + version as u64);
                for _ in 0..12 {
                    let body = oversized(&mut random, flexible);
                    throw_body(bootstrap, api.api_key, version, flexible, &body);
                }
            }
        }
    });
}

/// A few plausible bytes, then a length that nothing can have.
fn oversized(random: &mut Random, flexible: bool) -> Vec<u8> {
    let before = random.below(24);
    let mut body: Vec<u8> = (0..before).map(|_| [0, 0, 0, 1, 2, 0xff][random.below(6)]).collect();
    let length: &[u8] = match (flexible, random.below(3)) {
        (true, 0) => &[0xff, 0xff, 0xff, 0xff, 0x07],
        (true, _) => &[0xff, 0xff, 0xff, 0xff, 0x0f],
        (false, 0) => &[0x7f, 0xff, 0xff, 0xff],
        (false, 1) => &[0x7f, 0xff],
        (false, _) => &[0x10, 0, 0, 0],
    };
    for _ in 0..4 {
        body.extend_from_slice(length);
    }
    body
}

fn throw_body(bootstrap: &str, key: i16, version: i16, flexible: bool, body: &[u8]) {
    throw(bootstrap, &frame(key, version, 1, flexible, body));
}

fn named_client() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("rig"))
        .with_client_software_version(text("1"))
}

#[test]
fn unknown_keys_and_versions() {
    check(GROWTH_MAX, |bootstrap| {
        for key in (-2..120).chain([i16::MIN, i16::MAX, 1000]) {
            for version in [-1, 20, 99, i16::MAX] {
                let answer = throw(bootstrap, &frame(key, version, 1, false, b"\0\0\0\0"));
                let api_versions = key == ApiVersionsRequest::KEY;
                assert_eq!(is_closed(&answer), !api_versions, "key {key} version {version}: {answer:?}");
            }
        }
    });
}

/// Batches of a few kilobytes that unpack to gigabytes, sent to a topic whose codec makes the broker unpack.
#[test]
fn decompression_bombs() {
    // What one batch may unpack to stays within this; rkafka's own limit is lower than that of the codecs.
    const UNPACKED_MAX: u64 = 128 * MIB;
    check(GROWTH_MAX + UNPACKED_MAX, |bootstrap| {
        let mut session = Session::new(bootstrap.to_owned());
        make_topic(&mut session, "bombs", 1, &[("compression.type", "uncompressed")]);
        make_topic(&mut session, "bombs-as-sent", 1, &[]);
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bomb = bomb(codec);
            for name in ["bombs", "bombs-as-sent"] {
                // Four at once: the bound is the node's, not that of a connection.
                let mut connections: Vec<_> = (0..4).map(|_| Connection::open(bootstrap)).collect();
                for connection in &mut connections {
                    connection.send_request(9, &produce(name, 0, -1, bomb.clone()));
                }
                for mut connection in connections {
                    let answer = connection.receive_answer::<ProduceRequest>(9).expect("an answer");
                    let error = answer.responses[0].partition_responses[0].error_code;
                    assert!(error != 0 || name == "bombs-as-sent", "{codec:?} unpacked");
                }
            }
        }
    });
}

/// A batch of at most a megabyte that unpacks to 256 MiB of zeros, or as much as the codec can do.
fn bomb(codec: Codec) -> Bytes {
    // Snappy packs no better than 1:22.
    let length = if codec == Codec::Snappy { 20 << 20 } else { 256 << 20 };
    let compression = Compression { codec, ..Compression::default() };
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
    builder.append(1, None, Some(&vec![0; length]), &[]).expect("a large record");
    builder.build().expect("a small batch")
}

/// Group metadata is opaque to the broker, even where it could be read: a group forms all the same.
#[test]
fn group_metadata_of_rubbish() {
    check(GROWTH_MAX, |bootstrap| {
        for (index, metadata) in
            [&b""[..], b"\x00", b"\x00\x00\x7f\xff\xff\xff", b"a subscription"].into_iter().enumerate()
        {
            let mut session = Session::new(bootstrap.to_owned());
            let name = format!("rubbish-{index}");
            crate::differential::groups::find_coordinator(&mut session, &name);
            let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
            let join = JoinGroupRequest::default()
                .with_group_id(GroupId(text(&name)))
                .with_session_timeout_ms(10_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol.with_metadata(Bytes::from_static(metadata))]);
            let mut connection = Connection::open(bootstrap);
            connection.send_request(3, &join);
            let answer = connection.receive_answer_within::<JoinGroupRequest>(3, Duration::from_secs(10));
            // Apache Kafka 4.3 tries to read the subscription, fails, and never answers.
            let silent = matches!(answer, Answer::Silence);
            assert!(!silent || apache_is_tested(), "{name}: no answer");
        }
    });
}

/// Records that are null, which Apache Kafka never answers.
#[test]
fn null_records() {
    check(GROWTH_MAX, |bootstrap| {
        let mut request = produce("bystander", 0, -1, Bytes::new());
        request.topic_data[0].partition_data[0].records = None;
        let mut connection = Connection::open(bootstrap);
        connection.send_request(9, &request);
        let answer = connection.receive_answer_within::<ProduceRequest>(9, Duration::from_secs(10));
        match answer {
            Answer::Silence => assert!(apache_is_tested(), "no answer"),
            Answer::Decoded(answer) => assert_ne!(answer.responses[0].partition_responses[0].error_code, 0),
            Answer::Undecodable(reason) => panic!("{reason}"),
            Answer::Closed => {}
        }
    });
}

/// A reader that asks for much and reads nothing gets back-pressure, not buffers.
#[test]
fn a_reader_that_does_not_read() {
    check(GROWTH_MAX, |bootstrap| {
        let mut session = Session::new(bootstrap.to_owned());
        make_topic(&mut session, "unread", 1, &[]);
        let value = "x".repeat(900_000);
        fill(&mut session, "unread", 0, &vec![value.as_str(); 20]);
        let mut greedy: Vec<Connection> = (0..4).map(|_| Connection::open(bootstrap)).collect();
        for connection in &mut greedy {
            for _ in 0..50 {
                connection.send_request(11, &fetch("unread", 0, 0));
            }
        }
        take_turns(bootstrap);
        // What was asked for comes in order once it is read.
        let answer = greedy[0].receive_answer::<FetchRequest>(11).expect("the first answer");
        assert!(
            answer.responses[0].partitions[0].records.as_ref().is_some_and(|bytes| bytes.len() > 900_000)
        );
    });
}

#[test]
fn connections_that_say_nothing() {
    check(GROWTH_MAX, |bootstrap| {
        let silent: Vec<Connection> = (0..500).map(|_| Connection::open(bootstrap)).collect();
        take_turns(bootstrap);
        drop(silent);
    });
}
