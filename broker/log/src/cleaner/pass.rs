//! One pass over a log.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use rkafka_record::{BatchRef, DecodeLimits};

use super::filter::{Filter, FilterError, LastOfProducer};
use super::map::OffsetMap;
use super::transactions::{Transactions, Verdict};
use super::{Cleanable, Pace, overlapping};
use crate::config::LogConfig;
use crate::deletion::DeferredDeletion;
use crate::error::{LogError, ReadError};
use crate::files::{FileKind, FileName, Stage};
use crate::log::Log;
use crate::place::Home;
use crate::scan::BatchPlace;
use crate::segment::Segment;
use crate::segment_writer::SegmentWriter;
use crate::txn_index::AbortedEntry;

/// Copied batches are written in pieces of about this size.
const WRITE_BYTES: usize = 1 << 20;

/// Why a pass ended early. Nothing is lost: segments not swapped yet are as they were.
#[derive(Debug, thiserror::Error)]
pub enum CleaningError {
    /// [`Pace::spend`] said so.
    #[error("cleaning was stopped")]
    Stopped,
    /// A batch cannot be read or written again: the log cannot be compacted until it is gone.
    #[error("cannot compact {path}: batch at offset {base_offset}: {problem}", path = path.display())]
    Uncleanable {
        /// The segment.
        path: PathBuf,
        /// Base offset of the batch, or of the segment if not even that can be read.
        base_offset: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// The disk's trouble.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a pass has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleaningCounts {
    /// Keys in the map.
    pub keys: u64,
    /// Bytes read, the dirty part twice.
    pub bytes_read: u64,
    /// Bytes of the copies.
    pub bytes_written: u64,
    /// Records in the copies.
    pub records_kept: u64,
}

/// A pass under way. Holds no lock; works on segments that were sealed when it began.
#[derive(Debug)]
pub struct Cleaning {
    home: Arc<Home>,
    config: Arc<LogConfig>,
    /// All segments as of the beginning: the later ones are read only for their transaction indexes.
    segments: Arc<[Arc<Segment>]>,
    cleanable: Cleanable,
    filter: Filter,
    transactions: Transactions,
    /// Segments are copied up to this one.
    end_offset: i64,
    /// Index of the next segment to copy.
    next: usize,
    counts: CleaningCounts,
}

/// Copies that are to replace the segments they were made of.
#[derive(Debug)]
#[must_use = "the copies lie beside the segments until they are swapped in"]
pub struct CleanedGroup {
    old: Vec<Arc<Segment>>,
    new: Vec<Arc<Segment>>,
}

impl CleanedGroup {
    /// Puts the copies into the place of their originals: the one step that needs the log for more than a
    /// moment (renames and three syncs of the directory). Returns the files to be removed later, or `None` if
    /// the originals have left the log meanwhile (retention, truncation): the copies are then thrown away.
    ///
    /// # Errors
    /// The disk's; the log directory is then offline.
    pub fn swap_into(self, log: &mut Log) -> Result<Option<DeferredDeletion>, LogError> {
        let swapped = log.replace_segments(&self.old, &self.new)?;
        if swapped.is_none() {
            self.new.iter().for_each(|copy| remove_files(&log.home, copy.base_offset()));
        }
        Ok(swapped)
    }

    /// How many segments are replaced, and by how many.
    pub fn segments(&self) -> (usize, usize) {
        (self.old.len(), self.new.len())
    }
}

impl Cleaning {
    /// Begins a pass. Needs the log for a moment only.
    pub fn begin(log: &Log, cleanable: Cleanable, now_ms: i64) -> Self {
        let last_batches = log.producers.iter().map(|entry| (entry.producer_id, LastOfProducer::of(entry)));
        let filter = Filter {
            now_ms,
            delete_retention_ms: log.config.delete_retention_ms,
            high_watermark: log.high_watermark,
            last_batches: last_batches.collect(),
        };
        Self {
            home: Arc::clone(&log.home),
            config: Arc::clone(&log.config),
            segments: Arc::clone(&log.segments),
            cleanable,
            filter,
            transactions: Transactions::default(),
            end_offset: cleanable.first_dirty_offset,
            next: 0,
            counts: CleaningCounts::default(),
        }
    }

    /// What has been done so far.
    pub fn counts(&self) -> CleaningCounts {
        self.counts
    }

    /// Reads the keys of the dirty part into `map`, as far as it has room. Returns the offset up to which
    /// this pass cleans: where the next one begins, once all groups are swapped in.
    ///
    /// # Errors
    /// [`CleaningError`].
    pub fn read_keys(&mut self, map: &mut OffsetMap, pace: &mut dyn Pace) -> Result<i64, CleaningError> {
        let Cleanable { first_dirty_offset, first_uncleanable_offset, .. } = self.cleanable;
        map.reset(u64::try_from(first_uncleanable_offset - first_dirty_offset).unwrap_or(0));
        let mut transactions = Transactions::default();
        transactions.add(self.aborted(first_dirty_offset, first_uncleanable_offset)?);
        let segments = Arc::clone(&self.segments);
        let dirty = overlapping(&segments, first_dirty_offset);
        for (index, segment) in dirty.iter().enumerate() {
            if segment.base_offset() >= first_uncleanable_offset {
                break;
            }
            if !self.read_segment_keys(segment, map, &mut transactions, pace)? {
                break;
            }
            let next = dirty.get(index + 1).map_or(first_uncleanable_offset, |next| next.base_offset());
            map.advance_latest_offset(next.min(first_uncleanable_offset) - 1);
        }
        self.counts.keys = map.len() as u64;
        self.end_offset = map.latest_offset() + 1;
        Ok(self.end_offset.max(first_dirty_offset))
    }

    /// Returns whether the map had room for all keys of the segment.
    fn read_segment_keys(
        &mut self,
        segment: &Segment,
        map: &mut OffsetMap,
        transactions: &mut Transactions,
        pace: &mut dyn Pace,
    ) -> Result<bool, CleaningError> {
        let first_dirty_offset = self.cleanable.first_dirty_offset;
        let (mut scan, mut scratch) = (segment.batches(0, segment.size())?, Vec::new());
        while let Some((_, batch)) = scan.next().map_err(|error| unreadable(segment, error))? {
            spend(pace, batch.size(), &mut self.counts.bytes_read)?;
            let verdict = transactions.on_batch(&batch);
            if verdict == Verdict::Keep && !batch.is_control() {
                let read = read_batch_keys(&batch, first_dirty_offset, map, &mut scratch);
                if !read.map_err(|error| uncleanable(segment, &batch, &error))? {
                    return Ok(false);
                }
            }
            if batch.last_offset() >= first_dirty_offset {
                map.advance_latest_offset(batch.last_offset());
            }
        }
        Ok(true)
    }

    /// Aborted transactions that overlap an offset range.
    fn aborted(&self, start_offset: i64, upper_offset: i64) -> Result<Vec<AbortedEntry>, LogError> {
        let mut found = Vec::new();
        for segment in overlapping(&self.segments, start_offset) {
            let complete = segment.transactions().with_entries(|entries| {
                let overlap = |entry: &&AbortedEntry| {
                    entry.last_offset >= start_offset && entry.first_offset < upper_offset
                };
                found.extend(entries.iter().filter(overlap).copied());
                entries.iter().any(|entry| entry.last_stable_offset >= upper_offset)
            })?;
            if complete {
                break;
            }
        }
        Ok(found)
    }

    /// Copies the next group of segments; `None` when all are done. The copies are durable beside the
    /// originals.
    ///
    /// # Errors
    /// [`CleaningError`]; what was copied of the group is removed again as far as possible.
    pub fn next_group(
        &mut self,
        map: &OffsetMap,
        pace: &mut dyn Pace,
    ) -> Result<Option<CleanedGroup>, CleaningError> {
        let old = self.group();
        if old.is_empty() {
            return Ok(None);
        }
        self.next += old.len();
        let mut copies = Copies::new(self, old.first().map_or(0, |first| first.base_offset()))?;
        let copied = self.copy_group(&old, &mut copies, map, pace);
        match copied.and_then(|()| Ok(copies.finish(&old)?)) {
            Ok(new) => Ok(Some(CleanedGroup { new, old })),
            Err(error) => {
                copies.discard();
                Err(error)
            }
        }
    }

    /// Neighbouring segments that fit into one: together not larger than a segment may be.
    fn group(&self) -> Vec<Arc<Segment>> {
        let end = self.end_offset.min(self.cleanable.first_uncleanable_offset);
        let rest = self.segments.get(self.next..).unwrap_or_default();
        let mut group: Vec<Arc<Segment>> = Vec::new();
        let mut bytes = 0_u64;
        for (index, segment) in rest.iter().enumerate() {
            let first = group.first().unwrap_or(segment).base_offset();
            let after = rest.get(index + 1).map_or(segment.base_offset(), |next| next.base_offset());
            bytes = bytes.saturating_add(segment.size());
            let fits =
                bytes <= self.config.segment_bytes && after.saturating_sub(first) <= i64::from(i32::MAX);
            if segment.base_offset() >= end || !(group.is_empty() || fits) {
                break;
            }
            group.push(Arc::clone(segment));
        }
        group
    }

    fn copy_group(
        &mut self,
        group: &[Arc<Segment>],
        copies: &mut Copies,
        map: &OffsetMap,
        pace: &mut dyn Pace,
    ) -> Result<(), CleaningError> {
        for (index, segment) in group.iter().enumerate() {
            let next = self.segments.get(self.next - group.len() + index + 1);
            let upper = next.map_or(i64::MAX, |next| next.base_offset());
            let aborted = self.aborted(segment.base_offset(), upper)?;
            self.transactions.add(aborted);
            let is_last = index + 1 == group.len();
            self.copy_segment(segment, is_last, copies, map, pace)?;
        }
        copies.write(pace)
    }

    /// Of the last segment of a group the last batch stays, so that the copies reach as far as the originals:
    /// recovery takes a gap between two segments for a loss.
    fn copy_segment(
        &mut self,
        segment: &Segment,
        is_last: bool,
        copies: &mut Copies,
        map: &OffsetMap,
        pace: &mut dyn Pace,
    ) -> Result<(), CleaningError> {
        let (mut scan, mut scratch) = (segment.batches(0, segment.size())?, Vec::new());
        while let Some((position, batch)) = scan.next().map_err(|error| unreadable(segment, error))? {
            spend(pace, batch.size(), &mut self.counts.bytes_read)?;
            batch.check_crc().map_err(|error| uncleanable(segment, &batch, &error.into()))?;
            let verdict = self.transactions.on_batch(&batch);
            let before = copies.buffer.len();
            let must_stay = is_last && position + batch.size() as u64 == segment.size();
            let kept = self.filter.copy(&batch, must_stay, verdict, map, &mut scratch, &mut copies.buffer);
            self.counts.records_kept += kept.map_err(|error| uncleanable(segment, &batch, &error))?;
            self.counts.bytes_written += (copies.buffer.len() - before) as u64;
            copies.added(before, &batch, pace)?;
            if let Verdict::KeepAborted(entry) = verdict {
                copies.write(pace)?;
                copies.writer.segment().transactions().append(entry)?;
            }
        }
        Ok(())
    }
}

/// Returns whether the map had room.
fn read_batch_keys(
    batch: &BatchRef<'_>,
    first_dirty_offset: i64,
    map: &mut OffsetMap,
    scratch: &mut Vec<u8>,
) -> Result<bool, FilterError> {
    batch.check_crc()?;
    let decoded = batch.decode_with(DecodeLimits::default(), scratch)?;
    for record in decoded.records() {
        let record = record?;
        if let Some(key) = record.key.filter(|_| record.offset >= first_dirty_offset)
            && !map.put(key, record.offset)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn spend(pace: &mut dyn Pace, bytes: usize, counted: &mut u64) -> Result<(), CleaningError> {
    *counted += bytes as u64;
    if pace.spend(bytes as u64) { Ok(()) } else { Err(CleaningError::Stopped) }
}

fn unreadable(segment: &Segment, error: ReadError) -> CleaningError {
    let (path, base_offset) = (segment.path(FileKind::Log), segment.base_offset());
    match error {
        ReadError::Log(error) => error.into(),
        other => CleaningError::Uncleanable { path, base_offset, problem: other.to_string() },
    }
}

fn uncleanable(segment: &Segment, batch: &BatchRef<'_>, error: &FilterError) -> CleaningError {
    let (path, base_offset) = (segment.path(FileKind::Log), batch.base_offset());
    CleaningError::Uncleanable { path, base_offset, problem: error.to_string() }
}

/// The segments that a group is copied into: one, unless it would become too large.
struct Copies {
    home: Arc<Home>,
    index_interval_bytes: u64,
    now_ms: i64,
    writer: SegmentWriter,
    finished: Vec<SegmentWriter>,
    /// Batches to be written, and their places in the buffer.
    buffer: Vec<u8>,
    places: Vec<BatchPlace>,
}

impl Copies {
    fn new(pass: &Cleaning, base_offset: i64) -> Result<Self, CleaningError> {
        let (home, now_ms) = (Arc::clone(&pass.home), pass.filter.now_ms);
        let writer = create(&home, base_offset, now_ms)?;
        let index_interval_bytes = pass.config.index_interval_bytes;
        let (finished, buffer, places) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { home, index_interval_bytes, now_ms, writer, finished, buffer, places })
    }

    /// What was put into the buffer from `position` on is what is left of `source`, if anything.
    fn added(
        &mut self,
        position: usize,
        source: &BatchRef<'_>,
        pace: &mut dyn Pace,
    ) -> Result<(), CleaningError> {
        let Some(added) = self.buffer.get(position..).filter(|added| !added.is_empty()) else {
            return Ok(());
        };
        let copy = BatchRef::parse(added).map_err(|error| CleaningError::Uncleanable {
            path: self.home.dir().to_path_buf(),
            base_offset: source.base_offset(),
            problem: error.to_string(),
        })?;
        let place = BatchPlace::new(position as u64, &copy.header());
        if !self.fits(&place) {
            let copy = self.buffer.split_off(position);
            self.write(pace)?;
            let next = create(&self.home, place.base_offset, self.now_ms)?;
            self.finished.push(std::mem::replace(&mut self.writer, next));
            self.buffer = copy;
            self.places.push(BatchPlace { position: 0, ..place });
        } else {
            self.places.push(place);
        }
        if self.buffer.len() >= WRITE_BYTES { self.write(pace) } else { Ok(()) }
    }

    /// Positions and relative offsets are 32-bit numbers; recompressed batches may be larger than they were.
    fn fits(&self, place: &BatchPlace) -> bool {
        const MAX: u64 = i32::MAX as u64;
        let base_offset = self.writer.segment().base_offset();
        let is_first = self.writer.size() == 0 && self.places.is_empty();
        is_first
            || (self.writer.size() + place.end() <= MAX
                && place.last_offset.saturating_sub(base_offset) <= i64::from(i32::MAX))
    }

    fn write(&mut self, pace: &mut dyn Pace) -> Result<(), CleaningError> {
        if !self.places.is_empty() {
            spend(pace, self.buffer.len(), &mut 0)?;
            let parts = [IoSlice::new(&self.buffer)];
            self.writer.append(&parts, &self.places, self.index_interval_bytes, self.now_ms)?;
            self.buffer.clear();
            self.places.clear();
        }
        Ok(())
    }

    /// Makes the copies durable, by content and by name.
    fn finish(&mut self, old: &[Arc<Segment>]) -> Result<Vec<Arc<Segment>>, LogError> {
        let mut segments = Vec::new();
        for writer in self.finished.iter_mut().chain([&mut self.writer]) {
            writer.seal()?;
            let segment = Arc::clone(writer.segment());
            segment.sync(true)?;
            // Retention counts from the last write of the originals where records have no timestamps.
            segment.set_size(writer.size(), old.last().map_or(self.now_ms, |last| last.modified_ms()));
            segments.push(segment);
        }
        self.home.sync()?;
        Ok(segments)
    }

    fn discard(self) {
        for writer in self.finished.iter().chain([&self.writer]) {
            remove_files(&self.home, writer.segment().base_offset());
        }
    }
}

/// Begins a copy, without what an interrupted pass may have left.
fn create(home: &Arc<Home>, base_offset: i64, now_ms: i64) -> Result<SegmentWriter, LogError> {
    remove_files(home, base_offset);
    SegmentWriter::create(home, base_offset, Stage::Cleaned, now_ms)
}

/// Best effort: what stays is removed at the next start.
fn remove_files(home: &Home, base_offset: i64) {
    for kind in FileKind::SEGMENT {
        if let Err(error) = home.file(FileName::live(base_offset, kind).at(Stage::Cleaned)).remove() {
            tracing::warn!(%error, "a file of an interrupted cleaning stays");
        }
    }
}
