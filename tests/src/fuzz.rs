//! What fuzzers run: functions of bytes that peers or disks supply. None may panic, whatever the bytes; what
//! is accepted must come out the same when it is written and read again.
//!
//! `tests/fuzz/` has one libFuzzer target for each (`cargo +nightly fuzz run <name>`), with the seeds that
//! `cargo run --example fuzz_corpus` writes; `tests/fuzz_seeds.rs` runs all of them on stable, on damaged
//! seeds.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::group::CoordinatorRecord;
use rkafka_core::image::MetadataBatch;
use rkafka_log::epoch::LeaderEpochs;
use rkafka_log::producer::snapshot;
use rkafka_record::{
    BatchBuilder, BatchOptions, BatchRef, Batches, Codec, Compression, DecodeLimits, Header, compression,
    validate,
};
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::{
    ApiVersionsRequest, FetchRequest, JoinGroupRequest, MetadataRequest, ProduceRequest, TopicName,
};
use rkafka_wire::{StrBytes, client};

/// One entry point.
pub struct Target {
    /// Its name, also that of its program and its folder of seeds.
    pub name: &'static str,
    /// Must not panic.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: frame, seeds: frames },
    Target { name: "produce", run: produce, seeds: || bodies(ApiKey::Produce) },
    Target { name: "fetch", run: fetch, seeds: || bodies(ApiKey::Fetch) },
    Target { name: "metadata", run: metadata, seeds: || bodies(ApiKey::Metadata) },
    Target { name: "join_group", run: join_group, seeds: || bodies(ApiKey::JoinGroup) },
    Target { name: "request_body", run: request_body, seeds: every_body },
    Target { name: "record_batch", run: record_batch, seeds: batches },
    Target { name: "decompression", run: decompression, seeds: compressed },
    Target { name: "properties", run: properties, seeds: property_files },
    Target { name: "group_record", run: group_record, seeds: group_records },
    Target { name: "metadata_record", run: metadata_record, seeds: || vec![vec![0; 8]] },
    Target { name: "log_files", run: log_files, seeds: files_of_logs },
];

/// Most bytes that one batch may unpack to here: a fuzzer looks for panics, not for patience.
const UNPACKED_MAX: usize = 256 << 10;

/// A frame without its size.
pub fn frame(data: &[u8]) {
    // A refusal is as good as a request.
    let _ = rkafka_wire::fuzz::frame(data);
}

/// A Produce body after its version.
pub fn produce(data: &[u8]) {
    body(ApiKey::Produce, data);
}

/// A Fetch body after its version.
pub fn fetch(data: &[u8]) {
    body(ApiKey::Fetch, data);
}

/// A Metadata body after its version.
pub fn metadata(data: &[u8]) {
    body(ApiKey::Metadata, data);
}

/// A JoinGroup body after its version.
pub fn join_group(data: &[u8]) {
    body(ApiKey::JoinGroup, data);
}

/// A body of any request after its key and version.
pub fn request_body(data: &[u8]) {
    if let Some((key, data)) = data.split_first()
        && let Ok(key) = ApiKey::try_from(i16::from(*key))
    {
        body(key, data);
    }
}

fn body(key: ApiKey, data: &[u8]) {
    if let Some((version, data)) = data.split_first() {
        let _ = rkafka_wire::fuzz::body(key, i16::from(*version), data);
    }
}

/// Consecutive batches, as a client sends them and as a segment holds them.
pub fn record_batch(data: &[u8]) {
    for batch in Batches::new(data) {
        let Ok(batch) = batch else { return };
        let _ = (batch.check_crc(), validate::client_header(&batch.header()));
        let limits = DecodeLimits::bytes(UNPACKED_MAX);
        let walked = validate::client_records(&batch, limits, |_, _| {});
        let Ok(decoded) = batch.decode(limits) else { continue };
        assert_eq!(walked.ok(), validate::decoded_client_records(&decoded, |_, _| {}).ok());
        let mut rebuilt = BatchBuilder::new(BatchOptions::retaining(&batch.header()));
        let mut whole = true;
        for record in decoded.records() {
            whole &= record.is_ok_and(|record| {
                let headers = record.headers().count();
                assert!(headers <= record.header_count() as usize);
                rebuilt.append_record(&record).is_ok()
            });
        }
        if whole && !rebuilt.is_empty() {
            assert_same_records(&batch, &rebuilt);
        }
    }
}

/// What is written from the records of a batch reads as the same records.
fn assert_same_records(batch: &BatchRef<'_>, rebuilt: &BatchBuilder) {
    let Ok(bytes) = rebuilt.build() else { return };
    let again = BatchRef::parse(&bytes).expect("what was built can be parsed");
    let limits = DecodeLimits::bytes(2 * UNPACKED_MAX);
    let (before, after) = (batch.decode(limits), again.decode(limits));
    let (before, after) = (before.expect("decoded once"), after.expect("what was built can be decoded"));
    let pairs = before.records().zip(after.records());
    for (before, after) in pairs {
        let (before, after) = (before.expect("read once"), after.expect("what was built can be read"));
        assert_eq!((before.offset, before.key, before.value), (after.offset, after.key, after.value));
    }
}

/// A codec's number, then what is to be unpacked.
pub fn decompression(data: &[u8]) {
    let Some((codec, data)) = data.split_first() else { return };
    let Some(codec) = Codec::from_id(*codec) else { return };
    if let Ok(unpacked) = compression::decompress(codec, data, UNPACKED_MAX) {
        assert!(unpacked.len() <= UNPACKED_MAX);
    }
}

/// A `server.properties`.
pub fn properties(data: &[u8]) {
    if let Ok(file) = Properties::parse("fuzzed", data) {
        let _ = BrokerConfig::from_properties(&file, &[]).map_err(|errors| errors.to_string());
    }
}

/// A record of `__consumer_offsets`: the length of its key, the key, the value.
pub fn group_record(data: &[u8]) {
    let Some((length, data)) = data.split_first() else { return };
    let (key, value) = data.split_at(usize::from(*length).min(data.len()));
    for value in [Some(value), None] {
        if let Ok(Some(record)) = CoordinatorRecord::decode(key, value)
            && let Ok(encoded) = record.encode()
        {
            let again = CoordinatorRecord::decode(&encoded.key, encoded.value.as_deref());
            assert_eq!(again.expect("what was written can be read"), Some(record));
        }
    }
}

/// An entry of the metadata log.
pub fn metadata_record(data: &[u8]) {
    if let Ok(batch) = MetadataBatch::decode(data) {
        assert_eq!(MetadataBatch::decode(&batch.encode()).expect("what was written can be read"), batch);
    }
}

/// The small files beside a segment: leader epochs, producer snapshots.
pub fn log_files(data: &[u8]) {
    if let Ok(epochs) = LeaderEpochs::decode(data) {
        epochs.check_invariants();
        let again = LeaderEpochs::decode(epochs.encode().as_bytes()).expect("what was written can be read");
        assert_eq!(again.entries(), epochs.entries());
    }
    if let Ok(producers) = snapshot::decode(data) {
        let again = snapshot::decode(&snapshot::encode(producers.iter()));
        assert_eq!(again.expect("what was written can be read").len(), producers.len());
    }
}

fn name(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut add = |encoded: Result<Bytes, rkafka_wire::WireError>| {
        frames.push(encoded.expect("a good request")[4..].to_vec());
    };
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(name("topic"))));
    let named = MetadataRequest::default().with_topics(Some(vec![topic]));
    let join = JoinGroupRequest::default().with_protocol_type(name("consumer"));
    for version in 0..=13 {
        add(client::encode_request(version, 1, Some(&name("client")), &named));
    }
    for version in 0..=4 {
        add(client::encode_request(version, 2, None, &ApiVersionsRequest::default()));
    }
    for version in 3..=13 {
        add(client::encode_request(version, 3, Some(&name("")), &produce_request()));
    }
    for version in 4..=17 {
        let request = FetchRequest::default().with_replica_id((-1).into());
        add(client::encode_request(version, 4, Some(&name("client")), &request));
    }
    for version in 0..=9 {
        add(client::encode_request(version, 5, Some(&name("client")), &join));
    }
    frames
}

fn produce_request() -> ProduceRequest {
    use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let records = Bytes::from(batches().swap_remove(0));
    let data = PartitionProduceData::default().with_records(Some(records));
    let topic =
        TopicProduceData::default().with_name(TopicName(name("topic"))).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])
}

/// The bodies among [`frames`] of one key, after their version.
fn bodies(key: ApiKey) -> Vec<Vec<u8>> {
    every_body().into_iter().filter(|body| body[0] == key as u8).map(|body| body[1..].to_vec()).collect()
}

/// The bodies of [`frames`] after key and version.
fn every_body() -> Vec<Vec<u8>> {
    let body = |frame: Vec<u8>| {
        let mut rest = Bytes::from(frame.clone());
        rkafka_wire::RequestHeader::parse(&mut rest).expect("a good header");
        [&[frame[1], frame[3]], &rest[..]].concat()
    };
    frames().into_iter().map(body).collect()
}

fn batches() -> Vec<Vec<u8>> {
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let batch = |codec| {
        let compression = Compression { codec, ..Compression::default() };
        let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
        let headers = [Header { key: b"header", value: Some(b"value") }, Header { key: b"", value: None }];
        for index in 0..5 {
            let value = [b'v'; 40];
            builder.append(1_000 + index, Some(b"key"), Some(&value), &headers).expect("a small record");
        }
        builder.build().expect("a batch with records").to_vec()
    };
    codecs.into_iter().map(batch).collect()
}

fn compressed() -> Vec<Vec<u8>> {
    let packed = |id| {
        let codec = Codec::from_id(id).expect("a known codec");
        let mut out = vec![id];
        let compression = Compression { codec, ..Compression::default() };
        compression::compress(compression, &b"a text that repeats itself, ".repeat(50), &mut out)
            .expect("text can be compressed");
        out
    };
    (0..=4).map(packed).collect()
}

fn property_files() -> Vec<Vec<u8>> {
    let files: [&[u8]; 4] = [
        b"broker.id=1\nlisteners=PLAINTEXT://:9092\nlog.dirs=/tmp/a,/tmp/b\n",
        b"# comment\n! another\nprocess.roles=broker,controller\nnode.id : 1\\\n  2\n",
        b"controller.quorum.voters=1@host:9093,2@host:9094\nlog.retention.hours=168\n\\u4f60\\u597d=\\n\n",
        b"listeners=PLAINTEXT://[::1]:9092,SSL://h:1\nnum.partitions=-5\nno.such.key=1\nlog.segment.bytes=x\n",
    ];
    files.map(<[u8]>::to_vec).to_vec()
}

fn group_records() -> Vec<Vec<u8>> {
    let offset_key: &[u8] = b"\0\x01\0\x05group\0\x05topic\0\0\0\x02";
    let offset_value: &[u8] = b"\0\x03\0\0\0\0\0\0\0\x09\0\0\0\x01\0\x04note\0\0\x01\x8a\0\0\0\0";
    let group_key: &[u8] = b"\0\x02\0\x05group";
    let group_value: &[u8] = b"\0\x03\0\x08consumer\0\0\0\x01\0\x05range\0\x01m\0\0\0\0\0\0\0\x09\0\0\0\x01\
        \0\x01m\xff\xff\0\x01c\0\x01h\0\0\0\x05\0\0\0\x06\0\0\0\x01s\0\0\0\x01a";
    let record = |key: &[u8], value: &[u8]| [&[key.len() as u8], key, value].concat();
    vec![record(offset_key, offset_value), record(group_key, group_value)]
}

fn files_of_logs() -> Vec<Vec<u8>> {
    let snapshot = snapshot::encode(std::iter::empty());
    vec![b"0\n2\n0 0\n3 100\n".to_vec(), b"0\n0\n".to_vec(), snapshot]
}
