//! Raft's calls to the other members, for openraft.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::AnyError;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::super::codec::QuorumCodecError;
use super::super::types::{Metadata, Vote, Voter};
use super::connection::{CallError, Connection, Local};
use super::encoding;
use super::messages::{Kind, Member, RefusalKind};

/// Bytes of entries in one append, and of one piece of a snapshot.
const SENT_BYTES_MAX: usize = 1 << 20;

/// How long a member may take for a call that waits for its disk. A dead connection is noticed at once, a silent
/// member by raft's heartbeats; this only frees the connection.
const CALL_MAX: Duration = Duration::from_secs(5);

/// A member that is refused for who it is, is said so this often.
const REFUSAL_SAID_EVERY: Duration = Duration::from_secs(10);

/// Makes the connections.
#[derive(Debug, Clone)]
pub(crate) struct PeerNetwork {
    local: Arc<Local>,
    /// When a refusal was last said.
    said: Arc<Mutex<Option<Instant>>>,
}

impl PeerNetwork {
    pub(crate) fn new(local: Arc<Local>) -> Self {
        Self { local, said: Arc::default() }
    }
}

/// Raft's line to one member; connected when it is first needed and again after a failure.
#[derive(Debug)]
pub(crate) struct Peer {
    network: PeerNetwork,
    target: Member,
    host: String,
    port: u16,
    connection: Option<Connection>,
}

impl RaftNetworkFactory<Metadata> for PeerNetwork {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, node: &Voter) -> Peer {
        Peer {
            network: self.clone(),
            target: Member { id: target, directory: node.directory },
            host: node.host.clone(),
            port: node.port,
            connection: None,
        }
    }
}

impl Peer {
    /// One call. Cancelled or failed, it leaves no connection behind.
    async fn call(&mut self, kind: Kind, body: &[u8], limit: Duration) -> Result<Bytes, CallError> {
        let late = |_| CallError::Unreachable {
            address: format!("{}:{}", self.host, self.port),
            source: std::io::ErrorKind::TimedOut.into(),
        };
        let former = self.connection.take();
        let local = Arc::clone(&self.network.local);
        let (host, port, target) = (self.host.as_str(), self.port, self.target);
        let attempt = async move {
            let mut connection = match former {
                Some(connection) => connection,
                None => Connection::open(&local, host, port, Some(target)).await?,
            };
            let answer = connection.call(kind, body).await;
            Ok((connection, answer))
        };
        let result = tokio::time::timeout(limit, attempt).await.map_err(late).and_then(|result| result);
        match result {
            Ok((connection, answer)) => {
                if !matches!(answer, Err(CallError::Unreachable { .. })) {
                    self.connection = Some(connection);
                }
                answer
            }
            Err(error) => {
                self.say(&error);
                Err(error)
            }
        }
    }

    /// A member that is not who it should be is worth a line, now and then.
    fn say(&self, error: &CallError) {
        let CallError::Refused { refusal, .. } = error else { return };
        if !matches!(
            refusal.kind,
            RefusalKind::WrongCluster | RefusalKind::WrongNode | RefusalKind::DuplicateNode
        ) {
            return;
        }
        let mut said = self.network.said.lock();
        if said.is_none_or(|at| at.elapsed() >= REFUSAL_SAID_EVERY) {
            *said = Some(Instant::now());
            warn!(member = %self.target, %error, "a member of the quorum does not take calls from this node");
        }
    }
}

fn unreachable(error: &CallError) -> Unreachable<Metadata> {
    Unreachable::new(&AnyError::error(error))
}

fn rpc_error(error: &CallError) -> RPCError<Metadata> {
    RPCError::Unreachable(unreachable(error))
}

fn nonsense(error: &QuorumCodecError) -> RPCError<Metadata> {
    RPCError::Network(NetworkError::new(&AnyError::error(error)))
}

impl RaftNetworkV2<Metadata> for Peer {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Metadata>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Metadata>, RPCError<Metadata>> {
        // A heartbeat waits for nothing at the other end; entries wait for its disk.
        let limit = if request.entries.is_empty() { option.soft_ttl().max(CONNECT_MIN) } else { CALL_MAX };
        let (body, cut) =
            encoding::append_request(&request, SENT_BYTES_MAX).map_err(|error| nonsense(&error))?;
        let answer = self.call(Kind::Append, &body, limit).await.map_err(|error| rpc_error(&error))?;
        let response = encoding::read_append_response(&answer).map_err(|error| nonsense(&error))?;
        Ok(match (response, cut) {
            (AppendEntriesResponse::Success, Some(last)) => AppendEntriesResponse::PartialSuccess(Some(last)),
            (response, _) => response,
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Metadata>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Metadata>, RPCError<Metadata>> {
        let answer = self.call(Kind::Vote, &encoding::vote_request(&request), CALL_MAX).await;
        let answer = answer.map_err(|error| rpc_error(&error))?;
        encoding::read_vote_response(&answer).map_err(|error| nonsense(&error))
    }

    // The default grants every pre-vote, which would make it void.
    async fn pre_vote(
        &mut self,
        request: VoteRequest<Metadata>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Metadata>, RPCError<Metadata>> {
        let answer = self.call(Kind::PreVote, &encoding::vote_request(&request), CALL_MAX).await;
        let answer = answer.map_err(|error| rpc_error(&error))?;
        encoding::read_vote_response(&answer).map_err(|error| nonsense(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Metadata, Bytes>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Metadata>, StreamingError<Metadata>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, &snapshot.snapshot) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Metadata>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Metadata>, RPCError<Metadata>> {
        let answer = self.call(Kind::TransferLeader, &encoding::transfer(&request), CALL_MAX).await;
        answer.map(|_| Ok(())).map_err(|error| rpc_error(&error))
    }
}

/// A heartbeat may have to connect first.
const CONNECT_MIN: Duration = Duration::from_millis(50);

impl Peer {
    async fn send_snapshot(
        &mut self,
        vote: Vote,
        snapshot: &Bytes,
    ) -> Result<SnapshotResponse<Metadata>, StreamingError<Metadata>> {
        let mut position = 0;
        loop {
            let end = snapshot.len().min(position + SENT_BYTES_MAX);
            let piece = encoding::Piece {
                vote,
                length: snapshot.len() as u64,
                position: position as u64,
                data: snapshot.get(position..end).unwrap_or_default(),
            };
            let answer = self.call(Kind::Snapshot, &encoding::piece(&piece), SNAPSHOT_CALL_MAX).await;
            let answer = answer.map_err(|error| StreamingError::Unreachable(unreachable(&error)))?;
            position = end;
            // A member that knows a higher vote says so at any piece; the last piece is answered by its vote.
            if position == snapshot.len() || !answer.is_empty() {
                let nonsense = |error: QuorumCodecError| {
                    StreamingError::Network(NetworkError::new(&AnyError::error(error)))
                };
                let vote = encoding::get_vote(&mut &*answer).map_err(nonsense)?;
                return Ok(SnapshotResponse::new(vote));
            }
        }
    }
}

/// The last piece is answered when the whole snapshot is on disk.
const SNAPSHOT_CALL_MAX: Duration = Duration::from_secs(60);
