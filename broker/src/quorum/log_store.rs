//! The raft log on rkafka's own segment log.
//!
//! One thread ([`super::writer`]) owns the files and does everything in the order it was asked, so that votes
//! and entries reach the disk as raft demands; neighbouring appends share one fsync. Entries that are not yet
//! purged are also kept in memory: the snapshot policy bounds them, followers and the state machine read them
//! without touching the disk, and "readable when append returns" needs no further thought.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use parking_lot::RwLock;

use super::state_file::QuorumState;
use super::types::{Entry, LogId, Metadata, Vote};
use super::writer::{Command, WriterHandle};

/// What readers see at once, before it is on disk.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) entries: BTreeMap<u64, Entry>,
    pub(crate) state: QuorumState,
}

/// Storage handle for openraft; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    shared: Arc<RwLock<Shared>>,
    writer: WriterHandle,
}

impl LogStore {
    /// A store over what the writer found on disk.
    pub(crate) fn new(shared: Shared, writer: WriterHandle) -> Self {
        Self { shared: Arc::new(RwLock::new(shared)), writer }
    }

    /// Has the writer carry out `command` and waits until it is durable.
    async fn durably(&self, command: impl FnOnce(IOFlushed<Metadata>) -> Command) -> io::Result<()> {
        let (done, durable) = Metadata::oneshot();
        self.writer.send(command(IOFlushed::signal(done)))?;
        durable.await.map_err(|_| io::Error::other("the quorum log's writer has ended"))?
    }
}

impl RaftLogReader<Metadata> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        Ok(self.shared.read().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.read().state.vote)
    }
}

impl RaftLogStorage<Metadata> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Metadata>> {
        let shared = self.shared.read();
        let last_purged_log_id = shared.state.purged_log_id();
        let last = shared.entries.last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState { last_log_id: last.or(last_purged_log_id), last_purged_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let state = {
            let mut shared = self.shared.write();
            shared.state.vote = Some(*vote);
            shared.state
        };
        self.durably(|done| Command::Save { state, done }).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Metadata>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.shared.write().entries.extend(entries.iter().map(|entry| (entry.log_id.index, entry.clone())));
        self.writer.send(Command::Append { entries, done: callback })
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let next = last_log_id.map_or(0, |id| id.index + 1);
        self.shared.write().entries.split_off(&next);
        self.durably(|done| Command::TruncateTo { index: next, done }).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let state = {
            let mut shared = self.shared.write();
            shared.entries = shared.entries.split_off(&(log_id.index + 1));
            shared.state.purged = Some((**log_id.committed_leader_id(), log_id.index));
            shared.state
        };
        self.durably(|done| Command::PurgeTo { state, index: log_id.index + 1, done }).await
    }
}
