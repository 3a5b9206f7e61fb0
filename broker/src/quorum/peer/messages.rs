//! The frames between nodes, and the messages in them that are not raft's.
//!
//! ```text
//! request   i32 size, i16 PEER_API_KEY, i16 version, i32 correlation id, u8 kind, body
//! answer    i32 size, i32 correlation id, u8 status (0 done, 1 refused), body (a Refusal if refused)
//! ```
//! Raft's messages are binary (see `encoding.rs`). The others are few and small: JSON, which nodes of different
//! versions can read as long as fields are only added.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use rkafka_core::ids::TopicId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The API key of calls between nodes. Kafka's own keys are far below and counted upwards.
pub const PEER_API_KEY: i16 = 0x7261;

/// The version of everything below.
pub(crate) const VERSION: i16 = 1;

/// Bytes of a request before its body, without the size.
pub(crate) const HEADER_BYTES: usize = 2 + 2 + 4 + 1;

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who are you? The first call of every connection.
    Hello = 1,
    /// Raft: give me your vote.
    Vote = 2,
    /// Raft: would you give me your vote?
    PreVote = 3,
    /// Raft: take these entries, or just know that I lead.
    Append = 4,
    /// Raft: a piece of a snapshot.
    Snapshot = 5,
    /// Raft: lead instead of me.
    TransferLeader = 6,
    /// Make me a member.
    Join = 7,
    /// How far must one have applied to have everything that is committed now?
    ReadIndex = 8,
    /// A request for the controller.
    Control = 9,
    /// The state of the quorum as its leader sees it.
    Status = 10,
    /// Add or remove a voter.
    ChangeVoters = 11,
    /// Let another voter lead.
    HandOver = 12,
}

impl Kind {
    /// The kind of that number.
    pub(crate) fn from_number(number: u8) -> Option<Kind> {
        const ALL: [Kind; 12] = [
            Kind::Hello,
            Kind::Vote,
            Kind::PreVote,
            Kind::Append,
            Kind::Snapshot,
            Kind::TransferLeader,
            Kind::Join,
            Kind::ReadIndex,
            Kind::Control,
            Kind::Status,
            Kind::ChangeVoters,
            Kind::HandOver,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A node, and the disk its quorum log is on: with another disk it is another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// `node.id`.
    pub id: u64,
    /// Drawn when the directory of the quorum's log was made.
    pub directory: Uuid,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} with directory id {}", self.id, TopicId(*self.directory.as_bytes()))
    }
}

/// Where a node's quorum listener is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeAddress {
    pub(crate) id: u64,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The first message of every connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The caller's cluster, once it has one.
    pub(crate) cluster_id: Option<String>,
    /// The caller.
    pub(crate) from: Member,
    /// Whom it wants to talk to, if it knows. Only then raft's calls are taken.
    pub(crate) to: Option<Member>,
}

/// The answer to [`Hello`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The cluster of the node called, once it has one.
    pub(crate) cluster_id: Option<String>,
    /// The node called.
    pub(crate) member: Member,
    /// Whether it is in a quorum that was formed.
    pub(crate) formed: bool,
    /// Who leads, as far as it knows.
    pub(crate) leader: Option<NodeAddress>,
}

/// A node asks the leader to make it a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Join {
    pub(crate) member: Member,
    /// Where it can be called.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Its configuration names it among the voters.
    pub(crate) votes: bool,
}

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) kind: RefusalKind,
    pub(crate) message: String,
}

/// What the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RefusalKind {
    /// The two are in different clusters. Trying again does not help.
    WrongCluster,
    /// A live node has the caller's id. Trying again does not help.
    DuplicateNode,
    /// Another node, or another disk, is where the caller looked.
    WrongNode,
    /// Only the leader can do it.
    NotLeader,
    /// Not now.
    Unavailable,
    /// The caller spoke nonsense.
    Invalid,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }
}

/// A message as JSON. Those of this folder can all be written.
pub(crate) fn to_json<T: Serialize>(message: &T) -> Bytes {
    serde_json::to_vec(message).unwrap_or_default().into()
}

/// A message of another node.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::new(RefusalKind::Invalid, error))
}

/// A request with its size.
pub(crate) fn request_frame(correlation_id: i32, kind: Kind, body: &[u8]) -> Option<BytesMut> {
    let mut frame = BytesMut::with_capacity(4 + HEADER_BYTES + body.len());
    frame.put_i32(i32::try_from(HEADER_BYTES + body.len()).ok()?);
    frame.put_i16(PEER_API_KEY);
    frame.put_i16(VERSION);
    frame.put_i32(correlation_id);
    frame.put_u8(kind as u8);
    frame.put_slice(body);
    Some(frame)
}

/// An answer with its size.
pub(crate) fn answer_frame(correlation_id: i32, answer: Result<Bytes, Refusal>) -> Bytes {
    let (status, body) = match answer {
        Ok(body) => (DONE, body),
        Err(refusal) => (REFUSED, to_json(&refusal)),
    };
    let mut frame = BytesMut::with_capacity(4 + 4 + 1 + body.len());
    frame.put_i32(i32::try_from(4 + 1 + body.len()).unwrap_or(i32::MAX));
    frame.put_i32(correlation_id);
    frame.put_u8(status);
    frame.put_slice(&body);
    frame.freeze()
}

/// Status of an answer: the call was carried out.
pub(crate) const DONE: u8 = 0;
/// Status of an answer: it was not; the body says why.
pub(crate) const REFUSED: u8 = 1;
