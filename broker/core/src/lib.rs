//! The brains of the broker: pure state machines. Time, ids and seeds are passed in; what a step wants done
//! outside comes back as values.
//!
//! | module | what it decides |
//! |---|---|
//! | [`ids`] | the identities used everywhere |
//! | [`image`] | what the cluster is: topics, brokers, configs, features; one immutable value, changed by records |
//! | [`controller`] | what may be changed: handlers that turn a request into metadata records and a reply |
//! | [`replica`] | what is committed: leader state of one partition, waits for it |
//! | [`time`] | the two clocks of a step, deadlines |
//! | [`group`] | consumer groups and their offsets |
//! | [`coordinator`] | the life of a shard of `__consumer_offsets` around them |
//! | [`throttle`] | how fast replicas that are being moved are copied |
//! | [`session`] | fetch sessions (KIP-227) |
//! | [`adopt`] | a data directory that another broker made |
//! | [`reconcile`] | what this broker must do so that its partitions are as the image says |
//!
//! **Architecture invariant:** nothing here reads a clock, a file, a socket or entropy, or starts a thread.

#[macro_use]
mod mutants;

pub mod adopt;
pub mod controller;
pub mod coordinator;
pub mod group;
pub mod ids;
pub mod image;
pub mod reconcile;
pub mod replica;
pub mod session;
pub mod throttle;
pub mod time;
