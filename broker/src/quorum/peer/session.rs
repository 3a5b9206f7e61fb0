//! The other end of a connection between nodes.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use openraft::raft::VoteRequest;
use tracing::warn;

use super::super::Quorum;
use super::super::codec::QuorumCodecError;
use super::super::snapshot;
use super::super::types::Metadata;
use super::encoding;
use super::messages::{
    HEADER_BYTES, Hello, Kind, PEER_API_KEY, Refusal, RefusalKind, VERSION, answer_frame, from_json, to_json,
};
use crate::server::{CloseReason, ConnectionInfo, Outcome, Reply, Stage};

/// What one connection from another node has brought so far. Nothing but a greeting is taken first; raft's calls
/// only from one that knew whom it called.
pub struct PeerSession {
    quorum: Arc<Quorum>,
    hello: Option<Hello>,
    /// The front of a snapshot that is being received. It grows with what arrives, never on a length's word.
    snapshot: BytesMut,
}

type Answer = Result<Bytes, Refusal>;

impl PeerSession {
    /// The session of a new connection.
    pub fn new(quorum: Arc<Quorum>) -> Self {
        Self { quorum, hello: None, snapshot: BytesMut::new() }
    }

    /// Whether the frame is a call between nodes.
    #[must_use]
    pub fn is_peer_call(frame: &[u8]) -> bool {
        frame.first_chunk() == Some(&PEER_API_KEY.to_be_bytes())
    }

    /// Stage 1 of one call.
    pub fn call(&mut self, connection: &Arc<ConnectionInfo>, mut frame: Bytes) -> Stage {
        if frame.len() < HEADER_BYTES {
            return close("a call between nodes ends early".to_owned());
        }
        let (_key, version, correlation_id) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
        let Some(kind) = Kind::from_number(frame.get_u8()).filter(|_| version == VERSION) else {
            return close(format!("a call between nodes of version {version} or an unknown kind"));
        };
        match kind {
            Kind::Hello => answered(correlation_id, self.greet(connection, &frame)),
            _ if self.hello.is_none() => close("a call between nodes before the greeting".to_owned()),
            Kind::Snapshot => match self.take_piece(&frame) {
                Ok(Some((vote, whole))) => {
                    let quorum = Arc::clone(&self.quorum);
                    later(correlation_id, async move { install(&quorum, vote, whole).await })
                }
                Ok(None) => answered(correlation_id, Ok(Bytes::new())),
                Err(refusal) => answered(correlation_id, Err(refusal)),
            },
            kind => {
                let quorum = Arc::clone(&self.quorum);
                let knows_us = self.knows_us();
                later(correlation_id, async move { carry_out(&quorum, kind, knows_us, frame).await })
            }
        }
    }

    fn greet(&mut self, connection: &ConnectionInfo, frame: &[u8]) -> Answer {
        let hello: Hello = from_json(frame)?;
        if let Err(refusal) = self.judge(&hello) {
            warn!(peer = %connection.peer, node = hello.from.id, %refusal, "a node is refused");
            return Err(refusal);
        }
        self.hello = Some(hello);
        Ok(to_json(&self.quorum.greeting()))
    }

    fn judge(&self, hello: &Hello) -> Result<(), Refusal> {
        let own = self.quorum.member();
        let Hello { cluster_id, from, to } = hello;
        if let (Some(ours), Some(theirs)) = (self.quorum.cluster_id(), cluster_id)
            && ours != *theirs
        {
            let words = format!("node {} is of cluster {ours}, node {} of cluster {theirs}", own.id, from.id);
            return Err(Refusal::new(RefusalKind::WrongCluster, words));
        }
        if from.id == own.id && from.directory != own.directory {
            let words = format!("two nodes have the id {}: this is {own}, the caller {from}", own.id);
            return Err(Refusal::new(RefusalKind::DuplicateNode, words));
        }
        if let Some(wanted) = to.filter(|wanted| *wanted != own) {
            let words = format!("this is {own}, not {wanted}: another node, or another disk");
            return Err(Refusal::new(RefusalKind::WrongNode, words));
        }
        Ok(())
    }

    fn knows_us(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.to.is_some())
    }

    /// Adds a piece; the snapshot once it is whole.
    fn take_piece(&mut self, frame: &[u8]) -> Result<Option<(super::super::types::Vote, Bytes)>, Refusal> {
        let invalid = |words: &str| Err(Refusal::new(RefusalKind::Invalid, words));
        let piece = encoding::read_piece(frame).map_err(nonsense)?;
        if !self.knows_us() {
            return invalid(UNADDRESSED);
        }
        if piece.position == 0 {
            self.snapshot = BytesMut::new();
        }
        let end = piece.position.saturating_add(piece.data.len() as u64);
        if piece.position != self.snapshot.len() as u64
            || end > piece.length
            || piece.length > snapshot::BYTES_MAX
        {
            return invalid("a piece of a snapshot that does not follow the one before");
        }
        self.snapshot.extend_from_slice(piece.data);
        if end < piece.length {
            return Ok(None);
        }
        Ok(Some((piece.vote, std::mem::take(&mut self.snapshot).freeze())))
    }
}

impl Drop for PeerSession {
    fn drop(&mut self) {
        if let Some(hello) = &self.hello {
            self.quorum.note_lost(hello.from.id);
        }
    }
}

const UNADDRESSED: &str = "raft's calls are for one member, which the greeting must name";

async fn carry_out(quorum: &Quorum, kind: Kind, knows_us: bool, body: Bytes) -> Answer {
    if is_raft(kind) && !knows_us {
        return Err(Refusal::new(RefusalKind::Invalid, UNADDRESSED));
    }
    match kind {
        Kind::Vote | Kind::PreVote => {
            let request: VoteRequest<Metadata> = encoding::read_vote_request(&body).map_err(nonsense)?;
            let raft = quorum.raft();
            let response = match kind {
                Kind::Vote => raft.vote(request).await,
                _ => raft.pre_vote(request).await,
            };
            response.map(|response| encoding::vote_response(&response)).map_err(unavailable)
        }
        Kind::Append => {
            let request = encoding::read_append_request(&body).map_err(nonsense)?;
            let response = quorum.raft().append_entries(request).await;
            response.map(|response| encoding::append_response(&response)).map_err(unavailable)
        }
        Kind::TransferLeader => {
            let request = encoding::read_transfer(&body).map_err(nonsense)?;
            let answer = quorum.raft().handle_transfer_leader(request).await.map_err(unavailable)?;
            answer.map(|()| Bytes::new()).map_err(unavailable)
        }
        Kind::Join => quorum.join(from_json(&body)?).await.map(|()| Bytes::new()),
        Kind::ReadIndex => quorum.read_index().await.map(|index| to_json(&index)),
        Kind::Control => quorum.take_forwarded(body).await,
        Kind::Status => quorum.own_status().map(|status| to_json(&status)),
        Kind::ChangeVoters => quorum.change_voters(from_json(&body)?).await.map(|()| Bytes::new()),
        Kind::HandOver => quorum.hand_over_for_operator().await.map(|()| Bytes::new()),
        Kind::Hello | Kind::Snapshot => Err(Refusal::new(RefusalKind::Invalid, "taken in stage 1")),
    }
}

fn is_raft(kind: Kind) -> bool {
    matches!(kind, Kind::Vote | Kind::PreVote | Kind::Append | Kind::TransferLeader | Kind::Snapshot)
}

async fn install(quorum: &Quorum, vote: super::super::types::Vote, whole: Bytes) -> Answer {
    let (meta, _) = snapshot::decode(&whole).map_err(nonsense)?;
    let snapshot = openraft::Snapshot { meta, snapshot: whole };
    let response = quorum.raft().install_full_snapshot(vote, snapshot).await.map_err(unavailable)?;
    let mut out = Vec::with_capacity(32);
    encoding::put_vote(&mut out, &response.vote);
    Ok(out.into())
}

fn nonsense(error: QuorumCodecError) -> Refusal {
    Refusal::new(RefusalKind::Invalid, error)
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalKind::Unavailable, error)
}

fn answered(correlation_id: i32, answer: Answer) -> Stage {
    Stage::Done(Outcome::reply(Reply::from(answer_frame(correlation_id, answer))))
}

fn later(correlation_id: i32, answer: impl Future<Output = Answer> + Send + 'static) -> Stage {
    Stage::Waiting(Box::pin(async move {
        Outcome::reply(Reply::from(answer_frame(correlation_id, answer.await)))
    }))
}

fn close(reason: String) -> Stage {
    Stage::Done(Outcome::Close(CloseReason::BadRequest(reason)))
}
