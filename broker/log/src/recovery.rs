//! Opening a log, and what that takes after a crash.
//!
//! After an orderly stop nothing is scanned: the segments are listed and sized, the last batch is looked up,
//! the snapshot at the log end gives the producers. After any other stop the segments from the recovery point
//! on are read whole: each batch must have the right CRC and offsets that rise; the log is cut at the first
//! that has not, indexes, transaction index and producer states are made anew. What lies below the recovery
//! point was synced before it moved and is believed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rkafka_record::BatchRef;

use crate::append::aborted_entry;
use crate::checkpoint::{read_text, write_atomically};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::epoch::{LEADER_EPOCH_CHECKPOINT, LeaderEpochs};
use crate::error::{LogError, ReadError};
use crate::files::{FileKind, FileName, Stage};
use crate::health::DirHealth;
use crate::index_builder::IndexBuilder;
use crate::leftovers::{Settled, settle};
use crate::log::{Log, Opened};
use crate::place::Home;
use crate::producer::{ProducerBatch, ProducerStates};
use crate::replay::{rebuild_epochs, replay_producers};
use crate::scan::BatchPlace;
use crate::segment::{Segment, SegmentFiles};
use crate::segment_writer::SegmentWriter;
use crate::snapshots::Snapshots;
use crate::txn_index::AbortedEntry;

/// What is known about a log before it is opened; comes from the checkpoints of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Everything below it was durable when the checkpoint was written; -1 if no checkpoint tells.
    pub recovery_point: i64,
    /// Up to where the cleaner has been, 0 if it has not. Only what is durable is cleaned, and Apache Kafka's
    /// cleaner leaves gaps between segments: those up to here are believed. Behind it a gap is taken for the
    /// loss of what was there, if the recovery point is known.
    pub cleaned_to: i64,
    /// Log start offset set by DeleteRecords or retention; 0 if none is known.
    pub log_start_offset: i64,
    /// The last stop was orderly: nothing is scanned.
    pub clean_shutdown: bool,
    /// Wall time, milliseconds since 1970.
    pub now_ms: i64,
}

/// What opening had to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments whose batches were read and checked.
    pub segments_scanned: usize,
    /// Bytes cut off behind the first damage.
    pub bytes_truncated: u64,
    /// Segments removed because they lay behind the first damage, or below the log start.
    pub segments_removed: usize,
    /// Segments whose index files were made anew.
    pub indexes_rebuilt: usize,
    /// Why something was cut or made anew, one line each, for the operator.
    pub notes: Vec<String>,
}

impl Log {
    /// Opens the log in `dir` (made if missing), recovering what a crash left. The high watermark begins at
    /// the log start; the caller raises it to its checkpoint.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        config: Arc<LogConfig>,
        options: OpenOptions,
    ) -> Result<(Log, RecoveryReport), LogError> {
        Self::open_in(disk, dir, name, config, options, DirHealth::new(dir))
    }

    /// [`open`](Self::open) for a log in a log directory whose state it shares with others.
    ///
    /// # Errors
    /// The disk's.
    pub fn open_in(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        config: Arc<LogConfig>,
        options: OpenOptions,
        health: DirHealth,
    ) -> Result<(Log, RecoveryReport), LogError> {
        health.check()?;
        let home = Home::new(disk, dir);
        let mut opening =
            Opening { home: &home, config: &config, options, report: RecoveryReport::default() };
        let opened = health.watch(opening.run())?;
        let report = opening.report;
        Ok((Log::assemble(home, name, config, health, opened), report))
    }
}

/// What is gathered while opening.
struct Parts {
    segments: Vec<Arc<Segment>>,
    snapshots: Snapshots,
    epochs: LeaderEpochs,
    /// Producers as of the end of what was scanned.
    states: Option<ProducerStates>,
}

/// What opening has found to be necessary.
struct Plan {
    /// Index of the first segment to scan; `None` if none must be.
    scan_from: Option<usize>,
    /// The log end, if it is known without scanning.
    log_end_offset: Option<i64>,
}

struct Opening<'a> {
    home: &'a Arc<Home>,
    config: &'a LogConfig,
    options: OpenOptions,
    report: RecoveryReport,
}

impl Opening<'_> {
    fn run(&mut self) -> Result<Opened, LogError> {
        let settled = settle(&self.home.disk, &self.home.dir())?;
        self.report.notes.extend(settled.notes.iter().cloned());
        let mut parts = Parts {
            segments: self.find_segments(&settled)?,
            snapshots: Snapshots::new(settled.offsets(FileKind::Snapshot)),
            epochs: LeaderEpochs::new(),
            states: None,
        };
        let epochs_on_disk = self.read_epochs(&mut parts)?;
        let plan = self.plan(&parts.segments)?;
        if let Some(first) = plan.scan_from {
            Scan { opening: self, parts: &mut parts, epochs_doubtful: false }.run(first)?;
        }
        // Scanning has made those of the later segments anew.
        let unscanned = plan.scan_from.unwrap_or(usize::MAX);
        self.rebuild_missing_indexes(&settled, &parts.segments, unscanned)?;
        let mut log_end_offset = match plan.log_end_offset {
            Some(known) => known,
            None => self.end_offset(&parts.segments)?,
        };
        if log_end_offset < self.options.log_start_offset {
            self.restart_at_log_start(&mut parts, log_end_offset)?;
            log_end_offset = self.options.log_start_offset;
        }
        let first_base = parts.segments.first().map_or(0, |first| first.base_offset());
        let log_start_offset = first_base.max(self.options.log_start_offset);
        let producers = self.producers(&mut parts, log_end_offset)?;
        let mut epochs_inside = epochs_on_disk.clone();
        for epochs in epochs_inside.iter_mut().chain([&mut parts.epochs]) {
            epochs.truncate_from_end(log_end_offset);
            epochs.truncate_from_start(log_start_offset);
        }
        let mut epochs_unwritten = epochs_on_disk.as_ref() != Some(&parts.epochs);
        // A file from which the same is derived can wait for the next append: thousands of logs are opened.
        if epochs_inside.as_ref() != Some(&parts.epochs) {
            self.write_epochs(&parts.epochs)?;
            epochs_unwritten = false;
        }
        // After an orderly stop that left nothing to be done everything is durable.
        let is_new = parts.segments.is_empty();
        let new_names = is_new || plan.scan_from.is_some() || self.report != RecoveryReport::default();
        let active = self.active(&mut parts.segments, log_start_offset)?;
        let recovery_point = match plan.scan_from {
            // An orderly stop synced everything.
            None => log_end_offset,
            // Moves only with a sync: another crash must scan the same again.
            Some(_) => self.options.recovery_point.clamp(0, log_end_offset),
        };
        let Parts { segments, snapshots, epochs, .. } = parts;
        // Thousands of logs are opened and few are used at once.
        segments.iter().for_each(|segment| segment.release());
        let now_ms = self.options.now_ms;
        Ok(Opened {
            segments,
            active,
            producers,
            snapshots,
            epochs,
            epochs_unwritten,
            log_start_offset,
            log_end_offset,
            recovery_point,
            now_ms,
            new_names,
            new_dir: settled.made_dir || !self.options.clean_shutdown,
        })
    }

    /// The writer of the last segment, which is made if there is none.
    fn active(
        &self,
        segments: &mut Vec<Arc<Segment>>,
        log_start_offset: i64,
    ) -> Result<SegmentWriter, LogError> {
        let now_ms = self.options.now_ms;
        if let Some(last) = segments.last() {
            return Ok(SegmentWriter::resume(Arc::clone(last), now_ms));
        }
        let writer = SegmentWriter::create(self.home, log_start_offset, Stage::Live, now_ms)?;
        segments.push(Arc::clone(writer.segment()));
        Ok(writer)
    }

    fn note(&mut self, note: std::fmt::Arguments<'_>) {
        let note = note.to_string();
        tracing::warn!(dir = %self.home.dir().display(), "{note}");
        self.report.notes.push(note);
    }

    fn unreadable(&self, error: ReadError) -> LogError {
        match error {
            ReadError::Log(error) => error,
            other => LogError::Corrupt { path: self.home.dir().to_path_buf(), problem: other.to_string() },
        }
    }

    fn find_segments(&self, settled: &Settled) -> Result<Vec<Arc<Segment>>, LogError> {
        let mut segments = Vec::new();
        for base_offset in settled.base_offsets() {
            let path = FileName::live(base_offset, FileKind::Log).path(&self.home.dir());
            let stat = self.home.disk.stat(&path).map_err(LogError::io("size", &path))?;
            let has_transactions = settled.has(base_offset, FileKind::TransactionIndex);
            let files = SegmentFiles { base_offset, stage: Stage::Live, stat, has_transactions };
            segments.push(Arc::new(Segment::new(Arc::clone(self.home), files)));
        }
        Ok(segments)
    }

    /// Decides what must be scanned.
    fn plan(&mut self, segments: &[Arc<Segment>]) -> Result<Plan, LogError> {
        let mut plan = Plan { scan_from: None, log_end_offset: None };
        if self.options.clean_shutdown {
            plan.log_end_offset = self.whole_end(segments)?;
            if plan.log_end_offset.is_none() {
                self.note(format_args!(
                    "the last segment does not end with a batch in spite of an orderly stop"
                ));
                plan.scan_from = segments.len().checked_sub(1);
            }
        } else {
            let point = self.options.recovery_point;
            let floor = segments.partition_point(|segment| segment.base_offset() <= point).saturating_sub(1);
            plan.scan_from = Some(floor);
        }
        // Few logs have transaction indexes; a bad one is made anew by scanning its segment.
        for (index, segment) in segments.iter().enumerate() {
            match segment.transactions().with_entries(|_| ()) {
                Err(error @ LogError::Corrupt { .. }) => {
                    self.note(format_args!("{error}"));
                    let scan_from = plan.scan_from.map_or(index, |first| first.min(index));
                    return Ok(Plan { scan_from: Some(scan_from), log_end_offset: None });
                }
                other => other?,
            }
        }
        Ok(plan)
    }

    /// The log end, if the last segment's last batch is whole and nothing follows it.
    fn whole_end(&self, segments: &[Arc<Segment>]) -> Result<Option<i64>, LogError> {
        let Some(last) = segments.last() else { return Ok(Some(self.options.log_start_offset)) };
        match last.last_batch(last.size()) {
            Ok(Some(batch)) => Ok((batch.end() == last.size()).then_some(batch.last_offset + 1)),
            Ok(None) => Ok((last.size() == 0).then_some(last.base_offset())),
            Err(ReadError::Log(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Reads the epochs, or makes them anew. Returns what the file holds, if it can be used.
    fn read_epochs(&mut self, parts: &mut Parts) -> Result<Option<LeaderEpochs>, LogError> {
        let text = match read_text(&*self.home.disk, &self.home.dir().join(LEADER_EPOCH_CHECKPOINT)) {
            Err(LogError::Corrupt { problem, .. }) => Err(problem),
            other => Ok(other?),
        };
        let decoded = match text {
            Ok(Some(text)) => LeaderEpochs::decode(text.as_bytes()).map_err(|error| error.to_string()),
            // A log that was never led or written has none.
            Ok(None) if parts.segments.iter().all(|segment| segment.size() == 0) => Ok(LeaderEpochs::new()),
            Ok(None) => Err("it is missing".to_owned()),
            Err(problem) => Err(problem),
        };
        match decoded {
            Ok(epochs) => {
                parts.epochs = epochs;
                Ok(Some(parts.epochs.clone()))
            }
            Err(problem) => {
                self.note(format_args!("{LEADER_EPOCH_CHECKPOINT} is unusable ({problem}), made anew"));
                parts.epochs = rebuild_epochs(&parts.segments).map_err(|error| self.unreadable(error))?;
                Ok(None)
            }
        }
    }

    fn write_epochs(&self, epochs: &LeaderEpochs) -> Result<(), LogError> {
        write_atomically(
            &*self.home.disk,
            &self.home.dir().join(LEADER_EPOCH_CHECKPOINT),
            epochs.encode().as_bytes(),
        )
    }

    /// Sealed segments always have index files; whoever removed them wants them made anew.
    fn rebuild_missing_indexes(
        &mut self,
        settled: &Settled,
        segments: &[Arc<Segment>],
        unscanned: usize,
    ) -> Result<(), LogError> {
        for (index, segment) in segments.iter().enumerate().take(unscanned) {
            let base_offset = segment.base_offset();
            let complete = settled.has(base_offset, FileKind::OffsetIndex)
                && (settled.has(base_offset, FileKind::TimeIndex));
            let is_active = index + 1 == segments.len();
            let has_entries = segment.size() > self.config.index_interval_bytes;
            if complete || segment.size() == 0 || (is_active && !has_entries) {
                continue;
            }
            let mut builder = IndexBuilder::new(base_offset, self.config.index_interval_bytes);
            let mut headers = segment.headers(0, segment.size())?;
            while let Ok(Some(place)) = headers.next() {
                builder.add(&place);
            }
            write_indexes(segment, builder, is_active)?;
            self.report.indexes_rebuilt += 1;
        }
        Ok(())
    }

    fn end_offset(&self, segments: &[Arc<Segment>]) -> Result<i64, LogError> {
        let Some(last) = segments.last() else { return Ok(self.options.log_start_offset) };
        let batch = last.last_batch(last.size()).map_err(|error| self.unreadable(error))?;
        Ok(batch.map_or(last.base_offset(), |batch| batch.last_offset + 1))
    }

    /// All that is left lies below the log start: the log begins anew there.
    fn restart_at_log_start(&mut self, parts: &mut Parts, log_end_offset: i64) -> Result<(), LogError> {
        let log_start = self.options.log_start_offset;
        if !parts.segments.is_empty() {
            self.note(format_args!(
                "removed all segments: they end at {log_end_offset}, the log starts at {log_start}"
            ));
        }
        self.remove_segments(&mut parts.segments, 0)?;
        parts.snapshots.remove_if(&*self.home.disk, &self.home.dir(), |_| true)?;
        parts.epochs.clear();
        parts.states = None;
        Ok(())
    }

    /// Removes the segments from `first` on, the newest first, so that a crash leaves no gap.
    fn remove_segments(&mut self, segments: &mut Vec<Arc<Segment>>, first: usize) -> Result<(), LogError> {
        while segments.len() > first {
            let Some(segment) = segments.pop() else { break };
            for path in segment.paths() {
                match self.home.disk.remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other.map_err(LogError::io("remove", &path))?,
                }
            }
            self.home.sync()?;
            self.report.segments_removed += 1;
        }
        Ok(())
    }

    /// Producers as of the log end.
    fn producers(&mut self, parts: &mut Parts, log_end_offset: i64) -> Result<ProducerStates, LogError> {
        // One past the end would later be taken for the state of offsets that are written anew.
        if parts.snapshots.remove_if(&*self.home.disk, &self.home.dir(), |offset| offset > log_end_offset)? {
            self.home.sync()?;
        }
        if let Some(mut states) = parts.states.take() {
            states.advance_end_offset(log_end_offset);
            return Ok(states);
        }
        if parts.snapshots.is_empty() {
            // Every roll writes one, and an orderly stop if there are producers: so there are none.
            return Ok(ProducerStates::new(log_end_offset));
        }
        let mut states = self.load_snapshot(&mut parts.snapshots, &parts.segments, log_end_offset)?;
        let replayed = replay_producers(&parts.segments, &mut states, log_end_offset);
        replayed.map_err(|error| self.unreadable(error))?;
        Ok(states)
    }

    fn load_snapshot(
        &self,
        snapshots: &mut Snapshots,
        segments: &[Arc<Segment>],
        offset: i64,
    ) -> Result<ProducerStates, LogError> {
        let start = segments.first().map_or(offset, |first| first.base_offset());
        let (now_ms, expiration_ms) = (self.options.now_ms, self.config.producer_id_expiration_ms);
        snapshots.load(&*self.home.disk, &self.home.dir(), start, offset, now_ms, expiration_ms)
    }
}

/// Reads and checks the segments behind the recovery point.
struct Scan<'a, 'b> {
    opening: &'a mut Opening<'b>,
    parts: &'a mut Parts,
    epochs_doubtful: bool,
}

/// What a batch must not be.
enum Fault {
    Damage(String),
    Disk(LogError),
}

impl Scan<'_, '_> {
    /// Scans from segment `first` on and cuts the log at the first damage. Leaves the producers at its end.
    fn run(&mut self, first: usize) -> Result<(), LogError> {
        let Some(base_offset) = self.parts.segments.get(first).map(|segment| segment.base_offset()) else {
            return Ok(());
        };
        let home = Arc::clone(self.opening.home);
        let (disk, dir) = (&*home.disk, &*home.dir());
        // Those behind are made anew at the segment boundaries.
        self.parts.snapshots.remove_if(disk, dir, |offset| offset > base_offset)?;
        let mut states =
            self.opening.load_snapshot(&mut self.parts.snapshots, &self.parts.segments, base_offset)?;
        let replayed = replay_producers(&self.parts.segments, &mut states, base_offset);
        replayed.map_err(|error| self.opening.unreadable(error))?;
        let mut index = first;
        while let Some(segment) = self.parts.segments.get(index).cloned() {
            states.advance_end_offset(segment.base_offset());
            if index > first {
                match self.parts.snapshots.write(disk, dir, &states) {
                    // Another recovery then begins with an older one and reads more.
                    Err(error) if error.is_disk_full() => tracing::warn!(%error, "snapshot left out"),
                    other => other?,
                }
            }
            self.opening.report.segments_scanned += 1;
            index += 1;
            let next_base = self.parts.segments.get(index).map(|next| next.base_offset());
            let damage = self.segment(&segment, next_base, &mut states)?;
            if let Some(damage) = damage.or_else(|| self.hole(states.end_offset(), next_base)) {
                let (base_offset, size) = (segment.base_offset(), segment.size());
                let behind = self.parts.segments.len() - index;
                let cut = format_args!(
                    "cut segment {base_offset} at byte {size}: {damage}; {behind} later ones removed"
                );
                self.opening.note(cut);
                self.opening.remove_segments(&mut self.parts.segments, index)?;
            }
        }
        if self.epochs_doubtful {
            self.opening.note(format_args!("{LEADER_EPOCH_CHECKPOINT} contradicts the batches, made anew"));
            let rebuilt = rebuild_epochs(&self.parts.segments);
            self.parts.epochs = rebuilt.map_err(|error| self.opening.unreadable(error))?;
        }
        self.parts.states = Some(states);
        Ok(())
    }

    /// A power cut may keep a later segment and lose the end of the one before it, cut neatly between two
    /// batches. Segments that were never compacted follow one another without a gap, and so do those that our
    /// own cleaner made.
    fn hole(&self, end_offset: i64, next_base: Option<i64>) -> Option<String> {
        let OpenOptions { recovery_point, cleaned_to, .. } = self.opening.options;
        // Below these nothing can have been lost.
        let believed = recovery_point.max(cleaned_to);
        let next_base = next_base.filter(|next| end_offset < *next && *next > believed)?;
        (recovery_point >= 0)
            .then(|| format!("it ends at offset {end_offset}, the next one begins at {next_base}"))
    }

    /// Scans one segment, makes its indexes anew and cuts it at the first damage, which is returned.
    fn segment(
        &mut self,
        segment: &Segment,
        next_base: Option<i64>,
        states: &mut ProducerStates,
    ) -> Result<Option<String>, LogError> {
        let base_offset = segment.base_offset();
        let mut builder = IndexBuilder::new(base_offset, self.opening.config.index_interval_bytes);
        let mut aborted = Vec::new();
        let offset_limit = next_base.unwrap_or(i64::MAX).min(base_offset.saturating_add(1 << 31));
        let mut expected = base_offset;
        let mut batches = segment.batches(0, segment.size())?;
        let (valid_bytes, damage) = loop {
            let position = batches.position();
            let checked = match batches.next() {
                Ok(None) => break (position, None),
                Ok(Some((_, batch))) => {
                    self.batch(position, &batch, expected..offset_limit, states, &mut aborted)
                }
                Err(ReadError::Log(error)) => Err(Fault::Disk(error)),
                Err(other) => Err(Fault::Damage(other.to_string())),
            };
            match checked {
                Ok(place) => {
                    expected = place.last_offset + 1;
                    builder.add(&place);
                }
                Err(Fault::Damage(damage)) => break (position, Some(damage)),
                Err(Fault::Disk(error)) => return Err(error),
            }
        };
        if mutant!("skip-zero-tail-stop", valid_bytes < segment.size(), false) {
            self.cut(segment, valid_bytes)?;
        }
        if next_base.is_none() {
            // What the killed writer took ahead; the next one takes its own.
            let released = segment.file()?.release_reserve();
            released.map_err(segment.place(FileKind::Log).failed("give back space of"))?;
        }
        write_indexes(segment, builder, next_base.is_none())?;
        segment.transactions().rewrite(aborted)?;
        self.opening.report.indexes_rebuilt += 1;
        Ok(damage)
    }

    /// Checks a batch and takes it into producer states and epochs.
    fn batch(
        &mut self,
        position: u64,
        batch: &BatchRef<'_>,
        offsets: std::ops::Range<i64>,
        states: &mut ProducerStates,
        aborted: &mut Vec<AbortedEntry>,
    ) -> Result<BatchPlace, Fault> {
        mutant!("skip-crc", batch.check_crc(), Ok(())).map_err(|error| Fault::Damage(error.to_string()))?;
        let place = BatchPlace::new(position, batch);
        if place.base_offset < offsets.start || place.last_offset >= offsets.end {
            let (first, last) = (place.base_offset, place.last_offset);
            return Err(Fault::Damage(format!("offsets {first} to {last} where {offsets:?} are possible")));
        }
        let completed = states.update(&ProducerBatch::new(batch, place.base_offset));
        aborted.extend(
            completed.filter(|completed| completed.aborted).map(|completed| aborted_entry(&completed)),
        );
        self.epoch(&place);
        Ok(place)
    }

    fn epoch(&mut self, place: &BatchPlace) {
        let log_start_offset = self.opening.options.log_start_offset;
        if place.leader_epoch < 0 || place.last_offset < log_start_offset {
            return;
        }
        // The log may start in the middle of the batch.
        let offset = place.base_offset.max(log_start_offset);
        if self.parts.epochs.latest_epoch().is_none_or(|latest| latest < place.leader_epoch) {
            self.parts.epochs.assign(place.leader_epoch, offset);
        } else {
            let epochs = [offset, place.last_offset].map(|offset| self.parts.epochs.epoch_for_offset(offset));
            self.epochs_doubtful |= epochs != [Some(place.leader_epoch); 2];
        }
    }

    fn cut(&mut self, segment: &Segment, valid_bytes: u64) -> Result<(), LogError> {
        let (place, file) = (segment.place(FileKind::Log), segment.file()?);
        file.truncate(valid_bytes).map_err(place.failed("cut"))?;
        file.sync_data().map_err(place.failed("sync"))?;
        self.opening.report.bytes_truncated += segment.size() - valid_bytes;
        segment.set_size(valid_bytes, self.opening.options.now_ms);
        Ok(())
    }
}

/// Leaves both index files of a segment. On a full disk there are none: look-ups make them in memory, the
/// next start tries again.
fn write_indexes(segment: &Segment, builder: IndexBuilder, is_active: bool) -> Result<(), LogError> {
    let (offsets, times) = builder.finish();
    let written = if is_active && offsets.is_empty() {
        // Too small to need one; making thousands of files would be most of a start's time.
        segment.offset_index().clear().and_then(|()| segment.time_index().clear())
    } else {
        segment.offset_index().rewrite(&offsets).and_then(|()| segment.time_index().rewrite(&times))
    };
    match written {
        Err(error) if error.is_disk_full() => {
            tracing::warn!(%error, "index left out");
            segment.offset_index().remove()?;
            segment.time_index().remove()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
