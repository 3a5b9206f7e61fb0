//! [`SimDisk`]: a disk in memory that can crash, for tests and whole-broker simulations.
//!
//! It keeps apart what a running process sees and what is durable: written bytes become durable by
//! `sync_data` of the file, names by `sync_dir` of their directory, and the two know nothing of each other.
//! From its state and the change in flight, images of what a crash leaves behind are built ([`Crash`],
//! [`DiskState::crashed`]); a recorded run can be replayed change by change to crash it at every point
//! ([`SimDisk::start_recording`]). The n-th call of a kind can be made to fail ([`SimDisk::fail_nth`]), the
//! disk can be full ([`SimDisk::set_capacity`]).
//!
//! Deterministic: no clock, no entropy; file times come from [`SimDisk::set_now_ms`].

mod crash;
mod file;
mod rng;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crash::Crash;
pub use rng::SimRng;
pub use state::{Change, DiskState, Inode};

use super::{DirectoryEntry, Disk, DiskFile, FileLock, FileStat, OpenMode, Space};
use file::{SimFile, SimLock};
use state::{File, Node, ROOT};

/// Kinds of calls, for [`SimDisk::fail_nth`] and [`SimDisk::calls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallKind {
    /// Opening and making files and directories.
    Open,
    /// `pread`.
    Read,
    /// `pwritev`.
    Write,
    /// `truncate`.
    Resize,
    /// `reserve`.
    Reserve,
    /// `sync_data`, `sync_dir`.
    Sync,
    /// `rename`.
    Rename,
    /// `remove_file`, `remove_dir`.
    Remove,
    /// `stat`, `len`, `list`.
    Look,
}

impl CallKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Resize,
        Self::Reserve,
        Self::Sync,
        Self::Rename,
        Self::Remove,
        Self::Look,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// EIO; nothing was done. A sync loses what was pending for good.
    Io,
    /// ENOSPC; nothing was done.
    NoSpace,
    /// ENOSPC after half of the bytes were written; like [`NoSpace`](Self::NoSpace) for other calls.
    ShortWrite,
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::from_raw_os_error(5),
            Self::NoSpace | Self::ShortWrite => io::Error::from_raw_os_error(28),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Fault {
    kind: CallKind,
    /// Number of the call, counted as [`SimDisk::calls`] does.
    call: u64,
    failure: Failure,
}

#[derive(Debug, Default)]
struct Inner {
    state: DiskState,
    calls: BTreeMap<CallKind, u64>,
    faults: Vec<Fault>,
    recording: Option<Vec<Change>>,
    capacity: Option<u64>,
    locks: Vec<PathBuf>,
    open_files: usize,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("calls", &self.lock_inner().calls).finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds `state`.
    pub fn from_state(state: DiskState) -> Self {
        let disk = Self::new();
        disk.lock_inner().state = state;
        disk
    }

    fn lock_inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is complete before the lock is given up, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what it holds.
    pub fn state(&self) -> DiskState {
        self.lock_inner().state.clone()
    }

    /// Loses everything as `crash` says and goes on with what is found. Handles opened before must not be
    /// used again.
    pub fn crash(&self, crash: Crash, seed: u64) {
        let mut inner = self.lock_inner();
        inner.state = inner.state.crashed(crash, None, seed);
        inner.locks.clear();
    }

    /// Keeps a list of all changes from now on.
    pub fn start_recording(&self) {
        self.lock_inner().recording = Some(Vec::new());
    }

    /// How many changes have been recorded.
    pub fn recorded(&self) -> usize {
        self.lock_inner().recording.as_ref().map_or(0, Vec::len)
    }

    /// Ends the recording and returns it.
    pub fn take_recording(&self) -> Vec<Change> {
        self.lock_inner().recording.take().unwrap_or_default()
    }

    /// How many calls of a kind were made.
    pub fn calls(&self, kind: CallKind) -> u64 {
        self.lock_inner().calls.get(&kind).copied().unwrap_or(0)
    }

    /// Lets the `nth` call of a kind from now on (1: the next one) fail, once.
    pub fn fail_nth(&self, kind: CallKind, nth: u64, failure: Failure) {
        let mut inner = self.lock_inner();
        let call = inner.calls.get(&kind).copied().unwrap_or(0).saturating_add(nth);
        inner.faults.push(Fault { kind, call, failure });
    }

    /// Whether a failure that was asked for has not happened yet.
    pub fn has_faults(&self) -> bool {
        !self.lock_inner().faults.is_empty()
    }

    /// Takes back all failures that have not happened yet.
    pub fn forget_faults(&self) {
        self.lock_inner().faults.clear();
    }

    /// Limits the bytes that all files together may take; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_inner().capacity = bytes;
    }

    /// Bytes that files take, reserved space included.
    pub fn used_bytes(&self) -> u64 {
        self.lock_inner().state.used_bytes()
    }

    /// How many file handles are open.
    pub fn open_files(&self) -> usize {
        self.lock_inner().open_files
    }

    /// The time stamped on files that change, milliseconds since 1970.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.lock_inner().state.now_ms = now_ms;
    }

    /// Changes bytes of a file behind everyone's back, durably: damage of the medium.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut inner = self.lock_inner();
        let inode = inner.file_at(path)?;
        let file = inner.file(inode)?;
        change(Arc::make_mut(&mut file.current));
        file.durable = file.current.clone();
        file.pending.clear();
        Ok(())
    }

    /// Current contents of a file.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut inner = self.lock_inner();
        let inode = inner.file_at(path)?;
        Ok(inner.file(inode)?.current.to_vec())
    }

    /// Paths of all files, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let inner = self.lock_inner();
        let mut found = Vec::new();
        let mut open = vec![(ROOT, PathBuf::from("/"))];
        while let Some((dir, path)) = open.pop() {
            for ((_, name), node) in inner.entries(dir) {
                match node {
                    Node::File(_) => found.push(path.join(name)),
                    Node::Dir(inner_dir) => open.push((*inner_dir, path.join(name))),
                }
            }
        }
        found.sort();
        found
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{}: no such file or directory", path.display()))
}

/// Names from the top down; `.` and the root are left out.
fn names_of(path: &Path) -> Vec<String> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::ParentDir => Some("..".to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().filter_map(named).collect()
}

impl Inner {
    /// Counts a call; the failure it is to meet.
    fn begin(&mut self, kind: CallKind) -> Result<(), Failure> {
        let count = self.calls.entry(kind).or_insert(0);
        *count += 1;
        let call = *count;
        match self.faults.iter().position(|fault| fault.kind == kind && fault.call == call) {
            Some(index) => Err(self.faults.swap_remove(index).failure),
            None => Ok(()),
        }
    }

    fn call(&mut self, kind: CallKind) -> io::Result<()> {
        self.begin(kind).map_err(Failure::error)
    }

    fn change(&mut self, change: Change) {
        self.state.apply(&change);
        if let Some(recording) = &mut self.recording {
            recording.push(change);
        }
    }

    fn entries(&self, dir: Inode) -> impl Iterator<Item = (&(Inode, String), &Node)> {
        self.state.names.range((dir, String::new())..(dir + 1, String::new()))
    }

    fn node_at(&self, path: &Path) -> io::Result<Node> {
        let mut node = Node::Dir(ROOT);
        for name in names_of(path) {
            let Node::Dir(dir) = node else { return Err(io::Error::from(io::ErrorKind::NotADirectory)) };
            node = self.state.names.get(&(dir, name)).copied().ok_or_else(|| not_found(path))?;
        }
        Ok(node)
    }

    fn dir_at(&self, path: &Path) -> io::Result<Inode> {
        match self.node_at(path)? {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        }
    }

    fn file_at(&self, path: &Path) -> io::Result<Inode> {
        match self.node_at(path)? {
            Node::File(inode) => Ok(inode),
            Node::Dir(_) => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        }
    }

    /// Directory above a path, and the name in it.
    fn place_of(&self, path: &Path) -> io::Result<(Inode, String)> {
        let name = names_of(path).pop().ok_or_else(|| not_found(path))?;
        let dir = self.dir_at(path.parent().unwrap_or(Path::new("/")))?;
        Ok((dir, name))
    }

    fn file(&mut self, inode: Inode) -> io::Result<&mut File> {
        self.state.files.get_mut(&inode).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn new_inode(&mut self) -> Inode {
        let inode = self.state.next_inode;
        self.state.next_inode += 1;
        inode
    }

    fn check_room(&mut self, inode: Inode, len: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else { return Ok(()) };
        let file = self.file(inode)?;
        let growth = len.saturating_sub(file.reserved.max(file.current.len() as u64));
        if growth > 0 && self.state.used_bytes().saturating_add(growth) > capacity {
            return Err(Failure::NoSpace.error());
        }
        Ok(())
    }

    fn write(&mut self, inode: Inode, position: u64, bytes: &[u8]) -> io::Result<()> {
        let failure = self.begin(CallKind::Write).err();
        let arrived = match failure {
            None => bytes.len(),
            Some(Failure::ShortWrite) => bytes.len() / 2,
            Some(failure) => return Err(failure.error()),
        };
        self.check_room(inode, position.saturating_add(bytes.len() as u64))?;
        let bytes = bytes.get(..arrived).unwrap_or(bytes).into();
        self.change(Change::Write { inode, position, bytes });
        failure.map_or(Ok(()), |failure| Err(failure.error()))
    }

    fn resize(&mut self, inode: Inode, len: u64) -> io::Result<()> {
        self.call(CallKind::Resize)?;
        self.check_room(inode, len)?;
        self.change(Change::Resize { inode, len });
        Ok(())
    }

    fn sync_data(&mut self, inode: Inode) -> io::Result<()> {
        if let Err(failure) = self.begin(CallKind::Sync) {
            self.change(Change::SyncFailed { inode });
            return Err(failure.error());
        }
        self.change(Change::SyncData { inode });
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Open)?;
        let inode = match (inner.file_at(path), mode) {
            (Ok(inode), OpenMode::Truncate) => {
                if !inner.file(inode)?.current.is_empty() {
                    inner.change(Change::Resize { inode, len: 0 });
                }
                inode
            }
            (Ok(inode), _) => inode,
            (Err(error), OpenMode::Create | OpenMode::Truncate)
                if error.kind() == io::ErrorKind::NotFound =>
            {
                let (dir, name) = inner.place_of(path)?;
                let inode = inner.new_inode();
                inner.change(Change::CreateFile { dir, name, inode });
                inode
            }
            (Err(error), _) => return Err(error),
        };
        inner.open_files += 1;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, writable: mode != OpenMode::Read }))
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Look)?;
        match inner.node_at(path)? {
            Node::Dir(_) => Ok(FileStat { len: 0, modified_ms: inner.state.now_ms }),
            Node::File(inode) => {
                let file = inner.file(inode)?;
                Ok(FileStat { len: file.current.len() as u64, modified_ms: file.modified_ms })
            }
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Look)?;
        let dir = inner.dir_at(dir)?;
        let entry = |((_, name), node): (&(Inode, String), &Node)| DirectoryEntry {
            name: name.clone(),
            is_dir: matches!(node, Node::Dir(_)),
        };
        Ok(inner.entries(dir).map(entry).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Open)?;
        let mut above = ROOT;
        for name in names_of(dir) {
            above = match inner.state.names.get(&(above, name.clone())).copied() {
                Some(Node::Dir(dir)) => dir,
                Some(Node::File(_)) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
                None => {
                    let inode = inner.new_inode();
                    inner.change(Change::CreateDir { dir: above, name, inode });
                    inode
                }
            };
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Rename)?;
        let moved = inner.node_at(from)?;
        let ((dir, name), (to_dir, to_name)) = (inner.place_of(from)?, inner.place_of(to)?);
        if let Ok(Node::Dir(existing)) = inner.node_at(to)
            && (matches!(moved, Node::File(_)) || inner.entries(existing).next().is_some())
        {
            return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
        }
        if (dir, &name) != (to_dir, &to_name) {
            inner.change(Change::Rename { dir, name, to_dir, to_name });
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Remove)?;
        inner.file_at(path)?;
        let (dir, name) = inner.place_of(path)?;
        inner.change(Change::Remove { dir, name });
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Remove)?;
        let inode = inner.dir_at(dir)?;
        if inner.entries(inode).next().is_some() {
            return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
        }
        let (dir, name) = inner.place_of(dir)?;
        inner.change(Change::Remove { dir, name });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock_inner();
        inner.call(CallKind::Sync)?;
        let dir = inner.dir_at(dir)?;
        inner.change(Change::SyncDir { dir });
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        self.open(path, OpenMode::Create)?;
        let mut inner = self.lock_inner();
        if inner.locks.iter().any(|locked| locked == path) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, format!("{} is locked", path.display())));
        }
        inner.locks.push(path.to_owned());
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let inner = self.lock_inner();
        inner.dir_at(dir)?;
        let total_bytes = inner.capacity.unwrap_or(1 << 40);
        Ok(Space { total_bytes, usable_bytes: total_bytes.saturating_sub(inner.state.used_bytes()) })
    }
}
