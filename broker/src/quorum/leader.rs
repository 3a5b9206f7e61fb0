//! Asking the leader of the quorum, wherever it is: this node itself, or another one over a connection.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tracing::info;

use super::peer::{CallError, Connection, Kind, NodeAddress, Refusal, RefusalKind, from_json, to_json};
use super::{ChangeVoters, Quorum, QuorumError, stopped};
use crate::metadata_store::QuorumStatus;

/// Connections to the leader that are kept for the next call.
const IDLE_MAX: usize = 8;

/// How long to wait before the leader is looked for again.
const RETRY: Duration = Duration::from_millis(25);

/// How long one attempt to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// What takes requests for the controller from other nodes.
pub(crate) trait Forwarded: Send + Sync {
    /// Carries out one request.
    fn take(&self, body: Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>>;
}

/// Why the leader could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaderError {
    /// None is known now.
    #[error("the metadata quorum has no leader now")]
    None,
    /// The leader could not be reached, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Quorum {
    /// Who takes requests that other nodes hand over.
    pub(crate) fn serve_forwarded(&self, controller: std::sync::Arc<dyn Forwarded>) {
        // Set once, by the node's start.
        drop(self.controller.set(controller));
    }

    pub(crate) async fn take_forwarded(&self, body: Bytes) -> Result<Bytes, Refusal> {
        match self.controller.get() {
            Some(controller) => controller.take(body).await,
            None => Err(Refusal::new(RefusalKind::Unavailable, "this node is still starting")),
        }
    }

    /// One call to the leader, if it is another node. A call whose connection breaks may have been carried out.
    pub(crate) async fn ask_leader(&self, kind: Kind, body: &[u8]) -> Result<Bytes, LeaderError> {
        let leader = self.leader_address().filter(|leader| leader.id != self.member().id);
        let leader = leader.ok_or(LeaderError::None)?;
        if let Some(mut idle) = self.idle_connection(&leader) {
            match idle.call(kind, body).await {
                // It may have been closed since it was last used.
                Err(CallError::Unreachable { .. }) => {}
                answer => return Ok(self.keep(idle, answer)?),
            }
        }
        let opening = Connection::open(&self.local, &leader.host, leader.port, None);
        let late = |_| CallError::Unreachable {
            address: format!("{}:{}", leader.host, leader.port),
            source: std::io::ErrorKind::TimedOut.into(),
        };
        let mut connection = tokio::time::timeout(CONNECT_MAX, opening).await.map_err(late)??;
        let answer = connection.call(kind, body).await;
        Ok(self.keep(connection, answer)?)
    }

    fn idle_connection(&self, leader: &NodeAddress) -> Option<Connection> {
        let mut idle = self.to_leader.lock();
        idle.retain(|connection| connection.greeting.member.id == leader.id);
        idle.pop()
    }

    fn keep(&self, connection: Connection, answer: Result<Bytes, CallError>) -> Result<Bytes, CallError> {
        if !matches!(answer, Err(CallError::Unreachable { .. })) {
            let mut idle = self.to_leader.lock();
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
        }
        answer
    }

    async fn ask<T: DeserializeOwned>(&self, kind: Kind, body: &[u8]) -> Result<T, LeaderError> {
        let answer = self.ask_leader(kind, body).await?;
        let address = || "the leader of the metadata quorum".to_owned();
        Ok(from_json(&answer).map_err(|refusal| CallError::Refused { address: address(), refusal })?)
    }

    /// Hands a request for the controller to the leader.
    pub(crate) async fn forward(&self, body: &[u8]) -> Result<Bytes, LeaderError> {
        self.ask_leader(Kind::Control, body).await
    }

    /// Returns once this node's image has everything that was committed when this was called.
    ///
    /// # Errors
    /// [`QuorumError::Stopped`].
    pub async fn catch_up(&self) -> Result<(), QuorumError> {
        let mut said = String::new();
        let index = loop {
            let asked = match self.is_leader() {
                true => self.read_index().await.map_err(|refusal| refusal.to_string()),
                false => self.ask(Kind::ReadIndex, &[]).await.map_err(|error| error.to_string()),
            };
            match asked {
                Ok(index) => break index,
                Err(reason) if reason != said => {
                    info!(reason, "the leader of the metadata quorum is not ready yet");
                    said = reason;
                }
                Err(_) => {}
            }
            if let Err(fatal) = &self.metrics().running_state {
                return Err(stopped(fatal));
            }
            tokio::time::sleep(RETRY).await;
        };
        self.raft
            .wait(None)
            .applied_index_at_least(Some(index), "all that is committed")
            .await
            .map(drop)
            .map_err(stopped)
    }

    /// The state of the quorum as its leader sees it.
    pub(crate) async fn status(&self) -> Option<QuorumStatus> {
        match self.own_status() {
            Ok(status) => Some(status),
            Err(_) => self.ask(Kind::Status, &[]).await.ok(),
        }
    }

    /// Has the leader add or remove a voter.
    pub(crate) async fn request_voters(&self, change: ChangeVoters) -> Result<(), Refusal> {
        if self.is_leader() {
            return self.change_voters(change).await;
        }
        match self.ask_leader(Kind::ChangeVoters, &to_json(&change)).await {
            Ok(_) => Ok(()),
            Err(LeaderError::Call(CallError::Refused { refusal, .. })) => Err(refusal),
            Err(error) => Err(Refusal::new(RefusalKind::NotLeader, error)),
        }
    }
}

/// How long a node may take to be greeted when its life is in doubt.
const PROBE_MAX: Duration = Duration::from_millis(500);

impl Quorum {
    /// Returns, with its term, once this node leads; nothing if raft has stopped.
    pub(crate) async fn leads(&self) -> Option<u64> {
        let own = self.member().id;
        let wait = self.raft.wait(None);
        match wait.metrics(|metrics| metrics.current_leader == Some(own), "this node leads").await {
            Ok(metrics) => Some(metrics.current_term),
            Err(_) => {
                tokio::time::sleep(RETRY).await;
                None
            }
        }
    }

    /// Returns once this node does not lead in `term` any more.
    pub(crate) async fn deposed(&self, term: u64) {
        let own = self.member().id;
        let deposed = |leader: Option<u64>, now: u64| leader != Some(own) || now != term;
        let wait = self.raft.wait(None);
        let waited =
            wait.metrics(|metrics| deposed(metrics.current_leader, metrics.current_term), "another leader");
        // An error says that raft has stopped: it does not lead either.
        drop(waited.await);
    }

    /// A connection from a node broke.
    pub(crate) fn note_lost(&self, id: u64) {
        let metrics = self.metrics();
        if metrics.membership_config.get_node(&id).is_some() {
            self.lost.lock().insert(id);
            self.lost_signal.notify_one();
        }
        if metrics.current_leader == Some(id) {
            self.leader_lost.send_replace(());
        }
    }

    /// Nodes from which connections broke since the last call; waits for one.
    pub(crate) async fn lost_nodes(&self) -> Vec<u64> {
        loop {
            let lost = std::mem::take(&mut *self.lost.lock());
            if !lost.is_empty() {
                return lost.into_iter().collect();
            }
            self.lost_signal.notified().await;
        }
    }

    /// Whether a member is not at its address any more: nobody listens there, or somebody else. Nothing if that
    /// cannot be said.
    pub(crate) async fn refuses_connections(&self, id: u64) -> Option<bool> {
        let metrics = self.metrics();
        let node = metrics.membership_config.get_node(&id)?.clone();
        let member = super::Member { id, directory: node.directory };
        let opening = Connection::open(&self.local, &node.host, node.port, Some(member));
        match tokio::time::timeout(PROBE_MAX, opening).await {
            Ok(Ok(_)) => Some(false),
            Ok(Err(CallError::Refused { refusal, .. })) => Some(refusal.kind == RefusalKind::WrongNode),
            Ok(Err(CallError::Unreachable { source, .. })) => {
                (source.kind() == std::io::ErrorKind::ConnectionRefused).then_some(true)
            }
            Err(_) => None,
        }
    }

    /// The cluster's id; the node that leads first gives the cluster one.
    ///
    /// # Errors
    /// [`QuorumError::Stopped`].
    pub async fn await_cluster_id(&self, draw: impl Fn() -> String) -> Result<String, QuorumError> {
        loop {
            if let Some(id) = self.image().cluster_id() {
                return Ok(id.to_owned());
            }
            if self.is_leader() && self.barrier().await.is_ok() {
                let id = self.cluster_id().unwrap_or_else(&draw);
                match self.form_cluster(&id).await {
                    Ok(()) | Err(QuorumError::NotLeader { .. } | QuorumError::Stale) => {}
                    Err(error) => return Err(error),
                }
            }
            if let Err(fatal) = &self.metrics().running_state {
                return Err(stopped(fatal));
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
