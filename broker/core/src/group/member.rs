//! A member of a classic group.

use std::sync::Arc;

use bytes::Bytes;

use super::records::MemberMetadata;
use super::request::{DescribedMember, JoinRequest, JoinedMember, MemberProtocol, ReplyToken};

/// A member that has joined. Owned by its group.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
    client_id: String,
    client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// In the member's order of preference, no name twice. After a reload only the one the group chose.
    protocols: Vec<MemberProtocol>,
    pub(super) assignment: Bytes,
    /// Joining for the first time: it does not know its id yet and so cannot send heartbeats.
    pub(super) is_new: bool,
    /// Whom to answer when the rebalance is complete.
    pub(super) awaiting_join: Option<ReplyToken>,
    /// Whom to answer when the assignment is stored.
    pub(super) awaiting_sync: Option<ReplyToken>,
}

impl Member {
    pub(super) fn new(id: Arc<str>, request: &JoinRequest) -> Self {
        Self {
            id,
            instance_id: request.group_instance_id.as_deref().map(Arc::from),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: own_protocols(&request.protocols),
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: None,
            awaiting_sync: None,
        }
    }

    /// The member as it was stored; its other protocols are forgotten until it joins again.
    pub(super) fn from_record(record: &MemberMetadata, protocol: Option<&str>) -> Self {
        let rebalance_timeout_ms = match record.rebalance_timeout_ms {
            -1 => record.session_timeout_ms,
            timeout_ms => timeout_ms,
        };
        let protocol =
            MemberProtocol { name: protocol.unwrap_or("").to_owned(), metadata: record.subscription.clone() };
        Self {
            id: Arc::from(record.member_id.as_str()),
            instance_id: record.group_instance_id.as_deref().map(Arc::from),
            client_id: record.client_id.clone(),
            client_host: record.client_host.clone(),
            rebalance_timeout_ms,
            session_timeout_ms: record.session_timeout_ms,
            protocols: vec![protocol],
            assignment: record.assignment.clone(),
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
        }
    }

    pub(super) fn to_record(&self, protocol: &str, assignment: Bytes) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.to_string(),
            group_instance_id: self.instance_id.as_deref().map(str::to_owned),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// Takes over what a member says when it joins again.
    pub(super) fn update(&mut self, protocols: Vec<MemberProtocol>, rebalance_ms: i32, session_ms: i32) {
        self.protocols = protocols;
        self.rebalance_timeout_ms = rebalance_ms;
        self.session_timeout_ms = session_ms;
    }

    pub(super) fn protocols(&self) -> &[MemberProtocol] {
        &self.protocols
    }

    /// The member's metadata for a protocol; empty if it does not have it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|candidate| candidate.name == protocol);
        found.map(|protocol| protocol.metadata.clone()).unwrap_or_default()
    }

    /// Whether joining with these protocols changes nothing.
    pub(super) fn matches(&self, protocols: &[MemberProtocol]) -> bool {
        self.protocols == protocols
    }

    pub(super) fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    /// While it waits for an answer a member sends no heartbeats, and its silence is no death; but a new member may
    /// be given up even then, lest those that retry a long rebalance pile up.
    pub(super) fn is_excused_from_heartbeats(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    pub(super) fn joined(&self, protocol: &str) -> JoinedMember {
        JoinedMember {
            member_id: self.id.to_string(),
            group_instance_id: self.instance_id.as_deref().map(str::to_owned),
            metadata: self.metadata(protocol),
        }
    }

    /// `protocol` only if the group is stable: otherwise the metadata may be of a generation to come.
    pub(super) fn described(&self, protocol: Option<&str>) -> DescribedMember {
        DescribedMember {
            member_id: self.id.to_string(),
            group_instance_id: self.instance_id.as_deref().map(str::to_owned),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: protocol.map(|protocol| self.metadata(protocol)).unwrap_or_default(),
            assignment: self.assignment.clone(),
        }
    }
}

/// A request's protocols as a member keeps them: each name once, and as copies, so that a group does not hold the
/// frames it heard of its members in.
pub(super) fn own_protocols(protocols: &[MemberProtocol]) -> Vec<MemberProtocol> {
    let mut own: Vec<MemberProtocol> = Vec::with_capacity(protocols.len());
    for protocol in protocols {
        if own.iter().all(|kept| kept.name != protocol.name) {
            let metadata = Bytes::copy_from_slice(&protocol.metadata);
            own.push(MemberProtocol { name: protocol.name.clone(), metadata });
        }
    }
    own
}
