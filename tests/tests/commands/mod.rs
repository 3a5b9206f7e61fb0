//! rkafka's commands beside the stock tools of Kafka 4.3: the same command lines, each against a broker of its own in
//! the same state; standard output, the first line of standard error and the exit code must be equal.
//!
//! | file | what it does |
//! |---|---|
//! | `compare.rs` | runs a row on both sides and compares |
//! | `normal.rs` | what is made equal before: addresses, ids, times, orders that are random in the stock tools |
//! | the others | tables of command lines |
//!
//! A row that differs says why, and must differ: a reason that holds no more has to go. Two differences hold for every
//! row and are therefore in `compare.rs`: rkafka prints neither its whole help after a mistake nor a stack trace, so
//! only the first line of standard error is compared.

mod as_2_2;
mod cat;
mod client_metrics;
mod cluster;
mod compare;
mod completions;
mod configs;
mod consumer_groups;
mod dump_log;
mod normal;
mod older_broker;
mod profiles;
mod storage;
mod streams;
mod terminal;
mod unreachable;
