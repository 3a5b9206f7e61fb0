//! Snapshots of the image: files `<index>-<term>.checkpoint` beside the log's segments.
//!
//! A snapshot is a row of record batches, so CRC and reader are those of the log:
//! ```text
//! batch 0, one record:  u64 sequence, u8 has log id, u64 term, u64 index,
//!                       u8 has membership log id, u64 term, u64 index, membership (see codec.rs)
//! batch 1…:             metadata records in metadata batches of up to RECORDS_PER_BATCH
//! ```

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use rkafka_core::image::{Image, MetadataBatch, MetadataRecord};
use rkafka_log::disk::{Disk, OpenMode, read_file};
use rkafka_record::{BatchBuilder, BatchOptions, Batches, DecodeLimits};

use super::codec::{QuorumCodecError, get_membership, get_u64, put_membership};
use super::types::{LogId, Membership, SnapshotMeta};

const SUFFIX: &str = ".checkpoint";
const RECORDS_PER_BATCH: usize = 1000;

/// The largest snapshot that is believed: 100,000 partitions take about 10 MB.
pub(crate) const BYTES_MAX: u64 = 1 << 30;

/// An image with what raft must know about it, as bytes.
pub(crate) fn encode(meta: &SnapshotMeta, image: &Image) -> Result<Bytes, QuorumCodecError> {
    let mut out = Vec::new();
    let mut head = Vec::new();
    head.put_u64(image.sequence());
    put_log_id(&mut head, meta.last_log_id.as_ref());
    put_log_id(&mut head, meta.last_membership.log_id().as_ref());
    put_membership(&mut head, meta.last_membership.membership())?;
    put_batch(&mut out, 0, &head)?;
    let mut number = 1;
    let mut records = image.to_records().peekable();
    while records.peek().is_some() {
        let records: Vec<MetadataRecord> = records.by_ref().take(RECORDS_PER_BATCH).collect();
        put_batch(&mut out, number, &MetadataBatch { previous_sequence: 0, records }.encode())?;
        number += 1;
    }
    Ok(out.into())
}

/// The image in a snapshot's bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<(SnapshotMeta, Image), QuorumCodecError> {
    let mut values = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch?;
        batch.check_crc()?;
        let decoded = batch.decode(DecodeLimits::default())?;
        let record = decoded.records().next().ok_or(QuorumCodecError::Invalid("empty batch"))??;
        values.push(record.value.ok_or(QuorumCodecError::Invalid("record without value"))?.to_vec());
    }
    let (head, batches) = values.split_first().ok_or(QuorumCodecError::Invalid("empty snapshot"))?;
    let mut head = head.as_slice();
    let sequence = get_u64(&mut head)?;
    let last_log_id = get_log_id(&mut head)?;
    let membership_id = get_log_id(&mut head)?;
    let last_membership = Membership::new(membership_id, get_membership(&mut head)?);
    let mut records = Vec::new();
    for batch in batches {
        records.extend(MetadataBatch::decode(batch)?.records);
    }
    let image = Image::from_snapshot(sequence, &records)
        .map_err(|_| QuorumCodecError::Invalid("snapshot: its records contradict each other"))?;
    Ok((SnapshotMeta { last_log_id, last_membership }, image))
}

fn put_batch(out: &mut Vec<u8>, offset: i64, value: &[u8]) -> Result<(), QuorumCodecError> {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset: offset, ..BatchOptions::default() });
    builder.append(0, None, Some(value), &[])?;
    Ok(builder.build_into(out)?)
}

fn put_log_id(out: &mut Vec<u8>, id: Option<&LogId>) {
    out.put_u8(u8::from(id.is_some()));
    out.put_u64(id.map_or(0, |id| **id.committed_leader_id()));
    out.put_u64(id.map_or(0, |id| id.index));
}

fn get_log_id(bytes: &mut &[u8]) -> Result<Option<LogId>, QuorumCodecError> {
    let (present, rest) = bytes.split_first().ok_or(QuorumCodecError::Invalid("length"))?;
    *bytes = rest;
    let id = LogId::new_term_index(get_u64(bytes)?, get_u64(bytes)?);
    Ok((*present == 1).then_some(id))
}

/// The snapshot files of one directory; only the newest is kept.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl SnapshotFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_path_buf() }
    }

    /// The newest readable snapshot. One that is damaged is passed over with a warning: an older one and the
    /// log may still do, and if not, raft fetches one from the leader.
    pub(crate) fn newest(&self) -> io::Result<Option<(SnapshotMeta, Image, Bytes)>> {
        let mut names = self.names()?;
        names.sort();
        for name in names.iter().rev() {
            let path = self.dir.join(name);
            let bytes = Bytes::from(read_file(&*self.disk, &path, BYTES_MAX)?);
            match decode(&bytes) {
                Ok((meta, image)) => return Ok(Some((meta, image, bytes))),
                Err(error) => tracing::warn!("{}: {error}; trying an older snapshot", path.display()),
            }
        }
        Ok(None)
    }

    /// Writes a snapshot durably and removes older ones.
    pub(crate) fn save(&self, meta: &SnapshotMeta, bytes: &[u8]) -> io::Result<()> {
        let (term, index) =
            meta.last_log_id.as_ref().map_or((0, 0), |id| (**id.committed_leader_id(), id.index));
        let name = format!("{index:020}-{term:010}{SUFFIX}");
        let temporary = self.dir.join(format!("{name}.tmp"));
        let file = self.disk.open(&temporary, OpenMode::Truncate)?;
        file.pwritev(&[IoSlice::new(bytes)], 0)?;
        file.sync_data()?;
        self.disk.rename(&temporary, &self.dir.join(&name))?;
        self.disk.sync_dir(&self.dir)?;
        for old in self.names()?.into_iter().filter(|other| *other < name) {
            self.disk.remove_file(&self.dir.join(old))?;
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = self.disk.list(&self.dir)?;
        Ok(entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(SUFFIX)).collect())
    }
}
