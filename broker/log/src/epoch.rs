//! Which leader epoch wrote which offsets: `leader-epoch-checkpoint` (KIP-101, KIP-279).
//!
//! [`LeaderEpochs`] is the pure list; the file is made and read by [`encode`](LeaderEpochs::encode) and
//! [`decode`](LeaderEpochs::decode) and written by the log. Followers and consumers find with it where their
//! history parts from the leader's.
//!
//! ```text
//! 0            version
//! 2            number of entries
//! 0 0          leader epoch, start offset
//! 3 1200
//! ```

/// "Not known", for an epoch and for an offset, as the wire says it.
pub const UNDEFINED_EPOCH: i32 = -1;
/// "Not known" for an offset.
pub const UNDEFINED_EPOCH_OFFSET: i64 = -1;

/// Name of the file in the partition's directory.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

const VERSION: &str = "0";

/// One leader's reign: all offsets from `start_offset` to the next entry's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochEntry {
    /// Leader epoch, ≥ 0.
    pub epoch: i32,
    /// Offset of the first batch of this epoch.
    pub start_offset: i64,
}

/// Answer to "where does epoch e end here?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// Largest epoch ≤ the one asked for, or -1.
    pub epoch: i32,
    /// The offset behind its last record, or -1.
    pub end_offset: i64,
}

/// Why a checkpoint file cannot be used; the cure is to rebuild it from the batches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("leader-epoch-checkpoint line {line}: {problem}")]
pub struct EpochFileError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The leader epochs of one partition's log, both columns strictly rising.
///
/// Owned by the partition's `Log`, changed only by its single writer. Every change that returns `true` is to
/// be written to the file before a batch of the new epoch is acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// No epochs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `epoch` writes from `start_offset` on. Returns whether anything changed.
    ///
    /// The latest epoch cannot be given a later start. Entries that the new one contradicts (higher epoch or
    /// higher start) are removed: they belong to a history that has been truncated.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || start_offset < 0 {
            debug_assert!(false, "leader epoch {epoch} at offset {start_offset} cannot be");
            return false;
        }
        if let Some(latest) = self.latest()
            && latest.epoch == epoch
            && latest.start_offset <= start_offset
        {
            return false;
        }
        while self.latest().is_some_and(|last| last.epoch >= epoch || last.start_offset >= start_offset) {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// Where `requested_epoch` ends in this log (KIP-101, KIP-279): the latest epoch ends at
    /// `log_end_offset`; one newer than the latest is unknown; one older than the first "ends" where the
    /// first begins; any other is answered with the largest known epoch ≤ it and the start of the next.
    pub fn end_offset_for(&self, requested_epoch: i32, log_end_offset: i64) -> EpochEndOffset {
        const UNDEFINED: EpochEndOffset =
            EpochEndOffset { epoch: UNDEFINED_EPOCH, end_offset: UNDEFINED_EPOCH_OFFSET };
        if requested_epoch == UNDEFINED_EPOCH {
            return UNDEFINED;
        }
        if self.latest_epoch() == Some(requested_epoch) {
            return EpochEndOffset { epoch: requested_epoch, end_offset: log_end_offset };
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= requested_epoch);
        let Some(next) = self.entries.get(higher) else { return UNDEFINED };
        let floor = higher.checked_sub(1).and_then(|index| self.entries.get(index));
        EpochEndOffset {
            epoch: floor.map_or(requested_epoch, |entry| entry.epoch),
            end_offset: next.start_offset,
        }
    }

    /// The epoch that wrote `offset`, if it is known.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let behind = self.entries.partition_point(|entry| entry.start_offset <= offset);
        behind.checked_sub(1).and_then(|index| self.entries.get(index)).map(|entry| entry.epoch)
    }

    /// The log was cut to end at `end_offset`: forgets epochs that begin at or behind it. Returns whether any
    /// did.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        let changed = kept < self.entries.len();
        self.entries.truncate(kept);
        changed
    }

    /// The log now starts at `start_offset`: forgets epochs that end at or before it and lets the one that
    /// spans it begin there. Returns whether anything changed.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let begun = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(spanning) = begun.checked_sub(1) else { return false };
        self.entries.drain(..spanning);
        match self.entries.first_mut() {
            Some(first) if spanning > 0 || first.start_offset < start_offset => {
                first.start_offset = start_offset;
                true
            }
            _ => false,
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The newest entry.
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The newest epoch.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.latest().map(|entry| entry.epoch)
    }

    /// The oldest entry.
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The newest entry older than `epoch`.
    pub fn previous(&self, epoch: i32) -> Option<EpochEntry> {
        let older = self.entries.partition_point(|entry| entry.epoch < epoch);
        older.checked_sub(1).and_then(|index| self.entries.get(index)).copied()
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// Content of the checkpoint file.
    pub fn encode(&self) -> String {
        let mut text = format!("{VERSION}\n{}\n", self.entries.len());
        for entry in &self.entries {
            text.push_str(&format!("{} {}\n", entry.epoch, entry.start_offset));
        }
        text
    }

    /// Reads a checkpoint file. Entries that contradict later ones are dropped, as [`assign`](Self::assign)
    /// does.
    ///
    /// # Errors
    /// [`EpochFileError`] naming the first line that is not of the format, or missing.
    pub fn decode(file: &[u8]) -> Result<Self, EpochFileError> {
        let failed = |line, problem| EpochFileError { line, problem };
        let text = std::str::from_utf8(file).map_err(|_| failed(1, "is not text"))?;
        let mut lines = text.lines();
        if lines.next().map(str::trim) != Some(VERSION) {
            return Err(failed(1, "is not the version 0"));
        }
        let count = lines.next().and_then(|line| line.trim().parse::<usize>().ok());
        let count = count.ok_or_else(|| failed(2, "is not the number of entries"))?;
        let mut epochs = Self::new();
        for line in 3..count.saturating_add(3) {
            let text = lines.next().ok_or_else(|| failed(line, "is missing"))?;
            let entry =
                parse_entry(text).ok_or_else(|| failed(line, "is not `<leader epoch> <start offset>`"))?;
            epochs.assign(entry.epoch, entry.start_offset);
        }
        match lines.next() {
            Some(_) => Err(failed(count.saturating_add(3), "is one more than announced")),
            None => Ok(epochs),
        }
    }

    /// Panics unless both columns rise; for tests and simulation.
    pub fn check_invariants(&self) {
        for pair in self.entries.windows(2) {
            if let [earlier, later] = pair {
                assert!(earlier.epoch < later.epoch, "epochs do not rise: {earlier:?} {later:?}");
                assert!(
                    earlier.start_offset < later.start_offset,
                    "offsets do not rise: {earlier:?} {later:?}"
                );
            }
        }
    }
}

fn parse_entry(line: &str) -> Option<EpochEntry> {
    let mut fields = line.split_whitespace();
    let epoch = fields.next()?.parse().ok().filter(|epoch| *epoch >= 0)?;
    let start_offset = fields.next()?.parse().ok().filter(|offset| *offset >= 0)?;
    fields.next().is_none().then_some(EpochEntry { epoch, start_offset })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new();
        for (epoch, start_offset) in entries {
            epochs.assign(*epoch, *start_offset);
        }
        epochs
    }

    fn pairs(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|entry| (entry.epoch, entry.start_offset)).collect()
    }

    #[test]
    fn end_offsets_follow_kip_101_and_279() {
        let known = epochs(&[(2, 10), (4, 20), (7, 30)]);
        let check = |asked, epoch, end_offset| {
            assert_eq!(
                known.end_offset_for(asked, 44),
                EpochEndOffset { epoch, end_offset },
                "epoch {asked}"
            );
        };
        check(7, 7, 44); // the latest ends at the log end
        check(8, -1, -1); // newer than any
        check(-1, -1, -1);
        check(0, 0, 10); // older than any: where the first begins
        check(2, 2, 20);
        check(3, 2, 20); // unknown in between: the largest below it
        check(6, 4, 30);
        let none = LeaderEpochs::new().end_offset_for(3, 9);
        assert_eq!(none, EpochEndOffset { epoch: UNDEFINED_EPOCH, end_offset: UNDEFINED_EPOCH_OFFSET });
    }

    #[test]
    fn assigning_keeps_the_first_start_and_drops_contradictions() {
        let mut known = epochs(&[(1, 10), (3, 20)]);
        assert!(!known.assign(3, 25));
        assert!(!known.assign(3, 20));
        assert!(known.assign(3, 15), "an earlier start is news");
        assert_eq!(pairs(&known), [(1, 10), (3, 15)]);
        assert!(known.assign(2, 30), "a lower epoch replaces what contradicts it");
        assert_eq!(pairs(&known), [(1, 10), (2, 30)]);
        assert!(known.assign(5, 10), "so does a lower start");
        assert_eq!(pairs(&known), [(5, 10)]);
    }

    #[test]
    fn truncation_at_both_ends() {
        let mut known = epochs(&[(1, 10), (2, 20), (4, 30)]);
        assert!(!known.truncate_from_end(31));
        assert!(known.truncate_from_end(30));
        assert_eq!(pairs(&known), [(1, 10), (2, 20)]);
        assert!(!known.truncate_from_start(5));
        assert!(known.truncate_from_start(25));
        assert_eq!(pairs(&known), [(2, 25)]);
        assert!(!known.truncate_from_start(25));
        assert!(known.truncate_from_end(0));
        assert_eq!(pairs(&known), []);
    }

    #[test]
    fn the_file_is_kafkas() {
        let known = epochs(&[(0, 0), (3, 1200)]);
        assert_eq!(known.encode(), "0\n2\n0 0\n3 1200\n");
        assert_eq!(LeaderEpochs::decode(known.encode().as_bytes()), Ok(known));
        let check = |text: &str, line| {
            assert_eq!(LeaderEpochs::decode(text.as_bytes()).map_err(|e| e.line), Err(line), "{text:?}");
        };
        check("", 1);
        check("1\n0\n", 1);
        check("0\n", 2);
        check("0\nx\n", 2);
        check("0\n1\n", 3);
        check("0\n1\n5\n", 3);
        check("0\n1\n5 -6\n", 3);
        check("0\n1\n5 6 7\n", 3);
        check("0\n1\n5 6\n7 8\n", 4);
        assert!(LeaderEpochs::decode(b"0\n1\n\xff\xff 1\n").is_err());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Assign { up: i32, records: i64 },
        End(i64),
        Start(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..3, 0..4_i64).prop_map(|(up, records)| Step::Assign { up, records }),
            1 => (0..30_i64).prop_map(Step::End),
            1 => (0..30_i64).prop_map(Step::Start),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        /// The model holds the epoch of every offset of the log.
        #[test]
        fn agrees_with_an_epoch_per_offset(steps in steps()) {
            let (mut known, mut log, mut start) = (LeaderEpochs::new(), Vec::<i32>::new(), 0_i64);
            let mut epoch = 0;
            for step in steps {
                let end = start + log.len() as i64;
                match step {
                    Step::Assign { up, records } => {
                        epoch += up;
                        if records > 0 {
                            known.assign(epoch, end);
                        }
                        log.extend(std::iter::repeat_n(epoch, records as usize));
                    }
                    Step::End(offset) => {
                        let offset = offset.clamp(start, end);
                        log.truncate((offset - start) as usize);
                        known.truncate_from_end(offset);
                    }
                    Step::Start(offset) => {
                        let offset = offset.clamp(start, end);
                        log.drain(..(offset - start) as usize);
                        start = offset;
                        known.truncate_from_start(offset);
                    }
                }
                known.check_invariants();
                let end = start + log.len() as i64;
                for (offset, epoch) in (start..).zip(&log) {
                    prop_assert_eq!(known.epoch_for_offset(offset), Some(*epoch));
                }
                for asked in known.entries().iter().map(|entry| entry.epoch).filter(|epoch| log.contains(epoch)) {
                    let last = log.iter().rposition(|epoch| *epoch == asked).unwrap_or(0) as i64;
                    let found = known.end_offset_for(asked, end);
                    prop_assert_eq!(found, EpochEndOffset { epoch: asked, end_offset: start + last + 1 });
                }
                prop_assert_eq!(LeaderEpochs::decode(known.encode().as_bytes()), Ok(known.clone()));
            }
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = LeaderEpochs::decode(&bytes);
        }
    }
}
