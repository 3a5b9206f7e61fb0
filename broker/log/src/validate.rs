//! What a leader checks in a batch, and changes, before it is appended.
//!
//! Nothing here needs the log, so a caller does it before it takes the log's lock. Every record of a client is
//! walked, since one that cannot be read would stop consumers for good; without a copy, and compressed ones
//! through a small window. Only for another `compression.type` are the records decompressed as a whole.

use std::borrow::Cow;

use rkafka_record::validate::{client_header, client_records, decoded_client_records};
use rkafka_record::{
    BatchBuilder, BatchError, BatchOptions, BatchRef, Codec, Compression, DecodeLimits, DecodedBatch,
    HEADER_SIZE, RecordOutline, TimestampType,
};

use crate::config::LogConfig;
use crate::error::{AppendError, RecordProblem, RefusedRecords};
use crate::producer::{AppendOrigin, ProducerBatch};

/// "No timestamp" in a record.
const NO_TIMESTAMP: i64 = -1;

/// A batch that may be appended as far as its own contents go; offsets are still the producer's.
#[derive(Debug, Clone)]
pub struct ValidBatch<'a> {
    /// As sent, or recompressed.
    bytes: Cow<'a, [u8]>,
    origin: AppendOrigin,
    /// As if the batch stood at offset 0.
    producer: ProducerBatch,
    log_append_time_ms: Option<i64>,
    /// What is written into the header, where the producer did not tell the truth.
    max_timestamp: Option<i64>,
}

impl<'a> ValidBatch<'a> {
    /// Checks `bytes`, which must hold exactly one batch, by the rules for `origin` and the topic's settings.
    ///
    /// # Errors
    /// [`AppendError`]; which one decides the wire code.
    pub fn check(
        bytes: &'a [u8],
        config: &LogConfig,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<Self, AppendError> {
        let batch = BatchRef::parse(bytes)?;
        if batch.size() < bytes.len() {
            return Err(AppendError::NotOneBatch { trailing: bytes.len() - batch.size() });
        }
        check_size(bytes.len(), config)?;
        batch.check_crc()?;
        if origin == AppendOrigin::Client {
            client_header(&batch)?;
        }
        let Checked { recompressed, max_timestamp } = check_records(&batch, config, origin, now_ms)?;
        if let Some(recompressed) = &recompressed {
            check_size(recompressed.len(), config)?;
        }
        let log_append_time_ms = (config.timestamp_type == TimestampType::LogAppendTime).then_some(now_ms);
        let mut producer = ProducerBatch::new(&batch, 0);
        producer.timestamp = log_append_time_ms.or(max_timestamp).unwrap_or(producer.timestamp);
        let bytes = recompressed.map_or(Cow::Borrowed(bytes), Cow::Owned);
        Ok(Self { bytes, origin, producer, log_append_time_ms, max_timestamp })
    }

    /// The time all records get if the topic uses LogAppendTime.
    pub fn log_append_time_ms(&self) -> Option<i64> {
        self.log_append_time_ms
    }

    /// Who writes it.
    pub fn origin(&self) -> AppendOrigin {
        self.origin
    }

    /// The batch.
    pub(crate) fn batch(&self) -> Result<BatchRef<'_>, BatchError> {
        BatchRef::parse(&self.bytes)
    }

    /// What producer state needs to know of it, standing at `base_offset`.
    pub(crate) fn producer_batch(&self, base_offset: i64) -> ProducerBatch {
        let last_offset = base_offset.saturating_add(self.producer.last_offset);
        ProducerBatch { base_offset, last_offset, ..self.producer }
    }

    /// The header to be written, with the offset and epoch assigned by the leader.
    pub(crate) fn header(
        &self,
        batch: &BatchRef<'_>,
        base_offset: i64,
        leader_epoch: i32,
    ) -> [u8; HEADER_SIZE] {
        let create_time = TimestampType::CreateTime;
        match (self.log_append_time_ms, self.max_timestamp) {
            (Some(now), _) => batch.patched_header_log_append_time(base_offset, leader_epoch, now),
            (None, Some(max)) => {
                batch.patched_header_with_timestamp(base_offset, leader_epoch, create_time, max)
            }
            (None, None) => batch.patched_header(base_offset, leader_epoch),
        }
    }
}

fn check_size(size: usize, config: &LogConfig) -> Result<(), AppendError> {
    if size > config.max_message_bytes {
        return Err(AppendError::TooLarge { size, limit: config.max_message_bytes });
    }
    if size as u64 > config.segment_bytes {
        return Err(AppendError::LargerThanSegment { size, limit: config.segment_bytes });
    }
    Ok(())
}

/// What looking at the records gave.
struct Checked {
    /// The batch in the topic's codec, if it came in another.
    recompressed: Option<Vec<u8>>,
    /// The largest timestamp, if the header names another.
    max_timestamp: Option<i64>,
}

fn check_records(
    batch: &BatchRef<'_>,
    config: &LogConfig,
    origin: AppendOrigin,
    now_ms: i64,
) -> Result<Checked, AppendError> {
    let rules = RecordRules::new(config, origin, now_ms);
    let mut refused = RefusedRecords::default();
    let note = |index, record: RecordOutline| {
        if let Some(problem) = rules.problem_of(&record) {
            refused.note(index, problem);
        }
    };
    let target = config.compression.filter(|target| target.codec != batch.codec() && !batch.is_control());
    let Some(target) = target else {
        if origin != AppendOrigin::Client {
            return Ok(Checked { recompressed: None, max_timestamp: None });
        }
        let max_timestamp = client_records(batch, DecodeLimits::default(), note)?;
        refuse(refused)?;
        let max_timestamp = (max_timestamp != batch.max_timestamp()).then_some(max_timestamp);
        return Ok(Checked { recompressed: None, max_timestamp });
    };
    // What is to be stored uncompressed must fit a batch then too; nothing more of a bomb is ever unpacked.
    let limits = match target.codec {
        Codec::None => DecodeLimits::bytes(config.max_message_bytes),
        _ => DecodeLimits::default(),
    };
    let decoded = batch.decode(limits)?;
    decoded_client_records(&decoded, note)?;
    refuse(refused)?;
    Ok(Checked { recompressed: Some(recompress(&decoded, target)?), max_timestamp: None })
}

fn refuse(refused: RefusedRecords) -> Result<(), AppendError> {
    if refused.total == 0 { Ok(()) } else { Err(AppendError::InvalidRecords(refused)) }
}

fn recompress(decoded: &DecodedBatch<'_>, compression: Compression) -> Result<Vec<u8>, AppendError> {
    let options = BatchOptions { compression, ..BatchOptions::retaining(&decoded.header()) };
    let mut builder = BatchBuilder::new(options);
    for record in decoded.records() {
        builder.append_record(&record?)?;
    }
    let mut bytes = Vec::new();
    builder.build_into(&mut bytes)?;
    Ok(bytes)
}

/// What a topic asks of each record of a client.
struct RecordRules {
    needs_key: bool,
    /// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` around now (KIP-937).
    earliest: i64,
    latest: i64,
}

impl RecordRules {
    fn new(config: &LogConfig, origin: AppendOrigin, now_ms: i64) -> Self {
        let is_client = origin == AppendOrigin::Client;
        // With LogAppendTime the leader's clock replaces the producer's.
        let (earliest, latest) = if is_client && config.timestamp_type == TimestampType::CreateTime {
            let earliest = now_ms.saturating_sub(config.timestamp_before_max_ms);
            (earliest, now_ms.saturating_add(config.timestamp_after_max_ms))
        } else {
            (i64::MIN, i64::MAX)
        };
        Self { needs_key: is_client && config.cleanup_policy.compact, earliest, latest }
    }

    fn problem_of(&self, record: &RecordOutline) -> Option<RecordProblem> {
        if self.needs_key && !record.has_key {
            return Some(RecordProblem::MissingKey);
        }
        let &Self { earliest, latest, .. } = self;
        let timestamp = record.timestamp;
        let is_timely = timestamp == NO_TIMESTAMP || (earliest..=latest).contains(&timestamp);
        let offset = i64::from(record.offset_delta);
        (!is_timely).then_some(RecordProblem::Timestamp { timestamp, offset, earliest, latest })
    }
}

#[cfg(test)]
mod tests {
    use rkafka_record::Codec;

    use super::*;
    use crate::config::CleanupPolicy;
    use crate::error::RecordError;
    use crate::testing::{NOW_MS, batch, from_producer};

    fn check(bytes: &[u8], config: &LogConfig) -> Result<ValidBatch<'static>, AppendError> {
        let valid = ValidBatch::check(bytes, config, AppendOrigin::Client, NOW_MS)?;
        Ok(ValidBatch { bytes: Cow::Owned(valid.bytes.to_vec()), ..valid })
    }

    fn at(times: &[i64]) -> Vec<u8> {
        let records: Vec<_> = times.iter().map(|time| (*time, Some("key"), "value")).collect();
        batch(BatchOptions::default(), &records)
    }

    fn compacted() -> LogConfig {
        LogConfig { cleanup_policy: CleanupPolicy { compact: true, delete: false }, ..LogConfig::default() }
    }

    #[test]
    fn sizes() {
        let bytes = at(&[NOW_MS]);
        let limit = |max_message_bytes, segment_bytes| LogConfig {
            max_message_bytes,
            segment_bytes,
            ..LogConfig::default()
        };
        assert!(check(&bytes, &limit(bytes.len(), bytes.len() as u64)).is_ok());
        let too_large = check(&bytes, &limit(bytes.len() - 1, 1 << 30));
        assert!(matches!(too_large, Err(AppendError::TooLarge { .. })), "{too_large:?}");
        let larger_than_segment = check(&bytes, &limit(1 << 20, bytes.len() as u64 - 1));
        assert!(
            matches!(larger_than_segment, Err(AppendError::LargerThanSegment { .. })),
            "{larger_than_segment:?}"
        );
    }

    #[test]
    fn exactly_one_sound_batch() {
        let (bytes, config) = (at(&[NOW_MS]), LogConfig::default());
        let two = [bytes.clone(), bytes.clone()].concat();
        assert!(
            matches!(check(&two, &config), Err(AppendError::NotOneBatch { trailing }) if trailing == bytes.len())
        );
        for cut in 0..bytes.len() {
            assert!(check(&bytes[..cut], &config).is_err(), "cut at {cut}");
        }
        for place in 17..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 4;
            assert!(matches!(check(&damaged, &config), Err(AppendError::Batch(_))), "byte {place}");
        }
        for (options, what) in [
            (BatchOptions { base_offset: 1, ..BatchOptions::default() }, "offsets are the leader's"),
            (BatchOptions { control: true, ..BatchOptions::default() }, "markers are the coordinator's"),
            (from_producer(7, -1, false), "a producer id needs a sequence"),
            (
                BatchOptions { timestamp_type: TimestampType::LogAppendTime, ..BatchOptions::default() },
                "leader's clock",
            ),
        ] {
            let bytes = batch(options, &[(NOW_MS, None, "value")]);
            assert!(
                matches!(check(&bytes, &config), Err(AppendError::Batch(BatchError::Invalid(_)))),
                "{what}"
            );
        }
        let marker =
            batch(BatchOptions { control: true, ..BatchOptions::default() }, &[(NOW_MS, None, "value")]);
        assert!(ValidBatch::check(&marker, &config, AppendOrigin::Coordinator, NOW_MS).is_ok());
    }

    #[test]
    fn a_compacted_topic_names_the_records_without_a_key() {
        for codec in [Codec::None, Codec::Gzip] {
            let compression = Compression { codec, ..Compression::default() };
            let records = [
                (NOW_MS, Some("a"), "1"),
                (NOW_MS, None, "2"),
                (NOW_MS, Some("b"), "3"),
                (NOW_MS, None, "4"),
            ];
            let bytes = batch(BatchOptions { compression, ..BatchOptions::default() }, &records);
            assert!(check(&bytes, &LogConfig::default()).is_ok());
            let Err(AppendError::InvalidRecords(refused)) = check(&bytes, &compacted()) else {
                panic!("accepted")
            };
            let keyless = |index| RecordError { index, problem: RecordProblem::MissingKey };
            assert_eq!(refused.named, [keyless(1), keyless(3)]);
            assert_eq!((refused.total, refused.any_untimely), (2, false));
        }
        assert!(check(&at(&[NOW_MS]), &compacted()).is_ok());
    }

    #[test]
    fn timestamps_outside_the_bounds_are_named() {
        let config =
            LogConfig { timestamp_before_max_ms: 1000, timestamp_after_max_ms: 500, ..LogConfig::default() };
        assert!(check(&at(&[NOW_MS - 1000, NOW_MS + 500, -1]), &config).is_ok());
        let untimely = |times: &[i64], config: &LogConfig| match check(&at(times), config) {
            Err(AppendError::InvalidRecords(refused)) => {
                assert!(refused.any_untimely);
                refused.named.iter().map(|error| error.index).collect()
            }
            other => panic!("{other:?}"),
        };
        let found: Vec<i32> = untimely(&[NOW_MS, NOW_MS - 1001, NOW_MS + 501, NOW_MS], &config);
        assert_eq!(found, [1, 2]);
        // By default only the future is bounded, by an hour.
        let found: Vec<i32> = untimely(&[0, NOW_MS + 3_600_001], &LogConfig::default());
        assert_eq!(found, [1]);
        let append_time = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..config };
        assert!(check(&at(&[0, i64::MAX / 2]), &append_time).is_ok(), "the leader's clock counts");
    }

    /// One list for both kinds of mistakes, cut where an answer would become large.
    #[test]
    fn mistakes_are_counted_and_the_first_are_named() {
        let untimely = NOW_MS + 3_600_001;
        let mixed = batch(BatchOptions::default(), &[(NOW_MS, None, "1"), (untimely, Some("a"), "2")]);
        let Err(AppendError::InvalidRecords(refused)) = check(&mixed, &compacted()) else {
            panic!("accepted")
        };
        let (earliest, latest) = (NOW_MS.saturating_sub(i64::MAX), NOW_MS + 3_600_000);
        let problem = RecordProblem::Timestamp { timestamp: untimely, offset: 1, earliest, latest };
        let keyless = RecordError { index: 0, problem: RecordProblem::MissingKey };
        assert_eq!(refused.named, [keyless, RecordError { index: 1, problem }]);
        assert!(refused.any_untimely);
        let many = vec![(NOW_MS, None, "value"); RefusedRecords::NAMED_MAX + 7];
        let Err(AppendError::InvalidRecords(refused)) =
            check(&batch(BatchOptions::default(), &many), &compacted())
        else {
            panic!("accepted")
        };
        assert_eq!((refused.total, refused.named.len()), (many.len(), RefusedRecords::NAMED_MAX));
    }

    /// Consumers would stop at such a record for good.
    #[test]
    fn records_that_cannot_be_read_are_refused_in_every_codec() {
        let config = LogConfig::default();
        for codec in Codec::ALL {
            let compression = Compression { codec, ..Compression::default() };
            let options = BatchOptions { compression, ..BatchOptions::default() };
            let sound = batch(options, &[(NOW_MS, Some("key"), "value"), (NOW_MS, None, "value")]);
            assert!(check(&sound, &config).is_ok(), "{codec}");
            // One bit of the content, and a checksum that fits.
            let mut damaged = sound;
            damaged[HEADER_SIZE] ^= 1;
            let checksum = rkafka_record::crc::crc32c(&damaged[21..]);
            damaged[17..21].copy_from_slice(&checksum.to_be_bytes());
            let Err(AppendError::Batch(error)) = check(&damaged, &config) else { panic!("{codec} accepted") };
            assert_eq!(error.kind(), rkafka_record::ErrorKind::InvalidRecord, "{codec}: {error}");
            assert!(ValidBatch::check(&damaged, &config, AppendOrigin::Coordinator, NOW_MS).is_ok());
        }
    }

    #[test]
    fn a_max_timestamp_that_is_none_is_corrected() {
        let mut forged = at(&[NOW_MS, NOW_MS + 5, NOW_MS + 1]);
        forged[35..43].copy_from_slice(&(NOW_MS + 99).to_be_bytes());
        let checksum = rkafka_record::crc::crc32c(&forged[21..]);
        forged[17..21].copy_from_slice(&checksum.to_be_bytes());
        let valid = check(&forged, &LogConfig::default()).expect("valid");
        let batch = valid.batch().expect("a batch");
        let stored = [&valid.header(&batch, 70, 4)[..], batch.record_bytes()].concat();
        let stored = BatchRef::parse(&stored).expect("a batch");
        stored.check_crc().expect("sound");
        assert_eq!(
            (stored.max_timestamp(), stored.timestamp_type()),
            (NOW_MS + 5, TimestampType::CreateTime)
        );
        assert_eq!((valid.log_append_time_ms(), valid.producer_batch(70).timestamp), (None, NOW_MS + 5));
    }

    #[test]
    fn the_topics_codec_is_applied_only_where_it_differs() {
        let sent = at(&[NOW_MS, NOW_MS + 1]);
        let wants = |codec| LogConfig {
            compression: Some(Compression { codec, ..Compression::default() }),
            ..LogConfig::default()
        };
        for codec in Codec::ALL {
            let valid = check(&sent, &wants(codec)).expect("valid");
            let stored = valid.batch().expect("a batch");
            assert_eq!(stored.codec(), codec);
            stored.check_crc().expect("sound");
            assert_eq!((stored.bytes() == sent.as_slice()), codec == Codec::None);
            let decoded = stored.decode(DecodeLimits::default()).expect("decodes");
            let records: Vec<_> = decoded.records().map(|record| record.expect("sound")).collect();
            assert_eq!(
                records.iter().map(|r| (r.timestamp, r.value)).collect::<Vec<_>>(),
                [(NOW_MS, Some(&b"value"[..])), (NOW_MS + 1, Some(&b"value"[..]))]
            );
            let again = check(valid.bytes.as_ref(), &LogConfig::default()).expect("valid");
            assert_eq!(again.bytes, valid.bytes, "`producer` keeps what was sent");
        }
        let producer = batch(from_producer(5, 3, true), &[(NOW_MS, None, "value")]);
        let valid = check(&producer, &wants(Codec::Zstd)).expect("valid");
        let stored = valid.batch().expect("a batch");
        assert_eq!((stored.producer_id(), stored.base_sequence(), stored.is_transactional()), (5, 3, true));
    }

    #[test]
    fn append_time_replaces_the_producers_clock() {
        let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
        let valid = check(&at(&[5, 6]), &config).expect("valid");
        let batch = valid.batch().expect("a batch");
        let mut stored = valid.header(&batch, 70, 4).to_vec();
        stored.extend_from_slice(batch.record_bytes());
        let stored = BatchRef::parse(&stored).expect("a batch");
        stored.check_crc().expect("sound");
        assert_eq!(
            (stored.base_offset(), stored.last_offset(), stored.partition_leader_epoch()),
            (70, 71, 4)
        );
        assert_eq!((stored.timestamp_type(), stored.max_timestamp()), (TimestampType::LogAppendTime, NOW_MS));
        assert_eq!((valid.log_append_time_ms(), valid.producer_batch(70).timestamp), (Some(NOW_MS), NOW_MS));
    }
}
