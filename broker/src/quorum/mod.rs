//! The metadata quorum: openraft on rkafka's own log, giving every node the same image.
//!
//! | file | what it does |
//! |---|---|
//! | `types.rs` | what the raft group is made of |
//! | `codec.rs` | entries as record batches |
//! | `state_file.rs` | the vote, durable before it is answered |
//! | `writer.rs` | the thread that owns the files |
//! | `log_store.rs` | the raft log for openraft |
//! | `state_machine.rs` | entries → image |
//! | `images.rs` | image → the node's reconciler |
//! | `snapshot.rs` | the image as a file |
//! | `network.rs` | calls to other voters |
//!
//! Files are in `__rkafka_metadata-0` of `metadata.log.dir` (default: the first of `log.dirs`): not Kafka's
//! `__cluster_metadata-0`, because raft and record formats are not Kafka's and neither broker may take the
//! other's log for its own.

mod codec;
mod images;
mod log_store;
mod network;
mod snapshot;
mod state_file;
mod state_machine;
mod types;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use openraft::errors::{ClientWriteError, RaftError};
use openraft::{Config, ReadPolicy, SnapshotPolicy};
use rkafka_core::image::{Image, MetadataBatch, MetadataRecord};
use rkafka_log::disk::Disk;
use thiserror::Error;
use tokio::sync::watch;

use log_store::LogStore;
use network::NoPeers;
use snapshot::SnapshotFiles;
use state_machine::StateMachine;
use types::{Applied, Proposal, Raft};

pub use images::ImageReceiver;
pub use types::Voter;
pub use writer::WallClock;

/// The directory of the quorum's log, in `metadata.log.dir`.
pub const DIRECTORY: &str = "__rkafka_metadata-0";

/// Entries between two snapshots: bounds both the log on disk and its copy in memory.
const ENTRIES_PER_SNAPSHOT: u64 = 5000;

/// Entries kept behind a snapshot for followers that lag a little.
const ENTRIES_KEPT: u64 = 1000;

/// Length of raft's own queues.
const QUEUED_MAX: u64 = 256;

/// How often a leader without followers looks around, in milliseconds.
const ALONE_HEARTBEAT_MS: u64 = 5000;

/// Why the quorum did not take a batch.
#[derive(Debug, Error)]
pub enum QuorumError {
    /// Another node leads, or none; `leader` if known.
    #[error("this node is not the active controller{}", leader.map(|id| format!("; node {id} is")).unwrap_or_default())]
    NotLeader {
        /// The node that leads.
        leader: Option<u64>,
    },
    /// The batch was made for an image that is no longer the newest.
    #[error("the metadata changed meanwhile; try again")]
    Stale,
    /// Storage failed or raft has stopped; this node must not go on.
    #[error("the metadata quorum has stopped: {0}")]
    Stopped(String),
    /// The quorum's files cannot be used.
    #[error("cannot open the metadata log: {0}")]
    Storage(#[from] io::Error),
}

/// This node's part in the quorum.
pub struct Quorum {
    raft: Raft,
    image: watch::Receiver<Arc<Image>>,
    writer: JoinHandle<()>,
}

impl Quorum {
    /// Opens the quorum log in `dir` and starts raft as the only voter `node_id`. Returns once this node leads and
    /// its image has everything that was ever acknowledged.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub async fn start_alone(
        disk: Arc<dyn Disk>,
        dir: &Path,
        node_id: u64,
        clock: WallClock,
    ) -> Result<(Quorum, ImageReceiver), QuorumError> {
        let (shared, writer, thread) = writer::open(Arc::clone(&disk), dir, clock)?;
        let store = LogStore::new(shared, writer);
        let (machine, images) = StateMachine::load(SnapshotFiles::new(disk, dir))?;
        let config = Arc::new(raft_config()?);
        let raft = Raft::new(node_id, config, NoPeers, store, machine).await.map_err(stopped)?;
        let quorum = Quorum { raft, image: images.watch(), writer: thread };
        quorum.lead_alone(node_id).await?;
        Ok((quorum, images))
    }

    async fn lead_alone(&self, node_id: u64) -> Result<(), QuorumError> {
        if self.raft.is_initialized().await.map_err(stopped)? {
            // Nobody else could lead: waiting for the election timeout would only delay the start.
            self.raft.trigger().elect(false).await.map_err(stopped)?;
        } else {
            let voters = BTreeMap::from([(node_id, Voter::default())]);
            self.raft.initialize(voters).await.map_err(stopped)?;
        }
        self.raft
            .wait(None)
            .metrics(|metrics| metrics.current_leader == Some(node_id), "this node leads")
            .await
            .map_err(stopped)?;
        self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.map_err(stopped)?;
        Ok(())
    }

    /// The newest committed image: what the controller decides on. The rest of the node serves the image that
    /// its reconciler has acted on.
    #[must_use]
    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.borrow())
    }

    /// Whether this node is the active controller.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// Gives a new cluster its id; one that has an id keeps it.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub async fn form_cluster(&self, cluster_id: &str) -> Result<(), QuorumError> {
        let image = self.image();
        if image.cluster_id().is_none() {
            let records = vec![MetadataRecord::ClusterId { id: cluster_id.to_owned() }];
            self.propose(MetadataBatch { previous_sequence: image.sequence(), records }).await?;
        }
        Ok(())
    }

    /// Commits a batch; when this returns, this node's image has it.
    ///
    /// # Errors
    /// [`QuorumError`]; after [`QuorumError::Stopped`] the outcome is unknown.
    pub async fn propose(&self, batch: MetadataBatch) -> Result<u64, QuorumError> {
        let written =
            self.raft.client_write(Proposal(Arc::new(batch))).await.map_err(|error| match error {
                RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                    QuorumError::NotLeader { leader: forward.leader_id }
                }
                other => stopped(other),
            })?;
        match written.data {
            Applied::At(sequence) => Ok(sequence),
            Applied::Refused => Err(QuorumError::Stale),
        }
    }

    /// Stops raft; everything it acknowledged is on disk.
    ///
    /// # Errors
    /// [`QuorumError::Stopped`] if a task of it had died.
    pub async fn shutdown(self) -> Result<(), QuorumError> {
        self.raft.shutdown().await.map_err(stopped)?;
        // The last handle to the writer goes with raft; its thread then finishes what it was asked.
        drop(self.raft);
        tokio::task::spawn_blocking(move || self.writer.join())
            .await
            .map_err(stopped)?
            .map_err(|_| QuorumError::Stopped("the quorum log's writer panicked".to_owned()))
    }
}

fn raft_config() -> Result<Config, QuorumError> {
    let config = Config {
        cluster_name: "rkafka".to_owned(),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(ENTRIES_PER_SNAPSHOT),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        purge_batch_size: 256,
        // One batch of the controller is in flight at a time; queues for thousands would only hold memory.
        api_channel_size: Some(QUEUED_MAX),
        notification_channel_size: Some(QUEUED_MAX),
        state_machine_channel_size: Some(QUEUED_MAX),
        // Nobody else could lead, so nobody waits for a heartbeat: an idle node shall sleep.
        heartbeat_interval: ALONE_HEARTBEAT_MS,
        election_timeout_min: 2 * ALONE_HEARTBEAT_MS,
        election_timeout_max: 4 * ALONE_HEARTBEAT_MS,
        enable_pre_vote: Some(true),
        ..Config::default()
    };
    config.validate().map_err(stopped)
}

fn stopped(error: impl std::fmt::Display) -> QuorumError {
    QuorumError::Stopped(error.to_string())
}
