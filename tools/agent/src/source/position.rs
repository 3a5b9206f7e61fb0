//! Positions: how far each file's events have arrived, in `.rkafka-positions` of the tracker directory, or beside the
//! position file of a `TAILDIR` source.
//!
//! One JSON object a line, the last of a file counts. A line is written as soon as a batch is acknowledged, so that
//! a kill loses nothing, and synced to disk by a thread of its own, so that reading does not wait for the disk; a
//! power cut repeats what was not synced. Files are known by device, inode and their beginning, not by name: neither
//! a restart nor a new order reads anything twice (Flume's single position by path does).

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    hash::Hasher,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

/// The file's name.
const NAME: &str = ".rkafka-positions";
/// The file whose lock keeps a second agent out.
const LOCK: &str = ".rkafka-lock";
/// After this many bytes only the last line of each file is kept.
const COMPACT_AT: u64 = 1024 * 1024;
/// How much of a file's beginning belongs to its identity.
pub const HEAD: usize = 4096;

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The device it is on.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// How many bytes of its beginning were looked at.
    pub head: u64,
    /// Their hash.
    pub hash: u64,
}

impl Identity {
    /// The identity of an open file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(file: &File) -> io::Result<Identity> {
        let facts = file.metadata()?;
        let head = facts.len().min(HEAD as u64);
        Ok(Identity { device: facts.dev(), inode: facts.ino(), head, hash: hash(file, head)? })
    }

    /// Whether an open file is this one, perhaps grown since.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is(&self, file: &File) -> io::Result<bool> {
        let facts = file.metadata()?;
        let same_place = (facts.dev(), facts.ino()) == (self.device, self.inode);
        Ok(same_place && facts.len() >= self.head && hash(file, self.head)? == self.hash)
    }
}

fn hash(file: &File, length: u64) -> io::Result<u64> {
    let mut head = vec![0; usize::try_from(length).unwrap_or(HEAD).min(HEAD)];
    file.read_exact_at(&mut head, 0)?;
    // A fixed key: the hash is kept on disk.
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(&head);
    Ok(hasher.finish())
}

/// How far a file has been read, or has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// The position behind the last event, in bytes of the text.
    pub offset: u64,
    /// How many events there were before.
    pub events: u64,
    /// How many lines.
    pub lines: u64,
}

/// How far a file has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its path when this was written, for people.
    pub file: String,
    /// Which file.
    #[serde(flatten)]
    pub identity: Identity,
    /// The position behind the last event that has arrived, in bytes (of the text, if it was compressed).
    pub offset: u64,
    /// How many events of it have arrived.
    pub events: u64,
    /// How many lines these were.
    #[serde(default)]
    pub lines: u64,
    /// It is finished: the entry is to be forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// Where positions are kept. Records and positions are apart behind this, so that both can travel in one
/// transaction once there are any.
pub trait Positions: Send {
    /// Where a file's events have arrived, if it was begun.
    fn find(&self, file: &File) -> Option<Position>;
    /// Notes positions of acknowledged events.
    ///
    /// # Errors
    /// They cannot be kept.
    fn note(&mut self, positions: &[Position]) -> io::Result<()>;
    /// Waits until all that was noted is on disk.
    ///
    /// # Errors
    /// It cannot be written.
    fn sync(&mut self) -> io::Result<()>;
}

/// Positions in a file beside the data.
pub struct PositionFile {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    known: HashMap<(u64, u64), Position>,
    /// Held as long as this is: two agents on one directory would both read everything.
    _lock: File,
    /// Asks the syncing thread to sync; one request waits at most.
    syncing: SyncSender<Arc<File>>,
}

impl PositionFile {
    /// Opens the file in the tracker directory, making both if need be.
    ///
    /// # Errors
    /// It cannot be read or made, or another agent has it open.
    pub fn open(tracker: &Path) -> io::Result<PositionFile> {
        PositionFile::open_at(tracker, NAME, LOCK)
    }

    /// The same with other names. A last line that a crash cut is left out.
    ///
    /// # Errors
    /// As [`PositionFile::open`].
    pub fn open_at(folder: &Path, name: &str, lock: &str) -> io::Result<PositionFile> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(lock))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another agent keeps its positions there; stop it first"))?;
        let path = folder.join(name);
        let mut text = String::new();
        match File::open(&path) {
            Ok(mut file) => {
                file.read_to_string(&mut text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut known = HashMap::new();
        for line in text.lines() {
            match serde_json::from_str::<Position>(line) {
                Ok(position) => keep(&mut known, position),
                Err(error) => tracing::warn!("{}: a line is damaged and left out: {error}", path.display()),
            }
        }
        let (file, length) = rewrite(&path, &known)?;
        Ok(PositionFile { path, file: Arc::new(file), length, known, _lock: lock, syncing: syncing_thread() })
    }
}

impl Positions for PositionFile {
    fn find(&self, file: &File) -> Option<Position> {
        let facts = file.metadata().ok()?;
        let position = self.known.get(&(facts.dev(), facts.ino()))?;
        position.identity.is(file).ok()?.then(|| position.clone())
    }

    fn note(&mut self, positions: &[Position]) -> io::Result<()> {
        let mut lines = Vec::new();
        for position in positions {
            serde_json::to_writer(&mut lines, position)?;
            lines.push(b'\n');
        }
        self.file.write_all_at(&lines, self.length)?;
        self.length += lines.len() as u64;
        for position in positions {
            keep(&mut self.known, position.clone());
        }
        if self.length > COMPACT_AT {
            let (file, length) = rewrite(&self.path, &self.known)?;
            (self.file, self.length) = (Arc::new(file), length);
        }
        // Full: a sync is about to begin that will see these lines too.
        let _ = self.syncing.try_send(self.file.clone());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn keep(known: &mut HashMap<(u64, u64), Position>, position: Position) {
    let place = (position.identity.device, position.identity.inode);
    if position.done {
        known.remove(&place);
    } else {
        known.insert(place, position);
    }
}

/// Writes the known positions into a new file that takes the old one's place at once.
fn rewrite(path: &Path, known: &HashMap<(u64, u64), Position>) -> io::Result<(File, u64)> {
    let next = path.with_extension("next");
    let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&next)?;
    let mut lines = Vec::new();
    for position in known.values() {
        serde_json::to_writer(&mut lines, position)?;
        lines.push(b'\n');
    }
    file.write_all(&lines)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok((file, lines.len() as u64))
}

fn syncing_thread() -> SyncSender<Arc<File>> {
    let (sender, requests) = sync_channel::<Arc<File>>(1);
    let run = move || {
        while let Ok(file) = requests.recv() {
            if let Err(error) = file.sync_data() {
                tracing::error!("cannot sync positions to disk: {error}");
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("position-sync".to_owned()).spawn(run) {
        tracing::error!("no thread to sync positions to disk: {error}");
    }
    sender
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(file: &Path, offset: u64) -> Position {
        let identity = Identity::of(&File::open(file).unwrap()).unwrap();
        Position { file: file.display().to_string(), identity, offset, events: 1, lines: 1, done: false }
    }

    fn found(positions: &PositionFile, file: &Path) -> Option<u64> {
        positions.find(&File::open(file).unwrap()).map(|position| position.offset)
    }

    #[test]
    fn a_file_is_known_by_more_than_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, "hello\n").unwrap();
        let mut positions = PositionFile::open(folder.path()).unwrap();
        positions.note(&[position(&one, 3)]).unwrap();
        assert_eq!(found(&positions, &one), Some(3));
        fs::rename(&one, &two).unwrap();
        fs::write(&one, "hello\n").unwrap();
        assert_eq!((found(&positions, &one), found(&positions, &two)), (None, Some(3)));
        OpenOptions::new().append(true).open(&two).unwrap().write_all(b"more\n").unwrap();
        assert_eq!(found(&positions, &two), Some(3), "it has only grown");
        fs::write(&two, "other contents").unwrap();
        assert_eq!(found(&positions, &two), None, "the inode is the same, the contents are not");
    }

    #[test]
    fn positions_survive_a_restart_and_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "2").unwrap();
        let mut positions = PositionFile::open(folder.path()).unwrap();
        positions.note(&[position(&one, 1), position(&two, 7), position(&one, 5)]).unwrap();
        positions.note(&[Position { done: true, ..position(&two, 9) }]).unwrap();
        assert!(PositionFile::open(folder.path()).is_err(), "it is in use");
        drop(positions);
        let file = folder.path().join(NAME);
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        torn.write_all(br#"{"file":"one","dev"#).unwrap();
        let positions = PositionFile::open(folder.path()).unwrap();
        assert_eq!((found(&positions, &one), found(&positions, &two)), (Some(5), None));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1, "only what counts is kept");
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let one = folder.path().join("one");
        fs::write(&one, "1").unwrap();
        let mut positions = PositionFile::open(folder.path()).unwrap();
        let template = position(&one, 0);
        for offset in 0..10_000 {
            positions.note(&[Position { offset, ..template.clone() }]).unwrap();
        }
        assert!(fs::metadata(folder.path().join(NAME)).unwrap().len() <= COMPACT_AT);
        assert_eq!(found(&positions, &one), Some(9_999));
    }
}
