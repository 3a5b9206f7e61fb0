//! Appending to a segment: what only the writer knows of it.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use crate::config::LogConfig;
use crate::disk::{Disk, DiskFile, FileStat, OpenMode};
use crate::error::LogError;
use crate::files::{FileKind, FileName, Stage};
use crate::index::{self, OffsetPosition};
use crate::place::Home;
use crate::scan::BatchPlace;
use crate::segment::{Segment, SegmentFiles};
use crate::time_index::{self, LargestTimestamp};

/// First step of space taken ahead of the writes; each further step doubles what there is.
const FIRST_RESERVE_BYTES: u64 = 64 << 10;
/// Largest step.
const RESERVE_STEP_BYTES_MAX: u64 = 32 << 20;

/// The writer's side of one segment. Exactly one exists per segment that is written.
#[derive(Debug)]
pub struct SegmentWriter {
    segment: Arc<Segment>,
    /// Write position; the file may be longer for a moment after a failed write.
    size: u64,
    reserved: u64,
    /// Set once something is written or asked that needs the files open.
    open: Option<OpenSegment>,
    /// When the segment was made (or found), wall time in milliseconds.
    created_ms: i64,
    /// Last offset appended.
    last_offset: Option<i64>,
    /// A failed write may have left bytes behind `size`.
    dirty_tail: bool,
    /// `size` when idle files were closed last.
    size_at_release: u64,
}

#[derive(Debug)]
struct OpenSegment {
    file: Arc<dyn DiskFile>,
    bytes_since_index_entry: u64,
    largest: Option<LargestTimestamp>,
    /// Largest timestamp of the first batch: rolling by time counts from it.
    first_timestamp: Option<i64>,
}

impl SegmentWriter {
    /// Makes an empty segment; its name is durable once the directory is synced.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn create(
        home: &Arc<Home>,
        base_offset: i64,
        stage: Stage,
        now_ms: i64,
    ) -> Result<Self, LogError> {
        let file =
            home.file(FileName::live(base_offset, FileKind::Log).at(stage)).open(OpenMode::Truncate)?;
        let stat = FileStat { len: 0, modified_ms: now_ms };
        let files = SegmentFiles { base_offset, stage, stat, has_transactions: false };
        let segment = Segment::new(Arc::clone(home), files);
        segment.replace_file(file);
        Ok(Self::resume(Arc::new(segment), now_ms))
    }

    /// Goes on behind the last batch of a segment.
    pub(crate) fn resume(segment: Arc<Segment>, now_ms: i64) -> Self {
        let size = segment.size();
        Self {
            segment,
            size,
            reserved: size,
            open: None,
            created_ms: now_ms,
            last_offset: None,
            dirty_tail: false,
            size_at_release: 0,
        }
    }

    /// The segment as readers see it.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Bytes written.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn base_offset(&self) -> i64 {
        self.segment.base_offset()
    }

    /// Opens the files and finds out what appending needs to know, once.
    fn open(&mut self) -> Result<&mut OpenSegment, LogError> {
        if self.open.is_none() {
            let file = self.segment.file()?;
            self.segment.load_indexes()?;
            let (mut largest, mut first_timestamp) = (None, None);
            if self.size > 0 {
                largest = self
                    .segment
                    .largest_timestamp(self.size)
                    .map_err(|error| self.segment.unreadable(error))?;
                let first = self
                    .segment
                    .headers(0, self.size)?
                    .next()
                    .map_err(|error| self.segment.unreadable(error))?;
                first_timestamp = first.map(|batch| batch.max_timestamp);
            }
            self.segment.forget_largest_timestamp();
            self.open = Some(OpenSegment { file, bytes_since_index_entry: 0, largest, first_timestamp });
        }
        self.open.as_mut().ok_or_else(|| LogError::Corrupt {
            path: self.segment.path(FileKind::Log),
            problem: "cannot be opened".to_owned(),
        })
    }

    /// Whether a new segment must be begun before this batch is appended: size, time since the first record,
    /// a full index, or an offset too far from the base.
    ///
    /// # Errors
    /// The disk's.
    pub fn must_roll(
        &mut self,
        config: &LogConfig,
        jitter_ms: i64,
        batch: &BatchPlace,
        now_ms: i64,
    ) -> Result<bool, LogError> {
        if !self.fits(batch.last_offset) {
            return Ok(true);
        }
        if self.size == 0 {
            return Ok(false);
        }
        let created_ms = self.created_ms;
        let waited_ms = match self.open()?.first_timestamp {
            Some(first) if first >= 0 => batch.max_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(created_ms),
        };
        Ok(self.size.saturating_add(batch.size) > config.segment_bytes
            || waited_ms > config.segment_ms.saturating_sub(jitter_ms)
            || self.indexes_full(config.segment_index_bytes))
    }

    fn indexes_full(&self, bytes_max: u64) -> bool {
        let full = |entries: usize, entry_bytes: usize| (entries as u64 + 1) * entry_bytes as u64 > bytes_max;
        let (offsets, times) = self.segment.index_lens();
        // One more is kept free for the entry that sealing makes.
        full(offsets, index::ENTRY_BYTES) || full(times + 1, time_index::ENTRY_BYTES)
    }

    fn fits(&self, last_offset: i64) -> bool {
        last_offset.checked_sub(self.base_offset()).is_some_and(|relative| relative <= i64::from(i32::MAX))
    }

    /// Appends whole batches with one write. `parts` are their bytes, `batches` their places relative to the
    /// first byte, in order; all belong behind what is there.
    ///
    /// # Errors
    /// The disk's; the segment is then as before, except perhaps for bytes behind its end, which the next
    /// append removes.
    pub fn append(
        &mut self,
        parts: &[IoSlice<'_>],
        batches: &[BatchPlace],
        index_interval_bytes: u64,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let bytes = batches.last().map_or(0, BatchPlace::end);
        debug_assert_eq!(
            bytes,
            parts.iter().map(|part| part.len() as u64).sum::<u64>(),
            "batches and bytes differ"
        );
        self.open()?;
        self.remove_dirty_tail()?;
        self.reserve(self.size.saturating_add(bytes))?;
        let position = self.size;
        let file = Arc::clone(&self.open()?.file);
        let note_first = mutant!("index-before-log", false, true);
        if note_first {
            self.note_all(batches, position, index_interval_bytes);
        }
        if let Err(error) = file.pwritev(parts, position) {
            self.dirty_tail = true;
            // Best effort: the next append tries again before it writes.
            let _ = self.remove_dirty_tail();
            return Err(self.segment.place(FileKind::Log).failed("write")(error));
        }
        self.size += bytes;
        if !note_first {
            self.note_all(batches, position, index_interval_bytes);
        }
        self.segment.set_size(self.size, now_ms);
        Ok(())
    }

    fn note_all(&mut self, batches: &[BatchPlace], position: u64, index_interval_bytes: u64) {
        for batch in batches {
            self.note(&BatchPlace { position: position + batch.position, ..*batch }, index_interval_bytes);
        }
    }

    /// Keeps what is known of the segment up to date with a batch just written.
    fn note(&mut self, batch: &BatchPlace, index_interval_bytes: u64) {
        debug_assert!(self.last_offset.is_none_or(|last| last < batch.base_offset), "offsets must rise");
        self.last_offset = Some(batch.last_offset);
        let Some(open) = &mut self.open else { return };
        open.first_timestamp.get_or_insert(batch.max_timestamp);
        if batch.max_timestamp > open.largest.map_or(-1, |largest| largest.timestamp) {
            open.largest =
                Some(LargestTimestamp { timestamp: batch.max_timestamp, offset: batch.last_offset });
        }
        if open.bytes_since_index_entry > index_interval_bytes {
            open.bytes_since_index_entry = 0;
            let largest = open.largest;
            let entry = OffsetPosition { offset: batch.last_offset, position: batch.position };
            let time_entry =
                |()| largest.map_or(Ok(()), |largest| self.segment.time_index().maybe_append(largest));
            // The entry is there, in memory; it goes to disk when there is room for it.
            if let Err(error) = self.segment.offset_index().append(entry).and_then(time_entry) {
                tracing::warn!(%error, "index entries are not on disk yet");
            }
        }
        open.bytes_since_index_entry += batch.size;
    }

    /// Makes sure that the first `needed` bytes have space, taking more than that ahead.
    fn reserve(&mut self, needed: u64) -> Result<(), LogError> {
        if needed <= self.reserved {
            return Ok(());
        }
        let step = self.reserved.clamp(FIRST_RESERVE_BYTES, RESERVE_STEP_BYTES_MAX);
        let file = Arc::clone(&self.open()?.file);
        let ahead = needed.max(self.reserved + step);
        // Close to the end of the space there is, exactly what is needed is enough.
        let (reserved, result) = match file.reserve(ahead) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => (needed, file.reserve(needed)),
            other => (ahead, other),
        };
        result.map_err(self.segment.place(FileKind::Log).failed("reserve space for"))?;
        self.reserved = reserved;
        Ok(())
    }

    /// Removes what a failed write left. Nobody was told of it.
    fn remove_dirty_tail(&mut self) -> Result<(), LogError> {
        if self.dirty_tail {
            let size = self.size;
            let cut = self.open()?.file.truncate(size);
            cut.map_err(self.segment.place(FileKind::Log).failed("cut"))?;
            self.reserved = size;
            self.dirty_tail = false;
        }
        Ok(())
    }

    /// Makes the file end at the write position. If somebody may be sending from it, a shortened copy takes
    /// its name, and the old contents stay as they are.
    fn cut(&mut self) -> Result<(), LogError> {
        self.open()?;
        if !self.segment.cut_unshared(self.size, 1)? {
            let file = Arc::clone(&self.open()?.file);
            let path = self.segment.path(FileKind::Log);
            let copy = copy_prefix(&*self.segment.home().disk, &*file, &path, self.size)?;
            self.segment.replace_file(Arc::clone(&copy));
            self.open()?.file = copy;
        }
        self.reserved = self.size;
        self.dirty_tail = false;
        Ok(())
    }

    /// Removes all batches that reach `offset` (which is not below the base offset) or beyond and makes that
    /// durable. Returns where the batches end now.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<i64, LogError> {
        self.open()?;
        let segment = Arc::clone(&self.segment);
        let unreadable = |error| segment.unreadable(error);
        let first_removed = segment.locate(offset, self.size).map_err(unreadable)?;
        self.segment.offset_index().truncate_to(offset)?;
        self.segment.time_index().truncate_to(offset)?;
        self.segment.transactions().truncate_to(offset)?;
        self.size = first_removed.map_or(self.size, |batch| batch.position);
        self.segment.set_size(self.size, now_ms);
        self.cut()?;
        let synced = self.open()?.file.sync_data();
        synced.map_err(self.segment.place(FileKind::Log).failed("sync"))?;
        self.open = None;
        self.last_offset = None;
        if self.size == 0 {
            self.created_ms = now_ms;
        }
        // A batch that spans the offset goes as a whole.
        let last = self.segment.last_batch(self.size).map_err(unreadable)?;
        Ok(last.map_or(self.base_offset(), |batch| batch.last_offset + 1))
    }

    /// Spare space is given back, the largest timestamp goes into the time index, the index files are brought
    /// to their entries: as a segment is left that is not written any more. It may be written again.
    ///
    /// # Errors
    /// The disk's; it can be tried again.
    pub fn seal(&mut self) -> Result<(), LogError> {
        let largest = self.open()?.largest;
        self.remove_dirty_tail()?;
        if self.reserved > self.size {
            let released = self.open()?.file.release_reserve();
            released.map_err(self.segment.place(FileKind::Log).failed("give back space of"))?;
            self.reserved = self.size;
        }
        if let Some(largest) = largest {
            self.segment.time_index().maybe_append(largest)?;
        }
        self.segment.offset_index().seal()?;
        self.segment.time_index().seal()?;
        self.segment.remember_largest_timestamp(largest);
        self.open = None;
        Ok(())
    }

    /// Whether something has been written or asked since the segment was found, made or sealed.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes what nobody is using. A writer that has not appended since the last call is sealed for that;
    /// the next append opens it again.
    pub(crate) fn release_idle(&mut self) -> Result<(), LogError> {
        let is_idle = self.size == self.size_at_release;
        self.size_at_release = self.size;
        if self.open.is_some() {
            if !is_idle {
                return Ok(());
            }
            self.seal()?;
        }
        self.segment.release();
        Ok(())
    }

    /// The largest timestamp of the segment.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn largest_timestamp(&self) -> Result<Option<LargestTimestamp>, LogError> {
        match &self.open {
            Some(open) => Ok(open.largest),
            None => self.segment.indexed_largest_timestamp(),
        }
    }
}

/// Makes a durable copy of the first `size` bytes of `file` under its name `path`. The old contents stay
/// readable through `file`.
fn copy_prefix(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    path: &Path,
    size: u64,
) -> Result<Arc<dyn DiskFile>, LogError> {
    const STEP_BYTES: u64 = 1 << 20;
    let mut copy_path = path.as_os_str().to_owned();
    copy_path.push(crate::checkpoint::TEMPORARY_SUFFIX);
    let copy_path = Path::new(&copy_path);
    let copy = disk.open(copy_path, OpenMode::Truncate).map_err(LogError::io("make", copy_path))?;
    let mut buffer = vec![0; usize::try_from(size.min(STEP_BYTES)).unwrap_or(0)];
    let mut position = 0;
    while position < size {
        let step = usize::try_from((size - position).min(STEP_BYTES)).unwrap_or(0);
        let part = buffer.get_mut(..step).unwrap_or_default();
        let read = file.pread(part, position).map_err(LogError::io("read", path))?;
        let part = part.get(..read).filter(|part| !part.is_empty());
        let part =
            part.ok_or_else(|| LogError::io("read", path)(std::io::ErrorKind::UnexpectedEof.into()))?;
        copy.pwritev(&[IoSlice::new(part)], position).map_err(LogError::io("write", copy_path))?;
        position += part.len() as u64;
    }
    copy.sync_data().map_err(LogError::io("sync", copy_path))?;
    disk.rename(copy_path, path).map_err(LogError::io("rename into place", path))?;
    if let Some(dir) = path.parent() {
        disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    }
    Ok(copy)
}
