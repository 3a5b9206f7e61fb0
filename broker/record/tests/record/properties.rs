//! Properties of whatever can be built.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use rkafka_record::batch::BatchRef;
use rkafka_record::builder::{BatchBuilder, BatchOptions};
use rkafka_record::{
    BatchHeader, Codec, Compression, DecodeLimits, HEADER_SIZE, Header, Record, TimestampType,
};

use crate::naive;

/// A record to build: offset beyond the one before, timestamp, key, value, headers.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    gap: u8,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Input {
    fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect()
    }
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    // Few different headers, so that the same key comes several times in one record.
    let header = (vec(b'a'..=b'c', 0..2), option::of(vec(any::<u8>(), 0..5)));
    let bytes = || option::weighted(0.8, vec(any::<u8>(), 0..200));
    let timestamp = prop_oneof![8 => 0..4_000_000_000_000_i64, 1 => Just(-1), 1 => any::<i64>()];
    let record =
        (prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], timestamp, bytes(), bytes(), vec(header, 0..4))
            .prop_map(|(gap, timestamp, key, value, headers)| Input { gap, timestamp, key, value, headers });
    vec(record, 1..20)
}

pub(crate) fn codecs() -> impl Strategy<Value = Codec> {
    proptest::sample::select(Codec::ALL.as_slice())
}

fn options() -> impl Strategy<Value = BatchOptions> {
    let offsets = (0..i64::MAX / 2, any::<i32>());
    let compression = (codecs(), option::of(-5..30_i32));
    let producer = prop_oneof![Just((-1, -1, -1)), (0..i64::MAX, 0..i16::MAX, 0..i32::MAX)];
    let timestamps = (any::<bool>(), 0..i64::MAX, option::weighted(0.2, 0..i64::MAX));
    (offsets, compression, producer, timestamps, any::<bool>(), any::<bool>()).prop_map(
        |(
            (base_offset, epoch),
            (codec, level),
            producer,
            (append, append_time, horizon),
            transactional,
            control,
        )| {
            BatchOptions {
                base_offset,
                partition_leader_epoch: epoch,
                compression: Compression { codec, level },
                timestamp_type: if append { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
                log_append_time_ms: append_time,
                producer_id: producer.0,
                producer_epoch: producer.1,
                base_sequence: producer.2,
                transactional,
                control,
                last_offset: None,
                delete_horizon_ms: horizon,
            }
        },
    )
}

fn build(options: BatchOptions, inputs: &[Input]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for input in inputs {
        let offset = builder.next_offset() + i64::from(input.gap);
        let (key, value) = (input.key.as_deref(), input.value.as_deref());
        builder.append_at(offset, input.timestamp, key, value, &input.headers()).unwrap();
    }
    builder.build().unwrap().to_vec()
}

fn offsets(options: &BatchOptions, inputs: &[Input]) -> Vec<i64> {
    let mut next_offset = options.base_offset;
    inputs
        .iter()
        .map(|input| {
            next_offset += i64::from(input.gap) + 1;
            next_offset - 1
        })
        .collect()
}

/// The header view says what the plain reader says.
fn assert_same_header(header: &BatchHeader<'_>, bytes: &[u8]) {
    let expected = naive::Reader(bytes).header();
    let seen = naive::Header {
        base_offset: header.base_offset(),
        batch_length: header.batch_length(),
        partition_leader_epoch: header.partition_leader_epoch(),
        magic: 2,
        crc: header.crc(),
        attributes: header.attributes(),
        last_offset_delta: header.last_offset_delta(),
        base_timestamp: header.base_timestamp(),
        max_timestamp: header.max_timestamp(),
        producer_id: header.producer_id(),
        producer_epoch: header.producer_epoch(),
        base_sequence: header.base_sequence(),
        record_count: header.record_count(),
    };
    assert_eq!(seen, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_built_is_decoded(options in options(), inputs in inputs()) {
        let bytes = build(options, &inputs);
        let batch = BatchRef::parse(&bytes).unwrap();
        batch.check_crc().unwrap();
        prop_assert_eq!(batch.bytes(), &bytes);

        let offsets = offsets(&options, &inputs);
        prop_assert_eq!(batch.last_offset(), *offsets.last().unwrap());
        prop_assert_eq!(batch.timestamp_type(), options.timestamp_type);
        prop_assert_eq!(batch.codec(), options.compression.codec);
        prop_assert_eq!(batch.is_transactional(), options.transactional);
        prop_assert_eq!(batch.is_control(), options.control);
        prop_assert_eq!(batch.delete_horizon_ms(), options.delete_horizon_ms);

        let mut scratch = vec![1, 2, 3];
        let decoded = batch.decode_with(DecodeLimits::default(), &mut scratch).unwrap();
        let records: Vec<Record<'_>> = decoded.records().map(Result::unwrap).collect();
        prop_assert_eq!(records.len(), inputs.len());
        for ((record, input), offset) in records.iter().zip(&inputs).zip(offsets) {
            let timestamp = match options.timestamp_type {
                TimestampType::CreateTime => input.timestamp,
                TimestampType::LogAppendTime => options.log_append_time_ms,
            };
            prop_assert_eq!((record.offset, record.timestamp), (offset, timestamp));
            prop_assert_eq!((record.key, record.value), (input.key.as_deref(), input.value.as_deref()));
            prop_assert_eq!(record.headers().collect::<Vec<_>>(), input.headers());
        }
    }

    #[test]
    fn the_view_agrees_with_a_plain_reader(options in options(), inputs in inputs()) {
        let bytes = build(BatchOptions { compression: Codec::None.into(), ..options }, &inputs);
        let batch = BatchRef::parse(&bytes).unwrap();
        assert_same_header(&batch, &bytes);
        prop_assert_eq!(batch.size(), bytes.len());

        let decoded = batch.decode(DecodeLimits::default()).unwrap();
        let expected = naive::Reader(&bytes[HEADER_SIZE..]).records();
        let seen: Vec<_> = decoded
            .records()
            .map(Result::unwrap)
            .zip(&expected)
            .map(|(record, plain)| naive::Record {
                timestamp_delta: match options.timestamp_type {
                    TimestampType::CreateTime => record.timestamp.wrapping_sub(batch.base_timestamp()),
                    TimestampType::LogAppendTime => plain.timestamp_delta,
                },
                offset_delta: record.offset - batch.base_offset(),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect(),
            })
            .collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn patching_keeps_the_crc_valid(
        options in options(),
        inputs in inputs(),
        base_offset in 0..i64::MAX / 2,
        epoch in any::<i32>(),
        time in any::<i64>(),
    ) {
        let bytes = build(options, &inputs);
        let batch = BatchRef::parse(&bytes).unwrap();

        let patched = [batch.patched_header(base_offset, epoch).as_slice(), batch.record_bytes()].concat();
        let seen = BatchRef::parse(&patched).unwrap();
        seen.check_crc().unwrap();
        prop_assert_eq!((seen.base_offset(), seen.partition_leader_epoch()), (base_offset, epoch));
        prop_assert_eq!(seen.crc(), batch.crc());
        prop_assert_eq!(seen.max_timestamp(), batch.max_timestamp());

        for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
            let header = batch.patched_header_with_timestamp(base_offset, epoch, timestamp_type, time);
            let patched = [header.as_slice(), batch.record_bytes()].concat();
            let seen = BatchRef::parse(&patched).unwrap();
            seen.check_crc().unwrap();
            prop_assert_eq!((seen.timestamp_type(), seen.max_timestamp()), (timestamp_type, time));
            prop_assert_eq!((seen.base_offset(), seen.partition_leader_epoch()), (base_offset, epoch));
            prop_assert_eq!(seen.is_transactional(), batch.is_transactional());
            prop_assert_eq!((seen.codec(), seen.is_control()), (batch.codec(), batch.is_control()));
            prop_assert_eq!(seen.delete_horizon_ms(), batch.delete_horizon_ms());
        }
    }

    #[test]
    fn an_uncompressed_batch_is_built_the_same_again(options in options(), inputs in inputs()) {
        let bytes = build(BatchOptions { compression: Codec::None.into(), ..options }, &inputs);
        let batch = BatchRef::parse(&bytes).unwrap();
        // Deltas of append-time batches are what the producer wrote, which the records no longer show.
        prop_assume!(batch.timestamp_type() == TimestampType::CreateTime);
        let decoded = batch.decode(DecodeLimits::default()).unwrap();
        let mut builder = BatchBuilder::new(BatchOptions::retaining(&batch));
        for record in decoded.records() {
            builder.append_record(&record.unwrap()).unwrap();
        }
        prop_assert_eq!(builder.build().unwrap(), &bytes);
    }
}
