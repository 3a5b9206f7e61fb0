//! `.log` and `.checkpoint` files: one batch after the other.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rkafka_record::{BatchError, BatchHeader, BatchRef, DecodeLimits, HEADER_SIZE, TimestampType};

use super::problems::{self, Problems};
use super::record::{self, Decoder};
use super::{DumpError, absolute, base_offset};

/// Offset and length of a batch in front of its other fields.
const OVERHEAD: u64 = 12;
/// The shortest message of the oldest format: a smaller length is damage.
const SIZE_MIN: i32 = 14;
/// What the broker's settings allow at most is far below.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// What to show.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) with_records: bool,
    pub(super) with_contents: bool,
    pub(super) with_metadata: bool,
    /// The part of the file that is looked at.
    pub(super) bytes_max: u64,
    pub(super) decoder: Decoder,
}

/// A segment's file, read batch by batch.
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    end: u64,
}

/// One batch in memory.
pub(super) struct Batch {
    bytes: Vec<u8>,
}

impl Segment {
    /// Opens `path`; nothing behind `bytes_max` is looked at.
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Segment, DumpError> {
        let failed = |error| DumpError::of(path, error);
        let file = File::open(path).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len().min(bytes_max);
        Ok(Segment { path: path.to_path_buf(), file, end })
    }

    /// The batch at `position`; nothing if the file ends before it does.
    pub(super) fn batch_at(&self, position: u64, end: u64) -> Result<Option<Batch>, DumpError> {
        let end = end.min(self.end);
        let left = end.saturating_sub(position);
        if left < OVERHEAD + u64::try_from(SIZE_MIN).unwrap_or_default() {
            return Ok(None);
        }
        let mut start = [0; OVERHEAD as usize];
        self.read(position, &mut start)?;
        let [.., a, b, c, d] = start;
        let length = i32::from_be_bytes([a, b, c, d]);
        if length < SIZE_MIN {
            let place = format!("at position {position}");
            let problem =
                format!("Found record size {length} smaller than minimum record overhead ({SIZE_MIN})");
            return Err(DumpError::of(&self.path, format!("{problem} {place}.")));
        }
        let size = OVERHEAD + u64::try_from(length).unwrap_or_default();
        if size > left {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        self.read(position, &mut bytes)?;
        BatchHeader::parse(&bytes).map_err(|error| self.damaged(position, &error))?;
        Ok(Some(Batch { bytes }))
    }

    /// The whole file, or what of it is looked at.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn damaged(&self, position: u64, error: &BatchError) -> DumpError {
        DumpError::of(&self.path, format!("the batch at position {position}: {error}"))
    }

    fn read(&self, position: u64, bytes: &mut [u8]) -> Result<(), DumpError> {
        self.file.read_exact_at(bytes, position).map_err(|error| DumpError::of(&self.path, error))
    }
}

impl Batch {
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn view(&self) -> Result<BatchRef<'_>, BatchError> {
        BatchRef::parse(&self.bytes)
    }
}

/// The limits within which records are unpacked: dumping is for damaged files too.
pub(super) fn limits() -> DecodeLimits {
    DecodeLimits::bytes(DECOMPRESSED_BYTES_MAX)
}

pub(super) fn dump(
    path: &Path,
    view: &View,
    problems: &mut Problems,
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    write_start(path, out)?;
    let segment = Segment::open(path, view.bytes_max)?;
    let (mut position, mut last_offset) = (0, -1);
    while let Some(batch) = segment.batch_at(position, u64::MAX)? {
        let parsed = batch.view().map_err(|error| segment.damaged(position, &error))?;
        write_batch(&parsed, position, out)?;
        if view.with_records {
            let mut records = Records { path, view, last_offset, problems };
            records.write(&parsed, out).map_err(|error| match error {
                RecordsError::Output(error) => DumpError::Output(error),
                RecordsError::Batch(error) => segment.damaged(position, &error),
            })?;
            last_offset = records.last_offset;
        }
        position += batch.size();
    }
    let trailing = segment.end().saturating_sub(position);
    if trailing > 0 && view.bytes_max == u64::try_from(i32::MAX).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "Found {trailing} invalid bytes at the end of {name}")?;
    }
    Ok(())
}

fn write_start(path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(snapshot) = name.strip_suffix(".checkpoint") else {
        return Ok(writeln!(out, "Log starting offset: {}", base_offset(path)?)?);
    };
    if snapshot == "bootstrap" {
        return Ok(writeln!(out, "KRaft bootstrap snapshot")?);
    }
    let numbers = snapshot
        .split_once('-')
        .and_then(|(offset, epoch)| Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?)));
    let Some((offset, epoch)) = numbers else {
        return Err(DumpError::of(path, "its name is not that of a snapshot (<offset>-<epoch>.checkpoint)"));
    };
    Ok(writeln!(out, "Snapshot end offset: {offset}, epoch: {epoch}")?)
}

fn write_batch(batch: &BatchRef<'_>, position: u64, out: &mut dyn Write) -> std::io::Result<()> {
    let last_sequence = if batch.base_sequence() < 0 { -1 } else { batch.last_sequence() };
    let delete_horizon = match batch.delete_horizon_ms() {
        Some(ms) => format!("OptionalLong[{ms}]"),
        None => "OptionalLong.empty".to_owned(),
    };
    write!(
        out,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {last_sequence} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: \
         {delete_horizon}",
        batch.base_offset(),
        batch.last_offset(),
        batch.record_count(),
        batch.base_sequence(),
        batch.producer_id(),
        batch.producer_epoch(),
        batch.partition_leader_epoch(),
        batch.is_transactional(),
        batch.is_control(),
    )?;
    writeln!(
        out,
        " position: {position} {}: {} size: {} magic: 2 compresscodec: {} crc: {} isvalid: {}",
        timestamp_type(batch),
        batch.max_timestamp(),
        batch.size(),
        batch.codec().name(),
        batch.crc(),
        batch.size() >= HEADER_SIZE && batch.check_crc().is_ok(),
    )
}

/// The stock name of the type of a batch's timestamps.
pub(super) fn timestamp_type(batch: &BatchHeader<'_>) -> &'static str {
    match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// Why the records of a batch are not all shown.
enum RecordsError {
    Output(std::io::Error),
    Batch(BatchError),
}

/// The records of one batch, and the offset before them.
struct Records<'a> {
    path: &'a Path,
    view: &'a View,
    last_offset: i64,
    problems: &'a mut Problems,
}

impl Records<'_> {
    fn write(&mut self, batch: &BatchRef<'_>, out: &mut dyn Write) -> Result<(), RecordsError> {
        let decoded = batch.decode(limits()).map_err(RecordsError::Batch)?;
        for record in decoded.records() {
            let record = record.map_err(RecordsError::Batch)?;
            if record.offset != self.last_offset.saturating_add(1) {
                let file = absolute(self.path);
                problems::note(&mut self.problems.not_consecutive, &file, self.last_offset, record.offset);
            }
            self.last_offset = record.offset;
            let mut line = String::new();
            if self.view.with_metadata {
                line.push_str(&record::sizes(batch, &record));
            }
            if self.view.with_contents && !batch.is_control() {
                let prefix = if self.view.with_metadata { " " } else { "| " };
                line.push_str(&record::contents(self.view.decoder, &record, prefix));
            }
            writeln!(out, "{line}").map_err(RecordsError::Output)?;
        }
        Ok(())
    }
}
