//! What a disk holds: as running processes see it, and as it would be found after the power failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of a file or directory; never reused.
pub type Inode = u64;

/// The directory at the top.
pub(super) const ROOT: Inode = 0;

/// One change of the disk, in the order the process made them. A recorded list of these can be replayed to
/// any point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new empty file.
    CreateFile {
        /// Where.
        dir: Inode,
        /// Its name there.
        name: String,
        /// Its number.
        inode: Inode,
    },
    /// A new empty directory.
    CreateDir {
        /// Where.
        dir: Inode,
        /// Its name there.
        name: String,
        /// Its number.
        inode: Inode,
    },
    /// A name goes; the file stays for those who have it open.
    Remove {
        /// Where.
        dir: Inode,
        /// Its name there.
        name: String,
    },
    /// A name moves, replacing what had the new one.
    Rename {
        /// From where.
        dir: Inode,
        /// Old name.
        name: String,
        /// To where.
        to_dir: Inode,
        /// New name.
        to_name: String,
    },
    /// Bytes written; grows the file if needed.
    Write {
        /// The file.
        inode: Inode,
        /// First byte.
        position: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The size is set; growth gives zeros.
    Resize {
        /// The file.
        inode: Inode,
        /// New size in bytes.
        len: u64,
    },
    /// Contents and size become durable.
    SyncData {
        /// The file.
        inode: Inode,
    },
    /// Sync failed: what was pending is neither durable nor pending any more ("fsyncgate").
    SyncFailed {
        /// The file.
        inode: Inode,
    },
    /// The names in a directory become durable.
    SyncDir {
        /// The directory.
        dir: Inode,
    },
}

/// A file: the bytes that running processes see, the bytes that are durable, and the changes between.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) current: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    pub(super) pending: Vec<ContentChange>,
    pub(super) reserved: u64,
    pub(super) modified_ms: i64,
}

/// A change of contents that is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum ContentChange {
    Write { position: u64, bytes: Arc<[u8]> },
    Resize { len: u64 },
}

impl ContentChange {
    pub(super) fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Resize { len } => contents.resize(size(*len), 0),
            Self::Write { position, bytes } => {
                let (start, end) = (size(*position), size(*position) + bytes.len());
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                if let Some(place) = contents.get_mut(start..end) {
                    place.copy_from_slice(bytes);
                }
            }
        }
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A change of names that is not durable yet: at most two names, which change together.
#[derive(Debug, Clone)]
pub(super) struct NameChange {
    pub(super) set: Vec<(Inode, String, Option<Node>)>,
}

impl NameChange {
    fn touches(&self, dirs: &BTreeSet<Inode>) -> bool {
        self.set.iter().any(|(dir, _, _)| dirs.contains(dir))
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(Inode),
    Dir(Inode),
}

impl Node {
    /// Its number, if it is a file.
    pub(super) fn file(self) -> Option<Inode> {
        match self {
            Self::File(inode) => Some(inode),
            Self::Dir(_) => None,
        }
    }
}

/// Names of all directories: (directory, name) → what it stands for.
pub(super) type Names = BTreeMap<(Inode, String), Node>;

/// The whole disk. Cheap to clone: contents are shared until they change.
#[derive(Debug, Clone)]
pub struct DiskState {
    pub(super) files: BTreeMap<Inode, File>,
    pub(super) names: Names,
    pub(super) durable_names: Names,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) next_inode: Inode,
    /// Stamped on files that change.
    pub(super) now_ms: i64,
}

impl Default for DiskState {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: Vec::new(),
            next_inode: ROOT + 1,
            now_ms: 0,
        }
    }
}

impl DiskState {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes one change. Changes of things that do not exist are ignored: a replay never meets them.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::CreateFile { dir, name, inode } => {
                let now_ms = self.now_ms;
                self.files.entry(*inode).or_insert_with(|| File { modified_ms: now_ms, ..File::default() });
                self.create(*dir, name, Node::File(*inode));
            }
            Change::CreateDir { dir, name, inode } => self.create(*dir, name, Node::Dir(*inode)),
            Change::Remove { dir, name } => self.change_names(vec![(*dir, name.clone(), None)]),
            Change::Rename { dir, name, to_dir, to_name } => {
                if let Some(node) = self.names.get(&(*dir, name.clone())).copied() {
                    let set = vec![(*dir, name.clone(), None), (*to_dir, to_name.clone(), Some(node))];
                    self.change_names(set);
                }
            }
            Change::Write { inode, position, bytes } => {
                self.change_contents(
                    *inode,
                    ContentChange::Write { position: *position, bytes: bytes.clone() },
                );
            }
            Change::Resize { inode, len } => {
                self.change_contents(*inode, ContentChange::Resize { len: *len });
            }
            Change::SyncData { inode } => self.sync_data(*inode),
            Change::SyncFailed { inode } => {
                if let Some(file) = self.files.get_mut(inode) {
                    file.pending.clear();
                }
            }
            Change::SyncDir { dir } => self.sync_dir(*dir),
        }
    }

    fn create(&mut self, dir: Inode, name: &str, node: Node) {
        let (Node::File(inode) | Node::Dir(inode)) = node;
        self.next_inode = self.next_inode.max(inode + 1);
        self.change_names(vec![(dir, name.to_owned(), Some(node))]);
    }

    fn change_names(&mut self, set: Vec<(Inode, String, Option<Node>)>) {
        let change = NameChange { set };
        apply_names(&change, &mut self.names);
        self.pending_names.push(change);
    }

    fn change_contents(&mut self, inode: Inode, change: ContentChange) {
        let now_ms = self.now_ms;
        let Some(file) = self.files.get_mut(&inode) else { return };
        change.apply(Arc::make_mut(&mut file.current));
        file.pending.push(change);
        file.modified_ms = now_ms;
    }

    fn sync_data(&mut self, inode: Inode) {
        let Some(file) = self.files.get_mut(&inode) else { return };
        // Not simply the current bytes: after a failed sync some of those can never become durable.
        let durable = Arc::make_mut(&mut file.durable);
        for change in file.pending.drain(..) {
            change.apply(durable);
        }
    }

    /// Makes durable what touches `dir`, and whatever belongs together with it.
    fn sync_dir(&mut self, dir: Inode) {
        let mut dirs = BTreeSet::from([dir]);
        let mut synced = vec![false; self.pending_names.len()];
        for (change, synced) in self.pending_names.iter().zip(&mut synced).rev() {
            if change.touches(&dirs) {
                *synced = true;
                dirs.extend(change.set.iter().map(|(dir, _, _)| *dir));
            }
        }
        let changes = std::mem::take(&mut self.pending_names);
        for (change, synced) in changes.into_iter().zip(synced) {
            if synced {
                apply_names(&change, &mut self.durable_names);
            } else {
                self.pending_names.push(change);
            }
        }
    }

    /// Whether anything is not durable.
    pub fn is_pending(&self) -> bool {
        !self.pending_names.is_empty() || self.files.values().any(|file| !file.pending.is_empty())
    }

    /// Bytes that files in use take, reserved space included.
    pub(super) fn used_bytes(&self) -> u64 {
        let named = self.names.values().filter_map(|node| node.file());
        named
            .filter_map(|inode| self.files.get(&inode))
            .map(|file| file.reserved.max(file.current.len() as u64))
            .sum()
    }
}

/// Carries out a change of names.
pub(super) fn apply_names(change: &NameChange, names: &mut Names) {
    for (dir, name, node) in &change.set {
        match node {
            Some(node) => names.insert((*dir, name.clone()), *node),
            None => names.remove(&(*dir, name.clone())),
        };
    }
}
