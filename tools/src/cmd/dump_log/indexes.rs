//! `.index` and `.timeindex`, each entry checked against the segment it belongs to.

use std::io::Write;
use std::path::Path;

use rkafka_log::{index, time_index};

use super::problems::{self, Problems};
use super::segment::{Segment, limits};
use super::{DumpError, absolute, base_offset};

/// What to show.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) only_sanity: bool,
    pub(super) only_verify: bool,
    /// How far from its position an entry's batch may reach.
    pub(super) message_bytes_max: u64,
}

/// An entry of an offset index.
struct OffsetEntry {
    offset: i64,
    position: u64,
}

/// An entry of a time index.
struct TimeEntry {
    timestamp: i64,
    offset: i64,
}

pub(super) fn dump_offsets(
    path: &Path,
    view: &View,
    problems: &mut Problems,
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    let base = base_offset(path)?;
    let segment = Segment::open(&path.with_extension("log"), u64::MAX)?;
    let bytes = read(path)?;
    let entries = offsets(&bytes, base);
    let Some(last) = entries.last() else {
        return Ok(writeln!(out, "{} is empty.", path.display())?);
    };
    if view.only_sanity {
        check_size(path, "Index file", bytes.len(), index::ENTRY_BYTES)?;
        if last.offset < base {
            let problem = "has non-zero size but the last offset is";
            return Err(DumpError::File(format!(
                "Corrupt index found, index file {} {problem} {} which is less than the base offset {base}",
                absolute(path),
                last.offset
            )));
        }
        return Ok(writeln!(out, "{} passed sanity check.", path.display())?);
    }
    for (at, entry) in entries.iter().enumerate() {
        if entry.offset == base && at > 0 {
            // Zeros that a crash left behind the last entry.
            return Ok(());
        }
        let end = entry.position.saturating_add(view.message_bytes_max);
        let Some(batch) = segment.batch_at(entry.position, end)? else {
            let problem =
                format!("no batch at position {} of the log (offset {})", entry.position, entry.offset);
            return Err(DumpError::of(path, problem));
        };
        let last = batch.view().map_err(|error| segment.damaged(entry.position, &error))?.last_offset();
        if last != entry.offset {
            problems::note(&mut problems.index_mismatches, &absolute(path), entry.offset, last);
        }
        if !view.only_verify {
            writeln!(out, "offset: {} position: {}", entry.offset, entry.position)?;
        }
    }
    Ok(())
}

pub(super) fn dump_times(
    path: &Path,
    view: &View,
    problems: &mut Problems,
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    let base = base_offset(path)?;
    let segment = Segment::open(&path.with_extension("log"), u64::MAX)?;
    let offsets = offsets(&read(&path.with_extension("index"))?, base);
    let bytes = read(path)?;
    let entries = times(&bytes, base);
    if view.only_sanity {
        check_times(path, base, &entries, bytes.len())?;
        return Ok(writeln!(out, "{} passed sanity check.", path.display())?);
    }
    let mut before = -1;
    for (at, entry) in entries.iter().enumerate() {
        if entry.offset == base && at > 0 {
            return Ok(());
        }
        let start = offsets.iter().rev().find(|known| known.offset <= entry.offset);
        let position = start.map_or(0, |known| known.position);
        check_time(&segment, position, entry, before, &absolute(path), problems)?;
        if !view.only_verify {
            writeln!(out, "timestamp: {} offset: {}", entry.timestamp, entry.offset)?;
        }
        before = entry.timestamp;
    }
    Ok(())
}

/// Whether the batch that ends with the entry's offset has its timestamp as the largest.
fn check_time(
    segment: &Segment,
    mut position: u64,
    entry: &TimeEntry,
    before: i64,
    file: &str,
    problems: &mut Problems,
) -> Result<(), DumpError> {
    let not_found = &mut problems.offsets_not_found;
    let batch = loop {
        let Some(batch) = segment.batch_at(position, u64::MAX)? else {
            problems::note(not_found, file, entry.offset, -1);
            return Ok(());
        };
        let last = batch.view().map_err(|error| segment.damaged(position, &error))?.last_offset();
        if last > entry.offset {
            problems::note(not_found, file, entry.offset, last);
            return Ok(());
        }
        if last == entry.offset {
            break batch;
        }
        position += batch.size();
    };
    let damaged = |error| segment.damaged(position, &error);
    let decoded = batch.view().map_err(damaged)?.decode(limits()).map_err(damaged)?;
    let mut largest = -1;
    for record in decoded.records() {
        largest = largest.max(record.map_err(damaged)?.timestamp);
    }
    if largest != entry.timestamp {
        problems::note(&mut problems.time_mismatches, file, entry.timestamp, largest);
    }
    if before >= entry.timestamp {
        problems::note(&mut problems.times_out_of_order, file, entry.timestamp, before);
    }
    Ok(())
}

fn check_times(path: &Path, base: i64, entries: &[TimeEntry], bytes: usize) -> Result<(), DumpError> {
    let file = absolute(path);
    let start = format!("Corrupt time index found, time index file ({file}) has non-zero size but the last");
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        if last.timestamp < first.timestamp {
            let (one, other) = (last.timestamp, first.timestamp);
            let problem = format!("timestamp is {one} which is less than the first timestamp {other}");
            return Err(DumpError::File(format!("{start} {problem}")));
        }
        if last.offset < base {
            let problem = format!("offset is {} which is less than the first offset {base}", last.offset);
            return Err(DumpError::File(format!("{start} {problem}")));
        }
    }
    check_size(path, "Time index file", bytes, time_index::ENTRY_BYTES)
}

fn check_size(path: &Path, what: &str, bytes: usize, entry: usize) -> Result<(), DumpError> {
    if bytes.is_multiple_of(entry) {
        return Ok(());
    }
    let problem = format!("found {bytes} bytes which is neither positive nor a multiple of {entry}");
    Err(DumpError::File(format!("{what} {} is corrupt, {problem}", absolute(path))))
}

fn offsets(bytes: &[u8], base: i64) -> Vec<OffsetEntry> {
    let entry = |&[a, b, c, d, e, f, g, h]: &[u8; index::ENTRY_BYTES]| OffsetEntry {
        offset: base.saturating_add(i32::from_be_bytes([a, b, c, d]).into()),
        position: u32::from_be_bytes([e, f, g, h]).into(),
    };
    bytes.as_chunks().0.iter().map(entry).collect()
}

fn times(bytes: &[u8], base: i64) -> Vec<TimeEntry> {
    let entry = |&[a, b, c, d, e, f, g, h, i, j, k, l]: &[u8; time_index::ENTRY_BYTES]| TimeEntry {
        timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        offset: base.saturating_add(i32::from_be_bytes([i, j, k, l]).into()),
    };
    bytes.as_chunks().0.iter().map(entry).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, DumpError> {
    std::fs::read(path).map_err(|error| DumpError::of(path, error))
}
