//! Replication of one partition: what is committed, and who waits for it.
//!
//! | module | what it decides |
//! |---|---|
//! | [`leader`] | high watermark and in-sync replicas of a partition this broker leads |
//! | [`divergence`] | where two logs part, and how a follower's is cut |
//! | [`follower`] | what a follower does with the answer to its fetch |
//! | [`fetcher`] | what to ask one source broker for, over all partitions followed from it |
//! | [`lease`] | how long this broker may acknowledge without hearing from the controller |
//! | [`purgatory`] | which produce and fetch requests that wait on the partition may go on |
//!
//! One partition's machines live under that partition's lock and know of no other partition; the fetcher belongs to
//! one task, the lease to the node.

pub mod divergence;
pub mod fetcher;
pub mod follower;
pub mod leader;
pub mod lease;
pub mod purgatory;
