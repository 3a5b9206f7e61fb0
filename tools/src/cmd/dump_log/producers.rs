//! `.snapshot` and `.txnindex`: producers, and their aborted transactions.

use std::io::Write;
use std::path::Path;

use rkafka_log::producer::snapshot;
use rkafka_log::txn_index::{self, AbortedEntry};

use super::{DumpError, base_offset};

pub(super) fn dump_snapshot(path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let bytes = std::fs::read(path).map_err(|error| DumpError::of(path, error))?;
    let entries = match snapshot::decode(&bytes) {
        Ok(entries) => entries,
        Err(error) => {
            out.flush()?;
            eprintln!("{}: {error}", path.display());
            return Ok(());
        }
    };
    for entry in entries {
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {} ",
            entry.producer_id,
            entry.producer_epoch,
            entry.coordinator_epoch,
            match entry.transaction_first_offset {
                Some(offset) => format!("OptionalLong[{offset}]"),
                None => "OptionalLong.empty".to_owned(),
            },
            entry.last_timestamp,
        )?;
        if let Some(batch) = entry.batches().first() {
            write!(
                out,
                "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp,
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(super) fn dump_aborted(path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    base_offset(path)?;
    let bytes = std::fs::read(path).map_err(|error| DumpError::of(path, error))?;
    let (entries, rest) = bytes.as_chunks::<{ txn_index::ENTRY_BYTES }>();
    for (at, entry) in entries.iter().enumerate() {
        let Some(entry) = AbortedEntry::decode(entry) else {
            return Err(DumpError::of(path, format!("entry {at} contradicts itself")));
        };
        writeln!(
            out,
            "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset,
        )?;
    }
    if !rest.is_empty() {
        let (whole, left) = (entries.len(), rest.len());
        return Err(DumpError::of(path, format!("{left} bytes are left over behind {whole} entries")));
    }
    Ok(())
}
