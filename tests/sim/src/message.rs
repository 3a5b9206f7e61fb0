//! What the hosts of the simulation tell each other.

use bytes::Bytes;
use rkafka_checker::Value;
use rkafka_core::controller::{ErrorKind, Heartbeat, HeartbeatReply, RegisterBroker};
use rkafka_core::ids::PartitionId;
use rkafka_core::replica::fetcher::FetchPlan;
use rkafka_core::replica::follower::FetchedPartition;
use rkafka_core::replica::leader::{IsrProposal, ProposalAnswer};

use crate::net::Host;

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Who sent it.
    pub(crate) from: Host,
    /// Who shall get it.
    pub(crate) to: Host,
    /// On which of the sender's (for an answer: the receiver's) connections.
    pub(crate) connection: u64,
    /// For an answer: the life of the process that asked. Another one does not get it.
    pub(crate) life: u64,
    /// What it says.
    pub(crate) body: Body,
}

/// Why a broker did not append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProduceError {
    /// It does not lead, or may not act as leader now.
    NotLeader,
    /// NOT_ENOUGH_REPLICAS: nothing was appended.
    NotEnoughReplicas,
    /// NOT_ENOUGH_REPLICAS_AFTER_APPEND.
    NotEnoughReplicasAfterAppend,
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: nothing was appended.
    OutOfOrderSequence,
    /// The same code, for a sequence that has been passed: the batch is there, but the producer's window does not
    /// show it any more. A snapshot keeps one batch of a producer (Apache Kafka's format), so that after a restart
    /// older ones are not recognised.
    OldSequence,
    /// KAFKA_STORAGE_ERROR.
    Storage,
}

/// Why a broker gave no records to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumeError {
    /// It does not lead, or not in the epoch it was asked for.
    NotLeader,
    /// The offset is outside the log.
    OutOfRange {
        /// Where the log starts.
        log_start_offset: i64,
    },
}

/// Records for a consumer.
#[derive(Debug, Clone)]
pub(crate) struct Consumed {
    /// The leader's epoch.
    pub(crate) leader_epoch: i32,
    /// Its high watermark.
    pub(crate) high_watermark: i64,
    /// Whole batches.
    pub(crate) records: Bytes,
    /// Where to go on.
    pub(crate) next_offset: i64,
}

/// The answer to a fetch whose session is known.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    /// The session from now on.
    pub(crate) session_id: i32,
    /// What is news in it.
    pub(crate) partitions: Vec<(PartitionId, FetchedPartition, Bytes)>,
}

/// What a message says.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A broker has started.
    Register(Box<RegisterBroker>),
    /// Its epoch, or a refusal.
    Registered(Result<i64, ErrorKind>),
    /// A broker lives.
    Heartbeat {
        /// What it says.
        heartbeat: Heartbeat,
        /// When it said so, by its own clock.
        sent_ms: u64,
    },
    /// So it does; `None` if its registration has ended.
    Heard {
        /// When the heartbeat was sent.
        sent_ms: u64,
        /// The answer.
        reply: Option<HeartbeatReply>,
    },
    /// A leader proposes an ISR.
    AlterPartition {
        /// The partition.
        partition: PartitionId,
        /// The proposal.
        proposal: IsrProposal,
        /// The leader's broker epoch.
        broker_epoch: i64,
    },
    /// What the controller says to it.
    Altered {
        /// The partition.
        partition: PartitionId,
        /// The proposal.
        proposal: IsrProposal,
        /// The answer.
        answer: ProposalAnswer,
    },
    /// A follower fetches.
    Fetch {
        /// Its broker epoch.
        broker_epoch: i64,
        /// What.
        plan: FetchPlan,
    },
    /// The answer; `None` is a session error.
    Fetched(Option<Fetched>),
    /// A producer sends one batch with one record.
    Produce {
        /// Where to.
        partition: PartitionId,
        /// The value in the batch.
        value: Value,
        /// The batch.
        batch: Bytes,
        /// acks.
        acks: i16,
    },
    /// Its offset, or a refusal.
    Produced {
        /// Where.
        partition: PartitionId,
        /// The value.
        value: Value,
        /// The answer, and when the broker gave it.
        result: Result<i64, ProduceError>,
        /// When.
        at_ms: u64,
    },
    /// A consumer fetches.
    Consume {
        /// What.
        partition: PartitionId,
        /// From where.
        offset: i64,
        /// The leader epoch of the client's metadata (KIP-320).
        current_leader_epoch: i32,
    },
    /// The answer.
    Consumed {
        /// What.
        partition: PartitionId,
        /// From where it was asked.
        offset: i64,
        /// The records.
        result: Result<Consumed, ConsumeError>,
    },
}

impl Body {
    /// Whether it answers another message.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            Body::Registered(_)
                | Body::Heard { .. }
                | Body::Altered { .. }
                | Body::Fetched(_)
                | Body::Produced { .. }
                | Body::Consumed { .. }
        )
    }
}
