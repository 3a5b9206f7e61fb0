//! From the records of a step to batches that the partition takes.

use std::collections::VecDeque;

use rkafka_record::{BatchBuilder, BatchOptions};

use super::AppendBatch;
use crate::group::records::EncodedRecord;
use crate::group::{CoordinatorRecord, GroupConfig, GroupError};

/// The most a record needs around its key and value: five varints of at most 5, 10, 5, 5 and 5 bytes, the attributes
/// and an empty header count.
const RECORD_OVERHEAD_MAX: usize = 32;

/// A batch with the records in it, to be replayed once it is appended.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) append: AppendBatch,
    pub(super) records: Vec<CoordinatorRecord>,
}

/// Puts records into one batch, or if they `may_be_split` into as many as it takes.
///
/// Fails if they do not fit, or one cannot be encoded; nothing is to be appended then.
pub(super) fn batches(
    config: &GroupConfig,
    wall_ms: i64,
    records: Vec<CoordinatorRecord>,
    may_be_split: bool,
) -> Result<VecDeque<Batch>, GroupError> {
    let options = BatchOptions { compression: config.compression, ..BatchOptions::default() };
    let mut batches = VecDeque::new();
    let mut builder = BatchBuilder::new(options);
    let mut in_builder = Vec::new();
    for record in records {
        let EncodedRecord { key, value } = record.encode().map_err(|_| GroupError::UnknownServerError)?;
        let size = RECORD_OVERHEAD_MAX + key.len() + value.as_ref().map_or(0, Vec::len);
        if builder.uncompressed_size() + size > config.max_batch_bytes {
            if !may_be_split || builder.is_empty() {
                return Err(too_large(&record));
            }
            let full = std::mem::replace(&mut builder, BatchBuilder::new(options));
            batches.push_back(finished(&full, std::mem::take(&mut in_builder))?);
        }
        let appended = builder.append(wall_ms, Some(&key), value.as_deref(), &[]);
        appended.map_err(|_| GroupError::UnknownServerError)?;
        in_builder.push(record);
    }
    if !builder.is_empty() {
        batches.push_back(finished(&builder, in_builder)?);
    }
    Ok(batches)
}

fn finished(builder: &BatchBuilder, records: Vec<CoordinatorRecord>) -> Result<Batch, GroupError> {
    let record_count = i64::from(builder.record_count());
    let bytes = builder.build().map_err(|_| GroupError::UnknownServerError)?;
    Ok(Batch { append: AppendBatch { bytes, record_count }, records })
}

/// A commit of too many offsets has an error of its own, which tells the client more.
fn too_large(record: &CoordinatorRecord) -> GroupError {
    match record {
        CoordinatorRecord::OffsetCommit { value: Some(_), .. } => GroupError::InvalidCommitOffsetSize,
        _ => GroupError::UnknownServerError,
    }
}
