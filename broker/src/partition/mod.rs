//! Partitions this broker has a replica of: the log, who may write to it, and who waits for it.
//!
//! ```text
//! handle.rs    one partition: the lock around its log, its role, its readers
//! replication.rs  what it does as a leader for its followers, and as a follower
//! moving.rs    its move to another log directory
//! waiters.rs   fetches that wait for data, woken by exactly the appends that concern them
//! settings.rs  a topic's configuration as logs and leaders need it
//! table.rs     all partitions of this broker
//! ```
//!
//! **Locking.** There is one level for all but moves: the mutex of a partition. It is entered once per batch, never held
//! across an `.await`, and nothing else is locked within it. Readers take no lock: they load the log's
//! published view. A move has a lock of its own, entered before the partition's. What a step wants done outside (waking fetches) is done after the lock is left.

mod handle;
mod moving;
mod replication;
mod settings;
mod table;
mod waiters;

pub use handle::{
    AppendRequest, Appended, CommitWait, Isolation, Leadership, Partition, PartitionError, Role, Throttled,
    WaitingFetch,
};
pub use moving::{FutureReplica, MoveError, MoveStep};
pub use replication::{FetchedRecords, Taken};
pub use settings::PartitionSettings;
pub use table::PartitionTable;
pub use waiters::{FetchPlace, FetchWait};

#[cfg(test)]
mod tests;
