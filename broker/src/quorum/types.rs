//! What rkafka's raft group is made of.

use std::fmt;
use std::sync::Arc;

use openraft::impls::{EntryPayload, leader_id_std};
use rkafka_core::image::MetadataBatch;
use uuid::Uuid;

openraft::declare_raft_types!(
    /// The metadata quorum: its log entries are metadata batches, its nodes are found by address.
    ///
    /// One leader a term (`leader_id_std`), because a term is shown to users as Kafka's controller epoch.
    pub(crate) Metadata:
        D = Proposal,
        R = Applied,
        NodeId = u64,
        Node = Voter,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
);

/// The raft handle of this group.
pub(crate) type Raft = openraft::Raft<Metadata, super::state_machine::StateMachine>;
/// Position of an entry: term and index.
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Metadata>;
/// A vote, granted or won.
pub(crate) type Vote = openraft::type_config::alias::VoteOf<Metadata>;
/// One entry of the log.
pub(crate) type Entry = openraft::type_config::alias::EntryOf<Metadata>;
/// What an entry carries.
pub(crate) type Payload = EntryPayload<Proposal, u64, Voter>;
/// The members, with the entry that made them so.
pub(crate) type Membership = openraft::type_config::alias::StoredMembershipOf<Metadata>;
/// Which entries a snapshot stands for.
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Metadata>;

/// What the members know of one of them: where it listens, and which disk makes it itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Voter {
    /// The directory of its quorum log (KIP-853): with another disk it is another member.
    pub(crate) directory: Uuid,
    /// Host name or address.
    pub(crate) host: String,
    /// Port of its controller listener; 0 for a quorum of one, which nobody calls.
    pub(crate) port: u16,
}

/// A metadata batch on its way through the log. Shared, because the log's cache, the replication streams and
/// the state machine all hold it.
#[derive(Debug, Clone)]
pub(crate) struct Proposal(pub(crate) Arc<MetadataBatch>);

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records after sequence {}", self.0.records.len(), self.0.previous_sequence)
    }
}

/// What became of an entry when it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The image now has this sequence.
    At(u64),
    /// The batch was made for another image (its proposer was deposed meanwhile); it changed nothing.
    Refused,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(sequence) => write!(f, "applied, now at sequence {sequence}"),
            Self::Refused => f.write_str("refused: made for another image"),
        }
    }
}
