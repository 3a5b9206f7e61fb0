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
//! | `peer/` | calls between nodes |
//! | `formation.rs` | how a node comes to be in a quorum of several |
//! | `members.rs` | what the leader does when nodes join, leave, or lose their disk |
//! | `leader.rs` | asking the leader, wherever it is |
//! | `succession.rs` | an election at once when the leader's process has ended |
//! | `operator.rs` | what an operator's command asks the leader for |
//!
//! Files are in `__rkafka_metadata-0` of `metadata.log.dir` (default: the first of `log.dirs`): not Kafka's
//! `__cluster_metadata-0`, because raft and record formats are not Kafka's and neither broker may take the
//! other's log for its own.

mod codec;
mod formation;
mod images;
mod leader;
mod log_store;
mod members;
pub mod operator;
mod peer;
mod snapshot;
mod state_file;
mod state_machine;
mod succession;
mod types;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::{Config, RaftMetrics, ReadPolicy, SnapshotPolicy};
use parking_lot::{Mutex, RwLock};
use rkafka_core::ids::TopicId;
use rkafka_core::image::{Image, MetadataBatch, MetadataRecord};
use rkafka_log::disk::Disk;
use rkafka_log::disk::real::RealDisk;
use thiserror::Error;
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tracing::info;
use uuid::Uuid;

use log_store::LogStore;
use peer::{Connection, Local, PeerNetwork};
use snapshot::SnapshotFiles;
use state_file::{QuorumState, StateFile};
use state_machine::StateMachine;
use types::{Applied, Metadata, Proposal, Raft, Voter};

pub use formation::{Listed, Plan};
pub use images::ImageReceiver;
pub(crate) use leader::Forwarded;
pub(crate) use members::ChangeVoters;
pub use peer::{Member, PEER_API_KEY, PeerSession};
pub(crate) use peer::{Refusal, RefusalKind};
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

/// How often a leader with followers is heard, in milliseconds.
const HEARTBEAT_MS: u64 = 75;

/// How long followers wait for it, in milliseconds: a time in between, drawn by each, after a lease of the upper
/// one. A dead leader is replaced within twice the upper bound; pre-votes keep a healthy one from being deposed by
/// a node that merely did not hear it.
const ELECTION_MS: (u64, u64) = (200, 350);

/// How long a leader that hears nobody may still count itself as one, in milliseconds.
pub(crate) const LEASE_MS: u64 = ELECTION_MS.1;

/// How long a majority may take to say that this node still leads.
const CONFIRM_MAX: Duration = Duration::from_secs(1);

/// Gives the quorum's directory in `metadata_dir` an id before the node's first start: that of the voter it will be
/// (KIP-853). One that has an id keeps it.
///
/// # Errors
/// The disk's.
pub fn prepare(metadata_dir: &Path, id: TopicId) -> io::Result<()> {
    let (disk, dir) = (Arc::new(RealDisk), metadata_dir.join(DIRECTORY));
    disk.create_dir(&dir)?;
    disk.sync_dir(metadata_dir)?;
    let file = StateFile::new(disk, &dir);
    let state = file.load()?;
    if state.directory.is_nil() {
        file.save(&QuorumState { directory: Uuid::from_bytes(id.0), ..state })?;
    }
    Ok(())
}

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
    /// The configuration and what is there do not fit together.
    #[error("{0}")]
    Plan(String),
    /// The quorum's files cannot be used.
    #[error("cannot open the metadata log: {0}")]
    Storage(#[from] io::Error),
}

/// What a quorum is opened with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This node's id.
    pub node_id: u64,
    /// Where other nodes reach its quorum listener; nothing for a quorum of one that nobody calls.
    pub host: String,
    /// The port of it.
    pub port: u16,
    /// This node is configured to be the only voter.
    pub alone: bool,
    /// The cluster that the log directories belong to.
    pub remembered_cluster: Option<String>,
    /// The wall clock.
    pub clock: WallClock,
}

/// This node's part in the quorum. Shared by everything that looks at or changes metadata; raft's own task
/// serialises what must be.
pub struct Quorum {
    raft: Raft,
    local: Arc<Local>,
    /// This node as it is, or will be, among the members.
    own: Voter,
    alone: bool,
    clock: WallClock,
    /// Held while members are changed.
    joining: AsyncMutex<()>,
    /// Connections to the leader that nobody uses now.
    to_leader: Mutex<Vec<Connection>>,
    /// Nodes from which connections broke.
    lost: Mutex<BTreeSet<u64>>,
    lost_signal: Notify,
    /// Told when a connection from the leader broke.
    leader_lost: watch::Sender<()>,
    /// Takes requests for the controller that other nodes hand over.
    controller: OnceLock<Arc<dyn Forwarded>>,
    writer: Mutex<Option<writer::WriterThread>>,
}

impl Quorum {
    /// Opens the quorum log in `dir` and starts raft. A node that has never been in a quorum waits to be made a
    /// member ([`Quorum::form_or_join`]).
    ///
    /// # Errors
    /// [`QuorumError`].
    pub async fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        settings: Settings,
    ) -> Result<(Arc<Quorum>, ImageReceiver), QuorumError> {
        let Settings { node_id, host, port, alone, remembered_cluster, clock } = settings;
        let (shared, writer, thread) = writer::open(Arc::clone(&disk), dir, clock)?;
        let own = Voter { directory: shared.state.directory, host, port };
        let store = LogStore::new(shared, writer);
        let (machine, images) = StateMachine::load(SnapshotFiles::new(disk, dir))?;
        let local = Arc::new(Local {
            member: Member { id: node_id, directory: own.directory },
            image: images.watch(),
            remembered: RwLock::new(remembered_cluster),
        });
        let config = Arc::new(raft_config(alone)?);
        let network = PeerNetwork::new(Arc::clone(&local));
        let raft = Raft::new(node_id, config, network, store, machine).await.map_err(stopped)?;
        let waiting = thread.waiting();
        let quorum = Arc::new(Quorum {
            raft,
            local,
            own,
            alone,
            clock,
            joining: AsyncMutex::default(),
            to_leader: Mutex::default(),
            lost: Mutex::default(),
            lost_signal: Notify::new(),
            leader_lost: watch::Sender::new(()),
            controller: OnceLock::new(),
            writer: Mutex::new(Some(thread)),
        });
        tokio::spawn(stop_the_clock(Arc::downgrade(&quorum), waiting));
        let leader_lost = quorum.leader_lost.subscribe();
        tokio::spawn(succession::watch_leader(Arc::downgrade(&quorum), leader_lost));
        Ok((quorum, images))
    }

    /// Leads a quorum of which this node is the only voter. Returns once its image has everything that was ever
    /// acknowledged.
    ///
    /// # Errors
    /// [`QuorumError`]; among them that the log knows other voters.
    pub async fn lead_alone(&self) -> Result<(), QuorumError> {
        let own = self.member().id;
        if self.raft.is_initialized().await.map_err(stopped)? {
            let others: Vec<u64> = self.raft.voter_ids().filter(|id| *id != own).collect();
            if !others.is_empty() {
                return Err(QuorumError::Plan(format!(
                    "the metadata log says that nodes {others:?} vote beside this one, but the configuration names \
                     no other; list all voters (controller.quorum.voters or zookeeper.connect), or remove the \
                     others first (kafka-metadata-quorum.sh remove-controller)"
                )));
            }
            // Nobody else could lead: waiting for the election timeout would only delay the start.
            self.raft.trigger().elect(false).await.map_err(stopped)?;
        } else {
            self.raft.initialize(BTreeMap::from([(own, self.own.clone())])).await.map_err(stopped)?;
        }
        self.raft
            .wait(None)
            .metrics(|metrics| metrics.current_leader == Some(own), "this node leads")
            .await
            .map_err(stopped)?;
        self.barrier().await
    }

    /// Returns once this node leads and its image has everything that was committed before.
    pub(crate) async fn barrier(&self) -> Result<(), QuorumError> {
        let barrier = self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await;
        barrier.map(drop).map_err(|error| match error {
            RaftError::APIError(_) => QuorumError::NotLeader { leader: None },
            RaftError::Fatal(fatal) => stopped(fatal),
        })
    }

    /// Whether no other node can be leading now: a majority has heard this node within the time for which its
    /// members would vote for nobody else, or hears it when asked.
    pub(crate) async fn leads_for_sure(&self) -> bool {
        self.was_heard().await
            || matches!(tokio::time::timeout(CONFIRM_MAX, self.barrier()).await, Ok(Ok(())))
    }

    /// Whether this node leads and a majority has heard it lately; asks nobody, and waits for nothing: a leader that was
    /// just elected and has lost its majority since would wait for ever for its first entry to be applied.
    pub(crate) async fn was_heard(&self) -> bool {
        self.raft.get_read_log_id(ReadPolicy::LeaseRead).await.is_ok()
    }

    /// This node and its disk.
    #[must_use]
    pub fn member(&self) -> Member {
        self.local.member
    }

    /// The cluster's id, once it is known.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.local.cluster_id()
    }

    /// Whether this node is configured to be the only voter.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.raft
    }

    /// What raft says of itself now.
    fn metrics(&self) -> RaftMetrics<Metadata> {
        self.raft.metrics().borrow_watched().clone()
    }

    /// The newest committed image: what the controller decides on. The rest of the node serves the image that
    /// its reconciler has acted on.
    #[must_use]
    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.local.image.borrow())
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
                // Deposed in between. Whether the batch went through shows when the image does or does not
                // have it: another one for the same image is refused.
                RaftError::APIError(_) => QuorumError::NotLeader { leader: None },
                RaftError::Fatal(fatal) => stopped(fatal),
            })?;
        match written.data {
            Applied::At(sequence) => Ok(sequence),
            Applied::Refused => Err(QuorumError::Stale),
        }
    }

    /// Hands the lead to the voter that is furthest along, if this node has it; returns once another one leads,
    /// or after `limit`.
    pub async fn hand_over(&self, limit: Duration) {
        let metrics = self.metrics();
        let own = self.member().id;
        let Some(progress) = metrics.replication.filter(|_| self.raft.is_leader()) else { return };
        let voters: Vec<u64> = metrics.membership_config.voter_ids().filter(|id| *id != own).collect();
        let Some(to) = voters.into_iter().max_by_key(|id| progress.get(id).copied().flatten()) else {
            return;
        };
        if !self.was_heard().await || self.has_no_majority().await {
            // Without a majority nobody can be elected.
            return;
        }
        info!(to, "handing over the lead of the metadata quorum");
        if self.raft.trigger().transfer_leader(to).await.is_ok() {
            let wait = self.raft.wait(Some(limit));
            let moved = |leader: Option<u64>| leader.is_some_and(|leader| leader != own);
            let waited = wait.metrics(|metrics| moved(metrics.current_leader), "another leader");
            tokio::select! {
                // An error says that it took too long.
                waited = waited => drop(waited),
                // Who should take over was stopped too.
                () = self.lost_majority() => {}
            }
        }
    }

    /// The same for an operator, who is told how it went.
    pub(crate) async fn hand_over_for_operator(&self) -> Result<(), Refusal> {
        if !self.raft.is_leader() {
            return Err(self.not_leader());
        }
        self.hand_over(CONFIRM_MAX).await;
        match self.raft.is_leader() {
            true => {
                let words = "no other voter took over the lead of the metadata quorum";
                Err(Refusal::new(RefusalKind::Unavailable, words))
            }
            false => Ok(()),
        }
    }

    /// Stops raft; everything it acknowledged is on disk.
    ///
    /// # Errors
    /// [`QuorumError::Stopped`] if a task of it had died.
    pub async fn shutdown(&self) -> Result<(), QuorumError> {
        if let Some(writer) = &*self.writer.lock() {
            writer.end_soon();
        }
        self.raft.shutdown().await.map_err(stopped)?;
        // The last handle to the writer goes with raft's tasks; its thread then finishes what it was asked.
        let Some(writer) = self.writer.lock().take() else { return Ok(()) };
        match tokio::task::spawn_blocking(move || writer.join()).await.map_err(stopped)? {
            true => Ok(()),
            false => Err(QuorumError::Stopped("the quorum log's writer panicked".to_owned())),
        }
    }
}

/// Raft's clock stands still while its disk is full. Raft's task waits for a vote, a truncation or a purge to be on
/// disk, then tells itself so through the bounded queue that its clock fills meanwhile: full, it would wait for itself
/// for ever.
async fn stop_the_clock(quorum: Weak<Quorum>, mut waiting: watch::Receiver<bool>) {
    while waiting.changed().await.is_ok() {
        let stands = *waiting.borrow_and_update();
        let Some(quorum) = quorum.upgrade() else { return };
        quorum.raft.runtime_config().tick(!stands);
    }
}

fn raft_config(alone: bool) -> Result<Config, QuorumError> {
    // With no other voter nobody waits for a heartbeat: an idle node shall sleep.
    let (heartbeat, (election_min, election_max)) = match alone {
        true => (ALONE_HEARTBEAT_MS, (2 * ALONE_HEARTBEAT_MS, 4 * ALONE_HEARTBEAT_MS)),
        false => (HEARTBEAT_MS, ELECTION_MS),
    };
    let config = Config {
        cluster_name: "rkafka".to_owned(),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(ENTRIES_PER_SNAPSHOT),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        purge_batch_size: 256,
        // One batch of the controller is in flight at a time; queues for thousands would only hold memory.
        api_channel_size: Some(QUEUED_MAX),
        notification_channel_size: Some(QUEUED_MAX),
        state_machine_channel_size: Some(QUEUED_MAX),
        heartbeat_interval: heartbeat,
        election_timeout_min: election_min,
        election_timeout_max: election_max,
        enable_pre_vote: Some(true),
        // A member that was down is found again soon.
        backoff: "50ms 100ms 200ms ..500ms".to_owned(),
        install_snapshot_timeout: 60_000,
        ..Config::default()
    };
    config.validate().map_err(stopped)
}

fn stopped(error: impl std::fmt::Display) -> QuorumError {
    QuorumError::Stopped(error.to_string())
}
