//! The hot paths of a broker, one case each, on public interfaces: timed by `benches/times.rs`, counted
//! instruction by instruction by `main.rs`.
//!
//! The work of a case is the same at every run and on every machine with the same instruction set: no clock,
//! no randomness, no thread.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rkafka_core::coordinator::CoordinatorShard;
use rkafka_core::group::request::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};
use rkafka_core::group::{GroupConfig, GroupRequest, ReplyToken};
use rkafka_core::ids::{BrokerId, TopicId};
use rkafka_core::image::{Image, MetadataBatch, MetadataRecord, Partition, PartitionChange};
use rkafka_core::time::Now;
use rkafka_log::disk::real::RealDisk;
use rkafka_log::{AppendContext, AppendOrigin, Log, LogConfig, OpenOptions, ReadLimits, ValidBatch};
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_wire::fetch::{FetchAnswer, FetchedPartition, FetchedTopic};
use rkafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use rkafka_wire::messages::{ProduceRequest, TopicName};
use rkafka_wire::request::{Limits, check};
use rkafka_wire::{ErrorCode, FilePart, Part, RequestHeader, StrBytes, client};
use smallvec::smallvec;
use tempfile::TempDir;
use uuid::Uuid;

/// 2023-11-14; any moment does.
const NOW_MS: i64 = 1_700_000_000_000;
/// Records in [`batch`]: about 16 KiB in all, the default `batch.size` of producers.
const RECORDS: usize = 16;
const RECORD_BYTES: usize = 1000;
/// Batches in the log that is read and recovered: about 16 MiB.
const BATCHES: i64 = 1000;
/// Partitions in a fetch answer, and in a commit.
const PARTITIONS: i32 = 12;
/// The Produce version of Java clients 2.1 and later, and one of current ones.
const PRODUCE_VERSION: i16 = 9;
/// Topics in the image to which a change is applied, each of [`PARTITIONS`].
const TOPICS: u16 = 1000;

/// What a case does once; set-up is done when it is made.
pub type Work = Box<dyn FnMut()>;

/// Sets a case up.
pub type Make = fn() -> Work;

/// All cases by name.
pub const CASES: [(&str, Make); 8] = [
    ("frame walk and decode", frame),
    ("batch check", batch_check),
    ("append", append),
    ("index look-up", index_look_up),
    ("fetch assembly", fetch_assembly),
    ("recovery scan", recovery_scan),
    ("coordinator step", coordinator_step),
    ("metadata apply", metadata_apply),
];

/// The case of this name, ready to run.
#[must_use]
pub fn case(name: &str) -> Option<Work> {
    CASES.iter().find(|(known, _)| *known == name).map(|(_, make)| make())
}

/// A batch of 16 records of 1,000 bytes as a client sends it.
fn batch() -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = [b'x'; RECORD_BYTES];
    for _ in 0..RECORDS {
        builder.append(NOW_MS, None, Some(&value), &[]).expect("a small record");
    }
    builder.build().expect("a small batch")
}

/// Header, walk and decoding of a Produce request with one batch of 16 KiB.
fn frame() -> Work {
    let partition = PartitionProduceData::default().with_index(3).with_records(Some(batch()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(1).with_topic_data(vec![topic]);
    let client_id = StrBytes::from_static_str("producer-1");
    let frame = client::encode_request(PRODUCE_VERSION, 7, Some(&client_id), &request).expect("encodes");
    let frame = frame.slice(4..);
    Box::new(move || {
        let mut body = frame.clone();
        let header = RequestHeader::parse(&mut body).expect("a header");
        let checked = check(&header, body, &Limits::default()).expect("well formed");
        black_box(checked.decode().expect("decodes"));
    })
}

/// Everything that is checked of a batch of 16 KiB before its partition is locked; the CRC above all.
fn batch_check() -> Work {
    let (batch, config) = (batch(), config());
    Box::new(move || {
        let valid = ValidBatch::check(&batch, &config, AppendOrigin::Client, NOW_MS);
        black_box(valid.expect("a sound batch"));
    })
}

/// Appending a checked batch of 16 KiB: sequence, offsets, `pwritev`, indexes, publishing.
fn append() -> Work {
    let dir = TempDir::new().expect("a temporary directory");
    let (batch, config) = (batch(), config());
    let mut log = open(dir.path(), 0);
    Box::new(move || {
        let valid = ValidBatch::check(&batch, &config, AppendOrigin::Client, NOW_MS);
        let valid = valid.expect("a sound batch");
        black_box(log.append_validated(&valid, &context()).expect("appends"));
        // Kept as long as the log.
        black_box(dir.path());
    })
}

/// Finding 1 MiB from an offset in the middle of a segment with 1,000 batches.
fn index_look_up() -> Work {
    let (dir, log) = filled();
    let reader = log.reader();
    let middle = BATCHES / 2 * RECORDS as i64 + 3;
    Box::new(move || {
        let upper_offset = reader.view().high_watermark;
        let limits = ReadLimits { max_bytes: 1 << 20, upper_offset, at_least_one_batch: true };
        black_box(reader.read(middle, limits).expect("in range"));
        black_box((dir.path(), &log));
    })
}

/// A range of a file that is only measured.
#[derive(Clone)]
struct Range(usize);

impl FilePart for Range {
    fn size(&self) -> usize {
        self.0
    }
}

/// Encoding the answer to a fetch of 12 partitions, records left where they are.
fn fetch_assembly() -> Work {
    let header = RequestHeader {
        api_key: rkafka_wire::messages::ApiKey::Fetch,
        api_version: 12,
        correlation_id: 7,
        client_id: None,
    };
    Box::new(move || {
        let partition = |index| FetchedPartition {
            high_watermark: 1_000_000,
            last_stable_offset: 1_000_000,
            log_start_offset: 0,
            aborted_transactions: None,
            records: smallvec![Part::File(Range(1 << 20))],
            ..FetchedPartition::failed(index, ErrorCode::None)
        };
        let topic = FetchedTopic {
            name: TopicName(StrBytes::from_static_str("orders")),
            topic_id: Uuid::nil(),
            partitions: (0..PARTITIONS).map(partition).collect(),
        };
        let answer = FetchAnswer {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: Vec::new(),
        };
        black_box(answer.encode(&header).expect("encodes"));
    })
}

/// Opening a log of 16 MiB after a kill with nothing known to be durable: every batch is read and checked.
fn recovery_scan() -> Work {
    let (dir, log) = filled();
    drop(log);
    Box::new(move || {
        black_box(open(dir.path(), 0));
    })
}

/// A group's commit of 12 offsets, from the request to the answer: checked, written as a batch, replayed, and answered
/// once it is committed.
fn coordinator_step() -> Work {
    let now = Now { mono_ms: 1, wall_ms: NOW_MS };
    let partition = |partition| OffsetCommitPartition {
        partition,
        offset: 1_000_000,
        leader_epoch: 1,
        metadata: String::new(),
    };
    let topic = OffsetCommitTopic {
        topic: "orders".to_owned(),
        topic_id: TopicId([1; 16]),
        partitions: (0..PARTITIONS).map(partition).collect(),
    };
    let commit = OffsetCommitRequest {
        group_id: "billing".to_owned(),
        generation_id: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let commit = GroupRequest::OffsetCommit(commit);
    let mut shard = CoordinatorShard::new(GroupConfig::default());
    let _ = shard.start_loading();
    let _ = shard.finish_loading(now, 0);
    let mut end = 0;
    Box::new(move || {
        let effects = shard.handle(now, ReplyToken(7), &commit);
        let batch = effects.append.expect("a commit is written");
        let waiting = shard.on_append(now, Ok(end));
        assert!(waiting.append.is_none() && waiting.replies.is_empty());
        end += batch.record_count;
        let answered = shard.on_high_watermark(now, end);
        assert_eq!(answered.replies.len(), 1);
        black_box(&answered);
    })
}

/// Applying a change of one partition's ISR to the image of a cluster with 12,000 partitions.
fn metadata_apply() -> Work {
    let brokers = || [BrokerId(1), BrokerId(2), BrokerId(3)].into_iter().collect();
    let id = |topic: u16| {
        let [high, low] = topic.to_be_bytes();
        TopicId([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, high, low])
    };
    let records = (0..TOPICS).flat_map(|topic| {
        let name = MetadataRecord::Topic { name: format!("orders-{topic}"), id: id(topic) };
        let partitions = (0..PARTITIONS).map(move |index| MetadataRecord::Partition {
            topic: id(topic),
            index,
            partition: Partition::new(brokers(), brokers()),
        });
        std::iter::once(name).chain(partitions)
    });
    let image = Image::from_snapshot(1, &records.collect::<Vec<_>>()).expect("a snapshot");
    let isr = [BrokerId(1), BrokerId(3)].into_iter().collect();
    let change = PartitionChange { isr: Some(isr), ..PartitionChange::default() };
    let record = MetadataRecord::PartitionChange { topic: id(TOPICS / 2), index: 3, change };
    let batch = MetadataBatch { previous_sequence: 1, records: vec![record] };
    Box::new(move || {
        black_box(image.apply(&batch).expect("follows the snapshot"));
    })
}

/// A log with [`BATCHES`] batches.
fn filled() -> (TempDir, Log) {
    let dir = TempDir::new().expect("a temporary directory");
    let mut log = open(dir.path(), 0);
    let batch = batch();
    for _ in 0..BATCHES {
        log.append_leader(&batch, &context()).expect("appends");
    }
    (dir, log)
}

fn open(dir: &Path, recovery_point: i64) -> Log {
    let options = OpenOptions {
        recovery_point,
        cleaned_to: 0,
        log_start_offset: 0,
        clean_shutdown: false,
        now_ms: NOW_MS,
    };
    let opened =
        Log::open(Arc::new(RealDisk), &dir.join("orders-0"), "orders-0", Arc::new(config()), options);
    opened.expect("opens").0
}

fn config() -> LogConfig {
    LogConfig { segment_ms: i64::MAX, ..LogConfig::default() }
}

fn context() -> AppendContext {
    AppendContext { leader_epoch: 1, origin: AppendOrigin::Client, now_ms: NOW_MS, sole_replica: true }
}
