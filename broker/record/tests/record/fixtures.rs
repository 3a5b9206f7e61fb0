//! Batches recorded from Apache Kafka's Java clients 2.2 and 4.3, its broker 4.3, and librdkafka (kcat).

use rkafka_record::batch::BatchRef;
use rkafka_record::builder::{BatchBuilder, BatchOptions};
use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{Batches, Codec, DecodeLimits, Record, validate};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".bin")).as_slice()
    };
}

type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Checks one batch from a client: CRC, rules, codec, count; an uncompressed one must come out byte for byte
/// the same when it is built again, whatever the codec it must hold the same after that.
fn check(bytes: &[u8], codec: Codec, record_count: i32, first: KeyValue<'_>) {
    let batch = BatchRef::parse(bytes).unwrap();
    assert_eq!(batch.size(), bytes.len());
    batch.check_crc().unwrap();
    validate::client_header(&batch).unwrap();
    assert_eq!((batch.codec(), batch.record_count()), (codec, record_count));

    let decoded = batch.decode(DecodeLimits::default()).unwrap();
    let max_timestamp = validate::client_records(&batch, DecodeLimits::default(), |_, _| {}).unwrap();
    assert_eq!(max_timestamp, batch.max_timestamp());
    let record = decoded.records().next().unwrap().unwrap();
    assert_eq!((record.key, record.value), first);
    check_rebuilt(&batch);
}

fn check_rebuilt(batch: &BatchRef<'_>) {
    let decoded = batch.decode(DecodeLimits::default()).unwrap();
    let mut builder = BatchBuilder::new(BatchOptions::retaining(batch));
    for record in decoded.records() {
        builder.append_record(&record.unwrap()).unwrap();
    }
    let rebuilt = builder.build().unwrap();
    if batch.codec() == Codec::None {
        assert_eq!(rebuilt, batch.bytes());
    }
    let rebuilt = BatchRef::parse(&rebuilt).unwrap();
    rebuilt.check_crc().unwrap();
    let again = rebuilt.decode(DecodeLimits::default()).unwrap();
    let all =
        |decoded: &rkafka_record::DecodedBatch<'_>| format!("{:?}", decoded.records().collect::<Vec<_>>());
    assert_eq!(all(&again), all(&decoded));
}

const K0_V0: KeyValue<'static> = (Some(b"k0"), Some(b"v0"));

#[test]
fn java_2_2_producer() {
    check(fixture!("java-2.2-none"), Codec::None, 25, (None, Some(b"line 2")));
    check(fixture!("java-2.2-gzip"), Codec::Gzip, 1, K0_V0);
    check(fixture!("java-2.2-snappy"), Codec::Snappy, 1, K0_V0);
    check(fixture!("java-2.2-lz4"), Codec::Lz4, 1, K0_V0);
    check(fixture!("java-2.2-zstd"), Codec::Zstd, 1, K0_V0);
    check(fixture!("java-2.2-transactional"), Codec::None, 10, K0_V0);
    assert!(BatchRef::parse(fixture!("java-2.2-transactional")).unwrap().is_transactional());
}

#[test]
fn java_4_3_producer() {
    check(fixture!("java-4.3-idempotent"), Codec::None, 50, (None, Some(b"line 1")));
    check(fixture!("java-4.3-gzip"), Codec::Gzip, 1, K0_V0);
    check(fixture!("java-4.3-snappy"), Codec::Snappy, 1, K0_V0);
    check(fixture!("java-4.3-lz4"), Codec::Lz4, 1, K0_V0);
    check(fixture!("java-4.3-zstd"), Codec::Zstd, 1, K0_V0);
    let batch = BatchRef::parse(fixture!("java-4.3-idempotent")).unwrap();
    assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (10, 0, 0));
    assert_eq!(batch.last_sequence(), 49);
}

#[test]
fn librdkafka_producer() {
    check(fixture!("librdkafka-none"), Codec::None, 25, (None, Some(b"line 5")));
    check(fixture!("librdkafka-idempotent"), Codec::None, 50, (None, Some(b"line 1")));
    check(fixture!("librdkafka-transactional"), Codec::None, 50, (None, Some(b"line 1")));
    check(fixture!("librdkafka-zstd"), Codec::Zstd, 22, (None, Some(b"line 1")));
}

#[test]
fn a_commit_marker_of_the_broker() {
    let bytes = fixture!("broker-4.3-commit");
    let batch = BatchRef::parse(bytes).unwrap();
    batch.check_crc().unwrap();
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 0 };
    assert_eq!(EndTransactionMarker::from_batch(&batch), Ok(Some(marker)));

    let built = marker.batch(batch.producer_id(), batch.producer_epoch(), batch.max_timestamp()).unwrap();
    let header = BatchRef::parse(&built).unwrap().patched_header(10, 0);
    assert_eq!([&header, &built[header.len()..]].concat(), bytes, "built and appended, it is the broker's");
}

#[test]
fn a_fetched_run_of_batches() {
    let bytes = fixture!("broker-4.3-fetched");
    let mut batches = Batches::new(bytes);
    let mut next_offset = 2;
    let mut markers = Vec::new();
    for batch in batches.by_ref() {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        assert_eq!(batch.base_offset(), next_offset);
        next_offset = batch.next_offset();
        markers.extend(
            EndTransactionMarker::from_batch(&batch).unwrap().map(|m| (batch.base_offset(), m.committed)),
        );
        check_rebuilt(&batch);
    }
    assert_eq!(batches.position(), bytes.len());
    assert_eq!(next_offset, 15);
    assert_eq!(markers, [(12, true), (14, false)]);
}

#[test]
fn records_of_a_fetched_batch() {
    let batches: Vec<_> = Batches::new(fixture!("broker-4.3-fetched")).map(Result::unwrap).collect();
    let decoded = batches[1].decode(DecodeLimits::default()).unwrap();
    let records: Vec<Record<'_>> = decoded.records().map(Result::unwrap).collect();
    let third = records[2];
    assert_eq!((third.offset, third.timestamp), (5, batches[1].base_timestamp() + 8));
    assert_eq!((third.key, third.value, third.header_count()), (Some(&b"k8"[..]), Some(&b"v8"[..]), 0));
    assert_eq!(records[8].offset, batches[1].last_offset());
}
