//! Calls to the other members of the quorum.
//!
//! A quorum of one has nobody to call; every call is answered "unreachable", which raft takes as a node that
//! is down.

use std::future::Future;

use bytes::Bytes;
use openraft::AnyError;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;

use super::types::{Metadata, Vote, Voter};

/// Makes connections to voters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoPeers;

/// The connection to one voter.
#[derive(Debug)]
pub(crate) struct Absent {
    target: u64,
}

impl Absent {
    fn unreachable(&self) -> Unreachable<Metadata> {
        Unreachable::new(&AnyError::error(format!("node {} is no member of this quorum of one", self.target)))
    }
}

impl RaftNetworkFactory<Metadata> for NoPeers {
    type Network = Absent;

    async fn new_client(&mut self, target: u64, _node: &Voter) -> Absent {
        Absent { target }
    }
}

impl RaftNetworkV2<Metadata> for Absent {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Metadata>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Metadata>, RPCError<Metadata>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Metadata>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Metadata>, RPCError<Metadata>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    // The default grants every pre-vote, which would make it void.
    async fn pre_vote(
        &mut self,
        _request: VoteRequest<Metadata>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Metadata>, RPCError<Metadata>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: SnapshotOf<Metadata, Bytes>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Metadata>, StreamingError<Metadata>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }
}
