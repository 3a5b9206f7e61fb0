//! Bytes that no honest peer or disk gives: nothing panics, nothing takes more memory than allowed.

use proptest::collection::vec;
use proptest::prelude::*;

use rkafka_record::batch::{BatchRef, Batches};
use rkafka_record::builder::{BatchBuilder, BatchOptions};
use rkafka_record::compression::{compress, decompress, decompress_into};
use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchError, Codec, CompressionError, DecodeLimits, ErrorKind, HEADER_SIZE, validate};

use crate::properties::codecs;

const LIMITS: DecodeLimits = DecodeLimits::bytes(1 << 20);

/// Does everything with `bytes` that can be done; returns the first error, if any.
fn exercise(bytes: &[u8]) -> Result<(), BatchError> {
    let mut first_error = Ok(());
    let mut note = |result: Result<(), BatchError>| {
        if first_error.is_ok() {
            first_error = result;
        }
    };
    for batch in Batches::new(bytes) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                note(Err(error));
                break;
            }
        };
        note(batch.check_crc());
        note(validate::client_header(&batch));
        note(EndTransactionMarker::from_batch(&batch).map(drop));
        let _ = batch.patched_header_log_append_time(batch.base_offset(), batch.partition_leader_epoch(), 1);
        let _ = (batch.last_sequence(), batch.next_offset(), format!("{batch:?}"));
        let walked = validate::client_records(&batch, LIMITS, |_, _| {});
        let decoded = batch.decode(LIMITS).and_then(|decoded| {
            assert!(decoded.uncompressed_bytes() <= LIMITS.max_decompressed_bytes.max(bytes.len()));
            for record in decoded.records().flatten() {
                assert_eq!(record.headers().count(), record.header_count() as usize);
            }
            validate::decoded_client_records(&decoded, |_, _| {})
        });
        assert_eq!(walked.as_ref().ok(), decoded.as_ref().ok(), "{walked:?} {decoded:?}");
        note(decoded.map(drop));
    }
    first_error
}

fn sound_batch(codec: Codec) -> Vec<u8> {
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: codec.into(), ..BatchOptions::default() });
    for i in 0..50_u8 {
        let headers = [rkafka_record::Header { key: b"key", value: Some(&[i]) }];
        builder.append(i64::from(i), Some(&[i]), Some(b"the value of a record"), &headers).unwrap();
    }
    builder.build().unwrap().to_vec()
}

/// Puts the right CRC into a batch that was changed, so that the readers behind the check are reached too.
fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = rkafka_record::crc::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Random bytes behind a start that looks like a batch of the right length.
fn nearly_a_batch(random: &[u8], codec: u8) -> Vec<u8> {
    let mut bytes = random.to_vec();
    let length = (bytes.len() - 12) as i32;
    bytes[0] &= 0x7f;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[22] = bytes[22] & 0xf8 | codec;
    bytes[23] = 0;
    bytes[57..59].fill(0);
    with_crc(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 1..300)) {
        prop_assert!(exercise(&bytes).is_err());
    }

    #[test]
    fn random_batches_never_panic(bytes in vec(any::<u8>(), HEADER_SIZE..400), codec in 0..8_u8) {
        let bytes = nearly_a_batch(&bytes, codec);
        let error = exercise(&bytes).expect_err("random records");
        let unreached = matches!(error, BatchError::Incomplete { .. } | BatchError::UnsupportedMagic { .. });
        prop_assert!(!unreached, "{error}");
    }

    #[test]
    fn changed_batches_never_panic(codec in codecs(), at in 0..10_000_usize, value in any::<u8>()) {
        let mut bytes = sound_batch(codec);
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = exercise(&bytes);
        let _ = exercise(&with_crc(bytes));
    }

    #[test]
    fn any_changed_bit_under_the_crc_is_found(codec in codecs(), at in 0..10_000_usize, bit in 0..8) {
        let mut bytes = sound_batch(codec);
        let at = 17 + at % (bytes.len() - 17);
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(BatchRef::parse(&bytes).and_then(|batch| batch.check_crc()).is_err());
    }

    #[test]
    fn random_compressed_bytes_never_panic(codec in codecs(), bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(out) = decompress(codec, &bytes, 1 << 16) {
            prop_assert!(out.len() <= 1 << 16);
        }
    }

    #[test]
    fn changed_compressed_bytes_stay_in_bounds(
        codec in codecs(),
        changes in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let text = b"some text that is there again and again, ".repeat(3000);
        let mut bytes = Vec::new();
        compress(codec.into(), &text, &mut bytes).unwrap();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let mut out = Vec::new();
        let _ = decompress_into(codec, &bytes, 1 << 16, &mut out);
        prop_assert!(out.capacity() <= (1 << 16) + 1, "{} bytes of room", out.capacity());
    }
}

#[test]
fn sound_batches_pass() {
    for codec in Codec::ALL {
        assert_eq!(exercise(&sound_batch(codec)), Ok(()), "{codec}");
    }
}

#[test]
fn every_truncation_is_named() {
    for codec in Codec::ALL {
        let whole = sound_batch(codec);
        for len in 1..whole.len() {
            let error = exercise(&whole[..len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Incomplete, "{codec} cut to {len}");

            // The same with a length field that hides the cut.
            let Some(length) = i32::try_from(len).ok().filter(|&len| len >= HEADER_SIZE as i32) else {
                continue;
            };
            let mut cut = whole[..len].to_vec();
            cut[8..12].copy_from_slice(&(length - 12).to_be_bytes());
            let error = exercise(&cut).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{codec} cut to {len}");
        }
    }
}

#[test]
fn bombs_are_bounded() {
    let max_output = 100_000;
    let zeros = vec![0; 2 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut bomb = Vec::new();
        compress(codec.into(), &zeros, &mut bomb).unwrap();
        assert!(bomb.len() < zeros.len() / 10, "{codec}: {} bytes", bomb.len());
        let mut out = Vec::new();
        let result = decompress_into(codec, &bomb, max_output, &mut out);
        assert_eq!(result, Err(CompressionError::TooLarge { codec, max_output }));
        assert!(out.capacity() <= max_output + 1, "{codec}: {} bytes of room", out.capacity());
    }
}

#[test]
fn a_bomb_in_a_batch_is_too_large() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let compression = codec.into();
        let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
        builder.append(0, None, Some(&vec![0; 2 << 20]), &[]).unwrap();
        let bytes = builder.build().unwrap();
        let batch = BatchRef::parse(&bytes).unwrap();
        assert_eq!(batch.decode(LIMITS).unwrap_err().kind(), ErrorKind::TooLarge, "{codec}");
        assert!(batch.decode(DecodeLimits::bytes(3 << 20)).is_ok(), "{codec}");
    }
}

#[test]
fn a_large_record_count_costs_nothing() {
    let mut bytes = sound_batch(Codec::None);
    bytes[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let bytes = with_crc(bytes);
    let batch = BatchRef::parse(&bytes).unwrap();
    batch.check_crc().unwrap();
    let error = batch.decode(LIMITS).unwrap().records().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
}
