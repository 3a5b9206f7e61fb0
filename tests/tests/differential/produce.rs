//! Produce: acknowledgements, validation of batches, and what lies in the log afterwards.

use bytes::{Bytes, BytesMut};
use rkafka_record::{BatchOptions, Codec, Compression};
use rkafka_tests::wire::Answer;
use rkafka_wire::messages::ProduceRequest;
use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

use super::check;
use super::fetch::{fetch, note_log, read_all};
use super::requests::{THEN_MS, batch, batch_at, make_topic, produce, produce_several};
use super::session::Session;

/// A batch of one plain record.
fn plain(value: &str) -> Bytes {
    batch(BatchOptions::default(), &[(Some("key"), Some(value))])
}

/// A request by id, for version 13.
fn by_id(id: Uuid, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_topic_id(id).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

#[test]
fn produce_in_every_version() {
    check("produce_in_every_version", |session| {
        let id = make_topic(session, "produce-versions", 2, &[]);
        for version in 3..=12 {
            for acks in [-1, 1] {
                let label = format!("acks {acks}");
                session.ask(&label, version, &produce("produce-versions", 0, acks, plain(&label)));
            }
            session.ask("an absent topic", version, &produce("produce-absent", 0, -1, plain("x")));
            session.ask("an absent partition", version, &produce("produce-versions", 9, -1, plain("x")));
            session.ask("a negative partition", version, &produce("produce-versions", -1, -1, plain("x")));
            session.ask("a bad name", version, &produce("a b", 0, -1, plain("x")));
            let several = vec![
                ("produce-versions", vec![(0, plain("a")), (7, plain("b")), (1, plain("c"))]),
                ("produce-absent", vec![(0, plain("d"))]),
            ];
            session.ask("good and bad ones", version, &produce_several(1, several));
            session.ask("nothing", version, &produce_several(1, vec![]));
        }
        session.ask("by id", 13, &by_id(id, 0, -1, plain("by id")));
        session.ask("by an unknown id", 13, &by_id(Uuid::from_u128(5), 0, -1, plain("x")));
        session.ask("by the zero id", 13, &by_id(Uuid::nil(), 0, -1, plain("x")));
        session.ask("by id, an absent partition", 13, &by_id(id, 9, -1, plain("x")));
        read_all(session, "produce-versions", 2);
    });
}

#[test]
fn acknowledgements() {
    check("acknowledgements", |session| {
        make_topic(session, "acks", 1, &[]);
        make_topic(session, "acks-min-isr", 1, &[("min.insync.replicas", "2")]);
        for version in [3, 8, 12] {
            for acks in [2, -2, 100] {
                session.ask(&format!("acks {acks}"), version, &produce("acks", 0, acks, plain("x")));
            }
            for acks in [-1, 1] {
                let request = produce("acks-min-isr", 0, acks, plain("min isr"));
                session.ask(&format!("too few replicas, acks {acks}"), version, &request);
            }
        }
        silent(session, "acks", plain("without an answer"), "acks 0 has no answer");
        silent(session, "acks-absent", plain("x"), "acks 0, an absent topic");
        silent(session, "acks", damaged(&plain("x")), "acks 0, a wrong checksum");
        // Bytes written without waiting are there once a later request on the same connection is answered.
        read_all(session, "acks", 1);
        read_all(session, "acks-min-isr", 1);
    });
}

/// Sends with acks=0, then a request with an answer on the same connection: what comes first is noted.
fn silent(session: &mut Session, name: &str, records: Bytes, label: &str) {
    let mut connection = session.connect();
    connection.send_request(9, &produce(name, 0, 0, records));
    let next = fetch("acks", 0, 0);
    connection.send_request(11, &next);
    let outcome = match connection
        .receive_answer_within::<rkafka_wire::messages::FetchRequest>(11, Duration::from_secs(10))
    {
        Answer::Decoded(_) => "the next request is answered",
        Answer::Undecodable(_) => "something else came",
        Answer::Closed => "the connection is closed",
        Answer::Silence => "no answer",
    };
    session.note(label, outcome);
}

/// The batch with one bit flipped behind the checksum.
fn damaged(batch: &Bytes) -> Bytes {
    patched(batch, batch.len() - 1, &[batch[batch.len() - 1] ^ 1])
}

/// The batch with `bytes` at `at`, its checksum not made to fit.
fn patched(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut patched = BytesMut::from(&batch[..]);
    patched[at..at + bytes.len()].copy_from_slice(bytes);
    patched.freeze()
}

/// [`patched`] with a checksum that fits.
fn forged(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let patched = patched(batch, at, bytes);
    let checksum = crc32c::crc32c(&patched[21..]);
    self::patched(&patched, 17, &checksum.to_be_bytes())
}

/// Where fields lie in a batch.
mod at {
    pub(super) const LENGTH: usize = 8;
    pub(super) const MAGIC: usize = 16;
    pub(super) const CHECKSUM: usize = 17;
    pub(super) const ATTRIBUTES: usize = 21;
    pub(super) const LAST_OFFSET_DELTA: usize = 23;
    pub(super) const MAX_TIMESTAMP: usize = 35;
    pub(super) const RECORD_COUNT: usize = 57;
    pub(super) const RECORDS: usize = 61;
}

#[test]
fn bad_batches() {
    check("bad_batches", |session| {
        let two = batch(BatchOptions::default(), &[(Some("a"), Some("1")), (Some("b"), Some("2"))]);
        let cases: Vec<(&str, Bytes)> = vec![
            ("no bytes", Bytes::new()),
            ("a wrong checksum", patched(&two, at::CHECKSUM, &[1, 2, 3, 4])),
            ("a damaged record", damaged(&two)),
            ("magic 0", patched(&two, at::MAGIC, &[0])),
            ("magic 1", patched(&two, at::MAGIC, &[1])),
            ("magic 3", patched(&two, at::MAGIC, &[3])),
            ("magic -1", patched(&two, at::MAGIC, &[0xff])),
            ("two batches", [&two[..], &two[..]].concat().into()),
            ("rubbish behind", [&two[..], &[0; 3]].concat().into()),
            ("a batch cut short", two.slice(..two.len() - 1)),
            ("half a header", two.slice(..30)),
            ("a length of 0", patched(&two, at::LENGTH, &[0, 0, 0, 0])),
            ("a negative length", patched(&two, at::LENGTH, &[0xff; 4])),
            ("a length beyond the bytes", patched(&two, at::LENGTH, &[0, 1, 0, 0])),
            ("a length of 2 GiB", patched(&two, at::LENGTH, &[0x7f, 0xff, 0xff, 0xff])),
            ("base offset 5", patched(&two, 0, &5i64.to_be_bytes())),
            ("a count too large", forged(&two, at::RECORD_COUNT, &3i32.to_be_bytes())),
            ("a count too small", forged(&two, at::RECORD_COUNT, &1i32.to_be_bytes())),
            ("a count of 0", forged(&two, at::RECORD_COUNT, &0i32.to_be_bytes())),
            ("a negative count", forged(&two, at::RECORD_COUNT, &(-1i32).to_be_bytes())),
            ("a last offset too large", forged(&two, at::LAST_OFFSET_DELTA, &2i32.to_be_bytes())),
            ("a last offset too small", forged(&two, at::LAST_OFFSET_DELTA, &0i32.to_be_bytes())),
            ("a negative last offset", forged(&two, at::LAST_OFFSET_DELTA, &(-1i32).to_be_bytes())),
            ("control records", forged(&two, at::ATTRIBUTES, &[0, 0x20])),
            ("transactional without an id", forged(&two, at::ATTRIBUTES, &[0, 0x10])),
            ("log append time", forged(&two, at::ATTRIBUTES, &[0, 0x08])),
            ("an unknown codec", forged(&two, at::ATTRIBUTES, &[0, 0x07])),
            ("gzip that is none", forged(&two, at::ATTRIBUTES, &[0, 0x01])),
            ("zstd that is none", forged(&two, at::ATTRIBUTES, &[0, 0x04])),
            ("unknown attributes", forged(&two, at::ATTRIBUTES, &[0x01, 0])),
            ("a wrong max timestamp", forged(&two, at::MAX_TIMESTAMP, &(THEN_MS + 99).to_be_bytes())),
            ("a negative record length", forged(&two, at::RECORDS, &[0x01])),
            ("a record length too large", forged(&two, at::RECORDS, &[0x7e])),
            ("offset deltas that jump", forged(&two, at::RECORDS + 3, &[0x08])),
        ];
        make_topic(session, "bad-batches", cases.len() as i32, &[]);
        for (index, (label, records)) in cases.iter().enumerate() {
            // A partition each: what one lets in must not shift the offsets of the others.
            for version in [3, 9] {
                session.ask(label, version, &produce("bad-batches", index as i32, -1, records.clone()));
            }
            note_log(session, &format!("{label}, in the log"), "bad-batches", index as i32);
        }
    });
}

#[test]
fn sizes_and_keys() {
    check("sizes_and_keys", |session| {
        make_topic(session, "sizes", 1, &[("max.message.bytes", "1000")]);
        make_topic(
            session,
            "sizes-segment",
            1,
            &[("segment.bytes", "1048576"), ("max.message.bytes", "2000000")],
        );
        make_topic(session, "keys", 1, &[("cleanup.policy", "compact")]);
        // Overhead of a batch with one such record is 72 bytes: the second one fits exactly.
        for length in [2000, 928, 929, 930, 931, 932, 927, 926] {
            session.ask(&format!("{length} bytes"), 9, &produce("sizes", 0, -1, plain(&"x".repeat(length))));
        }
        let large = produce("sizes-segment", 0, -1, plain(&"x".repeat(1_100_000)));
        session.ask("larger than a segment", 9, &large);
        let keyless = batch(
            BatchOptions::default(),
            &[(Some("a"), Some("1")), (None, Some("2")), (Some("c"), Some("3")), (None, Some("4"))],
        );
        for version in [7, 8, 12] {
            session.ask(
                "without a key on a compacted topic",
                version,
                &produce("keys", 0, -1, keyless.clone()),
            );
        }
        let tombstone = batch(BatchOptions::default(), &[(Some("a"), None)]);
        session.ask("a tombstone", 9, &produce("keys", 0, -1, tombstone));
        let empty = batch(BatchOptions::default(), &[(Some(""), Some(""))]);
        session.ask("empty key and value", 9, &produce("keys", 0, -1, empty));
        session.ask("to an internal topic", 9, &produce("__transaction_state", 0, -1, plain("x")));
        read_all(session, "sizes", 1);
        read_all(session, "keys", 1);
    });
}

#[test]
fn timestamps() {
    check("timestamps", |session| {
        let limited =
            [("message.timestamp.before.max.ms", "60000"), ("message.timestamp.after.max.ms", "60000")];
        make_topic(session, "times", 1, &[]);
        make_topic(session, "times-limited", 1, &limited);
        make_topic(session, "times-append", 1, &[("message.timestamp.type", "LogAppendTime")]);
        const MINUTE_MS: i64 = 60_000;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
        let times = [
            ("long ago", THEN_MS),
            ("now", now),
            ("half a minute ahead", now + MINUTE_MS / 2),
            ("five minutes ahead", now + 5 * MINUTE_MS),
            ("two hours ahead", now + 120 * MINUTE_MS),
            ("five minutes ago", now - 5 * MINUTE_MS),
            ("no time", -1),
            ("zero", 0),
            ("negative", -5),
            ("the far future", i64::MAX - 10),
        ];
        for name in ["times", "times-limited", "times-append"] {
            for (label, time) in times {
                for version in [7, 9] {
                    let records = [(Some("a"), Some("1")), (Some("b"), Some("2"))];
                    let records = batch_at(BatchOptions::default(), time, &records);
                    let label = format!("{name}: {label}");
                    // The request holds the present time: it is told by its label alone.
                    let answer = session.arrange(version, &produce(name, 0, -1, records));
                    session.note(&format!("{label}, version {version}"), hidden_numbers(&answer));
                }
            }
            read_all(session, name, 1);
        }
    });
}

/// The answer without the times that its error messages quote.
fn hidden_numbers(answer: &rkafka_wire::messages::ProduceResponse) -> rkafka_wire::messages::ProduceResponse {
    let mut answer = answer.clone();
    let long = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).len() >= 12;
    for topic in &mut answer.responses {
        for partition in &mut topic.partition_responses {
            for error in &mut partition.record_errors {
                if let Some(message) = &error.batch_index_error_message {
                    let words = message.split(' ').map(|word| if long(word) { "<time>" } else { word });
                    let message = words.collect::<Vec<_>>().join(" ");
                    error.batch_index_error_message = Some(super::requests::text(&message));
                }
            }
        }
    }
    answer
}

#[test]
fn codecs() {
    check("codecs", |session| {
        let codecs = [
            ("none", Codec::None),
            ("gzip", Codec::Gzip),
            ("snappy", Codec::Snappy),
            ("lz4", Codec::Lz4),
            ("zstd", Codec::Zstd),
        ];
        let records: Vec<String> = (0..20).map(|i| format!("{i} 订单信息 {}", "abc".repeat(20))).collect();
        let records: Vec<(Option<&str>, Option<&str>)> =
            records.iter().map(|text| (Some("key"), Some(text.as_str()))).collect();
        for target in ["producer", "gzip", "snappy", "lz4", "zstd", "uncompressed"] {
            let name = format!("codec-{target}");
            make_topic(session, &name, 1, &[("compression.type", target)]);
            for (label, codec) in codecs {
                let compression = Compression { codec, ..Compression::default() };
                let sent = batch(BatchOptions { compression, ..BatchOptions::default() }, &records);
                for version in [6, 7, 9] {
                    let answer = session.arrange(version, &produce(&name, 0, -1, sent.clone()));
                    session.note(&format!("{label} to {target}, version {version}"), answer);
                }
            }
            // Sizes depend on the library that compressed: they are not compared, the records are.
            read_all(session, &name, 1);
        }
    });
}

#[test]
fn headers_come_back() {
    check("headers_come_back", |session| {
        make_topic(session, "headers", 1, &[]);
        let header = |key: &'static [u8], value| rkafka_record::Header { key, value };
        let headers = [
            header(b"a", Some(&b"1"[..])),
            header(b"a", None),
            header(b"", Some(b"")),
            header(b"b", Some(b"\xff")),
        ];
        let mut builder = rkafka_record::BatchBuilder::new(BatchOptions::default());
        builder.append(THEN_MS, Some(b"k"), None, &headers).expect("a small record");
        let records = builder.build().expect("a batch");
        session.ask("headers, one key twice", 9, &produce("headers", 0, -1, records));
        session.ask("read", 11, &fetch("headers", 0, 0));
    });
}
