//! Names of the files in a partition's directory.
//!
//! ```text
//! 00000000000000000042.log        batches from offset 42 on
//! 00000000000000000042.index      offset index            00000000000000000042.timeindex   time index
//! 00000000000000000042.txnindex   aborted transactions    00000000000000000042.snapshot    producers below 42
//! ….cleaned   being written by the cleaner; worthless after a crash
//! ….swap      finished by the cleaner, about to replace older files; completed after a crash
//! ….deleted   no longer part of the log; removed after file.delete.delay.ms, or on start
//! leader-epoch-checkpoint  partition.metadata
//! ```

use std::path::{Path, PathBuf};

/// What a file of a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `.log`: the batches.
    Log,
    /// `.index`: offset to position.
    OffsetIndex,
    /// `.timeindex`: timestamp to offset.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TransactionIndex,
    /// `.snapshot`: producer states below the offset in its name.
    Snapshot,
}

impl FileKind {
    /// The kinds that make up a segment; the snapshot is not among them, it can stand alone.
    pub const SEGMENT: [Self; 4] = [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TransactionIndex];

    fn extension(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TransactionIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    fn from_extension(extension: &str) -> Option<Self> {
        let kinds = [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TransactionIndex, Self::Snapshot];
        kinds.into_iter().find(|kind| kind.extension() == extension)
    }
}

/// In which phase of its life a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Part of the log.
    Live,
    /// Being written by the cleaner.
    Cleaned,
    /// Finished by the cleaner, about to replace older files.
    Swap,
    /// Taken out of the log.
    Deleted,
}

impl Stage {
    fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
            Self::Deleted => ".deleted",
        }
    }
}

/// A file name of a segment, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// The offset in the name.
    pub offset: i64,
    /// What it holds.
    pub kind: FileKind,
    /// Phase of its life.
    pub stage: Stage,
}

impl FileName {
    /// A file that is part of the log.
    pub fn live(offset: i64, kind: FileKind) -> Self {
        Self { offset, kind, stage: Stage::Live }
    }

    /// Takes a name apart; `None` if it is not one of a segment's files.
    pub fn parse(name: &str) -> Option<Self> {
        let stages = [Stage::Cleaned, Stage::Swap, Stage::Deleted];
        let staged = stages.into_iter().find_map(|stage| Some((name.strip_suffix(stage.suffix())?, stage)));
        let (name, stage) = staged.unwrap_or((name, Stage::Live));
        let (digits, extension) = name.split_at_checked(name.find('.')?)?;
        let is_offset = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let offset = digits.parse().ok().filter(|_| is_offset)?;
        Some(Self { offset, kind: FileKind::from_extension(extension)?, stage })
    }

    /// The same file in another phase.
    pub fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// Its path in `dir`.
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:020}{}{}", self.offset, self.kind.extension(), self.stage.suffix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let dir = Path::new("/d");
        for kind in FileKind::SEGMENT.into_iter().chain([FileKind::Snapshot]) {
            for stage in [Stage::Live, Stage::Cleaned, Stage::Swap, Stage::Deleted] {
                let name = FileName { offset: 42, kind, stage };
                let path = name.path(dir);
                let text = path.file_name().and_then(|text| text.to_str()).unwrap_or_default();
                assert_eq!(FileName::parse(text), Some(name), "{text}");
            }
        }
        let path = FileName::live(42, FileKind::TimeIndex).path(dir);
        assert_eq!(path, Path::new("/d/00000000000000000042.timeindex"));
    }

    #[test]
    fn other_names_are_not_mistaken() {
        for name in [
            "leader-epoch-checkpoint",
            "partition.metadata",
            "1.logs",
            ".log",
            "-1.log",
            "+1.log",
            "x.log",
            "1",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
