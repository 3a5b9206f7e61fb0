//! What a leader is told, what it answers, and what it wants done.

use thiserror::Error;

use crate::ids::BrokerId;
use crate::image::Partition;

/// What a step wants done outside, after the partition's lock is released.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct LeaderEffects {
    /// The high watermark moved here: publish it, complete produces up to it, wake fetches that wait for it.
    pub high_watermark: Option<i64>,
    /// Send this to the controller (AlterPartition) and bring the answer to
    /// [`LeaderState::on_answer`](super::LeaderState::on_answer).
    pub proposal: Option<IsrProposal>,
}

/// An ISR the leader asks the controller for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// The epoch the sender leads in.
    pub leader_epoch: i32,
    /// The partition epoch the sender knows.
    pub partition_epoch: i32,
    /// The members, each with its broker epoch; -1 where the leader does not know it (KIP-903).
    pub isr: Vec<(BrokerId, i64)>,
}

/// What the controller said to a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposalAnswer {
    /// It is so, or already was; this is the partition now.
    Committed(Partition),
    /// It was not done: a member may not be in the ISR. If the proposal was sent more than once, an earlier copy
    /// may still be under way and be done later; the leader then asks for the committed ISR again, which makes
    /// every earlier copy stale, before it believes this.
    Ineligible,
    /// The leader knows less than the controller; the next image will tell (or end its leadership).
    Stale,
    /// Nobody answered, or not the controller: it may or may not have been done. Ask again.
    Unknown,
}

/// Why a partition does not take a produce request with acks=-1 (NOT_ENOUGH_REPLICAS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "The size of the current ISR {in_sync} is insufficient to satisfy the min.isr requirement of {min_isr} \
     for this partition"
)]
pub struct NotEnoughReplicas {
    /// How many replicas are in sync.
    pub in_sync: usize,
    /// How many must be.
    pub min_isr: usize,
}

/// Why a follower's fetch does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FetchRefused {
    /// The broker is no replica of the partition, as far as this leader knows (UNKNOWN_LEADER_EPOCH lets the
    /// follower ask again once both have the same image).
    #[error("broker {0} is not a replica of this partition in this leader epoch")]
    NotReplica(BrokerId),
    /// The request comes from an earlier life of the broker (KIP-903).
    #[error("broker {broker} fetches under broker epoch {epoch}, but is registered with {registered}")]
    StaleBrokerEpoch {
        /// The broker.
        broker: BrokerId,
        /// The epoch of its request.
        epoch: i64,
        /// The epoch of its registration.
        registered: i64,
    },
}

/// A leader epoch in a request that is not this leader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EpochMismatch {
    /// The sender has an older image (FENCED_LEADER_EPOCH).
    #[error("leader epoch {requested} is older than the current {current}")]
    Fenced {
        /// The epoch of the request.
        requested: i32,
        /// The epoch of this leader.
        current: i32,
    },
    /// The sender has a newer image (UNKNOWN_LEADER_EPOCH).
    #[error("leader epoch {requested} is newer than the current {current}")]
    Unknown {
        /// The epoch of the request.
        requested: i32,
        /// The epoch of this leader.
        current: i32,
    },
}

/// A follower's fetch, when its position agrees with the leader's log. One that diverges must be answered with
/// the diverging epoch and not be counted (KAFKA-13141).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerFetch {
    /// Who.
    pub broker: BrokerId,
    /// The broker epoch it fetches under; -1 if the request has none.
    pub broker_epoch: i64,
    /// The offset it asks for: its log end offset.
    pub offset: i64,
    /// Where its log starts.
    pub log_start_offset: i64,
}

/// Where the local log stands when leadership begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// The first offset.
    pub log_start_offset: i64,
    /// The high watermark known so far.
    pub high_watermark: i64,
    /// The next offset to be written.
    pub log_end_offset: i64,
}

/// Settings that decide about commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicationSettings {
    /// `min.insync.replicas` of the topic, as configured.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub lag_time_max_ms: u64,
}
