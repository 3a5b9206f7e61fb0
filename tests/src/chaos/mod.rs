//! Chaos: a cluster of processes is hurt by a schedule while clients work; afterwards everything is healed, read back
//! and judged.
//!
//! ```text
//! schedule.rs  what is done and when: text, or drawn from a seed
//! cluster.rs   the nodes, each on a host of its own, and what can be done to them
//! workload.rs  the clients, and the history of what they were told
//! group.rs     a consumer group among them, whose offsets must not go back
//! java.rs      a producer of the Java client among them
//! replicas.rs  the logs of all replicas, compared byte by byte
//! run.rs       one run, from the first start to the verdict
//! ```
//! A run with the same seed does the same things at the same times; what the kernel's scheduler makes of them differs.

mod cluster;
mod group;
mod java;
mod replicas;
mod run;
mod schedule;
mod workload;

pub use cluster::{Cluster, PATIENCE, Setup};
pub use run::{Plan, Report, run};
pub use schedule::{Action, Schedule, Step, Target};
pub use workload::{Kind, TOPIC};
