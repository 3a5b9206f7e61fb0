//! Reading without the writer's lock.
//!
//! A [`LogReader`] loads the published [`ReadView`] and finds file ranges in its segments: index look-up, a
//! short walk over batch headers, done. Records are never touched; the ranges go to `sendfile`, or are read
//! by [`FileSlice::bytes`]. A segment that was deleted, replaced or cut while it was being looked at
//! makes a read fail; it is then tried once more with the newest view.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::LogConfig;
use crate::disk::DiskFile;
use crate::error::{LogError, ReadError};
use crate::files::FileKind;
use crate::log::Shared;
use crate::scan::BatchPlace;
use crate::segment::Segment;
use crate::view::ReadView;

/// How much a read may return.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Most bytes to return, unless [`at_least_one_batch`](Self::at_least_one_batch) needs more.
    pub max_bytes: u64,
    /// Only batches below this offset: high watermark, last stable offset or log end offset, as the reader
    /// may see.
    pub upper_offset: i64,
    /// Return the first batch even if it alone exceeds `max_bytes` (KIP-74).
    pub at_least_one_batch: bool,
}

/// Linux reads ahead so much at once by default.
const STRETCH_BYTES: usize = 128 << 10;

/// A range of one segment file; stays readable, and the same, whatever happens to the segment meanwhile:
/// deleted files live on while they are held, and one that is held is never cut.
#[derive(Debug, Clone)]
pub struct FileSlice {
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    range: Range<u64>,
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

    /// All the bytes in memory, mapped where they are many: for those who must look at records, a few MiB at a time.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bytes(&self) -> Result<Bytes, LogError> {
        if let Some(mapped) = self.file.map(&self.file, &self.range) {
            return Ok(mapped);
        }
        let mut bytes = vec![0; usize::try_from(self.len()).unwrap_or(usize::MAX)];
        match self.read_at(&mut bytes, 0)? {
            read if read == bytes.len() => Ok(bytes.into()),
            _ => Err(self.failed("read")(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Whether the page cache seems to hold all of it, so that `sendfile` will not wait for the disk: one
    /// page of each stretch that is read ahead at once is asked for.
    pub fn is_cached(&self) -> bool {
        self.stretches().all(|position| self.file.is_cached(position))
    }

    /// Brings into the page cache what is not there. Waits for the disk.
    pub fn warm_up(&self) {
        let mut buffer = Vec::new();
        for position in self.stretches().filter(|position| !self.file.is_cached(*position)) {
            buffer.resize(STRETCH_BYTES, 0);
            let room = usize::try_from(self.range.end - position).unwrap_or(usize::MAX).min(STRETCH_BYTES);
            if let Some(part) = buffer.get_mut(..room)
                && let Err(error) = self.file.pread(part, position)
            {
                // Sending will meet it again and end the connection.
                let error = self.failed("read")(error);
                tracing::warn!(%error, "records cannot be read ahead");
                return;
            }
        }
    }

    fn stretches(&self) -> impl Iterator<Item = u64> {
        self.range.clone().step_by(STRETCH_BYTES)
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> LogError {
        self.segment.place(FileKind::Log).failed(action)
    }

    /// Copies bytes from `offset` within the slice into `buffer`; returns how many.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, LogError> {
        let room = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        let read = self.file.pread(buffer, self.range.start.saturating_add(offset));
        read.map_err(self.failed("read"))
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

impl ReadSlice {
    fn nothing(view: &Arc<ReadView>, start_offset: i64) -> Self {
        let view = Arc::clone(view);
        Self { slice: None, next_offset: start_offset, from_sealed_segment: false, view }
    }
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

    /// Whole batches from the one that holds `start_offset` on (its first records may be below it), all of
    /// one segment.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] if the offset is below the log start or above the log end.
    pub fn read(&self, start_offset: i64, limits: ReadLimits) -> Result<ReadSlice, ReadError> {
        self.read_below(start_offset, limits.max_bytes, limits.at_least_one_batch, |_| limits.upper_offset)
    }

    /// [`read`](Self::read) with a bound that is taken from the very view that is read, which the answer
    /// carries: who then waits for more than that bound misses nothing that came in between.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_below(
        &self,
        start_offset: i64,
        max_bytes: u64,
        at_least_one_batch: bool,
        bound: impl Fn(&ReadView) -> i64,
    ) -> Result<ReadSlice, ReadError> {
        self.with_view(|view| {
            let limits = ReadLimits { max_bytes, upper_offset: bound(view), at_least_one_batch };
            let read = read_from(view, start_offset, limits)?;
            // Cut while it was looked at: what was found may be gone, and other bytes in its place.
            Ok(if self.shared.cuts() == view.cuts { read } else { ReadSlice::nothing(view, start_offset) })
        })
    }

    /// Runs a look-up; if it fails while the log is being changed, once more on the newest view.
    pub(crate) fn with_view<T>(
        &self,
        look_up: impl Fn(&Arc<ReadView>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let view = self.view();
        match look_up(&view) {
            Err(ReadError::Batch(_) | ReadError::Log(_)) if !Arc::ptr_eq(&view, &self.view()) => {
                look_up(&self.view())
            }
            other => other,
        }
    }
}

fn read_from(view: &Arc<ReadView>, start_offset: i64, limits: ReadLimits) -> Result<ReadSlice, ReadError> {
    view.check_offset(start_offset)?;
    let upper_offset = limits.upper_offset.min(view.log_end_offset);
    if start_offset >= upper_offset {
        return Ok(ReadSlice::nothing(view, start_offset));
    }
    for (segment, end) in view.segments_from(start_offset) {
        let Some(first) = segment.locate(start_offset, end)? else { continue };
        if first.last_offset >= upper_offset {
            break;
        }
        let Some((stop, next_offset)) = stop_of(view, segment, &first, end, upper_offset, limits)? else {
            break;
        };
        let slice =
            FileSlice { segment: Arc::clone(segment), file: segment.file()?, range: first.position..stop };
        let from_sealed_segment = segment.base_offset() != view.active_base_offset();
        return Ok(ReadSlice {
            slice: Some(slice),
            next_offset,
            from_sealed_segment,
            view: Arc::clone(view),
        });
    }
    Ok(ReadSlice::nothing(view, start_offset))
}

/// Where a read that begins with `first` stops, as a position and as an offset; `None` if even the first
/// batch is too much.
fn stop_of(
    view: &ReadView,
    segment: &Segment,
    first: &BatchPlace,
    end: u64,
    upper_offset: i64,
    limits: ReadLimits,
) -> Result<Option<(u64, i64)>, ReadError> {
    if first.size > limits.max_bytes && !limits.at_least_one_batch {
        return Ok(None);
    }
    let next_base = view.end_offset_of(segment);
    // Up to the last committed batch…
    let (mut stop, mut next_offset) = (end, next_base);
    if upper_offset < next_base
        && let Some(beyond) = segment.locate(upper_offset, end)?
    {
        (stop, next_offset) = (beyond.position, beyond.base_offset);
    }
    // …but not more than the limit, which cuts behind the first batch at the earliest.
    let limit = first.position.saturating_add(limits.max_bytes).max(first.end());
    if limit < stop
        && let Some(beyond) = segment.first_beyond(first, limit, stop)?
    {
        (stop, next_offset) = (beyond.position, beyond.base_offset);
    }
    // Compaction leaves gaps: the batch behind may begin past what was asked for.
    Ok(Some((stop, next_offset.min(upper_offset))))
}

#[cfg(test)]
mod tests {
    use rkafka_record::BatchOptions;

    use super::*;
    use crate::testing::{NOW_MS, TestLog, batch, config, offsets};

    /// Batches 0-2, 3, 4-5 in a sealed segment and 6, 7-9 in the active one.
    fn five_batches() -> TestLog {
        let mut test = TestLog::new(config());
        for (number, records) in [3, 1, 2, 1, 3].into_iter().enumerate() {
            if number == 3 {
                test.log.roll(NOW_MS).expect("rolls");
            }
            test.append(&batch(BatchOptions::default(), &vec![(NOW_MS, None, "value"); records]));
        }
        test
    }

    const ALL: ReadLimits =
        ReadLimits { max_bytes: 1 << 20, upper_offset: i64::MAX, at_least_one_batch: true };

    #[track_caller]
    fn check(test: &TestLog, start: i64, limits: ReadLimits, expected: &[(i64, i64)], next_offset: i64) {
        let read = test.log.reader().read(start, limits).expect("in range");
        let bytes = read.slice.as_ref().map(|slice| slice.bytes().expect("reads")).unwrap_or_default();
        assert_eq!((offsets(&bytes), read.next_offset), (expected.to_vec(), next_offset));
        if let Some(slice) = &read.slice {
            let mut copy = vec![0; slice.len() as usize + 5];
            let copied = slice.read_at(&mut copy, 3).expect("reads");
            assert_eq!(copy.get(..copied), bytes.get(3..), "read_at sees the slice and nothing else");
            assert_eq!(read.from_sealed_segment, start < 6);
        }
    }

    #[test]
    fn whole_batches_of_one_segment_are_returned() {
        let test = five_batches();
        check(&test, 0, ALL, &[(0, 2), (3, 3), (4, 5)], 6);
        check(&test, 2, ALL, &[(0, 2), (3, 3), (4, 5)], 6);
        check(&test, 3, ALL, &[(3, 3), (4, 5)], 6);
        check(&test, 6, ALL, &[(6, 6), (7, 9)], 10);
        check(&test, 9, ALL, &[(7, 9)], 10);
        check(&test, 10, ALL, &[], 10);
    }

    #[test]
    fn nothing_at_or_above_the_upper_offset_is_returned() {
        let test = five_batches();
        let below = |upper_offset| ReadLimits { upper_offset, ..ALL };
        check(&test, 0, below(4), &[(0, 2), (3, 3)], 4);
        check(&test, 0, below(6), &[(0, 2), (3, 3), (4, 5)], 6);
        check(&test, 0, below(2), &[], 0);
        check(&test, 6, below(7), &[(6, 6)], 7);
        check(&test, 6, below(6), &[], 6);
        check(&test, 7, below(6), &[], 7);
    }

    #[test]
    fn the_byte_limit_cuts_between_batches_and_can_be_exceeded_by_the_first() {
        let test = five_batches();
        let sizes: Vec<u64> = [(0, 3), (3, 1), (4, 2)]
            .map(|(start, _)| {
                let read =
                    test.log.reader().read(start, ReadLimits { max_bytes: 1, ..ALL }).expect("in range");
                read.slice.expect("at least one").len()
            })
            .to_vec();
        let limit = |max_bytes, at_least_one_batch| ReadLimits { max_bytes, at_least_one_batch, ..ALL };
        check(&test, 0, limit(0, true), &[(0, 2)], 3);
        check(&test, 0, limit(0, false), &[], 0);
        check(&test, 0, limit(sizes[0] - 1, false), &[], 0);
        check(&test, 0, limit(sizes[0], false), &[(0, 2)], 3);
        check(&test, 0, limit(sizes[0] + sizes[1] - 1, true), &[(0, 2)], 3);
        check(&test, 0, limit(sizes[0] + sizes[1], true), &[(0, 2), (3, 3)], 4);
        check(&test, 0, limit(sizes.iter().sum(), true), &[(0, 2), (3, 3), (4, 5)], 6);
    }

    #[test]
    fn the_bound_is_that_of_the_view_in_the_answer() {
        let mut test = five_batches();
        let reader = test.log.reader();
        let appends = std::cell::Cell::new(1);
        let log = std::cell::RefCell::new(&mut test);
        // A batch arrives while the bound is being taken.
        let read = reader.read_below(10, 1 << 20, true, |view| {
            if appends.replace(0) == 1 {
                log.borrow_mut().append_plain(1, 10);
            }
            view.high_watermark
        });
        let read = read.expect("in range");
        assert!(read.slice.is_none());
        assert_eq!(read.view.high_watermark, 10, "what came since shows by comparing with this");
    }

    #[test]
    fn offsets_outside_the_log_are_refused() {
        let mut test = five_batches();
        assert!(test.log.advance_log_start(4).expect("moves"));
        for offset in [-1, 3, 11] {
            match test.log.reader().read(offset, ALL) {
                Err(ReadError::OffsetOutOfRange {
                    offset: found,
                    log_start_offset: 4,
                    log_end_offset: 10,
                }) => {
                    assert_eq!(found, offset);
                }
                other => panic!("{offset}: {other:?}"),
            }
        }
        check(&test, 4, ALL, &[(4, 5)], 6);
    }

    #[test]
    fn reads_and_appends_go_on_after_idle_files_were_released() {
        let mut test = five_batches();
        for _ in 0..3 {
            test.log.release_idle().expect("closes");
            check(&test, 3, ALL, &[(3, 3), (4, 5)], 6);
            check(&test, 6, ReadLimits { upper_offset: 10, ..ALL }, &[(6, 6), (7, 9)], 10);
            test.append_plain(2, 5000);
            test = test.restarted();
            test.log.release_idle().expect("closes");
        }
        assert_eq!(test.batches_from(10), [10, 11, 12, 13, 14, 15].map(|offset| (offset, offset)));
        test.log.active.segment().load_indexes().expect("loads");
        assert_eq!(test.log.active.segment().index_lens().0, 3, "index entries were kept");
    }

    #[test]
    fn a_log_that_nobody_writes_holds_no_file_and_no_spare_space() {
        let mut test = five_batches();
        let is_open = |test: &TestLog| test.log.active.is_open();
        test.log.release_idle().expect("closes");
        assert!(is_open(&test), "it was written since the last time");
        test.log.release_idle().expect("closes");
        assert!(!is_open(&test));
        assert_eq!(test.disk.open_files(), 0);
        let sizes: u64 =
            test.disk.files().iter().map(|path| test.disk.contents(path).map_or(0, |c| c.len() as u64)).sum();
        assert_eq!(test.disk.used_bytes(), sizes, "nothing is reserved");
        test.append_plain(1, 10);
        assert_eq!(test.batches_from(6), [(6, 6), (7, 9), (10, 10)]);
        let test = test.reopened(crate::testing::options());
        assert_eq!(test.batches_from(6), [(6, 6), (7, 9), (10, 10)]);
    }

    #[test]
    fn a_slice_outlives_the_deletion_of_its_segment_and_a_view_the_renaming() {
        let mut test = five_batches();
        let reader = test.log.reader();
        let slice = reader.read(0, ALL).expect("in range").slice.expect("batches");
        let old_view = reader.view();
        test.log.release_idle().expect("closes");
        test.log.advance_log_start(6).expect("moves");
        let deletion = test.log.apply_retention(NOW_MS).expect("deletes");
        assert_eq!(offsets(&slice.bytes().expect("reads")), [(0, 2), (3, 3), (4, 5)]);
        let late = read_from(&old_view, 3, ALL).expect("the file is there under its new name");
        assert_eq!(late.next_offset, 6);
        deletion.run(&test.disk).expect("removes");
        assert_eq!(offsets(&slice.bytes().expect("reads")), [(0, 2), (3, 3), (4, 5)]);
    }
}
