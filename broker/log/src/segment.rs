//! One segment: a `.log` file of batches, its indexes, and the look-ups readers do in them.
//!
//! A [`Segment`] is shared by the log, by published views and by readers; what is behind it can be renamed
//! (when the cleaner replaces it or retention takes it out) while they go on reading. Nothing is opened
//! before it is needed, so that thousands of partitions can be started; `Segment::release` closes again
//! what nobody uses. Only the log's single writer appends, through [`crate::segment_writer::SegmentWriter`].
//!
//! Indexes are hints: wherever an entry leads, the batch found there is compared with what the entry
//! promised, and if they disagree the segment is walked from its start.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::disk::{DiskFile, FileStat, OpenMode};
use crate::error::{LogError, ReadError};
use crate::files::{FileKind, FileName, Stage};
use crate::index::{OffsetIndex, OffsetIndexAt, OffsetPosition};
use crate::index_builder::IndexBuilder;
use crate::place::{Home, Place};
use crate::scan::{BatchPlace, BatchScan, HeaderScan, ScanSource};
use crate::time_index::{LargestTimestamp, TimeIndex, TimeIndexAt};
use crate::txn_index::{TransactionIndex, TransactionIndexAt};

/// A segment up to this size is walked from its start rather than opening its index.
const SMALL_BYTES: u64 = 16 << 10;

/// A segment as readers see it.
#[derive(Debug)]
pub struct Segment {
    home: Arc<Home>,
    base_offset: i64,
    state: RwLock<State>,
    /// Bytes written; grows with the active segment.
    size: AtomicU64,
    /// Last modification known, milliseconds since 1970.
    modified_ms: AtomicI64,
    offset_index: OffsetIndex,
    time_index: TimeIndex,
    transactions: TransactionIndex,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// The one handle of the `.log` file: its copies tell who reads.
    file: Option<Arc<dyn DiskFile>>,
    /// The largest timestamp once it has been asked for; not while the segment is written.
    largest_timestamp: Option<Option<LargestTimestamp>>,
}

/// What is known of a segment's files without opening them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentFiles {
    pub(crate) base_offset: i64,
    pub(crate) stage: Stage,
    pub(crate) stat: FileStat,
    pub(crate) has_transactions: bool,
}

impl Segment {
    /// The segment of existing (or just made) files.
    pub(crate) fn new(home: Arc<Home>, files: SegmentFiles) -> Self {
        let SegmentFiles { base_offset, stage, stat, has_transactions } = files;
        Self {
            home,
            base_offset,
            state: RwLock::new(State { stage, file: None, largest_timestamp: None }),
            size: AtomicU64::new(stat.len),
            modified_ms: AtomicI64::new(stat.modified_ms),
            offset_index: OffsetIndex::default(),
            time_index: TimeIndex::default(),
            transactions: TransactionIndex::new(has_transactions),
        }
    }

    /// Offset that names its files; no record in it is below.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Bytes of its `.log` file.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// When its file was last written, milliseconds since 1970.
    pub fn modified_ms(&self) -> i64 {
        self.modified_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_size(&self, size: u64, now_ms: i64) {
        self.size.store(size, Ordering::Release);
        self.modified_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn offset_index(&self) -> OffsetIndexAt<'_> {
        self.offset_index.at(self.base_offset, self.place(FileKind::OffsetIndex))
    }

    pub(crate) fn time_index(&self) -> TimeIndexAt<'_> {
        self.time_index.at(self.base_offset, self.place(FileKind::TimeIndex))
    }

    pub(crate) fn transactions(&self) -> TransactionIndexAt<'_> {
        self.transactions.at(self.base_offset, self.place(FileKind::TransactionIndex))
    }

    /// How many entries the offset index and the time index have.
    pub(crate) fn index_lens(&self) -> (usize, usize) {
        (self.offset_index.len(), self.time_index.len())
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of its files under its current name.
    pub(crate) fn place(&self, kind: FileKind) -> Place<'_> {
        self.home.file(FileName::live(self.base_offset, kind).at(self.state().stage))
    }

    /// Current path of one of its files.
    pub(crate) fn path(&self, kind: FileKind) -> PathBuf {
        self.place(kind).path()
    }

    /// The `.log` file, opened on first use.
    pub(crate) fn file(&self) -> Result<Arc<dyn DiskFile>, LogError> {
        if let Some(file) = &self.state().file {
            return Ok(Arc::clone(file));
        }
        let mut state = self.state_mut();
        if let Some(file) = &state.file {
            return Ok(Arc::clone(file));
        }
        let name = FileName::live(self.base_offset, FileKind::Log).at(state.stage);
        let file = self.home.file(name).open(OpenMode::ReadWrite)?;
        state.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Cuts the file to `size` unless somebody else than the caller, who has `own` handles, holds one: then
    /// bytes behind `size` may be on their way to a reader. Returns whether it was cut.
    pub(crate) fn cut_unshared(&self, size: u64, own: usize) -> Result<bool, LogError> {
        let file = self.file()?;
        // Under the lock nobody can take another copy of the handle.
        let state = self.state_mut();
        let is_shared = Arc::strong_count(&file) > own + 2;
        let name = FileName::live(self.base_offset, FileKind::Log).at(state.stage);
        if !is_shared {
            file.truncate(size).map_err(self.home.file(name).failed("cut"))?;
        }
        Ok(!is_shared)
    }

    /// Uses another file under the same name (a shortened copy renamed into place).
    pub(crate) fn replace_file(&self, file: Arc<dyn DiskFile>) {
        self.state_mut().file = Some(file);
    }

    fn source(&self, end: u64) -> Result<ScanSource<'_>, LogError> {
        Ok(ScanSource { file: self.file()?, place: self.place(FileKind::Log), end })
    }

    /// Walks over whole batches from `position` up to `end`.
    pub(crate) fn batches(&self, position: u64, end: u64) -> Result<BatchScan<'_>, LogError> {
        Ok(BatchScan::new(self.source(end)?, position))
    }

    /// Walks over headers from `position` up to `end`.
    pub(crate) fn headers(&self, position: u64, end: u64) -> Result<HeaderScan<'_>, LogError> {
        Ok(HeaderScan::new(self.source(end)?, position))
    }

    /// Opens both indexes for reading, making them anew in memory if the files cannot be right.
    pub(crate) fn load_indexes(&self) -> Result<(), LogError> {
        if self.offset_index.is_loaded() && self.time_index.is_loaded() {
            return Ok(());
        }
        // Small segments may have none; of a large one they may have found no room on a full disk.
        let (size, may_be_missing) = (self.size(), self.size() <= SMALL_BYTES);
        if !self.offset_index().load(size, may_be_missing)? || !self.time_index().load(may_be_missing)? {
            let path = self.path(FileKind::OffsetIndex);
            tracing::debug!(path = %path.display(), "missing or unusable index, made anew in memory");
            self.rebuild_indexes_in_memory()?;
        }
        Ok(())
    }

    fn rebuild_indexes_in_memory(&self) -> Result<(), LogError> {
        let mut builder = IndexBuilder::new(self.base_offset, crate::config::INDEX_INTERVAL_BYTES_DEFAULT);
        let mut scan = self.headers(0, self.size())?;
        // Damage ends the index; a read of the damaged batch itself tells.
        while let Ok(Some(place)) = scan.next() {
            builder.add(&place);
        }
        let (offsets, times) = builder.finish();
        self.offset_index.load_rebuilt(&offsets);
        self.time_index.load_rebuilt(&times);
        Ok(())
    }

    /// A walk over headers that begins at the batch of an index entry, and that batch; `None` if the entry
    /// does not lead to the batch it promises.
    fn headers_at(
        &self,
        entry: OffsetPosition,
        end: u64,
    ) -> Result<Option<(HeaderScan<'_>, Option<BatchPlace>)>, ReadError> {
        let mut scan = self.headers(entry.position, end)?;
        let first = match scan.next() {
            Err(ReadError::Batch(_)) if entry.position > 0 => return Ok(None),
            other => other?,
        };
        let keeps_promise =
            entry.position == 0 || first.is_some_and(|place| place.last_offset <= entry.offset);
        Ok(keeps_promise.then_some((scan, first)))
    }

    /// The first batch that ends at or behind `offset`, looking at the first `end` bytes.
    pub(crate) fn locate(&self, offset: i64, end: u64) -> Result<Option<BatchPlace>, ReadError> {
        if end > SMALL_BYTES {
            self.load_indexes()?;
        }
        // An entry that keeps its promise leads to a batch that ends at or before `offset`: none is missed.
        let (mut scan, mut next) = match self.headers_at(self.offset_index().lookup(offset)?, end)? {
            Some(found) => found,
            None => self.headers_from_start(end)?,
        };
        while let Some(place) = next {
            if place.last_offset >= offset {
                return Ok(Some(place));
            }
            next = scan.next()?;
        }
        Ok(None)
    }

    fn headers_from_start(&self, end: u64) -> Result<(HeaderScan<'_>, Option<BatchPlace>), ReadError> {
        let path = self.path(FileKind::OffsetIndex);
        tracing::warn!(path = %path.display(), "index entry leads astray, walking the segment");
        let mut scan = self.headers(0, end)?;
        let first = scan.next()?;
        Ok((scan, first))
    }

    /// The first batch behind `from` that would not fit if reading stopped at position `limit`; `None` if all
    /// up to `end` fit. `from` itself is taken to fit.
    pub(crate) fn first_beyond(
        &self,
        from: &BatchPlace,
        limit: u64,
        end: u64,
    ) -> Result<Option<BatchPlace>, ReadError> {
        if limit >= end {
            return Ok(None);
        }
        let entry = self.offset_index().lookup_position(limit)?;
        let indexed = if entry.position > from.position { self.headers_at(entry, end)? } else { None };
        let sound =
            indexed.filter(|(_, first)| first.is_some_and(|place| place.base_offset > from.last_offset));
        let (mut scan, mut next) = match sound {
            Some(found) => found,
            None => {
                let mut scan = self.headers(from.end(), end)?;
                let first = scan.next()?;
                (scan, first)
            }
        };
        while let Some(place) = next {
            if place.end() > limit {
                return Ok(Some(place));
            }
            next = scan.next()?;
        }
        Ok(None)
    }

    /// The last batch within the first `end` bytes.
    pub(crate) fn last_batch(&self, end: u64) -> Result<Option<BatchPlace>, ReadError> {
        if end > SMALL_BYTES {
            self.load_indexes()?;
        }
        let found = self.headers_at(self.offset_index().lookup_position(end.saturating_sub(1))?, end)?;
        let (mut scan, mut next) = match found {
            Some(found) => found,
            None => self.headers_from_start(end)?,
        };
        let mut last = None;
        while let Some(place) = next {
            last = Some(place);
            next = scan.next()?;
        }
        Ok(last)
    }

    /// The largest timestamp within the first `end` bytes: the time index's last entry and whatever was
    /// appended since.
    pub(crate) fn largest_timestamp(&self, end: u64) -> Result<Option<LargestTimestamp>, ReadError> {
        self.load_indexes()?;
        let mut largest = self.time_index().last()?;
        let from = largest.map_or(self.base_offset, |entry| entry.offset);
        let mut next = self.locate(from, end)?;
        let mut scan = self.headers(next.map_or(end, |place| place.end()), end)?;
        while let Some(place) = next {
            if place.max_timestamp > largest.map_or(-1, |entry| entry.timestamp) {
                largest =
                    Some(LargestTimestamp { timestamp: place.max_timestamp, offset: place.last_offset });
            }
            next = scan.next()?;
        }
        Ok(largest)
    }

    /// The largest timestamp of the whole segment, by its time index, found out once and remembered.
    pub(crate) fn indexed_largest_timestamp(&self) -> Result<Option<LargestTimestamp>, LogError> {
        if let Some(known) = self.state().largest_timestamp {
            return Ok(known);
        }
        let largest = self.largest_timestamp(self.size()).map_err(|error| self.unreadable(error))?;
        self.remember_largest_timestamp(largest);
        Ok(largest)
    }

    /// What a failed look-up means to one who is not a reader.
    pub(crate) fn unreadable(&self, error: ReadError) -> LogError {
        match error {
            ReadError::Log(error) => error,
            other => LogError::Corrupt { path: self.path(FileKind::Log), problem: other.to_string() },
        }
    }

    pub(crate) fn remember_largest_timestamp(&self, largest: Option<LargestTimestamp>) {
        self.state_mut().largest_timestamp = Some(largest);
    }

    /// It is being written now.
    pub(crate) fn forget_largest_timestamp(&self) {
        self.state_mut().largest_timestamp = None;
    }

    /// Renames its files. Handles and reads under way stay good.
    pub(crate) fn set_stage(&self, stage: Stage) -> Result<(), LogError> {
        let mut state = self.state_mut();
        // The .log file goes first: without it the others are orphans, which a start removes.
        for kind in FileKind::SEGMENT {
            let name = FileName::live(self.base_offset, kind);
            let from = self.home.file(name.at(state.stage));
            let to = self.home.file(name.at(stage)).path();
            match self.home.disk.rename(&from.path(), &to) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && kind != FileKind::Log => {}
                other => other.map_err(from.failed("rename"))?,
            }
            if kind == FileKind::Log && stage == Stage::Live {
                // While there is a `.log.swap`, live indexes of its name count as those of the segment it
                // replaces.
                self.home.sync()?;
            }
        }
        state.stage = stage;
        Ok(())
    }

    /// Paths its files have now, for their removal; some may not exist.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        FileKind::SEGMENT.into_iter().map(|kind| self.path(kind)).collect()
    }

    /// Makes the batches durable and, of a sealed segment, the indexes (those of the active one are made anew
    /// after a crash).
    pub(crate) fn sync(&self, sealed: bool) -> Result<(), LogError> {
        self.file()?.sync_data().map_err(self.place(FileKind::Log).failed("sync"))?;
        if sealed {
            self.place(FileKind::OffsetIndex).sync()?;
            self.place(FileKind::TimeIndex).sync()?;
        }
        self.transactions().sync()
    }

    /// Closes what nobody uses, to be opened again on the next use.
    pub(crate) fn release(&self) {
        self.offset_index.release();
        self.time_index.release();
        self.transactions.release();
        let mut state = self.state_mut();
        // Under the lock nobody can take another copy of the handle.
        if state.file.as_ref().is_some_and(|file| Arc::strong_count(file) == 1) {
            state.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use rkafka_record::{BatchBuilder, BatchOptions};

    use super::*;
    use crate::disk::Disk;
    use crate::disk::mem::SimDisk;
    use crate::testing::{NOW_MS, TestLog, config};

    /// A log of one segment with batches of these record counts, value sizes and gaps before them.
    fn log_of(batches: &[(u8, u16, u8)]) -> TestLog {
        let mut test = TestLog::new(crate::LogConfig { index_interval_bytes: 300, ..config() });
        for (records, value_bytes, gap) in batches {
            let base_offset = test.log.log_end_offset() + i64::from(*gap);
            let options = BatchOptions { base_offset, partition_leader_epoch: 0, ..BatchOptions::default() };
            let mut builder = BatchBuilder::new(options);
            for _ in 0..=*records % 4 {
                let value = vec![7; usize::from(*value_bytes)];
                builder.append(NOW_MS, None, Some(&value), &[]).expect("fits");
            }
            test.log.append_follower(&builder.build().expect("builds"), NOW_MS).expect("appends");
        }
        test
    }

    fn places(segment: &Segment) -> Vec<BatchPlace> {
        let mut headers = segment.headers(0, segment.size()).expect("opens");
        std::iter::from_fn(|| headers.next().expect("sound")).collect()
    }

    fn check_look_ups(segment: &Segment, at: usize, limit: u64) {
        let (places, end) = (places(segment), segment.size());
        let last = places.last().map_or(0, |last| last.last_offset);
        let offset = at as i64 % (last + 3);
        let expected = places.iter().find(|place| place.last_offset >= offset).copied();
        assert_eq!(segment.locate(offset, end).expect("looks up"), expected, "offset {offset}");
        assert_eq!(segment.last_batch(end).expect("looks up"), places.last().copied());
        let Some(from) = places.get(at % places.len().max(1)) else { return };
        let limit = from.end() + limit % (end - from.end() + 1);
        let expected =
            places.iter().find(|place| place.position > from.position && place.end() > limit).copied();
        assert_eq!(segment.first_beyond(from, limit, end).expect("looks up"), expected, "limit {limit}");
    }

    fn segment_of(disk: &SimDisk) -> Segment {
        let path = Path::new("/d/t-0/00000000000000000000.log");
        let stat = disk.stat(path).expect("there");
        let files = SegmentFiles { base_offset: 0, stage: Stage::Live, stat, has_transactions: false };
        Segment::new(Home::new(Arc::new(disk.clone()), Path::new("/d/t-0")), files)
    }

    proptest! {
        #[test]
        fn look_ups_agree_with_a_walk(
            batches in prop::collection::vec((any::<u8>(), 0..900_u16, 0..3_u8), 0..120),
            at: usize,
            limit: u64,
        ) {
            let test = log_of(&batches);
            check_look_ups(test.log.active.segment(), at, limit);
        }

        /// Readers believe no index entry that does not lead where it says, whatever the file holds.
        #[test]
        fn look_ups_are_right_with_a_damaged_index(
            batches in prop::collection::vec((any::<u8>(), 0..900_u16, 0..3_u8), 60..120),
            damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
            limit: u64,
        ) {
            let test = log_of(&batches);
            let disk = test.disk.clone();
            test.log.close().expect("closes");
            disk.corrupt(Path::new("/d/t-0/00000000000000000000.index"), |bytes| {
                for (place, flip) in &damage {
                    let place = place % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= flip;
                    }
                }
            }).expect("there is an index");
            let segment = segment_of(&disk);
            for at in 0..480 {
                check_look_ups(&segment, at, limit.wrapping_mul(at as u64));
            }
        }
    }

    #[test]
    fn an_index_that_is_missing_or_of_an_odd_size_is_made_anew_in_memory() {
        for cut in [0, 13] {
            let test = log_of(&[(3, 800, 0); 40]);
            let disk = test.disk.clone();
            test.log.close().expect("closes");
            disk.corrupt(Path::new("/d/t-0/00000000000000000000.index"), |bytes| bytes.truncate(cut))
                .expect("there");
            let segment = segment_of(&disk);
            for at in 0..160 {
                check_look_ups(&segment, at, 3 * at as u64);
            }
            if cut == 13 {
                assert!(segment.index_lens().0 > 10, "{} entries", segment.index_lens().0);
            }
        }
    }

    #[test]
    fn released_files_are_opened_again_unless_somebody_uses_them() {
        let test = log_of(&[(3, 800, 0); 40]);
        let disk = test.disk.clone();
        test.log.close().expect("closes");
        let segment = segment_of(&disk);
        let held = segment.file().expect("opens");
        check_look_ups(&segment, 5, 5000);
        segment.release();
        assert!(segment.state().file.is_some(), "somebody reads");
        drop(held);
        segment.release();
        assert!(segment.state().file.is_none(), "nobody uses it");
        check_look_ups(&segment, 5, 5000);
    }
}
