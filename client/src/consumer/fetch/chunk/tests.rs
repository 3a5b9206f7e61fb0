//! From a fetched chunk to records: aborted transactions, control batches, cut ends.

use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchOptions, Compression};

use super::*;

const READING: Reading = Reading { check_crcs: true, committed_only: false };
const COMMITTED: Reading = Reading { check_crcs: true, committed_only: true };

fn batch(options: BatchOptions, first: i64, values: &[&str]) -> Vec<u8> {
    let options = BatchOptions { base_offset: first, partition_leader_epoch: 3, ..options };
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(1000, Some(b"k"), Some(value.as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap().to_vec()
}

fn plain(first: i64, values: &[&str]) -> Vec<u8> {
    batch(BatchOptions::default(), first, values)
}

fn of_producer(producer_id: i64, first: i64, values: &[&str]) -> Vec<u8> {
    let options = BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..Default::default()
    };
    batch(options, first, values)
}

fn marker(producer_id: i64, offset: i64, committed: bool) -> Vec<u8> {
    let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
    let mut bytes = marker.batch(producer_id, 0, 1000).unwrap().to_vec();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn chunk(batches: &[Vec<u8>], from: i64, aborted: &[(i64, i64)]) -> Chunk {
    Chunk::new(batches.concat().into(), from.into(), aborted.to_vec())
}

/// All values with their offsets, in portions of `limit`, and the end.
fn read(mut chunk: Chunk, reading: Reading, limit: usize) -> (Vec<(i64, String)>, i64) {
    let mut all = Vec::new();
    loop {
        let mut out = Vec::new();
        let (position, has_ended) = chunk.take(&partition(), reading, limit, &mut out).unwrap();
        assert!(out.len() <= limit);
        let text = |record: ConsumerRecord| {
            (record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap())
        };
        all.extend(out.into_iter().map(text));
        if has_ended {
            return (all, position.offset);
        }
    }
}

fn texts(read: &[(i64, String)]) -> Vec<&str> {
    read.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn every_codec_and_every_portion() {
    for codec in Codec::ALL {
        let options = BatchOptions { compression: Compression::from(codec), ..Default::default() };
        let batches = [batch(options, 5, &["订单", "b", "c"]), batch(options, 8, &["d"])];
        for limit in 1..=5 {
            let (all, end) = read(chunk(&batches, 6, &[]), READING, limit);
            assert_eq!(all, [(6, "b".into()), (7, "c".into()), (8, "d".into())], "{codec} {limit}");
            assert_eq!(end, 9);
        }
    }
}

#[test]
fn uncompressed_values_are_slices_of_the_frame() {
    let frame = Bytes::from(plain(0, &["value"]));
    let mut out = Vec::new();
    let mut chunk = Chunk::new(frame.clone(), 0.into(), Vec::new());
    chunk.take(&partition(), READING, 1, &mut out).unwrap();
    let range = frame.as_ptr_range();
    assert!(range.contains(&out[0].value.as_ref().unwrap().as_ptr()));
    assert_eq!((out[0].leader_epoch, out[0].timestamp), (Some(3), 1000));
}

#[test]
fn the_position_passes_what_is_left_out() {
    // Compaction left gaps inside and at the end of a batch; the last batch is cut.
    let options = BatchOptions { last_offset: Some(9), ..Default::default() };
    let mut cut = plain(10, &["never"]);
    cut.truncate(30);
    let (all, end) = read(chunk(&[batch(options, 0, &["a"]), cut], 0, &[]), READING, 10);
    assert_eq!((texts(&all), end), (vec!["a"], 10));
    let (all, end) = read(chunk(&[marker(7, 0, true), plain(1, &["b"])], 0, &[]), READING, 10);
    assert_eq!((texts(&all), end), (vec!["b"], 2));
    let (all, end) = read(chunk(&[marker(7, 0, true)], 0, &[]), READING, 10);
    assert_eq!((all.len(), end), (0, 1));
}

#[test]
fn aborted_transactions() {
    let batches = [
        of_producer(1, 0, &["aborted"]),
        of_producer(2, 1, &["committed"]),
        plain(2, &["plain"]),
        marker(1, 3, false),
        of_producer(1, 4, &["later"]),
        marker(2, 5, true),
        marker(1, 6, true),
        of_producer(2, 7, &["aborted too"]),
        marker(2, 8, false),
    ];
    let (all, end) = read(chunk(&batches, 0, &[(2, 7), (1, 0)]), COMMITTED, 10);
    assert_eq!((texts(&all), end), (vec!["committed", "plain", "later"], 9));
    let (all, _) = read(chunk(&batches, 0, &[]), READING, 10);
    assert_eq!(all.len(), 5, "read_uncommitted sees them all");
}

#[test]
fn damage_is_met_when_it_is_reached() {
    let mut damaged = plain(2, &["x"]);
    // The value; the last byte is the number of headers.
    let at = damaged.len() - 2;
    damaged[at] ^= 1;
    let mut chunk = chunk(&[plain(0, &["a", "b"]), damaged.clone()], 0, &[]);
    let mut out = Vec::new();
    let (position, has_ended) = chunk.take(&partition(), READING, 10, &mut out).unwrap();
    assert_eq!((out.len(), position.offset, has_ended), (2, 2, false));
    for _ in 0..2 {
        let (position, error) = chunk.take(&partition(), READING, 10, &mut out).unwrap_err();
        assert_eq!(position.offset, 2);
        assert!(matches!(error, BatchError::Corrupt(_)), "{error}");
    }
    let unchecked = Reading { check_crcs: false, ..READING };
    assert_eq!(read(Chunk::new(damaged.into(), 2.into(), Vec::new()), unchecked, 9).1, 3);
}

#[test]
fn ends() {
    let mut cut = plain(7, &["never"]);
    cut.truncate(40);
    let end = end_of(&[plain(3, &["a", "b"]), plain(5, &["c", "d"]), cut.clone()].concat());
    assert_eq!(end, Some(Position { offset: 7, leader_epoch: Some(3) }));
    assert_eq!(end_of(&cut), None);
}
