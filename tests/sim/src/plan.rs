//! What a seed decides: the cluster, its clients, and which faults it will meet how often.

use rkafka_log::disk::mem::SimRng;

/// Something that goes wrong, or that an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Connections are reset before requests took effect.
    LoseRequests,
    /// Connections are reset after requests took effect.
    LoseAnswers,
    /// Messages take up to a second, overtaking those of other connections.
    Delay,
    /// Connections are stuck for seconds.
    Stall,
    /// AlterPartition requests arrive twice.
    Duplicate,
    /// One host is slow.
    SlowNode,
    /// A broker can't be reached by other brokers, clients or the controller, nor reach them.
    CutSymmetric,
    /// A broker's messages get out, none get in; or the other way round.
    CutOneWay,
    /// Two brokers can't reach each other, all else works.
    CutBridge,
    /// A client can't reach one broker.
    CutClient,
    /// A broker can't reach the controller.
    CutController,
    /// kill -9.
    Kill,
    /// kill -9 of all brokers at once.
    KillAll,
    /// One broker loses power.
    PowerCut,
    /// All brokers lose power at once.
    PowerCutAll,
    /// A broker comes back with an empty disk.
    Wipe,
    /// SIGSTOP, for up to three sessions.
    Pause,
    /// An orderly restart.
    Restart,
    /// The wall clock jumps, by a second to a day, either way.
    WallJump,
    /// The disk is full for a while.
    DiskFull,
    /// A write fails.
    WriteError,
    /// A sync fails.
    SyncError,
    /// Another controller becomes active; the old one goes on for a while.
    HandOver,
    /// A broker gets images late.
    LateImages,
    /// Preferred leaders are elected.
    ElectPreferred,
    /// A topic is deleted and made again under the same name.
    Recreate,
    /// Records are deleted on purpose.
    DeleteRecords,
    /// New segments are begun.
    Roll,
    /// A producer dies and another takes its place.
    ClientCrash,
    /// A partition's leadership is handed to another member of its ISR.
    MoveLeader,
    /// A topic's `min.insync.replicas` is changed.
    ChangeMinIsr,
    /// A read fails.
    ReadError,
    /// A byte that was not synced yet is another one after a kill.
    BitRot,
    /// A broker comes back with a copy of its disk that was made some time ago.
    OldDisk,
    /// The cleaner goes over a broker's compacted logs.
    Compact,
    /// Retention removes old segments, on leaders and followers each for themselves.
    Retain,
    /// Two brokers lose power at once.
    PowerCutTwo,
    /// A partition's replicas are assigned to other brokers, or in another order.
    Reassign,
}

impl Fault {
    /// All of them. New ones are added at the end: a seed draws each one's share by its place here.
    pub const ALL: [Fault; 38] = [
        Fault::LoseRequests,
        Fault::LoseAnswers,
        Fault::Delay,
        Fault::Stall,
        Fault::Duplicate,
        Fault::SlowNode,
        Fault::CutSymmetric,
        Fault::CutOneWay,
        Fault::CutBridge,
        Fault::CutClient,
        Fault::CutController,
        Fault::Kill,
        Fault::KillAll,
        Fault::PowerCut,
        Fault::PowerCutAll,
        Fault::Wipe,
        Fault::Pause,
        Fault::Restart,
        Fault::WallJump,
        Fault::DiskFull,
        Fault::WriteError,
        Fault::SyncError,
        Fault::HandOver,
        Fault::LateImages,
        Fault::ElectPreferred,
        Fault::Recreate,
        Fault::DeleteRecords,
        Fault::Roll,
        Fault::ClientCrash,
        Fault::MoveLeader,
        Fault::ChangeMinIsr,
        Fault::ReadError,
        Fault::BitRot,
        Fault::OldDisk,
        Fault::Compact,
        Fault::Retain,
        Fault::PowerCutTwo,
        Fault::Reassign,
    ];

    /// The fault of that name, as its variant is called.
    #[must_use]
    pub fn named(name: &str) -> Option<Fault> {
        Self::ALL.into_iter().find(|fault| format!("{fault:?}") == name)
    }
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas; -1 with an assignment.
    pub replicas: i16,
    /// The brokers of a first and only partition, if somebody wants to say.
    pub assignment: Vec<i32>,
    /// `cleanup.policy=compact`.
    pub compacted: bool,
}

/// Everything a seed decides in advance.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many brokers, numbered from 0.
    pub brokers: i32,
    /// The topics.
    pub topics: Vec<TopicPlan>,
    /// `min.insync.replicas`.
    pub min_isr: usize,
    /// Whether eligible leader replicas are kept (KIP-966).
    pub eligible_replicas: bool,
    /// `flush.messages=1`: nothing is acknowledged before it is on disk.
    pub sync_each: bool,
    /// `broker.session.timeout.ms`.
    pub session_ms: u64,
    /// `replica.lag.time.max.ms`.
    pub lag_ms: u64,
    /// Which faults, each with its weight.
    pub faults: Vec<(Fault, usize)>,
    /// Mean time between two of them.
    pub fault_interval_ms: u64,
    /// How long the faulty phase lasts.
    pub faulty_ms: u64,
    /// A script says what happens and how much each producer writes.
    pub directed: bool,
}

/// The stream of numbers for one concern: a draw in one does not shift the others.
pub(crate) fn stream(seed: u64, concern: u64) -> SimRng {
    let mut mixed = SimRng::new(seed ^ concern.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    SimRng::new(mixed.next_u64())
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = stream(seed, 1);
        let brokers = 3 + rng.below(3) as i32;
        let topics = (0..1 + rng.below(2)).map(|number| TopicPlan {
            name: format!("topic-{number}"),
            partitions: 1 + rng.below(3) as i32,
            replicas: [3, 3, 3, 2, 1][rng.below(5)],
            assignment: Vec::new(),
            compacted: stream(seed, 50 + number as u64).chance(1, 4),
        });
        let topics = topics.collect();
        let quiet = rng.chance(1, 10);
        let share = [20, 40, 70][rng.below(3)];
        let drawn = Fault::ALL.into_iter().zip(100..).filter_map(|(fault, concern)| {
            let mut rng = stream(seed, concern);
            let weight = 1 + rng.below(4);
            rng.chance(share, 100).then_some((fault, weight))
        });
        let mut faults: Vec<_> = drawn.collect();
        if quiet {
            faults.clear();
        }
        Plan {
            seed,
            brokers,
            topics,
            min_isr: [1, 2, 2, 2, 3][rng.below(5)],
            eligible_replicas: rng.chance(4, 5),
            sync_each: rng.chance(1, 5),
            session_ms: 800 + rng.next_u64() % 1_500,
            lag_ms: 300 + rng.next_u64() % 1_500,
            faults,
            fault_interval_ms: 100 + rng.next_u64() % 900,
            faulty_ms: 6_000 + rng.next_u64() % 10_000,
            directed: false,
        }
    }

    /// The same without the faults that are not among these.
    #[must_use]
    pub fn only(mut self, faults: &[Fault]) -> Self {
        self.faults.retain(|(fault, _)| faults.contains(fault));
        self
    }
}
