//! `quorum-state`: what a voter must never forget, and what its log alone cannot tell.
//!
//! A small text file beside the log's segments, replaced as a whole (written, synced, renamed, directory
//! synced) before a vote is answered. One `key=value` a line:
//! ```text
//! version=1
//! term=7
//! voted_for=1
//! committed=true        the vote was won: its owner led this term
//! purged=7.4999         last entry that was removed from the log, if any
//! directory=9f…         drawn when the directory was made: with another one the node is another voter
//! ```

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::vote::{RaftLeaderId, RaftVote};
use rkafka_log::disk::{Disk, OpenMode, read_file};
use uuid::Uuid;

use super::types::{LogId, Metadata, Vote};

const NAME: &str = "quorum-state";
const VERSION: &str = "1";

/// The largest file that is believed.
const BYTES_MAX: u64 = 4096;

/// The file's contents.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct QuorumState {
    /// The last vote given or won.
    pub(crate) vote: Option<Vote>,
    /// Term and index of the last purged entry.
    pub(crate) purged: Option<(u64, u64)>,
    /// The directory's own id; nil before it is drawn.
    pub(crate) directory: Uuid,
}

impl QuorumState {
    /// The last purged entry.
    pub(crate) fn purged_log_id(&self) -> Option<LogId> {
        self.purged.map(|(term, index)| LogId::new_term_index(term, index))
    }
}

/// The file, and the directory it must be durable in.
#[derive(Debug)]
pub(crate) struct StateFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl StateFile {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_path_buf() }
    }

    /// Reads the file; the default if there is none yet.
    pub(crate) fn load(&self) -> io::Result<QuorumState> {
        let path = self.dir.join(NAME);
        let bytes = match read_file(&*self.disk, &path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(QuorumState::default()),
            Err(error) => return Err(error),
        };
        parse(&bytes).ok_or_else(|| {
            let problem = format!(
                "{}: not a quorum-state file of this version; a voter that forgot its vote must not vote again, \
                 so restore the file or give the node an empty directory and let it join anew",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })
    }

    /// Replaces the file; durable when this returns.
    pub(crate) fn save(&self, state: &QuorumState) -> io::Result<()> {
        let (path, temporary) = (self.dir.join(NAME), self.dir.join(format!("{NAME}.tmp")));
        let file = self.disk.open(&temporary, OpenMode::Truncate)?;
        file.pwritev(&[IoSlice::new(render(state).as_bytes())], 0)?;
        file.sync_data()?;
        self.disk.rename(&temporary, &path)?;
        self.disk.sync_dir(&self.dir)
    }
}

fn render(state: &QuorumState) -> String {
    let mut text = format!("version={VERSION}\n");
    if let Some(vote) = &state.vote {
        let (term, node) = (vote.leader_id().term(), vote.leader_id().node_id());
        text.push_str(&format!("term={term}\nvoted_for={node}\ncommitted={}\n", vote.is_committed()));
    }
    if let Some((term, index)) = state.purged {
        text.push_str(&format!("purged={term}.{index}\n"));
    }
    if !state.directory.is_nil() {
        text.push_str(&format!("directory={}\n", state.directory.simple()));
    }
    text
}

fn parse(bytes: &[u8]) -> Option<QuorumState> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if value("version")? != VERSION {
        return None;
    }
    let vote = match value("term") {
        None => None,
        Some(term) => {
            let leader = <Metadata as openraft::RaftTypeConfig>::LeaderId::new(
                term.parse().ok()?,
                value("voted_for")?.parse().ok()?,
            );
            Some(Vote::from_leader_id(leader, value("committed")?.parse().ok()?))
        }
    };
    let purged = match value("purged") {
        None => None,
        Some(id) => {
            let (term, index) = id.split_once('.')?;
            Some((term.parse().ok()?, index.parse().ok()?))
        }
    };
    let directory = match value("directory") {
        None => Uuid::nil(),
        Some(text) => text.parse().ok()?,
    };
    Some(QuorumState { vote, purged, directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_round_trip(state: QuorumState) {
        assert_eq!(parse(render(&state).as_bytes()), Some(state));
    }

    #[test]
    fn round_trips() {
        let leader = <Metadata as openraft::RaftTypeConfig>::LeaderId::new(7, 3);
        check_round_trip(QuorumState::default());
        check_round_trip(QuorumState {
            vote: Some(Vote::from_leader_id(leader, false)),
            ..QuorumState::default()
        });
        check_round_trip(QuorumState {
            vote: Some(Vote::from_leader_id(leader, true)),
            purged: Some((6, 99)),
            directory: Uuid::from_u128(0x0123_4567),
        });
    }

    #[test]
    fn damage_is_refused() {
        for damaged in
            ["", "version=2\n", "version=1\nterm=7\n", "version=1\npurged=7\n", "version=1\nterm=x\n"]
        {
            assert_eq!(parse(damaged.as_bytes()), None, "{damaged:?}");
        }
    }
}
