//! The `<offset>.snapshot` file: the producers as of `<offset>`, byte for byte as Apache Kafka writes it
//! (`ProducerSnapshot` version 1), so that `DumpLogSegments` prints it and a stock broker loads it.
//!
//! ```text
//! int16 version = 1
//! uint32 crc          CRC-32C of everything behind it
//! int32 count         then per producer, 46 bytes:
//!   int64 producer_id  int16 epoch  int32 last_sequence  int64 last_offset  int32 offset_delta
//!   int64 timestamp    int32 coordinator_epoch           int64 current_transaction_first_offset (-1: none)
//! ```
//! Only the last batch of the window is stored; the others come back by scanning the log behind the snapshot.

use super::entry::{BatchMetadata, ProducerEntry};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 2 + 4;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// Why a snapshot file cannot be used; the cure is to delete it and scan more of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A version this code does not know.
    #[error("producer snapshot has version {found}, only {VERSION} is known")]
    UnknownVersion {
        /// Version in the file.
        found: i16,
    },
    /// Cut short or with bytes left over.
    #[error("producer snapshot of {bytes} bytes does not hold the {count} entries it announces")]
    WrongSize {
        /// Size of the file.
        bytes: usize,
        /// Number of entries it announces, -1 if not even that can be read.
        count: i64,
    },
    /// The checksum does not fit the content.
    #[error("producer snapshot is corrupt: its CRC is {stored:#010x}, the content has {computed:#010x}")]
    WrongCrc {
        /// In the file.
        stored: u32,
        /// Of the content.
        computed: u32,
    },
}

/// Bytes of a snapshot file.
pub fn encode<'a>(entries: impl Iterator<Item = &'a ProducerEntry>) -> Vec<u8> {
    let mut body = vec![0; 4];
    let mut count = 0_i32;
    for entry in entries {
        encode_entry(entry, &mut body);
        count = count.saturating_add(1);
    }
    if let Some(place) = body.first_chunk_mut() {
        *place = count.to_be_bytes();
    }
    let mut file = Vec::with_capacity(HEADER_BYTES + body.len());
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&rkafka_record::crc::crc32c(&body).to_be_bytes());
    file.extend_from_slice(&body);
    file
}

fn encode_entry(entry: &ProducerEntry, out: &mut Vec<u8>) {
    // Kafka's values for "only a marker was seen".
    let none = BatchMetadata { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp: -1 };
    let last = entry.last_batch().unwrap_or(&none);
    out.extend_from_slice(&entry.producer_id.to_be_bytes());
    out.extend_from_slice(&entry.producer_epoch.to_be_bytes());
    out.extend_from_slice(&last.last_sequence.to_be_bytes());
    out.extend_from_slice(&last.last_offset.to_be_bytes());
    out.extend_from_slice(&last.offset_delta.to_be_bytes());
    out.extend_from_slice(&entry.last_timestamp.to_be_bytes());
    out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
    out.extend_from_slice(&entry.transaction_first_offset.unwrap_or(-1).to_be_bytes());
}

/// Entries of a snapshot file.
///
/// # Errors
/// [`SnapshotError`] on any damage; nothing is guessed.
pub fn decode(file: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let too_short = SnapshotError::WrongSize { bytes: file.len(), count: -1 };
    let mut fields = Fields(file);
    let version = i16::from_be_bytes(fields.take().ok_or_else(|| too_short.clone())?);
    if version != VERSION {
        return Err(SnapshotError::UnknownVersion { found: version });
    }
    let stored = u32::from_be_bytes(fields.take().ok_or_else(|| too_short.clone())?);
    let computed = rkafka_record::crc::crc32c(fields.0);
    if stored != computed {
        return Err(SnapshotError::WrongCrc { stored, computed });
    }
    let count = i32::from_be_bytes(fields.take().ok_or(too_short)?);
    let wrong_size = SnapshotError::WrongSize { bytes: file.len(), count: i64::from(count) };
    if usize::try_from(count).ok().and_then(|count| count.checked_mul(ENTRY_BYTES)) != Some(fields.0.len()) {
        return Err(wrong_size);
    }
    let mut entries = Vec::with_capacity(fields.0.len() / ENTRY_BYTES);
    while !fields.0.is_empty() {
        entries.push(decode_entry(&mut fields).ok_or_else(|| wrong_size.clone())?);
    }
    Ok(entries)
}

fn decode_entry(fields: &mut Fields<'_>) -> Option<ProducerEntry> {
    let mut entry = ProducerEntry::new(i64::from_be_bytes(fields.take()?));
    entry.producer_epoch = i16::from_be_bytes(fields.take()?);
    let last_sequence = i32::from_be_bytes(fields.take()?);
    let last_offset = i64::from_be_bytes(fields.take()?);
    let offset_delta = i32::from_be_bytes(fields.take()?);
    let timestamp = i64::from_be_bytes(fields.take()?);
    if last_offset >= 0 {
        let batch = BatchMetadata { last_sequence, last_offset, offset_delta, timestamp };
        entry.push_metadata(entry.producer_epoch, batch);
    }
    entry.last_timestamp = timestamp;
    entry.coordinator_epoch = i32::from_be_bytes(fields.take()?);
    let first_offset = i64::from_be_bytes(fields.take()?);
    entry.transaction_first_offset = (first_offset >= 0).then_some(first_offset);
    Some(entry)
}

/// What is left of the file.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}
