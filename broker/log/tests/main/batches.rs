//! Random batches that a log must accept next: plain, idempotent, transactional, markers; all codecs.

use bytes::Bytes;
use rkafka_log::disk::mem::SimRng;
use rkafka_log::producer::ProducerStates;
use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchOptions, Codec};

/// A batch as it comes from a client, a coordinator or a leader.
pub(crate) struct Draft {
    pub(crate) bytes: Bytes,
    pub(crate) is_marker: bool,
    pub(crate) what: String,
}

/// Draws a batch that continues what `producers` know. Producer 0 is none, 1 and 2 are idempotent, 3 and 4
/// use transactions.
pub(crate) fn draw(
    rng: &mut SimRng,
    producers: &ProducerStates,
    base_offset: i64,
    partition_leader_epoch: i32,
    now_ms: i64,
) -> Draft {
    let producer = rng.below(5) as i64;
    let mut options = BatchOptions { base_offset, partition_leader_epoch, ..BatchOptions::default() };
    if rng.chance(2, 5) {
        options.compression = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd][rng.below(4)].into();
    }
    if producer == 0 {
        return data(rng, options, now_ms, "plain");
    }
    let entry = producers.get(producer);
    let epoch = entry.map_or(0, |entry| entry.producer_epoch);
    let is_open = entry.is_some_and(|entry| entry.transaction_first_offset.is_some());
    options.producer_id = producer;
    options.producer_epoch = epoch;
    options.transactional = producer >= 3;
    if is_open && rng.chance(1, 3) {
        return marker(rng, options, now_ms);
    }
    options.base_sequence = match entry.and_then(|entry| entry.last_batch()) {
        Some(last) if last.last_sequence == i32::MAX => 0,
        Some(last) => last.last_sequence + 1,
        None => 0,
    };
    if rng.chance(1, 12) && !is_open {
        options.producer_epoch += 1;
        options.base_sequence = 0;
    }
    data(rng, options, now_ms, &format!("producer {producer}"))
}

/// The marker that ends a producer's transaction, if one is open.
pub(crate) fn end_transaction(
    rng: &mut SimRng,
    producers: &ProducerStates,
    producer_id: i64,
    now_ms: i64,
) -> Option<Draft> {
    let entry = producers.get(producer_id).filter(|entry| entry.transaction_first_offset.is_some())?;
    let options =
        BatchOptions { producer_id, producer_epoch: entry.producer_epoch, ..BatchOptions::default() };
    Some(marker(rng, options, now_ms))
}

fn data(rng: &mut SimRng, options: BatchOptions, now_ms: i64, what: &str) -> Draft {
    let mut builder = BatchBuilder::new(options);
    for _ in 0..1 + rng.below(4) {
        let key = [b'k', b'0' + rng.below(6) as u8];
        let len = if rng.chance(1, 8) { 500 + rng.below(1300) } else { rng.below(80) };
        let value: Vec<u8> = (0..len).map(|_| rng.byte()).collect();
        let value = (!rng.chance(1, 10)).then_some(&value[..]);
        let timestamp = now_ms + rng.below(2000) as i64 - 1000;
        builder.append(timestamp, Some(&key), value, &[]).expect("a few small records fit");
    }
    let bytes = builder.build().expect("a few small records fit");
    Draft { what: format!("{} bytes of {what}", bytes.len()), bytes, is_marker: false }
}

fn marker(rng: &mut SimRng, options: BatchOptions, now_ms: i64) -> Draft {
    let marker = EndTransactionMarker { committed: rng.chance(1, 2), coordinator_epoch: 0 };
    let options = BatchOptions {
        base_sequence: -1,
        transactional: true,
        control: true,
        compression: Codec::None.into(),
        ..options
    };
    let mut builder = BatchBuilder::new(options);
    let (key, value) = (marker.control_type().key(), marker.value());
    builder.append(now_ms, Some(&key), Some(&value), &[]).expect("one small record fits");
    let bytes = builder.build().expect("one small record fits");
    Draft { bytes, is_marker: true, what: format!("{marker:?}") }
}
