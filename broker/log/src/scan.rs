//! Walking over the batches of a segment file.
//!
//! `HeaderScan` reads headers only, for look-ups: a few kilobytes at a time, so that neighbouring small
//! batches cost one read. `BatchScan` reads whole batches, for recovery and for building state. Both use
//! positioned reads: an unreadable disk is an error here, not a signal.

use std::sync::Arc;

use rkafka_record::{BatchError, BatchHeader, BatchRef, HEADER_SIZE};

use crate::disk::DiskFile;
use crate::error::{LogError, ReadError};
use crate::place::Place;

/// Bytes read at once for headers: one page, about one index interval.
const HEADER_READ_BYTES: usize = 4096;
/// Bytes read at once for whole batches.
const BATCH_READ_BYTES: usize = 1 << 20;

/// The place of a batch and what look-ups need of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlace {
    /// Where it begins in the file.
    pub position: u64,
    /// Its bytes, header included.
    pub size: u64,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Largest timestamp of its records, -1 if they have none.
    pub max_timestamp: i64,
    /// Epoch of the leader that wrote it.
    pub leader_epoch: i32,
}

impl BatchPlace {
    pub(crate) fn new(position: u64, header: &BatchHeader<'_>) -> Self {
        Self {
            position,
            size: header.size() as u64,
            base_offset: header.base_offset(),
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp(),
            leader_epoch: header.partition_leader_epoch(),
        }
    }

    /// Where the next batch begins.
    pub fn end(&self) -> u64 {
        self.position.saturating_add(self.size)
    }
}

/// A segment file to be walked over, up to a size.
#[derive(Debug, Clone)]
pub(crate) struct ScanSource<'a> {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) place: Place<'a>,
    /// Nothing at or behind this position is read.
    pub(crate) end: u64,
}

impl ScanSource<'_> {
    fn pread(&self, buffer: &mut [u8], position: u64) -> Result<usize, LogError> {
        self.file.pread(buffer, position).map_err(self.place.failed("read"))
    }
}

/// Walks over batch headers.
pub(crate) struct HeaderScan<'a> {
    source: ScanSource<'a>,
    position: u64,
    buffer: [u8; HEADER_READ_BYTES],
    /// File position of the first buffered byte.
    buffer_start: u64,
    buffered: usize,
}

impl<'a> HeaderScan<'a> {
    pub(crate) fn new(source: ScanSource<'a>, position: u64) -> Self {
        Self { source, position, buffer: [0; HEADER_READ_BYTES], buffer_start: position, buffered: 0 }
    }

    /// The next batch; `None` at the end, also if only part of a batch is there.
    pub(crate) fn next(&mut self) -> Result<Option<BatchPlace>, ReadError> {
        let position = self.position;
        let Some(bytes) = self.header_bytes()? else { return Ok(None) };
        let place = BatchPlace::new(position, &BatchHeader::parse(bytes)?);
        if place.end() > self.source.end {
            return Ok(None);
        }
        self.position = place.end();
        Ok(Some(place))
    }

    fn header_bytes(&mut self) -> Result<Option<&[u8]>, LogError> {
        if self.position.saturating_add(HEADER_SIZE as u64) > self.source.end {
            return Ok(None);
        }
        let buffer_end = self.buffer_start + self.buffered as u64;
        if self.position < self.buffer_start || self.position + HEADER_SIZE as u64 > buffer_end {
            self.buffer_start = self.position;
            self.buffered = self.source.pread(&mut self.buffer, self.position)?;
        }
        let start = usize::try_from(self.position - self.buffer_start).unwrap_or(usize::MAX);
        let header = self.buffer.get(..self.buffered).and_then(|filled| filled.get(start..));
        Ok(header.filter(|bytes| bytes.len() >= HEADER_SIZE))
    }
}

/// Walks over whole batches.
pub(crate) struct BatchScan<'a> {
    source: ScanSource<'a>,
    position: u64,
    buffer: Vec<u8>,
    /// File position of the first buffered byte.
    buffer_start: u64,
}

impl<'a> BatchScan<'a> {
    pub(crate) fn new(source: ScanSource<'a>, position: u64) -> Self {
        Self { source, position, buffer: Vec::new(), buffer_start: position }
    }

    /// Where the next batch begins, or where the walk came to its end.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next whole batch and its position; its CRC is not yet checked. `None` at the end.
    ///
    /// Bytes that are no batch, or the beginning of one only, are [`ReadError::Batch`]; the position stays.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, BatchRef<'_>)>, ReadError> {
        let left = self.source.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(None);
        }
        self.fill(HEADER_SIZE, left)?;
        let size = BatchHeader::parse(self.buffered())?.size();
        if size as u64 > left {
            let have = usize::try_from(left).unwrap_or(usize::MAX);
            return Err(BatchError::Incomplete { need: size, have }.into());
        }
        self.fill(size, left)?;
        let position = self.position;
        self.position += size as u64;
        let start = usize::try_from(position - self.buffer_start).unwrap_or(usize::MAX);
        let batch = BatchRef::parse(self.buffer.get(start..).unwrap_or_default())?;
        Ok(Some((position, batch)))
    }

    fn buffered(&self) -> &[u8] {
        let start = usize::try_from(self.position - self.buffer_start).unwrap_or(usize::MAX);
        self.buffer.get(start..).unwrap_or_default()
    }

    /// Makes `needed` bytes from the position on available, if the source has as many.
    fn fill(&mut self, needed: usize, left: u64) -> Result<(), LogError> {
        let kept = self.buffered().len();
        if kept >= needed || kept as u64 >= left {
            return Ok(());
        }
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(needed.max(BATCH_READ_BYTES));
        let start = self.buffer.len() - kept;
        self.buffer.copy_within(start.., 0);
        self.buffer.resize(wanted, 0);
        self.buffer_start = self.position;
        let rest = self.buffer.get_mut(kept..).unwrap_or_default();
        let read = self.source.pread(rest, self.position + kept as u64)?;
        self.buffer.truncate(kept + read);
        Ok(())
    }
}
