//! What a stop at any moment can leave in a partition's directory, and how it is settled before the log is
//! opened.
//!
//! | left | what happens | why |
//! |---|---|---|
//! | `.tmp` | removed | a small file or a shortened copy that was not finished |
//! | `.deleted` | removed | its time has come |
//! | `.cleaned` | removed | the cleaner had not finished; the segments it read are still there |
//! | `.swap`, while a `.cleaned` of the same or a lower offset exists | removed | not all of the replacement is finished |
//! | `.swap` otherwise | the segments it replaces are removed, it takes their place | the replacement is complete |
//! | an index without its `.log` | removed | its segment is gone |

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::TEMPORARY_SUFFIX;
use crate::disk::Disk;
use crate::error::{LogError, ReadError};
use crate::files::{FileKind, FileName, Stage};
use crate::place::Home;
use crate::segment::{Segment, SegmentFiles};

/// The settled files of a partition's directory.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// All of stage live.
    pub(crate) files: BTreeSet<FileName>,
    /// What was done, for the operator.
    pub(crate) notes: Vec<String>,
    /// The directory has just been made; its own name is not durable yet.
    pub(crate) made_dir: bool,
}

impl Settled {
    /// Base offsets of the segments.
    pub(crate) fn base_offsets(&self) -> impl Iterator<Item = i64> {
        self.offsets(FileKind::Log)
    }

    /// Offsets of the files of one kind.
    pub(crate) fn offsets(&self, kind: FileKind) -> impl Iterator<Item = i64> {
        self.files.iter().filter(move |name| name.kind == kind).map(|name| name.offset)
    }

    pub(crate) fn has(&self, offset: i64, kind: FileKind) -> bool {
        self.files.contains(&FileName::live(offset, kind))
    }
}

/// Settles a directory.
struct Settling<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    settled: Settled,
    changed: bool,
}

/// Settles what an earlier stop left in `dir`; the names are durable afterwards.
pub(crate) fn settle(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Settled, LogError> {
    let mut settling = Settling { disk, dir, settled: Settled::default(), changed: false };
    let listed = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return make_dir(&**disk, dir),
        other => other.map_err(LogError::io("list", dir))?,
    };
    let mut names = BTreeSet::new();
    for entry in listed.iter().filter(|entry| !entry.is_dir) {
        if entry.name.ends_with(TEMPORARY_SUFFIX) {
            settling.remove_path(&dir.join(&entry.name))?;
        }
        names.extend(FileName::parse(&entry.name));
    }
    settling.split(names)?;
    if settling.changed {
        settling.sync()?;
    }
    Ok(settling.settled)
}

/// A new log: its directory is made. The first flush makes its name durable; before that nothing was
/// promised.
fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<Settled, LogError> {
    disk.create_dir(dir).map_err(LogError::io("make directory", dir))?;
    Ok(Settled { made_dir: true, ..Settled::default() })
}

impl Settling<'_> {
    fn split(&mut self, names: BTreeSet<FileName>) -> Result<(), LogError> {
        let unfinished =
            names.iter().filter(|name| name.stage == Stage::Cleaned).map(|name| name.offset).min();
        let (mut swaps, mut cleaned, mut invalid_swaps) = (Vec::new(), Vec::new(), false);
        for name in names {
            match name.stage {
                Stage::Live => {
                    self.settled.files.insert(name);
                }
                Stage::Swap if unfinished.is_none_or(|unfinished| name.offset < unfinished) => {
                    swaps.push(name);
                }
                Stage::Swap => {
                    self.remove(name)?;
                    invalid_swaps = true;
                }
                Stage::Cleaned => cleaned.push(name),
                Stage::Deleted => self.remove(name)?,
            }
        }
        if invalid_swaps {
            // Only the `.cleaned` files tell that they were not to be completed: these go when the others are
            // gone.
            self.sync()?;
        }
        for name in cleaned {
            self.remove(name)?;
        }
        self.finish_swaps(&swaps)?;
        self.remove_orphans()
    }

    /// Puts finished replacements in the place of the segments they were made from.
    fn finish_swaps(&mut self, swaps: &[FileName]) -> Result<(), LogError> {
        let mut replaced: Option<(i64, i64)> = None;
        for swap in swaps.iter().filter(|swap| swap.kind == FileKind::Log) {
            let end = self.end_offset_of(*swap)?;
            let (from, to) = replaced.unwrap_or((swap.offset, end));
            replaced = Some((from.min(swap.offset), to.max(end)));
        }
        if let Some((from, to)) = replaced {
            let old: Vec<_> = self.settled.files.iter().copied().collect();
            // The snapshots stay: what they tell of lies before the replaced batches.
            let is_replaced =
                |name: &FileName| name.kind != FileKind::Snapshot && (from..to).contains(&name.offset);
            for name in old.into_iter().filter(is_replaced) {
                self.settled.files.remove(&name);
                self.remove(name)?;
            }
            // Without a `.swap` file nobody would know any more that these are replaced.
            self.sync()?;
        }
        // As long as there is a `.log.swap`, live files of its name count as those it replaces.
        let (logs, others): (Vec<_>, Vec<_>) = swaps.iter().partition(|swap| swap.kind == FileKind::Log);
        self.go_live(&logs)?;
        self.go_live(&others)
    }

    fn go_live(&mut self, swaps: &[FileName]) -> Result<(), LogError> {
        for swap in swaps {
            let live = swap.at(Stage::Live);
            let (from, to) = (swap.path(self.dir), live.path(self.dir));
            self.disk.rename(&from, &to).map_err(LogError::io("rename", &from))?;
            self.settled.notes.push(format!("completed the replacement of {}", to.display()));
            self.settled.files.insert(live);
        }
        if swaps.is_empty() { Ok(()) } else { self.sync() }
    }

    /// Offset behind the last batch of a replacement.
    fn end_offset_of(&self, swap: FileName) -> Result<i64, LogError> {
        let path = swap.path(self.dir);
        let stat = self.disk.stat(&path).map_err(LogError::io("size", &path))?;
        let files =
            SegmentFiles { base_offset: swap.offset, stage: Stage::Swap, stat, has_transactions: false };
        let segment = Segment::new(Home::new(Arc::clone(self.disk), self.dir), files);
        match segment.last_batch(stat.len) {
            Ok(last) => Ok(last.map_or(swap.offset, |batch| batch.last_offset + 1)),
            Err(ReadError::Log(error)) => Err(error),
            // Recovery will look at it; the segments in its way are at least the one of its own name.
            Err(_) => Ok(swap.offset + 1),
        }
    }

    fn remove_orphans(&mut self) -> Result<(), LogError> {
        let segments: BTreeSet<i64> = self.settled.base_offsets().collect();
        let is_orphan = |name: &FileName| name.kind != FileKind::Snapshot && !segments.contains(&name.offset);
        let orphans: Vec<_> = self.settled.files.iter().copied().filter(is_orphan).collect();
        for orphan in orphans {
            self.settled.files.remove(&orphan);
            self.settled
                .notes
                .push(format!("removed {}, its segment is gone", orphan.path(self.dir).display()));
            self.remove(orphan)?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), LogError> {
        self.disk.sync_dir(self.dir).map_err(LogError::io("sync", self.dir))
    }

    fn remove(&mut self, name: FileName) -> Result<(), LogError> {
        self.remove_path(&name.path(self.dir))
    }

    fn remove_path(&mut self, path: &Path) -> Result<(), LogError> {
        self.changed = true;
        self.disk.remove_file(path).map_err(LogError::io("remove", path))
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use crate::disk::{Disk, OpenMode};
    use crate::testing::{DIR, NOW_MS, TestLog, clean, config};

    /// Three segments of two batches each, closed in order.
    fn three_segments() -> TestLog {
        let mut test = TestLog::new(config());
        for _ in 0..3 {
            test.append_plain(2, 50);
            test.log.roll(NOW_MS).expect("rolls");
        }
        test.restarted()
    }

    fn put(test: &TestLog, name: &str, contents: &[u8]) {
        let file = test.disk.open(&test.path(name), OpenMode::Truncate).expect("made");
        file.pwritev(&[IoSlice::new(contents)], 0).expect("written");
    }

    fn contents(test: &TestLog, name: &str) -> Vec<u8> {
        test.disk.contents(&test.path(name)).expect("there")
    }

    #[test]
    fn worthless_files_are_removed() {
        let test = three_segments();
        let names = test.names();
        for name in [
            "leader-epoch-checkpoint.tmp",
            "00000000000000000000.log.deleted",
            "00000000000000000000.index.deleted",
            "00000000000000000002.log.cleaned",
            "00000000000000000002.timeindex.cleaned",
            "00000000000000000002.log.swap",
            "00000000000000000004.index.swap",
            "00000000000000000077.index",
            "00000000000000000077.txnindex",
        ] {
            put(&test, name, b"leftover");
        }
        put(&test, "notes-of-the-operator", b"stay");
        let test = test.reopened(clean());
        let mut expected = names;
        expected.push("notes-of-the-operator".to_owned());
        assert_eq!(test.names(), expected);
        assert_eq!(test.batches_from(0).len(), 6);
    }

    #[test]
    fn a_finished_replacement_takes_the_place_of_what_it_was_made_from() {
        let test = three_segments();
        // Segments 0 and 2 merged into one that still ends at offset 3.
        let merged =
            [contents(&test, "00000000000000000000.log"), contents(&test, "00000000000000000002.log")]
                .concat();
        put(&test, "00000000000000000000.log.swap", &merged);
        put(&test, "00000000000000000000.index.swap", b"");
        put(&test, "00000000000000000000.timeindex.swap", b"");
        let test = test.reopened(clean());
        assert_eq!(test.base_offsets(), [0, 4, 6]);
        assert_eq!(test.batches_from(0), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert!(!test.names().iter().any(|name| name.ends_with(".swap")), "{:?}", test.names());
        assert!(test.report.notes.iter().any(|note| note.contains(DIR)), "{:?}", test.report);
    }
}
