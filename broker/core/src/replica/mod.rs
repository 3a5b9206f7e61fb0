//! Replication of one partition: what is committed, and who waits for it.
//!
//! | module | what it decides |
//! |---|---|
//! | [`leader`] | high watermark and in-sync replicas of a partition this broker leads |
//! | [`purgatory`] | which produce and fetch requests that wait on the partition may go on |
//!
//! One partition's machines live under that partition's lock; none of them knows of another partition.

pub mod leader;
pub mod purgatory;
