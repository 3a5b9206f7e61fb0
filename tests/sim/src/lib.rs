//! The simulator: a whole cluster in one thread, under a seed.
//!
//! Brokers are the pure cores of `rkafka-core` and the real log of `rkafka-log` on a simulated disk, with glue of
//! a few hundred lines; the metadata quorum is one linear history with the real controller handlers; clients,
//! network and time are the simulator's. A seed decides everything: cluster, workload, faults, each delay. First
//! comes a phase of faults with invariants checked after every event, then all faults end and the cluster must
//! heal, and at the end everything that clients saw is judged against what the logs hold.
//!
//! | module | what it is |
//! |---|---|
//! | `plan` | what a seed decides in advance |
//! | `world` | hosts, events, time |
//! | `faults` | what goes wrong, and what keeps it survivable |
//! | `machines` `traffic` `workload` | the world's brokers, messages and clients |
//! | `process` `replica` `following` `upkeep` | one broker: leading, following, serving, tidying up |
//! | `quorum` | the metadata quorum |
//! | `client` | producers and consumers |
//! | `net` `message` | the network and what goes over it |
//! | `truth` | what is committed: the yardstick of the invariants |
//! | `scenario` | directed runs: a script says what goes wrong |
//! | `seeds` | seeds that once failed |

mod client;
mod faults;
mod following;
mod machines;
mod message;
mod net;
mod plan;
mod process;
mod quorum;
mod replica;
mod scenario;
mod seeds;
mod traffic;
mod truth;
mod upkeep;
mod workload;
mod world;

use rkafka_checker::Event;
use rkafka_core::ids::PartitionId;

pub use plan::{Fault, Plan};
pub use scenario::{Scenario, scenarios};
pub use seeds::{KnownSeed, known_seeds};
pub use world::World;

/// What a run was, when nothing was wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Depends on every event: two runs of one seed have the same.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How many sends were acknowledged.
    pub acknowledged: usize,
}

/// How long a healed cluster may take to be whole again, in virtual milliseconds.
const HEAL_MS: u64 = 30_000;

/// Runs a seed.
///
/// # Errors
/// What was wrong, with the command that shows it again.
pub fn run(seed: u64, trace: bool) -> Result<Report, String> {
    run_plan(Plan::of(seed), trace)
}

/// Runs a plan: a seed's, perhaps with fewer faults.
///
/// # Errors
/// What was wrong, with the command that shows it again.
pub fn run_plan(plan: Plan, trace: bool) -> Result<Report, String> {
    let seed = plan.seed;
    let mut names: Vec<String> = plan.faults.iter().map(|(fault, _)| format!("{fault:?}")).collect();
    let mut again = format!("cargo xtask sim --seed {seed} --trace");
    if plan.faults != Plan::of(seed).faults {
        names.push("None".to_owned());
        again += &format!(" --only {}", names.join(","));
    }
    let run = || World::new(plan, trace).live();
    caught(run).map_err(|what| format!("seed {seed}: {what}\n    shown again by: {again}"))
}

/// The outcome of a run; a panic is a failure like any other: an assertion in a core.
fn caught(run: impl FnOnce() -> Result<Report, String>) -> Result<Report, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a word")))
    })
}

/// Whether this deliberate bug of the simulator's own glue was asked for (see rkafka-core's `mutants.rs`).
#[cfg(rkafka_mutants)]
pub(crate) fn mutant(id: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("RKAFKA_MUTANT").ok()).as_deref() == Some(id)
}

/// No bug was asked for.
#[cfg(not(rkafka_mutants))]
pub(crate) fn mutant(_id: &str) -> bool {
    false
}

impl World {
    fn live(&mut self) -> Result<Report, String> {
        const QUIET_MS: u64 = 1_500;
        self.say(|| format!("{:?}", self.plan));
        self.run_until(QUIET_MS)?;
        self.begin_faults();
        self.run_until(QUIET_MS + self.plan.faulty_ms)?;
        self.finish()
    }

    /// All faults end, the cluster becomes whole, and what everybody saw is judged.
    fn finish(&mut self) -> Result<Report, String> {
        self.say(|| "--- all faults end".to_owned());
        self.heal();
        self.converge(true)?;
        self.writing = false;
        self.converge(false)?;
        self.read_back()?;
        let anomalies = rkafka_checker::check(&self.history);
        if let Some(first) = anomalies.first() {
            return Err(format!("{first} (and {} more)", anomalies.len() - 1));
        }
        let acknowledged = self.acknowledged();
        Ok(Report { hash: self.digest(), events: self.events, acknowledged })
    }

    /// Runs until the cluster is whole. While clients write, a write to every partition must succeed after the
    /// faults' end; otherwise all replicas must come to hold the same.
    fn converge(&mut self, writing: bool) -> Result<(), String> {
        let (since, events) = (self.now_ms, self.history.events.len());
        loop {
            self.run_until(self.now_ms + 200)?;
            let missing = match self.unhealthy(!writing) {
                None if writing => self.unwritten(events),
                other => other,
            };
            match missing {
                None => return Ok(()),
                Some(what) if self.now_ms > since + HEAL_MS => {
                    return Err(format!("not healed {HEAL_MS} ms after the last fault: {what}"));
                }
                Some(_) => {}
            }
        }
    }

    /// A partition to which no acks=all write has succeeded since the history had `since` events.
    fn unwritten(&self, since: usize) -> Option<String> {
        let fresh = self.history.events.get(since..).unwrap_or_default();
        let written = |partition: u32| {
            fresh.iter().any(|event| match event {
                Event::Send(send) => {
                    send.partition == partition
                        && send.promise.idempotent
                        && matches!(send.outcome, rkafka_checker::Outcome::Acknowledged(_))
                }
                _ => false,
            })
        };
        let all = self.all_partitions();
        let unwritten = all.iter().find(|(_, named)| !written(*named));
        unwritten.map(|(id, _)| format!("nothing was acknowledged in {id}"))
    }

    /// What is not as it should be in a cluster without faults.
    fn unhealthy(&self, quiescent: bool) -> Option<String> {
        let image = self.quorum.image();
        for topic in image.topics().iter() {
            for (state, index) in topic.partitions.iter().zip(0..) {
                let id = PartitionId { topic: topic.id, index };
                let whole = state.isr.len() == state.replicas.len() && !state.is_reassigning();
                if state.leader.is_none() || !whole {
                    return Some(format!("{id} is {state:?}"));
                }
                let ends = state.replicas.iter().map(|broker| {
                    let machine = self.machines.iter().find(|machine| machine.id == broker.0)?;
                    let replica = machine.process.as_ref()?.replicas.get(&id)?;
                    Some((replica.log.log_end_offset(), replica.log.high_watermark()))
                });
                let ends: Vec<_> = ends.collect();
                let same =
                    ends.iter().all(|end| end.is_some_and(|(end, high)| end == high) && *end == ends[0]);
                if quiescent && !same {
                    return Some(format!("the replicas of {id} end at {ends:?}"));
                }
            }
        }
        if quiescent && !self.producers.iter().all(client::Producer::is_idle) {
            return Some("producers still have something under way".to_owned());
        }
        None
    }

    fn all_partitions(&self) -> Vec<(PartitionId, u32)> {
        let mut found = Vec::new();
        for topic in self.quorum.image().topics().iter() {
            for index in 0..topic.partitions.len() as i32 {
                let id = PartitionId { topic: topic.id, index };
                found.extend(self.name_of(id).map(|named| (id, named)));
            }
        }
        found
    }

    /// Reads every log from its leader, whole, and puts it into the history.
    fn read_back(&mut self) -> Result<(), String> {
        for (id, partition) in self.all_partitions() {
            let topic = self.quorum.image().topics().by_id(id.topic);
            let leader = topic.and_then(|topic| topic.partition(id.index)?.leader);
            let machine = self.machines.iter().find(|machine| Some(machine.id) == leader.map(|id| id.0));
            let replica = machine.and_then(|machine| machine.process.as_ref()?.replicas.get(&id));
            let Some(replica) = replica else { return Err(format!("{id} is led nowhere at the end")) };
            let records = truth::values(&replica.log)?;
            self.history.events.push(Event::ReadBack { partition, records });
            let below = replica.log.log_start_offset();
            self.history.events.push(Event::Deleted { partition, below });
        }
        let fencings = self.fencings();
        self.history.events.extend(fencings);
        Ok(())
    }
}
