//! What a leader checks in a batch, and changes, before it is appended.
//!
//! Nothing here needs the log, so a caller does it before it takes the log's lock. The header is checked always; the
//! records are decoded only where a rule asks for it: a compacted topic (every record needs a key), a lower bound for
//! timestamps, a timestamp past the upper bound (to name the records), or another `compression.type`.

use std::borrow::Cow;

use rkafka_record::validate::{client_header, client_records};
use rkafka_record::{
    BatchBuilder, BatchError, BatchOptions, BatchRef, Compression, DecodeLimits, DecodedBatch, HEADER_SIZE,
    TimestampType,
};

use crate::config::LogConfig;
use crate::error::{AppendError, RecordError};
use crate::producer::{AppendOrigin, ProducerBatch};

/// Most record errors that are kept of one batch: an answer must not grow with the client's mistakes.
const RECORD_ERRORS_MAX: usize = 100;
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
        let recompressed = check_records(&batch, config, origin, now_ms)?;
        if let Some(recompressed) = &recompressed {
            check_size(recompressed.len(), config)?;
        }
        let log_append_time_ms = (config.timestamp_type == TimestampType::LogAppendTime).then_some(now_ms);
        let mut producer = ProducerBatch::new(&batch, 0);
        producer.timestamp = log_append_time_ms.unwrap_or(producer.timestamp);
        let bytes = recompressed.map_or(Cow::Borrowed(bytes), Cow::Owned);
        Ok(Self { bytes, origin, producer, log_append_time_ms })
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
    pub(crate) fn header(&self, batch: &BatchRef<'_>, base_offset: i64, leader_epoch: i32) -> [u8; HEADER_SIZE] {
        match self.log_append_time_ms {
            Some(time) => batch.patched_header_log_append_time(base_offset, leader_epoch, time),
            None => batch.patched_header(base_offset, leader_epoch),
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

/// Checks the records if a rule needs it. Returns the batch in the topic's codec if it came in another.
fn check_records(
    batch: &BatchRef<'_>,
    config: &LogConfig,
    origin: AppendOrigin,
    now_ms: i64,
) -> Result<Option<Vec<u8>>, AppendError> {
    let is_client = origin == AppendOrigin::Client;
    let bounds = TimestampBounds::new(config, now_ms);
    let check_keys = is_client && config.cleanup_policy.compact;
    let check_times = is_client && bounds.may_be_broken_by(batch);
    let target = config.compression.filter(|target| target.codec != batch.codec() && !batch.is_control());
    if !check_keys && !check_times && target.is_none() {
        return Ok(None);
    }
    let decoded = batch.decode(DecodeLimits::default())?;
    let (mut keyless, mut untimely) = (Vec::new(), Vec::new());
    client_records(&decoded, |index, record| {
        if check_keys && record.key.is_none() {
            note(&mut keyless, index, || "Compacted topic cannot accept message without key".to_owned());
        }
        if check_times && let Some(problem) = bounds.problem_of(record.timestamp) {
            note(&mut untimely, index, || problem);
        }
    })?;
    if !keyless.is_empty() {
        return Err(AppendError::InvalidRecords(keyless));
    }
    if !untimely.is_empty() {
        return Err(AppendError::InvalidTimestamp(untimely));
    }
    target.map(|target| recompress(&decoded, target)).transpose()
}

fn note(errors: &mut Vec<RecordError>, index: u32, message: impl FnOnce() -> String) {
    if errors.len() < RECORD_ERRORS_MAX {
        errors.push(RecordError { index: i32::try_from(index).unwrap_or(i32::MAX), message: message() });
    }
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

/// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` around now (KIP-937).
struct TimestampBounds {
    earliest: i64,
    latest: i64,
}

impl TimestampBounds {
    fn new(config: &LogConfig, now_ms: i64) -> Self {
        match config.timestamp_type {
            // The leader's clock replaces the producer's.
            TimestampType::LogAppendTime => Self { earliest: i64::MIN, latest: i64::MAX },
            TimestampType::CreateTime => Self {
                earliest: now_ms.saturating_sub(config.timestamp_before_max_ms),
                latest: now_ms.saturating_add(config.timestamp_after_max_ms),
            },
        }
    }

    /// Whether the records have to be looked at: the header tells the largest timestamp, but not the smallest.
    fn may_be_broken_by(&self, batch: &BatchRef<'_>) -> bool {
        batch.max_timestamp() > self.latest || self.earliest > 0
    }

    fn problem_of(&self, timestamp: i64) -> Option<String> {
        let outside = timestamp != NO_TIMESTAMP && !(self.earliest..=self.latest).contains(&timestamp);
        outside.then(|| {
            format!(
                "Timestamp {timestamp} of message is out of range. The timestamp should be within [{}, {}]",
                self.earliest, self.latest
            )
        })
    }
}
