//! Reads the index files byte by byte and compares each entry with the batches of its segment.

use std::path::Path;

use rkafka_log::disk::mem::SimDisk;

use crate::model::{StoredBatch, split};

/// Entries that say anything else than what the segment holds are errors; missing ones are not.
pub(crate) fn index_files(disk: &SimDisk) -> Result<(), String> {
    for path in disk.files() {
        if path.extension().is_some_and(|extension| extension == "log") {
            segment(disk, &path)?;
        }
    }
    Ok(())
}

fn segment(disk: &SimDisk, path: &Path) -> Result<(), String> {
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let base_offset: i64 = name.parse().map_err(|_| format!("segment is named {name}"))?;
    let read = |extension: &str| disk.contents(&path.with_extension(extension)).unwrap_or_default();
    let batches = split(&read("log").into()).map_err(|problem| format!("{name}.log: {problem}"))?;
    let mut placed = Vec::new();
    let mut position = 0_u64;
    for batch in batches {
        let size = batch.bytes.len() as u64;
        placed.push((position, batch));
        position += size;
    }
    offset_index(&read("index"), base_offset, &placed)
        .map_err(|problem| format!("{name}.index: {problem}"))?;
    time_index(&read("timeindex"), base_offset, &placed)
        .map_err(|problem| format!("{name}.timeindex: {problem}"))
}

/// `relative offset i32, position i32`; unused entries at the end are zero.
fn offset_index(file: &[u8], base_offset: i64, batches: &[(u64, StoredBatch)]) -> Result<(), String> {
    let mut last = None;
    for entry in file.chunks_exact(8) {
        let (offset, position) = entry.split_at(4);
        let offset = base_offset + i64::from(i32_of(offset));
        let position = i32_of(position) as u64;
        if last.is_some_and(|last| (offset, position) <= last) || (last.is_none() && entry == [0; 8]) {
            break;
        }
        last = Some((offset, position));
        let batch = batches.iter().find(|(at, _)| *at == position);
        match batch {
            Some((_, batch)) if batch.base_offset <= offset && offset <= batch.last_offset => {}
            found => return Err(format!("offset {offset} at byte {position} is not true: {found:?}")),
        }
    }
    Ok(())
}

/// `timestamp i64, relative offset i32`: the largest timestamp so far and where it is.
fn time_index(file: &[u8], base_offset: i64, batches: &[(u64, StoredBatch)]) -> Result<(), String> {
    let mut last = None;
    for entry in file.chunks_exact(12) {
        let (timestamp, offset) = entry.split_at(8);
        let timestamp = timestamp.try_into().map_or(0, i64::from_be_bytes);
        let offset = base_offset + i64::from(i32_of(offset));
        if last.is_some_and(|last| timestamp <= last) || entry == [0; 12] {
            break;
        }
        last = Some(timestamp);
        let covered = batches.iter().filter(|(_, batch)| batch.base_offset <= offset);
        let largest = covered.map(|(_, batch)| batch.max_timestamp).max();
        if largest != Some(timestamp) {
            return Err(format!(
                "timestamp {timestamp} up to offset {offset} is not true: it is {largest:?}"
            ));
        }
    }
    Ok(())
}

fn i32_of(bytes: &[u8]) -> i32 {
    bytes.try_into().map_or(0, i32::from_be_bytes)
}
