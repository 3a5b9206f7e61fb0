//! The history checker: given everything that clients of a cluster did and saw, which promises were broken?
//!
//! It knows nothing of how the history came about, so the simulator, whole brokers in one process and real
//! processes under faults all use it. Every value is written once by one client, which makes each record tell
//! who wrote it and when. Names of anomalies are those of Jepsen's Kafka workload.
//!
//! | module | what it finds |
//! |---|---|
//! | `log` | what the log holds: contradictory offsets, lost, repeated and resurrected records, order of producers |
//! | `consumers` | what consumers saw: order and gaps of polls, high watermarks and committed offsets that go back |
//! | `transactions` | aborted and torn transactions, reads of one's own or of one another's uncommitted records |
//!
//! An operation whose outcome is unknown may have happened or not; nothing is asked of it, but that it does not
//! happen twice where idempotence was promised.

mod consumers;
mod log;
mod transactions;

use std::collections::BTreeMap;
use std::fmt;

/// A partition, as the history numbers it. A topic made anew under an old name is another one.
pub type Partition = u32;

/// A value: who wrote it, and which of its writes it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    /// The producer.
    pub producer: u32,
    /// Counts its values, in the order in which it sent them.
    pub sequence: u64,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.producer, self.sequence)
    }
}

/// How an operation ended, as its client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was acknowledged; for a send, at this offset if the client was told one.
    Acknowledged(Option<i64>),
    /// It definitely did not happen.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// What a producer was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// acks=all: an acknowledged record survives.
    pub durable: bool,
    /// Idempotence: no record twice, none out of order.
    pub idempotent: bool,
}

/// One value sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Where to.
    pub partition: Partition,
    /// What.
    pub value: Value,
    /// What the producer may rely on.
    pub promise: Promise,
    /// The transaction it is part of.
    pub transaction: Option<u64>,
    /// When it was sent, in milliseconds of the history's clock.
    pub invoked_ms: u64,
    /// When the outcome was known.
    pub completed_ms: u64,
    /// The broker that acknowledged it, and when it did.
    pub acknowledged_by: Option<(u32, u64)>,
    /// The outcome.
    pub outcome: Outcome,
}

/// What one poll of one partition gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Who.
    pub consumer: u32,
    /// What was polled.
    pub partition: Partition,
    /// The records, as they came.
    pub records: Vec<(i64, Value)>,
    /// `read_committed`.
    pub committed_only: bool,
    /// The transaction the consumer was in.
    pub transaction: Option<u64>,
    /// Leader epoch and high watermark the answer named.
    pub high_watermark: Option<(i32, i64)>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A send, when its outcome was known.
    Send(Send),
    /// A poll.
    Poll(Poll),
    /// The consumer's position was set anew: a seek, a rebalance, a reset.
    Reset {
        /// Who.
        consumer: u32,
        /// Where.
        partition: Partition,
    },
    /// A transaction ended, as its producer was told: acknowledged is committed, failed is aborted.
    Transaction {
        /// Which.
        id: u64,
        /// How.
        outcome: Outcome,
    },
    /// A group committed an offset.
    CommitOffset {
        /// The group.
        group: u32,
        /// The partition.
        partition: Partition,
        /// The offset.
        offset: i64,
        /// Whether it was acknowledged.
        outcome: Outcome,
    },
    /// A group asked for its committed offset.
    FetchOffset {
        /// The group.
        group: u32,
        /// The partition.
        partition: Partition,
        /// What it was told.
        offset: i64,
    },
    /// Records below this offset were deleted on purpose.
    Deleted {
        /// Where.
        partition: Partition,
        /// The new first offset.
        below: i64,
    },
    /// From then on, until then, the cluster counted on this broker to acknowledge nothing.
    Fenced {
        /// The broker.
        broker: u32,
        /// First millisecond.
        from_ms: u64,
        /// First millisecond after.
        until_ms: u64,
    },
    /// A full read of a partition after everything had settled.
    ReadBack {
        /// What was read.
        partition: Partition,
        /// All its records, in order.
        records: Vec<(i64, Value)>,
    },
}

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One offset showed two values.
    InconsistentOffsets,
    /// An acknowledged record is missing although later ones are there.
    LostWrite,
    /// An acknowledged record is missing at the end of the log.
    Unseen,
    /// A value is there twice.
    Duplicate,
    /// A value that was never sent.
    Invented,
    /// A value was read whose write failed or whose transaction was aborted (G1a).
    AbortedRead,
    /// A transaction read what itself had not committed yet.
    PrecommittedRead,
    /// A transaction is there in part.
    TornTransaction,
    /// Transactions read from one another in a circle (G1c).
    CircularRead,
    /// A consumer was not given a record between two polls.
    PollSkip,
    /// A consumer's next poll went back.
    NonmonotonicPoll,
    /// A record is missing inside one poll.
    InternalPollSkip,
    /// Offsets go back inside one poll.
    InternalNonmonotonicPoll,
    /// A send that began after another had ended lies before it.
    NonmonotonicSend,
    /// An idempotent producer's records lie in another order than they were sent.
    InternalNonmonotonicSend,
    /// A group's committed offset went back by itself.
    OffsetCommitRegress,
    /// A high watermark went back within a leader epoch.
    HighWatermarkRegress,
    /// A broker acknowledged while it was fenced.
    AcknowledgedByFenced,
}

/// A broken promise, with the evidence in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Which promise.
    pub kind: Kind,
    /// The evidence.
    pub evidence: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.evidence)
    }
}

/// What happened, in the order in which it did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
}

/// What all checks look things up in.
struct Facts<'a> {
    history: &'a History,
    sends: BTreeMap<Value, &'a Send>,
    /// Full reads, by partition.
    logs: BTreeMap<Partition, &'a [(i64, Value)]>,
    deleted_below: BTreeMap<Partition, i64>,
    transactions: BTreeMap<u64, Outcome>,
    found: Vec<Anomaly>,
}

impl<'a> Facts<'a> {
    fn new(history: &'a History) -> Self {
        let mut facts = Facts {
            history,
            sends: BTreeMap::new(),
            logs: BTreeMap::new(),
            deleted_below: BTreeMap::new(),
            transactions: BTreeMap::new(),
            found: Vec::new(),
        };
        for event in &history.events {
            match event {
                Event::Send(send) => drop(facts.sends.insert(send.value, send)),
                Event::ReadBack { partition, records } => drop(facts.logs.insert(*partition, records)),
                Event::Deleted { partition, below } => {
                    let known = facts.deleted_below.entry(*partition).or_insert(*below);
                    *known = (*known).max(*below);
                }
                Event::Transaction { id, outcome } => drop(facts.transactions.insert(*id, *outcome)),
                _ => {}
            }
        }
        facts
    }

    fn polls(&self) -> impl Iterator<Item = &'a Poll> + use<'a> {
        self.history.events.iter().filter_map(|event| match event {
            Event::Poll(poll) => Some(poll),
            _ => None,
        })
    }

    fn report(&mut self, kind: Kind, evidence: impl fmt::Display) {
        self.found.push(Anomaly { kind, evidence: evidence.to_string() });
    }
}

/// All broken promises of a history.
#[must_use]
pub fn check(history: &History) -> Vec<Anomaly> {
    let mut facts = Facts::new(history);
    log::check(&mut facts);
    consumers::check(&mut facts);
    transactions::check(&mut facts);
    facts.found
}

#[cfg(test)]
mod tests;
