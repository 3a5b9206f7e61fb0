//! Small files that are replaced as a whole: checkpoints of offsets, `partition.metadata`.
//!
//! A crash leaves the old contents or the new ones: written beside as `.tmp`, synced, renamed over the old
//! file, the directory synced. Offset checkpoints (one per log directory and purpose) are Kafka's:
//!
//! ```text
//! 0                 version
//! 2                 number of entries
//! orders 0 1200     topic, partition, offset
//! orders 1 0
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, OpenMode, read_file};
use crate::error::LogError;
use crate::partition_name::TopicPartition;

/// Everything below it was durable, per partition.
pub const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
/// Log start offsets moved by DeleteRecords or retention.
pub const LOG_START_CHECKPOINT: &str = "log-start-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARK_CHECKPOINT: &str = "replication-offset-checkpoint";
/// Up to where the cleaner has compacted.
pub const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// Suffix of a file on its way; worthless after a crash.
pub const TEMPORARY_SUFFIX: &str = ".tmp";
/// Largest small file that is believed.
pub(crate) const SMALL_FILE_BYTES_MAX: u64 = 64 << 20;

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// Replaces a file's contents so that a crash leaves the old or the new ones, and makes them durable.
///
/// # Errors
/// The disk's; the old contents are then still there.
pub fn write_atomically(disk: &dyn Disk, path: &Path, contents: &[u8]) -> Result<(), LogError> {
    replace(disk, path, contents, true)?;
    match path.parent() {
        Some(dir) => mutant!("no-dir-sync", disk.sync_dir(dir), Ok(())).map_err(LogError::io("sync", dir)),
        None => Ok(()),
    }
}

/// Replaces a file's contents; the name is durable once the directory is synced. With `sync_contents` a crash
/// leaves the old or the new contents, without it perhaps neither: that is for a file that can be made anew,
/// until a flush syncs it.
pub(crate) fn replace(
    disk: &dyn Disk,
    path: &Path,
    contents: &[u8],
    sync_contents: bool,
) -> Result<(), LogError> {
    let temporary = temporary_path(path);
    let file = disk.open(&temporary, OpenMode::Truncate).map_err(LogError::io("make", &temporary))?;
    file.pwritev(&[IoSlice::new(contents)], 0).map_err(LogError::io("write", &temporary))?;
    if sync_contents {
        file.sync_data().map_err(LogError::io("sync", &temporary))?;
    }
    drop(file);
    disk.rename(&temporary, path).map_err(LogError::io("rename into place", path))
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    name.into()
}

/// Contents of a small text file; `None` if there is no such file.
///
/// # Errors
/// The disk's; [`LogError::Corrupt`] if it is not UTF-8.
pub fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, LogError> {
    let contents = match read_file(disk, path, SMALL_FILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(LogError::io("read", path))?,
    };
    String::from_utf8(contents).map(Some).map_err(|_| corrupt(path, "it is not text"))
}

/// Writes an offset checkpoint.
///
/// # Errors
/// The disk's.
pub fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &Offsets) -> Result<(), LogError> {
    write_atomically(disk, path, encode(offsets).as_bytes())
}

/// Reads an offset checkpoint; a missing or empty file holds no offsets.
///
/// # Errors
/// The disk's; [`LogError::Corrupt`] if it is not an offset checkpoint.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, LogError> {
    let text = read_text(disk, path)?.unwrap_or_default();
    decode(&text).map_err(|problem| corrupt(path, &problem))
}

fn corrupt(path: &Path, problem: &str) -> LogError {
    let path = path.to_path_buf();
    LogError::Corrupt {
        path,
        problem: format!("{problem}; delete it and restart: what it says is then found out anew"),
    }
}

fn encode(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
    }
    text
}

fn decode(text: &str) -> Result<Offsets, String> {
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(Offsets::new()) };
    if version != "0" {
        return Err(format!("its version is {version:?}, only 0 is known"));
    }
    let Some(announced) = lines.next() else { return Ok(Offsets::new()) };
    let mut count = 0_usize;
    let mut offsets = Offsets::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let (topic, partition, offset) = (words.next(), words.next(), words.next());
        let parsed = partition.and_then(|p| p.parse().ok()).zip(offset.and_then(|o| o.parse().ok()));
        match (topic, parsed, words.next()) {
            (Some(topic), Some((partition, offset)), None) => {
                offsets.insert(TopicPartition { topic: topic.to_owned(), partition }, offset);
                count += 1;
            }
            _ => return Err(format!("line {line:?} is not a topic, a partition and an offset")),
        }
    }
    if announced.parse() != Ok(count) {
        return Err(format!("it announces {announced} entries and has {count}"));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::real::RealDisk;

    fn offsets(entries: &[(&str, i32, i64)]) -> Offsets {
        let entries = entries.iter();
        entries
            .map(|(topic, p, o)| (TopicPartition { topic: (*topic).to_owned(), partition: *p }, *o))
            .collect()
    }

    #[test]
    fn the_format_is_kafkas() {
        let some = offsets(&[("orders", 0, 1200), ("orders", 10, 0), ("a.b_c-d", 1, i64::MAX)]);
        let text = encode(&some);
        assert_eq!(text, "0\n3\na.b_c-d 1 9223372036854775807\norders 0 1200\norders 10 0\n");
        assert_eq!(decode(&text), Ok(some));
        assert_eq!(decode(""), Ok(Offsets::new()));
        assert_eq!(decode("0\n"), Ok(Offsets::new()));
    }

    #[test]
    fn damage_is_found() {
        for text in [
            "1\n0\n",
            "0\n2\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 1 2\n",
            "0\n1\na x 1\n",
            "0\nx\n",
            "0\n0\na 0 1\n",
        ] {
            assert!(decode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn replacing_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join(RECOVERY_POINT_CHECKPOINT);
        assert_eq!(read_offsets(&RealDisk, &path).expect("missing is empty"), Offsets::new());
        for offset in [1, 22, 3] {
            let written = offsets(&[("t", 0, offset)]);
            write_offsets(&RealDisk, &path, &written).expect("write");
            assert_eq!(read_offsets(&RealDisk, &path).expect("read"), written);
        }
        assert_eq!(RealDisk.list(dir.path()).expect("list").len(), 1);
    }
}
